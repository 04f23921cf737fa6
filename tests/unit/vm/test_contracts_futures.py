"""The contract ``futures``: orders of a series, their priority, margin, forces, fees and band."""

from __future__ import annotations

from dataclasses import replace

import pytest

from primitives.codec import Value
from primitives.errors import GenesisError
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import MACHINE, Chain
from tests.unit.vm.futures_chain import (
    MONEY,
    PRICE,
    TRADERS,
    D,
    F,
    K,
    S,
    cross,
    free,
    get_midnight,
    held,
    make_futures_chain,
    mark,
    names,
    next_day,
    order,
    standing,
    trade_units,
    until,
)
from tests.unit.vm.market_chain import CNY, make_market_genesis
from vm.executor import execute_genesis

CAP = 1000


@pytest.fixture
def chain() -> Chain:
    return make_futures_chain()


def refuse(chain: Chain, code: str, who: str, side: str, *rest: Value, series: str = S) -> None:
    """``rest`` is price, contracts, force, expires_at and cap; what lacks is in order."""
    usual: list[Value] = [PRICE, 1, "gtt", until(chain, "gtt"), CAP]
    chain.refused(code, who, F, "place", series, side, *rest, *usual[len(rest) :])


def status(chain: Chain, number: int) -> tuple[str, int]:
    found = chain.view(F, "get_order", number)
    return found[8], found[5]


def depth(chain: Chain, side: str) -> list[list[int]]:
    found: list[list[int]] = chain.view(F, "list_resting", S, side, 0, 0, 100)
    return found


def test_a_trade_takes_the_initial_margin_of_both_at_once(chain: Chain) -> None:
    asked = order(chain, "bob", "sell", PRICE, 10)
    assert names(chain) == ["Placed", "Rested"]
    assert free(chain, "bob") == MONEY and depth(chain, "sell") == [[asked, PRICE, 10]]
    bid = order(chain, "alice", "buy", PRICE + 50, 10)
    assert names(chain) == ["Placed", "Ended", "Traded", "Ended"]
    assert status(chain, asked) == ("filled", 0) == status(chain, bid)
    # 10 t at 1000, 15 %; the balance is what the position would cost to leave.
    assert standing(chain, "alice") == [10, 1500 - 10_000, 1500, 1500, 1000, 945, 0]
    assert standing(chain, "bob") == [-10, 1500 + 10_000, 1500, 1500, 1000, 1045, 0]
    assert free(chain, "alice") == MONEY - 1500 == free(chain, "bob")
    assert chain.view(K, "get_interest", S) == 10
    assert depth(chain, "sell") == [] == chain.view(F, "orders_of", "bob", S, 0, 9)
    (trade,) = chain.view(F, "trades_of", S, 0, 9)
    assert trade == [PRICE, 10, "alice", "bob", asked, bid, chain.time, chain.height]


def test_long_and_short_of_one_organisation_are_netted(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 10)
    cross(chain, "owner", "alice", PRICE + 20, 4)
    assert held(chain, "alice") == 6 and chain.view(K, "get_interest", S) == 10
    # A gain of 4 x 20 at the price of the last mark, and the margin of four contracts, are free.
    assert free(chain, "alice") == MONEY - 6 * 150 + 80
    assert standing(chain, "owner")[:3] == [4, 600 - 4 * 1000, 600]
    cross(chain, "owner", "alice", PRICE, 10)
    assert held(chain, "alice") == -4 and chain.view(K, "get_interest", S) == 14
    assert standing(chain, "alice")[2] == 600
    assert chain.view(K, "positions_of", S, "long", 0, "", 9) == [["owner", 14]]
    assert chain.view(K, "positions_of", S, "short", 0, "", 9) == [["bob", 10], ["alice", 4]]
    assert chain.view(K, "positions_of", S, "short", 10, "bob", 9) == [["alice", 4]]
    cross(chain, "alice", "owner", PRICE, 4)
    assert held(chain, "alice") == 0 and free(chain, "alice") == MONEY + 80


