"""Leaving a view, entering one and leading it, effect by effect (Castro & Liskov 4.4, R1-R5).

Four validators; 1, 2, 3, 0 lead views 0, 1, 2, 3 of height 1; f+1 is two, the quorum three.
"""

from __future__ import annotations

from dataclasses import replace

from consensus.departures import Cause
from consensus.effects import (
    Accuse,
    Behind,
    Broadcast,
    CancelTimer,
    Candidate,
    Effect,
    Execute,
    FetchBody,
    Grade,
    Persist,
    Proposal,
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
    ViewChange,
    ViewChangeMessage,
    encode_message,
)
from consensus.recovery import RecordKind, encode_record
from consensus.rules import make_proposal
from consensus.signing import LAST_SIGNED
from primitives.block import compute_header_hash
from primitives.certificate import Certificate, Phase, compute_certificate_hash
from primitives.hashing import TransactionId
from tests.unit.consensus.harness import NOW, PARAMS, Bench, hash_of, only, said, votes_said

CANDIDATE = Candidate(NOW, (TransactionId(hash_of("tx")),))
BASE = PARAMS.timeout_base_ms


def tell(bench: Bench, item: ViewChange) -> list[Effect]:
    """Return the effects of leaving for a view: durable first, then said."""
    assert bench.replica._guard is not None
    data = encode_message(ViewChangeMessage(item, None))
    record = encode_record(RecordKind.VIEW_CHANGE, 1, data)
    last = LAST_SIGNED.encode(bench.replica._guard.last)
    return [Persist((record,), last, None), Broadcast(data)]


# -- leaving ---------------------------------------------------------------------------------------


def test_a_view_whose_time_is_over_is_left_once_and_the_next_one_owes_nothing_yet() -> None:
    bench = Bench()
    bench.replica.transactions_waiting(NOW)
    effects = bench.replica.expire(TimerName.VIEW, NOW + BASE)
    assert effects == tell(bench, bench.view_change(3, 1))
    here = bench.replica.describe(NOW + BASE)
    assert (here.view, here.due_ms_ago, here.view_timer_in_ms) == (1, None, None)
    assert bench.replica.expire(TimerName.VIEW, NOW + 60_000) == []
    (left,) = bench.replica.departures
    assert (left.view, left.to, left.cause) == (0, 1, Cause.TIMEOUT)
    # Two more make a quorum: now a proposal is due, within twice the time.
    bench.now = NOW + 5_000
    assert bench.hear(bench.view_change(0, 1)) == []
    timer = SetTimer(TimerName.VIEW, NOW + 5_000 + 2 * BASE)
    assert bench.hear(bench.view_change(1, 1)) == [timer]
    assert bench.replica.describe(NOW + 5_001).due_ms_ago == 1
    # The fourth changes nothing.
    bench.now = NOW + 6_000
    assert bench.hear(bench.view_change(2, 1)) == []


def test_f_plus_1_claims_stop_the_old_clock_and_start_the_new_one() -> None:
    bench = Bench()
    assert bench.hear(bench.view_change(0, 3)) == []
    effects = bench.hear(bench.view_change(1, 3))
    assert effects == [
        CancelTimer(TimerName.VIEW),
        *tell(bench, bench.view_change(3, 3)),
        SetTimer(TimerName.VIEW, NOW + 8 * BASE),
    ]


def test_an_observer_and_a_watching_validator_follow_nobody() -> None:
    for bench in (Bench(me=None), Bench(last_signed=None)):
        for signer in (0, 1, 2):
            assert bench.hear(bench.view_change(signer, 1)) == []
        assert bench.replica.departures == ()
        assert bench.replica.describe(NOW).view == 0


def test_claims_of_views_move_nobody_when_the_height_is_known_to_be_over() -> None:
    bench = Bench()
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    bench.hear(bench.status(2, certificate))
    for signer in (0, 1, 2):
        assert bench.hear(bench.view_change(signer, 2)) == []
    assert bench.replica.describe(NOW).view == 0
    assert bench.replica.departures == ()


