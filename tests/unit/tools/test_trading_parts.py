"""Decimals, statements, seals, records of the trading tools."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tools.cli.main import main
from tools.cli.trading_options import Lot, Moment, Percent
from tools.client.errors import BadAnswer
from tools.trading.auctions import make_seal
from tools.trading.cash import Account, Entry
from tools.trading.decimals import DecimalError, format_decimal, parse_decimal
from tools.trading.desk import Piece, read_record
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


OPEN_FUTURES = {
    "--book": "b", "--expiry": "2027-12-15", "--delivery": "cash", "--initial": "15",
    "--maintenance": "12", "--band": "10", "--price": "80", "--tick": "0.01",
    "--contribution": "1", "--penalty": "5", "--maker-fee": "0.1", "--taker-fee": "0.1",
}  # fmt: skip
PROPOSE = {"--book": "b", "--due": "2027-06-30", "--rate": "3.65", "--haircut": "30", "--ltv": "85"}


def spell(options: dict[str, str], name: str, text: str) -> list[str]:
    """The options of a command, one of them changed."""
    return [word for pair in (options | {name: text}).items() for word in pair]


WRONG = (
    *[
        ("futures", "open", "X", *spell(OPEN_FUTURES, name, text))
        for name, text in (
            ("--initial", "15.001"), ("--maintenance", "12%"), ("--band", "ten"),
            ("--contribution", "1e1"), ("--penalty", ""), ("--price", "0.00001"),
            ("--tick", "1,5"), ("--maker-fee", "x"), ("--taker-fee", "x"), ("--expiry", "soon"),
        )
    ],
    *[("futures", name, "1.00001") for name in ("deposit", "withdraw")],
    ("futures", "stake", "X", "1.00001"),
    ("futures", "order", "X", "buy", "80.00001", "1"),
    ("futures", "order", "X", "buy", "80", "1", "--fee-cap", "x"),
    ("futures", "order", "X", "buy", "80", "1", "--until", "later"),
    *[
        ("finance", "propose", "bank", "b", "0", "9", "8", *spell(PROPOSE, name, text))
        for name, text in (
            ("--rate", "3.655"), ("--haircut", "x"), ("--ltv", "85%"), ("--due", "2027-13-01"),
        )
    ],
    ("market", "buy", "b", "1", "--price", "1e3"),
    ("surveillance", "report", "alice", "--note", "x", "--evidence", "ab"),
)  # fmt: skip


@pytest.mark.parametrize("command", WRONG, ids=" ".join)
def test_a_wrong_amount_rate_time_or_hash_is_a_usage_error(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*command, "--key", "k"])
    assert result.exit_code == 2, result.output
    assert "Invalid value for" in result.output


def test_percent_has_two_places_and_is_counted_in_parts_of_ten_thousand() -> None:
    assert Percent().convert("12.5", None, None) == 1250
    assert Percent().convert("0", None, None) == 0
    with pytest.raises(click.BadParameter, match="too many places"):
        Percent().convert("0.001", None, None)


@pytest.mark.parametrize("spoiled", [{"price": "71.00001"}, {"price": 71}, {"salt": "x"}, None])
def test_a_file_that_keeps_no_sealed_bid_is_named(tmp_path: Path, spoiled: object) -> None:
    kept = {"auction": 3, "bidder": "a", "price": "71.0", "kilograms": 5, "salt": "00" * 32}
    path = tmp_path / "bid.json"
    path.write_text(json.dumps(kept | spoiled if isinstance(spoiled, dict) else spoiled))
    result = CliRunner().invoke(main, ["auction", "reveal", "2", str(path), "--key", "k"])
    assert result.exit_code == 1 and str(path) in result.stderr
