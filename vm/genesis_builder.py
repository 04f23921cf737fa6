"""Builds a genesis: the carbon contracts, and the calls that set up the first members.

Pure: sources come in as values (tools/genesis_files.py reads them). Genesis calls are
sent by the address of the contract ``governance``, for which nobody has a key; every
contract takes its deployer as its authority, so what needs the authority happens at
genesis or by a passed proposal. Also a development consortium whose private keys are
derived from names: for local networks, scenarios and benchmarks, never for production.
Source: vm/contracts/README.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final

from primitives.codec import Value
from primitives.errors import GenesisError
from primitives.genesis import GENESIS_VERSION, Genesis, GenesisCall, GenesisContract
from primitives.hashing import Address, compute_contract_address
from primitives.keys import PrivateKey
from primitives.params import ChainParams, check_params
from primitives.transaction import Call
from primitives.validators import ValidatorSet
from vm.engine_view import AUTHORITY, GOVERNANCE

IDENTITY: Final = "identity"
UNITS: Final = "units"
RETIREMENT: Final = "retirement"
DEVICES: Final = "devices"
FACTORS: Final = "factors"
METHODOLOGY: Final = "methodology"
PROJECTS: Final = "projects"
PARCELS: Final = "parcels"
BUFFER: Final = "buffer"
MRV: Final = "mrv"
CASH: Final = "cash"
MARKET: Final = "market"
AUCTIONS: Final = "auctions"
QUOTES: Final = "quotes"
FINANCE: Final = "finance"
BASKETS: Final = "baskets"
TOKENS: Final = "tokens"
FUTURES: Final = "futures"
CLEARING: Final = "clearing"
DELIVERY: Final = "delivery"
SURVEILLANCE: Final = "surveillance"

CONTRACT_NAMES: Final = (
    GOVERNANCE,
    IDENTITY,
    UNITS,
    RETIREMENT,
    DEVICES,
    FACTORS,
    METHODOLOGY,
    PROJECTS,
    PARCELS,
    BUFFER,
    MRV,
    CASH,
    MARKET,
    AUCTIONS,
    QUOTES,
    FINANCE,
    BASKETS,
    TOKENS,
    FUTURES,
    CLEARING,
    DELIVERY,
    SURVEILLANCE,
)
"""The carbon contracts, in the order in which genesis deploys them."""

PAYERS: Final = (MARKET, AUCTIONS, QUOTES, FINANCE, CLEARING)
"""Contracts that hold and settle money in ``cash``."""

HOUSES: Final = (MARKET, AUCTIONS, QUOTES, FINANCE, BASKETS, TOKENS, DELIVERY)
"""Contracts that lock and deliver in ``units``, under names that it knows."""

RETIRERS: Final = (MARKET,)
"""Contracts that retire for its buyer what they delivered."""

KEY_DELAY_SECONDS_DEFAULT: Final = 24 * 3600
"""Between a change of keys and the next move of units, on a real chain."""

NOTICE_SECONDS_DEFAULT: Final = 30 * 24 * 3600
"""A project or a report stands this long in public notice, on a real chain."""

VALID_FOREVER: Final = (1 << 53) - 1
"""``valid_until`` of an accreditation without end; JSON still holds it as a number."""


@dataclass(frozen=True, slots=True)
class Accreditation:
    """A scope for which a member is accredited; seconds UTC, ``valid_until`` exclusive."""

    scope: str
    valid_from: int = 0
    valid_until: int = VALID_FOREVER


@dataclass(frozen=True, slots=True)
class Member:
    """An organisation of the first hour."""

    organisation: str
    name: str
    country: str
    roles: tuple[str, ...]
    keys: tuple[Address, ...]
    accreditations: tuple[Accreditation, ...] = ()


@dataclass(frozen=True, slots=True)
class Administration:
    """Who decides: administrators vote, ``threshold`` of them carry a proposal."""

    administrators: tuple[Address, ...]
    threshold: int
    deployers: tuple[Address, ...] = ()
    key_delay_seconds: int = KEY_DELAY_SECONDS_DEFAULT
    notice_seconds: int = NOTICE_SECONDS_DEFAULT


def build_genesis(
    chain_name: str,
    time_ms: int,
    validators: ValidatorSet,
    params: ChainParams,
    members: Sequence[Member],
    administration: Administration,
    contracts: Sequence[GenesisContract],
    calls_after: Sequence[Call] = (),
) -> Genesis:
    """Return the genesis; ``contracts`` are the carbon contracts, then any others.

    ``calls_after`` are sent by the authority once the members are there.

    Raises GenesisError when a carbon contract is missing, a parameter is out of range,
    or an administrator or deployer is no member's key (it could never send anything).
    What the contracts themselves refuse shows in ``vm.executor.execute_genesis``.
    """
    check_params(params)
    names = tuple(contract.name for contract in contracts)
    if names[: len(CONTRACT_NAMES)] != CONTRACT_NAMES or len(set(names)) != len(names):
        raise GenesisError("carbon contracts first, each once", names=names)
    known = {key for member in members for key in member.keys}
    for key in (*administration.administrators, *administration.deployers):
        if key not in known:
            raise GenesisError("administrator or deployer is no member's key", key=key.hex())
    calls = [*_build_connections(params, validators, administration)]
    for member in members:
        calls.extend(_build_member(member))
    calls.extend(calls_after)
    return Genesis(
        version=GENESIS_VERSION,
        chain_name=chain_name,
        time_ms=time_ms,
        validators=validators,
        params=params,
        contracts=tuple(contracts),
        calls=tuple(GenesisCall(AUTHORITY, call) for call in calls),
    )


def _build_connections(
    params: ChainParams, validators: ValidatorSet, administration: Administration
) -> list[Call]:
    """Return the calls that make the contracts known to each other."""
    identity = compute_contract_address(IDENTITY)
    first: tuple[Value, ...] = (
        list(astuple(params)),
        list(administration.administrators),
        administration.threshold,
        list(administration.deployers),
        identity,
        administration.key_delay_seconds,
    )
    entries: list[Value] = [[member.name, member.public_key] for member in validators.members]
    return [
        Call(GOVERNANCE, "bootstrap", first),
        Call(GOVERNANCE, "bootstrap_validators", (entries,)),
        Call(UNITS, "connect", (compute_contract_address(RETIREMENT),)),
        Call(PROJECTS, "connect", (administration.notice_seconds,)),
        Call(UNITS, "connect_buffer", (compute_contract_address(BUFFER),)),
        Call(BUFFER, "connect", (compute_contract_address(MRV),)),
        Call(UNITS, "connect_mrv", (compute_contract_address(MRV),)),
        Call(MRV, "connect", (administration.notice_seconds,)),
        Call(CASH, "connect", (_find_addresses(PAYERS),)),
        Call(UNITS, "connect_houses", (list(HOUSES), _find_addresses(HOUSES))),
        Call(RETIREMENT, "connect", (_find_addresses(RETIRERS),)),
        Call(FUTURES, "connect", tuple(_find_addresses((CLEARING,)))),
        Call(CLEARING, "connect", tuple(_find_addresses((FUTURES, DELIVERY)))),
        Call(IDENTITY, "connect", (compute_contract_address(SURVEILLANCE),)),
        Call(UNITS, "connect_surveillance", (compute_contract_address(SURVEILLANCE),)),
    ]


def _find_addresses(names: Sequence[str]) -> list[Value]:
    return [compute_contract_address(name) for name in names]


def _build_member(member: Member) -> list[Call]:
    calls = [
        Call(
            IDENTITY,
            "register",
            (
                member.organisation,
                member.name,
                member.country,
                list(member.roles),
                list(member.keys),
            ),
        )
    ]
    for item in member.accreditations:
        arguments = (member.organisation, item.scope, item.valid_from, item.valid_until)
        calls.append(Call(IDENTITY, "accredit", arguments))
    return calls


# --- development only -------------------------------------------------------------------------

DEVELOPMENT_SCOPE: Final = "forest"
"""The scope for which the development verifier and registry are accredited."""

CALIBRATION_SCOPE: Final = "calibration"
"""The scope for which a laboratory that renews devices' calibration is accredited."""

