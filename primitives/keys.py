"""Ed25519 keys and signatures by libsodium's rule.

Libraries disagree on adversarial signatures (cofactor, small order,
non-canonical points), so one rule is part of the protocol version: libsodium's
(cofactorless, S < L, small-order A and R refused, canonical A). Sources: RFC 8032;
Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020), whose vectors are
in tests/vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from nacl import bindings
from nacl.exceptions import CryptoError

from primitives.errors import KeyFormatError
from primitives.hashing import Address
from primitives.limits import ADDRESS_BYTES, SIGNATURE_BYTES

SEED_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """An Ed25519 signing key. ``repr`` never shows the secret."""

    seed: bytes
    public_key: Address
    _expanded: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateKey:
        """Return the key of a 32-byte seed (RFC 8032 5.1.5)."""
        if len(seed) != SEED_BYTES:
            raise KeyFormatError("a seed has 32 bytes", size=len(seed))
        public_key, expanded = bindings.crypto_sign_seed_keypair(seed)
        return cls(bytes(seed), Address(public_key), expanded)

    @classmethod
    def from_hex(cls, text: str) -> PrivateKey:
        """Return the key of a seed in hex, with or without ``0x``."""
        try:
            seed = bytes.fromhex(text.strip().removeprefix("0x"))
        except ValueError:
            raise KeyFormatError("a seed is 64 hex digits") from None
        return cls.from_seed(seed)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over ``message``."""
        return bytes(bindings.crypto_sign(message, self._expanded)[:SIGNATURE_BYTES])

    def __repr__(self) -> str:
        return f"PrivateKey(public_key={self.public_key.hex()})"


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether libsodium accepts ``signature`` over ``message`` for ``public_key``.

    Never raises for bytes of any length or content. About 100 us; releases the GIL.
    """
    if len(public_key) != ADDRESS_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except CryptoError:
        return False
    return True
