"""Calibration of the gas schedule: nanoseconds for a unit of gas, operation by operation.

    python -m bench.gas [--rounds 7] [--only TEXT] [--no-results]

Each statement runs in a loop next to the same loop without it, in turns in one run; the
difference in time over the difference in gas is what a unit of its price buys. Sizes of
one statement also form a slope: what one more element costs over what it is charged.
State, deploying and calls from outside are in bench/gas_state.py, with LevelDB and the
state tree. Exit 1 when anything is above BAR times the median: underpriced is the bug,
overpriced is safe. JSON and a picture go to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.gas_operations import OTHER, UNROLL, Operation, list_operations, make_source
from bench.gas_state import list_state_measurements
from bench.report import draw_gas
from primitives.hashing import ZERO_HASH, Address
from primitives.transaction import Call
from tools.provenance import describe_commit, describe_machine
from vm.gas import SCHEDULES, VM_VERSION
from vm.machine import BlockContext, Machine
from vm.state import MemoryReader, Overlay

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
BAR = 3.0
"""The most nanoseconds for a unit of gas, in medians of all operations."""
LOOP_S = 0.004
"""CPU time of one loop: long against the clock's step, short against a machine's moods."""
TURNS_MAX = 2_000
GAS_MAX = 1 << 29
"""Nothing is to run out; ints of one digit, as a transaction's are."""
SLOPE_GAS_MIN = 200
"""Sizes that differ by less form no slope: both ends are mostly constant."""
SENDER = Address(b"s" * 32)
CONTEXT = BlockContext(ZERO_HASH, 1, 1_700_000_000, 0, Address(ZERO_HASH))


@dataclass(slots=True)
class Row:
    """One operation: its samples of nanoseconds, one a round, and its gas."""

    name: str
    gas: float
    nanoseconds: list[float]

    def to_json(self) -> dict[str, Any]:
        ordered = sorted(self.nanoseconds)
        per_gas = [value / self.gas for value in ordered]
        return {
            "operation": self.name,
            "gas": round(self.gas, 1),
            "ns": round(statistics.median(ordered), 1),
            "nsPerGas": round(statistics.median(per_gas), 3),
            "nsPerGasLow": round(per_gas[0], 3),
            "nsPerGasHigh": round(per_gas[-1], 3),
        }


class Loop:
    """A deployed contract with ``work`` and ``idle``."""

    def __init__(self, operation: Operation) -> None:
        self._name = operation.name
        self._machine = Machine()
        self._overlay = Overlay(MemoryReader())
        for name, source in (("other", OTHER), ("main", make_source(operation))):
            outcome = self._machine.deploy(
                self._overlay, name, source, SENDER, context=CONTEXT, sender=SENDER
            )
            if outcome.status != "ok":
                raise SystemExit(f"{self._name}: {outcome.status} {outcome.code}")

    def run(self, method: str, turns: int) -> tuple[float, int, str]:
        """Return CPU nanoseconds, gas and status; writes are undone."""
        call = Call("main", method, (turns,))
        mark = self._overlay.mark()
        started = time.thread_time_ns()
        outcome = self._machine.run_calls(
            self._overlay, CONTEXT, ZERO_HASH, SENDER, (call,), GAS_MAX
        )
        spent = time.thread_time_ns() - started
        self._overlay.rollback(mark)
        if outcome.status != "ok" and outcome.code not in ("memory", "size"):
            raise SystemExit(f"{self._name}: {outcome.status} {outcome.code}")
        return spent, outcome.gas, outcome.status

    def find_turns(self) -> int:
        """Return how many turns take about LOOP_S and fit the memory and event limits."""
        fits = 1
        for turns in (2**power for power in range(TURNS_MAX.bit_length())):
            spent, _, status = self.run("work", turns)
            if status != "ok":
                break
            fits = turns
            if spent > LOOP_S * 1e9 / 2:
                break
        return fits


