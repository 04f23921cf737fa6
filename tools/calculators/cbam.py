"""Specific embedded emissions of an installation, by the chain's own method_cbam.

The installation becomes the method's inputs, the contract runs in the VM on an empty state, and its
lines become the rows of the template's summary. There is no second implementation here: what a node
computes under consensus is what is printed. Source: vm/contracts/methods/method_cbam.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from importlib import resources
from typing import Any, Final

from primitives.errors import CarbonodeError
from tools.calculators.workbook import PLACES_MAX, Flow, Installation, Process
from vm.authoring import Bench, TextCall
from vm.outcome import STATUS_OK

METHOD: Final = "method_cbam"
GAS: Final = 40_000_000
"""A block's. Ten processes, each of which feeds all others, take 2.3 M, twenty 11 M."""
_EXACT: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)
REASONS: Final = {
    "cycle-without-solution": "the goods of linked processes go round and nothing leaves the cycle",
    "over-consumed": "more of a good is used or sold than is made",
    "negative-activity": "an amount is below 0",
    "negative-factor": "a factor is below 0",
    "no-activity": "a process makes nothing",
    "missing-precursor": "a precursor enters a process and nothing says what it carries",
}
"""What the method's codes mean, for people; any other code is shown alone."""


class MethodRefused(CarbonodeError):
    """The method refused the inputs; ``code`` is the contract's own."""

    code = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """``rows`` are the template's; ``flags`` the method's, with the processes' names."""

    rows: list[dict[str, Any]]
    flags: list[str]
    inputs: list[list[Any]]
    lines: list[list[Any]]


def compute_see(installation: Installation) -> Answer:
    """Return what a tonne of each product carries; raises MethodRefused."""
    labels = {process.name: f"P{n}" for n, process in enumerate(installation.processes, 1)}
    inputs = list(_list_inputs(installation, labels))
    lines, flags = _run(inputs)
    found = {line[0]: Decimal(line[3]).scaleb(-line[4], _EXACT) for line in lines}
    rows = []
    for product in installation.products:
        label = labels[product.process]
        direct, indirect = (float(found[f"SEE.{kind}.{label}"]) for kind in ("direct", "indirect"))
        rows.append({
            "process": product.process,
            "category": product.category,
            "cn": product.cn,
            "see_direct": direct,
            "see_indirect": indirect,
            "see_total": direct + indirect,  # of what is printed, as the workbook adds
            "el_mwh_t": float(found[f"SEE.power.{label}"]),
        })  # fmt: skip
    names = {label: name for name, label in labels.items()}
    told = [f"{kind}:{names.get(label, label)}" for kind, _, label in
            (flag.partition(":") for flag in flags)]  # fmt: skip
    return Answer(rows, told, inputs, lines)


def _run(inputs: list[list[Any]]) -> tuple[list[list[Any]], list[str]]:
    outcome = _get_bench().run([TextCall("compute", [inputs])], gas_limit=GAS)
    if outcome.status != STATUS_OK:
        code = outcome.code or outcome.status
        raise MethodRefused(REASONS.get(code, "the method refuses these inputs"), code=code)
    computation: Any = outcome.values[0]
    return computation[1], computation[2]


@cache
def _get_bench() -> Bench:
    place = resources.files("vm").joinpath("contracts", "methods", f"{METHOD}.py")
    bench = Bench(place.read_text(encoding="ascii"))
    deployed = bench.deploy(gas_limit=GAS)
    if deployed.status != STATUS_OK:
        raise MethodRefused("the method cannot be deployed", code=deployed.code)
    return bench


def make_quantity(name: str, number: Decimal, unit: str, reference: str) -> list[Any]:
    """Return the ``Quantity`` of a decimal, exactly unless it has more than 24 places."""
    number = _EXACT.plus(number)
    if -int(number.as_tuple().exponent) > PLACES_MAX:
        number = number.quantize(Decimal(1).scaleb(-PLACES_MAX), context=_EXACT)
    places = max(0, -int(number.as_tuple().exponent))
    return [name, int(number.scaleb(places, _EXACT)), places, unit, reference]


def _list_inputs(installation: Installation, labels: dict[str, str]) -> Iterator[list[Any]]:
    for process in installation.processes:
        yield from _list_process(process, labels)
    for n, precursor in enumerate(installation.precursors, 1):
        label, reference = f"X{n}", f"activity:X{n}"
        if not precursor.uses:
            continue
        for name, mass in precursor.uses.items():
            yield make_quantity(f"IN.{label}/{labels[name]}", mass, "t", reference)
        yield make_quantity(f"PD.{label}", precursor.direct, "tCO2e/t", reference)
        yield make_quantity(f"PI.{label}", precursor.indirect, "tCO2e/t", reference)
        yield make_quantity(f"PE.{label}", precursor.power, "MWh/t", reference)


def _list_process(process: Process, labels: dict[str, str]) -> Iterator[list[Any]]:
    label = labels[process.name]
    reference = f"activity:{label}"

    def flow(symbol: str, factor: str, given: Flow, unit: str, per: str) -> Iterator[list[Any]]:
        if given.amount:
            yield make_quantity(f"{symbol}.{label}", given.amount, unit, reference)
            if given.factor is not None:
                yield make_quantity(f"{factor}.{label}", given.factor, per, reference)

    yield make_quantity(f"AL.{label}", process.production, "t", reference)
    yield make_quantity(f"DIR.{label}", process.direct, "tCO2e", reference)
    if process.to_market is not None:
        yield make_quantity(f"MK.{label}", process.to_market, "t", reference)
    for name, mass in process.to_other.items():
        yield make_quantity(f"USE.{label}/{labels[name]}", mass, "t", reference)
    yield from flow("HI", "HIF", process.heat_in, "TJ", "tCO2/TJ")
    yield from flow("HE", "HEF", process.heat_out, "TJ", "tCO2/TJ")
    yield from flow("WI", "WIF", process.gas_in, "TJ", "tCO2/TJ")
    yield from flow("WE", "WEF", process.gas_out, "TJ", "tCO2/TJ")
    yield from flow("EL", "ELF", process.power, "MWh", "tCO2/MWh")
    yield from flow("EX", "EXF", process.power_out, "MWh", "tCO2/MWh")
