"""The tables below all others: blocks, transactions, calls, events, contracts, and where the
index stands. Everything in the books is derived from these and could be derived again.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from tools.indexer.book import METADATA, Listing, Proof
from tools.indexer.columns import blob, document, flag, integer, moment, text


def packed(name: str, about: str) -> Column[Any]:
    """Canonical bytes, not shown: rows are made of them again."""
    return Column(name, LargeBinary(), nullable=False, comment=about)


META: Final = Table(
    "index_meta", METADATA,
    Column("name", Text(), primary_key=True), Column("value", Text(), nullable=False),
)  # fmt: skip

BLOCKS: Final = Table(
    "blocks", METADATA,
    integer("height", "height of the block; 0 is the genesis", key=True),
    blob("hash", "hash of the header"),
    blob("exec_hash", "hash of the execution result; validators signed both"),
    blob("state_root", "root of the state after the block"),
    moment("time", "time of the block"),
    integer("time_ms", "the same in milliseconds of Unix time"),
    blob("proposer", "key of the proposer"),
    integer("tx_count", "transactions"),
    integer("event_count", "events"),
    integer("gas", "gas used"),
    integer("epoch", "epoch"),
    integer("view", "view in which the block was decided; above 0 a leader failed"),
    document("signers", "names of the validators whose signatures certify the block"),
)  # fmt: skip

TRANSACTIONS: Final = Table(
    "transactions", METADATA,
    integer("height", "height of the block", key=True),
    integer("tx_index", "number in the block", key=True),
    blob("id", "transaction id"),
    blob("sender", "key of the sender"),
    text("organisation", "organisation of the sender then ('' = no member)"),
    moment("time", "time of the block"),
    text("status", "ok, reverted, fault, out-of-gas or rejected"),
    text("code", "why it failed"),
    integer("gas", "gas used"),
    integer("gas_limit", "gas limit"),
    integer("valid_until", "last height that could hold it"),
    integer("call_count", "calls"),
    integer("failed_call", "number of the call that failed", null=True),
    integer("event_count", "events"),
)  # fmt: skip

CALLS: Final = Table(
    "calls", METADATA,
    integer("height", "height of the block", key=True),
    integer("tx_index", "number of the transaction; at height 0 of the genesis call", key=True),
    integer("call_index", "number of the call", key=True),
    text("contract", "contract"),
    text("method", "method"),
    text("status", "status of its transaction"),
    packed("arguments", "canonical bytes of the arguments"),
)  # fmt: skip

EVENTS: Final = Table(
    "events", METADATA,
    integer("height", "height of the block", key=True),
    integer("event_index", "number in the block", key=True),
    integer("tx_index", "number of the transaction; at height 0 of the genesis call"),
    moment("time", "time of the block"),
    text("contract", "contract"),
    text("name", "name"),
    packed("encoded", "the event's canonical bytes: the leaf that is proven"),
)  # fmt: skip
Index("ix_events_transaction", EVENTS.c.height, EVENTS.c.tx_index)

UNREAD: Final = Table(
    "unread_events", METADATA,
    integer("height", "height of the block", key=True),
    integer("event_index", "number in the block", key=True),
    text("contract", "contract"),
    text("name", "name"),
    text("reason", "unknown-event, other-form, or what the handler met"),
)  # fmt: skip

CONTRACTS: Final = Table(
    "contracts", METADATA,
    text("contract", "name", key=True),
    integer("version", "version of its code, from 1", key=True),
    blob("code_hash", "hash of the source"),
    integer("from_height", "since this height"),
    integer("to_height", "until this height", null=True),
    moment("since", "time of that block"),
    integer("source_characters", "length of the source", null=True),
)  # fmt: skip

CODES: Final = Table(
    "codes", METADATA,
    blob("code_hash", "hash of the source", key=True),
    Column("source", Text(), nullable=False),
    Column("abi", Text(), nullable=False),
)  # fmt: skip

ACCOUNTS: Final = Table(
    "accounts", METADATA,
    blob("account", "key", key=True),
    text("organisation", "organisation that it signs for now ('' = none any more)"),
    integer("since_height", "since this height"),
    flag("active", "whether it may send transactions"),
)  # fmt: skip

LISTINGS: Final = (
    Listing(
        "blocks", BLOCKS, "Certified blocks, each verified with its validators' signatures.",
        ("height",), (("proposer",), ("hash",)), newest_first=True,
    ),
    Listing(
        "transactions", TRANSACTIONS, "Final transactions, those that failed too.",
        ("height", "tx_index"),
        (("organisation",), ("sender",), ("status",), ("organisation", "status"), ("id",)),
        newest_first=True, proof=Proof(),
    ),
    Listing(
        "calls", CALLS, "Calls of transactions; at height 0 those of the genesis.",
        ("height", "tx_index", "call_index"), (("contract", "method"), ("contract",)),
        newest_first=True, proof=Proof(),
    ),
    Listing(
        "events", EVENTS, "Events of contracts, with their fields by the ABI of that height.",
        ("height", "event_index"), (("contract", "name"), ("contract",)),
        newest_first=True, proof=Proof(),
    ),
    Listing(
        "unread-events", UNREAD,
        "Events that this program could not turn into rows: what other lists lack.",
        ("height", "event_index"), (("contract",),), newest_first=True, proof=Proof(),
    ),
    Listing(
        "contracts", CONTRACTS, "Versions of contracts, with source and ABI one by one.",
        ("contract", "version"),
        proof=None,
    ),
    Listing(
        "accounts", ACCOUNTS, "Keys and the organisations that they sign for.",
        ("account",), (("organisation",),),
        proof=Proof("governance", "accounts", ("account",)),
    ),
)  # fmt: skip
