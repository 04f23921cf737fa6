"""The adversarial corpus, part four: the storage boundary, scans, recursion, parser and compiler.

Rows as in tests/adversarial/programs.py.
"""

# ruff: noqa: E501 - a program's text is clearer on one line

ALIASING = [
    ("ok=[[[1]], [[1], [2]]]", "x = lists['a']\nx.append([2])\nreturn [lists['a'], x]"),
    ("ok=[[1]]", "x = lists['a']\nx[0].append(2)\nreturn lists['b']"),
    (
        "ok=[[1]]",
        "x = lists['a']\nlists['a'] = x\nx[0].append(5)\nx.append([6])\nreturn lists['a']",
    ),
    ("ok=[[1], [1]]", "x = [1]\nlists['a'] = [x, x]\nx.append(2)\nreturn lists['a']"),
    ("ok=[[1, 2], [1]]", "x = [1]\nlists['a'] = [x, x]\ny = lists['a']\ny[0].append(2)\nreturn y"),
    ("ok=[1, 2]", "x = held.get()\nx.append(3)\nreturn held.get()"),
    ("ok=[1, 2]", "held.set(held.get())\nx = held.get()\nx.pop()\nreturn held.get()"),
    ("ok=[9]", "x = [9]\ny = held.get(x)\nheld.set(x)\ny.append(1)\nreturn held.get()"),
    (
        "ok=[[['k', [1]]], [['k', [1, 2]]]]",
        "tables['a'] = {'k': [1]}\nx = tables['a']\nx['k'].append(2)\nreturn [tables['a'], x]",
    ),
    (
        "ok=[['k', [1]]]",
        "x = {'k': [1]}\ntables['a'] = x\nx['k'].append(2)\nx['z'] = [3]\nreturn tables['a']",
    ),
    (
        "ok=['t']",
        "x = ['t']\nlots['a'] = Lot(ctx.sender, 1, x)\nx.append('u')\nreturn lots['a'].tags",
    ),
    ("ok=['t', 'u']", "x = ['t']\ny = Lot(ctx.sender, 1, x)\nx.append('u')\nreturn y.tags"),
    (
        "ok=['t']",
        "lots['a'] = Lot(ctx.sender, 1, ['t'])\nx = lots['a']\nx.tags.append('u')\nreturn lots['a'].tags",
    ),
    ("fault:type", "x = Lot(ctx.sender, 1, [])\nx.tags.append(5)\nlots['a'] = x"),
    (
        "fault:type",
        "x = Lot(ctx.sender, 1, [])\nx.tags.append(5)\nreturn x.start + replace(x, start=2).start",
    ),
    (
        "ok=[['t', 'u'], ['t', 'u']]",
        "x = Lot(ctx.sender, 1, ['t'])\ny = replace(x, start=2)\ny.tags.append('u')\nreturn [x.tags, y.tags]",
    ),
    (
        "ok=[[5]]",
        "boxes['a'] = Box(Lot(ctx.sender, 1, []), [[5]])\nx = boxes['a'].rows\nx[0].append(6)\n"
        "return boxes['a'].rows",
    ),
    ("rejected:lost-write", "lists['a'].append([1])"),
    ("rejected:lost-write", "lists['a'][0].append(1)"),
    ("rejected:lost-write", "lists['a'][0] = [1]"),
    ("rejected:lost-write", "lists['a'][0][0] += 1"),
    ("rejected:lost-write", "del lists['a'][0]"),
    ("rejected:lost-write", "lists.get('a').append([1])"),
    ("rejected:lost-write", "lots['a'].tags.append('x')"),
    ("rejected:lost-write", "tables['a']['k'] = [1]"),
    ("rejected:lost-write", "tables['a']['k'].append(1)"),
    ("rejected:lost-write", "held.get().append(1)"),
    ("rejected:lost-write", "held.get().pop()"),
    ("fault:type", "counts['a'] = True"),
    ("fault:type", "counts['a'] = '1'"),
    ("fault:type", "counts['a'] = None"),
    ("fault:type", "lists['a'] = [1]"),
    ("fault:type", "lists['a'] = [[True]]"),
    ("fault:type", "lists['a'] = ([1],)"),
    ("fault:type", "tables['a'] = {1: [1]}"),
    ("fault:type", "lots['a'] = Moved(ctx.sender, 1)"),
    ("fault:type", "counts[1] = 1"),
    ("fault:type", "numbers['1'] = 'a'"),
    ("fault:type", "numbers[True] = 'a'"),
    ("fault:type", "pairs['a'] = 1"),
    ("fault:type", "pairs['a', 'b'] = 1"),
    ("fault:type", "pairs['a', 1, 2] = 1"),
    ("fault:type", "pairs[['a', 1]] = 1"),
    ("fault:type", "pairs[()] = 1"),
    ("fault:key", "return pairs['a', 1]"),
    ("fault:key", "del counts['a']"),
    ("fault:key", "return lots['a']"),
    ("ok=None", "return lots.get('a')"),
    ("fault:size", "counts['a' * 257] = 1"),
    ("fault:size", "return counts['a' * 1000000]"),
    ("fault:size", "pairs['a' * 230, 1] = 1"),
    ("fault:size", "numbers[1] = 'a' * 16385"),
    ("fault:size", "lists['a'] = [[0] * 16385]"),
    ("exhausted", "x = 'a' * 16000\nwhile True:\n    numbers[1] = x"),
    ("exhausted", "i = 0\nwhile True:\n    numbers[i] = 'a' * 16000\n    i += 1"),
    ("exhausted", "numbers[1] = 'a' * 16000\nwhile True:\n    x = numbers[1]"),
    ("exhausted", "lists['a'] = [[1] * 5000]\nwhile True:\n    x = lists['a']"),
    ("exhausted", "while True:\n    x = counts['a']"),
    ("exhausted", "while True:\n    x = 'a' in counts"),
    ("exhausted", "while True:\n    counts['a'] = 1\n    del counts['a']"),
    ("exhausted", "while True:\n    emit(Moved(ctx.sender, 1))"),
    ("fault:size", "lots['a'] = Lot(ctx.sender, 1, ['a' * 5000] * 4)"),
    ("fault:type", "x = []\nx.append(x)\nheld.set(x)"),
    ("exhausted", "x = ['a' * 100000] * 500\nlots['a'] = Lot(ctx.sender, 1, x)"),
    ("exhausted", "x = 'a' * 4000000\nnumbers[1] = x"),
]

