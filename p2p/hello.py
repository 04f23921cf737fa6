"""HELLO, the first frame of each side: who speaks which protocol for which chain.

The key was proved by TLS before; HELLO adds what TLS does not know. ``session`` is
random for each run of a node, so a peer that restarted is told from one that dials
twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from p2p.frames import PAYLOAD_BYTES_MAX, FrameKind
from primitives import limits
from primitives.codec import Boolean, Bytes, Struct, Text, Uint
from primitives.hashing import Hash

PROTOCOL_VERSION: Final = 1
SESSION_BYTES: Final = 8
ADDRESS_CHARACTERS_MAX: Final = 255
"""``host:port``; a DNS name has at most 253 characters."""


@dataclass(frozen=True, slots=True)
class Hello:
    """``height`` is a claim: it starts a sync, it never ends one."""

    protocol: int
    chain_id: Hash
    session: bytes
    height: int
    listen: str
    is_validator: bool


HELLO = Struct(
    Hello,
    PAYLOAD_BYTES_MAX[FrameKind.HELLO],
    protocol=Uint(16),
    chain_id=Bytes(limits.HASH_BYTES),
    session=Bytes(SESSION_BYTES),
    height=Uint(),
    listen=Text(ADDRESS_CHARACTERS_MAX),
    is_validator=Boolean(),
)
