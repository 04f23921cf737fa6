"""The one worker thread that executes blocks and writes them.

Contracts never run on the event loop, and two blocks are never executed at once:
execution reads the committed state through a snapshot, computes the new state root,
and returns everything that a commit needs. Deciding is not done here.
Source: design/consensus.md, "Normal case"; DESIGN.md, "Storage".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from node.logs import log_event
from node.metrics import Metrics
from primitives.block import (
    Block,
    ExecutionResult,
    Header,
    compute_events_root,
    compute_execution_hash,
    compute_header_hash,
    compute_receipts_root,
)
from primitives.certificate import Certificate
from primitives.epochs import EPOCH_END, EpochEnd
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis
from primitives.hashing import Hash, TransactionId
from primitives.leaders import Leaders
from primitives.params import ChainParams, compute_params_hash, is_epoch_end
from primitives.validators import ValidatorSet
from storage.chain import BlockRecord, ChainStore, GenesisRecord
from storage.treegrowth import GrowthOrder
from storage.treesession import StateChange
from vm.executor import BlockInputs, BlockOutcome, execute_block, execute_genesis
from vm.machine import Machine

_T = TypeVar("_T")
_log = logging.getLogger("carbonode.execution")


class ExecutionError(CarbonodeError):
    """A block that cannot be executed here: our bug, or a tip that moved underneath."""

    code = "execution"


@dataclass(frozen=True, slots=True)
class Executed:
    """What executing one block gave; ``change`` fits the tip it was computed on."""

    block_hash: Hash
    exec_hash: Hash
    result: ExecutionResult
    outcome: BlockOutcome
    change: StateChange
    next_validators: ValidatorSet
    next_params: ChainParams
    next_leaders: Leaders


@dataclass(frozen=True, slots=True)
class Rules:
    """What is in force at the height being executed."""

    params: ChainParams
    validators: ValidatorSet


class ExecutionWorker:
    """Owns the thread. Its methods are called from the event loop."""

    def __init__(self, chain: ChainStore, machine: Machine, metrics: Metrics) -> None:
        self._chain = chain
        self._machine = machine
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="execution")

    async def execute(self, header: Header, inputs: BlockInputs, rules: Rules) -> Executed:
        """Execute a block on the committed state; raises ExecutionError, storage errors."""
        return await self._run(lambda: self._execute(header, inputs, rules))

    async def commit(
        self,
        block: Block,
        certificate: Certificate,
        executed: Executed,
        ids: Sequence[TransactionId],
    ) -> None:
        """Write block, certificate and state: one atomic, synced batch."""
        record = BlockRecord(
            block=block,
            block_hash=executed.block_hash,
            certificate=certificate,
            result=executed.result,
            receipts=executed.outcome.receipts,
            events=executed.outcome.events,
            change=executed.change,
            writes=executed.outcome.writes,
            transaction_ids=ids,
            epoch_end=_make_epoch_end(block, certificate, executed),
            growth=GrowthOrder.of(
                executed.outcome.growing, block.header.height, executed.next_params.epoch_blocks
            ),
        )
        await self._run(lambda: self._commit(record))

    def close(self) -> None:
        """Wait for what is being written and end the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _execute(self, header: Header, inputs: BlockInputs, rules: Rules) -> Executed:
        started = time.perf_counter()
        with self._chain.view() as view:
            if view.height != header.height - 1:
                raise ExecutionError("not the next block", tip=view.height, block=header.height)
            outcome = execute_block(
                self._machine, view, inputs, rules.params, rules.validators, view.state_keys
            )
        change = self._chain.compute_state(outcome.writes, rules.params.state_levels)
        result = _make_result(header.height, outcome, change)
        self._metrics.execution.observe(time.perf_counter() - started)
        return Executed(
            block_hash=compute_header_hash(header),
            exec_hash=compute_execution_hash(result),
            result=result,
            outcome=outcome,
            change=change,
            next_validators=outcome.next_validators,
            next_params=outcome.next_params,
            next_leaders=outcome.next_leaders,
        )

    def _commit(self, record: BlockRecord) -> None:
        started = time.perf_counter()
        before = self._chain.tip
        self._chain.commit(record)
        if before is not None and before.state_levels != record.change.levels:
            log_event(
                _log,
                logging.INFO,
                "the state tree grew",
                height=record.result.height,
                levels=record.change.levels,
                keys=record.change.keys,
            )
        self._metrics.commit.observe(time.perf_counter() - started)


def _make_epoch_end(block: Block, certificate: Certificate, executed: Executed) -> bytes | None:
    """Return what later proves who validates next; None within an epoch."""
    # The length of an epoch never changes, so the next parameters have it, too.
    if not is_epoch_end(block.header.height, executed.next_params.epoch_blocks):
        return None
    return EPOCH_END.encode(
        EpochEnd(
            header=block.header,
            result=executed.result,
            certificate=certificate,
            validators=executed.next_validators,
            params=executed.next_params,
        )
    )


def apply_genesis(chain: ChainStore, machine: Machine, genesis: Genesis) -> None:
    """Execute the genesis and store height 0; does nothing when the chain has begun.

    That the folder belongs to this genesis was checked when the store was opened: the
    chain id is the genesis's hash.
    """
    if chain.tip is not None:
        return
    outcome = execute_genesis(machine, genesis)
    change = chain.compute_state(outcome.writes, genesis.params.state_levels)
    chain.commit_genesis(
        GenesisRecord(
            time_ms=genesis.time_ms,
            result=_make_result(0, outcome, change),
            receipts=outcome.receipts,
            events=outcome.events,
            change=change,
            writes=outcome.writes,
        )
    )


def _make_result(height: int, outcome: BlockOutcome, change: StateChange) -> ExecutionResult:
    return ExecutionResult(
        height=height,
        state_root=change.root,
        receipts_root=compute_receipts_root(outcome.receipts),
        events_root=compute_events_root(outcome.events),
        gas=outcome.gas,
        next_validators_hash=outcome.next_validators.hash,
        next_params_hash=compute_params_hash(outcome.next_params),
    )
