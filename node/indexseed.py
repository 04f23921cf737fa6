"""Where the indexes begin: the keys and lots that one state holds.

Blocks say how they change; a node that joined by snapshot, or pruned, has not all blocks.
Keys and values are those of ``governance`` and ``units`` (vm/contracts).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from primitives.codec import unpack
from storage.indexes import Seed
from storage.stateview import StateView
from storage.unitrows import Lot
from vm.engine_view import ACCOUNT_PREFIX
from vm.keys import INT_BIAS, encode_int, encode_text

LOT_PREFIX: Final = b"units\0lots\0"
MOVE_PREFIX: Final = b"units\0moves\0"
JOIN_PREFIX: Final = b"units\0joins\0"
INT_BYTES: Final = 32
_SCAN_ROWS = 1_000


def make_seed(view: StateView) -> Seed:
    """Return the beginning of the indexes; read it while ``view`` is open."""
    return Seed(view.height, _iterate_accounts(view), _iterate_lots(view))


def make_serial_key(prefix: bytes, batch: str, *serials: int) -> bytes:
    """Return a state key of ``units`` under a batch and integers."""
    return prefix + encode_text(batch) + b"".join(map(encode_int, serials))


def decode_serial(data: bytes) -> int:
    """Return the integer of a key's part."""
    return int.from_bytes(data, "big") - INT_BIAS


def _iterate_accounts(view: StateView) -> Iterator[tuple[str, bytes]]:
    for key, value in _walk(view, ACCOUNT_PREFIX):
        organisation = unpack(value)
        if isinstance(organisation, str) and organisation:
            yield organisation, key[len(ACCOUNT_PREFIX) :]


def _iterate_lots(view: StateView) -> Iterator[tuple[str, int, Lot]]:
    for key, value in _walk(view, LOT_PREFIX):
        batch = key[len(LOT_PREFIX) : -INT_BYTES - 1].decode("utf-8")
        row: Any = unpack(value)
        start, owner, status = row[:3]
        yield batch, decode_serial(key[-INT_BYTES:]), Lot(start, owner, status)


def _walk(view: StateView, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    after: bytes | None = None
    while rows := view.scan(prefix, after, _SCAN_ROWS):
        yield from rows
        after = rows[-1][0]
