"""What each known file of published factors means: sets, ids, units, validity.

A file is known by its name. EU tables hold from the first day on which the regulation
applies; a grid factor of a year holds for that year; IPCC defaults from the guidelines'
year on. Whoever publishes may say otherwise (`carbonode factors load --valid-from`).
Copies made by third parties enter as unverified and cannot be declared verified here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any, Final

from tools.factors.figures import VERIFIED, FactorSet, Gatherer, to_seconds
from tools.factors.land_use import read_land_use
from tools.importers.table import InputError, Row, Table, read_table

EU_APPLIES: Final = to_seconds(date(2026, 1, 1))
"""First day of the definitive period of CBAM."""
IPCC_2006: Final = to_seconds(date(2006, 1, 1))
GENERAL: Final = ("factor", "value", "unit", "gas", "page")
"""Columns of a table of one's own."""
WORLD: Final = "world"


def _eu(table: Table, name: str, source: str, gathered: Gatherer) -> FactorSet:
    return FactorSet(
        name, source, table.sha256, "EU", tuple(gathered.figures), valid_from=EU_APPLIES,
        is_copy=False, status=VERIFIED, problems=(*table.problems, *gathered.problems),
        absent=gathered.absent,
    )  # fmt: skip


def _copy(name: str, source: str, sha256: bytes, gathered: Gatherer, **more: Any) -> FactorSet:
    values = {"jurisdiction": WORLD, "problems": tuple(gathered.problems)} | more
    return FactorSet(
        name, source, sha256, figures=tuple(gathered.figures), absent=gathered.absent, **values
    )


def _rows(path: Path, columns: Iterable[str]) -> tuple[Table, Gatherer]:
    table = read_table(path, tuple(columns))
    return table, Gatherer(table.name)


def read_fuels(path: Path) -> list[FactorSet]:
    """Emission factors and net calorific values of fuels."""
    table, out = _rows(path, ("fuel", "ef_tCO2_per_TJ", "ncv_TJ_per_Gg", "source"))
    for row in table.rows:
        fuel, page = row.values["fuel"], f"{row.values['source']}: {row.values['fuel']}"
        out.add(
            ("fuel", fuel.lower(), "ef"), row.values["ef_tco2_per_tj"], "tCO2/TJ", gas="CO2",
            page=page, line=row.line,
        )  # fmt: skip
        out.add(
            ("fuel", fuel.lower(), "ncv"), row.values["ncv_tj_per_gg"], "TJ/Gg", page=page,
            line=row.line,
        )  # fmt: skip
    source = "Implementing Regulation (EU) 2025/2547, Annex II, G, Table 1"
    return [_eu(table, "eu-2025-2547.fuels", source, out)]


def read_carbonates(path: Path) -> list[FactorSet]:
    """Process emissions of carbonates (method A) and oxides (method B)."""
    table, out = _rows(path, ("material", "ef_tCO2_per_t"))
    for row in table.rows:
        material = row.values["material"]
        out.add(
            ("carbonate", material), row.values["ef_tco2_per_t"], "tCO2/t", gas="CO2",
            page=f"Annex II: {material}, line {row.line}", line=row.line,
        )  # fmt: skip
    source = "Implementing Regulation (EU) 2025/2547, Annex II, carbonates and oxides"
    return [_eu(table, "eu-2025-2547.carbonates", source, out)]


def read_benchmarks(path: Path) -> list[FactorSet]:
    """CBAM benchmarks by CN code, columns A and B."""
    table, out = _rows(path, ("cn", "description", "A", "A_route", "B", "B_route"))
    for row in table.rows:
        for column in ("A", "B"):
            route = row.values[f"{column.lower()}_route"]
            page = f"Annex: CN {row.values['cn']}, column {column}" + (route and f", route {route}")
            out.add(
                ("cbam", row.values["cn"], column), row.values[column.lower()], "tCO2e/t",
                gas="CO2e", page=page, line=row.line,
            )  # fmt: skip
    source = "Implementing Regulation (EU) 2025/2620, CBAM benchmarks"
    return [_eu(table, "eu-2025-2620.benchmarks", source, out)]


