"""Straight-line codecs: the text of one function for each declared type of a contract.

The generic codecs (vm/codecs.py) walk a type by nested calls; what is written here does
the same steps in the same order, with the same charges and faults, as plain statements:
a test holds each against the other. Written when a contract is linked, compiled once
for a text. A type is written once and names those inside it, so the text grows with the
source, not with the type written out; beyond a budget the generic codec takes over.
All names begin with ``_``, which no name of a contract does.
Source: docs/decisions/0020-codecs-are-generated.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Final

from primitives.codec import unpack_trusted
from primitives.limits import ADDRESS_BYTES
from vm import codecs
from vm.gas import INT_MAX, INT_MIN
from vm.meter import OBJECT_BYTES, Meter
from vm.outcome import Fault, OutOfGas
from vm.stored import CodeCache, NoCache, compute_text_key, dump_code, load_code
from vm.types import (
    Address,
    DictType,
    ListType,
    RecordType,
    Scalar,
    TupleType,
    Type,
    describe_type,
    make_zero_wire,
)

PARTS_MAX: Final = 1_500
"""Fields and items written out for one contract: compiling takes about 20 us for each."""
TEXTS_MAX: Final = 512
"""Compiled texts kept: one for a linked contract, one for a result type of another."""
FILE_NAME: Final = "codecs"
_NO_GAS: Final = "raise _OutOfGas('gas limit reached')"
_BAD_TYPE: Final = "raise _Fault('type')"
_BAD_ARGUMENT: Final = "raise _Fault('arguments')"

_compiled: dict[str, CodeType] = {}


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How contracts are linked; no outcome depends on it.

    ``parts_max`` bounds what is written out as straight-line code, 0: nothing is.
    """

    parts_max: int = PARTS_MAX
    cache: CodeCache = field(default_factory=NoCache)


LINK_OPTIONS: Final = LinkOptions()


def compile_text(text: str, cache: CodeCache) -> CodeType:
    """Return the code of a generated text; equal texts are compiled once."""
    code = _compiled.get(text)
    if code is None:
        key = compute_text_key(text)
        code = load_code(cache.load(key))
        if code is None:
            code = compile(text, FILE_NAME, "exec", dont_inherit=True, optimize=0)
            cache.store(key, dump_code(code))
        if len(_compiled) >= TEXTS_MAX:
            del _compiled[next(iter(_compiled))]
        _compiled[text] = code
    return code


def forget_texts() -> None:
    """Drop the code of all texts, as a new process begins."""
    _compiled.clear()


class Lines:
    """Statements of one function body."""

    def __init__(self, pad: str = "    ") -> None:
        self.text: list[str] = []
        self.pad = pad
        self._temporaries = 0

    def add(self, *lines: str) -> None:
        self.text += [self.pad + line for line in lines]

    def charge(self, amount: str | int) -> None:
        """``meter.charge(amount)``."""
        self.add(f"_g = _meter.gas = _meter.gas - ({amount})", f"if _g < 0: {_NO_GAS}")

    def allocate(self, size: str | int) -> None:
        """``meter.allocate(size)``."""
        self.add(
            f"_m = _meter.memory = _meter.memory - ({size})", "if _m < 0: raise _Fault('memory')"
        )

    def temporary(self) -> str:
        self._temporaries += 1
        return f"_t{self._temporaries}"

    def temporaries(self, count: int) -> list[str]:
        return [self.temporary() for _ in range(count)]

    def unpack(self, names: list[str], value: str) -> None:
        """``a, b = value``."""
        if names:
            self.add(f"{', '.join(names)}, = {value}")