SCANS = [
    ("ok=[]", "return counts.scan()"),
    ("ok=[['a', 1]]", "counts['a'] = 1\ncounts['b'] = 1\ndel counts['b']\nreturn counts.scan()"),
    (
        "ok=[-2, -1, 0, 1]",
        "for i in [1, -1, 0, -2]:\n    numbers[i] = 'x'\nreturn [k for k, n in numbers.scan()]",
    ),
    (
        "ok=['', 'a', 'aa', 'b']",
        "for k in ['b', 'aa', 'a', '']:\n    counts[k] = 1\nreturn [k for k, n in counts.scan()]",
    ),
    (
        "ok=['a', 'aa']",
        "for k in ['b', 'aa', 'a', '']:\n    counts[k] = 1\nreturn [k for k, n in counts.scan('a')]",
    ),
    (
        "ok=['b']",
        "for k in ['b', 'aa', 'a']:\n    counts[k] = 1\nreturn [k for k, n in counts.scan(after='aa')]",
    ),
    ("ok=[]", "counts['a'] = 1\nreturn counts.scan(limit=0)"),
    ("fault:size", "return counts.scan(limit=201)"),
    ("fault:size", "return counts.scan(limit=-1)"),
    ("fault:size", "return counts.scan(limit=2 ** 254)"),
    ("fault:type", "return counts.scan(limit=True)"),
    ("fault:type", "return counts.scan(limit='1')"),
    ("fault:type", "return counts.scan(1)"),
    ("fault:type", "return counts.scan(after=1)"),
    ("fault:size", "return counts.scan('a' * 300)"),
    (
        "ok=[['a', 1], ['a', 2]]",
        "pairs['a', 2] = 1\npairs['a', 1] = 1\npairs['b', 0] = 1\n"
        "return [k for k, n in pairs.scan('a')]",
    ),
    (
        "ok=[['a', 1]]",
        "pairs['a', 2] = 1\npairs['a', 1] = 1\nreturn [k for k, n in pairs.scan(('a', 1))]",
    ),
    ("fault:type", "return pairs.scan(('a', 1, 2))"),
    ("fault:type", "return pairs.scan(after='a')"),
    ("ok=1", "counts['a'] = 1\nx = counts.scan()\ncounts['b'] = 1\nreturn len(x)"),
    (
        "exhausted",
        "for i in range(300):\n    numbers[i] = 'x'\nwhile True:\n    x = numbers.scan(limit=200)",
    ),
    (
        "exhausted",
        "for i in range(200):\n    numbers[i] = 'x'\n    del numbers[i]\nwhile True:\n    x = numbers.scan()",
    ),
    (
        "exhausted",
        "i = 0\nwhile True:\n    numbers[i] = 'x'\n    x = numbers.scan(limit=1)\n    i -= 1",
    ),
    ("exhausted", "while True:\n    x = counts.scan(limit=0)"),
    ("rejected:lost-write", "counts.scan().append(('a', 1))"),
    ("rejected:method", "return total.scan()"),
    ("rejected:method", "return counts.items()"),
    ("rejected:not-a-value", "for k in counts:\n    pass"),
    ("rejected:not-a-value", "return len(counts)"),
]

