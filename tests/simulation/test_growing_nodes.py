"""Whole nodes whose state tree grows while they crash, lose their disks and start again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from storage.statetree import StateTree
from storage.treesession import StateChange
from tools.simulator.whole import chain
from tools.simulator.whole.world import run_seed


@pytest.fixture(autouse=True)
def depths(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The depths of the trees that nodes committed, in order; a deeper one is due at once."""
    seen: list[int] = []
    apply = StateTree.apply

    def note(self: StateTree, change: StateChange) -> None:
        apply(self, change)
        seen.append(change.levels)

    monkeypatch.setattr(StateTree, "apply", note)
    monkeypatch.setattr("primitives.params.STATE_BUCKET_KEYS_MAX", 4)
    monkeypatch.setattr("storage.treegrowth.STEP_BUCKETS_MIN", 1)
    monkeypatch.setattr(chain, "PARAMS", replace(chain.PARAMS, epoch_blocks=6, state_levels=1))
    chain.make_genesis.cache_clear()
    yield seen
    chain.make_genesis.cache_clear()


@pytest.mark.parametrize(("profile", "seed"), [("disks", 100), ("restarts", 101)])
def test_nodes_that_die_while_the_tree_grows_stay_of_one_mind(
    profile: str, seed: int, depths: list[int]
) -> None:
    result = run_seed(seed, 4, profile)
    assert result.violation == "", "\n".join(result.history[-60:])
    assert result.acknowledged > 2
    assert depths.count(1) > 40 and depths.count(2) > 4, "it grew on the way"
