"""The mutants of a module: each edit with a name that outlives moved lines.

An id reads ``consensus/votes.py VoteBook.add [comparison] len(views) >= 4 -> len(views) > 4``:
file, function, operator, and the smallest readable piece of code before and after. Where one
function holds the same piece twice, the second is ``#2``.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.edits import Edit, apply, find_edits, get_at

SNIPPET_MAX = 120


@dataclass(frozen=True)
class Mutant:
    """One changed module. ``index`` is the edit's number in the file."""

    id: str
    path: str
    index: int
    edit: Edit

    @property
    def module(self) -> str:
        """The module's import name."""
        return self.path.removesuffix(".py").replace("/", ".")


def parse(root: Path, path: str) -> ast.Module:
    """Return the tree of a file under ``root``."""
    return ast.parse((root / path).read_text(), path)


def find_mutants(root: Path, path: str) -> list[Mutant]:
    """Return all mutants of a file, from top to bottom; the same list for the same text."""
    tree = parse(root, path)
    seen: Counter[str] = Counter()
    mutants = []
    for index, edit in enumerate(find_edits(tree)):
        before, after = describe(tree, edit)
        name = f"{path} {edit.scope} [{edit.operator}] {before} -> {after}"
        seen[name] += 1
        if seen[name] > 1:
            name += f" #{seen[name]}"
        mutants.append(Mutant(name, path, index, edit))
    return mutants


def describe(tree: ast.Module, edit: Edit) -> tuple[str, str]:
    """Return the piece of code around the edit, before and after, each on one line."""
    if edit.operator == "removed":
        return _shorten(get_at(tree, edit.path)), "pass"
    if edit.operator == "no loop":
        loop = get_at(tree, edit.path[:-1])
        return f"for {ast.unparse(loop.target)} in {_shorten(loop.iter)}", "nothing"
    if edit.operator == "except":
        old = get_at(tree, edit.path)
        return f"except {ast.unparse(old)}", f"except {ast.unparse(edit.new)}"
    depth = _find_readable(tree, edit.path)
    around = get_at(tree, edit.path[:depth])
    changed = apply(around, edit.path[depth:], edit.new)
    return _shorten(around), _shorten(changed)


def _find_readable(tree: ast.Module, path: tuple[str | int, ...]) -> int:
    """Return how much of ``path`` leads to the smallest piece that says something by itself."""
    plain = (ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp, ast.Tuple, ast.Slice, ast.List)
    best = len(path)
    for depth in range(len(path), 0, -1):
        node = get_at(tree, path[:depth])
        if not isinstance(node, ast.expr | ast.Return | ast.Assign | ast.AugAssign | ast.AnnAssign):
            if isinstance(node, ast.stmt):
                break
            continue
        if len(ast.unparse(node)) > SNIPPET_MAX:
            break
        best = depth
        if not isinstance(node, plain):
            break
    return best


def _shorten(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    if len(text) <= SNIPPET_MAX:
        return text
    half = SNIPPET_MAX // 2
    return f"{text[:half]} … {text[-half:]}"
