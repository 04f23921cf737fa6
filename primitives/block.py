"""Headers, execution results, receipts, events and whole blocks.

The header says what is executed, the execution result what came out; a COMMIT
signs both hashes, so the state is certified in its own block. The header names no
view: a re-proposal in a later view is byte for byte the same block (Besu's chains
stood still because the round was part of the hash).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primitives import limits
from primitives.certificate import CERTIFICATE, Certificate
from primitives.codec import AnyValue, Array, Bytes, Optional, Struct, Text, Uint, Value
from primitives.hashing import Address, Hash, Tag, TransactionId, compute_hash
from primitives.merkle import compute_root

HEADER_VERSION = 1
_HASH = Bytes(limits.HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header; its hash is the block's id. ``time_ms`` is Unix time, UTC."""

    version: int
    chain_id: Hash
    height: int
    time_ms: int
    parent_hash: Hash
    prev_exec_hash: Hash
    prev_cert_hash: Hash
    proposer: Address
    txs_root: Hash
    tx_count: int
    evidence_root: Hash
    epoch: int
    validators_hash: Hash
    params_hash: Hash


HEADER = Struct(
    Header,
    1024,
    version=Uint(16),
    chain_id=_HASH,
    height=Uint(),
    time_ms=Uint(),
    parent_hash=_HASH,
    prev_exec_hash=_HASH,
    prev_cert_hash=_HASH,
    proposer=_HASH,
    txs_root=_HASH,
    tx_count=Uint(32),
    evidence_root=_HASH,
    epoch=Uint(),
    validators_hash=_HASH,
    params_hash=_HASH,
)


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What executing a block produced; its hash is the execution hash."""

    height: int
    state_root: Hash
    receipts_root: Hash
    events_root: Hash
    gas: int
    next_validators_hash: Hash
    next_params_hash: Hash


EXECUTION_RESULT = Struct(
    ExecutionResult,
    512,
    height=Uint(),
    state_root=_HASH,
    receipts_root=_HASH,
    events_root=_HASH,
    gas=Uint(),
    next_validators_hash=_HASH,
    next_params_hash=_HASH,
)

STATUS_OK = "ok"
STATUS_REVERTED = "reverted"
STATUS_FAULT = "fault"
STATUS_OUT_OF_GAS = "out-of-gas"
STATUS_REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one transaction; a leaf under ``receipts_root``.

    ``status`` is one of STATUS_*; ``code`` is the contract's own revert code or the
    fault code, empty when ok. ``failed_call`` is the index of the call that failed,
    None when ok or when no call ran. ``values`` has one return value a call (empty
    unless ok). The block's events number ``event_first`` to ``event_first +
    event_count - 1`` are this transaction's.
    """

    transaction_id: TransactionId
    status: str
    code: str
    gas: int
    failed_call: int | None
    values: tuple[Value, ...]
    event_first: int
    event_count: int


RECEIPT = Struct(
    Receipt,
    limits.RECEIPT_BYTES_MAX,
    transaction_id=_HASH,
    status=Text(16),
    code=Text(limits.CODE_CHARACTERS_MAX),
    gas=Uint(),
    failed_call=Optional(Uint(16)),
    values=Array(AnyValue(), limits.CALLS_MAX),
    event_first=Uint(32),
    event_count=Uint(32),
)


@dataclass(frozen=True, slots=True)
class Event:
    """What a contract announced; a leaf under ``events_root``.

    ``values`` are the event's fields in the order of its declaration (see the ABI).
    """

    transaction_index: int
    contract: str
    name: str
    values: tuple[Value, ...]


EVENT = Struct(
    Event,
    limits.EVENT_BYTES_MAX,
    transaction_index=Uint(32),
    contract=Text(limits.NAME_CHARACTERS_MAX),
    name=Text(limits.NAME_CHARACTERS_MAX),
    values=Array(AnyValue(), 64),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block: the same bytes on every node.

    ``transactions`` are encoded transactions in order of execution; ``evidence`` are
    encoded pieces of evidence; ``parent_certificate`` is the certificate of the
    parent whose hash the header names (None at height 1: genesis needs none).
    """

    header: Header
    transactions: tuple[bytes, ...]
    evidence: tuple[bytes, ...]
    parent_certificate: Certificate | None


BLOCK = Struct(
    Block,
    limits.BLOCK_BYTES_MAX + limits.MESSAGE_BYTES_MAX,
    header=HEADER,
    transactions=Array(Bytes(max=limits.TRANSACTION_BYTES_MAX), limits.BLOCK_TRANSACTIONS_MAX),
    evidence=Array(Bytes(max=limits.EVIDENCE_BYTES_MAX), limits.BLOCK_EVIDENCE_MAX),
    parent_certificate=Optional(CERTIFICATE),
)


def compute_header_hash(header: Header) -> Hash:
    """Return the block's id."""
    return compute_hash(Tag.HEADER, HEADER.encode(header))


def compute_execution_hash(result: ExecutionResult) -> Hash:
    """Return the execution hash that COMMITs sign."""
    return compute_hash(Tag.EXECUTION, EXECUTION_RESULT.encode(result))


def compute_transactions_root(ids: Sequence[TransactionId]) -> Hash:
    """Return the Merkle root over transaction ids, in order."""
    return compute_root(ids)


def compute_evidence_root(evidence: Sequence[bytes]) -> Hash:
    """Return the Merkle root over encoded pieces of evidence."""
    return compute_root(evidence)


def compute_receipts_root(receipts: Sequence[bytes]) -> Hash:
    """Return the Merkle root over encoded receipts."""
    return compute_root(receipts)


def compute_events_root(events: Sequence[bytes]) -> Hash:
    """Return the Merkle root over encoded events of the whole block."""
    return compute_root(events)
