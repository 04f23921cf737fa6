"""Merkle trees against the published RFC 6962 vectors, and proofs that must fail."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from primitives.merkle import (
    EMPTY_ROOT,
    compute_leaf_hash,
    compute_proof,
    compute_root,
    verify_proof,
)

VECTORS = json.loads(
    (Path(__file__).resolve().parents[2] / "vectors" / "merkle_rfc6962.json").read_text()
)
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert compute_root(LEAVES[:size]).hex() == VECTORS["roots"][size]


@pytest.mark.parametrize(
    "case", VECTORS["paths"], ids=lambda case: f"{case['leaf']}/{case['size']}"
)
def test_audit_paths_are_the_published_ones(case: dict[str, object]) -> None:
    leaf, size, path = case["leaf"], case["size"], case["path"]
    assert isinstance(leaf, int)
    assert isinstance(size, int)
    assert [item.hex() for item in compute_proof(LEAVES[:size], leaf)] == path


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65, 127, 128, 129])
def test_every_leaf_of_every_size_proves_itself_and_nothing_else(size: int) -> None:
    leaves = [number.to_bytes(2, "big") for number in range(size)]
    root = compute_root(leaves)
    for index, leaf in enumerate(leaves):
        path = compute_proof(leaves, index)
        assert verify_proof(root, leaf, index, size, path)
        assert not verify_proof(root, leaf + b"x", index, size, path)
        assert not verify_proof(root, leaf, index + 1, size, path)
        assert not verify_proof(root, leaf, index, size, (*path, bytes(32)))
        if path:
            assert not verify_proof(root, leaf, index, size, path[:-1])
            assert not verify_proof(root, leaf, index, size, path[1:])
            assert not verify_proof(root, leaf, index, size, (bytes(32), *path[1:]))


def test_a_path_element_of_another_length_is_refused() -> None:
    leaves = [b"a", b"b"]
    (sibling,) = compute_proof(leaves, 0)
    assert not verify_proof(compute_root(leaves), b"a", 0, 2, (sibling + b"x",))
    assert not verify_proof(compute_root(leaves), b"a", 0, 2, (sibling[:-1],))


@pytest.mark.parametrize(("index", "size"), [(-1, 2), (2, 2), (0, 0), (0, -1), (5, 3)])
def test_a_position_outside_the_tree_is_refused(index: int, size: int) -> None:
    assert not verify_proof(EMPTY_ROOT, b"", index, size, ())


def test_an_inner_node_cannot_be_offered_as_a_leaf() -> None:
    leaves = [b"a", b"b"]
    node = compute_leaf_hash(b"a") + compute_leaf_hash(b"b")
    assert compute_root([node]) != compute_root(leaves)
    assert not verify_proof(compute_root(leaves), node, 0, 1, ())


def test_there_is_no_proof_of_a_leaf_that_is_not_there() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            compute_proof([b"a", b"b", b"c"], index)


def test_a_repeated_last_leaf_is_another_tree() -> None:
    """The flaw of CVE-2012-2459: odd levels padded by repetition make two lists alike."""
    assert compute_root([b"a", b"b", b"c"]) != compute_root([b"a", b"b", b"c", b"c"])


def test_no_leaves_hash_to_the_hash_of_nothing() -> None:
    assert compute_root([]) == hashlib.sha256(b"").digest()
