"""Frames of the vote log, as bytes: pure, so that every torn byte can be tried.

A segment begins with magic, a random salt and a CRC; frames follow. A frame is magic
4, payload length u32, height u64, payload CRC u32, header CRC u32, payload. Both CRCs
start from the salt, which no peer knows: nothing inside a record can pass for a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct as Layout
from zlib import crc32

from primitives.codec import pack, unpack
from primitives.errors import CodecError
from storage.errors import StorageError, VoteLogDamagedError

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""One append: a few consensus messages of at most 2 MiB each."""

_SEGMENT_MAGIC = b"CNVOTE\x00\x01"
_FRAME_MAGIC = b"\xf1VF\x01"
_SEGMENT = Layout(">8s8sI")
_FRAME = Layout(">4sIQII")
_FRAME_HEAD = Layout(">4sIQI")

SALT_BYTES = 8
SEGMENT_HEADER_BYTES = _SEGMENT.size
FRAME_HEADER_BYTES = _FRAME.size


@dataclass(frozen=True, slots=True)
class Frame:
    """One append as it was read back."""

    height: int
    records: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's whole frames, and where the last of them ends.

    ``is_damaged`` when a whole frame follows bytes that are none: that cannot be a
    torn tail.
    """

    frames: tuple[Frame, ...]
    end: int
    is_damaged: bool


def encode_segment_header(salt: bytes) -> bytes:
    """Return the first bytes of a segment file."""
    return _SEGMENT.pack(_SEGMENT_MAGIC, salt, crc32(_SEGMENT_MAGIC + salt))


def decode_salt(data: bytes) -> bytes | None:
    """Return the salt of a segment file, or None when its header is not whole."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, salt, check = _SEGMENT.unpack_from(data)
    if magic != _SEGMENT_MAGIC or check != crc32(_SEGMENT_MAGIC + salt):
        return None
    return bytes(salt)


def encode_frame(records: Sequence[bytes], height: int, salt: bytes) -> bytes:
    """Return one append's bytes. Raises StorageError 'vote-log-frame' when too large."""
    payload = pack(list(records))
    if len(payload) > FRAME_BYTES_MAX:
        raise StorageError("append too large", code="vote-log-frame", size=len(payload))
    seed = crc32(salt)
    head = _FRAME_HEAD.pack(_FRAME_MAGIC, len(payload), height, crc32(payload, seed))
    return head + crc32(head, seed).to_bytes(4, "big") + payload


def decode_segment(data: bytes, salt: bytes) -> Segment:
    """Return the frames of a segment file up to the first bytes that are no frame."""
    seed = crc32(salt)
    frames: list[Frame] = []
    offset = SEGMENT_HEADER_BYTES
    while (end := _find_frame_end(data, offset, seed)) is not None:
        frames.append(_decode_frame(data, offset, end))
        offset = end
    return Segment(tuple(frames), offset, _has_frame_after(data, offset, seed))


def _find_frame_end(data: bytes, offset: int, seed: int) -> int | None:
    """Return where the whole and sound frame at ``offset`` ends, or None."""
    start = offset + FRAME_HEADER_BYTES
    if len(data) < start:
        return None
    magic, length, _, payload_check, head_check = _FRAME.unpack_from(data, offset)
    if magic != _FRAME_MAGIC or head_check != crc32(data[offset : start - 4], seed):
        return None
    end = start + int(length)
    if end > len(data) or payload_check != crc32(memoryview(data)[start:end], seed):
        return None
    return end


def _has_frame_after(data: bytes, offset: int, seed: int) -> bool:
    candidate = data.find(_FRAME_MAGIC, offset)
    while candidate != -1:
        if _find_frame_end(data, candidate, seed) is not None:
            return True
        candidate = data.find(_FRAME_MAGIC, candidate + 1)
    return False


def _decode_frame(data: bytes, offset: int, end: int) -> Frame:
    height = _FRAME.unpack_from(data, offset)[2]
    try:
        records = unpack(data[offset + FRAME_HEADER_BYTES : end])
    except CodecError as error:
        raise VoteLogDamagedError(f"a frame does not decode: {error}", offset=offset) from None
    if type(records) is not list or any(type(record) is not bytes for record in records):
        raise VoteLogDamagedError("a frame is not a list of records", offset=offset)
    return Frame(height, tuple(records))
