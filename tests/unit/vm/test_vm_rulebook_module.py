"""The rules of what stands at a module's level, each with what its author reads.

Left the text, right what is said about it: ``line:column code: message (hint)``, one for
each reason. Nothing beside the table is said. Source: docs/contracts.md, "Module", "Types".
"""

# ruff: noqa: E501 - a rule and what is said about it are clearer on one line

from itertools import pairwise

import pytest

from tests.unit.vm.rulebook import describe
from vm.compiler import check_source

VM = "from vm import Address, Map, Var, event, export, init, record, view\n"


LEVEL = "module: not allowed at module level (constants, storage, records and functions)"
LITERAL = "constant: a constant is a literal"
COMPUTED = f"{LITERAL} (compute it in a function)"
STORAGE = f"{LITERAL} (storage is Var[T]())"
TYPE = "annotation: not a type of the language"
KEY = "annotation: a key is int, str, bytes, Address or a tuple of these"
STORED = "annotation: this type cannot be stored"
DEFAULT = "default: not a literal of this type"
ONLY_DEFAULT = "arity: only default=literal"
CLASS = "record: a class is a @record or an @event"
FIELD = "record: only `field: type`"
FIELDS = "record: 1 to 64 fields"
NAME = "is not a name of the language (letters, digits, single _ inside)"
FUNCTION = "decorator: one of export, init, view"
SIZE = "type-size: types too deep or too large (16 deep, 4096 parts in all)"
CYCLE = "is part of, or leads to, a cycle of calls"
LONG = "call-chain: a chain of calls over 16 deep"
LIBRARY = "no such module, or imported twice (from lib.fixed.v1 import ..., once for each module)"


def lists(depth: int) -> str:
    return "list[" * (depth - 1) + "int" + "]" * (depth - 1)


def fields(count: int) -> str:
    return "".join(f"    f{number}: int\n" for number in range(count))


def ladder() -> str:
    """Ten records, each of two of the one before: their fields have 4,072 parts."""
    names = ["int", *[f"R{number}" for number in range(10)]]
    return "".join(
        f"@record\nclass {name}:\n    a: {before}\n    b: {before}\n"
        for before, name in pairwise(names)
    )


def numbers(count: int) -> str:
    return ", ".join(["int"] * count)


def read(text: str) -> list[str]:
    return describe(check_source(text))


def chain(count: int, last: str = "1") -> str:
    """So many functions, each of which calls the next one."""
    calls = [*[f"f{number}()" for number in range(1, count)], last]
    return "".join(f"def f{n}() -> int:\n    return {call}\n" for n, call in enumerate(calls))


