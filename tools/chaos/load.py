"""A bounded load in open loop, and a book of everything that clients were told.

Transactions are signed before the run, handed to random nodes at a fixed rate, and
waited for at other random nodes. What gets no answer, or is not final in time, is handed
in again elsewhere, byte for byte: as clients do, and so that the chain has every
opportunity to take something twice. Only an answer of ``tx_wait`` that says final counts
as acknowledged.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType

from primitives.hashing import Hash, TransactionId
from primitives.keys import PrivateKey
from primitives.transaction import Call, Transaction
from tools.client.client import Client
from tools.client.errors import ClientError, Duplicate
from tools.client.results import FinalTransaction, get_list, get_object
from tools.client.transactions import Expiry, build_transaction
from tools.client.transport import RetryPolicy
from tools.client.wire import to_hex

BATCH = 5
WAIT_MS = 6_000
GRACE_S = 4.0
"""How much longer than its own time-out we wait for a node's answer: it may be frozen."""
TRIES_MAX = 12
FLYING_MAX = 400
"""Batches under way; beyond it nothing is handed in, and the ticks are counted."""
GAS_LIMIT = 500_000
FOREVER = 1 << 40
ONCE = RetryPolicy(rounds_max=1, refusals_max=0, request_timeout_s=10.0, connect_timeout_s=1.0)


@dataclass(slots=True)
class Book:
    """What clients were told. ``contradictions`` are ids told to be final at two places."""

    accepted: set[TransactionId] = field(default_factory=set)
    final: dict[TransactionId, FinalTransaction] = field(default_factory=dict)
    contradictions: list[TransactionId] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    handed_in_again: int = 0
    given_up: int = 0
    held_back: int = 0

    def note(self, found: FinalTransaction) -> None:
        """Take an acknowledgement."""
        known = self.final.setdefault(found.id, found)
        if get_place(known) != get_place(found):
            self.contradictions.append(found.id)


def get_place(found: FinalTransaction) -> tuple[int, int, Hash, str]:
    """Return all that an acknowledgement says: height, index, block and outcome."""
    return found.height, found.index, found.block_hash, found.status


def sign_load(
    count: int, keys: Mapping[str, PrivateKey], chain_id: Hash, window_blocks: int
) -> list[Transaction]:
    """Return ``count`` transactions that all differ and all succeed, senders in turn."""
    senders = sorted(keys)
    expiry = Expiry(chain_id, 0, window_blocks)
    return [
        build_transaction(
            keys[senders[number % len(senders)]],
            [Call("identity", "grant", ("regulator", f"chaos-{number}", FOREVER))],
            expiry=expiry,
            gas_limit=GAS_LIMIT,
        )
        for number in range(count)
    ]


class Load:
    """``async with Load(...) as load``: it runs until ``drain``, or the end of the block."""

    def __init__(
        self, endpoints: Sequence[str], transactions: Sequence[Transaction], rate: float, seed: int
    ) -> None:
        self.book = Book()
        self._clients = [Client(endpoint, policy=ONCE) for endpoint in endpoints]
        self._batches: Iterator[Sequence[Transaction]] = (
            transactions[first : first + BATCH] for first in range(0, len(transactions), BATCH)
        )
        self._pause_s = BATCH / rate
        self._rng = random.Random(seed)
        self._flying: set[asyncio.Task[None]] = set()
        self._feeder: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Load:
        for client in self._clients:
            await self._stack.enter_async_context(client)
        self._feeder = asyncio.create_task(self._feed())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks = [*self._flying, *([self._feeder] if self._feeder else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stack.aclose()

    async def drain(self, timeout_s: float) -> None:
        """Hand in nothing new, and wait for what is under way; the rest is given up."""
        if self._feeder is not None:
            self._feeder.cancel()
        if self._flying:
            await asyncio.wait(self._flying, timeout=timeout_s)

    def check(self) -> None:
        """Raise what ended the load, if it has ended by an error of ours."""
        if self._feeder is not None and self._feeder.done() and not self._feeder.cancelled():
            self._feeder.result()

    async def _feed(self) -> None:
        clock = asyncio.get_running_loop()
        due = clock.time()
        for batch in self._batches:
            while len(self._flying) >= FLYING_MAX:
                self.book.held_back += 1
                await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._follow(batch))
            self._flying.add(task)
            task.add_done_callback(self._flying.discard)
            due = max(due + self._pause_s, clock.time() - 1.0)
            await asyncio.sleep(max(0.0, due - clock.time()))

    async def _follow(self, batch: Sequence[Transaction]) -> None:
        """Hand a batch in until all of it is known to be final, or it is given up."""
        missing = list(batch)
        was_taken = False
        for _ in range(TRIES_MAX):
            if not await self._submit(missing):
                await asyncio.sleep(0.05)
                continue  # this node is down or deaf: another one
            if was_taken:
                self.book.handed_in_again += len(missing)
            was_taken = True
            for found in await self._wait(missing):
                self.book.note(found)
            missing = [item for item in missing if item.id not in self.book.final]
            if not missing:
                return
        self.book.given_up += len(missing)

    async def _submit(self, batch: Sequence[Transaction]) -> bool:
        try:
            items = await self._choose().submit_batch(batch)
        except ClientError:
            return False
        for item in items:
            if item.error is None:
                self.book.accepted.add(item.id)
            elif not isinstance(item.error, Duplicate):
                self.book.refused[item.error.code] += 1
        return True

    async def _wait(self, batch: Sequence[Transaction]) -> list[FinalTransaction]:
        """Return what one node says to be final; another one than took it, as a rule."""
        try:
            answer = await self._choose().call(
                "tx_waitBatch",
                timeout_s=WAIT_MS / 1_000 + GRACE_S,
                ids=[to_hex(item.id) for item in batch],
                timeoutMs=WAIT_MS,
            )
        except ClientError:
            return []
        items = [get_object(item) for item in get_list(get_object(answer), "items")]
        return [FinalTransaction.parse(item) for item in items if item.get("final") is True]

    def _choose(self) -> Client:
        return self._rng.choice(self._clients)
