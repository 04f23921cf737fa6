"""The genesis builder, the development consortium, and the contracts' documentation."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from importlib import resources

import pytest

from primitives.errors import GenesisError
from primitives.genesis import compute_chain_id, dump_genesis, load_genesis
from primitives.params import ChainParams
from primitives.transaction import Call
from primitives.validators import Validator, ValidatorSet
from tests.unit.vm.carbon_chain import HASH, MACHINE, START_SECONDS, Chain, address_of, make_genesis
from tools.genesis_files import build_development_genesis, load_contracts
from vm.executor import execute_genesis
from vm.genesis_builder import (
    AUTHORITY,
    CONTRACT_NAMES,
    DEVELOPMENT_SCOPE,
    Administration,
    build_development_consortium,
    build_genesis,
    derive_development_key,
)

VALIDATORS = ValidatorSet(tuple(Validator(f"v{n}", address_of(f"node-{n}")) for n in range(4)))


def make_development_chain(extra_enterprises: int = 0) -> Chain:
    consortium = build_development_consortium(extra_enterprises)
    genesis = build_development_genesis("dev", START_SECONDS * 1000, VALIDATORS, consortium)
    return Chain(genesis)


def test_a_genesis_survives_its_file() -> None:
    genesis = make_genesis()
    again = load_genesis(dump_genesis(genesis))
    assert again == genesis and compute_chain_id(again) == compute_chain_id(genesis)
    assert tuple(contract.name for contract in genesis.contracts) == CONTRACT_NAMES
    assert {item.sender for item in genesis.calls} == {AUTHORITY}


def test_the_contracts_pass_the_check_and_fit() -> None:
    for contract in load_contracts():
        assert MACHINE.check(contract.source) == [], contract.name


@pytest.mark.parametrize(
    "administration",
    [Administration((HASH,), 1), Administration((address_of("bob"),), 1, (HASH,))],  # type: ignore[arg-type]  # test keys
)
def test_who_decides_must_be_able_to_send(administration: Administration) -> None:
    with pytest.raises(GenesisError, match="no member's key"):
        make_genesis(administration=administration)


def test_the_carbon_contracts_come_first_and_once() -> None:
    contracts, administration = load_contracts(), Administration((), 0)
    for wrong in (contracts[:3], (contracts[1], *contracts), (*contracts, contracts[0])):
        with pytest.raises(GenesisError, match="carbon contracts first"):
            build_genesis("x", 0, VALIDATORS, ChainParams(), (), administration, wrong)
    extra = replace(contracts[3], name="more")
    with_more = (*contracts, extra)
    built = build_genesis("x", 0, VALIDATORS, ChainParams(), (), administration, with_more)
    assert built.contracts[-1] == extra


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(GenesisError, match="out of range"):
        make_genesis(replace(ChainParams(), epoch_blocks=0))


def test_development_keys_are_the_same_everywhere() -> None:
    # A golden value: scenario, bench and localnet derive the same keys apart from each other.
    assert derive_development_key("regulator").public_key.hex() == (
        "b9347f4ae13de1a0dba2496d279a055e30c394b9fcdd62bff88fa196b144f03f"
    )
    assert derive_development_key("a").seed != derive_development_key("b").seed


def test_the_development_consortium_lives_a_life_of_credits() -> None:
    chain = make_development_chain(extra_enterprises=3)
    scope, year = DEVELOPMENT_SCOPE, 2024
    chain.ok(
        "verifier", "units", "attest", "r", "forest-1", year, scope, 9000, "project-owner", HASH
    )
    chain.ok("registry", "units", "issue", "b", "r", 0, 9000, 9000, 1000)
    chain.ok("project-owner", "units", "transfer", "b", 0, 500, "enterprise-3")
    chain.ok("enterprise-3", "units", "transfer", "b", 0, 100, "enterprise-a")
    chain.ok("enterprise-a", "retirement", "retire", "b", 0, 50, "enterprise-b", "2024")
    for registry in ("ACR", "CAR"):
        custodian = f"{registry.lower()}-accounts"
        chain.ok(
            "registry", "units", "issue_imported", registry, registry, "p", 2005, custodian, 0,
            2000, 2000, 0, HASH, "line 1", "k1",
        )  # fmt: skip
        chain.ok(
            custodian, "retirement", "retire_imported", registry, "prefix", 1, 2,
            [[registry, 0, 1000]], "", "", "", "line 1", "k1",
        )  # fmt: skip
    number = chain.ok("regulator", "governance", "propose_key_delay", 60)
    chain.ok("regulator", "governance", "execute", number)


def test_an_import_of_a_hundred_calls_fits_one_transaction() -> None:
    chain = make_development_chain()
    issues = [
        Call(
            "units", "issue_imported",
            ("ACR", f"ACR-{n}", f"ACR{n}", 2005, "acr-accounts", 0, 10_000, 10_000, 500, HASH,
             f"ACR_issuances.csv:{n}", f"{n:064x}"),
        )
        for n in range(100)
    ]  # fmt: skip
    receipts, _ = chain.run(chain.make("registry", *issues, gas=20_000_000))
    assert receipts[0].status == "ok", receipts[0]
    retirements = [
        Call(
            "retirement", "retire_imported",
            ("ACR", "ACR-US-102-2003-274", n, n + 1, [[f"ACR-{n}", 0, 1000]], "Somebody", "x" * 200,
             "2015-12-29", f"ACR_retirements.csv:{n}", f"{n:064x}"),
        )
        for n in range(100)
    ]  # fmt: skip
    receipts, _ = chain.run(chain.make("acr-accounts", *retirements, gas=20_000_000))
    assert receipts[0].status == "ok", receipts[0]
    assert chain.view("retirement", "total") == [100_000, 0]


def test_an_unknown_member_role_does_not_execute() -> None:
    consortium = build_development_consortium()
    member = replace(consortium.members[-1], roles=("king",))
    members = (*consortium.members[:-1], member)
    genesis = make_genesis(administration=consortium.administration, members=members)
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, genesis)
    assert caught.value.values_seen["outcome_code"] == "bad-roles"


# --- the page that tools are written against

README = resources.files("vm").joinpath("contracts/README.md").read_text(encoding="utf-8")


def get_section(contract: str) -> str:
    start = README.index(f"\n## {contract}:")
    end = README.find("\n## ", start + 5)
    return README[start : end if end > 0 else len(README)]


def list_events(source: str) -> list[str]:
    """Return each event of a contract with its fields: ``Split(batch, at, owner)``."""
    found: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and ast.unparse(node.decorator_list[0]) == "event":
            fields = [ast.unparse(f.target) for f in node.body if isinstance(f, ast.AnnAssign)]
            found.append(f"{node.name}({', '.join(fields)})")
    return found


@pytest.mark.parametrize("name", CONTRACT_NAMES)
def test_the_page_names_every_refusal_and_method_and_every_event_with_its_fields(name: str) -> None:
    source = next(item.source for item in load_contracts() if item.name == name)
    codes = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"\)\n', source))
    codes |= set(re.findall(r'revert\("([a-z-]+)"', source))
    section = get_section(name)
    missing = [code for code in sorted(codes) if f"`{code}`" not in README]
    methods = re.findall(r"@(?:export|view)\ndef (\w+)\(", source)
    missing += [method for method in methods if f"`{method}(" not in section]
    plain = re.sub(r" \([^()]*\)", "", section)  # without what is explained in brackets
    missing += [event for event in list_events(source) if f"`{event}`" not in plain]
    assert missing == []
