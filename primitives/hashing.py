"""SHA-256 with a domain tag for each use.

Without tags the bytes of one kind of object could be offered as another (a leaf
as a header, a transaction as a vote). Each tag names the object and the version
of its layout; browsers can recompute every hash with WebCrypto alone.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import NewType

Hash = NewType("Hash", bytes)
"""32 bytes: a tagged SHA-256."""

TransactionId = NewType("TransactionId", bytes)
"""32 bytes: the hash of a signed transaction's bytes."""

Address = NewType("Address", bytes)
"""32 bytes: an account's Ed25519 public key, or the hash of a contract's name."""

ZERO_HASH = Hash(bytes(32))
"""Stands for 'nothing before': the parent of genesis, an absent root."""


class Tag(Enum):
    """What is hashed or signed. The value is the prefix, NUL-terminated."""

    TRANSACTION_ID = b"carbonode/transaction-id/1\0"
    TRANSACTION_SIGN = b"carbonode/transaction-sign/1\0"
    HEADER = b"carbonode/header/1\0"
    EXECUTION = b"carbonode/execution/1\0"
    CERTIFICATE = b"carbonode/certificate/1\0"
    VALIDATORS = b"carbonode/validators/1\0"
    PARAMS = b"carbonode/params/1\0"
    GENESIS = b"carbonode/genesis/1\0"
    CONTRACT_ADDRESS = b"carbonode/contract-address/1\0"
    CONTRACT_CODE = b"carbonode/contract-code/1\0"
    STATE_KEY = b"carbonode/state-key/1\0"
    STATE_VALUE = b"carbonode/state-value/1\0"
    STATE_BUCKET = b"carbonode/state-bucket/1\0"
    STATE_NODE = b"carbonode/state-node/1\0"
    VOTE = b"carbonode/vote/1\0"
    EVIDENCE = b"carbonode/evidence/1\0"
    MESSAGE = b"carbonode/message/1\0"
    PEER = b"carbonode/peer/1\0"
    SNAPSHOT = b"carbonode/snapshot/1\0"
    SNAPSHOT_PART = b"carbonode/snapshot-part/1\0"
    READING = b"carbonode/reading/1\0"


def compute_hash(tag: Tag, data: bytes) -> Hash:
    """Return SHA-256(tag || data), 32 bytes."""
    return Hash(hashlib.sha256(tag.value + data).digest())


def compute_contract_address(name: str) -> Address:
    """Return the 32-byte address under which the contract ``name`` acts as a sender."""
    return Address(compute_hash(Tag.CONTRACT_ADDRESS, name.encode("ascii")))
