"""A fresh node joins a large chain: snapshot, killed on the way, then blocks to the tip.

``python -m bench.statesync --keys 1000000 --blocks 10000`` builds the chain with the real
stores (``bench.largechain``), gives it to three of four validators, and starts the fourth
with nothing but its key and the genesis: real processes, TLS on loopback. The clock runs
from its first start to the tip, the kill and the second start included. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.largechain import LargeChain, Plan
from bench.machine import calibrate, measure_folder
from node.epochs import read_known_epochs
from primitives.epochs import compute_window_first
from primitives.params import ChainParams
from storage.snapshotmaker import SnapshotWriter
from tools.client.errors import ClientError
from tools.localnet.chain import open_chain
from tools.localnet.network import PROBE, Localnet
from tools.provenance import describe_commit, describe_machine

SERVERS = 3
JOINER = 3
POLL_S = 0.02
TIMEOUT_S = 600.0
MEBIBYTE = 1024 * 1024


@dataclass(slots=True)
class Joined:
    """What was measured, in seconds from the joiner's first start."""

    killed_s: float | None = None
    parts_when_killed: int = 0
    parts: int = 0
    snapshot_s: float = 0.0
    tip_s: float = 0.0
    memory_peak_mib: float = 0.0


async def measure(
    plan: Plan, directory: Path, epoch_blocks: int, kill: bool, build_only: bool
) -> dict[str, Any]:
    """Build the chain, join it, and return the figures."""
    calibration = calibrate()
    params = ChainParams(epoch_blocks=epoch_blocks, empty_block_interval_ms=3_600_000)
    environment = {
        "CARBONODE_NODE_SIGNER_RECORD_LOST": "true",
        "CARBONODE_SNAPSHOTS_JOIN_BLOCKS_MIN": "1",
    }
    net = Localnet(directory, validators=4, params=params, environment=environment)
    net.prepare()
    joiner = net.nodes[JOINER].home
    if (net.nodes[0].home / "data").exists():
        built = {"seconds": "built before"}
        for name in ("data", "signer"):
            shutil.rmtree(joiner / name, ignore_errors=True)
    else:
        built = build(plan, directory, params, net)
    if build_only:
        return {"built": built}
    try:
        for index in range(SERVERS):
            await net.start(index)
        for index in range(SERVERS):
            await wait(net, index, lambda status: status["height"] >= plan.blocks)
        joined = await join(net, plan, kill)
        folder = joiner / "data" / "chain"
        return {
            "commit": describe_commit(Path(__file__).parent),
            "machine": describe_machine(),
            "verificationsPerSecond": calibration,
            "verificationsPerSecondAfter": calibrate(),
            "plan": asdict(plan),
            "built": built,
            "joined": {key: _round(value) for key, value in asdict(joined).items()},
            "blocksSynced": plan.blocks - plan.synthetic_to,
            **_compute_rates(plan, joined),
            "databaseMiB": round(measure_folder(folder) / MEBIBYTE, 1),
        }
    finally:
        await net.close()


def build(plan: Plan, directory: Path, params: ChainParams, net: Localnet) -> dict[str, Any]:
    """Write chain and snapshot once, and copy them to each server."""
    development = open_chain(directory, 4, params)
    data = net.nodes[0].home / "data"
    started = time.perf_counter()
    large = LargeChain(data / "chain", development, plan)
    _show(large, plan.synthetic_to)
    made = time.perf_counter()
    known = read_known_epochs(large.chain, development.genesis, plan.synthetic_to)
    pinned = large.chain.store.snapshot()
    writer = SnapshotWriter(pinned, data / "snapshots")
    path = writer.write(compute_window_first(plan.synthetic_to, known))
    pinned.close()
    snapshot_s = time.perf_counter() - made
    executed = time.perf_counter()
    _show(large, plan.blocks)
    executed_s = time.perf_counter() - executed
    large.chain.close()
    for index in range(1, SERVERS):
        shutil.copytree(data, net.nodes[index].home / "data")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "snapshotSeconds": round(snapshot_s, 1),
        "snapshotMiB": round(measure_folder(path) / MEBIBYTE, 1),
        "executedBlocksSeconds": round(executed_s, 1),
    }


def _show(large: LargeChain, height: int) -> None:
    for number in large.grow_to(height):
        if number % 1_000 == 0:
            print(f"block {number}", file=sys.stderr, flush=True)


async def join(net: Localnet, plan: Plan, kill: bool) -> Joined:
    """Start the fourth node, kill it in the middle, and return when it is at the tip."""
    joined = Joined()
    started = time.perf_counter()
    await net.start(JOINER)
    if kill:
        half = await wait(net, JOINER, _is_half, method="sync_status")
        joined.memory_peak_mib = _read_peak(net)
        await net.kill(JOINER)
        joined.killed_s = time.perf_counter() - started
        joined.parts_when_killed = half["snapshot"]["partsDone"]
        await net.start(JOINER)
    status = await wait(
        net, JOINER, lambda status: status["lowestHeight"] > 1, method="sync_status"
    )
    joined.snapshot_s = time.perf_counter() - started
    assert status["lowestHeight"] == plan.synthetic_to + 1
    await wait(net, JOINER, lambda status: status["height"] >= plan.blocks)
    joined.tip_s = time.perf_counter() - started
    joined.memory_peak_mib = max(joined.memory_peak_mib, _read_peak(net))
    manifest = next((net.nodes[0].home / "data" / "snapshots").glob("*"))
    joined.parts = len(list(manifest.glob("part-*")))
    return joined


async def wait(net: Localnet, index: int, test: Any, method: str = "chain_status") -> Any:
    """Return a node's status once it passes ``test``."""
    async with asyncio.timeout(TIMEOUT_S), net.client(index, policy=PROBE) as client:
        while True:
            try:
                status = await client.call(method)
            except ClientError:
                status = None
            if status is not None and test(status):
                return status
            if index == JOINER:
                net.check_running()
            await asyncio.sleep(POLL_S)


def _is_half(status: Any) -> bool:
    taken = status["snapshot"]
    return bool(taken["partsWanted"] and taken["partsDone"] * 2 >= taken["partsWanted"])


def _read_peak(net: Localnet) -> float:
    """Return the most memory that the joiner's process has had, in MiB (Linux)."""
    lines = Path(f"/proc/{net.pid(JOINER)}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def _compute_rates(plan: Plan, joined: Joined) -> dict[str, float]:
    blocks = plan.blocks - plan.synthetic_to
    seconds = max(joined.tip_s - joined.snapshot_s, 1e-9)
    return {
        "syncedBlocksPerSecond": round(blocks / seconds, 1),
        "syncedTransactionsPerSecond": round(blocks * plan.block_transactions / seconds, 1),
    }


def _round(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


def main() -> None:
    """Parse the arguments, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--epoch-blocks", type=int, default=1_000)
    parser.add_argument("--transactions", type=int, default=10, help="in each executed block")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--dir", type=Path, help="keep the chain here, and use it again")
    parser.add_argument("--build-only", action="store_true", help="build the chain in --dir")
    options = parser.parse_args()
    # The last end of an epoch before the tip: the longest way over blocks that there is.
    last = (options.blocks - 1) // options.epoch_blocks * options.epoch_blocks
    plan = Plan(options.keys, options.blocks, last, options.transactions, options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.dir or Path(temporary) / "net"
        document = asyncio.run(
            measure(plan, directory, options.epoch_blocks, not options.no_kill, options.build_only)
        )
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
