"""What the VM hands back: problems of a source, events, and the outcome of calls.

Statuses are the receipt's (primitives.block.STATUS_*); fault codes are closed here.
A Python exception's text is in none of them. Source: docs/contracts.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from primitives.block import (
    STATUS_FAULT,
    STATUS_OK,
    STATUS_OUT_OF_GAS,
    STATUS_REJECTED,
    STATUS_REVERTED,
)
from primitives.codec import Value
from primitives.errors import CarbonodeError

__all__ = [
    "FAULT_CODES",
    "STATUS_FAULT",
    "STATUS_OK",
    "STATUS_OUT_OF_GAS",
    "STATUS_REJECTED",
    "STATUS_REVERTED",
    "CallsOutcome",
    "Fault",
    "OutOfGas",
    "Problem",
    "Rejected",
    "Revert",
    "VmEvent",
]

FAULT_CODES: Final = frozenset(
    {
        "type", "index", "key", "overflow", "division-by-zero", "value", "memory", "size",
        "depth", "reentrancy", "read-only", "no-method", "arguments", "frozen", "internal",
    }
)  # fmt: skip
"""Closed. ``internal`` is our bug: the whole gas limit is charged and the node alarms."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a source is refused. ``line`` and ``column`` count from 1."""

    line: int
    column: int
    code: str
    message: str
    hint: str = ""


class VmEvent(NamedTuple):
    """What a contract announced; ``values`` are the event's fields in declared order.

    A named tuple, as CallsOutcome is: one of each is made for nearly every transaction,
    and a frozen dataclass takes four times as long to make.
    """

    contract: str
    name: str
    values: tuple[Value, ...]


class CallsOutcome(NamedTuple):
    """What came of a list of calls, all or none.

    ``code`` is empty when ok, the contract's own on revert, one of FAULT_CODES on a
    fault, the first problem's on rejection. ``failed_call`` is the index of the call
    that failed. ``values`` holds one wire value a call (empty unless ok).
    """

    status: str
    code: str
    gas: int
    failed_call: int | None
    values: tuple[Value, ...]
    events: tuple[VmEvent, ...]


class Fault(CarbonodeError):
    """A contract did what its language forbids at run time; ``code`` is in FAULT_CODES."""

    def __init__(self, code: str) -> None:
        super().__init__("contract fault", code=code)


class Revert(CarbonodeError):
    """A contract refused by itself; ``code`` is its own word."""

    def __init__(self, code: str) -> None:
        super().__init__("contract reverted", code=code)


class OutOfGas(CarbonodeError):
    """The gas limit was reached. No contract can catch it."""

    code = "out-of-gas"


class Rejected(CarbonodeError):
    """A source that the checks refuse; ``problems`` says why, first reason first."""

    code = "rejected"

    def __init__(self, problems: list[Problem]) -> None:
        first = problems[0]
        super().__init__(f"line {first.line}: {first.message}", code=first.code)
        self.problems = problems
