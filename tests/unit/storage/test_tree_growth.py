"""The tree of the next depth, grown beside the one in force: same root, any pace, any crash."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from primitives.hashing import Hash
from storage import treegrowth
from storage.chain import ChainStore
from storage.engine import KeyValueStore
from storage.errors import DatabaseCorruptedError, StorageError
from storage.memory import MemoryStore
from storage.schema import META_GROWTH, TREE_PREFIX, get_tree_depth, make_tree_key
from storage.stateproof import verify_state_proof
from storage.statetree import StateTree, compute_empty_root
from storage.treegrowth import STORED_GROWTH, GrowthOrder, StoredGrowth, TreeGrowth
from tests.unit.storage.chainkit import CHAIN_ID, BlockPlan, make_genesis_record, make_record
from tests.unit.storage.test_state_tree import compute_model_root

State = dict[bytes, bytes]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treegrowth, "STEP_BUCKETS_MIN", 1)
    monkeypatch.setattr("storage.statedepth.RUSH_BUCKETS", 100)
    monkeypatch.setattr("storage.statedepth.RETIRE_ROWS", 40)


def make_writes(numbers: random.Random, state: State, count: int) -> dict[bytes, bytes | None]:
    """Return writes and deletions of old and new keys, and make them in ``state``."""
    writes: dict[bytes, bytes | None] = {}
    for _ in range(count):
        key = b"%d" % numbers.randrange(3_000)
        writes[key] = None if numbers.random() < 0.3 else numbers.randbytes(8)
    for key, value in writes.items():
        state.pop(key, None)
        if value is not None:
            state[key] = value
    return writes


def list_rows(store: KeyValueStore, depth: int) -> dict[bytes, bytes]:
    rows = store.scan(TREE_PREFIX, None, 100_000)
    return {key: blob for key, blob in rows if get_tree_depth(key) == depth}


def build_rows(state: State, levels: int) -> dict[bytes, bytes]:
    """Return the rows of a tree of that depth that was never anything else."""
    tree = StateTree(MemoryStore(), compute_empty_root(levels), levels)
    return dict(tree.compute_change(dict(state)).puts)


class GrowingChain:
    """A chain of storage's own, whose state and depths are known."""

    def __init__(self, store: KeyValueStore, seed: int, levels: int, keys: int = 900) -> None:
        self.store = store
        self.numbers = random.Random(seed)
        self.chain = ChainStore.open(store, CHAIN_ID, tree_cache_bytes=20_000)
        self.state: State = {}
        self.levels = levels
        writes = make_writes(self.numbers, self.state, keys)
        change = self.chain.compute_state(writes, levels)
        self.chain.commit_genesis(make_genesis_record(change, writes))

    def commit(self, order: GrowthOrder | None = None, writes: int = 25) -> None:
        plan = BlockPlan(writes=make_writes(self.numbers, self.state, writes))
        self.chain.commit(replace(make_record(self.chain, plan, self.levels), growth=order))
        self.check()

    def reopen(self) -> None:
        self.chain = ChainStore.open(self.store, CHAIN_ID, tree_cache_bytes=20_000)

    def check(self) -> None:
        tip = self.chain.tip
        assert tip is not None and tip.state_levels == self.levels
        assert tip.state_root == compute_model_root(self.state, self.levels)
        assert tip.state_keys == len(self.state)

    def read_growth(self) -> StoredGrowth | None:
        data = self.store.get(META_GROWTH)
        return None if data is None else STORED_GROWTH.decode(data)


@pytest.mark.parametrize("blocks", [1, 2, 7, 30])
@pytest.mark.parametrize("is_reopened", [False, True])
def test_whatever_the_pace_the_next_depth_is_there_and_is_that_of_the_definition(
    blocks: int, is_reopened: bool
) -> None:
    seed = 20_261_124 + blocks
    store = MemoryStore()
    chain = GrowingChain(store, seed, 2)
    for left in range(blocks, 0, -1):
        chain.commit(GrowthOrder(3, left))
        grown = chain.read_growth()
        assert grown is not None and grown.levels == 3
        assert 256 - grown.moved <= 256 * (left - 1) // blocks, seed
        if is_reopened:
            chain.reopen()
    chain.commit()  # the epoch's last block: its writes go into both trees
    grown = chain.read_growth()
    assert grown is not None and grown.moved == 256
    assert grown.root == compute_model_root(chain.state, 3), seed
    assert list_rows(store, 3) == build_rows(chain.state, 3), seed
    chain.levels = 3
    chain.commit()
    assert chain.read_growth() is None
    while list_rows(store, 2):
        before = len(list_rows(store, 2))
        chain.commit()
        assert before - len(list_rows(store, 2)) == min(before, 40)
        if is_reopened:
            chain.reopen()
    assert dict(store.scan(TREE_PREFIX, None, 100_000)) == build_rows(chain.state, 3), seed
    assert is_reopened or chain.chain._tree._cache.size > 15_000, "the whole cache is its own now"
    with chain.chain.view() as view:
        for key in [*list(chain.state)[:20], b"absent"]:
            proof = view.prove(key)
            assert len(proof.siblings) == view.state_levels == 3
            assert verify_state_proof(view.state_root, key, chain.state.get(key), proof, 3)


