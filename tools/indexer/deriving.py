"""Everything derived, written again from the certified tables of the same database.

No node is asked: events hold their canonical bytes, calls their arguments. What comes out
is what the live writer made, row by row (a test compares).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, select

from primitives.block import EVENT, STATUS_OK, Event
from primitives.codec import unpack
from primitives.transaction import Call
from tools.indexer.book import Place
from tools.indexer.codes import apply_system_call
from tools.indexer.core import BLOCKS, CALLS, EVENTS, TRANSACTIONS
from tools.indexer.writing import Writer

CHUNK_EVENTS: Final = 20_000


def derive_again(connection: Connection, writer: Writer) -> None:
    """Let every event that the index holds change rows again, in order."""
    done: tuple[int, int] = (-1, -1)
    while True:
        heights = _find_heights(connection, done[0])
        if not heights:
            writer.rows.flush()
            return
        for place, events, encoded in _read(connection, heights[0], heights[1]):
            for call in place.calls:
                if place.height > 0:
                    apply_system_call(writer.rows, place, call)
            writer.apply_events(place, events, encoded, None)
        writer.rows.flush()
        done = (heights[1], 0)


def _find_heights(connection: Connection, after: int) -> tuple[int, int] | None:
    """Return the first and last height of the next chunk."""
    rows = connection.execute(
        select(BLOCKS.c.height, BLOCKS.c.event_count, BLOCKS.c.tx_count)
        .where(BLOCKS.c.height > after)
        .order_by(BLOCKS.c.height)
        .limit(1_000)
    ).all()
    if not rows:
        return None
    total, last = 0, rows[0].height
    for row in rows:
        total += row.event_count + row.tx_count
        if total > CHUNK_EVENTS and row is not rows[0]:
            break
        last = row.height
    return rows[0].height, last


def _read(
    connection: Connection, first: int, last: int
) -> Iterator[tuple[Place, list[Event], list[bytes]]]:
    """Yield each successful transaction with its calls and events, in order."""
    calls = _read_calls(connection, first, last)
    events = _read_events(connection, first, last)
    times = {
        row.height: row.time
        for row in connection.execute(
            select(BLOCKS.c.height, BLOCKS.c.time).where(BLOCKS.c.height.between(first, last))
        )
    }
    senders = {
        (row.height, row.tx_index): (bytes(row.id), bytes(row.sender))
        for row in connection.execute(
            select(
                TRANSACTIONS.c.height, TRANSACTIONS.c.tx_index, TRANSACTIONS.c.id,
                TRANSACTIONS.c.sender,
            ).where(TRANSACTIONS.c.height.between(first, last))
        )
    }  # fmt: skip
    for key in sorted(calls.keys() | events.keys()):
        height, index = key
        own = events.get(key, [])
        id_, sender = senders.get(key, (None, b""))
        place = Place(
            height, times[height], own[0][0] if own else 0, index, id_, sender, calls.get(key, ())
        )
        yield place, [EVENT.decode(data) for _, data in own], [data for _, data in own]


def _read_calls(connection: Connection, first: int, last: int) -> dict[tuple[int, int], list[Call]]:
    rows = connection.execute(
        select(CALLS)
        .where(CALLS.c.height.between(first, last), CALLS.c.status == STATUS_OK)
        .order_by(CALLS.c.height, CALLS.c.tx_index, CALLS.c.call_index)
    )
    return {
        key: [Call(row.contract, row.method, tuple(unpack(bytes(row.arguments)))) for row in group]
        for key, group in groupby(rows, lambda row: (row.height, row.tx_index))
    }


def _read_events(
    connection: Connection, first: int, last: int
) -> dict[tuple[int, int], list[tuple[int, bytes]]]:
    rows: Any = connection.execute(
        select(EVENTS.c.height, EVENTS.c.tx_index, EVENTS.c.event_index, EVENTS.c.encoded)
        .where(EVENTS.c.height.between(first, last))
        .order_by(EVENTS.c.height, EVENTS.c.event_index)
    )
    return {
        key: [(row.event_index, bytes(row.encoded)) for row in group]
        for key, group in groupby(rows, lambda row: (row.height, row.tx_index))
    }
