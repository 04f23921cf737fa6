"""A chain's folder made from a snapshot that came as a file: no peer is asked.

The validators are followed from the genesis over the ends of epochs that came with it,
the snapshot's block must be certified by those of its epoch, and each part proves itself
before it is kept, as in state sync. What is made lies beside the chain's folder and takes
its place when the node starts next (``storage.snapshotinstall``); so a home that never
ran still has its first start (decision 0009).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from primitives.epochs import (
    EpochEnd,
    TrustedEpoch,
    compute_window_first,
    verify_certified,
    verify_epoch_end,
)
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import Hash
from primitives.params import compute_epoch
from storage.snapshotfolder import StoredSnapshot
from storage.snapshotformat import SnapshotError
from storage.snapshotinstall import Staging, discard_staging

OnPart = Callable[[int, int], None]


def stage_snapshot(
    stored: StoredSnapshot, data: Path, genesis: Genesis, on_part: OnPart | None = None
) -> TrustedEpoch:
    """Fill the staging folder under ``data``; return the epoch that certified the snapshot.

    Raises ProofError or SnapshotError, and leaves nothing, where something does not prove.
    """
    chain_id = compute_chain_id(genesis)
    known, ends = follow_epochs(stored, genesis, chain_id)
    manifest = stored.manifest
    own = compute_epoch(stored.height, genesis.params.epoch_blocks)
    trusted = known[own]
    verify_certified(manifest.header, manifest.result, stored.certificate, trusted, chain_id)
    if manifest.levels != trusted.params.state_levels:
        raise SnapshotError("not the levels in force", levels=manifest.levels)
    first = compute_window_first(stored.height, known[: own + 1])
    if manifest.history_first > first:
        raise SnapshotError("the history is too short", first=manifest.history_first, need=first)
    discard_staging(data)
    try:
        with Staging.open(data, chain_id) as staging:
            staging.begin(manifest)
            missing = staging.list_missing()
            for done, number in enumerate(missing, 1):
                add = staging.add_state if number < len(manifest.state) else staging.add_history
                add(number, stored.read_part(number))
                if on_part is not None:
                    on_part(done, len(missing))
            staging.finish(stored.certificate, ends)
    except BaseException:
        discard_staging(data)
        raise
    return trusted


def follow_epochs(
    stored: StoredSnapshot, genesis: Genesis, chain_id: Hash
) -> tuple[list[TrustedEpoch], list[EpochEnd]]:
    """Return every epoch up to the one after the snapshot's height, and their ends."""
    epoch_blocks = genesis.params.epoch_blocks
    following = compute_epoch(stored.height + 1, epoch_blocks)
    given = {end.header.epoch: end for end in stored.read_epochs()}
    known, ends = [TrustedEpoch.from_genesis(genesis)], []
    while known[-1].epoch < following:
        end = given.get(known[-1].epoch)
        if end is None:
            raise SnapshotError(
                "the file does not show how validators changed: let a node with the whole chain "
                "export it, or take the snapshot from peers",
                code="snapshot-epochs",
                epoch=known[-1].epoch,
            )
        known.append(verify_epoch_end(known[-1], end, chain_id))
        ends.append(end)
    return known, ends
