"""Keeps as many blocks as the operator wants, and no more (``[retention]``).

Never deleted: what the transaction window needs, what is not indexed yet, and the blocks
after the oldest snapshot that is served, or a node that takes it could not go on to the
tip. Deleting and giving space back are done on a thread, slowly, beside the chain.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from node.config import NodeConfig
from node.logs import log_event
from node.snapshotmaking import SHARE, Pacer, SnapshotStopped, compute_history_first
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis
from storage.chain import ChainStore
from storage.pruning import Pruned, compact_pruned, prune_below
from storage.snapshotfolder import SnapshotFolder

WASTE_SHARE = 7
"""Space is given back when the database grew by a seventh since it last was, or when so much of
it was deleted: compaction then costs a bounded part of what is written."""
HOUR_MS = 3_600_000

_log = logging.getLogger("carbonode.retention")


class BlockIndexes(Protocol):
    """The indexes, which are built from blocks and go with them."""

    @property
    def index_height(self) -> int:
        """The last height that is indexed."""
        ...

    def prune_below(self, lowest: int, pace: Callable[[], None]) -> None:
        """Forget blocks that are still in the chain."""
        ...

    def compact(self) -> None:
        """Give the space back."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """What holds blocks back besides the settings."""

    index: BlockIndexes
    snapshots: SnapshotFolder


class Retention:
    """See the module. ``run`` is its owned task."""

    def __init__(
        self,
        chain: ChainStore,
        genesis: Genesis,
        config: NodeConfig,
        kept: Kept,
        now_ms: Callable[[], int],
    ) -> None:
        self._chain = chain
        self._genesis = genesis
        self._section = config.retention
        self._serves = config.snapshots.serve
        self._kept = kept
        self._now_ms = now_ms
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="retention")
        self._pacer = Pacer(SHARE)
        self._deleted_bytes = 0
        self._compacted_bytes = 0
        """The database's size when space was last given back; 0: not since the start, and
        nobody knows what is wasted in it."""

    async def run(self) -> None:
        """Delete what is too old, now and then, until cancelled."""
        if not self._section.blocks and not self._section.hours:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        while True:
            await loop.run_in_executor(self._thread, self.prune)
            await asyncio.sleep(self._section.period_s)

    def close(self) -> None:
        """Give up what is being done and end the thread."""
        self._pacer.stop()
        self._thread.shutdown(wait=True)

    def prune(self) -> None:
        """Delete and compact once. Failures are logged: the chain does not depend on it."""
        try:
            lowest = self.compute_lowest()
            pruned = self._prune_below(lowest)
            if self._should_compact():
                self._deleted_bytes = 0
                compact_pruned(self._chain, self._pacer)
                self._kept.index.compact()
                self._compacted_bytes = self._measure()
        except SnapshotStopped:
            return
        except CarbonodeError as error:
            log_event(_log, logging.ERROR, "cannot prune", error=error)
            return
        if pruned.blocks:
            log_event(_log, logging.INFO, "pruned", lowest=lowest, blocks=pruned.blocks)

    def _prune_below(self, lowest: int) -> Pruned:
        if lowest <= self._chain.lowest:
            return Pruned()
        # First: their keys are found again from the blocks.
        self._kept.index.prune_below(lowest, self._pacer)
        pruned = prune_below(self._chain, lowest, self._genesis.params.epoch_blocks, self._pacer)
        self._deleted_bytes += pruned.bytes
        return pruned

    def compute_lowest(self) -> int:
        """Return the lowest height that must stay."""
        tip = self._chain.tip
        if tip is None:
            return 0
        bounds = [tip.height, self._kept.index.index_height + 1]
        if self._section.blocks:
            bounds.append(tip.height - self._section.blocks + 1)
        if self._section.hours:
            bounds.append(self._find_younger(self._now_ms() - self._section.hours * HOUR_MS))
        bounds.append(compute_history_first(self._chain, self._genesis, tip.height))
        heights = self._kept.snapshots.list_heights() if self._serves else []
        if heights:
            bounds.append(heights[-1] + 1)
        return min(bounds)

    def _find_younger(self, time_ms: int) -> int:
        """Return the lowest height that is not older than ``time_ms``, by bisection."""
        tip = self._chain.tip
        low, high = self._chain.lowest, 0 if tip is None else tip.height
        while low < high:
            middle = (low + high) // 2
            header = self._chain.get_header(middle)
            if header is None or header.time_ms < time_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def _should_compact(self) -> bool:
        """Whether enough is wasted; what grew may also be content, which then counts anew."""
        before = self._compacted_bytes
        grown = self._measure() - before
        return max(grown, self._deleted_bytes) * WASTE_SHARE > before

    def _measure(self) -> int:
        """Return the bytes of the chain's tables on disk; LevelDB's log is beside them."""
        return sum(self._chain.compute_sizes().values())
