"""Specific embedded emissions of an installation's goods under CBAM. Kind: emission.

Inputs, for each production process p: `AL.p` (t made), `DIR.p` (tCO2e), optional heat `HI.p HE.p` (TJ)
with `HIF.p HEF.p` (tCO2/TJ), waste gases `WI.p WE.p` (TJ) with `WIF.p WEF.p` (else natural gas, for
what leaves times 0.667), electricity `EL.p` (MWh) with `ELF.p` (tCO2/MWh), `EX.p` `EXF.p` exported,
`MK.p` (t to the market, else all). `USE.a/p`: t of the good of process a that enter p. A purchased
precursor x: `IN.x/p` (t that enter p), `PD.x PI.x` (tCO2e/t), `PE.x` (MWh/t); scrap has PD 0.
`IND.p`, `IND.x` = 1 where indirect emissions count (cement, fertilisers), of a good as of a precursor.
Lines: SEE.direct, .indirect, .power, .counted of each process at scale 24 (counted: direct, and
indirect where it arises in what counts it); the total is that of the goods for the market.
Source: (EU) 2023/956 Annex IV; (EU) 2025/2547 Annex III; docs/carbon.md.
"""
from vm import require, view
from lib.cbam.v1 import (
    EF_NATURAL_GAS, FINE_PER_WIDE, TOLERANCE, WASTE_GAS_EFFICIENCY, compute_attributed,
    compute_emissions, compute_waste_gas_in, compute_waste_gas_out, round_ratio, solve_linked,
    to_wide,
)
from lib.quantities.v1 import (
    Computation, Line, Quantity, UNITS, check_labels, list_labels, take,
    take_amount, to_fixed,
)

SCALE = 24
SYMBOLS = [
    "AL", "DIR", "HI", "HE", "HIF", "HEF", "WI", "WE", "WIF", "WEF", "EL", "ELF", "EX", "EXF", "MK",
    "IND", "USE", "IN", "PD", "PI", "PE",
]
OF_PROCESS = ["DIR", "HI", "HE", "HIF", "HEF", "WI", "WE", "WIF", "WEF", "EL", "ELF", "EX", "EXF", "MK"]
GRAMS = 1000000000000000000


def read_wide(inputs: list[Quantity]) -> dict[str, Quantity]:
    """As read_inputs, at scale 24: published results have sixteen digits."""
    units = UNITS
    found: dict[str, Quantity] = {}
    for item in inputs:
        require(item.name.split(".")[0] in SYMBOLS, "unknown-input")
        require(item.name not in found, "input-twice")
        require(item.unit in units, "unknown-unit")
        kind, numerator, denominator = units[item.unit].split(" ")
        value = to_fixed(item.value, item.scale, int(numerator) * FINE_PER_WIDE, int(denominator))
        found[item.name] = Quantity(item.name, value, SCALE, kind, item.reference)
    return found


def amount_or(found: dict[str, Quantity], name: str, unit: str, default: int) -> int:
    return take_amount(found, name, unit) if name in found else default


def emissions_of(found: dict[str, Quantity], amount: str, factor: str, unit: str) -> int:
    """Emissions of an optional amount, whose factor is then not optional."""
    if amount_or(found, amount, unit, 0) == 0:
        return 0
    per = "tCO2/TJ" if unit == "TJ" else "tCO2/MWh"
    return compute_emissions(take_amount(found, amount, unit), take_amount(found, factor, per))


def waste_gas_of(found: dict[str, Quantity], process: str, leaving: bool) -> int:
    """By the factor given; without one, or with that of natural gas, by the regulation's rule."""
    side = "WE" if leaving else "WI"
    energy = amount_or(found, f"{side}.{process}", "TJ", 0)
    factor = amount_or(found, f"{side}F.{process}", "tCO2/TJ", EF_NATURAL_GAS)
    if leaving and factor == EF_NATURAL_GAS:
        return compute_waste_gas_out(energy, factor, WASTE_GAS_EFFICIENCY)
    return compute_waste_gas_in(energy, factor)


def attribute(found: dict[str, Quantity], process: str) -> int:
    """Attributed direct emissions of a process, t CO2e, at least 0."""
    return compute_attributed(
        take(found, f"DIR.{process}", "tCO2e"),
        emissions_of(found, f"HI.{process}", f"HIF.{process}", "TJ"),
        emissions_of(found, f"HE.{process}", f"HEF.{process}", "TJ"),
        waste_gas_of(found, process, False),
        waste_gas_of(found, process, True),
        emissions_of(found, f"EX.{process}", f"EXF.{process}", "MWh"),
    )


def read_pair(name: str, symbol: str) -> list[str]:
    """The two labels of `symbol.a/b`; reverts `bad-label`."""
    labels = name[len(symbol) + 1:].split("/")
    require(len(labels) == 2, "bad-label")
    return labels