def test_view_changes_that_are_no_news_are_refused_by_their_reason() -> None:
    bench = Bench()
    link = bench.keys[0].public_key
    no_view = Reject(link, "nobody changes to view 0", Grade.MALFORMED)
    assert bench.hear(bench.view_change(0, 0)) == [no_view]
    assert bench.replica.describe(NOW).view_changes == {}
    item = bench.view_change(0, 2)
    assert bench.hear(item) == [] and bench.hear(item) == []
    later = Reject(link, "view change: a later one is known", Grade.USELESS)
    assert bench.hear(bench.view_change(0, 1)) == [later]
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, hash_of("b"))
    effects = bench.hear(bench.view_change(0, 2, prepared))
    assert [type(effect) for effect in effects] == [Accuse, Broadcast]
    assert bench.replica._state.view_changes.find(0) == item


def test_a_view_change_reports_the_prepared_block() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    prepared = bench.certificate((0, 1, 3), Phase.PREPARE, 0, proposal.block_hash)
    effects = bench.replica.expire(TimerName.VIEW, NOW + BASE)
    assert effects == tell(bench, bench.view_change(3, 1, prepared))


# -- leading ---------------------------------------------------------------------------------------


def lead_view_1(prepared: Certificate | None = None) -> tuple[Bench, list[Effect]]:
    """Validator 2 hears two claims of view 1; the first reports ``prepared``."""
    bench = Bench(me=2)
    bench.hear(bench.view_change(0, 1, prepared))
    return bench, bench.hear(bench.view_change(1, 1))


def test_a_free_leader_asks_for_a_block_once() -> None:
    bench, effects = lead_view_1()
    assert only(effects, RequestBlock) == [RequestBlock(1, 1, NOW, NOW)]
    # A fourth claim makes no better proof.
    assert bench.hear(bench.view_change(3, 1)) == []
    (message,) = said(bench.replica.offer(1, 1, CANDIDATE, NOW), PrePrepare)
    assert [item.signer for item in message.new_view] == [0, 1, 2]
    assert message.new_view[0] == bench.view_change(0, 1)


def test_a_leader_that_lacks_the_block_asks_its_signers_and_neighbours_until_it_leaves() -> None:
    block = hash_of("unknown")
    prepared = Bench().certificate((0, 2, 3), Phase.PREPARE, 0, block)
    bench, effects = lead_view_1(prepared)
    question = encode_message(GetProposal(1, block))
    # Itself it does not ask, though its key signed as well before the log was lost.
    assert only(effects, Send) == [Send(bench.keys[n].public_key, question) for n in (0, 3)]
    assert only(effects, RequestBlock) == []
    tick = bench.replica.expire(TimerName.STATUS, NOW + 1_000)
    assert only(tick, Broadcast)[0] == Broadcast(question, relay=False)
    # In a later view it is no longer ours to propose again.
    bench.hear(bench.view_change(0, 2, prepared))
    bench.hear(bench.view_change(1, 2))
    assert bench.replica.describe(NOW).view == 2
    tick = bench.replica.expire(TimerName.STATUS, NOW + 2_000)
    assert Broadcast(question, relay=False) not in tick


def test_a_leader_that_takes_a_later_leader_s_proposal_asks_no_more() -> None:
    prepared = Bench().certificate((0, 1, 3), Phase.PREPARE, 0, hash_of("unknown"))
    bench, _ = lead_view_1(prepared)
    fresh = bench.proposal(proposer=bench.leader(2))
    proof = [bench.view_change(n, 2) for n in (0, 1, 3)]
    effects = bench.hear(bench.pre_prepare(fresh, 2, proof))
    assert len(only(effects, FetchBody)) == 1
    tick = bench.replica.expire(TimerName.STATUS, NOW + 1_000)
    assert [item for item in only(tick, Broadcast) if not item.relay][1:] == []
    assert len(only(tick, Broadcast)) == 1


