"""The adversarial corpus: programs by family, each with the verdict it must get.

A row is (verdict, text). The verdict is ``ok`` (and ``=value`` as Python writes the wire),
``out-of-gas``, ``fault:code``, ``reverted:code`` or ``rejected:code``, the first problem's.
The text is the body of ``f(a)``, called with 7, after HEAD; where it begins with ``|`` it is
the whole source, on which ``f`` is called with nothing.
"""

# ruff: noqa: E501 - a program's text is clearer on one line

HEAD = """from vm import Var, Map, record, event, export, view, init, ctx, require, revert, emit, replace
from vm import mul_div, mul_div_up, parse_fixed, format_fixed, sha256, verify_ed25519, call, Address
K = [1, 2, 3]
D = {"x": [1], "y": [2]}
N = 5
T = (1, 2)
@record
class Lot:
    owner: Address
    start: int
    tags: list[str]
@record
class Box:
    lot: Lot
    rows: list[list[int]]
@event
class Moved:
    to: Address
    amount: int
counts = Map[str, int](default=0)
numbers = Map[int, str]()
lots = Map[str, Lot]()
boxes = Map[str, Box]()
lists = Map[str, list[list[int]]](default=[[1]])
tables = Map[str, dict[str, list[int]]]()
pairs = Map[tuple[str, int], int]()
total = Var[int]()
held = Var[list[int]](default=[1, 2])
def bump() -> int:
    counts["n"] += 1
    return counts["n"]
def keep(x: list[int]) -> list[int]:
    x.append(9)
    return x
@export
def f(a: int):
"""

