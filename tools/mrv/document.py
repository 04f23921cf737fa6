"""The trace of a report as values, and as a JSON file that says all that computing again needs.

    format    "carbonode-report-trace/1"
    report    the contract's record, by field
    inputs    [name, value, scale, unit, reference] as the code took them
    lines     [symbol, formula, inputs, value, scale, unit] as the chain keeps them
    flags     of the automatic check
    sources   what stands behind each reference: a run of batches, a factor, an activity, a report
    code      {contract, codeHash, source}
    height    of the newest certified state that a row was read from

Bytes are 0x hex; integers beyond 2^53 decimal text. Pure. Source: vm/contracts/README.md, mrv.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from primitives.codec import Value
from primitives.errors import CarbonodeError
from tools.client.errors import BadAnswer
from tools.client.wire import dump_value, from_hex, parse_integer

FORMAT = "carbonode-report-trace/1"
MEMBERS = ("format", "report", "inputs", "lines", "flags", "sources", "code", "height")
REPORT_FIELDS = (
    "kind", "subject", "methodology", "version", "period_from", "period_to", "scope", "effect",
    "supersedes", "status", "owner", "submitter", "verifier", "issuer", "approver",
    "computed_grams", "verified_grams", "input_count", "line_count", "inputs_hash", "lines_hash",
    "statement_hash", "notice_until", "issued_kg", "buffer_kg", "due_kg", "made_good_kg",
    "superseded_by", "status_since",
)  # fmt: skip
_HASHES = frozenset({"inputs_hash", "lines_hash", "statement_hash"})
_INTEGERS = frozenset(
    {
        "version", "period_from", "period_to", "computed_grams", "verified_grams", "input_count",
        "line_count", "notice_until", "issued_kg", "buffer_kg", "due_kg", "made_good_kg",
        "status_since",
    }
)  # fmt: skip


class TraceError(CarbonodeError):
    """A trace that cannot be read, or that does not stand up to being computed again."""

    code = "trace"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An input; the number is value / 10**scale."""

    name: str
    value: int
    scale: int
    unit: str
    reference: str

    @property
    def wire(self) -> list[Value]:
        """The record as contracts take it."""
        return [self.name, self.value, self.scale, self.unit, self.reference]


@dataclass(frozen=True, slots=True)
class Line:
    """A step of a computation."""

    symbol: str
    formula: str
    inputs: tuple[str, ...]
    value: int
    scale: int
    unit: str

    @property
    def wire(self) -> list[Value]:
        """The record as contracts take it."""
        return [
            self.symbol, self.formula, list(self.inputs), self.value, self.scale, self.unit,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """The contract whose ``compute`` made the result."""

    contract: str
    code_hash: bytes
    source: str


@dataclass(frozen=True, slots=True)
class ReportTrace:
    """Everything behind a report's figure. ``report`` is by field, ``sources`` by reference."""

    name: str
    report: dict[str, Any]
    inputs: tuple[Quantity, ...]
    lines: tuple[Line, ...]
    flags: tuple[str, ...]
    sources: dict[str, dict[str, Any]]
    code: Code
    height: int


def hash_inputs(inputs: Sequence[Quantity]) -> bytes:
    """Return the hash with which the contract commits to inputs."""
    return _hash("carbonode-inputs-v1", [[str(part) for part in item.wire] for item in inputs])


def hash_lines(lines: Sequence[Line]) -> bytes:
    """Return the hash with which the contract commits to the lines of a computation."""
    rows = []
    for line in lines:
        fields = [line.symbol, line.formula, str(line.value), str(line.scale), line.unit]
        rows.append([*fields, str(len(line.inputs)), *line.inputs])
    return _hash("carbonode-lines-v1", rows)


def _hash(label: str, rows: Sequence[Sequence[str]]) -> bytes:
    text = label + "".join(f" {len(field)}:{field}" for row in rows for field in row)
    return hashlib.sha256(text.encode()).digest()


def read_quantity(wire: Any) -> Quantity:
    """Return the input of a row [name, value, scale, unit, reference], else raise TraceError."""
    kinds = (str, int, int, str, str)
    return Quantity(*_check(wire, kinds, "input"))


def read_line(wire: Any) -> Line:
    """Return the line of a row, else raise TraceError."""
    fields = _check(wire, (str, str, list, int, int, str), "line")
    if any(type(name) is not str for name in fields[2]):
        raise TraceError("a line's inputs are names", line=fields[0])
    return Line(fields[0], fields[1], tuple(fields[2]), *fields[3:])


def _check(wire: Any, kinds: Sequence[type], name: str) -> list[Any]:
    if not isinstance(wire, list) or [type(field) for field in wire] != list(kinds):
        raise TraceError(f"not the row of an {name}" if name == "input" else f"not a {name}")
    return wire


def dump_trace(trace: ReportTrace) -> dict[str, Any]:
    """Return the trace as its JSON document."""
    return {
        "format": FORMAT,
        "report": {"name": trace.name, **_dump_fields(trace.report)},
        "inputs": [dump_value(item.wire) for item in trace.inputs],
        "lines": [dump_value(line.wire) for line in trace.lines],
        "flags": list(trace.flags),
        "sources": {name: _dump_fields(fields) for name, fields in trace.sources.items()},
        "code": _dump_fields(
            {
                "contract": trace.code.contract,
                "codeHash": trace.code.code_hash,
                "source": trace.code.source,
            }
        ),
        "height": trace.height,
    }


def _dump_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: dump_value(value) for name, value in fields.items()}


def parse_trace(document: Any) -> ReportTrace:
    """Return the trace of a JSON document, else raise TraceError."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise TraceError(f"not a {FORMAT} document")
    try:
        if tuple(document) != MEMBERS:
            raise TraceError("members are missing or added", expected=", ".join(MEMBERS))
        report = dict(document["report"])
        name = report.pop("name")
        code = document["code"]
        return ReportTrace(
            name,
            {field: _parse_field(field, report[field]) for field in REPORT_FIELDS},
            tuple(read_quantity(_parse_integers(row, (1, 2))) for row in document["inputs"]),
            tuple(read_line(_parse_integers(row, (3, 4))) for row in document["lines"]),
            tuple(str(flag) for flag in document["flags"]),
            {str(key): dict(fields) for key, fields in document["sources"].items()},
            Code(str(code["contract"]), from_hex(code["codeHash"], 32), str(code["source"])),
            parse_integer(document["height"]),
        )
    except (BadAnswer, KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise TraceError(f"not a trace: {error}"[:200]) from None


def _parse_field(name: str, value: Any) -> Any:
    if name in _HASHES:
        return from_hex(value)
    if name in _INTEGERS:
        return parse_integer(value)
    if not isinstance(value, str):
        raise TraceError("a field of the report is no text", field=name)
    return value


def _parse_integers(row: Any, places: Sequence[int]) -> list[Any]:
    parsed = list(row)
    for place in places:
        parsed[place] = parse_integer(parsed[place])
    return parsed
