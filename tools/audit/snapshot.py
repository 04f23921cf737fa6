"""Where an audit from a snapshot begins: the snapshot proven whole, and who certified it.

The epochs are walked from the genesis over the certified ends that the audited chain
keeps for ever; a quorum of the last one's validators signed the snapshot's block and its
state root, and every part is recomputed up to that root. So nothing of either folder is
believed, and blocks before the snapshot may be gone. Raises ProofError, SnapshotError.
"""

from __future__ import annotations

from pathlib import Path

from primitives.block import compute_execution_hash, compute_header_hash
from primitives.epochs import EPOCH_END, EpochEnd, TrustedEpoch, verify_certified, verify_epoch_end
from primitives.genesis import Genesis
from primitives.hashing import Hash
from primitives.params import compute_epoch, is_epoch_end
from storage.chain import ChainStore
from storage.engine import KeyValueStore
from storage.errors import StorageError
from storage.snapshotfolder import MANIFEST_FILE, StoredSnapshot
from storage.snapshotformat import SnapshotError, check_manifest, verify_state_part
from tools.audit.checks import Position
from tools.audit.replay import ReplayState
from tools.audit.report import require


def open_snapshot(folder: Path) -> StoredSnapshot:
    """Return the snapshot in ``folder``, one of a home's ``data/snapshots``."""
    if not (folder / MANIFEST_FILE).exists():
        raise StorageError("this folder is no snapshot", code="no-snapshot", folder=str(folder))
    return StoredSnapshot.open(folder)


def find_position(snapshot: StoredSnapshot, chain: ChainStore, genesis: Genesis) -> Position:
    """Return where the snapshot stands, once its block is known to be certified."""
    manifest, chain_id = snapshot.manifest, chain.chain_id
    header, result = manifest.header, manifest.result
    trusted = TrustedEpoch.from_genesis(genesis)
    epoch_blocks = genesis.params.epoch_blocks
    while trusted.epoch < compute_epoch(header.height, epoch_blocks):
        trusted = verify_epoch_end(trusted, _read_end(chain, trusted.epoch), chain_id)
    verify_certified(header, result, snapshot.certificate, trusted, chain_id)
    require("state levels", expected=trusted.params.state_levels, found=manifest.levels)
    following = trusted
    if is_epoch_end(header.height, epoch_blocks):
        end = _read_end(chain, trusted.epoch)
        require("end of the epoch", expected=header, found=end.header)
        following = verify_epoch_end(trusted, end, chain_id)
    return Position(
        chain_id=chain_id,
        height=header.height,
        block_hash=compute_header_hash(header),
        exec_hash=compute_execution_hash(result),
        time_ms=header.time_ms,
        epoch=header.epoch,
        validators=trusted.validators,
        certificate=snapshot.certificate,
        next_validators=following.validators,
        next_params=following.params,
    )


def load_state(snapshot: StoredSnapshot, store: KeyValueStore) -> ReplayState:
    """Fill ``store`` with the snapshot's state, every part recomputed, and return it."""
    manifest = snapshot.manifest
    store.write(check_manifest(manifest), sync=False)
    keys = 0
    for number, part in enumerate(manifest.state):
        rows, count = verify_state_part(manifest, part, snapshot.read_part(number))
        store.write(rows, sync=False)
        keys += count
    if keys != manifest.keys:
        raise SnapshotError("the number of keys is wrong", found=keys, claimed=manifest.keys)
    return ReplayState(store, manifest.levels, Hash(manifest.result.state_root), keys)


def _read_end(chain: ChainStore, epoch: int) -> EpochEnd:
    encoded = chain.get_epoch_end(epoch)
    if encoded is None:
        raise StorageError(
            "the chain here does not know the end of an epoch before the snapshot",
            code="audit-range",
            epoch=epoch,
        )
    end: EpochEnd = EPOCH_END.decode(encoded)
    return end
