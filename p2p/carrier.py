"""What carries links: TCP and TLS, or a network that a simulator makes up.

A carrier connects ``Link`` objects, which are asyncio protocols, with transports whose
``ssl_object`` shows the peer's certificate. It knows no frames and no peers.
Source: DESIGN.md, P2P.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Protocol

from p2p.limits import NetworkLimits
from p2p.listener import Listener
from p2p.tls import TlsContexts, make_contexts
from p2p.transport import Link, dial
from primitives.keys import PrivateKey


class Carrier(Protocol):
    """Accepts and makes connections for one node."""

    @property
    def refused(self) -> int:
        """Connections that were hung up on before they showed who they are."""
        ...

    @property
    def failed_handshakes(self) -> int:
        """Connections that did not become links."""
        ...

    def trust(self, certificates: Sequence[bytes]) -> None:
        """Admit the owners of these, and nobody else, from now on."""
        ...

    def open(self) -> tuple[str, int]:
        """Listen; return the real host and port. Raises NetworkError when that fails."""
        ...

    async def run(self) -> None:
        """Accept until cancelled."""
        ...

    def close(self) -> None:
        """Stop listening. Closing twice is harmless."""
        ...

    async def dial(self, link: Link, host: str, port: int) -> None:
        """Connect ``link``. Raises OSError or TimeoutError."""
        ...


MakeCarrier = Callable[[Callable[[], Link]], Carrier]
"""Makes a node's carrier from what makes a link for a connection that comes in."""


class TlsCarrier:
    """TCP and TLS 1.3 with pinned certificates."""

    def __init__(
        self,
        identity: PrivateKey,
        listen: tuple[str, int],
        limits: NetworkLimits,
        make_link: Callable[[], Link],
        clock: Callable[[], float],
    ) -> None:
        self._identity, self._limits = identity, limits
        self._contexts: TlsContexts | None = None
        self._listener = Listener(*listen, limits, make_link, self._get_server_context, clock)

    @property
    def refused(self) -> int:
        return self._listener.refused

    @property
    def failed_handshakes(self) -> int:
        return self._listener.failed_handshakes

    def trust(self, certificates: Sequence[bytes]) -> None:
        # A trust store cannot forget a certificate, so a change makes a new one.
        self._contexts = make_contexts(self._identity, certificates)

    def open(self) -> tuple[str, int]:
        return self._listener.open()

    async def run(self) -> None:
        await self._listener.run()

    def close(self) -> None:
        self._listener.close()

    async def dial(self, link: Link, host: str, port: int) -> None:
        await dial(link, host, port, self._get_contexts().client, self._limits)

    def _get_server_context(self) -> ssl.SSLContext:
        return self._get_contexts().server

    def _get_contexts(self) -> TlsContexts:
        assert self._contexts is not None, "trust was told"
        return self._contexts
