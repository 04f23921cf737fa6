"""Runs a manifest's vectors on the method's code, on an empty state: before anything is published.

The same comparison as ``methodology.check_vector`` makes on the chain. Never sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tools.methodologies.manifest import Manifest
from vm.authoring import Bench, TextCall

GAS: Final = 40_000_000


@dataclass(frozen=True, slots=True)
class Trial:
    """How one vector went; ``problem`` is '' when everything came out."""

    index: int
    about: str
    gas: int
    problem: str


def try_vectors(manifest: Manifest, source: str) -> list[Trial]:
    """Return one trial a vector. ``source`` is the method's code, accepted by the check."""
    bench = Bench(source)
    bench.deploy(gas_limit=GAS)
    trials = []
    for index, (vector, about) in enumerate(zip(manifest.vectors, manifest.abouts, strict=True)):
        inputs, grams, lines = vector
        outcome = bench.run([TextCall("compute", [inputs])], gas_limit=GAS)
        problem = f"{outcome.status} {outcome.code}".strip()
        if outcome.status == "ok":
            problem = _compare(outcome.values[0], grams, lines)
        trials.append(Trial(index, about, outcome.gas, problem))
    return trials


def _compare(made: Any, grams: Any, lines: Any) -> str:
    found: Sequence[Any] = [[row[0], *row[3:]] for row in made[1]]
    if made[0] != grams:
        return f"{made[0]} grams instead of {grams}"
    for line in lines:
        if line not in found:
            there = [row for row in found if row[0] == line[0]]
            return f"no line {line}; there is {there or 'none of that symbol'}"
    return ""