def test_the_better_price_trades_first_and_then_the_older_order(chain: Chain) -> None:
    late = order(chain, "bob", "sell", 1010, 1)
    best = order(chain, "owner", "sell", 1005, 1)
    last = order(chain, "owner", "sell", 1010, 2)
    assert depth(chain, "sell") == [[best, 1005, 1], [late, 1010, 1], [last, 1010, 2]]
    assert chain.view(F, "list_resting", S, "sell", 1010, late, 9) == [[last, 1010, 2]]
    order(chain, "alice", "buy", 1010, 3, "ioc")
    assert [trade[4] for trade in chain.view(F, "trades_of", S, 0, 9)] == [best, late, last]
    assert status(chain, last) == ("partial", 1)
    low, high = (order(chain, "alice", "buy", price, 1) for price in (990, 995))
    assert depth(chain, "buy") == [[high, 995, 1], [low, 990, 1]]
    assert chain.view(F, "list_resting", S, "buy", 995, high, 9) == [[low, 990, 1]]


def test_forces(chain: Chain) -> None:
    order(chain, "bob", "sell", PRICE, 3)
    refuse(chain, "not-filled", "alice", "buy", PRICE, 4, "fok", 0)
    taken = order(chain, "alice", "buy", PRICE, 4, "ioc")
    assert status(chain, taken) == ("cancelled", 1) and held(chain, "alice") == 3
    rest = order(chain, "alice", "buy", PRICE, 4)
    assert status(chain, rest) == ("open", 4)


def test_fees_are_known_when_the_order_is_placed() -> None:
    chain = make_futures_chain(maker_fee=3, taker_fee=7)
    refuse(chain, "fee-above-cap", "bob", "sell", PRICE, 10, "gtt", until(chain, "gtt"), 6)
    refuse(chain, "fee-above-cap", "bob", "sell", PRICE, 10, "ioc", 0, 6)
    cross(chain, "alice", "bob", PRICE, 10)
    assert free(chain, "bob") == MONEY - 1500 - 30
    assert free(chain, "alice") == MONEY - 1500 - 70
    assert free(chain, "exchange") == 100


def test_what_an_order_may_not_say(chain: Chain) -> None:
    late = until(chain, "gtt")
    refuse(chain, "bad-side", "bob", "hold")
    refuse(chain, "bad-price", "bob", "buy", 0)
    refuse(chain, "bad-price", "bob", "buy", 10**12 + 1)
    refuse(chain, "outside-band", "bob", "buy", 1201)
    refuse(chain, "outside-band", "bob", "buy", 799)
    refuse(chain, "bad-amount", "bob", "buy", PRICE, 0)
    refuse(chain, "bad-amount", "bob", "buy", PRICE, 10**6 + 1)
    refuse(chain, "bad-force", "bob", "buy", PRICE, 1, "day")
    for force, at in (("gtt", chain.time), ("gtt", late + 1), ("ioc", late), ("fok", late)):
        refuse(chain, "bad-expiry", "bob", "buy", PRICE, 1, force, at)
    refuse(chain, "no-series", "bob", "buy", series="none")
    refuse(chain, "operator-trades", "exchange", "buy")
    # It verified the project of b1, and might have to take it.
    refuse(chain, "verifier-holds", "verifier", "buy")
    order(chain, "bob", "buy", 1200, 1)
    order(chain, "bob", "buy", 800, 1)


def test_a_price_is_a_multiple_of_the_tick() -> None:
    chain = make_futures_chain(tick=5)
    refuse(chain, "bad-price", "bob", "buy", 1001)
    order(chain, "bob", "buy", 1005, 1)


def test_an_organisation_does_not_trade_with_itself(chain: Chain) -> None:
    order(chain, "bob", "sell", PRICE, 1)
    refuse(chain, "self-trade", "bob", "buy", PRICE, 1)


