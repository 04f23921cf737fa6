"""One run: network, load, faults one after the other, healing, checks."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from primitives.errors import CarbonodeError
from primitives.genesis import compute_chain_id
from primitives.params import ChainParams
from tools.chaos.checks import audit_homes, find_breaches, read_chains
from tools.chaos.disks import Disk, LimitDisk, choose_disk
from tools.chaos.faults import ASK_ONCE, Faults, Struck
from tools.chaos.load import Book, Load, sign_load
from tools.chaos.proxy import ProxyMesh
from tools.chaos.schedule import Fault, FaultKind, make_schedule
from tools.chaos.watch import Moment, Seen, Watch
from tools.cli.situation import ask, read_situation
from tools.cli.why import explain
from tools.client.errors import ClientError
from tools.localnet.network import Localnet

SENDERS = ("enterprise-a", "enterprise-b", "bank", "verifier", "registry", "project-owner")
WINDOW_BLOCKS = 100_000
"""Everything is signed before it is sent: a long run must not outlive its signatures."""
EPOCH_BLOCKS = 200
"""A run of some minutes crosses the end of several epochs."""
BLOCK_BY_BLOCK = {"CARBONODE_SNAPSHOTS_JOIN": "false"}
"""Who lost its data executes every block again, however far behind: in the end each node must
serve all of them, and each home is audited from the genesis."""
ASK_WHY_S = 3.0
"""When the chain stood still for so long, every node is asked why."""
GO_ON_MAX_S = 60.0
"""The chain must go on within this time of a fault that leaves a quorum, or of the healing."""
BACK_MAX_S = 60.0
"""Who was hit must stand where the others stood within this time of the healing."""
SETTLE_S = 90.0
DRAIN_S = 30.0
LOAD_MARGIN = 1.3
POLL_S = 0.05

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for. ``rate`` is transactions a second."""

    seconds: float
    seed: int
    validators: int = 4
    rate: float = 40.0
    kinds: tuple[FaultKind, ...] = tuple(FaultKind)
    use_limit: bool = False
    """Take the limit on file sizes for a full disk, also where a file system can be mounted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault cost. Seconds; None means that it did not happen in time.

    ``went_on_s``: from the fault (or from the healing, when no quorum was left) until the
    first block that was proposed after it was final. ``gap_s``: the longest time without
    a new block while it lasted and until it was over. ``back_s``: from the healing until
    those hit stood where the others were then.
    """

    fault: Fault
    at_s: float
    victims: tuple[str, ...]
    note: str
    went_on_s: float | None
    gap_s: float
    back_s: float | None
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What each node said of itself (``status --why``) when the chain stood for long."""


@dataclass(slots=True)
class Result:
    """All that a run has found out."""

    options: Options
    disk: str = ""
    outcomes: list[Outcome] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    book: Book = field(default_factory=Book)
    height: int = 0
    blocks_seen: int = 0
    views_above_0: int = 0
    in_chain: int = 0
    audited: int = 0
    seconds: float = 0.0


class Chaos:
    """Faults against a network under load. ``result`` grows while it runs."""

    def __init__(
        self, net: Localnet, faults: Faults, watch: Watch, load: Load, result: Result, say: Say
    ) -> None:
        self._net = net
        self._faults = faults
        self._watch = watch
        self._load = load
        self._result = result
        self._say = say
        self._started_s = time.monotonic()
        self._why: Mapping[str, tuple[str, ...]] = {}

    async def run(self, schedule: Sequence[Fault] | None = None) -> None:
        """Do one fault after the other until the time is over, or the schedule."""
        options = self._result.options
        planned = schedule or make_schedule(options.seed, options.validators, options.kinds)
        for fault in planned:
            if schedule is None and self._elapsed_s() > options.seconds:
                return
            outcome = await self._suffer(fault)
            self._result.outcomes.append(outcome)
            self._say(describe(outcome))
            self._load.check()
            if outcome.went_on_s is None or outcome.back_s is None:
                return  # a standstill: the checks say the rest
            await asyncio.sleep(fault.calm_s)

    async def _suffer(self, fault: Fault) -> Outcome:
        at_s = self._elapsed_s()
        self._why = {}
        struck = await self._faults.strike(fault)
        went_on_s: float | None = None
        if not fault.may_stop_chain:
            went_on_s = await self._measure_going_on(struck, struck.began)
        remaining_s = fault.hold_s - (Moment.now().at_s - struck.began.at_s)
        await asyncio.sleep(max(0.0, remaining_s))
        await self._faults.heal(struck)
        healed = Moment.now()
        if fault.may_stop_chain:
            went_on_s = await self._measure_going_on(struck, healed)
        back_s = await self._wait_back(struck, healed)
        gap_s = self._watch.find_longest_gap_s(struck.began.at_s, Moment.now().at_s)
        if went_on_s is None:
            self._breach(struck, f"the chain did not go on within {GO_ON_MAX_S:.0f} s")
        if back_s is None:
            self._breach(struck, f"who was hit was not back within {BACK_MAX_S:.0f} s")
        names = tuple(self._net.nodes[index].name for index in struck.victims)
        return Outcome(fault, at_s, names, struck.note, went_on_s, gap_s, back_s, self._why)

    async def _measure_going_on(self, struck: Struck, since: Moment) -> float | None:
        """Return seconds until a block that was proposed after ``since`` was final."""
        distrusted: set[str] = set()
        if struck.fault.kind is FaultKind.CLOCK:  # its blocks' times say nothing
            distrusted = {
                "0x" + self._net.nodes[index].public_key.hex() for index in struck.victims
            }

        def is_new(block: Seen) -> bool:
            fresh = block.proposed_ms > since.unix_ms and block.at_s > since.at_s
            return fresh and block.proposer not in distrusted

        block = await self._watch.wait_for(is_new, ASK_WHY_S)
        if block is None:
            self._why = await ask_all_why(self._net)
            block = await self._watch.wait_for(is_new, GO_ON_MAX_S)
        return None if block is None else block.at_s - since.at_s

    async def _wait_back(self, struck: Struck, healed: Moment) -> float | None:
        """Return seconds until those hit stood where the others were at the healing."""
        target = self._watch.height
        while Moment.now().at_s - healed.at_s < BACK_MAX_S:
            statuses = await self._net.statuses()
            seen = [statuses[index] for index in struck.victims]
            if all(item and not item.syncing and item.height >= target for item in seen):
                return Moment.now().at_s - healed.at_s
            await asyncio.sleep(POLL_S)
        return None

    def _breach(self, struck: Struck, what: str) -> None:
        fault = struck.fault
        self._result.breaches.append(f"fault {fault.number} ({fault.kind.value}): {what}")

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started_s


async def run_chaos(
    options: Options, directory: Path, say: Say, schedule: Sequence[Fault] | None = None
) -> Result:
    """Run chaos in a fresh network in ``directory``; ``schedule`` replaces the seed's."""
    disk: Disk = LimitDisk() if options.use_limit else choose_disk()
    result = Result(options, disk=disk.name)
    params = ChainParams(transaction_window_blocks=WINDOW_BLOCKS, epoch_blocks=EPOCH_BLOCKS)
    started_s = time.monotonic()
    async with ProxyMesh(options.validators) as mesh:
        net = Localnet(
            directory, validators=options.validators, params=params, fresh=True, reach=mesh.reach,
            environment=BLOCK_BY_BLOCK,
        )  # fmt: skip
        try:
            async with net:
                await _run_in(net, mesh, disk, result, say, schedule)
        finally:
            for index in range(len(net.nodes)):
                disk.free(net, index)
    say("auditing every home offline")
    result.breaches += await audit_homes({node.name: node.home for node in net.nodes})
    result.audited = len(net.nodes)
    result.seconds = time.monotonic() - started_s
    return result


