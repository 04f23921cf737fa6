"""Contracts against each other: what one passes, returns, re-enters or breaks."""

import pytest

from tests.adversarial.chains import DEEP, LIB, MAIN, ROWS
from tests.adversarial.test_adversarial import describe
from tests.fuzz.cases import Case, compare, observe
from vm.machine import Machine

GAS_LIMIT = 1_000_000
MACHINE = Machine()
BESIDE = [("lib", LIB, [])]
BESIDE += [(f"deep{n}", DEEP.replace("{next}", str(n + 1 if n != 9 else 0)), []) for n in range(10)]


def make_case(body):
    """main beside lib and a ring of ten contracts; deep4 to deep9 stand alone in half of it."""
    main = MAIN + "".join(f"    {line}\n" for line in body.split("\n"))
    beside = [row for row in BESIDE if not (row[0] == "deep5" and "deep4" in body)]
    calls = [("main", "f", [7])]
    return Case((*beside, ("main", main, [])), ((0, GAS_LIMIT, calls), (0, GAS_LIMIT, calls)))


@pytest.mark.parametrize(("verdict", "body"), ROWS)
def test_a_contract_can_neither_reach_nor_change_what_is_another_s(verdict, body):
    case = make_case(body)
    first = observe(case, MACHINE)[-3]
    status, code, _, _, values, events, _ = first
    value = values[0] if values else None
    assert describe(status, code, value, verdict) == verdict
    assert status == "ok" or (values, events) == ((), ())


@pytest.mark.parametrize(("verdict", "body"), ROWS)
def test_both_evaluators_agree_on_it(verdict, body):
    assert compare(make_case(body), MACHINE) is None


def test_a_failed_call_leaves_no_trace_in_any_contract():
    seen = observe(make_case("counts['a'] = 5\nreturn call('lib', 'fail', 'gone')"), MACHINE)
    assert dict(seen[-1]) == {b"lib\0counts\0init\0": b"\x01"}
