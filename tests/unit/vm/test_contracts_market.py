"""The contract ``market``: priority, partial fills, forces, fees, rounding, breaker, settlement."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.transaction import Call
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import DAY, HASH, Chain
from tests.unit.vm.market_chain import (
    CAP,
    CNY,
    TERMS,
    YEAR,
    C,
    M,
    buy,
    make_trading_chain,
    open_book,
    sell,
)

U, R = "units", "retirement"
T = 1000
"""A price of 1000 a tonne is 1 a kilogram: amounts in the tests are kilograms then."""
MONEY = 10**9


@pytest.fixture
def chain() -> Chain:
    return make_trading_chain()


def status(chain: Chain, order: int) -> tuple[str, int]:
    found = chain.view(M, "get_order", order)
    return found[13], found[5]


def money(chain: Chain, name: str) -> list[int]:
    """[free, held]"""
    found: list[int] = chain.view(C, "account_of", name, CNY)[:2]
    return found


def depth(chain: Chain, side: str, book: str = "b1") -> list[list[int]]:
    found: list[list[int]] = chain.view(M, "list_resting", book, side, 0, 0, 100)
    return found


def test_a_sale_rests_with_its_serials_locked_and_trades_at_its_price(chain: Chain) -> None:
    asked = sell(chain, "owner", 2 * T, 100, 200)
    assert [(event.contract, event.name) for event in chain.events] == [
        (U, "Locked"), (M, "Placed"), (M, "Rested"),
    ]  # fmt: skip
    assert chain.view(U, "get_lot_at", "b1", 150)[2:4] == ["owner", "locked"]
    lock = chain.view(U, "get_lock", "b1", 200)
    assert lock[:3] == ["order", "market", f"order:{asked}"]
    assert depth(chain, "sell") == [[asked, 2 * T, 100]]
    assert chain.view(M, "orders_of", "owner", 0, 9) == [asked]
    bid = buy(chain, "alice", 3 * T, 100)
    names = [(event.contract, event.name) for event in chain.events]
    assert names == [
        (M, "Placed"), (U, "Transferred"), (M, "Ended"), (M, "Traded"), (C, "Settled"),
        (M, "Ended"),
    ]  # fmt: skip
    assert status(chain, asked) == ("filled", 0) == status(chain, bid)
    assert chain.view(U, "get_lot_at", "b1", 150)[:4] == [100, 200, "alice", "active"]
    assert money(chain, "alice") == [MONEY - 200, 0] and money(chain, "owner") == [200, 0]
    assert depth(chain, "sell") == [] == chain.view(M, "orders_of", "owner", 0, 9)
    assert chain.view(M, "get_ticker", "b1") == [2 * T, 1, 100, False]
    (trade,) = chain.view(M, "trades_of", "b1", 0, 9)
    expected = [2 * T, 100, 200, 0, 0, "alice", "owner", asked, bid, "b1", 100]
    assert trade == [*expected, chain.time, chain.height]


def test_a_purchase_rests_with_its_money_held(chain: Chain) -> None:
    bid = buy(chain, "alice", 2 * T, 100)
    assert money(chain, "alice") == [MONEY - 200, 200]
    assert chain.view(C, "holds_of", "alice", CNY, "", 9) == [[f"order:{bid}", 200]]
    assert depth(chain, "buy") == [[bid, 2 * T, 100]]
    asked = sell(chain, "owner", T, 0, 60)
    assert status(chain, bid) == ("partial", 40) and status(chain, asked) == ("filled", 0)
    assert money(chain, "alice") == [MONEY - 200, 80] and money(chain, "owner") == [120, 0]
    asked = sell(chain, "owner", T, 60, 160)
    assert status(chain, bid) == ("filled", 0) and status(chain, asked) == ("partial", 60)
    assert money(chain, "alice") == [MONEY - 200, 0] and money(chain, "owner") == [200, 0]
    assert chain.view(C, "holds_of", "alice", CNY, "", 9) == []
    assert depth(chain, "buy") == [] and depth(chain, "sell") == [[asked, T, 60]]
    assert chain.view(U, "lots_of", "b1", 0, 9) == [
        [0, 60, "alice", "active", 3], [60, 100, "alice", "active", 3],
        [100, 160, "owner", "locked", 2], [160, 1000, "owner", "active", 1],
    ]  # fmt: skip


def test_the_best_price_trades_first_and_then_who_came_first(chain: Chain) -> None:
    prices = [3, 1, 2, 1]
    asks = [sell(chain, "owner", p * T, 10 * n, 10 * n + 10) for n, p in enumerate(prices)]
    assert [row[0] for row in depth(chain, "sell")] == [asks[1], asks[3], asks[2], asks[0]]
    rows = chain.view(M, "list_resting", "b1", "sell", T, asks[1], 2)
    assert [row[0] for row in rows] == [asks[3], asks[2]]
    buy(chain, "alice", 2 * T, 25)
    trades = chain.view(M, "trades_of", "b1", 0, 9)
    assert [(trade[7], trade[0], trade[1]) for trade in trades] == [
        (asks[1], T, 10), (asks[3], T, 10), (asks[2], 2 * T, 5),
    ]  # fmt: skip
    assert [row[::2] for row in depth(chain, "sell")] == [[asks[2], 5], [asks[0], 10]]


def test_the_highest_bid_is_hit_first_and_then_who_came_first(chain: Chain) -> None:
    bids = [buy(chain, "alice", p * T, 10) for p in (1, 3, 2, 3)]
    assert [row[0] for row in depth(chain, "buy")] == [bids[1], bids[3], bids[2], bids[0]]
    rows = chain.view(M, "list_resting", "b1", "buy", 3 * T, bids[3], 9)
    assert [row[0] for row in rows] == [bids[2], bids[0]]
    sell(chain, "owner", 2 * T, 0, 25)
    trades = chain.view(M, "trades_of", "b1", 0, 9)
    assert [(trade[7], trade[0], trade[1]) for trade in trades] == [
        (bids[1], 3 * T, 10), (bids[3], 3 * T, 10), (bids[2], 2 * T, 5),
    ]  # fmt: skip
    assert chain.view(M, "trades_of", "b1", 2, 9) == trades[2:]


def test_an_order_meets_more_than_a_page_of_resting_ones(chain: Chain) -> None:
    for n in range(20):
        sell(chain, "owner", T + n, n, n + 1)
    bid = buy(chain, "alice", T + 18, 30)
    assert status(chain, bid) == ("partial", 11)
    assert [trade[0] for trade in chain.view(M, "trades_of", "b1", 0, 99)] == [
        T + n for n in range(19)
    ]


@pytest.mark.parametrize("count", [8, 16])
def test_an_order_that_takes_whole_pages_takes_no_more(chain: Chain, count: int) -> None:
    """A page holds eight: the ninth must not be touched when eight are enough."""
    for n in range(count + 1):
        sell(chain, "owner", T, n, n + 1)
    bid = buy(chain, "alice", T, count)
    assert status(chain, bid) == ("filled", 0) and len(depth(chain, "sell")) == 1


def test_immediate_or_cancel_leaves_nothing_resting(chain: Chain) -> None:
    sell(chain, "owner", T, 0, 10)
    bid = buy(chain, "alice", T, 30, force="ioc")
    assert status(chain, bid) == ("cancelled", 20)
    assert chain.events[-1].values[3] == "ioc"
    assert depth(chain, "buy") == [] and money(chain, "alice") == [MONEY - 10, 0]
    buy(chain, "bob", T, 10)
    asked = sell(chain, "owner", T, 10, 40, force="ioc")
    assert status(chain, asked) == ("cancelled", 20)
    assert chain.view(U, "get_lot_at", "b1", 20)[:4] == [20, 40, "owner", "active"]


def test_fill_or_kill_is_all_or_nothing(chain: Chain) -> None:
    sell(chain, "owner", T, 0, 10)
    sell(chain, "owner", 2 * T, 10, 20)
    chain.refused("not-filled", "alice", M, "buy", "b1", T, 11, "fok", 0, CAP, "")
    chain.refused("not-filled", "alice", M, "buy", "b1", 2 * T, 21, "fok", 0, CAP, "")
    bid = buy(chain, "alice", 2 * T, 20, force="fok")
    assert status(chain, bid) == ("filled", 0)


def test_time_ends_an_order_by_the_blocks_time(chain: Chain) -> None:
    old = sell(chain, "owner", T, 0, 10, seconds=100)
    until = chain.view(M, "get_order", old)[10]
    young = sell(chain, "owner", T, 10, 20, seconds=1000)
    held = buy(chain, "alice", 1, 10, seconds=100)
    chain.time = until - 2
    chain.refused("not-due", "bob", M, "expire", [old])
    bid = buy(chain, "bob", T, 10)
    # The moment it ends, the order no longer trades; whoever meets it sweeps it.
    assert [trade[7] for trade in chain.view(M, "trades_of", "b1", 0, 9)] == [young]
    assert status(chain, old) == ("expired", 10) and status(chain, bid) == ("filled", 0)
    assert chain.view(U, "get_lot_at", "b1", 0)[2:4] == ["owner", "active"]
    chain.time += 100
    chain.ok("bob", M, "expire", [held])
    assert status(chain, held) == ("expired", 10) and money(chain, "alice") == [MONEY, 0]
    chain.refused("order-expired", "bob", M, "expire", [held])


def test_an_order_still_trades_in_the_last_second(chain: Chain) -> None:
    asked = sell(chain, "owner", T, 0, 10, seconds=100)
    chain.time = chain.view(M, "get_order", asked)[10] - 2
    bid = buy(chain, "alice", T, 10)
    assert status(chain, bid) == ("filled", 0)


def test_its_owner_or_a_regulator_cancels(chain: Chain) -> None:
    asked = sell(chain, "owner", T, 0, 10)
    bid = buy(chain, "alice", T - 1, 10)
    chain.refused("not-permitted", "bob", M, "cancel", asked)
    chain.refused("not-permitted", "exchange", M, "cancel", asked)
    chain.ok("owner", M, "cancel", asked)
    assert chain.events[-1].values == (asked, "cancelled", 10, "cancelled")
    chain.ok("regulator", M, "cancel", bid)
    assert chain.events[-1].values == (bid, "cancelled", 10, "regulator")
    assert money(chain, "alice") == [MONEY, 0]
    chain.ok("owner", U, "transfer", "b1", 0, 10, "bob")
    assert depth(chain, "sell") == [] == depth(chain, "buy")
    chain.refused("order-cancelled", "owner", M, "cancel", asked)
    chain.refused("no-order", "owner", M, "cancel", 99)


def test_what_was_not_yet_sold_comes_back(chain: Chain) -> None:
    asked = sell(chain, "owner", T, 0, 100)
    buy(chain, "alice", T, 30)
    chain.ok("owner", M, "cancel", asked)
    assert status(chain, asked) == ("cancelled", 70)
    assert chain.view(U, "get_lot_at", "b1", 50)[:4] == [30, 100, "owner", "active"]
    bid = buy(chain, "alice", T, 100)
    sell(chain, "owner", T, 30, 60)
    chain.ok("alice", M, "cancel", bid)
    assert status(chain, bid) == ("cancelled", 70) and money(chain, "alice") == [MONEY - 60, 0]


def test_nobody_trades_with_itself(chain: Chain) -> None:
    chain.ok("owner", U, "transfer", "b1", 0, 100, "alice")
    sell(chain, "owner", T, 100, 110)
    sell(chain, "alice", T, 0, 10)
    chain.refused("self-trade", "alice", M, "buy", "b1", T, 11, "ioc", 0, CAP, "")
    buy(chain, "alice", T, 10, force="fok")
    buy(chain, "alice", T - 1, 10)


def test_what_is_bought_to_retire_is_retired_for_the_buyer(chain: Chain) -> None:
    asked = sell(chain, "owner", T, 0, 10)
    buy(chain, "alice", T, 4, purpose="offset 2024")
    assert chain.view(U, "get_lot_at", "b1", 0)[:4] == [0, 4, "alice", "retired"]
    made = chain.view(R, "certificate", 1)
    assert made[1:9] == ["retirement", [["b1", 0, 4]], ["project"], [2024], 4, "alice", "alice", ""]
    assert made[10] == "offset 2024" and chain.view(R, "retired_for", "alice") == 4
    assert status(chain, asked) == ("partial", 6)
    # A resting purchase retires, too, whoever fills it.
    bid = buy(chain, "bob", T // 2, 5, purpose="resting")
    sell(chain, "owner", T // 2, 20, 25)
    assert status(chain, bid) == ("filled", 0)
    assert chain.view(U, "get_lot_at", "b1", 20)[:4] == [20, 25, "bob", "retired"]
    assert chain.view(R, "total") == [9, 0] and chain.view(U, "balance_of", "bob", "b1") == 0


def test_the_remainder_goes_to_the_seller_once_an_order(chain: Chain) -> None:
    """7 kg at 1/3 of a unit each are 2.331: by kilogram 1 0 0 1 0 0 1, and 3 in all."""
    asked = sell(chain, "owner", 333, 0, 7)
    for _ in range(7):
        buy(chain, "alice", 333, 1)
    paid = [trade[2] for trade in chain.view(M, "trades_of", "b1", 0, 9)]
    assert paid == [1, 0, 0, 1, 0, 0, 1] and status(chain, asked) == ("filled", 0)
    assert money(chain, "owner") == [3, 0] and money(chain, "alice") == [MONEY - 3, 0]
    # A purchase that rests holds exactly what all its fills can cost.
    bid = buy(chain, "bob", 333, 7)
    assert money(chain, "bob") == [MONEY - 3, 3]
    for n in range(7):
        sell(chain, "owner", 333, 10 + n, 11 + n)
    assert status(chain, bid) == ("filled", 0) and money(chain, "bob") == [MONEY - 3, 0]


FEES: list[Any] = [CNY, 1, 1, 10, 30, 10_000]
"""0.1 % for who rests, 0.3 % for who takes."""


def test_fees_go_to_the_exchange_and_are_rounded_down() -> None:
    chain = make_trading_chain(FEES)
    sell(chain, "owner", 9999 * T, 0, 1)
    buy(chain, "alice", 9999 * T, 1)
    # 9999 x 0.1 % = 9.999, 9999 x 0.3 % = 29.997.
    assert money(chain, "alice") == [MONEY - 9999 - 29, 0]
    assert money(chain, "owner") == [9999 - 9, 0] and money(chain, "exchange") == [38, 0]
    (trade,) = chain.view(M, "trades_of", "b1", 0, 9)
    assert trade[2:5] == [9999, 9, 29]
    buy(chain, "bob", 9999 * T, 2)
    # It holds 19998 and 0.1 % of it, 19.998; the two fills take 9 each, and 1 comes back.
    assert money(chain, "bob") == [MONEY - 20017, 20017]
    for n in (1, 2):
        sell(chain, "owner", 9999 * T, n, n + 1)
    assert money(chain, "bob") == [MONEY - 20016, 0]
    assert money(chain, "owner") == [9999 - 9 + 2 * (9999 - 29), 0]
    assert money(chain, "exchange") == [3 * 38, 0]


def test_the_buyer_names_the_highest_fee() -> None:
    chain = make_trading_chain(FEES)
    until = chain.time + DAY
    chain.refused("fee-above-cap", "alice", M, "buy", "b1", T, 1, "ioc", 0, 29, "")
    chain.ok("alice", M, "buy", "b1", T, 1, "ioc", 0, 30, "")
    chain.ok("exchange", M, "set_rates", "b1", 31, 30)
    chain.ok("alice", M, "buy", "b1", T, 1, "ioc", 0, 30, "")
    # What may rest may pay the maker's rate.
    chain.refused("fee-above-cap", "alice", M, "buy", "b1", T, 1, "gtt", until, 30, "")
    chain.refused("fee-above-cap", "owner", M, "sell", "b1", T, "b1", 0, 1, "gtt", until, 30)
    chain.ok("alice", M, "buy", "b1", T, 1, "gtt", until, 31, "")


def test_a_resting_order_keeps_its_rate() -> None:
    chain = make_trading_chain(FEES)
    bid = buy(chain, "alice", 1000 * T, 10)
    chain.ok("exchange", M, "set_rates", "b1", 1000, 0)
    assert chain.view(M, "get_book", "b1") == ["exchange", "b1", [CNY, 1, 1, 1000, 0, 10_000]]
    sell(chain, "owner", 1000 * T, 0, 10)
    assert status(chain, bid) == ("filled", 0)
    assert money(chain, "alice") == [MONEY - 10_010, 0] and money(chain, "exchange") == [10, 0]


BAND: list[Any] = [CNY, 1, 1, 0, 0, 1000]
"""10 % round the last trade."""


def make_banded(last: int = 100 * T) -> Chain:
    chain = make_trading_chain(BAND)
    sell(chain, "owner", last, 0, 1)
    buy(chain, "bob", last, 1)
    return chain


def test_a_price_outside_the_band_halts_the_book() -> None:
    chain = make_banded()
    inside = sell(chain, "owner", 110 * T, 10, 20)
    outside = sell(chain, "owner", 110 * T + 1, 20, 30)
    bid = buy(chain, "alice", 200 * T, 15)
    assert status(chain, inside) == ("filled", 0) and status(chain, outside) == ("open", 10)
    assert status(chain, bid) == ("cancelled", 5)
    events = [event for event in chain.events if event.contract == M][-2:]
    assert [event.name for event in events] == ["Halted", "Ended"]
    assert events[0].values == ("b1", 110 * T + 1, 100 * T, "band")
    assert events[1].values == (bid, "cancelled", 5, "halted")
    assert chain.view(M, "get_ticker", "b1") == [110 * T, 2, 11, True]
    arguments = ("b1", T, 1, "ioc", 0, CAP, "")
    chain.refused("book-halted", "alice", M, "buy", *arguments)
    chain.refused("book-halted", "owner", M, "sell", "b1", T, "b1", 50, 51, "ioc", 0, CAP)
    chain.ok("owner", M, "cancel", outside)
    chain.refused("not-a-regulator", "exchange", M, "reopen", "b1", 0)
    chain.ok("regulator", M, "reopen", "b1", 150 * T)
    assert chain.view(M, "get_ticker", "b1") == [150 * T, 2, 11, False]
    chain.ok("alice", M, "buy", *arguments)


def test_the_band_has_two_sides_and_its_edge_is_inside() -> None:
    chain = make_banded()
    low = buy(chain, "alice", 90 * T, 1)
    sell(chain, "owner", T, 1, 2)
    assert status(chain, low) == ("filled", 0)
    chain.ok("regulator", M, "halt", "b1", "news")
    chain.ok("regulator", M, "reopen", "b1", 100 * T)
    lower = buy(chain, "alice", 90 * T - 1, 1)
    asked = sell(chain, "owner", T, 2, 3)
    assert status(chain, lower) == ("open", 1) and status(chain, asked) == ("cancelled", 1)
    assert chain.view(M, "get_ticker", "b1")[3]
    assert chain.view(U, "get_lot_at", "b1", 2)[2:4] == ["owner", "active"]


def test_one_order_does_not_walk_the_price_away() -> None:
    """Each step is within 10 % of the one before; the band lies round the last earlier order's."""
    chain = make_banded()
    for n, price in enumerate((105, 110, 115)):
        sell(chain, "owner", price * T, 10 + n, 11 + n)
    bid = buy(chain, "alice", 200 * T, 3)
    assert status(chain, bid) == ("cancelled", 1)


