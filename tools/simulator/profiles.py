"""What goes wrong in a run: drawn from the seed, or fixed by a named profile."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

LIARS = (
    "silent",
    "equivocator",
    "double-voter",
    "forger",
    "huge-view",
    "lying-status",
    "withholder",
    "eager",
    "selective",
)
"""Names of behaviours; liars.py has the code."""

SPLITTERS = ("confidant", "confidant", "eager", "equivocator", "selective")
"""Those who try to have a block final for some and unknown to others."""

PROFILES = (
    "mixed",
    "calm",
    "lossy",
    "partitions",
    "crashes",
    "liars",
    "lost-record",
    "ring",
    "splits",
    "forks",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's faults. Times in milliseconds; probabilities in percent of a message."""

    validators: int
    real_keys: bool
    heal_at_ms: int
    heights: int
    """Heights that must become final after everything has healed."""
    delay_ms_max: int
    loss: int
    repeat: int
    partitions: tuple[tuple[int, int, tuple[int, ...], bool], ...]
    """(from, to, group, one way): the group's messages to the rest are lost, or both ways."""
    crashes: tuple[tuple[int, int, int, int], ...]
    """(at, node, down for, effects still performed after ``at``)."""
    lost_record: int | None
    """The node whose last-signed record is lost in its first crash."""
    liars: dict[int, tuple[str, ...]]
    idle: bool
    """No transactions: only empty blocks."""
    rotate: bool
    skew_ms: tuple[int, ...]
    """How far each node's clock is off."""
    ring: bool
    """Links to two neighbours only: everything else is handed on."""
    """The set's order changes with each epoch."""


def make_plan(seed: int, validators: int, profile: str) -> Plan:
    """Return the plan of a seed. The same arguments give the same plan."""
    rng = random.Random(f"plan/{seed}/{validators}/{profile}")
    plan = Plan(
        validators=validators,
        real_keys=rng.random() < 0.02,
        heal_at_ms=0,
        heights=4,
        delay_ms_max=rng.choice((5, 20, 80)),
        loss=0,
        repeat=0,
        partitions=(),
        crashes=(),
        lost_record=None,
        liars={},
        idle=rng.random() < 0.05,
        rotate=rng.random() < 0.3,
        skew_ms=_make_skew(rng, validators),
        ring=False,
    )
    if profile == "calm":
        return plan
    plan = replace(plan, heal_at_ms=rng.randrange(2_000, 9_000))
    mixed = profile == "mixed"
    if profile == "lossy" or (mixed and rng.random() < 0.6):
        plan = replace(
            plan, loss=rng.choice((2, 10, 30)), repeat=rng.choice((0, 5, 30)),
            delay_ms_max=rng.choice((20, 200, 900)),
        )  # fmt: skip
    if profile == "partitions" or (mixed and rng.random() < 0.4):
        plan = replace(plan, partitions=_make_partitions(rng, plan))
    faulty = (validators - 1) // 3
    if profile in ("crashes", "lost-record") or (mixed and rng.random() < 0.5):
        plan = replace(plan, crashes=_make_crashes(rng, plan))
    if profile == "lost-record":
        return replace(plan, lost_record=plan.crashes[0][1])
    if profile == "ring":
        # One liar leaves a line; two could cut the honest ones apart, and nobody could go on.
        liar, behaviour = rng.randrange(validators), (rng.choice(LIARS),)
        return replace(
            plan,
            ring=True,
            liars={liar: behaviour} if faulty else {},
            delay_ms_max=20,
            loss=rng.choice((0, 5)),
        )
    if profile == "forks" and faulty:
        return _make_fork_attempt(rng, plan)
    if profile == "splits":
        return _make_splits(rng, plan, faulty)
    if profile == "liars" or (mixed and rng.random() < 0.6):
        liars = rng.sample(range(validators), rng.randint(min(1, faulty), faulty))
        plan = replace(
            plan,
            liars={liar: tuple(rng.sample(LIARS, rng.choice((1, 1, 2)))) for liar in sorted(liars)},
        )
    return plan


def _make_splits(rng: random.Random, plan: Plan, faulty: int) -> Plan:
    """Votes are lost and late, so that what one replica saw final the others did not."""
    liars = sorted(rng.sample(range(plan.validators), faulty))
    return replace(
        plan,
        liars={liar: (rng.choice(SPLITTERS),) for liar in liars},
        loss=rng.choice((10, 30, 50)),
        delay_ms_max=rng.choice((80, 300, 900)),
        partitions=_make_partitions(rng, plan) if rng.random() < 0.5 else (),
    )


def _make_fork_attempt(rng: random.Random, plan: Plan) -> Plan:
    """A forker, whose neighbour hears everything and is heard by nobody."""
    forker, start = rng.randrange(plan.validators), rng.randrange(0, 1_000)
    mute = ((forker + 1) % plan.validators,)
    return replace(
        plan,
        liars={forker: ("forker",)},
        loss=rng.choice((0, 2)),
        delay_ms_max=rng.choice((20, 80)),
        partitions=((start, plan.heal_at_ms, mute, True),),
    )


def _make_skew(rng: random.Random, validators: int) -> tuple[int, ...]:
    """Clocks off by up to 0.3 s; now and then one that nobody's drift check accepts."""
    skew = [rng.randint(-300, 300) for _ in range(validators)]
    if rng.random() < 0.1:
        skew[rng.randrange(validators)] = rng.choice((-60_000, 5_000))
    return tuple(skew)


def _make_partitions(
    rng: random.Random, plan: Plan
) -> tuple[tuple[int, int, tuple[int, ...], bool], ...]:
    partitions = []
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(0, plan.heal_at_ms)
        end = min(plan.heal_at_ms, start + rng.randrange(200, 5_000))
        size = rng.randint(1, plan.validators - 1)
        group = tuple(sorted(rng.sample(range(plan.validators), size)))
        partitions.append((start, end, group, rng.random() < 0.4))
    return tuple(partitions)


def _make_crashes(rng: random.Random, plan: Plan) -> tuple[tuple[int, int, int, int], ...]:
    crashes = []
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(0, plan.heal_at_ms)
        node = rng.randrange(plan.validators)
        crashes.append((at, node, rng.randrange(50, 3_000), rng.randrange(0, 12)))
    if rng.random() < 0.2:
        # The power goes: everybody at once.
        at = rng.randrange(0, plan.heal_at_ms)
        crashes += [
            (at, node, rng.randrange(50, 1_000), rng.randrange(0, 12))
            for node in range(plan.validators)
        ]
    return tuple(sorted(crashes))
