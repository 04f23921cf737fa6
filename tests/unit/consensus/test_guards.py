"""Guards that honest traffic never touches, each with a test that dies without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.bounds import PROPOSALS_KEPT_MAX, VIEWS_KEPT_MAX
from consensus.effects import (
    Behind,
    Candidate,
    Commit,
    FetchBody,
    Grade,
    Proposal,
    Reject,
    Send,
    SetTimer,
    TimerName,
)
from consensus.height import Accepted, HeightState
from consensus.messages import Status, VerifiedVote, ViewChangeMessage, Vote, decode_message
from consensus.recovery import RECORD, RecordKind, encode_record
from consensus.rules import HeightRules, check_content, check_successor, make_proposal
from consensus.signing import INITIAL_LAST_SIGNED, LAST_SIGNED
from consensus.votes import VoteBook
from primitives.block import compute_header_hash
from primitives.certificate import Phase, compute_certificate_hash
from primitives.errors import ProofError
from primitives.hashing import ZERO_HASH, Address, Hash
from tests.unit.consensus.harness import CHAIN, NOW, PARAMS, Bench, hash_of, make_keys, only, said


def with_header(proposal: Proposal, **changes: object) -> Proposal:
    header = replace(proposal.header, **changes)  # type: ignore[arg-type]  # fields by name
    return replace(proposal, header=header, block_hash=compute_header_hash(header))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": 2}, "header-version"),
        ({"chain_id": hash_of("x")}, "header-chain-id"),
        ({"height": 2}, "header-height"),
        ({"parent_hash": hash_of("x")}, "header-parent-hash"),
        ({"prev_exec_hash": hash_of("x")}, "header-prev-exec-hash"),
        ({"prev_cert_hash": hash_of("x")}, "header-prev-cert-hash"),
        ({"epoch": 1}, "header-epoch"),
        ({"validators_hash": hash_of("x")}, "header-validators-hash"),
        ({"params_hash": hash_of("x")}, "header-params-hash"),
        ({"time_ms": NOW - 60_000}, "header-time"),
        ({"tx_count": PARAMS.block_transactions_max + 1}, "header-tx-count"),
        ({"tx_count": 2}, "header-tx-count"),
        ({"txs_root": hash_of("x")}, "header-txs-root"),
        ({"evidence_root": hash_of("x")}, "header-evidence-root"),
        ({"proposer": make_keys(4)[2].public_key}, "header-proposer"),
        ({"proposer": Address(hash_of("stranger"))}, "header-proposer"),
    ],
)
def test_a_proposal_with_one_wrong_field_is_refused(changes: dict[str, object], code: str) -> None:
    bench = Bench()
    message = bench.pre_prepare(with_header(bench.proposal(), **changes))
    effects = bench.hear(message, peer=bench.leader())
    (reject,) = only(effects, Reject)
    assert (reject.reason, reject.grade) == (f"proposal: {code}", Grade.MALFORMED)
    assert only(effects, FetchBody) == []


def test_the_successor_check_alone_refuses_what_sync_must_not_write() -> None:
    bench = Bench()
    bench.commit_next()
    rules, parent = bench.rules, bench.rules.tip.certificate
    good = bench.proposal()
    check_successor(rules, good.header, parent)
    stranger = with_header(good, proposer=Address(hash_of("stranger"))).header
    too_many = with_header(good, tx_count=PARAMS.block_transactions_max + 1).header
    orphan = with_header(good, prev_cert_hash=ZERO_HASH).header
    assert parent is not None
    other = replace(parent, exec_hash=hash_of("other"))
    named = with_header(good, prev_cert_hash=compute_certificate_hash(other)).header
    for header, certificate in (
        (stranger, parent), (too_many, parent), (orphan, None), (named, other),
    ):  # fmt: skip
        with pytest.raises(ProofError):
            check_successor(rules, header, certificate)
    with pytest.raises(ProofError):
        check_content(replace(good, evidence=(b"x",)))


def test_evidence_in_a_block_must_prove_something_and_ours_is_sorted_out() -> None:
    bench = Bench()
    address = bench.keys[bench.leader()].public_key
    made = Bench(me=1)
    candidate = Candidate(NOW, (), (b"junk",))
    effects = made.replica.offer(1, 0, candidate, NOW)
    (message,) = said(effects, type(bench.pre_prepare(bench.proposal())))
    assert message.evidence == ()
    proposal = make_with_evidence(bench.rules, address)
    (reject,) = only(bench.hear(bench.pre_prepare(proposal), peer=1), Reject)
    assert reject.reason == "proposal: codec"


def make_with_evidence(rules: HeightRules, address: Address) -> Proposal:
    return make_proposal(rules, address, Candidate(NOW, (), (b"junk",)))


def test_prepares_for_another_block_do_not_prepare_the_accepted_one() -> None:
    bench = Bench(count=7, me=6)
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    for signer in (0, 2, 3, 4, 5):
        bench.hear(bench.vote(signer, Phase.PREPARE, 0, hash_of("other")))
    state = bench.replica._state
    state.votes.add(VerifiedVote(bench.vote(6, Phase.PREPARE, 0, hash_of("other"))))
    bench.have_body(proposal)
    bench.have_executed(proposal)
    assert bench.replica.describe(NOW).prepared_view is None


def test_a_prepare_names_no_execution() -> None:
    bench = Bench()
    vote = bench.vote(0, Phase.PREPARE, 0, hash_of("b"), hash_of("state"))
    (reject,) = only(bench.hear(vote), Reject)
    assert reject.grade is Grade.FORGED
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, hash_of("b"), hash_of("state"))
    (reject,) = only(bench.hear(bench.view_change(0, 1, prepared)), Reject)
    assert "prepared-exec-hash" in reject.reason


def test_a_block_prepared_at_another_height_counts_for_nothing() -> None:
    bench = Bench()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, hash_of("b"), height=2)
    (reject,) = only(bench.hear(bench.view_change(0, 1, prepared)), Reject)
    assert "view-change-prepared" in reject.reason


def test_nobody_changes_to_view_0() -> None:
    bench = Bench()
    (reject,) = only(bench.hear(bench.view_change(0, 0)), Reject)
    assert reject.grade is Grade.MALFORMED


def test_the_clock_of_a_view_starts_when_a_quorum_is_there_or_beyond() -> None:
    # With "exactly this view" one liar and one replica ahead leave two others without a clock.
    bench = Bench()
    bench.replica.transactions_waiting(NOW)
    bench.replica.expire(TimerName.VIEW, NOW + 1_000)
    bench.hear(bench.view_change(0, 1))
    (timer,) = only(bench.hear(bench.view_change(1, 2)), SetTimer)
    assert timer.at_ms == NOW + 2 * PARAMS.timeout_base_ms


def test_a_replica_that_knows_the_height_is_over_leaves_no_view() -> None:
    bench = Bench()
    bench.replica.transactions_waiting(NOW)
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    effects = bench.hear(bench.status(2, certificate))
    assert len(only(effects, Behind)) == 1
    assert "CancelTimer" in [type(effect).__name__ for effect in effects]
    assert bench.replica.expire(TimerName.VIEW, NOW + 60_000) == []
    # It goes on asking at every tick, and once only in between.
    assert only(bench.hear(bench.vote(0, Phase.COMMIT, 3, hash_of("c"))), Behind) == []
    assert len(only(bench.replica.expire(TimerName.STATUS, NOW + 1_000), Behind)) == 1
    bench.replica._state.timer_at_ms = NOW
    assert said(bench.replica.expire(TimerName.VIEW, NOW + 60_000), ViewChangeMessage) == []


def test_a_certificate_of_an_epoch_with_unknown_validators_is_a_hint_only() -> None:
    bench = Bench()
    far = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("b"), hash_of("s"), height=25)
    (behind,) = only(bench.hear(bench.status(26, far)), Behind)
    assert (behind.height, behind.verified) == (25, False)


def test_a_view_change_without_the_proof_of_its_height_is_refused() -> None:
    bench = Bench()
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    message = ViewChangeMessage(bench.view_change(0, 1), certificate)
    (reject,) = only(bench.hear(message), Reject)
    assert reject.reason == "a height without its proof"


def test_a_prepared_block_is_remembered_from_the_view_change_in_the_log() -> None:
    before = Bench()
    proposal = before.proposal()
    before.prepare(proposal)
    for signer in (0, 1):
        before.hear(before.view_change(signer, 2))
    records = [r for r in before.records_seen if ViewChangeMessage in _kinds(r)]
    assert len(records) == 1
    after = Bench(records=records)
    assert after.replica.describe(NOW).prepared_view == 0


def _kinds(record: bytes) -> list[type]:
    decoded = RECORD.decode(record)
    return [type(decode_message(decoded.data))] if decoded.kind != RecordKind.PREPARED else []


def test_a_log_that_says_something_else_than_the_record_keeps_us_silent() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.have_body(proposal)
    assert bench.replica._guard is not None
    other = replace(bench.replica._guard.last, digest=hash_of("something else"))
    after = Bench(records=bench.records_seen, last_signed=LAST_SIGNED.encode(other))
    assert after.replica.describe(NOW).role == "watching"
    assert encode_record(RecordKind.VOTE, 1, b"") != INITIAL_LAST_SIGNED


def test_status_asks_for_no_prepares_once_prepared_and_repairs_only_what_is_lacking() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    (status,) = said(bench.replica.expire(TimerName.STATUS, NOW), Status)
    assert status.prepares == 0b1111 and status.commits == 0b1000
    assert bench.hear(replace(status, commits=0b1111)) == []
    bench.now += 1_000
    (send,) = only(bench.hear(replace(status, commits=0)), Send)
    vote = decode_message(send.data)
    assert isinstance(vote, Vote) and (vote.phase, vote.signer) == (Phase.COMMIT, 3)


def test_old_view_changes_are_not_handed_to_a_peer_of_our_view() -> None:
    bench = Bench()
    bench.hear(bench.view_change(0, 1))
    fresh = bench.proposal(proposer=bench.leader(5))
    bench.hear(bench.pre_prepare(fresh, 5, [bench.view_change(n, 5) for n in (0, 1, 2)]))
    effects = bench.hear(replace(bench.status(1, None, view=5), has_proposal=True))
    kinds = [type(decode_message(effect.data)) for effect in only(effects, Send)]
    assert ViewChangeMessage not in kinds


def test_one_peer_alone_does_not_end_the_watch() -> None:
    bench = Bench(me=0, last_signed=None)
    bench.hear(bench.status(1, None), peer=1)
    bench.hear(bench.status(1, None), peer=2)
    for _ in range(4):
        bench.commit_next()
    assert bench.replica.describe(NOW).role == "watching"


def test_a_vote_below_its_signers_kept_views_is_dropped() -> None:
    bench, book = Bench(), VoteBook()
    for view in range(10, 10 + VIEWS_KEPT_MAX):
        assert book.add(VerifiedVote(bench.vote(0, Phase.PREPARE, view, hash_of("b"))))
    assert not book.add(VerifiedVote(bench.vote(0, Phase.PREPARE, 3, hash_of("b"))))
    assert book.get_views(Phase.PREPARE) == [13, 12, 11, 10]


def test_nothing_is_voted_while_the_block_is_being_written() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    for signer in (0, 1, 2):
        bench.hear(bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")))
    bench.have_body(proposal)
    assert len(only(bench.have_executed(proposal), Commit)) == 1
    assert bench.have_executed(proposal) == []
    assert bench.have_body(proposal) == []


def test_the_accepted_proposal_is_never_the_one_that_gives_way() -> None:
    bench = Bench()
    state = HeightState(bench.rules, 3)
    first = bench.proposal(ids=("first",))
    state.keep_proposal(first)
    state.accepted = Accepted(0, first.block_hash, b"")
    for number in range(3 * PROPOSALS_KEPT_MAX):
        state.keep_proposal(bench.proposal(ids=(f"{number}",)))
    assert len(state.proposals) == PROPOSALS_KEPT_MAX
    assert Hash(first.block_hash) in state.proposals
    assert first.header.chain_id == CHAIN
