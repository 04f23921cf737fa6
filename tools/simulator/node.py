"""One simulated node: the real replica, a driver, a disk that keeps only what was synced.

The driver obeys the contract in consensus/README.md and nothing more: effects strictly
in order, and a crash may come between any two of them, or between the vote log and the
last-signed record of one Persist.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

from consensus.effects import (
    Accuse,
    Behind,
    Broadcast,
    CancelTimer,
    Candidate,
    Commit,
    CommittedTip,
    Effect,
    Execute,
    FetchBody,
    Grade,
    Halt,
    Persist,
    Proposal,
    Reject,
    RequestBlock,
    Send,
    SetTimer,
    Signer,
    TimerName,
)
from consensus.recovery import RECORD, recover
from consensus.replica import Replica, ReplicaConfig
from consensus.rules import HeightRules, check_content, check_successor
from primitives.certificate import Certificate, verify_certificate
from primitives.errors import ProofError
from primitives.hashing import Hash, TransactionId
from primitives.leaders import NO_MISSES, Leaders
from tools.simulator.chain import Chain
from tools.simulator.disk import CrashError, Disk

SYNC_BLOCKS_MAX = 16
RETRY_MS = 300


def compute_execution(block_hash: Hash, previous: Hash) -> Hash:
    """Return the simulated result of executing a block."""
    return Hash(hashlib.sha256(block_hash + previous).digest())


class SimNode:
    """A node. ``outgoing`` is the liars' hook: what really leaves for each message."""

    def __init__(
        self, world: Chain, index: int, key: Signer, genesis: CommittedTip, rng: random.Random
    ) -> None:
        self.world, self.index, self.key = world, index, key
        self.genesis = genesis
        self.skew_ms = 0
        self.next_skew_ms: int | None = None
        self.disk = Disk(rng)
        self.up = False
        self.life = 0
        self.steps_left: int | None = None
        self.down_ms = 0
        self.outgoing: Callable[[int, bytes], list[bytes]] | None = None
        self.on_effect: Callable[[Effect], bool] | None = None
        self.replica: Replica
        self.tip = genesis
        self.pool: dict[TransactionId, None] = {}
        self._queue: list[Callable[[], list[Effect]]] = []
        self._busy = False
        self._timers: dict[TimerName, int] = {}
        self._asked: RequestBlock | None = None
        self._evidence: list[bytes] = []
        self._proposals: dict[Hash, Proposal] = {}
        self._handed_on: dict[bytes, None] = {}
        self.withholds = False
        self._handlers: dict[type[Effect], Callable[..., None]] = {
            Persist: self._persist, Broadcast: self._broadcast, Send: self._send,
            RequestBlock: self._request, FetchBody: self._fetch, Execute: self._execute,
            Commit: self._commit, SetTimer: self._set_timer, CancelTimer: self._cancel,
            Reject: self._reject, Accuse: self._accuse, Halt: self._halt, Behind: self._behind,
        }  # fmt: skip

    # -- life -----------------------------------------------------------------------------

    @property
    def clock(self) -> int:
        """This machine's idea of the time."""
        return self.world.now + self.skew_ms

    def start(self) -> None:
        """Start, or start again from what the disk holds."""
        world, disk = self.world, self.disk
        if self.life and (lost := disk.lose()):
            self._count_fault(f"lost {lost}")
            world.note(self.index, "lost", lost)
        if self.next_skew_ms is not None:
            # A process counts on from its start: a jump of the wall clock is seen by the next one.
            self.skew_ms, self.next_skew_ms = self.next_skew_ms, None
        self.up, self.life, self.steps_left = True, self.life + 1, None
        self.pool, self._timers, self._asked = {}, {}, None
        self._queue, self._busy, self._evidence = [], False, []
        self._proposals, self._handed_on = {}, {}
        self.tip = self._read_tip()
        records, found = disk.replay()
        if found:
            self._count_fault(f"vote log {found.split()[0].strip(',')}")
            world.note(self.index, "vote log", found)
        recovered = recover(world.chain_id, self.tip, records, disk.last_signed)
        config = ReplicaConfig(world.chain_id, self.key, check=world.check)
        self.replica = world.replica_type(config, self.tip, recovered)
        self.feed(lambda: self.replica.start(self.clock))

    def _read_tip(self) -> CommittedTip:
        if not self.disk.blocks:
            return self.genesis
        leaders = NO_MISSES
        for proposal, _, _ in self.disk.blocks:
            leaders = self.world.advance_leaders(leaders, proposal)
        return self._make_tip(leaders)

    def _make_tip(self, leaders: Leaders) -> CommittedTip:
        proposal, certificate, executed = self.disk.blocks[-1]
        header = proposal.header
        return self.world.make_tip(
            header.height, proposal.block_hash, executed, header.time_ms, certificate, leaders
        )

    def crash(self, down_ms: int) -> None:
        """Die now; come back later with the disk only."""
        if not self.up:
            return
        self.up = False
        self.life += 1
        self.world.note(self.index, "crash", f"for {down_ms} ms at height {self.tip.height + 1}")
        self.world.after(down_ms, self.start)

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Call ``action`` later, if this life lasts."""
        life = self.life

        def run() -> None:
            if self.life == life:
                action()

        self.world.after(delay_ms, run)

    # -- the driver -------------------------------------------------------------------------

    def feed(self, call: Callable[[], list[Effect]]) -> None:
        """Call the replica, perform the effects in order, then whatever came meanwhile."""
        if not self.up:
            return
        self._queue.append(call)
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue:
                for effect in self._queue.pop(0)():
                    if self.world.coverage is not None:
                        self.world.coverage.see_effect(effect)
                    if self.on_effect is None or self.on_effect(effect):
                        self._handlers[type(effect)](effect)
        except CrashError:
            self.crash(self.down_ms)
        self._busy = False

    def _tick(self) -> None:
        """One instruction that a crash may hit."""
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise CrashError

    def _need_room(self) -> None:
        """A full disk stops the node; a supervisor starts it again and again."""
        if self.disk.is_full(self.world.now):
            self._count_fault("full disk")
            self.down_ms = self.world.random_int(50, 600)
            raise CrashError

    def _count_fault(self, name: str) -> None:
        if self.world.coverage is not None:
            self.world.coverage.count("fault", name)

    def _persist(self, effect: Persist) -> None:
        height = RECORD.decode(effect.records[0]).height if effect.records else 0
        try:
            self._tick()
        except CrashError:
            if self.disk.tear(effect.records, height):
                self._count_fault("torn append")
            raise
        self._need_room()
        self.disk.append(effect.records, height)
        if effect.body is not None:
            self.disk.bodies[effect.body] = self._proposals[effect.body].transaction_ids
        self._tick()
        if effect.last_signed is not None:
            self._need_room()
            self.disk.last_signed = effect.last_signed

    def _broadcast(self, effect: Broadcast) -> None:
        if effect.relay:
            validators = self.tip.next_validators
            me = validators.get_index(self.key.public_key)
            self.world.checker.see_sent(self.index, me, effect.data)
        self._handed_on[effect.data] = None
        kind = "gossip" if effect.relay else "consensus"
        for target in self.world.get_links(self.index):
            self._tick()
            self.send_data(target, effect.data, kind)

    def _send(self, effect: Send) -> None:
        self._tick()
        self.send_data(self.world.get_node_index(effect.peer), effect.data)

    def send_data(self, target: int, data: bytes, kind: str = "consensus") -> None:
        """Send consensus bytes, through the liar's hook if there is one."""
        for item in [data] if self.outgoing is None else self.outgoing(target, data):
            self.world.send(self.index, target, kind, item)

    def _request(self, effect: RequestBlock) -> None:
        self._asked = effect
        self.later(max(effect.empty_at_ms - self.clock, 0), lambda: self._offer(effect))
        if self.pool:
            self._offer_soon()

    def _offer_soon(self) -> None:
        asked = self._asked
        if asked is not None:
            delay = max(asked.not_before_ms - self.clock, 5)
            self.later(delay, lambda: self._offer(asked))

    def _offer(self, asked: RequestBlock) -> None:
        if self._asked is not asked:
            return
        self._asked = None
        candidate = Candidate(self.clock, tuple(self.pool)[:20], tuple(self._evidence[:4]))
        self.feed(lambda: self.replica.offer(asked.height, asked.view, candidate, self.clock))

    def _fetch(self, effect: FetchBody) -> None:
        proposal = effect.proposal
        ids = proposal.transaction_ids
        if proposal.block_hash in self._proposals:
            return
        if self.disk.bodies.get(proposal.block_hash) == ids or all(
            item in self.pool for item in ids
        ):
            block_hash = proposal.block_hash
            self.later(1, lambda: self.have_body(block_hash))
            return
        holders = [self.world.get_node_index(address) for address in effect.holders]
        everyone = self.world.get_links(self.index)
        holders = [node for node in holders if node in everyone]
        choice = holders if holders and self.world.random_int(0, 1) else list(everyone)
        if not choice:
            return
        target = choice[self.world.random_int(0, len(choice) - 1)]
        self.world.send(self.index, target, "get-body", (proposal.block_hash, ids))
        if self.tip.height < proposal.header.height:
            self.later(RETRY_MS, lambda: self._fetch(effect))

    def have_body(self, block_hash: Hash) -> None:
        """All transactions of a block are here."""
        self.feed(lambda: self.replica.body_ready(block_hash, self.clock))

    def _execute(self, effect: Execute) -> None:
        block_hash = effect.proposal.block_hash
        self._proposals[block_hash] = effect.proposal
        result = compute_execution(block_hash, self.tip.exec_hash)
        self.later(
            self.world.random_int(1, 20),
            lambda: self.feed(lambda: self.replica.executed(block_hash, result, self.clock)),
        )

    def _commit(self, effect: Commit) -> None:
        self._tick()
        self._need_room()
        result = compute_execution(effect.proposal.block_hash, self.tip.exec_hash)
        self._write(effect.proposal, effect.certificate, result)
        self._tick()
        self._queue.insert(0, lambda: self.replica.caught_up(self.tip, self.clock))

    def _write(self, proposal: Proposal, certificate: Certificate, executed: Hash) -> None:
        """One atomic batch; then what the vote log held of that height may go."""
        header = proposal.header
        if header.height != self.tip.height + 1:
            return
        self.world.checker.see_commit(
            self.index,
            certificate,
            header.epoch,
            self.tip.next_validators,
            proposal.block_hash,
            executed,
        )
        self.world.note(self.index, "commit", f"height {header.height} {header_name(proposal)}")
        self.disk.blocks.append((proposal, certificate, executed))
        self.tip = self._make_tip(self.world.advance_leaders(self.tip.next_leaders, proposal))
        self._asked = None
        for item in proposal.transaction_ids:
            self.pool.pop(item, None)
        self.disk.forget_below(header.height + 1)
        self._proposals.clear()
        if self.pool:
            self.later(0, self.say_waiting)

    def say_waiting(self) -> None:
        """Tell the replica that transactions wait, and offer them if it is our turn."""
        if self.pool:
            self.feed(lambda: self.replica.transactions_waiting(self.clock))
            self._offer_soon()

    def _set_timer(self, effect: SetTimer) -> None:
        name, at_ms = effect.name, effect.at_ms
        self._timers[name] = at_ms

        def run() -> None:
            if self._timers.get(name) == at_ms:
                self.feed(lambda: self.replica.expire(name, self.clock))

        self.later(max(at_ms - self.clock, 0), run)

    def _cancel(self, effect: CancelTimer) -> None:
        self._timers.pop(effect.name, None)

    def _reject(self, effect: Reject) -> None:
        self.world.note(self.index, "reject", f"{effect.reason} {effect.grade.value}")
        if effect.peer is not None and effect.grade is not Grade.USELESS:
            blamed = self.world.get_node_index(effect.peer)
            self.world.checker.see_blame(self.index, blamed, effect.reason)

    def _accuse(self, effect: Accuse) -> None:
        self._evidence.append(effect.evidence)
        accused = self.world.get_node_index(effect.validator)
        self.world.note(self.index, "accuse", accused)
        self.world.checker.see_blame(self.index, accused, "equivocation")

    def _halt(self, effect: Halt) -> None:
        self.world.checker.see_halt(self.index, effect.reason)
        raise CrashError

    # -- sync -------------------------------------------------------------------------------

    def _behind(self, effect: Behind) -> None:
        links = self.world.get_links(self.index)
        if effect.peer is not None:
            target = self.world.get_node_index(effect.peer)
        elif links:
            target = links[self.world.random_int(0, len(links) - 1)]
        else:
            return
        self.world.send(self.index, target, "get-blocks", self.tip.height)

    def receive(self, source: int, kind: str, payload: object) -> None:
        """Take what the network brings."""
        if not self.up:
            return
        if kind in ("consensus", "gossip"):
            assert isinstance(payload, bytes)
            self._take_message(source, payload, is_gossip=kind == "gossip")
        elif kind == "transaction":
            self.take_transaction(payload)
        elif kind == "get-blocks":
            assert isinstance(payload, int)
            blocks = tuple(self.disk.blocks[payload : payload + SYNC_BLOCKS_MAX])
            if blocks:
                self.world.send(self.index, source, "blocks", blocks)
        elif kind == "blocks":
            self._take_blocks(payload)
        elif kind == "get-body":
            self._answer_body(source, payload)
        elif kind == "body":
            assert isinstance(payload, tuple)
            self.have_body(payload[0])

    def _take_message(self, source: int, data: bytes, *, is_gossip: bool) -> None:
        """Hand a consensus message to the replica, and on to our links if it is found good."""
        peer = self.world.get_addresses()[source]
        hands_on = is_gossip and self.world.is_gossiping() and data not in self._handed_on

        def receive() -> list[Effect]:
            effects = self.replica.receive(peer, data, self.clock)
            if hands_on and not any(isinstance(effect, Reject) for effect in effects):
                self._handed_on[data] = None
                for target in self.world.get_links(self.index):
                    if target != source:
                        self.send_data(target, data, "gossip")
            return effects

        self.feed(receive)

    def take_transaction(self, payload: object) -> None:
        """A transaction from a client or by gossip."""
        assert isinstance(payload, bytes)
        if payload in self._handed_on:
            return
        self._handed_on[payload] = None
        if self.world.is_gossiping():
            for target in self.world.get_links(self.index):
                self.world.send(self.index, target, "transaction", payload)
        self.pool[TransactionId(payload)] = None
        if len(self.pool) == 1:
            self.say_waiting()

    def _answer_body(self, source: int, payload: object) -> None:
        assert isinstance(payload, tuple)
        block_hash, ids = payload
        if self.withholds:
            return
        if self.disk.bodies.get(block_hash) == ids or all(item in self.pool for item in ids):
            self.world.send(self.index, source, "body", (block_hash, ids))

    def _take_blocks(self, payload: object) -> None:
        assert isinstance(payload, tuple)
        before = self.tip.height
        for proposal, certificate, _ in payload:
            if proposal.header.height == self.tip.height + 1:
                if self.disk.is_full(self.world.now):
                    break
                if not self._is_final(proposal, certificate):
                    return
                self._write(proposal, certificate, certificate.exec_hash)
        if self.tip.height > before:
            self.feed(lambda: self.replica.caught_up(self.tip, self.clock))

    def _is_final(self, proposal: Proposal, certificate: Certificate) -> bool:
        """Whether sync may write the block: header, content, certificate, own execution."""
        rules = HeightRules.of(self.world.chain_id, self.tip)
        try:
            check_successor(rules, proposal.header, proposal.parent_certificate)
            check_content(proposal)
            verify_certificate(
                certificate, self.world.chain_id, rules.epoch, rules.validators,
                check=self.world.check,
            )  # fmt: skip
        except ProofError:
            return False
        executed = compute_execution(proposal.block_hash, self.tip.exec_hash)
        found = (certificate.height, certificate.block_hash, certificate.exec_hash)
        return found == (rules.height, proposal.block_hash, executed)


def header_name(proposal: Proposal) -> str:
    """Return the first digits of the block's hash."""
    return proposal.block_hash.hex()[:8]
