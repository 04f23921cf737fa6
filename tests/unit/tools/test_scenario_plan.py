"""The scenario's plan: everything issued is somewhere, once, whatever the seed."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from tools.scenario.measured import ForestYear, MeterMonth, Plot, floor_kilograms
from tools.scenario.plan import ENTERPRISES, PARTIES, PROJECT_OWNER, Size, make_plan

SIZE = Size(vintages=(2021, 2022), area_ha=540, lots_per_vintage=20, rounds=3)


@pytest.mark.parametrize("seed", range(20))
def test_lots_add_up_to_what_was_issued_and_never_meet(seed: int) -> None:
    plan = make_plan(seed, SIZE)
    lots = sorted((lot.batch, lot.start, lot.end) for lot in (*plan.retired, *plan.kept))
    for (batch, _, end), (after, start, _) in pairwise(lots):
        assert batch != after or end <= start, seed
    total = sum(end - start for _, start, end in lots)
    forest_kg = plan.issued_kg - plan.furnace.kilograms
    assert total + plan.buffered_kg == forest_kg == sum(i.kilograms for i in plan.issues), seed
    balances = sum(plan.compute_balances().values())
    assert balances + plan.retired_kg + plan.buffered_kg == plan.issued_kg, seed


def test_quantities_follow_from_what_was_measured() -> None:
    """By hand: 100 ha that gain 3 t/ha take up 646.25 t CO2; and a furnace on its meter."""
    plots = (Plot(90_000, 93_000),) * 6
    assert ForestYear(2024, 100, plots).grams == 646_250_000
    month = MeterMonth((250_000,) * 4)  # 1 MWh
    burnt = 27.45 * 48 / 1000 * 56.1
    assert float(month.grams) == pytest.approx((1_830 * 0.328 - burnt - 0.4092) * 1e6, rel=1e-12)
    assert month.period[1] - month.period[0] == 3600


def test_plots_that_differ_too_much_have_no_figure_without_a_deduction() -> None:
    plots = tuple(Plot(90_000, 90_000 + 1_000 * n) for n in range(6))
    with pytest.raises(ValueError, match="deduction"):
        _ = ForestYear(2024, 100, plots).grams


def test_whole_kilograms_leave_a_gram_for_rounding() -> None:
    assert [floor_kilograms(Fraction(n)) for n in (1000, 1001, 2000, 2001)] == [0, 1, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_a_move_gives_what_its_giver_owns_and_no_two_of_a_round_meet(seed: int) -> None:
    plan = make_plan(seed, SIZE)
    owned = {(m.batch, m.start): (m.end, m.taker) for m in plan.sales}
    for moves in plan.rounds:
        assert len({(move.batch, move.start) for move in moves}) == len(moves)
        for move in moves:
            end, owner = owned.pop((move.batch, move.start))
            assert (owner, move.giver != move.taker) == (move.giver, True), seed
            assert move.start < move.end <= end, seed
            owned[move.batch, move.start] = (move.end, move.taker)
            if move.end < end:
                owned[move.batch, move.end] = (end, owner)
    ends = {(lot.batch, lot.start): (lot.end, lot.owner) for lot in (*plan.kept, *plan.retired)}
    assert ends == owned, seed


def test_a_seed_gives_the_same_plan_again_and_another_seed_another() -> None:
    assert make_plan(5, SIZE) == make_plan(5, SIZE)
    assert make_plan(5, SIZE) != make_plan(6, SIZE)


def test_the_parties_are_different_organisations_with_one_duty_each() -> None:
    assert len({party.organisation for party in PARTIES}) == len(PARTIES)
    assert PROJECT_OWNER not in ENTERPRISES
    assert all(len(party.roles) == 1 for party in PARTIES)


def test_the_usual_size_has_many_lots_trades_and_retirements() -> None:
    plan = make_plan(1)
    assert len(plan.kept) + len(plan.retired) > 500
    assert sum(len(moves) for moves in plan.rounds) > 2_000
    assert len(plan.retired) > 100
