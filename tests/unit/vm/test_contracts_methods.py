"""Methods as contracts: what they compute, line by line, and what they refuse."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from tests.unit.vm.method_bench import METHODS, compute, compute_ok, make_inputs

COAL = "FQ.coal 88000 t\nNCV.coal 25 GJ/t\nEF.coal 95 tCO2/TJ\nOF.coal 1 1\n"
WASTE = (
    "FQ.waste 25000 t\nNCV.waste 20 TJ/Gg\nEF.waste 83 kgCO2/GJ\nOF.waste 100 %\nBF.waste 15 %\n"
)
GRID = "EL 2500 MWh\nGRID 570 gCO2/kWh\n"
STEEL = (
    "P 1000 t\nBI 3.1 tCO2e/t\nFQ.coke 40 t\nNCV.coke 28.2 GJ/t\nEF.coke 107 tCO2/TJ\n"
    "OF.coke 0.98 1\n" + GRID
)
FOREST = """A.oak 100 ha
P1.oak/1 80 tdm/ha
P1.oak/2 84 tdm/ha
P1.oak/3 79.5 tdm/ha
P2.oak/1 95 tdm/ha
P2.oak/2 100 tdm/ha
P2.oak/3 93.5 tdm/ha
R 0.26 1
CF 0.47 tC/tdm
T 4.303 1
"""
CBAM = """AL.iron 1000 t
DIR.iron 1600 tCO2e
MK.iron 50 t
WE.iron 4 TJ
USE.iron/steel 950 t
AL.steel 1100 t
DIR.steel 120 tCO2e
HI.steel 2 TJ
HIF.steel 62 tCO2/TJ
EL.steel 400 MWh
ELF.steel 0.5 tCO2/MWh
IN.FeMn/steel 20 t
PD.FeMn 1.4 tCO2e/t
PI.FeMn 1.5 tCO2e/t
PE.FeMn 2.5 MWh/t
"""
MATERIALS = """AD.meal 1255000 t
EF.meal 0.525 tCO2/t
CF.meal 1 1
MI.coke 1000 t
CI.coke 0.88 tC/t
MO.steel 900 t
CO.steel 0.002 tC/t
CRN 3.664 1
CRD 1 1
"""
MEASURED = """C.jan 0.8 g/Nm3
V.jan 50000 1000m3
C.feb 1000 mg/Nm3
V.feb 40000000 Nm3
HG 12 h
VG 70 1000m3
GWP 265 1
"""
PFC = "AEM 3 min\nSEF 0.143 kg/t\nFR 0.121 1\nP 100000 t\nGWP4 6630 1\nGWP6 11100 1\n"
WETLAND = """A.mangrove 100 ha
RATE.mangrove 1.62 tC/ha/yr
U.mangrove 18 %
A.marsh 40 ha
RATE.marsh 0.91 tC/ha/yr
U.marsh 0 1
YEARS 5 yr
"""
BASE = {
    "method_materials": MATERIALS,
    "method_measured": MEASURED,
    "method_pfc": PFC,
    "method_wetland": WETLAND,
    "method_cbam": CBAM,
    "method_combustion": COAL + WASTE,
    "method_electricity": GRID,
    "method_steel_reduction": STEEL,
    "method_forest_stock": FOREST,
}


def without(text: str, name: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.split()[0] != name]
    assert len(lines) < len(text.strip().splitlines()), name
    return "\n".join(lines)


def with_line(text: str, name: str, rest: str) -> str:
    """The inputs with another number or unit of ``name``."""
    return without(text, name) + f"\n{name} {rest}"


def test_every_method_is_here() -> None:
    assert sorted(BASE) == sorted(path.stem for path in METHODS.glob("*.py"))


def test_fuels_of_the_cement_example_with_biomass_apart() -> None:
    result = compute_ok("method_combustion", COAL + WASTE)
    assert result.grams == (209_000 + 35_275) * 10**6
    assert result.get("Bio.waste") == 6225
    assert result.lines["Em"] == (Decimal(244_275), "tCO2")
    assert result.trace[-1][2] == ["Em.coal", "Bio.waste", "Em.waste"]
    assert result.flags == []


def test_gas_by_volume_and_heat_by_energy_are_fuels_too() -> None:
    gas = "FQ.gas 1000000 m3\nNCV.gas 38.9 MJ/m3\nEF.gas 56.1 tCO2/TJ\n"
    result = compute_ok("method_combustion", gas + "FQ.heat 2500 GJ\nEF.heat 56.1 tCO2/TJ\n")
    assert result.get("Em.gas") == Decimal("2182.29")
    assert result.get("Em.heat") == Decimal("140.25")
    assert result.flags == ["assumed:OF.gas=1", "assumed:OF.heat=1"]


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ("EF.coal 95 tCO2/TJ", "missing-input"),
        (without(COAL, "NCV.coal"), "missing-input"),
        (without(COAL, "EF.coal"), "missing-input"),
        (with_line(COAL, "NCV.coal", "25 GJ/1000m3"), "wrong-unit"),
        (with_line(COAL, "FQ.coal", "88000 m3"), "wrong-unit"),
        (with_line(COAL, "FQ.coal", "88000 ha"), "wrong-unit"),
        (with_line(COAL, "FQ.coal", "88000 lb"), "unknown-unit"),
        (with_line(COAL, "FQ.coal", "-1 t"), "negative-activity"),
        (with_line(COAL, "OF.coal", "101 %"), "bad-share"),
        (COAL + "BF.coal 1.1 1", "bad-share"),
        (COAL + "BF.peat 0.1 1", "unknown-label"),
        (COAL + "GWP 28 1", "unknown-input"),
        (COAL + "FQ.coal 1 t", "input-twice"),
    ],
)
def test_fuels_that_are_refused(inputs: str, code: str) -> None:
    assert compute("method_combustion", inputs) == code


def test_electricity_by_place_and_by_contract() -> None:
    assert compute_ok("method_electricity", GRID).grams == 1425 * 10**6
    market = "EL 2500000 kWh\nCE.wind 1500 MWh\nCF.wind 0 tCO2/MWh\nRESIDUAL 0.7 tCO2/MWh"
    result = compute_ok("method_electricity", market)
    assert (result.grams, result.flags) == (700 * 10**6, ["market-based"])
    nothing = "EL 10 MWh\nRESIDUAL 0.7 tCO2/MWh"
    assert compute_ok("method_electricity", nothing).grams == 7 * 10**6


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        (GRID + "RESIDUAL 0.7 tCO2/MWh", "two-methods"),
        ("EL 10 MWh", "missing-input"),
        ("EL 10 MWh\nRESIDUAL 1 tCO2/MWh\nCE.a 11 MWh\nCF.a 0 tCO2/MWh", "over-contracted"),
        ("EL 10 MWh\nRESIDUAL 1 tCO2/MWh\nCF.a 0 tCO2/MWh", "unknown-label"),
        ("EL 10 MWh\nRESIDUAL 1 tCO2/MWh\nCE.a 1 MWh", "missing-input"),
        ("EL -1 MWh\nGRID 1 tCO2/MWh", "negative-activity"),
        ("EL 1 MWh\nGRID 1 tCO2/TJ", "wrong-unit"),
    ],
)
def test_electricity_that_is_refused(inputs: str, code: str) -> None:
    assert compute("method_electricity", inputs) == code


def test_a_steel_plant_below_its_baseline() -> None:
    result = compute_ok("method_steel_reduction", STEEL + "LE 50 tCO2e\nLS 5 %")
    coke = Fraction(40) * Fraction("28.2") / 1000 * 107 * Fraction("0.98")
    before = 3100 - coke - 1425
    reduced = before - 50 - before * Fraction(5, 100)
    assert result.grams == round(reduced * 10**6)
    assert result.get("BE") == 3100
    assert result.get("PE") == result.get("Em.coke") + result.get("Em.electricity")
    assert result.flags == []


def test_a_plant_above_its_baseline_has_no_reduction_and_no_displacement() -> None:
    result = compute_ok("method_steel_reduction", with_line(STEEL, "BI", "1 tCO2e/t") + "\nLS 5 %")
    assert result.grams < 0
    assert result.get("LK") == 0
    assert result.flags == ["no-reduction"]
    assert compute_ok("method_steel_reduction", STEEL).flags == ["no-leakage-stated"]


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        (with_line(STEEL, "P", "0 t"), "no-activity"),
        (with_line(STEEL, "P", "-1 t"), "negative-activity"),
        (without(STEEL, "BI"), "missing-input"),
        (without(STEEL, "GRID"), "missing-input"),
        (STEEL + "OF.gas 1 1", "unknown-label"),
        (STEEL + "LS 1.01 1", "bad-share"),
        (STEEL + "LE -5 tCO2e", "negative-activity"),
    ],
)
def test_reductions_that_are_refused(inputs: str, code: str) -> None:
    assert compute("method_steel_reduction", inputs) == code


def test_a_forest_grows_less_a_deduction() -> None:
    result = compute_ok("method_forest_stock", FOREST + "BSL 20 tC\nLE 7 tCO2e\n")
    per_ha = Fraction(126, 100) * Fraction(47, 100)
    assert result.get("dC.oak") == Decimal("888.3")  # 100 ha, 15 t dm/ha
    assert Fraction(result.get("dC")) == 100 * 15 * per_ha
    # d = 15, 16, 14: s = 1, half width = 4.303 / sqrt(3) t dm/ha, 16.6 %: half of it is deducted.
    half = result.get("H")
    assert float(half) == pytest.approx(4.303 / 3**0.5 * 100 * float(per_ha), rel=1e-9)
    assert float(result.get("D")) == pytest.approx(float(half) / 2, rel=1e-9)
    net = Fraction(44, 12) * (Fraction(result.get("dC")) - Fraction(result.get("D")) - 20) - 7
    assert abs(result.grams - net * 10**6) <= 1
    assert result.flags == ["uncertainty-deducted"]


def test_strata_combine_and_volumes_become_biomass() -> None:
    text = "BCEF 0.7 t/m3\n" + FOREST.replace("tdm/ha", "m3/ha")
    pine = "A.pine 750 mu\n" + "".join(
        f"P{date}.pine/{plot} {50 + 10 * date + plot * (date - 1)} m3/ha\n"
        for date in (1, 2) for plot in (1, 2, 3)
    )  # fmt: skip
    result = compute_ok("method_forest_stock", text + pine)
    per_ha = Decimal("0.7") * Decimal("1.26") * Decimal("0.47")
    assert result.get("dC.pine") == 50 * 12 * per_ha
    assert result.get("dC") == result.get("dC.pine") + result.get("dC.oak")
    both = (result.get("H.oak") ** 2 + result.get("H.pine") ** 2).sqrt()
    assert result.get("H") == pytest.approx(both, rel=Decimal("1e-9"))


def test_a_stratum_seen_from_above_has_two_means_and_their_half_widths() -> None:
    seen = "A.elm 50 ha\nM1.elm 60 tdm/ha\nM2.elm 75 tdm/ha\nH1.elm 3 tdm/ha\nH2.elm 4 tdm/ha\n"
    result = compute_ok("method_forest_stock", FOREST + seen)
    per_ha = Decimal("1.26") * Decimal("0.47")
    assert result.get("dC.elm") == 50 * 15 * per_ha
    assert result.get("H.elm") == 50 * 5 * per_ha
    alone = seen + "R 0.26 1\nCF 0.47 1"
    assert compute_ok("method_forest_stock", alone).get("dC") == result.get("dC.elm")
    assert compute("method_forest_stock", without(alone, "H2.elm")) == "missing-input"


def test_a_forest_that_lost_stock_says_so_and_deducts_nothing() -> None:
    fallen = FOREST.replace("P1", "P0").replace("P2", "P1").replace("P0", "P2")
    result = compute_ok("method_forest_stock", fallen)
    assert result.get("D") == 0
    assert result.grams == round(Fraction(44, 12) * Fraction("-888.3") * 10**6)
    assert result.flags == ["stock-fell"]


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        (FOREST + "P2.oak/4 9 tdm/ha", "unknown-label"),
        (FOREST + "P1.oak/4 9 tdm/ha", "missing-input"),
        (FOREST + "P1.elm/1 9 tdm/ha\nP2.elm/1 9 tdm/ha", "unknown-stratum"),
        (FOREST + "A.elm 4 ha", "small-sample"),
        (FOREST + "M1.oak 80 tdm/ha", "two-methods"),
        (FOREST + "M1.elm 80 tdm/ha", "unknown-label"),
        (FOREST + "M2.oak 80 tdm/ha", "unknown-label"),
        (without(FOREST, "CF"), "missing-input"),
        (without(FOREST, "R"), "missing-input"),
        (without(FOREST, "T"), "missing-input"),
        (with_line(FOREST, "T", "0 1"), "bad-quantile"),
        (with_line(FOREST, "CF", "47 t"), "wrong-unit"),
        (with_line(FOREST, "P1.oak/1", "-1 tdm/ha"), "negative-activity"),
        (with_line(FOREST, "A.oak", "-1 ha"), "negative-activity"),
        (FOREST + "BCEF 0.7 t/m3", "wrong-unit"),
        (FOREST + "LE -1 tCO2e", "negative-activity"),
        (FOREST + "BSL -1 tC", "negative-activity"),
    ],
)
def test_forests_that_are_refused(inputs: str, code: str) -> None:
    assert compute("method_forest_stock", inputs) == code


@pytest.mark.parametrize("method", sorted(BASE))
def test_the_order_of_inputs_and_the_form_of_a_number_change_nothing(method: str) -> None:
    inputs = make_inputs(BASE[method])
    first = compute_ok(method, inputs)
    longer = [[n, v * 1000, scale + 3, unit, r] for n, v, scale, unit, r in inputs]
    assert compute_ok(method, longer) == first
    assert compute_ok(method, inputs[::-1]).grams == first.grams


@pytest.mark.parametrize("method", sorted(BASE))
def test_a_trace_names_what_it_was_made_of(method: str) -> None:
    """Every line is made of inputs and of lines before it; the last one is the result."""
    inputs = make_inputs(BASE[method])
    result = compute_ok(method, inputs)
    known = {name for name, *_ in inputs} | {
        part for name, *_ in inputs for part in (name.split("/")[0], name.split(".")[0])
    }
    for symbol, formula, used, _, scale, unit in result.trace:
        assert set(used) <= known, symbol
        assert formula and unit and scale == (24 if method == "method_cbam" else 12)
        known.add(symbol)
    last = result.trace[-1]
    assert result.grams == round(Fraction(last[3], 10 ** (last[4] - 6)))
