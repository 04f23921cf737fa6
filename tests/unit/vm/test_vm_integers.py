"""Guards that look at no types stand only where operands are integers, and do the same there."""

import ast
import time
from itertools import product

import pytest

import vm.rewrite
from primitives.hashing import ZERO_HASH
from primitives.transaction import Call
from tests.unit.vm.vm_corpus import FAILURES, HEADER, VALUES
from vm.compiler import check_source, compile_source
from vm.declarations import Contract, Function
from vm.gas import INT_MAX, INT_MIN, Schedule
from vm.guards_integers import INTEGER_GUARDS, PREFIX
from vm.integers import Integers, find_integers
from vm.linker import collect_names
from vm.machine import BlockContext, Machine
from vm.outcome import Fault
from vm.scopes import make_scope
from vm.state import MemoryReader, Overlay
from vm.types import INT, NONE

CONTEXT = BlockContext(ZERO_HASH, 3, 1_700_000_000, 0, ZERO_HASH)
SIZES = (0, 1, 2, 7, (1 << 30) - 2, (1 << 30) - 1, 1 << 30, 1 << 60, 1 << 128, 1 << 254)
NUMBERS = [*SIZES, *(-size for size in SIZES), INT_MAX, INT_MAX - 1, INT_MIN, INT_MIN + 1]


def try_guard(guard, left, right):
    try:
        result = guard(left, right)
    except Fault as fault:
        return fault.code
    assert type(result) in (int, bool)
    return type(result), result


@pytest.mark.parametrize("name", sorted(INTEGER_GUARDS))
def test_a_quick_guard_is_the_guard_of_its_name_for_two_integers(name):
    machine = Machine()
    quick, usual = machine._guards[PREFIX + name], machine._guards[name]
    machine._runtime.meter.gas = 0  # neither may charge for two integers
    seen = set()
    for left, right in product(NUMBERS, repeat=2):
        result = try_guard(usual, left, right)
        assert try_guard(quick, left, right) == result, (left, right)
        seen.add(result if isinstance(result, str) else "")
    sums = {"add", "extend_or_add", "subtract", "multiply", "divide"}
    assert ("overflow" in seen) == (name in sums)
    assert ("division-by-zero" in seen) == (name in ("divide", "modulo"))


def analyse(text):
    """The integers of ``f`` in a contract of these lines, and the contract's problems."""
    contract = compile_source(HEADER_OF_TYPES + text, Schedule()).contract
    return find_integers(contract, contract.functions["f"])


HEADER_OF_TYPES = """from vm import Map
SCALE = 1000
NAME = "a"
FLAG = True
LIST = [1]
counts = Map[str, int](default=0)
def f2(a: int) -> int:
    return a
"""


def find(body, parameters="a: int"):
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return set(analyse(f"def f({parameters}):\n{lines}").names)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("x = 1", {"x"}), ("x = -1", {"x"}), ("x = ~a", {"x"}), ("x: int = 5", {"x"}),
        ("x = a - 1", {"x"}), ("x = a // 1", {"x"}), ("x = a % 1", {"x"}), ("x = a ** 1", {"x"}),
        ("x = a << 1", {"x"}), ("x = a >> 1", {"x"}), ("x = a & 1", {"x"}), ("x = a | 1", {"x"}),
        ("x = a ^ 1", {"x"}), ("x = SCALE", {"x"}), ("x = 2 + 3 * SCALE", {"x"}),
        ("x = len(LIST)", {"x"}), ("x = abs(a)", {"x"}), ("x = int(a)", {"x"}),
        ("x = sum(LIST)", {"x"}), ("x = 1 if a else 2", {"x"}),
        ("x = 1\ny = x + 1\nx = y * x", {"x", "y"}),
        ("x = 1\nx += 1\nx *= 2", {"x"}), ("x = 1\nx -= a", {"x"}), ("x = 1\nx //= a", {"x"}),
        ("for i in range(a):\n    x = i", {"i", "x"}),
        ("while a:\n    x = 1\nelse:\n    y = 2", {"x", "y"}),
        ("if a:\n    x = 1\nelse:\n    x = 2", {"x"}),
        ("x = [i for i in LIST]\ni = 1", {"i"}),
    ],
)  # fmt: skip
def test_what_can_only_be_an_integer_is_one(body, found):
    assert find(body) == found


