"""What goes into a method and what comes out of it: quantities, a trace, a total.

A quantity is value / 10**scale of its unit. Inside a method every number is *fixed*: an int at
scale 12 of one unit for each kind of thing (tonnes, TJ, MWh, ha). Conversion is by exact
rationals, multiplied first and divided once, half to even. Source: docs/carbon.md.
"""
from vm import mul_div, mul_div_up, record, require, revert, sha256

FIXED_SCALE = 12
SCALE_MAX = 30
ONE = 1000000000000
# From tonnes at scale 12 to grams.
GRAMS = 1000000
# Unit: what it is counted in inside, and the ratio by which it gets there.
UNITS = {
    "1": "1 1 1", "%": "1 1 100",
    "t": "t 1 1", "kg": "t 1 1000", "g": "t 1 1000000", "Gg": "t 1000 1",
    "tCO2e": "tCO2e 1 1", "kgCO2e": "tCO2e 1 1000", "gCO2e": "tCO2e 1 1000000",
    "m3": "1000m3 1 1000", "Nm3": "1000m3 1 1000", "1000m3": "1000m3 1 1",
    "TJ": "TJ 1 1", "GJ": "TJ 1 1000", "MJ": "TJ 1 1000000",
    "MWh": "MWh 1 1", "kWh": "MWh 1 1000", "Wh": "MWh 1 1000000",
    "GJ/t": "GJ/t 1 1", "TJ/Gg": "GJ/t 1 1", "MJ/kg": "GJ/t 1 1",
    "kJ/kg": "GJ/t 1 1000", "TJ/t": "GJ/t 1000 1",
    "MJ/m3": "GJ/1000m3 1 1", "GJ/1000m3": "GJ/1000m3 1 1", "kJ/m3": "GJ/1000m3 1 1000",
    "tCO2/TJ": "tCO2/TJ 1 1", "kgCO2/GJ": "tCO2/TJ 1 1", "kgCO2/TJ": "tCO2/TJ 1 1000",
    "tC/TJ": "tC/TJ 1 1", "kgC/GJ": "tC/TJ 1 1",
    "tCO2/t": "tCO2/t 1 1", "kgCO2/t": "tCO2/t 1 1000", "tC/t": "tC/t 1 1",
    "tCO2e/t": "tCO2e/t 1 1", "kgCO2e/t": "tCO2e/t 1 1000",
    "tCO2/MWh": "tCO2/MWh 1 1", "kgCO2/kWh": "tCO2/MWh 1 1",
    "gCO2/kWh": "tCO2/MWh 1 1000", "kgCO2/MWh": "tCO2/MWh 1 1000",
    "MWh/t": "MWh/t 1 1", "kWh/t": "MWh/t 1 1000",
    "ha": "ha 1 1", "mu": "ha 1 15", "m2": "ha 1 10000", "km2": "ha 100 1",
    "tC": "tC 1 1", "tC/ha": "tC/ha 1 1", "tdm/ha": "tdm/ha 1 1", "tC/ha/yr": "tC/ha/yr 1 1",
    "tdm/ha/yr": "tdm/ha/yr 1 1", "m3/ha": "m3/ha 1 1", "m3/ha/yr": "m3/ha/yr 1 1",
    "t/m3": "t/m3 1 1", "tC/tdm": "1 1 1", "tdm/tdm": "1 1 1",
    "yr": "yr 1 1", "d": "d 1 1", "h": "h 1 1", "min": "min 1 1",
    "g/Nm3": "g/Nm3 1 1", "mg/Nm3": "g/Nm3 1 1000", "g/m3": "g/Nm3 1 1", "kg/t": "kg/t 1 1",
    "mV": "mV 1 1",
}


@record
class Quantity:
    name: str
    value: int
    scale: int
    unit: str
    reference: str


@record
class Line:
    symbol: str
    formula: str
    inputs: list[str]
    value: int
    scale: int
    unit: str


@record
class Computation:
    grams: int
    lines: list[Line]
    flags: list[str]


@record
class Resolved:
    """Inputs with every factor and parameter filled in, and what has to be said about them."""

    inputs: list[Quantity]
    flags: list[str]


def round_ratio(a: int, b: int, c: int) -> int:
    """a * b / c (c above 0) to the nearest integer, from the middle to the even one."""
    low = mul_div(a, b, c)
    doubled = mul_div(2 * a, b, c)
    if doubled == 2 * low:
        return low
    if mul_div_up(2 * a, b, c) == doubled and low % 2 == 0:
        return low
    return low + 1


