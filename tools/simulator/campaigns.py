"""Profiles that came last: every behaviour together, deaths at any instruction, clocks that
drift, sets of validators that change under load, and validators that never run.

Their dice are their own, so that the seeds of the older profiles keep their plans.
"""

from __future__ import annotations

import random
from dataclasses import replace

from tools.simulator.plan import Plan

ALL_LIARS = (
    "silent", "equivocator", "double-voter", "forger", "huge-view", "lying-status", "withholder",
    "eager", "selective", "mutator", "garbler", "flooder", "vote-splitter", "time-traveller",
    "padder", "foreigner", "miscomputer", "height-claimer", "view-flooder", "replayer", "choosy",
    "quibbler", "repeater", "false-server",
)  # fmt: skip
INSTRUCTIONS_MAX = 600
"""A node performs about so many before the faults end."""
DRIFT_PPM_MAX = 50_000
"""Five percent: far worse than any quartz, and visible within seconds."""
HEIGHTS_PER_DEAD_RUN = 8
"""Heights, in multiples of N, of a run in which a validator is dead."""


def add_byzantine(rng: random.Random, plan: Plan) -> Plan:
    """Up to f liars of up to three behaviours each; crashes, cuts and drift of the others."""
    faulty = (plan.validators - 1) // 3
    liars = sorted(rng.sample(range(plan.validators), rng.randint(min(1, faulty), faulty)))
    named = {liar: tuple(rng.sample(ALL_LIARS, rng.choice((1, 1, 2, 3)))) for liar in liars}
    if liars and rng.random() < 0.1:
        named[liars[0]] = ("twins", *named[liars[0]][:1])
    others = [node for node in range(plan.validators) if node not in named]
    plan = replace(plan, liars=named, delay_ms_max=rng.choice((5, 20, 80, 300)))
    if rng.random() < 0.4:
        plan = replace(plan, loss=rng.choice((2, 10, 30)), repeat=rng.choice((0, 5, 30)))
    if rng.random() < 0.5:
        crashes = tuple(sorted(_draw_crash(rng, plan, others) for _ in range(rng.randint(1, 6))))
        plan = replace(plan, crashes=crashes, torn=rng.random() < 0.5)
    if rng.random() < 0.5:
        plan = replace(plan, partitions=_draw_partitions(rng, plan, others))
    if rng.random() < 0.3:
        plan = replace(plan, drift_ppm=draw_drift(rng, plan))
    return plan


def _draw_crash(rng: random.Random, plan: Plan, nodes: list[int]) -> tuple[int, int, int, int]:
    at, node = rng.randrange(0, plan.heal_at_ms), rng.choice(nodes)
    return at, node, rng.randrange(50, 2_000), rng.randrange(0, 12)


def _draw_partitions(
    rng: random.Random, plan: Plan, others: list[int]
) -> tuple[tuple[int, int, tuple[int, ...], bool], ...]:
    """Cuts through the honest ones; the liars stand on either side."""
    cuts = []
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(0, plan.heal_at_ms)
        end = min(plan.heal_at_ms, start + rng.randrange(200, 4_000))
        side = rng.sample(others, rng.randint(1, len(others)))
        side += [liar for liar in plan.liars if rng.random() < 0.5]
        cuts.append((start, end, tuple(sorted(side)), rng.random() < 0.4))
    return tuple(cuts)


def draw_drift(rng: random.Random, plan: Plan) -> tuple[int, ...]:
    """Clocks that run too fast or too slow, for as long as the run lasts."""
    return tuple(rng.randint(-DRIFT_PPM_MAX, DRIFT_PPM_MAX) for _ in range(plan.validators))


def add_clocks(rng: random.Random, plan: Plan) -> Plan:
    """Every clock drifts; some machines come back with another time."""
    jumps = []
    for _ in range(rng.randint(0, 3)):
        at, node = rng.randrange(0, plan.heal_at_ms), rng.randrange(plan.validators)
        back = rng.randrange(at, plan.heal_at_ms)
        jumps += [(at, node, rng.choice((-900, 900))), (back, node, rng.randint(-300, 300))]
    jumps.sort(key=lambda jump: jump[0])
    return replace(
        plan,
        drift_ppm=draw_drift(rng, plan),
        clock_jumps=tuple(jumps),
        loss=rng.choice((0, 0, 5, 20)),
        delay_ms_max=rng.choice((5, 80, 500)),
    )


