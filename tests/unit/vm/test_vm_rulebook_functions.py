"""The rules of what stands in a function, each with what its author reads.

Left the lines of a function, right what is said about them: ``line:column code: message
(hint)``, one for each reason, lines counted from the function's first. Nothing beside the
table is said. Source: docs/contracts.md, "Statements and expressions", "Words", "Storage".
"""

# ruff: noqa: E501 - a rule and what is said about it are clearer on one line

from dataclasses import replace

import pytest

from tests.unit.vm.rulebook import describe
from vm.compiler import check_source

HEAD = """from vm import Address, Map, Var, call, ctx, emit, event, mul_div, record, replace, require, revert
m = Map[str, list[int]](default=[])
v = Var[list[int]]()
C = 5
T = [1, 2]
@record
class R:
    x: int
    y: int
@record
class S:
    b: int
    a: int
@event
class E:
    z: int
def g(a: int, b: int) -> int:
    return a
def f(a: int, r: R, t: list[int]) -> int:
"""
FIRST = HEAD.count("\n")


def read(body: str) -> list[str]:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    problems = check_source(HEAD + lines)
    return describe(
        replace(item, line=item.line - FIRST, column=item.column - 4) for item in problems
    )


VALUE = "is not a value (read what it holds)"
CALLED = "can only be called"
DEFINED = "is not defined"
IMPORTED = f"{DEFINED} (import it from vm)"
NAME = "is not a name of the language (letters, digits, single _ inside)"
LOST = "lost-write: this changes a copy of what is stored (read, change, write back)"
MUTABLE = (
    "syntax: a name, names or a subscript (records are immutable: replace(record, field=value))"
)
NAMES = "syntax: a name or a tuple of names"
NOTHING = "syntax: a statement that does nothing"
DELETE = "syntax: only `del x[key]`"
ONE = "syntax: one target (assign on two lines)"
CHAIN = "syntax: a chain compares names, constants and fields"
NONE = "syntax: `is` only with None (use ==)"
LARGE = "syntax: integer over 256 bits"
SLICE = "syntax: a slice stands alone in its brackets"
SET_SLICE = "syntax: a slice cannot be assigned"
ANNOTATED = "syntax: `name: type = value`"
MAP = "not-a-value: v is not a Map (use get() and set())"
WORD = "is a word of the language"
STORED = "is a storage variable (rename the local)"
FUNCTION = "arity: arguments of g (positional, all given)"
RECORD = "arity: R takes each of its fields once"
REPLACE = "arity: replace(record, field=value)"
METHOD = "call: the method is a literal (call(name, 'method'))"
OUTSIDE = "syntax: outside a loop"

