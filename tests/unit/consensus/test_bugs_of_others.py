"""Bugs that other engines shipped, numbered as in the design; each test names its bug."""

from __future__ import annotations

import random
from dataclasses import fields, replace

from consensus.effects import (
    Accuse,
    Behind,
    Broadcast,
    Candidate,
    Commit,
    CommittedTip,
    Execute,
    FetchBody,
    Grade,
    Halt,
    Reject,
    RequestBlock,
    Send,
    SetTimer,
    TimerName,
)
from consensus.messages import (
    PrePrepare,
    ProposalMessage,
    Status,
    ViewChangeMessage,
    Vote,
    decode_message,
    encode_message,
)
from consensus.pacing import Pacing
from consensus.signing import INITIAL_LAST_SIGNED, LAST_SIGNED
from primitives.block import Header, compute_header_hash
from primitives.certificate import Certificate, Phase
from primitives.codec import pack
from primitives.hashing import TransactionId
from primitives.leaders import NO_MISSES
from tests.unit.consensus.harness import (
    CHAIN,
    NOW,
    PARAMS,
    Bench,
    hash_of,
    make_keys,
    make_set,
    only,
    said,
    votes_said,
)
from tools.simulator.checks import compute_held_bound


def test_bug_1_sawtooth_the_primarys_prepare_counts_once_however_it_comes() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.hear(bench.vote(bench.leader(), Phase.PREPARE, 0, proposal.block_hash))
    bench.have_body(proposal)
    effects = bench.have_executed(proposal)
    # The leader's and ours are two of three: nothing is prepared.
    assert votes_said(effects, Phase.COMMIT) == []
    assert bench.replica.describe(NOW).prepared_view is None


def test_bug_2_besu_the_block_hash_covers_no_view() -> None:
    assert not {"view", "round"} & {field.name for field in fields(Header)}
    bench = Bench()
    proposal = bench.proposal()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    proof = [bench.view_change(n, 1, prepared) for n in (0, 1, 2)]
    bench.hear(bench.pre_prepare(proposal, 1, proof))
    effects = bench.have_body(proposal)
    assert [vote.block_hash for vote in votes_said(effects, Phase.PREPARE)] == [proposal.block_hash]


def test_bug_3_sawtooth_the_signer_is_the_key_that_verifies_never_the_link() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal), peer=2)
    bench.have_body(proposal)
    claimed = replace(bench.vote(0, Phase.PREPARE, 0, proposal.block_hash), signer=2)
    (reject,) = only(bench.hear(claimed, peer=2), Reject)
    assert reject.grade is Grade.FORGED
    # A vote of validator 2 that validator 0 hands on is a vote of validator 2.
    bench.hear(bench.vote(2, Phase.PREPARE, 0, proposal.block_hash), peer=0)
    assert bench.replica.describe(NOW).prepared_view == 0


def test_bug_4_sawtooth_a_signature_for_one_type_passes_for_no_other() -> None:
    bench = Bench()
    proposal = bench.proposal()
    prepare = bench.vote(2, Phase.PREPARE, 0, proposal.block_hash)
    (reject,) = only(bench.hear(replace(prepare, phase=int(Phase.COMMIT))), Reject)
    assert reject.grade is Grade.FORGED
    # A body of one kind under the number of another is refused, and crashes nobody.
    for kind in range(12):
        body = [int(Phase.PREPARE), 1, 0, bytes(32), bytes(32), 2, bytes(64)]
        effects = bench.replica.receive(None, pack([kind, body]), NOW)
        assert len(only(effects, Reject)) == 1


def test_bug_5_sawtooth_votes_for_different_blocks_make_no_certificate() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.have_body(proposal)
    bench.hear(bench.vote(0, Phase.PREPARE, 0, hash_of("another block")))
    bench.hear(bench.vote(2, Phase.PREPARE, 0, hash_of("a third block")))
    assert bench.replica.describe(NOW).prepared_view is None
    for signer, state in ((0, "a"), (1, "b"), (2, "c")):
        effects = bench.hear(
            bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of(state))
        )
        assert only(effects, Commit) == []


