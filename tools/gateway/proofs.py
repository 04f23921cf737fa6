"""Inclusion proofs: one raw reading under the Merkle root that the chain keeps.

The answer is a JSON document that anyone can check with the device's key and the header from the
chain (``devices.get_header``); neither the store nor its keeper is trusted. Source: RFC 6962.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from primitives.merkle import compute_proof, verify_proof
from tools.client.errors import BadAnswer
from tools.client.wire import from_hex, to_hex
from tools.gateway.batching import Header
from tools.gateway.readings import ReadingError, SignedReading, decode_leaf, is_signed_by
from tools.gateway.store import ReadingStore

PATH_MAX = 64


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A leaf, its place among ``size`` leaves, and its audit path. Not yet verified."""

    device: str
    last: int
    leaf: bytes
    index: int
    size: int
    path: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the proof as a JSON document; bytes are 0x hex."""
        return {
            "device": self.device,
            "last": self.last,
            "leaf": to_hex(self.leaf),
            "index": self.index,
            "size": self.size,
            "path": [to_hex(node) for node in self.path],
        }


def prove(store: ReadingStore, device: str, sequence: int) -> Inclusion:
    """Return the proof of one stored reading; raises ReadingError when it is not stored."""
    batch = store.find(device, sequence)
    leaves = batch.leaves
    index = sequence - batch.header.first
    path = compute_proof(leaves, index)
    return Inclusion(device, batch.header.last, leaves[index], index, len(leaves), tuple(path))


def parse_inclusion(document: Any) -> Inclusion:
    """Return the proof of a JSON document, else raise ReadingError."""
    try:
        path = tuple(from_hex(node, 32) for node in document["path"][: PATH_MAX + 1])
        numbers = [document[name] for name in ("last", "index", "size")]
        device, leaf = document["device"], from_hex(document["leaf"])
    except (BadAnswer, KeyError, TypeError, IndexError):
        raise ReadingError("not an inclusion proof") from None
    if len(path) > PATH_MAX or not isinstance(device, str):
        raise ReadingError("not an inclusion proof")
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ReadingError("not an inclusion proof")
    last, index, size = numbers
    return Inclusion(device, last, leaf, index, size, path)


def verify_inclusion(header: Header, key: bytes, proof: Inclusion) -> SignedReading:
    """Return the reading that the proof shows under ``header``, else raise ReadingError.

    ``header`` and ``key`` come from the chain. The place in the tree must be the reading's own
    sequence: else one reading could be shown for another.
    """
    size = header.last - header.first + 1
    signed = decode_leaf(proof.leaf)
    if (proof.device, proof.last, proof.size) != (header.device, header.last, size):
        raise ReadingError("the proof is of another batch", device=proof.device, last=proof.last)
    if not verify_proof(header.root, proof.leaf, proof.index, size, proof.path):
        raise ReadingError("the reading is not under the batch's root", index=proof.index)
    reading = signed.reading
    if reading.device != header.device or reading.sequence != header.first + proof.index:
        raise ReadingError("the leaf is of another reading", sequence=reading.sequence)
    if not is_signed_by(key, signed):
        raise ReadingError("the device did not sign the reading", sequence=reading.sequence)
    return signed
