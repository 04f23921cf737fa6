"""Network: the node's one door to its peers.

It owns the listener, the diallers and the links, and hands whole frames to the node.
It knows kinds and bounds of frames, never their contents.

Source: DESIGN.md, P2P.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from p2p.frames import FrameKind
from p2p.limits import NetworkLimits
from p2p.peers import Offence, PeerAddress, PeerInfo
from primitives.hashing import Address, Hash
from primitives.keys import PrivateKey


class NetworkHandler(Protocol):
    """What the node does with frames. Both are called on the event loop: be quick."""

    def on_frame(self, peer: Address, kind: FrameKind, payload: bytes) -> None:
        """A whole frame from an authenticated peer; never a control kind."""
        ...

    def on_peer(self, peer: Address, up: bool) -> None:
        """A link to ``peer`` came up or went down."""
        ...


class Network:
    """All links of one node. ``attach`` a handler, then ``async with network:``."""

    def __init__(
        self,
        identity: PrivateKey,
        listen: tuple[str, int],
        peers: Sequence[PeerAddress],
        *,
        chain_id: Hash,
        is_validator: bool = True,
        get_height: Callable[[], int] = lambda: 0,
        advertise: str = "",
        limits: NetworkLimits = NetworkLimits(),
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None: ...

    def attach(self, handler: NetworkHandler) -> None:
        """Name the receiver of frames; before ``async with``, once."""

    async def __aenter__(self) -> Network: ...

    async def __aexit__(self, *exc: object) -> None: ...

    @property
    def listening(self) -> tuple[str, int]:
        """The host and port that strangers can reach (the real port when 0 was asked)."""
        ...

    @property
    def connected(self) -> list[Address]:
        """Peers with a link that is up, ascending by key."""
        ...

    def send(self, peer: Address, kind: FrameKind, payload: bytes) -> bool:
        """Queue a frame for ``peer``. False: no link, or the queue refused it.

        Never blocks, never raises for a peer's fault; FrameError for an oversized payload.
        """
        ...

    def broadcast(
        self, kind: FrameKind, payload: bytes, *, exclude: Collection[Address] = ()
    ) -> int:
        """Queue a frame (encoded once) for every connected peer; return how many took it."""
        ...

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        """Tell what a peer did; closes the link and bans by grade (OVERLOAD: notes only)."""

    def add_peer(self, address: PeerAddress) -> None:
        """Admit a node at run time (governance); replaces an entry with the same key."""

    def remove_peer(self, peer: Address) -> None:
        """Expel a node at run time: its link is closed and its key fails in the handshake."""

    def describe(self) -> list[PeerInfo]:
        """One entry for each registered peer, for ``net_peers``."""
        ...