def test_an_order_whose_time_is_over_halts_nothing() -> None:
    chain = make_banded()
    old = sell(chain, "owner", 120 * T, 10, 20, seconds=10)
    chain.time += 100
    bid = buy(chain, "alice", 130 * T, 5)
    assert status(chain, old) == ("expired", 10) and status(chain, bid) == ("open", 5)


def test_without_a_last_trade_there_is_no_band() -> None:
    chain = make_banded()
    chain.ok("regulator", M, "halt", "b1", "news")
    chain.ok("regulator", M, "reopen", "b1", 0)
    sell(chain, "owner", 900 * T, 1, 2)
    bid = buy(chain, "alice", 900 * T, 1)
    assert status(chain, bid) == ("filled", 0)


def test_fill_or_kill_outside_the_band_changes_nothing() -> None:
    chain = make_banded()
    sell(chain, "owner", 100 * T, 9, 10)
    sell(chain, "owner", 120 * T, 10, 20)
    chain.refused("not-filled", "alice", M, "buy", "b1", 200 * T, 2, "fok", 0, CAP, "")
    assert not chain.view(M, "get_ticker", "b1")[3]


def test_one_order_meets_fifty_at_most(chain: Chain) -> None:
    for n in range(52):
        sell(chain, "owner", T, n, n + 1)
    chain.time += 1
    call = Call(M, "buy", ("b1", T, 52, "gtt", chain.time + DAY, CAP, ""))
    receipts, _ = chain.run(chain.make("alice", call, gas=10_000_000))
    assert receipts[0].status == "ok"
    assert status(chain, receipts[0].values[0]) == ("cancelled", 2)
    assert chain.events[-1].values[3] == "match-limit"
    assert len(depth(chain, "sell")) == 2


