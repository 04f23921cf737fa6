"""The authenticated state tree: roots, changes that may be thrown away, damage."""

from __future__ import annotations

import random
from collections.abc import Mapping
from hashlib import sha256

import pytest

from primitives.hashing import Tag, compute_hash
from storage.engine import KeyValueStore
from storage.errors import CommitError, DatabaseCorruptedError, StorageError
from storage.memory import MemoryStore
from storage.schema import TREE_PREFIX, make_tree_key
from storage.statetree import (
    StateTree,
    compute_empty_root,
    read_root,
)
from storage.treecache import ROW_OVERHEAD_BYTES, TreeCache
from storage.treesession import StateChange, update_bucket

Writes = Mapping[bytes, bytes | None]


def compute_model_root(state: Mapping[bytes, bytes], levels: int) -> bytes:
    """The definition, written the slow way: every bucket and node hashed from nothing."""
    buckets: dict[int, list[bytes]] = {}
    for key, value in state.items():
        key_hash = compute_hash(Tag.STATE_KEY, key)
        index = int.from_bytes(key_hash, "big") >> (256 - 4 * levels)
        buckets.setdefault(index, []).append(key_hash + compute_hash(Tag.STATE_VALUE, value))

    def compute_subtree(level: int, index: int) -> bytes:
        if level == levels:
            return compute_hash(Tag.STATE_BUCKET, b"".join(sorted(buckets.get(index, []))))
        children = (compute_subtree(level + 1, 16 * index + branch) for branch in range(16))
        return compute_hash(Tag.STATE_NODE, b"".join(children))

    return compute_subtree(0, 0)


def make_tree(levels: int = 2, cache_bytes: int = 1 << 20) -> tuple[MemoryStore, StateTree]:
    store = MemoryStore()
    return store, StateTree(store, compute_empty_root(levels), levels, cache_bytes)


def commit(
    store: KeyValueStore, tree: StateTree, writes: Writes, levels: int | None = None
) -> StateChange:
    change = tree.compute_change(writes, levels)
    store.write(change.puts, change.deletes, sync=False)
    tree.apply(change)
    return change


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_root_is_the_one_of_the_definition(levels: int) -> None:
    store, tree = make_tree(levels)
    state: dict[bytes, bytes] = {}
    assert tree.root == compute_model_root(state, levels)
    for round_number in range(3):
        writes = {b"%d-%d" % (round_number, i): b"v%d" % i for i in range(50)}
        state.update(writes)
        commit(store, tree, dict(writes))
        assert tree.root == compute_model_root(state, levels)
    assert read_root(store, levels) == tree.root


GOLDEN_ROOTS = {
    1: "8f522fd55fb005359f50242c1a6e38def38feec4971cde6a051e2f34926f6007",
    4: "fe0bb1521ffbfd9b89392cec67b613027eafe9a5ce09ad0a36118c1a7e7ad32b",
    6: "112c20334aef603b3daa79827c67ec53d02764c7bd8839f932c88251dbf229be",
}


@pytest.mark.parametrize("levels", sorted(GOLDEN_ROOTS))
def test_golden_roots_do_not_change(levels: int) -> None:
    _, tree = make_tree(levels)
    change = tree.compute_change({b"units\0owner\0a": b"\x01", b"units\0owner\0b": b"", b"z": b"9"})
    assert change.root.hex() == GOLDEN_ROOTS[levels]


@pytest.mark.parametrize("levels", range(1, 7))
def test_deleting_every_key_leads_back_to_the_empty_root_and_leaves_no_rows(levels: int) -> None:
    store, tree = make_tree(levels)
    keys = [b"key-%d" % number for number in range(60)]
    commit(store, tree, dict.fromkeys(keys, b"v"))
    assert tree.root != compute_empty_root(levels)
    commit(store, tree, dict.fromkeys(keys[:30]))
    commit(store, tree, dict.fromkeys(keys[30:]))
    assert tree.root == compute_empty_root(levels)
    assert store.scan(b"", None, 10) == []


def test_computing_changes_nothing_and_may_be_thrown_away() -> None:
    store, tree = make_tree()
    commit(store, tree, {b"a": b"1", b"b": b"2"})
    before, rows = tree.root, store.scan(b"", None, 1000)
    thrown_away = tree.compute_change({b"a": b"other", b"b": None, b"c": b"3"})
    assert thrown_away.root != before
    assert tree.root == before
    assert store.scan(b"", None, 1000) == rows
    assert tree.compute_change({b"c": b"3"}).root == tree.compute_change({b"c": b"3"}).root
    commit(store, tree, {b"c": b"3"})
    assert tree.root == compute_model_root({b"a": b"1", b"b": b"2", b"c": b"3"}, 2)


