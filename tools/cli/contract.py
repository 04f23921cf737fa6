"""``carbonode contract check|run|abi|gas|test``: the author's commands (more: contract_life.py).

Reads one file and prints; talks to no node; ``test`` starts pytest. The work is in
vm/authoring.py and tools/authoring. Exit codes: 0 accepted or ok, 1 refused or not ok,
2 wrong usage. Source: docs/contracts.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from primitives.errors import CarbonodeError
from tools.authoring.hints import get_hint
from vm.authoring import (
    CallTextError,
    TextCall,
    get_abi,
    get_gas_by_line,
    parse_arguments_text,
    parse_call,
    parse_sender,
    run_contract,
)
from vm.compiler import check_source
from vm.lexer import SOURCE_BYTES_MAX
from vm.machine import DEFAULT_GAS_LIMIT
from vm.outcome import STATUS_OK, Problem

_SOURCE = click.argument("file", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text")
_GAS_MAX = 10_000_000_000
PLUGIN = "tools.authoring.plugin"
"""The same name as its entry point in pyproject.toml: pytest then loads it once."""
_EXIT_CODES = {0: 0, 1: 1, 5: 1}
"""pytest's, 5 being that it found no test; what is left is wrong usage."""


@click.group()
def contract() -> None:
    """Check, run and describe contracts; publish, upgrade and freeze them on a chain."""


@contract.command()
@_SOURCE
@_JSON
@_OUTPUT
def check(file: Path, as_json: bool, output: str) -> None:
    """Say whether FILE is a contract: exit 0, or 1 with one reason a line."""
    problems = check_source(_read_source(file))
    if as_json or output == "json":
        click.echo(json.dumps([asdict(problem) for problem in problems], indent=2))
    else:
        _print_problems(file, problems)
    raise SystemExit(1 if problems else 0)


@contract.command()
@_SOURCE
@click.option("--call", "calls", multiple=True, help="method(arguments); repeat for more calls.")
@click.option("--gas", type=click.IntRange(0, _GAS_MAX), default=DEFAULT_GAS_LIMIT)
@click.option("--sender", default="sender", help="0x and 64 hex digits, or any label.")
@click.option("--init", "init", default=None, help="Arguments of @init.")
@click.option("--height", type=click.IntRange(0, 1 << 62), default=1)
@click.option("--time", "time_s", type=click.IntRange(0, 1 << 62), default=0)
@_JSON
@_OUTPUT
def run(
    file: Path,
    calls: tuple[str, ...],
    gas: int,
    sender: str,
    init: str | None,
    height: int,
    time_s: int,
    as_json: bool,
    output: str,
) -> None:
    """Run calls, as one transaction, on an empty state: exit 0 when ok, else 1."""
    source = _read_source(file)
    parsed, init_arguments = _parse_texts(calls, init, sender)
    outcome = run_contract(
        source, parsed, init_arguments=init_arguments, sender=sender, gas_limit=gas,
        height=height, time_s=time_s,
    )  # fmt: skip
    if as_json or output == "json":
        click.echo(json.dumps(outcome))
    else:
        for name, value in outcome.items():
            click.echo(f"{name:8}{json.dumps(value)}")
    raise SystemExit(0 if outcome["status"] == STATUS_OK else 1)


@contract.command()
@_SOURCE
@click.option("--schema", is_flag=True, help="Print the JSON Schema instead.")
@_JSON
@_OUTPUT
def abi(file: Path, schema: bool, as_json: bool, output: str) -> None:
    """Print the ABI of FILE as JSON."""
    source = read_accepted(file)
    described = get_abi(source)
    click.echo(json.dumps(described.to_json_schema() if schema else described.to_json(), indent=2))


@contract.command()
@_SOURCE
@_JSON
@_OUTPUT
def gas(file: Path, as_json: bool, output: str) -> None:
    """Print the static gas of FILE by line; guards charge by size on top."""
    source = read_accepted(file)
    prices = get_gas_by_line(source)
    if as_json or output == "json":
        click.echo(json.dumps([{"line": line, "gas": price} for line, price in prices]))
        return
    by_line = dict(prices)
    for number, text in enumerate(source.splitlines(), 1):
        click.echo(f"{by_line.get(number, ''):>8} {number:>5}  {text}")


@contract.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def test(path: Path, pytest_options: tuple[str, ...]) -> None:
    """Run the tests of PATH with the fixture `contract`: exit 0 when all pass, else 1.

    PATH is a folder, a file of tests, or a contract: then it is checked first, and its tests
    are in test_NAME.py beside it or in tests/. Options for pytest follow `--`.
    """
    if find_spec("pytest") is None or find_spec("hypothesis") is None:
        raise click.UsageError("tests need two more libraries: pip install pytest hypothesis")
    command = [sys.executable, "-P", "-m", "pytest", "-p", PLUGIN, str(_find_tests(path))]
    # Without -P a contract called vm.py, or a folder called tools, would stand for ours.
    places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
    ended = subprocess.run([*command, *pytest_options], env=environment, check=False).returncode
    raise SystemExit(_EXIT_CODES.get(ended, 2))


def _find_tests(path: Path) -> Path:
    """Return what pytest shall collect for ``path``; a contract that is refused ends here."""
    if path.is_dir() or path.match("test_*.py") or path.match("*_test.py"):
        if not path.exists():
            raise click.UsageError(f"no such file: {path}")
        return path
    read_accepted(path)
    name = f"test_{path.stem}.py"
    places = [path.parent / name, path.parent / "tests" / name]
    found = [place for place in places if place.is_file()]
    if not found:
        raise click.UsageError(f"{path} has no tests: neither {places[0]} nor {places[1]}")
    return found[0]


def _read_source(file: Path) -> str:
    """Return the file's text; bytes that are not ASCII stay visible to the check."""
    try:
        with file.open("rb") as stream:
            return stream.read(SOURCE_BYTES_MAX + 1).decode("latin-1")
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from None


def read_accepted(file: Path) -> str:
    """Return the text of a contract that passes the check; else say why not and exit 1."""
    source = _read_source(file)
    problems = check_source(source)
    if problems:
        _print_problems(file, problems, to_error=True)
        raise SystemExit(1)
    return source


def _print_problems(file: Path, problems: list[Problem], to_error: bool = False) -> None:
    for problem in problems:
        place = f"{file}:{problem.line}:{problem.column}"
        told = f"{place} {problem.code} {problem.message} ({get_hint(problem)})"
        click.echo(told, err=to_error)


def _parse_texts(
    calls: tuple[str, ...], init: str | None, sender: str
) -> tuple[list[TextCall], list[Any] | dict[str, Any] | None]:
    try:
        parse_sender(sender)
        arguments = None if init is None else parse_arguments_text(init)
        return [parse_call(call) for call in calls], arguments
    except CallTextError as error:
        raise click.UsageError(str(error)) from None


def main() -> None:
    """Entry of ``python -m tools.cli.contract``."""
    try:
        contract.main(prog_name="carbonode contract")
    except CarbonodeError as error:
        click.echo(f"{error.code}: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
