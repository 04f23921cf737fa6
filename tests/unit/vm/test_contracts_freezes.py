"""Freezes by one administrator or by vote, and who reaches the engine at all."""

from __future__ import annotations

from importlib import resources

import pytest

from primitives.transaction import Call
from tests.unit.vm.carbon_chain import DAY, Chain, address_of
from tests.unit.vm.lifecycle_chain import (
    GAS,
    HOUR,
    V2,
    G,
    carry,
    make_chain,
    native,
    ok,
    refused,
    send,
    upgrade,
)
from tools.genesis_files import load_contracts
from vm.lifecycle import FROZEN_UNTIL_MAX, REFUSALS


@pytest.fixture
def chain() -> Chain:
    return make_chain()


# --- who reaches the engine -------------------------------------------------------------------

OUTSIDER = """
from vm import call, export, view

@export
def strike(name: str) -> None:
    call("system", "freeze", name, 9007199254740991)

@view
def peek(name: str) -> None:
    call("system", "freeze", name, 1)
"""


def test_only_governance_reaches_the_native_methods(chain: Chain) -> None:
    assert native(chain, "deploy", "outsider", OUTSIDER).status == "ok"
    for call in (
        Call("outsider", "strike", ("units",)),
        Call("system", "freeze", ("units", 1)),
        Call("system", "activate", ("units", 2, bytes(32))),
    ):
        receipt = chain.run(chain.make("bob", call, gas=GAS))[0][0]
        assert (receipt.status, receipt.code) == ("fault", "no-method")


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        ('call("system", "freeze", "store", -1)', "reverted", "bad-time"),
        ('call("system", "freeze", "store", 9007199254740992)', "reverted", "bad-time"),
        ('call("system", "freeze", "governance", 5)', "reverted", "never-frozen"),
        ('call("system", "freeze", "nothing", 5)', "reverted", "no-contract"),
        ('call("system", "freeze", "a b", 5)', "reverted", "no-contract"),
        ('call("system", "freeze", "store", True)', "fault", "arguments"),
        ('call("system", "freeze", "store")', "fault", "arguments"),
        ('call("system", "freeze", 5, 5)', "fault", "arguments"),
        ('call("system", "deploy", "x", "y")', "fault", "no-method"),
        ('call("system", "activate", "store", 2, "x")', "fault", "arguments"),
        ('call("governance", "poke")', "fault", "reentrancy"),
    ],
)
def test_the_native_methods_trust_not_even_governance(
    chain: Chain, call: str, status: str, code: str
) -> None:
    source = next(item.source for item in load_contracts() if item.name == G)
    source += f"\n\n@export\ndef poke() -> None:\n    {call}\n"
    source += '\n\n@view\ndef peek() -> None:\n    call("system", "freeze", "store", 1)\n'
    upgrade(chain, G, 2, source)
    receipt = send(chain, "alice", "poke")
    assert (receipt.status, receipt.code) == (status, code)
    receipt = send(chain, "alice", "peek")
    assert (receipt.status, receipt.code) == ("fault", "read-only")


# --- freezes ----------------------------------------------------------------------------------


def test_one_administrator_freezes_for_a_while_and_everybody_sees_why(chain: Chain) -> None:
    ok(chain, "bank", "freeze", "store", "a key was stolen", 2 * HOUR)
    since, until = chain.time, chain.time + 2 * HOUR
    assert [(event.name, event.values) for event in chain.events] == [
        ("Frozen", ("store", "a key was stolen", address_of("bank"), until, 0))
    ]
    assert chain.view(G, "get_freeze", "store") == [
        "a key was stolen", address_of("bank"), since, until, 0
    ]  # fmt: skip
    receipt = chain.send("alice", "store", "put", "b", 1)
    assert (receipt.status, receipt.code) == ("fault", "frozen")
    assert chain.view("store", "read", "a") == ["a", 7]
    receipt = chain.send("alice", "store", "read", "a")  # a view in a transaction
    assert receipt.values == (["a", 7],)
    chain.time = until - 2
    assert chain.send("alice", "store", "put", "b", 1).code == "frozen"
    assert chain.ok("alice", "store", "put", "b", 1) == 8
    chain.view_refused("not-frozen", G, "get_freeze", "store")


def test_a_frozen_contract_is_shut_to_other_contracts_too(chain: Chain) -> None:
    chain.issue("b1", 100)
    ok(chain, "bank", "freeze", "units", "checking", HOUR)
    receipt = chain.send("owner", "retirement", "retire", "b1", 0, 10, "owner", "2024")
    assert (receipt.status, receipt.code) == ("fault", "frozen")
    chain.time += HOUR
    assert chain.send("owner", "retirement", "retire", "b1", 0, 10, "owner", "2024").status == "ok"


