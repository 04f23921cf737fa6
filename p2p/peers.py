"""Who may talk to us, how each of them fares, and for how long we turn one away.

Pure: time comes in as ``now`` (seconds of a monotonic clock). Bans are graded by
offence, grow with repetition, end by themselves and are never permanent: one bad
frame must not cut a validator off.

Source: DESIGN.md, P2P; the grades are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from p2p.errors import PeerAddressError
from primitives.hashing import Address

_ERROR_CHARACTERS_MAX: Final = 300


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
    lane_bytes: tuple[int, int, int]
    """The same for each lane of its link, in their order (``frames.Lane``)."""
    dropped_frames: int
    """Frames we did not send (full queue) or did not take (rate limit)."""
    connects: int
    last_error: str | None
    banned_s: float | None
    """Seconds left of a ban."""
    bans: int


@dataclass(frozen=True, slots=True)
class BanPolicy:
    """Seconds of a first ban by class, how repetition counts, and the ceilings."""

    bad_signature_s: float = 600.0
    protocol_s: float = 60.0
    timeout_s: float = 2.0
    ban_max_s: float = 3_600.0
    validator_ban_max_s: float = 60.0
    """A validator that is away too long costs everyone its vote."""
    forget_s: float = 3_600.0
    """Without an offence for so long, the record is clean."""

    def get_base_s(self, offence: Offence) -> float:
        """Return the seconds of a first ban; 0 means none."""
        if offence is Offence.BAD_SIGNATURE:
            return self.bad_signature_s
        if offence is Offence.PROTOCOL:
            return self.protocol_s
        return self.timeout_s if offence is Offence.TIMEOUT else 0.0


class Peer:
    """What we know about one registered node. Owned by the table."""

    __slots__ = (
        "address",
        "attempt",
        "banned_until",
        "bans",
        "bytes_in",
        "bytes_out",
        "connects",
        "dial_at",
        "dialling",
        "dropped_frames",
        "last_error",
        "offended_at",
        "strikes",
    )

    def __init__(self, address: PeerAddress, now: float) -> None:
        self.address = address
        self.attempt = 0
        self.dial_at = now
        self.dialling = False
        self.banned_until = now
        self.bans = 0
        self.strikes = 0
        self.offended_at = now
        self.last_error: str | None = None
        self.connects = 0
        # Totals of links that are closed; the live link counts its own.
        self.bytes_in = 0
        self.bytes_out = 0
        self.dropped_frames = 0

    def is_banned(self, now: float) -> bool:
        """Whether we turn this peer away at present."""
        return now < self.banned_until

    def get_state(self, now: float) -> str:
        """Return the state of a peer without a link, in the words of ``PeerInfo``."""
        if self.is_banned(now):
            return "banned"
        if self.dialling:
            return "dialling"
        return "waiting" if self.address.host else "idle"


class PeerTable:
    """The registry of nodes with their records. Only members are ever in it."""

    def __init__(self, own: Address, peers_max: int, policy: BanPolicy) -> None:
        self._own = own
        self._max = peers_max
        self._policy = policy
        self._peers: dict[Address, Peer] = {}
        self._by_certificate: dict[bytes, Address] = {}

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def get(self, key: Address) -> Peer | None:
        """Return the record of a member."""
        return self._peers.get(key)

    def get_key(self, certificate: bytes) -> Address | None:
        """Return whose certificate this is, None for a stranger's."""
        return self._by_certificate.get(certificate)

    @property
    def certificates(self) -> list[bytes]:
        """The trust store."""
        return list(self._by_certificate)

    def add(self, address: PeerAddress, now: float) -> Peer | None:
        """Enter a checked address, keeping an earlier record; None for our own key.

        Raises PeerAddressError when the table is full.
        """
        key = address.public_key
        if key == self._own:
            return None
        known = self._peers.get(key)
        if known is None:
            if len(self._peers) >= self._max:
                raise PeerAddressError("too many nodes", limit=self._max)
            known = self._peers[key] = Peer(address, now)
        else:
            self._by_certificate.pop(known.address.certificate, None)
            known.address = address
        self._by_certificate[address.certificate] = key
        return known

    def remove(self, key: Address) -> Peer | None:
        """Strike a node off; its record is forgotten."""
        peer = self._peers.pop(key, None)
        if peer is not None:
            self._by_certificate.pop(peer.address.certificate, None)
        return peer

    def note_offence(self, peer: Peer, offence: Offence, reason: str, now: float) -> float:
        """Record an offence; return the seconds of the ban it earns (0 = none).

        Each further offence doubles the ban up to the ceiling; none lasts for ever.
        """
        peer.last_error = f"{offence.value}: {reason}"[:_ERROR_CHARACTERS_MAX]
        base_s = self._policy.get_base_s(offence)
        if base_s <= 0:
            return 0.0
        if now - peer.offended_at > self._policy.forget_s:
            peer.strikes = 0
        ceiling = self._policy.ban_max_s
        if peer.address.is_validator:
            ceiling = self._policy.validator_ban_max_s
        ban_s = min(ceiling, base_s * (1 << min(peer.strikes, 30)))
        peer.strikes += 1
        peer.offended_at = now
        peer.bans += 1
        peer.banned_until = max(peer.banned_until, now + ban_s)
        return ban_s


def is_dialler_kept(own: Address, peer: Address, *, outbound: bool) -> bool:
    """Whether a link dialled in this direction is the one both sides keep.

    When both dial at once there are two links; the one dialled by the lower public
    key stays. Both sides work out the same answer without a word.
    """
    return (own < peer) == outbound