def test_an_order_needs_margin_when_it_comes(chain: Chain) -> None:
    # 15 % of 1000 a contract, and above the last mark the loss until there as well.
    enough = MONEY // 150
    refuse(chain, "not-enough-margin", "bob", "sell", PRICE, enough + 1)
    refuse(chain, "not-enough-margin", "bob", "buy", 1100, MONEY // 250 + 1)
    order(chain, "bob", "sell", PRICE, enough)
    order(chain, "owner", "sell", PRICE, enough)
    refuse(chain, "not-enough-margin", "alice", "buy", PRICE, enough + 1, "ioc", 0)
    order(chain, "alice", "buy", PRICE, enough, "ioc")
    assert free(chain, "bob") == free(chain, "alice") == MONEY - 150 * enough


def test_an_order_whose_margin_is_gone_ends_when_it_is_met(chain: Chain) -> None:
    first, second = (order(chain, "bob", "sell", PRICE, 600) for _ in range(2))
    order(chain, "alice", "buy", PRICE, 600, "fok")
    taken = order(chain, "owner", "buy", PRICE, 70, "ioc")
    assert status(chain, first) == ("filled", 0)
    assert status(chain, second) == ("cancelled", 600)
    assert [event.name for event in chain.events if event.contract == F] == [
        "Placed", "Ended", "Ended",
    ]  # fmt: skip
    assert status(chain, taken) == ("cancelled", 70)


def test_what_cannot_trade_ends_when_it_is_met(chain: Chain) -> None:
    gone = order(chain, "bank", "sell", PRICE, 1)
    chain.ok("regulator", "identity", "suspend", "bank", "late accounts")
    arguments = (S, "sell", PRICE, 1, "gtt", chain.time + 3, CAP)
    short: int = chain.ok("owner", F, "place", *arguments)
    chain.time += 3
    kept = order(chain, "bob", "sell", PRICE, 1)
    order(chain, "alice", "buy", PRICE, 1, "fok")
    found = [status(chain, number) for number in (gone, short, kept)]
    assert found == [("cancelled", 1), ("expired", 1), ("filled", 0)]


def test_an_order_that_a_mark_left_outside_the_band_ends(chain: Chain) -> None:
    low, kept = order(chain, "owner", "sell", 950, 1), order(chain, "owner", "sell", 960, 1)
    trade_units(chain, 1300, 0, 1000)
    next_day(chain)
    assert mark(chain) == 1200
    order(chain, "alice", "buy", 960, 1, "fok")
    assert status(chain, low) == ("cancelled", 1)
    assert status(chain, kept) == ("filled", 0)


def test_one_order_meets_twenty_resting_ones_at_most(chain: Chain) -> None:
    for _ in range(11):
        order(chain, "bob", "sell", PRICE, 1)
        order(chain, "owner", "sell", PRICE, 1)
    call = Call(F, "place", (S, "buy", PRICE, 22, "gtt", until(chain, "gtt"), CAP))
    receipts, _ = chain.run(chain.make("alice", call, gas=4_000_000))
    assert receipts[0].status == "ok"
    assert status(chain, receipts[0].values[0]) == ("cancelled", 2)
    assert held(chain, "alice") == 20 and len(depth(chain, "sell")) == 2


def test_a_member_has_twenty_orders_in_a_series(chain: Chain) -> None:
    placed = [order(chain, "bob", "buy", 900, 1) for _ in range(20)]
    refuse(chain, "too-many-orders", "bob", "buy", 900)
    chain.ok("bob", F, "cancel", placed[0])
    order(chain, "bob", "buy", 900, 1)
    assert chain.view(F, "orders_of", "bob", S, placed[18], 9)[0] == placed[19]


def test_orders_are_cancelled_by_their_owner_or_a_regulator(chain: Chain) -> None:
    one, two = (order(chain, "bob", "buy", 900, 1) for _ in range(2))
    chain.refused("not-permitted", "alice", F, "cancel", one)
    chain.ok("bob", F, "cancel", one)
    chain.ok("regulator", F, "cancel", two)
    assert chain.events[-1].name == "Ended"
    chain.refused("order-cancelled", "bob", F, "cancel", one)
    chain.refused("no-order", "bob", F, "cancel", 99)
    assert depth(chain, "buy") == []


def test_anyone_sweeps_orders_whose_time_is_over(chain: Chain) -> None:
    number: int = chain.ok("bob", F, "place", S, "buy", 900, 1, "gtt", chain.time + 3, CAP)
    chain.refused("not-due", "alice", F, "expire", [number])
    chain.refused("bad-list", "alice", F, "expire", [])
    chain.refused("bad-list", "alice", F, "expire", [number] * 51)
    chain.time += 5
    chain.ok("alice", F, "expire", [number])
    chain.refused("order-expired", "alice", F, "expire", [number])
    assert depth(chain, "buy") == []


def test_nothing_trades_before_the_mark_of_yesterday_or_after_expiry(chain: Chain) -> None:
    resting = order(chain, "bob", "sell", PRICE, 1)
    next_day(chain, 2)
    refuse(chain, "mark-due", "alice", "buy")
    chain.time = until(chain, "gtt") - 3
    mark(chain)
    chain.ok("bob", F, "place", S, "sell", PRICE, 1, "gtt", until(chain, "gtt"), CAP)
    chain.refused("expired", "alice", F, "place", S, "buy", PRICE, 1, "ioc", 0, CAP)
    mark(chain)
    refuse(chain, "not-open", "alice", "buy", PRICE, 1, "ioc", 0)
    chain.ok("alice", F, "expire", [resting])
    assert len(depth(chain, "sell")) == 1


def test_without_its_exchange_a_series_takes_no_orders(chain: Chain) -> None:
    cross(chain, "alice", "bob", PRICE, 1)
    chain.ok("regulator", "identity", "suspend", "exchange", "licence lapsed")
    refuse(chain, "no-operator", "alice", "buy")
    next_day(chain)
    mark(chain)


def test_only_the_clearing_house_fills_and_ends_others_orders(chain: Chain) -> None:
    number = order(chain, "bob", "sell", PRICE, 1)
    trading = chain.view(K, "get_trading", S)
    chain.refused("not-the-house", "alice", F, "end_orders", S, "bob")
    chain.refused("not-the-house", "alice", F, "find_best", S, "sell", trading)
    chain.refused("not-the-house", "alice", F, "fill_best", S, number, 1)


@pytest.mark.parametrize("contract", [F, K])
def test_contracts_are_connected_once_by_the_authority(contract: str, chain: Chain) -> None:
    genesis = make_market_genesis()
    (connect,) = (item for item in genesis.calls if item.call.contract == contract)
    chain.refused("not-authority", "regulator", contract, "connect", *connect.call.arguments)
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=(*genesis.calls, connect)))
    assert caught.value.values_seen["outcome_code"] == "already-connected"