def number(processes: list[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for index, process in enumerate(processes):
        places[process] = index
    return places


def read_uses(found: dict[str, Quantity], places: dict[str, int]) -> list[list[int]]:
    """A row for each process: t of every good of the installation that enter it."""
    rows = [[0 for other in places.keys()] for process in places.keys()]
    for name in found.keys():
        if name.startswith("USE."):
            made, used = read_pair(name, "USE")
            require(made in places and used in places, "unknown-process")
            rows[places[used]][places[made]] += take_amount(found, name, "t")
    return rows


def add_purchased(
    found: dict[str, Quantity], places: dict[str, int], symbol: str, unit: str, own: list[int]
) -> None:
    """Adds what purchased precursors bring into each process, by the mass that enters it."""
    for name in found.keys():
        if name.startswith("IN."):
            bought, used = read_pair(name, "IN")
            require(used in places, "unknown-process")
            require(f"PD.{bought}" in found, "missing-precursor")
            mass = take_amount(found, name, "t")
            carried = amount_or(found, f"{symbol}.{bought}", unit, 0)
            own[places[used]] += compute_emissions(mass, carried)


def check_precursors(found: dict[str, Quantity], processes: list[str]) -> None:
    """Reverts `unknown-label` for a precursor that enters no process."""
    used = [read_pair(name, "IN")[0] for name in found.keys() if name.startswith("IN.")]
    for symbol in ["PD", "PI", "PE"]:
        check_labels(found, symbol, used)
    check_labels(found, "IND", processes + used)


def is_indirect_counted(found: dict[str, Quantity], label: str) -> bool:
    return amount_or(found, f"IND.{label}", "1", 0) > 0


def add_counted(found: dict[str, Quantity], places: dict[str, int], counted: list[int]) -> None:
    """Adds the indirect emissions of the purchased precursors for which they count."""
    for name in found.keys():
        if name.startswith("IN."):
            bought, used = read_pair(name, "IN")
            if is_indirect_counted(found, bought):
                mass = take_amount(found, name, "t")
                carried = amount_or(found, f"PI.{bought}", "tCO2e/t", 0)
                counted[places[used]] += compute_emissions(mass, carried)


def compute_market(found: dict[str, Quantity], process: str, made: int, inside: int) -> int:
    """t of a good that leave the installation; reverts `over-consumed` when there are not as many."""
    sold = amount_or(found, f"MK.{process}", "t", max(0, made - inside))
    require(sold + inside - made <= made // TOLERANCE, "over-consumed")
    return sold


def name_inputs(found: dict[str, Quantity], process: str) -> list[str]:
    """Every input that a process's own figures are made of."""
    ends = [f".{process}", f"/{process}"]
    return [name for name in found.keys() if name.endswith(ends[0]) or name.endswith(ends[1])]


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_wide(inputs)
    processes = list_labels(found, "AL")
    for symbol in OF_PROCESS:
        check_labels(found, symbol, processes)
    check_precursors(found, processes)
    places = number(processes)
    produced = [take_amount(found, f"AL.{process}", "t") for process in processes]
    uses = read_uses(found, places)
    direct = [attribute(found, process) for process in processes]
    indirect = [emissions_of(found, f"EL.{item}", f"ELF.{item}", "MWh") for item in processes]
    power = [amount_or(found, f"EL.{process}", "MWh", 0) for process in processes]
    lines = [Line(f"Attr.{process}", "DIR + heat + waste gas - EX EXF, at least 0",
                  name_inputs(found, process), direct[places[process]], SCALE, "tCO2e")
             for process in processes]
    flags = [f"floor:{process}" for process in processes if is_floored(found, process)]
    add_purchased(found, places, "PD", "tCO2e/t", direct)
    counted = [direct[index] + (indirect[index] if is_indirect_counted(found, process) else 0)
               for index, process in enumerate(processes)]
    add_counted(found, places, counted)
    add_purchased(found, places, "PI", "tCO2e/t", indirect)
    add_purchased(found, places, "PE", "MWh/t", power)
    solved = solve_linked(produced, uses, [direct, indirect, power, counted])
    total = 0
    for index, process in enumerate(processes):
        see = [to_wide(values[index]) for values in solved]
        add_lines(found, lines, process, see)
        inside = sum([row[index] for row in uses])
        total += compute_emissions(compute_market(found, process, produced[index], inside), see[3])
    parts = [line.symbol for line in lines if line.symbol.startswith("SEE.counted")]
    lines.append(Line("Em", "sum of MK SEE.counted", parts, total, SCALE, "tCO2e"))
    return Computation(round_ratio(total, 1, GRAMS), lines, flags)


def is_floored(found: dict[str, Quantity], process: str) -> bool:
    """Whether a process hands over at least as much as it emits: what was set to 0 is flagged."""
    gave = [f"{symbol}.{process}" for symbol in ["HE", "WE", "EX"]]
    gives = [name for name in gave if name in found and found[name].value > 0]
    below = take(found, f"DIR.{process}", "tCO2e") < 0
    return (below or len(gives) > 0) and attribute(found, process) == 0


def add_lines(
    found: dict[str, Quantity], lines: list[Line], process: str, see: list[int]
) -> None:
    """The four figures of a process's goods, and what they are made of."""
    names = [f"Attr.{process}"] + name_inputs(found, process)
    for index, kind in enumerate(["direct", "indirect", "power", "counted"]):
        unit = "MWh/t" if kind == "power" else "tCO2e/t"
        lines.append(Line(f"SEE.{kind}.{process}", "(own + sum of USE SEE + sum of IN P) / AL", names,
                          see[index], SCALE, unit))
