"""lib.margin.v1 and lib.series.v1 against fractions and a list of trades."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vm.library_bench import get_bench, reverted, run

M, S = "lib.margin.v1", "lib.series.v1"
WHOLE = 10_000
DAY = 86_400
NOW = 1_700_000_000
EXPIRY = NOW // DAY * DAY + 30 * DAY
TERMS: dict[str, Any] = {
    "underlying": "b1", "expiry": EXPIRY, "size_kg": 1000, "tick": 1, "currency": "CNY",
    "delivery": "cash", "initial": 1500, "maintenance": 1000, "band": 2000, "contribution": 0,
    "penalty": 500, "maker_fee": 0, "taker_fee": 0, "volume_min": 1,
}  # fmt: skip
CONTRACTS = st.integers(-(10**9), 10**9)
BALANCES = st.integers(-(10**24), 10**24)
PRICES = st.integers(1, 10**12)
UNITS = st.integers(1, 10**6)
RATES = st.integers(0, WHOLE - 1)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """So that no example pays for the compiler."""
    for module in (M, S):
        get_bench(module)


@given(CONTRACTS, BALANCES, PRICES, UNITS, RATES)
def test_margins_are_those_of_fractions(
    contracts: int, balance: int, price: int, unit: int, rate: int
) -> None:
    value = contracts * price * unit
    assert run(M, "compute_equity", contracts, balance, price, unit) == balance + value
    required = Fraction(abs(value) * rate, WHOLE)
    assert run(M, "compute_required", contracts, price, unit, rate) == math.ceil(required)


@given(CONTRACTS.filter(bool), BALANCES, PRICES, UNITS, RATES)
def test_the_rank_says_at_which_price_the_margin_is_gone(
    contracts: int, balance: int, price: int, unit: int, rate: int
) -> None:
    rank = run(M, "compute_rank", contracts, balance, unit, rate)
    near = abs(rank)
    for at in {price, max(1, near - 1), max(1, near), near + 1}:
        required = Fraction(abs(contracts) * at * unit * rate, WHOLE)
        is_below = balance + contracts * at * unit < required
        assert is_below == (rank < (-at if contracts > 0 else at))


def test_there_is_no_rank_without_a_position_or_with_a_margin_of_all() -> None:
    for contracts, rate in ((0, 1), (1, WHOLE), (1, -1)):
        assert run(M, "compute_rank", contracts, 5, 1, rate) == reverted("bad-rank")


@given(CONTRACTS, st.integers(-10, 10**20), PRICES, UNITS, st.integers(1, WHOLE))
def test_so_many_contracts_are_carried_and_not_one_more(
    contracts: int, equity: int, price: int, unit: int, rate: int
) -> None:
    carried = run(M, "count_carried", contracts, equity, price, unit, rate)
    assert 0 <= carried <= abs(contracts)
    each = Fraction(price * unit * rate, WHOLE)
    assert carried == 0 or carried * each <= equity
    assert carried == abs(contracts) or (carried + 1) * each > equity


@given(st.integers(1, 50), st.integers(1, 10**6), st.integers(1, WHOLE - 1), PRICES)
def test_the_band_is_kept_in_multiples_of_the_tick(
    tick: int, ticks: int, band: int, price: int
) -> None:
    middle = tick * ticks
    low = math.ceil(Fraction(middle * (WHOLE - band), WHOLE * tick)) * tick
    high = math.floor(Fraction(middle * (WHOLE + band), WHOLE * tick)) * tick
    assert run(M, "clamp_to_band", price, middle, band, tick) == max(low, min(price, high))
    for at, outside in ((low, False), (high, False), (low - tick, True), (high + tick, True)):
        assert run(M, "is_outside", at, middle, band) is outside


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 100)), min_size=1, max_size=6))
def test_parts_of_a_fund_never_add_up_to_more_than_there_is(
    steps: list[tuple[int, int]],
) -> None:
    """Contributions in turn with losses of a percentage; rounding is the fund's."""
    fund: list[int] = [0, 0, 0, 0]
    mine: dict[int, list[int]] = {}
    for amount, lost in steps:
        minted = run(M, "count_minted", fund, amount)
        mine.setdefault(fund[3], []).append(minted)
        fund = [fund[0], fund[1] + amount, fund[2] + minted, fund[3]]
        before = sum(fund[:2])
        fund[1] -= fund[1] * lost // 100
        left = sum(fund[:2])
        fund = list(run(M, "renew", fund))
        assert sum(fund[:2]) == left <= before and fund[2] <= fund[1] * 10**6
        parts = [run(M, "compute_part", fund, held) for held in mine.get(fund[3], [])]
        assert sum(parts) <= fund[1] and (parts or fund[1] == 0)
    assert run(M, "compute_part", fund, 0) == 0


