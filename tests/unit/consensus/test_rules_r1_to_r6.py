"""Rules R1 to R6 of the view change, each with a test that dies without its guard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.effects import (
    Broadcast,
    Candidate,
    FetchBody,
    Grade,
    Persist,
    Reject,
    RequestBlock,
    Send,
    TimerName,
)
from consensus.errors import SignerRefusedError
from consensus.messages import (
    GetProposal,
    PrePrepare,
    ViewChangeMessage,
    Vote,
    decode_message,
    encode_message,
)
from consensus.signing import NOTHING_SIGNED, SignerGuard, Step
from consensus.viewchange import choose_prepared
from primitives.block import compute_header_hash
from primitives.certificate import Phase
from primitives.hashing import TransactionId
from tests.unit.consensus.harness import NOW, Bench, hash_of, only, said, votes_said


def move_to_view_1(bench: Bench) -> None:
    for signer in [n for n in range(4) if n != bench.me][:2]:
        bench.hear(bench.view_change(signer, 1))
    assert bench.replica.describe(NOW).view == 1


def test_r1_after_a_view_change_no_vote_leaves_in_a_lower_view() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    move_to_view_1(bench)
    effects = bench.have_body(proposal)
    effects += bench.hear(bench.pre_prepare(proposal))
    for signer in (0, 1, 2):
        effects += bench.hear(bench.vote(signer, Phase.PREPARE, 0, proposal.block_hash))
    effects += bench.have_executed(proposal)
    assert said(effects, Vote) == []


def test_r1_the_view_change_is_durable_before_it_is_sent() -> None:
    bench = Bench()
    bench.replica.transactions_waiting(NOW)
    effects = bench.replica.expire(TimerName.VIEW, NOW + 1_000)
    kinds = [type(effect) for effect in effects]
    assert kinds.index(Persist) < kinds.index(Broadcast)


def test_every_vote_is_durable_before_it_is_sent_and_a_prepare_with_its_body() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    promised: set[bytes] = set()
    for effect in bench.seen:
        if isinstance(effect, Persist):
            promised.update(effect.records)
            assert effect.last_signed is not None
        elif isinstance(effect, Broadcast) and effect.relay:
            assert any(effect.data in record for record in promised)
    bodies = [effect.body for effect in only(bench.seen, Persist)]
    assert bodies == [proposal.block_hash, None]


def test_r1_the_signer_refuses_to_go_back_or_to_say_a_second_thing() -> None:
    guard = SignerGuard(Bench().keys[0], NOTHING_SIGNED)
    first = guard.sign(5, 1, Step.PREPARE, b"one")
    assert guard.sign(5, 1, Step.PREPARE, b"one") == first
    for place in ((5, 1, Step.PREPARE), (5, 1, Step.VIEW_CHANGE), (5, 0, Step.COMMIT)):
        with pytest.raises(SignerRefusedError):
            guard.sign(*place, b"two")
    with pytest.raises(SignerRefusedError):
        guard.sign(4, 9, Step.COMMIT, b"two")
    guard.sign(5, 1, Step.COMMIT, b"two")
    guard.sign(5, 2, Step.VIEW_CHANGE, b"three")
    guard.sign(6, 0, Step.PREPARE, b"four")
    assert guard.last.place == (6, 0, 1)


@pytest.mark.parametrize(
    ("name", "signers", "view"),
    [
        ("none at all", (), 1),
        ("one too few", (0, 1), 1),
        ("padded", (0, 1, 2, 3), 1),
        ("one twice", (0, 1, 1), 1),
        ("not in order", (1, 0, 2), 1),
        ("another view's", (0, 1, 2), 2),
    ],
)
def test_r2_a_proposal_in_a_later_view_needs_exactly_a_quorum_of_its_view_changes(
    name: str, signers: tuple[int, ...], view: int
) -> None:
    bench = Bench()
    fresh = bench.proposal(proposer=bench.leader(1))
    proof = [bench.view_change(n, view) for n in signers]
    message = bench.pre_prepare(fresh, 1, proof)
    (reject,) = only(bench.hear(message, peer=bench.leader(1)), Reject)
    assert reject.grade is Grade.MALFORMED, name
    # A neighbour that handed it on is not to blame: the leader signed it.
    (reject,) = only(bench.hear(message, peer=0), Reject)
    assert reject.grade is Grade.USELESS, name
    assert bench.replica.describe(NOW).view == 0


def test_r2_view_0_takes_no_proof() -> None:
    bench = Bench()
    proof = [bench.view_change(n, 1) for n in (0, 1, 2)]
    (reject,) = only(bench.hear(bench.pre_prepare(bench.proposal(), 0, proof)), Reject)
    assert "unneeded" in reject.reason


def test_r2_and_r5_backups_work_out_the_choice_and_refuse_any_other_block() -> None:
    bench = Bench()
    low, high = bench.proposal(ids=("low",)), bench.proposal(ids=("high",))
    at_0 = bench.certificate((0, 1, 2), Phase.PREPARE, 0, low.block_hash)
    at_2 = bench.certificate((1, 2, 3), Phase.PREPARE, 2, high.block_hash)
    proof = [
        bench.view_change(0, 3, at_0), bench.view_change(1, 3, at_2), bench.view_change(2, 3)
    ]  # fmt: skip
    assert choose_prepared(proof) == at_2
    bench.me = None
    for wrong in (low, bench.proposal(proposer=bench.leader(3), ids=("new",))):
        (reject,) = only(bench.hear(bench.pre_prepare(wrong, 3, proof)), Reject)
        assert "new-view-choice" in reject.reason
    assert len(only(bench.hear(bench.pre_prepare(high, 3, proof)), FetchBody)) == 1


def test_r3_a_commit_needs_the_whole_prepared_certificate_of_its_view() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.have_body(proposal)
    assert votes_said(bench.have_executed(proposal), Phase.COMMIT) == []
    # COMMITs of others are no substitute for PREPAREs.
    for signer in (0, 2):
        vote = bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state"))
        assert votes_said(bench.hear(vote), Phase.COMMIT) == []
    effects = bench.hear(bench.vote(2, Phase.PREPARE, 0, proposal.block_hash))
    assert len(votes_said(effects, Phase.COMMIT)) == 1


def test_r3_what_was_prepared_in_an_earlier_view_is_not_committed_in_this_one() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.have_body(proposal)
    bench.hear(bench.vote(0, Phase.PREPARE, 0, proposal.block_hash))
    prepared = bench.certificate((0, 1, 3), Phase.PREPARE, 0, proposal.block_hash)
    proof = [bench.view_change(0, 1, prepared), bench.view_change(1, 1), bench.view_change(2, 1)]
    bench.hear(bench.pre_prepare(proposal, 1, proof))
    assert votes_said(bench.have_executed(proposal), Phase.COMMIT) == []
    effects = bench.hear(bench.vote(0, Phase.PREPARE, 1, proposal.block_hash))
    assert [vote.view for vote in votes_said(effects, Phase.COMMIT)] == [1]


def test_r4_a_leader_proposes_a_prepared_block_again_byte_for_byte() -> None:
    bench = Bench(me=2)  # leads view 1
    proposal = bench.proposal()
    bench.prepare(proposal)
    bench.now = NOW + 2_000
    for signer in (0, 3):
        bench.hear(bench.view_change(signer, 1))
    effects = bench.seen[-8:]
    (again,) = [m for m in said(effects, PrePrepare) if m.view == 1]
    assert (again.header, again.transaction_ids) == (proposal.header, proposal.transaction_ids)
    assert only(effects, RequestBlock) == []


def test_a_leader_without_the_block_asks_those_who_prepared_it_and_then_proposes_it() -> None:
    bench = Bench(me=2)
    proposal = bench.proposal()
    prepared = bench.certificate((0, 1, 3), Phase.PREPARE, 0, proposal.block_hash)
    bench.hear(bench.view_change(0, 1, prepared))
    effects = bench.hear(bench.view_change(1, 1))
    asked = {e.peer for e in only(effects, Send) if isinstance(decode_message(e.data), GetProposal)}
    assert asked == {bench.keys[n].public_key for n in (0, 1, 3)}
    # A peer that has it answers.
    holder = Bench(me=0)
    holder.hear(holder.pre_prepare(proposal))
    (answer,) = only(holder.hear(GetProposal(1, proposal.block_hash), peer=2), Send)
    effects = bench.hear(decode_message(answer.data), peer=0)
    (fetch,) = only(effects, FetchBody)
    assert bench.keys[1].public_key in fetch.holders
    effects = bench.have_body(proposal)
    assert [m.header for m in said(effects, PrePrepare)] == [proposal.header]


def test_the_leader_asks_again_for_a_block_that_nobody_sent() -> None:
    bench = Bench(me=2)
    prepared = bench.certificate((0, 1, 3), Phase.PREPARE, 0, hash_of("unknown"))
    bench.hear(bench.view_change(0, 1, prepared))
    bench.hear(bench.view_change(1, 1))
    again = bench.replica.expire(TimerName.STATUS, NOW + 1_000)
    questions = [decode_message(e.data) for e in only(again, Broadcast) if not e.relay]
    assert GetProposal(1, hash_of("unknown")) in questions


def test_a_free_leader_of_a_later_view_asks_for_a_block_at_once_even_an_empty_one() -> None:
    bench = Bench(me=2)
    move_to_view_1(bench)
    (request,) = [e for e in only(bench.seen, RequestBlock) if e.view == 1]
    assert request.empty_at_ms == NOW
    effects = bench.replica.offer(1, 1, Candidate(NOW, ()), NOW)
    (message,) = said(effects, PrePrepare)
    assert len(message.new_view) == 3 and message.header.tx_count == 0
    other = Bench(me=3)
    assert len(only(other.hear(message), FetchBody)) == 1


@pytest.mark.parametrize("bad", ["short", "repeated", "other block", "later view", "commits"])
def test_r6_a_bad_prepared_certificate_makes_the_view_change_invalid(bad: str) -> None:
    bench = Bench()
    block = hash_of("block")
    good = bench.certificate((0, 1, 2), Phase.PREPARE, 0, block)
    forged = {
        "short": replace(good, signers=(0, 1), signatures=good.signatures[:2]),
        "repeated": replace(good, signers=(0, 0, 1)),
        "other block": replace(good, block_hash=hash_of("other")),
        "later view": bench.certificate((0, 1, 2), Phase.PREPARE, 5, block),
        "commits": bench.certificate((0, 1, 2), Phase.COMMIT, 0, block, hash_of("state")),
    }[bad]
    (reject,) = only(bench.hear(bench.view_change(0, 5, forged)), Reject)
    assert reject.grade is Grade.FORGED
    assert bench.replica.describe(NOW).view_changes == {}
    assert bench.hear(bench.view_change(0, 5, good)) == []
    assert bench.replica.describe(NOW).view_changes == {"v0": 5}


def test_a_second_different_vote_is_proof_against_its_signer() -> None:
    bench = Bench()
    bench.hear(bench.vote(0, Phase.PREPARE, 0, hash_of("one")))
    effects = bench.hear(bench.vote(0, Phase.PREPARE, 0, hash_of("two")))
    assert bench.replica.describe(NOW).accused == ("v0",)
    # Everyone who hears the evidence accuses too, once.
    (evidence,) = [effect.data for effect in only(effects, Broadcast)]
    other = Bench(me=1)
    link = other.keys[3].public_key
    assert other.replica.receive(link, evidence, NOW) != []
    assert other.replica.receive(link, evidence, NOW) == []
    assert other.replica.describe(NOW).accused == ("v0",)


def test_a_leader_of_two_blocks_is_accused_and_its_second_block_not_taken() -> None:
    bench = Bench()
    bench.hear(bench.pre_prepare(bench.proposal(ids=("one",))))
    effects = bench.hear(bench.pre_prepare(bench.proposal(ids=("two",))))
    assert only(effects, FetchBody) == []
    assert bench.replica.describe(NOW).accused == ("v1",)


def test_messages_of_the_next_height_wait_for_ours_to_be_written() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    for signer in (0, 1, 2):
        vote = bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state"))
        bench.hear(vote)
    # Our Commit is being written; the next proposal is here already.
    certificate = bench.certificate(
        (0, 1, 2), Phase.COMMIT, 0, proposal.block_hash, hash_of("state")
    )
    tip, now_tip = bench.make_next_tip(proposal, certificate), bench.tip
    bench.tip = tip
    following = bench.proposal(ids=("next",))
    early = bench.pre_prepare(following)
    bench.tip = now_tip
    assert bench.replica.receive(bench.keys[2].public_key, encode_message(early), NOW) == []
    fetches = only(bench.replica.caught_up(tip, NOW), FetchBody)
    assert [fetch.proposal.block_hash for fetch in fetches] == [following.block_hash]


def test_an_observer_follows_and_never_votes() -> None:
    bench = Bench(me=None)
    proposal = bench.proposal()
    bench.prepare(proposal)
    bench.hear(bench.vote(0, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")))
    bench.hear(bench.vote(1, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")))
    effects = bench.hear(bench.vote(2, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")))
    assert [type(effect).__name__ for effect in effects] == ["Commit"]
    assert said(bench.seen, Vote) == [] and said(bench.seen, ViewChangeMessage) == []
    assert only(bench.seen, Persist) == []
    assert bench.replica.expire(TimerName.VIEW, NOW + 1_000_000) == []
    assert bench.replica.describe(NOW).role == "observer"


def test_a_single_validator_decides_alone() -> None:
    bench = Bench(count=1, me=0)
    candidate = Candidate(NOW, (TransactionId(hash_of("tx")),))
    effects = bench.replica.offer(1, 0, candidate, NOW)
    block_hash = compute_header_hash(said(effects, PrePrepare)[0].header)
    effects = bench.replica.executed(block_hash, hash_of("state"), NOW)
    assert type(effects[-1]).__name__ == "Commit"


def test_what_is_not_verified_is_never_handed_on() -> None:
    # A message without a Reject is relayed by gossip; a neighbour that verifies it would
    # blame us for a forgery that we had only ignored.
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    move_to_view_1(bench)
    bench.hear(bench.view_change(0, 9))
    bench.hear(bench.vote(2, Phase.PREPARE, 1, hash_of("b")))
    junk = bytes(64)
    forged = [
        replace(bench.vote(0, Phase.COMMIT, 0, hash_of("b"), height=0), signature=junk),
        replace(bench.vote(0, Phase.COMMIT, 0, hash_of("b"), height=2), signature=junk),
        replace(bench.vote(0, Phase.COMMIT, 0, hash_of("b"), height=3), signature=junk),
        replace(bench.vote(2, Phase.PREPARE, 1, hash_of("b")), signature=junk),
        replace(bench.pre_prepare(proposal), signature=junk),
        replace(bench.view_change(0, 8), signature=junk),
        replace(bench.view_change(1, 2), signature=junk),
    ]
    for message in forged:
        assert len(only(bench.hear(message), Reject)) == 1, message


def test_a_vote_of_the_next_height_that_verifies_may_be_handed_on() -> None:
    bench = Bench()
    assert bench.hear(bench.vote(0, Phase.PREPARE, 0, hash_of("b"), height=2)) == []
