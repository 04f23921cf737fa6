"""The provinces' inventory as its publisher gives it (CEADs): three tables, exact integers.

Every amount becomes whole kilograms of CO2: the sectors' table prints Mt with six
decimals (whole tonnes), the totals are tonnes. Nothing is rounded or repaired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.factors.figures import NotAFigure, parse_decimal
from tools.importers.table import InputError, Row, read_table

SECTORS_FILE: Final = "provinces_2019_sector_by_fuel_MtCO2.csv"
PROVINCES_FILE: Final = "provinces_EmissionsAgg.csv"
NATION_FILE: Final = "china_EmissionsAgg.csv"
SECTORS_YEAR: Final = 2019
TOTAL: Final = "TotalEmissions"
SCOPE_1: Final = "scope_1_total"
SCOPE_2: Final = frozenset({"scope_2_heat", "scope_2_electricity"})
"""Bought heat and power: in the table, and no part of what a region emits itself."""
PRINTED_KG: Final = 1_000
"""The last digit that the sectors' table prints, and the totals: one tonne."""
KG_PER_TONNE: Final = 1_000
REGIONS: Final = {
    "Anhui": "CN-AH", "Beijing": "CN-BJ", "Chongqing": "CN-CQ", "Fujian": "CN-FJ",
    "Guangdong": "CN-GD", "Gansu": "CN-GS", "Guangxi": "CN-GX", "Guizhou": "CN-GZ",
    "Henan": "CN-HA", "Hubei": "CN-HB", "Hebei": "CN-HE", "Hainan": "CN-HI",
    "Heilongjiang": "CN-HL", "Hunan": "CN-HN", "Jilin": "CN-JL", "Jiangsu": "CN-JS",
    "Jiangxi": "CN-JX", "Liaoning": "CN-LN", "InnerMongolia": "CN-NM", "Ningxia": "CN-NX",
    "Qinghai": "CN-QH", "Sichuan": "CN-SC", "Shandong": "CN-SD", "Shanghai": "CN-SH",
    "Shaanxi": "CN-SN", "Shanxi": "CN-SX", "Tianjin": "CN-TJ", "Xinjiang": "CN-XJ",
    "Yunnan": "CN-YN", "Zhejiang": "CN-ZJ",
}  # fmt: skip
"""ISO 3166-2 of the names in the sectors' table."""


@dataclass(frozen=True, slots=True)
class SectorRow:
    """One sector of one region: kilograms by fuel (``process`` among them), and its total."""

    sector: str
    fuels: Mapping[str, int]
    total: int
    line: int


@dataclass(frozen=True, slots=True)
class Region:
    """A region's sectors, and the row that claims to be their sum."""

    code: str
    sectors: tuple[SectorRow, ...]
    total: SectorRow


@dataclass(frozen=True, slots=True)
class Inventory:
    """``regions`` of one year; totals in kilograms by (code, year), and the nation's by year."""

    year: int
    regions: tuple[Region, ...]
    published: Mapping[tuple[str, int], int]
    nation: Mapping[int, int]


def read_inventory(folder: Path) -> Inventory:
    """Return the inventory in a folder. Raises InputError for what is no such table."""
    published: dict[tuple[str, int], int] = {}
    for region, year, kilograms in _read_totals(folder / PROVINCES_FILE):
        published[region, year] = kilograms
    nation = {year: kilograms for _, year, kilograms in _read_totals(folder / NATION_FILE)}
    if nation.get(SECTORS_YEAR, 0) <= 0:
        raise InputError("no national total for the year", file=NATION_FILE, year=SECTORS_YEAR)
    regions = _read_regions(folder / SECTORS_FILE)
    return Inventory(SECTORS_YEAR, regions, published, nation)


def _read_totals(path: Path) -> list[tuple[str, int, int]]:
    table = read_table(path, ("actor_id", "year", "total_emissions"))
    found: dict[tuple[str, int], int] = {}
    for row in table.rows:
        key = row.values["actor_id"], int(_parse(table.name, row, "year", 1))
        if key in found:
            raise InputError("a region has two totals for a year", file=table.name, line=row.line)
        found[key] = _parse(table.name, row, "total_emissions", KG_PER_TONNE)
    if table.problems or not found:
        raise InputError("the table is not whole", file=table.name, lines=len(table.problems))
    return [(region, year, kilograms) for (region, year), kilograms in found.items()]


def _read_regions(path: Path) -> tuple[Region, ...]:
    table = read_table(path, ("province", "sector", "Process", "Scope_1_Total"))
    if table.problems or not table.rows:
        raise InputError("the table is not whole", file=table.name, lines=len(table.problems))
    by_region: dict[str, dict[str, SectorRow]] = {}
    for row in table.rows:
        name = row.values["province"]
        if name not in REGIONS:
            raise InputError("no such region", file=table.name, line=row.line, region=name)
        rows = by_region.setdefault(REGIONS[name], {})
        found = _read_row(table.name, row)
        if found.sector in rows:
            raise InputError("a sector stands twice", file=table.name, line=row.line)
        rows[found.sector] = found
    regions = []
    for code, rows in sorted(by_region.items()):
        total = rows.pop(TOTAL, None)
        if total is None:
            raise InputError("a region has no total", file=table.name, region=code)
        regions.append(Region(code, tuple(rows.values()), total))
    return tuple(regions)


def _read_row(file: str, row: Row) -> SectorRow:
    names = [name for name in row.values if name not in ("province", "sector", SCOPE_1)]
    fuels = {
        name: _parse(file, row, name, 1_000_000_000) for name in names if name not in SCOPE_2
    }  # fmt: skip
    total = _parse(file, row, SCOPE_1, 1_000_000_000)
    return SectorRow(row.values["sector"], fuels, total, row.line)


def _parse(file: str, row: Row, column: str, factor: int) -> int:
    """Return a cell times ``factor``, exactly."""
    try:
        value, scale = parse_decimal(row.values[column])
    except NotAFigure as error:
        raise InputError(str(error), file=file, line=row.line, column=column) from None
    whole, rest = divmod(value * factor, int(10**scale))
    if rest:
        raise InputError("finer than a kilogram", file=file, line=row.line, column=column)
    return whole
