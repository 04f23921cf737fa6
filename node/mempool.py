"""Transactions that wait to be proposed: bounded, first in first out for each sender.

Pure: no I/O, no clock, no tasks; heights come in as arguments. It handles lists,
because a task or a future for each transaction costs more than the work. Bounds: a
count, a sum of bytes, a count for each sender; and a sender may have no more, in count
and bytes, than is free ("dynamic thresholds", Choudhury and Hahne 1998): one alone gets
half of the pool, the next one half of the rest, so a few that flood it leave room. A
transaction leaves by being committed or by expiring, never to make room for another:
what was accepted is kept.

``IdCache`` remembers which ids were verified or committed lately, so that each
signature is verified exactly once on a node, whichever way the bytes come again
(DESIGN.md, "Speed").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heapreplace

from node.refusal import Refusal, RefusalReason
from primitives.hashing import Address, TransactionId
from primitives.transaction import Transaction

SENDER_MISFITS_MAX = 16
"""One sender's transactions passed over in one selection because they do not fit any more."""
MISFITS_MAX = 1_024
"""Of all senders: selection is on the event loop."""

RETRY_MS_MIN = 100
RETRY_MS_MAX = 5_000


class IdState(IntEnum):
    """What this node already did with an id."""

    UNKNOWN = 0
    VERIFIED = 1
    COMMITTED = 2


class IdCache:
    """The latest ids and their states; at most ``2 * half_max`` of them.

    Two generations: when the young one is full the old one is forgotten as a whole,
    so there is no work for a single eviction.
    """

    def __init__(self, ids_max: int) -> None:
        self._half_max = max(ids_max // 2, 1)
        self._young: dict[TransactionId, IdState] = {}
        self._old: dict[TransactionId, IdState] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, transaction_id: TransactionId) -> IdState:
        """Return the state; UNKNOWN also when it was forgotten."""
        state = self._young.get(transaction_id)
        if state is None:
            state = self._old.get(transaction_id, IdState.UNKNOWN)
        return state

    def put(self, transaction_ids: Iterable[TransactionId], state: IdState) -> None:
        """Set the state of each id."""
        for transaction_id in transaction_ids:
            self._young[transaction_id] = state
            if len(self._young) >= self._half_max:
                self._old, self._young = self._young, {}


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """The bounds of a pool (see ``[mempool]`` of the configuration)."""

    transactions_max: int
    bytes_max: int
    sender_transactions_max: int


@dataclass(frozen=True, slots=True)
class SelectionLimits:
    """What a block may hold, and which expiry window is in force."""

    transactions_max: int
    bytes_max: int
    gas_max: int
    transaction_gas_max: int
    window_blocks: int


@dataclass(slots=True)
class _Sender:
    """What one sender has waiting: (number of arrival, transaction) by id, in order."""

    entries: dict[TransactionId, tuple[int, Transaction]] = field(default_factory=dict)
    bytes: int = 0


def _get_arrival(entry: tuple[int, Transaction]) -> int:
    return entry[0]


