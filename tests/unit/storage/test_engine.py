"""The store interface: LevelDB and its twin in memory pass the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.engine import KeyValueStore, compute_prefix_end
from storage.errors import StorageError
from storage.leveldb import LevelStore
from storage.memory import MemoryStore


@pytest.fixture(params=["leveldb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValueStore]:
    opened: KeyValueStore
    opened = LevelStore.open(tmp_path / "db") if request.param == "leveldb" else MemoryStore()
    with opened:
        yield opened


ROWS = {b"a": b"0", b"b1": b"1", b"b2": b"2", b"b3": b"3", b"c": b"4", b"\xff\xff": b"5"}


def test_a_written_value_is_read_back_and_an_unknown_key_is_none(store: KeyValueStore) -> None:
    store.write({b"k": b"v", b"empty": b""}, sync=True)
    assert store.get(b"k") == b"v"
    assert store.get(b"empty") == b""
    assert store.get(b"other") is None


def test_a_batch_deletes_and_puts_and_a_key_in_both_is_put(store: KeyValueStore) -> None:
    store.write({b"x": b"1", b"y": b"1"}, sync=False)
    store.write({b"x": b"2"}, [b"x", b"y", b"absent"], sync=False)
    assert store.get(b"x") == b"2"
    assert store.get(b"y") is None
    assert store.scan(b"", None, 10) == [(b"x", b"2")]


def test_a_scan_is_in_key_order_and_stays_within_the_prefix(store: KeyValueStore) -> None:
    store.write(ROWS, sync=False)
    assert [key for key, _ in store.scan(b"b", None, 10)] == [b"b1", b"b2", b"b3"]
    assert [key for key, _ in store.scan(b"", None, 10)] == sorted(ROWS)
    assert store.scan(b"zz", None, 10) == []


def test_a_scan_goes_on_after_a_key_exclusively(store: KeyValueStore) -> None:
    store.write(ROWS, sync=False)
    assert [key for key, _ in store.scan(b"b", b"b1", 10)] == [b"b2", b"b3"]
    assert [key for key, _ in store.scan(b"b", b"b15", 10)] == [b"b2", b"b3"]
    assert [key for key, _ in store.scan(b"b", b"a", 10)] == [b"b1", b"b2", b"b3"]
    assert store.scan(b"b", b"b3", 10) == []
    assert store.scan(b"b", b"c", 10) == []


def test_a_reverse_scan_goes_down_from_below_a_key(store: KeyValueStore) -> None:
    store.write(ROWS, sync=False)
    assert [key for key, _ in store.scan(b"b", None, 10, True)] == [b"b3", b"b2", b"b1"]
    assert [key for key, _ in store.scan(b"b", b"b3", 10, True)] == [b"b2", b"b1"]
    assert [key for key, _ in store.scan(b"b", b"c", 10, True)] == [b"b3", b"b2", b"b1"]
    assert store.scan(b"b", b"b1", 10, True) == []
    assert store.scan(b"b", b"a", 10, True) == []
    assert [key for key, _ in store.scan(b"\xff", None, 10, True)] == [b"\xff\xff"]


def test_a_reverse_scan_finds_the_last_key_of_the_store_when_it_is_the_prefix(
    store: KeyValueStore,
) -> None:
    store.write({b"a": b"1", b"b": b"2"}, sync=False)
    assert store.scan(b"b", None, 10, True) == [(b"b", b"2")]


def test_a_scan_returns_at_most_its_limit(store: KeyValueStore) -> None:
    store.write(ROWS, sync=False)
    assert store.scan(b"b", None, 2) == [(b"b1", b"1"), (b"b2", b"2")]
    assert store.scan(b"b", None, 2, True) == [(b"b3", b"3"), (b"b2", b"2")]
    assert store.scan(b"b", None, 0) == []
    assert store.scan(b"b", None, -1) == []


def test_a_snapshot_does_not_see_later_writes(store: KeyValueStore) -> None:
    store.write({b"k": b"1", b"gone": b"1"}, sync=False)
    snapshot = store.snapshot()
    store.write({b"k": b"2", b"new": b"2"}, [b"gone"], sync=False)
    assert snapshot.get(b"k") == b"1"
    assert snapshot.get(b"new") is None
    assert snapshot.scan(b"", None, 10) == [(b"gone", b"1"), (b"k", b"1")]
    assert store.scan(b"", None, 10) == [(b"k", b"2"), (b"new", b"2")]
    snapshot.close()
    snapshot.close()


def test_many_new_keys_in_one_batch_stay_in_order(store: KeyValueStore) -> None:
    numbers = [number * 7919 % 1000 for number in range(1000)]
    store.write({b"%04d" % number: b"" for number in numbers}, sync=False)
    store.write({}, [b"%04d" % number for number in range(0, 1000, 2)], sync=False)
    expected = [b"%04d" % number for number in range(1, 1000, 2)]
    assert [key for key, _ in store.scan(b"", None, 2000)] == expected


def test_a_closed_store_says_so(store: KeyValueStore) -> None:
    snapshot = store.snapshot()
    snapshot.close()
    store.close()
    store.close()
    for read in (
        lambda: store.get(b"k"),
        lambda: store.write({b"k": b"v"}, sync=False),
        lambda: store.scan(b"", None, 1),
        store.snapshot,
        lambda: store.compute_size(b""),
        lambda: snapshot.get(b"k"),
        lambda: snapshot.scan(b"", None, 1),
    ):
        with pytest.raises(StorageError) as caught:
            read()
        assert caught.value.code == "store-closed"


def test_the_size_of_a_prefix_is_about_what_was_written(tmp_path: Path) -> None:
    memory = MemoryStore()
    memory.write({b"a": b"x" * 99, b"b": b"x" * 9}, sync=False)
    assert memory.compute_size(b"a") == 100
    folder = tmp_path / "db"
    with LevelStore.open(folder) as level:
        level.write({b"a%d" % i: bytes([i]) * 1000 for i in range(200)}, sync=True)
    with LevelStore.open(folder) as level:  # the log became a table file
        assert level.compute_size(b"a") > 0
        assert level.compute_size(b"\xff") == 0


def test_what_was_written_with_sync_is_there_after_opening_again(tmp_path: Path) -> None:
    with LevelStore.open(tmp_path / "deep" / "db") as store:
        store.write({b"k": b"v"}, sync=True)
    with LevelStore.open(tmp_path / "deep" / "db") as store:
        assert store.get(b"k") == b"v"
        assert store.folder == tmp_path / "deep" / "db"


@pytest.mark.parametrize(
    ("prefix", "end"),
    [(b"", None), (b"\xff", None), (b"\xff\xff", None), (b"a", b"b"), (b"a\xff", b"b")],
)
def test_the_end_of_a_prefix_is_the_next_key_that_lacks_it(
    prefix: bytes, end: bytes | None
) -> None:
    assert compute_prefix_end(prefix) == end
