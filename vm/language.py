"""The words of the language: builtins, SDK, methods, context fields, and their arities.

Data only; the guards behind the words are in vm/guards_*.py and vm/sdk.py.
Source: docs/contracts.md, "Words".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from primitives.limits import NAME_CHARACTERS_MAX

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Arity:
    """How many arguments a word takes; ``keywords`` may also be given by name."""

    low: int
    high: int
    keywords: tuple[str, ...] = ()


BUILTINS: Final = {
    "len": Arity(1, 1),
    "int": Arity(1, 1),
    "str": Arity(1, 1),
    "bool": Arity(1, 1),
    "abs": Arity(1, 1),
    "min": Arity(1, 32),
    "max": Arity(1, 32),
    "sum": Arity(1, 2),
    "sorted": Arity(1, 1, ("reverse",)),
    "reversed": Arity(1, 1),
    "range": Arity(1, 3),
    "enumerate": Arity(1, 2),
    "zip": Arity(1, 8),
    "list": Arity(0, 1),
    "dict": Arity(0, 1),
    "tuple": Arity(0, 1),
    "any": Arity(1, 1),
    "all": Arity(1, 1),
    "divmod": Arity(2, 2),
}
SDK_FUNCTIONS: Final = {
    "require": Arity(1, 2),
    "revert": Arity(0, 1),
    "emit": Arity(1, 1),
    "replace": Arity(1, 1),
    "mul_div": Arity(3, 3),
    "mul_div_up": Arity(3, 3),
    "parse_fixed": Arity(2, 2),
    "format_fixed": Arity(2, 2),
    "sha256": Arity(1, 1),
    "verify_ed25519": Arity(3, 3),
    "call": Arity(2, 34),
    "Address": Arity(1, 1),
}
DECORATORS: Final = frozenset({"record", "event", "export", "view", "init"})
CONTEXT_FIELDS: Final = ("sender", "contract", "height", "time", "tx")
SDK_NAMES: Final = frozenset(SDK_FUNCTIONS) | DECORATORS | {"ctx", "Var", "Map"}
RESERVED: Final = frozenset(BUILTINS) | {"bytes"}

METHODS: Final = {
    "startswith": Arity(1, 1),
    "endswith": Arity(1, 1),
    "find": Arity(1, 2),
    "split": Arity(0, 2),
    "join": Arity(1, 1),
    "replace": Arity(2, 3),
    "strip": Arity(0, 1),
    "lower": Arity(0, 0),
    "upper": Arity(0, 0),
    "isdigit": Arity(0, 0),
    "isalnum": Arity(0, 0),
    "encode": Arity(0, 0),
    "hex": Arity(0, 0),
    "append": Arity(1, 1),
    "pop": Arity(0, 2),
    "extend": Arity(1, 1),
    "get": Arity(1, 2),
    "keys": Arity(0, 0),
    "values": Arity(0, 0),
    "items": Arity(0, 0),
}
MUTATORS: Final = frozenset({"append", "extend", "pop"})
VAR_METHODS: Final = {"get": Arity(0, 1), "set": Arity(1, 1)}
MAP_METHODS: Final = {"get": Arity(1, 2), "scan": Arity(0, 3, ("prefix", "after", "limit"))}


def is_name_allowed(name: str) -> bool:
    """Whether a contract may introduce ``name``."""
    return (
        len(name) <= NAME_CHARACTERS_MAX  # first: a contract may ask about a text of any length
        and _NAME.match(name) is not None
        and "__" not in name
        and not name.endswith("_")
    )


def does_arity_fit(arity: Arity, positional: int, keywords: list[str]) -> bool:
    """Whether a call with so many positional and these keyword arguments is well formed."""
    if any(name not in arity.keywords for name in keywords) or len(set(keywords)) < len(keywords):
        return False
    if not keywords:
        return arity.low <= positional <= arity.high
    if arity.keywords == ("reverse",):
        return positional == 1
    given = set(arity.keywords[:positional])
    return positional <= arity.high and not given & set(keywords)
