"""``python -m tools.simulator --seed N | --seeds A..B [--validators 4|7] [--profile P]``.

Prints a line for each violated invariant with its seed and history; exit code 1 if any.
"""

from __future__ import annotations

import argparse
import sys
import time

from tools.simulator.profiles import PROFILES
from tools.simulator.world import Result, run_seed


def main() -> int:
    """Run the seeds asked for. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed, with its history")
    parser.add_argument("--seeds", help="a range A..B, both included")
    parser.add_argument(
        "--validators", type=int, default=0, help="4, 7, or 0: three seeds of 4 to one of 7"
    )
    parser.add_argument("--profile", choices=PROFILES, default="mixed")
    parser.add_argument("--failures-max", type=int, default=5, help="stop after so many")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        result = _run(arguments.seed, arguments.validators, arguments.profile, record=True)
        print("\n".join(result.history))
        print(_describe(result))
        return 1 if result.violation else 0
    low, _, high = (arguments.seeds or "1..200").partition("..")
    seeds = range(int(low), int(high) + 1)
    return _run_many(seeds, arguments.validators, arguments.profile, arguments.failures_max)


def _run(seed: int, validators: int, profile: str, *, record: bool = False) -> Result:
    count = validators or (7 if seed % 4 == 0 else 4)
    return run_seed(seed, count, profile, record=record)


def _run_many(seeds: range, validators: int, profile: str, failures_max: int) -> int:
    started = time.monotonic()
    failures: list[int] = []
    events = longest = done = 0
    for seed in seeds:
        result = _run(seed, validators, profile)
        done += 1
        events += result.events
        longest = max(longest, result.healed_for_ms)
        if result.violation:
            failures.append(seed)
            print("\n".join(result.history[-60:]))
            print(_describe(result), flush=True)
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


def _describe(result: Result) -> str:
    outcome = result.violation or "every invariant held"
    return (
        f"seed {result.seed}: {outcome}; height {result.height} after {result.end_ms} ms "
        f"({result.events} events)\nplan: {result.plan}"
    )


if __name__ == "__main__":
    sys.exit(main())
