"""The state tree against its definition and the two stores against each other, at random."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.hashing import Tag, compute_hash
from storage.engine import KeyValueStore
from storage.leveldb import LevelStore
from storage.memory import MemoryStore
from storage.stateproof import StateProof, verify_state_proof
from storage.statetree import StateTree, compute_empty_root, read_proof, read_root

KEYS = st.binary(max_size=2)
BATCHES = st.lists(
    st.dictionaries(KEYS, st.none() | st.binary(max_size=4), max_size=12), min_size=1, max_size=8
)


ROWS = st.lists(
    st.dictionaries(st.binary(min_size=1, max_size=2), st.none() | KEYS, max_size=12), max_size=8
)


def compute_model_root(state: dict[bytes, bytes], levels: int) -> bytes:
    """From the definition: split the sorted entries by nibble until the buckets."""
    entries: list[tuple[bytes, bytes]] = sorted(
        (compute_hash(Tag.STATE_KEY, key), compute_hash(Tag.STATE_VALUE, value))
        for key, value in state.items()
    )

    def compute_subtree(part: list[tuple[bytes, bytes]], level: int) -> bytes:
        if level == levels:
            return compute_hash(Tag.STATE_BUCKET, b"".join(key + value for key, value in part))
        if not part:
            return compute_empty_root(levels - level)
        children = []
        for branch in range(16):
            mine = [item for item in part if int(item[0].hex()[level], 16) == branch]
            children.append(compute_subtree(mine, level + 1))
        return compute_hash(Tag.STATE_NODE, b"".join(children))

    return compute_subtree(entries, 0)


@settings(max_examples=150, deadline=None)
@given(BATCHES, st.integers(1, 6), st.sampled_from([0, 3_000, 1 << 20]))
def test_any_sequence_of_batches_leads_to_the_root_of_the_definition(
    batches: list[dict[bytes, bytes | None]], levels: int, cache_bytes: int
) -> None:
    store = MemoryStore()
    tree = StateTree(store, compute_empty_root(levels), levels, cache_bytes)
    state: dict[bytes, bytes] = {}
    for writes in batches:
        tree.compute_change({b"thrown": b"away", **writes})
        change = tree.compute_change(writes)
        store.write(change.puts, change.deletes, sync=False)
        tree.apply(change)
        for key, value in writes.items():
            state.pop(key, None)
            if value is not None:
                state[key] = value
        assert tree.root == compute_model_root(state, levels)
        assert read_root(store, levels) == tree.root
    for key in [*state, b"absent"]:
        proof = read_proof(store, tree.root, levels, key)
        assert verify_state_proof(tree.root, key, state.get(key), proof, levels)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(min_size=0, max_size=200),
    st.lists(st.binary(min_size=0, max_size=500), max_size=7),
    st.binary(max_size=8),
    st.none() | st.binary(max_size=8),
    st.integers(-2, 9),
)
def test_no_made_up_proof_passes_or_raises(
    bucket: bytes, siblings: list[bytes], key: bytes, value: bytes | None, levels: int
) -> None:
    proof = StateProof(bucket, tuple(siblings))
    assert not verify_state_proof(compute_empty_root(4), key, value, proof, levels)


@settings(max_examples=40, deadline=None)
@given(
    ROWS,
    st.lists(
        st.tuples(KEYS, st.none() | KEYS, st.integers(-1, 20), st.booleans()),
        min_size=1,
        max_size=20,
    ),
)
def test_both_stores_answer_every_question_alike(
    batches: list[dict[bytes, bytes | None]],
    questions: list[tuple[bytes, bytes | None, int, bool]],
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        LevelStore.open(Path(folder)) as level,
        MemoryStore() as memory,
    ):
        stores: tuple[KeyValueStore, ...] = (level, memory)
        for writes in batches:
            puts = {key: value for key, value in writes.items() if value is not None}
            deletes = [key for key, value in writes.items() if value is None]
            for store in stores:
                store.write(puts, deletes, sync=False)
        for prefix, after, limit, reverse in questions:
            answers = [store.scan(prefix, after, limit, reverse) for store in stores]
            assert answers[0] == answers[1]
            assert level.get(prefix) == memory.get(prefix)
