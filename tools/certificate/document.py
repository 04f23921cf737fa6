"""The form of a certificate file: one JSON object, every member known, none optional.

    format        "carbonode-retirement-certificate/1", with ``changes`` ".../2"
    chainId       0x hash of the genesis
    retirement    {certificate, kind, pieces: [{batch, start, end}], quantityKg, owner,
                   beneficiary, beneficiaryName, purpose, time, height}
    transaction   {id, encoded, index, count, path}    under the header's txs_root
    receipt       {encoded, path, call}                under receipts_root, same index
    event         {encoded, index, count, path}        under events_root
    header, execution, commit                          canonical bytes, 0x hex
    changes       (/2 only) [{header, execution, commit, validators: [[name, 0x key]]}]:
                  the last blocks of epochs after which another set of validators
                  followed, from the genesis's set to that of the block, in order

``encoded`` are the canonical bytes (docs/protocol.md) in 0x hex, ``path`` a Merkle
audit path from the leaf's sibling upwards. ``call`` is the number of the call that
retired, null when another contract did it; ``purpose`` is its argument, null likewise.
Serials are kilograms, half-open; ``time`` is the block's, whole seconds UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from primitives import limits
from primitives.errors import ProofError
from primitives.hashing import Hash

FORMAT = "carbonode-retirement-certificate/1"
FORMAT_CHANGES = "carbonode-retirement-certificate/2"
CHANGES_MAX = 1_000
"""Changed sets that one file follows: a thousand reorganisations of a consortium."""
DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
"""Header, receipt, one transaction and one event in hex are far below a megabyte."""
PATH_MAX = 64
"""Siblings in an audit path: a tree of 2^64 leaves."""

_MEMBERS = (
    "format", "chainId", "retirement", "transaction", "receipt", "event",
    "header", "execution", "commit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leaf:
    """Bytes with their place in a Merkle tree."""

    encoded: bytes
    index: int
    count: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ValidatorChange:
    """The last block of an epoch and the (name, key) of the set that follows it."""

    header: bytes
    execution: bytes
    commit: bytes
    validators: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class CertificateDocument:
    """A file's content, read but not checked against anything."""

    chain_id: Hash
    retirement: Mapping[str, Any]
    transaction_id: bytes
    transaction: Leaf
    receipt: bytes
    receipt_path: tuple[bytes, ...]
    call: int | None
    event: Leaf
    header: bytes
    execution: bytes
    commit: bytes
    changes: tuple[ValidatorChange, ...] = ()


def fail(message: str, **values: object) -> ProofError:
    """Return the error of a document that has not the form above."""
    return ProofError(message, code="certificate-format", **values)


def parse_document(document: object) -> CertificateDocument:
    """Return the content of a certificate file's JSON, or raise ProofError."""
    has_changes = isinstance(document, dict) and document.get("format") == FORMAT_CHANGES
    members = (*_MEMBERS, "changes") if has_changes else _MEMBERS
    top = _get_members(document, "certificate", members)
    if top["format"] not in (FORMAT, FORMAT_CHANGES):
        raise fail("unknown format", format=repr(top["format"])[:80], known=FORMAT)
    transaction = _get_members(
        top["transaction"], "transaction", ("id", "encoded", "index", "count", "path")
    )
    receipt = _get_members(top["receipt"], "receipt", ("encoded", "path", "call"))
    event = _get_members(top["event"], "event", ("encoded", "index", "count", "path"))
    if not isinstance(top["retirement"], dict):
        raise fail("retirement is not an object")
    call = receipt["call"]
    return CertificateDocument(
        chain_id=Hash(_get_bytes(top, "chainId", limits.HASH_BYTES)),
        retirement=top["retirement"],
        transaction_id=_get_bytes(transaction, "id", limits.HASH_BYTES),
        transaction=_get_leaf(transaction),
        receipt=_get_bytes(receipt, "encoded"),
        receipt_path=_get_path(receipt),
        call=None if call is None else _get_integer(receipt, "call"),
        event=_get_leaf(event),
        header=_get_bytes(top, "header"),
        execution=_get_bytes(top, "execution"),
        commit=_get_bytes(top, "commit"),
        changes=_get_changes(top) if has_changes else (),
    )


