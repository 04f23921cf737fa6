"""Every construct the language allows, run: value, revert or fault, never anything else."""

import pytest

from vm.authoring import Bench, parse_call, run_contract
from vm.outcome import FAULT_CODES

HEADER = '''"""Doc."""
from vm import Var, Map, record, event, export, view, init, ctx, require, revert, emit, replace
from vm import mul_div, mul_div_up, parse_fixed, format_fixed, sha256, verify_ed25519, call, Address

SCALE = 1000
NAMES = ["a", "b", "c"]
TABLE = {"x": 1, "y": 2}
NESTED = {"x": [1, 2]}
PAIR = (1, "one")
LOW = -5
FLAG = True
RAW = b"ab"

@record
class Lot:
    """A lot."""
    owner: Address
    start: int
    tags: list[str]

@event
class Moved:
    """A move."""
    to: Address
    amount: int

counts = Map[str, int](default=0)
lots = Map[tuple[str, int], Lot]()
lists = Map[int, list[int]](default=[])
blobs = Map[bytes, dict[str, int]]()
owners = Map[Address, bool]()
total = Var[int]()
text = Var[str](default="none")
admin = Var[Address]()
rows = Var[list[tuple[int, str]]]()

def helper(n: int) -> int:
    return n * 2

def nothing() -> None:
    pass

@export
def f(a: int) -> int:
'''

