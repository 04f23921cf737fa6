"""The ABI: a contract's manifest from its type hints, its JSON Schema, JSON conversions.

Never runs a contract. JSON forms follow the node's RPC: bytes and addresses as ``0x``
hex, integers beyond 2^53 as decimal strings, records as objects, dicts with text keys
as objects and others as lists of pairs. Source: docs/contracts.md, "ABI".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from primitives.codec import Value
from primitives.errors import CarbonodeError
from primitives.limits import ADDRESS_BYTES, INT_BITS
from vm.declarations import Contract, Function
from vm.outcome import VmEvent
from vm.types import EXACT, DictType, ListType, RecordType, Scalar, TupleType, Type, describe_type

ABI_VERSION: Final = 1
JSON_INTEGER_MAX: Final = 1 << 53
"""Beyond this JavaScript's numbers lose digits."""
_DECIMAL = re.compile(r"-?[0-9]{1,78}\Z")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z")
_INT_LIMIT: Final = 1 << (INT_BITS - 1)


class AbiError(CarbonodeError):
    """An argument that does not fit the declared type, or a method that is not there."""

    code = "arguments"


class Abi:
    """functions, parameters, docs, records, events, storage of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    @property
    def methods(self) -> tuple[str, ...]:
        """Names that can be called from outside."""
        functions = self._contract.functions.values()
        return tuple(item.name for item in functions if item.role in ("export", "view"))

    @property
    def init(self) -> str | None:
        """The @init function's name."""
        functions = self._contract.functions.values()
        return next((item.name for item in functions if item.role == "init"), None)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as a JSON document."""
        contract = self._contract
        records = [_describe_record(item, contract) for item in contract.records.values()]
        return {
            "abiVersion": ABI_VERSION,
            "doc": contract.doc,
            "functions": [
                {
                    "name": item.name,
                    "role": item.role,
                    "doc": item.doc,
                    "parameters": [
                        {"name": name, "type": describe_type(kind)}
                        for name, kind in item.parameters
                    ],
                    "returns": describe_type(item.returns),
                }
                for item in contract.functions.values()
                if item.role
            ],
            "records": [item for item in records if not contract.records[item["name"]].is_event],
            "events": [item for item in records if contract.records[item["name"]].is_event],
            "storage": [
                {
                    "name": item.name,
                    "kind": "Var" if item.key is None else "Map",
                    **({} if item.key is None else {"key": describe_type(item.key)}),
                    "value": describe_type(item.value),
                }
                for item in contract.variables.values()
            ],
        }

    def to_json_schema(self) -> dict[str, Any]:
        """Return a JSON Schema: ``$defs`` holds each function's arguments and each event."""
        definitions: dict[str, Any] = {}
        for function in self._contract.functions.values():
            if function.role:
                definitions[function.name] = _make_object_schema(function.parameters)
                definitions[function.name + ".result"] = make_schema(function.returns)
        for record in self._contract.records.values():
            definitions[record.name] = make_schema(record)
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": definitions,
        }

    def get_function(self, method: str) -> Function:
        """Return a callable method or the init; raises AbiError (``no-method``)."""
        function = self._contract.functions.get(method)
        if function is None or not function.role:
            raise AbiError("no such method", code="no-method", method=method)
        return function

    def arguments_from_json(
        self, method: str, arguments: list[Any] | dict[str, Any]
    ) -> tuple[Value, ...]:
        """Return the wire arguments of ``method``; raises AbiError naming what does not fit."""
        return self._read_arguments(method, arguments, value_from_json)

    def arguments_from_literals(
        self, method: str, arguments: list[Any] | dict[str, Any]
    ) -> tuple[Value, ...]:
        """As ``arguments_from_json`` for Python literals: bytes are bytes, text is no number."""
        return self._read_arguments(method, arguments, value_from_literal)

    def _read_arguments(
        self,
        method: str,
        arguments: list[Any] | dict[str, Any],
        convert: Callable[[Type, Any, str], Value],
    ) -> tuple[Value, ...]:
        parameters = self.get_function(method).parameters
        if isinstance(arguments, dict):
            names = [name for name, _ in parameters]
            if set(arguments) != set(names):
                raise AbiError("parameters differ", expected=names, given=sorted(arguments))
            arguments = [arguments[name] for name in names]
        if len(arguments) != len(parameters):
            raise AbiError("number of arguments", expected=len(parameters), given=len(arguments))
        return tuple(
            convert(kind, value, name)
            for (name, kind), value in zip(parameters, arguments, strict=True)
        )

    def result_to_json(self, method: str, value: Value) -> Any:
        """Return the JSON form of ``method``'s wire result."""
        return value_to_json(self.get_function(method).returns, value)

    def event_to_json(self, event: VmEvent) -> dict[str, Any]:
        """Return {"contract", "name", "fields": {name: value}}."""
        record = self._contract.records.get(event.name)
        if record is None or len(record.fields) != len(event.values):
            raise AbiError("no such event", code="no-event", name=event.name)
        fields = zip(record.fields, event.values, strict=True)
        return {
            "contract": event.contract,
            "name": event.name,
            "fields": {name: value_to_json(kind, value) for (name, kind), value in fields},
        }


def _describe_record(record: RecordType, contract: Contract) -> dict[str, Any]:
    return {
        "name": record.name,
        "doc": contract.record_docs.get(record.name, ""),
        "fields": [{"name": name, "type": describe_type(kind)} for name, kind in record.fields],
    }


