"""Makes a failing case small: fewer transactions, fewer lines, simpler expressions.

``shrink(case, fails)`` keeps whatever change leaves ``fails`` true. Bounded by tries, not
by time, so that the result is a function of the case.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from tests.fuzz.cases import Case
from tests.fuzz.generator.programs import wrap

TRIES_MAX = 3000


class _Shrinker:
    def __init__(self, case: Case, fails: Callable[[Case], bool]) -> None:
        self.case, self.fails, self.tries = case, fails, 0

    def take(self, case: Case) -> bool:
        """Keep ``case`` if it still fails."""
        if self.tries >= TRIES_MAX or case == self.case:
            return False
        self.tries += 1
        if not self.fails(case):
            return False
        self.case = case
        return True

    def run(self) -> Case:
        before = None
        while before != self.case and self.tries < TRIES_MAX:
            before = self.case
            self._drop_steps()
            for index in range(len(self.case.contracts)):
                self._try_each(index, _fewer)
                self._try_each(index, _fewer_fields)
                self._try_each(index, _fewer_results)
                self._drop_init_parameters(index)
                self._drop_lines(index)
                self._try_each(index, _simpler)
        return self.case

    def _drop_steps(self) -> None:
        for name in ("transactions", "contracts"):
            for index in reversed(range(len(getattr(self.case, name)))):
                kept = list(getattr(self.case, name))
                del kept[index]
                self.take(replace(self.case, **{name: tuple(kept)}))
        for index, (sender, gas, calls) in enumerate(self.case.transactions):
            for fewer in [calls[:i] + calls[i + 1 :] for i in range(len(calls))]:
                steps = list(self.case.transactions)
                steps[index] = (sender, gas, fewer)
                if self.take(replace(self.case, transactions=tuple(steps))):
                    break

    def _with_source(self, index: int, source: str) -> Case:
        contracts = list(self.case.contracts)
        name, _, arguments = contracts[index]
        contracts[index] = (name, source, arguments)
        return replace(self.case, contracts=tuple(contracts))

    def _drop_init_parameters(self, index: int) -> None:
        """Without one parameter of what runs at deployment, and without its argument."""
        for position in reversed(range(len(self.case.contracts[index][2]))):
            name, source, arguments = self.case.contracts[index]
            tree = _parse(source)
            for node in () if tree is None else ast.walk(tree):
                if isinstance(node, ast.FunctionDef) and _has_decorator(node, "init"):
                    del node.args.args[position : position + 1]
            contracts = list(self.case.contracts)
            rest = arguments[:position] + arguments[position + 1 :]
            contracts[index] = (name, _write(tree), rest)
            self.take(replace(self.case, contracts=tuple(contracts)))

    def _drop_lines(self, index: int) -> None:
        size = len(self.case.contracts[index][1].split("\n")) // 2
        while size:
            start = 0
            lines = self.case.contracts[index][1].split("\n")
            while start < len(lines):
                fewer = lines[:start] + lines[start + size :]
                if self.take(self._with_source(index, "\n".join(fewer))):
                    lines = fewer
                else:
                    start += size
            size //= 2

    def _try_each(self, index: int, change: Callable[[str], Iterator[str]]) -> None:
        """Take what ``change`` offers; after each that holds, go on from where it was."""
        position = 0
        while self.tries < TRIES_MAX:
            offers = islice(change(self.case.contracts[index][1]), position, None)
            taken = False
            for source in offers:
                taken = self.take(self._with_source(index, source))
                if taken:
                    break
                position += 1
            if not taken:
                return


def _parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _write(tree: ast.Module | None) -> str:
    """The tree as text, its long lines broken as the lexer wants."""
    return "\n".join(map(wrap, ast.unparse(tree or ast.Module()).split("\n"))) + "\n"


def _fewer(source: str) -> Iterator[str]:
    """Texts without one statement, the large ones first, or with a block in its place."""
    tree = _parse(source)
    bodies = [] if tree is None else [node for node in ast.walk(tree) if _bodies(node)]
    for node in bodies:
        for name in _bodies(node):
            body = getattr(node, name)
            for position in range(len(body)):
                rest = body[:position] + body[position + 1 :]
                inner = [
                    item
                    for part in _bodies(body[position])
                    for item in getattr(body[position], part)
                ]
                for offer in (rest, body[:position] + inner + rest[position:]):
                    setattr(node, name, offer or [ast.Pass()])
                    yield _write(tree)
                setattr(node, name, body)


def _bodies(node: ast.AST) -> list[str]:
    return [name for name in ("body", "orelse") if isinstance(getattr(node, name, None), list)]


def _fewer_fields(source: str) -> Iterator[str]:
    """Texts in which one record lacks a field, wherever it is made with that field."""
    classes = [node for node in ast.walk(_parse(source) or ast.Module()) if _is_record(node)]
    for name, count in [(node.name, len(node.body)) for node in classes if len(node.body) > 1]:
        for position in range(count):
            tree = _parse(source)
            for node in ast.walk(tree or ast.Module()):
                if _is_record(node) and node.name == name:
                    field = node.body.pop(position)
                elif _calls(node, name):
                    del node.args[position : position + 1]
                    node.keywords = [item for item in node.keywords if item.arg != field.target.id]
            yield _write(tree)


def _fewer_results(source: str) -> Iterator[str]:
    """Texts in which one function returns nothing."""
    for number in range(sum(map(_has_result, ast.walk(_parse(source) or ast.Module())))):
        tree = _parse(source)
        function = [node for node in ast.walk(tree or ast.Module()) if _has_result(node)][number]
        function.returns = ast.Constant(None)
        for node in ast.walk(function):
            if isinstance(node, ast.Return):
                node.value = None
        yield _write(tree)


def _has_result(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef):
        return False
    return not (isinstance(node.returns, ast.Constant) and node.returns.value is None)


def _is_record(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and _has_decorator(node, "record")


def _calls(node: ast.AST, name: str) -> bool:
    called = getattr(node, "func", None) if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Name) and called.id == name


def _has_decorator(node: ast.FunctionDef | ast.ClassDef, name: str) -> bool:
    return any(isinstance(item, ast.Name) and item.id == name for item in node.decorator_list)


def _simpler(source: str) -> Iterator[str]:
    """Texts in which one expression is replaced by a part of it, or by a small literal."""
    tree = _parse(source)
    for node in () if tree is None else ast.walk(tree):
        for name, value in ast.iter_fields(node):
            items = value if isinstance(value, list) else [value]
            for position, item in enumerate(items):
                if not isinstance(item, ast.expr) or isinstance(item, ast.Constant):
                    continue
                for simple in [*_parts(item), ast.Constant(0), ast.Constant("a")]:
                    changed = [*items[:position], simple, *items[position + 1 :]]
                    setattr(node, name, changed if isinstance(value, list) else simple)
                    yield _write(tree)
                setattr(node, name, value)


def _parts(node: ast.expr) -> list[ast.expr]:
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Return a small case for which ``fails`` holds as it does for ``case``."""
    return _Shrinker(case, fails).run()
