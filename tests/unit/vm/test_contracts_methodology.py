"""The contract ``methodology``: versions, vectors, votes, computations; and each refusal."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from primitives.transaction import Call
from tests.unit.vm.carbon_chain import HASH, Chain
from tests.unit.vm.methodology_chain import (
    METHOD,
    VECTOR,
    YEAR,
    M,
    decide,
    draft,
    factor,
    hash_vector,
    make_chain,
    native,
    quantity,
)
from vm.inclusion import compute_code_hash

INPUTS = [quantity("FQ", 10), factor("EF", "factor:coal.ef")]


@pytest.fixture
def chain() -> Chain:
    return make_chain()


def compute(chain: Chain, inputs: list[Any], *, version: int = 1, period: Any = (0, YEAR)) -> Any:
    return chain.view(M, "compute", "fuel", version, *period, inputs)


def refuse(chain: Chain, code: str, inputs: list[Any], **changes: Any) -> None:
    values = {"version": 1, "period": (0, YEAR)} | changes
    arguments = ("fuel", values["version"], *values["period"], inputs)
    chain.view_refused(code, M, "compute", *arguments)


# --- computing --------------------------------------------------------------------------------


def test_a_computation_fills_in_the_factor_and_adds_the_parameters(chain: Chain) -> None:
    grams, lines, flags = compute(chain, INPUTS)
    assert grams == 25_000_000
    assert lines == [["Em", "sum(FQ) x EF", ["FQ", "EF"], 25_000_000, 6, "t CO2"]]
    assert flags == ["seen-FQ-EF-P"]
    assert chain.view(M, "resolve", "fuel", 1, 0, YEAR, INPUTS) == [
        [
            quantity("FQ", 10),
            quantity("EF", 2_500_000_000, "factor:coal.ef@1", scale=9, unit="t CO2/t"),
            quantity("P", 7, "parameter:P"),
        ],
        [],
    ]


def test_an_unverified_factor_is_flagged_once_until_it_is_verified(chain: Chain) -> None:
    inputs = [quantity("FQ", 10), factor("EF", "factor:peat.ef")]
    assert compute(chain, inputs)[2][1:] == ["unverified-factor:peat.ef"]
    assert chain.view(M, "resolve", "fuel", 1, 0, YEAR, inputs)[1] == ["unverified-factor:peat.ef"]
    chain.ok("regulator", "factors", "verify", "peat.ef", HASH)
    assert compute(chain, inputs)[2][1:] == []


def test_inputs_that_may_come_several_times_have_names_with_a_dot(chain: Chain) -> None:
    two = [quantity("FQ.coal", 10), quantity("FQ.coke", 20), INPUTS[1]]
    assert compute(chain, two)[0] == 75_000_000


def test_the_unit_of_a_factor_may_be_left_out_or_must_be_its_own(chain: Chain) -> None:
    assert compute(chain, [INPUTS[0], factor("EF", "factor:coal.ef", "")])[0] == 25_000_000
    refuse(chain, "wrong-unit", [INPUTS[0], factor("EF", "factor:coal.ef", "t CO2/TJ")])


def test_a_factor_may_be_named_with_the_version_that_is_in_force(chain: Chain) -> None:
    assert compute(chain, [INPUTS[0], factor("EF", "factor:coal.ef@1")])[0] == 25_000_000


@pytest.mark.parametrize(
    ("code", "inputs"),
    [
        ("factor-not-in-force", [INPUTS[0], factor("EF", "factor:coal.ef@2")]),
        ("factor-not-in-force", [INPUTS[0], factor("EF", "factor:coal.ef@1@1")]),
        ("factor-not-in-force", [INPUTS[0], factor("EF", "factor:coal.ef@")]),
        ("no-factor", [INPUTS[0], factor("EF", "factor:coal.EF")]),
        ("factor-given", [INPUTS[0], quantity("EF", 5, "factor:coal.ef", unit="t CO2/t")]),
        ("parameter-given", [*INPUTS, quantity("N", 5, "parameter:N")]),
        ("wrong-unit", [quantity("FQ", 10, unit="kg"), INPUTS[1]]),
        ("unknown-input", [*INPUTS, quantity("X", 1)]),
        ("unknown-input", [*INPUTS, quantity("P", 1)]),
        ("unknown-input", [*INPUTS, quantity("", 1)]),
        ("bad-scale", [quantity("FQ", 10, scale=19), INPUTS[1]]),
        ("bad-scale", [quantity("FQ", 10, scale=-1), INPUTS[1]]),
        ("input-twice", [INPUTS[0], *INPUTS]),
        ("missing-input", [INPUTS[1]]),
        ("missing-input", [INPUTS[0]]),
        ("missing-input", []),
        ("too-many-inputs", [*(quantity(f"FQ.{n}", 1) for n in range(3)), INPUTS[1]]),
        ("too-many-inputs", [quantity(f"N.{n}", 1) for n in range(257)]),
        ("negative-activity", [quantity("FQ", -1), INPUTS[1]]),
    ],
)
def test_inputs_are_refused(chain: Chain, code: str, inputs: list[Any]) -> None:
    refuse(chain, code, inputs)


def test_two_gwp_sets_in_one_total_are_refused(chain: Chain) -> None:
    ar5, ar6 = factor("N.1", "factor:ch4", ""), factor("N.2", "factor:n2o", "")
    wanted = [["FQ", ["t"], 1, 2], ["EF", ["t CO2/t"], 1, 1], ["N", ["t CO2/t"], 0, 9]]
    for version, gwp_set in ((2, ""), (3, "AR5"), (4, "AR6")):
        changes = draft(requirements=wanted, gwp_set=gwp_set)
        chain.ok("regulator", M, "publish", "fuel", version, changes)
        chain.ok("alice", M, "check_vector", "fuel", version, 0, VECTOR)
        assert decide(chain, "fuel", version).status == "ok"
    refuse(chain, "two-gwp-sets", [*INPUTS, ar5, ar6], version=2)
    assert compute(chain, [*INPUTS, ar5], version=2)[0] == 25_000_000
    same = [*INPUTS, ar5, factor("N.3", "factor:hfc", "")]
    assert compute(chain, same, version=3)[2][1:] == ["unverified-factor:hfc"]
    refuse(chain, "two-gwp-sets", [*INPUTS, ar6], version=3)
    refuse(chain, "two-gwp-sets", [*INPUTS, ar5], version=4)


@pytest.mark.parametrize(
    ("code", "period"),
    [
        ("bad-period", (5, 5)),
        ("bad-period", (6, 5)),
        ("bad-period", (-1, 5)),
        ("outside-validity", (10 * YEAR - 1, 10 * YEAR + 1)),
        ("outside-validity", (10 * YEAR, 11 * YEAR)),
    ],
)
def test_a_period_is_refused(chain: Chain, code: str, period: tuple[int, int]) -> None:
    refuse(chain, code, INPUTS, period=period)
    chain.view_refused(code, M, "resolve", "fuel", 1, *period, INPUTS)


def test_a_factor_that_does_not_hold_for_the_period_is_refused(chain: Chain) -> None:
    chain.ok("regulator", "factors", "withdraw", "coal.ef", "wrong")
    refuse(chain, "factor-not-in-force", INPUTS)


def test_a_version_begins_to_hold_at_its_first_second(chain: Chain) -> None:
    put_version(chain, 2, valid_from=YEAR)
    refuse(chain, "outside-validity", INPUTS, version=2, period=(YEAR - 1, 2 * YEAR))
    assert compute(chain, INPUTS, version=2, period=(YEAR, 2 * YEAR))[0] == 25_000_000


def put_version(chain: Chain, version: int, **changes: Any) -> None:
    chain.ok("regulator", M, "publish", "fuel", version, draft(**changes))
    chain.ok("alice", M, "check_vector", "fuel", version, 0, VECTOR)
    receipt = decide(chain, "fuel", version)
    assert receipt.status == "ok", receipt


# --- a version's life -------------------------------------------------------------------------


def test_a_version_is_published_tried_and_voted_into_force() -> None:
    chain = make_chain()
    vectors_hash = hashlib.sha256(hash_vector(VECTOR)).digest()
    code_hash = compute_code_hash(METHOD)
    chain.ok("regulator", M, "publish", "fuel", 2, draft(supersedes=1))
    assert (chain.events[0].name, chain.events[0].values) == (
        "MethodologyPublished", ("fuel", 2, "method_fuel", code_hash, "regulator")
    )  # fmt: skip
    values = draft(supersedes=1)
    assert chain.view(M, "get_version", "fuel", 2) == [
        *values[2:12], vectors_hash, "draft", *values[:2], values[12], values[13], 1, "regulator",
    ]  # fmt: skip
    refuse(chain, "not-active", INPUTS, version=2)
    assert chain.view(M, "list_unchecked", "fuel", 2) == [0]
    chain.ok("bob", M, "check_vector", "fuel", 2, 0, VECTOR)
    assert chain.events[0].values == ("fuel", 2, 0)
    assert chain.view(M, "list_unchecked", "fuel", 2) == []
    assert decide(chain, "fuel", 2).status == "ok"
    assert (chain.events[0].name, chain.events[0].values) == (
        "MethodologyActivated", ("fuel", 2)
    )  # fmt: skip
    assert chain.view(M, "get_version", "fuel", 2)[11] == "active"
    assert chain.view(M, "count_versions", "fuel") == 2
    assert chain.view(M, "list_methodologies", "", 10) == ["fuel"]


def test_a_version_in_place_of_another_leaves_it_the_time_before(chain: Chain) -> None:
    put_version(chain, 2, valid_from=YEAR, supersedes=1)
    old = chain.view(M, "get_version", "fuel", 1)
    assert (old[7:9], old[11]) == ([0, YEAR], "superseded")
    assert compute(chain, INPUTS)[0] == 25_000_000
    refuse(chain, "outside-validity", INPUTS, period=(0, YEAR + 1))
    assert compute(chain, INPUTS, version=2, period=(YEAR, 2 * YEAR))[0] == 25_000_000
    # Only one version takes another's place.
    chain.ok("regulator", M, "publish", "fuel", 3, draft(supersedes=1))
    chain.ok("alice", M, "check_vector", "fuel", 3, 0, VECTOR)
    receipt = decide(chain, "fuel", 3)
    assert (receipt.status, receipt.code) == ("reverted", "not-active")


def test_a_version_for_all_of_the_time_leaves_nothing_of_the_old_one(chain: Chain) -> None:
    put_version(chain, 2, valid_from=YEAR)
    put_version(chain, 3, valid_from=0, supersedes=2)
    assert chain.view(M, "get_version", "fuel", 2)[7:9] == [YEAR, YEAR]
    refuse(chain, "outside-validity", INPUTS, version=2, period=(YEAR, YEAR + 1))


def test_a_withdrawn_version_computes_no_more(chain: Chain) -> None:
    assert decide(chain, "fuel", 1, wanted=False).status == "ok"
    assert chain.events[0].name == "MethodologyWithdrawn"
    refuse(chain, "not-active", INPUTS)
    receipt = decide(chain, "fuel", 1, wanted=False)
    assert (receipt.status, receipt.code) == ("reverted", "already-withdrawn")
    receipt = decide(chain, "fuel", 1)
    assert (receipt.status, receipt.code) == ("reverted", "not-a-draft")
    chain.refused("not-a-draft", "alice", M, "check_vector", "fuel", 1, 0, VECTOR)


def test_a_vote_alone_brings_a_version_into_force(chain: Chain) -> None:
    chain.ok("regulator", M, "publish", "fuel", 2, draft())
    chain.ok("regulator", M, "check_vector", "fuel", 2, 0, VECTOR)
    for sender in ("regulator", "alice"):
        chain.refused("not-authority", sender, M, "decide", "fuel", 2, True)


def test_a_version_without_all_its_vectors_run_stays_a_draft(chain: Chain) -> None:
    other = [VECTOR[0], VECTOR[1], []]
    hashes = [hash_vector(VECTOR), hash_vector(other)]
    chain.ok("regulator", M, "publish", "fuel", 2, draft(vectors=hashes))
    chain.ok("alice", M, "check_vector", "fuel", 2, 1, other)
    receipt = decide(chain, "fuel", 2)
    assert (receipt.status, receipt.code) == ("reverted", "vectors-unchecked")
    chain.ok("alice", M, "check_vector", "fuel", 2, 0, VECTOR)
    assert decide(chain, "fuel", 2).status == "ok"


@pytest.mark.parametrize(
    "wrong",
    [
        [VECTOR[0], 25_000_001, VECTOR[2]],
        [VECTOR[0], VECTOR[1], [["Em", 25_000_001, 6, "t CO2"]]],
        [VECTOR[0], VECTOR[1], [["Em", 25_000_000, 7, "t CO2"]]],
        [VECTOR[0], VECTOR[1], [["Em", 25_000_000, 6, "kg CO2"]]],
        [VECTOR[0], VECTOR[1], [*VECTOR[2], ["X", 0, 0, "t"]]],
    ],
)
def test_a_vector_that_the_code_does_not_reach_is_refused(chain: Chain, wrong: Any) -> None:
    chain.ok("regulator", M, "publish", "fuel", 2, draft(vectors=[hash_vector(wrong)]))
    chain.refused("vectors-fail", "alice", M, "check_vector", "fuel", 2, 0, wrong)
    receipt = decide(chain, "fuel", 2)
    assert (receipt.status, receipt.code) == ("reverted", "vectors-unchecked")


def test_only_the_committed_vector_counts(chain: Chain) -> None:
    chain.ok("regulator", M, "publish", "fuel", 2, draft())
    other = [VECTOR[0], VECTOR[1], []]
    chain.refused("vector-mismatch", "alice", M, "check_vector", "fuel", 2, 0, other)
    for index in (-1, 1):
        chain.refused("no-vector", "alice", M, "check_vector", "fuel", 2, index, VECTOR)
    for version in (0, 3):
        chain.refused("no-version", "alice", M, "check_vector", "fuel", version, 0, VECTOR)


def test_two_vectors_with_the_same_characters_have_two_hashes(chain: Chain) -> None:
    one = [[quantity("FQ", 1, "ab", unit="t")], 0, []]
    two = [[quantity("FQ", 1, "b", unit="ta")], 0, []]
    assert hash_vector(one) != hash_vector(two)
    chain.ok("regulator", M, "publish", "fuel", 2, draft(vectors=[hash_vector(one)]))
    chain.refused("vector-mismatch", "alice", M, "check_vector", "fuel", 2, 0, two)


def test_a_vector_meets_the_same_checks_as_a_report(chain: Chain) -> None:
    wrong = [[quantity("FQ", 10, unit="kg")], 0, []]
    chain.ok("regulator", M, "publish", "fuel", 2, draft(vectors=[hash_vector(wrong)]))
    chain.refused("wrong-unit", "alice", M, "check_vector", "fuel", 2, 0, wrong)


def test_code_that_is_not_there_computes_nothing(chain: Chain) -> None:
    chain.ok("regulator", M, "publish", "fuel", 2, draft(code="method_later"))
    chain.refused("code-not-deployed", "alice", M, "check_vector", "fuel", 2, 0, VECTOR)
    receipt = decide(chain, "fuel", 2)
    assert (receipt.status, receipt.code) == ("reverted", "code-not-deployed")


def test_code_that_is_not_what_was_published_computes_nothing(chain: Chain) -> None:
    chain.ok("regulator", M, "publish", "fuel", 2, draft(code_hash=HASH))
    chain.refused("code-changed", "alice", M, "check_vector", "fuel", 2, 0, VECTOR)
    receipt = decide(chain, "fuel", 2)
    assert (receipt.status, receipt.code) == ("reverted", "code-changed")


def test_an_upgrade_of_the_code_ends_the_versions_that_used_it(chain: Chain) -> None:
    changed = METHOD.replace("// 1000", "// 999")
    (code_hash,) = native(chain, "publish", changed).values
    arguments = ("method_fuel", 2, code_hash, 0)
    number = chain.ok("regulator", "governance", "propose_upgrade", *arguments)
    chain.ok("regulator", "governance", "execute", number)
    receipts, _ = chain.run(
        chain.make("regulator", Call("governance", "activate", ("method_fuel",)), gas=40_000_000)
    )
    assert receipts[0].status == "ok", receipts[0]
    refuse(chain, "code-changed", INPUTS)
    # What it was handed is still there for whoever computes again with the old code.
    assert chain.view(M, "resolve", "fuel", 1, 0, YEAR, INPUTS)[0][0] == INPUTS[0]


@pytest.mark.parametrize(
    ("code", "name", "version", "changes"),
    [
        ("bad-id", "", 1, {}),
        ("bad-id", "a b", 1, {}),
        ("bad-id", "x" * 65, 1, {}),
        ("bad-id", "caf\u00e9", 1, {}),
        ("bad-version", "fuel", 1, {}),
        ("bad-version", "fuel", 3, {}),
        ("bad-version", "new", 0, {}),
        ("bad-id", "new", 1, {"code": ""}),
        ("bad-text", "new", 1, {"title": ""}),
        ("bad-text", "new", 1, {"title": "x" * 129}),
        ("bad-text", "new", 1, {"source": ""}),
        ("bad-text", "new", 1, {"source": "x" * 257}),
        ("bad-text", "new", 1, {"gwp_set": "x" * 33}),
        ("bad-hash", "new", 1, {"code_hash": HASH[:31]}),
        ("bad-kind", "new", 1, {"kind": "removal"}),
        ("bad-ratio", "new", 1, {"ratio_num": 0}),
        ("bad-ratio", "new", 1, {"ratio_den": 0}),
        ("bad-rounding", "new", 1, {"rounding": "half-up"}),
        ("bad-validity", "new", 1, {"valid_from": -1}),
        ("bad-validity", "new", 1, {"valid_to": 0}),
        ("bad-validity", "new", 1, {"valid_to": 1 << 53}),
        ("bad-inputs", "new", 1, {"requirements": []}),
        ("bad-inputs", "new", 1, {"requirements": [[f"n{i}", ["t"], 1, 1] for i in range(65)]}),
        ("bad-text", "new", 1, {"requirements": [["", ["t"], 1, 1]]}),
        ("bad-text", "new", 1, {"requirements": [["x" * 65, ["t"], 1, 1]]}),
        ("bad-inputs", "new", 1, {"requirements": [["a.b", ["t"], 1, 1]]}),
        ("bad-inputs", "new", 1, {"requirements": [["a", ["t"], 1, 1], ["a", ["kg"], 1, 1]]}),
        ("bad-inputs", "new", 1, {"requirements": [["a", [], 1, 1]]}),
        ("bad-inputs", "new", 1, {"requirements": [["a", ["t"] * 9, 1, 1]]}),
        ("bad-text", "new", 1, {"requirements": [["a", [""], 1, 1]]}),
        ("bad-inputs", "new", 1, {"requirements": [["a", ["t"], -1, 1]]}),
        ("bad-inputs", "new", 1, {"requirements": [["a", ["t"], 2, 1]]}),
        ("bad-inputs", "new", 1, {"requirements": [["a", ["t"], 0, 0]]}),
        ("bad-inputs", "new", 1, {"requirements": [["a", ["t"], 1, 257]]}),
        ("bad-text", "new", 1, {"parameters": [quantity("", 1, "parameter:")]}),
        ("bad-parameters", "new", 1, {"parameters": [quantity("FQ", 1, "parameter:FQ")]}),
        ("bad-parameters", "new", 1, {"parameters": [quantity("R", 1, "parameter:R")] * 2}),
        ("bad-parameters", "new", 1, {"parameters": [quantity("R", 1, "factor:R")]}),
        ("bad-parameters", "new", 1, {"parameters": [quantity("R", 1, "parameter:R", scale=19)]}),
        ("bad-text", "new", 1, {"parameters": [quantity("R", 1, "parameter:R", unit="")]}),
        (
            "bad-parameters", "new", 1,
            {"parameters": [quantity(f"R{n}", 1, f"parameter:R{n}") for n in range(65)]},
        ),
        ("no-version", "new", 1, {"supersedes": 1}),
        ("no-version", "new", 1, {"supersedes": -1}),
        ("bad-vectors", "new", 1, {"vectors": []}),
        ("bad-vectors", "new", 1, {"vectors": [HASH] * 65}),
        ("bad-hash", "new", 1, {"vectors": [HASH, HASH[1:]]}),
    ],
)  # fmt: skip
def test_a_draft_is_refused(chain: Chain, code: str, name: str, version: int, changes: Any) -> None:
    chain.refused(code, "regulator", M, "publish", name, version, draft(**changes))


@pytest.mark.parametrize("sender", ["alice", "verifier", "registry", "owner", "bank"])
def test_regulators_alone_publish(chain: Chain, sender: str) -> None:
    chain.refused("not-permitted", sender, M, "publish", "new", 1, draft())


def test_what_is_not_there_is_refused(chain: Chain) -> None:
    refuse(chain, "no-version", INPUTS, version=2)
    chain.view_refused("no-version", M, "get_version", "fuel", 2)
    chain.view_refused("no-version", M, "list_unchecked", "other", 1)
    receipt = decide(chain, "fuel", 9)
    assert (receipt.status, receipt.code) == ("reverted", "no-version")
    for limit in (0, 101):
        chain.view_refused("bad-limit", M, "list_methodologies", "", limit)


# --- what governance and the engine give ------------------------------------------------------


def test_a_decision_names_its_subject_and_is_an_administrators(chain: Chain) -> None:
    arguments = ("methodology", "fuel", 1, False)
    chain.refused("not-administrator", "alice", "governance", "propose_decision", *arguments)
    for wrong in (("a b", "fuel"), ("methodology", "")):
        chain.refused("bad-id", "regulator", "governance", "propose_decision", *wrong, 1, True)
    number = chain.ok("regulator", "governance", "propose_decision", *arguments)
    proposal = chain.view("governance", "get_proposal", number)
    assert [proposal[0], proposal[5], proposal[6], proposal[8]] == [
        "decision", "methodology", 1, False,
    ]  # fmt: skip
    assert chain.view("governance", "get_subject", number) == "fuel"
    assert chain.view("governance", "get_subject", number + 1) == ""


@pytest.mark.parametrize(
    ("contract", "code"), [("units", "no-method"), ("nobody", "no-method"), ("system", "no-method"),
                           ("governance", "reentrancy")],
)  # fmt: skip
def test_a_decision_of_a_contract_that_leaves_none_to_a_vote_fails(
    chain: Chain, contract: str, code: str
) -> None:
    arguments = (contract, "x", 1, True)
    number = chain.ok("regulator", "governance", "propose_decision", *arguments)
    receipt = chain.send("regulator", "governance", "execute", number)
    assert (receipt.status, receipt.code) == ("fault", code)


ASKER = """
from vm import Var, call, export, view
found = Var[bytes]()

@view
def ask(name: str) -> bytes:
    return call("system", "get_code", name)

@export
def keep(name: str) -> None:
    found.set(call("system", "get_code", name))

@export
def ask_wrongly(number: int) -> None:
    call("system", "get_code", number)

@export
def ask_for_more(name: str) -> None:
    call("system", "get_code", name, name)

@export
def publish(name: str) -> None:
    call("system", "check_upgrade", name, 1, b"")
"""


def test_every_contract_may_ask_which_code_another_has(chain: Chain) -> None:
    native(chain, "deploy", "asker", ASKER)
    assert chain.view("asker", "ask", "method_fuel") == compute_code_hash(METHOD)
    assert chain.view("asker", "ask", "asker") == compute_code_hash(ASKER)
    for nobody in ("nobody", "system", "", "a b", "x" * 10_000):
        assert chain.view("asker", "ask", nobody) == b""
    chain.ok("alice", "asker", "keep", "method_fuel")
    for method, argument, code in (
        ("ask_wrongly", 5, "arguments"),
        ("ask_for_more", "units", "arguments"),
        ("publish", "units", "no-method"),
    ):
        receipt = chain.send("alice", "asker", method, argument)
        assert (receipt.status, receipt.code) == ("fault", code)
