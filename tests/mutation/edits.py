"""What may be changed in a module: one small edit of its syntax tree at a time.

An edit names the place of a node and what stands there instead. The operators are the
usual ones of mutation testing (Offutt's five, and removed statements): what a guard that
is off by one, turned round, or missing looks like.

Left alone on purpose, because no behaviour hangs on it: annotations, docstrings,
decorators, imports, ``assert`` and ``strict=`` of zip (both state what cannot be false),
texts for people (the message of an error, f-strings, values of enumerations), and first
assignments (without them the name is missing, which anything notices).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Steps from the root to a node: names of fields and indices of lists."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
TURNED = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""Comparisons whose swapped form is their negation."""
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.Div: ast.Mult,
}  # fmt: skip
CALLS = {
    "min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "set": "list",
    "frozenset": "tuple", "reversed": "list",
}  # fmt: skip
UNWRAPPED = ("lower", "upper", "strip", "lstrip", "rstrip", "casefold")
SMALL = 64
"""Above it a number is only made one larger: it is a bound, not a position."""


@dataclass(frozen=True)
class Edit:
    """``path`` leads to the node that ``new`` replaces; ``stop`` is the last line of the place."""

    operator: str
    path: Path
    new: ast.AST
    first: int
    stop: int
    scope: str
    outer_line: int
    """First line of the outermost function around it; 0 outside all functions."""
    nested: bool
    """Inside a function inside a function."""
    in_signature: bool
    """A default value or the like: it takes effect when the function is made."""


def get_at(root: ast.AST, path: Path) -> Any:
    """Return the node at ``path``."""
    here: Any = root
    for step in path:
        here = here[step] if isinstance(step, int) else getattr(here, step)
    return here


def apply(root: ast.AST, path: Path, new: ast.AST) -> ast.AST:
    """Return a copy of ``root`` with ``new`` at ``path``."""
    if not path:
        return copy.deepcopy(new)
    result = copy.deepcopy(root)
    parent = get_at(result, path[:-1])
    fresh = copy.deepcopy(new)
    if isinstance(path[-1], int):
        parent[path[-1]] = fresh
    else:
        setattr(parent, path[-1], fresh)
    return result


def find_edits(tree: ast.Module) -> Iterator[Edit]:
    """Yield every edit of a module, from top to bottom."""
    yield from _Walker().walk_body(tree.body, ("body",), _Place())


@dataclass(frozen=True)
class _Place:
    """Where the walk is."""

    scope: tuple[str, ...] = ()
    functions: int = 0
    outer_line: int = 0
    first: int = 0
    in_signature: bool = False
    in_enum: bool = False
    bound: frozenset[str] = frozenset()
    """Names assigned more than once in the function: removing one assignment means something."""
    is_init: bool = False


