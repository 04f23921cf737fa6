"""Wire forms, records and refusals: every field at its bound, every refusal by its code.

The expected bytes are put together by hand from the lists in docs/protocol.md; the codes are
what logs, metrics and other programs read.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.effects import Broadcast, Candidate
from consensus.errors import ConsensusError, SignerRefusedError
from consensus.evidence import make_evidence, verify_evidence
from consensus.messages import (
    VIEW_CHANGE,
    VOTE,
    EvidenceMessage,
    GetProposal,
    Message,
    ProposalMessage,
    Status,
    ViewChangeMessage,
    decode_message,
    encode_message,
)
from consensus.recovery import RECORD, RecordKind, encode_record
from consensus.rules import check_content, check_fresh, check_successor, make_proposal
from consensus.signing import (
    INITIAL_LAST_SIGNED,
    LAST_SIGNED,
    NOTHING_SIGNED,
    LastSigned,
    SignerGuard,
    Step,
)
from primitives.block import HEADER, compute_header_hash
from primitives.certificate import Certificate, Phase
from primitives.codec import Struct, pack
from primitives.errors import CarbonodeError, CodecError, ProofError
from primitives.evidence import EVIDENCE, TWO_VOTES
from primitives.hashing import ZERO_HASH, Address
from primitives.keys import verify
from tests.unit.consensus.harness import CHAIN, NOW, PARAMS, Bench, hash_of

MIB = 1024 * 1024
SIGNATURE = bytes(range(64))


def as_list(certificate: Certificate) -> list[object]:
    return [
        certificate.height, certificate.view, certificate.block_hash, certificate.exec_hash,
        list(certificate.signers), list(certificate.signatures),
    ]  # fmt: skip


# -- messages ------------------------------------------------------------------------------------


def test_every_message_is_its_number_and_the_list_of_its_fields() -> None:
    bench = Bench()
    proposal = bench.proposal()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    item = bench.view_change(0, 1, prepared)
    change = [1, 1, as_list(prepared), 0, item.signature]
    content = [HEADER.to_wire(proposal.header), list(proposal.transaction_ids), []]
    own = bench.pre_prepare(proposal, 1, [item])
    vote = bench.vote(2, Phase.COMMIT, 3, hash_of("b"), hash_of("s"))
    maps = (1 << 100) - 1
    expected: list[tuple[Message, list[object]]] = [
        (own, [1, [1, 1, *content, None, [change], own.signature]]),
        (vote, [2, [2, 1, 3, hash_of("b"), hash_of("s"), 2, vote.signature]]),
        (ViewChangeMessage(item, prepared), [3, [change, as_list(prepared)]]),
        (
            Status(2, 3, True, maps, 4, 5, prepared),
            [4, [2, 3, True, maps, 4, 5, as_list(prepared)]],
        ),
        (GetProposal(5, hash_of("b")), [5, [5, hash_of("b")]]),
        (
            ProposalMessage(proposal.header, proposal.transaction_ids, (b"e",), prepared),
            [6, [*content[:2], [b"e"], as_list(prepared)]],
        ),
        (EvidenceMessage(b"proof"), [7, [b"proof"]]),
    ]
    for message, wire in expected:
        assert encode_message(message) == pack(wire)
        assert decode_message(pack(wire)) == message


VOTE_WIRE = [2, 1, 0, bytes(32), bytes(32), 0, bytes(64)]
CHANGE_WIRE = [1, 1, None, 0, bytes(64)]
LAST_WIRE = [1, 0, 0, bytes(32), bytes(64)]


@pytest.mark.parametrize(
    ("form", "wire", "field", "highest"),
    [
        (VOTE, VOTE_WIRE, 0, (1 << 8) - 1),
        (VOTE, VOTE_WIRE, 1, (1 << 63) - 1),
        (VOTE, VOTE_WIRE, 2, (1 << 32) - 1),
        (VOTE, VOTE_WIRE, 5, (1 << 16) - 1),
        (VIEW_CHANGE, CHANGE_WIRE, 0, (1 << 63) - 1),
        (VIEW_CHANGE, CHANGE_WIRE, 1, (1 << 32) - 1),
        (VIEW_CHANGE, CHANGE_WIRE, 3, (1 << 16) - 1),
        (LAST_SIGNED, LAST_WIRE, 0, (1 << 63) - 1),
        (LAST_SIGNED, LAST_WIRE, 1, (1 << 32) - 1),
        (LAST_SIGNED, LAST_WIRE, 2, (1 << 8) - 1),
        (RECORD, [1, 1, b""], 0, (1 << 8) - 1),
        (RECORD, [1, 1, b""], 1, (1 << 63) - 1),
    ],
)
def test_an_integer_is_taken_up_to_its_width_and_not_one_higher(
    form: Struct[object], wire: list[object], field: int, highest: int
) -> None:
    for value in (0, highest - 1, highest):
        good = [*wire[:field], value, *wire[field + 1 :]]
        assert form.encode(form.decode(pack(good))) == pack(good)
    with pytest.raises(CodecError):
        form.decode(pack([*wire[:field], highest + 1, *wire[field + 1 :]]))


@pytest.mark.parametrize(
    ("form", "bytes_max"),
    [(VOTE, 512), (VIEW_CHANGE, 32 * 1024), (LAST_SIGNED, 256), (RECORD, 2 * MIB + 64)],
)
def test_bytes_over_the_bound_are_refused_before_they_are_parsed(
    form: Struct[object], bytes_max: int
) -> None:
    for size, is_parsed in ((bytes_max, True), (bytes_max + 1, False)):
        with pytest.raises(CodecError) as caught:
            form.decode(b"\x00" * size)
        assert (caught.value.args[0] != "too large") is is_parsed


def test_a_message_may_fill_the_bound_to_the_byte() -> None:
    bench = Bench()
    message = bench.pre_prepare(bench.proposal())
    pieces = [bytes(64 * 1024)] * 31
    rest = 2 * MIB - len(encode_message(replace(message, evidence=(*pieces, bytes(60_000)))))
    full = replace(message, evidence=(*pieces, bytes(60_000 + rest)))
    data = encode_message(full)
    assert len(data) == 2 * MIB and decode_message(data) == full
    with pytest.raises(CodecError, match="too large"):
        decode_message(encode_message(replace(full, evidence=(*pieces, bytes(60_001 + rest)))))


def test_the_number_of_a_message_is_an_integer_and_a_known_one() -> None:
    bench = Bench()
    wire = encode_message(bench.pre_prepare(bench.proposal()))
    assert wire[:2] == b"\x92\x01"  # a list of two, the number 1
    with pytest.raises(CodecError, match="kind, body"):
        decode_message(b"\x92\xc3" + wire[2:])  # True equals 1 and is no number
    for kind in (0, 8, 99):
        with pytest.raises(CodecError) as caught:
            decode_message(pack([kind, []]))
        assert caught.value.values_seen == {"kind": kind}


def test_a_message_for_all_is_handed_on() -> None:
    assert Broadcast(b"").relay


# -- records -------------------------------------------------------------------------------------


def test_the_vote_log_s_records_are_fixed() -> None:
    kinds = {"PROPOSAL": 1, "VOTE": 2, "PREPARED": 3, "VIEW_CHANGE": 4}
    assert {kind.name: int(kind) for kind in RecordKind} == kinds
    for kind in RecordKind:
        assert encode_record(kind, 7, b"data") == pack([int(kind), 7, b"data"])


def test_a_record_holds_the_largest_message() -> None:
    data = bytes(2 * MIB)
    assert RECORD.decode(encode_record(RecordKind.PROPOSAL, (1 << 63) - 1, data)).data == data
    with pytest.raises(CodecError):
        RECORD.decode(encode_record(RecordKind.PROPOSAL, 1, data + b"\0"))


def test_the_last_signed_record_is_fixed() -> None:
    assert pack([0, 0, 0, bytes(32), bytes(64)]) == INITIAL_LAST_SIGNED
    last = LastSigned(5, 6, int(Step.COMMIT), hash_of("d"), SIGNATURE)
    assert LAST_SIGNED.encode(last) == pack([5, 6, 2, hash_of("d"), SIGNATURE])


def test_the_signer_signs_the_same_words_at_a_later_place_as_a_new_step() -> None:
    guard = SignerGuard(Bench().keys[0], NOTHING_SIGNED)
    guard.sign(5, 1, Step.PREPARE, b"one")
    guard.sign(5, 2, Step.PREPARE, b"one")
    assert guard.last.place == (5, 2, 1)
    with pytest.raises(SignerRefusedError) as caught:
        guard.sign(5, 1, Step.PREPARE, b"one")
    assert caught.value.code == "signer-refused"
    assert caught.value.values_seen == {"asked": (5, 1, 1), "last": (5, 2, 1)}


def test_errors_of_the_core_have_their_codes() -> None:
    assert (ConsensusError("x").code, SignerRefusedError("x").code) == (
        "consensus",
        "signer-refused",
    )


# -- evidence ------------------------------------------------------------------------------------


def refuse(encoded: bytes, bench: Bench) -> str:
    with pytest.raises(CarbonodeError) as caught:
        verify_evidence(encoded, CHAIN, 0, bench.validators, verify)
    return caught.value.code


def test_evidence_that_proves_nothing_is_refused_by_its_code() -> None:
    bench = Bench()
    one = bench.vote(2, Phase.COMMIT, 1, hash_of("a"), hash_of("s"))
    two = bench.vote(2, Phase.COMMIT, 1, hash_of("b"), hash_of("s"))
    encoded = make_evidence(one, two, 0, bench.validators)
    good = EVIDENCE.decode(encoded)
    assert verify_evidence(encoded, CHAIN, 0, bench.validators, verify) == good
    refusals = {
        "evidence-epoch": [replace(good, epoch=1)],
        "evidence-place": [
            replace(good, first=good.second, second=good.first),
            replace(good, second=good.first),
            replace(good, second=VOTE.encode(replace(two, view=2))),
            replace(good, second=VOTE.encode(replace(two, signer=3))),
        ],
        "evidence-validator": [
            replace(good, height=2),
            replace(good, validator=bench.keys[0].public_key),
            replace(good, validator=Address(hash_of("stranger"))),
        ],
        "evidence-same": [
            replace(good, first=VOTE.encode(item[0]), second=VOTE.encode(item[1]))
            for item in [sorted((one, replace(one, signature=SIGNATURE)), key=VOTE.encode)]
        ],
        "evidence-signature": [
            EVIDENCE.decode(make_evidence(*pair, 0, bench.validators))
            for pair in (
                (one, replace(two, signature=SIGNATURE)),
                (replace(one, signature=SIGNATURE), two),
            )
        ],
        "codec": [
            replace(good, kind=3),
            replace(good, first=VOTE.encode(replace(one, phase=3))),
            replace(good, first=b""),
        ],
    }
    for code, pieces in refusals.items():
        for evidence in pieces:
            assert refuse(EVIDENCE.encode(evidence), bench) == code, evidence


def test_a_key_that_signs_under_another_s_number_convicts_neither() -> None:
    # The number is no part of the signed bytes: it only says which key to try.
    bench = Bench()
    bench.keys[2] = bench.keys[0]
    one, two = (bench.vote(2, Phase.COMMIT, 1, hash_of(text), hash_of("s")) for text in "ab")
    encoded = make_evidence(one, two, 0, bench.validators)
    evidence = replace(EVIDENCE.decode(encoded), validator=bench.keys[0].public_key)
    assert evidence.kind == TWO_VOTES
    assert refuse(EVIDENCE.encode(evidence), bench) == "evidence-validator"
    assert refuse(encoded, bench) == "evidence-signature"


# -- blocks --------------------------------------------------------------------------------------


def test_a_block_s_time_is_the_clock_s_or_one_after_its_parent_s() -> None:
    rules = Bench().rules
    parent = rules.tip.time_ms
    address = rules.validators.members[0].public_key
    for clock, time_ms in ((parent, parent + 1), (parent + 1, parent + 1), (NOW, NOW)):
        made = make_proposal(rules, address, Candidate(clock, ()))
        assert made.header.time_ms == time_ms
        check_successor(rules, made.header, None)
    with pytest.raises(ProofError) as caught:
        check_successor(rules, replace(made.header, time_ms=parent), None)
    assert caught.value.code == "header-time"


def test_a_block_may_be_full_and_a_clock_may_drift_to_the_unit() -> None:
    bench = Bench()
    rules, proposal = bench.rules, bench.proposal()
    full = replace(proposal.header, tx_count=PARAMS.block_transactions_max)
    check_successor(rules, full, None)
    drifted = replace(proposal.header, time_ms=NOW + PARAMS.clock_drift_ms)
    check_fresh(rules, drifted, bench.leader(), NOW)
    with pytest.raises(ProofError) as caught:
        check_fresh(rules, drifted, bench.leader(), NOW - 1)
    assert caught.value.code == "header-time-ahead"
    twice = bench.proposal(ids=("a", "a"))
    with pytest.raises(ProofError) as caught:
        check_content(twice)
    assert caught.value.code == "header-duplicate"


def test_a_successor_without_its_parent_s_certificate_is_refused_by_its_code() -> None:
    bench = Bench()
    bench.commit_next()
    rules, good = bench.rules, bench.proposal()
    parent = rules.tip.certificate
    assert parent is not None
    orphan = replace(good.header, prev_cert_hash=ZERO_HASH)
    with pytest.raises(ProofError) as caught:
        check_successor(rules, orphan, None)
    assert caught.value.code == "header-parent-certificate"
    for changes in (
        {"height": 2}, {"block_hash": hash_of("x")}, {"exec_hash": hash_of("x")},
    ):  # fmt: skip
        other = replace(parent, **changes)  # type: ignore[arg-type]  # fields by name
        made = make_proposal(
            replace(rules, tip=replace(rules.tip, certificate=other)),
            good.header.proposer,
            Candidate(NOW, ()),
        )
        assert compute_header_hash(made.header) == made.block_hash
        with pytest.raises(ProofError) as caught:
            check_successor(rules, made.header, other)
        assert caught.value.code == "header-parent-certificate"
