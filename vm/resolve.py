"""Static resolution: every name in every function body means one thing, or is refused.

Also what may be done with it: functions, storage variables and ctx are not values,
arities fit, calls have no cycle. Refuses only; translates nothing (vm/rewrite.py).
Source: docs/contracts.md, "Names", "Functions".
"""

from __future__ import annotations

import ast
from typing import Final

from vm.declarations import Contract, Function, Problems, check_new_name, parse_type
from vm.gas import INT_MAX
from vm.language import (
    BUILTINS,
    CONTEXT_FIELDS,
    MAP_METHODS,
    METHODS,
    MUTATORS,
    SDK_FUNCTIONS,
    SDK_NAMES,
    VAR_METHODS,
    does_arity_fit,
)
from vm.scopes import Scope, get_target_names, make_scope

CALL_CHAIN_MAX: Final = 16


def check_functions(contract: Contract, problems: Problems) -> dict[str, list[str]]:
    """Add every problem in the bodies of ``contract``'s own functions; return who calls whom."""
    fields = {name for record in contract.records.values() for name, _ in record.fields}
    callees: dict[str, list[str]] = {}
    for function in contract.functions.values():
        if function.module:
            continue  # checked with its module
        checker = _Checker(contract, function, fields, problems)
        checker.check()
        callees[function.name] = checker.callees
    for inclusion in contract.inclusions.values():
        for name, called in inclusion.callees.items():
            callees[inclusion.names[name]] = [inclusion.names[item] for item in called]
    _check_calls(contract, callees, problems)
    return callees


def _check_calls(contract: Contract, callees: dict[str, list[str]], problems: Problems) -> None:
    """Refuse cycles and chains over CALL_CHAIN_MAX: the host's stack never decides."""
    heights: dict[str, int] = {}
    remaining = dict(callees)
    while remaining:
        ready = [
            name
            for name, called in remaining.items()
            if all(callee in heights for callee in called)
        ]
        if not ready:
            name = next(iter(remaining))
            node = contract.functions[name].node
            problems.add(node, "recursion", f"{name} is part of, or leads to, a cycle of calls")
            return
        for name in ready:
            heights[name] = 1 + max((heights[callee] for callee in remaining.pop(name)), default=0)
            if heights[name] == CALL_CHAIN_MAX + 1:
                node = contract.functions[name].node  # its own: a module's chains are short
                problems.add(node, "call-chain", f"a chain of calls over {CALL_CHAIN_MAX} deep")


