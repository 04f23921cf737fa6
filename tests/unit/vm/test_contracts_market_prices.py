"""The contract ``market``: what each day traded, and the value that others take from it."""

from __future__ import annotations

import pytest

from tests.unit.vm.carbon_chain import DAY, START_SECONDS, Chain
from tests.unit.vm.market_chain import M, buy, make_trading_chain, open_book, sell

T = 1000
FIRST = START_SECONDS // DAY


@pytest.fixture
def chain() -> Chain:
    chain = make_trading_chain()
    chain.time = FIRST * DAY
    return chain


def trade(chain: Chain, day: int, price: int, start: int, kg: int) -> None:
    chain.time = max(chain.time, day * DAY)
    sell(chain, "owner", price, start, start + kg)
    buy(chain, "alice", price, kg)


def test_a_day_keeps_its_first_highest_lowest_and_last_price(chain: Chain) -> None:
    for n, price in enumerate((5, 9, 2, 4)):
        trade(chain, FIRST, price * T, 10 * n, n + 1)
    amount = 5 + 9 * 2 + 2 * 3 + 4 * 4
    day = [FIRST, 5 * T, 9 * T, 2 * T, 4 * T, 10, amount, 4]
    assert chain.view(M, "days_of", "b1", FIRST - 1, 9) == [day]
    assert chain.view(M, "days_of", "b1", FIRST, 9) == []
    # 45 for 10 kg.
    assert chain.view(M, "valuation", "b1", FIRST, FIRST) == [4500, 10, amount, 4, 4 * T]


def test_a_day_ends_with_its_last_second(chain: Chain) -> None:
    sell(chain, "owner", 3 * T, 0, 10)
    chain.time = (FIRST + 1) * DAY - 2
    buy(chain, "alice", 3 * T, 1)
    buy(chain, "alice", 3 * T, 2)
    assert [row[0::5] for row in chain.view(M, "days_of", "b1", 0, 9)] == [
        [FIRST, 1], [FIRST + 1, 2],
    ]  # fmt: skip


def test_one_order_that_fills_many_counts_each(chain: Chain) -> None:
    for n in range(3):
        sell(chain, "owner", (n + 1) * T, n, n + 1)
    buy(chain, "alice", 9 * T, 3)
    assert chain.view(M, "days_of", "b1", 0, 9) == [[FIRST, T, 3 * T, T, 3 * T, 3, 6, 3]]


def test_the_value_is_the_average_by_volume_of_the_days_named(chain: Chain) -> None:
    trade(chain, FIRST, 10 * T, 0, 1)
    trade(chain, FIRST + 2, 20 * T, 10, 3)
    trade(chain, FIRST + 40, 7 * T, 20, 5)
    last = FIRST + 30
    assert chain.view(M, "valuation", "b1", FIRST, last) == [17_500, 4, 70, 2, 20 * T]
    assert chain.view(M, "valuation", "b1", FIRST + 1, last) == [20 * T, 3, 60, 1, 20 * T]
    # Nothing was traded: no average, and the last price is that of days before.
    assert chain.view(M, "valuation", "b1", FIRST + 3, last) == [0, 0, 0, 0, 20 * T]
    assert chain.view(M, "valuation", "b1", FIRST + 1, FIRST + 1) == [0, 0, 0, 0, 10 * T]
    assert chain.view(M, "valuation", "b1", FIRST - 1, FIRST - 1) == [0, 0, 0, 0, 0]
    assert chain.view(M, "valuation", "b1", FIRST + 40, FIRST + 70) == [7 * T, 5, 35, 1, 7 * T]


def test_a_full_period_of_trading_days_is_counted_whole(chain: Chain) -> None:
    for n in range(32):
        trade(chain, FIRST + n, (n + 1) * T, 10 * n, 1)
    expected = [sum(range(1, 32)) * T // 31, 31, sum(range(1, 32)), 31, 31 * T]
    assert chain.view(M, "valuation", "b1", FIRST, FIRST + 30) == expected
    rows = chain.view(M, "days_of", "b1", FIRST + 9, 5)
    assert [row[0] for row in rows] == [FIRST + 10 + n for n in range(5)]


def test_a_price_that_a_regulator_names_is_no_trade(chain: Chain) -> None:
    trade(chain, FIRST, 10 * T, 0, 1)
    chain.ok("regulator", M, "halt", "b1", "news")
    chain.ok("regulator", M, "reopen", "b1", 500 * T)
    assert chain.view(M, "valuation", "b1", FIRST, FIRST) == [10 * T, 1, 10, 1, 10 * T]


def test_books_are_valued_apart(chain: Chain) -> None:
    open_book(chain, "b2")
    trade(chain, FIRST, 10 * T, 0, 1)
    assert chain.view(M, "valuation", "b2", FIRST, FIRST) == [0, 0, 0, 0, 0]
    assert chain.view(M, "days_of", "b2", 0, 9) == []


def test_a_period_has_bounds(chain: Chain) -> None:
    chain.view_refused("no-book", M, "valuation", "b9", FIRST, FIRST)
    chain.view_refused("bad-period", M, "valuation", "b1", FIRST, FIRST - 1)
    chain.view_refused("bad-period", M, "valuation", "b1", FIRST, FIRST + 31)
    for limit in (0, 101):
        chain.view_refused("bad-limit", M, "days_of", "b1", 0, limit)
