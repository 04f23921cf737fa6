"""The simulator finds each deliberately broken replica: it is not blind."""

from __future__ import annotations

import pytest

from consensus.replica import Replica
from tests.simulation.broken_replicas import (
    BROKEN,
    THE_TEN,
    HoardsItsCertificate,
    IgnoresHighestPrepared,
    WaitsForSyncAlone,
)
from tools.simulator.world import run_seed

SEEDS_MAX = 150


@pytest.mark.parametrize("name", THE_TEN)
def test_each_of_the_ten_broken_cores_is_found(name: str) -> None:
    broken, profile = THE_TEN[name]
    for seed in range(1, SEEDS_MAX + 1):
        if run_seed(seed, 4, profile, broken).violation:
            return
    pytest.fail(f"{name}: passed {SEEDS_MAX} seeds of {profile}")


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_replica_is_found_within_150_seeds(broken: type[Replica]) -> None:
    for seed in range(1, SEEDS_MAX + 1):
        result = run_seed(seed, 4, "mixed", broken)
        if result.violation:
            assert result.history
            return
    pytest.fail(f"{broken.__name__} passed {SEEDS_MAX} seeds")


def test_seed_43_a_certificate_kept_to_oneself_stops_the_chain_and_told_does_not() -> None:
    # One liar gave its COMMIT to one replica alone and kept the block from it.
    assert "no progress" in run_seed(43, 4, "splits", HoardsItsCertificate).violation
    assert run_seed(43, 4, "splits").violation == ""


def test_seed_205_ignoring_what_was_prepared_ends_in_two_final_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without the simulator's own look at new views, so that the fork itself is seen.
    monkeypatch.setattr("tools.simulator.checks.choose_prepared", lambda proof: None)
    assert "two blocks are final" in run_seed(205, 4, "forks", IgnoresHighestPrepared).violation
    assert run_seed(55, 4, "forks").violation == ""


def test_seed_185_waiting_for_sync_when_all_restarted_stops_the_chain_and_fetching_does_not() -> (
    None
):
    # All had COMMITted and moved to view 1, and went down before anyone wrote the block.
    assert "no progress" in run_seed(185, 4, "storm", WaitsForSyncAlone).violation
    assert run_seed(185, 4, "storm").violation == ""
