"""Emissions of a gas by continuous measurement: CO2, or N2O by its warming potential. Kind: emission.

Inputs, for each part p of the period: `C.p` (g/Nm3, mean) and `V.p` (1000m3 of flue gas); for hours without
a measurement `HG` (h) and `VG` (1000m3 in one hour): they count with the mean and two deviations of
the parts. `GWP` (1 for CO2), and for CO2 `BIO` (tCO2 of biomass in it, by calculation; else 0).
Source: (EU) 2018/2066 Articles 40-46 and Annex VIII; docs/carbon.md.
"""
from vm import require, view
from lib.measurement.v1 import (
    compute_equivalent, compute_measured, compute_missing, compute_substitute,
)
from lib.quantities.v1 import (
    Computation, Line, ONE, Quantity, check_labels, list_labels, make_line, read_inputs,
    round_ratio, take_amount, to_grams,
)


def add_missing(found: dict[str, Quantity], values: list[int], lines: list[Line]) -> int:
    """t of gas in the hours that were not measured; none when the inputs name none."""
    if "HG" not in found:
        require("VG" not in found, "missing-input")
        return 0
    hours = take_amount(found, "HG", "h")
    require(hours % ONE == 0, "whole-hours")
    flow = take_amount(found, "VG", "1000m3")
    substitute = compute_substitute(values)
    missing = compute_missing(substitute, flow, hours // ONE)
    lines.append(make_line("Csub", "mean(C) + 2 s(C)", ["C"], substitute, "g/Nm3"))
    lines.append(make_line("Gap", "Csub VG HG", ["Csub", "VG", "HG"], missing, "t"))
    return missing


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, ["C", "V", "HG", "VG", "GWP", "BIO"])
    parts = list_labels(found, "C")
    check_labels(found, "V", parts)
    values = [take_amount(found, f"C.{part}", "g/Nm3") for part in parts]
    flows = [take_amount(found, f"V.{part}", "1000m3") for part in parts]
    lines: list[Line] = []
    measured = compute_measured(values, flows)
    names = [f"{symbol}.{part}" for part in parts for symbol in ["C", "V"]]
    lines.append(make_line("Measured", "sum of C V", names, measured, "t"))
    total = measured + add_missing(found, values, lines)
    biogenic = take_amount(found, "BIO", "t") if "BIO" in found else 0
    require(biogenic <= total, "more-biomass-than-gas")
    emitted = compute_equivalent(total - biogenic, take_amount(found, "GWP", "1"))
    used = [line.symbol for line in lines if line.symbol != "Csub"]
    used += [name for name in ["BIO", "GWP"] if name in found]
    lines.append(make_line("Em", "(Measured + Gap - BIO) GWP", used, emitted, "tCO2e"))
    return Computation(to_grams(emitted), lines, ["substituted-hours"] if "HG" in found else [])