class Specialiser:
    """Writes the codecs of one contract; ``build`` compiles and binds them."""

    def __init__(self, meter: Meter, options: LinkOptions = LINK_OPTIONS) -> None:
        schedule = meter.schedule
        self.meter = meter
        self.item, self.pair = schedule.wire_item, schedule.wire_pair
        self._parts_left = options.parts_max
        self._cache = options.cache
        self._functions: list[str] = []
        self._made: dict[tuple[str, str], str | None] = {}
        self.names: dict[str, Any] = {
            "__builtins__": {}, "_meter": meter, "_Fault": Fault, "_OutOfGas": OutOfGas,
            "_type": type, "_len": len, "_bytes": bytes, "_Address": Address, "_int": int,
            "_str": str, "_bool": bool, "_NoneType": type(None), "_list": list, "_tuple": tuple,
            "_dict": dict, "_new": tuple.__new__, "_set": set, "_map": map,
            "_unpack": unpack_trusted, "_encodable": codecs.is_encodable,
        }  # fmt: skip

    def bind(self, value: object) -> str:
        """Return a name that stands for ``value`` in the text."""
        name = f"_o{len(self.names)}"
        self.names[name] = value
        return name

    def take(self, parts: int) -> bool:
        """Whether so many more parts may be written out."""
        if parts > self._parts_left:
            return False
        self._parts_left -= parts
        return True

    def define(self, header: str, lines: Lines) -> None:
        """Add ``def header`` with a body."""
        self._functions.append("\n".join([f"def {header}:", *lines.text]))

    def build(self) -> dict[str, Any]:
        """Compile what was written and return its names; later texts may be added and built."""
        text = "\n".join(self._functions) + "\n"
        exec(compile_text(text, self._cache), self.names)
        self._functions.clear()
        return self.names

    # Values to wire

    def name_to_wire(self, kind: Type) -> str:
        """Return the name of the function that checks a value and gives its wire form."""
        return self._name("to", kind, self._write_to_wire, codecs.build_to_wire)

    def _name(
        self,
        what: str,
        kind: Type,
        write: Callable[[Type, Lines], str],
        generic: Callable[[Type, Meter], Any],
    ) -> str:
        key = (what, describe_type(kind))
        name = self._made.get(key)
        if name is None:
            if self.take(1 + count_parts(kind)):
                name = f"_{what}{len(self._made)}"
                self._made[key] = name
                lines = Lines()
                lines.add(f"return {write(kind, lines)}")
                self.define(f"{name}(_v)", lines)
            else:
                name = self._made[key] = self.bind(generic(kind, self.meter))
        return name

    def add_to_wire(self, kind: Type, value: str, lines: Lines) -> str:
        """Add the checks of ``value`` and return the expression of its wire form."""
        if not isinstance(kind, Scalar):
            wire = lines.temporary()
            lines.add(f"{wire} = {self.name_to_wire(kind)}({value})")
            return wire
        match kind.name:
            case "any":
                wire = lines.temporary()
                dynamic = self._bind_once("_dynamic", codecs.dynamic_to_wire)
                lines.add(f"{wire} = {dynamic}({value}, _meter)")
                return wire
            case "Address":
                lines.add(f"if _type({value}) is not _Address: {_BAD_TYPE}")
                return f"_bytes({value})"
            case "str" | "bytes":
                lines.add(f"if _type({value}) is not _{kind.name}: {_BAD_TYPE}")
                # Long text is paid each time it is met: it may stand in a list a million times.
                lines.add(f"if _len({value}) > {OBJECT_BYTES}: {self._copy()}(4 * _len({value}))")
        if kind.name in ("int", "bool", "None"):
            lines.add(f"if _type({value}) is not {_EXACT_NAMES[kind.name]}: {_BAD_TYPE}")
        return value

    def _copy(self) -> str:
        return self._bind_once("_copy", self.meter.charge_copy)

    def _text(self) -> str:
        return self._bind_once("_text", self.meter.charge_text)

    def _bind_once(self, name: str, value: object) -> str:
        self.names[name] = value
        return name

    def _write_to_wire(self, kind: Type, lines: Lines) -> str:
        match kind:
            case ListType(item):
                return self._write_list(item, lines, "to", _BAD_TYPE)
            case DictType(key, value):
                return self._write_dict_to_wire(key, value, lines)
            case TupleType(items):
                return self._write_row_to_wire("_tuple", list(items), lines)
            case RecordType():
                fields = [field for _, field in kind.fields]
                return self._write_row_to_wire(self.bind(kind.cls), fields, lines)
        return self.add_to_wire(kind, "_v", lines)

    def _write_list(self, item: Type, lines: Lines, what: str, refusal: str) -> str:
        if what != "from":
            lines.add(f"if _type(_v) is not _list: {refusal}")
        lines.charge(f"{self.item} * _len(_v)")
        lines.allocate(f"{OBJECT_BYTES} * (1 + _len(_v))")
        if what == "to" and isinstance(item, Scalar) and item.name in ("int", "bool"):
            exact = f"{{{_EXACT_NAMES[item.name]}}}"
            lines.add(f"if _v and _set(_map(_type, _v)) != {exact}: {refusal}")
            return "_list(_v)"
        inner, result = self._inner(lines), lines.temporary()
        if what == "to":
            converted = self.add_to_wire(item, "_e", inner)
        elif what == "from":
            converted = self.add_from_wire(item, "_e")
        else:
            converted = self.add_parse(item, "_e", inner)
        if not inner.text:
            return f"[{converted} for _e in _v]" if converted != "_e" else "_list(_v)"
        inner.add(f"{result}.append({converted})")
        lines.add(f"{result} = []", "for _e in _v:")
        lines.text += inner.text
        return result

    def _inner(self, lines: Lines) -> Lines:
        inner = Lines(lines.pad + "    ")
        inner._temporaries = 100  # apart from those of the body around it
        return inner

    def _write_dict_to_wire(self, key: Type, value: Type, lines: Lines) -> str:
        lines.add(f"if _type(_v) is not _dict: {_BAD_TYPE}")
        lines.charge(f"{self.pair} * _len(_v)")
        lines.allocate(f"{OBJECT_BYTES} + {codecs.PAIR_BYTES} * _len(_v)")
        inner, result = self._inner(lines), lines.temporary()
        name = self.add_to_wire(key, "_k", inner)
        element = self.add_to_wire(value, "_e", inner)
        inner.add(f"{result}.append([{name}, {element}])")
        lines.add(f"{result} = []", "for _k, _e in _v.items():")
        lines.text += inner.text
        return result

    def _write_row_to_wire(self, cls: str, items: list[Type], lines: Lines) -> str:
        size = len(items)
        lines.add(f"if _type(_v) is not {cls} or _len(_v) != {size}: {_BAD_TYPE}")
        self.add_row_price(size, lines)
        parts = lines.temporaries(size)
        lines.unpack(parts, "_v")
        wires = [self.add_to_wire(item, p, lines) for item, p in zip(items, parts, strict=True)]
        return f"[{', '.join(wires)}]"

    def add_row_price(self, size: int, lines: Lines) -> None:
        """Add what converting a tuple or record of ``size`` parts costs."""
        lines.charge(codecs.price_row(size, self.meter))
        lines.allocate(OBJECT_BYTES * (1 + size))

    # Trusted wire to values

    def name_from_wire(self, kind: Type) -> str:
        """Return the name of the function that turns wire of our own into a value."""
        return self._name("from", kind, self._write_from_wire, _build_from_wire)

    def add_from_wire(self, kind: Type, wire: str) -> str:
        """Return the expression of the value; it charges where it is evaluated."""
        if not isinstance(kind, Scalar):
            return f"{self.name_from_wire(kind)}({wire})"
        if kind.name == "any":
            return f"{self._bind_once('_copy_wire', codecs.copy_wire)}({wire}, _meter)"
        return f"_Address({wire})" if kind.name == "Address" else wire

    def _write_from_wire(self, kind: Type, lines: Lines) -> str:
        match kind:
            case ListType(item):
                return self._write_list(item, lines, "from", "")
            case DictType(key, value):
                lines.charge(f"{self.pair} * _len(_v)")
                lines.allocate(f"{OBJECT_BYTES} + {codecs.PAIR_BYTES} * _len(_v)")
                name = self.add_from_wire(key, "_k")
                return f"{{{name}: {self.add_from_wire(value, '_e')} for _k, _e in _v}}"
            case TupleType(items):
                return self._write_row_from_wire("_tuple", list(items), lines)
            case RecordType():
                fields = [field for _, field in kind.fields]
                return self._write_row_from_wire(self.bind(kind.cls), fields, lines)
        return self.add_from_wire(kind, "_v")

    def _write_row_from_wire(self, cls: str, items: list[Type], lines: Lines) -> str:
        parts = lines.temporaries(len(items))
        self.add_row_price(len(items), lines)
        # An older, shorter record is filled with zeros.
        zeros = self.bind([make_zero_wire(item) for item in items])
        lines.add(f"if _len(_v) < {len(items)}: _v = _v + {zeros}[_len(_v):]")
        lines.unpack(parts, "_v")
        values = [self.add_from_wire(item, p) for item, p in zip(items, parts, strict=True)]
        if cls == "_tuple":
            return f"({''.join(value + ', ' for value in values)})"
        return f"_new({cls}, ({''.join(value + ', ' for value in values)}))"

    # Untrusted wire to values

    def name_parse(self, kind: Type) -> str:
        """Return the name of the function that checks untrusted wire: ``fault arguments``."""
        return self._name("parse", kind, self._write_parse, codecs.build_parse_wire)

    def add_parse(self, kind: Type, wire: str, lines: Lines) -> str:
        """Add the checks of untrusted ``wire`` and return the expression of its value."""
        if not isinstance(kind, Scalar) or kind.name == "any":
            value = lines.temporary()
            lines.add(f"{value} = {self.name_parse(kind)}({wire})")
            return value
        match kind.name:
            case "int":
                lines.add(
                    f"if _type({wire}) is not _int or not {INT_MIN} <= {wire} <= {INT_MAX}: "
                    + _BAD_ARGUMENT
                )
            case "str":
                lines.add(f"if _type({wire}) is not _str: {_BAD_ARGUMENT}")
                lines.add(f"if {wire}.isascii(): {self._text()}(_len({wire}))")
                lines.add(f"elif _encodable({wire}): _text(4 * _len({wire}))")
                lines.add(f"else: {_BAD_ARGUMENT}")
            case "bytes":
                lines.add(f"if _type({wire}) is not _bytes: {_BAD_ARGUMENT}")
                lines.add(f"{self._text()}(_len({wire}))")
            case "Address":
                lines.add(
                    f"if _type({wire}) is not _bytes and _type({wire}) is not _Address "
                    f"or _len({wire}) != {ADDRESS_BYTES}: {_BAD_ARGUMENT}"
                )
                return f"_Address({wire})"
            case name:
                lines.add(f"if _type({wire}) is not {_EXACT_NAMES[name]}: {_BAD_ARGUMENT}")
        return wire

    def _write_parse(self, kind: Type, lines: Lines) -> str:
        match kind:
            case ListType(item):
                return self._write_list(item, lines, "parse", _BAD_ARGUMENT)
            case TupleType(items):
                parsed = self._write_row_parse(list(items), lines)
                return f"({''.join(value + ', ' for value in parsed)})"
            case RecordType():
                parsed = self._write_row_parse([field for _, field in kind.fields], lines)
                return f"_new({self.bind(kind.cls)}, ({''.join(v + ', ' for v in parsed)}))"
            case Scalar(name) if name != "any":
                return self.add_parse(kind, "_v", lines)
        return f"{self.bind(codecs.build_parse_wire(kind, self.meter))}(_v)"

    def _write_row_parse(self, items: list[Type], lines: Lines) -> list[str]:
        lines.add(f"if _type(_v) is not _list or _len(_v) != {len(items)}: {_BAD_ARGUMENT}")
        parts = lines.temporaries(len(items))
        self.add_row_price(len(items), lines)
        lines.unpack(parts, "_v")
        return [self.add_parse(item, part, lines) for item, part in zip(items, parts, strict=True)]


_EXACT_NAMES: Final = {
    "int": "_int", "str": "_str", "bool": "_bool", "bytes": "_bytes", "Address": "_Address",
    "None": "_NoneType",
}  # fmt: skip


def count_parts(kind: Type) -> int:
    """Return the parts of a type that its own function writes out."""
    match kind:
        case RecordType():
            return len(kind.fields)
        case TupleType(items):
            return len(items)
    return 2


def _build_from_wire(kind: Type, meter: Meter) -> Callable[[Any], Any]:
    return codecs.build_from_wire(kind, meter) or _same


def _same(wire: Any) -> Any:
    return wire
