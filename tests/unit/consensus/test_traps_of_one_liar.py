"""Traps that one liar, or one lost message, could set for honest replicas; each was real once."""

from __future__ import annotations

from dataclasses import replace

from consensus.bounds import PROPOSALS_KEPT_MAX
from consensus.effects import (
    Behind,
    Broadcast,
    Candidate,
    Commit,
    Grade,
    Reject,
    RequestBlock,
    Send,
    SetTimer,
    TimerName,
)
from consensus.messages import (
    GetProposal,
    PrePrepare,
    ProposalMessage,
    Status,
    ViewChangeMessage,
    decode_message,
    encode_message,
)
from consensus.recovery import RecordKind, encode_record, recover
from consensus.signing import INITIAL_LAST_SIGNED
from primitives.certificate import Certificate, Phase
from tests.unit.consensus.harness import (
    CHAIN,
    NOW,
    Bench,
    hash_of,
    only,
    said,
)

JUNK = Certificate(
    1, 0, hash_of("junk"), hash_of("junk"), (0, 1, 2), (bytes(64), bytes(64), bytes(64))
)


def test_a_certificate_without_its_block_is_told_to_those_who_hold_the_block() -> None:
    # A liar led view 0 without us, and gave its COMMIT to us alone, just before the others
    # changed view: they are two, we vote no more at this height, the liar is silent. Only
    # our certificate ends the height.
    bench = Bench()
    proposal = bench.proposal()
    for signer in (0, 1, 2):
        bench.hear(
            bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")), signer
        )
    (behind,) = only(bench.seen, Behind)
    assert behind.height == 1
    for signer in (0, 2):
        bench.hear(bench.view_change(signer, 1), signer)
    told = said(bench.replica.expire(TimerName.STATUS, NOW + 1_000), Status)
    assert [(item.height, item.certificate) for item in told] == [(2, behind.certificate)]

    other = Bench(me=2)
    other.hear(other.pre_prepare(proposal))
    other.have_body(proposal)
    other.have_executed(proposal)
    other.hear(other.view_change(0, 2), 0)
    other.hear(other.view_change(3, 2), 3)
    assert other.replica.describe(NOW).view == 2
    (commit,) = only(other.hear(told[0], 3), Commit)
    assert commit.certificate == behind.certificate


def test_a_view_change_with_a_forged_proof_of_its_height_is_not_handed_on() -> None:
    # A replica one height behind would verify the proof and blame whoever handed it on.
    bench = Bench()
    bench.commit_next()
    tip = bench.rules.tip.certificate
    assert tip is not None
    item = bench.view_change(0, 1)
    forged = replace(tip, signatures=(bytes(64), *tip.signatures[1:]))
    (reject,) = only(bench.hear(ViewChangeMessage(item, forged), 0), Reject)
    assert reject.grade is Grade.FORGED
    assert bench.hear(ViewChangeMessage(item, tip), 0) == []
    # The same words again with a forged proof are still not ours to hand on.
    (reject,) = only(bench.hear(ViewChangeMessage(item, forged), 0), Reject)
    assert reject.grade is Grade.FORGED


def test_another_quorum_s_proof_of_our_parent_is_as_good_as_ours() -> None:
    bench = Bench()
    bench.commit_next()
    tip = bench.rules.tip.certificate
    assert tip is not None
    other = bench.certificate((1, 2, 3), Phase.COMMIT, 0, tip.block_hash, tip.exec_hash, 1)
    assert other != tip
    effects = bench.hear(ViewChangeMessage(bench.view_change(0, 1), other), 0)
    assert only(effects, Reject) == []
    elsewhere = bench.certificate((1, 2, 3), Phase.COMMIT, 0, hash_of("x"), tip.exec_hash, 1)
    effects = bench.hear(ViewChangeMessage(bench.view_change(1, 1), elsewhere), 0)
    assert [item.grade for item in only(effects, Reject)] == [Grade.FORGED]


def test_an_early_message_with_a_forged_proof_is_refused_while_our_commit_is_written() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    for signer in (0, 1):
        bench.hear(
            bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")), signer
        )
    (commit,) = only(bench.seen, Commit)
    forged = replace(commit.certificate, signatures=(bytes(64),) * 3)
    ahead = Bench()
    ahead.commit_next(proposal)
    words = ViewChangeMessage(ahead.view_change(0, 1), forged)
    effects = bench.note(bench.replica.receive(None, encode_message(words), NOW))
    assert [item.grade for item in only(effects, Reject)] == [Grade.FORGED]


