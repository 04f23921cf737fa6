"""Shipped contracts pass the check and mypy with the stubs, which find an author's mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vm.compiler import check_source

ROOT = Path(__file__).parents[3]
CONTRACTS = sorted((ROOT / "vm" / "contracts").rglob("*.py"))
PAGE = (ROOT / "docs" / "contracts.md").read_text()

MISTAKES = """
from vm import Address, Map, Var, ctx, emit, event, export, record, replace, revert, view

@record
class Row:
    owner: Address
    kg: int

@event
class Moved:
    kg: int

rows = Map[str, Row]()
count = Var[int](default="none")  # line 14
sums = Map[Address, int](default=0)

@export
def wrong(name: str) -> int:
    rows[5] = Row(ctx.sender, 1)  # line 19
    rows[name] = 5  # line 20
    rows[name].kg = 6  # line 21
    emit(Moved("much"))  # line 22
    sums[ctx.sender] += ctx.moment  # line 23
    count.set(name)  # line 24
    return rows.get(name, 0)  # line 25

@view
def right(name: str) -> int:
    row = rows.get(name)
    if row is None:
        revert("no-row")
    more = replace(row, kg=row.kg + 1)
    total = 0
    for key, kept in rows.scan(None, name, 5):
        total += kept.kg + len(key)
    return total + more.kg + sums.get(ctx.sender, 0)
"""
MISTAKEN_LINES = [14, 19, 20, 21, 22, 23, 24, 25]


def run_mypy(paths: list[Path], cache: Path) -> subprocess.CompletedProcess[str]:
    """As an author runs it; the project's own settings leave contracts out."""
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--no-warn-return-any"]
    command += ["--no-error-summary", "--cache-dir", str(cache), *map(str, paths)]
    command += ["--namespace-packages", "--explicit-package-bases"]
    environment = os.environ | {"MYPYPATH": f"{ROOT}/vm/stubs:{ROOT}/vm/library"}
    return subprocess.run(
        command, cwd=cache, env=environment, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_every_shipped_contract_passes_the_check(path: Path) -> None:
    assert check_source(path.read_text()) == []


def test_mypy_finds_nothing_in_the_shipped_contracts_and_the_one_on_the_page(
    tmp_path: Path,
) -> None:
    token = tmp_path / "token_on_the_page.py"
    token.write_text(PAGE.split("```python\n")[1].split("```")[0])
    finished = run_mypy([*CONTRACTS, token], tmp_path)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_mypy_finds_each_mistake_of_an_author_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "mistakes.py"
    path.write_text(MISTAKES)
    text = MISTAKES.replace('default="none"', "default=0")
    lost = "    rows[name].kg = 6  # line 21\n"
    text = text.replace(lost, "").replace("ctx.moment", "ctx.time")
    # The check leaves types to the run: beside these three it accepts all of it.
    assert check_source(text) == []
    finished = run_mypy([path], tmp_path)
    assert finished.returncode == 1
    lines = {
        int(number) for number in re.findall(r"^mistakes\.py:(\d+): error", finished.stdout, re.M)
    }
    assert lines == set(MISTAKEN_LINES), finished.stdout
