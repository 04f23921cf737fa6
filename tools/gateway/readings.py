"""A reading: what a device measured between two moments, signed by the device's own key.

Integers only: the amount in the device's unit, time in whole seconds UTC. The bytes of a signed
reading are the leaf under the Merkle root of its batch, so that an inclusion proof also carries
the device's signature over this very reading. Pure: no I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from primitives.codec import pack, unpack
from primitives.errors import CarbonodeError, CodecError
from primitives.hashing import Tag
from primitives.keys import PrivateKey, verify
from primitives.limits import SIGNATURE_BYTES

SECONDS_PER_HOUR = 3600
_FIELDS = 7


class ReadingError(CarbonodeError):
    """A reading, or a run of readings, that no honest device makes."""

    code = "reading"


@dataclass(frozen=True, slots=True)
class Reading:
    """``amount`` units between two seconds UTC; ``is_estimated`` when no one measured it."""

    device: str
    sequence: int
    time_from: int
    time_to: int
    amount: int
    is_estimated: bool = False

    @property
    def rate(self) -> int:
        """Units an hour, rounded up."""
        return -(-self.amount * SECONDS_PER_HOUR // (self.time_to - self.time_from))


@dataclass(frozen=True, slots=True)
class SignedReading:
    """Made by ``sign_reading``, or read and not yet verified: see ``is_signed_by``."""

    reading: Reading
    signature: bytes

    @property
    def leaf(self) -> bytes:
        """What the batch's Merkle tree commits to."""
        return pack([*_list_fields(self.reading), self.signature])


def sign_reading(key: PrivateKey, reading: Reading) -> SignedReading:
    """Return the reading with its device's signature; raises ReadingError when it cannot be."""
    check_reading(reading)
    return SignedReading(reading, key.sign(_make_message(reading)))


def is_signed_by(key: bytes, signed: SignedReading) -> bool:
    """Whether the device with this public key signed the reading."""
    return verify(key, _make_message(signed.reading), signed.signature)


def check_reading(reading: Reading) -> None:
    """Raise ReadingError for numbers that no reading has."""
    if reading.sequence < 1 or not 0 <= reading.time_from < reading.time_to or reading.amount < 0:
        raise ReadingError(
            "a reading has a sequence from 1, a time that passes and an amount from 0",
            device=reading.device,
            sequence=reading.sequence,
        )


def decode_leaf(leaf: bytes) -> SignedReading:
    """Return the signed reading of a leaf's bytes, else raise ReadingError."""
    try:
        fields = unpack(leaf)
    except CodecError as error:
        raise ReadingError(f"not a reading: {error}") from None
    if not isinstance(fields, list) or len(fields) != _FIELDS:
        raise ReadingError("not a reading: wrong number of fields")
    kinds = [type(field) for field in fields]
    if kinds != [str, int, int, int, int, bool, bytes] or len(fields[6]) != SIGNATURE_BYTES:
        raise ReadingError("not a reading: wrong types")
    signed = SignedReading(Reading(*fields[:6]), fields[6])
    check_reading(signed.reading)
    return signed


def _make_message(reading: Reading) -> bytes:
    return Tag.READING.value + pack(_list_fields(reading))


def _list_fields(reading: Reading) -> list[object]:
    return [
        reading.device,
        reading.sequence,
        reading.time_from,
        reading.time_to,
        reading.amount,
        reading.is_estimated,
    ]
