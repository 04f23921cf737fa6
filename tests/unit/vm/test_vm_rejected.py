"""What the check refuses, one snippet a restriction, with the code it is refused with."""

import pytest

from vm.authoring import run_contract
from vm.compiler import check_source

IMPORT = (
    "from vm import Var, Map, record, event, export, view, init, ctx, require, revert, emit,"
    " replace\nfrom vm import call, Address, sha256\n"
)
STORE = IMPORT + "m = Map[str, int](default=0)\nv = Var[int]()\n"


def in_function(*lines: str) -> str:
    return STORE + "@export\ndef f(a: int) -> int:\n" + "".join(f"    {line}\n" for line in lines)


MODULE = [
    ("import os\n", "syntax"),
    ("import vm\n", "syntax"),
    ("from os import path\n", "import"),
    ("from vm import nothing\n", "import"),
    ("from .vm import ctx\n", "import"),
    ("from vm import *\n", "import"),
    ("from vm import ctx as c\n", "syntax"),
    ("class A: pass\n", "record"),
    (IMPORT + "@record\nclass A(int):\n    x: int\n", "syntax"),
    (IMPORT + "@record\nclass A(metaclass=int):\n    x: int\n", "syntax"),
    (IMPORT + "@record\nclass A:\n    x: int = 1\n", "record"),
    (IMPORT + "@record\nclass A:\n    def f(self): pass\n", "record"),
    (IMPORT + "@record\nclass A:\n    pass\n", "record"),
    (IMPORT + "@record\nclass A:\n    x: int\n    x: int\n", "duplicate"),
    (IMPORT + "@record\nclass A:\n    x: float\n", "annotation"),
    (IMPORT + "@record\nclass A:\n    x: A\n", "annotation"),
    (IMPORT + "@record\nclass A:\n    x: 'int'\n", "annotation"),
    (IMPORT + "@record\n@event\nclass A:\n    x: int\n", "decorator"),
    (IMPORT + "@event\nclass E:\n    x: int\n@record\nclass A:\n    e: E\n", "annotation"),
    (IMPORT + "@record\nclass A:\n    __x: int\n", "name"),
    ("@record\nclass A:\n    x: int\n", "undefined-name"),
    ("X = 1 + 1\n", "constant"),
    ("X = Y = 1\n", "module"),
    ("X, Y = 1, 2\n", "module"),
    ("X = f()\n", "constant"),
    ("X = [1, open]\n", "constant"),
    ("X = {True: 1}\n", "constant"),
    ("X = {1152921504606846976: 1}\n", "constant"),
    ("X = {1, 2}\n", "syntax"),
    ("X = 1\nX = 2\n", "duplicate"),
    ("X: int = 1\n", "module"),
    ("X += 1\n", "module"),
    ("for i in [1]:\n    pass\n", "module"),
    ("if True:\n    pass\n", "module"),
    ("print\n", "module"),
    ("pass\n", "module"),
    ("len = 1\n", "shadow"),
    ("bytes = 1\n", "shadow"),
    ("def sum(a: int) -> int:\n    return a\n", "shadow"),
    (IMPORT + "ctx = 1\n", "shadow"),
    (IMPORT + "def require(a: int) -> int:\n    return a\n", "shadow"),
    ("_x = 1\n", "name"),
    ("x_ = 1\n", "name"),
    ("a__b = 1\n", "name"),
    ("__builtins__ = 1\n", "name"),
    ("def __init__(a: int) -> int:\n    return a\n", "name"),
    ("def f(__class__: int) -> int:\n    return 1\n", "name"),
    ("x" * 65 + " = 1\n", "name"),
    ("v = Var[int]()\n", "undefined-name"),
    (IMPORT + "v = Var()\n", "constant"),
    (IMPORT + "v = Var[int](1)\n", "arity"),
    (IMPORT + "v = Var[int](default=f())\n", "default"),
    (IMPORT + "v = Var[int](default='a')\n", "default"),
    (IMPORT + "v = Var[int](default=True)\n", "default"),
    (IMPORT + "v = Var[None]()\n", "annotation"),
    (IMPORT + "v = Var[set]()\n", "annotation"),
    (IMPORT + "m = Map[int]()\n", "annotation"),
    (IMPORT + "m = Map[bool, int]()\n", "annotation"),
    (IMPORT + "m = Map[list[int], int]()\n", "annotation"),
    (IMPORT + "m = Map[str, Map[str, int]]()\n", "annotation"),
    (IMPORT + "m = Map[str, dict[bool, int]]()\n", "annotation"),
    (IMPORT + "m = Map[str, int](default=0, other=1)\n", "arity"),
    ("def f(a):\n    return a\n", "annotation"),
    ("def f(a: int = 1) -> int:\n    return a\n", "syntax"),
    ("def f(*a) -> int:\n    return 1\n", "syntax"),
    ("def f(**a) -> int:\n    return 1\n", "syntax"),
    ("def f(a: int, /) -> int:\n    return 1\n", "syntax"),
    ("def f(*, a: int) -> int:\n    return 1\n", "syntax"),
    ("def f[T](a: T) -> int:\n    return 1\n", "syntax"),
    ("type X = int\n", "syntax"),
    ("async def f() -> int:\n    return 1\n", "syntax"),
    ("def f(a: int, a: int) -> int:\n    return 1\n", None),
    (IMPORT + "@export()\ndef f() -> int:\n    return 1\n", "decorator"),
    (IMPORT + "@export\n@view\ndef f() -> int:\n    return 1\n", "decorator"),
    (IMPORT + "@sha256\ndef f() -> int:\n    return 1\n", "decorator"),
    (
        IMPORT + "@init\ndef f() -> None:\n    pass\n@init\ndef g() -> None:\n    pass\n",
        "decorator",
    ),
    ("@staticmethod\ndef f() -> int:\n    return 1\n", "decorator"),
    ("def f() -> int:\n    return f()\n", "recursion"),
    ("def f() -> int:\n    return g()\ndef g() -> int:\n    return f()\n", "recursion"),
    ("def f() -> int:\n    def g() -> int:\n        return 1\n    return 1\n", "syntax"),
    ("def f() -> int:\n    import os\n", "syntax"),
    ("def f() -> int:\n    from vm import ctx\n", "syntax"),
    ("def f() -> int:\n    class A:\n        x: int\n", "syntax"),
]

