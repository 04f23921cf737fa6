"""Who may talk to us, how each of them fares, and for how long we turn one away.

Pure: time comes in as ``now`` (seconds of a monotonic clock). Bans are graded by
offence, grow with repetition, end by themselves and are never permanent: one bad
frame must not cut a validator off.

Source: DESIGN.md, P2P; the grades are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from primitives.hashing import Address


class Offence(Enum):
    """What a peer did, by class. The value is the stable name in logs and metrics."""

    BAD_SIGNATURE = "bad-signature"
    """Something that only a liar or a broken program sends."""
    PROTOCOL = "protocol"
    """A frame or message outside the protocol."""
    TIMEOUT = "timeout"
    """It stopped answering or reading."""
    OVERLOAD = "overload"
    """It sends more than we take; slowed down, never banned."""


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """An entry of the registry of nodes.

    ``certificate`` is the DER that ``tls.make_certificate`` derives from the node's
    key; ``host`` may be empty for a node that only dials us.
    """

    name: str
    public_key: Address
    host: str
    port: int
    certificate: bytes
    is_validator: bool = True


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """One peer as ``net_peers`` shows it. Times are seconds; None means never."""

    name: str
    public_key: Address
    address: str
    is_validator: bool
    state: str
    """``connected``, ``dialling``, ``waiting`` (back-off), ``banned`` or ``idle``."""
    direction: str | None
    """``outbound``, ``inbound`` or None."""
    height: int | None
    """As its HELLO claimed."""
    connected_s: float | None
    idle_s: float | None
    """Since the last byte from it."""
    round_trip_ms: float | None
    bytes_in: int
    bytes_out: int
    queued_bytes: int
    dropped_frames: int
    """Frames we did not send (full queue) or did not take (rate limit)."""
    connects: int
    last_error: str | None
    banned_s: float | None
    """Seconds left of a ban."""
    bans: int
