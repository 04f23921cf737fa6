"""A signed transaction: 1 to 100 calls, executed all or none.

Layout: canonical body, then the 64 signature bytes. The bytes received are the
bytes stored and gossiped; the id is their hash, computed once. There is no
account sequence: the nonce is any 8 bytes, and ``valid_until`` bounds for how
long the id must be remembered (as FISCO BCOS does), so a gateway may submit in
parallel without gaps.

``ReceivedTransaction`` has been decoded but not checked against any key; only
``verify_transaction`` turns it into a ``Transaction``.
"""

from __future__ import annotations

from dataclasses import dataclass

from primitives import limits
from primitives.codec import AnyValue, Array, Bytes, Struct, Text, Uint, Value, pack
from primitives.errors import CodecError, ProofError
from primitives.hashing import Address, Hash, Tag, TransactionId, compute_hash
from primitives.keys import PrivateKey, verify

TRANSACTION_VERSION = 1


@dataclass(frozen=True, slots=True)
class Call:
    """One call: ``contract`` by name, ``method``, positional ``arguments``."""

    contract: str
    method: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class TransactionBody:
    """What the sender signs. ``valid_until`` is the last height that may hold it."""

    version: int
    chain_id: Hash
    sender: Address
    nonce: bytes
    valid_until: int
    gas_limit: int
    calls: tuple[Call, ...]


CALL = Struct(
    Call,
    limits.TRANSACTION_BYTES_MAX,
    contract=Text(limits.NAME_CHARACTERS_MAX, min=1),
    method=Text(limits.NAME_CHARACTERS_MAX, min=1),
    arguments=Array(AnyValue(), limits.ARGUMENTS_MAX),
)

BODY = Struct(
    TransactionBody,
    limits.TRANSACTION_BYTES_MAX - limits.SIGNATURE_BYTES,
    version=Uint(16),
    chain_id=Bytes(limits.HASH_BYTES),
    sender=Bytes(limits.ADDRESS_BYTES),
    nonce=Bytes(limits.NONCE_BYTES),
    valid_until=Uint(),
    gas_limit=Uint(),
    calls=Array(CALL, limits.CALLS_MAX, min=1),
)


@dataclass(frozen=True, slots=True)
class ReceivedTransaction:
    """Decoded bytes whose signature nobody has checked yet."""

    id: TransactionId
    body: TransactionBody
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction whose signature is valid. Made by ``verify_transaction`` only."""

    id: TransactionId
    body: TransactionBody
    encoded: bytes


def compute_transaction_id(encoded: bytes) -> TransactionId:
    """Return the id of a signed transaction's bytes."""
    return TransactionId(compute_hash(Tag.TRANSACTION_ID, encoded))


def sign_transaction(body: TransactionBody, key: PrivateKey) -> Transaction:
    """Return ``body`` signed by ``key``, whose public key must be ``body.sender``.

    Raises CodecError when the body is over a limit, ProofError for another's key.
    """
    if key.public_key != body.sender:
        raise ProofError("the key is not the sender's", sender=body.sender.hex())
    unsigned = BODY.encode(body)
    encoded = unsigned + key.sign(Tag.TRANSACTION_SIGN.value + unsigned)
    received = decode_transaction(encoded)
    return Transaction(received.id, received.body, encoded)


def decode_transaction(encoded: bytes) -> ReceivedTransaction:
    """Return the decoded transaction, or raise CodecError; checks no signature."""
    if not limits.SIGNATURE_BYTES < len(encoded) <= limits.TRANSACTION_BYTES_MAX:
        raise CodecError("transaction size", size=len(encoded), limit=limits.TRANSACTION_BYTES_MAX)
    body = BODY.decode(encoded[: -limits.SIGNATURE_BYTES])
    if body.version != TRANSACTION_VERSION:
        raise CodecError("unknown transaction version", version=body.version)
    return ReceivedTransaction(compute_transaction_id(encoded), body, encoded)


def is_signature_valid(received: ReceivedTransaction) -> bool:
    """Whether the sender signed these bytes. About 100 us; releases the GIL."""
    encoded = received.encoded
    unsigned = encoded[: -limits.SIGNATURE_BYTES]
    return verify(
        received.body.sender,
        Tag.TRANSACTION_SIGN.value + unsigned,
        encoded[-limits.SIGNATURE_BYTES :],
    )


def verify_transaction(received: ReceivedTransaction) -> Transaction:
    """Return the verified transaction, or raise ProofError."""
    if not is_signature_valid(received):
        raise ProofError("bad transaction signature", id=received.id.hex())
    return Transaction(received.id, received.body, received.encoded)


def make_nonce(number: int) -> bytes:
    """Return the 8-byte big-endian nonce of a client's own counter."""
    return number.to_bytes(limits.NONCE_BYTES, "big")


def encode_arguments(arguments: tuple[Value, ...]) -> bytes:
    """Return the canonical bytes of a list of contract values."""
    return pack(list(arguments))