def test_a_leader_that_has_the_header_fetches_the_body_and_asks_for_no_header() -> None:
    # It logged the proposal and restarted in view 1: nobody has asked for the body since.
    first = Bench(me=2)
    proposal = first.proposal()
    first.prepare(proposal)
    first.note(first.replica.expire(TimerName.VIEW, NOW + BASE))
    bench = restart(first)
    assert only(bench.started, FetchBody) == []
    prepared = bench.certificate((0, 1, 3), Phase.PREPARE, 0, proposal.block_hash)
    bench.hear(bench.view_change(0, 1, prepared))
    effects = bench.hear(bench.view_change(1, 1))
    (fetch,) = only(effects, FetchBody)
    assert fetch.proposal == proposal
    assert only(effects, Send) == []
    (again,) = said(bench.have_body(proposal), PrePrepare)
    assert (again.view, again.header) == (1, proposal.header)


def test_a_block_proposed_again_is_durable_then_sent_and_its_clock_and_votes_begin() -> None:
    bench = Bench(me=2)
    proposal = bench.proposal()
    bench.prepare(proposal)
    # PREPAREs of view 1 from those who were quicker.
    for signer in (0, 3):
        bench.hear(bench.vote(signer, Phase.PREPARE, 1, proposal.block_hash))
    bench.now = NOW + 400
    bench.hear(bench.view_change(0, 1))
    effects = bench.hear(bench.view_change(3, 1))
    kinds = [type(effect) for effect in effects]
    assert kinds == [
        CancelTimer, Persist, Broadcast,  # our VIEW-CHANGE
        SetTimer, Persist, Broadcast, SetTimer,  # a quorum, our PRE-PREPARE, its clock
        Persist, Broadcast,  # our COMMIT: q PREPAREs are there
    ]  # fmt: skip
    assert only(effects, SetTimer) == [SetTimer(TimerName.VIEW, NOW + 400 + 2 * BASE)] * 2
    assert only(effects, Execute) == []
    (again,) = said(effects, PrePrepare)
    assert [item.signer for item in again.new_view] == [0, 2, 3]
    assert only(effects, Persist)[1].body == proposal.block_hash
    (commit,) = votes_said(effects, Phase.COMMIT)
    assert (commit.view, commit.exec_hash) == (1, hash_of("state"))
    # The body comes once more from a slow fetch: nothing is said twice.
    assert bench.have_body(proposal) == []


# -- a block that a leader must propose again, by hash --------------------------------------------


def show(proposal: Proposal) -> ProposalMessage:
    return ProposalMessage(
        proposal.header, proposal.transaction_ids, proposal.evidence, proposal.parent_certificate
    )


def test_a_block_that_cannot_follow_our_tip_is_not_taken_though_a_quorum_prepared_it() -> None:
    # More than f liars could have prepared it; whoever proposed it again would be refused.
    maker = Bench()
    good = maker.proposal()
    header = replace(good.header, parent_hash=hash_of("another parent"))
    wrong = replace(good, header=header, block_hash=compute_header_hash(header))
    bench, _ = lead_view_1(maker.certificate((0, 1, 3), Phase.PREPARE, 0, wrong.block_hash))
    link = bench.keys[0].public_key
    refused = [Reject(link, "proposal: header-parent-hash", Grade.MALFORMED)]
    assert bench.hear(show(wrong)) == refused
    assert wrong.block_hash not in bench.replica._state.proposals


def test_a_block_under_a_forged_proof_of_our_parent_is_not_taken() -> None:
    bench = Bench()
    bench.commit_next()
    tip = bench.rules.tip.certificate
    assert tip is not None
    forged = replace(tip, signatures=(bytes(64), *tip.signatures[1:]))
    rules = replace(bench.rules, tip=replace(bench.rules.tip, certificate=forged))
    leader = bench.leader(1)
    assert leader == bench.me
    proposal = make_proposal(rules, bench.keys[2].public_key, CANDIDATE)
    assert proposal.header.prev_cert_hash == compute_certificate_hash(forged)
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    bench.hear(bench.view_change(0, 1, prepared))
    bench.hear(bench.view_change(1, 1))
    refused = [Reject(bench.keys[0].public_key, "proposal: certificate-signature", Grade.MALFORMED)]
    assert bench.hear(show(proposal)) == refused
    assert proposal.block_hash not in bench.replica._state.proposals


