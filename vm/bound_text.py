"""Straight-line guards of one linked contract: storage access, record making, entry points.

Each function here writes the text of what a method of vm/storage_guards.py, vm/sdk.py or
vm/linker.py does in general, for one declared variable, record or function, with the
codec's steps (vm/specialise.py) in line: the same charges and faults in the same order,
which tests hold against the general form. Beyond the contract's budget nothing is written
and the general form stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from vm.declarations import Function, Variable
from vm.gas import KEY_BYTES_MAX, VALUE_BYTES_MAX
from vm.keys import INT_BIAS, get_key_parts
from vm.language import is_name_allowed
from vm.meter import OBJECT_BYTES
from vm.runtime import Runtime
from vm.specialise import Lines, Specialiser, count_parts
from vm.storage_guards import MISSING, MapGuards, VarGuards
from vm.types import RecordType, Scalar, TupleType

_BAD_TYPE: Final = "raise _Fault('type')"
_READ_ONLY: Final = "if _runtime.read_only: raise _Fault('read-only')"


class GuardWriter:
    """Adds guards to a Specialiser's text; they are there after its ``build``."""

    def __init__(self, specialiser: Specialiser, runtime: Runtime) -> None:
        self.specialiser = specialiser
        self.schedule = runtime.meter.schedule
        specialiser.names |= {
            "_runtime": runtime, "_pack": runtime.pack, "_missing": MISSING, "_bias": INT_BIAS,
        }  # fmt: skip
        self._count = 0

    def _name(self, word: str) -> str:
        self._count += 1
        return f"_g{self._count}_{word}"

    # Storage

    def add_variable(
        self, variable: Variable, bound: VarGuards | MapGuards, words: Sequence[str]
    ) -> dict[str, str]:
        """Write these guards of a Var or Map and return word -> name; ``scan`` stays general."""
        names = {}
        for word in words:
            if word == "scan" or not self.specialiser.take(8 + count_parts(variable.value)):
                continue
            lines, names[word] = Lines(), self._name(word)
            place = self.specialiser.bind(bound.prefix)
            parameters = ["_value"] if word in ("put", "set") else []
            parameters += ["_key"] if variable.key is not None else []
            parameters += ["_default=_missing"] if word == "get" else []
            if word in ("put", "set"):
                self._add_write(variable, place, lines)
            elif word == "delete":
                self._add_delete(variable, place, lines)
            else:
                lines.charge(self.schedule.state_read)
                lines.add(f"_data = _runtime.overlay.get({self._add_key(variable, place, lines)})")
                self._add_found(word, variable, bound, lines)
            self.specialiser.define(f"{names[word]}({', '.join(parameters)})", lines)
        return names

    def _add_found(
        self, word: str, variable: Variable, bound: VarGuards | MapGuards, lines: Lines
    ) -> None:
        """Return what ``has``, ``read`` or ``get`` makes of ``_data``."""
        if word == "has":
            lines.add("return _data is not None")
            return
        lines.add("if _data is None:")
        absent = Lines(lines.pad + "    ")
        if word == "get":
            absent.add("if _default is not _missing: return _default")
        if variable.has_default or bound.default_wire is not None:
            default = self.specialiser.bind(bound.default_wire)
            value = self.specialiser.add_from_wire(variable.value, default)
            absent.add(f"return {value}")
        else:
            absent.add("return None" if word == "get" else "raise _Fault('key')")
        lines.text += absent.text
        lines.add("_size = _len(_data)")
        lines.charge(f"{self.schedule.state_read_byte} * _size")
        lines.add(f"if _size > {OBJECT_BYTES}:")
        long = Lines(lines.pad + "    ")
        long.allocate("4 * _size")
        lines.text += long.text
        lines.add(f"return {self.specialiser.add_from_wire(variable.value, '_unpack(_data)')}")

    def _add_write(self, variable: Variable, place: str, lines: Lines) -> None:
        if variable.key is not None:
            key = self._add_key(variable, place, lines)
            place = "_place"
            lines.add(f"_place = {key}")
        lines.charge(self.schedule.state_write)
        lines.add(_READ_ONLY)
        kind = variable.value
        if isinstance(kind, Scalar) and kind.name not in ("str", "bytes"):
            lines.add(f"_data = _pack({self.specialiser.add_to_wire(kind, '_value', lines)})")
        else:
            lines.add("_kept = _meter.memory")
            wire = self.specialiser.add_to_wire(kind, "_value", lines)
            # The wire form is gone again.
            lines.add(f"_data = _pack({wire})", "_meter.memory = _kept")
        lines.add("_size = _len(_data)")
        lines.add(f"if _size > {VALUE_BYTES_MAX}: raise _Fault('size')")
        lines.charge(f"{self.schedule.state_write_byte} * (_size + _len({place}))")
        lines.add(f"_runtime.overlay.put({place}, _data)")

    def _add_delete(self, variable: Variable, place: str, lines: Lines) -> None:
        lines.charge(self.schedule.state_write)
        lines.add(_READ_ONLY)
        lines.add(f"_place = {self._add_key(variable, place, lines)}")
        lines.add("if _runtime.overlay.get(_place) is None: raise _Fault('key')")
        lines.add("_runtime.overlay.put(_place, None)")

    def _add_key(self, variable: Variable, place: str, lines: Lines) -> str:
        """Add the checks of ``_key`` and return a name or expression of its state key."""
        key = variable.key
        if key is None:
            return place
        scalars = get_key_parts(key)
        names = ["_key"]
        if isinstance(key, TupleType):
            names = lines.temporaries(len(scalars))
            lines.add(f"if _type(_key) is not _tuple or _len(_key) != {len(scalars)}: {_BAD_TYPE}")
            lines.unpack(names, "_key")
        parts = [_add_key_part(s.name, name, lines) for s, name in zip(scalars, names, strict=True)]
        joined = " + ".join([place, *parts])
        if len(scalars) == 1 and scalars[0].name in ("int", "Address"):
            return joined  # 32 bytes: never over the limit
        encoded = lines.temporary()
        prefix_bytes = len(self.specialiser.names[place])
        lines.add(f"{encoded} = {joined}")
        lines.add(f"if _len({encoded}) > {prefix_bytes + KEY_BYTES_MAX}: raise _Fault('size')")
        return encoded

    # Records

    def add_record(self, record: RecordType) -> str | None:
        """Write the constructor of a record; None when a field's name cannot be a parameter."""
        names = [name for name, _ in record.fields]
        kinds = [kind for _, kind in record.fields]
        if not all(map(is_name_allowed, names)) or not self.specialiser.take(1 + len(names)):
            return None
        lines, maker = Lines(), self._name("make")
        lines.allocate(OBJECT_BYTES * (1 + len(names)))
        lines.add("_kept = _m")
        # The checks are the encoder's; the wire form is dropped.
        self.specialiser.add_row_price(len(names), lines)
        for kind, name in zip(kinds, names, strict=True):
            self.specialiser.add_to_wire(kind, name, lines)
        lines.add("_meter.memory = _kept")
        values = "".join(name + ", " for name in names)
        lines.add(f"return _new({self.specialiser.bind(record.cls)}, ({values}))")
        self.specialiser.define(f"{maker}({', '.join(names)})", lines)
        return maker

    # Entry points

    def add_entry(self, function: Function, code: Callable[..., Any]) -> str | None:
        """Write ``run(arguments)``: wire arguments to the wire result of one function."""
        kinds = [kind for _, kind in function.parameters]
        if not self.specialiser.take(4 + 2 * len(kinds)):
            return None
        lines, name = Lines(), self._name("run")
        lines.add(f"if _len(_arguments) != {len(kinds)}: raise _Fault('arguments')")
        wires = lines.temporaries(len(kinds))
        lines.unpack(wires, "_arguments")
        values = []
        for kind, wire in zip(kinds, wires, strict=True):
            parsed = lines.temporary()
            lines.add(f"{parsed} = {self.specialiser.add_parse(kind, wire, lines)}")
            values.append(parsed)
        lines.add(f"_result = {self.specialiser.bind(code)}({', '.join(values)})")
        lines.add(f"return {self.specialiser.add_to_wire(function.returns, '_result', lines)}")
        self.specialiser.define(f"{name}(_arguments)", lines)
        return name


def _add_key_part(name: str, part: str, lines: Lines) -> str:
    """Add the checks of one part of a key; return the expression of its bytes."""
    match name:
        case "str":
            lines.add(f"if _type({part}) is not _str: {_BAD_TYPE}")
            lines.add(f"if '\\0' in {part}: raise _Fault('value')")
            return f"{part}.encode() + b'\\0'"
        case "int":
            lines.add(f"if _type({part}) is not _int: {_BAD_TYPE}")
            return f"({part} + _bias).to_bytes(32, 'big')"
        case "bytes":
            lines.add(f"if _type({part}) is not _bytes: {_BAD_TYPE}")
            return f"{part}.replace(b'\\0', b'\\0\\xff') + b'\\0\\0'"
    lines.add(f"if _type({part}) is not _Address: {_BAD_TYPE}")
    return part
