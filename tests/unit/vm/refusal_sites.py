"""Where contracts refuse, and a pytest plugin that records which of these places a run reached.

A *site* is a call of ``require`` or ``revert`` in a contract's text, or a call of a function named
``check_...`` or ``require_...``, its own or the library's: a rule that is lost when its call is. A
site is reached when a transaction reverts while that very call runs, by line and column; the code
alone would not do, since many sites share one.

As a plugin (``-p tests.unit.vm.refusal_sites --refusals FILE``) it compiles contracts with
their places kept, which costs no gas and changes no outcome, and writes FILE as JSON:
``{contract's text hash: [[line, column, test], ...]}``. ``--instead FILE`` has the shipped contract
of that name replaced, for refusal_removal. It only runs in a process of its own, so that
nothing here touches the tests it watches or depends on their order.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import tests.unit.vm.method_bench
import tools.genesis_files
import vm.compiler
import vm.machine
from vm.compiler import Program
from vm.gas import Schedule
from vm.outcome import Revert
from vm.rewrite import FunctionRewriter

_FILE_PREFIX = "contract:"
_RULE_PREFIXES = ("check_", "require_")
_compile_source = vm.compiler.compile_source
_load_contracts = tools.genesis_files.load_contracts
_reached: dict[str, set[tuple[int, int, str]]] = {}
_own: dict[str, set[str]] = {}
"""A contract's own functions, by file name: a library function's lines are its module's."""


@dataclass(frozen=True, slots=True)
class Site:
    """A call that may refuse. ``line`` counts from 1, ``column`` from 0."""

    line: int
    column: int
    function: str
    text: str

    @property
    def place(self) -> tuple[int, int]:
        return self.line, self.column


def find_sites(source: str) -> list[Site]:
    """Return every site of a contract, in the order of its text."""
    sites = []
    body = ast.parse(source).body
    functions = [item for item in body if isinstance(item, ast.FunctionDef)]
    imports = [item for item in body if isinstance(item, ast.ImportFrom)]
    names = [item.name for item in functions]
    names += [alias.name for item in imports for alias in item.names]
    rules = {name for name in names if name.startswith(_RULE_PREFIXES)}
    for function in functions:
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in {"require", "revert"} | rules:
                    text = " ".join(ast.unparse(node).split())
                    sites.append(Site(node.lineno, node.col_offset, function.name, text))
    return sorted(sites, key=lambda site: site.place)


def compute_text_hash(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


class _PlacingRewriter(FunctionRewriter):
    """Gives every rewritten expression the place of what it was made from."""

    def _expression(self, node: ast.expr) -> Any:
        rewritten = super()._expression(node)
        if not hasattr(rewritten, "lineno"):
            ast.copy_location(rewritten, node)
        return rewritten


def _compile_with_places(source: str, schedule: Schedule) -> Program:
    vm.compiler.FILE_NAME = _FILE_PREFIX + compute_text_hash(source)
    _own[vm.compiler.FILE_NAME] = {
        item.name for item in ast.parse(source).body if isinstance(item, ast.FunctionDef)
    }
    return _compile_source(source, schedule)


def _record(error: Revert, code: str) -> None:
    """Stands for ``Revert.__init__``: notes the place of every contract's frame on the stack."""
    super(Revert, error).__init__("contract reverted", code=code)
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if frame.f_code.co_name in _own.get(name, ()):
            positions = list(frame.f_code.co_positions())
            line, _, column, _ = positions[frame.f_lasti // 2]
            if line is None or column is None:
                raise AssertionError("this Python keeps no columns")
            test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
            _reached.setdefault(name.removeprefix(_FILE_PREFIX), set()).add((line, column, test))
        frame = frame.f_back


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refusals", type=Path, help="file for the places that reverted")
    parser.addoption("--instead", type=Path, help="a contract in place of the shipped one")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("refusals") is not None:
        vm.compiler.FunctionRewriter = _PlacingRewriter
        vm.machine.compile_source = _compile_with_places
        Revert.__init__ = _record
    changed = config.getoption("instead")
    if changed is not None:
        tests.unit.vm.method_bench.INSTEAD[changed.stem] = changed
        tools.genesis_files.load_contracts = lambda: tuple(
            replace(item, source=changed.read_text()) if item.name == changed.stem else item
            for item in _load_contracts()
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("refusals")
    if path is not None:
        path.write_text(json.dumps({name: sorted(found) for name, found in _reached.items()}))
