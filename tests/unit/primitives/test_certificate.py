"""Commit certificates spoiled in every way must be refused, each for its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from primitives.certificate import (
    CERTIFICATE,
    Certificate,
    Phase,
    compute_certificate_hash,
    compute_vote_bytes,
    verify_certificate,
)
from primitives.errors import CodecError, ProofError
from primitives.hashing import ZERO_HASH, Hash
from primitives.keys import PrivateKey
from primitives.validators import Validator, ValidatorSet

CHAIN = Hash(b"\x11" * 32)
BLOCK = Hash(b"\x22" * 32)
EXECUTION = Hash(b"\x33" * 32)
KEYS = [PrivateKey.from_seed(bytes([number + 1]) * 32) for number in range(7)]
SET = ValidatorSet(
    tuple(Validator(f"v{number}", key.public_key) for number, key in enumerate(KEYS))
)
OTHERS = [PrivateKey.from_seed(bytes([number + 101]) * 32) for number in range(7)]


def vote(
    key: PrivateKey,
    *,
    phase: Phase = Phase.COMMIT,
    chain: Hash = CHAIN,
    epoch: int = 2,
    height: int = 9,
    view: int = 3,
    block: Hash = BLOCK,
    execution: Hash = EXECUTION,
) -> bytes:
    return key.sign(compute_vote_bytes(phase, chain, epoch, height, view, block, execution))


def make_certificate(signers: tuple[int, ...] = (0, 2, 3, 5, 6)) -> Certificate:
    signatures = tuple(vote(KEYS[signer]) for signer in signers)
    return Certificate(9, 3, BLOCK, EXECUTION, signers, signatures)


GOOD = make_certificate()


def check(certificate: Certificate) -> None:
    verify_certificate(certificate, CHAIN, 2, SET)


def with_signature(position: int, signature: bytes) -> Certificate:
    signatures = list(GOOD.signatures)
    signatures[position] = signature
    return replace(GOOD, signatures=tuple(signatures))


def test_a_quorum_of_valid_signatures_is_accepted() -> None:
    check(GOOD)
    check(make_certificate(tuple(range(7))))
    check(make_certificate((2, 3, 4, 5, 6)))


SPOILED: dict[str, tuple[str, Callable[[], Certificate]]] = {
    "one signer too few": ("certificate-quorum", lambda: make_certificate((0, 1, 2, 3))),
    "no signer": ("certificate-quorum", lambda: make_certificate(())),
    "a signature missing": (
        "certificate-shape",
        lambda: replace(GOOD, signatures=GOOD.signatures[:-1]),
    ),
    "a signature too many": (
        "certificate-shape",
        lambda: replace(GOOD, signatures=(*GOOD.signatures, GOOD.signatures[0])),
    ),
    "a signer repeated": ("certificate-order", lambda: make_certificate((0, 0, 2, 3, 5))),
    "signers out of order": ("certificate-order", lambda: make_certificate((2, 0, 3, 5, 6))),
    "a signer beyond the set": (
        "certificate-signer",
        lambda: replace(GOOD, signers=(0, 2, 3, 5, 7)),
    ),
    "a stranger's signature": ("certificate-signature", lambda: with_signature(0, vote(OTHERS[0]))),
    "two signatures swapped": (
        "certificate-signature",
        lambda: replace(
            GOOD, signatures=(GOOD.signatures[1], GOOD.signatures[0], *GOOD.signatures[2:])
        ),
    ),
    "another member named": (
        "certificate-signature",
        lambda: replace(GOOD, signers=(1, 2, 3, 5, 6)),
    ),
    "zeros as the last signature": (
        "certificate-signature",
        lambda: with_signature(4, bytes(64)),
    ),
    "a PREPARE instead of a COMMIT": (
        "certificate-signature",
        lambda: with_signature(2, vote(KEYS[3], phase=Phase.PREPARE)),
    ),
    "another chain's vote": (
        "certificate-signature",
        lambda: with_signature(2, vote(KEYS[3], chain=Hash(b"\x12" * 32))),
    ),
    "another epoch's vote": (
        "certificate-signature",
        lambda: with_signature(2, vote(KEYS[3], epoch=1)),
    ),
    "another height's vote": (
        "certificate-signature",
        lambda: with_signature(2, vote(KEYS[3], height=8)),
    ),
    "another view's vote": (
        "certificate-signature",
        lambda: with_signature(2, vote(KEYS[3], view=2)),
    ),
    "another block's vote": (
        "certificate-signature",
        lambda: with_signature(2, vote(KEYS[3], block=Hash(b"\x23" * 32))),
    ),
    "another result's vote": (
        "certificate-signature",
        lambda: with_signature(2, vote(KEYS[3], execution=Hash(b"\x34" * 32))),
    ),
    "height changed": ("certificate-signature", lambda: replace(GOOD, height=10)),
    "view changed": ("certificate-signature", lambda: replace(GOOD, view=4)),
    "block hash changed": (
        "certificate-signature",
        lambda: replace(GOOD, block_hash=Hash(b"\x23" * 32)),
    ),
    "execution hash changed": (
        "certificate-signature",
        lambda: replace(GOOD, exec_hash=ZERO_HASH),
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_certificate_is_refused_for_its_reason(name: str) -> None:
    code, spoil = SPOILED[name]
    with pytest.raises(ProofError) as refused:
        check(spoil())
    assert refused.value.code == code


@pytest.mark.parametrize("position", range(5))
def test_each_single_signature_is_checked(position: int) -> None:
    spoiled = bytearray(GOOD.signatures[position])
    spoiled[7] ^= 0x10
    with pytest.raises(ProofError):
        check(with_signature(position, bytes(spoiled)))


def test_extra_signers_beyond_the_quorum_are_checked_too() -> None:
    full = make_certificate(tuple(range(7)))
    spoiled = replace(full, signatures=(*full.signatures[:-1], bytes(64)))
    with pytest.raises(ProofError):
        check(spoiled)


def test_it_holds_only_for_its_chain_epoch_and_set() -> None:
    other_set = ValidatorSet(
        tuple(Validator(f"v{number}", key.public_key) for number, key in enumerate(OTHERS))
    )
    for chain, epoch, validators in [
        (Hash(b"\x12" * 32), 2, SET),
        (CHAIN, 3, SET),
        (CHAIN, 2, other_set),
        (CHAIN, 2, ValidatorSet(SET.members[::-1])),
    ]:
        with pytest.raises(ProofError):
            verify_certificate(GOOD, chain, epoch, validators)


def test_it_is_read_back_from_its_bytes_and_every_cut_is_refused() -> None:
    encoded = CERTIFICATE.encode(GOOD)
    assert CERTIFICATE.decode(encoded) == GOOD
    for size in range(0, len(encoded), 7):
        with pytest.raises(CodecError):
            CERTIFICATE.decode(encoded[:size])


def test_its_hash_is_golden_and_genesis_has_none() -> None:
    assert (
        compute_certificate_hash(GOOD).hex()
        == "5278ba70dcdc386c29a9d3b7f4a18eeff518336f5a1b330d69c6e37399783899"
    )
    assert compute_certificate_hash(None) == ZERO_HASH


def test_a_prepare_and_a_commit_never_sign_the_same_bytes() -> None:
    prepare = compute_vote_bytes(Phase.PREPARE, CHAIN, 0, 1, 0, BLOCK)
    commit = compute_vote_bytes(Phase.COMMIT, CHAIN, 0, 1, 0, BLOCK)
    assert prepare != commit
