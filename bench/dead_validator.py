"""What a dead validator costs: throughput with all of four, and with one killed, in turns.

    python -m bench.dead_validator --seconds 30 --rounds 2 --json

One network and one load for both: saturating, handed to the first three validators only,
so that the two states differ in nothing but the fourth. They alternate (all, killed, all,
killed ...), because the machine changes its speed within seconds; the result is the ratio
of the means. A killed validator is killed with SIGKILL right before its turn is measured,
so the views lost while the others learn to pass it over are in the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.load import Generator
from bench.machine import calibrate
from bench.throughput import ORGANISATIONS, RESULTS, ROOT, WINDOW_BLOCKS, Bench, Options
from primitives.params import ChainParams
from tools.localnet.network import Localnet
from tools.provenance import describe_commit, describe_machine
from tools.scenario.checks import check_equal_states

VALIDATORS = 4
VICTIM = VALIDATORS - 1
LOTS = 12_000
OVERLOAD = 1.25
"""Offered, as a multiple of the peak: both states are measured at saturation."""


async def measure(seconds: float, rounds: int, rate: float | None) -> dict[str, Any]:
    """Return the figures of ``rounds`` turns of both states."""
    started, before = datetime.now(UTC), calibrate()
    options = Options(VALIDATORS, seconds, 1, LOTS, 6.0, rate, False)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(os.cpu_count(), mp_context=context) as executor,
        tempfile.TemporaryDirectory(prefix="carbonode-bench-") as folder,
    ):
        async with Localnet(
            Path(folder) / "net",
            validators=VALIDATORS,
            fresh=True,
            params=ChainParams(transaction_window_blocks=WINDOW_BLOCKS),
            enterprises=ORGANISATIONS,
        ) as net:
            bench = Bench(net, options, executor)
            async with net.client(0) as client:
                terms = await bench.prepare(client)
            async with Generator(net.endpoints[:VICTIM], bench.groups) as generator:
                if rate is None:
                    steps = await bench.ramp(generator, terms)
                    rate = OVERLOAD * max(step.achieved for step in steps)
                turns: dict[str, list[dict[str, Any]]] = {"all": [], "oneDead": []}
                for _ in range(rounds):
                    step = await bench.run_step(generator, terms, rate, seconds)
                    turns["all"].append(bench.describe(step))
                    await bench.sign(terms, rate, seconds)
                    await net.kill(VICTIM)
                    step = await bench.run_signed(generator, rate, seconds)
                    turns["oneDead"].append(bench.describe(step))
                    turns["oneDead"][-1]["missedTurns"] = await _get_missed(net)
                    await net.restart(VICTIM)
                    await net.wait_ready()
            height, root = await check_equal_states(net)
    means = {name: fmean(turn["transactionsPerSecond"] for turn in turns[name]) for name in turns}
    return {
        "benchmark": "dead_validator",
        "startedAt": started.isoformat(timespec="seconds"),
        "commit": describe_commit(ROOT),
        "machine": describe_machine(),
        "setup": {"validators": VALIDATORS, "offeredPerSecond": round(rate, 1), "call": "transfer"},
        "calibration": {
            "what": "Ed25519 verifications a second, one thread",
            "verificationsPerSecondBefore": before,
            "verificationsPerSecondAfter": calibrate(),
        },
        "turns": turns,
        "transactionsPerSecondAll": round(means["all"], 1),
        "transactionsPerSecondOneDead": round(means["oneDead"], 1),
        "ratio": round(means["oneDead"] / means["all"], 3),
        "height": height,
        "stateRootOfAll": root,
    }


async def _get_missed(net: Localnet) -> int:
    """Return the turns that the dead one missed since it last led."""
    async with net.client(0) as client:
        listed: Any = await client.call("validator_list")
    return int(listed["validators"][VICTIM]["missedTurns"])


def main() -> int:
    """Measure throughput with all validators and with one dead; write JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.dead_validator", description=main.__doc__
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rate", type=float, help="offered transactions a second; no ramp")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="print the whole result")
    asked = parser.parse_args()
    document = asyncio.run(measure(asked.seconds, asked.rounds, asked.rate))
    asked.results.mkdir(parents=True, exist_ok=True)
    path = asked.results / f"dead-validator-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"wrote {path}", file=sys.stderr)
    if asked.json:
        print(json.dumps(document, indent=2))
    else:
        print(
            f"all: {document['transactionsPerSecondAll']:,} transactions/s, one dead: "
            f"{document['transactionsPerSecondOneDead']:,}, ratio {document['ratio']}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
