"""Measurable heat, heat and power from one plant, waste gases.

Every number is fixed: an int at scale 12 of the unit named, divided once, half to even. Sources:
Regulation (EU) 2019/331 Annex VII 7-8; (EU) 2023/1773 Annex III C and (EU) 2025/2547 Annex II;
Directive 2012/27/EU Annex II for the references.
"""
from vm import mul_div, mul_div_up, require

ONE = 1000000000000
# 1 MWh = 0.0036 TJ.
MWH_NUMERATOR = 36
MWH_DENOMINATOR = 10000


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


def check_efficiency(share: int) -> None:
    """Reverts `bad-share` unless above 0 and at most 1."""
    require(0 < share <= ONE, "bad-share")


def compute_net_heat(mass: int, enthalpy_out: int, enthalpy_back: int) -> int:
    """Q = m (h_out - h_back): TJ of t and GJ/t; what comes back is not delivered.

    Reverts `negative-heat` when more comes back than went out.
    """
    check_amount(mass)
    check_factor(enthalpy_back)
    require(enthalpy_out >= enthalpy_back, "negative-heat")
    return round_ratio(mass, enthalpy_out - enthalpy_back, ONE * 1000)


def compute_boiler_heat(energy: int, efficiency: int) -> int:
    """Q = E_in eta: heat of a boiler nobody measured; 0.9 where no efficiency is known."""
    check_amount(energy)
    check_efficiency(efficiency)
    return round_ratio(energy, efficiency, ONE)


def compute_heat_factor(fuel_factor: int, efficiency: int) -> int:
    """EF_heat = EF_fuel / eta: t CO2/TJ of heat."""
    check_factor(fuel_factor)
    check_efficiency(efficiency)
    return round_ratio(fuel_factor, ONE, efficiency)


def compute_heat_emissions(heat: int, factor: int) -> int:
    """Em = Q EF."""
    check_amount(heat)
    check_factor(factor)
    return round_ratio(heat, factor, ONE)


def compute_waste_gas(energy: int, natural_gas_factor: int, efficiency: int) -> int:
    """V NCV EF of natural gas, times 0.667 for what is handed over (1 for what is taken over)."""
    check_amount(energy)
    check_factor(natural_gas_factor)
    check_efficiency(efficiency)
    return round_ratio(energy * natural_gas_factor, efficiency, ONE * ONE)


def compute_heat_share(heat: int, power: int, reference_heat: int, reference_power: int) -> int:
    """F = (Q / eta_ref,heat) / (Q / eta_ref,heat + E / eta_ref,el): of a plant's fuel, heat's part.

    `heat` in TJ, `power` in MWh; the fuel's energy cancels out. Reverts `no-activity` for neither.
    """
    check_amount(heat)
    check_amount(power)
    check_efficiency(reference_heat)
    check_efficiency(reference_power)
    of_heat = heat * MWH_DENOMINATOR * reference_power
    of_power = power * MWH_NUMERATOR * reference_heat
    require(of_heat + of_power > 0, "no-activity")
    return round_ratio(of_heat, ONE, of_heat + of_power)


def split_plant(emissions: int, heat_share: int) -> list[int]:
    """The emissions of a plant as heat's and electricity's; together they are all."""
    check_amount(emissions)
    require(0 <= heat_share <= ONE, "bad-share")
    of_heat = round_ratio(emissions, heat_share, ONE)
    return [of_heat, emissions - of_heat]


def compute_product_factor(emissions: int, amount: int) -> int:
    """EF = Em / Q or Em / E: of what a plant delivers; reverts `no-activity` for nothing."""
    check_amount(emissions)
    require(amount > 0, "no-activity")
    return round_ratio(emissions, ONE, amount)
