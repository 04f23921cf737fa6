"""Measured emissions: continuous measurement of CO2 and N2O, perfluorocarbons, meters that differ.

Every number is fixed: an int at scale 12 of the unit named, divided once, half to even. Sources:
Regulation (EU) 2018/2066 Articles 40-46 and Annexes IV 8, VIII (for goods: (EU) 2025/2547 Annex
II); Regulation (EU) 2019/331 Annex VII 3.2.
"""
from vm import mul_div, mul_div_up, require

ONE = 1000000000000


def round_ratio(a: int, b: int, c: int) -> int:
    """a * b / c (c above 0) to the nearest integer, from the middle to the even one."""
    low = mul_div(a, b, c)
    doubled = mul_div(2 * a, b, c)
    if doubled == 2 * low:
        return low
    if mul_div_up(2 * a, b, c) == doubled and low % 2 == 0:
        return low
    return low + 1


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


def check_amount(amount: int) -> None:
    """Reverts `negative-activity` below 0."""
    require(amount >= 0, "negative-activity")


def check_factor(factor: int) -> None:
    """Reverts `negative-factor` below 0."""
    require(factor >= 0, "negative-factor")


def compute_measured(concentrations: list[int], flows: list[int]) -> int:
    """Em = sum of c V: t of gas out of hourly kg/1000 Nm3 (= g/Nm3) and 1000 Nm3. Annex VIII 1.

    Reverts `bad-lengths` unless there is a flow for each concentration, and at least one.
    """
    require(len(concentrations) > 0 and len(concentrations) == len(flows), "bad-lengths")
    total = 0
    for index, concentration in enumerate(concentrations):
        check_amount(concentration)
        check_amount(flows[index])
        total += concentration * flows[index]
    return round_ratio(total, 1, ONE * 1000)


def compute_substitute(concentrations: list[int]) -> int:
    """c* = mean + 2 s, rounded up: stands for each hour that was not measured. Article 45(3).

    Reverts `small-sample` below 2 values, `negative-activity`.
    """
    count = len(concentrations)
    require(count >= 2, "small-sample")
    for concentration in concentrations:
        check_amount(concentration)
    total = sum(concentrations)
    spread = count * sum([value * value for value in concentrations]) - total * total
    # 2 s = 2 sqrt(spread / (n (n - 1))); under the root at scale 48, so that it has scale 24.
    squared = mul_div_up(4 * spread, ONE * ONE, count * (count - 1))
    return mul_div_up(total, 1, count) + mul_div_up(round_root(squared), 1, ONE)


def compute_missing(substitute: int, flow: int, hours: int) -> int:
    """Em = c* V h: t of gas for `hours` (an int, not fixed) without a measurement, rounded up."""
    check_amount(substitute)
    check_amount(flow)
    check_amount(hours)
    return mul_div_up(substitute * hours, flow, ONE * 1000)


def compute_equivalent(mass: int, potential: int) -> int:
    """t CO2e = t of gas times its warming potential: N2O, CF4, C2F6."""
    check_amount(mass)
    check_factor(potential)
    return round_ratio(mass, potential, ONE)


def compute_cf4_by_slope(minutes: int, slope: int, produced: int) -> int:
    """CF4 = AEM (SEF / 1000) Pr: t of minutes of anode effect a cell-day, kg/t a minute, t."""
    check_amount(minutes)
    check_factor(slope)
    check_amount(produced)
    return round_ratio(minutes * slope, produced, ONE * ONE * 1000)


def compute_cf4_by_overvoltage(
    overvoltage: int, coefficient: int, efficiency: int, produced: int
) -> int:
    """CF4 = OVC (AEO / CE) Pr 0.001: t of mV, kg/t a mV, a share and t. Annex IV 8 B.

    Reverts `bad-share` for a current efficiency that is not above 0 and at most 1. The law's
    formula takes CE in per cent: 100 times the share.
    """
    check_amount(overvoltage)
    check_factor(coefficient)
    check_amount(produced)
    require(0 < efficiency <= ONE, "bad-share")
    return round_ratio(coefficient * overvoltage, produced, efficiency * 100 * ONE * 1000)


def compute_c2f6(cf4: int, ratio: int) -> int:
    """C2F6 = CF4 F: t."""
    check_amount(cf4)
    check_factor(ratio)
    return round_ratio(cf4, ratio, ONE)


def compute_reconciliation(whole: int, parts: list[int]) -> int:
    """RecF = D_inst / sum of D_pp: what the whole's meter says of the parts' meters.

    Reverts `no-activity` when the parts measured nothing, `negative-activity`.
    """
    check_amount(whole)
    for part in parts:
        check_amount(part)
    require(sum(parts) > 0, "no-activity")
    return round_ratio(whole, ONE, sum(parts))


def reconcile(whole: int, parts: list[int]) -> list[int]:
    """D_pp RecF: the parts as the whole's meter has them. They sum to it: what rounding leaves goes
    to the first."""
    compute_reconciliation(whole, parts)
    measured = sum(parts)
    found = [mul_div(whole, part, measured) for part in parts]
    found[0] += whole - sum(found)
    return found
