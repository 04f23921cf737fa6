"""Types of generated programs: their spelling, literals, and wire arguments.

A kind is 'int', 'str', 'bool', 'bytes', 'Address', or ('list', kind), ('dict', key, kind),
('tuple', kind, ...), ('record', name).
"""

import hashlib
from random import Random
from typing import Any

from tests.fuzz.generator.library import list_records

Kind = Any
SCALARS = ("int", "str", "bool", "bytes", "Address")
KEYS = ("int", "str", "bytes", "Address")
RECORDS = {
    "Lot": (("owner", "Address"), ("start", "int"), ("tags", ("list", "str"))),
    "Pair": (("left", "int"), ("right", "str")),
    "Nest": (("pair", ("record", "Pair")), ("rows", ("list", ("tuple", "int", "str")))),
}
EVENTS = {
    "Moved": (("to", "Address"), ("amount", "int")),
    "Noted": (
        ("text", "str"),
        ("table", ("dict", "str", "int")),
        ("pair", ("record", "Pair")),
    ),
}

INTEGERS = ("0", "1", "2", "3", "5", "7", "-1", "-2", "-5", "10", "16", "63", "64", "255", "1000",
            "0xff", "1_000", "1152921504606846975", "1152921504606846976", "-1152921504606846976",
            "18446744073709551615", "18446744073709551616", "-9223372036854775809",
            str(2**127), str(2**255 - 1), str(-(2**255)))  # fmt: skip
SMALL = ("0", "1", "2", "3", "4", "5", "-1", "-3", "7", "9")
TEXTS = ("''", "'a'", "'b'", "'ab'", "'abc'", "'a,b'", "' x '", "'12'", "'-7'", "'1.25'",
         "'A b'", "'it\\'s'", '"q\\""', "'\\n'", "'\\\\'", "'{}'", "'x' * 20", "'aaaa'", "'main'",
         "'lib'")  # fmt: skip
BYTES = ("b''", "b'a'", "b'ab'", "b'\\n'", "b'\\'\\\\'", "b'abc'", "b'z' * 33")
WIDE = ("", "a", "ab", "é", "日本", "\U0001f600", "a,b,c", "12", "\0", "x" * 70, "\x7f\x1f", "main")


def spell(kind: Kind) -> str:
    """The kind as a contract writes it."""
    if isinstance(kind, str):
        return kind
    if kind[0] == "record":
        return kind[1]
    return f"{kind[0]}[{', '.join(map(spell, kind[1:]))}]"


def make_kind(rng: Random, depth: int = 2) -> Kind:
    """A random kind, compound ones at most ``depth`` deep."""
    roll = rng.random()
    if depth == 0 or roll < 0.55:
        return rng.choices(SCALARS, (6, 4, 2, 2, 2))[0]
    if roll < 0.73:
        return ("list", make_kind(rng, depth - 1))
    if roll < 0.84:
        return ("dict", rng.choice(KEYS), make_kind(rng, depth - 1))
    if roll < 0.92:
        return ("tuple", *[make_kind(rng, depth - 1) for _ in range(rng.randint(1, 3))])
    return ("record", rng.choice(list(RECORDS)))


def fields_of(name: str) -> tuple[tuple[str, Kind], ...]:
    """The fields of a record: a generated contract's own, or one of the library's."""
    return RECORDS.get(name) or list_records()[name]


def make_key_kind(rng: Random) -> Kind:
    """A kind of a Map's key."""
    if rng.random() < 0.7:
        return rng.choice(KEYS)
    return ("tuple", *[rng.choice(KEYS) for _ in range(rng.randint(1, 3))])


def make_literal(rng: Random, kind: Kind) -> str | None:
    """A literal that a constant or a default may be; None when the kind has none."""
    if kind == "int":
        return rng.choice(INTEGERS)
    if kind in ("str", "bytes"):
        return rng.choice([text for text in (TEXTS if kind == "str" else BYTES) if "*" not in text])
    if kind == "bool":
        return rng.choice(("True", "False"))
    if kind == "Address" or kind[0] == "record":
        return None
    if kind[0] == "tuple":
        items = [make_literal(rng, item) for item in kind[1:]]
        return None if None in items else f"({', '.join(items)},)"  # type: ignore[arg-type]  # none of them is None
    items = [make_literal(rng, kind[-1]) for _ in range(rng.randint(0, 3))]
    if None in items:
        return None
    if kind[0] == "list":
        return f"[{', '.join(items)}]"  # type: ignore[arg-type]  # none of them is None
    keys = [make_literal(rng, kind[1]) for _ in items]
    if None in keys or any(len(key or "") > 19 for key in keys):
        return None
    return "{" + ", ".join(f"{k}: {v}" for k, v in zip(keys, items, strict=True)) + "}"


def make_wire(rng: Random, kind: Kind, wrong: float = 0.003) -> Any:
    """A wire argument of ``kind``; with odds ``wrong`` one that does not fit."""
    if rng.random() < wrong:
        return rng.choice(
            [None, True, -1, 2**255, 2**200, "x", b"y", b"z" * 32, [], [1, "a"], [[]]]
        )
    if kind == "int":
        small = rng.randint(-5, 12)
        return rng.choice([small, small, small, 2**64, -(2**63), 2**255 - 1, -(2**255), 2**60])
    if kind == "str":
        return rng.choice(WIDE) if rng.random() < 0.5 else rng.choice("abc")
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "bytes":
        return rng.choice([b"", b"a", b"\0", b"\0\xff", b"b" * 32, bytes(range(70)), b"ab"])
    if kind == "Address":
        return hashlib.sha256(b"sender %d" % rng.randint(0, 2)).digest()
    if kind[0] == "record":
        return [make_wire(rng, field, wrong) for _, field in fields_of(kind[1])]
    if kind[0] == "tuple":
        return [make_wire(rng, item, wrong) for item in kind[1:]]
    size = rng.choice([0, 1, 2, 3, 3, 5])
    if kind[0] == "list":
        return [make_wire(rng, kind[1], wrong) for _ in range(size)]
    keys = [
        rng.randint(-9, 9) if kind[1] == "int" else make_wire(rng, kind[1], 0) for _ in range(size)
    ]
    if rng.random() > wrong:  # else a key may come twice
        keys = list(dict.fromkeys(keys))
    return [[key, make_wire(rng, kind[2], wrong)] for key in keys]
