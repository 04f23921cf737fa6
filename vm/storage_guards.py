"""Storage variables: Var and Map over the running overlay.

Keys and values are encoded here, so nothing mutable is ever shared with the state:
a read gives a fresh value, a write keeps bytes. Source: docs/contracts.md, "Storage".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from primitives.codec import unpack_trusted
from vm.codecs import build_from_wire, build_to_wire
from vm.declarations import Variable
from vm.gas import SCAN_ROWS_DEFAULT, SCAN_ROWS_MAX, VALUE_BYTES_MAX
from vm.keys import build_key_decoder, build_key_encoder, build_prefix_encoder
from vm.meter import OBJECT_BYTES
from vm.outcome import Fault
from vm.runtime import Runtime
from vm.types import DictType, ListType, Scalar

MISSING: Final[Any] = object()
"""No default was given: None is one that may be."""


class _Cell:
    """What Var and Map share: encoded values at encoded keys, and the default."""

    def __init__(self, runtime: Runtime, variable: Variable) -> None:
        self.runtime = runtime
        self.meter = runtime.meter
        schedule = self.meter.schedule
        self.read_price = schedule.state_read
        self.read_byte = schedule.state_read_byte
        self.write_price = schedule.state_write
        self.write_byte = schedule.state_write_byte
        self.to_wire = build_to_wire(variable.value, self.meter)
        self.from_wire = build_from_wire(variable.value, self.meter)
        self.has_default = variable.has_default
        self.default_wire: Any = None
        if variable.has_default:
            self.default_wire = literal_to_wire(variable.default)

    def decode(self, data: bytes) -> Any:
        meter = self.meter
        size = len(data)
        meter.charge(self.read_byte * size)
        if size > OBJECT_BYTES:
            meter.allocate(4 * size)
        wire = unpack_trusted(data)
        return wire if self.from_wire is None else self.from_wire(wire)

    def make_default(self) -> Any:
        return self.default_wire if self.from_wire is None else self.from_wire(self.default_wire)

    def write(self, key: bytes, value: Any) -> None:
        self.meter.charge(self.write_price)
        if self.runtime.read_only:
            raise Fault("read-only")
        memory = self.meter.memory
        data = self.runtime.pack(self.to_wire(value))
        self.meter.memory = memory  # the wire form is gone again
        size = len(data)
        if size > VALUE_BYTES_MAX:
            raise Fault("size")
        self.meter.charge(self.write_byte * (size + len(key)))
        self.runtime.overlay.put(key, data)


class VarGuards(_Cell):
    """``name = Var[T]()``."""

    def __init__(self, runtime: Runtime, contract: str, variable: Variable) -> None:
        super().__init__(runtime, variable)
        self.prefix = self.key = f"{contract}\0{variable.name}\0".encode()
        if not variable.has_default:
            self.default_wire = _make_empty(variable)

    def get_table(self) -> dict[str, Callable[..., Any]]:
        return {"get": self.get, "set": self.set}

    def get(self, default: Any = MISSING) -> Any:
        self.meter.charge(self.read_price)
        data = self.runtime.overlay.get(self.key)
        if data is not None:
            return self.decode(data)
        if default is not MISSING:
            return default
        return None if self.default_wire is None else self.make_default()

    def set(self, value: Any) -> None:
        self.write(self.key, value)


class MapGuards(_Cell):
    """``name = Map[K, V]()``."""

    def __init__(self, runtime: Runtime, contract: str, variable: Variable) -> None:
        super().__init__(runtime, variable)
        self.prefix = prefix = f"{contract}\0{variable.name}\0".encode()
        key = variable.key or Scalar("str")
        self.encode_key = build_key_encoder(prefix, key)
        self.encode_prefix = build_prefix_encoder(prefix, key)
        self.decode_key = build_key_decoder(prefix, key)

    def get_table(self) -> dict[str, Callable[..., Any]]:
        return {
            "read": self.read, "put": self.put, "delete": self.delete, "has": self.has,
            "get": self.get, "scan": self.scan,
        }  # fmt: skip

    def read(self, key: Any) -> Any:
        """``m[key]``."""
        self.meter.charge(self.read_price)
        data = self.runtime.overlay.get(self.encode_key(key))
        if data is not None:
            return self.decode(data)
        if self.has_default:
            return self.make_default()
        raise Fault("key")

    def get(self, key: Any, default: Any = MISSING) -> Any:
        self.meter.charge(self.read_price)
        data = self.runtime.overlay.get(self.encode_key(key))
        if data is not None:
            return self.decode(data)
        if default is not MISSING:
            return default
        return self.make_default() if self.has_default else None

    def has(self, key: Any) -> bool:
        self.meter.charge(self.read_price)
        return self.runtime.overlay.get(self.encode_key(key)) is not None

    def put(self, value: Any, key: Any) -> None:
        self.write(self.encode_key(key), value)

    def delete(self, key: Any) -> None:
        """``del m[key]``; an absent key faults, as in a dict."""
        self.meter.charge(self.write_price)
        self.runtime.require_writable()
        encoded = self.encode_key(key)
        if self.runtime.overlay.get(encoded) is None:
            raise Fault("key")
        self.runtime.overlay.put(encoded, None)

    def scan(self, prefix: Any = None, after: Any = None, limit: Any = SCAN_ROWS_DEFAULT) -> Any:
        """Return [(key, value), ...] in key order; the last key is the cursor."""
        meter, schedule = self.meter, self.meter.schedule
        meter.charge(schedule.scan)
        if type(limit) is not int:
            raise Fault("type")
        if not 0 <= limit <= SCAN_ROWS_MAX:
            raise Fault("size")
        encoded = self.encode_prefix(prefix)
        start = None if after is None else self.encode_key(after)
        # Every row is paid before it is fetched.
        meter.charge(schedule.scan_row * limit)
        hidden_max = meter.gas // schedule.scan_hidden
        rows, hidden = self.runtime.overlay.scan_counted(encoded, start, limit, hidden_max)
        meter.charge(schedule.scan_hidden * hidden)
        meter.gas += schedule.scan_row * (limit - len(rows))
        meter.allocate(OBJECT_BYTES * (1 + 4 * len(rows)))
        return [(self.decode_key(key), self.decode(data)) for key, data in rows]


def _make_empty(variable: Variable) -> Any:
    """Return the wire of a Var nobody has set: zero, empty, or None for what has no empty."""
    match variable.value:
        case Scalar(name):
            return {"int": 0, "str": "", "bool": False, "bytes": b""}.get(name)
        case ListType() | DictType():
            return []
    return None


def literal_to_wire(value: Any) -> Any:
    """Return the wire form of a default."""
    if type(value) is dict:
        return [[name, literal_to_wire(item)] for name, item in value.items()]
    if type(value) is list or type(value) is tuple:
        return [literal_to_wire(item) for item in value]
    return value
