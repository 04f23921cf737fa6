"""Attacks on the VM that once worked, or nearly: each must end in a named outcome, cheaply."""

import sys
import threading

import pytest

from tests.unit.vm.vm_corpus import HEADER
from vm.authoring import Bench, parse_call, parse_sender, run_contract
from vm.compiler import check_source
from vm.declarations import TYPE_DEPTH_MAX
from vm.machine import FULL_COLLECTION_EVERY, UNCOLLECTED_BYTES_MAX

SORT_GAS = 53638
RECORDS = "from vm import Map, Var, call, ctx, emit, event, export, init, record, view\n"


def nest_records(levels, fields=1):
    source = RECORDS + "@record\nclass R0:\n    a: int\n"
    for level in range(1, levels):
        source += f"@record\nclass R{level}:\n"
        source += "".join(f"    a{index}: R{level - 1}\n" for index in range(fields))
    return source + f"v = Var[R{levels - 1}]()\n"


def nest_elif(chains, branches):
    lines = ["def f(a: int) -> int:"]
    for chain in range(chains):
        space = " " * (1 + chain)
        lines += [f"{space}if a:", f"{space} a = 1"]
        lines += [f"{space}elif a:", f"{space} a = 1"] * (branches - 1)
        lines += [f"{space}elif a:"]
    return "\n".join([*lines, " " * (1 + chains) + "a = 1", " return a", ""])


def get_codes(source):
    return {problem.code for problem in check_source(source)}


def run_body(body, head="", gas_limit=2_000_000):
    """Run lines as the body of one function; vm_corpus's HEADER imports every word."""
    lines = "\n".join("    " + line for line in body.split("\n"))
    source = HEADER.partition("@export")[0] + head + f"\n@export\ndef main():\n{lines}\n"
    return run_contract(source, [parse_call("main()")], gas_limit=gas_limit)


def test_records_nested_beyond_the_host_s_stack_are_refused():
    assert get_codes(nest_records(900)) == {"type-size"}


def test_records_of_records_that_double_at_each_level_are_refused_at_once():
    assert get_codes(nest_records(200, 4)) == {"type-size"}


def test_types_may_nest_as_deep_as_the_bound_says():
    assert get_codes(nest_records(TYPE_DEPTH_MAX - 1)) == set()
    assert get_codes(nest_records(TYPE_DEPTH_MAX)) == {"type-size"}


def test_many_uses_of_one_large_type_are_refused():
    row = ", ".join(f"a{index}: R7" for index in range(30))
    # One line a parameter list: the text's own bounds hold.
    functions = "".join(
        f"def f{index}(\n    {row.replace(', ', ',' + chr(10) + '    ')}\n) -> int:\n    return 1\n"
        for index in range(20)
    )
    assert get_codes(nest_records(8, 2) + functions) == {"type-size"}


def test_elif_chains_within_elif_chains_are_counted_together():
    assert get_codes(nest_elif(1, 64)) == set()
    assert get_codes(nest_elif(6, 60)) == {"elif"}
    assert get_codes(nest_elif(2, 32)) == set()
    assert get_codes(nest_elif(2, 33)) == {"elif"}


def test_an_elif_chain_that_has_ended_does_not_count():
    chain = nest_elif(1, 60).split("\n", 1)[1].rsplit(" return", 1)[0]
    assert get_codes("def f(a: int) -> int:\n" + 3 * chain + " return a\n") == set()


def test_else_if_written_out_is_nesting_as_well():
    lines = ["def f(a: int) -> int:"]
    for level in range(70):
        space = " " * (1 + level)
        lines += [f"{space}if a:", f"{space} a = 1"]
        lines += [f"{space}elif a:", f"{space} a = 1"] if level < 60 else []
        lines += [f"{space}else:"]
    source = "\n".join([*lines, " " * 71 + "a = 1", " return a", ""])
    assert get_codes(source) == {"syntax"}


def test_the_deepest_tree_that_is_accepted_compiles_on_a_shallow_stack():
    """Half of Python's default stack must do: a node calls the VM from deep within."""
    source = nest_elif(20, 3).replace("a = 1", "a = [[[[[1]]]]][0][0][0][0][0]")
    outcomes = []

    def work():
        outcomes.append(run_contract(source, []))

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(600)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
    assert outcomes[0]["status"] == "ok"


def test_a_list_that_holds_itself_does_not_outlive_its_transaction_for_long(monkeypatch):
    collections = []
    monkeypatch.setattr("vm.machine.gc.collect", collections.append)
    bench = Bench("from vm import export\n@export\ndef f() -> None:\n"
                  "    x = ['a' * 7000000]\n    x.append(x)\n")  # fmt: skip
    assert bench.deploy().status == "ok"
    for _ in range(40):
        assert bench.call("f()").status == "ok"
    assert collections == [1, 1]  # 40 * 7 // 128


def test_one_collection_in_some_is_a_full_one(monkeypatch):
    collections = []
    monkeypatch.setattr("vm.machine.gc.collect", collections.append)
    machine = Bench("").machine
    for _ in range(FULL_COLLECTION_EVERY):
        machine._collect(UNCOLLECTED_BYTES_MAX + 1)
    assert collections == [1] * (FULL_COLLECTION_EVERY - 1) + [2]


def test_memory_of_every_call_of_a_transaction_counts_towards_a_collection(monkeypatch):
    collections = []
    monkeypatch.setattr("vm.machine.gc.collect", collections.append)
    bench = Bench("from vm import export\n@export\ndef f() -> None:\n    x = 'a' * 7000000\n")
    bench.deploy()
    for _ in range(6):
        assert bench.run([parse_call("f()")] * 8, gas_limit=10_000_000).status == "ok"
    assert collections == [1, 1]


