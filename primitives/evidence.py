"""Evidence of equivocation as a block carries it: two signed statements at one place.

Only the form; what proves something is decided by consensus/evidence.py, and what
follows from it by the contract ``governance``.
"""

from __future__ import annotations

from dataclasses import dataclass

from primitives import limits
from primitives.codec import Bytes, Struct, Uint
from primitives.hashing import Address

TWO_VOTES = 1
TWO_VIEW_CHANGES = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """``first`` and ``second`` are encoded votes or view changes, by ``kind``, ordered."""

    kind: int
    epoch: int
    height: int
    validator: Address
    first: bytes
    second: bytes


EVIDENCE = Struct(
    Evidence,
    limits.EVIDENCE_BYTES_MAX,
    kind=Uint(8),
    epoch=Uint(),
    height=Uint(),
    validator=Bytes(limits.ADDRESS_BYTES),
    first=Bytes(max=limits.EVIDENCE_BYTES_MAX),
    second=Bytes(max=limits.EVIDENCE_BYTES_MAX),
)
