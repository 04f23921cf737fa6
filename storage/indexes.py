"""Look-up tables beside the chain: transactions by sender and by contract, events.

They live in a store of their own and can be rebuilt from the chain at will, so their
writes are not synced: after a crash they go on from the height they hold. Never asked
by consensus or execution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from primitives import limits
from primitives.block import EVENT, RECEIPT, Block
from primitives.codec import Bytes, Struct, Text
from primitives.errors import CodecError
from primitives.hashing import Address, Hash, TransactionId
from primitives.transaction import ReceivedTransaction, Transaction, decode_transaction
from storage.chain import ChainStore
from storage.chaintip import claim_store
from storage.closing import Closing
from storage.engine import KeyValueStore, Row
from storage.errors import CursorError, StorageError, make_corrupted_error
from storage.leveldb import LevelStore
from storage.schema import (
    INDEX_TABLES,
    META_INDEX_HEIGHT,
    decode_height,
    decode_location,
    encode_height,
    encode_location,
    make_name_part,
)

CACHE_BYTES_DEFAULT = 16 * 1024 * 1024
PAGE_ITEMS_MAX = 1_000
"""Rows of one page; the RPC's own limit may be lower."""

_PLACE_BYTES = 12
_CLEAR_ROWS = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TransactionEntry:
    """A transaction's place in the chain and its outcome (STATUS_* and code)."""

    height: int
    index: int
    id: TransactionId
    status: str
    code: str


