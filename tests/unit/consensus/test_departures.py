"""Why a view was left: noted with its cause, bounded, and gone with its height."""

from __future__ import annotations

from consensus.bounds import DEPARTURES_KEPT_MAX
from consensus.departures import Cause, Departures
from consensus.effects import TimerName
from primitives.certificate import Phase
from tests.unit.consensus.harness import NOW, PARAMS, Bench


def expire(bench: Bench) -> None:
    """Let the view's time be over: a proposal is due, and none comes."""
    bench.note(bench.replica.transactions_waiting(bench.now))
    bench.now += PARAMS.timeout_max_ms
    bench.note(bench.replica.expire(TimerName.VIEW, bench.now))


def test_a_silent_leader_is_left_by_time_out() -> None:
    bench = Bench()
    expire(bench)
    (left,) = bench.replica.departures
    assert (left.view, left.to, left.cause, left.detail) == (0, 1, Cause.TIMEOUT, "")
    assert left.at_ms == bench.now
    assert bench.replica.wanted_at_ms == NOW


def test_a_block_that_is_refused_gives_its_reason() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.note(bench.replica.body_refused(proposal.block_hash, "expired", bench.now))
    (left,) = bench.replica.departures
    assert (left.cause, left.detail) == (Cause.REFUSED, "expired")


def test_a_block_of_a_wrong_clock_is_told_from_a_silent_leader() -> None:
    bench = Bench()
    ahead = bench.proposal(time_ms=NOW + PARAMS.clock_drift_ms + 1)
    bench.hear(bench.pre_prepare(ahead), peer=bench.leader())
    described = bench.replica.describe(bench.now)
    assert described.refusal.startswith("header-time-ahead")
    assert "was refused: header-time-ahead" in described.why
    expire(bench)
    (left,) = bench.replica.departures
    assert left.cause is Cause.REFUSED
    assert left.detail.startswith("header-time-ahead")
    assert bench.replica.describe(bench.now).refusal == ""


def test_a_forged_proposal_is_no_reason_against_its_leader() -> None:
    bench = Bench()
    ahead = bench.proposal(time_ms=NOW + PARAMS.clock_drift_ms + 1)
    liar = next(index for index in range(4) if index not in (bench.leader(), bench.me))
    bench.hear(bench.pre_prepare(ahead, signer=liar), peer=liar)
    assert bench.replica.describe(bench.now).refusal == ""


def test_following_f_plus_1_others_is_named_so() -> None:
    bench = Bench()
    for signer in (0, 1):
        bench.hear(bench.view_change(signer, 3))
    (left,) = bench.replica.departures
    assert (left.view, left.to, left.cause) == (0, 3, Cause.FOLLOWED)


def test_a_new_view_that_began_without_us_is_named_so() -> None:
    bench = Bench()
    proof = [bench.view_change(signer, 1) for signer in range(4) if signer != bench.me]
    leader = bench.leader(1)
    if leader == bench.me:
        bench = Bench(me=bench.leader(0))
        proof = [bench.view_change(signer, 1) for signer in range(4) if signer != bench.me]
    proposal = bench.proposal(bench.leader(1))
    bench.hear(bench.pre_prepare(proposal, 1, proof))
    (left,) = bench.replica.departures
    assert (left.view, left.to, left.cause) == (0, 1, Cause.NEW_VIEW)


def test_departures_end_with_their_height() -> None:
    bench = Bench()
    expire(bench)
    bench.commit_next()
    assert bench.replica.departures == ()
    assert bench.replica.wanted_at_ms is None


def test_what_is_kept_is_bounded() -> None:
    departures = Departures()
    for view in range(10 * DEPARTURES_KEPT_MAX):
        departures.note_turned_down(view, "x" * 10_000)
        departures.note(view, view + 1, Cause.TIMEOUT, NOW)
    assert len(departures) == departures.held == DEPARTURES_KEPT_MAX
    assert all(len(left.detail) <= 200 for left in departures)
    assert [left.view for left in departures] == list(range(DEPARTURES_KEPT_MAX))


def test_a_view_that_ended_well_leaves_nothing() -> None:
    bench = Bench()
    bench.prepare(bench.proposal())
    assert bench.replica.departures == ()
    assert bench.replica.describe(bench.now).groups[0].phase == Phase.PREPARE.name