def test_orders_of_a_suspended_organisation_end_when_they_are_met(chain: Chain) -> None:
    chain.ok("owner", U, "transfer", "b1", 0, 100, "bob")
    asked = sell(chain, "bob", T, 0, 10)
    bid = buy(chain, "bob", T // 2, 10)
    chain.ok("regulator", "identity", "suspend", "bob", "fraud")
    met = buy(chain, "alice", T, 5)
    assert status(chain, asked) == ("cancelled", 10) and status(chain, met) == ("open", 5)
    assert chain.view(U, "get_lot_at", "b1", 0)[2:4] == ["bob", "active"]
    chain.ok("alice", M, "cancel", met)
    sold = sell(chain, "owner", T // 2, 100, 110)
    assert status(chain, bid) == ("cancelled", 10) and status(chain, sold) == ("open", 10)
    assert money(chain, "bob") == [MONEY, 0]


def test_a_key_that_was_just_changed_trades_nothing(chain: Chain) -> None:
    proposal = chain.ok("regulator", "governance", "propose_key_delay", 60)
    chain.ok("regulator", "governance", "execute", proposal)
    for name in ("alice", "owner"):
        chain.ok(name, "identity", "add_key", name, at.address_of(f"new-{name}"))
    chain.refused("key-delay", "alice", M, "buy", "b1", T, 1, "ioc", 0, CAP, "")
    chain.refused("key-delay", "owner", M, "sell", "b1", T, "b1", 0, 1, "ioc", 0, CAP)


def test_a_verifier_buys_nothing_of_what_it_verified(chain: Chain) -> None:
    chain.ok("mint", C, "issue", CNY, "verifier", MONEY, "")
    chain.refused("verifier-holds", "verifier", M, "buy", "b1", T, 1, "ioc", 0, CAP, "")
    imported = ("ACR", "a", "p", 2005, "alice", 0, 10, 10, 0, HASH, "line 1", "i1")
    chain.ok("registry", U, "issue_imported", *imported)
    open_book(chain, "a", "a")
    sell(chain, "alice", T, 0, 10, book="a", batch="a")
    buy(chain, "verifier", T, 10, book="a", force="fok")


def test_a_purchase_ends_when_its_owner_verified_the_project_since(chain: Chain) -> None:
    chain.ok("regulator", "identity", "register", "both", "Both", "CN", ["verifier", "enterprise"],
             [at.address_of("both")])  # fmt: skip
    forest = at.FOREST
    accredited = ("both", forest.scope, forest.valid_from, forest.valid_until)
    chain.ok("regulator", "identity", "accredit", *accredited)
    chain.ok("mint", C, "issue", CNY, "both", MONEY, "")
    bid = buy(chain, "both", T, 10)
    later = buy(chain, "alice", T, 10)
    attested = ("r2", "project", 2024, "forest", 5, "owner", HASH)
    chain.ok("both", U, "attest", *attested)
    sell(chain, "owner", T, 0, 10)
    assert status(chain, bid) == ("cancelled", 10) and status(chain, later) == ("filled", 0)


def test_money_that_is_not_there_buys_nothing(chain: Chain) -> None:
    sell(chain, "owner", T, 0, 100)
    until = chain.time + DAY
    for force, end in (("gtt", until), ("ioc", 0), ("fok", 0)):
        arguments = ("b1", T, 10, force, end, CAP, "")
        chain.refused("not-enough-money", "metering", M, "buy", *arguments)
    chain.ok("alice", C, "transfer", CNY, "metering", 10, "")
    chain.refused("not-enough-money", "metering", M, "buy", "b1", T, 11, "gtt", until, CAP, "")
    buy(chain, "metering", T, 10)


def test_locked_serials_do_not_move_by_any_other_road(chain: Chain) -> None:
    sell(chain, "owner", T, 0, 100)
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 0, 100, "bob")
    chain.refused("lot-locked", "owner", R, "retire", "b1", 0, 100, "bob", "x")
    chain.refused("lot-locked", "owner", U, "split", "b1", 50)
    chain.refused("lot-locked", "owner", U, "lock", "b1", 0, 100, "pledge", "bank", "")
    chain.refused("lot-locked", "regulator", U, "lock", "b1", 0, 100, "court", "regulator", "")
    for name in ("owner", "regulator", "exchange"):
        chain.refused("not-holder", name, U, "unlock", "b1", 0, 100)
    chain.refused("lot-locked", "owner", M, "sell", "b1", T, "b1", 0, 9, "gtt", chain.time + 9, CAP)
    # A lock that the owner gives to somebody is not the market's.
    chain.refused("no-holder", "owner", U, "lock", "b1", 100, 200, "order", "market", "")


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("no-book", {0: "b9"}),
        ("bad-price", {1: 0}),
        ("bad-price", {1: -T}),
        ("bad-price", {1: 10**12 + 10}),
        ("bad-price", {1: 5}),
        ("bad-amount", {2: 0}),
        ("bad-amount", {2: -2}),
        ("bad-amount", {2: 10**12 + 2}),
        ("bad-amount", {2: 3}),
        ("bad-force", {3: ""}),
        ("bad-force", {3: "gtc"}),
        ("bad-expiry", {4: 0}),
        ("bad-expiry", {3: "ioc"}),
        ("bad-expiry", {3: "fok"}),
        ("fee-above-cap", {5: -1}),
        ("bad-text", {6: "x" * 257}),
    ],
)
def test_a_purchase_is_refused(code: str, changes: dict[int, Any]) -> None:
    chain = make_trading_chain([CNY, 10, 2, 0, 0, 1])
    arguments = {0: "b1", 1: T, 2: 2, 3: "gtt", 4: chain.time + 10, 5: 0, 6: ""}
    chain.ok("alice", M, "buy", *arguments.values())
    chain.refused(code, "alice", M, "buy", *(arguments | changes).values())


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("no-book", {0: "b9"}),
        ("bad-price", {1: 5}),
        ("bad-amount", {3: 8}),
        ("bad-amount", {4: 9}),
        ("wrong-batch", {2: "b2"}),
        ("bad-range", {3: -2}),
        ("no-lot", {3: 1000, 4: 1002}),
        ("bad-expiry", {6: 0}),
    ],
)
def test_a_sale_is_refused(code: str, changes: dict[int, Any]) -> None:
    chain = make_trading_chain([CNY, 10, 2, 0, 0, 1])
    arguments = {0: "b1", 1: T, 2: "b1", 3: 4, 4: 8, 5: "gtt", 6: chain.time + 10, 7: 0}
    if changes == {3: -2}:
        changes = {3: -2, 4: 2}
    chain.refused(code, "owner", M, "sell", *(arguments | changes).values())
    chain.refused("not-owner", "bob", M, "sell", *arguments.values())
    chain.ok("owner", M, "sell", *arguments.values())


