"""Adds an inventory up: fuels to sectors, sectors to regions, regions to the nation.

Printed figures are rounded to whole tonnes, so a sum of n of them may miss its printed
total by n/2 tonnes and half a tonne more: beyond that it does not reconcile. What the
regions have more or less than the nation's own total is a **statistical difference**:
shown for every year with its sign, in tonnes and as a share of the nation's, and a line of
its own in the roll-up, so that the lines add up and nobody's figure is bent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from tools.inventory.tables import KG_PER_TONNE, PRINTED_KG, Inventory, Region

DIFFERENCE = "statistical difference"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A printed total that its parts do not add up to; kilograms."""

    region: str
    what: str
    parts: int
    printed: int
    allowed: int


@dataclass(frozen=True, slots=True)
class Gap:
    """One year: the regions' sum against the nation's total; kilograms."""

    year: int
    regions: int
    count: int
    nation: int

    @property
    def difference(self) -> int:
        """Kilograms by which the regions add up to more than the nation reports."""
        return self.regions - self.nation

    @property
    def share(self) -> Fraction:
        """The difference as a share of the nation's total."""
        return Fraction(self.difference, self.nation)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was added up. ``largest_kg``: the widest miss that rounding explains.

    ``by_sector``, ``by_fuel`` and ``by_region`` are sums of the regions' figures.
    """

    year: int
    checks: int
    mismatches: tuple[Mismatch, ...]
    largest_kg: int
    by_sector: dict[str, int]
    by_fuel: dict[str, int]
    by_region: dict[str, int]
    gaps: tuple[Gap, ...]

    @property
    def gap(self) -> Gap:
        """The gap of the year that has sectors."""
        return next(item for item in self.gaps if item.year == self.year)


class _Checks:
    """Counts comparisons and keeps what fails."""

    def __init__(self) -> None:
        self.count = 0
        self.largest = 0
        self.mismatches: list[Mismatch] = []

    def compare(self, region: str, what: str, parts: Iterable[int], printed: int) -> None:
        values = list(parts)
        allowed = (len(values) + 1) * PRINTED_KG // 2
        total = sum(values)
        miss = abs(total - printed)
        self.count += 1
        if miss > allowed:
            self.mismatches.append(Mismatch(region, what, total, printed, allowed))
        else:
            self.largest = max(self.largest, miss)


def reconcile(inventory: Inventory) -> Reconciliation:
    """Return what adds up and what does not; nothing is corrected."""
    checks = _Checks()
    by_sector: dict[str, int] = {}
    by_fuel: dict[str, int] = {}
    for region in inventory.regions:
        _check_region(checks, region)
        published = inventory.published.get((region.code, inventory.year))
        if published is None:
            absent = Mismatch(region.code, "published total", region.total.total, 0, 0)
            checks.mismatches.append(absent)
        else:
            checks.compare(region.code, "published total", [region.total.total], published)
        for row in region.sectors:
            by_sector[row.sector] = by_sector.get(row.sector, 0) + row.total
            for fuel, kilograms in row.fuels.items():
                by_fuel[fuel] = by_fuel.get(fuel, 0) + kilograms
    there = {region.code for region in inventory.regions}
    for (code, year), printed in sorted(inventory.published.items()):
        if year == inventory.year and code not in there:
            checks.mismatches.append(Mismatch(code, "no sectors", 0, printed, 0))
    return Reconciliation(
        inventory.year, checks.count, tuple(checks.mismatches), checks.largest, by_sector, by_fuel,
        {region.code: region.total.total for region in inventory.regions}, _find_gaps(inventory),
    )  # fmt: skip


def _check_region(checks: _Checks, region: Region) -> None:
    """Fuels to every row's total, sectors to the region's in every column."""
    for row in (*region.sectors, region.total):
        checks.compare(region.code, f"fuels of {row.sector}", row.fuels.values(), row.total)
    for fuel, printed in region.total.fuels.items():
        parts = [row.fuels[fuel] for row in region.sectors]
        checks.compare(region.code, f"sectors of {fuel}", parts, printed)
    totals = [row.total for row in region.sectors]
    checks.compare(region.code, "sectors of the total", totals, region.total.total)


def _find_gaps(inventory: Inventory) -> tuple[Gap, ...]:
    """Every year for which both sides are published."""
    gaps = []
    for year, nation in sorted(inventory.nation.items()):
        totals = [value for (_, of), value in inventory.published.items() if of == year]
        if totals and nation > 0:
            gaps.append(Gap(year, sum(totals), len(totals), nation))
    return tuple(gaps)


def to_tonnes(kilograms: int) -> str:
    """Return kilograms as tonnes, every digit."""
    whole, rest = divmod(abs(kilograms), KG_PER_TONNE)
    sign = "-" if kilograms < 0 else ""
    return f"{sign}{whole}" + (f".{rest:03}".rstrip("0") if rest else "")


def to_percent(share: Fraction) -> str:
    """Return a share in per cent with one decimal, from the middle to the even one."""
    tenths = round(share * 1_000)
    return f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10}"
