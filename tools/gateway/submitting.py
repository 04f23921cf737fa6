"""Brings devices and batches to the chain: many in a transaction, each device's in order.

A batch is in the store before it is submitted. After a crash or a lost answer ``recover`` asks
the chain where a device stands, and what the store has beyond goes again; a batch that is on the
chain already counts as done. When the chain refuses a transaction its devices go again one by
one, so that one bad device stops no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from primitives.block import STATUS_OK
from primitives.codec import Value
from primitives.errors import CarbonodeError
from primitives.keys import PrivateKey
from primitives.transaction import Call
from tools.client.client import Client
from tools.client.wire import from_hex
from tools.gateway.batching import Batch, Header, Position, make_batch
from tools.gateway.readings import Reading, sign_reading
from tools.gateway.store import ReadingStore

CONTRACT = "devices"
DEVICES_PER_CALL = 200
HEADERS_PER_CALL = 100
"""These two are the contract's."""
DEVICES_PER_TRANSACTION = 1_000
HEADERS_PER_TRANSACTION = 300
"""About 90 KB of arguments, under the 128 KiB of a transaction."""
GAS_PER_DEVICE = 25_000
GAS_PER_HEADER = 70_000
GAS_BASE = 200_000
"""Limits, not prices: about one and a half times what a batch of long ids was measured to take."""
WINDOW_TRANSACTIONS = 4
FINAL_TIMEOUT_S = 120.0


