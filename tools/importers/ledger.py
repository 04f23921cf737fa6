"""Rows become issuances and retirements, or problems that say what is wrong with them.

Everything that can be known without the chain is checked here: numbers, dates,
periods, a range unlike its quantity, serials that meet, rows that stand twice.
Serial ranges are compared as intervals, never as text. Nothing is repaired and
nothing is shortened: a row is used as published or not at all.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from primitives.codec import pack
from primitives.errors import CarbonodeError

TONNES_MAX = 10**12
"""More than all carbon ever traded: a larger number is a slip."""
VINTAGE_MIN = 1980
ISSUED_MIN = date(1990, 1, 1)
NAME_CHARACTERS_MAX = 128
PURPOSE_CHARACTERS_MAX = 256
KEY_CHARACTERS_MAX = 64
"""The last three are the contracts' own bounds (vm/contracts/README.md)."""

_NUMBER = re.compile(r"[0-9]+|[0-9]{1,3}(,[0-9]{3})+")
_TIME_OF_DAY = re.compile(r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9:]{4,6})?$")
_US_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})")
_ISO_DATE = re.compile(r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CENTURY_PIVOT = 70
_DATE_CHARACTERS_MAX = 40


class RowError(CarbonodeError):
    """One row that cannot be used; ``code`` is a word for programs."""

    code = "row"


@dataclass(frozen=True, slots=True)
class Serial:
    """A registry's serial text, read: the prefix in one spelling, the range half-open."""

    prefix: str
    project: str
    vintage: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Period:
    """Days from ``start`` until ``end``; a period that begins on that day does not meet it."""

    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Issuance:
    """One issuance in tonnes. ``key`` names it for good: import key and batch id.

    ``serial``, ``period`` and ``crediting`` where the ledger tells them.
    """

    line: int
    key: str
    project: str
    vintage: int
    issued_on: date
    quantity_t: int
    buffer_t: int
    evidence_hash: bytes
    serial: Serial | None = None
    period: Period | None = None
    crediting: Period | None = None
    supersedes: str = ""


@dataclass(frozen=True, slots=True)
class Retirement:
    """One retirement. ``[origin_start, origin_end)`` are the registry's serials, in tonnes."""

    line: int
    key: str
    project: str
    vintage: int
    prefix: str
    origin_start: int
    origin_end: int
    retired_on: date
    issued_on: date | None
    account_holder: str
    purpose: str

    @property
    def quantity_t(self) -> int:
        return self.origin_end - self.origin_start


@dataclass(slots=True)
class OriginRanges:
    """Serial ranges taken so far, by prefix; half-open, sorted, disjoint."""

    _starts: dict[str, list[int]] = field(default_factory=dict)
    _taken: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)

    def add(self, prefix: str, start: int, end: int, line: int) -> int | None:
        """Take a range; return instead the line of one that it meets."""
        starts = self._starts.setdefault(prefix, [])
        taken = self._taken.setdefault(prefix, [])
        place = bisect_left(starts, start)
        if place < len(taken) and taken[place][0] < end:
            return taken[place][2]
        if place > 0 and taken[place - 1][1] > start:
            return taken[place - 1][2]
        starts.insert(place, start)
        taken.insert(place, (start, end, line))
        return None


def parse_tonnes(text: str, column: str, *, blank_is_zero: bool = False) -> int:
    """Return whole tonnes; thousands commas are accepted, anything else is not."""
    if blank_is_zero and text == "":
        return 0
    if not text.isascii() or not _NUMBER.fullmatch(text):
        raise RowError(f"{column}: {text[:40]!r} is not a whole number of tonnes", code="number")
    if len(text) > 20 or (tonnes := int(text.replace(",", ""))) > TONNES_MAX:
        raise RowError(f"{column}: {text[:40]!r} is beyond any registry", code="number")
    return tonnes


def parse_quantity(text: str, column: str) -> int:
    """Return whole tonnes, at least one."""
    tonnes = parse_tonnes(text, column)
    if tonnes == 0:
        raise RowError(f"{column}: nothing", code="number")
    return tonnes


def parse_date(text: str, column: str, today: date) -> date:
    """Return the day of a text (see read_day), not before 1990 and not after ``today``."""
    found = read_day(text, column)
    if not ISSUED_MIN <= found <= today:
        raise RowError(f"{column}: {found} is not between {ISSUED_MIN} and today", code="date")
    return found


def read_day(text: str, column: str) -> date:
    """Return the day of ``m/d/yy``, ``m/d/yyyy``, ``yyyy-mm-dd`` or ``yyyy/mm/dd``.

    An ISO 8601 time of day behind it is left out.
    """
    if len(text) > _DATE_CHARACTERS_MAX or not text.isascii():
        raise RowError(f"{column}: {text[:40]!r} is not a date", code="date")
    text = _TIME_OF_DAY.sub("", text)
    if match := _US_DATE.fullmatch(text):
        month, day, year = (int(part) for part in match.groups())
        if len(match[3]) == 2:
            year += 1900 if year >= _CENTURY_PIVOT else 2000
    elif match := _ISO_DATE.fullmatch(text):
        year, month, day = (int(part) for part in match.groups())
    else:
        raise RowError(f"{column}: {text[:40]!r} is not a date", code="date")
    try:
        return date(year, month, day)
    except ValueError:
        raise RowError(f"{column}: there is no day {text[:40]!r}", code="date") from None


def read_period(first: str, last: str, column: str) -> Period | None:
    """Return a period where both ends are told; one that ends before it starts is refused."""
    if not first and not last:
        return None
    period = Period(read_day(first, f"{column} start"), read_day(last, f"{column} end"))
    if period.end < period.start:
        raise RowError(f"{column} ends {period.end} before it starts {period.start}", code="period")
    return period


def parse_vintage(text: str, until: date, what: str) -> int:
    """Return the vintage year; a credit cannot come from a year after ``until``."""
    if not re.fullmatch(r"[0-9]{4}", text) or int(text) < VINTAGE_MIN:
        raise RowError(f"vintage: {text[:40]!r} is not a year", code="period")
    if int(text) > until.year:
        raise RowError(f"vintage {text} is after the {what} on {until}", code="period")
    return int(text)


def check_year(text: str, day: date, column: str) -> None:
    """Refuse a year column that contradicts its date; a blank one says nothing."""
    if text and text != str(day.year):
        raise RowError(f"{column} {text[:20]!r} contradicts the date {day}", code="period")


def check_text(text: str, column: str, characters_max: int) -> str:
    """Return text that the chain can keep whole, else raise."""
    if len(text) > characters_max:
        raise RowError(f"{column}: longer than {characters_max} characters", code="text")
    if _CONTROL.search(text):
        raise RowError(f"{column}: control characters", code="text")
    return text


def make_key(*parts: object) -> str:
    """Return an import key, which is also a batch id: parts joined by dots."""
    key = ".".join(str(part) for part in parts if part != "")
    if len(key) > KEY_CHARACTERS_MAX or not re.fullmatch(r"[A-Za-z0-9._-]+", key):
        raise RowError(f"ids give no usable key: {key[:80]!r}", code="project")
    return key


def compute_evidence_hash(values: Mapping[str, str]) -> bytes:
    """Return SHA-256 over the canonical bytes of a row's [column, value] pairs."""
    return hashlib.sha256(pack([[name, value] for name, value in values.items()])).digest()
