"""Fetches the parts of one snapshot from several peers at once.

A scheduler without state on disk: what is done is what the staging folder has. Each peer
has at most SLOTS questions open; a part that fails goes back to be asked of another. A
peer whose bytes are not the manifest's pays at once and is asked no more. State parts
come first and in any order, history parts after them, verified from the top down.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from node.metrics import Metrics
from node.snapshotpeers import SnapshotPeers
from node.snapshotwire import Offer
from primitives.errors import CarbonodeError
from primitives.hashing import Address
from storage.snapshotformat import SnapshotError, compute_part_hash
from storage.snapshotinstall import Staging

SLOTS = 2
"""Questions open to one peer: it answers no more of them at once (node/serving.py)."""
FAILURES_MAX = 3
"""Parts that a peer did not give in a row; then it rests for REST_S."""
REST_S = 5.0
STALL_S = 30.0
"""Without a part for so long the snapshot is given up: nobody serves it any more."""
ASK_S = 2.0
"""Between two looks for further peers that serve it."""
AHEAD_MAX = 8
"""Parts that were fetched and wait to be written."""


class FetchFailed(CarbonodeError):
    """Nobody gives what is missing; what is here stays."""

    code = "state-sync"


class ManifestRefuted(CarbonodeError):
    """A part has the hash that the manifest says and does not prove itself: it was made up."""

    code = "state-sync-refuted"


@dataclass(slots=True)
class Progress:
    """How far it is; shown by ``sync_status``."""

    parts_done: int = 0
    parts_wanted: int = 0
    bytes_done: int = 0
    bytes_wanted: int = 0
    peers: int = 0


class _Run(Protocol):
    def __call__(self, work: Callable[[], None]) -> Awaitable[None]: ...


@dataclass(slots=True)
class _Source:
    """One peer that serves this snapshot."""

    open: int = 0
    failures: int = 0
    rests_until_s: float = 0.0
    is_liar: bool = False


class Fetch:
    """See the module. ``run`` once."""

    def __init__(
        self,
        peers: SnapshotPeers,
        staging: Staging,
        offer: Offer,
        on_thread: _Run,
        progress: Progress,
    ) -> None:
        self._peers = peers
        self._staging = staging
        self._offer = offer
        self._on_thread = on_thread
        self._progress = progress
        manifest = staging.manifest
        if manifest is None:
            raise SnapshotError("no snapshot is being taken")
        self._manifest = manifest
        self._parts = manifest.parts
        self._missing: deque[int] = deque(staging.list_missing())
        self._fetched: dict[int, tuple[Address, bytes]] = {}
        self._sources: dict[Address, _Source] = {}
        self._asked_at_s: dict[Address, float] = {}
        self._moved_at_s = 0.0

    async def run(self, sources: Sequence[Address], metrics: Metrics) -> None:
        """Return when every part is verified and written.

        Raises FetchFailed, and ManifestRefuted when a part refutes its own manifest.
        """
        self._sources = {peer: _Source() for peer in sources}
        self._moved_at_s = self._now_s()
        self._count(metrics)
        tasks: dict[asyncio.Task[None], None] = {}
        try:
            while self._missing or tasks or self._fetched:
                self._start_offers(tasks)
                self._start_fetches(tasks)
                if tasks:
                    await asyncio.wait(tasks, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(0.1)
                for task in [item for item in tasks if item.done()]:
                    del tasks[task]
                    task.result()
                await self._write_fetched()
                self._count(metrics)
                if self._now_s() - self._moved_at_s > STALL_S:
                    raise FetchFailed("no peer gives the parts", missing=len(self._missing))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- asking

    def _start_offers(self, tasks: dict[asyncio.Task[None], None]) -> None:
        """Ask peers that came later whether they serve this snapshot, too."""
        now_s = self._now_s()
        for peer in self._peers.get_connected():
            if peer in self._sources or now_s - self._asked_at_s.get(peer, -ASK_S) < ASK_S:
                continue
            self._asked_at_s[peer] = now_s
            tasks[asyncio.create_task(self._ask_offer(peer))] = None

    async def _ask_offer(self, peer: Address) -> None:
        answer = await self._peers.ask_offers(peer, self._offer.height - 1)
        offers = () if answer is None else answer.offers
        if any(item.manifest_hash == self._offer.manifest_hash for item in offers):
            self._sources.setdefault(peer, _Source())

    def _start_fetches(self, tasks: dict[asyncio.Task[None], None]) -> None:
        connected, now_s = set(self._peers.get_connected()), self._now_s()
        usable = [
            (peer, source)
            for peer, source in self._sources.items()
            if peer in connected and not source.is_liar and source.rests_until_s <= now_s
        ]
        self._progress.peers = len(usable)
        for _ in range(SLOTS):
            for peer, source in usable:
                if source.open < SLOTS and self._missing and len(self._fetched) < AHEAD_MAX:
                    source.open += 1
                    number = self._missing.popleft()
                    tasks[asyncio.create_task(self._fetch(peer, source, number))] = None

    async def _fetch(self, peer: Address, source: _Source, number: int) -> None:
        part = self._parts[number]
        content: bytes | None = None
        try:
            content = await self._peers.fetch(peer, self._offer, number, part.bytes)
        finally:
            source.open -= 1
            if content is None:
                self._missing.appendleft(number)
        if content is None:
            source.failures += 1
            if source.failures >= FAILURES_MAX:
                source.failures = 0
                source.rests_until_s = self._now_s() + REST_S
        elif compute_part_hash(content) != part.hash:
            source.is_liar = True
            self._missing.appendleft(number)
            self._peers.accuse(peer, f"part {number} is not the one that the manifest names")
        else:
            source.failures = 0
            self._fetched[number] = (peer, content)

    # -- keeping

    async def _write_fetched(self) -> None:
        """Verify and write what is here: state in any order, history in its own."""
        state = len(self._manifest.state)
        while (number := self._find_next(state)) is not None:
            _, content = self._fetched.pop(number)
            try:
                await self._on_thread(partial(self._add, number, state, content))
            except SnapshotError as error:
                for peer in self._sources:
                    self._peers.accuse(peer, f"a manifest that its parts refute: {error}")
                raise ManifestRefuted(str(error), part=number) from None
            self._moved_at_s = self._now_s()

    def _find_next(self, state: int) -> int | None:
        for number in self._fetched:
            if number < state:
                return number
        waiting = [number for number in self._staging.list_missing() if number >= state]
        return waiting[0] if waiting and waiting[0] in self._fetched else None

    def _add(self, number: int, state: int, content: bytes) -> None:
        if number < state:
            self._staging.add_state(number, content)
        else:
            self._staging.add_history(number, content)

    def _count(self, metrics: Metrics) -> None:
        progress, done = self._progress, self._staging.done
        progress.parts_done, progress.parts_wanted = len(done), len(self._parts)
        progress.bytes_done = sum(self._parts[number].bytes for number in done)
        progress.bytes_wanted = sum(part.bytes for part in self._parts)
        metrics.statesync_parts.set(progress.parts_done)
        metrics.statesync_parts_wanted.set(progress.parts_wanted)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