@pytest.mark.parametrize(
    "widen",
    ["x + y", "''.join([x, y])", "f'{x}{y}'", "(x + 'b').replace('b', y)"],
)
def test_one_wide_character_makes_the_whole_text_pay_four_bytes_a_character(widen):
    source = (
        "from vm import export\n@export\ndef f(y: str) -> None:\n"
        f"    x = 'a' * 1000000\n    for i in range(2):\n        z = {widen}\n"
    )
    bench = Bench(source)
    bench.deploy()
    assert bench.call("f('b')").status == "ok"
    outcome = bench.call("f('\U0001f600')")
    assert (outcome.status, outcome.code) == ("fault", "memory")


def test_rows_copied_for_unpacking_are_memory():
    names = ", ".join(f"a{index}" for index in range(20))
    body = f"row = [0] * 20\nmany = [row] * 60000\nfor {names} in many:\n    return 1"
    result = run_body(body, gas_limit=40_000_000)
    assert (result["status"], result["code"]) == ("fault", "memory")


def test_a_contract_is_called_by_its_address_as_well():
    bench = Bench(RECORDS + "@export\ndef f() -> int:\n    return call(ctx.contract, 'f')\n")
    bench.deploy()
    assert bench.call("f()").code == "reentrancy"


def test_an_address_without_a_contract_has_no_method():
    assert run_body("return call(ctx.sender, 'f')")["code"] == "no-method"


def test_a_text_that_is_no_contract_name_has_no_method():
    assert run_body("return call('a' * 1000000, 'f')")["code"] == "no-method"


def test_gas_of_sorting_does_not_depend_on_which_pairs_python_compares():
    """Golden: Python 3.13 changed its sort, and each comparison of two tuples charges."""
    rows = "[((q * 7919) % 101, str(q)) for q in range(60)]"
    result = run_body(f"return sorted({rows})[0][1]")
    assert (result["status"], result["value"], result["gas"]) == ("ok", "0", SORT_GAS)


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 45])
def test_sorting_lists_is_python_s_sort(count, reverse):
    rows = f"[[(q * 7919) % 7, str(q)] for q in range({count})]"
    expected = sorted([[(q * 7919) % 7, str(q)] for q in range(count)], reverse=reverse)
    assert run_body(f"return sorted({rows}, reverse={reverse})")["value"] == expected


@pytest.mark.parametrize("delete", ["del d[q]", "d.pop(q)"])
def test_a_dict_that_was_emptied_is_not_walked_entry_by_entry(delete):
    bench = Bench("")
    entries = {number: number for number in range(5000)}
    meter = bench.machine._runtime.meter
    meter.gas, meter.memory = 1_000_000, 1 << 20
    guards = bench.machine._guards
    for number in range(4999):
        if delete == "del d[q]":
            guards["delete_item"](entries, number)
        else:
            guards["method.pop"](entries, number)
    assert entries == {4999: 4999} and entries.__sizeof__() < 2048


def test_call_text_takes_hex_for_bytes_and_the_names_of_json():
    bench = Bench("from vm import export\n@export\ndef f(a: bytes, b: bool) -> bytes:\n"
                  "    return a if b else b''\n")  # fmt: skip
    bench.deploy()
    assert bench.call("f('0x6162', true)").values == (b"ab",)
    assert bench.call("f(b'ab', True)").values == (b"ab",)
    assert bench.call("f('ab', true)").code == "arguments"


def test_a_sender_is_an_address_with_or_without_its_prefix():
    assert parse_sender("ab" * 32) == parse_sender("0x" + "ab" * 32) == bytes.fromhex("ab" * 32)
    assert parse_sender("ab" * 31) != parse_sender("ab" * 32)


COSTLY_INIT = """from vm import Var, export, init
v = Var[int]()
@init
def setup() -> None:
    for i in range(300):
        v.set(i)
@export
def f() -> int:
    return v.get()
"""


def test_a_run_repeated_with_just_the_gas_it_used_ends_the_same():
    calls = [parse_call("f()")]
    first = run_contract(COSTLY_INIT, calls)
    assert first["status"] == "ok" and first["value"] == 299
    assert run_contract(COSTLY_INIT, calls, gas_limit=first["gas"]) == first
    assert run_contract(COSTLY_INIT, calls, gas_limit=first["gas"] - 1)["status"] == "out-of-gas"


def test_gas_told_of_an_init_that_failed_is_within_its_limit():
    told = run_contract(COSTLY_INIT, [], gas_limit=5000)
    assert (told["status"], told["gas"]) == ("out-of-gas", 5000)


@pytest.mark.parametrize(
    "expression",
    [
        "lambda:\n" * 185 + "a",
        "-\n" * 380 + "a",
        "f(a=lambda:(\n" * 11 + "lambda:\n" * 80 + "a" + "))" * 11,
        "lambda: a or a and a < a | a ^ a & a << a + a * -\n" * 16 + "a",
        "lambda: a or a and a < a | a ^ a & a << a + a * -\n" * 16 + "a a",
    ],
)
@pytest.mark.parametrize("statement", ["if a:", "class f:", "async with a as b:"])
def test_the_deepest_text_that_the_lexer_passes_is_parsed(statement, expression):
    """The parser's own limits end in MemoryError or RecursionError, and those stop a node."""
    lines = [" " * (1 + level) + statement for level in range(76)]
    lines += [" " * 77 + "x = (", expression, ")", " return x", ""]
    assert get_codes("\n".join(["def f(a: int) -> int:", *lines])) == {"syntax"}
