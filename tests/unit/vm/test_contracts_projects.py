"""The contract ``projects``: the life of a project, step by step, and who may take each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from primitives.codec import Value
from primitives.errors import GenesisError
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import HASH, MACHINE, Chain
from tests.unit.vm.project_chain import DRAFT, FROM, IMPORTED, NOTICE, SHARE, TO, P
from vm.executor import execute_genesis

STATUS, SHARE_AT = 1, 6
"""Places in the record that other contracts rely on."""


@pytest.fixture
def chain() -> Chain:
    return at.make_project_chain()


@dataclass(frozen=True)
class Step:
    """A method with the one who takes it, and the statuses that it leads between."""

    sender: str
    method: str
    arguments: tuple[Value, ...]
    before: tuple[str, ...]
    after: str


STEPS = (
    Step("owner", "submit", (), ("draft",), "submitted"),
    Step("registry", "open_notice", (), ("submitted",), "public-notice"),
    Step("verifier", "validate", (SHARE, HASH), ("public-notice",), "validated"),
    Step("registry", "register", (), ("validated",), "registered"),
    Step("regulator", "suspend", ("fire",), ("registered",), "suspended"),
    Step("regulator", "reinstate", (), ("suspended",), "registered"),
    Step("registry", "complete", (), ("registered",), "completed"),
    Step("owner", "withdraw", ("sold",), ("draft", "submitted", "public-notice", "validated",
                                          "registered"), "withdrawn"),
    Step("regulator", "deregister", ("fraud",), ("registered", "suspended"), "deregistered"),
    Step("registry", "transition", ("elsewhere",), ("registered",), "transitioned"),
)  # fmt: skip


def end_with(method: str, *arguments: Value, sender: str) -> Callable[[Chain], None]:
    def reach(chain: Chain) -> None:
        at.register(chain)
        chain.time = max(chain.time, TO)
        chain.ok(sender, P, method, "p1", *arguments)

    return reach


REACH: dict[str, Callable[[Chain], None]] = {
    "draft": at.draft,
    "submitted": at.submit,
    "public-notice": at.open_notice,
    "validated": at.validate,
    "registered": at.register,
    "suspended": at.suspend,
    "completed": end_with("complete", sender="registry"),
    "withdrawn": end_with("withdraw", "sold", sender="owner"),
    "deregistered": end_with("deregister", "fraud", sender="regulator"),
    "transitioned": end_with("transition", "elsewhere", sender="registry"),
}


def get_status(chain: Chain, project: str = "p1") -> str:
    return str(chain.view(P, "get_project", project)[STATUS])


def list_pairs() -> Iterator[tuple[str, Step]]:
    for status in REACH:
        for step in STEPS:
            yield status, step


@pytest.mark.parametrize(
    ("status", "step"), list(list_pairs()), ids=lambda item: getattr(item, "method", item)
)
def test_each_step_leads_where_the_life_cycle_says_and_nowhere_else(
    chain: Chain, status: str, step: Step
) -> None:
    REACH[status](chain)
    assert get_status(chain) == status
    chain.time = max(chain.time, TO)
    if status in step.before:
        chain.ok(step.sender, P, step.method, "p1", *step.arguments)
        assert get_status(chain) == step.after
        assert [event.name for event in chain.events][-1] == "StatusChanged"
    else:
        code = f"project-{status}"
        chain.refused(code, step.sender, P, step.method, "p1", *step.arguments)
        assert get_status(chain) == status


def test_a_project_is_read_back_as_it_was_written(chain: Chain) -> None:
    at.register(chain)
    found = chain.view(P, "get_project", "p1")
    assert found[:7] == ["owner", "registered", FROM, TO, "CN-FJ", "forest-sink", SHARE]
    assert found[7:13] == ["forest", ["biomass", "soil"], "", "", "verifier", "registry"]
    assert found[13:15] == [HASH, HASH]
    assert found[18] == chain.time
    assert found[19] == 0


@pytest.mark.parametrize(
    ("code", "place", "value"),
    [
        ("bad-region", 0, "cn-FJ"),
        ("bad-region", 0, "C"),
        ("bad-region", 0, "CN-FUJI"),
        ("bad-region", 0, "CN-F-J"),
        ("bad-region", 0, "CNF-J"),
        ("bad-region", 0, "CN-"),
        ("bad-region", 0, "CN-\xc4"),
        ("bad-id", 1, ""),
        ("bad-scope", 2, ""),
        ("bad-scope", 2, "s" * 65),
        ("bad-scope", 2, "import:ACR"),
        ("bad-claims", 3, []),
        ("bad-claims", 3, ["fame"]),
        ("bad-claims", 3, ["soil", "soil"]),
        ("bad-claims", 3, ["biomass", "soil", "avoided-loss", "methane", "energy", "energy"]),
        ("bad-period", 4, -1),
        ("bad-period", 5, FROM),
        ("bad-period", 5, FROM + 3155760001),
        ("bad-hash", 6, b"short"),
    ],
)
def test_a_draft_names_what_is_wrong_with_it(
    chain: Chain, code: str, place: int, value: Any
) -> None:
    arguments = list(DRAFT)
    arguments[place] = value
    chain.refused(code, "owner", P, "draft", "p1", *arguments)


def test_a_draft_is_refused_to_others_and_twice(chain: Chain) -> None:
    for name in ("no spaces", "", "x" * 65, "\xe9"):
        chain.refused("bad-id", "owner", P, "draft", name, *DRAFT)
    chain.refused("not-a-project-owner", "alice", P, "draft", "p1", *DRAFT)
    at.draft(chain)
    chain.refused("project-exists", "owner", P, "draft", "p1", *DRAFT)
    chain.refused("project-exists", "rival", P, "draft", "p1", *DRAFT)


@pytest.mark.parametrize("method", ["submit", "withdraw"])
def test_only_the_owner_submits_and_withdraws(chain: Chain, method: str) -> None:
    at.draft(chain)
    arguments = ("reason",) if method == "withdraw" else ()
    for other in ("rival", "registry", "regulator"):
        chain.refused("not-the-owner", other, P, method, "p1", *arguments)


REGISTRARS_STEPS: tuple[tuple[str, Callable[[Chain, str, str], None], tuple[Value, ...]], ...] = (
    ("open_notice", at.submit, ()),
    ("register", at.validate, ()),
    ("complete", at.register, ()),
    ("transition", at.register, ("elsewhere",)),
    ("suspend", at.register, ("fire",)),
    ("reinstate", at.suspend, ()),
    ("deregister", at.register, ("fraud",)),
)


@pytest.mark.parametrize(("method", "reach", "arguments"), REGISTRARS_STEPS)
def test_a_registrar_is_accredited_and_neither_owner_nor_validator(
    chain: Chain,
    method: str,
    reach: Callable[[Chain, str, str], None],
    arguments: tuple[Value, ...],
) -> None:
    reach(chain, "p1", "many")
    chain.refused("registrar-is-owner", "many", P, method, "p1", *arguments)
    chain.refused("not-a-registry", "bob", P, method, "p1", *arguments)
    chain.refused("not-accredited", "unaccredited", P, method, "p1", *arguments)


def test_the_validator_of_a_project_is_not_its_registrar(chain: Chain) -> None:
    at.open_notice(chain)
    chain.time += NOTICE
    chain.ok("many", P, "validate", "p1", SHARE, HASH)
    chain.refused("registrar-is-validator", "many", P, "register", "p1")
    chain.ok("bob", at.L, "claim", "p1", 0)
    chain.ok("registry", P, "register", "p1")
    chain.refused("registrar-is-validator", "many", P, "suspend", "p1", "fire")


def test_a_validator_is_accredited_and_neither_owner_nor_registrar(chain: Chain) -> None:
    at.submit(chain)
    chain.ok("many", P, "open_notice", "p1")
    chain.time += NOTICE
    chain.refused("registrar-is-validator", "many", P, "validate", "p1", SHARE, HASH)
    chain.refused("not-a-verifier", "registry", P, "validate", "p1", SHARE, HASH)
    chain.refused("not-accredited", "unaccredited", P, "validate", "p1", SHARE, HASH)
    at.open_notice(chain, "p2", "many")
    chain.time += NOTICE
    chain.refused("validator-is-owner", "many", P, "validate", "p2", SHARE, HASH)


def test_a_regulator_supervises_all_projects_but_its_own(chain: Chain) -> None:
    chain.ok("regulator", "identity", "add_role", "regulator", "project-owner")
    at.register(chain, owner="regulator")
    chain.refused("registrar-is-owner", "regulator", P, "suspend", "p1", "fire")
    chain.ok("regulator-two", P, "suspend", "p1", "fire")


def test_validation_says_what_share_covers_the_risk(chain: Chain) -> None:
    at.open_notice(chain)
    chain.time += NOTICE
    for share in (-1, 0, 10_001):
        chain.refused("bad-share", "verifier", P, "validate", "p1", share, HASH)
    chain.refused("bad-hash", "verifier", P, "validate", "p1", SHARE, b"")
    chain.ok("verifier", P, "validate", "p1", 10_000, HASH)
    assert chain.view(P, "get_project", "p1")[SHARE_AT] == 10_000


def test_what_cannot_be_reversed_needs_no_share(chain: Chain) -> None:
    arguments = list(DRAFT)
    arguments[3] = ["energy", "methane"]
    chain.ok("owner", P, "draft", "p1", *arguments)
    chain.ok("owner", P, "submit", "p1")
    chain.ok("registry", P, "open_notice", "p1")
    chain.time += NOTICE
    chain.ok("verifier", P, "validate", "p1", 0, HASH)


def test_public_notice_runs_its_time_and_takes_comments_meanwhile(chain: Chain) -> None:
    assert chain.view(P, "get_notice_seconds") == NOTICE
    at.submit(chain)
    chain.refused("project-submitted", "bob", P, "comment", "p1", HASH)
    chain.ok("registry", P, "open_notice", "p1")
    until = chain.time + NOTICE
    assert chain.view(P, "get_project", "p1")[17] == until
    chain.refused("bad-hash", "bob", P, "comment", "p1", b"text")
    chain.time = until - 2
    chain.ok("bob", P, "comment", "p1", HASH)
    assert [(event.name, event.values[1]) for event in chain.events] == [("Commented", "bob")]
    chain.time = until - 2
    chain.refused("notice-running", "verifier", P, "validate", "p1", SHARE, HASH)
    chain.refused("notice-over", "bob", P, "comment", "p1", HASH)
    chain.ok("verifier", P, "validate", "p1", SHARE, HASH)


def test_the_notice_is_set_once_by_the_authority(chain: Chain) -> None:
    chain.refused("not-authority", "regulator", P, "connect", 0)
    genesis = chain.genesis
    again = next(call for call in genesis.calls if call.call.contract == P)
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=(*genesis.calls, again)))
    assert caught.value.values_seen["outcome_code"] == "already-connected"


@pytest.mark.parametrize("seconds", [-1, 31_536_001])
def test_a_genesis_with_a_notice_out_of_range_does_not_execute(seconds: int) -> None:
    with pytest.raises(GenesisError) as caught:
        at.make_project_chain(seconds)
    assert caught.value.values_seen["outcome_code"] == "bad-notice"


def test_a_project_of_a_revoked_owner_is_not_registered(chain: Chain) -> None:
    at.validate(chain)
    chain.ok("regulator", "identity", "revoke", "owner", "gone")
    chain.refused("no-owner", "registry", P, "register", "p1")


def test_completion_waits_for_the_end_of_the_crediting_period(chain: Chain) -> None:
    at.register(chain)
    chain.time = TO - 2
    chain.refused("crediting-running", "registry", P, "complete", "p1")
    chain.time = TO - 1
    chain.ok("registry", P, "complete", "p1")
    assert chain.view(P, "get_project", "p1")[19] == TO


@pytest.mark.parametrize(
    ("sender", "method", "long"),
    [
        ("regulator", "suspend", 257),
        ("owner", "withdraw", 257),
        ("regulator", "deregister", 257),
        ("registry", "transition", 129),
    ],
)
def test_a_reason_is_a_short_text(chain: Chain, sender: str, method: str, long: int) -> None:
    at.register(chain)
    chain.refused("bad-text", sender, P, method, "p1", "")
    chain.refused("bad-text", sender, P, method, "p1", "x" * long)
    chain.ok(sender, P, method, "p1", "x" * (long - 1))


def test_only_what_a_registered_project_did_in_its_crediting_period_is_creditable(
    chain: Chain,
) -> None:
    at.draft(chain)
    chain.view_refused("project-not-registered", P, "check_creditable", "p1", FROM, TO)
    at.register(chain, "p2")
    chain.view(P, "check_creditable", "p2", FROM, TO)
    chain.view(P, "check_creditable", "p2", TO - 1, TO)
    chain.view_refused("bad-period", P, "check_creditable", "p2", FROM, FROM)
    for time_from, time_to in ((FROM - 1, TO), (FROM, TO + 1), (TO, TO + 1), (FROM - 9, FROM)):
        code = "outside-crediting-period"
        chain.view_refused(code, P, "check_creditable", "p2", time_from, time_to)
    chain.ok("regulator", P, "suspend", "p2", "fire")
    chain.view_refused("project-not-registered", P, "check_creditable", "p2", FROM, TO)
    chain.ok("regulator", P, "reinstate", "p2")
    chain.view(P, "check_creditable", "p2", FROM, TO)


def test_another_registrys_project_is_recorded_once_and_never_credited_here(chain: Chain) -> None:
    chain.ok("registry", P, "record_imported", "acr.1", *IMPORTED)
    found = chain.view(P, "get_project", "acr.1")
    assert found[:2] == ["alice", "registered"]
    assert found[7:13] == ["import:ACR", ["biomass"], "ACR", "ACR123", "", "registry"]
    assert chain.view(P, "get_imported", "ACR", "ACR123") == "acr.1"
    assert chain.view(P, "get_imported", "ACR", "ACR124") == ""
    chain.refused("already-imported", "registry", P, "record_imported", "acr.2", *IMPORTED)
    chain.view_refused("project-imported", P, "check_creditable", "acr.1", FROM, TO)
    # Its owner here only holds units: who records the import says when it ends.
    chain.refused("not-a-registry", "alice", P, "withdraw", "acr.1", "sold")
    chain.ok("registry", P, "withdraw", "acr.1", "left")


@pytest.mark.parametrize(
    ("code", "place", "value"),
    [
        ("bad-id", 0, "A CR"),
        ("not-accredited", 0, "VCS"),
        ("bad-text", 1, ""),
        ("bad-text", 1, "x" * 129),
        ("no-owner", 2, "nobody"),
        ("registrar-is-owner", 2, "registry"),
        ("bad-region", 3, "us"),
        ("bad-id", 4, ""),
        ("bad-claims", 5, ["fame"]),
        ("bad-period", 7, FROM),
        ("bad-hash", 8, b""),
        ("bad-hash", 9, b""),
    ],
)
def test_an_imported_project_names_what_is_wrong_with_it(
    chain: Chain, code: str, place: int, value: Any
) -> None:
    arguments = list(IMPORTED)
    arguments[place] = value
    chain.refused(code, "registry", P, "record_imported", "acr.1", *arguments)


def test_only_a_registry_records_an_import(chain: Chain) -> None:
    chain.refused("not-a-registry", "alice", P, "record_imported", "acr.1", *IMPORTED)


def test_projects_are_listed_by_id_and_by_owner(chain: Chain) -> None:
    for number in range(3):
        at.draft(chain, f"p{number}")
    at.draft(chain, "p3", "rival")
    assert chain.view(P, "list_projects", "", 2) == ["p0", "p1"]
    assert chain.view(P, "list_projects", "p1", 100) == ["p2", "p3"]
    assert chain.view(P, "projects_of", "owner", "p0", 100) == ["p1", "p2"]
    assert chain.view(P, "projects_of", "rival", "", 1) == ["p3"]
    for limit in (0, 101):
        chain.view_refused("bad-limit", P, "list_projects", "", limit)
        chain.view_refused("bad-limit", P, "projects_of", "owner", "", limit)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.method)
def test_a_project_that_nobody_drafted_is_not_there(chain: Chain, step: Step) -> None:
    chain.refused("no-project", step.sender, P, step.method, "p9", *step.arguments)


def test_nobody_asks_about_a_project_that_is_not_there(chain: Chain) -> None:
    chain.refused("no-project", "bob", P, "comment", "p9", HASH)
    chain.view_refused("no-project", P, "get_project", "p9")
    chain.view_refused("no-project", P, "check_creditable", "p9", FROM, TO)