def test_a_change_from_an_older_state_is_refused() -> None:
    store, tree = make_tree()
    stale = tree.compute_change({b"a": b"1"})
    commit(store, tree, {b"b": b"2"})
    before = tree.root
    with pytest.raises(CommitError) as caught:
        tree.apply(stale)
    assert caught.value.code == "state-change-stale"
    assert tree.root == before


def test_a_change_is_refused_even_when_the_root_came_back_to_where_it_was() -> None:
    store, tree = make_tree()
    stale = tree.compute_change({b"a": b"1"})
    commit(store, tree, {b"b": b"2"})
    commit(store, tree, {b"b": None})
    with pytest.raises(CommitError):
        tree.apply(stale)


def test_writing_the_value_that_is_there_and_deleting_what_is_not_changes_no_row() -> None:
    store, tree = make_tree()
    commit(store, tree, {b"a": b"1"})
    change = tree.compute_change({b"a": b"1", b"absent": None})
    assert change.root == tree.root
    assert not change.puts and not change.deletes


def test_an_empty_value_is_not_an_absent_one() -> None:
    _, tree = make_tree()
    assert tree.compute_change({b"a": b""}).root != tree.root


def test_the_order_of_the_writes_does_not_matter() -> None:
    _, tree = make_tree(1)
    writes = {b"%d" % number: b"%d" % number for number in range(100)}
    backwards = dict(reversed(writes.items()))
    assert tree.compute_change(writes).root == tree.compute_change(backwards).root


@pytest.mark.parametrize("cache_bytes", [0, 2_000, 1 << 20])
def test_the_root_does_not_depend_on_the_cache(cache_bytes: int) -> None:
    seed = 20_260_731
    numbers = random.Random(seed)
    store, tree = make_tree(3, cache_bytes)
    state: dict[bytes, bytes] = {}
    for _ in range(20):
        writes: dict[bytes, bytes | None] = {}
        for _ in range(20):
            key = b"%d" % numbers.randrange(150)
            writes[key] = None if numbers.random() < 0.3 else numbers.randbytes(8)
        for key, value in writes.items():
            state.pop(key, None)
            if value is not None:
                state[key] = value
        commit(store, tree, writes)
    assert tree.root == compute_model_root(state, 3), seed
    reopened = StateTree(store, tree.root, 3, cache_bytes)
    assert reopened.compute_change({b"x": b"y"}).root == tree.compute_change({b"x": b"y"}).root


@pytest.mark.parametrize(("before", "after"), [(1, 3), (2, 1), (3, 4), (4, 2)])
def test_another_depth_keeps_every_key_and_removes_the_old_rows(before: int, after: int) -> None:
    store, tree = make_tree(before)
    state = {b"k%d" % number: b"v%d" % number for number in range(80)}
    commit(store, tree, dict(state))
    commit(store, tree, {b"k1": None, b"k2": b"new", b"more": b"1"}, after)
    del state[b"k1"]
    state.update({b"k2": b"new", b"more": b"1"})
    assert tree.levels == after
    assert tree.root == compute_model_root(state, after)
    rows = store.scan(TREE_PREFIX, None, 10_000)
    assert {key[1] for key, _ in rows} <= {after << 4 | level for level in range(after + 1)}
    fresh_store, fresh = make_tree(after)
    commit(fresh_store, fresh, dict(state))
    assert store.scan(b"", None, 10_000) == fresh_store.scan(b"", None, 10_000)
    commit(store, tree, {b"k3": None})
    del state[b"k3"]
    assert tree.root == compute_model_root(state, after)


@pytest.mark.parametrize("levels", [0, 7, -1])
def test_a_depth_out_of_range_is_refused(levels: int) -> None:
    with pytest.raises(StorageError):
        StateTree(MemoryStore(), compute_empty_root(1), levels)
    _, tree = make_tree(1)
    with pytest.raises(StorageError):
        tree.compute_change({}, levels)


def test_damaged_rows_are_named_instead_of_hashed_on() -> None:
    store, tree = make_tree(2)
    commit(store, tree, {b"%d" % number: b"v" for number in range(200)})
    for key, blob in store.scan(TREE_PREFIX, None, 1_000):
        for spoiled in (blob[:-1] + bytes([blob[-1] ^ 1]), b""):
            store.write({key: spoiled}, sync=False)
            fresh = StateTree(store, tree.root, 2)
            with pytest.raises(DatabaseCorruptedError):
                fresh.compute_change({b"%d" % number: b"w" for number in range(200)})
        store.write({}, [key], sync=False)
        with pytest.raises(DatabaseCorruptedError):
            StateTree(store, tree.root, 2).compute_change(
                {b"%d" % number: b"w" for number in range(200)}
            )
        store.write({key: blob}, sync=False)


