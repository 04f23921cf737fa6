"""What every handler needs: the index on threads, nodes for proofs, the height of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from primitives.genesis import Genesis, compute_chain_id
from tools.client.client import Client
from tools.explorer.problems import Problem
from tools.indexer.database import reading, require_meta
from tools.indexer.errors import IndexFault
from tools.indexer.following import Progress
from tools.indexer.writing import HEIGHT

T = TypeVar("T")
THREADS: Final = 4
WAITING_MAX: Final = 64
"""Questions that wait for a thread; more are told to come back."""
QUERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler found, and up to which height the index that it looked in held the chain."""

    document: Any = None
    height: int = 0
    fresh: bool = False
    """It holds more than the index at its height (a proof): nobody may keep it."""


class Service:
    """One index that is read. ``close`` ends its threads."""

    def __init__(
        self, engine: Engine, genesis: Genesis, clients: Sequence[Client], progress: Progress
    ) -> None:
        self.engine = engine
        self.genesis = genesis
        self.chain_id = compute_chain_id(genesis)
        self.clients = list(clients)
        self.progress = progress
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="explorer")
        self._waiting = 0

    async def read(self, work: Callable[[Connection], T]) -> tuple[int, T]:
        """Return the index's height and what ``work`` finds there, at one moment."""
        if self._waiting >= WAITING_MAX:
            raise Problem("busy", "too many questions wait for the index", retry_after_s=1)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.threads, self._read, work)
        finally:
            self._waiting -= 1

    def _read(self, work: Callable[[Connection], T]) -> tuple[int, T]:
        try:
            with reading(self.engine, QUERY_S) as connection:
                height = int(require_meta(connection, HEIGHT))
                return height, work(connection)
        except OperationalError as error:
            if is_interrupted(error):
                raise Problem("too-dear", f"longer than {QUERY_S:g} seconds: filter more") from None
            raise
        except IndexFault as fault:
            raise Problem("no-index", str(fault), retry_after_s=5) from None

    async def get_height(self) -> int:
        """Return the height at which the index is."""
        return (await self.read(lambda _: None))[0]

    def close(self) -> None:
        """End the threads."""
        self.threads.shutdown(wait=True, cancel_futures=True)


def is_interrupted(error: DBAPIError) -> bool:
    """Whether a statement was ended because it took too long."""
    text = str(error.orig).lower()
    return "interrupted" in text or "statement timeout" in text
