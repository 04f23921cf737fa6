"""Reads an installation out of the Commission's CBAM communication template, as JSON.

The shape is that of the worked examples: ``streams``, ``installation_totals``, ``processes``,
``precursors``, and rows of products (``expected`` or ``products``), of which only process, category
and CN code are read, never a result. Numbers are taken as they are written, never as floats.
What cannot be understood is refused with the field's name; nothing is guessed. No calculation here.
Source: docs/carbon.md, "CBAM on the command line".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from primitives.errors import CarbonodeError

NUMBER_MAX: Final = Decimal(10) ** 15
"""Tonnes, TJ or MWh of one installation: beyond this a field was misread."""
PLACES_MAX: Final = 24
"""The calculator's scale; a JSON float has at most 17 digits."""
PROCESSES_MAX: Final = 20
TOLERANCE: Final = Decimal("1e-9")
"""Of sums that a workbook holds as binary floats; the method's own."""
TEXT_MAX: Final = 400
DOCUMENT_BYTES_MAX: Final = 4 * 1024 * 1024

USE_FIELDS: Final = (
    "to_other", "to_process", "to_processes", "used_in", "uses", "use", "used", "consumed",
    "consumed_in", "consumption", "by_process", "amounts", "processes", "to",
)  # fmt: skip
"""Names under which a precursor may say how much of it enters which process."""
DIRECT_FIELDS: Final = ("see_direct", "see_dir", "direct", "see_d", "see")
INDIRECT_FIELDS: Final = ("see_indirect", "see_indir", "indirect", "see_i")
WHOLE_FIELDS: Final = ("see_total", "see_tot")
POWER_FIELDS: Final = ("el_mwh_t", "el_t", "el_mwh", "el", "electricity")
POWER_FACTOR_FIELDS: Final = ("el_ef", "ef_el", "electricity_ef")
TOTAL_FIELDS: Final = ("total", "purchased", "amount", "quantity", "production", "mass")
OUTSIDE: Final = ("non cbam", "noncbam", "other", "market")
"""Keys that begin like this name no process: goods that left for something else."""
_NUMBERED: Final = re.compile(r"(?:p|process|production process)? ?#?([0-9]{1,2})")
SINGLE_CN: Final = {
    "calcined clay": "25070080", "cement clinker": "25231000", "aluminous cement": "25233000",
    "hydrogen": "28041000", "nitric acid": "28080000", "sintered ore": "26011200",
}  # fmt: skip
"""Categories of Annex I to Regulation (EU) 2023/956 with one CN code only."""


class WorkbookError(CarbonodeError):
    """A document that is no installation of the template."""

    code = "cbam-input"


@dataclass(frozen=True, slots=True)
class Flow:
    """An amount and the factor that makes emissions of it; the factor may be the rule's own."""

    amount: Decimal
    factor: Decimal | None


@dataclass(frozen=True, slots=True)
class Process:
    """A production process; amounts in t, t CO2e, TJ and MWh."""

    name: str
    category: str
    cn: str | None
    production: Decimal
    to_market: Decimal | None
    to_other: dict[str, Decimal]
    direct: Decimal
    heat_in: Flow
    heat_out: Flow
    gas_in: Flow
    gas_out: Flow
    power: Flow
    power_out: Flow


@dataclass(frozen=True, slots=True)
class Precursor:
    """A purchased precursor: t that enter each process, and what a tonne carries."""

    name: str
    uses: dict[str, Decimal]
    direct: Decimal
    indirect: Decimal
    power: Decimal


@dataclass(frozen=True, slots=True)
class Product:
    """A row of the answer."""

    process: str
    category: str
    cn: str | None


@dataclass(frozen=True, slots=True)
class Installation:
    """One worked example."""

    processes: tuple[Process, ...]
    precursors: tuple[Precursor, ...]
    products: tuple[Product, ...]


def parse_document(text: str) -> dict[str, Installation]:
    """Return the installations of a document by name; one alone may stand without a name."""
    if len(text) > DOCUMENT_BYTES_MAX:
        raise WorkbookError("the document is too long", size=len(text), limit=DOCUMENT_BYTES_MAX)
    try:
        document = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # also an int of more than 4,300 digits
        raise WorkbookError("not JSON", reason=str(error)[:200]) from None
    if not isinstance(document, dict):
        raise WorkbookError("an object is needed, with processes or with named examples")
    if "processes" in document:
        return {"": read_installation(document)}
    named = {
        name: item for name, item in document.items()
        if isinstance(item, dict) and "processes" in item
    }  # fmt: skip
    if not named:
        raise WorkbookError("no processes: not an example of the communication template")
    return {name: _read_named(name, item) for name, item in named.items()}


def _read_named(name: str, item: Mapping[str, Any]) -> Installation:
    try:
        return read_installation(item)
    except WorkbookError as error:
        error.values_seen["example"] = name
        raise


def _refuse_constant(text: str) -> Any:
    raise WorkbookError("not a number", value=text)


