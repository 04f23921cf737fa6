"""The IPCC's land-use tables out of one JSON of copies: soil carbon, stock changes, biomass.

Every set is a third party's copy and enters as unverified. Uncertainties are figures of
their own (``.u``, per cent as the tables give them; ``.sd`` for standard deviations).
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from tools.factors.figures import FactorSet, Gatherer, shift_decimal, to_seconds

IPCC_2006: Final = to_seconds(date(2006, 1, 1))
IPCC_2019: Final = to_seconds(date(2019, 5, 12))
"""Adopted by the 49th session of the IPCC."""
GUIDELINES: Final = "IPCC 2006 Guidelines, vol. 4"
REFINEMENT: Final = "2019 Refinement to the IPCC 2006 Guidelines, vol. 4"
_FACTORS: Final = {
    "LAND_USE_FACTORS": ("FLU", "Tables 5.5 and 6.2, land use"),
    "MANAGEMENT_FACTORS": ("FMG", "Tables 5.5 and 6.2, management"),
    "CARBON_INPUT_FACTORS": ("FI", "Tables 5.5 and 6.2, input"),
}


def read_land_use(file: str, sha256: bytes, document: Any) -> list[FactorSet]:
    """Return the sets of ``ipcc_afolu_tables.json``, its numbers as printed texts."""
    sets = _Sets(file, sha256)
    _read_soil_2019(sets, document["soc_2019"])
    _read_soil_2006(sets, document["SOCref_2006_T2_3_tC_ha"])
    _read_changes(sets, document["stock_change_2006_T5_5"])
    _read_biomass(sets, document)
    out = sets.open()
    for zone, text in document["organic_soil_EF_2006_T5_6_tC_ha_yr"].items():
        out.add(("EForg", zone), text, "tC/ha/yr", page=f"Table 5.6: {zone}")
    sets.close("ipcc-2006.organic-soil", f"{GUIDELINES}, Table 5.6", IPCC_2006, out)
    return sets.found


class _Sets:
    """Sets of one file as they are found."""

    def __init__(self, file: str, sha256: bytes) -> None:
        self._file = file
        self._sha256 = sha256
        self.found: list[FactorSet] = []

    def open(self) -> Gatherer:
        return Gatherer(self._file)

    def close(self, name: str, source: str, valid_from: int, out: Gatherer) -> None:
        self.found.append(
            FactorSet(
                name, f"{source}; copied", self._sha256, "world", tuple(out.figures),
                valid_from=valid_from, problems=tuple(out.problems), absent=out.absent,
            )
        )  # fmt: skip


def _read_soil_2019(sets: _Sets, tables: Any) -> None:
    """Reference stocks (kg C/ha in the file, printed as t C/ha by the IPCC) and factors."""
    out = sets.open()
    for soil, zones in tables["SOC_REFS"].items():
        for zone, cell in zones.items():
            parts, page = ("SOCref2019", soil, zone), f"Table 2.3: {soil}, {zone}"
            out.add(parts, shift_decimal(cell["value"], 3), "tC/ha", page=page)
            out.add((*parts, "u"), cell["uncertainty"], "%", page=page)
    sets.close("ipcc-2019.soc-ref", f"{REFINEMENT}, Table 2.3", IPCC_2019, out)
    for name, (symbol, table) in _FACTORS.items():
        out = sets.open()
        for use, zones in tables[name].items():
            for zone, cell in zones.items():
                parts, page = (f"{symbol}2019", use, zone), f"{table}: {use}, {zone}"
                out.add(parts, cell["value"], "1", page=page)
                out.add((*parts, "u"), cell["error"], "%", page=page)
        sets.close(f"ipcc-2019.{symbol}", f"{REFINEMENT}, {table}", IPCC_2019, out)


def _read_soil_2006(sets: _Sets, zones: Any) -> None:
    out = sets.open()
    for zone, soils in zones.items():
        for soil, text in soils.items():
            page = f"Table 2.3: {zone}, {soil}"
            out.add(("SOCref2006", zone, soil), text, "tC/ha", page=page)
    sets.close("ipcc-2006.soc-ref", f"{GUIDELINES}, Table 2.3", IPCC_2006, out)


def _read_changes(sets: _Sets, rows: Any) -> None:
    out = sets.open()
    for symbol, use, zone, moisture, text, error in rows:
        parts = (f"{symbol}2006", use, zone, moisture or "")
        page = f"Table 5.5: {', '.join(part for part in parts if part)}"
        out.add(parts, text, "1", page=page)
        out.add((*parts, "u"), error or "", "%", page=page)
    sets.close("ipcc-2006.stock-change", f"{GUIDELINES}, Table 5.5", IPCC_2006, out)


def _read_biomass(sets: _Sets, document: Any) -> None:
    out = sets.open()
    for zone, continent, origin, band, text in document["R_2019_T4_4"]:
        words = [word for word in (zone, continent, origin, band) if word]
        out.add(("R2019", *words), text, "1", page=f"Table 4.4: {', '.join(words)}")
    sets.close("ipcc-2019.root-to-shoot", f"{REFINEMENT}, Table 4.4", IPCC_2019, out)
    out = sets.open()
    for zone, continent, age, mean, deviation in document["AGB_2019_T4_7_tdm_ha_mean_sd"]:
        parts, page = ("AGB2019", zone, continent, age), f"Table 4.7: {zone}, {continent}, {age}"
        out.add(parts, mean, "tdm/ha", page=page)
        out.add((*parts, "sd"), deviation, "tdm/ha", page=page)
    sets.close("ipcc-2019.agb", f"{REFINEMENT}, Table 4.7", IPCC_2019, out)
    out = sets.open()
    for zone, age, mean, deviation in document["AGB_growth_2019_T4_9_Americas_tdm_ha_yr"]:
        parts, page = ("GW2019", zone, "Americas", age), f"Table 4.9: {zone}, Americas, {age}"
        out.add(parts, mean, "tdm/ha/yr", page=page)
        out.add((*parts, "sd"), deviation, "tdm/ha/yr", page=page)
    sets.close("ipcc-2019.agb-growth", f"{REFINEMENT}, Table 4.9", IPCC_2019, out)