def read_potentials(path: Path) -> list[FactorSet]:
    """Global warming potentials, one set for each report and horizon."""
    table, _ = _rows(path, ("Species", "AR5GWP100", "AR6GWP100"))
    columns = [name for name in table.rows[0].values if name != "species"] if table.rows else []
    found = []
    for column in columns:
        out, name = Gatherer(table.name), column.upper()
        for row in table.rows:
            species = row.values["species"]
            out.add(
                ("gwp", name, species), row.values[column], "tCO2e/t", gas=species[:32],
                page=f"column {name}: {species}, line {row.line}", line=row.line,
            )  # fmt: skip
        source = f"IPCC assessment reports, {name}; compiled by a third party (CC0)"
        problems = (*table.problems, *out.problems)
        table_name = f"gwp.{name}"
        found.append(_copy(table_name, source, table.sha256, out, gwp_set=name, problems=problems))
    return found


def read_grid_years(path: Path) -> list[FactorSet]:
    """Chinese provincial grid factors, one set a year."""
    table, _ = _rows(path, ("gbt2260", "iso3166_2", "name_zh"))
    prefix = "kgco2_per_kwh_"
    columns = [name for name in (table.rows[0].values if table.rows else ()) if prefix in name]
    found = []
    for column in columns:
        year, out = int(column.removeprefix(prefix)), Gatherer(table.name)
        for row in table.rows:
            place = row.values["iso3166_2"]
            out.add(
                ("grid", place), row.values[column], "kgCO2/kWh", gas="CO2",
                page=f"column {year}: {place}, line {row.line}", line=row.line,
            )  # fmt: skip
        source = f"Provincial and regional average grid CO2 factors of China, {year}; copied"
        problems = (*table.problems, *out.problems)
        found.append(
            _copy(
                f"cn-grid.{year}", source, table.sha256, out, jurisdiction="CN", problems=problems,
                **_make_year(year),
            )
        )  # fmt: skip
    return found


def read_grid_2023(path: Path) -> list[FactorSet]:
    """The same for 2023, from a third party's JSON."""
    sha256, document = load_json(path)
    meta, out = document["metadata"], Gatherer(path.name)
    for place, item in document["data"].items():
        out.add(
            ("grid", place), item["emission_factor"], item["unit"], gas="CO2",
            page=f"Table 3: {item['description']} ({place})",
        )  # fmt: skip
    source = f"MEE and NBS, Announcement {meta['announcement']} of {meta['published']}, Table 3; "
    source += f"{meta['source_url']}; copied"
    year = int(meta["year"])
    return [
        _copy(f"cn-grid.{year}", source, sha256, out, jurisdiction="CN", **_make_year(year))
    ]  # fmt: skip


def _make_year(year: int) -> dict[str, int]:
    return {
        "valid_from": to_seconds(date(year, 1, 1)),
        "valid_to": to_seconds(date(year + 1, 1, 1)),
    }


def read_expansion(path: Path) -> list[FactorSet]:
    """Biomass conversion and expansion factors by growing stock (m3/ha)."""
    table, out = _rows(path, ("climatic_zone", "forest_type", "bcef"))
    zone = ""
    for row in table.rows:
        zone = row.values["climatic_zone"]
        for column, text in row.values.items():
            if column.startswith("gs_"):
                parts = ("bcef", zone, row.values["forest_type"], row.values["bcef"], column)
                out.add(parts, text, "t/m3", page=_make_page(row, column), line=row.line)
    source = "IPCC 2006 Guidelines, vol. 4, Table 4.5 (BCEF); copied"
    return [_ipcc(f"ipcc-2006.bcef.{zone}", source, table, out)]