async def _run_in(
    net: Localnet,
    mesh: ProxyMesh,
    disk: Disk,
    result: Result,
    say: Say,
    schedule: Sequence[Fault] | None,
) -> None:
    options = result.options
    count = int(options.seconds * options.rate * LOAD_MARGIN) + 100
    keys = {name: net.keys[name] for name in SENDERS}
    say(f"signing {count} transactions")
    signed = await asyncio.to_thread(
        sign_load, count, keys, compute_chain_id(net.genesis), WINDOW_BLOCKS
    )
    async with Watch(net.endpoints) as watch:
        async with Load(net.endpoints, signed, options.rate, options.seed) as load:
            result.book = load.book
            faults = Faults(net, mesh, disk)
            chaos = Chaos(net, faults, watch, load, result, say)
            try:
                await chaos.run(schedule)
            except CarbonodeError as error:
                result.breaches.append(f"{error.code}: {error}")
            await faults.revive()
            await load.drain(DRAIN_S)
        result.blocks_seen = len(watch.seen)
        result.views_above_0 = sum(block.view > 0 for block in watch.seen.values())
    await _check(net, result, say)


async def _check(net: Localnet, result: Result, say: Say) -> None:
    say("healed; waiting until all are at one height")
    try:
        result.height = await net.wait_ready(SETTLE_S)
        chains = await read_chains(net, result.height)
    except CarbonodeError as error:
        result.breaches.append(f"not all came back with all blocks: {error}")
        return
    result.breaches += find_breaches(result.book, chains)
    result.in_chain = len(chains[0].places)


async def ask_all_why(net: Localnet) -> dict[str, tuple[str, ...]]:
    """Return what each node that answers says of the standstill."""

    async def ask_one(index: int) -> tuple[str, ...]:
        try:
            async with net.client(index, policy=ASK_ONCE) as client:
                return explain(read_situation(await ask(client))).sentences
        except ClientError as error:
            return (str(error),)

    async with asyncio.TaskGroup() as group:
        tasks = {node.name: group.create_task(ask_one(node.index)) for node in net.nodes}
    return {name: task.result() for name, task in tasks.items()}


def describe(outcome: Outcome) -> str:
    """Return an outcome in a line."""
    times = [
        f"{name} {'never' if value is None else f'{value:.2f} s'}"
        for name, value in (
            ("went on after", outcome.went_on_s),
            ("gap", outcome.gap_s),
            ("back after", outcome.back_s),
        )
    ]
    names = ", ".join(outcome.victims)
    note = f" ({outcome.note})" if outcome.note else ""
    lines = [f"\n           {name}: {' '.join(said)}" for name, said in outcome.why.items()]
    return (
        f"{outcome.at_s:7.1f} s  {outcome.fault.kind.value}: {names}{note}: {', '.join(times)}"
        + "".join(lines)
    )


def say_on_stderr(text: str) -> None:
    """Tell people how it goes."""
    print(text, file=sys.stderr, flush=True)


def get_load_average() -> float:
    """Return how busy the machine was in the last minute."""
    return os.getloadavg()[0]
