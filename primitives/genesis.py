"""Genesis: what every member of a chain agreed on before its first block.

The chain id is the hash of the genesis, so a transaction or a vote signed for one
chain can never be replayed on another, whatever its name. The file is JSON for
people; the hash covers its canonical MessagePack.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from primitives import limits
from primitives.codec import Array, Bytes, Struct, Text, Uint
from primitives.errors import CodecError, GenesisError
from primitives.hashing import Address, Hash, Tag, compute_hash
from primitives.params import CHAIN_PARAMS, ChainParams, check_params
from primitives.transaction import CALL, Call
from primitives.validators import VALIDATOR_SET, Validator, ValidatorSet

GENESIS_VERSION = 1


@dataclass(frozen=True, slots=True)
class GenesisContract:
    """A contract that exists from the start: its name and its source."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class GenesisCall:
    """A call executed in order at height 0, as if sent by ``sender``."""

    sender: Address
    call: Call


@dataclass(frozen=True, slots=True)
class Genesis:
    """``chain_name`` is for people; ``time_ms`` is the time of block 0, Unix UTC."""

    version: int
    chain_name: str
    time_ms: int
    validators: ValidatorSet
    params: ChainParams
    contracts: tuple[GenesisContract, ...]
    calls: tuple[GenesisCall, ...]


_CONTRACT = Struct(
    GenesisContract,
    limits.GENESIS_BYTES_MAX,
    name=Text(limits.NAME_CHARACTERS_MAX, min=1),
    source=Text(limits.VALUE_TEXT_BYTES_MAX),
)
_GENESIS_CALL = Struct(
    GenesisCall,
    limits.GENESIS_BYTES_MAX,
    sender=Bytes(limits.ADDRESS_BYTES),
    call=CALL,
)

GENESIS = Struct(
    Genesis,
    limits.GENESIS_BYTES_MAX,
    version=Uint(16),
    chain_name=Text(limits.NAME_CHARACTERS_MAX, min=1),
    time_ms=Uint(),
    validators=VALIDATOR_SET,
    params=CHAIN_PARAMS,
    contracts=Array(_CONTRACT, 256),
    calls=Array(_GENESIS_CALL, 100_000),
)


def compute_chain_id(genesis: Genesis) -> Hash:
    """Return the chain id: the genesis's hash."""
    return compute_hash(Tag.GENESIS, GENESIS.encode(genesis))


def dump_genesis(genesis: Genesis) -> str:
    """Return the JSON document of ``genesis`` (bytes as ``0x`` hex)."""
    document = {
        "version": genesis.version,
        "chainName": genesis.chain_name,
        "timeMs": genesis.time_ms,
        "chainId": "0x" + compute_chain_id(genesis).hex(),
        "validators": [
            {"name": member.name, "publicKey": "0x" + member.public_key.hex()}
            for member in genesis.validators.members
        ],
        "params": asdict(genesis.params),
        "contracts": [asdict(contract) for contract in genesis.contracts],
        "calls": [
            {"sender": "0x" + item.sender.hex(), "call": "0x" + CALL.encode(item.call).hex()}
            for item in genesis.calls
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def load_genesis(text: str) -> Genesis:
    """Return the genesis of a JSON document.

    Raises GenesisError for a malformed document, an unknown or missing field, a
    parameter out of range, or a ``chainId`` that is not the hash of the rest.
    """
    try:
        genesis, claimed = _parse(json.loads(text))
    except (
        KeyError, TypeError, ValueError, AttributeError, RecursionError, CodecError
    ) as error:  # fmt: skip
        raise GenesisError(f"malformed genesis: {type(error).__name__}: {error}") from None
    check_params(genesis.params)
    actual = compute_chain_id(genesis)
    if claimed != actual:
        raise GenesisError(
            "chainId is not the hash of this genesis", claimed=claimed.hex(), actual=actual.hex()
        )
    return genesis


def _parse(document: dict[str, Any]) -> tuple[Genesis, bytes]:
    known = {
        "version", "chainName", "timeMs", "chainId", "validators", "params", "contracts", "calls"
    }  # fmt: skip
    if set(document) != known:
        raise GenesisError("fields", unexpected=sorted(set(document) ^ known))
    if document["version"] != GENESIS_VERSION:
        raise GenesisError("unknown version", version=document["version"])
    names = {field.name for field in fields(ChainParams)}
    if set(document["params"]) != names:
        raise GenesisError("params", unexpected=sorted(set(document["params"]) ^ names))
    genesis = Genesis(
        version=document["version"],
        chain_name=document["chainName"],
        time_ms=document["timeMs"],
        validators=ValidatorSet(
            tuple(
                Validator(item["name"], Address(_from_hex(item["publicKey"])))
                for item in document["validators"]
            )
        ),
        params=ChainParams(**document["params"]),
        contracts=tuple(
            GenesisContract(item["name"], item["source"]) for item in document["contracts"]
        ),
        calls=tuple(
            GenesisCall(Address(_from_hex(item["sender"])), CALL.decode(_from_hex(item["call"])))
            for item in document["calls"]
        ),
    )
    # One decoder decides what a genesis may hold, whichever way it came in.
    return GENESIS.decode(GENESIS.encode(genesis)), _from_hex(document["chainId"])


def _from_hex(text: str) -> bytes:
    if not text.startswith("0x"):
        raise GenesisError("bytes are written 0x...", text=text[:80])
    return bytes.fromhex(text[2:])