DEVELOPMENT_CURRENCIES: Final = ("CNY", "EUR")
"""Currencies in which the development bank issues settlement money."""

DEVELOPMENT_IMPORTS: Final = ("ACR", "CAR")
"""Registries whose public exports the development consortium may import."""


def derive_development_key(name: str) -> PrivateKey:
    """Return the key that anyone can derive from ``name``: development only."""
    seed = hashlib.sha256(b"carbonode development key, never for production: " + name.encode())
    return PrivateKey.from_seed(seed.digest())


@dataclass(frozen=True, slots=True)
class DevelopmentConsortium:
    """Members whose keys everybody knows. ``keys`` maps organisation to its one key."""

    members: tuple[Member, ...]
    administration: Administration
    keys: dict[str, PrivateKey]


def build_development_consortium(
    extra_enterprises: int = 0, key_delay_seconds: int = 0, notice_seconds: int = 0
) -> DevelopmentConsortium:
    """Return the parties of a local network: each role, a metering service, two custodians.

    Organisations: ``regulator`` (administrator and deployer), ``registry``,
    ``project-owner``, ``verifier``, ``enterprise-a``, ``enterprise-b``, ``bank``
    (issues CNY and EUR), ``exchange``, ``public``, ``metering`` (submits others' data),
    ``laboratory``, ``acr-accounts`` and ``car-accounts`` (they hold what an importer brings
    from those registries), and ``enterprise-1`` ... for load generators.
    """
    forest = Accreditation(DEVELOPMENT_SCOPE)
    calibration = Accreditation(CALIBRATION_SCOPE)
    money = tuple(Accreditation(f"cash:{currency}") for currency in DEVELOPMENT_CURRENCIES)
    imports = tuple(Accreditation(f"import:{name}") for name in DEVELOPMENT_IMPORTS)
    plan: list[tuple[str, str, str, tuple[Accreditation, ...]]] = [
        ("regulator", "Carbon Regulator", "regulator", ()),
        ("registry", "National Registry", "registry", (forest, *imports)),
        ("project-owner", "Green Valley Forestry", "project-owner", ()),
        ("verifier", "Independent Verification", "verifier", (forest,)),
        ("enterprise-a", "Enterprise A", "enterprise", ()),
        ("enterprise-b", "Enterprise B", "enterprise", ()),
        ("bank", "Development Bank", "bank", money),
        ("exchange", "Carbon Exchange", "exchange", ()),
        ("public", "Public Observer", "public", ()),
        ("metering", "Metering Service", "enterprise", ()),
        ("laboratory", "Calibration Laboratory", "laboratory", (calibration,)),
    ]
    plan += [
        (f"{name.lower()}-accounts", f"Accounts at {name}", "enterprise", (imports[index],))
        for index, name in enumerate(DEVELOPMENT_IMPORTS)
    ]
    plan += [
        (f"enterprise-{number}", f"Enterprise {number}", "enterprise", ())
        for number in range(1, extra_enterprises + 1)
    ]
    keys = {organisation: derive_development_key(organisation) for organisation, *_ in plan}
    members = tuple(
        Member(organisation, name, "CN", (role,), (keys[organisation].public_key,), scopes)
        for organisation, name, role, scopes in plan
    )
    regulator = keys["regulator"].public_key
    administration = Administration(
        (regulator,), 1, (regulator,), key_delay_seconds, notice_seconds
    )
    return DevelopmentConsortium(members, administration, keys)
