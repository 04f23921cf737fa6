"""Static prices of a checked tree: what each basic block charges when it begins.

A block is a run of statements up to and with the next ``if``, ``for`` or ``while``. It
pays for everything it may do once, both sides of every short circuit. A loop's body pays
its turn, and that of a ``while`` the next test. Source: design/vm.md, "Gas".
"""

import ast
import re
from pathlib import Path

from vm.declarations import Contract
from vm.gas import Schedule
from vm.inclusion import DIGESTS
from vm.lexer import SOURCE_BYTES_MAX

BRANCHES = (ast.If, ast.For, ast.While)
LIBRARY = Path(__file__).resolve().parents[3] / "vm" / "library"


def bound(target: ast.expr) -> list[str]:
    """Names that a target binds."""
    items = target.elts if isinstance(target, ast.Tuple) else [target]
    return [item.id for item in items if isinstance(item, ast.Name)]


def split_words(text: str) -> list[str]:
    """Words, signs and lines."""
    return re.findall(r"\w+|[^\w ]", text, re.ASCII)


def price_of_text(source: str, prices: Schedule) -> int:
    """What deploying a text costs: its length, its words, signs and lines, and what it imports."""
    text = source[:SOURCE_BYTES_MAX]
    words = split_words(text)
    imported = {
        name
        for at in range(len(words))
        if words[at] == "from" and (name := "".join(words[at + 1 : at + 6])) in DIGESTS
    }
    count = len(words) + sum(count_imported(name, set(words)) for name in imported)
    return prices.deploy + prices.deploy_byte * len(text) + prices.deploy_word * count


def count_imported(name: str, used: set[str]) -> int:
    """The words of a module's records, of those functions that ``used`` names, and of those
    they call."""
    path = LIBRARY / (name.replace(".", "/") + ".py")
    text = path.read_text()
    nodes = ast.parse(text).body
    functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    reached = {name for name in functions if name in used}
    size = -1
    while len(reached) != size:
        size = len(reached)
        named = [node for word in reached for node in ast.walk(functions[word])]
        reached |= {n.id for n in named if isinstance(n, ast.Name) and n.id in functions}
    records = [node for node in nodes if isinstance(node, ast.ClassDef)]
    counted = [*records, *(functions[word] for word in reached)]
    segments = [ast.get_source_segment(text, node) or "" for node in counted]
    return sum(len(split_words(segment)) for segment in segments)


