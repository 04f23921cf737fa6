"""A node that speaks real HTTP and WebSocket and answers from a table of functions."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from aiohttp import WSMsgType, web

Handler = Callable[[dict[str, Any]], Any]


class Refusal(Exception):
    """Becomes a JSON-RPC error answer."""

    def __init__(self, code: int, message: str = "refused", /, **data: Any) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "data": data}


class FakeNode:
    """``async with FakeNode({"method": function}) as node: node.url``.

    ``socket_scripts`` are what successive /ws connections do after a subscription was
    answered: a list of messages to send, then the connection is closed.
    """

    def __init__(self, methods: dict[str, Handler] | None = None) -> None:
        self.methods = methods or {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.bodies = 0
        self.socket_scripts: list[list[dict[str, Any]]] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.drop_answers = 0
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.port = 0

    async def __aenter__(self) -> FakeNode:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/", self._post)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        self.bodies += 1
        document = json.loads(await request.read())
        if isinstance(document, list):
            answer: Any = [self._answer(item) for item in document][::-1]  # order is free
        else:
            answer = self._answer(document)
        if self.drop_answers > 0:
            self.drop_answers -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(answer)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        params = request.get("params", {})
        self.requests.append((request["method"], params))
        envelope = {"jsonrpc": "2.0", "id": request["id"]}
        handler = self.methods.get(request["method"])
        if handler is None:
            return {**envelope, "error": {"code": -32601, "message": "method not found"}}
        try:
            return {**envelope, "result": handler(params)}
        except Refusal as refusal:
            return {**envelope, "error": refusal.error}

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        message = await socket.receive()
        if message.type is not WSMsgType.TEXT:
            return socket
        subscribe = json.loads(message.data)
        self.subscriptions.append(subscribe["params"])
        await socket.send_json(
            {"jsonrpc": "2.0", "id": subscribe["id"], "result": {"subscription": "s1"}}
        )
        for item in self.socket_scripts.pop(0) if self.socket_scripts else []:
            await socket.send_json(item)
        await socket.close()
        return socket


@contextmanager
def serve(methods: dict[str, Handler]) -> Iterator[FakeNode]:
    """Run a fake node in a thread of its own: for commands that have their own loop."""
    started: Future[tuple[FakeNode, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        async with FakeNode(methods) as node:
            started.set_result((node, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    node, loop, stop = started.result(timeout=10)
    try:
        yield node
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def make_status(**changes: Any) -> dict[str, Any]:
    """Return an answer of chain_status."""
    return {
        "chainId": "0x" + "11" * 32,
        "chainName": "fake",
        "height": 7,
        "stateRoot": "0x" + "22" * 32,
        "timeMs": 1,
        "syncing": False,
        "params": {
            "transaction_window_blocks": 1000,
            "transaction_gas_max": 5_000_000,
            "epoch_blocks": 1000,
        },
        **changes,
    }


def make_next(cursor: str, height: int) -> dict[str, Any]:
    """Return an event_next notification."""
    params = {"subscription": "s1", "cursor": cursor, "item": {"height": height}}
    return {"jsonrpc": "2.0", "method": "event_next", "params": params}


def make_closed(reason: str) -> dict[str, Any]:
    """Return an event_closed notification."""
    params = {"subscription": "s1", "reason": reason, "cursor": "c"}
    return {"jsonrpc": "2.0", "method": "event_closed", "params": params}
