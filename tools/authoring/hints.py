"""What to do about each reason of ``contract check``, in plain words, for people's eyes.

A reason's own hint, where the check has one, is nearer to the case and wins. JSON output has the
check's words alone: programs read it, and it is part of the interface. Source: docs/contracts.md.
"""

from __future__ import annotations

import re
from typing import Final

from vm.outcome import Problem

BY_CODE: Final = {
    "annotation": "give it a type of the language: int, str, bool, bytes, Address, a record, "
    "list[T], dict[K, V] or tuple[A, B]",
    "arity": "give it the arguments it takes, by position",
    "bracket": "each bracket is closed by one of its own kind",
    "bracket-depth": "assign the inner part to a name first",
    "call": "write call(contract, 'method', arguments), the method as a literal text",
    "call-chain": "let fewer functions call each other in a row",
    "character": "only printable ASCII, spaces and newlines; other text comes in as arguments",
    "constant": "a constant is a literal; compute what changes inside a function",
    "decorator": "one of @export, @view, @init before a function, @record or @event before a class",
    "default": "the default is a literal of the type that is stored",
    "duplicate": "choose another name for one of the two",
    "elif": "look the case up in a dict, or split the function",
    "escape": "a text has the escapes \\n \\\\ \\' \\\" only and ends on its line",
    "f-string": "put the value into a local first: an f-string holds {name} or {name.field}",
    "field": "read a field that a record declares, or sender, contract, height, time, tx of ctx",
    "import": "import words from vm, and rules of the library by `from lib.MODULE.vN import ...`",
    "indent": "move the inner block into a function of its own",
    "line-length": "break the line inside a bracket, or name a part of it",
    "line-tokens": "split the statement in two",
    "lost-write": "read the value into a local, change it, and store it again",
    "method": "use a method on the page on the language; text, lists and dicts have a few each",
    "module": "a module holds imports, constants, storage, records, events and functions",
    "name": "names are letters, digits and single underscores, and begin with a letter",
    "not-a-value": "read storage with .get() or [key], and call a function: neither is a value",
    "not-callable": "call a function of this contract, a builtin, or a word imported from vm",
    "number": "integers only: count in the smallest unit, or use parse_fixed and mul_div",
    "record": "a class is a @record or an @event, and holds lines `field: type` only",
    "recursion": "use a loop: no function may lead back to itself",
    "shadow": "rename it: words of the language and storage keep their meaning",
    "source-size": "split the contract in two that call each other",
    "string": "close the string on the line where it begins",
    "string-concatenation": "join two texts with +",
    "string-prefix": "a string has no prefix, or f, or b",
    "syntax": "rewrite it with the statements and expressions on the page on the language",
    "type-size": "flatten the type: fewer levels and fewer fields inside each other",
    "undefined-name": "assign it first, declare it in the module, or import it from vm",
}

BY_NODE: Final = {
    "AsyncFor": "nothing waits here: use for",
    "AsyncFunctionDef": "nothing waits here: use def",
    "AsyncWith": "nothing waits here",
    "Await": "nothing waits here: call the function",
    "MatMult": "there are no matrices",
    "Match": "use if and elif, or look the case up in a dict",
    "NamedExpr": "assign it on a line of its own",
    "TryStar": "a failing call fails the transaction",
    "With": "there is nothing to open or close",
    "Yield": "build a list and return it",
    "YieldFrom": "build a list and return it",
}
_MISSING: Final = re.compile(r"([A-Za-z]+) is not in the language\Z")


def get_hint(problem: Problem) -> str:
    """Return what to do about ``problem``; never empty for a reason that the check gives."""
    if problem.hint:
        return problem.hint
    missing = _MISSING.match(problem.message)
    if missing is not None and missing[1] in BY_NODE:
        return BY_NODE[missing[1]]
    return BY_CODE.get(problem.code, "")
