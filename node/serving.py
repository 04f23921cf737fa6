"""Answers peers' questions for bodies, blocks and snapshots, within a budget for each.

A question has 50 bytes and its answer may have a megabyte: without a budget one hostile
validator would have every other one read its disk and fill its links all day, and an
honest node that catches up would find nobody free. What is over the budget is not
answered; who asked for good reason asks another peer. Source: DESIGN.md, "P2P".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from node.logs import log_event
from p2p.frames import FrameKind, decode_request
from p2p.peers import Offence
from primitives import limits
from primitives.hashing import Address

SERVING_MAX = 16
"""Questions for blocks in work at once."""
PEER_SERVING_MAX = 2
"""Of these for one peer: an honest one asks for the next batch while it takes the last."""
SERVE_BYTES_PER_S = 16 * 1024 * 1024
"""Answered to one peer, on average: a node that catches up executes slower than this."""
SERVE_BURST_BYTES = 4 * limits.BLOCK_BYTES_MAX
"""Spent at once: the bodies of a few of the largest blocks."""
QUESTION_COST_BYTES = 64 * 1024
"""Charged for a question besides its own bytes and its answer's: looking costs time."""
BUDGETS_MAX = 1_024
"""Peers whose budgets are kept; the peer table admits fewer."""

_log = logging.getLogger("carbonode.serving")


class Answers(Protocol):
    """Who knows an answer: the bodies of this height, the store of blocks."""

    def serve(self, request_id: int, body: bytes, /) -> bytes | None:
        """Return the payload that answers, None for a malformed question."""
        ...


Serve = Callable[[int, bytes], bytes | None]
"""The same as a function."""


class Outlet(Protocol):
    """Where answers and complaints go."""

    def send(self, peer: Address, kind: FrameKind, payload: bytes) -> bool:
        """Queue a frame."""
        ...

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        """Tell the peer table what a peer did."""
        ...


@dataclass(slots=True)
class _Budget:
    bytes_left: float
    filled_at_s: float
    serving: int = 0


class Serving:
    """See the module. Lives on the event loop; blocks are read on ``readers``."""

    def __init__(
        self,
        bodies: Answers,
        blocks: Answers,
        outlet: Outlet,
        readers: ThreadPoolExecutor,
        clock: Callable[[], float],
        others: Mapping[FrameKind, tuple[FrameKind, Serve]] | None = None,
    ) -> None:
        """``others``: what else is read from the disk, by question, and its answer's kind."""
        self._bodies = bodies
        self._read: dict[FrameKind, tuple[FrameKind, Serve]] = {
            FrameKind.GET_BLOCKS: (FrameKind.BLOCKS, blocks.serve),
            **(others or {}),
        }
        self._outlet = outlet
        self._readers = readers
        self._clock = clock
        self._budgets: dict[Address, _Budget] = {}
        self._serving = 0

    def on_question(self, peer: Address, kind: FrameKind, payload: bytes) -> None:
        """Answer at once or from a thread; say nothing when the peer's budget is spent."""
        decoded = decode_request(payload)
        if decoded is None or (kind is not FrameKind.GET_BODY and kind not in self._read):
            self._outlet.report(peer, Offence.PROTOCOL, f"unexpected {kind.name}")
            return
        budget = self._refill(peer)
        if budget.bytes_left < 0:
            self._outlet.report(peer, Offence.OVERLOAD, "asks for more than it is served")
            return
        budget.bytes_left -= QUESTION_COST_BYTES + len(payload)
        request_id, body = decoded
        if kind is FrameKind.GET_BODY:
            answer = self._bodies.serve(request_id, body)
            self._send(peer, FrameKind.BODY, answer, budget)
        elif self._serving < SERVING_MAX and budget.serving < PEER_SERVING_MAX:
            self._serving += 1
            budget.serving += 1
            loop = asyncio.get_running_loop()
            answer_kind, serve = self._read[kind]
            job = loop.run_in_executor(self._readers, serve, request_id, body)
            job.add_done_callback(lambda done: self._on_read(peer, answer_kind, budget, done))

    def _refill(self, peer: Address) -> _Budget:
        now_s = self._clock()
        budget = self._budgets.get(peer)
        if budget is None:
            while len(self._budgets) >= BUDGETS_MAX:
                del self._budgets[next(iter(self._budgets))]
            budget = self._budgets[peer] = _Budget(SERVE_BURST_BYTES, now_s)
        gained = (now_s - budget.filled_at_s) * SERVE_BYTES_PER_S
        budget.bytes_left = min(budget.bytes_left + gained, SERVE_BURST_BYTES)
        budget.filled_at_s = now_s
        return budget

    def _on_read(
        self,
        peer: Address,
        kind: FrameKind,
        budget: _Budget,
        done: asyncio.Future[bytes | None],
    ) -> None:
        self._serving -= 1
        budget.serving -= 1
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            # Our disk or our bug; the peer asks another, the operator must hear of it.
            log_event(_log, logging.ERROR, "cannot read for a peer", peer=peer, error=error)
            return
        self._send(peer, kind, done.result(), budget)

    def _send(self, peer: Address, kind: FrameKind, payload: bytes | None, budget: _Budget) -> None:
        if payload is None:
            self._outlet.report(peer, Offence.PROTOCOL, f"malformed question for {kind.name}")
            return
        budget.bytes_left -= len(payload)
        self._outlet.send(peer, kind, payload)
