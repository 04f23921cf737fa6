"""Many calls, few transactions: packing by gas, a bounded window, and what went wrong.

A transaction is all or none. When one call of it fails, that call is the failure and
the others go again without it; when gas runs out, the group goes again in two halves
with a higher estimate. So every call ends as done, as already there, or as refused
with the contract's code, and none is done twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from primitives import limits
from primitives.block import STATUS_FAULT, STATUS_OK, STATUS_OUT_OF_GAS, STATUS_REVERTED
from primitives.errors import CarbonodeError
from primitives.keys import PrivateKey
from primitives.transaction import Call, encode_arguments
from tools.client.client import Client
from tools.client.errors import MempoolFull, RateLimited, RpcError
from tools.client.results import FinalTransaction
from tools.client.transactions import build_transaction

WINDOW_TRANSACTIONS = 12
"""Transactions under way at once: a few blocks' worth, so that no block waits for us."""
GAS_FIRST_GUESS = 150_000
"""Gas of one unit of weight before any receipt has told."""
GAS_MARGIN_PERCENT = 140
GAS_BASE = 30_000
RETRIES_MAX = 50
RETRY_DELAY_S = 0.5
FINAL_TIMEOUT_S = 120.0
BYTES_PER_TRANSACTION = limits.TRANSACTION_BYTES_MAX // 2
"""Of arguments; leaves room for names and lengths."""

ALREADY_THERE = "already-imported"
"""The contracts' code for an import key that is on the chain."""


class SubmissionError(CarbonodeError):
    """The chain does not take our transactions at all; going on makes no sense."""

    code = "submission"


@dataclass(frozen=True, slots=True)
class Item:
    """One call to be made. ``weight`` is its share of gas: 1 for a plain call."""

    name: str
    call: Call
    weight: int = 1

    @property
    def size(self) -> int:
        return len(encode_arguments(self.call.arguments)) + len(self.call.method) + 32


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: ``done``, ``already-there``, or ``refused`` with a code."""

    item: Item
    status: str
    code: str = ""
    height: int = 0
    transaction: bytes = b""


DONE = "done"
THERE = "already-there"
REFUSED = "refused"


@dataclass(slots=True)
class Submission:
    """Submits items under one key. ``on_progress`` hears of every outcome."""

    client: Client
    key: PrivateKey
    on_progress: Callable[[Outcome], None]
    window: int = WINDOW_TRANSACTIONS
    calls_max: int = limits.CALLS_MAX
    transactions: int = 0
    gas: int = 0
    _gas_per_weight: int = GAS_FIRST_GUESS
    _has_measured: bool = False
    _gas_max: int = 0
    _waiting: deque[Item] = field(default_factory=deque)
    _again: deque[list[Item]] = field(default_factory=deque)

    async def run(self, items: Sequence[Item]) -> list[Outcome]:
        """Return the outcome of every item, in no particular order.

        Raises SubmissionError when the account may not send, ClientError when no node
        answers or transactions do not become final. What is final stays; run again.
        """
        if not items:
            return []
        self._gas_max = (await self.client.status()).transaction_gas_max
        self._waiting.extend(items)
        outcomes: list[Outcome] = []
        tasks: set[asyncio.Task[list[Outcome]]] = set()
        try:
            while self._waiting or self._again or tasks:
                # The first transaction goes alone: its receipt teaches what a call costs.
                room = self.window if self._has_measured else 1
                while len(tasks) < room and (group := self._next_group()):
                    tasks.add(asyncio.create_task(self._settle(group)))
                finished, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    outcomes.extend(task.result())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return outcomes

    def _next_group(self) -> list[Item]:
        if self._again:
            return self._again.popleft()
        group: list[Item] = []
        weight = size = 0
        while self._waiting and len(group) < self.calls_max:
            item = self._waiting[0]
            weight += item.weight
            size += item.size
            too_much = self._compute_gas_limit(weight) >= self._gas_max
            if group and (too_much or size > BYTES_PER_TRANSACTION):
                break
            group.append(self._waiting.popleft())
        return group

    def _compute_gas_limit(self, weight: int) -> int:
        need = weight * self._gas_per_weight * GAS_MARGIN_PERCENT // 100 + GAS_BASE
        return min(need, self._gas_max)

    async def _settle(self, group: list[Item]) -> list[Outcome]:
        """Send one group and return the outcomes of those items that are settled by it."""
        weight = sum(item.weight for item in group)
        gas_limit = self._compute_gas_limit(weight)
        final = await self._send([item.call for item in group], gas_limit)
        self.transactions += 1
        self.gas += final.gas
        if final.status == STATUS_OK:
            self._learn(final.gas // weight)
            settled = [
                Outcome(item, DONE, height=final.height, transaction=final.id) for item in group
            ]
        elif final.status == STATUS_OUT_OF_GAS:
            settled = self._split(group, gas_limit, final)
        elif final.status in (STATUS_REVERTED, STATUS_FAULT):
            settled = [self._drop_failed(group, final)]
        else:
            raise SubmissionError(
                "the chain rejects the account's transactions",
                status=final.status,
                reason=final.code,
                account=self.key.public_key.hex(),
            )
        for outcome in settled:
            self.on_progress(outcome)
        return settled

    def _learn(self, gas_per_weight: int) -> None:
        self._gas_per_weight = (
            max(self._gas_per_weight, gas_per_weight) if self._has_measured else gas_per_weight
        )
        self._has_measured = True

    def _split(self, group: list[Item], gas_limit: int, final: FinalTransaction) -> list[Outcome]:
        """Two halves with a higher estimate; a single call that can never fit is refused."""
        if len(group) == 1 and gas_limit == self._gas_max:
            return [Outcome(group[0], REFUSED, STATUS_OUT_OF_GAS, final.height, final.id)]
        self._gas_per_weight = min(self._gas_per_weight * 2, self._gas_max)
        middle = (len(group) + 1) // 2
        self._again.extend(part for part in (group[:middle], group[middle:]) if part)
        return []

    def _drop_failed(self, group: list[Item], final: FinalTransaction) -> Outcome:
        failed = final.receipt.get("failedCall")
        if type(failed) is not int or not 0 <= failed < len(group):
            raise SubmissionError("a receipt names no failed call", receipt=dict(final.receipt))
        rest = [item for position, item in enumerate(group) if position != failed]
        if rest:
            self._again.append(rest)
        status = THERE if final.code == ALREADY_THERE else REFUSED
        return Outcome(group[failed], status, final.code, final.height, final.id)

    async def _send(self, calls: Sequence[Call], gas_limit: int) -> FinalTransaction:
        expiry = await self.client.get_expiry()
        transaction = build_transaction(self.key, calls, expiry=expiry, gas_limit=gas_limit)
        for _ in range(RETRIES_MAX):
            try:
                await self.client.submit(transaction)
                break
            except (MempoolFull, RateLimited) as busy:
                await asyncio.sleep((busy.retry_after_ms or 1000 * RETRY_DELAY_S) / 1000)
            except RpcError as refused:
                raise SubmissionError(f"a node refuses our transaction: {refused}") from None
        else:
            raise SubmissionError("the nodes stay too busy to take our transactions")
        return await self.client.wait(transaction.id, timeout_s=FINAL_TIMEOUT_S)
