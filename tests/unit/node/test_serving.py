"""Answers to peers: a budget for each, places for all, and what is no question."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from node.serving import (
    BUDGETS_MAX,
    PEER_SERVING_MAX,
    QUESTION_COST_BYTES,
    SERVE_BURST_BYTES,
    SERVE_BYTES_PER_S,
    Serving,
)
from p2p.frames import FrameKind, encode_request
from p2p.peers import Offence
from primitives.hashing import Address

GREEDY, HONEST = Address(b"g" * 32), Address(b"h" * 32)
ANSWER = bytes(1024 * 1024)
QUESTION = encode_request(1, b"question")


@dataclass
class Library:
    """Answers everything the same, once it may."""

    answer: bytes | None = ANSWER
    error: Exception | None = None
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def serve(self, request_id: int, body: bytes, /) -> bytes | None:
        assert self.may_go_on.wait(10)
        if self.error is not None:
            raise self.error
        return self.answer


@dataclass
class Outlet:
    sent: list[tuple[Address, FrameKind, int]] = field(default_factory=list)
    reports: list[tuple[Address, Offence]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, peer: Address, kind: FrameKind, payload: bytes) -> bool:
        self.sent.append((peer, kind, len(payload)))
        self.changed.set()
        return True

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        self.reports.append((peer, offence))
        self.changed.set()

    async def wait(self, is_done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_done():
                self.changed.clear()
                await self.changed.wait()


@dataclass
class Setup:
    serving: Serving
    library: Library
    outlet: Outlet
    now: list[float]


def check(work: Callable[[Setup], Awaitable[None]]) -> None:
    async def main() -> None:
        library, outlet, now = Library(), Outlet(), [0.0]
        with ThreadPoolExecutor(4) as readers:
            try:
                serving = Serving(library, library, outlet, readers, lambda: now[0])
                await work(Setup(serving, library, outlet, now))
            finally:
                library.may_go_on.set()

    asyncio.run(main())


def test_who_asks_endlessly_is_served_its_budget_and_then_nothing_and_not_banned() -> None:
    async def work(setup: Setup) -> None:
        setup.library.may_go_on.set()
        for _ in range(1_000):
            setup.serving.on_question(GREEDY, FrameKind.GET_BODY, QUESTION)
        served = sum(size for _, _, size in setup.outlet.sent)
        assert served <= SERVE_BURST_BYTES + len(ANSWER)
        assert {offence for _, offence in setup.outlet.reports} == {Offence.OVERLOAD}
        setup.serving.on_question(HONEST, FrameKind.GET_BODY, QUESTION)
        assert setup.outlet.sent[-1] == (HONEST, FrameKind.BODY, len(ANSWER))
        count = len(setup.outlet.sent)
        setup.now[0] += 2 * (len(ANSWER) + QUESTION_COST_BYTES) / SERVE_BYTES_PER_S
        setup.serving.on_question(GREEDY, FrameKind.GET_BODY, QUESTION)
        assert len(setup.outlet.sent) == count + 1

    check(work)


def test_questions_without_an_answer_are_paid_for_too() -> None:
    async def work(setup: Setup) -> None:
        setup.library.may_go_on.set()
        setup.library.answer = b""
        for _ in range(SERVE_BURST_BYTES // QUESTION_COST_BYTES + 2):
            setup.serving.on_question(GREEDY, FrameKind.GET_BODY, QUESTION)
        assert setup.outlet.reports[-1] == (GREEDY, Offence.OVERLOAD)

    check(work)


def test_one_peer_cannot_take_every_place_for_reading_blocks() -> None:
    async def work(setup: Setup) -> None:
        for _ in range(100):
            setup.serving.on_question(GREEDY, FrameKind.GET_BLOCKS, QUESTION)
        setup.serving.on_question(HONEST, FrameKind.GET_BLOCKS, QUESTION)
        setup.library.may_go_on.set()
        await setup.outlet.wait(lambda: len(setup.outlet.sent) == PEER_SERVING_MAX + 1)
        assert [peer for peer, _, _ in setup.outlet.sent].count(HONEST) == 1
        setup.serving.on_question(GREEDY, FrameKind.GET_BLOCKS, QUESTION)
        await setup.outlet.wait(lambda: len(setup.outlet.sent) == PEER_SERVING_MAX + 2)

    check(work)


def test_nonsense_is_reported_and_a_failing_disk_frees_the_place() -> None:
    async def work(setup: Setup) -> None:
        setup.library.may_go_on.set()
        setup.serving.on_question(GREEDY, FrameKind.GET_BODY, b"short")
        setup.serving.on_question(GREEDY, FrameKind.PONG, QUESTION)
        setup.library.answer = None
        setup.serving.on_question(GREEDY, FrameKind.GET_BODY, QUESTION)
        assert setup.outlet.reports == [(GREEDY, Offence.PROTOCOL)] * 3
        setup.library.error = OSError("the disk is gone")
        loop = asyncio.get_running_loop()
        for _ in range(3 * PEER_SERVING_MAX):
            setup.serving.on_question(GREEDY, FrameKind.GET_BLOCKS, QUESTION)
            await asyncio.sleep(0)
        setup.library.error, setup.library.answer = None, ANSWER
        async with asyncio.timeout(10):
            while not setup.outlet.sent:
                setup.serving.on_question(HONEST, FrameKind.GET_BLOCKS, QUESTION)
                await loop.run_in_executor(None, int)

    check(work)


def test_the_number_of_budgets_is_bounded() -> None:
    async def work(setup: Setup) -> None:
        setup.library.may_go_on.set()
        for number in range(BUDGETS_MAX + 10):
            peer = Address(number.to_bytes(32, "big"))
            setup.serving.on_question(peer, FrameKind.GET_BODY, QUESTION)
        assert len(setup.serving._budgets) == BUDGETS_MAX

    check(work)
