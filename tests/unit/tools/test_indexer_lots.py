"""The index against the contracts' own state and views, after every kind of move."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Engine, select, text

from node.indexseed import LOT_PREFIX
from primitives.block import EVENT
from primitives.codec import unpack
from storage.unitrows import _HANDLERS
from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.index_node import ONE_TRY, make_index_node
from tools.client.client import Client
from tools.indexer.database import reading
from tools.indexer.lots import LOTS
from tools.indexer.reconciling import Reconciliation, reconcile
from tools.indexer.tables.retirement import CERTIFICATES
from tools.indexer.tables.units import BATCHES

LotRow = tuple[str, int, int, str, str]


def read_state_lots(chain: AuditedChain) -> list[LotRow]:
    found: list[LotRow] = []
    with chain.chain.view() as view:
        for key, value in view.scan(LOT_PREFIX, None, 100_000):
            row: Any = unpack(value)
            batch, _, serial = key[len(LOT_PREFIX) :].partition(b"\0")
            end = int.from_bytes(serial, "big") - (1 << 255)
            found.append((batch.decode(), row[0], end, row[1], row[2]))
    return sorted(found)


def read_lots(engine: Engine, condition: str) -> list[LotRow]:
    columns = (LOTS.c.batch, LOTS.c.start, LOTS.c.end, LOTS.c.owner, LOTS.c.status)
    with reading(engine) as connection:
        rows = connection.execute(select(*columns).where(text(condition))).all()
    return sorted((row[0], row[1], row[2], row[3], row[4]) for row in rows)


def test_the_moves_of_this_chain_are_of_every_kind(index_chain: AuditedChain) -> None:
    """Or the comparisons below would prove less than they say."""
    names = {
        (event.contract, event.name)
        for height in range(1, index_chain.height + 1)
        for event in map(EVENT.decode, index_chain.chain.get_events(height))
    }
    assert names >= set(_HANDLERS)


def test_lots_are_those_of_the_state(index_chain: AuditedChain, index: Engine) -> None:
    assert read_lots(index, "to_height IS NULL") == read_state_lots(index_chain)


def test_the_lots_of_any_height_cover_each_batch_without_overlap(
    index_chain: AuditedChain, index: Engine
) -> None:
    for height in range(1, index_chain.height + 1):
        spans = f"from_height <= {height} AND (to_height IS NULL OR to_height > {height})"
        lots = read_lots(index, spans)
        for batch in {lot[0] for lot in lots}:
            place = 0
            for _, start, end, _, _ in sorted(lot for lot in lots if lot[0] == batch):
                assert start == place < end
                place = end
            assert place == 100


def test_no_event_of_the_chain_was_left_unread(index: Engine) -> None:
    with reading(index) as connection:
        assert connection.execute(text("SELECT * FROM unread_events")).all() == []


def test_totals_are_the_views_of_the_chain(index_chain: AuditedChain, index: Engine) -> None:
    async def run() -> Reconciliation:
        async with make_index_node(index_chain) as node, Client(node.url, policy=ONE_TRY) as client:
            return await reconcile(index, client)

    found = asyncio.run(run())
    assert found.differences == []
    assert (found.batches, found.currencies, found.accounts) == (3, 1, 3)


def test_reconciling_notices_each_total_that_is_not_the_chains(
    index_chain: AuditedChain, index: Engine
) -> None:
    async def run() -> list[str]:
        async with make_index_node(index_chain) as node, Client(node.url, policy=ONE_TRY) as client:
            return (await reconcile(index, client)).differences

    places = [
        ("batches", "issued_kg", "batch = 'b1'", ["total issued", "b1 issued", "lots of b1"]),
        ("batches", "retired_kg", "batch = 'b2'", ["total retired", "b2 retired", "lots of b2"]),
        ("certificates", "quantity_kg", "certificate = 1", ["retirement.total"]),
        ("lots", "kg", "to_height IS NULL AND batch = 'b1' AND start = 0", ["lots of b1"]),
    ]
    for table, column, where, expected in places:
        with index.connect() as connection:
            for change in (1, -1):
                with connection.begin():
                    done = connection.exec_driver_sql(
                        f'UPDATE {table} SET "{column}" = "{column}" + {change} WHERE {where}'
                    )
                    assert done.rowcount == 1
                if change == 1:
                    found = asyncio.run(run())
        assert all(any(part in line for line in found) for part in expected), found
    assert asyncio.run(run()) == []


def test_batches_and_certificates_say_what_their_calls_said(
    index_chain: AuditedChain, index: Engine
) -> None:
    with reading(index) as connection:
        batch = connection.execute(select(BATCHES).where(BATCHES.c.batch == "b1")).one()
        ended = connection.execute(select(CERTIFICATES)).all()
    assert (batch.project, batch.vintage, batch.issuer) == ("p", 2024, "registry")
    assert (batch.verifier, batch.origin, batch.source) == ("verifier", "", "r-b1")
    assert batch.evidence_hash == bytes(32), "as the verifier signed it"
    assert {row.kind for row in ended} == {"retirement", "cancellation"}
    assert {row.purpose for row in ended} == {"test"}