@dataclass(frozen=True, slots=True)
class EventEntry:
    """An event's place; ``index`` is its number in the block's events, ``event`` its bytes."""

    height: int
    index: int
    event: bytes


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the cursor after them; None when there are no more now."""

    items: tuple[T, ...]
    next_cursor: bytes | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    id: TransactionId
    status: str
    code: str


_OUTCOME = Struct(
    _Outcome,
    256,
    id=Bytes(limits.HASH_BYTES),
    status=Text(16),
    code=Text(limits.CODE_CHARACTERS_MAX),
)


class IndexStore(Closing):
    """The indexes of one chain. One owner applies; anyone queries."""

    def __init__(self, store: KeyValueStore, folder: str, height: int) -> None:
        self._store = store
        self._folder = folder
        self._height = height

    @classmethod
    def open(
        cls,
        target: KeyValueStore | Path,
        chain_id: Hash,
        *,
        cache_bytes: int = CACHE_BYTES_DEFAULT,
    ) -> IndexStore:
        """Return the indexes in a folder (made if absent) or in an open store.

        Raises what ``ChainStore.open`` raises; a damaged index may simply be removed.
        """
        if isinstance(target, Path):
            store: KeyValueStore = LevelStore.open(target, cache_bytes=cache_bytes)
            folder = str(target)
        else:
            store, folder = target, "memory"
        try:
            claim_store(store, folder, chain_id)
            data = store.get(META_INDEX_HEIGHT)
        except BaseException:
            store.close()
            raise
        return cls(store, folder, 0 if data is None else decode_height(data))

    @property
    def index_height(self) -> int:
        """The last height that queries know; 0 before the first block."""
        return self._height

    def skip_to(self, height: int) -> None:
        """Go on after ``height``, which is above ours: the blocks up to it are not here."""
        if height > self._height:
            self._store.write({META_INDEX_HEIGHT: encode_height(height)}, sync=False)
            self._height = height

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
        if height <= self._height:
            return
        if height != self._height + 1:
            raise StorageError(
                "an earlier block is not indexed yet",
                code="index-gap",
                index_height=self._height,
                offered=height,
            )
        if transactions is None:
            transactions = [decode_transaction(encoded) for encoded in block.transactions]
        rows: dict[bytes, bytes] = {META_INDEX_HEIGHT: encode_height(height)}
        for index, (transaction, receipt) in enumerate(zip(transactions, receipts, strict=True)):
            _add_transaction(rows, encode_location(height, index), transaction, receipt)
        for index, event in enumerate(events):
            _add_event(rows, encode_location(height, index), event)
        self._store.write(rows, sync=False)
        self._height = height

    def catch_up(
        self, chain: ChainStore, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Index every committed block that is missing; ``progress`` gets (height, tip)."""
        tip = chain.tip
        last = 0 if tip is None else tip.height
        for height in range(self._height + 1, last + 1):
            block = chain.get_block(height)
            if block is None:
                raise StorageError("the chain has no such block", code="no-block", height=height)
            self.apply(height, block, chain.get_receipts(height), chain.get_events(height))
            if progress is not None:
                progress(height, last)

    def rebuild(
        self, chain: ChainStore, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Forget everything and index the whole chain again."""
        # The height goes first: a crash on the way leaves an index that starts over.
        self._store.write({}, [META_INDEX_HEIGHT], sync=True)
        self._height = 0
        for table in INDEX_TABLES:
            if table.name != "meta":
                self._clear(table.prefix)
        self.catch_up(chain, progress)

    def find_by_sender(
        self, sender: Address, cursor: bytes | None, limit: int, *, newest_first: bool = True
    ) -> Page[TransactionEntry]:
        """Return transactions of an account. Raises CursorError for a foreign cursor."""
        return self._find_transactions(b"a" + sender, cursor, limit, newest_first)

    def find_by_contract(
        self, contract: str, cursor: bytes | None, limit: int, *, newest_first: bool = True
    ) -> Page[TransactionEntry]:
        """Return transactions with at least one call to a contract, whatever its outcome."""
        prefix = b"c" + make_name_part(contract)
        return self._find_transactions(prefix, cursor, limit, newest_first)

    def find_events(
        self,
        contract: str,
        name: str | None,
        cursor: bytes | None,
        limit: int,
        *,
        newest_first: bool = False,
    ) -> Page[EventEntry]:
        """Return events of a contract, of one ``name`` or of all."""
        owner = b"e" + make_name_part(contract)
        if name is None:
            rows, following = self._scan_page(owner, cursor, limit, newest_first)
        else:
            prefix = b"n" + make_name_part(contract) + make_name_part(name)
            names, following = self._scan_page(prefix, cursor, limit, newest_first)
            rows = [(key, self._get_row(owner + key[-_PLACE_BYTES:])) for key, _ in names]
        items = tuple(
            EventEntry(*decode_location(key[-_PLACE_BYTES:]), event) for key, event in rows
        )
        return Page(items, following)

    def compute_sizes(self) -> dict[str, int]:
        """Return the approximate bytes on disk of each table, by name."""
        return {table.name: self._store.compute_size(table.prefix) for table in INDEX_TABLES}

    def close(self) -> None:
        """Close the store. Closing twice is harmless."""
        self._store.close()

    def _find_transactions(
        self, prefix: bytes, cursor: bytes | None, limit: int, newest_first: bool
    ) -> Page[TransactionEntry]:
        rows, following = self._scan_page(prefix, cursor, limit, newest_first)
        items = tuple(self._decode_entry(key, value) for key, value in rows)
        return Page(items, following)

    def _decode_entry(self, key: bytes, value: bytes) -> TransactionEntry:
        height, index = decode_location(key[-_PLACE_BYTES:])
        try:
            outcome = _OUTCOME.decode(value)
        except CodecError as error:
            raise make_corrupted_error(self._folder, f"a row does not decode: {error}") from None
        return TransactionEntry(height, index, outcome.id, outcome.status, outcome.code)

    def _scan_page(
        self, prefix: bytes, cursor: bytes | None, limit: int, newest_first: bool
    ) -> tuple[list[Row], bytes | None]:
        """Return a page's rows and the cursor after it (the place of its last row)."""
        if cursor is not None and len(cursor) != _PLACE_BYTES:
            raise CursorError("not a cursor of ours", cursor=cursor.hex()[:80])
        count = max(1, min(limit, PAGE_ITEMS_MAX))
        after = None if cursor is None else prefix + cursor
        # One row more says whether another page follows.
        rows = self._store.scan(prefix, after, count + 1, newest_first)
        if len(rows) <= count:
            return rows, None
        return rows[:count], rows[count - 1][0][-_PLACE_BYTES:]

    def _get_row(self, key: bytes) -> bytes:
        value = self._store.get(key)
        if value is None:
            raise make_corrupted_error(self._folder, f"no row for {key.hex()}")
        return value

    def _clear(self, prefix: bytes) -> None:
        while rows := self._store.scan(prefix, None, _CLEAR_ROWS):
            self._store.write({}, [key for key, _ in rows], sync=False)


def _add_transaction(
    rows: dict[bytes, bytes],
    place: bytes,
    transaction: Transaction | ReceivedTransaction,
    encoded_receipt: bytes,
) -> None:
    receipt = RECEIPT.decode(encoded_receipt)
    outcome = _OUTCOME.encode(_Outcome(transaction.id, receipt.status, receipt.code))
    rows[b"a" + transaction.body.sender + place] = outcome
    for name in {call.contract: None for call in transaction.body.calls}:
        rows[b"c" + make_name_part(name) + place] = outcome


def _add_event(rows: dict[bytes, bytes], place: bytes, encoded: bytes) -> None:
    event = EVENT.decode(encoded)
    contract = make_name_part(event.contract)
    rows[b"e" + contract + place] = encoded
    rows[b"n" + contract + make_name_part(event.name) + place] = b""
