"""Bounded memory for the state tree's rows: least recently written goes first.

Only a commit changes it, so a computation on another thread never sees half of one
and never needs a lock. Rows that are only read are not kept: what a block touches is
what the next one touches.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping

ROW_OVERHEAD_BYTES = 160
"""Python's objects for one row: two bytes headers, a dict slot, the order links."""


class BlobCache:
    """Database rows by key, at most ``bytes_max`` of them."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._rows: OrderedDict[bytes, bytes] = OrderedDict()

    @property
    def blobs(self) -> Mapping[bytes, bytes]:
        """The rows, for reading only."""
        return self._rows

    @property
    def size(self) -> int:
        """Bytes held, overhead included."""
        return self._bytes

    def update(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes]) -> None:
        """Take a commit's rows; forget the oldest when there are too many bytes."""
        rows = self._rows
        for key in deletes:
            old = rows.pop(key, None)
            if old is not None:
                self._bytes -= len(old) + ROW_OVERHEAD_BYTES
        for key, blob in puts.items():
            old = rows.get(key)
            if old is None:
                self._bytes += ROW_OVERHEAD_BYTES
            else:
                rows.move_to_end(key)
                self._bytes -= len(old)
            rows[key] = blob
            self._bytes += len(blob)
        while self._bytes > self._bytes_max and rows:
            _, old = rows.popitem(last=False)
            self._bytes -= len(old) + ROW_OVERHEAD_BYTES

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self._bytes = 0
