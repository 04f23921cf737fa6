"""Which fault comes when: a seeded plan. Pure.

Faults come one after the other. What makes nodes faulty hits at most f of them at once;
only a split network and the death of all at once may stop the chain, and then it must go
on after the healing. Every kind comes in every round, in an order of the seed's, so that
a run of some minutes has seen all of them; the death of a leader comes most often,
because the time that it costs is what we promise a bound for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """What happens. The value is the name in tables and files."""

    KILL = "kill -9"
    KILL_LEADER = "kill -9 the leader"
    KILL_TWICE = "kill -9, again while it starts"
    KILL_ALL = "kill -9 all at once"
    FREEZE = "freeze (SIGSTOP)"
    FREEZE_LEADER = "freeze the leader"
    EMPTY_DATA = "restart with empty data"
    ISOLATE = "cut off from all"
    SPLIT = "split without a quorum"
    MUTE = "nothing from it arrives"
    DEAF = "nothing arrives at it"
    LINK = "one direction of one link lost"
    SLOW = "slow network"
    FULL_DISK = "full disk"
    CLOCK = "wrong clock"


STOPPING = frozenset({FaultKind.KILL_ALL, FaultKind.SPLIT})
"""No quorum is left: the chain may stand still until it is healed."""
LEADERS = frozenset({FaultKind.KILL_LEADER, FaultKind.FREEZE_LEADER})
"""The victim is whoever leads when it happens."""
LEADER_DEATHS_PER_ROUND = 4

DELAYS_MS = (50, 100, 200)
CLOCK_OFFSETS_MS = (-31_536_000_000, -3_600_000, -15_000, 15_000, 3_600_000, 31_536_000_000)
"""A year, an hour, and a little more than ``clock_drift_ms``."""
HOLD_S = (2.0, 6.0)
CALM_S = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``victims`` is empty for those of ``LEADERS``, who is known only then.

    ``hold_s`` is how long it lasts, ``calm_s`` the pause after the healing. ``amount`` is
    a delay or a clock's offset in milliseconds.
    """

    number: int
    kind: FaultKind
    victims: tuple[int, ...]
    hold_s: float
    calm_s: float
    amount: int = 0

    @property
    def may_stop_chain(self) -> bool:
        """Whether the chain need not go on before the healing."""
        return self.kind in STOPPING


def make_schedule(
    seed: int, validators: int, kinds: Sequence[FaultKind] = tuple(FaultKind)
) -> Iterator[Fault]:
    """Yield faults for ever; the same ones for the same seed, number and kinds."""
    rng = random.Random(seed)
    number = 0
    while True:
        once: list[FaultKind] = [kind for kind in kinds if kind is not FaultKind.KILL_LEADER]
        rng.shuffle(once)
        for kind in _spread_leader_deaths(once, FaultKind.KILL_LEADER in kinds):
            yield _make_fault(rng, number, kind, validators)
            number += 1


def _spread_leader_deaths(others: list[FaultKind], wanted: bool) -> list[FaultKind]:
    """Return the round with the leader's deaths evenly between the others, one first."""
    if not wanted:
        return others
    every = max(1, len(others) // LEADER_DEATHS_PER_ROUND)
    kinds: list[FaultKind] = []
    for place, kind in enumerate(others or [FaultKind.KILL_LEADER]):
        if place % every == 0:
            kinds.append(FaultKind.KILL_LEADER)
        if others:
            kinds.append(kind)
    return kinds


def _make_fault(rng: random.Random, number: int, kind: FaultKind, validators: int) -> Fault:
    faulty_max = max(1, (validators - 1) // 3)
    everyone = range(validators)
    victims: tuple[int, ...] = tuple(sorted(rng.sample(everyone, rng.randint(1, faulty_max))))
    hold_s, calm_s = rng.uniform(*HOLD_S), rng.uniform(*CALM_S)
    delay_ms, offset_ms = rng.choice(DELAYS_MS), rng.choice(CLOCK_OFFSETS_MS)
    amount = 0
    if kind in LEADERS:
        victims = ()
    elif kind in (FaultKind.KILL_ALL, FaultKind.SLOW):
        victims = tuple(everyone)
    elif kind is FaultKind.SPLIT:
        victims = tuple(sorted(rng.sample(everyone, validators // 2)))
    elif kind is FaultKind.LINK:
        victims = tuple(rng.sample(everyone, 2))  # from, to
    elif kind in (FaultKind.FULL_DISK, FaultKind.CLOCK):
        victims = victims[:1]
    if kind is FaultKind.SLOW:
        amount = delay_ms
    elif kind is FaultKind.CLOCK:
        amount = offset_ms
    return Fault(number, kind, victims, round(hold_s, 3), round(calm_s, 3), amount)
