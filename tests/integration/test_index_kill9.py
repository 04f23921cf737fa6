"""The indexer killed twenty times at random statements: nothing missing, nothing twice.

The process has a real SQLite file and a real node over HTTP. It kills itself (SIGKILL) just
before or after a statement of its own, which no clock of ours could hit as well: in the
middle of a transaction, or at its BEGIN or COMMIT.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, func, select

from primitives.block import RECEIPT
from primitives.genesis import Genesis, load_genesis
from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.conftest import index, index_chain
from tests.unit.tools.fake_node import serve
from tests.unit.tools.index_node import ONE_TRY, follow, make_index_node
from tools.client.client import Client
from tools.indexer.comparing import compare
from tools.indexer.core import BLOCKS, EVENTS, TRANSACTIONS
from tools.indexer.database import open_engine, read_tip, reading
from tools.indexer.following import Follower

pytestmark = pytest.mark.integration
__all__ = ["index", "index_chain"]

KILLS = 20
SEED = 20261124
BLOCKS_EACH = 2


def die_at(engine: Engine, statement: int) -> None:
    """Kill this process at the n-th statement that it sends."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "before_cursor_execute", count)
    event.listen(engine, "after_cursor_execute", count)
    event.listen(engine, "commit", count)


def run_indexer(path: str, url: str, genesis_path: str, until: int, statement: int) -> None:
    """The child: follow up to a height, and die on the way."""
    genesis: Genesis = load_genesis(Path(genesis_path).read_text())
    engine = open_engine(path)
    die_at(engine, statement)

    async def run() -> None:
        async with Client(url, policy=ONE_TRY) as client:
            await Follower(engine, [client], genesis, until).run(asyncio.Event())

    asyncio.run(run())


def check_whole(chain: AuditedChain, engine: Engine) -> int:
    """Every block up to the index's height is there once, and none above."""
    with reading(engine) as connection:
        height = read_tip(connection).height
        blocks = [row[0] for row in connection.execute(select(BLOCKS.c.height))]
        counts = [
            connection.execute(
                select(func.count()).select_from(table).where(table.c.height > 0)
            ).scalar_one()
            for table in (TRANSACTIONS, EVENTS)
        ]
    assert sorted(blocks) == list(range(height + 1))
    receipts = [
        RECEIPT.decode(data)
        for number in range(1, height + 1)
        for data in chain.chain.get_receipts(number)
    ]
    assert counts == [len(receipts), sum(receipt.event_count for receipt in receipts)]
    return height


def test_twenty_kills_lose_nothing_and_repeat_nothing(
    index_chain: AuditedChain, index: Engine, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    path = tmp_path / "killed.db"
    engine = open_engine(str(path))
    follow(index_chain, engine, 1)  # the genesis is executed once, not in each child
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "tools.indexer.following"])
    kills = died_on_the_way = 0
    with serve(make_index_node(index_chain).methods) as node:
        until = 1
        while kills < KILLS:
            until = min(until + BLOCKS_EACH, index_chain.height)
            arguments = (str(path), node.url, str(index_chain.genesis_path), until)
            statement = rng.randint(1, 45)
            child = context.Process(target=run_indexer, args=(*arguments, statement))
            child.start()
            child.join(60)
            assert child.exitcode in (0, -signal.SIGKILL), f"statement {statement}"
            if child.exitcode == -signal.SIGKILL:
                kills += 1
                died_on_the_way += check_whole(index_chain, engine) < until
    assert died_on_the_way >= KILLS // 2
    follow(index_chain, engine)
    assert compare(index, engine).differences == []
    engine.dispose()
