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

from tools.importers.columns import (
    CREDITING_FROM,
    CREDITING_TO,
    OPTIONAL,
    PERIOD_FROM,
    PERIOD_TO,
    SERIAL,
    SUPERSEDES,
    find_columns,
)
from tools.importers.ledger import (
    NAME_CHARACTERS_MAX,
    PURPOSE_CHARACTERS_MAX,
    Issuance,
    Retirement,
    RowError,
    Serial,
    check_text,
    check_year,
    compute_evidence_hash,
    make_key,
    parse_date,
    parse_quantity,
    parse_tonnes,
    parse_vintage,
    read_period,
)
from tools.importers.table import Row, Table, normalise_column

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RegistryFormat:
    """One registry: its short name on the chain, its columns, its serial numbers."""

    registry: str
    title: str
    issuance_columns: tuple[str, ...]
    retirement_columns: tuple[str, ...]
    optional_columns: frozenset[str]
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
_SERIAL_MAX = 10**18
"""Far above any registry's numbers, and what the contracts take."""


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
    if end > _SERIAL_MAX:
        raise RowError(f"serial {last[:40]} is beyond any registry", code="serial")
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
    if "credits issued to project" not in values:
        return
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
        parse_tonnes(values.get(normalise_column(column), ""), column, blank_is_zero=True)
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

_OPTIONAL = (
    "issuance year",
    "account holder",
    "retirement reason",
    "retirement reason details",
    "retirement year",
)
"""What a row may leave untold; an issuance's own day is asked for by ``required_columns``."""

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
    optional_columns=frozenset(
        (*_OPTIONAL, "credits issued to project", "credits issued to buffer pool", "date issued")
    ),
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
    optional_columns=frozenset(
        (
            *_OPTIONAL,
            "cooperative/ aggregate id",
            "offset credits currently in reserve buffer pool",
            *(normalise_column(column) for column in _CAR_USES),
        )
    ),
    total_column="Total Offset Credits Issued",
    buffer_column="Offset Credits Currently in Reserve Buffer Pool",
    aggregate_column="Cooperative/ Aggregate ID",
    project_pattern=re.compile(r"CAR[0-9]{1,8}"),
    parse_serial=_parse_car_serial,
    check_issuance=_check_car_issuance,
)


def required_columns(form: RegistryFormat, columns: tuple[str, ...]) -> list[str]:
    """Return those of a table's columns without which it says nothing."""
    dated = {"date issued"} if columns is form.issuance_columns else set()
    optional = form.optional_columns - dated
    return [column for column in columns if normalise_column(column) not in optional]


def find_names(table: Table, columns: tuple[str, ...]) -> dict[str, str]:
    """Return the table's column for each of a form's columns, and for those a ledger may add."""
    wanted = [normalise_column(column) for column in columns]
    return find_columns(table.columns, [*wanted, *OPTIONAL])


def read_values(row: Row, names: Mapping[str, str]) -> dict[str, str]:
    """Return a row's values under the names that the form knows."""
    return {name: row.values[column] for name, column in names.items()}


def parse_issuance(
    form: RegistryFormat, row: Row, names: Mapping[str, str], today: date
) -> Issuance:
    """Return the issuance of a row, or raise RowError with what is wrong with it."""
    values = read_values(row, names)
    project = _parse_project(form, values)
    issued_on = parse_date(values["date issued"], "Date Issued", today)
    vintage = parse_vintage(values["vintage"], issued_on, "issuance")
    check_year(values.get("issuance year", ""), issued_on, "Issuance Year")
    quantity = parse_quantity(values[normalise_column(form.total_column)], form.total_column)
    buffer = parse_tonnes(
        values.get(normalise_column(form.buffer_column), ""),
        form.buffer_column,
        blank_is_zero=True,
    )
    if buffer > quantity:
        raise RowError(f"buffer {buffer} exceeds the issued {quantity}", code="sum")
    form.check_issuance(values, quantity, buffer)
    aggregate = values.get(normalise_column(form.aggregate_column), "")
    key = make_key(project, aggregate, vintage, issued_on.strftime("%Y%m%d"), quantity)
    serial = None
    if values.get(SERIAL):
        serial = _read_serial(form, values[SERIAL], project, vintage, quantity)
    period = read_period(values.get(PERIOD_FROM, ""), values.get(PERIOD_TO, ""), "Reporting period")
    crediting = read_period(
        values.get(CREDITING_FROM, ""), values.get(CREDITING_TO, ""), "Crediting period"
    )
    if period is not None and period.end > issued_on:
        raise RowError(f"period ends {period.end}, issued on {issued_on}", code="period")
    return Issuance(
        row.line, key, project, vintage, issued_on, quantity, buffer,
        compute_evidence_hash(row.values), serial, period, crediting, values.get(SUPERSEDES, ""),
    )  # fmt: skip


def _read_serial(
    form: RegistryFormat, text: str, project: str, vintage: int, quantity: int
) -> Serial:
    serial = form.parse_serial(text)
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
    return serial


def parse_retirement(
    form: RegistryFormat, row: Row, names: Mapping[str, str], today: date
) -> Retirement:
    """Return the retirement of a row, or raise RowError with what is wrong with it."""
    values = read_values(row, names)
    project = _parse_project(form, values)
    retired_on = parse_date(values["status effective"], "Status Effective", today)
    vintage = parse_vintage(values["vintage"], retired_on, "retirement")
    check_year(values.get("retirement year", ""), retired_on, "Retirement Year")
    quantity = parse_quantity(values["quantity of offset credits"], "Quantity of Offset Credits")
    serial = _read_serial(form, values["offset credit serial numbers"], project, vintage, quantity)
    issued_on = None
    if "date issued" in values and "Date Issued" in form.retirement_columns:
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
        account_holder=check_text(
            values.get("account holder", ""), "Account Holder", NAME_CHARACTERS_MAX
        ),
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
    reason = values.get("retirement reason", "")
    details = values.get("retirement reason details", "")
    text = f"{reason}: {details}" if reason and details else reason or details
    return check_text(text, "Retirement Reason Details", PURPOSE_CHARACTERS_MAX)
