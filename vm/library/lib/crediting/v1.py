"""Baseline and credit: what a project reduced, what leaks, what the buffer keeps.

Numbers are fixed (ints at scale 12, t CO2e) until they are units: kilograms, rounded down; the
buffer's part of them is rounded up. Sources: ISO 14064-2:2019, 6.8; Kyoto Protocol Decision
3/CMP.1 (emission reductions = baseline - project - leakage); docs/carbon.md.
"""
from vm import mul_div, mul_div_up, require

ONE = 1000000000000
GRAMS_PER_UNIT = 1000
SHARES = 10000


def round_ratio(a: int, b: int, c: int) -> int:
    """a * b / c (c above 0) to the nearest integer, from the middle to the even one."""
    low = mul_div(a, b, c)
    doubled = mul_div(2 * a, b, c)
    if doubled == 2 * low:
        return low
    if mul_div_up(2 * a, b, c) == doubled and low % 2 == 0:
        return low
    return low + 1


def compute_baseline(activity: int, intensity: int) -> int:
    """BE = AL BI: what `activity` would have emitted at the baseline's intensity."""
    require(activity >= 0, "negative-activity")
    require(intensity >= 0, "negative-factor")
    return round_ratio(activity, intensity, ONE)


def compute_displacement(reduction: int, share: int) -> int:
    """LE: the share of a reduction that is emitted elsewhere, rounded up; none of an increase."""
    require(0 <= share <= ONE, "bad-share")
    return mul_div_up(max(reduction, 0), share, ONE)


def compute_reduction(baseline: int, project: int, leakage: int) -> int:
    """ER = BE - PE - LE; below 0 the project emitted more than the baseline.

    Reverts `negative-activity` for a baseline or leakage below 0: an increase elsewhere counts, a
    decrease elsewhere is somebody else's.
    """
    require(baseline >= 0, "negative-activity")
    require(leakage >= 0, "negative-activity")
    return baseline - project - leakage


def to_units(grams: int) -> int:
    """Whole kilograms of grams, rounded down; none of an amount below 0."""
    return max(grams, 0) // GRAMS_PER_UNIT


def compute_buffer(units: int, share: int) -> int:
    """The buffer's units of all units, `share` in 10**-4, rounded up; reverts `bad-share`."""
    require(units >= 0, "negative-activity")
    require(0 <= share <= SHARES, "bad-share")
    return mul_div_up(units, share, SHARES)
