"""The chain of a development network: its genesis, and every key that belongs to it.

Written once to the network's folder and read again when it is started again.
Validators' keys are always random, so no two networks share a chain id.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from primitives.genesis import Genesis, dump_genesis, load_genesis
from primitives.keys import PrivateKey
from primitives.params import ChainParams
from primitives.validators import Validator, ValidatorSet
from tools.client.keyfile import KEY_SUFFIX, generate_key, list_keys, read_key, write_key
from tools.genesis_files import build_development_genesis
from tools.localnet.homes import GENESIS_FILE, KEY_FILE, HomeError, write_text
from vm.genesis_builder import (
    Administration,
    DevelopmentConsortium,
    build_development_consortium,
)

PARTY_KEYS_FOLDER = "keys"


@dataclass(frozen=True, slots=True)
class DevelopmentChain:
    """``validator_keys`` are in the order of the genesis's validator set."""

    genesis: Genesis
    validator_keys: tuple[PrivateKey, ...]
    party_keys: Mapping[str, PrivateKey]


def open_chain(
    directory: Path,
    validators: int,
    params: ChainParams | None = None,
    *,
    enterprises: int = 0,
) -> DevelopmentChain:
    """Return the chain in ``directory``; makes and writes one when there is none."""
    path = directory / GENESIS_FILE
    if path.exists():
        return _read_chain(directory, load_genesis(path.read_text("utf-8")), validators)
    chain = build_chain(validators, params, enterprises=enterprises)
    for name, key in chain.party_keys.items():
        write_key(directory / PARTY_KEYS_FOLDER / (name + KEY_SUFFIX), key, overwrite=True)
    members = chain.genesis.validators.members
    for member, key in zip(members, chain.validator_keys, strict=True):
        write_key(directory / member.name / KEY_FILE, key, overwrite=True)
    # The genesis comes last: a folder with a genesis is whole.
    write_text(path, dump_genesis(chain.genesis))
    return chain


def build_chain(
    validators: int,
    params: ChainParams | None = None,
    *,
    enterprises: int = 0,
    is_public: bool = True,
) -> DevelopmentChain:
    """Return a new chain with the development consortium; writes nothing.

    ``is_public``: the parties' keys are those that anyone can derive, and keys may
    change at once (a local network). Else they are random and the delay is a day.
    ``enterprises`` adds that many plain parties, for load generators.
    """
    consortium = build_development_consortium(enterprises)
    if not is_public:
        consortium = _make_private(consortium)
    keys = tuple(generate_key() for _ in range(validators))
    members = tuple(
        Validator(f"validator-{number}", key.public_key) for number, key in enumerate(keys, 1)
    )
    genesis = build_development_genesis(
        "localnet" if is_public else "testnet",
        time.time_ns() // 1_000_000,
        ValidatorSet(members),
        consortium,
        params,
    )
    return DevelopmentChain(genesis, keys, consortium.keys)


def _make_private(consortium: DevelopmentConsortium) -> DevelopmentConsortium:
    """Return the same parties with random keys and a real chain's key delay."""
    keys = {name: generate_key() for name in consortium.keys}
    fresh = {old.public_key: keys[name].public_key for name, old in consortium.keys.items()}
    members = tuple(
        replace(member, keys=tuple(fresh[key] for key in member.keys))
        for member in consortium.members
    )
    old = consortium.administration
    administration = Administration(
        tuple(fresh[key] for key in old.administrators),
        old.threshold,
        tuple(fresh[key] for key in old.deployers),
    )
    return DevelopmentConsortium(members, administration, keys)


def _read_chain(directory: Path, genesis: Genesis, validators: int) -> DevelopmentChain:
    members = genesis.validators.members
    if len(members) != validators:
        raise HomeError(
            "the chain in this folder has another number of validators: use --fresh",
            there=len(members),
            asked=validators,
        )
    keys = tuple(read_key(directory / member.name / KEY_FILE) for member in members)
    for member, key in zip(members, keys, strict=True):
        if member.public_key != key.public_key:
            raise HomeError("a validator's key is not the genesis's", validator=member.name)
    parties = {path.stem: read_key(path) for path in list_keys(directory / PARTY_KEYS_FOLDER)}
    return DevelopmentChain(genesis, keys, parties)
