"""What the indexes answer, from any reader of their rows: pages with cursors.

The reader is a moment of the store, so a page is of one height; with the last blocks laid
over it (``storage.layer``) that height is the tip. A cursor is the place after which the
next page begins; it stays good when blocks come and when others go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from primitives.errors import CodecError
from primitives.hashing import Address, TransactionId
from storage.engine import Reader, Row
from storage.errors import CursorError, make_corrupted_error
from storage.indexrows import OUTCOME
from storage.schema import decode_location, encode_location, make_name_part
from storage.unitrows import LOT, SERIAL_BYTES, STEP, Step, make_lot_key, make_step_prefix

PAGE_ITEMS_MAX = 1_000
"""Rows of one page; the RPC's own limit may be lower."""
ACCOUNTS_MAX = 1_000
"""Keys of one organisation whose transactions are searched together."""
SAME_START_MAX = 1_000
"""Moves of lots with one start in one block: more than a block has room for."""

_PLACE_BYTES = 12
_LOT_CURSOR_BYTES_MAX = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TransactionEntry:
    """A transaction's place in the chain and its outcome (STATUS_* and code)."""

    height: int
    index: int
    id: TransactionId
    status: str
    code: str


@dataclass(frozen=True, slots=True)
class EventEntry:
    """An event's place; ``index`` is its number in the block's events, ``event`` its bytes."""

    height: int
    index: int
    event: bytes


@dataclass(frozen=True, slots=True)
class LotEntry:
    """Serials [start, end) of a batch, in kilograms."""

    batch: str
    start: int
    end: int
    owner: str
    status: str


