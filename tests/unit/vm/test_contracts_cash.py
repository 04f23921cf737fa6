"""The contract ``cash``: who makes money, who moves it, holds and statements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from primitives.errors import GenesisError
from primitives.hashing import compute_contract_address
from tests.unit.vm.carbon_chain import MACHINE, Chain, address_of
from tests.unit.vm.market_chain import (
    CNY,
    UNTIL,
    C,
    fund,
    make_market_chain,
    make_market_genesis,
    make_till_chain,
)
from vm.executor import execute_genesis

MOST = 10**24
T = "till"
AFTER_THE_END = [["alice", "o1", "bob", 600, 0, True], ["alice", "o1", "bob", 1, 0, False]]
"""A second payment out of a hold that the first one closed."""


@pytest.fixture
def chain() -> Chain:
    """``alice`` has 1000 of CNY, ``bob`` nothing."""
    found = make_market_chain()
    fund(found, "alice", 1000)
    return found


@pytest.fixture
def till() -> Chain:
    """The same, and the contract ``till`` may do what the market may."""
    found = make_till_chain()
    fund(found, "alice", 1000)
    return found


def total(chain: Chain, currency: str = CNY) -> int:
    """What all accounts hold together, after a look at every member."""
    members = chain.view("identity", "list_organisations", "", 100)
    found = [chain.view(C, "account_of", member, currency) for member in members]
    return sum(free + held for free, held, _ in found)


def test_money_is_issued_moved_and_redeemed(chain: Chain) -> None:
    assert [event.name for event in chain.events] == ["Issued"]
    chain.ok("alice", C, "transfer", CNY, "bob", 300, "rent")
    assert [event.name for event in chain.events] == ["Transferred"]
    chain.ok("bob", C, "transfer", CNY, "mint", 100, "out")
    chain.ok("mint", C, "redeem", CNY, 60, "paid")
    assert [event.name for event in chain.events] == ["Redeemed"]
    accounts = [chain.view(C, "account_of", name, CNY) for name in ("alice", "bob", "mint")]
    assert accounts == [[700, 0, 2], [200, 0, 2], [40, 0, 2]]
    assert chain.view(C, "total", CNY) == [1000, 60]
    assert chain.view(C, "issued_by", "mint", CNY) == [1000, 60]
    assert total(chain) == 940


def test_currencies_and_banks_are_kept_apart(chain: Chain) -> None:
    fund(chain, "alice", 5, "EUR")
    chain.ok("mint-two", C, "issue", CNY, "mint-two", 7, "")
    assert chain.view(C, "balances_of", "alice", "", 9) == [[CNY, 1000, 0], ["EUR", 5, 0]]
    assert chain.view(C, "balances_of", "alice", CNY, 9) == [["EUR", 5, 0]]
    assert chain.view(C, "list_currencies", "", 9) == [CNY, "EUR"]
    assert chain.view(C, "list_currencies", CNY, 9) == ["EUR"]
    assert chain.view(C, "total", CNY) == [1007, 0]
    assert chain.view(C, "issued_by", "mint-two", CNY) == [7, 0]
    assert chain.view(C, "total", "USD") == [0, 0] == chain.view(C, "issued_by", "mint", "USD")
    chain.refused("not-enough-money", "alice", C, "transfer", "EUR", "bob", 6, "")


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("bad-currency", "mint", ("CNYY", "bob", 1, "")),
        ("bad-currency", "mint", ("cny", "bob", 1, "")),
        ("bad-currency", "mint", ("CN1", "bob", 1, "")),
        ("bad-currency", "mint", ("CN\u00c9", "bob", 1, "")),
        ("bad-amount", "mint", (CNY, "bob", 0, "")),
        ("bad-amount", "mint", (CNY, "bob", -1, "")),
        ("bad-amount", "mint", (CNY, "bob", MOST + 1, "")),
        ("bad-amount", "mint", (CNY, "bob", MOST - 999, "")),
        ("bad-text", "mint", (CNY, "bob", 1, "x" * 129)),
        ("not-a-bank", "alice", (CNY, "bob", 1, "")),
        ("not-accredited", "bank", (CNY, "bob", 1, "")),
        ("not-accredited", "mint-two", ("EUR", "bob", 1, "")),
        ("no-receiver", "mint", (CNY, "nobody", 1, "")),
        ("no-receiver", "mint", (CNY, "market", 1, "")),
    ],
)
def test_an_issue_is_refused(chain: Chain, code: str, sender: str, arguments: Any) -> None:
    chain.refused(code, sender, C, "issue", *arguments)


def test_all_the_money_there_may_be_is_issued(chain: Chain) -> None:
    chain.ok("mint", C, "issue", CNY, "bob", MOST - 1000, "x" * 128)
    chain.refused("bad-amount", "mint-two", C, "issue", CNY, "bob", 1, "")


def test_money_that_came_and_went_leaves_room_for_that_of_other_banks(chain: Chain) -> None:
    """One bank could issue all there may be, redeem it, and so stop every other bank."""
    chain.ok("mint", C, "issue", CNY, "mint", MOST - 1000, "")
    chain.ok("mint", C, "redeem", CNY, MOST - 1000, "")
    chain.ok("mint-two", C, "issue", CNY, "bob", MOST - 1000, "")
    chain.refused("bad-amount", "mint", C, "issue", CNY, "mint", 1, "")


def test_a_bank_whose_accreditation_ended_makes_no_money(chain: Chain) -> None:
    chain.ok("alice", C, "transfer", CNY, "mint", 10, "")
    chain.time = UNTIL
    chain.refused("not-accredited", "mint", C, "issue", CNY, "bob", 1, "")
    chain.refused("not-accredited", "mint", C, "redeem", CNY, 1, "")


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("bad-currency", "mint", ("", 1, "")),
        ("bad-amount", "mint", (CNY, 0, "")),
        ("bad-text", "mint", (CNY, 1, "x" * 129)),
        ("not-a-bank", "alice", (CNY, 1, "")),
        ("above-issued", "mint-two", (CNY, 1, "")),
        ("above-issued", "mint", (CNY, 1001, "")),
        ("not-enough-money", "mint", (CNY, 101, "")),
    ],
)
def test_a_redemption_is_refused(chain: Chain, code: str, sender: str, arguments: Any) -> None:
    for bank in ("mint", "mint-two"):
        chain.ok("alice", C, "transfer", CNY, bank, 100, "")
    chain.refused(code, sender, C, "redeem", *arguments)


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("bad-amount", "alice", (CNY, "bob", 0, "")),
        ("bad-amount", "alice", (CNY, "bob", -5, "")),
        ("bad-text", "alice", (CNY, "bob", 1, "x" * 129)),
        ("no-receiver", "alice", (CNY, "nobody", 1, "")),
        ("no-receiver", "alice", (CNY, "buffer", 1, "")),
        ("same-owner", "alice", (CNY, "alice", 1, "")),
        ("not-enough-money", "alice", (CNY, "bob", 1001, "")),
        ("not-enough-money", "bob", (CNY, "alice", 1, "")),
        ("not-enough-money", "alice", ("EUR", "bob", 1, "")),
    ],
)
def test_a_transfer_is_refused(chain: Chain, code: str, sender: str, arguments: Any) -> None:
    chain.refused(code, sender, C, "transfer", *arguments)


def test_new_keys_wait_before_they_move_money(chain: Chain) -> None:
    proposal = chain.ok("regulator", "governance", "propose_key_delay", 60)
    chain.ok("regulator", "governance", "execute", proposal)
    for name in ("alice", "mint"):
        chain.ok(name, "identity", "add_key", name, address_of(f"new-{name}"))
    chain.refused("key-delay", address_of("new-alice"), C, "transfer", CNY, "bob", 1, "")
    chain.refused("key-delay", address_of("new-mint"), C, "issue", CNY, "bob", 1, "")
    chain.time += 60
    chain.ok(address_of("new-alice"), C, "transfer", CNY, "bob", 1, "")


def test_a_statement_tells_every_movement(till: Chain) -> None:
    till.ok("alice", C, "transfer", CNY, "bob", 300, "rent")
    till.ok("bob", T, "hold", "alice", CNY, 500, "o1")
    till.ok("bob", T, "settle", CNY, [["alice", "o1", "bob", 90, 10, True]], "exchange", "t1")
    height, time = till.height, till.time
    lines = till.view(C, "statement", "alice", CNY, 0, 9)
    assert [line[:5] for line in lines] == [
        ["issue", 1000, 1000, "mint", ""],
        ["transfer", -300, 700, "bob", "rent"],
        ["trade", -100, 600, "bob", "t1"],
    ]
    assert lines[2][5:] == [time, height]
    assert till.view(C, "statement", "alice", CNY, 1, 1) == [lines[1]]
    (fees,) = till.view(C, "statement", "exchange", CNY, 0, 9)
    assert fees[:5] == ["fees", 10, 10, "", "t1"]
    assert till.view(C, "statement", "alice", "EUR", 0, 9) == []
    # What changed adds up to the balance, line by line.
    for name in ("alice", "bob", "exchange"):
        found = till.view(C, "statement", name, CNY, 0, 9)
        free, held, count = till.view(C, "account_of", name, CNY)
        assert count == len(found) and free + held == found[-1][2]
        assert [line[2] for line in found] == [
            sum(line[1] for line in found[: number + 1]) for number in range(count)
        ]


def test_held_money_is_its_owners_and_is_not_spent(till: Chain) -> None:
    till.ok("bob", T, "hold", "alice", CNY, 600, "o1")
    till.ok("bob", T, "hold", "alice", CNY, 300, "o2")
    assert [event.name for event in till.events] == ["Held"]
    assert till.view(C, "account_of", "alice", CNY) == [100, 900, 1]
    assert till.view(C, "holds_of", "alice", CNY, "", 9) == [["o1", 600], ["o2", 300]]
    assert till.view(C, "holds_of", "alice", CNY, "o1", 9) == [["o2", 300]]
    till.refused("not-enough-money", "alice", C, "transfer", CNY, "bob", 101, "")
    till.ok("bob", T, "release", "alice", CNY, "o1")
    assert [event.name for event in till.events] == ["Released"]
    assert till.view(C, "account_of", "alice", CNY) == [700, 300, 1]
    till.ok("alice", C, "transfer", CNY, "bob", 700, "")


def test_a_settlement_pays_out_of_holds_and_of_what_is_free(till: Chain) -> None:
    till.ok("bob", T, "hold", "alice", CNY, 600, "o1")
    payments = [
        ["alice", "o1", "bob", 200, 5, False],
        ["alice", "o1", "bob", 300, 5, True],
        ["bob", "", "bank", 500, 0, False],
    ]
    till.ok("bob", T, "settle", CNY, payments, "exchange", "t1")
    names = ["Settled", "Settled", "Released", "Settled"]
    assert sorted(event.name for event in till.events) == sorted(names)
    expected = {"alice": [490, 0, 3], "bob": [0, 0, 3], "bank": [500, 0, 1], "exchange": [10, 0, 1]}
    assert {name: till.view(C, "account_of", name, CNY) for name in expected} == expected
    assert till.view(C, "holds_of", "alice", CNY, "", 9) == []
    assert total(till) == 1000


@pytest.mark.parametrize(
    ("code", "method", "arguments"),
    [
        ("bad-amount", "hold", ("alice", CNY, 0, "o2")),
        ("not-enough-money", "hold", ("alice", CNY, 401, "o2")),
        ("already-held", "hold", ("alice", CNY, 1, "o1")),
        ("no-hold", "release", ("alice", CNY, "o2")),
        ("no-hold", "release", ("bob", CNY, "o1")),
        ("bad-payments", "settle", (CNY, [], "exchange", "")),
        ("bad-payments", "settle", (CNY, [["alice", "", "bob", 1, 0, False]] * 201, "bank", "")),
        ("bad-amount", "settle", (CNY, [["alice", "", "bob", -1, 0, False]], "exchange", "")),
        ("bad-amount", "settle", (CNY, [["alice", "", "bob", 9, -1, False]], "exchange", "")),
        ("not-enough-money", "settle", (CNY, [["alice", "", "bob", 399, 2, False]], "bank", "")),
        ("above-hold", "settle", (CNY, [["alice", "o1", "bob", 599, 2, False]], "exchange", "")),
        ("above-hold", "settle", (CNY, [["alice", "o9", "bob", 1, 0, False]], "exchange", "")),
        ("above-hold", "settle", (CNY, AFTER_THE_END, "bank", "")),
    ],
)
def test_what_the_market_may_not_do(till: Chain, code: str, method: str, arguments: Any) -> None:
    till.ok("bob", T, "hold", "alice", CNY, 600, "o1")
    till.refused(code, "bob", T, method, *arguments)


@pytest.mark.parametrize("sender", ["alice", "mint", "regulator"])
def test_nobody_else_holds_and_settles(chain: Chain, sender: str) -> None:
    chain.refused("not-a-trader", sender, C, "hold", "alice", CNY, 1, "o1")
    chain.refused("not-a-trader", sender, C, "release", "alice", CNY, "o1")
    payments = [["alice", "", "bob", 1, 0, False]]
    chain.refused("not-a-trader", sender, C, "settle", CNY, payments, "bank", "")


def test_pages_have_their_bounds(chain: Chain) -> None:
    for limit in (0, 101):
        chain.view_refused("bad-limit", C, "balances_of", "alice", "", limit)
        chain.view_refused("bad-limit", C, "statement", "alice", CNY, 0, limit)
        chain.view_refused("bad-limit", C, "holds_of", "alice", CNY, "", limit)
        chain.view_refused("bad-limit", C, "list_currencies", "", limit)


def test_the_market_is_named_once_by_the_authority(chain: Chain) -> None:
    market = compute_contract_address("market")
    chain.refused("not-authority", "regulator", C, "connect", [market])
    genesis = make_market_genesis()
    (connect,) = (call for call in genesis.calls if call.call.contract == C)
    (known,) = connect.call.arguments
    assert isinstance(known, list) and market in known
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=(*genesis.calls, connect)))
    assert caught.value.values_seen["outcome_code"] == "already-connected"
