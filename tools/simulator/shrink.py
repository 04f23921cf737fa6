"""From a failing run to a smaller plan of faults that fails in the same way.

A run stops at the first violation, so no later step matters; what can still go are faults
that had no part in it. They are taken away one after the other, and the faults' end is
brought forward by bisection. The seed stays, so that the result repeats exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from consensus.replica import Replica
from tools.simulator.plan import Plan
from tools.simulator.result import Result
from tools.simulator.world import run_plan

RUNS_MAX = 80
LISTS = (
    "crashes", "partitions", "bad_links", "clock_jumps", "full_disks", "disk_losses", "deaths",
    "drift_ppm", "starts",
)  # fmt: skip
WHOLE = ("drift_ppm", "starts")
"""Taken away as a whole only: one node's drift has no place without the others'."""


def shrink(result: Result, replica_type: type[Replica] = Replica) -> tuple[Result, int]:
    """Return the run of the smallest plan found, with its history, and the number of runs."""
    smallest, runs, goes_on = result, 0, True
    while goes_on and runs < RUNS_MAX:
        goes_on = False
        for plan in _propose(smallest.plan):
            runs += 1
            found = run_plan(result.seed, plan, replica_type)
            if _get_kind(found) == _get_kind(result):
                smallest, goes_on = found, True
                break
            if runs >= RUNS_MAX:
                break
    if smallest is result:
        return result, runs
    return run_plan(result.seed, smallest.plan, replica_type, record=True), runs


def _get_kind(result: Result) -> str:
    """What was violated, without the numbers."""
    return result.violation.partition(" [")[0].partition(" (")[0]


def _with(plan: Plan, name: str, items: tuple[Any, ...]) -> Plan:
    changes: dict[str, Any] = {name: items}
    return replace(plan, **changes)


def _heal_at(plan: Plan, at_ms: int) -> Plan:
    """Return the plan with nothing going wrong after ``at_ms``."""
    return replace(
        plan,
        heal_at_ms=at_ms,
        crashes=tuple(item for item in plan.crashes if item[0] < at_ms),
        clock_jumps=tuple(item for item in plan.clock_jumps if item[0] < at_ms),
    )


def _propose(plan: Plan) -> Iterator[Plan]:
    """Yield simpler plans, those that leave out most first."""
    for name in LISTS:
        if getattr(plan, name):
            yield _with(plan, name, ())
    if plan.liars:
        yield replace(plan, liars={})
    if plan.loss or plan.repeat:
        yield replace(plan, loss=0, repeat=0)
    if any(plan.skew_ms):
        yield replace(plan, skew_ms=(0,) * plan.validators)
    if plan.heal_at_ms > 200:
        yield _heal_at(plan, plan.heal_at_ms // 2)
    for name in (name for name in LISTS if name not in WHOLE):
        items = getattr(plan, name)
        for place in range(len(items)):
            if len(items) > 1:
                yield _with(plan, name, items[:place] + items[place + 1 :])
    if plan.heal_at_ms > 200:
        yield _heal_at(plan, plan.heal_at_ms * 7 // 8)
