"""Small durable file operations for the vote log and the signer record.

Each names the path in its error, and each says what is durable when it returns.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from storage.errors import DatabaseLockedError, make_io_error

_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


def sync_data(descriptor: int, path: Path) -> None:
    """Return when the file's bytes, and its size, are on disk."""
    try:
        _sync_data(descriptor)
    except OSError as error:
        raise make_io_error(path, error) from error


def sync_folder(folder: Path) -> None:
    """Return when the names in ``folder`` are on disk: a new file is one only then."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise make_io_error(folder, error) from error


def write_all(descriptor: int, data: bytes, offset: int, path: Path) -> None:
    """Write all of ``data`` at ``offset``; the system may take it in pieces."""
    rest = memoryview(data)
    try:
        while rest:
            written = os.pwrite(descriptor, rest, offset)
            rest, offset = rest[written:], offset + written
    except OSError as error:
        raise make_io_error(path, error) from error


def open_file(path: Path, flags: int) -> int:
    """Return a descriptor, private to the owner when the file is made."""
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise make_io_error(path, error) from error


def lock_file(descriptor: int, path: Path) -> None:
    """Take the file for this process until the descriptor is closed.

    Raises DatabaseLockedError when another process, or another owner here, has it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DatabaseLockedError(
            "another process has the file open; is a node running on this home?", path=str(path)
        ) from None
    except OSError as error:
        raise make_io_error(path, error) from error


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents, durably."""
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise make_io_error(folder, error) from error
    sync_folder(folder.parent)
