"""Gossip and network together: a ring of real nodes, and the plan of the dialler."""

from __future__ import annotations

import asyncio
import random

from p2p.dialler import Dialler
from p2p.frames import FrameKind
from p2p.gossip import GOSSIP_KINDS, Action, Deliver, Gossip, Send, Topic
from p2p.peers import Peer, PeerAddress
from primitives.hashing import Address
from primitives.keys import PrivateKey
from tests.unit.p2p.loopback import KEYS, LIMITS, Node, Recorder, make_address, run, started


class Gossiper(Recorder):
    """Hands frames to gossip and performs what it answers, as the node does."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.node = node
        self.gossip = Gossip(node.key.public_key, random.Random(1))
        self.delivered: list[bytes] = []

    def on_frame(self, peer: Address, kind: FrameKind, payload: bytes) -> None:
        assert kind in GOSSIP_KINDS
        self.perform(self.gossip.on_message(peer, kind, payload, self.now()))
        super().on_frame(peer, kind, payload)

    def on_peer(self, peer: Address, up: bool) -> None:
        self.perform(self.gossip.on_peer(peer, up, self.now()))
        super().on_peer(peer, up)

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.node.network.send(action.peer, action.kind, action.payload)
            elif isinstance(action, Deliver):
                self.delivered.append(action.payload)
                self.perform(self.gossip.accept(action.item_id, self.now()))

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()


class GossipNode(Node):
    def __init__(self, key: PrivateKey) -> None:
        super().__init__(key)
        self.gossiper = Gossiper(self)
        self.network._handler = self.gossiper
        self.recorder = self.gossiper


def test_on_a_ring_of_real_links_a_vote_and_a_batch_reach_everyone_once() -> None:
    async def scenario() -> None:
        nodes = [GossipNode(key) for key in KEYS[:6]]
        async with started(*nodes, introduce=False):
            for one, other in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
                one.network.add_peer(make_address(other.key, other))
                other.network.add_peer(make_address(one.key, one))
            for one, other in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
                await one.recorder.until_up(other.key)
                await other.recorder.until_up(one.key)
            for node in nodes:
                node.gossiper.perform(node.gossiper.gossip.tick(Gossiper.now()))
            origin = nodes[2].gossiper
            for topic, payload in ((Topic.CONSENSUS, b"vote"), (Topic.TRANSACTIONS, b"batch")):
                origin.perform(origin.gossip.publish(topic, payload, Gossiper.now()))
            for node in nodes:
                if node.gossiper is not origin:
                    await node.recorder.until(lambda node=node: len(node.gossiper.delivered) == 2)
                    assert sorted(node.gossiper.delivered) == [b"batch", b"vote"]
            assert origin.delivered == []

    run(scenario())


def test_failed_dials_wait_longer_each_time_and_the_higher_key_yields() -> None:
    low, high = KEYS[0].public_key, KEYS[1].public_key

    async def connect(peer: Peer) -> None:
        raise OSError("refused")

    def plan_waits(own: Address, other: Address) -> list[float]:
        dialler = Dialler(own, LIMITS, lambda: 0.0, random.Random(3), connect, lambda key: False)
        peer = Peer(PeerAddress("p", other, "h", 1, b""), 0.0)
        waits = []
        for _ in range(6):
            dialler.plan(peer)
            waits.append(peer.dial_at)
        return waits

    waits = plan_waits(low, high)
    for attempt, wait_s in enumerate(waits):
        ceiling = min(LIMITS.redial_max_s, LIMITS.redial_base_s * 2**attempt)
        assert ceiling / 2 <= wait_s <= ceiling
    assert plan_waits(high, low) == [wait_s + LIMITS.yield_s for wait_s in waits]
