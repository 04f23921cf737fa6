"""The process of ``carbonode explorer``: one index, written and served until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from primitives.genesis import Genesis
from tools.client.client import Client
from tools.explorer.metrics import Metrics
from tools.explorer.server import ApiServer
from tools.explorer.service import Service
from tools.indexer.commands import PATIENCE
from tools.indexer.database import open_engine, open_index
from tools.indexer.following import Follower


async def serve(
    url: str,
    nodes: Sequence[str],
    genesis: Genesis,
    host: str,
    port: int,
    requests_a_second: int,
    announce: Callable[[str], None],
) -> None:
    """Run until SIGTERM or SIGINT. Raises what the index's database raises.

    ``announce`` is told the address once requests are answered.
    """
    engine = open_engine(url)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stack.callback(engine.dispose)
        clients = [await stack.enter_async_context(Client(node, policy=PATIENCE)) for node in nodes]
        await asyncio.to_thread(open_index, engine, genesis)
        follower = Follower(engine, clients, genesis)
        service = Service(engine, genesis, clients, follower.progress)
        stack.callback(service.close)
        server = ApiServer(service, Metrics(follower.progress), requests_a_second)
        runner = web.AppRunner(server.make_app(), access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        announce(f"http://{address[0]}:{address[1]}")
        await follower.run(stop)


def run(
    url: str,
    nodes: Sequence[str],
    genesis: Genesis,
    host: str,
    port: int,
    requests_a_second: int,
    announce: Callable[[str], None],
) -> None:
    """As ``serve``, with a loop of its own."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(serve(url, nodes, genesis, host, port, requests_a_second, announce))
