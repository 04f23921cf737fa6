"""What the driver tells the replica, and exactly what comes of it; above all, when nothing does.

The driver answers late, twice, for other blocks and heights, and after the end: such answers
are harmless (README.md of consensus/, rule 5), and leave nothing behind.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.departures import Cause
from consensus.effects import (
    Broadcast,
    CancelTimer,
    Candidate,
    Commit,
    CommittedTip,
    Execute,
    FetchBody,
    Halt,
    Persist,
    Proposal,
    RequestBlock,
    SetTimer,
    TimerName,
)
from consensus.messages import PrePrepare, ViewChangeMessage, Vote, encode_message
from consensus.recovery import RecordKind, encode_record
from consensus.signing import LAST_SIGNED
from primitives.certificate import CERTIFICATE, Phase
from primitives.hashing import TransactionId
from tests.unit.consensus.harness import NOW, PARAMS, Bench, hash_of, only, said, votes_said

CANDIDATE = Candidate(NOW, (TransactionId(hash_of("tx")),))


def learn_certificate_without_block(bench: Bench) -> None:
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    bench.hear(bench.status(2, certificate))


def prepare_two(bench: Bench) -> tuple[Proposal, Proposal]:
    """Block A executed in view 0; block B free in view 1, its body here and prepared."""
    one = bench.proposal(ids=("one",))
    bench.hear(bench.pre_prepare(one))
    bench.have_body(one)
    bench.have_executed(one)
    two = bench.proposal(proposer=bench.leader(1), ids=("two",))
    proof = [bench.view_change(n, 1) for n in (0, 1, 2)]
    bench.hear(bench.pre_prepare(two, 1, proof))
    bench.have_body(two)
    bench.hear(bench.vote(0, Phase.PREPARE, 1, two.block_hash))
    assert bench.replica.describe(NOW).prepared_view == 1
    return one, two


# -- transactions_waiting -------------------------------------------------------------------------


def test_waiting_transactions_start_the_clock_of_an_idle_view_0_only() -> None:
    bench = Bench()
    timer = SetTimer(TimerName.VIEW, NOW + 5 + PARAMS.timeout_base_ms)
    assert bench.replica.transactions_waiting(NOW + 5) == [timer]
    assert bench.replica.transactions_waiting(NOW + 6) == []
    later = Bench()
    later.replica.transactions_waiting(NOW)
    later.replica.expire(TimerName.VIEW, NOW + PARAMS.timeout_base_ms)
    assert later.replica.describe(NOW).view == 1
    assert later.replica.transactions_waiting(NOW + 2_000) == []


def test_no_clock_runs_once_the_height_is_known_to_be_over() -> None:
    bench = Bench()
    learn_certificate_without_block(bench)
    assert bench.replica.transactions_waiting(NOW) == []
    assert bench.replica.describe(NOW).view_timer_in_ms is None


# -- offer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [(1, 1), (2, 0), (0, 0), (2, 1)])
def test_a_block_for_another_height_or_view_is_not_proposed(place: tuple[int, int]) -> None:
    bench = Bench(me=1)
    assert bench.replica.offer(*place, CANDIDATE, NOW) == []
    assert said(bench.replica.offer(1, 0, CANDIDATE, NOW), PrePrepare) != []


def test_nobody_proposes_when_the_height_is_known_to_be_over() -> None:
    bench = Bench(me=1)
    learn_certificate_without_block(bench)
    assert bench.replica.offer(1, 0, CANDIDATE, NOW) == []


def test_only_the_leader_proposes_and_once() -> None:
    assert Bench(me=2).replica.offer(1, 0, CANDIDATE, NOW) == []
    bench = Bench(me=1)
    bench.replica.offer(1, 0, CANDIDATE, NOW)
    assert bench.replica.offer(1, 0, Candidate(NOW, ()), NOW) == []


def test_in_a_later_view_a_block_is_taken_only_under_a_proof_that_leaves_the_leader_free() -> None:
    bench = Bench(me=2)
    bench.replica.transactions_waiting(NOW)
    bench.replica.expire(TimerName.VIEW, NOW + 1_000)
    assert bench.replica.describe(NOW).view == 1
    # Without a quorum's view changes.
    assert bench.replica.offer(1, 1, CANDIDATE, NOW) == []
    prepared = bench.certificate((0, 1, 3), Phase.PREPARE, 0, hash_of("unknown"))
    bench.hear(bench.view_change(0, 1, prepared))
    bench.hear(bench.view_change(1, 1))
    # With one that names a block.
    assert bench.replica.offer(1, 1, CANDIDATE, NOW) == []


def test_a_proposal_is_durable_with_its_body_then_sent_and_its_clock_runs() -> None:
    bench = Bench(me=1)
    effects = bench.replica.offer(1, 0, CANDIDATE, NOW)
    proposal = bench.proposal()
    data = encode_message(bench.pre_prepare(proposal))
    vote = encode_message(bench.vote(1, Phase.PREPARE, 0, proposal.block_hash))
    guard = bench.replica._guard
    assert guard is not None
    assert effects == [
        Execute(proposal),
        Persist(
            (
                encode_record(RecordKind.PROPOSAL, 1, data),
                encode_record(RecordKind.VOTE, 1, vote),
            ),
            LAST_SIGNED.encode(guard.last),
            proposal.block_hash,
        ),
        Broadcast(data),
        SetTimer(TimerName.VIEW, NOW + PARAMS.timeout_base_ms),
    ]
    assert guard.last.place == (1, 0, 1)


def test_a_validator_alone_has_prepared_what_it_proposes_at_once() -> None:
    bench = Bench(count=1, me=0)
    bench.replica.offer(1, 0, CANDIDATE, NOW)
    assert bench.replica.describe(NOW).prepared_view == 0


# -- bodies ---------------------------------------------------------------------------------------


def test_a_body_is_executed_once_and_takes_the_place_of_the_question_for_it() -> None:
    bench = Bench(me=None)
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    held = bench.replica.count_held()
    assert bench.have_body(proposal) == [Execute(proposal)]
    assert bench.replica.count_held() == held
    assert bench.have_body(proposal) == []
    assert bench.replica.body_ready(hash_of("unknown"), NOW) == []
    assert bench.replica.body_refused(hash_of("unknown"), "why", NOW) == []
    assert bench.replica.executed(hash_of("unknown"), hash_of("state"), NOW) == []
    assert bench.replica.count_held() == held


def test_a_refused_body_makes_us_leave_its_view_and_no_other() -> None:
    bench = Bench()
    one = bench.proposal(ids=("one",))
    bench.hear(bench.pre_prepare(one))
    two = bench.proposal(proposer=bench.leader(1), ids=("two",))
    bench.hear(bench.pre_prepare(two, 1, [bench.view_change(n, 1) for n in (0, 1, 2)]))
    # The block of the view before: nothing to leave.
    assert bench.replica.body_refused(one.block_hash, "expired", NOW) == []
    assert bench.replica.describe(NOW).view == 1
    effects = bench.replica.body_refused(two.block_hash, "expired", NOW + 7)
    assert [m.view_change.view for m in said(effects, ViewChangeMessage)] == [2]
    assert bench.replica.describe(NOW).view == 2
    left = bench.replica.departures[-1]
    assert (left.view, left.to, left.cause, left.at_ms) == (1, 2, Cause.REFUSED, NOW + 7)


def test_a_refused_body_is_asked_for_again_when_others_prepared_it() -> None:
    bench = Bench()
    proposal = bench.proposal()
    (fetch,) = only(bench.hear(bench.pre_prepare(proposal)), FetchBody)
    assert fetch.holders == (bench.keys[1].public_key,)
    bench.replica.body_refused(proposal.block_hash, "expired", NOW)
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    proof = [bench.view_change(n, 1, prepared) for n in (0, 1, 2)]
    assert len(only(bench.hear(bench.pre_prepare(proposal, 1, proof)), FetchBody)) == 1


def test_a_body_is_asked_for_once_however_often_its_block_is_proposed() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    proof = [bench.view_change(n, 1, prepared) for n in (0, 1, 2)]
    assert only(bench.hear(bench.pre_prepare(proposal, 1, proof)), FetchBody) == []
    assert bench.replica.describe(NOW).view == 1


def test_an_observer_leaves_no_view_and_says_why_the_block_is_refused() -> None:
    bench = Bench(me=None)
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    assert bench.replica.body_refused(proposal.block_hash, "x" * 300, NOW) == []
    here = bench.replica.describe(NOW)
    assert (here.view, here.refusal, here.watching) == (0, "x" * 200, "")
    assert bench.replica.departures == ()


def test_nobody_leaves_a_view_over_a_block_that_is_final_elsewhere() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    certificate = bench.certificate(
        (0, 1, 2), Phase.COMMIT, 0, proposal.block_hash, hash_of("state")
    )
    bench.hear(bench.status(2, certificate))
    assert bench.replica.body_refused(proposal.block_hash, "expired", NOW) == []
    assert bench.replica.departures == ()
    assert bench.replica.describe(NOW).view == 0


# -- executions and commits ------------------------------------------------------------------------


def test_the_prepared_certificate_is_logged_before_the_commit_that_stands_on_it() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.have_body(proposal)
    bench.hear(bench.vote(2, Phase.PREPARE, 0, proposal.block_hash))
    effects = bench.have_executed(proposal)
    prepared = bench.certificate((1, 2, 3), Phase.PREPARE, 0, proposal.block_hash)
    vote = bench.vote(3, Phase.COMMIT, 0, proposal.block_hash, hash_of("state"))
    (persist,) = only(effects, Persist)
    assert persist.records == (
        encode_record(RecordKind.PREPARED, 1, CERTIFICATE.encode(prepared)),
        encode_record(RecordKind.VOTE, 1, encode_message(vote)),
    )
    assert effects == [persist, Broadcast(encode_message(vote))]
    assert persist.body is None
    # The first result counts; another one for the same block changes nothing.
    assert bench.have_executed(proposal, "another") == []


def test_a_watching_validator_that_sees_a_block_prepared_and_executed_commits_to_nothing() -> None:
    bench = Bench(last_signed=None)
    proposal = bench.proposal()
    bench.prepare(proposal)
    here = bench.replica.describe(NOW)
    assert (here.prepared_view, here.executed) == (0, hash_of("state").hex())
    assert said(bench.seen, Vote) == [] and only(bench.seen, Persist) == []


def test_while_one_block_is_written_nothing_is_signed_for_another() -> None:
    bench = Bench()
    one, two = prepare_two(bench)
    third = bench.proposal(ids=("third",))
    bench.replica._state.keep_proposal(third)
    for signer in (0, 1, 2):
        effects = bench.hear(bench.vote(signer, Phase.COMMIT, 0, one.block_hash, hash_of("state")))
    assert [commit.proposal for commit in only(effects, Commit)] == [one]
    held = bench.replica.count_held()
    assert bench.have_body(third) == []
    assert bench.replica.body_refused(two.block_hash, "expired", NOW) == []
    assert bench.replica.count_held() == held
    assert bench.have_executed(two) == []
    assert bench.replica.transactions_waiting(NOW) == []
    assert bench.replica.offer(1, 1, CANDIDATE, NOW) == []


def test_after_halt_nothing_has_any_effect_or_is_kept() -> None:
    bench = Bench()
    one, two = prepare_two(bench)
    third = bench.proposal(ids=("third",))
    bench.replica._state.keep_proposal(third)
    for signer in (0, 1, 2):
        vote = bench.vote(signer, Phase.COMMIT, 0, one.block_hash, hash_of("theirs"))
        effects = bench.hear(vote)
    assert len(only(effects, Halt)) == 1
    held = bench.replica.count_held()
    assert bench.have_body(third) == []
    assert bench.replica.body_refused(two.block_hash, "expired", NOW) == []
    assert bench.have_executed(two) == []
    assert bench.replica.transactions_waiting(NOW) == []
    assert bench.replica.offer(1, 1, CANDIDATE, NOW) == []
    assert bench.replica.expire(TimerName.VIEW, NOW + 100_000) == []
    assert bench.hear(bench.view_change(0, 9)) == []
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, one.block_hash, hash_of("theirs"))
    assert bench.replica.caught_up(bench.make_next_tip(one, certificate), NOW) == []
    assert bench.replica.count_held() == held
    assert bench.replica.describe(NOW).height == 1


def test_a_divergence_is_reported_once_with_every_commit_held() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.have_body(proposal)
    theirs, ours = hash_of("theirs"), hash_of("ours")
    # The certificate comes first, then the same votes one by one, then our own result.
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, proposal.block_hash, theirs)
    bench.hear(bench.status(2, certificate))
    for signer in (0, 1, 2):
        bench.hear(bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, theirs))
    effects = bench.have_executed(proposal, "ours")
    reason = (
        f"divergence at height 1: a quorum certified execution {theirs.hex()}, "
        f"this node computed {ours.hex()}"
    )
    block = proposal.block_hash.hex()
    votes = [f"validator {n} view 0 block {block} execution {theirs.hex()}" for n in (0, 1, 2)]
    report = "\n".join([reason, f"block {block}", "view 0", "COMMITs held:", *votes])
    assert effects == [Halt(reason, report)]
    assert bench.replica.describe(NOW).why == reason


# -- the tip moves --------------------------------------------------------------------------------


def test_the_next_height_begins_with_the_old_clock_stopped_and_its_own_set() -> None:
    bench = Bench()
    interval = PARAMS.empty_block_interval_ms
    bench.now = NOW + 3
    effects = bench.commit_next()
    assert effects == [
        CancelTimer(TimerName.VIEW),
        SetTimer(TimerName.VIEW, NOW + 3 + interval + PARAMS.timeout_base_ms),
    ]
    leading = Bench(me=2)
    effects = leading.commit_next()
    assert effects[-1] == RequestBlock(2, 0, NOW, NOW + interval)
    assert Bench(me=1).started[1] == RequestBlock(1, 0, NOW, NOW + interval)


def test_a_clock_is_stopped_once() -> None:
    bench = Bench()
    learn_certificate_without_block(bench)
    assert only(bench.seen, CancelTimer) == [CancelTimer(TimerName.VIEW)]
    assert bench.replica.describe(NOW).view_timer_in_ms is None
    assert only(bench.commit_next(), CancelTimer) == []


@pytest.mark.parametrize(
    ("is_due", "heights", "base_ms"),
    [(True, 1, 4 * 2_000), (True, 2, 1_000), (False, 1, 1_000)],
)
def test_a_block_s_time_is_that_from_due_to_final_of_one_height(
    is_due: bool, heights: int, base_ms: int
) -> None:
    bench = Bench()
    if is_due:
        bench.replica.transactions_waiting(NOW)
    bench.now = NOW + 2_000
    proposal = bench.proposal()
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, proposal.block_hash, hash_of("s"))
    tip: CommittedTip = replace(bench.make_next_tip(proposal, certificate), height=heights)
    bench.replica.caught_up(tip, bench.now)
    (timer,) = bench.replica.transactions_waiting(bench.now)
    assert timer == SetTimer(TimerName.VIEW, bench.now + base_ms)


def test_what_is_due_stays_due_from_its_first_moment() -> None:
    bench = Bench()
    bench.replica.transactions_waiting(NOW)
    bench.now = NOW + 500
    proposal = bench.proposal()
    effects = bench.hear(bench.pre_prepare(proposal))
    assert only(effects, SetTimer) == [SetTimer(TimerName.VIEW, NOW + 1_500)]
    assert bench.replica.describe(NOW + 700).due_ms_ago == 700
    assert bench.replica.wanted_at_ms == NOW
    assert votes_said(effects, Phase.PREPARE) == []
