"""When to dial whom: one task for each registered node keeps its link alive.

It waits out bans and the jittered back-off, and sleeps while there is a link. How a
connection is made is its owner's business.

Source: DESIGN.md, P2P.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from p2p.limits import NetworkLimits
from p2p.peers import Peer
from p2p.rates import compute_backoff_s
from primitives.hashing import Address


class Dialler:
    """``connect`` dials once and returns when that link is up or has failed."""

    def __init__(
        self,
        own: Address,
        limits: NetworkLimits,
        clock: Callable[[], float],
        rng: random.Random,
        connect: Callable[[Peer], Awaitable[None]],
        is_linked: Callable[[Address], bool],
    ) -> None:
        self._own, self._limits, self._clock, self._rng = own, limits, clock, rng
        self._connect, self._is_linked = connect, is_linked
        self._wakes: dict[Address, asyncio.Event] = {}
        self._running: dict[Address, asyncio.Task[None]] = {}

    def start(self, peer: Peer, tasks: asyncio.TaskGroup) -> None:
        """Keep a link to ``peer`` from now on; again for a peer whose address changed."""
        key = peer.address.public_key
        if key not in self._running:
            if self._own > key:
                # The lower key's dial would win anyway.
                peer.dial_at = self._clock() + self._limits.yield_s
            self._wakes[key] = asyncio.Event()
            self._running[key] = tasks.create_task(self._keep_linked(peer, self._wakes[key]))
        self.wake(key)

    def stop(self, key: Address) -> None:
        """Dial this peer no more."""
        self._wakes.pop(key, None)
        task = self._running.pop(key, None)
        if task is not None:
            task.cancel()

    def stop_all(self) -> None:
        """Dial nobody any more."""
        for key in list(self._running):
            self.stop(key)

    def wake(self, key: Address) -> None:
        """Something changed: a link fell, a ban began."""
        wake = self._wakes.get(key)
        if wake is not None:
            wake.set()

    def plan(self, peer: Peer) -> None:
        """A dial failed or a link fell: when to try again."""
        limits = self._limits
        wait_s = compute_backoff_s(
            peer.attempt, limits.redial_base_s, limits.redial_max_s, self._rng
        )
        if self._own > peer.address.public_key:
            wait_s += limits.yield_s
        peer.attempt += 1
        peer.dial_at = self._clock() + wait_s

    async def _keep_linked(self, peer: Peer, wake: asyncio.Event) -> None:
        while True:
            wait_s = self._compute_wait(peer)
            if wait_s == 0:
                await self._dial(peer)
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await wake.wait()
            except TimeoutError:
                continue
            wake.clear()

    def _compute_wait(self, peer: Peer) -> float | None:
        """Seconds until we may dial; None while there is nothing to dial."""
        if not peer.address.host or self._is_linked(peer.address.public_key):
            return None
        return max(0.0, max(peer.dial_at, peer.banned_until) - self._clock())

    async def _dial(self, peer: Peer) -> None:
        peer.dialling = True
        try:
            await self._connect(peer)
        except TimeoutError:
            peer.last_error = "dial: timed out"
        except (OSError, UnicodeError) as error:
            # ssl.SSLError is an OSError: whoever answers there is not the registered node.
            # UnicodeError: the host is no name at all.
            peer.last_error = f"dial: {error}"
        finally:
            peer.dialling = False
        if not self._is_linked(peer.address.public_key):
            self.plan(peer)
