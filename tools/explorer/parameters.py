"""Parameters of the interface: read from text, and described for OpenAPI. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Column

from tools.explorer.problems import Problem
from tools.indexer.columns import get_kind

PAGE_MAX: Final = 500
PAGE_DEFAULT: Final = 50
INTEGER_MAX: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: in the query, or a part of the path (``in_path``)."""

    name: str
    about: str
    schema: dict[str, Any]
    parse: Callable[[str], Any]
    default: Any = None
    in_path: bool = False

    def to_openapi(self) -> dict[str, Any]:
        """Return the OpenAPI object."""
        document: dict[str, Any] = {
            "name": self.name,
            "in": "path" if self.in_path else "query",
            "required": self.in_path,
            "description": self.about,
            "schema": self.schema,
        }
        return document


def make_choice(name: str, about: str, choices: Sequence[str]) -> Parameter:
    """Return a parameter of a few words; the first one is the default."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return Parameter(name, about, {"type": "string", "enum": list(choices)}, parse, choices[0])


def make_flag(name: str, about: str) -> Parameter:
    """Return a parameter that is true or false."""
    choice = make_choice(name, about, ("false", "true"))
    return replace(
        choice, schema={"type": "boolean"}, parse=lambda text: choice.parse(text) == "true",
        default=False,
    )  # fmt: skip


def make_integer(
    name: str, about: str, least: int, most: int, default: int | None = None
) -> Parameter:
    """Return a parameter that is a whole number within bounds."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.removeprefix("-").isdecimal() or len(text) > 20:
            raise ValueError("not an integer")
        value = int(text)
        if not least <= value <= most:
            raise ValueError(f"from {least} to {most}")
        return value

    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    if default is not None:
        schema["default"] = default
    return Parameter(name, about, schema, parse, default)


def make_text(name: str, about: str, most: int = 256) -> Parameter:
    """Return a parameter that is a text."""

    def parse(text: str) -> str:
        if not 1 <= len(text) <= most:
            raise ValueError(f"1 to {most} characters")
        if "\0" in text:
            raise ValueError("no NUL")
        text.encode()
        return text

    return Parameter(name, about, {"type": "string", "minLength": 1, "maxLength": most}, parse)


def in_path(parameter: Parameter) -> Parameter:
    """Return the parameter as a part of the path."""
    return replace(parameter, in_path=True)


def make_filter(column: Column[Any]) -> Parameter:
    """Return the filter by a column: rows whose value is this one."""
    kind = get_kind(column)
    schema = dict(kind.schema)
    if kind.name == "integer":
        schema["maximum"], schema["minimum"] = INTEGER_MAX, -INTEGER_MAX - 1
    return Parameter(column.name, column.comment or "", schema, kind.parse)


def make_segment(column: Column[Any]) -> Parameter:
    """Return a part of a path: a value of the key."""
    return in_path(make_filter(column))


def read(parameters: Sequence[Parameter], given: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the values by name; Problem for an unknown, repeated or wrong one."""
    known = {parameter.name: parameter for parameter in parameters}
    odd = sorted(set(given) - set(known))
    if odd:
        raise Problem("bad-parameter", f"unknown parameter {odd[0][:64]!r}")
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        texts = given.get(name, [])
        if len(texts) > 1:
            raise Problem("bad-parameter", f"{name}: given twice")
        try:
            values[name] = parameter.parse(texts[0]) if texts else parameter.default
        except (ValueError, OverflowError) as error:
            raise Problem("bad-parameter", f"{name}: {error}") from None
    return values


LIMIT: Final = make_integer("limit", "items in a page", 1, PAGE_MAX, PAGE_DEFAULT)
CURSOR: Final = make_text("cursor", "next_cursor of the page before", 1_024)
ORDER_UP: Final = make_choice("order", "by the key", ("asc", "desc"))
ORDER_DOWN: Final = make_choice("order", "by the key", ("desc", "asc"))
PROOF: Final = make_flag(
    "proof", "add the node's proof, with the certificate of its block; verified here before"
)
FROM_HEIGHT: Final = make_integer("from_height", "not below this height", 0, INTEGER_MAX)
TO_HEIGHT: Final = make_integer("to_height", "not above this height", 0, INTEGER_MAX)
