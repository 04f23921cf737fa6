"""A whole statement of one account: gathered in pages, proven to add up, as CSV or JSON.

Opening balance + the sum of all changes = closing balance, each line's balance is the one before
plus its change, and the last one is what the account has. A statement that does not add up is
not shown but refused: then a node lied, or we have a bug.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from primitives.errors import CarbonodeError
from tools.trading.cash import Account, Cash, Entry
from tools.trading.decimals import format_decimal

COLUMNS = ("line", "time", "height", "kind", "other", "reference", "change", "balance")
ATTEMPTS_MAX = 20


class StatementError(CarbonodeError):
    """The lines do not add up, or change faster than they are read."""

    code = "statement"


@dataclass(frozen=True, slots=True)
class Statement:
    """Lines ``first`` and on of an account, in 10^-4 of the currency."""

    organisation: str
    currency: str
    first: int
    opening: int
    closing: int
    lines: tuple[Entry, ...]


async def gather_statement(cash: Cash, organisation: str, currency: str) -> Statement:
    """Read every line there is, and hold it against the account."""
    lines: list[Entry] = []
    for _ in range(ATTEMPTS_MAX):
        while page := await cash.read_entries(organisation, currency, len(lines)):
            lines += page
        account = await cash.get_account(organisation, currency)
        # A line that was written while we read: read on, until both are of one height.
        if account.entries == len(lines):
            return make_statement(organisation, currency, lines, account)
    raise StatementError("the account changes while it is read", lines=len(lines))


def make_statement(
    organisation: str, currency: str, lines: Sequence[Entry], account: Account
) -> Statement:
    """Return the whole statement; raise StatementError when it does not add up."""
    balance = 0
    for number, line in enumerate(lines, 1):
        balance += line.change
        if balance != line.balance or balance < 0:
            raise StatementError("a line does not add up", line=number, expected=balance)
    if balance != account.free + account.held:
        raise StatementError("the account has another balance", lines=balance)
    return Statement(organisation, currency, 1, 0, balance, tuple(lines))


def select_period(whole: Statement, since: int | None, until: int | None) -> Statement:
    """Return the lines of [since, until), seconds UTC; the opening balance is what came before."""
    lines = whole.lines
    first = sum(1 for line in lines if since is not None and line.time < since)
    last = sum(1 for line in lines if until is None or line.time < until)
    kept = lines[first : max(first, last)]
    opening = lines[first - 1].balance if first else whole.opening
    closing = kept[-1].balance if kept else opening
    return Statement(whole.organisation, whole.currency, first + 1, opening, closing, kept)


def to_document(statement: Statement) -> dict[str, Any]:
    """Return JSON; decimals are text."""
    return {
        "organisation": statement.organisation,
        "currency": statement.currency,
        "opening": format_decimal(statement.opening),
        "closing": format_decimal(statement.closing),
        "lines": [
            dict(zip(COLUMNS, row, strict=True)) for row in _make_rows(statement)
        ],
    }  # fmt: skip


def to_csv(statement: Statement) -> str:
    """Return RFC 4180 text: the opening balance, the lines, the closing balance."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("currency", *COLUMNS))
    currency = statement.currency
    opening, closing = format_decimal(statement.opening), format_decimal(statement.closing)
    writer.writerow((currency, "", "", "", "opening", "", "", "", opening))
    for row in _make_rows(statement):
        writer.writerow((currency, *(_disarm(str(cell)) for cell in row)))
    writer.writerow((currency, "", "", "", "closing", "", "", "", closing))
    return buffer.getvalue()


def _make_rows(statement: Statement) -> list[tuple[Any, ...]]:
    return [
        (
            number, format_seconds(line.time), line.height, line.kind, line.other, line.reference,
            format_decimal(line.change), format_decimal(line.balance),
        )
        for number, line in enumerate(statement.lines, statement.first)
    ]  # fmt: skip


def _disarm(cell: str) -> str:
    """References are others' texts: a spreadsheet must not take one for a formula."""
    return "'" + cell if cell[:1] in "=+@\t\r" and cell else cell


def format_seconds(seconds: int) -> str:
    """Return seconds UTC as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
