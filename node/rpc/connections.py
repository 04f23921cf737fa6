"""Who may connect to a listener, and for how long a connection may take nothing.

A stranger needs no request to harm: connections that say nothing use up the process's
file descriptors (the database needs some, too), and answers that nobody reads fill its
memory. So connections are bounded, in all and for each address, and one that leaves its
answer unread is cut off. Source: DESIGN.md, "What we promise".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

CLIENT_SHARE = 2
"""One address has at most this part (half) of a listener's connections."""
SWEEP_S = 5.0
"""Between two looks at all connections."""
UNREAD_S = 30.0
"""A client that takes nothing of its answer for so long is cut off."""
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n"
)


class Connections:
    """The connections of one listener. Lives on the event loop."""

    def __init__(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        connections_max: int,
        clock: Callable[[], float],
    ) -> None:
        self._make_protocol = make_protocol
        self._connections_max = connections_max
        self._client_max = max(connections_max // CLIENT_SHARE, 1)
        self._clock = clock
        self._open: set[_Doorman] = set()
        self._by_address: dict[str, int] = {}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._open)

    def make_doorman(self) -> asyncio.Protocol:
        """Return the protocol of a connection that was accepted."""
        return _Doorman(self)

    def sweep(self) -> None:
        """Cut off whoever leaves its answer unread."""
        now_s = self._clock()
        for doorman in list(self._open):
            doorman.check(now_s)

    def abort_all(self) -> None:
        """Cut off everyone: the node stops."""
        for doorman in list(self._open):
            doorman.abort()

    def admit(self, doorman: _Doorman, address: str) -> asyncio.Protocol | None:
        """Return who speaks with a new connection; None when there is no room."""
        count = self._by_address.get(address, 0)
        if len(self._open) >= self._connections_max or count >= self._client_max:
            self.refused += 1
            return None
        self._by_address[address] = count + 1
        self._open.add(doorman)
        return self._make_protocol()

    def release(self, doorman: _Doorman, address: str) -> None:
        """Forget a connection that is closed."""
        self._open.discard(doorman)
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class _Doorman(asyncio.Protocol):
    """Stands between a transport and the protocol that serves it."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._address = ""
        self._transport: asyncio.Transport | None = None
        self._inner: asyncio.Protocol | None = None
        self._unread_least = 0
        self._unread_since_s: float | None = None

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, made)  # uvloop's does not derive from it
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        self._inner = self._connections.admit(self, self._address)
        if self._inner is None:
            transport.write(_FULL)
            transport.close()
            return
        self._transport = transport
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is not None:
            self._connections.release(self, self._address)
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def check(self, now_s: float) -> None:
        """Cut the connection off when nothing of what waits was taken for UNREAD_S."""
        assert self._transport is not None
        unread = self._transport.get_write_buffer_size()
        if not unread:
            self._unread_since_s = None
        elif self._unread_since_s is None or unread < self._unread_least:
            self._unread_least, self._unread_since_s = unread, now_s
        elif now_s - self._unread_since_s >= UNREAD_S:
            self.abort()

    def abort(self) -> None:
        """Close without waiting for what was not sent."""
        assert self._transport is not None
        self._transport.abort()
