"""Ways to more units than were measured, and to spoil others' reports: each was open once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.carbon_chain import DAY, HASH, START_SECONDS, Chain
from tests.unit.vm.meters import BEGAN, METER, QUARTER_S, batch_of, make_readings, submit
from tests.unit.vm.methodology_chain import decide
from tests.unit.vm.mrv_chain import (
    NOTICE,
    PERIOD,
    PLANT,
    PROJECT,
    SINK,
    R,
    approve,
    begin,
    check_report,
    energy,
    fork,
    get,
    make_mrv_chain,
    on_plant,
    open_report,
    publish,
    quantity,
)

NEXT = {"period_from": PERIOD[1], "period_to": PERIOD[1] + DAY}


@pytest.fixture(scope="module")
def base() -> Chain:
    """With a second project of the same owner, and the meter's second day in three batches."""
    chain = make_mrv_chain()
    chain.ok("owner", "projects", "draft", "p2", "CN-FJ", SINK, "forest", ["energy"],
             START_SECONDS - 400 * DAY, START_SECONDS + 200 * DAY, HASH)  # fmt: skip
    chain.ok("owner", "projects", "submit", "p2")
    chain.ok("registry", "projects", "open_notice", "p2")
    chain.time += NOTICE
    chain.ok("verifier", "projects", "validate", "p2", 0, HASH)
    chain.ok("registry", "projects", "register", "p2")
    for first, count in ((97, 10), (107, 10), (117, 76)):
        began = BEGAN + (first - 1) * QUARTER_S
        submit(chain, batch_of(chain, make_readings(count, first, began)))
    return chain


@pytest.fixture
def chain(base: Chain) -> Chain:
    return fork(base)


def lend(chain: Chain, report: str = "plant") -> list[Any]:
    """The figure of an approved report, as an input of another."""
    return quantity("less", get(chain, report, "verified_grams"), f"report:{report}", "g")


def little(chain: Chain, subject: str) -> list[Any]:
    """One Wh of the subject's own, since the method wants some energy."""
    name = f"little-{subject}"
    given = (name, subject, "bought", 1, 0, "Wh", PERIOD[0], PERIOD[1], HASH)
    chain.ok("metering", "devices", "submit_activity", *given)
    return quantity("energy", 1, f"activity:{name}")


def fill(chain: Chain, report: str, *inputs: list[Any]) -> None:
    """From an opened report to the end of its public notice, verified as computed."""
    chain.ok("metering", R, "submit", report, list(inputs))
    chain.ok("bob", R, "check", report)
    chain.ok("verifier", R, "begin_verification", report)
    chain.ok("verifier", R, "verify", report, get(chain, report, "computed_grams"), HASH)
    chain.ok("registry", R, "publish", report)
    chain.time += NOTICE


def finish(chain: Chain, report: str, *inputs: list[Any]) -> None:
    fill(chain, report, *inputs)
    chain.ok("regulator", R, "approve", report)


# --- readings used twice


def test_a_run_nested_in_anothers_does_not_hide_it(chain: Chain) -> None:
    inner = ["lost", *energy(chain, 107, 116)[1:]]
    open_report(chain, "r1", **NEXT)
    finish(chain, "r1", energy(chain, 97, 192), inner)
    assert {chain.view(R, "get_use", METER, n) for n in range(97, 193)} == {"r1"}
    open_report(chain, "r2", subject="p2", **NEXT)
    for first, last in ((97, 106), (107, 116), (117, 192)):
        given = [energy(chain, first, last)]
        chain.refused("readings-used", "metering", R, "submit", "r2", given)


def test_nested_runs_are_free_again_together(chain: Chain) -> None:
    inner = ["lost", *energy(chain, 107, 116)[1:]]
    publish_nothing = {"subject": "p2", **NEXT}
    open_report(chain, "r1", **publish_nothing)
    chain.ok("metering", R, "submit", "r1", [inner, energy(chain, 97, 192)])
    chain.ok("bob", R, "check", "r1")
    chain.ok("verifier", R, "begin_verification", "r1")
    chain.ok("verifier", R, "verify", "r1", 0, HASH)
    chain.ok("registry", R, "publish", "r1")
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", "r1")
    assert chain.view(R, "get_use", METER, 110) == "r1"
    chain.ok("regulator", R, "invalidate", "r1", "wrong")
    assert {chain.view(R, "get_use", METER, n) for n in range(97, 193)} == {""}


