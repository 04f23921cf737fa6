"""What ``contract check`` tells people: every reason with a line on what to do about it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.vm.test_vm_rejected import BODIES, MODULE, TEXT, in_function
from tools.authoring.hints import BY_CODE, BY_NODE, get_hint
from tools.cli.contract import contract
from vm.compiler import check_source
from vm.grammar import FIELDS
from vm.outcome import Problem

VM = Path(__file__).parents[3] / "vm"
SOURCES = [source for source, _ in [*MODULE, *TEXT]] + [in_function(body) for body, _ in BODIES]
_GIVEN = (
    re.compile(r'refuse\(\s*[a-z_.()\[\]0-9 ]+,\s*"([a-z-]+)"'),
    re.compile(r'refuse_at\([a-z_, ]+,\s*"([a-z-]+)"'),
    re.compile(r'problems\.add\(\s*[a-z_.()\[\]0-9 ]+,\s*"([a-z-]+)"'),
    re.compile(r'Problem\((?:[^",]+,){2}\s*"([a-z-]+)"'),
)


def read_codes() -> set[str]:
    """The codes that the checks give, from their own text."""
    names = ("lexer", "grammar", "declarations", "resolve", "compiler")
    text = "\n".join((VM / f"{name}.py").read_text() for name in names)
    return {code for pattern in _GIVEN for code in pattern.findall(text)}


def test_every_code_of_the_check_has_a_hint_and_no_other() -> None:
    assert read_codes() == set(BY_CODE)


def test_hints_are_one_line_each_and_not_a_word_only() -> None:
    for hint in [*BY_CODE.values(), *BY_NODE.values()]:
        assert len(hint.split()) > 2 and hint[-1] != "." and "\n" not in hint


def test_every_refused_program_is_told_what_to_do() -> None:
    told = {get_hint(problem) for source in SOURCES for problem in check_source(source)}
    assert "" not in told
    assert len(told) > 50


def test_the_checks_own_hint_wins_and_json_has_that_alone(tmp_path: Path) -> None:
    own = Problem(1, 1, "syntax", "Try is not in the language", "a failing call fails")
    assert get_hint(own) == "a failing call fails"
    path = tmp_path / "bad.py"
    path.write_text("def f() -> int:\n    async with a:\n        pass\n    yield 1\n")
    words = CliRunner().invoke(contract, ["check", str(path)])
    assert words.exit_code == 1
    lines = words.output.splitlines()
    assert lines[0] == (f"{path}:2:5 syntax AsyncWith is not in the language (nothing waits here)")
    assert len(lines) == len(check_source(path.read_text()))
    listed = json.loads(CliRunner().invoke(contract, ["check", str(path), "--json"]).output)
    assert listed == [asdict(problem) for problem in check_source(path.read_text())]


@pytest.mark.parametrize("name", sorted(BY_NODE))
def test_a_hint_for_a_node_is_for_one_that_is_refused_whole(name: str) -> None:
    assert name not in FIELDS
