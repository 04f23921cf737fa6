"""The contract ``baskets``: deposited, shared, redeemed for the oldest lots; what waits aside."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.codec import Value
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import HASH, Chain, address_of
from tests.unit.vm.market_chain import make_market_chain

B, U, P = "baskets", "units", "projects"
FOREST: list[Value] = ["forest", "forest-sink", "CN", ["biomass"], 2020, 2025]
"""Scope, methodology, region, claims and vintages, as project_chain drafts them."""


def issue(chain: Chain, batch: str, project: str, vintage: int) -> None:
    attested = (f"r-{batch}", project, vintage, "forest", 1000, "owner", HASH)
    chain.ok("verifier", U, "attest", *attested)
    chain.ok("registry", U, "issue", batch, f"r-{batch}", 0, 1000, 1000, 0)


@pytest.fixture
def chain() -> Chain:
    """Batches of 1000 kg: ``old`` of 2021 and ``new`` of 2023 of p1, ``other`` of 2022 of p2."""
    found = make_market_chain()
    at.register(found, "p1")
    at.register(found, "p2")
    issue(found, "old", "p1", 2021)
    issue(found, "new", "p1", 2023)
    issue(found, "other", "p2", 2022)
    found.ok("exchange", B, "create", "forest", FOREST, 10)
    return found


def deposit(chain: Chain, batch: str, start: int, end: int, owner: str = "owner") -> int:
    number: int = chain.ok(owner, B, "deposit", "forest", batch, start, end)
    return number


def check(chain: Chain) -> None:
    """Shares = kilograms in the basket = what the units say that the pool holds."""
    kg = chain.view(B, "get_basket", "forest")[2]
    assert sum(row[1] for row in chain.view(B, "holders_of", "forest", "", 100)) == kg
    lots = chain.view(B, "lots_in", "forest", 0, 0, 100)
    lots += chain.view(B, "lots_aside", "forest", 0, 0, 100)
    assert sum(lot[2] - lot[1] for lot in lots) == kg
    assert sum(row[1] for row in chain.view(U, "holdings_of", B, "", 100)) == kg


def suspend(chain: Chain, project: str) -> None:
    chain.ok("regulator", P, "suspend", project, "under review")


def test_a_lot_becomes_as_many_shares_as_it_has_kilograms(chain: Chain) -> None:
    assert chain.view(B, "get_class", "forest") == FOREST
    number = deposit(chain, "old", 0, 100)
    assert [(event.contract, event.name) for event in chain.events] == [
        (U, "Locked"), (U, "Transferred"), (U, "Locked"), (B, "Deposited"),
    ]  # fmt: skip
    assert chain.events[-1].values == ("forest", "owner", number, "old", 0, 100)
    assert chain.view(U, "get_lot_at", "old", 50)[:4] == [0, 100, "baskets", "locked"]
    assert chain.view(U, "get_lock", "old", 100)[:3] == ["basket", "baskets", "basket:forest"]
    assert chain.view(B, "get_basket", "forest")[:3] == ["exchange", 10, 100]
    assert chain.view(B, "share_of", "forest", "owner") == 100
    assert chain.view(B, "shares_of", "owner", "", 9) == [["forest", 100]]
    assert chain.view(B, "lots_in", "forest", 0, 0, 9) == [["old", 0, 100, 2021, number]]
    assert chain.view(B, "list_baskets", "", 9) == ["forest"]
    # It belongs to nobody who could move it, and to no court either while it is in the pool.
    chain.refused("lot-locked", "owner", U, "transfer", "old", 0, 100, "bob")
    chain.refused("not-holder", "owner", U, "unlock", "old", 0, 100)
    chain.refused("not-holder", "regulator", U, "unlock", "old", 0, 100)
    check(chain)


def test_shares_move_down_to_a_kilogram(chain: Chain) -> None:
    deposit(chain, "old", 0, 100)
    chain.ok("owner", B, "transfer", "forest", "alice", 1)
    assert chain.events[-1].values == ("forest", "owner", "alice", 1)
    chain.ok("owner", B, "transfer", "forest", "bob", 99)
    assert chain.view(B, "holders_of", "forest", "", 9) == [["alice", 1], ["bob", 99]]
    assert chain.view(B, "holders_of", "forest", "alice", 9) == [["bob", 99]]
    assert chain.view(B, "shares_of", "owner", "", 9) == []
    pieces = chain.ok("alice", B, "redeem", "forest", 1)
    assert pieces == [["old", 0, 1]] and chain.view(U, "balance_of", "alice", "old") == 1
    check(chain)


def test_the_oldest_lots_go_out_first_by_vintage_and_then_by_deposit(chain: Chain) -> None:
    deposit(chain, "new", 0, 20)
    deposit(chain, "other", 0, 20)
    deposit(chain, "old", 500, 520)
    deposit(chain, "old", 0, 20)
    lots = [row[:3] for row in chain.view(B, "lots_in", "forest", 0, 0, 9)]
    assert lots == [["old", 500, 520], ["old", 0, 20], ["other", 0, 20], ["new", 0, 20]]
    pieces = chain.ok("owner", B, "redeem", "forest", 30)
    assert pieces == [["old", 500, 520], ["old", 0, 10]]
    assert chain.events[-1].values == ("forest", "owner", 30, pieces)
    check(chain)
    chain.ok("owner", B, "transfer", "forest", "alice", 45)
    assert chain.ok("alice", B, "redeem", "forest", 40) == [
        ["old", 10, 20], ["other", 0, 20], ["new", 0, 10],
    ]  # fmt: skip
    assert chain.view(U, "balance_of", "alice", "other") == 20
    assert chain.view(U, "get_lot_at", "other", 0)[:4] == [0, 20, "alice", "active"]
    check(chain)
    chain.ok("owner", B, "redeem", "forest", 5)
    chain.ok("alice", B, "redeem", "forest", 5)
    assert chain.view(B, "lots_in", "forest", 0, 0, 9) == []
    check(chain)


def test_who_deposited_may_redeem_its_own_lot(chain: Chain) -> None:
    deposit(chain, "old", 0, 20)
    assert chain.ok("owner", B, "redeem", "forest", 20) == [["old", 0, 20]]
    assert chain.view(U, "get_lot_at", "old", 0)[:4] == [0, 20, "owner", "active"]
    steps = chain.view(U, "trace", "old", 5, 9)
    assert [step[1] for step in steps] == ["transfer", "lock", "transfer", "lock", "issue"]
    assert [step[4] for step in steps[:3]] == ["baskets", "baskets", "owner"]


def test_what_fits_no_more_is_passed_over(chain: Chain) -> None:
    first = deposit(chain, "old", 0, 20)
    deposit(chain, "other", 0, 20)
    suspend(chain, "p1")
    chain.refused("not-in-class", "owner", B, "deposit", "forest", "new", 0, 20)
    chain.refused("nothing-fits", "owner", B, "redeem", "forest", 21)
    assert chain.ok("owner", B, "redeem", "forest", 20) == [["other", 0, 20]]
    check(chain)
    chain.refused("nothing-fits", "owner", B, "redeem", "forest", 1)
    chain.ok("bob", B, "set_aside", "forest", 2021, first)
    assert chain.events[-1].values == ("forest", first)
    assert chain.view(B, "lots_aside", "forest", 0, 0, 9) == [["old", 0, 20, 2021, first]]
    check(chain)
    # A holder takes it as it is, or waits.
    piece = chain.ok("owner", B, "redeem_aside", "forest", 2021, first, 5)
    assert piece == ["old", 0, 5]
    chain.refused("not-in-class", "bob", B, "put_back", "forest", 2021, first)
    chain.ok("regulator", P, "reinstate", "p1")
    chain.refused("still-fits", "owner", B, "redeem_aside", "forest", 2021, first, 5)
    chain.ok("bob", B, "put_back", "forest", 2021, first)
    assert chain.view(B, "lots_in", "forest", 0, 0, 9) == [["old", 5, 20, 2021, first]]
    chain.refused("still-fits", "bob", B, "set_aside", "forest", 2021, first)
    assert chain.ok("owner", B, "redeem", "forest", 15) == [["old", 5, 20]]
    check(chain)


def test_a_lot_aside_is_taken_whole_at_last(chain: Chain) -> None:
    number = deposit(chain, "old", 0, 20)
    suspend(chain, "p1")
    chain.ok("bob", B, "set_aside", "forest", 2021, number)
    chain.ok("owner", B, "redeem_aside", "forest", 2021, number, 20)
    assert chain.view(B, "lots_aside", "forest", 0, 0, 9) == []
    chain.refused("no-lot", "owner", B, "redeem_aside", "forest", 2021, number, 1)
    chain.refused("no-lot", "owner", B, "put_back", "forest", 2021, number)
    check(chain)


def test_small_lots_do_not_bar_the_way(chain: Chain) -> None:
    """One redemption meets twenty lots; what stands aside is not met."""
    for n in range(21):
        deposit(chain, "old", 10 * n, 10 * n + 10)
    chain.refused("too-many-lots", "owner", B, "redeem", "forest", 201)
    pieces = chain.ok("owner", B, "redeem", "forest", 200)
    assert len(pieces) == 20
    numbers = [deposit(chain, "old", 500 + 10 * n, 510 + 10 * n) for n in range(20)]
    deposit(chain, "other", 0, 10)
    suspend(chain, "p1")
    chain.refused("too-many-lots", "owner", B, "redeem", "forest", 10)
    first = chain.view(B, "lots_in", "forest", 0, 0, 1)[0][4]
    for number in [first, *numbers]:
        chain.ok("bob", B, "set_aside", "forest", 2021, number)
    assert chain.ok("owner", B, "redeem", "forest", 10) == [["other", 0, 10]]
    check(chain)


@pytest.mark.parametrize("count", [7, 8, 9])
def test_redemption_passes_the_end_of_a_page(chain: Chain, count: int) -> None:
    for n in range(count):
        deposit(chain, "old", 10 * n, 10 * n + 10)
    suspended = deposit(chain, "other", 0, 10)
    assert len(chain.ok("owner", B, "redeem", "forest", 10 * count)) == count
    assert chain.view(B, "lots_in", "forest", 0, 0, 9) == [["other", 0, 10, 2022, suspended]]
    check(chain)


@pytest.mark.parametrize(
    ("code", "sender", "method", "arguments"),
    [
        ("bad-id", "exchange", "create", ("a b", FOREST, 1)),
        ("bad-class", "exchange", "create", ("b", ["x" * 65, *FOREST[1:]], 1)),
        ("bad-class", "exchange", "create", ("b", [*FOREST[:4], 2025, 2020], 1)),
        ("bad-amount", "exchange", "create", ("b", FOREST, 0)),
        ("not-an-exchange", "owner", "create", ("b", FOREST, 1)),
        ("basket-exists", "exchange", "create", ("forest", FOREST, 1)),
        ("no-basket", "owner", "deposit", ("b", "old", 100, 110)),
        ("no-batch", "owner", "deposit", ("forest", "none", 100, 110)),
        ("not-in-class", "owner", "deposit", ("forest", "late", 0, 10)),
        ("no-project", "owner", "deposit", ("forest", "stray", 0, 10)),
        ("below-minimum", "owner", "deposit", ("forest", "old", 100, 109)),
        ("not-owner", "bob", "deposit", ("forest", "old", 100, 110)),
        ("lot-locked", "owner", "deposit", ("forest", "old", 0, 20)),
        ("bad-range", "owner", "deposit", ("forest", "old", 110, 100)),
        ("no-basket", "owner", "transfer", ("b", "bob", 1)),
        ("bad-amount", "owner", "transfer", ("forest", "bob", 0)),
        ("bad-amount", "owner", "transfer", ("forest", "bob", -1)),
        ("same-owner", "owner", "transfer", ("forest", "owner", 1)),
        ("no-receiver", "owner", "transfer", ("forest", "nobody", 1)),
        ("verifier-holds", "owner", "transfer", ("forest", "verifier", 1)),
        ("not-enough-shares", "owner", "transfer", ("forest", "bob", 21)),
        ("not-enough-shares", "bob", "transfer", ("forest", "owner", 1)),
        ("no-basket", "owner", "redeem", ("b", 1)),
        ("bad-amount", "owner", "redeem", ("forest", 0)),
        ("bad-amount", "owner", "redeem", ("forest", 10**18 + 1)),
        ("not-enough-shares", "owner", "redeem", ("forest", 21)),
        ("not-enough-shares", "bob", "redeem", ("forest", 1)),
        ("no-lot", "bob", "set_aside", ("forest", 2021, 9)),
        ("no-lot", "bob", "put_back", ("forest", 2021, 1)),
        ("no-lot", "owner", "redeem_aside", ("forest", 2021, 1, 1)),
        ("bad-amount", "owner", "redeem_aside", ("forest", 2021, 1, 0)),
    ],
)  # fmt: skip
def test_refusals(
    chain: Chain, code: str, sender: str, method: str, arguments: tuple[Any, ...]
) -> None:
    issue(chain, "late", "p1", 2026)
    issue(chain, "stray", "elsewhere", 2022)
    deposit(chain, "old", 0, 20)
    chain.refused(code, sender, B, method, *arguments)


def test_more_than_a_lot_aside_or_more_than_one_has_is_not_taken(chain: Chain) -> None:
    number = deposit(chain, "old", 0, 20)
    chain.ok("owner", B, "transfer", "forest", "alice", 5)
    suspend(chain, "p1")
    chain.ok("bob", B, "set_aside", "forest", 2021, number)
    chain.refused("above-lot", "owner", B, "redeem_aside", "forest", 2021, number, 21)
    chain.refused("not-enough-shares", "alice", B, "redeem_aside", "forest", 2021, number, 6)


def test_a_verifier_has_no_shares(chain: Chain) -> None:
    """Not even of what another verified: a share may become any lot."""
    chain.ok("regulator", "identity", "add_role", "bob", "verifier")
    chain.ok("owner", U, "transfer", "old", 0, 20, "bob")
    chain.refused("verifier-holds", "bob", B, "deposit", "forest", "old", 0, 20)


def test_views_refuse_what_is_not_there(chain: Chain) -> None:
    for name in ("get_basket", "get_class"):
        chain.view_refused("no-basket", B, name, "none")
    chain.view_refused("bad-limit", B, "list_baskets", "", 0)
    chain.view_refused("bad-limit", B, "holders_of", "forest", "", 0)
    chain.view_refused("bad-limit", B, "shares_of", "owner", "", 101)
    chain.view_refused("bad-limit", B, "lots_in", "forest", 0, 0, 0)
    chain.view_refused("bad-limit", B, "lots_aside", "forest", 0, 0, 0)


def test_a_suspended_holder_redeems_nothing_and_its_shares_stay(chain: Chain) -> None:
    deposit(chain, "old", 0, 20)
    chain.ok("owner", B, "transfer", "forest", "alice", 20)
    chain.ok("regulator", "identity", "suspend", "alice", "under review")
    assert chain.send("alice", B, "redeem", "forest", 1).code == "not-a-member"
    assert chain.view(B, "share_of", "forest", "alice") == 20
    chain.refused("no-receiver", "bob", B, "transfer", "forest", "alice", 1)


def test_the_pools_name_is_no_organisation(chain: Chain) -> None:
    arguments = ("Pool", "CN", ["enterprise"], [address_of("pool")])
    chain.refused("reserved-id", "regulator", "identity", "register", B, *arguments)
