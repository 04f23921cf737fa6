"""The port: accepts connections, few at a time before they have shown who they are.

Strangers can take a bounded number of places for a bounded time, one address a part
of them and only so often; everything else about a connection is the link's.

Source: DESIGN.md, P2P.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from p2p.errors import NetworkError
from p2p.limits import NetworkLimits
from p2p.rates import TokenBucket
from p2p.transport import Link

_LOG: Final = logging.getLogger("carbonode.p2p")


class Listener:
    """Accepts connections, few at a time before they have shown who they are."""

    def __init__(
        self,
        host: str,
        port: int,
        limits: NetworkLimits,
        make_link: Callable[[], Link],
        get_context: Callable[[], ssl.SSLContext],
        clock: Callable[[], float],
    ) -> None:
        self._host, self._port, self._limits = host, port, limits
        self._make_link, self._get_context, self._clock = make_link, get_context, clock
        self._socket: socket.socket | None = None
        self._half_open: Counter[str] = Counter()
        self._visits: OrderedDict[str, TokenBucket] = OrderedDict()
        self.refused = 0
        self.failed_handshakes = 0

    def open(self) -> tuple[str, int]:
        """Bind; return the real host and port. Raises NetworkError when that fails."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._socket = socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            raise NetworkError(
                f"cannot listen: {error}", code="listen", host=self._host, port=self._port
            ) from None
        self._socket.setblocking(False)
        host, port = self._socket.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def half_open(self) -> int:
        """Connections in their handshake."""
        return self._half_open.total()

    async def run(self) -> None:
        """Accept until cancelled; owns every handshake that it starts."""
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    try:
                        connection, address = await loop.sock_accept(self._socket)
                    except OSError:
                        # No file descriptors left, or the stranger hung up already.
                        await asyncio.sleep(0.1)
                        continue
                    self._admit(connection, str(address[0]), tasks)
        finally:
            self.close()

    def _admit(self, connection: socket.socket, ip: str, tasks: asyncio.TaskGroup) -> None:
        """Start a handshake, or hang up on an address that has its share already."""
        if self._is_full(ip):
            self.refused += 1
            connection.close()
            return
        self._half_open[ip] += 1
        tasks.create_task(self._greet(connection, ip))

    def _is_full(self, ip: str) -> bool:
        limits = self._limits
        if not self._take_visit(ip):
            return True
        return (
            self._half_open.total() >= limits.half_open_max
            or self._half_open[ip] >= limits.half_open_per_ip_max
        )

    def _take_visit(self, ip: str) -> bool:
        """Whether this address may have one more handshake: each costs us about 1 ms."""
        limits, now = self._limits, self._clock()
        visits = self._visits.pop(ip, None)
        if visits is None:
            visits = TokenBucket(limits.visits_per_s, limits.visits_burst, now)
            if len(self._visits) >= limits.addresses_max:
                self._visits.popitem(last=False)
        self._visits[ip] = visits
        return visits.take(1, now)

    async def _greet(self, connection: socket.socket, ip: str) -> None:
        """TLS, then HELLO; the place among the half-open is held until both are done."""
        link = self._make_link()
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: link,
                connection,
                ssl=self._get_context(),
                ssl_handshake_timeout=self._limits.handshake_s,
                ssl_shutdown_timeout=self._limits.shutdown_s,
            )
            await link.settled
        except (OSError, TimeoutError) as error:
            # ssl.SSLError is an OSError: a stranger, garbage, or silence. Not louder
            # than debug, for strangers must not fill a disk with our logs.
            _LOG.debug("handshake with %s failed: %s", ip, error)
            self.failed_handshakes += 1
            connection.close()
        finally:
            self._half_open[ip] -= 1
            if self._half_open[ip] <= 0:
                del self._half_open[ip]
