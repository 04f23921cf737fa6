"""Network: the node's one door to its peers.

It owns the listener, the diallers and the links, and hands whole frames to the node.
It knows kinds and bounds of frames, never their contents.

Source: DESIGN.md, P2P.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Final, Protocol

from p2p.carrier import Carrier, MakeCarrier, TlsCarrier
from p2p.dialler import Dialler
from p2p.errors import FrameError, NetworkError
from p2p.frames import CONTROL_KINDS, Frame, FrameKind, encode_frame
from p2p.hello import PROTOCOL_VERSION, SESSION_BYTES, Hello
from p2p.limits import NetworkLimits
from p2p.peers import (
    BanPolicy,
    Offence,
    Peer,
    PeerAddress,
    PeerInfo,
    PeerTable,
    is_dialler_kept,
)
from p2p.tls import check_peer_address
from p2p.transport import DUPLICATE, REPLACED, Link
from primitives.hashing import Address, Hash
from primitives.keys import PrivateKey

DEFAULT_LIMITS: Final = NetworkLimits()
DEFAULT_BANS: Final = BanPolicy()
_NO_ERRORS: Final = {said + word for said in ("", "goodbye: ") for word in (REPLACED, DUPLICATE)}
_ENCODED_BYTES_MAX: Final = 2 * 1024 * 1024
"""Kept for the next ``send``: messages of gossip, never a block."""
_LOG: Final = logging.getLogger("carbonode.p2p")


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
        limits: NetworkLimits = DEFAULT_LIMITS,
        bans: BanPolicy = DEFAULT_BANS,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        make_carrier: MakeCarrier | None = None,
    ) -> None:
        """Raises PeerAddressError for a malformed entry of ``peers``; does no I/O.

        ``advertise`` is the ``host:port`` told to peers; by default the listening one.
        ``make_carrier`` replaces TCP and TLS.
        """
        self._identity = identity
        self._listen = listen
        self._chain_id = chain_id
        self._is_validator = is_validator
        self._get_height = get_height
        self._advertise = advertise
        self._limits = limits
        self._clock = clock
        rng = rng if rng is not None else random.Random(secrets.randbits(64))
        self._session = rng.randbytes(SESSION_BYTES)
        self._table = PeerTable(identity.public_key, limits.peers_max, bans)
        for address in peers:
            check_peer_address(address)
            self._table.add(address, clock())
        self._handler: NetworkHandler | None = None
        self._links: dict[Address, Link] = {}
        self._open: dict[Link, None] = {}
        self._dialler = Dialler(
            identity.public_key, limits, clock, rng, self._connect, self._links.__contains__
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._root: list[asyncio.Task[None]] = []
        self._bound: tuple[str, int] | None = None
        self._closing = False
        if make_carrier is None:
            self._carrier: Carrier = TlsCarrier(identity, listen, limits, self._make_link, clock)
        else:
            self._carrier = make_carrier(self._make_link)
        self._encoded: tuple[FrameKind, bytes, bytes] | None = None

    # --- life ---

    def attach(self, handler: NetworkHandler) -> None:
        """Name the receiver of frames; before ``async with``, once."""
        if self._handler is not None:
            raise NetworkError("a handler is attached already")
        self._handler = handler

    async def __aenter__(self) -> Network:
        """Listen and start dialling. Raises NetworkError when the port is taken."""
        if self._handler is None:
            raise NetworkError("attach a handler first")
        self._carrier.trust(self._table.certificates)
        self._bound = self._carrier.open()
        tasks = asyncio.TaskGroup()
        await tasks.__aenter__()
        self._tasks = tasks
        self._root = [
            tasks.create_task(self._carrier.run()),
            tasks.create_task(self._check_links()),
        ]
        for peer in self._table:
            self._dialler.start(peer, tasks)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say GOODBYE on every link, stop every task, wait until all is closed."""
        self._closing = True
        self._dialler.stop_all()
        for task in self._root:
            task.cancel()
        for link in list(self._open):
            self._drop(link, "shutting-down")
        waiting = [link.closed for link in self._open]
        assert self._tasks is not None
        try:
            if waiting:
                await asyncio.wait(waiting, timeout=self._limits.shutdown_s * 2)
        finally:
            for link in list(self._open):
                link.abort("shutting-down")
            await self._tasks.__aexit__(kind, error, trace)
            # Closed by its task already, unless that was cancelled before it began.
            self._carrier.close()

    @property
    def listening(self) -> tuple[str, int]:
        """The host and port that strangers can reach (the real port when 0 was asked)."""
        return self._bound if self._bound is not None else self._listen

    # --- for the node ---

    @property
    def connected(self) -> list[Address]:
        """Peers with a link that is up, ascending by key."""
        return sorted(self._links)

    @property
    def refused_connections(self) -> int:
        """Connections that were hung up on before TLS: too many from there, or in all."""
        return self._carrier.refused

    @property
    def failed_handshakes(self) -> int:
        """Connections of strangers, garbage or silence, since the start."""
        return self._carrier.failed_handshakes

    def send(self, peer: Address, kind: FrameKind, payload: bytes) -> bool:
        """Queue a frame for ``peer``. False: no link, or the queue refused it.

        Never blocks, never raises for a peer's fault; FrameError for an oversized payload.
        """
        frame = self._encode(kind, payload)
        link = self._links.get(peer)
        return link is not None and link.push(kind, frame)

    def broadcast(
        self, kind: FrameKind, payload: bytes, *, exclude: Collection[Address] = ()
    ) -> int:
        """Queue a frame (encoded once) for every connected peer; return how many took it."""
        frame = self._encode(kind, payload)
        links = [link for peer, link in self._links.items() if peer not in exclude]
        return sum(link.push(kind, frame) for link in links)

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        """Tell what a peer did; closes the link and bans by grade (OVERLOAD: notes only)."""
        record = self._table.get(peer)
        if record is None:
            return
        ban_s = self._table.note_offence(record, offence, reason, self._clock())
        if ban_s <= 0:
            return
        _LOG.warning(
            "peer %s banned for %.0f s: %s: %s", record.address.name, ban_s, offence.value, reason
        )
        link = self._links.get(peer)
        if link is not None:
            self._drop(link, f"banned: {offence.value}")
        self._dialler.wake(peer)

    def add_peer(self, address: PeerAddress) -> None:
        """Admit a node at run time (governance); replaces an entry with the same key."""
        check_peer_address(address)
        peer = self._table.add(address, self._clock())
        if peer is None:
            return
        if self._bound is not None:
            self._carrier.trust(self._table.certificates)
        if self._tasks is not None and not self._closing:
            self._dialler.start(peer, self._tasks)

    def set_validator(self, is_validator: bool) -> None:
        """Say so in each HELLO from now on."""
        self._is_validator = is_validator

    def remove_peer(self, peer: Address) -> None:
        """Expel a node at run time: its link is closed and its key fails in the handshake."""
        if self._table.remove(peer) is None:
            return
        if self._bound is not None:
            self._carrier.trust(self._table.certificates)
        self._dialler.stop(peer)
        for link in [link for link in self._open if link.peer == peer]:
            self._drop(link, "expelled")

    def describe(self) -> list[PeerInfo]:
        """One entry for each registered peer, for ``net_peers``."""
        now = self._clock()
        return [self._describe(peer, now) for peer in self._table]

    # --- LinkOwner: what links tell ---

    def identify(self, link: Link, certificate: bytes) -> Address | None:
        """Whose certificate this is, unless we turn the owner away at present."""
        self._open[link] = None
        key = self._table.get_key(certificate)
        peer = self._table.get(key) if key is not None else None
        if peer is None or peer.is_banned(self._clock()) or self._closing:
            return None
        return key

    def make_hello(self) -> Hello:
        """Return our HELLO."""
        host, port = self.listening
        return Hello(
            PROTOCOL_VERSION,
            self._chain_id,
            self._session,
            self._get_height(),
            self._advertise or f"{host}:{port}",
            self._is_validator,
        )

    def on_hello(self, link: Link, hello: Hello) -> None:
        """Keep the link if the peer fits and has no better one with us."""
        peer = self._table.get(link.peer) if link.peer is not None else None
        if peer is None or peer.is_banned(self._clock()):
            link.close("not-admitted")
            return
        misfit = self._find_misfit(hello)
        if misfit is not None:
            peer.last_error = misfit
            link.close(misfit)
            return
        key = peer.address.public_key
        old = self._links.get(key)
        if old is not None and not self._is_replacing(old, link):
            # Its owner may know that the old link is dead; we find out soon.
            old.probe()
            link.retire(DUPLICATE)
            link.settle(False)
            return
        self._links[key] = link
        link.is_up = True
        link.settle(True)
        peer.connects += 1
        if old is not None:
            old.retire(REPLACED)
            link.outbox.take_over(old.outbox)
            link.plan_flush()
        else:
            self._tell_peer(key, up=True)

    def on_frame(self, link: Link, frame: Frame) -> None:
        """Hand a frame to the node. A failing handler costs this link, not the loop."""
        assert self._handler is not None and link.peer is not None
        try:
            self._handler.on_frame(link.peer, frame.kind, frame.payload)
        except Exception as error:
            # The last place that knows which peer's bytes led to our own bug.
            _LOG.exception("handler failed on %s", frame.kind.name)
            self._note_error(link.peer, f"handler failed: {error!r}")
            self._drop(link, "internal-error")

    def on_offence(self, link: Link, offence: Offence, reason: str) -> None:
        """A link found its peer out."""
        if link.peer is not None:
            self.report(link.peer, offence, reason)
        self._drop(link, f"{offence.value}: {reason}")

    def on_goodbye(self, link: Link) -> None:
        """The peer ends a link."""
        self._unlink(link)

    def on_lost(self, link: Link) -> None:
        """Account for a closed link and let its dialler go on."""
        self._open.pop(link, None)
        key = link.expected or link.peer
        peer = self._table.get(key) if key is not None else None
        self._unlink(link)
        if peer is None:
            return
        peer.bytes_in += link.bytes_in
        peer.bytes_out += link.bytes_out
        peer.dropped_frames += link.dropped_in + link.outbox.dropped
        if link.reason not in _NO_ERRORS:
            peer.last_error = link.reason

    # --- within ---

    def _encode(self, kind: FrameKind, payload: bytes) -> bytes:
        """Encode once what gossip sends to many peers in a row."""
        if self._encoded is not None and self._encoded[1] is payload and self._encoded[0] is kind:
            return self._encoded[2]
        if kind in CONTROL_KINDS:
            raise FrameError("a control frame is the link's own", kind=kind.name)
        frame = encode_frame(kind, payload)
        self._encoded = (kind, payload, frame) if len(payload) <= _ENCODED_BYTES_MAX else None
        return frame

    def _make_link(self) -> Link:
        return Link(self, self._limits, self._clock)

    def _find_misfit(self, hello: Hello) -> str | None:
        if hello.protocol != PROTOCOL_VERSION:
            return f"protocol {hello.protocol}, ours is {PROTOCOL_VERSION}"
        if hello.chain_id != self._chain_id:
            return f"another chain: {hello.chain_id.hex()[:16]}"
        return None

    def _is_replacing(self, old: Link, new: Link) -> bool:
        """Which of two links to the same peer stays; the peer answers the same."""
        assert old.hello is not None and new.hello is not None and new.peer is not None
        if old.hello.session != new.hello.session or old.outbound == new.outbound:
            return True
        return is_dialler_kept(self._identity.public_key, new.peer, outbound=new.outbound)

    def _drop(self, link: Link, reason: str) -> None:
        link.close(reason)
        self._unlink(link)

    def _unlink(self, link: Link) -> None:
        """The link carries nothing more: forget it, plan the next dial, tell the node."""
        key = link.peer
        link.is_up = False
        if key is None or self._links.get(key) is not link:
            return
        del self._links[key]
        peer = self._table.get(key)
        if peer is not None:
            lasted_s = self._clock() - link.opened_at
            peer.attempt = 0 if lasted_s >= self._limits.stable_s else peer.attempt
            self._dialler.plan(peer)
        self._dialler.wake(key)
        self._tell_peer(key, up=False)

    def _tell_peer(self, key: Address, *, up: bool) -> None:
        assert self._handler is not None
        try:
            self._handler.on_peer(key, up)
        except Exception:
            # Our own bug; the other links must not pay for it.
            _LOG.exception("handler failed on a link that went %s", "up" if up else "down")

    def _note_error(self, key: Address, text: str) -> None:
        peer = self._table.get(key)
        if peer is not None:
            peer.last_error = text

    async def _connect(self, peer: Peer) -> None:
        """Dial once; returns when the link is up or has failed."""
        address = peer.address
        link = Link(self, self._limits, self._clock, expected=address.public_key)
        await self._carrier.dial(link, address.host, address.port)
        await link.settled

    async def _check_links(self) -> None:
        while True:
            await asyncio.sleep(self._limits.check_s)
            now = self._clock()
            for link in list(self._links.values()):
                link.check(now)

    # --- showing ---

    def _describe(self, peer: Peer, now: float) -> PeerInfo:
        address = peer.address
        link = self._links.get(address.public_key)
        return PeerInfo(
            name=address.name,
            public_key=address.public_key,
            address=link.remote if link else f"{address.host}:{address.port}",
            is_validator=address.is_validator,
            state="connected" if link else peer.get_state(now),
            direction=None if not link else "outbound" if link.outbound else "inbound",
            height=link.hello.height if link and link.hello else None,
            connected_s=now - link.opened_at if link else None,
            idle_s=now - link.last_read_at if link else None,
            round_trip_ms=link.round_trip_ms if link else None,
            bytes_in=peer.bytes_in + (link.bytes_in if link else 0),
            bytes_out=peer.bytes_out + (link.bytes_out if link else 0),
            queued_bytes=link.outbox.queued_bytes if link else 0,
            lane_bytes=link.outbox.lane_bytes if link else (0, 0, 0),
            dropped_frames=peer.dropped_frames
            + (link.dropped_in + link.outbox.dropped if link else 0),
            connects=peer.connects,
            last_error=peer.last_error,
            banned_s=peer.banned_until - now if peer.is_banned(now) else None,
            bans=peer.bans,
        )