def test_one_liar_s_unproven_height_does_not_keep_a_watching_replica_from_voting_for_ever() -> None:
    # The certificate lies in another epoch: nobody here can say whether it holds.
    bench = Bench(last_signed=None)
    huge = replace(JUNK, height=1 << 40)
    bench.hear(bench.status((1 << 40) + 1, huge), 0)
    for peer in (1, 2):
        bench.hear(bench.status(1, None), peer)
    bench.hear(bench.status(1, None), 0)
    for _ in range(3):
        bench.commit_next()
    assert bench.replica.describe(NOW).why.find("watching") == -1


def test_a_height_told_while_our_commit_is_written_is_not_taken_for_proven() -> None:
    bench = Bench(last_signed=None)
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.have_body(proposal)
    bench.have_executed(proposal)
    for signer in (0, 1, 2):
        bench.hear(
            bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")), signer
        )
    assert only(bench.seen, Commit)
    bench.hear(bench.status(1_000_000, replace(JUNK, height=999_999)), 0)
    assert bench.replica.describe(NOW).peers == ()


def test_a_leader_need_not_wait_for_a_prepared_block_that_only_a_liar_claims() -> None:
    # Everyone who voted for it has dropped it among later proposals, or the votes were for a
    # body that is gone: a liar shows its certificate in every view change. A quorum of view
    # changes without it proves that it was never committed, and frees the leader.
    bench = Bench(me=3)
    view = next(v for v in range(1, 9) if bench.leader(v) == 3)
    hoarded = bench.certificate((0, 1, 2), Phase.PREPARE, 0, hash_of("hoarded"))
    effects = bench.hear(bench.view_change(0, view, hoarded), 0)
    effects += bench.hear(bench.view_change(1, view), 1)
    assert only(bench.seen, Send) != []
    assert only(effects, RequestBlock) == []
    effects = bench.hear(bench.view_change(2, view), 2)
    (request,) = only(effects, RequestBlock)
    assert (request.height, request.view) == (1, view)
    offered = bench.note(bench.replica.offer(1, view, Candidate(NOW, ()), NOW))
    (message,) = said(offered, PrePrepare)
    assert [item.signer for item in message.new_view] == [1, 2, 3]


def test_a_leader_does_propose_a_prepared_block_that_every_quorum_holds() -> None:
    bench = Bench(me=3)
    view = next(v for v in range(1, 9) if bench.leader(v) == 3)
    held = bench.certificate((0, 1, 2), Phase.PREPARE, 0, hash_of("held"))
    bench.hear(bench.view_change(0, view, held), 0)
    bench.hear(bench.view_change(1, view, held), 1)
    effects = bench.hear(bench.view_change(2, view), 2)
    assert [item for item in bench.seen if isinstance(item, RequestBlock)] == []
    assert only(effects, Broadcast) == []


def test_the_prepared_block_s_proposal_outlives_a_restart_however_many_came_after_it() -> None:
    bench = Bench()
    first = bench.proposal(ids=("first",))
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, first.block_hash)
    records = [encode_record(RecordKind.PROPOSAL, 1, encode_message(bench.pre_prepare(first)))]
    records += [
        encode_record(
            RecordKind.PROPOSAL,
            1,
            encode_message(bench.pre_prepare(bench.proposal(ids=(f"later {view}",)), view)),
        )
        for view in range(1, PROPOSALS_KEPT_MAX + 3)
    ]
    view_change = ViewChangeMessage(bench.view_change(3, 30, prepared), None)
    records.append(encode_record(RecordKind.VIEW_CHANGE, 1, encode_message(view_change)))
    assert bench.tip is not None
    recovered = recover(CHAIN, bench.tip, records, INITIAL_LAST_SIGNED)
    assert len(recovered.proposals) == PROPOSALS_KEPT_MAX
    again = Bench(records=records)
    (answer,) = only(again.hear(GetProposal(1, first.block_hash), 1), Send)
    message = decode_message(answer.data)
    assert isinstance(message, ProposalMessage)
    assert message.header == first.header


def test_a_view_timer_that_rings_a_moment_early_is_set_again() -> None:
    bench = Bench()
    timer = only(bench.replica.transactions_waiting(NOW), SetTimer)[-1]
    assert bench.replica.expire(TimerName.VIEW, timer.at_ms - 1) == [timer]
    assert said(bench.replica.expire(TimerName.VIEW, timer.at_ms), ViewChangeMessage) != []
