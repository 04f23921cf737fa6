"""Final blocks for the RPC: from memory at the tip, else from disk on a thread.

A few are kept, so that a hundred look-ups in one block decode it once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from node.notify import CommittedBlock, Notifier
from node.rpc.errors import ErrorNumber, RpcError, not_found
from primitives.block import compute_header_hash
from primitives.transaction import Transaction, decode_transaction
from storage.chain import ChainStore

KEPT_MAX = 8
"""Blocks of the past kept decoded: about 2 MB each when full."""
TRANSACTIONS_A_REQUEST = 10
"""Transactions or events shown for the price of one request: 10-25 us each."""
TRANSACTIONS_COPIED = 100
"""The same where nothing is decoded or named, only written as hex: about 2 us each."""


class BlockReader:
    """Loads blocks by height. Lives on the event loop."""

    def __init__(self, chain: ChainStore, notifier: Notifier, readers: ThreadPoolExecutor) -> None:
        self._chain = chain
        self._readers = readers
        self._notifier = notifier
        self._kept: OrderedDict[int, CommittedBlock] = OrderedDict()

    @property
    def tip_height(self) -> int:
        """The last committed height."""
        tip = self._chain.tip
        return 0 if tip is None else tip.height

    def resolve(self, reference: int | bytes | None) -> int:
        """Return the height that a BlockReference means, or raise -32001."""
        if reference is None:
            return self.tip_height
        if isinstance(reference, int):
            if reference > self.tip_height:
                raise not_found("no such block yet", height=reference, tip=self.tip_height)
            return reference
        height = self._chain.get_height_of(reference)
        if height is None:
            raise not_found("no block with this hash", blockHash="0x" + reference.hex())
        return height

    async def load(self, height: int) -> CommittedBlock:
        """Return a block, or raise -32001 (height 0 has no block)."""
        known = self._notifier.get_recent(height) or self._kept.get(height)
        if known is not None:
            return known
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._readers, self._read, height)
        if loaded is None:
            lowest = self._chain.lowest
            if 0 < height < lowest:
                raise RpcError(
                    ErrorNumber.PRUNED, "the block is not kept here", height=height, lowest=lowest
                )
            raise not_found("there is no block at this height", height=height)
        self._kept[height] = loaded
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return loaded

    def _read(self, height: int) -> CommittedBlock | None:
        block, certificate = self._chain.get_block(height), self._chain.get_certificate(height)
        if block is None or certificate is None:
            return None
        return CommittedBlock(
            height=height,
            block_hash=compute_header_hash(block.header),
            block=block,
            transactions=tuple(_decode(encoded) for encoded in block.transactions),
            receipts=self._chain.get_receipts(height),
            events=self._chain.get_events(height),
            certificate=certificate,
        )


def compute_cost(block: CommittedBlock) -> int:
    """Return the requests that a client pays for a whole block (see TRANSACTIONS_A_REQUEST)."""
    return max(len(block.transactions), len(block.events)) // TRANSACTIONS_A_REQUEST


def compute_copy_cost(block: CommittedBlock) -> int:
    """Return the requests that a copy of a block's bytes costs (see TRANSACTIONS_COPIED)."""
    return max(len(block.transactions), len(block.events)) // TRANSACTIONS_COPIED


def _decode(encoded: bytes) -> Transaction:
    """Return a transaction of a committed block: its signature was verified before."""
    received = decode_transaction(encoded)
    return Transaction(received.id, received.body, encoded)


def make_syncing_error(height: int, target: int) -> RpcError:
    """Return -32003."""
    return RpcError(
        ErrorNumber.SYNCING,
        f"this node is at {height} and fetches blocks up to {target}",
        height=height,
        target=target,
    )
