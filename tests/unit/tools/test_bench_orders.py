"""The parts of bench.orders that need no chain: random orders by seed, and what it checks."""

from __future__ import annotations

import random

from bench.orders import BATCH, KG_MAX, MIDDLE, SPREAD, TICK, Trader, draw_calls, is_ordered
from vm.genesis_builder import derive_development_key


def make_trader(side: str) -> Trader:
    return Trader("enterprise-1", derive_development_key("enterprise-1"), side)


def test_orders_are_the_seeds_and_within_their_bounds() -> None:
    draws = [draw_calls(random.Random(3), make_trader("buy"), 50, 0, 99) for _ in range(2)]
    assert draws[0] == draws[1] != draw_calls(random.Random(4), make_trader("buy"), 50, 0, 99)
    for call in draws[0]:
        _, price, kilograms, force, until, *_ = call.arguments
        assert abs(int(price) - MIDDLE) <= SPREAD * TICK and 1 <= int(kilograms) <= KG_MAX  # type: ignore[arg-type]
        assert (force, until) in (("gtt", 99), ("ioc", 0))


def test_a_seller_offers_its_serials_once() -> None:
    at = 1000
    for call in draw_calls(random.Random(3), make_trader("sell"), 50, at, 99):
        assert call.arguments[2:4] == (BATCH, at)
        assert int(call.arguments[4]) > at  # type: ignore[arg-type]
        at = int(call.arguments[4])  # type: ignore[arg-type]


def test_a_book_out_of_order_is_noticed() -> None:
    rows = [{"price": 10, "order": 2}, {"price": 10, "order": 5}, {"price": 12, "order": 1}]
    assert is_ordered(rows, 1) and not is_ordered(rows, -1)
    assert not is_ordered([rows[1], rows[0]], 1) and is_ordered(rows[::-1][:2], -1)
