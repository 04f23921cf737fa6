"""Carbon stocks of land: gain-loss, stock-difference, converted land, soils, coastal wetlands.

Every number is fixed: an int at scale 12 of the unit named; results are t C or t C a year, gains
positive, divided once, half to even; `to_carbon_dioxide` makes t CO2 of them. Equations are those
of IPCC 2006 vol. 4 ch. 2 (2019 refinement: same numbers) and of the 2013 wetlands supplement.
"""
from vm import mul_div, mul_div_up, require

ONE = 1000000000000
ONE_2 = 1000000000000000000000000
ONE_3 = 1000000000000000000000000000000000000


def round_ratio(a: int, b: int, c: int) -> int:
    """a * b / c (c above 0) to the nearest integer, from the middle to the even one."""
    low = mul_div(a, b, c)
    doubled = mul_div(2 * a, b, c)
    if doubled == 2 * low:
        return low
    if mul_div_up(2 * a, b, c) == doubled and low % 2 == 0:
        return low
    return low + 1


def check_amount(amount: int) -> None:
    """Reverts `negative-activity` below 0."""
    require(amount >= 0, "negative-activity")


def check_factor(factor: int) -> None:
    """Reverts `negative-factor` below 0."""
    require(factor >= 0, "negative-factor")


def check_share(share: int) -> None:
    """Reverts `bad-share` outside 0 to 1."""
    require(0 <= share <= ONE, "bad-share")


def to_carbon_dioxide(carbon: int) -> int:
    """t CO2 of t C: 44/12."""
    return round_ratio(carbon, 44, 12)


def compute_gain(area: int, growth: int, root_ratio: int, carbon_share: int) -> int:
    """A G_W (1 + R) CF: t C/yr; `area` ha, `growth` above ground t dm/ha/yr. Eq. 2.9, 2.10."""
    check_amount(area)
    check_amount(growth)
    check_factor(root_ratio)
    check_share(carbon_share)
    return round_ratio(area * growth, (ONE + root_ratio) * carbon_share, ONE_3)


def compute_growth_of_volume(increment: int, bcef: int) -> int:
    """G_W = I_V BCEF_I: t dm/ha/yr of m3/ha/yr and t dm/m3. Eq. 2.10, tiers 2 and 3."""
    check_amount(increment)
    check_factor(bcef)
    return round_ratio(increment, bcef, ONE)


def compute_wood_removal(volume: int, bcef: int, root_ratio: int, carbon_share: int) -> int:
    """L = H BCEF_R (1 + R) CF: t C/yr of m3/yr. Eq. 2.12; whole trees for fuel: eq. 2.13."""
    check_amount(volume)
    check_factor(bcef)
    check_factor(root_ratio)
    check_share(carbon_share)
    return round_ratio(volume * bcef, (ONE + root_ratio) * carbon_share, ONE_3)


def compute_fuelwood_parts(volume: int, density: int, carbon_share: int) -> int:
    """L = FG_part D CF: t C/yr of m3/yr and t dm/m3. Eq. 2.13, tree parts."""
    check_amount(volume)
    check_factor(density)
    check_share(carbon_share)
    return round_ratio(volume * density, carbon_share, ONE_2)


def compute_disturbance(
    area: int, biomass: int, root_ratio: int, carbon_share: int, lost_share: int
) -> int:
    """L = A B_W (1 + R) CF fd: t C/yr of ha/yr and t dm/ha. Eq. 2.14."""
    check_amount(area)
    check_amount(biomass)
    check_factor(root_ratio)
    check_share(carbon_share)
    check_share(lost_share)
    part = (ONE + root_ratio) * carbon_share
    return round_ratio(area * biomass, part * lost_share, ONE_2 * ONE_2)


def compute_gain_loss(gains: list[int], losses: list[int]) -> int:
    """dC = sum of gains - sum of losses, t C/yr. Eq. 2.7 and 2.11; reverts `negative-activity`."""
    for part in gains:
        check_amount(part)
    for part in losses:
        check_amount(part)
    return sum(gains) - sum(losses)