def test_readings_below_a_report_that_a_project_took_carry_no_other_project(chain: Chain) -> None:
    approve(chain, "plant", **on_plant())
    less = lend(chain)
    open_report(chain, "r2", subject="p2")
    open_report(chain, "r1")
    honest = fork(chain)
    finish(chain, "r1", little(chain, PROJECT), less)
    assert chain.view(R, "get_use", METER, 50) == "r1"
    chain.refused("readings-used", "metering", R, "submit", "r2", [energy(chain)])
    # The same report is no better than its readings.
    fill(chain, "r2", little(chain, "p2"), less)
    chain.refused("readings-used", "regulator", R, "approve", "r2")
    # One project that takes both, the meter and the report on it, counts as one.
    finish(honest, "r1", energy(honest), less)
    assert get(honest, "r1", "status") == "issued"


def test_an_activity_below_two_reports_carries_one_projects_credits(chain: Chain) -> None:
    coal = little(chain, PLANT)
    open_report(chain, "one", **on_plant())
    finish(chain, "one", coal)
    open_report(chain, "r1")
    finish(chain, "r1", little(chain, PROJECT), lend(chain, "one"))
    open_report(chain, "two", **on_plant(supersedes="one"))
    finish(chain, "two", coal)
    open_report(chain, "r2", subject="p2")
    fill(chain, "r2", little(chain, "p2"), lend(chain, "two"))
    chain.refused("readings-used", "regulator", R, "approve", "r2")
    # Free again with the report that used it.
    chain.ok("regulator", R, "invalidate", "r1", "wrong")
    chain.ok("regulator", R, "approve", "r2")


def test_what_a_project_got_units_for_is_no_input_of_another_project(chain: Chain) -> None:
    approve(chain)
    open_report(chain, "r2", subject="p2")
    chain.refused("bad-reference", "metering", R, "submit", "r2", [lend(chain, "r1")])


def test_reports_on_reports_hide_no_readings_from_a_project(chain: Chain) -> None:
    approve(chain, "plant", **on_plant())
    chain.ok("owner", "devices", "register_installation", "shell", "metering", "CN-31", HASH)
    open_report(chain, "shell", **on_plant(subject="shell"))
    finish(chain, "shell", little(chain, "shell"), lend(chain))
    open_report(chain)
    chain.refused("bad-reference", "metering", R, "submit", "r1", [lend(chain, "shell")])


# --- figures that are not what they were


def test_an_input_that_was_invalidated_meanwhile_is_none(chain: Chain) -> None:
    approve(chain, "plant", **on_plant())
    open_report(chain)
    fill(chain, "r1", energy(chain), lend(chain))
    chain.ok("regulator", R, "invalidate", "plant", "wrong")
    chain.refused("report-not-approved", "regulator", R, "approve", "r1")


def test_a_figure_that_a_verifier_raised_is_flagged_where_it_may_be_a_baseline(
    chain: Chain,
) -> None:
    publish(chain, "plant", 10**9, **on_plant())
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", "plant")
    open_report(chain)
    chain.ok("metering", R, "submit", "r1", [energy(chain), lend(chain)])
    chain.ok("bob", R, "check", "r1")
    assert "raised-figure:less" in chain.view(R, "get_flags", "r1")


def test_no_verified_figure_is_so_large_that_the_next_report_overflows(chain: Chain) -> None:
    most = 10**30
    begin(chain, "plant", **on_plant())
    for grams in (most + 1, 1 << 254):
        chain.refused("bad-amount", "verifier", R, "verify", "plant", grams, HASH)
    chain.ok("verifier", R, "verify", "plant", most, HASH)
    begin(chain, "r1")
    chain.refused("bad-amount", "verifier", R, "verify", "r1", -most - 1, HASH)
    chain.ok("verifier", R, "verify", "r1", -most, HASH)


@pytest.mark.parametrize(("gap", "flagged"), [(0, True), (QUARTER_S, True), (DAY, True)])
def test_a_gap_before_a_report_hides_no_leap(chain: Chain, gap: int, flagged: bool) -> None:
    approve(chain, grams=1_000)
    start = PERIOD[1] + gap
    submit(chain, batch_of(chain, make_readings(96, 193, BEGAN + 2 * DAY)))
    first = 97 if gap == 0 else 117 if gap == QUARTER_S else 193
    later = {"period_from": start, "period_to": max(start + DAY, BEGAN + 2 * DAY)}
    check_report(chain, "r2", energy(chain, first, 192 if gap < DAY else 288), **later)
    assert ("year-on-year" in chain.view(R, "get_flags", "r2")) is flagged


