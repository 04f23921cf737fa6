"""One run: machines, network, clients, faults by the plan, and what must hold.

The phases: units are issued while nothing goes wrong; then faults and load; then all is
well again and the chain must go on within HEALED_TIMEOUTS_MAX capped time-outs; then
the clients finish, the nodes must agree, stop cleanly, and hold on their disks what
clients were told. Everything random comes from the seed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consensus.messages import decode_message
from p2p.frames import Frame, FrameKind
from primitives.errors import CodecError
from tools.simulator.whole.chain import PARAMS, make_genesis
from tools.simulator.whole.clients import SERIALS, Acknowledged, Client
from tools.simulator.whole.ending import check_bounds, check_disks
from tools.simulator.whole.liar import forge
from tools.simulator.whole.loop import StandstillError, VirtualLoop
from tools.simulator.whole.machine import Machine
from tools.simulator.whole.network import MadeNetwork
from tools.simulator.whole.plan import Crash, Plan, make_plan
from tools.simulator.whole.watch import LogWatch, Watch
from tools.simulator.whole.weather import Weather

HEALED_TIMEOUTS_MAX = 25
"""Progress: within so many capped time-outs after healing, for each step that follows."""
HEIGHTS_AFTER = 3
"""Heights that must become final everywhere after healing."""
PREPARE_S = 60.0
SAMPLE_S = 0.5
POLL_S = 0.05
STOP_S = 20.0
HISTORY_LINES_MAX = 200_000
_LIMIT_S = HEALED_TIMEOUTS_MAX * PARAMS.timeout_max_ms / 1_000


class BrokenError(Exception):
    """Something that must hold does not; the first breach is kept by the world."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. ``violation`` is empty when everything held."""

    seed: int
    validators: int
    profile: str
    plan: Plan
    violation: str
    height: int
    acknowledged: int
    lives: int
    healed_for_s: float
    end_s: float
    digest: str
    history: tuple[str, ...]


