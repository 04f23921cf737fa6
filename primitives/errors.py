"""The one root of every error that Carbonode raises on purpose.

An error carries a stable ``code`` (kebab-case, for programs), a sentence (for
people) and the offending values. A lying peer is an outcome, not an error; an
error means our bug, our disk, our operator, or bytes that do not decode.
"""

from __future__ import annotations


class CarbonodeError(Exception):
    """Root of the family.

    ``code`` is stable across releases; ``values`` are the offending values.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, **values: object) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.values_seen = values

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.values_seen.items())
        return f"{self.args[0]} ({shown})" if shown else str(self.args[0])


class CodecError(CarbonodeError):
    """Bytes that are not the canonical form of the expected value."""

    code = "codec"


class KeyFormatError(CarbonodeError):
    """A key file or key text that is not a usable Ed25519 key."""

    code = "key"


class ProofError(CarbonodeError):
    """A proof, signature or certificate that does not verify."""

    code = "proof"


class GenesisError(CarbonodeError):
    """A genesis document that is malformed or does not fit this chain."""

    code = "genesis"
