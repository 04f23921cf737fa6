"""One computation on the state tree: from the rows of a fixed root to those of the next.

A key belongs to the bucket of the first bits of its hash; a bucket is the sorted run of
(key hash, value hash) entries; an inner node is its 16 child hashes in one blob. Reads
and never changes anything. Source: DESIGN, "Authenticated state".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from primitives import limits
from primitives.hashing import Hash, Tag
from storage.engine import Reader
from storage.errors import DatabaseCorruptedError
from storage.schema import make_tree_key
from storage.stateproof import (
    BRANCHES,
    ENTRY_BYTES,
    LEVELS_MAX,
    NODE_BYTES,
    compute_empty_hashes,
    compute_node_hash,
)
from storage.treecache import TreeCache

_HASH = limits.HASH_BYTES
_KEY_TAG = Tag.STATE_KEY.value
_VALUE_TAG = Tag.STATE_VALUE.value
_BUCKET_TAG = Tag.STATE_BUCKET.value
_NODE_TAG = Tag.STATE_NODE.value

EMPTY: Final[Mapping[int, bytes]] = {}

Update = tuple[bytes, bytes | None]
"""(key hash, value hash or None for a deletion)."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a block does to the tree: the new root and the rows to write.

    ``puts`` and ``deletes`` are database rows; ``keys`` counts those of the state after it.
    ``generation`` says which state it was computed from; a change from an older one is
    refused.
    """

    root: Hash
    levels: int
    keys: int
    generation: int
    puts: Mapping[bytes, bytes]
    deletes: Collection[bytes]


class Session:
    """One computation: the reads of a fixed root, and nothing that outlives it."""

    def __init__(self, reader: Reader, cache: TreeCache, root: bytes, levels: int) -> None:
        self._get = reader.get
        self._nodes, self._buckets = cache.nodes, cache.buckets
        self._root = root
        self._levels = levels
        self._empty = compute_empty_hashes(levels)

    def compute_change(
        self,
        groups: Mapping[int, list[Update]],
        keys: int,
        generation: int,
        fresh: Mapping[int, bytes] = EMPTY,
    ) -> StateChange:
        """Return the change that ``groups`` (bucket -> its updates) make in ``keys`` keys.

        ``fresh`` are whole buckets for places that are empty and not among the groups.
        """
        nodes = self._read_paths([*groups, *fresh])
        puts: dict[bytes, bytes] = {}
        deletes: list[bytes] = []
        hashes, size = self._update_buckets(groups, nodes, puts, deletes)
        for index, bucket in fresh.items():
            puts[make_tree_key(self._levels, self._levels, index)] = bucket
            hashes[index] = sha256(_BUCKET_TAG + bucket).digest()
            size += len(bucket)
        for level in range(self._levels - 1, -1, -1):
            hashes = self._update_nodes(level, hashes, nodes[level], puts, deletes)
        root = Hash(hashes.get(0, self._root))
        return StateChange(
            root, self._levels, keys + size // ENTRY_BYTES, generation, puts, deletes
        )

    def read_buckets(self, first: int, end: int) -> dict[int, bytes]:
        """Return the buckets of a range that are not empty."""
        parents = self._read_paths(range(first, end))[-1]
        found = (
            (index, self.read_bucket(index, get_child(parents, index)))
            for index in range(first, end)
        )
        return {index: bucket for index, bucket in found if bucket}

    def _read_paths(self, buckets: Collection[int]) -> list[dict[int, bytes]]:
        """Return the inner nodes above ``buckets``: one dict of index -> 512 bytes a level."""
        levels = self._levels
        paths: list[dict[int, bytes]] = []
        places = [set(buckets)]
        for _ in range(levels):
            places.append({index >> 4 for index in places[-1]})
        places.reverse()
        for level in range(levels):
            if level == 0:
                found = {index: self.read_node(0, index, self._root) for index in places[0]}
            else:
                found = {
                    index: self.read_node(level, index, get_child(paths[-1], index))
                    for index in places[level]
                }
            paths.append(found)
        return paths

    def read_node(self, level: int, index: int, expected: bytes) -> bytes:
        """Return the 16 child hashes of a node, whose hash the parent says is ``expected``."""
        key = make_tree_key(self._levels, level, index)
        blob = self._nodes.get(key)
        if blob is not None:
            return blob
        if expected == self._empty[level]:
            return self._empty[level + 1] * BRANCHES
        stored = self._get(key)
        if stored is None or len(stored) != NODE_BYTES or compute_node_hash(stored) != expected:
            raise _make_tree_error(level, index)
        return stored

    def read_bucket(self, index: int, expected: bytes) -> bytes:
        """Return a bucket's entries. An empty one costs no read: the parent knows."""
        key = make_tree_key(self._levels, self._levels, index)
        blob = self._buckets.get(key)
        if blob is not None:
            return blob
        if expected == self._empty[self._levels]:
            return b""
        stored = self._get(key)
        if stored is None or sha256(_BUCKET_TAG + stored).digest() != expected:
            raise _make_tree_error(self._levels, index)
        return stored

    def _update_buckets(
        self,
        groups: Mapping[int, list[Update]],
        nodes: list[dict[int, bytes]],
        puts: dict[bytes, bytes],
        deletes: list[bytes],
    ) -> tuple[dict[int, bytes], int]:
        """Return the new hash of each bucket that changed, and the bytes more; add the rows."""
        parents, levels, growth = nodes[-1], self._levels, 0
        buckets, make_key = self._buckets, make_tree_key
        hashes: dict[int, bytes] = {}
        for index, updates in groups.items():
            key = make_key(levels, levels, index)
            old = buckets.get(key)
            if old is None:
                old = self.read_bucket(index, get_child(parents, index))
            new = update_bucket(old, updates)
            if new == old:
                continue
            if new:
                puts[key] = new
            else:
                deletes.append(key)
            growth += len(new) - len(old)
            hashes[index] = sha256(_BUCKET_TAG + new).digest()
        return hashes, growth

    def build_level(
        self, level: int, hashes: Mapping[int, bytes], puts: dict[bytes, bytes]
    ) -> dict[int, bytes]:
        """Return the hashes of the nodes of ``level`` in a tree that is new; add their rows."""
        absent = self._empty[level + 1] * BRANCHES
        old = dict.fromkeys({index >> 4 for index in hashes}, absent)
        return self._update_nodes(level, hashes, old, puts, [])

    def _update_nodes(
        self,
        level: int,
        hashes: Mapping[int, bytes],
        old: Mapping[int, bytes],
        puts: dict[bytes, bytes],
        deletes: list[bytes],
    ) -> dict[int, bytes]:
        """Return the new hashes of ``level``'s nodes above the changed ``hashes``."""
        changed: dict[int, bytearray] = {}
        for index, child in hashes.items():
            parent = index >> 4
            node = changed.get(parent)
            if node is None:
                node = changed[parent] = bytearray(old[parent])
            cut = (index & 15) * _HASH
            node[cut : cut + _HASH] = child
        empty = self._empty[level]
        result: dict[int, bytes] = {}
        for parent, node in changed.items():
            computed = sha256(_NODE_TAG + node).digest()
            if computed == empty:
                deletes.append(make_tree_key(self._levels, level, parent))
            else:
                puts[make_tree_key(self._levels, level, parent)] = bytes(node)
            result[parent] = computed
        return result