def value_to_json(kind: Type, wire: Any) -> Any:
    """Return the JSON form of a wire value of ``kind``."""
    match kind:
        case ListType(item):
            return [value_to_json(item, element) for element in wire]
        case TupleType(items):
            return [value_to_json(item, part) for item, part in zip(items, wire, strict=True)]
        case DictType(key, item):
            if key == Scalar("str"):
                return {name: value_to_json(item, element) for name, element in wire}
            return [
                [value_to_json(key, name), value_to_json(item, element)] for name, element in wire
            ]
        case RecordType():
            fields = zip(kind.fields, wire, strict=True)
            return {name: value_to_json(field, element) for (name, field), element in fields}
        case Scalar():
            return _scalar_to_json(wire)


def _scalar_to_json(wire: Any) -> Any:
    if isinstance(wire, bytes):
        return "0x" + wire.hex()
    if type(wire) is int and not -JSON_INTEGER_MAX <= wire <= JSON_INTEGER_MAX:
        return str(wire)
    if isinstance(wire, list):
        return [_scalar_to_json(item) for item in wire]
    return wire


def value_from_json(kind: Type, value: Any, where: str = "value") -> Value:
    """Return the wire form of a JSON value; raises AbiError naming ``where``."""
    if isinstance(kind, Scalar):
        if kind.name == "int" and type(value) is str and _DECIMAL.match(value):
            value = int(value)
        if kind.name == "bytes" and type(value) is str and _HEX.match(value):
            value = bytes.fromhex(value[2:])
        return _check_scalar(kind.name, value, where)
    return _read_container(kind, value, where, value_from_json)


def value_from_literal(kind: Type, value: Any, where: str = "value") -> Value:
    """Return the wire form of a Python literal; bytes and addresses may be written '0x...'."""
    if isinstance(kind, Scalar):
        if kind.name == "bytes" and type(value) is str and _HEX.match(value):
            value = bytes.fromhex(value[2:])
        return _check_scalar(kind.name, value, where)
    return _read_container(kind, value, where, value_from_literal)


def _check_scalar(name: str, value: Any, where: str) -> Value:
    if name == "Address" and type(value) is str and _HEX.match(value):
        value = bytes.fromhex(value[2:])
    if name == "int":
        fits = type(value) is int and -_INT_LIMIT <= value < _INT_LIMIT
    elif name == "str":
        fits = type(value) is str and _is_encodable(value)
    elif name == "Address":
        fits = isinstance(value, bytes) and len(value) == ADDRESS_BYTES
    else:
        fits = name == "any" or type(value) is EXACT[name]
    if not fits:
        raise AbiError(f"{where} is not {name}", given=repr(value)[:80])
    return value  # type: ignore[no-any-return]  # the table has just proved the type


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _read_container(
    kind: Type, value: Any, where: str, convert: Callable[[Type, Any, str], Value]
) -> Value:
    rows = list(value) if isinstance(value, list | tuple) else None
    match kind:
        case ListType(item) if rows is not None:
            return [convert(item, element, f"{where}[{i}]") for i, element in enumerate(rows)]
        case TupleType(items) if rows is not None and len(rows) == len(items):
            return [convert(item, part, where) for item, part in zip(items, rows, strict=True)]
        case DictType(key, item):
            pairs = list(value.items()) if isinstance(value, dict) else rows
            if pairs is not None and all(_is_pair(pair) for pair in pairs):
                return [
                    [convert(key, k, where), convert(item, v, f"{where}[{k!r}]")] for k, v in pairs
                ]
        case RecordType():
            if isinstance(value, dict) and set(value) == {name for name, _ in kind.fields}:
                rows = [value[name] for name, _ in kind.fields]
            if rows is not None and len(rows) == len(kind.fields):
                return [
                    convert(field, part, f"{where}.{name}")
                    for (name, field), part in zip(kind.fields, rows, strict=True)
                ]
    raise AbiError(f"{where} is not {describe_type(kind)}", given=repr(value)[:80])


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list | tuple) and len(pair) == 2


_SCALAR_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "int": {
        "anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]{1,78}$"}],
        "description": "signed 256-bit; beyond 2^53 a decimal string",
    },
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"},
    "Address": {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"},
    "None": {"type": "null"},
    "any": {},
}


def make_schema(kind: Type) -> dict[str, Any]:
    """Return the JSON Schema of a type."""
    match kind:
        case Scalar(name):
            return dict(_SCALAR_SCHEMAS[name])
        case ListType(item):
            return {"type": "array", "items": make_schema(item)}
        case TupleType(items):
            return _make_row_schema([make_schema(item) for item in items])
        case DictType(key, value):
            pair = _make_row_schema([make_schema(key), make_schema(value)])
            pairs = {"type": "array", "items": pair}
            if key != Scalar("str"):
                return pairs
            return {
                "anyOf": [{"type": "object", "additionalProperties": make_schema(value)}, pairs]
            }
        case RecordType():
            return _make_object_schema(kind.fields)


def _make_row_schema(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}


def _make_object_schema(fields: tuple[tuple[str, Type], ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: make_schema(kind) for name, kind in fields},
        "required": [name for name, _ in fields],
        "additionalProperties": False,
    }
