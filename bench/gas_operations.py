"""What bench/gas.py times: statements for every guard of the VM, with several sizes each.

A statement is a template: ``@x`` and the like stand for values of three sizes, so that a
wrong slope is seen and not only a wrong constant. ``find_missing`` compares what the
statements compile to with the VM's own table of guards: a guard that no statement
reaches fails tests/unit/vm/test_vm_calibration.py. Nothing is timed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vm.compiler import compile_source
from vm.gas import VM_VERSION, get_schedule
from vm.linker import collect_names
from vm.machine import Machine

SIZES = (10, 100, 1000)
UNROLL = 4
"""Times a statement stands in one turn of the loop."""

HEADER = """
from vm import Var, Map, record, event, export, view, init, ctx, require, revert, emit, replace
from vm import Address, call, mul_div, mul_div_up, parse_fixed, format_fixed, sha256
from vm import verify_ed25519

TABLE = {"x": 1, "y": 2}
NESTED = {"x": [1, 2], "y": [3]}

@record
class Lot:
    owner: Address
    start: int
    state: str

@record
class Wide:
    a: int
    b: str
    c: bytes
    d: bool
    e: Address
    f: list[int]
    g: dict[str, int]
    h: tuple[int, str]

@event
class Moved:
    to: Address
    amount: int

@event
class Said:
    text: str

@event
class Listed:
    items: list[int]

total = Var[int]()
first = Var[Lot]()
counts = Map[str, int](default=0)
lots = Map[tuple[str, int], Lot]()
wides = Map[int, Wide]()
ints = Map[int, list[int]](default=[])
texts = Map[bytes, str]()
dicts = Map[Address, dict[str, int]](default={})

def nothing() -> None:
    pass

def three(a: int, b: int, c: int) -> int:
    return a
"""
OTHER = """
from vm import export, view, record

@record
class Lot:
    start: int
    state: str

@export
def nothing() -> None:
    pass

@view
def look(a: int) -> int:
    return a

@export
def echo(a: list[int]) -> list[int]:
    return a

@export
def text(a: str) -> str:
    return a

@export
def pairs(a: dict[str, int]) -> dict[str, int]:
    return a

@export
def lot(a: int) -> Lot:
    return Lot(a, 'x')
