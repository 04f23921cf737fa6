"""Gossip over any connected graph of links: eager push, lazy repair. Pure, sans-I/O.

- The origin pushes a payload to every neighbour. In a full mesh that is all: nobody
  relays to a neighbour who says that it has a link to whom the payload came from
  (NEIGHBOURS frames), so no payload arrives twice.
- Where links are missing a relay hands on to the neighbours without such a link: a
  consensus message at once, of transactions only the id, and the neighbour pulls.
- Whatever got lost (a link that died, a neighbour that lied about its links, a full
  queue) is repaired: every node announces the ids of recent payloads to a few random
  neighbours, who pull what still lacks after a grace, from another when one fails.
- Nothing is relayed before the node has judged it valid, so garbage stays one hop
  from its source.

An id is recomputed from the bytes received. Every call takes ``now`` (seconds,
monotonic) and returns actions in order. Never verifies a signature, never reads a
clock, never sends.

Source: DESIGN.md, P2P; Leitao et al., "Epidemic Broadcast Trees" (Plumtree, 2007);
gossipsub v1.1 (lazy announcements, validation before relay).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from p2p.errors import FrameError
from p2p.frames import GOSSIP_IDS_MAX, NEIGHBOURS_MAX, PAYLOAD_BYTES_MAX, FrameKind
from p2p.gossip_store import Item, ItemStore, Verdict, WantList
from p2p.limits import GossipLimits, TopicLimits
from p2p.peers import Offence
from p2p.rates import TokenBucket
from primitives import limits as bounds
from primitives.hashing import Address, Hash, Tag, compute_hash


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

_MODE_REPAIR: Final = 0
"""The receiver probably has it or gets it: wait for the grace."""
_MODE_FRESH: Final = 1
"""The receiver has no link to where it came from: pull at once."""


@dataclass(frozen=True, slots=True)
class _Kinds:
    push: FrameKind
    announce: FrameKind
    pull: FrameKind


_KINDS: Final = {
    Topic.CONSENSUS: _Kinds(
        FrameKind.GOSSIP_CONSENSUS, FrameKind.CONSENSUS_ANNOUNCE, FrameKind.CONSENSUS_PULL
    ),
    Topic.TRANSACTIONS: _Kinds(FrameKind.TX_BATCH, FrameKind.TX_ANNOUNCE, FrameKind.TX_PULL),
}
_TOPIC_OF: Final = {
    kind: topic
    for topic, kinds in _KINDS.items()
    for kind in (kinds.push, kinds.announce, kinds.pull)
}

GOSSIP_KINDS: Final = frozenset({*_TOPIC_OF, FrameKind.NEIGHBOURS})
"""Frames that the node hands to ``Gossip.on_message``."""


@dataclass(slots=True)
class _Neighbour:
    """A link that is up: whom its other end claims to reach, and what it may pull."""

    links: frozenset[Address]
    serving: TokenBucket


class _Lane:
    """State of one topic."""

    def __init__(self, topic: Topic, limits: TopicLimits) -> None:
        self.topic = topic
        self.limits = limits
        self.kinds = _KINDS[topic]
        self.store = ItemStore(limits)
        self.wants = WantList(limits)
        self.repair_at = 0.0


def compute_item_id(topic: Topic, payload: bytes) -> Hash:
    """Return the id of a payload: a tagged SHA-256 over topic and bytes."""
    return compute_hash(Tag.PEER, bytes((topic,)) + payload)


class Gossip:
    """Spreads payloads of two topics; each node has one.

    ``rng`` chooses neighbours for repair; the simulator seeds it.
    """

    def __init__(
        self, own: Address, rng: random.Random, limits: GossipLimits | None = None
    ) -> None:
        self._own = own
        self._rng = rng
        self._limits = limits if limits is not None else GossipLimits()
        self._neighbours: dict[Address, _Neighbour] = {}
        self._links_changed = False
        self._lanes = {
            Topic.CONSENSUS: _Lane(Topic.CONSENSUS, self._limits.consensus),
            Topic.TRANSACTIONS: _Lane(Topic.TRANSACTIONS, self._limits.transactions),
        }

    # --- what the node calls ---

    def publish(self, topic: Topic, payload: bytes, now: float) -> list[Action]:
        """Spread our own payload: pushed to every neighbour at once. Never delivered to us.

        Publishing the same bytes again pushes them again to those not known to hold
        them. Raises FrameError for a payload over the topic's bound.
        """
        lane = self._lanes[topic]
        if len(payload) > PAYLOAD_BYTES_MAX[lane.kinds.push]:
            raise FrameError("payload over the bound", topic=topic.name, size=len(payload))
        item_id = compute_item_id(topic, payload)
        item = lane.store.get(item_id)
        if item is None:
            item = Item(item_id, None, now, payload, Verdict.ACCEPTED)
            lane.store.add(item)
            lane.wants.remove(item_id)
        targets = [peer for peer in self._neighbours if peer not in item.known]
        return self._push(lane, item, payload, targets)

    def on_peer(self, peer: Address, up: bool, now: float) -> list[Action]:
        """A link came up or went down."""
        self._links_changed = True
        if not up:
            self._neighbours.pop(peer, None)
            for lane in self._lanes.values():
                lane.store.forget_peer(peer)
                lane.wants.forget_peer(peer, now)
            return []
        if len(self._neighbours) >= self._limits.neighbours_max and peer not in self._neighbours:
            return []
        rate = self._limits.serve_bytes_per_s
        self._neighbours[peer] = _Neighbour(frozenset(), TokenBucket(rate, rate, now))
        actions: list[Action] = [Send(peer, FrameKind.NEIGHBOURS, self._encode_links())]
        for lane in self._lanes.values():
            lane.store.forget_peer(peer)
            lane.store.prune(now)
            actions += self._announce_recent(lane, peer, now)
        return actions

    def on_message(
        self, peer: Address, kind: FrameKind, payload: bytes, now: float
    ) -> list[Action]:
        """A frame of GOSSIP_KINDS from ``peer``; nothing from one whose link is not up."""
        if peer not in self._neighbours:
            return []
        if kind is FrameKind.NEIGHBOURS:
            return self._take_neighbours(peer, payload)
        topic = _TOPIC_OF.get(kind)
        if topic is None:
            return [Penalise(peer, Offence.PROTOCOL, f"{kind.name} is not gossip")]
        lane = self._lanes[topic]
        if kind is lane.kinds.push:
            return self._take_push(lane, peer, payload, now)
        if kind is lane.kinds.announce:
            return self._take_announce(lane, peer, payload, now)
        return self._take_pull(lane, peer, payload, now)

    def accept(self, item_id: Hash, now: float) -> list[Action]:
        """The node found a delivered item valid: relay it. Repeats change nothing."""
        found = self._find_pending(item_id)
        if found is None:
            return []
        lane, item = found
        lane.store.judge(item, Verdict.ACCEPTED)
        payload = item.payload
        if payload is None:
            return []
        targets = self._choose_relays(item)
        if lane.topic is Topic.CONSENSUS:
            return self._push(lane, item, payload, targets)
        for peer in targets:
            item.told[peer] += 1
        announcement = bytes((_MODE_FRESH,)) + item_id
        return [Send(peer, lane.kinds.announce, announcement) for peer in targets]

    def reject(self, item_id: Hash, offence: Offence, reason: str) -> list[Action]:
        """The node found it invalid: never relayed, never taken again, its sender penalised."""
        found = self._find_pending(item_id)
        if found is None:
            return []
        lane, item = found
        lane.store.judge(item, Verdict.REJECTED)
        item.offence = offence
        return [Penalise(item.sender, offence, reason)] if item.sender is not None else []

    def ignore(self, item_id: Hash) -> None:
        """Neither good nor bad (old, early, no room): not relayed, nobody penalised.

        It is delivered again only if a peer pushes it again a second or more later.
        """
        found = self._find_pending(item_id)
        if found is not None:
            lane, item = found
            lane.store.judge(item, Verdict.IGNORED)

    def release(self, topic: Topic, before: float) -> None:
        """The payloads of ``topic`` that came before then are of no use to anyone any more.

        They are neither announced nor served again, and never delivered a second time.
        """
        self._lanes[topic].store.release_before(before)

    def tick(self, now: float) -> list[Action]:
        """Time passes; call about every 100 ms."""
        actions: list[Action] = []
        if self._links_changed:
            self._links_changed = False
            links = self._encode_links()
            actions += [Send(peer, FrameKind.NEIGHBOURS, links) for peer in self._neighbours]
        for lane in self._lanes.values():
            lane.store.prune(now)
            actions += self._pull(lane, now)
            if now >= lane.repair_at:
                lane.repair_at = now + lane.limits.repair_s
                actions += self._repair(lane, now)
        return actions

    # --- what arrives ---

    def _take_neighbours(self, peer: Address, payload: bytes) -> list[Action]:
        keys = _split_ids(payload, NEIGHBOURS_MAX)
        if keys is None:
            return [Penalise(peer, Offence.PROTOCOL, "malformed NEIGHBOURS")]
        self._neighbours[peer].links = frozenset(Address(key) for key in keys)
        return []

    def _take_push(self, lane: _Lane, peer: Address, payload: bytes, now: float) -> list[Action]:
        item_id = compute_item_id(lane.topic, payload)
        item = lane.store.get(item_id)
        if item is not None and self._is_due_again(lane, item, now):
            lane.store.forget(item)
        elif item is not None:
            if item.offence is not None:
                return [Penalise(peer, item.offence, "sent what was found invalid")]
            if item.payload is not None:
                item.known.add(peer)
            return []
        lane.wants.note_arrival(item_id, peer)
        if not lane.store.has_room(peer, len(payload)):
            return [Penalise(peer, Offence.OVERLOAD, "more than we can judge")]
        item = Item(item_id, peer, now, payload, Verdict.PENDING, known={peer})
        lane.store.add(item)
        return [Deliver(lane.topic, peer, item_id, payload)]

    @staticmethod
    def _is_due_again(lane: _Lane, item: Item, now: float) -> bool:
        """Who pushes what we ignored insists; at that time it may have come too early."""
        return item.verdict is Verdict.IGNORED and now - item.seen_at >= lane.limits.again_s

    def _take_announce(
        self, lane: _Lane, peer: Address, payload: bytes, now: float
    ) -> list[Action]:
        ids = _split_ids(payload[1:], GOSSIP_IDS_MAX)
        if ids is None or payload[:1] not in (b"\x00", b"\x01"):
            return [Penalise(peer, Offence.PROTOCOL, "malformed announcement")]
        is_fresh = payload[0] == _MODE_FRESH
        due_at = now if is_fresh else now + lane.limits.grace_s
        for item_id in ids:
            item = lane.store.get(item_id)
            if item is None:
                lane.wants.note(item_id, peer, due_at)
            elif item.payload is not None:
                item.known.add(peer)
        return self._pull(lane, now) if is_fresh else []

    def _take_pull(self, lane: _Lane, peer: Address, payload: bytes, now: float) -> list[Action]:
        ids = _split_ids(payload, GOSSIP_IDS_MAX)
        if ids is None:
            return [Penalise(peer, Offence.PROTOCOL, "malformed pull")]
        neighbour = self._neighbours[peer]
        actions: list[Action] = []
        for item_id in ids:
            item = lane.store.get(item_id)
            if item is None or item.payload is None or item.verdict is not Verdict.ACCEPTED:
                continue
            if not neighbour.serving.take(len(item.payload), now):
                break
            item.told[peer] += 1
            actions.append(Send(peer, lane.kinds.push, item.payload))
        return actions

    # --- what leaves ---

    def _find_pending(self, item_id: Hash) -> tuple[_Lane, Item] | None:
        for lane in self._lanes.values():
            item = lane.store.get(item_id)
            if item is not None and item.verdict is Verdict.PENDING:
                return lane, item
        return None

    def _choose_relays(self, item: Item) -> list[Address]:
        """Neighbours who do not say that they have a link to whom it came from.

        The claim is the neighbour's own, so a liar can only cut itself off, and
        repair reaches even that one.
        """
        return [
            peer
            for peer, neighbour in self._neighbours.items()
            if peer not in item.known and item.sender not in neighbour.links
        ]

    def _push(
        self, lane: _Lane, item: Item, payload: bytes, targets: list[Address]
    ) -> list[Action]:
        for peer in targets:
            item.told[peer] += 1
        return [Send(peer, lane.kinds.push, payload) for peer in targets]

    def _pull(self, lane: _Lane, now: float) -> list[Action]:
        actions: list[Action] = []
        for peer, ids in lane.wants.pull_due(now).items():
            for start in range(0, len(ids), GOSSIP_IDS_MAX):
                part = b"".join(ids[start : start + GOSSIP_IDS_MAX])
                actions.append(Send(peer, lane.kinds.pull, part))
        return actions

    def _repair(self, lane: _Lane, now: float) -> list[Action]:
        """Announce what a few random neighbours may lack."""
        peers = sorted(self._neighbours)
        chosen = self._rng.sample(peers, min(self._limits.fanout, len(peers)))
        return [action for peer in chosen for action in self._announce_recent(lane, peer, now)]

    def _announce_recent(self, lane: _Lane, peer: Address, now: float) -> list[Action]:
        """Tell of what the peer may lack: again after 1, 3, 7, 15... rounds, then no more.

        A frame may have been dropped, and silence looks the same as having it.
        """
        ids: list[bytes] = []
        for item in lane.store.iter_held():
            told = item.told[peer]
            if peer in item.known or told >= self._limits.tellings_max:
                continue
            if now - item.seen_at < lane.limits.repair_s * ((1 << told) - 1):
                continue
            item.told[peer] += 1
            ids.append(item.item_id)
            if len(ids) == GOSSIP_IDS_MAX:
                break
        if not ids:
            return []
        return [Send(peer, lane.kinds.announce, bytes((_MODE_REPAIR,)) + b"".join(ids))]

    def _encode_links(self) -> bytes:
        return b"".join(sorted(self._neighbours)[:NEIGHBOURS_MAX])


def _split_ids(payload: bytes, ids_max: int) -> list[Hash] | None:
    """Return the 32-byte ids in ``payload``, None when it is no whole number of them."""
    size = bounds.HASH_BYTES
    if len(payload) % size or len(payload) > ids_max * size:
        return None
    return [Hash(payload[start : start + size]) for start in range(0, len(payload), size)]
