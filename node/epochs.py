"""The epochs that a node knows from its own chain: who validated, by which parameters."""

from __future__ import annotations

from primitives.epochs import EPOCH_END, TrustedEpoch, compute_epoch_last
from primitives.genesis import Genesis
from primitives.params import compute_epoch
from storage.chain import ChainStore

WINDOW_BLOCKS_MAX = 1_000_000
"""The largest transaction window that any chain may have (primitives/params.py)."""


def read_known_epochs(chain: ChainStore, genesis: Genesis, height: int) -> list[TrustedEpoch]:
    """Return the epochs up to that of ``height``, in order, as far back as a transaction
    window may reach; fewer where the chain here does not know them. Reads the disk."""
    epoch_blocks = genesis.params.epoch_blocks
    known: list[TrustedEpoch] = []
    for epoch in range(compute_epoch(height, epoch_blocks), -1, -1):
        if compute_epoch_last(epoch, epoch_blocks) < height - WINDOW_BLOCKS_MAX:
            break
        if epoch == 0:
            known.append(TrustedEpoch.from_genesis(genesis))
            break
        encoded = chain.get_epoch_end(epoch - 1)
        if encoded is None:
            break
        end = EPOCH_END.decode(encoded)
        known.append(TrustedEpoch(epoch, end.validators, end.params))
    return known[::-1]
