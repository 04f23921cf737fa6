"""The parts of bench.orders that need no chain: random orders by seed, and what it checks."""

from __future__ import annotations

import random

from bench.orders import BATCH, KG_MAX, MIDDLE, SPREAD, TICK, Trader, draw_calls, is_ordered
from vm.genesis_builder import derive_development_key


def make_trader(side: str) -> Trader:
    return Trader("enterprise-1", derive_development_key("enterprise-1"), side)


def test_orders_are_the_seeds_and_within_their_bounds() -> None:
    draws = [draw_calls(random.Random(seed), make_trader("buy"), 50, 0, 99) for seed in (3, 3, 4)]
    assert draws[0] == draws[1] != draws[2]
    calls, serial = draws[0]
    assert (len(calls), serial) == (50, 0)
    for call in calls:
        _, price, kilograms, force, until, *_ = call.arguments
        assert isinstance(price, int) and isinstance(kilograms, int)
        assert abs(price - MIDDLE) <= SPREAD * TICK and 1 <= kilograms <= KG_MAX
        assert (force, until) in (("gtt", 99), ("ioc", 0))


def test_a_seller_offers_its_serials_once() -> None:
    at = 1000
    calls, following = draw_calls(random.Random(3), make_trader("sell"), 50, at, 99)
    for call in calls:
        _, _, batch, start, end, *_ = call.arguments
        assert (batch, start) == (BATCH, at)
        assert isinstance(end, int) and end > at
        at = end
    assert following == at


def test_a_book_out_of_order_is_noticed() -> None:
    rows = [{"price": 10, "order": 2}, {"price": 10, "order": 5}, {"price": 12, "order": 1}]
    assert is_ordered(rows, 1) and not is_ordered(rows, -1)
    assert not is_ordered([rows[1], rows[0]], 1) and is_ordered(rows[::-1][:2], -1)