class _Checker:
    """Walks one function. The tree's depth is bounded by vm/grammar.py."""

    def __init__(
        self, contract: Contract, function: Function, fields: set[str], problems: Problems
    ) -> None:
        self.contract = contract
        self.function = function
        self.fields = fields
        self.problems = problems
        self.callees: list[str] = []
        self.scope = make_scope(contract, function)

    def check(self) -> None:
        for name, _ in self.function.parameters:
            self._check_binding(self.function.node, name)
        self._statements(self.function.node.body, 0, documented=True)

    # Statements

    def _statements(self, body: list[ast.stmt], loops: int, documented: bool = False) -> None:
        for index, node in enumerate(body):
            is_doc = documented and index == 0 and isinstance(node, ast.Expr)
            if is_doc and isinstance(node.value, ast.Constant) and type(node.value.value) is str:  # type: ignore[attr-defined]  # is_doc says Expr
                continue
            self._statement(node, loops)

    def _statement(self, node: ast.stmt, loops: int) -> None:
        match node:
            case ast.Assign():
                self._assign(node)
            case ast.AugAssign():
                self._target(node.target)
                self._expression(node.value, self.scope)
            case ast.AnnAssign():
                self._annotated(node)
            case ast.Delete():
                self._delete(node)
            case ast.For():
                self._loop_target(node.target, self.scope)
                self._expression(node.iter, self.scope)
                self._statements(node.body, loops + 1)
                self._statements(node.orelse, loops)
            case ast.While() | ast.If():
                self._expression(node.test, self.scope)
                self._statements(node.body, loops + isinstance(node, ast.While))
                self._statements(node.orelse, loops)
            case ast.Return():
                if node.value is not None:
                    self._expression(node.value, self.scope)
            case ast.Expr():
                self._expression_statement(node)
            case ast.Break() | ast.Continue():
                if loops == 0:
                    self.problems.add(node, "syntax", "outside a loop")
            case ast.Pass():
                pass
            case _:
                self.problems.add(node, "syntax", f"{type(node).__name__} inside a function")

    def _assign(self, node: ast.Assign) -> None:
        if len(node.targets) != 1:
            self.problems.add(node, "syntax", "one target", "assign on two lines")
        for target in node.targets:
            self._target(target)
        self._expression(node.value, self.scope)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if not isinstance(node.target, ast.Name) or not node.simple or node.value is None:
            self.problems.add(node, "syntax", "`name: type = value`")
            return
        self._check_binding(node.target, node.target.id)
        if parse_type(node.annotation, self.contract) is None:
            self.problems.add(node.annotation, "annotation", "not a type of the language")
        self._expression(node.value, self.scope)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self._target(target)
            else:
                self.problems.add(target, "syntax", "only `del x[key]`")

    def _expression_statement(self, node: ast.Expr) -> None:
        call = node.value
        if not isinstance(call, ast.Call):
            self.problems.add(node, "syntax", "a statement that does nothing")
            return
        func = call.func
        mutates = isinstance(func, ast.Attribute) and func.attr in MUTATORS
        if mutates and self.scope.is_storage_read(func.value):  # type: ignore[attr-defined]  # Attribute
            self._lost_write(node)
        self._expression(call, self.scope)

    def _lost_write(self, node: ast.AST) -> None:
        self.problems.add(node, "lost-write", "this changes a copy of what is stored",
                          "read, change, write back")  # fmt: skip

    def _target(self, node: ast.expr) -> None:
        if isinstance(node, ast.Name):
            self._check_binding(node, node.id)
        elif isinstance(node, ast.Tuple):
            self._loop_target(node, self.scope)
        elif isinstance(node, ast.Subscript):
            if isinstance(node.slice, ast.Slice):
                self.problems.add(node, "syntax", "a slice cannot be assigned")
                return
            if self.scope.is_storage_read(node.value):
                self._lost_write(node)
            self._subscript(node, self.scope)
        else:
            self.problems.add(node, "syntax", "a name, names or a subscript",
                              "records are immutable: replace(record, field=value)")  # fmt: skip

    def _loop_target(self, node: ast.expr, scope: Scope) -> None:
        is_names = isinstance(node, ast.Tuple) and all(isinstance(i, ast.Name) for i in node.elts)
        if not (isinstance(node, ast.Name) or (is_names and get_target_names(node))):
            self.problems.add(node, "syntax", "a name or a tuple of names")
        for name in get_target_names(node):
            self._check_binding(node, name)

    def _check_binding(self, node: ast.AST, name: str) -> None:
        if name in self.contract.variables:
            self.problems.add(node, "shadow", f"{name} is a storage variable", "rename the local")
        elif name not in {parameter for parameter, _ in self.function.parameters}:
            check_new_name(node, name, self.contract, self.problems)

    # Expressions

    def _expression(self, node: ast.expr, scope: Scope) -> None:
        match node:
            case ast.Constant():
                if type(node.value) is int and node.value > INT_MAX:
                    self.problems.add(node, "syntax", "integer over 256 bits")
            case ast.Name():
                self._name(node, scope)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())):
                pass  # the least integer may stand under a minus
            case ast.Compare():
                self._comparison(node, scope)
            case ast.Call():
                self._call(node, scope)
            case ast.Attribute():
                self._attribute(node, scope)
            case ast.Subscript():
                self._subscript(node, scope)
            case ast.Slice():
                self.problems.add(node, "syntax", "a slice stands alone in its brackets")
            case ast.ListComp() | ast.DictComp():
                self._comprehension(node, scope)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._expression(child, scope)

    def _name(self, node: ast.Name, scope: Scope) -> None:
        name, contract = node.id, self.contract
        if name in scope.names or name in contract.constants:
            return
        if name in contract.variables or (name == "ctx" and "ctx" in contract.imports):
            self.problems.add(node, "not-a-value", f"{name} is not a value", "read what it holds")
        elif name in contract.functions or name in contract.records or self._is_word(name):
            self.problems.add(node, "not-a-value", f"{name} can only be called")
        else:
            hint = "import it from vm" if name in SDK_NAMES else ""
            self.problems.add(node, "undefined-name", f"{name} is not defined", hint)

    def _is_word(self, name: str) -> bool:
        return name in BUILTINS or name in self.contract.imports

    def _comparison(self, node: ast.Compare, scope: Scope) -> None:
        operands = [node.left, *node.comparators]
        if len(node.ops) > 1 and not all(self._is_simple(item) for item in operands):
            self.problems.add(node, "syntax", "a chain compares names, constants and fields")
        for op, right in zip(node.ops, node.comparators, strict=True):
            is_none = isinstance(right, ast.Constant) and right.value is None
            if isinstance(op, ast.Is | ast.IsNot) and not is_none:
                self.problems.add(node, "syntax", "`is` only with None", "use ==")
        last = node.comparators[0]
        variable = scope.get_variable(last)
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn) and variable:
            if variable.key is None:
                self.problems.add(last, "not-a-value", f"{variable.name} is not a Map")
            self._expression(node.left, scope)
            return
        for operand in operands:
            self._expression(operand, scope)

    def _is_simple(self, node: ast.expr) -> bool:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return isinstance(node.operand, ast.Constant)
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name | ast.Constant)

    def _attribute(self, node: ast.Attribute, scope: Scope) -> None:
        if scope.is_context(node.value):
            if node.attr not in CONTEXT_FIELDS:
                self.problems.add(node, "field", f"ctx has no {node.attr}")
            return
        if node.attr not in self.fields:
            self.problems.add(node, "field", f"no record has a field {node.attr}")
        self._expression(node.value, scope)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> None:
        variable = scope.get_variable(node.value)
        if variable is not None:
            if variable.key is None:
                self.problems.add(node, "not-a-value", f"{variable.name} is not a Map",
                                  "use get() and set()")  # fmt: skip
            self._expression(node.slice, scope)
            return
        self._expression(node.value, scope)
        if isinstance(node.slice, ast.Slice):
            for bound in (node.slice.lower, node.slice.upper):
                if bound is not None:
                    self._expression(bound, scope)
        else:
            self._expression(node.slice, scope)

    def _comprehension(self, node: ast.ListComp | ast.DictComp, scope: Scope) -> None:
        inner = scope
        for generator in node.generators:
            self._expression(generator.iter, inner)
            self._loop_target(generator.target, inner)
            inner = inner.with_names(set(get_target_names(generator.target)))
            for condition in generator.ifs:
                self._expression(condition, inner)
        if isinstance(node, ast.ListComp):
            self._expression(node.elt, inner)
        else:
            self._expression(node.key, inner)
            self._expression(node.value, inner)

    # Calls

    def _call(self, node: ast.Call, scope: Scope) -> None:
        for argument in [*node.args, *[keyword.value for keyword in node.keywords]]:
            self._expression(argument, scope)
        func = node.func
        if isinstance(func, ast.Name):
            self._call_name(node, func.id, scope)
        elif isinstance(func, ast.Attribute):
            self._call_method(node, func, scope)
        else:
            self.problems.add(node, "not-callable", "only names and methods are called")

    def _call_name(self, node: ast.Call, name: str, scope: Scope) -> None:
        keywords = [keyword.arg or "" for keyword in node.keywords]
        contract = self.contract
        if name in scope.names or name in contract.constants or name in contract.variables:
            self.problems.add(node, "not-callable", f"{name} is not a function")
        elif name in contract.functions:
            self.callees.append(name)
            if keywords or len(node.args) != len(contract.functions[name].parameters):
                self.problems.add(node, "arity", f"arguments of {name}", "positional, all given")
        elif name in contract.records:
            given = [field for field, _ in contract.records[name].fields[: len(node.args)]]
            wanted = [field for field, _ in contract.records[name].fields]
            if len(node.args) > len(wanted) or sorted(given + keywords) != sorted(wanted):
                self.problems.add(node, "arity", f"{name} takes each of its fields once")
        elif name in BUILTINS:
            if not does_arity_fit(BUILTINS[name], len(node.args), keywords):
                self.problems.add(node, "arity", f"arguments of {name}")
        elif name in SDK_FUNCTIONS and name in contract.imports:
            self._call_sdk(node, name, keywords)
        else:
            hint = "import it from vm" if name in SDK_NAMES else ""
            self.problems.add(node, "undefined-name", f"{name} is not defined", hint)

    def _call_sdk(self, node: ast.Call, name: str, keywords: list[str]) -> None:
        if name == "replace":
            if len(node.args) != 1 or not keywords or len(set(keywords)) != len(keywords):
                self.problems.add(node, "arity", "replace(record, field=value)")
            for keyword in keywords:
                if keyword not in self.fields:
                    self.problems.add(node, "field", f"no record has a field {keyword}")
            return
        if not does_arity_fit(SDK_FUNCTIONS[name], len(node.args), keywords):
            self.problems.add(node, "arity", f"arguments of {name}")
        elif name == "call":
            method = node.args[1]
            if not isinstance(method, ast.Constant) or type(method.value) is not str:
                self.problems.add(method, "call", "the method is a literal", "call(name, 'method')")

    def _call_method(self, node: ast.Call, func: ast.Attribute, scope: Scope) -> None:
        keywords = [keyword.arg or "" for keyword in node.keywords]
        variable = scope.get_variable(func.value)
        table = METHODS
        if variable is not None:
            table = VAR_METHODS if variable.key is None else MAP_METHODS
        else:
            self._expression(func.value, scope)
        if func.attr not in table:
            self.problems.add(func, "method", f"no method {func.attr}")
        elif not does_arity_fit(table[func.attr], len(node.args), keywords):
            self.problems.add(node, "arity", f"arguments of {func.attr}")
