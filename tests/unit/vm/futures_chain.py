"""A chain with a series of futures, for the tests of the contracts that trade and clear them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from primitives.codec import Value
from tests.unit.vm.carbon_chain import DAY, Chain, address_of, make_genesis, make_members
from tests.unit.vm.market_chain import CNY, MORE, buy, fund, make_market_chain, open_book, sell
from vm.genesis_builder import Administration, Member

F, K, D = "futures", "clearing", "delivery"
S = "DEC24"
PRICE = 1000
"""Of a tonne, in 10^-4; a contract is one tonne unless a test says otherwise."""
MONEY = 100_000
TERMS: dict[str, Value] = {
    "underlying": "b1",
    "expiry": 0,
    "size_kg": 1000,
    "tick": 1,
    "currency": CNY,
    "delivery": "cash",
    "initial": 1500,
    "maintenance": 1000,
    "band": 2000,
    "contribution": 0,
    "penalty": 500,
    "maker_fee": 0,
    "taker_fee": 0,
    "volume_min": 1,
}
"""15 % and 10 %, a band of 20 %, no default fund, no fees."""
TRADERS = ("alice", "bob", "owner", "bank")
DAYS = 30


def get_midnight(chain: Chain, days: int = 0) -> int:
    """The first second of the day that is so many days ahead."""
    return (chain.time // DAY + days) * DAY


def make_terms(chain: Chain, **changes: Value) -> list[Value]:
    terms = TERMS | {"expiry": get_midnight(chain, DAYS)} | changes
    return list(terms.values())


def make_futures_chain(
    price: int = PRICE, kg: int = 5000, traders: Sequence[str] = TRADERS, **changes: Value
) -> Chain:
    """``traders`` have MONEY deposited; ``owner`` has ``kg`` of b1; series S of b1."""
    chain = make_market_chain()
    chain.issue("b1", kg)
    open_book(chain)
    for name in traders:
        fund(chain, name, MONEY)
        chain.ok(name, K, "deposit", CNY, MONEY)
    chain.ok("exchange", K, "open_series", S, make_terms(chain, **changes), price)
    return chain


def make_crowd_chain(count: int, **changes: Value) -> tuple[Chain, list[str]]:
    """The same with so many more members, each with MONEY deposited."""
    crowd = [f"m{number:02}" for number in range(count)]
    members = (*make_members(), *MORE, *(make_member(name) for name in crowd))
    regulator = address_of("regulator")
    administration = Administration((regulator,), 1, (regulator,), 0, 0)
    chain = Chain(make_genesis(administration=administration, members=members))
    chain.issue("b1", 5000)
    open_book(chain)
    for name in (*TRADERS, *crowd):
        fund(chain, name, MONEY)
        chain.ok(name, K, "deposit", CNY, MONEY)
    chain.ok("exchange", K, "open_series", S, make_terms(chain, **changes), PRICE)
    return chain, crowd


def make_member(name: str) -> Member:
    return Member(name, name, "CN", ("enterprise",), (address_of(name),))


def order(
    chain: Chain, who: str, side: str, price: int, contracts: int, force: str = "gtt",
    series: str = S, cap: int = 10**6,
) -> int:  # fmt: skip
    number: int = chain.ok(
        who, F, "place", series, side, price, contracts, force, until(chain, force, series), cap
    )
    return number


def until(chain: Chain, force: str, series: str = S) -> int:
    """As late as an order may be."""
    expiry: int = chain.view(K, "get_series", series)[1][1]
    return expiry if force == "gtt" else 0


def cross(
    chain: Chain, buyer: str, seller: str, price: int, contracts: int, series: str = S
) -> None:
    """One trade: the seller's order rests."""
    order(chain, seller, "sell", price, contracts, series=series)
    order(chain, buyer, "buy", price, contracts, "fok", series)


def trade_units(chain: Chain, price: int, start: int, kg: int) -> None:
    """A trade of the underlying, of serials that ``owner`` has."""
    fund(chain, "bob", price * kg // 1000 + 1)
    sell(chain, "owner", price, start, start + kg)
    buy(chain, "bob", price, kg)


def next_day(chain: Chain, days: int = 1) -> None:
    chain.time = get_midnight(chain, days)


def mark(chain: Chain, who: str = "alice", series: str = S) -> int:
    price: int = chain.ok(who, K, "mark", series)
    return price


def free(chain: Chain, who: str, currency: str = CNY) -> int:
    found: int = chain.view(K, "free_of", who, currency)
    return found


def standing(chain: Chain, who: str, series: str = S) -> list[Any]:
    """[contracts, balance, equity, initial, maintenance, trigger, fund part]"""
    found: list[Any] = chain.view(K, "standing_of", series, who)
    return found


def held(chain: Chain, who: str, series: str = S) -> int:
    found: int = chain.view(K, "count_held", series, who)
    return found


def names(chain: Chain) -> list[str]:
    """The names of the last block's events of the three contracts."""
    return [event.name for event in chain.events if event.contract in (F, K, D)]
