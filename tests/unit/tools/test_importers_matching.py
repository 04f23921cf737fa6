"""Matching retirements to batches: deterministic, whole or not at all, nothing twice."""

from __future__ import annotations

import random
from datetime import date, timedelta
from itertools import pairwise

import pytest

from tools.importers.ledger import Retirement, RowError
from tools.importers.matching import Matcher, Piece, Stock
from tools.importers.reading import make_plan

EARLY, LATE = date(2015, 1, 1), date(2016, 1, 1)


def stock(
    name: str, *, tonnes: int = 10, buffer: int = 0, on: date = EARLY, vintage: int = 2010
) -> Stock:
    total, held = tonnes * 1000, buffer * 1000
    free = [(0, total - held)] if total > held else []
    return Stock(name, "P", vintage, on, free, [(total - held, total)] if held else [])


def retirement(
    tonnes: int,
    *,
    on: date = date(2020, 1, 1),
    issued: date | None = None,
    vintage: int = 2010,
    line: int = 2,
    project: str = "P",
) -> Retirement:
    return Retirement(
        line, f"k{line}", project, vintage, "X", 0, tonnes, on, issued, "Holder", "purpose"
    )


def test_serials_are_taken_from_the_low_end_one_after_the_other() -> None:
    matcher = Matcher([stock("a")])
    assert matcher.match(retirement(3)).pieces == (Piece("a", 0, 3000),)
    assert matcher.match(retirement(7)).pieces == (Piece("a", 3000, 10_000),)


def test_the_batch_of_the_named_day_comes_first_then_the_oldest() -> None:
    matcher = Matcher([stock("a"), stock("b", on=LATE)])
    first = matcher.match(retirement(4, issued=LATE))
    assert (first.pieces, first.same_day) == ((Piece("b", 0, 4000),), True)
    assert matcher.match(retirement(4)).pieces == (Piece("a", 0, 4000),)
    mixed = matcher.match(retirement(8, issued=LATE))
    assert mixed.pieces == (Piece("b", 4000, 10_000), Piece("a", 4000, 6000))
    assert not mixed.same_day


def test_the_buffer_comes_last_and_exactly_the_shortfall_is_released() -> None:
    matcher = Matcher([stock("a", buffer=4), stock("b", on=LATE)])
    matched = matcher.match(retirement(17))
    assert matched.pieces == (
        Piece("a", 0, 6000),
        Piece("b", 0, 10_000),
        Piece("a", 6000, 7000),
    )
    assert matched.released_kg == 1000
    assert matcher.match(retirement(2)).pieces == (Piece("a", 7000, 9000),)
    assert matcher.releases == [Piece("a", 6000, 9000)]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (retirement(1, project="Q"), "project"),
        (retirement(1, vintage=2011), "not-issued"),
        (retirement(21), "not-issued"),
        (retirement(1, on=date(2014, 12, 31)), "period"),
        (retirement(11, on=date(2015, 6, 1)), "not-issued"),
    ],
)
def test_what_cannot_be_met_whole_is_refused_and_takes_nothing(item: Retirement, code: str) -> None:
    matcher = Matcher([stock("a"), stock("b", on=LATE)])
    with pytest.raises(RowError) as refused:
        matcher.match(item)
    assert refused.value.code == code
    assert len(matcher.match(retirement(20)).pieces) == 2
    assert matcher.releases == []


def test_more_than_sixteen_pieces_are_refused() -> None:
    pieces = [stock(f"b{number:02}", tonnes=1) for number in range(17)]
    with pytest.raises(RowError) as refused:
        Matcher(pieces).match(retirement(17))
    assert refused.value.code == "pieces"


def test_an_early_retirement_is_not_starved_by_a_late_one_that_stands_before_it() -> None:
    stocks = [stock("a"), stock("b", on=LATE)]
    late = retirement(10, on=date(2020, 1, 1), line=2)
    early = retirement(10, on=date(2015, 6, 1), line=3)
    plan = make_plan("f", stocks, [late, early])
    assert plan.problems == ()
    assert [item.pieces for item in plan.matched] == [
        (Piece("a", 0, 10_000),),
        (Piece("b", 0, 10_000),),
    ]


def test_problems_carry_the_line_of_their_row() -> None:
    plan = make_plan("f.csv", [stock("a")], [retirement(9, line=7), retirement(5, line=5)])
    assert [(bad.file, bad.line, bad.code) for bad in plan.problems] == [("f.csv", 7, "not-issued")]


@pytest.mark.parametrize("seed", range(30))
def test_random_ledgers_never_use_a_serial_twice_and_never_leave_the_batch(seed: int) -> None:
    choose = random.Random(seed)
    stocks = [
        stock(
            f"b{number}",
            tonnes=(tonnes := choose.randint(1, 50)),
            buffer=choose.randint(0, tonnes),
            on=EARLY + timedelta(days=choose.randint(0, 300)),
            vintage=choose.choice([2010, 2011]),
        )
        for number in range(8)
    ]
    sizes = {item.batch: sum(end for _, end in (item.buffer or item.free)[-1:]) for item in stocks}
    retirements = [
        retirement(
            choose.randint(1, 30),
            on=EARLY + timedelta(days=choose.randint(0, 400)),
            vintage=choose.choice([2010, 2011]),
            line=number,
        )
        for number in range(40)
    ]
    plan = make_plan("f", stocks, retirements)
    taken: list[tuple[str, int, int]] = []
    for item in plan.matched:
        kilograms = sum(piece.end - piece.start for piece in item.pieces)
        assert kilograms == item.retirement.quantity_t * 1000, seed
        taken.extend((piece.batch, piece.start, piece.end) for piece in item.pieces)
    taken.sort()
    for (batch, _, end), (after, start, _) in pairwise(taken):
        assert batch != after or end <= start, seed
    assert all(0 <= start < end <= sizes[batch] for batch, start, end in taken), seed
    assert len(plan.matched) + len(plan.problems) == 40, seed
