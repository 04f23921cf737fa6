"""Argument types of RPC methods: each one parses and describes itself.

One object gives both the check and the JSON Schema of the OpenRPC document, so the
two cannot drift apart. Bytes are ``0x`` and lower-case hex; integers above 2^53 are
decimal strings (a JavaScript number cannot hold them).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from node.rpc.errors import invalid_params

SAFE_INTEGER_MAX = 1 << 53
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*\Z")
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_CURSOR = re.compile(r"[0-9A-Za-z_-]{1,256}\Z")
_REQUIRED: Any = object()


class Kind(Protocol):
    """What an argument may be."""

    def parse(self, value: Any, name: str) -> Any:
        """Return the parsed argument, or raise RpcError -32602 naming ``name``."""
        ...

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        ...


@dataclass(frozen=True, slots=True)
class Hex:
    """Bytes as ``0x`` hex: exactly ``size``, or at most ``max`` bytes."""

    size: int | None = None
    max: int = 0

    def parse(self, value: Any, name: str) -> bytes:
        bound = self.max if self.size is None else self.size
        if type(value) is not str:
            raise invalid_params(f"{name}: expected 0x hex text, got {describe(value)}")
        if len(value) > 2 + 2 * bound:
            raise invalid_params(f"{name}: at most {bound} bytes", size=(len(value) - 2) // 2)
        if not _HEX.match(value):
            raise invalid_params(f"{name}: expected 0x and pairs of lower-case hex digits")
        if self.size is not None and len(value) != 2 + 2 * self.size:
            raise invalid_params(f"{name}: expected {self.size} bytes", size=(len(value) - 2) // 2)
        return bytes.fromhex(value[2:])

    def to_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"}
        if self.size is not None:
            schema["pattern"] = f"^0x[0-9a-f]{{{2 * self.size}}}$"
        else:
            schema["maxLength"] = 2 + 2 * self.max
        return schema


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer from ``min`` to ``max``, as a number or a decimal string."""

    min: int = 0
    max: int = (1 << 63) - 1

    def parse(self, value: Any, name: str) -> int:
        if type(value) is str and _DECIMAL.match(value):
            value = int(value)
        if type(value) is not int:
            raise invalid_params(f"{name}: expected an integer, got {describe(value)}")
        if not self.min <= value <= self.max:
            raise invalid_params(f"{name}: expected {self.min} to {self.max}")
        return value

    def to_schema(self) -> dict[str, Any]:
        return {"type": ["integer", "string"], "minimum": self.min, "maximum": self.max}


@dataclass(frozen=True, slots=True)
class Text:
    """Text of at most ``max`` characters; with ``options``, one of them."""

    max: int = 256
    options: tuple[str, ...] = ()

    def parse(self, value: Any, name: str) -> str:
        if type(value) is not str:
            raise invalid_params(f"{name}: expected text, got {describe(value)}")
        if len(value) > self.max:
            raise invalid_params(f"{name}: at most {self.max} characters", size=len(value))
        if self.options and value not in self.options:
            raise invalid_params(f"{name}: expected one of {', '.join(self.options)}")
        return value

    def to_schema(self) -> dict[str, Any]:
        if self.options:
            return {"type": "string", "enum": list(self.options)}
        return {"type": "string", "maxLength": self.max}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The ``nextCursor`` of an earlier answer, opaque to clients."""

    def parse(self, value: Any, name: str) -> str:
        if type(value) is not str or not _CURSOR.match(value):
            raise invalid_params(f"{name}: expected the nextCursor of an earlier answer")
        return value

    def to_schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": 256}


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false."""

    def parse(self, value: Any, name: str) -> bool:
        if type(value) is not bool:
            raise invalid_params(f"{name}: expected true or false, got {describe(value)}")
        return value

    def to_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class ListOf:
    """1 to ``max`` items of one kind."""

    item: Kind
    max: int

    def parse(self, value: Any, name: str) -> list[Any]:
        if type(value) is not list or not value:
            raise invalid_params(f"{name}: expected a list that is not empty")
        if len(value) > self.max:
            raise invalid_params(f"{name}: at most {self.max} items", size=len(value))
        return [self.item.parse(item, f"{name}[{index}]") for index, item in enumerate(value)]

    def to_schema(self) -> dict[str, Any]:
        items = self.item.to_schema()
        return {"type": "array", "items": items, "minItems": 1, "maxItems": self.max}