"""

VALUES = {
    "n": "12345", "m": "678", "w": "2 ** 250", "s": "'hello world'", "b": "b'hello world'",
    "u": "[12345][0]", "me": "ctx.sender", "lot": "Lot(ctx.sender, 1, 'a')",
    "wide": "Wide(1, 'b', b'c', True, ctx.sender, [1, 2, 3], {'a': 1}, (1, 'b'))",
}  # fmt: skip
"""What the names in statements stand for. That ``u`` is an int nobody knows beforehand."""
SIZED = {
    "key": "'k' * (@size // 10 + 1)", "t": "'ab' * (@size * 5)",
    "r": "('ab' * (@size * 5)).encode()",
    "x": "[i for i in range(@size)]", "z": "[str(i) for i in range(@size)]",
    "p": "[(i, i + 1) for i in range(@size)]", "q": "[[i, i + 1] for i in range(@size)]",
    "d": "{str(i): i for i in range(@size)}", "i": "{i: i for i in range(@size)}",
    "y": "tuple([i for i in range(@size)])",
}  # fmt: skip
"""Those with ``@`` in a statement, once for each size; ``x10`` and so on in the contract."""

STATEMENTS = (
    # Plain Python in the rewritten function: names, constants, branches, loops.
    "v = n", "v = 1 if n else 2", "v = not n", "v = n and m", "if n:\n            pass",
    "for e in @x:\n            pass", "for e in range(100):\n            pass",
    "for e, f in @p:\n            pass", "for e, f in @q:\n            pass",
    "for e in @t:\n            pass", "while v < 20:\n            v += 1", "v, f = n, m",
    "v, f = p10[0]", "nothing()", "v = three(n, n, n)",
    # Operators.
    "v = n + m", "v = w + n", "v += m", "v = s + s", "v = b + b", "v = @t + s", "v = @r + b",
    "v = @x + @x", "v = @y + @y", "v = [1]\n        v += @x", "v = n - m", "v = w - n",
    "v = n * m", "v = w * 7", "v = s * 3", "v = b * 20", "v = [n] * @size", "v = 'ab' * @size",
    "v = n // m", "v = w // n", "v = w // (2 ** 120)", "v = n % m", "v = w % (2 ** 127 - 1)",
    "v = 3 ** 150", "v = n ** 2", "v = n << 100", "v = w >> 100", "v = n & m", "v = w | n",
    "v = n ^ m", "v = -n", "v = -w", "v = ~n",
    "v = u + m", "v = u - m", "v = u * m", "v = u // m", "v = u % m", "v = u == m", "v = u != m",
    "v = u < m", "v = u <= m", "v = u > m", "v = u >= m",
    "v = n == m", "v = n != m", "v = n < m", "v = n <= m", "v = n > m", "v = n >= m",
    "v = s == s", "v = s != 'x'", "v = s < 'x'", "v = s >= 'x'", "v = b < b", "v = me == me",
    "v = @t == (@t + 'a')", "v = @x == @x", "v = @p == @p", "v = @d == @d",
    "v = lot == lot", "v = wide == wide", "v = (n, s) < (n, s)", "v = @p <= @p",
    "v = n is None", "v = n is not None",
    "v = 'w' in s", "v = 'zz' in @t", "v = 'ba' * 40 in @t", "v = b'zz' in @r",
    "v = -1 in @x", "v = (1, 1) in @p", "v = 'q' in @z", "v = 's' in @d", "v = 5 in @i",
    "v = -1 not in @x", "v = 99 in range(1000)", "v = 'x' in TABLE",
    # Subscripts, displays, records, fields.
    "v = @x[5]", "v = @t[3]", "v = @r[3]", "v = @y[1]", "v = @d['5']", "v = @i[5]",
    "v = range(9)[3]", "v = TABLE['x']", "v = NESTED['x']", "v = @x[2:]", "v = @t[1:]",
    "v = @r[1:]", "v = @y[1:]", "@x[5] = n", "@d['5'] = n", "@i[5] += n",
    "@d['q'] = n\n        del @d['q']", "@x.append(1)\n        del @x[0]",
    "v = []", "v = [n, m, n]", "v = (n, m)", "v = {}", "v = {'a': n}",
    "v = {'a': n, 'b': n, 'c': n, 'd': n}", "v = [e for e in @x]", "v = [e + 1 for e in @x]",
    "v = [e for e in @x if e > 5]", "v = [f for e, f in @p]",
    "v = [f for e in x10 for f in @x]", "v = {e: 1 for e in @z}", "v = {e: 1 for e in @x}",
    "v = lot.start", "v = ctx.height", "v = ctx.time", "v = ctx.sender", "v = ctx.contract",
    "v = ctx.tx", "v = Lot(me, 1, 'a')", "v = Lot(me, 1, @t)",
    "v = Lot(owner=me, start=1, state='a')",
    "v = Wide(1, 'b', b, True, me, @x, @d, (1, 'b'))", "v = replace(lot, start=2)",
    "v = f'{n}'", "v = f'a{n}b{m}c{s}'", "v = f'{me}'", "v = f'{w}'", "v = f'x{@t}'",
    # Builtins.
    "v = len(@x)", "v = len(@d)", "v = int('12345')", "v = int('9' * 70)", "v = int(True)",
    "v = str(n)", "v = str(w)", "v = str(me)", "v = str(@t)", "v = bool(n)", "v = abs(n)",
    "v = min(n, m)", "v = min(n, m, n, m, n, m)", "v = max(@x)", "v = max(@z)", "v = min(@p)",
    "v = sum(@x)", "v = sorted(@x)", "v = sorted(@x, reverse=True)", "v = sorted(@z)",
    "v = sorted(@p)", "v = sorted(@q)", "v = sorted([me, me, me])", "v = reversed(@x)",
    "v = range(5)", "v = range(1, 100, 3)", "v = enumerate(@x)", "v = zip(@x, @x)",
    "v = zip(@x, @z, @t)", "v = list(@x)", "v = list(@t)", "v = list(@d)",
    "v = list(range(@size))", "v = tuple(@x)", "v = dict(@d)", "v = dict(@p)", "v = dict(@q)",
    "v = any(@x)", "v = all(@x)", "v = divmod(n, m)", "v = divmod(w, 2 ** 127)",
    # Methods.
    "v = s.startswith('he')", "v = @t.startswith(@t)", "v = @r.startswith(@r)",
    "v = s.endswith('ld')", "v = @t.endswith(@t)", "v = s.find('w')", "v = @t.find('zz')",
    "v = @t.find('ab' * 20 + 'c')", "v = s.split(' ')", "v = @t.split('b')", "v = @t.split()",
    "v = @t.split('a', 2)", "v = '-'.join(@z)", "v = ''.join(@z)", "v = s.replace('o', 'x')",
    "v = @t.replace('a', 'x')", "v = @t.replace('ab', '')", "v = @t.replace('q', 'x')",
    "v = s.strip()", "v = @t.strip()", "v = @t.strip('ab')", "v = @t.lower()",
    "v = @t.upper()", "v = @t.isdigit()", "v = @t.isalnum()", "v = @t.encode()",
    "v = b.hex()", "v = me.hex()", "v = @r.hex()", "@x.append(1)\n        @x.pop()",
    "@x.append(1)\n        @x.pop(0)", "@x.extend([1, 2])\n        @x.pop()\n        @x.pop()",
    "v = [1]\n        v.extend(@x)", "v = @d.get('5')", "v = @d.get('q', 1)",
    "v = @d.pop('q', 1)", "@d['q'] = 1\n        v = @d.pop('q')", "v = @d.keys()",
    "v = @d.values()", "v = @d.items()",
    # SDK.
    "require(n > m, 'a')", "emit(Moved(me, n))", "emit(Said(@t))", "emit(Listed(@x))",
    "v = mul_div(n, m, m)", "v = mul_div(w, w, w)", "v = mul_div_up(n, m, n)",
    "v = mul_div_up(w, w, w)", "v = parse_fixed('12.345', 6)", "v = parse_fixed('9' * 70, 3)",
    "v = format_fixed(n, 3)", "v = format_fixed(w, 40)", "v = sha256(b)", "v = sha256(@r)",
    "v = verify_ed25519(me, b, r1000[0:64])", "v = verify_ed25519(me, @r, r1000[0:64])",
    "v = Address(me)", "v = Address(r1000[0:32])", "v = Address('ab' * 32)",
    "v = call('other', 'nothing')", "v = call('other', 'look', n)",
    "v = call('other', 'echo', @x)", "v = call('other', 'text', @t)",
    "v = call('other', 'pairs', @d)", "v = call('other', 'lot', n)",
    # Storage in the pending writes of the same transaction: LevelDB is in bench/gas_state.py.
    "v = total.get()", "total.set(n)", "v = first.get(lot)", "first.set(lot)", "v = counts['a']",
    "v = counts.get('z')", "v = counts.get('z', 1)", "counts['a'] = n", "counts[@key] = n",
    "counts['a'] += 1", "v = 'a' in counts", "v = 'z' not in counts",
    "counts['q'] = 1\n        del counts['q']", "lots['a', 1] = lot", "v = lots['a', 1]",
    "wides[1] = wide", "v = wides[1]", "ints[1] = @x", "ints[7] = @x\n        v = ints[7]",
    "texts[b] = @t", "texts[b] = @t\n        v = texts[b]", "dicts[me] = @d",
    "dicts[me] = @d\n        v = dicts[me]", "v = lots.scan(('b',))",
    "v = lots.scan(('b',), limit=2)",
    "v = lots.scan(('b',), ('b', 5), 10)",
)  # fmt: skip
"""Names beginning with v, e, f are the statement's own."""

