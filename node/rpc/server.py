"""HTTP and WebSocket: the one importer of aiohttp in the node.

POST / is JSON-RPC, /ws the same with subscriptions, GET /health /ready /metrics for
machines. Bounds: body size, connections, requests and transactions a second for each
client. ``admin_*`` answers only on a listener of its own on loopback, never to a page
in a browser.
"""

from __future__ import annotations

import asyncio
import json
import time
from types import TracebackType

from aiohttp import WSMsgType, web

from node.config import RpcSection
from node.metrics import CONTENT_TYPE
from node.rpc.connections import SWEEP_S, Connections
from node.rpc.dispatch import Caller, make_notification
from node.rpc.errors import RpcError
from node.rpc.service import RpcService
from node.rpc.subscriptions import Subscriptions
from primitives.errors import CarbonodeError

READ_TIMEOUT_S = 30.0
"""A client that does not finish its request in this time is cut off."""
SOCKET_REQUESTS_MAX = 32
"""Requests of one WebSocket in work at once; more wait in its TCP window."""
SOCKET_MESSAGE_BYTES_MAX = 1024 * 1024
"""A thousand sockets may each hold one half-received message."""
OPEN_BYTES_MAX = 256 * 1024 * 1024
"""Bodies of all requests in work together."""
SHUTDOWN_TIMEOUT_S = 2.0
HEARTBEAT_S = 30.0
METRICS_COST = 20
"""A page of metrics costs as much as so many small requests."""
ADMIN_HOST = "127.0.0.1"
ADMIN_CONNECTIONS_MAX = 64
"""Its own: clients that take every connection must not lock the operator out."""
BACKLOG = 128
"""Connections that the system holds until they are accepted."""


class ListenError(CarbonodeError):
    """An address that cannot be listened on: taken, not ours, or no address at all."""

    code = "listen"