def to_fixed(value: int, scale: int, numerator: int, denominator: int) -> int:
    """value / 10**scale times a ratio, at scale 12; reverts `bad-scale` outside 0 to 30."""
    require(0 <= scale <= SCALE_MAX, "bad-scale")
    return round_ratio(value * numerator, ONE, denominator * 10**scale)


def read_inputs(inputs: list[Quantity], symbols: list[str]) -> dict[str, Quantity]:
    """The inputs by name, each converted to the unit of its kind at scale 12.

    A name is a symbol, or a symbol, a dot and a label (`EF.coal`). Reverts `unknown-input` for a
    symbol that is not among `symbols`, `input-twice`, `unknown-unit`, `bad-scale`.
    """
    units = UNITS
    found: dict[str, Quantity] = {}
    for item in inputs:
        require(item.name.split(".")[0] in symbols, "unknown-input")
        require(item.name not in found, "input-twice")
        require(item.unit in units, "unknown-unit")
        kind, numerator, denominator = units[item.unit].split(" ")
        value = to_fixed(item.value, item.scale, int(numerator), int(denominator))
        found[item.name] = Quantity(item.name, value, FIXED_SCALE, kind, item.reference)
    return found


def find_labels(found: dict[str, Quantity], symbol: str) -> list[str]:
    """The labels of the inputs `symbol.label`, in their order; there may be none."""
    start = symbol + "."
    return [name[len(start):] for name in found.keys() if name.startswith(start)]


def list_labels(found: dict[str, Quantity], symbol: str) -> list[str]:
    """The labels of the inputs `symbol.label`, in their order; reverts `missing-input` if none."""
    labels = find_labels(found, symbol)
    require(len(labels) > 0, "missing-input")
    return labels


def take(found: dict[str, Quantity], name: str, unit: str) -> int:
    """The number called `name`; reverts `missing-input` or, of another kind, `wrong-unit`."""
    require(name in found, "missing-input")
    require(found[name].unit == unit, "wrong-unit")
    return found[name].value


def take_or(found: dict[str, Quantity], name: str, unit: str, default: int) -> int:
    """As `take`; the default where there is none."""
    return take(found, name, unit) if name in found else default


def take_amount(found: dict[str, Quantity], name: str, unit: str) -> int:
    """As `take`, of what cannot be below 0: reverts `negative-activity`."""
    value = take(found, name, unit)
    require(value >= 0, "negative-activity")
    return value


def take_share(found: dict[str, Quantity], name: str, default: int) -> int:
    """A share from 0 to 1, or the default; reverts `bad-share`."""
    value = take_or(found, name, "1", default)
    require(0 <= value <= ONE, "bad-share")
    return value


def check_labels(found: dict[str, Quantity], symbol: str, labels: list[str]) -> None:
    """Reverts `unknown-label` when a `symbol.label` has a label that is not among `labels`."""
    for label in find_labels(found, symbol):
        require(label in labels, "unknown-label")


def make_line(symbol: str, formula: str, inputs: list[str], value: int, unit: str) -> Line:
    """A line of the trace, its value at scale 12."""
    return Line(symbol, formula, inputs, value, FIXED_SCALE, unit)


def to_grams(tonnes: int) -> int:
    """Tonnes at scale 12 as whole grams, half to even."""
    return round_ratio(tonnes, 1, GRAMS)


def put_length(text: str) -> str:
    """The text with its length in front, so that a row of them has one reading only."""
    size = len(text)
    return f" {size}:{text}"


def hash_inputs(inputs: list[Quantity]) -> bytes:
    """SHA-256 over every field with its length in front: no two lists have one text."""
    text = "carbonode-inputs-v1"
    for item in inputs:
        fields = [item.name, f"{item.value}", f"{item.scale}", item.unit, item.reference]
        text += "".join([put_length(part) for part in fields])
    return sha256(text.encode())


def hash_lines(lines: list[Line]) -> bytes:
    """The same over a trace."""
    text = "carbonode-lines-v1"
    for line in lines:
        count = len(line.inputs)
        fields = [line.symbol, line.formula, f"{line.value}", f"{line.scale}", line.unit]
        fields.extend([f"{count}"] + line.inputs)
        text += "".join([put_length(part) for part in fields])
    return sha256(text.encode())
