"""The answers of a node as typed values; each parses itself and refuses another shape.

JSON stays JSON (``Mapping[str, Any]``) where a contract's own values are inside;
heights, hashes, statuses and cursors are typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from primitives import limits
from primitives.block import STATUS_OK
from primitives.hashing import Address, Hash, TransactionId
from tools.client.errors import BadAnswer, RpcError, make_rpc_error
from tools.client.wire import from_hex, parse_integer

Json = Mapping[str, Any]


def get_object(value: object) -> Json:
    """Return ``value`` if it is a JSON object, else raise BadAnswer."""
    if not isinstance(value, dict):
        raise BadAnswer("expected an object", got=type(value).__name__)
    return value


def get_member(document: Json, name: str) -> Any:
    """Return a member that the documented shape has, else raise BadAnswer."""
    if name not in document:
        raise BadAnswer("a member is missing", member=name, got=sorted(document)[:20])
    return document[name]


def get_list(document: Json, name: str) -> list[Any]:
    """Return a member that is a list, else raise BadAnswer."""
    value = get_member(document, name)
    if not isinstance(value, list):
        raise BadAnswer("expected a list", member=name, got=type(value).__name__)
    return value


def get_integer(document: Json, name: str) -> int:
    """Return a member that is an integer (a number or decimal text)."""
    return parse_integer(get_member(document, name))


def get_hash(document: Json, name: str) -> Hash:
    """Return a member that is a 32-byte hash."""
    return Hash(from_hex(get_member(document, name), limits.HASH_BYTES))


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """Where a node stands. ``document`` is the whole answer of ``chain_status``."""

    chain_id: Hash
    height: int
    state_root: str | None
    syncing: bool
    transaction_window_blocks: int
    transaction_gas_max: int
    epoch_blocks: int
    document: Json

    @classmethod
    def parse(cls, answer: object) -> ChainStatus:
        document = get_object(answer)
        params = get_object(get_member(document, "params"))
        return cls(
            chain_id=get_hash(document, "chainId"),
            height=get_integer(document, "height"),
            state_root=document.get("stateRoot"),
            syncing=bool(get_member(document, "syncing")),
            transaction_window_blocks=_get_param(params, "transaction_window_blocks"),
            transaction_gas_max=_get_param(params, "transaction_gas_max"),
            epoch_blocks=_get_param(params, "epoch_blocks"),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class FinalTransaction:
    """A transaction that is in a certified block and on the answering node's disk."""

    id: TransactionId
    height: int
    index: int
    block_hash: Hash
    receipt: Json

    @classmethod
    def parse(cls, answer: object) -> FinalTransaction:
        document = get_object(answer)
        return cls(
            id=TransactionId(get_hash(document, "id")),
            height=get_integer(document, "height"),
            index=get_integer(document, "index"),
            block_hash=get_hash(document, "blockHash"),
            receipt=get_object(get_member(document, "receipt")),
        )

    @property
    def status(self) -> str:
        """One of primitives.block.STATUS_*."""
        return str(get_member(self.receipt, "status"))

    @property
    def is_ok(self) -> bool:
        """Whether every call took effect; otherwise none did."""
        return self.status == STATUS_OK

    @property
    def code(self) -> str:
        """The contract's revert code or the fault code; empty when ok."""
        return str(self.receipt.get("code", ""))

    @property
    def gas(self) -> int:
        """Gas used."""
        return get_integer(self.receipt, "gas")


@dataclass(frozen=True, slots=True)
class Submitted:
    """One item of a batch: accepted, or refused with the error that says why."""

    id: TransactionId
    error: RpcError | None

    @property
    def is_accepted(self) -> bool:
        return self.error is None

    @classmethod
    def parse(cls, answer: object, id_: TransactionId) -> Submitted:
        document = get_object(answer)
        if document.get("status") == "accepted":
            return cls(id_, None)
        return cls(id_, make_rpc_error(document.get("error")))


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a read-only call returned, as JSON by the ABI."""

    value: Any
    gas: int
    height: int
    document: Json

    @classmethod
    def parse(cls, answer: object) -> CallResult:
        document = get_object(answer)
        return cls(
            document.get("value"),
            get_integer(document, "gas"),
            get_integer(document, "height"),
            document,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``next_cursor`` is None on the last."""

    items: tuple[Json, ...]
    next_cursor: str | None

    @classmethod
    def parse(cls, answer: object) -> Page:
        document = get_object(answer)
        cursor = document.get("nextCursor")
        if cursor is not None and not isinstance(cursor, str):
            raise BadAnswer("a cursor is text", got=type(cursor).__name__)
        return cls(tuple(get_object(item) for item in get_list(document, "items")), cursor)


@dataclass(frozen=True, slots=True)
class Notification:
    """One item of a subscription; ``cursor`` is where to go on from after it."""

    cursor: str
    item: Json


@dataclass(frozen=True, slots=True)
class ValidatorInfo:
    """A validator as ``validator_list`` names it."""

    index: int
    name: str
    public_key: Address
    connected: bool | None

    @classmethod
    def parse(cls, answer: object) -> ValidatorInfo:
        document = get_object(answer)
        return cls(
            get_integer(document, "index"),
            str(get_member(document, "name")),
            Address(from_hex(get_member(document, "publicKey"), limits.ADDRESS_BYTES)),
            document.get("connected"),
        )


def _get_param(params: Json, name: str) -> int:
    """Return a chain parameter; nodes write them in snake or in camel case."""
    first, *rest = name.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    return get_integer(params, name if name in params else camel)
