"""``python -m tools.simulator.whole --seed N | --seeds A..B [--validators N] [--profile P]``.

Whole nodes on virtual time. Prints one line when all is well; a failure prints its
seed, commit, plan and the end of its history; exit code 1 if any. ``--profile every``
takes the profiles in turn.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tools.simulator.__main__ import _find_commit as find_commit
from tools.simulator.whole.plan import PROFILES
from tools.simulator.whole.world import Result, run_seed

EVERY = "every"
LINES_SHOWN = 120
PROGRESS_SEEDS = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds asked for. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.simulator.whole", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--seeds", help="a range A..B, both included")
    parser.add_argument(
        "--validators", type=int, default=0, help="4 to 10, or 0: seven in one seed of eight"
    )
    parser.add_argument("--profile", choices=(*PROFILES, EVERY), default=EVERY)
    parser.add_argument("--failures-max", type=int, default=5, help="stop after so many")
    parser.add_argument("--history", action="store_true", help="print every line of --seed")
    chosen = parser.parse_args(arguments)
    low, _, high = (str(chosen.seed) if chosen.seed is not None else chosen.seeds or "1..30"
                    ).partition("..")  # fmt: skip
    seeds = range(int(low), int(high or low) + 1)
    started = time.monotonic()
    results: list[Result] = []
    failed: list[int] = []
    for seed in seeds:
        profile = PROFILES[seed % len(PROFILES)] if chosen.profile == EVERY else chosen.profile
        count = chosen.validators or (7 if seed % 8 == 7 else 4)
        result = run_seed(seed, count, profile, record=chosen.history)
        results.append(result)
        if len(results) % PROGRESS_SEEDS == 0:
            taken_s = time.monotonic() - started
            print(f"{len(results)} seeds, {taken_s:.0f} s", file=sys.stderr, flush=True)
        if chosen.history:
            print("\n".join(result.history))
        if result.violation:
            failed.append(seed)
            _print_failure(result)
            if len(failed) >= chosen.failures_max:
                break
    longest = max(result.healed_for_s for result in results)
    print(
        f"{len(results)} seeds of profile {chosen.profile}: {len(failed)} violations {failed}, "
        f"{sum(result.height for result in results)} blocks, "
        f"{sum(result.acknowledged for result in results)} transactions acknowledged, "
        f"{sum(result.lives for result in results)} starts, "
        f"longest {longest:.1f} s to go on after healing, "
        f"{sum(result.end_s for result in results):.0f} s simulated, "
        f"{time.monotonic() - started:.1f} s taken"
    )
    return 1 if failed else 0


def _print_failure(result: Result) -> None:
    print("\n".join(result.history[-LINES_SHOWN:]))
    print(
        f"seed {result.seed}, {result.validators} validators, profile {result.profile}: "
        f"{result.violation}\nplan: {result.plan}\ncommit: {find_commit()}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
