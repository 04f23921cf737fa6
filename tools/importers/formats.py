"""What the columns of each registry's public export mean.

Sources: the American Carbon Registry's and the Climate Action Reserve's public
reports, as collected in the Voluntary Registry Offsets Database (Berkeley, 2021).
A reader of a third registry is one more RegistryFormat; nothing else changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from tools.importers.ledger import (
    NAME_CHARACTERS_MAX,
    PURPOSE_CHARACTERS_MAX,
    Issuance,
    Retirement,
    RowError,
    check_text,
    check_year,
    compute_evidence_hash,
    make_key,
    parse_date,
    parse_quantity,
    parse_tonnes,
    parse_vintage,
)
from tools.importers.table import Row, normalise_column

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Serial:
    """A registry's serial text, read: the prefix in one spelling, the range half-open."""

    prefix: str
    project: str
    vintage: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RegistryFormat:
    """One registry: its short name on the chain, its columns, its serial numbers."""

    registry: str
    title: str
    issuance_columns: tuple[str, ...]
    retirement_columns: tuple[str, ...]
    total_column: str
    buffer_column: str
    aggregate_column: str
    project_pattern: re.Pattern[str]
    parse_serial: Callable[[str], Serial]
    check_issuance: Callable[[Values, int, int], None]


_SPACES = re.compile(r"\s+")
_ACR_SERIAL = re.compile(r"ACR-([A-Z]{2})-([0-9]+)-([0-9]{4})-([0-9]+)-([0-9]+) TO ([0-9]+)")
_CAR_SERIAL = re.compile(
    r"CAR-([0-9]+)-([A-Z]{2})-([0-9]+)-([0-9]+)-([0-9]+)-([A-Z]{2,3})-([0-9]{4})-([0-9]+)"
    r"-([0-9]+) TO ([0-9]+)"
)
_SERIAL_CHARACTERS_MAX = 120


def _match_serial(pattern: re.Pattern[str], text: str, example: str) -> re.Match[str]:
    plain = _SPACES.sub(" ", text.strip()).upper()
    match = pattern.fullmatch(plain) if len(plain) <= _SERIAL_CHARACTERS_MAX else None
    if match is None:
        raise RowError(f"serial {text[:80]!r} is not like {example!r}", code="serial")
    return match


def _make_range(first: str, last: str) -> tuple[int, int]:
    start, end = int(first), int(last) + 1
    if end <= start:
        raise RowError(f"serial range {first} to {last} runs backwards", code="serial")
    return start, end


def _parse_acr_serial(text: str) -> Serial:
    match = _match_serial(_ACR_SERIAL, text, "ACR-US-102-2003-274-120158095 to 120158156")
    country, project, vintage, block, first, last = match.groups()
    prefix = f"ACR-{country}-{int(project)}-{vintage}-{int(block)}"
    return Serial(prefix, f"ACR{int(project)}", vintage, *_make_range(first, last))


def _parse_car_serial(text: str) -> Serial:
    match = _match_serial(_CAR_SERIAL, text, "CAR-1-US-1008-27-845-WA-2015-2010-1 to 8645")
    kind, country, project, type_, account, state, vintage, block, first, last = match.groups()
    prefix = (
        f"CAR-{int(kind)}-{country}-{int(project)}-{int(type_)}-{int(account)}-{state}"
        f"-{vintage}-{int(block)}"
    )
    return Serial(prefix, f"CAR{int(project)}", vintage, *_make_range(first, last))


def _check_acr_issuance(values: Values, total: int, buffer: int) -> None:
    to_project = parse_tonnes(values["credits issued to project"], "Credits Issued to Project")
    if to_project + buffer != total:
        raise RowError(
            f"project {to_project} and buffer {buffer} do not add up to {total}", code="sum"
        )


_CAR_USES = (
    "Offset Credits Intended for ARB Buffer Pool",
    "Offset Credits Converted to VCUs",
    "Canceled for ARB Compliance",
    "Canceled",
)


def _check_car_issuance(values: Values, total: int, buffer: int) -> None:
    used = buffer + sum(
        parse_tonnes(values[normalise_column(column)], column, blank_is_zero=True)
        for column in _CAR_USES
    )
    if used > total:
        raise RowError(f"buffered, converted and cancelled {used} exceed {total}", code="sum")


_RETIREMENT_COLUMNS = (
    "Project ID",
    "Vintage",
    "Offset Credit Serial Numbers",
    "Quantity of Offset Credits",
    "Status Effective",
    "Account Holder",
    "Retirement Reason",
    "Retirement Reason Details",
    "Retirement Year",
)

