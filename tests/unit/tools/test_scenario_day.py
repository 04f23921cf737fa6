"""The scenario's trading day: a small one by hand, and what must hold for any seed."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from tools.scenario.day import BUY, PURPOSE, SELL, Fill, Offer, Order, make_day, match
from tools.scenario.plan import BUYERS, SELLERS, SMALL, make_plan

FARM, MILL = Offer("farm", 0, 1_500), Offer("mill", 700, 1_700)


def test_a_day_by_hand() -> None:
    """1.9 t bought at up to 65.0: all 1.0 t at 60.0001, then 0.9 t of 1.5 t at 62.0."""
    day = match(
        [
            Order(SELL, "farm", 620_000, 1_500, FARM),
            Order(SELL, "mill", 600_001, 1_000, MILL),
            Order(BUY, "fund", 550_001, 300),
        ],
        [
            Order(BUY, "airline", 650_000, 1_900, purpose=PURPOSE),
            Order(SELL, "mill", 550_000, 100, Offer("mill", 0, 100)),
            Order(SELL, "mill", 550_001, 500, Offer("mill", 100, 600)),
            Order(BUY, "airline", 619_999, 5),
        ],
    )
    taken, later = Offer("mill", 700, 1_700), Offer("farm", 0, 900)
    assert day.fills == (
        Fill(600_001, taken, 600_001, 600, 1_200, "airline", "mill", 1_200, PURPOSE),
        Fill(620_000, later, 558_000, 558, 1_116, "airline", "farm", 1_116, PURPOSE),
        # 55.00010 x 0.1 t, rounded up; then what all 300 kg cost, less that.
        Fill(550_001, Offer("mill", 0, 100), 55_001, 55, 110, "fund", "mill", 55, ""),
        Fill(550_001, Offer("mill", 100, 300), 110_000, 110, 220, "fund", "mill", 110, ""),
    )  # fmt: skip
    assert [order.owner for order in day.left] == ["farm"]
    assert day.compute_changes() == {
        "airline": -600_001 - 1_200 - 558_000 - 1_116,
        "farm": 558_000 - 558,
        "mill": 600_001 - 600 + 55_001 - 110 + 110_000 - 220,
        "fund": -55_001 - 55 - 110_000 - 110,
    }


@pytest.mark.parametrize("seed", range(20))
def test_a_day_sells_what_its_sellers_have_and_leaves_money_and_units_whole(seed: int) -> None:
    plan = make_plan(seed, SMALL)
    day = plan.day
    owned = {(lot.batch, lot.start, lot.end): lot.owner for lot in plan.kept}
    opening = [order for order in (*day.opening, *day.orders) if order.offer is not None]
    for order in opening:
        assert order.offer is not None
        offer = (order.offer.batch, order.offer.start, order.offer.end)
        assert owned.pop(offer) == order.owner, seed  # none is offered twice
    sold: dict[str, int] = defaultdict(int)
    for fill in day.fills:
        assert fill.seller in SELLERS and fill.buyer in BUYERS and fill.kilograms > 0, seed
        sold[fill.seller] += fill.kilograms
        inside = [
            order
            for order in opening
            if order.offer is not None and order.offer.batch == fill.offer.batch
            if order.offer.start <= fill.offer.start and fill.offer.end <= order.offer.end
        ]
        assert [order.owner for order in inside] == [fill.seller], seed
    assert sum(day.compute_changes().values()) == -day.fees, seed
    assert {fill.buyer for fill in day.fills if fill.purpose} == {BUYERS[-1]}, seed
    assert day.left and day.volume_kg == sum(sold.values()), seed


def test_a_buyer_meets_no_offer_above_its_price() -> None:
    day = match([Order(SELL, "mill", 600_001, 1_000, MILL)], [Order(BUY, "fund", 600_000, 1)])
    assert not day.fills and len(day.left) == 1


def test_make_day_offers_only_what_sellers_hold() -> None:
    lots = [("mill", MILL), ("other", FARM)]
    day = make_day(lots, ["mill"], ["fund"], random.Random(1))
    assert [order.owner for order in day.opening if order.side == SELL] == ["mill"]
