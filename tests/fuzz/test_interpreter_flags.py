"""What an operator may set on the command line of Python changes no verdict, or is refused."""

import subprocess
import sys

import pytest

from tests.fuzz.interpreters import ROOT

SCRIPT = """
from tests.fuzz.cases import Case, digest, observe
from vm.machine import Machine
source = '''from vm import export
@export
def f() -> list[int]:
    d = {1: 2, b'k': 3, 'k': 4}
    return [d['k'], d[b'k'], 5 if b'j' in d else 6, len(str(2 ** 254))]
'''
case = Case((("main", source, []),), ((0, 100000, [("main", "f", [])]),))
seen = observe(case, Machine())
assert seen[1][4] == ([4, 3, 6, 77],), seen
print(digest(seen))
"""


def run(options):
    return subprocess.run(
        [sys.executable, *options, "-c", SCRIPT], cwd=ROOT, text=True, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_flags_of_the_interpreter_change_nothing():
    flags = ([], ["-O"], ["-OO"], ["-X", "dev"], ["-I", "-W", "error"], ["-X", "utf8"], ["-E"],
             ["-X", "int_max_str_digits=640"], ["-W", "ignore"])  # fmt: skip
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    told = set()
    for options in flags:
        result = subprocess.run(
            [sys.executable, *options, "-c", path + SCRIPT], cwd=ROOT, text=True, check=True,
            capture_output=True, timeout=60,
        )  # fmt: skip
        told.add(result.stdout)
    assert len(told) == 1


@pytest.mark.parametrize("options", [["-b"], ["-bb"], ["-b", "-W", "error"]])
def test_an_interpreter_that_warns_of_bytes_runs_no_contract(options):
    """Under -bb a dict with the keys 'k' and b'k' raised, and this node alone said internal."""
    result = run(options)
    assert result.returncode == 1 and "python -b" in result.stderr
