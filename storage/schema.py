"""The one table of what is stored where: prefix, key, value, meaning.

Keys are a contract with every existing data folder: golden vectors fail loudly on
change, and a change needs a new SCHEMA_VERSION. Heights are big-endian, so key order
is height order and a range of heights is one range of keys (pruning deletes it).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct as Layout

SCHEMA_VERSION = 2
"""Of the chain's store; a folder of another is refused."""
INDEX_SCHEMA_VERSION = 2
"""Of the indexes; a folder of another is made anew from the blocks."""


@dataclass(frozen=True, slots=True)
class Table:
    """One row of the schema. ``key`` and ``value`` describe the bytes after the prefix."""

    name: str
    prefix: bytes
    key: str
    value: str
    meaning: str


CHAIN_TABLES = (
    Table("meta", b"m", "text", "see META_*", "chain id, schema version, tip"),
    Table("headers", b"h", "height u64", "HEADER", "header of each height"),
    Table("blocks", b"b", "height u64", "BLOCK", "whole block, the bytes peers serve"),
    Table("certificates", b"c", "height u64", "CERTIFICATE", "the certificate we committed with"),
    Table("results", b"r", "height u64", "EXECUTION_RESULT", "what COMMITs signed"),
    Table("receipts", b"p", "height u64", "list of RECEIPT bytes", "leaves of receipts_root"),
    Table("events", b"e", "height u64", "list of EVENT bytes", "leaves of events_root"),
    Table("hashes", b"i", "block hash 32", "height u64", "height of a block id"),
    Table("transactions", b"t", "id 32", "height u64, index u32", "where a transaction is"),
    Table("ids", b"d", "height u64", "ids, 32 bytes each", "transaction ids of a height, in order"),
    Table("epochs", b"x", "epoch u64", "EPOCH_END", "certified end of each epoch; never pruned"),
    Table("state", b"s", "state key", "state value", "the state after the tip, in key order"),
    Table("tree", b"k", "depth u4, level u4, index u32", "bucket or 16 hashes", "state tree"),
)

INDEX_TABLES = (
    Table("meta", b"m", "text", "see META_*", "height and lowest height of these tables"),
    Table("outcomes", b"x", "place", "ENTRY", "id and outcome of a transaction"),
    Table("senders", b"a", "address 32, place", "empty", "transactions of a sender"),
    Table("contracts", b"c", "name, place", "empty", "transactions that call a contract"),
    Table("events", b"e", "contract, place", "EVENT", "events of a contract"),
    Table("named", b"n", "contract, event name, place", "transaction u32", "events of one name"),
    Table("accounts", b"o", "organisation, address 32", "empty", "keys that spoke for it, ever"),
    Table("lots", b"l", "batch, end u64", "LOT", "the lots after the index height"),
    Table("owned", b"w", "owner, batch, end u64", "empty", "the same by owner"),
    Table("steps", b"u", "batch, start u64, height u64, event u32", "STEP", "moves of lots"),
)
"""Keys begin with the byte of their generation, which META_INDEX_GENERATION names; the
other one is being built, or being removed. A place is height u64 and number u32."""

META_CHAIN_ID = b"mchain-id"
META_SCHEMA = b"mschema"
META_TIP = b"mtip"
META_LOWEST = b"mlowest"
"""Lowest height with a whole block; absent: 1."""
META_GROWTH = b"mgrowth"
"""How far the tree of the next depth is built (storage/treegrowth.py); absent: not begun."""
META_INDEX_GENERATION = b"mgeneration"
"""Which generation of the indexes answers; absent: the first."""
META_INDEX_HEIGHT = b"mindex-height"
META_INDEX_LOWEST = b"mindex-lowest"
"""Lowest height that the indexes know; absent: 1."""
META_INDEX_SEED = b"mindex-seed"
"""Height whose state gave the first lots and accounts; absent: there were none."""

STATE_PREFIX = b"s"
TREE_PREFIX = b"k"

_HEIGHT = Layout(">cQ")
_LOCATION = Layout(">QI")
_TREE = Layout(">cBI")
_U64 = Layout(">Q")


def make_height_key(prefix: bytes, height: int) -> bytes:
    """Return the key of ``height`` in a table by height (9 bytes)."""
    return _HEIGHT.pack(prefix, height)


def make_tree_key(depth: int, level: int, index: int) -> bytes:
    """Return the key of node ``index`` of ``level`` in the tree of ``depth``; level 0 is the
    root, level ``depth`` the buckets. Trees of two depths never share a row: the next one
    grows beside the one in force."""
    return _TREE.pack(TREE_PREFIX, depth << 4 | level, index)


def get_tree_depth(key: bytes) -> int:
    """Return the depth of the tree that a row of the table belongs to."""
    return key[1] >> 4


def encode_location(height: int, index: int) -> bytes:
    """Return where something is: height and number within the block (12 bytes)."""
    return _LOCATION.pack(height, index)


def decode_location(data: bytes) -> tuple[int, int]:
    """Return (height, index) of 12 bytes."""
    height, index = _LOCATION.unpack(data)
    return height, index


def encode_height(height: int) -> bytes:
    """Return 8 big-endian bytes."""
    return _U64.pack(height)


def decode_height(data: bytes) -> int:
    """Return the height of 8 big-endian bytes."""
    height: int = _U64.unpack(data)[0]
    return height


def make_name_part(name: str) -> bytes:
    """Return a name with its length in front, so that no name is a prefix of another."""
    encoded = name.encode("utf-8")
    return len(encoded).to_bytes(2, "big") + encoded
