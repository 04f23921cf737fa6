"""JSON-RPC 2.0 envelopes: parse, check, call, answer. Knows no socket.

Every failure becomes an error answer; an exception that nobody foresaw is logged with
its traceback and shown as -32603 without details. Source: the JSON-RPC 2.0
specification.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from node.metrics import Metrics
from node.rpc.errors import ErrorNumber, RpcError
from node.rpc.methods import METHODS
from node.rpc.ratelimit import Client
from node.rpc.schema import parse_params
from primitives.errors import CarbonodeError

ID_CHARACTERS_MAX = 256
DEPTH_HINT = "the document is nested too deeply"
VALUES_MAX = 100_000
"""Values in one document, by its commas and brackets: 8 MiB of ``[[],[],`` would be 300 MB
of objects and hold the event loop for a second. A thousand transactions need 1,000."""
INTEGER_DIGITS_MAX = 100
"""Contract integers have 78 digits; converting a longer one costs the square of it."""
_MISSING: Any = object()

Handler = Callable[[dict[str, Any], Client], Awaitable[Any]]
_log = logging.getLogger("carbonode.rpc")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the client, and the handlers that its connection adds."""

    client: Client
    extra: Mapping[str, Handler]
    is_admin: bool = False


class Dispatcher:
    """Answers requests; one for each node."""

    def __init__(
        self, handlers: Mapping[str, Handler], batch_requests_max: int, metrics: Metrics
    ) -> None:
        self._handlers = handlers
        self._batch_requests_max = batch_requests_max
        self._metrics = metrics

    async def answer(self, body: bytes | str, caller: Caller) -> str | None:
        """Return the JSON text that answers; None when only notifications were sent."""
        try:
            document = _parse(body)
        except RpcError as error:
            return _dump(_make_error(None, error))
        if not isinstance(document, list):
            answer = await self._answer_one(document, caller)
            return None if answer is None else _dump(answer)
        if not 1 <= len(document) <= self._batch_requests_max:
            text = f"a batch has 1 to {self._batch_requests_max} requests"
            refusal = RpcError(ErrorNumber.INVALID_REQUEST, text, size=len(document))
            return _dump(_make_error(None, refusal))
        answers = await asyncio.gather(*(self._answer_one(item, caller) for item in document))
        kept = [answer for answer in answers if answer is not None]
        return _dump(kept) if kept else None

    async def _answer_one(self, request: Any, caller: Caller) -> dict[str, Any] | None:
        request_id: Any = None
        is_notification = False
        try:
            request_id = _find_id(request)
            _check_envelope(request)
            is_notification = request_id is _MISSING
            caller.client.charge_request()
            result = await self._call(request["method"], request.get("params"), caller)
        except RpcError as error:
            self._metrics.rpc_errors.labels(error.number.name.lower()).inc()
            return None if is_notification else _make_error(_get_id(request_id), error)
        except Exception as error:
            # Our bug or our disk: the client learns that, the log learns the rest. The last
            # place that knows the request's id, so nothing may pass: a batch would lose the
            # answers of its other requests, a WebSocket would never answer.
            _log.exception("a request failed")
            self._metrics.rpc_errors.labels("internal").inc()
            code = error.code if isinstance(error, CarbonodeError) else "internal"
            hidden = RpcError(ErrorNumber.INTERNAL, "internal error", part=code)
            return None if is_notification else _make_error(_get_id(request_id), hidden)
        if is_notification:
            return None
        return {"jsonrpc": "2.0", "id": request_id, "result": result}

    async def _call(self, name: str, params: Any, caller: Caller) -> Any:
        method = METHODS.get(name)
        if method is None or (method.admin and not caller.is_admin):
            raise RpcError(ErrorNumber.METHOD_NOT_FOUND, "no such method", method=str(name)[:64])
        handler = caller.extra.get(name) if method.socket else self._handlers[name]
        if handler is None:
            raise RpcError(ErrorNumber.METHOD_NOT_FOUND, "only over WebSocket (/ws)", method=name)
        self._metrics.rpc_requests.labels(name).inc()
        return await handler(parse_params(method.params, params), caller.client)


def make_notification(method: str, params: dict[str, Any]) -> str:
    """Return the text of a notification."""
    return _dump({"jsonrpc": "2.0", "method": method, "params": params})


def _parse(body: bytes | str) -> Any:
    """Return the document, or raise RpcError -32700 saying what is wrong with it."""
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        if text.count(",") + text.count("[") + text.count("{") > VALUES_MAX:
            hint = f"more than {VALUES_MAX} values in one document"
            raise RpcError(ErrorNumber.PARSE, hint)
        return _DECODER.decode(text)
    except RecursionError:
        raise RpcError(ErrorNumber.PARSE, DEPTH_HINT) from None
    except UnicodeDecodeError as error:
        raise RpcError(ErrorNumber.PARSE, f"not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise RpcError(ErrorNumber.PARSE, f"not JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _parse_integer(text: str) -> int:
    if len(text) > INTEGER_DIGITS_MAX:
        raise ValueError(f"an integer of {len(text)} digits, at most {INTEGER_DIGITS_MAX}")
    return int(text)


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        # Which one counts differs from reader to reader: a proxy may have checked the other.
        names = [name for name, _ in pairs]
        name = next(name for name in made if names.count(name) > 1)
        raise ValueError(f"member {name[:64]!r} twice in one object")
    return made


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_int=_parse_integer, object_pairs_hook=_make_object
)


def _find_id(request: Any) -> Any:
    """Return the request's id (_MISSING for a notification), or raise RpcError -32600."""
    if not isinstance(request, dict):
        raise RpcError(ErrorNumber.INVALID_REQUEST, "a request is an object")
    request_id = request.get("id", _MISSING)
    known = request_id is _MISSING or request_id is None or type(request_id) in (int, str)
    if not known or (isinstance(request_id, str) and len(request_id) > ID_CHARACTERS_MAX):
        raise RpcError(ErrorNumber.INVALID_REQUEST, "id: expected a number, short text or null")
    return request_id


def _check_envelope(request: dict[str, Any]) -> None:
    if request.get("jsonrpc") != "2.0":
        raise RpcError(ErrorNumber.INVALID_REQUEST, 'jsonrpc: expected "2.0"')
    if type(request.get("method")) is not str:
        raise RpcError(ErrorNumber.INVALID_REQUEST, "method: expected text")
    if not isinstance(request.get("params", {}), dict | list):
        raise RpcError(ErrorNumber.INVALID_PARAMS, "params: expected a list or an object")


def _get_id(request_id: Any) -> Any:
    return None if request_id is _MISSING else request_id


def _make_error(request_id: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": error.to_json()}


def _dump(document: Any) -> str:
    # ASCII only: a lone surrogate that a client sent must not fail in the socket.
    return json.dumps(document, separators=(",", ":"))
