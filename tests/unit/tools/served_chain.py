"""A chain in memory behind real HTTP: every contract runs, a block for each transaction, and the
test sets the time. For commands and client methods that need days to pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from node.rpc.render import to_json_params, to_json_value
from primitives.hashing import Address
from primitives.transaction import Call, decode_transaction
from tests.unit.tools.fake_node import FakeNode, Refusal, make_status, serve
from tests.unit.vm.carbon_chain import Chain, address_of, key_of
from tools.cli.main import main
from tools.client.keyfile import write_key

REVERTED = -32011


@dataclass
class ServedChain:
    """The chain, the node that serves it, and a home with its members' keys."""

    chain: Chain
    node: FakeNode
    home: Path

    def run(self, *arguments: str, exit_code: int = 0) -> Any:
        """A command's JSON, or what it says on standard error when it has to fail."""
        given = ["--home", str(self.home), "--node", self.node.url, "--output", "json", *arguments]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == exit_code, (arguments, result.output)
        return json.loads(result.stdout) if exit_code == 0 else result.stderr


def make_methods(chain: Chain) -> dict[str, Any]:
    finals: dict[str, dict[str, Any]] = {}

    def status(params: dict[str, Any]) -> Any:
        time_ms, params_now = chain.time * 1000, to_json_params(chain.params)
        return make_status(height=chain.height, timeMs=time_ms, params=params_now)

    def call(params: dict[str, Any]) -> Any:
        abi = chain.machine.get_abi(chain.state, params["contract"])
        assert abi is not None
        values = abi.arguments_from_json(params["method"], params["arguments"])
        sender = params.get("sender")
        address = Address(bytes.fromhex(sender[2:])) if sender else address_of("public")
        wanted = Call(params["contract"], params["method"], tuple(values))
        outcome = chain.machine.view(chain.state, chain.context(), address, wanted, 20_000_000)
        if outcome.status != "ok":
            raise Refusal(
                REVERTED, f"{outcome.status}: {outcome.code}",
                status=outcome.status, code=outcome.code, gas=outcome.gas,
            )  # fmt: skip
        value = abi.result_to_json(params["method"], outcome.values[0])
        return {"value": value, "gas": outcome.gas, "events": [], "height": chain.height}

    def submit(params: dict[str, Any]) -> Any:
        transaction = decode_transaction(bytes.fromhex(params["transaction"][2:]))
        receipts, _ = chain.run(transaction)
        values = []
        for sent, value in zip(transaction.body.calls, receipts[0].values, strict=False):
            abi = chain.machine.get_abi(chain.state, sent.contract)
            values.append(abi.result_to_json(sent.method, value) if abi else to_json_value(value))
        id_ = "0x" + transaction.id.hex()
        receipt = {
            "status": receipts[0].status, "code": receipts[0].code, "gas": receipts[0].gas,
            "failedCall": receipts[0].failed_call, "values": values,
        }  # fmt: skip
        finals[id_] = {
            "id": id_, "final": True, "height": chain.height, "index": 0,
            "blockHash": "0x" + "44" * 32, "receipt": receipt,
        }  # fmt: skip
        return {"id": id_, "status": "accepted"}

    def wait(params: dict[str, Any]) -> Any:
        return {"items": [finals[id_] for id_ in params["ids"]]}

    return {
        "chain_status": status, "state_call": call, "tx_submit": submit, "tx_waitBatch": wait,
    }  # fmt: skip


@contextmanager
def serve_chain(chain: Chain, home: Path, *members: str) -> Iterator[ServedChain]:
    """Serve ``chain``; ``home`` gets the keys of ``members``."""
    for name in members:
        write_key(home / "keys" / f"{name}.key", key_of(name))
    with serve(make_methods(chain)) as node:
        yield ServedChain(chain, node, home)
