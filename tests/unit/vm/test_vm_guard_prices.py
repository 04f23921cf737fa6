"""What guards do, charge and allocate beside their refusals: values written by hand.

Gas and memory of each come from the second evaluator, with straight-line guards and with
the general ones. The rows are those that mutants of the guards asked for (``make mutate
TARGET=vm``); test_vm_guard_refusals.py has the others.
"""

# ruff: noqa: E501 - a program's text is clearer on one line

import tracemalloc

import pytest

from tests.fuzz.cases import Case, observe
from tests.unit.vm.guard_rows import check_row, get_machines
from vm.gas import Schedule
from vm.guards_methods import MethodGuards
from vm.guards_operators import OperatorGuards
from vm.guards_values import ValueGuards
from vm.meter import Meter
from vm.outcome import Fault
from vm.state import Overlay

HEADER = """from lib.integers.v1 import sqrt_down
from lib.margin.v1 import Fund, compute_part, compute_required
from vm import Address, Map, Var, ctx, event, export, record
WORDS = ['a', 'b']
ROWS = [[1], [2]]
PAIRS = [(1, 2), (3, 4)]
MIXED = (1, [2])
TABLE = {'a': 1, 'b': 2}
DEEP = {'a': 1, 'b': [2]}
PART = [1, [2]]
TEXT = 'abc'
NUMBER = 7
UNIT = (1, 'a')
WHOLE = 3
@record
class Lot:
    owner: Address
    start: int
counts = Map[str, int]()
sizes = Map[int, int](default=3)
pairs = Map[int, tuple[int, str]](default=(1, 'a'))
books = Map[int, dict[str, list[int]]](default={'a': [1], 'b': []})
number = Var[int]()
text = Var[str]()
flag = Var[bool]()
blob = Var[bytes]()
owner = Var[Address]()
items = Var[list[int]]()
book = Var[dict[str, int]]()
pair = Var[tuple[int, str]]()
lot = Var[Lot]()
start = Var[int](default=-5)
def bit_length(a: int, b: int) -> int:
    return a - b
@export
def f(a: int, s: str):
"""

