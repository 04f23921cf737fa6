"""Does the faults of a schedule to a local network, and takes them away again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass

from node.run import EXIT_STORAGE
from primitives.errors import CarbonodeError
from tools.chaos.disks import Disk
from tools.chaos.proxy import ProxyMesh
from tools.chaos.schedule import LEADERS, Fault, FaultKind
from tools.chaos.watch import Moment
from tools.client.errors import ClientError
from tools.client.results import get_integer, get_object
from tools.client.transport import RetryPolicy
from tools.localnet.network import Localnet

ASK_ONCE = RetryPolicy(rounds_max=1, request_timeout_s=1.0, connect_timeout_s=0.5)
AGAIN_AFTER_S = 0.4
"""When a node that starts is killed again: it reads its stores then."""
SHIFTED_NODE = "tools.chaos.shifted_node"


class FaultError(CarbonodeError):
    """A fault did not do what it must: a node ended with another code, nobody leads."""

    code = "chaos-fault"


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that is in force: whom it hit, from when on, and what else is to be said."""

    fault: Fault
    victims: tuple[int, ...]
    began: Moment
    note: str = ""


class Faults:
    """``strike`` a fault, then ``heal`` it. One at a time."""

    def __init__(self, net: Localnet, mesh: ProxyMesh, disk: Disk) -> None:
        self._net = net
        self._mesh = mesh
        self._disk = disk

    async def strike(self, fault: Fault) -> Struck:
        """Do it; returns when it is in force."""
        kind = fault.kind
        if kind in LEADERS:
            return await self._strike_leader(fault)
        note = ""
        began = Moment.now()
        if kind in (FaultKind.KILL, FaultKind.KILL_TWICE, FaultKind.KILL_ALL):
            await self._kill(fault.victims)
        elif kind is FaultKind.EMPTY_DATA:
            await self._kill(fault.victims)
            self._remove_data(fault.victims)
        elif kind is FaultKind.FREEZE:
            self._signal(fault.victims, signal.SIGSTOP)
        elif kind is FaultKind.CLOCK:
            note = await self._shift_clock(fault)
            began = Moment.now()
        elif kind is FaultKind.FULL_DISK:
            note = await self._fill_disk(fault.victims[0])
            began = Moment.now()
        else:
            self._spoil_network(fault)
        return Struck(fault, fault.victims, began, note)

    async def heal(self, struck: Struck) -> None:
        """Take it away; a node that is down is started, nobody is waited for."""
        kind, victims = struck.fault.kind, struck.victims
        self._mesh.heal()
        if kind in (FaultKind.FREEZE, FaultKind.FREEZE_LEADER):
            self._signal(victims, signal.SIGCONT)
        elif kind is FaultKind.CLOCK:
            for index in victims:
                await self._net.restart(index)
        elif kind is FaultKind.FULL_DISK:
            self._disk.free(self._net, victims[0])
        if kind is FaultKind.KILL_TWICE:
            await self._start(victims)
            await asyncio.sleep(AGAIN_AFTER_S)
            await self._kill(victims)
        await self._start(index for index in victims if not self._net.is_running(index))

    async def revive(self) -> None:
        """Take everything away, whatever is in force, and start whoever is down."""
        self._mesh.heal()
        for node in self._net.nodes:
            pid = self._net.pid(node.index)
            if pid is not None and self._net.is_running(node.index):
                os.kill(pid, signal.SIGCONT)
            else:
                self._disk.free(self._net, node.index)
                await self._net.start(node.index)

    async def _strike_leader(self, fault: Fault) -> Struck:
        leader, place = await self.find_leader()
        began = Moment.now()
        if fault.kind is FaultKind.KILL_LEADER:
            await self._kill([leader])
        else:
            self._signal([leader], signal.SIGSTOP)
        return Struck(fault, (leader,), began, place)

    async def find_leader(self) -> tuple[int, str]:
        """Return who leads the height under decision, as the node furthest ahead says."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask_leader(node.index)) for node in self._net.nodes]
        told = [answer for task in tasks if (answer := task.result()) is not None]
        names = {node.name: node.index for node in self._net.nodes}
        if not told or max(told)[2] not in names:
            raise FaultError("nobody says who leads", told=told)
        height, view, name = max(told)
        return names[name], f"leads height {height}, view {view}"

    async def _ask_leader(self, index: int) -> tuple[int, int, str] | None:
        try:
            async with self._net.client(index, policy=ASK_ONCE) as client:
                answer = get_object(await client.call("consensus_status"))
        except ClientError:
            return None
        return get_integer(answer, "height"), get_integer(answer, "view"), str(answer["leader"])

    async def _kill(self, victims: Iterable[int]) -> None:
        """All of them at once. Not by pid: whose process is dead already must be reaped once."""
        async with asyncio.TaskGroup() as group:
            for index in victims:
                group.create_task(self._net.kill(index))

    async def _start(self, victims: Iterable[int]) -> None:
        for index in victims:
            await self._net.start(index)

    def _signal(self, victims: Iterable[int], number: signal.Signals) -> None:
        for index in victims:
            pid = self._net.pid(index)
            if pid is None or not self._net.is_running(index):
                raise FaultError("a node ended by itself", node=self._net.nodes[index].name)
            os.kill(pid, number)

    def _remove_data(self, victims: Iterable[int]) -> None:
        """Remove what the node stored; what it signed last (``signer/``) stays."""
        for index in victims:
            shutil.rmtree(self._net.nodes[index].home / "data")

    async def _shift_clock(self, fault: Fault) -> str:
        for index in fault.victims:
            await self._net.stop(index)
            home = str(self._net.nodes[index].home)
            await self._net.start(index, (SHIFTED_NODE, str(fault.amount), home))
        await self._net.wait_ready(indices=fault.victims)
        return f"{fault.amount / 1_000:+,.0f} s"

    async def _fill_disk(self, index: int) -> str:
        await self._disk.fill(self._net, index)
        code = self._net.exit_code(index)
        if code != EXIT_STORAGE:
            raise FaultError(
                "a full disk must end a node with the code of its storage",
                node=self._net.nodes[index].name,
                exit_code=code,
                expected=EXIT_STORAGE,
            )
        return self._disk.name

    def _spoil_network(self, fault: Fault) -> None:
        everyone = range(len(self._net.nodes))
        inside = set(fault.victims)
        across = [(one, other) for one in inside for other in everyone if other not in inside]
        back = [(other, one) for one, other in across]
        if fault.kind in (FaultKind.ISOLATE, FaultKind.SPLIT):
            self._mesh.cut([*across, *back])
        elif fault.kind is FaultKind.MUTE:
            self._mesh.cut(across)
        elif fault.kind is FaultKind.DEAF:
            self._mesh.cut(back)
        elif fault.kind is FaultKind.LINK:
            self._mesh.cut([(fault.victims[0], fault.victims[1])])
        elif fault.kind is FaultKind.SLOW:
            self._mesh.delay(fault.amount)
        else:
            raise FaultError("no way to do this", kind=fault.kind.name)
