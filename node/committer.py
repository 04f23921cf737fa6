"""Makes a decided block final here: executed, on disk, then told to everyone.

One order, whoever decided the block (consensus or catch-up): execution on the worker,
one atomic synced batch, the committed state moves, the pool lets go, waiters hear of
it. The caller is the driver's one task, so two commits never overlap.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from consensus.effects import CommittedTip
from node.committed import CommittedState
from node.execution import Executed, ExecutionWorker, Rules
from node.journal import Journal
from node.logs import log_event
from node.mempool import IdCache, IdState, Mempool
from node.metrics import Metrics
from node.notify import CommittedBlock, Notifier
from node.proposer import make_selection_limits
from primitives import limits
from primitives.block import RECEIPT, STATUS_OK, Block, Header
from primitives.certificate import Certificate
from primitives.codec import pack
from primitives.errors import CarbonodeError
from primitives.transaction import Transaction
from vm.executor import BlockInputs

_log = logging.getLogger("carbonode.commit")
_OK = pack(STATUS_OK)
_STATUS_AT = 1 + len(pack(bytes(limits.HASH_BYTES)))
"""Where a receipt's status begins: counting 2,000 outcomes must not decode 2,000 receipts."""
MISSES_COUNTED_MAX = 100
"""Views of one height that are counted: beyond it everyone has missed one."""
RATE_WINDOW_S = 10.0
"""The commit rate, from which retryAfterMs follows, is smoothed over so long."""


OnAdvanced = Callable[[Mapping[bytes, bytes | None]], None]
"""Takes the writes of the block that was just committed."""


class DivergenceError(CarbonodeError):
    """This node computed something else than a quorum signed: it must stop."""

    code = "divergence"


class Committer:
    """See the module."""

    def __init__(
        self,
        state: CommittedState,
        worker: ExecutionWorker,
        journal: Journal,
        mempool: Mempool,
        ids: IdCache,
        notifier: Notifier,
        metrics: Metrics,
    ) -> None:
        self._state = state
        self._worker = worker
        self._journal = journal
        self._mempool = mempool
        self._ids = ids
        self._notifier = notifier
        self._metrics = metrics
        self._last_commit_s = time.monotonic()
        self._rate = 0.0
        self._on_advanced: OnAdvanced = lambda writes: None

    def attach(self, on_advanced: OnAdvanced) -> None:
        """Name who follows the committed state, block by block, before anyone is told."""
        self._on_advanced = on_advanced

    @property
    def state(self) -> CommittedState:
        """What is final."""
        return self._state

    async def execute(
        self,
        header: Header,
        transactions: Sequence[Transaction],
        evidence: Sequence[bytes],
        parent_certificate: Certificate | None,
    ) -> Executed:
        """Execute a block on the committed state, off the event loop."""
        rules = Rules(self._state.params, self._state.validators)
        inputs = BlockInputs.of(header, transactions, evidence, parent_certificate)
        return await self._worker.execute(header, inputs, rules)

    async def commit(
        self,
        block: Block,
        certificate: Certificate,
        executed: Executed,
        transactions: Sequence[Transaction],
    ) -> CommittedTip:
        """Write the block and move on; returns the new tip when all of it is durable.

        Raises DivergenceError when our result is not the certified one.
        """
        if executed.exec_hash != certificate.exec_hash:
            self._metrics.divergence.inc()
            raise DivergenceError(
                "our execution differs from the quorum's",
                height=block.header.height,
                ours=executed.exec_hash.hex(),
                theirs=certificate.exec_hash.hex(),
            )
        before = self._state.tip
        ids = [transaction.id for transaction in transactions]
        if executed.next_validators.hash != before.next_validators.hash:
            self._journal.save_set(before.next_validators)
        await self._worker.commit(block, certificate, executed, ids)
        tip = CommittedTip(
            height=block.header.height,
            block_hash=executed.block_hash,
            exec_hash=executed.exec_hash,
            time_ms=block.header.time_ms,
            certificate=certificate,
            validators=before.next_validators,
            next_validators=executed.next_validators,
            next_params=executed.next_params,
            next_leaders=executed.next_leaders,
        )
        self._state.advance(tip)
        self._on_advanced(executed.outcome.writes)
        self._ids.put(ids, IdState.COMMITTED)
        expired = self._mempool.commit(tip.height, ids)
        if tip.next_params != before.next_params:
            expired += self._mempool.drop_unfit(make_selection_limits(tip.next_params))
        self._notifier.on_commit(
            _make_committed(block, certificate, executed, transactions), expired
        )
        self._observe(block, executed, len(expired))
        self._observe_misses(certificate, before)
        await self._journal.forget_below(tip.height + 1)
        return tip

    def _observe_misses(self, certificate: Certificate, before: CommittedTip) -> None:
        """Count who let a view of this height pass; a view says who led it."""
        members = before.next_validators.members
        for view in range(min(certificate.view, MISSES_COUNTED_MAX)):
            leader = before.next_leaders.compute_leader(
                before.next_validators, certificate.height, view
            )
            self._metrics.missed_blocks.labels(members[leader].name).inc()

    def _observe(self, block: Block, executed: Executed, expired: int) -> None:
        metrics, now_s = self._metrics, time.monotonic()
        interval_s = max(now_s - self._last_commit_s, 0.001)
        self._last_commit_s = now_s
        weight = min(interval_s / RATE_WINDOW_S, 1.0)
        self._rate += weight * (len(block.transactions) / interval_s - self._rate)
        self._mempool.note_rate(int(self._rate))
        metrics.height.set(block.header.height)
        metrics.block_interval.observe(interval_s)
        metrics.gas.inc(executed.result.gas)
        metrics.expired.inc(expired)
        metrics.mempool_transactions.set(len(self._mempool))
        metrics.mempool_bytes.set(self._mempool.bytes)
        failed = [
            RECEIPT.decode(encoded).status
            for encoded in executed.outcome.receipts
            if not encoded.startswith(_OK, _STATUS_AT)
        ]
        metrics.committed.labels(STATUS_OK).inc(len(block.transactions) - len(failed))
        for status in failed:
            metrics.committed.labels(status).inc()
        log_event(
            _log,
            logging.INFO if block.transactions else logging.DEBUG,
            "committed",
            height=block.header.height,
            transactions=len(block.transactions),
            gas=executed.result.gas,
            interval_ms=int(interval_s * 1_000),
            hash=executed.block_hash,
        )


def _make_committed(
    block: Block, certificate: Certificate, executed: Executed, transactions: Sequence[Transaction]
) -> CommittedBlock:
    return CommittedBlock(
        height=block.header.height,
        block_hash=executed.block_hash,
        block=block,
        transactions=transactions,
        receipts=executed.outcome.receipts,
        events=executed.outcome.events,
        certificate=certificate,
    )
