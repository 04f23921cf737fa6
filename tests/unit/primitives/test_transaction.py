"""Signed transactions: layout, id, signature, and bytes that are none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from primitives import limits
from primitives.codec import pack
from primitives.errors import CodecError, ProofError
from primitives.hashing import Hash, Tag, compute_hash
from primitives.keys import PrivateKey
from primitives.transaction import (
    BODY,
    Call,
    TransactionBody,
    compute_transaction_id,
    decode_transaction,
    encode_arguments,
    is_signature_valid,
    make_nonce,
    sign_transaction,
    verify_transaction,
)

KEY = PrivateKey.from_seed(b"\x01" * 32)
BODY_SAMPLE = TransactionBody(
    version=1,
    chain_id=Hash(b"\xcc" * 32),
    sender=KEY.public_key,
    nonce=make_nonce(7),
    valid_until=100,
    gas_limit=50_000,
    calls=(Call("units", "transfer", (1, b"\x02" * 32, ["kg", None, True, 1 << 100])),),
)


def test_a_signed_transaction_has_its_golden_id() -> None:
    transaction = sign_transaction(BODY_SAMPLE, KEY)
    assert (
        transaction.id.hex() == "0f6ef74d9f23464cfdd24b70cb9c5b9d3c93331381e4b0983fdc9e7f294213f2"
    )
    assert transaction.encoded == BODY.encode(BODY_SAMPLE) + transaction.encoded[-64:]
    assert transaction.id == compute_hash(Tag.TRANSACTION_ID, transaction.encoded)


def test_what_was_signed_is_read_back_and_verifies() -> None:
    transaction = sign_transaction(BODY_SAMPLE, KEY)
    received = decode_transaction(transaction.encoded)
    assert received.body == BODY_SAMPLE
    assert received.id == transaction.id == compute_transaction_id(transaction.encoded)
    assert verify_transaction(received) == transaction


def test_every_changed_byte_is_refused_by_decoder_or_signature() -> None:
    encoded = sign_transaction(BODY_SAMPLE, KEY).encoded
    for position in range(len(encoded)):
        spoiled = bytearray(encoded)
        spoiled[position] ^= 0x01
        try:
            received = decode_transaction(bytes(spoiled))
        except CodecError:
            continue
        assert not is_signature_valid(received), position
        with pytest.raises(ProofError):
            verify_transaction(received)


def test_every_cut_and_every_addition_is_refused() -> None:
    encoded = sign_transaction(BODY_SAMPLE, KEY).encoded
    for size in range(len(encoded)):
        with pytest.raises(CodecError):
            decode_transaction(encoded[:size])
    for addition in (b"\0", b"\xc0", b"\0" * 64):
        with pytest.raises(CodecError):
            decode_transaction(encoded + addition)


def test_only_the_senders_key_signs() -> None:
    with pytest.raises(ProofError):
        sign_transaction(BODY_SAMPLE, PrivateKey.from_seed(b"\x02" * 32))


def test_a_signature_over_the_bare_body_is_not_one_over_the_transaction() -> None:
    unsigned = BODY.encode(BODY_SAMPLE)
    assert not is_signature_valid(decode_transaction(unsigned + KEY.sign(unsigned)))
    assert not is_signature_valid(
        decode_transaction(unsigned + KEY.sign(Tag.TRANSACTION_ID.value + unsigned))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": 0},
        {"chain_id": b"\xcc" * 31},
        {"nonce": b"\0" * 7},
        {"nonce": b"\0" * 9},
        {"valid_until": -1},
        {"valid_until": 1 << 63},
        {"gas_limit": -1},
        {"gas_limit": 1 << 63},
        {"calls": ()},
        {"calls": BODY_SAMPLE.calls * 101},
        {"calls": (Call("", "m", ()),)},
        {"calls": (Call("c", "", ()),)},
        {"calls": (Call("c" * 65, "m", ()),)},
        {"calls": (Call("c", "m", (0,) * 33),)},
        {"calls": (Call("c", "m", ("x" * (limits.VALUE_TEXT_BYTES_MAX + 1),)),)},
    ],
    ids=lambda change: next(iter(change)) + repr(next(iter(change.values())))[:30],
)
def test_a_body_outside_its_limits_cannot_be_signed(change: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        sign_transaction(replace(BODY_SAMPLE, **change), KEY)  # type: ignore[arg-type]  # spoiled on purpose


def test_a_hundred_calls_are_accepted() -> None:
    body = replace(BODY_SAMPLE, calls=BODY_SAMPLE.calls * 100)
    assert len(sign_transaction(body, KEY).body.calls) == 100


def test_a_transaction_over_128_kib_is_refused() -> None:
    calls = (Call("c", "m", (b"x" * limits.VALUE_TEXT_BYTES_MAX,) * 2),)
    with pytest.raises(CodecError):
        sign_transaction(replace(BODY_SAMPLE, calls=calls), KEY)
    with pytest.raises(CodecError, match="transaction size"):
        decode_transaction(b"\x97" * (limits.TRANSACTION_BYTES_MAX + 1))


def test_arguments_are_the_canonical_list_of_values() -> None:
    assert encode_arguments((1, "a")) == pack([1, "a"])
    assert make_nonce(258).hex() == "0000000000000102"