def compute_stock(area: int, volume: int, bcef: int, root_ratio: int, carbon_share: int) -> int:
    """C = A V BCEF_S (1 + R) CF: t C of ha, m3/ha and t dm/m3. Eq. 2.8 b."""
    check_amount(area)
    check_amount(volume)
    check_factor(bcef)
    check_factor(root_ratio)
    check_share(carbon_share)
    part = (ONE + root_ratio) * carbon_share
    return round_ratio(area * volume, bcef * part, ONE_2 * ONE_2)


def compute_stock_of_biomass(
    area: int, biomass: int, root_ratio: int, carbon_share: int
) -> int:
    """C = A B_W (1 + R) CF: t C of ha and t dm/ha above ground."""
    check_amount(area)
    check_amount(biomass)
    check_factor(root_ratio)
    check_share(carbon_share)
    return round_ratio(area * biomass, (ONE + root_ratio) * carbon_share, ONE_3)


def compute_stock_difference(before: int, after: int, years: int) -> int:
    """dC = (C_t2 - C_t1) / (t2 - t1), t C/yr; `years` fixed. Eq. 2.8 a; reverts `bad-period`."""
    check_amount(before)
    check_amount(after)
    require(years > 0, "bad-period")
    return round_ratio(after - before, ONE, years)


def compute_conversion(area: int, before: int, after: int, carbon_share: int) -> int:
    """dC = (B_after - B_before) dA CF: t C/yr of t dm/ha and ha/yr. Eq. 2.16."""
    check_amount(area)
    check_amount(before)
    check_amount(after)
    check_share(carbon_share)
    return round_ratio((after - before) * area, carbon_share, ONE_2)


def compute_converted_land(gains: list[int], conversions: list[int], losses: list[int]) -> int:
    """dC = dC_G + dC_conversion - dC_L, t C/yr. Eq. 2.15."""
    return compute_gain_loss(gains, losses) + sum(conversions)


def compute_soil_stock(
    area: int, reference: int, land_use: int, management: int, inputs: int
) -> int:
    """SOC = SOC_ref F_LU F_MG F_I A: t C of t C/ha and ha, one stratum. Eq. 2.25."""
    check_amount(area)
    check_amount(reference)
    check_factor(land_use)
    check_factor(management)
    check_factor(inputs)
    return round_ratio(area * reference, land_use * management * inputs, ONE_2 * ONE_2)


def compute_soil_change(before: int, after: int, years: int) -> int:
    """dC = (SOC_0 - SOC_(0-T)) / D, t C/yr; D is 20 years unless T is longer. Eq. 2.25."""
    return compute_stock_difference(before, after, years)


def compute_drained_soil_loss(area: int, ef: int) -> int:
    """L = A EF: t C/yr of drained organic soil. Eq. 2.26."""
    check_amount(area)
    check_factor(ef)
    return round_ratio(area, ef, ONE)


def compute_accumulation(area: int, rate: int) -> int:
    """dC = A rate: t C/yr that a rewetted or planted coastal soil lays down. 2013 supplement,
    eq. 4.7, which writes it as an emission below 0."""
    check_amount(area)
    check_factor(rate)
    return round_ratio(area, rate, ONE)


def interpolate_growth(ages: list[int], values: list[int], age: int) -> int:
    """The table's value at `age`, on the line between its points, flat beyond its ends.

    Reverts `bad-table` unless ages ascend and each has a value.
    """
    require(len(ages) > 0 and len(ages) == len(values), "bad-table")
    for index in range(1, len(ages)):
        require(ages[index - 1] < ages[index], "bad-table")
    if age <= ages[0]:
        return values[0]
    for index in range(1, len(ages)):
        if age <= ages[index]:
            width = ages[index] - ages[index - 1]
            part = values[index - 1] * (ages[index] - age) + values[index] * (age - ages[index - 1])
            return round_ratio(part, 1, width)
    return values[-1]


def compute_growth(ages: list[int], values: list[int], age_from: int, age_to: int) -> int:
    """What a stand of a growth table gains between two ages; reverts `bad-period`."""
    require(age_from <= age_to, "bad-period")
    return interpolate_growth(ages, values, age_to) - interpolate_growth(ages, values, age_from)
