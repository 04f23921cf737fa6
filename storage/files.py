"""The files of the vote log and the signer record: small, few, and durable when they say so.

Two implementations pass the same tests: ``DiskFiles`` here, and the simulator's, which
loses at a crash what was not synced. Each call names the path in its error, and each
says what is durable when it returns. Raises DiskFullError, DatabaseLockedError or
StorageError 'storage-io'.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from storage.errors import DatabaseLockedError, make_io_error

_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class File(Protocol):
    """An open file."""

    def lock(self) -> None:
        """Take the file until it is closed. Raises DatabaseLockedError when it is taken."""
        ...

    def read(self) -> bytes:
        """Return all of its bytes."""
        ...

    def write(self, data: bytes, offset: int) -> None:
        """Write all of ``data`` at ``offset``; nothing is durable yet."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file; nothing is durable yet."""
        ...

    def sync(self) -> None:
        """Return when the file's bytes, and its size, are on disk."""
        ...

    def close(self) -> None:
        """Release it, and its lock."""
        ...


class Files(Protocol):
    """The files of one machine."""

    def exists(self, path: Path) -> bool:
        """Whether there is a file or folder of that name."""
        ...

    def make_folder(self, folder: Path) -> None:
        """Make ``folder`` and its parents, durably."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in ``folder`` are on disk: a new file is one only then."""
        ...

    def list(self, folder: Path, pattern: str) -> list[Path]:
        """Return the files in ``folder`` that match, in the order of their names."""
        ...

    def open(self, path: Path, *, make: bool = False, empty: bool = False) -> File:
        """Open for reading and writing: ``make`` it if it is absent, ``empty`` it."""
        ...

    def read(self, path: Path) -> bytes:
        """Return a file's bytes."""
        ...

    def rename(self, path: Path, target: Path) -> None:
        """Give a file the name ``target``, whose file it replaces; see ``sync_folder``."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file; harmless when there is none."""
        ...


class DiskFile:
    """A file of the operating system."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseLockedError(
                "another process has the file open; is a node running on this home?",
                path=str(self._path),
            ) from None
        except OSError as error:
            raise make_io_error(self._path, error) from error

    def read(self) -> bytes:
        with _translated(self._path):
            return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    def write(self, data: bytes, offset: int) -> None:
        rest = memoryview(data)
        with _translated(self._path):
            while rest:  # the system may take it in pieces
                written = os.pwrite(self._descriptor, rest, offset)
                rest, offset = rest[written:], offset + written

    def truncate(self, size: int) -> None:
        with _translated(self._path):
            os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        with _translated(self._path):
            _sync_data(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


class DiskFiles:
    """The files of this machine."""

    def exists(self, path: Path) -> bool:
        return path.exists()

    def make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.sync_folder(folder.parent)

    def sync_folder(self, folder: Path) -> None:
        with _translated(folder):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def list(self, folder: Path, pattern: str) -> list[Path]:
        return sorted(folder.glob(pattern))

    def open(self, path: Path, *, make: bool = False, empty: bool = False) -> DiskFile:
        flags = os.O_RDWR | os.O_CLOEXEC
        flags |= os.O_CREAT if make else 0
        flags |= os.O_TRUNC if empty else 0
        with _translated(path):
            # Private to the owner when the file is made.
            return DiskFile(os.open(path, flags, 0o600), path)

    def read(self, path: Path) -> bytes:
        with _translated(path):
            return path.read_bytes()

    def rename(self, path: Path, target: Path) -> None:
        with _translated(target):
            path.replace(target)

    def remove(self, path: Path) -> None:
        with _translated(path):
            path.unlink(missing_ok=True)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise make_io_error(path, error) from error


DISK_FILES = DiskFiles()


def write_durably(files: Files, path: Path, data: bytes) -> None:
    """Replace a file as a whole: after a crash it is the old one or the new one."""
    fresh = path.with_name(path.name + ".new")
    file = files.open(fresh, make=True, empty=True)
    try:
        file.write(data, 0)
        file.sync()
    finally:
        file.close()
    files.rename(fresh, path)
    files.sync_folder(path.parent)
