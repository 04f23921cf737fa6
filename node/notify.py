"""After a block is on disk: who waits for it is told, in order, never before.

Waiters of ``tx_wait`` are resolved here, subscribers and the indexer are woken; they
read the blocks themselves at their own pace, so that a slow one holds up nobody
(CometBFT's waiting clients blocked its event bus, and consensus). Bounded: the number
of waiters, and the recent blocks kept in memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from primitives.block import Block
from primitives.certificate import Certificate
from primitives.hashing import Hash, TransactionId
from primitives.transaction import Transaction

RECENT_BLOCKS_MAX = 4
"""Blocks kept decoded: waiters and subscribers at the tip need no disk."""


@dataclass(frozen=True, slots=True)
class CommittedBlock:
    """A final block with what came of it; receipts and events are encoded."""

    height: int
    block_hash: Hash
    block: Block
    transactions: Sequence[Transaction]
    receipts: Sequence[bytes]
    events: Sequence[bytes]
    certificate: Certificate


@dataclass(slots=True, eq=False)
class Waiter:
    """Waits for several ids; ``done`` is set when none is left."""

    missing: set[TransactionId]
    done: asyncio.Event = field(default_factory=asyncio.Event)
    found: dict[TransactionId, tuple[int, int]] = field(default_factory=dict)
    expired: set[TransactionId] = field(default_factory=set)


class Notifier:
    """See the module. Lives on the event loop."""

    def __init__(self, waiting_ids_max: int) -> None:
        self._waiting_ids_max = waiting_ids_max
        self._waiting: dict[TransactionId, dict[Waiter, None]] = {}
        self._count = 0
        self._tip_moved = asyncio.Event()
        self._recent: deque[CommittedBlock] = deque(maxlen=RECENT_BLOCKS_MAX)

    @property
    def waiting(self) -> int:
        """Ids that somebody waits for, counted once for each waiter."""
        return self._count

    def add_waiter(self, ids: Sequence[TransactionId]) -> Waiter | None:
        """Return a waiter for ``ids``; None when there are too many already."""
        waiter = Waiter(set(ids))
        if self._count + len(waiter.missing) > self._waiting_ids_max:
            return None
        self._count += len(waiter.missing)
        for transaction_id in waiter.missing:
            self._waiting.setdefault(transaction_id, {})[waiter] = None
        return waiter

    def resolve(self, waiter: Waiter, found: Mapping[TransactionId, tuple[int, int]]) -> None:
        """Some of its ids were found in the store: it waits for the rest only."""
        for transaction_id, place in found.items():
            if transaction_id in waiter.missing:
                self._forget(waiter, transaction_id)
                waiter.found[transaction_id] = place
                self._settle(waiter, transaction_id)

    def remove_waiter(self, waiter: Waiter) -> None:
        """Forget a waiter; harmless when it was resolved."""
        for transaction_id in waiter.missing:
            self._forget(waiter, transaction_id)
        self._count -= len(waiter.missing)
        waiter.missing.clear()

    def on_commit(self, block: CommittedBlock, expired: Sequence[TransactionId]) -> None:
        """A block is durable: resolve its waiters, then wake everyone else."""
        self._recent.append(block)
        if self._waiting:
            for index, transaction in enumerate(block.transactions):
                transaction_id = transaction.id
                for waiter in self._waiting.pop(transaction_id, ()):
                    waiter.found[transaction_id] = (block.height, index)
                    self._settle(waiter, transaction_id)
            for transaction_id in expired:
                for waiter in self._waiting.pop(transaction_id, ()):
                    waiter.expired.add(transaction_id)
                    self._settle(waiter, transaction_id)
        self.wake()

    def wake(self) -> None:
        """Let everyone who waits for the tip look again."""
        self._tip_moved.set()
        self._tip_moved = asyncio.Event()

    def _forget(self, waiter: Waiter, transaction_id: TransactionId) -> None:
        waiters = self._waiting.get(transaction_id, {})
        waiters.pop(waiter, None)
        if not waiters:
            self._waiting.pop(transaction_id, None)

    def _settle(self, waiter: Waiter, transaction_id: TransactionId) -> None:
        waiter.missing.discard(transaction_id)
        self._count -= 1
        if not waiter.missing:
            waiter.done.set()

    async def wait_tip(self) -> None:
        """Return after the next commit."""
        await self._tip_moved.wait()

    def get_recent(self, height: int) -> CommittedBlock | None:
        """Return a block that is still in memory."""
        return next((block for block in self._recent if block.height == height), None)
