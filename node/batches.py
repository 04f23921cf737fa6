"""Batches of gossiped transactions that wait for admission: bounded, and fair by peer.

Each peer has a queue and the queues take turns, so that one who sends a hundred batches
does not make another's single one wait behind them. When all queues together are full
the longest gives its newest batch away for a shorter one: a flood costs its sender.
Pure; nothing here knows what a transaction is. Source: DESIGN.md, "P2P".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from primitives.hashing import Address, Hash

BATCH_COST_BYTES = 32 * 1024
"""Charged for a smaller batch, too: a thousand tiny ones must not lock out a full one."""
PEER_BYTES_MAX = 16 * 1024 * 1024
"""Of one peer; more are not taken."""
BATCHES_BYTES_MAX = 32 * 1024 * 1024
"""Of all peers: at most 1024 batches."""
TOGETHER_TRANSACTIONS_MAX = 4_096
"""Transactions of several batches checked in one go: enough for the threads."""


def compute_cost(size: int) -> int:
    """Return the bytes that a batch of ``size`` is charged for."""
    return max(size, BATCH_COST_BYTES)


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded batch; ``size`` is its bytes on the wire."""

    peer: Address
    item_id: Hash
    size: int
    transactions: tuple[bytes, ...]

    @property
    def cost(self) -> int:
        """The bytes that it is charged for."""
        return compute_cost(self.size)


@dataclass(slots=True)
class _Queue:
    batches: deque[Batch]
    cost: int = 0


class WaitingBatches:
    """See the module. Only peers that have something waiting are kept."""

    def __init__(self) -> None:
        self._queues: dict[Address, _Queue] = {}
        self._count = 0
        self._cost = 0

    def __len__(self) -> int:
        return self._count

    @property
    def cost(self) -> int:
        """The bytes that all that wait are charged for."""
        return self._cost

    def has_room(self, peer: Address, size: int) -> bool:
        """Whether ``put`` would take a batch of this size: ask before decoding it."""
        cost = compute_cost(size)
        queue = self._queues.get(peer)
        after = cost if queue is None else queue.cost + cost
        if after > PEER_BYTES_MAX:
            return False
        if not self._is_full(cost):
            return True
        longest = self._find_longest()
        return longest != peer and self._queues[longest].cost > after

    def put(self, batch: Batch) -> list[Batch]:
        """Take a batch that has room; return those of longer queues that gave way."""
        dropped: list[Batch] = []
        while self._count and self._is_full(batch.cost):
            queue = self._queues[self._find_longest()]
            dropped.append(self._remove(queue, queue.batches.pop()))
        queue = self._queues.setdefault(batch.peer, _Queue(deque()))
        queue.batches.append(batch)
        queue.cost += batch.cost
        self._count += 1
        self._cost += batch.cost
        return dropped

    def take_together(self) -> list[Batch]:
        """Return what is checked next: one batch of each peer in turn, at least one."""
        taken: list[Batch] = []
        count = 0
        while self._queues:
            peer, queue = next(iter(self._queues.items()))
            count += len(queue.batches[0].transactions)
            if taken and count > TOGETHER_TRANSACTIONS_MAX:
                break
            # To the end of the line, unless this was its last.
            del self._queues[peer]
            self._queues[peer] = queue
            taken.append(self._remove(queue, queue.batches.popleft()))
        return taken

    def _is_full(self, cost: int) -> bool:
        return self._cost + cost > BATCHES_BYTES_MAX

    def _find_longest(self) -> Address:
        return max(self._queues, key=lambda peer: self._queues[peer].cost)

    def _remove(self, queue: _Queue, batch: Batch) -> Batch:
        queue.cost -= batch.cost
        self._count -= 1
        self._cost -= batch.cost
        if not queue.batches:
            del self._queues[batch.peer]
        return batch