ATTRIBUTES = [
    ("rejected:field", "return a.__class__"),
    ("rejected:field", "return ().__class__.__bases__[0].__subclasses__"),
    ("rejected:field", "return ().__class__.__bases__[0].__subclasses__()"),
    ("rejected:field", "return ''.__doc__"),
    ("rejected:field", "return f.__globals__"),
    ("rejected:field", "return [].__class__.mro()"),
    ("rejected:field", "return a.real"),
    ("rejected:field", "return a.numerator.denominator"),
    ("rejected:method", "return 'a'.__getattribute__('x')"),
    ("rejected:method", "return (1).__add__(2)"),
    ("rejected:method", "return [].__iter__()"),
    ("rejected:method", "return {}.__getitem__(1)"),
    ("rejected:field", "return Lot.__init__"),
    ("rejected:field", "return ctx.__class__"),
    ("rejected:field", "return ctx.sender.__class__"),
    ("rejected:field", "return ctx.runtime"),
    ("rejected:field", "x = Lot(ctx.sender, 1, [])\nreturn x.type_name"),
    ("rejected:field", "x = Lot(ctx.sender, 1, [])\nreturn x.indexes"),
    ("rejected:method", "x = Lot(ctx.sender, 1, [])\nreturn x.to_wire(x)"),
    ("rejected:method", "x = Lot(ctx.sender, 1, [])\nreturn x.remake(x, {})"),
    ("rejected:method", "x = Lot(ctx.sender, 1, [])\nreturn x.index(1)"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nreturn x[0]"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nreturn x[0:1]"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nreturn len(x)"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nfor y in x:\n    pass"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\np, q, r = x"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nreturn x + x"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nreturn x < x"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nreturn 1 in x"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nreturn x.amount"),
    ("fault:type", "return a.start"),
    ("fault:type", "return 'text'.start"),
    ("fault:type", "return None.start"),
    ("fault:type", "return {'start': 1}.start"),
    ("fault:type", "return range(3).start"),
    ("rejected:field", "return range(3).stop"),
    ("rejected:field", "return [].append"),
    ("rejected:field", "return counts.get"),
    ("rejected:syntax", "a.start = 1"),
    ("rejected:syntax", "ctx.sender = 1"),
    ("rejected:syntax", "del a.start"),
    ("rejected:syntax", "for ctx.x in [1]:\n    pass"),
    ("rejected:undefined-name", "return getattr(a, 'real')"),
    ("rejected:undefined-name", "return vars()"),
    ("rejected:undefined-name", "return setattr(a, 'b', 1)"),
    ("rejected:undefined-name", "return object()"),
    ("rejected:undefined-name", "return super()"),
    ("rejected:undefined-name", "return type(a)"),
]

FORMAT = [
    ("rejected:method", "return '{0.__class__}'.format(a)"),
    ("rejected:method", "return '{a}'.format_map({'a': 1})"),
    ("fault:type", "return '%s' % a"),
    ("fault:type", "return '%d' % (1,)"),
    ("fault:type", "return b'%d' % 1"),
    ("rejected:f-string", "return f'{a.__class__}'"),
    ("rejected:f-string", "return f'{a.start.tags}'"),
    ("rejected:f-string", "return f'{a!r}'"),
    ("rejected:f-string", "return f'{a:>99999999}'"),
    ("rejected:f-string", "return f'{a:{a}}'"),
    ("rejected:f-string", "return f'{a=}'"),
    ("rejected:f-string", "return f'{a[0]}'"),
    ("rejected:f-string", "return f'{a()}'"),
    ("rejected:f-string", "return f'{lambda: 1}'"),
    ("rejected:f-string", "return f'{ a}'"),
    ("rejected:f-string", "return f'{a }'"),
    ("rejected:f-string", "return f'{(a)}'"),
    ("rejected:f-string", "return f'{a}}'"),
    ("rejected:f-string", "return f'{{a}'"),
    ("rejected:f-string", "return f'{_a}'"),
    ("rejected:f-string", "return f'{a_._b}'"),
    ("rejected:name", "a_ = 1\nreturn f'{a_}'"),
    ("rejected:f-string", "return f'{f'{a}'}'"),
    ("rejected:f-string", "return f\"{f'{a}'}\""),
    ("rejected:f-string", "return f'''{\na}'''"),
    ("rejected:f-string", "return f'{a\n}'"),
    ("rejected:not-a-value", "return f'{f}'"),
    ("rejected:not-a-value", "return f'{ctx}'"),
    ("rejected:not-a-value", "return f'{len}'"),
    ("rejected:undefined-name", "return f'{nothing}'"),
    ("rejected:field", "return f'{a.real}'"),
    ("rejected:field", "return f'{ctx.nothing}'"),
    ("fault:type", "return f'{K}'"),
    ("fault:type", "x = b'a'\nreturn f'{x}'"),
    ("fault:type", "x = range(3)\nreturn f'{x}'"),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nreturn f'{x}'"),
    ("ok='{}7'", "return f'{{}}{a}'"),
    ("ok='a\\n7'", "return f'a\\n{a}'"),
    ("ok='False None 7'", "x = False\ny = None\nreturn f'{x} {y} {a}'"),
    ("ok='ab\\n    7'", "return f'''ab\n{a}'''"),
    ("rejected:method", "return 'a'.center(10 ** 9)"),
    ("rejected:method", "return 'a'.expandtabs(10 ** 9)"),
    ("rejected:method", "return 'a'.zfill(10 ** 9)"),
    ("rejected:method", "return 'a'.translate({97: 'b'})"),
    ("rejected:method", "return 'a'.maketrans('a', 'b')"),
    ("rejected:undefined-name", "return format(a, '99999999')"),
    ("rejected:undefined-name", "return repr(a)"),
    ("rejected:undefined-name", "return chr(65)"),
    ("rejected:undefined-name", "return ascii(a)"),
]

FRAMES = [
    ("rejected:field", "return a.gi_frame"),
    ("rejected:field", "return a.f_back.f_globals"),
    ("rejected:field", "return a.tb_frame"),
    ("rejected:field", "return a.obj"),
    ("rejected:field", "return a.__traceback__"),
    ("rejected:field", "return a.cr_frame"),
    ("rejected:field", "return a.ag_frame.f_builtins"),
    ("rejected:syntax", "try:\n    x = 1 // 0\nexcept:\n    return 1"),
    ("rejected:syntax", "try:\n    x = 1\nfinally:\n    return 1"),
    ("rejected:syntax", "try:\n    pass\nexcept* ValueError as e:\n    return e.obj"),
    ("rejected:syntax", "try:\n    a.b\nexcept AttributeError as e:\n    return e.obj"),
    ("rejected:syntax", "raise a"),
    ("rejected:syntax", "raise a from a"),
    ("rejected:syntax", "assert a, 'x'"),
    ("rejected:syntax", "with a as b:\n    pass"),
    ("rejected:syntax", "with (a as b, a as c):\n    pass"),
    ("rejected:undefined-name", "return globals()"),
    ("rejected:undefined-name", "return locals()"),
    ("rejected:undefined-name", "return dir()"),
    ("rejected:undefined-name", "return breakpoint()"),
    ("rejected:undefined-name", "return exit()"),
    ("rejected:undefined-name", "return input()"),
    ("rejected:undefined-name", "return print(a)"),
    ("rejected:undefined-name", "return __import__('sys')._getframe()"),
    ("rejected:undefined-name", "return Exception"),
    ("rejected:undefined-name", "return BaseException('x')"),
]

GENERATORS = [
    ("rejected:syntax", "yield a"),
    ("rejected:syntax", "x = yield"),
    ("rejected:syntax", "yield from [1]"),
    ("rejected:syntax", "return (x for x in [1])"),
    ("rejected:syntax", "return sum(x for x in [1])"),
    ("rejected:syntax", "return list((yield x) for x in [1])"),
    ("rejected:syntax", "return await a"),
    ("rejected:syntax", "return [x async for x in a]"),
    ("rejected:syntax", "return [await x for x in a]"),
    ("rejected:syntax", "async for x in a:\n    pass"),
    ("rejected:syntax", "async with a:\n    pass"),
    ("rejected:syntax", "|async def f() -> int:\n    return 1\n"),
    ("rejected:syntax", "return lambda: a"),
    ("rejected:syntax", "x = lambda y=(yield): 1"),
    ("rejected:syntax", "return {x for x in [1]}"),
    ("rejected:undefined-name", "return iter([1])"),
    ("rejected:undefined-name", "return next([1])"),
    ("rejected:undefined-name", "return map(len, [1])"),
    ("rejected:undefined-name", "return filter(None, [1])"),
    ("rejected:syntax", "return [x for x in [1] for y in [1] for z in [1]]"),
]

PATTERNS = [
    ("rejected:syntax", "match a:\n    case 7:\n        return 1"),
    ("rejected:syntax", "match a:\n    case int(real=x):\n        return x"),
    ("rejected:syntax", "match a:\n    case {'x': y, **z}:\n        return z"),
    ("rejected:syntax", "match a:\n    case [x, *y]:\n        return y"),
    ("rejected:syntax", "match a:\n    case Lot(owner=x):\n        return x"),
    ("rejected:syntax", "match a:\n    case ctx.sender:\n        return 1"),
    ("rejected:syntax", "match a:\n    case x if (y := x):\n        return y"),
    ("rejected:syntax", "match a, a:\n    case _:\n        return 1"),
    ("ok=3", "match = 3\nreturn match"),
    ("ok=4", "case = 4\nreturn case"),
    ("ok=5", "type = 5\nreturn type"),
    ("rejected:name", "_ = 5\nreturn _"),
    ("rejected:syntax", "type X = int"),
    ("rejected:syntax", "|type X = int\n"),
    ("rejected:syntax", "|type X[T] = list[T]\n"),
]

DECORATORS = [
    ("rejected:decorator", "|from vm import export\n@export()\ndef f() -> int:\n    return 1\n"),
    ("rejected:decorator", "|from vm import export\n@export(1)\ndef f() -> int:\n    return 1\n"),
    (
        "rejected:decorator",
        "|from vm import export, view\n@export\n@view\ndef f() -> int:\n    return 1\n",
    ),
    ("rejected:decorator", "|from vm import sha256\n@sha256\ndef f() -> int:\n    return 1\n"),
    ("rejected:decorator", "|@len\ndef f() -> int:\n    return 1\n"),
    ("rejected:syntax", "|@(lambda f: f)\ndef f() -> int:\n    return 1\n"),
    ("rejected:syntax", "|@(x := len)\ndef f() -> int:\n    return 1\n"),
    ("rejected:decorator", "|@[len][0]\ndef f() -> int:\n    return 1\n"),
    ("rejected:decorator", "|from vm import ctx\n@ctx.sender\ndef f() -> int:\n    return 1\n"),
    ("rejected:undefined-name", "|@export\ndef f() -> int:\n    return 1\n"),
    ("rejected:undefined-name", "|@record\nclass A:\n    x: int\n"),
    ("rejected:decorator", "|from vm import record\n@record()\nclass A:\n    x: int\n"),
    (
        "rejected:decorator",
        "|from vm import record, event\n@record\n@event\nclass A:\n    x: int\n",
    ),
    ("rejected:decorator", "|from vm import export\n@export\nclass A:\n    x: int\n"),
    ("rejected:decorator", "|from vm import record\n@record\ndef f() -> int:\n    return 1\n"),
    (
        "rejected:decorator",
        "|from vm import init\n@init\ndef f() -> int:\n    return 1\n@init\ndef g() -> int:\n    return 1\n",
    ),
    ("fault:no-method", "|def f() -> int:\n    return 1\n"),
    ("fault:no-method", "|from vm import init\n@init\ndef f() -> int:\n    return 1\n"),
]

CLASSES = [
    ("rejected:record", "|class A:\n    x: int\n"),
    ("rejected:syntax", "|from vm import record\n@record\nclass A(list):\n    x: int\n"),
    ("rejected:syntax", "|from vm import record\n@record\nclass A(metaclass=len):\n    x: int\n"),
    ("rejected:syntax", "|from vm import record\n@record\nclass A(*[1]):\n    x: int\n"),
    ("rejected:syntax", "|from vm import record\n@record\nclass A[T]:\n    x: T\n"),
    (
        "rejected:record",
        "|from vm import record\n@record\nclass A:\n    def f(self: int) -> int:\n        return 1\n",
    ),
    ("rejected:record", "|from vm import record\n@record\nclass A:\n    x: int = 1\n"),
    ("rejected:record", "|from vm import record\n@record\nclass A:\n    x = 1\n"),
    ("rejected:record", "|from vm import record\n@record\nclass A:\n    __slots__ = ('x',)\n"),
    ("rejected:name", "|from vm import record\n@record\nclass A:\n    __slots__: int\n"),
    ("rejected:name", "|from vm import record\n@record\nclass A:\n    __class__: int\n"),
    ("rejected:name", "|from vm import record\n@record\nclass __A:\n    x: int\n"),
    (
        "rejected:record",
        "|from vm import record\n@record\nclass A:\n    for x in [1]:\n        pass\n",
    ),
    ("rejected:syntax", "|from vm import record\n@record\nclass A:\n    print: lambda: 1\n"),
    ("rejected:annotation", "|from vm import record\n@record\nclass A:\n    x: A\n"),
    ("rejected:annotation", "|from vm import record\n@record\nclass A:\n    x: list[A]\n"),
    ("rejected:annotation", "|from vm import record\n@record\nclass A:\n    x: 'A'\n"),
    ("rejected:annotation", "|from vm import record\n@record\nclass A:\n    x: int | str\n"),
    (
        "rejected:annotation",
        "|from vm import record\n@record\nclass A:\n    x: dict[list[int], int]\n",
    ),
    ("rejected:annotation", "|from vm import record\n@record\nclass A:\n    x: float\n"),
    ("rejected:annotation", "|from vm import record\n@record\nclass A:\n    x: f()\n"),
    ("rejected:record", "|from vm import record\n@record\nclass A:\n    pass\n"),
    (
        "rejected:record",
        "|from vm import record\n@record\nclass A:\n"
        + "".join(f"    x{i}: int\n" for i in range(65)),
    ),
    ("rejected:duplicate", "|from vm import record\n@record\nclass A:\n    x: int\n    x: str\n"),
    (
        "rejected:duplicate",
        "|from vm import record\n@record\nclass A:\n    x: int\n@record\nclass A:\n    x: int\n",
    ),
    ("rejected:syntax", "class A:\n    x: int"),
    ("rejected:syntax", "def g() -> int:\n    return 1\nreturn g()"),
    ("rejected:not-a-value", "return Lot"),
    ("rejected:arity", "return Lot()"),
    ("rejected:arity", "return Lot(ctx.sender, 1, [], 2)"),
    ("rejected:arity", "return Lot(ctx.sender, 1, [], start=2)"),
    ("rejected:syntax", "return Lot(*[ctx.sender, 1, []])"),
    ("fault:type", "return Lot(ctx.sender, True, [])"),
    ("fault:type", "return Lot(b'x' * 32, 1, [])"),
    ("fault:type", "return Lot(ctx.sender, 1, ('a',))"),
    ("fault:type", "return Box(Lot(ctx.sender, 1, []), [[True]])"),
    ("fault:type", "return Box(Moved(ctx.sender, 1), [])"),
    ("fault:type", "emit(Lot(ctx.sender, 1, []))"),
    ("ok=None", "x = Moved(ctx.sender, 1)\nemit(x)\nemit(replace(x, amount=2))"),
]

FAMILIES = {
    "attribute-walk": ATTRIBUTES, "format": FORMAT, "frame": FRAMES, "generator": GENERATORS,
    "pattern": PATTERNS, "decorator": DECORATORS, "class": CLASSES,
}  # fmt: skip
