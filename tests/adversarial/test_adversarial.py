"""Every adversarial program gets its verdict, within a second and 64 MiB, on every interpreter.

Each runs in a process of its own behind a limit on its address space (confine.py). CPU time
is measured, not wall time, and set against a yardstick: the machine may be shared.
"""

import ast
import subprocess
import sys

import pytest

from tests.adversarial import bombs, programs, state, texts
from tests.adversarial.confine import GAS_LIMIT, MEMORY_BYTES, make_source
from tests.fuzz.cases import Case, compare, digest, observe
from tests.fuzz.interpreters import ROOT
from tests.fuzz.workers import VARIANTS, Worker, find_variants
from vm.machine import Machine
from vm.outcome import FAULT_CODES

CPU_SECONDS_MAX = 1.0
FAMILIES = programs.FAMILIES | texts.FAMILIES | bombs.FAMILIES | state.FAMILIES
ROWS = [
    pytest.param(verdict, text, id=f"{family}-{index}")
    for family, rows in FAMILIES.items()
    for index, (verdict, text) in enumerate(rows)
]
EXHAUSTED = {("out-of-gas", "out-of-gas"), ("fault", "memory")}


@pytest.fixture(scope="module")
def confined():
    """The far side's answer for each text, from one process that forks."""
    lines = [ascii(text) for rows in FAMILIES.values() for _, text in rows]
    told = subprocess.run(
        [sys.executable, "-m", "tests.adversarial.confine"], cwd=ROOT, text=True, check=True,
        input="\n".join(lines) + "\n", stdout=subprocess.PIPE, timeout=600,
    )  # fmt: skip
    answers = [ast.literal_eval(line) for line in told.stdout.splitlines()]
    return dict(zip(map(ast.literal_eval, lines), answers, strict=True))


def describe(status, code, value, verdict):
    """An outcome as rows write it."""
    if verdict == "exhausted" and (status, code) in EXHAUSTED:
        return verdict
    said = status if status in ("ok", "out-of-gas") else f"{status}:{code}"
    return f"{said}={value!r}" if "=" in verdict else said


def test_the_corpus_is_as_large_as_promised_and_names_every_family():
    assert len(ROWS) >= 300 and len({row.values[1] for row in ROWS}) == len(ROWS)
    assert all(len(rows) >= 10 for rows in FAMILIES.values())


@pytest.mark.parametrize(("verdict", "text"), ROWS)
def test_an_adversarial_program_gets_its_verdict_within_a_second_and_64_mib(
    confined, verdict, text
):
    status, code, value, seconds, grown = confined[text]
    assert describe(status, code, value, verdict) == verdict
    assert status != "fault" or code in FAULT_CODES - {"internal"}
    assert seconds < CPU_SECONDS_MAX and grown < MEMORY_BYTES


def make_cases():
    calls = {"f()": [], "f(7)": [7]}
    for rows in FAMILIES.values():
        for _, text in rows:
            source, call = make_source(text)
            yield Case((("main", source, []),), ((0, GAS_LIMIT, [("main", "f", calls[call])]),))


@pytest.fixture(scope="module")
def observed():
    """(case, what this interpreter makes of it, what differs from the second evaluator)."""
    machine = Machine()
    seen = [(case, observe(case, machine)) for case in make_cases()]
    return [(case, digest(rows), compare(case, machine, rows)) for case, rows in seen]


def test_both_evaluators_agree_on_the_corpus_to_the_last_unit_of_gas(observed):
    assert [why for _, _, why in observed if why is not None] == []


@pytest.mark.parametrize("name", VARIANTS)
def test_every_interpreter_agrees_on_the_corpus(observed, name):
    if name not in find_variants()[0]:
        pytest.skip(f"no interpreter for {name}: make vm-interpreters")
    with Worker(name) as worker:
        worker.ask(case for case, _, _ in observed)
        far = worker.answer(len(observed))
    differing = [row for row, theirs in zip(observed, far, strict=True) if row[1] != theirs]
    assert [case.contracts[0][1] for case, _, _ in differing] == []


def test_the_wall_around_a_program_holds():
    """Without it, a program's memory would be anybody's guess: this one wants 128 MiB."""
    code = (
        "from tests.adversarial import confine\n"
        "confine.run = lambda text: bytes(1 << 27)\n"
        "print(confine._confined('x'))\n"
    )
    told = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True, timeout=60)
    assert ast.literal_eval(told)[:2] == ("raised", "MemoryError: ")
