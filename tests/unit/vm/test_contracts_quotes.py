"""The contract ``quotes``: asking, firm quotes, one accepted whole, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.carbon_chain import DAY, HASH, Chain, address_of
from tests.unit.vm.market_chain import CNY, C, fund, make_market_chain

Q, U = "quotes", "units"
T = 1000
MONEY = 10**6


@pytest.fixture
def chain() -> Chain:
    """``owner`` and ``metering`` have units of b1, ``alice`` and ``bob`` a million each."""
    chain = make_market_chain()
    chain.issue("b1", 1000)
    chain.ok("owner", U, "transfer", "b1", 900, 1000, "metering")
    for name in ("alice", "bob"):
        fund(chain, name, MONEY)
    return chain


def ask(chain: Chain, who: str, side: str, kg: int = 100, dealers: tuple[str, ...] = ()) -> int:
    until = chain.time + DAY
    arguments = (side, "b1", kg, CNY, list(dealers), until)
    number: int = chain.ok(who, Q, "request_quote", *arguments)
    return number


def quote(
    chain: Chain, who: str, request: int, price: int, start: int = 0, end: int = 0, seconds: int = 9
) -> int:
    arguments = (request, price, start, end, chain.time + 1 + seconds)
    number: int = chain.ok(who, Q, "quote", *arguments)
    return number


def money(chain: Chain, name: str) -> list[int]:
    found: list[int] = chain.view(C, "account_of", name, CNY)[:2]
    return found


def status(chain: Chain, number: int) -> str:
    found: str = chain.view(Q, "get_quote", number)[7]
    return found


def test_a_buyer_takes_one_firm_offer_and_the_others_are_free(chain: Chain) -> None:
    request = ask(chain, "alice", "buy")
    dear = quote(chain, "metering", request, 5 * T, 900, 1000)
    cheap = quote(chain, "owner", request, 4 * T, 100, 200)
    assert chain.view(Q, "quotes_of", request) == [dear, cheap]
    assert chain.view(U, "get_lock", "b1", 200)[:3] == ["order", "quotes", f"quote:{cheap}"]
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 100, 200, "bob")
    chain.ok("alice", Q, "accept_quote", cheap, 0, 0)
    assert chain.events[-1].values == (request, cheap, "b1", 100, 4 * T, 400, "alice", "owner")
    assert chain.view(U, "get_lot_at", "b1", 100)[:4] == [100, 200, "alice", "active"]
    assert chain.view(U, "get_lot_at", "b1", 900)[:4] == [900, 1000, "metering", "active"]
    assert money(chain, "alice") == [MONEY - 400, 0] and money(chain, "owner") == [400, 0]
    assert (status(chain, dear), status(chain, cheap)) == ("freed", "accepted")
    assert chain.view(Q, "quotes_of", request) == []
    assert chain.view(Q, "get_request", request)[7:] == ["accepted", cheap]
    chain.refused("quote-accepted", "alice", Q, "accept_quote", cheap, 0, 0)
    chain.refused("quote-freed", "alice", Q, "accept_quote", dear, 0, 0)
    until = chain.time + 9
    chain.refused("request-accepted", "metering", Q, "quote", request, T, 900, 1000, until)


def test_a_seller_takes_the_money_that_a_firm_bid_set_aside(chain: Chain) -> None:
    request = ask(chain, "owner", "sell", 7)
    low = quote(chain, "bob", request, 333)
    high = quote(chain, "alice", request, 334)
    # 7 kg at a third of a unit are 2.3: rounded up for the seller.
    assert money(chain, "alice") == [MONEY - 3, 3]
    chain.ok("alice", C, "transfer", CNY, "bob", MONEY - 3, "")
    chain.ok("owner", Q, "accept_quote", high, 10, 17)
    assert chain.view(U, "get_lot_at", "b1", 10)[:4] == [10, 17, "alice", "active"]
    assert money(chain, "alice") == [0, 0] and money(chain, "owner") == [3, 0]
    assert status(chain, low) == "freed" and money(chain, "bob") == [2 * MONEY - 3, 0]


def test_a_quote_is_good_until_its_second(chain: Chain) -> None:
    request = ask(chain, "alice", "buy")
    early = quote(chain, "owner", request, 4 * T, 0, 100, seconds=10)
    late = quote(chain, "metering", request, 4 * T, 900, 1000, seconds=20)
    until = chain.view(Q, "get_quote", early)[6]
    chain.time = until - 2
    chain.refused("not-due", "bob", Q, "expire", [early])
    chain.refused("quote-expired", "alice", Q, "accept_quote", early, 0, 0)
    chain.ok("bob", Q, "expire", [early])
    assert status(chain, early) == "expired"
    assert chain.view(U, "get_lot_at", "b1", 0)[2:4] == ["owner", "active"]
    chain.refused("quote-expired", "bob", Q, "expire", [early])
    # Who was swept may quote again.
    again = quote(chain, "owner", request, 3 * T, 0, 100)
    chain.time = chain.view(Q, "get_quote", late)[6] - 2
    chain.ok("alice", Q, "accept_quote", late, 0, 0)
    assert status(chain, again) == "freed"


def test_money_or_units_that_are_not_there_settle_nothing(chain: Chain) -> None:
    request = ask(chain, "alice", "buy")
    number = quote(chain, "owner", request, 11 * MONEY, 0, 100)
    chain.refused("not-enough-money", "alice", Q, "accept_quote", number, 0, 0)
    chain.refused("bad-range", "alice", Q, "accept_quote", number, 0, 100)
    selling = ask(chain, "owner", "sell")
    offered = quote(chain, "alice", selling, T)
    chain.refused("bad-amount", "owner", Q, "accept_quote", offered, 200, 299)
    chain.refused("not-owner", "owner", Q, "accept_quote", offered, 900, 1000)
    chain.refused("lot-locked", "owner", Q, "accept_quote", offered, 0, 100)
    chain.ok("owner", Q, "accept_quote", offered, 200, 300)


def test_only_the_requester_accepts_and_only_from_an_active_dealer(chain: Chain) -> None:
    request = ask(chain, "alice", "buy")
    number = quote(chain, "owner", request, T, 0, 100)
    chain.refused("not-requester", "bob", Q, "accept_quote", number, 0, 0)
    chain.refused("not-requester", "owner", Q, "accept_quote", number, 0, 0)
    chain.refused("no-quote", "alice", Q, "accept_quote", 99, 0, 0)
    chain.ok("regulator", "identity", "suspend", "owner", "fraud")
    chain.refused("dealer-inactive", "alice", Q, "accept_quote", number, 0, 0)
    chain.ok("alice", Q, "cancel_request", request)
    assert chain.view(U, "get_lot_at", "b1", 0)[2:4] == ["owner", "active"]


def test_the_requester_or_a_regulator_cancels(chain: Chain) -> None:
    first = ask(chain, "owner", "sell")
    held = quote(chain, "alice", first, T)
    chain.refused("not-permitted", "bob", Q, "cancel_request", first)
    chain.ok("owner", Q, "cancel_request", first)
    assert money(chain, "alice") == [MONEY, 0] and status(chain, held) == "freed"
    chain.refused("request-cancelled", "owner", Q, "cancel_request", first)
    second = ask(chain, "owner", "sell")
    chain.ok("regulator", Q, "cancel_request", second)
    assert chain.view(Q, "list_requests", 0, 9) == [first, second]


def test_a_request_may_name_who_is_asked(chain: Chain) -> None:
    request = ask(chain, "alice", "buy", 50, ("owner", "bob"))
    until = chain.time + 9
    chain.refused("not-asked", "metering", Q, "quote", request, T, 900, 950, until)
    quote(chain, "owner", request, T, 0, 50)
    chain.refused("already-quoted", "owner", Q, "quote", request, T, 50, 100, until + 5)
    chain.refused("self-trade", "alice", Q, "quote", request, T, 50, 100, until + 5)


def test_ten_quotes_bind_at_once_at_most(chain: Chain) -> None:
    request = ask(chain, "owner", "sell", 1)
    for n in range(11):
        name = f"dealer-{n}"
        keys = [address_of(name)]
        chain.ok("regulator", "identity", "register", name, name, "CN", ["enterprise"], keys)
        fund(chain, name, 10)
    for n in range(10):
        quote(chain, f"dealer-{n}", request, T, seconds=1000)
    arguments = (request, T, 0, 0, chain.time + 9)
    chain.refused("too-many-quotes", "dealer-10", Q, "quote", *arguments)
    chain.ok("owner", Q, "accept_quote", 10, 5, 6)
    assert all(money(chain, f"dealer-{n}") == [10, 0] for n in range(9))


def test_a_verifier_buys_nothing_that_it_verified(chain: Chain) -> None:
    fund(chain, "verifier", MONEY)
    arguments = ("buy", "b1", 1, CNY, [], chain.time + DAY)
    chain.refused("verifier-holds", "verifier", Q, "request_quote", *arguments)
    request = ask(chain, "owner", "sell", 1)
    chain.refused("verifier-holds", "verifier", Q, "quote", request, T, 0, 0, chain.time + 9)
    imported = ("ACR", "a", "p", 2005, "alice", 0, 10, 10, 0, HASH, "line 1", "i1")
    chain.ok("registry", U, "issue_imported", *imported)
    wanted = ("buy", "a", 10, CNY, [], chain.time + DAY)
    number = chain.ok("verifier", Q, "request_quote", *wanted)
    chain.ok("verifier", Q, "accept_quote", quote(chain, "alice", number, T, 0, 10), 0, 0)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-side", {0: "both"}),
        ("no-batch", {1: "b9"}),
        ("bad-amount", {2: 0}),
        ("bad-amount", {2: 10**12 + 1}),
        ("bad-currency", {3: "CNYX"}),
        ("bad-dealers", {4: ["bob"] * 11}),
        ("bad-expiry", {5: 0}),
        ("bad-expiry", {5: 10**10}),
    ],
)
def test_a_request_is_refused(chain: Chain, code: str, changes: dict[int, Any]) -> None:
    arguments = {0: "buy", 1: "b1", 2: 10, 3: CNY, 4: [], 5: chain.time + 10}
    chain.refused(code, "alice", Q, "request_quote", *(arguments | changes).values())
    chain.ok("alice", Q, "request_quote", *arguments.values())


@pytest.mark.parametrize(
    ("code", "who", "changes"),
    [
        ("no-request", "owner", {0: 9}),
        ("bad-price", "owner", {1: 0}),
        ("bad-price", "owner", {1: 10**12 + 1}),
        ("bad-amount", "owner", {3: 9}),
        ("not-owner", "bob", {}),
        ("no-lot", "owner", {2: 895, 3: 905}),
        ("bad-expiry", "owner", {4: 1}),
        ("bad-expiry", "owner", {4: 10**10}),
        ("bad-range", "bob", {0: 2, 3: 10}),
        ("not-enough-money", "metering", {0: 2, 3: 0}),
    ],
)
def test_a_quote_is_refused(chain: Chain, code: str, who: str, changes: dict[int, Any]) -> None:
    ask(chain, "alice", "buy", 10)
    ask(chain, "owner", "sell", 10)
    arguments = {0: 1, 1: T, 2: 0, 3: 10, 4: chain.time + 10}
    chain.refused(code, who, Q, "quote", *(arguments | changes).values())
    chain.ok("owner", Q, "quote", *arguments.values())


def test_sweeps_and_pages_have_bounds(chain: Chain) -> None:
    chain.refused("bad-list", "bob", Q, "expire", [])
    chain.refused("bad-list", "bob", Q, "expire", [1] * 51)
    chain.refused("no-quote", "bob", Q, "expire", [1])
    chain.refused("no-request", "bob", Q, "cancel_request", 1)
    for limit in (0, 101):
        chain.view_refused("bad-limit", Q, "list_requests", 0, limit)
    chain.view_refused("no-request", Q, "get_request", 1)
    chain.view_refused("no-quote", Q, "get_quote", 1)
