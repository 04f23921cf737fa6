"""Between the network and the rest of the node: who gets which frame.

Consensus messages go to the driver, batches of transactions to admission, questions
and answers to whoever handles them. Transactions that came over our own RPC are
gathered for a few milliseconds and sent straight to every peer; what peers sent is
relayed by gossip only after it was found good. Every list here has a bound.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from node.admission import Admission
from node.batches import Batch, WaitingBatches
from node.logs import log_event
from node.metrics import Metrics
from node.refusal import RefusalReason
from node.requests import PeerRequests
from node.wire import (
    BATCH_BYTES_MAX,
    BATCH_DELAY_S,
    TRANSACTION_BATCH,
    split_batches,
)
from p2p.frames import FrameKind
from p2p.gossip import GOSSIP_KINDS, Action, Deliver, Gossip, Penalise, Topic
from p2p.gossip import Send as GossipSend
from p2p.network import Network
from p2p.peers import Offence
from primitives.errors import CodecError
from primitives.hashing import Address, Hash

USELESS_PER_S = 1_000
"""Transactions that can enter no pool (of strangers, expired), taken from one peer: each
costs 40 us of the event loop, and an honest node passes on only what entered its own."""
USELESS_BURST = 10_000
GOSSIP_TICK_S = 0.1

ANSWER_KINDS = frozenset(
    {FrameKind.BODY, FrameKind.BLOCKS, FrameKind.SNAPSHOT, FrameKind.CHUNK, FrameKind.EPOCHS}
)
"""Frames that answer a question of ours."""

_BLAMED = frozenset(
    {RefusalReason.MALFORMED, RefusalReason.BAD_SIGNATURE, RefusalReason.WRONG_CHAIN}
)
"""Refusals that an honest peer's checks would have caught before it relayed."""

_USELESS = frozenset(
    {RefusalReason.NOT_PERMITTED, RefusalReason.EXPIRED, RefusalReason.TOO_FAR_AHEAD}
    | {RefusalReason.LIMIT}
)

_log = logging.getLogger("carbonode.links")


class ConsensusInput(Protocol):
    """The driver, as seen from here."""

    def on_message(self, peer: Address, data: bytes, item_id: Hash | None) -> bool:
        """Take a consensus message; ``item_id`` when gossip awaits a verdict on it.

        False: there is no room, and the peer will repeat what matters.
        """
        ...


ServeRequest = Callable[[Address, FrameKind, bytes], None]
"""Answers GET_BODY, GET_BLOCKS and the questions of state sync."""


