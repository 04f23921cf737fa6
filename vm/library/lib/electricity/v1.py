"""Emissions of consumed electricity: location-based, market-based, own generation.

Every number is fixed: an int at scale 12 of MWh, t CO2/MWh, t CO2. Sources: GHG Protocol Scope 2
Guidance (2015) chapters 4, 6 and 7; Regulation (EU) 2025/2547 Articles 8 and 9, Annex II.
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


def check_energy(energy: int) -> None:
    """Reverts `negative-activity` below 0."""
    require(energy >= 0, "negative-activity")


def check_factor(factor: int) -> None:
    """Reverts `negative-factor` below 0."""
    require(factor >= 0, "negative-factor")


def compute_location_based(consumed: int, grid_ef: int) -> int:
    """Em = E EF of the grid where it is consumed."""
    check_energy(consumed)
    check_factor(grid_ef)
    return round_ratio(consumed, grid_ef, ONE)


def compute_market_based(
    consumed: int, contracted: list[int], contract_efs: list[int], residual_ef: int
) -> int:
    """Em = sum E_i EF_i of the contracts + (E - sum E_i) EF of the residual mix.

    Reverts `bad-lengths`, and `over-contracted` when the contracts cover more than was consumed:
    what is over was not used here and cannot lower anything.
    """
    check_energy(consumed)
    check_factor(residual_ef)
    require(len(contracted) == len(contract_efs), "bad-lengths")
    total = 0
    rest = consumed
    for index, energy in enumerate(contracted):
        check_energy(energy)
        check_factor(contract_efs[index])
        total += energy * contract_efs[index]
        rest -= energy
    require(rest >= 0, "over-contracted")
    return round_ratio(total + rest * residual_ef, 1, ONE)


def compute_own_factor(emissions: int, generated: int) -> int:
    """EF = emissions of the generation / what it delivered; reverts `no-activity` for nothing."""
    require(emissions >= 0, "negative-activity")
    require(generated > 0, "no-activity")
    return round_ratio(emissions, ONE, generated)
