"""Execution in the simulated world: the result depends on the block and on all before it."""

from __future__ import annotations

import hashlib

from primitives.hashing import Hash


def compute_execution(block_hash: Hash, previous: Hash) -> Hash:
    """Return the simulated result of executing a block."""
    return Hash(hashlib.sha256(block_hash + previous).digest())
