"""Building and signing transactions: nonce, expiry, gas limit. No I/O.

The nonce is random: nobody counts, so any number of senders may share an account's
key without gaps. 2^64 values make a repeat within one expiry window negligible.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from primitives import limits
from primitives.hashing import Hash
from primitives.keys import PrivateKey
from primitives.transaction import (
    TRANSACTION_VERSION,
    Call,
    Transaction,
    TransactionBody,
    sign_transaction,
)

GAS_MARGIN_NUMERATOR = 3
GAS_MARGIN_DENOMINATOR = 2
"""An estimate is a run on the last block: state may differ when it is executed."""

GAS_BASE = 20_000
"""Added to an estimate, so that a tiny call survives a grown bucket or list."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """The chain, its height when we asked, and how far ahead a transaction may live."""

    chain_id: Hash
    height: int
    window_blocks: int

    @property
    def valid_until(self) -> int:
        return self.height + self.window_blocks


def build_transaction(
    key: PrivateKey,
    calls: Sequence[Call],
    *,
    expiry: Expiry,
    gas_limit: int,
    nonce: bytes | None = None,
) -> Transaction:
    """Return the signed transaction of ``calls``; the nonce is random unless given.

    Raises CodecError when it is over a limit (calls, arguments, bytes).
    """
    body = TransactionBody(
        version=TRANSACTION_VERSION,
        chain_id=expiry.chain_id,
        sender=key.public_key,
        nonce=secrets.token_bytes(limits.NONCE_BYTES) if nonce is None else nonce,
        valid_until=expiry.valid_until,
        gas_limit=gas_limit,
        calls=tuple(calls),
    )
    return sign_transaction(body, key)


def add_gas_margin(gas: int, gas_max: int) -> int:
    """Return a gas limit for a measured need: half as much again and a base, capped."""
    return min(gas * GAS_MARGIN_NUMERATOR // GAS_MARGIN_DENOMINATOR + GAS_BASE, gas_max)
