"""Gas is a contract between nodes: golden values, the same on every Python version.

``python -m tests.unit.vm.test_vm_gas`` writes the vectors after a deliberate change of
prices, which needs a new ``vm_version`` once a chain is live.
"""

import json
import time
from pathlib import Path

import pytest

from tests.unit.vm.vm_corpus import FAILURES, HEADER, VALUES
from vm.authoring import get_gas_by_line, parse_call, run_contract

VECTORS = Path(__file__).parents[2] / "vectors" / "vm_gas.json"


def run_body(body, gas_limit=2_000_000):
    source = HEADER.replace("def f(a: int) -> int:", "def f(a: int):") + f"    {body}\n"
    return run_contract(source, [parse_call("f(7)")], gas_limit=gas_limit)


def compute_vectors():
    return [
        {"body": body, "status": result["status"], "code": result["code"], "gas": result["gas"]}
        for body in [*(row[0] for row in VALUES), *(row[0] for row in FAILURES)]
        for result in [run_body(body)]
    ]


def test_gas_and_outcome_of_every_construct_are_the_golden_ones():
    assert compute_vectors() == json.loads(VECTORS.read_text())


def test_a_longer_way_costs_more():
    costs = [run_body(f"for i in range({count}):\n        pass")["gas"] for count in (0, 1, 2, 10)]
    assert costs[1] - costs[0] == costs[2] - costs[1] == (costs[3] - costs[2]) / 8 > 0


def test_both_sides_of_a_short_circuit_are_paid():
    taken, skipped = run_body("x = False or a // 3"), run_body("x = True or a // 3")
    assert taken["gas"] == skipped["gas"]


def test_a_comprehension_pays_for_every_turn_before_the_first():
    result = run_body("x = [counts['a'] for i in range(100000)]", gas_limit=100_000)
    assert (result["status"], result["gas"]) == ("out-of-gas", 100_000)


def test_gas_by_line_names_the_line_of_each_block():
    source = "def f(a: int) -> int:\n    x = a\n    if a:\n        x = 2 ** 3\n    return x\n"
    assert [line for line, _ in get_gas_by_line(source)] == [1, 4, 5]
    assert get_gas_by_line(source)[1][1] == 9 + 65 + 1 + 1 + 3


@pytest.mark.parametrize(
    "body",
    [
        "x = 'a' * 8000000\n    while True:\n        y = {x: 1}",
        "x = ['a' * 100000] * 10000\n    while True:\n        y = ''.join(x)",
        "x = [0]\n    for i in range(30):\n        x = [x, x]\n    return x == x",
        "x = 'ab' * 1000\n    while True:\n        y = x.find('a' * 999)",
        "x = [2] * 400000\n    while True:\n        del x[0]",
        "for i in range(500):\n        lists[i] = [1]\n    for i in range(500):\n"
        "        del lists[i]\n    while True:\n        y = lists.scan()",
        "while True:\n        y = verify_ed25519(ctx.sender, b'a', b'b' * 64)",
        "return {str(i): j for i in range(1000) for j in range(1000)}",
    ],
)
def test_a_million_gas_ends_within_a_second(body):
    start = time.perf_counter()
    result = run_body(body, gas_limit=1_000_000)
    assert result["status"] in {"out-of-gas", "fault"} and result["code"] != "internal"
    assert time.perf_counter() - start < 1.0


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(row) for row in compute_vectors())
    VECTORS.write_text(f"[\n{lines}\n]\n")
