"""The second evaluator: walks a checked tree, as plainly as it can be said.

Statements and expressions only; prices are in prices.py, what words do in operations.py
and words.py. Used by tests alone. Source: docs/contracts.md.
"""

import ast
from contextlib import suppress
from typing import Any

from tests.fuzz.reference.basics import WORD, Rec, fault, truth
from tests.fuzz.reference.prices import BRANCHES, Prices, bound
from vm.declarations import Contract, Function
from vm.language import BUILTINS

SCALARS = (int, str, bytes, bool, type(None))
LOOKED_INTO = ("get", "keys", "values", "items")


class Break(Exception):
    pass


class Continue(Exception):
    pass


class Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def local_names(function: Function) -> frozenset[str]:
    """Parameters, and every name that a statement binds."""
    names = [name for name, _ in function.parameters]
    for node in ast.walk(function.node):
        if isinstance(node, ast.Assign):
            names += [name for target in node.targets for name in bound(target)]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
            names += bound(node.target)
    return frozenset(names)


def is_shared(value: Any) -> bool:
    """Whether a constant needs no copy: nothing in it can be changed."""
    return all(map(is_shared, value)) if type(value) is tuple else type(value) in SCALARS


def is_flat(value: Any) -> bool:
    """Whether a list or dict may be looked into without a copy."""
    items = value.values() if type(value) is dict else value
    return type(value) in (list, dict) and all(map(is_shared, items))


