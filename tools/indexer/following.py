"""Follows a chain: asks nodes for the next blocks, verifies them, writes them in chunks.

One node at a time; when it does not answer, has pruned what is needed, or says what it
cannot prove, the next one is asked. While a chunk is written on a thread the next one is
fetched. At the tip a chunk is one block; behind it, as many as fit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine

from primitives.errors import CarbonodeError, ProofError
from primitives.genesis import Genesis
from primitives.hashing import Hash
from primitives.params import is_epoch_end
from tools.client.client import Client
from tools.client.errors import RpcError
from tools.client.wire import Request
from tools.indexer.database import (
    dump_trusted,
    prepare,
    read_tip,
    read_trusted,
    take_lock,
)
from tools.indexer.errors import IndexFault
from tools.indexer.verified import Tip, VerifiedBlock, verify_contents
from tools.indexer.writing import VALIDATORS, Writer
from tools.light.epochs import TrustedSet
from tools.light.reader import LightReader

CHUNK_BLOCKS_MAX: Final = 32
CHUNK_ROWS_MAX: Final = 8_000
"""Transactions and events in one database transaction: about 0.3 s of work."""
POLL_S: Final = 0.2
PAUSE_MAX_S: Final = 5.0
_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """Where the index stands, for whoever shows it."""

    height: int = 0
    node_height: int = 0
    block_time_ms: int = 0
    node: str = ""
    error: str = ""
    blocks: int = 0
    transactions: int = 0
    chunks: int = 0
    refused: int = 0
    """Answers that did not prove what they said."""
    lag_s: float = 0.0
    """From the time of the last block to the moment at which it was in the index."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Blocks that follow each other, and the validators trusted after them."""

    blocks: tuple[VerifiedBlock, ...]
    trusted: TrustedSet

    @property
    def tip(self) -> Tip:
        """Where the chain ends with them."""
        last = self.blocks[-1].certificate
        return Tip(last.height, bytes(last.block_hash), bytes(last.exec_hash))