def test_bug_6_sawtooth_catching_up_drops_the_old_height_and_votes_at_once() -> None:
    bench = Bench()
    bench.hear(bench.pre_prepare(bench.proposal()))
    for signer in (0, 1):
        bench.hear(bench.view_change(signer, 5))
    assert bench.replica.describe(NOW).view == 5
    bench.commit_next()
    here = bench.replica.describe(NOW)
    assert (here.height, here.view, here.proposal, here.view_changes) == (2, 0, None, {})
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    assert len(votes_said(bench.have_body(proposal), Phase.PREPARE)) == 1


def test_bug_7_besu_repeated_messages_of_one_signer_are_one_vote() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    vote = bench.vote(1, Phase.COMMIT, 0, proposal.block_hash, hash_of("state"))
    for _ in range(5):
        assert only(bench.hear(vote), Commit) == []
    repeated = bench.certificate((1, 1, 1), Phase.COMMIT, 0, proposal.block_hash, hash_of("x"))
    (reject,) = only(bench.hear(bench.status(2, repeated)), Reject)
    assert reject.grade is Grade.FORGED


def test_bug_9_besu_timeouts_have_a_cap() -> None:
    pacing = Pacing()
    timeouts = [pacing.compute_timeout(view, PARAMS) for view in range(1_000)]
    assert timeouts[:6] == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]
    assert set(timeouts[5:]) == {30_000}


def test_bug_10_besu_a_restarted_validator_votes_without_a_peer_that_is_ahead() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal), peer=1)
    assert len(votes_said(bench.have_body(proposal), Phase.PREPARE)) == 1


def test_bug_11_besu_the_timer_runs_only_once_a_proposal_is_due() -> None:
    bench = Bench()
    (timer,) = [t for t in only(bench.started, SetTimer) if t.name is TimerName.VIEW]
    assert timer.at_ms == NOW + PARAMS.empty_block_interval_ms + PARAMS.timeout_base_ms
    assert bench.replica.expire(TimerName.VIEW, NOW + PARAMS.timeout_base_ms) == [timer]
    (due,) = only(bench.replica.transactions_waiting(NOW + 10), SetTimer)
    assert due.at_ms == NOW + 10 + PARAMS.timeout_base_ms
    assert bench.replica.transactions_waiting(NOW + 20) == []
    # In a new view nothing is due before a quorum of validators claims it.
    effects = bench.replica.expire(TimerName.VIEW, due.at_ms)
    assert said(effects, ViewChangeMessage)
    assert only(effects, SetTimer) == []
    bench.hear(bench.view_change(0, 1))
    assert len(only(bench.hear(bench.view_change(1, 1)), SetTimer)) == 1


def test_bug_13_fisco_no_digest_in_a_message_is_trusted() -> None:
    bench = Bench(me=2)  # the leader of view 1
    proposal = bench.proposal()
    prepared = bench.certificate((0, 1, 3), Phase.PREPARE, 0, proposal.block_hash)
    for signer in (0, 1, 3):
        bench.hear(bench.view_change(signer, 1, prepared))
    # We lead and lack the block: other content under its header is refused.
    other = (TransactionId(hash_of("other")),)
    (reject,) = only(bench.hear(ProposalMessage(proposal.header, other, (), None)), Reject)
    assert reject.grade is Grade.MALFORMED
    header = replace(proposal.header, time_ms=proposal.header.time_ms + 1)
    unasked = ProposalMessage(header, proposal.transaction_ids, (), None)
    assert bench.hear(unasked) == []
    right = ProposalMessage(proposal.header, proposal.transaction_ids, (), None)
    assert len(only(bench.hear(right), FetchBody)) == 1
    # A view change whose prepared certificate was edited after signing is refused.
    fake = bench.view_change(0, 9, prepared)
    forged = replace(fake, prepared=replace(prepared, block_hash=hash_of("fake")))
    (reject,) = only(bench.hear(forged), Reject)
    assert reject.grade is Grade.FORGED


def test_bug_14_fisco_one_huge_view_moves_nobody() -> None:
    bench = Bench()
    (reject,) = only(bench.hear(bench.view_change(0, 1_000_000_000)), Reject)
    assert "too far" in reject.reason
    assert bench.hear(bench.view_change(0, 900)) == []
    assert bench.replica.describe(NOW).view == 0
    # The second one claims 3: the (f+1)-th highest claim is 3, not 900.
    bench.hear(bench.view_change(1, 3))
    assert bench.replica.describe(NOW).view == 3