class Links:
    """The network's handler. ``run`` must be running; everything is on the event loop."""

    def __init__(
        self, network: Network, gossip: Gossip, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._network = network
        self._gossip = gossip
        self._metrics = metrics
        self._clock = clock
        self.requests = PeerRequests(network.send)
        self._driver: ConsensusInput | None = None
        self._admission: Admission | None = None
        self._serve: ServeRequest | None = None
        self._batches = WaitingBatches()
        # (left, since) by peer; only registered peers deliver, and their number is bounded.
        self._useless: dict[Address, tuple[float, float]] = {}
        self._batch_arrived = asyncio.Event()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._flush_timer: asyncio.TimerHandle | None = None
        self._last_tip_s = float("-inf")

    def attach(
        self,
        driver: ConsensusInput,
        admission: Admission,
        serve: ServeRequest,
    ) -> None:
        """Name the receivers; before the network is opened."""
        self._driver = driver
        self._admission = admission
        self._serve = serve

    # -- from the network

    def on_frame(self, peer: Address, kind: FrameKind, payload: bytes) -> None:
        """A frame from an authenticated peer."""
        if kind in GOSSIP_KINDS:
            self._perform(self._gossip.on_message(peer, kind, payload, self._clock()))
        elif kind in (FrameKind.CONSENSUS, FrameKind.STATUS):
            if self._driver is not None:
                self._driver.on_message(peer, payload, None)
        elif kind in ANSWER_KINDS:
            self.requests.on_answer(peer, kind, payload)
        elif self._serve is not None:
            self._serve(peer, kind, payload)

    def on_peer(self, peer: Address, up: bool) -> None:
        """A link came up or went down."""
        log_event(_log, logging.INFO, "peer up" if up else "peer down", peer=peer)
        self._perform(self._gossip.on_peer(peer, up, self._clock()))
        if not up:
            self.requests.on_peer_down(peer)
        self._metrics.peers.set(len(self._network.connected))

    def note_tip(self) -> None:
        """A block was committed: messages from before the last but one help nobody.

        Whoever is that far behind learns it from STATUS and fetches blocks. Without this
        a node at 30 blocks a second announces thousands of old votes again and again.
        """
        self._gossip.release(Topic.CONSENSUS, self._last_tip_s)
        self._last_tip_s = self._clock()

    # -- to the network

    def send(self, peer: Address, data: bytes) -> None:
        """Send a consensus message to one peer."""
        self._network.send(peer, FrameKind.CONSENSUS, data)

    def broadcast(self, data: bytes, relay: bool) -> None:
        """Send a consensus message to everyone, through gossip when it may be relayed."""
        if relay:
            self._perform(self._gossip.publish(Topic.CONSENSUS, data, self._clock()))
        else:
            self._network.broadcast(FrameKind.CONSENSUS, data)

    def judge(self, item_id: Hash, is_good: bool, offence: Offence | None, reason: str) -> None:
        """Tell gossip what became of a consensus message."""
        if is_good:
            self._perform(self._gossip.accept(item_id, self._clock()))
        elif offence is not None:
            self._perform(self._gossip.reject(item_id, offence, reason))
        else:
            self._gossip.ignore(item_id)

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        """Tell the peer table what a peer did."""
        self._metrics.bans.labels(offence.value).inc()
        self._network.report(peer, offence, reason)

    def spread(self, encoded: Sequence[bytes]) -> None:
        """Send our own clients' transactions to every validator, a batch at a time."""
        self._outgoing += encoded
        self._outgoing_bytes += sum(map(len, encoded))
        if self._outgoing_bytes >= BATCH_BYTES_MAX:
            self._flush()
        elif self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(BATCH_DELAY_S, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        outgoing, self._outgoing, self._outgoing_bytes = self._outgoing, [], 0
        for payload in split_batches(outgoing):
            self._perform(self._gossip.publish(Topic.TRANSACTIONS, payload, self._clock()))

    def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, GossipSend):
                self._network.send(action.peer, action.kind, action.payload)
            elif isinstance(action, Penalise):
                self.report(action.peer, action.offence, action.reason)
            elif action.topic is Topic.CONSENSUS:
                self._take_message(action)
            else:
                self._take_batch(action)

    def _take_message(self, delivery: Deliver) -> None:
        if self._driver is None or not self._driver.on_message(
            delivery.peer, delivery.payload, delivery.item_id
        ):
            self._gossip.ignore(delivery.item_id)

    def _take_batch(self, delivery: Deliver) -> None:
        if self._refill_useless(delivery.peer) < 0:
            self._gossip.ignore(delivery.item_id)
            self._network.report(delivery.peer, Offence.OVERLOAD, "useless transactions")
            return
        size = len(delivery.payload)
        if not self._batches.has_room(delivery.peer, size):
            self._refuse_batch(delivery.peer, delivery.item_id)
            return
        try:
            batch = TRANSACTION_BATCH.decode(delivery.payload)
        except CodecError as error:
            self._perform(
                self._gossip.reject(delivery.item_id, Offence.PROTOCOL, f"batch: {error}")
            )
            return
        waiting = Batch(delivery.peer, delivery.item_id, size, batch.transactions)
        for dropped in self._batches.put(waiting):
            self._refuse_batch(dropped.peer, dropped.item_id)
        self._batch_arrived.set()

    def _refuse_batch(self, peer: Address, item_id: Hash) -> None:
        self._gossip.ignore(item_id)
        self._network.report(peer, Offence.OVERLOAD, "batches are not taken")

    # -- owned tasks

    async def run(self) -> None:
        """Admit what peers gossip, until cancelled."""
        while True:
            await self._batch_arrived.wait()
            self._batch_arrived.clear()
            while self._batches:
                await self._admit(self._batches.take_together())

    def _refill_useless(self, peer: Address) -> float:
        """Return how many useless transactions are still taken from a peer."""
        now_s = self._clock()
        left, since_s = self._useless.get(peer, (float(USELESS_BURST), now_s))
        left = min(left + (now_s - since_s) * USELESS_PER_S, USELESS_BURST)
        self._useless[peer] = (left, now_s)
        return left

    async def run_ticks(self) -> None:
        """Let gossip repair what was lost, until cancelled."""
        while True:
            await asyncio.sleep(GOSSIP_TICK_S)
            self._perform(self._gossip.tick(self._clock()))

    async def _admit(self, batches: Sequence[Batch]) -> None:
        admission = self._admission
        if admission is None:
            return
        merged = [encoded for batch in batches for encoded in batch.transactions]
        verdicts = await admission.submit(merged, "gossip")
        start = 0
        for batch in batches:
            part = verdicts[start : start + len(batch.transactions)]
            start += len(batch.transactions)
            refusals = [verdict.refusal for verdict in part if verdict.refusal is not None]
            useless = sum(item.reason in _USELESS for item in refusals)
            if useless:
                left = self._refill_useless(batch.peer) - useless
                self._useless[batch.peer] = (left, self._clock())
            blamed = next((item for item in refusals if item.reason in _BLAMED), None)
            if blamed is not None:
                is_forged = blamed.reason is RefusalReason.BAD_SIGNATURE
                offence = Offence.BAD_SIGNATURE if is_forged else Offence.PROTOCOL
                actions = self._gossip.reject(batch.item_id, offence, blamed.message)
                self._perform(actions)
            elif len(refusals) == len(part):
                self._gossip.ignore(batch.item_id)
            else:
                self._perform(self._gossip.accept(batch.item_id, self._clock()))