class Mempool:
    """See the module. Owns its transactions alone; single-threaded."""

    def __init__(self, limits: MempoolLimits) -> None:
        self._limits = limits
        self._entries: dict[TransactionId, Transaction] = {}
        self._senders: dict[Address, _Sender] = {}
        self._arrivals = 0
        self._expiring: dict[int, dict[TransactionId, None]] = {}
        self._bytes = 0
        self._height = 0
        self._drain_per_second = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, transaction_id: object) -> bool:
        return transaction_id in self._entries

    @property
    def bytes(self) -> int:
        """Sum of the encoded sizes."""
        return self._bytes

    @property
    def limits(self) -> MempoolLimits:
        """The bounds it was made with."""
        return self._limits

    def get(self, transaction_id: TransactionId) -> Transaction | None:
        """Return a waiting transaction."""
        return self._entries.get(transaction_id)

    def note_rate(self, transactions_per_second: int) -> None:
        """Take the recent rate of commits, from which ``retry_after_ms`` is worked out."""
        self._drain_per_second = transactions_per_second

    def check_room(self, sender: Address, size: int) -> Refusal | None:
        """Return why there is no room, before the signature is paid for."""
        limits = self._limits
        if len(self._entries) >= limits.transactions_max or self._bytes + size > limits.bytes_max:
            return Refusal(
                RefusalReason.FULL,
                f"the pool holds {len(self._entries)} transactions, {self._bytes} bytes",
                self._compute_retry_ms(),
            )
        known = self._senders.get(sender)
        if known is None:
            return None
        count_max = min(limits.sender_transactions_max, limits.transactions_max - len(self))
        if len(known.entries) >= count_max or known.bytes >= limits.bytes_max - self._bytes:
            return Refusal(
                RefusalReason.SENDER_FULL,
                f"this sender has {len(known.entries)} transactions, {known.bytes} bytes waiting",
                self._compute_retry_ms(),
            )
        return None

    def add(self, transactions: Sequence[Transaction]) -> list[Refusal | None]:
        """Take each verified transaction, or say why not; same order as given."""
        return [self._add(transaction) for transaction in transactions]

    def _add(self, transaction: Transaction) -> Refusal | None:
        body = transaction.body
        if transaction.id in self._entries:
            return Refusal(RefusalReason.DUPLICATE, "already waiting")
        if body.valid_until <= self._height:
            return Refusal(
                RefusalReason.EXPIRED,
                f"valid until {body.valid_until}, the chain is at {self._height}",
            )
        refusal = self.check_room(body.sender, len(transaction.encoded))
        if refusal is not None:
            return refusal
        self._entries[transaction.id] = transaction
        self._bytes += len(transaction.encoded)
        sender = self._senders.get(body.sender)
        if sender is None:
            sender = self._senders[body.sender] = _Sender()
        self._arrivals += 1
        sender.entries[transaction.id] = (self._arrivals, transaction)
        sender.bytes += len(transaction.encoded)
        self._expiring.setdefault(body.valid_until, {})[transaction.id] = None
        return None

    def select(
        self,
        height: int,
        limits: SelectionLimits,
        exclude: AbstractSet[TransactionId] = frozenset(),
    ) -> list[Transaction]:
        """Return what fits one block at ``height``, in the order of arrival.

        Who has the least gas in the block so far is next, with its oldest one: a sender
        that waits with a thousand of the dearest gets a fair part of a block, not all of
        the next hundred. Work is proportional to what is returned and excluded and to the
        senders, plus MISFITS_MAX.
        """
        chosen: list[tuple[int, Transaction]] = []
        bytes_left, gas_left, misfits = limits.bytes_max, limits.gas_max, 0
        latest_expiry = height + limits.window_blocks
        # (gas in this block, tie-break, misfits, what it has): the least gas comes first.
        turns = [
            (0, order, 0, iter(sender.entries.values()))
            for order, sender in enumerate(self._senders.values())
        ]
        while turns and len(chosen) < limits.transactions_max and misfits <= MISFITS_MAX:
            gas, order, passed_over, waiting = turns[0]
            entry = next(waiting, None)
            if entry is None or passed_over > SENDER_MISFITS_MAX:
                heappop(turns)
                continue
            transaction = entry[1]
            if transaction.id in exclude:
                continue
            body, size = transaction.body, len(transaction.encoded)
            if (
                size > bytes_left
                or body.gas_limit > min(gas_left, limits.transaction_gas_max)
                or not height <= body.valid_until <= latest_expiry
            ):
                misfits += 1
                turns[0] = (gas, order, passed_over + 1, waiting)
                continue
            chosen.append(entry)
            bytes_left -= size
            gas_left -= body.gas_limit
            heapreplace(turns, (gas + body.gas_limit, order, passed_over, waiting))
        chosen.sort(key=_get_arrival)
        return [transaction for _, transaction in chosen]

    def commit(self, height: int, ids: Iterable[TransactionId]) -> list[TransactionId]:
        """Remove what block ``height`` holds and what expired; return the expired ids."""
        for transaction_id in ids:
            self._remove(transaction_id)
        expired: list[TransactionId] = []
        if height - self._height > len(self._expiring):
            passed = [until for until in self._expiring if until <= height]
        else:
            passed = [until for until in range(self._height, height + 1) if until in self._expiring]
        for until in passed:
            expired += self._expiring[until]
        for transaction_id in expired:
            self._remove(transaction_id)
        self._height = max(self._height, height)
        return expired

    def drop_unfit(self, limits: SelectionLimits) -> list[TransactionId]:
        """Remove what no block may hold under new parameters; return the ids."""
        latest_expiry = self._height + 1 + limits.window_blocks
        unfit = [
            transaction_id
            for transaction_id, transaction in self._entries.items()
            if transaction.body.gas_limit > min(limits.transaction_gas_max, limits.gas_max)
            or transaction.body.valid_until > latest_expiry
            or len(transaction.encoded) > limits.bytes_max
        ]
        for transaction_id in unfit:
            self._remove(transaction_id)
        return unfit

    def _remove(self, transaction_id: TransactionId) -> None:
        transaction = self._entries.pop(transaction_id, None)
        if transaction is None:
            return
        body = transaction.body
        self._bytes -= len(transaction.encoded)
        sender = self._senders[body.sender]
        del sender.entries[transaction_id]
        sender.bytes -= len(transaction.encoded)
        if not sender.entries:
            del self._senders[body.sender]
        bucket = self._expiring[body.valid_until]
        del bucket[transaction_id]
        if not bucket:
            del self._expiring[body.valid_until]

    def _compute_retry_ms(self) -> int:
        """Return the time in which a twentieth of the pool drains at the recent rate."""
        if self._drain_per_second <= 0:
            return RETRY_MS_MAX
        wait_ms = 1_000 * (len(self._entries) // 20 + 1) // self._drain_per_second
        return min(max(wait_ms, RETRY_MS_MIN), RETRY_MS_MAX)
