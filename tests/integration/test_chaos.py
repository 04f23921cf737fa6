"""A short chaos run, and what ``status --why`` says of standstills made on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from primitives.params import ChainParams
from tools.chaos.proxy import ProxyMesh
from tools.chaos.run import Options, run_chaos
from tools.chaos.schedule import Fault, FaultKind
from tools.cli.main import main
from tools.localnet.network import Localnet

pytestmark = pytest.mark.integration
SEED = 5
LIMIT_S = 40.0
EXIT_CODES = {"idle": 0, "moving": 0, "unreachable": 3}
HASTY = ChainParams(empty_block_interval_ms=4_000)
"""Stands still, and says why, long before links to frozen nodes are given up (20 s)."""
KINDS = (
    FaultKind.KILL_LEADER,
    FaultKind.ISOLATE,
    FaultKind.FREEZE_LEADER,
    FaultKind.EMPTY_DATA,
    FaultKind.FULL_DISK,
    FaultKind.KILL_ALL,
)
VICTIMS = {FaultKind.KILL_ALL: (0, 1, 2, 3), FaultKind.KILL_LEADER: (), FaultKind.FREEZE_LEADER: ()}


def test_a_short_chaos_keeps_every_promise(tmp_path: Path) -> None:
    schedule = [
        Fault(number, kind, VICTIMS.get(kind, (number % 4,)), hold_s=1.5, calm_s=0.5)
        for number, kind in enumerate(KINDS)
    ]
    options = Options(seconds=60, seed=SEED, use_limit=True)
    result = asyncio.run(run_chaos(options, tmp_path / "net", print, schedule))
    assert result.breaches == []
    assert [item.fault.kind for item in result.outcomes] == list(KINDS)
    assert len(result.book.final) > 100
    assert result.audited == 4


async def ask_why(url: str) -> dict[str, Any]:
    command = ["--node", url, "--output", "json", "consensus", "status", "--why"]
    result = await asyncio.to_thread(CliRunner().invoke, main, command)
    return {"exit": result.exit_code, **json.loads(result.stdout)}


async def until(url: str, verdict: str) -> str:
    """Return the sentences once the node gives this verdict."""
    said: dict[str, Any] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_S):
            while said.get("verdict") != verdict:
                said = await ask_why(url)
    assert said.get("verdict") == verdict, said.get("sentences")
    assert said["exit"] == EXIT_CODES.get(verdict, 1)
    return " ".join(said["sentences"])


def test_causes_made_on_purpose_are_named(tmp_path: Path) -> None:
    async def work() -> None:
        async with ProxyMesh(4) as mesh:
            net = Localnet(tmp_path / "net", reach=mesh.reach, params=HASTY)
            async with net:
                first, last = net.nodes[0].rpc, net.nodes[3].rpc
                await until(first, "idle")
                stopped = [pid for index in (2, 3) if (pid := net.pid(index)) is not None]
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                said = await until(first, "quorum-missing")
                assert "validator-3: linked, but silent" in said
                assert "validator-4: linked, but silent" in said
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
                await until(first, "idle")
                mesh.cut([pair for n in range(3) for pair in ((n, 3), (3, n))])
                assert "validator-1" in await until(last, "cut-off")
                mesh.heal()
                await until(last, "idle")
                await net.stop(3)
                program = ("tools.chaos.shifted_node", "-3600000", str(net.nodes[3].home))
                await net.start(3, program)
                assert "behind" in await until(last, "clock")
                await net.kill(3)
                assert "Connection refused" in await until(last, "unreachable")

    asyncio.run(work())
