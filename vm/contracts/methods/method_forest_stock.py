"""Removals of a forest by stock-difference, less a deduction for uncertainty. Kind: sink.

For each stratum s dC = A d (1 + R) CF, where d is the mean difference of permanent plots, or of two
observations from above. The half widths combine by IPCC approach 1, and the deduction of CDM A/R
tool 14 is taken from the sum. Net: t CO2 between the two dates, below 0 for a loss. Inputs: `A.s` (ha);
`P1.s/plot` and `P2.s/plot`, or the means `M1.s M2.s` with half widths `H1.s H2.s` (tdm/ha above ground, or
m3/ha with `BCEF`, t/m3); `R` (root to shoot), `CF` (tC/tdm), with plots `T` (Student's t for the smallest
stratum); `BSL` (tC that would have grown anyway, else 0), `LE` (tCO2e, else 0).
Source: IPCC 2006 vol. 4 eq. 2.8 and 2.14 ff.; docs/carbon.md.
"""
from vm import require, view
from lib.quantities.v1 import (
    Computation, Line, ONE, Quantity, check_labels, find_labels, list_labels, make_line,
    read_inputs, round_ratio, take_amount, take_share, to_grams,
)
from lib.sinks.v1 import compute_growth_of_volume, compute_stock_of_biomass, to_carbon_dioxide
from lib.uncertainty.v1 import combine_halves, compute_deduction, compute_half_width

SYMBOLS = ["A", "P1", "P2", "M1", "M2", "H1", "H2", "BCEF", "R", "CF", "T", "BSL", "LE"]


def read_stock(found: dict[str, Quantity], name: str) -> int:
    """t dm/ha of a plot, whether it was given as biomass or as volume."""
    if "BCEF" not in found:
        return take_amount(found, name, "tdm/ha")
    volume = take_amount(found, name, "m3/ha")
    return compute_growth_of_volume(volume, take_amount(found, "BCEF", "t/m3"))


def read_differences(found: dict[str, Quantity], plots: list[str], stratum: str) -> list[int]:
    """What each plot of a stratum gained or lost, t dm/ha."""
    start = stratum + "/"
    return [
        read_stock(found, f"P2.{plot}") - read_stock(found, f"P1.{plot}")
        for plot in plots if plot.startswith(start)
    ]


def scale_up(found: dict[str, Quantity], area: int, per_ha: int) -> int:
    """t C of a difference in t dm/ha, which may be below 0."""
    carbon = compute_stock_of_biomass(
        area, abs(per_ha), take_amount(found, "R", "1"), take_share(found, "CF", ONE)
    )
    return carbon if per_ha >= 0 else 0 - carbon


def check_plots(found: dict[str, Quantity], plots: list[str], strata: list[str]) -> None:
    """Reverts `unknown-stratum` for a plot whose stratum has no area, `two-methods` for one that has
    an observation as well."""
    for plot in plots:
        stratum = plot.split("/")[0]
        require(stratum in strata, "unknown-stratum")
        require(f"M1.{stratum}" not in found, "two-methods")


def measure_plots(found: dict[str, Quantity], plots: list[str], stratum: str) -> list[int]:
    """Mean difference and half width of a stratum's plots, t dm/ha."""
    differences = read_differences(found, plots, stratum)
    half = compute_half_width(differences, take_amount(found, "T", "1"))
    return [round_ratio(sum(differences), 1, len(differences)), half]


def measure_observed(found: dict[str, Quantity], stratum: str) -> list[int]:
    """Difference and half width of two observations of a stratum, t dm/ha."""
    difference = read_stock(found, f"M2.{stratum}") - read_stock(found, f"M1.{stratum}")
    halves = [read_stock(found, f"H1.{stratum}"), read_stock(found, f"H2.{stratum}")]
    return [difference, combine_halves(halves)]


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, SYMBOLS)
    strata = list_labels(found, "A")
    plots = find_labels(found, "P1")
    check_labels(found, "P2", plots)
    check_labels(found, "M1", strata)
    for symbol in ["M2", "H1", "H2"]:
        check_labels(found, symbol, find_labels(found, "M1"))
    check_plots(found, plots, strata)
    require("CF" in found, "missing-input")
    lines: list[Line] = []
    halves: list[int] = []
    change = 0
    for stratum in strata:
        area = take_amount(found, f"A.{stratum}", "ha")
        seen = f"M1.{stratum}" in found
        mean, half = (measure_observed(found, stratum) if seen else
                      measure_plots(found, plots, stratum))
        gained = scale_up(found, area, mean)
        spread = scale_up(found, area, half)
        names = name_inputs(found, stratum, seen)
        lines.append(make_line(f"dC.{stratum}", "A mean(M2 - M1) (1 + R) CF" if seen else
                               "A mean(P2 - P1) (1 + R) CF", names, gained, "tC"))
        lines.append(make_line(f"H.{stratum}", "A sqrt(H1^2 + H2^2) (1 + R) CF" if seen else
                               "A T s / sqrt(n) (1 + R) CF", names, spread, "tC"))
        halves.append(spread)
        change += gained
    return finish(found, lines, change, combine_halves(halves))


def name_inputs(found: dict[str, Quantity], stratum: str, seen: bool) -> list[str]:
    """What a stratum's figures are made of; its plots together as `P1.s` and `P2.s`."""
    own = ["M1", "M2", "H1", "H2"] if seen else ["P1", "P2"]
    shared = ["R", "CF"] + (["BCEF"] if "BCEF" in found else []) + ([] if seen else ["T"])
    return [f"A.{stratum}"] + [f"{symbol}.{stratum}" for symbol in own] + shared


def finish(found: dict[str, Quantity], lines: list[Line], change: int, half: int) -> Computation:
    """From the change of the strata and its half width to the net removals."""
    changes = [line.symbol for line in lines if line.symbol.startswith("dC.")]
    widths = [line.symbol for line in lines if line.symbol.startswith("H.")]
    lines.append(make_line("dC", "sum of dC", changes, change, "tC"))
    lines.append(make_line("H", "sqrt(sum of H squared)", widths, half, "tC"))
    deduction = compute_deduction(change, half) if change > 0 else 0
    lines.append(make_line("D", "H discount(H / dC)", ["H", "dC"], deduction, "tC"))
    expected = take_amount(found, "BSL", "tC") if "BSL" in found else 0
    leaked = take_amount(found, "LE", "tCO2e") if "LE" in found else 0
    net = to_carbon_dioxide(change - deduction - expected) - leaked
    optional = [name for name in ["BSL", "LE"] if name in found]
    lines.append(make_line("NET", "44/12 (dC - D - BSL) - LE", ["dC", "D"] + optional, net, "tCO2e"))
    flags = ["stock-fell"] if change < 0 else []
    if deduction > 0:
        flags.append("uncertainty-deducted")
    return Computation(to_grams(net), lines, flags)
