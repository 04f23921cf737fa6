"""The canonical codec: golden vectors, refusals, and the fields of structures."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives import codec, limits
from primitives.codec import (
    AnyValue,
    Array,
    Boolean,
    Bytes,
    Optional,
    Struct,
    Text,
    Uint,
    check_value,
    pack,
    unpack,
)
from primitives.errors import CodecError

VECTORS = json.loads(
    (Path(__file__).resolve().parents[2] / "vectors" / "codec.json").read_text("utf-8")
)


def read_golden(case: dict[str, Any]) -> object:
    if case["kind"] == "int":
        return int(case["value"])
    return bytes.fromhex(case["value"]) if case["kind"] == "bytes" else case["value"]


@pytest.mark.parametrize("case", VECTORS["accepted"], ids=lambda case: str(case["hex"])[:24])
def test_a_value_has_exactly_its_golden_bytes(case: dict[str, Any]) -> None:
    value = read_golden(case)
    assert pack(value).hex() == case["hex"]
    again = unpack(bytes.fromhex(case["hex"]))
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: str(case["why"]))
def test_every_other_form_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(CodecError):
        unpack(bytes.fromhex(case["hex"]))


@pytest.mark.parametrize(
    "value",
    [1.0, {}, {"a": 1}, (1, 2), {1}, bytearray(b"x"), 1 << 255, -(1 << 255) - 1, object(), [1.5],
     [[{}]], "\ud800"],
    ids=repr,
)  # fmt: skip
def test_what_has_no_canonical_form_is_not_packed(value: object) -> None:
    with pytest.raises(CodecError):
        pack(value)


def test_nesting_beyond_the_parser_is_a_codec_error_and_not_a_crash() -> None:
    assert unpack(b"\x91" * 64 + b"\xc0")
    for depth in (65, 600, 1_000, 1_024, 2_000, 200_000):
        with pytest.raises(CodecError):
            unpack(b"\x91" * depth + b"\xc0")


def test_a_list_that_claims_four_billion_items_is_refused_without_allocating_them() -> None:
    with pytest.raises(CodecError):
        unpack(b"\xdd\xff\xff\xff\xff")


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 255), (1 << 255) - 1)
    | st.text(max_size=40)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(_values)
def test_what_is_packed_is_read_back_the_same(value: Any) -> None:
    assert unpack(pack(value)) == value


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.binary(max_size=60))
def test_bytes_are_read_only_when_they_are_the_one_form_of_their_value(data: bytes) -> None:
    try:
        value = unpack(data)
    except CodecError:
        return
    assert pack(value) == data


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    size: int
    flag: bool
    key: bytes
    note: str | None
    parts: tuple[int, ...]
    anything: Any


SAMPLE = Struct(
    Sample,
    200,
    name=Text(4, min=1),
    size=Uint(8),
    flag=Boolean(),
    key=Bytes(2),
    note=Optional(Text(3)),
    parts=Array(Uint(16), 2, min=1),
    anything=AnyValue(),
)
GOOD: list[Any] = ["ab", 255, True, b"xy", None, [7], [1, ["z"]]]


def test_a_structure_is_the_array_of_its_fields() -> None:
    sample = Sample("ab", 255, True, b"xy", None, (7,), [1, ["z"]])
    assert SAMPLE.encode(sample) == pack(GOOD)
    assert SAMPLE.decode(pack(GOOD)) == sample


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, ""), (0, "abcde"), (0, b"ab"), (0, None), (0, 1),
        (1, -1), (1, 256), (1, True), (1, "1"), (1, None),
        (2, 1), (2, 0), (2, None),
        (3, b"x"), (3, b"xyz"), (3, "xy"), (3, None),
        (4, "abcd"), (4, 1), (4, b""),
        (5, []), (5, [1, 2, 3]), (5, [65536]), (5, [True]), (5, 1), (5, None),
        (6, [[[[[[[[[1]]]]]]]]]),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_type_or_size_is_refused(field: int, value: object) -> None:
    wire = list(GOOD)
    wire[field] = value
    with pytest.raises(CodecError):
        SAMPLE.decode(pack(wire))


@pytest.mark.parametrize("wire", [GOOD[:-1], [*GOOD, None], [], None, 1, "x", [GOOD]])
def test_a_missing_or_an_added_field_is_refused(wire: object) -> None:
    with pytest.raises(CodecError):
        SAMPLE.decode(pack(wire))


def test_a_structure_over_its_size_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(CodecError, match="too large"):
        SAMPLE.decode(b"\xff" * 201)


def test_a_structure_that_does_not_match_its_dataclass_cannot_be_declared() -> None:
    with pytest.raises(CodecError):
        Struct(Sample, 200, name=Text(4), size=Uint(8))


@pytest.mark.parametrize(
    "value",
    [
        "x" * (limits.VALUE_TEXT_BYTES_MAX + 1),
        b"x" * (limits.VALUE_TEXT_BYTES_MAX + 1),
        [0] * (limits.VALUE_ITEMS_MAX + 1),
        [[0] * (limits.VALUE_ITEMS_MAX // 2), [0] * (limits.VALUE_ITEMS_MAX // 2)],
        1 << 255,
        1.5,
        {},
        (1,),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_contract_value_beyond_its_bounds_is_refused(value: object) -> None:
    with pytest.raises(CodecError):
        check_value(value)


def test_a_contract_value_at_its_bounds_is_accepted() -> None:
    check_value("x" * limits.VALUE_TEXT_BYTES_MAX)
    check_value([0] * limits.VALUE_ITEMS_MAX)
    check_value([[[[[[[[]]]]]]]])
    check_value((1 << 255) - 1)


def test_a_refused_value_leaves_nothing_in_the_next_one() -> None:
    for bad in ([b"before", 1.5], ["text", "\ud800"], [1, 1 << 255], {"a": 1}):
        with pytest.raises(CodecError):
            pack(bad)
        assert pack([1]) == b"\x91\x01"


def test_threads_pack_without_meeting_each_other() -> None:
    # A big integer calls back into Python in the middle of packing: another thread runs then.
    values = [[number, -(1 << 200) - number, b"x" * number] for number in range(200)]
    wanted = [pack(value) for value in values]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(10):
            assert list(threads.map(pack, values)) == wanted


def test_a_thread_forgets_the_buffer_of_a_very_long_value() -> None:
    short = pack([7])
    before = codec._PACKERS.pack
    pack(b"x" * (codec._BUFFER_KEPT_BYTES_MAX + 1))
    assert codec._PACKERS.pack is not before
    assert pack([7]) == short
