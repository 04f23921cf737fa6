"""A made-up network under the real links: it stands where TCP and TLS stand.

A connection has two ends, each an asyncio transport of a real ``p2p.transport.Link``.
What an end writes is cut into frames, and each frame has its own fate (weather.py), so
that loss, repetition and reordering happen to whole messages, worse than TCP allows.
Every call into a node is made in the context of its life; into a dead one none is made.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from p2p.frames import CONTROL_KINDS, Frame, FrameParser, encode_frame
from p2p.transport import Link
from tools.simulator.whole.life import Life
from tools.simulator.whole.weather import Weather

HELD_FRAMES_MAX = 100_000
CONNECT_S = 5.0
"""When nobody answers: what the real dialler waits."""

Tap = Callable[[int, int, Frame], Frame | None]
"""Sees each frame that leaves (source, target, frame); returns what leaves instead."""


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """What the real link asks of TLS."""

    der: bytes

    def version(self) -> str:
        """Return the protocol."""
        return "TLSv1.3"

    def getpeercert(self, binary_form: bool = False) -> bytes:
        """Return the other end's certificate."""
        return self.der


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, network: MadeNetwork, life: Life, link: Link, remote: str) -> None:
        super().__init__()
        self._network, self.life, self.link, self.remote = network, life, link, remote
        self.other: End | None = None
        self.shown = ShownCertificate(b"")
        self.rng = random.Random(0)
        self.is_over = False
        self.is_closed = False
        self._parser = FrameParser()
        self._high = 64 * 1024
        self._under_way = 0
        self._is_blocked = False
        self._is_paused = False
        self._received: list[bytes] = []
        self._arrives_at = 0.0
        self._control_at = 0.0
        self.held: list[Frame] = []

    # -- what a Link asks of its transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object":
            return self.shown
        host, _, port = self.remote.rpartition(":")
        return (host, int(port)) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else self._high

    def is_closing(self) -> bool:
        return self.is_closed or self.is_over

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closing() or self.life.is_dead:
            return
        for frame in self._parser.feed(bytes(data)):
            self._network.carry(self, frame)

    def close(self) -> None:
        """Everything written is still delivered, then the other end hears of it."""
        if not self.is_closing():
            self.is_closed = True
            self._network.finish(self)

    def abort(self) -> None:
        if not self.is_over:
            self._network.reset(self, None)

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        received, self._received = self._received, []
        for data in received:
            self._call(self.link.data_received, data)

    # -- what the network does with it

    def reserve(self, at: float, in_order: bool, is_control: bool = False) -> float:
        """Return when a frame arrives that would by itself arrive at ``at``.

        Nothing overtakes a control frame: what comes before HELLO is no link yet.
        """
        at = max(at, (self._arrives_at if in_order else self._control_at) + 1e-6)
        if in_order:
            self._arrives_at = at
        if is_control:
            self._control_at = at
        return at

    def start_carrying(self, size: int) -> None:
        """So many bytes are under way; too many stop the writer."""
        self._under_way += size
        if self._under_way > self._high and not self._is_blocked:
            self._is_blocked = True
            self._call(self.link.pause_writing)

    def stop_carrying(self, size: int) -> None:
        """They arrived or are lost."""
        self._under_way -= size
        if self._is_blocked and self._under_way <= self._high // 4:
            self._is_blocked = False
            self._call(self.link.resume_writing)

    def receive(self, data: bytes) -> None:
        """Bytes for our link."""
        if self.is_over:
            return
        if self._is_paused:
            self._received.append(data)
        else:
            self._call(self.link.data_received, data)

    def lose(self, error: Exception | None) -> None:
        """Tell the link, once, that the connection is gone."""
        if not self.is_over:
            self.is_over = self.is_closed = True
            self._network.forget(self)
            asyncio.get_running_loop().call_soon(
                self.link.connection_lost, error, context=self.life.context
            )

    def _call(self, method: Callable[..., None], *arguments: Any) -> None:
        if not self.life.is_dead:
            asyncio.get_running_loop().call_soon(method, *arguments, context=self.life.context)


@dataclass(slots=True)
class Door:
    """Where one machine listens in one life."""

    life: Life
    make_link: Callable[[], Link]
    address: str
    certificate: bytes
    trusted: tuple[bytes, ...] = ()
    ends: list[End] = field(default_factory=list)


