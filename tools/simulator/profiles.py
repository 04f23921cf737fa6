"""What goes wrong in a run: drawn from the seed, or fixed by a named profile."""

from __future__ import annotations

import random
from dataclasses import replace

from tools.simulator.campaigns import CAMPAIGNS
from tools.simulator.plan import Plan

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

WORSE_LIARS = (*LIARS, "mutator", "garbler", "flooder")
"""Those of the later profiles."""

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
    "twins",
    "disks",
    "restarts",
    "links",
    "mutants",
    "storm",
    *CAMPAIGNS,
)


WORSE = ("twins", "disks", "restarts", "links", "mutants", "storm")
"""Profiles with dice of their own, so that the seeds of the others keep their plans."""


def make_plan(seed: int, validators: int, profile: str) -> Plan:
    """Return the plan of a seed. The same arguments give the same plan."""
    rng = random.Random(f"plan/{seed}/{validators}/{profile}")
    plan = _make_calm(rng, validators)
    if profile == "calm":
        return plan
    plan = replace(plan, heal_at_ms=rng.randrange(2_000, 9_000))
    if profile in CAMPAIGNS:
        rng = random.Random(f"campaign/{seed}/{validators}/{profile}")
        return CAMPAIGNS[profile](rng, plan)
    mixed = profile == "mixed"
    if profile == "lossy" or (mixed and rng.random() < 0.6):
        plan = replace(
            plan, loss=rng.choice((2, 10, 30)), repeat=rng.choice((0, 5, 30)),
            delay_ms_max=rng.choice((20, 200, 900)),
        )  # fmt: skip
    if profile == "partitions" or (mixed and rng.random() < 0.4):
        plan = replace(plan, partitions=_make_partitions(rng, plan))
    faulty = (validators - 1) // 3
    if profile in WORSE:
        return _make_worse(random.Random(f"worse/{seed}/{validators}/{profile}"), plan, profile)
    if profile in ("crashes", "lost-record") or (mixed and rng.random() < 0.5):
        plan = replace(plan, crashes=_make_crashes(rng, plan))
    if profile == "lost-record":
        return replace(plan, lost_record=plan.crashes[0][1])
    if profile == "ring":
        return _make_ring(rng, plan, faulty)
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


