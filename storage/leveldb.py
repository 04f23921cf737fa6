"""LevelDB behind the store interface: the only file that imports plyvel.

Every read verifies checksums and every open is paranoid: a damaged block is named
and refused, never served. A folder with data but without its CURRENT file would be
opened as new by LevelDB; that is refused too. plyvel releases the GIL in every call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import plyvel

from storage.closing import Closing
from storage.engine import Row, compute_prefix_end
from storage.errors import (
    DatabaseLockedError,
    DiskFullError,
    StorageError,
    make_corrupted_error,
    make_io_error,
)

CACHE_BYTES_DEFAULT = 64 * 1024 * 1024
BLOOM_BITS = 10
"""About 1 % false positives; a get of an absent key costs no disk read."""
WRITE_BUFFER_BYTES = 16 * 1024 * 1024
"""Fewer, larger level-0 files: a block's batch is up to several megabytes."""
WRITE_BUFFER_BYTES_SMALL = 4 * 1024 * 1024
"""Of a database that must stay small: four of it wait unmerged, and the log has one more."""
OPEN_FILES_MAX = 256

_LAST_KEY = b"\xff" * 64
_LOCK_MARKS = ("lock", "Resource temporarily unavailable", "already held")
_SPACE_MARKS = ("No space left", "Disk quota exceeded", "File too large")
_DAMAGE_MARKS = ("No such file", "does not exist", "Invalid argument")
"""A file that is gone, or shorter than its index says (a read past its end)."""


class _LevelReader:
    """Reads of a store or of a snapshot of it: plyvel gives both the same methods."""

    _raw: Any
    _folder: Path

    def get(self, key: bytes) -> bytes | None:
        # Spelled out: a context manager would cost a third of a cached get.
        try:
            value: bytes | None = self._raw.get(key, verify_checksums=True)
        except (plyvel.Error, RuntimeError) as error:
            raise _make_error(self._folder, error) from error
        return value

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[Row]:
        with _translated(self._folder):
            return _scan(self._raw.iterator, prefix, after, limit, reverse)


class LevelSnapshot(_LevelReader):
    """A frozen moment of a LevelStore."""

    def __init__(self, raw: Any, folder: Path) -> None:
        self._raw = raw
        self._folder = folder

    def close(self) -> None:
        self._raw.close()


class LevelStore(_LevelReader, Closing):
    """An ordered store in a folder of its own. One process at a time."""

    def __init__(self, raw: Any, folder: Path) -> None:
        self._raw = raw
        self._folder = folder

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        cache_bytes: int = CACHE_BYTES_DEFAULT,
        write_buffer_bytes: int = WRITE_BUFFER_BYTES,
    ) -> LevelStore:
        """Open or make the store in ``folder`` (parents are made too).

        Raises DatabaseCorruptedError, DatabaseLockedError, DiskFullError or
        StorageError 'storage-io'; each names the folder.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise make_io_error(folder, error) from error
        _check_not_headless(folder)
        with _translated(folder):
            raw = plyvel.DB(
                str(folder),
                create_if_missing=True,
                paranoid_checks=True,
                write_buffer_size=write_buffer_bytes,
                max_open_files=OPEN_FILES_MAX,
                lru_cache_size=cache_bytes,
                bloom_filter_bits=BLOOM_BITS,
            )
        return cls(raw, folder)

    @property
    def folder(self) -> Path:
        """Where the store is."""
        return self._folder

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        with _translated(self._folder):
            batch = self._raw.write_batch(sync=sync)
            for key in deletes:
                batch.delete(key)
            for key, value in puts.items():
                batch.put(key, value)
            batch.write()

    def snapshot(self) -> LevelSnapshot:
        with _translated(self._folder):
            return LevelSnapshot(self._raw.snapshot(), self._folder)

    def compute_size(self, prefix: bytes) -> int:
        with _translated(self._folder):
            end = compute_prefix_end(prefix)
            size: int = self._raw.approximate_size(prefix, _LAST_KEY if end is None else end)
            return size

    def compact(self, first: bytes, last: bytes) -> None:
        with _translated(self._folder):
            self._raw.compact_range(start=first, stop=last)

    def close(self) -> None:
        self._raw.close()


def _scan(
    make_iterator: Callable[..., Any],
    prefix: bytes,
    after: bytes | None,
    limit: int,
    reverse: bool,
) -> list[Row]:
    start, stop = prefix, compute_prefix_end(prefix)
    is_start_included = True
    if after is not None and reverse:
        stop = after if stop is None else min(stop, after)
    elif after is not None and after >= start:
        start, is_start_included = after, False
    if limit <= 0 or (stop is not None and stop <= start):
        return []
    rows: list[Row] = []
    with make_iterator(
        reverse=reverse,
        # Backwards plyvel 1.5.1 loses a key that equals start and is the store's last,
        # so the prefix ends that loop instead.
        start=None if reverse else start,
        stop=stop,
        include_start=is_start_included,
        include_stop=False,
        verify_checksums=True,
    ) as iterator:
        for row in iterator:
            if reverse and not row[0].startswith(prefix):
                break
            rows.append(row)
            if len(rows) == limit:
                return rows
        # LevelDB steps over a damaged block, and plyvel does not look where a loop ends by
        # itself; the error stays with the iterator, and a seek raises it.
        iterator.seek(start)
    return rows


def _check_not_headless(folder: Path) -> None:
    """LevelDB makes a new, empty database over one whose CURRENT file is lost."""
    if (folder / "CURRENT").exists():
        return
    left = sorted(path.name for path in folder.glob("*") if path.suffix in (".ldb", ".sst", ".log"))
    if left:
        raise make_corrupted_error(folder, f"no CURRENT file beside {left[0]}")


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Turn plyvel's errors into ours, with the folder and what can be done."""
    try:
        yield
    except (plyvel.Error, RuntimeError) as error:
        raise _make_error(folder, error) from error


def _make_error(folder: Path, error: Exception) -> StorageError:
    text = _get_text(error)
    if isinstance(error, RuntimeError):
        return StorageError("the store is closed", code="store-closed", folder=str(folder))
    if isinstance(error, plyvel.CorruptionError) or any(mark in text for mark in _DAMAGE_MARKS):
        return make_corrupted_error(folder, text)
    if any(mark in text for mark in _SPACE_MARKS):
        return DiskFullError(
            "no space left on the disk; free some, then start again", folder=str(folder)
        )
    if any(mark in text for mark in _LOCK_MARKS):
        return DatabaseLockedError(
            "another process has the database open; is a node running on this home?",
            folder=str(folder),
        )
    return StorageError("input/output error", code="storage-io", folder=str(folder), detail=text)


def _get_text(error: Exception) -> str:
    """plyvel's errors carry bytes or text, depending on where they come from."""
    first = error.args[0] if error.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