class Frame:
    """One call of one function: its locals. ``world`` has all that outlives it."""

    def __init__(self, world: Any, contract: Contract, function: Function) -> None:
        self.world, self.contract, self.function = world, contract, function
        self.ops, self.purse = world.operations, world.purse
        self.prices = world.prices_of(contract, function)
        self.names: dict[str, Any] = {}
        self.hidden: list[dict[str, Any]] = []
        """Names of the comprehensions around the running expression, innermost last."""

    def call(self, arguments: list[Any]) -> Any:
        for (name, _), value in zip(self.function.parameters, arguments, strict=True):
            self.names[name] = value
        try:
            self.block(self.function.node.body, 0)
        except Return as result:
            return result.value
        return None

    # Statements

    def block(self, body: list[ast.stmt], extra: int) -> None:
        charged = False
        for index, node in enumerate(body):
            if not charged:
                self.purse.pay(self.world.run_of(self.prices, body, index) + extra)
                charged, extra = True, 0
            self.statement(node)
            if isinstance(node, BRANCHES):
                charged = False

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[target], value=value):
                self.assign(target, value)
            case ast.AnnAssign(target=target, value=value):
                self.assign(target, value)
            case ast.AugAssign():
                self.augmented(node)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.delete(target)
            case ast.If(test=test, body=body, orelse=orelse):
                chosen = body if truth(self.value(test)) else orelse
                self.block(chosen, 0)
            case ast.For() | ast.While():
                self.loop(node)
            case ast.Return(value=value):
                raise Return(None if value is None else self.value(value))
            case ast.Expr(value=ast.Call() as call):
                self.value(call)
            case ast.Break():
                raise Break
            case ast.Continue():
                raise Continue

    def loop(self, node: ast.For | ast.While) -> None:
        extra = self.world.turn_of(self.prices, node)
        try:
            if isinstance(node, ast.For):
                names = len(node.target.elts) if isinstance(node.target, ast.Tuple) else 0
                for item in self.ops.turns(self.look(node.iter), 0, names):
                    self.bind(self.names, node.target, item)
                    self.turn(node.body, extra)
            else:
                while truth(self.value(node.test)):
                    self.turn(node.body, extra)
        except Break:
            return
        self.block(node.orelse, 0)

    def turn(self, body: list[ast.stmt], extra: int) -> None:
        with suppress(Continue):
            self.block(body, extra)

    def bind(self, names: dict[str, Any], target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Tuple):
            names.update(zip(bound(target), value, strict=True))
        else:
            names[bound(target)[0]] = value

    def assign(self, target: ast.expr, source: ast.expr) -> None:
        match target, source:
            case ast.Subscript(), _:
                value = self.value(source)
                cell = self.cell(target.value)
                if cell is not None:
                    cell.put(value, self.value(target.slice))
                else:
                    container = self.value(target.value)
                    self.ops.set_item(value, container, self.value(target.slice))
            case ast.Tuple(elts=names), ast.Tuple(elts=items) if len(names) == len(items):
                self.bind(self.names, target, [self.value(item) for item in items])
            case ast.Tuple(elts=names), _:
                value = self.ops.unpack(self.value(source), len(names))
                self.bind(self.names, target, value)
            case _:
                self.names[target.id] = self.value(source)

    def augmented(self, node: ast.AugAssign) -> None:
        target, op = node.target, node.op
        if isinstance(target, ast.Name):
            old = self.local(target.id)
            self.names[target.id] = self.ops.binary(op, old, self.value(node.value), True)
            return
        cell = self.cell(target.value)
        if cell is not None:
            key = self.value(target.slice)
            old = cell.read(key)
            cell.put(self.ops.binary(op, old, self.value(node.value), True), key)
            return
        container, key = self.value(target.value), self.value(target.slice)
        old = self.ops.get_item(container, key)
        new = self.ops.binary(op, old, self.value(node.value), True)
        self.ops.set_item(new, container, key)

    def delete(self, target: ast.Subscript) -> None:
        cell = self.cell(target.value)
        if cell is not None:
            cell.delete(self.value(target.slice))
        else:
            container = self.value(target.value)
            self.ops.delete_item(container, self.value(target.slice))

    # Names

    def is_local(self, name: str) -> bool:
        return name in self.prices.local

    def local(self, name: str) -> Any:
        for names in reversed(self.hidden):
            if name in names:
                return self._bound(names[name])
        return self._bound(self.names.get(name, fault))

    def _bound(self, value: Any) -> Any:
        if value is fault:  # a name that nothing has bound yet
            raise fault("value")
        return value

    def name(self, node: ast.Name) -> Any:
        if self.is_local(node.id):
            return self.local(node.id)
        value = self.contract.constants[node.id]
        return value if is_shared(value) else self.ops.constant(value)

    def look(self, node: ast.expr) -> Any:
        """A value that is only looked into: a flat constant is not copied."""
        if isinstance(node, ast.Name) and not self.is_local(node.id):
            value = self.contract.constants[node.id]
            if is_flat(value):
                return value
        return self.value(node)

    def cell(self, node: ast.expr) -> Any:
        """The storage variable that ``node`` names."""
        if isinstance(node, ast.Name) and not self.is_local(node.id):
            return self.world.cell(self.contract, node.id)
        return None

    # Expressions

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name():
                return self.name(node)
            case ast.BinOp(left=left, op=op, right=right):
                first = self.value(left)
                return self.ops.binary(op, first, self.value(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not truth(self.value(operand))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=v)) if type(v) is int:
                return -v
            case ast.UnaryOp(op=op, operand=operand):
                return self.ops.unary(op, self.value(operand))
            case ast.BoolOp(op=op, values=values):
                return self.logic(isinstance(op, ast.And), values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if truth(self.value(test)) else orelse)
            case ast.Compare():
                return self.comparison(node)
            case ast.Attribute(value=owner, attr=name):
                if self.prices.context(owner):
                    return self.world.context(name)
                return self.field(self.value(owner), name)
            case ast.Subscript():
                return self.subscript(node)
            case ast.List(elts=elts) | ast.Tuple(elts=elts):
                items = [self.value(item) for item in elts]
                self.purse.hold(WORD * (1 + len(items)))
                return items if isinstance(node, ast.List) else tuple(items)
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                return self.ops.make_dict([self.value(part) for pair in pairs for part in pair])
            case ast.JoinedStr(values=parts):
                return self.ops.join([self.value(part) for part in parts])
            case ast.FormattedValue(value=value):
                return self.value(value)
            case ast.ListComp() | ast.DictComp():
                return self.comprehension(node)
            case ast.Call():
                return self.call_of(node)
        raise AssertionError(ast.dump(node))

    def logic(self, wants_true: bool, values: list[ast.expr]) -> Any:
        result = None
        for item in values:
            result = self.value(item)
            if truth(result) != wants_true:
                break
        return result

    def comparison(self, node: ast.Compare) -> bool:
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            if not self.compare_pair(left, op, right):
                return False
            left = right
        return True

    def compare_pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool:
        first = self.value(left)
        if isinstance(op, ast.Is | ast.IsNot):
            return (first is None) == isinstance(op, ast.Is)
        cell = self.cell(right)
        if cell is not None:
            return cell.has(first) == isinstance(op, ast.In)
        is_member = isinstance(op, ast.In | ast.NotIn)
        return self.ops.compare(op, first, self.look(right) if is_member else self.value(right))

    def field(self, value: Any, name: str) -> Any:
        if isinstance(value, Rec):
            for (field, _), item in zip(value.kind.fields, value.fields, strict=True):
                if field == name:
                    return item
        raise fault("type")

    def subscript(self, node: ast.Subscript) -> Any:
        cell = self.cell(node.value)
        if cell is not None:
            return cell.read(self.value(node.slice))
        container = self.look(node.value)
        if not isinstance(node.slice, ast.Slice):
            return self.ops.get_item(container, self.value(node.slice))
        low, high = [
            None if bound is None else self.value(bound)
            for bound in (node.slice.lower, node.slice.upper)
        ]
        return self.ops.get_slice(container, low, high)

    def comprehension(self, node: ast.ListComp | ast.DictComp) -> Any:
        loops = _Loops(self, node)
        source = loops.turns(0)
        outer = self.prices
        self.hidden.append(loops.names)
        loops.run(0, source)
        self.hidden.pop()
        self.prices = outer
        return loops.rows if isinstance(node, ast.ListComp) else dict(loops.rows)

    # Calls

    def call_of(self, node: ast.Call) -> Any:
        func = node.func
        if isinstance(func, ast.Attribute):
            return self.method(node, func)
        name = func.id
        looked = name == "len" and name not in self.contract.functions
        arguments = [self.look(item) if looked else self.value(item) for item in node.args]
        named = {item.arg: self.value(item.value) for item in node.keywords}
        if name in self.contract.functions:
            return Frame(self.world, *self.callee(name)).call(arguments)
        if name in self.contract.records:
            return self.world.make_record(self.contract.records[name], arguments, named)
        if name in BUILTINS:
            return self.world.builtins.run(name, [*arguments, *named.values()])
        return self.world.sdk(name, arguments, named)

    def callee(self, name: str) -> tuple[Contract, Function]:
        """The function of that name, with the declarations that it sees: its own module's."""
        function = self.contract.functions[name]
        if not function.module:
            return self.contract, function
        declared = self.contract.inclusions[function.module].declared
        return declared, declared.functions[name]

    def method(self, node: ast.Call, func: ast.Attribute) -> Any:
        cell = self.cell(func.value)
        if cell is not None:
            arguments = [self.value(item) for item in node.args]
            named = {item.arg: self.value(item.value) for item in node.keywords}
            return cell.run(func.attr, arguments, named)
        looked = func.attr in LOOKED_INTO
        owner = self.look(func.value) if looked else self.value(func.value)
        arguments = [self.value(item) for item in node.args]
        return self.world.methods.run(func.attr, owner, arguments)


