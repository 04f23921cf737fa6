"""What one commit writes: the record, its checks against the tip, and its rows.

The checks are cheap identities between parts that the caller computed separately; a
mismatch is a bug of ours or a stale computation, and must never reach the disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from primitives.block import (
    BLOCK,
    EXECUTION_RESULT,
    HEADER,
    Block,
    ExecutionResult,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, Certificate
from primitives.codec import pack
from primitives.hashing import Hash, TransactionId
from primitives.transaction import compute_transaction_id
from storage.chaintip import Tip
from storage.errors import CommitError
from storage.schema import encode_height, encode_location, make_height_key
from storage.treegrowth import GrowthOrder
from storage.treesession import StateChange


@dataclass(frozen=True, slots=True)
class GenesisRecord:
    """The state at height 0. ``result`` has height 0; ``time_ms`` is the genesis's."""

    time_ms: int
    result: ExecutionResult
    receipts: Sequence[bytes]
    events: Sequence[bytes]
    change: StateChange
    writes: Mapping[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """Everything that one committed block leaves behind.

    ``change`` is ``ChainStore.compute_state(writes)``; ``transaction_ids`` may be given
    when they are known, in the block's order, else they are computed. ``epoch_end`` are
    the EPOCH_END bytes (primitives/epochs.py) of the last block of an epoch. ``growth``
    says that a deeper state tree is announced, and by when it must be there.
    """

    block: Block
    block_hash: Hash
    certificate: Certificate
    result: ExecutionResult
    receipts: Sequence[bytes]
    events: Sequence[bytes]
    change: StateChange
    writes: Mapping[bytes, bytes | None]
    transaction_ids: Sequence[TransactionId] | None = None
    epoch_end: bytes | None = None
    growth: GrowthOrder | None = None


def check_genesis_fits(record: GenesisRecord) -> None:
    """Raise CommitError unless the parts of the genesis record belong together."""
    _check_equal("height", record.result.height, 0)
    _check_equal("state root", record.result.state_root, record.change.root)


def check_block_fits(record: BlockRecord, tip: Tip, chain_id: Hash, exec_hash: Hash) -> None:
    """Raise CommitError unless ``record`` is the block after ``tip`` and fits together."""
    header, certificate = record.block.header, record.certificate
    if header.height != tip.height + 1:
        raise CommitError(
            "not the next height", code="commit-gap", tip=tip.height, offered=header.height
        )
    _check_equal("chain id", header.chain_id, chain_id)
    _check_equal("parent", header.parent_hash, tip.block_hash)
    _check_equal("previous execution", header.prev_exec_hash, tip.exec_hash)
    _check_equal("block hash", record.block_hash, compute_header_hash(header))
    _check_equal("certified height", certificate.height, header.height)
    _check_equal("certified block", certificate.block_hash, record.block_hash)
    _check_equal("certified execution", certificate.exec_hash, exec_hash)
    _check_equal("result height", record.result.height, header.height)
    _check_equal("state root", record.result.state_root, record.change.root)
    _check_equal("transactions", len(record.block.transactions), header.tx_count)
    _check_equal("receipts", len(record.receipts), header.tx_count)
    if record.transaction_ids is not None:
        _check_equal("transaction ids", len(record.transaction_ids), header.tx_count)


def make_genesis_rows(record: GenesisRecord) -> dict[bytes, bytes]:
    """Return the rows of height 0: result, receipts and events."""
    return {
        make_height_key(b"r", 0): EXECUTION_RESULT.encode(record.result),
        make_height_key(b"p", 0): pack(list(record.receipts)),
        make_height_key(b"e", 0): pack(list(record.events)),
    }


def make_block_rows(record: BlockRecord) -> dict[bytes, bytes]:
    """Return every row of the block itself; state and tree rows come beside them."""
    block = record.block
    height = block.header.height
    rows = {
        make_height_key(b"h", height): HEADER.encode(block.header),
        make_height_key(b"b", height): BLOCK.encode(block),
        make_height_key(b"c", height): CERTIFICATE.encode(record.certificate),
        make_height_key(b"r", height): EXECUTION_RESULT.encode(record.result),
        make_height_key(b"p", height): pack(list(record.receipts)),
        make_height_key(b"e", height): pack(list(record.events)),
        b"i" + record.block_hash: encode_height(height),
    }
    ids = record.transaction_ids
    if ids is None:
        ids = [compute_transaction_id(encoded) for encoded in block.transactions]
    rows[make_height_key(b"d", height)] = b"".join(ids)
    if record.epoch_end is not None:
        rows[make_height_key(b"x", block.header.epoch)] = record.epoch_end
    for index, transaction_id in enumerate(ids):
        rows[b"t" + transaction_id] = encode_location(height, index)
    return rows


def _check_equal(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise CommitError(
            f"{what} does not fit",
            found=found.hex() if isinstance(found, bytes) else found,
            expected=expected.hex() if isinstance(expected, bytes) else expected,
        )