class _Walker:
    def walk_body(self, body: list[ast.stmt], path: Path, place: _Place) -> Iterator[Edit]:
        for index, statement in enumerate(body):
            is_last = index == len(body) - 1 and path[-1] == "body" and len(path) == 3
            yield from self._statement(statement, (*path, index), place, is_last)

    # -- statements ----------------------------------------------------------------------------

    def _statement(
        self, node: ast.stmt, path: Path, place: _Place, is_last: bool
    ) -> Iterator[Edit]:
        place = _replace(place, first=node.lineno)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert | ast.Pass):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self._function(node, path, place)
            return
        if isinstance(node, ast.ClassDef):
            is_enum = any("Enum" in ast.unparse(base) for base in node.bases)
            inner = _replace(place, scope=(*place.scope, node.name), in_enum=is_enum)
            yield from self.walk_body(node.body, (*path, "body"), inner)
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if _is_type_alias(node, place):
            return
        if _is_removable(node, place, is_last):
            last = node.end_lineno or node.lineno
            yield self._make("removed", path, ast.copy_location(ast.Pass(), node), place, last)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "targets", "target", "type_ignores", "type_comment", "op"):
                continue
            yield from self._field(node, name, value, (*path, name), place)
        yield from self._statement_edits(node, path, place)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, path: Path, place: _Place
    ) -> Iterator[Edit]:
        scope = (*place.scope, node.name)
        first = min([node.lineno, *[item.lineno for item in node.decorator_list]])
        signature = _replace(place, scope=scope, in_signature=True)
        for name in ("defaults", "kw_defaults"):
            for index, value in enumerate(getattr(node.args, name)):
                if value is not None:
                    yield from self._expression(value, (*path, "args", name, index), signature)
        inner = _replace(
            place,
            scope=scope,
            functions=place.functions + 1,
            outer_line=place.outer_line or first,
            in_enum=False,
            bound=_find_rebound(node),
            is_init=node.name == "__init__",
        )
        for index, statement in enumerate(node.body):
            is_last = index == len(node.body) - 1
            yield from self._statement(statement, (*path, "body", index), inner, is_last)

    def _field(
        self, node: ast.AST, name: str, value: Any, path: Path, place: _Place
    ) -> Iterator[Edit]:
        if isinstance(value, list):
            if value and isinstance(value[0], ast.stmt):
                yield from self.walk_body(value, path, place)
                return
            for index, item in enumerate(value):
                if isinstance(item, ast.ExceptHandler):
                    yield from self._handler(item, (*path, index), place)
                elif isinstance(item, ast.expr):
                    yield from self._expression(item, (*path, index), place)
                elif isinstance(item, ast.AST):
                    for inner, deeper in ast.iter_fields(item):
                        yield from self._field(item, inner, deeper, (*path, index, inner), place)
        elif isinstance(value, ast.expr):
            yield from self._expression(value, path, place)

    def _handler(self, node: ast.ExceptHandler, path: Path, place: _Place) -> Iterator[Edit]:
        if node.type is not None:
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            last = node.type.end_lineno or node.lineno
            for index in range(len(kinds)):
                rest = kinds[:index] + kinds[index + 1 :]
                new = ast.copy_location(ast.Tuple(rest, ast.Load()), node.type)
                yield self._make("except", (*path, "type"), new, place, last)
        yield from self.walk_body(node.body, (*path, "body"), place)

    def _statement_edits(self, node: ast.stmt, path: Path, place: _Place) -> Iterator[Edit]:
        if isinstance(node, ast.If | ast.While):
            yield from self._negation(node.test, (*path, "test"), place)
        elif isinstance(node, ast.For):
            new = ast.copy_location(ast.Tuple([], ast.Load()), node.iter)
            last = node.iter.end_lineno or node.lineno
            yield self._make("no loop", (*path, "iter"), new, place, last)
        elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
            changed = copy.copy(node)
            changed.op = ARITHMETIC[type(node.op)]()
            yield self._make("arithmetic", path, changed, place, node.end_lineno or node.lineno)

    # -- expressions ---------------------------------------------------------------------------

    def _expression(self, node: ast.expr, path: Path, place: _Place) -> Iterator[Edit]:
        last = node.end_lineno or node.lineno
        for operator, new in _change(node, place):
            yield self._make(operator, path, ast.copy_location(new, node), place, last)
        if isinstance(node, ast.IfExp):
            yield from self._negation(node.test, (*path, "test"), place)
        if isinstance(node, ast.Lambda):
            inner = _replace(place, functions=place.functions + 1)
            yield from self._expression(node.body, (*path, "body"), inner)
            return
        is_error = isinstance(node, ast.Call) and _get_name(node.func).endswith("Error")
        for name, value in ast.iter_fields(node):
            if isinstance(node, ast.JoinedStr | ast.FormattedValue) and name == "format_spec":
                continue
            if is_error and name == "args":
                continue  # the text for people
            if isinstance(value, ast.AST | list):
                for path_to, item in _find_expressions(name, value):
                    if isinstance(node, ast.JoinedStr) and isinstance(item, ast.Constant):
                        continue
                    yield from self._expression(item, (*path, *path_to), place)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            yield from self._comprehension(node, path, place)

    def _comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
        path: Path,
        place: _Place,
    ) -> Iterator[Edit]:
        for index, part in enumerate(node.generators):
            for number, test in enumerate(part.ifs):
                here = (*path, "generators", index, "ifs", number)
                always = ast.copy_location(ast.Constant(True), test)
                last = test.end_lineno or test.lineno
                yield self._make("no filter", here, always, place, last)
                yield from self._negation(test, here, place)

    def _negation(self, test: ast.expr, path: Path, place: _Place) -> Iterator[Edit]:
        """``not`` before a condition, unless another operator says the same."""
        if isinstance(test, ast.BoolOp) or (
            isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        ):
            return
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], TURNED):
            return
        new = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
        yield self._make("negated", path, new, place, test.end_lineno or test.lineno)

    def _make(self, operator: str, path: Path, new: ast.AST, place: _Place, last: int) -> Edit:
        return Edit(
            operator, path, new, place.first, last, ".".join(place.scope) or "<module>",
            place.outer_line, place.functions > 1, place.in_signature,
        )  # fmt: skip


def _replace(place: _Place, **changes: Any) -> _Place:
    return _Place(**{**place.__dict__, **changes})


def _get_name(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def _find_expressions(name: str, value: Any) -> Iterator[tuple[Path, ast.expr]]:
    """Yield the expressions directly under a field, through keywords and comprehensions."""
    if isinstance(value, ast.expr):
        yield (name,), value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, ast.expr):
                yield (name, index), item
            elif isinstance(item, ast.keyword) and item.arg != "strict":
                yield (name, index, "value"), item.value
            elif isinstance(item, ast.comprehension):
                yield (name, index, "iter"), item.iter
                for number, test in enumerate(item.ifs):
                    yield (name, index, "ifs", number), test