class Follower:
    """Keeps one index at the tip of one chain. Run it once."""

    def __init__(
        self, engine: Engine, clients: Sequence[Client], genesis: Genesis, until: int | None = None
    ) -> None:
        """``until`` is the last height to write; None: for ever."""
        self._engine = engine
        self._clients = list(clients)
        self._genesis = genesis
        self._until = until
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index-writer")
        self._asked = 0
        self.progress = Progress()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until ``stop`` is set, or ``until`` is reached. Raises what the database does."""
        connection = await self._on_thread(self._engine.connect)
        try:
            tip, trusted = await self._on_thread(partial(self._open, connection))
            await self._follow(Writer(connection), tip, trusted, stop)
        finally:
            await self._on_thread(connection.close)
            self._thread.shutdown()

    def _open(self, connection: Connection) -> tuple[Tip, TrustedSet]:
        take_lock(connection)
        prepare(connection, self._genesis)
        with connection.begin():
            tip, trusted = read_tip(connection), read_trusted(connection)
        self.progress.height = tip.height
        return tip, trusted

    async def _follow(
        self, writer: Writer, tip: Tip, trusted: TrustedSet, stop: asyncio.Event
    ) -> None:
        fetching: asyncio.Task[Chunk | None] | None = None
        try:
            while not stop.is_set() and not self._is_done(tip.height):
                chunk = await (fetching or self._fetch_patiently(tip, trusted, stop))
                fetching = None
                if chunk is None:
                    continue
                before, tip, trusted = tip, chunk.tip, chunk.trusted
                if not self._is_done(tip.height):
                    fetching = asyncio.create_task(self._fetch_patiently(tip, trusted, stop))
                await self._on_thread(
                    partial(
                        writer.write, chunk.blocks, before.height,
                        {VALIDATORS: dump_trusted(trusted)},
                    )
                )  # fmt: skip
                self._note(chunk)
        finally:
            if fetching is not None:
                fetching.cancel()
                await asyncio.gather(fetching, return_exceptions=True)

    def _is_done(self, height: int) -> bool:
        return self._until is not None and height >= self._until

    def _note(self, chunk: Chunk) -> None:
        progress, last = self.progress, chunk.blocks[-1]
        progress.height, progress.block_time_ms = last.height, last.header.time_ms
        progress.lag_s = max(0.0, time.time() - last.header.time_ms / 1_000)
        progress.blocks += len(chunk.blocks)
        progress.transactions += sum(len(block.transactions) for block in chunk.blocks)
        progress.chunks += 1
        progress.error = ""
        progress.changed.set()
        progress.changed = asyncio.Event()

    async def _fetch_patiently(
        self, tip: Tip, trusted: TrustedSet, stop: asyncio.Event
    ) -> Chunk | None:
        """Return the next chunk; None when ``stop`` was set first."""
        pause_s = POLL_S
        while not stop.is_set():
            client = self._clients[self._asked % len(self._clients)]
            self.progress.node = client.transport.endpoint
            try:
                chunk = await self._fetch(client, tip, trusted)
                if chunk is not None:
                    return chunk
                pause_s = POLL_S
            except CarbonodeError as error:
                if isinstance(error, IndexFault):
                    raise
                self._refuse(client, error)
                pause_s = min(PAUSE_MAX_S, 2 * pause_s)
            await _wait(stop, pause_s)
        return None

    def _refuse(self, client: Client, error: CarbonodeError) -> None:
        """Remember why a node was of no use, and ask the next one from now on."""
        text = f"{client.transport.endpoint}: {error.code}: {error}"
        if text != self.progress.error:
            _LOG.warning("no block from %s", text)
        self.progress.error = text
        self.progress.refused += isinstance(error, ProofError)
        self._asked += 1

    async def _fetch(self, client: Client, tip: Tip, trusted: TrustedSet) -> Chunk | None:
        """Return the next blocks that a node has, proven; None when it has none."""
        status = await client.status()
        self.progress.node_height = status.height
        last = status.height if self._until is None else min(status.height, self._until)
        heights = range(tip.height + 1, min(last, tip.height + CHUNK_BLOCKS_MAX) + 1)
        if not heights:
            return None
        reader = LightReader(client, self._genesis, trusted)
        blocks: list[VerifiedBlock] = []
        rows = 0
        for _, answer in await _ask(client, heights):
            if isinstance(answer, RpcError):
                if blocks:
                    break
                raise answer
            validators = await reader.get_validators(answer)
            block = await self._verify(answer, validators, tip)
            blocks.append(block)
            tip = Chunk(tuple(blocks[-1:]), reader.trusted).tip
            self._end_epoch(reader, block)
            rows += len(block.transactions) + len(block.events)
            if rows >= CHUNK_ROWS_MAX:
                break
        return Chunk(tuple(blocks), reader.trusted)

    async def _verify(self, answer: Any, validators: Any, tip: Tip) -> VerifiedBlock:
        work = partial(verify_contents, answer, self._genesis, validators, tip)
        return await asyncio.get_running_loop().run_in_executor(None, work)

    def _end_epoch(self, reader: LightReader, block: VerifiedBlock) -> None:
        """Go on to the next epoch where the set stays: nothing has to be fetched for it."""
        trusted = reader.trusted
        wanted: Hash = block.execution.next_validators_hash
        if (
            is_epoch_end(block.height, self._genesis.params.epoch_blocks)
            and wanted == trusted.validators.hash
        ):
            reader.trusted = TrustedSet(block.header.epoch + 1, trusted.validators)

    async def _on_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _ask(client: Client, heights: range) -> list[tuple[int, Any]]:
    """Return the answers for heights in order, up to the first that is an error."""
    found: list[tuple[int, Any]] = []
    size, place = 1, 0
    total = 0
    while place < len(heights) and total < CHUNK_ROWS_MAX:
        part = heights[place : place + size]
        requests = [Request("chain_getContents", {"block": height}) for height in part]
        answers = await client.call_many(requests)
        found.extend(zip(part, answers, strict=True))
        place += len(part)
        if any(isinstance(answer, RpcError) for answer in answers):
            break
        rows = sum(map(_count_transactions, answers))
        total += rows
        # As many in the next request as bring about what is wanted in all.
        size = max(1, min(8, CHUNK_ROWS_MAX // 4 * len(part) // max(1, rows)))
    return found


def _count_transactions(answer: Any) -> int:
    """Return what an answer claims: a hint how much to ask for, no more."""
    listed = answer.get("transactions") if isinstance(answer, dict) else None
    return len(listed) if isinstance(listed, list) else 0


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
