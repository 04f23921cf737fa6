"""What ``carbonode index`` does with an index: rebuild it, say where it stands, compare it
with another one, and its totals with the chain's. Values in, documents out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine, func, select

from primitives.genesis import Genesis
from tools.client.client import Client
from tools.client.transport import RetryPolicy
from tools.indexer.comparing import compare
from tools.indexer.core import BLOCKS, EVENTS, TRANSACTIONS, UNREAD
from tools.indexer.database import (
    clear,
    get_meta,
    open_engine,
    prepare,
    read_genesis,
    reading,
    require_meta,
    rewrite_derived,
    take_lock,
)
from tools.indexer.errors import IndexFault
from tools.indexer.following import Follower
from tools.indexer.reconciling import reconcile
from tools.indexer.writing import DERIVED_BY, HEIGHT

PATIENCE = RetryPolicy(rounds_max=2, request_timeout_s=60.0, connect_timeout_s=5.0)


def get_status(url: str) -> dict[str, Any]:
    """Return where an index stands and what it holds."""
    engine = open_engine(url)
    with reading(engine) as connection:
        height = int(require_meta(connection, HEIGHT))
        block = connection.execute(select(BLOCKS).where(BLOCKS.c.height == height)).one()
        genesis = read_genesis(connection)
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (TRANSACTIONS, EVENTS, UNREAD)
        }
        document = {
            "chainId": "0x" + require_meta(connection, "chain_id"),
            "chainName": genesis.chain_name,
            "indexHeight": height,
            "blockHash": "0x" + bytes(block.hash).hex(),
            "timeMs": block.time_ms,
            "schema": require_meta(connection, "schema"),
            "derived": get_meta(connection, DERIVED_BY),
            "transactions": counts["transactions"],
            "events": counts["events"],
            "unreadEvents": counts["unread_events"],
        }
    engine.dispose()
    return document


def load_index_genesis(url: str) -> Genesis | None:
    """Return the genesis that an index was begun with; None where there is no index."""
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            return read_genesis(connection)
    except IndexFault:
        return None
    finally:
        engine.dispose()


def derive(url: str) -> dict[str, Any]:
    """Write everything derived anew from the blocks that the index holds."""
    engine = open_engine(url)
    with engine.connect() as connection:
        take_lock(connection)
        with connection.begin():
            height = int(require_meta(connection, HEIGHT))
            rewrite_derived(connection)
    engine.dispose()
    return {"index": url, "derivedTo": height}


def rebuild(url: str, into: str | None, nodes: Sequence[str], genesis: Genesis) -> dict[str, Any]:
    """Build an index from zero: of ``url`` itself, or ``into`` another database as far as
    ``url`` is, so that the two can be compared."""
    target, until = open_engine(into or url), None
    if into is not None:
        until = get_status(url)["indexHeight"]
    with target.connect() as connection:
        take_lock(connection)
        with connection.begin():
            clear(connection)
        prepare(connection, genesis)
    height = asyncio.run(follow_to(target, nodes, genesis, until))
    target.dispose()
    return {"index": into or url, "builtTo": height}


async def follow_to(
    engine: Engine, nodes: Sequence[str], genesis: Genesis, until: int | None
) -> int:
    """Follow the chain up to a height, by default the one at which a node is now."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(node, policy=PATIENCE)) for node in nodes]
        if until is None:
            until = (await clients[0].status()).height
        follower = Follower(engine, clients, genesis, until)
        await follower.run(asyncio.Event())
        return follower.progress.height


def compare_indexes(one: str, other: str) -> dict[str, Any]:
    """Return how two indexes differ."""
    engines = [open_engine(one), open_engine(other)]
    found = compare(*engines)
    for engine in engines:
        engine.dispose()
    return {"equal": found.is_equal, **asdict(found)}


def reconcile_index(url: str, nodes: Sequence[str]) -> dict[str, Any]:
    """Return how the totals of an index and of the chain differ."""
    engine = open_engine(url)

    async def run() -> dict[str, Any]:
        async with Client(list(nodes), policy=PATIENCE) as client:
            found = await reconcile(engine, client)
        return {"equal": not found.differences, **asdict(found)}

    document = asyncio.run(run())
    engine.dispose()
    return document
