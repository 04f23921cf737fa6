"""From source text to a Program: check, resolve, rewrite, compile. Pure.

The passes run in a fixed order and a failing pass ends the check, so the first
problem's code is the same on every Python version. A Program has no state and no
guards; vm/linker.py binds it to a contract. Source: docs/contracts.md.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import CodeType
from typing import Final

from vm.declarations import Contract, Problems, read_declarations
from vm.gas import Schedule
from vm.grammar import check_grammar
from vm.inclusion import include_module, is_included, keep_reachable
from vm.lexer import check_text
from vm.outcome import Problem, Rejected
from vm.resolve import check_functions
from vm.rewrite import FunctionRewriter

FILE_NAME: Final = "contract"
_PLACED: Final = (ast.expr, ast.stmt, ast.arg, ast.keyword)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled contract. ``blocks`` are (line, gas) of each basic block, in order."""

    contract: Contract
    code: CodeType
    blocks: tuple[tuple[int, int], ...]


def check_source(source: str) -> list[Problem]:
    """Return every reason to refuse ``source``; [] when it is accepted."""
    return _analyse(source)[1]


def compile_source(source: str, schedule: Schedule) -> Program:
    """Return the program of ``source``; raises Rejected with every problem."""
    contract, problems = _analyse(source)
    if problems or contract is None:
        raise Rejected(problems)
    rewriter = FunctionRewriter(contract, schedule)
    own = [function for function in contract.functions.values() if not function.module]
    functions = [rewriter.rewrite(function) for function in own]
    for module_name, inclusion in contract.inclusions.items():
        included = FunctionRewriter(inclusion.declared, schedule, inclusion.names)
        functions += [
            included.rewrite(function)
            for function in inclusion.declared.functions.values()
            if is_included(contract, module_name, inclusion, function)
        ]
    module = ast.Module(list[ast.stmt](functions), [])
    _place(module)
    code = compile(module, FILE_NAME, "exec", dont_inherit=True, optimize=0)
    return Program(contract, code, tuple(rewriter.blocks))


def _place(module: ast.Module) -> None:
    """Give every new node a place, which CPython's compiler asks for and nobody reads.

    ast.fix_missing_locations takes a quarter of the whole check.
    """
    pending: list[ast.AST] = [module]
    while pending:
        node = pending.pop()
        if isinstance(node, _PLACED) and not hasattr(node, "lineno"):
            node.lineno = node.end_lineno = 1
            node.col_offset = node.end_col_offset = 0
        fields = node.__dict__
        for field in node._fields:
            value = fields.get(field)
            if type(value) is list:
                pending += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                pending.append(value)


def _analyse(source: str) -> tuple[Contract | None, list[Problem]]:
    problems = check_text(source)
    if problems:
        return None, problems
    tree = _parse(source)
    if isinstance(tree, Problem):
        return None, [tree]
    problems = check_grammar(tree)
    if problems:
        return None, problems
    found = Problems()
    contract = read_declarations(tree, found, include_module)
    if not found.found:
        keep_reachable(contract, check_functions(contract, found))
    return contract, sorted(found.found, key=lambda problem: (problem.line, problem.column))


def _parse(source: str) -> ast.Module | Problem:
    try:
        return ast.parse(source, FILE_NAME)
    except SyntaxError as error:
        # The parser's own words change with its version, so they are not repeated.
        return Problem(error.lineno or 1, error.offset or 1, "syntax", "not valid Python")
