"""Lots that contracts lock: whose they are, and that they stay locked when they are assigned."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from primitives.block import EVENT, Event
from primitives.codec import Value
from tests.unit.tools.audited_chain import AuditedChain
from tools.indexer.book import Place
from tools.indexer.core import UNREAD
from tools.indexer.database import open_engine, prepare
from tools.indexer.lots import LOTS
from tools.indexer.writing import Writer


@pytest.fixture
def engine(index_chain: AuditedChain, tmp_path: Path) -> Engine:
    made = open_engine(str(tmp_path / "lots.db"))
    with made.connect() as connection:
        prepare(connection, index_chain.genesis)
    return made


@pytest.mark.parametrize(
    ("holder", "taker", "status", "kept"),
    [
        ("baskets", "baskets", "locked", "baskets"),  # into the pool, by assign
        ("baskets", "bob", "active", ""),  # redeemed, by deliver
        ("tokens", "bob", "locked", "tokens"),  # a token moved, by assign
        ("market", "bob", "active", ""),  # a trade, by deliver
        ("finance", "bob", "active", ""),  # an auction, by deliver
    ],
)
def test_what_a_contract_moves_is_locked_or_free_as_it_said(
    engine: Engine, holder: str, taker: str, status: str, kept: str
) -> None:
    story: list[tuple[str, tuple[Value, ...]]] = [
        ("Issued", ("b", 0, 10, 0, "alice", "registry", "p", 2024)),
        ("Locked", ("b", 2, 8, "alice", "order", holder)),
        ("Transferred", ("b", 2, 8, "alice", taker)),
    ]
    if kept:  # ``units.assign`` says both; that the contract does, test_indexer_lots looks at
        story.append(("Locked", ("b", 2, 8, taker, "order", holder)))
    events = [Event(0, "units", name, values) for name, values in story]
    with engine.connect() as connection, connection.begin():
        writer = Writer(connection)
        writer.apply_events(Place(1, 1), events, [EVENT.encode(item) for item in events], None)
        writer.rows.flush()
        assert connection.execute(select(UNREAD)).all() == []
        columns = (LOTS.c.start, LOTS.c.end, LOTS.c.owner, LOTS.c.status, LOTS.c.holder)
        rows = connection.execute(select(*columns).where(text("to_height IS NULL"))).all()
    assert sorted(map(tuple, rows)) == [
        (0, 2, "alice", "active", ""), (2, 8, taker, status, kept), (8, 10, "alice", "active", ""),
    ]  # fmt: skip
