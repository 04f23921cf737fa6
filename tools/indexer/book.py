"""What one contract means to the index: a ``Book`` of tables, handlers and lists. Pure.

A handler is a function of (rows, place, the event's fields): it changes rows and nothing
else. Its parameters name the event's fields in order and their types, which are compared
with each event before it runs: a later version of a contract that announces another form
changes nothing here and is kept as an unread event, so that nobody mistakes a gap for a
quiet chain. A test compares the names with the contracts' own ABI.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, Index, MetaData, Table, text

from primitives.codec import Value
from primitives.transaction import Call
from tools.indexer.columns import without_nul
from tools.indexer.rows import Rows

Handler = Callable[..., None]
METADATA: Final = MetaData()
"""Every table of the index."""

_TYPES: Final[dict[str, type]] = {"int": int, "str": str, "bytes": bytes, "bool": bool}


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the chain holds what a row says: a variable of a contract at these columns, or the
    transaction of the event at ``height`` and ``event`` columns (``variable`` empty)."""

    contract: str = ""
    variable: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the interface: which rows, in which order, by what they may be filtered.

    ``key`` names the columns of its order, unique together and never changed: a cursor is
    their values. Each filter gets an index of its columns and the key: a page is one range
    of one index. ``where`` is an SQL condition that all of the rows meet.
    """

    name: str
    table: Table
    about: str
    key: tuple[str, ...]
    filters: tuple[tuple[str, ...], ...] = ()
    where: str = ""
    proof: Proof | None = None
    hidden: tuple[str, ...] = ()
    newest_first: bool = False
    item: bool = True
    """Whether one row can be asked for by its key."""

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """What is shown."""
        shown = (item for item in self.table.columns if "kind" in item.info)
        return tuple(item for item in shown if item.name not in self.hidden)

    @property
    def filter_names(self) -> tuple[str, ...]:
        """Names by which rows may be chosen, each once."""
        return tuple(dict.fromkeys(name for group in self.filters for name in group))

    def make_indexes(self) -> None:
        """Attach the indexes that the pages need to the table."""
        primary = tuple(item.name for item in self.table.primary_key.columns)
        groups = [group for group in ((), *self.filters) if (*group, *self.key) != primary]
        for group in groups:
            names = tuple(dict.fromkeys((*group, *self.key)))
            condition = text(self.where) if self.where else None
            Index(
                "_".join(("ix", self.name.replace("-", "_"), *(group or ("order",))))[:56],
                *(self.table.columns[name] for name in names),
                sqlite_where=condition,
                postgresql_where=condition,
            )


@dataclass(slots=True)
class Place:
    """Where in the chain an event stands, and the calls that may have made it."""

    height: int
    time_s: int
    event: int = 0
    """The event's number in its block."""
    transaction: int = 0
    transaction_id: bytes | None = None
    """None at height 0, where genesis calls run."""
    sender: bytes = b""
    calls: Sequence[Call] = ()
    _taken: set[int] = field(default_factory=set)

    def take_call(
        self, contract: str, methods: Sequence[str], **arguments: Value
    ) -> list[Value] | None:
        """Return the arguments of the first call of the transaction that fits, each call once.

        ``arguments`` are positions and values, as ``a0="forest"``. None where a contract made
        the call, or the transaction has none: then the index does not know what it held.
        """
        wanted = [(int(name[1:]), value) for name, value in arguments.items()]
        for index, call in enumerate(self.calls):
            if index in self._taken or call.contract != contract or call.method not in methods:
                continue
            given = without_nul(call.arguments)
            if all(place < len(given) and given[place] == value for place, value in wanted):
                self._taken.add(index)
                return [call.method, *given]
        return None


@dataclass(frozen=True, slots=True)
class Known:
    """A handler, and the form of the events that it can read."""

    handler: Handler
    fields: tuple[str, ...]
    types: tuple[type, ...]

    def fits(self, values: Sequence[Value]) -> bool:
        """Whether the values are of that form."""
        return tuple(map(type, values)) == self.types


@dataclass(frozen=True, slots=True)
class Book:
    """One contract's part of the index. ``version`` grows with every change of meaning: the
    tables are then emptied and written again from the events that the index holds."""

    contract: str
    version: int
    tables: tuple[Table, ...]
    listings: tuple[Listing, ...] = ()
    silent: frozenset[str] = frozenset()
    """Events that change no row here; they are in the list of events like all others."""
    handlers: dict[tuple[str, str], Known] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for listing in self.listings:
            listing.make_indexes()

    def on(self, event: str, contract: str = "") -> Callable[[Handler], Handler]:
        """Make the function below the handler of an event (of another contract, if named)."""

        def register(handler: Handler) -> Handler:
            parameters = list(inspect.signature(handler).parameters.values())[2:]
            types = tuple(_read_type(item.annotation) for item in parameters)
            names = tuple(item.name for item in parameters)
            self.handlers[contract or self.contract, event] = Known(handler, names, types)
            return handler

        return register

    def apply(self, rows: Rows, place: Place, contract: str, name: str, values: Any) -> str:
        """Let one event change rows. Returns why it could not be read, or an empty text."""
        known = self.handlers.get((contract, name))
        if known is None:
            is_own = contract == self.contract
            return "unknown-event" if is_own and name not in self.silent else ""
        if not known.fits(values):
            return "other-form"
        values = without_nul(values)
        try:
            with rows.all_or_none():
                known.handler(rows, place, *values)
        except UNREADABLE as error:
            return f"{type(error).__name__}: {error}"[:200]
        return ""


UNREADABLE: Final = (LookupError, ValueError, TypeError, AttributeError)
"""What a handler raises for an event that does not fit the rows that are there."""


def _read_type(annotation: Any) -> type:
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return list if name.startswith("list") else _TYPES[name]
