"""The ordered key-value store that everything in this package stands on.

Two implementations pass the same tests: LevelDB on disk (leveldb.py) and a twin in
memory (memory.py). Nothing here knows what is stored. Keys and values are bytes, keys
are never empty and are ordered bytewise. All methods may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Protocol, Self

Row = tuple[bytes, bytes]


class Reader(Protocol):
    """Reads from one moment of a store, or from its present."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None. Raises DatabaseCorruptedError for damaged bytes."""
        ...

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[Row]:
        """Return at most ``limit`` rows whose key begins with ``prefix``, in key order.

        ``after`` is exclusive: rows above it, or below it when ``reverse``.
        """
        ...


class Snapshot(Reader, Protocol):
    """A frozen moment; hold it briefly and close it, it keeps old data alive."""

    def close(self) -> None:
        """Release the moment. Closing twice is harmless."""
        ...


class KeyValueStore(Reader, Protocol):
    """An ordered store with atomic batches."""

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        """Apply all of it or nothing; a key in both is put. With ``sync`` it is durable.

        Raises DiskFullError, DatabaseCorruptedError or StorageError.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Return the present moment as a reader that no later write changes."""
        ...

    def compute_size(self, prefix: bytes) -> int:
        """Return the approximate number of bytes stored under ``prefix``."""
        ...

    def compact(self, first: bytes, last: bytes) -> None:
        """Rewrite the rows from ``first`` to ``last``: what was deleted there frees its space."""
        ...

    def close(self) -> None:
        """Release the store. Closing twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def compute_prefix_end(prefix: bytes) -> bytes | None:
    """Return the smallest key above every key with ``prefix``; None when there is none."""
    trimmed = prefix.rstrip(b"\xff")
    if not trimmed:
        return None
    return trimmed[:-1] + bytes([trimmed[-1] + 1])
