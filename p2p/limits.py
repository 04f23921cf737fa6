"""Bounds of the network, each with its unit and its reason. Frozen configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """Defaults fit a network of up to 100 validators over the open internet."""
