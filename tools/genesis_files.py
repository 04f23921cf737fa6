"""Reads the carbon contracts' sources out of the installed package.

The one place that touches files on the way to a genesis; everything else is in
vm/genesis_builder.py. Never writes. Source: vm/contracts/README.md.
"""

from __future__ import annotations

from importlib import resources

from primitives.genesis import Genesis, GenesisContract
from primitives.params import ChainParams
from primitives.validators import ValidatorSet
from vm.genesis_builder import (
    CONTRACT_NAMES,
    DevelopmentConsortium,
    build_genesis,
)


def load_contracts() -> tuple[GenesisContract, ...]:
    """Return the carbon contracts, in the order in which a genesis deploys them."""
    folder = resources.files("vm").joinpath("contracts")
    return tuple(
        GenesisContract(name, folder.joinpath(f"{name}.py").read_text(encoding="ascii"))
        for name in CONTRACT_NAMES
    )


def build_development_genesis(
    chain_name: str,
    time_ms: int,
    validators: ValidatorSet,
    consortium: DevelopmentConsortium,
    params: ChainParams | None = None,
) -> Genesis:
    """Return the genesis of a local network. Its keys are public: development only."""
    return build_genesis(
        chain_name,
        time_ms,
        validators,
        params or ChainParams(),
        consortium.members,
        consortium.administration,
        load_contracts(),
    )
