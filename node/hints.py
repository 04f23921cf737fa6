"""Heights that a peer claims and nobody here can check yet: hints, never facts.

A certificate of an epoch whose validators we do not know proves nothing. It may be the
truth, since a node that was away for an epoch hears nothing else; so the claimant, and
nobody else, is asked for the next block. One who cannot show it is not heard for a
while: a liar costs one question in ``REST_S``, and never makes this node call itself
behind. Pure: time comes in. Source: design/consensus.md, bug 28.
"""

from __future__ import annotations

from primitives.hashing import Address

REST_S = 30.0
"""How long a peer is not heard whose claim came to nothing."""
PEERS_MAX = 256
"""Claimants remembered: more than a node has links."""


class Hints:
    """The latest claim of each peer, and who is not heard for now."""

    def __init__(self) -> None:
        self._heights: dict[Address, int] = {}
        self._resting_until_s: dict[Address, float] = {}

    def note(self, peer: Address, height: int, now_s: float) -> bool:
        """Take a claim; False when this peer is not heard, or there is no room."""
        if self._resting_until_s.get(peer, now_s) > now_s:
            return False
        if peer not in self._heights and len(self._heights) >= PEERS_MAX:
            return False
        self._heights[peer] = height
        return True

    def take(self) -> tuple[Address, int] | None:
        """Return and forget the oldest claim: who, and which height."""
        if not self._heights:
            return None
        peer = next(iter(self._heights))
        return peer, self._heights.pop(peer)

    def rest(self, peer: Address, now_s: float) -> None:
        """The claim came to nothing: do not hear this peer for a while."""
        self._resting_until_s.pop(peer, None)
        if len(self._resting_until_s) >= PEERS_MAX:
            del self._resting_until_s[next(iter(self._resting_until_s))]
        self._resting_until_s[peer] = now_s + REST_S
