"""Compiled code as bytes, for a cache that outlives the process, and what such a cache is.

Only bytes that this node has written itself may come back from a cache: whoever
implements CodeCache proves that, since unmarshalled code is executed. What cannot be
read here counts as absent. A stored program has no syntax trees: they are the
compiler's. Source: docs/decisions/0021-compiled-code-is-cached.md.
"""

from __future__ import annotations

import ast
import marshal
from types import CodeType
from typing import Any, Final, Protocol

from primitives.hashing import Tag, compute_hash
from vm.compiler import Program
from vm.declarations import Contract, Function, Variable
from vm.types import (
    SCALARS,
    DictType,
    ListType,
    RecordType,
    Scalar,
    TupleType,
    Type,
    make_record_type,
)

_NO_TREE: Final = ast.FunctionDef(
    "stored", ast.arguments([], [], None, [], [], None, []), [ast.Pass()], []
)
Plain = str | list[Any] | None


class CodeCache(Protocol):
    """Bytes by key. ``load`` gives what ``store`` took on this node and Python, or None.

    Neither ever raises: a cache that fails is an empty one.
    """

    def load(self, key: bytes) -> bytes | None: ...

    def store(self, key: bytes, data: bytes) -> None: ...


class NoCache:
    """Remembers nothing."""

    def load(self, key: bytes) -> bytes | None:
        return None

    def store(self, key: bytes, data: bytes) -> None:
        return None


def compute_program_key(code_hash: bytes, vm_version: int) -> bytes:
    """Return the cache's key of a contract's program."""
    return b"program" + vm_version.to_bytes(4, "big") + code_hash


def compute_text_key(text: str) -> bytes:
    """Return the cache's key of a generated text's code."""
    return b"text" + compute_hash(Tag.CONTRACT_CODE, text.encode())


def dump_code(code: CodeType) -> bytes:
    """Return the bytes of code."""
    return marshal.dumps(code)


def load_code(data: bytes | None) -> CodeType | None:
    """Return the code of ``dump_code``'s bytes, None for None and for what is none."""
    code = _unmarshal(data)
    return code if isinstance(code, CodeType) else None


def dump_program(program: Program) -> bytes:
    """Return the bytes of a program."""
    contract = program.contract
    return marshal.dumps(
        [
            program.code,
            program.blocks,
            contract.doc,
            sorted(contract.imports),
            contract.constants,
            [
                [item.name, item.is_event, [[name, _plain(kind)] for name, kind in item.fields]]
                for item in contract.records.values()
            ],
            contract.record_docs,
            [
                [v.name, None if v.key is None else _plain(v.key), _plain(v.value),
                 v.has_default, v.default]
                for v in contract.variables.values()
            ],
            [
                [f.name, f.role, [[name, _plain(kind)] for name, kind in f.parameters],
                 _plain(f.returns), f.doc]
                for f in contract.functions.values()
            ],
        ]
    )  # fmt: skip


def load_program(data: bytes | None) -> Program | None:
    """Return the program of ``dump_program``'s bytes, None for None and for what is none."""
    stored = _unmarshal(data)
    try:
        code, blocks, doc, imports, constants, records, record_docs, variables, functions = stored
        contract = Contract(doc, set(imports), constants, record_docs=record_docs)
        for name, is_event, fields in records:
            kinds = tuple((field, _build(kind, contract)) for field, kind in fields)
            contract.records[name] = make_record_type(name, kinds, is_event)
        for name, key, value, has_default, default in variables:
            key = None if key is None else _build(key, contract)
            value = _build(value, contract)
            contract.variables[name] = Variable(name, key, value, has_default, default)
        for name, role, parameters, returns, doc in functions:
            kinds = tuple((word, _build(kind, contract)) for word, kind in parameters)
            returns = _build(returns, contract)
            contract.functions[name] = Function(name, role, kinds, returns, doc, _NO_TREE)
    except (TypeError, ValueError, KeyError):
        return None
    return Program(contract, code, blocks) if isinstance(code, CodeType) else None


def _unmarshal(data: bytes | None) -> Any:
    if data is None:
        return None
    try:
        return marshal.loads(data)
    except (ValueError, EOFError, TypeError):
        return None


def _plain(kind: Type) -> Plain:
    match kind:
        case Scalar(name):
            return name
        case ListType(item):
            return ["list", _plain(item)]
        case DictType(key, value):
            return ["dict", _plain(key), _plain(value)]
        case TupleType(items):
            return ["tuple", *map(_plain, items)]
        case RecordType():
            return ["record", kind.name]


def _build(plain: Any, contract: Contract) -> Type:
    if isinstance(plain, str):
        return SCALARS.get(plain) or Scalar(plain)
    word, *rest = plain
    if word == "record":
        return contract.records[rest[0]]
    kinds = [_build(item, contract) for item in rest]
    if word == "tuple":
        return TupleType(tuple(kinds))
    return ListType(kinds[0]) if word == "list" else DictType(kinds[0], kinds[1])
