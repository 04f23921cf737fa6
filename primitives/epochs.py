"""Who validates and by which rules, followed from one epoch to the next. Pure.

The last block of an epoch names the hashes of the next validator set and parameters in
its execution result, and the old set's quorum signs it. So a node that knows the
genesis alone, or one trusted epoch, can walk to any later epoch over one certified
block each; what it walks over may come from anyone. Source: docs/protocol.md, "Block".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primitives.block import (
    EXECUTION_RESULT,
    HEADER,
    ExecutionResult,
    Header,
    compute_execution_hash,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, Certificate, verify_certificate
from primitives.codec import Struct
from primitives.errors import ProofError
from primitives.genesis import Genesis
from primitives.hashing import Hash
from primitives.params import CHAIN_PARAMS, ChainParams, compute_epoch, compute_params_hash
from primitives.validators import VALIDATOR_SET, ValidatorSet

EPOCH_END_BYTES_MAX = 64 * 1024
"""A hundred validators: 26 KB of names and keys, 8 KB of signatures."""


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """The last block of an epoch without its transactions, and what follows it.

    ``validators`` and ``params`` are those of the next epoch; ``result`` names their
    hashes.
    """

    header: Header
    result: ExecutionResult
    certificate: Certificate
    validators: ValidatorSet
    params: ChainParams


EPOCH_END = Struct(
    EpochEnd,
    EPOCH_END_BYTES_MAX,
    header=HEADER,
    result=EXECUTION_RESULT,
    certificate=CERTIFICATE,
    validators=VALIDATOR_SET,
    params=CHAIN_PARAMS,
)


@dataclass(frozen=True, slots=True)
class TrustedEpoch:
    """What is in force in ``epoch``: the genesis's in epoch 0, or proven later."""

    epoch: int
    validators: ValidatorSet
    params: ChainParams

    @classmethod
    def from_genesis(cls, genesis: Genesis) -> TrustedEpoch:
        """Return epoch 0."""
        return cls(0, genesis.validators, genesis.params)


def compute_epoch_last(epoch: int, epoch_blocks: int) -> int:
    """Return the height of an epoch's last block."""
    return (epoch + 1) * epoch_blocks


def verify_certified(
    header: Header,
    result: ExecutionResult,
    certificate: Certificate,
    trusted: TrustedEpoch,
    chain_id: Hash,
) -> None:
    """Check that a quorum of ``trusted``'s validators signed this block and its result.

    Raises ProofError, naming what does not fit.
    """
    epoch = compute_epoch(header.height, trusted.params.epoch_blocks)
    _require("chain", header.chain_id, chain_id)
    _require("epoch", header.epoch, trusted.epoch)
    _require("epoch of the height", epoch, trusted.epoch)
    _require("validators", header.validators_hash, trusted.validators.hash)
    _require("parameters", header.params_hash, compute_params_hash(trusted.params))
    _require("height of the result", result.height, header.height)
    _require("certified height", certificate.height, header.height)
    _require("certified block", certificate.block_hash, compute_header_hash(header))
    _require("certified execution", certificate.exec_hash, compute_execution_hash(result))
    verify_certificate(certificate, chain_id, header.epoch, trusted.validators)


def verify_epoch_end(trusted: TrustedEpoch, end: EpochEnd, chain_id: Hash) -> TrustedEpoch:
    """Return the epoch after ``trusted``, as the last block of ``trusted`` proves it.

    Raises ProofError.
    """
    epoch_blocks = trusted.params.epoch_blocks
    last = compute_epoch_last(trusted.epoch, epoch_blocks)
    _require("last height of the epoch", end.header.height, last)
    verify_certified(end.header, end.result, end.certificate, trusted, chain_id)
    _require("next validators", end.validators.hash, end.result.next_validators_hash)
    _require("next parameters", compute_params_hash(end.params), end.result.next_params_hash)
    _require("length of an epoch", end.params.epoch_blocks, epoch_blocks)
    return TrustedEpoch(trusted.epoch + 1, end.validators, end.params)


def compute_window_first(height: int, known: Sequence[TrustedEpoch]) -> int:
    """Return the lowest height whose transactions could come again after ``height``.

    A transaction of height h was valid until h + window at most, with the window in force
    at h, which governance may have made smaller since. ``known`` are the epochs up to that
    of ``height``, in order; heights before the first of them are left out, but for the
    window that is in force in it.
    """
    first = height
    for place, item in enumerate(known):
        epoch_blocks = item.params.epoch_blocks
        begin = item.epoch * epoch_blocks + 1 if place else 1
        end = min(compute_epoch_last(item.epoch, epoch_blocks), height)
        reach = max(begin, height - item.params.transaction_window_blocks)
        if reach <= end:
            first = min(first, reach)
    return max(first, 1)


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ProofError(f"{what} does not fit", code="epoch-proof", found=found, want=expected)
