"""Twins: two honest copies of one validator with one key, each seeing part of the network.

Whoever copies a key to a second machine does this by accident. Each copy keeps every rule,
and together they say two things at one place: they count as one of the f liars. Source:
Bano et al., "Twins: BFT Systems Made Robust", OPODIS 2021.
"""

from __future__ import annotations

import random

from tools.simulator.plan import Plan

SIDES = ("first", "first", "second", "second", "both")


class Twins:
    """Which copy of a doubled validator each of the others talks to, changing with time."""

    def __init__(self, plan: Plan, rng: random.Random) -> None:
        doubled = [liar for liar, names in plan.liars.items() if "twins" in names]
        self.twins = {liar: plan.validators + place for place, liar in enumerate(doubled)}
        self._owners = {twin: liar for liar, twin in self.twins.items()}
        self._rng = rng
        self._period_ms = rng.choice((300, 1_500, 1_000_000))
        self._sides: dict[tuple[int, int, int], str] = {}

    def get_owner(self, number: int) -> int:
        """Return the validator whose key that node has."""
        return self._owners.get(number, number)

    def find_targets(self, source: int, target: int, now_ms: int) -> tuple[int, ...]:
        """Return the nodes that get what ``source`` sends to the validator ``target``."""
        if not self.twins:
            return (target,)
        owner = self.get_owner(source)
        if owner in self.twins and not self._is_linked(source, owner, target, now_ms):
            return ()
        if target not in self.twins:
            return (target,)
        copies = (target, self.twins[target])
        return tuple(copy for copy in copies if self._is_linked(copy, target, owner, now_ms))

    def _is_linked(self, copy: int, liar: int, other: int, now_ms: int) -> bool:
        place = (now_ms // self._period_ms, liar, other)
        side = self._sides.get(place)
        if side is None:
            side = self._sides[place] = self._rng.choice(SIDES)
        return side == "both" or (side == "first") == (copy == liar)
