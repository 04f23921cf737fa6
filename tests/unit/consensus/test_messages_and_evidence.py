"""Wire forms are a contract: golden vectors, bounds, and what evidence proves."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from consensus.bounds import (
    FUTURE_BYTES_PER_PEER_MAX,
    FUTURE_MESSAGES_PER_PEER_MAX,
    PEERS_KEPT_MAX,
    REPAIR_GAP_MS,
    SIGNATURES_KEPT_MAX,
)
from consensus.evidence import make_evidence, verify_evidence
from consensus.inbox import FutureBox, PeerTable
from consensus.messages import (
    GetProposal,
    ViewChangeMessage,
    compute_signed_view_change,
    decode_message,
    encode_message,
)
from consensus.pacing import Pacing
from consensus.signing import INITIAL_LAST_SIGNED
from consensus.verification import Verifier
from primitives import limits
from primitives.certificate import Phase
from primitives.codec import pack
from primitives.errors import CarbonodeError, CodecError, ProofError
from primitives.evidence import EVIDENCE
from primitives.hashing import Address
from primitives.keys import verify
from tests.unit.consensus.harness import CHAIN, NOW, PARAMS, Bench, hash_of


def fingerprint(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def test_the_bytes_of_every_message_are_fixed() -> None:
    bench = Bench()
    proposal = bench.proposal()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    item = bench.view_change(0, 1, prepared)
    found = {
        "pre-prepare": fingerprint(encode_message(bench.pre_prepare(proposal))),
        "new-view": fingerprint(encode_message(bench.pre_prepare(proposal, 1, [item]))),
        "prepare": fingerprint(encode_message(bench.vote(0, Phase.PREPARE, 7, hash_of("b")))),
        "view-change": fingerprint(encode_message(ViewChangeMessage(item, None))),
        "signed view-change": fingerprint(compute_signed_view_change(item, CHAIN, 0)),
        "status": fingerprint(encode_message(bench.status(1, None))),
        "get-proposal": fingerprint(encode_message(GetProposal(1, hash_of("b")))),
        "initial last-signed": fingerprint(INITIAL_LAST_SIGNED),
    }
    assert found == GOLDEN


GOLDEN = {
    "pre-prepare": "d3a57213cb05a4f2",
    "new-view": "5326439506f34f1e",
    "prepare": "9fb64711389befb8",
    "view-change": "5626b2ff4a837cd4",
    "signed view-change": "aaa1a19eb15910c8",
    "status": "c2c9c01dde818cd3",
    "get-proposal": "599aa64d7b8a6f1a",
    "initial last-signed": "e5ed6f7d90682564",
}


def test_every_message_survives_the_way_there_and_back() -> None:
    bench = Bench()
    proposal = bench.proposal()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    for message in (
        bench.pre_prepare(proposal, 1, [bench.view_change(0, 1, prepared)]),
        bench.vote(2, Phase.COMMIT, 3, hash_of("b"), hash_of("s")),
        ViewChangeMessage(bench.view_change(0, 1), prepared),
        replace(bench.status(2, prepared), prepares=(1 << 100) - 1),
        GetProposal(5, hash_of("b")),
    ):
        assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        pack([2]),
        pack([99, []]),
        pack([True, []]),
        pack([2, [], 1]),
        pack(0),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode_message(data)


def test_a_message_over_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(CodecError, match="too large"):
        decode_message(b"\x00" * (limits.MESSAGE_BYTES_MAX + 1))


def test_an_unknown_phase_is_refused() -> None:
    vote = replace(Bench().vote(0, Phase.COMMIT, 0, hash_of("b")), phase=3)
    with pytest.raises(CodecError):
        decode_message(encode_message(vote))


def test_evidence_of_two_votes_convinces_anyone_and_is_the_same_from_either_side() -> None:
    bench = Bench()
    one, two = (bench.vote(2, Phase.COMMIT, 1, hash_of(text), hash_of("s")) for text in "ab")
    encoded = make_evidence(one, two, 0, bench.validators)
    assert encoded == make_evidence(two, one, 0, bench.validators)
    evidence = verify_evidence(encoded, CHAIN, 0, bench.validators, verify)
    assert evidence.validator == bench.keys[2].public_key


def test_evidence_of_two_view_changes_convinces_anyone() -> None:
    bench = Bench()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, hash_of("b"))
    encoded = make_evidence(
        bench.view_change(1, 2), bench.view_change(1, 2, prepared), 0, bench.validators
    )
    evidence = verify_evidence(encoded, CHAIN, 0, bench.validators, verify)
    assert evidence.validator == bench.keys[1].public_key


def test_evidence_proves_nothing_about_honest_statements() -> None:
    bench = Bench()
    one = bench.vote(2, Phase.COMMIT, 1, hash_of("a"), hash_of("s"))
    honest = [
        one,
        bench.vote(2, Phase.COMMIT, 2, hash_of("b"), hash_of("s")),
        bench.vote(2, Phase.PREPARE, 1, hash_of("b")),
        bench.vote(2, Phase.COMMIT, 1, hash_of("b"), hash_of("s"), height=2),
        bench.vote(0, Phase.COMMIT, 1, hash_of("b"), hash_of("s")),
        replace(one, signature=bytes(64)),
        replace(one, block_hash=hash_of("b")),
    ]
    for other in honest:
        encoded = make_evidence(one, other, 0, bench.validators)
        with pytest.raises(CarbonodeError):
            verify_evidence(encoded, CHAIN, 0, bench.validators, verify)
    two = bench.vote(2, Phase.COMMIT, 1, hash_of("b"), hash_of("s"))
    good = EVIDENCE.decode(make_evidence(one, two, 0, bench.validators))
    for bad in (
        replace(good, validator=bench.keys[0].public_key),
        replace(good, height=9),
        replace(good, kind=2),
        replace(good, kind=7),
        replace(good, first=good.second, second=good.first),
    ):
        with pytest.raises(CarbonodeError):
            verify_evidence(EVIDENCE.encode(bad), CHAIN, 0, bench.validators, verify)
    with pytest.raises(ProofError):
        verify_evidence(EVIDENCE.encode(good), CHAIN, 1, bench.validators, verify)


def test_verified_signatures_are_remembered_within_a_bound_and_failures_never() -> None:
    calls: list[bytes] = []

    def check(key: bytes, message: bytes, signature: bytes) -> bool:
        calls.append(message)
        return signature != b"bad"

    verifier = Verifier(CHAIN, check)
    assert [verifier.is_signed(b"k", b"m", b"good") for _ in range(3)] == [True] * 3
    assert [verifier.is_signed(b"k", b"m", b"bad") for _ in range(3)] == [False] * 3
    assert len(calls) == 4
    for number in range(SIGNATURES_KEPT_MAX + 50):
        verifier.is_signed(b"k", b"%d" % number, b"good")
    assert verifier.held == SIGNATURES_KEPT_MAX


def test_a_block_costs_three_verifications_for_each_other_validator() -> None:
    bench = Bench()
    checked: list[bytes] = []
    known = bench.replica._verifier
    inner = known._check
    known._check = lambda key, message, sig: (checked.append(sig), inner(key, message, sig))[1]
    proposal = bench.proposal()
    bench.prepare(proposal)
    for signer in (0, 1, 2):
        for _ in range(2):
            bench.hear(bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("state")))
    certificate = bench.certificate(
        (0, 1, 2), Phase.COMMIT, 0, proposal.block_hash, hash_of("state")
    )
    bench.tip = bench.make_next_tip(proposal, certificate)
    bench.replica.caught_up(bench.tip, NOW)
    bench.hear(bench.pre_prepare(bench.proposal(ids=("next",))))
    # Leader's PREPARE and one more made it prepared with ours; two COMMITs with ours; the
    # third COMMIT comes again in the next certificate; the next leader's PREPARE.
    assert len(checked) <= 3 * (bench.count - 1)


def test_one_link_fills_only_its_own_place_for_early_messages() -> None:
    box = FutureBox()
    noisy, quiet = Address(bytes(32)), Address(b"\x01" * 32)
    kept = [box.add(noisy, b"%d" % number) for number in range(FUTURE_MESSAGES_PER_PEER_MAX + 9)]
    assert sum(kept) == FUTURE_MESSAGES_PER_PEER_MAX
    assert box.add(quiet, b"vote")
    big = FutureBox()
    size = FUTURE_BYTES_PER_PEER_MAX // 3
    assert [big.add(noisy, bytes([n]) * size) for n in range(4)] == [True, True, True, False]
    for number in range(2 * PEERS_KEPT_MAX):
        box.add(Address(number.to_bytes(32, "big")), b"x")
    assert box.held <= FUTURE_MESSAGES_PER_PEER_MAX + PEERS_KEPT_MAX + 1
    assert (quiet, b"vote") in box.take_all() and box.held == 0


def test_a_peer_is_answered_at_most_once_in_a_gap_and_remembered_within_a_bound() -> None:
    table = PeerTable()
    peer = Address(bytes(32))
    assert table.may_answer(peer, "repair", NOW)
    assert not table.may_answer(peer, "repair", NOW + REPAIR_GAP_MS - 1)
    assert table.may_answer(peer, "status", NOW)
    assert table.may_answer(peer, "repair", NOW + REPAIR_GAP_MS)
    for number in range(5 * PEERS_KEPT_MAX):
        other = Address(number.to_bytes(32, "big"))
        table.may_answer(other, "repair", NOW)
        table.blame(other, "x" * 10_000)
    assert table.held <= 5 * PEERS_KEPT_MAX
    assert all(len(view.last_error) <= 200 for view in table.get_all().values())


def test_a_dead_leader_does_not_make_timeouts_feed_on_themselves() -> None:
    pacing = Pacing()
    for _ in range(100):
        pacing.observe(1_000)
    assert pacing.compute_timeout(0, PARAMS) == 4_000
    # The replica counts a block's time from its own view: see HeightState.due_at_ms.
    bench = Bench(me=0)
    for _ in range(12):
        bench.replica.transactions_waiting(bench.now)
        bench.now += 1_000
        if bench.leader() == 0:
            continue
        fresh = bench.proposal(proposer=bench.leader(1), time_ms=bench.now)
        proof = [bench.view_change(n, 1) for n in (1, 2, 3)]
        bench.hear(bench.pre_prepare(fresh, 1, proof), peer=1)
        bench.now += 20
        bench.commit_next(fresh)
    assert bench.replica._pacing.compute_timeout(0, PARAMS) == PARAMS.timeout_base_ms