RULES = [
    # statements
    ("pass\nreturn 1", []),
    ("'a text'\nreturn 1", []),
    ("return", []),
    ("5", [f"1:1 {NOTHING}"]),
    ("b'no text'", [f"1:1 {NOTHING}"]),
    ("pass\n'late'", [f"2:1 {NOTHING}"]),
    ("if a:\n    'not the first'", [f"2:5 {NOTHING}"]),
    ("a", [f"1:1 {NOTHING}"]),
    ("import_ = 1", [f"1:1 name: import_ {NAME}"]),
    ("from vm import ctx", ["1:1 syntax: ImportFrom inside a function"]),
    ("class A:\n    x: int", ["1:1 syntax: ClassDef inside a function"]),
    ("def h() -> None:\n    nothing", ["1:1 syntax: FunctionDef inside a function"]),
    ("break", [f"1:1 {OUTSIDE}"]),
    ("continue", [f"1:1 {OUTSIDE}"]),
    ("if a:\n    break", [f"2:5 {OUTSIDE}"]),
    ("for i in t:\n    while a:\n        break\n    continue", []),
    ("while a:\n    for i in t:\n        break\n    continue", []),
    ("for i in t:\n    break\nelse:\n    continue", [f"4:5 {OUTSIDE}"]),
    ("while a:\n    if a:\n        break\n    else:\n        continue\nelse:\n    break", [f"7:5 {OUTSIDE}"]),
    ("while nothing:\n    other\nelse:\n    third = more", [f"1:7 undefined-name: nothing {DEFINED}", f"2:5 {NOTHING}", f"4:13 undefined-name: more {DEFINED}"]),
    ("if nothing:\n    return other\nelse:\n    return third", [f"1:4 undefined-name: nothing {DEFINED}", f"2:12 undefined-name: other {DEFINED}", f"4:12 undefined-name: third {DEFINED}"]),
    ("for i in nothing:\n    return other\nelse:\n    return third", [f"1:10 undefined-name: nothing {DEFINED}", f"2:12 undefined-name: other {DEFINED}", f"4:12 undefined-name: third {DEFINED}"]),
    # assignment
    ("x = y = 1", [f"1:1 {ONE}"]),
    ("x = m = 1", [f"1:1 {ONE}", f"1:5 shadow: m {STORED}"]),
    ("x, y = 1, 2\nfor p, q in [(x, y)]:\n    t[p], q = 1, 2", [f"3:5 {NAMES}"]),
    ("x, (y, z) = 1, (2, 3)", [f"1:1 {NAMES}"]),
    ("[x, y] = 1, 2", [f"1:1 {MUTABLE}"]),
    ("() = t", [f"1:1 {NAMES}"]),
    ("r.x = 1", [f"1:1 {MUTABLE}"]),
    ("r.x += nothing", [f"1:1 {MUTABLE}", f"1:8 undefined-name: nothing {DEFINED}"]),
    ("a = nothing", [f"1:5 undefined-name: nothing {DEFINED}"]),
    ("for r.x in t:\n    pass", [f"1:5 {NAMES}"]),
    ("for (p, (q, s)) in t:\n    pass", [f"1:5 {NAMES}"]),
    ("for () in t:\n    pass", [f"1:5 {NAMES}"]),
    ("x = [1 for t[0] in t]", [f"1:12 {NAMES}"]),
    ("x: int = 1\ny: list[R] = []\nreturn x", []),
    ("x: int", [f"1:1 {ANNOTATED}"]),
    ("(x): int = 1", [f"1:1 {ANNOTATED}"]),
    ("t[0]: int = 1", [f"1:1 {ANNOTATED}"]),
    ("x: float = nothing", ["1:4 annotation: not a type of the language", f"1:12 undefined-name: nothing {DEFINED}"]),
    ("len: int = 1", [f"1:1 shadow: len {WORD}"]),
    ("t[0] = 1\nt[nothing] = other", [f"2:3 undefined-name: nothing {DEFINED}", f"2:14 undefined-name: other {DEFINED}"]),
    ("t[0:1] = [1]", [f"1:1 {SET_SLICE}"]),
    ("t[0:1] += [1]", [f"1:1 {SET_SLICE}"]),
    ("del t[0:1]", [f"1:5 {SET_SLICE}"]),
    ("m['k'][0:1] = [1]", [f"1:1 {SET_SLICE}"]),
    ("del t[0], t[nothing]", [f"1:13 undefined-name: nothing {DEFINED}"]),
    ("del a", [f"1:5 {DELETE}"]),
    ("del r.x, t", [f"1:5 {DELETE}", f"1:10 {DELETE}"]),
    ("del (a, t)", [f"1:5 {DELETE}"]),
    # names that a function binds
    ("g = 1\nC = 2\nT = 3\nR = 4\nreturn g + C + T + R", []),
    ("m = 1", [f"1:1 shadow: m {STORED}"]),
    ("v += 1", [f"1:1 shadow: v {STORED}"]),
    ("for m in t:\n    pass", [f"1:5 shadow: m {STORED}"]),
    ("x, v = 1, 2", [f"1:1 shadow: v {STORED}"]),
    ("x = [1 for m in t]", [f"1:12 shadow: m {STORED}"]),
    ("ctx = 1", [f"1:1 shadow: ctx {WORD}"]),
    ("ctx = r\nreturn ctx.x", [f"1:1 shadow: ctx {WORD}"]),
    ("v = [1]\nreturn v[0]", [f"1:1 shadow: v {STORED}"]),
    ("for len in t:\n    pass", [f"1:5 shadow: len {WORD}"]),
    ("x_ = 1", [f"1:1 name: x_ {NAME}"]),
    ("x = {p: q for p, _q in t}", [f"1:9 undefined-name: q {DEFINED}", f"1:15 name: _q {NAME}"]),
    # names that it reads
    ("for i in t:\n    p = i\nelse:\n    q = 1\nreturn i + p + q", []),
    ("while a:\n    p = 1\nelse:\n    q = 1\nreturn p + q", []),
    ("if a:\n    p: int = 1\nelse:\n    q, s = t\nreturn p + q + s", []),
    ("k += 1\nreturn k", []),
    ("return a + C + T[0]", []),
    ("return nothing", [f"1:8 undefined-name: nothing {DEFINED}"]),
    ("return sha256", [f"1:8 undefined-name: sha256 {IMPORTED}"]),
    ("return ctx", [f"1:8 not-a-value: ctx {VALUE}"]),
    ("return [m, v]", [f"1:9 not-a-value: m {VALUE}", f"1:12 not-a-value: v {VALUE}"]),
    ("return g", [f"1:8 not-a-value: g {CALLED}"]),
    ("return R", [f"1:8 not-a-value: R {CALLED}"]),
    ("return len", [f"1:8 not-a-value: len {CALLED}"]),
    ("return require", [f"1:8 not-a-value: require {CALLED}"]),
    ("return {len: 1, 'k': m}", [f"1:9 not-a-value: len {CALLED}", f"1:22 not-a-value: m {VALUE}"]),
    ("return [x for x in t if x if y]", [f"1:30 undefined-name: y {DEFINED}"]),
    ("return [(x, y) for x in t for y in [x]]", []),
    ("return [x for x in [y] for y in t]", [f"1:21 undefined-name: y {DEFINED}"]),
    ("return [y for x in t]", [f"1:9 undefined-name: y {DEFINED}"]),
    ("return {x: y for x in t}", [f"1:12 undefined-name: y {DEFINED}"]),
    ("return {y: x for x in t}", [f"1:9 undefined-name: y {DEFINED}"]),
    ("x = [y for y in t]\nreturn y", [f"2:8 undefined-name: y {DEFINED}"]),
    ("return f'{nothing}'", [f"1:11 undefined-name: nothing {DEFINED}"]),
    ("return nothing if other else third", [f"1:8 undefined-name: nothing {DEFINED}", f"1:19 undefined-name: other {DEFINED}", f"1:30 undefined-name: third {DEFINED}"]),
    # numbers
    (f"return {2**255 - 1}", []),
    (f"return -{2**255}", []),
    (f"return {2**255}", [f"1:8 {LARGE}"]),
    (f"return - -{2**255}", []),
    (f"return ~{2**255}", [f"1:9 {LARGE}"]),
    ("return -nothing", [f"1:9 undefined-name: nothing {DEFINED}"]),
    ("return -'a'", []),
    # comparisons
    ("return 1 < a < C <= r.x == -1", []),
    ("return 1 < a + 1 < 3", [f"1:8 {CHAIN}"]),
    ("return t[0] < a < 3", [f"1:8 {CHAIN}"]),
    ("return 1 < a < g(1, 2).x", [f"1:8 {CHAIN}"]),
    ("return 1 < -a < 3", [f"1:8 {CHAIN}"]),
    ("return 1 < ~1 < 3", [f"1:8 {CHAIN}"]),
    ("return t[0] < g(1, 2)", []),
    ("return a is None and None is not None", []),
    ("return a is 1", [f"1:8 {NONE}"]),
    ("return a is not t", [f"1:8 {NONE}"]),
    ("return None is a", [f"1:8 {NONE}"]),
    ("return 'k' in m or 'k' not in m", []),
    ("return 1 in t or 2 not in [a]", []),
    ("return nothing in m", [f"1:8 undefined-name: nothing {DEFINED}"]),
    ("return 1 in v", ["1:13 not-a-value: v is not a Map"]),
    ("return nothing not in v", [f"1:8 undefined-name: nothing {DEFINED}", "1:23 not-a-value: v is not a Map"]),
    ("return a == m", [f"1:13 not-a-value: m {VALUE}"]),
    ("return a in t in m", [f"1:18 not-a-value: m {VALUE}"]),
    ("return a in m in t", [f"1:13 not-a-value: m {VALUE}"]),
    ("return nothing < other", [f"1:8 undefined-name: nothing {DEFINED}", f"1:18 undefined-name: other {DEFINED}"]),
    # fields and subscripts
    ("return r.x + r.y + ctx.height", []),
    ("return r.nothing", ["1:8 field: no record has a field nothing"]),
    ("return nothing.x", [f"1:8 undefined-name: nothing {DEFINED}"]),
    ("return nothing.other", ["1:8 field: no record has a field other", f"1:8 undefined-name: nothing {DEFINED}"]),
    ("return ctx.nothing", ["1:8 field: ctx has no nothing"]),
    ("return ctx.x", ["1:8 field: ctx has no x"]),
    ("return t[0] + t[1:][0] + m['k'][0]", []),
    ("return v[0]", [f"1:8 {MAP}"]),
    ("return v[nothing]", [f"1:8 {MAP}", f"1:10 undefined-name: nothing {DEFINED}"]),
    ("return m[nothing]", [f"1:10 undefined-name: nothing {DEFINED}"]),
    ("return m['a':'b']", [f"1:10 {SLICE}"]),
    ("return t[0:1, 0]", [f"1:10 {SLICE}"]),
    ("return nothing[other]", [f"1:8 undefined-name: nothing {DEFINED}", f"1:16 undefined-name: other {DEFINED}"]),
    ("return t[nothing:other]", [f"1:10 undefined-name: nothing {DEFINED}", f"1:18 undefined-name: other {DEFINED}"]),
    # changing a copy of what is stored
    ("m['k'][0] = 1", [f"1:1 {LOST}"]),
    ("m['k'][0] += 1", [f"1:1 {LOST}"]),
    ("del m['k'][0]", [f"1:5 {LOST}"]),
    ("m.get('k')[0] = 1", [f"1:1 {LOST}"]),
    ("m['k'].append(1)", [f"1:1 {LOST}"]),
    ("m['k'][0].pop()", [f"1:1 {LOST}"]),
    ("m.get('k').extend([1])", [f"1:1 {LOST}"]),
    ("v.get().append(1)", [f"1:1 {LOST}"]),
    ("v.get().x.append(1)", [f"1:1 {LOST}"]),
    ("m['k'].get(1).append(1)", [f"1:1 {LOST}"]),
    ("v.get()[0].get(1)[2].append(1)", [f"1:1 {LOST}"]),
    ("m['k'] = [1]\nm['k'] += [1]\ndel m['k']\nx = m['k']\nx.append(1)\nx[0] = 1", []),
    ("t[0].append(m['k'])\nreturn m['k'].pop()", []),
    ("m['k'].keys()\nm['k'].keys().append(1)\ng(1, 2).append(1)", []),
    ("m = [t]", [f"1:1 shadow: m {STORED}"]),
    # calls
    ("return g(1, 2) + len(t) + mul_div(1, 2, 3)", []),
    ("return t[0]()", ["1:8 not-callable: only names and methods are called"]),
    ("return g(1, 2)(nothing)", ["1:8 not-callable: only names and methods are called", f"1:16 undefined-name: nothing {DEFINED}"]),
    ("return a(nothing)", ["1:8 not-callable: a is not a function", f"1:10 undefined-name: nothing {DEFINED}"]),
    ("return C()", ["1:8 not-callable: C is not a function"]),
    ("return m('k')", ["1:8 not-callable: m is not a function"]),
    ("g = 1\nreturn g(1, 2)", ["2:8 not-callable: g is not a function"]),
    ("return nothing()", [f"1:8 undefined-name: nothing {DEFINED}"]),
    ("return sha256(b'')", [f"1:8 undefined-name: sha256 {IMPORTED}"]),
    ("return view()", [f"1:8 undefined-name: view {IMPORTED}"]),
    ("return record()", [f"1:8 undefined-name: record {IMPORTED}"]),
    ("return g(1)", [f"1:8 {FUNCTION}"]),
    ("return g(1, 2, 3)", [f"1:8 {FUNCTION}"]),
    ("return g(1, b=2)", [f"1:8 {FUNCTION}"]),
    ("return g(1, 2, b=nothing)", [f"1:8 {FUNCTION}", f"1:18 undefined-name: nothing {DEFINED}"]),
    ("x = R(1, 2)\nx = R(1, y=2)\nx = R(y=1, x=2)", []),
    ("x = S(1, 2)\nx = S(1, a=2)\nx = S(a=1, b=2)", []),
    ("return R(1)", [f"1:8 {RECORD}"]),
    ("return R(1, 2, 3)", [f"1:8 {RECORD}"]),
    ("return R(1, x=2)", [f"1:8 {RECORD}"]),
    ("return R(1, y=2, z=3)", [f"1:8 {RECORD}"]),
    ("return R(x=1, z=2)", [f"1:8 {RECORD}"]),
    ("return R(1, 2, y=3)", [f"1:8 {RECORD}"]),
    ("return sorted(t, reverse=True)", []),
    ("return sorted(t, True)", ["1:8 arity: arguments of sorted"]),
    ("return sorted(t, key=a)", ["1:8 arity: arguments of sorted"]),
    ("return sorted(reverse=True)", ["1:8 arity: arguments of sorted"]),
    ("return len()", ["1:8 arity: arguments of len"]),
    ("return len(t, t)", ["1:8 arity: arguments of len"]),
    ("return len(t, nothing=1)", ["1:8 arity: arguments of len"]),
    ("revert()\nrevert('code')\nrequire(a)\nrequire(a, 'code')", []),
    ("require()", ["1:1 arity: arguments of require"]),
    ("require(1, 'a', 'b')", ["1:1 arity: arguments of require"]),
    ("revert('a', 'b')", ["1:1 arity: arguments of revert"]),
    ("return replace(r, x=1, y=2)", []),
    ("return replace(r)", [f"1:8 {REPLACE}"]),
    ("return replace(x=1)", [f"1:8 {REPLACE}"]),
    ("return replace(r, r, x=1)", [f"1:8 {REPLACE}"]),
    ("return replace(r, nothing=1)", ["1:8 field: no record has a field nothing"]),
    ("return replace(r, x=1, x=2)", [f"1:8 {REPLACE}"]),
    ("return call('other', 'method', 1)", []),
    ("return call('other')", ["1:8 arity: arguments of call"]),
    ("return call('other', 'method', a=1)", ["1:8 arity: arguments of call"]),
    ("return call('other', a)", [f"1:22 {METHOD}"]),
    ("return call('other', 5)", [f"1:22 {METHOD}"]),
    ("return call('other', 'm'" + ",\n1" * 32 + ")", []),
    ("return call('other', 'm'" + ",\n1" * 33 + ")", ["1:8 arity: arguments of call"]),
    # methods
    ("return t.pop() + ''.find('a', 1) + m.get('k', [1])[0] + v.get([2])[0]", []),
    ("t.append(1)\nt.extend([1])\nv.set(t)\nx = m.scan('a', after='b', limit=5)", []),
    ("return t.sort()", ["1:8 method: no method sort"]),
    ("return nothing.append(other)", [f"1:8 undefined-name: nothing {DEFINED}", f"1:23 undefined-name: other {DEFINED}"]),
    ("return m.keys()", ["1:8 method: no method keys"]),
    ("return m.set('k', [])", ["1:8 method: no method set"]),
    ("return v.scan()", ["1:8 method: no method scan"]),
    ("return t.scan()", ["1:8 method: no method scan"]),
    ("return t.set(1)", ["1:8 method: no method set"]),
    ("return ctx.sender()", [f"1:8 not-a-value: ctx {VALUE}", "1:8 method: no method sender"]),
    ("return t.append()", ["1:8 arity: arguments of append"]),
    ("return t.append(item=1)", ["1:8 arity: arguments of append"]),
    ("return m.get()", ["1:8 arity: arguments of get"]),
    ("return v.set()", ["1:8 arity: arguments of set"]),
    ("return m.scan('a', prefix='b')", ["1:8 arity: arguments of scan"]),
    ("return m.scan('a', start='b')", ["1:8 arity: arguments of scan"]),
    ("return m.scan(1, 2, 3, 4)", ["1:8 arity: arguments of scan"]),
    ("return m.get(nothing)", [f"1:14 undefined-name: nothing {DEFINED}"]),
    ("return m.scan(limit=nothing)", [f"1:21 undefined-name: nothing {DEFINED}"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), RULES)
def test_a_function_is_told_what_is_wrong_with_it_where_and_what_to_do(body, said):
    assert read(body) == said