@dataclass(frozen=True, slots=True)
class StepEntry:
    """A move of a lot: the event's number in its block, and the transaction's."""

    event_index: int
    step: Step


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the cursor after them; None when there are no more now."""

    items: tuple[T, ...]
    next_cursor: bytes | None


class IndexQueries:
    """The look-ups. Raises DatabaseCorruptedError for rows that do not decode."""

    def __init__(self, reader: Reader, folder: str) -> None:
        self._reader = reader
        self._folder = folder

    def find_by_sender(
        self, sender: Address, cursor: bytes | None, limit: int, *, newest_first: bool = True
    ) -> Page[TransactionEntry]:
        """Return transactions of an account. Raises CursorError for a foreign cursor."""
        return self._find_transactions([b"a" + sender], cursor, limit, newest_first)

    def find_by_contract(
        self, contract: str, cursor: bytes | None, limit: int, *, newest_first: bool = True
    ) -> Page[TransactionEntry]:
        """Return transactions with at least one call to a contract, whatever its outcome."""
        prefix = b"c" + make_name_part(contract)
        return self._find_transactions([prefix], cursor, limit, newest_first)

    def find_by_organisation(
        self, organisation: str, cursor: bytes | None, limit: int, *, newest_first: bool = True
    ) -> Page[TransactionEntry]:
        """Return the transactions of all keys that speak or spoke for an organisation."""
        prefix = b"o" + make_name_part(organisation)
        rows = self._reader.scan(prefix, None, ACCOUNTS_MAX)
        senders = [b"a" + key[len(prefix) :] for key, _ in rows]
        return self._find_transactions(senders, cursor, limit, newest_first)

    def find_by_event(
        self,
        contract: str,
        name: str,
        cursor: bytes | None,
        limit: int,
        *,
        newest_first: bool = True,
    ) -> Page[TransactionEntry]:
        """Return the transactions that made an event, each once."""
        prefix = b"n" + make_name_part(contract) + make_name_part(name)
        count = _count_page(limit)
        after = None if cursor is None else prefix + _check_place(cursor)
        places: list[bytes] = []
        while rows := self._reader.scan(prefix, after, count + 1, newest_first):
            for key, number in rows:
                place = key[-_PLACE_BYTES:-4] + number
                if not places or places[-1] != place:
                    if len(places) == count:
                        assert after is not None  # a page has at least one item
                        return self._make_transaction_page(places, after[-_PLACE_BYTES:])
                    places.append(place)
                after = key
        return self._make_transaction_page(places, None)

    def find_events(
        self,
        contract: str,
        name: str | None,
        cursor: bytes | None,
        limit: int,
        *,
        newest_first: bool = False,
    ) -> Page[EventEntry]:
        """Return events of a contract, of one ``name`` or of all."""
        owner = b"e" + make_name_part(contract)
        if name is None:
            rows, following = self._scan_page(owner, cursor, limit, newest_first)
        else:
            prefix = b"n" + make_name_part(contract) + make_name_part(name)
            names, following = self._scan_page(prefix, cursor, limit, newest_first)
            rows = [(key, self._get_row(owner + key[-_PLACE_BYTES:])) for key, _ in names]
        items = tuple(
            EventEntry(*decode_location(key[-_PLACE_BYTES:]), event) for key, event in rows
        )
        return Page(items, following)

    def find_lots(
        self, owner: str, batch: str | None, cursor: bytes | None, limit: int
    ) -> Page[LotEntry]:
        """Return an owner's lots by batch and serials, ended ones too."""
        prefix = b"w" + make_name_part(owner)
        within = prefix if batch is None else prefix + make_name_part(batch)
        if cursor is not None and not SERIAL_BYTES < len(cursor) <= _LOT_CURSOR_BYTES_MAX:
            raise CursorError("not a cursor of ours", cursor=cursor.hex()[:80])
        count = _count_page(limit)
        after = None if cursor is None else prefix + cursor
        rows = self._reader.scan(within, after, count + 1)
        items = tuple(self._read_lot(key[len(prefix) :]) for key, _ in rows[:count])
        last = rows[count - 1][0][len(prefix) :] if len(rows) > count else None
        return Page(items, last)

    def find_steps(self, batch: str, start: int, height: int) -> list[StepEntry]:
        """Return the moves at ``height`` of lots that begin at ``start``, in order."""
        rows = self._reader.scan(make_step_prefix(batch, start, height), None, SAME_START_MAX)
        return [
            StepEntry(int.from_bytes(key[-4:], "big"), self._decode(STEP.decode, value))
            for key, value in rows
        ]

    def get_transaction(self, height: int, index: int) -> TransactionEntry | None:
        """Return what is known of the transaction at a place; None when it is not indexed."""
        value = self._reader.get(b"x" + encode_location(height, index))
        if value is None:
            return None
        outcome = self._decode(OUTCOME.decode, value)
        return TransactionEntry(height, index, outcome.id, outcome.status, outcome.code)

    # -- helpers

    def _find_transactions(
        self, prefixes: Sequence[bytes], cursor: bytes | None, limit: int, newest_first: bool
    ) -> Page[TransactionEntry]:
        """Merge the places under several prefixes."""
        count = _count_page(limit)
        after = None if cursor is None else _check_place(cursor)
        places: list[bytes] = []
        for prefix in prefixes:
            start = None if after is None else prefix + after
            # One row more says whether another page follows.
            rows = self._reader.scan(prefix, start, count + 1, newest_first)
            places += (key[-_PLACE_BYTES:] for key, _ in rows)
        places.sort(reverse=newest_first)
        last = places[count - 1] if len(places) > count else None
        return self._make_transaction_page(places[:count], last)

    def _make_transaction_page(
        self, places: Sequence[bytes], following: bytes | None
    ) -> Page[TransactionEntry]:
        items: list[TransactionEntry] = []
        for place in places:
            entry = self.get_transaction(*decode_location(place))
            if entry is None:
                raise make_corrupted_error(self._folder, f"no row for {place.hex()}")
            items.append(entry)
        return Page(tuple(items), following)

    def _read_lot(self, name: bytes) -> LotEntry:
        """Return the lot of (batch part, end)."""
        batch = name[2:-SERIAL_BYTES].decode("utf-8")
        end = int.from_bytes(name[-SERIAL_BYTES:], "big")
        lot = self._decode(LOT.decode, self._get_row(make_lot_key(batch, end)))
        return LotEntry(batch, lot.start, end, lot.owner, lot.status)

    def _scan_page(
        self, prefix: bytes, cursor: bytes | None, limit: int, newest_first: bool
    ) -> tuple[list[Row], bytes | None]:
        """Return a page's rows and the cursor after it (the place of its last row)."""
        count = _count_page(limit)
        after = None if cursor is None else prefix + _check_place(cursor)
        rows = self._reader.scan(prefix, after, count + 1, newest_first)
        if len(rows) <= count:
            return rows, None
        return rows[:count], rows[count - 1][0][-_PLACE_BYTES:]

    def _get_row(self, key: bytes) -> bytes:
        value = self._reader.get(key)
        if value is None:
            raise make_corrupted_error(self._folder, f"no row for {key.hex()}")
        return value

    def _decode(self, decode: Callable[[bytes], T], data: bytes) -> T:
        try:
            return decode(data)
        except CodecError as error:
            raise make_corrupted_error(self._folder, f"a row does not decode: {error}") from None


def _count_page(limit: int) -> int:
    return max(1, min(limit, PAGE_ITEMS_MAX))


def _check_place(cursor: bytes) -> bytes:
    if len(cursor) != _PLACE_BYTES:
        raise CursorError("not a cursor of ours", cursor=cursor.hex()[:80])
    return cursor
