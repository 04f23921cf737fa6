"""A client whose chain runs in the same process: real contracts, a block for each transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from primitives.hashing import Hash, TransactionId
from primitives.transaction import Call, Transaction
from tests.unit.vm.carbon_chain import Chain, address_of
from tools.client.client import Client
from tools.client.errors import RpcError, make_rpc_error
from tools.client.results import CallResult, ChainStatus, FinalTransaction
from tools.client.transactions import Expiry
from tools.client.wire import Request, dump_value

GAS_MAX = 20_000_000


def load_value(value: Any) -> Any:
    """JSON as it comes over the wire: bytes from their hex."""
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    return [load_value(item) for item in value] if isinstance(value, list) else value


@dataclass
class ChainClient:
    """What tools ask of a node, answered by ``chain``."""

    chain: Chain
    finals: dict[bytes, FinalTransaction] = field(default_factory=dict)

    def as_client(self) -> Client:
        return self  # type: ignore[return-value]  # the methods that tools use, and no socket

    async def status(self) -> ChainStatus:
        height, document = self.chain.height, {"timeMs": self.chain.time * 1000}
        return ChainStatus(Hash(bytes(32)), height, "0x00", False, 1000, GAS_MAX, 1000, document)

    async def get_expiry(self) -> Expiry:
        return Expiry(Hash(bytes(32)), self.chain.height, self.chain.height + 500)

    async def submit(self, transaction: Transaction) -> TransactionId:
        receipts, _ = self.chain.run(transaction)
        receipt = {
            "status": receipts[0].status, "code": receipts[0].code, "gas": receipts[0].gas,
            "failedCall": receipts[0].failed_call,
            "values": [dump_value(value) for value in receipts[0].values],
        }  # fmt: skip
        self.finals[transaction.id] = FinalTransaction(
            transaction.id, self.chain.height, 0, Hash(bytes(32)), receipt
        )
        return transaction.id

    async def wait(self, id_: TransactionId, *, timeout_s: float = 60.0) -> FinalTransaction:
        return self.finals[id_]

    async def state_call(self, contract: str, method: str, arguments: Sequence[Any]) -> CallResult:
        value = self._view(contract, method, arguments)
        if isinstance(value, RpcError):
            raise value
        return CallResult(value, 0, self.chain.height, {})

    async def call_many(self, requests: Sequence[Request]) -> list[Any]:
        answers: list[Any] = []
        for request in requests:
            params = request.params
            value = self._view(params["contract"], params["method"], params["arguments"])
            answers.append(value if isinstance(value, RpcError) else {"value": value})
        return answers

    def _view(self, contract: str, method: str, arguments: Sequence[Any]) -> Any:
        call = Call(contract, method, tuple(load_value(list(arguments))))
        chain = self.chain
        outcome = chain.machine.view(chain.state, chain.context(), address_of("bob"), call)
        if outcome.status != "ok":
            return make_rpc_error(
                {"code": -32011, "message": "reverted", "data": {"code": outcome.code}}
            )
        return dump_value(outcome.values[0])
