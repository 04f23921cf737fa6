"""Batches: the header that the contract ``devices`` takes, and whether readings stand behind it.

``make_batch`` applies the contract's rules that can be known here (order, sequence, shares of
estimates), so that what is refused is refused before it is signed. ``find_differences`` holds raw
readings against a header on the chain: the one way to notice a reading that was changed later.
Pure: no I/O, no clock. Source: vm/contracts/devices.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from primitives.codec import Value
from primitives.keys import PrivateKey, verify
from primitives.merkle import compute_root
from tools.gateway.readings import Reading, ReadingError, SignedReading, is_signed_by

READINGS_MAX = 100_000
ESTIMATED_PERCENT_MAX = 25
"""These two are the contract's."""


@dataclass(frozen=True, slots=True)
class Header:
    """Field by field what the contract's record ``Header`` holds."""

    device: str
    first: int
    last: int
    time_from: int
    time_to: int
    total: int
    peak: int
    estimated_count: int
    estimated_total: int
    root: bytes
    previous: bytes
    signature: bytes = b""

    @property
    def message(self) -> bytes:
        """The text that the device signs."""
        numbers = (
            self.first, self.last, self.time_from, self.time_to,
            self.total, self.peak, self.estimated_count, self.estimated_total,
        )  # fmt: skip
        parts = ["carbonode-batch-v1", self.device, *map(str, numbers)]
        return "|".join([*parts, self.root.hex(), self.previous.hex()]).encode()

    @property
    def hash(self) -> bytes:
        """What the device's next batch names as ``previous``."""
        return hashlib.sha256(self.message).digest()

    @property
    def wire(self) -> list[Value]:
        """The record as a contract takes it."""
        return [
            self.device, self.first, self.last, self.time_from, self.time_to, self.total,
            self.peak, self.estimated_count, self.estimated_total, self.root, self.previous,
            self.signature,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Position:
    """Where a device's chain of batches stands: the contract's record ``Head``."""

    last: int
    time_to: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """A header with the readings behind it."""

    header: Header
    readings: tuple[SignedReading, ...]

    @property
    def position(self) -> Position:
        """Where the next batch of the device goes on."""
        return Position(self.header.last, self.header.time_to, self.header.hash)

    @property
    def leaves(self) -> list[bytes]:
        """The leaves under the header's root, in the order of the readings."""
        return [signed.leaf for signed in self.readings]


def make_batch(key: PrivateKey, after: Position, readings: Sequence[SignedReading]) -> Batch:
    """Return the readings as one batch that goes on at ``after``, its header signed by ``key``.

    Raises ReadingError for what the contract would refuse of any device.
    """
    _check_run(after, [signed.reading for signed in readings])
    for signed in readings:
        if not is_signed_by(key.public_key, signed):
            raise ReadingError(
                "a reading is not signed by this device", sequence=signed.reading.sequence
            )
    unsigned = _make_header(after.hash, readings)
    return Batch(replace(unsigned, signature=key.sign(unsigned.message)), tuple(readings))


def find_differences(header: Header, key: bytes, readings: Sequence[SignedReading]) -> list[str]:
    """Return what does not fit, one sentence each, between a header and raw readings."""
    found = []
    for signed in readings:
        if not is_signed_by(key, signed):
            found.append(f"reading {signed.reading.sequence}: not signed by the device")
    if not readings:
        return ["no readings"]
    if compute_root([signed.leaf for signed in readings]) != header.root:
        found.append("the readings have another Merkle root")
    if header.signature and not verify(key, header.message, header.signature):
        found.append("the header is not signed by the device")
    again = _make_header(header.previous, readings)
    for name in (field.name for field in fields(Header)):
        if name not in {"root", "signature"} and getattr(again, name) != getattr(header, name):
            found.append(
                f"{name}: {getattr(header, name)} on the chain, the readings give "
                f"{getattr(again, name)}"
            )
    return found


def _make_header(previous: bytes, readings: Sequence[SignedReading]) -> Header:
    plain = [signed.reading for signed in readings]
    estimated = [reading.amount for reading in plain if reading.is_estimated]
    return Header(
        device=plain[0].device,
        first=plain[0].sequence,
        last=plain[-1].sequence,
        time_from=plain[0].time_from,
        time_to=plain[-1].time_to,
        total=sum(reading.amount for reading in plain),
        peak=max(reading.rate for reading in plain),
        estimated_count=len(estimated),
        estimated_total=sum(estimated),
        root=compute_root([signed.leaf for signed in readings]),
        previous=previous,
    )


def _check_run(after: Position, readings: Sequence[Reading]) -> None:
    if not 1 <= len(readings) <= READINGS_MAX:
        raise ReadingError("a batch has 1 to 100000 readings", readings=len(readings))
    sequence, time = after.last, after.time_to
    for reading in readings:
        if reading.device != readings[0].device:
            raise ReadingError("a batch is of one device", device=reading.device)
        if reading.sequence != sequence + 1:
            raise ReadingError(
                "the sequence has a gap or a repeat",
                expected=sequence + 1,
                found=reading.sequence,
            )
        if reading.time_from < time:
            raise ReadingError("time goes back", sequence=reading.sequence)
        sequence, time = reading.sequence, reading.time_to
    estimated = sum(reading.is_estimated for reading in readings)
    if estimated * 100 > len(readings) * ESTIMATED_PERCENT_MAX:
        raise ReadingError("too many estimates", estimated=estimated, readings=len(readings))
