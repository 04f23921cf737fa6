"""House rules that a machine can check: sizes, importers of libraries, names."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("primitives", "consensus", "vm", "storage", "p2p", "node", "tools", "bench")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60

# Library -> the modules (or packages, ending in a dot) that may import it. Everything else
# reaches it through them, so that an upgrade or a replacement touches one place.
IMPORTERS = {
    "plyvel": ("storage.leveldb",),
    "msgpack": ("primitives.codec",),
    "nacl": ("primitives.keys",),
    "cryptography": ("p2p.tls",),
    "prometheus_client": ("node.metrics", "tools.explorer.metrics"),
    "sqlalchemy": ("tools.indexer.", "tools.explorer."),
    "uvloop": ("node.",),
    "aiohttp": ("node.rpc.", "tools.client.", "tools.explorer."),
    "click": ("tools.", "bench."),
    "rich": ("tools.",),
    "matplotlib": ("bench.",),
    "psutil": ("bench.",),
    "pytest": ("tools.authoring.plugin",),
    "hypothesis": ("tools.authoring.properties",),
}


def _modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if {"contracts", "library"} & set(path.parts):
                continue  # the VM's dialect, checked by the VM's own checker
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def test_no_file_is_longer_than_the_house_allows() -> None:
    long = {
        name: count
        for name, path in _modules()
        if (count := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }
    assert long == {}


def test_no_function_is_longer_than_the_house_allows() -> None:
    long = [
        f"{name}.{node.name}: {node.end_lineno - node.lineno + 1}"
        for name, path in _modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name for name, path in _modules() if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_each_outside_library_is_imported_where_the_house_says() -> None:
    strays = [
        f"{name} imports {imported}"
        for name, path in _modules()
        for imported in _imports(ast.parse(path.read_text()))
        if (allowed := IMPORTERS.get(imported.split(".")[0])) is not None
        and not any(
            name == place or (place.endswith(".") and (name + ".").startswith(place))
            for place in allowed
        )
    ]
    assert strays == []


def test_every_outside_library_that_is_imported_has_its_place_in_the_table() -> None:
    known = set(IMPORTERS) | set(PACKAGES) | set(sys.stdlib_module_names)
    unknown = {
        f"{name} imports {imported}"
        for name, path in _modules()
        for imported in _imports(ast.parse(path.read_text()))
        if imported.split(".")[0] not in known
    }
    assert unknown == set()


def test_no_import_hides_inside_a_function_or_under_type_checking() -> None:
    hidden = []
    for name, path in _modules():
        tree = ast.parse(path.read_text())
        top = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top:
                hidden.append(f"{name}:{node.lineno}")
    # uvloop is the one library that a platform may lack: its import stands in a `try`.
    assert [place for place in hidden if not place.startswith("node.loop:")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_name_is_one_of_the_standard_library(package: str) -> None:
    assert package not in sys.stdlib_module_names


def test_no_other_distribution_owns_one_of_our_names() -> None:
    owners = importlib.metadata.packages_distributions()
    assert {
        package: owners[package]
        for package in PACKAGES
        if package in owners and set(owners[package]) != {"carbonode"}
    } == {}
