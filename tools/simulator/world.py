"""The simulated world: one queue of events, a bad network, crashes, and a history.

Everything random comes from the seed, so a run is repeated exactly by its number.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from dataclasses import replace

from consensus.effects import CommittedTip, Proposal
from consensus.messages import decode_message
from consensus.replica import Replica
from primitives.certificate import Certificate
from primitives.errors import CodecError
from primitives.hashing import ZERO_HASH, Address, Hash
from primitives.leaders import NO_MISSES, Leaders
from primitives.params import ChainParams, compute_epoch, is_epoch_end
from primitives.validators import Validator, ValidatorSet
from tools.simulator.checks import Checker, ViolationError
from tools.simulator.coverage import Coverage
from tools.simulator.crypto import Registry
from tools.simulator.liars import make_liar
from tools.simulator.node import SimNode
from tools.simulator.plan import Plan
from tools.simulator.profiles import make_plan
from tools.simulator.result import Result
from tools.simulator.twins import Twins

PARAMS = ChainParams(
    empty_block_interval_ms=1_500,
    clock_drift_ms=1_000,
)
HEALED_TIMEOUTS_MAX = 25
"""Progress: all planned heights are final within so many capped time-outs after healing."""
START_MS = 1_000_000
HISTORY_LINES_MAX = 400


class World:
    """One run."""

    def __init__(
        self,
        seed: int,
        plan: Plan,
        replica_type: type[Replica],
        *,
        record: bool,
        coverage: Coverage | None = None,
        node_type: type[SimNode] = SimNode,
    ) -> None:
        self.seed, self.plan, self.replica_type = seed, plan, replica_type
        self.coverage = coverage
        self.now = START_MS
        self.chain_id = Hash(hashlib.sha256(b"simulated chain").digest())
        self._rng = random.Random(f"run/{seed}")
        self._registry = Registry(real=plan.real_keys)
        self.check = self._registry.check
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._history: list[tuple[int, int, str, object]] | None = [] if record else None
        self._healed = plan.heal_at_ms == 0
        self._links = [self._make_links(number) for number in range(plan.validators)]
        self._transactions = 0
        keys = [
            self._registry.make_key(hashlib.sha256(b"%d" % number).digest())
            for number in range(plan.validators)
        ]
        self._addresses = [key.public_key for key in keys]
        self._indices = {address: number for number, address in enumerate(self._addresses)}
        base_ms, max_ms = plan.timeout_ms
        self._params = replace(
            PARAMS,
            epoch_blocks=plan.epoch_blocks,
            timeout_base_ms=base_ms,
            timeout_max_ms=max_ms,
        )
        self._sets: dict[tuple[int, ...], ValidatorSet] = {}
        self.honest = frozenset(range(plan.validators)) - plan.faulty
        self.checker = Checker(
            self.chain_id, self.check, self.honest, self._addresses, self.get_set
        )
        genesis = self.make_tip(0, ZERO_HASH, ZERO_HASH, START_MS - 1_000, None, NO_MISSES)
        self.nodes = [
            node_type(self, number, key, genesis, random.Random(f"disk/{seed}/{number}"))
            for number, key in enumerate(keys)
        ]
        self._set_machines()
        self._twins = Twins(plan, random.Random(f"twins/{seed}"))
        for liar, twin in self._twins.twins.items():
            rng = random.Random(f"disk/{seed}/{twin}")
            self.nodes.append(node_type(self, twin, keys[liar], genesis, rng))
            self._links.append(self._links[liar])
        for liar, behaviours in plan.liars.items():
            make_liar(self, self.nodes[liar], behaviours, random.Random(f"liar/{seed}/{liar}"))

    def _set_machines(self) -> None:
        plan = self.plan
        for node, skew_ms in zip(self.nodes, plan.skew_ms, strict=True):
            node.machine.skew_ms = skew_ms
            node.disk.faults = plan.make_disk_faults(node.index, START_MS)
        for node, drift_ppm in zip(self.nodes, plan.drift_ppm, strict=False):
            node.machine.drift_ppm = drift_ppm
        for number, place, down_ms in plan.deaths:
            self.nodes[number].machine.die_at(place, down_ms)

    # -- what nodes ask of the world -------------------------------------------------------

    def get_addresses(self) -> list[Address]:
        """Return all nodes' keys."""
        return self._addresses

    def get_node_index(self, address: Address) -> int:
        """Return the node that owns a key."""
        return self._indices[address]

    def get_validators(self, epoch: int) -> ValidatorSet:
        """Return the set of an epoch: some plans change its members, some its order."""
        members = self.plan.get_members(epoch)
        found = self._sets.get(members)
        if found is None:
            found = ValidatorSet(tuple(Validator(f"v{n}", self._addresses[n]) for n in members))
            self._sets[members] = found
        return found

    def get_set(self, height: int) -> tuple[int, ValidatorSet]:
        """Return epoch and validators of a height."""
        epoch = compute_epoch(height, self.plan.epoch_blocks)
        return epoch, self.get_validators(epoch)

    def sign_abroad(self, number: int, message: bytes) -> bytes:
        """Return an honest validator's signature on another chain: the same keys serve two."""
        assert message.find(self.chain_id) < 0, "no signature on this chain is for sale"
        return self.nodes[number].key.sign(message)

    def make_tip(
        self,
        height: int,
        block_hash: Hash,
        exec_hash: Hash,
        time_ms: int,
        certificate: Certificate | None,
        leaders: Leaders,
    ) -> CommittedTip:
        """Return the tip with the sets in force there."""
        blocks = self.plan.epoch_blocks
        return CommittedTip(
            height,
            block_hash,
            exec_hash,
            time_ms,
            certificate,
            self.get_validators(compute_epoch(height, blocks)),
            self.get_validators(compute_epoch(height + 1, blocks)),
            self._params,
            leaders,
        )

    def advance_leaders(self, leaders: Leaders, proposal: Proposal) -> Leaders:
        """Return who is passed over after a block, as vm/executor.py works it out."""
        height, blocks = proposal.header.height, self.plan.epoch_blocks
        parent = proposal.parent_certificate
        if parent is not None and not is_epoch_end(height - 1, blocks):
            validators = self.get_validators(compute_epoch(height, blocks))
            leaders = leaders.advance(validators, height, parent.view)
        if is_epoch_end(height, blocks):
            leaders = leaders.turn_epoch(self.get_validators(compute_epoch(height + 1, blocks)))
        return leaders

    def _make_links(self, number: int) -> tuple[int, ...]:
        count = self.plan.validators
        if self.plan.ring:
            return tuple(dict.fromkeys(((number - 1) % count, (number + 1) % count)))
        # Nobody has a link to a validator that never runs.
        return tuple(n for n in range(count) if n != number and n not in self.plan.dead)

    def get_links(self, number: int) -> tuple[int, ...]:
        """Return the nodes with a link to this one, in order."""
        return self._links[number]

    def is_gossiping(self) -> bool:
        """Whether links are missing, so that messages must be handed on."""
        return self.plan.ring

    def random_int(self, low: int, high: int) -> int:
        """Draw from low to high, both included."""
        return low + int(self._rng.random() * (high - low + 1))

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Call ``action`` later."""
        self._sequence += 1
        heapq.heappush(self._heap, (self.now + delay_ms, self._sequence, action))

    def send(self, source: int, target: int, kind: str, payload: object) -> None:
        """Send over the bad network."""
        sender, links = source, self._links[source]
        if target not in links:
            return
        source = self._twins.get_owner(sender)
        for copy in self._twins.find_targets(sender, target, self.now):
            self._send_one(source, target, self.nodes[copy], kind, payload)

    def _send_one(
        self, source: int, target: int, node: SimNode, kind: str, payload: object
    ) -> None:
        copies, extra = 1, 0
        if not self._healed:
            if self._is_cut(source, target) or self._rng.random() * 100 < self.plan.loss:
                return
            found = self._find_extra_delay(source, target)
            if found is None:
                return
            extra = found
            copies += self._rng.random() * 100 < self.plan.repeat
        longest = self.plan.delay_ms_max if not self._healed else min(40, self.plan.delay_ms_max)
        for _ in range(copies):
            delay = 1 + int(self._rng.random() * longest) + extra
            self.after(delay, lambda: self._deliver(source, node, kind, payload))

    def _deliver(self, source: int, node: SimNode, kind: str, payload: object) -> None:
        if self._history is not None and node.up:
            self._history.append((self.now, node.index, f"<- {source} {kind}", payload))
        if self.coverage is not None and node.up:
            self.coverage.see_delivery(kind, payload)
        node.receive(source, kind, payload)

    def _find_extra_delay(self, source: int, target: int) -> int | None:
        """Return how slow the link is just now; None when it is cut in this direction."""
        now, extra = self.now - START_MS, 0
        for start, end, one, other, slow_ms in self.plan.bad_links:
            if start <= now < end and (one, other) == (source, target):
                if slow_ms < 0:
                    return None
                extra = max(extra, slow_ms)
        return extra

    def _is_cut(self, source: int, target: int) -> bool:
        now = self.now - START_MS
        for start, end, group, one_way in self.plan.partitions:
            if not start <= now < end or (source in group) == (target in group):
                continue
            if not one_way or source in group:
                return True
        return False

    def note(self, node: int, what: str, detail: object) -> None:
        """Write a line of history."""
        if self._history is not None:
            self._history.append((self.now, node, what, detail))

    # -- the run ---------------------------------------------------------------------------

    def run(self) -> Result:
        """Run to the end, or to the first violation."""
        starts, dead = dict(self.plan.starts), frozenset(self.plan.dead)
        for number, node in enumerate(self.nodes):
            if number not in dead:
                at = starts.get(number, 0)
                self.after(at + self._rng.randint(0, 50) + number, node.start)
        for at, number, down, steps in self.plan.crashes:
            self.after(at, self._make_crash(number, down, steps))
        for at, number, skew_ms in self.plan.clock_jumps:
            self.after(at, self._make_clock_jump(number, skew_ms))
        if self.plan.heal_at_ms:
            self.after(self.plan.heal_at_ms, self._heal)
        if not self.plan.idle:
            self.after(20, self._inject)
        violation, events = "", 0
        try:
            events = self._loop()
            self._check_end()
        except ViolationError as error:
            violation = str(error)
        except Exception as bug:  # of the code under test, whatever it is
            violation = f"raised {type(bug).__name__} ({bug})"
        height = max(self.checker.final, default=0)
        healed = self.now - START_MS - self.plan.heal_at_ms
        return Result(
            self.seed, self.plan, violation, height, self.now - START_MS, healed, events,
            self._format_history(),
        )  # fmt: skip

    def _loop(self) -> int:
        events, heap = 0, self._heap
        allowed_ms = HEALED_TIMEOUTS_MAX * self._params.timeout_max_ms
        deadline = START_MS + self.plan.heal_at_ms + allowed_ms
        target: int | None = None
        while heap:
            self.now, _, action = heapq.heappop(heap)
            action()
            events += 1
            if events % 64 == 0:
                self._check_memory()
            if not self._healed:
                continue
            if target is None:
                target = max(self.checker.final, default=0) + self.plan.heights
                target = max(target, self._get_last_change() + 2)
            if events % 8 == 0 and self._is_done(target):
                return events
            if self.now > deadline:
                heights = [node.tip.height for node in self.nodes]
                whys = [node.replica.describe(self.now).why for node in self.nodes if node.life]
                raise ViolationError("no progress", heights=heights, target=target, why=whys)
        raise ViolationError("nothing left to happen")

    def _is_done(self, target: int) -> bool:
        return all(self.nodes[number].tip.height >= target for number in self.honest)

    def _get_last_change(self) -> int:
        """Return the first height of the last set."""
        return max(len(self.plan.schedule) - 1, 0) * self.plan.epoch_blocks + 1

    def _check_memory(self) -> None:
        count = self.plan.validators
        for node in self.nodes:
            if node.up:
                of_height = node.replica._state.count_held()  # no other way to tell them apart
                held = node.replica.count_held()
                self.checker.see_held(node.index, of_height, held, count)

    def _check_end(self) -> None:
        for number in self.honest:
            self.checker.see_start(number, self.nodes[number].disk.blocks, "")
        if self.plan.dead:
            self.checker.check_slow_heights(self.plan.validators, len(self.plan.dead))

    def _heal(self) -> None:
        self._healed = True
        for node in self.nodes:
            node.machine.heal()

    def _make_crash(self, number: int, down: int, steps: int) -> Callable[[], None]:
        def crash() -> None:
            node = self.nodes[number]
            node.machine.die_after(steps, down)
            if self.plan.lost_record == number:
                node.disk.last_signed = None

        return crash

    def _make_clock_jump(self, number: int, skew_ms: int) -> Callable[[], None]:
        def jump() -> None:
            node = self.nodes[number]
            node.machine.next_skew_ms = skew_ms
            node.crash(100)

        return jump

    def _inject(self) -> None:
        """A client hands a transaction to one node, which gossips it."""
        self._transactions += 1
        transaction = hashlib.sha256(b"%d" % self._transactions).digest()
        first = self._rng.randrange(self.plan.validators)
        if self.nodes[first].up:
            self.nodes[first].take_transaction(transaction)
            for target in range(self.plan.validators):
                if target != first:
                    self.nodes[first].send(target, "transaction", transaction)
        self.after(self._rng.randint(20, 300), self._inject)

    def _format_history(self) -> tuple[str, ...]:
        if self._history is None:
            return ()
        return tuple(
            f"{at - START_MS:7d} ms  v{node}  {what} {_show(detail)}"
            for at, node, what, detail in self._history[-HISTORY_LINES_MAX:]
        )


def _show(detail: object) -> str:
    if not isinstance(detail, bytes) or len(detail) <= 32:
        return detail.hex()[:8] if isinstance(detail, bytes) else str(detail)[:160]
    try:
        message = decode_message(detail)
    except CodecError as error:
        return f"undecodable: {error}"
    fields = []
    for name in ("height", "view", "phase", "signer", "block_hash", "has_proposal", "view_change"):
        value = getattr(message, name, None)
        if name == "view_change" and value is not None:
            prepared = value.prepared
            shown = (
                "none" if prepared is None else f"{prepared.view}:{prepared.block_hash.hex()[:8]}"
            )
            value = f"({value.height}, {value.view}, by {value.signer}, prepared {shown})"
        if value is not None:
            fields.append(f"{name}={value.hex()[:8] if isinstance(value, bytes) else value}")
    return f"{type(message).__name__} " + " ".join(fields)


def run_seed(
    seed: int,
    validators: int = 4,
    profile: str = "mixed",
    replica_type: type[Replica] = Replica,
    *,
    record: bool = False,
    coverage: Coverage | None = None,
    node_type: type[SimNode] = SimNode,
) -> Result:
    """Run one seed; a run with a violation is repeated to write its history."""
    plan = make_plan(seed, validators, profile)
    if coverage is not None:
        coverage.see_plan(plan, profile)
    world = World(seed, plan, replica_type, record=record, coverage=coverage, node_type=node_type)
    result = world.run()
    if result.violation and not record:
        return run_plan(seed, plan, replica_type, record=True, node_type=node_type)
    return result


def run_plan(
    seed: int,
    plan: Plan,
    replica_type: type[Replica] = Replica,
    *,
    record: bool = False,
    coverage: Coverage | None = None,
    node_type: type[SimNode] = SimNode,
) -> Result:
    """Run any plan with the dice of a seed."""
    world = World(seed, plan, replica_type, record=record, coverage=coverage, node_type=node_type)
    return world.run()
