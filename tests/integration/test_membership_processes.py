"""A chain of real processes goes from four to seven to five validators, by the command line."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from primitives.params import ChainParams
from primitives.transaction import Call
from tools.cli.main import main
from tools.client.client import Client
from tools.client.keyfile import write_key
from tools.client.transport import RetryPolicy
from tools.localnet.network import Localnet
from tools.localnet.ports import find_free_ports

pytestmark = pytest.mark.integration
PARAMS = ChainParams(epoch_blocks=8, timeout_base_ms=500, empty_block_interval_ms=300)
PATIENT = RetryPolicy(rounds_max=20, request_timeout_s=20.0, connect_timeout_s=2.0)
LIMIT_S = 240.0


def run_command(*arguments: str) -> Any:
    outcome = CliRunner().invoke(main, ["--output", "json", *arguments])
    assert outcome.exit_code == 0, (arguments, outcome.output, outcome.stderr)
    return json.loads(outcome.stdout)


@contextmanager
def run_node(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = (home / "process.log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "node", str(home)], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


class Newcomer:
    """A node that was made by ``init``, beside the network of the first four."""

    def __init__(self, net: Localnet, folder: Path, number: int) -> None:
        self.home = folder / f"new-{number}"
        p2p, rpc = find_free_ports(2)
        run_command(
            "--home", str(self.home), "init", "--genesis", str(net.genesis_path),
            "--peers", str(net.nodes[0].home), "--name", f"new-{number}",
            "--p2p-port", str(p2p), "--rpc-port", str(rpc),
        )  # fmt: skip
        self.identity = run_command("--home", str(self.home), "validator", "identity")
        self.endpoint = f"http://127.0.0.1:{rpc}"

    @property
    def key(self) -> str:
        return str(self.identity["publicKey"])


class Administrator:
    """Runs ``carbonode validator ...`` on a thread, against the first node."""

    def __init__(self, net: Localnet, folder: Path) -> None:
        self._key = folder / "admin.key"
        write_key(self._key, net.keys["regulator"])
        self._net = net

    async def run(self, *arguments: str) -> Any:
        given = ("--node", self._net.nodes[0].rpc, "validator", *arguments, "--key", str(self._key))
        return await asyncio.to_thread(run_command, *given)


async def keep_loading(net: Localnet, done: list[str]) -> None:
    """Grants, one after another; ``done`` are the ids of those that were reported final."""
    async with Client(net.endpoints, policy=PATIENT) as client:
        number = 0
        while True:
            number += 1
            call = Call("identity", "grant", ("bank", f"subject-{number}", 1 << 50))
            transaction = await client.build(net.keys["enterprise-a"], [call], gas_limit=500_000)
            await client.submit(transaction)
            final = await client.wait(transaction.id)
            assert final.is_ok
            done.append("0x" + transaction.id.hex())


async def wait_for_set(endpoint: str, names: list[str]) -> Any:
    """Return validator_list when the set in force has these names."""
    async with Client([endpoint], policy=PATIENT) as client:
        async for _ in client.subscribe("blocks"):
            listed = await client.call("validator_list")
            if [member["name"] for member in listed["validators"]] == names:
                return listed
    raise AssertionError("the subscription ended")


def test_four_validators_become_seven_and_five_under_load(tmp_path: Path) -> None:
    async def work(stack: ExitStack) -> None:
        async with Localnet(tmp_path / "net", validators=4, fresh=True, params=PARAMS) as net:
            admin, done, first = Administrator(net, tmp_path), list[str](), net.nodes[0].rpc
            load = asyncio.create_task(keep_loading(net, done))
            names = [node.name for node in net.nodes]
            new = [Newcomer(net, tmp_path, number) for number in range(3)]
            for node in new:
                name = str(node.identity["name"])
                await admin.run("admit", name, node.key, str(node.identity["certificate"]))
                stack.enter_context(run_node(node.home))
                await admin.run("add", node.key)
                names.append(name)
                await wait_for_set(first, names)
            # Seven need five: with two of the first four killed the new ones must vote.
            await net.kill(3)
            await net.kill(2)
            count = len(done)
            while len(done) < count + 3:
                await asyncio.wait({load}, timeout=0.05)
                assert not load.done(), load.exception()
            await net.restart(2)
            await net.restart(3)
            for key in (new[0].key, "0x" + net.nodes[1].public_key.hex()):
                await admin.run("remove", key)
            names = [names[index] for index in (0, 2, 3, 5, 6)]
            listed = await wait_for_set(new[2].endpoint, names)
            assert {item["name"] for item in listed["candidates"]} == {"new-0", net.nodes[1].name}
            load.cancel()
            with suppress(asyncio.CancelledError):
                await load
            await check_agreement(net, [node.endpoint for node in new], done)
            homes.append(net.nodes[0].home)
            homes.append(new[2].home)

    homes: list[Path] = []
    with ExitStack() as stack:
        asyncio.run(asyncio.wait_for(work(stack), LIMIT_S))
    for home in homes:
        assert run_command("--home", str(home), "audit", "verify")["sound"] is True


async def check_agreement(net: Localnet, others: list[str], done: list[str]) -> None:
    """All seven hold the same block and result, and everything that was reported final."""
    assert len(done) > 10
    async with Client([net.nodes[0].rpc]) as client:
        height = (await client.status()).height
    answers = set()
    for endpoint in (*net.endpoints, *others):
        async with Client([endpoint], policy=PATIENT) as client:
            async for _ in client.subscribe("blocks", from_height=height):
                break
            commit = await client.get_commit(height)
            answers.add((commit["blockHash"], commit["execHash"]))
            for id_text in done:
                assert (await client.call("tx_wait", id=id_text, timeoutMs=0))["final"]
    assert len(answers) == 1
