"""Headers, results, receipts, events and blocks: golden hashes and strict decoding."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from primitives.block import (
    BLOCK,
    EVENT,
    EXECUTION_RESULT,
    HEADER,
    RECEIPT,
    Block,
    Event,
    ExecutionResult,
    Header,
    Receipt,
    compute_evidence_root,
    compute_execution_hash,
    compute_header_hash,
    compute_transactions_root,
)
from primitives.errors import CodecError
from primitives.hashing import Address, Hash, TransactionId
from primitives.merkle import EMPTY_ROOT


def number(value: int) -> Hash:
    return Hash(value.to_bytes(32, "big"))


HEADER_SAMPLE = Header(
    version=1,
    chain_id=number(1),
    height=5,
    time_ms=1_700_000_000_123,
    parent_hash=number(2),
    prev_exec_hash=number(3),
    prev_cert_hash=number(4),
    proposer=Address(number(5)),
    txs_root=number(6),
    tx_count=2,
    evidence_root=EMPTY_ROOT,
    epoch=0,
    validators_hash=number(7),
    params_hash=number(8),
)
RESULT_SAMPLE = ExecutionResult(5, number(1), number(2), number(3), 99, number(4), number(5))
RECEIPT_SAMPLE = Receipt(TransactionId(number(1)), "ok", "", 10, None, (1, [b"x", None]), 0, 2)
EVENT_SAMPLE = Event(0, "units", "Transferred", (1, b"\x01" * 32, "kg", [1, 2]))


def test_the_header_hash_is_golden() -> None:
    assert (
        compute_header_hash(HEADER_SAMPLE).hex()
        == "5996e30f7d0da481f464fa4620f9eef37ce996e7b586a32843936cbbb778765f"
    )


def test_the_execution_hash_is_golden() -> None:
    assert (
        compute_execution_hash(RESULT_SAMPLE).hex()
        == "067b82db6e707886a1e26d868e3711152768e7d5404343057ceee39f8d0e72f4"
    )


def changed(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize("field", [field.name for field in fields(Header)])
def test_the_header_hash_covers_every_field(field: str) -> None:
    other = replace(HEADER_SAMPLE, **{field: changed(getattr(HEADER_SAMPLE, field))})
    assert compute_header_hash(other) != compute_header_hash(HEADER_SAMPLE)


@pytest.mark.parametrize("field", [field.name for field in fields(ExecutionResult)])
def test_the_execution_hash_covers_every_field(field: str) -> None:
    other = replace(RESULT_SAMPLE, **{field: changed(getattr(RESULT_SAMPLE, field))})
    assert compute_execution_hash(other) != compute_execution_hash(RESULT_SAMPLE)


def test_structures_are_read_back_from_their_bytes() -> None:
    assert HEADER.decode(HEADER.encode(HEADER_SAMPLE)) == HEADER_SAMPLE
    assert EXECUTION_RESULT.decode(EXECUTION_RESULT.encode(RESULT_SAMPLE)) == RESULT_SAMPLE
    assert RECEIPT.decode(RECEIPT.encode(RECEIPT_SAMPLE)) == RECEIPT_SAMPLE
    failed = replace(RECEIPT_SAMPLE, status="reverted", code="E", failed_call=3, values=())
    assert RECEIPT.decode(RECEIPT.encode(failed)) == failed
    assert EVENT.decode(EVENT.encode(EVENT_SAMPLE)) == EVENT_SAMPLE
    block = Block(HEADER_SAMPLE, (b"\x01", b"\x02\x03"), (b"e",), None)
    assert BLOCK.decode(BLOCK.encode(block)) == block


@pytest.mark.parametrize(
    "change",
    [{"height": -1}, {"chain_id": b"short"}, {"tx_count": 1 << 32}, {"epoch": None},
     {"proposer": None}, {"version": 1 << 16}, {"time_ms": "now"}],
    ids=repr,
)  # fmt: skip
def test_a_header_outside_its_types_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CodecError):
        HEADER.decode(HEADER.encode(replace(HEADER_SAMPLE, **change)))


def test_cut_bytes_are_refused_at_every_length() -> None:
    encoded = BLOCK.encode(Block(HEADER_SAMPLE, (b"\x01",), (), None))
    for size in range(len(encoded)):
        with pytest.raises(CodecError):
            BLOCK.decode(encoded[:size])


def test_transaction_and_evidence_roots_depend_on_the_order() -> None:
    ids = [TransactionId(number(1)), TransactionId(number(2))]
    assert compute_transactions_root(ids) != compute_transactions_root(ids[::-1])
    assert compute_evidence_root([]) == EMPTY_ROOT
