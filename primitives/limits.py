"""Every limit that crosses a package boundary: its name, its unit, its reason.

Limits that a chain may choose for itself are in :mod:`primitives.params`; these
are the outer bounds that a decoder applies before it knows any chain.
"""

from typing import Final

HASH_BYTES: Final = 32
"""SHA-256."""

SIGNATURE_BYTES: Final = 64
"""Ed25519 (RFC 8032)."""

ADDRESS_BYTES: Final = 32
"""An account is its public key; a contract is the hash of its name."""

NONCE_BYTES: Final = 8
"""Unordered nonce: 2^64 values make a collision inside one expiry window negligible."""

VALIDATORS_MAX: Final = 100
"""Certificates grow linearly; beyond this single-slot PBFT is the wrong protocol."""

TRANSACTION_BYTES_MAX: Final = 128 * 1024
"""Room for a contract deployment (32 KiB source) and for 100 calls of about 1 KiB."""

CALLS_MAX: Final = 100
"""Calls under one signature: amortises the signature without unbounded latency."""

ARGUMENTS_MAX: Final = 32
"""Arguments of one call."""

NAME_CHARACTERS_MAX: Final = 64
"""Contract, method, event and variable names."""

CODE_CHARACTERS_MAX: Final = 64
"""A contract's own revert code, a fault code."""

VALUE_DEPTH_MAX: Final = 8
"""Nesting of lists in one argument: decoders stay shallow."""

VALUE_ITEMS_MAX: Final = 10_000
"""Elements in all lists of one argument together."""

VALUE_TEXT_BYTES_MAX: Final = 64 * 1024
"""One text or byte string inside an argument (a contract's source is 32 KiB)."""

INT_BITS: Final = 256
"""Contract integers are signed 256-bit: -2^255 <= n < 2^255."""

BLOCK_TRANSACTIONS_MAX: Final = 20_000
"""Transactions in one block: bounds the id list of a PRE-PREPARE to 640 KB."""

BLOCK_BYTES_MAX: Final = 16 * 1024 * 1024
"""Transaction bytes in one block: 16 MiB travel on loopback in 60 ms."""

BLOCK_EVIDENCE_MAX: Final = 64
"""Pieces of evidence in one block."""

EVIDENCE_BYTES_MAX: Final = 64 * 1024
"""Two signed messages of one validator."""

RECEIPT_BYTES_MAX: Final = 256 * 1024
"""A receipt carries one return value for each call."""

EVENT_BYTES_MAX: Final = 16 * 1024
"""One event; the VM's own bound (design: event 16 KiB)."""

EVENTS_PER_TRANSACTION_MAX: Final = 10_000
"""Gas bounds it far earlier."""

VIEW_AHEAD_MAX: Final = 1_000
"""A view further ahead than this is refused: one huge view must not freeze a chain."""

MESSAGE_BYTES_MAX: Final = 2 * 1024 * 1024
"""One consensus message: a NEW-VIEW carries q VIEW-CHANGEs with q signatures each."""

GENESIS_BYTES_MAX: Final = 16 * 1024 * 1024
"""A genesis carries the source of every contract of the chain."""
