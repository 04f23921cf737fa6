"""Decimals, statements, seals, records of the trading tools."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from click.testing import CliRunner

from tools.cli.main import main
from tools.cli.trading_options import Lot, Moment
from tools.client.errors import BadAnswer
from tools.trading.auctions import Piece, make_seal
from tools.trading.cash import Account, Entry
from tools.trading.decimals import DecimalError, format_decimal, parse_decimal
from tools.trading.desk import read_record
from tools.trading.statement import (
    StatementError,
    make_statement,
    select_period,
    to_csv,
    to_document,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("60", 600_000), ("60.0", 600_000), ("0.0001", 1), ("-1.5", -15_000), ("60.12340", 601_234)],
)
def test_decimals_are_exact(text: str, value: int) -> None:
    assert parse_decimal(text) == value
    assert parse_decimal(format_decimal(value)) == value


@pytest.mark.parametrize("text", ["", "1,5", "1e3", ".5", "5.", "NaN", "0.00001", "１", "1" * 31])
def test_what_is_no_decimal_is_refused(text: str) -> None:
    with pytest.raises(DecimalError):
        parse_decimal(text)


def make_lines() -> list[Entry]:
    changes = [("issue", 1000), ("trade", -300), ("transfer", -200), ("trade", 50)]
    lines, balance = [], 0
    for number, (kind, change) in enumerate(changes):
        balance += change
        reference = "=cmd()" if number == 2 else f"order:{number}"
        lines.append(Entry(kind, change, balance, "bob", reference, 1000 * number, number))
    return lines


ACCOUNT = Account(400, 150, 4)


def test_a_statement_adds_up_from_its_opening_to_its_closing_balance() -> None:
    whole = make_statement("alice", "CNY", make_lines(), ACCOUNT)
    assert (whole.opening, whole.closing, len(whole.lines)) == (0, 550, 4)
    part = select_period(whole, 1000, 3000)
    assert (part.opening, part.closing, part.first) == (1000, 500, 2)
    assert part.opening + sum(line.change for line in part.lines) == part.closing
    nothing = select_period(whole, 9000, None)
    assert (nothing.opening, nothing.closing, nothing.lines) == (550, 550, ())
    empty = select_period(whole, 2500, 1500)
    assert empty.lines == () and empty.opening == empty.closing


@pytest.mark.parametrize(
    ("number", "changes"),
    [(1, {"change": -301}), (2, {"balance": 501}), (0, {"change": -1, "balance": -1})],
)
def test_a_statement_that_does_not_add_up_is_not_shown(
    number: int, changes: dict[str, int]
) -> None:
    lines = make_lines()
    lines[number] = replace(lines[number], **changes)  # type: ignore[arg-type]
    with pytest.raises(StatementError):
        make_statement("alice", "CNY", lines, ACCOUNT)


def test_a_statement_is_held_against_the_account() -> None:
    with pytest.raises(StatementError):
        make_statement("alice", "CNY", make_lines(), Account(400, 149, 4))


def test_csv_and_json_say_the_same_in_decimals() -> None:
    part = select_period(make_statement("alice", "CNY", make_lines(), ACCOUNT), 1000, None)
    document = json.loads(json.dumps(to_document(part)))
    assert (document["opening"], document["closing"]) == ("0.1000", "0.0550")
    assert [line["change"] for line in document["lines"]] == ["-0.0300", "-0.0200", "0.0050"]
    rows = list(csv.DictReader(io.StringIO(to_csv(part))))
    assert [row["balance"] for row in rows] == ["0.1000", "0.0700", "0.0500", "0.0550", "0.0550"]
    assert [row["line"] for row in rows] == ["", "2", "3", "4", ""]
    assert rows[1]["time"] == "1970-01-01T00:16:40Z" and rows[1]["currency"] == "CNY"
    # A reference is another's text: no spreadsheet takes it for a formula.
    assert rows[2]["reference"] == "'=cmd()"
    # A negative amount stays a number.
    assert rows[2]["change"] == "-0.0200"


def test_a_seal_is_the_hash_of_the_text_in_the_documents() -> None:
    salt = bytes(range(32))
    text = "auction:7:alice:5000:60:" + salt.hex()
    assert make_seal(7, "alice", 5000, 60, salt) == hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True)
class Inner:
    flag: bool


@dataclass(frozen=True)
class Outer:
    count: int
    name: str
    data: bytes
    inner: Inner
    names: tuple[str, ...]


GOOD: dict[str, Any] = {
    "count": "9007199254740993", "name": "x", "data": "0x01", "inner": {"flag": True},
    "names": ["a"], "unknown": 1,
}  # fmt: skip


def test_records_are_read_with_large_integers_bytes_and_records_inside() -> None:
    expected = Outer(9007199254740993, "x", b"\x01", Inner(True), ("a",))
    assert read_record(Outer, GOOD) == expected


@pytest.mark.parametrize(
    "change",
    [{"count": "x"}, {"name": 5}, {"data": "01"}, {"inner": []}, {"inner": {"flag": 1}}],
)
def test_a_record_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        read_record(Outer, GOOD | change)
    with pytest.raises(BadAnswer):
        read_record(Outer, {name: value for name, value in GOOD.items() if name != "name"})


def test_arguments_of_the_command_line_have_one_meaning() -> None:
    assert Moment().convert("2026-11-24T12:00:00Z", None, None) == 1_795_521_600
    assert Moment().convert("2026-11-24T13:00:00+01:00", None, None) == 1_795_521_600
    assert Moment().convert("2026-11-24", None, None) == 1_795_478_400
    assert Lot().convert("b:1:5", None, None) == Piece("b", 1, 5)


@pytest.mark.parametrize("lot", ["b", "b:1", ":1:2", "b:x:2", "b:-1:2"])
def test_a_lot_that_is_none_is_a_usage_error(lot: str) -> None:
    command = ["market", "sell", "book", lot, "--price", "1", "--key", "k"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "BATCH:START:END" in result.output
