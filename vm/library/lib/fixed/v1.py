"""Fixed point: integers that count a named fraction; every division says how it rounds.

`down` is towards minus infinity, `up` towards plus infinity, `half-even` to the nearest and
from the middle to the even one. Products may exceed 256 bits, results may not.
"""
from vm import mul_div, mul_div_up, require, revert

DECIMALS_MAX = 70


def mul_div_half_even(a: int, b: int, c: int) -> int:
    """a * b / c to the nearest integer, from the middle to the even one; 2 * a must fit."""
    low = mul_div(a, b, c)
    doubled = mul_div(2 * a, b, c)
    if doubled == 2 * low:
        return low
    if mul_div_up(2 * a, b, c) == doubled and low % 2 == 0:
        return low
    return low + 1


def mul_round(a: int, b: int, c: int, rounding: str) -> int:
    """a * b / c, rounded `down`, `up` or `half-even`; else reverts `bad-rounding`."""
    if rounding == "down":
        return mul_div(a, b, c)
    if rounding == "up":
        return mul_div_up(a, b, c)
    if rounding != "half-even":
        revert("bad-rounding")
    return mul_div_half_even(a, b, c)


def div_round(a: int, b: int, rounding: str) -> int:
    """a / b, rounded."""
    return mul_round(a, 1, b, rounding)


def round_to(value: int, step: int, rounding: str) -> int:
    """The multiple of `step` (above 0) that `value` rounds to."""
    require(step > 0, "bad-step")
    return mul_round(value, 1, step, rounding) * step


def rescale(value: int, decimals: int, wanted: int, rounding: str) -> int:
    """A value of `decimals` decimal places with `wanted` of them."""
    require(0 <= decimals <= DECIMALS_MAX, "bad-decimals")
    require(0 <= wanted <= DECIMALS_MAX, "bad-decimals")
    if wanted >= decimals:
        return value * 10 ** (wanted - decimals)
    return mul_round(value, 1, 10 ** (decimals - wanted), rounding)


def share_out(total: int, weights: list[int]) -> list[int]:
    """Parts of `total` in proportion to `weights`: their sum is `total`, to the unit.

    Each gets its share rounded down; what is left goes, one unit each, to the largest
    remainders, and among equal ones to the first.
    """
    require(total >= 0 and len(weights) > 0, "bad-shares")
    for weight in weights:
        require(weight >= 0, "bad-shares")
    whole = sum(weights)
    require(whole > 0, "bad-shares")
    parts = [mul_div(total, weight, whole) for weight in weights]
    rests = [total * weight % whole for weight in weights]
    left = total - sum(parts)
    while left > 0:
        best = 0
        for index, rest in enumerate(rests):
            if rest > rests[best]:
                best = index
        parts[best] += 1
        rests[best] = -1
        left -= 1
    return parts
