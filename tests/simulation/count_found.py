"""How often each broken replica is found: ``python -m tests.simulation.count_found 2000``."""

from __future__ import annotations

import sys

from tests.simulation.broken_replicas import MORE, THE_TEN
from tools.simulator.runner import Order, run_one


def main(seeds: int) -> None:
    """Print one line for each broken replica."""
    for name, (broken, profile) in {**THE_TEN, **MORE}.items():
        order = Order(profile)
        results = (run_one(seed, order, replica_type=broken) for seed in range(1, seeds + 1))
        found = [
            (item.seed, item.violation.partition(" [")[0]) for item in results if item.violation
        ]
        print(f"{name}: {len(found)} of {seeds} seeds, first {found[:3]}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
