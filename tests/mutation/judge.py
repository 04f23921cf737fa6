"""Judges mutants: warm ones by exchanging a function's code, cold ones by importing anew.

*Warm*: everything is imported and collected once; a forked child puts the changed code into
the one function that holds the edit (all who imported it share it) and runs the tests. Sound
for code inside a function of which no line ran while modules were imported.
*Cold*: everything else (tables, defaults, decorated at import). A child that has imported
nothing of ours replaces the module before anybody imports it.

Only tests that ran one of the edit's lines before the change are run: for any other the
program is the same.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import importlib.machinery
import importlib.util
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.mutation.children import FAILED, run_all, run_one
from tests.mutation.edits import apply
from tests.mutation.mutants import Mutant, parse
from tests.mutation.results import Results, Verdict
from tests.mutation.session import COLLECTION, collect, measure, run_items
from tests.mutation.targets import ROOT, TARGETS, Target

WALL_S = 900.0
NEEDS_COLD = "cold"
PASSED = "passed"
KILLED = "killed "
QUICK = "only the quick tests were run"


@dataclass
class Map:
    """Which test runs which lines, and what each costs."""

    imported: dict[str, set[int]]
    tests: dict[str, dict[str, set[int]]]
    costs: dict[str, float]

    def find_tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that ran a line of the edit."""
        wanted = set(range(mutant.edit.first, mutant.edit.stop + 1))
        return [
            name
            for name, lines in self.tests.items()
            if not wanted.isdisjoint(lines.get(mutant.path, ()))
        ]

    def is_cold(self, mutant: Mutant, spans: dict[int, int]) -> bool:
        """Whether the module must be imported anew for this mutant."""
        edit = mutant.edit
        if edit.in_signature or not edit.outer_line:
            return True
        imported = self.imported.get(mutant.path, set())
        if edit.nested:
            body = range(edit.outer_line + 1, spans.get(edit.outer_line, edit.stop) + 1)
        else:
            body = range(edit.first, edit.stop + 1)
        return not imported.isdisjoint(body) or _ran_at_import(imported, edit.outer_line, spans)


def _ran_at_import(imported: set[int], outer: int, spans: dict[int, int]) -> bool:
    """Whether the function's body ran: its first line also runs when it is only defined."""
    return any(line in imported for line in range(spans.get(-outer, outer), spans.get(outer, 0)))


def make_map(target: Target) -> Map:
    """Measure, or take what was measured with exactly these files."""
    kept = target_folder(target) / f"lines-{target.name}-{len(target.tests)}.json"
    digest = compute_digest(target)
    if kept.exists():
        data = json.loads(kept.read_text())
        if data["digest"] == digest:
            return _read_map(data)
    text = run_one(
        lambda: json.dumps(measure(str(ROOT), target.packages, target.tests) | {"digest": digest})
    )
    kept.write_text(text)
    return _read_map(json.loads(text))


def target_folder(target: Target) -> Path:
    """Return the folder of a target's results, making it."""
    folder = Results(target.name).folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compute_digest(target: Target) -> str:
    """Return a hash over all code that a verdict depends on."""
    digest = hashlib.sha256(sys.version.encode())
    for place in (*target.packages, "primitives", *target.tests, "tools/simulator"):
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()


def _read_map(data: dict[str, Any]) -> Map:
    def read(lines: dict[str, list[int]]) -> dict[str, set[int]]:
        return {path: set(numbers) for path, numbers in lines.items()}

    tests = {name: read(item["lines"]) for name, item in data["tests"].items()}
    costs = {name: item["cost"] for name, item in data["tests"].items()}
    return Map(read(data["import"]), tests, costs)


