"""JSON-RPC envelopes and JSON forms: another shape than the documented one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools.client.errors import BadAnswer, NotFound, RateLimited
from tools.client.wire import (
    decode_answer,
    decode_answers,
    dump_integer,
    dump_value,
    from_hex,
    parse_integer,
)


def make(id_: Any, **rest: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, **rest}


def encode(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        encode([]),
        encode("x"),
        encode({"id": 0, "result": 1}),
        encode({"jsonrpc": "1.0", "id": 0, "result": 1}),
        encode({"jsonrpc": "2.0", "id": 0}),
    ],
)
def test_another_answer_than_json_rpc_2_is_refused(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        decode_answer(body)


def test_a_null_result_is_a_result() -> None:
    assert decode_answer(encode(make(0, result=None))) is None


@pytest.mark.parametrize("error", [None, "x", {}, {"code": "x"}, {"code": -32001, "data": 5}])
def test_an_odd_error_object_is_still_an_error(error: Any) -> None:
    with pytest.raises(Exception) as caught:
        decode_answer(encode(make(0, error=error)))
    assert "[-32" in str(caught.value)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [make(0, result=1)],
        [make(0, result=1), make(0, result=2)],
        [make(0, result=1), make(2, result=2)],
        [make(0, result=1), make(1, result=2), make(2, result=3)],
        [make(0, result=1), make("1", result=2)],
    ],
)
def test_a_batch_needs_one_answer_for_each_request(answers: list[Any]) -> None:
    with pytest.raises(BadAnswer):
        decode_answers(encode(answers), 2)


def test_a_batch_refused_as_a_whole_is_that_error() -> None:
    with pytest.raises(RateLimited):
        decode_answers(encode(make(None, error={"code": -32005, "message": "slow down"})), 2)


def test_outcomes_of_a_batch_come_in_the_order_of_the_requests() -> None:
    answers = [make(1, error={"code": -32001, "message": "gone"}), make(0, result="a")]
    first, second = decode_answers(encode(answers), 2)
    assert first == "a"
    assert isinstance(second, NotFound)


@pytest.mark.parametrize("text", ["00", "0x0", "0xzz", 5, None, "0x" + "00" * 31])
def test_bytes_of_another_form_or_size_are_refused(text: object) -> None:
    with pytest.raises(BadAnswer):
        from_hex(text, 32)


@pytest.mark.parametrize("value", [True, 1.0, "1.0", "x", "", "-", None, "١"])
def test_what_is_no_integer_is_refused(value: object) -> None:
    with pytest.raises(BadAnswer):
        parse_integer(value)


@pytest.mark.parametrize("value", [0, -1, (1 << 53) - 1, 1 << 53, -(1 << 200)])
def test_integers_survive_json_in_any_size(value: int) -> None:
    shown = json.loads(json.dumps(dump_integer(value)))
    assert parse_integer(shown) == value
    assert isinstance(shown, str) == (abs(value) >= 1 << 53)


def test_contract_values_have_one_json_form() -> None:
    assert dump_value([None, True, 1, 1 << 60, "x", b"\x01", [b""]]) == [
        None, True, 1, str(1 << 60), "x", "0x01", ["0x"],
    ]  # fmt: skip
