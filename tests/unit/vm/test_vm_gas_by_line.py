"""The price of each basic block, added up by hand from the table of docs/contracts.md.

Left the lines of a function, right the blocks: the line that each begins in (1 is the
function's head, 2 the first of its lines) and the sum. A block is what runs in a row: up to
and with the head of a branch or a loop. Source: docs/contracts.md, "Gas".
"""

# ruff: noqa: E501 - a block and its sum are clearer on one line

import pytest

from vm.authoring import get_gas_by_line

# As the table has them; every statement and every expression is a node, and so is a name that is set.
NODE, BLOCK, TURN = 1, 9, 8
ARITHMETIC, DIVISION, POWER, COMPARISON = 20, 34, 65, 12
SUBSCRIPT, FIELD, CONTEXT, PART, DISPLAY, ITEM = 24, 14, 10, 70, 12, 8
METHOD, BUILTIN, CALL, PARAMETER, RECORD, RECORD_FIELD = 75, 60, 14, 2, 90, 50

HEAD = """from vm import Map, Var, ctx, mul_div, record, revert
m = Map[str, int](default=0)
v = Var[int]()
C = 5
T = [1, 2]
@record
class R:
    x: int
    y: int
def g(a: int, b: int) -> int:
    return a
def f(a: int, r: R, t: list[int]):
"""
LINES = HEAD.count("\n")
SET = 3 * NODE
"""``x = 1``: the statement, the name, the value."""

