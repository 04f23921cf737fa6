"""Localnet as a library: kill, stop, restart, resume; and what an operator is then told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from primitives.params import ChainParams
from primitives.transaction import Call
from tools.cli.main import main
from tools.localnet.network import Localnet, LocalnetError
from tools.localnet.ports import PortError
from tools.localnet.processes import ChildError

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
PARAMS = ChainParams(timeout_base_ms=500, empty_block_interval_ms=2_000)
GRANT = Call("identity", "grant", ("regulator", "control", 1 << 40))


def carbonode(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


async def in_thread(*arguments: str) -> Result:
    """Run a command beside the network that this loop looks after."""
    return await asyncio.to_thread(carbonode, *arguments)


async def until(is_true: Callable[[], bool], timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            if is_true():
                return
            await asyncio.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_nodes_are_killed_stopped_and_come_back(tmp_path: Path) -> None:
    async def work() -> None:
        async with Localnet(tmp_path / "net", params=PARAMS) as net:
            async with net.client() as client:
                assert (await client.send(net.keys["bank"], [GRANT])).is_ok
            await net.kill(1)
            assert not net.is_running(1)
            assert (await net.statuses())[1] is None
            with pytest.raises(ChildError, match="validator-2 has ended"):
                await net.wait_ready(5.0)
            async with net.client(0) as client:  # three of four are a quorum
                assert (await client.send(net.keys["public"], [GRANT])).is_ok
            await net.start(1)
            height = await net.wait_ready(45.0)
            assert height >= 2
            assert await net.stop(2) == 0
            await net.restart(2)
            await net.wait_ready(45.0)
            roots = {status.state_root for status in await net.statuses() if status}
            assert len(roots) == 1

    asyncio.run(work())


def test_without_a_quorum_the_reason_is_said_in_words(tmp_path: Path) -> None:
    async def work() -> None:
        async with Localnet(tmp_path / "net", params=PARAMS) as net:
            await net.kill(2)
            await net.kill(3)
            node = net.nodes[0].rpc
            explained: dict[str, Any] = {}
            async with asyncio.timeout(20):
                while explained.get("verdict") != "quorum-missing":
                    result = await in_thread(
                        "--node", node, "--output", "json", "consensus", "status", "--why"
                    )
                    explained = json.loads(result.stdout)
            assert result.exit_code == 1
            text = " ".join(explained["sentences"])
            assert "Unreachable: validator-3" in text
            assert "Unreachable: validator-4" in text
            shown = await in_thread("--home", str(net.directory), "status")
            assert shown.exit_code == 0
            assert shown.stdout.count("Connection refused") == 2
            await net.start(2)
            await net.wait_ready(45.0, indices=[0, 1, 2])
            doctor = await in_thread("--home", str(net.nodes[3].home), "doctor")
            assert doctor.exit_code == 0, doctor.output
            assert "opens; height" in doctor.output

    asyncio.run(work())


def test_a_second_start_goes_on_with_the_chain(tmp_path: Path) -> None:
    async def work() -> None:
        async with Localnet(tmp_path / "net", params=PARAMS) as net, net.client() as client:
            final = await client.send(net.keys["bank"], [GRANT])
        summary = json.loads((tmp_path / "net/localnet.json").read_text())
        assert [node["pid"] for node in summary["nodes"]] == [None] * 4
        async with Localnet(tmp_path / "net") as net, net.client(3) as client:
            assert (await client.get(final.id))["height"] == final.height
            assert (await client.status()).height >= final.height

    asyncio.run(work())


def test_one_folder_holds_one_running_network(tmp_path: Path) -> None:
    async def work() -> None:
        async with Localnet(tmp_path / "net", validators=1, params=PARAMS) as net:
            before = (net.nodes[0].home / "config.toml").read_text()
            for fresh in (False, True):
                with pytest.raises(LocalnetError, match="runs in this folder already"):
                    await Localnet(tmp_path / "net", validators=1, fresh=fresh).__aenter__()
            assert (net.nodes[0].home / "config.toml").read_text() == before
            await net.wait_ready(10.0)

    asyncio.run(work())


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    async def work() -> None:
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(PortError, match=str(port)):
                await Localnet(tmp_path / "net", validators=1, base_port=port).__aenter__()

    asyncio.run(work())


def test_no_node_outlives_a_localnet_that_was_killed(tmp_path: Path) -> None:
    async def work() -> None:
        directory = tmp_path / "net"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tools.cli.main", "localnet", "--dir", str(directory),
            "--validators", "2",
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await until(lambda: _read_pids(directory) != [])
            pids = _read_pids(directory)
            assert all(is_alive(pid) for pid in pids)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        await until(lambda: not any(is_alive(pid) for pid in pids))

    asyncio.run(work())


def _read_pids(directory: Path) -> list[int]:
    path = directory / "localnet.json"
    if not path.exists():
        return []
    return [node["pid"] for node in json.loads(path.read_text()).get("nodes", [])]