def group_updates(writes: Mapping[bytes, bytes | None], levels: int) -> dict[int, list[Update]]:
    """Return the updates of each bucket that ``writes`` touch."""
    groups: dict[int, list[Update]] = {}
    shift = 4 * (LEVELS_MAX - levels)
    for key, value in writes.items():
        key_hash = sha256(_KEY_TAG + key).digest()
        value_hash = None if value is None else sha256(_VALUE_TAG + value).digest()
        # compute_bucket_index, inlined: this line runs for each key of each block.
        index = int.from_bytes(key_hash[:3], "big") >> shift
        if index in groups:
            groups[index].append((key_hash, value_hash))
        else:
            groups[index] = [(key_hash, value_hash)]
    return groups


def update_bucket(bucket: bytes, updates: list[Update]) -> bytes:
    """Return ``bucket`` with ``updates`` in it, still sorted."""
    for key_hash, value_hash in updates:
        # Most updates are of keys that are there: one search in C, not a bisection.
        start = bucket.find(key_hash)
        while start > 0 and start % ENTRY_BYTES:
            start = bucket.find(key_hash, start + 1)
        if start >= 0:
            end = start + ENTRY_BYTES
            if value_hash is None:
                bucket = bucket[:start] + bucket[end:]
            else:
                bucket = bucket[: start + _HASH] + value_hash + bucket[end:]
        elif value_hash is not None:
            start = _find_place(bucket, key_hash)
            bucket = bucket[:start] + key_hash + value_hash + bucket[start:]
    return bucket


def _find_place(bucket: bytes, key_hash: bytes) -> int:
    """Return where the entry of a key that is not there belongs, by bisection."""
    low, high = 0, len(bucket) // ENTRY_BYTES
    while low < high:
        middle = (low + high) // 2
        start = middle * ENTRY_BYTES
        if bucket[start : start + _HASH] < key_hash:
            low = middle + 1
        else:
            high = middle
    return low * ENTRY_BYTES


def get_child(parents: Mapping[int, bytes], index: int) -> bytes:
    """Return the hash that the parent has for its child ``index``."""
    cut = (index & 15) * _HASH
    return parents[index >> 4][cut : cut + _HASH]


def _make_tree_error(level: int, index: int) -> DatabaseCorruptedError:
    return DatabaseCorruptedError(
        "the stored state tree does not fit its root", level=level, index=index
    )
