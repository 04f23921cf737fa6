"""Errors of the p2p package: our operator's or our own mistakes, never a peer's.

A peer that sends nonsense is an outcome (a closed link, a ban), see ``peers.Offence``.
"""

from __future__ import annotations

from primitives.errors import CarbonodeError


class NetworkError(CarbonodeError):
    """The network cannot do what its owner asked (no handler, unknown peer, no port)."""

    code = "network"


class FrameError(CarbonodeError):
    """We tried to send a frame that no peer would accept: a bug on our side."""

    code = "frame"


class PeerAddressError(CarbonodeError):
    """An entry of the registry of nodes that is malformed (key, certificate, port)."""

    code = "peer-address"