BODIES = [
    ("return a / 2", "syntax"),
    ("return a @ 2", "syntax"),
    ("return +a", "syntax"),
    ("return 1.5", "number"),
    ("return 1e3", "number"),
    ("return .5", "number"),
    ("return 1j", "number"),
    ("return 0o17", "number"),
    ("return 0b11", "number"),
    ("return 1if a else 2", "number"),
    ("return " + "9" * 81, "number"),
    ("return " + "9" * 78, "syntax"),
    (
        "return 57896044618658097711785492504343953926634992332820282019728792003956564819968",
        "syntax",
    ),
    ("try:\n        pass\n    except:\n        pass", "syntax"),
    ("raise a", "syntax"),
    ("assert a", "syntax"),
    ("with a:\n        pass", "syntax"),
    ("x = lambda: 1", "syntax"),
    ("yield a", "syntax"),
    ("return await a", "syntax"),
    ("return (x := 1)", "syntax"),
    ("return [*a]", "syntax"),
    ("return {**a}", "syntax"),
    ("return f(*a)", "syntax"),
    ("return f(**a)", "syntax"),
    ("return {1}", "syntax"),
    ("return {x for x in [1]}", "syntax"),
    ("return sum(x for x in [1])", "syntax"),
    ("return [x for x in [1] for y in [1] for z in [1]]", "syntax"),
    ("return [x async for x in a]", "syntax"),
    ("match a:\n        case 1:\n            pass", "syntax"),
    ("global a", "syntax"),
    ("nonlocal a", "syntax"),
    ("return ...", "syntax"),
    ("return a.real", "field"),
    ("return a.__class__", "field"),
    ("return ().__class__.__bases__", "field"),
    ("return ''.format(a)", "method"),
    ("return ''.format_map(a)", "method"),
    ("return ''.center(100000000)", "method"),
    ("return ''.ljust(100000000)", "method"),
    ("return ''.zfill(100000000)", "method"),
    ("return ''.translate({})", "method"),
    ("return b''.decode()", "method"),
    ("return a.to_bytes(1)", "method"),
    ("return [].sort()", "method"),
    ("return {}.setdefault('a', 1)", "method"),
    ("return {}.update({})", "method"),
    ("return a.bit_length()", "method"),
    ("return ctx", "not-a-value"),
    ("return ctx.nothing", "field"),
    ("return ctx.sender()", "method"),
    ("x = ctx", "not-a-value"),
    ("return m", "not-a-value"),
    ("return len(m)", "not-a-value"),
    ("return [m]", "not-a-value"),
    ("for k in m:\n        pass", "not-a-value"),
    ("return v", "not-a-value"),
    ("return v[1]", "not-a-value"),
    ("return 1 in v", "not-a-value"),
    ("m = 1", "shadow"),
    ("v += 1", "shadow"),
    ("return m.set('a', 1)", "method"),
    ("return m.keys()", "method"),
    ("return m.get()", "arity"),
    ("return m.scan(1, 2, 3, 4)", "arity"),
    ("return m.scan(start=1)", "arity"),
    ("return m.scan('a', prefix='b')", "arity"),
    ("return v.get(1, 2)", "arity"),
    ("return v.set()", "arity"),
    ("return f", "not-a-value"),
    ("x = f", "not-a-value"),
    ("return [f]", "not-a-value"),
    ("return len", "not-a-value"),
    ("return require", "not-a-value"),
    ("return print(1)", "undefined-name"),
    ("return eval('1')", "undefined-name"),
    ("return exec('1')", "undefined-name"),
    ("return open('x')", "undefined-name"),
    ("return getattr(a, 'x')", "undefined-name"),
    ("return type(a)", "undefined-name"),
    ("return hash(a)", "undefined-name"),
    ("return id(a)", "undefined-name"),
    ("return isinstance(a, int)", "undefined-name"),
    ("return float(a)", "undefined-name"),
    ("return set()", "undefined-name"),
    ("return round(a)", "undefined-name"),
    ("return map(f, [1])", "not-a-value"),
    ("return input", "undefined-name"),
    ("return nothing", "undefined-name"),
    ("return nothing()", "undefined-name"),
    ("return __import__('os')", "undefined-name"),
    ("return __builtins__", "undefined-name"),
    ("return mul_div(1, 2, 3)", "undefined-name"),
    ("return a()", "not-callable"),
    ("return a[0]()", "not-callable"),
    ("return f(1)(2)", "not-callable"),
    ("return m('a')", "not-callable"),
    ("return len()", "arity"),
    ("return len([1], [2])", "arity"),
    ("return sorted([1], key=f)", "arity"),
    ("return sum([1], start=2)", "arity"),
    ("return int('1', 16)", "arity"),
    ("return 'a'.encode('utf-8')", "arity"),
    ("return 'a'.startswith()", "arity"),
    ("return call('x')", "arity"),
    ("return call('x', a)", "call"),
    ("return call('x', 'y', z=1)", "arity"),
    ("return replace(a)", "arity"),
    ("return replace(a, nothing=1)", "field"),
    ("return a is 1", "syntax"),
    ("return a is a", "syntax"),
    ("return 5 is a", "syntax"),
    ("return None is a", "syntax"),
    ("return f(1) < f(2) < f(3)", "syntax"),
    ("return 1 in [1] in [[1]]", "syntax"),
    ("return [1, 2, 3][0:3:2]", "syntax"),
    ("return [1][0:1, 0]", "syntax"),
    ("x = [1]\n    x[0:1] = [2]", "syntax"),
    ("x = y = 1", "syntax"),
    ("x, (y, z) = 1, (2, 3)", "syntax"),
    ("[x, y] = 1, 2", "syntax"),
    ("a.b = 1", "syntax"),
    ("a.b += 1", "syntax"),
    ("x, y += 1", "syntax"),
    ("x: int", "syntax"),
    ("x: nothing = 1", "annotation"),
    ("ctx.sender = a", "syntax"),
    ("del a", "syntax"),
    ("del a.b", "syntax"),
    ("del [1, 2][0:1]", "syntax"),
    ("a", "syntax"),
    ("a + 1", "syntax"),
    ("'text'\n    'text'", "syntax"),
    ("break", "syntax"),
    ("continue", "syntax"),
    ("for a.b in [1]:\n        pass", "syntax"),
    ("for x[0] in [1]:\n        pass", "syntax"),
    ("for (x, (y, z)) in [1]:\n        pass", "syntax"),
    ("len = 1", "shadow"),
    ("require = 1", "shadow"),
    ("_ = 1", "name"),
    ("for _ in range(3):\n        pass", "name"),
    ("return [1 for _ in range(3)]", "name"),
    ("return [1 for len in range(3)]", "shadow"),
    ("return [1 for m in range(3)]", "shadow"),
    ("m['a'][0] = 1", "lost-write"),
    ("m['a'][0] += 1", "lost-write"),
    ("del m['a'][0]", "lost-write"),
    ("m['a'].append(1)", "lost-write"),
    ("m.get('a').append(1)", "lost-write"),
    ("v.get().extend([1])", "lost-write"),
    ("return f'{a!r}'", "f-string"),
    ("return f'{a:>10}'", "f-string"),
    ("return f'{a=}'", "f-string"),
    ("return f'{a + 1}'", "f-string"),
    ("return f'{a.b.c}'", "f-string"),
    ("return f'{a[0]}'", "f-string"),
    ("return f'{f(1)}'", "f-string"),
    ("return f'{ a }'", "f-string"),
    ("return f'{}'", "f-string"),
    ("return f'}'", "f-string"),
    ("return f'{a.__class__}'", "f-string"),
    ("return f'{a.real}'", "field"),
    ("return r'a'", "string-prefix"),
    ("return u'a'", "string-prefix"),
    ("return rb'a'", "string-prefix"),
    ("return F'a'", "string-prefix"),
    ("return '\\x41'", "escape"),
    ("return '\\u0041'", "escape"),
    ("return '\\N{DIGIT ONE}'", "escape"),
    ("return '\\0'", "escape"),
    ("return '\\t'", "escape"),
    ("return 'a' 'b'", "string-concatenation"),
    ("return ('a'\n        'b')", "string-concatenation"),
    ("return 'a", "string"),
    ("return 'a\\\n    b'", "escape"),
    ("x = 1; y = 2", "character"),
    ("x = 1 + \\\n        2", "character"),
    ("return $charge(1)", "character"),
    ("return a?", "character"),
    ("return `a`", "character"),
    ("return !a", "character"),
    ("return (1", "bracket"),
    ("return 1)", "bracket"),
    ("return [1)", "bracket"),
    ("return " + "(" * 25 + "1" + ")" * 25, "bracket-depth"),
    ("return " + "-" * 80 + "1", "syntax"),
    ("return 1 +", "syntax"),
    ("return a a", "syntax"),
    ("print a", "syntax"),
    ("return not", "syntax"),
]

