"""How long a view may take: T(v) = min(T0 * 2^v, cap), T0 = max(base, 4 * smoothed block time).

The cap keeps a chain that was out for long from waiting hours (Besu's round 10 waited
4096 s). Integers only; ``now`` comes from outside.
"""

from __future__ import annotations

from primitives.params import ChainParams

SMOOTHING = 8
"""A new block time counts one eighth, as in TCP's smoothed round-trip time (RFC 6298)."""


class Pacing:
    """Smooths the time from "a proposal is due" to "final"."""

    def __init__(self) -> None:
        self._smoothed_ms = 0

    def observe(self, block_time_ms: int) -> None:
        """Take one block's time from due to final."""
        if self._smoothed_ms == 0:
            self._smoothed_ms = block_time_ms
        else:
            self._smoothed_ms += (block_time_ms - self._smoothed_ms) // SMOOTHING

    def compute_timeout(self, view: int, params: ChainParams) -> int:
        """Return T(view) in milliseconds."""
        base = max(params.timeout_base_ms, 4 * self._smoothed_ms)
        # Shifting by more than 20 can only be above the cap; it would only grow an integer.
        return min(base << min(view, 20), params.timeout_max_ms)
