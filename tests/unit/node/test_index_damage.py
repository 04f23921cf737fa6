"""Indexes on real LevelDB files that are damaged: named, removed, built again from blocks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.indexer import Indexer
from node.indexes import REBUILDS_MAX, Indexes
from node.metrics import Metrics
from node.notify import Notifier
from storage.chain import ChainStore
from storage.chaintip import claim_store
from storage.errors import DatabaseCorruptedError, WrongChainError
from storage.indexes import Indexed, IndexStore, IndexTables, IndexView, read_block
from storage.leveldb import LevelStore
from storage.memory import MemoryStore
from storage.schema import INDEX_SCHEMA_VERSION, META_INDEX_HEIGHT, encode_height
from tests.unit.storage.chainkit import (
    CHAIN_ID,
    KEYS,
    BlockPlan,
    commit_genesis,
    make_record,
    make_transaction,
)

BLOCKS, PER_BLOCK = 12, 20
SENDER = KEYS[0].public_key
FIRST_ROWS = 200
"""A byte of the first rows of a table file: those of transactions by sender."""


@pytest.fixture(scope="module")
def chain() -> Iterator[ChainStore]:
    with ChainStore.open(MemoryStore(), CHAIN_ID) as opened:
        commit_genesis(opened, {})
        for height in range(BLOCKS):
            transactions = [
                make_transaction(height * PER_BLOCK + i, "units", 0) for i in range(PER_BLOCK)
            ]
            opened.commit(make_record(opened, BlockPlan(transactions)))
        yield opened


class IdleNotifier(Notifier):
    """Says when the indexer has nothing left to do."""

    def __init__(self) -> None:
        super().__init__(10)
        self.idle = asyncio.Event()

    async def wait_tip(self) -> None:
        self.idle.set()
        await super().wait_tip()


def fill(chain: ChainStore, indexes: Indexes, metrics: Metrics) -> None:
    """Let a real indexer run until the indexes hold the whole chain."""

    async def main() -> None:
        notifier = IdleNotifier()
        indexer = Indexer(chain, indexes, notifier, metrics)
        running = asyncio.create_task(indexer.run())
        idle = asyncio.create_task(notifier.idle.wait())
        try:
            await asyncio.wait({running, idle}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            assert idle.done()
        finally:
            for task in (running, idle):
                task.cancel()
            await asyncio.wait({running, idle})
            indexer.close()
        assert indexes.index_height == BLOCKS

    asyncio.run(main())


def count(indexes: Indexes) -> int:
    page = indexes.search(lambda index: index.find_by_sender(SENDER, None, 1_000))
    return len(page.items)


def get_rebuilds(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("carbonode_index_rebuilds_total")


def find(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: path.stat().st_size)


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x40]))


@pytest.fixture
def folder(chain: ChainStore, tmp_path: Path) -> Path:
    """A closed, complete index with a table file and a log."""
    path = tmp_path / "index"
    metrics = Metrics()
    indexes = Indexes(path, chain, metrics)
    fill(chain, indexes, metrics)
    assert count(indexes) == BLOCKS * PER_BLOCK
    indexes.close()
    IndexStore.open(path, CHAIN_ID).close()  # the log becomes a table
    return path


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a table is gone": lambda folder: find(folder, "*.ldb").unlink(),
    "a table's index is flipped": lambda folder: flip(
        find(folder, "*.ldb"), find(folder, "*.ldb").stat().st_size - 60
    ),
    "the manifest is flipped": lambda folder: flip(find(folder, "MANIFEST-*"), 12),
    "the manifest is gone": lambda folder: find(folder, "MANIFEST-*").unlink(),
    "CURRENT is gone": lambda folder: (folder / "CURRENT").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_index_found_damaged_at_the_start_is_built_again(
    chain: ChainStore,
    folder: Path,
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (folder / "lost").mkdir()
    damage(folder)
    metrics = Metrics()
    with caplog.at_level(logging.ERROR, "carbonode.indexes"):
        indexes = Indexes(folder, chain, metrics)
    assert [record.fields["folder"] for record in caplog.records] == [folder]  # type: ignore[attr-defined]  # ours
    assert (indexes.index_height, get_rebuilds(metrics)) == (0, 1.0)
    fill(chain, indexes, metrics)
    assert count(indexes) == BLOCKS * PER_BLOCK
    indexes.close()


def test_damage_that_a_search_meets_is_raised_once_and_repaired(
    chain: ChainStore, folder: Path
) -> None:
    metrics = Metrics()
    indexes = Indexes(folder, chain, metrics)
    flip(find(folder, "*.ldb"), FIRST_ROWS)
    with pytest.raises(DatabaseCorruptedError):
        count(indexes)
    assert (indexes.index_height, get_rebuilds(metrics)) == (0, 1.0)
    fill(chain, indexes, metrics)
    assert count(indexes) == BLOCKS * PER_BLOCK
    indexes.close()


def test_a_search_under_way_ends_before_its_files_are_removed(
    chain: ChainStore, folder: Path
) -> None:
    metrics = Metrics()
    indexes = Indexes(folder, chain, metrics)
    is_in, may_go_on, seen = threading.Event(), threading.Event(), []

    def query_slowly(index: IndexView) -> None:
        is_in.set()
        assert may_go_on.wait(10)
        seen.append((folder / "CURRENT").exists() and index.find_events("no", None, None, 1).items)

    def meet_damage(_: IndexView) -> None:
        raise DatabaseCorruptedError("met")

    slow = threading.Thread(target=indexes.search, args=(query_slowly,))
    slow.start()
    assert is_in.wait(10)

    def repair() -> None:
        with pytest.raises(DatabaseCorruptedError):
            indexes.search(meet_damage)

    repairing = threading.Thread(target=repair)
    repairing.start()
    repairing.join(0.1)
    assert repairing.is_alive()
    may_go_on.set()
    slow.join(10)
    repairing.join(10)
    assert seen == [()]
    assert indexes.index_height == 0
    indexes.close()


def test_many_who_meet_the_same_damage_repair_it_once(chain: ChainStore, folder: Path) -> None:
    metrics = Metrics()
    indexes = Indexes(folder, chain, metrics)
    together = threading.Barrier(4)

    def meet_damage(_: IndexView) -> None:
        together.wait(10)
        raise DatabaseCorruptedError("met")

    def search() -> None:
        with pytest.raises(DatabaseCorruptedError):
            indexes.search(meet_damage)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert get_rebuilds(metrics) == 1.0
    indexes.close()


def test_a_disk_that_damages_the_indexes_again_and_again_is_not_hidden(
    chain: ChainStore, folder: Path
) -> None:
    metrics = Metrics()
    indexes = Indexes(folder, chain, metrics)

    def meet_damage(_: IndexView) -> None:
        raise DatabaseCorruptedError("met")

    for _ in range(REBUILDS_MAX + 1):
        with pytest.raises(DatabaseCorruptedError):
            indexes.search(meet_damage)
    assert get_rebuilds(metrics) == REBUILDS_MAX
    indexes.close()


def test_an_index_of_another_chain_is_refused_and_kept(folder: Path) -> None:
    files = sorted(folder.glob("*.ldb"))
    other = type(CHAIN_ID)(b"\x07" * 32)
    with (
        ChainStore.open(MemoryStore(), other) as of_other,
        pytest.raises(WrongChainError),
    ):
        Indexes(folder, of_other, Metrics())
    assert sorted(folder.glob("*.ldb")) == files


def test_an_index_of_an_older_layout_is_made_anew(chain: ChainStore, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with LevelStore.open(folder) as store:
        claim_store(store, str(folder), CHAIN_ID, INDEX_SCHEMA_VERSION - 1)
        store.write({b"aold": b"row", META_INDEX_HEIGHT: encode_height(BLOCKS)}, sync=True)
    metrics = Metrics()
    indexes = Indexes(folder, chain, metrics)
    assert (indexes.index_height, get_rebuilds(metrics)) == (0, 0.0)
    fill(chain, indexes, metrics)
    assert count(indexes) == BLOCKS * PER_BLOCK
    indexes.close()
    with LevelStore.open(folder) as store:
        assert store.get(b"aold") is None


def test_damage_that_the_indexer_meets_makes_it_begin_again(
    chain: ChainStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    indexes = Indexes(folder, chain, metrics)
    real, failures = IndexTables.apply, [DatabaseCorruptedError("met while writing")]

    def fail_once(tables: IndexTables, block: Indexed) -> None:
        if tables.height == 3 and failures:
            raise failures.pop()
        real(tables, block)

    monkeypatch.setattr(IndexTables, "apply", fail_once)
    flip(find(folder, "*.ldb"), FIRST_ROWS)
    with pytest.raises(DatabaseCorruptedError):
        count(indexes)
    fill(chain, indexes, metrics)
    assert (count(indexes), get_rebuilds(metrics)) == (BLOCKS * PER_BLOCK, 2.0)
    indexes.close()


def test_a_rebuild_beside_the_tables_ends_with_the_same_answers(
    chain: ChainStore, folder: Path
) -> None:
    metrics = Metrics()
    indexes = Indexes(folder, chain, metrics)
    before = indexes.search(lambda index: index.find_by_sender(SENDER, None, 1_000))
    assert indexes.rebuild() and not indexes.rebuild()
    assert indexes.is_behind
    indexes.advance(lambda height: read_block(chain, height))
    assert indexes.is_rebuilding and indexes.index_height == BLOCKS
    assert indexes.search(lambda index: index.find_by_sender(SENDER, None, 1_000)) == before
    fill(chain, indexes, metrics)
    assert not indexes.is_rebuilding
    assert indexes.search(lambda index: index.find_by_sender(SENDER, None, 1_000)) == before
    indexes.close()
    with LevelStore.open(folder) as store:
        assert store.scan(b"0", None, 1) == []
        assert store.scan(b"1", None, 1) != []


def test_indexes_are_pruned_with_the_blocks_in_both_generations(
    chain: ChainStore, folder: Path
) -> None:
    indexes = Indexes(folder, chain, Metrics())
    assert indexes.rebuild()
    for _ in range(4):
        indexes.advance(lambda height: read_block(chain, height))
    paces: list[int] = []
    indexes.prune_below(7, lambda: paces.append(1))
    assert count(indexes) == (BLOCKS - 6) * PER_BLOCK
    assert len(paces) == 6
    view = indexes.search(lambda index: (index.lowest, index.height))
    assert view == (7, BLOCKS)
    indexes.compact()
    indexes.close()
    with IndexStore.open(folder, CHAIN_ID) as store:
        assert store.building is not None
        # Of the four that were built again none is left below the lowest.
        assert (store.building.lowest, store.building.height) == (5, 4)
        assert store.building.store.scan(b"a", None, 1) == []