def test_the_furthest_expiry_is_a_year_away(chain: Chain) -> None:
    until = chain.time + 1 + YEAR
    chain.refused("bad-expiry", "alice", M, "buy", "b1", T, 1, "gtt", until + 1, CAP, "")
    chain.ok("alice", M, "buy", "b1", T, 1, "gtt", until + 1, CAP, "")
    chain.refused("bad-expiry", "alice", M, "buy", "b1", T, 1, "gtt", chain.time + 1, CAP, "")


@pytest.mark.parametrize(
    ("code", "sender", "book", "batch", "terms"),
    [
        ("bad-currency", "exchange", "b2", "b1", {0: "CNYX"}),
        ("bad-step", "exchange", "b2", "b1", {1: 0}),
        ("bad-step", "exchange", "b2", "b1", {1: 10**12 + 1}),
        ("bad-step", "exchange", "b2", "b1", {2: 0}),
        ("bad-step", "exchange", "b2", "b1", {2: 10**12 + 1}),
        ("bad-rate", "exchange", "b2", "b1", {3: -1}),
        ("bad-rate", "exchange", "b2", "b1", {3: 1001}),
        ("bad-rate", "exchange", "b2", "b1", {4: -1}),
        ("bad-rate", "exchange", "b2", "b1", {4: 1001}),
        ("bad-band", "exchange", "b2", "b1", {5: 0}),
        ("bad-band", "exchange", "b2", "b1", {5: 10_001}),
        ("no-batch", "exchange", "b2", "b9", {}),
        ("bad-id", "exchange", "", "b1", {}),
        ("bad-id", "exchange", "a/b", "b1", {}),
        ("bad-id", "exchange", "\u00e9", "b1", {}),
        ("not-an-exchange", "bob", "b2", "b1", {}),
        ("not-an-exchange", "regulator", "b2", "b1", {}),
        ("book-exists", "exchange", "b1", "b1", {}),
    ],
)
def test_a_book_is_refused(
    chain: Chain, code: str, sender: str, book: str, batch: str, terms: dict[int, Any]
) -> None:
    changed = list((dict(enumerate(TERMS)) | terms).values())
    chain.refused(code, sender, M, "open_book", book, batch, changed)