NOT_TIMED = {"sdk.revert"}
"""Guards that end the transaction: they cannot stand in a loop."""

_NAME = re.compile(r"\b([a-z]+)(10|100|1000)?\b")


@dataclass(frozen=True, slots=True)
class Operation:
    """One statement at one size. ``family`` is its template: sizes of it form a slope."""

    family: str
    size: int | None
    statement: str

    @property
    def name(self) -> str:
        return " ; ".join(line.strip() for line in self.statement.split("\n"))


def list_operations() -> list[Operation]:
    """Return every statement at every size."""
    return [operation for template in STATEMENTS for operation in _expand(template)]


def _expand(template: str) -> Iterator[Operation]:
    if "@" not in template:
        yield Operation(template, None, template)
        return
    for size in SIZES:
        statement = template.replace("@size", str(size))
        yield Operation(template, size, re.sub(r"@([a-z]+)", rf"\g<1>{size}", statement))


def make_source(operation: Operation) -> str:
    """Return a contract whose ``work`` runs the statement, and ``idle`` all but the statement."""
    setup = ""
    for name, size in dict.fromkeys(_NAME.findall(operation.statement)):
        value = SIZED.get(name, "").replace("@size", size) if size else VALUES.get(name)
        setup += f"    {name}{size} = {value}\n" if value else ""
    setup += "    v = 0\n" + _STORED
    loop = "    for turn in range(count):\n"
    work = "".join(f"        {operation.statement}\n" for _ in range(UNROLL))
    idle = "        pass\n" * UNROLL
    signature = "(count: int) -> int:\n"
    return (
        f"{HEADER}\n@export\ndef work{signature}{setup}{loop}{work}    return 0\n"
        f"\n@export\ndef idle{signature}{setup}{loop}{idle}    return 0\n"
    )


_STORED = """    total.set(5)
    first.set(Lot(ctx.sender, 1, 'a'))
    counts['a'] = 1
    lots['a', 1] = Lot(ctx.sender, 1, 'a')
    wides[1] = Wide(1, 'b', b'c', True, ctx.sender, [1, 2, 3], {'a': 1}, (1, 'b'))
    ints[1] = [1, 2, 3]
    for row in range(20):
        lots['b', row] = Lot(ctx.sender, row, 'a')
"""


def list_guards() -> frozenset[str]:
    """Return every guard a compiled contract may name, storage words without their variable."""
    return Machine().guard_names | {
        "record", "var.get", "var.set", "map.read", "map.put", "map.delete", "map.has",
        "map.get", "map.scan",
    }  # fmt: skip


def find_missing() -> frozenset[str]:
    """Return the guards that no statement reaches."""
    reached: set[str] = set()
    for operation in list_operations():
        program = compile_source(make_source(operation), get_schedule(VM_VERSION))
        for name in collect_names(program.code):
            reached.add(_normalise(name))
    return list_guards() - reached - NOT_TIMED


def _normalise(name: str) -> str:
    if name.startswith("$var:"):
        variable, word = name[5:].split(".")
        return ("var." if variable in ("total", "first") else "map.") + word
    return "record" if name.startswith("$record:") else name.removeprefix("$")
