"""Commit certificates and the one function that verifies them (rule R6).

A certificate is q COMMIT signatures over the same (height, view, block hash,
execution hash). Every signature is checked, there is no padding, and the set is
the one of that height: FISCO checked an old proof with the new set, others let
extra or repeated signers through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from primitives import limits
from primitives.codec import Array, Bytes, Struct, Uint, pack
from primitives.errors import ProofError
from primitives.hashing import ZERO_HASH, Hash, Tag, compute_hash
from primitives.keys import verify
from primitives.validators import ValidatorSet


class Phase(IntEnum):
    """What a vote says; part of the signed bytes, so no vote passes for another."""

    PREPARE = 1
    COMMIT = 2


@dataclass(frozen=True, slots=True)
class Certificate:
    """Proof that ``block_hash`` with ``exec_hash`` is final at ``height``.

    ``signers`` are the indices into the height's validator set, strictly ascending;
    ``signatures`` are theirs, in the same order.
    """

    height: int
    view: int
    block_hash: Hash
    exec_hash: Hash
    signers: tuple[int, ...]
    signatures: tuple[bytes, ...]


CERTIFICATE = Struct(
    Certificate,
    16 * 1024,
    height=Uint(),
    view=Uint(32),
    block_hash=Bytes(limits.HASH_BYTES),
    exec_hash=Bytes(limits.HASH_BYTES),
    signers=Array(Uint(16), limits.VALIDATORS_MAX, min=1),
    signatures=Array(Bytes(limits.SIGNATURE_BYTES), limits.VALIDATORS_MAX, min=1),
)


def compute_vote_bytes(
    phase: Phase,
    chain_id: Hash,
    epoch: int,
    height: int,
    view: int,
    block_hash: Hash,
    exec_hash: Hash = ZERO_HASH,
) -> bytes:
    """Return the bytes that a PREPARE or COMMIT signs. A PREPARE's exec_hash is zero."""
    content = [int(phase), chain_id, epoch, height, view, block_hash, exec_hash]
    return Tag.VOTE.value + pack(content)


def compute_certificate_hash(certificate: Certificate | None) -> Hash:
    """Return the hash that the next header names; zero for genesis, which has none."""
    if certificate is None:
        return ZERO_HASH
    return compute_hash(Tag.CERTIFICATE, CERTIFICATE.encode(certificate))


def verify_certificate(
    certificate: Certificate,
    chain_id: Hash,
    epoch: int,
    validators: ValidatorSet,
    *,
    phase: Phase = Phase.COMMIT,
    check: Callable[[bytes, bytes, bytes], bool] = verify,
) -> None:
    """Check all of ``certificate`` against the validator set of its height.

    ``phase`` PREPARE verifies a prepared certificate (its exec_hash is zero);
    ``check`` is ``keys.verify`` or something that remembers what it has verified.
    Raises ProofError, naming the first thing that is wrong: the number of signers,
    their order, an unknown signer, or a signature.
    """
    signers = certificate.signers
    if len(signers) != len(certificate.signatures):
        raise ProofError("signers and signatures differ in number", code="certificate-shape")
    if any(later <= earlier for earlier, later in pairwise(signers)):
        raise ProofError("signers are not strictly ascending", code="certificate-order")
    if signers and signers[-1] >= len(validators.members):
        raise ProofError("unknown signer", code="certificate-signer", signer=signers[-1])
    if len(signers) < validators.quorum:
        raise ProofError(
            "too few signers", code="certificate-quorum", got=len(signers), need=validators.quorum
        )
    message = compute_vote_bytes(
        phase,
        chain_id,
        epoch,
        certificate.height,
        certificate.view,
        certificate.block_hash,
        certificate.exec_hash,
    )
    for signer, signature in zip(signers, certificate.signatures, strict=True):
        if not check(validators.members[signer].public_key, message, signature):
            raise ProofError("bad signature", code="certificate-signature", signer=signer)
