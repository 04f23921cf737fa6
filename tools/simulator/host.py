"""What every simulated node stands on: a machine, a disk, its chain, and lives that end.

The layers, one file each, every one using only those before: ``Host`` (here) <-
``Exchange`` (blocks, bodies and transactions) <- ``SimNode`` (the driver).
"""

from __future__ import annotations

import random
from collections.abc import Callable

from consensus.effects import CommittedTip, Effect, Proposal, RequestBlock, Signer
from consensus.errors import SignerRefusedError
from consensus.replica import Replica
from primitives.certificate import Certificate
from primitives.hashing import Hash, TransactionId
from primitives.leaders import NO_MISSES, Leaders
from tools.simulator.chain import Chain
from tools.simulator.disk import CrashError, Disk
from tools.simulator.machine import Machine

CONFUSED_DOWN_MS = 100
Tamper = Callable[[int, str, object], list[object]]
Written = tuple[Proposal, Certificate, Hash]


class Host:
    """Hooks of liars: ``outgoing`` (what really leaves of each consensus message), ``hear``
    (what came in), ``tamper`` (what leaves of everything else) and ``on_effect``."""

    def __init__(
        self, world: Chain, index: int, key: Signer, genesis: CommittedTip, rng: random.Random
    ) -> None:
        self.world, self.index, self.key = world, index, key
        self.genesis = genesis
        self.machine = Machine(world.now)
        self.disk = Disk(rng)
        self.up = False
        self.life = 0
        self.outgoing: Callable[[int, bytes], list[bytes]] | None = None
        self.hear: Callable[[bytes], None] | None = None
        self.tamper: Tamper | None = None
        self.on_effect: Callable[[Effect], None] | None = None
        self.replica: Replica
        self.tip = genesis
        self.pool: dict[TransactionId, None] = {}
        self.committed: dict[TransactionId, None] = {}
        self._queue: list[Callable[[], list[Effect]]] = []
        self._busy = False
        self._asked: RequestBlock | None = None
        self._proposals: dict[Hash, Proposal] = {}
        self._handed_on: dict[bytes, None] = {}

    @property
    def clock(self) -> int:
        """This machine's idea of the time."""
        return self.machine.read_clock(self.world.now)

    # -- lives ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, or start again from what the disk holds."""
        lost = self.disk.lose() if self.life else ""
        if lost:
            self._count("fault", f"lost {lost}")
            self.world.note(self.index, "lost", lost)
        self.machine.turn_on()
        self.up, self.life = True, self.life + 1
        self._forget()
        self._read_chain()
        self.world.checker.see_start(self.index, self.disk.blocks, lost)
        self._start_replica()

    def _forget(self) -> None:
        """Lose what a process has in memory."""
        self.pool, self._asked = {}, None
        self._queue, self._busy = [], False
        self._proposals, self._handed_on = {}, {}

    def _start_replica(self) -> None:
        raise NotImplementedError

    def _read_chain(self) -> None:
        """Work out tip, leaders and final transactions from the blocks on disk."""
        leaders, self.committed = NO_MISSES, {}
        for proposal, _, _ in self.disk.blocks:
            leaders = self.world.advance_leaders(leaders, proposal)
            self.committed.update(dict.fromkeys(proposal.transaction_ids))
        self.tip = self._make_tip(leaders) if self.disk.blocks else self.genesis

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
        """Call ``action`` when that time has gone by on our clock, if this life lasts."""
        life = self.life

        def run() -> None:
            if self.life == life:
                action()

        self.world.after(self.machine.compute_wait(delay_ms), run)

    # -- the driver's loop --------------------------------------------------------------------

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
                    self._perform(effect)
        except CrashError as death:
            self._count("crash at", str(death))
            self.crash(self.machine.down_ms)
        except SignerRefusedError:
            if self.index in self.world.honest:
                raise
            # A liar's own replica, confused by lies under its own key: its process dies.
            self.crash(CONFUSED_DOWN_MS)
        self._busy = False

    def _perform(self, effect: Effect) -> None:
        raise NotImplementedError

    def _need_room(self) -> None:
        """A full disk stops the node; a supervisor starts it again and again."""
        if self.disk.is_full(self.world.now):
            self._count("fault", "full disk")
            self.machine.down_ms = self.world.random_int(50, 600)
            raise CrashError("full disk")

    def _count(self, area: str, name: str) -> None:
        if self.world.coverage is not None:
            self.world.coverage.count(area, name)

    # -- what leaves and what is final ----------------------------------------------------------

    def send(self, target: int, kind: str, payload: object) -> None:
        """Send anything but consensus bytes, through the liar's hook if there is one."""
        for item in [payload] if self.tamper is None else self.tamper(target, kind, payload):
            self.world.send(self.index, target, kind, item)

    def send_data(self, target: int, data: bytes, kind: str = "consensus") -> None:
        """Send consensus bytes, through the liar's hook if there is one."""
        for item in [data] if self.outgoing is None else self.outgoing(target, data):
            self.world.send(self.index, target, kind, item)

    def _write(self, proposal: Proposal, certificate: Certificate, executed: Hash) -> None:
        """One atomic batch; then what the vote log held of that height may go."""
        header = proposal.header
        if header.height != self.tip.height + 1:
            return
        self.world.checker.see_commit(self.index, certificate, proposal, executed)
        self.world.note(self.index, "commit", f"height {header.height} {header_name(proposal)}")
        self.disk.blocks.append((proposal, certificate, executed))
        self.tip = self._make_tip(self.world.advance_leaders(self.tip.next_leaders, proposal))
        self._asked = None
        for item in proposal.transaction_ids:
            self.pool.pop(item, None)
            self.committed[item] = None
        self.disk.forget_below(header.height + 1)
        self._proposals.clear()
        if self.pool:
            self.later(0, self.say_waiting)

    def say_waiting(self) -> None:
        """Tell the replica that transactions wait, and offer them if it is our turn."""
        raise NotImplementedError


def header_name(proposal: Proposal) -> str:
    """Return the first digits of the block's hash."""
    return proposal.block_hash.hex()[:8]