def _make_calm(rng: random.Random, validators: int) -> Plan:
    """Nothing goes wrong but delays and clocks."""
    return Plan(
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


def _make_ring(rng: random.Random, plan: Plan, faulty: int) -> Plan:
    """One liar leaves a line; two could cut the honest ones apart, and nobody could go on."""
    liar, behaviour = rng.randrange(plan.validators), (rng.choice(LIARS),)
    return replace(
        plan,
        ring=True,
        liars={liar: behaviour} if faulty else {},
        delay_ms_max=20,
        loss=rng.choice((0, 5)),
    )


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


def _make_worse(rng: random.Random, plan: Plan, profile: str) -> Plan:
    """One of the later profiles; "storm" is all of them at once, within f faulty nodes."""
    storm = profile == "storm"
    faulty = (plan.validators - 1) // 3
    if rng.random() < 0.6:
        plan = replace(
            plan, loss=rng.choice((2, 10, 30)), repeat=rng.choice((0, 5)),
            delay_ms_max=rng.choice((20, 200, 900)),
        )  # fmt: skip
    bad = rng.sample(range(plan.validators), faulty)
    liars = (
        bad[: rng.randint(0, faulty)] if storm else bad if profile in ("twins", "mutants") else []
    )
    if profile == "restarts" and rng.random() < 0.3:
        liars = bad
    twins = profile == "twins" or (storm and rng.random() < 0.5)
    named: dict[int, tuple[str, ...]] = {liar: (rng.choice(WORSE_LIARS),) for liar in sorted(liars)}
    if twins and liars:
        named[liars[0]] = ("twins",) if rng.random() < 0.7 else ("twins", rng.choice(WORSE_LIARS))
    if profile == "mutants":
        more = ((), (), ("garbler",), ("flooder",), ("eager",))
        named = {liar: ("mutator", *rng.choice(more)) for liar in sorted(liars)}
    plan = replace(plan, liars=named)
    if storm or profile == "links" or (profile == "twins" and rng.random() < 0.5):
        plan = _make_bad_links(rng, plan)
    if storm or profile in ("links", "restarts"):
        plan = replace(plan, clock_jumps=_make_clock_jumps(rng, plan, faulty))
    if storm or profile == "disks" or (profile == "twins" and rng.random() < 0.3):
        plan = replace(plan, crashes=_make_crashes(rng, plan), torn=rng.random() < 0.8)
    if storm or profile == "restarts":
        crashes = plan.crashes + _make_restarts(rng, plan, faulty)
        plan = replace(plan, crashes=tuple(sorted(crashes)), torn=True)
    if storm or profile == "disks":
        plan = _make_disk_losses(rng, plan, bad[len(liars) :])
    return plan


def _make_restarts(
    rng: random.Random, plan: Plan, faulty: int
) -> tuple[tuple[int, int, int, int], ...]:
    """More than f nodes die at once, some of them again and again; their disks are intact."""
    crashes = []
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(0, plan.heal_at_ms)
        size = rng.randint(faulty + 1, plan.validators)
        for node in rng.sample(range(plan.validators), size):
            again = rng.choice((1, 1, 3))
            crashes += [
                (at + 120 * turn, node, rng.randrange(20, 600), rng.randrange(0, 12))
                for turn in range(again)
            ]
    return tuple(item for item in crashes if item[0] < plan.heal_at_ms)


def _make_disk_losses(rng: random.Random, plan: Plan, victims: list[int]) -> Plan:
    """Up to f disks lose what they held; any number of them is full for a while."""
    losses = tuple(
        (node, rng.choice(("log", "data", "all"))) for node in victims if rng.random() < 0.8
    )
    # Whoever loses its disk crashes at least once.
    crashes = tuple(
        (rng.randrange(0, plan.heal_at_ms), node, rng.randrange(50, 1_500), rng.randrange(0, 12))
        for node, _ in losses
    )
    full = []
    for _ in range(rng.choice((0, 1, 2, 4))):
        start = rng.randrange(0, plan.heal_at_ms)
        end = min(plan.heal_at_ms, start + rng.randrange(100, 3_000))
        full.append((start, end, rng.randrange(plan.validators)))
    return replace(
        plan,
        crashes=tuple(sorted(plan.crashes + crashes)),
        disk_losses=losses,
        full_disks=tuple(full),
    )


def _make_bad_links(rng: random.Random, plan: Plan) -> Plan:
    """Single links cut or slow in one direction, and groups that part again and again."""
    links = []
    for _ in range(rng.randint(1, 2 * plan.validators)):
        source, target = rng.sample(range(plan.validators), 2)
        start = rng.randrange(0, plan.heal_at_ms)
        end = min(plan.heal_at_ms, start + rng.randrange(200, 6_000))
        links.append((start, end, source, target, rng.choice((-1, -1, 100, 700, 2_500))))
    partitions: list[tuple[int, int, tuple[int, ...], bool]] = []
    at, step = rng.randrange(0, plan.heal_at_ms), rng.choice((150, 600, 1_500))
    while at < plan.heal_at_ms and len(partitions) < 12:
        end = min(plan.heal_at_ms, at + step)
        size = rng.randint(1, plan.validators - 1)
        group = tuple(sorted(rng.sample(range(plan.validators), size)))
        partitions.append((at, end, group, rng.random() < 0.5))
        at = end
    return replace(plan, bad_links=tuple(links), partitions=tuple(partitions))


def _make_clock_jumps(
    rng: random.Random, plan: Plan, faulty: int
) -> tuple[tuple[int, int, int], ...]:
    """Machines come back with another time; in the end each is within 0.3 s again.

    Far off are f of them at most: a quorum in the future would make blocks of the future.
    """
    jumps = []
    astray = rng.sample(range(plan.validators), faulty)
    for _ in range(rng.randint(1, 3)):
        at, node = rng.randrange(0, plan.heal_at_ms), rng.randrange(plan.validators)
        far = rng.choice((-3_600_000, -5_000, 5_000, 3_600_000) if node in astray else (-900, 900))
        jumps.append((at, node, far))
        back = rng.randrange(at, plan.heal_at_ms)
        jumps.append((back, node, rng.randint(-300, 300)))
    # Stable: of two jumps of one node in one millisecond the one back comes last.
    return tuple(sorted(jumps, key=lambda jump: jump[0]))
