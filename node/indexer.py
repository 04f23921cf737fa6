"""Keeps the indexes behind the chain, at their own pace, on their own thread.

Nothing waits for it: consensus never, RPC look-ups by id never; ``indexHeight`` is
public. After a restart it goes on from the height that the indexes hold; when they were
damaged and made anew (``node.indexes``), from the first block.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from node.indexes import Indexes
from node.metrics import Metrics
from node.notify import Notifier
from primitives.transaction import decode_transaction
from storage.chain import ChainStore
from storage.errors import StorageError

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
        while True:
            while self._is_behind():
                await loop.run_in_executor(self._thread, self._index_some)
                self._metrics.index_height.set(self._index.index_height)
            await self._notifier.wait_tip()

    def close(self) -> None:
        """Finish the block being indexed and end the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _is_behind(self) -> bool:
        tip = self._chain.tip
        return tip is not None and self._index.index_height < tip.height

    def _index_some(self) -> None:
        for _ in range(BLOCKS_TOGETHER):
            if not self._is_behind():
                return
            height = self._index.index_height + 1
            if height < self._chain.lowest:
                # Joined by snapshot, or pruned while the indexes were made anew.
                self._index.skip_to(self._chain.lowest - 1)
                continue
            recent = self._notifier.get_recent(height)
            if recent is not None:
                self._index.apply(
                    height, recent.block, recent.receipts, recent.events, recent.transactions
                )
                continue
            block = self._chain.get_block(height)
            if block is None:
                raise StorageError("the chain has no such block", code="no-block", height=height)
            transactions = [decode_transaction(encoded) for encoded in block.transactions]
            self._index.apply(
                height,
                block,
                self._chain.get_receipts(height),
                self._chain.get_events(height),
                transactions,
            )
