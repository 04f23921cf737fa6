"""What a mutation run found untested, or only the simulator noticed: each dies with its guard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.effects import (
    Accuse,
    Candidate,
    FetchBody,
    Grade,
    Reject,
    RequestBlock,
    Send,
    SetTimer,
)
from consensus.messages import PrePrepare
from consensus.recovery import recover
from consensus.replica import Replica, ReplicaConfig
from consensus.rules import HeightRules
from consensus.verification import Verifier
from consensus.viewchange import check_new_view
from primitives.certificate import Phase
from primitives.errors import ProofError
from primitives.hashing import ZERO_HASH
from primitives.keys import verify
from tests.unit.consensus.harness import CHAIN, NOW, PARAMS, Bench, hash_of, only, said


def test_one_forged_view_change_spoils_the_proof_of_a_new_view() -> None:
    bench = Bench()
    fresh = bench.proposal(proposer=bench.leader(1))
    proof = [bench.view_change(n, 1) for n in (0, 1, 2)]
    forged = [proof[0], replace(proof[1], signature=bytes(64)), proof[2]]
    (reject,) = only(bench.hear(bench.pre_prepare(fresh, 1, forged), bench.leader(1)), Reject)
    assert reject.reason == "proposal: view-change-signature"
    assert len(only(bench.hear(bench.pre_prepare(fresh, 1, proof)), FetchBody)) == 1


def test_view_changes_of_another_height_prove_no_new_view() -> None:
    bench = Bench()
    proof = [replace(bench.view_change(n, 1), height=2) for n in (0, 1, 2)]
    with pytest.raises(ProofError) as caught:
        check_new_view(proof, 1, bench.rules, Verifier(CHAIN, verify))
    assert caught.value.code == "new-view-place"


def test_two_view_changes_of_one_validator_into_one_view_convict_it() -> None:
    bench = Bench()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, hash_of("b"))
    assert bench.hear(bench.view_change(0, 2)) == []
    (accuse,) = only(bench.hear(bench.view_change(0, 2, prepared)), Accuse)
    assert accuse.validator == bench.keys[0].public_key


def test_a_leader_that_has_proposed_leads_no_more_whoever_joins_the_view() -> None:
    bench = Bench(me=2)
    bench.hear(bench.view_change(0, 1))
    assert len(only(bench.hear(bench.view_change(1, 1)), RequestBlock)) == 1
    assert len(said(bench.replica.offer(1, 1, Candidate(NOW, ()), NOW), PrePrepare)) == 1
    assert bench.hear(bench.view_change(3, 1)) == []


def test_the_clock_of_a_view_whose_proposal_came_is_not_set_again_by_those_who_join() -> None:
    bench = Bench()
    proof = [bench.view_change(n, 1) for n in (0, 1, 2)]
    fresh = bench.proposal(proposer=bench.leader(1))
    effects = bench.hear(bench.pre_prepare(fresh, 1, proof))
    assert len(only(effects, SetTimer)) == 1
    for item in proof:
        assert bench.hear(item) == []


def test_a_leader_s_vote_that_is_quicker_than_its_proposal_convicts_nobody() -> None:
    bench = Bench()
    proposal = bench.proposal()
    assert bench.hear(bench.vote(bench.leader(), Phase.PREPARE, 0, proposal.block_hash)) == []
    effects = bench.hear(bench.pre_prepare(proposal))
    assert only(effects, Accuse) == [] and len(only(effects, FetchBody)) == 1


def test_a_fast_clock_is_no_fault_even_of_the_leader_that_sends_it_itself() -> None:
    bench = Bench()
    proposal = bench.proposal(time_ms=NOW + PARAMS.clock_drift_ms + 1)
    link = bench.keys[bench.leader()].public_key
    refused = [Reject(link, "proposal: header-time-ahead", Grade.USELESS)]
    assert bench.hear(bench.pre_prepare(proposal), bench.leader()) == refused


def test_a_certificate_older_than_our_parent_s_is_not_looked_at() -> None:
    bench = Bench()
    bench.commit_next()
    old = bench.rules.tip.certificate
    bench.commit_next()
    assert bench.rules.height == 3
    effects = bench.hear(bench.status(2, old))
    assert [type(effect) for effect in effects] == [Send]


@pytest.mark.parametrize(
    ("tip_height", "tip_epoch", "epoch"),
    [(0, 0, 0), (1, 0, 0), (9, 0, 0), (10, 0, 1), (11, 1, 1), (20, 1, 2)],
)
def test_each_height_is_judged_in_its_own_epoch(
    tip_height: int, tip_epoch: int, epoch: int
) -> None:
    tip = replace(Bench().rules.tip, height=tip_height)
    rules = HeightRules.of(CHAIN, tip)
    # Blocks 1 to 10 are epoch 0.
    assert (rules.height, rules.tip_epoch, rules.epoch) == (tip_height + 1, tip_epoch, epoch)


@pytest.mark.parametrize("phase", list(Phase))
def test_votes_that_were_heard_one_by_one_cost_nothing_in_a_certificate(phase: Phase) -> None:
    # A check of our own, as the simulator's: no real key made these signatures.
    checked: list[bytes] = []

    def check(key: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return signature == key * 2

    bench = Bench()
    verifier = Verifier(CHAIN, check)
    exec_hash = hash_of("s") if phase is Phase.COMMIT else ZERO_HASH
    certificate = bench.certificate((0, 1, 2), phase, 0, hash_of("b"), exec_hash)
    keys = [bench.keys[signer].public_key for signer in (0, 1, 2)]
    made = replace(certificate, signatures=tuple(key * 2 for key in keys))
    verify_it = verifier.check_final if phase is Phase.COMMIT else verifier.check_prepared
    with pytest.raises(ProofError):
        verify_it(certificate, 0, bench.validators)
    checked.clear()
    for signer in (0, 1, 2):
        vote = bench.vote(signer, phase, 0, hash_of("b"), exec_hash)
        vote = replace(vote, signature=made.signatures[signer])
        assert verifier.verify_vote(vote, 0, bench.validators) == vote
    verify_it(made, 0, bench.validators)
    assert checked == list(made.signatures)


def test_nobody_votes_after_the_loss_of_its_record_unless_the_operator_says_so() -> None:
    bench = Bench(last_signed=None)
    assert bench.tip is not None
    recovered = recover(CHAIN, bench.tip, (), None)
    replica = Replica(ReplicaConfig(CHAIN, bench.keys[3]), bench.tip, recovered)
    replica.start(NOW)
    assert replica.describe(NOW).role == "watching"
