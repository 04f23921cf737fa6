"""When the state tree gets a level more: by the number of keys alone, an epoch after it is said."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from primitives.codec import pack
from primitives.params import STATE_LEVELS_MAX, ChainParams, compute_state_keys_max
from tests.unit.vm.carbon_chain import MemoryState, with_params
from vm import engine_view
from vm.depth import GROWTH_KEY, get_announced, turn_depth
from vm.state import MemoryReader, Overlay

FOUR = ChainParams(state_levels=4)
MANY = compute_state_keys_max(4) + 1


def test_three_million_keys_are_what_four_levels_are_for() -> None:
    assert [compute_state_keys_max(levels) for levels in (1, 4, 5)] == [768, 3_145_728, 50_331_648]


def test_the_end_of_an_epoch_announces_and_the_next_one_turns() -> None:
    overlay = Overlay(MemoryReader())
    assert turn_depth(overlay, FOUR, MANY - 1) == FOUR and get_announced(overlay) is None
    assert turn_depth(overlay, FOUR, MANY) == FOUR and get_announced(overlay) == 5
    # What is announced comes, though the state became smaller since.
    assert turn_depth(overlay, FOUR, 1) == replace(FOUR, state_levels=5)
    assert get_announced(overlay) is None and overlay.writes == {GROWTH_KEY: None}
    five = replace(FOUR, state_levels=5)
    assert turn_depth(overlay, five, MANY) == five and get_announced(overlay) is None


def test_the_deepest_tree_grows_no_more() -> None:
    overlay = Overlay(MemoryReader())
    deepest = replace(FOUR, state_levels=STATE_LEVELS_MAX)
    assert turn_depth(overlay, deepest, 1 << 62) == deepest
    assert get_announced(overlay) is None


@pytest.mark.parametrize("said", [1, 4, 6])
def test_no_vote_changes_the_depth_in_force(said: int) -> None:
    state = MemoryState()
    decided = with_params(state_levels=said, batch_delay_ms=77)
    state.apply({engine_view.NEXT_PARAMS_KEY: pack(list(astuple(decided)))})
    now = with_params(state_levels=5)
    assert engine_view.get_next_params(state, now) == replace(now, batch_delay_ms=77)
