"""Messages of the next height that came before ours was final, and what we know of links.

A message for h+1 that comes while h is being written must not be lost: it would cost a
STATUS round. Each link has its own bounded place, so one peer can fill only its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.bounds import (
    FUTURE_BYTES_PER_PEER_MAX,
    FUTURE_MESSAGES_PER_PEER_MAX,
    PEERS_KEPT_MAX,
    REPAIR_GAP_MS,
)
from primitives.hashing import Address


class FutureBox:
    """Raw messages for the next height, by the link they came over, oldest first."""

    def __init__(self) -> None:
        self._by_peer: dict[Address | None, list[bytes]] = {}

    @property
    def held(self) -> int:
        """How many messages are kept."""
        return sum(len(messages) for messages in self._by_peer.values())

    def add(self, peer: Address | None, data: bytes) -> bool:
        """Keep the message if the link's place has room."""
        if peer not in self._by_peer and len(self._by_peer) >= PEERS_KEPT_MAX:
            return False
        messages = self._by_peer.setdefault(peer, [])
        used = sum(map(len, messages)) if len(data) > 4096 else 0
        if (
            len(messages) >= FUTURE_MESSAGES_PER_PEER_MAX
            or used + len(data) > FUTURE_BYTES_PER_PEER_MAX
        ):
            return False
        if data not in messages:
            messages.append(data)
        return True

    def take_all(self) -> list[tuple[Address | None, bytes]]:
        """Return and forget everything, link by link."""
        taken = [(peer, data) for peer, messages in self._by_peer.items() for data in messages]
        self._by_peer.clear()
        return taken


@dataclass(frozen=True, slots=True)
class PeerView:
    """What a link last claimed and what we last refused from it."""

    height: int = 0
    view: int = 0
    heard_at_ms: int = 0
    last_error: str = ""


class PeerTable:
    """Bounded memory of links: their claims, their last error, when they were answered."""

    def __init__(self) -> None:
        self._views: dict[Address, PeerView] = {}
        self._answered: dict[tuple[Address, str], int] = {}

    @property
    def held(self) -> int:
        """How many entries are kept."""
        return len(self._views) + len(self._answered)

    def get_all(self) -> dict[Address, PeerView]:
        """Return a copy of what is known of each link."""
        return dict(self._views)

    def hear(self, peer: Address, height: int, view: int, now_ms: int) -> None:
        """Note a STATUS."""
        self._put(peer, PeerView(height, view, now_ms, self._get(peer).last_error))

    def blame(self, peer: Address, reason: str) -> None:
        """Note why a message of this link was refused."""
        seen = self._get(peer)
        self._put(peer, PeerView(seen.height, seen.view, seen.heard_at_ms, reason[:200]))

    def may_answer(self, peer: Address, kind: str, now_ms: int) -> bool:
        """Whether the link may be answered again for this kind; notes it if so."""
        last = self._answered.get((peer, kind))
        if last is not None and now_ms - last < REPAIR_GAP_MS:
            return False
        self._answered.pop((peer, kind), None)
        if len(self._answered) >= 4 * PEERS_KEPT_MAX:
            del self._answered[next(iter(self._answered))]
        self._answered[peer, kind] = now_ms
        return True

    def _get(self, peer: Address) -> PeerView:
        return self._views.get(peer, PeerView())

    def _put(self, peer: Address, view: PeerView) -> None:
        self._views.pop(peer, None)
        if len(self._views) >= PEERS_KEPT_MAX:
            del self._views[next(iter(self._views))]
        self._views[peer] = view
