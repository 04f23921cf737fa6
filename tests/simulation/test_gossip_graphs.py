"""Gossip on whole graphs: the real class over a fake network with a seeded clock.

Every scenario runs for many seeds (``CARBONODE_SEEDS`` raises their number); a failure
names graph and seed, which is all it takes to see it again.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from p2p.frames import FrameKind
from p2p.gossip import Action, Deliver, Gossip, Penalise, Send, Topic, compute_item_id
from p2p.peers import Offence
from primitives.hashing import Address, Hash

SEEDS = int(os.environ.get("CARBONODE_SEEDS", "12"))
TICK_S = 0.1
PUSH_KINDS = {FrameKind.GOSSIP_CONSENSUS, FrameKind.TX_BATCH}
Edge = tuple[int, int]


def make_key(number: int) -> Address:
    return Address(hashlib.sha256(b"node %d" % number).digest())


@dataclass
class Node:
    gossip: Gossip
    received: dict[Hash, float] = field(default_factory=dict)
    deliveries: Counter[Hash] = field(default_factory=Counter)
    payloads: Counter[Hash] = field(default_factory=Counter)
    penalties: list[Penalise] = field(default_factory=list)


class FakeNetwork:
    """Nodes, links with latency, and a heap of events. Links can die and come back.

    ``garbage`` marks payloads that honest nodes find invalid. ``mute`` nodes take
    everything and relay nothing. ``loss`` drops transaction frames, as a full queue does.
    """

    def __init__(self, count: int, edges: set[Edge], seed: int, latency: tuple[float, float]):
        self.rng = random.Random(seed)
        self.latency = latency
        self.now = 0.0
        self.nodes = [
            Node(Gossip(make_key(number), random.Random(seed * 1000 + number)))
            for number in range(count)
        ]
        self.number_of = {make_key(number): number for number in range(count)}
        self.links: dict[Edge, int] = {}
        self.epochs = 0
        self.mute: set[int] = set()
        self.loss = 0.0
        self.judge_s = 0.0
        self.detect_s = 0.0
        self.sent: Counter[FrameKind] = Counter()
        self.last_arrival: dict[Edge, float] = defaultdict(float)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        for edge in sorted(edges):
            self.link_up(edge)
        for number in range(count):
            self.at(self.rng.random() * TICK_S, lambda number=number: self._tick(number))

    def at(self, delay: float, act: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (self.now + delay, self._order, act))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = until

    def link_up(self, edge: Edge) -> None:
        self.epochs += 1
        self.links[edge] = self.epochs
        for one, other in (edge, edge[::-1]):
            self._perform(one, self.nodes[one].gossip.on_peer(make_key(other), True, self.now))

    def link_down(self, edge: Edge) -> None:
        """What is under way is lost; both ends notice after ``detect_s``."""
        epoch = self.links.pop(edge)

        def notice() -> None:
            if self.links.get(edge, epoch) == epoch:
                for one, other in (edge, edge[::-1]):
                    gossip = self.nodes[one].gossip
                    self._perform(one, gossip.on_peer(make_key(other), False, self.now))

        self.at(self.detect_s, notice)

    def publish(self, number: int, topic: Topic, payload: bytes) -> Hash:
        item_id = compute_item_id(topic, payload)
        self.nodes[number].received[item_id] = self.now
        self._perform(number, self.nodes[number].gossip.publish(topic, payload, self.now))
        return item_id

    def send(self, one: int, other: int, kind: FrameKind, payload: bytes) -> None:
        edge = (min(one, other), max(one, other))
        epoch = self.links.get(edge)
        self.sent[kind] += 1
        is_transaction = kind >= FrameKind.TX_BATCH
        if epoch is None or (is_transaction and self.rng.random() < self.loss):
            return
        # A link is a stream: frames arrive in order.
        arrival = max(
            self.now + self.rng.uniform(*self.latency), self.last_arrival[one, other] + 1e-6
        )
        self.last_arrival[one, other] = arrival

        def arrive() -> None:
            if self.links.get(edge) == epoch:
                self._arrive(other, one, kind, payload)

        self.at(arrival - self.now, arrive)

    def _arrive(self, number: int, sender: int, kind: FrameKind, payload: bytes) -> None:
        node = self.nodes[number]
        if kind in PUSH_KINDS:
            topic = Topic.CONSENSUS if kind is FrameKind.GOSSIP_CONSENSUS else Topic.TRANSACTIONS
            node.payloads[compute_item_id(topic, payload)] += 1
        self._perform(number, node.gossip.on_message(make_key(sender), kind, payload, self.now))

    def _tick(self, number: int) -> None:
        self._perform(number, self.nodes[number].gossip.tick(self.now))
        self.at(TICK_S, lambda: self._tick(number))

    def _perform(self, number: int, actions: list[Action]) -> None:
        node = self.nodes[number]
        for action in actions:
            if isinstance(action, Send):
                if number not in self.mute or action.kind is FrameKind.NEIGHBOURS:
                    self.send(number, self.number_of[action.peer], action.kind, action.payload)
            elif isinstance(action, Deliver):
                node.deliveries[action.item_id] += 1
                self.at(self.judge_s, lambda action=action: self._judge(number, action))
            else:
                node.penalties.append(action)

    def _judge(self, number: int, action: Deliver) -> None:
        node = self.nodes[number]
        if action.payload.startswith(b"garbage"):
            answer = node.gossip.reject(action.item_id, Offence.BAD_SIGNATURE, "garbage")
        else:
            node.received[action.item_id] = self.now
            answer = node.gossip.accept(action.item_id, self.now)
        self._perform(number, answer)

    def find_missing(self, ids: list[Hash], numbers: list[int]) -> int:
        return sum(item not in self.nodes[n].received for item in ids for n in numbers)


# --- graphs ---


def make_mesh(count: int) -> set[Edge]:
    return {(one, other) for one in range(count) for other in range(one + 1, count)}


def make_ring(count: int) -> set[Edge]:
    return {(number, number + 1) for number in range(count - 1)} | {(0, count - 1)}


def make_star(count: int) -> set[Edge]:
    return {(0, number) for number in range(1, count)}


def make_regular(count: int, degree: int, rng: random.Random) -> set[Edge]:
    """A connected random regular graph by the pairing model (Bollobas 1980)."""
    while True:
        stubs = [number for number in range(count) for _ in range(degree)]
        rng.shuffle(stubs)
        pairs = {(min(pair), max(pair)) for pair in zip(stubs[::2], stubs[1::2], strict=True)}
        simple = all(one != other for one, other in pairs)
        if simple and len(pairs) == count * degree // 2 and is_connected(count, pairs):
            return pairs


def is_connected(count: int, edges: set[Edge], without: frozenset[int] = frozenset()) -> bool:
    reach: dict[int, set[int]] = defaultdict(set)
    for one, other in edges:
        if one not in without and other not in without:
            reach[one].add(other)
            reach[other].add(one)
    members = [number for number in range(count) if number not in without]
    seen, todo = {members[0]}, [members[0]]
    while todo:
        for number in reach[todo.pop()] - seen:
            seen.add(number)
            todo.append(number)
    return len(seen) == len(members)


GRAPHS: dict[str, Callable[[random.Random], set[Edge]]] = {
    "ring": lambda rng: make_ring(30),
    "star": lambda rng: make_star(30),
    "regular": lambda rng: make_regular(30, 4, rng),
}


def publish_many(
    network: FakeNetwork, rng: random.Random, count: int, over_s: float, size: int = 200
) -> list[Hash]:
    """Plan ``count`` payloads of both topics from random nodes; return their ids."""
    ids = []
    for number in range(count):
        topic = rng.choice(list(Topic))
        payload = b"payload %d " % number + rng.randbytes(size)
        origin = rng.randrange(len(network.nodes))
        ids.append(compute_item_id(topic, payload))
        network.at(
            rng.random() * over_s,
            lambda origin=origin, topic=topic, payload=payload: network.publish(
                origin, topic, payload
            ),
        )
    return ids


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("count", [4, 10])
def test_in_a_full_mesh_every_payload_arrives_exactly_once_everywhere(
    count: int, seed: int
) -> None:
    network = FakeNetwork(count, make_mesh(count), seed, latency=(0.001, 0.4))
    network.judge_s = 0.05
    network.run(1.0)
    ids = publish_many(network, random.Random(seed), 60, over_s=3.0)
    network.run(12.0)
    everyone = list(range(count))
    assert network.find_missing(ids, everyone) == 0, f"seed {seed}"
    arrivals = [node.payloads[item] for node in network.nodes for item in ids]
    assert sum(arrivals) == 60 * (count - 1), f"seed {seed}"
    assert max(arrivals) == 1, f"seed {seed}"


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("graph", GRAPHS)
def test_on_a_sparse_graph_everything_reaches_everyone(graph: str, seed: int) -> None:
    network = FakeNetwork(30, GRAPHS[graph](random.Random(seed)), seed, latency=(0.005, 0.05))
    network.run(1.0)
    ids = publish_many(network, random.Random(seed), 30, over_s=2.0)
    network.run(6.0)
    assert network.find_missing(ids, list(range(30))) == 0, f"{graph}, seed {seed}"
    assert all(count == 1 for node in network.nodes for count in node.deliveries.values())


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_vote_crosses_a_sparse_graph_at_the_speed_of_its_links(graph: str, seed: int) -> None:
    """15 hops of the ring at 50 ms: no wait for a tick, a grace or a pull is in it."""
    network = FakeNetwork(30, GRAPHS[graph](random.Random(seed)), seed, latency=(0.05, 0.05))
    network.run(1.0)
    item = network.publish(seed % 30, Topic.CONSENSUS, b"vote")
    hops = {"ring": 15, "star": 2, "regular": 6}[graph]
    network.run(1.0 + hops * 0.05 + 0.01)
    assert network.find_missing([item], list(range(30))) == 0, f"{graph}, seed {seed}"


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("graph", ["mesh", "regular"])
def test_everything_reaches_everyone_while_links_die(graph: str, seed: int) -> None:
    """A link dies every 150 ms, unnoticed for 300 ms, as long as the graph holds together."""
    rng = random.Random(seed)
    count = 10 if graph == "mesh" else 30
    edges = make_mesh(10) if graph == "mesh" else make_regular(30, 4, rng)
    network = FakeNetwork(count, edges, seed, latency=(0.005, 0.05))
    network.detect_s = 0.3
    network.run(1.0)

    def kill_one() -> None:
        for edge in rng.sample(sorted(network.links), len(network.links)):
            if is_connected(count, set(network.links) - {edge}):
                network.link_down(edge)
                return

    for number in range(20):
        network.at(number * 0.15, kill_one)
    ids = publish_many(network, rng, 60, over_s=3.0)
    network.run(16.0)
    assert network.find_missing(ids, list(range(count))) == 0, f"{graph}, seed {seed}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_ring_that_is_cut_and_mended_delivers_what_was_published_meanwhile(seed: int) -> None:
    rng = random.Random(seed)
    network = FakeNetwork(30, make_ring(30), seed, latency=(0.005, 0.05))
    network.run(1.0)
    cuts: list[Edge] = [(4, 5), (19, 20)]
    for edge in cuts:
        network.link_down(edge)
    ids = publish_many(network, rng, 30, over_s=2.0)
    network.run(5.0)
    assert network.find_missing(ids, list(range(30))) > 0, "the cut must bite"
    for edge in cuts:
        network.link_up(edge)
    network.run(14.0)
    assert network.find_missing(ids, list(range(30))) == 0, f"seed {seed}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_mute_liars_that_claim_to_reach_everyone_silence_nobody_else(seed: int) -> None:
    """Six of 30 take everything, relay nothing and say that they have links to all."""
    rng = random.Random(seed)
    while True:
        edges = make_regular(30, 4, rng)
        liars = frozenset(rng.sample(range(30), 6))
        if is_connected(30, edges, liars):
            break
    network = FakeNetwork(30, edges, seed, latency=(0.005, 0.05))
    network.mute = set(liars)
    claim = b"".join(make_key(number) for number in range(30))
    network.run(0.5)
    for one, other in sorted(edges):
        for liar, neighbour in ((one, other), (other, one)):
            if liar in liars:
                network.send(liar, neighbour, FrameKind.NEIGHBOURS, claim)
    network.run(1.0)
    honest = [number for number in range(30) if number not in liars]
    ids = []
    for number in range(20):
        origin, topic = rng.choice(honest), rng.choice(list(Topic))
        ids.append(network.publish(origin, topic, b"honest %d" % number))
    network.run(12.0)
    assert network.find_missing(ids, honest) == 0, f"seed {seed}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_transactions_arrive_although_full_queues_drop_a_tenth_of_the_frames(seed: int) -> None:
    rng = random.Random(seed)
    network = FakeNetwork(30, make_regular(30, 4, rng), seed, latency=(0.005, 0.05))
    network.loss = 0.1
    network.run(1.0)
    ids = publish_many(network, rng, 40, over_s=2.0)
    network.run(28.0)
    assert network.find_missing(ids, list(range(30))) == 0, f"seed {seed}"


@pytest.mark.parametrize("graph", GRAPHS)
def test_garbage_never_gets_past_the_first_honest_node(graph: str) -> None:
    network = FakeNetwork(30, GRAPHS[graph](random.Random(7)), 7, latency=(0.005, 0.05))
    network.judge_s = 0.1
    network.run(1.0)
    liar = 3
    neighbours = {a + b - liar for a, b in network.links if liar in (a, b)}
    for topic in Topic:
        network.publish(liar, topic, b"garbage of %d" % topic)
    network.run(6.0)
    reached = {number for number, node in enumerate(network.nodes) if node.deliveries}
    assert reached == neighbours
    for number in neighbours:
        accused = {penalty.peer for penalty in network.nodes[number].penalties}
        assert accused == {make_key(liar)}


def test_a_full_mesh_at_rest_goes_quiet() -> None:
    """Repair tells of each payload a few times, at doubling ages, then says nothing."""
    network = FakeNetwork(10, make_mesh(10), 1, latency=(0.005, 0.05))
    network.run(1.0)
    publish_many(network, random.Random(1), 20, over_s=1.0)
    network.run(34.0)
    before = network.sent.total()
    network.run(44.0)
    assert network.sent.total() == before
