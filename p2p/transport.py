"""The I/O of one link: dial, read, write, close. (``listener`` accepts.)

A link reads whole frames and hands them to its owner; it writes from its outbox,
coalescing all that waits into one write, and stops when the kernel is full. It knows
control frames (HELLO, PING, PONG, GOODBYE) and no others. It never decides who is
banned or which of two links stays: that is its owner's.

Source: DESIGN.md, P2P.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from p2p.frames import Frame, FrameKind, FrameParser, encode_frame
from p2p.hello import HELLO, Hello
from p2p.limits import NetworkLimits
from p2p.outbox import Outbox, Push
from p2p.peers import Offence
from p2p.rates import TokenBucket
from primitives.errors import CodecError
from primitives.hashing import Address

REPLACED: Final = "replaced"
DUPLICATE: Final = "duplicate"
"""Reasons of a GOODBYE on the worse of two links: its frames still count."""


class LinkOwner(Protocol):
    """What a link asks of the network that owns it."""

    def identify(self, link: Link, certificate: bytes) -> Address | None:
        """Return whose certificate this is; None refuses the link."""
        ...

    def make_hello(self) -> Hello:
        """Return our own HELLO of this moment."""
        ...

    def on_hello(self, link: Link, hello: Hello) -> None:
        """The peer introduced itself: keep the link (``link.is_up = True``) or close it."""
        ...

    def on_frame(self, link: Link, frame: Frame) -> None:
        """A frame for the node."""
        ...

    def on_offence(self, link: Link, offence: Offence, reason: str) -> None:
        """The peer broke a rule; the owner closes the link where that is due."""
        ...

    def on_goodbye(self, link: Link) -> None:
        """The peer ends the link; it is still flushed for a moment."""
        ...

    def on_lost(self, link: Link) -> None:
        """The link is gone; ``link.reason`` says why."""
        ...


class Link(asyncio.Protocol):
    """One TLS connection. Made by ``dial`` or ``Listener``, driven by the event loop."""

    def __init__(
        self,
        owner: LinkOwner,
        limits: NetworkLimits,
        clock: Callable[[], float],
        expected: Address | None = None,
    ) -> None:
        now = clock()
        self._owner, self._limits, self._clock = owner, limits, clock
        self.expected = expected
        self.outbound = expected is not None
        self.peer: Address | None = None
        self.hello: Hello | None = None
        self.is_up = False
        self.reason: str | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.remote = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self.dropped_in = 0
        self.opened_at = now
        self.last_read_at = now
        self.round_trip_ms: float | None = None
        self.outbox = Outbox(
            (
                limits.consensus_queue_bytes,
                limits.blocks_queue_bytes,
                limits.transactions_queue_bytes,
            )
        )
        self._transport: asyncio.Transport | None = None
        self._parser = FrameParser()
        self._bytes = TokenBucket(limits.read_bytes_per_s, limits.read_burst_bytes, now)
        self._rates = {
            kind: TokenBucket(rate, burst, now)
            for kind, (rate, burst) in limits.frame_rates.items()
        }
        self._blocked_since: float | None = None
        self._flush_planned = False
        self._is_retired = False
        self._ping_at = now + limits.ping_s
        self._ping_sent_at: float | None = None
        self._probe_until: float | None = None
        self._hello_timer: asyncio.TimerHandle | None = None
        self._resume_timer: asyncio.TimerHandle | None = None
        self._abort_timer: asyncio.TimerHandle | None = None

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is done: check the pinned key, say HELLO, wait for the peer's."""
        # uvloop's transports do not derive from asyncio's.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        self.remote = _format_address(transport.get_extra_info("peername"))
        transport.set_write_buffer_limits(high=self._limits.write_bytes)
        certificate = _get_certificate(transport)
        self.peer = self._owner.identify(self, certificate) if certificate else None
        if self.peer is None or (self.outbound and self.peer != self.expected):
            self.close("not-admitted" if self.peer is None else "another-node-answered")
            return
        self._write(encode_frame(FrameKind.HELLO, HELLO.encode(self._owner.make_hello())))
        loop = asyncio.get_running_loop()
        self._hello_timer = loop.call_later(self._limits.handshake_s, self._expire_hello)

    def data_received(self, data: bytes) -> None:
        """Parse, charge, hand on. Reading pauses when the peer is over its byte rate."""
        if self.is_closing:
            return
        now = self._clock()
        self.last_read_at = now
        self._probe_until = None
        self.bytes_in += len(data)
        frames = self._parser.feed(data)
        self._throttle(len(data) + len(frames) * self._limits.frame_cost_bytes, now)
        self._take_all(frames, now)

    def pause_writing(self) -> None:
        """The kernel and TLS hold enough; the outbox keeps the rest in order."""
        self._blocked_since = self._clock()

    def resume_writing(self) -> None:
        """The peer took something."""
        self._blocked_since = None
        self._flush()

    def eof_received(self) -> bool:
        """The peer has nothing more to say: close our side too."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The last call of the loop for this link."""
        self._cancel_timers()
        self.is_up = False
        if self.reason is None:
            self.reason = f"lost: {exc}" if exc is not None else "closed-by-peer"
        if not self.closed.done():
            self.closed.set_result(None)
        self.settle(False)
        self._owner.on_lost(self)

    # --- called by the owner ---

    @property
    def is_closing(self) -> bool:
        """Whether the link was told to end, by either side."""
        return self.reason is not None

    def push(self, kind: FrameKind, frame: bytes) -> bool:
        """Queue an encoded frame; whether it will be sent."""
        if not self.is_up or self.is_closing or self._is_retired:
            return False
        result = self.outbox.push(kind.lane, frame)
        if result is Push.OVERFLOW:
            self._owner.on_offence(self, Offence.TIMEOUT, "consensus queue is full")
            self.abort("queue-full")
        if result is not Push.QUEUED:
            return False
        self.plan_flush()
        return True

    def plan_flush(self) -> None:
        """Write at the end of this turn of the loop, so that frames share one write."""
        if not self._flush_planned and self._blocked_since is None:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush)

    def settle(self, up: bool) -> None:
        """Tell the dialler, once, whether the link came up."""
        if not self.settled.done():
            self.settled.set_result(up)

    def probe(self) -> None:
        """Give the peer little time to show that this link is alive."""
        if self._probe_until is None:
            self._probe_until = self._clock() + self._limits.probe_s
            self._ping(self._clock())

    def check(self, now: float) -> None:
        """Look at the time-outs; the owner calls this every ``check_s``."""
        if self.is_closing or not self.is_up:
            return
        limits = self._limits
        blocked = self._blocked_since
        if blocked is not None and now - blocked > limits.write_timeout_s:
            self._owner.on_offence(self, Offence.TIMEOUT, "takes no data")
            self.abort("stuck")
        elif now - self.last_read_at > limits.idle_timeout_s:
            self._owner.on_offence(self, Offence.TIMEOUT, "silent")
            self.abort("silent")
        elif self._probe_until is not None and now > self._probe_until:
            self.abort("forgotten-by-peer")
        elif now >= self._ping_at:
            self._ping(now)

    def close(self, reason: str) -> None:
        """Say GOODBYE and close; what TLS already holds is still flushed, for a short time."""
        if self.reason is not None:
            return
        transport = self._transport
        if transport is None:
            self.reason = reason
            return
        self._say_goodbye(reason)
        self._finish(reason)

    def _finish(self, reason: str) -> None:
        """Flush what TLS holds and close, within a short time."""
        self._flush()
        self.reason = reason
        transport = self._transport
        if transport is None:
            return
        if self._resume_timer is not None:
            # Nothing more is taken, but only who reads notices that the peer is gone.
            transport.resume_reading()
        self._cancel_timers()
        loop = asyncio.get_running_loop()
        self._abort_timer = loop.call_later(self._limits.shutdown_s, transport.abort)
        transport.close()

    def retire(self, reason: str) -> None:
        """Another link is kept: write no more here, but take what is under way.

        The peer may have held this link for the better one and written on it.
        """
        self.is_up = True
        self._say_goodbye(reason)
        self._is_retired = True
        loop = asyncio.get_running_loop()
        self._abort_timer = loop.call_later(self._limits.shutdown_s, self.abort, reason)

    def abort(self, reason: str) -> None:
        """Cut the link without waiting for anything."""
        if self.reason is None:
            self.reason = reason
        if self._transport is not None:
            self._transport.abort()

    # --- within ---

    def _say_goodbye(self, reason: str) -> None:
        self._flush()
        # When nothing is blocked the outbox is empty, so no frame has been begun.
        if self._blocked_since is None and not self._is_retired:
            limit = FrameKind.GOODBYE.payload_bytes_max
            self._write(encode_frame(FrameKind.GOODBYE, reason.encode()[:limit]))

    def _take_all(self, frames: list[Frame], now: float) -> None:
        """Handle frames in order until one of them ends the link; then the violation, if any."""
        for frame in frames:
            if self.is_closing:
                return
            self._take(frame, now)
        violation = self._parser.violation
        if violation is not None and not self.is_closing:
            self._owner.on_offence(self, Offence.PROTOCOL, f"{violation.code}: {violation.text}")

    def _take(self, frame: Frame, now: float) -> None:
        bucket = self._rates.get(frame.kind)
        if bucket is not None and not bucket.take(1, now):
            self.dropped_in += 1
            return
        kind = frame.kind
        if kind is FrameKind.HELLO:
            self._take_hello(frame.payload)
        elif kind is FrameKind.PING:
            self._write_control(FrameKind.PONG, frame.payload)
        elif kind is FrameKind.PONG:
            if self._ping_sent_at is not None:
                self.round_trip_ms = (now - self._ping_sent_at) * 1000
                self._ping_sent_at = None
        elif kind is FrameKind.GOODBYE:
            self._take_goodbye(frame.payload)
        elif self.is_up:
            self._owner.on_frame(self, frame)

    def _take_goodbye(self, payload: bytes) -> None:
        said = payload.decode("utf-8", "replace")
        if said in (REPLACED, DUPLICATE):
            # The peer still reads what we wrote here before.
            self._finish(f"goodbye: {said}")
        else:
            self.abort(f"goodbye: {said}")
        self._owner.on_goodbye(self)

    def _take_hello(self, payload: bytes) -> None:
        try:
            hello = HELLO.decode(payload)
        except CodecError as error:
            self._owner.on_offence(self, Offence.PROTOCOL, f"hello: {error}")
            return
        self.hello = hello
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None
        self._owner.on_hello(self, hello)

    def _expire_hello(self) -> None:
        self._owner.on_offence(self, Offence.TIMEOUT, "no HELLO")
        self.abort("no-hello")

    def _throttle(self, cost: int, now: float) -> None:
        wait_s = self._bytes.charge(cost, now)
        if wait_s > 0 and self._resume_timer is None and self._transport is not None:
            self._transport.pause_reading()
            loop = asyncio.get_running_loop()
            self._resume_timer = loop.call_later(wait_s, self._resume_reading)

    def _resume_reading(self) -> None:
        self._resume_timer = None
        # The pause was ours, so silence during it is not the peer's.
        self.last_read_at = self._clock()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _ping(self, now: float) -> None:
        self._ping_at = now + self._limits.ping_s
        self._ping_sent_at = now
        self._write_control(FrameKind.PING, b"")

    def _write_control(self, kind: FrameKind, payload: bytes) -> None:
        """Control frames wait their turn in the first lane: a begun frame must end first."""
        if self.outbox.push(kind.lane, encode_frame(kind, payload)) is Push.QUEUED:
            self.plan_flush()

    def _flush(self) -> None:
        self._flush_planned = False
        while self._blocked_since is None and not self.is_closing and not self._is_retired:
            data = self.outbox.pop(self._limits.write_bytes)
            if not data:
                return
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self.bytes_out += len(data)
            self._transport.write(data)

    def _cancel_timers(self) -> None:
        for timer in (self._hello_timer, self._resume_timer, self._abort_timer):
            if timer is not None:
                timer.cancel()


def _get_certificate(transport: asyncio.Transport) -> bytes | None:
    """Return the peer's DER certificate, None unless this is TLS 1.3 with one."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None or tls.version() != "TLSv1.3":
        return None
    certificate = tls.getpeercert(binary_form=True)
    return certificate if isinstance(certificate, bytes) else None


def _format_address(name: Any) -> str:
    """Return ``host:port`` of what a socket calls its peer."""
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) and len(name) >= 2 else ""


async def dial(
    link: Link, host: str, port: int, context: ssl.SSLContext, limits: NetworkLimits
) -> None:
    """Connect ``link``; returns when TLS is done. Raises OSError or TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(limits.connect_s):
        await loop.create_connection(
            lambda: link,
            host,
            port,
            ssl=context,
            ssl_handshake_timeout=limits.connect_s,
            ssl_shutdown_timeout=limits.shutdown_s,
        )
