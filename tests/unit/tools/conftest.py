"""One chain with every kind of move, and its index, for all tests of the index."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.unit.node.test_unit_indexes import cancel_out_of_the_pool, issue, move_locked, shake
from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.index_node import follow
from tools.indexer.database import open_engine

SEED = 20261124


@pytest.fixture(scope="session")
def index_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedChain]:
    """Epochs of four blocks, other validators' names, money, lots moved in every way."""
    made = AuditedChain(tmp_path_factory.mktemp("index-chain"))
    issue(made, "b1")
    issue(made, "b2", buffer=30)
    shake(made, random.Random(SEED), 30)
    move_locked(made)
    issue(made, "b3", buffer=20)
    made.commit(made.sign("project-owner", "units", "split", "b3", 50))
    made.commit(made.sign("project-owner", "units", "merge", "b3", 50))
    cancel_out_of_the_pool(made, "b3")
    made.grow()
    made.commit(
        made.sign("bank", "cash", "issue", "CNY", "enterprise-a", 10**20, "loan"),
        made.sign("bank", "cash", "issue", "CNY", "bank", 500, "own"),
        made.sign("enterprise-a", "cash", "transfer", "CNY", "enterprise-b", 7 * 10**19, "wood"),
        made.sign("bank", "cash", "redeem", "CNY", 200, "own"),
    )
    yield made
    made.chain.close()


@pytest.fixture(scope="session")
def index(index_chain: AuditedChain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Its index: a test that changes it changes it back."""
    made = open_engine(str(tmp_path_factory.mktemp("index") / "index.db"))
    follow(index_chain, made)
    yield made
    made.dispose()