RECURSION = [
    ("rejected:recursion", "|def f() -> int:\n    return f()\n"),
    ("rejected:recursion", "|def f() -> int:\n    return g()\ndef g() -> int:\n    return f()\n"),
    ("rejected:recursion", "|def f() -> int:\n    return h()\ndef g() -> int:\n    return 1\n"
                           "def h() -> int:\n    if False:\n        return f()\n    return g()\n"),
    ("rejected:recursion", "return f(a)"),
    ("rejected:recursion", "return [f(i) for i in [1]]"),
    ("rejected:call-chain", "|" + "".join(f"def f{n}() -> int:\n    return f{n + 1}()\n" for n in range(17))
     + "def f17() -> int:\n    return 1\n"),
    ("fault:reentrancy", "return call('main', 'f', 1)"),
    ("fault:reentrancy", "return call(ctx.contract, 'f', 1)"),
    ("fault:reentrancy", "return call('main', 'nothing')"),
    ("fault:no-method", "return call('nobody', 'f')"),
    ("fault:no-method", "return call('', 'f')"),
    ("fault:no-method", "return call('a' * 100000, 'f')"),
    ("fault:no-method", "return call('main\\n', 'f')"),
    ("fault:no-method", "return call('../main', 'f')"),
    ("fault:no-method", "return call(ctx.sender, 'f')"),
    ("fault:no-method", "return call('system', 'deploy', 'x', 'y')"),
    ("fault:type", "return call(b'main', 'f')"),
    ("fault:type", "return call(None, 'f')"),
    ("exhausted", "|from vm import export\n" + "".join(
        f"def f{n}() -> int:\n    f{n + 1}()\n    return f{n + 1}()\n" for n in range(14))
     + "def f14() -> int:\n    x = 0\n    for i in range(9):\n        x += i\n    return x\n"
     + "@export\ndef f() -> int:\n    return f0()\n"),
]  # fmt: skip


def _nest(opening: str, closing: str, times: int, inner: str = "a") -> str:
    return "return " + opening * times + inner + closing * times


PARSER = [
    ("rejected:bracket-depth", _nest("(", ")", 25)),
    ("rejected:bracket-depth", _nest("[", "]", 45)),
    ("rejected:bracket-depth", _nest("{1:\n", "}", 25)),
    ("rejected:bracket-depth", _nest("abs(\n", ")", 25)),
    ("rejected:bracket", "return " + "(" * 20),
    ("rejected:bracket", "return )" + ")" * 100),
    ("rejected:bracket", "return [(])"),
    ("rejected:line-length", "return " + "-" * 200 + "a"),
    ("rejected:syntax", "return (\n" + "-\n" * 300 + "a)"),
    ("rejected:syntax", "return (\n" + "not\n" * 300 + "a)"),
    ("rejected:syntax", "return (\n" + "a +\n" * 150 + "a)"),
    ("rejected:syntax", "return (\n" + "a **\n" * 150 + "a)"),
    ("rejected:syntax", "return (\n" + "a if a else\n" * 80 + "a)"),
    ("rejected:syntax", "return (\n" + "lambda:\n" * 150 + "a)"),
    ("rejected:syntax", "return a" + ".a" * 50),
    ("rejected:syntax", "return (a\n" + "[0]\n" * 50 + ")"),
    ("rejected:line-tokens", "return [\n" + "0,\n" * 400 + "]"),
    ("rejected:line-tokens", "return (\n" + "a and\n" * 400 + "a)"),
    ("rejected:source-size", "|" + "#" * 80 + ("\n" + "#" * 80) * 410),
    ("rejected:source-size", "|" + "\n" * 40000),
    ("rejected:line-length", "|#" + "#" * 120),
    ("rejected:syntax", "|" + "def f() -> int:\n    return 1\n" * 0 + "def f() -> int:\n"),
    ("rejected:syntax", "|  x = 1\n"),
    ("rejected:syntax", "|x = 1\n  y = 2\n"),
    ("rejected:syntax", "|def f() -> int:\n    return 1\n  x = 2\n"),
    ("rejected:string", "|x = '''" + "\n" * 100),
    ("rejected:bracket", "|x = [" + "\n" * 100),
    ("rejected:indent", "|def f() -> int:\n" + " " * 90 + "return 1\n"),
    ("fault:no-method", "|" + "\n" * 32000),
    ("fault:no-method", "|" + ("#" * 100 + "\n") * 320),
]

