"""Pages of a list: rows after a cursor, chosen by filters, in the order of the key. Pure.

A cursor holds the key of the last row, not its number: rows that come in between move
nothing, and no page shows a row twice. It also holds what list, order and filters it is of.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, select, text, tuple_

from tools.explorer.problems import Problem
from tools.indexer.book import Listing
from tools.indexer.columns import BYTES, get_kind


def make_statement(listing: Listing, values: Mapping[str, Any]) -> Select[Any]:
    """Return the rows of a list that the filters in ``values`` choose, in order."""
    table = listing.table
    statement = select(table)
    if listing.where:
        # As text: a partial index is used only for the very condition that it has.
        statement = statement.where(text(listing.where))
    for name in listing.filter_names:
        if values.get(name) is not None:
            statement = statement.where(table.columns[name] == values[name])
    if values.get("from_height") is not None:
        statement = statement.where(table.c.height >= values["from_height"])
    if values.get("to_height") is not None:
        statement = statement.where(table.c.height <= values["to_height"])
    descending = values["order"] == "desc"
    keys = [table.columns[name] for name in listing.key]
    return statement.order_by(*(key.desc() if descending else key.asc() for key in keys))


def start_after(statement: Select[Any], listing: Listing, values: Mapping[str, Any]) -> Select[Any]:
    """Return the statement for the page after the cursor, with one row more than it has."""
    cursor = values.get("cursor")
    if cursor is not None:
        keys = [listing.table.columns[name] for name in listing.key]
        last = load_cursor(cursor, keys, compute_scope(listing, values))
        statement = statement.where(_is_after(keys, last, values["order"] == "desc"))
    return statement.limit(values["limit"] + 1)


def _is_after(
    keys: Sequence[Column[Any]], last: Sequence[Any], descending: bool
) -> ColumnElement[bool]:
    place: Any = keys[0] if len(keys) == 1 else tuple_(*keys)
    bound: Any = last[0]
    if len(keys) > 1:
        bound = tuple_(*last, types=[key.type for key in keys])
    found: ColumnElement[bool] = place < bound if descending else place > bound
    return found


def compute_scope(listing: Listing, values: Mapping[str, Any]) -> int:
    """Return a number for list, order and filters: a cursor of another one is refused."""
    names = (*listing.filter_names, "order", "from_height", "to_height")
    chosen = [listing.name, *(repr(values.get(name)) for name in names)]
    return zlib.crc32("\0".join(chosen).encode())


def dump_cursor(listing: Listing, values: Mapping[str, Any], row: Mapping[Any, Any]) -> str:
    """Return the cursor after a row."""
    last = [_to_json(row[name]) for name in listing.key]
    data = json.dumps([compute_scope(listing, values), *last], separators=(",", ":"))
    return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def load_cursor(cursor: str, keys: Sequence[Column[Any]], scope: int) -> list[Any]:
    """Return the key that a cursor holds; Problem for one that we did not make for this."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(found, list) or len(found) != len(keys) + 1 or found[0] != scope:
            raise ValueError
        return [_from_json(key, value) for key, value in zip(keys, found[1:], strict=True)]
    except (ValueError, RecursionError):
        raise Problem("bad-cursor", "give next_cursor of a page with the same filters") from None


def _to_json(value: Any) -> Any:
    return "0x" + bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _from_json(column: Column[Any], value: Any) -> Any:
    kind = get_kind(column)
    if kind is BYTES:
        if not isinstance(value, str):
            raise ValueError
        return BYTES.parse(value)
    wanted = str if kind.name == "text" else int
    if type(value) is not wanted:
        raise ValueError
    return kind.parse(str(value))
