"""Tables of points: linear interpolation, and bands.

`xs` ascends strictly and `ys` has as many values: `check_table` reverts `bad-table` otherwise.
Call it where a table is taken in; the look-ups trust it.
"""
from vm import mul_div, mul_div_up, require, revert


def check_table(xs: list[int], ys: list[int]) -> None:
    require(len(xs) > 0 and len(xs) == len(ys), "bad-table")
    for index in range(1, len(xs)):
        require(xs[index - 1] < xs[index], "bad-table")


def find_band(xs: list[int], x: int) -> int:
    """The last index whose x is not above `x`; -1 when the table begins later."""
    low = -1
    high = len(xs)
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= x:
            low = middle
        else:
            high = middle
    return low


def get_step(xs: list[int], ys: list[int], x: int) -> int:
    """The y of the band that begins at or before `x`; reverts `outside-table` before the first."""
    band = find_band(xs, x)
    require(band >= 0, "outside-table")
    return ys[band]


def interpolate(xs: list[int], ys: list[int], x: int, rounding: str) -> int:
    """The exact y on the line between two points, rounded `down`, `up` or `half-even`.

    Reverts `outside-table` beyond the first or last point, `bad-rounding` for other words.
    """
    band = find_band(xs, x)
    require(band >= 0 and x <= xs[-1], "outside-table")
    if band == len(xs) - 1:
        return ys[band]
    width = xs[band + 1] - xs[band]
    sum_of = ys[band] * (xs[band + 1] - x) + ys[band + 1] * (x - xs[band])
    if rounding == "down":
        return mul_div(sum_of, 1, width)
    if rounding == "up":
        return mul_div_up(sum_of, 1, width)
    if rounding != "half-even":
        revert("bad-rounding")
    low, rest = divmod(sum_of, width)
    if 2 * rest < width or (2 * rest == width and low % 2 == 0):
        return low
    return low + 1


def interpolate_clamped(xs: list[int], ys: list[int], x: int, rounding: str) -> int:
    """As `interpolate`; beyond the ends the table goes on flat."""
    return interpolate(xs, ys, max(xs[0], min(x, xs[-1])), rounding)
