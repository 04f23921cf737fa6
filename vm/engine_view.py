"""What the engine reads from state: accounts, allowances, parameters, validators, leaders.

The executor reads a block's overlay with these functions, the mempool and the RPC the
committed state: one set of functions, so that admission and execution cannot disagree.
Keys and value forms are those of the contract ``governance`` (vm/contracts) and of
docs/ARCHITECTURE.md, "State keys". Never writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from primitives.codec import unpack
from primitives.errors import CarbonodeError, GenesisError
from primitives.hashing import Address, compute_contract_address
from primitives.leaders import LEADERS, NO_MISSES, Leaders
from primitives.params import CHAIN_PARAMS, ChainParams, check_params
from primitives.validators import VALIDATOR_SET, Validator, ValidatorSet
from vm.state import CONTRACT_ENTRY, ContractEntry, StateReader, compute_code_key, compute_entry_key

GOVERNANCE: Final = "governance"
AUTHORITY: Final = compute_contract_address(GOVERNANCE)
"""Sends the calls of genesis and of the engine; nobody has a key for it."""
ACCOUNT_PREFIX: Final = b"governance\0accounts\0"
ALLOWANCE_PREFIX: Final = b"governance\0allowances\0"
DEPLOYER_PREFIX: Final = b"governance\0deployers\0"
OBSERVER_PREFIX: Final = b"governance\0observers\0"
CANDIDATE_PREFIX: Final = b"governance\0candidates\0"
CERTIFICATE_PREFIX: Final = b"governance\0certificates\0"
STRUCK_OFF_PREFIX: Final = b"governance\0struck_off\0"
EVIDENCE_PREFIX: Final = b"governance\0evidence_rows\0"
EVIDENCE_CURSOR_BYTES: Final = 32
"""The key of a row is its number as the VM writes integers."""
REGISTRY_VERSION_KEY: Final = b"governance\0registry_version\0"
UPGRADE_PREFIX: Final = b"governance\0upgrades\0"
FREEZE_PREFIX: Final = b"governance\0freezes\0"
NEXT_PARAMS_KEY: Final = b"governance\0params\0"
NEXT_VALIDATORS_KEY: Final = b"governance\0validators\0"

PARAMS_KEY: Final = b"\0params"
"""The parameters in force."""
VALIDATORS_KEY: Final = b"\0validators"
"""The validator set in force."""
LEADERS_KEY: Final = b"\0leaders"
"""Validators that let views pass (primitives/leaders.py); absent while there are none."""
_GAS_PREFIX: Final = b"\0gas\0"
_SCAN_ROWS: Final = 200
"""Observers that governance allows at most."""
_CERTIFICATES_MAX: Final = 500
"""Validators, candidates and observers that governance allows at most."""


@dataclass(frozen=True, slots=True)
class Observer:
    """A node that may connect without being a validator."""

    name: str
    public_key: Address


@dataclass(frozen=True, slots=True)
class RecordedEvidence:
    """What governance keeps of a proof of equivocation; ``proposal`` 0: none was opened."""

    validator: Address
    name: str
    epoch: int
    height: int
    kind: str
    digest: bytes
    recorded_s: int
    proposal: int


@dataclass(frozen=True, slots=True)
class Upgrade:
    """New code that the members decided on; it may be activated from ``active_from_s`` on."""

    version: int
    code_hash: bytes
    delay_s: int
    active_from_s: int
    proposal: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """Why a contract is stopped; ``proposal`` 0: one administrator did it, in an emergency."""

    reason: str
    account: Address
    since_s: int
    until_s: int
    proposal: int


def compute_account_key(account: bytes) -> bytes:
    """Return the state key under which governance keeps the account's organisation."""
    return ACCOUNT_PREFIX + account


def compute_gas_key(organisation: str, epoch: int) -> bytes:
    """Return the state key of the gas that ``organisation`` used in ``epoch``."""
    return _GAS_PREFIX + organisation.encode() + b"\0" + epoch.to_bytes(8, "big")


def get_account(reader: StateReader, account: bytes) -> str | None:
    """Return the organisation that ``account`` speaks for, None when it is no member's."""
    value = reader.get(ACCOUNT_PREFIX + account)
    return None if value is None else _unpack_text(value)


def get_allowance(reader: StateReader, organisation: str, params: ChainParams) -> int:
    """Return the gas that ``organisation`` may use in one epoch."""
    value = reader.get(ALLOWANCE_PREFIX + organisation.encode() + b"\0")
    return params.gas_allowance if value is None else int(unpack(value))


def get_gas_used(reader: StateReader, organisation: str, epoch: int) -> int:
    """Return the gas that ``organisation`` has used in ``epoch`` so far."""
    value = reader.get(compute_gas_key(organisation, epoch))
    return 0 if value is None else int(unpack(value))


def get_gas_left(reader: StateReader, organisation: str, epoch: int, params: ChainParams) -> int:
    """Return what is left of the organisation's allowance; never below 0."""
    used = get_gas_used(reader, organisation, epoch)
    return max(get_allowance(reader, organisation, params) - used, 0)


def is_deployer(reader: StateReader, account: bytes) -> bool:
    """Whether governance lets ``account`` deploy contracts."""
    value = reader.get(DEPLOYER_PREFIX + account)
    return value is not None and unpack(value) is True


def list_observers(reader: StateReader) -> list[Observer]:
    """Return the nodes that may connect without being validators, in order of their keys."""
    rows = reader.scan(OBSERVER_PREFIX, None, _SCAN_ROWS)
    return [
        Observer(_unpack_text(value), Address(key[len(OBSERVER_PREFIX) :])) for key, value in rows
    ]


