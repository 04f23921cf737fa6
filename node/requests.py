"""Questions to peers and their answers, matched by request id.

A question has a time limit and one owner; an answer that nobody waits for, from
another peer than asked, or with another kind, is dropped. The number of open
questions is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from p2p.frames import FrameKind, decode_request, encode_request
from p2p.peers import Offence
from primitives.hashing import Address

OPEN_REQUESTS_MAX = 256
"""Catch-up and body fetches keep a handful open; more means a bug of ours."""


class Peers(Protocol):
    """Those who can be asked."""

    def get_connected(self) -> list[Address]:
        """Return the peers with a link that is up; the list is the caller's."""
        ...

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        """Tell the peer table what a peer did."""
        ...


SendFrame = Callable[[Address, FrameKind, bytes], bool]


@dataclass(frozen=True, slots=True)
class _Open:
    peer: Address
    kind: FrameKind
    answer: asyncio.Future[bytes]


class PeerRequests:
    """Asks peers and routes their answers. Lives on the event loop."""

    def __init__(self, send: SendFrame) -> None:
        self._send = send
        self._open: dict[int, _Open] = {}
        self._next_id = 1

    @property
    def waiting(self) -> int:
        """Questions without an answer yet."""
        return len(self._open)

    async def ask(
        self, peer: Address, kind: FrameKind, body: bytes, answer_kind: FrameKind, timeout_s: float
    ) -> bytes | None:
        """Return the answer's body, or None: no link, link lost, no answer in time."""
        if len(self._open) >= OPEN_REQUESTS_MAX:
            return None
        request_id = self._next_id
        self._next_id += 1
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._open[request_id] = _Open(peer, answer_kind, answer)
        try:
            if not self._send(peer, kind, encode_request(request_id, body)):
                return None
            async with asyncio.timeout(timeout_s):
                return await answer or None
        except TimeoutError:
            return None
        finally:
            del self._open[request_id]

    def on_answer(self, peer: Address, kind: FrameKind, payload: bytes) -> bool:
        """Hand an answer to whoever asked; False when nobody did."""
        decoded = decode_request(payload)
        if decoded is None:
            return False
        request_id, body = decoded
        asked = self._open.get(request_id)
        if asked is None or asked.peer != peer or asked.kind != kind or asked.answer.done():
            return False
        asked.answer.set_result(body)
        return True

    def on_peer_down(self, peer: Address) -> None:
        """End the questions to a peer whose link is gone; their owners ask another one."""
        for asked in self._open.values():
            if asked.peer == peer and not asked.answer.done():
                asked.answer.set_result(b"")
