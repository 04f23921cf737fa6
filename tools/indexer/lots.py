"""Lots as a history of intervals: who held serials [start, end), in which state, from when to
when. The arithmetic is the contract's own (``carve``, ``split``, ``merge`` of units).

Every change ends rows and begins others at one event, so the lots at any height are the
rows that span it, and the past of a serial is followed from the row that an event began
to those that it ended. Source: vm/contracts/units.py; storage/unitrows.py does the same
for the present alone.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import Any, Final

from sqlalchemy import Index, Table, select, text

from tools.indexer.book import METADATA, Place
from tools.indexer.columns import integer, kilograms, moment
from tools.indexer.columns import text as text_column
from tools.indexer.rows import Row, Rows

BUFFER: Final = "buffer"
ACTIVE: Final = "active"

LOTS: Final = Table(
    "lots", METADATA,
    text_column("batch", "batch", key=True),
    integer("from_height", "since this height", key=True),
    integer("from_event", "the event of that block that began it", key=True),
    kilograms("start", "first serial", key=True),
    kilograms("end", "end of the serials, exclusive"),
    kilograms("kg", "kilograms: end less start"),
    text_column("owner", "organisation that holds it, or buffer"),
    text_column("status", "active, locked, buffer, retired or cancelled"),
    text_column("kind", "what began it: issue, transfer, split, merge, lock, unlock, release, "
                        "retire, cancel, or rest (what a move of a part left behind)"),
    text_column("holder", "of a locked lot: who alone unlocks it, an organisation or a contract"),
    moment("since", "time of that block"),
    integer("to_height", "until this height; null: still so", null=True),
    integer("to_event", "the event of that block that ended it", null=True),
)  # fmt: skip
CURRENT: Final = "to_height IS NULL"
Index("ix_lots_ended", LOTS.c.batch, LOTS.c.to_height, LOTS.c.to_event)
Index("ix_lots_owner_history", LOTS.c.owner, LOTS.c.from_height, LOTS.c.from_event)


class LotBook:
    """The lots that are now. What it read covers whole lots: below them only it knows."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._ends: dict[str, list[int]] = {}
        self._lots: dict[tuple[str, int], Row] = {}

    @classmethod
    def of(cls, rows: Rows) -> LotBook:
        """Return the book that goes with ``rows``."""
        known: LotBook | None = rows.companions.get("lots")
        if known is None:
            known = rows.companions["lots"] = cls(rows)
        return known

    def issue(self, at: Place, batch: str, start: int, end: int, owner: str, status: str) -> None:
        """Begin serials that were not there."""
        self._open(at, batch, start, end, owner, status, "issue")

    def carve(
        self, at: Place, batch: str, start: int, end: int, owner: str | None, status: str,
        kind: str, holder: str = "",
    ) -> Row:  # fmt: skip
        """Give [start, end) a new owner (None: the same) or state; returns what it was.

        Raises LookupError where no one lot holds the range.
        """
        lot = self.find(batch, start)
        if end <= start or lot["end"] < end:
            raise LookupError(f"no lot of {batch} holds {start} to {end}")
        self._close(at, batch, lot)
        if lot["start"] < start:
            self._open(at, batch, lot["start"], start, lot["owner"], lot["status"], "rest",
                       lot["holder"])  # fmt: skip
        taker = lot["owner"] if owner is None else owner
        self._open(at, batch, start, end, taker, status, kind, holder)
        if end < lot["end"]:
            self._open(at, batch, end, lot["end"], lot["owner"], lot["status"], "rest",
                       lot["holder"])  # fmt: skip
        return lot

    def split(self, at: Place, batch: str, place: int) -> None:
        """Make two lots of the one that holds ``place``."""
        lot = self.find(batch, place)
        self._close(at, batch, lot)
        for start, end in ((lot["start"], place), (place, lot["end"])):
            if start < end:
                self._open(at, batch, start, end, lot["owner"], lot["status"], "split",
                           lot["holder"])  # fmt: skip

    def merge(self, at: Place, batch: str, start: int, end: int, owner: str) -> None:
        """Make one lot of two neighbours."""
        left = self.find(batch, start)
        right = self.find(batch, left["end"])
        if (left["start"], right["end"]) != (start, end):
            raise LookupError(f"no two lots of {batch} make {start} to {end}")
        self._close(at, batch, left)
        self._close(at, batch, right)
        self._open(at, batch, start, end, owner, ACTIVE, "merge")

    def find(self, batch: str, serial: int) -> Row:
        """Return the lot that holds a serial; raises LookupError."""
        ends = self._ends.setdefault(batch, [])
        place = bisect_right(ends, serial)
        if place < len(ends):
            lot = self._lots[batch, ends[place]]
            if lot["start"] <= serial:
                return lot
        return self._load(batch, serial)

    def _load(self, batch: str, serial: int) -> Row:
        """Read a lot that no change of this transaction touched: all those are in memory."""
        # Written out for the partial index: a bound NULL would not choose it.
        statement = (
            select(LOTS)
            .where(LOTS.c.batch == batch, LOTS.c.end > serial, text(CURRENT))
            .order_by(LOTS.c.end)
            .limit(1)
        )
        found = self._rows.connection.execute(statement).mappings().first()
        if found is None or found["start"] > serial:
            raise LookupError(f"no lot of {batch} holds {serial}")
        lot = self._rows.adopt(LOTS, dict(found))
        if lot["to_height"] is not None:
            raise LookupError(f"the lot of {batch} that held {serial} has ended")
        self._lots[batch, lot["end"]] = lot
        insort(self._ends[batch], lot["end"])
        return lot

    def _close(self, at: Place, batch: str, lot: Row) -> None:
        self._rows.change(LOTS, *_key(lot), to_height=at.height, to_event=at.event)
        self._forget(batch, lot["end"])
        self._rows.on_undo(lambda: self._remember(batch, lot))

    def _open(
        self, at: Place, batch: str, start: int, end: int, owner: str, status: str, kind: str,
        holder: str = "",
    ) -> None:  # fmt: skip
        if end <= start:
            raise ValueError("an empty lot")
        values: dict[str, Any] = {
            "batch": batch, "from_height": at.height, "from_event": at.event, "start": start,
            "end": end, "kg": end - start, "owner": owner, "status": status, "kind": kind,
            "holder": holder, "since": at.time_s,
        }  # fmt: skip
        self._rows.append(LOTS, **values)
        lot = self._rows.get(LOTS, batch, at.height, at.event, start)
        self._remember(batch, lot)
        self._rows.on_undo(lambda: self._forget(batch, end))

    def _remember(self, batch: str, lot: Row) -> None:
        self._lots[batch, lot["end"]] = lot
        insort(self._ends.setdefault(batch, []), lot["end"])

    def _forget(self, batch: str, end: int) -> None:
        del self._lots[batch, end]
        ends = self._ends[batch]
        del ends[bisect_right(ends, end) - 1]


def _key(lot: Row) -> tuple[Any, ...]:
    return (lot["batch"], lot["from_height"], lot["from_event"], lot["start"])
