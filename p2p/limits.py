"""Bounds of links and gossip, each with its unit and its reason. Frozen configuration.

Defaults fit a network of up to 100 validators over the open internet; tests shrink them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from p2p.frames import FrameKind

_MIB: Final = 1024 * 1024

FRAME_RATES: Final[Mapping[FrameKind, tuple[float, float]]] = MappingProxyType(
    {
        FrameKind.PING: (5, 20),
        FrameKind.PONG: (5, 20),
        FrameKind.GOODBYE: (1, 1),
        FrameKind.CONSENSUS: (2_000, 4_000),
        FrameKind.STATUS: (200, 400),
        FrameKind.GOSSIP_CONSENSUS: (4_000, 8_000),
        FrameKind.CONSENSUS_ANNOUNCE: (200, 1_000),
        FrameKind.CONSENSUS_PULL: (200, 1_000),
        FrameKind.NEIGHBOURS: (20, 200),
        FrameKind.GET_BODY: (200, 400),
        FrameKind.BODY: (200, 400),
        FrameKind.GET_BLOCKS: (100, 200),
        FrameKind.BLOCKS: (100, 200),
        FrameKind.GET_SNAPSHOT: (5, 20),
        FrameKind.SNAPSHOT: (5, 20),
        FrameKind.GET_CHUNK: (100, 200),
        FrameKind.CHUNK: (100, 200),
        FrameKind.GET_EPOCHS: (20, 40),
        FrameKind.EPOCHS: (20, 40),
        FrameKind.TX_BATCH: (1_000, 2_000),
        FrameKind.TX_ANNOUNCE: (400, 1_000),
        FrameKind.TX_PULL: (400, 1_000),
    }
)
"""(frames a second, burst) that we take of each kind from one peer; the rest is dropped.

Ten times what an honest peer sends on a ring of 100 nodes, where one neighbour relays
everyone's votes."""


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """Times in seconds, sizes in bytes."""

    connect_s: float = 5.0
    """TCP and TLS of an outgoing connection."""
    handshake_s: float = 5.0
    """TLS of an incoming connection, and then as long again for its HELLO."""
    half_open_max: int = 64
    """Connections that have not shown who they are; strangers share these."""
    half_open_per_ip_max: int = 16
    """One address cannot take all of them (several nodes may share an address)."""
    visits_per_s: float = 20.0
    visits_burst: float = 200.0
    """Handshakes begun from one address; 100 nodes on one machine may start at once."""
    addresses_max: int = 4_096
    """Addresses whose visits are counted."""
    consensus_queue_bytes: int = 16 * _MIB
    """Outgoing; over it the peer is stuck, and a fresh link repairs more than a late vote."""
    blocks_queue_bytes: int = 64 * _MIB
    """Outgoing; over it new frames are refused: who asked asks another."""
    transactions_queue_bytes: int = 16 * _MIB
    """Outgoing; over it the oldest frames go: they are most likely known already."""
    write_bytes: int = 128 * 1024
    """One write of coalesced frames; a vote waits for at most about two of them."""
    write_timeout_s: float = 15.0
    """A peer that takes nothing for so long is cut off."""
    ping_s: float = 5.0
    """Between keep-alives."""
    idle_timeout_s: float = 20.0
    """Without a byte from the peer for so long, the link is dead."""
    probe_s: float = 2.0
    """The same for a link that its peer seems to have forgotten."""
    shutdown_s: float = 2.0
    """For the last bytes of a link that we close."""
    check_s: float = 0.5
    """Between two looks at the time-outs of all links."""
    read_bytes_per_s: float = 64 * _MIB
    """Taken from one peer; above it we stop reading and TCP slows the peer down."""
    read_burst_bytes: float = 64 * _MIB
    """Three of the largest frames."""
    frame_cost_bytes: int = 1024
    """Charged for each frame besides its bytes: tiny frames cost time, not bandwidth."""
    frame_rates: Mapping[FrameKind, tuple[float, float]] = field(
        default_factory=lambda: FRAME_RATES
    )
    redial_base_s: float = 0.25
    redial_max_s: float = 15.0
    """Back-off after a failed dial: base, doubled each time, capped, jittered by half."""
    stable_s: float = 10.0
    """A link that lived so long resets the back-off."""
    yield_s: float = 0.3
    """The higher key waits so long before it dials: most double dials never happen."""
    peers_max: int = 512
    """Registered nodes."""


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """Gossip of one topic. Times in seconds, sizes in bytes."""

    seen_max: int
    """Ids remembered; beyond it the oldest are forgotten."""
    seen_age_s: float
    """Far longer than anyone announces, so that nothing comes back from the dead."""
    store_bytes: int
    """Payloads held to answer pulls."""
    store_age_s: float
    """Payloads are held, announced and served for so long."""
    pending_max: int
    """Payloads from one peer that the node has not judged yet."""
    pending_bytes: int
    wants_max: int
    """Ids announced to us that we lack."""
    wants_per_peer_max: int
    announcers_max: int
    """Peers remembered for each id we lack: where to ask next."""
    grace_s: float
    """After a repair announcement: the payload itself is probably on its way."""
    pull_timeout_s: float
    """Then we ask the next announcer."""
    pulls_per_peer_max: int
    """Ids asked of one peer at a time."""
    again_s: float
    """A payload that the node ignored is delivered again when pushed after so long."""
    repair_s: float
    """Between two rounds of announcements to random neighbours."""


CONSENSUS_TOPIC_LIMITS: Final = TopicLimits(
    seen_max=65_536,
    seen_age_s=120.0,
    store_bytes=16 * _MIB,
    store_age_s=15.0,
    pending_max=1_024,
    pending_bytes=8 * _MIB,
    wants_max=8_192,
    wants_per_peer_max=2_048,
    announcers_max=8,
    grace_s=0.5,
    pull_timeout_s=0.5,
    pulls_per_peer_max=256,
    again_s=1.0,
    repair_s=0.25,
)
"""100 validators and three votes a height: 300 items a second on a fast chain."""

TRANSACTIONS_TOPIC_LIMITS: Final = TopicLimits(
    seen_max=65_536,
    seen_age_s=300.0,
    store_bytes=64 * _MIB,
    store_age_s=30.0,
    pending_max=1_024,
    pending_bytes=16 * _MIB,
    wants_max=16_384,
    wants_per_peer_max=4_096,
    announcers_max=8,
    grace_s=2.0,
    pull_timeout_s=2.0,
    pulls_per_peer_max=32,
    again_s=1.0,
    repair_s=0.5,
)
"""2,500 transactions a second in batches of 50: 50 items a second, 30 s of them."""


@dataclass(frozen=True, slots=True)
class GossipLimits:
    """Both topics, and what they share."""

    consensus: TopicLimits = CONSENSUS_TOPIC_LIMITS
    transactions: TopicLimits = TRANSACTIONS_TOPIC_LIMITS
    fanout: int = 3
    """Random neighbours in one round of repair."""
    tellings_max: int = 6
    """Announcements of one id to one neighbour, at doubling ages: some may be dropped."""
    serve_bytes_per_s: float = 32 * _MIB
    """Payloads served to one peer on its pulls."""
    neighbours_max: int = 512
    """Links we keep track of; the network admits no more."""
