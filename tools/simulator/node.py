"""One simulated node: the real replica, a driver, a disk that keeps only what was synced.

The driver obeys the contract in consensus/README.md and nothing more: effects strictly
in order, and a crash may come between any two of them, or between the vote log and the
last-signed record of one Persist.
"""

from __future__ import annotations

import random

from consensus.effects import (
    Accuse,
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
    Reject,
    RequestBlock,
    Send,
    SetTimer,
    Signer,
    TimerName,
)
from consensus.recovery import RECORD, recover
from consensus.replica import ReplicaConfig
from tools.simulator.chain import Chain
from tools.simulator.disk import CrashError
from tools.simulator.exchange import Exchange
from tools.simulator.execution import compute_execution

BLOCK_TRANSACTIONS_MAX = 20


class SimNode(Exchange):
    """Adds: the driver."""

    def __init__(
        self, world: Chain, index: int, key: Signer, genesis: CommittedTip, rng: random.Random
    ) -> None:
        super().__init__(world, index, key, genesis, rng)
        self._timers: dict[TimerName, int] = {}
        self._evidence: list[bytes] = []

    # -- life -----------------------------------------------------------------------------

    def _forget(self) -> None:
        super()._forget()
        self._timers, self._evidence = {}, []

    def _start_replica(self) -> None:
        world, disk = self.world, self.disk
        records, found = disk.replay()
        if found:
            self._count("fault", f"vote log {found.split()[0].strip(',')}")
            world.note(self.index, "vote log", found)
        recovered = recover(world.chain_id, self.tip, records, disk.last_signed)
        if recovered.reason:
            self._count("recovery", recovered.reason)
        config = ReplicaConfig(world.chain_id, self.key, check=world.check)
        self.replica = world.replica_type(config, self.tip, recovered)
        self.feed(lambda: self.replica.start(self.clock))

    # -- effects ----------------------------------------------------------------------------

    def _perform(self, effect: Effect) -> None:
        """Do what one effect says; dying before it is possible at each."""
        try:
            self.machine.tick(type(effect).__name__)
        except CrashError:
            if isinstance(effect, Persist) and self.disk.tear(effect.records, get_height(effect)):
                self._count("fault", "torn append")
            raise
        if self.world.coverage is not None:
            self.world.coverage.see_effect(effect)
        if self.on_effect is not None:
            self.on_effect(effect)
        self._perform_now(effect)

    def _perform_now(self, effect: Effect) -> None:
        match effect:
            case Persist():
                self._persist(effect)
            case Broadcast():
                self._broadcast(effect)
            case Send():
                self.send_data(self.world.get_node_index(effect.peer), effect.data)
            case SetTimer():
                self._set_timer(effect)
            case CancelTimer():
                self._timers.pop(effect.name, None)
            case Reject():
                self._reject(effect)
            case RequestBlock():
                self._request(effect)
            case FetchBody():
                self._fetch(effect)
            case Execute():
                self._execute(effect)
            case Commit():
                self._commit(effect)
            case Accuse():
                self._accuse(effect)
            case Halt():
                self.world.checker.see_halt(self.index, effect.reason)
                raise CrashError("Halt")
            case _:
                self._behind(effect)

    def _persist(self, effect: Persist) -> None:
        self._need_room()
        self.disk.append(effect.records, get_height(effect))
        if effect.body is not None:
            self.disk.bodies[effect.body] = self._proposals[effect.body].transaction_ids
        self.machine.tick("Persist: log written, record not")
        if effect.last_signed is not None:
            self._need_room()
            self.disk.last_signed = effect.last_signed

    def _broadcast(self, effect: Broadcast) -> None:
        if effect.relay:
            self.world.checker.see_sent(self.index, effect.data)
        self._handed_on[effect.data] = None
        kind = "gossip" if effect.relay else "consensus"
        for place, target in enumerate(self.world.get_links(self.index)):
            if place:
                self.machine.tick("Broadcast: some have it")
            self.send_data(target, effect.data, kind)

    def _request(self, effect: RequestBlock) -> None:
        self._asked = effect
        self.later(effect.empty_at_ms - self.clock, lambda: self._offer(effect))
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
        ids = tuple(self.pool)[:BLOCK_TRANSACTIONS_MAX]
        candidate = Candidate(self.clock, ids, tuple(self._evidence[:4]))
        self.feed(lambda: self.replica.offer(asked.height, asked.view, candidate, self.clock))

    def _execute(self, effect: Execute) -> None:
        block_hash = effect.proposal.block_hash
        self._proposals[block_hash] = effect.proposal
        result = compute_execution(block_hash, self.tip.exec_hash)
        self.later(
            self.world.random_int(1, 20),
            lambda: self.feed(lambda: self.replica.executed(block_hash, result, self.clock)),
        )

    def _commit(self, effect: Commit) -> None:
        self._need_room()
        result = compute_execution(effect.proposal.block_hash, self.tip.exec_hash)
        self._write(effect.proposal, effect.certificate, result)
        self.world.checker.see_told(self.index, self.tip.height)
        self.machine.tick("Commit: written")
        self._queue.insert(0, lambda: self.replica.caught_up(self.tip, self.clock))

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

        self.later(at_ms - self.clock, run)

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

    # -- messages -----------------------------------------------------------------------------

    def receive(self, source: int, kind: str, payload: object) -> None:
        """Take what the network brings."""
        if not self.up:
            return
        if kind not in ("consensus", "gossip"):
            self.take(source, kind, payload)
            return
        assert isinstance(payload, bytes)
        if self.hear is not None:
            self.hear(payload)
        self._take_message(source, payload, is_gossip=kind == "gossip")

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


def get_height(effect: Persist) -> int:
    """Return the height of a Persist's records; 0 when it has none."""
    return RECORD.decode(effect.records[0]).height if effect.records else 0
