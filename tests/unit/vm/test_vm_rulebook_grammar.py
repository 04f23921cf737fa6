"""The rules of the grammar, each with what its author reads when it is broken.

Left the text, right what is said about it: ``line:column code: message (hint)``, one for
each reason. Nothing beside the table is said. Source: docs/contracts.md, "Statements and
expressions".
"""

# ruff: noqa: E501 - a rule and what is said about it are clearer on one line

import ast

import pytest

from tests.unit.vm.rulebook import describe
from vm.grammar import check_grammar

NO = "is not in the language"
LARGE = "syntax: integer over 256 bits"
DEEP = "syntax: nested over 40 deep"
LOOPS = "syntax: over 8 nested loops"
MANY = "syntax: over 12000 nodes"
TALL = "syntax: nested over 104 deep, elif counted"


def loops(count: int, word: str = "while a:") -> str:
    """A function with so many loops in each other."""
    head = "def f(a: int) -> None:\n"
    return (
        head
        + "".join(f"{'  ' * (n + 1)}{word}\n" for n in range(count))
        + "  " * count
        + "  pass\n"
    )


def ladder(count: int) -> str:
    """A function with an ``if`` and so many ``elif``, each inside the one before for the parser."""
    return "def f(a: int) -> None:\n  if a:\n    pass\n" + "  elif a:\n    pass\n" * count


def functions(count: int) -> str:
    return "".join(f"def f{number}() -> None:\n    pass\n" for number in range(count))


def signs(count: int) -> str:
    """A number under so many signs: it stands two deeper than they are many."""
    return "x = " + "~" * count + "1\n"


def numbers(count: int) -> str:
    """A list of so many numbers, four nodes around them."""
    return "\nx = [" + "0,\n" * count + "]\n"


def read(text: str) -> list[str]:
    return describe(check_grammar(ast.parse(text)))


LANGUAGE = """from vm import ctx
X: int = 1
@record
class R:
    a: int
@export
def f(a: int, b: list[int]) -> None:
    c = a + b - a * b // a % b ** a << b >> a & b | a ^ ~b
    c += not a and (b or -a)
    d, e = a == b, a != b, a < b, a <= b, a > b, a >= b, a in b, a not in b, a is b, a is not b
    del b[0], b[1:2]
    for i in b:
        if a:
            pass
        else:
            continue
    else:
        g = {a: b for a in b if b}
    while a if b else c:
        break
    return f'{a}b' + g.h(i=1) + [a for a in b][0] + {'a': b'a', None: True}
"""
"""Every node that the language has, and every field of them."""

