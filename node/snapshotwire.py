"""What nodes say to each other about snapshots: layouts and bounds (docs/protocol.md).

An offer carries header, result and certificate, so it can be verified before a byte of
the snapshot is fetched; the manifest's hash names the snapshot, and the manifest the
hash of each part. A CHUNK's payload is the bytes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2p.frames import CHUNK_BYTES_MAX
from primitives import limits
from primitives.block import EXECUTION_RESULT, HEADER, ExecutionResult, Header
from primitives.certificate import CERTIFICATE, Certificate
from primitives.codec import Array, Bytes, Optional, Struct, Uint
from primitives.epochs import EPOCH_END_BYTES_MAX
from primitives.hashing import Hash

OFFERS_MAX = 2
"""Snapshots in one answer, the latest first: a certificate may have 9 KB."""
PIECE_BYTES_MAX = CHUNK_BYTES_MAX
"""Bytes in one CHUNK."""
EPOCHS_MAX = 512
"""Epoch ends in one answer; their bytes are bounded, too."""
EPOCHS_BYTES_MAX = 1024 * 1024
_OFFER_BYTES_MAX = 24 * 1024


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """Asks for the snapshots above a height."""

    above: int


SNAPSHOT_REQUEST = Struct(SnapshotRequest, 64, above=Uint())


@dataclass(frozen=True, slots=True)
class Offer:
    """One snapshot: what its block is, that it is final, and which manifest describes it."""

    manifest_hash: Hash
    manifest_bytes: int
    header: Header
    result: ExecutionResult
    certificate: Certificate

    @property
    def height(self) -> int:
        """The height after which it is the state."""
        return self.header.height


_OFFER = Struct(
    Offer,
    _OFFER_BYTES_MAX,
    manifest_hash=Bytes(limits.HASH_BYTES),
    manifest_bytes=Uint(32),
    header=HEADER,
    result=EXECUTION_RESULT,
    certificate=CERTIFICATE,
)


@dataclass(frozen=True, slots=True)
class SnapshotAnswer:
    """What a peer has; ``lowest`` is the lowest height of which it serves the block."""

    lowest: int
    offers: tuple[Offer, ...]


SNAPSHOT_ANSWER = Struct(SnapshotAnswer, 60 * 1024, lowest=Uint(), offers=Array(_OFFER, OFFERS_MAX))


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """Asks for the bytes of a part from ``offset`` on; ``part`` None is the manifest."""

    height: int
    manifest_hash: Hash
    part: int | None
    offset: int


CHUNK_REQUEST = Struct(
    ChunkRequest,
    128,
    height=Uint(),
    manifest_hash=Bytes(limits.HASH_BYTES),
    part=Optional(Uint(32)),
    offset=Uint(32),
)


@dataclass(frozen=True, slots=True)
class EpochsRequest:
    """Asks for the ends of epochs from ``first`` on."""

    first: int


EPOCHS_REQUEST = Struct(EpochsRequest, 64, first=Uint())


@dataclass(frozen=True, slots=True)
class EpochsAnswer:
    """Consecutive EPOCH_END bytes from the epoch asked for; empty when there are none."""

    first: int
    ends: tuple[bytes, ...]


EPOCHS_ANSWER = Struct(
    EpochsAnswer,
    EPOCHS_BYTES_MAX + EPOCH_END_BYTES_MAX + 8 * 1024,
    first=Uint(),
    ends=Array(Bytes(max=EPOCH_END_BYTES_MAX), EPOCHS_MAX),
)
