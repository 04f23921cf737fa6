"""The indexes of a running node: searched by many, written by one, made anew when damaged.

Indexes hold nothing that the chain does not: when LevelDB finds damage in them, at the
start or at a read, the folder is named in the log, removed, and filled again from the
blocks by the indexer; one of another layout likewise. A rebuild that the operator asks
for goes on beside the tables that answer. The chain's own folder is never touched here.
Called on threads. Source: docs/operations.md, "The home folder".
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from node.indexseed import make_seed
from node.logs import log_event
from node.metrics import Metrics
from storage.chain import ChainStore
from storage.engine import KeyValueStore
from storage.errors import DatabaseCorruptedError, StorageError, make_io_error
from storage.indexes import Indexed, IndexStore, IndexTables, IndexView, read_block

REBUILDS_MAX = 3
"""In one run; a disk that damages them again and again is the operator's to replace."""

_T = TypeVar("_T")
_log = logging.getLogger("carbonode.indexes")


class Indexes:
    """See the module. ``close`` when no thread asks any more."""

    def __init__(
        self,
        folder: Path,
        chain: ChainStore,
        metrics: Metrics,
        open_store: Callable[[Path], KeyValueStore | Path] = lambda folder: folder,
    ) -> None:
        """Open the indexes. Raises storage errors other than damage."""
        self._folder = folder
        self._open_store = open_store
        self._chain = chain
        self._metrics = metrics
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        """Indexing and pruning are two threads'."""
        self._users = 0
        self._is_renewing = False
        self._is_rebuild_wanted = False
        self._rebuilds = 0
        try:
            self._store = self._open()
        except DatabaseCorruptedError as error:
            self._store = self._make_anew(error)
        except StorageError as error:
            if error.code != "schema-version":
                raise
            self._store = self._empty("the indexes have another layout", error)

    @property
    def index_height(self) -> int:
        """The last height that queries know; falls to 0 when they are made anew."""
        return self._store.index_height

    @property
    def store(self) -> KeyValueStore:
        """The store itself: for measuring it."""
        return self._store.store

    @property
    def is_rebuilding(self) -> bool:
        """Whether tables are built beside those that answer, or are about to be."""
        return self._is_rebuild_wanted or self._store.building is not None

    @property
    def is_behind(self) -> bool:
        """Whether ``advance`` has something to do."""
        tip = self._chain.tip
        return tip is not None and (self.index_height < tip.height or self.is_rebuilding)

    def rebuild(self) -> bool:
        """Build the tables again beside those that answer; False when that goes on already."""
        if self.is_rebuilding:
            return False
        self._is_rebuild_wanted = True
        return True

    def advance(self, read: Callable[[int], Indexed | None]) -> None:
        """Index one block that is missing, in each generation that is being written.

        Raises storage errors; damage only after REBUILDS_MAX times.
        """
        with self._repairing(), self._writing, self._using() as store:
            if self._is_rebuild_wanted:
                with self._chain.view() as view:
                    store.begin_rebuild(make_seed(view))
                self._is_rebuild_wanted = False
            self._advance(store.current, read)
            building = store.building
            if building is not None:
                self._advance(building, read)
                if building.height >= store.current.height:
                    store.finish_rebuild()
                    log_event(_log, logging.INFO, "the indexes are rebuilt", height=building.height)

    def _advance(self, tables: IndexTables, read: Callable[[int], Indexed | None]) -> None:
        if not tables.is_seeded:
            with self._chain.view() as view:
                tables.seed(make_seed(view))
        tip, height = self._chain.tip, tables.height + 1
        if tip is None or height > tip.height:
            return
        if height < self._chain.lowest:
            # Joined by snapshot, or pruned while the indexes were made anew.
            tables.skip_to(self._chain.lowest - 1)
            return
        block = read(height)
        if block is None:
            raise StorageError("the chain has no such block", code="no-block", height=height)
        tables.apply(block)

    def tidy(self) -> None:
        """Remove what a rebuild that was broken off has left."""
        with self._repairing(), self._writing, self._using() as store:
            store.remove_leftovers()

    def prune_below(self, lowest: int, pace: Callable[[], None]) -> None:
        """Forget the blocks below ``lowest``, which are still in the chain."""
        for height in range(self._store.current.lowest, lowest):
            block = read_block(self._chain, height)
            with self._repairing(), self._writing, self._using() as store:
                for tables in (store.current, store.building):
                    if tables is not None and block is not None:
                        tables.prune(block)
                    elif tables is not None:
                        tables.prune_to(height + 1)
            pace()

    def compact(self) -> None:
        """Give the space of pruned rows back."""
        with self._repairing(), self._using() as store:
            store.current.compact()

    def search(self, query: Callable[[IndexView], _T]) -> _T:
        """Return what a query finds, in a moment that reaches the tip unless the indexes are
        far behind. Damage that it meets is raised, and repaired."""
        tip = self._chain.tip
        try:
            with self._using() as store:
                read = partial(read_block, self._chain)
                with store.view(read, 0 if tip is None else tip.height) as view:
                    return query(view)
        except DatabaseCorruptedError as error:
            self._renew(store, error)
            raise

    def close(self) -> None:
        """Close the store. Closing twice is harmless."""
        self._store.close()

    @contextmanager
    def _using(self) -> Iterator[IndexStore]:
        """LevelDB does not forgive a reader that is late: who uses the store is counted."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_renewing)
            self._users += 1
            store = self._store
        try:
            yield store
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @contextmanager
    def _repairing(self) -> Iterator[None]:
        """Damage that a writer meets is repaired, and the work begins again later."""
        damaged = self._store
        try:
            yield
        except DatabaseCorruptedError as error:
            self._renew(damaged, error)

    def _renew(self, damaged: IndexStore, error: DatabaseCorruptedError) -> None:
        """Replace the store, once for all who met the damage. Raises when it cannot."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_renewing)
            if self._store is not damaged:
                return
            self._is_renewing = True
            self._changed.wait_for(lambda: self._users == 0)
        try:
            damaged.close()
            self._store = self._make_anew(error)
        finally:
            with self._changed:
                self._is_renewing = False
                self._changed.notify_all()

    def _make_anew(self, error: DatabaseCorruptedError) -> IndexStore:
        if self._rebuilds >= REBUILDS_MAX:
            raise error
        self._rebuilds += 1
        self._metrics.index_rebuilds.inc()
        return self._empty(
            "the indexes are damaged; they are removed and built again from the blocks", error
        )

    def _empty(self, why: str, error: StorageError) -> IndexStore:
        log_event(_log, logging.ERROR, why, folder=self._folder, detail=error)
        try:
            # What is in it, not itself: it may be a mount point.
            for item in self._folder.iterdir():
                if item.is_dir():
                    shutil.rmtree(item)
                else:
                    item.unlink()
        except OSError as failure:
            raise make_io_error(self._folder, failure) from failure
        return self._open()

    def _open(self) -> IndexStore:
        return IndexStore.open(self._open_store(self._folder), self._chain.chain_id)
