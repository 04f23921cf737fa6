"""Keeps the indexes behind the chain, at their own pace, on their own thread.

Nothing waits for it: consensus never, RPC look-ups by id never; ``indexHeight`` is
public. After a restart it goes on from the height that the indexes hold; when they were
damaged and made anew (``node.indexes``), from the first block. A rebuild that the
operator asks for reads every block once more, beside the tables that answer.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from node.indexes import Indexes
from node.metrics import Metrics
from node.notify import Notifier
from storage.chain import ChainStore
from storage.indexes import Indexed, read_block

BLOCKS_TOGETHER = 16
"""Blocks indexed before the loop looks whether the node stops."""


class Indexer:
    """Owns the writing side of the indexes. ``run`` is its task."""

    def __init__(
        self, chain: ChainStore, index: Indexes, notifier: Notifier, metrics: Metrics
    ) -> None:
        self._chain = chain
        self._index = index
        self._notifier = notifier
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="indexer")

    async def run(self) -> None:
        """Index what is missing after each commit, until cancelled."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._index.tidy)
        while True:
            while self._index.is_behind:
                await loop.run_in_executor(self._thread, self._index_some)
                self._metrics.index_height.set(self._index.index_height)
            await self._notifier.wait_tip()

    def rebuild(self) -> bool:
        """Build the indexes again beside those that answer; False when that goes on already."""
        started = self._index.rebuild()
        self._notifier.wake()
        return started

    def close(self) -> None:
        """Finish the block being indexed and end the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _index_some(self) -> None:
        for _ in range(BLOCKS_TOGETHER):
            if not self._index.is_behind:
                return
            self._index.advance(self._read)

    def _read(self, height: int) -> Indexed | None:
        recent = self._notifier.get_recent(height)
        if recent is not None:
            return Indexed.of(height, recent.transactions, recent.receipts, recent.events)
        return read_block(self._chain, height)
