"""When the leader offers a block, and what is in it.

With transactions waiting: ``batch_delay_ms`` after the first one, not before consensus
allows it, at once when a block is full. With none: an empty block when consensus says
so. Pure but for the timer that it is given. Source: design/consensus.md, "Empty blocks".
"""

from __future__ import annotations

from consensus.effects import Candidate, RequestBlock
from node.mempool import Mempool, SelectionLimits
from primitives import limits
from primitives.hashing import Address
from primitives.params import ChainParams

EVIDENCE_KEPT_MAX = limits.VALIDATORS_MAX
"""One piece a validator is enough to punish it."""


class Proposer:
    """Remembers what consensus asked for and since when transactions wait."""

    def __init__(self, mempool: Mempool) -> None:
        self._mempool = mempool
        self._request: RequestBlock | None = None
        self._first_waiting_ms: int | None = None
        self._tip_at_ms = 0
        self._evidence: dict[Address, bytes] = {}

    @property
    def has_waiting(self) -> bool:
        """Whether transactions wait."""
        return len(self._mempool) > 0

    def note_request(self, request: RequestBlock) -> None:
        """Consensus wants a block from us; replaces an earlier wish."""
        self._request = request

    def note_transactions(self, now_ms: int) -> None:
        """Transactions entered the pool."""
        if self._first_waiting_ms is None and len(self._mempool):
            self._first_waiting_ms = now_ms

    def note_tip(self, block_time_ms: int, now_ms: int) -> None:
        """A block was committed: the wish is over.

        What still waits came after that block was proposed (it took all there was, or
        the pool is full enough for the next at once): its batch delay starts there.
        Counting from the first transaction ever would make a block of every few, and a
        block costs milliseconds however small it is.
        """
        self._request = None
        if not len(self._mempool):
            self._first_waiting_ms = None
        else:
            # The block's time is its leader's clock: never trusted beyond our own two tips.
            self._first_waiting_ms = min(max(block_time_ms, self._tip_at_ms), now_ms)
        self._tip_at_ms = now_ms

    def note_evidence(self, validator: Address, evidence: bytes) -> None:
        """Keep a proof of misconduct until a block holds it.

        The latest one: consensus brings one an epoch, and those of past epochs prove
        nothing any more.
        """
        if validator in self._evidence or len(self._evidence) < EVIDENCE_KEPT_MAX:
            self._evidence[validator] = evidence

    def drop_evidence(self, committed: tuple[bytes, ...]) -> None:
        """Forget what a block holds now."""
        for validator, evidence in list(self._evidence.items()):
            if evidence in committed:
                del self._evidence[validator]

    def compute_due_ms(self, params: ChainParams, now_ms: int) -> int | None:
        """Return when to offer; None when nothing was asked for."""
        request = self._request
        if request is None:
            return None
        if not len(self._mempool):
            return request.empty_at_ms
        if (
            len(self._mempool) >= params.block_transactions_max
            or self._mempool.bytes >= params.block_bytes_max
        ):
            return now_ms
        first = self._first_waiting_ms if self._first_waiting_ms is not None else now_ms
        due = max(request.not_before_ms, first + params.batch_delay_ms)
        return min(due, max(request.empty_at_ms, request.not_before_ms))

    def take(self, params: ChainParams, now_ms: int) -> tuple[RequestBlock, Candidate] | None:
        """Return the wish and the block for it, and forget the wish."""
        request, self._request = self._request, None
        if request is None:
            return None
        chosen = self._mempool.select(request.height, make_selection_limits(params))
        evidence = tuple(self._evidence.values())[: limits.BLOCK_EVIDENCE_MAX]
        ids = tuple(transaction.id for transaction in chosen)
        return request, Candidate(now_ms, ids, evidence)


def make_selection_limits(params: ChainParams) -> SelectionLimits:
    """Return what a block may hold under ``params``."""
    return SelectionLimits(
        transactions_max=params.block_transactions_max,
        bytes_max=params.block_bytes_max,
        gas_max=params.block_gas_max,
        transaction_gas_max=params.transaction_gas_max,
        window_blocks=params.transaction_window_blocks,
    )
