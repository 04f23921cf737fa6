"""Frames on the wire: ``[u32 payload length][u8 kind][payload]``, big-endian.

Every kind has a lane and an upper bound for its payload. The parser is incremental
and does no I/O: it refuses an unknown kind or an oversized payload as soon as it has
the five bytes of the header, so it never holds more than one frame of its kind's
bound. What is inside a payload is not its business, but for the 64-bit request id
that starts every request and response.

Source: docs/protocol.md (the layout is ours).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from p2p.errors import FrameError
from primitives import limits

HEADER_BYTES: Final = 5
REQUEST_ID_BYTES: Final = 8
_HEADER = struct.Struct(">IB")
_REQUEST_ID = struct.Struct(">Q")

_KIB: Final = 1024
_MIB: Final = 1024 * 1024


class Lane(IntEnum):
    """One of three queues of a link, in strict priority: lower goes first."""

    CONSENSUS = 0
    BLOCKS = 1
    TRANSACTIONS = 2


class FrameKind(IntEnum):
    """What a frame is. The number is on the wire and never changes its meaning."""

    HELLO = 1
    """First frame of each side and never again: protocol, chain, height, address, role."""
    PING = 2
    PONG = 3
    GOODBYE = 4
    """Last frame: a reason in UTF-8."""

    CONSENSUS = 16
    """A consensus message for this peer alone (the node's codec)."""
    STATUS = 17
    """Where the sender stands (the node's codec); repairs lost votes."""
    GOSSIP_CONSENSUS = 18
    """A consensus message for everyone: the payload is the message itself."""
    CONSENSUS_ANNOUNCE = 19
    """Mode byte and ids of consensus messages that the sender holds."""
    CONSENSUS_PULL = 20
    """Ids of consensus messages that the sender lacks."""
    NEIGHBOURS = 21
    """Public keys that the sender has links to: who needs no relay."""

    GET_BODY = 32
    """Request id, then what is asked: transactions by ids or a block body by hash."""
    BODY = 33
    """Request id, then the transactions or the body."""
    GET_BLOCKS = 34
    """Request id, then the heights asked for (catch-up)."""
    BLOCKS = 35
    """Request id, then blocks with their certificates."""
    GET_SNAPSHOT = 36
    """Request id, then above which height snapshots are wanted (state sync)."""
    SNAPSHOT = 37
    """Request id, then the snapshots that the sender serves."""
    GET_CHUNK = 38
    """Request id, then which bytes of which part of a snapshot."""
    CHUNK = 39
    """Request id, then those bytes as they are."""
    GET_EPOCHS = 40
    """Request id, then the first epoch wanted."""
    EPOCHS = 41
    """Request id, then certified ends of epochs."""

    TX_BATCH = 64
    """Gossip of transactions: the payload is the node's batch."""
    TX_ANNOUNCE = 65
    """Mode byte and ids of batches that the sender holds."""
    TX_PULL = 66
    """Ids of batches that the sender lacks."""

    @property
    def lane(self) -> Lane:
        """The queue in which frames of this kind wait."""
        return _LANES[self]

    @property
    def payload_bytes_max(self) -> int:
        """Upper bound of the payload; a longer one is a protocol violation."""
        return PAYLOAD_BYTES_MAX[self]


GOSSIP_IDS_MAX: Final = 512
"""Ids in one announcement or pull: 16 KiB."""

NEIGHBOURS_MAX: Final = 512
"""Public keys in one NEIGHBOURS frame: more nodes than one process can hold links to."""

TX_BATCH_BYTES_MAX: Final = 1 * _MIB
"""A batch of gossip: room for eight of the largest transactions, 10 ms at 1 Gbit/s."""

CHUNK_BYTES_MAX: Final = 1 * _MIB
"""Bytes of a snapshot's part in one frame: a vote waits 10 ms behind it at 1 Gbit/s."""

_BLOCK_FRAME_BYTES: Final = limits.BLOCK_BYTES_MAX + 2 * limits.MESSAGE_BYTES_MAX
_IDS_FRAME_BYTES: Final = 1 + GOSSIP_IDS_MAX * limits.HASH_BYTES

PAYLOAD_BYTES_MAX: Final[dict[FrameKind, int]] = {
    FrameKind.HELLO: 1 * _KIB,
    FrameKind.PING: 8,
    FrameKind.PONG: 8,
    FrameKind.GOODBYE: 256,
    FrameKind.CONSENSUS: limits.MESSAGE_BYTES_MAX,
    FrameKind.STATUS: 64 * _KIB,
    FrameKind.GOSSIP_CONSENSUS: limits.MESSAGE_BYTES_MAX,
    FrameKind.CONSENSUS_ANNOUNCE: _IDS_FRAME_BYTES,
    FrameKind.CONSENSUS_PULL: _IDS_FRAME_BYTES,
    FrameKind.NEIGHBOURS: NEIGHBOURS_MAX * limits.ADDRESS_BYTES,
    FrameKind.GET_BODY: REQUEST_ID_BYTES + limits.BLOCK_TRANSACTIONS_MAX * 34 + 4 * _KIB,
    FrameKind.BODY: _BLOCK_FRAME_BYTES,
    FrameKind.GET_BLOCKS: 1 * _KIB,
    FrameKind.BLOCKS: _BLOCK_FRAME_BYTES,
    FrameKind.GET_SNAPSHOT: 1 * _KIB,
    FrameKind.SNAPSHOT: 64 * _KIB,
    FrameKind.GET_CHUNK: 1 * _KIB,
    FrameKind.CHUNK: REQUEST_ID_BYTES + CHUNK_BYTES_MAX,
    FrameKind.GET_EPOCHS: 1 * _KIB,
    FrameKind.EPOCHS: 2 * _MIB,
    FrameKind.TX_BATCH: TX_BATCH_BYTES_MAX,
    FrameKind.TX_ANNOUNCE: _IDS_FRAME_BYTES,
    FrameKind.TX_PULL: _IDS_FRAME_BYTES,
}
"""Bound of each kind's payload in bytes. A kind without a bound does not exist."""

_LANES: Final[dict[FrameKind, Lane]] = {
    kind: Lane.CONSENSUS if kind < 32 else Lane.BLOCKS if kind < 64 else Lane.TRANSACTIONS
    for kind in FrameKind
}

CONTROL_KINDS: Final = frozenset(
    {FrameKind.HELLO, FrameKind.PING, FrameKind.PONG, FrameKind.GOODBYE}
)
"""Kinds that a link handles itself and never hands to the node."""

_FIRST_KINDS: Final = frozenset({FrameKind.HELLO, FrameKind.GOODBYE})
_KIND_BY_NUMBER: Final[dict[int, FrameKind]] = {int(kind): kind for kind in FrameKind}


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame."""

    kind: FrameKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Violation:
    """Why the parser refused the stream; a stable ``code`` and a sentence."""

    code: str
    text: str


def encode_frame(kind: FrameKind, payload: bytes) -> bytes:
    """Return the bytes on the wire; raise FrameError for a payload over the kind's bound."""
    if len(payload) > PAYLOAD_BYTES_MAX[kind]:
        raise FrameError("payload over the bound", kind=kind.name, size=len(payload))
    return _HEADER.pack(len(payload), kind) + payload


def encode_request(request_id: int, body: bytes) -> bytes:
    """Return the payload of a request or response: 8 bytes of id, then ``body``."""
    return _REQUEST_ID.pack(request_id) + body


def decode_request(payload: bytes) -> tuple[int, bytes] | None:
    """Return (request id, body), or None when the payload has no whole id."""
    if len(payload) < REQUEST_ID_BYTES:
        return None
    return _REQUEST_ID.unpack_from(payload)[0], payload[REQUEST_ID_BYTES:]


class FrameParser:
    """Turns a byte stream, however it is cut, into frames.

    The first frame must be HELLO, or GOODBYE from a peer that turns us away, and no
    later one may be HELLO. Once ``violation`` is set
    the stream is refused for good: ``feed`` returns the frames before the violation
    and nothing afterwards.
    """

    __slots__ = ("_awaits_hello", "_needed", "_partial", "violation")

    def __init__(self, *, awaits_hello: bool = True) -> None:
        self._partial = bytearray()
        self._needed = HEADER_BYTES
        self._awaits_hello = awaits_hello
        self.violation: Violation | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes of the frame that is not yet whole."""
        return len(self._partial)

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream and return the frames they complete."""
        frames: list[Frame] = []
        offset = self._finish_partial(data, frames) if self._partial else 0
        size = len(data)
        while self.violation is None and size - offset >= HEADER_BYTES:
            length, number = _HEADER.unpack_from(data, offset)
            kind = self._check_header(length, number)
            if kind is None:
                break
            end = offset + HEADER_BYTES + length
            if end > size:
                self._needed = HEADER_BYTES + length
                break
            frames.append(Frame(kind, bytes(data[offset + HEADER_BYTES : end])))
            self._awaits_hello = False
            offset = end
        if self.violation is not None:
            self._partial.clear()
        elif offset < size:
            self._partial += memoryview(data)[offset:]
        return frames

    def _finish_partial(self, data: bytes, frames: list[Frame]) -> int:
        """Complete the buffered frame from ``data``; return the bytes consumed."""
        offset = 0
        if len(self._partial) < HEADER_BYTES:
            offset = self._take(data, 0, HEADER_BYTES)
            if len(self._partial) < HEADER_BYTES:
                return offset
        length, number = _HEADER.unpack_from(self._partial)
        kind = self._check_header(length, number)
        if kind is None:
            return offset
        self._needed = HEADER_BYTES + length
        offset = self._take(data, offset, self._needed)
        if len(self._partial) == self._needed:
            frames.append(Frame(kind, bytes(memoryview(self._partial)[HEADER_BYTES:])))
            self._awaits_hello = False
            self._partial = bytearray()
            self._needed = HEADER_BYTES
        return offset

    def _take(self, data: bytes, offset: int, needed: int) -> int:
        """Move bytes of ``data`` into the buffer until it holds ``needed``."""
        end = min(len(data), offset + needed - len(self._partial))
        self._partial += memoryview(data)[offset:end]
        return end

    def _check_header(self, length: int, number: int) -> FrameKind | None:
        kind = _KIND_BY_NUMBER.get(number)
        if kind is None:
            self.violation = Violation("unknown-kind", f"frame kind {number}")
        elif self._awaits_hello and kind not in _FIRST_KINDS:
            self.violation = Violation("hello-order", f"{kind.name} before HELLO")
        elif kind is FrameKind.HELLO and not self._awaits_hello:
            self.violation = Violation("hello-order", "a second HELLO")
        elif length > PAYLOAD_BYTES_MAX[kind]:
            self.violation = Violation("oversize", f"{kind.name} of {length} bytes")
        else:
            return kind
        return None
