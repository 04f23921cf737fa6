"""The shipped methods under the contract ``methodology``: vectors, factors, flags, records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from primitives.errors import GenesisError
from primitives.genesis import GenesisCall
from primitives.transaction import Call
from primitives.validators import Validator, ValidatorSet
from tests.unit.vm.carbon_chain import HASH, MACHINE, START_SECONDS, Chain, address_of
from tests.unit.vm.method_bench import compute_ok, make_inputs
from tests.unit.vm.methodology_chain import dump_vector, native
from tools.genesis_files import build_development_genesis, load_methods, make_methodology_calls
from tools.methodologies.manifest import ManifestError, hash_vector, parse_manifest
from vm.executor import execute_genesis
from vm.genesis_builder import build_development_consortium
from vm.inclusion import compute_code_hash

M = "methodology"
METHODS = {manifest.methodology: (contract, manifest) for contract, manifest in load_methods()}
YEAR = (START_SECONDS - 366 * 24 * 3600, START_SECONDS)
PLAIN = Path(__file__).parents[3] / "vm/contracts/methods/method_electricity.json"


def make_chain() -> Chain:
    validators = ValidatorSet(tuple(Validator(f"v{n}", address_of(f"node-{n}")) for n in range(4)))
    consortium = build_development_consortium()
    return Chain(build_development_genesis("d", START_SECONDS * 1000, validators, consortium))


@pytest.fixture(scope="module")
def chain() -> Chain:
    return make_chain()


def test_every_shipped_method_is_in_force_from_genesis(chain: Chain) -> None:
    assert chain.view(M, "list_methodologies", "", 100) == sorted(METHODS)
    for name, (contract, manifest) in METHODS.items():
        version = chain.view(M, "get_version", name, 1)
        assert version[:2] == [contract.name, compute_code_hash(contract.source)]
        assert version[11] == "active"
        assert chain.view(M, "list_unchecked", name, 1) == []
        assert len(manifest.vectors) == len(manifest.abouts) == len(version[15])


def test_every_method_file_has_a_manifest_and_every_manifest_a_method() -> None:
    folder = PLAIN.parent
    assert {path.stem for path in folder.glob("*.py")} == {
        contract.name for contract, _ in METHODS.values()
    }


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_genesis_whose_vector_says_otherwise_does_not_execute(name: str) -> None:
    _, manifest = METHODS[name]
    inputs, grams, lines = manifest.vectors[0]
    wrong = [inputs, grams + 1, lines]
    draft = (*manifest.draft[:12], [hash_vector(wrong)], manifest.draft[13])
    changed = replace(manifest, vectors=(wrong,), draft=draft)
    genesis = make_chain().genesis
    start = next(n for n, item in enumerate(genesis.calls) if item.call.contract == M)
    code_hash = compute_code_hash(METHODS[name][0].source)
    calls = [
        GenesisCall(genesis.calls[0].sender, call) for call in changed.make_genesis_calls(code_hash)
    ]
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=(*genesis.calls[:start], *calls)))
    assert caught.value.values_seen["outcome_code"] == "vectors-fail"


def test_a_report_with_a_copied_grid_factor_says_so(chain: Chain) -> None:
    arguments = ("grid-1", "copied", HASH, "CN", "", *YEAR, "unverified", "")
    chain.ok("regulator", "factors", "open_set", *arguments)
    row = ["grid.CN-BJ", 555_400_000_000, 9, "gCO2/kWh", "CO2", "Table 3"]
    chain.ok("regulator", "factors", "add", "grid-1", [row])
    chain.ok("regulator", "factors", "publish", "grid-1", 1)
    inputs = [
        ["EL", 1000, 0, "kWh", "batch:m1/1-96"], ["GRID", 0, 0, "", "factor:grid.CN-BJ"],
    ]  # fmt: skip
    grams, _, flags = chain.view(M, "compute", "electricity", 1, *YEAR, inputs)
    assert grams == 555_400
    assert flags == ["location-based", "unverified-factor:grid.CN-BJ"]


def test_what_is_resolved_computes_the_same_without_the_chain(chain: Chain) -> None:
    inputs = make_inputs("EL 2500 MWh\nGRID 570 gCO2/kWh")
    resolved, _ = chain.view(M, "resolve", "electricity", 1, *YEAR, inputs)
    made = chain.view(M, "compute", "electricity", 1, *YEAR, inputs)
    again = compute_ok("method_electricity", resolved)
    assert (again.grams, again.trace, again.flags) == tuple(made)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ("EL 10 MWh\nGRID 1 tCO2/TJ", "wrong-unit"),
        ("EL -1 MWh\nGRID 1 tCO2/MWh", "negative-activity"),
        ("EL 10 MWh\nGRID 1 tCO2/MWh\nRESIDUAL 1 tCO2/MWh", "two-methods"),
        ("GRID 1 tCO2/MWh", "missing-input"),
    ],
)
def test_what_the_method_refuses_reaches_the_caller(chain: Chain, inputs: str, code: str) -> None:
    arguments = ("electricity", 1, *YEAR, make_inputs(inputs))
    chain.view_refused(code, M, "compute", *arguments)


def test_vectors_are_hashed_as_the_page_says() -> None:
    for _, manifest in METHODS.values():
        for vector, committed in zip(manifest.vectors, manifest.draft[12], strict=True):  # type: ignore[arg-type]  # a list of hashes
            assert hashlib.sha256(dump_vector(vector)).digest() == committed


def test_the_calls_of_a_genesis_publish_then_try_then_decide() -> None:
    methods = [call.method for call in make_methodology_calls()]
    assert methods[0] == "publish" and methods[-1] == "decide"
    assert methods.count("decide") == methods.count("publish") == len(METHODS)


def test_what_it_costs_stays_what_the_page_says() -> None:
    """docs/carbon.md, with 10 % of room."""
    chain = make_chain()
    chain.ok("regulator", "factors", "open_set", "s", "x", HASH, "CN", "", *YEAR, "verified", "")
    page = "Table 3: Beijing (CN-BJ), line 33"
    rows = [[f"f{n}.a-name-of-usual-size", 555_400, 9, "gCO2/kWh", "CO2", page] for n in range(50)]
    adding = chain.make("regulator", Call("factors", "add", ("s", rows)), gas=40_000_000)
    (added,), _ = chain.run(adding)
    chain.ok("regulator", "factors", "publish", "s", 50)
    factor = f"factor:{rows[0][0]}"
    inputs = [["EL", 1000, 0, "kWh", "batch:m1/1-96"], ["GRID", 0, 0, "", factor]]
    question = Call(M, "compute", ("electricity", 1, *YEAR, inputs))
    computed = chain.machine.view(chain.state, chain.context(), address_of("bob"), question)
    manifest = METHODS["combustion"][1]
    assert (added.status, computed.status) == ("ok", "ok")
    code_hash = compute_code_hash(METHODS["combustion"][0].source)
    chain.ok("regulator", M, "publish", "again", 1, manifest.make_draft(code_hash))
    trial = Call(M, "check_vector", ("again", 1, 0, manifest.vectors[0]))
    (tried,), _ = chain.run(chain.make("bank", trial))
    assert added.gas // 50 < 19_000 * 1.1
    assert computed.gas < 42_000 * 1.1
    assert (tried.status, tried.gas < 163_000 * 1.1) == ("ok", True)


# --- manifests --------------------------------------------------------------------------------


def spoil(**changes: Any) -> str:
    return json.dumps(json.loads(PLAIN.read_text()) | changes)


@pytest.mark.parametrize(
    "text",
    [
        "{", "[" * 100_000, "[]", "{}",
        spoil(ratio=[44]), spoil(validFrom="2006"), spoil(validFrom=5),
        spoil(vectors=[{"about": "x", "inputs": [], "grams": "1.5", "lines": []}]),
        spoil(vectors=[{"about": "x", "inputs": [["EL", "1e3", "t"]], "grams": "1", "lines": []}]),
        spoil(vectors=[{"inputs": [], "grams": "1", "lines": []}]),
        spoil(vectors=[
            {"about": "x", "inputs": [], "grams": "1", "lines": [["Em", "0.1234567890123", "t"]]}
        ]),
        spoil(requirements=[{"name": "EL"}]), spoil(version="one"),
    ],
)  # fmt: skip
def test_a_manifest_that_does_not_say_what_it_must_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(text)


# --- records of a library that nobody imported ------------------------------------------------

CALLEE = """
from vm import view
from lib.quantities.v1 import Computation, Quantity, make_line

