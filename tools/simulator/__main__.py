"""``python -m tools.simulator --seed N | --seeds A..B [--validators 4|7] [--profile P]``.

Prints each violated invariant with its seed, the commit, the smallest plan that still fails
and its history; exit code 1 if any. ``--profile every`` takes the profiles in turn, and
``--coverage`` tells in the end what occurred how often and what never did.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.simulator.coverage import Coverage
from tools.simulator.liars import BEHAVIOURS
from tools.simulator.profiles import PROFILES
from tools.simulator.shrink import shrink
from tools.simulator.world import Result, run_seed

EVERY = "every"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds asked for. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed, with its history")
    parser.add_argument("--seeds", help="a range A..B, both included")
    parser.add_argument(
        "--validators", type=int, default=0, help="4, 7, or 0: three seeds of 4 to one of 7"
    )
    parser.add_argument("--profile", choices=(*PROFILES, EVERY), default="mixed")
    parser.add_argument("--failures-max", type=int, default=5, help="stop after so many")
    parser.add_argument("--coverage", action="store_true", help="what occurred, what never did")
    chosen = parser.parse_args(arguments)
    coverage = Coverage() if chosen.coverage else None
    if chosen.seed is not None:
        result = _run(chosen.seed, chosen.validators, chosen.profile, coverage, record=True)
        print("\n".join(result.history))
        print(_describe(result))
        exit_code = 1 if result.violation else 0
    else:
        low, _, high = (chosen.seeds or "1..200").partition("..")
        seeds = range(int(low), int(high) + 1)
        exit_code = _run_many(
            seeds, chosen.validators, chosen.profile, chosen.failures_max, coverage
        )
    if coverage is not None:
        print("\n".join(coverage.format_lines(BEHAVIOURS)))
    return exit_code


def _run(
    seed: int, validators: int, profile: str, coverage: Coverage | None, *, record: bool = False
) -> Result:
    count = validators or (7 if seed % 4 == 0 else 4)
    profile = PROFILES[seed % len(PROFILES)] if profile == EVERY else profile
    return run_seed(seed, count, profile, record=record, coverage=coverage)


def _run_many(
    seeds: range, validators: int, profile: str, failures_max: int, coverage: Coverage | None
) -> int:
    started = time.monotonic()
    failures: list[int] = []
    events = longest = done = 0
    for seed in seeds:
        result = _run(seed, validators, profile, coverage)
        done += 1
        events += result.events
        longest = max(longest, result.healed_for_ms)
        if result.violation:
            failures.append(seed)
            _print_failure(result)
            if len(failures) >= failures_max:
                break
        if done % 1_000 == 0:
            print(f"{done} seeds, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    elapsed = time.monotonic() - started
    print(
        f"{done} seeds of profile {profile}: {len(failures)} violations {failures}, "
        f"{events} events, longest {longest} ms after healing, {elapsed:.1f} s"
    )
    return 1 if failures else 0


def _print_failure(result: Result) -> None:
    smallest, runs = shrink(result)
    print("\n".join(smallest.history[-60:]))
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
