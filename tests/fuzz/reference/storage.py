"""Var and Map of one contract over a plain dict of bytes.

A key that was deleted stays in the dict as None: a scan steps over it and pays.
An entry is (bytes, wire, key as
the contract spelt it). Source: docs/contracts.md, "Storage".
"""

from typing import Any

from tests.fuzz.reference.basics import WORD, fault, is_int, key_part, pack
from tests.fuzz.reference.wire import Wire, literal_wire
from vm import gas as limits
from vm.declarations import Variable
from vm.types import DictType, ListType, Scalar, TupleType

MISSING: Any = object()


class Absent(Exception):
    """No value is stored, and no default stands in for it."""


class Cell:
    """One storage variable. ``world`` is the running transaction: purse, state, read_only."""

    def __init__(self, world: Any, contract: str, variable: Variable) -> None:
        self.world, self.variable = world, variable
        self.purse, self.p = world.purse, world.purse.prices
        self.wire = Wire(self.purse)
        self.prefix = contract.encode() + b"\0" + variable.name.encode() + b"\0"
        key = variable.key
        self.single = not isinstance(key, TupleType)
        self.parts = [] if key is None else ([key] if self.single else list(key.items))

    def run(self, method: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        return getattr(self, f"do_{method}")(*arguments, **named)

    # Keys

    def key(self, key: Any) -> bytes:
        parts = (key,) if self.single else key
        if type(parts) is not tuple or len(parts) != len(self.parts):
            raise fault("type")
        names = [part.name for part in self.parts]
        tail = b"".join(key_part(name, part) for name, part in zip(names, parts, strict=True))
        if len(tail) > limits.KEY_BYTES_MAX:
            raise fault("size")
        return self.prefix + tail

    def beginning(self, prefix: Any) -> bytes:
        if prefix is None or (type(prefix) is tuple and not prefix):
            return self.prefix
        parts = prefix if type(prefix) is tuple and not self.single else (prefix,)
        if len(parts) > len(self.parts):
            raise fault("type")
        names = [part.name for part in self.parts]
        tail = b"".join(key_part(name, part) for name, part in zip(names, parts, strict=False))
        if len(tail) > limits.KEY_BYTES_MAX:
            raise fault("size")
        if self.single:
            tail = tail[: len(tail) - {"str": 1, "bytes": 2}.get(names[0], 0)]
        return self.prefix + tail

    # Values

    def fetch(self, key: bytes) -> Any:
        data = self.world.state.get(key)
        if data is None:
            raise Absent
        return self.decode(data)

    def decode(self, entry: tuple[bytes, Any, Any]) -> Any:
        size = len(entry[0])
        self.purse.pay(self.p.state_read_byte * size)
        if size > WORD:
            self.purse.hold(4 * size)
        return self.wire.enter(self.variable.value, entry[1])

    def default(self) -> Any:
        return self.wire.enter(self.variable.value, literal_wire(self.variable.default))

    def store(self, key: bytes, value: Any, spelt: Any = None) -> None:
        self.purse.pay(self.p.state_write)
        self.writable()
        memory = self.purse.memory
        wire = self.wire.leave(self.variable.value, value)
        self.purse.memory = memory
        data = pack(wire)
        if len(data) > limits.VALUE_BYTES_MAX:
            raise fault("size")
        self.purse.pay(self.p.state_write_byte * (len(data) + len(key)))
        self.world.state[key] = (data, wire, spelt)

    def writable(self) -> None:
        if self.world.read_only:
            raise fault("read-only")

    # Var

    def do_set(self, value: Any) -> None:
        self.store(self.prefix, value)

    def get_var(self, default: Any = MISSING) -> Any:
        self.purse.pay(self.p.state_read)
        try:
            return self.fetch(self.prefix)
        except Absent:
            if default is not MISSING:
                return default
        if self.variable.has_default:
            return self.default()
        match self.variable.value:
            case ListType():
                return self.wire.enter(self.variable.value, [])
            case DictType():
                return self.wire.enter(self.variable.value, [])
            case Scalar(name):
                return {"int": 0, "str": "", "bool": False, "bytes": b""}.get(name)
        return None

    # Map

    def do_get(self, *arguments: Any) -> Any:
        if self.variable.key is None:
            return self.get_var(*arguments)
        key, *default = arguments
        self.purse.pay(self.p.state_read)
        try:
            return self.fetch(self.key(key))
        except Absent:
            if default:
                return default[0]
        return self.default() if self.variable.has_default else None

    def read(self, key: Any) -> Any:
        self.purse.pay(self.p.state_read)
        try:
            return self.fetch(self.key(key))
        except Absent:
            if not self.variable.has_default:
                raise fault("key") from None
        return self.default()

    def put(self, value: Any, key: Any) -> None:
        self.store(self.key(key), value, key)

    def has(self, key: Any) -> bool:
        self.purse.pay(self.p.state_read)
        return self.world.state.get(self.key(key)) is not None

    def delete(self, key: Any) -> None:
        self.purse.pay(self.p.state_write)
        self.writable()
        encoded = self.key(key)
        if self.world.state.get(encoded) is None:
            raise fault("key")
        self.world.state[encoded] = None

    def do_scan(
        self, prefix: Any = None, after: Any = None, limit: Any = limits.SCAN_ROWS_DEFAULT
    ) -> list[Any]:
        purse, p = self.purse, self.p
        purse.pay(p.scan)
        if not is_int(limit):
            raise fault("type")
        if not 0 <= limit <= limits.SCAN_ROWS_MAX:
            raise fault("size")
        begin = self.beginning(prefix)
        start = None if after is None else self.key(after)
        purse.pay(p.scan_row * limit)
        rows, hidden = [], 0
        for key in sorted(self.world.state):
            if not key.startswith(begin) or (start is not None and key <= start):
                continue
            if len(rows) == limit or hidden > purse.gas // p.scan_hidden:
                break
            if self.world.state[key] is None:
                hidden += 1
            else:
                rows.append(key)
        purse.pay(p.scan_hidden * hidden)
        purse.gas += p.scan_row * (limit - len(rows))
        purse.hold(WORD * (1 + 4 * len(rows)))
        entries = [self.world.state[key] for key in rows]
        return [(entry[2], self.decode(entry)) for entry in entries]
