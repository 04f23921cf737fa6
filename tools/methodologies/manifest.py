"""A methodology's manifest: JSON for people, a draft and test vectors for the chain.

Numbers are decimal texts and become integers exactly; days are dates; inputs are
[name, number, unit]. A vector says where its figures are published. Nothing here
computes a result: what has to come out stands in the file. Source:
vm/contracts/README.md, "methodology"; docs/carbon.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from primitives.codec import Value
from primitives.errors import CarbonodeError
from primitives.transaction import Call
from tools.factors.figures import VALID_FOREVER, NotAFigure, parse_decimal, to_seconds

CONTRACT: Final = "methodology"
VECTOR_REFERENCE: Final = "vector"
LINE_SCALE: Final = 12
"""Lines of a trace are at this scale (vm/library/lib/quantities) unless ``lineScale`` says so."""


class ManifestError(CarbonodeError):
    """A manifest that does not say what it has to."""

    code = "manifest"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is published under ``methodology``; ``vectors`` are wire values in order."""

    methodology: str
    version: int
    code: str
    draft: tuple[Value, ...]
    """The contract's Draft without the code's hash, which only the code has."""
    vectors: tuple[list[Any], ...]
    abouts: tuple[str, ...]

    def make_draft(self, code_hash: bytes) -> list[Value]:
        """Return the contract's Draft for code of that hash."""
        title, source, code, *rest = self.draft
        return [title, source, code, bytes(code_hash), *rest]

    def make_publish(self, code_hash: bytes) -> Call:
        """Return the call that publishes this version with that code."""
        arguments = (self.methodology, self.version, self.make_draft(code_hash))
        return Call(CONTRACT, "publish", arguments)

    def make_check(self, index: int) -> Call:
        """Return the call that runs one vector, counted from 0, on the deployed code."""
        arguments = (self.methodology, self.version, index, self.vectors[index])
        return Call(CONTRACT, "check_vector", arguments)

    def make_genesis_calls(self, code_hash: bytes) -> list[Call]:
        """Return what brings the version into force at genesis, in the authority's name."""
        checks = [self.make_check(index) for index in range(len(self.vectors))]
        decide = Call(CONTRACT, "decide", (self.methodology, self.version, True))
        return [self.make_publish(code_hash), *checks, decide]


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file. Raises ManifestError naming what is wrong."""
    try:
        return parse_manifest(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"cannot read it: {error.strerror}", file=str(path)) from None
    except ManifestError as error:
        raise ManifestError(str(error), file=path.name) from None


def parse_manifest(text: str) -> Manifest:
    """Return the manifest of a JSON text; see read_manifest."""
    try:
        found = json.loads(text)
        scale = int(found.get("lineScale", LINE_SCALE))
        vectors = tuple(_make_vector(item, scale) for item in found["vectors"])
        numerator, denominator = found["ratio"]
        requirements: list[Value] = [
            [str(item["name"]), [str(unit) for unit in item["units"]], int(item["least"]),
             int(item["most"])]
            for item in found["requirements"]
        ]  # fmt: skip
        parameters: list[Value] = [
            _make_quantity(name, number, unit, f"parameter:{name}")
            for name, number, unit in found.get("parameters", [])
        ]
        draft: tuple[Value, ...] = (
            str(found["title"]), str(found["source"]), str(found["code"]), str(found["kind"]),
            str(found.get("gwpSet", "")), int(numerator), int(denominator), str(found["rounding"]),
            _make_time(found["validFrom"], 0), _make_time(found.get("validTo"), VALID_FOREVER),
            requirements, parameters, [hash_vector(vector) for vector in vectors],
            int(found.get("supersedes", 0)),
        )  # fmt: skip
        abouts = tuple(str(item["about"]) for item in found["vectors"])
        return Manifest(
            str(found["methodology"]), int(found["version"]), str(found["code"]), draft, vectors,
            abouts,
        )  # fmt: skip
    except (json.JSONDecodeError, RecursionError) as error:
        raise ManifestError(f"not JSON: {error}") from None
    except KeyError as error:
        raise ManifestError(f"lacks {error}") from None
    except (NotAFigure, TypeError, ValueError, AttributeError) as error:
        raise ManifestError(f"{type(error).__name__}: {error}") from None


def hash_vector(vector: Sequence[Any]) -> bytes:
    """Return the hash under which a version commits to a vector (vm/contracts/README.md)."""
    inputs, grams, lines = vector
    parts = [f"vector 1 {grams} {len(inputs)} {len(lines)}"]
    parts += [f" {len(str(field))}:{field}" for row in (*inputs, *lines) for field in row]
    return hashlib.sha256("".join(parts).encode()).digest()


def _make_vector(item: Any, scale: int) -> list[Any]:
    inputs: list[Value] = [
        _make_quantity(name, number, unit, VECTOR_REFERENCE)
        for name, number, unit in item["inputs"]
    ]
    lines: list[Value] = [
        [str(symbol), _scale(number, scale), scale, str(unit)]
        for symbol, number, unit in item["lines"]
    ]
    return [inputs, int(str(item["grams"])), lines]


def _make_quantity(name: str, number: str, unit: str, reference: str) -> list[Value]:
    value, scale = parse_decimal(str(number))
    return [str(name), value, scale, str(unit), reference]


def _scale(number: str, wanted: int) -> int:
    """Return the decimal at a scale; refuses one that has more places."""
    value, scale = parse_decimal(str(number))
    if scale > wanted:
        raise NotAFigure(f"more than {wanted} places: {number}")
    return int(value * 10 ** (wanted - scale))


def _make_time(day: str | None, otherwise: int) -> int:
    return otherwise if day is None else to_seconds(date.fromisoformat(day))
