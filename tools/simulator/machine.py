"""One simulated machine: a clock that is off and drifts, and the instruction it dies at.

An instruction is one effect, or one half of an effect that has two: a crash may come
between any two of them. What it never does: know anything of consensus.
"""

from __future__ import annotations

from tools.simulator.disk import CrashError

PPM = 1_000_000


class Machine:
    """Owns the clock's error and the count of instructions."""

    def __init__(self, started_ms: int) -> None:
        self._started_ms = started_ms
        self.skew_ms = 0
        self.next_skew_ms: int | None = None
        self.drift_ppm = 0
        self.performed = 0
        """Instructions of all lives so far."""
        self.down_ms = 0
        """How long the machine stays down when it dies next."""
        self._deaths: dict[int, int] = {}
        self._steps_left: int | None = None

    def read_clock(self, now_ms: int) -> int:
        """Return this machine's idea of the time."""
        drifted_ms = (now_ms - self._started_ms) * self.drift_ppm // PPM
        return now_ms + self.skew_ms + drifted_ms

    def compute_wait(self, local_ms: int) -> int:
        """Return how long it really takes until ``local_ms`` have gone by on this clock."""
        if not self.drift_ppm or local_ms <= 0:
            return max(local_ms, 0)
        return -(-local_ms * PPM // (PPM + self.drift_ppm)) + 1

    def turn_on(self) -> None:
        """A new life: a jump of the wall clock is seen by it, not by the process before."""
        self._steps_left = None
        if self.next_skew_ms is not None:
            self.skew_ms, self.next_skew_ms = self.next_skew_ms, None

    def die_after(self, steps: int, down_ms: int) -> None:
        """Let the machine die when so many more instructions are done."""
        self._steps_left, self.down_ms = steps, down_ms

    def die_at(self, number: int, down_ms: int) -> None:
        """Let the machine die before that instruction, counted over all lives from 0."""
        self._deaths[number] = down_ms

    def heal(self) -> None:
        """No more crashes."""
        self._steps_left = None
        self._deaths.clear()

    def tick(self, label: str) -> None:
        """One instruction begins; raises CrashError, naming it, when the machine dies first."""
        number = self.performed
        self.performed += 1
        if number in self._deaths:
            self.down_ms = self._deaths.pop(number)
            raise CrashError(label)
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left < 0:
                raise CrashError(label)
