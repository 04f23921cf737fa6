"""The tip as it is stored, and the checks when a store is opened.

A folder is claimed for one chain when it is first opened and refused to every other.
What the tip says is checked against the rows it names before anyone builds on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from primitives import limits
from primitives.block import (
    EXECUTION_RESULT,
    HEADER,
    compute_execution_hash,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, Certificate
from primitives.codec import Bytes, Struct, Uint
from primitives.errors import CodecError
from primitives.hashing import ZERO_HASH, Hash
from storage import schema
from storage.engine import KeyValueStore
from storage.errors import StorageError, WrongChainError, make_corrupted_error
from storage.statetree import read_root

T = TypeVar("T")
_HASH = Bytes(limits.HASH_BYTES)


@dataclass(frozen=True, slots=True)
class StoredTip:
    """The tip's row; the certificate has a row of its own."""

    height: int
    block_hash: Hash
    exec_hash: Hash
    state_root: Hash
    time_ms: int
    state_levels: int
    state_keys: int


STORED_TIP = Struct(
    StoredTip,
    256,
    height=Uint(),
    block_hash=_HASH,
    exec_hash=_HASH,
    state_root=_HASH,
    time_ms=Uint(),
    state_levels=Uint(8),
    state_keys=Uint(),
)


@dataclass(frozen=True, slots=True)
class Tip:
    """The last committed height. At height 0 ``block_hash`` is ZERO_HASH and the
    certificate is None."""

    height: int
    block_hash: Hash
    exec_hash: Hash
    state_root: Hash
    time_ms: int
    state_levels: int
    state_keys: int
    certificate: Certificate | None

    @classmethod
    def make(cls, stored: StoredTip, certificate: Certificate | None) -> Tip:
        """Return the tip of its row and its certificate."""
        return cls(
            stored.height,
            stored.block_hash,
            stored.exec_hash,
            stored.state_root,
            stored.time_ms,
            stored.state_levels,
            stored.state_keys,
            certificate,
        )


def claim_store(
    store: KeyValueStore, folder: str, chain_id: Hash, schema_version: int = schema.SCHEMA_VERSION
) -> None:
    """Mark an empty store as this chain's, or check that it is.

    Raises WrongChainError, DatabaseCorruptedError (rows, but no mark), or StorageError
    'schema-version'.
    """
    found = store.get(schema.META_CHAIN_ID)
    version = schema_version.to_bytes(4, "big")
    if found is None:
        if store.scan(b"", None, 1):
            raise make_corrupted_error(folder, "the store has rows but names no chain")
        store.write({schema.META_CHAIN_ID: chain_id, schema.META_SCHEMA: version}, sync=True)
        return
    if found != chain_id:
        raise WrongChainError(
            "the folder belongs to another chain",
            folder=folder,
            stored=found.hex(),
            expected=chain_id.hex(),
        )
    stored_version = store.get(schema.META_SCHEMA)
    if stored_version != version:
        raise StorageError(
            "the folder has another layout; use the program version that wrote it, or remove "
            "the folder and let the node fetch the chain again",
            code="schema-version",
            folder=folder,
            stored=None if stored_version is None else stored_version.hex(),
            expected=schema_version,
        )


def load_tip(store: KeyValueStore, folder: str) -> Tip | None:
    """Return the stored tip after checking it against the rows it names."""
    data = store.get(schema.META_TIP)
    if data is None:
        if store.get(schema.make_height_key(b"r", 0)) is not None:
            raise make_corrupted_error(folder, "there is a genesis, but no tip")
        return None
    tip = decode_row(STORED_TIP.decode, data, folder)
    if read_root(store, tip.state_levels) != tip.state_root:
        raise make_corrupted_error(folder, f"the state tree is not that of height {tip.height}")
    result_row = store.get(schema.make_height_key(b"r", tip.height))
    if result_row is None:
        raise make_corrupted_error(folder, f"no execution result at the tip {tip.height}")
    result = decode_row(EXECUTION_RESULT.decode, result_row, folder)
    if compute_execution_hash(result) != tip.exec_hash or result.state_root != tip.state_root:
        raise make_corrupted_error(folder, f"the result at {tip.height} is not the tip's")
    if tip.height == 0:
        if tip.block_hash != ZERO_HASH:
            raise make_corrupted_error(folder, "the stored genesis has a block hash")
        return Tip.make(tip, None)
    header_row = store.get(schema.make_height_key(b"h", tip.height))
    certificate_row = store.get(schema.make_height_key(b"c", tip.height))
    if header_row is None or certificate_row is None:
        raise make_corrupted_error(folder, f"no header or certificate at the tip {tip.height}")
    header = decode_row(HEADER.decode, header_row, folder)
    certificate = decode_row(CERTIFICATE.decode, certificate_row, folder)
    if compute_header_hash(header) != tip.block_hash:
        raise make_corrupted_error(folder, f"the header at {tip.height} is not the tip's")
    if (certificate.block_hash, certificate.exec_hash) != (tip.block_hash, tip.exec_hash):
        raise make_corrupted_error(folder, f"the certificate at {tip.height} is not the tip's")
    return Tip.make(tip, certificate)


def decode_row(decode: Callable[[bytes], T], data: bytes, folder: str) -> T:
    """Return a row's value; bytes that do not decode are damage, named as such."""
    try:
        return decode(data)
    except CodecError as error:
        raise make_corrupted_error(folder, f"a row does not decode: {error}") from None
