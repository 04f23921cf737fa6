"""The fake disk: it keeps what was synced, in the real vote log's own frames.

Every append is a frame of storage/voteframes.py and every start reads the bytes back
through it, so torn tails and rotten frames are judged by the code that judges them in
the field. What it never does: touch a real file.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from consensus.effects import Proposal
from consensus.signing import INITIAL_LAST_SIGNED
from primitives.certificate import Certificate
from primitives.hashing import Hash, TransactionId
from storage.voteframes import (
    FRAME_HEADER_BYTES,
    SALT_BYTES,
    SEGMENT_HEADER_BYTES,
    decode_segment,
    encode_frame,
    encode_segment_header,
)


class CrashError(Exception):
    """The simulated machine died at this instruction."""


@dataclass(frozen=True, slots=True)
class DiskFaults:
    """What may befall one node's disk; nothing by default.

    ``torn``: a crash in an append leaves part of its frame. ``lost`` happens at the first
    restart: "log" (rot in the vote log), "data" (an empty data folder) or "all" (the
    last-signed record too). ``full``: (from, to) in milliseconds.
    """

    torn: bool = False
    lost: str = ""
    full: tuple[tuple[int, int], ...] = ()


class Disk:
    """What survives a crash."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._salt = rng.randbytes(SALT_BYTES)
        self._frames: list[tuple[int, bytes]] = []
        self._tail = b""
        self.faults = DiskFaults()
        self.last_signed: bytes | None = INITIAL_LAST_SIGNED
        self.bodies: dict[Hash, tuple[TransactionId, ...]] = {}
        self.blocks: list[tuple[Proposal, Certificate, Hash]] = []

    def is_full(self, now_ms: int) -> bool:
        """Whether a write fails for want of room."""
        return any(start <= now_ms < end for start, end in self.faults.full)

    def append(self, records: Sequence[bytes], height: int) -> None:
        """Write one frame and sync it."""
        if records:
            self._frames.append((height, encode_frame(records, height, self._salt)))

    def tear(self, records: Sequence[bytes], height: int) -> bool:
        """Die in the middle of an append: part of the frame, or all of it with holes."""
        if not records or not self.faults.torn:
            return False
        frame = bytearray(encode_frame(records, height, self._salt))
        if self._rng.random() < 0.5:
            self._tail = bytes(frame[: self._rng.randrange(1, len(frame))])
            return True
        hole = self._rng.randrange(FRAME_HEADER_BYTES, len(frame))
        frame[hole:] = bytes(len(frame) - hole)
        # A hole where zeros were to be written is no hole; the frame would be whole.
        frame[hole - 1] ^= 0xFF
        self._tail = bytes(frame)
        return True

    def forget_below(self, height: int) -> None:
        """Drop the frames of heights that are final, and the bodies with them."""
        self._frames = [item for item in self._frames if item[0] >= height]
        self.bodies.clear()

    def lose(self) -> str:
        """Let the one-time fault happen. Returns its name; empty when there is none."""
        lost, self.faults = self.faults.lost, DiskFaults(self.faults.torn, "", self.faults.full)
        if lost == "log":
            self._rot()
        elif lost:
            self._frames, self._tail = [], b""
            self.bodies.clear()
            self.blocks.clear()
            if lost == "all":
                self.last_signed = None
        return lost

    def _rot(self) -> None:
        if not self._frames:
            return
        number = self._rng.randrange(len(self._frames))
        height, frame = self._frames[number]
        place = self._rng.randrange(len(frame))
        rotten = frame[:place] + bytes((frame[place] ^ 0xFF,)) + frame[place + 1 :]
        self._frames[number] = (height, rotten)

    def replay(self) -> tuple[list[bytes], str]:
        """Return the log's records as the next life reads them, and what was found wrong.

        A torn tail is cut. A log that is damaged before its end is set aside by the
        operator, as the real one demands: the last-signed record then says what to watch.
        """
        header = encode_segment_header(self._salt)
        data = header + b"".join(frame for _, frame in self._frames) + self._tail
        segment = decode_segment(data, self._salt)
        kept = 0 if segment.is_damaged else len(segment.frames)
        found = "damaged, set aside" if segment.is_damaged else ""
        if not found and segment.end < len(data):
            found = f"cut {len(data) - segment.end} bytes"
        if kept < len(self._frames):
            self._frames = self._frames[:kept]
            self.bodies.clear()
        self._tail = b""
        assert segment.end >= SEGMENT_HEADER_BYTES
        return [item for frame in segment.frames[:kept] for item in frame.records], found