TEXT = [
    ("x = 1\t\n", "character"),
    ("x = 1\r\n", "character"),
    ("x = '\u00e9'\n", "character"),
    ("# \u200b\n", "character"),
    ("x = 1\x00\n", "character"),
    ("x = 1\x0c\n", "character"),
    ("\ufeffx = 1\n", "character"),
    ("\uff58 = 1\n", "character"),
    ("x = 1\n" + "#" * 121 + "\n", "line-length"),
    ("#\n" * 20_000, "source-size"),
    ("x = [\n" + "1,\n" * 400 + "]\n", "line-tokens"),
    ("def f() -> int:\n" + " " * 81 + "return 1\n", "indent"),
    ("def f() -> int:\n    return (\n" + "1 + (\n" * 24 + "1" + ")" * 25 + "\n", "bracket-depth"),
    ("def f(a: int) -> int:\n    if a == 0:\n        return 0\n"
     + "".join(f"    elif a == {n}:\n        return {n}\n" for n in range(1, 66)), "elif"),
    ("def f(a: int) -> int:\n"
     + "".join("    " * (n + 1) + "while a:\n" for n in range(9)) + "    " * 10 + "pass\n",
      "syntax"),
    ("def f(a: int) -> int:\n    return " + " + ".join(["a"] * 11) + "\n", None),
    ("def f(a: int) -> int:\n    return (\n" + "a +\n" * 60 + "a)\n", "syntax"),
    ("".join(f"def f{n}() -> int:\n    return 1\n" for n in range(129)), "syntax"),
    ("".join(f"def f{n}() -> int:\n    return f{n + 1}()\n" for n in range(17))
     + "def f17() -> int:\n    return 1\n", "call-chain"),
    ("X = [\n" + "[1],\n" * 95 + "]\n", None),
    ("X = [\n" + "[1],\n" * 100 + "]\n", "line-tokens"),
    ("".join(f"X{n}=[" + "1," * 50 + "]\n" for n in range(260)), "syntax"),
    ("x = '''a\n", "string"),
    ("x = 'a\n", "string"),
    ("  x = 1\n", "syntax"),
    ("def f() -> int:\nreturn 1\n", "syntax"),
    ("def f() -> int:\n", "syntax"),
]  # fmt: skip


