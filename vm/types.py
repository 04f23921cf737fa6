"""Declared types and the two values that Python lacks: Address and records.

A guard dispatches on a value's exact type, so neither class overrides anything that
bytes or tuple does. Holds no codec (vm/codecs.py) and no syntax (vm/declarations.py).
Source: docs/contracts.md, "Types".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final


class Address(bytes):
    """32 bytes: an account or a contract. Its own type in the language."""

    __slots__ = ()


class Record(tuple[Any, ...]):
    """Base of a contract's records and events: immutable, fields by position."""

    __slots__ = ()
    type_name: ClassVar[str] = ""
    is_event: ClassVar[bool] = False
    indexes: ClassVar[dict[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Scalar:
    """int, str, bool, bytes, Address, None, or any (a result without annotation)."""

    name: str


INT: Final = Scalar("int")
STR: Final = Scalar("str")
BOOL: Final = Scalar("bool")
BYTES: Final = Scalar("bytes")
ADDRESS: Final = Scalar("Address")
NONE: Final = Scalar("None")
ANY: Final = Scalar("any")


@dataclass(frozen=True, slots=True)
class ListType:
    item: Type


@dataclass(frozen=True, slots=True)
class DictType:
    key: Type
    value: Type


@dataclass(frozen=True, slots=True)
class TupleType:
    items: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record or an event of one contract; ``cls`` is what its values are made of.

    ``size`` and ``depth`` are those of the type written out, see ``measure_type``.
    """

    name: str
    fields: tuple[tuple[str, Type], ...]
    is_event: bool
    cls: type[Record]
    size: int
    depth: int


Type = Scalar | ListType | DictType | TupleType | RecordType

SCALARS: Final = {
    "int": INT, "str": STR, "bool": BOOL, "bytes": BYTES, "Address": ADDRESS, "None": NONE
}  # fmt: skip
KEY_SCALARS: Final = frozenset({"int", "str", "bytes", "Address"})
EXACT: Final[dict[str, type]] = {
    "int": int, "str": str, "bool": bool, "bytes": bytes, "Address": Address, "None": type(None)
}  # fmt: skip
"""The exact Python type that holds each scalar."""


def make_record_type(name: str, fields: tuple[tuple[str, Type], ...], is_event: bool) -> RecordType:
    """Return a record type with a class of its own."""
    cls = type(
        name,
        (Record,),
        {
            "__slots__": (),
            "type_name": name,
            "is_event": is_event,
            "indexes": {field: index for index, (field, _) in enumerate(fields)},
        },
    )
    measures = [measure_type(kind) for _, kind in fields]
    size = 1 + sum(measure[0] for measure in measures)
    depth = 1 + max((measure[1] for measure in measures), default=0)
    return RecordType(name, fields, is_event, cls, size, depth)


def measure_type(kind: Type) -> tuple[int, int]:
    """Return (parts, depth) of a type with its records written out.

    A record of two records of two records doubles at each level, in codecs and in values
    alike: vm/declarations.py bounds both before anything else looks at a type.
    """
    match kind:
        case RecordType():
            return kind.size, kind.depth
        case Scalar():
            return 1, 1
        case ListType(item):
            inner = [item]
        case DictType(key, value):
            inner = [key, value]
        case TupleType(items):
            inner = list(items)
    measures = [measure_type(item) for item in inner]
    return 1 + sum(size for size, _ in measures), 1 + max(depth for _, depth in measures)


def describe_type(kind: Type) -> str:
    """Return the type as a contract writes it: ``dict[str, list[int]]``."""
    match kind:
        case Scalar(name):
            return name
        case ListType(item):
            return f"list[{describe_type(item)}]"
        case DictType(key, value):
            return f"dict[{describe_type(key)}, {describe_type(value)}]"
        case TupleType(items):
            return f"tuple[{', '.join(describe_type(item) for item in items)}]"
        case RecordType():
            return kind.name


def make_zero_wire(kind: Type) -> Any:
    """Return the wire form that an appended record field has in older values."""
    match kind:
        case Scalar(name):
            zeros = {"int": 0, "str": "", "bool": False, "bytes": b"", "Address": bytes(32)}
            return zeros.get(name)
        case ListType() | DictType():
            return []
        case TupleType(items):
            return [make_zero_wire(item) for item in items]
        case RecordType():
            return [make_zero_wire(field) for _, field in kind.fields]
