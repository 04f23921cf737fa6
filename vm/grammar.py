"""The grammar: a table of node types and the fields that may be used.

An unknown node or an unknown field in use is refused, so syntax that a newer Python
adds fails closed. Everything refused here has the code ``syntax``, on every Python
version, because a receipt carries that code. Bounds the tree before anything walks it
recursively. Source: docs/contracts.md, "Grammar".
"""

from __future__ import annotations

import ast
from typing import Final

from vm.gas import INT_MAX
from vm.outcome import Problem

DEPTH_MAX: Final = 40
TREE_DEPTH_MAX: Final = 104
"""Depth with every `elif` counted: the passes recurse, and the host's stack never decides."""
NODES_MAX: Final = 12_000
LOOP_DEPTH_MAX: Final = 8
FUNCTIONS_MAX: Final = 128
COMPREHENSION_LOOPS_MAX: Final = 2

_BARE: Final = """
Pass Break Continue Load Store Del And Or Not Invert USub
Add Sub Mult FloorDiv Mod Pow LShift RShift BitAnd BitOr BitXor
Eq NotEq Lt LtE Gt GtE In NotIn Is IsNot
"""
"""Nodes without fields."""
FIELDS: Final[dict[str, frozenset[str]]] = {name: frozenset() for name in _BARE.split()} | {
    name: frozenset(fields.split())
    for name, fields in {
        "Module": "body",
        "ImportFrom": "module names level",
        "alias": "name",
        "Assign": "targets value",
        "AnnAssign": "target annotation value simple",
        "AugAssign": "target op value",
        "ClassDef": "name body decorator_list",
        "FunctionDef": "name args body decorator_list returns",
        "arguments": "args",
        "arg": "arg annotation",
        "Return": "value",
        "Delete": "targets",
        "For": "target iter body orelse",
        "While": "test body orelse",
        "If": "test body orelse",
        "Expr": "value",
        "BoolOp": "op values",
        "BinOp": "left op right",
        "UnaryOp": "op operand",
        "Compare": "left ops comparators",
        "IfExp": "test body orelse",
        "Call": "func args keywords",
        "keyword": "arg value",
        "Attribute": "value attr ctx",
        "Subscript": "value slice ctx",
        "Slice": "lower upper",
        "List": "elts ctx",
        "Tuple": "elts ctx",
        "Dict": "keys values",
        "ListComp": "elt generators",
        "DictComp": "key value generators",
        "comprehension": "target iter ifs",
        "JoinedStr": "values",
        "FormattedValue": "value",
        "Constant": "value",
        "Name": "id ctx",
    }.items()
}

_HINTS: Final = {
    "Try": "a failing call fails the transaction",
    "Raise": "use revert('code')",
    "Assert": "use require(condition, 'code')",
    "Import": "from vm import ...",
    "Div": "use // or mul_div",
    "Set": "use a dict",
    "SetComp": "use a dict",
    "GeneratorExp": "use a list comprehension",
    "Lambda": "write a function",
    "Starred": "list the items",
    "Global": "use a Var",
    "Nonlocal": "use a Var",
}
_FLAT: Final = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
_CONSTANTS: Final = (int, str, bytes, bool, type(None))


def check_grammar(tree: ast.Module) -> list[Problem]:
    """Return every node of ``tree`` that the language lacks, and every bound it breaks."""
    problems: list[Problem] = []
    count = functions = 0
    pending: list[tuple[ast.AST, int, int, int, int, int]] = [(tree, 0, 0, 0, 1, 1)]
    while pending:
        # What has no place of its own (an operator, a list of parameters) has its owner's.
        node, depth, levels, loops, line, column = pending.pop()
        line, column = getattr(node, "lineno", line), getattr(node, "col_offset", column - 1) + 1
        if not isinstance(node, _FLAT):
            count += 1
        loops += isinstance(node, ast.For | ast.While)
        functions += isinstance(node, ast.FunctionDef)
        reason = _refuse_node(node, depth, loops)
        if levels > TREE_DEPTH_MAX:
            reason = f"nested over {TREE_DEPTH_MAX} deep, elif counted"
        if reason is not None:
            problems.append(Problem(line, column, "syntax", reason, _HINTS.get(_name(node), "")))
            continue
        if count > NODES_MAX:
            return [Problem(line, column, "syntax", f"over {NODES_MAX} nodes")]
        for child, child_depth in _children(node, depth):
            pending.append((child, child_depth, levels + 1, loops, line, column))
    if functions > FUNCTIONS_MAX:
        problems.append(Problem(1, 1, "syntax", f"over {FUNCTIONS_MAX} functions"))
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _name(node: ast.AST) -> str:
    return type(node).__name__


def _refuse_node(node: ast.AST, depth: int, loops: int) -> str | None:
    """Return why ``node`` itself is refused, None when its kind and fields may be used."""
    allowed = FIELDS.get(_name(node))
    if allowed is None:
        return f"{_name(node)} is not in the language"
    if depth > DEPTH_MAX:
        return f"nested over {DEPTH_MAX} deep"
    if loops > LOOP_DEPTH_MAX:
        return f"over {LOOP_DEPTH_MAX} nested loops"
    for field, value in ast.iter_fields(node):
        if field not in allowed and not _is_unused(field, value):
            return f"{_name(node)}.{field} is not in the language"
    if isinstance(node, ast.Constant):
        return _refuse_constant(node.value)
    if isinstance(node, ast.Dict) and None in node.keys:
        return "** is not in the language"
    if isinstance(node, ast.keyword) and node.arg is None:
        return "** is not in the language"
    if (
        isinstance(node, ast.ListComp | ast.DictComp)
        and len(node.generators) > COMPREHENSION_LOOPS_MAX
    ):
        return f"over {COMPREHENSION_LOOPS_MAX} loops in a comprehension"
    return None


def _is_unused(field: str, value: object) -> bool:
    if field == "conversion":  # of what an f-string shows
        return value == -1
    if field == "is_async":  # a comprehension
        return value == 0
    return value is None or value == []


def _refuse_constant(value: object) -> str | None:
    if type(value) not in _CONSTANTS:
        return f"{type(value).__name__} is not in the language"
    # 2^255 itself is only met under a minus sign; the name pass looks at that.
    if type(value) is int and value > INT_MAX + 1:
        return "integer over 256 bits"
    return None


def _children(node: ast.AST, depth: int) -> list[tuple[ast.AST, int]]:
    """Return the children with their depth; an elif chain is flat."""
    if not isinstance(node, ast.If):
        return [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    children = []
    for child in ast.iter_child_nodes(node):
        flat = isinstance(child, ast.If) and node.orelse == [child]
        children.append((child, depth if flat else depth + 1))
    return children
