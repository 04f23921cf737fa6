"""What waits to be written on one link: three queues in strict priority. Pure.

A frame that has begun must be finished before another may start, so a large frame is
handed out in slices; between frames the lower lane always goes first. Each queue is
bounded in bytes and has its own answer to being full.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from p2p.frames import Lane


class Push(Enum):
    """What became of a frame."""

    QUEUED = "queued"
    REFUSED = "refused"
    """The blocks lane is full: the frame is not sent."""
    OVERFLOW = "overflow"
    """The consensus lane is full: the link is of no use and must be closed."""


class Outbox:
    """Three bounded queues. ``bounds`` are bytes for each lane."""

    __slots__ = ("_bounds", "_current", "_lane", "_offset", "_queues", "dropped", "sizes")

    def __init__(self, bounds: tuple[int, int, int]) -> None:
        self._bounds = bounds
        self._queues: tuple[deque[bytes], ...] = (deque(), deque(), deque())
        self._current: bytes | None = None
        self._lane = Lane.CONSENSUS
        self._offset = 0
        self.sizes = [0, 0, 0]
        self.dropped = 0

    @property
    def queued_bytes(self) -> int:
        """Bytes of whole frames that wait, with the rest of the one being written."""
        return sum(self.lane_bytes)

    @property
    def lane_bytes(self) -> tuple[int, int, int]:
        """The same for each lane."""
        sizes = list(self.sizes)
        if self._current is not None:
            sizes[self._lane] += len(self._current) - self._offset
        return sizes[0], sizes[1], sizes[2]

    def push(self, lane: Lane, frame: bytes) -> Push:
        """Queue an encoded frame. A full transactions lane drops its oldest frames."""
        size = len(frame)
        if self.sizes[lane] + size > self._bounds[lane]:
            if lane is not Lane.TRANSACTIONS or size > self._bounds[lane]:
                self.dropped += 1
                return Push.OVERFLOW if lane is Lane.CONSENSUS else Push.REFUSED
            self._drop_oldest(lane, size)
        self._queues[lane].append(frame)
        self.sizes[lane] += size
        return Push.QUEUED

    def _drop_oldest(self, lane: Lane, size: int) -> None:
        queue = self._queues[lane]
        while queue and self.sizes[lane] + size > self._bounds[lane]:
            self.sizes[lane] -= len(queue.popleft())
            self.dropped += 1

    def pop(self, bytes_max: int) -> bytes:
        """Return the next bytes to write, at most ``bytes_max``; empty when none wait."""
        pieces: list[bytes | memoryview] = []
        room = bytes_max
        while room > 0:
            if self._current is None and not self._start_next():
                break
            frame = self._current
            assert frame is not None
            end = min(len(frame), self._offset + room)
            whole = self._offset == 0 and end == len(frame)
            pieces.append(frame if whole else memoryview(frame)[self._offset : end])
            room -= end - self._offset
            self._offset = end
            if end == len(frame):
                self._current = None
        return b"".join(pieces)

    def _start_next(self) -> bool:
        for lane in Lane:
            if self._queues[lane]:
                self._current = self._queues[lane].popleft()
                self.sizes[lane] -= len(self._current)
                self._lane = lane
                self._offset = 0
                return True
        return False

    def take_over(self, other: Outbox) -> None:
        """Move the whole frames that wait in ``other`` here (one link replaces another).

        A frame that ``other`` has begun to write stays with its link. What does not fit
        is dropped.
        """
        for lane in Lane:
            for frame in other._queues[lane]:
                self.push(lane, frame)
            other._queues[lane].clear()
            other.sizes[lane] = 0
