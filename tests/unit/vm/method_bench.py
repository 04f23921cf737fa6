"""A method contract on an empty state, and its inputs and result as people write them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from vm.authoring import Bench, TextCall

METHODS = Path(__file__).parents[3] / "vm" / "contracts" / "methods"
INSTEAD: dict[str, Path] = {}
"""Texts that stand for a method of that name: refusal_removal takes rules out of one."""
GAS = 40_000_000
_BENCHES: dict[str, Bench] = {}


@dataclass(frozen=True, slots=True)
class Result:
    """``lines`` by symbol: the decimal and its unit."""

    grams: int
    lines: dict[str, tuple[Decimal, str]]
    flags: list[str]
    trace: list[Any]

    def get(self, symbol: str) -> Decimal:
        return self.lines[symbol][0]


def make_quantity(name: str, number: str, unit: str, reference: str = "activity:a") -> list[Any]:
    """``Quantity`` of a decimal text, with as many places as are written."""
    sign, digits, exponent = Decimal(number).as_tuple()
    assert isinstance(exponent, int)
    value = int("".join(map(str, digits)) or "0") * 10 ** max(exponent, 0)
    return [name, -value if sign else value, max(-exponent, 0), unit, reference]


def make_inputs(text: str) -> list[list[Any]]:
    """Quantities out of lines ``name number unit``."""
    return [make_quantity(*line.split()) for line in text.strip().splitlines()]


def get_bench(method: str) -> Bench:
    if method not in _BENCHES:
        path = INSTEAD.get(method, METHODS / f"{method}.py")
        bench = Bench(path.read_text())
        assert bench.deploy(gas_limit=GAS).status == "ok", bench.problems
        _BENCHES[method] = bench
    return _BENCHES[method]


def compute(method: str, inputs: str | list[list[Any]]) -> Result | str:
    """Run ``compute``: its result, or the code with which it refused."""
    listed = make_inputs(inputs) if isinstance(inputs, str) else inputs
    outcome = get_bench(method).run([TextCall("compute", [listed])], gas_limit=GAS)
    if outcome.status != "ok":
        assert outcome.status == "reverted", (outcome.status, outcome.code)
        assert outcome.code is not None
        return outcome.code
    grams, trace, flags = outcome.values[0]
    lines = {line[0]: (Decimal(line[3]).scaleb(-line[4]), line[5]) for line in trace}
    assert len(lines) == len(trace)
    return Result(grams, lines, flags, trace)


def compute_ok(method: str, inputs: str | list[list[Any]]) -> Result:
    result = compute(method, inputs)
    assert isinstance(result, Result), result
    return result
