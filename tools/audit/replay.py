"""A state of the audit's own: nothing of the audited node's state is believed.

Blocks are executed against it and it moves forward with their writes. It lives in a
store that is thrown away afterwards; nothing is synced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from primitives.hashing import Hash
from storage.engine import KeyValueStore, Reader, Row
from storage.schema import STATE_PREFIX
from storage.statetree import StateTree, compute_empty_root

_SCAN_ROWS = 2_000


class ReplayState:
    """State after the last replayed height. Satisfies the VM's StateReader."""

    def __init__(
        self, store: KeyValueStore, levels: int, root: Hash | None = None, keys: int = 0
    ) -> None:
        """``root`` is that of the ``keys`` rows in ``store``; None: it is empty."""
        self._store = store
        self._tree = StateTree(store, root or compute_empty_root(levels), levels, keys=keys)

    @property
    def root(self) -> Hash:
        """The root of the present state."""
        return self._tree.root

    @property
    def keys(self) -> int:
        """How many keys the present state has."""
        return self._tree.keys

    @property
    def levels(self) -> int:
        """The depth of the present state's tree."""
        return self._tree.levels

    @property
    def store(self) -> KeyValueStore:
        """The rows, for comparing them."""
        return self._store

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a state key, or None."""
        return self._store.get(STATE_PREFIX + key)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[Row]:
        """Return at most ``limit`` (key, value) under ``prefix``, ascending, above ``after``."""
        start = None if after is None else STATE_PREFIX + after
        rows = self._store.scan(STATE_PREFIX + prefix, start, limit)
        return [(key[1:], value) for key, value in rows]

    def apply(self, writes: Mapping[bytes, bytes | None], levels: int) -> Hash:
        """Move on by one block's writes; return the new root."""
        change = self._tree.compute_change(writes, levels)
        puts = dict(change.puts)
        deletes = list(change.deletes)
        for key, value in writes.items():
            if value is None:
                deletes.append(STATE_PREFIX + key)
            else:
                puts[STATE_PREFIX + key] = value
        self._store.write(puts, deletes, sync=False)
        self._tree.apply(change)
        return change.root


def find_row_differences(ours: Reader, theirs: Reader, prefix: bytes, limit: int) -> list[bytes]:
    """Return at most ``limit`` keys (without the prefix) whose rows differ in two stores."""
    different: list[bytes] = []
    mine, other = _walk(ours, prefix), _walk(theirs, prefix)
    left, right = next(mine, None), next(other, None)
    while (left is not None or right is not None) and len(different) < limit:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None  # the loop's condition
            different.append(left[0][len(prefix) :])
            left = next(mine, None)
        elif left is None or right[0] < left[0]:
            different.append(right[0][len(prefix) :])
            right = next(other, None)
        else:
            if left[1] != right[1]:
                different.append(left[0][len(prefix) :])
            left, right = next(mine, None), next(other, None)
    return different


def _walk(reader: Reader, prefix: bytes) -> Iterator[Row]:
    after: bytes | None = None
    while rows := reader.scan(prefix, after, _SCAN_ROWS):
        yield from rows
        after = rows[-1][0]