VALUES = [
    # arithmetic: floors as Python's, checked at 256 bits
    ("return a + 2 - 3 * 4", -3),
    ("return -7 // 2", -4),
    ("return -7 % 3", 2),
    ("return 7 // -2", -4),
    ("return 2 ** 10", 1024),
    ("return 2 ** 254", str(2**254)),
    ("return (-2) ** 255", str(-(2**255))),
    ("return (-1) ** 1000001", -1),
    ("return 0 ** 0", 1),
    ("return 0 ** (2 ** 200)", 0),
    ("return 1 << 254", str(2**254)),
    ("return 0 << (2 ** 200)", 0),
    ("return -1 >> (2 ** 200)", -1),
    ("return 6 & 3 | 8 ^ 1", 11),
    ("return ~5", -6),
    ("return -a", -7),
    ("return abs(-5)", 5),
    ("return 0xff + 1_000", 1255),
    ("return -57896044618658097711785492504343953926634992332820282019728792003956564819968",
     str(-(2**255))),
    ("return divmod(-7, 2)", [-4, 1]),
    ("return mul_div(2 ** 200, 2 ** 200, 2 ** 200)", str(2**200)),
    ("return mul_div(-7, 1, 2)", -4),
    ("return mul_div_up(7, 1, 2)", 4),
    ("return mul_div_up(-7, 1, 2)", -3),
    ("return parse_fixed('1.25', 3)", 1250),
    ("return parse_fixed('-0.5', 1)", -5),
    ("return format_fixed(1250, 3)", "1.250"),
    ("return format_fixed(-5, 2)", "-0.05"),
    ("return format_fixed(5, 0)", "5"),
    # comparison and logic: exact types
    ("return 1 == True", False),
    ("return 'a' < 'b'", True),
    ("return (1, 'b') < (1, 'c')", True),
    ("return [1, 2] == [1, 2] and [1] != [2]", True),
    ("return {'a': [1]} == {'a': [1]}", True),
    ("return [1] == [True]", False),
    ("return 1 < a < 10", True),
    ("return 1 < a < 5", False),
    ("return None is None", True),
    ("return a is None", False),
    ("return a is not None", True),
    ("return not a", False),
    ("return 0 or 'x'", "x"),
    ("return [] and 1", []),
    ("return 1 if a > 5 else 2", 1),
    ("return 2 in [1, 2]", True),
    ("return 'b' in 'abc'", True),
    ("return 'x' in TABLE", True),
    ("return 3 not in (1, 2)", True),
    ("return 1 in [True]", False),
    ("return 4 in range(0, 10, 2)", True),
    ("return ctx.sender == Address(sha256('sender'.encode()))", True),
    ("return b'a' == 'a'", False),
    # names, constants
    ("return SCALE", 1000),
    ("return LOW", -5),
    ("return FLAG", True),
    ("return RAW", "0x6162"),
    ("return PAIR[1]", "one"),
    ("NAMES.append('d')\n    return len(NAMES)", 3),
    ("x = NAMES\n    x.append('d')\n    return len(x)", 4),
    ("return NAMES[1]", "b"),
    ("return TABLE['y']", 2),
    ("return TABLE.get('z', 9)", 9),
    ("return NESTED['x']", [1, 2]),
    ("NESTED['x'].append(3)\n    return NESTED['x']", [1, 2]),
    ("return [n for n in NAMES]", ["a", "b", "c"]),
    ("helper = 3\n    return helper", 3),
    ("return helper(a)", 14),
    ("return nothing()", None),
    # statements
    ("x, y = 1, 2\n    x, y = y, x\n    return [x, y]", [2, 1]),
    ("x, y = [1, 2]\n    return x + y", 3),
    ("x: int = 5\n    return x", 5),
    ("x = [1, 2, 3]\n    x[0] += 5\n    x[-1] = 9\n    del x[1]\n    return x", [6, 9]),
    ("x = {'a': 1}\n    x['b'] = 2\n    x['a'] *= 5\n    del x['b']\n    return x['a']", 5),
    ("x = [1]\n    y = x\n    y += [2]\n    return x", [1, 2]),
    ("x = 5\n    x -= 1\n    x *= 3\n    x //= 2\n    x %= 4\n    x **= 3\n"
     "    x <<= 2\n    x >>= 1\n"
     "    x |= 1\n    x &= 7\n    x ^= 2\n    return x", 3),
    ("x = 0\n    for i in range(5):\n        if i == 3:\n            break\n"
     "        x += i\n    return x", 3),
    ("x = 0\n    for i in [1, 2, 3]:\n        if i == 2:\n            continue\n"
     "        x += i\n    return x", 4),
    ("x = 0\n    while x < 10:\n        x += 3\n    return x", 12),
    ("for i in []:\n        pass\n    else:\n        return 1\n    return 2", 1),
    ("x = 0\n    for k, n in {'a': 1, 'b': 2}.items():\n        x += n\n    return x", 3),
    ("x = [1, 2, 3]\n    for i in x:\n        x.append(i)\n    return len(x)", 6),
    ("x = 0\n    for c in 'abc':\n        x += len(c)\n    return x", 3),
    ("x = 0\n    for c in b'ab':\n        x += c\n    return x", 195),
    ("if a == 1:\n        return 1\n    elif a == 7:\n        return 2\n    else:\n"
     "        return 3", 2),
    ("pass", None),
    ("return", None),
    ("'''doc'''\n    return 1", 1),
    # containers
    ("return [1, 2, 3][1:]", [2, 3]),
    ("return 'hello'[-3:-1]", "ll"),
    ("return b'hello'[:2]", "0x6865"),
    ("return (1, 2, 3)[:2]", [1, 2]),
    ("return [1, 2][0:2 ** 200]", [1, 2]),
    ("return [x * 2 for x in range(5) if x % 2]", [2, 6]),
    ("return [x + y for x in [1, 2] for y in [10, 20]]", [11, 21, 12, 22]),
    ("return [x + y for x, y in zip([1, 2], [3, 4])]", [4, 6]),
    ("return {n: len(n) for n in NAMES}['a']", 1),
    ("return {n: m for n, m in TABLE.items()}['y']", 2),
    ("return [i for i, n in enumerate(NAMES, 5)]", [5, 6, 7]),
    ("return [[i for i in range(n)] for n in range(3)]", [[], [0], [0, 1]]),
    ("x = [3, 1, 2]\n    return sorted(x) + sorted(x, reverse=True) + reversed(x)",
     [1, 2, 3, 3, 2, 1, 2, 1, 3]),
    ("return sorted([(2, 'a'), (1, 'b'), (1, 'a')])", [[1, "a"], [1, "b"], [2, "a"]]),
    ("return sorted(['b', 'a'])", ["a", "b"]),
    ("return min(3, 1, 2) + max([4, 5])", 6),
    ("return min('b', 'a')", "a"),
    ("return sum([1, 2]) + sum([1], 10)", 14),
    ("return any([0, 1]) and all([1, 1])", True),
    ("return len(range(10)) + len('abc') + len(b'a') + len({'a': 1}) + len((1, 2))", 17),
    ("return list(range(3)) + list('ab') + list({'k': 1})", [0, 1, 2, "a", "b", "k"]),
    ("return tuple([1, 2])", [1, 2]),
    ("return dict([('a', 1)])['a'] + dict({'b': 2})['b'] + len(dict())", 3),
    ("return range(10, 0, -3)[1]", 7),
    ("x = [1, 2, 3]\n    x.extend([4])\n    x.pop()\n    x.pop(0)\n    return x", [2, 3]),
    ("x = {'a': 1, 'b': 2}\n    x.pop('a')\n"
     "    return x.pop('z', 5) + len(x.keys()) + sum(x.values())", 8),
    ("return {'b': 1, 'a': 2}.keys()", ["b", "a"]),
    ("return {ctx.sender: 1}[ctx.sender]", 1),
    ("return {1: 2, b'k': 3, 'k': 4}[b'k']", 3),
    # text
    ("return 'a,b,c'.split(',')", ["a", "b", "c"]),
    ("return 'a b'.split()", ["a", "b"]),
    ("return '-'.join(['a', 'b'])", "a-b"),
    ("return ' x '.strip() + 'xxyx'.strip('x')", "xy"),
    ("return 'aXb'.lower() + 'aXb'.upper()", "axbAXB"),
    ("return 'abcabc'.find('c') + 'abcabc'.find('c', 3) + 'a'.find('z')", 6),
    ("return 'aab'.replace('a', 'c') + 'aab'.replace('a', 'c', 1)", "ccbcab"),
    ("return 'abc'.startswith('ab') and 'abc'.endswith('bc') and b'abc'.startswith(b'a')", True),
    ("return '12'.isdigit() and not '1a'.isdigit() and '1a'.isalnum()", True),
    ("return 'ab'.encode().hex()", "6162"),
    ("x = 5\n    y = 'z'\n    return f'a{x}b{y}{{}}\\n'", "a5bz{}\n"),
    ("return f'{ctx.height}'", "1"),
    ("return f'{FLAG}{SCALE}'", "True1000"),
    ("return 'it\\'s' + \"\\\"\" + '\\\\'", "it's\"\\"),
    ("return 'ab' * 3", "ababab"),
    ("return int('-12') + int('007') + int(True)", -4),
    ("return str(12) + str(True) + str('x')", "12Truex"),
    ("return str(Address('0x' + '11' * 32))", "0x" + "11" * 32),
    ("return bool([]) or bool('a')", True),
    # storage
    ("counts['a'] = 5\n    counts['a'] += 2\n    return counts['a'] + counts['b']", 7),
    ("counts['a'] = 5\n    del counts['a']\n    return 'a' in counts", False),
    ("counts['a'] = 0\n    return 'a' in counts and 'b' not in counts", True),
    ("return counts.get('z') + counts.get('z', 4)", 4),
    ("return blobs.get(b'z')", None),
    ("total.set(5)\n    total.set(total.get() + 1)\n    return total.get()", 6),
    ("return total.get()", 0),
    ("return text.get()", "none"),
    ("return admin.get() is None", True),
    ("admin.set(ctx.sender)\n    return admin.get() == ctx.sender", True),
    ("lots['x', 1] = Lot(ctx.sender, 5, ['t'])\n    return lots['x', 1].start", 5),
    ("x = Lot(owner=ctx.sender, start=1, tags=[])\n    y = replace(x, start=9)\n"
     "    return [x.start, y.start]", [1, 9]),
    ("x = Lot(ctx.sender, start=1, tags=['a'])\n    return x == replace(x, start=1)", True),
    ("lots['a', 2] = Lot(ctx.sender, 2, [])\n    lots['a', 1] = Lot(ctx.sender, 1, [])\n"
     "    lots['b', 0] = Lot(ctx.sender, 3, [])\n"
      "    return [x.start for k, x in lots.scan('a')]", [1, 2]),
    ("for i in range(5):\n        lists[i - 2] = [i]\n    x = lists.scan(limit=2)\n"
     "    k, n = x[-1]\n"
     "    return [q for q, w in x] + [q for q, w in lists.scan(after=k, limit=2)]", [-2, -1, 0, 1]),
    ("counts['ab'] = 1\n    counts['b'] = 2\n    counts['a'] = 3\n"
     "    return [k for k, n in counts.scan('a')]",
     ["a", "ab"]),
    ("x = lists[1]\n    x.append(3)\n    return len(lists[1])", 0),
    ("x = [1]\n    lists[1] = x\n    x.append(2)\n    return lists[1]", [1]),
    ("rows.set([(1, 'a'), (2, 'b')])\n    return [n for i, n in rows.get()]", ["a", "b"]),
    ("blobs[b'\\n'] = {'k': 2 ** 200}\n    return blobs[b'\\n']['k']", str(2**200)),
    # context and SDK
    ("return [ctx.height, ctx.time]", [1, 0]),
    ("return len(ctx.tx) + len(ctx.sender.hex())", 96),
    ("return ctx.contract != ctx.sender", True),
    ("return sha256(b'').hex()",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("return verify_ed25519(ctx.sender, b'm', b's')", False),
    ("return Address(ctx.sender) == ctx.sender", True),
    ("require(a == 7, 'no')\n    require(True)\n    return 1", 1),
]  # fmt: skip

FAILURES = [
    ("return 2 ** 255", "fault", "overflow"),
    ("return 2 ** 254 * 2", "fault", "overflow"),
    ("return -(-2 ** 255)", "fault", "overflow"),
    ("return abs((-2) ** 255)", "fault", "overflow"),
    ("return 2 ** (2 ** 200)", "fault", "overflow"),
    ("return (2 ** 200) ** 2", "fault", "overflow"),
    ("return 1 << 255", "fault", "overflow"),
    ("return 1 << (2 ** 200)", "fault", "overflow"),
    ("return ((-2) ** 255) // -1", "fault", "overflow"),
    ("return sum([2 ** 254, 2 ** 254])", "fault", "overflow"),
    ("return mul_div(2 ** 254, 4, 1)", "fault", "overflow"),
    ("return int('9' * 78)", "fault", "overflow"),
    ("return 2 ** -1", "fault", "value"),
    ("return 1 << -1", "fault", "value"),
    ("return 1 >> -1", "fault", "value"),
    ("return 1 // 0", "fault", "division-by-zero"),
    ("return 1 % 0", "fault", "division-by-zero"),
    ("return divmod(1, 0)", "fault", "division-by-zero"),
    ("return mul_div(1, 1, 0)", "fault", "division-by-zero"),
    ("x = 1\n    x //= 0\n    return x", "fault", "division-by-zero"),
    ("return 1 + True", "fault", "type"),
    ("return True + True", "fault", "type"),
    ("return -True", "fault", "type"),
    ("return ~False", "fault", "type"),
    ("return True < False", "fault", "type"),
    ("return 1 + 'a'", "fault", "type"),
    ("return 'a' + b'a'", "fault", "type"),
    ("return 'a' % 1", "fault", "type"),
    ("return [1] * [2]", "fault", "type"),
    ("return 'a' < 1", "fault", "type"),
    ("return None < None", "fault", "type"),
    ("return 1 in 'a'", "fault", "type"),
    ("return 1 in 5", "fault", "type"),
    ("return [] in {}", "fault", "type"),
    ("return True in {}", "fault", "type"),
    ("return ctx.sender + b'a'", "fault", "type"),
    ("return ctx.sender[0]", "fault", "type"),
    ("return a[0]", "fault", "type"),
    ("return [1]['a']", "fault", "type"),
    ("return [1][True]", "fault", "type"),
    ("return [1, 2]['a':]", "fault", "type"),
    ("return a.start", "fault", "type"),
    ("return [1].start", "fault", "type"),
    ("x = (1, 2)\n    x[0] = 1\n    return 1", "fault", "type"),
    ("x = 'ab'\n    x[0] = 'c'\n    return 1", "fault", "type"),
    ("return a.append(1)", "fault", "type"),
    ("return [1].get(1)", "fault", "type"),
    ("return {}.append(1)", "fault", "type"),
    ("return {'a': 1}.pop()", "fault", "type"),
    ("return [1, 2].pop(0, 1)", "fault", "type"),
    ("return ','.join([1])", "fault", "type"),
    ("return 'a'.find(1)", "fault", "type"),
    ("return 'a'.startswith(b'a')", "fault", "type"),
    ("return 5 .hex()", None, None),
    ("return len(5)", "fault", "type"),
    ("return int(b'1')", "fault", "type"),
    ("return int(None)", "fault", "type"),
    ("return str([1])", "fault", "type"),
    ("return str(b'a')", "fault", "type"),
    ("x = [1]\n    return f'{x}'", "fault", "type"),
    ("return sum(['a'])", "fault", "type"),
    ("return sum([True])", "fault", "type"),
    ("return sorted([1, 'a'])", "fault", "type"),
    ("return sorted([1, True])", "fault", "type"),
    ("return sorted([None])", "fault", "type"),
    ("return sorted([{}, {}])", "fault", "type"),
    ("return sorted([1], reverse=1)", "fault", "type"),
    ("return min([1, 'a'])", "fault", "type"),
    ("return min(5)", "fault", "type"),
    ("return range('a')", "fault", "type"),
    ("return range(3)", "fault", "type"),
    ("return range(3) == range(3)", "fault", "type"),
    ("return [range(3)]", "fault", "type"),
    ("for i in 5:\n        pass", "fault", "type"),
    ("for i, j in [1, 2]:\n        pass", "fault", "type"),
    ("for i, j in range(3):\n        pass", "fault", "type"),
    ("for i, j in 'ab':\n        pass", "fault", "type"),
    ("x, y = 5\n    return 1", "fault", "type"),
    ("x, y = 'ab'\n    return 1", "fault", "type"),
    ("x, y = [1, 2, 3]\n    return 1", "fault", "value"),
    ("x, y = 1, 2, 3\n    return 1", "fault", "value"),
    ("for i, j in [(1, 2, 3)]:\n        pass", "fault", "value"),
    ("return [i for i, j in [(1, 2), (3,)]]", "fault", "value"),
    ("counts[1] = 1", "fault", "type"),
    ("counts['a'] = 'a'", "fault", "type"),
    ("counts['a'] = True", "fault", "type"),
    ("counts['a'] = None", "fault", "type"),
    ("total.set('a')", "fault", "type"),
    ("lots['a'] = 1", "fault", "type"),
    ("lots['a', 'b'] = Lot(ctx.sender, 1, [])", "fault", "type"),
    ("lists[1] = ['a']", "fault", "type"),
    ("owners[b'a'] = True", "fault", "type"),
    ("return Lot(b'a', 1, [])", "fault", "type"),
    ("return Lot(ctx.sender, 1, [1])", "fault", "type"),
    ("return replace(a, start=1)", "fault", "type"),
    ("return replace(Lot(ctx.sender, 1, []), amount=1)", "fault", "type"),
    ("emit(a)", "fault", "type"),
    ("emit(Lot(ctx.sender, 1, []))", "fault", "type"),
    ("return Moved(ctx.sender, 'x')", "fault", "type"),
    ("return sha256('a')", "fault", "type"),
    ("return call(5, 'x')", "fault", "type"),
    ("return Address(5)", "fault", "type"),
    ("require(False, 5)", "fault", "type"),
    ("return [1, 2][2]", "fault", "index"),
    ("return [1, 2][-3]", "fault", "index"),
    ("return [1][2 ** 200]", "fault", "index"),
    ("return ''[0]", "fault", "index"),
    ("return [].pop()", "fault", "index"),
    ("return range(3)[5]", "fault", "index"),
    ("x = [1]\n    x[5] = 1", "fault", "index"),
    ("x = [1]\n    del x[5]", "fault", "index"),
    ("return {}['a']", "fault", "key"),
    ("del {}['a']", "fault", "key"),
    ("return {}.pop('a')", "fault", "key"),
    ("return {2 ** 60: 1}", "fault", "key"),
    ("return {-2 ** 60: 1}", "fault", "key"),
    ("return {(1, 2): 1}", "fault", "type"),
    ("return {True: 1}", "fault", "type"),
    ("return {None: 1}", "fault", "type"),
    ("return {[1]: 1 for x in [1]}", "fault", "type"),
    ("return {x: 1 for x in [[1]]}", "fault", "type"),
    ("return lots['a', 1]", "fault", "key"),
    ("return blobs[b'a']", "fault", "key"),
    ("del counts['a']", "fault", "key"),
    ("return int('')", "fault", "value"),
    ("return int('1.5')", "fault", "value"),
    ("return int(' 1')", "fault", "value"),
    ("return int('1_0')", "fault", "value"),
    ("return int('+1')", "fault", "value"),
    ("return int('1\\n')", "fault", "value"),
    ("return int('0x1')", "fault", "value"),
    ("return int('9' * 79)", "fault", "value"),
    ("return min([])", "fault", "value"),
    ("return 'a'.split('')", "fault", "value"),
    ("return range(1, 5, 0)", "fault", "value"),
    ("return parse_fixed('1.2345', 3)", "fault", "value"),
    ("return parse_fixed('1e3', 3)", "fault", "value"),
    ("return parse_fixed('1.', 3)", "fault", "value"),
    ("return format_fixed(1, 99)", "fault", "value"),
    ("return Address(b'a')", "fault", "value"),
    ("return Address('0x12')", "fault", "value"),
    ("if a == 0:\n        x = 1\n    return x", "fault", "value"),
    ("return dict([(1, 2, 3)])", "fault", "value"),
    ("return len(range(2 ** 31 + 1))", "fault", "size"),
    ("return range(2 ** 200)", "fault", "size"),
    ("return counts.scan(limit=201)", "fault", "size"),
    ("return counts.scan(limit=-1)", "fault", "size"),
    ("counts['a' * 257] = 1", "fault", "size"),
    ("text.set('a' * 16385)", "fault", "size"),
    ("revert('a' * 65)", "fault", "size"),
    ("return 'a' * 70000", "fault", "size"),
    ("return 'a' * (2 ** 40)", "out-of-gas", "out-of-gas"),
    ("return 'a' * (9 * 1024 * 1024)", "fault", "memory"),
    ("return [0] * 1000000", "fault", "memory"),
    ("return list(range(1000000))", "out-of-gas", "out-of-gas"),
    ("x = []\n    x.append(x)\n    return x == [x]", "fault", "depth"),
    ("x = []\n    x.append(x)\n    return x", "fault", "type"),
    ("x = [1]\n    for i in range(40):\n        x = [x]\n    return x == [x]", "fault", "depth"),
    ("return call('nobody', 'f')", "fault", "no-method"),
    ("return call('main', 'f', 1)", "fault", "reentrancy"),
    ("require(a == 0, 'not-zero')", "reverted", "not-zero"),
    ("require(False)", "reverted", "require"),
    ("revert('mine')", "reverted", "mine"),
    ("revert()", "reverted", "revert"),
    ("while True:\n        pass", "out-of-gas", "out-of-gas"),
    ("for i in range(2 ** 31):\n        pass", "out-of-gas", "out-of-gas"),
    ("return [i for i in range(2 ** 31)]", "out-of-gas", "out-of-gas"),
    ("return sum(range(2 ** 31))", "out-of-gas", "out-of-gas"),
    ("return enumerate(range(2 ** 31))", "out-of-gas", "out-of-gas"),
    ("x = 'a'\n    while True:\n        x += x", None, None),
    ("x = [1]\n    while True:\n        x += x", None, None),
    ("x = [1]\n    while True:\n        x = [x, x]", None, None),
    ("x = [1]\n    while True:\n        x.append(x)", None, None),
    ("x = {}\n    while True:\n        x[str(len(x))] = 'a' * 1000", None, None),
    ("x = 3\n    while True:\n        x = x * x % (2 ** 127 - 1)", "out-of-gas", "out-of-gas"),
    ("while True:\n        counts[str(a)] = a\n        a += 1", "out-of-gas", "out-of-gas"),
    ("while True:\n        emit(Moved(ctx.sender, a))", "out-of-gas", "out-of-gas"),
    ("x = ['a' * 1000] * 1000\n    return ''.join(x).find('b' * 500)", "out-of-gas", "out-of-gas"),
    ("x = [[[[[[[[[1]]]]]]]]]\n    return x", "fault", "depth"),
]  # fmt: skip


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