def read_installation(item: Mapping[str, Any]) -> Installation:
    """Return the installation of one example; raises WorkbookError."""
    rows = [row for row in _get_rows(item, "processes") if _is_filled(row)]
    if not 1 <= len(rows) <= PROCESSES_MAX:
        raise WorkbookError("1 to 20 processes", processes=len(rows))
    names = [_get_text(row, "name", f"processes[{n}]") for n, row in enumerate(rows)]
    if len({_fold(name) for name in names}) != len(names):
        raise WorkbookError("two processes have one name", names=names)
    totals = item.get("installation_totals")
    whole = totals.get("direct") if isinstance(totals, dict) and len(rows) == 1 else None
    processes = tuple(_read_process(row, names, whole) for row in rows)
    precursors = tuple(
        _read_precursor(row, n, names)
        for n, row in enumerate(_get_rows(item, "precursors"))
        if _is_filled(row)
    )
    return Installation(processes, precursors, _read_products(item, processes))


def _is_filled(row: Mapping[str, Any]) -> bool:
    """Whether a row of the template holds more than its empty cells."""
    return any(value not in (None, "", 0, {}, []) for value in row.values())


def _read_process(row: Mapping[str, Any], names: Sequence[str], whole: Any) -> Process:
    name = _clean(row["name"], "processes")
    production = _get_number(row, ("production",), name)
    market = _get_number(row, ("to_market",), name)
    inside = dict(_read_uses(row.get("to_other"), names, f"{name}.to_other"))
    if production is None and market is not None:
        production = market + sum(inside.values(), Decimal(0))
    if production is None or production <= 0:
        raise WorkbookError("a process makes something", process=name, production=production)
    direct = _get_number(row, ("dir_em",), name)
    if direct is None:
        direct = _get_number({"direct": whole}, ("direct",), name)
    if direct is None:
        raise WorkbookError("dir_em is missing", process=name)
    category = _clean(row.get("category") or "", name)
    return Process(
        name, category, _read_cn(row), production, market, inside, direct,
        heat_in=_get_flow(row, "heat_imp", "heat_ef_imp", name),
        heat_out=_get_flow(row, "heat_exp", "heat_ef_exp", name),
        gas_in=_get_flow(row, "wg_imp", "wg_ef_imp", name, needs_factor=False),
        gas_out=_get_flow(row, "wg_exp", "wg_ef_exp", name, needs_factor=False),
        power=_get_flow(row, "el_mwh", "el_ef", name),
        power_out=_get_flow(row, "el_exp", "el_exp_ef", name),
    )  # fmt: skip


def _read_precursor(row: Mapping[str, Any], index: int, names: Sequence[str]) -> Precursor:
    name = _get_text(row, "name", f"precursors[{index}]")
    given = _find_uses(row, names)
    uses = dict(_read_uses(given, names, f"{name}.uses"))
    bought = _get_number(row, ("total", "purchased"), name)
    if bought is not None and sum(uses.values(), Decimal(0)) > bought * (1 + TOLERANCE):
        raise WorkbookError("more of a precursor is used than was bought", precursor=name)
    if given is None:
        total = _get_number(row, TOTAL_FIELDS, name)
        target = row.get("process") or (names[0] if len(names) == 1 else None)
        if total is None or target is None:
            raise WorkbookError("it is not said which process a precursor enters", precursor=name,
                                fields=sorted(row))  # fmt: skip
        uses = dict(_read_uses({str(target): total}, names, name))
    return Precursor(name, uses, *_read_burden(row, name))


def _read_burden(row: Mapping[str, Any], name: str) -> tuple[Decimal, Decimal, Decimal]:
    """What a tonne of a precursor carries: direct, indirect (t CO2e) and electricity (MWh)."""
    power = _get_like(row, POWER_FIELDS, "mwh", (), name) or Decimal(0)
    indirect = _get_like(row, INDIRECT_FIELDS, "indir", ("source", "src"), name)
    if indirect is None:
        factor = _get_number(row, POWER_FACTOR_FIELDS, name)
        if power and factor is None:
            raise WorkbookError("electricity without its emission factor", precursor=name)
        indirect = power * (factor or Decimal(0))
    direct = _get_like(row, DIRECT_FIELDS, "dir", ("indir", "source", "src"), name)
    whole = _get_number(row, WHOLE_FIELDS, name)
    if direct is None and whole is not None:
        direct = whole - indirect
    if direct is None:
        if "scrap" not in f"{name} {row.get('category')}".lower():
            raise WorkbookError("see_direct is missing", precursor=name, fields=sorted(row))
        direct = Decimal(0)
    return direct, indirect, power


def _get_like(
    row: Mapping[str, Any], fields: Sequence[str], part: str, without: Sequence[str], where: str
) -> Decimal | None:
    """Return the first of ``fields``; else the one number whose field's name has ``part`` in it."""
    number = _get_number(row, fields, where)
    if number is not None:
        return number
    like = [
        field for field, value in row.items()
        if part in field.lower() and not any(other in field.lower() for other in without)
        and isinstance(value, int | Decimal)
    ]  # fmt: skip
    if len(like) > 1:
        raise WorkbookError("two fields may be meant", where=where, fields=like)
    return _get_number(row, like, where)


