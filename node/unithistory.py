"""The life of one serial, newest step first, in pages; each step with its transaction.

The steps are in the state, which is never pruned; here they are followed as the view
``units.trace`` does, on one frozen moment. The transaction of a step comes from the
indexes, and is unknown where its block was pruned or never here. A page ends with the
place of the next step, so going on needs no second search.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from node.indexseed import (
    INT_BYTES,
    JOIN_PREFIX,
    LOT_PREFIX,
    MOVE_PREFIX,
    decode_serial,
    make_serial_key,
)
from primitives.codec import unpack
from primitives.hashing import TransactionId
from storage.errors import CursorError
from storage.indexes import IndexQueries
from storage.stateview import StateView

CURSOR_BYTES = 16
"""Where the step's lot begins, and the step's number."""


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One step; serials are kilograms, ``end`` is exclusive, ``id`` None: not indexed."""

    step: int
    kind: str
    start: int
    end: int
    giver: str
    taker: str
    time_s: int
    height: int
    id: TransactionId | None = None
    event_index: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The lot that holds the serial now, and a page of what happened to it."""

    lot_start: int
    lot_end: int
    owner: str
    status: str
    height: int
    steps: tuple[HistoryStep, ...]
    next_cursor: bytes | None


def read_history(
    view: StateView, batch: str, serial: int, cursor: bytes | None, limit: int
) -> History | None:
    """Return a page of steps, None where there is no such serial. Raises CursorError."""
    rows = view.scan(
        make_serial_key(LOT_PREFIX, batch), make_serial_key(LOT_PREFIX, batch, serial), 1
    )
    if not rows:
        return None
    key, value = rows[0]
    start, owner, status, number, at = _unpack(value)
    if start > serial:
        return None
    if cursor is not None:
        at, number = _parse_cursor(cursor)
    steps: list[HistoryStep] = []
    while number > 0 and len(steps) < limit:
        move = view.get(make_serial_key(MOVE_PREFIX, batch, at, number))
        if move is None:
            raise CursorError("not a cursor of this serial", cursor=(cursor or b"").hex())
        kind, end, giver, taker, time_s, height, before_at = _unpack(move)
        steps.append(HistoryStep(number, kind, at, end, giver, taker, time_s, height))
        if kind == "merge":
            at, number = _follow_merge(view, batch, serial, at, number, before_at)
        else:
            at, number = before_at, number - 1
    following = at.to_bytes(8, "big") + number.to_bytes(8, "big") if number > 0 else None
    lot_end = decode_serial(key[-INT_BYTES:])
    return History(start, lot_end, owner, status, view.height, tuple(steps), following)


def add_transactions(history: History, batch: str, index: IndexQueries) -> History:
    """Return the same with the transactions that the indexes know."""
    taken: set[tuple[int, int]] = set()
    steps: list[HistoryStep] = []
    for step in history.steps:
        steps.append(step)
        # Newest first, as the steps are: one lot may be moved twice in one block.
        for entry in reversed(index.find_steps(batch, step.start, step.height)):
            moved, place = entry.step, (step.height, entry.event_index)
            if place in taken or (moved.kind, moved.end) != (step.kind, step.end):
                continue
            taken.add(place)
            found = index.get_transaction(step.height, moved.transaction_index)
            if found is not None:
                steps[-1] = replace(step, id=found.id, event_index=entry.event_index)
            break
    return replace(history, steps=tuple(steps))


def _follow_merge(
    view: StateView, batch: str, serial: int, at: int, number: int, before_at: int
) -> tuple[int, int]:
    """Return the step before a merge, on the side that the serial was on."""
    join = view.get(make_serial_key(JOIN_PREFIX, batch, at, number))
    if join is None:
        raise CursorError("not a cursor of this serial", cursor="")
    seam, left_step, right_at, right_step = _unpack(join)
    return (before_at, left_step) if serial < seam else (right_at, right_step)


def _parse_cursor(cursor: bytes) -> tuple[int, int]:
    if len(cursor) != CURSOR_BYTES:
        raise CursorError("not a cursor of ours", cursor=cursor.hex()[:80])
    return int.from_bytes(cursor[:8], "big"), int.from_bytes(cursor[8:], "big")


def _unpack(value: bytes) -> Any:
    return unpack(value)
