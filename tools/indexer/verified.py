"""A block taken from a node's bytes: nothing of it is believed. Pure.

The light client's rules (docs/light.md): a quorum of the height's validators signed header
and execution result; every transaction, receipt and event hashes to their roots, all of
them and in order. Beside these: each block names the one before it, so that what is kept
is one chain. Signatures of single transactions are the validators' to check; a quorum that
certified a forged one is what this promise, like the light client's, does not cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from primitives.block import (
    EVENT,
    EXECUTION_RESULT,
    HEADER,
    RECEIPT,
    Event,
    ExecutionResult,
    Header,
    Receipt,
    compute_events_root,
    compute_receipts_root,
    compute_transactions_root,
)
from primitives.certificate import CERTIFICATE, Certificate
from primitives.genesis import Genesis
from primitives.hashing import ZERO_HASH
from primitives.transaction import ReceivedTransaction, decode_transaction
from primitives.validators import ValidatorSet
from tools.client.proofs import verify_commit
from tools.client.results import get_list, get_member, get_object
from tools.client.wire import from_hex
from tools.light.answers import reading, refuse


@dataclass(frozen=True, slots=True)
class VerifiedBlock:
    """A block with all that it brought about. Made by ``verify_contents`` only (height 0 by
    executing the genesis)."""

    header: Header
    execution: ExecutionResult
    certificate: Certificate
    signers: tuple[str, ...]
    transactions: tuple[ReceivedTransaction, ...]
    receipts: tuple[Receipt, ...]
    events: tuple[Event, ...]
    encoded_events: tuple[bytes, ...]

    @property
    def height(self) -> int:
        """The block's height."""
        return self.header.height


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a chain of verified blocks ends."""

    height: int = 0
    block_hash: bytes = bytes(ZERO_HASH)
    exec_hash: bytes | None = None
    """None after the genesis: its result is what every validator computed, not certified."""


def verify_contents(
    answer: object, genesis: Genesis, validators: ValidatorSet, tip: Tip
) -> VerifiedBlock:
    """Return the block after ``tip`` that an answer of ``chain_getContents`` proves.

    ``validators`` is the set of its height. Raises ProofError naming what is wrong.
    """
    with reading("the block"):
        document = get_object(answer)
        header: Header = HEADER.decode(from_hex(get_member(document, "headerEncoded")))
        execution: ExecutionResult = EXECUTION_RESULT.decode(
            from_hex(get_member(document, "executionEncoded"))
        )
        certificate: Certificate = CERTIFICATE.decode(
            from_hex(get_member(document, "certificateEncoded"))
        )
        encoded = {
            name: [from_hex(item) for item in get_list(document, name)]
            for name in ("transactions", "receipts", "events")
        }
        transactions = tuple(decode_transaction(item) for item in encoded["transactions"])
        receipts: tuple[Receipt, ...] = tuple(RECEIPT.decode(item) for item in encoded["receipts"])
        events: tuple[Event, ...] = tuple(EVENT.decode(item) for item in encoded["events"])
    verify_commit(header, execution, certificate, genesis, validators)
    _check_place(header, tip)
    _check_roots(header, execution, transactions, encoded)
    _check_receipts(transactions, receipts, events)
    return VerifiedBlock(
        header, execution, certificate,
        tuple(validators.members[index].name for index in certificate.signers),
        transactions, receipts, events, tuple(encoded["events"]),
    )  # fmt: skip


def _check_place(header: Header, tip: Tip) -> None:
    if header.height != tip.height + 1:
        raise refuse("asked", "the block is of another height", got=header.height)
    if header.parent_hash != tip.block_hash:
        raise refuse("parent", "the block does not follow the one before", height=header.height)
    if tip.exec_hash is not None and header.prev_exec_hash != tip.exec_hash:
        raise refuse("parent", "the block follows another result", height=header.height)


def _check_roots(
    header: Header,
    execution: ExecutionResult,
    transactions: tuple[ReceivedTransaction, ...],
    encoded: dict[str, list[Any]],
) -> None:
    ids = [item.id for item in transactions]
    if header.tx_count != len(ids) or compute_transactions_root(ids) != header.txs_root:
        raise refuse("transactions", "not the block's transactions", height=header.height)
    if compute_receipts_root(encoded["receipts"]) != execution.receipts_root:
        raise refuse("receipts", "not the block's receipts", height=header.height)
    if compute_events_root(encoded["events"]) != execution.events_root:
        raise refuse("events", "not the block's events", height=header.height)


def _check_receipts(
    transactions: tuple[ReceivedTransaction, ...],
    receipts: tuple[Receipt, ...],
    events: tuple[Event, ...],
) -> None:
    """What validators certified is consistent, or a writer's assumptions would not hold."""
    if [item.id for item in transactions] != [item.transaction_id for item in receipts]:
        raise refuse("receipts", "receipts are not those of the transactions")
    place = 0
    for index, receipt in enumerate(receipts):
        own = events[place : place + receipt.event_count]
        if receipt.event_first != place or any(it.transaction_index != index for it in own):
            raise refuse("events", "events are not where the receipts say", index=index)
        place += receipt.event_count
    # Evidence is handed to governance in the engine's name: its events are left out of blocks.
    if place != len(events):
        raise refuse("events", "events that are no transaction's", index=place)
