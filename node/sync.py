"""Catch-up: a node that was away fetches final blocks with their certificates.

Consensus says that a height is final elsewhere; here blocks are asked for in batches,
from one peer after another, verified off the event loop, and handed to the driver,
which executes and commits them. The next batch travels while this one is executed. A
peer that serves bad blocks pays for it; a claim without a block behind it costs one
question (CometBFT's peers lied about their height and sync never ended).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from consensus.effects import Behind
from node.catchup import FetchedBlock, verify_fetched
from node.committed import CommittedState
from node.hints import Hints
from node.logs import log_event
from node.requests import PeerRequests, Peers
from node.wire import (
    BLOCKS_ANSWER,
    BLOCKS_BYTES_MAX,
    BLOCKS_MAX,
    BLOCKS_REQUEST,
    BlocksAnswer,
    BlocksRequest,
    CertifiedBlock,
)
from p2p.frames import FrameKind, encode_request
from p2p.peers import Offence
from primitives.certificate import CERTIFICATE
from primitives.errors import CodecError, ProofError
from primitives.hashing import Address, Hash
from storage.chain import ChainStore

ASK_TIMEOUT_S = 5.0
BATCH_BLOCKS = 32
ROUNDS_WITHOUT_PROGRESS_MAX = 3
"""After so many rounds of every peer without a block, the claimed height is given up;
consensus repeats it if it was true."""
RETRY_WAIT_S = 0.2
HINT_BLOCKS = 256
"""How far a claimant who showed a whole batch is believed before it must show another."""
CLOSE_BLOCKS = 2
GRACE_S = 0.5
"""So few blocks behind, consensus most likely finishes by itself what it holds; only when
nothing was committed for this long are they fetched. Under load every node is a block
behind now and then, and executing it twice would make that worse."""


_log = logging.getLogger("carbonode.sync")


@dataclass(frozen=True, slots=True)
class _Served:
    peer: Address
    first: int
    blocks: tuple[CertifiedBlock, ...]


@dataclass(frozen=True, slots=True)
class Importer:
    """Where fetched blocks go: verified on ``readers``, then to the driver.

    ``import_block`` executes and commits and returns when that is done; ``wait_tip``
    returns after the next commit, whoever made it.
    """

    import_block: Callable[[FetchedBlock], Awaitable[None]]
    wait_tip: Callable[[], Awaitable[None]]
    readers: ThreadPoolExecutor


class Sync:
    """See the module. ``run`` is its owned task."""

    def __init__(
        self,
        chain_id: Hash,
        state: CommittedState,
        requests: PeerRequests,
        peers: Peers,
        importer: Importer,
        rng: random.Random,
    ) -> None:
        self._chain_id = chain_id
        self._state = state
        self._requests = requests
        self._peers = peers
        self._importer = importer
        self._rng = rng
        self._target = 0
        self._hints = Hints()
        self._preferred: Address | None = None
        self._source: Address | None = None
        self._is_pruned = False
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def target(self) -> int:
        """The height that is known or claimed to be final elsewhere; 0 when idle."""
        return self._target

    @property
    def source(self) -> Address | None:
        """The peer that was asked last; None while nothing is fetched."""
        return self._source if self._target else None

    @property
    def is_syncing(self) -> bool:
        """Whether final blocks are missing here, beyond those consensus is finishing."""
        return self._target > self._state.height + CLOSE_BLOCKS

    async def wait_idle(self) -> None:
        """Return when nothing is being fetched: the target was reached or given up."""
        await self._idle.wait()

    def on_behind(self, behind: Behind) -> None:
        """Consensus found that a height is final elsewhere, or heard so (see ``Hints``)."""
        if not behind.verified:
            now_s = asyncio.get_running_loop().time()
            if behind.peer is None or not self._hints.note(behind.peer, behind.height, now_s):
                return
        elif behind.height > self._target:
            self._target = behind.height
            self._preferred = behind.peer
        self._idle.clear()
        self._wanted.set()

    async def run(self) -> None:
        """Fetch whenever consensus says that we are behind, until cancelled.

        Returns when the next block is gone everywhere: only a snapshot helps then.
        """
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            started_at = self._state.height
            await self._wait_while_close()
            self._is_pruned = False
            await self._fetch_to_target()
            if self._is_pruned and self._target > self._state.height:
                return
            self._target = 0  # at once: what is told from here on is fetched in the next turn
            await self._follow_hints()
            if self._state.height > started_at:
                log_event(
                    _log,
                    logging.INFO,
                    "caught up",
                    blocks=self._state.height - started_at,
                    height=self._state.height,
                )
            if not self._wanted.is_set():
                self._idle.set()

    async def _wait_while_close(self) -> None:
        """Return when blocks must be fetched, or the target was reached without that."""
        while 0 < self._target - self._state.height <= CLOSE_BLOCKS:
            try:
                async with asyncio.timeout(GRACE_S):
                    await self._importer.wait_tip()
            except TimeoutError:
                return

    async def _follow_hints(self) -> None:
        """Ask each claimant for the next block; only who shows it is believed further."""
        while (claim := self._hints.take()) is not None:
            peer, height = claim
            while self._state.height < height:
                self._preferred = peer
                shown = await self._count_shown(peer, height)
                if shown == BATCH_BLOCKS:
                    believed = min(height, self._state.height + HINT_BLOCKS)
                    self._target = max(self._target, believed)
                    await self._fetch_to_target()
                    self._target = 0
                elif shown == 0:
                    self._hints.rest(peer, asyncio.get_running_loop().time())
                    break

    async def _count_shown(self, peer: Address, height: int) -> int:
        """Return how many of the next blocks the claimant itself served, and were taken."""
        if peer not in self._peers.get_connected():
            return 0
        first = self._state.height + 1
        served = await self._ask_peer(peer, first, min(BATCH_BLOCKS, height - first + 1))
        if served is None or not await self._take(served):
            return 0
        return self._state.height + 1 - first

    async def _fetch_to_target(self) -> None:
        """Fetch until the target is reached or nobody can serve the next block."""
        failures = 0
        ahead: asyncio.Task[_Served | None] | None = None
        try:
            while self._target > self._state.height:
                first = self._state.height + 1
                served = await (ahead or self._ask(first, failures))
                ahead = None
                if served is None:
                    failures += 1
                    if failures >= ROUNDS_WITHOUT_PROGRESS_MAX * max(
                        len(self._peers.get_connected()), 1
                    ):
                        return
                    await asyncio.sleep(RETRY_WAIT_S)
                    continue
                next_first = first + len(served.blocks)
                if next_first <= self._target:
                    ahead = asyncio.create_task(self._ask(next_first, failures))
                failures = 0 if await self._take(served) else failures + 1
                if self._state.height + 1 != next_first and ahead is not None:
                    ahead.cancel()
                    ahead = None
        finally:
            if ahead is not None:
                ahead.cancel()

    async def _ask(self, first: int, failures: int) -> _Served | None:
        """Return what the next peer in turn serves from ``first`` on."""
        peers = self._order_peers()
        if not peers:
            return None
        count = min(BATCH_BLOCKS, self._target - first + 1)
        return await self._ask_peer(peers[failures % len(peers)], first, count)

    async def _ask_peer(self, peer: Address, first: int, count: int) -> _Served | None:
        """Return up to ``count`` blocks that the peer serves from ``first`` on."""
        self._source = peer
        request = BLOCKS_REQUEST.encode(BlocksRequest(first, count))
        answer = await self._requests.ask(
            peer, FrameKind.GET_BLOCKS, request, FrameKind.BLOCKS, ASK_TIMEOUT_S
        )
        if answer is None:
            return None
        try:
            decoded = BLOCKS_ANSWER.decode(answer)
        except CodecError as error:
            self._peers.report(peer, Offence.PROTOCOL, f"blocks: {error}")
            return None
        if not decoded.blocks and decoded.height > first:
            self._is_pruned = True
            log_event(_log, logging.INFO, "pruned", peer=peer, lowest=decoded.height, wanted=first)
        if decoded.height != first or not decoded.blocks or len(decoded.blocks) > count:
            return None
        return _Served(peer, first, decoded.blocks)

    def _order_peers(self) -> list[Address]:
        """Return the peers, the one that told us of the height first, the rest shuffled."""
        peers = self._peers.get_connected()
        self._rng.shuffle(peers)
        if self._preferred in peers:
            peers.remove(self._preferred)
            peers.insert(0, self._preferred)
        return peers

    async def _take(self, served: _Served) -> bool:
        """Verify and import blocks in order; False when the first one is bad already."""
        has_progress = False
        loop = asyncio.get_running_loop()
        for height, item in enumerate(served.blocks, served.first):
            tip = self._state.tip
            if height <= tip.height:
                # Consensus committed it while the answer travelled: old, not bad.
                has_progress = True
                continue
            try:
                fetched = await loop.run_in_executor(
                    self._importer.readers, verify_fetched, item, self._chain_id, tip
                )
            except (CodecError, ProofError) as error:
                if self._state.height != tip.height:
                    return True  # consensus committed meanwhile: the block is old, not bad
                log_event(_log, logging.WARNING, "bad block", peer=served.peer, reason=error)
                self._peers.report(served.peer, Offence.BAD_SIGNATURE, f"block: {error}")
                if self._preferred == served.peer:
                    self._preferred = None
                return has_progress
            if self._state.height == tip.height:
                await self._importer.import_block(fetched)
            has_progress = has_progress or self._state.height > tip.height
        return has_progress


class BlockServer:
    """Answers GET_BLOCKS from the store."""

    def __init__(self, chain: ChainStore) -> None:
        self._chain = chain

    def serve(self, request_id: int, body: bytes) -> bytes | None:
        """Return the payload that answers, None for a malformed question. Reads the disk."""
        try:
            request = BLOCKS_REQUEST.decode(body)
        except CodecError:
            return None
        blocks: list[CertifiedBlock] = []
        size = 0
        for height in range(request.first, request.first + min(request.count, BLOCKS_MAX)):
            block, certificate = (
                self._chain.get_block_bytes(height),
                self._chain.get_certificate(height),
            )
            if block is None or certificate is None:
                break
            size += len(block)
            if blocks and size > BLOCKS_BYTES_MAX:
                break
            blocks.append(CertifiedBlock(block, CERTIFICATE.encode(certificate)))
        # No blocks and a greater height: they were pruned, and this is the lowest kept.
        lowest = request.first if blocks else max(request.first, self._chain.lowest)
        tip = self._chain.tip
        is_past = tip is not None and request.first <= tip.height
        answer = BlocksAnswer(lowest if is_past else request.first, tuple(blocks))
        return encode_request(request_id, BLOCKS_ANSWER.encode(answer))
