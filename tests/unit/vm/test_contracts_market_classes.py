"""Books of a class: what fits is delivered, what no longer fits is not; the doors of the houses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from primitives.codec import Value
from primitives.errors import GenesisError
from primitives.hashing import compute_contract_address
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import HASH, MACHINE, Chain, address_of
from tests.unit.vm.market_chain import (
    CAP,
    CNY,
    TERMS,
    C,
    M,
    buy,
    fund,
    make_market_chain,
    make_market_genesis,
    make_till_chain,
    sell,
)
from tools.genesis_files import build_development_genesis
from vm.executor import execute_genesis
from vm.genesis_builder import build_development_consortium

U, R = "units", "retirement"
T = 1000
FOREST: list[Value] = ["forest", "forest-sink", "CN", ["biomass"], 2020, 2025]
"""Scope, methodology, region, claims and vintages, as project_chain drafts them."""


def open_class(chain: Chain, book: str, **changes: Value) -> None:
    names = ("scope", "methodology", "region", "claims", "vintage_from", "vintage_to")
    wanted = list((dict(zip(names, FOREST, strict=True)) | changes).values())
    chain.ok("exchange", M, "open_class", book, wanted, TERMS)


def issue(chain: Chain, batch: str, project: str, vintage: int = 2024) -> None:
    attested = (f"r-{batch}", project, vintage, "forest", 1000, "owner", HASH)
    chain.ok("verifier", U, "attest", *attested)
    chain.ok("registry", U, "issue", batch, f"r-{batch}", 0, 1000, 1000, 0)


@pytest.fixture
def chain() -> Chain:
    """Projects p1 and p2 of ``owner`` registered, batches c1 and c2 of 1000 kg; a book of both."""
    found = make_market_chain()
    for number in (1, 2):
        at.register(found, f"p{number}")
        issue(found, f"c{number}", f"p{number}")
    fund(found, "alice", 10**9)
    open_class(found, "forest")
    return found


def status(chain: Chain, order: int) -> str:
    found: str = chain.view(M, "get_order", order)[13]
    return found


def refuse_sale(chain: Chain, code: str, book: str, batch: str) -> None:
    chain.refused(code, "owner", M, "sell", book, T, batch, 0, 10, "ioc", 0, CAP)


def test_a_purchase_of_a_class_takes_what_is_cheapest_in_it(chain: Chain) -> None:
    assert chain.view(M, "get_class", "forest") == FOREST
    sell(chain, "owner", 2 * T, 0, 10, book="forest", batch="c1")
    sell(chain, "owner", T, 0, 10, book="forest", batch="c2")
    bid = buy(chain, "alice", 2 * T, 15, book="forest")
    assert status(chain, bid) == "filled"
    kept = {batch: chain.view(U, "balance_of", "alice", batch) for batch in ("c1", "c2")}
    assert kept == {"c1": 5, "c2": 10}
    trades = chain.view(M, "trades_of", "forest", 0, 9)
    assert [trade[9:11] for trade in trades] == [["c2", 0], ["c1", 0]]
    buy(chain, "alice", T, 5, book="forest", purpose="offset")
    sell(chain, "owner", T, 50, 55, book="forest", batch="c2")
    assert chain.view(R, "retired_for", "alice") == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "energy"},
        {"methodology": "other"},
        {"region": "US"},
        {"region": "C"},
        {"region": "CN-FJ-1"},
        {"claims": ["biomass", "energy"]},
        {"vintage_from": 2025},
        {"vintage_to": 2023},
    ],
)
def test_what_is_not_in_the_class_is_not_delivered(chain: Chain, changes: Any) -> None:
    open_class(chain, "narrow", **changes)
    refuse_sale(chain, "not-in-class", "narrow", "c1")


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "", "methodology": "", "region": "", "claims": []},
        {"region": "CN-FJ"},
        {"claims": ["soil", "biomass"]},
        {"vintage_from": 2024, "vintage_to": 2024},
    ],
)
def test_what_is_in_the_class_is_delivered(chain: Chain, changes: Any) -> None:
    open_class(chain, "wide", **changes)
    sell(chain, "owner", T, 0, 10, book="wide", batch="c1")


def test_units_of_no_project_here_are_in_no_class(chain: Chain) -> None:
    issue(chain, "stray", "elsewhere")
    open_class(chain, "any", scope="", methodology="", region="", claims=[])
    refuse_sale(chain, "no-project", "any", "stray")
    refuse_sale(chain, "no-batch", "any", "c9")


def test_units_of_a_suspended_project_are_not_delivered(chain: Chain) -> None:
    asked = sell(chain, "owner", T, 0, 10, book="forest", batch="c1")
    later = sell(chain, "owner", 2 * T, 0, 10, book="forest", batch="c2")
    chain.ok("regulator", at.P, "suspend", "p1", "fire")
    bid = buy(chain, "alice", 2 * T, 10, book="forest")
    assert [status(chain, order) for order in (asked, later, bid)] == [
        "cancelled", "filled", "filled",
    ]  # fmt: skip
    assert chain.view(U, "get_lot_at", "c1", 0)[2:4] == ["owner", "active"]
    refuse_sale(chain, "not-in-class", "forest", "c1")


def test_a_verifier_buys_no_class(chain: Chain) -> None:
    fund(chain, "verifier", 1000)
    arguments = ("forest", T, 1, "ioc", 0, CAP, "")
    chain.refused("verifier-holds", "verifier", M, "buy", *arguments)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-class", {"scope": "x" * 65}),
        ("bad-class", {"methodology": "x" * 65}),
        ("bad-class", {"region": "x" * 17}),
        ("bad-class", {"claims": ["soil"] * 6}),
        ("bad-class", {"vintage_from": -1}),
        ("bad-class", {"vintage_from": 2026}),
    ],
)
def test_a_class_is_refused(chain: Chain, code: str, changes: dict[str, Value]) -> None:
    names = ("scope", "methodology", "region", "claims", "vintage_from", "vintage_to")
    wanted = list((dict(zip(names, FOREST, strict=True)) | changes).values())
    chain.refused(code, "exchange", M, "open_class", "c", wanted, TERMS)


def test_a_class_has_terms_like_any_book(chain: Chain) -> None:
    chain.refused("bad-currency", "exchange", M, "open_class", "c", FOREST, ["", *TERMS[1:]])
    chain.refused("not-an-exchange", "bob", M, "open_class", "c", FOREST, TERMS)
    chain.refused("book-exists", "exchange", M, "open_class", "forest", FOREST, TERMS)


# --- what only a contract that trades may do --------------------------------------------------


@pytest.fixture
def till() -> Chain:
    """The contract ``till`` stands where the market stands; it has [100, 200) of b1 reserved."""
    found = make_till_chain()
    found.issue("b1", 1000)
    found.ok("bob", "till", "reserve", address_of("owner"), "b1", 100, 200)
    return found


def test_a_house_delivers_from_the_front_and_frees_the_rest(till: Chain) -> None:
    till.ok("bob", "till", "deliver", "b1", 100, 200, 30, "alice")
    till.ok("bob", "till", "deliver", "b1", 130, 200, 20, "bob")
    assert till.view(U, "get_lock", "b1", 200)[0] == "order"
    till.ok("bob", "till", "free_reserved", "b1", 150, 200)
    assert [lot[:4] for lot in till.view(U, "lots_of", "b1", 100, 3)] == [
        [100, 130, "alice", "active"], [130, 150, "bob", "active"], [150, 200, "owner", "active"],
    ]  # fmt: skip
    till.view_refused("not-locked", U, "get_lock", "b1", 200)
    till.ok("bob", "till", "reserve", address_of("owner"), "b1", 150, 200)
    till.ok("bob", "till", "deliver", "b1", 150, 200, 50, "alice")
    till.view_refused("not-locked", U, "get_lock", "b1", 200)
    kinds = [step[1] for step in till.view(U, "trace", "b1", 199, 9)]
    assert kinds == ["transfer", "lock", "unlock", "lock", "issue"]
    till.ok("bob", "till", "retire_bought", "alice", "b1", 160, 170)
    assert till.view(U, "get_lot_at", "b1", 165)[3] == "retired"


@pytest.mark.parametrize(
    ("code", "method", "arguments"),
    [
        ("bad-range", "reserve", (address_of("owner"), "b1", 5, 5)),
        ("not-a-member", "reserve", (address_of("nobody"), "b1", 0, 5)),
        ("no-lot", "reserve", (address_of("owner"), "b1", 50, 150)),
        ("not-owner", "reserve", (address_of("bob"), "b1", 0, 5)),
        ("lot-locked", "reserve", (address_of("owner"), "b1", 100, 105)),
        ("bad-amount", "deliver", ("b1", 100, 200, 0, "alice")),
        ("bad-amount", "deliver", ("b1", 100, 200, 101, "alice")),
        ("same-owner", "deliver", ("b1", 100, 200, 1, "owner")),
        ("no-receiver", "deliver", ("b1", 100, 200, 1, "nobody")),
        ("no-receiver", "deliver", ("b1", 100, 200, 1, "buffer")),
        ("verifier-holds", "deliver", ("b1", 100, 200, 1, "verifier")),
        ("not-reserved", "deliver", ("b1", 101, 200, 1, "alice")),
        ("not-reserved", "deliver", ("b1", 100, 199, 1, "alice")),
        ("not-reserved", "deliver", ("b1", 200, 1000, 1, "alice")),
        ("not-reserved", "deliver", ("b1", 300, 400, 1, "alice")),
        ("not-reserved", "free_reserved", ("b1", 150, 200)),
        ("not-reserved", "free_reserved", ("b1", 200, 1000)),
        ("same-owner", "assign", ("b1", 100, 200, "owner")),
        ("no-receiver", "assign", ("b1", 100, 200, "nobody")),
        ("no-receiver", "assign", ("b1", 100, 200, "baskets")),
        ("verifier-holds", "assign", ("b1", 100, 200, "verifier")),
        ("not-reserved", "assign", ("b1", 100, 199, "alice")),
        ("not-reserved", "assign", ("b1", 200, 1000, "alice")),
        ("not-owner", "retire_bought", ("alice", "b1", 0, 5)),
        ("lot-locked", "retire_bought", ("owner", "b1", 100, 105)),
        ("no-lot", "retire_bought", ("owner", "b1", 50, 150)),
    ],
)  # fmt: skip
def test_a_house_is_refused(till: Chain, code: str, method: str, arguments: Any) -> None:
    till.refused(code, "bob", "till", method, *arguments)


def test_a_house_touches_no_lock_but_its_own(till: Chain) -> None:
    till.ok("owner", U, "lock", "b1", 300, 400, "order", "bank", "")
    till.refused("not-reserved", "bob", "till", "deliver", "b1", 300, 400, 1, "alice")
    till.refused("not-reserved", "bob", "till", "free_reserved", "b1", 300, 400)
    till.refused("not-reserved", "bob", "till", "assign", "b1", 300, 400, "alice")


def test_what_is_assigned_stays_locked_and_its_owner_is_the_new_one(till: Chain) -> None:
    till.ok("bob", "till", "assign", "b1", 100, 200, "alice")
    # Who follows the events sees it locked, too.
    assert [event.values for event in till.events[-2:]] == [
        ("b1", 100, 200, "owner", "alice"), ("b1", 100, 200, "alice", "order", "market"),
    ]  # fmt: skip
    assert till.view(U, "get_lot_at", "b1", 150)[:4] == [100, 200, "alice", "locked"]
    assert till.view(U, "balance_of", "alice", "b1") == 100
    assert [step[1:6] for step in till.view(U, "trace", "b1", 150, 2)] == [
        ["lock", 100, 200, "alice", "alice"], ["transfer", 100, 200, "owner", "alice"],
    ]  # fmt: skip
    till.refused("lot-locked", "alice", U, "transfer", "b1", 100, 200, "bob")
    # To the house itself: no organisation's, and it delivers from there to anyone.
    till.ok("bob", "till", "assign", "b1", 100, 200, "market")
    assert till.view(U, "balance_of", "market", "b1") == 100
    till.ok("bob", "till", "deliver", "b1", 100, 200, 40, "owner")
    assert till.view(U, "lots_of", "b1", 100, 2) == [
        [100, 140, "owner", "active", 7], [140, 200, "market", "locked", 6],
    ]  # fmt: skip


@pytest.mark.parametrize("sender", ["owner", "regulator", "exchange"])
def test_nobody_else_passes_through_these_doors(chain: Chain, sender: str) -> None:
    sell(chain, "owner", T, 0, 10, book="forest", batch="c1")
    owner = address_of("owner")
    chain.refused("not-a-trader", sender, U, "reserve", owner, "c1", 100, 200, "x")
    chain.refused("not-a-trader", sender, U, "free_reserved", "c1", 0, 10)
    chain.refused("not-a-trader", sender, U, "deliver", "c1", 0, 10, 1, "alice")
    chain.refused("not-a-trader", sender, U, "assign", "c1", 0, 10, "alice")
    chain.refused("not-retirement", sender, U, "close_bought", "owner", "c1", 100, 200)
    chain.refused("not-a-trader", sender, R, "retire_bought", "owner", "c1", 100, 200, "x")


def test_who_may_hold_is_asked_by_batch(chain: Chain) -> None:
    assert chain.view(U, "may_hold", "alice", "c1")
    assert not chain.view(U, "may_hold", "verifier", "c1")
    chain.view_refused("no-batch", U, "may_hold", "alice", "c9")


MARKET_HOUSE: list[Value] = [compute_contract_address("market")]


@pytest.mark.parametrize(
    ("contract", "method", "arguments"),
    [(U, "connect_houses", (["market"], MARKET_HOUSE)), (R, "connect", (MARKET_HOUSE,))],
)
def test_the_houses_are_named_once_by_the_authority(
    chain: Chain, contract: str, method: str, arguments: tuple[Value, ...]
) -> None:
    chain.refused("not-authority", "regulator", contract, method, *arguments)
    genesis = make_market_genesis()
    (connect,) = (
        item
        for item in genesis.calls
        if (item.call.contract, item.call.method) == (contract, method)
    )
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=(*genesis.calls, connect)))
    assert caught.value.values_seen["outcome_code"] == "already-connected"


@pytest.mark.parametrize("names", [["market"], ["market", "mint"]])
def test_each_house_has_a_name_that_units_knows(names: list[Value]) -> None:
    genesis = make_market_genesis()
    calls = []
    for item in genesis.calls:
        if item.call.method == "connect_houses":
            houses: list[Value] = [address_of(f"h{n}") for n in range(2)]
            item = replace(item, call=replace(item.call, arguments=(names, houses)))
        calls.append(item)
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=tuple(calls)))
    assert caught.value.values_seen["outcome_code"] == "bad-houses"


def test_the_reference_of_a_lock_is_the_orders_number(chain: Chain) -> None:
    asked = sell(chain, "owner", T, 0, 10, book="forest", batch="c1")
    assert chain.view(U, "get_lock", "c1", 10)[2] == f"order:{asked}"
    assert chain.view(C, "account_of", "alice", CNY)[:2] == [10**9, 0]


def test_the_development_consortium_can_trade() -> None:
    """Every local network has who is needed: a bank that issues, an exchange, owners of units."""
    validators = make_market_genesis().validators
    consortium = build_development_consortium()
    found = Chain(build_development_genesis("dev", 1_700_000_000_000, validators, consortium))
    attested = ("r1", "p", 2024, "forest", 1000, "project-owner", HASH)
    found.ok("verifier", U, "attest", *attested)
    found.ok("registry", U, "issue", "b1", "r1", 0, 1000, 1000, 0)
    for currency in ("CNY", "EUR"):
        found.ok("bank", C, "issue", currency, "enterprise-a", 1000, "")
    found.ok("exchange", M, "open_book", "b1", "b1", TERMS)
    sell(found, "project-owner", T, 0, 100)
    buy(found, "enterprise-a", T, 60, force="fok")
    assert found.view(C, "account_of", "project-owner", CNY)[:2] == [60, 0]
