"""Genesis documents: one hash, one form, and every misfit named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from primitives.errors import CarbonodeError, GenesisError
from primitives.genesis import (
    Genesis,
    GenesisCall,
    GenesisContract,
    compute_chain_id,
    dump_genesis,
    load_genesis,
)
from primitives.keys import PrivateKey
from primitives.params import (
    ChainParams,
    check_params,
    compute_epoch,
    compute_params_hash,
    is_epoch_end,
)
from primitives.transaction import Call
from primitives.validators import Validator, ValidatorSet

KEYS = [PrivateKey.from_seed(bytes([n + 1]) * 32) for n in range(4)]
GENESIS = Genesis(
    version=1,
    chain_name="测试 chain",
    time_ms=1_700_000_000_000,
    validators=ValidatorSet(tuple(Validator(f"v{n}", k.public_key) for n, k in enumerate(KEYS))),
    params=ChainParams(transaction_gas_max=20_000_000),
    contracts=(GenesisContract("identity", "x: int = 1\n"),),
    calls=(GenesisCall(KEYS[0].public_key, Call("identity", "register", ("Org", [1, None]))),),
)


def test_a_genesis_is_read_back_from_its_document() -> None:
    assert load_genesis(dump_genesis(GENESIS)) == GENESIS


def test_the_chain_id_is_golden() -> None:
    assert (
        compute_chain_id(GENESIS).hex()
        == "c6a86d4c59aa5a23fb24bc54864c8e3c0630ee3aa5c015a4031a9ab4af841dd6"
    )


CHANGES: list[Genesis] = [
    replace(GENESIS, chain_name="other"),
    replace(GENESIS, time_ms=GENESIS.time_ms + 1),
    replace(GENESIS, validators=ValidatorSet(GENESIS.validators.members[:3])),
    replace(GENESIS, params=replace(GENESIS.params, epoch_blocks=999)),
    replace(GENESIS, contracts=()),
    replace(GENESIS, calls=()),
]


def test_the_chain_id_covers_every_part() -> None:
    assert len({compute_chain_id(genesis) for genesis in [GENESIS, *CHANGES]}) == len(CHANGES) + 1


def set_path(*path: Any) -> Callable[[Any], None]:
    def spoil(document: Any) -> None:
        *inner, last, value = path
        for step in inner:
            document = document[step]
        document[last] = value

    return spoil


def drop(*path: Any) -> Callable[[Any], None]:
    def spoil(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return spoil


SPOILS: dict[str, Callable[[Any], None]] = {
    "unknown field": set_path("extra", 1),
    "missing field": drop("calls"),
    "missing chain id": drop("chainId"),
    "another chain id": set_path("chainId", "0x" + "00" * 32),
    "chain id without 0x": set_path("chainId", "00" * 32),
    "another version": set_path("version", 2),
    "version as text": set_path("version", "1"),
    "unknown parameter": set_path("params", "surprise", 1),
    "missing parameter": drop("params", "epoch_blocks"),
    "parameter out of range": set_path("params", "epoch_blocks", 0),
    "parameter as text": set_path("params", "epoch_blocks", "1000"),
    "parameter as bool": set_path("params", "epoch_blocks", True),
    "parameter as float": set_path("params", "epoch_blocks", 1000.0),
    "transaction gas above block gas": set_path("params", "transaction_gas_max", 10_000_000_000),
    "base time-out above the cap": set_path("params", "timeout_base_ms", 60_000),
    "no validators": set_path("validators", []),
    "validators as an object": set_path("validators", {}),
    "validator key cut": set_path("validators", 0, "publicKey", "0x11"),
    "validator key not hex": set_path("validators", 0, "publicKey", "0x" + "zz" * 32),
    "validator without a name": set_path("validators", 0, "name", ""),
    "validator without a key": drop("validators", 0, "publicKey"),
    "validator twice": lambda document: document["validators"].append(document["validators"][0]),
    "contract without source": drop("contracts", 0, "source"),
    "contract name too long": set_path("contracts", 0, "name", "n" * 65),
    "call not hex": set_path("calls", 0, "call", "0xq"),
    "call cut": set_path("calls", 0, "call", "0x93"),
    "call sender cut": set_path("calls", 0, "sender", "0x00"),
    "time negative": set_path("timeMs", -1),
    "name empty": set_path("chainName", ""),
    "name not text": set_path("chainName", 5),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_genesis_that_does_not_fit_is_refused(name: str) -> None:
    document = json.loads(dump_genesis(GENESIS))
    SPOILS[name](document)
    with pytest.raises(GenesisError) as refused:
        load_genesis(json.dumps(document))
    # Not merely because the hash is another one: the misfit itself is seen.
    assert ("not the hash" in str(refused.value)) is (name == "another chain id")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", '"x"', "{}", "[" * 100_000, "9" * 5_000]
)
def test_text_that_is_no_genesis_is_refused(text: str) -> None:
    with pytest.raises(GenesisError):
        load_genesis(text)


@pytest.mark.parametrize("field", [field.name for field in fields(ChainParams)])
def test_every_parameter_has_a_range_and_a_place_in_the_hash(field: str) -> None:
    params = ChainParams()
    check_params(params)
    with pytest.raises(GenesisError):
        check_params(replace(params, **{field: -1}))
    with pytest.raises(GenesisError):
        check_params(replace(params, **{field: 1 << 63}))
    other = replace(params, **{field: getattr(params, field) + 1})
    assert compute_params_hash(other) != compute_params_hash(params)


def test_epochs_count_from_the_first_block() -> None:
    assert [compute_epoch(height, 10) for height in (0, 1, 10, 11, 20, 21)] == [0, 0, 0, 1, 1, 2]
    assert [height for height in range(1, 31) if is_epoch_end(height, 10)] == [10, 20, 30]


def test_errors_show_their_code_and_the_offending_values() -> None:
    error = CarbonodeError("no good", code="some-code", size=3)
    assert (error.code, str(error)) == ("some-code", "no good (size=3)")
    assert CarbonodeError("plain").code == "error"