@pytest.mark.parametrize(
    "body",
    [
        # What calls bring is not checked against annotations, so parameters never are.
        "a = 1", "x = a", "x = a + 1", "x = a * 2", "x: int = a", "x = a if a else 1",
        "x = 1 if a else a", "x = not a", "x = a == 1", "x = True", "x = FLAG", "x = 'b'",
        "x = NAME", "x = b'a'", "x = None", "x = [1]", "x = LIST[0]", "x = a[0]", "x = counts['a']",
        "x = min(1, 2)", "x = bool(1)", "x = str(1)", "x = 1 and 2", "x = a or 1", "x = f'{a}'",
        "x = f2(1)", "x = NAME + NAME", "x = NAME * 3", "x = 3 * NAME",
        # One binding is enough: in a branch, a loop's end, an augmented one, a tuple.
        "x = 1\nx = a", "x = a\nx = 1", "x = 1\nif a:\n    x = 'b'", "x = 1\nx += a",
        "x = 1\nx *= a",
        "x = 1\nfor i in a:\n    x = i", "for x in a:\n    x = 1",
        "x = 1\nfor i in LIST:\n    pass\nelse:\n    x = a", "x = 1\nwhile a:\n    x = a",
        "x = 1\nwhile a:\n    pass\nelse:\n    x = a", "x = 1\nif a:\n    pass\nelse:\n    x = a",
        "x, y = 1, 2", "x, y = a", "x = 1\nx, y = a", "for x, y in a:\n    pass",
        "x = 1\nfor x in LIST:\n    pass", "x = 1\nfor x, y in a:\n    pass",
        # And what follows from it, however long the way.
        "x = 1\ny = x\nz = y\nx = a", "x = 1\ny = 1\nx = y + x\ny = a",
        "SCALE = a\nx = SCALE", "x = SCALE\nSCALE = 'b'",
    ],
)  # fmt: skip
def test_what_may_be_something_else_is_none(body):
    names = find(body)
    assert "x" not in names and "a" not in names


def test_what_is_no_integer_hides_a_constant_that_is_one():
    integers = analyse("def f(SCALE: int):\n    x = SCALE\n")
    assert integers.names == frozenset()
    name = ast.parse("SCALE", mode="eval").body
    assert not integers.covers(name, name)


@pytest.mark.parametrize("line", ["x = len(a)", "for x in range(a):\n        pass"])
def test_a_word_that_something_else_is_called_by_counts_for_nothing(line):
    """The checks let nothing hide a word; this is the line behind them."""

    def find_in(contract, *before):
        lines = "".join(f"    {item}\n" for item in (*before, line))
        node = ast.parse(f"def f(a: int) -> None:\n{lines}").body[0]
        return (
            "x" in find_integers(contract, Function("f", "", (("a", INT),), NONE, "", node)).names
        )

    assert find_in(Contract())
    assert not find_in(Contract(), "len = a", "range = a")
    assert not find_in(Contract(constants={"len": None, "range": None}))


def test_a_comprehension_s_name_hides_a_constant_that_is_an_integer():
    head = "N = 5\ndef f(a: int) -> None:\n"
    assert quick_names(f"{head}    x = [N + 1 for N in ['b']]\n") == set()
    assert quick_names(f"{head}    x = [N + 1 for M in ['b']]\n") == {"int.add"}


def test_a_long_chain_of_names_is_followed_in_one_pass():
    """Each needs the next: ruled out one by one, they would take a second and more."""
    count = 3_000
    chain = "".join(f"    x{n} = x{n + 1}\n" for n in range(count))
    function = ast.parse(f"def f(a: int) -> None:\n{chain}    x{count} = a\n").body[0]
    contract = Contract()
    began = time.process_time()
    found = find_integers(contract, Function("f", "", (("a", INT),), NONE, "", function))
    assert time.process_time() - began < 0.5
    assert found.names == frozenset()


@pytest.mark.parametrize("part", ["({} + n)", "(n + {})", "(n + {} if a else 1)", "({} < n)"])
def test_the_parts_of_an_expression_are_not_walked_for_each_of_its_operators(monkeypatch, part):
    seen = []
    collect = Integers._collect

    def count(*arguments):
        seen.append(arguments)
        return collect(*arguments)

    monkeypatch.setattr(Integers, "_collect", count)
    asked = []
    for depth in (4, 8, 12):
        text = "n"
        for _ in range(depth):
            text = part.format(text)
        seen.clear()
        quick_names(
            "def f(a: int) -> None:\n    n = 1\n    x = (" + text.replace(" ", "\n") + ")\n"
        )
        asked.append(len(seen))
    assert asked[2] - asked[1] == asked[1] - asked[0] > 0


def quick_names(text):
    assert check_source(text) == []
    code = compile_source(text, Schedule()).code
    return {name.removeprefix("$") for name in collect_names(code) if name.startswith("$" + PREFIX)}


