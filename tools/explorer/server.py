"""The interface over HTTP: routes from the table of operations, refusals as problem+json,
ETags by the index's height, a rate for each client address.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final

from aiohttp import web

from node.rpc.errors import RpcError
from node.rpc.ratelimit import ClientTable, Rates
from tools.explorer.lists import iterate_export, make_operations, make_schemas
from tools.explorer.metrics import Metrics
from tools.explorer.openapi import make_openapi
from tools.explorer.operation import Operation
from tools.explorer.parameters import read as read_parameters
from tools.explorer.problems import TYPE, Problem
from tools.explorer.questions import QUESTIONS
from tools.explorer.rendering import dump_json
from tools.explorer.service import Answer, Service
from tools.indexer.database import reading, require_meta
from tools.indexer.registry import LISTINGS
from tools.indexer.writing import HEIGHT

REQUESTS_A_SECOND: Final = 50
EXPORTS_MAX: Final = 2
"""Streams at once: each holds a thread and a moment of the database."""
EXPORT_S: Final = 600.0
WRITE_S: Final = 30.0
"""A client that takes nothing for so long is left."""
MANIFEST: Final = "/api/v1/openapi.json"
_LOG: Final = logging.getLogger(__name__)
_END: Final = object()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# What has a name of its own comes before what is a key: the first route that fits is taken.
OPERATIONS: Final[tuple[Operation, ...]] = (
    *QUESTIONS,
    *(
        operation
        for listing in LISTINGS.values()
        for operation in make_operations(listing)
        if operation.path not in {question.path for question in QUESTIONS}
    ),
)


class ApiServer:
    """The application. ``make_app`` once."""

    def __init__(
        self, service: Service, metrics: Metrics, requests_a_second: int = REQUESTS_A_SECOND
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._clients = ClientTable(Rates(requests_a_second, 1, 1), time.monotonic)
        self._exports = asyncio.Semaphore(EXPORTS_MAX)
        self._openapi = dump_json(make_openapi(OPERATIONS, make_schemas(LISTINGS)))

    def make_app(self) -> web.Application:
        """Return the application with every route."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        app = web.Application(middlewares=[guard], client_max_size=1)
        for operation in OPERATIONS:
            app.router.add_get(
                operation.path, partial(self._answer, operation), name=operation.name
            )
        app.router.add_get(MANIFEST, self._show_openapi, name="openapi")
        app.router.add_get("/metrics", self._show_metrics, name="metrics")
        app.router.add_get("/health", self._show_health, name="health")
        return app

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn whatever is raised into a problem, and count."""
        started = time.perf_counter()
        resource = request.match_info.route.resource
        name = (resource.name if resource is not None else None) or "none"
        try:
            response = await handler(request)
        except Problem as problem:
            response = await self._refuse(request, problem)
        except web.HTTPMethodNotAllowed as error:
            refused = Problem("method-not-allowed", "GET and HEAD are allowed")
            response = await self._refuse(request, refused)
            response.headers["Allow"] = error.headers["Allow"]
        except web.HTTPNotFound:
            response = await self._refuse(request, Problem("not-found", "no such address"))
        except web.HTTPException as error:
            response = await self._refuse(request, Problem("bad-parameter", error.reason))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            _LOG.exception("a request failed: %s", request.rel_url)
            response = await self._refuse(request, Problem("internal", "see the program's log"))
        self._metrics.requests.labels(name, str(response.status)).inc()
        self._metrics.seconds.labels(name).observe(time.perf_counter() - started)
        return response

    async def _refuse(self, request: web.Request, problem: Problem) -> web.Response:
        height = self._service.progress.height
        headers = _make_headers(height, "no-store")
        if problem.retry_after_s is not None:
            headers["Retry-After"] = str(problem.retry_after_s)
        return web.Response(
            text=dump_json(problem.to_json(request.path[:256], height)), status=problem.status,
            content_type=TYPE, headers=headers,
        )  # fmt: skip

    async def _answer(self, operation: Operation, request: web.Request) -> web.StreamResponse:
        self._charge(request, operation.cost)
        values = read_parameters(operation.parameters, _read_given(request))
        if operation.exports:
            return await self._export(operation, request, values)
        wanted = request.headers.get("If-None-Match")
        if wanted is not None and not values.get("proof") and operation.name != "status":
            height = await self._service.get_height()
            etag = self._make_etag(height)
            if etag in [item.strip().removeprefix("W/") for item in wanted[:1_024].split(",")]:
                return web.Response(status=304, headers={**_make_headers(height), "ETag": etag})
        answer: Answer = await operation.handler(self._service, values)
        headers = _make_headers(answer.height, "no-store" if answer.fresh else None)
        if not answer.fresh:
            headers["ETag"] = self._make_etag(answer.height)
        return web.Response(
            text=dump_json(answer.document), content_type="application/json", headers=headers
        )

    def _charge(self, request: web.Request, cost: int) -> None:
        try:
            self._clients.get(request.remote or "").charge_request(cost)
        except RpcError as error:
            wait_ms = int(error.data["retryAfterMs"])
            raise Problem("too-many-requests", str(error), -(-wait_ms // 1_000)) from None

    def _make_etag(self, height: int) -> str:
        return f'"{self._service.chain_id.hex()[:8]}-{height}"'

    async def _export(
        self, operation: Operation, request: web.Request, values: dict[str, Any]
    ) -> web.StreamResponse:
        """Stream everything from one moment of the index; a slow client is left."""
        if self._exports.locked():
            raise Problem("busy", f"{EXPORTS_MAX} exports run: come back later", 5)
        loop, form = asyncio.get_running_loop(), operation.path.rpartition(".")[2]
        listing = LISTINGS[operation.exports]
        async with self._exports:
            source = _open_export(self._service, listing, values, form)
            try:
                height = int(await loop.run_in_executor(None, next, source))
                response = web.StreamResponse(headers=_make_headers(height))
                response.headers["ETag"] = self._make_etag(height)
                response.content_type, response.charset = operation.media, "utf-8"
                name = f"{listing.name}-{height}.{form}"
                response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
                await response.prepare(request)
                if request.method == "GET":
                    await _stream(request, response, source)
                return response
            finally:
                await asyncio.shield(loop.run_in_executor(None, source.close))

    async def _show_openapi(self, request: web.Request) -> web.Response:
        height = self._service.progress.height
        return web.Response(
            text=self._openapi, content_type="application/json", headers=_make_headers(height)
        )

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), content_type="text/plain")

    async def _show_health(self, _request: web.Request) -> web.Response:
        progress = self._service.progress
        document = {"status": "ok", "index_height": progress.height, "error": progress.error}
        return web.Response(text=json.dumps(document), content_type="application/json")


async def _stream(request: web.Request, response: web.StreamResponse, source: Any) -> None:
    """Write every piece. What goes wrong now can only cut the stream: the client sees that."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(EXPORT_S):
            while (piece := await loop.run_in_executor(None, next, source, _END)) is not _END:
                async with asyncio.timeout(WRITE_S):
                    await response.write(str(piece).encode())
            await response.write_eof()
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:
        _LOG.exception("an export was cut: %s", request.rel_url)
        if request.transport is not None:
            request.transport.abort()


def _open_export(service: Service, listing: Any, values: dict[str, Any], form: str) -> Any:
    """Return a generator: first the height, then the pieces. Each step runs on some thread."""

    def iterate() -> Iterator[Any]:
        with reading(service.engine) as connection:
            height = int(require_meta(connection, HEIGHT))
            yield height
            yield from iterate_export(listing, values, connection, height, form)

    return iterate()


def _make_headers(height: int, cache: str | None = None) -> dict[str, str]:
    return {
        "Index-Height": str(height),
        "Cache-Control": cache or "public, max-age=0, must-revalidate",
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
    }


def _read_given(request: web.Request) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in (*request.query.items(), *request.match_info.items()):
        given.setdefault(name, []).append(value)
    return given