class MadeNetwork:
    """All connections of a run."""

    def __init__(self, seed: int, weather: Weather, tap: Tap) -> None:
        self._seed, self.weather, self._tap = seed, weather, tap
        self._doors: dict[str, Door] = {}
        self._connections = 0
        self._ends: dict[End, None] = {}

    def open(self, door: Door) -> None:
        """A machine listens."""
        self._doors[door.address] = door

    def shut(self, door: Door) -> None:
        """It does not any more."""
        if self._doors.get(door.address) is door:
            del self._doors[door.address]

    def make_rng(self, what: str) -> random.Random:
        """Return dice of their own: who is first to throw does not matter then."""
        return random.Random(f"{what}/{self._seed}")

    async def connect(self, caller: Door, link: Link, address: str) -> None:
        """Make a connection. Raises OSError or TimeoutError."""
        self._connections += 1
        rng = self.make_rng(f"connection/{self._connections}")
        source, target = caller.life.machine, get_machine(address)
        there = self._is_reachable(source, target)
        await asyncio.sleep(self.weather.get_latency_s(source, target, rng) * 2)
        answerer = self._doors.get(address)
        if not there or not self._is_reachable(source, target):
            await asyncio.sleep(CONNECT_S)
            raise TimeoutError
        if answerer is None or answerer.life.is_dead:
            raise ConnectionRefusedError(f"nobody listens at {address}")
        if caller.certificate not in answerer.trusted or answerer.certificate not in caller.trusted:
            raise ConnectionAbortedError("certificate refused")
        ours = End(self, caller.life, link, address)
        theirs = End(self, answerer.life, answerer.make_link(), caller.address)
        for end, other, owner in ((ours, theirs, answerer), (theirs, ours, caller)):
            end.other, end.shown = other, ShownCertificate(owner.certificate)
            end.rng = random.Random(rng.getrandbits(64))
            self._ends[end] = None
        link.connection_made(ours)
        asyncio.get_running_loop().call_soon(
            theirs.link.connection_made, theirs, context=answerer.life.context
        )

    def _is_reachable(self, source: int, target: int) -> bool:
        weather = self.weather
        return not (weather.find_cut(source, target) or weather.find_cut(target, source))

    # -- one connection

    def carry(self, end: End, frame: Frame) -> None:
        """A frame leaves."""
        other = end.other
        assert other is not None
        source, target = end.life.machine, other.life.machine
        shown = self._tap(source, target, frame)
        if shown is None:
            return
        cut = self.weather.find_cut(source, target)
        if cut == "hold" and len(end.held) < HELD_FRAMES_MAX:
            end.held.append(shown)
            end.start_carrying(len(shown.payload))
        elif not cut:
            self._send(end, other, shown)

    def _send(self, end: End, other: End, frame: Frame) -> None:
        if other.life.is_dead or other.is_over:
            self._answer_for_the_dead(end, other)
            return
        loop = asyncio.get_running_loop()
        source, target = end.life.machine, other.life.machine
        fate = self.weather.draw(source, target, frame.kind, end.rng)
        for number, delay_s in enumerate(fate.delays_s):
            is_first = number == 0
            is_control = frame.kind in CONTROL_KINDS
            in_order = is_first and (fate.in_order or is_control)
            size = len(frame.payload) if is_first else 0
            end.start_carrying(size)
            at = end.reserve(loop.time() + delay_s, in_order, is_control)
            loop.call_at(at, self._arrive, end, frame, size)

    def _arrive(self, end: End, frame: Frame, size: int) -> None:
        other = end.other
        assert other is not None
        if not end.life.is_dead:
            end.stop_carrying(size)
        if not other.life.is_dead:
            other.receive(encode_frame(frame.kind, frame.payload))

    def _answer_for_the_dead(self, end: End, other: End) -> None:
        """A machine that runs again knows nothing of the connection, and says so."""
        door = self._doors.get(make_address(other.life.machine))
        if door is not None and not end.is_over:
            delay_s = self.weather.get_latency_s(end.life.machine, other.life.machine, end.rng)
            asyncio.get_running_loop().call_later(delay_s, end.lose, ConnectionResetError("reset"))

    def finish(self, end: End) -> None:
        """One end closed: the other hears of it after all that was written."""
        loop = asyncio.get_running_loop()
        loop.call_soon(end.lose, None)
        self._tell_other(end, None)

    def reset(self, end: End, error: Exception | None) -> None:
        """One end cut the connection."""
        end.lose(error)
        self._tell_other(end, ConnectionResetError("reset by peer"))

    def _tell_other(self, end: End, error: Exception | None) -> None:
        other = end.other
        assert other is not None
        source, target = end.life.machine, other.life.machine
        if not self.weather.find_cut(source, target):
            loop = asyncio.get_running_loop()
            at = loop.time() + self.weather.get_latency_s(source, target, end.rng)
            loop.call_at(end.reserve(at, error is None), other.lose, error)

    def forget(self, end: End) -> None:
        """An end is over."""
        self._ends.pop(end, None)

    # -- what happens to machines and groups

    def crash(self, life: Life, *, is_loud: bool) -> None:
        """A machine dies; its peers hear of it at once (``is_loud``) or find out."""
        for end in [end for end in self._ends if end.life is life]:
            if is_loud:
                self._tell_other(end, ConnectionResetError("reset by peer"))
            end.lose(None)

    def reset_cut(self) -> None:
        """Connections across a new cut of the kind "reset" end on both sides."""
        for end in list(self._ends):
            other = end.other
            if other is not None and not end.is_over:
                cut = self.weather.find_cut(end.life.machine, other.life.machine)
                if cut == "reset":
                    end.lose(ConnectionResetError("no route"))

    def release(self) -> None:
        """A cut ended: what the network held back goes on its way."""
        for end in list(self._ends):
            other = end.other
            if other is None or self.weather.find_cut(end.life.machine, other.life.machine):
                continue
            held, end.held = end.held, []
            for frame in held:
                end.stop_carrying(len(frame.payload))
                self._send(end, other, frame)


def make_address(machine: int) -> str:
    """Return where a machine listens."""
    return f"10.0.0.{machine + 1}:26600"


def get_machine(address: str) -> int:
    """Return the machine that listens there."""
    return int(address.partition(":")[0].rpartition(".")[2]) - 1


class MadeCarrier:
    """Connects one node in one life (``p2p.carrier.Carrier``)."""

    def __init__(
        self, network: MadeNetwork, life: Life, certificate: bytes, make_link: Callable[[], Link]
    ) -> None:
        self._network = network
        self._door = Door(life, make_link, make_address(life.machine), certificate)
        self.refused = 0
        self.failed_handshakes = 0

    def trust(self, certificates: Sequence[bytes]) -> None:
        self._door.trusted = tuple(certificates)

    def open(self) -> tuple[str, int]:
        self._network.open(self._door)
        host, _, port = self._door.address.partition(":")
        return host, int(port)

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def close(self) -> None:
        self._network.shut(self._door)

    async def dial(self, link: Link, host: str, port: int) -> None:
        await self._network.connect(self._door, link, f"{host}:{port}")
