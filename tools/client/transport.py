"""HTTP and WebSocket to one of several endpoints: fail-over, retry, back-off.

The only file of the client that knows aiohttp. It carries bodies and knows of
JSON-RPC only what a retry needs: a node that is full (-32004) or limits our rate
(-32005) is asked again after its ``retryAfterMs``, a node that is syncing (-32003)
is passed over while another endpoint may answer. Everything else is the caller's.

Repeating a request is safe by design: reads have no effect, and a transaction has
one id however often it is submitted.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TypeVar

import aiohttp

from tools.client.errors import (
    BadAnswer,
    MempoolFull,
    NodeUnreachable,
    RateLimited,
    Syncing,
)

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""A whole block in hex is 32 MiB; more than this is not an answer."""

WEBSOCKET_HEARTBEAT_S = 15.0
"""A silent link is noticed within this time and the subscription moves on."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a client is. Times are seconds."""

    rounds_max: int = 6
    """How often the list of endpoints is tried from start to end."""
    wait_first_s: float = 0.1
    wait_max_s: float = 5.0
    request_timeout_s: float = 30.0
    connect_timeout_s: float = 3.0
    refusals_max: int = 20
    """How often a full or rate-limiting node is asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's parsed content, who gave it, and whether the request went out twice."""

    content: object
    endpoint: str
    repeated: bool


class Socket:
    """One WebSocket that carries text; a broken link is an outcome, not an exception."""

    def __init__(self, response: aiohttp.ClientWebSocketResponse) -> None:
        self._response = response

    async def send(self, text: str) -> bool:
        """Send one message; False when the link is gone."""
        try:
            await self._response.send_str(text)
        except (aiohttp.ClientError, OSError):
            return False
        return True

    async def receive(self) -> str | None:
        """Return the next text message, None when the link is gone."""
        message = await self._response.receive()
        return message.data if message.type is aiohttp.WSMsgType.TEXT else None

    async def close(self) -> None:
        """Close the link; harmless when it is closed already."""
        await self._response.close()


class Transport:
    """Posts bodies to the first endpoint that answers, and stays with it."""

    def __init__(
        self,
        endpoints: Sequence[str],
        policy: RetryPolicy | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        if not endpoints:
            raise NodeUnreachable("no endpoint given")
        self._endpoints = [_normalise(endpoint) for endpoint in endpoints]
        self.policy = policy or RetryPolicy()
        self._preferred = 0
        self._random = random.Random(seed)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Transport:
        policy = self.policy
        timeout = aiohttp.ClientTimeout(
            total=policy.request_timeout_s, sock_connect=policy.connect_timeout_s
        )
        self._session = aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(limit=0)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def endpoint(self) -> str:
        """The endpoint that the next request tries first."""
        return self._endpoints[self._preferred]

    def fail_over(self) -> None:
        """Prefer the next endpoint from now on."""
        self._preferred = (self._preferred + 1) % len(self._endpoints)

    async def post(
        self, body: bytes, parse: Callable[[bytes], T], *, timeout_s: float | None = None
    ) -> tuple[T, bool]:
        """Return what ``parse`` makes of the answer, and whether the body went out twice.

        Raises NodeUnreachable after the policy's rounds, or the typed RpcError.
        """
        policy = self.policy
        failures: dict[str, str] = {}
        tries = refusals = 0
        while True:
            endpoint = self.endpoint
            tries += 1
            try:
                return parse(await self._post_once(endpoint, body, timeout_s)), tries > 1
            except (MempoolFull, RateLimited) as refusal:
                refusals += 1
                if refusals > policy.refusals_max:
                    raise
                await self.back_off(refusals, refusal.retry_after_ms)
                continue
            except Syncing:
                if len(self._endpoints) == 1 or tries >= len(self._endpoints):
                    raise
                self.fail_over()
                continue
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failures[endpoint] = _describe(error)
            self.fail_over()
            if tries >= policy.rounds_max * len(self._endpoints):
                raise NodeUnreachable("no node answers", endpoints=failures)
            if tries % len(self._endpoints) == 0:
                await self.back_off(tries // len(self._endpoints))

    async def get(self, path: str, endpoint: str | None = None) -> tuple[int, bytes]:
        """Return status and body of a GET on one endpoint; no retry: for probes."""
        url = (_normalise(endpoint) if endpoint else self.endpoint) + path
        try:
            async with self._get_session().get(url) as response:
                return response.status, await response.content.read(ANSWER_BYTES_MAX)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NodeUnreachable("no answer", url=url, error=_describe(error)) from None

    async def measure_clock_ms(self) -> int | None:
        """Return how far our clock is ahead of the node's, by its HTTP date; None without one.

        HTTP dates are whole seconds: the answer is right to about half a second.
        """
        try:
            async with self._get_session().get(self.endpoint + "/health") as response:
                received_ms = time.time_ns() // 1_000_000
                text = response.headers.get("Date")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NodeUnreachable("no answer", error=_describe(error)) from None
        if text is None:
            return None
        try:
            stamp_s = parsedate_to_datetime(text).timestamp()
        except ValueError:
            return None
        return received_ms - int(stamp_s * 1000) - 500

    async def open_websocket(self) -> Socket:
        """Return a WebSocket to the first endpoint that accepts one."""
        policy = self.policy
        failures: dict[str, str] = {}
        for number in range(1, policy.rounds_max * len(self._endpoints) + 1):
            endpoint = self.endpoint
            try:
                return Socket(
                    await self._get_session().ws_connect(
                        endpoint + "/ws",
                        heartbeat=WEBSOCKET_HEARTBEAT_S,
                        max_msg_size=ANSWER_BYTES_MAX,
                    )
                )
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failures[endpoint] = _describe(error)
            self.fail_over()
            if number % len(self._endpoints) == 0:
                await self.back_off(number // len(self._endpoints))
        raise NodeUnreachable("no node accepts a WebSocket", endpoints=failures)

    async def _post_once(self, endpoint: str, body: bytes, timeout_s: float | None) -> bytes:
        timeout = aiohttp.ClientTimeout(
            total=timeout_s or self.policy.request_timeout_s,
            sock_connect=self.policy.connect_timeout_s,
        )
        headers = {"Content-Type": "application/json"}
        async with self._get_session().post(
            endpoint + "/", data=body, headers=headers, timeout=timeout
        ) as response:
            content = await response.read()
            is_json = response.content_type == "application/json"
            if response.status >= 500 and not is_json:
                raise aiohttp.ClientConnectionError(f"HTTP {response.status}")
            if not is_json:
                raise BadAnswer("not a JSON-RPC endpoint", url=endpoint, status=response.status)
            return content

    async def back_off(self, attempt: int, asked_ms: int | None = None) -> None:
        """Wait as asked, or exponentially; with jitter, so that clients spread out."""
        policy = self.policy
        if asked_ms is None:
            wait_s = min(policy.wait_first_s * 2 ** (attempt - 1), policy.wait_max_s)
        else:
            wait_s = min(asked_ms / 1000, policy.wait_max_s)
        await asyncio.sleep(wait_s * (1 + 0.25 * self._random.random()))

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise NodeUnreachable("the client is not open: use 'async with'")
        return self._session


def _normalise(endpoint: str) -> str:
    text = endpoint.rstrip("/")
    return text if text.startswith(("http://", "https://")) else "http://" + text


def _describe(error: BaseException) -> str:
    """Return the reason in a few words: aiohttp's own text is a paragraph."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        return os.strerror(cause.errno) if cause.errno else str(cause)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