def read_roots(path: Path) -> list[FactorSet]:
    """Ratios of below-ground to above-ground biomass, by above-ground biomass (t dm/ha)."""
    table, out = _rows(path, ("climatic_zone", "forest_type", "lower", "upper", "ratio"))
    for row in table.rows:
        values = row.values
        band = f"{values['lower']}_{values['upper']}"
        parts = ("R", values["climatic_zone"], values["forest_type"], band)
        out.add(parts, values["ratio"], "1", page=_make_page(row, band), line=row.line)
    source = "IPCC 2006 Guidelines, vol. 4, Table 4.4 (root-to-shoot ratio); copied"
    return [_ipcc("ipcc-2006.root-to-shoot", source, table, out)]


def read_density(path: Path) -> list[FactorSet]:
    """Basic wood density by genus or species."""
    table, out = _rows(path, ("genus", "species", "t_dm_per_m3"))
    for row in table.rows:
        parts = ("D", row.values["genus"], row.values["species"])
        page = f"{row.values['genus']} {row.values['species']}".strip() + f", line {row.line}"
        out.add(parts, row.values["t_dm_per_m3"], "t/m3", page=page, line=row.line)
    source = "IPCC 2006 Guidelines, vol. 4, Table 4.14 (basic wood density); copied"
    return [_ipcc("ipcc-2006.wood-density", source, table, out)]


def _ipcc(name: str, source: str, table: Table, out: Gatherer) -> FactorSet:
    problems = (*table.problems, *out.problems)
    return _copy(name, source, table.sha256, out, valid_from=IPCC_2006, problems=problems)


def _make_page(row: Row, cell: str) -> str:
    return f"{row.values['climatic_zone']}, {row.values['forest_type']}, {cell}, line {row.line}"


def read_land_use_file(path: Path) -> list[FactorSet]:
    """Return the sets of a land-use file; raises what ``load_json`` and ``read_land_use`` raise."""
    sha256, document = load_json(path)
    return read_land_use(path.name, sha256, document)


def read_general(path: Path) -> list[FactorSet]:
    """A table of one's own: factor, value, unit, gas, page. The options say the rest."""
    table, out = _rows(path, GENERAL)
    for row in table.rows:
        values = row.values
        out.add(
            values["factor"].split("."), values["value"], values["unit"], gas=values["gas"],
            page=values["page"], line=row.line,
        )  # fmt: skip
    problems = (*table.problems, *out.problems)
    figures = tuple(out.figures)
    return [
        FactorSet(
            "", "", table.sha256, "", figures, is_copy=False, problems=problems, absent=out.absent
        )
    ]  # fmt: skip


def load_json(path: Path) -> tuple[bytes, Any]:
    """Return the hash of a file and its JSON, numbers as the text that is printed there."""
    data = path.read_bytes()
    try:
        document = json.loads(data, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", file=path.name) from None
    return hashlib.sha256(data).digest(), document


Reader = Callable[[Path], list[FactorSet]]
READERS: Final[dict[str, Reader]] = {
    "fuels_ipcc2006_eu2025_2547.csv": read_fuels,
    "carbonates_eu2025_2547.csv": read_carbonates,
    "cbam_benchmarks_2025_2620.csv": read_benchmarks,
    "gwp_all_reports.csv": read_potentials,
    "cn_grid_factors_2021_2022.csv": read_grid_years,
    "cn_grid_factors_2023.json": read_grid_2023,
    "ipcc_afolu_tables.json": read_land_use_file,
    "ipcc_bcef_boreal.csv": read_expansion,
    "ipcc_bcef_mediterranean.csv": read_expansion,
    "ipcc_bcef_temperate.csv": read_expansion,
    "ipcc_root_to_shoot_ratio.csv": read_roots,
    "ipcc_wood_density.csv": read_density,
}
"""Known files; any other is read as a table of one's own."""


def read_sets(path: Path) -> list[FactorSet]:
    """Return the sets of one file. Raises InputError when it is no such table."""
    reader = READERS.get(path.name, read_general)
    try:
        return reader(path)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            "not the table that its name says", file=path.name, reason=reason
        ) from None
