"""The state that the benchmarks fill in bulk is the one that the tree would have made."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.statebulk import build_state, make_key, make_value
from storage.leveldb import LevelStore
from storage.memory import MemoryStore
from storage.schema import TREE_PREFIX
from storage.statetree import StateTree, compute_empty_root


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_bulk_rows_and_root_are_the_trees_own(tmp_path: Path, levels: int) -> None:
    tree = StateTree(MemoryStore(), compute_empty_root(levels), levels)
    keys = [make_key(number) for number in range(700)]
    change = tree.compute_change({key: make_value(key) for key in keys})
    with LevelStore.open(tmp_path) as store:
        assert build_state(store, len(keys), levels) == change.root
        assert dict(store.scan(TREE_PREFIX, None, 100_000)) == dict(change.puts)
