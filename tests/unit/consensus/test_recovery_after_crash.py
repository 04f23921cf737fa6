"""Recovery: the same bytes again, never a second thing, and watching when memory is lost."""

from __future__ import annotations

import pytest

from consensus.effects import (
    Behind,
    Broadcast,
    Candidate,
    Commit,
    FetchBody,
    RequestBlock,
    TimerName,
)
from consensus.errors import ConsensusError
from consensus.messages import PrePrepare, ViewChangeMessage, Vote
from consensus.recovery import RecordKind, encode_record, recover
from consensus.signing import INITIAL_LAST_SIGNED, LAST_SIGNED, LastSigned
from primitives.certificate import Phase
from primitives.hashing import TransactionId
from tests.unit.consensus.harness import CHAIN, NOW, Bench, hash_of, only, said, votes_said


def last_signed_of(bench: Bench) -> bytes:
    assert bench.replica._guard is not None
    return LAST_SIGNED.encode(bench.replica._guard.last)


def test_after_a_crash_the_same_votes_leave_again_byte_for_byte() -> None:
    before = Bench()
    proposal = before.proposal()
    before.prepare(proposal)
    after = Bench(records=before.records_seen, last_signed=last_signed_of(before))
    sent = {effect.data for effect in only(before.seen, Broadcast) if effect.relay}
    again = {effect.data for effect in only(after.started, Broadcast) if effect.relay}
    assert again == sent
    (fetch,) = only(after.started, FetchBody)
    assert fetch.proposal.block_hash == proposal.block_hash
    here = after.replica.describe(NOW)
    assert (here.prepared_view, here.phase) == (0, "commit")
    # It executes again, and signs nothing new for the same place.
    after.have_body(proposal)
    assert said(after.have_executed(proposal, "another result"), Vote) == []


def test_after_a_crash_it_refuses_another_block_at_the_same_place() -> None:
    before = Bench()
    before.hear(before.pre_prepare(before.proposal()))
    before.have_body(before.proposal())
    after = Bench(records=before.records_seen, last_signed=last_signed_of(before))
    other = after.proposal(ids=("other",))
    after.hear(after.pre_prepare(other))
    assert said(after.have_body(other), Vote) == []


def test_after_a_crash_a_view_change_still_tells_what_was_prepared() -> None:
    before = Bench()
    proposal = before.proposal()
    before.prepare(proposal)
    after = Bench(records=before.records_seen, last_signed=last_signed_of(before))
    for signer in (0, 1):
        after.hear(after.view_change(signer, 4))
    (message,) = said(after.seen, ViewChangeMessage)
    assert message.view_change.prepared is not None
    assert message.view_change.prepared.block_hash == proposal.block_hash
    again = Bench(records=after.records_seen, last_signed=last_signed_of(after))
    assert said(again.started, ViewChangeMessage) == [message]
    assert again.replica.describe(NOW).view == 4


