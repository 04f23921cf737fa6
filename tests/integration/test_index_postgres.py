"""The index on a real PostgreSQL server: equal to SQLite's row by row, and so are its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError

from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.conftest import index, index_chain
from tests.unit.tools.index_node import ONE_TRY, follow, make_index_node
from tests.unit.tools.postgres import run_postgres
from tests.unit.tools.test_explorer_api import ROOT, run_api
from tools.client.client import Client
from tools.explorer.service import is_interrupted
from tools.indexer.comparing import compare
from tools.indexer.database import (
    get_meta,
    open_engine,
    open_index,
    put_meta,
    reading,
    rewrite_derived,
    take_lock,
)
from tools.indexer.errors import IndexFault
from tools.indexer.reconciling import reconcile
from tools.indexer.registry import DERIVED, DERIVED_VERSION, LISTINGS

pytestmark = pytest.mark.integration
__all__ = ["index", "index_chain"]


@pytest.fixture(scope="module")
def postgres(index_chain: AuditedChain) -> Iterator[Engine]:
    with run_postgres() as url:
        engine = open_engine(url)
        for until in (7, 8, index_chain.height):
            follow(index_chain, engine, until)
        yield engine
        engine.dispose()


def test_both_engines_hold_the_same_rows(postgres: Engine, index: Engine) -> None:
    found = compare(index, postgres)
    assert found.differences == [] and found.rows["lots"] > 50


def test_totals_are_the_views_of_the_chain(postgres: Engine, index_chain: AuditedChain) -> None:
    async def run() -> list[str]:
        async with make_index_node(index_chain) as node, Client(node.url, policy=ONE_TRY) as client:
            return (await reconcile(postgres, client)).differences

    assert asyncio.run(run()) == []


def test_both_engines_answer_the_same(
    postgres: Engine, index: Engine, index_chain: AuditedChain
) -> None:
    async def ask(engine: Engine) -> list[Any]:
        async with run_api(index_chain, engine) as api:
            found: list[Any] = [
                await api.pages(name, limit=limit, order=order)
                for name in LISTINGS
                for limit, order in ((40, "asc"), (500, "desc"))
            ]
            found.append((await api.get(f"{ROOT}/events.csv"))[1])
            found.append((await api.get(f"{ROOT}/lots", owner="enterprise-a", limit=3))[1])
            for path in ("totals", "batches/b1/serials/37", "organisations/bank/holdings"):
                found.append((await api.get(f"{ROOT}/{path}"))[1])
            return found

    async def both() -> tuple[list[Any], list[Any]]:
        return await ask(postgres), await ask(index)

    ours, others = asyncio.run(both())
    assert ours == others


def test_what_is_derived_comes_out_the_same(postgres: Engine, index: Engine) -> None:
    with postgres.connect() as connection, connection.begin():
        for table in DERIVED:
            connection.execute(table.delete())
        rewrite_derived(connection)
    assert compare(index, postgres).differences == []


def test_there_is_one_writer(postgres: Engine) -> None:
    with postgres.connect() as one, postgres.connect() as other:
        take_lock(one)
        with pytest.raises(IndexFault) as error:
            take_lock(other)
        assert error.value.code == "index-locked"
    # The lock ends with the connection, not with its place in the pool.
    postgres.dispose()


def test_an_index_that_is_written_is_not_migrated(
    postgres: Engine, index_chain: AuditedChain
) -> None:
    with postgres.connect() as connection, connection.begin():
        put_meta(connection, "derived", "0")
    with postgres.connect() as writer:
        writer.detach()
        take_lock(writer)
        with pytest.raises(IndexFault) as error:
            open_index(postgres, index_chain.genesis)
        assert error.value.code == "index-locked"
    with reading(postgres) as connection:
        assert get_meta(connection, "derived") == "0"
    open_index(postgres, index_chain.genesis)
    with postgres.connect() as one, postgres.connect() as other:
        assert get_meta(one, "derived") == DERIVED_VERSION
        # Nobody holds the lock any more, in the pool either: the first to come may have it.
        other.commit()
        take_lock(other)
    postgres.dispose()


def test_a_statement_that_takes_too_long_is_ended(postgres: Engine) -> None:
    with pytest.raises(OperationalError) as error, reading(postgres, 0.2) as connection:
        connection.exec_driver_sql("SELECT pg_sleep(30)")
    assert is_interrupted(error.value)
    with reading(postgres) as connection:
        assert connection.execute(select(1)).scalar() == 1
