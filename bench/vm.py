"""How fast contracts run, against one Ed25519 verification and against plain Python.

    python -m bench.vm [--rounds 40] [--no-results]

The kinds of work take turns in one process and a ratio is formed within each turn, so
that a machine that changes its speed changes both sides. The bars are those of the
project: a transfer 0.4 of a verification, an empty call 0.06, the loop 8 times plain
Python. Writes JSON to bench/results/; exit 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.vm_cases import (
    Case,
    make_loops,
    make_small,
    make_units,
    make_units_state,
    make_verification,
    put_on_disk,
)
from bench.vm_restart import measure_restart
from tools.provenance import describe_commit, describe_machine
from vm.state import MemoryReader

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
BARS = {"transfer": 0.4, "empty call": 0.06, "loop": 8.0}
"""The most that each may take, in units of what it is held against."""


def measure(cases: list[Case], rounds: int) -> dict[str, list[float]]:
    """Return microseconds for one of each case, round by round, the cases in turn."""
    for case in cases:
        case.run()
    spent: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            started = time.thread_time()
            case.run()
            spent[case.name].append((time.thread_time() - started) / case.count * 1e6)
    return spent


def compute_ratios(spent: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Return each case against a verification, the loop against plain Python."""
    ratios = {}
    for name, values in spent.items():
        against = "plain loop" if name == "loop" else "verification"
        if name in ("verification", "plain loop"):
            continue
        pairs = sorted(a / b for a, b in zip(values, spent[against], strict=True))
        ratios[name] = {
            "against": against,
            "median": round(statistics.median(pairs), 4),
            "p10": round(pairs[len(pairs) // 10], 4),
            "p90": round(pairs[len(pairs) * 9 // 10], 4),
            "bar": BARS.get(name),
        }
    return ratios


def run(rounds: int) -> dict[str, Any]:
    """Return the whole result."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        state = make_units_state()
        cases = [make_verification(), *make_small(), *make_loops()]
        cases.append(make_units("units.transfer", MemoryReader(state)))
        cases.append(make_units("units.transfer on LevelDB", put_on_disk(state, folder, stack)))
        spent = measure(cases, rounds)
    ratios = compute_ratios(spent)
    return {
        "what": "one of each in microseconds; ratios are medians over rounds, each within a round",
        "method": "CPU time of one thread (what a busy machine lets us wait is not counted); cases "
        "in turn (A B C A B C ...) in one process; transfers are blocks of 200 "
        "through vm.executor.execute_block: membership, gas books, calls, receipts, events",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": describe_commit(ROOT),
        "machine": describe_machine(),
        "rounds": rounds,
        "microseconds": {
            name: {"median": round(statistics.median(v), 3), "min": round(min(v), 3)}
            for name, v in spent.items()
        },
        "ratios": ratios,
        "firstCall": measure_restart(state),
        "missed": [n for n, r in ratios.items() if r["bar"] is not None and r["median"] > r["bar"]],
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--no-results", action="store_true", help="write no file")
    options = parser.parse_args()
    result = run(options.rounds)
    for name, figures in result["microseconds"].items():
        print(f"{name:26} {figures['median']:9.3f} us   least {figures['min']:9.3f}")
    for name, ratio in result["ratios"].items():
        bar = "" if ratio["bar"] is None else f"   bar {ratio['bar']}"
        spread = f"{ratio['p10']:.3f} to {ratio['p90']:.3f}"
        print(f"{name:26} {ratio['median']:7.3f} of {ratio['against']} ({spread}){bar}")
    for name, milliseconds in result["firstCall"]["milliseconds"].items():
        print(f"first call, {name:26} {milliseconds:9.2f} ms")
    if not options.no_results:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = RESULTS / f"vm-{stamp}.json"
        path.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
        print(path.relative_to(ROOT))
    sys.exit(1 if result["missed"] else 0)


if __name__ == "__main__":
    main()
