"""Contracts read for clients: views on threads, each on its own frozen state.

Never on the event loop, never on the machine that executes blocks: a client's view
cannot delay a block. The number of views that wait is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from node.committed import CommittedState
from node.rpc.errors import ErrorNumber, RpcError, invalid_params, not_found
from node.rpc.render import to_json_value
from primitives.block import EVENT, RECEIPT, STATUS_OK, Receipt
from primitives.errors import CarbonodeError
from primitives.hashing import Address, Hash
from primitives.params import compute_epoch
from primitives.transaction import Call
from storage.chain import ChainStore
from storage.stateview import StateView
from vm import engine_view
from vm.abi import Abi
from vm.machine import BlockContext, Machine
from vm.outcome import VmEvent

WAITING_MAX = 256
"""Views that wait for a thread; more are told to come back."""
ABIS_MAX = 1_000
"""ABIs kept by code hash."""
RETRY_MS = 200

_T = TypeVar("_T")


class Views:
    """Runs views and knows ABIs. Close it to end its threads."""

    def __init__(
        self,
        chain: ChainStore,
        state: CommittedState,
        chain_id: Hash,
        threads: int,
        make_machine: Callable[[int], Machine],
    ) -> None:
        self._chain = chain
        self._state = state
        self._chain_id = chain_id
        self._machine = make_machine(state.params.vm_version)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="views")
        self._waiting = 0
        self._abis: dict[Hash, Abi] = {}

    def close(self) -> None:
        """Wait for running views and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def run(self, work: Callable[[StateView], _T]) -> _T:
        """Return what ``work`` makes of the last committed state; -32005 when too many wait."""
        if self._waiting >= WAITING_MAX:
            raise RpcError(ErrorNumber.RATE_LIMITED, "too many views wait", retryAfterMs=RETRY_MS)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._on_view, work)
        finally:
            self._waiting -= 1

    def _on_view(self, work: Callable[[StateView], _T]) -> _T:
        with self._chain.view() as view:
            return work(view)

    async def call(
        self,
        contract: str,
        method: str,
        arguments: Sequence[Any] | dict[str, Any],
        sender: Address,
        gas_limit: int,
    ) -> dict[str, Any]:
        """Return value, gas, events and height of a call whose writes are dropped."""
        tip = self._state.tip
        machine = self._machine.at_version(tip.next_params.vm_version)
        context = BlockContext(
            chain_id=self._chain_id,
            height=tip.height,
            time_s=tip.time_ms // 1_000,
            epoch=compute_epoch(tip.height, tip.next_params.epoch_blocks),
            proposer=Address(bytes(32)),
        )

        def work(view: StateView) -> dict[str, Any]:
            abi = self._find_abi(view, contract)
            if abi is None:
                raise not_found("no such contract", contract=contract)
            parsed = parse_arguments(abi, contract, method, arguments)
            call = Call(contract, method, parsed)
            outcome = machine.view(view, context, sender, call, gas_limit)
            if outcome.status != STATUS_OK:
                raise RpcError(
                    ErrorNumber.REVERTED,
                    f"{outcome.status}: {outcome.code or 'no code'}",
                    status=outcome.status,
                    code=outcome.code,
                    gas=outcome.gas,
                )
            return {
                "value": abi.result_to_json(method, outcome.values[0]),
                "gas": outcome.gas,
                "events": [self._show_event(view, event) for event in outcome.events],
                "height": view.height,
            }

        return await self.run(work)

    async def get_abi(self, contract: str) -> Abi:
        """Return a contract's ABI, or raise -32001."""
        abi = await self.run(lambda view: self._find_abi(view, contract))
        if abi is None:
            raise not_found("no such contract", contract=contract)
        return abi

    async def show_events(self, events: Sequence[bytes]) -> list[dict[str, Any]]:
        """Return encoded events with their fields by name."""
        if not events:
            return []
        return await self.run(lambda view: [self._decode_event(view, item) for item in events])

    async def show_receipts(
        self, receipts: Sequence[bytes], calls: Sequence[Sequence[Call]]
    ) -> list[dict[str, Any]]:
        """Return encoded receipts; ``calls`` are their transactions', for the values' types."""
        if not receipts:
            return []

        def work(view: StateView) -> list[dict[str, Any]]:
            return [
                self._show_receipt(view, RECEIPT.decode(encoded), of)
                for encoded, of in zip(receipts, calls, strict=True)
            ]

        return await self.run(work)

    def _find_abi(self, view: StateView, contract: str) -> Abi | None:
        entry = engine_view.get_contract(view, contract)
        if entry is None:
            return None
        known = self._abis.get(entry.code_hash)
        if known is None:
            known = self._machine.get_abi(view, contract)
            if known is not None and len(self._abis) < ABIS_MAX:
                self._abis[entry.code_hash] = known
        return known

    def _decode_event(self, view: StateView, encoded: bytes) -> dict[str, Any]:
        event = EVENT.decode(encoded)
        shown = self._show_event(view, VmEvent(event.contract, event.name, event.values))
        return {"transactionIndex": event.transaction_index, **shown}

    def _show_event(self, view: StateView, event: VmEvent) -> dict[str, Any]:
        abi = self._find_abi(view, event.contract)
        try:
            if abi is not None:
                return abi.event_to_json(event)
        except CarbonodeError:
            pass  # announced by an earlier version of the contract: shown without names
        values = [to_json_value(value) for value in event.values]
        return {"contract": event.contract, "name": event.name, "fields": {}, "values": values}

    def _show_receipt(
        self, view: StateView, receipt: Receipt, calls: Sequence[Call]
    ) -> dict[str, Any]:
        values: list[Any] = []
        for call, value in zip(calls, receipt.values, strict=False):
            abi = self._find_abi(view, call.contract)
            try:
                shown = None if abi is None else abi.result_to_json(call.method, value)
            except CarbonodeError:
                shown = None
            values.append(to_json_value(value) if shown is None else shown)
        return {
            "transactionId": "0x" + receipt.transaction_id.hex(),
            "status": receipt.status,
            "code": receipt.code,
            "gas": receipt.gas,
            "failedCall": receipt.failed_call,
            "values": values,
            "eventFirst": receipt.event_first,
            "eventCount": receipt.event_count,
        }


def parse_arguments(
    abi: Abi, contract: str, method: str, arguments: Sequence[Any] | dict[str, Any]
) -> tuple[Any, ...]:
    """Return wire arguments by the ABI, or raise -32602 saying what does not fit."""
    given = arguments if isinstance(arguments, dict) else list(arguments)
    try:
        return abi.arguments_from_json(method, given)
    except CarbonodeError as error:
        raise invalid_params(
            f"arguments: {error}", contract=contract, method=method, abi=error.code
        ) from None