@pytest.mark.parametrize(
    ("line", "quick"),
    [
        ("x = n + 1", {"int.add"}), ("x = n - 1", {"int.subtract"}),
        ("x = n * 2", {"int.multiply"}),
        ("x = n // 2", {"int.divide"}), ("x = n % 2", {"int.modulo"}),
        ("n += 1", {"int.extend_or_add"}),
        ("n -= 1", {"int.subtract"}), ("x = n == 1", {"int.equal"}),
        ("x = n != 1", {"int.not_equal"}),
        ("x = n < 1", {"int.less"}), ("x = n <= 1", {"int.less_equal"}),
        ("x = n > 1", {"int.greater"}),
        ("x = n >= 1", {"int.greater_equal"}), ("x = 1 < n < a", {"int.less"}),
        ("x = a + 1", set()), ("x = n + a", set()), ("x = n ** 2", set()), ("x = n & 1", set()),
        ("x = -n", set()), ("x = n in [1]", set()), ("a += 1", set()), ("n += a", set()),
        ("x = [n for n in [a] if n > 1]", set()), ("x = [n + 1 for n in [a]]", set()),
        ("x = {n: n < 2 for n in [a]}", set()), ("x = [m * n for n in [a] for m in [n]]", set()),
        ("x = [n * 2 for m in [a]]", {"int.multiply"}),
        ("x = [a for m in range(n - 1)]", {"int.subtract"}),
        ("x = [n - 1 for m in [a]] + [n for n in [a]]", {"int.subtract"}),
        # A part counts by what it is made of, or because its operator gives an int or a fault.
        ("x = (n + 1) * 2", {"int.add", "int.multiply"}), ("x = (a + 1) * 2", set()),
        ("x = (a - 1) * 2", {"int.multiply"}), ("x = 2 * (a - 1)", {"int.multiply"}),
        ("x = (n if a else 1) * 2", {"int.multiply"}), ("x = (n if a else a) * 2", set()),
        ("x = (a if a else n) * 2", set()), ("x = a * (n - 1)", {"int.subtract"}),
    ],
)  # fmt: skip
def test_the_rewriter_uses_them_where_both_operands_are_integers(line, quick):
    text = f"def f(a: int) -> None:\n    n = 5\n    {line}\n"
    assert quick_names(text) == quick


def make_blind(contract, function):
    """Finds no integers."""
    return Integers(contract, make_scope(contract, function).names, frozenset())


def run(source, limits):
    """Outcome and writes of ``f(7)`` under each gas limit."""
    machine, overlay = Machine(), Overlay(MemoryReader())
    outcome = machine.deploy(overlay, "main", source, ZERO_HASH, context=CONTEXT, sender=ZERO_HASH)
    assert outcome.status == "ok", outcome
    results = []
    for gas in limits:
        mark = overlay.mark()
        call = (Call("main", "f", (7,)),)
        outcome = machine.run_calls(overlay, CONTEXT, ZERO_HASH, ZERO_HASH, call, gas)
        results.append((outcome, dict(overlay.writes)))
        overlay.rollback(mark)
    return results


def test_the_corpus_runs_the_same_with_and_without_them(monkeypatch):
    quick = 0
    for body, *_ in [*VALUES, *FAILURES]:
        source = HEADER.replace("def f(a: int) -> int:", "def f(a: int):") + f"    {body}\n"
        one = run(source, [300_000])
        if quick_names(source):
            quick += 1
            with monkeypatch.context() as patch:
                patch.setattr(vm.rewrite, "find_integers", make_blind)
                patch.setattr(vm.rewrite, "INTEGER_GUARDS", {})
                assert not quick_names(source)
                assert run(source, [300_000]) == one, body
    assert quick > 20


LOOP = """
    total = 0
    seen = [0, 0, 0]
    for i in range(a):
        rest = i % 3
        if rest < 1 or i == 5:
            total += i * rest - 2 ** 250 // (late if i > 1 else 1)
        else:
            total -= rest
            late = i
        seen[rest] = total
        while total > 3:
            total -= 4
    return seen[a // 3]
"""


def test_a_loop_runs_the_same_at_every_gas_limit(monkeypatch):
    source = f"from vm import export\n@export\ndef f(a: int) -> int:{LOOP}"
    ((full, _),) = run(source, [10**6])
    limits = range(full.gas + 2)
    one = run(source, limits)
    assert {outcome.status for outcome, _ in one} == {"out-of-gas", full.status}
    assert quick_names(source) >= {"int.modulo", "int.less", "int.subtract", "int.greater"}
    monkeypatch.setattr(vm.rewrite, "find_integers", make_blind)
    monkeypatch.setattr(vm.rewrite, "INTEGER_GUARDS", {})
    assert run(source, limits) == one
