"""Raw readings held against a trace: from the hash on the chain back through every batch.

The trace has the hash of a run's last batch and what its first one names as previous. The
headers in the store lead from the one to the other, each signed by the device and each with the
Merkle root of its readings: one changed, lost or added reading breaks it, and is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.client.wire import from_hex, parse_integer
from tools.gateway.batching import find_differences
from tools.gateway.readings import ReadingError
from tools.gateway.store import ReadingStore
from tools.mrv.document import ReportTrace, TraceError


@dataclass(frozen=True, slots=True)
class CheckedReadings:
    """How many readings were held against the chain, and what did not fit."""

    readings: int
    batches: int
    total: int
    differences: tuple[str, ...]


def check_readings(trace: ReportTrace, store: ReadingStore) -> CheckedReadings:
    """Check every run of batches of a trace against the raw readings in a store."""
    readings = batches = total = 0
    found: list[str] = []
    for reference, source in trace.sources.items():
        if source.get("kind") == "batch":
            checked = _check_run(reference, source, store)
            readings += checked.readings
            batches += checked.batches
            total += checked.total
            found += checked.differences
    return CheckedReadings(readings, batches, total, tuple(found))


def _check_run(reference: str, source: dict[str, Any], store: ReadingStore) -> CheckedReadings:
    device = str(source["device"])
    first, last = parse_integer(source["first"]), parse_integer(source["last"])
    key = _read_bytes(source["key"])
    found: list[str] = []
    readings = batches = total = 0
    wanted, end = _read_bytes(source["hash"]), last
    while end >= first:
        try:
            batch = store.get(device, end)
        except ReadingError as error:
            found.append(f"{reference}: {error}")
            break
        header = batch.header
        if header.hash != wanted:
            found.append(f"{device} {header.first}-{header.last}: not the header on the chain")
        found += [
            f"{device} {header.first}-{header.last}: {difference}"
            for difference in find_differences(header, key, batch.readings)
        ]
        readings += len(batch.readings)
        batches += 1
        total += sum(signed.reading.amount for signed in batch.readings)
        wanted, end = header.previous, header.first - 1
    else:
        if wanted != _read_bytes(source["previous"]) or end != first - 1:
            found.append(f"{reference}: the first batch does not go on where the chain says")
    if str(total) != str(source["total"]):
        found.append(f"{reference}: {source['total']} on the chain, the readings give {total}")
    return CheckedReadings(readings, batches, total, tuple(found))


def _read_bytes(value: Any) -> bytes:
    """Of a trace just read from the chain, or of its file."""
    if isinstance(value, bytes):
        return value
    try:
        return from_hex(value)
    except ValueError as error:
        raise TraceError(f"not bytes: {error}") from None