class GatewayError(CarbonodeError):
    """The chain refused what the gateway cannot leave out; ``refusal`` is the chain's code."""

    code = "gateway"


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device to be registered; ``rate_max`` in units an hour, times in seconds UTC."""

    device: str
    key: bytes
    unit: str
    rate_max: int
    calibrated_from: int
    calibration_due: int

    @property
    def wire(self) -> list[Value]:
        """The record ``NewDevice`` of the contract devices."""
        return [
            self.device, self.key, self.unit, self.rate_max,
            self.calibrated_from, self.calibration_due,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """A device whose batch the chain refused, and with which code."""

    device: str
    first: int
    code: str


@dataclass(slots=True)
class Counts:
    """What a gateway has done so far."""

    transactions: int = 0
    bytes: int = 0
    gas: int = 0


@dataclass(slots=True)
class Gateway:
    """One submitter's gateway. ``key`` is the submitter's, never a device's."""

    client: Client
    key: PrivateKey
    store: ReadingStore
    counts: Counts = field(default_factory=Counts)

    async def register(self, installation: str, devices: Sequence[NewDevice]) -> None:
        """Register devices, many in a transaction; raises GatewayError when one is refused."""
        groups = [
            devices[start : start + DEVICES_PER_TRANSACTION]
            for start in range(0, len(devices), DEVICES_PER_TRANSACTION)
        ]
        room = asyncio.Semaphore(WINDOW_TRANSACTIONS)

        async def register_group(group: Sequence[NewDevice]) -> None:
            calls = [
                Call(
                    CONTRACT,
                    "register_devices",
                    (installation, [item.wire for item in group[start : start + DEVICES_PER_CALL]]),
                )
                for start in range(0, len(group), DEVICES_PER_CALL)
            ]
            async with room:
                code = await self._send(calls, GAS_BASE + GAS_PER_DEVICE * len(group))
            if code:
                raise GatewayError("devices were refused", refusal=code, first=group[0].device)

        async with asyncio.TaskGroup() as tasks:
            for group in groups:
                tasks.create_task(register_group(group))

    async def get_position(self, device: str) -> Position:
        """Return where the chain stands with a device."""
        answer = await self.client.state_call(CONTRACT, "get_head", [device])
        value = answer.value
        return Position(int(value["last"]), int(value["time_to"]), from_hex(value["hash"], 32))

    async def pack(
        self, key: PrivateKey, readings: Sequence[Reading], *, readings_per_batch: int
    ) -> list[Batch]:
        """Sign a device's readings, cut them into batches, store and return these."""
        device = readings[0].device
        position = self.store.get_position(device) or await self.get_position(device)
        batches = []
        for start in range(0, len(readings), readings_per_batch):
            part = readings[start : start + readings_per_batch]
            batch = make_batch(key, position, [sign_reading(key, item) for item in part])
            self.store.put(batch)
            batches.append(batch)
            position = batch.position
        return batches

    async def recover(self, device: str) -> list[Refusal]:
        """Submit what the store has beyond the chain's head."""
        position = await self.get_position(device)
        return await self.submit([b.header for b in self.store.list_after(device, position.last)])

    async def submit(self, headers: Sequence[Header]) -> list[Refusal]:
        """Submit headers, each device's in the order given; return what the chain refused.

        A device's batches after a refused one are not submitted.
        """
        waiting: dict[str, list[Header]] = {}
        for header in headers:
            waiting.setdefault(header.device, []).append(header)
        refusals: list[Refusal] = []
        room = asyncio.Semaphore(WINDOW_TRANSACTIONS)

        async def settle(groups: list[list[Header]]) -> list[Refusal]:
            async with room:
                return await self._settle(groups)

        while waiting:
            rounds = _fill(waiting)
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(settle(groups)) for groups in rounds]
            refused = [refusal for task in running for refusal in task.result()]
            for refusal in refused:
                waiting.pop(refusal.device, None)
            refusals.extend(refused)
        return refusals

    async def _settle(self, groups: list[list[Header]]) -> list[Refusal]:
        """Send one transaction of whole runs of devices; on refusal each device by itself."""
        code = await self._send_headers([header for group in groups for header in group])
        if not code:
            return []
        if len(groups) > 1:
            return [refusal for group in groups for refusal in await self._settle([group])]
        group = groups[0]
        if code == "replay":
            rest = await self._drop_known(group)
            if len(rest) < len(group):
                return await self._settle([rest]) if rest else []
        if len(group) == 1:
            return [Refusal(group[0].device, group[0].first, code)]
        half = len(group) // 2
        return await self._settle([group[:half]]) or await self._settle([group[half:]])

    async def _drop_known(self, group: list[Header]) -> list[Header]:
        """Return what of a device's run is not on the chain as it is here."""
        position = await self.get_position(group[0].device)
        for number, header in enumerate(group):
            if header.last == position.last and header.hash == position.hash:
                return group[number + 1 :]
        return group

    async def _send_headers(self, headers: Sequence[Header]) -> str:
        calls = [
            Call(
                CONTRACT,
                "submit_batches",
                ([header.wire for header in headers[start : start + HEADERS_PER_CALL]],),
            )
            for start in range(0, len(headers), HEADERS_PER_CALL)
        ]
        return await self._send(calls, GAS_BASE + GAS_PER_HEADER * len(headers))

    async def _send(self, calls: Sequence[Call], gas_limit: int) -> str:
        """Return '' or the code with which the chain refused."""
        transaction = await self.client.build(self.key, calls, gas_limit=gas_limit)
        submitted = await self.client.submit_batch([transaction], patient=True)
        if submitted[0].error is not None:
            raise submitted[0].error
        final = await self.client.wait(transaction.id, timeout_s=FINAL_TIMEOUT_S)
        self.counts.transactions += 1
        self.counts.bytes += len(transaction.encoded)
        self.counts.gas += final.gas
        return "" if final.status == STATUS_OK else final.code or final.status


def _fill(waiting: dict[str, list[Header]]) -> list[list[list[Header]]]:
    """Take from ``waiting`` transactions of runs by device; what does not fit stays for later.

    A device is in one transaction at a time: two of one round may come in any order.
    """
    transactions: list[list[list[Header]]] = []
    size = HEADERS_PER_TRANSACTION
    for device in list(waiting):
        run = waiting[device][:HEADERS_PER_TRANSACTION]
        rest = waiting[device][HEADERS_PER_TRANSACTION:]
        if size + len(run) > HEADERS_PER_TRANSACTION:
            transactions.append([])
            size = 0
        transactions[-1].append(run)
        size += len(run)
        if rest:
            waiting[device] = rest
        else:
            del waiting[device]
    return transactions
