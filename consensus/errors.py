"""Errors of the core: our bug, our disk or our operator; never a peer's message."""

from __future__ import annotations

from primitives.errors import CarbonodeError


class ConsensusError(CarbonodeError):
    """The core was driven against its contract, or its own records do not decode."""

    code = "consensus"


class SignerRefusedError(ConsensusError):
    """The signer was asked to go back, or to say a second thing at the same place."""

    code = "signer-refused"
