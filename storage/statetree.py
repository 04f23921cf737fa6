"""Authenticated state: a 16-ary tree of fixed depth over buckets of key hashes.

A key belongs to the bucket of the first bits of its hash; a bucket is the sorted run
of (key hash, value hash) entries; an inner node is its 16 child hashes in one blob.
Computing a root reads and never changes anything, so a computed change may be thrown
away (a view change); only ``apply`` moves the tree, after the change is on disk. One
computation is treesession.py; the tree of the next depth treegrowth.py.

Why fixed depth and buckets: 10-12 us an updated key at a million keys, against 37-50
for a binary sparse tree in the same place (DESIGN, "Storage"). Never holds values,
never decides anything about the chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from threading import Lock

from primitives import limits
from primitives.hashing import Hash, Tag
from storage.engine import Reader
from storage.errors import CommitError, DatabaseCorruptedError, StorageError
from storage.schema import make_tree_key
from storage.stateproof import (
    BRANCHES,
    BUCKET_PROOF_BYTES_MAX,
    LEVELS_MAX,
    StateProof,
    compute_bucket_index,
    compute_empty_hashes,
    compute_node_hash,
)
from storage.treecache import NO_CACHE, TreeCache
from storage.treegrowth import TreeGrowth, rebuild_tree
from storage.treesession import Session, StateChange, group_updates

CACHE_BYTES_DEFAULT = 96 * 1024 * 1024
"""Buckets and nodes of a million keys at four levels are about 75 MB."""

_HASH = limits.HASH_BYTES
_KEY_TAG = Tag.STATE_KEY.value


class StateTree:
    """The tree of the tip. One thread applies; any thread computes."""

    def __init__(
        self,
        reader: Reader,
        root: Hash,
        levels: int,
        cache_bytes: int = CACHE_BYTES_DEFAULT,
        keys: int = 0,
    ) -> None:
        """``keys`` are those under ``root``; the tree counts on from there."""
        check_levels(levels)
        self._reader = reader
        self._root = root
        self._levels = levels
        self._keys = keys
        self._generation = 0
        self._cache = TreeCache(cache_bytes)
        self.cache_bytes = cache_bytes
        self.growth: TreeGrowth | None = None
        """The tree of the next depth, while there is one in the making."""
        self.commit_lock = Lock()
        """Held by whoever writes a change's rows and applies it."""

    @property
    def root(self) -> Hash:
        """The root of the tip's state."""
        return self._root

    @property
    def levels(self) -> int:
        """Inner levels above the buckets, now."""
        return self._levels

    @property
    def keys(self) -> int:
        """How many keys the tip's state has."""
        return self._keys

    def open_session(self) -> Session:
        """Return a computation on the tip's state."""
        return Session(self._reader, self._cache, self._root, self._levels)

    def compute_change(
        self, writes: Mapping[bytes, bytes | None], levels: int | None = None
    ) -> StateChange:
        """Return what ``writes`` (None = delete) make of the tree. Changes nothing.

        ``levels`` other than the present depth takes the tree that has grown to it; where
        there is none the whole is built in one go, seconds for a million keys.
        """
        # The generation is read first: whatever is applied meanwhile makes this stale.
        generation = self._generation
        depth, keys, session = self._levels, self._keys, self.open_session()
        if levels is not None and levels != depth:
            check_levels(levels)
            growth = self.growth
            if growth is None or growth.levels != levels or growth.left:
                return rebuild_tree(self._reader, depth, levels, writes, generation)
            depth, session = levels, Session(self._reader, growth.cache, growth.root, levels)
        try:
            return session.compute_change(group_updates(writes, depth), keys, generation)
        except DatabaseCorruptedError:
            # A commit in between moves rows under this computation: that is not damage.
            with self.commit_lock:
                if generation == self._generation:
                    raise
            raise _make_stale_error(generation, self._generation) from None

    def check_fits(self, change: StateChange) -> None:
        """Raise CommitError unless ``change`` was computed from the present state."""
        if change.generation != self._generation:
            raise _make_stale_error(change.generation, self._generation)

    def apply(self, change: StateChange) -> None:
        """Move the tree to ``change``, whose rows are on disk already."""
        self.check_fits(change)
        if change.levels != self._levels:
            growth, self.growth = self.growth, None
            self._cache = TreeCache(0) if growth is None else growth.cache
            self._cache.resize(self.cache_bytes)
        self._cache.update(change.puts, change.deletes, change.levels)
        self._root, self._levels, self._keys = change.root, change.levels, change.keys
        # Last: a computation that began before this line is refused by check_fits.
        self._generation += 1


def check_levels(levels: int) -> None:
    """Raise StorageError for a depth that no chain may have."""
    if not 1 <= levels <= LEVELS_MAX:
        raise StorageError("state_levels out of range", code="state-levels", levels=levels)


def compute_empty_root(levels: int) -> Hash:
    """Return the root of a state without keys."""
    check_levels(levels)
    return Hash(compute_empty_hashes(levels)[0])


def read_root(reader: Reader, levels: int) -> Hash:
    """Return the root that the stored top node has, without reading further."""
    top = reader.get(make_tree_key(levels, 0, 0))
    return compute_empty_root(levels) if top is None else Hash(compute_node_hash(top))


def read_proof(reader: Reader, root: Hash, levels: int, key: bytes) -> StateProof:
    """Return the proof of ``key`` from a snapshot of the store.

    Raises DatabaseCorruptedError when the stored tree does not lead to ``root``.
    """
    session = Session(reader, NO_CACHE, root, levels)
    index = compute_bucket_index(sha256(_KEY_TAG + key).digest(), levels)
    siblings: list[bytes] = []
    expected: bytes = root
    for level in range(levels):
        place = index >> (4 * (levels - level))
        node = session.read_node(level, place, expected)
        cut = ((index >> (4 * (levels - level - 1))) % BRANCHES) * _HASH
        expected = node[cut : cut + _HASH]
        siblings.append(node[:cut] + node[cut + _HASH :])
    bucket = session.read_bucket(index, expected)
    if len(bucket) > BUCKET_PROOF_BYTES_MAX:
        raise StorageError("bucket too large for a proof", code="proof-size", size=len(bucket))
    return StateProof(bucket, tuple(reversed(siblings)))


def _make_stale_error(computed_at: int, present: int) -> CommitError:
    return CommitError(
        "the state change was computed from another state",
        code="state-change-stale",
        computed_at=computed_at,
        present=present,
    )