def _find_uses(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The field that says how much enters which process: by its name, or by what is in it."""
    known = {_fold(name) for name in names}
    fields = [field for field in USE_FIELDS if isinstance(row.get(field), dict | list)]
    fields += [
        field for field, value in row.items()
        if isinstance(value, dict) and {_fold(str(key)) for key in value} & known
    ]  # fmt: skip
    filled = [field for field in fields if row[field]]
    if filled or fields:
        return _name_places(row[(filled or fields)[0]], names)
    direct = {key: value for key, value in row.items() if _fold(key) in known}
    return direct or None


def _name_places(given: Any, names: Sequence[str]) -> Any:
    """A number for each process in their order is a map of processes."""
    if not isinstance(given, list) or len(given) != len(names):
        return given
    numbers = all(item is None or isinstance(item, int | Decimal) for item in given)
    return dict(zip(names, given, strict=True)) if numbers else given


def _read_uses(given: Any, names: Sequence[str], where: str) -> Iterator[tuple[str, Decimal]]:
    """Yield (process, t), from a map by name or number or from rows of process and amount."""
    if given is not None and not isinstance(given, dict | list):
        raise WorkbookError("a map of processes to t is needed", where=where)
    if isinstance(given, list):
        rows = [row for row in given if isinstance(row, dict)]
        if len(rows) != len(given):
            raise WorkbookError("rows of process and amount are needed", where=where)
        pairs = [
            (row.get("process", row.get("name")), _get_number(row, TOTAL_FIELDS, where))
            for row in rows
        ]
    else:
        amounts = given or {}
        pairs = [(key, _get_number(amounts, (key,), where)) for key in amounts]
    seen = set[str]()
    for key, amount in pairs:
        if not amount:
            continue
        name = _find_process(str(key), names, where)
        if name is None:
            continue
        if name in seen:
            raise WorkbookError("a process is named twice", where=where, process=name)
        seen.add(name)
        yield name, amount


def _find_process(key: str, names: Sequence[str], where: str) -> str | None:
    """The process that ``key`` names or numbers; None for what no process takes."""
    for name in names:
        if _fold(name) == _fold(key):
            return name
    number = _NUMBERED.fullmatch(_fold(key))
    if number and 1 <= int(number[1]) <= len(names):
        return names[int(number[1]) - 1]
    if _fold(key).startswith(OUTSIDE):
        return None
    raise WorkbookError("no such process", where=where, process=key, processes=list(names))


def _read_products(item: Mapping[str, Any], processes: tuple[Process, ...]) -> tuple[Product, ...]:
    rows = _get_rows(item, "products") or _get_rows(item, "expected")
    if not rows:
        return tuple(
            Product(one.name, one.category, one.cn or SINGLE_CN.get(one.category.strip().lower()))
            for one in processes
        )
    names = [process.name for process in processes]
    products = []
    for index, row in enumerate(rows):
        key = _get_text(row, "process", f"products[{index}]")
        name = _find_process(key, names, f"products[{index}]")
        if name is None:
            raise WorkbookError("no such process", where=f"products[{index}]", process=key)
        process = processes[names.index(name)]
        category = _clean(row.get("category") or process.category, name)
        products.append(Product(name, category, _read_cn(row) or process.cn))
    return tuple(products)


def _read_cn(row: Mapping[str, Any]) -> str | None:
    value = row.get("cn")
    return None if value is None else _clean(value, "cn").replace(" ", "")


def _get_flow(
    row: Mapping[str, Any], amount: str, factor: str, where: str, *, needs_factor: bool = True
) -> Flow:
    quantity = _get_number(row, (amount,), where) or Decimal(0)
    given = _get_number(row, (factor,), where)
    if needs_factor and quantity and given is None:
        raise WorkbookError(f"{factor} is missing", process=where, amount=str(quantity))
    if quantity < 0 or (given is not None and given < 0):
        raise WorkbookError(f"{amount} and {factor} are not below 0", process=where)
    return Flow(quantity, given)


def _clean(value: Any, where: str) -> str:
    """Text that can be printed: JSON may hold half of a surrogate pair."""
    text = str(value).strip()
    if len(text) > TEXT_MAX or not text.isprintable():
        raise WorkbookError("text that cannot be printed, or too long", where=where)
    return text


def _get_rows(item: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    rows = item.get(field)
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WorkbookError(f"{field} is a list of objects")
    return rows


def _get_text(row: Mapping[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise WorkbookError(f"{field} is missing", where=where)
    return _clean(value, where)


def _get_number(row: Mapping[str, Any], fields: Sequence[str], where: str) -> Decimal | None:
    """Return the first of ``fields`` that is there and not null, as it is written."""
    for field in fields:
        value = row.get(field)
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            raise WorkbookError(f"{field} is no number", where=where, value=str(value)[:40])
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise WorkbookError(f"{field} is no number", where=where, value=value) from None
        if not number.is_finite() or abs(number) > NUMBER_MAX:
            raise WorkbookError(f"{field} is out of range", where=where, value=str(value)[:40])
        return number
    return None


def _fold(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
