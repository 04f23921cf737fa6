"""What generated programs may import: the words of every module, read from its own text.

A module that is added to the library is met here without a word about it.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from vm.declarations import Contract, Problems, read_declarations
from vm.inclusion import DIGESTS, load_module
from vm.types import NONE, DictType, ListType, RecordType, Scalar, TupleType, Type

Kind = Any

HINTS = {
    "rounding": ("'down'", "'up'", "'half-even'"), "year": ("2024", "1900", "2000", "1", "9999"),
    "month": ("1", "2", "12"), "day": ("1", "28", "29", "31"), "days": ("0", "59", "719162"),
    "months": ("0", "1", "13", "-5"), "years": ("1", "-4", "0"),
    "seconds": ("0", "86399", "1709164800"), "xs": ("[1, 5, 9]", "[0]"), "ys": ("[7, 2, 3]",),
    "x": ("1", "4", "9"), "n": ("0", "1", "99", "2 ** 200"), "c": ("1", "3", "7"),
    "start": ("0", "3"), "end": ("5", "9"), "role": ("0", "1", "5"), "step": ("1", "10"),
    "decimals": ("0", "2"), "wanted": ("0", "3"), "weights": ("[1]", "[1, 2, 3]", "[0, 5]"),
    "low": ("0", "-3"), "high": ("8", "3"), "serial": ("0", "4"), "at": ("1", "4"),
}  # fmt: skip
"""Arguments by the parameter's name: ones drawn blindly would be refused nearly always."""


@dataclass
class Words:
    """A module: its functions (parameters, result) and its records (fields)."""

    functions: dict[str, tuple[list[tuple[str, Kind]], Kind | None]] = field(default_factory=dict)
    records: dict[str, tuple[tuple[str, Kind], ...]] = field(default_factory=dict)
    constants: dict[str, Kind] = field(default_factory=dict)


def kind_of(kind: Type) -> Kind:
    """The generator's name for a type; None for one that it has no word for."""
    match kind:
        case Scalar(name):
            return name if name in ("int", "str", "bool", "bytes", "Address") else None
        case RecordType():
            return ("record", kind.name)
        case ListType(item):
            return _whole("list", kind_of(item))
        case DictType(key, value):
            return _whole("dict", kind_of(key), kind_of(value))
        case TupleType(items):
            return _whole("tuple", *map(kind_of, items))
    return None


def _whole(*parts: Kind) -> Kind:
    return None if None in parts else parts


def read_words(declared: Contract) -> Words:
    """The words that a module's declarations offer."""
    words = Words()
    for name, record in declared.records.items():
        words.records[name] = tuple((word, kind_of(kind)) for word, kind in record.fields)
    for name, function in declared.functions.items():
        parameters = [(word, kind_of(kind)) for word, kind in function.parameters]
        returns = kind_of(function.returns)
        if all(kind for _, kind in parameters) and (returns or function.returns == NONE):
            words.functions[name] = (parameters, returns)
    words.constants = {
        name: kind
        for name, value in declared.constants.items()
        if (kind := {int: "int", str: "str"}.get(type(value)))
    }
    return words


@cache
def list_modules() -> dict[str, Words]:
    """Every module of the library."""
    return {
        name: read_words(read_declarations(load_module(name).tree, Problems())) for name in DIGESTS
    }


@cache
def list_records() -> dict[str, tuple[tuple[str, Kind], ...]]:
    """The fields of every record of the library."""
    return {name: row for words in list_modules().values() for name, row in words.records.items()}


def find_records(kind: Kind) -> list[str]:
    """The records of the library that a kind is made of."""
    if isinstance(kind, str) or kind is None:
        return []
    if kind[0] == "record":
        inner = [name for _, item in list_records().get(kind[1], ()) for name in find_records(item)]
        return [kind[1], *inner] if kind[1] in list_records() else []
    return [name for item in kind[1:] for name in find_records(item)]