RULES = [
    (LANGUAGE, []),
    # what Python has and the language has not, with what to write instead
    ("try:\n    pass\nexcept E:\n    pass\n", [f"1:1 syntax: Try {NO} (a failing call fails the transaction)"]),
    ("raise E\n", [f"1:1 syntax: Raise {NO} (use revert('code'))"]),
    ("assert a\n", [f"1:1 syntax: Assert {NO} (use require(condition, 'code'))"]),
    ("import os\n", [f"1:1 syntax: Import {NO} (from vm import ...)"]),
    ("x = a / b\n", [f"1:5 syntax: Div {NO} (use // or mul_div)"]),
    ("x = {1}\n", [f"1:5 syntax: Set {NO} (use a dict)"]),
    ("x = {a for a in b}\n", [f"1:5 syntax: SetComp {NO} (use a dict)"]),
    ("x = f(a for a in b)\n", [f"1:6 syntax: GeneratorExp {NO} (use a list comprehension)"]),
    ("x = lambda: 1\n", [f"1:5 syntax: Lambda {NO} (write a function)"]),
    ("x = [*a]\n", [f"1:6 syntax: Starred {NO} (list the items)"]),
    ("def f() -> None:\n    global a\n", [f"2:5 syntax: Global {NO} (use a Var)"]),
    ("def f() -> None:\n    nonlocal a\n", [f"2:5 syntax: Nonlocal {NO} (use a Var)"]),
    ("with a:\n    pass\n", [f"1:1 syntax: With {NO}"]),
    ("x = a @ b\n", [f"1:5 syntax: MatMult {NO}"]),
    ("x = +a\n", [f"1:5 syntax: UAdd {NO}"]),
    ("match a:\n    case 1:\n        pass\n", [f"1:1 syntax: Match {NO}"]),
    ("async def f() -> None:\n    pass\n", [f"1:1 syntax: AsyncFunctionDef {NO}"]),
    ("def f() -> None:\n    yield a\n", [f"2:5 syntax: Yield {NO}"]),
    ("def f() -> None:\n    return await a\n", [f"2:12 syntax: Await {NO}"]),
    # fields of what the language has
    ("from vm import ctx as c\n", [f"1:16 syntax: alias.asname {NO}"]),
    ("class A(B):\n    a: int\n", [f"1:1 syntax: ClassDef.bases {NO}"]),
    ("class A(b=B):\n    a: int\n", [f"1:1 syntax: ClassDef.keywords {NO}"]),
    ("def f(a: int = 1) -> None:\n    pass\n", [f"1:1 syntax: arguments.defaults {NO}"]),
    ("def f(*a: int) -> None:\n    pass\n", [f"1:1 syntax: arguments.vararg {NO}"]),
    ("def f(**a: int) -> None:\n    pass\n", [f"1:1 syntax: arguments.kwarg {NO}"]),
    ("def f(*, a: int) -> None:\n    pass\n", [f"1:1 syntax: arguments.kwonlyargs {NO}"]),
    ("def f(a: int, /) -> None:\n    pass\n", [f"1:1 syntax: arguments.posonlyargs {NO}"]),
    ("x = a[1:2:3]\n", [f"1:7 syntax: Slice.step {NO}"]),
    ("x = [a async for a in b]\n", [f"1:5 syntax: comprehension.is_async {NO}"]),
    ("x = {**a}\n", [f"1:5 syntax: ** {NO}"]),
    ("x = f(**a)\n", [f"1:7 syntax: ** {NO}"]),
    ("from . import a\n", []),  # the declarations refuse it
    # several reasons come from top to bottom; what is inside a refused thing is not looked at
    ("raise a / b\nx = {1}\nassert c\n", [f"1:1 syntax: Raise {NO} (use revert('code'))", f"2:5 syntax: Set {NO} (use a dict)", f"3:1 syntax: Assert {NO} (use require(condition, 'code'))"]),
    ("x = [{1}, {2}]\n", [f"1:6 syntax: Set {NO} (use a dict)", f"1:11 syntax: Set {NO} (use a dict)"]),
    # bounds
    (f"x = [\n{2**255 + 1},\n{2**255}]\n", [f"2:1 {LARGE}"]),
    (signs(38), []),
    (signs(39), [f"1:43 {DEEP}", f"1:44 {DEEP}"]),  # the last sign, and the number
    (ladder(100), []),
    (ladder(101), [f"204:8 {TALL}"]),
    (loops(8), []),
    (loops(9), [f"10:19 {LOOPS}"]),
    (loops(9, "for x in a:"), [f"10:19 {LOOPS}"]),
    ("def f(a: int) -> None:\n" + "  while a:\n    pass\n" * 9, []),
    ("x = [a for a in b for c in d]\n", []),
    ("x = [a for a in b for c in d for e in f]\n", ["1:5 syntax: over 2 loops in a comprehension"]),
    ("x = {a: a for a in b for c in d for e in f}\n", ["1:5 syntax: over 2 loops in a comprehension"]),
    (functions(128), []),
    (functions(129), ["1:1 syntax: over 128 functions"]),
    (numbers(11_996), []),
    (numbers(11_997), [f"2:1 {MANY}"]),
    (numbers(11_997).replace("0,\n]", "{1}]"), [f"2:1 {MANY}"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), RULES)
def test_a_tree_is_told_what_is_wrong_with_it_where_and_what_to_do(text, said):
    assert read(text) == said