class Prices:
    """Prices of the nodes of one function; ``local`` are the names it binds."""

    def __init__(self, contract: Contract, prices: Schedule, local: frozenset[str]) -> None:
        self.contract, self.p, self.local = contract, prices, local

    def inside(self, names: list[str]) -> "Prices":
        return Prices(self.contract, self.p, self.local | set(names))

    def variable(self, node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Name)
            and node.id not in self.local
            and node.id in self.contract.variables
        )

    def context(self, node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Name)
            and node.id == "ctx"
            and "ctx" in self.contract.imports
            and "ctx" not in self.local
        )

    # Blocks

    def run(self, body: list[ast.stmt], start: int) -> int:
        """The price of the block of ``body`` that begins at ``start``."""
        total = self.p.block
        for node in body[start:]:
            total += self.statement(node)
            if isinstance(node, BRANCHES):
                break
        return total

    def turn(self, node: ast.For | ast.While) -> int:
        """What each turn of a loop adds to the first block of its body."""
        return self.p.turn + (self.of(node.test) if isinstance(node, ast.While) else 0)

    def statement(self, node: ast.stmt) -> int:
        p = self.p
        match node:
            case ast.Assign(targets=[target], value=value):
                return p.node + self.assign(target, value)
            case ast.AnnAssign(target=target, value=value):
                return p.node + self.assign(target, value)
            case ast.AugAssign(target=ast.Subscript() as target, op=op, value=value):
                place = self.place(target) + p.subscript
                return p.node + self.operator(op) + place + self.of(value)
            case ast.AugAssign(op=op, value=value):
                return p.node + self.operator(op) + self.of(value)
            case ast.Delete(targets=targets):
                return p.node + sum(self.place(target) for target in targets)
            case ast.For(iter=source):
                return p.node + p.builtin + self.of(source)
            case ast.While(test=test) | ast.If(test=test):
                return p.node + self.of(test)
            case ast.Return(value=ast.expr() as value) | ast.Expr(value=ast.Call() as value):
                return p.node + self.of(value)
        return p.node

    def assign(self, target: ast.expr, value: ast.expr) -> int:
        if isinstance(target, ast.Subscript):
            return self.of(value) + self.place(target)
        if not isinstance(target, ast.Tuple):
            return self.p.node + self.of(value)
        names = self.p.node + self.p.item * len(target.elts)
        if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
            return names + sum(map(self.of, value.elts))
        return names + self.of(value)

    def place(self, node: ast.Subscript) -> int:
        """A subscript that is written or deleted."""
        container = 0 if self.variable(node.value) else self.of(node.value)
        return self.p.subscript + container + self.of(node.slice)

    def operator(self, op: ast.operator) -> int:
        if isinstance(op, ast.Pow):
            return self.p.power
        return self.p.division if isinstance(op, ast.FloorDiv | ast.Mod) else self.p.arithmetic

    # Expressions

    def of(self, node: ast.expr | None) -> int:
        """The price of an expression, once."""
        return 0 if node is None else self.p.node + self.beyond_node(node)

    def all(self, nodes: list[ast.expr]) -> int:
        return sum(map(self.of, nodes))

    def beyond_node(self, node: ast.expr) -> int:
        p = self.p
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return self.operator(op) + self.of(left) + self.of(right)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.of(operand)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=v)) if type(v) is int:
                return 0
            case ast.UnaryOp(operand=operand):
                return p.arithmetic + self.of(operand)
            case ast.BoolOp(values=values):
                return self.all(values)
            case ast.Compare():
                return self.comparison(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.all([test, body, orelse])
            case ast.Attribute(value=value) if self.context(value):
                return p.context_field
            case ast.Attribute(value=value):
                return p.field + self.of(value)
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper)):
                return p.subscript + self.of(value) + self.of(lower) + self.of(upper)
            case ast.Subscript():
                return self.place(node)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return self.all(items) + p.display_item * (len(items) + 2)
            case ast.Dict(keys=keys, values=values):
                return self.all(keys + values) + p.display_item * (2 * len(keys) + 2)
            case ast.JoinedStr(values=parts):
                shown = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
                return p.part * (1 + len(parts)) + self.all(shown)
            case ast.ListComp(generators=[first, *_]) | ast.DictComp(generators=[first, *_]):
                return p.builtin + self.of(first.iter)
            case ast.Call():
                return self.call(node)
        return 0

    def comparison(self, node: ast.Compare) -> int:
        total = self.p.comparison * len(node.ops)
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            total += self.of(left)
            if not isinstance(op, ast.Is | ast.IsNot) and not self.variable(right):
                total += self.of(right)
            left = right
        return total

    def call(self, node: ast.Call) -> int:
        p = self.p
        arguments = self.all([*node.args, *[item.value for item in node.keywords]])
        if isinstance(node.func, ast.Attribute):
            owner = node.func.value
            return p.method + arguments + (0 if self.variable(owner) else self.of(owner))
        name = node.func.id
        if name in self.contract.functions:
            return p.call + p.parameter * len(node.args) + arguments
        if name in self.contract.records:
            fields = len(self.contract.records[name].fields)
            return p.record + p.record_field * fields + arguments
        return p.builtin + arguments

    def turns(self, node: ast.ListComp | ast.DictComp) -> list[int]:
        """The price of a turn of each loop of a comprehension."""
        p, scope, result = self.p, self, []
        for index, part in enumerate(node.generators):
            if index:
                result[-1] += scope.of(part.iter) + p.builtin
            scope = scope.inside(bound(part.target))
            result.append(p.turn + scope.all(part.ifs))
        result[-1] += p.display_item
        if isinstance(node, ast.ListComp):
            result[-1] += scope.of(node.elt)
        else:
            result[-1] += p.subscript + scope.of(node.key) + scope.of(node.value)
        return result
