"""The command line against a node that speaks real HTTP: what is shown, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from primitives.transaction import decode_transaction
from tests.unit.tools.fake_node import FakeNode, Refusal, make_status, serve
from tools.cli.main import main

ABI = {
    "functions": [
        {"name": "touch", "parameters": [{"name": "number", "type": "int"}]},
    ],
    "records": [],
}
VALIDATORS = {
    "quorum": 3,
    "faultyMax": 1,
    "validators": [
        {"index": i, "name": f"v{i}", "publicKey": f"0x0{i}", "connected": None if i == 0 else up}
        for i, up in enumerate((True, True, False, False))
    ],
}


def refuse(code: int, /, **data: Any) -> Callable[[dict[str, Any]], Any]:
    def handler(params: dict[str, Any]) -> Any:
        raise Refusal(code, **data)

    return handler


def make_methods(status: str = "ok", code: str = "") -> dict[str, Any]:
    def wait(params: dict[str, Any]) -> Any:
        receipt = {"status": status, "code": code, "gas": 7, "values": [], "failedCall": None}
        item = {"height": 8, "index": 0, "blockHash": "0x" + "44" * 32, "receipt": receipt}
        return {"items": [{"id": id_, "final": True, **item} for id_ in params["ids"]]}

    return {
        "chain_status": lambda params: make_status(),
        "contract_abi": lambda params: {"contract": "units", "abi": ABI},
        "state_call": lambda params: {"value": 5, "gas": 100, "events": [], "height": 7},
        "tx_submit": lambda params: {"id": "0x", "status": "accepted"},
        "tx_waitBatch": wait,
    }


def carbonode(node: FakeNode, home: Path, *arguments: str, text: bool = False) -> Result:
    form = ["--output", "text" if text else "json"]
    return CliRunner().invoke(main, ["--home", str(home), "--node", node.url, *form, *arguments])


def call_touch(node: FakeNode, home: Path, *more: str, arguments: str = "[5]") -> Result:
    if not (home / "keys").exists():
        assert carbonode(node, home, "keys", "generate", "ann").exit_code == 0
    return carbonode(node, home, "tx", "call", "units", "touch", arguments, "--key", "ann", *more)


@pytest.mark.parametrize("arguments", ["[5]", '{"number": 5}', '{"number": "5"}'])
def test_a_call_is_signed_submitted_and_waited_for(tmp_path: Path, arguments: str) -> None:
    with serve(make_methods()) as node:
        result = call_touch(node, tmp_path, arguments=arguments)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["receipt"]["status"] == "ok"
        sent = next(params for method, params in node.requests if method == "tx_submit")
        body = decode_transaction(bytes.fromhex(sent["transaction"][2:])).body
        assert body.calls[0].arguments == (5,)
        assert body.gas_limit == 100 * 3 // 2 + 20_000


def test_a_failed_receipt_is_shown_and_exit_code_4(tmp_path: Path) -> None:
    with serve(make_methods("reverted", "not-owner")) as node:
        result = call_touch(node, tmp_path)
    assert result.exit_code == 4
    assert json.loads(result.stdout)["receipt"]["code"] == "not-owner"
    assert "reverted not-owner" in json.loads(result.stderr)["error"]["message"]


def test_a_refused_submission_is_exit_code_4_with_its_data(tmp_path: Path) -> None:
    methods = {**make_methods(), "tx_submit": refuse(-32010, reason="not-a-member")}
    with serve(methods) as node:
        result = call_touch(node, tmp_path)
    assert result.exit_code == 4
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["data"]["reason"]) == ("not-permitted", "not-a-member")


def test_sign_only_submits_nothing(tmp_path: Path) -> None:
    with serve(make_methods()) as node:
        result = call_touch(node, tmp_path, "--sign-only", "--gas", "9")
        document = json.loads(result.stdout)
        assert decode_transaction(bytes.fromhex(document["transaction"][2:])).body.gas_limit == 9
        assert "tx_submit" not in {method for method, _ in node.requests}


def test_no_wait_returns_when_accepted(tmp_path: Path) -> None:
    with serve(make_methods()) as node:
        result = call_touch(node, tmp_path, "--no-wait")
    assert json.loads(result.stdout)["status"] == "accepted"


def test_arguments_against_the_abi_are_usage_and_nothing_is_signed(tmp_path: Path) -> None:
    with serve(make_methods()) as node:
        result = call_touch(node, tmp_path, arguments='["x"]')
        assert result.exit_code == 2
        assert "number: expected int, got text" in result.stderr
        assert "tx_submit" not in {method for method, _ in node.requests}


def test_not_final_in_time_is_exit_code_5(tmp_path: Path) -> None:
    never = {"tx_waitBatch": lambda params: {"items": [{"id": params["ids"][0], "final": False}]}}
    with serve(never) as node:
        result = carbonode(node, tmp_path, "tx", "wait", "00" * 32, "--timeout", "0.1")
    assert result.exit_code == 5


def test_expired_is_said_at_once(tmp_path: Path) -> None:
    gone = {
        "tx_waitBatch": lambda params: {
            "items": [{"id": params["ids"][0], "final": False, "expired": True}]
        }
    }
    with serve(gone) as node:
        result = carbonode(node, tmp_path, "tx", "wait", "00" * 32, "--timeout", "30")
    assert result.exit_code == 4
    assert json.loads(result.stderr)["error"]["code"] == "expired"


@pytest.mark.parametrize(
    ("code", "exit_code"), [(-32001, 6), (-32002, 6), (-32003, 3), (-32602, 4), (-32603, 4)]
)
def test_refusals_have_documented_exit_codes(tmp_path: Path, code: int, exit_code: int) -> None:
    with serve({"tx_get": refuse(code)}) as node:
        result = carbonode(node, tmp_path, "tx", "get", "00" * 32, text=True)
    assert result.exit_code == exit_code
    assert result.stderr.count("\n") == 1


def test_status_shows_the_nodes_that_answer_and_those_that_do_not(tmp_path: Path) -> None:
    with serve({"chain_status": lambda params: make_status()}) as node:
        result = CliRunner().invoke(
            main, ["--node", node.url, "--node", "127.0.0.1:1", "--output", "json", "status"]
        )
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["nodes"]
    assert rows[0]["height"] == 7
    assert rows[1]["problem"] == "Connection refused"


def test_why_names_a_missing_quorum_with_exit_code_1(tmp_path: Path) -> None:
    methods = {
        "chain_status": lambda params: make_status(),
        "consensus_status": lambda params: {"height": 8, "view": 0, "phase": "prepare"},
        "validator_list": lambda params: VALIDATORS,
        "net_peers": lambda params: {"nodeKey": "0x00", "items": []},
        "mempool_status": lambda params: {"transactions": 2},
    }
    with serve(methods) as node:
        result = carbonode(node, tmp_path, "consensus", "status", "--why")
        shown = carbonode(node, tmp_path, "consensus", "status", "--why", text=True)
    assert result.exit_code == shown.exit_code == 1
    assert json.loads(result.stdout)["verdict"] == "quorum-missing"
    assert "Unreachable: v3" in shown.stdout


def test_text_from_the_chain_is_never_taken_for_markup(tmp_path: Path) -> None:
    hostile = {"value": "[red]x[/nonsense]", "gas": 1, "events": [], "height": 1}
    with serve({"state_call": lambda params: hostile}) as node:
        result = carbonode(node, tmp_path, "query", "call", "units", "name", text=True)
    assert result.exit_code == 0
    assert "[red]x[/nonsense]" in result.stdout
