"""The disk of one machine: what was synced survives a crash, the rest perhaps.

Operations are kept in order until they are certain. A job's writes become certain when
the job is over; a crash before that leaves any prefix of them. Written and not synced
bytes survive in part, the last of them torn; names made, changed or removed without a
sync of their folder survive or not. Passes the tests of the real files
(tests/unit/storage/test_files.py).
"""

from __future__ import annotations

import errno
import fnmatch
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from storage.errors import DatabaseLockedError, StorageError, make_io_error
from tools.simulator.whole.life import Life

OPEN_FILES_MAX = 64


@dataclass(frozen=True, slots=True)
class _Op:
    """One change: what, of which file (by number) or name, certain from when on."""

    kind: str
    number: int = 0
    path: Path | None = None
    target: Path | None = None
    data: bytes = b""
    offset: int = 0


@dataclass(slots=True)
class _Image:
    """Names and bytes: as written, and as a crash would leave them for certain."""

    names: dict[Path, int] = field(default_factory=dict)
    data: dict[int, bytearray] = field(default_factory=dict)
    certain_names: dict[Path, int] = field(default_factory=dict)
    certain_data: dict[int, bytes] = field(default_factory=dict)
    loose: dict[int, list[_Op]] = field(default_factory=dict)
    loose_names: list[_Op] = field(default_factory=list)

    def apply(self, op: _Op) -> None:
        """Take one operation."""
        if op.kind == "sync":
            self.certain_data[op.number] = bytes(self.data[op.number])
            self.loose.pop(op.number, None)
        elif op.kind == "sync-folder":
            for item in self.loose_names:
                _change_name(self.certain_names, item)
            self.loose_names.clear()
        elif op.kind in ("write", "truncate"):
            _change_bytes(self.data[op.number], op)
            self.loose.setdefault(op.number, []).append(op)
        else:
            if op.kind == "make":
                self.data[op.number] = bytearray()
                self.certain_data[op.number] = b""
            _change_name(self.names, op)
            self.loose_names.append(op)

    def crash(self, rng: random.Random) -> None:
        """Keep what is certain, and of the rest what chance leaves."""
        for op in self.loose_names:
            if rng.random() < 0.5:
                break
            _change_name(self.certain_names, op)
        for number, ops in self.loose.items():
            kept = bytearray(self.certain_data[number])
            for op in ops[: rng.randint(0, len(ops))]:
                size = len(op.data) if op is not ops[-1] else rng.randint(0, len(op.data))
                _change_bytes(kept, _Op(op.kind, data=op.data[:size], offset=op.offset))
            self.certain_data[number] = bytes(kept)
        self.loose.clear()
        self.loose_names.clear()
        self.names = dict(self.certain_names)
        self.data = {number: bytearray(self.certain_data[number]) for number in self.names.values()}
        self.certain_data = {number: bytes(data) for number, data in self.data.items()}


def _change_bytes(data: bytearray, op: _Op) -> None:
    if op.kind == "truncate":
        del data[op.offset :]
        return
    data.extend(bytes(max(0, op.offset - len(data))))
    data[op.offset : op.offset + len(op.data)] = op.data


def _change_name(names: dict[Path, int], op: _Op) -> None:
    assert op.path is not None
    if op.kind == "make":
        names[op.path] = op.number
    elif op.kind == "rename" and op.target is not None:
        number = names.pop(op.path, None)
        if number is not None:
            names[op.target] = number
    elif op.kind == "remove":
        names.pop(op.path, None)


class Disk:
    """What survives a life. ``now`` tells when an operation done at this moment is certain."""

    def __init__(self, certain_at: Callable[[], float], now: Callable[[], float]) -> None:
        self._certain_at = certain_at
        self._now = now
        self._live = _Image()
        self._base = _Image()
        self._waiting: list[tuple[float, _Op]] = []
        self._next_number = 1
        self.folders: dict[Path, None] = {}
        self.locks: dict[int, None] = {}
        self.is_full: Callable[[], bool] = lambda: False

    def perform(self, op: _Op) -> None:
        """Change what the running node sees; certain later."""
        self._settle()
        self._live.apply(op)
        self._waiting.append((self._certain_at(), op))

    def new_number(self) -> int:
        """Return a number for a new file."""
        self._next_number += 1
        return self._next_number

    def find(self, path: Path) -> int | None:
        """Return the number of the file of that name."""
        return self._live.names.get(path)

    def get_names(self) -> list[Path]:
        """Return the names of all files."""
        return sorted(self._live.names)

    def get_data(self, number: int) -> bytes:
        """Return a file's bytes as its owner sees them."""
        return bytes(self._live.data[number])

    def read_certain(self, path: Path) -> bytes | None:
        """Return what a crash at this moment would leave of a file for certain."""
        self._settle()
        number = self._base.certain_names.get(path)
        return None if number is None else self._base.certain_data[number]

    def crash(self, rng: random.Random) -> None:
        """The power goes at this moment."""
        self._settle()
        for _, op in self._waiting[: rng.randint(0, len(self._waiting))]:
            self._base.apply(op)
        self._waiting.clear()
        self._base.crash(rng)
        self._live = _copy(self._base)
        self.locks.clear()

    def wipe(self, folder: Path) -> None:
        """Lose everything below ``folder``."""
        self._settle()
        self._waiting.clear()
        for image in (self._live, self._base):
            for names in (image.names, image.certain_names):
                for path in [path for path in names if path.is_relative_to(folder)]:
                    del names[path]
        for path in [path for path in self.folders if path.is_relative_to(folder)]:
            del self.folders[path]

    def _settle(self) -> None:
        now, count = self._now(), 0
        for certain_at, op in self._waiting:
            if certain_at > now:
                break
            self._base.apply(op)
            count += 1
        del self._waiting[:count]