def first_code(source: str) -> str | None:
    problems = check_source(source)
    return problems[0].code if problems else None


@pytest.mark.parametrize(("source", "code"), MODULE)
def test_a_module_level_construct_outside_the_language_is_refused(source, code):
    problems = check_source(source)
    assert problems, source
    if code is not None:
        assert code in {problem.code for problem in problems}


@pytest.mark.parametrize(("body", "code"), BODIES)
def test_a_statement_or_expression_outside_the_language_is_refused(body, code):
    assert code in {problem.code for problem in check_source(in_function(body))}


@pytest.mark.parametrize(("source", "code"), TEXT)
def test_text_that_a_parser_could_disagree_on_is_refused_before_it_is_parsed(source, code):
    assert first_code(source) == code


def test_every_refusal_has_a_line_a_column_and_a_stable_code():
    for source, _ in MODULE:
        for problem in check_source(source):
            assert problem.line >= 1 and problem.column >= 1
            assert problem.code.replace("-", "").isalpha() and problem.message


def test_all_reasons_are_reported_not_the_first_only():
    problems = check_source(in_function("x = nothing", "y = other", "return x + y"))
    assert [problem.line for problem in problems] == [7, 8]


def test_a_refused_program_reports_rejected_and_the_first_code():
    result = run_contract("import os\n", [])
    assert result == {"status": "rejected", "code": "syntax", "gas": 0, "value": None, "events": []}


def test_the_empty_source_and_an_elif_chain_of_64_are_accepted():
    chain = "".join(f"    elif a == {n}:\n        return {n}\n" for n in range(1, 65))
    assert check_source("") == []
    source = "def f(a: int) -> int:\n    if a == 0:\n        return 0\n" + chain
    assert check_source(source) == []
