"""The gas schedules, keyed by ``vm_version``, and the VM's own limits.

The version in the chain's parameters, which a vote changes at an epoch's end, chooses the
prices of all code, whatever its age: docs/decisions/0042-version-in-force-sets-prices.md.
One unit is about 5 ns of the reference machine. Static prices are charged at the
start of each basic block (worst case of short circuits), dynamic ones inside guards,
before the work. Overpriced is safe, underpriced is the bug. Source: docs/contracts.md,
whose table a test keeps equal to this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from primitives.errors import CarbonodeError

INT_MIN: Final = -(1 << 255)
INT_MAX: Final = (1 << 255) - 1
DICT_KEY_INT_LIMIT: Final = 1 << 60
"""Below 2^60 an int's hash is the int, so nobody can build colliding keys."""

MEMORY_BYTES_MAX: Final = 8 * 1024 * 1024
"""Allocated in one top-level call, plus what events and results keep."""
VALUE_BYTES_MAX: Final = 16 * 1024
KEY_BYTES_MAX: Final = 256
EVENT_PAYLOAD_BYTES_MAX: Final = 16 * 1024 - 256
"""An event's values: the envelope (index, contract, name) takes the rest of 16 KiB."""
RESULT_BYTES_MAX: Final = 64 * 1024
"""One return value."""
RESULTS_BYTES_MAX: Final = 160 * 1024
"""All return values of a transaction: a receipt holds them (256 KiB)."""
EVENTS_BYTES_MAX: Final = 4 * 1024 * 1024
"""Payload of all events of a transaction."""
FRAMES_MAX: Final = 8
SCAN_ROWS_MAX: Final = 200
SCAN_ROWS_DEFAULT: Final = 100
RANGE_ITEMS_MAX: Final = 1 << 31
VALUE_DEPTH_MAX: Final = 32
"""Nesting of a value inside the VM, met by comparison and copying."""
FIXED_SCALE_MAX: Final = 76


@dataclass(frozen=True, slots=True)
class Schedule:
    """Prices in gas; ``_byte``, ``_item`` are multiplied, ``_shift`` divides by 2^n."""

    node: int = 1
    block: int = 9
    arithmetic: int = 20
    division: int = 34
    power: int = 65
    comparison: int = 12
    subscript: int = 24
    field: int = 14
    context_field: int = 10
    method: int = 75
    builtin: int = 60
    call: int = 14
    parameter: int = 2
    record: int = 90
    record_field: int = 50
    turn: int = 8
    part: int = 70
    display_item: int = 12
    state_read: int = 700
    state_read_byte: int = 1
    state_write: int = 4_000
    state_write_byte: int = 4
    scan: int = 10_000
    scan_row: int = 500
    scan_hidden: int = 100
    event: int = 450
    event_byte: int = 3
    contract_call: int = 600
    sha256: int = 90
    sha256_shift: int = 2
    verify_ed25519: int = 25_000
    verify_ed25519_shift: int = 2
    text: int = 90
    slow_path: int = 40
    item: int = 8
    item_check: int = 36
    key: int = 24
    wire_item: int = 12
    wire_text: int = 36
    wire_pair: int = 60
    sort_item: int = 12
    copy_shift: int = 4
    deploy: int = 100_000
    deploy_byte: int = 100
    deploy_word: int = 2_300


SCHEDULES: Final[dict[int, Schedule]] = {1: Schedule()}
"""The prices of every version, without gaps. One that was in force on a chain never changes."""
VM_VERSION: Final = max(SCHEDULES)
"""The newest version that this program knows; it knows all below."""


def get_schedule(vm_version: int) -> Schedule:
    """Return the prices of ``vm_version``; raises CarbonodeError 'vm-version'."""
    schedule = SCHEDULES.get(vm_version)
    if schedule is None:
        raise CarbonodeError(
            "this program does not know that version of the VM",
            code="vm-version",
            vm_version=vm_version,
            known=max(SCHEDULES),
        )
    return schedule
