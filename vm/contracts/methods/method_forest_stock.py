"""Removals of a forest by stock-difference on permanent plots, less a deduction for uncertainty.

For each stratum s: the plots' stocks at both dates differ by d; dC = A mean(d) (1 + R) CF. The half
widths of the strata's means combine by IPCC approach 1, and the deduction of CDM A/R tool 14 is
taken from the sum. Net: t CO2 over the period between the two inventories, below 0 for a loss.
Kind: sink. Inputs: `A.s` (ha), `P1.s/plot` and `P2.s/plot` (tdm/ha above ground, or m3/ha with
`BCEF`, t/m3), `R` (root to shoot), `CF` (tC/tdm), `T` (Student's t for the smallest stratum), and
`BSL` (tC that would have grown anyway, else 0), `LE` (tCO2e, else 0).
Source: IPCC 2006 vol. 4 eq. 2.8 and 2.14 ff.; docs/carbon.md.
"""
from vm import require, view
from lib.quantities.v1 import (
    Computation, Line, ONE, Quantity, check_labels, list_labels, make_line, read_inputs,
    round_ratio, take_amount, take_share, to_grams,
)
from lib.sinks.v1 import compute_growth_of_volume, compute_stock_of_biomass, to_carbon_dioxide
from lib.uncertainty.v1 import combine_halves, compute_deduction, compute_half_width

SYMBOLS = ["A", "P1", "P2", "BCEF", "R", "CF", "T", "BSL", "LE"]


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


def check_plots(plots: list[str], strata: list[str]) -> None:
    """Reverts `unknown-stratum` for a plot whose stratum has no area."""
    for plot in plots:
        require(plot.split("/")[0] in strata, "unknown-stratum")


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, SYMBOLS)
    strata = list_labels(found, "A")
    plots = list_labels(found, "P1")
    check_labels(found, "P2", plots)
    check_plots(plots, strata)
    require("CF" in found, "missing-input")
    quantile = take_amount(found, "T", "1")
    lines: list[Line] = []
    halves: list[int] = []
    change = 0
    for stratum in strata:
        area = take_amount(found, f"A.{stratum}", "ha")
        differences = read_differences(found, plots, stratum)
        half = scale_up(found, area, compute_half_width(differences, quantile))
        mean = round_ratio(sum(differences), 1, len(differences))
        gained = scale_up(found, area, mean)
        names = [f"A.{stratum}", f"P1.{stratum}", f"P2.{stratum}", "R", "CF"]
        lines.append(make_line(f"dC.{stratum}", "A mean(P2 - P1) (1 + R) CF", names, gained, "tC"))
        lines.append(make_line(f"H.{stratum}", "A T s / sqrt(n) (1 + R) CF", names + ["T"], half,
                               "tC"))
        halves.append(half)
        change += gained
    return finish(found, lines, change, combine_halves(halves))


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
