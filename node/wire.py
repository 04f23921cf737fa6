"""What nodes say to each other about transactions and blocks: layouts and bounds.

The frames are p2p's, the consensus messages consensus's own; these are the payloads
that the node itself fills. Canonical MessagePack like everything else, bytes that were
received are passed on as they are. Source: docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primitives import limits
from primitives.codec import Array, Bytes, Struct, Uint
from primitives.hashing import Hash, TransactionId

BATCH_TRANSACTIONS_MAX = 1_024
"""Transactions in one gossip batch: 20 ms of checks, in which no vote is heard."""
BATCH_BYTES_MAX = 64 * 1024
"""A batch is sent when it is this large, or BATCH_DELAY_S old."""
BATCH_DELAY_S = 0.01
BLOCKS_MAX = 64
"""Blocks in one answer; their bytes are bounded by the frame."""
BLOCKS_BYTES_MAX = 1024 * 1024
"""An answer stops growing here (after its first block): a frame goes out whole, and a vote
behind 8 MiB would wait 70 ms at 1 Gbit/s. A fetcher asks for the next batch meanwhile."""
_BLOCK_BYTES_MAX = limits.BLOCK_BYTES_MAX + limits.MESSAGE_BYTES_MAX
_CERTIFICATE_BYTES_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class TransactionBatch:
    """Encoded transactions, as gossiped."""

    transactions: tuple[bytes, ...]


TRANSACTION_BATCH = Struct(
    TransactionBatch,
    BATCH_BYTES_MAX + limits.TRANSACTION_BYTES_MAX,
    transactions=Array(Bytes(max=limits.TRANSACTION_BYTES_MAX), BATCH_TRANSACTIONS_MAX, min=1),
)


@dataclass(frozen=True, slots=True)
class BodyRequest:
    """Asks for transactions of a proposed block by id."""

    block_hash: Hash
    ids: tuple[TransactionId, ...]


BODY_REQUEST = Struct(
    BodyRequest,
    limits.BLOCK_TRANSACTIONS_MAX * 34 + 1024,
    block_hash=Bytes(limits.HASH_BYTES),
    ids=Array(Bytes(limits.HASH_BYTES), limits.BLOCK_TRANSACTIONS_MAX, min=1),
)


@dataclass(frozen=True, slots=True)
class BodyAnswer:
    """Those of the transactions asked for that the sender has, in the order asked."""

    block_hash: Hash
    transactions: tuple[bytes, ...]


BODY_ANSWER = Struct(
    BodyAnswer,
    _BLOCK_BYTES_MAX,
    block_hash=Bytes(limits.HASH_BYTES),
    transactions=Array(Bytes(max=limits.TRANSACTION_BYTES_MAX), limits.BLOCK_TRANSACTIONS_MAX),
)


@dataclass(frozen=True, slots=True)
class BlocksRequest:
    """Asks for committed blocks from ``first`` on."""

    first: int
    count: int


BLOCKS_REQUEST = Struct(BlocksRequest, 64, first=Uint(), count=Uint(16))


@dataclass(frozen=True, slots=True)
class CertifiedBlock:
    """A block's bytes and a certificate for it."""

    block: bytes
    certificate: bytes


_CERTIFIED_BLOCK = Struct(
    CertifiedBlock,
    _BLOCK_BYTES_MAX + _CERTIFICATE_BYTES_MAX,
    block=Bytes(max=_BLOCK_BYTES_MAX),
    certificate=Bytes(max=_CERTIFICATE_BYTES_MAX),
)


@dataclass(frozen=True, slots=True)
class BlocksAnswer:
    """Consecutive blocks from the height asked for; empty when the sender has none."""

    height: int
    blocks: tuple[CertifiedBlock, ...]


BLOCKS_ANSWER = Struct(
    BlocksAnswer,
    limits.BLOCK_BYTES_MAX + 2 * limits.MESSAGE_BYTES_MAX,
    height=Uint(),
    blocks=Array(_CERTIFIED_BLOCK, BLOCKS_MAX),
)


def split_batches(transactions: Sequence[bytes]) -> list[bytes]:
    """Return the encoded batches, each of about BATCH_BYTES_MAX or one transaction."""
    batches: list[bytes] = []
    current: list[bytes] = []
    size = 0
    for encoded in transactions:
        if current and (
            size + len(encoded) > BATCH_BYTES_MAX or len(current) >= BATCH_TRANSACTIONS_MAX
        ):
            batches.append(TRANSACTION_BATCH.encode(TransactionBatch(tuple(current))))
            current, size = [], 0
        current.append(encoded)
        size += len(encoded)
    if current:
        batches.append(TRANSACTION_BATCH.encode(TransactionBatch(tuple(current))))
    return batches
