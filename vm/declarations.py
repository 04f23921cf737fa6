"""Reads a contract's module level: imports, constants, storage, records, functions.

Produces a ``Contract`` (what is declared) and problems; looks into no function body
(vm/resolve.py does). Never evaluates code: literals are read from the tree.
Source: docs/contracts.md, "Module".
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vm.gas import DICT_KEY_INT_LIMIT, INT_MAX
from vm.language import DECORATORS, RESERVED, SDK_NAMES, is_name_allowed
from vm.outcome import Problem
from vm.types import (
    ANY,
    KEY_SCALARS,
    NONE,
    SCALARS,
    DictType,
    ListType,
    RecordType,
    Scalar,
    TupleType,
    Type,
    make_record_type,
    measure_type,
)

RECORD_FIELDS_MAX: Final = 64
PARAMETERS_MAX: Final = 32
TYPE_DEPTH_MAX: Final = 16
"""Lists, dicts, tuples and records within each other; codecs walk a type recursively."""
TYPE_PARTS_MAX: Final = 4096
"""Parts of all declared types of a contract, records written out: one codec is built for each."""
NOT_LITERAL: Final = object()
LIBRARY_PREFIX: Final = "lib."


@dataclass(frozen=True, slots=True)
class Variable:
    """A Var (``key`` is None) or a Map. ``default`` is a literal when ``has_default``."""

    name: str
    key: Type | None
    value: Type
    has_default: bool
    default: Any


@dataclass(frozen=True, slots=True)
class Function:
    """``role`` is export, view, init or empty; ``returns`` is ANY without annotation.

    ``module`` is the library module it comes from, empty for the contract's own.
    """

    name: str
    role: str
    parameters: tuple[tuple[str, Type], ...]
    returns: Type
    doc: str
    node: ast.FunctionDef
    module: str = ""


@dataclass(slots=True)
class Contract:
    """Everything a source declares, in order."""

    doc: str = ""
    imports: set[str] = field(default_factory=set)
    constants: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    records: dict[str, RecordType] = field(default_factory=dict)
    record_docs: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    inclusions: dict[str, Inclusion] = field(default_factory=dict)

    def is_declared(self, name: str) -> bool:
        return (
            name in self.constants
            or name in self.variables
            or name in self.records
            or name in self.functions
        )


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A library module inside one contract.

    ``declared`` are the module's own declarations; ``names`` gives what each of its names
    is called in the contract, which can spell only those that it imports.
    """

    declared: Contract
    names: dict[str, str]
    callees: dict[str, list[str]]


Include = Callable[[str, list[str]], Inclusion | None]
"""A library module by name and version, for a contract that imports these names of it."""


class Problems:
    """Collects problems at tree nodes."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, node: ast.AST, code: str, message: str, hint: str = "") -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        self.found.append(Problem(line, column, code, message, hint))


def read_declarations(
    tree: ast.Module,
    problems: Problems,
    include: Include = lambda module, names: None,
    record_names: Mapping[str, str] | None = None,
) -> Contract:
    """Return what ``tree`` declares; whatever is wrong goes into ``problems``.

    ``record_names`` gives records another name than they are declared by.
    """
    reader = _Reader(problems, include, record_names or {})
    for index, node in enumerate(tree.body):
        if index == 0 and _get_docstring(node) is not None:
            reader.contract.doc = _get_docstring(node) or ""
        else:
            reader.read(node)
    # Annotations may name records declared further down, so functions come last.
    for node in reader.function_nodes:
        reader.read_function(node)
    return reader.contract


def _get_docstring(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        value = node.value.value
        return value if type(value) is str else None
    return None


def read_literal(node: ast.expr) -> Any:
    """Return the literal's value, NOT_LITERAL for anything that would have to be computed."""
    if isinstance(node, ast.Constant):
        too_large = type(node.value) is int and node.value > INT_MAX
        return NOT_LITERAL if too_large else node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = node.operand
        if isinstance(operand, ast.Constant) and type(operand.value) is int:
            return -operand.value
    if isinstance(node, ast.List | ast.Tuple):
        items = [read_literal(item) for item in node.elts]
        if NOT_LITERAL in items:
            return NOT_LITERAL
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict):
        keys = [read_literal(key) for key in node.keys if key is not None]
        values = [read_literal(value) for value in node.values]
        if NOT_LITERAL in values or not all(_is_dict_key(key) for key in keys):
            return NOT_LITERAL
        return dict(zip(keys, values, strict=True))
    return NOT_LITERAL


