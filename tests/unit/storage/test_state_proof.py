"""Proofs of membership and absence: honest ones pass, every spoiled one is refused."""

from __future__ import annotations

import dataclasses

import pytest

from primitives.errors import CodecError
from primitives.hashing import Hash, Tag, compute_hash
from storage.errors import DatabaseCorruptedError
from storage.memory import MemoryStore
from storage.schema import TREE_PREFIX
from storage.stateproof import (
    ENTRY_BYTES,
    SIBLINGS_BYTES,
    STATE_PROOF,
    StateProof,
    compute_bucket_index,
    verify_state_proof,
)
from storage.statetree import StateTree, compute_empty_root, read_proof

LEVELS = 2
STATE = {b"key-%d" % number: b"value-%d" % number for number in range(700)}


@pytest.fixture(scope="module")
def proven() -> tuple[MemoryStore, Hash]:
    return build(LEVELS)


def build(levels: int, state: dict[bytes, bytes] = STATE) -> tuple[MemoryStore, Hash]:
    store = MemoryStore()
    tree = StateTree(store, compute_empty_root(levels), levels)
    change = tree.compute_change(dict(state))
    store.write(change.puts, change.deletes, sync=False)
    return store, change.root


@pytest.mark.parametrize("levels", range(1, 7))
def test_membership_and_absence_are_proven_at_every_depth(levels: int) -> None:
    store, root = build(levels)
    for key in list(STATE)[:20]:
        proof = read_proof(store, root, levels, key)
        assert verify_state_proof(root, key, STATE[key], proof, levels)
        assert not verify_state_proof(root, key, None, proof, levels)
        assert not verify_state_proof(root, key, b"other", proof, levels)
        assert not verify_state_proof(root, key, b"", proof, levels)
    for key in (b"absent-%d" % number for number in range(20)):
        proof = read_proof(store, root, levels, key)
        assert verify_state_proof(root, key, None, proof, levels)
        assert not verify_state_proof(root, key, b"", proof, levels)
        assert not verify_state_proof(root, key, b"value-1", proof, levels)


def test_absence_is_proven_in_an_empty_state() -> None:
    root = compute_empty_root(4)
    proof = read_proof(MemoryStore(), root, 4, b"anything")
    assert proof.bucket == b""
    assert verify_state_proof(root, b"anything", None, proof, 4)
    assert not verify_state_proof(root, b"anything", b"", proof, 4)


def test_every_flipped_byte_spoils_a_proof(proven: tuple[MemoryStore, Hash]) -> None:
    store, root = proven
    key = b"key-7"
    proof = read_proof(store, root, LEVELS, key)
    for offset in range(len(proof.bucket)):
        spoiled = dataclasses.replace(proof, bucket=flip(proof.bucket, offset))
        assert not verify_state_proof(root, key, STATE[key], spoiled, LEVELS), offset
    for level in range(LEVELS):
        for offset in range(SIBLINGS_BYTES):
            siblings = list(proof.siblings)
            siblings[level] = flip(siblings[level], offset)
            spoiled = StateProof(proof.bucket, tuple(siblings))
            assert not verify_state_proof(root, key, STATE[key], spoiled, LEVELS), (level, offset)