def test_an_exchange_runs_its_books(chain: Chain) -> None:
    open_book(chain, "b1-eur", terms=["EUR", 5, 10, 1, 2, 3])
    assert [event.name for event in chain.events] == ["BookOpened"]
    assert chain.view(M, "get_book", "b1-eur") == ["exchange", "b1", ["EUR", 5, 10, 1, 2, 3]]
    assert chain.view(M, "list_books", "", 9) == ["b1", "b1-eur"]
    assert chain.view(M, "list_books", "b1", 9) == ["b1-eur"]
    chain.refused("not-operator", "bob", M, "set_rates", "b1", 1, 1)
    chain.refused("no-book", "exchange", M, "set_rates", "b9", 1, 1)
    chain.refused("bad-rate", "exchange", M, "set_rates", "b1", 1001, 1)
    chain.refused("bad-rate", "exchange", M, "set_rates", "b1", 1, -1)
    chain.refused("bad-text", "regulator", M, "halt", "b1", "")
    chain.refused("bad-text", "regulator", M, "halt", "b1", "x" * 257)
    chain.refused("no-book", "regulator", M, "halt", "b9", "news")
    chain.refused("not-a-regulator", "exchange", M, "halt", "b1", "news")
    chain.refused("not-halted", "regulator", M, "reopen", "b1", 0)
    chain.ok("regulator", M, "halt", "b1", "news")
    chain.refused("book-halted", "regulator", M, "halt", "b1", "news")
    chain.refused("bad-price", "regulator", M, "reopen", "b1", -1)
    chain.refused("bad-price", "regulator", M, "reopen", "b1", 10**12 + 1)
    chain.refused("no-book", "regulator", M, "reopen", "b9", 0)


