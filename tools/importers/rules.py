"""The rules that compare the rows of a ledger with each other: what they refuse, what they flag.

Numbers are those of "Detection" in the project's design: 1 serial ranges that overlap, 2 a
quantity unlike its range, 3 periods, 4 one project credited twice for a time, 6 an origin that is
there already, 7 a serial that moves after its retirement, or more retired than was issued. What
no rule says but no chain can take (a number that is none) is counted under ``form``.
Ranges are compared as intervals; of two rows that contradict each other the first stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from tools.importers.ledger import Issuance, OriginRanges, Period, Retirement
from tools.importers.table import Problem

RULE_BY_CODE: Mapping[str, str] = {
    "overlap": "1 serials overlap",
    "serials-overlap": "1 serials overlap",
    "quantity": "2 quantity unlike range",
    "sum": "2 quantity unlike range",
    "quantity-mismatch": "2 quantity unlike range",
    "period": "3 period",
    "outside-crediting": "3 period",
    "period-overlap": "4 period credited twice",
    "duplicate": "6 origin already live",
    "already-imported": "6 origin already live",
    "origin-overlap": "7 retired serial moves",
    "retired-twice": "7 retired serial moves",
    "not-issued": "7 retired serial moves",
    "lot-retired": "7 retired serial moves",
}
FORM = "form"


def count_rules(findings: Iterable[Problem]) -> dict[str, int]:
    """Return how many findings each rule has, ``form`` for those of no rule."""
    counted = Counter(RULE_BY_CODE.get(finding.code, FORM) for finding in findings)
    return dict(sorted(counted.items()))


def drop_repeated(file: str, issuances: Sequence[Issuance]) -> tuple[list[Issuance], list[Problem]]:
    """Keep the first of rows with one identity (project, vintage, day, quantity)."""
    lines: dict[str, int] = {}
    kept: list[Issuance] = []
    problems: list[Problem] = []
    for issuance in issuances:
        first = lines.setdefault(issuance.key, issuance.line)
        if first == issuance.line:
            kept.append(issuance)
        else:
            reason = f"the same issuance stands on line {first}"
            problems.append(Problem(file, issuance.line, "duplicate", reason))
    return kept, problems


def drop_meeting_serials(
    file: str, issuances: Sequence[Issuance]
) -> tuple[list[Issuance], list[Problem]]:
    """Keep the first of issuances whose serials meet; those without serials all stay."""
    taken = OriginRanges()
    kept: list[Issuance] = []
    problems: list[Problem] = []
    for item in issuances:
        met = None
        if item.serial is not None:
            met = taken.add(item.serial.prefix, item.serial.start, item.serial.end, item.line)
        if met is None:
            kept.append(item)
        else:
            reason = f"serials overlap those issued on line {met}"
            problems.append(Problem(file, item.line, "overlap", reason))
    return kept, problems


@dataclass(slots=True)
class _Periods:
    """Days credited so far of each project."""

    _taken: dict[str, OriginRanges] = field(default_factory=dict)

    def add(self, project: str, period: Period, line: int) -> int | None:
        ranges = self._taken.setdefault(project, OriginRanges())
        start = period.start.toordinal()
        return ranges.add("", start, max(period.end.toordinal(), start + 1), line)


def drop_meeting_periods(
    file: str, issuances: Sequence[Issuance]
) -> tuple[list[Issuance], list[Problem]]:
    """Keep the first of a project's issuances for one time, unless a later one supersedes it."""
    periods = _Periods()
    kept: list[Issuance] = []
    problems: list[Problem] = []
    for item in issuances:
        met = None
        if item.period is not None and not item.supersedes:
            met = periods.add(item.project, item.period, item.line)
        if met is None:
            kept.append(item)
        else:
            reason = f"{item.project} was credited for a part of this period on line {met}"
            problems.append(Problem(file, item.line, "period-overlap", reason))
    return kept, problems


def flag_crediting(file: str, issuances: Sequence[Issuance]) -> list[Problem]:
    """Return a flag for each issuance with days outside its crediting period."""
    flags: list[Problem] = []
    for item in issuances:
        if item.crediting is None:
            continue
        period = item.period or Period(date(item.vintage, 1, 1), date(item.vintage, 12, 31))
        outside = period.start < item.crediting.start or period.end > item.crediting.end
        if item.period is None:
            # A vintage is a year: only one that does not meet the crediting period is outside.
            outside = period.end < item.crediting.start or period.start > item.crediting.end
        if outside:
            reason = (
                f"{period.start} to {period.end} lies outside the crediting period "
                f"{item.crediting.start} to {item.crediting.end}"
            )
            flags.append(Problem(file, item.line, "outside-crediting", reason))
    return flags


def drop_meeting_retirements(
    file: str, retirements: Sequence[Retirement]
) -> tuple[list[Retirement], list[Problem]]:
    """Keep the first of rows whose serial ranges meet."""
    taken = OriginRanges()
    kept: list[Retirement] = []
    problems: list[Problem] = []
    for item in retirements:
        met = taken.add(item.prefix, item.origin_start, item.origin_end, item.line)
        if met is None:
            kept.append(item)
        else:
            reason = f"serials {item.key} overlap those of line {met}"
            problems.append(Problem(file, item.line, "overlap", reason))
    return kept, problems
