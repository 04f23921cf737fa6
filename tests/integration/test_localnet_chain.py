"""A local network of real processes, used as people use it: the command line and the client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from primitives.errors import ProofError
from primitives.genesis import load_genesis
from primitives.keys import PrivateKey
from primitives.transaction import Call
from tools.cli.main import main
from tools.client.client import Client
from tools.client.errors import NotFound, Reverted
from tools.client.proofs import verify_transaction_answer

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
READY_S = 90
FOREVER = str(1 << 40)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``carbonode localnet`` as a process; its folder. Ends with SIGTERM and exit code 0."""
    directory = tmp_path_factory.mktemp("localnet") / "net"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tools.cli.main", "--output", "json", "localnet"]
    with subprocess.Popen(
        [*command, "--validators", "4", "--dir", str(directory)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            document = _read_document(process)
            assert len(document["nodes"]) == 4
            yield directory
        finally:
            pids = [node["pid"] for node in _summary(directory)["nodes"]]
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=60)
        assert code == 0
        assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def _read_document(process: subprocess.Popen[str]) -> Any:
    """Return the JSON document that the command prints once all nodes are ready."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}"):
            return json.loads(text)
    raise AssertionError(f"localnet ended early: {text}")


def _summary(directory: Path) -> Any:
    return json.loads((directory / "localnet.json").read_text())


def carbonode(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(directory), *arguments])


def carbonode_json(directory: Path, *arguments: str) -> Any:
    result = carbonode(directory, "--output", "json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_summary_names_everything(network: Path) -> None:
    summary = _summary(network)
    assert set(summary) == {"chainId", "genesis", "nodes", "keys"}
    for node in summary["nodes"]:
        assert set(node) == {"name", "pid", "rpc", "ws", "admin", "p2p", "home", "publicKey"}
        assert Path(node["home"]).is_dir()
    assert load_genesis(Path(summary["genesis"]).read_text())
    assert "regulator" in summary["keys"]


def test_status_shows_all_nodes_on_one_chain(network: Path) -> None:
    rows = carbonode_json(network, "status")["nodes"]
    assert len(rows) == 4
    assert {row["chainId"] for row in rows} == {_summary(network)["chainId"]}
    assert carbonode(network, "status").exit_code == 0


def test_a_call_becomes_final_and_is_found_again(network: Path) -> None:
    arguments = json.dumps({"reader": "regulator", "subject": "cli", "valid_until": FOREVER})
    sent = carbonode_json(
        network, "tx", "call", "identity", "grant", arguments, "--key", "enterprise-a"
    )
    assert sent["receipt"]["status"] == "ok"
    found = carbonode_json(network, "tx", "get", sent["id"], "--proof")
    assert found["height"] == sent["height"]
    assert found["calls"][0]["method"] == "grant"
    page = carbonode_json(network, "tx", "search", "--key", "enterprise-a")
    assert sent["id"] in {item["id"] for item in page["items"]}
    assert carbonode_json(network, "tx", "wait", sent["id"])["height"] == sent["height"]
    for form in ((), ("--proof",)):
        assert carbonode(network, "tx", "get", sent["id"], *form).exit_code == 0


def test_the_proof_of_a_receipt_verifies_against_the_genesis_alone(network: Path) -> None:
    summary = _summary(network)
    genesis = load_genesis(Path(summary["genesis"]).read_text())
    key = PrivateKey.from_hex(summary["keys"]["bank"])

    async def work() -> None:
        async with Client([node["rpc"] for node in summary["nodes"]]) as client:
            call = Call("identity", "grant", ("regulator", "proof", 1 << 40))
            final = await client.send(key, [call])
            answer = dict(await client.get(final.id))
            verified = verify_transaction_answer(answer, genesis)
            assert verified.receipt.status == "ok"
            assert verified.transaction.body.sender == key.public_key
            forged = {**answer, "index": answer["index"] + 1}
            with pytest.raises(ProofError):
                verify_transaction_answer(forged, genesis)

    asyncio.run(work())


def test_a_refused_call_is_exit_code_4_with_the_contract_s_code(network: Path) -> None:
    arguments = ("identity", "revoke_grant", '["regulator", "never-granted"]')
    early = carbonode(network, "tx", "call", *arguments, "--key", "enterprise-b")
    assert early.exit_code == 4
    assert "no-grant" in early.stderr
    late = carbonode(network, "tx", "call", *arguments, "--key", "enterprise-b", "--gas", "500000")
    assert late.exit_code == 4
    assert "reverted no-grant" in late.stderr


def test_arguments_that_do_not_fit_the_abi_are_refused_before_signing(network: Path) -> None:
    result = carbonode(network, "tx", "call", "identity", "grant", "[1]", "--key", "bank")
    assert result.exit_code == 2
    assert "grant(reader: str, subject: str, valid_until: int)" in result.stderr


def test_a_signed_transaction_is_submitted_once(network: Path, tmp_path: Path) -> None:
    arguments = ("identity", "grant", f'["regulator", "signed", {FOREVER}]', "--key", "verifier")
    signed = carbonode_json(network, "tx", "call", *arguments, "--sign-only")
    path = tmp_path / "signed.hex"
    path.write_text(signed["transaction"])
    sent = carbonode_json(network, "tx", "submit", "--file", str(path), "--wait")
    assert sent["id"] == signed["id"]
    again = carbonode(network, "tx", "submit", signed["transaction"])
    assert again.exit_code == 4
    assert "[-32009]" in again.stderr


def test_a_stranger_is_not_permitted(network: Path, tmp_path: Path) -> None:
    key = str(tmp_path / "stranger.key")
    carbonode_json(network, "keys", "generate", key)
    result = carbonode(
        network, "tx", "call", "identity", "grant", f'["regulator", "x", {FOREVER}]',
        "--key", key, "--gas", "500000",
    )  # fmt: skip
    assert result.exit_code == 4
    assert "[-32010]" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("query", "block"),
        ("query", "block", "1", "--full"),
        ("query", "call", "units", "total"),
        ("query", "contract"),
        ("query", "contract", "units"),
        ("query", "abi", "units"),
        ("query", "events", "identity", "--name", "Granted"),
        ("query", "validators"),
        ("query", "mempool"),
        ("query", "state", "0x0076616c696461746f7273", "--proof"),
        ("peers",),
        ("consensus", "status"),
        ("consensus", "status", "--why"),
    ],
)
def test_reading_commands_answer_in_both_forms(network: Path, arguments: tuple[str, ...]) -> None:
    assert carbonode_json(network, *arguments)
    shown = carbonode(network, *arguments)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.strip()


def test_an_idle_chain_is_said_to_be_idle(network: Path) -> None:
    assert carbonode_json(network, "consensus", "status", "--why")["verdict"] in ("idle", "moving")


def test_what_is_not_there_is_exit_code_6(network: Path) -> None:
    for arguments in (("tx", "get", "00" * 32), ("query", "block", "99999999"),
                      ("query", "abi", "nothing")):  # fmt: skip
        result = carbonode(network, *arguments)
        assert result.exit_code == 6, result.output
        assert result.stderr.count("\n") == 1


def test_doctor_is_content_with_a_running_node(network: Path) -> None:
    home = Path(_summary(network)["nodes"][0]["home"])
    result = carbonode(home, "doctor")
    assert result.exit_code == 0, result.output
    assert "held by the running node" in result.output


def test_views_revert_with_their_code_and_unknown_things_are_typed(network: Path) -> None:
    endpoint = _summary(network)["nodes"][0]["rpc"]

    async def work() -> None:
        async with Client(endpoint) as client:
            with pytest.raises(Reverted) as caught:
                await client.state_call("units", "get_batch", ["nothing"])
            assert caught.value.data["code"] == "no-batch"
            with pytest.raises(NotFound):
                await client.state_call("nothing", "x")

    asyncio.run(work())


def test_a_subscription_follows_the_chain_from_the_past_on(network: Path) -> None:
    summary = _summary(network)
    key = PrivateKey.from_hex(summary["keys"]["public"])

    async def work() -> None:
        async with Client(summary["nodes"][1]["rpc"]) as client:
            call = Call("identity", "grant", ("regulator", "watched", 1 << 40))
            await client.send(key, [call])
            heights = []
            async with asyncio.timeout(30):
                stream = client.subscribe("blocks", from_height=1)
                async for notification in stream:
                    heights.append(notification.item["height"])
                    if len(heights) == 2:
                        break
                await stream.aclose()
            assert heights == [1, 2]

    asyncio.run(work())