def test_the_books_of_an_exchange_that_is_none_any_more_stand_still(chain: Chain) -> None:
    asked = sell(chain, "owner", T, 0, 10)
    chain.ok("regulator", "identity", "suspend", "exchange", "audit")
    chain.refused("no-operator", "alice", M, "buy", "b1", T, 1, "ioc", 0, CAP, "")
    chain.refused("no-operator", "owner", M, "sell", "b1", T, "b1", 20, 21, "ioc", 0, CAP)
    chain.ok("owner", M, "cancel", asked)


def test_sweeps_and_pages_have_their_bounds(chain: Chain) -> None:
    asked = sell(chain, "owner", T, 0, 10)
    chain.refused("bad-list", "bob", M, "expire", [])
    chain.refused("bad-list", "bob", M, "expire", [asked] * 51)
    chain.refused("no-order", "bob", M, "expire", [99])
    for limit in (0, 101):
        chain.view_refused("bad-limit", M, "list_books", "", limit)
        chain.view_refused("bad-limit", M, "orders_of", "owner", 0, limit)
        chain.view_refused("bad-limit", M, "list_resting", "b1", "sell", 0, 0, limit)
        chain.view_refused("bad-limit", M, "trades_of", "b1", 0, limit)
    chain.view_refused("no-order", M, "get_order", 99)
    chain.view_refused("no-book", M, "get_book", "b9")
    chain.view_refused("no-book", M, "get_ticker", "b9")
    chain.view_refused("no-class", M, "get_class", "b1")
