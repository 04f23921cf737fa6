"""What guards refuse, one by one, and what lies right beside it: verdicts written by hand.

Gas and memory of each come from the second evaluator. The rows are those that mutants of
the guards asked for (``make mutate TARGET=vm``); the corpus has the others.
"""

# ruff: noqa: E501 - a program's text is clearer on one line

import pytest

from tests.fuzz.cases import Case, compare, observe
from tests.unit.vm.guard_rows import GAS, check_row, get_machines

HEADER = """from vm import Map, Var, export
lists = Map[int, list[int]](default=[])
plain = Map[str, int]()
word = Var[str](default="none")
nested = Map[str, dict[str, list[int]]]()
@export
def f(a: int, s: str):
"""


ROWS = [
    # builtins
    ("return sum([1], 2)", 3), ("return sum([1], 'b')", "type"), ("return sum([True])", "type"),
    ("return sum([2 ** 254, 2 ** 254])", "overflow"), ("return sum([2 ** 254], 2 ** 254 - 1)", 2**255 - 1),
    ("return sum([-(2 ** 254), -(2 ** 254)])", -(2**255)), ("return sum([-(2 ** 254), -(2 ** 254), -1])", "overflow"),
    ("return bool([])", False), ("return bool('b')", True), ("return sorted(['b' * 100, 'a'])", ["a", "b" * 100]),
    ("return sorted([])", []), ("return sorted([b'b', b'a' * 40])", [b"a" * 40, b"b"]),
    ("return reversed({1: 2})", "type"), ("return reversed([1, 2])", [2, 1]),
    ("return enumerate([5], 'b')", "type"), ("return enumerate([5], 2)", [[2, 5]]),
    ("return enumerate([5, 6], 2 ** 254 - 2 + 2 ** 254)", "overflow"),
    ("return enumerate([5, 6], 2 ** 254 - 3 + 2 ** 254)", [[2**255 - 3, 5], [2**255 - 2, 6]]),
    ("return dict([5])", "type"), ("return dict([(5, 6, 7)])", "value"), ("return dict(5)", "type"),
    ("return dict([[5, 6]])[5]", 6), ("return len(dict({5: 6}))", 1),
    ("return min([])", "value"), ("return max([[], 1])", "type"),
    ("return max(1, 3, 2)", 3), ("return min(3, 1, 2)", 1), ("return max([a])", 7),
    ("return sorted([1, 'b'])", "type"), ("return sorted([1], reverse=1)", "type"),
    ("return sorted([[2], [1]], reverse=True)", [[2], [1]]), ("return sorted([{1: 2}])", "type"),
    ("return range(1, 2, 0)", "value"), ("return range('b')", "type"),
    ("return len(range(2 ** 31))", 2**31), ("return len(range(2 ** 31 + 1))", "size"),
    ("return len(range(5, -5, -3))", 4), ("return len(range(3, 3))", 0),
    ("return int('-' + '9' * 76)", -(10**76 - 1)), ("return int('9' * 77)", "overflow"), ("return int('9' * 78)", "overflow"),
    ("return int('9' * 79)", "value"), ("return int('')", "value"), ("return int('1\\n')", "value"),
    ("return int([])", "type"), ("return int(False)", 0), ("return abs(True)", "type"),
    ("return abs(-(2 ** 254 - 1 + 2 ** 254))", 2**255 - 1), ("return abs((-2) ** 255)", "overflow"),
    ("return len(5)", "type"), ("return zip([1, 2], [3])", [[1, 3]]), ("return zip([1], 5)", "type"),
    ("return divmod(7, 0)", "division-by-zero"), ("return any([0, 1])", True),
    ("return all([1, 0])", False), ("return str([])", "type"), ("return list(5)", "type"),
    # text methods
    ("return s.find('b', 'c')", "type"), ("return s.find(5)", "type"), ("return 'abab'.find('b', 2)", 3),
    ("return s.split('b', 'c')", "type"), ("return s.split('')", "value"), ("return s.split(5)", "type"),
    ("return 'a,b,c'.split(',', 1)", ["a", "b,c"]), ("return 'a,b'.split(',', -5)", ["a", "b"]),
    ("return 'a,b'.split(',', 2 ** 200)", ["a", "b"]), ("return 'a,b'.split(',', 0)", ["a,b"]),
    ("return s.replace('a', 'b', 'c')", "type"), ("return s.replace('a', 5)", "type"),
    ("return 'aaa'.replace('a', 'b', 2)", "bba"), ("return 'aaa'.replace('a', 'b', -3)", "bbb"),
    ("return 'aaa'.replace('a', 'b', 2 ** 200)", "bbb"), ("return 'aaa'.replace('a', 'b', 0)", "aaa"),
    ("return s.strip()", "value"), ("return s.lower()", "value"), ("return s.upper()", "value"),
    ("return s.isdigit()", "value"), ("return s.isalnum()", "value"), ("return s.split()", "value"),
    ("return s.strip('x')", "\u00e9"), ("return s.strip(5)", "type"), ("return a.lower()", "type"),
    ("return s.encode().hex()", "c3a9"), ("return a.encode()", "type"), ("return a.hex()", "type"),
    ("return s.join(['x', 5])", "type"), ("return s.join('xy')", "type"), ("return s.join(['x', 'y'])", "x\u00e9y"),
    ("return a.startswith('x')", "type"), ("return s.startswith(5)", "type"),
    ("return s.startswith(b'x')", "type"), ("return b'x'.startswith('x')", "type"),
    ("return s.endswith('\\n')", False), ("return b'xy'.startswith(b'x')", True),
    # lists and dicts
    ("x = [1]\nreturn x.pop('b')", "type"), ("x = [1]\nreturn x.pop(2 ** 70)", "index"),
    ("x = [1]\nreturn x.pop(0, 5)", "type"), ("x = []\nreturn x.pop()", "index"),
    ("return a.pop()", "type"), ("x = {1: 2}\nreturn x.pop()", "type"), ("x = {1: 2}\nreturn x.pop(3)", "key"),
    ("x = {1: 2}\nreturn x.pop(3, 4)", 4), ("x = {1: 2}\nreturn x.pop(1, 4)", 2),
    ("return a.keys()", "type"), ("return a.values()", "type"), ("return a.items()", "type"),
    ("return a.get(1)", "type"), ("return {1: 2}.get(3)", None), ("return {1: 2}.get([])", "type"),
    ("a.append(1)", "type"), ("x = (1,)\nx.append(1)", "type"), ("x = [1]\nx.extend('b')", "type"),
    ("x = [1]\nx.extend((2,))\nreturn x", [1, 2]), ("x = [1]\nx.extend({1: 2})", "type"),
    # operators
    ("return 2 ** 'b'", "type"), ("return 'b' ** 2", "type"), ("return a ** -1", "value"),
    ("return 1 << 'b'", "type"), ("return 'b' << 1", "type"), ("return 1 << -1", "value"),
    ("return 1 << 255", "overflow"), ("return -1 << 255", -(2**255)), ("return 1 << 256", "overflow"),
    ("return 1 >> 'b'", "type"), ("return 'b' >> 1", "type"), ("return 1 >> -1", "value"),
    ("return -9 >> 255", -1), ("return -9 >> 256", -1), ("return 9 >> 256", 0),
    ("return 2 ** 254 + 2 ** 254", "overflow"), ("return a + 'b'", "type"), ("return a + True", "type"),
    ("return {} + {}", "type"), ("return None + None", "type"), ("return [1] + (2,)", "type"),
    ("return 2 ** 254 * 2", "overflow"), ("return a * None", "type"), ("return 2 * 'ab'", "abab"),
    ("return -1 * 'ab'", ""), ("return {} * 2", "type"), ("return 'a' * 'b'", "type"), ("return True * 2", "type"),
    ("return 2 ** 254 - -(2 ** 254)", "overflow"), ("return (-2) ** 255 // -1", "overflow"),
    ("return -(-2) ** 255", "overflow"), ("x = (-2) ** 255\nreturn -x", "overflow"), ("return -True", "type"),
    ("return ~True", "type"), ("return True & True", "type"), ("return 1 | True", "type"), ("return 'a' ^ 1", "type"),
    ("return 5 // 0", "division-by-zero"), ("return 5 % 0", "division-by-zero"), ("return 5 % 'b'", "type"),
    ("return 'b' % 5", "type"), ("return 'b' // 5", "type"), ("return a - 'b'", "type"),
    ("return 3 ** 161", 3**161) if 3**161 < 2**255 else ("return 3 ** 160", 3**160),
    ("return 2 ** 255", "overflow"), ("return 2 ** 256", "overflow"), ("return (-2) ** 256", "overflow"),
    # the same where nobody knows beforehand that an operand is an integer
    ("return a % 0", "division-by-zero"), ("return a // 0", "division-by-zero"), ("return a % 4", 3), ("return a // 2", 3),
    ("return a - 8", -1), ("return a * 3", 21), ("return a + 1", 8), ("a += 1\nreturn a", 8), ("a -= 8\nreturn a", -1),
    ("x = [(-2) ** 255]\nreturn x[0] // -1", "overflow"), ("x = [(-2) ** 255]\nreturn x[0] - 1", "overflow"),
    ("x = [(-2) ** 255]\nreturn x[0] + 1 - 1", -(2**255)), ("x = [(-2) ** 255]\nreturn x[0] * 2", "overflow"),
    ("return a < 7", False), ("return a <= 7", True), ("return a > 7", False), ("return a >= 7", True), ("return a == 7", True),
    # comparison
    ("return True == True", True), ("return True == False", False), ("return None == None", True), ("return [True] == [True]", True),
    ("return 'a' <= 'a'", True), ("return 'a' <= 'A'", False), ("return 'a' > 'a'", False),
    ("return 'b' > 'a'", True), ("return 'a' >= 'b'", False), ("return 'a' >= 'a'", True),
    ("return 'a' < 'a'", False), ("return 'a' < 'b'", True), ("return (1, 2) > (1, 2)", False),
    ("return [1] > []", True), ("return [] < [1]", True), ("return [2] < [1, 5]", False),
    ("return 'a' < 1", "type"), ("return None < None", "type"), ("return {} < {}", "type"),
    ("return True < False", "type"), ("return 1 == True", False), ("return 'a' == b'a'", False),
    ("return [1] == [True]", False), ("return [1, 2] == [1]", False), ("return {1: 2} == {1: 3}", False),
    ("return {1: 2} == {2: 2}", False), ("return {1: 2} != {1: 2}", False), ("return (1,) == [1]", False),
    ("return range(3) == range(3)", "type"), ("return a != 'b'", True), ("return 'b' != 'b'", False),
    ("x = [1]\nfor i in range(31):\n    x = [x]\nreturn x < x", False),
    ("x = [1]\nfor i in range(32):\n    x = [x]\nreturn x < x", "depth"),
    ("x = [1]\nfor i in range(31):\n    x = [x]\nreturn x == x", True),
    ("x = [1]\nfor i in range(32):\n    x = [x]\nreturn x == x", "depth"),
    ("return 5 in 5", "type"), ("return 5 in 'b'", "type"), ("return 'b' in b'b'", "type"),
    ("return True in range(3)", False), ("return 1 in [True, 1]", True), ("return [] in {1: 2}", "type"),
    ("return 2 ** 60 in {1: 2}", "key"), ("return 2 ** 60 - 1 in {1: 2}", False), ("return -2 ** 60 in {1: 2}", "key"),
    ("return b'b' in b'ab'", True), ("return b'c' in b'ab'", False), ("return 7 % 4", 3), ("return -7 // 2", -4),
    ("return (1, 2, 3)[1:]", [2, 3]), ("return b'abc'[1:]", b"bc"), ("return s[1:]", ""), ("return s[:1]", "\u00e9"),
    ("return 5 not in [5]", False), ("return 'x' not in 'yz'", True),
    # subscripts and displays
    ("x = (1, 2)\nx[0] = 5", "type"), ("x = [1]\nx['b'] = 5", "type"), ("x = [1]\nx[True] = 5", "type"),
    ("x = [1]\nx[1] = 5", "index"), ("x = [1]\nx[-1] = 5\nreturn x", [5]), ("x = {}\nx[[]] = 5", "type"),
    ("x = 5\ndel x[0]", "type"), ("x = [1]\ndel x['b']", "type"), ("x = [1]\ndel x[1]", "index"),
    ("x = {1: 2}\ndel x[3]", "key"), ("x = [1, 2]\ndel x[-1]\nreturn x", [1]),
    ("return a[0]", "type"), ("return [1]['b']", "type"), ("return [1][True]", "type"), ("return [1][1]", "index"),
    ("return {1: 2}[3]", "key"), ("return range(3)[3]", "index"), ("return range(3)[-1]", 2),
    ("return a[1:]", "type"), ("return [1]['b':]", "type"), ("return [1, 2, 3][-2:2 ** 70]", [2, 3]),
    ("return range(3)[1:]", "type"), ("return 'abc'[2:1]", ""), ("return [1, 2, 3][True:]", "type"),
    ("x, y = 5", "type"), ("x, y = [1]", "value"), ("x, y = 'ab'", "type"), ("x, y = [1, 2]\nreturn y", 2),
    ("for x, y in [[1]]:\n    pass", "value"), ("for x, y in ['ab']:\n    pass", "type"),
    ("for x in 5:\n    pass", "type"), ("for x, y in [(1, 2)]:\n    return y", 2),
    ("return {[]: 1}", "type"), ("return {a: 1, 7: 2}[7]", 2), ("return len({b'a': 1, 'a': 2})", 2),
    ("z = 'a' * 8380000\nfor i in range(20):\n    x = [a, a, a, a, a, a, a, a]", "memory"),
    ("z = 'a' * 8380000\nx = {}\nfor i in range(60):\n    x[i] = i", "memory"),
    ("z = 'a' * 8380000\nx = {}\nfor i in range(60):\n    x[1] = i\nreturn x[1]", 59),
    ("z = 'a' * 8380000\nx = []\nfor i in range(140):\n    x.append(a)", "memory"),
    ("z = 'a' * 8380000\nx = []\nfor i in range(120):\n    x.append(a)\nreturn len(x)", 120),
    # storage
    ("return plain['x']", "key"), ("plain['x'] = 5\nreturn plain['x']", 5), ("del plain['x']", "key"),
    ("plain['x'] = 5\ndel plain['x']\nreturn 'x' in plain", False), ("plain['x'] = 'b'", "type"),
    ("plain['x'] = True", "type"), ("return plain[5]", "type"), ("return plain['n' * 255]", "key"), ("return plain['n' * 256]", "size"),
    ("return plain.get('x')", None), ("return plain.get('x', 9)", 9), ("plain['x'] = 5\nreturn plain.get('x', 9)", 5),
    ("return lists[1]", []), ("return lists.get(1)", []), ("return lists.get(1, [2])", [2]),
    ("lists[1] = [5] * 40\nreturn len(lists[1])", 40), ("lists[1] = ['b']", "type"),
    ("lists[1] = [300] * 5460\nreturn len(lists[1])", 5460), ("lists[1] = [300] * 5461", "size"),
    ("return word.get()", "none"), ("return word.get('x')", "x"), ("word.set('y')\nreturn word.get('x')", "y"),
    ("word.set(5)", "type"), ("word.set('y' * 16381)\nreturn len(word.get())", 16381), ("word.set('y' * 16382)", "size"),
    ("nested['x'] = {'y': [1, 2]}\nreturn nested['x']['y'][1]", 2), ("nested['x'] = {'y': 5}", "type"),
    ("return lists.scan(limit=201)", "size"), ("return lists.scan(limit=-1)", "size"), ("return lists.scan(limit=True)", "type"),
    ("lists[1] = [5]\nlists[0] = [6]\nreturn lists.scan()", [[0, [6]], [1, [5]]]),
    ("lists[1] = [5]\nlists[0] = [6]\nreturn lists.scan(limit=1)", [[0, [6]]]),
    ("lists[1] = [5]\nlists[0] = [6]\nreturn lists.scan(after=0)", [[1, [5]]]), ("return lists.scan(limit=0)", []),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), ROWS)
def test_a_guard_refuses_what_it_must_and_nothing_beside_it(body, expected):
    check_row(HEADER, body, expected)


WRITES = ("plain['x'] = 5", "del lists[1]", "word.set('x')", "lists[1] = [5]")


@pytest.mark.parametrize("line", WRITES)
def test_nothing_is_written_below_a_view(line):
    head = HEADER.replace("export\nlists", "export, view\nlists")
    source = head + f"    lists[1] = [2]\n@view\ndef g():\n    {line}\n"
    calls = [("main", "f", [7, "b"])], [("main", "g", [])]
    case = Case((("main", source, []),), tuple((0, GAS, call) for call in calls))
    for machine in get_machines():
        _, written, refused, state = observe(case, machine)
        assert (written[0], refused[:2]) == ("ok", ("fault", "read-only"))
        assert [key for key, _ in state] == [b"main\0lists\0" + (2**255 + 1).to_bytes(32, "big")]
        assert compare(case, machine) is None
