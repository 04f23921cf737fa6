"""Parameters that a chain chooses for itself: genesis first, then governance.

They change only at the end of an epoch; every header names the hash of those in
force (``params_hash``), every execution result those of the next block.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from primitives import limits
from primitives.codec import Struct, Uint
from primitives.errors import GenesisError
from primitives.hashing import Hash, Tag, compute_hash

STATE_LEVELS_MAX = 6
"""The deepest state tree: a bucket of six levels is the first 24 bits of a key's hash."""
STATE_BUCKET_KEYS_MAX = 48
"""Mean keys of a bucket above which the tree gets one level more: three million keys at four
levels. Beyond it a proof is larger and a bucket dearer than with the level more."""
VERSION_MAX = 1_000
"""The highest version that governance may name; what a program can run is less."""


@dataclass(frozen=True, slots=True)
class ChainParams:
    """Every value is an integer; the name ends in its unit where it has one."""

    protocol_version: int = 1
    vm_version: int = 1
    epoch_blocks: int = 1_000
    """Membership and parameters change every so many blocks. Never changes itself."""
    block_transactions_max: int = 2_000
    block_bytes_max: int = 4 * 1024 * 1024
    block_gas_max: int = 60_000_000
    """Sum of the gas limits of a block's transactions: keeps execution under T0 / 4."""
    transaction_gas_max: int = 40_000_000
    """Highest gas limit of one transaction: enough to publish or upgrade any carbon contract."""
    transaction_window_blocks: int = 1_000
    """``valid_until`` may lie at most so far ahead: ids are remembered that long."""
    timeout_base_ms: int = 1_000
    timeout_max_ms: int = 30_000
    empty_block_interval_ms: int = 15_000
    batch_delay_ms: int = 50
    """Wait after the first waiting transaction before a block is proposed."""
    clock_drift_ms: int = 10_000
    """A fresh block's time may be ahead of ours by at most this."""
    gas_allowance: int = 1_000_000_000_000
    """Default gas that one organisation may use in an epoch."""
    state_levels: int = 4
    """16-ary levels above the buckets of the state tree: 16^4 = 65,536 buckets. Grows with
    the number of keys (vm/depth.py), never by a vote."""


CHAIN_PARAMS = Struct(ChainParams, 512, **{field.name: Uint() for field in fields(ChainParams)})

_RANGES: dict[str, tuple[int, int]] = {
    "protocol_version": (1, VERSION_MAX),
    "vm_version": (1, VERSION_MAX),
    "epoch_blocks": (1, 10_000_000),
    "block_transactions_max": (1, limits.BLOCK_TRANSACTIONS_MAX),
    "block_bytes_max": (limits.TRANSACTION_BYTES_MAX, limits.BLOCK_BYTES_MAX),
    "block_gas_max": (1_000_000, 10_000_000_000),
    "transaction_gas_max": (100_000, 10_000_000_000),
    "transaction_window_blocks": (1, 1_000_000),
    "timeout_base_ms": (50, 60_000),
    "timeout_max_ms": (50, 600_000),
    "empty_block_interval_ms": (0, 3_600_000),
    "batch_delay_ms": (0, 10_000),
    "clock_drift_ms": (0, 3_600_000),
    "gas_allowance": (0, 1 << 62),
    "state_levels": (1, STATE_LEVELS_MAX),
}


def check_params(params: ChainParams) -> None:
    """Raise GenesisError naming the first parameter outside its range."""
    for name, (low, high) in _RANGES.items():
        value = getattr(params, name)
        if type(value) is not int or not low <= value <= high:
            raise GenesisError("parameter out of range", parameter=name, value=value)
    if params.transaction_gas_max > params.block_gas_max:
        raise GenesisError("transaction_gas_max is above block_gas_max")
    if params.timeout_base_ms > params.timeout_max_ms:
        raise GenesisError("timeout_base_ms is above timeout_max_ms")


def compute_params_hash(params: ChainParams) -> Hash:
    """Return the hash that headers name."""
    return compute_hash(Tag.PARAMS, CHAIN_PARAMS.encode(params))


def compute_state_keys_max(levels: int) -> int:
    """Return the keys above which a state tree of ``levels`` gets one level more."""
    return STATE_BUCKET_KEYS_MAX << 4 * levels


def compute_epoch(height: int, epoch_blocks: int) -> int:
    """Return the epoch of ``height``: blocks 1..epoch_blocks are epoch 0, and so on."""
    return max(height - 1, 0) // epoch_blocks


def is_epoch_end(height: int, epoch_blocks: int) -> bool:
    """Whether changes gathered so far take effect after ``height``."""
    return height % epoch_blocks == 0
