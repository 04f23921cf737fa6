"""What is running: the transaction's meter, overlay, events, and the stack of contracts.

Storage guards, ctx and the SDK read it; the Machine resets it for every transaction.
It holds no code and no cache. Source: docs/contracts.md, "Calls".
"""

from __future__ import annotations

from primitives.codec import make_packer
from primitives.hashing import ZERO_HASH
from primitives.limits import EVENTS_PER_TRANSACTION_MAX, VALUE_DEPTH_MAX, VALUE_ITEMS_MAX
from vm.codecs import measure_wire
from vm.gas import (
    EVENT_PAYLOAD_BYTES_MAX,
    EVENTS_BYTES_MAX,
    MEMORY_BYTES_MAX,
    RESULT_BYTES_MAX,
    RESULTS_BYTES_MAX,
    Schedule,
)
from vm.meter import Meter
from vm.outcome import Fault, VmEvent
from vm.state import MemoryReader, Overlay
from vm.types import Address

_NOBODY = Address(ZERO_HASH)


class Runtime:
    """The state of one execution. ``stack`` holds the names of the contracts running."""

    __slots__ = (
        "_allocated", "_memory_before", "contract", "contract_name", "event_bytes", "events",
        "height", "meter", "overlay", "pack",
        "read_only", "result_bytes", "sender", "stack", "time", "transaction",
    )  # fmt: skip

    def __init__(self, schedule: Schedule) -> None:
        self.meter = Meter(schedule)
        self.pack = make_packer()
        self.stack: list[str] = []
        self.overlay = Overlay(MemoryReader())
        self.reset(self.overlay, 0, 0, ZERO_HASH, 0)

    def reset(
        self, overlay: Overlay, height: int, time_s: int, transaction: bytes, gas_limit: int
    ) -> None:
        """Begin a transaction."""
        meter = self.meter
        meter.gas = gas_limit
        meter.memory = self._memory_before = MEMORY_BYTES_MAX
        self._allocated = self.event_bytes = self.result_bytes = self.read_only = 0
        self.overlay = overlay
        self.height = height
        self.time = time_s
        self.transaction = bytes(transaction)
        self.events: list[VmEvent] = []
        self.sender = _NOBODY
        self.contract = _NOBODY
        self.contract_name = ""

    def begin_call(self) -> None:
        """A top-level call starts with fresh memory, less what events and results keep."""
        self.count_allocated()
        kept = 4 * (self.event_bytes + self.result_bytes)
        self.meter.memory = self._memory_before = MEMORY_BYTES_MAX - kept

    def count_allocated(self) -> int:
        """Return the bytes of memory metered so far in this transaction, over all its calls."""
        self._allocated += self._memory_before - self.meter.memory
        self._memory_before = self.meter.memory
        return self._allocated

    def require_writable(self) -> None:
        """Fault below a @view."""
        if self.read_only:
            raise Fault("read-only")

    def keep_result(self, wire: object) -> None:
        """Charge a top-level result and check that a receipt can hold it."""
        size = 1 if wire is None else self._measure(wire)
        self.result_bytes += size
        if size > RESULT_BYTES_MAX or self.result_bytes > RESULTS_BYTES_MAX:
            raise Fault("size")
        self.meter.charge(size)

    def add_event(self, name: str, values: list[object]) -> None:
        """Announce an event of the running contract."""
        meter, events = self.meter, self.events
        schedule = meter.schedule
        meter.charge(schedule.event)
        if self.read_only:
            raise Fault("read-only")
        measure_wire(values, VALUE_DEPTH_MAX, VALUE_ITEMS_MAX)
        size = len(self.pack(values))
        meter.charge(schedule.event_byte * size)
        self.event_bytes += size
        if size > EVENT_PAYLOAD_BYTES_MAX or self.event_bytes > EVENTS_BYTES_MAX:
            raise Fault("size")
        if len(events) >= EVENTS_PER_TRANSACTION_MAX:
            raise Fault("size")
        events.append(VmEvent(self.contract_name, name, tuple(values)))  # type: ignore[arg-type]  # wire values

    def _measure(self, wire: object) -> int:
        if type(wire) is bool:
            return 1
        if type(wire) is int:
            return 33
        if type(wire) is list:
            measure_wire(wire, VALUE_DEPTH_MAX, VALUE_ITEMS_MAX)
        return len(self.pack(wire))