def test_views_refuse_what_is_not_there(chain: Chain) -> None:
    chain.view_refused("no-order", F, "get_order", 1)
    for limit in (0, 101):
        chain.view_refused("bad-limit", F, "orders_of", "bob", S, 0, limit)
        chain.view_refused("bad-limit", F, "list_resting", S, "buy", 0, 0, limit)
        chain.view_refused("bad-limit", F, "trades_of", S, 0, limit)
        chain.view_refused("bad-limit", K, "positions_of", S, "long", 0, "", limit)
        chain.view_refused("bad-limit", K, "list_series", "", limit)
        chain.view_refused("bad-limit", D, "parcels_of", S, 0, limit)
        chain.view_refused("bad-limit", D, "payers_of", S, 0, limit)
    for view in ("get_series", "get_state", "get_interest", "get_fund", "get_trading"):
        chain.view_refused("no-series", K, view, "none")


def test_money_is_conserved_by_trades(chain: Chain) -> None:
    cross(chain, "alice", "bob", 1010, 7)
    cross(chain, "owner", "alice", 1090, 3)
    total = sum(free(chain, name) + standing(chain, name)[2] for name in TRADERS)
    assert total == len(TRADERS) * MONEY == chain.view("cash", "account_of", K, CNY)[0]
    assert get_midnight(chain) % 86400 == 0
