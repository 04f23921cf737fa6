"""The library: modules of pure rules that contracts import by name and version.

``from lib.fixed.v1 import mul_round`` takes checked functions out of vm/library into the
contract: they are compiled with it, under names it cannot spell, metered as its own, and
those that nothing reaches are left out. A version that was ever on a chain never changes:
its digest is pinned here, so a node whose text differs does not start, and it is part of
the code hash of every contract that imports it. Source: docs/contracts.md, "Library";
docs/decisions/0050-library-by-version.md.
"""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Final

from primitives.errors import CarbonodeError
from primitives.hashing import Hash, Tag, compute_hash
from vm.declarations import (
    LIBRARY_PREFIX,
    Contract,
    Function,
    Inclusion,
    Problems,
    read_declarations,
)
from vm.grammar import check_grammar
from vm.lexer import check_text
from vm.resolve import check_functions

DIGESTS: Final = {
    "lib.access.v1": "79e5382bca8b164cb4ee2f55d52906ae06da16b4987cc2a79a6a6f69508c9ade",
    "lib.arguments.v1": "c1d378755dd34ddc29fd9e4e5539e0ef3946a588592917b21de37156a67c5e1b",
    "lib.cbam.v1": "39e753bebe0e6858726273c3a967e7bfcace36de029a3c2e2e7ceb468f629472",
    "lib.classes.v1": "55a6f612a8f0a9b81248c80ce70f0524e96101b9e8dbba49c1a2cbdd03cc6f02",
    "lib.combustion.v1": "55c23e24e9360be8a9773c02ca91d86a2d6a2c01a404ea5a221f6a44baac91e5",
    "lib.crediting.v1": "6320baa157666d2efb7432d9982b388418b82d69ac243951b448223cb0d302c1",
    "lib.dates.v1": "29ae7e86e791c109df0b9884929830596a809c1dd55f6bf27262974559708f1b",
    "lib.electricity.v1": "1e5f6d913de923225b0554ed4aa36e6bd7232c0095679271759139c78b27729b",
    "lib.fixed.v1": "decd460d5b30f321616517386b9f8708987c6ad80893eaf19d44366cbe3f0a56",
    "lib.heat.v1": "e416fe4fc4e20dfcee07ddc84b0bc9da821a56e29a46e56e7d628ba85be5544a",
    "lib.integers.v1": "d74365f31db353eaf517032eb0cd0ea733865474f90771fd500fe5841ab0a2ea",
    "lib.intervals.v1": "980b171aa90449cf06cbe64df1351df2434c4e90418d2e89d2915180e800706c",
    "lib.margin.v1": "ecb00e198ce3f7915b96a784995a016f627e62ca80b5497d165bbba1249026dc",
    "lib.measurement.v1": "790f39ee8311c34a171f5dbab230bc3fc3b7a9f6878c84954da9eb3d38d0d194",
    "lib.pausing.v1": "9337f905de53d10fca8caf37c130506104222883461f21d7c7708860603eb4cb",
    "lib.quantities.v1": "4e9e5d1e1883b0c605e05619f50b6a920c424b5639c3eaa3d2b04aa6fc90752c",
    "lib.records.v1": "ca08138d3cd82bbe32fa72e385eda76513e9b83932a2ada32e0a91f3a9660e1b",
    "lib.series.v1": "246ac29776464b37dd671904bf707ff4b2ee7e5f1cfcba13d49934f6bdbdff02",
    "lib.sinks.v1": "31e8cc03c7936f48ed5c62bb8319e31ffbdb5554d56234b07e9fc7f06ad30e7f",
    "lib.tables.v1": "219c7db972712f5fab7006a101ee97c73bfae80b31f5c4649604b735cae29290",
    "lib.uncertainty.v1": "74e24ba98e75134f98e114f93b370323f4c14c3e13f876d5046d8e9f576a11bb",
}
"""SHA-256 of each module's text. New rules are a new version: a line is added, none is changed."""
PURE_WORDS: Final = frozenset(
    {"require", "revert", "record", "replace", "mul_div", "mul_div_up", "parse_fixed",
     "format_fixed", "sha256", "Address"}
)  # fmt: skip
"""What a module may import from vm: nothing that reads or changes state, time or callers."""
_WORD: Final = re.compile(r"[A-Za-z0-9_]+|[^A-Za-z0-9_ ]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Module:
    """A checked module. ``words`` counts those of each function's text, ``record_words`` those
    of all its records, which are made anew for every contract that imports any of it."""

    tree: ast.Module
    callees: dict[str, list[str]]
    words: dict[str, int]
    record_words: int


def count_words(text: str) -> int:
    """Return how many words, signs and lines a text has."""
    return sum(1 for _ in _WORD.finditer(text))


@cache
def load_module(name: str) -> Module:
    """Return the module ``name``, such as ``lib.fixed.v1``; raises CarbonodeError."""
    *folders, version = name.split(".")
    place = resources.files("vm").joinpath("library", *folders, version + ".py")
    return parse_module(name, place.read_text(encoding="ascii"))


def load_library() -> None:
    """Load every module, so that a node with a changed one does not start instead of forking."""
    for name in DIGESTS:
        load_module(name)


def parse_module(name: str, text: str) -> Module:
    """Return the module of a text that is the pinned one, passes the checks and is pure."""
    if hashlib.sha256(text.encode()).hexdigest() != DIGESTS[name]:
        raise CarbonodeError("a module of the library was changed", code="library", module=name)
    problems = check_text(text)
    tree = ast.Module([], []) if problems else ast.parse(text)
    problems = problems or check_grammar(tree)
    found, callees, contract = Problems(), dict[str, list[str]](), Contract()
    if not problems:
        contract = read_declarations(tree, found)
        callees = check_functions(contract, found)
    for problem in problems + found.found:
        reason = f"line {problem.line}: {problem.message}"
        raise CarbonodeError(reason, code="library", module=name)
    if contract.variables or contract.imports - PURE_WORDS:  # export and view are among the rest
        raise CarbonodeError("a module is pure", code="library", module=name)
    words = {
        item: count_words(ast.get_source_segment(text, function.node) or "")
        for item, function in contract.functions.items()
    }
    record_words = sum(
        count_words(ast.get_source_segment(text, node) or "")
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    )
    return Module(tree, callees, words, record_words)


def _reach(roots: list[str], callees: dict[str, list[str]]) -> set[str]:
    """Return ``roots`` and whatever they call."""
    reached: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += callees[name]
    return reached


def include_module(name: str, wanted: list[str]) -> Inclusion | None:
    """Return the module for a contract that imports ``wanted``, None when there is none.

    Its records are made anew for each contract: a record's class belongs to one link.
    """
    if name not in DIGESTS:
        return None
    module = load_module(name)
    names = [word for node in module.tree.body if (word := _get_name(node))]
    known = {word: word if word in wanted else f"{name}.{word}" for word in names}
    declared = read_declarations(module.tree, Problems(), record_names=known)
    return Inclusion(declared, known, module.callees)


def _get_name(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else ""


def keep_reachable(contract: Contract, callees: dict[str, list[str]]) -> None:
    """Drop the imported functions that no own function reaches, and add what those call."""
    own = [name for name, function in contract.functions.items() if not function.module]
    reached = _reach(own, callees)
    for module, inclusion in contract.inclusions.items():
        for name, function in inclusion.declared.functions.items():
            known = inclusion.names[name]
            contract.functions.pop(known, None)
            if known in reached:
                contract.functions[known] = replace(function, name=known, module=module)


def is_included(contract: Contract, module: str, inclusion: Inclusion, function: Function) -> bool:
    """Whether a module's function is part of the contract's code."""
    kept = contract.functions.get(inclusion.names[function.name])
    return kept is not None and kept.module == module


def find_imports(source: str) -> dict[str, int]:
    """Return the modules that a text names after ``from``, with the words they bring at most.

    Read without the language, so that the price is known before the check: a comment or a
    string that spells an import only costs more.
    """
    if LIBRARY_PREFIX[:-1] not in source:
        return {}
    words = _WORD.findall(source)
    used, found = set(words), dict[str, int]()
    for index, word in enumerate(words):
        name = "".join(words[index + 1 : index + 6]) if word == "from" else ""
        if name in DIGESTS:
            module = load_module(name)
            reached = _reach([item for item in module.words if item in used], module.callees)
            found[name] = module.record_words + sum(module.words[item] for item in reached)
    return found


def compute_code_hash(source: str) -> Hash:
    """Return the hash under which a contract's code is stored: its text and its modules'."""
    data = source.encode("utf-8", "surrogatepass")
    for name in sorted(find_imports(source)):
        data += b"\0" + name.encode() + b"\0" + bytes.fromhex(DIGESTS[name])
    return compute_hash(Tag.CONTRACT_CODE, data)
