"""``python -m tools.simulator --seed N | --seeds A..B [--validators 4..10] [--profile P]``.

Prints nothing when all is well, and each violated invariant with its seed, the commit, the
smallest plan that still fails and its history, which ends at the violation; exit code 1 if
any. ``--profile every`` takes the profiles in turn, ``--coverage`` tells in the end what
occurred how often and what never did, ``--lines`` which lines of consensus/ never ran.
Progress goes to the error stream.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.simulator.coverage import Coverage
from tools.simulator.liars import BEHAVIOURS
from tools.simulator.lines import Lines
from tools.simulator.profiles import PROFILES
from tools.simulator.result import Result
from tools.simulator.runner import EVERY, WEIGHTS, Order, run_chunks, run_one
from tools.simulator.shrink import shrink

PROGRESS_S = 30.0
HISTORY_LINES = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds asked for. Returns the exit code."""
    parser = _make_parser()
    chosen = parser.parse_args(arguments)
    try:
        counts, seeds = parse_range(chosen.validators), parse_range(chosen.seeds)
    except ValueError as error:
        parser.error(str(error))
    if any(count not in WEIGHTS for count in counts):
        parser.error(f"validators: {min(WEIGHTS)} to {max(WEIGHTS)}")
    order = Order(chosen.profile, tuple(counts), chosen.coverage, chosen.lines)
    coverage = Coverage() if chosen.coverage else None
    lines = Lines() if chosen.lines else None
    if chosen.seed is not None and (chosen.history or not (coverage or lines)):
        return _run_alone(chosen.seed, order, is_shown=chosen.history)
    if chosen.seed is not None:
        seeds = range(chosen.seed, chosen.seed + 1)
    exit_code = _run_many(seeds, order, chosen.jobs, chosen.failures_max, coverage, lines)
    if coverage is not None:
        print("\n".join(coverage.format_lines(BEHAVIOURS)))
    if lines is not None:
        missing = lines.find_missing()
        print("\n".join([f"lines of consensus/ that never ran ({len(missing)}):", *missing]))
    return exit_code


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--history", action="store_true", help="of --seed, even if all is well")
    parser.add_argument("--seeds", default="1..200", help="a range A..B, both included")
    parser.add_argument(
        "--validators", default="4..10", help="N, or A..B: a mixture by seed with more fours"
    )
    parser.add_argument("--profile", choices=(*PROFILES, EVERY), default="mixed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--failures-max", type=int, default=5, help="stop after so many")
    parser.add_argument("--coverage", action="store_true", help="what occurred, what never did")
    parser.add_argument("--lines", action="store_true", help="lines of consensus/ that never ran")
    return parser


def parse_range(text: str) -> range:
    """Return the numbers of "A..B", both included, or of "A". Raises ValueError."""
    low, dots, high = text.partition("..")
    numbers = range(int(low), int(high if dots else low) + 1)
    if not numbers:
        raise ValueError(f"an empty range: {text}")
    return numbers


def _run_alone(seed: int, order: Order, *, is_shown: bool) -> int:
    result = run_one(seed, order, record=is_shown)
    if result.violation:
        _print_failure(result)
    elif is_shown:
        print("\n".join(result.history))
        print(_describe(result))
    return 1 if result.violation else 0


def _run_many(
    seeds: range,
    order: Order,
    jobs: int,
    failures_max: int,
    coverage: Coverage | None,
    lines: Lines | None,
) -> int:
    started = told = time.monotonic()
    failures: list[int] = []
    events = longest = done = 0
    for row, chunk in run_chunks(seeds, order, jobs):
        done += len(row)
        events += sum(chunk.events)
        longest = max(longest, *chunk.healed_for_ms)
        if coverage is not None and chunk.coverage is not None:
            coverage.merge(chunk.coverage)
        if lines is not None and chunk.lines is not None:
            lines.merge(chunk.lines)
        for result in chunk.failed[: failures_max - len(failures)]:
            failures.append(result.seed)
            _print_failure(result)
        if len(failures) >= failures_max:
            break
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            _tell(f"{done} of {len(seeds)} seeds, {told - started:.0f} s, violations {failures}")
    _tell(
        f"{done} seeds of profile {order.profile}: {len(failures)} violations {failures}, "
        f"{events} events, longest {longest} ms after healing, {time.monotonic() - started:.1f} s"
    )
    return 1 if failures else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_failure(result: Result) -> None:
    smallest, runs = shrink(result)
    print("\n".join(smallest.history[-HISTORY_LINES:]))
    print(_describe(result))
    print(f"smallest plan that fails so, after {runs} more runs: {_describe(smallest)}")
    print(f"commit: {_find_commit()}", flush=True)


def _find_commit() -> str:
    """Return the commit that ran, with a mark when files differ from it."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12")
    try:
        found = subprocess.run(
            command,
            check=False,
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"


def _describe(result: Result) -> str:
    outcome = result.violation or "every invariant held"
    return (
        f"seed {result.seed}: {outcome}; height {result.height} after {result.end_ms} ms "
        f"({result.events} events)\nplan: {result.plan}"
    )


if __name__ == "__main__":
    sys.exit(main())
