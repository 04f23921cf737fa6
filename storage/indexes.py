"""Look-up tables beside the chain: transactions, events, lots by owner, moves of lots.

They live in a store of their own and can be rebuilt from the chain at will, so their
writes are not synced: after a crash they go on from the height they hold. A rebuild is a
second generation of the tables in the same store: the first one answers meanwhile, and
one write puts the second in its place. Never asked by consensus or execution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from primitives.block import Block
from primitives.hashing import Hash
from primitives.transaction import ReceivedTransaction, Transaction, decode_transaction
from storage.chain import ChainStore
from storage.chaintip import claim_store
from storage.closing import Closing
from storage.engine import KeyValueStore, Snapshot
from storage.indexqueries import (
    PAGE_ITEMS_MAX,
    EventEntry,
    IndexQueries,
    LotEntry,
    Page,
    StepEntry,
    TransactionEntry,
)
from storage.indexrows import Indexed
from storage.indextables import (
    IndexTables,
    Progress,
    Seed,
    compute_changes,
    read_block,
    read_height,
)
from storage.layer import Layer
from storage.leveldb import LevelStore
from storage.prefixed import PrefixedReader, PrefixedStore
from storage.schema import (
    INDEX_SCHEMA_VERSION,
    INDEX_TABLES,
    META_INDEX_GENERATION,
    META_INDEX_HEIGHT,
    META_INDEX_LOWEST,
    META_INDEX_SEED,
)

__all__ = [
    "PAGE_ITEMS_MAX", "EventEntry", "IndexQueries", "IndexStore", "IndexTables", "IndexView",
    "Indexed", "LotEntry", "Page", "Seed", "StepEntry", "TransactionEntry", "read_block",
]  # fmt: skip

CACHE_BYTES_DEFAULT = 16 * 1024 * 1024
LAG_BLOCKS_MAX = 16
"""So many blocks that are not indexed yet are read for one look-up: 0.2 s when full."""

_GENERATIONS: Final = (b"0", b"1")


class IndexView(IndexQueries, Closing):
    """A moment of the indexes, up to ``height``. Close it soon."""

    def __init__(
        self, snapshot: Snapshot, reader: Layer | PrefixedReader, folder: str, heights: range
    ) -> None:
        super().__init__(reader, folder)
        self._snapshot = snapshot
        self.lowest, self.height = heights.start, heights.stop - 1

    def close(self) -> None:
        """Release the moment. Closing twice is harmless."""
        self._snapshot.close()


class IndexStore(IndexQueries, Closing):
    """The indexes of one chain. One owner writes; anyone queries."""

    def __init__(self, store: KeyValueStore, folder: str, generation: bytes) -> None:
        self.current = IndexTables(PrefixedStore(store, generation))
        super().__init__(self.current.store, folder)
        self._store = store
        self._generation = generation
        other = IndexTables(PrefixedStore(store, _get_other(generation)))
        self.building: IndexTables | None = other if other.is_seeded else None
        """The tables that take the place of the current ones when they are as far."""
        self._tail: tuple[int, int, bytes, Layer] | None = None

    @classmethod
    def open(
        cls,
        target: KeyValueStore | Path,
        chain_id: Hash,
        *,
        cache_bytes: int = CACHE_BYTES_DEFAULT,
    ) -> IndexStore:
        """Return the indexes in a folder (made if absent) or in an open store.

        Raises what ``ChainStore.open`` raises; a damaged index, or one of another layout,
        may simply be removed.
        """
        if isinstance(target, Path):
            store: KeyValueStore = LevelStore.open(target, cache_bytes=cache_bytes)
            folder = str(target)
        else:
            store, folder = target, "memory"
        try:
            claim_store(store, folder, chain_id, INDEX_SCHEMA_VERSION)
            generation = store.get(META_INDEX_GENERATION) or _GENERATIONS[0]
            return cls(store, folder, generation)
        except BaseException:
            store.close()
            raise

    @property
    def store(self) -> KeyValueStore:
        """The store itself: for measuring it."""
        return self._store

    @property
    def index_height(self) -> int:
        """The last height that queries know; 0 before the first block."""
        return self.current.height

    def view(self, read: Callable[[int], Indexed | None], tip: int) -> IndexView:
        """Return the present moment; the few blocks up to ``tip`` that are not indexed yet
        are taken from ``read``, so that a look-up right after a commit finds them."""
        snapshot = self._store.snapshot()
        try:
            # From the snapshot itself: the writer goes on meanwhile.
            generation = snapshot.get(META_INDEX_GENERATION) or _GENERATIONS[0]
            base = PrefixedReader(snapshot, generation)
            height = read_height(base, META_INDEX_HEIGHT, 0)
            lowest = read_height(base, META_INDEX_LOWEST, 1)
            if not height < tip <= height + LAG_BLOCKS_MAX:
                return IndexView(snapshot, base, self._folder, range(lowest, height + 1))
            tail, reached = self._read_tail(base, generation, range(height + 1, tip + 1), read)
            over = Layer(base, tail.changes)
            return IndexView(snapshot, over, self._folder, range(lowest, reached + 1))
        except BaseException:
            snapshot.close()
            raise

    def _read_tail(
        self,
        base: PrefixedReader,
        generation: bytes,
        heights: range,
        read: Callable[[int], Indexed | None],
    ) -> tuple[Layer, int]:
        """Return the changes of some blocks, and the height that they reach."""
        known = self._tail
        if known is not None and known[:3] == (heights.start, heights.stop, generation):
            return known[3], heights.stop - 1
        seed_height = read_height(base, META_INDEX_SEED, 0)
        tail = Layer(base)
        for height in heights:
            block = read(height)
            if block is None:
                return tail, height - 1
            for key, value in compute_changes(tail, block, seed_height).items():
                tail.put(key, value)
        self._tail = (heights.start, heights.stop, generation, tail)
        return tail, heights.stop - 1

    def skip_to(self, height: int) -> None:
        """Go on after ``height``, which is above ours: the blocks up to it are not here."""
        self.current.skip_to(height)

    def apply(
        self,
        height: int,
        block: Block,
        receipts: Sequence[bytes],
        events: Sequence[bytes],
        transactions: Sequence[Transaction | ReceivedTransaction] | None = None,
    ) -> None:
        """Index one block. Does nothing for a height that is indexed already.

        ``transactions`` are the block's when someone has decoded them already. Raises
        StorageError 'index-gap' when a height before is missing.
        """
        if transactions is None:
            transactions = [decode_transaction(encoded) for encoded in block.transactions]
        self.current.apply(Indexed.of(height, transactions, receipts, events))

    def catch_up(self, chain: ChainStore, progress: Progress | None = None) -> None:
        """Index every committed block that is missing; ``progress`` gets (height, tip)."""
        self.current.catch_up(chain, progress)

    def begin_rebuild(self, seed: Seed) -> IndexTables:
        """Return the empty tables of the next generation, with the lots of ``seed``."""
        other = IndexTables(PrefixedStore(self._store, _get_other(self._generation)))
        other.clear()
        other.seed(seed)
        self.building = other
        return other

    def finish_rebuild(self) -> None:
        """Let the tables that were built answer, and remove the others."""
        built = self.building
        assert built is not None  # the caller's order of calls
        generation = _get_other(self._generation)
        self._store.write({META_INDEX_GENERATION: generation}, sync=True)
        old, self.current, self.building = self.current, built, None
        self._reader, self._generation = built.store, generation
        old.clear()

    def remove_leftovers(self) -> None:
        """Clear the other generation unless it is being built: a crash may have left rows."""
        if self.building is None:
            IndexTables(PrefixedStore(self._store, _get_other(self._generation))).clear()

    def rebuild(self, chain: ChainStore, seed: Seed, progress: Progress | None = None) -> None:
        """Index the whole chain again, and then let that answer."""
        tables = self.begin_rebuild(seed)
        tables.skip_to(chain.lowest - 1)
        tables.catch_up(chain, progress)
        self.finish_rebuild()

    def compute_sizes(self) -> dict[str, int]:
        """Return the approximate bytes on disk of each table, by name."""
        compute = self.current.store.compute_size
        return {table.name: compute(table.prefix) for table in INDEX_TABLES}

    def close(self) -> None:
        """Close the store. Closing twice is harmless."""
        self._store.close()


def _get_other(generation: bytes) -> bytes:
    return _GENERATIONS[1] if generation == _GENERATIONS[0] else _GENERATIONS[0]