def _is_type_alias(node: ast.stmt, place: _Place) -> bool:
    """``Name = A | B`` or ``NewType(...)`` or ``__all__`` at the top: nothing happens there."""
    if not isinstance(node, ast.Assign) or place.functions:
        return False
    target = node.targets[0]
    if isinstance(target, ast.Name) and target.id == "__all__":
        return True
    value = node.value
    if isinstance(value, ast.Call):
        return _get_name(value.func) in ("NewType", "TypeVar")
    return _get_name_of_type(value)


def _get_name_of_type(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        return _get_name_of_type(value.left) and _get_name_of_type(value.right)
    if isinstance(value, ast.Subscript):
        return _get_name_of_type(value.value)
    return isinstance(value, ast.Name | ast.Attribute) or (
        isinstance(value, ast.Constant) and value.value is None
    )


def _find_rebound(node: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    seen = [item.arg for item in ast.walk(node.args) if isinstance(item, ast.arg)]
    seen += [
        item.id
        for item in ast.walk(node)
        if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)
    ]
    return frozenset(name for name in seen if seen.count(name) > 1)


def _is_removable(node: ast.stmt, place: _Place, is_last: bool) -> bool:
    if isinstance(node, ast.Raise | ast.Continue | ast.Break | ast.Delete | ast.AugAssign):
        return True
    if isinstance(node, ast.Return):
        return not is_last
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call | ast.Await | ast.Yield | ast.YieldFrom)
    if isinstance(node, ast.Assign) and place.functions and not place.is_init:
        target = node.targets[0]
        if isinstance(target, ast.Attribute | ast.Subscript):
            return True
        names = [item.id for item in ast.walk(target) if isinstance(item, ast.Name)]
        return bool(names) and all(name in place.bound for name in names)
    return False


def _change(node: ast.expr, place: _Place) -> Iterator[tuple[str, ast.expr]]:
    """Yield what may stand instead of one expression."""
    if isinstance(node, ast.Constant):
        yield from _change_constant(node, place)
    elif isinstance(node, ast.Compare):
        for index, op in enumerate(node.ops):
            ops: list[ast.cmpop] = list(node.ops)
            ops[index] = COMPARISONS[type(op)]()
            yield "comparison", ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BoolOp):
        swapped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and/or", ast.BoolOp(swapped, node.values)
        for index in range(len(node.values)):
            rest = node.values[:index] + node.values[index + 1 :]
            yield "dropped operand", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp):
        yield "dropped " + type(node.op).__name__.lower(), node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        if not (isinstance(node.op, ast.BitOr) and _get_name_of_type(node) and _is_types(node)):
            yield "arithmetic", ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        part = node.slice
        if part.lower is not None:
            slice_ = ast.copy_location(ast.Slice(None, part.upper, part.step), part)
            yield "slice", ast.Subscript(node.value, slice_, node.ctx)
        if part.upper is not None:
            slice_ = ast.copy_location(ast.Slice(part.lower, None, part.step), part)
            yield "slice", ast.Subscript(node.value, slice_, node.ctx)
    elif isinstance(node, ast.Call):
        yield from _change_call(node)


def _is_types(node: ast.expr) -> bool:
    """Whether ``A | B`` is a union of classes: names in capitals, as the house writes them."""
    if isinstance(node, ast.BinOp):
        return _is_types(node.left) and _is_types(node.right)
    name = _get_name(node).rsplit(".", 1)[-1]
    return name[:1].isupper() or name in ("int", "str", "bytes", "bool", "list", "tuple", "dict")


def _change_constant(node: ast.Constant, place: _Place) -> Iterator[tuple[str, ast.expr]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int):
        yield "constant", ast.Constant(value + 1)
        if 1 <= value <= SMALL:
            yield "constant", ast.Constant(value - 1)
    elif isinstance(value, str) and not place.in_enum:
        yield "text", ast.Constant(value + "~")
    elif isinstance(value, bytes):
        yield "text", ast.Constant(value + b"~")


def _change_call(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    name = _get_name(node.func)
    if name in CALLS:
        keywords = [] if CALLS[name] in ("list", "tuple") else node.keywords
        new = ast.copy_location(ast.Name(CALLS[name], ast.Load()), node.func)
        yield "call", ast.Call(new, node.args, keywords)
    if isinstance(node.func, ast.Attribute):
        method = node.func.attr
        if method in UNWRAPPED:
            yield "call", node.func.value
        if method == "fromkeys" and len(node.args) == 1:
            yield "call", node.args[0]
        if method in ("get", "pop", "setdefault") and len(node.args) == 2:
            yield "dropped default", ast.Call(node.func, node.args[:1], node.keywords)
    plain = name.rsplit(".", 1)[-1].lstrip("_")
    if plain and not plain[0].isupper():
        for index, keyword in enumerate(node.keywords):
            if keyword.arg not in (None, "strict"):
                rest = node.keywords[:index] + node.keywords[index + 1 :]
                yield "dropped keyword", ast.Call(node.func, node.args, rest)
