"""Reads a report's trace from a node, every row with its proof: the node is not believed.

Rows are read one after another, each against a certified state. A report that was computed
changes no more but for its status, so rows of different heights belong together; the hashes of
inputs and lines, which are in the report's own row, hold them to it.
Source: the storage of vm/contracts/mrv.py, devices.py, factors.py, methodology.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from primitives.codec import unpack
from primitives.errors import CodecError
from tools.gateway.batching import Header
from tools.light.answers import refuse
from tools.light.keys import make_state_key
from tools.light.reader import LightReader
from tools.mrv.document import (
    REPORT_FIELDS,
    Code,
    Quantity,
    ReportTrace,
    TraceError,
    read_line,
    read_quantity,
)
from vm.inclusion import compute_code_hash
from vm.state import compute_code_key

PAGE_ITEMS = 20
"""The contract's."""
CODE_PLACE, CODE_HASH_PLACE = 0, 1
"""Of the fields of a methodology version."""


class _Rows:
    """Proven rows, and the highest state that one was read from."""

    def __init__(self, reader: LightReader) -> None:
        self.reader = reader
        self.height = 0

    async def get(self, contract: str, variable: str, *parts: str) -> list[Any]:
        """Return a row's fields; raises ProofError when the state has no such row."""
        key = make_state_key(contract, variable, parts)
        value = await self.get_bytes(key, f"{contract}.{variable} {' '.join(parts)}")
        try:
            fields = unpack(value)
        except CodecError:
            fields = None
        if not isinstance(fields, list):
            raise refuse("trace", "a row has another form", key=" ".join(parts))
        return fields

    async def get_bytes(self, key: bytes, name: str) -> bytes:
        proven = await self.reader.get_state(key)
        if proven.value is None:
            raise refuse("trace", "there is no such row", row=name)
        self.height = max(self.height, proven.block.height)
        return proven.value


async def gather(reader: LightReader, report: str) -> ReportTrace:
    """Return the proven trace of a computed report.

    Raises ProofError for what is not proven, TraceError for a report without a computation.
    """
    rows = _Rows(reader)
    fields = await rows.get("mrv", "reports", _text(report))
    if len(fields) != len(REPORT_FIELDS):
        raise refuse("trace", "the report's row has another form", fields=len(fields))
    named = dict(zip(REPORT_FIELDS, fields, strict=True))
    if named["line_count"] == 0:
        raise TraceError("this report has not been computed", report=report, status=named["status"])
    inputs = [read_quantity(row) for row in await _pages(rows, "inputs_of", report, named)]
    lines = [read_line(row) for row in await _pages(rows, "lines_of", report, named)]
    flags = await rows.get("mrv", "flags_of", _text(report))
    sources = {item.reference: await _find_source(rows, item) for item in inputs}
    code = await _find_code(rows, named)
    return ReportTrace(
        report, named, tuple(inputs), tuple(lines), tuple(flags), sources, code, rows.height
    )


