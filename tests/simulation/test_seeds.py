"""The share of the seeds that every run of the tests repeats, and seeds that once failed.

The whole of it: ``python -m tools.simulator --seeds 1..10000``.
"""

from __future__ import annotations

import pytest

from tools.simulator.profiles import PROFILES, WORSE, make_plan
from tools.simulator.result import Result
from tools.simulator.runner import EVERY, Order, run_one
from tools.simulator.world import HEALED_TIMEOUTS_MAX, run_seed


def check(result: Result) -> None:
    """Fail with the seed and a readable history."""
    if result.violation:
        lines = "\n".join(result.history[-80:])
        pytest.fail(f"seed {result.seed}: {result.violation}\n{lines}\nplan: {result.plan}")


@pytest.mark.parametrize("first", range(1, 121, 20))
def test_twenty_seeds_of_everything_at_once_keep_every_invariant(first: int) -> None:
    for seed in range(first, first + 20):
        check(run_seed(seed, 7 if seed % 5 == 0 else 4, "mixed"))


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "mixed"])
def test_ten_seeds_of_each_profile_keep_every_invariant(profile: str) -> None:
    for seed in range(1_001, 1_011):
        check(run_seed(seed, 4, profile))


def test_a_few_seeds_run_with_real_ed25519_keys() -> None:
    real = [seed for seed in range(1, 400) if make_plan(seed, 4, "calm").real_keys][:3]
    assert len(real) == 3
    for seed in real:
        check(run_seed(seed, 4, "calm"))


def test_a_seed_repeats_exactly() -> None:
    first, second = (run_seed(77, 4, "mixed", record=True) for _ in range(2))
    assert first == second
    assert first.events > 100


def test_seed_156_a_view_that_is_too_far_ahead_for_one_of_us_blames_no_honest_neighbour() -> None:
    # One replica was a view ahead, kept a VIEW-CHANGE 1000 views ahead of it, and handed it on.
    check(run_seed(156, 7, "mixed"))


@pytest.mark.parametrize("seed", [7323, 8002])
def test_seeds_7323_and_8002_a_liar_misled_by_votes_under_its_own_key_is_no_violation(
    seed: int,
) -> None:
    # A replayer sent a view-flooder its own flood back: its replica, which is to sign what is
    # already signed otherwise, dies. No honest node's key signs what that node does not know of.
    check(run_one(seed, Order(EVERY)))


def test_seed_9938_an_equivocator_after_a_mutator_finds_a_phase_that_there_is_not() -> None:
    check(run_one(9938, Order(EVERY)))


def test_seed_43114_nor_does_a_splitter_of_votes() -> None:
    check(run_one(43114, Order(EVERY)))


def test_seed_94981_no_proposal_is_handed_on_before_it_is_known_who_leads() -> None:
    # A validator that is passed over at the next height signed its proposal; one of the height
    # before took it for the leader, handed the proposal on, and was blamed for it.
    check(run_one(94981, Order(EVERY, validators=(4,))))


def test_seed_12318_no_body_is_asked_for_where_nobody_runs() -> None:
    # Asking the dead validator for a body cost a live leader its turns: no link leads there.
    check(run_one(12318, Order(EVERY)))


def test_seeds_of_the_first_profiles_keep_their_plans() -> None:
    # Named seeds would lose their meaning if a new profile drew from the dice of an old one.
    plans = [make_plan(seed, 4, name) for name in PROFILES[:10] for seed in range(1, 40)]
    assert not any(plan.torn or plan.disk_losses or plan.full_disks for plan in plans)
    assert not any(plan.bad_links or plan.clock_jumps for plan in plans)
    assert make_plan(43, 4, "splits").liars == {3: ("confidant",)}


@pytest.mark.parametrize("profile", WORSE)
@pytest.mark.parametrize("validators", [4, 7])
def test_no_plan_of_the_later_profiles_has_more_than_f_faulty_nodes(
    profile: str, validators: int
) -> None:
    for seed in range(1, 200):
        plan = make_plan(seed, validators, profile)
        lost = {node for node, _ in plan.disk_losses}
        assert len(lost | set(plan.liars)) <= (validators - 1) // 3
        assert not lost & set(plan.liars)
        last = {node: skew for _, node, skew in plan.clock_jumps}
        assert all(abs(skew) <= 300 for skew in last.values())
        for start, end, *_ in (*plan.bad_links, *plan.full_disks):
            assert 0 <= start < end <= plan.heal_at_ms


def test_progress_is_promised_within_a_stated_number_of_timeouts() -> None:
    assert HEALED_TIMEOUTS_MAX == 25


@pytest.mark.parametrize(
    "liar",
    ["silent", "equivocator", "double-voter", "forger", "huge-view", "lying-status", "withholder"],
)
def test_each_liar_occurs_in_the_seeds_of_the_liars_profile(liar: str) -> None:
    plans = [make_plan(seed, 4, "liars") for seed in range(1, 100)]
    assert any(liar in names for plan in plans for names in plan.liars.values())
