"""Merkle trees as in RFC 6962 section 2.1 (Certificate Transparency).

Leaves and inner nodes have different prefixes (0x00, 0x01), so a node can never
be offered as a leaf. The verification algorithm is that of RFC 9162 section 2.1.3.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from primitives.hashing import Hash

EMPTY_ROOT = Hash(hashlib.sha256(b"").digest())
"""The root of no leaves (RFC 6962: the hash of the empty string)."""


def compute_leaf_hash(leaf: bytes) -> Hash:
    """Return SHA-256(0x00 || leaf)."""
    return Hash(hashlib.sha256(b"\x00" + leaf).digest())


def _compute_node_hash(left: bytes, right: bytes) -> Hash:
    return Hash(hashlib.sha256(b"\x01" + left + right).digest())


def compute_root(leaves: Sequence[bytes]) -> Hash:
    """Return the Merkle tree hash of the leaves' bytes, in order."""
    if not leaves:
        return EMPTY_ROOT
    level: list[Hash] = [compute_leaf_hash(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _compute_parents(level)
    return level[0]


def compute_proof(leaves: Sequence[bytes], index: int) -> tuple[Hash, ...]:
    """Return the audit path of leaf ``index``, from the leaf's sibling upwards.

    Raises IndexError when there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    path: list[Hash] = []
    level: list[Hash] = [compute_leaf_hash(leaf) for leaf in leaves]
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _compute_parents(level)
        index >>= 1
    return tuple(path)


def compute_proofs(leaves: Sequence[bytes], indices: Sequence[int]) -> list[tuple[Hash, ...]]:
    """Return the audit path of each of ``indices``; the tree is hashed once for all.

    Raises IndexError when there is no such leaf.
    """
    levels: list[list[Hash]] = [[compute_leaf_hash(leaf) for leaf in leaves]]
    while len(levels[-1]) > 1:
        levels.append(_compute_parents(levels[-1]))
    paths: list[tuple[Hash, ...]] = []
    for index in indices:
        if not 0 <= index < len(leaves):
            raise IndexError(f"leaf {index} of {len(leaves)}")
        path: list[Hash] = []
        for level in levels[:-1]:
            if (sibling := index ^ 1) < len(level):
                path.append(level[sibling])
            index >>= 1
        paths.append(tuple(path))
    return paths


def verify_proof(root: bytes, leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that ``leaf`` is number ``index`` of ``size`` under ``root``.

    Every element of the path is used: a path that is too long or too short is refused.
    """
    if not 0 <= index < size or any(len(item) != 32 for item in path):
        return False
    position, last = index, size - 1
    computed = compute_leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            computed = _compute_node_hash(sibling, computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            computed = _compute_node_hash(computed, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and computed == root


def _compute_parents(level: list[Hash]) -> list[Hash]:
    """Return the level above; an odd last node moves up unchanged (RFC 6962's split)."""
    parents = [_compute_node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    if len(level) & 1:
        parents.append(level[-1])
    return parents