def test_the_order_leaves_the_blocks_up_to_the_epochs_last() -> None:
    orders = [GrowthOrder.of(5, height, 4) for height in (4, 5, 6, 7)]
    assert orders == [GrowthOrder(5, left) for left in (4, 3, 2, 1)]
    assert GrowthOrder.of(None, 5, 4) is None


def test_no_block_moves_more_than_its_share_and_without_an_order_nothing_moves() -> None:
    store = MemoryStore()
    chain = GrowingChain(store, 5, 2)
    chain.commit()
    assert chain.read_growth() is None and not list_rows(store, 3)
    moved = 0
    for left in range(100, 0, -1):
        chain.commit(GrowthOrder(3, left))
        grown = chain.read_growth()
        assert grown is not None and grown.moved - moved <= 3
        moved = grown.moved
    assert moved == 256


def test_what_the_epochs_last_block_finds_left_it_moves() -> None:
    chain = GrowingChain(MemoryStore(), 12, 2)
    chain.commit(GrowthOrder(3, 10))
    chain.commit()
    grown = chain.read_growth()
    assert grown is not None and grown.moved == 256
    assert grown.root == compute_model_root(chain.state, 3)


def test_a_bucket_that_the_block_which_moves_it_empties_is_not_moved() -> None:
    chain = GrowingChain(MemoryStore(), 13, 2, keys=60)
    plan = BlockPlan(writes=dict.fromkeys(chain.state))
    record = make_record(chain.chain, plan)
    chain.chain.commit(replace(record, growth=GrowthOrder(3, 1)))
    chain.state.clear()
    chain.check()
    grown = chain.read_growth()
    assert grown is not None and grown.root == compute_empty_root(3)
    assert not list_rows(chain.store, 3)


def test_a_node_that_joined_at_the_end_of_the_epoch_takes_the_whole_step_at_once() -> None:
    chain = GrowingChain(MemoryStore(), 6, 2)
    chain.commit()
    chain.levels = 3
    chain.commit()
    chain.commit()


def test_after_one_growth_another_is_possible() -> None:
    store = MemoryStore()
    chain = GrowingChain(store, 7, 1)
    for levels in (2, 3):
        for left in range(5, 0, -1):
            chain.commit(GrowthOrder(levels, left))
        chain.commit()
        chain.levels = levels
        chain.commit()
    for _ in range(10):
        chain.commit()
    assert dict(store.scan(TREE_PREFIX, None, 100_000)) == build_rows(chain.state, 3)


def test_a_change_that_was_computed_for_the_new_depth_may_be_thrown_away() -> None:
    chain = GrowingChain(MemoryStore(), 8, 2)
    for left in range(5, 0, -1):
        chain.commit(GrowthOrder(3, left))
    thrown = chain.chain.compute_state({b"a view": b"that failed"}, 3)
    assert thrown.levels == 3
    chain.levels = 3
    chain.commit()
    with pytest.raises(StorageError, match="another state"):
        chain.chain._tree.check_fits(thrown)


class DyingStore(MemoryStore):
    """Dies before the write whose number it is given; what was written stays."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_left = 1 << 30

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        if self.writes_left == 0:
            raise StorageError("killed", code="killed")
        self.writes_left -= 1
        super().write(puts, deletes, sync=sync)


@pytest.mark.parametrize("writes_left", [0, 1, 2, 3])
def test_killed_while_it_moves_everything_at_once_it_goes_on_where_it_was(
    writes_left: int,
) -> None:
    store = DyingStore()
    chain = GrowingChain(store, 9, 2)
    chain.commit()
    store.writes_left = writes_left
    with pytest.raises(StorageError, match="killed"):
        chain.chain.compute_state({b"new": b"1"}, 3)
        chain.levels = 3
        chain.chain.commit(make_record(chain.chain, BlockPlan(writes={b"new": b"1"}), 3))
    chain.levels = 2
    chain.reopen()
    chain.check()
    grown = chain.read_growth()
    assert (0 if grown is None else grown.moved) == min(writes_left * 100, 256)
    store.writes_left = 1 << 30
    chain.levels = 3
    chain.commit()


def test_a_bucket_that_is_damaged_is_named_and_not_moved() -> None:
    store = MemoryStore()
    chain = GrowingChain(store, 10, 2)
    key = make_tree_key(2, 2, 200)
    blob = store.get(key)
    assert blob
    store.write({key: blob[:-1] + bytes([blob[-1] ^ 1])}, sync=False)
    chain.reopen()
    with pytest.raises(DatabaseCorruptedError):
        chain.chain.compute_state({}, 3)


@pytest.mark.parametrize(
    "row", [b"\xc1", STORED_GROWTH.encode(StoredGrowth(5, Hash(bytes(32)), 0))]
)
def test_a_growth_that_does_not_fit_the_tree_is_named_at_open(row: bytes) -> None:
    store = MemoryStore()
    GrowingChain(store, 11, 2)
    store.write({META_GROWTH: row}, sync=False)
    with pytest.raises(DatabaseCorruptedError):
        ChainStore.open(store, CHAIN_ID)


def test_the_growing_trees_cache_is_a_part_of_the_trees() -> None:
    growth = TreeGrowth.begin(MemoryStore(), 3, 1_000_000)
    rows = {make_tree_key(3, 3, number): bytes(1_000) for number in range(2_000)}
    growth.cache.update(rows, [], 3)
    assert 200_000 < growth.cache.size <= 250_000
