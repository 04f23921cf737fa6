"""Which expressions of a function are integers whatever happens: their guards look at no type.

A local is one if it is no parameter and everything that is ever assigned to it is: then no
way through the function gives it another value, and reading it before that faults as ever.
Annotations prove nothing here, since a call between functions does not check them. Only
guards get quicker by it: gas and outcome stay. Source: docs/decisions/0041-loop-speed.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from vm.declarations import Contract, Function
from vm.scopes import get_target_names, make_scope

_ALWAYS: Final = (
    ast.Sub, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift,
    ast.BitAnd, ast.BitOr, ast.BitXor,
)  # fmt: skip
"""Operators that give an int or a fault; ``+`` and ``*`` also join and repeat texts and lists."""
_COUNTS: Final = frozenset({"len", "abs", "int", "sum"})
"""Builtins that give an int or a fault."""


@dataclass(frozen=True, slots=True)
class Integers:
    """``names`` are locals that are integers; ``local`` all locals, which may hide a constant.

    ``proved`` are the sums and products known to be integers. Whoever asks about an expression
    has added its parts before: a sum of many terms is not walked for each of them.
    """

    contract: Contract
    local: frozenset[str]
    names: frozenset[str]
    proved: set[ast.expr] = field(default_factory=set)

    def hide(self, names: Iterable[str]) -> Integers:
        """Return what holds inside a comprehension that binds ``names``."""
        hidden = frozenset(names)
        return replace(self, local=self.local | hidden, names=self.names - hidden)

    def covers(self, left: ast.expr, right: ast.expr) -> bool:
        """Whether both operands are integers or end in a fault."""
        return self._covers(right) and self._covers(left)

    def _covers(self, node: ast.expr) -> bool:
        match node:
            case ast.BinOp(op=op):
                return isinstance(op, _ALWAYS) or node in self.proved
            case ast.IfExp(body=body, orelse=orelse):
                return self._covers(body) and self._covers(orelse)
        needed: set[str] = set()
        return self._collect(node, needed) and needed <= self.names

    def collect(self, nodes: Iterable[ast.expr], needed: set[str]) -> bool:
        """Add the locals that must be integers for all ``nodes`` to be; False if none suffice."""
        return all(self._collect(node, needed) for node in nodes)

    def _collect(self, node: ast.expr, needed: set[str]) -> bool:
        match node:
            case ast.Constant(value=value):
                return type(value) is int
            case ast.Name(id=name):
                if name in self.local:
                    needed.add(name)
                    return True
                return type(self.contract.constants.get(name)) is int
            case ast.BinOp(left=left, op=op, right=right):
                return isinstance(op, _ALWAYS) or self.collect((left, right), needed)
            case ast.UnaryOp(op=op):
                return not isinstance(op, ast.Not)
            case ast.IfExp(body=body, orelse=orelse):
                return self.collect((body, orelse), needed)
            case ast.Call(func=ast.Name(id=name)):
                return name in _COUNTS and self._is_builtin(name)
        return False

    def _is_builtin(self, name: str) -> bool:
        return name not in self.local and not self.contract.is_declared(name)

    def collect_binding(self, node: ast.AST | None, needed: set[str]) -> bool:
        """As ``collect``, for what ``_list_bindings`` says that a name is bound to."""
        match node:
            case ast.For(target=ast.Name(), iter=ast.Call(func=ast.Name(id="range"))):
                return self._is_builtin("range")
            case ast.AugAssign(target=ast.Name() as target, op=op, value=value):
                return isinstance(op, _ALWAYS) or self.collect((target, value), needed)
            case ast.expr():
                return self._collect(node, needed)
        return False


def find_integers(contract: Contract, function: Function) -> Integers:
    """Return the integers of a function, in time that grows with its text.

    A name is ruled out by one binding that may be something else, and then every name that
    needs it. Those that are left hold integers: the first to hold anything else would have
    had it from one that did.
    """
    local = make_scope(contract, function).names
    found = Integers(contract, local, frozenset())
    parameters = {name for name, _ in function.parameters}
    wrong: list[str] = []
    bound: set[str] = set()
    needed_by: dict[str, list[str]] = {}
    for name, node in _list_bindings(function.node.body):
        if name in parameters:
            continue
        bound.add(name)
        needed: set[str] = set()
        if not found.collect_binding(node, needed):
            wrong.append(name)
        for other in needed:
            needed_by.setdefault(other, []).append(name)
    wrong += [name for name in needed_by if name in parameters]
    while wrong:
        name = wrong.pop()
        bound.discard(name)
        wrong += needed_by.pop(name, ())
    return replace(found, names=frozenset(bound))


def _list_bindings(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.AST | None]]:
    """Yield every name that statements bind, with what it is bound to; None for parts of it."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.Assign(targets=[ast.Tuple() as target]):
                yield from ((name, None) for name in get_target_names(target))
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                yield name, value
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name, node
            case ast.For(target=target, body=inner, orelse=orelse):
                yield from ((name, node) for name in get_target_names(target))
                yield from _list_bindings([*inner, *orelse])
            case ast.While(body=inner, orelse=orelse) | ast.If(body=inner, orelse=orelse):
                yield from _list_bindings([*inner, *orelse])
