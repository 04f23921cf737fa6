"""The lexical check: runs before CPython's parser, so that no build's limits decide.

Knows only characters, tokens and brackets; never evaluates anything. What passes is
small, flat, printable ASCII, with strings and f-strings of one simple form, so every
parser version reads it alike. Source: docs/contracts.md, "Text".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from vm.outcome import Problem

SOURCE_BYTES_MAX: Final = 32 * 1024
LINE_CHARACTERS_MAX: Final = 120
BRACKET_DEPTH_MAX: Final = 24
LINE_TOKENS_MAX: Final = 400
ELIF_MAX: Final = 64
INT_CHARACTERS_MAX: Final = 80
INDENT_CHARACTERS_MAX: Final = 80
PROBLEMS_MAX: Final = 100
"""Reasons reported for one source; the rest would only repeat."""

_TOKEN = re.compile(
    r"(?P<space>[ ]+)"
    r"|(?P<comment>#[^\n]*)"
    r"|(?P<newline>\n)"
    r"|(?P<string>(?P<prefix>[A-Za-z]{0,3})(?P<quote>\"\"\"|'''|\"|'))"
    r"|(?P<number>\.?[0-9][0-9A-Za-z_.]*)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*=|//=|>>=|<<=|\.\.\.|:=|->|\*\*|//|<<|>>|<=|>=|==|!=|\+=|-=|\*=|%=|&=|\|=|\^=|[-+*/%&|^~<>=()\[\]{},:.@])"
)
_INTEGER = re.compile(r"(?:0|[1-9][0-9]*(?:_[0-9]+)*|0x[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)\Z")
_STRING_PREFIXES: Final = frozenset({"", "f", "b"})
_ESCAPES: Final = frozenset("n\\'\"")
_PLACEHOLDER = re.compile(r"\{[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)?\}")
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}
_NOT_PRINTABLE = re.compile(r"[^\n\x20-\x7e]")


@dataclass(slots=True)
class _Scan:
    """Where the scanner is; lives for one check."""

    source: str
    problems: list[Problem] = field(default_factory=list)
    line: int = 1
    line_start: int = 0
    brackets: list[str] = field(default_factory=list)
    tokens: int = 0
    indent: int = 0
    after_string: bool = False
    elifs: dict[int, int] = field(default_factory=dict)

    def refuse(self, position: int, code: str, message: str, hint: str = "") -> None:
        self.refuse_at(self.line, position - self.line_start + 1, code, message, hint)

    def refuse_at(self, line: int, column: int, code: str, message: str, hint: str = "") -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(line, column, code, message, hint))


def check_text(source: str) -> list[Problem]:
    """Return every lexical reason to refuse ``source``; [] when it may be parsed."""
    if len(source) > SOURCE_BYTES_MAX:
        return [Problem(1, 1, "source-size", f"source is over {SOURCE_BYTES_MAX} bytes")]
    foreign = _check_characters(source)
    if foreign:
        return foreign
    scan = _Scan(source)
    position = 0
    while position < len(source) and len(scan.problems) < PROBLEMS_MAX:
        match = _TOKEN.match(source, position)
        if match is None:
            scan.refuse(position, "character", f"{source[position]!r} has no meaning here",
                        _hint_for(source[position]))  # fmt: skip
            position += 1
            continue
        position = _take(scan, match)
    if scan.brackets:
        scan.refuse(len(source), "bracket", f"{scan.brackets[-1]!r} is never closed")
    return scan.problems


def _check_characters(source: str) -> list[Problem]:
    problems = []
    for number, line in enumerate(source.split("\n"), 1):
        match = _NOT_PRINTABLE.search(line)
        if match:
            hint = "indent with spaces" if match.group() == "\t" else "ASCII text only"
            problems.append(
                Problem(number, match.start() + 1, "character", "character is not allowed", hint)
            )
        if len(line) > LINE_CHARACTERS_MAX:
            message = f"line is over {LINE_CHARACTERS_MAX} characters"
            problems.append(Problem(number, LINE_CHARACTERS_MAX + 1, "line-length", message))
        if len(problems) >= PROBLEMS_MAX:
            break
    return problems


def _hint_for(character: str) -> str:
    return {
        ";": "one statement a line",
        "\\": "break lines inside brackets",
    }.get(character, "")


def _take(scan: _Scan, match: re.Match[str]) -> int:
    """Handle one token and return the position after it."""
    kind, start, end = match.lastgroup or "", match.start(), match.end()
    if match["string"] is not None:
        return _take_string(scan, match)
    if kind == "space":
        scan.indent = end - start  # only asked for at the first token of a statement
        return end
    if kind == "comment":
        return end
    if kind == "newline":
        _end_line(scan, end)
        return end
    _count_token(scan, start)
    scan.after_string = False
    if kind == "name":
        _check_name_token(scan, match.group(), start)
    elif kind == "number":
        _check_number(scan, match.group(), start)
    else:
        _check_operator(scan, match.group(), start)
    return end


def _end_line(scan: _Scan, end: int) -> None:
    scan.line += 1
    scan.line_start = end
    if not scan.brackets:
        scan.tokens = 0
        scan.indent = 0
        scan.after_string = False


def _count_token(scan: _Scan, start: int) -> None:
    scan.tokens += 1
    if scan.tokens == LINE_TOKENS_MAX + 1:
        scan.refuse(start, "line-tokens", f"over {LINE_TOKENS_MAX} tokens in one statement")
    if scan.tokens == 1 and scan.indent > INDENT_CHARACTERS_MAX:
        scan.refuse(start, "indent", f"indented over {INDENT_CHARACTERS_MAX} columns")


def _check_name_token(scan: _Scan, name: str, start: int) -> None:
    if scan.tokens != 1:
        return
    # A chain is a tree as deep as it is long, so those around and inside each other add up.
    scan.elifs = {indent: count for indent, count in scan.elifs.items() if indent <= scan.indent}
    if name == "elif":
        scan.elifs[scan.indent] = scan.elifs.get(scan.indent, 0) + 1
        if sum(scan.elifs.values()) == ELIF_MAX + 1:
            scan.refuse(start, "elif", f"over {ELIF_MAX} elif branches", "use a dict")
    elif name != "else":
        scan.elifs.pop(scan.indent, None)


def _check_number(scan: _Scan, text: str, start: int) -> None:
    if not _INTEGER.match(text):
        hint = "no floats: use integers and a scale" if "." in text or "e" in text.lower() else ""
        scan.refuse(start, "number", f"{text[:24]} is not a decimal or hex integer", hint)
    elif len(text) > INT_CHARACTERS_MAX:
        scan.refuse(start, "number", f"integer is over {INT_CHARACTERS_MAX} characters")


def _check_operator(scan: _Scan, text: str, start: int) -> None:
    if text in ("...", ":="):
        scan.refuse(start, "syntax", f"{text} is not in the language")
    elif text in "([{":
        scan.brackets.append(text)
        if len(scan.brackets) == BRACKET_DEPTH_MAX + 1:
            scan.refuse(start, "bracket-depth", f"over {BRACKET_DEPTH_MAX} nested brackets")
    elif text in _PAIRS:
        if not scan.brackets or scan.brackets[-1] != _PAIRS[text]:
            scan.refuse(start, "bracket", f"{text!r} closes nothing")
        else:
            scan.brackets.pop()


def _take_string(scan: _Scan, match: re.Match[str]) -> int:
    source, start, quote = scan.source, match.start(), match["quote"]
    prefix = match["prefix"]
    _count_token(scan, start)
    if scan.after_string:
        scan.refuse(start, "string-concatenation", "two strings side by side", "join them with +")
    scan.after_string = True
    if prefix not in _STRING_PREFIXES:
        scan.refuse(start, "string-prefix", f"string prefix {prefix!r}", "none, f or b")
    line, column = scan.line, start - scan.line_start + 1  # it may end lines further down
    position = match.end()
    while not source.startswith(quote, position):
        if position >= len(source) or (source[position] == "\n" and len(quote) == 1):
            scan.refuse_at(line, column, "string", "string is never closed")
            return position
        position = _take_character(scan, prefix, position)
    return position + len(quote)


def _take_character(scan: _Scan, prefix: str, position: int) -> int:
    """Check one character, escape or placeholder of a string; return the position after."""
    source = scan.source
    character = source[position]
    if character == "\\":
        escaped = source[position + 1 : position + 2]
        if escaped not in _ESCAPES:
            scan.refuse(position, "escape", "unknown escape", "\\n \\\\ \\' \\\" only")
        return position + 1 if escaped == "\n" else position + 2
    if character == "\n":
        scan.line += 1
        scan.line_start = position + 1
    elif "f" in prefix.lower() and character in "{}":
        if source[position : position + 2] in ("{{", "}}"):
            return position + 2
        placeholder = _PLACEHOLDER.match(source, position)
        if placeholder is None:
            scan.refuse(position, "f-string", "only {name} or {name.field}", "assign it first")
            return position + 1
        return placeholder.end()
    return position + 1
