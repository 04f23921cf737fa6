"""Spoils a JSON answer in every place, systematically: nothing of it may be ignored."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]

HEX = re.compile(r"0x(?:[0-9a-f]{2})*\Z")
FLIPS = 24
"""Bytes changed in one hex text: all of a short one, evenly spread over a long one."""


def spoil_all(
    answer: Any, unproven: frozenset[str] = frozenset(), flips: int = FLIPS
) -> Iterator[tuple[str, Any]]:
    """Yield ("place: how", spoiled copy). Places in ``unproven`` are left as they are."""
    for place, value in _walk(answer, (), unproven):
        for how, changed in _change(value, flips):
            yield f"{name(place)}: {how}", _replace(answer, place, changed)


def name(place: Place) -> str:
    """Return a place as text with its indices."""
    return ".".join(map(str, place)) or "answer"


def generalise(place: str) -> str:
    """Return a place's text with every index as ``*``."""
    return re.sub(r"\.\d+", ".*", place)


def _walk(value: Any, place: Place, unproven: frozenset[str]) -> Iterator[tuple[Place, Any]]:
    if generalise(name(place)) in unproven:
        return
    yield place, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*place, key), unproven)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, (*place, number), unproven)


def _change(value: Any, flips: int) -> Iterator[tuple[str, Any]]:
    for how, changed in _change_any(value, flips):
        if json.dumps(changed) != json.dumps(value):
            yield how, changed


def _change_any(value: Any, flips: int) -> Iterator[tuple[str, Any]]:
    yield from (("null", None), ("a list", []), ("an object", {}), ("true", True))
    if isinstance(value, dict):
        for key in value:
            yield f"{key} dropped", {k: v for k, v in value.items() if k != key}
        yield "a member added", {**value, "extra": 1}
    elif isinstance(value, list):
        yield from _change_list(value)
    elif type(value) is int:
        yield from (("one more", value + 1), ("one less", value - 1), ("as text", str(value)))
        yield from (("a fraction", float(value)), ("huge", 1 << 300), ("digits", "9" * 5_000))
    elif isinstance(value, str) and HEX.match(value):
        yield from _change_hex(value, flips)
    else:
        yield from (("other text", f"{value}x"), ("bytes", "0x00"), ("zero", 0))


def _change_list(value: list[Any]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(value):
        rest = value[number + 1 :]
        yield f"{number} dropped", value[:number] + rest
        yield f"{number} repeated", [*value[: number + 1], item, *rest]
        if rest:
            yield f"{number} swapped", [*value[:number], rest[0], item, *rest[1:]]
    yield "padded", [*value, "0x" + "00" * 32]
    yield "padded in front", ["0x" + "00" * 32, *value]


def _change_hex(text: str, flips: int) -> Iterator[tuple[str, Any]]:
    data = bytes.fromhex(text[2:])
    step = max(1, len(data) // flips)
    for position in sorted({*range(0, len(data), step), max(len(data) - 1, 0)} - {len(data)}):
        flipped = bytearray(data)
        flipped[position] ^= 1 << (position % 8)
        yield f"byte {position} changed", "0x" + flipped.hex()
    yield "cut", text[:-2]
    yield "cut in front", "0x" + text[4:]
    yield "longer", text + "00"
    yield "odd", text + "0"
    yield "empty", "0x"
    yield "upper case", text.upper().replace("0X", "0x")
    yield "a blank inside", "0x " + text[2:]
    yield "no prefix", text[2:]


def _replace(answer: Any, place: Place, changed: Any) -> Any:
    if not place:
        return changed
    spoiled = copy.deepcopy(answer)
    inner = spoiled
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = changed
    return spoiled
