"""What comes of each word of a peer, effect by effect: taken, kept, answered, refused, blamed.

A message without a Reject is handed on, so the refusals are as much a part of the protocol as
the votes: each is compared with its words and grade.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.effects import (
    Accuse,
    Behind,
    Broadcast,
    Candidate,
    Commit,
    Effect,
    FetchBody,
    Grade,
    Reject,
    Send,
)
from consensus.evidence import make_evidence
from consensus.messages import (
    EvidenceMessage,
    GetProposal,
    PrePrepare,
    ProposalMessage,
    Status,
    VerifiedVote,
    ViewChangeMessage,
    decode_message,
    encode_message,
)
from primitives.certificate import Certificate, Phase
from primitives.hashing import TransactionId
from tests.unit.consensus.harness import NOW, Bench, hash_of, only, said, votes_said

JUNK = bytes(64)


def useless(bench: Bench, reason: str, peer: int = 0) -> list[Effect]:
    return [Reject(bench.keys[peer].public_key, reason, Grade.USELESS)]


def bad(bench: Bench, reason: str, grade: Grade, peer: int = 0) -> list[Effect]:
    return [Reject(bench.keys[peer].public_key, reason, grade)]


def final(bench: Bench, block: str = "b", height: int | None = None) -> Certificate:
    return bench.certificate(
        (0, 1, 2), Phase.COMMIT, 0, hash_of(block), hash_of("state"), height=height
    )


def commit_by_votes(bench: Bench) -> Certificate:
    """Bring height 1 to "being written"."""
    proposal = bench.proposal()
    bench.prepare(proposal)
    for signer in (0, 1):
        effects = bench.hear(
            bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state"))
        )
    (commit,) = only(effects, Commit)
    return commit.certificate


# -- the bound of views ----------------------------------------------------------------------------


def test_a_view_1000_ahead_is_looked_at_and_one_more_is_not() -> None:
    bench = Bench()
    far = useless(bench, "view too far ahead")
    assert bench.hear(bench.vote(0, Phase.PREPARE, 1_000, hash_of("b"))) == []
    assert bench.hear(bench.view_change(0, 1_000)) == []
    held = bench.replica.count_held()
    assert bench.hear(bench.vote(0, Phase.PREPARE, 1_001, hash_of("b"))) == far
    assert bench.hear(bench.view_change(0, 1_001)) == far
    for view, taken in ((1_001, False), (1_000, True)):
        proof = [bench.view_change(n, view) for n in (0, 1, 2)]
        fresh = bench.proposal(proposer=bench.leader(view), ids=(f"{view}",))
        effects = bench.hear(bench.pre_prepare(fresh, view, proof))
        if taken:
            assert len(only(effects, FetchBody)) == 1
        else:
            assert effects == far
            assert bench.replica.count_held() == held


# -- votes ---------------------------------------------------------------------------------------


def test_a_vote_that_counts_already_is_handed_on_only_in_its_own_copy() -> None:
    bench = Bench()
    vote = bench.vote(0, Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    assert bench.hear(vote) == [] and bench.hear(vote) == []
    again = replace(vote, signature=JUNK)
    assert bench.hear(again) == useless(bench, "vote: another signature")
    assert bench.replica.describe(NOW).peers == ()
    forged = replace(bench.vote(1, Phase.COMMIT, 0, hash_of("b"), hash_of("s")), signature=JUNK)
    assert bench.hear(forged) == bad(bench, "vote: bad signature", Grade.FORGED)
    (peer,) = bench.replica.describe(NOW).peers
    assert (peer.peer, peer.last_error) == ("v0", "vote: bad signature")


def test_prepares_for_what_is_prepared_and_votes_of_views_long_gone_are_not_looked_at() -> None:
    bench = Bench(count=7, me=6)
    proposal = bench.proposal()
    bench.hear(bench.vote(5, Phase.PREPARE, 0, hash_of("other")))
    bench.hear(bench.pre_prepare(proposal))
    bench.have_body(proposal)
    for signer in (0, 2, 3):
        bench.hear(bench.vote(signer, Phase.PREPARE, 0, proposal.block_hash))
    assert bench.replica.describe(NOW).prepared_view == 0
    held = bench.replica.count_held()
    needless = bench.vote(4, Phase.PREPARE, 0, proposal.block_hash)
    assert bench.hear(needless) == useless(bench, "vote: no longer needed")
    assert bench.replica.count_held() == held
    # Another block's PREPARE is looked at, and so is the second word of one who spoke before.
    assert bench.hear(bench.vote(4, Phase.PREPARE, 0, hash_of("other"))) == []
    effects = bench.hear(bench.vote(5, Phase.PREPARE, 0, proposal.block_hash))
    assert [item.validator for item in only(effects, Accuse)] == [bench.keys[5].public_key]
    assert only(effects, Reject) == []


def test_votes_of_four_views_back_are_counted_and_of_five_are_not() -> None:
    bench = Bench()
    for signer in (0, 1):
        bench.hear(bench.view_change(signer, 5))
    assert bench.replica.describe(NOW).view == 5
    late = bench.vote(2, Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    assert bench.hear(late) == useless(bench, "vote: no longer needed")
    assert bench.hear(bench.vote(2, Phase.COMMIT, 1, hash_of("b"), hash_of("s"))) == []
    assert [group.view for group in bench.replica.describe(NOW).groups] == [1]


# -- proposals -----------------------------------------------------------------------------------


def test_a_proposal_is_refused_by_its_reason_and_leaves_no_trace() -> None:
    bench = Bench()
    proposal = bench.proposal()
    message = bench.pre_prepare(proposal)
    held = bench.replica.count_held()
    unsigned = bad(bench, "the leader did not sign this proposal", Grade.FORGED)
    assert bench.hear(replace(message, signature=JUNK)) == unsigned
    unneeded = replace(message, new_view=(bench.view_change(0, 1),))
    reason = "proposal: new-view-unneeded"
    assert bench.hear(unneeded, 1) == bad(bench, reason, Grade.MALFORMED, 1)
    duplicate = bench.pre_prepare(bench.proposal(ids=("a", "a")))
    reason = "proposal: header-duplicate"
    assert bench.hear(duplicate, 1) == bad(bench, reason, Grade.MALFORMED, 1)
    assert bench.replica.describe(NOW).refusal.startswith("header-duplicate: ")
    # The reason why it was turned down, two signatures, and a link's last error.
    assert bench.replica.count_held() <= held + 1 + 3 + 2
    assert len(only(bench.hear(message), FetchBody)) == 1


def test_another_copy_of_the_accepted_proposal_is_not_handed_on() -> None:
    bench = Bench()
    fresh = bench.proposal(proposer=bench.leader(1))
    proofs = [[bench.view_change(n, 1) for n in signers] for signers in ((0, 1, 2), (0, 1, 3))]
    message, copy = (bench.pre_prepare(fresh, 1, proof) for proof in proofs)
    assert len(only(bench.hear(message), FetchBody)) == 1
    assert bench.hear(message) == []
    assert bench.hear(copy) == useless(bench, "another copy of the proposal")
    old = bench.pre_prepare(bench.proposal())
    assert bench.hear(old) == useless(bench, "proposal of a view that is over")


def test_a_new_view_may_not_choose_another_block_than_the_highest_prepared() -> None:
    bench = Bench()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, bench.proposal().block_hash)
    proof = [bench.view_change(n, 1, prepared) for n in (0, 1, 2)]
    other = bench.proposal(proposer=bench.leader(1), ids=("other",))
    reason = "proposal: new-view-choice"
    effects = bench.hear(bench.pre_prepare(other, 1, proof), bench.leader(1))
    assert effects == bad(bench, reason, Grade.MALFORMED, bench.leader(1))
    # It is a later view's proposal: nothing is held against the leader of this one.
    assert bench.replica.describe(NOW).refusal == ""


def test_a_proposal_in_the_view_we_are_in_is_no_departure_and_keeps_its_clock() -> None:
    bench = Bench()
    for signer in (0, 1):
        bench.hear(bench.view_change(signer, 1))
    assert bench.replica.describe(NOW).due_ms_ago == 0
    bench.now = NOW + 300
    fresh = bench.proposal(proposer=bench.leader(1))
    bench.hear(bench.pre_prepare(fresh, 1, [bench.view_change(n, 1) for n in (0, 1, 2)]))
    assert [(item.view, item.to) for item in bench.replica.departures] == [(0, 1)]
    assert bench.replica.describe(NOW + 300).due_ms_ago == 300


# -- evidence ------------------------------------------------------------------------------------


def test_a_leader_puts_evidence_that_holds_into_its_block_and_others_take_it() -> None:
    bench = Bench(me=1)
    one, two = (bench.vote(2, Phase.COMMIT, 1, hash_of(text), hash_of("s")) for text in "ab")
    proof = make_evidence(one, two, 0, bench.validators)
    old = make_evidence(one, two, 3, bench.validators)
    candidate = Candidate(NOW, (TransactionId(hash_of("tx")),), (old, proof))
    (message,) = said(bench.replica.offer(1, 0, candidate, NOW), PrePrepare)
    assert message.evidence == (proof,)
    assert len(only(Bench().hear(message), FetchBody)) == 1


def test_evidence_that_proves_nothing_is_refused_and_that_of_another_epoch_is_no_crime() -> None:
    bench = Bench()
    one, two = (bench.vote(2, Phase.COMMIT, 1, hash_of(text), hash_of("s")) for text in "ab")
    forged = make_evidence(one, replace(two, signature=JUNK), 0, bench.validators)
    reason = "evidence: evidence-signature"
    assert bench.hear(EvidenceMessage(forged)) == bad(bench, reason, Grade.FORGED)
    old = make_evidence(one, two, 3, bench.validators)
    assert bench.hear(EvidenceMessage(old)) == useless(bench, "evidence: evidence-epoch")
    assert bench.hear(EvidenceMessage(b"x")) == bad(bench, "evidence: codec", Grade.FORGED)
    good = make_evidence(one, two, 0, bench.validators)
    effects = bench.hear(EvidenceMessage(good))
    told = Broadcast(encode_message(EvidenceMessage(good)))
    assert effects == [Accuse(bench.keys[2].public_key, good), told]
    # A guilty validator's word is refused for its form; nobody blames the honest link for it.
    assert [item.last_error for item in bench.replica.describe(NOW).peers] == ["evidence: codec"]


# -- other heights -------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", [0, None])
def test_messages_of_a_height_that_is_over_are_answered_only_if_they_ask_for_help(
    peer: int | None,
) -> None:
    bench = Bench()
    old_vote = bench.vote(0, Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    old_change = ViewChangeMessage(bench.view_change(0, 7), None)
    old_proposal = bench.pre_prepare(bench.proposal())
    bench.commit_next()
    link = None if peer is None else bench.keys[peer].public_key
    refused = [Reject(link, "about another height", Grade.USELESS)]
    assert bench.hear(old_vote, peer) == refused
    assert bench.hear(old_proposal, peer) == refused
    effects = bench.hear(old_change, peer)
    answer = Status(2, 0, False, 0, 0, 0, bench.rules.tip.certificate)
    sends = [] if link is None else [Send(link, encode_message(answer))]
    assert effects == [*sends, *refused]
    # Twice within 200 ms is once.
    assert bench.hear(old_change, peer) == refused
    bench.now += 200
    assert bench.hear(old_change, peer) == [*sends, *refused]


def test_messages_of_our_height_while_it_is_written_and_of_far_ones_are_dropped() -> None:
    bench = Bench()
    commit_by_votes(bench)
    held = bench.replica.count_held()
    other = useless(bench, "about another height")
    assert bench.hear(bench.vote(2, Phase.COMMIT, 0, hash_of("b"), hash_of("s"))) == other
    assert bench.hear(bench.view_change(0, 1)) == other
    assert bench.hear(bench.vote(2, Phase.COMMIT, 0, hash_of("b"), hash_of("s"), height=3)) == other
    assert bench.replica.count_held() == held


def test_early_messages_are_handed_on_when_they_verify_and_kept_in_any_case() -> None:
    bench = Bench()
    certificate = commit_by_votes(bench)
    ahead = Bench()
    ahead.tip = ahead.make_next_tip(ahead.proposal(), certificate)
    change = ahead.view_change(0, 1)
    forged = replace(ahead.view_change(1, 1), signature=JUNK)
    following = ahead.pre_prepare(ahead.proposal())
    early = useless(bench, "early: kept, not verified yet")
    assert bench.hear(ViewChangeMessage(change, certificate)) == []
    assert bench.hear(ViewChangeMessage(forged, certificate)) == early
    assert bench.hear(following) == []
    assert bench.hear(replace(following, signature=JUNK)) == early
    # A height that nobody proved is not kept.
    for message in (ViewChangeMessage(change, None), replace(following, certificate=None)):
        effects = bench.hear(message)
        assert effects == bad(bench, "a height without its proof", Grade.MALFORMED)
    bench.tip = ahead.tip
    effects = bench.replica.caught_up(bench.tip, NOW)
    assert [item.reason for item in only(effects, Reject)] == [
        "view change: view-change-signature", "another copy of the proposal"
    ]  # fmt: skip
    assert bench.replica.describe(NOW).view_changes == {"v0": 1}
    assert len(only(effects, FetchBody)) == 1


def test_an_early_proposal_is_handed_on_only_when_it_is_known_who_leads() -> None:
    # Block 1 took two views, so v1, which led the first, is passed over from height 3 on: view 1
    # there is led by v2, and would be by v0 if nobody were.
    first = Bench()
    block = first.proposal()
    proof = first.certificate((0, 1, 2), Phase.COMMIT, 1, block.block_hash, hash_of("state"))
    tip = first.make_next_tip(block, proof)
    bench, ahead = Bench(tip=tip), Bench(tip=tip)
    certificate = commit_by_votes(bench)
    ahead.tip = ahead.make_next_tip(ahead.proposal(), certificate)
    following = ahead.proposal(proposer=2)
    early = useless(bench, "early: kept, not verified yet")
    assert bench.hear(ahead.pre_prepare(following, 1, signer=0)) == early
    assert bench.hear(ahead.pre_prepare(following, 1, signer=2)) == []
    # Who has not seen block 2 does not know who led the views of block 1.
    stranger = Bench(tip=tip)
    assert early[0] in stranger.hear(ahead.pre_prepare(following, 1, signer=0))


def test_who_led_the_last_block_of_an_epoch_is_not_held_against_anyone() -> None:
    params = replace(Bench().params, epoch_blocks=2)
    tip = None
    for view in (0, 1):
        past = Bench(tip=tip, params=params)
        block = past.proposal()
        signed = past.certificate((0, 1, 2), Phase.COMMIT, view, block.block_hash, hash_of("s"))
        tip = past.make_next_tip(block, signed)
    # Height 3 begins an epoch; v2 let a view of height 2 pass, and height 4 is still led by v0.
    bench, ahead = Bench(tip=tip, params=params), Bench(tip=tip, params=params)
    certificate = commit_by_votes(bench)
    ahead.tip = ahead.make_next_tip(ahead.proposal(), certificate)
    assert bench.hear(ahead.pre_prepare(ahead.proposal(proposer=0), signer=0)) == []


def test_the_513th_early_message_of_a_link_is_refused() -> None:
    bench = Bench()
    vote = bench.vote(0, Phase.PREPARE, 0, hash_of("b"), height=2)
    for number in range(512):
        bench.replica._future.add(bench.keys[0].public_key, b"%d" % number)
    assert bench.hear(vote) == useless(bench, "too many early messages")
    assert bench.hear(vote, 1) == []


def test_a_view_change_under_a_false_proof_is_not_counted() -> None:
    bench = Bench()
    bench.commit_next()
    tip = bench.rules.tip.certificate
    assert tip is not None
    item = bench.view_change(0, 1)
    forged = replace(tip, signatures=(JUNK, *tip.signatures[1:]))
    elsewhere = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("x"), tip.exec_hash, 1)
    for certificate, code in (
        (forged, "certificate-signature"), (elsewhere, "certificate-parent"),
    ):  # fmt: skip
        effects = bench.hear(ViewChangeMessage(item, certificate))
        assert effects == bad(bench, f"certificate: {code}", Grade.FORGED)
    reason = "a height without its proof"
    assert bench.hear(ViewChangeMessage(item, None)) == bad(bench, reason, Grade.MALFORMED)
    assert bench.replica.describe(NOW).view_changes == {}
    assert bench.hear(ViewChangeMessage(item, tip)) == []
    assert bench.replica.describe(NOW).view_changes == {"v0": 1}


# -- STATUS ----------------------------------------------------------------------------------------


def test_a_status_that_nobody_sent_teaches_nothing() -> None:
    bench = Bench()
    assert bench.hear(bench.status(2, final(bench)), peer=None) == []
    assert bench.hear(bench.status(1, None), peer=None) == []
    assert bench.replica.describe(NOW).peers == ()


def test_what_a_status_claims_is_noted_only_with_its_proof() -> None:
    bench = Bench()
    bench.commit_next()
    tip = bench.rules.tip.certificate
    assert tip is not None
    reason = "a height without its proof"
    for height in (1, 3):
        assert bench.hear(bench.status(height, tip)) == bad(bench, reason, Grade.MALFORMED)
    elsewhere = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("x"), tip.exec_hash, 1)
    effects = bench.hear(bench.status(2, elsewhere))
    assert effects == bad(bench, "certificate: certificate-parent", Grade.FORGED)
    (peer,) = bench.replica.describe(NOW).peers
    assert (peer.height, peer.heard_ms_ago) == (0, None)
    assert bench.hear(bench.status(2, tip, view=3)) == []
    (peer,) = bench.replica.describe(NOW + 40).peers
    assert (peer.height, peer.view, peer.heard_ms_ago) == (2, 3, 40)


def test_our_own_tip_s_certificate_is_not_verified_again() -> None:
    bench = Bench()
    bench.commit_next()
    verifier = bench.replica._verifier
    verifier._check = lambda key, message, signature: pytest.fail("verified again")
    assert bench.hear(bench.status(2, bench.rules.tip.certificate)) == []


def test_a_laggard_s_status_is_answered_with_ours() -> None:
    bench = Bench()
    bench.commit_next()
    answer = encode_message(Status(2, 0, False, 0, 0, 0, bench.rules.tip.certificate))
    send = Send(bench.keys[0].public_key, answer)
    assert bench.hear(bench.status(1, None)) == [send]
    assert bench.hear(bench.status(1, None)) == []
    assert bench.hear(bench.status(1, None), 1) == [Send(bench.keys[1].public_key, answer)]


def test_a_peer_of_our_height_gets_what_it_lacks_once_in_200_ms_and_no_other_does() -> None:
    bench = Bench()
    vote = bench.vote(0, Phase.PREPARE, 0, hash_of("b"))
    bench.hear(vote)
    send = Send(bench.keys[1].public_key, encode_message(vote))
    # One that lacks nothing does not use up its turn.
    assert bench.hear(replace(bench.status(1, None), prepares=1), 1) == []
    assert bench.hear(bench.status(1, None), 1) == [send]
    assert bench.hear(bench.status(1, None), 1) == []
    bench.now += 200
    assert bench.hear(bench.status(1, None), 1) == [send]
    # One that is ahead needs nothing of our height.
    effects = bench.hear(bench.status(2, final(bench)), 2)
    assert len(only(effects, Behind)) == 1 and only(effects, Send) == []


def test_while_our_block_is_written_a_peer_of_our_height_waits() -> None:
    bench = Bench()
    commit_by_votes(bench)
    assert bench.hear(bench.status(1, None), 1) == []


def test_certificates_that_prove_a_later_height_make_us_sync_unless_we_are_writing() -> None:
    bench = Bench()
    later = final(bench, height=3)
    link = bench.keys[0].public_key
    assert bench.hear(bench.status(4, later)) == [Behind(3, later, link, verified=True)]
    forged = replace(later, signatures=(JUNK,) * 3)
    effects = bench.hear(bench.status(4, forged))
    assert effects == bad(bench, "certificate: certificate-signature", Grade.FORGED)
    far = final(bench, height=25)
    assert bench.hear(bench.status(26, far)) == [Behind(25, far, link, verified=False)]
    commit_by_votes(bench)
    assert bench.hear(bench.status(4, later)) == []
    assert bench.hear(bench.status(26, far)) == []


def test_each_peer_that_proves_our_height_final_is_one_to_sync_from() -> None:
    bench = Bench()
    certificate = final(bench)
    for peer in (0, 2):
        told = only(bench.hear(bench.status(2, certificate), peer), Behind)
        assert told == [Behind(1, certificate, bench.keys[peer].public_key, verified=True)]
    # Votes for another block teach nothing new.
    assert bench.hear(bench.vote(0, Phase.COMMIT, 3, hash_of("c"))) == []
    # A known proposal without its body is asked for, and synced.
    known = Bench()
    proposal = known.proposal()
    known.hear(known.pre_prepare(proposal))
    block = known.certificate((0, 1, 2), Phase.COMMIT, 0, proposal.block_hash, hash_of("state"))
    effects = known.hear(known.status(2, block))
    assert only(effects, Behind) == [Behind(1, block, known.keys[0].public_key, verified=True)]
    assert votes_said(known.have_body(proposal), Phase.COMMIT) == []
    assert len(only(known.have_executed(proposal), Commit)) == 1


def test_a_watching_validator_takes_each_height_told_as_the_one_before_it_is_final() -> None:
    bench = Bench(last_signed=None)
    bench.commit_next()
    tip = bench.rules.tip.certificate
    for peer in (0, 1, 2):
        bench.hear(bench.status(2, tip), peer)
    # Tip 1 told: we can have voted at 2 and 3 at most.
    for height, expected in ((3, "watching"), (4, "validator")):
        bench.commit_next()
        assert bench.rules.height == height
        assert bench.replica.describe(NOW).role == expected


# -- header and ids ------------------------------------------------------------------------------


def test_a_proposal_that_is_held_is_shown_to_the_link_that_asks() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    answer = ProposalMessage(proposal.header, proposal.transaction_ids, (), None)
    question = GetProposal(1, proposal.block_hash)
    assert bench.hear(question, None) == []
    assert bench.hear(question, 2) == [Send(bench.keys[2].public_key, encode_message(answer))]
    assert bench.hear(question, 2) == []
    assert bench.hear(GetProposal(1, hash_of("unknown")), 1) == []


def test_those_who_voted_for_a_block_are_asked_for_its_body_first_each_once() -> None:
    bench = Bench(count=7, me=6)
    state = bench.replica._state
    block, other = hash_of("block"), hash_of("other")
    state.view = 2
    state.prepared = bench.certificate((4, 5), Phase.PREPARE, 1, block)
    for signer, phase, view, named in (
        (3, Phase.PREPARE, 2, block), (6, Phase.PREPARE, 2, block), (5, Phase.PREPARE, 2, block),
        (0, Phase.PREPARE, 2, other), (1, Phase.COMMIT, 2, block), (2, Phase.COMMIT, 1, block),
    ):  # fmt: skip
        state.votes.add(VerifiedVote(bench.vote(signer, phase, view, named)))
    assert state.get_holders(block) == [4, 5, 3, 1]
    assert state.get_holders(other) == [0]
    assert state.get_holders(hash_of("unknown")) == []


def test_every_answer_is_of_the_kind_that_was_asked_for() -> None:
    # The gaps of repair, status and proposal are counted apart.
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    first = bench.hear(GetProposal(1, proposal.block_hash), 2)
    second = bench.hear(replace(bench.status(1, None), has_proposal=True), 2)
    kinds = [type(decode_message(item.data)).__name__ for item in only(first + second, Send)]
    assert kinds == ["ProposalMessage", "Vote"]
