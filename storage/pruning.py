"""Deletes old blocks, and gives their space back.

What goes: blocks, receipts, events, places and ids of transactions, and the headers,
certificates and results within epochs. What stays for ever: the last block's header,
certificate and result of each epoch, and the row that proves who follows (they are how a
new node walks from the genesis to a snapshot). State and tree have no past to prune.

Rows and the new lowest height change in one batch, a few blocks at a time, so a crash
leaves a shorter chain and nothing half deleted. LevelDB frees nothing by deleting:
``compact`` rewrites the ranges, and is the caller's to run beside the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from primitives.block import BLOCK, HEADER, compute_header_hash
from primitives.params import is_epoch_end
from primitives.transaction import compute_transaction_id
from storage.chain import ChainStore
from storage.errors import StorageError
from storage.schema import CHAIN_TABLES, META_LOWEST, decode_height, encode_height, make_height_key
from storage.snapshotformat import split_ids

BATCH_BLOCKS = 16
"""Blocks whose rows go in one batch: up to 20,000 keys each."""
_WHOLE = (b"b", b"p", b"e", b"d")
_WITHIN_EPOCHS = (b"h", b"c", b"r")


@dataclass(slots=True)
class Pruned:
    """What one run deleted; ``bytes`` are those of the values."""

    blocks: int = 0
    bytes: int = 0


def prune_below(
    chain: ChainStore, height: int, epoch_blocks: int, pace: Callable[[], None]
) -> Pruned:
    """Delete the blocks below ``height``; ``pace`` is called between batches.

    The tip is never deleted. Raises StorageError for a height above it.
    """
    tip = chain.tip
    if tip is None or height > tip.height:
        raise StorageError("the tip cannot be pruned", code="prune-tip", height=height)
    pruned = Pruned()
    first = _find_first(chain)
    while first < height:
        end = min(first + BATCH_BLOCKS, height)
        deletes: list[bytes] = []
        for number in range(first, end):
            deletes += _list_rows(chain, number, epoch_blocks, pruned)
        lowest = max(end, chain.lowest)
        chain.store.write({META_LOWEST: encode_height(lowest)}, deletes, sync=False)
        first = end
        pace()
    return pruned


def _find_first(chain: ChainStore) -> int:
    """Return the lowest height with rows to delete: a node that joined by snapshot has the
    headers and transaction ids of some heights below its lowest block."""
    rows = chain.store.scan(b"d", None, 1)
    return min(chain.lowest, decode_height(rows[0][0][1:])) if rows else chain.lowest


def _list_rows(chain: ChainStore, height: int, epoch_blocks: int, pruned: Pruned) -> list[bytes]:
    """Return the keys of a height that go."""
    get = chain.store.get
    keys = [make_height_key(prefix, height) for prefix in _WHOLE]
    block = get(keys[0])
    if block is not None:
        pruned.blocks += 1
        pruned.bytes += sum(len(get(key) or b"") for key in keys)
    ids = get(make_height_key(b"d", height))
    if ids is not None:
        keys += [b"t" + transaction_id for transaction_id in split_ids(ids)]
    elif block is not None:
        encoded = BLOCK.decode(block).transactions
        keys += [b"t" + compute_transaction_id(item) for item in encoded]
    if not is_epoch_end(height, epoch_blocks):
        header = get(make_height_key(b"h", height))
        if header is not None:
            keys.append(b"i" + compute_header_hash(HEADER.decode(header)))
        keys += [make_height_key(prefix, height) for prefix in _WITHIN_EPOCHS]
    return keys


def compact_pruned(chain: ChainStore, pace: Callable[[], None]) -> None:
    """Give the space of deleted and overwritten rows back, table by table.

    State and tree as well: a block writes most of the upper nodes anew, and what they were
    before waits among LevelDB's files. What lies merged already is not rewritten.
    """
    for table in CHAIN_TABLES:
        chain.store.compact(table.prefix, table.prefix + b"\xff" * 64)
        pace()
