"""A figure of a published table, and a set of them, as the contract ``factors`` takes them.

Decimals are read from their digits: no binary fraction ever stands between the file and
the chain. What is not a figure is a Problem with its line, or absent where the table
itself says that there is none. Never rounds. Source: vm/contracts/README.md, "factors".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final

from primitives.codec import Value
from tools.importers.table import Problem

SCALE_MIN: Final = 9
SCALE_MAX: Final = 18
DIGITS_MAX: Final = 36
ID_MAX: Final = 64
VALID_FOREVER: Final = (1 << 53) - 1
"""``valid_to`` of a set without end; JSON still holds it as a number."""
VERIFIED: Final = "verified"
UNVERIFIED: Final = "unverified"
ABSENT: Final = frozenset({"", "n.a.", "n/a", "-"})
"""How tables say that they give no figure."""

_DECIMAL = re.compile(r"(-?)(\d{1,36})(?:\.(\d{1,36}))?", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_WORDS = (("<=", "le"), (">=", "ge"), ("<", "lt"), (">", "gt"))


class NotAFigure(ValueError):
    """A text that is no decimal number the chain can hold."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: ``value`` / 10**``scale`` of ``unit``. ``page``: where the table has it."""

    factor: str
    value: int
    scale: int
    unit: str
    gas: str
    page: str
    line: int = 0

    def to_entry(self) -> list[Value]:
        """Return the contract's Entry."""
        return [self.factor, self.value, self.scale, self.unit, self.gas, self.page]


@dataclass(frozen=True, slots=True)
class FactorSet:
    """A table as it is published. ``absent`` counts cells in which the table gives nothing.

    ``is_copy``: somebody other than the publisher typed it; it enters as unverified.
    """

    table: str
    source: str
    source_hash: bytes
    jurisdiction: str
    figures: tuple[Figure, ...]
    gwp_set: str = ""
    valid_from: int = 0
    valid_to: int = VALID_FOREVER
    is_copy: bool = True
    status: str = UNVERIFIED
    supersedes: str = ""
    problems: tuple[Problem, ...] = ()
    absent: int = 0

    def to_arguments(self) -> tuple[Value, ...]:
        """Return the arguments of ``factors.open_set``."""
        return (
            self.table, self.source, self.source_hash, self.jurisdiction, self.gwp_set,
            self.valid_from, self.valid_to, self.status, self.supersedes,
        )  # fmt: skip


@dataclass(slots=True)
class Gatherer:
    """Collects figures of one file: duplicates and bad numbers become problems."""

    file: str
    figures: list[Figure] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    absent: int = 0
    _lines: dict[str, int] = field(default_factory=dict)

    def add(
        self, parts: Iterable[str], text: str, unit: str, *, gas: str = "", page: str, line: int = 0
    ) -> None:
        """Add the figure printed as ``text`` under the id made of ``parts``."""
        if text.strip() in ABSENT:
            self.absent += 1
            return
        try:
            value, scale = parse_decimal(text.strip())
        except NotAFigure as error:
            self.problems.append(Problem(self.file, line, "number", str(error)))
            return
        factor = make_id(parts)
        if _ID.fullmatch(factor) is None:
            self.problems.append(Problem(self.file, line, "id", f"no id of 1 to 64: {factor!r}"))
        elif factor in self._lines:
            reason = f"{factor} stands on line {self._lines[factor]} already"
            self.problems.append(Problem(self.file, line, "duplicate", reason))
        else:
            self._lines[factor] = line
            self.figures.append(Figure(factor, value, scale, unit, gas, page[:128], line))


def parse_decimal(text: str) -> tuple[int, int]:
    """Return (value, scale) of a printed decimal, exactly; the scale is at least 9.

    Raises NotAFigure for anything else than digits with at most one point: no exponent,
    no thousands separator, no sign but a minus.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise NotAFigure(f"not a decimal number: {text[:40]!r}")
    sign, whole, fraction = found.group(1), found.group(2), found.group(3) or ""
    if len(fraction) > SCALE_MAX:
        fraction = fraction.rstrip("0")
    scale = max(SCALE_MIN, len(fraction))
    digits = (whole + fraction.ljust(scale, "0")).lstrip("0") or "0"
    if scale > SCALE_MAX or len(digits) > DIGITS_MAX:
        raise NotAFigure(f"more digits than the chain keeps: {text[:40]!r}")
    return (-int(digits) if sign else int(digits)), scale


def to_decimal(value: int, scale: int) -> str:
    """Return a figure as people read it: every digit, no exponent, no zeros behind."""
    digits = str(abs(value)).rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :].rstrip("0")
    return ("-" if value < 0 else "") + whole + ("." + fraction if fraction else "")


def shift_decimal(text: str, places: int) -> str:
    """Return the decimal with its point ``places`` to the left: kg as t, exactly."""
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.removeprefix("-").partition(".")
    whole = whole.rjust(places + 1, "0")
    return f"{sign}{whole[:-places]}.{whole[-places:]}{fraction}"


def make_id(parts: Iterable[str]) -> str:
    """Return an id of the chain out of words: what an id cannot hold becomes a hyphen."""
    return ".".join(make_word(part) for part in parts if part)


def make_word(text: str) -> str:
    """Return a text as a part of an id: signs that mean something spelled out, others as dashes."""
    for sign, word in _WORDS:
        text = text.replace(sign, f" {word}")
    return re.sub(r"[^A-Za-z0-9_]+", "-", text, flags=re.ASCII).strip("-")


def to_seconds(day: date) -> int:
    """Return the first second of a day, UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def override(found: FactorSet, **changes: object) -> FactorSet:
    """Return the set with what the caller said differently; None changes nothing."""
    return replace(found, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]  # checked by the one caller
