"""Random programs on two evaluators and on every interpreter that is here.

The seed is printed; VMFUZZ_SEED and VMFUZZ_COUNT change the run. The long one is
``make nightly-vmfuzz``.
"""

import os
import subprocess
import sys

import pytest

from tests.fuzz.campaign import describe, make_cases, run
from tests.fuzz.cases import Case, compare, digest, find_leak, observe, refer
from tests.fuzz.found_cases import FOUND
from tests.fuzz.generator.programs import make_case
from tests.fuzz.interpreters import ROOT
from tests.fuzz.shrink import shrink
from tests.fuzz.splicer import get_bases
from tests.fuzz.workers import find_variants
from vm.compiler import check_source
from vm.machine import Machine
from vm.runtime import Runtime
from vm.state import Overlay

SEED = int(os.environ.get("VMFUZZ_SEED", "20240611"))
COUNT = int(os.environ.get("VMFUZZ_COUNT", "2000"))


def test_random_programs_come_to_the_same_on_both_evaluators_and_every_interpreter(capsys):
    here, absent = find_variants()
    campaign = run(COUNT, SEED, here, far_every=3)
    with capsys.disabled():
        print(f"\nvmfuzz: {campaign.programs} programs, seed {SEED}, beside {here},"
              f" left out {absent}: {dict(campaign.outcomes)}")  # fmt: skip
    assert [describe(*failure) for failure in campaign.failures] == []
    assert campaign.operations["CALL"] > COUNT  # some had their bytecode audited
    # A campaign in which nothing runs, or nothing is refused, would prove little.
    total = sum(campaign.outcomes.values())
    assert campaign.outcomes["ok"] > total / 4
    rare = ("fault", "rejected", "reverted", "out-of-gas")
    assert min(campaign.outcomes[status] for status in rare) > COUNT / 1000


@pytest.mark.parametrize("name", FOUND)
def test_a_case_that_once_failed_passes(name):
    assert compare(Case.from_line(FOUND[name]), Machine()) is None


def test_what_people_wrote_comes_to_the_same_on_both_evaluators():
    machine = Machine()
    failures = [(case, why) for case in get_bases() if (why := compare(case, machine))]
    assert failures == []


ASKER = """from vm import call, export, view

@view
def ask(name: str) -> bytes:
    return call("system", "get_code", name)

@export
def ask_wrongly(number: int) -> None:
    call("system", "get_code", number)

@export
def ask_for_more(name: str) -> None:
    call("system", "get_code", name, name)

@export
def freeze(name: str) -> None:
    call("system", "freeze", name, 1)
"""


def test_what_contracts_ask_the_engine_comes_to_the_same_on_both_evaluators():
    """The generator writes no such calls."""
    calls = [("asker", "ask", [name]) for name in ("asker", "other", "x", "system", "", "a b")]
    calls += [("asker", "ask_wrongly", [5]), ("asker", "ask_for_more", ["x"])]
    calls += [("asker", "freeze", ["asker"])]
    contracts = (("asker", ASKER, []), ("other", ASKER + "\n", []))
    case = Case(contracts, tuple((0, 100_000, [call]) for call in calls))
    assert compare(case, Machine()) is None
    rows = observe(case, Machine())[2:-1]
    assert [row[0] for row in rows] == ["ok"] * 6 + ["fault"] * 3
    assert [len(row[4][0]) for row in rows[:6]] == [32, 32, 0, 0, 0, 0]


def test_a_seed_s_cases_do_not_depend_on_the_process():
    code = (
        "from tests.fuzz.campaign import make_cases\nfrom itertools import islice\n"
        "import hashlib\ntext = repr([case.to_line() for _, case in islice(make_cases(5), 30)])\n"
        "print(hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest())\n"
    )
    told = {
        subprocess.check_output(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_most_generated_programs_are_accepted():
    sources = [source for seed in range(100) for _, source, _ in make_case(seed).contracts]
    refused = [source for source in sources if check_source(source)]
    assert len(refused) < len(sources) / 20


def plant_less(patch, machine):
    machine._guards["less"] = machine._guards["less_equal"]


def plant_price(patch, machine):
    subtract, meter = machine._guards["subtract"], machine._runtime.meter
    machine._guards["subtract"] = lambda left, right: meter.charge(1) or subtract(left, right)


def plant_keys(patch, machine):
    keys = machine._guards["method.keys"]
    machine._guards["method.keys"] = lambda items: sorted(keys(items), key=str)


def plant_sorted(patch, machine):
    order = machine._guards["builtin.sorted"]
    machine._guards["builtin.sorted"] = lambda values, reverse=False: order(values)


def plant_copy(patch, machine):
    machine._guards["copy"] = lambda value: value


def plant_memory(patch, machine):
    display, meter = machine._guards["keep"], machine._runtime.meter
    machine._guards["keep"] = lambda value, size: meter.charge(0) or display(value, 0)
    patch.setattr("vm.runtime.MEMORY_BYTES_MAX", 1 << 19)


def plant_rollback(patch, machine):
    def rollback(overlay, mark):
        overlay._levels -= 1
        overlay._journal.clear()

    patch.setattr(Overlay, "rollback", rollback)


def plant_event(patch, machine):
    original = Runtime.add_event

    def add_event(runtime, name, values):
        original(runtime, name, values)
        runtime.events.insert(0, runtime.events.pop())

    patch.setattr(Runtime, "add_event", add_event)


PLANTED = [plant_less, plant_price, plant_keys, plant_sorted, plant_copy, plant_memory,
           plant_rollback, plant_event]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_bug_is_found_soon(monkeypatch, plant):
    """Each is small: a price, an order, a copy, a trace of a failed transaction."""
    machine, cases = Machine(), make_cases(SEED)
    plant(monkeypatch, machine)
    assert any(compare(case, machine) for _, case in (next(cases) for _ in range(1500)))


def test_text_of_an_exception_in_a_receipt_would_be_seen():
    row = ("fault", "KeyError: 'a'", 1, 0, (), ())
    assert find_leak([row, []]) and find_leak([("fault", "internal", *row[2:]), []])
    assert find_leak([("rejected", "line 1: bad", *row[2:]), []])
    assert find_leak([("crashed", "", *row[2:]), []])
    assert find_leak([("fault", "key", *row[2:]), ("ok", "", 1, None, (), ()), []]) is None


def test_digests_tell_apart_what_differs_in_one_unit_of_gas():
    seen = observe(make_case(1), Machine())
    row = seen[0]
    assert digest(seen) != digest([(*row[:2], row[2] + 1, *row[3:]), *seen[1:]])
    assert repr(refer(make_case(1))) == repr(seen)


def test_a_failing_case_becomes_small():
    """Fails wherever lib has written something: what is left should say little else."""
    machine = Machine()

    def fails(case):
        seen = observe(case, machine)
        return any(b"lib\0" in key for key, _ in seen[-1])

    case = next(case for case in map(make_case, range(200)) if fails(case))
    small = shrink(case, fails)
    lines = "\n".join(source for _, source, _ in small.contracts).strip().split("\n")
    assert fails(small) and len(small.contracts) == 1 and len(lines) <= 12