def test_bug_15_fisco_nobody_votes_for_a_block_whose_transactions_are_not_checked() -> None:
    bench = Bench()
    proposal = bench.proposal()
    effects = bench.hear(bench.pre_prepare(proposal))
    assert len(only(effects, FetchBody)) == 1
    assert votes_said(effects, Phase.PREPARE) == []
    effects = bench.note(bench.replica.body_refused(proposal.block_hash, "expired", NOW))
    assert [m.view_change.view for m in said(effects, ViewChangeMessage)] == [1]
    assert said(effects, Vote) == []
    twice = Bench()
    (reject,) = only(twice.hear(twice.pre_prepare(twice.proposal(ids=("a", "a")))), Reject)
    assert "duplicate" in reject.reason


def test_bug_16_fisco_each_proof_is_checked_with_the_set_of_its_own_height() -> None:
    old_keys, new_keys = make_keys(4), list(reversed(make_keys(4)))
    old_set, new_set = make_set(old_keys), make_set(new_keys)
    maker = Bench()
    block, state = hash_of("block 10"), hash_of("state 10")

    def make_tip(certificate: Certificate) -> CommittedTip:
        return CommittedTip(10, block, state, NOW, certificate, old_set, new_set, PARAMS, NO_MISSES)

    by_old = maker.certificate((0, 1, 2), Phase.COMMIT, 0, block, state, height=10)
    bench = Bench(tip=make_tip(by_old), me=None)
    bench.keys = new_keys
    proposal = bench.proposal(time_ms=NOW + 5)
    message = bench.pre_prepare(proposal)
    assert len(only(bench.hear(message), FetchBody)) == 1
    # The same votes, as if the new set had signed the old height.
    bench.validators = new_set
    by_new = bench.certificate((0, 1, 2), Phase.COMMIT, 0, block, state, height=10)
    bench = Bench(tip=make_tip(by_new), me=None)
    bench.keys = new_keys
    proposal = bench.proposal(time_ms=NOW + 5)
    (reject,) = only(bench.hear(bench.pre_prepare(proposal)), Reject)
    assert "certificate-signature" in reject.reason


def test_bug_18_smartbft_a_block_is_committed_once() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    state = hash_of("state")
    for signer in (0, 1, 2):
        bench.hear(bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, state))
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, proposal.block_hash, state)
    bench.hear(bench.status(2, certificate))
    bench.have_executed(proposal)
    assert len(only(bench.seen, Commit)) == 1
    tip = bench.make_next_tip(proposal, certificate)
    assert bench.replica.caught_up(tip, NOW) != []
    assert bench.replica.caught_up(tip, NOW) == []


def test_bug_20_smartbft_a_restarted_leader_finishes_its_block_before_a_new_one() -> None:
    before = Bench(me=1)
    candidate = Candidate(NOW, (TransactionId(hash_of("tx")),))
    effects = before.note(before.replica.offer(1, 0, candidate, NOW))
    (sent,) = [e.data for e in only(effects, Broadcast)]
    after = Bench(me=1, records=before.records_seen)
    assert sent in [e.data for e in only(after.started, Broadcast)]
    assert only(after.started, RequestBlock) == []
    assert len(only(after.started, FetchBody)) == 1
    other = Candidate(NOW, (TransactionId(hash_of("new")),))
    assert after.replica.offer(1, 0, other, NOW) == []


def test_bug_22_smartbft_a_laggard_is_answered_with_what_ends_its_wait() -> None:
    bench = Bench()
    stale = ViewChangeMessage(bench.view_change(0, 7), None)
    bench.commit_next()
    link = bench.keys[0].public_key
    (answer,) = only(bench.replica.receive(link, encode_message(stale), NOW), Send)
    message = decode_message(answer.data)
    assert isinstance(message, Status)
    assert message.certificate is not None and message.certificate.height == 1
    # Behind in view: the NEW-VIEW itself is handed on.
    proposal = bench.proposal()
    proof = [bench.view_change(n, 1) for n in (0, 1, 2)]
    fresh = bench.proposal(proposer=bench.leader(1))
    bench.hear(bench.pre_prepare(fresh, 1, proof))
    bench.now = NOW + 1_000
    effects = bench.hear(bench.status(2, bench.rules.tip.certificate))
    kinds = [type(decode_message(e.data)) for e in only(effects, Send)]
    assert PrePrepare in kinds
    assert proposal.block_hash != fresh.block_hash


