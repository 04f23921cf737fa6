"""The CBAM method as a contract: its total, what counts in it, and what it refuses."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.unit.vm.method_bench import compute, compute_ok
from tests.unit.vm.test_contracts_methods import CBAM, with_line, without

GAS = 4 * Fraction("56.1") * Fraction("0.667")
IRON = (1600 - GAS) / 1000
STEEL = (120 + 124 + 950 * IRON + 28) / 1100


def test_the_total_is_that_of_the_goods_for_the_market() -> None:
    result = compute_ok("method_cbam", CBAM)
    assert Fraction(result.get("SEE.direct.iron")) == IRON
    assert abs(Fraction(result.get("SEE.direct.steel")) - STEEL) <= Fraction(1, 10**24)
    assert result.get("SEE.indirect.steel") * 1100 == pytest.approx(230)
    assert result.get("SEE.power.steel") * 1100 == pytest.approx(450)
    assert result.grams == round((50 * IRON + 1100 * STEEL) * 10**6)
    assert result.flags == []


@pytest.mark.parametrize(
    ("counted", "more"),
    [("IND.steel 1 1", 200), ("IND.FeMn 1 1", 30), ("IND.steel 1 1\nIND.FeMn 1 1", 230),
     ("IND.steel 0 1", 0), ("IND.iron 1 1", 0)],
)  # fmt: skip
def test_indirect_emissions_count_where_they_arise_in_what_counts_them(
    counted: str, more: int
) -> None:
    result = compute_ok("method_cbam", CBAM + counted)
    assert result.grams == round((50 * IRON + 1100 * STEEL + more) * 10**6)


def test_a_factor_of_natural_gas_means_the_rule_and_another_is_taken_as_it_is() -> None:
    same = compute_ok("method_cbam", CBAM + "WEF.iron 56.1 tCO2/TJ")
    assert Fraction(same.get("Attr.iron")) == 1600 - GAS
    other = compute_ok("method_cbam", CBAM + "WEF.iron 40 tCO2/TJ\nWI.steel 1 TJ")
    assert other.get("Attr.iron") == 1440
    assert float(other.get("Attr.steel")) == 120 + 124 + 56.1


def test_what_hands_over_more_than_it_emits_is_floored_and_flagged() -> None:
    for line in ("EX.steel 500 MWh\nEXF.steel 0.5 tCO2/MWh", "HE.steel 5 TJ\nHEF.steel 62 tCO2/TJ"):
        result = compute_ok("method_cbam", CBAM + line)
        assert result.get("Attr.steel") == 0
        assert result.flags == ["floor:steel"]
    below = compute_ok("method_cbam", with_line(without(CBAM, "WE.iron"), "DIR.iron", "-1 tCO2e"))
    assert below.flags == ["floor:iron"]
    nothing = compute_ok("method_cbam", "AL.cell 10 t\nDIR.cell 0 tCO2e")
    assert (nothing.grams, nothing.flags) == (0, [])


def test_a_good_that_goes_back_whole_leaves_in_the_other() -> None:
    """All steel returns to the iron process: the 50 t of iron that leave carry everything."""
    result = compute_ok("method_cbam", CBAM + "USE.steel/iron 1100 t\nMK.steel 0 t")
    assert result.grams == round((1600 - GAS + 120 + 124 + 28) * 10**6)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ("DIR.iron 5 tCO2e", "missing-input"),
        (without(CBAM, "DIR.iron"), "missing-input"),
        (without(CBAM, "HIF.steel"), "missing-input"),
        (without(CBAM, "ELF.steel"), "missing-input"),
        (CBAM + "GWP.iron 1 1", "unknown-input"),
        (CBAM + "AL.iron 5 t", "input-twice"),
        (CBAM + "HE.iron 5 lb", "unknown-unit"),
        (CBAM + "HE.iron 5 t", "wrong-unit"),
        (CBAM + "HE.coke 5 TJ", "unknown-label"),
        (CBAM + "PD.FeCr 5 tCO2e/t", "unknown-label"),
        (CBAM + "IND.FeCr 1 1", "unknown-label"),
        (CBAM + "USE.iron 5 t", "bad-label"),
        (CBAM + "USE.iron/steel/x 5 t", "bad-label"),
        (CBAM + "USE.coke/steel 5 t", "unknown-process"),
        (CBAM + "USE.iron/coke 5 t", "unknown-process"),
        (CBAM + "IN.FeMn/coke 5 t", "unknown-process"),
        (CBAM + "IN.FeCr/steel 5 t", "missing-precursor"),
        (without(CBAM, "PD.FeMn"), "missing-precursor"),
        (with_line(CBAM, "MK.iron", "51 t"), "over-consumed"),
        (with_line(CBAM, "USE.iron/steel", "1001 t"), "over-consumed"),
        (with_line(with_line(CBAM, "MK.iron", "0 t"), "USE.iron/steel", "1000 t")
         + "\nUSE.steel/iron 1100 t\nMK.steel 0 t", "cycle-without-solution"),
        (with_line(CBAM, "AL.iron", "0 t"), "no-activity"),
        (with_line(CBAM, "IN.FeMn/steel", "-1 t"), "negative-activity"),
        (with_line(CBAM, "PD.FeMn", "-1 tCO2e/t"), "negative-activity"),
        (with_line(CBAM, "WE.iron", "-1 TJ"), "negative-activity"),
    ],
)  # fmt: skip
def test_installations_that_are_refused(inputs: str, code: str) -> None:
    assert compute("method_cbam", inputs) == code
