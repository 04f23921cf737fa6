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
from vm.guards_builtins import BuiltinGuards
from vm.guards_methods import MethodGuards
from vm.guards_operators import OperatorGuards
from vm.guards_values import ValueGuards
from vm.machine import Machine
from vm.runtime import Runtime
from vm.state import Overlay
from vm.storage_guards import MapGuards, VarGuards

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


def break_less(guards, left, right):
    return OperatorGuards.less_equal(guards, left, right)


def break_keys(guards, items):
    return sorted(guards._walk(items), key=str)


def break_price(guards, left, right):
    guards.meter.charge(1)
    return ORIGINAL_SUBTRACT(guards, left, right)


def break_put(guards, value, key):
    guards.write(guards.encode_key(key), value)
    guards.meter.gas += 4


def break_get(guards, default=None):
    return guards.decode(guards.runtime.overlay.get(guards.key) or b"\x00")


def break_rollback(overlay, mark):
    overlay._levels -= 1
    overlay._journal.clear()


def break_event(runtime, name, values):
    runtime.events.insert(0, ORIGINAL_EVENT(runtime, name, values) or runtime.events.pop())


def break_copy(guards, value, depth=0):
    return value


def break_sorted(guards, values, reverse=False):
    return sorted(guards._list(values), key=str, reverse=reverse)


ORIGINAL_SUBTRACT, ORIGINAL_EVENT = OperatorGuards.subtract, Runtime.add_event
PLANTED = [
    (OperatorGuards, "less", break_less),
    (OperatorGuards, "subtract", break_price),
    (MethodGuards, "keys", break_keys),
    (MapGuards, "put", break_put),
    (VarGuards, "get", break_get),
    (Overlay, "rollback", break_rollback),
    (Runtime, "add_event", break_event),
    (ValueGuards, "copy", break_copy),
    (BuiltinGuards, "make_sorted", break_sorted),
]


@pytest.mark.parametrize(("owner", "name", "broken"), PLANTED)
def test_a_planted_bug_is_found_soon(monkeypatch, owner, name, broken):
    """Each is small: a price, an order, a copy, a trace of a failed transaction."""
    monkeypatch.setattr(owner, name, broken)
    machine, cases = Machine(), make_cases(SEED)
    assert any(compare(case, machine) for _, case in (next(cases) for _ in range(1000)))


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
