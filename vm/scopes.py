"""Which names a function binds, and what is read from storage. Pure questions to the tree.

Shared by the resolver (which refuses) and the rewriter (which translates), so that
the two can never disagree on what a name means. Source: docs/contracts.md, "Names".
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from vm.declarations import Contract, Function, Variable


@dataclass(frozen=True, slots=True)
class Scope:
    """The local names of a function, with those of the comprehensions around a node."""

    contract: Contract
    names: frozenset[str]

    def with_names(self, names: set[str]) -> Scope:
        return Scope(self.contract, self.names | names)

    def get_variable(self, node: ast.expr | None) -> Variable | None:
        """Return the storage variable that ``node`` names, if it does."""
        if isinstance(node, ast.Name) and node.id not in self.names:
            return self.contract.variables.get(node.id)
        return None

    def is_context(self, node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Name)
            and node.id == "ctx"
            and "ctx" in self.contract.imports
            and "ctx" not in self.names
        )

    def is_storage_read(self, node: ast.expr) -> bool:
        """Whether ``node`` is (a part of) a fresh copy read from storage."""
        while True:
            if isinstance(node, ast.Subscript):
                if self.get_variable(node.value) is not None:
                    return True
                node = node.value
            elif isinstance(node, ast.Attribute):
                node = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if self.get_variable(node.func.value) is not None:
                    return True
                if node.func.attr != "get":
                    return False
                node = node.func.value
            else:
                return False


def get_target_names(target: ast.expr) -> list[str]:
    """Return the names that a target binds."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, ast.Tuple):
        return [item.id for item in target.elts if isinstance(item, ast.Name)]
    return []


def make_scope(contract: Contract, function: Function) -> Scope:
    """Return the scope of a function: its parameters and every name its statements bind."""
    names = {name for name, _ in function.parameters}
    pending: list[ast.stmt] = list(function.node.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Assign):
            names.update(name for target in node.targets for name in get_target_names(target))
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            names.update(get_target_names(node.target))
        elif isinstance(node, ast.For):
            names.update(get_target_names(node.target))
            pending += node.body + node.orelse
        elif isinstance(node, ast.While | ast.If):
            pending += node.body + node.orelse
    return Scope(contract, frozenset(names))
