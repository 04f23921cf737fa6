"""JSON-RPC 2.0 envelopes and the JSON forms of our values. Pure.

Bytes are ``0x`` and lower-case hex; integers up to 2^53 are numbers, above that
decimal strings (a browser's number has 53 bits). Sources: the JSON-RPC 2.0
specification; docs/rpc.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from primitives.codec import Value
from tools.client.errors import BadAnswer, RpcError, make_rpc_error

SAFE_INTEGER_MAX = (1 << 53) - 1
"""Largest integer that every JSON reader keeps exact."""

BATCH_CALLS_MAX = 100
"""Requests in one JSON-RPC batch: more than this a node refuses (docs/rpc.md)."""

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One method call with named parameters."""

    method: str
    params: Params


def to_hex(data: bytes) -> str:
    """Return ``0x`` and lower-case hex digits."""
    return "0x" + data.hex()


def from_hex(text: object, size: int | None = None) -> bytes:
    """Return the bytes of ``0x...``, of ``size`` bytes if given, else raise BadAnswer."""
    if not isinstance(text, str) or not text.startswith("0x"):
        raise BadAnswer("expected 0x-prefixed hex", got=repr(text)[:80])
    try:
        data = bytes.fromhex(text[2:])
    except ValueError:
        raise BadAnswer("not hex digits", got=text[:80]) from None
    if size is not None and len(data) != size:
        raise BadAnswer("wrong number of bytes", size=len(data), expected=size)
    return data


def parse_integer(value: object) -> int:
    """Return an integer given as a number or as a decimal string, else raise BadAnswer."""
    if type(value) is int:
        return value
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit():
        return int(value)
    raise BadAnswer("expected an integer", got=repr(value)[:80])


def dump_integer(value: int) -> int | str:
    """Return ``value`` as a number while every reader keeps it, else as text."""
    return value if -SAFE_INTEGER_MAX <= value <= SAFE_INTEGER_MAX else str(value)


def dump_value(value: Value) -> Any:
    """Return a contract value as JSON without its ABI: bytes as hex, big integers as text."""
    if isinstance(value, bytes):
        return to_hex(value)
    if type(value) is int:
        return dump_integer(value)
    if isinstance(value, list | tuple):
        return [dump_value(item) for item in value]
    return value


def encode_requests(requests: Sequence[Request], *, batch: bool) -> bytes:
    """Return the body of one request, or of a batch numbered from 0."""
    envelopes = [
        {"jsonrpc": "2.0", "id": number, "method": request.method, "params": request.params}
        for number, request in enumerate(requests)
    ]
    document: object = envelopes if batch else envelopes[0]
    return json.dumps(document, separators=(",", ":")).encode()


def decode_answer(body: bytes) -> Any:
    """Return the result of one request's answer, or raise its error."""
    outcome = _read_envelope(_parse(body))[1]
    if isinstance(outcome, RpcError):
        raise outcome
    return outcome


def decode_answers(body: bytes, count: int) -> list[Any | RpcError]:
    """Return the outcomes of a batch in the order of its requests.

    A node may answer in any order; a missing or repeated answer is a BadAnswer. A
    single error object answers the batch as a whole and is raised.
    """
    document = _parse(body)
    if isinstance(document, dict):
        outcome = _read_envelope(document)[1]
        raise outcome if isinstance(outcome, RpcError) else BadAnswer("a batch needs a list")
    if not isinstance(document, list):
        raise BadAnswer("a batch's answer is a list", got=type(document).__name__)
    outcomes: dict[object, Any] = dict(_read_envelope(item) for item in document)
    if len(document) != count or set(outcomes) != set(range(count)):
        raise BadAnswer("answers do not fit the batch", expected=count, got=len(document))
    return [outcomes[number] for number in range(count)]


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadAnswer("not JSON", body=body[:80]) from None


def _read_envelope(document: object) -> tuple[object, Any]:
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        raise BadAnswer("not a JSON-RPC 2.0 answer", got=repr(document)[:80])
    number = document.get("id")
    if "error" in document:
        return number, make_rpc_error(document["error"])
    if "result" not in document:
        raise BadAnswer("an answer without result or error", got=repr(document)[:80])
    return number, document["result"]
