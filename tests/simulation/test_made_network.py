"""Real ``Network`` objects over the made-up carrier: links, cuts, crashes, strangers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from p2p.frames import FrameKind
from p2p.network import Network
from p2p.peers import PeerAddress
from primitives.hashing import Address, Hash
from tools.simulator.whole.chain import make_key, make_shown_certificate
from tools.simulator.whole.life import Life
from tools.simulator.whole.loop import VirtualLoop
from tools.simulator.whole.network import MadeCarrier, MadeNetwork
from tools.simulator.whole.plan import Cut, Plan
from tools.simulator.whole.weather import Weather

CHAIN = Hash(bytes(32))
CALM = Plan(validators=3, heal_at_ms=0, clients=1)


@dataclass(slots=True)
class Recorder:
    """Keeps what a node hears."""

    frames: list[bytes] = field(default_factory=list)
    links: list[tuple[Address, bool]] = field(default_factory=list)

    def on_frame(self, peer: Address, kind: FrameKind, payload: bytes) -> None:
        self.frames.append(payload)

    def on_peer(self, peer: Address, up: bool) -> None:
        self.links.append((peer, up))


class Pair:
    """Two nodes' networks, the second of which knows the first, or does not."""

    def __init__(self, loop: VirtualLoop, plan: Plan, *, is_known: bool = True) -> None:
        self.loop = loop
        weather = Weather(plan, lambda: loop.time() * 1_000)
        self.made = MadeNetwork(1, weather, lambda source, target, frame: frame)
        self.recorders = [Recorder(), Recorder()]
        self.lives = [Life(index, 1, random.Random(index)) for index in range(2)]
        self.networks = [
            self._make(0, (1,)),
            self._make(1, (0,) if is_known else (2,)),
        ]

    def _make(self, index: int, others: tuple[int, ...]) -> Network:
        peers = [
            PeerAddress(
                f"v{other}", make_key(other).public_key, "10.0.0." + str(other + 1), 26600,
                make_shown_certificate(other),
            )
            for other in others
        ]  # fmt: skip
        network = Network(
            make_key(index), ("10.0.0.1", 26600), peers, chain_id=CHAIN, clock=self.loop.time,
            rng=random.Random(index),
            make_carrier=lambda make_link: MadeCarrier(
                self.made, self.lives[index], make_shown_certificate(index), make_link
            ),
        )  # fmt: skip
        network.attach(self.recorders[index])
        return network

    def start(self, index: int) -> asyncio.Task[None]:
        async def live() -> None:
            async with self.networks[index]:
                await asyncio.sleep(10_000)

        return self.loop.create_task(live(), context=self.lives[index].context)

    def is_linked(self, index: int) -> bool:
        return bool(self.networks[index].connected)


def run(
    work: Callable[[Pair], Coroutine[Any, Any, None]], plan: Plan = CALM, *, is_known: bool = True
) -> None:
    loop = VirtualLoop()
    pair = Pair(loop, plan, is_known=is_known)

    async def main() -> None:
        tasks = [pair.start(0), pair.start(1)]
        try:
            await asyncio.sleep(3)
            await work(pair)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    loop.run_until_complete(main())
    loop.close()
    assert loop.problems == []


def test_frames_arrive_once_and_in_order() -> None:
    async def work(pair: Pair) -> None:
        sent = [b"%d" % number for number in range(50)]
        for payload in sent:
            assert pair.networks[0].send(make_key(1).public_key, FrameKind.CONSENSUS, payload)
        await asyncio.sleep(1)
        assert pair.recorders[1].frames == sent

    run(work)


def test_a_stranger_gets_no_link() -> None:
    async def work(pair: Pair) -> None:
        await asyncio.sleep(20)
        assert not pair.is_linked(0)
        assert not pair.is_linked(1)

    run(work, is_known=False)


@pytest.mark.parametrize("is_loud", [True, False])
def test_a_crash_is_heard_of_or_found_out(is_loud: bool) -> None:
    async def work(pair: Pair) -> None:
        pair.lives[1].kill()
        pair.made.crash(pair.lives[1], is_loud=is_loud)
        await asyncio.sleep(2)
        assert pair.is_linked(0) != is_loud
        await asyncio.sleep(30)
        assert not pair.is_linked(0)
        assert not pair.lives[1].tasks

    run(work)


@pytest.mark.parametrize(("kind", "arrives"), [("hold", True), ("drop", False), ("reset", False)])
def test_a_cut_holds_back_loses_or_breaks(kind: str, arrives: bool) -> None:
    cut = Cut(5_000, 8_000, (0,), False, kind)
    plan = Plan(validators=3, heal_at_ms=60_000, clients=1, cuts=(cut,))

    async def work(pair: Pair) -> None:
        assert pair.is_linked(0)
        await asyncio.sleep(5.5 - pair.loop.time())
        pair.made.reset_cut()
        pair.networks[0].send(make_key(1).public_key, FrameKind.CONSENSUS, b"through")
        await asyncio.sleep(2)
        assert pair.recorders[1].frames == []
        await asyncio.sleep(8.1 - pair.loop.time())
        pair.made.release()
        await asyncio.sleep(1)
        assert pair.recorders[1].frames == ([b"through"] if arrives else [])
        await asyncio.sleep(20)
        assert pair.is_linked(0)
        assert pair.is_linked(1)

    run(work, plan)


def test_frames_are_lost_repeated_and_overtaken_as_the_plan_says() -> None:
    plan = replace(CALM, heal_at_ms=600_000, delay_ms_max=100, loss=20, repeat=20, reorder=40)

    async def work(pair: Pair) -> None:
        sent = [b"%03d" % number for number in range(300)]
        for payload in sent:
            pair.networks[0].send(make_key(1).public_key, FrameKind.CONSENSUS, payload)
        await asyncio.sleep(5)
        heard = pair.recorders[1].frames
        assert 150 < len(set(heard)) < 290
        assert len(heard) > len(set(heard))
        assert heard != sorted(heard)

    run(work, plan)


def test_what_the_tap_takes_away_does_not_arrive() -> None:
    loop = VirtualLoop()
    pair = Pair(loop, CALM)
    pair.made._tap = lambda source, target, frame: None if frame.payload == b"secret" else frame

    async def main() -> None:
        tasks = [pair.start(0), pair.start(1)]
        await asyncio.sleep(3)
        for payload in (b"secret", b"open"):
            pair.networks[0].send(make_key(1).public_key, FrameKind.CONSENSUS, payload)
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    loop.run_until_complete(main())
    loop.close()
    assert pair.recorders[1].frames == [b"open"]
