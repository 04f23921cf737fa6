"""Gossip over any connected graph of links: eager push, lazy repair. Pure, sans-I/O.

Every call takes ``now`` (seconds, monotonic) and returns actions in order.

Source: DESIGN.md, P2P; Leitao et al., "Epidemic Broadcast Trees" (Plumtree, 2007);
gossipsub v1.1 (lazy announcements, validation before relay).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import IntEnum

from p2p.frames import FrameKind
from p2p.peers import Offence
from primitives.hashing import Address, Hash


class Topic(IntEnum):
    """What is spread. CONSENSUS is relayed eagerly, TRANSACTIONS by announce and pull."""

    CONSENSUS = 1
    TRANSACTIONS = 2


@dataclass(frozen=True, slots=True)
class Send:
    """Hand this frame to ``network.send``."""

    peer: Address
    kind: FrameKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Deliver:
    """A payload seen for the first time, from the link to ``peer``, not yet judged.

    The node must answer with ``accept``, ``reject`` or ``ignore`` of ``item_id``, at
    once or later; it is relayed only after ``accept``.
    """

    topic: Topic
    peer: Address
    item_id: Hash
    payload: bytes


@dataclass(frozen=True, slots=True)
class Penalise:
    """Hand this to ``network.report``."""

    peer: Address
    offence: Offence
    reason: str


Action = Send | Deliver | Penalise

GOSSIP_KINDS: frozenset[FrameKind] = frozenset()
"""Frames that the node hands to ``Gossip.on_message``."""


class Gossip:
    """Spreads payloads of two topics; each node has one."""

    def __init__(self, own: Address, rng: random.Random) -> None: ...

    def publish(self, topic: Topic, payload: bytes, now: float) -> list[Action]:
        """Spread our own payload: pushed to every neighbour at once. Never delivered to us."""

    def on_peer(self, peer: Address, up: bool, now: float) -> list[Action]:
        """A link came up or went down."""

    def on_message(
        self, peer: Address, kind: FrameKind, payload: bytes, now: float
    ) -> list[Action]:
        """A frame of GOSSIP_KINDS from ``peer``."""

    def accept(self, item_id: Hash, now: float) -> list[Action]:
        """The node found a delivered item valid: relay it."""

    def reject(self, item_id: Hash, offence: Offence, reason: str) -> list[Action]:
        """The node found it invalid: never relayed, never taken again, its sender penalised."""

    def ignore(self, item_id: Hash) -> None:
        """Neither good nor bad (old, already known, no room): not relayed, nobody penalised."""

    def tick(self, now: float) -> list[Action]:
        """Time passes; call about every 100 ms."""
