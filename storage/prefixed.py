"""A part of a store that looks like a store: every key begins with one prefix.

The indexes keep two generations in one LevelDB this way, so that a new one is built
beside the one that answers and takes its place in one write.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from storage.engine import KeyValueStore, Reader, Row


class PrefixedReader:
    """Reads ``base`` under ``prefix``. The base is closed by its owner."""

    def __init__(self, base: Reader, prefix: bytes) -> None:
        self._base = base
        self._prefix = prefix

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None."""
        return self._base.get(self._prefix + key)

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[Row]:
        """Return rows as every Reader does, without our prefix."""
        cut = len(self._prefix)
        start = None if after is None else self._prefix + after
        rows = self._base.scan(self._prefix + prefix, start, limit, reverse)
        return [(key[cut:], value) for key, value in rows]


class PrefixedStore(PrefixedReader):
    """Writes too."""

    def __init__(self, store: KeyValueStore, prefix: bytes) -> None:
        super().__init__(store, prefix)
        self._store = store

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        """Apply all of it or nothing."""
        prefix = self._prefix
        self._store.write(
            {prefix + key: value for key, value in puts.items()},
            [prefix + key for key in deletes],
            sync=sync,
        )

    def compute_size(self, prefix: bytes) -> int:
        """Return the approximate number of bytes stored under ``prefix``."""
        return self._store.compute_size(self._prefix + prefix)

    def compact(self, first: bytes, last: bytes) -> None:
        """Rewrite the rows from ``first`` to ``last``."""
        self._store.compact(self._prefix + first, self._prefix + last)