def flip(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


def test_a_proof_of_another_root_key_or_depth_is_refused(
    proven: tuple[MemoryStore, Hash],
) -> None:
    store, root = proven
    proof = read_proof(store, root, LEVELS, b"key-7")
    assert verify_state_proof(root, b"key-7", b"value-7", proof, LEVELS)
    assert not verify_state_proof(Hash(bytes(32)), b"key-7", b"value-7", proof, LEVELS)
    assert not verify_state_proof(root, b"key-8", b"value-8", proof, LEVELS)
    other = next(key for key in STATE if get_index(key) != get_index(b"key-7"))
    assert not verify_state_proof(root, other, None, proof, LEVELS)
    for levels in (-1, 0, 1, 3, 7):
        assert not verify_state_proof(root, b"key-7", b"value-7", proof, levels)


def get_index(key: bytes) -> int:
    return compute_bucket_index(compute_hash(Tag.STATE_KEY, key), LEVELS)


def test_siblings_of_the_wrong_number_or_size_are_refused(
    proven: tuple[MemoryStore, Hash],
) -> None:
    store, root = proven
    proof = read_proof(store, root, LEVELS, b"key-7")
    low, high = proof.siblings
    for siblings in (
        (),
        (low,),
        (low, high, high),
        (high, low),
        (low, high[:-1]),
        (low, high + b"\0"),
        (low + high[:32], high[32:]),
    ):
        spoiled = StateProof(proof.bucket, siblings)
        assert not verify_state_proof(root, b"key-7", b"value-7", spoiled, LEVELS)


def test_a_bucket_of_bad_form_is_refused_even_under_its_own_root() -> None:
    """The liar builds a root over a bad bucket: the bucket's form alone must refuse it."""
    store, root = build(1)
    proof = read_proof(store, root, 1, b"key-7")
    entries = [
        proof.bucket[start : start + ENTRY_BYTES]
        for start in range(0, len(proof.bucket), ENTRY_BYTES)
    ]
    foreign = compute_hash(Tag.STATE_KEY, b"key-7")
    foreign_entry = bytes([foreign[0] ^ 0xF0]) + foreign[1:] + bytes(32)
    bad_buckets = {
        "unsorted": b"".join(reversed(entries)),
        "repeated": b"".join([entries[0], *entries]),
        "foreign": b"".join(sorted([*entries, foreign_entry])),
        "ragged": proof.bucket + b"\0",
        "half an entry": proof.bucket[: -ENTRY_BYTES // 2],
    }
    honest = dataclasses.replace(proof)
    assert verify_state_proof(compute_own_root(honest, b"key-7"), b"key-7", b"value-7", honest, 1)
    for name, bucket in bad_buckets.items():
        spoiled = StateProof(bucket, proof.siblings)
        own_root = compute_own_root(spoiled, b"key-7")
        assert not verify_state_proof(own_root, b"key-7", b"value-7", spoiled, 1), name
        assert not verify_state_proof(own_root, b"key-7", None, spoiled, 1), name


def compute_own_root(proof: StateProof, key: bytes) -> Hash:
    branch = compute_hash(Tag.STATE_KEY, key)[0] >> 4
    others = proof.siblings[0]
    bucket_hash = compute_hash(Tag.STATE_BUCKET, proof.bucket)
    children = others[: 32 * branch] + bucket_hash + others[32 * branch :]
    return compute_hash(Tag.STATE_NODE, children)


def test_a_proof_survives_its_codec_and_other_bytes_are_refused(
    proven: tuple[MemoryStore, Hash],
) -> None:
    store, root = proven
    proof = read_proof(store, root, LEVELS, b"key-7")
    encoded = STATE_PROOF.encode(proof)
    assert STATE_PROOF.decode(encoded) == proof
    for spoiled in (encoded[:-1], encoded + b"\0", b""):
        with pytest.raises(CodecError):
            STATE_PROOF.decode(spoiled)


def test_a_proof_is_about_three_kilobytes_at_four_levels() -> None:
    store, root = build(4)
    assert len(STATE_PROOF.encode(read_proof(store, root, 4, b"key-7"))) < 4 * 480 + 200


def test_reading_a_proof_from_damaged_rows_names_the_damage(
    proven: tuple[MemoryStore, Hash],
) -> None:
    store, root = build(LEVELS)
    for key, blob in store.scan(TREE_PREFIX, None, 1_000):
        store.write({key: flip(blob, 3)}, sync=False)
    with pytest.raises(DatabaseCorruptedError):
        read_proof(store, root, LEVELS, b"key-7")
