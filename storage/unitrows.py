"""Lots by owner and the moves of lots, from the events of ``units`` and ``retirement``.

The contracts keep lots by batch; who looks for what an owner holds needs them the other
way round. Here the contract's own arithmetic (``carve``, ``split``, ``merge``) is repeated
on the index's rows, one event after another; a test compares both after every kind of
move, and another knows each event of the two contracts by name. Nothing here is consensus:
an index that is wrong is removed and built again.
Source: vm/contracts/units.py, "Held", ``carve``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from primitives import limits
from primitives.block import Event
from primitives.codec import Struct, Text, Uint
from primitives.errors import CarbonodeError
from storage.layer import Layer
from storage.schema import encode_height, make_name_part

UNITS: Final = "units"
RETIREMENT: Final = "retirement"
BUFFER: Final = "buffer"
ACTIVE: Final = "active"
SERIAL_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Lot:
    """Serials [start, end) of a batch: kilograms, as in the contract ``units``."""

    start: int
    owner: str
    status: str


LOT = Struct(Lot, 512, start=Uint(), owner=Text(limits.NAME_CHARACTERS_MAX), status=Text(16))


@dataclass(frozen=True, slots=True)
class Step:
    """One move of the lot [the key's start, end): of which kind, in which transaction."""

    kind: str
    end: int
    transaction_index: int


STEP = Struct(Step, 128, kind=Text(16), end=Uint(), transaction_index=Uint(32))


def make_lot_key(batch: str, end: int) -> bytes:
    """Return the key of a lot by its batch."""
    return b"l" + make_name_part(batch) + encode_height(end)


def make_owned_key(owner: str, batch: str, end: int) -> bytes:
    """Return the key of a lot by its owner."""
    return b"w" + make_name_part(owner) + make_name_part(batch) + encode_height(end)


def make_step_key(batch: str, start: int, height: int, index: int) -> bytes:
    """Return the key of a move; ``index`` is the event's number in the block."""
    return make_step_prefix(batch, start, height) + index.to_bytes(4, "big")


def make_step_prefix(batch: str, start: int, height: int) -> bytes:
    """Return the prefix of the moves of lots from ``start`` on at a height."""
    return b"u" + make_name_part(batch) + encode_height(start) + encode_height(height)


def list_steps(event: Event) -> list[tuple[str, int, Step]]:
    """Return (batch, start, step) for each lot that an event moved."""
    kind = _KINDS.get((event.contract, event.name))
    if kind is None:
        return []
    number = event.transaction_index
    try:
        if event.contract == RETIREMENT:
            pieces: Any = event.values[_PIECES[event.name]]
        else:
            pieces = [event.values[:3]]
        return [(batch, start, Step(kind, end, number)) for batch, start, end in pieces]
    except OTHER_FORM:
        return []


class LotBook:
    """The lots as they are after the events that were applied; changes go to ``layer``."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def apply(self, event: Event) -> None:
        """Move lots as the contract did; an event of another kind does nothing."""
        handler = _HANDLERS.get((event.contract, event.name))
        if handler is not None:
            try:
                handler(self, event.values)
            except OTHER_FORM:
                return

    def put(self, batch: str, end: int, lot: Lot) -> None:
        """Set the lot that ends at ``end``."""
        old = self._layer.get(make_lot_key(batch, end))
        if old is not None:
            self._layer.put(make_owned_key(LOT.decode(old).owner, batch, end), None)
        self._layer.put(make_lot_key(batch, end), LOT.encode(lot))
        self._layer.put(make_owned_key(lot.owner, batch, end), b"")

    def _drop(self, batch: str, end: int, owner: str) -> None:
        self._layer.put(make_lot_key(batch, end), None)
        self._layer.put(make_owned_key(owner, batch, end), None)

    def _find(self, batch: str, start: int, end: int) -> tuple[int, Lot] | None:
        """Return (end, lot) of the lot that holds [start, end)."""
        exact = self._layer.get(make_lot_key(batch, end))
        if exact is not None:
            return end, LOT.decode(exact)
        prefix = b"l" + make_name_part(batch)
        for key, value in self._layer.scan(prefix, prefix + encode_height(start), 1):
            return int.from_bytes(key[-SERIAL_BYTES:], "big"), LOT.decode(value)
        return None

    def _carve(self, batch: str, start: int, end: int, owner: str | None, status: str) -> None:
        """Give [start, end) a new owner (None: the same) or status; the rest stays."""
        found = self._find(batch, start, end)
        if found is None:
            return
        lot_end, lot = found
        if lot.start < start:
            self.put(batch, start, lot)
        if end < lot_end:
            self.put(batch, lot_end, Lot(end, lot.owner, lot.status))
        self.put(batch, end, Lot(start, lot.owner if owner is None else owner, status))

    # -- one method for each event

    def _issue(self, values: Sequence[Any]) -> None:
        batch, start, end, buffer_quantity, owner, *_ = values
        cut = end - buffer_quantity
        if cut > start:
            self.put(batch, cut, Lot(start, owner, ACTIVE))
        if end > cut:
            self.put(batch, end, Lot(cut, BUFFER, BUFFER))

    def _transfer(self, values: Sequence[Any]) -> None:
        batch, start, end, _, taker = values
        self._carve(batch, start, end, taker, ACTIVE)

    def _release(self, values: Sequence[Any]) -> None:
        batch, start, end, taker, *_ = values
        self._carve(batch, start, end, taker, ACTIVE)

    def _cancel_buffer(self, values: Sequence[Any]) -> None:
        batch, start, end = values
        self._carve(batch, start, end, None, "cancelled")

    def _lock(self, values: Sequence[Any]) -> None:
        batch, start, end, *_ = values
        self._carve(batch, start, end, None, "locked")

    def _unlock(self, values: Sequence[Any]) -> None:
        batch, start, end, *_ = values
        self._carve(batch, start, end, None, ACTIVE)

    def _split(self, values: Sequence[Any]) -> None:
        batch, at, _ = values
        found = self._find(batch, at, at + 1)
        if found is not None:
            end, lot = found
            self.put(batch, at, lot)
            self.put(batch, end, Lot(at, lot.owner, lot.status))

    def _merge(self, values: Sequence[Any]) -> None:
        """Two neighbours become one: the left one, wherever it ended, is gone."""
        batch, start, end, owner = values
        found = self._find(batch, start, start + 1)
        if found is not None:
            self._drop(batch, found[0], found[1].owner)
        self.put(batch, end, Lot(start, owner, ACTIVE))

    def _retire(self, values: Sequence[Any]) -> None:
        for batch, start, end in values[_PIECES["Retired"]]:
            self._carve(batch, start, end, None, "retired")

    def _cancel(self, values: Sequence[Any]) -> None:
        for batch, start, end in values[_PIECES["Cancelled"]]:
            self._carve(batch, start, end, None, "cancelled")


_PIECES: Final = {"Retired": 2, "Cancelled": 1}
"""Which of an event's values are the pieces."""

_HANDLERS: Final[Mapping[tuple[str, str], Callable[[LotBook, Sequence[Any]], None]]] = {
    (UNITS, "Issued"): LotBook._issue,
    (UNITS, "Transferred"): LotBook._transfer,
    (UNITS, "Split"): LotBook._split,
    (UNITS, "Merged"): LotBook._merge,
    (UNITS, "Locked"): LotBook._lock,
    (UNITS, "Unlocked"): LotBook._unlock,
    (UNITS, "BufferReleased"): LotBook._release,
    (UNITS, "BufferCancelled"): LotBook._cancel_buffer,
    (RETIREMENT, "Retired"): LotBook._retire,
    (RETIREMENT, "Cancelled"): LotBook._cancel,
}

_KINDS: Final = {
    (UNITS, "Issued"): "issue",
    (UNITS, "Transferred"): "transfer",
    (UNITS, "Merged"): "merge",
    (UNITS, "Locked"): "lock",
    (UNITS, "Unlocked"): "unlock",
    (UNITS, "BufferReleased"): "release",
    (UNITS, "BufferCancelled"): "cancel",
    (RETIREMENT, "Retired"): "retire",
    (RETIREMENT, "Cancelled"): "cancel",
}

WITHOUT_LOTS: Final = frozenset({(UNITS, "Attested")})
"""Events of the two contracts that move no lot."""

OTHER_FORM: Final = (
    AttributeError, TypeError, ValueError, IndexError, OverflowError, struct.error, CarbonodeError,
)  # fmt: skip
"""What an event raises that a later version of the contract announces in another form: it
moves nothing here, and must not stop the indexer."""