def test_imports_do_not_pass_for_units_of_a_project_of_this_chain(chain: Chain) -> None:
    def make(project: str, key: str) -> tuple[Any, ...]:
        batch = f"b-{key}"
        given = (batch, project, 2020, "alice", 0, 5, 5, 0, HASH, "line", key)
        return ("registry", "units", "issue_imported", "ACR", *given)

    chain.refused("project-mismatch", *make(PROJECT, "1"))
    chain.ok(*make("ACR7", "1"))
    terms = ("alice", "US-CA", "acr", ["energy"], BEGAN, BEGAN + DAY, HASH, HASH)
    chain.ok("registry", "projects", "record_imported", "a7", "ACR", "7", *terms)
    chain.ok(*make("a7", "2"))


# --- debts


@pytest.mark.parametrize("debt", ["reversal-open", "make-good-due"])
def test_a_project_that_owes_gets_no_units_by_hand(chain: Chain, debt: str) -> None:
    approve(chain)
    chain.ok("verifier", "units", "attest", "a", PROJECT, 2023, "forest", 9, "owner", HASH)
    issue = ("registry", "units", "issue", "by-hand", "a", 0, 9, 9, 0)
    if debt == "reversal-open":
        loss = ("x", PROJECT, "intentional", chain.time, 5, HASH)
        chain.ok("owner", "buffer", "report_reversal", *loss)
    else:
        chain.ok("regulator", R, "invalidate", "r1", "wrong")
    chain.refused(debt, *issue)
    if debt == "reversal-open":
        chain.ok("verifier", "buffer", "verify_reversal", "x", "intentional", 0, HASH)
        chain.ok(*issue)


# --- duties


def test_who_holds_a_projects_units_does_not_dismiss_its_reversal(chain: Chain) -> None:
    approve(chain)
    loss = ("x", PROJECT, "intentional", chain.time, 5, HASH)
    chain.ok("regulator", "buffer", "report_reversal", *loss)
    holding = fork(chain)
    move = ("units", "transfer", "mrv.r1", 0, 10, "verifier-two")
    holding.ok("owner", *move)
    dismiss = ("buffer", "verify_reversal", "x", "intentional", 0, HASH)
    holding.refused("verifier-holds", "verifier-two", *dismiss)
    chain.ok("verifier-two", *dismiss)
    chain.refused("verifier-holds", "owner", *move)


def test_a_methodology_withdrawn_meanwhile_issues_nothing(chain: Chain) -> None:
    publish(chain)
    chain.time += NOTICE
    assert decide(chain, SINK, 1, False).status == "ok"
    chain.refused("not-active", "regulator", R, "approve", "r1")


@pytest.mark.parametrize(
    ("code", "organisation"), [("not-a-verifier", "verifier"), ("not-an-issuer", "registry")]
)
def test_who_was_suspended_since_it_signed_issues_nothing(
    chain: Chain, code: str, organisation: str
) -> None:
    publish(chain)
    chain.time += NOTICE
    chain.ok("regulator", "identity", "suspend", organisation, "bribed")
    chain.refused(code, "regulator", R, "approve", "r1")
    chain.ok("regulator", "identity", "reinstate", organisation)
    chain.ok("regulator", R, "approve", "r1")


def test_a_verifier_neither_holds_nor_buys_while_it_verifies(chain: Chain) -> None:
    approve(chain)
    check_report(chain, "r2", energy(chain, 97, 192), **NEXT)
    holding = fork(chain)
    holding.ok("owner", "units", "transfer", "mrv.r1", 0, 10, "verifier-two")
    holding.refused("verifier-holds", "verifier-two", R, "begin_verification", "r2")
    chain.ok("verifier-two", R, "begin_verification", "r2")
    units = ("units", "transfer", "mrv.r1", 0, 10, "verifier-two")
    chain.refused("verifier-holds", "owner", *units)
    chain.refused("not-mrv", "registry", "units", "bar_verifier", "verifier-two", PROJECT)
