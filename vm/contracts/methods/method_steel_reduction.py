"""Baseline and credit for an installation: what it emits less than a baseline for its output.

ER = P BI - PE - LE. The result is net: t CO2e of reductions, below 0 when it emitted more. Kind: sink
(what is positive may become units). Inputs: `P` (t produced), `BI` (baseline, tCO2e/t), fuels as in
method_combustion (`FQ NCV EF OF` with labels, t and GJ/t), `EL` (MWh bought) with `GRID` (tCO2/MWh),
leakage as `LE` (tCO2e) and as `LS` (share of the reduction before leakage; both add up).
Source: ISO 14064-2:2019, 6.7-6.8; docs/carbon.md.
"""
from vm import require, view
from lib.combustion.v1 import compute_combustion
from lib.crediting.v1 import compute_baseline, compute_displacement, compute_reduction
from lib.electricity.v1 import compute_location_based
from lib.quantities.v1 import (
    Computation, Line, ONE, Quantity, check_labels, list_labels, make_line, read_inputs,
    take_amount, take_share, to_grams,
)

SYMBOLS = ["P", "BI", "FQ", "NCV", "EF", "OF", "EL", "GRID", "LE", "LS"]


def compute_fuels(found: dict[str, Quantity], lines: list[Line]) -> int:
    """t CO2 of the fuels; adds a line for each."""
    fuels = list_labels(found, "FQ")
    for symbol in ["NCV", "EF", "OF"]:
        check_labels(found, symbol, fuels)
    total = 0
    for fuel in fuels:
        emitted = compute_combustion(
            take_amount(found, f"FQ.{fuel}", "t"), take_amount(found, f"NCV.{fuel}", "GJ/t"),
            take_amount(found, f"EF.{fuel}", "tCO2/TJ"), take_share(found, f"OF.{fuel}", ONE),
        )
        used = [name for name in
                [f"FQ.{fuel}", f"NCV.{fuel}", f"EF.{fuel}", f"OF.{fuel}"] if name in found]
        lines.append(make_line(f"Em.{fuel}", "FQ NCV EF OF", used, emitted, "tCO2"))
        total += emitted
    return total


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, SYMBOLS)
    produced = take_amount(found, "P", "t")
    require(produced > 0, "no-activity")
    lines: list[Line] = []
    baseline = compute_baseline(produced, take_amount(found, "BI", "tCO2e/t"))
    lines.append(make_line("BE", "P BI", ["P", "BI"], baseline, "tCO2e"))
    burnt = compute_fuels(found, lines)
    bought = compute_location_based(
        take_amount(found, "EL", "MWh"), take_amount(found, "GRID", "tCO2/MWh")
    )
    lines.append(make_line("Em.electricity", "EL GRID", ["EL", "GRID"], bought, "tCO2"))
    project = burnt + bought
    parts = [line.symbol for line in lines[1:]]
    lines.append(make_line("PE", "sum of Em", parts, project, "tCO2e"))
    moved = compute_displacement(baseline - project, take_share(found, "LS", 0))
    known = take_amount(found, "LE", "tCO2e") if "LE" in found else 0
    named = [name for name in ["LE", "LS"] if name in found]
    lines.append(make_line("LK", "LE + LS (BE - PE)", named + ["BE", "PE"], known + moved, "tCO2e"))
    reduced = compute_reduction(baseline, project, known + moved)
    lines.append(make_line("ER", "BE - PE - LK", ["BE", "PE", "LK"], reduced, "tCO2e"))
    flags = [] if reduced > 0 else ["no-reduction"]
    if len(named) == 0:
        flags.append("no-leakage-stated")
    return Computation(to_grams(reduced), lines, flags)
