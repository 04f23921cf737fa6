"""The state tree of the next depth, built beside the one in force while the chain goes on.

The tree of ``levels`` + 1 holds the same entries in other buckets, so it is a function of
keys and values alone: whoever builds it, whenever and in steps of whatever size, gets the
same root. From the announcement on (vm/depth.py) each commit adds the next run of buckets,
cut in up to 16 each, and repeats its own writes in the part that is there; rows and how
far it is are in the block's own batch, so a killed node goes on where it was. The tree in
force is never touched: a block that needs the new depth finds it whole.
``rebuild_tree`` does the same in one go, for audits and tests. Source: decision 0033.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from primitives import limits
from primitives.codec import Bytes, Struct, Uint
from primitives.hashing import Hash, Tag
from storage.engine import Reader
from storage.schema import TREE_PREFIX, get_tree_depth, make_tree_key
from storage.stateproof import (
    BRANCHES,
    ENTRY_BYTES,
    compute_bucket_index,
    compute_empty_hashes,
)
from storage.treecache import NO_CACHE, TreeCache
from storage.treesession import Session, StateChange, group_updates, update_bucket

STEP_BUCKETS_MIN = 64
"""Buckets moved with a block, at least: about 3 ms of CPU."""
RUSH_BUCKETS = 4_096
"""Buckets moved at once by a node that must have the new depth now (it just joined)."""
CACHE_SHARE = 4
"""The growing tree keeps at most this part of the tree's cache."""
RETIRE_ROWS = 256
"""Rows of the depth before that go with each block after the change."""

_BUCKET_TAG = Tag.STATE_BUCKET.value
_SCAN_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class StoredGrowth:
    """How far the tree of depth ``levels`` is: the root over the first ``moved`` buckets of
    the depth in force. ``root`` is that of an empty tree at the beginning."""

    levels: int
    root: Hash
    moved: int


STORED_GROWTH = Struct(
    StoredGrowth, 64, levels=Uint(8), root=Bytes(limits.HASH_BYTES), moved=Uint()
)


@dataclass(frozen=True, slots=True)
class GrowthOrder:
    """What a block asks of the tree: to be at ``levels`` in ``blocks_left`` blocks."""

    levels: int
    blocks_left: int

    @classmethod
    def of(cls, levels: int | None, height: int, epoch_blocks: int) -> GrowthOrder | None:
        """Return the order that goes with block ``height`` while ``levels`` are announced: to
        be there before the epoch's last block."""
        return None if levels is None else cls(levels, epoch_blocks - height % epoch_blocks)


@dataclass(frozen=True, slots=True)
class GrowthStep:
    """What one step writes beside the block, and where the growing tree is then."""

    stored: StoredGrowth
    puts: Mapping[bytes, bytes]
    deletes: Collection[bytes]