def dump_leaf(leaf: Leaf) -> dict[str, Any]:
    """Return a leaf's JSON."""
    return {
        "encoded": dump_bytes(leaf.encoded),
        "index": leaf.index,
        "count": leaf.count,
        "path": dump_path(leaf.path),
    }


def dump_document(content: CertificateDocument) -> dict[str, Any]:
    """Return the JSON of a certificate file."""
    document: dict[str, Any] = {
        "format": FORMAT_CHANGES if content.changes else FORMAT,
        "chainId": dump_bytes(content.chain_id),
        "retirement": dict(content.retirement),
        "transaction": {
            "id": dump_bytes(content.transaction_id),
            **dump_leaf(content.transaction),
        },
        "receipt": {
            "encoded": dump_bytes(content.receipt),
            "path": dump_path(content.receipt_path),
            "call": content.call,
        },
        "event": dump_leaf(content.event),
        "header": dump_bytes(content.header),
        "execution": dump_bytes(content.execution),
        "commit": dump_bytes(content.commit),
    }
    if content.changes:
        document["changes"] = [
            {
                "header": dump_bytes(change.header),
                "execution": dump_bytes(change.execution),
                "commit": dump_bytes(change.commit),
                "validators": [[name, dump_bytes(key)] for name, key in change.validators],
            }
            for change in content.changes
        ]
    return document


def dump_bytes(data: bytes) -> str:
    """Return ``0x`` and lower-case hex."""
    return "0x" + data.hex()


def dump_path(path: tuple[bytes, ...]) -> list[str]:
    """Return an audit path's JSON."""
    return [dump_bytes(item) for item in path]


def _get_members(value: object, name: str, members: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise fail(f"{name} is not an object")
    if set(value) != set(members):
        raise fail(f"members of {name}", unexpected=sorted(map(str, set(value) ^ set(members))))
    return value


def _get_changes(top: dict[str, Any]) -> tuple[ValidatorChange, ...]:
    changes = top["changes"]
    if not isinstance(changes, list) or not 1 <= len(changes) <= CHANGES_MAX:
        raise fail("changes is not a list that holds some", limit=CHANGES_MAX)
    found = []
    for item in changes:
        members = ("header", "execution", "commit", "validators")
        change = _get_members(item, "a change", members)
        found.append(
            ValidatorChange(
                _get_bytes(change, "header"),
                _get_bytes(change, "execution"),
                _get_bytes(change, "commit"),
                _get_validators(change["validators"]),
            )
        )
    return tuple(found)


def _get_validators(value: object) -> tuple[tuple[str, bytes], ...]:
    if not isinstance(value, list) or len(value) > limits.VALIDATORS_MAX:
        raise fail("validators is not a list of [name, key]")
    pairs = []
    for item in value:
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str):
            raise fail("validators is not a list of [name, key]")
        pairs.append((item[0], _parse_bytes(item[1], "a validator's key", limits.ADDRESS_BYTES)))
    return tuple(pairs)


def _get_leaf(value: dict[str, Any]) -> Leaf:
    return Leaf(
        _get_bytes(value, "encoded"),
        _get_integer(value, "index"),
        _get_integer(value, "count"),
        _get_path(value),
    )


def _get_bytes(value: dict[str, Any], name: str, size: int | None = None) -> bytes:
    return _parse_bytes(value[name], name, size)


def _parse_bytes(text: object, name: str, size: int | None) -> bytes:
    if not isinstance(text, str) or text[:2] != "0x" or text != text.lower():
        raise fail(f"{name} is not 0x and lower-case hex")
    try:
        data = bytes.fromhex(text[2:])
    except ValueError:
        raise fail(f"{name} is not hex") from None
    # fromhex skips blanks, and one value must have one form.
    if len(text) != 2 + 2 * len(data) or (size is not None and len(data) != size):
        raise fail(f"{name} has the wrong length", characters=len(text))
    return data


def _get_integer(value: dict[str, Any], name: str) -> int:
    number = value[name]
    if type(number) is not int or not 0 <= number < 1 << 53:
        raise fail(f"{name} is not a whole number", got=repr(number)[:40])
    return number


def _get_path(value: dict[str, Any]) -> tuple[bytes, ...]:
    path = value["path"]
    if not isinstance(path, list) or len(path) > PATH_MAX:
        raise fail("path is not a list of hashes")
    return tuple(_parse_bytes(item, "path", limits.HASH_BYTES) for item in path)
