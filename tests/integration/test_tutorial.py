"""The tutorial of docs/contracts.md, typed: its files written, its commands run as printed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = (ROOT / "docs" / "contracts.md").read_text().split("\n## Tutorial\n")[1]
BLOCK_S = 240
"""A bound against hanging for the commands of a block; a minute on a busy machine."""
ENDING_S = 60
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_MARKER = "@@"


@dataclass(frozen=True)
class Command:
    """A line of the page: what is typed, how it must end, and what its answer must hold."""

    text: str
    exit_code: int
    holds: str


def read_command(line: str) -> Command:
    text, _, comment = line.partition(" # ")
    note, _, holds = comment.partition("-> ") if "-> " in comment else (comment, "", "")
    code = re.fullmatch(r"exit (\d+)", note.strip())
    assert note.strip() == "" or code, f"a comment that says nothing to test: {line}"
    return Command(text.strip(), int(code[1]) if code else 0, holds.strip())


def read_steps() -> list[tuple[str, str]]:
    """The page's blocks in order: ("sh", commands), or (file name, its text)."""
    steps, end = [], 0
    for block in _BLOCK.finditer(TUTORIAL):
        before, end = TUTORIAL[end : block.start()], block.end()
        if block[1] == "sh":
            steps.append(("sh", block[2]))
        else:
            steps.append((re.findall(r"`(\w+\.py)`", before)[-1], block[2]))
    return steps


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """What a user has: ``carbonode`` on the path, and otherwise nothing of ours."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "carbonode"
    run = f"{shlex.quote(sys.executable)} -m tools.cli.main"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {run} "$@"\n')
    command.chmod(0o755)
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return plain | {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}


def type_in(block: str, folder: Path, environment: Mapping[str, str]) -> Path:
    """Type a block's commands; each must end and answer as the page says. Return where we are."""
    commands = [read_command(line) for line in block.splitlines()]
    script = "".join(f"{command.text}\necho {_MARKER}$?\n" for command in commands)
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script + "pwd\n"], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BLOCK_S, check=False,
    )  # fmt: skip
    *answers, last = re.split(rf"{_MARKER}(\d+)\n", done.stdout)
    assert len(answers) == 2 * len(commands), done.stdout
    for command, answer, code in zip(commands, answers[::2], answers[1::2], strict=True):
        assert int(code) == command.exit_code, f"{command.text}: exit {code}\n{answer}"
        assert command.holds in answer, f"{command.text}\n{answer}"
    return Path(last.strip())


@contextmanager
def beside(command: str, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a command in a terminal of its own until it is ready; at the end, Ctrl-C."""
    with subprocess.Popen(
        shlex.split(command), cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            told = ""
            for line in process.stdout:
                told += line
                if line.startswith("keys and endpoints"):
                    break
            else:
                raise AssertionError(f"it ended early: {told}")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=ENDING_S)
    assert process.returncode == 0


def test_the_tutorial_works_as_printed(tmp_path: Path, environment: Mapping[str, str]) -> None:
    folder, (localnet,) = tmp_path, [text for _, text in read_steps() if " localnet " in text]
    steps = read_steps()
    start = steps.index(("sh", localnet))
    assert start > 3 and len(steps) > start + 1

    def follow(part: list[tuple[str, str]], folder: Path) -> Path:
        for name, text in part:
            if name == "sh":
                folder = type_in(text, folder, environment)
            else:
                (folder / name).write_text(text)
        return folder

    folder = follow(steps[:start], folder)
    assert folder == tmp_path / "tutorial"
    with beside(localnet, folder, environment):
        follow(steps[start + 1 :], folder)


def test_a_line_of_the_page_says_how_it_must_end() -> None:
    assert read_command("a b   # exit 4 -> no") == Command("a b", 4, "no")
    assert read_command("a 'x'  # -> 380") == Command("a 'x'", 0, "380")
    assert read_command("a") == Command("a", 0, "")
    with pytest.raises(AssertionError):
        read_command("a # works")


def test_a_wrong_page_is_noticed(tmp_path: Path, environment: Mapping[str, str]) -> None:
    for block in ("false", "echo 380   # -> 381", "true   # exit 1", "exit 0"):
        with pytest.raises(AssertionError):
            type_in(block, tmp_path, environment)
