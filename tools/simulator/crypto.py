"""Keys for simulated validators: a keyed hash, or real Ed25519.

The keyed hash is twenty times faster and as unforgeable between replicas: a secret is
known to its owner and to ``Registry.check`` alone, and the liars get only their own.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from primitives.hashing import Address
from primitives.keys import PrivateKey, verify


@dataclass(frozen=True, slots=True, repr=False)
class HashKey:
    """Signs by BLAKE2b under a secret; ``public_key`` names it in the registry."""

    public_key: Address
    _secret: bytes

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes that only the owner of the secret can make."""
        return hashlib.blake2b(message, key=self._secret).digest()


class Registry:
    """Makes keys and checks signatures of one simulated chain."""

    def __init__(self, *, real: bool) -> None:
        self._is_real = real
        self._secrets: dict[bytes, bytes] = {}

    def make_key(self, seed: bytes) -> HashKey | PrivateKey:
        """Return a key; ``seed`` has 32 bytes."""
        if self._is_real:
            return PrivateKey.from_seed(seed)
        secret = hashlib.blake2b(seed, person=b"secret").digest()
        public_key = Address(hashlib.blake2b(seed, digest_size=32, person=b"public").digest())
        self._secrets[public_key] = secret
        return HashKey(public_key, secret)

    def check(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the owner of ``public_key`` signed ``message``."""
        if self._is_real:
            return verify(public_key, message, signature)
        secret = self._secrets.get(public_key)
        if secret is None:
            return False
        expected = hashlib.blake2b(message, key=secret).digest()
        return hmac.compare_digest(expected, signature)