class TreeGrowth:
    """The tree of the next depth, part of it. Its owner steps it with each commit."""

    def __init__(self, reader: Reader, stored: StoredGrowth, cache_bytes: int) -> None:
        self._reader = reader
        self._stored = stored
        self.cache = TreeCache(cache_bytes // CACHE_SHARE)

    @classmethod
    def begin(cls, reader: Reader, levels: int, cache_bytes: int) -> TreeGrowth:
        """Return the empty beginning of a tree of ``levels``."""
        return cls(reader, StoredGrowth(levels, _get_empty_root(levels), 0), cache_bytes)

    @property
    def levels(self) -> int:
        """The depth that it will have."""
        return self._stored.levels

    @property
    def root(self) -> Hash:
        """The root over what is moved: the state's when all is."""
        return self._stored.root

    @property
    def moved(self) -> int:
        """How many buckets of the depth in force are in it."""
        return self._stored.moved

    @property
    def left(self) -> int:
        """How many are not."""
        return int(BRANCHES ** (self.levels - 1)) - self.moved

    def compute_count(self, order: GrowthOrder | None) -> int:
        """Return the buckets to move with a block, so that all are when they are needed."""
        if order is None:
            return self.left
        even = -(-self.left // max(order.blocks_left, 1))
        return min(max(even, STEP_BUCKETS_MIN), self.left)

    def compute_step(
        self,
        present: Session,
        change: StateChange | None,
        writes: Mapping[bytes, bytes | None],
        count: int,
    ) -> GrowthStep:
        """Return the step that moves ``count`` buckets and repeats ``writes`` in what is there.

        ``present`` reads the tree in force before ``change``, which ``writes`` make of it.
        """
        moved, levels = self.moved, self.levels
        groups = {
            index: updates
            for index, updates in group_updates(writes, levels).items()
            if index >> 4 < moved
        }
        fresh: dict[int, bytes] = {}
        for bucket in _read_after(present, change, moved, moved + count):
            cut_bucket(bucket, levels, fresh)
        session = Session(self._reader, self.cache, self.root, levels)
        grown = session.compute_change(groups, 0, 0, fresh)
        stored = StoredGrowth(levels, grown.root, moved + count)
        return GrowthStep(stored, grown.puts, grown.deletes)

    def apply(self, step: GrowthStep) -> None:
        """Move on by a step whose rows are on disk already."""
        self.cache.update(step.puts, step.deletes, self.levels)
        self._stored = step.stored


def _read_after(
    present: Session, change: StateChange | None, first: int, end: int
) -> Iterable[bytes]:
    """Return the buckets of a range as they are after ``change``."""
    found = present.read_buckets(first, end)
    if change is None:
        return found.values()
    gone = set(change.deletes)
    for index in range(first, end):
        key = make_tree_key(change.levels, change.levels, index)
        if key in change.puts:
            found[index] = change.puts[key]
        elif key in gone:
            del found[index]
    return found.values()


def rebuild_tree(
    reader: Reader,
    old_levels: int,
    levels: int,
    writes: Mapping[bytes, bytes | None],
    generation: int,
) -> StateChange:
    """Return the change that stores the same entries, and ``writes``, at another depth."""
    buckets: dict[int, bytes] = {}
    old_keys: list[bytes] = []
    after: bytes | None = None
    while rows := reader.scan(TREE_PREFIX, after, _SCAN_ROWS):
        for key, blob in rows:
            if get_tree_depth(key) != old_levels:
                continue
            old_keys.append(key)
            if key[1] & 15 == old_levels:
                cut_bucket(blob, levels, buckets)
        after = rows[-1][0]
    for index, updates in group_updates(writes, levels).items():
        buckets[index] = update_bucket(buckets.get(index, b""), updates)
    puts, root = _build_tree(buckets, levels)
    keys = sum(map(len, buckets.values())) // ENTRY_BYTES
    return StateChange(root, levels, keys, generation, puts, old_keys)


def cut_bucket(bucket: bytes, levels: int, buckets: dict[int, bytes]) -> None:
    """Add a bucket's entries to those of another depth; buckets come in order of their hashes,
    so each of the others is a run of entries, and nothing is sorted again."""
    first = index = -1
    for start in range(0, len(bucket), ENTRY_BYTES):
        found = compute_bucket_index(bucket[start : start + limits.HASH_BYTES], levels)
        if found != index:
            if index >= 0:
                buckets[index] = buckets.get(index, b"") + bucket[first:start]
            first, index = start, found
    buckets[index] = buckets.get(index, b"") + bucket[first:]


def _build_tree(buckets: Mapping[int, bytes], levels: int) -> tuple[dict[bytes, bytes], Hash]:
    """Return the rows of a whole tree, and its root."""
    session = Session(_NoRows(), NO_CACHE, _get_empty_root(levels), levels)
    puts: dict[bytes, bytes] = {}
    hashes: dict[int, bytes] = {}
    for index, bucket in buckets.items():
        if bucket:
            puts[make_tree_key(levels, levels, index)] = bucket
            hashes[index] = sha256(_BUCKET_TAG + bucket).digest()
    root = _get_empty_root(levels)
    for level in range(levels - 1, -1, -1):
        hashes = session.build_level(level, hashes, puts)
    return puts, Hash(hashes.get(0, root))


class _NoRows:
    """The reader of a tree that does not exist yet."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        return []


def _get_empty_root(levels: int) -> Hash:
    return Hash(compute_empty_hashes(levels)[0])