@dataclass(frozen=True, slots=True)
class RawTexts:
    """1 to ``max`` texts whose content is judged one by one (``tx_submitBatch``).

    One malformed item must not refuse the other 999, so items are only known to be
    text here.
    """

    max: int

    def parse(self, value: Any, name: str) -> list[Any]:
        if type(value) is not list or not value:
            raise invalid_params(f"{name}: expected a list that is not empty")
        if len(value) > self.max:
            raise invalid_params(f"{name}: at most {self.max} items", size=len(value))
        return value

    def to_schema(self) -> dict[str, Any]:
        items = {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"}
        return {"type": "array", "items": items, "minItems": 1, "maxItems": self.max}


@dataclass(frozen=True, slots=True)
class BlockReference:
    """A height, ``"latest"``, or a block hash."""

    def parse(self, value: Any, name: str) -> int | bytes | None:
        """Return the height, the 32-byte hash, or None for the latest block."""
        if value == "latest":
            return None
        if type(value) is str and value.startswith("0x"):
            return Hex(32).parse(value, name)
        return Integer().parse(value, name)

    def to_schema(self) -> dict[str, Any]:
        return {
            "oneOf": [{"type": "integer", "minimum": 0}, {"const": "latest"}, Hex(32).to_schema()]
        }


@dataclass(frozen=True, slots=True)
class Arguments:
    """Contract arguments: a list by position or an object by name (see the ABI)."""

    def parse(self, value: Any, name: str) -> list[Any] | dict[str, Any]:
        if not isinstance(value, list | dict):
            raise invalid_params(f"{name}: expected a list or an object, got {describe(value)}")
        return value

    def to_schema(self) -> dict[str, Any]:
        return {"type": ["array", "object"]}


@dataclass(frozen=True, slots=True)
class Members:
    """An object with known members, each optional."""

    members: tuple[tuple[str, Kind], ...]

    def parse(self, value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid_params(f"{name}: expected an object, got {describe(value)}")
        kinds = dict(self.members)
        unknown = sorted(set(value) - set(kinds))
        if unknown:
            raise invalid_params(f"{name}: unknown member {unknown[0]!r}")
        return {key: kinds[key].parse(item, f"{name}.{key}") for key, item in value.items()}

    def to_schema(self) -> dict[str, Any]:
        properties = {name: kind.to_schema() for name, kind in self.members}
        return {"type": "object", "properties": properties, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Param:
    """One named argument; without a default it is required."""

    name: str
    kind: Kind
    summary: str
    default: Any = field(default=_REQUIRED)

    @property
    def is_required(self) -> bool:
        return self.default is _REQUIRED


def parse_params(params: Sequence[Param], given: Any) -> dict[str, Any]:
    """Return every argument by name; ``given`` is a list, an object or absent.

    Raises RpcError -32602 for a missing, unknown or ill-typed argument.
    """
    if given is None:
        given = {}
    if isinstance(given, list):
        if len(given) > len(params):
            raise invalid_params(f"expected at most {len(params)} arguments", got=len(given))
        given = {param.name: value for param, value in zip(params, given, strict=False)}
    if not isinstance(given, dict):
        raise invalid_params("params: expected a list or an object")
    known = {param.name for param in params}
    for name in given:
        if name not in known:
            raise invalid_params(f"unknown argument {str(name)[:64]!r}", known=sorted(known))
    parsed: dict[str, Any] = {}
    for param in params:
        value = given.get(param.name)
        if value is None:
            if param.is_required:
                raise invalid_params(f"{param.name}: missing")
            parsed[param.name] = param.default
        else:
            parsed[param.name] = param.kind.parse(value, param.name)
    return parsed


def describe(value: Any) -> str:
    """Return a JSON type's name for messages; never the value itself (it may be huge)."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a fraction", str: "text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
