"""The simulator finds each deliberately broken replica: it is not blind.

How often: ``python -m tests.simulation.count_found 2000``.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from tests.simulation.broken_replicas import (
    MORE,
    THE_TEN,
    HoardsItsCertificate,
    IgnoresHighestPrepared,
    WaitsForSyncAlone,
)
from tools.simulator.profiles import make_plan
from tools.simulator.runner import Order, run_one
from tools.simulator.world import run_plan, run_seed

SEEDS_MAX = 2_000


@pytest.mark.parametrize("name", [*THE_TEN, *MORE])
def test_a_broken_replica_is_found_within_2000_seeds(name: str) -> None:
    broken, profile = {**THE_TEN, **MORE}[name]
    order = Order(profile)
    for seed in range(1, SEEDS_MAX + 1):
        result = run_one(seed, order, replica_type=broken)
        if result.violation:
            assert result.history
            assert run_one(seed, order).violation == ""
            return
    pytest.fail(f"{name}: not found in {SEEDS_MAX} seeds of {profile}")


def test_there_are_ten_that_must_be_found() -> None:
    assert len({broken for broken, _ in THE_TEN.values()}) == 10


def test_seed_605_a_certificate_kept_to_oneself_stops_the_chain_and_told_does_not() -> None:
    # One liar gave its COMMIT to one replica alone and kept the block from it.
    assert "no progress" in run_seed(605, 4, "splits", HoardsItsCertificate).violation
    assert run_seed(605, 4, "splits").violation == ""


def test_seed_29_ignoring_what_was_prepared_ends_in_two_final_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without the simulator's own look at new views, so that the fork itself is seen.
    monkeypatch.setattr("tools.simulator.checks.choose_prepared", lambda proof: None)
    assert "two blocks are final" in run_seed(29, 4, "forks", IgnoresHighestPrepared).violation
    assert run_seed(29, 4, "forks").violation == ""


def test_waiting_for_sync_when_all_restarted_stops_the_chain_and_fetching_does_not() -> None:
    # All COMMITted, heard no COMMIT but their own, moved to view 1 and went down; back again
    # they find that the height is final, and nobody wrote its block.
    cut = tuple((486, 1_986, a, b, -1) for a, b in permutations(range(4), 2))
    plan = replace(
        make_plan(1, 4, "calm"), idle=False, rotate=False, real_keys=False, skew_ms=(0,) * 4,
        delay_ms_max=5, heal_at_ms=3_000, bad_links=cut,
        crashes=tuple((1_786, node, 400, 0) for node in range(4)),
    )  # fmt: skip
    assert "no progress" in run_plan(1, plan, WaitsForSyncAlone).violation
    assert run_plan(1, plan).violation == ""