def get_registry_version(reader: StateReader) -> int:
    """Return a number that grows whenever governance's registry of nodes changes."""
    value = reader.get(REGISTRY_VERSION_KEY)
    return 0 if value is None else int(unpack(value))


def is_struck_off(reader: StateReader, key: bytes) -> bool:
    """Whether governance struck a node off the registry: nobody links with it any more."""
    value = reader.get(STRUCK_OFF_PREFIX + key)
    return value is not None and unpack(value) is True


def list_certificates(reader: StateReader) -> list[tuple[Address, bytes]]:
    """Return the TLS certificates that governance published, by key; none was checked."""
    rows = reader.scan(CERTIFICATE_PREFIX, None, _CERTIFICATES_MAX)
    found = [(Address(key[len(CERTIFICATE_PREFIX) :]), unpack(value)) for key, value in rows]
    return [(key, value) for key, value in found if isinstance(value, bytes)]


def list_candidates(reader: StateReader) -> list[tuple[Address, str]]:
    """Return (key, name) of the nodes that may become validators, those that are included."""
    rows = reader.scan(CANDIDATE_PREFIX, None, _SCAN_ROWS)
    return [(Address(key[len(CANDIDATE_PREFIX) :]), _unpack_text(value)) for key, value in rows]


def list_evidence(
    reader: StateReader, after: bytes | None, limit: int
) -> list[tuple[bytes, RecordedEvidence]]:
    """Return at most ``limit`` recorded proofs, oldest first, each with its cursor."""
    start = None if after is None else EVIDENCE_PREFIX + after
    rows = reader.scan(EVIDENCE_PREFIX, start, limit)
    return [(key[len(EVIDENCE_PREFIX) :], RecordedEvidence(*unpack(value))) for key, value in rows]


def get_node_name(reader: StateReader, key: bytes) -> str:
    """Return the name of a candidate or observer, empty for any other node."""
    for prefix in (CANDIDATE_PREFIX, OBSERVER_PREFIX):
        value = reader.get(prefix + key)
        if value is not None:
            return _unpack_text(value)
    return ""


def get_params(reader: StateReader) -> ChainParams | None:
    """Return the parameters in force, None before genesis."""
    value = reader.get(PARAMS_KEY)
    return None if value is None else CHAIN_PARAMS.decode(value)


def get_validators(reader: StateReader) -> ValidatorSet | None:
    """Return the validator set in force, None before genesis."""
    value = reader.get(VALIDATORS_KEY)
    return None if value is None else VALIDATOR_SET.decode(value)


def get_leaders(reader: StateReader) -> Leaders:
    """Return who is passed over as leader at the next height."""
    value = reader.get(LEADERS_KEY)
    return NO_MISSES if value is None else LEADERS.decode(value)


def get_next_params(reader: StateReader, current: ChainParams) -> ChainParams:
    """Return what governance decided last, or ``current`` where that cannot be used.

    Governance checks the same ranges; checking again here means that no contract, however
    wrong, can make the engine raise. An epoch's length never changes. The depth of the
    state tree is the engine's (vm/depth.py): what governance says of it, the genesis's for
    ever, is left aside.
    """
    value = reader.get(NEXT_PARAMS_KEY)
    if value is None:
        return current
    wire: Any = unpack(value)
    try:
        decided = replace(ChainParams(*wire), state_levels=current.state_levels)
        check_params(decided)
    except (TypeError, GenesisError):
        return current
    return decided if decided.epoch_blocks == current.epoch_blocks else current


def get_next_validators(reader: StateReader, current: ValidatorSet) -> ValidatorSet:
    """Return the set that governance decided last, or ``current`` when it decided none."""
    value = reader.get(NEXT_VALIDATORS_KEY)
    if value is None:
        return current
    wire: Any = unpack(value)
    try:
        members = tuple(Validator(str(name), Address(bytes(key))) for name, key in wire)
        decided = ValidatorSet(members)
        VALIDATOR_SET.decode(VALIDATOR_SET.encode(decided))
    except (TypeError, ValueError, CarbonodeError):
        return current
    return decided


def get_contract(reader: StateReader, name: str) -> ContractEntry | None:
    """Return the entry of the contract ``name``, None when there is none."""
    value = reader.get(compute_entry_key(name))
    return None if value is None else CONTRACT_ENTRY.decode(value)


def get_upgrade(reader: StateReader, name: str, version: int) -> Upgrade | None:
    """Return what was decided to become ``version`` of a contract, None when nothing was."""
    value = reader.get(UPGRADE_PREFIX + name.encode() + b"\0")
    found = None if value is None else Upgrade(*unpack(value))
    return found if found is not None and found.version == version else None


def get_freeze(reader: StateReader, name: str, time_s: int) -> Freeze | None:
    """Return why the contract ``name`` is stopped at ``time_s``, None when it is not."""
    value = reader.get(FREEZE_PREFIX + name.encode() + b"\0")
    found = None if value is None else Freeze(*unpack(value))
    return found if found is not None and found.until_s > time_s else None


def get_source(reader: StateReader, code_hash: bytes) -> str | None:
    """Return the source whose hash is ``code_hash``."""
    value = reader.get(compute_code_key(code_hash))
    return None if value is None else value.decode("ascii")


def _unpack_text(value: bytes) -> str:
    text = unpack(value)
    return text if isinstance(text, str) else ""
