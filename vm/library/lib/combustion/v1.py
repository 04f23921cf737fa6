"""Emissions from fuels and materials: combustion, process, carbonates, mass balance, biomass.

Every number is fixed: an int at scale 12 of the unit named. Results are t CO2, divided once, half
to even. Sources: IPCC 2006 vol. 2 ch. 1-2 and vol. 3 ch. 2-4; Regulation (EU) 2018/2066
Articles 24, 25, 39 and Annex IV, taken over for goods by Regulation (EU) 2025/2547 Annex II.
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


def check_activity(amount: int) -> None:
    """Reverts `negative-activity` below 0."""
    require(amount >= 0, "negative-activity")


def check_factor(factor: int) -> None:
    """Reverts `negative-factor` below 0."""
    require(factor >= 0, "negative-factor")


def check_share(share: int) -> None:
    """Reverts `bad-share` outside 0 to 1."""
    require(0 <= share <= ONE, "bad-share")


def compute_energy(quantity: int, ncv: int) -> int:
    """AD = FQ NCV: TJ of `quantity` t (1000 m3) at `ncv` GJ/t (GJ/1000 m3)."""
    check_activity(quantity)
    check_factor(ncv)
    return round_ratio(quantity, ncv, ONE * 1000)


def compute_combustion(quantity: int, ncv: int, ef: int, oxidation: int) -> int:
    """Em = FQ NCV EF OF: t CO2; `ncv` in GJ/t, `ef` in t CO2/TJ. Article 24(1)."""
    check_activity(quantity)
    check_factor(ncv)
    check_factor(ef)
    check_share(oxidation)
    return round_ratio(quantity * ncv, ef * oxidation, ONE_3 * 1000)


def compute_combustion_of_energy(energy: int, ef: int, oxidation: int) -> int:
    """Em = AD EF OF: t CO2 of `energy` TJ. Article 24(1)."""
    check_activity(energy)
    check_factor(ef)
    check_share(oxidation)
    return round_ratio(energy * ef, oxidation, ONE_2)


def compute_biogenic_part(emissions: int, biomass_share: int) -> int:
    """Em BF: what of `emissions` counts as zero; the fossil part is the rest. Article 39."""
    check_share(biomass_share)
    return round_ratio(emissions, biomass_share, ONE)


def compute_process(activity: int, ef: int, conversion: int) -> int:
    """Em = AD EF CF: t CO2 of `activity` t at `ef` t CO2/t. Article 24(2)."""
    check_activity(activity)
    check_factor(ef)
    check_share(conversion)
    return round_ratio(activity * ef, conversion, ONE_2)


def compute_carbonates(activities: list[int], efs: list[int], conversions: list[int]) -> int:
    """Em = sum of AD EF CF over the carbonates (method A) or oxides (B). IPCC vol. 3 eq. 2.16.

    Reverts `bad-lengths` unless the lists are equally long and not empty.
    """
    require(len(activities) > 0, "bad-lengths")
    require(len(activities) == len(efs) and len(efs) == len(conversions), "bad-lengths")
    total = 0
    for index, activity in enumerate(activities):
        check_activity(activity)
        check_factor(efs[index])
        check_share(conversions[index])
        total += activity * efs[index] * conversions[index]
    return round_ratio(total, 1, ONE_2)


def compute_mass_balance(
    inputs: list[int], input_carbon: list[int], outputs: list[int], output_carbon: list[int],
    ratio_numerator: int, ratio_denominator: int,
) -> int:
    """Em = f (sum AD CC of what enters - sum AD CC of what leaves): t CO2. Article 25.

    f is CO2 per carbon: 3.664 in EU law, 44/12 for the IPCC; carbon contents are t C/t, stocks
    that fall enter. Reverts `bad-lengths`, `bad-carbon-ratio`, and `more-carbon-out` for a balance
    below 0: what is missing was not weighed.
    """
    require(len(inputs) == len(input_carbon), "bad-lengths")
    require(len(outputs) == len(output_carbon), "bad-lengths")
    require(ratio_numerator > 0 and ratio_denominator > 0, "bad-carbon-ratio")
    carbon = 0
    for index, amount in enumerate(inputs):
        check_activity(amount)
        check_share(input_carbon[index])
        carbon += amount * input_carbon[index]
    for index, amount in enumerate(outputs):
        check_activity(amount)
        check_share(output_carbon[index])
        carbon -= amount * output_carbon[index]
    require(carbon >= 0, "more-carbon-out")
    return round_ratio(carbon, ratio_numerator, ONE * ratio_denominator)
