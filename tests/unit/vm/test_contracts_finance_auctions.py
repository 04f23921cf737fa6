"""Auctions of pledged lots: reserve, rising bids, the hammer, who gets what, what stays owed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.carbon_chain import DAY, Chain, address_of
from tests.unit.vm.finance_chain import (
    GRACE,
    ID,
    MONEY,
    C,
    F,
    U,
    default,
    get,
    lend,
    lot,
    make_finance_chain,
    money,
)
from tests.unit.vm.market_chain import CNY

DEBT = 8085
"""At the hammer: 8000, and 0.8 a day for 100 days of the loan, 5 of grace and 1 of the auction."""


@pytest.fixture
def chain() -> Chain:
    return make_finance_chain()


def put_up(chain: Chain, reserve: int = 8000, seconds: int = DAY, **changes: Any) -> int:
    number = default(chain, **changes)
    chain.ok("bank", F, "open_auction", number, reserve, seconds)
    return number


def end(chain: Chain, number: int) -> None:
    """The next block is the first in which it may be settled."""
    chain.time = chain.view(F, "get_auction", number)[1] - 1


def total(chain: Chain) -> int:
    names = ("owner", "bob", "alice", "bank", "mint", "exchange")
    return sum(sum(money(chain, name)) for name in names)


def test_the_highest_bid_gets_the_lot_and_each_what_is_its_own(chain: Chain) -> None:
    number = put_up(chain)
    ends = chain.time + DAY
    assert chain.events[-1].values == (number, 8000, ends)
    before = money(chain, "owner")[0]
    chain.ok("alice", F, "bid", number, 9000)
    assert chain.events[-1].values == (number, "alice", 9000, ends)
    assert money(chain, "alice") == [MONEY - 9000, 9000]
    bob = money(chain, "bob")[0]
    chain.ok("bob", F, "bid", number, 9500)
    # What it outbid is free again at once.
    assert money(chain, "alice") == [MONEY, 0] and money(chain, "bob") == [bob - 9500, 9500]
    assert chain.view(F, "get_auction", number) == [8000, ends, "bob", 9500, 2]
    chain.time = ends - 2
    chain.refused("auction-running", "mint", F, "settle_auction", number)
    kept = total(chain)
    chain.ok("mint", F, "settle_auction", number)
    assert chain.events[-1].values == (number, "bob", 9500, DEBT, 9500 - DEBT, 0)
    assert lot(chain) == [0, 100, "bob", "active"]
    assert money(chain, "bank") == [MONEY - 8000 + DEBT, 0]
    assert money(chain, "owner") == [before + 9500 - DEBT, 0]
    assert money(chain, "bob") == [bob - 9500, 0] and total(chain) == kept
    assert get(chain, number, "status") == "liquidated" and get(chain, number, "claim") == 0
    assert chain.view(F, "lien_at", "b1", 50)[0] == 0
    assert chain.view(C, "holds_of", "bob", CNY, "", 9) == []
    chain.refused("no-auction", "mint", F, "settle_auction", number)
    chain.refused("pledge-liquidated", "bank", F, "release", number)
    chain.refused("nothing-owed", "owner", F, "repay", number, 1)


def test_what_is_not_covered_stays_a_claim(chain: Chain) -> None:
    number = put_up(chain)
    chain.ok("alice", F, "bid", number, 8000)
    end(chain, number)
    chain.ok("bank", F, "settle_auction", number)
    assert chain.events[-1].values == (number, "alice", 8000, 8000, 0, 85)
    assert chain.view(F, "owed", number) == [0, 0, 85]
    assert chain.view(F, "claims_on", "owner", "", 0, 9) == [number]
    chain.ok("owner", F, "repay", number, 85)
    assert chain.view(F, "claims_on", "owner", "", 0, 9) == []


def test_a_bid_that_is_the_debt_leaves_nothing_to_anyone(chain: Chain) -> None:
    number = put_up(chain)
    before = money(chain, "owner")[0]
    chain.ok("alice", F, "bid", number, DEBT)
    end(chain, number)
    chain.ok("bank", F, "settle_auction", number)
    assert chain.events[-1].values == (number, "alice", DEBT, DEBT, 0, 0)
    assert money(chain, "owner")[0] == before and money(chain, "alice")[1] == 0


def test_the_bank_may_bid_and_pays_itself(chain: Chain) -> None:
    number = put_up(chain)
    before = money(chain, "bank")[0]
    chain.ok("bank", F, "bid", number, 9000)
    end(chain, number)
    chain.ok("bank", F, "settle_auction", number)
    assert money(chain, "bank") == [before - 9000 + DEBT, 0]
    assert lot(chain) == [0, 100, "bank", "active"]


def test_a_bid_rises_by_a_hundredth_at_least(chain: Chain) -> None:
    number = put_up(chain)
    chain.refused("below-reserve", "alice", F, "bid", number, 7999)
    chain.ok("alice", F, "bid", number, 8000)
    chain.refused("bid-too-low", "bob", F, "bid", number, 8000)
    chain.refused("bid-too-low", "bob", F, "bid", number, 8079)
    chain.ok("bob", F, "bid", number, 8080)
    # One's own bid is raised out of the money that was free and that it held.
    chain.ok("bob", C, "transfer", CNY, "alice", money(chain, "bob")[0] - 100, "")
    chain.refused("bid-too-low", "bob", F, "bid", number, 8160)
    chain.ok("bob", F, "bid", number, 8161)
    assert money(chain, "bob") == [19, 8161]
    chain.refused("not-enough-money", "bob", F, "bid", number, 8281)


def test_a_late_bid_leaves_ten_minutes_for_another(chain: Chain) -> None:
    number = put_up(chain)
    ends = chain.view(F, "get_auction", number)[1]
    chain.time = ends - 602
    chain.ok("alice", F, "bid", number, 8000)
    assert chain.view(F, "get_auction", number)[1] == ends
    chain.time = ends - 2
    chain.ok("bob", F, "bid", number, 8100)
    assert chain.view(F, "get_auction", number)[1] == ends - 1 + 600
    chain.time = ends + 599 - 2
    chain.refused("auction-running", "alice", F, "settle_auction", number)
    chain.refused("auction-over", "alice", F, "bid", number, 9000)
    chain.ok("alice", F, "settle_auction", number)


@pytest.mark.parametrize(
    ("code", "who", "arguments"),
    [
        ("bad-amount", "alice", (2, 0)),
        ("bad-amount", "alice", (2, 10**24 + 1)),
        ("no-pledge", "alice", (9, 9000)),
        ("no-auction", "alice", (1, 9000)),
        ("own-pledge", "owner", (2, 9000)),
        ("verifier-holds", "verifier", (2, 9000)),
        ("not-enough-money", "metering", (2, 9000)),
    ],
)
def test_bids_that_are_refused(chain: Chain, code: str, who: str, arguments: Any) -> None:
    lend(chain, 100, 200)
    put_up(chain)
    chain.refused(code, who, F, "bid", *arguments)


@pytest.mark.parametrize(
    ("code", "who", "reserve", "seconds"),
    [
        ("bad-duration", "bank", 8000, DAY - 1),
        ("bad-duration", "bank", 8000, 30 * DAY + 1),
        ("not-lender", "owner", 8000, DAY),
        ("not-lender", "regulator", 8000, DAY),
        ("bad-amount", "bank", 0, DAY),
        ("bad-amount", "bank", 10**24 + 1, DAY),
        ("reserve-too-low", "bank", 7999, DAY),
    ],
)
def test_auctions_that_are_refused(
    chain: Chain, code: str, who: str, reserve: int, seconds: int
) -> None:
    number = default(chain)
    chain.refused(code, who, F, "open_auction", number, reserve, seconds)
    chain.ok("bank", F, "open_auction", number, 8000, DAY)
    chain.refused("auction-open", "bank", F, "open_auction", number, 8000, DAY)
    chain.refused("auction-open", "bank", F, "release", number)
    chain.refused("no-pledge", "bank", F, "open_auction", 9, 8000, DAY)


def test_only_after_a_default(chain: Chain) -> None:
    number = lend(chain)
    chain.refused("pledge-active", "bank", F, "open_auction", number, 8000, DAY)


def test_the_reserve_is_the_debt_when_that_is_less(chain: Chain) -> None:
    number = default(chain, principal=100)
    chain.refused("reserve-too-low", "bank", F, "open_auction", number, 101, DAY)
    chain.ok("bank", F, "open_auction", number, 102, DAY)


def test_without_a_bid_the_next_reserve_may_be_half(chain: Chain) -> None:
    number = put_up(chain)
    end(chain, number)
    chain.ok("bob", F, "settle_auction", number)
    assert chain.events[-1].values == (number, "no-bid")
    assert get(chain, number, "status") == "defaulted" and lot(chain)[2:] == ["owner", "locked"]
    chain.refused("reserve-too-low", "bank", F, "open_auction", number, 3999, DAY)
    chain.ok("bank", F, "open_auction", number, 5001, DAY)
    end(chain, number)
    chain.ok("bob", F, "settle_auction", number)
    chain.refused("reserve-too-low", "bank", F, "open_auction", number, 2499, DAY)
    chain.ok("bank", F, "open_auction", number, 2500, DAY)


def test_a_reserve_of_one_is_not_halved_to_nothing(chain: Chain) -> None:
    number = default(chain, start=0, end=1, principal=1, rate=0)
    for _ in range(2):
        chain.ok("bank", F, "open_auction", number, 1, DAY)
        end(chain, number)
        chain.ok("bob", F, "settle_auction", number)
        chain.refused("bad-amount", "bank", F, "open_auction", number, 0, DAY)


@pytest.mark.parametrize("how", ["suspended", "verifier"])
def test_a_bidder_that_may_not_take_it_gets_its_money_back(chain: Chain, how: str) -> None:
    """Its fall must not keep the lot from being sold; it counts as no auction without bids."""
    number = put_up(chain)
    chain.ok("alice", F, "bid", number, 9000)
    if how == "suspended":
        chain.ok("regulator", ID, "suspend", "alice", "under review")
    else:
        chain.ok("regulator", ID, "add_role", "alice", "verifier")
        scope = ("alice", "forest", 0, 2**50)
        chain.ok("regulator", ID, "accredit", *scope)
        report = ("r-alice", "project", 2024, "forest", 10, "owner", bytes(32))
        chain.ok("alice", U, "attest", *report)
    end(chain, number)
    chain.ok("bob", F, "settle_auction", number)
    assert chain.events[-1].values == (number, "bidder-barred")
    assert money(chain, "alice") == [MONEY, 0] and lot(chain)[2:] == ["owner", "locked"]
    chain.refused("reserve-too-low", "bank", F, "open_auction", number, 7999, DAY)
    chain.ok("bank", F, "open_auction", number, 8000, DAY)


def test_the_borrower_may_pay_all_of_it_until_the_hammer(chain: Chain) -> None:
    number = put_up(chain)
    chain.ok("alice", F, "bid", number, 9000)
    chain.refused("auction-open", "owner", F, "repay", number, DEBT - 2)
    chain.time = chain.view(F, "get_auction", number)[1] - 2
    chain.ok("owner", F, "repay", number, MONEY)
    assert chain.events[-1].values == (number, "repaid", 0)
    assert money(chain, "alice") == [MONEY, 0] and lot(chain) == [0, 100, "owner", "active"]
    chain.refused("no-auction", "bob", F, "settle_auction", number)


def test_after_the_hammer_the_lot_is_the_bidders(chain: Chain) -> None:
    number = put_up(chain)
    chain.ok("alice", F, "bid", number, 9000)
    end(chain, number)
    chain.refused("auction-over", "owner", F, "repay", number, MONEY)
    chain.ok("alice", F, "settle_auction", number)


def test_after_an_auction_without_bids_the_borrower_may_still_pay(chain: Chain) -> None:
    number = put_up(chain)
    end(chain, number)
    chain.ok("owner", F, "repay", number, MONEY)
    assert get(chain, number, "status") == "released"


def test_who_settles_late_costs_the_borrower_nothing(chain: Chain) -> None:
    """Interest ends with the auction, although nobody settles it for a year."""
    number = put_up(chain)
    chain.ok("alice", F, "bid", number, 9000)
    end(chain, number)
    chain.time += 365 * DAY
    chain.ok("bob", F, "settle_auction", number)
    assert chain.events[-1].values[3] == DEBT


def test_a_suspended_borrower_gets_what_is_left(chain: Chain) -> None:
    number = put_up(chain)
    chain.ok("regulator", ID, "revoke", "owner", "gone")
    before = money(chain, "owner")[0]
    chain.ok("alice", F, "bid", number, 9000)
    end(chain, number)
    chain.ok("bob", F, "settle_auction", number)
    assert money(chain, "owner")[0] == before + 9000 - DEBT


def test_a_bank_that_lost_its_role_may_still_recover_what_it_lent(chain: Chain) -> None:
    number = lend(chain)
    chain.ok("regulator", ID, "add_role", "bank", "enterprise")
    chain.ok("regulator", ID, "remove_role", "bank", "bank")
    chain.time = get(chain, number, "due_at") + GRACE
    chain.ok("bank", F, "declare_default", number)
    chain.ok("bank", F, "open_auction", number, 8000, DAY)
    chain.ok("alice", F, "bid", number, 8000)
    end(chain, number)
    chain.ok("bob", F, "settle_auction", number)


def test_a_key_in_its_delay_neither_bids_nor_puts_up(chain: Chain) -> None:
    number, other = lend(chain), lend(chain, 100, 200)
    chain.time = get(chain, other, "due_at") + GRACE
    for pledge in (number, other):
        chain.ok("bank", F, "declare_default", pledge)
    chain.ok("bank", F, "open_auction", other, 8000, DAY)
    decided = chain.ok("regulator", "governance", "propose_key_delay", 3600)
    chain.ok("regulator", "governance", "execute", decided)
    for name in ("alice", "bank"):
        chain.ok(name, ID, "add_key", name, address_of(f"{name}-two"))
    chain.refused("key-delay", "alice", F, "bid", other, 9000)
    chain.refused("key-delay", "bank", F, "open_auction", number, 8000, DAY)
