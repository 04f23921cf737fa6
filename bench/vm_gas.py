"""Calibration of the gas schedule: ns per gas of each operation, from the same two runs.

Each operation runs in a loop next to an empty loop; the difference in time over the
difference in gas is its price's worth. The bar: nothing above 3 times the median
(underpriced); far below is safe. ``python -m bench.vm_gas [--json]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

from vm.authoring import Bench

HEADER = """
from vm import Var, Map, record, event, export, ctx, require, emit, replace, Address
from vm import mul_div, mul_div_up, parse_fixed, format_fixed, sha256, verify_ed25519

TABLE = {"x": 1, "y": 2}
NESTED = {"x": [1, 2]}

@record
class Lot:
    owner: Address
    start: int
    state: str

@event
class Moved:
    to: Address
    amount: int

counts = Map[str, int](default=0)
lots = Map[tuple[str, int], Lot]()
big = Map[int, list[int]](default=[])
total = Var[int]()

def helper(n: int) -> int:
    return n

def three(a: int, b: int, c: int) -> int:
    return a
"""

SETUP = """
    n = 12345
    m = 678
    w = 2 ** 250
    s = 'hello world'
    b = b'hello world'
    long = 'ab' * 5000
    raw = long.encode()
    xs = [x for x in range(100)]
    ss = [str(x) for x in range(100)]
    ps = [(x, x) for x in range(100)]
    d = {t: 1 for t in ss}
    r = Lot(ctx.sender, 1, 'a')
    me = ctx.sender
    lots['a', 1] = r
    counts['a'] = 1
    big[1] = xs
    for i in range(20):
        lots['b', i] = r