RULES = [
    # what may stand there
    ("", []),
    ("'''A text.'''\nX = 1\n", []),
    ("X = 1\n'''A text.'''\n", [f"2:1 {LEVEL}"]),
    ("b'''No text.'''\n", [f"1:1 {LEVEL}"]),
    ("5\n", [f"1:1 {LEVEL}"]),
    ("f()\n", [f"1:1 {LEVEL}"]),
    ("X: int = 1\n", [f"1:1 {LEVEL}"]),
    ("X = 1\nif X:\n    Y = 2\n", [f"2:1 {LEVEL}"]),
    # imports
    ("from vm import nothing, Var\nv = Var[int]()\n", ["1:1 import: vm has no nothing"]),
    ("from os import path\n", ["1:1 import: only `from vm import ...`"]),
    ("from .vm import ctx\n", ["1:1 import: only `from vm import ...`"]),
    ("from . import ctx\n", ["1:1 import: only `from vm import ...`"]),
    ("from .lib.fixed.v1 import scale\n", ["1:1 import: only `from vm import ...`"]),
    ("from lib import scale\n", ["1:1 import: only `from vm import ...`"]),
    ("from lib.nothing.v1 import scale\n", [f"1:1 import: lib.nothing.v1: {LIBRARY}"]),
    ("from lib.integers.v1 import sqrt_down\nfrom lib.integers.v1 import sqrt_down\n", [f"2:1 import: lib.integers.v1: {LIBRARY}"]),
    ("from lib.integers.v1 import nothing\n", ["1:1 import: lib.integers.v1 has no nothing"]),
    ("sqrt_down = 1\nfrom lib.integers.v1 import sqrt_down\n", ["2:1 duplicate: sqrt_down is declared twice"]),
    ("def sqrt_down() -> None:\n    pass\nfrom lib.integers.v1 import sqrt_down\n", ["3:1 duplicate: sqrt_down is declared twice"]),
    ("from lib.integers.v1 import sqrt_down\ndef sqrt_down() -> None:\n    pass\n", ["2:1 duplicate: sqrt_down is declared twice"]),
    ("require = 1\nfrom vm import require\n", ["2:1 duplicate: require is declared twice"]),
    ("def require() -> None:\n    pass\nfrom vm import require\n", ["3:1 duplicate: require is declared twice"]),
    ("from vm import record\n@record\nclass emit:\n    a: int\nfrom vm import emit\n", ["5:1 duplicate: emit is declared twice"]),
    ("from vm import Var\nctx = Var[int]()\nfrom vm import ctx\n", ["3:1 duplicate: ctx is declared twice"]),
    # names
    ("X = 1\nX = 2\n", ["2:1 duplicate: X is declared twice"]),
    ("def X() -> None:\n    pass\nX = 2\n", ["3:1 duplicate: X is declared twice"]),
    ("_x = 1\n", [f"1:1 name: _x {NAME}"]),
    ("x_ = 1\n", [f"1:1 name: x_ {NAME}"]),
    ("x__y = 1\n", [f"1:1 name: x__y {NAME}"]),
    ("x" * 64 + " = 1\n", []),
    ("x" * 65 + " = 1\n", [f"1:1 name: {'x' * 65} {NAME}"]),
    ("len = 1\n", ["1:1 shadow: len is a word of the language"]),
    ("bytes = 1\n", ["1:1 shadow: bytes is a word of the language"]),
    ("from vm import ctx\nctx = 1\n", ["2:1 shadow: ctx is a word of the language"]),
    ("ctx = 1\n", []),
    # constants
    ("X = [1, -2, 'a', b'a', True, None, (1, [2]), {'a': 1, b'a': 2, -3: [4]}]\n", []),
    ("X = Y = 1\n", ["1:1 module: one name on the left of ="]),
    ("X, Y = 1, 2\n", ["1:1 module: one name on the left of ="]),
    ("X = 1 + 1\n", [f"1:5 {COMPUTED}"]),
    ("X = -True\n", [f"1:5 {COMPUTED}"]),
    ("X = ~1\n", [f"1:5 {COMPUTED}"]),
    ("X = -Y\n", [f"1:5 {COMPUTED}"]),
    ("X = [1, Y]\n", [f"1:5 {COMPUTED}"]),
    ("X = (1, Y)\n", [f"1:5 {COMPUTED}"]),
    ("X = {'a': Y}\n", [f"1:5 {COMPUTED}"]),
    ("X = {Y: 1}\n", [f"1:5 {COMPUTED}"]),
    ("X = {True: 1}\n", [f"1:5 {COMPUTED}"]),
    ("X = {(1, 2): 1}\n", [f"1:5 {COMPUTED}"]),
    (f"X = {{{2**60 - 1}: 1, {1 - 2**60}: 2}}\n", []),
    (f"X = {{{2**60}: 1}}\n", [f"1:5 {COMPUTED}"]),
    (f"X = {{-{2**60}: 1}}\n", [f"1:5 {COMPUTED}"]),
    (f"X = [\n{2**255 - 1}, -\n{2**255}]\n", []),
    (f"X = {2**255}\n", [f"1:5 {COMPUTED}"]),
    (f"X = -{2**255 + 1}\n", ["1:6 syntax: integer over 256 bits"]),
    ("X = f()\ndef g() -> int:\n    return X\n", [f"1:5 {STORAGE}"]),
    ("X = f()\nX = 1\n", [f"1:5 {STORAGE}", "2:1 duplicate: X is declared twice"]),
    ("X = f.g[int]()\n", [f"1:5 {STORAGE}"]),
    ("X = f[int](1)()\n", [f"1:5 {STORAGE}"]),
    # storage
    (VM + "v = Var[int]()\nw = Var[dict[str, list[tuple[int, bool]]]]()\nm = Map[tuple[int, Address], bytes]()\n", []),
    ("v = Var[int]()\n", ["1:5 undefined-name: Var is not Var or Map of vm"]),
    ("m = Map[str, int]()\n", ["1:5 undefined-name: Map is not Var or Map of vm"]),
    (VM + "v = record[int]()\n", ["2:5 undefined-name: record is not Var or Map of vm"]),
    (VM + "v = Var[int]()\nv = 1\n", ["3:1 duplicate: v is declared twice"]),
    (VM + "v = Var[None]()\n", [f"2:9 {STORED}"]),
    (VM + "v = Var[nothing]()\n", [f"2:9 {TYPE}"]),
    (VM + "@event\nclass E:\n    a: int\nv = Var[E]()\n", [f"5:9 {STORED}"]),
    (VM + "@event\nclass E:\n    a: int\nv = Var[list[E]]()\n", [f"5:9 {STORED}"]),
    (VM + "@event\nclass E:\n    a: int\nv = Map[str, dict[str, E]]()\n", [f"5:14 {STORED}"]),
    (VM + "@event\nclass E:\n    a: int\nv = Var[tuple[int, E]]()\n", [f"5:9 {STORED}"]),
    (VM + "m = Map[int]()\n", ["2:5 annotation: Map[Key, Value]"]),
    (VM + "m = Map[int, int, int]()\n", ["2:5 annotation: Map[Key, Value]"]),
    (VM + "m = Map[int](default=f())\nm = 1\n", ["2:5 annotation: Map[Key, Value]", "3:1 duplicate: m is declared twice"]),
    (VM + "m = Map[bool, int]()\n", [f"2:9 {KEY}"]),
    (VM + "m = Map[None, int]()\n", [f"2:9 {KEY}"]),
    (VM + "m = Map[list[int], int]()\n", [f"2:9 {KEY}"]),
    (VM + "m = Map[tuple[int, bool], int]()\n", [f"2:9 {KEY}"]),
    (VM + "m = Map[tuple[int, tuple[int, int]], int]()\n", [f"2:9 {KEY}"]),
    (VM + "m = Map[nothing, int]()\n", [f"2:9 {TYPE}", f"2:9 {KEY}"]),
    # defaults
    (VM + "v = Var[int](default=-1)\nw = Var[str](default='a')\nx = Var[bool](default=True)\ny = Var[bytes](default=b'a')\n", []),
    (VM + "v = Var[list[int]](default=[1, 2])\nw = Var[list[int]](default=[])\nx = Var[dict[str, list[int]]](default={'a': [1], 'b': []})\n", []),
    (VM + "v = Map[int, tuple[int, str]](default=(1, 'a'))\nw = Var[dict[int, int]](default={})\n", []),
    (VM + "v = Var[int](1)\n", [f"2:5 {ONLY_DEFAULT}"]),
    (VM + "v = Var[int](1, default=1)\n", [f"2:5 {ONLY_DEFAULT}"]),
    (VM + "v = Var[int](value=1)\n", [f"2:5 {ONLY_DEFAULT}"]),
    (VM + "v = Map[int, int](default=1, other=1)\n", [f"2:5 {ONLY_DEFAULT}"]),
    (VM + "v = Var[int](default=f())\n", [f"2:22 {DEFAULT}"]),
    (VM + "v = Var[int](default='a')\n", [f"2:22 {DEFAULT}"]),
    (VM + "v = Var[int](default=True)\n", [f"2:22 {DEFAULT}"]),
    (VM + "v = Var[bool](default=1)\n", [f"2:23 {DEFAULT}"]),
    (VM + "v = Var[str](default=b'a')\n", [f"2:22 {DEFAULT}"]),
    (VM + "v = Var[bytes](default='a')\n", [f"2:24 {DEFAULT}"]),
    (VM + "v = Var[Address](default=b'a')\n", [f"2:26 {DEFAULT}"]),
    (VM + "v = Var[Address](default=None)\n", [f"2:26 {DEFAULT}"]),
    (VM + "v = Var[list[int]](default=(1,))\n", [f"2:28 {DEFAULT}"]),
    (VM + "v = Var[list[int]](default=[1, 'a'])\n", [f"2:28 {DEFAULT}"]),
    (VM + "v = Var[list[int]](default=5)\n", [f"2:28 {DEFAULT}"]),
    (VM + "v = Var[dict[str, int]](default=[])\n", [f"2:33 {DEFAULT}"]),
    (VM + "v = Var[dict[str, int]](default={'a': 1, 2: 2})\n", [f"2:33 {DEFAULT}"]),
    (VM + "v = Var[dict[str, int]](default={'a': 1, 'b': 'b'})\n", [f"2:33 {DEFAULT}"]),
    (VM + "v = Var[tuple[int, str]](default=[1, 'a'])\n", [f"2:34 {DEFAULT}"]),
    (VM + "v = Var[tuple[int, str]](default=(1,))\n", [f"2:34 {DEFAULT}"]),
    (VM + "v = Var[tuple[int, str]](default=(1, 2))\n", [f"2:34 {DEFAULT}"]),
    (VM + "v = Var[tuple[int, str]](default=(1, 'a', 2))\n", [f"2:34 {DEFAULT}"]),
    (VM + "@record\nclass R:\n    a: int\nv = Var[R](default=(1,))\n", [f"5:20 {DEFAULT}"]),
    # records and events
    (VM + "@record\nclass R:\n    '''A text.'''\n    a: int\n@event\nclass E:\n    r: R\n    l: list[R]\n", []),
    (VM + "class R:\n    a: int\n", [f"2:1 {CLASS}"]),
    (VM + "@export\nclass R:\n    a: int\n", ["2:2 decorator: one of event, record", f"3:1 {CLASS}"]),
    (VM + "@record\n@event\nclass R:\n    a: int\n", ["2:2 decorator: at most one decorator"]),
    (VM + "@record()\nclass R:\n    a: int\n", ["2:2 decorator: one of event, record", f"3:1 {CLASS}"]),
    ("@record\nclass R:\n    a: int\n", ["1:2 undefined-name: import record from vm"]),
    (VM + "@record\nclass R:\n    pass\n", [f"3:1 {FIELDS}", f"4:5 {FIELD}"]),
    (VM + "@record\nclass R:\n    a: int = 1\n", [f"3:1 {FIELDS}", f"4:5 {FIELD}"]),
    (VM + "@record\nclass R:\n    (a): int\n", [f"3:1 {FIELDS}", f"4:5 {FIELD}"]),
    (VM + "@record\nclass R:\n    a: int\n    'late'\n", [f"5:5 {FIELD}"]),
    (VM + "@record\nclass R:\n    a: int\n    b.c: int\n", [f"5:5 {FIELD}"]),
    (VM + "@record\nclass R:\n" + fields(64), []),
    (VM + "@record\nclass R:\n" + fields(65), [f"3:1 {FIELDS}"]),
    (VM + "@record\nclass R:\n    a: int\n    a: str\n", ["5:5 duplicate: field a is declared twice"]),
    (VM + "@record\nclass R:\n    a_: int\n", ["4:5 name: a_ is not a name of the language"]),
    (VM + "@record\nclass R:\n    a: R\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: float\n", [f"4:8 {TYPE}"]),
    (VM + "@event\nclass E:\n    a: int\n@record\nclass R:\n    a: list[E]\n", ["7:8 annotation: an event is not a field"]),
    (VM + "@record\nclass len:\n    a: int\n", ["3:1 shadow: len is a word of the language"]),
    # types
    (VM + "@record\nclass R:\n    a: 5\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: int.b\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: int.b[int]\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: list[int, int]\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: list[float]\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: tuple[int, float]\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: tuple[()]\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: dict[int]\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: dict[bool, int]\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: dict[list[int], int]\n", [f"4:8 {TYPE}"]),
    (VM + "@record\nclass R:\n    a: set[int]\n", [f"4:8 {TYPE}"]),
    ("from vm import record\n@record\nclass R:\n    a: Address\n", [f"4:8 {TYPE}"]),
    (VM + f"v = Var[{lists(16)}]()\n", []),
    (VM + f"v = Var[{lists(17)}]()\n", [f"2:9 {SIZE}"]),
    (VM + f"v = Var[dict[str, {lists(15)}]]()\nw = Var[tuple[int, {lists(15)}]]()\n", []),
    (VM + f"v = Var[dict[str, {lists(16)}]]()\nw = Var[tuple[{lists(16)}, int]]()\n", [f"2:9 {SIZE}", f"3:9 {SIZE}"]),
    (VM + ladder() + f"v = Var[\ntuple[{numbers(17)}]]()\nw = Var[list[list[list[list[list[int]]]]]]()\n", []),
    (VM + ladder() + f"v = Var[\ntuple[{numbers(17)}]]()\nw = Var[list[list[list[list[list[list[int]]]]]]]()\nx = Var[R9]()\n", [f"44:9 {SIZE}"]),
    # functions
    (VM + "@export\ndef f(a: int, b: list[R]) -> R:\n    return R(a)\n@record\nclass R:\n    a: int\n", []),
    (VM + "@export\n@view\ndef f() -> None:\n    pass\n", ["2:2 decorator: at most one decorator"]),
    (VM + "@export()\ndef f() -> None:\n    pass\n", [f"2:2 {FUNCTION}"]),
    (VM + "@record\ndef f() -> None:\n    pass\n", [f"2:2 {FUNCTION}"]),
    ("@export\ndef f() -> None:\n    pass\n", ["1:2 undefined-name: import export from vm"]),
    (VM + "@init\ndef f() -> None:\n    pass\n@init\ndef g() -> None:\n    pass\n", ["6:1 decorator: at most one @init"]),
    (VM + "@init\ndef f() -> None:\n    pass\n@view\ndef g() -> None:\n    pass\n", []),
    ("def f(a) -> None:\n    pass\n", ["1:7 annotation: a needs a type"]),
    ("def f(a: float) -> None:\n    pass\n", [f"1:10 {TYPE}"]),
    ("def f() -> float:\n    pass\n", [f"1:12 {TYPE}"]),
    ("def f():\n    pass\n", []),
    ("def f():\n    return ctx\n", ["2:12 undefined-name: ctx is not defined (import it from vm)"]),
    (VM + "m = Map[str, int]()\ndef f(m: int):\n    pass\n", ["3:1 shadow: m is a storage variable (rename the local)"]),
    ("def f():\n    return ctx.time\n", ["2:12 field: no record has a field time", "2:12 undefined-name: ctx is not defined (import it from vm)"]),
    ("def f(a: int, a: str) -> None:\n    pass\n", ["1:15 duplicate: a is given twice"]),
    ("def f(len: int) -> None:\n    pass\n", ["1:7 shadow: len is a word of the language"]),
    ("def f(a_: int) -> None:\n    pass\n", [f"1:7 name: a_ {NAME}"]),
    ("def f(\n" + "".join(f"    p{n}: int,\n" for n in range(32)) + ") -> None:\n    pass\n", []),
    ("def f(\n" + "".join(f"    p{n}: int,\n" for n in range(33)) + ") -> None:\n    pass\n", ["1:1 arity: over 32 parameters"]),
    # calls of functions: no way back, and no long way down
    (chain(1, "f0()"), [f"1:1 recursion: f0 {CYCLE}"]),
    (chain(3, "f1()"), [f"1:1 recursion: f0 {CYCLE}"]),
    ("def f() -> int:\n    return 1\n" + chain(2, "f0() + f()"), [f"3:1 recursion: f0 {CYCLE}"]),
    (chain(16), []),
    (chain(17), [f"1:1 {LONG}"]),
    (chain(18), [f"3:1 {LONG}"]),
    (chain(16, "f20() + f21()") + "def f20() -> int:\n    return 1\ndef f21() -> int:\n    return f20()\n", [f"3:1 {LONG}"]),
    ("from lib.integers.v1 import sqrt_up\n" + chain(13, "sqrt_up(5)"), []),  # which calls two deeper
    ("from lib.integers.v1 import sqrt_up\n" + chain(14, "sqrt_up(5)"), [f"2:1 {LONG}"]),
    ("from lib.integers.v1 import sqrt_up\n" + chain(2, "sqrt_up()"), ["5:12 arity: arguments of sqrt_up (positional, all given)"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), RULES)
def test_a_module_is_told_what_is_wrong_with_it_where_and_what_to_do(text, said):
    assert read(text) == said