def _is_dict_key(key: object) -> bool:
    if type(key) is int:
        return -DICT_KEY_INT_LIMIT < key < DICT_KEY_INT_LIMIT
    return type(key) in (str, bytes)


class _Reader:
    def __init__(
        self, problems: Problems, include: Include, record_names: Mapping[str, str]
    ) -> None:
        self.problems = problems
        self._include = include
        self._record_names = record_names
        self.contract = Contract()
        self.function_nodes: list[ast.FunctionDef] = []
        self._function_names: set[str] = set()
        self._type_parts = 0

    def read(self, node: ast.stmt) -> None:
        if isinstance(node, ast.ImportFrom):
            self._read_import(node)
        elif isinstance(node, ast.ClassDef):
            self._read_record(node)
        elif isinstance(node, ast.FunctionDef):
            self._introduce(node, node.name)
            self._function_names.add(node.name)
            self.function_nodes.append(node)
        elif isinstance(node, ast.Assign):
            self._read_assignment(node)
        else:
            self.problems.add(node, "module", "not allowed at module level",
                              "constants, storage, records and functions")  # fmt: skip

    def _introduce(self, node: ast.AST, name: str) -> None:
        """Check a new module-level name."""
        check_new_name(node, name, self.contract, self.problems)
        if self.contract.is_declared(name) or name in self._function_names:
            self.problems.add(node, "duplicate", f"{name} is declared twice")

    def _read_import(self, node: ast.ImportFrom) -> None:
        if node.level == 0 and node.module is not None and node.module.startswith(LIBRARY_PREFIX):
            self._read_inclusion(node, node.module)
            return
        if node.module != "vm" or node.level != 0:
            self.problems.add(node, "import", "only `from vm import ...`")
            return
        for alias in node.names:
            if alias.name not in SDK_NAMES:
                self.problems.add(node, "import", f"vm has no {alias.name}")
            elif self.contract.is_declared(alias.name) or alias.name in self._function_names:
                self.problems.add(node, "duplicate", f"{alias.name} is declared twice")
            else:
                self.contract.imports.add(alias.name)

    def _read_inclusion(self, node: ast.ImportFrom, module: str) -> None:
        """Declare what is imported from a library module, and what that needs beside it."""
        contract, wanted = self.contract, [alias.name for alias in node.names]
        inclusion = None if module in contract.inclusions else self._include(module, wanted)
        if inclusion is None:
            self.problems.add(node, "import", f"{module}: no such module, or imported twice",
                              "from lib.fixed.v1 import ..., once for each module")  # fmt: skip
            return
        declared = inclusion.declared
        for name in wanted:
            if name not in inclusion.names:
                self.problems.add(node, "import", f"{module} has no {name}")
            elif contract.is_declared(name) or name in self._function_names:
                self.problems.add(node, "duplicate", f"{name} is declared twice")
            elif name in declared.functions:
                contract.functions[name] = replace(declared.functions[name], module=module)
        contract.inclusions[module] = inclusion
        for name, record in declared.records.items():
            contract.records.setdefault(inclusion.names[name], record)
        for name, value in declared.constants.items():
            contract.constants.setdefault(inclusion.names[name], value)

    def _read_assignment(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if len(node.targets) != 1 or not isinstance(target, ast.Name):
            self.problems.add(node, "module", "one name on the left of =")
            return
        self._introduce(target, target.id)
        if isinstance(node.value, ast.Call):
            self._read_variable(target.id, node.value)
            return
        value = read_literal(node.value)
        if value is NOT_LITERAL:
            self.problems.add(node.value, "constant", "a constant is a literal",
                              "compute it in a function")  # fmt: skip
        self.contract.constants[target.id] = value

    def _read_variable(self, name: str, node: ast.Call) -> None:
        func = node.func
        wrapper = func.value if isinstance(func, ast.Subscript) else None
        if not isinstance(func, ast.Subscript) or not isinstance(wrapper, ast.Name):
            self.problems.add(node, "constant", "a constant is a literal", "storage is Var[T]()")
            self.contract.constants[name] = None
            return
        if wrapper.id not in ("Var", "Map") or wrapper.id not in self.contract.imports:
            self.problems.add(node, "undefined-name", f"{wrapper.id} is not Var or Map of vm")
        key: Type | None = None
        value_node: ast.expr = func.slice
        if wrapper.id == "Map":
            if not isinstance(func.slice, ast.Tuple) or len(func.slice.elts) != 2:
                self.problems.add(func, "annotation", "Map[Key, Value]")
                self.contract.variables[name] = Variable(name, SCALARS["str"], ANY, False, None)
                return
            key = self._read_key_type(func.slice.elts[0])
            value_node = func.slice.elts[1]
        value = self.read_type(value_node)
        if value == NONE or _contains_event(value):
            self.problems.add(value_node, "annotation", "this type cannot be stored")
        has_default, default = self._read_default(node, value)
        self.contract.variables[name] = Variable(name, key, value, has_default, default)

    def _read_default(self, node: ast.Call, kind: Type) -> tuple[bool, Any]:
        if not node.args and not node.keywords:
            return False, None
        if node.args or len(node.keywords) != 1 or node.keywords[0].arg != "default":
            self.problems.add(node, "arity", "only default=literal")
            return False, None
        default = read_literal(node.keywords[0].value)
        if default is NOT_LITERAL or not is_literal_of(default, kind):
            self.problems.add(node.keywords[0].value, "default", "not a literal of this type")
            return False, None
        return True, default

    def _read_key_type(self, node: ast.expr) -> Type:
        kind = self.read_type(node)
        parts = kind.items if isinstance(kind, TupleType) else (kind,)
        if not all(isinstance(part, Scalar) and part.name in KEY_SCALARS for part in parts):
            self.problems.add(
                node, "annotation", "a key is int, str, bytes, Address or a tuple of these"
            )
            return SCALARS["str"]
        return kind

    def _read_record(self, node: ast.ClassDef) -> None:
        self._introduce(node, node.name)
        decorator = self._read_decorator(node, frozenset({"record", "event"}))
        if not decorator:
            self.problems.add(node, "record", "a class is a @record or an @event")
        fields: dict[str, Type] = {}
        doc = ""
        for index, item in enumerate(node.body):
            if index == 0 and _get_docstring(item) is not None:
                doc = _get_docstring(item) or ""
            elif (
                isinstance(item, ast.AnnAssign)
                and isinstance(item.target, ast.Name)
                and item.value is None
                and item.simple
            ):
                self._read_field(item, item.target.id, fields)
            else:
                self.problems.add(item, "record", "only `field: type`")
        if not 1 <= len(fields) <= RECORD_FIELDS_MAX:
            self.problems.add(node, "record", f"1 to {RECORD_FIELDS_MAX} fields")
        is_event = decorator == "event"
        name = self._record_names.get(node.name, node.name)
        record = make_record_type(name, tuple(fields.items()), is_event)
        self.contract.records[node.name] = record
        self.contract.record_docs[node.name] = doc

    def _read_field(self, item: ast.AnnAssign, name: str, fields: dict[str, Type]) -> None:
        if not is_name_allowed(name):
            self.problems.add(item, "name", f"{name} is not a name of the language")
        if name in fields:
            self.problems.add(item, "duplicate", f"field {name} is declared twice")
        fields[name] = self.read_type(item.annotation)
        if _contains_event(fields[name]):
            self.problems.add(item.annotation, "annotation", "an event is not a field")

    def _read_decorator(self, node: ast.ClassDef | ast.FunctionDef, known: frozenset[str]) -> str:
        if not node.decorator_list:
            return ""
        decorator = node.decorator_list[0]
        if len(node.decorator_list) > 1:
            self.problems.add(decorator, "decorator", "at most one decorator")
        if not isinstance(decorator, ast.Name) or decorator.id not in known:
            self.problems.add(decorator, "decorator", f"one of {', '.join(sorted(known))}")
            return ""
        if decorator.id not in self.contract.imports:
            self.problems.add(decorator, "undefined-name", f"import {decorator.id} from vm")
        return decorator.id

    def read_function(self, node: ast.FunctionDef) -> None:
        role = self._read_decorator(node, DECORATORS - {"record", "event"})
        if role == "init" and any(item.role == "init" for item in self.contract.functions.values()):
            self.problems.add(node, "decorator", "at most one @init")
        parameters: dict[str, Type] = {}
        for parameter in node.args.args:
            check_new_name(parameter, parameter.arg, self.contract, self.problems)
            if parameter.arg in parameters:
                self.problems.add(parameter, "duplicate", f"{parameter.arg} is given twice")
            if parameter.annotation is None:
                self.problems.add(parameter, "annotation", f"{parameter.arg} needs a type")
                parameters[parameter.arg] = ANY
            else:
                parameters[parameter.arg] = self.read_type(parameter.annotation)
        if len(parameters) > PARAMETERS_MAX:
            self.problems.add(node, "arity", f"over {PARAMETERS_MAX} parameters")
        returns = ANY if node.returns is None else self.read_type(node.returns)
        doc = _get_docstring(node.body[0]) or ""
        self.contract.functions[node.name] = Function(
            node.name, role, tuple(parameters.items()), returns, doc, node
        )

    def read_type(self, node: ast.expr) -> Type:
        """Return the type an annotation names; a problem and ``any`` when it names none."""
        kind = parse_type(node, self.contract)
        if kind is None:
            self.problems.add(node, "annotation", "not a type of the language")
            return ANY
        parts, depth = measure_type(kind)
        self._type_parts += parts
        if depth > TYPE_DEPTH_MAX or self._type_parts > TYPE_PARTS_MAX:
            self.problems.add(node, "type-size", "types too deep or too large",
                              f"{TYPE_DEPTH_MAX} deep, {TYPE_PARTS_MAX} parts in all")  # fmt: skip
            self._type_parts = 0
            return ANY
        return kind


def parse_type(node: ast.expr, contract: Contract) -> Type | None:
    """Return the type that ``node`` spells, None when it spells none."""
    if isinstance(node, ast.Constant):
        return NONE if node.value is None else None
    if isinstance(node, ast.Name):
        if node.id == "Address" and "Address" not in contract.imports:
            return None
        return SCALARS.get(node.id) or contract.records.get(node.id)
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
        return None
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    kinds = [parse_type(item, contract) for item in inner]
    known = [kind for kind in kinds if kind is not None]
    if len(known) != len(kinds) or not known:
        return None
    match node.value.id, known:
        case "list", [item]:
            return ListType(item)
        case "dict", [Scalar(name), value] if name in KEY_SCALARS:
            return DictType(SCALARS[name], value)
        case "tuple", items:
            return TupleType(tuple(items))
    return None


def is_literal_of(value: object, kind: Type) -> bool:
    """Whether a literal has the declared type."""
    match kind:
        case Scalar(name):
            exact = {"int": int, "str": str, "bool": bool, "bytes": bytes}.get(name)
            return type(value) is exact
        case ListType(item):
            return type(value) is list and all(is_literal_of(element, item) for element in value)
        case DictType(key, item):
            return type(value) is dict and all(
                is_literal_of(name, key) and is_literal_of(element, item)
                for name, element in value.items()
            )
        case TupleType(items):
            return (
                type(value) is tuple
                and len(value) == len(items)
                and all(
                    is_literal_of(element, item) for element, item in zip(value, items, strict=True)
                )
            )
        case RecordType():
            return False


def _contains_event(kind: Type) -> bool:
    match kind:
        case RecordType():
            return kind.is_event
        case ListType(item):
            return _contains_event(item)
        case DictType(_, value):
            return _contains_event(value)
        case TupleType(items):
            return any(_contains_event(item) for item in items)
        case Scalar():
            return False


def check_new_name(node: ast.AST, name: str, contract: Contract, problems: Problems) -> None:
    """Check a name that a contract introduces: its spelling, and that it hides no word."""
    if not is_name_allowed(name):
        problems.add(node, "name", f"{name} is not a name of the language",
                     "letters, digits, single _ inside")  # fmt: skip
    elif name in RESERVED or name in contract.imports:
        problems.add(node, "shadow", f"{name} is a word of the language")
