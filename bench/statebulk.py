"""Fills a store with a large state in bulk: the rows that the tree itself would have written.

Key hashes are spread over 256 runs, each is sorted and cut into buckets once, so ten
million keys take minutes and 0.7 GB of memory. A test compares it with the tree.
"""

from __future__ import annotations

from hashlib import sha256

from primitives.hashing import Tag
from storage.leveldb import LevelStore
from storage.schema import STATE_PREFIX, make_tree_key
from storage.stateproof import BRANCHES, ENTRY_BYTES, compute_bucket_index, compute_empty_hashes

VALUE_BYTES = 40
_BATCH = 20_000
_RUNS = 256
_KEY_TAG, _VALUE_TAG = Tag.STATE_KEY.value, Tag.STATE_VALUE.value
_BUCKET_TAG, _NODE_TAG = Tag.STATE_BUCKET.value, Tag.STATE_NODE.value


def make_key(number: int) -> bytes:
    """Return a state key of about a real one's length."""
    return b"bench\0lots\0%016d" % number


def make_value(key: bytes) -> bytes:
    """Return a value that does not compress."""
    seed = sha256(key).digest()
    return seed + seed[: VALUE_BYTES - len(seed)]


def build_state(store: LevelStore, keys: int, levels: int) -> bytes:
    """Write ``keys`` keys with their tree of two levels and more; return the root."""
    runs = _write_values(store, keys)
    hashes: dict[int, bytes] = {}
    for number in range(_RUNS):
        run, runs[number] = bytes(runs[number]), bytearray()
        _write_buckets(store, run, levels, hashes)
    return _write_nodes(store, levels, hashes)


def _write_values(store: LevelStore, keys: int) -> list[bytearray]:
    runs = [bytearray() for _ in range(_RUNS)]
    for first in range(0, keys, _BATCH):
        rows: dict[bytes, bytes] = {}
        for number in range(first, min(first + _BATCH, keys)):
            key = make_key(number)
            value = make_value(key)
            key_hash = sha256(_KEY_TAG + key).digest()
            runs[key_hash[0]] += key_hash + sha256(_VALUE_TAG + value).digest()
            rows[STATE_PREFIX + key] = value
        store.write(rows, sync=False)
    return runs


def _write_buckets(store: LevelStore, run: bytes, levels: int, hashes: dict[int, bytes]) -> None:
    """Write the buckets of one run of entries; add their hashes by index."""
    entries = [run[at : at + ENTRY_BYTES] for at in range(0, len(run), ENTRY_BYTES)]
    buckets: dict[int, list[bytes]] = {}
    for entry in sorted(entries):
        buckets.setdefault(compute_bucket_index(entry, levels), []).append(entry)
    rows: dict[bytes, bytes] = {}
    for index, items in buckets.items():
        bucket = b"".join(items)
        rows[make_tree_key(levels, levels, index)] = bucket
        hashes[index] = sha256(_BUCKET_TAG + bucket).digest()
    store.write(rows, sync=False)


def _write_nodes(store: LevelStore, levels: int, hashes: dict[int, bytes]) -> bytes:
    empty = compute_empty_hashes(levels)
    for level in range(levels - 1, -1, -1):
        absent = empty[level + 1]
        parents = sorted({index >> 4 for index in hashes})
        above: dict[int, bytes] = {}
        rows: dict[bytes, bytes] = {}
        for parent in parents:
            first = parent * BRANCHES
            node = b"".join(hashes.get(first + place, absent) for place in range(BRANCHES))
            rows[make_tree_key(levels, level, parent)] = node
            above[parent] = sha256(_NODE_TAG + node).digest()
        store.write(rows, sync=False)
        hashes = above
    return hashes.get(0, empty[0])
