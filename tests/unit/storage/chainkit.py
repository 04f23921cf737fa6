"""Small real chains for the tests of storage: signed transactions, certificates, state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from primitives.block import (
    EVENT,
    HEADER_VERSION,
    RECEIPT,
    STATUS_OK,
    Block,
    Event,
    ExecutionResult,
    Header,
    Receipt,
    compute_events_root,
    compute_evidence_root,
    compute_execution_hash,
    compute_header_hash,
    compute_receipts_root,
    compute_transactions_root,
)
from primitives.certificate import Certificate, Phase, compute_certificate_hash, compute_vote_bytes
from primitives.hashing import ZERO_HASH, Hash
from primitives.keys import PrivateKey
from primitives.transaction import (
    TRANSACTION_VERSION,
    Call,
    Transaction,
    TransactionBody,
    make_nonce,
    sign_transaction,
)
from storage.chain import BlockRecord, ChainStore, GenesisRecord
from storage.treesession import StateChange

CHAIN_ID = Hash(bytes(range(32)))
KEYS = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(1, 5)]


def make_transaction(nonce: int, contract: str = "units", sender: int = 0) -> Transaction:
    key = KEYS[sender]
    call = Call(contract, "transfer", (nonce, b"to"))
    body = TransactionBody(
        TRANSACTION_VERSION, CHAIN_ID, key.public_key, make_nonce(nonce), 1_000, 100_000, (call,)
    )
    return sign_transaction(body, key)


def make_genesis_record(change: StateChange, writes: Mapping[bytes, bytes | None]) -> GenesisRecord:
    empty = compute_receipts_root([])
    result = ExecutionResult(0, change.root, empty, empty, 0, ZERO_HASH, ZERO_HASH)
    return GenesisRecord(1_000, result, [], [], change, writes)


def commit_genesis(chain: ChainStore, writes: Mapping[bytes, bytes | None]) -> None:
    chain.commit_genesis(make_genesis_record(chain.compute_state(writes), writes))


@dataclass
class BlockPlan:
    """What the next block shall hold; ``make_record`` fits it to the tip."""

    transactions: Sequence[Transaction] = ()
    writes: Mapping[bytes, bytes | None] = field(default_factory=dict)
    time_ms: int = 2_000


def make_record(chain: ChainStore, plan: BlockPlan, levels: int | None = None) -> BlockRecord:
    tip = chain.tip
    assert tip is not None
    height = tip.height + 1
    receipts, events = _make_outcomes(plan.transactions)
    header = Header(
        HEADER_VERSION,
        CHAIN_ID,
        height,
        plan.time_ms,
        tip.block_hash,
        tip.exec_hash,
        compute_certificate_hash(tip.certificate),
        KEYS[0].public_key,
        compute_transactions_root([transaction.id for transaction in plan.transactions]),
        len(plan.transactions),
        compute_evidence_root([]),
        0,
        ZERO_HASH,
        ZERO_HASH,
    )
    block = Block(
        header, tuple(transaction.encoded for transaction in plan.transactions), (), tip.certificate
    )
    change = chain.compute_state(plan.writes, levels)
    result = ExecutionResult(
        height,
        change.root,
        compute_receipts_root(receipts),
        compute_events_root(events),
        len(receipts),
        ZERO_HASH,
        ZERO_HASH,
    )
    block_hash = compute_header_hash(header)
    certificate = make_certificate(height, block_hash, compute_execution_hash(result))
    return BlockRecord(
        block, block_hash, certificate, result, receipts, events, change, plan.writes
    )


def make_certificate(height: int, block_hash: Hash, exec_hash: Hash) -> Certificate:
    message = compute_vote_bytes(Phase.COMMIT, CHAIN_ID, 0, height, 0, block_hash, exec_hash)
    signatures = tuple(key.sign(message) for key in KEYS[:3])
    return Certificate(height, 0, block_hash, exec_hash, (0, 1, 2), signatures)


def _make_outcomes(transactions: Sequence[Transaction]) -> tuple[list[bytes], list[bytes]]:
    receipts: list[bytes] = []
    events: list[bytes] = []
    for index, transaction in enumerate(transactions):
        receipts.append(
            RECEIPT.encode(
                Receipt(transaction.id, STATUS_OK, "", 7, None, (index,), len(events), 1)
            )
        )
        name = "Moved" if index % 2 == 0 else "Noted"
        contract = transaction.body.calls[0].contract
        events.append(EVENT.encode(Event(index, contract, name, (index, "x"))))
    return receipts, events
