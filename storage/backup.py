"""A consistent copy of a store, made while its owner goes on writing.

Every row of one pinned moment is written into a new store; the copy is compact and has
its own checksums, so a damaged block of the source is found by copying it. The folder
gets its name last. Restoring is putting the copy in the place of ``data/chain``; the
signer record is never part of it, because an old one would let a validator vote twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.engine import Reader, Row
from storage.errors import StorageError, make_io_error
from storage.files import DISK_FILES
from storage.leveldb import LevelStore

COPY_ROWS = 256
"""Rows read between two calls of ``pace``."""
BATCH_BYTES = 4 * 1024 * 1024
_PARTIAL_SUFFIX = ".partial"


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds."""

    rows: int
    bytes: int


def copy_store(source: Reader, target: Path, pace: Callable[[], None]) -> Copied:
    """Copy every row of ``source`` into a new store at ``target``; it must not exist.

    Raises StorageError, and what ``pace`` raises; nothing is left then.
    """
    if target.exists():
        raise StorageError("the folder exists already", code="backup-exists", path=str(target))
    partial = target.with_name(target.name + _PARTIAL_SUFFIX)
    shutil.rmtree(partial, ignore_errors=True)
    DISK_FILES.make_folder(target.parent)
    try:
        with LevelStore.open(partial) as store:
            copied = _copy_rows(source, store, pace)
        DISK_FILES.sync_folder(partial)
        partial.rename(target)
        DISK_FILES.sync_folder(target.parent)
    except OSError as error:
        raise make_io_error(target, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return copied


def _copy_rows(source: Reader, store: LevelStore, pace: Callable[[], None]) -> Copied:
    after: bytes | None = None
    count = size = pending = 0
    batch: list[Row] = []
    while rows := source.scan(b"", after, COPY_ROWS):
        batch += rows
        pending += sum(len(key) + len(value) for key, value in rows)
        count, after = count + len(rows), rows[-1][0]
        if pending >= BATCH_BYTES:
            store.write(dict(batch), sync=False)
            size, pending, batch = size + pending, 0, []
        pace()
    # The last one is synced, and with it all before it: they are in one log.
    store.write(dict(batch), sync=True)
    return Copied(count, size + pending)
