"""Arguments from JSON by a contract's ABI: what people type becomes contract values. Pure.

The ABI is the JSON that ``contract_abi`` answers; its types are written as in the
contract's source (``int``, ``Address``, ``list[Piece]``). Bytes are ``0x`` hex,
integers numbers or decimal text, a record an object by field or a list in order, a
dict an object or a list of pairs. The chain checks everything again: this is only for
errors that say where and what before anything is signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from primitives import limits
from primitives.codec import Value
from tools.client.errors import BadAnswer, UnknownMethod
from tools.client.results import Json, get_list, get_member

_GENERIC = re.compile(r"(list|dict|tuple)\[(.*)\]\Z")
_DECIMAL = re.compile(r"-?[0-9]{1,78}\Z")
_INT_MAX = 1 << (limits.INT_BITS - 1)


def parse_arguments(
    abi: Json, method: str, arguments: Sequence[Any] | Mapping[str, Any]
) -> tuple[Value, ...]:
    """Return the contract values of ``method``'s arguments, in order.

    Raises UnknownMethod naming the argument that does not fit, and how it should be.
    """
    functions = {str(get_member(item, "name")): item for item in get_list(abi, "functions")}
    function = functions.get(method)
    if function is None:
        known = ", ".join(sorted(functions))
        raise UnknownMethod(f"the contract has no method {method!r}; it has: {known}")
    parameters = [
        (str(get_member(item, "name")), str(get_member(item, "type")))
        for item in get_list(function, "parameters")
    ]
    given = _by_position(method, parameters, arguments)
    records = {str(get_member(item, "name")): item for item in abi.get("records", [])}
    return tuple(
        _convert(kind, value, name, records)
        for (name, kind), value in zip(parameters, given, strict=True)
    )


def _by_position(
    method: str,
    parameters: Sequence[tuple[str, str]],
    arguments: Sequence[Any] | Mapping[str, Any],
) -> list[Any]:
    shape = ", ".join(f"{name}: {kind}" for name, kind in parameters)
    names = [name for name, _ in parameters]
    if isinstance(arguments, Mapping):
        odd = sorted(set(arguments) ^ set(names))
        if odd:
            raise UnknownMethod(f"{method}({shape}): missing or unknown: {', '.join(odd)}")
        return [arguments[name] for name in names]
    if len(arguments) != len(names):
        raise UnknownMethod(
            f"{method}({shape}) takes {len(names)} argument(s), got {len(arguments)}"
        )
    return list(arguments)


def _convert(kind: str, value: Any, path: str, records: Mapping[str, Json]) -> Value:
    generic = _GENERIC.match(kind)
    if generic is not None:
        return _convert_generic(generic[1], split_types(generic[2]), value, path, records)
    if kind in records:
        return _convert_record(kind, value, path, records)
    if kind == "any":
        return _convert_any(value, path)
    return _convert_scalar(kind, value, path)


def _convert_scalar(kind: str, value: Any, path: str) -> Value:
    if kind == "int":
        if isinstance(value, str) and _DECIMAL.match(value):
            value = int(value)
        if type(value) is int and -_INT_MAX <= value < _INT_MAX:
            return value
    elif (
        (kind == "str" and isinstance(value, str))
        or (kind == "bool" and isinstance(value, bool))
        or (kind == "None" and value is None)
    ):
        return value
    elif kind in ("bytes", "Address"):
        return _convert_bytes(kind, value, path)
    raise UnknownMethod(f"{path}: expected {kind}, got {_describe(value)}")


def _convert_bytes(kind: str, value: Any, path: str) -> bytes:
    if isinstance(value, bytes):
        data = value
    elif isinstance(value, str) and value.startswith("0x"):
        try:
            data = bytes.fromhex(value[2:])
        except ValueError:
            raise UnknownMethod(f"{path}: not pairs of hex digits") from None
    else:
        raise UnknownMethod(f"{path}: expected {kind} as 0x hex, got {_describe(value)}")
    if kind == "Address" and len(data) != limits.ADDRESS_BYTES:
        raise UnknownMethod(f"{path}: an Address has 32 bytes, got {len(data)}")
    return data


def _convert_generic(
    outer: str, inner: Sequence[str], value: Any, path: str, records: Mapping[str, Json]
) -> Value:
    if outer == "dict" and isinstance(value, dict):
        value = [[key, item] for key, item in value.items()]
    if not isinstance(value, list | tuple):
        raise UnknownMethod(f"{path}: expected a list, got {_describe(value)}")
    if outer == "list":
        return [
            _convert(inner[0], item, f"{path}[{index}]", records)
            for index, item in enumerate(value)
        ]
    if outer == "tuple":
        if len(value) != len(inner):
            raise UnknownMethod(f"{path}: expected {len(inner)} items, got {len(value)}")
        return [
            _convert(kind, item, f"{path}[{index}]", records)
            for index, (kind, item) in enumerate(zip(inner, value, strict=True))
        ]
    pairs: list[Value] = []
    for index, pair in enumerate(value):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise UnknownMethod(f"{path}[{index}]: expected a pair of key and value")
        key = _convert(inner[0], pair[0], f"{path}[{index}] key", records)
        pairs.append([key, _convert(inner[1], pair[1], f"{path}[{pair[0]}]", records)])
    return pairs


def _convert_record(kind: str, value: Any, path: str, records: Mapping[str, Json]) -> Value:
    fields = [
        (str(get_member(item, "name")), str(get_member(item, "type")))
        for item in get_list(records[kind], "fields")
    ]
    shape = f"{kind}({', '.join(f'{name}: {field}' for name, field in fields)})"
    if isinstance(value, dict):
        odd = sorted(set(value) ^ {name for name, _ in fields})
        if odd:
            raise UnknownMethod(f"{path}: {shape}: missing or unknown: {', '.join(odd)}")
        value = [value[name] for name, _ in fields]
    if not isinstance(value, list | tuple) or len(value) != len(fields):
        raise UnknownMethod(f"{path}: expected {shape}, got {_describe(value)}")
    return [
        _convert(field, item, f"{path}.{name}", records)
        for (name, field), item in zip(fields, value, strict=True)
    ]


def _convert_any(value: Any, path: str) -> Value:
    if isinstance(value, list | tuple):
        return [_convert_any(item, path) for item in value]
    if value is None or isinstance(value, bool | int | str | bytes):
        return value
    raise UnknownMethod(f"{path}: no contract value, got {_describe(value)}")


def split_types(text: str) -> list[str]:
    """Return the parts of ``int, list[tuple[str, int]]``: commas inside brackets stay."""
    parts: list[str] = []
    depth = start = 0
    for position, character in enumerate(text):
        if character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    parts.append(text[start:].strip())
    if depth != 0 or not all(parts):
        raise BadAnswer("not a list of types", text=text)
    return parts


def _describe(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a fraction", str: "text"}
    return names.get(type(value), "an object" if isinstance(value, dict) else "a list")
