"""Carbon that rewetted or planted coastal soils lay down, less a deduction. Kind: sink.

dC = A RATE YEARS for each stratum; half widths U dC combine by IPCC approach 1, and the deduction of
CDM A/R tool 14 is taken. Net: t CO2 over the years. Inputs: `A.s` (ha), `RATE.s` (tC/ha/yr), `U.s` (half width
as a share), `YEARS` (yr), `BSL` (tC laid down anyway, else 0), `LE` (tCO2e, methane of rewetting included,
else 0). Source: 2013 supplement to IPCC 2006: wetlands, ch. 4, eq. 4.7; docs/carbon.md.
"""
from vm import require, view
from lib.quantities.v1 import (
    Computation, Line, ONE, Quantity, check_labels, list_labels, make_line, read_inputs,
    round_ratio, take_amount, to_grams,
)
from lib.sinks.v1 import compute_accumulation, to_carbon_dioxide
from lib.uncertainty.v1 import combine_halves, compute_deduction


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, ["A", "RATE", "U", "YEARS", "BSL", "LE"])
    strata = list_labels(found, "A")
    check_labels(found, "RATE", strata)
    check_labels(found, "U", strata)
    years = take_amount(found, "YEARS", "yr")
    require(years > 0, "bad-period")
    lines: list[Line] = []
    halves: list[int] = []
    total = 0
    for stratum in strata:
        yearly = compute_accumulation(
            take_amount(found, f"A.{stratum}", "ha"), take_amount(found, f"RATE.{stratum}", "tC/ha/yr")
        )
        gained = round_ratio(yearly, years, ONE)
        names = [f"A.{stratum}", f"RATE.{stratum}", "YEARS"]
        lines.append(make_line(f"dC.{stratum}", "A RATE YEARS", names, gained, "tC"))
        half = round_ratio(gained, take_amount(found, f"U.{stratum}", "1"), ONE)
        lines.append(make_line(f"H.{stratum}", "dC U", [f"dC.{stratum}", f"U.{stratum}"], half, "tC"))
        halves.append(half)
        total += gained
    half = combine_halves(halves)
    lines.append(make_line("dC", "sum of dC", [f"dC.{item}" for item in strata], total, "tC"))
    lines.append(make_line("H", "sqrt(sum of H squared)", [f"H.{item}" for item in strata], half, "tC"))
    deduction = compute_deduction(total, half) if total > 0 else 0
    lines.append(make_line("D", "H discount(H / dC)", ["H", "dC"], deduction, "tC"))
    expected = take_amount(found, "BSL", "tC") if "BSL" in found else 0
    leaked = take_amount(found, "LE", "tCO2e") if "LE" in found else 0
    net = to_carbon_dioxide(total - deduction - expected) - leaked
    used = ["dC", "D"] + [name for name in ["BSL", "LE"] if name in found]
    lines.append(make_line("NET", "44/12 (dC - D - BSL) - LE", used, net, "tCO2e"))
    return Computation(to_grams(net), lines, ["uncertainty-deducted"] if deduction > 0 else [])
