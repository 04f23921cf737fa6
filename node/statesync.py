"""State sync: a node far behind takes a snapshot from its peers instead of old blocks.

Trust begins at the genesis, or at an epoch that the operator names, and walks over the
certified ends of epochs to the snapshot's; from there header, result, state root and
manifest are certified, and every part proves itself before it is kept. Several peers
serve parts of one snapshot at once. A peer that sends bytes other than the manifest's
pays alone; a manifest whose parts do not prove themselves costs all who offered it.

What was taken stays on disk (``storage.snapshotinstall``), so a killed node goes on.
When all is there ``run`` says so, and the node opens its stores again on the result.
Nothing here commits or executes: block sync goes on from the snapshot's height.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from node.config import NodeConfig, SnapshotsSection
from node.journal import Journal
from node.logs import log_event
from node.metrics import Metrics
from node.snapshotfetch import Fetch, FetchFailed, ManifestRefuted, Progress
from node.snapshotpeers import SnapshotPeers
from node.snapshotwire import Offer
from primitives.block import compute_execution_hash, compute_header_hash
from primitives.epochs import (
    EpochEnd,
    TrustedEpoch,
    compute_window_first,
    verify_certified,
    verify_epoch_end,
)
from primitives.errors import CodecError, ProofError
from primitives.genesis import Genesis
from primitives.hashing import Address, Hash
from primitives.params import compute_epoch
from storage.snapshotformat import (
    MANIFEST,
    MANIFEST_BYTES_MAX,
    Manifest,
    SnapshotError,
    compute_manifest_hash,
)
from storage.snapshotinstall import STAGING_FOLDER, Staging, discard_staging

LOOK_S = 3.0
"""A node at height 0 waits so long for offers after its first peer is there."""
LOOK_STEP_S = 0.05
ATTEMPTS_MAX = 16
"""Snapshots tried in one run, so that a few liars' come and go; then blocks are fetched."""
EPOCHS_KEPT_MAX = 100_000
"""Ends of epochs held while joining: 100 MB at a thousand bytes each."""

_T = TypeVar("_T")
_Key = tuple[Hash, Hash, Hash]
"""Manifest, block and execution hash: a liar may name a true manifest for another block."""
_log = logging.getLogger("carbonode.statesync")


@dataclass(slots=True)
class SyncStatus:
    """What ``sync_status`` shows of state sync. ``phase``: idle, looking, epochs, manifest,
    parts, restarting."""

    phase: str = "idle"
    height: int = 0
    progress: Progress = field(default_factory=Progress)
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class StateSyncSetup:
    """What belongs to one node: its chain, its folder, its settings."""

    chain_id: Hash
    genesis: Genesis
    config: NodeConfig
    get_height: Callable[[], int]
    journal: Journal
    metrics: Metrics

    @property
    def data(self) -> Path:
        """Where the chain's folder is."""
        return self.config.data_path

    @property
    def section(self) -> SnapshotsSection:
        """What the operator wants."""
        return self.config.snapshots

    @property
    def peers_expected(self) -> int:
        """Registered peers: when all have answered, nothing more is waited for."""
        return len(self.config.peers)


@dataclass(frozen=True, slots=True)
class _Choice:
    """One snapshot and who offers it; their certificates may differ."""

    offers: tuple[tuple[Address, Offer], ...]

    @property
    def offer(self) -> Offer:
        """What all of them offer."""
        return self.offers[0][1]

    @property
    def peers(self) -> tuple[Address, ...]:
        """Who offers it."""
        return tuple(peer for peer, _ in self.offers)

    @property
    def key(self) -> _Key:
        """What is the same in all of them."""
        return _make_key(self.offer)


