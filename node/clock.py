"""The node's clocks: one Unix time that never runs backwards while the process lives.

Consensus compares times that it was given, so a step of the wall clock (NTP, an
operator) must not reach it: wall clock at start plus monotonic since then.
"""

from __future__ import annotations

import time


class Clock:
    """Reads time for the parts that may not."""

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now_ms(self) -> int:
        """Return Unix time in milliseconds, never smaller than before."""
        return int((self._offset_s + time.monotonic()) * 1_000)

    def monotonic_s(self) -> float:
        """Return seconds for measuring and for p2p."""
        return time.monotonic()
