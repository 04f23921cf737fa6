"""A whole node: starts its parts, owns every task, stops cleanly.

One TaskGroup owns all tasks; a part that fails takes the node down with a named
reason, because a node with a broken part must not vote. SIGTERM and SIGINT end it: no
new requests, links closed, the block being written finished, files released.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from node.config import RpcSection
from node.logs import log_event
from node.parts import Parts
from node.rpc.server import RpcServer
from node.rpc.service import RpcService
from primitives.transaction import Transaction

LAG_PERIOD_S = 0.5
SIZE_PERIOD_S = 30.0

_log = logging.getLogger("carbonode.node")


class Door(Protocol):
    """Where clients come in; open while it is entered."""

    address: tuple[str, int]
    admin_address: tuple[str, int]

    async def __aenter__(self) -> Door: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Node:
    """A running node: ``async with Node(parts) as node: await node.wait()``."""

    def __init__(
        self,
        parts: Parts,
        stopping: asyncio.Event | None = None,
        make_door: Callable[[RpcService, RpcSection], Door] = RpcServer,
    ) -> None:
        """``stopping`` may be set by a signal before the node has started.

        Clients come in by the door: over HTTP, or straight in a simulation.
        """
        self.parts = parts
        self._stop = asyncio.Event() if stopping is None else stopping
        self._started = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self.wants_restart = False
        """Whether the node stopped to be opened again on a state that it joined."""
        self.rpc = make_door(RpcService(parts, self.stop), parts.config.rpc)

    async def __aenter__(self) -> Node:
        """Return when the node listens; raises what kept it from starting."""
        self._owner = asyncio.create_task(self._run())
        started = asyncio.create_task(self._started.wait())
        await asyncio.wait({self._owner, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._owner.done():
            self._owner.result()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._owner is not None:
            await asyncio.wait({self._owner})
            if kind is None:
                self._owner.result()

    async def wait(self) -> None:
        """Return when the node was told to stop; raise what broke it."""
        if self._owner is not None:
            await self._owner

    def stop(self) -> None:
        """Begin a clean stop; harmless when repeated."""
        self._stop.set()

    async def _run(self) -> None:
        parts = self.parts
        parts.links.attach(parts.driver, parts.admission, parts.serving.on_question)
        parts.admission.attach(self._on_admitted)
        parts.network.attach(parts.links)
        parts.metrics.watch_gc()
        try:
            async with parts.network, self.rpc, asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work, name=name)
                    for name, work in (
                        ("driver", parts.driver.run()),
                        ("links", parts.links.run()),
                        ("gossip", parts.links.run_ticks()),
                        ("sync", self._synchronise()),
                        ("indexer", parts.indexer.run()),
                        ("retention", parts.snapshots.retention.run()),
                        ("lag", self._measure_lag()),
                        ("sizes", self._measure_sizes()),
                    )
                ]
                self._log_start()
                self._started.set()
                await self._stop.wait()
                log_event(_log, logging.INFO, "stopping", height=parts.state.height)
                for task in tasks:
                    task.cancel()
        finally:
            parts.metrics.unwatch_gc()
            parts.close()
            log_event(_log, logging.INFO, "stopped")

    async def _synchronise(self) -> None:
        """Take a snapshot where that saves much, else blocks; again when they are pruned."""
        statesync, is_pruned = self.parts.snapshots.statesync, False
        while not await statesync.run(is_pruned=is_pruned):
            await self.parts.sync.run()
            is_pruned = True
        log_event(_log, logging.INFO, "starting again on the snapshot's state")
        self.wants_restart = True
        self.stop()

    def _log_start(self) -> None:
        parts = self.parts
        log_event(
            _log,
            logging.INFO,
            "started",
            chain=parts.genesis.chain_name,
            chain_id=parts.chain_id,
            height=parts.state.height,
            key=parts.key.public_key,
            p2p=parts.network.listening,
            rpc=self.rpc.address,
            admin=self.rpc.admin_address,
        )
        if parts.recovered.reason:
            log_event(_log, logging.WARNING, "not voting yet", reason=parts.recovered.reason)
        if parts.config.node.signer_record_lost:
            log_event(_log, logging.WARNING, "the operator says the last-signed record is lost")

    def _on_admitted(self, admitted: Sequence[Transaction], origin: str) -> None:
        parts = self.parts
        parts.metrics.mempool_transactions.set(len(parts.mempool))
        parts.metrics.mempool_bytes.set(parts.mempool.bytes)
        parts.driver.on_transactions()
        if origin == "rpc":
            parts.links.spread([transaction.encoded for transaction in admitted])

    async def _measure_lag(self) -> None:
        while True:
            before = self.parts.clock.monotonic_s()
            await asyncio.sleep(LAG_PERIOD_S)
            late_s = self.parts.clock.monotonic_s() - before - LAG_PERIOD_S
            self.parts.metrics.loop_lag.set(max(late_s, 0.0))

    async def _measure_sizes(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sizes = await loop.run_in_executor(self.parts.readers, self.parts.chain.compute_sizes)
            self.parts.metrics.database_bytes.set(sum(sizes.values()))
            await asyncio.sleep(SIZE_PERIOD_S)
