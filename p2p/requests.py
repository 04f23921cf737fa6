"""Matches responses to requests by a 64-bit id. Pure: time comes in.

A response counts only if that peer was asked, with that id, and the time is not up;
everything else is unsolicited. The table is bounded: who asks too much is told so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from p2p.frames import FrameKind
from primitives.hashing import Address

REQUESTS_MAX = 4_096
"""Open requests of one node: catch-up of 20 heights from each of 100 peers, doubled."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenRequest(Generic[T]):
    """A request without an answer. ``context`` is the caller's own."""

    request_id: int
    peer: Address
    answer: FrameKind
    context: T
    deadline: float


class RequestTable(Generic[T]):
    """Open requests of one node. ``first_id`` should differ between runs."""

    def __init__(self, first_id: int = 1, requests_max: int = REQUESTS_MAX) -> None:
        self._next_id = first_id
        self._max = requests_max
        self._open: dict[int, OpenRequest[T]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(
        self, peer: Address, answer: FrameKind, context: T, now: float, timeout_s: float
    ) -> int | None:
        """Return a fresh request id, or None when too many requests are open."""
        if len(self._open) >= self._max:
            return None
        request_id = self._next_id
        self._next_id = (self._next_id + 1) % (1 << 64)
        self._open[request_id] = OpenRequest(request_id, peer, answer, context, now + timeout_s)
        return request_id

    def close(self, peer: Address, answer: FrameKind, request_id: int) -> OpenRequest[T] | None:
        """Return the request that this response answers, once; None for an unsolicited one."""
        request = self._open.get(request_id)
        if request is None or request.peer != peer or request.answer is not answer:
            return None
        del self._open[request_id]
        return request

    def expire(self, now: float) -> list[OpenRequest[T]]:
        """Remove and return the requests whose time is up."""
        late = [request for request in self._open.values() if request.deadline <= now]
        for request in late:
            del self._open[request.request_id]
        return late

    def drop_peer(self, peer: Address) -> list[OpenRequest[T]]:
        """Remove and return the requests to a peer whose link is gone."""
        lost = [request for request in self._open.values() if request.peer == peer]
        for request in lost:
            del self._open[request.request_id]
        return lost
