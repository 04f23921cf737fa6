"""Values across a boundary: storage, arguments, results, events; and what that costs.

A wire value is a scalar or a list. Each direction pays by element before the work.
Source: docs/contracts.md, "Wire and JSON"; docs/ARCHITECTURE.md, "Values that cross packages".
"""

from typing import Any

from primitives.limits import VALUE_DEPTH_MAX as WIRE_DEPTH_MAX
from primitives.limits import VALUE_ITEMS_MAX
from tests.fuzz.reference.basics import ENTRY, WORD, Addr, Purse, Rec, fault, pack, width
from vm.declarations import Contract
from vm.gas import DICT_KEY_INT_LIMIT, INT_MAX, INT_MIN, VALUE_DEPTH_MAX
from vm.types import DictType, ListType, RecordType, Scalar, TupleType, Type

EXACT = {"int": int, "str": str, "bool": bool, "bytes": bytes, "Address": Addr, "None": type(None)}


class Wire:
    """Conversions that pay from one purse."""

    def __init__(self, purse: Purse) -> None:
        self.purse, self.p = purse, purse.prices

    def _list(self, count: int) -> None:
        self.purse.pay(self.p.wire_item * count)
        self.purse.hold(WORD * (1 + count))

    def _dict(self, count: int) -> None:
        self.purse.pay(self.p.wire_pair * count)
        self.purse.hold(WORD + ENTRY * count)

    def _row(self, count: int) -> None:
        self.purse.pay(self.p.slow_path + 2 * self.p.item * count)
        self.purse.hold(WORD * (1 + count))

    def _long(self, value: Any) -> Any:
        if len(value) > WORD:
            self.purse.pay_copy(4 * len(value))
        return value

    def leave(self, kind: Type, value: Any) -> Any:
        """A value of declared ``kind`` becomes wire; ``fault type`` when it is another."""
        match kind:
            case Scalar("any"):
                return self.leave_any(value)
            case Scalar(name):
                if type(value) is not EXACT[name]:
                    raise fault("type")
                if name in ("str", "bytes"):
                    return self._long(value)
                return bytes(value) if name == "Address" else value
            case ListType(item):
                if type(value) is not list:
                    raise fault("type")
                self._list(len(value))
                return [self.leave(item, element) for element in value]
            case DictType(key, item):
                if type(value) is not dict:
                    raise fault("type")
                self._dict(len(value))
                return [[self.leave(key, k), self.leave(item, v)] for k, v in value.items()]
            case TupleType(items):
                if type(value) is not tuple or len(value) != len(items):
                    raise fault("type")
                self._row(len(items))
                return [self.leave(item, v) for item, v in zip(items, value, strict=True)]
            case RecordType():
                if not isinstance(value, Rec) or value.kind is not kind:
                    raise fault("type")
                self._row(len(kind.fields))
                return [self.leave(k, v) for (_, k), v in zip(kind.fields, value.fields, strict=1)]

    def leave_any(self, value: Any, depth: int = VALUE_DEPTH_MAX) -> Any:
        """A value of no declared type becomes wire."""
        kind = type(value)
        if value is None or kind in (int, bool):
            return value
        if kind in (str, bytes):
            return self._long(value)
        if kind is Addr:
            return bytes(value)
        if depth == 0:
            raise fault("depth")
        if kind is dict:
            self._dict(len(value))
            return [[self.leave_any(k), self.leave_any(v, depth - 1)] for k, v in value.items()]
        items = value.fields if kind is Rec else value
        if kind not in (list, tuple, Rec):
            raise fault("type")
        self._row(len(items))
        return [self.leave_any(item, depth - 1) for item in items]

    def enter(self, kind: Type, wire: Any) -> Any:
        """Wire that a VM wrote becomes a fresh value."""
        match kind:
            case Scalar("any"):
                return self._copy(wire, VALUE_DEPTH_MAX)
            case Scalar(name):
                return Addr(wire) if name == "Address" else wire
            case ListType(item):
                self._list(len(wire))
                return [self.enter(item, element) for element in wire]
            case DictType(key, item):
                self._dict(len(wire))
                return {self.enter(key, k): self.enter(item, v) for k, v in wire}
            case TupleType(items):
                self._row(len(items))
                return tuple(self.enter(item, v) for item, v in zip(items, wire, strict=True))
            case RecordType():
                self._row(len(kind.fields))
                fields = zip(kind.fields, wire, strict=True)
                return Rec(kind, tuple(self.enter(item, v) for (_, item), v in fields))

    def _copy(self, wire: Any, depth: int) -> Any:
        if type(wire) is not list:
            if type(wire) in (str, bytes):
                self.purse.pay_copy(4 * len(wire))
            return wire
        if depth == 0:
            raise fault("depth")
        self.purse.pay(self.p.wire_item * (1 + len(wire)))
        self.purse.hold(WORD * (1 + len(wire)))
        return [self._copy(item, depth - 1) for item in wire]

    def parse(self, kind: Type, wire: Any) -> Any:
        """Wire from outside becomes a value, or ``fault arguments``."""
        match kind:
            case Scalar(name):
                return self._parse_scalar(name, wire)
            case ListType(item):
                _demand(type(wire) is list)
                self._list(len(wire))
                return [self.parse(item, element) for element in wire]
            case DictType(key, item):
                return self._parse_dict(key, item, wire)
            case TupleType(items):
                _demand(type(wire) is list and len(wire) == len(items))
                self._row(len(items))
                return tuple([self.parse(item, v) for item, v in zip(items, wire, strict=True)])
            case RecordType():
                _demand(type(wire) is list and len(wire) == len(kind.fields))
                self._row(len(wire))
                fields = zip(kind.fields, wire, strict=True)
                return Rec(kind, tuple([self.parse(item, v) for (_, item), v in fields]))

    def _parse_scalar(self, name: str, wire: Any) -> Any:
        if name == "Address":
            _demand(type(wire) in (bytes, Addr) and len(wire) == 32)
            return Addr(wire)
        _demand(type(wire) is EXACT[name])
        if name == "int":
            _demand(INT_MIN <= wire <= INT_MAX)
        if name == "str":
            _demand(not any(0xD800 <= ord(character) < 0xE000 for character in wire))
            self._from_outside(width(wire) * len(wire))
        if name == "bytes":
            self._from_outside(len(wire))
        return wire

    def _from_outside(self, size: int) -> None:
        self.purse.pay(self.p.wire_text + (size >> self.p.copy_shift))
        self.purse.hold(size + WORD)

    def _parse_dict(self, key: Type, item: Type, wire: Any) -> dict[Any, Any]:
        _demand(type(wire) is list)
        self._dict(len(wire))
        result: dict[Any, Any] = {}
        for pair in wire:
            _demand(type(pair) is list and len(pair) == 2)
            name = self.parse(key, pair[0])
            _demand(type(name) is not int or abs(name) < DICT_KEY_INT_LIMIT)
            _demand(name not in result)
            result[name] = self.parse(item, pair[1])
        return result


