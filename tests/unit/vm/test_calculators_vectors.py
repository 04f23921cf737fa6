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
