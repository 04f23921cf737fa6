"""Columns and what they mean: the same definition makes the SQL table, the JSON, the CSV and
the OpenAPI schema, so that they cannot disagree. Pure.

Amounts are decimal text outside, always: a kilogram count may need more digits than a
JSON reader keeps. Times are ISO 8601 UTC outside, seconds inside. Bytes are ``0x`` hex.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

MONEY_DIGITS: Final = 4
"""Money and prices are kept in 10^-4 of their currency."""
SAFE_SECONDS_MAX: Final = 253_402_300_799
"""The last second of the year 9999: later ones (validity without end) have no ISO form."""


REPLACED: Final = "\ufffd"
"""Stands for NUL, which PostgreSQL keeps in no text."""


class AnyText(TypeDecorator[str]):
    """A text in the order of its bytes on every engine; one that holds NUL is kept without."""

    # One order of texts on every engine: that of their bytes.
    impl = Text().with_variant(Text(collation="C"), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Return the text that is stored."""
        return value if value is None or "\0" not in value else value.replace("\0", REPLACED)


def _make_text() -> TypeEngine[str]:
    return AnyText()


class BigNumber(TypeDecorator[int]):
    """An integer of up to 256 bits as decimal text: no SQL engine here holds it exactly."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> str | None:
        """Return the text that is stored."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Any) -> int | None:
        """Return the number that was stored."""
        return None if value is None else int(value)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a column's values look outside, and how a filter's text becomes one."""

    name: str
    schema: dict[str, Any]
    render: Callable[[Any], Any]
    parse: Callable[[str], Any]


def _render_same(value: Any) -> Any:
    return value


def render_moment(value: int) -> str:
    """Return ISO 8601 UTC; a time beyond the year 9999 is ``never``."""
    if not 0 <= value <= SAFE_SECONDS_MAX:
        return "never" if value > 0 else str(value)
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(text: str) -> int:
    """Return the seconds of an ISO 8601 time (UTC where it names no zone) or of a number."""
    if text.isdecimal() and text.isascii():
        return _parse_integer(text)
    found = datetime.fromisoformat(text)
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def render_money(value: int) -> str:
    """Return an amount in 10^-4 as a decimal."""
    sign, digits = ("-" if value < 0 else ""), str(abs(value)).rjust(MONEY_DIGITS + 1, "0")
    return f"{sign}{digits[:-MONEY_DIGITS]}.{digits[-MONEY_DIGITS:]}"


def _parse_integer(text: str) -> int:
    if not text.isascii() or not text.removeprefix("-").isdecimal() or len(text) > 19:
        raise ValueError("not an integer")
    value = int(text)
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("an integer of at most 63 bits")
    return value


def _parse_bytes(text: str) -> bytes:
    if not text.startswith("0x") or len(text) > 2_050:
        raise ValueError("0x and hex digits")
    return bytes.fromhex(text[2:])


def parse_text(text: str) -> str:
    """Return a text that every engine can compare; PostgreSQL keeps no NUL."""
    if "\0" in text or len(text) > 256:
        raise ValueError("at most 256 characters, none of them NUL")
    text.encode("utf-8")  # a lone surrogate has no bytes: UnicodeEncodeError is a ValueError
    return text


def _parse_flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _refuse(text: str) -> Any:
    raise ValueError("no filter of this kind")


_INTEGER: Final[dict[str, Any]] = {"type": "integer", "format": "int64"}
_DECIMAL: Final[dict[str, Any]] = {"type": "string", "pattern": "^-?[0-9]+$"}

TEXT = Kind("text", {"type": "string"}, _render_same, parse_text)
INTEGER = Kind("integer", _INTEGER, _render_same, _parse_integer)
AMOUNT = Kind("amount", _DECIMAL, str, _parse_integer)
MONEY = Kind("money", {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{4}$"}, render_money, _refuse)
MOMENT = Kind("moment", {"type": "string"}, render_moment, parse_moment)
BYTES = Kind(
    "bytes", {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"},
    lambda value: "0x" + bytes(value).hex(), _parse_bytes,
)  # fmt: skip
FLAG = Kind("flag", {"type": "boolean"}, bool, _parse_flag)
DOCUMENT = Kind("document", {}, json.loads, _refuse)


def get_kind(column: Column[Any]) -> Kind:
    """Return how a column looks outside."""
    kind: Kind = column.info["kind"]
    return kind


def render(column: Column[Any], value: Any) -> Any:
    """Return a stored value as JSON shows it; absent values are null."""
    return None if value is None else get_kind(column).render(value)


def _make(
    name: str, sql: TypeEngine[Any], kind: Kind, about: str, key: bool, null: bool
) -> Column[Any]:
    return Column(
        name, sql, primary_key=key, nullable=null and not key, autoincrement=False,
        comment=about, info={"kind": kind},
    )  # fmt: skip


def text(name: str, about: str, *, key: bool = False, null: bool = False) -> Column[Any]:
    """A text; ids, names, states."""
    return _make(name, _make_text(), TEXT, about, key, null)


def integer(name: str, about: str, *, key: bool = False, null: bool = False) -> Column[Any]:
    """A number that every reader holds: heights, indexes, counts."""
    return _make(name, BigInteger(), INTEGER, about, key, null)


def kilograms(name: str, about: str, *, key: bool = False, null: bool = False) -> Column[Any]:
    """Kilograms of CO2e, or a serial: below 2^63, decimal text outside."""
    return _make(name, BigInteger(), AMOUNT, about, key, null)


def number(name: str, about: str, *, null: bool = False) -> Column[Any]:
    """An integer without bound (grams, readings): decimal text, inside too."""
    return _make(name, BigNumber(), AMOUNT, about, False, null)


def money(name: str, about: str, *, null: bool = False) -> Column[Any]:
    """An amount of money, or a price a tonne: 10^-4 inside, a decimal outside."""
    return _make(name, BigNumber(), MONEY, about, False, null)


def moment(name: str, about: str, *, null: bool = False) -> Column[Any]:
    """A time of the chain: whole seconds UTC."""
    return _make(name, BigInteger(), MOMENT, about, False, null)


def blob(name: str, about: str, *, key: bool = False, null: bool = False) -> Column[Any]:
    """Bytes: hashes, keys, ids of transactions."""
    return _make(name, LargeBinary(), BYTES, about, key, null)


def flag(name: str, about: str) -> Column[Any]:
    """True or false."""
    return _make(name, Boolean(), FLAG, about, False, False)


def document(name: str, about: str, *, null: bool = False) -> Column[Any]:
    """JSON as text: lists that nobody searches."""
    return _make(name, _make_text(), DOCUMENT, about, False, null)


def dump_document(value: Any) -> str:
    """Return the text of a ``document`` column: one form for one value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def without_nul(value: Any) -> Any:
    """Return a contract value that every engine keeps: the same text for the same text."""
    if isinstance(value, str):
        return value.replace("\0", REPLACED) if "\0" in value else value
    if isinstance(value, list | tuple):
        return [without_nul(item) for item in value]
    return value
