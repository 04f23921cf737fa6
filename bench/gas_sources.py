"""Sources for the price of deploying: what is dense, deep, wide or refused, near the limits.

What a byte costs depends on what it says; the price must cover the worst.
"""

from __future__ import annotations

import ast

from bench.vm_cases import load_source
from vm.compiler import check_source
from vm.inclusion import DIGESTS, load_module
from vm.lexer import SOURCE_BYTES_MAX

Words = dict[str, ast.FunctionDef | ast.ClassDef]
"""What a contract imports of a module, by name."""


def list_sources() -> list[tuple[str, str]]:
    """Return (name, source); each near SOURCE_BYTES_MAX unless another limit is met before."""
    sources = [(f"deploy {name}.py", load_source(name)) for name in ("units", "retirement")]
    for name, head, line in (
        ("sums", "def f(a: int) -> int:\n", "    a = a+a+a+a+a+a+a+a+a+a\n"),
        ("assignments", "def f(a: int) -> None:\n", "    a=a\n"),
        ("branches", "def f(a: int) -> None:\n", "    if a:\n        a=a\n"),
        ("comparisons", "def f(a: int) -> None:\n", "    b=a<a<a<a<a<a<a<a\n"),
        ("calls", "def g(a: int) -> int:\n    return a\ndef f(a: int) -> None:\n", "    g(g(a))\n"),
        ("lists", "def f(a: int) -> None:\n", "    b=[a,a,a,a,a,a,a,a,a,a,a,a]\n"),
        ("texts", "def f(a: int) -> None:\n", "    b=f'{a}{a}{a}{a}{a}'\n"),
        ("comprehensions", "def f(a: list[int]) -> None:\n", "    b=[x for x in a if x]\n"),
        ("subscripts", "def f(a: list[int]) -> None:\n", "    a[0]=a[1]\n"),
        ("comments", "def f(a: int) -> None:\n    pass\n", "#" + "x" * 110 + "\n"),
        ("empty lines", "def f(a: int) -> None:\n    pass\n", "\n"),
    ):
        sources.append((f"deploy {name}", fill(head, line)))
    sources.append(("deploy functions", _number("def f{n}(a: int) -> int:\n    return a\n", 128)))
    exports = "from vm import export\n" + _number(
        "@export\ndef f{n}(a: int, b: str, c: list[int], d: dict[str, int]) -> dict[str, int]:\n"
        "    return d\n", 128
    )  # fmt: skip
    sources.append(("deploy exports", exports))
    wide = "from vm import record, Map, export\n" + _number(
        "@record\nclass R{n}:\n" + "".join(f"    a{i}: int\n" for i in range(60)), 25
    )
    maps = _number("m{n} = Map[str, R{n}]()\n", 25)
    uses = "@export\ndef f(a: str) -> None:\n" + _number("    m{n}[a] = m{n}[a]\n", 25)
    sources.append(("deploy records", wide + maps + uses))
    entries = "".join(f"    'k{number}': {number},\n" for number in range(90))
    sources.append(("deploy constant tables", _number("T{n} = {\n" + entries + "}\n", 21)))
    sources.append(
        ("deploy refused at the end", sources[2][1] + "def g(b: int) -> int:\n    b.c\n")
    )
    sources.append(("deploy refused everywhere", fill("def f(a: int) -> None:\n", "    b.c\n")))
    return sources + list_importing()


def list_importing() -> list[tuple[str, str]]:
    """Return sources that import: short texts, since what they bring is most of the work.

    The modules are those that there are. Beside each whole module and all of them together
    stands one word of each, as a module is read whole for any of its words.
    """
    whole = {module: list_words(module) for module in sorted(DIGESTS)}
    sources = [
        (f"deploy imports of {module}", make_importing({module: words}))
        for module, words in whole.items()
    ]
    together, least = dict[str, Words](), dict[str, Words]()
    taken, named = set[str](), set[str]()  # two modules may have a word in common
    for module, words in whole.items():
        together[module] = {name: node for name, node in words.items() if name not in taken}
        taken |= set(words)
        free = {name: node for name, node in words.items() if name not in named}
        shortest = min(free, key=lambda name: len(ast.dump(free[name])))
        least[module] = {shortest: free[shortest]}
        named.add(shortest)
    sources.append(("deploy imports of all modules", make_importing(together)))
    sources.append(("deploy imports of a word of each module", make_importing(least)))
    return sources


def list_words(module: str) -> Words:
    """Return the functions of a library module; its records, if it has nothing else."""
    nodes = load_module(module).tree.body
    functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    records = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    return dict(functions or records)


def make_importing(modules: dict[str, Words]) -> str:
    """Return a contract that imports these words and calls each function once."""
    heads = [
        f"from {module} import (\n" + "".join(f"    {name},\n" for name in words) + ")\n"
        for module, words in modules.items()
    ]
    calls = [
        f"    {name}({', '.join('a' * len(node.args.args))})\n"
        for words in modules.values()
        for name, node in words.items()
        if isinstance(node, ast.FunctionDef)
    ]
    return "".join(heads) + "def f(a: int) -> None:\n" + ("".join(calls) or "    pass\n")


def fill(head: str, line: str) -> str:
    """Return ``head`` and as many lines as the limits allow (bytes, nodes)."""
    low, high = 1, (SOURCE_BYTES_MAX - len(head)) // len(line)
    first = check_source(head + line)
    codes = {problem.code for problem in first}
    while low < high:
        middle = (low + high + 1) // 2
        problems = check_source(head + line * middle)
        if {problem.code for problem in problems} <= codes:
            low = middle
        else:
            high = middle - 1
    return head + line * low


def _number(text: str, count: int) -> str:
    return "".join(text.replace("{n}", str(number)) for number in range(count))
