"""Damaged, locked and unwritable folders end in named errors, never in wrong data."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest

from storage.errors import (
    DatabaseCorruptedError,
    DatabaseLockedError,
    DiskFullError,
    StorageError,
)
from storage.leveldb import LevelStore


def make_value(number: int) -> bytes:
    return random.Random(number).randbytes(500)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed database with a table file of some blocks and a log."""
    path = tmp_path / "db"
    with LevelStore.open(path) as store:
        rows = {b"%05d" % number: make_value(number) for number in range(400)}
        store.write(rows, sync=True)
    with LevelStore.open(path) as store:
        store.write({b"last": b"word"}, sync=True)
    return path


def read_everything(path: Path) -> None:
    with LevelStore.open(path) as store:
        store.scan(b"", None, 1_000)


def find(path: Path, pattern: str) -> Path:
    return sorted(path.glob(pattern))[0]


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x40
    path.write_bytes(data)


def expect_damage(path: Path) -> None:
    with pytest.raises(DatabaseCorruptedError) as caught:
        read_everything(path)
    assert caught.value.code == "database-corrupted"
    assert str(path) in str(caught.value)
    assert "peers" in str(caught.value)


def test_a_flipped_byte_in_a_table_is_named_or_harmless_but_never_wrong_data(
    folder: Path,
) -> None:
    table = find(folder, "*.ldb")
    size = table.stat().st_size
    named = 0
    for offset in [*range(7, size, size // 40), size - 5]:
        flip(table, offset)
        try:
            with LevelStore.open(folder) as store:
                for number in range(400):
                    assert store.get(b"%05d" % number) == make_value(number), offset
        except DatabaseCorruptedError as error:
            named += 1
            assert error.values_seen["folder"] == str(folder)
        flip(table, offset)
    # The few harmless ones are in the bloom filter, which is only a hint.
    assert named >= 35


def test_a_flipped_byte_in_the_log_is_refused_at_open(folder: Path) -> None:
    log = max(folder.glob("*.log"), key=lambda path: path.stat().st_size)
    flip(log, 20)
    expect_damage(folder)


def test_a_missing_table_is_named(folder: Path) -> None:
    find(folder, "*.ldb").unlink()
    expect_damage(folder)


def test_a_cut_table_is_named(folder: Path) -> None:
    table = find(folder, "*.ldb")
    table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
    expect_damage(folder)


def test_a_damaged_manifest_is_refused(folder: Path) -> None:
    flip(find(folder, "MANIFEST-*"), 12)
    expect_damage(folder)


def test_a_missing_manifest_is_refused(folder: Path) -> None:
    find(folder, "MANIFEST-*").unlink()
    expect_damage(folder)


def test_a_lost_current_file_is_not_taken_for_a_new_database(folder: Path) -> None:
    (folder / "CURRENT").unlink()
    expect_damage(folder)


def test_a_torn_end_of_the_log_loses_only_what_was_not_synced(folder: Path) -> None:
    log = max(folder.glob("*.log"), key=lambda path: path.stat().st_size)
    log.write_bytes(log.read_bytes()[:-3])
    with LevelStore.open(folder) as store:
        assert store.get(b"last") is None
        assert store.get(b"00001") == make_value(1)


def test_a_second_opening_is_refused_while_the_first_lives(folder: Path) -> None:
    with LevelStore.open(folder), pytest.raises(DatabaseLockedError) as caught:
        LevelStore.open(folder)
    assert caught.value.code == "database-locked"
    assert str(folder) in str(caught.value)


def test_a_file_in_place_of_the_folder_is_a_typed_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not a folder")
    with pytest.raises(StorageError) as caught:
        LevelStore.open(path)
    assert caught.value.code == "storage-io"


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The nearest thing to a full disk that a test may have: writes beyond fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_and_what_was_synced_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = LevelStore.open(path)
    store.write({b"before": b"1"}, sync=True)
    with file_size_limit(50_000), pytest.raises(DiskFullError) as caught:
        store.write({b"big": bytes(200_000)}, sync=True)
    assert caught.value.code == "disk-full"
    store.close()
    with LevelStore.open(path) as again:
        assert again.get(b"before") == b"1"
        assert again.get(b"big") is None


def test_a_damaged_block_never_shortens_a_scan_in_silence(tmp_path: Path) -> None:
    """LevelDB steps over a block that it cannot read, also where a scan would end anyway."""
    numbers = random.Random(1)
    rows = {
        b"%c%06d" % (numbers.choice(b"ab"), number): numbers.randbytes(40)
        for number in range(1_500)
    }
    folder = tmp_path / "db"
    with LevelStore.open(folder) as store:
        store.write(rows, sync=True)
    LevelStore.open(folder).close()  # the log becomes a table
    table = max(folder.glob("*.ldb"), key=lambda path: path.stat().st_size)
    whole = table.read_bytes()
    reported = 0
    for offset in range(50, len(whole), 401):
        table.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x40]) + whole[offset + 1 :])
        try:
            store = LevelStore.open(folder)
        except DatabaseCorruptedError:
            reported += 1
            continue
        with store:
            for reverse, prefix in product((False, True), (b"a", b"b", b"")):
                wanted = [
                    row
                    for row in sorted(rows.items(), reverse=reverse)
                    if row[0].startswith(prefix)
                ]
                try:
                    assert store.scan(prefix, None, 5_000, reverse) == wanted, offset
                except DatabaseCorruptedError:
                    reported += 1
    assert reported > 200