def test_after_a_crash_in_a_later_view_a_certificate_of_an_earlier_one_is_finished_from_disk() -> (
    None
):
    # All went down after COMMIT and VIEW-CHANGE and before anyone wrote the block: nobody can
    # send it as final, so sync would wait for ever; each holds it in its own vote log.
    before = Bench()
    proposal = before.proposal()
    before.prepare(proposal)
    for signer in (0, 1):
        before.hear(before.view_change(signer, 1))
    after = Bench(records=before.records_seen, last_signed=last_signed_of(before))
    assert after.replica.describe(NOW).view == 1
    assert only(after.started, FetchBody) == []
    for signer in (0, 1):
        after.hear(after.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")))
    (fetch,) = only(after.seen, FetchBody)
    assert fetch.proposal.block_hash == proposal.block_hash
    assert len(only(after.seen, Behind)) == 1
    after.have_body(proposal)
    (commit,) = only(after.have_executed(proposal), Commit)
    assert commit.proposal.block_hash == proposal.block_hash


def test_a_leader_restarted_before_it_proposed_is_asked_for_a_block() -> None:
    bench = Bench(me=1)
    assert [(e.height, e.view) for e in only(bench.started, RequestBlock)] == [(1, 0)]
    effects = bench.replica.offer(1, 0, Candidate(NOW, (TransactionId(hash_of("tx")),)), NOW)
    assert len(said(effects, PrePrepare)) == 1


def test_older_heights_in_the_log_are_skipped() -> None:
    before = Bench()
    before.prepare(before.proposal())
    records, last = before.records_seen, last_signed_of(before)
    before.commit_next()
    after = Bench(records=records, last_signed=last, tip=before.tip)
    assert after.replica.describe(NOW).role == "validator"
    assert said(after.started, Vote) == []


def test_a_database_older_than_our_votes_keeps_us_silent_up_to_them() -> None:
    last = LAST_SIGNED.encode(LastSigned(2, 0, 2, hash_of("x"), bytes(64)))
    bench = Bench(me=0, last_signed=last)
    bench.hear(bench.pre_prepare(bench.proposal()))
    assert said(bench.have_body(bench.proposal()), Vote) == []
    for expected in (0, 1):
        bench.commit_next()
        proposal = bench.proposal()
        bench.hear(bench.pre_prepare(proposal))
        assert len(votes_said(bench.have_body(proposal), Phase.PREPARE)) == expected


def test_a_lost_record_means_watching_until_others_are_past_all_we_may_have_signed() -> None:
    bench = Bench(me=0, last_signed=None)
    bench.hear(bench.pre_prepare(bench.proposal()))
    assert said(bench.have_body(bench.proposal()), Vote) == []
    assert "record is lost" in bench.replica.describe(NOW).why
    assert bench.replica.describe(NOW).role == "watching"
    for peer in (1, 2, 3):
        bench.hear(bench.status(1, None), peer=peer)
    # All three others stand at tip 0: we can have voted at 1 and 2 at most.
    for height, expected in ((2, 0), (3, 1)):
        bench.commit_next()
        proposal = bench.proposal()
        bench.hear(bench.pre_prepare(proposal))
        assert len(votes_said(bench.have_body(proposal), Phase.PREPARE)) == expected, height


def test_the_operator_may_override_a_lost_record() -> None:
    bench = Bench(last_signed=None, vote_anyway=True)
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    assert len(votes_said(bench.have_body(proposal), Phase.PREPARE)) == 1


def test_the_override_does_not_make_us_vote_where_the_vote_log_is_lost() -> None:
    last = LAST_SIGNED.encode(LastSigned(1, 0, 2, hash_of("x"), bytes(64)))
    bench = Bench(last_signed=last, vote_anyway=True)
    proposal = bench.proposal()
    bench.hear(bench.view_change(0, 1), 0)
    bench.hear(bench.view_change(1, 1), 1)
    bench.hear(bench.pre_prepare(proposal))
    assert said(bench.have_body(proposal), Vote) == []
    assert said(bench.seen, ViewChangeMessage) == []


def test_a_watching_validator_leads_nothing_and_changes_no_view() -> None:
    bench = Bench(me=1, last_signed=None)
    assert only(bench.started, RequestBlock) == []
    assert bench.replica.transactions_waiting(NOW) == []
    assert bench.replica.expire(TimerName.VIEW, NOW + 100_000) == []
    assert bench.replica.offer(1, 0, Candidate(NOW, ()), NOW) == []


@pytest.mark.parametrize("record", [b"", b"junk", encode_record(RecordKind.VOTE, 1, b"junk")])
def test_a_record_that_does_not_decode_is_named(record: bytes) -> None:
    tip = Bench().rules.tip
    with pytest.raises(ConsensusError) as caught:
        recover(CHAIN, tip, [record], INITIAL_LAST_SIGNED)
    assert caught.value.code == "vote-log-record"
    with pytest.raises(ConsensusError) as caught:
        recover(CHAIN, tip, [], b"junk")
    assert caught.value.code == "last-signed-record"
