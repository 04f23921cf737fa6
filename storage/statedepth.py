"""Changes of the state tree's depth, as part of each commit.

While a deeper tree is announced, what a commit adds to it goes into the block's own batch;
after the change the rows of the depth before go, a few with each block. Nothing here
decides that a tree grows (vm/depth.py does) or when its root is used. Source: decision 0033.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from primitives.errors import CodecError
from storage.engine import KeyValueStore
from storage.errors import make_corrupted_error
from storage.schema import META_GROWTH, TREE_PREFIX, get_tree_depth
from storage.statetree import StateTree
from storage.treegrowth import (
    RETIRE_ROWS,
    RUSH_BUCKETS,
    STORED_GROWTH,
    GrowthOrder,
    GrowthStep,
    TreeGrowth,
)
from storage.treesession import StateChange


@dataclass(slots=True)
class DepthRows:
    """What a commit writes beside the block's own rows, and where that leads."""

    puts: dict[bytes, bytes] = field(default_factory=dict)
    deletes: list[bytes] = field(default_factory=list)
    step: GrowthStep | None = None
    retired_last: bytes | None = None
    """The last row of the depth before that goes; None: there are no more."""


class StateDepth:
    """See the module. Owned by the chain's store, which calls it with the commit lock held."""

    def __init__(self, store: KeyValueStore, tree: StateTree, folder: str) -> None:
        self._store = store
        self._tree = tree
        data = store.get(META_GROWTH)
        if data is not None:
            try:
                stored = STORED_GROWTH.decode(data)
            except CodecError as error:
                raise make_corrupted_error(folder, f"the tree's growth: {error}") from None
            if stored.levels != tree.levels + 1:
                raise make_corrupted_error(folder, f"a tree of {stored.levels} levels grows")
            tree.growth = TreeGrowth(store, stored, tree.cache_bytes)
        first = store.scan(TREE_PREFIX, None, 1)
        self._is_retiring = bool(first) and get_tree_depth(first[0][0]) < tree.levels
        self._retired: bytes | None = None

    def compute_rows(
        self,
        change: StateChange,
        writes: Mapping[bytes, bytes | None],
        order: GrowthOrder | None,
    ) -> DepthRows:
        """Return the rows that go with ``change``, which ``writes`` make of the tree."""
        rows = DepthRows()
        tree = self._tree
        if change.levels != tree.levels:
            rows.deletes.append(META_GROWTH)
        elif order is not None or tree.growth is not None:
            growth = self._get_growth(tree.levels + 1)
            count = growth.compute_count(order)
            rows.step = growth.compute_step(tree.open_session(), change, writes, count)
            _add_step(rows, rows.step)
        if self._is_retiring:
            self._retire(rows)
        return rows

    def apply(self, rows: DepthRows, change: StateChange, levels_before: int) -> None:
        """Follow a commit whose rows are on disk; the tree has moved to ``change``."""
        growth = self._tree.growth
        if rows.step is not None and growth is not None:
            growth.apply(rows.step)
        self._retired = rows.retired_last
        self._is_retiring = rows.retired_last is not None
        if change.levels > levels_before:
            self._is_retiring, self._retired = True, None

    def complete(self, levels: int) -> None:
        """Move everything that is left to ``levels`` now, in steps that bound the memory.

        A node that followed the chain has nothing left to move; one that joined at the end
        of the epoch has everything. Each step is a batch of its own.
        """
        with self._tree.commit_lock:
            growth = self._get_growth(levels)
            while growth.left:
                count = min(RUSH_BUCKETS, growth.left)
                step = growth.compute_step(self._tree.open_session(), None, {}, count)
                rows = DepthRows()
                _add_step(rows, step)
                self._store.write(rows.puts, rows.deletes, sync=False)
                growth.apply(step)

    def _get_growth(self, levels: int) -> TreeGrowth:
        tree = self._tree
        if tree.growth is None:
            tree.growth = TreeGrowth.begin(self._store, levels, tree.cache_bytes)
        return tree.growth

    def _retire(self, rows: DepthRows) -> None:
        found = self._store.scan(TREE_PREFIX, self._retired, RETIRE_ROWS)
        old = [key for key, _ in found if get_tree_depth(key) < self._tree.levels]
        rows.deletes += old
        rows.retired_last = old[-1] if len(old) == RETIRE_ROWS else None


def _add_step(rows: DepthRows, step: GrowthStep) -> None:
    rows.puts.update(step.puts)
    rows.puts[META_GROWTH] = STORED_GROWTH.encode(step.stored)
    rows.deletes += step.deletes
