"""The in-memory twin of the LevelDB store, for tests, simulation and offline audit.

Passes the same tests as leveldb.py. Snapshots share the data until the next write,
which then copies it once; nothing survives the process.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Mapping
from threading import Lock

from storage.closing import Closing
from storage.engine import Row, compute_prefix_end
from storage.errors import StorageError

_SORT_FROM_KEYS = 64
"""From so many new keys on, one sort is cheaper than inserting each in its place."""


class _Frozen:
    """Sorted keys and their values; nobody changes them while a snapshot holds them."""

    def __init__(self, keys: list[bytes], values: dict[bytes, bytes]) -> None:
        self.keys = keys
        self.values = values

    def get_slice(self, prefix: bytes) -> tuple[int, int]:
        """Return the positions [low, high) of the keys with ``prefix``."""
        end = compute_prefix_end(prefix)
        low = bisect_left(self.keys, prefix)
        return low, len(self.keys) if end is None else bisect_left(self.keys, end)

    def scan(self, prefix: bytes, after: bytes | None, limit: int, reverse: bool) -> list[Row]:
        low, high = self.get_slice(prefix)
        if after is not None and reverse:
            high = max(low, min(high, bisect_left(self.keys, after)))
        elif after is not None:
            low = min(high, max(low, bisect_right(self.keys, after)))
        count = max(limit, 0)
        if reverse:
            keys = self.keys[max(low, high - count) : high][::-1]
        else:
            keys = self.keys[low : min(high, low + count)]
        return [(key, self.values[key]) for key in keys]


class MemorySnapshot:
    """A frozen moment of a MemoryStore."""

    def __init__(self, frozen: _Frozen) -> None:
        self._frozen: _Frozen | None = frozen

    def get(self, key: bytes) -> bytes | None:
        return _check_open(self._frozen).values.get(key)

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[Row]:
        return _check_open(self._frozen).scan(prefix, after, limit, reverse)

    def close(self) -> None:
        self._frozen = None


class MemoryStore(Closing):
    """An ordered store in this process's memory."""

    def __init__(self) -> None:
        self._data: _Frozen | None = _Frozen([], {})
        self._is_shared = False
        self._lock = Lock()

    def get(self, key: bytes) -> bytes | None:
        return _check_open(self._data).values.get(key)

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[Row]:
        with self._lock:
            return _check_open(self._data).scan(prefix, after, limit, reverse)

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        with self._lock:
            data = _check_open(self._data)
            if self._is_shared:
                data = self._data = _Frozen(list(data.keys), dict(data.values))
                self._is_shared = False
            _delete(data, deletes, puts)
            _put(data, puts)

    def snapshot(self) -> MemorySnapshot:
        with self._lock:
            self._is_shared = True
            return MemorySnapshot(_check_open(self._data))

    def compute_size(self, prefix: bytes) -> int:
        with self._lock:
            data = _check_open(self._data)
            low, high = data.get_slice(prefix)
            return sum(len(key) + len(data.values[key]) for key in data.keys[low:high])

    def compact(self, first: bytes, last: bytes) -> None:
        _check_open(self._data)

    def close(self) -> None:
        self._data = None


def _delete(data: _Frozen, deletes: Collection[bytes], puts: Mapping[bytes, bytes]) -> None:
    gone = {key for key in deletes if key in data.values and key not in puts}
    if not gone:
        return
    for key in gone:
        del data.values[key]
    data.keys[:] = [key for key in data.keys if key not in gone]


def _put(data: _Frozen, puts: Mapping[bytes, bytes]) -> None:
    added = [key for key in puts if key not in data.values]
    data.values.update(puts)
    if len(added) >= _SORT_FROM_KEYS:
        data.keys.extend(added)
        data.keys.sort()
    else:
        for key in added:
            insort(data.keys, key)


def _check_open(data: _Frozen | None) -> _Frozen:
    if data is None:
        raise StorageError("the store is closed", code="store-closed")
    return data