def measure(operations: Sequence[Operation], rounds: int, tell: Callable[[str], None]) -> list[Row]:
    """Return the operations' figures: work and idle in turns, all operations in each round.

    A machine's bad moment then spoils one sample of many operations, not all of one.
    """
    loops = [Loop(operation) for operation in operations]
    turns = [loop.find_turns() for loop in loops]
    rows = [Row(operation.name, 0.0, []) for operation in operations]
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        for loop, count, row in zip(loops, turns, rows, strict=True):
            idle, idle_gas, _ = loop.run("idle", count)
            work, work_gas, status = loop.run("work", count)
            if status != "ok":
                raise SystemExit(f"{row.name}: {status}")
            row.nanoseconds.append((work - idle) / (count * UNROLL))
            row.gas = (work_gas - idle_gas) / (count * UNROLL)
    return rows


def make_slopes(rows: Sequence[tuple[Operation, Row]]) -> list[Row]:
    """Return, for each statement with sizes, what its largest size adds to its smallest."""
    families: dict[str, list[tuple[Operation, Row]]] = {}
    for operation, row in rows:
        if operation.size is not None:
            families.setdefault(operation.family, []).append((operation, row))
    slopes = []
    for members in families.values():
        (first, small), (last, large) = members[0], members[-1]
        gas = large.gas - small.gas
        if gas >= SLOPE_GAS_MIN:
            differences = [b - a for a, b in zip(small.nanoseconds, large.nanoseconds, strict=True)]
            name = f"slope {first.size} to {last.size}: {last.name}"
            slopes.append(Row(name, gas, differences))
    return slopes


def calibrate(rounds: int, only: str, tell: Callable[[str], None]) -> list[Row]:
    """Return every row; ``only`` limits the statements to those that contain it."""
    operations = [item for item in list_operations() if only in item.name]
    rows = measure(operations, rounds, tell)
    rows += make_slopes(list(zip(operations, rows, strict=True)))
    for name, gas, samples in list_state_measurements(rounds, only, tell):
        rows.append(Row(name, gas, samples))
    return rows


def judge(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the sorted table with the median and what is over the bar."""
    table = sorted((row.to_json() for row in rows), key=lambda row: -row["nsPerGas"])
    median = statistics.median(row["nsPerGas"] for row in table)
    for row in table:
        row["medians"] = round(row["nsPerGas"] / median, 2)
    over = [row["operation"] for row in table if row["medians"] > BAR]
    return {"medianNsPerGas": median, "bar": BAR, "over": over, "rows": table}


def main() -> None:
    """Print the table, write the results; exit 1 when an operation is over the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="statements that contain this text")
    parser.add_argument("--no-results", action="store_true", help="write no files")
    options = parser.parse_args()
    rows = calibrate(options.rounds, options.only, lambda text: print(text, file=sys.stderr))
    result = judge(rows)
    for row in result["rows"]:
        spread = f"{row['nsPerGasLow']:.2f} to {row['nsPerGasHigh']:.2f}"
        figures = f"{row['nsPerGas']:8.2f} ns/gas ({spread}) {row['ns']:12.0f} ns"
        print(f"{row['medians']:6.2f}x {figures} {row['gas']:11.0f} gas  {row['operation']}")
    median, over = result["medianNsPerGas"], result["over"]
    print(f"median {median} ns/gas; {len(over)} of {len(rows)} over {BAR} times")
    if not options.no_results:
        document = {
            "what": "CPU nanoseconds for a unit of gas; sorted; low and high are over the rounds",
            "method": "work and idle loops in turns in one process, CPU time of one thread",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": describe_commit(ROOT),
            "machine": describe_machine(),
            "rounds": options.rounds,
            "schedule": {name: getattr(SCHEDULES[VM_VERSION], name)
                         for name in SCHEDULES[VM_VERSION].__slots__},
            **result,
        }  # fmt: skip
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        (RESULTS / f"gas-{stamp}.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        draw_gas(document, RESULTS / f"gas-{stamp}.png")
        print(f"bench/results/gas-{stamp}.json and .png")
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
