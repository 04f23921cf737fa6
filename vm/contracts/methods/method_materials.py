"""Emissions of materials: process and carbonates (AD EF CF), and a carbon mass balance. Kind: emission.

Inputs: by material `AD.x` (t) with `EF.x` (tCO2/t) and `CF.x` (conversion, else 1); for the balance what
enters `MI.x` (t) with `CI.x` (tC/t), what leaves `MO.x` with `CO.x`, and the ratio of CO2 to carbon as
`CRN` over `CRD` (3.664 and 1 in EU law, 44 and 12 for the IPCC). Either or both.
Source: (EU) 2018/2066 Articles 24(2) and 25, Annex IV; IPCC 2006 vol. 3; docs/carbon.md.
"""
from vm import require, view
from lib.combustion.v1 import compute_mass_balance, compute_process
from lib.quantities.v1 import (
    Computation, Line, ONE, Quantity, check_labels, find_labels, make_line, read_inputs,
    take_amount, take_share, to_grams,
)

SYMBOLS = ["AD", "EF", "CF", "MI", "CI", "MO", "CO", "CRN", "CRD"]


def add_processes(found: dict[str, Quantity], materials: list[str], lines: list[Line]) -> int:
    """t CO2 of what is converted; adds a line for each material."""
    total = 0
    for material in materials:
        emitted = compute_process(
            take_amount(found, f"AD.{material}", "t"), take_amount(found, f"EF.{material}", "tCO2/t"),
            take_share(found, f"CF.{material}", ONE),
        )
        used = [name for name in [f"AD.{material}", f"EF.{material}", f"CF.{material}"] if name in found]
        lines.append(make_line(f"Em.{material}", "AD EF CF", used, emitted, "tCO2"))
        total += emitted
    return total


def balance(found: dict[str, Quantity], entering: list[str], lines: list[Line]) -> int:
    """t CO2 of the carbon that enters and does not leave."""
    leaving = find_labels(found, "MO")
    check_labels(found, "CO", leaving)
    total = compute_mass_balance(
        [take_amount(found, f"MI.{label}", "t") for label in entering],
        [take_amount(found, f"CI.{label}", "tC/t") for label in entering],
        [take_amount(found, f"MO.{label}", "t") for label in leaving],
        [take_amount(found, f"CO.{label}", "tC/t") for label in leaving],
        take_amount(found, "CRN", "1"), take_amount(found, "CRD", "1"),
    )
    used = [name for name in found.keys() if name.split(".")[0] in SYMBOLS[3:]]
    formula = "CRN / CRD (sum of MI CI - sum of MO CO)"
    lines.append(make_line("Balance", formula, used, total, "tCO2"))
    return total


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, SYMBOLS)
    materials = find_labels(found, "AD")
    entering = find_labels(found, "MI")
    for symbol in ["EF", "CF"]:
        check_labels(found, symbol, materials)
    check_labels(found, "CI", entering)
    require(len(materials) + len(entering) > 0, "missing-input")
    lines: list[Line] = []
    total = add_processes(found, materials, lines)
    if len(entering) > 0:
        total += balance(found, entering, lines)
    else:
        check_labels(found, "MO", [])
        check_labels(found, "CO", [])
    parts = [line.symbol for line in lines]
    lines.append(make_line("Em", "sum of Em + Balance", parts, total, "tCO2"))
    flags = [f"assumed:CF.{item}=1" for item in materials if f"CF.{item}" not in found]
    return Computation(to_grams(total), lines, flags)
