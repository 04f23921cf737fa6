"""Why a transaction is refused: a typed outcome, never an exception.

A client's mistake is an ordinary event for a node; the RPC turns a Refusal into its
error number, gossip turns it into a grade for the peer that relayed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RefusalReason(Enum):
    """Stable names, used in metrics and in the ``reason`` of RPC errors."""

    MALFORMED = "malformed"
    LIMIT = "limit"
    WRONG_CHAIN = "wrong-chain"
    EXPIRED = "expired"
    TOO_FAR_AHEAD = "too-far-ahead"
    NOT_PERMITTED = "not-permitted"
    DUPLICATE = "duplicate"
    BAD_SIGNATURE = "bad-signature"
    FULL = "mempool-full"
    SENDER_FULL = "sender-full"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal; ``retry_after_ms`` is set when waiting would help."""

    reason: RefusalReason
    message: str
    retry_after_ms: int | None = None
