"""Nodes and strangers on loopback for the tests of links: real sockets, no sleeps."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from p2p.frames import Frame, FrameKind, FrameParser, encode_frame
from p2p.hello import HELLO, PROTOCOL_VERSION, Hello
from p2p.limits import NetworkLimits
from p2p.network import Network
from p2p.peers import BanPolicy, PeerAddress, PeerInfo
from p2p.tls import make_certificate, make_contexts
from primitives.hashing import Address, Hash
from primitives.keys import PrivateKey

WAIT_S = 8.0
CHAIN = Hash(b"c" * 32)
LIMITS = NetworkLimits(redial_base_s=0.02, redial_max_s=0.1, yield_s=0.05, check_s=0.02)
KEYS = sorted(
    (PrivateKey.from_seed(bytes((number,)) * 32) for number in range(1, 8)),
    key=lambda key: key.public_key,
)
"""Ascending by public key: KEYS[0]'s dial wins against everyone's."""
SHORT_BANS = BanPolicy(bad_signature_s=0.3, protocol_s=0.2, timeout_s=0.1)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


class Recorder:
    """Keeps what the network tells, and wakes whoever waits for it."""

    def __init__(self) -> None:
        self.frames: list[tuple[Address, FrameKind, bytes]] = []
        self.events: list[tuple[Address, bool]] = []
        self.fail_on: bytes | None = None
        self._changed = asyncio.Event()

    def on_frame(self, peer: Address, kind: FrameKind, payload: bytes) -> None:
        self.frames.append((peer, kind, payload))
        self._changed.set()
        if payload == self.fail_on:
            raise RuntimeError("a bug of ours")

    def on_peer(self, peer: Address, up: bool) -> None:
        self.events.append((peer, up))
        self._changed.set()

    async def until(self, is_done: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not is_done():
                self._changed.clear()
                await self._changed.wait()

    async def until_up(self, key: PrivateKey, count: int = 1) -> None:
        await self.until(lambda: self.events.count((key.public_key, True)) >= count)

    async def until_down(self, key: PrivateKey, count: int = 1) -> None:
        await self.until(lambda: self.events.count((key.public_key, False)) >= count)


class Node:
    """A network with its recorder."""

    def __init__(self, key: PrivateKey, limits: NetworkLimits = LIMITS, port: int = 0, **more: Any):
        self.key = key
        self.recorder = Recorder()
        more.setdefault("chain_id", CHAIN)
        self.network = Network(key, ("127.0.0.1", port), [], limits=limits, **more)
        self.network.attach(self.recorder)

    def describe(self, key: PrivateKey) -> PeerInfo:
        return next(i for i in self.network.describe() if i.public_key == key.public_key)


def make_address(key: PrivateKey, node: Node | None, name: str = "peer") -> PeerAddress:
    """Of a node that listens, or of one that only dials."""
    host, port = node.network.listening if node is not None else ("", 0)
    return PeerAddress(name, key.public_key, host, port, make_certificate(key))


@asynccontextmanager
async def started(*nodes: Node, introduce: bool = True) -> AsyncIterator[None]:
    """Start nodes that know each other, and stop them all."""
    async with asyncio.TaskGroup():
        entered: list[Node] = []
        try:
            for node in nodes:
                await node.network.__aenter__()
                entered.append(node)
            if introduce:
                for one in nodes:
                    for other in nodes:
                        if one is not other:
                            one.network.add_peer(make_address(other.key, other))
            yield
        finally:
            for node in reversed(entered):
                await node.network.__aexit__(None, None, None)


class RawPeer:
    """A member that speaks TLS but writes whatever bytes it likes."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.parser = FrameParser()
        self.frames: list[Frame] = []
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def connect(self, node: Node, *, hello: Hello | None = None) -> RawPeer:
        context = make_contexts(self.key, [make_certificate(node.key)]).client
        host, port = node.network.listening
        self.reader, self.writer = await asyncio.open_connection(host, port, ssl=context)
        self.send(FrameKind.HELLO, HELLO.encode(hello if hello is not None else make_hello()))
        return self

    def send(self, kind: FrameKind, payload: bytes) -> None:
        self.writer.write(encode_frame(kind, payload))

    async def read_frame(self) -> Frame | None:
        """The next frame, None at the end of the stream."""
        async with asyncio.timeout(WAIT_S):
            while not self.frames:
                try:
                    data = await self.reader.read(65_536)
                except OSError:
                    return None
                if not data:
                    return None
                self.frames += self.parser.feed(data)
            return self.frames.pop(0)

    async def read_until(self, kind: FrameKind) -> Frame | None:
        while (frame := await self.read_frame()) is not None and frame.kind is not kind:
            continue
        return frame

    async def close(self) -> None:
        self.writer.transport.abort()
        try:
            await self.writer.wait_closed()
        except OSError:
            return


class RawServer:
    """A member that listens, says HELLO to whoever dials it, and nothing more."""

    def __init__(self, key: PrivateKey, session: bytes) -> None:
        self.key = key
        self.session = session
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, node: Node) -> PeerAddress:
        context = make_contexts(self.key, [make_certificate(node.key)]).server
        self._server = await asyncio.start_server(self._greet, "127.0.0.1", 0, ssl=context)
        host, port = self._server.sockets[0].getsockname()
        return PeerAddress("raw", self.key.public_key, host, port, make_certificate(self.key))

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        hello = HELLO.encode(make_hello(session=self.session))
        writer.write(encode_frame(FrameKind.HELLO, hello))
        while True:
            try:
                if not await reader.read(65_536):
                    return
            except OSError:
                return

    async def close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()


def make_hello(**changes: Any) -> Hello:
    plain = Hello(PROTOCOL_VERSION, CHAIN, bytes(8), 0, "", True)
    return dataclasses.replace(plain, **changes)


@asynccontextmanager
async def raw_peer(
    node: Node, key: PrivateKey = KEYS[-1], hello: Hello | None = None, *, is_known: bool = False
) -> AsyncIterator[RawPeer]:
    """A connected raw peer that the node knows as a member."""
    if not is_known:
        node.network.add_peer(make_address(key, None, "raw"))
    peer = await RawPeer(key).connect(node, hello=hello)
    try:
        yield peer
    finally:
        await peer.close()
