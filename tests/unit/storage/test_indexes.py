"""Indexes: pages, cursors, catching up, rebuilding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from primitives.block import EVENT, STATUS_OK, Event
from primitives.hashing import ZERO_HASH
from storage.chain import ChainStore
from storage.errors import CursorError, StorageError, WrongChainError
from storage.indexes import (
    LAG_BLOCKS_MAX,
    PAGE_ITEMS_MAX,
    Indexed,
    IndexStore,
    Page,
    Seed,
    read_block,
)
from storage.memory import MemoryStore
from storage.schema import INDEX_TABLES
from tests.unit.storage.chainkit import (
    CHAIN_ID,
    KEYS,
    BlockPlan,
    commit_genesis,
    make_record,
    make_transaction,
)

BLOCKS, PER_BLOCK = 5, 4
NOTHING = Seed(0, (), ())


@pytest.fixture(scope="module")
def chain() -> Iterator[ChainStore]:
    with ChainStore.open(MemoryStore(), CHAIN_ID) as opened:
        commit_genesis(opened, {})
        for height in range(BLOCKS):
            transactions = [
                make_transaction(height * PER_BLOCK + i, "units" if i < 3 else "units2", i % 2)
                for i in range(PER_BLOCK)
            ]
            opened.commit(make_record(opened, BlockPlan(transactions)))
        yield opened


@pytest.fixture(params=["leveldb", "memory"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexStore]:
    target = tmp_path / "index" if request.param == "leveldb" else MemoryStore()
    with IndexStore.open(target, CHAIN_ID) as opened:
        yield opened


Find = Callable[[bytes | None, int], Page]  # type: ignore[type-arg]  # pages of either kind


def get_indexed(chain: ChainStore, height: int) -> Indexed:
    block = read_block(chain, height)
    assert block is not None
    return block


def walk(find: Find, limit: int) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    cursor: bytes | None = None
    for _ in range(100):
        page = find(cursor, limit)
        assert len(page.items) <= limit
        places.extend((item.height, item.index) for item in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return places
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_of_any_size_hold_everything_once_and_in_order(
    chain: ChainStore, index: IndexStore, limit: int, newest_first: bool
) -> None:
    index.catch_up(chain)
    first, second = KEYS[0].public_key, KEYS[1].public_key
    heights = range(1, BLOCKS + 1)

    def order(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return places[::-1] if newest_first else places

    indices: tuple[int, ...]
    for sender, indices in ((first, (0, 2)), (second, (1, 3))):
        found = walk(
            lambda cursor, count, who=sender: index.find_by_sender(  # type: ignore[misc]  # bound now
                who, cursor, count, newest_first=newest_first
            ),
            limit,
        )
        assert found == order([(height, i) for height in heights for i in indices])
    for contract, indices in (("units", (0, 1, 2)), ("units2", (3,)), ("unit", ()), ("", ())):
        found = walk(
            lambda cursor, count, name=contract: index.find_by_contract(  # type: ignore[misc]  # bound now
                name, cursor, count, newest_first=newest_first
            ),
            limit,
        )
        assert found == order([(height, i) for height in heights for i in indices])
    for contract, name, indices in (
        ("units", None, (0, 1, 2)),
        ("units", "Moved", (0, 2)),
        ("units", "Noted", (1,)),
        ("units2", "Noted", (3,)),
        ("units2", "Moved", ()),
    ):
        found = walk(
            lambda cursor, count, who=contract, what=name: index.find_events(  # type: ignore[misc]  # bound now
                who, what, cursor, count, newest_first=newest_first
            ),
            limit,
        )
        assert found == order([(height, i) for height in heights for i in indices])


def test_entries_carry_the_outcome_and_events_their_bytes(
    chain: ChainStore, index: IndexStore
) -> None:
    index.catch_up(chain)
    entry = index.find_by_sender(KEYS[0].public_key, None, 1, newest_first=False).items[0]
    assert (entry.height, entry.index, entry.status, entry.code) == (1, 0, STATUS_OK, "")
    assert chain.find_transaction(entry.id) == (1, 0)
    for name in (None, "Moved"):
        event = index.find_events("units", name, None, 1).items[0]
        assert event.event == chain.get_events(1)[0]
        assert EVENT.decode(event.event).name == "Moved"


def test_a_block_is_indexed_once_and_in_order(chain: ChainStore, index: IndexStore) -> None:
    block = chain.get_block(1)
    assert block is not None
    outcome = (block, chain.get_receipts(1), chain.get_events(1))
    with pytest.raises(StorageError) as caught:
        index.apply(2, *outcome)
    assert caught.value.code == "index-gap"
    assert index.index_height == 0
    index.apply(1, *outcome)
    index.apply(1, *outcome)
    assert index.index_height == 1
    assert len(index.find_by_contract("units", None, 100).items) == 3


def test_transactions_that_are_decoded_already_need_not_be_again(index: IndexStore) -> None:
    transactions = [make_transaction(number) for number in range(3)]
    with ChainStore.open(MemoryStore(), CHAIN_ID) as chain:
        commit_genesis(chain, {})
        record = make_record(chain, BlockPlan(transactions))
    index.apply(1, record.block, record.receipts, record.events, transactions)
    assert len(index.find_by_sender(KEYS[0].public_key, None, 100).items) == 3


def test_a_reopened_index_goes_on_and_catches_up(chain: ChainStore, tmp_path: Path) -> None:
    block = chain.get_block(1)
    assert block is not None
    with IndexStore.open(tmp_path, CHAIN_ID) as index:
        index.apply(1, block, chain.get_receipts(1), chain.get_events(1))
    with IndexStore.open(tmp_path, CHAIN_ID) as index:
        assert index.index_height == 1
        seen: list[tuple[int, int]] = []
        index.catch_up(chain, lambda height, tip: seen.append((height, tip)))
        assert seen == [(height, BLOCKS) for height in range(2, BLOCKS + 1)]
        assert set(index.compute_sizes()) == {table.name for table in INDEX_TABLES}


def test_a_rebuilt_index_is_the_same_row_by_row(chain: ChainStore) -> None:
    store = MemoryStore()
    with IndexStore.open(store, CHAIN_ID) as index:
        index.current.seed(NOTHING)
        index.catch_up(chain)
        before = store.scan(b"0", None, 10_000)
        store.write({b"0agarbage": b"x", b"1egarbage": b"x"}, sync=False)
        index.rebuild(chain, NOTHING)
        after = store.scan(b"1", None, 10_000)
        assert [(key[1:], value) for key, value in after] == [
            (key[1:], value) for key, value in before
        ]
        assert store.scan(b"0", None, 10) == []
        assert index.index_height == BLOCKS


def test_the_old_tables_answer_until_the_new_ones_are_whole(
    chain: ChainStore, tmp_path: Path
) -> None:
    with IndexStore.open(tmp_path, CHAIN_ID) as index:
        index.catch_up(chain)
        wanted = index.find_by_contract("units", None, 100)
        tables = index.begin_rebuild(NOTHING)
        tables.apply(get_indexed(chain, 1))
        assert index.find_by_contract("units", None, 100) == wanted
    with IndexStore.open(tmp_path, CHAIN_ID) as index:
        # A restart goes on where it was.
        assert index.building is not None and index.building.height == 1
        assert index.find_by_contract("units", None, 100) == wanted
        index.building.catch_up(chain)
        index.finish_rebuild()
        assert index.find_by_contract("units", None, 100) == wanted
    with IndexStore.open(tmp_path, CHAIN_ID) as index:
        assert index.building is None and index.index_height == BLOCKS
        assert index.find_by_contract("units", None, 100) == wanted


def test_rows_of_a_rebuild_that_was_broken_off_before_its_seed_are_removed(
    chain: ChainStore,
) -> None:
    store = MemoryStore()
    index = IndexStore.open(store, CHAIN_ID)
    index.catch_up(chain)
    store.write({b"1xleft": b"x", b"1lleft": b"x"}, sync=False)
    index.remove_leftovers()
    assert store.scan(b"1", None, 10) == []
    assert len(index.find_by_contract("units", None, 100).items) == 3 * BLOCKS


def test_blocks_that_are_not_indexed_yet_are_read_from_the_chain(chain: ChainStore) -> None:
    with IndexStore.open(MemoryStore(), CHAIN_ID) as index:
        index.current.apply(get_indexed(chain, 1))
        with index.view(lambda height: read_block(chain, height), BLOCKS) as view:
            assert (view.lowest, view.height) == (1, BLOCKS)
            for newest_first in (False, True):
                found = walk(
                    lambda cursor, limit, order=newest_first: view.find_by_contract(  # type: ignore[misc]  # bound now
                        "units", cursor, limit, newest_first=order
                    ),
                    2,
                )
                places = [(height, i) for height in range(1, BLOCKS + 1) for i in range(3)]
                assert found == (places[::-1] if newest_first else places)
    with IndexStore.open(MemoryStore(), CHAIN_ID) as index:
        index.current.apply(get_indexed(chain, 1))
        with index.view(lambda height: None, BLOCKS) as view:
            assert view.height == 1
        too_far = index.index_height + LAG_BLOCKS_MAX + 1
        with index.view(lambda height: pytest.fail("not read"), too_far) as view:
            assert view.height == 1
        assert index.index_height == 1


def test_transactions_with_an_event_come_once_each(chain: ChainStore, index: IndexStore) -> None:
    index.catch_up(chain)
    for limit in (1, 2, 100):
        for newest_first in (False, True):
            found = walk(
                lambda cursor, count, order=newest_first: index.find_by_event(  # type: ignore[misc]  # bound now
                    "units", "Moved", cursor, count, newest_first=order
                ),
                limit,
            )
            places = [(height, i) for height in range(1, BLOCKS + 1) for i in (0, 2)]
            assert found == (places[::-1] if newest_first else places)


def test_several_events_of_one_transaction_are_one_item_on_every_page_size() -> None:
    transactions = [make_transaction(number) for number in range(3)]
    with ChainStore.open(MemoryStore(), CHAIN_ID) as chain:
        commit_genesis(chain, {})
        record = make_record(chain, BlockPlan(transactions))
    events = [
        EVENT.encode(Event(number, "units", "Moved", (again,)))
        for number in range(3)
        for again in range(4)
    ]
    with IndexStore.open(MemoryStore(), CHAIN_ID) as index:
        index.apply(1, record.block, record.receipts, events)
        for limit in (1, 2, 3, 10):
            find = partial(index.find_by_event, "units", "Moved")
            assert walk(find, limit) == [(1, 2), (1, 1), (1, 0)]


def test_pruned_blocks_leave_no_row_and_the_rest_stays(chain: ChainStore) -> None:
    store = MemoryStore()
    with IndexStore.open(store, CHAIN_ID) as index:
        index.catch_up(chain)
        whole = dict(store.scan(b"0", None, 10_000))
        for height in (1, 2):
            index.current.prune(get_indexed(chain, height))
        index.current.prune(get_indexed(chain, 4))  # not the lowest: left alone
        assert index.current.lowest == 3
        with IndexStore.open(MemoryStore(), CHAIN_ID) as other:
            other.skip_to(2)
            other.catch_up(chain)
            wanted = dict(other.current.store.scan(b"", None, 10_000))
        left = {key[1:]: value for key, value in store.scan(b"0", None, 10_000)}
        assert left == wanted
        assert len(left) < len(whole)


def test_new_blocks_appear_behind_a_cursor_that_waits(chain: ChainStore) -> None:
    with IndexStore.open(MemoryStore(), CHAIN_ID) as index:
        for height in (1, 2):
            block = chain.get_block(height)
            assert block is not None
            index.apply(height, block, chain.get_receipts(height), chain.get_events(height))
        page = index.find_events("units", None, None, 2)
        assert page.next_cursor is not None
        index.catch_up(chain)
        rest = index.find_events("units", None, page.next_cursor, 100)
        assert len(page.items) + len(rest.items) == 3 * BLOCKS


@pytest.mark.parametrize("cursor", [b"", b"short", bytes(13)])
def test_a_foreign_cursor_is_refused(index: IndexStore, cursor: bytes) -> None:
    for find in (
        lambda: index.find_by_contract("units", cursor, 10),
        lambda: index.find_events("units", None, cursor, 10),
        lambda: index.find_by_sender(KEYS[0].public_key, cursor, 10),
    ):
        with pytest.raises(CursorError) as caught:
            find()
        assert caught.value.code == "bad-cursor"


def test_a_page_has_at_least_one_and_at_most_the_bounded_number_of_items(
    chain: ChainStore, index: IndexStore
) -> None:
    index.catch_up(chain)
    assert len(index.find_by_contract("units", None, 0).items) == 1
    assert len(index.find_by_contract("units", None, -5).items) == 1
    assert PAGE_ITEMS_MAX == 1_000
    assert len(index.find_by_contract("units", None, 10**9).items) == 3 * BLOCKS


def test_the_index_of_another_chain_is_refused() -> None:
    store = MemoryStore()
    IndexStore.open(store, CHAIN_ID)
    with pytest.raises(WrongChainError):
        IndexStore.open(store, ZERO_HASH)
