"""What the network does to a frame at this moment: pass, lose, repeat, delay, cut.

Reads the plan and the clock; keeps nothing. Control frames (HELLO, PING, PONG, GOODBYE)
are never lost one by one: a link without them is a cut one, and cuts are told apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from p2p.frames import CONTROL_KINDS, FrameKind
from tools.simulator.whole.plan import Plan


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one frame: seconds until each copy arrives; none when it is lost."""

    delays_s: tuple[float, ...]
    in_order: bool = True


class Weather:
    """See the module. ``now_ms`` is the time since the faults may begin."""

    def __init__(self, plan: Plan, now_ms: Callable[[], float]) -> None:
        self._plan = plan
        self._now_ms = now_ms

    @property
    def is_healed(self) -> bool:
        """Whether the time of faults is over."""
        return self._now_ms() >= self._plan.heal_at_ms

    @property
    def is_calm(self) -> bool:
        """Whether no fault happens: before they begin and after they end."""
        return self._now_ms() < 0 or self.is_healed

    def find_cut(self, source: int, target: int) -> str:
        """Return how frames in this direction are kept from arriving; empty: they are not."""
        if self.is_calm:
            return ""
        now = self._now_ms()
        for cut in self._plan.cuts:
            if not cut.start_ms <= now < cut.end_ms:
                continue
            leaves = source in cut.group and target not in cut.group
            enters = target in cut.group and source not in cut.group
            if leaves or (enters and not cut.is_one_way):
                return cut.kind
        return ""

    def get_latency_s(self, source: int, target: int, rng: random.Random) -> float:
        """Draw how long a frame takes."""
        longest_ms = 10 if self.is_calm else self._plan.delay_ms_max
        extra_ms = 0
        if not self.is_calm:
            now = self._now_ms()
            for slow in self._plan.slow_links:
                if slow.start_ms <= now < slow.end_ms and (source, target) == slow.link:
                    extra_ms = max(extra_ms, slow.extra_ms)
        return (rng.uniform(0.5, longest_ms) + extra_ms) / 1_000

    def draw(self, source: int, target: int, kind: FrameKind, rng: random.Random) -> Fate:
        """Return the fate of a frame on a link that is not cut."""
        latency_s = self.get_latency_s(source, target, rng)
        if self.is_calm or kind in CONTROL_KINDS:
            return Fate((latency_s,))
        if rng.random() * 100 < self._plan.loss:
            return Fate(())
        delays = [latency_s]
        if rng.random() * 100 < self._plan.repeat:
            delays.append(self.get_latency_s(source, target, rng) * rng.randint(1, 5))
        return Fate(tuple(delays), in_order=rng.random() * 100 >= self._plan.reorder)
