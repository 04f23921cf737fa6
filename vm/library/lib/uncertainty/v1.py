"""Uncertainty by error propagation, of a sample, and what is deducted for it.

Every number is fixed: an int at scale 12; an uncertainty is half the 95 % interval as a share of
the value. Roots are rounded up and deductions up: never in favour of the one who claims.
Sources: IPCC 2006 vol. 1 ch. 3, approach 1; CDM A/R tool 14 version 4.2, appendix 2.
"""
from vm import mul_div_up, require

ONE = 1000000000000


def round_root(n: int) -> int:
    """The smallest r >= 0 with r * r >= n; reverts `negative` below 0."""
    require(n >= 0, "negative")
    if n < 2:
        return n
    bits = 0
    rest = n
    for step in [128, 64, 32, 16, 8, 4, 2, 1]:
        if rest >> step > 0:
            rest = rest >> step
            bits += step
    root = 1 << (bits + 2) // 2
    lower = (root + n // root) // 2
    while lower < root:
        root = lower
        lower = (root + n // root) // 2
    return root if root * root == n else root + 1


def check_uncertainties(uncertainties: list[int]) -> None:
    """Reverts `bad-uncertainty` below 0, or when there is none."""
    require(len(uncertainties) > 0, "bad-uncertainty")
    for share in uncertainties:
        require(share >= 0, "bad-uncertainty")


def combine_product(uncertainties: list[int]) -> int:
    """U = sqrt(sum of U_i squared): of a product or quotient. Eq. 3.1."""
    check_uncertainties(uncertainties)
    return round_root(sum([share * share for share in uncertainties]))


def combine_sum(values: list[int], uncertainties: list[int]) -> int:
    """U = sqrt(sum of (U_i x_i) squared) / |sum of x_i|: of a sum or difference. Eq. 3.2.

    Reverts `bad-lengths`, and `no-total` when the values cancel: a share of nothing is not defined.
    """
    require(len(values) == len(uncertainties), "bad-lengths")
    check_uncertainties(uncertainties)
    total = abs(sum(values))
    require(total > 0, "no-total")
    squares = 0
    for index, value in enumerate(values):
        half = mul_div_up(abs(value), uncertainties[index], ONE)
        squares += half * half
    return mul_div_up(round_root(squares), ONE, total)


def combine_halves(halves: list[int]) -> int:
    """sqrt(sum of squares): the half width of a sum of independent values. Eq. 3.2."""
    check_uncertainties(halves)
    return round_root(sum([half * half for half in halves]))


def compute_half_width(values: list[int], quantile: int) -> int:
    """t s / sqrt(n): half the interval of a sample's mean; `quantile` is Student's t, fixed.

    Reverts `small-sample` below 2 values and `bad-quantile` unless t is above 0.
    """
    count = len(values)
    require(count >= 2, "small-sample")
    require(quantile > 0, "bad-quantile")
    total = sum(values)
    spread = count * sum([value * value for value in values]) - total * total
    # Squares have scale 24; times t squared 48, of which the root has 24.
    squared = mul_div_up(spread, quantile * quantile, count * count * (count - 1))
    return mul_div_up(round_root(squared), 1, ONE)


def get_discount(uncertainty: int) -> int:
    """Which share of the half width is deducted at an uncertainty: A/R tool 14, appendix 2."""
    require(uncertainty >= 0, "bad-uncertainty")
    limits = [100000000000, 150000000000, 200000000000, 300000000000]
    shares = [0, 250000000000, 500000000000, 750000000000]
    for index, limit in enumerate(limits):
        if uncertainty <= limit:
            return shares[index]
    return ONE


def compute_deduction(value: int, half_width: int) -> int:
    """What is taken from a stock or reduction (added to a baseline), rounded up; at most all of it.

    Reverts `no-total` unless the value is above 0, `bad-uncertainty` for a half width below 0.
    """
    require(value > 0, "no-total")
    require(half_width >= 0, "bad-uncertainty")
    discount = get_discount(mul_div_up(half_width, ONE, value))
    return min(value, mul_div_up(half_width, discount, ONE))