def _copy(image: _Image) -> _Image:
    return _Image(
        dict(image.names),
        {number: bytearray(data) for number, data in image.data.items()},
        dict(image.certain_names),
        dict(image.certain_data),
    )


class MadeFile:
    """An open file of a made-up disk."""

    def __init__(self, files: MadeFiles, number: int, path: Path) -> None:
        self._files, self._number, self._path = files, number, path
        self._has_lock = False

    def lock(self) -> None:
        locks = self._files.disk.locks
        if self._number in locks:
            raise DatabaseLockedError("another owner has the file open", path=str(self._path))
        locks[self._number] = None
        self._has_lock = True

    def read(self) -> bytes:
        return self._files.disk.get_data(self._number)

    def write(self, data: bytes, offset: int) -> None:
        self._files.check(self._path)
        if self._files.disk.is_full():
            # Half of it may have found room.
            half = _Op("write", self._number, data=data[: len(data) // 2], offset=offset)
            self._files.disk.perform(half)
            raise make_io_error(self._path, OSError(errno.ENOSPC, "No space left on device"))
        self._files.disk.perform(_Op("write", self._number, data=bytes(data), offset=offset))

    def truncate(self, size: int) -> None:
        self._files.check(self._path)
        self._files.disk.perform(_Op("truncate", self._number, offset=size))

    def sync(self) -> None:
        self._files.check(self._path)
        self._files.disk.perform(_Op("sync", self._number))

    def close(self) -> None:
        if self._has_lock and not self._files.is_dead:
            self._files.disk.locks.pop(self._number, None)
        self._has_lock = False


class MadeFiles:
    """The files of one life on a disk. After that life everything fails."""

    def __init__(self, disk: Disk, life: Life | None = None) -> None:
        self.disk = disk
        self._life = life

    @property
    def is_dead(self) -> bool:
        """Whether the life is over."""
        return self._life is not None and self._life.is_dead

    def check(self, path: Path) -> None:
        """Raise when the life is over."""
        if self.is_dead:
            raise StorageError("the machine has crashed", code="crashed", path=str(path))

    def exists(self, path: Path) -> bool:
        return self.disk.find(path) is not None or path in self.disk.folders

    def make_folder(self, folder: Path) -> None:
        self.check(folder)
        while folder not in self.disk.folders and folder != folder.parent:
            self.disk.folders[folder] = None
            folder = folder.parent

    def sync_folder(self, folder: Path) -> None:
        self.check(folder)
        self.disk.perform(_Op("sync-folder", path=folder))

    def list(self, folder: Path, pattern: str) -> list[Path]:
        names = [path for path in self.disk.get_names() if path.parent == folder]
        return [path for path in names if fnmatch.fnmatch(path.name, pattern)]

    def open(self, path: Path, *, make: bool = False, empty: bool = False) -> MadeFile:
        self.check(path)
        number = self.disk.find(path)
        if number is None:
            if not make:
                raise make_io_error(path, FileNotFoundError(errno.ENOENT, "No such file"))
            number = self.disk.new_number()
            self.disk.perform(_Op("make", number, path))
        elif empty:
            self.disk.perform(_Op("truncate", number, offset=0))
        return MadeFile(self, number, path)

    def read(self, path: Path) -> bytes:
        number = self.disk.find(path)
        if number is None:
            raise make_io_error(path, FileNotFoundError(errno.ENOENT, "No such file"))
        return self.disk.get_data(number)

    def rename(self, path: Path, target: Path) -> None:
        self.check(path)
        self.disk.perform(_Op("rename", path=path, target=target))

    def remove(self, path: Path) -> None:
        self.check(path)
        if self.disk.find(path) is not None:
            self.disk.perform(_Op("remove", path=path))
