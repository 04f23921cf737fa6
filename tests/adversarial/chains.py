"""The adversarial corpus, part five: contracts that call each other.

A row is (verdict, body of main's ``f``, gas). ``lib`` and ``deep0`` to ``deep9`` are deployed
beside main; LIB says what lib does. The verdict is as in tests/adversarial/programs.py.
"""

# ruff: noqa: E501 - a program's text is clearer on one line

HEAD = """from vm import Var, Map, record, event, export, view, init, ctx, require, revert, emit, call
from vm import Address, replace
@record
class Lot:
    owner: Address
    start: int
    tags: list[str]
@event
class Moved:
    to: Address
    amount: int
counts = Map[str, int](default=0)
held = Var[list[int]](default=[1, 2])
"""
MAIN = (
    HEAD
    + "@export\ndef back(n: int) -> int:\n    counts['back'] += n\n    return counts['back']\n@export\ndef f(a: int):\n"
)
LIB = (
    HEAD
    + """@record
class Own:
    n: int
    s: str
ITEMS = [1, 2]
@export
def who() -> Address:
    return ctx.sender
@export
def append(x: list[int]) -> list[int]:
    x.append(9)
    return x
@export
def twice(x: list[list[int]]) -> list[list[int]]:
    x[0].append(5)
    return x
@export
def internal() -> list[int]:
    return ITEMS
@export
def stored() -> list[int]:
    return held.get()
@export
def lot(n: int) -> Lot:
    return Lot(ctx.sender, n, ['t'])
@export
def own() -> Own:
    return Own(1, 's')
@export
def take(lot: Lot) -> int:
    lot.tags.append('x')
    return lot.start
@export
def table(d: dict[int, str]) -> dict[int, str]:
    d[9] = 'z'
    return d
@export
def untyped(x: int):
    return [x, (x, [x]), {'k': x}]
@export
def write(n: int) -> int:
    counts['a'] += n
    emit(Moved(ctx.sender, n))
    return counts['a']
@view
def read() -> int:
    return counts['a']
@view
def sly() -> int:
    counts['a'] = 5
    return 1
@view
def loud() -> int:
    emit(Moved(ctx.sender, 1))
    return 1
@view
def around() -> int:
    return call('main', 'back', 1)
@view
def outside() -> int:
    return call('deep9', 'write', 1)
@export
def again() -> int:
    return call('main', 'f', 1)
@export
def self() -> int:
    return call('lib', 'who')
@export
def fail(code: str) -> int:
    counts['a'] = 99
    revert(code)
    return 1
@export
def wrong() -> int:
    x = [1, 'a']
    return x[1]
@export
def burn() -> int:
    while True:
        counts['a'] += 1
    return 1
@export
def hide(n: bytes, d: dict[Address, int], t: tuple[int, str]) -> int:
    return len(n) + len(d) + t[0]
@init
def setup() -> None:
    counts['init'] = 1
"""
)
DEEP = """from vm import Map, export, call
counts = Map[str, int](default=0)
@export
def go() -> int:
    return call('deep{next}', 'go')
@export
def write(n: int) -> int:
    counts['a'] += n
    return counts['a']
"""

ROWS = [
    ("ok=[1, 2]", "x = [1, 2]\ny = call('lib', 'append', x)\nreturn x"),
    ("ok=[1, 2, 9, 0]", "x = [1, 2]\ny = call('lib', 'append', x)\ny.append(0)\nreturn y"),
    ("ok=[[[1], [1]], [[1, 5], [1]]]", "x = [1]\nz = [x, x]\nreturn [z, call('lib', 'twice', z)]"),
    ("ok=[1, 2]", "x = call('lib', 'internal')\nx.append(3)\nreturn call('lib', 'internal')"),
    ("ok=[1, 2]", "x = call('lib', 'stored')\nx.append(3)\nreturn call('lib', 'stored')"),
    ("ok=['t']", "x = call('lib', 'lot', 3)\nreturn x.tags"),
    (
        "ok=[5, ['t']]",
        "x = Lot(ctx.sender, 5, ['t'])\nn = call('lib', 'take', x)\nreturn [n, x.tags]",
    ),
    ("ok=[1, 's']", "return call('lib', 'own')"),
    ("fault:type", "return call('lib', 'own').start"),
    ("ok=[[[1, 'a']], [[1, 'a'], [9, 'z']]]", "d = {1: 'a'}\nreturn [d, call('lib', 'table', d)]"),
    ("ok=[[1], [7, [7, [7]], [['k', 7]]]]", "return [[1], call('lib', 'untyped', 7)]"),
    ("fault:type", "x = call('lib', 'untyped', 7)\nreturn x[2]['k']"),
    ("ok=True", "return call('lib', 'who') == ctx.contract"),
    ("fault:arguments", "return call('lib', 'append', [True])"),
    ("fault:arguments", "return call('lib', 'append', (1, 'a'))"),
    ("ok=[1, 9]", "return call('lib', 'append', (1,))"),
    ("fault:arguments", "return call('lib', 'append')"),
    ("fault:arguments", "return call('lib', 'append', [1], 2)"),
    ("fault:arguments", "return call('lib', 'lot', True)"),
    ("fault:arguments", "return call('lib', 'take', [ctx.sender, 1])"),
    ("ok=1", "return call('lib', 'take', [ctx.sender, 1, []])"),
    ("fault:arguments", "return call('lib', 'take', ['x' * 32, 1, []])"),
    ("fault:arguments", "return call('lib', 'table', [(1, 'a'), (1, 'b')])"),
    ("fault:arguments", "return call('lib', 'table', {'1': 'a'})"),
    ("fault:arguments", "return call('lib', 'table', [(2 ** 60, 'a')])"),
    ("ok=2", "return call('lib', 'hide', b'', {ctx.sender: 1}, (1, 's'))"),
    ("fault:type", "return call('lib', 'append', range(3))"),
    ("fault:no-method", "return call('lib', 'setup')"),
    ("fault:no-method", "return call('lib', 'Lot')"),
    ("fault:no-method", "return call('lib', '__class__')"),
    ("fault:no-method", "return call('lib', '')"),
    ("fault:reentrancy", "return call('lib', 'again')"),
    ("fault:reentrancy", "return call('lib', 'around')"),
    ("fault:reentrancy", "return call('lib', 'self')"),
    ("fault:read-only", "return call('lib', 'sly')"),
    ("fault:read-only", "return call('lib', 'loud')"),
    ("fault:read-only", "return call('lib', 'outside')"),
    ("ok=[0, 2]", "x = call('lib', 'read')\nreturn [x, call('lib', 'write', 2)]"),
    ("ok=1", "x = call('lib', 'read')\ncounts['a'] = 1\nreturn counts['a']"),
    ("reverted:gone", "counts['a'] = 5\nreturn call('lib', 'fail', 'gone')"),
    ("fault:type", "return call('lib', 'wrong')"),
    ("out-of-gas", "return call('lib', 'burn')"),
    ("fault:depth", "return call('deep0', 'go')"),
    ("fault:no-method", "return call('deep4', 'go')"),
    ("out-of-gas", "while True:\n    x = call('lib', 'who')"),
    ("out-of-gas", "x = [0] * 5000\nwhile True:\n    x = call('lib', 'append', x)"),
    ("fault:depth", "x = []\nx.append(x)\nreturn call('lib', 'append', x)"),
    (
        "exhausted",
        "x = ['a']\nfor i in range(30):\n    x = [x, x]\nreturn call('lib', 'append', x)",
    ),
    ("fault:size", "x = 'a' * 1000000\nreturn call('lib', 'fail', x)"),
]
