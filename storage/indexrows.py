"""The index rows of one block: what is written when it is indexed, and goes with it.

Pure functions of the block, its receipts and events, so that pruning finds the keys
again from the block alone. Lots and accounts are not of a block: they stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from primitives import limits
from primitives.block import EVENT, RECEIPT, Event
from primitives.codec import Bytes, Struct, Text
from primitives.hashing import TransactionId
from primitives.transaction import ReceivedTransaction, Transaction
from storage.schema import encode_location, make_name_part
from storage.unitrows import OTHER_FORM, STEP, list_steps, make_step_key

GOVERNANCE: Final = "governance"
_ACCOUNT_EVENTS: Final = ("AccountSet", "AccountRemoved")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A transaction's id and outcome (STATUS_* and code)."""

    id: TransactionId
    status: str
    code: str


OUTCOME = Struct(
    Outcome,
    256,
    id=Bytes(limits.HASH_BYTES),
    status=Text(16),
    code=Text(limits.CODE_CHARACTERS_MAX),
)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the indexes need of one block; ``events`` are decoded beside their bytes."""

    height: int
    transactions: Sequence[Transaction | ReceivedTransaction]
    receipts: Sequence[bytes]
    events: Sequence[tuple[bytes, Event]]

    @classmethod
    def of(
        cls,
        height: int,
        transactions: Sequence[Transaction | ReceivedTransaction],
        receipts: Sequence[bytes],
        events: Sequence[bytes],
    ) -> Indexed:
        """Return it from the encoded parts."""
        decoded = [(encoded, EVENT.decode(encoded)) for encoded in events]
        return cls(height, transactions, receipts, decoded)


def compute_rows(block: Indexed) -> dict[bytes, bytes]:
    """Return the rows that stand and fall with a block."""
    rows: dict[bytes, bytes] = {}
    for index, (transaction, encoded) in enumerate(
        zip(block.transactions, block.receipts, strict=True)
    ):
        place = encode_location(block.height, index)
        receipt = RECEIPT.decode(encoded)
        rows[b"x" + place] = OUTCOME.encode(Outcome(transaction.id, receipt.status, receipt.code))
        rows[b"a" + transaction.body.sender + place] = b""
        for call in transaction.body.calls:
            rows[b"c" + make_name_part(call.contract) + place] = b""
    for index, (encoded, event) in enumerate(block.events):
        place = encode_location(block.height, index)
        contract = make_name_part(event.contract)
        rows[b"e" + contract + place] = encoded
        number = event.transaction_index.to_bytes(4, "big")
        rows[b"n" + contract + make_name_part(event.name) + place] = number
        rows.update(_list_step_rows(event, block.height, index))
    return rows


def compute_account_rows(events: Sequence[tuple[bytes, Event]]) -> dict[bytes, bytes]:
    """Return the rows of keys that speak, or spoke, for an organisation.

    A key speaks for one organisation for ever (vm/contracts/identity.py, ``put_key``), so
    an organisation's transactions are those of all its keys.
    """
    rows: dict[bytes, bytes] = {}
    for _, event in events:
        if event.contract == GOVERNANCE and event.name in _ACCOUNT_EVENTS:
            account, organisation = (*event.values, None, None)[:2]
            if isinstance(account, bytes) and isinstance(organisation, str):
                rows[make_account_key(organisation, account)] = b""
    return rows


def make_account_key(organisation: str, account: bytes) -> bytes:
    """Return the key of the row that says that ``account`` speaks for ``organisation``."""
    return b"o" + make_name_part(organisation) + account


def _list_step_rows(event: Event, height: int, index: int) -> Iterator[tuple[bytes, bytes]]:
    for batch, start, step in list_steps(event):
        try:
            yield make_step_key(batch, start, height, index), STEP.encode(step)
        except OTHER_FORM:
            continue  # another version's event: see storage/unitrows.py
