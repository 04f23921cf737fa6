"""Transactions, receipts and events of a certified block. Pure.

Two answers of ``tx_get`` are needed: the transaction's own, and that of the block's last
transaction (the same one where it is the last). A Merkle path proves a leaf's place only
in a tree of known size. For transactions and receipts the header says the size; for
events the last receipt does, as nothing else that is signed does.
Never returns what a node renders by a contract's ABI (event fields by name, return
values by type): no proof covers it, so the canonical values are returned instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.rpc.render import to_hex, to_integer, to_json_call, to_json_path, to_json_value
from primitives.block import EVENT, RECEIPT, Event, Receipt
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import TransactionId
from primitives.limits import HASH_BYTES
from primitives.merkle import verify_proof
from primitives.transaction import Transaction
from primitives.validators import ValidatorSet
from tools.client.proofs import verify_transaction_answer
from tools.client.results import Json, get_integer, get_list, get_member, get_object
from tools.client.wire import from_hex
from tools.light.answers import reading, refuse, require_same
from tools.light.blocks import ProvenBlock, render_proof


@dataclass(frozen=True, slots=True)
class ProvenEvent:
    """An event with its number among the block's and its canonical bytes."""

    index: int
    event: Event
    encoded: bytes


@dataclass(frozen=True, slots=True)
class ProvenTransaction:
    """A final transaction: its place, its outcome, and all of its events in order."""

    transaction: Transaction
    index: int
    receipt: Receipt
    events: tuple[ProvenEvent, ...]
    block: ProvenBlock


def verify_transaction(
    answer: object,
    last: object,
    genesis: Genesis,
    validators: ValidatorSet,
    *,
    transaction_id: TransactionId | None = None,
) -> ProvenTransaction:
    """Return what ``answer`` proves; ``last`` is the block's last transaction's answer.

    ``transaction_id`` is the one asked for. Raises ProofError naming what is wrong.
    """
    found, event_count = _verify_one(answer, genesis, validators)
    if transaction_id is not None and found.transaction.id != transaction_id:
        raise refuse("asked", "the answer is about another transaction")
    if found.index == found.block.header.tx_count - 1:
        end = found
    else:
        end, last_count = _verify_one(last, genesis, validators)
        if end.block.block_hash != found.block.block_hash:
            raise refuse("last", "the last transaction is of another block")
        if end.index != end.block.header.tx_count - 1:
            raise refuse("last", "not the block's last transaction", index=end.index)
        _check_event_count(end, last_count)
    _check_event_count(end, event_count)
    return found


def is_last(answer: object) -> bool:
    """Whether an answer claims to be its block's last transaction: a hint what to fetch."""
    with reading("the transaction"):
        document = get_object(answer)
        count = get_integer(get_object(get_member(document, "proof")), "transactionCount")
        return get_integer(document, "index") == count - 1


def _check_event_count(end: ProvenTransaction, stated: int) -> None:
    count = end.receipt.event_first + end.receipt.event_count
    if stated != count:
        raise refuse("events", "the block has another number of events", got=stated, proven=count)


def _verify_one(
    answer: object, genesis: Genesis, validators: ValidatorSet
) -> tuple[ProvenTransaction, int]:
    """Return a transaction and the number of events that the answer claims for its block."""
    with reading("the transaction"):
        document = get_object(answer)
        proof = get_object(get_member(document, "proof"))
        verified = verify_transaction_answer(document, genesis, validators)
        index = get_integer(document, "index")
        count = get_integer(proof, "eventCount")
        shown = [get_object(item) for item in get_list(document, "events")]
        paths = {name: _get_path(proof, name) for name in ("transactionPath", "receiptPath")}
    block = ProvenBlock(verified.header, verified.execution, verified.certificate, validators)
    if verified.transaction.body.chain_id != compute_chain_id(genesis):
        raise refuse("chain", "the transaction is of another chain")
    receipt = verified.receipt
    if len(shown) != receipt.event_count:
        raise refuse("events", "events are missing or added", got=len(shown))
    events = tuple(
        _check_event(item, receipt.event_first + offset, index, count, block)
        for offset, item in enumerate(shown)
    )
    found = ProvenTransaction(verified.transaction, index, receipt, events, block)
    with reading("the transaction"):
        expected = _render(found, document, count, paths)
    require_same(document, expected, "transaction")
    return found, count


def _check_event(
    item: Json, place: int, transaction_index: int, count: int, block: ProvenBlock
) -> ProvenEvent:
    with reading("an event"):
        encoded = from_hex(get_member(item, "encoded"))
        event: Event = EVENT.decode(encoded)
        path = _get_path(item, "path")
    if not verify_proof(block.execution.events_root, encoded, place, count, path):
        raise refuse("events", "an event is not at its place under the block's root", index=place)
    if event.transaction_index != transaction_index:
        raise refuse("events", "an event is another transaction's", index=place)
    return ProvenEvent(place, event, encoded)


def _get_path(document: Json, name: str) -> list[bytes]:
    return [from_hex(item, HASH_BYTES) for item in get_list(document, name)]


def _render(
    found: ProvenTransaction, document: Json, count: int, paths: dict[str, list[bytes]]
) -> dict[str, Any]:
    """Return the one answer of ``tx_get`` that says what is proven."""
    transaction, block = found.transaction, found.block
    body = transaction.body
    shown_receipt = get_object(get_member(document, "receipt"))
    return {
        "id": to_hex(transaction.id),
        "height": block.height,
        "index": found.index,
        "blockHash": to_hex(block.block_hash),
        "timeMs": to_integer(block.header.time_ms),
        "sender": to_hex(body.sender),
        "nonce": to_hex(body.nonce),
        "validUntil": to_integer(body.valid_until),
        "gasLimit": to_integer(body.gas_limit),
        "calls": [to_json_call(call) for call in body.calls],
        "encoded": to_hex(transaction.encoded),
        # The values are set in the ABI's types: not proven, and never used.
        "receipt": _render_receipt(found.receipt, get_list(shown_receipt, "values")),
        "events": [
            _render_event(proven, get_object(item))
            for proven, item in zip(found.events, get_list(document, "events"), strict=True)
        ],
        "proof": {
            **render_proof(block),
            "transactionPath": to_json_path(paths["transactionPath"]),
            "transactionCount": block.header.tx_count,
            "receiptEncoded": to_hex(RECEIPT.encode(found.receipt)),
            "receiptPath": to_json_path(paths["receiptPath"]),
            "eventCount": count,
        },
    }


def _render_receipt(receipt: Receipt, values: object) -> dict[str, Any]:
    return {
        "transactionId": to_hex(receipt.transaction_id),
        "status": receipt.status,
        "code": receipt.code,
        "gas": receipt.gas,
        "failedCall": receipt.failed_call,
        "values": values,
        "eventFirst": receipt.event_first,
        "eventCount": receipt.event_count,
    }


def _render_event(proven: ProvenEvent, item: Json) -> dict[str, Any]:
    """Return an event's JSON; its fields by name are the ABI's: not proven, never used."""
    event = proven.event
    fields = get_object(get_member(item, "fields"))
    document: dict[str, Any] = {
        "transactionIndex": event.transaction_index,
        "contract": event.contract,
        "name": event.name,
        "fields": fields,
        "index": proven.index,
        "encoded": to_hex(proven.encoded),
        "path": to_json_path(_get_path(item, "path")),
    }
    # A node without the ABI shows no fields but the bare values: these are compared.
    if "values" in item or (not fields and event.values):
        document["values"] = [to_json_value(value) for value in event.values]
    return document
