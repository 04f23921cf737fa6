"""Evidence of equivocation: two signed statements of one validator at one place.

Anyone with the chain id and the validator set of that epoch can verify it; nobody
can make it about an honest validator, who signs one thing at each place.
"""

from __future__ import annotations

from consensus.messages import (
    VIEW_CHANGE,
    VOTE,
    ViewChange,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
)
from consensus.verification import Check
from primitives.certificate import Phase
from primitives.errors import CodecError, ProofError
from primitives.evidence import EVIDENCE, TWO_VIEW_CHANGES, TWO_VOTES, Evidence
from primitives.hashing import Hash
from primitives.validators import ValidatorSet


def make_evidence(
    one: Vote | ViewChange, other: Vote | ViewChange, epoch: int, validators: ValidatorSet
) -> bytes:
    """Return the encoded evidence of two statements at one place, whichever came first."""
    validator = validators.members[one.signer].public_key
    kind = TWO_VOTES if isinstance(one, Vote) else TWO_VIEW_CHANGES
    first, second = sorted((_encode(one), _encode(other)))
    return EVIDENCE.encode(Evidence(kind, epoch, one.height, validator, first, second))


def verify_evidence(
    encoded: bytes, chain_id: Hash, epoch: int, validators: ValidatorSet, check: Check
) -> Evidence:
    """Return the evidence, or raise ProofError (or CodecError) when it proves nothing."""
    evidence = EVIDENCE.decode(encoded)
    if evidence.epoch != epoch:
        raise ProofError("another epoch", code="evidence-epoch", got=evidence.epoch, here=epoch)
    one, other = (_decode(evidence.kind, data) for data in (evidence.first, evidence.second))
    if evidence.first >= evidence.second or _get_place(one) != _get_place(other):
        raise ProofError("not two statements at one place", code="evidence-place")
    index = validators.get_index(evidence.validator)
    if one.height != evidence.height or index is None or one.signer != index:
        raise ProofError("about somebody else", code="evidence-validator")
    signed = [_compute_signed(item, chain_id, epoch) for item in (one, other)]
    if signed[0] == signed[1]:
        raise ProofError("the same statement twice", code="evidence-same")
    for item, message in zip((one, other), signed, strict=True):
        if not check(evidence.validator, message, item.signature):
            raise ProofError("bad signature", code="evidence-signature")
    return evidence


def _encode(item: Vote | ViewChange) -> bytes:
    return VOTE.encode(item) if isinstance(item, Vote) else VIEW_CHANGE.encode(item)


def _decode(kind: int, data: bytes) -> Vote | ViewChange:
    if kind == TWO_VOTES:
        vote = VOTE.decode(data)
        if vote.phase not in (Phase.PREPARE, Phase.COMMIT):
            raise CodecError("unknown phase", phase=vote.phase)
        return vote
    if kind == TWO_VIEW_CHANGES:
        return VIEW_CHANGE.decode(data)
    raise CodecError("unknown kind of evidence", kind=kind)


def _get_place(item: Vote | ViewChange) -> tuple[int, int, int, int]:
    phase = item.phase if isinstance(item, Vote) else 0
    return (item.signer, item.height, item.view, phase)


def _compute_signed(item: Vote | ViewChange, chain_id: Hash, epoch: int) -> bytes:
    if isinstance(item, Vote):
        return compute_signed_vote(item, chain_id, epoch)
    return compute_signed_view_change(item, chain_id, epoch)