class StateSync:
    """See the module. ``run`` may be called again and again, by one owner."""

    def __init__(self, setup: StateSyncSetup, peers: SnapshotPeers) -> None:
        self._setup = setup
        self._peers = peers
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="statesync")
        self._ends: list[EpochEnd] = []
        self._known: list[TrustedEpoch] = []
        self._refuted: set[_Key] = set()
        self.status = SyncStatus()

    def close(self) -> None:
        """Finish what is being written and end the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def run(self, *, is_pruned: bool = False) -> bool:
        """Return True when a whole chain lies ready to take the place of ours.

        ``is_pruned``: the next blocks are gone everywhere, so any later snapshot is worth
        it. False: none that saves enough blocks, or none could be taken.
        """
        saved_min = 1 if is_pruned else self._setup.section.join_blocks_min
        if not self._setup.section.join:
            return False
        failed: set[_Key] = set()
        try:
            for _ in range(ATTEMPTS_MAX):
                self.status.phase = "looking"
                choices = [item for item in await self._look(saved_min) if item.key not in failed]
                if not choices:
                    await self._call(self._drop_stale)
                    return False
                if await self._try(choices[0]):
                    self.status.phase = "restarting"
                    return True
                failed.add(choices[0].key)
            return False
        finally:
            if self.status.phase != "restarting":
                self.status.phase = "idle"

    def _drop_stale(self) -> None:
        """Remove a snapshot that was begun and that the chain here has gone past."""
        if not (self._setup.data / STAGING_FOLDER).exists():
            return
        with Staging.open(self._setup.data, self._setup.chain_id) as staging:
            manifest = staging.manifest
        if manifest is None or manifest.height <= self._setup.get_height():
            discard_staging(self._setup.data)

    # -- which snapshot

    async def _look(self, saved_min: int) -> list[_Choice]:
        """Return the snapshots that peers offer and that are worth it, the best first."""
        loop = asyncio.get_running_loop()
        above = self._setup.get_height() + saved_min - 1
        asked: dict[Address, asyncio.Task[Sequence[Offer]]] = {}
        first_at_s: float | None = None
        try:
            while True:
                for peer in self._peers.get_connected():
                    if peer not in asked:
                        asked[peer] = asyncio.create_task(self._ask(peer, above))
                        first_at_s = loop.time() if first_at_s is None else first_at_s
                answered = [task for task in asked.values() if task.done()]
                is_late = first_at_s is not None and loop.time() - first_at_s > LOOK_S
                is_whole = len(answered) >= self._setup.peers_expected
                is_fresh = self._setup.get_height() == 0 and not is_late and not is_whole
                has_offer = any(task.result() for task in answered)
                if asked and len(answered) == len(asked) and (has_offer or not is_fresh):
                    break
                await asyncio.sleep(LOOK_STEP_S)
            return _group({peer: task.result() for peer, task in asked.items()}, self._refuted)
        finally:
            for task in asked.values():
                task.cancel()

    async def _ask(self, peer: Address, above: int) -> Sequence[Offer]:
        answer = await self._peers.ask_offers(peer, above)
        if answer is None:
            return ()
        return [item for item in answer.offers if item.height > above]

    # -- taking it

    async def _try(self, choice: _Choice) -> bool:
        """Take one snapshot; False when that failed and another look may help."""
        self.status.height = choice.offer.height
        try:
            self.status.phase = "epochs"
            trusted = await self._follow(choice)
            choice = await self._verify_heads(choice, trusted)
            self.status.phase = "manifest"
            staging = await self._stage(choice, trusted)
        except (FetchFailed, ProofError, SnapshotError) as error:
            return self._fail(choice.offer, error)
        try:
            self.status.phase = "parts"
            await self._fill(choice.offer, choice.peers, staging)
        except ManifestRefuted as error:
            self._refuted.add(choice.key)
            await self._call(staging.close)
            await self._call(lambda: discard_staging(self._setup.data))
            return self._fail(choice.offer, error)
        except FetchFailed as error:
            return self._fail(choice.offer, error)
        finally:
            await self._call(staging.close)
        # The state names the next set alone; the certificate is verified with this one.
        self._setup.journal.save_set(trusted.validators)
        log_event(
            _log,
            logging.INFO,
            "snapshot taken",
            height=choice.offer.height,
            state_root=choice.offer.result.state_root,
            parts=self.status.progress.parts_done,
        )
        return True

    async def _fill(self, offer: Offer, peers: Sequence[Address], staging: Staging) -> None:
        fetch = Fetch(self._peers, staging, offer, self._call, self.status.progress)
        await fetch.run(peers, self._setup.metrics)
        if self._setup.get_height() >= offer.height:
            raise FetchFailed("the chain here went past the snapshot", height=offer.height)
        ends = [end for end in self._ends if end.header.height <= offer.height]
        await self._call(lambda: staging.finish(offer.certificate, ends))

    def _fail(self, offer: Offer, error: Exception) -> bool:
        self.status.last_error = str(error)
        log_event(_log, logging.WARNING, "snapshot not taken", height=offer.height, reason=error)
        return False

    async def _follow(self, choice: _Choice) -> TrustedEpoch:
        """Walk over the ends of epochs to the offer's; return what is in force there."""
        if not self._known:
            await self._begin_trust(choice.peers)
        epoch_blocks = self._setup.genesis.params.epoch_blocks
        height = choice.offer.height
        own, following = (
            compute_epoch(height, epoch_blocks),
            compute_epoch(height + 1, epoch_blocks),
        )
        if own < self._known[0].epoch:
            raise FetchFailed("the snapshot is older than the trusted height")
        for peer in choice.peers:
            while self._known[-1].epoch < following:
                ends = await self._peers.ask_epochs(peer, self._known[-1].epoch)
                if not ends or not await self._advance(peer, ends, following):
                    break
        if self._known[-1].epoch < following:
            raise FetchFailed("no peer shows how validators changed", epoch=self._known[-1].epoch)
        return self._known[own - self._known[0].epoch]

    async def _verify_heads(self, choice: _Choice, trusted: TrustedEpoch) -> _Choice:
        """Return the choice with those alone who showed a certificate; the others pay."""
        good: list[tuple[Address, Offer]] = []
        for peer, offer in choice.offers:
            try:
                await self._call(partial(self._verify_head, offer, trusted))
                good.append((peer, offer))
            except ProofError as error:
                self._peers.accuse(peer, str(error))
        if not good:
            self._refuted.add(choice.key)
            raise FetchFailed("nobody showed that the snapshot's block is final")
        return _Choice(tuple(good))

    def _verify_head(self, offer: Offer, trusted: TrustedEpoch) -> None:
        verify_certified(
            offer.header, offer.result, offer.certificate, trusted, self._setup.chain_id
        )

    async def _advance(self, peer: Address, ends: Sequence[EpochEnd], wanted: int) -> bool:
        """Verify ends of epochs in order; False when one is bad, and its peer pays."""
        for end in ends[: wanted - self._known[-1].epoch]:
            last = self._known[-1]
            try:
                known = await self._call(partial(verify_epoch_end, last, end, self._setup.chain_id))
            except ProofError as error:
                self._peers.accuse(peer, str(error))
                return False
            if len(self._ends) >= EPOCHS_KEPT_MAX:
                raise FetchFailed("more epochs than are kept: name a trusted height")
            self._ends.append(end)
            self._known.append(known)
        return True

    async def _begin_trust(self, peers: Sequence[Address]) -> None:
        """Begin at the genesis, or after the epoch end that the operator named."""
        section, genesis = self._setup.section, self._setup.genesis
        if not section.trust_height:
            self._known = [TrustedEpoch.from_genesis(genesis)]
            return
        epoch_blocks = genesis.params.epoch_blocks
        if section.trust_height % epoch_blocks:
            raise FetchFailed("trust_height is not the last of an epoch", epoch_blocks=epoch_blocks)
        epoch = section.trust_height // epoch_blocks - 1
        trusted_hash = bytes.fromhex(section.trust_hash[2:])
        for peer in peers:
            found = await self._find_trusted(peer, epoch, trusted_hash)
            if found is not None:
                end, before = found
                self._known = [verify_epoch_end(before, end, self._setup.chain_id)]
                self._ends = [end]
                return
        raise FetchFailed("no peer shows the block of trust_hash", height=section.trust_height)

    async def _find_trusted(
        self, peer: Address, epoch: int, trusted_hash: bytes
    ) -> tuple[EpochEnd, TrustedEpoch] | None:
        """Return the end with the trusted hash and the epoch that it closes.

        The header names the hashes of that epoch's validators and parameters; they come
        from the end before, which is believed for these hashes alone.
        """
        ends = await self._peers.ask_epochs(peer, max(epoch - 1, 0)) or ()
        end = next(
            (item for item in ends if item.header.height == self._setup.section.trust_height), None
        )
        if end is None or compute_header_hash(end.header) != trusted_hash:
            return None
        if epoch == 0:
            return end, TrustedEpoch.from_genesis(self._setup.genesis)
        return end, TrustedEpoch(epoch, ends[0].validators, ends[0].params)

    async def _stage(self, choice: _Choice, trusted: TrustedEpoch) -> Staging:
        """Open the staging folder for this snapshot: the one begun before, or a fresh one."""
        setup, offer = self._setup, choice.offer
        staging = await self._call(lambda: Staging.open(setup.data, setup.chain_id))
        try:
            if staging.manifest_hash == offer.manifest_hash:
                log_event(_log, logging.INFO, "going on", parts=len(staging.done))
                return staging
            if staging.manifest is not None:
                await self._call(staging.close)
                await self._call(lambda: discard_staging(setup.data))
                staging = await self._call(lambda: Staging.open(setup.data, setup.chain_id))
            manifest = await self._fetch_manifest(choice, trusted)
            await self._call(lambda: staging.begin(manifest))
        except BaseException as error:
            await self._call(staging.close)
            if isinstance(error, SnapshotError):
                self._refute(choice, str(error))
            raise
        return staging

    async def _fetch_manifest(self, choice: _Choice, trusted: TrustedEpoch) -> Manifest:
        offer = choice.offer
        if not 0 < offer.manifest_bytes <= MANIFEST_BYTES_MAX:
            raise SnapshotError("a manifest's size is out of range", bytes=offer.manifest_bytes)
        for peer in choice.peers:
            encoded = await self._peers.fetch(peer, offer, None, offer.manifest_bytes)
            if encoded is None:
                continue
            if compute_manifest_hash(encoded) != offer.manifest_hash:
                self._peers.accuse(peer, "not the manifest that it offered")
                continue
            return self._check_manifest(encoded, offer, trusted)
        raise FetchFailed("no peer gave the manifest")

    def _check_manifest(self, encoded: bytes, offer: Offer, trusted: TrustedEpoch) -> Manifest:
        try:
            manifest: Manifest = MANIFEST.decode(encoded)
        except CodecError as error:
            raise SnapshotError(f"a manifest does not decode: {error}") from None
        if (manifest.header, manifest.result) != (offer.header, offer.result):
            raise SnapshotError("a manifest of another block")
        if manifest.levels != trusted.params.state_levels:
            raise SnapshotError("not the levels in force", levels=manifest.levels)
        known = [item for item in self._known if item.epoch <= trusted.epoch]
        first = compute_window_first(manifest.height, known)
        if manifest.history_first > first:
            raise FetchFailed("the history is too short", first=manifest.history_first, need=first)
        return manifest

    def _refute(self, choice: _Choice, reason: str) -> None:
        """Whoever offered a manifest that cannot be true made it up."""
        self._refuted.add(choice.key)
        for peer in choice.peers:
            self._peers.accuse(peer, reason)

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _make_key(offer: Offer) -> _Key:
    return (
        offer.manifest_hash,
        compute_header_hash(offer.header),
        compute_execution_hash(offer.result),
    )


def _group(found: dict[Address, Sequence[Offer]], refuted: set[_Key]) -> list[_Choice]:
    """Return the snapshots offered, each with its peers: highest first, then most peers."""
    groups: dict[_Key, list[tuple[Address, Offer]]] = {}
    for peer, offers in found.items():
        for offer in offers:
            key = _make_key(offer)
            if key not in refuted:
                groups.setdefault(key, []).append((peer, offer))
    choices = [_Choice(tuple(offers)) for offers in groups.values()]
    return sorted(choices, key=lambda item: (-item.offer.height, -len(item.peers)))
