"""Reads a meter's CSV file of intervals: the public steel plant's, and any of its shape.

A row's time is the end of its interval; midnight stands at the end of its day. The amount is
``Usage_kWh`` in Wh, exactly; the file's own CO2 column is rounded to 0.01 t a row, which loses
about 8 %, and is not read. Times are the plant's: ``utc_offset_s`` takes them to UTC.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from tools.gateway.readings import Reading, ReadingError

DATE, USAGE, SECONDS_OF_DAY = "date", "Usage_kWh", "NSM"
DAY_S = 24 * 3600
KOREA_OFFSET_S = 9 * 3600
"""The steel plant stands in Gwangyang."""
WH_PER_KWH = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """One row: Wh between two seconds UTC."""

    time_from: int
    time_to: int
    amount_wh: int


def read_intervals(
    path: Path, *, interval_s: int = 900, utc_offset_s: int = KOREA_OFFSET_S
) -> Iterator[Interval]:
    """Yield the rows in the file's order; raises ReadingError naming file and line."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                yield _read_row(row, interval_s, utc_offset_s)
            except (KeyError, ValueError, TypeError, InvalidOperation) as error:
                raise ReadingError(
                    f"not a meter's row: {error}", path=str(path), line=rows.line_num
                ) from None


def make_readings(device: str, intervals: Iterator[Interval], after: int = 0) -> Iterator[Reading]:
    """Yield the intervals as readings of ``device``, the first with sequence ``after`` + 1."""
    for number, item in enumerate(intervals, after + 1):
        yield Reading(device, number, item.time_from, item.time_to, item.amount_wh)


def _read_row(row: dict[str, str], interval_s: int, utc_offset_s: int) -> Interval:
    day = datetime.strptime(row[DATE].split(" ")[0], "%d/%m/%Y").replace(tzinfo=UTC)
    ends = int(row[SECONDS_OF_DAY]) or DAY_S
    if not 0 < ends <= DAY_S:
        raise ValueError(f"{ends} is no second of a day")
    watt_hours = Decimal(row[USAGE]) * WH_PER_KWH
    if watt_hours != watt_hours.to_integral_value() or watt_hours < 0:
        raise ValueError(f"{row[USAGE]} kWh is not a whole number of Wh")
    time_to = int(day.timestamp()) + ends - utc_offset_s
    return Interval(time_to - interval_s, time_to, int(watt_hours))
