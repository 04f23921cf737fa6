"""Translates a checked function: every operation becomes a guard call, every block pays.

Guards live in names with a ``$``, which no source can spell. Truth tests, and/or/not,
branches, loops and plain assignments stay Python's own: they run no foreign code on
the VM's exact types. Must only see what vm/resolve.py accepted. Prices are those of
the source's tree, so they are equal on every Python version. Source: docs/contracts.md.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

from vm.declarations import Contract, Function, Variable
from vm.gas import Schedule
from vm.guards_integers import INTEGER_GUARDS
from vm.guards_integers import PREFIX as INTEGER_PREFIX
from vm.integers import Integers, find_integers
from vm.language import BUILTINS
from vm.meter import OBJECT_BYTES
from vm.scopes import Scope, get_target_names, make_scope

_BINARY: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.FloorDiv: "divide",
    ast.Mod: "modulo", ast.Pow: "power", ast.LShift: "shift_left", ast.RShift: "shift_right",
    ast.BitAnd: "bit_and", ast.BitOr: "bit_or", ast.BitXor: "bit_xor",
}  # fmt: skip
_COMPARISON: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "equal", ast.NotEq: "not_equal", ast.Lt: "less", ast.LtE: "less_equal",
    ast.Gt: "greater", ast.GtE: "greater_equal", ast.In: "contains", ast.NotIn: "lacks",
    ast.Is: "is_none", ast.IsNot: "is_some",
}  # fmt: skip
_SCALARS: Final = (int, str, bytes, bool, type(None))


def guard(name: str, *arguments: ast.expr) -> ast.Call:
    """Return the call of the guard ``name``."""
    return ast.Call(ast.Name("$" + name, ast.Load()), list(arguments), [])


def _unchecked(node: ast.AST) -> AssertionError:
    """What the checks refuse, seen here, is their bug: the rewriter has no words for it either.

    Raised, not asserted: ``-O`` must not open a second way in.
    """
    return AssertionError(f"{type(node).__name__} passed the checks")


def is_immutable(value: object) -> bool:
    """Whether a constant can be shared: a scalar, or a tuple of such."""
    if type(value) is tuple:
        return all(is_immutable(item) for item in value)
    return type(value) in _SCALARS


def is_flat(value: object) -> bool:
    """Whether a constant list or dict holds only immutable values."""
    if type(value) is dict:
        return all(is_immutable(item) for item in value.values())
    return type(value) is list and all(is_immutable(item) for item in value)


class FunctionRewriter:
    """Rewrites one function; ``blocks`` collects (line, price) of each basic block.

    ``names`` gives what the contract's names are called where the code will run: those of a
    library module have other ones there.
    """

    def __init__(
        self, contract: Contract, schedule: Schedule, names: Mapping[str, str] | None = None
    ) -> None:
        self.contract = contract
        self.schedule = schedule
        self._names = names or {}
        self.blocks: list[tuple[int, int]] = []
        self._cost = 0
        self._temporaries = count()
        self._scope = Scope(contract, frozenset())
        self._integers = Integers(contract, frozenset(), frozenset())

    def rewrite(self, function: Function) -> ast.FunctionDef:
        """Return the guarded function."""
        self._scope = make_scope(self.contract, function)
        self._integers = find_integers(self.contract, function)
        node = function.node
        parameters = [ast.arg(name) for name, _ in function.parameters]
        arguments = ast.arguments([], parameters, None, [], [], None, [])
        body = self._block(node.body, 0, node.lineno)
        return ast.FunctionDef(self._rename(node.name), arguments, body, [])

    def _rename(self, name: str) -> str:
        return self._names.get(name, name)

    # Blocks and statements

    def _block(self, body: list[ast.stmt], extra: int, line: int) -> list[ast.stmt]:
        """Rewrite statements that run in a row, with a charge before each basic block."""
        outer = self._cost
        result: list[ast.stmt] = []
        self._cost = self.schedule.block + extra
        start = 0
        for index, node in enumerate(body):
            rewritten = self._statement(node)
            ends = isinstance(node, ast.If | ast.For | ast.While) or index == len(body) - 1
            if ends:
                charge = ast.Expr(guard("charge", ast.Constant(self._cost)))
                result.insert(start, charge)
                self.blocks.append((line, self._cost))
                self._cost = self.schedule.block
            result += rewritten
            if ends and index + 1 < len(body):
                start, line = len(result), body[index + 1].lineno
        self._cost = outer
        return result

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        self._cost += self.schedule.node
        match node:
            case ast.Assign():
                return [self._assign(node.targets[0], node.value)]
            case ast.AnnAssign(value=ast.expr() as value):
                return [self._assign(node.target, value)]
            case ast.AugAssign():
                return self._augmented(node)
            case ast.Delete():
                return [ast.Expr(self._delete(target)) for target in node.targets]
            case ast.For():
                return [self._for(node)]
            case ast.While():
                return [self._while(node)]
            case ast.If():
                test = self._expression(node.test)
                body = self._block(node.body, 0, node.body[0].lineno)
                return [ast.If(test, body, self._else(node.orelse))]
            case ast.Return():
                return [ast.Return(self._expression(node.value) if node.value else None)]
            case ast.Expr(value=ast.Call() as call):
                return [ast.Expr(self._expression(call))]
            case ast.Expr(value=ast.Constant()):
                return [ast.Pass()]  # a docstring
            case ast.Pass() | ast.Break() | ast.Continue():
                return [type(node)()]
            case _:
                raise _unchecked(node)

    def _else(self, body: list[ast.stmt]) -> list[ast.stmt]:
        return self._block(body, 0, body[0].lineno) if body else []

    def _for(self, node: ast.For) -> ast.For:
        self._cost += self.schedule.builtin
        turns = self._turns(node.iter, node.target)
        body = self._block(node.body, self.schedule.turn, node.lineno)
        return ast.For(_copy_target(node.target), turns, body, self._else(node.orelse))

    def _turns(self, source: ast.expr, target: ast.expr) -> ast.Call:
        size = len(get_target_names(target)) if isinstance(target, ast.Tuple) else 0
        free = ast.Constant(0)  # a loop's body pays for its turns, a comprehension sets a price
        return guard("turns", self._peek(source), free, ast.Constant(size))

    def _while(self, node: ast.While) -> ast.While:
        before = self._cost
        test = self._expression(node.test)
        # Each turn pays for the test that follows it; the first was paid before the loop.
        extra = self.schedule.turn + self._cost - before
        body = self._block(node.body, extra, node.lineno)
        return ast.While(test, body, self._else(node.orelse))

    def _assign(self, target: ast.expr, value: ast.expr) -> ast.stmt:
        if isinstance(target, ast.Subscript):
            return ast.Expr(self._store(target, self._expression(value)))
        self._cost += self.schedule.node
        if not isinstance(target, ast.Tuple):
            return ast.Assign([_copy_target(target)], self._expression(value))
        self._cost += self.schedule.item * len(target.elts)
        if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
            items = [self._expression(item) for item in value.elts]
            return ast.Assign([_copy_target(target)], ast.Tuple(items, ast.Load()))
        unpacked = guard("unpack", self._expression(value), ast.Constant(len(target.elts)))
        return ast.Assign([_copy_target(target)], unpacked)

    def _store(self, target: ast.Subscript, value: ast.expr) -> ast.expr:
        self._cost += self.schedule.subscript
        variable = self._scope.get_variable(target.value)
        if variable is not None:
            return guard(f"var:{variable.name}.put", value, self._expression(target.slice))
        container = self._expression(target.value)
        return guard("set_item", value, container, self._expression(target.slice))

    def _delete(self, target: ast.expr) -> ast.expr:
        self._cost += self.schedule.subscript
        if not isinstance(target, ast.Subscript):
            raise _unchecked(target)
        variable = self._scope.get_variable(target.value)
        if variable is not None:
            return guard(f"var:{variable.name}.delete", self._expression(target.slice))
        return guard("delete_item", self._expression(target.value), self._expression(target.slice))

    def _augmented(self, node: ast.AugAssign) -> list[ast.stmt]:
        """``x[i] += v`` reads x and i once, then the item, then v, as Python does."""
        self._cost += self._operator_cost(node.op)
        name = "extend_or_add" if isinstance(node.op, ast.Add) else _BINARY[type(node.op)]
        target = node.target
        if isinstance(target, ast.Name):
            current = ast.Name(target.id, ast.Load())
            operand = self._expression(node.value)
            value = guard(self._choose(name, target, node.value), current, operand)
            return [ast.Assign([ast.Name(target.id, ast.Store())], value)]
        if not isinstance(target, ast.Subscript):
            raise _unchecked(target)
        self._cost += 2 * self.schedule.subscript
        before: list[ast.stmt] = []
        variable = self._scope.get_variable(target.value)
        if variable is not None:
            key = self._keep(before, self._expression(target.slice))
            current_item = guard(f"var:{variable.name}.read", key())
            value = guard(name, current_item, self._expression(node.value))
            return [*before, ast.Expr(guard(f"var:{variable.name}.put", value, key()))]
        container = self._keep(before, self._expression(target.value))
        key = self._keep(before, self._expression(target.slice))
        value = guard(name, guard("get_item", container(), key()), self._expression(node.value))
        return [*before, ast.Expr(guard("set_item", value, container(), key()))]

    def _keep(self, before: list[ast.stmt], value: ast.expr) -> Callable[[], ast.expr]:
        """Store ``value`` in a name no source can spell; return how to read it."""
        name = f"$t{next(self._temporaries)}"
        before.append(ast.Assign([ast.Name(name, ast.Store())], value))
        return lambda: ast.Name(name, ast.Load())

    # Expressions

    def _choose(self, name: str, left: ast.expr, right: ast.expr) -> str:
        """Return the guard for operands seen before: one that looks at no types if it need not."""
        if name in INTEGER_GUARDS and self._integers.covers(left, right):
            return INTEGER_PREFIX + name
        return name

    def _operator_cost(self, op: ast.operator) -> int:
        if isinstance(op, ast.FloorDiv | ast.Mod):
            return self.schedule.division
        return self.schedule.power if isinstance(op, ast.Pow) else self.schedule.arithmetic

    def _expression(self, node: ast.expr) -> ast.expr:
        self._cost += self.schedule.node
        match node:
            case ast.Constant():
                return ast.Constant(node.value)
            case ast.Name():
                return self._name(node)
            case ast.BinOp():
                self._cost += self._operator_cost(node.op)
                left, right = self._expression(node.left), self._expression(node.right)
                name = self._choose(_BINARY[type(node.op)], node.left, node.right)
                if name.startswith(INTEGER_PREFIX):
                    self._integers.proved.add(node)
                return guard(name, left, right)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BoolOp():
                return ast.BoolOp(node.op, [self._expression(value) for value in node.values])
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp():
                test = self._expression(node.test)
                return ast.IfExp(test, self._expression(node.body), self._expression(node.orelse))
            case ast.Call():
                return self._call(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.ListComp() | ast.DictComp():
                return self._comprehension(node)
            case ast.JoinedStr():
                return self._joined(node)
            case _:
                return self._display(node)

    def _name(self, node: ast.Name) -> ast.expr:
        if node.id in self._scope.names:
            return ast.Name(node.id, ast.Load())
        value = self.contract.constants[node.id]
        if type(value) in _SCALARS:
            return ast.Constant(value)
        if is_immutable(value):
            return ast.Name(f"$const:{self._rename(node.id)}", ast.Load())
        return guard("copy", ast.Name(f"$const:{self._rename(node.id)}", ast.Load()))

    def _peek(self, node: ast.expr) -> ast.expr:
        """Return an expression that is only looked into: a flat constant needs no copy."""
        is_constant = isinstance(node, ast.Name) and node.id not in self._scope.names
        if is_constant and is_flat(self.contract.constants[node.id]):  # type: ignore[attr-defined]  # Name
            self._cost += self.schedule.node
            return ast.Name(f"$const:{self._rename(node.id)}", ast.Load())  # type: ignore[attr-defined]  # Name
        return self._expression(node)

    def _unary(self, node: ast.UnaryOp) -> ast.expr:
        operand = node.operand
        if isinstance(node.op, ast.Not):
            return ast.UnaryOp(ast.Not(), self._expression(operand))
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
                if type(value) is int:
                    return ast.Constant(-value)
        self._cost += self.schedule.arithmetic
        name = "negate" if isinstance(node.op, ast.USub) else "invert"
        return guard(name, self._expression(operand))

    def _comparison(self, node: ast.Compare) -> ast.expr:
        self._cost += self.schedule.comparison * len(node.ops)
        operands = [node.left, *node.comparators]
        tests = [
            self._compare_pair(op, operands[index], operands[index + 1])
            for index, op in enumerate(node.ops)
        ]
        return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)

    def _compare_pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> ast.expr:
        name = _COMPARISON[type(op)]
        if isinstance(op, ast.Is | ast.IsNot):
            return guard(name, self._expression(left))
        variable = self._scope.get_variable(right)
        if variable is not None:
            has = guard(f"var:{variable.name}.has", self._expression(left))
            return has if isinstance(op, ast.In) else ast.UnaryOp(ast.Not(), has)
        is_member = isinstance(op, ast.In | ast.NotIn)
        first = self._expression(left)
        second = self._peek(right) if is_member else self._expression(right)
        return guard(self._choose(name, left, right), first, second)

    def _attribute(self, node: ast.Attribute) -> ast.expr:
        if self._scope.is_context(node.value):
            self._cost += self.schedule.context_field
            return guard(f"ctx.{node.attr}")
        self._cost += self.schedule.field
        return guard("field", self._expression(node.value), ast.Constant(node.attr))

    def _subscript(self, node: ast.Subscript) -> ast.expr:
        self._cost += self.schedule.subscript
        variable = self._scope.get_variable(node.value)
        if variable is not None:
            return guard(f"var:{variable.name}.read", self._expression(node.slice))
        container = self._peek(node.value)
        if not isinstance(node.slice, ast.Slice):
            return guard("get_item", container, self._expression(node.slice))
        bounds = [
            ast.Constant(None) if bound is None else self._expression(bound)
            for bound in (node.slice.lower, node.slice.upper)
        ]
        return guard("get_slice", container, *bounds)

    def _display(self, node: ast.expr) -> ast.expr:
        """Lists, tuples and dicts written out: their memory is metered."""
        if isinstance(node, ast.Dict):
            pairs: list[ast.expr] = []
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:  # ``**``
                    raise _unchecked(node)
                pairs += self._expression(key), self._expression(value)
            self._cost += self.schedule.display_item * (len(pairs) + 2)
            return guard("make_dict", ast.Tuple(pairs, ast.Load()))
        if not isinstance(node, ast.List | ast.Tuple):
            raise _unchecked(node)
        items = [self._expression(item) for item in node.elts]
        self._cost += self.schedule.display_item * (len(items) + 2)
        display = (
            ast.List(items, ast.Load())
            if isinstance(node, ast.List)
            else ast.Tuple(items, ast.Load())
        )
        return guard("keep", display, ast.Constant(OBJECT_BYTES * (1 + len(items))))

    def _joined(self, node: ast.JoinedStr) -> ast.expr:
        self._cost += self.schedule.part * (1 + len(node.values))
        parts = [
            self._expression(part.value)
            if isinstance(part, ast.FormattedValue)
            else ast.Constant(part.value if isinstance(part, ast.Constant) else "")
            for part in node.values
        ]
        return guard("join_parts", ast.Tuple(parts, ast.Load()))

    def _comprehension(self, node: ast.ListComp | ast.DictComp) -> ast.expr:
        """The price of a turn is charged up front, times the turns, by the guard of its source."""
        outer_scope, outer_cost, outer_integers = self._scope, self._cost, self._integers
        prices: list[int] = []
        parts: list[ast.comprehension] = []
        for index, generator in enumerate(node.generators):
            self._cost = 0 if index else outer_cost
            source = self._turns(generator.iter, generator.target)
            if index:
                prices[-1] += self._cost + self.schedule.builtin
            else:
                outer_cost = self._cost + self.schedule.builtin
            self._scope = self._scope.with_names(set(get_target_names(generator.target)))
            self._integers = self._integers.hide(get_target_names(generator.target))
            self._cost = self.schedule.turn
            conditions = [self._expression(condition) for condition in generator.ifs]
            prices.append(self._cost)
            target = _copy_target(generator.target)
            parts.append(ast.comprehension(target, source, conditions, 0))
        self._cost = self.schedule.display_item
        result: ast.expr
        if isinstance(node, ast.ListComp):
            result = ast.ListComp(self._expression(node.elt), parts)
        else:
            self._cost += self.schedule.subscript
            key = guard("key", self._expression(node.key))
            result = ast.DictComp(key, self._expression(node.value), parts)
        prices[-1] += self._cost
        for part, price in zip(parts, prices, strict=True):
            _set_price(part.iter, price)
        self._scope, self._cost, self._integers = outer_scope, outer_cost, outer_integers
        return result

    # Calls

    def _call(self, node: ast.Call) -> ast.expr:
        func = node.func
        if isinstance(func, ast.Attribute):
            return self._call_method(node, func)
        if not isinstance(func, ast.Name) or func.id in self._scope.names:
            raise _unchecked(node)
        name = func.id
        if name in self.contract.functions:
            self._cost += self.schedule.call + self.schedule.parameter * len(node.args)
            callee: ast.expr = ast.Name(self._rename(name), ast.Load())
        elif name in self.contract.records:
            fields = len(self.contract.records[name].fields)
            self._cost += self.schedule.record + self.schedule.record_field * fields
            callee = ast.Name(f"$record:{self._rename(name)}", ast.Load())
        else:
            self._cost += self.schedule.builtin
            prefix = "$builtin." if name in BUILTINS else "$sdk."
            callee = ast.Name(prefix + name, ast.Load())
        look = name == "len"
        arguments = [self._peek(item) if look else self._expression(item) for item in node.args]
        return ast.Call(callee, arguments, self._keywords(node))

    def _keywords(self, node: ast.Call) -> list[ast.keyword]:
        if any(item.arg is None for item in node.keywords):
            raise _unchecked(node)
        return [ast.keyword(item.arg, self._expression(item.value)) for item in node.keywords]

    def _call_method(self, node: ast.Call, func: ast.Attribute) -> ast.expr:
        self._cost += self.schedule.method
        variable: Variable | None = self._scope.get_variable(func.value)
        if variable is not None:
            arguments = [self._expression(item) for item in node.args]
            callee = ast.Name(f"$var:{variable.name}.{func.attr}", ast.Load())
            return ast.Call(callee, arguments, self._keywords(node))
        peek = func.attr in ("get", "keys", "values", "items")
        receiver = self._peek(func.value) if peek else self._expression(func.value)
        arguments = [self._expression(item) for item in node.args]
        return guard(f"method.{func.attr}", receiver, *arguments)


def _copy_target(node: ast.expr) -> ast.expr:
    names = [ast.Name(name, ast.Store()) for name in get_target_names(node)]
    return (
        ast.Tuple(list[ast.expr](names), ast.Store()) if isinstance(node, ast.Tuple) else names[0]
    )


def _set_price(turns: Any, price: int) -> None:
    turns.args[1] = ast.Constant(price)
