"""Wire values as a test wants to read them: records by field, dicts as dicts.

A record becomes a named tuple, equal to the tuple of its fields; an Address stays its 32 bytes.
Never judges: what a contract returned has been checked against its types.
"""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any

from vm.types import DictType, ListType, RecordType, Scalar, TupleType, Type


def make_readable(kind: Type, wire: Any) -> Any:
    """Return the wire value of ``kind`` in Python's own types."""
    match kind:
        case ListType(item):
            return [make_readable(item, element) for element in wire]
        case TupleType(items):
            return tuple(make_readable(item, part) for item, part in zip(items, wire, strict=True))
        case DictType(key, value):
            pairs = [(make_readable(key, name), make_readable(value, item)) for name, item in wire]
            return dict(pairs)
        case RecordType():
            parts = zip(kind.fields, wire, strict=True)
            make = _get_row(kind.name, tuple(name for name, _ in kind.fields))
            return make(*[make_readable(field, part) for (_, field), part in parts])
        case Scalar():
            return wire


@cache
def _get_row(name: str, fields: tuple[str, ...]) -> Any:
    return namedtuple(name, fields)
