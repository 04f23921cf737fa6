"""The life of one serial, from issue to where it is now, every row of it proven.

``units`` keeps a move for each step of a lot; here they are followed backwards as the
contract's own ``trace`` does, but each row is read with its proof against the certified
state root, so no node is believed: neither a step can be invented nor one be left out.
The one thing a node is asked without proof is where the serial's lot ends; the proven lot
must hold the serial, and the contract keeps lots of a batch apart. All rows are read
while the lot stands still: a serial that moves meanwhile is read again.
Source: vm/contracts/units.py, ``trace``, ``Held``, ``Move``, ``Join``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from primitives.codec import unpack
from primitives.errors import CodecError
from tools.light.answers import refuse
from tools.light.keys import make_state_key
from tools.light.reader import LightReader
from tools.light.state import ProvenState

CONTRACT = "units"
STEPS_MAX = 10_000
"""Steps of one serial: beyond, something is wrong with what is read."""
TRIES_MAX = 5


@dataclass(frozen=True, slots=True)
class TracedStep:
    """One step, newest first in a trace. Serials are kilograms, ``end`` is exclusive."""

    step: int
    kind: str
    start: int
    end: int
    giver: str
    taker: str
    time_s: int
    height: int
    proven_at: int
    """The height of the certified state in which the row stands."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a serial is, where it came from, and all between."""

    batch: str
    serial: int
    origin: dict[str, Any]
    lot: dict[str, Any]
    steps: tuple[TracedStep, ...]
    proven_at: int


async def trace_serial(reader: LightReader, batch: str, serial: int) -> Trace:
    """Return the proven life of a serial. Raises ProofError where the proofs do not hold.

    ``light-trace``: there is no such serial, or it moved again and again while it was read.
    """
    for _ in range(TRIES_MAX):
        lot, held = await _read_lot(reader, batch, serial)
        steps = await _follow(reader, batch, serial, held)
        again, same = await _read_lot(reader, batch, serial)
        if same == held:
            origin = await _read(reader, "batches", [_text(batch)], 9)
            return Trace(batch, serial, _name_batch(origin.fields), lot, steps, again["provenAt"])
    raise refuse("trace", "the serial moves while it is read: ask again", serial=serial)


@dataclass(frozen=True, slots=True)
class _Row:
    fields: list[Any]
    height: int


async def _read_lot(
    reader: LightReader, batch: str, serial: int
) -> tuple[dict[str, Any], list[Any]]:
    """Return the lot that holds a serial, for people and as its row."""
    end = await reader.find_lot_end(batch, serial)
    row = await _read(reader, "lots", [_text(batch), f"int:{end}"], 5)
    start, owner, status, step, _ = row.fields
    if not (type(start) is int and start <= serial < end):
        raise refuse("trace", "that lot does not hold the serial", start=start, end=end)
    shown = {"start": start, "end": end, "owner": owner, "status": status, "step": step}
    return {**shown, "provenAt": row.height}, [end, *row.fields]


async def _follow(
    reader: LightReader, batch: str, serial: int, held: Sequence[Any]
) -> tuple[TracedStep, ...]:
    """Return the steps from the newest to the issue."""
    _, _, _, _, number, at = held
    steps: list[TracedStep] = []
    while number > 0:
        if len(steps) == STEPS_MAX:
            raise refuse("trace", "more steps than a serial has", limit=STEPS_MAX)
        place = [_text(batch), f"int:{at}", f"int:{number}"]
        move = await _read(reader, "moves", place, 7)
        kind, end, giver, taker, time_s, height, before_at = move.fields
        steps.append(TracedStep(number, kind, at, end, giver, taker, time_s, height, move.height))
        if kind == "merge":
            join = await _read(reader, "joins", place, 4)
            seam, left_step, right_at, right_step = join.fields
            is_left = serial < seam
            at, number = (before_at, left_step) if is_left else (right_at, right_step)
        else:
            at, number = before_at, number - 1
    return tuple(steps)


async def _read(reader: LightReader, variable: str, parts: Sequence[str], count: int) -> _Row:
    """Return a record's proven fields."""
    proven: ProvenState = await reader.get_state(make_state_key(CONTRACT, variable, parts))
    if proven.value is None:
        raise refuse("trace", f"there is no such row of {variable}", key=" ".join(parts))
    try:
        fields = unpack(proven.value)
    except CodecError:
        fields = None
    if not isinstance(fields, list) or len(fields) != count:
        raise refuse("trace", f"a row of {variable} has another form", key=" ".join(parts))
    return _Row(fields, proven.block.height)


def _text(part: str) -> str:
    """A batch's name may look like ``int:5``."""
    return f"text:{part}"


def _name_batch(fields: Sequence[Any]) -> dict[str, Any]:
    names = (
        "project", "vintage", "issuer", "verifier", "issuedTo", "evidenceHash", "origin",
        "source", "createdAt",
    )  # fmt: skip
    shown = dict(zip(names, fields, strict=True))
    return {**shown, "evidenceHash": "0x" + bytes(shown["evidenceHash"]).hex()}
