"""Pausing a contract: one integer, the time until which it rests, in a Var of its own:

    resting_until = Var[int]()
    ...
    require_running(resting_until.get(), ctx.time)

0 is running. Time is the block's, in whole seconds; the second `until` is the first one running.
"""
from vm import require

ALWAYS = 9007199254740991


def is_paused(until: int, now: int) -> bool:
    return now < until


def require_running(until: int, now: int) -> None:
    """Revert `paused` while it rests."""
    require(not is_paused(until, now), "paused")


def pause_for(until: int, now: int, seconds: int) -> int:
    """The new `until`: never earlier than the present one. Reverts `bad-pause` below 1 second."""
    require(seconds >= 1, "bad-pause")
    return max(until, min(now + seconds, ALWAYS))


def pause_always() -> int:
    """An `until` that only `resume` ends."""
    return ALWAYS


def resume(until: int, now: int) -> int:
    """0; reverts `not-paused` when it runs already."""
    require(is_paused(until, now), "not-paused")
    return 0
