"""A TCP proxy between each pair of nodes: where the network can be made bad, anywhere.

Each node reaches each other through a port of ours, so every direction of every pair is
a rule: how long bytes take, and whether they pass at all. Bytes that do not pass are not
lost, they wait, as they do in TCP that sends them again; so does the end of a
connection. A connection that begins while its way is cut waits as well, until whoever
dials gives up. TLS runs through it untouched: nothing here can read or change it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

from primitives.errors import CarbonodeError
from tools.localnet.ports import LOOPBACK, find_free_ports

READ_BYTES = 64 * 1024
CHUNKS_MAX = 256
"""Chunks of one direction under way; then we stop reading, and TCP slows the sender."""

Chunk = tuple[float, bytes]
"""When it may be handed on, and what; no bytes mean the end."""


class ProxyError(CarbonodeError):
    """The proxy was used before the network said where its nodes listen."""

    code = "proxy"


@dataclass(slots=True)
class Way:
    """One direction between two nodes."""

    delay_s: float = 0.0
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.is_open.set()


class ProxyMesh:
    """Proxies for ``count`` nodes: ``async with ProxyMesh(4) as mesh``, then ``mesh.reach``."""

    def __init__(self, count: int) -> None:
        pairs = [(one, other) for one in range(count) for other in range(count) if one != other]
        self._ways = {pair: Way() for pair in pairs}
        self._ports: dict[tuple[int, int], int] = {}
        self._targets: dict[int, int] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ProxyMesh:
        ports = find_free_ports(len(self._ways))
        for (dialler, target), port in zip(self._ways, ports, strict=True):
            self._ports[dialler, target] = port
            self._servers.append(await self._listen(dialler, target, port))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reach(self, dialler: int, target: int, port: int) -> tuple[str, int]:
        """Return where ``dialler`` reaches ``target``, who listens on ``port``."""
        self._targets[target] = port
        return LOOPBACK, self._ports[dialler, target]

    def cut(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Let nothing pass from the first to the second of each pair."""
        for pair in pairs:
            self._ways[pair].is_open.clear()

    def delay(self, delay_ms: int) -> None:
        """Let every direction take so long."""
        for way in self._ways.values():
            way.delay_s = delay_ms / 1_000

    def heal(self) -> None:
        """Let everything pass at once again."""
        for way in self._ways.values():
            way.delay_s = 0.0
            way.is_open.set()

    async def _listen(self, dialler: int, target: int, port: int) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await self._serve(dialler, target, reader, writer)
            finally:
                self._tasks.discard(task)
                writer.transport.abort()

        return await asyncio.start_server(serve, LOOPBACK, port)

    async def _serve(
        self,
        dialler: int,
        target: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        there, back = self._ways[dialler, target], self._ways[target, dialler]
        for way in (there, back):
            await way.is_open.wait()
        if target not in self._targets:
            raise ProxyError("nobody said where the node listens", node=target)
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._targets[target])
        except OSError:
            return  # it is down: our side is closed as well
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer, there))
                group.create_task(_pump(far_reader, writer, back))
        finally:
            far_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
    chunks: asyncio.Queue[Chunk] = asyncio.Queue(CHUNKS_MAX)
    async with asyncio.TaskGroup() as group:
        group.create_task(_read(reader, chunks, way))
        group.create_task(_write(chunks, writer, way))


async def _read(reader: asyncio.StreamReader, chunks: asyncio.Queue[Chunk], way: Way) -> None:
    clock = asyncio.get_running_loop()
    data = b"."
    while data:
        try:
            data = await reader.read(READ_BYTES)
        except OSError:
            data = b""
        await chunks.put((clock.time() + way.delay_s, data))


async def _write(chunks: asyncio.Queue[Chunk], writer: asyncio.StreamWriter, way: Way) -> None:
    clock = asyncio.get_running_loop()
    while True:
        due, data = await chunks.get()
        await asyncio.sleep(max(0.0, due - clock.time()))
        await way.is_open.wait()
        if not data:
            # Nothing can be half open here: TLS needs both directions.
            with contextlib.suppress(OSError):
                writer.close()
            return
        with contextlib.suppress(OSError):
            # A reader that is gone shows at the other side's end.
            writer.write(data)
            await writer.drain()
