"""The contract ``clearing``: deposits, the daily mark, calls, defaults, the default fund."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.codec import Value
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import Chain
from tests.unit.vm.futures_chain import (
    DAYS,
    MONEY,
    PRICE,
    F,
    K,
    S,
    cross,
    free,
    get_midnight,
    held,
    make_crowd_chain,
    make_futures_chain,
    make_terms,
    mark,
    names,
    next_day,
    order,
    standing,
    trade_units,
)
from tests.unit.vm.market_chain import CNY, fund, open_book


@pytest.fixture
def chain() -> Chain:
    return make_futures_chain()


def drain(chain: Chain, *names: str) -> None:
    """Take all that is free out of the deposits, so that a mark finds nothing to call."""
    for name in names:
        chain.ok(name, K, "withdraw", CNY, free(chain, name))


def move_price(chain: Chain, price: int, start: int = 0) -> int:
    """Mark today's trades, then a day of the underlying alone, as far as the band goes."""
    next_day(chain)
    mark(chain, "bank")
    trade_units(chain, price, start, 1000)
    next_day(chain)
    return mark(chain, "bank")


def get_values(chain: Chain, name: str) -> list[Any]:
    return [list(event.values) for event in chain.events if event.name == name]


def total(chain: Chain, *members: str) -> int:
    """Free deposits, equities and fund parts, with the operator's stake: all there is."""
    stake = chain.view(K, "get_fund", S)[0]
    found = [free(chain, name) + sum(standing(chain, name)[2:7:4]) for name in members]
    return stake + sum(found) + free(chain, "exchange")


# --- series and deposits ----------------------------------------------------------------------