def _demand(condition: bool) -> None:
    if not condition:
        raise fault("arguments")


def measure(wire: Any) -> int:
    """The bytes that a result or an event's fields count; faults on what no receipt holds."""
    if wire is None or type(wire) is bool:
        return 1
    if type(wire) is int:
        return 33
    _count(wire, WIRE_DEPTH_MAX, VALUE_ITEMS_MAX)
    return len(pack(wire))


def _count(wire: Any, depth: int, left: int) -> int:
    if type(wire) is list:
        left -= len(wire)
        if depth == 0:
            raise fault("depth")
        if left < 0:
            raise fault("size")
        for item in wire:
            left = _count(item, depth - 1, left)
    return left


def adopt(kind: Type, contract: Contract) -> Type:
    """The type that a callee's result has in ``contract``: its own record, or a tuple."""
    match kind:
        case RecordType():
            own = contract.records.get(kind.name)
            own = own or contract.records.get(kind.name.rpartition(".")[2])
            fields = [(name, adopt(field, contract)) for name, field in kind.fields]
            if own is not None and not own.is_event and list(own.fields) == fields:
                return own
            return TupleType(tuple(field for _, field in fields))
        case ListType(item):
            return ListType(adopt(item, contract))
        case DictType(key, item):
            return DictType(key, adopt(item, contract))
        case TupleType(items):
            return TupleType(tuple(adopt(item, contract) for item in items))
    return kind


def literal_wire(value: Any) -> Any:
    """The wire form of a literal default."""
    if type(value) is dict:
        return [[k, literal_wire(v)] for k, v in value.items()]
    return [literal_wire(v) for v in value] if type(value) in (list, tuple) else value
