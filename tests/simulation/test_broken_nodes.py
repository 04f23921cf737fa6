"""The simulator of whole nodes finds each deliberately broken node; the whole one passes."""

from __future__ import annotations

import pytest

from tests.simulation.broken_nodes import BROKEN, SEEDS_MAX, Broken
from tools.simulator.whole.plan import make_plan
from tools.simulator.whole.world import Result, run_plan


def run(seed: int, profile: str) -> Result:
    return run_plan(seed, make_plan(seed, 4, profile), profile)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_node_is_found(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = 1
    with monkeypatch.context() as patched:
        broken.break_it(patched.setattr)
        while not (result := run(seed, broken.profile)).violation:
            seed += 1
            assert seed <= SEEDS_MAX, "not found"
    assert broken.finding in result.violation, result.violation
    # The same seed with the whole node: what was found is the fault, not the simulation.
    assert run(seed, broken.profile).violation == ""
