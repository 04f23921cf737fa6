"""When the state tree gets one level more: announced at the end of an epoch, in force after
the next one.

The number of keys in the state decides, nobody's vote: it is the same on every node. The
announcement is a row of the certified state, so it comes with a snapshot and can be proven;
the whole epoch between is for building the deeper tree beside the one in force
(storage/treegrowth.py). The depth itself is a parameter and never gets less.
Source: docs/decisions/0033.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from primitives.codec import pack, unpack
from primitives.params import STATE_LEVELS_MAX, ChainParams, compute_state_keys_max
from vm.state import Overlay, StateReader

GROWTH_KEY: Final = b"\0growth"
"""The depth after the epoch that has begun; absent while the tree stays as it is."""


def get_announced(reader: StateReader) -> int | None:
    """Return the depth that the next epoch will have, None where it stays."""
    value = reader.get(GROWTH_KEY)
    return None if value is None else int(unpack(value))


def turn_depth(overlay: Overlay, params: ChainParams, state_keys: int) -> ChainParams:
    """Return ``params`` with the depth of the next epoch; announce another where it is due.

    Call it once, with the last block of an epoch. ``state_keys`` are those of the state
    before that block.
    """
    announced = get_announced(overlay)
    if announced is not None:
        overlay.put(GROWTH_KEY, None)
        return replace(params, state_levels=announced)
    levels = params.state_levels
    if levels < STATE_LEVELS_MAX and state_keys > compute_state_keys_max(levels):
        overlay.put(GROWTH_KEY, pack(levels + 1))
    return params
