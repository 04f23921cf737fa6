"""Arguments from JSON by the ABI: what fits is converted, what does not says where."""

from __future__ import annotations

from typing import Any

import pytest

from tools.client.abi import parse_arguments, split_types
from tools.client.errors import UnknownMethod


def make_abi(*kinds: str) -> dict[str, Any]:
    parameters = [{"name": f"p{i}", "type": kind} for i, kind in enumerate(kinds)]
    return {
        "functions": [{"name": "f", "parameters": parameters}],
        "records": [
            {
                "name": "Piece",
                "fields": [{"name": "batch", "type": "str"}, {"name": "start", "type": "int"}],
            }
        ],
    }


def convert(kind: str, value: Any) -> Any:
    return parse_arguments(make_abi(kind), "f", [value])[0]


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("int", 5, 5),
        ("int", "115792089237316195423570985008687907853", 115792089237316195423570985008687907853),
        ("int", "-7", -7),
        ("str", "x", "x"),
        ("bool", True, True),
        ("None", None, None),
        ("bytes", "0x00ff", b"\x00\xff"),
        ("Address", "0x" + "ab" * 32, b"\xab" * 32),
        ("list[int]", [1, "2"], [1, 2]),
        ("list[list[bytes]]", [["0x01"], []], [[b"\x01"], []]),
        ("dict[str, int]", {"a": 1, "b": "2"}, [["a", 1], ["b", 2]]),
        ("dict[int, str]", [[1, "x"]], [[1, "x"]]),
        ("tuple[int, str]", [1, "x"], [1, "x"]),
        ("Piece", {"start": 3, "batch": "b"}, ["b", 3]),
        ("Piece", ["b", 3], ["b", 3]),
        ("list[Piece]", [{"start": 3, "batch": "b"}], [["b", 3]]),
        ("dict[str, list[tuple[int, int]]]", {"k": [[1, 2]]}, [["k", [[1, 2]]]]),
    ],
)
def test_what_fits_is_converted(kind: str, given: Any, expected: Any) -> None:
    assert convert(kind, given) == expected


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("int", 1.5, "p0: expected int, got a fraction"),
        ("int", True, "got a boolean"),
        ("int", "0x10", "got text"),
        ("int", 1 << 255, "expected int"),
        ("str", 1, "expected str, got a number"),
        ("bool", 1, "expected bool"),
        ("bytes", "00ff", "as 0x hex"),
        ("bytes", "0xzz", "hex digits"),
        ("Address", "0x00", "32 bytes, got 1"),
        ("list[int]", "12", "expected a list"),
        ("list[int]", [1, "x"], r"p0\[1\]"),
        ("tuple[int, str]", [1], "expected 2 items"),
        ("dict[str, int]", [["a"]], "a pair"),
        ("Piece", {"batch": "b"}, "start"),
        ("Piece", {"batch": "b", "start": 1, "end": 2}, "end"),
        ("Piece", {"batch": "b", "start": "x"}, r"p0\.start"),
        ("Piece", "b", r"expected Piece\(batch: str, start: int\)"),
    ],
)
def test_what_does_not_fit_says_where_and_how(kind: str, given: Any, said: str) -> None:
    with pytest.raises(UnknownMethod, match=said):
        convert(kind, given)


def test_arguments_may_be_named() -> None:
    assert parse_arguments(make_abi("int", "str"), "f", {"p1": "x", "p0": 1}) == (1, "x")


def test_a_missing_or_unknown_name_is_said() -> None:
    with pytest.raises(UnknownMethod, match="p0, q"):
        parse_arguments(make_abi("int"), "f", {"q": 1})


def test_a_wrong_number_shows_the_signature() -> None:
    with pytest.raises(UnknownMethod, match=r"f\(p0: int\) takes 1 argument\(s\), got 2"):
        parse_arguments(make_abi("int"), "f", [1, 2])


def test_an_unknown_method_shows_those_there_are() -> None:
    with pytest.raises(UnknownMethod, match="it has: f"):
        parse_arguments(make_abi("int"), "g", [])


def test_types_split_at_outer_commas_only() -> None:
    assert split_types("int, list[tuple[str, int]], bool") == [
        "int",
        "list[tuple[str, int]]",
        "bool",
    ]
