"""Attempts on pledges, baskets, tokens across contracts: locked lots, wrong hands, late hands."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.codec import Value
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import DAY, HASH, Chain
from tests.unit.vm.finance_chain import (
    ID,
    MONEY,
    C,
    F,
    T,
    Terms,
    U,
    default,
    lend,
    lot,
    make_finance_chain,
    money,
)
from tests.unit.vm.market_chain import CAP, CNY, TERMS, M

B, K, R, P = "baskets", "tokens", "retirement", "projects"
CLASS: list[Value] = ["forest", "", "", [], 0, 2200]


@pytest.fixture
def chain() -> Chain:
    """A project, a batch ``c1`` of it with a book, a basket ``forest``."""
    found = make_finance_chain()
    at.register(found, "p1")
    attested = ("r-c1", "p1", 2024, "forest", 1000, "owner", HASH)
    found.ok("verifier", U, "attest", *attested)
    found.ok("registry", U, "issue", "c1", "r-c1", 0, 1000, 1000, 0)
    found.ok("exchange", M, "open_book", "c1", "c1", TERMS)
    found.ok("exchange", B, "create", "forest", CLASS, 1)
    return found


def ways_out(chain: Chain, batch: str) -> list[tuple[str, str, str, tuple[Any, ...]]]:
    """Everything by which its owner, its lender or a court might move [0, 100)."""
    until = chain.time + DAY
    terms = Terms().make(chain)
    return [
        ("owner", U, "transfer", (batch, 0, 100, "bob")),
        ("owner", U, "transfer", (batch, 50, 60, "bob")),
        ("owner", U, "split", (batch, 50)),
        ("owner", U, "merge", (batch, 100)),
        ("owner", U, "lock", (batch, 0, 100, "order", "bank", "")),
        ("regulator", U, "lock", (batch, 0, 100, "court", "registry", "")),
        ("owner", R, "retire", (batch, 0, 100, "owner", "offset")),
        ("owner", R, "cancel", (batch, 0, 100, "error")),
        ("owner", M, "sell", (batch, T, batch, 0, 100, "gtt", until, CAP)),
        ("owner", F, "propose", ("mint", batch, 0, 100, *terms)),
        ("owner", B, "deposit", ("forest", batch, 0, 100)),
        ("owner", K, "make_of_lot", (batch, 0, 100)),
    ]


def test_no_locked_lot_moves_by_any_contract(chain: Chain) -> None:
    lend(chain)
    chain.ok("owner", K, "make_of_lot", "c1", 0, 100)
    for batch in ("b1", "c1"):
        for who, contract, method, arguments in ways_out(chain, batch):
            receipt = chain.send(who, contract, method, *arguments)
            codes = {"lot-locked", "already-pledged", "book-mismatch", "no-project"}
            assert receipt.status == "reverted" and receipt.code in codes, (method, receipt)
    chain.refused("not-holder", "regulator", U, "unlock", "b1", 0, 100)
    chain.refused("not-holder", "owner", U, "unlock", "c1", 0, 100)
    assert lot(chain) == [0, 100, "owner", "locked"]


def test_what_lies_in_a_basket_is_moved_by_its_shares_alone(chain: Chain) -> None:
    chain.ok("owner", B, "deposit", "forest", "c1", 0, 100)
    for who, contract, method, arguments in ways_out(chain, "c1"):
        receipt = chain.send(who, contract, method, *arguments)
        assert receipt.status == "reverted", (method, receipt)
    # And a fresh lot next to it does not merge with it.
    chain.refused("lot-locked", "owner", U, "merge", "c1", 100)
    assert chain.view(U, "get_lot_at", "c1", 0)[:4] == [0, 100, "baskets", "locked"]


def test_one_contract_does_not_end_the_locks_of_another(chain: Chain) -> None:
    """A token, a pledge and a deposit over neighbours: each ends its own and no other."""
    pledge = lend(chain, 0, 100)
    token = chain.ok("owner", K, "make_of_lot", "b1", 100, 200)
    chain.ok("owner", K, "melt", token)
    assert lot(chain, 0)[3] == "locked" and lot(chain, 150)[3] == "active"
    chain.ok("owner", F, "repay", pledge, MONEY)
    assert lot(chain, 0)[3] == "active"
    for number in (0, 99):
        chain.refused("no-token", "owner", K, "melt", number)
        chain.refused("no-pledge", "bank", F, "release", number)
    chain.refused("no-pledge", "bank", F, "release", -1)


def test_a_pledged_lot_of_a_project_that_is_suspended_is_still_sold(chain: Chain) -> None:
    """The bank must not lose its security because the project fell: the price tells."""
    terms = Terms(cover={"book": "c1", "window_days": 1, "trades_min": 1}).make(chain)
    number = chain.ok("owner", F, "propose", "bank", "c1", 0, 100, *terms)
    until = chain.time + 1 + DAY
    chain.ok("owner", M, "sell", "c1", 100 * T, "c1", 500, 510, "gtt", until, CAP)
    chain.ok("bob", M, "buy", "c1", 100 * T, 10, "fok", 0, CAP, "")
    chain.time += DAY
    chain.ok("bank", F, "accept", number)
    chain.ok("regulator", P, "suspend", "p1", "fire")
    chain.time += 120 * DAY
    chain.ok("bank", F, "declare_default", number)
    chain.ok("bank", F, "open_auction", number, 8000, DAY)
    chain.ok("alice", F, "bid", number, 8000)
    chain.time += DAY
    chain.ok("bob", F, "settle_auction", number)
    assert chain.view(U, "get_lot_at", "c1", 0)[:4] == [0, 100, "alice", "active"]


def test_money_of_a_bid_is_spent_by_nothing_else(chain: Chain) -> None:
    number = default(chain)
    chain.ok("bank", F, "open_auction", number, 8000, DAY)
    chain.ok("alice", F, "bid", number, MONEY)
    chain.refused("not-enough-money", "alice", C, "transfer", CNY, "bob", 1, "")
    order = ("c1", T, 1, "gtt", chain.time + DAY, CAP, "")
    chain.refused("not-enough-money", "alice", M, "buy", *order)
    for method, arguments in (
        ("release", ("alice", CNY, f"pledge:{number}")),
        ("settle", (CNY, [["alice", f"pledge:{number}", "bob", 1, 0, True]], "", "")),
    ):
        chain.refused("not-a-trader", "alice", C, method, *arguments)
    # A second auction's bid does not draw on the first one's money.
    assert money(chain, "alice") == [0, MONEY]


def test_a_borrower_does_not_bid_through_the_lot_that_it_lost(chain: Chain) -> None:
    """After the sale it may buy the serials back, but not in the auction."""
    number = default(chain)
    chain.ok("bank", F, "open_auction", number, 8000, DAY)
    chain.refused("own-pledge", "owner", F, "bid", number, 8000)
    chain.ok("alice", F, "bid", number, 8000)
    chain.time += DAY
    chain.ok("bob", F, "settle_auction", number)
    chain.ok("alice", U, "transfer", "b1", 0, 100, "owner")
    # What was sold is pledged again like any lot: the lien ended.
    trades = chain.view(M, "days_of", "b1", 0, 9)
    assert len(trades) == 1
    assert chain.ok("owner", F, "propose", "bank", "b1", 0, 100, *Terms().make(chain)) == 2


def test_auctions_and_loans_make_no_price(chain: Chain) -> None:
    before = chain.view(M, "days_of", "b1", 0, 9)
    number = default(chain)
    chain.ok("bank", F, "open_auction", number, 8000, DAY)
    chain.ok("alice", F, "bid", number, MONEY)
    chain.time += DAY
    chain.ok("bob", F, "settle_auction", number)
    assert chain.view(M, "days_of", "b1", 0, 9) == before


def test_a_lender_that_verified_since_keeps_its_lien_and_gets_no_lot(chain: Chain) -> None:
    number = lend(chain)
    chain.ok("regulator", ID, "add_role", "bank", "verifier")
    chain.ok("regulator", ID, "accredit", "bank", "forest", 0, 2**50)
    report = ("r-bank", "project", 2024, "forest", 10, "owner", bytes(32))
    chain.ok("bank", U, "attest", *report)
    chain.time = chain.view(F, "get_pledge", number)[5][4] + 5 * DAY
    chain.ok("bank", F, "declare_default", number)
    chain.ok("bank", F, "open_auction", number, 8000, DAY)
    chain.refused("verifier-holds", "bank", F, "bid", number, 8000)


def test_a_kilogram_is_the_least_that_is_pledged_and_sold(chain: Chain) -> None:
    number = default(chain, start=0, end=1, principal=80, rate=0)
    chain.ok("bank", F, "open_auction", number, 80, DAY)
    chain.ok("alice", F, "bid", number, 80)
    # One more is above a hundredth of 80, rounded up.
    chain.refused("bid-too-low", "bob", F, "bid", number, 80)
    chain.ok("bob", F, "bid", number, 81)
    chain.time += DAY
    chain.ok("mint", F, "settle_auction", number)
    assert chain.events[-1].values == (number, "bob", 81, 80, 1, 0)


def test_redeeming_twice_or_what_another_holds_gives_nothing(chain: Chain) -> None:
    chain.ok("owner", B, "deposit", "forest", "c1", 0, 10)
    chain.ok("owner", B, "redeem", "forest", 10)
    chain.refused("not-enough-shares", "owner", B, "redeem", "forest", 1)
    chain.ok("owner", B, "deposit", "forest", "c1", 100, 110)
    chain.refused("not-enough-shares", "alice", B, "redeem", "forest", 1)
    chain.ok("exchange", B, "create", "other", CLASS, 1)
    chain.refused("not-enough-shares", "owner", B, "redeem", "other", 1)