@given(st.integers(0, 10**18), st.integers(1, 10**6), st.integers(1, 1000))
def test_averages_are_rounded_to_the_nearest_tick(amount: int, volume: int, tick: int) -> None:
    found = run(S, "round_to_tick", amount, volume, tick)
    exact = Fraction(amount, volume * tick)
    assert found == max(1, math.floor(exact + Fraction(1, 2))) * tick


def test_an_average_is_of_something() -> None:
    for arguments in ((-1, 1, 1), (1, 0, 1), (1, 1, 0)):
        assert run(S, "round_to_tick", *arguments) == reverted("bad-average")


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(1, 99)), max_size=9),
    st.integers(-1, 6), st.integers(0, 3), st.integers(0, 12),
)  # fmt: skip
def test_the_price_of_a_day_is_that_of_the_last_whole_day_with_trades(
    trades: list[tuple[int, int, int]], after: int, ahead: int, volume_min: int
) -> None:
    """``trades`` are (days since the one before, contracts, price); the mark is of a day before."""
    session: list[int] = [0, 0, 0, 0, 0, 0]
    by_day: dict[int, list[tuple[int, int]]] = {}
    day = 1
    for days, contracts, price in trades:
        day += days
        session = list(run(S, "add_trade", session, day, contracts, price))
        by_day.setdefault(day, []).append((contracts, price))
    last = day - 1 + ahead
    # What is older than the last two days with trades was marked before anybody could trade.
    floor = max(after, sorted(by_day)[-3] if len(by_day) > 2 else 0)
    usable = [at for at in by_day if floor < at <= last]
    expected = 0
    if usable:
        rows = by_day[max(usable)]
        volume = sum(contracts for contracts, _ in rows)
        if volume >= max(1, volume_min):
            average = Fraction(sum(contracts * price for contracts, price in rows), volume)
            expected = max(1, math.floor(average + Fraction(1, 2)))
    assert run(S, "compute_average", session, floor, last, volume_min, 1) == expected


def test_terms_that_can_be() -> None:
    for changes in (
        {}, {"delivery": "physical"}, {"size_kg": 10**9}, {"maintenance": 9999, "initial": 10_000},
        {"band": 9999}, {"penalty": 1000}, {"volume_min": 10**9}, {"maker_fee": 10**12},
    ):  # fmt: skip
        assert run(S, "check_terms", list((TERMS | changes).values()), NOW) is None


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-currency", {"currency": "EURO"}),
        ("bad-delivery", {"delivery": "later"}),
        ("bad-size", {"size_kg": 0}),
        ("bad-size", {"size_kg": 10**9 + 1000}),
        ("bad-size", {"size_kg": 1500}),
        ("bad-step", {"tick": 0}),
        ("bad-step", {"tick": 10**12 + 1}),
        ("bad-margin", {"maintenance": 0}),
        ("bad-margin", {"maintenance": 10_000, "initial": 10_000}),
        ("bad-margin", {"maintenance": 1501}),
        ("bad-margin", {"initial": 10_001}),
        ("bad-band", {"band": 0}),
        ("bad-band", {"band": 10_000}),
        ("bad-contribution", {"contribution": -1}),
        ("bad-contribution", {"contribution": 10_001}),
        ("bad-penalty", {"penalty": -1}),
        ("bad-penalty", {"penalty": 1001}),
        ("bad-fee", {"maker_fee": -1}),
        ("bad-fee", {"maker_fee": 10**12 + 1}),
        ("bad-fee", {"taker_fee": -1}),
        ("bad-fee", {"taker_fee": 10**12 + 1}),
        ("bad-volume", {"volume_min": 0}),
        ("bad-volume", {"volume_min": 10**9 + 1}),
        ("bad-expiry", {"expiry": EXPIRY + 1}),
        ("bad-expiry", {"expiry": NOW // DAY * DAY}),
        ("bad-expiry", {"expiry": EXPIRY + 2000 * DAY}),
    ],
)
def test_terms_that_cannot_be(code: str, changes: dict[str, Any]) -> None:
    found = run(S, "check_terms", list((TERMS | changes).values()), NOW)
    assert found == reverted(code)
