"""Inventories are added up exactly, misses are named, and the gap to the nation is shown."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tools.cli.main import main
from tools.importers.table import InputError
from tools.inventory.reconcile import DIFFERENCE, reconcile, to_percent, to_tonnes
from tools.inventory.tables import NATION_FILE, PROVINCES_FILE, SECTORS_FILE, read_inventory

ROOT = Path(__file__).parents[3]
HEADER = "province,sector,Raw_Coal,Natural_Gas,Scope_2_Heat,Process,Scope_1_Total\n"
BEIJING = (
    "Beijing,TotalEmissions,3.000001,1.500000,9.000000,0.500000,5.000001\n"
    "Beijing,Farming,1.000000,0.500000,0.000000,0.000000,1.500000\n"
    "Beijing,Urban,2.000000,1.000000,9.000000,0.500000,3.500000\n"
)
TIANJIN = (
    "Tianjin,TotalEmissions,1.000000,0.000000,0.000000,0.000000,1.000000\n"
    "Tianjin,Farming,1.000000,0.000000,0.000000,0.000000,1.000000\n"
    "Tianjin,Urban,0.000000,0.000000,0.000000,0.000000,0.000000\n"
)
TOTALS = "actor_id,year,total_emissions\n"
PROVINCES = TOTALS + "CN-BJ,2018,4000000\nCN-BJ,2019,5000001\nCN-TJ,2019,1000000\n"
NATION = TOTALS + "CN,1997,1\nCN,2018,5000000\nCN,2019,5500000\n"


def write(
    folder: Path,
    sectors: str = HEADER + BEIJING + TIANJIN,
    provinces: str = PROVINCES,
    nation: str = NATION,
) -> Path:
    for name, text in ((SECTORS_FILE, sectors), (PROVINCES_FILE, provinces), (NATION_FILE, nation)):
        (folder / name).write_text(text)
    return folder


def run(folder: Path) -> tuple[int, Any]:
    result = CliRunner().invoke(main, ["--output", "json", "inventory", "reconcile", str(folder)])
    return result.exit_code, json.loads(result.stdout)


def test_what_adds_up_reconciles_and_the_gap_is_a_line_of_its_own(tmp_path: Path) -> None:
    code, document = run(write(tmp_path))
    assert (code, document["mismatches"]) == (0, [])
    # One region: 3 rows of fuels, 3 fuels, its total, its published total.
    assert (document["checks"], document["largestRoundingTonnes"]) == (16, "1")
    assert document["gap"] == {
        "year": 2019, "regions": 2, "regionsTonnes": "6000001", "nationTonnes": "5500000",
        "differenceTonnes": "500001", "differencePercent": "9.1",
    }  # fmt: skip
    assert [(item["year"], item["differencePercent"]) for item in document["gaps"]] == [
        (2018, "-20.0"), (2019, "9.1"),
    ]  # fmt: skip
    for lines in document["rollUp"].values():
        assert lines[-2]["name"] == DIFFERENCE
        assert sum(int(line["tonnes"]) for line in lines[:-1]) == int(lines[-1]["tonnes"])
    assert document["rollUp"]["sectors"][0] == {"name": "Urban", "tonnes": "3500000"}
    # Bought heat is another's emission.
    assert [line["name"] for line in document["rollUp"]["fuels"]][:3] == [
        "raw_coal", "natural_gas", "process",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        # Three fuels may miss their total by 2 t, two sectors by 1.5 t.
        ("1.000000,0.500000,0.000000,0.000000,1.500000", "1.000000,0.500003,0.0,0.0,1.5",
         ["fuels of Farming", "sectors of natural_gas"]),
        ("3.000001,1.500000", "3.000002,1.500000", ["sectors of raw_coal"]),
        ("2.000000,1.000000,9.000000,0.500000,3.500000", "2.0,1.0,9.0,0.5,3.500003",
         ["fuels of Urban", "sectors of the total"]),
        ("0.500000,5.000001", "0.500000,5.000004",
         ["fuels of TotalEmissions", "sectors of the total", "published total"]),
    ],
)  # fmt: skip
def test_a_figure_that_does_not_fit_is_named(
    tmp_path: Path, old: str, new: str, what: list[str]
) -> None:
    assert (HEADER + BEIJING).count(old) == 1
    write(tmp_path, HEADER + BEIJING.replace(old, new) + TIANJIN)
    code, document = run(tmp_path)
    assert code == 1
    assert [(item["region"], item["what"]) for item in document["mismatches"]] == [
        ("CN-BJ", name) for name in what
    ]


def test_rounding_explains_so_much_and_not_a_tonne_more(tmp_path: Path) -> None:
    """Three fuels and their total are each rounded by half a tonne at most: 2 t in all."""
    row = "Tianjin,Urban,0.000000,0.000000,0.000000,0.000000,0.000000"
    for miss, whole in (("0.000002", True), ("0.000003", False)):
        changed = TIANJIN.replace(row, f"Tianjin,Urban,0,0,0,0,{miss}")
        found = reconcile(read_inventory(write(tmp_path, HEADER + BEIJING + changed)))
        assert ("fuels of Urban" not in [item.what for item in found.mismatches]) is whole


def test_a_region_without_sectors_or_without_a_total_is_named(tmp_path: Path) -> None:
    found = reconcile(read_inventory(write(tmp_path, HEADER + BEIJING)))
    assert [(item.region, item.what) for item in found.mismatches] == [("CN-TJ", "no sectors")]
    provinces = PROVINCES.replace("CN-TJ,2019,1000000\n", "")
    found = reconcile(read_inventory(write(tmp_path, provinces=provinces)))
    assert [(item.region, item.what) for item in found.mismatches] == [("CN-TJ", "published total")]


@pytest.mark.parametrize(
    "changes",
    [
        {"sectors": HEADER},
        {"sectors": HEADER + BEIJING.replace("Beijing", "Peking")},
        {"sectors": HEADER + BEIJING + "Beijing,Urban,0,0,0,0,0\n"},
        {"sectors": HEADER + BEIJING.replace("TotalEmissions", "Total")},
        {"sectors": HEADER + BEIJING.replace("3.000001", "")},
        {"sectors": HEADER + BEIJING.replace("3.000001", "3.0000000001")},
        {"sectors": HEADER + "Beijing,Urban\n"},
        {"provinces": TOTALS},
        {"provinces": PROVINCES + "CN-BJ,2019,7\n"},
        {"provinces": PROVINCES.replace("2018", "MMXVIII")},
        {"nation": "year,total\n2019,5\n"},
        {"nation": TOTALS + "CN,2018,5\n"},
        {"nation": TOTALS + "CN,2019,0\n"},
    ],
)
def test_a_table_that_is_not_whole_is_refused(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(InputError):
        read_inventory(write(tmp_path, **changes))


def test_amounts_and_shares_are_printed_exactly() -> None:
    assert [to_tonnes(n) for n in (0, 1, -1500, 12_000)] == ["0", "0.001", "-1.5", "12"]
    assert [to_percent(Fraction(n, 10_000)) for n in (1092, 5, 15, -25, -1)] == [
        "10.9", "0.0", "0.2", "-0.2", "0.0",
    ]  # fmt: skip


@pytest.mark.data
def test_the_provinces_of_china_reconcile_and_the_gap_is_ten_point_nine_per_cent() -> None:
    folder = Path(os.environ.get("CARBONODE_DATA", ROOT.parent / "shared" / "data")) / "inventory"
    if not (folder / SECTORS_FILE).exists():
        pytest.skip(f"the inventory is not in {folder} (set CARBONODE_DATA)")
    code, document = run(folder)
    assert (code, document["mismatches"], document["regions"]) == (0, [], 30)
    # 30 regions: 48 rows of fuels, 19 columns without scope 2, two totals.
    assert document["checks"] == 30 * (48 + 19 + 2)
    # The publisher's own totals: 10,864.41 and 9,794.76 Mt.
    gap = document["gap"]
    assert (gap["regionsTonnes"], gap["nationTonnes"]) == ("10864409710", "9794756396")
    assert (gap["differenceTonnes"], gap["differencePercent"]) == ("1069653314", "10.9")
    assert len(document["gaps"]) == 22
    text = CliRunner().invoke(main, ["inventory", "reconcile", str(folder)])
    assert "1069653314 t, 10.9 % of" in text.stdout
