"""What the simulator's command prints: coverage, and the smallest plan of a failure."""

from __future__ import annotations

import pytest

from consensus.effects import Grade, Reject
from tests.simulation.broken_replicas import IgnoresHighestPrepared, NeverMoves
from tools.simulator.__main__ import main
from tools.simulator.coverage import Coverage, find_codes, find_reasons
from tools.simulator.liars import BEHAVIOURS
from tools.simulator.profiles import PROFILES
from tools.simulator.shrink import shrink
from tools.simulator.world import run_seed


def test_coverage_finds_reasons_and_codes_in_the_source() -> None:
    assert {"vote: bad signature", "certificate: ", "about another height"} <= set(find_reasons())
    assert {"certificate-order", "header-time-ahead", "new-view-quorum"} <= set(find_codes())


def test_coverage_lists_what_never_occurred() -> None:
    coverage = Coverage()
    before = coverage.find_missing(BEHAVIOURS)
    coverage.see_effect(Reject(None, "certificate: certificate-order", Grade.FORGED))
    gone = set(before) - set(coverage.find_missing(BEHAVIOURS))
    assert gone == {
        "effect: Reject",
        "grade: forged",
        "reject: certificate: ",
        "code: certificate-order",
    }


def test_watching_changes_nothing() -> None:
    assert run_seed(5, 4, "storm", coverage=Coverage()) == run_seed(5, 4, "storm")


def test_two_seeds_of_every_profile_reach_every_kind_of_message_and_fault() -> None:
    coverage = Coverage()
    for profile in PROFILES:
        for seed in range(2_001, 2_003):
            assert run_seed(seed, 4, profile, coverage=coverage).violation == ""
    missing = coverage.find_missing(BEHAVIOURS)
    assert [item for item in missing if item.startswith("profile")] == []
    assert [item for item in missing if item.startswith("effect")] == ["effect: Halt"]


def test_a_failure_is_shrunk_to_the_faults_that_matter() -> None:
    failed = next(
        result
        for seed in range(1, 60)
        if (result := run_seed(seed, 4, "storm", NeverMoves)).violation
    )
    smallest, runs = shrink(failed, NeverMoves)
    assert smallest.violation.startswith("no progress")
    assert runs <= 80
    assert str(smallest.plan) != str(failed.plan)
    assert smallest.history
    plan = smallest.plan
    assert len(plan.crashes) + len(plan.bad_links) + len(plan.partitions) <= 2


def test_shrinking_never_ends_in_another_violation() -> None:
    failed = next(
        result
        for seed in range(1, 100)
        if (result := run_seed(seed, 4, "forks", IgnoresHighestPrepared)).violation
    )
    smallest, _ = shrink(failed, IgnoresHighestPrepared)
    assert smallest.violation.partition(" (")[0] == failed.violation.partition(" (")[0]


def test_the_command_prints_one_line_when_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1..3", "--profile", "every"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_the_command_tells_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1..2", "--coverage"]) == 0
    printed = capsys.readouterr().out
    assert "message: VOTE" in printed
    assert "never occurred (" in printed
