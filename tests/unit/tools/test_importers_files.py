"""Reading registries' files: what is accepted, what is refused, and with which line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tools.importers.formats import ACR, CAR, RegistryFormat
from tools.importers.ledger import OriginRanges, RowError, parse_date, parse_quantity, parse_tonnes
from tools.importers.reading import Ledger, make_plan, make_stock, read_ledger
from tools.importers.report import summarise_ledger
from tools.importers.table import InputError, parse_table

TODAY = date(2026, 1, 1)
ISSUANCE_HEADER = (
    "Date Issued,Project ID,Project Name,Vintage,Issuance Year,Total Credits Issued,"
    "Credits Issued to Project,Credits Issued to Buffer Pool"
)
RETIREMENT_HEADER = (
    "Project ID,Vintage,Offset Credit Serial Numbers,Quantity of Offset Credits,Status Effective,"
    "Account Holder,Retirement Reason,Retirement Reason Details,Date Issued,Retirement Year"
)
ISSUANCE = "8/2/06,ACR102,Air Bag,2003,2006,1000,900,100"
RETIREMENT = (
    "ACR102,2003,ACR-US-102-2003-274-1 to 62,62,12/29/15,Nike,Environmental Benefit,Q3,8/2/06,2015"
)


def find_data() -> Path:
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("CARBONODE_DATA", root.parent / "shared" / "data")) / "registry"
    if not (folder / "ACR_issuances.csv").exists():
        pytest.skip(f"the registries' exports are not in {folder} (set CARBONODE_DATA)")
    return folder


def read(
    folder: Path, issuances: Sequence[str] = (ISSUANCE,), retirements: Sequence[str] = ()
) -> Ledger:
    first, second = folder / "issuances.csv", folder / "retirements.csv"
    first.write_text("\n".join([ISSUANCE_HEADER, *issuances]) + "\n", "utf-8")
    second.write_text("\n".join([RETIREMENT_HEADER, *retirements]) + "\n", "utf-8")
    return read_ledger(ACR, first, second, TODAY)


# -- the table


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,2\n3,4\n",
        b"a,b\r\n1,2\r\n3,4\r\n",
        b"a,b\r1,2\r3,4",
        b"\xef\xbb\xbfa,b\n1,2\n\n3,4\n\n\n",
        "a,b\n1,2\n3,4\n".encode("utf-16"),
        b"A;B\n1;2\n3;4\n",
        b"a\tb\n1\t2\n3\t4\n",
        b' a ,"b"\n"1",2\n3 ," 4"\n',
    ],
)
def test_line_ends_marks_and_delimiters_of_all_kinds_are_read(data: bytes) -> None:
    table = parse_table("t.csv", data, ["a", "b"])
    assert [dict(row.values) for row in table.rows] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert table.problems == ()


def test_a_newline_in_a_quoted_header_or_field_is_part_of_it_and_lines_stay_right() -> None:
    table = parse_table("t.csv", b'"Issuance \nYear",b\n"1\n2",x\n3,y\n', ["issuance year", "b"])
    assert [(row.line, row.values["issuance year"]) for row in table.rows] == [
        (3, "1\n2"),
        (5, "3"),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"a,c\n1,2\n", "missing"),
        (b"a,b,b\n1,2,3\n", "twice"),
        (b"a,\xffb\n1,2\n", "UTF-8"),
        (b'a,"b\n1,2\n', "header"),
        (b"PK\x03\x04\x14\x00\xff\xfe", "UTF-8"),
    ],
)
def test_a_file_that_is_no_such_table_is_an_error_that_says_why(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_table("t.csv", data, ["a", "b"])


def test_a_file_with_a_header_only_is_an_empty_ledger(tmp_path: Path) -> None:
    ledger = read(tmp_path, [], [])
    assert (ledger.issuances, ledger.retirements, ledger.problems) == ((), (), ())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv"):
        read_ledger(ACR, tmp_path / "none.csv", tmp_path / "none.csv", TODAY)


def test_unreadable_records_cost_their_own_line_only() -> None:
    data = b'a,b\n1,2\n"open,3\n4,5\n"x"y,6\n7\n8,9,10\n11,12\n'
    table = parse_table("t.csv", data, ["a", "b"])
    assert [(row.line, row.values["a"]) for row in table.rows] == [(2, "1"), (4, "4"), (8, "11")]
    assert [(bad.line, bad.code) for bad in table.problems] == [
        (3, "unreadable"),
        (5, "unreadable"),
        (6, "fields"),
        (7, "fields"),
    ]


def test_bytes_that_are_no_text_cost_their_record_and_empty_last_fields_nothing() -> None:
    data = b"a,b\n1,\xff\n3,4,,\n5,6,7\n\xe6\xa3\xae,8\n"
    table = parse_table("t.csv", data, ["a", "b"])
    assert [(row.line, dict(row.values)) for row in table.rows] == [
        (3, {"a": "3", "b": "4"}),
        (5, {"a": "\u68ee", "b": "8"}),
    ]
    assert [(bad.line, bad.code) for bad in table.problems] == [(2, "encoding"), (4, "fields")]


# -- single values


@pytest.mark.parametrize(("text", "tonnes"), [("0", 0), ("62", 62), ("1,234,567", 1_234_567)])
def test_whole_tonnes_are_read(text: str, tonnes: int) -> None:
    assert parse_tonnes(text, "x") == tonnes


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1.0", "1e3", "12,34", "1,2345", "٣", "0x10", "1 000", "NaN", "9" * 30,
     str(10**12 + 1)],
)  # fmt: skip
def test_what_is_no_number_of_whole_tonnes_is_refused(text: str) -> None:
    with pytest.raises(RowError):
        parse_tonnes(text, "x")


def test_an_empty_quantity_is_refused_but_an_empty_share_is_zero() -> None:
    with pytest.raises(RowError):
        parse_quantity("0", "x")
    assert parse_tonnes("", "x", blank_is_zero=True) == 0


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("8/2/06", date(2006, 8, 2)),
        ("12/29/2015", date(2015, 12, 29)),
        ("2015-12-29", date(2015, 12, 29)),
        ("1/1/98", date(1998, 1, 1)),
        ("2015/12/29", date(2015, 12, 29)),
        ("2015-12-29T23:59:59Z", date(2015, 12, 29)),
        ("2015-12-29 00:00", date(2015, 12, 29)),
        ("12/29/2015 00:00:00", date(2015, 12, 29)),
    ],
)
def test_dates_as_registries_write_them(text: str, day: date) -> None:
    assert parse_date(text, "x", TODAY) == day


@pytest.mark.parametrize(
    "text",
    ["", "13/1/15", "2/30/15", "29/12/2015", "2015/13/29", "8-2-06", "tomorrow", "1/1/75",
     "1/2/2026", "2026-01-02", "8/2/006", "0/1/15"],
)  # fmt: skip
def test_what_is_no_day_or_not_yet_is_refused(text: str) -> None:
    with pytest.raises(RowError):
        parse_date(text, "x", TODAY)


def test_a_table_of_retirements_is_none_of_issuances(tmp_path: Path) -> None:
    # Other names of columns would make issuances of its rows, and credit what was retired.
    file = tmp_path / "retirements.csv"
    file.write_text("\n".join([RETIREMENT_HEADER, RETIREMENT]) + "\n", "utf-8")
    with pytest.raises(InputError, match="this is a table of retirements"):
        read_ledger(ACR, file, file, TODAY)


# -- rows


def test_a_good_row_of_each_kind_is_read(tmp_path: Path) -> None:
    ledger = read(tmp_path, [ISSUANCE], [RETIREMENT])
    (issued,), (retired,) = ledger.issuances, ledger.retirements
    assert ledger.problems == ()
    assert issued.key == "ACR102.2003.20060802.1000"
    assert (issued.quantity_t, issued.buffer_t, len(issued.evidence_hash)) == (1000, 100, 32)
    assert (retired.prefix, retired.origin_start, retired.origin_end) == (
        "ACR-US-102-2003-274",
        1,
        63,
    )
    assert (retired.account_holder, retired.purpose) == ("Nike", "Environmental Benefit: Q3")
    assert retired.retired_on == date(2015, 12, 29)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("8/2/06", "8/32/06", "date"),
        ("8/2/06", "", "date"),
        ("8/2/06", "8/2/07", "period"),
        ("ACR102", "", "project"),
        ("ACR102", "CAR102", "project"),
        ("ACR102", "ACR102/../1", "project"),
        ("2003", "2007", "period"),
        ("2003", "20x3", "period"),
        ("2003", "", "period"),
        (",1000,", ",,", "number"),
        (",1000,", ",0,", "number"),
        (",1000,", ",-1000,", "number"),
        (",1000,", ",1000.5,", "number"),
        (",1000,", ",1001,", "sum"),
        ("900,100", "900,1100", "sum"),
        ("1000,900,100", "1000,0,1000.", "number"),
        ("900,100", "ninety,100", "number"),
        ("Air Bag", "Air,Bag", "fields"),
    ],
)
def test_a_bad_issuance_is_left_out_with_line_and_code(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    ledger = read(tmp_path, [ISSUANCE.replace("2003", "2002"), ISSUANCE.replace(old, new, 1)])
    assert len(ledger.issuances) == 1
    assert [(bad.file, bad.line, bad.code) for bad in ledger.problems] == [
        ("issuances.csv", 3, code)
    ]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (",62,", ",63,", "quantity"),
        (",62,", ",sixty,", "number"),
        (",62,", ",0,", "number"),
        ("1 to 62", "62 to 1", "serial"),
        ("1 to 62", "1-62", "serial"),
        ("ACR-US-102-2003-274-1 to 62", "", "serial"),
        ("ACR-US-102-2003-274-1 to 62", "CAR-1-US-1008-27-845-WA-2015-2010-1 to 62", "serial"),
        ("ACR-US-102", "ACR-US-103", "serial"),
        ("-2003-274", "-2004-274", "serial"),
        ("12/29/15", "12/32/15", "date"),
        ("12/29/15", "1/1/30", "date"),
        ("12/29/15", "12/29/14", "period"),
        ("8/2/06,2015", "8/2/16,2015", "period"),
        (",2015", ",2016", "period"),
        ("ACR102,2003,", "ACR102,2016,", "period"),
        ("Nike", "N" * 129, "text"),
        ("Nike", "N\x07ike", "text"),
        ("Q3", "q" * 256, "text"),
        ("ACR102,2003,", "ACR,2003,", "project"),
    ],
)
def test_a_bad_retirement_is_left_out_with_line_and_code(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    good = RETIREMENT.replace("274-1 to 62", "274-100 to 161")
    ledger = read(tmp_path, [ISSUANCE], [good, RETIREMENT.replace(old, new, 1)])
    assert len(ledger.retirements) == 1
    assert [(bad.file, bad.line, bad.code) for bad in ledger.problems] == [
        ("retirements.csv", 3, code)
    ]


def test_an_issuance_that_stands_twice_counts_once(tmp_path: Path) -> None:
    ledger = read(tmp_path, [ISSUANCE, ISSUANCE])
    assert len(ledger.issuances) == 1
    assert [(bad.line, bad.code) for bad in ledger.problems] == [(3, "duplicate")]


@pytest.mark.parametrize(
    ("serial", "quantity"),
    [
        ("ACR-US-102-2003-274-1 to 62", 62),
        ("ACR-US-102-2003-274-62 to 62", 1),
        ("ACR-US-102-2003-274-10 to 20", 11),
        ("ACR-US-102-2003-274-62 to 100", 39),
        ("acr-us-0102-2003-00274-050  to 060", 11),
    ],
)
def test_serials_that_meet_are_refused_by_interval_and_not_by_text(
    tmp_path: Path, serial: str, quantity: int
) -> None:
    second = RETIREMENT.replace("ACR-US-102-2003-274-1 to 62,62", f"{serial},{quantity}")
    ledger = read(tmp_path, [ISSUANCE], [RETIREMENT, second])
    assert len(ledger.retirements) == 1
    assert [(bad.line, bad.code) for bad in ledger.problems] == [(3, "overlap")]
    assert "line 2" in ledger.problems[0].reason


def test_ranges_side_by_side_and_of_other_blocks_do_not_meet() -> None:
    taken = OriginRanges()
    assert taken.add("p", 10, 20, 1) is None
    assert taken.add("p", 20, 30, 2) is None
    assert taken.add("p", 0, 10, 3) is None
    assert taken.add("q", 10, 20, 4) is None
    assert taken.add("p", 9, 11, 5) in (1, 3)
    assert taken.add("p", 0, 100, 6) == 3
    assert taken.add("p", 29, 40, 7) == 2


def test_a_car_row_whose_uses_exceed_its_issuance_is_refused(tmp_path: Path) -> None:
    header = ",".join(f'"{column}"' for column in CAR.issuance_columns)
    (tmp_path / "i.csv").write_text(
        f"{header}\n2/7/14,CAR1000,,2013,2014,100,10,,,91,\n2/7/14,CAR1001,,2013,2014,100,10,,,90,\n"
    )
    columns = ",".join(CAR.retirement_columns)
    (tmp_path / "r.csv").write_text(
        f"{columns}\nCAR1001,2013,CAR-1-US-1001-27-845-WA-2013-2010-1 to 90,90,10/11/19,"
        "City,,,2019\n"
    )
    ledger = read_ledger(CAR, tmp_path / "i.csv", tmp_path / "r.csv", TODAY)
    assert [item.key for item in ledger.issuances] == ["CAR1001.2013.20140207.100"]
    assert [item.prefix for item in ledger.retirements] == ["CAR-1-US-1001-27-845-WA-2013-2010"]
    assert [(bad.line, bad.code) for bad in ledger.problems] == [(2, "sum")]


# -- the real exports


@pytest.mark.data
@pytest.mark.parametrize(
    ("form", "issued", "buffered", "rows", "retired"),
    [
        (ACR, 199_823_611, 20_576_473, 2_637, 13_912_689),
        (CAR, 168_806_186, 293_249, 5_351, 49_547_885),
    ],
    ids=["ACR", "CAR"],
)
def test_the_public_exports_are_read_whole_and_match_whole(
    form: RegistryFormat, issued: int, buffered: int, rows: int, retired: int
) -> None:
    folder = find_data()
    registry = form.registry
    ledger = read_ledger(
        form,
        folder / f"{registry}_issuances.csv",
        folder / f"{registry}_retirements.csv",
        TODAY,
    )
    summary = summarise_ledger(ledger)
    assert ledger.problems == ()
    assert summary["issuances"]["tonnes"] == issued
    assert summary["issuances"]["bufferTonnes"] == buffered
    assert summary["retirements"]["rows"] == rows
    assert summary["retirements"]["tonnes"] == retired
    plan = make_plan("r", [make_stock(item) for item in ledger.issuances], ledger.retirements)
    assert plan.problems == ()
    assert len(plan.matched) == rows
    assert sum(piece.end - piece.start for item in plan.matched for piece in item.pieces) == (
        retired * 1000
    )