class CommitsDuringARead:
    """A store in whose next read, once armed, another thread commits ``change``."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.tree = StateTree(self, compute_empty_root(2), 2, 0)
        self.change: StateChange | None = None

    def get(self, key: bytes) -> bytes | None:
        if self.change is not None:
            change, self.change = self.change, None
            self.store.write(change.puts, change.deletes, sync=False)
            self.tree.apply(change)
        return self.store.get(key)

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        return self.store.scan(prefix, after, limit, reverse)


def test_a_commit_in_the_middle_of_a_computation_makes_it_stale_and_not_damage() -> None:
    racing = CommitsDuringARead()
    commit(racing.store, racing.tree, {b"%d" % number: b"v" for number in range(100)})
    racing.change = racing.tree.compute_change({b"%d" % number: b"w" for number in range(100)})
    with pytest.raises(CommitError) as caught:
        racing.tree.compute_change({b"5": b"x"})
    assert caught.value.code == "state-change-stale"


def test_the_cache_keeps_to_its_bytes_and_drops_the_oldest_written() -> None:
    row = ROW_OVERHEAD_BYTES + 100
    cache = TreeCache(3 * row)
    a, b, c, d, huge = (make_tree_key(2, 2, number) for number in range(5))
    for name in (a, b, c):
        cache.update({name: bytes(100)}, [], 2)
    cache.update({a: bytes(100)}, [], 2)
    cache.update({d: bytes(100)}, [], 2)
    assert set(cache.buckets) == {c, a, d}
    assert cache.size == 3 * row
    cache.update({}, [c, make_tree_key(2, 2, 99)], 2)
    assert cache.size == 2 * row
    cache.update({huge: bytes(10 * row)}, [], 2)
    assert cache.size == 0 and not cache.buckets
    cache.resize(10 * row)
    for name in (a, b, c, d):
        cache.update({name: bytes(100)}, [], 2)
    assert len(cache.buckets) == 4


def test_buckets_never_push_nodes_out_of_the_cache_and_nodes_leave_half_of_it() -> None:
    row = ROW_OVERHEAD_BYTES + 100
    cache = TreeCache(8 * row)
    nodes = [make_tree_key(2, 1, number) for number in range(6)]
    buckets = [make_tree_key(2, 2, number) for number in range(20)]
    cache.update(dict.fromkeys(nodes[:3], bytes(100)), [], 2)
    cache.update(dict.fromkeys(buckets, bytes(100)), [], 2)
    assert list(cache.nodes) == nodes[:3] and list(cache.buckets) == buckets[-5:]
    cache.update(dict.fromkeys(nodes, bytes(100)), [], 2)
    assert list(cache.nodes) == nodes[2:] and list(cache.buckets) == buckets[-4:]
    assert cache.size == 8 * row


def test_a_bucket_finds_only_whole_entries() -> None:
    """A key hash that stands across two entries of a bucket is no entry."""
    first, second = b"\x01" * 32, b"\x03" * 32
    across = second[:16] + b"\x05" * 16
    bucket = first + b"\x02" * 16 + second[:16] + b"\x05" * 16 + b"\x06" * 16 + b"\x07" * 32
    assert bucket.find(across) == 48
    assert update_bucket(bucket, [(across, None)]) == bucket
    longer = update_bucket(bucket, [(across, b"\x09" * 32)])
    assert longer == bucket[:64] + across + b"\x09" * 32 + bucket[64:]
    assert update_bucket(longer, [(across, b"\x08" * 32)])[64:128] == across + b"\x08" * 32
    assert update_bucket(longer, [(across, None)]) == bucket
    assert update_bucket(b"", [(first, None)]) == b""


def test_a_bucket_row_is_the_sorted_run_of_key_and_value_hashes() -> None:
    store, tree = make_tree(1)
    keys = [b"%d" % number for number in range(100)]
    commit(store, tree, dict.fromkeys(keys, b"v"))
    hashes = sorted(compute_hash(Tag.STATE_KEY, key) for key in keys)
    value_hash = sha256(Tag.STATE_VALUE.value + b"v").digest()
    for index in range(16):
        expected = b"".join(item + value_hash for item in hashes if item[0] >> 4 == index)
        assert (store.get(make_tree_key(1, 1, index)) or b"") == expected
