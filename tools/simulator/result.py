"""How a run ended: what processes hand each other when a seed fails."""

from __future__ import annotations

from dataclasses import dataclass

from tools.simulator.plan import Plan


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. ``violation`` is empty when every invariant held."""

    seed: int
    plan: Plan
    violation: str
    height: int
    end_ms: int
    healed_for_ms: int
    events: int
    history: tuple[str, ...]