def add_deaths(rng: random.Random, plan: Plan) -> Plan:
    """Any number of nodes die at any instruction, again and again; torn or whole appends."""
    deaths = []
    for node in rng.sample(range(plan.validators), rng.randint(1, plan.validators)):
        deaths += [
            (node, rng.randrange(INSTRUCTIONS_MAX), rng.randrange(20, 1_500))
            for _ in range(rng.choice((1, 2, 5)))
        ]
    return replace(
        plan,
        deaths=tuple(sorted(deaths)),
        torn=rng.random() < 0.5,
        loss=rng.choice((0, 0, 10)),
        delay_ms_max=rng.choice((5, 80, 300)),
    )


def add_membership(rng: random.Random, plan: Plan) -> Plan:
    """Three join, two leave, one an epoch: of N first N + 3 and in the end N + 1 validators.

    Who joins starts late with an empty disk and watches until its epoch; who left watches
    on. At most f of each epoch's set lie.
    """
    first = plan.validators
    nodes, members = first + 3, list(range(first))
    schedule = [tuple(members)]
    for node in range(first, nodes):
        members = [*members, node]
        schedule.append(tuple(members))
    for _ in range(2):
        gone = rng.choice(members)
        members = [node for node in members if node != gone]
        schedule.append(tuple(members))
    plan = replace(
        plan,
        validators=nodes,
        schedule=tuple(schedule),
        starts=tuple((node, rng.randrange(0, plan.heal_at_ms)) for node in range(first, nodes)),
        skew_ms=tuple(rng.randint(-300, 300) for _ in range(nodes)),
        delay_ms_max=rng.choice((5, 20, 80)),
        heights=2,
        idle=False,
    )
    liars = _draw_liars_of_all_sets(rng, plan)
    others = [node for node in range(nodes) if node not in liars]
    plan = replace(plan, liars=liars)
    if rng.random() < 0.5:
        crashes = tuple(sorted(_draw_crash(rng, plan, others) for _ in range(rng.randint(1, 5))))
        plan = replace(plan, crashes=crashes, torn=rng.random() < 0.5)
    if rng.random() < 0.4:
        plan = replace(plan, partitions=_draw_partitions(rng, plan, others))
    if rng.random() < 0.3:
        plan = replace(plan, loss=rng.choice((2, 10)))
    return plan


def _draw_liars_of_all_sets(rng: random.Random, plan: Plan) -> dict[int, tuple[str, ...]]:
    """At most f of every epoch's validators lie; some runs have no liar."""
    if rng.random() < 0.4:
        return {}
    liars: list[int] = []
    for node in rng.sample(range(plan.validators), 2):
        tried = {*liars, node}
        if all(len(tried & set(item)) <= (len(item) - 1) // 3 for item in plan.schedule):
            liars.append(node)
    return {liar: (rng.choice(ALL_LIARS),) for liar in sorted(liars)}


def add_dead(rng: random.Random, plan: Plan) -> Plan:
    """Some validators never run, and nothing else is wrong: up to f of them."""
    faulty = (plan.validators - 1) // 3
    dead = sorted(rng.sample(range(plan.validators), rng.randint(min(1, faulty), faulty)))
    return replace(
        plan,
        dead=tuple(dead),
        heal_at_ms=0,
        heights=HEIGHTS_PER_DEAD_RUN * plan.validators,
        epoch_blocks=rng.choice((50, 1_000)),
        delay_ms_max=rng.choice((5, 20)),
        skew_ms=tuple(rng.randint(-300, 300) for _ in range(plan.validators)),
        idle=False,
        rotate=False,
        real_keys=False,
    )


def add_haste(rng: random.Random, plan: Plan) -> Plan:
    """Time-outs far below what the network needs: dozens of views at one height."""
    plan = replace(
        plan,
        timeout_ms=(100, 1_000),
        heal_at_ms=rng.randrange(4_000, 9_000),
        delay_ms_max=rng.choice((600, 1_500, 3_000)),
        loss=rng.choice((0, 5, 20)),
        idle=False,
    )
    if rng.random() < 0.5:
        nodes = list(range(plan.validators))
        crashes = tuple(sorted(_draw_crash(rng, plan, nodes) for _ in range(rng.randint(1, 6))))
        plan = replace(plan, crashes=crashes, torn=rng.random() < 0.5)
    if rng.random() < 0.3 and plan.validators > 3:
        plan = replace(plan, liars={rng.randrange(plan.validators): (rng.choice(ALL_LIARS),)})
    return plan


CAMPAIGNS = {
    "byzantine": add_byzantine,
    "clocks": add_clocks,
    "deaths": add_deaths,
    "membership": add_membership,
    "dead": add_dead,
    "haste": add_haste,
}
"""Name to what it makes of a calm plan with a time of healing."""