def test_bug_23_plenum_a_reproposal_keeps_its_old_time_and_passes() -> None:
    bench = Bench()
    proposal = bench.proposal(time_ms=NOW + PARAMS.clock_drift_ms + 1)
    (reject,) = only(bench.hear(bench.pre_prepare(proposal)), Reject)
    assert reject.grade is Grade.USELESS and "time-ahead" in reject.reason
    # Others prepared it; in view 1 neither its time nor its proposer is held against it.
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    proof = [bench.view_change(n, 1, prepared) for n in (0, 1, 2)]
    bench.hear(bench.pre_prepare(proposal, 1, proof))
    assert len(votes_said(bench.have_body(proposal), Phase.PREPARE)) == 1


def test_bug_25_plenum_votes_and_view_changes_of_many_views_take_bounded_room() -> None:
    bench = Bench()
    for view in range(1, 60):
        bench.hear(bench.view_change(0, view))
        for phase in Phase:
            bench.hear(bench.vote(0, phase, view, hash_of(f"block {view}")))
    assert bench.replica.describe(NOW).view_changes == {"v0": 59}
    assert bench.replica.count_held() < 59 * 4
    assert bench.replica.count_held() < compute_held_bound(4)
    assert bench.records_seen == []


def test_bug_26_plenum_a_node_that_missed_everything_comes_back_by_itself() -> None:
    bench = Bench()
    fresh = bench.proposal(proposer=bench.leader(5))
    proof = [bench.view_change(n, 5) for n in (0, 1, 2)]
    bench.hear(bench.pre_prepare(fresh, 5, proof))
    assert [vote.view for vote in votes_said(bench.have_body(fresh), Phase.PREPARE)] == [5]


def test_bug_28_cometbft_a_height_is_believed_only_with_its_proof() -> None:
    bench = Bench()
    (reject,) = only(bench.hear(bench.status(1_000, None)), Reject)
    assert reject.grade is Grade.MALFORMED
    real = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("block"), hash_of("state"))
    (reject,) = only(bench.hear(bench.status(1_000, real)), Reject)
    assert reject.grade is Grade.MALFORMED
    forged = replace(real, height=5)
    effects = bench.hear(bench.status(6, forged))
    assert only(effects, Behind) == [] and only(effects, Reject)[0].grade is Grade.FORGED
    (behind,) = only(bench.hear(bench.status(2, real)), Behind)
    assert behind.verified and behind.height == 1


def test_bug_29_cometbft_an_index_that_fits_no_validator_is_refused() -> None:
    bench = Bench()
    item = replace(bench.view_change(0, 1), signer=77)
    assert only(bench.hear(item), Reject)[0].grade is Grade.FORGED
    vote = replace(bench.vote(0, Phase.COMMIT, 0, hash_of("b"), hash_of("s")), signer=4)
    assert only(bench.hear(vote), Reject)[0].grade is Grade.FORGED
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    shifted = replace(certificate, signers=(1, 2, 3))
    outside = replace(certificate, signers=(0, 1, 9))
    for bad in (shifted, outside):
        assert only(bench.hear(bench.status(2, bad)), Reject)[0].grade is Grade.FORGED


def test_bug_30_cometbft_nothing_that_a_peer_sends_raises() -> None:
    seed = 20_301
    rng = random.Random(seed)
    bench = Bench()
    proposal = bench.proposal()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    samples = [
        encode_message(bench.pre_prepare(proposal, 1, [bench.view_change(0, 1, prepared)])),
        encode_message(bench.vote(0, Phase.COMMIT, 0, proposal.block_hash, hash_of("s"))),
        encode_message(ViewChangeMessage(bench.view_change(1, 1, prepared), None)),
        encode_message(bench.status(2, prepared)),
        encode_message(ProposalMessage(proposal.header, proposal.transaction_ids, (), None)),
    ]
    for _ in range(3_000):
        data = bytearray(rng.choice(samples))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        cut = rng.randrange(len(data)) if rng.random() < 0.2 else len(data)
        bench.replica.receive(bench.keys[0].public_key, bytes(data[:cut]), NOW)
    for size in range(200):
        bench.replica.receive(None, rng.randbytes(size), NOW)
    assert bench.replica.describe(NOW).height == 1


