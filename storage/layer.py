"""Changes that lie over a reader without touching it: what is not written yet can be read.

The indexes use it twice: a block's own changes while they are computed, and the last
blocks that the indexer has not reached, so that a look-up right after a commit finds
them. One thread changes a layer; when nobody does, any thread reads it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping

from storage.engine import Reader, Row, compute_prefix_end

_CHUNK_ROWS = 32


class Layer:
    """A Reader of ``base`` with changes. A value of None hides the row below."""

    def __init__(self, base: Reader, changes: Mapping[bytes, bytes | None] | None = None) -> None:
        self._base = base
        self._changes: dict[bytes, bytes | None] = dict(changes or {})
        self._keys = sorted(self._changes)

    @property
    def changes(self) -> Mapping[bytes, bytes | None]:
        """Every key that was put, or deleted (None)."""
        return self._changes

    def put(self, key: bytes, value: bytes | None) -> None:
        """Change a row; None deletes it."""
        if key not in self._changes:
            insort(self._keys, key)
        self._changes[key] = value

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None."""
        return self._changes[key] if key in self._changes else self._base.get(key)

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[Row]:
        """Return rows as every Reader does: in key order, at most ``limit``."""
        rows: list[Row] = []
        below = self._walk_base(prefix, after, reverse)
        mine = self._walk_changes(prefix, after, reverse)
        left, right = next(below, None), next(mine, None)
        while (left is not None or right is not None) and len(rows) < limit:
            if right is None or (left is not None and (left[0] < right[0]) != reverse):
                assert left is not None  # the loop's condition
                if left[0] not in self._changes:
                    rows.append(left)
                left = next(below, None)
            else:
                key, value = right
                if value is not None:
                    rows.append((key, value))
                right = next(mine, None)
        return rows

    def _walk_base(self, prefix: bytes, after: bytes | None, reverse: bool) -> Iterator[Row]:
        while rows := self._base.scan(prefix, after, _CHUNK_ROWS, reverse):
            yield from rows
            if len(rows) < _CHUNK_ROWS:
                return
            after = rows[-1][0]

    def _walk_changes(
        self, prefix: bytes, after: bytes | None, reverse: bool
    ) -> Iterator[tuple[bytes, bytes | None]]:
        keys, end = self._keys, compute_prefix_end(prefix)
        low = bisect_left(keys, prefix)
        high = len(keys) if end is None else bisect_left(keys, end)
        if after is not None and reverse:
            high = max(low, min(high, bisect_left(keys, after)))
        elif after is not None:
            low = min(high, max(low, bisect_right(keys, after)))
        places = range(high - 1, low - 1, -1) if reverse else range(low, high)
        for place in places:
            yield keys[place], self._changes[keys[place]]