@view
def compute(inputs: list[Quantity]) -> Computation:
    return Computation(5, [make_line("Em", "x", ["EL"], 7, "tCO2")], [])
"""
CALLER = """
from vm import call, record, view

@record
class Line:
    symbol: str
    formula: str
    inputs: list[str]
    value: int
    scale: int
    unit: str

@record
class Computation:
    grams: int
    lines: list[Line]
    flags: list[str]

@view
def ask() -> int:
    made: Computation = call("callee", "compute", [])
    return made.grams + made.lines[0].value
"""
LIBRARY = "from lib.quantities.v1 import Computation, make_line\n"
CALLER_WITH_LIBRARY = (
    "from vm import call, view\n"
    + LIBRARY
    + """
@view
def ask() -> int:
    mine = make_line("a", "b", [], 1, "t")
    made: Computation = call("callee", "compute", [])
    return made.grams + made.lines[0].value + mine.value - 1
"""
)


@pytest.mark.parametrize("caller", [CALLER, CALLER_WITH_LIBRARY])
def test_a_librarys_record_arrives_whether_or_not_it_was_imported_by_name(caller: str) -> None:
    chain = Chain()
    native(chain, "deploy", "callee", CALLEE)
    native(chain, "deploy", "caller", caller)
    assert chain.view("caller", "ask") == 12
