"""Published results that the calculators must give, each with its source."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.vm.library_bench import run

ONE = 10**12


def fixed(number: str) -> int:
    value = Decimal(number) * ONE
    assert value == int(value)
    return int(value)


def call(name: str, *arguments: Any) -> Decimal:
    """Numbers as decimal texts in, lists of them too; a decimal out."""
    module, function = name.split(".")
    given = [
        [fixed(part) for part in item] if isinstance(item, list)
        else fixed(item) if isinstance(item, str) else item
        for item in arguments
    ]  # fmt: skip
    return Decimal(run(f"lib.{module}.v1", function, *given)).scaleb(-12)


@pytest.mark.parametrize(
    ("quantity", "ncv", "ef", "emitted"),
    [
        # Commission, worked example "Cement" of the CBAM communication template 2.1, sheet B.
        ("88000", "25", "95", "209000"),
        ("25000", "20", "83", "41500"),  # household waste: 35,275 fossil and 6,225 biogenic
        ("43000", "40", "78", "134160"),
        # The same, "Hydrogen, two processes".
        ("190000", "48", "56.1", "511632"),
    ],
)
def test_fuels_of_the_commissions_examples(quantity: str, ncv: str, ef: str, emitted: str) -> None:
    assert call("combustion.compute_combustion", quantity, ncv, ef, "1") == Decimal(emitted)


def test_biomass_of_the_commissions_cement_example() -> None:
    assert call("combustion.compute_biogenic_part", "41500", "0.15") == 6225
    assert call("combustion.compute_energy", "25000", "20") * Decimal("0.85") == 425


def test_raw_meal_of_the_commissions_cement_example() -> None:
    assert call("combustion.compute_process", "1255000", "0.525", "1") == 658875


@pytest.mark.parametrize(
    ("carbon", "factor"),
    [("15.3", "56.1"), ("20.2", "74.1"), ("25.8", "94.6"), ("21.1", "77.4"), ("20.0", "73.3")],
)
def test_default_factors_are_carbon_times_44_by_12(carbon: str, factor: str) -> None:
    """IPCC 2006 vol. 2 tables 1.3 and 1.4: natural gas, diesel, other bituminous coal, residual
    fuel oil, crude oil; kg C/GJ and kg CO2/GJ rounded to one place."""
    content = str(Decimal(carbon) / 1000)  # of one "tonne" that is a thousandth of a TJ
    got = call("combustion.compute_mass_balance", ["1000"], [content], [], [], 44, 12)
    assert abs(got - Decimal(factor)) <= Decimal("0.05")


def test_soils_of_the_guidelines_example() -> None:
    """IPCC 2006 vol. 4, 5.2.3.4: a million hectares of cropland on mollisols, ten years apart:
    58.78 and 64.06 Mt C, 5.28 in 20 years, 0.264 Mt C a year."""

    def stock(*strata: tuple[str, str, str]) -> Decimal:
        return sum(
            (call("sinks.compute_soil_stock", area, "88", "0.69", management, inputs)
             for area, management, inputs in strata), Decimal(0),
        )  # fmt: skip

    before = stock(("400000", "1", "0.92"), ("600000", "1", "1"))
    after = stock(("200000", "1", "0.92"), ("700000", "1.08", "1"), ("100000", "1.15", "1"))
    assert round(before / 10**6, 2) == Decimal("58.78")
    assert round(after / 10**6, 2) == Decimal("64.06")
    change = call("sinks.compute_soil_change", str(before), str(after), "20")
    assert round(change / 10**6, 3) == Decimal("0.264")


@pytest.mark.parametrize(
    ("half", "deducted"),
    # CDM A/R tool 14, appendix 2: 60 +- 9 is 15 %, of which 25 %: 2.25; then the table's bounds.
    [("9", "2.25"), ("6", "0"), ("12", "6"), ("18", "13.5"), ("18.000001", "18.000001")],
)
def test_the_deduction_of_the_tools_example(half: str, deducted: str) -> None:
    assert call("uncertainty.compute_deduction", "60", half) == Decimal(deducted)


def test_uncertainty_of_a_product_and_of_a_sum() -> None:
    """Equations 3.1 and 3.2 of IPCC 2006 vol. 1 at sides of a right triangle."""
    assert call("uncertainty.combine_product", ["0.03", "0.04"]) == Decimal("0.05")
    assert call("uncertainty.combine_sum", ["30", "40"], ["0.1", "0.1"]) * 70 == pytest.approx(
        Decimal(5), abs=Decimal("1e-9")
    )


def test_carbon_of_a_mangrove() -> None:
    """2013 wetlands supplement, table 4.12: 1.62 t C/ha/yr where mangroves are re-established."""
    assert call("sinks.compute_accumulation", "100", "1.62") == 162
    assert call("sinks.to_carbon_dioxide", "162") == 594


@pytest.mark.parametrize(
    ("slope", "ratio", "cf4", "c2f6"),
    [("0.143", "0.121", "42.9", "5.1909"), ("0.272", "0.252", "81.6", "20.5632"),
     ("0.092", "0.053", "27.6", "1.4628"), ("0.099", "0.085", "29.7", "2.5245")],
)  # fmt: skip
def test_perfluorocarbons_of_the_four_cell_technologies(
    slope: str, ratio: str, cf4: str, c2f6: str
) -> None:
    """IPCC 2006 vol. 3 table 4.16 and (EU) 2018/2066 Annex IV table 1 (CWPB, SWPB, VSS, HSS) by
    equation 4.26 for 3 minutes a cell-day and 100,000 t; Annex IV 8 A."""
    got = call("measurement.compute_cf4_by_slope", "3", slope, "100000")
    assert got == Decimal(cf4)
    assert call("measurement.compute_c2f6", cf4, ratio) == Decimal(c2f6)


def test_perfluorocarbons_by_overvoltage_take_the_efficiency_in_per_cent() -> None:
    """(EU) 2018/2066 Annex IV 8 B: OVC (AEO / CE) Pr 0.001, CE in %: 1.16, 10 mV, 95 %, 1000 t."""
    got = call("measurement.compute_cf4_by_overvoltage", "10", "1.16", "0.95", "1000")
    assert abs(got - Decimal("1.16") * 10 / 95) < Decimal("1e-12")


def test_warming_potentials_of_the_fifth_report() -> None:
    """AR5: N2O 265, CF4 6630, C2F6 11100, as (EU) 2025/2547 has them."""
    assert call("measurement.compute_equivalent", "2.5", "265") == Decimal("662.5")
    assert call("measurement.compute_equivalent", "42.9", "6630") == 284_427


def test_waste_gas_and_boiler_heat_have_the_regulations_constants() -> None:
    assert call("heat.compute_waste_gas", "10", "56.1", "0.667") == Decimal("374.187")
    assert call("heat.compute_boiler_heat", "100", "0.9") == 90


def test_a_plant_of_the_directives_references_halves_its_fuel() -> None:
    """References 0.90 for heat and 0.525 for electricity (Directive 2012/27/EU Annex II): 90 TJ of
    heat need 100 TJ alone, and so do 52.5 TJ (14,583.3 MWh) of electricity."""
    share = call("heat.compute_heat_share", "90", "14583.333333333333", "0.9", "0.525")
    assert abs(share - Decimal("0.5")) < Decimal("1e-12")
