"""A contract is published, upgraded, frozen and freed by the commands, on a real network."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from primitives.params import ChainParams
from primitives.transaction import Call
from tests.integration.test_localnet_control import in_thread
from tools.genesis_files import load_contracts
from tools.localnet.network import Localnet

pytestmark = pytest.mark.integration
PARAMS = ChainParams(timeout_base_ms=500, empty_block_interval_ms=1_000)

TALLY = """
from vm import Var, event, emit, export, view

@event
class Added:
    amount: int

total = Var[int]()

@export
def add(amount: int) -> int:
    total.set(total.get() + amount)
    emit(Added(amount))
    return total.get()

@view
def read() -> int:
    return total.get()
"""
DOUBLED = (
    TALLY.replace("    amount: int\n", "    amount: int\n    twice: int\n")
    .replace("get() + amount", "get() + 2 * amount")
    .replace("Added(amount)", "Added(amount, 2 * amount)")
    + "\n@export\ndef migrate() -> None:\n    total.set(1000)\n"
)


def test_the_life_of_a_contract_by_commands(tmp_path: Path) -> None:
    (tmp_path / "tally.py").write_text(TALLY)
    (tmp_path / "doubled.py").write_text(DOUBLED)
    (tmp_path / "bad.py").write_text(TALLY.replace("Var[int]", "Var[str]"))
    governance = next(item.source for item in load_contracts() if item.name == "governance")
    (tmp_path / "larger.py").write_text(governance + "\n\n@view\ndef two() -> int:\n    return 2\n")

    async def work() -> None:
        async with Localnet(tmp_path / "net", params=PARAMS) as net, net.client() as client:

            async def run(*arguments: str, exit_code: int = 0) -> Any:
                result = await in_thread(
                    "--home", str(net.directory), "--output", "json", *arguments
                )
                assert result.exit_code == exit_code, (arguments, result.output)
                return json.loads(result.stdout) if exit_code == 0 else result.stderr

            async def govern(command: str, *arguments: str, exit_code: int = 0) -> Any:
                return await run(
                    "contract", command, *arguments, "--key", "regulator", exit_code=exit_code
                )

            async def add(amount: int) -> tuple[str, str]:
                call = Call("tally", "add", (amount,))
                final = await client.send(net.keys["bank"], [call], gas_limit=500_000)
                return final.status, final.code

            async def upgrade(name: str, file: str, *options: str) -> None:
                published = await govern("publish", str(tmp_path / file))
                await govern("upgrade", name, published["codeHash"], *options)

            await upgrade("tally", "tally.py", "--new")
            await govern("activate", "tally")
            assert await add(5) == ("ok", "")
            await upgrade("tally", "doubled.py")
            info = await run("contract", "info", "tally")
            assert (info["version"], info["upgrade"]["version"], info["frozen"]) == (1, 2, None)
            await govern("activate", "tally")
            assert (await client.state_call("tally", "read")).value == 1000
            assert await add(5) == ("ok", "")
            events = (await client.search_events("tally")).items
            # The first was announced by the old version: without names, never wrongly named.
            assert [item["fields"] for item in events] == [{}, {"amount": 5, "twice": 10}]

            published = await govern("publish", str(tmp_path / "bad.py"))
            answer = await govern("upgrade", "tally", published["codeHash"], exit_code=4)
            assert "storage-changed" in answer

            await govern("freeze", "tally", "--reason", "a drill", "--hours", "1")
            info = await run("contract", "info", "tally")
            assert (info["frozen"]["reason"], info["frozen"]["proposal"]) == ("a drill", 0)
            assert info["frozen"]["until"] - info["frozen"]["since"] == 3600
            assert await add(5) == ("fault", "frozen")
            assert (await client.state_call("tally", "read")).value == 1010
            await govern("freeze", "tally", "--reason", "decided", "--vote")
            assert (await run("contract", "info", "tally"))["frozen"]["until"] is None
            await govern("unfreeze", "tally")
            assert (await run("contract", "info", "tally"))["frozen"] is None
            assert await add(5) == ("ok", "")

            await upgrade("governance", "larger.py")  # the largest contract
            await govern("activate", "governance")
            assert (await client.state_call("governance", "two")).value == 2
            await run("contract", "info", "nothing", exit_code=6)
            roots = {status.state_root for status in await net.statuses() if status}
            assert len(roots) <= 2  # nodes may be a block apart

    asyncio.run(asyncio.wait_for(work(), 150))
