"""The end of a run held against the plan: equal states, equal sums, a proven certificate."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.client.client import Client
from tools.client.errors import RpcError
from tools.client.wire import Request, from_hex
from tools.localnet.network import Localnet
from tools.scenario.failure import ScenarioFailed, compare
from tools.scenario.plan import Lot, Plan

SETTLE_TIMEOUT_S = 60.0
POLL_S = 0.2
_TOTALS = ("verified_kg", "issued_kg", "buffered_kg", "released_kg", "retired_kg", "cancelled_kg")


async def check_equal_states(net: Localnet) -> tuple[int, str]:
    """Return height and state root that every node has certified alike, else raise."""
    height = await net.wait_ready(SETTLE_TIMEOUT_S)
    roots: dict[str, str] = {}
    for node in net.nodes:
        async with net.client(node.index) as client:
            commit = await client.get_commit(height)
            roots[node.name] = str(commit["execution"]["stateRoot"])
    if len(set(roots.values())) != 1:
        raise ScenarioFailed("nodes have different states", height=height, roots=roots)
    return height, next(iter(roots.values()))


async def check_sums(
    client: Client, plan: Plan, moved: Sequence[tuple[Lot, str]], retired_extra: Sequence[Lot]
) -> None:
    """Compare the chain's totals and everyone's balances with the plan's."""
    retired = plan.retired_kg + sum(lot.kilograms for lot in retired_extra)
    expected = {
        "issued_kg": plan.issued_kg,
        "buffered_kg": plan.buffered_kg,
        "retired_kg": retired,
        "cancelled_kg": 0,
        "released_kg": 0,
    }
    totals = (await client.state_call("units", "total")).value
    found = {name: _get_field(totals, name) for name in expected}
    compare("totals differ from the plan", expected, found)
    await _check_balances(client, plan, moved, retired_extra)


async def _check_balances(
    client: Client, plan: Plan, moved: Sequence[tuple[Lot, str]], retired_extra: Sequence[Lot]
) -> None:
    balances = plan.compute_balances()
    for lot, taker in moved:
        balances[lot.owner, lot.batch] -= lot.kilograms
        balances[taker, lot.batch] += lot.kilograms
    for lot in retired_extra:
        balances[lot.owner, lot.batch] -= lot.kilograms
    answers = await client.call_many(
        [
            Request(
                "state_call",
                {"contract": "units", "method": "balance_of", "arguments": [owner, batch]},
            )
            for owner, batch in balances
        ]
    )
    for (place, kilograms), answer in zip(balances.items(), answers, strict=True):
        if isinstance(answer, RpcError):
            raise answer
        if int(answer["value"]) != kilograms:
            raise ScenarioFailed(
                "a balance differs from the plan",
                owner=place[0],
                batch=place[1],
                expected=kilograms,
                found=answer["value"],
            )


async def wait_caught_up(net: Localnet, index: int, timeout_s: float = SETTLE_TIMEOUT_S) -> int:
    """Return the height at which a node that was away is at the tip again, else raise."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + timeout_s
    while clock.time() < deadline:
        statuses = await net.statuses()
        heights = [status.height if status else -1 for status in statuses]
        tip = max(heights)
        if heights[index] >= tip - 1 and heights[index] >= 0:
            return heights[index]
        await asyncio.sleep(POLL_S)
    raise ScenarioFailed("the killed validator did not come back to the tip", node=index)


async def verify_offline(file: Path, genesis: Path) -> dict[str, Any]:
    """Run ``carbonode audit certificate`` as anyone would; return what it proves."""
    command = [sys.executable, "-m", "tools.cli.main", "--output", "json", "audit", "certificate"]
    process = await asyncio.create_subprocess_exec(
        *command,
        str(file),
        "--genesis",
        str(genesis),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise ScenarioFailed("the certificate does not verify", why=errors.decode()[-500:])
    verified: dict[str, Any] = json.loads(output)
    return verified


def parse_hash(text: str) -> bytes:
    """Return a 32-byte hash of ``0x`` hex."""
    return from_hex(text, 32)


def _get_field(record: Any, name: str) -> int:
    return int(record[name] if isinstance(record, dict) else record[_TOTALS.index(name)])
