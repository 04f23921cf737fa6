"""The simulator finds each deliberately broken replica: it is not blind."""

from __future__ import annotations

import pytest

from consensus.replica import Replica
from tests.simulation.broken_replicas import BROKEN
from tools.simulator.world import run_seed

SEEDS_MAX = 150


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_replica_is_found_within_150_seeds(broken: type[Replica]) -> None:
    for seed in range(1, SEEDS_MAX + 1):
        result = run_seed(seed, 4, "mixed", broken)
        if result.violation:
            assert result.history
            return
    pytest.fail(f"{broken.__name__} passed {SEEDS_MAX} seeds")
