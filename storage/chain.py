"""The chain on disk: blocks, certificates, results and the state after the tip.

A block is one atomic, synced batch: block, certificate, result, receipts, events,
transaction places, state, tree rows and tip are all there or none is, so block and
state can never disagree after a crash. Committing the same block again does nothing;
another block at a committed height is refused. Never verifies signatures, executes or
decides: whoever commits has done so.

Height 0 is the genesis: it has no block and no certificate, its block hash is
ZERO_HASH, and block 1 names that as its parent with the genesis's execution hash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from primitives.block import (
    BLOCK,
    EXECUTION_RESULT,
    HEADER,
    Block,
    ExecutionResult,
    Header,
    compute_execution_hash,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, Certificate
from primitives.codec import unpack
from primitives.hashing import ZERO_HASH, Hash
from storage import schema
from storage.chainrecords import (
    BlockRecord,
    GenesisRecord,
    check_block_fits,
    check_genesis_fits,
    make_block_rows,
    make_genesis_rows,
)
from storage.chaintip import STORED_TIP, StoredTip, Tip, claim_store, decode_row, load_tip
from storage.closing import Closing
from storage.engine import KeyValueStore
from storage.errors import CommitError, make_corrupted_error
from storage.leveldb import CACHE_BYTES_DEFAULT, WRITE_BUFFER_BYTES, LevelStore
from storage.statedepth import StateDepth
from storage.statetree import CACHE_BYTES_DEFAULT as TREE_CACHE_BYTES_DEFAULT
from storage.statetree import StateTree, compute_empty_root
from storage.stateview import HotState, StateView
from storage.treegrowth import GrowthOrder
from storage.treesession import StateChange

T = TypeVar("T")

HOT_STATE_BYTES_DEFAULT = 32 * 1024 * 1024
STATE_LEVELS_DEFAULT = 4


__all__ = ["BlockRecord", "ChainStore", "GenesisRecord", "StateView", "Tip"]


class ChainStore(Closing):
    """One chain in one store. Reads from any thread; one owner commits."""

    def __init__(
        self,
        store: KeyValueStore,
        folder: str,
        chain_id: Hash,
        tip: Tip | None,
        *,
        tree_cache_bytes: int,
        hot_state_bytes: int,
    ) -> None:
        self._store = store
        self._folder = folder
        self._chain_id = chain_id
        self._tip = tip
        levels = STATE_LEVELS_DEFAULT if tip is None else tip.state_levels
        root = compute_empty_root(levels) if tip is None else tip.state_root
        keys = 0 if tip is None else tip.state_keys
        self._tree = StateTree(store, root, levels, tree_cache_bytes, keys)
        self._depth = StateDepth(store, self._tree, folder)
        self._hot = HotState(hot_state_bytes, -1 if tip is None else tip.height)

    @classmethod
    def open(
        cls,
        target: KeyValueStore | Path,
        chain_id: Hash,
        *,
        cache_bytes: int = CACHE_BYTES_DEFAULT,
        tree_cache_bytes: int = TREE_CACHE_BYTES_DEFAULT,
        hot_state_bytes: int = HOT_STATE_BYTES_DEFAULT,
        write_buffer_bytes: int = WRITE_BUFFER_BYTES,
    ) -> ChainStore:
        """Return the chain in a folder (made if absent) or in an open store.

        Raises WrongChainError for another chain's folder, DatabaseCorruptedError,
        DatabaseLockedError, or StorageError 'schema-version' for a newer layout.
        """
        if isinstance(target, Path):
            store: KeyValueStore = LevelStore.open(
                target, cache_bytes=cache_bytes, write_buffer_bytes=write_buffer_bytes
            )
            folder = str(target)
        else:
            store, folder = target, "memory"
        try:
            claim_store(store, folder, chain_id)
            tip = load_tip(store, folder)
        except BaseException:
            store.close()
            raise
        return cls(
            store,
            folder,
            chain_id,
            tip,
            tree_cache_bytes=tree_cache_bytes,
            hot_state_bytes=hot_state_bytes,
        )

    @property
    def chain_id(self) -> Hash:
        """The chain that this store belongs to."""
        return self._chain_id

    @property
    def store(self) -> KeyValueStore:
        """The store itself: for snapshots, pruning and backups (their own modules)."""
        return self._store

    @property
    def lowest(self) -> int:
        """The lowest height with a whole block; 1 unless pruned or joined by snapshot."""
        data = self._store.get(schema.META_LOWEST)
        return 1 if data is None else schema.decode_height(data)

    @property
    def tip(self) -> Tip | None:
        """The last committed height; None before the genesis is committed."""
        return self._tip

    def compute_state(
        self, writes: Mapping[bytes, bytes | None], levels: int | None = None
    ) -> StateChange:
        """Return the tree's change and new root for ``writes``; the tip stays as it is.

        ``levels`` is the ``state_levels`` in force at that height; None keeps the
        present depth (4 before the genesis).
        """
        if self._tip is not None and levels == self._tree.levels + 1:
            self._depth.complete(levels)
        return self._tree.compute_change(writes, levels)

    def commit_genesis(self, record: GenesisRecord) -> None:
        """Store height 0. Does nothing when the same genesis state is there already.

        Raises CommitError when height 0 is there with another execution hash.
        """
        exec_hash = compute_execution_hash(record.result)
        tip = self._tip
        if tip is not None:
            stored = self.get_result(0)
            if stored is None or compute_execution_hash(stored) != exec_hash:
                raise CommitError("another genesis is stored", code="commit-conflict", height=0)
            return
        check_genesis_fits(record)
        stored_tip = StoredTip(
            0,
            ZERO_HASH,
            exec_hash,
            record.change.root,
            record.time_ms,
            record.change.levels,
            record.change.keys,
        )
        rows = make_genesis_rows(record)
        self._write(rows, record.change, record.writes, stored_tip, None)

    def commit(self, record: BlockRecord) -> None:
        """Store one block and the state after it: one atomic, synced batch.

        Does nothing for a block that is stored already. Raises CommitError, with
        nothing changed: 'commit-conflict' (another block at a committed height),
        'commit-gap', 'commit-mismatch' (a part that does not fit the others or the
        tip), 'state-change-stale'; DiskFullError and the other storage errors.
        """
        header = record.block.header
        tip = self._tip
        if tip is None:
            raise CommitError("no genesis yet", code="commit-gap", height=header.height)
        if header.height <= tip.height:
            self._check_same_block(header.height, record.block_hash)
            return
        exec_hash = compute_execution_hash(record.result)
        check_block_fits(record, tip, self._chain_id, exec_hash)
        stored_tip = StoredTip(
            header.height,
            record.block_hash,
            exec_hash,
            record.change.root,
            header.time_ms,
            record.change.levels,
            record.change.keys,
        )
        rows = make_block_rows(record)
        self._write(
            rows, record.change, record.writes, stored_tip, record.certificate, record.growth
        )

    def _write(
        self,
        rows: dict[bytes, bytes],
        change: StateChange,
        writes: Mapping[bytes, bytes | None],
        stored_tip: StoredTip,
        certificate: Certificate | None,
        growth: GrowthOrder | None = None,
    ) -> None:
        """Write the batch, then move what is in memory. The order is the guarantee."""
        rows.update(change.puts)
        deletes = list(change.deletes)
        for key, value in writes.items():
            if value is None:
                deletes.append(schema.STATE_PREFIX + key)
            else:
                rows[schema.STATE_PREFIX + key] = value
        rows[schema.META_TIP] = STORED_TIP.encode(stored_tip)
        with self._tree.commit_lock:
            self._tree.check_fits(change)
            levels = self._tree.levels
            depth = self._depth.compute_rows(change, writes, growth)
            rows.update(depth.puts)
            self._store.write(rows, deletes + depth.deletes, sync=True)
            self._tree.apply(change)
            self._depth.apply(depth, change, levels)
            self._hot.apply(stored_tip.height, writes)
            self._tip = Tip.make(stored_tip, certificate)

    def _check_same_block(self, height: int, block_hash: Hash) -> None:
        stored = self.get_header(height)
        if stored is None or compute_header_hash(stored) != block_hash:
            raise CommitError(
                "another block is committed at this height",
                code="commit-conflict",
                height=height,
                offered=block_hash.hex(),
            )

    def get_block(self, height: int) -> Block | None:
        """Return the block, or None when there is none (height 0 has none)."""
        data = self.get_block_bytes(height)
        return None if data is None else self._decode(BLOCK.decode, data)

    def get_block_bytes(self, height: int) -> bytes | None:
        """Return the block's bytes as peers want them, or None."""
        return self._store.get(schema.make_height_key(b"b", height))

    def get_header(self, height: int) -> Header | None:
        """Return the header, or None."""
        data = self._store.get(schema.make_height_key(b"h", height))
        return None if data is None else self._decode(HEADER.decode, data)

    def get_height_of(self, block_hash: bytes) -> int | None:
        """Return the height of a block id, or None."""
        data = self._store.get(b"i" + block_hash)
        return None if data is None else schema.decode_height(data)

    def get_certificate(self, height: int) -> Certificate | None:
        """Return the certificate that the block was committed with here, or None."""
        data = self._store.get(schema.make_height_key(b"c", height))
        return None if data is None else self._decode(CERTIFICATE.decode, data)

    def get_result(self, height: int) -> ExecutionResult | None:
        """Return the execution result, or None. Height 0 has one."""
        data = self._store.get(schema.make_height_key(b"r", height))
        return None if data is None else self._decode(EXECUTION_RESULT.decode, data)

    def get_receipts(self, height: int) -> list[bytes]:
        """Return the encoded receipts in order; empty for an unknown height."""
        return self._get_list(schema.make_height_key(b"p", height))

    def get_events(self, height: int) -> list[bytes]:
        """Return the encoded events in order; empty for an unknown height."""
        return self._get_list(schema.make_height_key(b"e", height))

    def find_transaction(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return (height, index in the block), or None."""
        data = self._store.get(b"t" + transaction_id)
        return None if data is None else schema.decode_location(data)

    def get_epoch_end(self, epoch: int) -> bytes | None:
        """Return the EPOCH_END bytes of an epoch that has ended, or None."""
        return self._store.get(schema.make_height_key(b"x", epoch))

    def _decode(self, decode: Callable[[bytes], T], data: bytes) -> T:
        return decode_row(decode, data, self._folder)

    def _get_list(self, key: bytes) -> list[bytes]:
        data = self._store.get(key)
        if data is None:
            return []
        items = self._decode(unpack, data)
        if type(items) is not list or any(type(item) is not bytes for item in items):
            raise make_corrupted_error(self._folder, f"not a list of byte strings: {key.hex()}")
        return items

    def view(self) -> StateView:
        """Return the state after the last committed height, frozen. Close it soon."""
        return StateView.open(self._store, self._hot, self._folder)

    def compute_sizes(self) -> dict[str, int]:
        """Return the approximate bytes on disk of each table, by name."""
        return {table.name: self._store.compute_size(table.prefix) for table in schema.CHAIN_TABLES}

    def close(self) -> None:
        """Close the store. Closing twice is harmless."""
        self._store.close()
