"""Pruning: what goes, what stays, what a crash leaves, and that space comes back."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from primitives.transaction import Transaction
from storage.backup import copy_store
from storage.chain import ChainStore
from storage.engine import KeyValueStore
from storage.errors import StorageError
from storage.leveldb import LevelStore
from storage.memory import MemoryStore
from storage.pruning import compact_pruned, prune_below
from storage.schema import make_height_key, make_tree_key
from tests.unit.storage.chainkit import (
    CHAIN_ID,
    BlockPlan,
    commit_genesis,
    make_record,
    make_transaction,
)

EPOCH = 10


class Stopped(Exception):
    """The process ends here."""


def no_pace() -> None:
    """Do not wait."""


def grow(chain: ChainStore, blocks: int, width: int = 2) -> list[list[Transaction]]:
    """Commit blocks with transactions; return those of each height from 1 on."""
    made = []
    first = chain.tip.height + 1 if chain.tip else 1
    for height in range(first, first + blocks):
        transactions = [make_transaction(1_000 * height + item) for item in range(width)]
        plan = BlockPlan(transactions, {b"units\0count": b"%d" % height}, 1_000 * height + 1_000)
        chain.commit(make_record(chain, plan))
        made.append(transactions)
    return made


@pytest.fixture(params=["leveldb", "memory"])
def chain(request: pytest.FixtureRequest, tmp_path: Path) -> ChainStore:
    target: KeyValueStore | Path = tmp_path if request.param == "leveldb" else MemoryStore()
    opened = ChainStore.open(target, CHAIN_ID)
    request.addfinalizer(opened.close)
    commit_genesis(opened, {b"units\0count": b"0"})
    return opened


def test_blocks_go_and_the_ends_of_epochs_the_state_and_the_rest_stay(chain: ChainStore) -> None:
    made = grow(chain, 35)
    root = chain.tip.state_root if chain.tip else b""
    pruned = prune_below(chain, 26, EPOCH, no_pace)
    assert pruned.blocks == 25 and pruned.bytes > 0
    assert chain.lowest == 26
    for height in range(1, 36):
        is_kept, is_end = height >= 26, height % EPOCH == 0
        assert (chain.get_block(height) is not None) is is_kept
        assert bool(chain.get_receipts(height)) is is_kept
        for stored in (chain.get_header(height), chain.get_certificate(height)):
            assert (stored is not None) is (is_kept or is_end), height
        assert (chain.get_result(height) is not None) is (is_kept or is_end)
        for index, transaction in enumerate(made[height - 1]):
            place = (height, index) if is_kept else None
            assert chain.find_transaction(transaction.id) == place
    compact_pruned(chain, no_pace)
    assert chain.tip is not None and chain.tip.state_root == root
    with chain.view() as view:
        assert view.get(b"units\0count") == b"35"
    grow(chain, 3)
    assert prune_below(chain, 26, EPOCH, no_pace).blocks == 0
    assert prune_below(chain, 30, EPOCH, no_pace).blocks == 4


def test_the_tip_is_never_pruned(chain: ChainStore) -> None:
    grow(chain, 3)
    with pytest.raises(StorageError, match="tip"):
        prune_below(chain, 4, EPOCH, no_pace)
    assert chain.lowest == 1
    prune_below(chain, 3, EPOCH, no_pace)
    assert chain.get_block(3) is not None


def test_a_crash_between_batches_leaves_a_shorter_chain(tmp_path: Path) -> None:
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stopped

    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        commit_genesis(chain, {b"units\0count": b"0"})
        grow(chain, 60)
        with pytest.raises(Stopped):
            prune_below(chain, 55, EPOCH, stop)
    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        lowest = chain.lowest
        assert 1 < lowest < 55
        assert all((chain.get_block(h) is not None) is (h >= lowest) for h in range(1, 61))
        prune_below(chain, 55, EPOCH, no_pace)
        assert chain.lowest == 55


def test_a_folder_from_before_ids_were_kept_by_height_is_pruned_too(chain: ChainStore) -> None:
    made = grow(chain, 5)
    chain.store.write({}, [make_height_key(b"d", height) for height in range(1, 6)], sync=True)
    prune_below(chain, 5, EPOCH, no_pace)
    assert chain.find_transaction(made[2][0].id) is None
    assert chain.find_transaction(made[4][0].id) == (5, 0)


def measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_compaction_gives_the_space_back_and_deleting_alone_does_not(tmp_path: Path) -> None:
    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        commit_genesis(chain, {b"units\0count": b"0"})
        grow(chain, 200, width=40)
        chain.store.compact(b"\0", b"\xff" * 40)
        before = measure(tmp_path)
        prune_below(chain, 190, EPOCH, no_pace)
        assert measure(tmp_path) > before * 0.9
        compact_pruned(chain, no_pace)
        after = measure(tmp_path)
    print("bytes before and after", before, after)
    assert after < before * 0.25


def test_rows_that_were_written_over_give_their_space_back_too(tmp_path: Path) -> None:
    """Most of the tree's upper nodes are written anew by each block."""
    numbers = random.Random(4)
    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        commit_genesis(chain, {b"units\0count": b"0"})
        for _ in range(3):  # a fourth file would be merged by LevelDB itself
            rows = {make_tree_key(4, 3, place): numbers.randbytes(512) for place in range(900)}
            chain.store.write(rows, sync=False)
            chain.store.compact(b"y", b"z")
        before = measure(tmp_path)
        compact_pruned(chain, no_pace)
        after = measure(tmp_path)
    print("bytes before and after", before, after)
    assert before > 3 * 900 * 512 and after < before * 0.45


# -- a copy of the store while it is written to


def test_a_copy_is_one_moment_of_a_store_that_goes_on(tmp_path: Path) -> None:
    with ChainStore.open(tmp_path / "chain", CHAIN_ID) as chain:
        commit_genesis(chain, {b"units\0count": b"0"})
        grow(chain, 30)
        tip = chain.tip
        pinned = chain.store.snapshot()

        def go_on() -> None:
            grow(chain, 1)

        copied = copy_store(pinned, tmp_path / "copy", go_on)
        pinned.close()
        assert copied.rows > 300 and copied.bytes > 0
        assert chain.tip is not None and tip is not None and chain.tip.height > tip.height
        with pytest.raises(StorageError, match="exists"):
            copy_store(chain.store, tmp_path / "copy", no_pace)
    with ChainStore.open(tmp_path / "copy", CHAIN_ID) as copy:
        assert copy.tip == tip
        grow(copy, 1)


def test_an_interrupted_copy_leaves_nothing(tmp_path: Path) -> None:
    def stop() -> None:
        raise Stopped

    with LevelStore.open(tmp_path / "store") as store:
        store.write({b"a": b"1"}, sync=True)
        with pytest.raises(Stopped):
            copy_store(store, tmp_path / "copies" / "copy", stop)
        assert not list((tmp_path / "copies").iterdir())
