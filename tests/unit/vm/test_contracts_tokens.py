"""The contract ``tokens``: lots and certificates as things of their own, split, moved, melted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.carbon_chain import Chain, address_of
from tests.unit.vm.market_chain import make_market_chain

K, U, R, ID = "tokens", "units", "retirement", "identity"


@pytest.fixture
def chain() -> Chain:
    """``owner`` has 1000 kg of b1."""
    found = make_market_chain()
    found.issue("b1", 1000)
    return found


def make(chain: Chain, start: int = 0, end: int = 100) -> int:
    number: int = chain.ok("owner", K, "make_of_lot", "b1", start, end)
    return number


def retire(chain: Chain, beneficiary: str = "alice") -> int:
    number: int = chain.ok("owner", R, "retire", "b1", 900, 1000, beneficiary, "offset")
    return number


def steps(chain: Chain, token: int) -> list[list[Any]]:
    found: list[list[Any]] = chain.view(K, "history_of", token, 0, 100)
    return [step[:4] for step in found]


def test_the_token_of_a_lot_locks_it_and_moves_it(chain: Chain) -> None:
    token = make(chain)
    assert [(event.contract, event.name) for event in chain.events] == [(U, "Locked"), (K, "Made")]
    assert chain.events[-1].values == (token, "lot", "b1", 0, 100, "owner", 0)
    assert chain.view(U, "get_lot_at", "b1", 50)[:4] == [0, 100, "owner", "locked"]
    assert chain.view(U, "get_lock", "b1", 100)[:3] == ["token", "tokens", f"token:{token}"]
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 0, 100, "bob")
    chain.refused("lot-locked", "owner", R, "retire", "b1", 0, 100, "owner", "offset")
    chain.ok("owner", K, "transfer", token, "alice")
    assert chain.events[-1].values == (token, "owner", "alice")
    assert chain.view(U, "get_lot_at", "b1", 50)[:4] == [0, 100, "alice", "locked"]
    assert chain.view(U, "balance_of", "alice", "b1") == 100
    chain.refused("not-owner", "owner", K, "transfer", token, "bob")
    chain.ok("alice", K, "transfer", token, "bob")
    assert chain.view(K, "get_token", token) == ["lot", "b1", 0, 100, "bob", "live", 0, 3]
    assert chain.view(K, "tokens_of", "bob", 0, 9) == [token]
    assert chain.view(K, "tokens_of", "alice", 0, 9) == []
    assert steps(chain, token) == [
        ["made", "", "owner", 0], ["moved", "owner", "alice", 0], ["moved", "alice", "bob", 0],
    ]  # fmt: skip
    assert [step[4:] for step in chain.view(K, "history_of", token, 2, 9)] == [
        [chain.time, chain.height]
    ]
    # The units tell the same story.
    kinds = [(step[1], step[5]) for step in chain.view(U, "trace", "b1", 50, 9)]
    assert kinds[:5] == [
        ("lock", "bob"), ("transfer", "bob"), ("lock", "alice"), ("transfer", "alice"),
        ("lock", "owner"),
    ]  # fmt: skip


def test_a_melted_token_leaves_an_ordinary_lot(chain: Chain) -> None:
    token = make(chain)
    chain.ok("owner", K, "transfer", token, "alice")
    chain.ok("alice", K, "melt", token)
    assert chain.events[-1].values == (token, "alice")
    assert chain.view(U, "get_lot_at", "b1", 50)[:4] == [0, 100, "alice", "active"]
    assert steps(chain, token)[-1] == ["melted", "alice", "", 0]
    assert chain.view(K, "token_at", "lot", "b1", 50) == 0
    assert chain.view(K, "tokens_of", "alice", 0, 9) == []
    for method, arguments in (("transfer", ("bob",)), ("split", (50,)), ("melt", ())):
        chain.refused("token-melted", "alice", K, method, token, *arguments)
    chain.ok("alice", U, "transfer", "b1", 0, 100, "bob")
    # The same serials again are another token.
    assert chain.ok("bob", K, "make_of_lot", "b1", 0, 100) == token + 1


def test_a_token_is_split_down_to_a_kilogram(chain: Chain) -> None:
    token = make(chain, 0, 3)
    assert chain.ok("owner", K, "split", token, 1) == [2, 3]
    names = [(event.contract, event.name) for event in chain.events]
    assert names == [
        (U, "Unlocked"), (U, "Locked"), (U, "Locked"), (K, "Parted"), (K, "Made"), (K, "Made"),
    ]  # fmt: skip
    assert chain.view(K, "get_token", 2)[:7] == ["lot", "b1", 0, 1, "owner", "live", token]
    assert chain.view(K, "get_token", 3)[:7] == ["lot", "b1", 1, 3, "owner", "live", token]
    assert steps(chain, token)[-1] == ["split", "owner", "", 2]
    assert chain.ok("owner", K, "split", 3, 2) == [4, 5]
    lots = [lot[:4] for lot in chain.view(U, "lots_of", "b1", 0, 3)]
    assert lots == [[n, n + 1, "owner", "locked"] for n in range(3)]
    assert [chain.view(U, "get_lock", "b1", n)[2] for n in (1, 2, 3)] == [
        "token:2", "token:4", "token:5",
    ]  # fmt: skip
    assert [chain.view(K, "token_at", "lot", "b1", n) for n in range(4)] == [2, 4, 5, 0]
    chain.refused("token-split", "owner", K, "transfer", token, "bob")
    chain.refused("bad-split", "owner", K, "split", 5, 2)
    chain.refused("bad-split", "owner", K, "split", 5, 3)
    chain.ok("owner", K, "transfer", 4, "alice")
    chain.ok("alice", K, "melt", 4)
    assert chain.view(U, "get_lot_at", "b1", 1)[2:4] == ["alice", "active"]
    assert chain.view(K, "count") == 5


def test_a_certificate_is_its_beneficiarys_token(chain: Chain) -> None:
    number = retire(chain)
    chain.refused("not-owner", "owner", K, "make_of_certificate", number)
    token = chain.ok("alice", K, "make_of_certificate", number)
    assert chain.view(K, "get_token", token)[:5] == ["certificate", str(number), 0, 100, "alice"]
    chain.refused("already-token", "alice", K, "make_of_certificate", number)
    chain.ok("alice", K, "transfer", token, "bob")
    chain.refused("not-owner", "bob", K, "make_of_certificate", number)
    # The document moves; whose the retirement was does not.
    assert chain.view(R, "certificate", number)[7] == "alice"
    first, second = chain.ok("bob", K, "split", token, 40)
    assert chain.view(K, "get_token", first)[:5] == ["certificate", str(number), 0, 40, "bob"]
    assert chain.view(K, "get_token", second)[:5] == ["certificate", str(number), 40, 100, "bob"]
    assert chain.view(K, "token_at", "certificate", str(number), 40) == second
    assert chain.view(K, "token_at", "certificate", str(number), 100) == 0
    chain.refused("already-token", "alice", K, "make_of_certificate", number)
    chain.refused("not-a-lot", "bob", K, "melt", first)


def test_for_somebody_outside_it_is_the_token_of_who_retired(chain: Chain) -> None:
    arguments = ("b1", 0, 10, "Somebody", "LEI 529900T8BM49AURSDO55", "offset")
    number = chain.ok("owner", R, "retire_for", *arguments)
    token = chain.ok("owner", K, "make_of_certificate", number)
    assert chain.view(K, "get_token", token)[4] == "owner"


@pytest.mark.parametrize(
    ("code", "sender", "method", "arguments"),
    [
        ("bad-range", "owner", "make_of_lot", ("b1", 200, 200)),
        ("no-lot", "owner", "make_of_lot", ("b1", 50, 150)),
        ("lot-locked", "owner", "make_of_lot", ("b1", 50, 60)),
        ("not-owner", "bob", "make_of_lot", ("b1", 200, 210)),
        ("lot-retired", "owner", "make_of_lot", ("b1", 900, 910)),
        ("no-certificate", "owner", "make_of_certificate", (9,)),
        ("not-a-retirement", "owner", "make_of_certificate", (2,)),
        ("no-token", "owner", "transfer", (9, "bob")),
        ("not-owner", "bob", "transfer", (1, "alice")),
        ("same-owner", "owner", "transfer", (1, "owner")),
        ("no-receiver", "owner", "transfer", (1, "nobody")),
        ("verifier-holds", "owner", "transfer", (1, "verifier")),
        ("no-token", "owner", "split", (9, 5)),
        ("not-owner", "bob", "split", (1, 5)),
        ("bad-split", "owner", "split", (1, 0)),
        ("bad-split", "owner", "split", (1, 100)),
        ("no-token", "owner", "melt", (9,)),
        ("not-owner", "bob", "melt", (1,)),
        ("owner-is-active", "regulator", "melt", (1,)),
    ],
)
def test_refusals(
    chain: Chain, code: str, sender: str, method: str, arguments: tuple[Any, ...]
) -> None:
    make(chain)
    retire(chain)
    chain.ok("owner", R, "cancel", "b1", 800, 900, "error")
    chain.refused(code, sender, K, method, *arguments)


def test_a_verifier_gets_no_certificate_of_what_it_verified(chain: Chain) -> None:
    token = chain.ok("alice", K, "make_of_certificate", retire(chain))
    chain.refused("verifier-holds", "alice", K, "transfer", token, "verifier")
    chain.ok("regulator", ID, "add_role", "bob", "verifier")
    chain.ok("alice", K, "transfer", token, "bob")


def test_the_owner_may_dispose_of_nothing_within_the_delay_of_its_keys() -> None:
    """The delay itself is identity's; here it reaches every door."""
    chain = make_market_chain()
    chain.issue("b1", 1000)
    token = make(chain)
    chain.ok("owner", R, "retire", "b1", 900, 1000, "owner", "offset")
    proposal = chain.ok("regulator", "governance", "propose_key_delay", 3600)
    chain.ok("regulator", "governance", "execute", proposal)
    chain.ok("owner", ID, "add_key", "owner", address_of("another-key"))
    for method, arguments in (
        ("make_of_lot", ("b1", 200, 210)), ("make_of_certificate", (1,)),
        ("transfer", (token, "bob")), ("split", (token, 5)), ("melt", (token,)),
    ):  # fmt: skip
        chain.refused("key-delay", "owner", K, method, *arguments)


def test_a_regulator_melts_for_an_owner_that_may_no_longer_act(chain: Chain) -> None:
    token = make(chain)
    chain.ok("owner", K, "transfer", token, "alice")
    chain.ok("regulator", ID, "revoke", "alice", "gone")
    assert chain.send("alice", K, "melt", token).code == "not-a-member"
    chain.refused("no-receiver", "owner", K, "transfer", make(chain, 100, 110), "alice")
    chain.ok("regulator", K, "melt", token)
    assert chain.view(U, "get_lot_at", "b1", 50)[2:4] == ["alice", "active"]
    assert chain.events[-1].values == (token, "regulator")


def test_views_refuse_what_is_not_there(chain: Chain) -> None:
    chain.view_refused("no-token", K, "get_token", 1)
    chain.view_refused("bad-limit", K, "history_of", 1, 0, 0)
    chain.view_refused("bad-limit", K, "tokens_of", "owner", 0, 101)