def test_one_administrator_cannot_freeze_for_good(chain: Chain) -> None:
    refused(chain, "bad-duration", "bank", "freeze", "store", "why", 3 * DAY + 1)
    refused(chain, "bad-duration", "bank", "freeze", "store", "why", 0)
    refused(chain, "bad-text", "bank", "freeze", "store", "", 1)
    refused(chain, "bad-text", "bank", "freeze", "store", "x" * 257, 1)
    refused(chain, "bad-id", "bank", "freeze", "a b", "why", 1)
    refused(chain, "no-contract", "bank", "freeze", "nothing", "why", 1)
    refused(chain, "not-administrator", "alice", "freeze", "store", "why", 1)
    ok(chain, "bank", "freeze", "store", "why", 3 * DAY)
    first = chain.time
    refused(chain, "already-frozen", "bank", "freeze", "store", "why", 1)
    chain.time += 3 * DAY
    refused(chain, "frozen-before", "regulator", "freeze", "store", "again", 1)
    chain.time = first + 14 * DAY - 1
    ok(chain, "regulator", "freeze", "store", "again", 1)
    assert chain.time == first + 14 * DAY


def test_a_vote_confirms_a_freeze_and_a_vote_ends_it(chain: Chain) -> None:
    ok(chain, "bank", "freeze", "store", "why", HOUR)
    number = carry(chain, "propose_freeze", "store", "confirmed")
    assert chain.view(G, "get_freeze", "store")[3:] == [FROZEN_UNTIL_MAX, number]
    chain.time += 400 * DAY
    assert chain.send("alice", "store", "put", "b", 1).code == "frozen"
    refused(chain, "already-frozen", "bank", "freeze", "store", "shorter", 1)
    number = carry(chain, "propose_unfreeze", "store")
    assert chain.events[0].name == "Unfrozen"
    assert chain.events[0].values == ("store", number)
    assert chain.ok("alice", "store", "put", "b", 1) == 8
    refused(chain, "not-frozen", "bank", "propose_unfreeze", "store")


def test_a_vote_lifts_an_emergency_and_it_does_not_come_back(chain: Chain) -> None:
    ok(chain, "bank", "freeze", "store", "why", HOUR)
    number = ok(chain, "regulator", "propose_unfreeze", "store")
    ok(chain, "regulator-two", "vote", number)
    ok(chain, "regulator", "execute", number)
    assert chain.ok("alice", "store", "put", "b", 1) == 8
    refused(chain, "frozen-before", "bank", "freeze", "store", "why", HOUR)


def test_governance_is_never_frozen(chain: Chain) -> None:
    refused(chain, "never-frozen", "bank", "freeze", G, "why", 1)
    refused(chain, "never-frozen", "bank", "propose_freeze", G, "why")


def test_a_frozen_contract_can_be_upgraded_and_stays_frozen(chain: Chain) -> None:
    carry(chain, "propose_freeze", "store", "a hole")
    upgrade(chain, "store", 2, V2)
    assert chain.view("store", "sum_up") == 700
    assert chain.send("alice", "store", "put", "b", 1).code == "frozen"
    carry(chain, "propose_unfreeze", "store")
    assert chain.ok("alice", "store", "put", "b", 1) == 701


def test_a_freeze_holds_within_its_own_block_from_its_transaction_on(chain: Chain) -> None:
    put = Call("store", "put", ("b", 1))
    receipts, _ = chain.run(
        chain.make("alice", put),
        chain.make("bank", Call(G, "freeze", ("store", "why", HOUR))),
        chain.make("alice", put),
    )
    assert [item.code for item in receipts] == ["", "", "frozen"]


def test_every_refusal_of_the_engine_is_on_the_page() -> None:
    page = resources.files("vm").joinpath("contracts/README.md").read_text(encoding="utf-8")
    assert [code for code in sorted(REFUSALS) if f"`{code}`" not in page] == []


def test_a_vote_to_lift_a_freeze_that_is_over_is_refused(chain: Chain) -> None:
    ok(chain, "bank", "freeze", "store", "why", HOUR)
    number = ok(chain, "regulator", "propose_unfreeze", "store")
    ok(chain, "regulator-two", "vote", number)
    chain.time += HOUR
    refused(chain, "not-frozen", "regulator", "execute", number)
