"""Binds a Program to a contract's name: storage guards, records, entry points.

Built once for a contract entry and cached by the Machine; codecs are built here and
never on a call. Source: docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from primitives.hashing import compute_contract_address
from vm.codecs import build_from_wire, build_parse_wire, build_to_wire
from vm.compiler import Program
from vm.declarations import Contract, Function
from vm.outcome import Fault
from vm.runtime import Runtime
from vm.sdk import RecordMaker
from vm.storage_guards import MapGuards, VarGuards
from vm.types import (
    Address,
    DictType,
    ListType,
    RecordType,
    Scalar,
    TupleType,
    Type,
)

CONVERTERS_MAX: Final = 256
"""Result types of other contracts that one contract remembers."""


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A function that can be called from outside, with its codecs."""

    function: Callable[..., Any]
    role: str
    returns: Type
    parsers: tuple[Callable[[Any], Any], ...]
    to_wire: Callable[[Any], Any]


@dataclass(slots=True)
class Linked:
    """A contract ready to run. ``converters`` caches how results of other contracts arrive."""

    name: str
    address: Address
    contract: Contract
    entries: dict[str, EntryPoint]
    init: EntryPoint | None
    converters: dict[Type, Callable[[Any], Any]]


def link_program(
    program: Program, name: str, runtime: Runtime, guards: Mapping[str, Callable[..., Any]]
) -> Linked:
    """Return the program bound to the contract ``name``, with guards in unspellable names."""
    contract = program.contract
    namespace: dict[str, Any] = {"__builtins__": {}}
    for word, guard in guards.items():
        namespace["$" + word] = guard
    for constant, value in contract.constants.items():
        namespace[f"$const:{constant}"] = value
    for record in contract.records.values():
        namespace[f"$record:{record.name}"] = RecordMaker(record, runtime).make
    for variable in contract.variables.values():
        bound = VarGuards if variable.key is None else MapGuards
        for word, guard in bound(runtime, name, variable).get_table().items():
            namespace[f"$var:{variable.name}.{word}"] = guard
    exec(program.code, namespace)  # defines functions only; builtins are empty
    entries = {
        function.name: _make_entry(function, namespace[function.name], runtime)
        for function in contract.functions.values()
        if function.role
    }
    init = next((entry for entry in entries.values() if entry.role == "init"), None)
    public = {word: entry for word, entry in entries.items() if entry.role != "init"}
    return Linked(name, Address(compute_contract_address(name)), contract, public, init, {})


def _make_entry(function: Function, code: Callable[..., Any], runtime: Runtime) -> EntryPoint:
    return EntryPoint(
        code,
        function.role,
        function.returns,
        tuple(build_parse_wire(kind, runtime.meter) for _, kind in function.parameters),
        build_to_wire(function.returns, runtime.meter),
    )


def parse_arguments(entry: EntryPoint, arguments: Sequence[Any]) -> list[Any]:
    """Return the values of wire ``arguments``; ``fault arguments`` when they do not fit."""
    parsers = entry.parsers
    if len(arguments) != len(parsers):
        raise Fault("arguments")
    return [parse(wire) for parse, wire in zip(parsers, arguments, strict=True)]


def get_converter(caller: Linked, kind: Type, runtime: Runtime) -> Callable[[Any], Any]:
    """Return how a callee's wire result of ``kind`` becomes a value of the caller.

    A record becomes the caller's record of the same name and fields, else a tuple.
    """
    converter = caller.converters.get(kind)
    if converter is None:
        adopted = _adopt(kind, caller.contract)
        converter = build_from_wire(adopted, runtime.meter) or _same
        if len(caller.converters) >= CONVERTERS_MAX:
            caller.converters.clear()
        caller.converters[kind] = converter
    return converter


def _same(wire: Any) -> Any:
    return wire


def _adopt(kind: Type, contract: Contract) -> Type:
    match kind:
        case RecordType():
            own = contract.records.get(kind.name)
            fields = [(name, _adopt(field, contract)) for name, field in kind.fields]
            if own is not None and not own.is_event and list(own.fields) == fields:
                return own
            return TupleType(tuple(field for _, field in fields))
        case ListType(item):
            return ListType(_adopt(item, contract))
        case DictType(key, value):
            return DictType(key, _adopt(value, contract))
        case TupleType(items):
            return TupleType(tuple(_adopt(item, contract) for item in items))
        case Scalar():
            return kind
