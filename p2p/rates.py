"""Token buckets and jittered back-off. Pure: time and randomness come in.

Source: the token bucket of RFC 2697 section 3 in its plainest form; "full jitter"
back-off (Brooker 2015) with a floor of one half.
"""

from __future__ import annotations

import random


class TokenBucket:
    """``rate`` tokens a second, at most ``burst`` of them saved up."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._tokens, self._at = rate, burst, burst, now

    def take(self, amount: float, now: float) -> bool:
        """Spend ``amount`` if it is there; else change nothing and answer False."""
        self._refill(now)
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True

    def charge(self, amount: float, now: float) -> float:
        """Spend ``amount`` even into debt; return the seconds until the debt is paid."""
        self._refill(now)
        self._tokens -= amount
        return max(0.0, -self._tokens / self._rate)

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self._at)
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        self._at = max(self._at, now)


def compute_backoff_s(attempt: int, base_s: float, max_s: float, rng: random.Random) -> float:
    """Return the wait before try ``attempt`` (0 = first retry): half fixed, half random."""
    ceiling = min(max_s, base_s * (1 << min(attempt, 30)))
    return ceiling * (0.5 + 0.5 * rng.random())