class _Loops:
    """The loops of one comprehension while it runs."""

    def __init__(self, frame: Frame, node: ast.ListComp | ast.DictComp) -> None:
        self.frame, self.node = frame, node
        self.price = frame.world.turns_of(frame, node)
        self.rows: list[Any] = []
        # What each loop sees: its own names and those of the loops before it.
        self.scopes: list[Prices] = []
        # All names are its own from the start, whatever they hide outside.
        self.names: dict[str, Any] = {}
        for part in node.generators:
            self.names |= dict.fromkeys(bound(part.target), fault)
            self.scopes.append(frame.prices.inside(list(self.names)))

    def turns(self, level: int) -> Any:
        part = self.node.generators[level]
        size = len(part.target.elts) if isinstance(part.target, ast.Tuple) else 0
        frame = self.frame
        return frame.ops.turns(frame.look(part.iter), self.price[level], size)

    def run(self, level: int, source: Any) -> None:
        frame, node, part = self.frame, self.node, self.node.generators[level]
        for item in source:
            frame.prices = self.scopes[level]
            frame.bind(self.names, part.target, item)
            if not all(truth(frame.value(condition)) for condition in part.ifs):
                continue
            if level + 1 < len(node.generators):
                self.run(level + 1, self.turns(level + 1))
            elif isinstance(node, ast.ListComp):
                self.rows.append(frame.value(node.elt))
            else:
                key = frame.ops.key(frame.value(node.key))
                self.rows.append((key, frame.value(node.value)))
