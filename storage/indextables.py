"""One generation of the indexes: what is written, block after block, and pruned again.

Lots and accounts begin with those of the state at one height (the seed), because blocks
before it may not be here; lots move on with the blocks above it, the rest of the rows
come from every block that is here. One owner writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from primitives.transaction import ReceivedTransaction, Transaction, decode_transaction
from storage.chain import ChainStore
from storage.engine import Reader
from storage.errors import StorageError
from storage.indexrows import Indexed, compute_account_rows, compute_rows, make_account_key
from storage.layer import Layer
from storage.prefixed import PrefixedStore
from storage.schema import (
    INDEX_TABLES,
    META_INDEX_HEIGHT,
    META_INDEX_LOWEST,
    META_INDEX_SEED,
    decode_height,
    encode_height,
)
from storage.unitrows import LOT, Lot, LotBook, make_lot_key, make_owned_key

SEED_ROWS = 2_000
_CLEAR_ROWS = 10_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Seed:
    """Accounts (organisation, key) and lots (batch, end, lot) of the state at ``height``."""

    height: int
    accounts: Iterable[tuple[str, bytes]]
    lots: Iterable[tuple[str, int, Lot]]


class IndexTables:
    """See the module. ``store`` is closed by its owner."""

    def __init__(self, store: PrefixedStore) -> None:
        self.store = store
        self._height = read_height(store, META_INDEX_HEIGHT, 0)
        self._lowest = read_height(store, META_INDEX_LOWEST, 1)
        self._seed_height = read_height(store, META_INDEX_SEED, 0)
        self._is_seeded = store.get(META_INDEX_SEED) is not None

    @property
    def height(self) -> int:
        """The last height that is indexed; 0 before the first block."""
        return self._height

    @property
    def lowest(self) -> int:
        """The lowest height that is indexed."""
        return self._lowest

    @property
    def is_seeded(self) -> bool:
        """Whether lots and accounts have their beginning."""
        return self._is_seeded

    def seed(self, seed: Seed) -> None:
        """Begin with the lots and accounts of a state; nothing may be indexed above it."""
        if self._height > seed.height:
            raise StorageError(
                "the indexes are further than the state", code="index-seed", height=seed.height
            )
        for prefix in (b"l", b"w"):
            self._clear(prefix)  # a seed that was broken off
        rows: dict[bytes, bytes] = {}
        for organisation, account in seed.accounts:
            rows[make_account_key(organisation, account)] = b""
        for batch, end, lot in seed.lots:
            rows[make_lot_key(batch, end)] = LOT.encode(lot)
            rows[make_owned_key(lot.owner, batch, end)] = b""
            if len(rows) >= SEED_ROWS:
                self.store.write(rows, sync=False)
                rows = {}
        rows[META_INDEX_SEED] = encode_height(seed.height)
        self.store.write(rows, sync=False)
        self._seed_height, self._is_seeded = seed.height, True

    def skip_to(self, height: int) -> None:
        """Go on after ``height``, which is above ours: the blocks up to it are not here."""
        if height > self._height:
            rows = {
                META_INDEX_HEIGHT: encode_height(height),
                META_INDEX_LOWEST: encode_height(height + 1),
            }
            self.store.write(rows, sync=False)
            self._height, self._lowest = height, height + 1

    def apply(self, block: Indexed) -> None:
        """Index the next block. Does nothing for a height that is indexed already.

        Raises StorageError 'index-gap' when a height before is missing.
        """
        if block.height <= self._height:
            return
        if block.height != self._height + 1:
            raise StorageError(
                "an earlier block is not indexed yet",
                code="index-gap",
                index_height=self._height,
                offered=block.height,
            )
        changes = compute_changes(self.store, block, self._seed_height)
        puts = {key: value for key, value in changes.items() if value is not None}
        puts[META_INDEX_HEIGHT] = encode_height(block.height)
        deletes = [key for key, value in changes.items() if value is None]
        self.store.write(puts, deletes, sync=False)
        self._height = block.height

    def catch_up(self, chain: ChainStore, progress: Progress | None = None) -> None:
        """Index every committed block that is missing; ``progress`` gets (height, tip)."""
        tip = chain.tip
        last = 0 if tip is None else tip.height
        for height in range(self._height + 1, last + 1):
            block = read_block(chain, height)
            if block is None:
                raise StorageError("the chain has no such block", code="no-block", height=height)
            self.apply(block)
            if progress is not None:
                progress(height, last)

    def prune(self, block: Indexed) -> None:
        """Forget the lowest block that is indexed; its lots and accounts stay."""
        if block.height != self._lowest or block.height > self._height:
            return
        rows = {META_INDEX_LOWEST: encode_height(block.height + 1)}
        self.store.write(rows, list(compute_rows(block)), sync=False)
        self._lowest = block.height + 1

    def prune_to(self, height: int) -> None:
        """Give up what is below ``height`` and was not pruned: the blocks are gone."""
        if height > self._lowest:
            self.store.write({META_INDEX_LOWEST: encode_height(height)}, sync=False)
            self._lowest = height

    def compact(self) -> None:
        """Give the space of pruned rows back."""
        for table in INDEX_TABLES:
            self.store.compact(table.prefix, table.prefix + b"\xff" * 64)

    def clear(self) -> None:
        """Remove every row; the heights go first, so that a crash leaves no half."""
        self.store.write({}, [META_INDEX_HEIGHT, META_INDEX_LOWEST, META_INDEX_SEED], sync=True)
        self._height, self._lowest, self._seed_height = 0, 1, 0
        self._is_seeded = False
        for table in INDEX_TABLES:
            if table.name != "meta":
                self._clear(table.prefix)

    def _clear(self, prefix: bytes) -> None:
        while rows := self.store.scan(prefix, None, _CLEAR_ROWS):
            self.store.write({}, [key for key, _ in rows], sync=False)


def compute_changes(reader: Reader, block: Indexed, seed_height: int) -> dict[bytes, bytes | None]:
    """Return every row that a block changes in tables whose moment is ``reader``."""
    lots = Layer(reader)
    if block.height > seed_height:
        book = LotBook(lots)
        for _, event in block.events:
            book.apply(event)
    return {**compute_rows(block), **compute_account_rows(block.events), **lots.changes}


def read_block(chain: ChainStore, height: int) -> Indexed | None:
    """Return what the chain has of a block, None when it has none."""
    block = chain.get_block(height)
    if block is None:
        return None
    transactions: Sequence[Transaction | ReceivedTransaction] = [
        decode_transaction(encoded) for encoded in block.transactions
    ]
    return Indexed.of(height, transactions, chain.get_receipts(height), chain.get_events(height))


def read_height(reader: Reader, key: bytes, absent: int) -> int:
    """Return a height's row, ``absent`` where there is none."""
    data = reader.get(key)
    return absent if data is None else decode_height(data)
