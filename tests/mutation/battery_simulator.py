"""One seed of every profile of the simulator: the last judges of a mutant of consensus/.

Not collected with the other tests (its name does not begin with ``test_``): tests/simulation
runs these profiles with many more.
"""

from __future__ import annotations

import pytest

from tools.simulator.profiles import PROFILES
from tools.simulator.world import run_seed

SEVEN = ("mixed", "liars")
"""Profiles that are run with seven validators as well: they cost twice as much."""


@pytest.mark.parametrize("profile", PROFILES)
def test_a_seed_keeps_every_invariant(profile: str) -> None:
    assert run_seed(1, 4, profile).violation == ""


@pytest.mark.parametrize("profile", SEVEN)
def test_a_seed_of_seven_validators_keeps_every_invariant(profile: str) -> None:
    assert run_seed(2, 7, profile).violation == ""
