"""Bounded memory for the state tree's rows: least recently written goes first.

Inner nodes and buckets are kept apart. A block touches most nodes again and, in a large
state, hardly a bucket: a million buckets must not push out the nodes above them. Only a
commit changes the cache, so a computation on another thread never sees half of one and
never needs a lock. Rows that are only read are not kept: what a block touches is what the
next one touches.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

ROW_OVERHEAD_BYTES = 160
"""Python's objects for one row: two bytes headers, a dict slot, the order links."""
NODES_SHARE = 2
"""Nodes take at most this part (a half): all 69,905 of five levels in the default size."""
_LEVEL_AT = 1
"""Which byte of a row's key has depth and level (storage/schema.py)."""


class BlobCache:
    """Database rows by key, at most ``bytes_max`` of them."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.size = 0
        self.rows: OrderedDict[bytes, bytes] = OrderedDict()

    def put(self, key: bytes, blob: bytes) -> None:
        """Keep a row, as the last that would go."""
        rows = self.rows
        old = rows.get(key)
        if old is None:
            self.size += ROW_OVERHEAD_BYTES
        else:
            rows.move_to_end(key)
            self.size -= len(old)
        rows[key] = blob
        self.size += len(blob)

    def drop(self, key: bytes) -> None:
        """Forget a row, if it is here."""
        old = self.rows.pop(key, None)
        if old is not None:
            self.size -= len(old) + ROW_OVERHEAD_BYTES

    def trim(self) -> None:
        """Forget the oldest rows while there are too many bytes."""
        while self.size > self.bytes_max and self.rows:
            _, old = self.rows.popitem(last=False)
            self.size -= len(old) + ROW_OVERHEAD_BYTES


class TreeCache:
    """Nodes and buckets, at most ``bytes_max`` of both."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._nodes = BlobCache(bytes_max // NODES_SHARE)
        self._buckets = BlobCache(bytes_max)

    @property
    def nodes(self) -> Mapping[bytes, bytes]:
        """Inner nodes by the key of their row, for reading only."""
        return self._nodes.rows

    @property
    def buckets(self) -> Mapping[bytes, bytes]:
        """Buckets by the key of their row, for reading only."""
        return self._buckets.rows

    @property
    def size(self) -> int:
        """Bytes held, overhead included."""
        return self._nodes.size + self._buckets.size

    def update(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes], levels: int) -> None:
        """Take a commit's rows; forget the oldest when there are too many bytes."""
        nodes, buckets = self._nodes, self._buckets
        place = levels << 4 | levels
        for key in deletes:
            (buckets if key[_LEVEL_AT] == place else nodes).drop(key)
        for key, blob in puts.items():
            (buckets if key[_LEVEL_AT] == place else nodes).put(key, blob)
        nodes.trim()
        buckets.bytes_max = self._bytes_max - nodes.size
        buckets.trim()

    def resize(self, bytes_max: int) -> None:
        """Hold at most so much from the next commit on."""
        self._bytes_max = bytes_max
        self._nodes.bytes_max = bytes_max // NODES_SHARE


NO_CACHE: Final = TreeCache(0)
"""Holds nothing."""