ROWS = [
    # builtins
    ("return list(range(3))", [0, 1, 2]), ("return list((1, 2)) == [1, 2]", True), ("return list('ab') == ['a', 'b']", True),
    ("x = [1]\ny = list(x)\ny.append(2)\nreturn x", [1]), ("return list({1: 2}) == [1]", True),
    ("return sorted([[1], [2]], reverse=True)", [[2], [1]]), ("return sorted([[3], [1], [2], [0], [1]])", [[0], [1], [1], [2], [3]]),
    ("return sorted([[3], [1], [2], [0], [1], [7], [5]], reverse=True)", [[7], [5], [3], [2], [1], [1], [0]]),
    ("x = [1]\ny = [1]\nz = sorted([x, y])\nz[0].append(2)\nreturn x", [1, 2]),
    ("x = [1]\ny = [1]\nz = sorted([x, y], reverse=True)\nz[0].append(2)\nreturn x", [1, 2]),
    ("x = [1]\ny = [0]\nz = [1]\nw = sorted([y, x, z])\nw[1].append(2)\nreturn x", [1, 2]),
    ("return len(range(6, 0, -3))", 2), ("return len(range(7, 0, -3))", 3), ("return len(range(0, 6, 3))", 2), ("return len(range(0, 7, 3))", 3),
    ("return len(range(0, 6, -3))", 0), ("return [len(TEXT), len(WORDS), len(TABLE), len(PART), len(MIXED)]", [3, 2, 2, 2, 2]),
    ("return min((3, 1)) + max({1: 2, 5: 6})", 6), ("return zip('ab', b'ab', range(3))", [["a", 97, 0], ["b", 98, 1]]),
    # text methods
    ("return a.startswith(a)", "type"), ("return [1].startswith([1])", "type"), ("return 'abc'.startswith('ab')", True),
    ("return a.endswith(a)", "type"), ("return s.endswith(5)", "type"), ("return s.endswith('x' * 40)", False), ("return s.startswith('x' * 40)", False),
    ("return a.split()", "type"), ("return a.split(',')", "type"), ("return a.join(['x'])", "type"), ("return a.strip()", "type"),
    ("return a.strip('x')", "type"), ("return a.replace('x', 'y')", "type"), ("return a.find('x')", "type"), ("return ' xy '.strip()", "xy"),
    ("return 'a,b,c'.split(',', -1)", ["a", "b", "c"]), ("return 'aaa'.replace('a', 'b', -1)", "bbb"), ("return 'a b c'.split()", ["a", "b", "c"]),
    # lists and dicts
    ("x = (1,)\nx.extend([2])", "type"), ("a.extend([2])", "type"), ("x = [0]\nx.extend([1, 2, 3, 4, 5, 6, 7])\nreturn len(x)", 8),
    ("x = [0]\nx.extend((1, 2, 3, 4, 5, 6, 7, 8, 9))\nreturn len(x)", 10), ("x = [7] * 40\nx.pop()\nreturn len(x)", 39),
    ("x = [7] * 70\nx.pop(3)\nreturn len(x)", 69), ("x = [7] * 40\ndel x[3]\nreturn len(x)", 39), ("x = [7] * 70\ndel x[3]\nreturn len(x)", 69),
    ("x = {1: 2, 3: 4, 5: 6}\nreturn x.items()", [[1, 2], [3, 4], [5, 6]]), ("return {1: 2, 3: 4}.keys() + {1: 2, 3: 4}.values()", [1, 3, 2, 4]),
    # operators
    ("return (1,) + (2, 3)", [1, 2, 3]), ("return (1, 2) * 2", [1, 2, 1, 2]), ("return 2 * (1, 2)", [1, 2, 1, 2]), ("return [1] * 0", []),
    ("return s - 8", "type"), ("return [1] - [1]", "type"), ("return s // a", "type"), ("return a // s", "type"), ("return s % a", "type"),
    ("return a % s", "type"), ("return a << 0", 7), ("return a >> 0", 7), ("return a >> 1", 3), ("return 0 << a", 0), ("return 0 << 2 ** 200", 0),
    ("return [1 ** 300, (-1) ** 301, (-1) ** 300, 0 ** 300, 0 ** 0, 1 ** 0, a ** 0, a ** 1]", [1, -1, 1, 0, 1, 1, 1, 7]),
    ("return [2 ** 254, (-2) ** 255]", [2**254, -(2**255)]), ("return 3 ** 200", "overflow"), ("return (2 ** 200) ** 2", "overflow"),
    ("x = [1][a]\nreturn x", "index"), ("x = a // 0\nreturn x", "division-by-zero"),  # what a block may do is paid before it
    ("return [1 < a < 8, 1 < a < 3, 8 < a < 9, 7 <= a <= 7]", [True, False, False, True]), ("return [0 < 1 < a < 8, 0 < 9 < a < 8]", [True, False]),
    # iteration
    ("x = ''\nfor c in 'abc':\n    x += c\nreturn x", "abc"), ("x = 0\nfor c in b'abc':\n    x += c\nreturn x", 294),
    ("x = 0\nfor c in (1, 2):\n    x += c\nreturn x", 3), ("x = 0\nfor c in {1: 2, 3: 4}:\n    x += c\nreturn x", 4),
    ("x = 0\nfor p, q in ([1, 2], [3, 4], (5, 6)):\n    x += p * q\nreturn x", 44),
    ("x = 0\nfor p, q in [[1, 2], [3, 4], [5, 6]]:\n    x += p * q\nreturn x", 44), ("x = 0\nfor p, q in [(1, 2), (3, 4)]:\n    x += p * q\nreturn x", 14),
    ("x = 0\nfor p, q, r in ([1, 2, 3], [4, 5, 6]):\n    x += p * q + r\nreturn x", 31),
    ("x = ([1, 2], [3, 4])\nz = 0\nfor p, q in x:\n    x[1].append(5)\n    z += p * q\nreturn z", 14),
    ("x = [[1, 2], [3, 4]]\nz = 0\nfor p, q in x:\n    x[1].append(5)\n    z += p * q\nreturn z", 14),
    ("return [p for p, q in ([1, 2], [3, 4])]", [1, 3]), ("return {p: q for p, q in ((1, 2), [3, 4])}[3]", 4),
    ("return [p + q for p in range(3) for q in (1, 2) if p > 1]", [3, 4]), ("return [x for x in 'ab' if x > 'a']", ["b"]),
    # constants: a fresh copy at each use, or none where nobody can tell
    ("MIXED[1].append(3)\nreturn MIXED", [1, [2]]), ("ROWS[0].append(3)\nreturn ROWS", [[1], [2]]), ("PART[1].append(3)\nreturn PART", [1, [2]]),
    ("DEEP['b'].append(3)\nreturn DEEP['b']", [2]), ("DEEP.get('b').append(3)\nreturn DEEP['b']", [2]), ("x = DEEP.values()\nx[1].append(3)\nreturn DEEP['b']", [2]),
    ("for k, x in DEEP.items():\n    if k == 'b':\n        x.append(3)\nreturn DEEP['b']", [2]), ("for x in ROWS:\n    x.append(3)\nreturn ROWS", [[1], [2]]),
    ("for x in MIXED:\n    if x != 1:\n        x.append(3)\nreturn MIXED", [1, [2]]), ("x = WORDS\nx.append('c')\nreturn WORDS", ["a", "b"]),
    ("x = TABLE\nx['c'] = 3\nreturn len(TABLE)", 2), ("return TEXT[0] + TEXT[1:]", "abc"), ("return NUMBER[0]", "type"), ("return NUMBER.keys()", "type"),
    ("return TEXT.get('a')", "type"), ("return [TABLE.get('a'), TABLE.keys(), TABLE.values(), len(TABLE.items())]", [1, ["a", "b"], [1, 2], 2]),
    ("return ['a' in WORDS, 'c' not in TABLE, 'b' in TEXT, [2] in ROWS, 2 in MIXED]", [True, True, True, True, False]), ("return WORDS == ['a', 'b']", True),
    ("return [x for x in WORDS] + [x for x in TABLE] + [c for c in TEXT]", ["a", "b", "a", "b", "a", "b", "c"]), ("return [p * q for p, q in PAIRS]", [2, 12]),
    ("return UNIT", [1, "a"]), ("return UNIT[1] + TEXT", "aabc"), ("return f'{NUMBER}{TEXT}{a}x'", "7abc7x"), ("return f'{s}'", "é"), ("return str(s) + str(a)", "é7"),
    ("return sqrt_down(NUMBER * a)", 7), ("x = Fund(1, 10, 4, 0)\nreturn [compute_part(x, 2), x.value, compute_required(3, 10, 1, 500), WHOLE]", [5, 10, 2, 3]), ("return bit_length(NUMBER, 2) + bit_length(a, 1)", 11), ("a += NUMBER\na -= 1\nreturn a", 13),
    # storage
    ("return [number.get(), text.get(), flag.get(), items.get(), start.get()]", [0, "", False, [], -5]), ("return blob.get()", b""),
    ("return len(book.get())", 0), ("return [owner.get(), pair.get(), lot.get()]", [None, None, None]), ("number.set(3)\nreturn number.get()", 3),
    ("return [pairs[1], pairs.get(2), pairs.get(2, (5, 'b'))]", [[1, "a"], [1, "a"], [5, "b"]]), ("return books[1]['a'] + books[2]['b']", [1]),
    ("x = books[1]\nx['a'].append(2)\nreturn books[1]['a']", [1]),
    ("return [sizes[1], sizes.get(1), sizes.get(1, 4), 1 in sizes]", [3, 3, 4, False]), ("counts['x'] = 1\nreturn ['x' in counts, 'y' in counts]", [True, False]),
    ("x = []\nfor n in range(58, 68):\n    text.set('y' * n)\n    x.append(len(text.get()))\nreturn x[0]", 58),
    ("return sizes.scan(limit=200)", []), ("return counts.scan()", []),
    ("for i in range(9):\n    sizes[i] = i\nfor i in range(6):\n    del sizes[i]\nreturn [k for k, n in sizes.scan(limit=2)]", [6, 7]),
    ("for i in range(9):\n    sizes[i] = i\nfor i in range(6):\n    del sizes[i]\nreturn [k for k, n in sizes.scan(after=3)]", [6, 7, 8]),
    ("counts['a'] = 1\ncounts['ab'] = 2\ncounts['b'] = 3\nreturn [k for k, n in counts.scan('a')]", ["a", "ab"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), ROWS)
def test_a_guard_does_charges_and_allocates_what_the_second_evaluator_says(body, expected):
    check_row(HEADER, body, expected)


def make_meter(gas: int = 10**9) -> Meter:
    meter = Meter(Schedule())
    meter.gas = gas
    return meter


@pytest.mark.parametrize(
    ("left", "right"), [(2**254, 255), (-(2**254), 255), (2**128, 128), (3, 50_000), (2, 1 << 200)]
)
def test_a_power_that_cannot_fit_is_never_computed(left, right):
    code = ""
    tracemalloc.start()
    try:
        OperatorGuards.power(left, right)
    except Fault as fault:
        code = fault.code
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert code == "overflow"
    assert peak < left.bit_length() * right // 8


def delete_by_pop(entries: dict[int, int], key: int) -> None:
    MethodGuards(make_meter()).pop(entries, key)


def delete_item(entries: dict[int, int], key: int) -> None:
    ValueGuards(make_meter()).delete_item(entries, key)


@pytest.mark.parametrize("delete", [delete_by_pop, delete_item])
def test_a_dict_that_loses_most_of_its_entries_gives_their_room_back(delete):
    """Or every later walk would step over them at the price of those that are left."""
    entries = {number: -number for number in range(2_000)}
    full = entries.__sizeof__()
    for number in range(1_990):
        delete(entries, number)
    assert list(entries.items()) == [(number, -number) for number in range(1_990, 2_000)]
    assert entries.__sizeof__() < full // 16


def test_a_scan_steps_over_no_more_deleted_rows_than_there_is_gas_for(monkeypatch):
    asked = []
    scan_counted = Overlay.scan_counted

    def watch(overlay, prefix, after, limit, hidden_max):
        asked.append(hidden_max)
        return scan_counted(overlay, prefix, after, limit, hidden_max)

    monkeypatch.setattr(Overlay, "scan_counted", watch)
    source = HEADER + "    return sizes.scan(limit=1)\n"
    for gas in (20_000, 40_000):
        case = Case((("main", source, []),), ((0, gas, [("main", "f", [7, ""])]),))
        for machine in get_machines():
            _, (status, *_), _ = observe(case, machine)
            assert status == "ok"
    prices = Schedule()
    # What is left for them when the scan and its row are paid, and some 2,000 for the call.
    most = [(gas - prices.scan - prices.scan_row) // prices.scan_hidden for gas in (20_000, 40_000)]
    assert asked[0] == asked[1] and most[0] - 20 < asked[0] < most[0]
    assert asked[2] == asked[3] == asked[0] + 20_000 // prices.scan_hidden