async def _pages(rows: _Rows, variable: str, report: str, named: dict[str, Any]) -> list[Any]:
    count = named["input_count" if variable == "inputs_of" else "line_count"]
    found: list[Any] = []
    for page in range(-(-count // PAGE_ITEMS)):
        found += await rows.get("mrv", variable, _text(report), f"int:{page}")
    return found[:count]


async def _find_code(rows: _Rows, named: dict[str, Any]) -> Code:
    version = await rows.get(
        "methodology", "stored", _text(named["methodology"]), f"int:{named['version']}"
    )
    contract, code_hash = version[CODE_PLACE], version[CODE_HASH_PLACE]
    source = (await rows.get_bytes(compute_code_key(code_hash), f"code of {contract}")).decode()
    if compute_code_hash(source) != code_hash:
        raise refuse("trace", "this program has other library modules", contract=contract)
    return Code(contract, code_hash, source)


async def _find_source(rows: _Rows, item: Quantity) -> dict[str, Any]:
    """Return what stands behind an input, by the kind of its reference."""
    kind, _, name = item.reference.partition(":")
    match kind:
        case "batch":
            return await _find_run(rows, name)
        case "factor":
            return await _find_factor(rows, name)
        case "activity":
            names = (
                "subject", "name", "value", "scale", "unit", "period_from", "period_to",
                "evidence_hash", "submitter", "submitted_at",
            )  # fmt: skip
            return _name("activity", names, await rows.get("devices", "activities", _text(name)))
        case "report":
            fields = await rows.get("mrv", "reports", _text(name))
            return _name("report", REPORT_FIELDS, fields)
    return {"kind": kind}


async def _find_run(rows: _Rows, name: str) -> dict[str, Any]:
    """A run of batches: the hash of its last one, and what its first one names as previous."""
    device, _, ends = name.partition("/")
    first, _, last = ends.partition("-")
    about = await rows.get("devices", "devices", _text(device))
    installation, key, unit, rate_max, calibrated_from, calibration_due, origin = about[:7]
    end = await rows.get("devices", "batches", _text(device), f"int:{last}")
    previous, total_before = origin, 0
    if first != "1":
        before = await rows.get("devices", "batches", _text(device), f"int:{int(first) - 1}")
        previous, total_before = before[5], before[6]
    return {
        "kind": "batch", "device": device, "installation": installation, "key": key, "unit": unit,
        "rate_max": rate_max, "calibrated_from": calibrated_from,
        "calibration_due": calibration_due, "first": int(first), "last": int(last),
        "total": end[6] - total_before, "time_to": end[2], "hash": end[5], "previous": previous,
    }  # fmt: skip


async def gather_header(reader: LightReader, device: str, last: int) -> tuple[Header, bytes, int]:
    """Return the proven header of the batch that ends at ``last``, the device's key, the height.

    The header has no signature: the contract took it with one, and keeps what was signed.
    """
    rows = _Rows(reader)
    about = await rows.get("devices", "devices", _text(device))
    key, origin = about[1], about[6]
    end = await rows.get("devices", "batches", _text(device), f"int:{last}")
    first, time_from, time_to, peak, root, _, *sums = end
    before, previous = [0, 0, 0, 0], origin
    if first > 1:
        row = await rows.get("devices", "batches", _text(device), f"int:{first - 1}")
        previous, before = row[5], row[6:]
    total, estimated_count, estimated_total = (sums[n] - before[n] for n in range(3))
    header = Header(
        device, first, last, time_from, time_to, total, peak, estimated_count, estimated_total,
        root, previous,
    )  # fmt: skip
    if header.hash != end[5]:
        raise refuse("trace", "the batch's row does not give its hash", device=device, last=last)
    return header, key, rows.height


async def _find_factor(rows: _Rows, name: str) -> dict[str, Any]:
    factor, _, version = name.partition("@")
    figure = await rows.get("factors", "figures", _text(factor), f"int:{version}")
    table, value, scale, unit, gas, page = figure
    about = await rows.get("factors", "sets", _text(table))
    source, _, jurisdiction, gwp_set, valid_from, valid_to, status = about[:7]
    return {
        "kind": "factor", "factor": factor, "version": int(version), "table": table,
        "value": value, "scale": scale, "unit": unit, "gas": gas, "source": source, "page": page,
        "jurisdiction": jurisdiction, "gwp_set": gwp_set, "valid_from": valid_from,
        "valid_to": valid_to, "status": status,
    }  # fmt: skip


def _name(kind: str, names: Sequence[str], fields: Sequence[Any]) -> dict[str, Any]:
    if len(names) != len(fields):
        raise refuse("trace", f"the row of this {kind} has another form", fields=len(fields))
    named = dict(zip(names, fields, strict=True))
    # A report's own kind is the kind of its subject.
    return {"subject_kind": named.pop("kind", ""), **named, "kind": kind}


def _text(part: str) -> str:
    return f"text:{part}"
