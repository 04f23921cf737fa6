"""Methods of materials, of measured gases, of aluminium and of wetlands: results and refusals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from tests.unit.vm.method_bench import compute, compute_ok
from tests.unit.vm.test_contracts_methods import (
    MATERIALS,
    MEASURED,
    PFC,
    WETLAND,
    with_line,
    without,
)


def test_raw_meal_of_the_cement_example_and_a_balance_of_carbon() -> None:
    result = compute_ok("method_materials", MATERIALS)
    assert result.get("Em.meal") == 658_875
    assert result.get("Balance") == Decimal("3.664") * (880 - Decimal("1.8"))
    assert result.grams == 658_875 * 10**6 + round(Decimal("3.664") * Decimal("878.2") * 10**6)


def test_the_ratio_of_the_guidelines_is_44_by_12() -> None:
    only = "MI.coke 12 t\nCI.coke 1 tC/t\nCRN 44 1\nCRD 12 1"
    assert compute_ok("method_materials", only).grams == 44 * 10**6
    lime = "AD.lime 10 t\nEF.lime 0.440 tCO2/t"
    result = compute_ok("method_materials", lime)
    assert (result.grams, result.flags) == (4_400_000, ["assumed:CF.lime=1"])


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ("CRN 44 1\nCRD 12 1", "missing-input"),
        (without(MATERIALS, "EF.meal"), "missing-input"),
        (without(MATERIALS, "CI.coke"), "missing-input"),
        (without(MATERIALS, "CRD"), "missing-input"),
        (with_line(MATERIALS, "CRD", "0 1"), "bad-carbon-ratio"),
        (MATERIALS + "EF.lime 1 tCO2/t", "unknown-label"),
        (MATERIALS + "CI.lime 1 tC/t", "unknown-label"),
        (MATERIALS + "CO.slag 1 tC/t", "unknown-label"),
        ("AD.lime 10 t\nEF.lime 0.44 tCO2/t\nMO.slag 1 t", "unknown-label"),
        ("AD.lime 10 t\nEF.lime 0.44 tCO2/t\nCO.slag 1 tC/t", "unknown-label"),
        (with_line(MATERIALS, "CF.meal", "1.1 1"), "bad-share"),
        (with_line(MATERIALS, "CI.coke", "1.1 tC/t"), "bad-share"),
        (with_line(MATERIALS, "CO.steel", "0.99 tC/t"), "more-carbon-out"),
        (with_line(MATERIALS, "AD.meal", "-1 t"), "negative-activity"),
    ],
)
def test_materials_that_are_refused(inputs: str, code: str) -> None:
    assert compute("method_materials", inputs) == code


def test_hours_without_a_measurement_count_with_the_mean_and_two_deviations() -> None:
    result = compute_ok("method_measured", MEASURED)
    assert result.get("Measured") == 40 + 40
    # 0.8 and 1: mean 0.9, s = 0.2 / sqrt(2).
    assert float(result.get("Csub")) == pytest.approx(0.9 + 0.4 / 2**0.5, rel=1e-11)
    missing = result.get("Csub") * 70 * 12 / 1000
    assert result.get("Gap") == pytest.approx(missing, rel=Decimal("1e-11"))
    assert result.grams == pytest.approx(float(80 + missing) * 265e6, rel=1e-11)
    assert result.flags == ["substituted-hours"]


def test_carbon_dioxide_of_biomass_is_taken_from_what_was_measured() -> None:
    text = "C.year 180 g/Nm3\nV.year 1000000 1000m3\nGWP 1 1\nBIO 20000 t"
    result = compute_ok("method_measured", text)
    assert (result.grams, result.flags) == (160_000 * 10**6, [])


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ("GWP 1 1", "missing-input"),
        (without(MEASURED, "V.feb"), "missing-input"),
        (without(MEASURED, "C.feb"), "unknown-label"),
        (without(MEASURED, "GWP"), "missing-input"),
        (without(MEASURED, "VG"), "missing-input"),
        (without(MEASURED, "HG"), "missing-input"),
        (with_line(MEASURED, "HG", "1.5 h"), "whole-hours"),
        (with_line(MEASURED, "C.jan", "-1 g/Nm3"), "negative-activity"),
        (MEASURED + "BIO 82 t", "more-biomass-than-gas"),
        (without(without(MEASURED, "C.feb"), "V.feb"), "small-sample"),
    ],
)
def test_measurements_that_are_refused(inputs: str, code: str) -> None:
    assert compute("method_measured", inputs) == code


def test_perfluorocarbons_of_a_hundred_thousand_tonnes() -> None:
    result = compute_ok("method_pfc", PFC)
    assert result.get("CF4") == Decimal("42.9")
    assert result.get("C2F6") == Decimal("5.1909")
    assert result.grams == int((Decimal("42.9") * 6630 + Decimal("5.1909") * 11100) * 10**6)


@pytest.mark.parametrize("name", ["AEM", "SEF", "FR", "P", "GWP4", "GWP6"])
def test_aluminium_needs_every_input(name: str) -> None:
    assert compute("method_pfc", without(PFC, name)) == "missing-input"
    unit = next(line.split()[2] for line in PFC.splitlines() if line.split()[0] == name)
    assert compute("method_pfc", with_line(PFC, name, f"-1 {unit}")) == "negative-activity"


def test_a_mangrove_and_a_marsh_over_five_years() -> None:
    result = compute_ok("method_wetland", WETLAND + "BSL 10 tC\nLE 5 tCO2e\n")
    assert result.get("dC.mangrove") == 810
    assert result.get("dC.marsh") == 182
    half = Decimal("145.8")  # 18 % of 810: 14.7 % of 992, of which a quarter is deducted
    assert result.get("H") == half
    assert result.get("D") == half / 4
    net = Fraction(44, 12) * (992 - Fraction(half) / 4 - 10) - 5
    assert abs(result.grams - net * 10**6) <= 1
    assert result.flags == ["uncertainty-deducted"]
    sure = compute_ok("method_wetland", with_line(WETLAND, "U.mangrove", "0 1"))
    assert (sure.get("D"), sure.flags) == (0, [])
    bare = with_line(with_line(WETLAND, "RATE.mangrove", "0 tC/ha/yr"), "A.marsh", "0 ha")
    assert compute_ok("method_wetland", bare).grams == 0


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ("YEARS 5 yr", "missing-input"),
        (without(WETLAND, "U.marsh"), "missing-input"),
        (without(WETLAND, "YEARS"), "missing-input"),
        (with_line(WETLAND, "YEARS", "0 yr"), "bad-period"),
        (WETLAND + "RATE.reed 1 tC/ha/yr", "unknown-label"),
        (WETLAND + "U.reed 1 1", "unknown-label"),
        (with_line(WETLAND, "RATE.marsh", "-1 tC/ha/yr"), "negative-activity"),
        (WETLAND + "LE -1 tCO2e", "negative-activity"),
    ],
)
def test_wetlands_that_are_refused(inputs: str, code: str) -> None:
    assert compute("method_wetland", inputs) == code
