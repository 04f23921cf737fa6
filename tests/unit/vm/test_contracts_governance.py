"""The contract ``governance``: proposals, votes, what they change, and each of its refusals."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from primitives.errors import GenesisError
from primitives.params import _RANGES, ChainParams
from tests.unit.vm.carbon_chain import HASH, MACHINE, Chain, address_of, make_genesis, with_params
from vm.executor import execute_genesis
from vm.genesis_builder import Administration

G = "governance"
TWO_WEEKS = 14 * 24 * 3600
THREE = tuple(address_of(name) for name in ("regulator", "regulator-two", "bank"))


@pytest.fixture
def chain() -> Chain:
    """Three administrators; two of them carry a proposal; bob deploys."""
    deployers = (address_of("bob"),)
    return Chain(make_genesis(administration=Administration(THREE, 2, deployers, 0)))


def carry(chain: Chain, method: str, *arguments: Any) -> int:
    """Propose, vote and execute."""
    number: int = chain.ok("regulator", G, f"propose_{method}", *arguments)
    chain.ok("bank", G, "vote", number)
    chain.ok("regulator", G, "execute", number)
    return number


def test_genesis_sets_everything_up(chain: Chain) -> None:
    assert chain.view(G, "get_params") == list(astuple(chain.params))
    assert chain.view(G, "get_administrators") == list(THREE)
    assert chain.view(G, "get_threshold") == 2
    assert chain.view(G, "get_key_delay") == 0
    assert chain.view(G, "is_deployer", address_of("bob"))
    assert not chain.view(G, "is_deployer", address_of("alice"))
    assert chain.view(G, "is_administrator", address_of("bank"))
    assert not chain.view(G, "is_administrator", address_of("bob"))
    assert chain.view(G, "get_validators") == [
        [member.name, member.public_key] for member in chain.genesis.validators.members
    ]
    assert chain.view(G, "get_observers") == []
    assert chain.view(G, "organisation_of", address_of("bob")) == "bob"
    assert chain.view(G, "organisation_of", address_of("stranger")) == ""
    assert chain.view(G, "allowance_of", "bob") == chain.params.gas_allowance


def test_a_proposal_needs_its_threshold_of_votes(chain: Chain) -> None:
    number = chain.ok("regulator", G, "propose_allowance", "bob", 5)
    assert [event.values[1:] for event in chain.events] == [("allowance", address_of("regulator"))]
    created = chain.time
    chain.refused("not-enough-votes", "regulator", G, "execute", number)
    chain.refused("already-voted", "regulator", G, "vote", number)
    chain.ok("regulator-two", G, "vote", number)
    assert chain.view(G, "allowance_of", "bob") == chain.params.gas_allowance
    chain.ok("bank", G, "execute", number)
    assert chain.view(G, "allowance_of", "bob") == 5
    assert chain.view(G, "get_proposal", number) == [
        "allowance", address_of("regulator"), created, created + TWO_WEEKS, "executed", "bob", 5,
        address_of("regulator"), False, [address_of("regulator"), address_of("regulator-two")],
    ]  # fmt: skip
    chain.refused("proposal-closed", "bank", G, "execute", number)
    chain.refused("proposal-closed", "bank", G, "vote", number)
    assert chain.view(G, "count_proposals") == 1


def test_a_proposal_expires(chain: Chain) -> None:
    number = chain.ok("regulator", G, "propose_allowance", "bob", 5)
    created = chain.time
    chain.time = created + TWO_WEEKS - 2
    chain.ok("bank", G, "vote", number)
    chain.refused("proposal-expired", "bank", G, "execute", number)
    chain.refused("proposal-expired", "regulator-two", G, "vote", number)


def test_votes_of_former_administrators_do_not_count(chain: Chain) -> None:
    number = chain.ok("regulator", G, "propose_allowance", "bob", 5)
    chain.ok("bank", G, "vote", number)
    carry(chain, "administrator", address_of("bank"), False)
    chain.refused("not-enough-votes", "regulator", G, "execute", number)
    chain.ok("regulator-two", G, "vote", number)
    chain.ok("regulator", G, "execute", number)


PROPOSALS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("propose_params", (list(astuple(with_params())),)),
    ("propose_validators", ([["n", HASH]],)),
    ("propose_validator", (HASH, True)),
    ("propose_validator_key", (HASH, HASH)),
    ("propose_candidate", ("n", HASH, b"c", True)),
    ("publish_certificate", (HASH, b"c")),
    ("propose_versions", (1, 1)),
    ("propose_upgrade", ("units", 2, HASH, 0)),
    ("propose_no_upgrade", ("units",)),
    ("activate", ("units",)),
    ("freeze", ("units", "why", 1)),
    ("propose_freeze", ("units", "why")),
    ("propose_unfreeze", ("units",)),
    ("propose_allowance", ("bob", 1)),
    ("propose_deployer", (HASH, True)),
    ("propose_administrator", (HASH, True)),
    ("propose_threshold", (1,)),
    ("propose_observer", ("n", HASH, True)),
    ("propose_key_delay", (1,)),
    ("propose_regulator", ("bob",)),
    ("vote", (1,)),
    ("execute", (1,)),
)


@pytest.mark.parametrize(("method", "arguments"), PROPOSALS)
def test_only_administrators_decide(chain: Chain, method: str, arguments: Any) -> None:
    chain.ok("regulator", G, "propose_key_delay", 1)
    chain.refused("not-administrator", "alice", G, method, *arguments)


def test_an_unknown_proposal_is_refused(chain: Chain) -> None:
    for method in ("vote", "execute"):
        chain.refused("no-proposal", "bank", G, method, 1)
    chain.view_refused("no-proposal", G, "get_proposal", 1)


def test_parameters_take_effect_at_the_end_of_the_epoch(chain: Chain) -> None:
    wanted = with_params(gas_allowance=123_000_000, batch_delay_ms=7)
    carry(chain, "params", list(astuple(wanted)))
    assert chain.view(G, "get_params") == list(astuple(wanted))
    while chain.height % 10 != 9:
        chain.run()
        assert chain.params == with_params()
    chain.run()
    assert chain.height == 10 and chain.params == wanted


@pytest.mark.parametrize("name", sorted(_RANGES))
def test_the_contract_refuses_the_parameters_that_the_engine_would_refuse(
    chain: Chain, name: str
) -> None:
    low, high = _RANGES[name]
    for value in (low - 1, high + 1):
        wanted = list(astuple(replace(with_params(), **{name: value})))
        chain.refused("param-range", "bank", G, "propose_params", wanted)


def test_parameters_that_contradict_each_other_are_refused(chain: Chain) -> None:
    for wanted in (
        with_params(transaction_gas_max=2_000_000, block_gas_max=1_999_999),
        with_params(timeout_base_ms=2_000, timeout_max_ms=1_999),
    ):
        chain.refused("param-range", "bank", G, "propose_params", list(astuple(wanted)))


@pytest.mark.parametrize(
    "changes",
    [{"epoch_blocks": 11}, {"state_levels": 5}, {"protocol_version": 2}, {"vm_version": 2}],
)
def test_what_other_heights_depend_on_never_changes(chain: Chain, changes: Any) -> None:
    wanted = list(astuple(with_params(**changes)))
    chain.refused("param-fixed", "bank", G, "propose_params", wanted)


def test_validators_take_effect_at_the_end_of_the_epoch(chain: Chain) -> None:
    entries = [*chain.view(G, "get_validators"), ["n4", address_of("n4")]]
    carry(chain, "validators", entries)
    assert chain.view(G, "get_validators") == entries
    while chain.height < 10:
        assert len(chain.validators.members) == 4
        chain.run()
    assert [[item.name, item.public_key] for item in chain.validators.members] == entries


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [["a", HASH], ["a", HASH[::-1]]],
        [["a", HASH], ["b", HASH]],
        [["", HASH]],
        [["x" * 65, HASH]],
        [[f"n{number}", address_of(f"n{number}")] for number in range(101)],
    ],
)
def test_bad_validator_sets_are_refused(chain: Chain, entries: Any) -> None:
    chain.refused("bad-validators", "bank", G, "propose_validators", entries)


def test_an_allowance_may_be_set_and_taken_back(chain: Chain) -> None:
    carry(chain, "allowance", "bob", 0)
    assert chain.view(G, "allowance_of", "bob") == 0
    assert chain.send("bob", "identity", "revoke_grant", "a", "b").code == "allowance"
    carry(chain, "allowance", "bob", -1)
    carry(chain, "allowance", "bob", -1)
    assert chain.view(G, "allowance_of", "bob") == chain.params.gas_allowance
    for gas in (-2, 2**62 + 1):
        chain.refused("bad-allowance", "bank", G, "propose_allowance", "bob", gas)
    chain.refused("bad-id", "bank", G, "propose_allowance", "", 5)
    chain.refused("bad-id", "bank", G, "propose_allowance", "\u00e9", 5)
    chain.refused("bad-id", "bank", G, "propose_allowance", "a b", 5)


def test_deployers_come_and_go(chain: Chain) -> None:
    carry(chain, "deployer", address_of("alice"), True)
    assert chain.view(G, "is_deployer", address_of("alice"))
    carry(chain, "deployer", address_of("alice"), False)
    carry(chain, "deployer", address_of("alice"), False)
    assert not chain.view(G, "is_deployer", address_of("alice"))


def test_administrators_never_fall_below_the_threshold(chain: Chain) -> None:
    carry(chain, "administrator", address_of("alice"), True)
    assert len(chain.view(G, "get_administrators")) == 4
    for name in ("alice", "regulator-two"):
        carry(chain, "administrator", address_of(name), False)
    number = chain.ok("regulator", G, "propose_administrator", address_of("bank"), False)
    chain.ok("bank", G, "vote", number)
    chain.refused("bad-administrators", "bank", G, "execute", number)


def test_the_threshold_fits_the_administrators(chain: Chain) -> None:
    for wanted in (0, 4):
        chain.refused("bad-threshold", "bank", G, "propose_threshold", wanted)
    carry(chain, "threshold", 3)
    number = chain.ok("regulator", G, "propose_allowance", "bob", 5)
    chain.ok("bank", G, "vote", number)
    chain.refused("not-enough-votes", "bank", G, "execute", number)


def test_a_threshold_that_no_longer_fits_is_refused_at_execution(chain: Chain) -> None:
    number = chain.ok("regulator", G, "propose_threshold", 3)
    chain.ok("bank", G, "vote", number)
    carry(chain, "administrator", address_of("regulator-two"), False)
    chain.refused("bad-administrators", "bank", G, "execute", number)


def test_there_are_at_most_32_administrators(chain: Chain) -> None:
    carry(chain, "threshold", 1)
    for index in range(29):
        number = chain.ok("bank", G, "propose_administrator", address_of(f"a{index}"), True)
        chain.ok("bank", G, "execute", number)
    number = chain.ok("bank", G, "propose_administrator", HASH, True)
    chain.refused("bad-administrators", "bank", G, "execute", number)


def test_observers_come_and_go_up_to_a_bound(chain: Chain) -> None:
    carry(chain, "threshold", 1)
    for index in range(200):
        key = address_of(f"o{index}")
        number = chain.ok("bank", G, "propose_observer", f"o{index}", key, True)
        chain.ok("bank", G, "execute", number)
    assert len(chain.view(G, "get_observers")) == 200
    number = chain.ok("bank", G, "propose_observer", "one-more", HASH, True)
    chain.refused("too-many-observers", "bank", G, "execute", number)
    renamed = chain.ok("bank", G, "propose_observer", "renamed", address_of("o0"), True)
    chain.ok("bank", G, "execute", renamed)
    for _ in range(2):  # the second finds nobody
        gone = chain.ok("bank", G, "propose_observer", "o1", address_of("o1"), False)
        chain.ok("bank", G, "execute", gone)
    chain.ok("bank", G, "execute", number)
    observers = chain.view(G, "get_observers")
    assert len(observers) == 200
    assert ["renamed", address_of("o0")] in observers and ["one-more", HASH] in observers
    chain.refused("bad-id", "bank", G, "propose_observer", "", HASH, True)


def test_the_key_delay_is_governances(chain: Chain) -> None:
    chain.issue("b1", 100, 0)
    carry(chain, "key_delay", 60)
    assert chain.view(G, "get_key_delay") == 60
    chain.ok("owner", "identity", "add_key", "owner", HASH)
    chain.refused("key-delay", "owner", "units", "transfer", "b1", 0, 1, "bob")
    for seconds in (-1, 30 * 24 * 3600 + 1):
        chain.refused("bad-delay", "bank", G, "propose_key_delay", seconds)


def test_the_role_of_regulator_comes_from_a_passed_proposal(chain: Chain) -> None:
    carry(chain, "regulator", "bob")
    assert chain.view("identity", "has_role", "bob", "regulator")
    number = chain.ok("regulator", G, "propose_regulator", "bob")
    chain.ok("bank", G, "vote", number)
    chain.refused("has-role", "bank", G, "execute", number)
    chain.refused("bad-id", "bank", G, "propose_regulator", "a b")


def test_accounts_are_written_by_identity_alone(chain: Chain) -> None:
    chain.refused("not-identity", "regulator", G, "set_account", HASH, "bob")
    chain.refused("not-identity", "regulator", G, "remove_account", address_of("bob"))


def test_nobody_bootstraps_a_second_time(chain: Chain) -> None:
    arguments = (list(astuple(ChainParams())), [HASH], 1, [], HASH, 0)
    chain.refused("not-authority", "regulator", G, "bootstrap", *arguments)


@pytest.mark.parametrize(
    ("code", "administration"),
    [
        ("bad-administrators", Administration((), 1)),
        ("bad-administrators", Administration(THREE, 4)),
        ("bad-administrators", Administration((THREE[0], THREE[0]), 1)),
        ("bad-threshold", Administration(THREE, 0)),
        ("bad-deployers", Administration(THREE, 1, (THREE[0], THREE[0]))),
        ("bad-delay", Administration(THREE, 1, (), -1)),
    ],
)
def test_a_genesis_that_the_contracts_refuse_does_not_execute(
    code: str, administration: Administration
) -> None:
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, make_genesis(administration=administration))
    assert caught.value.values_seen["outcome_code"] == code


@pytest.mark.parametrize(
    ("code", "index"),
    [("already-bootstrapped", 0), ("already-bootstrapped", 1), ("already-connected", 2)],
)
def test_the_authority_connects_the_contracts_once(code: str, index: int) -> None:
    genesis = make_genesis()
    repeated = replace(genesis, calls=(*genesis.calls, genesis.calls[index]))
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, repeated)
    assert caught.value.values_seen["outcome_code"] == code


@pytest.mark.parametrize(
    ("code", "index", "first"),
    [
        ("param-range", 0, [0] * 15),
        ("bad-validators", 1, [["a", HASH], ["a", HASH[::-1]]]),
    ],
)
def test_a_genesis_cannot_start_with_what_no_vote_could_decide(
    code: str, index: int, first: Any
) -> None:
    genesis = make_genesis()
    calls = list(genesis.calls)
    call = calls[index].call
    call = replace(call, arguments=(first, *call.arguments[1:]))
    calls[index] = replace(calls[index], call=call)
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=tuple(calls)))
    assert caught.value.values_seen["outcome_code"] == code