def test_bug_32_cometbft_describing_waits_for_nothing_and_changes_nothing() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    first, second = bench.replica.describe(NOW), bench.replica.describe(NOW)
    assert first == second
    assert first.why.startswith("waiting for the transactions of block")
    assert len(votes_said(bench.have_body(proposal), Phase.PREPARE)) == 1


def test_bug_34_cometbft_inputs_return_whether_or_not_anyone_consumed_earlier_effects() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))  # nobody performs these effects
    bench.have_body(proposal)
    bench.have_executed(proposal)
    for signer in (0, 2):
        bench.hear(bench.vote(signer, Phase.PREPARE, 0, proposal.block_hash))
    assert len(votes_said(bench.seen, Phase.COMMIT)) == 1


def test_bug_35_a_node_that_computed_something_else_halts_in_the_same_block() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    for signer in (0, 1):
        vote = bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("theirs"))
        assert only(bench.hear(vote), Halt) == []
    vote = bench.vote(2, Phase.COMMIT, 0, proposal.block_hash, hash_of("theirs"))
    effects = bench.hear(vote)
    (halt,) = only(effects, Halt)
    assert only(effects, Commit) == []
    assert hash_of("theirs").hex() in halt.report and hash_of("state").hex() in halt.report
    assert bench.replica.describe(NOW).phase == "halted"
    assert bench.replica.expire(TimerName.STATUS, NOW + 5_000) == []
    assert bench.hear(bench.status(1, None)) == []


def test_bug_35_without_a_quorum_for_any_execution_the_groups_are_visible() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    bench.hear(bench.vote(0, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")))
    bench.hear(bench.vote(1, Phase.COMMIT, 0, proposal.block_hash, hash_of("other")))
    bench.hear(bench.vote(2, Phase.COMMIT, 0, proposal.block_hash, hash_of("other")))
    here = bench.replica.describe(NOW)
    assert "COMMITs disagree: 2 groups" in here.why
    groups = {g.exec_hash: g.validators for g in here.groups if g.phase == "COMMIT"}
    assert groups[hash_of("other").hex()] == ("v1", "v2")
    assert groups[hash_of("state").hex()] == ("v0", "v3")


def test_bug_37_cometbft_a_torn_log_needs_no_hand_and_never_makes_us_vote_twice() -> None:
    before = Bench()
    proposal = before.proposal()
    before.prepare(proposal)
    records = before.records_seen
    last = before.replica._guard.last if before.replica._guard else None
    assert last is not None and last.step == 2
    # The tail is gone but the record of what we signed is there: no vote at this height.
    torn = Bench(records=records[:2], last_signed=_encode_last(before))
    assert "vote log lacks" in torn.replica.describe(NOW).why
    torn.hear(torn.pre_prepare(torn.proposal(ids=("another",))))
    torn.now = NOW + 100_000
    assert torn.replica.expire(TimerName.VIEW, torn.now) == []
    # At the next height it votes again, by itself.
    torn.commit_next()
    following = torn.proposal()
    torn.hear(torn.pre_prepare(following))
    assert len(votes_said(torn.have_body(following), Phase.PREPARE)) == 1
    # The log one step ahead of the record is what a crash between the two leaves.
    ahead = Bench(records=records, last_signed=INITIAL_LAST_SIGNED)
    assert ahead.replica.describe(NOW).role == "validator"
    assert votes_said(ahead.started, Phase.COMMIT) == votes_said(before.seen, Phase.COMMIT)


def _encode_last(bench: Bench) -> bytes:
    assert bench.replica._guard is not None
    return LAST_SIGNED.encode(bench.replica._guard.last)


def test_an_honest_proposal_executes_while_prepares_travel() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    effects = bench.have_body(proposal)
    assert len(only(effects, Execute)) == 1
    assert only(effects, Accuse) == []
    assert compute_header_hash(proposal.header) == proposal.block_hash
    assert proposal.header.chain_id == CHAIN
