"""Proofs that a state key has a value, or has none, under a block's ``state_root``.

Pure: anyone can verify with this file and ``primitives`` alone, without a database.
The key's place is fixed by the hash of the key, so a proof is the key's whole bucket
and 15 siblings a level: membership and absence have the same form, and a verifier
uses every byte of it. Source: DESIGN, "Authenticated state".
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from primitives import limits
from primitives.codec import Array, Bytes, Struct
from primitives.hashing import Hash, Tag, compute_hash
from primitives.params import STATE_LEVELS_MAX

BRANCHES = 16
LEVELS_MAX = STATE_LEVELS_MAX
ENTRY_BYTES = 2 * limits.HASH_BYTES
NODE_BYTES = BRANCHES * limits.HASH_BYTES
SIBLINGS_BYTES = NODE_BYTES - limits.HASH_BYTES

BUCKET_PROOF_BYTES_MAX = 1024 * 1024
"""A bucket of 16,384 keys: far beyond what a chain with sensible levels has."""

_BUCKET_TAG = Tag.STATE_BUCKET.value
_NODE_TAG = Tag.STATE_NODE.value
PATH_BYTES = LEVELS_MAX // 2
"""Bytes of a key hash that say its bucket at the greatest depth."""


@dataclass(frozen=True, slots=True)
class StateProof:
    """``bucket`` is the sorted run of (key hash, value hash) entries of 64 bytes.

    ``siblings`` has one item a level, from the bucket's level up to the root's
    children; each is the 15 sibling hashes in order, 480 bytes.
    """

    bucket: bytes
    siblings: tuple[bytes, ...]


STATE_PROOF = Struct(
    StateProof,
    BUCKET_PROOF_BYTES_MAX + 4 * 1024,
    bucket=Bytes(max=BUCKET_PROOF_BYTES_MAX),
    siblings=Array(Bytes(SIBLINGS_BYTES), LEVELS_MAX, min=1),
)


def compute_bucket_index(key_hash: bytes, levels: int) -> int:
    """Return the bucket of a key hash: its first ``4 * levels`` bits."""
    path = int.from_bytes(key_hash[:PATH_BYTES], "big")
    return path >> (4 * (LEVELS_MAX - levels))


def compute_bucket_hash(bucket: bytes) -> bytes:
    """Return the hash of a bucket's entries (of nothing, when it is empty)."""
    return sha256(_BUCKET_TAG + bucket).digest()


def compute_node_hash(children: bytes) -> bytes:
    """Return the hash of an inner node: of its 16 child hashes, 512 bytes."""
    return sha256(_NODE_TAG + children).digest()


def compute_empty_hashes(levels: int) -> tuple[bytes, ...]:
    """Return the hash of an empty subtree at each level, root first, bucket last."""
    hashes = [compute_bucket_hash(b"")]
    for _ in range(levels):
        hashes.append(compute_node_hash(hashes[-1] * BRANCHES))
    return tuple(reversed(hashes))


def verify_state_proof(
    root: Hash, key: bytes, value: bytes | None, proof: StateProof, levels: int
) -> bool:
    """Whether ``proof`` proves that ``key`` has ``value`` (None: is absent) under ``root``.

    ``levels`` is the depth of the tree at that height. Who does not know it may take that
    of the proof: buckets and nodes are hashed under different tags, so under one root a
    proof of any other depth would be a collision. Strict: the bucket is sorted, distinct and
    holds only keys that belong in it; every byte is used. Never raises, whatever the proof
    holds.
    """
    bucket, siblings = proof.bucket, proof.siblings
    if not 1 <= levels <= LEVELS_MAX or len(siblings) != levels:
        return False
    if any(len(item) != SIBLINGS_BYTES for item in siblings):
        return False
    key_hash = compute_hash(Tag.STATE_KEY, key)
    index = compute_bucket_index(key_hash, levels)
    if not _is_bucket_sound(bucket, index, levels):
        return False
    expected = None if value is None else compute_hash(Tag.STATE_VALUE, value)
    if _find_value_hash(bucket, key_hash) != expected:
        return False
    return _compute_proof_root(bucket, siblings, index) == root


def _is_bucket_sound(bucket: bytes, index: int, levels: int) -> bool:
    """Whether the entries are whole, strictly ascending and all belong to ``index``."""
    if len(bucket) % ENTRY_BYTES:
        return False
    previous = b""
    for start in range(0, len(bucket), ENTRY_BYTES):
        key_hash = bucket[start : start + limits.HASH_BYTES]
        if key_hash <= previous or compute_bucket_index(key_hash, levels) != index:
            return False
        previous = key_hash
    return True


def _find_value_hash(bucket: bytes, key_hash: bytes) -> bytes | None:
    for start in range(0, len(bucket), ENTRY_BYTES):
        middle = start + limits.HASH_BYTES
        if bucket[start:middle] == key_hash:
            return bucket[middle : start + ENTRY_BYTES]
    return None


def _compute_proof_root(bucket: bytes, siblings: tuple[bytes, ...], index: int) -> bytes:
    """Return the root that the bucket and its siblings lead to."""
    computed = compute_bucket_hash(bucket)
    for others in siblings:
        cut = (index % BRANCHES) * limits.HASH_BYTES
        computed = compute_node_hash(others[:cut] + computed + others[cut:])
        index //= BRANCHES
    return computed
