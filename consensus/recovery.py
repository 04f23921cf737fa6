"""From the replayed vote log and the last-signed record to a state to start from.

The log is written first, then the last-signed record, then the message is sent. So
after a crash the log may be one step ahead of the record; that is repaired here. A
record ahead of the log means that the log was lost or is an old copy: what we
prepared is forgotten, and a vote or a VIEW-CHANGE at that height could deny it; so we
do not vote at that height. A missing record means that we know nothing of what we
signed: we watch until the chain has left every height we can have voted at.
Section "Crash recovery without saying two things" of the design.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from consensus.bounds import PROPOSALS_KEPT_MAX
from consensus.effects import CommittedTip
from consensus.errors import ConsensusError
from consensus.messages import (
    PrePrepare,
    ViewChange,
    ViewChangeMessage,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
    decode_message,
)
from consensus.signing import LAST_SIGNED, NOTHING_SIGNED, LastSigned, Step, compute_digest
from primitives import limits
from primitives.block import compute_header_hash
from primitives.certificate import CERTIFICATE, Certificate, Phase
from primitives.codec import Bytes, Struct, Uint
from primitives.errors import CodecError
from primitives.hashing import Hash
from primitives.params import compute_epoch

STEP_OF_PHASE = {Phase.PREPARE: Step.PREPARE, Phase.COMMIT: Step.COMMIT}


class RecordKind(IntEnum):
    """What a record of the vote log holds."""

    PROPOSAL = 1
    """The PRE-PREPARE that we made or voted for (with its new-view proof)."""
    VOTE = 2
    """Our PREPARE or COMMIT."""
    PREPARED = 3
    """The prepared certificate under our COMMIT."""
    VIEW_CHANGE = 4
    """Our VIEW-CHANGE, with the prepared certificate in it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record; ``data`` is a message as it was sent, or a certificate."""

    kind: int
    height: int
    data: bytes


RECORD = Struct(
    Record,
    limits.MESSAGE_BYTES_MAX + 64,
    kind=Uint(8),
    height=Uint(),
    data=Bytes(max=limits.MESSAGE_BYTES_MAX),
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where to go on. ``vote_from`` is the first height at which we may sign; None: unknown."""

    last: LastSigned
    vote_from: int | None
    reason: str = ""
    proposals: tuple[bytes, ...] = ()
    votes: tuple[Vote, ...] = ()
    view_change: ViewChange | None = None
    prepared: Certificate | None = None


def encode_record(kind: RecordKind, height: int, data: bytes) -> bytes:
    """Return the bytes that the vote log keeps."""
    return RECORD.encode(Record(int(kind), height, data))


def recover(
    chain_id: Hash, tip: CommittedTip, records: Sequence[bytes], last_signed: bytes | None
) -> Recovered:
    """Return the state to start from at height ``tip.height + 1``.

    ``records`` in the order in which they were appended; older heights are skipped.
    Raises ConsensusError when a record does not decode: the log's checksums were
    right, so that is our bug or another program's file.
    """
    height = tip.height + 1
    epoch = compute_epoch(height, tip.next_params.epoch_blocks)
    here = _Collector(chain_id, epoch)
    highest = 0
    for encoded in records:
        try:
            record = RECORD.decode(encoded)
            highest = max(highest, record.height)
            if record.height == height:
                here.take(record)
        except (CodecError, ValueError) as error:
            raise ConsensusError(
                f"vote log record does not decode: {error}", code="vote-log-record"
            ) from None
    return _judge(here, height, highest, last_signed)


def _judge(here: _Collector, height: int, highest: int, last_signed: bytes | None) -> Recovered:
    if last_signed is None:
        return here.finish(here.last, None, "the last-signed record is lost")
    try:
        record = LAST_SIGNED.decode(last_signed)
    except CodecError as error:
        raise ConsensusError(
            f"last-signed record does not decode: {error}", code="last-signed-record"
        ) from None
    if highest > height or record.height > height:
        # The chain's database is older than our votes: sync will bring the blocks.
        return here.finish(
            max(record, here.last, key=_get_place),
            max(highest, record.height) + 1,
            "signed at a later height than the database holds",
        )
    ahead = record.height == height and record.place > here.last.place
    differs = record.place == here.last.place and record.digest != here.last.digest
    if ahead or (differs and record.height == height):
        return here.finish(record, height + 1, "the vote log lacks what was last signed")
    return here.finish(max(record, here.last, key=_get_place), 0, "")


def _get_place(last: LastSigned) -> tuple[int, int, int]:
    return last.place


def _is_for(proposal: bytes, certificate: Certificate) -> bool:
    message = decode_message(proposal)
    if not isinstance(message, PrePrepare):
        return False
    return compute_header_hash(message.header) == certificate.block_hash


class _Collector:
    """Gathers the records of one height."""

    def __init__(self, chain_id: Hash, epoch: int) -> None:
        self._chain_id = chain_id
        self._epoch = epoch
        self.last = NOTHING_SIGNED
        self._proposals: list[bytes] = []
        self._votes: list[Vote] = []
        self._view_change: ViewChange | None = None
        self._prepared: Certificate | None = None

    def take(self, record: Record) -> None:
        """Take one record. Raises CodecError or ValueError when it is none of ours."""
        if record.kind == RecordKind.PREPARED:
            self._keep_prepared(CERTIFICATE.decode(record.data))
            return
        message = decode_message(record.data)
        if record.kind == RecordKind.PROPOSAL and isinstance(message, PrePrepare):
            self._proposals.append(record.data)
        elif record.kind == RecordKind.VOTE and isinstance(message, Vote):
            self._votes.append(message)
            signed = compute_signed_vote(message, self._chain_id, self._epoch)
            step = STEP_OF_PHASE[Phase(message.phase)]
            self._keep_last(message.height, message.view, step, signed, message.signature)
        elif record.kind == RecordKind.VIEW_CHANGE and isinstance(message, ViewChangeMessage):
            item = message.view_change
            if self._view_change is None or item.view > self._view_change.view:
                self._view_change = item
            if item.prepared is not None:
                self._keep_prepared(item.prepared)
            signed = compute_signed_view_change(item, self._chain_id, self._epoch)
            self._keep_last(item.height, item.view, Step.VIEW_CHANGE, signed, item.signature)
        else:
            raise CodecError("unknown record", kind=record.kind)

    def _keep_prepared(self, certificate: Certificate) -> None:
        if self._prepared is None or certificate.view > self._prepared.view:
            self._prepared = certificate

    def _keep_last(
        self, height: int, view: int, step: Step, signed: bytes, signature: bytes
    ) -> None:
        last = LastSigned(height, view, int(step), compute_digest(signed), signature)
        self.last = max(self.last, last, key=_get_place)

    def _choose_proposals(self) -> tuple[bytes, ...]:
        """Return the latest proposals, and with them the one that is prepared."""
        latest = self._proposals[-PROPOSALS_KEPT_MAX:]
        prepared = self._prepared
        if prepared is None or any(_is_for(data, prepared) for data in latest):
            return tuple(latest)
        older = self._proposals[:-PROPOSALS_KEPT_MAX]
        found = [data for data in older if _is_for(data, prepared)][:1]
        return (*found, *latest[len(found) :])

    def finish(self, last: LastSigned, vote_from: int | None, reason: str) -> Recovered:
        """Return what was gathered, with the verdict on voting."""
        return Recovered(
            last=last,
            vote_from=vote_from,
            reason=reason,
            proposals=self._choose_proposals(),
            votes=tuple(self._votes),
            view_change=self._view_change,
            prepared=self._prepared,
        )