COMPILER = [
    ("rejected:syntax", "|" + "".join(f"def f{n}() -> int:\n    return 1\n" for n in range(129))),
    ("rejected:syntax", "\n".join(["x = [" + "0," * 50 + "0]"] * 240)),
    ("rejected:syntax", "\n".join("    " * n + "while a:" for n in range(9)) + "\n" + "    " * 9 + "pass"),
    ("rejected:syntax", "|" + "".join(f"K{n} = [" + "1," * 50 + "]\n" for n in range(250))),
    ("rejected:elif", "if a == 0:\n    pass\n" + "".join(f"elif a == {n}:\n    pass\n" for n in range(1, 67))
     + "return 1"),
    ("ok=7", "\n".join("x = [a, [a, [a, [a, [a, [a, [a]]]]]]]" for n in range(50)) + "\nreturn x[0]"),
    ("ok=8", "\n".join(f"x{n} = a" for n in range(1500)) + "\nreturn x1499 + 1"),
    ("rejected:type-size", "|from vm import record\n@record\nclass R0:\n    x: int\n" + "".join(
        f"@record\nclass R{n}:\n    x: R{n - 1}\n    y: R{n - 1}\n    z: R{n - 1}\n    w: R{n - 1}\n"
        for n in range(1, 12))),
    ("rejected:type-size", "|from vm import Var\nv = Var[" + "list[" * 17 + "int" + "]" * 17 + "]()\n"),
    ("rejected:type-size", "|from vm import record\n@record\nclass R0:\n    x: int\n" + "".join(
        f"@record\nclass R{n}:\n    x: R{n - 1}\n" for n in range(1, 300))),
    ("rejected:arity", "|def f(" + ", ".join(f"a{n}: int" for n in range(12)) + ",\n "
     + ", ".join(f"b{n}: int" for n in range(12)) + ",\n " + ", ".join(f"c{n}: int" for n in range(12))
     + ") -> int:\n    return 1\n"),
    ("rejected:arity", "return zip(" + ", ".join(["K"] * 9) + ")"),
    ("rejected:arity", "return min(\n" + "a,\n" * 33 + ")"),
]  # fmt: skip


def _fill(line: str, size: int, end: str = "    return 1\n") -> str:
    """A source of nearly ``size`` bytes, of one function that repeats ``line``."""
    head = "|def f(a: int) -> int:\n"
    return head + line * ((size - len(head) - len(end)) // len(line)) + end


DEPLOY = [
    ("rejected:syntax", _fill("    x = [" + "0," * 40 + "0]\n", 32_000)),
    ("rejected:syntax", _fill("    x = " + "[" * 18 + "a" + "]" * 18 + "\n", 32_000)),
    ("rejected:syntax", _fill("    x=a+a+a+a+a+a+a\n", 32_000)),
    ("rejected:syntax", _fill("    x=f'{a}{a}{a}{a}{a}{a}{a}{a}'\n", 32_000)),
    ("rejected:syntax", _fill("    x=y+z\n", 32_000)),
    ("rejected:character", _fill("    $;$;$;\n", 32_000)),
    ("fault:no-method", _fill("    x=[i for i in [j for j in []]]\n", 22_000)),
    ("fault:no-method", _fill("    if a:\n     x=a\n", 32_700)),
    ("fault:no-method", _fill("    x={'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa':a}\n", 32_700)),
    ("fault:no-method", _fill("    x=a\n", 24_000)),
    ("fault:no-method", "|" + "".join(f"K{n}='{'x' * 100}'\n" for n in range(290))),
    ("fault:no-method", "|" + "".join(
        f"def f{n}(" + ",\n".join(f"a{i}: int" for i in range(32)) + ") -> int:\n    return 1\n"
        for n in range(60))),
    ("fault:no-method", "|from vm import record, Map\n@record\nclass R:\n"
     + "".join(f"    a{n}: int\n" for n in range(60))
     + "".join(f"v{n} = Map[str, R]()\n" for n in range(60))),
    ("rejected:type-size", "|from vm import record, Map\n@record\nclass R:\n"
     + "".join(f"    a{n}: int\n" for n in range(60))
     + "".join(f"v{n} = Map[str, R]()\n" for n in range(70))),
    ("rejected:default", "|from vm import Var\nv = Var[list[int]](default=[" + "1," * 40 + "x])\n"),
]  # fmt: skip

FAMILIES = {
    "storage-alias": ALIASING, "scan": SCANS, "recursion": RECURSION, "parser-bomb": PARSER,
    "compiler-bomb": COMPILER, "deploy-bomb": DEPLOY,
}  # fmt: skip
