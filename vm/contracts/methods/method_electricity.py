"""Emissions of consumed electricity, by place or by contract. Kind: emission.

Inputs: `EL` (MWh consumed); by place `GRID` (tCO2/MWh); by contract `CE.label` (MWh under each) with
`CF.label` (tCO2/MWh), and `RESIDUAL` (tCO2/MWh) for the rest. Not both. Source: GHG Protocol Scope 2
Guidance ch. 6 and 7; Regulation (EU) 2025/2547 Article 9; docs/carbon.md.
"""
from vm import require, view
from lib.electricity.v1 import compute_location_based, compute_market_based
from lib.quantities.v1 import (
    Computation, Quantity, check_labels, find_labels, make_line, read_inputs, take_amount,
    to_grams,
)


def compute_contracts(found: dict[str, Quantity], consumed: int) -> Computation:
    """The market-based total; contracts may be none."""
    labels = find_labels(found, "CE")
    check_labels(found, "CF", labels)
    energies = [take_amount(found, f"CE.{label}", "MWh") for label in labels]
    factors = [take_amount(found, f"CF.{label}", "tCO2/MWh") for label in labels]
    residual = take_amount(found, "RESIDUAL", "tCO2/MWh")
    total = compute_market_based(consumed, energies, factors, residual)
    names = [name for name in found.keys()]
    formula = "sum of CE CF + (EL - sum of CE) RESIDUAL"
    return Computation(to_grams(total), [make_line("Em", formula, names, total, "tCO2")],
                       ["market-based"])


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, ["EL", "GRID", "CE", "CF", "RESIDUAL"])
    consumed = take_amount(found, "EL", "MWh")
    if "GRID" not in found:
        return compute_contracts(found, consumed)
    require(len(found) == 2, "two-methods")
    total = compute_location_based(consumed, take_amount(found, "GRID", "tCO2/MWh"))
    line = make_line("Em", "EL GRID", ["EL", "GRID"], total, "tCO2")
    return Computation(to_grams(total), [line], ["location-based"])
