"""The contract ``governance``: registry of nodes, membership, versions and evidence."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.evidence import TWO_VIEW_CHANGES, TWO_VOTES, Evidence
from primitives.hashing import Address
from tests.unit.vm.carbon_chain import DAY, Chain, address_of, make_genesis
from vm import engine_view
from vm.executor import AUTHORITY
from vm.genesis_builder import Administration

G = "governance"
CERTIFICATE = b"certificate"


@pytest.fixture
def chain() -> Chain:
    """One administrator decides; epochs of ten blocks; four validators."""
    regulator = (address_of("regulator"),)
    return Chain(make_genesis(administration=Administration(regulator, 1, regulator, 0)))


def carry(chain: Chain, method: str, *arguments: Any) -> None:
    chain.ok("regulator", G, "execute", propose(chain, method, *arguments))


def carry_refused(chain: Chain, code: str, method: str, *arguments: Any) -> None:
    chain.refused(code, "regulator", G, "execute", propose(chain, method, *arguments))


def propose(chain: Chain, method: str, *arguments: Any) -> int:
    number: int = chain.ok("regulator", G, f"propose_{method}", *arguments)
    return number


def admit(chain: Chain, name: str) -> Address:
    key = address_of(name)
    carry(chain, "candidate", name, key, CERTIFICATE, True)
    return key


def end_epoch(chain: Chain) -> None:
    chain.run()
    while chain.height % 10:
        chain.run()


def get_names(chain: Chain) -> list[str]:
    return [member.name for member in chain.validators.members]


def test_an_observer_becomes_a_candidate_and_a_validator_and_a_candidate_again(
    chain: Chain,
) -> None:
    key = address_of("five")
    carry(chain, "observer", "five", key, True)
    assert chain.view(G, "get_node", key) == ["five", key, "observer", b""]
    carry(chain, "candidate", "five", key, CERTIFICATE, True)
    assert chain.view(G, "get_node", key) == ["five", key, "candidate", CERTIFICATE]
    assert chain.view(G, "get_candidates") == [["five", key, "candidate", CERTIFICATE]]
    assert chain.view(G, "get_observers") == []
    carry(chain, "validator", key, True)
    assert chain.view(G, "get_node", key)[2] == "validator"
    assert chain.view(G, "get_candidates") == []
    assert get_names(chain) == ["v0", "v1", "v2", "v3"]
    end_epoch(chain)
    assert get_names(chain) == ["v0", "v1", "v2", "v3", "five"]
    carry(chain, "validator", key, False)
    end_epoch(chain)
    assert get_names(chain) == ["v0", "v1", "v2", "v3"]
    assert chain.view(G, "get_node", key) == ["five", key, "candidate", CERTIFICATE]


def test_a_removed_validator_of_genesis_stays_registered_until_it_is_struck_off(
    chain: Chain,
) -> None:
    key = chain.validators.members[0].public_key
    carry_refused(chain, "not-candidate", "candidate", "v0", key, b"", False)
    carry(chain, "validator", key, False)
    end_epoch(chain)
    assert get_names(chain) == ["v1", "v2", "v3"]
    assert chain.view(G, "get_node", key) == ["v0", key, "candidate", b""]
    assert not engine_view.is_struck_off(chain.state, key)
    carry(chain, "candidate", "v0", key, b"", False)
    assert chain.view(G, "get_node", key)[2] == ""
    assert engine_view.is_struck_off(chain.state, key)
    carry_refused(chain, "not-candidate", "validator", key, True)
    carry(chain, "candidate", "v0", key, CERTIFICATE, True)
    assert not engine_view.is_struck_off(chain.state, key)


def test_a_key_is_replaced_at_its_place_and_under_its_name(chain: Chain) -> None:
    new, old = admit(chain, "spare"), chain.validators.members[1].public_key
    carry(chain, "validator_key", old, new)
    end_epoch(chain)
    assert get_names(chain) == ["v0", "v1", "v2", "v3"]
    assert chain.validators.members[1].public_key == new
    assert chain.view(G, "get_node", old)[2] == "candidate"


def test_what_cannot_be_a_validator_is_refused(chain: Chain) -> None:
    key, stranger = admit(chain, "five"), address_of("stranger")
    member = chain.validators.members[0].public_key
    carry_refused(chain, "not-candidate", "validator", stranger, True)
    carry_refused(chain, "no-validator", "validator", key, False)
    carry_refused(chain, "not-candidate", "validator_key", member, stranger)
    carry_refused(chain, "no-validator", "validator_key", stranger, key)
    carry_refused(chain, "already-registered", "candidate", "five", key, CERTIFICATE, True)
    carry_refused(chain, "already-registered", "candidate", "v0", member, CERTIFICATE, True)
    twin = address_of("twin")
    carry(chain, "candidate", "v0", twin, CERTIFICATE, True)
    carry_refused(chain, "bad-validators", "validator", twin, True)


@pytest.mark.parametrize("certificate", [b"", b"c" * 4097])
def test_a_candidate_needs_a_certificate_of_some_size(chain: Chain, certificate: bytes) -> None:
    key = address_of("five")
    chain.refused(
        "bad-certificate", "regulator", G, "propose_candidate", "five", key, certificate, True
    )
    chain.refused("bad-certificate", "regulator", G, "publish_certificate", key, certificate)


def test_a_candidate_needs_a_name_that_can_be_shown(chain: Chain) -> None:
    for name in ("", "x" * 65, "a b", "\u00e9"):
        arguments = (name, address_of("five"), CERTIFICATE, True)
        chain.refused("bad-id", "regulator", G, "propose_candidate", *arguments)


def test_a_certificate_is_published_for_registered_nodes_only(chain: Chain) -> None:
    member = chain.validators.members[0].public_key
    before = engine_view.get_registry_version(chain.state)
    chain.ok("regulator", G, "publish_certificate", member, CERTIFICATE)
    assert chain.view(G, "get_node", member) == ["v0", member, "validator", CERTIFICATE]
    assert engine_view.get_registry_version(chain.state) == before + 1
    chain.refused(
        "no-node", "regulator", G, "publish_certificate", address_of("stranger"), CERTIFICATE
    )


def test_at_most_f_changes_take_effect_in_one_epoch(chain: Chain) -> None:
    """From four to seven takes three epochs, from seven to five one: f grows with the set."""
    keys = [admit(chain, f"n{number}") for number in range(4)]
    end_epoch(chain)
    carry(chain, "validator", keys[0], True)
    waiting = propose(chain, "validator", keys[1], True)
    chain.refused("too-many-changes", "regulator", G, "execute", waiting)
    end_epoch(chain)
    chain.ok("regulator", G, "execute", waiting)
    end_epoch(chain)
    carry(chain, "validator", keys[2], True)
    end_epoch(chain)
    assert len(chain.validators.members) == 7
    for key in keys[:2]:
        carry(chain, "validator", key, False)
    carry_refused(chain, "too-many-changes", "validator", keys[2], False)
    end_epoch(chain)
    assert get_names(chain) == ["v0", "v1", "v2", "v3", "n2"]


def test_taking_a_change_back_makes_room_for_another(chain: Chain) -> None:
    one, two = admit(chain, "one"), admit(chain, "two")
    end_epoch(chain)
    carry(chain, "validator", one, True)
    carry_refused(chain, "too-many-changes", "validator", two, True)
    carry(chain, "validator", one, False)
    carry(chain, "validator", two, True)
    end_epoch(chain)
    assert get_names(chain) == ["v0", "v1", "v2", "v3", "two"]


def test_the_set_never_becomes_empty(chain: Chain) -> None:
    for member in chain.validators.members[:3]:
        carry(chain, "validator", member.public_key, False)
        end_epoch(chain)
    last = chain.validators.members[0].public_key
    carry_refused(chain, "bad-validators", "validator", last, False)


def test_candidates_have_a_ceiling(chain: Chain) -> None:
    for number in range(200):
        if number % 20 == 0:
            end_epoch(chain)
        admit(chain, f"n{number}")
    carry_refused(
        chain, "too-many-candidates", "candidate", "more", address_of("more"), CERTIFICATE, True
    )


def test_versions_take_effect_at_the_end_of_the_epoch_and_never_go_back(chain: Chain) -> None:
    carry(chain, "versions", 2, 1)
    assert chain.params.protocol_version == 1
    end_epoch(chain)
    assert (chain.params.protocol_version, chain.params.vm_version) == (2, 1)
    for versions in ((1, 1), (2, 0), (1001, 1), (2, 1001)):
        chain.refused("bad-version", "regulator", G, "propose_versions", *versions)
    for meanwhile, stale in (((3, 1), (2, 3)), ((3, 2), (4, 1))):  # each lowers one of the two
        number = propose(chain, "versions", *stale)
        carry(chain, "versions", *meanwhile)
        chain.refused("bad-version", "regulator", G, "execute", number)


def test_other_parameters_do_not_undo_versions_decided_meanwhile(chain: Chain) -> None:
    wanted = chain.view(G, "get_params")
    number = propose(chain, "params", wanted)
    carry(chain, "versions", 2, 3)
    chain.ok("regulator", G, "execute", number)
    assert chain.view(G, "get_params")[:2] == [2, 3]


def make_evidence(chain: Chain, kind: int = TWO_VOTES, epoch: int = 0) -> Evidence:
    validator = chain.validators.members[2].public_key
    return Evidence(kind, epoch, 7, validator, b"one", b"two")


def test_evidence_in_a_block_is_recorded_and_asks_for_a_vote(chain: Chain) -> None:
    item = make_evidence(chain)
    _, outcome = chain.run(evidence=(item, item))
    assert (outcome.receipts, outcome.events) == ([], [])
    (row,) = chain.view(G, "list_evidence", 0, 100)
    assert row[:5] == [item.validator, "v2", 0, 7, "two-votes"]
    assert row[6:] == [chain.time, 1]
    proposal = chain.view(G, "get_proposal", 1)
    assert proposal[0] == "validator"
    assert proposal[9] == []
    chain.refused("not-enough-votes", "regulator", G, "execute", 1)
    chain.ok("regulator", G, "vote", 1)
    chain.ok("regulator", G, "execute", 1)
    end_epoch(chain)
    assert get_names(chain) == ["v0", "v1", "v3"]


def test_one_piece_of_evidence_is_kept_for_each_validator_and_epoch(chain: Chain) -> None:
    chain.run(evidence=(make_evidence(chain),))
    chain.run(evidence=(make_evidence(chain, TWO_VIEW_CHANGES),))
    assert chain.view(G, "count_evidence") == 1
    chain.run(evidence=(make_evidence(chain, TWO_VIEW_CHANGES, epoch=1),))
    assert chain.view(G, "count_evidence") == 2
    assert [row[4] for row in chain.view(G, "list_evidence", 0, 100)] == [
        "two-votes",
        "two-view-changes",
    ]
    assert len(chain.view(G, "list_evidence", 1, 100)) == 1
    for limit in (0, 101):
        chain.view_refused("bad-limit", G, "list_evidence", 0, limit)


def test_evidence_against_one_who_is_no_validator_any_more_asks_for_no_vote(chain: Chain) -> None:
    item = make_evidence(chain)
    carry(chain, "validator", item.validator, False)
    before = chain.view(G, "count_proposals")
    chain.run(evidence=(item,))
    assert chain.view(G, "list_evidence", 0, 1)[0][7] == 0
    assert chain.view(G, "count_proposals") == before


def test_only_the_engine_records_evidence(chain: Chain) -> None:
    arguments = (address_of("bob"), 0, 1, "two-votes", b"digest")
    chain.refused("not-authority", "regulator", G, "record_evidence", *arguments)
    chain.refused("not-authority", "regulator", G, "bootstrap_validators", [["n", AUTHORITY]])


def test_a_proposal_of_the_engine_expires_as_any_other(chain: Chain) -> None:
    chain.run(evidence=(make_evidence(chain),))
    chain.time += 15 * DAY
    chain.refused("proposal-expired", "regulator", G, "vote", 1)


def test_views_that_leaders_let_pass_are_in_the_state(chain: Chain) -> None:
    while chain.height < 8:
        chain.run()
    assert engine_view.get_leaders(chain.state).records == ()
    _, outcome = chain.run(parent_view=1)  # at height 8 validator 0 missed
    (record,) = engine_view.get_leaders(chain.state).records
    assert record.validator == chain.validators.members[0].public_key
    assert outcome.next_leaders == engine_view.get_leaders(chain.state)
    chain.run()
    assert chain.height == 10
    chain.run(parent_view=3)
    # The first block of an epoch brings the certificate of the last one's set: not counted.
    assert engine_view.get_leaders(chain.state).records == (record,)


def test_the_row_of_missed_views_goes_when_everyone_is_forgiven(chain: Chain) -> None:
    chain.run()
    chain.run(parent_view=1)
    while chain.height < 30 and engine_view.LEADERS_KEY in chain.state.values:
        chain.run()
    assert chain.height == 10
