"""The contract ``identity``: who may register, change keys, suspend, accredit; the delay rule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.carbon_chain import START_SECONDS, Chain, address_of, make_genesis
from vm.genesis_builder import Administration

ID = "identity"
NEW = address_of("new-key")


@pytest.fixture
def chain() -> Chain:
    return Chain()


def delayed_chain() -> Chain:
    """Keys rest for an hour after a change."""
    regulator = address_of("regulator")
    chain = Chain(make_genesis(administration=Administration((regulator,), 1, (), 3600)))
    chain.issue("b1", 1000, 0)
    return chain


def register_arguments(**changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "organisation": "steel-mill", "name": "Steel Mill", "country": "CN",
        "roles": ["enterprise"], "keys": [NEW],
    }  # fmt: skip
    return list((values | changes).values())


def test_a_regulator_registers_an_organisation_whose_key_then_acts(chain: Chain) -> None:
    rejected = chain.send(NEW, ID, "grant", "bob", "meters", START_SECONDS * 2)
    assert (rejected.status, rejected.code) == ("rejected", "not-a-member")
    chain.ok("regulator", ID, "register", *register_arguments())
    assert [event.name for event in chain.events] == ["Registered", "AccountSet", "KeyAdded"]
    assert chain.view(ID, "get_organisation", "steel-mill") == [
        "Steel Mill", "CN", ["enterprise"], "active", chain.time, [NEW],
    ]  # fmt: skip
    assert chain.view("governance", "organisation_of", NEW) == "steel-mill"
    assert chain.view(ID, "organisation_of", NEW) == "steel-mill"
    chain.ok(NEW, ID, "grant", "bob", "meters", START_SECONDS * 2)
    assert chain.view(ID, "has_grant", "steel-mill", "bob", "meters", chain.time)
    assert "steel-mill" in chain.view(ID, "list_organisations", "", 100)
    assert chain.view(ID, "list_organisations", "owner", 2) == ["registry", "regulator"]


@pytest.mark.parametrize(
    ("code", "sender", "changes"),
    [
        ("not-permitted", "bob", {}),
        ("bad-id", "regulator", {"organisation": ""}),
        ("bad-id", "regulator", {"organisation": "x" * 65}),
        ("bad-id", "regulator", {"organisation": "a b"}),
        ("bad-id", "regulator", {"organisation": "\u00e9"}),
        ("reserved-id", "regulator", {"organisation": "buffer"}),
        ("reserved-id", "regulator", {"organisation": "market"}),
        ("reserved-id", "regulator", {"organisation": "auctions"}),
        ("reserved-id", "regulator", {"organisation": "quotes"}),
        ("reserved-id", "regulator", {"organisation": "finance"}),
        ("reserved-id", "regulator", {"organisation": "baskets"}),
        ("reserved-id", "regulator", {"organisation": "tokens"}),
        ("reserved-id", "regulator", {"organisation": "futures"}),
        ("reserved-id", "regulator", {"organisation": "surveillance"}),
        ("bad-text", "regulator", {"name": ""}),
        ("bad-text", "regulator", {"name": "x" * 129}),
        ("bad-country", "regulator", {"country": "CHN"}),
        ("bad-country", "regulator", {"country": "cn"}),
        ("bad-country", "regulator", {"country": "C-"}),
        ("bad-country", "regulator", {"country": "\u00c9U"}),
        ("bad-roles", "regulator", {"roles": []}),
        ("bad-roles", "regulator", {"roles": ["king"]}),
        ("bad-roles", "regulator", {"roles": [""]}),
        ("bad-roles", "regulator", {"roles": ["bank", "bank"]}),
        ("bad-roles", "regulator", {"roles": ["bank"] * 10}),
        ("role-not-yours", "regulator", {"roles": ["regulator"]}),
        ("organisation-exists", "regulator", {"organisation": "bob"}),
        ("bad-keys", "regulator", {"keys": [address_of(f"k{n}") for n in range(17)]}),
        ("key-taken", "regulator", {"keys": [address_of("bob")]}),
        ("key-taken", "regulator", {"keys": [NEW, NEW]}),
    ],
)
def test_a_registration_is_refused(chain: Chain, code: str, sender: str, changes: Any) -> None:
    chain.refused(code, sender, ID, "register", *register_arguments(**changes))


def test_an_organisation_manages_its_own_keys(chain: Chain) -> None:
    chain.ok("bob", ID, "add_key", "bob", NEW)
    assert chain.view("governance", "organisation_of", NEW) == "bob"
    chain.ok(NEW, ID, "rotate_key", address_of("bob"), address_of("bob-2"))
    assert chain.view("governance", "organisation_of", address_of("bob")) == ""
    assert chain.view("governance", "organisation_of", address_of("bob-2")) == "bob"
    assert chain.view(ID, "get_organisation", "bob")[5] == [NEW, address_of("bob-2")]
    chain.ok(NEW, ID, "remove_key", NEW)
    rejected = chain.send(NEW, ID, "remove_key", NEW)
    assert (rejected.status, rejected.code) == ("rejected", "not-a-member")
    assert chain.view(ID, "get_organisation", "bob")[5] == [address_of("bob-2")]


def test_key_changes_are_refused(chain: Chain) -> None:
    bob = address_of("bob")
    chain.refused("no-organisation", "bob", ID, "add_key", "nobody", NEW)
    chain.refused("not-permitted", "alice", ID, "add_key", "bob", NEW)
    chain.refused("not-permitted", "alice", ID, "rotate_key", bob, NEW)
    chain.refused("not-permitted", "alice", ID, "remove_key", bob)
    chain.refused("no-key", "bob", ID, "rotate_key", NEW, address_of("x"))
    chain.refused("no-key", "bob", ID, "remove_key", NEW)
    chain.refused("last-key", "bob", ID, "remove_key", bob)
    chain.refused("key-taken", "bob", ID, "add_key", "bob", address_of("alice"))
    chain.refused("key-taken", "bob", ID, "add_key", "bob", bob)
    chain.refused("key-taken", "bob", ID, "rotate_key", bob, address_of("alice"))
    chain.refused("key-taken", "bob", ID, "rotate_key", bob, bob)
    chain.refused("not-permitted", "regulator", ID, "add_key", "regulator-two", NEW)
    for number in range(15):
        chain.ok("bob", ID, "add_key", "bob", address_of(f"bob-{number}"))
    chain.refused("too-many-keys", "bob", ID, "add_key", "bob", NEW)


def test_a_removed_key_never_comes_back(chain: Chain) -> None:
    chain.ok("bob", ID, "rotate_key", address_of("bob"), NEW)
    chain.refused("key-taken", NEW, ID, "add_key", "bob", address_of("bob"))
    chain.refused("key-taken", "alice", ID, "add_key", "alice", address_of("bob"))


def test_a_regulator_replaces_a_lost_key(chain: Chain) -> None:
    chain.ok("regulator", ID, "rotate_key", address_of("bob"), NEW)
    assert chain.view(ID, "organisation_of", NEW) == "bob"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("add_key", ("owner", NEW)),
        ("rotate_key", (address_of("owner-2"), NEW)),
        ("remove_key", (address_of("owner-2"),)),
    ],
)
def test_after_a_change_of_keys_nothing_moves_until_the_delay_is_over(
    method: str, arguments: Any
) -> None:
    chain = delayed_chain()
    chain.ok("owner", ID, "add_key", "owner", address_of("owner-2"))
    chain.time += 3600
    chain.ok("owner", "units", "transfer", "b1", 0, 10, "alice")
    chain.ok("owner", ID, method, *arguments)
    changed = chain.time
    chain.refused("key-delay", "owner", "units", "transfer", "b1", 10, 20, "alice")
    chain.refused("key-delay", "owner", "units", "split", "b1", 20)
    chain.refused("key-delay", "owner", "units", "merge", "b1", 20)
    chain.refused("key-delay", "owner", "units", "lock", "b1", 10, 20, "order", "bank", "")
    chain.refused("key-delay", "owner", "retirement", "retire", "b1", 10, 20, "bob", "x")
    chain.refused("key-delay", "owner", "retirement", "cancel", "b1", 10, 20, "x")
    if method != "remove_key":
        chain.refused("key-delay", NEW, "units", "transfer", "b1", 10, 20, "alice")
    chain.time = changed + 3598
    chain.refused("key-delay", "owner", "units", "transfer", "b1", 10, 20, "alice")
    chain.ok("owner", "units", "transfer", "b1", 10, 20, "alice")
    assert chain.time == changed + 3600


def test_a_suspension_does_not_cut_a_running_delay_short() -> None:
    chain = delayed_chain()
    chain.ok("owner", ID, "add_key", "owner", NEW)
    chain.ok("regulator", ID, "suspend", "owner", "audit")
    chain.ok("regulator", ID, "reinstate", "owner")
    chain.refused("key-delay", NEW, "units", "transfer", "b1", 10, 20, "alice")


def test_a_suspended_organisation_is_turned_away_until_reinstated(chain: Chain) -> None:
    chain.issue("b1", 1000, 0)
    chain.ok("regulator", ID, "suspend", "owner", "audit")
    assert chain.view(ID, "get_organisation", "owner")[3] == "suspended"
    assert not chain.view(ID, "is_active", "owner")
    assert not chain.view(ID, "has_role", "owner", "project-owner")
    rejected = chain.send("owner", "units", "transfer", "b1", 0, 10, "alice")
    assert (rejected.status, rejected.code, rejected.gas) == ("rejected", "not-a-member", 0)
    chain.refused("not-active", "regulator", ID, "suspend", "owner", "again")
    chain.refused("not-active", "regulator", ID, "add_key", "owner", NEW)
    chain.refused("not-active", "regulator", ID, "rotate_key", address_of("owner"), NEW)
    chain.refused("not-active", "regulator", ID, "remove_key", address_of("owner"))
    chain.refused("not-active", "regulator", ID, "add_role", "owner", "bank")
    scope = ("owner", "import:ACR", 0, START_SECONDS * 2)
    chain.refused("not-active", "regulator", ID, "accredit", *scope)
    chain.ok("regulator", ID, "reinstate", "owner")
    chain.ok("owner", "units", "transfer", "b1", 0, 10, "alice")


def test_the_contracts_refuse_frozen_keys_even_without_the_engine(chain: Chain) -> None:
    chain.ok("regulator", ID, "suspend", "owner", "audit")
    chain.view_refused("not-a-member", ID, "get_mover", address_of("owner"))
    chain.view_refused("not-a-member", ID, "get_mover", NEW)


def test_a_revocation_is_for_good(chain: Chain) -> None:
    chain.ok("regulator", ID, "revoke", "bob", "fraud")
    assert chain.view(ID, "get_organisation", "bob")[3] == "revoked"
    assert chain.send("bob", ID, "add_key", "bob", NEW).code == "not-a-member"
    chain.refused("not-suspended", "regulator", ID, "reinstate", "bob")
    chain.refused("already-revoked", "regulator", ID, "revoke", "bob", "again")
    chain.refused("not-active", "regulator", ID, "suspend", "bob", "again")
    chain.refused("organisation-exists", "regulator", ID, "register",
                  *register_arguments(organisation="bob"))  # fmt: skip
    chain.ok("regulator", ID, "suspend", "alice", "audit")
    chain.ok("regulator", ID, "revoke", "alice", "fraud")


def test_suspensions_are_refused(chain: Chain) -> None:
    for method in ("suspend", "revoke"):
        chain.refused("bad-text", "regulator", ID, method, "bob", "")
        chain.refused("bad-text", "regulator", ID, method, "bob", "x" * 257)
        chain.refused("not-permitted", "bob", ID, method, "alice", "x")
        chain.refused("no-organisation", "regulator", ID, method, "nobody", "x")
        chain.refused("not-permitted", "regulator", ID, method, "regulator", "x")
        chain.refused("not-permitted", "regulator", ID, method, "regulator-two", "x")
    chain.refused("not-permitted", "bob", ID, "reinstate", "bob")
    chain.refused("not-suspended", "regulator", ID, "reinstate", "bob")


def test_roles_come_and_go(chain: Chain) -> None:
    chain.ok("regulator", ID, "add_role", "bob", "exchange")
    assert chain.view(ID, "has_role", "bob", "exchange")
    chain.refused("has-role", "regulator", ID, "add_role", "bob", "exchange")
    chain.refused("bad-roles", "regulator", ID, "add_role", "bob", "king")
    chain.refused("role-not-yours", "regulator", ID, "add_role", "bob", "regulator")
    chain.refused("role-not-yours", "regulator", ID, "remove_role", "regulator-two", "regulator")
    chain.refused("not-permitted", "bob", ID, "add_role", "bob", "bank")
    chain.refused("not-permitted", "bob", ID, "remove_role", "bob", "exchange")
    chain.refused("no-organisation", "regulator", ID, "add_role", "nobody", "bank")
    chain.refused("no-organisation", "regulator", ID, "remove_role", "nobody", "bank")
    chain.refused("no-role", "regulator", ID, "remove_role", "bob", "bank")
    chain.ok("regulator", ID, "remove_role", "bob", "exchange")
    chain.refused("last-role", "regulator", ID, "remove_role", "bob", "enterprise")


def test_who_once_verified_is_always_asked_what_it_verified(chain: Chain) -> None:
    chain.issue("b1", 1000, 0)
    chain.ok("regulator", ID, "add_role", "verifier", "enterprise")
    chain.ok("regulator", ID, "remove_role", "verifier", "verifier")
    chain.refused("verifier-holds", "owner", "units", "transfer", "b1", 0, 10, "verifier")
    chain.ok("regulator", ID, "suspend", "verifier", "audit")
    chain.ok("regulator", ID, "reinstate", "verifier")
    chain.refused("verifier-holds", "owner", "units", "transfer", "b1", 0, 10, "verifier")


def test_accreditations_have_a_scope_and_dates(chain: Chain) -> None:
    chain.ok("regulator", ID, "accredit", "verifier", "wind", 100, 200)
    assert chain.view(ID, "get_accreditation", "verifier", "wind") == [
        "verifier", "wind", 100, 200, "regulator",
    ]  # fmt: skip
    found = [
        chain.view(ID, "is_accredited", "verifier", "wind", time) for time in (99, 100, 199, 200)
    ]
    assert found == [False, True, True, False]
    assert not chain.view(ID, "is_accredited", "verifier", "sun", 150)
    chain.ok("regulator", ID, "withdraw_accreditation", "verifier", "wind")
    assert not chain.view(ID, "is_accredited", "verifier", "wind", 150)
    chain.view_refused("no-accreditation", ID, "get_accreditation", "verifier", "wind")
    chain.refused("no-accreditation", "regulator", ID, "withdraw_accreditation", "verifier", "wind")


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("not-permitted", "verifier", ("verifier", "wind", 0, 9)),
        ("bad-scope", "regulator", ("verifier", "", 0, 9)),
        ("bad-scope", "regulator", ("verifier", "x" * 65, 0, 9)),
        ("bad-validity", "regulator", ("verifier", "wind", 9, 9)),
        ("bad-validity", "regulator", ("verifier", "wind", -1, 9)),
        ("no-organisation", "regulator", ("nobody", "wind", 0, 9)),
        ("no-such-duty", "regulator", ("bob", "wind", 0, 9)),
        ("no-such-duty", "regulator", ("bob", "cash:CNY", 0, 9)),
        ("no-such-duty", "regulator", ("bank", "wind", 0, 9)),
    ],
)
def test_an_accreditation_is_refused(chain: Chain, code: str, sender: str, arguments: Any) -> None:
    chain.refused(code, sender, ID, "accredit", *arguments)


def test_only_a_supervisor_withdraws_an_accreditation(chain: Chain) -> None:
    arguments = ("verifier", "forest")
    chain.refused("not-permitted", "verifier", ID, "withdraw_accreditation", *arguments)


def test_a_grant_is_the_owners_and_ends(chain: Chain) -> None:
    until = chain.time + 100
    chain.ok("bob", ID, "grant", "verifier", "meters", until)
    assert chain.view(ID, "has_grant", "bob", "verifier", "meters", until - 1)
    assert not chain.view(ID, "has_grant", "bob", "verifier", "meters", until)
    assert not chain.view(ID, "has_grant", "alice", "verifier", "meters", 0)
    chain.refused("no-organisation", "bob", ID, "grant", "nobody", "meters", until)
    chain.refused("bad-text", "bob", ID, "grant", "verifier", "", until)
    chain.refused("bad-text", "bob", ID, "grant", "verifier", "x" * 129, until)
    chain.refused("bad-validity", "bob", ID, "grant", "verifier", "meters", chain.time)
    chain.refused("no-grant", "alice", ID, "revoke_grant", "verifier", "meters")
    chain.ok("bob", ID, "revoke_grant", "verifier", "meters")
    assert not chain.view(ID, "has_grant", "bob", "verifier", "meters", 0)


def test_views_refuse_what_is_not_there(chain: Chain) -> None:
    chain.view_refused("no-organisation", ID, "get_organisation", "nobody")
    chain.view_refused("no-receiver", ID, "get_parties", address_of("bob"), "nobody")
    assert chain.view(ID, "get_taker", "nobody") == "none"
    assert chain.view(ID, "organisation_of", NEW) == ""
