"""Token splicer: valid programs cut, stirred and sewn together again.

Most of what comes out is refused. None may crash the checker, every Python must give the
same verdict, and what is accepted must run alike on both evaluators.
"""

import re
from dataclasses import replace
from functools import cache
from random import Random

from tests.fuzz.cases import Case
from tests.fuzz.interpreters import ROOT
from tests.unit.vm.vm_corpus import FAILURES, HEADER, VALUES

_TOKEN = re.compile(
    r"\n[ ]*|[ ]+|#[^\n]*|f?b?'(?:[^'\\\n]|\\.)*'|f?b?\"(?:[^\"\\\n]|\\.)*\"|[A-Za-z_]\w*"
    r"|[0-9][0-9A-Za-z_]*|\*\*=?|//=?|<<=?|>>=?|->|[-+*%&|^<>=!]=|."
)
WORDS = (
    'if', 'else', 'elif', 'for', 'while', 'in', 'not', 'and', 'or', 'is', 'None', 'True', 'False',
    'return', 'pass', 'break', 'continue', 'def', 'class', 'del', 'from', 'import', 'lambda',
    'yield', 'await', 'async', 'try', 'except', 'finally', 'raise', 'with', 'as', 'match', 'case',
    'global', 'nonlocal', 'assert', 'type', 'print', 'eval', 'exec', 'getattr', 'len', 'int',
    'str', 'bool', 'list', 'dict', 'tuple', 'sorted', 'sum', 'range', 'self', 'super', 'object',
    'Exception', 'globals', 'vars', 'format', 'format_map', 'real', 'imag', 'mro', 'gi_frame',
    'f_back', 'tb_frame', 'append', 'pop', 'get', 'set', 'scan', 'keys', 'items', 'values',
    'sender', 'contract', 'Address', 'ctx', 'call', 'emit',
)  # fmt: skip
PIECES = (
    '.__class__', '.__globals__', '().__class__', "__import__('os')", 'lambda: 0', ':=', '*',
    '**', '@', '...', '->', '(yield)', '[*x]', '{**x}', "f'{x!r}'", "f'{x:>9}'", "f'{x=}'",
    "f'''{x}\n{y}'''", "rb'a'", "'a' 'b'", '1.5', '1e9', '0o7', '0b1', '0xff', '1_0', '0_0',
    '1if 1else 2', "9" * 80, '\t', '\r', '\x0c', '\x00', '\ufeff', '\u212a', '\uff4c', '\\\n',
    ';', '!', '$', '?', '`', "'''", '"""', '{', '}', '[', ']', '(', ')', ':', ',', '=', '==', '<',
    '<=', '!=', '~', '-', '+', 'not', 'is not None', 'if True else', 'for x in', '[0]', '[1:]',
    '[::2]', '.x', 'x.y', '()', '(1,)', '{1: 2}', '# -*-', "b'a'", "f'{ctx.height}'", '\n',
    '\n    ', '\n        pass\n', '\nelse:\n    ', '2 ** 300',
)  # fmt: skip


@cache
def get_bases() -> tuple[Case, ...]:
    """Programs that people wrote: the corpus of every construct, and shipped contracts."""
    head = HEADER.replace("def f(a: int) -> int:", "def f(a: int):")
    calls = ((1, 60_000, [("main", "f", [7])]),)
    rows = [row[0] for row in (*VALUES, *FAILURES)]
    bases = [Case((("main", f"{head}    {body}\n", []),), calls) for body in rows]
    for path in sorted((ROOT / "vm" / "contracts").glob("*.py")):
        bases.append(Case(((path.stem, path.read_text(), []),), ()))
    return tuple(bases)


def tokenize(source: str) -> list[str]:
    return _TOKEN.findall(source)


def splice(rng: Random, case: Case, other: Case) -> Case:
    """The case with one of its sources changed in one to four places."""
    index = rng.randrange(len(case.contracts))
    name, source, arguments = case.contracts[index]
    tokens = tokenize(source)
    donor = tokenize(rng.choice(other.contracts)[1])
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        _change(rng, tokens, donor)
    contracts = list(case.contracts)
    contracts[index] = (name, "".join(tokens), arguments)
    return replace(case, contracts=tuple(contracts))


def _change(rng: Random, tokens: list[str], donor: list[str]) -> None:
    tokens[:] = [token for token in tokens if token] or ["\n"]
    # A blank is seldom worth a change; lines and words are.
    places = [i for i, token in enumerate(tokens) if token.strip(" ")] or [0]
    at, to = rng.choice(places), rng.choice(places)
    span = min(rng.choice((1, 1, 2, 5)), len(tokens) - at)
    match rng.randrange(9):
        case 0:
            del tokens[at : at + span]
        case 1:
            tokens[at:at] = tokens[to : to + span]
        case 2:
            tokens[at], tokens[to] = tokens[to], tokens[at]
        case 3:
            tokens[at] = rng.choice(PIECES)
        case 4:
            tokens.insert(at, rng.choice(PIECES))
        case 5:
            tokens[at] = rng.choice(WORDS)
        case 6:
            start = rng.randrange(len(donor))
            tokens[at : at + span] = donor[start : start + rng.choice((1, 3, 8))]
        case 7:
            _swap_alike(rng, tokens, at)
        case 8:
            tokens[at] = tokens[at][:-1] + rng.choice(("", " ", "_", "0", "\\", "'", "e", "."))


def _swap_alike(rng: Random, tokens: list[str], at: int) -> None:
    """Put another token of the same sort here: what comes out often still parses."""
    name = re.compile(r"[A-Za-z_]\w*\Z")
    sort = name.match if name.match(tokens[at]) else lambda token: token[0] == tokens[at][0]
    alike = [token for token in tokens if sort(token)]
    tokens[at] = rng.choice(alike)
