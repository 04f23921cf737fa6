"""What the simulator's command prints: coverage, and the smallest plan of a failure."""

from __future__ import annotations

import pytest

from consensus.effects import Grade, Reject
from tests.simulation.broken_replicas import IgnoresHighestPrepared, NeverMoves
from tools.simulator.__main__ import main
from tools.simulator.coverage import Coverage, find_codes, find_reasons
from tools.simulator.liars import BEHAVIOURS
from tools.simulator.lines import Lines
from tools.simulator.profiles import PROFILES
from tools.simulator.runner import CHUNK_SEEDS, Order, choose_count, run_chunks
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


def test_the_command_prints_nothing_when_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1..3", "--profile", "every", "--jobs", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "3 seeds of profile every: 0 violations" in printed.err
    assert main(["--seed", "3"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["--seed", "3", "--history"]) == 0
    assert "every invariant held" in capsys.readouterr().out


def test_any_number_of_processes_gives_the_same_results() -> None:
    order = Order("crashes", (4,), coverage=True)
    seeds = range(1, CHUNK_SEEDS + 21)
    one, two = (
        [
            (row, chunk.events, chunk.healed_for_ms, chunk.coverage and chunk.coverage.counts)
            for row, chunk in run_chunks(seeds, order, jobs)
        ]
        for jobs in (1, 2)
    )
    assert one == two
    assert len(one) == 2


def test_the_mixture_has_every_number_of_validators_and_a_seed_keeps_its_own() -> None:
    order = Order("calm")
    counts = [choose_count(seed, order) for seed in range(1, 400)]
    assert set(counts) == set(range(4, 11))
    assert counts == [choose_count(seed, order) for seed in range(1, 400)]
    assert choose_count(5, Order("calm", (9,))) == 9
    with pytest.raises(SystemExit):
        main(["--seeds", "1..2", "--validators", "3"])


def test_lines_that_never_ran_are_told_and_those_that_ran_are_not() -> None:
    lines = Lines()
    before = lines.find_missing()
    lines.start()
    try:
        run_seed(1, 4, "calm")
    finally:
        lines.stop()
    after = lines.find_missing()
    assert 0 < len(after) < len(before) / 2
    assert any("self._halt_divergent(" in item for item in after)
    assert not any("state.committing = True" in item for item in after)


def test_the_command_tells_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1..2", "--coverage", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "message: VOTE" in printed
    assert "never occurred (" in printed
