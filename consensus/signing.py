"""The signer that never says two things at one place, and its last-signed record.

A place is (height, view, step), and steps are ordered as they happen in a view:
VIEW-CHANGE into it, PREPARE, COMMIT. Going only forward gives rule R1 by itself:
after VIEW-CHANGE(h, v') there is no way to vote at h below v'. The record lives
apart from the data folder, so that restoring an old copy of the data does not make
the validator vote twice. Never used: any clock, any file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from consensus.effects import Signer
from consensus.errors import SignerRefusedError
from primitives import limits
from primitives.codec import Bytes, Struct, Uint
from primitives.hashing import ZERO_HASH, Address, Hash, Tag, compute_hash


class Step(IntEnum):
    """The order of our signed steps inside one view."""

    VIEW_CHANGE = 0
    PREPARE = 1
    COMMIT = 2


@dataclass(frozen=True, slots=True)
class LastSigned:
    """The furthest place signed, what was signed there, and the signature."""

    height: int
    view: int
    step: int
    digest: Hash
    signature: bytes

    @property
    def place(self) -> tuple[int, int, int]:
        """Where in the order of signing."""
        return (self.height, self.view, self.step)


LAST_SIGNED = Struct(
    LastSigned,
    256,
    height=Uint(),
    view=Uint(32),
    step=Uint(8),
    digest=Bytes(limits.HASH_BYTES),
    signature=Bytes(limits.SIGNATURE_BYTES),
)

NOTHING_SIGNED = LastSigned(0, 0, 0, ZERO_HASH, bytes(limits.SIGNATURE_BYTES))
INITIAL_LAST_SIGNED = LAST_SIGNED.encode(NOTHING_SIGNED)
"""What `init` writes beside a new key. A missing record means a lost one."""


def compute_digest(message: bytes) -> Hash:
    """Return what the record keeps of a signed message."""
    return compute_hash(Tag.MESSAGE, message)


class SignerGuard:
    """Wraps a ``Signer``; owns the last-signed place."""

    def __init__(self, signer: Signer, last: LastSigned) -> None:
        self._signer = signer
        self._last = last

    @property
    def public_key(self) -> Address:
        """The key that verifies our signatures."""
        return self._signer.public_key

    @property
    def last(self) -> LastSigned:
        """The furthest signed place."""
        return self._last

    def sign(self, height: int, view: int, step: Step, message: bytes) -> bytes:
        """Return the signature over ``message`` for that place.

        The same message at the last place gives the same signature again. Raises
        SignerRefusedError for a place before the last one or another message there.
        """
        place, digest = (height, view, int(step)), compute_digest(message)
        if place == self._last.place and digest == self._last.digest:
            return self._last.signature
        if place <= self._last.place:
            raise SignerRefusedError("already signed", asked=place, last=self._last.place)
        signature = self._signer.sign(message)
        self._last = LastSigned(height, view, int(step), digest, signature)
        return signature
