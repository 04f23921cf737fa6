"""Codecs of declared types: value to wire, wire to value. Built once when a contract is linked.

Wire values are what MessagePack holds: scalars and lists (a record is the list of its
fields, a dict the list of its pairs, an Address 32 bytes). ``to_wire`` checks exact
types, ``from_wire`` trusts what the VM itself wrote, ``parse_wire`` trusts nothing.
Each charges by element before the work. Source: docs/ARCHITECTURE.md, docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from primitives.codec import Value
from primitives.limits import ADDRESS_BYTES
from vm.gas import DICT_KEY_INT_LIMIT, INT_MAX, INT_MIN, VALUE_DEPTH_MAX
from vm.meter import OBJECT_BYTES, Meter, text_bytes
from vm.outcome import Fault
from vm.types import (
    EXACT,
    Address,
    DictType,
    ListType,
    Record,
    RecordType,
    Scalar,
    TupleType,
    Type,
    make_zero_wire,
)

Convert = Callable[[Any], Any]
PAIR_BYTES = 160
"""A dict entry with its key and value objects."""


def build_to_wire(kind: Type, meter: Meter) -> Convert:
    """Return the function that checks a value against ``kind`` and gives its wire form."""
    match kind:
        case Scalar("any"):
            return lambda value: dynamic_to_wire(value, meter)
        case Scalar("Address"):
            return _address_to_wire
        case Scalar("str" | "bytes" as name):
            return _build_sized(EXACT[name], meter)
        case Scalar(name):
            return _build_exact(EXACT[name])
        case ListType(Scalar("int" | "bool" as name)):
            return _build_plain_list(EXACT[name], meter)
        case ListType(item):
            return _build_list_to_wire(build_to_wire(item, meter), meter)
        case DictType(key, value):
            return _build_dict_to_wire(
                build_to_wire(key, meter), build_to_wire(value, meter), meter
            )
        case TupleType(items):
            return _build_row_to_wire(tuple, [build_to_wire(item, meter) for item in items], meter)
        case RecordType():
            fields = [build_to_wire(field, meter) for _, field in kind.fields]
            return _build_row_to_wire(kind.cls, fields, meter)


def _address_to_wire(value: object) -> bytes:
    if type(value) is not Address:
        raise Fault("type")
    return bytes(value)


def _build_exact(exact: type) -> Convert:
    def to_wire(value: Any) -> Any:
        if type(value) is not exact:
            raise Fault("type")
        return value

    return to_wire


def _build_sized(exact: type[Any], meter: Meter) -> Convert:
    """Long text is paid each time it is met: one text may stand in a list a million times."""

    def to_wire(value: Any) -> Any:
        if type(value) is not exact:
            raise Fault("type")
        if len(value) > OBJECT_BYTES:
            meter.charge_copy(4 * len(value))
        return value

    return to_wire


def _build_plain_list(exact: type, meter: Meter) -> Convert:
    price = meter.schedule.wire_item

    def to_wire(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Fault("type")
        meter.charge(price * len(value))
        meter.allocate(OBJECT_BYTES * (1 + len(value)))
        if value and set(map(type, value)) != {exact}:
            raise Fault("type")
        return list(value)

    return to_wire


def _build_list_to_wire(item: Convert, meter: Meter) -> Convert:
    price = meter.schedule.wire_item

    def to_wire(value: object) -> list[Any]:
        if type(value) is not list:
            raise Fault("type")
        meter.charge(price * len(value))
        meter.allocate(OBJECT_BYTES * (1 + len(value)))
        return [item(element) for element in value]

    return to_wire


def _build_dict_to_wire(key: Convert, item: Convert, meter: Meter) -> Convert:
    price = meter.schedule.wire_pair

    def to_wire(value: object) -> list[Any]:
        if type(value) is not dict:
            raise Fault("type")
        meter.charge(price * len(value))
        meter.allocate(OBJECT_BYTES + PAIR_BYTES * len(value))
        return [[key(name), item(element)] for name, element in value.items()]

    return to_wire


def price_row(size: int, meter: Meter) -> int:
    """Return the gas of converting a tuple or record of ``size`` parts."""
    return meter.schedule.slow_path + 2 * meter.schedule.item * size


def _build_row_to_wire(exact: type[Any], items: list[Convert], meter: Meter) -> Convert:
    price, size = price_row(len(items), meter), len(items)

    def to_wire(value: Any) -> list[Any]:
        if type(value) is not exact or len(value) != size:
            raise Fault("type")
        meter.charge(price)
        meter.allocate(OBJECT_BYTES * (1 + size))
        return [item(element) for item, element in zip(items, value, strict=True)]

    return to_wire


def build_from_wire(kind: Type, meter: Meter) -> Convert | None:
    """Return the function that turns trusted wire into a value; None where they are equal."""
    match kind:
        case Scalar("any"):
            return lambda wire: copy_wire(wire, meter)
        case Scalar("Address"):
            return Address
        case Scalar():
            return None
        case ListType(item):
            return _build_list_from_wire(build_from_wire(item, meter), meter)
        case DictType(key, value):
            return _build_dict_from_wire(
                build_from_wire(key, meter), build_from_wire(value, meter), meter
            )
        case TupleType(items):
            return _build_row_from_wire(tuple, list(items), meter)
        case RecordType():
            return _build_row_from_wire(kind.cls, [field for _, field in kind.fields], meter)


def _build_list_from_wire(item: Convert | None, meter: Meter) -> Convert:
    price = meter.schedule.wire_item

    def from_wire(wire: list[Any]) -> list[Any]:
        meter.charge(price * len(wire))
        meter.allocate(OBJECT_BYTES * (1 + len(wire)))
        return list(wire) if item is None else [item(element) for element in wire]

    return from_wire


def _build_dict_from_wire(key: Convert | None, item: Convert | None, meter: Meter) -> Convert:
    price = meter.schedule.wire_pair
    to_key: Convert = key or _same
    to_item: Convert = item or _same

    def from_wire(wire: list[Any]) -> dict[Any, Any]:
        meter.charge(price * len(wire))
        meter.allocate(OBJECT_BYTES + PAIR_BYTES * len(wire))
        return {to_key(name): to_item(element) for name, element in wire}

    return from_wire


def _same(value: Any) -> Any:
    return value


def _build_row_from_wire(cls: type[tuple[Any, ...]], kinds: list[Type], meter: Meter) -> Convert:
    """Rows are tuples and records; an older, shorter record is filled with zeros."""
    converters = [build_from_wire(kind, meter) for kind in kinds]
    zeros = [make_zero_wire(kind) for kind in kinds]
    changed = [(index, convert) for index, convert in enumerate(converters) if convert is not None]
    size, price = len(kinds), price_row(len(kinds), meter)
    memory = OBJECT_BYTES * (1 + size)
    new = tuple.__new__

    def from_wire(wire: list[Any]) -> tuple[Any, ...]:
        meter.charge(price)
        meter.allocate(memory)
        row = wire + zeros[len(wire) :] if len(wire) < size else list(wire)
        for index, convert in changed:
            row[index] = convert(row[index])
        return new(cls, row)

    return from_wire


def build_parse_wire(kind: Type, meter: Meter) -> Convert:
    """Return the function that checks untrusted wire against ``kind``: ``fault arguments``."""
    match kind:
        case Scalar(name):
            return _build_scalar_parser(name, meter)
        case ListType(item):
            return _build_list_parser(build_parse_wire(item, meter), meter)
        case DictType(key, value):
            return _build_dict_parser(
                build_parse_wire(key, meter), build_parse_wire(value, meter), meter
            )
        case TupleType(items):
            return _build_row_parser(
                tuple, [build_parse_wire(item, meter) for item in items], meter
            )
        case RecordType():
            fields = [build_parse_wire(field, meter) for _, field in kind.fields]
            return _build_row_parser(kind.cls, fields, meter)


def _build_scalar_parser(name: str, meter: Meter) -> Convert:
    if name == "any":
        return lambda wire: copy_wire(wire, meter)
    exact: type[Any] = EXACT[name]

    def parse_plain(wire: Any) -> Any:
        if type(wire) is not exact:
            raise Fault("arguments")
        return wire

    def parse_int(wire: Any) -> int:
        if type(wire) is not int or not INT_MIN <= wire <= INT_MAX:
            raise Fault("arguments")
        return wire

    def parse_sized(wire: Any) -> Any:
        if type(wire) is not exact:
            raise Fault("arguments")
        if exact is str and not is_encodable(wire):
            raise Fault("arguments")
        meter.charge_text(text_bytes(wire) if exact is str else len(wire))
        return wire

    def parse_address(wire: Any) -> Address:
        if type(wire) not in (bytes, Address) or len(wire) != ADDRESS_BYTES:
            raise Fault("arguments")
        return Address(wire)

    return {
        "int": parse_int,
        "str": parse_sized,
        "bytes": parse_sized,
        "Address": parse_address,
    }.get(name, parse_plain)


def is_encodable(text: str) -> bool:
    """Whether a text has UTF-8 bytes: half a surrogate pair has none."""
    if text.isascii():
        return True
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _build_list_parser(item: Convert, meter: Meter) -> Convert:
    price = meter.schedule.wire_item

    def parse(wire: object) -> list[Any]:
        if type(wire) is not list:
            raise Fault("arguments")
        meter.charge(price * len(wire))
        meter.allocate(OBJECT_BYTES * (1 + len(wire)))
        return [item(element) for element in wire]

    return parse


def _build_dict_parser(key: Convert, item: Convert, meter: Meter) -> Convert:
    price = meter.schedule.wire_pair

    def parse(wire: object) -> dict[Any, Any]:
        if type(wire) is not list:
            raise Fault("arguments")
        meter.charge(price * len(wire))
        meter.allocate(OBJECT_BYTES + PAIR_BYTES * len(wire))
        result: dict[Any, Any] = {}
        for pair in wire:
            if type(pair) is not list or len(pair) != 2:
                raise Fault("arguments")
            name = key(pair[0])
            if type(name) is int and not -DICT_KEY_INT_LIMIT < name < DICT_KEY_INT_LIMIT:
                raise Fault("arguments")
            if name in result:
                raise Fault("arguments")
            result[name] = item(pair[1])
        return result

    return parse


def _build_row_parser(cls: type[tuple[Any, ...]], items: list[Convert], meter: Meter) -> Convert:
    price, size, new = price_row(len(items), meter), len(items), tuple.__new__

    def parse(wire: object) -> tuple[Any, ...]:
        if type(wire) is not list or len(wire) != size:
            raise Fault("arguments")
        meter.charge(price)
        meter.allocate(OBJECT_BYTES * (1 + size))
        return new(cls, [item(element) for item, element in zip(items, wire, strict=True)])

    return parse


def dynamic_to_wire(value: Any, meter: Meter, depth: int = VALUE_DEPTH_MAX) -> Value:
    """Return the wire form of any value of the language, by its exact type."""
    exact = type(value)
    if value is None or exact is int or exact is bool:
        return value  # type: ignore[no-any-return]  # one of these scalars
    if exact is str or exact is bytes:
        if len(value) > OBJECT_BYTES:
            meter.charge_copy(4 * len(value))
        return value  # type: ignore[no-any-return]  # text or bytes
    if exact is Address:
        return bytes(value)
    if depth == 0:
        raise Fault("depth")
    if exact is dict:
        meter.charge(meter.schedule.wire_pair * len(value))
        meter.allocate(OBJECT_BYTES + PAIR_BYTES * len(value))
        return [
            [dynamic_to_wire(name, meter), dynamic_to_wire(item, meter, depth - 1)]
            for name, item in value.items()
        ]
    if exact is list or exact is tuple or isinstance(value, Record):
        meter.charge(meter.schedule.slow_path + 2 * meter.schedule.item * len(value))
        meter.allocate(OBJECT_BYTES * (1 + len(value)))
        return [dynamic_to_wire(item, meter, depth - 1) for item in value]
    raise Fault("type")


def copy_wire(wire: Any, meter: Meter, depth: int = VALUE_DEPTH_MAX) -> Any:
    """Return a copy of untyped wire, charged by element."""
    if type(wire) is not list:
        if type(wire) in (str, bytes):
            meter.charge_copy(4 * len(wire))
        return wire
    if depth == 0:
        raise Fault("depth")
    meter.charge(meter.schedule.wire_item * (1 + len(wire)))
    meter.allocate(OBJECT_BYTES * (1 + len(wire)))
    return [copy_wire(item, meter, depth - 1) for item in wire]


def measure_wire(wire: list[Any], depth: int, items: int) -> int:
    """Return what is left of ``items``; faults on a result beyond what a receipt may hold."""
    items -= len(wire)
    if depth == 0:
        raise Fault("depth")
    if items < 0:
        raise Fault("size")
    for item in wire:
        if type(item) is list:
            items = measure_wire(item, depth - 1, items)
    return items