class World:
    """See the module."""

    def __init__(self, seed: int, plan: Plan, loop: VirtualLoop, *, record: bool) -> None:
        self.seed, self.plan, self.loop = seed, plan, loop
        self.genesis = make_genesis(plan.validators)
        self.acknowledged: list[Acknowledged] = []
        self.is_closing = False
        self.violation = ""
        self.history: list[str] | None = [] if record else None
        self.digest = hashlib.sha256()
        self.healed_for_s = 0.0
        self._began_at = float("inf")
        self._broken = asyncio.Event()
        self.weather = Weather(plan, self._get_fault_ms)
        self.network = MadeNetwork(seed, self.weather, self._tap)
        self.machines = [
            Machine(self, number, plan.skew_ms[number], plan.drift_ppm[number])
            for number in range(plan.validators)
        ]
        self.watch = Watch(
            self.genesis, self.fail, lambda number: self.machines[number].read_signed(), plan.liar
        )

    # -- what the parts ask of the run

    def note(self, text: str) -> None:
        """Write a line of history."""
        line = f"{self.loop.time():9.4f} s  {text}"
        self.digest.update(line.encode())
        if self.history is not None and len(self.history) < HISTORY_LINES_MAX:
            self.history.append(line)

    def fail(self, what: str, **details: object) -> None:
        """Report a breach; the first one counts."""
        if not self.violation:
            shown = ", ".join(f"{name}={value}" for name, value in details.items())
            self.violation = f"{what}: {shown}" if shown else what
            self.note(f"VIOLATION {self.violation}")
            self._broken.set()

    def see_write(self, machine: int, rows: Mapping[bytes, bytes]) -> None:
        """A batch goes to a machine's chain."""
        height = self.watch.see_write(machine, rows)
        if height is not None:
            self.note(f"v{machine} writes block {height} {self.watch.final[height][0].hex()[:8]}")

    def is_disk_full(self, machine: int) -> bool:
        """Whether there is no room at this moment."""
        now = self._get_fault_ms()
        return any(
            full.machine == machine and full.start_ms <= now < full.end_ms
            for full in self.plan.full_disks
        )

    def get_machines(self) -> Sequence[Machine]:
        """Return the machines that clients trust."""
        return [machine for machine in self.machines if machine.index != self.plan.liar]

    def _get_fault_ms(self) -> float:
        return (self.loop.time() - self._began_at) * 1_000

    def _tap(self, source: int, target: int, frame: Frame) -> Frame | None:
        self.watch.see_frame(source, frame)
        if source == self.plan.liar:
            frame = forge(frame)
        self.note(f"v{source} -> v{target} {describe_frame(frame, self.history is not None)}")
        return frame

    # -- the run

    async def run(self) -> None:
        """Run all phases. Raises BrokenError at the first breach."""
        clients = [Client(self, number) for number in range(1, self.plan.clients + 1)]
        for machine in self.machines:
            machine.start()
        await self._until(clients[0].prepare(SERIALS * len(clients)), PREPARE_S, "no units issued")
        self._began_at = self.loop.time()
        self.note("faults and load begin")
        self._plan_faults()
        async with asyncio.TaskGroup() as group:
            moving = [group.create_task(client.run()) for client in clients]
            sampling = group.create_task(self._sample())
            try:
                await self._until(asyncio.sleep(self.plan.heal_at_ms / 1_000), 1e9, "")
                self.note("all is well again")
                await self._see_progress()
                self.is_closing = True
                await self._until(asyncio.wait(moving), _LIMIT_S, "clients are left waiting")
                await self._until(_poll(self._is_equal), _LIMIT_S, "the tips stay apart")
            finally:
                sampling.cancel()
                for task in moving:
                    task.cancel()
        self.note("clients: " + ", ".join(f"{item.moves} moved" for item in clients))
        await self._stop()
        check_disks(self.machines, self.genesis, self.acknowledged, self.plan.liar, self.fail)
        self._raise_broken()

    def _plan_faults(self) -> None:
        began = self._began_at
        heal_at = began + self.plan.heal_at_ms / 1_000
        for crash in self.plan.crashes:
            at = began + crash.at_ms / 1_000
            back_at = min(at + crash.down_ms / 1_000, heal_at)
            self.loop.call_at(at, self._crash, crash, back_at)
        for cut in self.plan.cuts:
            self.loop.call_at(began + cut.start_ms / 1_000, self._cut, f"{cut}")
            self.loop.call_at(began + cut.end_ms / 1_000 + 1e-6, self.network.release)

    def _crash(self, crash: Crash, back_at: float) -> None:
        self.machines[crash.machine].crash(crash, back_at)

    def _cut(self, text: str) -> None:
        self.note(text)
        self.network.reset_cut()

    async def _see_progress(self) -> None:
        target = max(self.watch.final) + HEIGHTS_AFTER
        healed_at = self.loop.time()
        await self._until(
            _poll(lambda: self._is_at(target)), _LIMIT_S, f"no progress to height {target}"
        )
        self.healed_for_s = self.loop.time() - healed_at

    def _is_at(self, target: int) -> bool:
        return all(machine.height >= target for machine in self.get_machines())

    def _is_equal(self) -> bool:
        return len({machine.height for machine in self.get_machines()}) == 1

    def _is_ended(self) -> bool:
        return all(machine.life is None for machine in self.machines)

    async def _stop(self) -> None:
        lives = [machine.life for machine in self.machines if machine.life is not None]
        for machine in self.machines:
            if machine.node is not None:
                machine.node.stop()
        await self._until(_poll(self._is_ended), STOP_S, "a node does not stop")
        await asyncio.sleep(STOP_S)
        for machine in self.machines:
            machine.check_dead()
        for life in lives:
            if life.tasks or life.jobs:
                self.fail("work outlives a stopped node", node=life.name, tasks=len(life.tasks))
        if self.loop.problems:
            self.fail("an exception that nobody took", problems=self.loop.problems[:3])

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            for machine in self.machines:
                machine.check_dead()
                check_bounds(machine, self.fail)
            if self.loop.problems:
                self.fail("an exception that nobody took", problems=self.loop.problems[:3])

    async def _until(self, work: Coroutine[Any, Any, object], limit_s: float, what: str) -> None:
        """Await ``work`` for so long; raise BrokenError at a breach, or when it is late."""
        task = self.loop.create_task(work)
        broken = self.loop.create_task(self._broken.wait())
        try:
            await asyncio.wait({task, broken}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            self._raise_broken()
            if not task.done():
                self.fail(what, why=[self._explain(machine) for machine in self.machines])
                self._raise_broken()
            await task
        finally:
            task.cancel()
            broken.cancel()

    def _explain(self, machine: Machine) -> str:
        if machine.node is None:
            return f"v{machine.index} is down"
        parts = machine.node.parts
        peers = sorted(name[-1:].hex() for name in parts.network.connected)
        return f"v{machine.index} {parts.driver.describe().why} (links {peers})"

    def _raise_broken(self) -> None:
        if self.violation:
            raise BrokenError(self.violation)


async def _poll(is_true: Callable[[], bool]) -> None:
    """Return when it is true; looking costs no time here."""
    while not is_true():  # noqa: ASYNC110  # nobody tells when a height is reached
        await asyncio.sleep(POLL_S)


def describe_frame(frame: Frame, in_words: bool) -> str:
    """Return a frame in short; consensus messages by their fields when asked."""
    shown = f"{frame.kind.name} {hashlib.sha256(frame.payload).hexdigest()[:8]}"
    if not in_words or frame.kind not in (FrameKind.CONSENSUS, FrameKind.GOSSIP_CONSENSUS):
        return shown
    try:
        message: Any = decode_message(frame.payload)
    except CodecError:
        return f"{shown} undecodable"
    fields = [
        f"{name}={value.hex()[:8] if isinstance(value, bytes) else value}"
        for name in ("height", "view", "phase", "signer", "block_hash")
        if (value := getattr(message, name, None)) is not None
    ]
    return f"{shown} {type(message).__name__} {' '.join(fields)}"


def run_plan(seed: int, plan: Plan, profile: str = "", *, record: bool = False) -> Result:
    """Run a plan with the dice of a seed."""
    loop = VirtualLoop()
    logger = logging.getLogger("carbonode")
    before = (logger.propagate, logger.level)
    asyncio.set_event_loop(loop)
    world = World(seed, plan, loop, record=record)
    handler = LogWatch(world.fail, world.note, plan.liar)
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    try:
        _run(loop, world)
    finally:
        logger.removeHandler(handler)
        logger.propagate = before[0]
        logger.setLevel(before[1])
        asyncio.set_event_loop(None)
    return Result(
        seed, plan.validators, profile, plan, world.violation, max(world.watch.final, default=0),
        len(world.acknowledged), sum(machine.lives for machine in world.machines),
        world.healed_for_s, loop.time(), world.digest.hexdigest(), tuple(world.history or ()),
    )  # fmt: skip


def _run(loop: VirtualLoop, world: World) -> None:
    main: asyncio.Task[None] = loop.create_task(world.run())
    try:
        loop.run_until_complete(main)
    except BrokenError:
        pass
    except BaseExceptionGroup as group:
        if group.split(BrokenError)[1] is not None:
            raise
    except StandstillError as error:
        world.fail("everything stands still", reason=error)
    finally:
        _end_all(loop)


def _end_all(loop: VirtualLoop) -> None:
    """Cancel what a broken run left behind, so that nothing of it is left in the process."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=60))
    loop.close()


def run_seed(
    seed: int, validators: int = 4, profile: str = "mixed", *, record: bool = False
) -> Result:
    """Run one seed; a run with a violation is repeated to write its history."""
    plan = make_plan(seed, validators, profile)
    result = run_plan(seed, plan, profile, record=record)
    if result.violation and not record:
        return run_plan(seed, plan, profile, record=True)
    return result