ACR = RegistryFormat(
    registry="ACR",
    title="American Carbon Registry",
    issuance_columns=(
        "Date Issued",
        "Project ID",
        "Vintage",
        "Issuance Year",
        "Total Credits Issued",
        "Credits Issued to Project",
        "Credits Issued to Buffer Pool",
    ),
    retirement_columns=(*_RETIREMENT_COLUMNS, "Date Issued"),
    total_column="Total Credits Issued",
    buffer_column="Credits Issued to Buffer Pool",
    aggregate_column="",
    project_pattern=re.compile(r"ACR[0-9]{1,8}"),
    parse_serial=_parse_acr_serial,
    check_issuance=_check_acr_issuance,
)

CAR = RegistryFormat(
    registry="CAR",
    title="Climate Action Reserve",
    issuance_columns=(
        "Date Issued",
        "Project ID",
        "Cooperative/ Aggregate ID",
        "Vintage",
        "Issuance Year",
        "Total Offset Credits Issued",
        "Offset Credits Currently in Reserve Buffer Pool",
        *_CAR_USES,
    ),
    retirement_columns=_RETIREMENT_COLUMNS,
    total_column="Total Offset Credits Issued",
    buffer_column="Offset Credits Currently in Reserve Buffer Pool",
    aggregate_column="Cooperative/ Aggregate ID",
    project_pattern=re.compile(r"CAR[0-9]{1,8}"),
    parse_serial=_parse_car_serial,
    check_issuance=_check_car_issuance,
)


def parse_issuance(form: RegistryFormat, row: Row, today: date) -> Issuance:
    """Return the issuance of a row, or raise RowError with what is wrong with it."""
    values = row.values
    project = _parse_project(form, values)
    issued_on = parse_date(values["date issued"], "Date Issued", today)
    vintage = parse_vintage(values["vintage"], issued_on, "issuance")
    check_year(values["issuance year"], issued_on, "Issuance Year")
    quantity = parse_quantity(values[normalise_column(form.total_column)], form.total_column)
    buffer = parse_tonnes(
        values[normalise_column(form.buffer_column)], form.buffer_column, blank_is_zero=True
    )
    if buffer > quantity:
        raise RowError(f"buffer {buffer} exceeds the issued {quantity}", code="sum")
    form.check_issuance(values, quantity, buffer)
    aggregate = values[normalise_column(form.aggregate_column)] if form.aggregate_column else ""
    key = make_key(project, aggregate, vintage, issued_on.strftime("%Y%m%d"), quantity)
    evidence = compute_evidence_hash(values)
    return Issuance(row.line, key, project, vintage, issued_on, quantity, buffer, evidence)


def parse_retirement(form: RegistryFormat, row: Row, today: date) -> Retirement:
    """Return the retirement of a row, or raise RowError with what is wrong with it."""
    values = row.values
    project = _parse_project(form, values)
    retired_on = parse_date(values["status effective"], "Status Effective", today)
    vintage = parse_vintage(values["vintage"], retired_on, "retirement")
    check_year(values["retirement year"], retired_on, "Retirement Year")
    quantity = parse_quantity(values["quantity of offset credits"], "Quantity of Offset Credits")
    serial = form.parse_serial(values["offset credit serial numbers"])
    if serial.end - serial.start != quantity:
        raise RowError(
            f"serial range holds {serial.end - serial.start}, quantity says {quantity}",
            code="quantity",
        )
    if serial.project != project or serial.vintage != str(vintage):
        raise RowError(
            f"serial is of {serial.project} {serial.vintage}, row of {project} {vintage}",
            code="serial",
        )
    issued_on = None
    if "Date Issued" in form.retirement_columns:
        issued_on = parse_date(values["date issued"], "Date Issued", today)
        if issued_on > retired_on:
            raise RowError(f"retired on {retired_on}, issued on {issued_on}", code="period")
    return Retirement(
        line=row.line,
        key=f"{serial.prefix}-{serial.start}-{serial.end - 1}",
        project=project,
        vintage=vintage,
        prefix=serial.prefix,
        origin_start=serial.start,
        origin_end=serial.end,
        retired_on=retired_on,
        issued_on=issued_on,
        account_holder=check_text(values["account holder"], "Account Holder", NAME_CHARACTERS_MAX),
        purpose=_make_purpose(values),
    )


def _parse_project(form: RegistryFormat, values: Values) -> str:
    project = values["project id"]
    if not project.isascii() or not form.project_pattern.fullmatch(project):
        raise RowError(
            f"project id {project[:40]!r} is not one of {form.registry}'s", code="project"
        )
    return project


def _make_purpose(values: Values) -> str:
    reason, details = values["retirement reason"], values["retirement reason details"]
    text = f"{reason}: {details}" if reason and details else reason or details
    return check_text(text, "Retirement Reason Details", PURPOSE_CHARACTERS_MAX)