class Judge:
    """Runs mutants of one target and writes each verdict down at once."""

    def __init__(
        self, target: Target, jobs: int, results: Results, tests_max: int | None = None
    ) -> None:
        self._target, self._jobs, self._results = target, jobs, results
        self._tests_max = tests_max
        self._map = make_map(target)
        is_part = len(target.tests) < len(TARGETS[target.name].tests)
        self._quick = is_part or tests_max is not None
        self._kills: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for verdict in results.read().values():
            self._see_kill(verdict)
        self._spans = {path: find_spans(path) for path in target.files}

    def judge(self, mutants: Sequence[Mutant]) -> None:
        """Judge all of them."""
        cold, warm = [], []
        for mutant in mutants:
            if self._map.is_cold(mutant, self._spans[mutant.path]):
                cold.append(mutant)
            elif self._map.find_tests(mutant):
                warm.append(mutant)
            else:
                self._write(mutant, "survived", "no test runs it", 0.0)
        if warm:
            run_one(lambda: self._serve(warm), wall_s=1e9)
        judged = self._results.read()
        left = [mutant for mutant in warm if mutant.id not in judged]
        for verdict in judged.values():
            self._see_kill(verdict)
        self._run([*cold, *left], {mutant.id: self._make_cold(mutant) for mutant in [*cold, *left]})

    # -- warm ----------------------------------------------------------------------------------

    def _serve(self, mutants: Sequence[Mutant]) -> str:
        def work(items: Sequence[pytest.Item]) -> None:
            by_name = {item.nodeid: item for item in items}
            functions = find_functions({str(ROOT / path) for path in self._target.files})
            gc.collect()
            gc.freeze()
            calls = {
                mutant.id: lambda mutant=mutant: self._judge_warm(mutant, by_name, functions)
                for mutant in mutants
            }
            self._run(mutants, calls)

        collect(self._target.tests, work)
        return PASSED

    def _judge_warm(
        self,
        mutant: Mutant,
        items: dict[str, pytest.Item],
        functions: dict[tuple[str, int], list[FunctionType]],
    ) -> str:
        file = str(ROOT / mutant.path)
        code = find_code(compile_mutant(mutant), mutant.edit.outer_line)
        found = functions.get((file, mutant.edit.outer_line), [])
        if code is None or not found:
            return NEEDS_COLD
        if any(function.__code__.co_freevars != code.co_freevars for function in found):
            return NEEDS_COLD
        for function in found:
            function.__code__ = code
        names = self._order(mutant, self._map.find_tests(mutant))
        failed = run_items([items[name] for name in names], self._map.costs)
        return PASSED if failed is None else KILLED + failed

    # -- cold ----------------------------------------------------------------------------------

    def _make_cold(self, mutant: Mutant) -> Any:
        def call() -> str:
            if mutant.module in sys.modules:
                raise RuntimeError(f"{mutant.module} is imported already")
            sys.meta_path.insert(0, _Finder(mutant))
            verdict = []

            def work(items: Sequence[pytest.Item]) -> None:
                by_name = {item.nodeid: item for item in items}
                names = self._order(mutant, list(by_name))
                failed = run_items([by_name[name] for name in names], self._map.costs)
                verdict.append(PASSED if failed is None else KILLED + failed)

            collect(self._target.tests, work)
            return verdict[0] if verdict else KILLED + COLLECTION

        return call

    # -- both ----------------------------------------------------------------------------------

    def _order(self, mutant: Mutant, names: Iterable[str]) -> list[str]:
        """First those likely to kill for their cost: they killed others in the same function."""
        here, costs = self._kills[f"{mutant.path} {mutant.edit.scope}"], self._map.costs

        def rate(name: str) -> tuple[float, str]:
            return (-(here[name] + 0.1) / (costs.get(name, 0.0) + 0.01), name)

        return sorted(names, key=rate)[: self._tests_max]

    def _run(self, mutants: Sequence[Mutant], calls: dict[str, Any]) -> None:
        by_id = {mutant.id: mutant for mutant in mutants}
        tasks = ((mutant.id, calls[mutant.id]) for mutant in mutants)
        started = time.monotonic()
        for name, text in run_all(tasks, self._jobs, WALL_S):
            took, started = time.monotonic() - started, time.monotonic()
            if text is None:
                self._write(by_id[name], "killed", "its time was over, or the process died", took)
            elif text.startswith(KILLED):
                self._write(by_id[name], "killed", text.removeprefix(KILLED), took)
            elif text == PASSED:
                self._write(by_id[name], "survived", QUICK if self._quick else "", took)
            elif text.startswith(FAILED):
                raise RuntimeError(f"{name}\n{text}")

    def _write(self, mutant: Mutant, status: str, by: str, took: float) -> None:
        verdict = Verdict(mutant.id, status, by, round(took, 3))
        self._results.add(verdict)
        self._see_kill(verdict)

    def _see_kill(self, verdict: Verdict) -> None:
        if verdict.status == "killed":
            self._kills[verdict.id.split(" [")[0]][verdict.by] += 1


class _Finder:
    """Finds the one changed module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of the changed module, None for every other."""
        if name != self._mutant.module:
            return None
        file = str(ROOT / self._mutant.path)
        loader = _Loader(name, file)
        loader.code = compile_mutant(self._mutant)
        return importlib.util.spec_from_file_location(name, file, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    code: CodeType

    def get_code(self, fullname: str) -> CodeType:
        return self.code


def compile_mutant(mutant: Mutant) -> CodeType:
    """Return the code of the changed module."""
    tree = apply(parse(ROOT, mutant.path), mutant.edit.path, mutant.edit.new)
    return compile(ast.fix_missing_locations(tree), str(ROOT / mutant.path), "exec")  # type: ignore[arg-type]  # a module, as it was parsed


def find_code(code: CodeType, first_line: int) -> CodeType | None:
    """Return the function's code that begins at that line, looking through classes only."""
    for inner in _walk(code):
        if inner.co_firstlineno == first_line and inner.co_flags & 0x2:  # CO_NEWLOCALS: a function
            return inner
    return None


def _walk(code: CodeType) -> Iterator[CodeType]:
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield item
            if not item.co_flags & 0x2:
                yield from _walk(item)


def find_functions(files: set[str]) -> dict[tuple[str, int], list[FunctionType]]:
    """Return the living functions of these files by file and first line."""
    found: dict[tuple[str, int], list[FunctionType]] = {}
    for item in gc.get_objects():
        if isinstance(item, FunctionType) and item.__code__.co_filename in files:
            key = (item.__code__.co_filename, item.__code__.co_firstlineno)
            found.setdefault(key, []).append(item)
    return found


def find_spans(path: str) -> dict[int, int]:
    """Return for each function, by first line, its last; and under minus the line its body's."""
    spans: dict[int, int] = {}
    for node in ast.walk(parse(ROOT, path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *[item.lineno for item in node.decorator_list]])
            spans[first] = (node.end_lineno or first) + 1
            spans[-first] = node.body[0].lineno
    return spans
