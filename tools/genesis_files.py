"""Reads the carbon contracts, the methods and their manifests out of the installed package.

The one place that touches files on the way to a genesis; everything else is in
vm/genesis_builder.py. Never writes. Source: vm/contracts/README.md.
"""

from __future__ import annotations

from importlib import resources

from primitives.genesis import Genesis, GenesisContract
from primitives.params import ChainParams
from primitives.transaction import Call
from primitives.validators import ValidatorSet
from tools.methodologies.manifest import Manifest, parse_manifest
from vm.genesis_builder import (
    CONTRACT_NAMES,
    DevelopmentConsortium,
    build_genesis,
)
from vm.inclusion import compute_code_hash


def load_contracts() -> tuple[GenesisContract, ...]:
    """Return the carbon contracts, in the order in which a genesis deploys them."""
    folder = resources.files("vm").joinpath("contracts")
    return tuple(
        GenesisContract(name, folder.joinpath(f"{name}.py").read_text(encoding="ascii"))
        for name in CONTRACT_NAMES
    )


def load_methods() -> tuple[tuple[GenesisContract, Manifest], ...]:
    """Return the shipped methods, each with its manifest, by name."""
    folder = resources.files("vm").joinpath("contracts").joinpath("methods")
    names = sorted(
        item.name.removesuffix(".json") for item in folder.iterdir() if item.name.endswith(".json")
    )
    return tuple(
        (
            GenesisContract(name, folder.joinpath(f"{name}.py").read_text(encoding="ascii")),
            parse_manifest(folder.joinpath(f"{name}.json").read_text(encoding="utf-8")),
        )
        for name in names
    )


def make_methodology_calls() -> list[Call]:
    """Return the calls that publish, try and activate the shipped methods at genesis."""
    return [
        call
        for contract, manifest in load_methods()
        for call in manifest.make_genesis_calls(compute_code_hash(contract.source))
    ]


def build_development_genesis(
    chain_name: str,
    time_ms: int,
    validators: ValidatorSet,
    consortium: DevelopmentConsortium,
    params: ChainParams | None = None,
) -> Genesis:
    """Return the genesis of a local network, the shipped methodologies in force.

    Its keys are public: development only.
    """
    return build_genesis(
        chain_name,
        time_ms,
        validators,
        params or ChainParams(),
        consortium.members,
        consortium.administration,
        (*load_contracts(), *(contract for contract, _ in load_methods())),
        make_methodology_calls(),
    )
