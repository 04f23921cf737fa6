"""Rows as handlers see them: read through, written behind, all or none for one event.

One instance lives as long as its database connection's transaction succeeds; after any
failure it is dropped with the transaction, since what it remembers may never have been
written. Writes reach the database in one go for many blocks: an event costs no statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Table, and_, bindparam, select

Row = dict[str, Any]
Key = tuple[Any, ...]

KEPT_MAX: Final = 200_000
"""Rows remembered between transactions: some 200 MB at most, then all are forgotten."""
LIMIT: Final = 1 << 63


class Rows:
    """The rows of every table, within one transaction after another."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._kept: dict[Table, dict[Key, Row]] = {}
        self._new: dict[Table, dict[Key, Row]] = {}
        self._changed: dict[Table, dict[Key, Row]] = {}
        self._undo: list[Callable[[], object]] = []
        self.companions: dict[str, Any] = {}
        """What a book remembers beside rows, by its name; forgotten with them."""

    def add(self, table: Table, /, **values: Any) -> None:
        """Add a row; columns that are not given are null. Raises KeyError where it exists."""
        key = tuple(values[item.name] for item in table.primary_key.columns)
        if self._get(table, key) is not None:
            raise KeyError(f"{table.name} has {key} already")
        row = {item.name: values.get(item.name) for item in table.columns}
        self._append(table, key, row)

    def append(self, table: Table, /, **values: Any) -> None:
        """Add a row that cannot exist: its key holds the place of the event. No look-up."""
        key = tuple(values[item.name] for item in table.primary_key.columns)
        row = {item.name: values.get(item.name) for item in table.columns}
        self._append(table, key, row)

    def find(self, table: Table, *key: Any) -> Row | None:
        """Return a row to read; change it by ``change`` alone."""
        return self._get(table, key)

    def get(self, table: Table, *key: Any) -> Row:
        """As ``find``; raises KeyError where there is none."""
        row = self._get(table, key)
        if row is None:
            raise KeyError(f"{table.name} has no {key}")
        return row

    def change(self, table: Table, /, *key: Any, **values: Any) -> None:
        """Change columns of a row. Raises KeyError where there is none."""
        _check(table, values)
        row = self.get(table, *key)
        before = {name: row[name] for name in values}
        row.update(values)
        self._undo.append(lambda: row.update(before))
        changed = self._changed.setdefault(table, {})
        if key not in self._new.get(table, {}) and key not in changed:
            changed[key] = row
            self._undo.append(lambda: changed.pop(key, None))

    def increase(self, table: Table, /, *key: Any, **by: int) -> None:
        """Add to columns of a row (less, where below 0). Raises KeyError where there is none."""
        row = self.get(table, *key)
        self.change(table, *key, **{name: row[name] + more for name, more in by.items()})

    def put(self, table: Table, /, **values: Any) -> None:
        """Add the row, or change it where there is one."""
        key = tuple(values[item.name] for item in table.primary_key.columns)
        if self._get(table, key) is None:
            self.add(table, **values)
        else:
            self.change(table, *key, **values)

    def on_undo(self, step: Callable[[], object]) -> None:
        """Remember how to take back what a companion did in this event."""
        self._undo.append(step)

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Take back every change of the block below when it raises."""
        self._undo.clear()
        try:
            yield
        except BaseException:
            for step in reversed(self._undo):
                step()
            raise
        finally:
            self._undo.clear()

    def adopt(self, table: Table, row: Row) -> Row:
        """Remember a row that was read by other means; returns the one that is remembered."""
        key = tuple(row[item.name] for item in table.primary_key.columns)
        return self._kept.setdefault(table, {}).setdefault(key, row)

    def flush(self) -> None:
        """Write everything that is new or changed; the caller commits."""
        for table, new in self._new.items():
            if new:
                self.connection.execute(table.insert(), list(new.values()))
        for table, changed in self._changed.items():
            if changed:
                _update(self.connection, table, list(changed.values()))
        self._new.clear()
        self._changed.clear()
        if sum(map(len, self._kept.values())) > KEPT_MAX:
            self._kept.clear()
            self.companions.clear()

    def _append(self, table: Table, key: Key, row: Row) -> None:
        _check(table, row)
        kept, new = self._kept.setdefault(table, {}), self._new.setdefault(table, {})
        kept[key] = new[key] = row
        self._undo.append(lambda: (kept.pop(key, None), new.pop(key, None)))

    def _get(self, table: Table, key: Sequence[Any]) -> Row | None:
        kept = self._kept.setdefault(table, {})
        found = kept.get(tuple(key))
        if found is None:
            columns = table.primary_key.columns
            matches = and_(*(column == part for column, part in zip(columns, key, strict=True)))
            row = self.connection.execute(select(table).where(matches)).mappings().first()
            if row is None:
                return None
            found = kept[tuple(key)] = dict(row)
        return found


def _check(table: Table, values: Row) -> None:
    """A contract's integers have 256 bits: one that no column holds must not stop the index."""
    for name, value in values.items():
        is_big = type(value) is int and not -LIMIT <= value < LIMIT
        if is_big and isinstance(table.columns[name].type, BigInteger):
            raise ValueError(f"{table.name}.{name} does not hold {value}")


def _update(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    primary = [item.name for item in table.primary_key.columns]
    matches = and_(*(table.columns[name] == bindparam("key_" + name) for name in primary))
    others = [item.name for item in table.columns if item.name not in primary]
    statement = table.update().where(matches).values({name: bindparam(name) for name in others})
    connection.execute(
        statement,
        [
            {**{"key_" + name: row[name] for name in primary}, **{n: row[n] for n in others}}
            for row in rows
        ],
    )
