"""The indexes of a running node: searched by many, written by one, made anew when damaged.

Indexes hold nothing that the chain does not: when LevelDB finds damage in them, at the
start or at a read, the folder is named in the log, removed, and filled again from the
blocks by the indexer. The chain's own folder is never touched here. Called on threads.
Source: docs/operations.md, "The home folder".
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from node.logs import log_event
from node.metrics import Metrics
from primitives.block import Block
from primitives.hashing import Hash
from primitives.transaction import ReceivedTransaction, Transaction
from storage.engine import KeyValueStore
from storage.errors import DatabaseCorruptedError, make_io_error
from storage.indexes import IndexStore

REBUILDS_MAX = 3
"""In one run; a disk that damages them again and again is the operator's to replace."""

_T = TypeVar("_T")
_log = logging.getLogger("carbonode.indexes")


class Indexes:
    """See the module. ``close`` when no thread asks any more."""

    def __init__(
        self,
        folder: Path,
        chain_id: Hash,
        metrics: Metrics,
        open_store: Callable[[Path], KeyValueStore | Path] = lambda folder: folder,
    ) -> None:
        """Open the indexes. Raises storage errors other than damage."""
        self._folder = folder
        self._open_store = open_store
        self._chain_id = chain_id
        self._metrics = metrics
        self._changed = threading.Condition()
        self._users = 0
        self._is_renewing = False
        self._rebuilds = 0
        try:
            self._store = IndexStore.open(open_store(folder), chain_id)
        except DatabaseCorruptedError as error:
            self._store = self._make_anew(error)

    @property
    def index_height(self) -> int:
        """The last height that queries know; falls to 0 when they are made anew."""
        return self._store.index_height

    def apply(
        self,
        height: int,
        block: Block,
        receipts: Sequence[bytes],
        events: Sequence[bytes],
        transactions: Sequence[Transaction | ReceivedTransaction],
    ) -> None:
        """Index one block if it is the next one, else do nothing: look again.

        Raises storage errors; damage only after REBUILDS_MAX times.
        """
        try:
            with self._using() as store:
                if height == store.index_height + 1:
                    store.apply(height, block, receipts, events, transactions)
        except DatabaseCorruptedError as error:
            self._renew(store, error)

    def skip_to(self, height: int) -> None:
        """Go on after ``height``: the blocks up to it are not here."""
        with self._using() as store:
            store.skip_to(height)

    def search(self, query: Callable[[IndexStore], _T]) -> _T:
        """Return what a query finds. Damage that it meets is raised, and repaired."""
        try:
            with self._using() as store:
                return query(store)
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
        log_event(
            _log,
            logging.ERROR,
            "the indexes are damaged; they are removed and built again from the blocks",
            folder=self._folder,
            detail=error,
        )
        try:
            # What is in it, not itself: it may be a mount point.
            for item in self._folder.iterdir():
                if item.is_dir():
                    shutil.rmtree(item)
                else:
                    item.unlink()
        except OSError as failure:
            raise make_io_error(self._folder, failure) from failure
        return IndexStore.open(self._open_store(self._folder), self._chain_id)
