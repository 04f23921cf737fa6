"""The chain that the simulated nodes run: the carbon contracts and development members."""

from __future__ import annotations

from functools import cache

from p2p.tls import make_certificate
from primitives.certificate import Certificate, verify_certificate
from primitives.genesis import Genesis
from primitives.hashing import Hash
from primitives.keys import PrivateKey
from primitives.params import ChainParams, compute_epoch
from primitives.validators import Validator, ValidatorSet
from tools.genesis_files import build_development_genesis
from vm.genesis_builder import build_development_consortium, derive_development_key
from vm.machine import Machine
from vm.specialise import LINK_OPTIONS, LinkOptions

START_MS = 1_700_000_000_000
PARAMS = ChainParams(
    epoch_blocks=40,
    timeout_base_ms=500,
    timeout_max_ms=4_000,
    empty_block_interval_ms=1_500,
    batch_delay_ms=20,
    clock_drift_ms=1_000,
    transaction_window_blocks=100,
)
VERIFIER, REGISTRY, OWNER = "verifier", "registry", "project-owner"
HOLDERS = ("enterprise-a", "enterprise-b", OWNER)


@cache
def make_key(machine: int) -> PrivateKey:
    """Return a validator's key."""
    return derive_development_key(f"simulated validator {machine}")


@cache
def make_shown_certificate(machine: int) -> bytes:
    """Return a validator's TLS certificate."""
    return make_certificate(make_key(machine))


@cache
def make_genesis(validators: int) -> Genesis:
    """Return the genesis of a chain of so many validators."""
    members = tuple(
        Validator(f"v{number}", make_key(number).public_key) for number in range(validators)
    )
    return build_development_genesis(
        "simulated", START_MS, ValidatorSet(members), build_development_consortium(), PARAMS
    )


def make_machine(version: int, _options: LinkOptions = LINK_OPTIONS) -> Machine:
    """Return the machine that all nodes share: what it does depends on its arguments alone."""
    return _make_shared_machine(version)


@cache
def _make_shared_machine(version: int) -> Machine:
    return Machine(version)


def check_certificate(certificate: Certificate, chain_id: Hash, validators: ValidatorSet) -> None:
    """Raise ProofError unless a quorum signed it."""
    epoch = compute_epoch(certificate.height, PARAMS.epoch_blocks)
    verify_certificate(certificate, chain_id, epoch, validators)