def test_an_exchange_lists_a_series_once(chain: Chain) -> None:
    terms = make_terms(chain)
    chain.refused("not-an-exchange", "alice", K, "open_series", "new", terms, PRICE)
    chain.refused("series-exists", "exchange", K, "open_series", S, terms, PRICE)
    chain.refused("bad-id", "exchange", K, "open_series", "", terms, PRICE)
    for price in (0, 10**12 + 1):
        chain.refused("bad-price", "exchange", K, "open_series", "new", terms, price)
    coarse = make_terms(chain, tick=3)
    chain.refused("bad-price", "exchange", K, "open_series", "new", coarse, PRICE)
    euro = make_terms(chain, currency="EUR")
    chain.refused("bad-currency", "exchange", K, "open_series", "new", euro, PRICE)
    chain.refused("no-book", "exchange", K, "open_series", "new", ["none", *terms[1:]], PRICE)
    wrong = make_terms(chain, initial=999)
    chain.refused("bad-margin", "exchange", K, "open_series", "new", wrong, PRICE)
    assert chain.view(K, "list_series", "", 9) == [S]
    assert chain.view(K, "get_series", S)[0] == "exchange"
    assert chain.view(K, "get_state", S)[:5] == ["open", PRICE, chain.time // 86400 - 1, 0, False]


def test_deposits_come_from_cash_and_go_back(chain: Chain) -> None:
    assert chain.view("cash", "account_of", "alice", CNY)[0] == 0
    chain.refused("not-enough-money", "alice", K, "deposit", CNY, 1)
    for amount in (0, 10**24 + 1):
        chain.refused("bad-amount", "alice", K, "deposit", CNY, amount)
        chain.refused("bad-amount", "alice", K, "withdraw", CNY, amount)
        chain.refused("bad-amount", "exchange", K, "add_stake", S, amount)
    chain.ok("alice", K, "withdraw", CNY, 400)
    assert chain.view("cash", "account_of", "alice", CNY)[0] == 400
    chain.refused("not-enough-margin", "alice", K, "withdraw", CNY, MONEY - 399)
    cross(chain, "alice", "bob", PRICE, 10)
    chain.refused("not-enough-margin", "alice", K, "withdraw", CNY, MONEY - 400 - 1499)


# --- the mark ---------------------------------------------------------------------------------


def test_a_mark_is_the_average_of_the_day_by_volume(chain: Chain) -> None:
    chain.refused("not-due", "bank", K, "mark", S)
    cross(chain, "alice", "bob", 1000, 1)
    cross(chain, "alice", "bob", 1100, 2)
    next_day(chain)
    cross_refused = chain.send("alice", F, "place", S, "buy", 1000, 1, "ioc", 0, 9)
    assert cross_refused.code == "mark-due"
    # (1000 + 2200) / 3 = 1066.67, to the nearest multiple of the tick.
    assert mark(chain) == 1067
    assert get_values(chain, "Marked") == [
        [S, get_midnight(chain) // 86400 - 1, 1067, "trades", False]
    ]
    # Three long at 1000, 1100 and 1100: each bought contract has gained or lost to the mark.
    assert standing(chain, "alice")[0] == 3
    assert free(chain, "alice") + standing(chain, "alice")[2] == MONEY + 3 * 1067 - 3200
    assert free(chain, "bob") + standing(chain, "bob")[2] == MONEY - 3 * 1067 + 3200
    chain.refused("not-due", "bank", K, "mark", S)


def test_without_trades_the_underlying_gives_the_price_and_else_the_last_one_stays(
    chain: Chain,
) -> None:
    cross(chain, "alice", "bob", PRICE, 1)
    next_day(chain)
    mark(chain)
    assert move_price(chain, 1100) == 1100
    assert get_values(chain, "Marked")[0][3] == "underlying"
    next_day(chain)
    assert mark(chain) == 1100
    assert get_values(chain, "Marked")[0][3] == "previous"


def test_a_day_of_trades_that_nobody_marked_is_not_lost(chain: Chain) -> None:
    cross(chain, "alice", "bob", 1100, 2)
    next_day(chain, 3)
    assert mark(chain) == 1100 and get_values(chain, "Marked")[0][3] == "trades"


def test_a_tiny_trade_sets_no_price_and_the_band_bounds_a_large_one() -> None:
    chain = make_futures_chain(volume_min=5)
    cross(chain, "alice", "bob", 1200, 4)
    next_day(chain)
    assert mark(chain) == PRICE
    cross(chain, "alice", "bob", 1200, 5)
    next_day(chain)
    assert mark(chain) == 1200
    # 4,000 kg of the underlying are less than five contracts of a tonne.
    trade_units(chain, 9000, 0, 4000)
    next_day(chain)
    assert mark(chain) == 1200
    trade_units(chain, 9000, 4000, 1000)
    next_day(chain)
    assert mark(chain) == 1200


def test_a_mark_goes_no_further_than_the_band(chain: Chain) -> None:
    assert move_price(chain, 5000) == 1200
    assert move_price(chain, 5000, 1000) == 1440
    assert move_price(chain, 10, 2000) == 1152


def test_gains_above_the_initial_margin_are_collected(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    chain.refused("nothing-free", "alice", K, "collect", S)
    chain.refused("no-position", "owner", K, "collect", S)
    move_price(chain, 1040)
    # 10 x 40 gained; the initial margin of 10,400 is 60 more.
    assert chain.ok("alice", K, "collect", S) == 340
    chain.refused("nothing-free", "alice", K, "collect", S)
    assert free(chain, "alice") == MONEY - 1500 + 340
    next_day(chain)
    chain.refused("mark-due", "alice", K, "collect", S)


# --- calls and defaults -----------------------------------------------------------------------


def test_who_falls_below_maintenance_is_topped_up_to_initial_margin(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    assert standing(chain, "bob")[5] == 1045
    move_price(chain, 1045)
    assert names(chain) == ["Marked", "Cleared"]
    # Lost 450: the equity of 1050 is above 10 % of 10,450 and below 15 %.
    assert standing(chain, "bob")[2:5] == [1050, 1568, 1045]
    move_price(chain, 1046, 1000)
    assert get_values(chain, "Called") == [[S, "bob", 1569 - 1040, 1569 - 1040]]
    assert standing(chain, "bob")[2] == 1569
    assert free(chain, "bob") == MONEY - 1500 - 529


def test_a_call_that_is_paid_in_part_may_be_enough(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    chain.ok("bob", K, "withdraw", CNY, MONEY - 1500 - 100)
    move_price(chain, 1050)
    assert get_values(chain, "Called") == [[S, "bob", 575, 100]]
    assert standing(chain, "bob")[:3] == [-10, 1100 + 10_500, 1100] and free(chain, "bob") == 0


def test_who_cannot_pay_is_reduced_against_the_book_first(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    mine = order(chain, "bob", "buy", 900, 1)
    drain(chain, "bob")
    asked = order(chain, "owner", "sell", 1065, 4)
    far = order(chain, "owner", "sell", 1150, 9)
    move_price(chain, 1060)
    # Equity 900 carries 5 of ten contracts at 159 each; four go to the book, at 5 more each.
    first, *rest = get_values(chain, "Reduced")
    assert first == [S, "bob", "owner", 4, 1065, 0]
    assert chain.view(F, "get_order", asked)[8] == "filled"
    assert chain.view(F, "get_order", mine)[8] == "cancelled"
    # 880 left carries five. The offer at 1150 would take 90 of it: as long as it is the member's
    # own loss the book goes before the other side.
    assert rest[0] == [S, "bob", "owner", 1, 1150, 0]
    assert held(chain, "bob") == -4 and rest[1][2:] == ["owner", 1, 1150, 0]
    assert standing(chain, "bob")[2] == 880 - 2 * 90
    assert held(chain, "alice") == 10 and held(chain, "owner") == -6
    assert chain.view(F, "get_order", far)[5] == 7
    assert chain.view(K, "get_state", S)[0] == "open"


def test_an_offer_that_costs_more_than_the_contracts_own_margin_is_not_met(chain: Chain) -> None:
    """90 lies behind each contract: an offer 100 above the mark would eat what the others have."""
    cross(chain, "alice", "bob", PRICE, 10)
    drain(chain, "bob")
    order(chain, "owner", "sell", 1160, 5)
    move_price(chain, 1060)
    assert get_values(chain, "Reduced") == [[S, "bob", "alice", 5, 1060, 0]]
    cross(chain, "alice", "owner", 1160, 5)
    assert standing(chain, "bob")[:3] == [-5, 900 + 5 * 1060, 900]


def test_with_an_empty_book_the_largest_of_the_other_side_is_closed(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 6)
    cross(chain, "owner", "bob", PRICE, 4)
    drain(chain, "bob")
    before = free(chain, "alice") + standing(chain, "alice")[2]
    move_price(chain, 1060)
    assert get_values(chain, "Reduced") == [[S, "bob", "alice", 5, 1060, 0]]
    assert (held(chain, "bob"), held(chain, "alice"), held(chain, "owner")) == (-5, 1, 4)
    # At the settlement price nobody loses by it.
    assert free(chain, "alice") + standing(chain, "alice")[2] == before + 6 * 60
    assert standing(chain, "bob")[2] == 900


def test_an_offer_without_margin_ends_and_the_next_is_met(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    drain(chain, "bob")
    hollow = order(chain, "owner", "sell", 1060, 3)
    order(chain, "bank", "sell", 1060, 9)
    drain(chain, "owner")
    move_price(chain, 1060)
    assert chain.view(F, "get_order", hollow)[8] == "cancelled"
    assert get_values(chain, "Reduced") == [[S, "bob", "bank", 5, 1060, 0]]


def test_offers_that_cannot_trade_are_cleared_away_by_a_default(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    drain(chain, "bob")
    late: int = chain.ok("owner", F, "place", S, "sell", 1060, 3, "gtt", chain.time + 3, 9)
    move_price(chain, 1060)
    assert chain.view(F, "get_order", late)[8] == "expired"
    assert get_values(chain, "Reduced") == [[S, "bob", "alice", 5, 1060, 0]]


def test_the_maker_pays_its_fee_when_it_takes_over_a_default() -> None:
    chain = make_futures_chain(maker_fee=2)
    cross(chain, "alice", "bob", PRICE, 10)
    drain(chain, "bob")
    before = free(chain, "exchange")
    order(chain, "owner", "sell", 1060, 5)
    move_price(chain, 1060)
    assert held(chain, "owner") == -5 and free(chain, "exchange") == before + 10


def test_a_loss_beyond_the_margin_is_borne_in_the_stated_order() -> None:
    """The member's part of the fund, the operator's stake, the others' parts, the other side."""
    chain = make_futures_chain(initial=1000, maintenance=1000, contribution=300, penalty=0)
    fund(chain, "exchange", 1000)
    chain.ok("exchange", K, "deposit", CNY, 1000)
    chain.refused("not-operator", "alice", K, "add_stake", S, 100)
    chain.refused("not-enough-margin", "exchange", K, "add_stake", S, 1001)
    chain.ok("exchange", K, "add_stake", S, 100)
    cross(chain, "alice", "bob", PRICE, 6)
    cross(chain, "owner", "bob", PRICE, 4)
    everybody = ("alice", "bob", "owner")
    parts = [standing(chain, name)[6] for name in everybody]
    assert parts == [180, 300, 120] and chain.view(K, "get_fund", S)[:3] == [100, 600, 600]
    drain(chain, *everybody)
    whole = total(chain, *everybody)
    move_price(chain, 1180)
    # Lost 1800 with a margin of 1000: 800 are missing, 300 + 100 + 300 are there.
    assert get_values(chain, "Covered") == [[S, "bob", 300, 100, 300]]
    assert get_values(chain, "Reduced") == [
        [S, "bob", "alice", 6, 1180, 60], [S, "bob", "owner", 4, 1180, 40],
    ]  # fmt: skip
    assert held(chain, "bob") == held(chain, "alice") == held(chain, "owner") == 0
    assert free(chain, "alice") == 600 + 6 * 180 - 60
    assert free(chain, "owner") == 400 + 4 * 180 - 40
    assert free(chain, "bob") == 0 and chain.view(K, "get_fund", S) == [0, 0, 0, 1]
    assert total(chain, *everybody) == whole
    assert chain.view(K, "get_interest", S) == 0


def test_a_fund_that_bears_the_loss_leaves_the_others_their_gain() -> None:
    chain = make_futures_chain(initial=1000, maintenance=1000, contribution=1000, penalty=0)
    cross(chain, "alice", "bob", PRICE, 10)
    cross(chain, "owner", "bank", PRICE, 30)
    drain(chain, "bob")
    move_price(chain, 1180)
    # 800 are missing: all of it bob's own part of 1000.
    assert get_values(chain, "Covered") == [[S, "bob", 800, 0, 0]]
    assert standing(chain, "bob")[6] == 200
    # The largest is owner, of the other side; the price is the mark's, and nobody lost by it.
    assert get_values(chain, "Reduced") == [[S, "bob", "owner", 10, 1180, 0]]
    assert free(chain, "alice") + standing(chain, "alice")[2] == MONEY - 1000 + 1800


def test_a_part_of_the_fund_is_given_back_one_mark_after_the_position(chain: Chain) -> None:
    chain = make_futures_chain(contribution=300)
    cross(chain, "alice", "bob", PRICE, 10)
    chain.refused("position-open", "alice", K, "redeem", S)
    cross(chain, "bob", "alice", PRICE, 10)
    assert free(chain, "alice") == MONEY - 300
    chain.refused("fund-bound", "alice", K, "redeem", S)
    next_day(chain)
    mark(chain)
    assert chain.ok("alice", K, "redeem", S) == 300
    chain.refused("nothing-free", "alice", K, "redeem", S)
    assert free(chain, "alice") == MONEY
    assert chain.ok("bob", K, "redeem", S) == 300
    assert chain.view(K, "get_fund", S) == [0, 0, 0, 1]


def test_a_suspended_member_is_marked_and_reduced_as_any_other(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    drain(chain, "bob")
    chain.ok("regulator", "identity", "suspend", "bob", "court order")
    next_day(chain)
    mark(chain)
    cross(chain, "owner", "bank", 1060, 10)
    next_day(chain)
    assert mark(chain) == 1060
    assert held(chain, "bob") == -5


def test_the_example_of_the_page() -> None:
    """docs/futures.md; money in 10^-4 of the currency."""
    chain = make_futures_chain(
        price=800_000, kg=1000, size_kg=1_000_000, tick=100, initial=1500, maintenance=1200,
        band=1000,
    )  # fmt: skip
    yuan = 10_000
    for name, more in (("alice", 70_000), ("bob", 100_000), ("owner", 50_000)):
        fund(chain, name, more * yuan - MONEY)
        chain.ok(name, K, "deposit", CNY, more * yuan - MONEY)
    cross(chain, "bob", "alice", 800_000, 5)
    assert standing(chain, "alice")[2] == standing(chain, "bob")[2] == 60_000 * yuan
    assert (free(chain, "alice"), free(chain, "bob")) == (10_000 * yuan, 40_000 * yuan)
    next_day(chain)
    mark(chain)
    # A day at 84.00 between others.
    fund(chain, "bank", 10**10)
    chain.ok("bank", K, "deposit", CNY, 10**10)
    order(chain, "owner", "sell", 845_000, 2)
    cross_price(chain, 840_000)
    assert standing(chain, "bob")[2] == 80_000 * yuan
    assert get_values(chain, "Called") == [[S, "alice", 23_000 * yuan, 10_000 * yuan]]
    assert get_values(chain, "Reduced") == [[S, "alice", "owner", 2, 845_000, 0]]
    assert standing(chain, "alice")[0] == -3 and standing(chain, "alice")[2] == 49_000 * yuan
    assert standing(chain, "owner")[:1] + standing(chain, "owner")[2:4] == [
        -2, 2 * 12_600 * yuan, 2 * 12_600 * yuan,
    ]  # fmt: skip


def cross_price(chain: Chain, price: int) -> None:
    """Mark at the price of a thousand tonnes of the underlying."""
    chain.issue("b1", 10**6, start=10**6)
    trade_units(chain, price, 10**6, 10**6)
    next_day(chain)
    assert mark(chain) == price


# --- many of them -----------------------------------------------------------------------------


def test_a_mark_that_one_transaction_cannot_work_off_halts_its_series() -> None:
    """25 members are called: twenty at once, and until the rest is done nothing else moves."""
    chain, crowd = make_crowd_chain(25)
    for name in crowd:
        cross(chain, "alice", name, PRICE, 10)
    chain.ok("exchange", K, "open_series", "OTHER", make_terms(chain), PRICE)
    next_day(chain)
    mark(chain)
    chain.ok("alice", K, "mark", "OTHER")
    trade_units(chain, 1050, 0, 1000)
    next_day(chain)
    chain.ok("alice", K, "mark", "OTHER")
    chain.refused("not-in-clearing", "alice", K, "clear", S)
    receipts, _ = chain.run(chain.make("alice", Call(K, "mark", (S,)), gas=10_000_000))
    assert receipts[0].status == "ok" and receipts[0].gas < 2_000_000
    assert len(get_values(chain, "Called")) == 20 and "Cleared" not in names(chain)
    assert chain.view(K, "get_state", S)[0] == "clearing"
    orders: list[Value] = ["buy", PRICE, 1, "ioc", 0, 9]
    chain.refused("not-open", "alice", F, "place", S, *orders)
    chain.refused("in-clearing", "alice", F, "place", "OTHER", *orders)
    chain.refused("in-clearing", "alice", K, "withdraw", CNY, 1)
    chain.refused("not-open", "alice", K, "mark", S)
    chain.refused("not-open", "alice", K, "collect", S)
    chain.ok("bank", K, "clear", S)
    assert len(get_values(chain, "Called")) == 5 and names(chain)[-1] == "Cleared"
    chain.ok("alice", K, "withdraw", CNY, 1)
    for name in crowd:
        assert standing(chain, name)[2] >= standing(chain, name)[3]


def test_a_default_against_many_goes_on_in_the_next_transaction() -> None:
    """One short position of 250 against 25 long ones, without anything behind it."""
    chain, crowd = make_crowd_chain(25, initial=1000, maintenance=1000)
    for name in crowd:
        cross(chain, name, "bob", PRICE, 10)
    drain(chain, "bob", *crowd)
    fund(chain, "bob", 2000)
    move_price(chain, 1150)
    assert 250 > -held(chain, "bob") > 0
    closed = 0
    while chain.view(K, "get_state", S)[0] == "clearing":
        chain.ok("bank", K, "clear", S)
        closed += len(get_values(chain, "Reduced"))
    assert held(chain, "bob") == 0 == chain.view(K, "get_interest", S)
    # Lost 150 a contract with a margin of 100: the others have 150 - 50 of it, and their margin.
    assert [free(chain, name) for name in crowd] == [10 * 200] * 25
    assert free(chain, "bob") == 0


# --- at the end -------------------------------------------------------------------------------


def test_a_cash_series_ends_at_the_average_of_the_underlyings_last_days(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    next_day(chain)
    mark(chain)
    chain.time = get_midnight(chain, DAYS - 4)
    mark(chain)
    trade_units(chain, 1300, 0, 1000)
    next_day(chain)
    mark(chain)
    trade_units(chain, 1600, 1000, 2000)
    next_day(chain, 2)
    mark_day = chain.view(K, "get_state", S)[2]
    assert mark(chain) == 1500
    (values,) = get_values(chain, "Marked")
    assert values[1] > mark_day and values[2:] == [1500, "final", True]
    assert chain.view(K, "get_state", S)[0] == "settling"
    chain.refused("not-open", "exchange", K, "add_stake", S, 1)
    chain.refused("not-open", "alice", K, "mark", S)
    assert free(chain, "alice") + standing(chain, "alice")[2] == MONEY + 5000


def test_only_the_contract_delivery_settles_positions(chain: Chain) -> None:
    chain.refused("not-delivery", "alice", K, "set_aside", S, "bob", 1)
    chain.refused("not-delivery", "alice", K, "settle", S, "bob", 1, 0)
    chain.refused("not-the-book", "alice", K, "trade", S, "alice", "bob", 1, PRICE, 0, 0)
    chain.refused("not-settling", "alice", K, "finish", S)


def test_terms_name_a_book_of_the_same_currency(chain: Chain) -> None:
    open_book(chain, "b2", terms=["EUR", 1, 1, 0, 0, 10_000])
    terms = make_terms(chain, underlying="b2", currency="EUR")
    chain.ok("exchange", K, "open_series", "E", terms, PRICE)