"""

OPERATIONS = [
    "x = n", "x = n + m", "x = w + n", "x = n - m", "x = n * m", "x = w // n", "x = w % n",
    "x = 3 ** 150", "x = n << 100", "x = w >> 100", "x = n & m", "x = n | m", "x = n ^ m",
    "x = -n", "x = ~n", "x = s + s", "x = b + b", "x = long + long", "x = xs + xs", "x = s * 3",
    "x = n == m", "x = n != m", "x = n < m", "x = s == s", "x = s < 'x'", "x = me == me",
    "x = xs == xs", "x = r == r", "x = (n, m) < (n, m)", "x = 'w' in s", "x = 99 in xs",
    "x = 's' in d", "x = 'zz' in long", "x = n is None", "x = not n", "x = n and m",
    "x = 1 if n else 2", "x = xs[5]", "x = d['5']", "x = s[3]", "x = xs[10:20]", "x = long[10:]",
    "xs[5] = n", "d['5'] = n", "x = [n, m, n]", "x = (n, m)", "x = {'a': n}", "x = []", "x = {}",
    "x, y = n, m", "x, y = ps[0]", "x = [q for q in xs]", "x = [q + 1 for q in xs]",
    "x = {q: 1 for q in ss}", "x = [q for q, t in ps]", "x = f'{n}'", "x = f'a{n}b{m}c'",
    "x = f'{me}'", "x = r.start", "x = ctx.height", "x = ctx.sender", "x = helper(n)",
    "x = three(n, n, n)", "x = Lot(me, 1, 'a')", "x = replace(r, start=2)", "x = TABLE['x']",
    "x = NESTED['x']", "x = len(xs)", "x = int('12345')", "x = int('9' * 70)", "x = str(n)",
    "x = str(w)", "x = bool(n)", "x = abs(n)", "x = min(n, m)", "x = max(xs)", "x = max(ss)",
    "x = sum(xs)", "x = sorted(xs)", "x = sorted(ss)", "x = sorted(ps)", "x = reversed(xs)",
    "x = range(5)", "x = enumerate(xs)", "x = zip(xs, xs)", "x = list(xs)", "x = tuple(xs)",
    "x = dict(d)", "x = dict(ps[0:1])", "x = any(xs)", "x = all(xs)", "x = divmod(w, n)",
    "require(n > m, 'a')", "emit(Moved(me, n))", "x = mul_div(w, w, w)", "x = mul_div_up(n, m, n)",
    "x = parse_fixed('12.345', 6)", "x = format_fixed(n, 3)", "x = sha256(b)", "x = sha256(raw)",
    "x = verify_ed25519(me, b, raw[0:64])", "x = Address(me)", "x = s.startswith('he')",
    "x = s.endswith('ld')", "x = s.find('w')", "x = long.find('zz')", "x = s.split(' ')",
    "x = long.split('b')", "x = '-'.join(ss)", "x = s.replace('o', 'x')",
    "x = long.replace('a', 'x')", "x = s.strip()", "x = s.lower()", "x = long.upper()",
    "x = s.isdigit()", "x = long.isalnum()", "x = s.encode()", "x = b.hex()", "x = raw.hex()",
    "xs.append(1)\n        xs.pop()", "xs.extend([1])\n        xs.pop()", "x = d.get('5')",
    "x = d.keys()", "x = d.values()", "x = d.items()", "x = counts['a']", "x = counts.get('z')",
    "counts['a'] = n", "counts['a'] += 1", "x = 'a' in counts", "x = total.get()", "total.set(n)",
    "x = lots['a', 1]", "lots['a', 1] = r", "x = lots.scan('b')", "x = lots.scan('b', limit=2)",
    "x = big[1]", "big[1] = xs", "for q in xs:\n            pass",
    "for q, t in ps:\n            pass",
    "if n:\n            pass",
]  # fmt: skip
MEMORY_HEAVY = ("long", "xs + xs", "raw", "ss}", "enumerate", "zip", "items", "ps]", "dict(d)")


def make_source(operation: str) -> str:
    """Return a contract that runs ``operation`` n times."""
    body = f"\n    for turn in range(count):\n        {operation}\n    return 0\n"
    return HEADER + "\n@export\ndef f(count: int) -> int:" + SETUP + body


def measure(operation: str, turns: int) -> tuple[float, int]:
    """Return the seconds and the gas of ``turns`` turns; the best of five runs."""
    bench = Bench(make_source(operation))
    if bench.problems:
        raise SystemExit(f"{operation}: {bench.problems[0]}")
    bench.deploy()
    best = 1e9
    gas = 0
    for _ in range(5):
        start = time.perf_counter()
        outcome = bench.call(f"f({turns})", gas_limit=10**10)
        best = min(best, time.perf_counter() - start)
        gas = outcome.gas
        if outcome.status != "ok":
            raise SystemExit(f"{operation}: {outcome.status} {outcome.code}")
    return best, gas


def calibrate(turns: int) -> list[dict[str, Any]]:
    """Return each operation with its ns, gas and ns per gas, dearest first."""
    rows = []
    for operation in OPERATIONS:
        count = turns // 40 if any(word in operation for word in MEMORY_HEAVY) else turns
        base_time, base_gas = measure("pass", count)
        spent, gas = measure(operation, count)
        ns, price = (spent - base_time) / count * 1e9, (gas - base_gas) / count
        rows.append({"operation": operation, "ns": round(ns), "gas": round(price, 1),
                     "nsPerGas": round(ns / max(price, 1), 2)})  # fmt: skip
    return sorted(rows, key=lambda row: -row["nsPerGas"])


def main() -> None:
    """Print the table; exit 1 when an operation is over 3 times the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = calibrate(options.turns)
    median = statistics.median(row["nsPerGas"] for row in rows)
    over = [row for row in rows if row["nsPerGas"] > 3 * median]
    if options.json:
        print(json.dumps({"medianNsPerGas": median, "rows": rows, "over": over}, indent=2))
    else:
        for row in rows:
            ratio = row["nsPerGas"] / median
            figures = f"{ratio:6.2f}x {row['nsPerGas']:8.2f} ns/gas {row['ns']:9} ns"
            print(f"{figures}  {row['operation']!r}")
        print(f"median {median} ns/gas, {len(over)} of {len(rows)} over 3 times")
    raise SystemExit(1 if over else 0)


if __name__ == "__main__":
    main()
