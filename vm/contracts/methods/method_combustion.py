"""Emissions of burnt fuels: FQ NCV EF OF, biogenic part apart. Kind: emission.

Inputs, for each fuel under its label: `FQ.fuel` (t, 1000m3 or TJ), `NCV.fuel` (GJ/t or GJ/1000m3;
none for TJ), `EF.fuel` (tCO2/TJ), `OF.fuel` (share, else 1), `BF.fuel` (biomass share, else 0).
Source: IPCC 2006 vol. 2 ch. 2; Regulation (EU) 2018/2066 Articles 24(1) and 39; docs/carbon.md.
"""
from vm import view
from lib.combustion.v1 import (
    compute_biogenic_part, compute_combustion, compute_combustion_of_energy,
)
from lib.quantities.v1 import (
    Computation, Line, ONE, Quantity, check_labels, list_labels, make_line, read_inputs, take,
    take_amount, take_share, to_grams,
)


def compute_fuel(found: dict[str, Quantity], fuel: str) -> int:
    """t CO2 of one fuel, its biogenic part included."""
    factor = take_amount(found, f"EF.{fuel}", "tCO2/TJ")
    oxidation = take_share(found, f"OF.{fuel}", ONE)
    kind = found[f"FQ.{fuel}"].unit
    if kind == "TJ":
        energy = take_amount(found, f"FQ.{fuel}", "TJ")
        return compute_combustion_of_energy(energy, factor, oxidation)
    per = "GJ/1000m3" if kind == "1000m3" else "GJ/t"
    quantity = take_amount(found, f"FQ.{fuel}", "1000m3" if kind == "1000m3" else "t")
    return compute_combustion(quantity, take_amount(found, f"NCV.{fuel}", per), factor, oxidation)


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, ["FQ", "NCV", "EF", "OF", "BF"])
    fuels = list_labels(found, "FQ")
    for symbol in ["NCV", "EF", "OF", "BF"]:
        check_labels(found, symbol, fuels)
    lines: list[Line] = []
    names: list[str] = []
    total = 0
    for fuel in fuels:
        used = [name for name in
                [f"FQ.{fuel}", f"NCV.{fuel}", f"EF.{fuel}", f"OF.{fuel}"] if name in found]
        emitted = compute_fuel(found, fuel)
        lines.append(make_line(f"Em.{fuel}", "FQ NCV EF OF", used, emitted, "tCO2"))
        biogenic = compute_biogenic_part(emitted, take_share(found, f"BF.{fuel}", 0))
        if biogenic > 0:
            parts = [f"Em.{fuel}", f"BF.{fuel}"]
            lines.append(make_line(f"Bio.{fuel}", "Em BF", parts, biogenic, "tCO2"))
            names.append(f"Bio.{fuel}")
        total += emitted - biogenic
        names.append(f"Em.{fuel}")
    lines.append(make_line("Em", "sum of Em - Bio", names, total, "tCO2"))
    flags = [f"assumed:OF.{fuel}=1" for fuel in fuels if f"OF.{fuel}" not in found]
    return Computation(to_grams(total), lines, flags)
