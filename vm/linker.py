"""Binds a Program to a contract's name: storage guards, records, entry points.

Built once for a contract entry and cached by the Machine; codecs are built here and
never on a call: as straight-line code while the contract's budget for that lasts, else in
the general form, which does the same. Source: docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final

from primitives.hashing import compute_contract_address
from vm.bound_text import GuardWriter
from vm.codecs import Convert, build_parse_wire, build_to_wire
from vm.compiler import Program
from vm.declarations import Contract, Function
from vm.meter import Meter
from vm.outcome import Fault
from vm.runtime import Runtime
from vm.sdk import RecordMaker
from vm.specialise import LINK_OPTIONS, LinkOptions, Specialiser
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
MIGRATE: Final = "migrate"
"""The @export that only an upgrade runs (vm/lifecycle.py): nobody can call it."""


@dataclass(frozen=True, slots=True, eq=False)
class EntryPoint:
    """A function that can be called from outside: ``run`` takes and gives wire values."""

    role: str
    returns: Type
    run: Callable[[Sequence[Any]], Any]


@dataclass(slots=True)
class Linked:
    """A contract ready to run. ``converters`` caches how results of other contracts arrive.

    ``frozen_until`` is its entry's: below that time only views may be entered.
    """

    name: str
    address: Address
    contract: Contract
    entries: dict[str, EntryPoint]
    init: EntryPoint | None
    converters: dict[EntryPoint, Convert]
    migrate: EntryPoint | None = None
    frozen_until: int = 0


def link_program(
    program: Program,
    name: str,
    runtime: Runtime,
    guards: Mapping[str, Callable[..., Any]],
    options: LinkOptions = LINK_OPTIONS,
) -> Linked:
    """Return the program bound to the contract ``name``, with guards in unspellable names."""
    contract = program.contract
    namespace: dict[str, Any] = {"__builtins__": {}}
    for word, guard in guards.items():
        namespace["$" + word] = guard
    for constant, value in contract.constants.items():
        namespace[f"$const:{constant}"] = value
    exec(program.code, namespace)  # defines functions only; builtins are empty
    entries = _bind(program, name, runtime, namespace, options)
    init = next((entry for entry in entries.values() if entry.role == "init"), None)
    public = {word: entry for word, entry in entries.items() if entry.role != "init"}
    migrate = entries.get(MIGRATE)
    if migrate is not None and migrate.role == "export":
        del public[MIGRATE]
    else:
        migrate = None
    address = Address(compute_contract_address(name))
    return Linked(name, address, contract, public, init, {}, migrate)


def _bind(
    program: Program, name: str, runtime: Runtime, namespace: dict[str, Any], options: LinkOptions
) -> dict[str, EntryPoint]:
    """Add the contract's own guards to ``namespace`` and return its entry points.

    Straight-line code is written for what the program names: the rest is never called.
    """
    contract, used = program.contract, collect_names(program.code)
    specialiser = Specialiser(runtime.meter, options)
    writer = GuardWriter(specialiser, runtime)
    public = [function for function in contract.functions.values() if function.role]
    runs = {item.name: writer.add_entry(item, namespace[item.name]) for item in public}
    makers = {}
    for record in contract.records.values():
        make = writer.add_record(record) if f"$record:{record.name}" in used else None
        makers[record.name] = make, specialiser.name_to_wire(record) if record.is_event else None
    written = {}
    for variable in contract.variables.values():
        bound = (VarGuards if variable.key is None else MapGuards)(runtime, name, variable)
        for word, guard in bound.get_table().items():
            namespace[f"$var:{variable.name}.{word}"] = guard
        words = [word for word in bound.get_table() if f"$var:{variable.name}.{word}" in used]
        for word, text in writer.add_variable(variable, bound, words).items():
            written[f"$var:{variable.name}.{word}"] = text
    names = specialiser.build()
    namespace.update({word: names[text] for word, text in written.items()})
    for record in contract.records.values():
        make, to_wire = (_get(names, text) for text in makers[record.name])
        namespace[f"$record:{record.name}"] = RecordMaker(record, runtime, to_wire, make).make
    return {
        item.name: _make_entry(item, namespace[item.name], runtime, _get(names, runs[item.name]))
        for item in public
    }


def collect_names(code: CodeType) -> set[str]:
    """Return the global names that the functions of a program read."""
    functions = [item for item in code.co_consts if isinstance(item, CodeType)]
    return set(code.co_names).union(*[collect_names(function) for function in functions])


def _get(names: Mapping[str, Any], name: str | None) -> Any:
    return None if name is None else names[name]


def _make_entry(
    function: Function,
    code: Callable[..., Any],
    runtime: Runtime,
    run: Callable[[Sequence[Any]], Any] | None,
) -> EntryPoint:
    return EntryPoint(
        function.role, function.returns, run or build_run(function, code, runtime.meter)
    )


def build_run(
    function: Function, code: Callable[..., Any], meter: Meter
) -> Callable[[Sequence[Any]], Any]:
    """Return the general form of an entry point: ``fault arguments`` when they do not fit."""
    parsers = [build_parse_wire(kind, meter) for _, kind in function.parameters]
    to_wire, size = build_to_wire(function.returns, meter), len(parsers)

    def run(arguments: Sequence[Any]) -> Any:
        if len(arguments) != size:
            raise Fault("arguments")
        values = [parse(wire) for parse, wire in zip(parsers, arguments, strict=True)]
        return to_wire(code(*values))

    return run


def get_converter(
    caller: Linked, entry: EntryPoint, runtime: Runtime, options: LinkOptions = LINK_OPTIONS
) -> Convert:
    """Return how a wire result of another contract's ``entry`` becomes a value of the caller.

    A record becomes the caller's record of the same name and fields, else a tuple.
    """
    converter = caller.converters.get(entry)
    if converter is None:
        specialiser = Specialiser(runtime.meter, options)
        name = specialiser.name_from_wire(_adopt(entry.returns, caller.contract))
        converter = specialiser.build()[name]
        if len(caller.converters) >= CONVERTERS_MAX:
            caller.converters.clear()
        caller.converters[entry] = converter
    return converter


def _adopt(kind: Type, contract: Contract) -> Type:
    match kind:
        case RecordType():
            # A library's record has its module's name before its own where nobody imported it.
            own = contract.records.get(kind.name)
            own = own or contract.records.get(kind.name.rpartition(".")[2])
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
