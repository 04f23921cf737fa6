r"""The rules of a contract's text, each with what its author reads when it is broken.

Left the text, right what is said about it: ``line:column code: message (hint)``, one for
each reason. Nothing beside the table is said. Source: docs/contracts.md, "Text".
"""

# ruff: noqa: E501 - a rule and what is said about it are clearer on one line

import pytest

from tests.unit.vm.rulebook import describe
from vm.lexer import check_text


def elifs(count: int, indent: str = "") -> str:
    return f"{indent}elif a:\n{indent}    x = 1\n" * count


INTEGER = "is not a decimal or hex integer"
FLOAT = f"{INTEGER} (no floats: use integers and a scale)"
ESCAPE = "unknown escape (\\n \\\\ \\' \\\" only)"
PLACEHOLDER = "f-string: only {name} or {name.field} (assign it first)"
IF = "if a:\n    x = 1\n"
INNER = "    if a:\n        x = 1\n"


def read(text: str) -> list[str]:
    return describe(check_text(text))


RULES = [
    # size and characters
    ("#\n" * 16_384, []),
    ("#\n" * 16_384 + "#", ["1:1 source-size: source is over 32768 bytes"]),
    ("x = 1\n\ty = 1\n", ["2:1 character: character is not allowed (indent with spaces)"]),
    ("x = 'é'\n", ["1:6 character: character is not allowed (ASCII text only)"]),
    ("x = 1\x7f", ["1:6 character: character is not allowed (ASCII text only)"]),
    ("x = '~ '\n", []),
    ("\t\né\t\n", ["1:1 character: character is not allowed (indent with spaces)", "2:1 character: character is not allowed (ASCII text only)"]),
    ("#" * 120 + "\n", []),
    ("\n" + "#" * 121 + "\n", ["2:121 line-length: line is over 120 characters"]),
    ("é" + "#" * 120, ["1:1 character: character is not allowed (ASCII text only)", "1:121 line-length: line is over 120 characters"]),
    ("x = 1; y = 2\n", ["1:6 character: ';' has no meaning here (one statement a line)"]),
    ("x = 1 + \\\n  2\n", ["1:9 character: '\\\\' has no meaning here (break lines inside brackets)"]),
    ("x = 1\ny = 2 ?\n", ["2:7 character: '?' has no meaning here"]),
    ("x = ? ?\n", ["1:5 character: '?' has no meaning here", "1:7 character: '?' has no meaning here"]),
    # operators
    ("x = ...\n", ["1:5 syntax: ... is not in the language"]),
    ("f(x := 1)\n", ["1:5 syntax: := is not in the language"]),
    # numbers
    ("x = 0 + 7 + 1_000 + 0xFf + 0xf_f\n", []),
    ("x = 1.5\n", [f"1:5 number: 1.5 {FLOAT}"]),
    ("x = .5\n", [f"1:5 number: .5 {FLOAT}"]),
    ("x = 1e3\n", [f"1:5 number: 1e3 {FLOAT}"]),
    ("x = 1E3\n", [f"1:5 number: 1E3 {FLOAT}"]),
    ("x = 0o17\n", [f"1:5 number: 0o17 {INTEGER}"]),
    ("x = 1__0\n", [f"1:5 number: 1__0 {INTEGER}"]),
    ("x = 007\n", [f"1:5 number: 007 {INTEGER}"]),
    ("x = 1 + " + "1" * 24 + "j\n", [f"1:9 number: {'1' * 24} {INTEGER}"]),
    ("x = " + "9" * 80 + "\n", []),
    ("x = " + "9" * 81 + "\n", ["1:5 number: integer is over 80 characters"]),
    # brackets
    ("x = [(1, {2: 3})]\n", []),
    ("x = (1\n", ["2:1 bracket: '(' is never closed"]),
    ("x = ([1\n  ", ["2:3 bracket: '[' is never closed"]),
    ("x = 1)\n", ["1:6 bracket: ')' closes nothing"]),
    ("x = [1)\n", ["1:7 bracket: ')' closes nothing", "2:1 bracket: '[' is never closed"]),
    ("x = " + "(" * 24 + "1" + ")" * 24 + "\n", []),
    ("x = " + "(" * 26 + "1" + ")" * 26 + "\n", ["1:29 bracket-depth: over 24 nested brackets"]),
    # tokens of a statement, and its indent
    ("x = [\n" + "1,\n" * 198 + "]\n", []),
    ("x = [\n" + "1,\n" * 199 + "]\n", ["200:2 line-tokens: over 400 tokens in one statement"]),
    ("x = [\n" + "'',\n" * 199 + "]\n", ["200:3 line-tokens: over 400 tokens in one statement"]),
    ("x = 1\n" * 200, []),
    ("if a:\n" + " " * 80 + "x = 1\n", []),
    ("if a:\n" + " " * 81 + "x = 1\n", ["2:82 indent: indented over 80 columns"]),
    ("if a:\n" + " " * 81 + "'x'\n", ["2:82 indent: indented over 80 columns"]),
    ("if a:\n" + " " * 81 + "# so far\n    x = (\n" + " " * 90 + "1)\ny = 1\n", []),
    # elif: those of one chain, and of chains inside each other, add up
    (IF + elifs(64) + "else:\n    x = 1\n", []),
    (IF + elifs(66), ["131:1 elif: over 64 elif branches (use a dict)"]),
    (IF + elifs(40) + IF + elifs(40), []),
    (IF + elifs(40) + INNER + elifs(24, "    "), []),
    (IF + elifs(40) + INNER + elifs(25, "    "), ["133:5 elif: over 64 elif branches (use a dict)"]),
    (IF + elifs(40) + INNER + elifs(24, "    ") + INNER + elifs(24, "    "), []),
    (IF + INNER + elifs(60, "    ") + elifs(60), []),
    (IF + INNER + elifs(60, "    ") + "elif a:\n  x = 1\n" * 60, []),
    (IF + elifs(40) + " if a:\n  x = 1\n" + elifs(25, " "), ["133:2 elif: over 64 elif branches (use a dict)"]),
    (IF + elifs(40) + "else:\n" + INNER + elifs(25, "    "), ["134:5 elif: over 64 elif branches (use a dict)"]),
    (IF + elifs(30) + "else:\n    x = 1\n" + IF + elifs(40), []),
    # strings
    ("x = 'a' + b'a' + f'a' + '''a\nb''' + \"a'\" + \"\"\"a\"b\"\"\"\n", []),
    ("x = 'a' 'b'\n", ["1:9 string-concatenation: two strings side by side (join them with +)"]),
    ("x = ('a' # one\n'b')\n", ["2:1 string-concatenation: two strings side by side (join them with +)"]),
    ("'a'\n'b'\n", []),
    ("x = ['a', 'b']\n", []),
    ("x = r'a'\n", ["1:5 string-prefix: string prefix 'r' (none, f or b)"]),
    ("x = F'{a'\n", ["1:5 string-prefix: string prefix 'F' (none, f or b)", f"1:7 {PLACEHOLDER}"]),
    ("x = 'a\ny = 2 ?\n", ["1:5 string: string is never closed", "2:7 character: '?' has no meaning here"]),
    ("x = '", ["1:5 string: string is never closed"]),
    ("x = '''a'''\ny = '''a\n", ["2:5 string: string is never closed"]),
    ("x = '''a\n\nb''\n", ["1:5 string: string is never closed"]),
    ("x = '''a\nb''' + ?\n", ["2:8 character: '?' has no meaning here"]),
    ("x = '''a\n\nb''' 'a'\n", ["3:6 string-concatenation: two strings side by side (join them with +)"]),
    ("x = '\\n\\\\\\'\\\"'\n", []),
    ("x = '\\x41'\n", [f"1:6 escape: {ESCAPE}"]),
    ("x = '\\~'\n", [f"1:6 escape: {ESCAPE}"]),
    ("x = 'a\\", [f"1:7 escape: {ESCAPE}", "1:5 string: string is never closed"]),
    ("x = 'a\\\nb'\n", [f"1:7 escape: {ESCAPE}", "1:5 string: string is never closed", "2:1 string: string is never closed"]),
    ("x = '''\\\n?''' + ?\n", [f"1:8 escape: {ESCAPE}", "2:8 character: '?' has no meaning here"]),
    ("x = f'{a}{a.b}{{ }}' + '{' + b'}'\n", []),
    ("x = f'a{a!r}'\n", [f"1:8 {PLACEHOLDER}", f"1:12 {PLACEHOLDER}"]),
    ("x = f'{a.b.c}' + f'}'\n", [f"1:7 {PLACEHOLDER}", f"1:13 {PLACEHOLDER}", f"1:20 {PLACEHOLDER}"]),
    ("x = f'{{{a}'\n", []),
    ("x = f'~'\n", []),
    # one text is told at most a hundred things
    ("x = 1\t\n" * 101, [f"{line}:6 character: character is not allowed (indent with spaces)" for line in range(1, 101)]),
    ("(\n" + "?\n" * 101, [f"{line}:1 character: '?' has no meaning here" for line in range(2, 102)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), RULES)
def test_a_text_is_told_what_is_wrong_with_it_where_and_what_to_do(text, said):
    assert read(text) == said