class RpcServer:
    """Listens while it is entered: ``async with server``."""

    def __init__(self, service: RpcService, config: RpcSection) -> None:
        self._service = service
        self._config = config
        self._runners: list[web.AppRunner] = []
        self._servers: list[asyncio.Server] = []
        self._connections: list[Connections] = []
        self._sweeping: asyncio.Task[None] | None = None
        self._sockets: set[web.WebSocketResponse] = set()
        self._open_requests = 0
        self._open_bytes = 0
        self.address = ("", 0)
        self.admin_address = ("", 0)

    async def __aenter__(self) -> RpcServer:
        """Open both listeners; ListenError when one cannot be opened."""
        try:
            self.address = await self._listen(self._config.host, self._config.port, is_admin=False)
            self.admin_address = await self._listen(
                ADMIN_HOST, self._config.admin_port, is_admin=True
            )
        except BaseException:
            await self._close()
            raise
        self._sweeping = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        """End everything within seconds, whatever clients do or leave undone."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for server in self._servers:
            server.close()
        farewells = (
            asyncio.wait_for(socket.close(code=1001, message=b"the node stops"), SHUTDOWN_TIMEOUT_S)
            for socket in list(self._sockets)
        )
        await asyncio.gather(*farewells, return_exceptions=True)
        for runner in self._runners:
            await runner.cleanup()
        for connections in self._connections:
            connections.abort_all()
        self._service.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            for connections in self._connections:
                connections.sweep()

    async def _listen(self, host: str, port: int, *, is_admin: bool) -> tuple[str, int]:
        application = web.Application(client_max_size=self._config.body_bytes_max)
        if is_admin:
            application.router.add_post("/", self._on_admin)
        else:
            application.router.add_post("/", self._on_post)
            application.router.add_get("/ws", self._on_socket)
            application.router.add_get("/health", self._on_health)
            application.router.add_get("/ready", self._on_ready)
            application.router.add_get("/metrics", self._on_metrics)
        runner = web.AppRunner(
            application,
            access_log=None,
            keepalive_timeout=75.0,
            shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            handler_cancellation=True,
        )
        self._runners.append(runner)
        await runner.setup()
        make_protocol = runner.server
        assert make_protocol is not None, "set up"
        connections = Connections(
            make_protocol,
            ADMIN_CONNECTIONS_MAX if is_admin else self._config.connections_max,
            time.monotonic,
        )
        self._connections.append(connections)
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(connections.make_doorman, host, port, backlog=BACKLOG)
        except OSError as error:
            table = "rpc.admin_port" if is_admin else "rpc.host and rpc.port"
            raise ListenError(f"{table}: cannot listen: {error}", host=host, port=port) from None
        self._servers.append(server)
        bound = server.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    # -- HTTP

    async def _on_post(self, request: web.Request) -> web.Response:
        client = self._service.clients.get(request.remote or "")
        return await self._answer_post(request, Caller(client, {}))

    async def _on_admin(self, request: web.Request) -> web.Response:
        if "Origin" in request.headers:
            return web.Response(status=403, text="not for browsers\n")
        client = self._service.clients.get("admin")
        return await self._answer_post(request, Caller(client, {}, is_admin=True))

    async def _answer_post(self, request: web.Request, caller: Caller) -> web.Response:
        limit = self._config.body_bytes_max
        size = limit if request.content_length is None else min(request.content_length, limit)
        is_full = self._open_requests >= self._config.connections_max
        if is_full or self._open_bytes + size > OPEN_BYTES_MAX:
            return web.Response(status=503, text="too many requests at once\n")
        self._open_requests += 1
        self._open_bytes += size
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                body = await request.read()
            answer = await self._service.dispatcher.answer(body, caller)
        except web.HTTPRequestEntityTooLarge:
            text = f"a request has at most {self._config.body_bytes_max} bytes\n"
            return web.Response(status=413, text=text)
        except TimeoutError:
            return web.Response(status=408, text="the request took too long\n")
        finally:
            self._open_requests -= 1
            self._open_bytes -= size
        if answer is None:
            return web.Response(status=204)
        return web.Response(text=answer, content_type="application/json")

    async def _on_health(self, _request: web.Request) -> web.Response:
        return _json(self._service.describe_health(), 200)

    async def _on_ready(self, _request: web.Request) -> web.Response:
        reasons = self._service.find_unreadiness()
        return _json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def _on_metrics(self, request: web.Request) -> web.Response:
        try:
            self._service.clients.get(request.remote or "").charge_request(METRICS_COST)
        except RpcError as error:
            return web.Response(status=429, text=f"{error}\n")
        body = self._service.render_metrics()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    # -- WebSocket

    async def _on_socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= self._config.connections_max:
            return web.Response(status=503, text="too many connections\n")
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S,
            max_msg_size=min(self._config.body_bytes_max, SOCKET_MESSAGE_BYTES_MAX),
        )
        await socket.prepare(request)
        self._sockets.add(socket)
        connection = _Connection(self._service, socket, request.remote or "")
        try:
            await connection.run()
        finally:
            self._sockets.discard(socket)
        return socket


class _Connection:
    """One WebSocket: requests in, answers and notifications out."""

    def __init__(self, service: RpcService, socket: web.WebSocketResponse, remote: str) -> None:
        self._service = service
        self._socket = socket
        self._slots = asyncio.Semaphore(SOCKET_REQUESTS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = service.clients.get(remote)
        self._subscriptions: Subscriptions = service.make_subscriptions(self._client, self._notify)

    async def run(self) -> None:
        """Serve until the client leaves."""
        caller = Caller(
            self._client,
            {
                "event_subscribe": lambda params, _: self._subscriptions.subscribe(params),
                "event_unsubscribe": lambda params, _: self._subscriptions.unsubscribe(params),
            },
        )
        try:
            async for message in self._socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    continue
                await self._slots.acquire()
                task = asyncio.create_task(self._answer(message.data, caller))
                self._tasks.add(task)
                task.add_done_callback(self._on_answered)
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._subscriptions.close()

    def _on_answered(self, task: asyncio.Task[None]) -> None:
        self._slots.release()
        self._tasks.discard(task)

    async def _answer(self, data: str | bytes, caller: Caller) -> None:
        answer = await self._service.dispatcher.answer(data, caller)
        if answer is not None and not self._socket.closed:
            try:
                await self._socket.send_str(answer)
            except ConnectionError:
                return  # the client left; the reading loop ends by itself

    async def _notify(self, method: str, params: dict[str, object]) -> None:
        if self._socket.closed:
            raise ConnectionResetError("the client left")
        await self._socket.send_str(make_notification(method, params))


def _json(document: dict[str, object], status: int) -> web.Response:
    return web.Response(
        text=json.dumps(document) + "\n", status=status, content_type="application/json"
    )
