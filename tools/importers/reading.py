"""Two files become one checked ledger: what can be imported, and what cannot and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from tools.importers.formats import (
    RegistryFormat,
    find_names,
    parse_issuance,
    parse_retirement,
    required_columns,
)
from tools.importers.ledger import Issuance, Retirement, RowError
from tools.importers.matching import KILOGRAMS, Matched, Matcher, Piece, Stock
from tools.importers.rules import (
    drop_meeting_periods,
    drop_meeting_retirements,
    drop_meeting_serials,
    drop_repeated,
    flag_crediting,
)
from tools.importers.table import InputError, Problem, Row, Table, read_table

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Both files, read and checked. ``problems`` are in the order of their lines.

    ``flags`` are about rows that are good: what the rules find remarkable and do not refuse.
    """

    form: RegistryFormat
    issuance_table: Table
    retirement_table: Table
    issuances: tuple[Issuance, ...]
    retirements: tuple[Retirement, ...]
    problems: tuple[Problem, ...]
    flags: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What each retirement takes, what must leave the buffer before, and what cannot be met."""

    matched: tuple[Matched, ...]
    releases: tuple[Piece, ...]
    problems: tuple[Problem, ...]


_OF_RETIREMENTS = frozenset({"status effective", "retirement reason"})
"""A table with both is none of issuances, whatever its other columns are taken for."""


def read_ledger(form: RegistryFormat, issuances: Path, retirements: Path, today: date) -> Ledger:
    """Return the ledger of two files. Raises InputError when one is no such table."""
    issuance_table = read_table(issuances, required_columns(form, form.issuance_columns))
    if _OF_RETIREMENTS.issubset(issuance_table.columns):
        text = "columns of an issuance are missing: this is a table of retirements"
        raise InputError(text, file=issuance_table.name)
    retirement_table = read_table(retirements, required_columns(form, form.retirement_columns))
    issuance_names = find_names(issuance_table, form.issuance_columns)
    retirement_names = find_names(retirement_table, form.retirement_columns)
    good_issuances, bad_issuances = _parse_rows(
        issuance_table, lambda row: parse_issuance(form, row, issuance_names, today)
    )
    good_retirements, bad_retirements = _parse_rows(
        retirement_table, lambda row: parse_retirement(form, row, retirement_names, today)
    )
    for drop in (drop_repeated, drop_meeting_serials, drop_meeting_periods):
        good_issuances, dropped = drop(issuance_table.name, good_issuances)
        bad_issuances += dropped
    disjoint, overlapping = drop_meeting_retirements(retirement_table.name, good_retirements)
    return Ledger(
        form,
        issuance_table,
        retirement_table,
        tuple(good_issuances),
        tuple(disjoint),
        (
            *sort_problems([*issuance_table.problems, *bad_issuances]),
            *sort_problems([*retirement_table.problems, *bad_retirements, *overlapping]),
        ),
        tuple(flag_crediting(issuance_table.name, good_issuances)),
    )


def make_stock(issuance: Issuance) -> Stock:
    """Return the stock of a batch as it is right after issuance: the buffer has the end."""
    total, buffer = issuance.quantity_t * KILOGRAMS, issuance.buffer_t * KILOGRAMS
    return Stock(
        issuance.key,
        issuance.project,
        issuance.vintage,
        issuance.issued_on,
        [(0, total - buffer)] if total > buffer else [],
        [(total - buffer, total)] if buffer else [],
    )


def make_plan(file: str, stocks: Sequence[Stock], retirements: Sequence[Retirement]) -> Plan:
    """Match retirements against what is left, in the order of their days, then lines.

    Exports list the latest first: taken in that order, a late retirement would use up the
    early batches that an earlier one can only have come from.
    """
    matcher = Matcher(stocks)
    matched: list[Matched] = []
    problems: list[Problem] = []
    for retirement in sorted(retirements, key=lambda item: (item.retired_on, item.line)):
        try:
            matched.append(matcher.match(retirement))
        except RowError as error:
            problems.append(Problem(file, retirement.line, error.code, str(error)))
    return Plan(tuple(matched), tuple(matcher.releases), tuple(sort_problems(problems)))


def sort_problems(problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems by file and line, as one reads them."""
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


def _parse_rows(table: Table, parse: Callable[[Row], T]) -> tuple[list[T], list[Problem]]:
    good: list[T] = []
    bad: list[Problem] = []
    for row in table.rows:
        try:
            good.append(parse(row))
        except RowError as error:
            bad.append(Problem(table.name, row.line, error.code, str(error)))
    return good, bad
