"""What goes wrong in a run: drawn from the seed, or fixed by a named profile.

Times are milliseconds since the load began; probabilities are percent of a frame.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

PROFILES = ("mixed", "calm", "lossy", "partitions", "crashes", "disks", "restarts", "liar")


@dataclass(frozen=True, slots=True)
class Cut:
    """``group`` is cut off from the rest, or only not heard by it (``is_one_way``).

    ``kind``: frames are lost ("drop"), wait for the end ("hold"), or connections break
    and none can be made ("reset").
    """

    start_ms: int
    end_ms: int
    group: tuple[int, ...]
    is_one_way: bool
    kind: str


@dataclass(frozen=True, slots=True)
class SlowLink:
    """One direction of one link takes so much longer."""

    start_ms: int
    end_ms: int
    link: tuple[int, int]
    extra_ms: int


@dataclass(frozen=True, slots=True)
class Crash:
    """The power of one machine goes; it is back later, perhaps without its data.

    ``loses``: "" nothing that was synced, "data" the data folder, "all" the last-signed
    record too (its owner then says that the key was used before).
    """

    at_ms: int
    machine: int
    down_ms: int
    is_loud: bool
    loses: str = ""
    is_stop: bool = False
    """An operator's restart: a clean stop."""


@dataclass(frozen=True, slots=True)
class FullDisk:
    """No room on one machine's disk."""

    start_ms: int
    end_ms: int
    machine: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's faults."""

    validators: int
    heal_at_ms: int
    clients: int
    delay_ms_max: int = 10
    loss: int = 0
    repeat: int = 0
    reorder: int = 0
    cuts: tuple[Cut, ...] = ()
    slow_links: tuple[SlowLink, ...] = ()
    crashes: tuple[Crash, ...] = ()
    full_disks: tuple[FullDisk, ...] = ()
    skew_ms: tuple[int, ...] = ()
    """How far each machine's clock is off."""
    drift_ppm: tuple[int, ...] = ()
    """How much faster each machine's clock runs."""
    liar: int | None = None
    """A machine whose answers to catch-up are forged blocks."""


def make_plan(seed: int, validators: int, profile: str) -> Plan:
    """Return the plan of a seed. The same arguments give the same plan."""
    rng = random.Random(f"whole/{seed}/{validators}/{profile}")
    faulty = (validators - 1) // 3
    plan = Plan(
        validators,
        heal_at_ms=0,
        clients=rng.randint(2, 5),
        skew_ms=tuple(rng.randint(-300, 300) for _ in range(validators)),
        drift_ppm=tuple(rng.randint(-200, 200) for _ in range(validators)),
    )
    if profile == "calm":
        return replace(plan, heal_at_ms=2_000)
    plan = replace(plan, heal_at_ms=rng.randrange(4_000, 14_000))
    is_mixed = profile == "mixed"
    if profile == "lossy" or (is_mixed and rng.random() < 0.5):
        plan = replace(
            plan, loss=rng.choice((1, 5, 20)), repeat=rng.choice((0, 5, 20)),
            reorder=rng.choice((0, 10, 40)), delay_ms_max=rng.choice((20, 150, 600)),
        )  # fmt: skip
    if profile == "partitions" or (is_mixed and rng.random() < 0.5):
        plan = replace(plan, cuts=_make_cuts(rng, plan), slow_links=_make_slow_links(rng, plan))
    if profile in ("crashes", "liar", "disks") or (is_mixed and rng.random() < 0.6):
        plan = replace(plan, crashes=_make_crashes(rng, plan))
    if profile == "restarts" or (is_mixed and rng.random() < 0.3):
        plan = replace(plan, crashes=plan.crashes + _make_outages(rng, plan, faulty))
    if profile == "disks" or (is_mixed and rng.random() < 0.3):
        plan = _make_bad_disks(rng, plan, faulty)
    if faulty and (profile == "liar" or (is_mixed and rng.random() < 0.15)):
        plan = _make_liar(rng, plan)
    if is_mixed and rng.random() < 0.1:
        skew = list(plan.skew_ms)
        skew[rng.randrange(validators)] = rng.choice((-60_000, 5_000))
        plan = replace(plan, skew_ms=tuple(skew))
    return replace(plan, crashes=tuple(sorted(plan.crashes, key=lambda crash: crash.at_ms)))


def _make_cuts(rng: random.Random, plan: Plan) -> tuple[Cut, ...]:
    cuts = []
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(0, plan.heal_at_ms)
        end = min(plan.heal_at_ms, start + rng.randrange(200, 6_000))
        group = tuple(sorted(rng.sample(range(plan.validators), rng.randint(1, 2))))
        kind = rng.choice(("drop", "hold", "reset"))
        cuts.append(Cut(start, end, group, rng.random() < 0.3, kind))
    return tuple(cuts)


def _make_slow_links(rng: random.Random, plan: Plan) -> tuple[SlowLink, ...]:
    links = []
    for _ in range(rng.randint(0, 2 * plan.validators)):
        source, target = rng.sample(range(plan.validators), 2)
        start = rng.randrange(0, plan.heal_at_ms)
        end = min(plan.heal_at_ms, start + rng.randrange(500, 6_000))
        links.append(SlowLink(start, end, (source, target), rng.choice((100, 700, 2_500))))
    return tuple(links)


def _make_crashes(rng: random.Random, plan: Plan) -> tuple[Crash, ...]:
    return tuple(
        Crash(
            at_ms=rng.randrange(0, plan.heal_at_ms),
            machine=rng.randrange(plan.validators),
            down_ms=rng.randrange(50, 5_000),
            is_loud=rng.random() < 0.7,
            is_stop=rng.random() < 0.2,
        )
        for _ in range(rng.randint(1, 5))
    )


def _make_outages(rng: random.Random, plan: Plan, faulty: int) -> tuple[Crash, ...]:
    """More than f machines die within a moment, some again as soon as they are back."""
    crashes = []
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(0, plan.heal_at_ms)
        size = rng.randint(faulty + 1, plan.validators)
        for machine in rng.sample(range(plan.validators), size):
            for turn in range(rng.choice((1, 1, 2))):
                when = at + rng.randrange(0, 30) + 700 * turn
                crashes.append(Crash(when, machine, rng.randrange(50, 600), is_loud=True))
    return tuple(crash for crash in crashes if crash.at_ms < plan.heal_at_ms)


def _make_bad_disks(rng: random.Random, plan: Plan, faulty: int) -> Plan:
    """Up to f machines lose their data; any number has no room for a while."""
    losses = [
        Crash(
            rng.randrange(0, plan.heal_at_ms), machine, rng.randrange(50, 2_000), is_loud=True,
            loses=rng.choice(("data", "all")),
        )
        for machine in rng.sample(range(plan.validators), faulty)
        if rng.random() < 0.8
    ]  # fmt: skip
    full = []
    for _ in range(rng.choice((0, 1, 2, 4))):
        start = rng.randrange(0, plan.heal_at_ms)
        end = min(plan.heal_at_ms, start + rng.randrange(100, 3_000))
        full.append(FullDisk(start, end, rng.randrange(plan.validators)))
    return replace(plan, crashes=(*plan.crashes, *losses), full_disks=tuple(full))


def _make_liar(rng: random.Random, plan: Plan) -> Plan:
    """One who forges what it serves; whoever lost data would be one too many beside it."""
    kept = tuple(crash for crash in plan.crashes if not crash.loses)
    return replace(plan, crashes=kept, liar=rng.randrange(plan.validators))