PRICES = [
    # straight on
    ("x = a", [(1, BLOCK + SET)]),
    ("x = a\ny: int = 1", [(1, BLOCK + 2 * SET)]),
    ("'a text'\nreturn", [(1, BLOCK + 2 * NODE)]),
    ("pass", [(1, BLOCK + NODE)]),
    ("x, y = 1, 2", [(1, BLOCK + 4 * NODE + 2 * ITEM)]),
    ("x, y = t", [(1, BLOCK + 3 * NODE + 2 * ITEM)]),
    ("x, y = 1, 2, 3", [(1, BLOCK + 6 * NODE + 2 * ITEM + 5 * DISPLAY)]),
    ("t[0] = 1", [(1, BLOCK + 4 * NODE + SUBSCRIPT)]),
    ("m['k'] = 1", [(1, BLOCK + 3 * NODE + SUBSCRIPT)]),
    ("a += 1", [(1, BLOCK + 2 * NODE + ARITHMETIC)]),
    ("a //= 2", [(1, BLOCK + 2 * NODE + DIVISION)]),
    ("t[0] += 1", [(1, BLOCK + 4 * NODE + ARITHMETIC + 2 * SUBSCRIPT)]),
    ("m['k'] += 1", [(1, BLOCK + 3 * NODE + ARITHMETIC + 2 * SUBSCRIPT)]),
    ("del t[0]", [(1, BLOCK + 3 * NODE + SUBSCRIPT)]),
    ("del m['k'], t[0]", [(1, BLOCK + 4 * NODE + 2 * SUBSCRIPT)]),
    ("revert('x')", [(1, BLOCK + 3 * NODE + BUILTIN)]),
    ("t.append(1)", [(1, BLOCK + 4 * NODE + METHOD)]),
    # expressions
    ("return a + 1", [(1, BLOCK + 4 * NODE + ARITHMETIC)]),
    ("return a // 2", [(1, BLOCK + 4 * NODE + DIVISION)]),
    ("return a % 2", [(1, BLOCK + 4 * NODE + DIVISION)]),
    ("return a ** 2", [(1, BLOCK + 4 * NODE + POWER)]),
    ("return a << 2", [(1, BLOCK + 4 * NODE + ARITHMETIC)]),
    ("return -a", [(1, BLOCK + 3 * NODE + ARITHMETIC)]),
    ("return ~a", [(1, BLOCK + 3 * NODE + ARITHMETIC)]),
    ("return -1", [(1, BLOCK + 2 * NODE)]),
    ("return not a", [(1, BLOCK + 3 * NODE)]),
    ("return a and a or 1", [(1, BLOCK + 6 * NODE)]),
    ("return a if a else 1", [(1, BLOCK + 5 * NODE)]),
    ("return a < 1", [(1, BLOCK + 4 * NODE + COMPARISON)]),
    ("return 1 < a < 3", [(1, BLOCK + 6 * NODE + 2 * COMPARISON)]),
    ("return a is None", [(1, BLOCK + 3 * NODE + COMPARISON)]),
    ("return 'k' not in m", [(1, BLOCK + 3 * NODE + COMPARISON)]),
    ("return 1 in t", [(1, BLOCK + 4 * NODE + COMPARISON)]),
    ("return 1 in T", [(1, BLOCK + 4 * NODE + COMPARISON)]),
    ("return r.x", [(1, BLOCK + 3 * NODE + FIELD)]),
    ("return ctx.time", [(1, BLOCK + 2 * NODE + CONTEXT)]),
    ("return t[0]", [(1, BLOCK + 4 * NODE + SUBSCRIPT)]),
    ("return T[0]", [(1, BLOCK + 4 * NODE + SUBSCRIPT)]),
    ("return m['k']", [(1, BLOCK + 3 * NODE + SUBSCRIPT)]),
    ("return t[1:]", [(1, BLOCK + 4 * NODE + SUBSCRIPT)]),
    ("return t[1:2]", [(1, BLOCK + 5 * NODE + SUBSCRIPT)]),
    ("return [a, 1]", [(1, BLOCK + 4 * NODE + 4 * DISPLAY)]),
    ("return (a,)", [(1, BLOCK + 3 * NODE + 3 * DISPLAY)]),
    ("return {}", [(1, BLOCK + 2 * NODE + 2 * DISPLAY)]),
    ("return {a: 1}", [(1, BLOCK + 4 * NODE + 4 * DISPLAY)]),
    ("return f'{a}b'", [(1, BLOCK + 3 * NODE + 3 * PART)]),
    ("return C + T[0]", [(1, BLOCK + 6 * NODE + ARITHMETIC + SUBSCRIPT)]),
    ("return [i for i in t]", [(1, BLOCK + 3 * NODE + BUILTIN)]),
    ("return [i for i in T for j in t if j]", [(1, BLOCK + 3 * NODE + BUILTIN)]),
    ("return {i: 1 for i in t}", [(1, BLOCK + 3 * NODE + BUILTIN)]),
    # calls
    ("return g(1, 2)", [(1, BLOCK + 4 * NODE + CALL + 2 * PARAMETER)]),
    ("return R(1, y=2)", [(1, BLOCK + 4 * NODE + RECORD + 2 * RECORD_FIELD)]),
    ("return len(t)", [(1, BLOCK + 3 * NODE + BUILTIN)]),
    ("return len(T)", [(1, BLOCK + 3 * NODE + BUILTIN)]),
    ("return sorted(t, reverse=True)", [(1, BLOCK + 4 * NODE + BUILTIN)]),
    ("return mul_div(1, 2, 3)", [(1, BLOCK + 5 * NODE + BUILTIN)]),
    ("return m.get('k')", [(1, BLOCK + 3 * NODE + METHOD)]),
    ("return m.scan(limit=5)", [(1, BLOCK + 3 * NODE + METHOD)]),
    ("return t.pop(0)", [(1, BLOCK + 4 * NODE + METHOD)]),
    # branches and loops: each part is a block, and what follows is one
    ("x = a\nif a:\n    x = 1\nelse:\n    x = 2\nreturn x", [(1, BLOCK + SET + 2 * NODE), (4, BLOCK + SET), (6, BLOCK + SET), (7, BLOCK + 2 * NODE)]),
    ("if a:\n    x = 1\nelif t:\n    x = 2", [(1, BLOCK + 2 * NODE), (3, BLOCK + SET), (4, BLOCK + 2 * NODE), (5, BLOCK + SET)]),
    ("for i in t:\n    x = i\n    y = i\nelse:\n    x = 1\nreturn x", [(1, BLOCK + 2 * NODE + BUILTIN), (2, BLOCK + TURN + 2 * SET), (6, BLOCK + SET), (7, BLOCK + 2 * NODE)]),
    ("for i in T:\n    break", [(1, BLOCK + 2 * NODE + BUILTIN), (2, BLOCK + TURN + NODE)]),
    ("while a < 3:\n    a += 1\nelse:\n    x = 1\nreturn a", [
        (1, BLOCK + NODE + 3 * NODE + COMPARISON),
        (2, BLOCK + TURN + 3 * NODE + COMPARISON + 2 * NODE + ARITHMETIC),  # each turn pays for the next test
        (5, BLOCK + SET), (6, BLOCK + 2 * NODE),
    ]),
    ("while a:\n    pass\nx = 1\nif a:\n    pass\nx = 2\ny = 3", [
        (1, BLOCK + 2 * NODE), (2, BLOCK + TURN + 2 * NODE), (4, BLOCK + SET + 2 * NODE),
        (6, BLOCK + NODE), (7, BLOCK + 2 * SET),
    ]),
    ("if a:\n    for i in t:\n        pass\n    x = 1\nx = 2", [
        (1, BLOCK + 2 * NODE), (3, BLOCK + 2 * NODE + BUILTIN + BLOCK + TURN + NODE), (5, BLOCK + SET), (6, BLOCK + SET),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "blocks"), PRICES)
def test_a_block_costs_what_the_table_says(body, blocks):
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    found = [(line - LINES + 1, gas) for line, gas in get_gas_by_line(HEAD + lines)]
    assert [row for row in found if row[0] > 0] == blocks
