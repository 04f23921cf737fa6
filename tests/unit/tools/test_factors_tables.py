"""Published tables as sets of figures: exact decimals, ids, what is absent and what is wrong."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tools.cli.factors import read_folder, read_with_options
from tools.cli.main import main
from tools.factors.figures import (
    ID_MAX,
    VALID_FOREVER,
    Gatherer,
    NotAFigure,
    make_id,
    parse_decimal,
    shift_decimal,
    to_decimal,
)
from tools.factors.known import READERS, read_sets
from tools.importers.table import InputError

SAID: dict[str, str | None] = dict.fromkeys(
    ("table", "source", "jurisdiction", "gwp_set", "valid_from", "valid_to", "status", "supersedes")
)
OWN = SAID | {"table": "own", "source": "a report", "jurisdiction": "CN"}


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "scale"),
    [
        ("0", 0, 9),
        ("-0.0", 0, 9),
        ("0.1", 100_000_000, 9),
        ("94.6", 94_600_000_000, 9),
        ("-2.9", -2_900_000_000, 9),
        ("007.50", 7_500_000_000, 9),
        ("0.1234567890", 1_234_567_890, 10),
        ("0.123456789012345678", 123_456_789_012_345_678, 18),
        ("1.0000000000000000000000", 10**9, 9),
        ("123456789012345678901234567", 123456789012345678901234567 * 10**9, 9),
    ],
)
def test_a_printed_decimal_is_read_from_its_digits(text: str, value: int, scale: int) -> None:
    assert parse_decimal(text) == (value, scale)


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", ".5", "1e3", "1,5", "1 000", "+1", "--1", "0x1", "nan", "\u0661", "1_0", " 1",
     "0.1234567890123456789", "1234567890123456789012345678", "9" * 5000],
)  # fmt: skip
def test_what_is_no_decimal_or_has_too_many_digits_is_refused(text: str) -> None:
    with pytest.raises(NotAFigure):
        parse_decimal(text)


def test_decimals_survive_the_way_there_and_back() -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    for _ in range(2_000):
        fraction = "".join(rng.choice("0123456789") for _ in range(rng.randint(0, 18)))
        text = f"{rng.choice(['', '-'])}{rng.randint(0, 10**18)}" + (fraction and f".{fraction}")
        value, scale = parse_decimal(text)
        assert Fraction(value, 10**scale) == Fraction(text), seed
        assert Fraction(to_decimal(value, scale)) == Fraction(text), seed
        assert Fraction(shift_decimal(text, 3)) == Fraction(text) / 1000, seed


# --- ids and cells ----------------------------------------------------------------------------


def test_words_become_ids() -> None:
    assert make_id(("fuel", "kerosene (other than jet kerosene)", "ef")) == (
        "fuel.kerosene-other-than-jet-kerosene.ef"
    )
    assert make_id(("R", "zone", "<=125", "")) == "R.zone.le125"
    assert make_id(("AGB", "secondary>20y")) == "AGB.secondary-gt20y"
    assert make_id(("gwp", "-(CF2)4CH(OH)-")) == "gwp.CF2-4CH-OH"


def test_a_cell_is_a_figure_absent_or_a_problem() -> None:
    out = Gatherer("t.csv")
    out.add(("a",), " 1.5 ", "t", page="p. 1", line=2)
    out.add(("b",), "n.a.", "t", page="p", line=3)
    out.add(("c",), "about 5", "t", page="p", line=4)
    out.add(("a",), "2", "t", page="p", line=5)
    out.add(("x" * (ID_MAX + 1),), "2", "t", page="p", line=6)
    out.add(("!",), "2", "t", page="p", line=7)
    assert [(item.factor, item.value) for item in out.figures] == [("a", 1_500_000_000)]
    assert out.absent == 1
    assert [(item.line, item.code) for item in out.problems] == [
        (4, "number"), (5, "duplicate"), (6, "id"), (7, "id"),
    ]  # fmt: skip


# --- files ------------------------------------------------------------------------------------


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_year_of_grid_factors_holds_for_that_year(tmp_path: Path) -> None:
    text = "gbt2260,iso3166_2,name_zh,kgCO2_per_kWh_2021,kgCO2_per_kWh_2022\n"
    text += "110000,CN-BJ,\u5317\u4eac,0.5688,0.5580\n540000,CN-XZ,\u897f\u85cf,,\n"
    sets = read_sets(write(tmp_path, "cn_grid_factors_2021_2022.csv", text))
    assert [(item.table, item.absent, item.status) for item in sets] == [
        ("cn-grid.2021", 1, "unverified"), ("cn-grid.2022", 1, "unverified"),
    ]  # fmt: skip
    # 2021-01-01, 2022-01-01, 2023-01-01 in seconds since 1970.
    assert [(item.valid_from, item.valid_to) for item in sets] == [
        (1_609_459_200, 1_640_995_200), (1_640_995_200, 1_672_531_200),
    ]  # fmt: skip
    assert [item.figures[0].value for item in sets] == [568_800_000, 558_000_000]


def test_each_report_is_a_gwp_set_of_its_own(tmp_path: Path) -> None:
    text = "Species,AR5GWP100,AR6GWP100\nCH4,28.0,27.9\n(CF3)2CHOH,182.0,\n"
    sets = read_sets(write(tmp_path, "gwp_all_reports.csv", text))
    assert [(item.table, item.gwp_set, len(item.figures)) for item in sets] == [
        ("gwp.AR5GWP100", "AR5GWP100", 2), ("gwp.AR6GWP100", "AR6GWP100", 1),
    ]  # fmt: skip
    assert {item.status for item in sets} == {"unverified"}
    assert sets[0].figures[1].factor == "gwp.AR5GWP100.CF3-2CHOH"
    assert sets[0].figures[1].page == "column AR5GWP100: (CF3)2CHOH, line 3"


def test_numbers_of_a_json_are_its_digits(tmp_path: Path) -> None:
    text = """{"metadata": {"announcement": "2025 No. 47", "published": "2025-12-31",
        "source_url": "https://x", "year": 2023},
        "data": {"CN-BJ": {"emission_factor": 555.40000000000001, "unit": "gCO2/kWh",
                           "description": "Beijing"}}}"""
    (found,) = read_sets(write(tmp_path, "cn_grid_factors_2023.json", text))
    (figure,) = found.figures
    # 17 significant digits: a binary fraction would have lost the last one.
    assert (figure.value, figure.scale) == (55_540_000_000_000_001, 14)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gwp_all_reports.csv", "factor,value\na,1\n"),
        ("cn_grid_factors_2023.json", "{"),
        ("cn_grid_factors_2023.json", "[]"),
        ("cn_grid_factors_2023.json", "[" * 100_000),
        ("ipcc_afolu_tables.json", '{"soc_2019": {}}'),
        ("ipcc_afolu_tables.json", '{"soc_2019": []}'),
        ("mine.csv", "a,b\n1,2\n"),
        ("mine.csv", ""),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_whole(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(InputError):
        read_sets(write(tmp_path, name, text))


def test_a_table_of_ones_own_says_everything_about_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.csv", "factor,value,unit,gas,page\nsteel.ef,1.25,tCO2/t,CO2,3\n")
    (found,) = read_with_options(path, OWN | {"status": "verified", "valid_to": "2030-01-01"})
    assert (found.table, found.status, found.valid_from) == ("own", "verified", 0)
    assert found.valid_to == 1_893_456_000
    assert found.figures[0].factor == "steel.ef"
    (plain,) = read_with_options(path, OWN)
    assert (plain.status, plain.valid_to) == ("unverified", VALID_FOREVER)
    for missing in ("table", "source", "jurisdiction"):
        with pytest.raises(InputError, match="say --set"):
            read_with_options(path, OWN | {missing: None})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("ipcc_wood_density.csv", "genus,species,t_dm_per_m3\nabies,,0.40\n",
         SAID | {"status": "verified"}),
        ("gwp_all_reports.csv", "Species,AR5GWP100,AR6GWP100\nCH4,28.0,27.9\n",
         SAID | {"source": "x"}),
        ("mine.csv", "factor,value,unit,gas,page\na,n.a.,t,,p\n", OWN),
    ],
    ids=["a copy is not verified", "options for several sets", "no figures"],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, name: str, text: str, said: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        read_with_options(write(tmp_path, name, text), said)


def test_a_folder_without_a_known_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no known table"):
        read_folder(tmp_path)
    write(tmp_path, "ipcc_wood_density.csv", "genus,species,t_dm_per_m3\nabies,,0.40\n")
    write(tmp_path, "notes.txt", "nothing")
    assert [item.table for item in read_folder(tmp_path)] == ["ipcc-2006.wood-density"]
    assert set(READERS) == {Path(name).name for name in READERS}


def test_a_bad_cell_is_shown_with_its_line_and_the_exit_code_is_1(tmp_path: Path) -> None:
    path = write(
        tmp_path, "ipcc_wood_density.csv", "genus,species,t_dm_per_m3\nabies,,0.40\nacer,,x\n"
    )
    result = CliRunner().invoke(main, ["factors", "load", str(path), "--dry-run"])
    assert result.exit_code == 1
    assert "ipcc_wood_density.csv:3: [number] not a decimal number: 'x'" in result.output
    for wrong in ([], [str(path), "--all", str(tmp_path)], ["--all", str(tmp_path), "--set", "x"]):
        assert CliRunner().invoke(main, ["factors", "load", *wrong]).exit_code == 2
