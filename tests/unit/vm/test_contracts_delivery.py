"""The contract ``delivery``: cash settlement, units against money, and who fails to be ready."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.carbon_chain import DAY, Chain
from tests.unit.vm.futures_chain import (
    DAYS,
    MONEY,
    PRICE,
    D,
    K,
    S,
    cross,
    free,
    get_midnight,
    held,
    make_futures_chain,
    mark,
    standing,
)
from tests.unit.vm.market_chain import CNY

U = "units"
EACH = 50
"""The penalty for a contract: 5 % of 1000."""


@pytest.fixture
def chain() -> Chain:
    """``alice`` and ``bank`` are long 3 and 2, ``owner`` and ``bob`` short 4 and 1; physical."""
    chain = make_futures_chain(delivery="physical")
    cross(chain, "alice", "owner", PRICE, 3)
    cross(chain, "bank", "owner", PRICE, 1)
    cross(chain, "bank", "bob", PRICE, 1)
    chain.ok("owner", U, "transfer", "b1", 4000, 5000, "bob")
    return chain


def expire(chain: Chain) -> None:
    chain.time = get_midnight(chain, DAYS)
    assert mark(chain) == PRICE
    assert chain.view(K, "get_state", S)[0] == "settling"


def miss(chain: Chain) -> None:
    """The days of delivery are over."""
    chain.time += 3 * DAY


def lot(chain: Chain, serial: int) -> list[Any]:
    """[owner, status]"""
    found: list[Any] = chain.view(U, "get_lot_at", "b1", serial)[2:4]
    return found


def close_out(chain: Chain, *members: str) -> None:
    chain.ok("alice", D, "close_out", S, list(members))


def put_up(chain: Chain, who: str = "owner", start: int = 0, end: int = 4000) -> int:
    number: int = chain.ok(who, D, "tender", S, "b1", start, end)
    return number


def test_a_cash_series_is_settled_one_by_one_by_anyone() -> None:
    chain = make_futures_chain()
    cross(chain, "alice", "bob", 1100, 10)
    chain.time = get_midnight(chain, DAYS)
    chain.refused("not-settling", "owner", D, "close_out", S, ["alice"])
    assert mark(chain) == 1100
    chain.refused("bad-list", "owner", D, "close_out", S, [])
    chain.refused("bad-list", "owner", D, "close_out", S, ["alice"] * 51)
    chain.refused("no-position", "owner", D, "close_out", S, ["owner"])
    chain.refused("no-position", "owner", D, "close_out", S, ["alice", "alice"])
    chain.refused("position-open", "exchange", K, "finish", S)
    for method in ("pay", "deliver"):
        chain.refused("cash-settled", "alice", D, method, S)
    chain.refused("cash-settled", "bob", D, "tender", S, "b1", 0, 1000)
    close_out(chain, "alice", "bob")
    assert chain.events[-1].name == "ClosedOut"
    assert free(chain, "alice") == MONEY == free(chain, "bob")
    assert chain.ok("owner", K, "finish", S) == 0
    assert chain.view(K, "get_state", S)[0] == "closed"
    chain.refused("not-settling", "owner", K, "finish", S)


def test_units_go_to_the_long_and_their_price_to_the_short(chain: Chain) -> None:
    early = put_up(chain)
    assert chain.view(U, "get_lock", "b1", 4000)[:3] == ["margin", D, f"margin:{S}:{early}"]
    put_up(chain, "bob", 4000, 5000)
    expire(chain)
    before = {name: free(chain, name) for name in ("alice", "bank", "owner", "bob")}
    assert chain.ok("alice", D, "pay", S) == 3000
    assert free(chain, "alice") == before["alice"] - 3000
    chain.ok("bank", D, "pay", S)
    assert [claim[1:] for claim in chain.view(D, "payers_of", S, 0, 9)] == [
        ["alice", 3], ["bank", 2],
    ]  # fmt: skip
    assert chain.ok("bob", D, "deliver", S) == 3
    assert [event.values[1:4] for event in chain.events if event.name == "Delivered"] == [
        ("owner", "alice", 3), ("owner", "bank", 1), ("bob", "bank", 1),
    ]  # fmt: skip
    # Their margin of 15 % comes back; owner and bob have 1000 for each contract.
    assert free(chain, "alice") == before["alice"] - 3000 + 450 == MONEY - 3000
    assert free(chain, "owner") == MONEY + 4000 and free(chain, "bob") == MONEY + 1000
    assert [lot(chain, serial) for serial in (0, 3500, 4500)] == [
        ["alice", "active"], ["bank", "active"], ["bank", "active"],
    ]  # fmt: skip
    assert chain.view(D, "parcels_of", S, 0, 9) == [] == chain.view(D, "payers_of", S, 0, 9)
    assert chain.ok("exchange", K, "finish", S) == 0


def test_what_may_be_tendered(chain: Chain) -> None:
    for start, end in ((0, 999), (1000, 1000), (1000, 0)):
        chain.refused("bad-amount", "owner", D, "tender", S, "b1", start, end)
    chain.issue("b2", 5000)
    chain.refused("not-deliverable", "owner", D, "tender", S, "b2", 0, 1000)
    chain.refused("no-lot", "owner", D, "tender", S, "b1", 3000, 5000)
    chain.refused("not-owner", "bob", D, "tender", S, "b1", 0, 1000)
    put_up(chain, "owner", 0, 3000)
    chain.ok("bob", U, "transfer", "b1", 4000, 5000, "owner")
    put_up(chain, "owner", 3000, 4000)
    chain.refused("above-position", "owner", D, "tender", S, "b1", 4000, 5000)
    chain.ok("owner", U, "transfer", "b1", 4000, 5000, "alice")
    chain.refused("above-position", "alice", D, "tender", S, "b1", 4000, 5000)
    expire(chain)
    miss(chain)
    chain.refused("too-late", "owner", D, "tender", S, "b1", 0, 1000)
    chain.refused("no-series", "owner", D, "tender", "none", "b1", 0, 1000)


def test_a_parcel_is_taken_back_before_the_final_mark(chain: Chain) -> None:
    number = put_up(chain, "owner", 0, 1000)
    chain.refused("no-parcel", "owner", D, "take_back", S, number + 1)
    chain.refused("not-owner", "bob", D, "take_back", S, number)
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 0, 1000, "alice")
    chain.refused("not-holder", "regulator", U, "unlock", "b1", 0, 1000)
    chain.ok("owner", D, "take_back", S, number)
    assert lot(chain, 0) == ["owner", "active"]
    number = put_up(chain, "owner", 0, 1000)
    expire(chain)
    chain.refused("delivery-due", "owner", D, "take_back", S, number)
    miss(chain)
    close_out(chain, "alice", "owner")
    chain.ok("owner", D, "take_back", S, number)


def test_what_is_owed_no_more_goes_back_to_its_owner(chain: Chain) -> None:
    put_up(chain)
    cross(chain, "owner", "bank", PRICE, 3)
    expire(chain)
    assert held(chain, "owner") == -1 and held(chain, "bank") == -1
    chain.ok("alice", D, "pay", S)
    assert chain.ok("bank", D, "deliver", S) == 2
    assert lot(chain, 500) == ["alice", "active"] and lot(chain, 1500) == ["owner", "active"]
    assert chain.view(D, "payers_of", S, 0, 9)[0][1:] == ["alice", 2]
    assert held(chain, "alice") == 2 and held(chain, "owner") == 0


def test_paying_needs_a_long_position_and_the_money(chain: Chain) -> None:
    chain.refused("not-settling", "alice", D, "pay", S)
    expire(chain)
    chain.refused("no-position", "owner", D, "pay", S)
    chain.ok("bank", K, "withdraw", CNY, free(chain, "bank") - 1999)
    chain.refused("not-enough-margin", "bank", D, "pay", S)
    chain.ok("alice", D, "pay", S)
    chain.refused("already-paid", "alice", D, "pay", S)
    chain.refused("nothing-to-deliver", "alice", D, "deliver", S)
    miss(chain)
    chain.refused("too-late", "bank", D, "pay", S)


def test_who_was_not_ready_pays_the_penalty_to_those_who_were(chain: Chain) -> None:
    """owner tenders two of four; alice pays for three, bank for none."""
    put_up(chain, "owner", 0, 2000)
    expire(chain)
    chain.ok("alice", D, "pay", S)
    chain.refused("not-due", "alice", D, "close_out", S, ["owner"])
    miss(chain)
    chain.refused("deliver-first", "alice", D, "close_out", S, ["alice"])
    chain.refused("deliver-first", "alice", D, "close_out", S, ["owner"])
    chain.ok("bank", D, "deliver", S)
    chain.refused("penalties-due", "alice", D, "close_out", S, ["alice"])
    close_out(chain, "owner", "bob", "alice", "bank")
    assert free(chain, "owner") == MONEY + 2000 - 2 * EACH
    assert free(chain, "bob") == MONEY - EACH and free(chain, "bank") == MONEY - 2 * EACH
    assert free(chain, "alice") == MONEY - 2000 + EACH
    # Five failed and one was ready: the rest of the penalties is the operator's.
    assert chain.ok("exchange", K, "finish", S) == 4 * EACH == free(chain, "exchange")


def test_units_that_nobody_paid_for_are_their_owners_again(chain: Chain) -> None:
    number = put_up(chain)
    expire(chain)
    miss(chain)
    close_out(chain, "alice", "bank", "owner", "bob")
    assert free(chain, "owner") == MONEY + 4 * EACH
    assert free(chain, "alice") == MONEY - 3 * EACH and free(chain, "bank") == MONEY - 2 * EACH
    assert chain.ok("exchange", K, "finish", S) == 2 * EACH
    assert lot(chain, 0) == ["owner", "locked"]
    chain.ok("bob", D, "deliver", S)
    assert lot(chain, 0) == ["owner", "active"]
    chain.refused("no-parcel", "owner", D, "take_back", S, number)


def test_who_may_not_receive_has_failed_to_take(chain: Chain) -> None:
    put_up(chain)
    expire(chain)
    chain.ok("alice", D, "pay", S)
    chain.ok("bank", D, "pay", S)
    chain.ok("regulator", "identity", "suspend", "alice", "court order")
    assert chain.ok("bob", D, "deliver", S) == 2
    assert free(chain, "alice") == MONEY - 450 and held(chain, "alice") == 3
    assert held(chain, "owner") == -2 and lot(chain, 0) == ["bank", "active"]
    miss(chain)
    chain.ok("bob", D, "close_out", S, ["alice", "bob", "owner"])
    assert free(chain, "alice") == MONEY - 3 * EACH


def test_who_verified_the_project_since_does_not_receive(chain: Chain) -> None:
    put_up(chain)
    expire(chain)
    chain.ok("alice", D, "pay", S)
    chain.ok("regulator", "identity", "add_role", "alice", "verifier")
    chain.ok("regulator", "identity", "accredit", "alice", "forest", 0, chain.time + DAY)
    attest = ("r-alice", "project", 2024, "forest", 5, "owner", bytes(32))
    chain.ok("alice", U, "attest", *attest)
    chain.ok("bob", D, "deliver", S)
    assert lot(chain, 0) == ["owner", "locked"] and free(chain, "alice") == MONEY - 450


def test_a_suspended_short_position_still_delivers_what_it_locked(chain: Chain) -> None:
    put_up(chain)
    expire(chain)
    chain.ok("regulator", "identity", "suspend", "owner", "court order")
    chain.ok("alice", D, "pay", S)
    chain.ok("alice", D, "deliver", S)
    assert lot(chain, 0) == ["alice", "active"] and free(chain, "owner") == MONEY - 600 + 3000


def test_the_penalty_is_in_the_margin_of_whoever_fails() -> None:
    """At the highest penalty and a price that does not divide: nothing goes below zero."""
    chain = make_futures_chain(
        price=999, delivery="physical", initial=1003, maintenance=1003, penalty=1003
    )
    cross(chain, "alice", "owner", 999, 7)
    for name in ("alice", "owner"):
        chain.ok(name, K, "withdraw", CNY, free(chain, name))
    chain.time = get_midnight(chain, DAYS)
    mark(chain)
    assert standing(chain, "alice")[2] == 702
    miss(chain)
    close_out(chain, "alice", "owner")
    assert free(chain, "alice") == 2 == free(chain, "owner")
    assert chain.ok("exchange", K, "finish", S) == 2 * 700
