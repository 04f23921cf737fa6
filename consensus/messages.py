"""Messages between replicas, their wire form and the bytes that are signed.

A message is the canonical list ``[kind, body]``. What decodes is *received*, not
verified: only consensus/verification.py makes a ``VerifiedVote`` or a
``VerifiedViewChange`` of it. Signed bytes begin with a tag and hold chain and epoch,
so nothing signed for one purpose, chain or epoch passes for another (Sawtooth:
header type unlike payload type). Hashes are computed from what was received, never
read from it (FISCO BCOS trusted a digest in the message).

The PRE-PREPARE has no signature of its own: the leader's PREPARE inside it signs the
block hash, which binds header, ids, evidence and certificate; the view changes of
its new-view proof are signed one by one. So the leader's PREPARE exists once and is
counted once (Sawtooth counted it twice).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NewType

from primitives import limits
from primitives.block import HEADER, Header
from primitives.certificate import CERTIFICATE, Certificate, Phase, compute_vote_bytes
from primitives.codec import Array, Boolean, Bytes, Optional, Struct, Uint, pack, unpack
from primitives.errors import CodecError
from primitives.hashing import Hash, Tag, TransactionId

_HASH = Bytes(limits.HASH_BYTES)
_SIGNATURE = Bytes(limits.SIGNATURE_BYTES)


class Kind(IntEnum):
    """First element of every message."""

    PRE_PREPARE = 1
    VOTE = 2
    VIEW_CHANGE = 3
    STATUS = 4
    GET_PROPOSAL = 5
    PROPOSAL = 6
    EVIDENCE = 7


@dataclass(frozen=True, slots=True)
class Vote:
    """A PREPARE or COMMIT. ``signer`` only says which key to try."""

    phase: int
    height: int
    view: int
    block_hash: Hash
    exec_hash: Hash
    signer: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class ViewChange:
    """ "I vote at ``height`` in no view below ``view``", with the highest prepared block.

    ``prepared`` is a certificate of PREPAREs: exec_hash zero, view below ``view``.
    """

    height: int
    view: int
    prepared: Certificate | None
    signer: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class ViewChangeMessage:
    """A view change, and the proof of the sender's height (which proves itself)."""

    view_change: ViewChange
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class PrePrepare:
    """A proposal; in a view above 0 it is the NEW-VIEW, and ``new_view`` its proof.

    ``signature`` is the leader's PREPARE over (height, view, hash of header).
    """

    height: int
    view: int
    header: Header
    transaction_ids: tuple[TransactionId, ...]
    evidence: tuple[bytes, ...]
    certificate: Certificate | None
    new_view: tuple[ViewChange, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """Where the sender stands, for the peer at the other end of the link only.

    The bitmaps say whose PREPAREs, COMMITs (of its view) and VIEW-CHANGEs (of its view
    or a later one) it needs no more. ``certificate`` proves ``height``.
    """

    height: int
    view: int
    has_proposal: bool
    prepares: int
    commits: int
    view_changes: int
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class GetProposal:
    """Asks for header, ids and evidence of a block that somebody prepared."""

    height: int
    block_hash: Hash


@dataclass(frozen=True, slots=True)
class ProposalMessage:
    """The answer: its hash is what was asked for, so it needs no signature."""

    header: Header
    transaction_ids: tuple[TransactionId, ...]
    evidence: tuple[bytes, ...]
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class EvidenceMessage:
    """One encoded piece of evidence (consensus/evidence.py)."""

    evidence: bytes


Message = (
    PrePrepare | Vote | ViewChangeMessage | Status | GetProposal | ProposalMessage | EvidenceMessage
)
VerifiedVote = NewType("VerifiedVote", Vote)
VerifiedViewChange = NewType("VerifiedViewChange", ViewChange)

_IDS = Array(_HASH, limits.BLOCK_TRANSACTIONS_MAX)
_EVIDENCE = Array(Bytes(max=limits.EVIDENCE_BYTES_MAX), limits.BLOCK_EVIDENCE_MAX)
_VIEW = Uint(32)
_BITMAP = Uint(limits.VALIDATORS_MAX)
_SIGNER = Uint(16)

VOTE = Struct(
    Vote,
    512,
    phase=Uint(8),
    height=Uint(),
    view=_VIEW,
    block_hash=_HASH,
    exec_hash=_HASH,
    signer=_SIGNER,
    signature=_SIGNATURE,
)
VIEW_CHANGE = Struct(
    ViewChange,
    32 * 1024,
    height=Uint(),
    view=_VIEW,
    prepared=Optional(CERTIFICATE),
    signer=_SIGNER,
    signature=_SIGNATURE,
)
_BODIES: dict[Kind, Struct[Any]] = {
    Kind.PRE_PREPARE: Struct(
        PrePrepare,
        limits.MESSAGE_BYTES_MAX,
        height=Uint(),
        view=_VIEW,
        header=HEADER,
        transaction_ids=_IDS,
        evidence=_EVIDENCE,
        certificate=Optional(CERTIFICATE),
        new_view=Array(VIEW_CHANGE, limits.VALIDATORS_MAX),
        signature=_SIGNATURE,
    ),
    Kind.VOTE: VOTE,
    Kind.VIEW_CHANGE: Struct(
        ViewChangeMessage,
        limits.MESSAGE_BYTES_MAX,
        view_change=VIEW_CHANGE,
        certificate=Optional(CERTIFICATE),
    ),
    Kind.STATUS: Struct(
        Status,
        limits.MESSAGE_BYTES_MAX,
        height=Uint(),
        view=_VIEW,
        has_proposal=Boolean(),
        prepares=_BITMAP,
        commits=_BITMAP,
        view_changes=_BITMAP,
        certificate=Optional(CERTIFICATE),
    ),
    Kind.GET_PROPOSAL: Struct(
        GetProposal, limits.MESSAGE_BYTES_MAX, height=Uint(), block_hash=_HASH
    ),
    Kind.PROPOSAL: Struct(
        ProposalMessage,
        limits.MESSAGE_BYTES_MAX,
        header=HEADER,
        transaction_ids=_IDS,
        evidence=_EVIDENCE,
        certificate=Optional(CERTIFICATE),
    ),
    Kind.EVIDENCE: Struct(
        EvidenceMessage,
        limits.MESSAGE_BYTES_MAX,
        evidence=Bytes(max=limits.EVIDENCE_BYTES_MAX),
    ),
}
_KINDS: dict[type[Message], Kind] = {
    PrePrepare: Kind.PRE_PREPARE,
    Vote: Kind.VOTE,
    ViewChangeMessage: Kind.VIEW_CHANGE,
    Status: Kind.STATUS,
    GetProposal: Kind.GET_PROPOSAL,
    ProposalMessage: Kind.PROPOSAL,
    EvidenceMessage: Kind.EVIDENCE,
}


def encode_message(message: Message) -> bytes:
    """Return the message's bytes. Raises CodecError when a value has no canonical form."""
    kind = _KINDS[type(message)]
    return pack([int(kind), _BODIES[kind].to_wire(message)])


def decode_message(data: bytes) -> Message:
    """Return the message whose bytes are ``data``; decoded once, verified by nobody yet.

    Raises CodecError for an unknown kind or field, a size, a type, or another form of
    the same value.
    """
    if len(data) > limits.MESSAGE_BYTES_MAX:
        raise CodecError("message too large", size=len(data), limit=limits.MESSAGE_BYTES_MAX)
    wire = unpack(data)
    if type(wire) is not list or len(wire) != 2 or type(wire[0]) is not int:
        raise CodecError("a message is [kind, body]")
    if wire[0] not in _KIND_NUMBERS:
        raise CodecError("unknown kind of message", kind=wire[0])
    message: Message = _BODIES[Kind(wire[0])].from_wire(wire[1])
    if isinstance(message, Vote) and message.phase not in _PHASES:
        raise CodecError("unknown phase", phase=message.phase)
    return message


_KIND_NUMBERS = frozenset(int(kind) for kind in Kind)
_PHASES = frozenset(int(phase) for phase in Phase)


def compute_signed_vote(vote: Vote, chain_id: Hash, epoch: int) -> bytes:
    """Return the bytes that the vote's signer signed."""
    return compute_vote_bytes(
        Phase(vote.phase),
        chain_id,
        epoch,
        vote.height,
        vote.view,
        vote.block_hash,
        vote.exec_hash,
    )


def compute_signed_view_change(view_change: ViewChange, chain_id: Hash, epoch: int) -> bytes:
    """Return the bytes that the view change's signer signed."""
    prepared = view_change.prepared
    wire = None if prepared is None else CERTIFICATE.to_wire(prepared)
    content = [int(Kind.VIEW_CHANGE), chain_id, epoch, view_change.height, view_change.view, wire]
    return Tag.MESSAGE.value + pack(content)