def test_a_final_block_that_is_missing_is_asked_for_at_every_tick() -> None:
    bench = Bench()
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    bench.hear(bench.status(2, certificate))
    for at_ms in (NOW + 1_000, NOW + 2_000):
        tick = bench.replica.expire(TimerName.STATUS, at_ms)
        assert only(tick, Behind) == [Behind(1, certificate, None, verified=True)]


# -- after a restart -------------------------------------------------------------------------------


def restart(before: Bench) -> Bench:
    assert before.replica._guard is not None
    last = LAST_SIGNED.encode(before.replica._guard.last)
    return Bench(count=before.count, me=before.me, records=before.records_seen, last_signed=last)


def test_a_restart_in_a_later_view_says_what_binds_us_and_asks_for_no_block() -> None:
    before = Bench()
    proposal = before.proposal()
    before.prepare(proposal)
    before.hear(before.view_change(0, 1))
    before.hear(before.view_change(1, 1))
    after = restart(before)
    prepared = before.certificate((0, 1, 3), Phase.PREPARE, 0, proposal.block_hash)
    change = ViewChangeMessage(before.view_change(3, 1, prepared), None)
    commit = before.vote(3, Phase.COMMIT, 0, proposal.block_hash, hash_of("state"))
    # The PREPARE of the view that is over helps nobody; the COMMIT may be the quorum's last.
    assert [type(effect) for effect in after.started] == [
        Broadcast, Broadcast, Broadcast, SetTimer
    ]  # fmt: skip
    assert [item.data for item in only(after.started, Broadcast)[:2]] == [
        encode_message(change), encode_message(commit)
    ]  # fmt: skip
    assert only(after.started, SetTimer)[0].name is TimerName.STATUS
    # Nothing is due in view 1 until a quorum is there.
    assert after.replica.describe(NOW).due_ms_ago is None


def test_a_restart_in_a_view_that_we_entered_by_its_proposal_goes_on_there() -> None:
    before = Bench()
    fresh = before.proposal(proposer=before.leader(5))
    proof = [before.view_change(n, 5) for n in (0, 1, 2)]
    message = before.pre_prepare(fresh, 5, proof)
    before.hear(message)
    before.have_body(fresh)
    after = restart(before)
    here = after.replica.describe(NOW)
    assert (here.view, here.proposal) == (5, fresh.block_hash.hex())
    assert only(after.started, SetTimer)[0] == SetTimer(TimerName.VIEW, NOW + 30_000)
    prepare = before.vote(3, Phase.PREPARE, 5, fresh.block_hash)
    assert votes_said(after.started, Phase.PREPARE) == [prepare]
    assert said(after.started, PrePrepare) == []  # another led
    # The leader's PREPARE inside counts, and ours: a third makes it prepared.
    assert before.leader(5) == 2
    after.hear(after.vote(0, Phase.PREPARE, 5, fresh.block_hash))
    assert after.replica.describe(NOW).prepared_view == 5


def test_a_validator_alone_leads_on_after_a_restart() -> None:
    before = Bench(count=1, me=0)
    before.note(before.replica.offer(1, 0, CANDIDATE, NOW))
    after = restart(before)
    assert after.replica.describe(NOW).prepared_view == 0
    # Its time was over before it had a block: view 1 is its own as well, by its own word.
    idle = Bench(count=1, me=0)
    idle.note(idle.replica.transactions_waiting(NOW))
    effects = idle.note(idle.replica.expire(TimerName.VIEW, NOW + BASE))
    assert only(effects, RequestBlock) == [RequestBlock(1, 1, NOW + BASE, NOW + BASE)]
    later = restart(idle)
    assert later.replica.describe(NOW).view == 1
    assert only(later.started, RequestBlock) == [RequestBlock(1, 1, NOW, NOW)]
