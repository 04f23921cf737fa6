"""The life of a report: every step that may be taken, every one that may not, and what
it issues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.vm.carbon_chain import HASH, Chain
from tests.unit.vm.meters import BEGAN, QUARTER_S
from tests.unit.vm.mrv_chain import (
    NOTICE,
    PERIOD,
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
    make_terms,
    on_plant,
    open_report,
    publish,
    submit_report,
    verify,
)

TOTAL_WH = 96 * 3_170 + 96 * 97 // 2
"""Of the meter's day, by the formula of its readings."""
GRAMS = 10 * TOTAL_WH
NET_KG = GRAMS // 1000
BUFFER_KG = -(-NET_KG * 2_000 // 10_000)
BATCH = "mrv.r1"


@pytest.fixture(scope="module")
def base() -> Chain:
    return make_mrv_chain()


@pytest.fixture
def chain(base: Chain) -> Chain:
    return fork(base)


# --- the state machine


def request_changes(chain: Chain) -> None:
    begin(chain)
    chain.ok("verifier", R, "request_changes", "r1", "a reading is missing")


def reject(chain: Chain) -> None:
    verify(chain)
    chain.ok("regulator", R, "reject", "r1", "not additional")


def invalidate(chain: Chain) -> None:
    approve(chain)
    chain.ok("regulator", R, "invalidate", "r1", "the meter was tampered with")


STATES: dict[str, Callable[[Chain], None]] = {
    "draft": open_report,
    "submitted": submit_report,
    "auto-checked": check_report,
    "under-verification": begin,
    "changes-requested": request_changes,
    "verified": verify,
    "public-notice": publish,
    "approved": lambda chain: approve(chain, grams=999),
    "issued": approve,
    "rejected": reject,
    "invalidated": invalidate,
}
OPEN = {name for name in STATES if name not in {"approved", "issued", "rejected", "invalidated"}}

Action = tuple[str, tuple[Any, ...], set[str], str]
"""Who, with what after the report's id, from which states, to which ('' = stays)."""
ACTIONS: dict[str, Action] = {
    "submit": ("metering", ("energy",), {"draft", "changes-requested"}, "submitted"),
    "check": ("bob", (), {"submitted"}, "auto-checked"),
    "begin_verification": ("verifier", (), {"auto-checked"}, "under-verification"),
    "request_changes": ("verifier", ("why",), {"under-verification"}, "changes-requested"),
    "verify": ("verifier", (999, HASH), {"under-verification"}, "verified"),
    "publish": ("registry", (), {"verified"}, "public-notice"),
    "comment": ("bob", (HASH,), {"public-notice"}, ""),
    "approve": ("regulator", (), {"public-notice"}, "issued"),
    "reject": ("regulator", ("why",), OPEN, "rejected"),
    "invalidate": ("regulator", ("why",), {"approved", "issued"}, "invalidated"),
    "make_good": ("owner", (1,), {"invalidated"}, ""),
}


@pytest.mark.parametrize("state", STATES)
def test_from_each_state_the_steps_of_the_design_and_no_others(chain: Chain, state: str) -> None:
    STATES[state](chain)
    assert get(chain, "r1", "status") == state
    inputs = [energy(chain)]
    taken = set()
    for method, (sender, arguments, allowed, after) in ACTIONS.items():
        other = fork(chain)
        given = [inputs if item == "energy" else item for item in arguments]
        if state not in allowed:
            other.refused(f"report-{state}", sender, R, method, "r1", *given)
            continue
        if method == "approve":
            other.time += NOTICE
        if method == "make_good":
            other.ok("owner", "retirement", "cancel", BATCH, 0, 1, "make-good:r1")
        other.ok(sender, R, method, "r1", *given)
        assert get(other, "r1", "status") == (after or state)
        taken.add(method)
    assert taken == {method for method, action in ACTIONS.items() if state in action[2]}


def test_every_step_of_a_life_is_told(chain: Chain) -> None:
    seen = []
    for step in (
        lambda: chain.ok("owner", R, "open_report", *make_terms()),
        lambda: chain.ok("metering", R, "submit", "r1", [energy(chain)]),
        lambda: chain.ok("bob", R, "check", "r1"),
        lambda: chain.ok("verifier", R, "begin_verification", "r1"),
        lambda: chain.ok("verifier", R, "verify", "r1", GRAMS, HASH),
        lambda: chain.ok("registry", R, "publish", "r1"),
    ):
        step()
        seen += [(event.contract, event.name) for event in chain.events]
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", "r1")
    seen += [(event.contract, event.name) for event in chain.events]
    assert seen == [
        (R, "Opened"), (R, "StatusChanged"), (R, "StatusChanged"), (R, "Computed"),
        (R, "StatusChanged"), (R, "StatusChanged"), (R, "StatusChanged"), (R, "StatusChanged"),
        ("units", "Attested"), ("units", "Issued"), ("buffer", "Contributed"), (R, "StatusChanged"),
    ]  # fmt: skip


# --- computed, and issued


def test_an_approved_report_issues_its_net_with_the_buffers_share_by_itself(chain: Chain) -> None:
    approve(chain)
    assert get(chain, "r1", "computed_grams") == get(chain, "r1", "verified_grams") == GRAMS
    assert get(chain, "r1", "issued_kg") == NET_KG and get(chain, "r1", "buffer_kg") == BUFFER_KG
    own = NET_KG - BUFFER_KG
    assert chain.view("units", "balance_of", "owner", BATCH) == own
    assert chain.view("units", "balance_of", "buffer", BATCH) == BUFFER_KG
    assert chain.view("units", "get_lot_at", BATCH, own - 1)[2:4] == ["owner", "active"]
    assert chain.view("units", "get_lot_at", BATCH, own)[2:4] == ["buffer", "buffer"]
    batch = chain.view("units", "get_batch", BATCH)
    assert batch[:5] == [PROJECT, 2023, "registry", "verifier", "owner"]
    assert chain.view("units", "get_totals", BATCH) == [NET_KG, NET_KG, BUFFER_KG, 0, 0, 0]
    assert chain.view("units", "total") == [NET_KG, NET_KG, BUFFER_KG, 0, 0, 0]
    assert chain.view("buffer", "get_account", PROJECT) == [NET_KG, BUFFER_KG, 0, 0]
    # Nothing is left to issue against it, and its name was never free.
    chain.refused("above-verified", "registry", "units", "issue", "b", BATCH, 9000, 9001, 1, 0)


@pytest.mark.parametrize(
    ("grams", "net_kg", "buffer_kg"),
    [(999, 0, 0), (0, 0, 0), (-5_000, 0, 0), (1_000, 1, 1), (1_999, 1, 1), (10_001, 10, 2)],
)
def test_units_round_down_and_the_buffer_up(
    chain: Chain, grams: int, net_kg: int, buffer_kg: int
) -> None:
    approve(chain, grams=grams)
    assert get(chain, "r1", "status") == ("issued" if net_kg else "approved")
    assert get(chain, "r1", "issued_kg") == net_kg
    assert chain.view("units", "balance_of", "buffer", BATCH) == buffer_kg
    assert chain.view("units", "balance_of", "owner", BATCH) == net_kg - buffer_kg


def test_a_report_of_emissions_is_approved_and_issues_nothing(chain: Chain) -> None:
    approve(chain, **on_plant())
    assert get(chain, "r1", "status") == "approved"
    assert get(chain, "r1", "verified_grams") == 2 * TOTAL_WH
    assert chain.view("units", "total")[1] == 0


def test_a_suspended_owner_or_project_gets_nothing_until_it_is_back(chain: Chain) -> None:
    publish(chain)
    chain.time += NOTICE
    chain.ok("regulator", "projects", "suspend", PROJECT, "fire")
    chain.refused("project-not-registered", "regulator", R, "approve", "r1")
    chain.ok("regulator", "projects", "reinstate", PROJECT)
    chain.ok("regulator", "identity", "suspend", "owner", "fraud")
    chain.refused("no-receiver", "regulator", R, "approve", "r1")
    chain.ok("regulator", "identity", "reinstate", "owner")
    chain.ok("regulator", R, "approve", "r1")


def test_only_mrv_issues_by_report_and_nobody_takes_its_batches_names(chain: Chain) -> None:
    terms = ("x", PROJECT, 2024, "forest", 5, 1, "owner", "verifier", "registry", HASH)
    for sender in ("registry", "verifier", "regulator"):
        chain.refused("not-mrv", sender, "units", "issue_report", *terms)
    attest = ("units", "attest", BATCH, PROJECT, 2024, "forest", 5, "owner", HASH)
    chain.refused("reserved-id", "verifier", *attest)
    chain.ok("verifier", "units", "attest", "x", PROJECT, 2024, "forest", 5, "owner", HASH)
    chain.refused("reserved-id", "registry", "units", "issue", BATCH, "x", 0, 5, 5, 0)
    imported = ("ACR", BATCH, "p", 2020, "alice", 0, 5, 5, 0, HASH, "line 1", "k")
    chain.refused("reserved-id", "registry", "units", "issue_imported", *imported)


def test_the_authority_alone_connects_the_contracts(chain: Chain) -> None:
    chain.refused("not-authority", "regulator", "units", "connect_mrv", HASH)
    chain.refused("not-authority", "regulator", R, "connect", 5)


# --- restated


def restate(chain: Chain, grams: int, report: str = "r2", old: str = "r1") -> None:
    open_report(chain, report, supersedes=old)
    chain.ok("metering", R, "submit", report, [energy(chain)])
    chain.ok("bob", R, "check", report)
    chain.ok("verifier", R, "begin_verification", report)
    chain.ok("verifier", R, "verify", report, grams, HASH)
    chain.ok("registry", R, "publish", report)
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", report)


def test_a_restatement_upwards_issues_the_difference_alone(chain: Chain) -> None:
    approve(chain, grams=1_000_000)
    restate(chain, 1_500_000)
    assert get(chain, "r1", "status") == "invalidated" and get(chain, "r1", "due_kg") == 0
    assert get(chain, "r1", "superseded_by") == "r2"
    assert get(chain, "r2", "status") == "issued" and get(chain, "r2", "issued_kg") == 1_500
    assert chain.view("units", "total")[1:3] == [1_500, 300]
    assert chain.view("units", "get_totals", "mrv.r2")[1] == 500
    assert chain.view(R, "get_report_at", PROJECT, SINK, BEGAN) == "r2"
    assert chain.view(R, "get_use", "meter-1", 50) == "r2"


def test_a_restatement_downwards_is_made_good(chain: Chain) -> None:
    approve(chain, grams=1_000_000)
    restate(chain, 400_000)
    assert get(chain, "r1", "due_kg") == 600
    assert get(chain, "r2", "status") == "issued" and get(chain, "r2", "issued_kg") == 400
    assert chain.view("units", "total")[1] == 1_000
    number = chain.ok("owner", "retirement", "cancel", BATCH, 0, 600, "make-good:r1")
    chain.ok("owner", R, "make_good", "r1", number)
    assert get(chain, "r1", "made_good_kg") == 600
    chain.refused("nothing-due", "owner", R, "make_good", "r1", number)
    # The period still is the new report's.
    assert chain.view(R, "get_report_at", PROJECT, SINK, BEGAN) == "r2"


def test_a_restatement_of_a_restatement_counts_what_both_issued(chain: Chain) -> None:
    approve(chain, grams=1_000_000)
    restate(chain, 1_500_000)
    restate(chain, 1_600_000, "r3", "r2")
    assert chain.view("units", "total")[1] == 1_600
    restate(chain, 0, "r4", "r3")
    assert get(chain, "r3", "due_kg") == 1_600 and get(chain, "r4", "status") == "approved"


def test_emissions_are_restated_too(chain: Chain) -> None:
    approve(chain, **on_plant())
    open_report(chain, "r2", supersedes="r1", **on_plant())
    chain.ok("metering", R, "submit", "r2", [energy(chain)])
    chain.ok("bob", R, "check", "r2")
    chain.ok("verifier", R, "begin_verification", "r2")
    chain.ok("verifier", R, "verify", "r2", 3 * TOTAL_WH, HASH)
    chain.ok("registry", R, "publish", "r2")
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", "r2")
    assert get(chain, "r1", "status") == "invalidated" and get(chain, "r1", "due_kg") == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"period_to": PERIOD[1] - QUARTER_S},
        {"period_from": PERIOD[0] + QUARTER_S},
        {"kind": "installation", "subject": "steel-plant", "methodology": "doubling"},
    ],
)
def test_a_restatement_is_of_the_same_thing(chain: Chain, changes: dict[str, Any]) -> None:
    approve(chain)
    terms = make_terms("r2", supersedes="r1", **changes)
    chain.refused("restatement-mismatch", "owner", R, "open_report", *terms)


def test_a_report_is_restated_once_at_a_time(chain: Chain) -> None:
    chain.refused("no-report", "owner", R, "open_report", *make_terms("r2", supersedes="r1"))
    publish(chain)
    again = make_terms("r2", supersedes="r1")
    chain.refused("not-restatable", "owner", R, "open_report", *again)
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", "r1")
    chain.ok("owner", R, "open_report", *again)
    chain.refused("already-restated", "owner", R, "open_report", *make_terms("r3", supersedes="r1"))
    chain.ok("regulator", R, "reject", "r2", "no ground")
    chain.ok("owner", R, "open_report", *make_terms("r3", supersedes="r1"))
    assert get(chain, "r1", "status") == "issued"


def test_what_was_invalidated_meanwhile_is_not_restated(chain: Chain) -> None:
    approve(chain, grams=1_000_000)
    open_report(chain, "r2", supersedes="r1")
    chain.ok("metering", R, "submit", "r2", [energy(chain)])
    chain.ok("bob", R, "check", "r2")
    chain.ok("verifier", R, "begin_verification", "r2")
    chain.ok("verifier", R, "verify", "r2", 500_000, HASH)
    chain.ok("registry", R, "publish", "r2")
    chain.ok("regulator", R, "invalidate", "r1", "fraud")
    chain.time += NOTICE
    chain.refused("not-restatable", "regulator", R, "approve", "r2")


def test_a_project_that_owes_gets_nothing_more_until_it_has_made_good(chain: Chain) -> None:
    """Else down and up again would leave the owner with what was never removed."""
    approve(chain, grams=1_000_000)
    restate(chain, 400_000)
    assert chain.view(R, "get_due", PROJECT) == 600
    chain.ok("owner", R, "open_report", *make_terms("r3", supersedes="r2"))
    chain.ok("metering", R, "submit", "r3", [energy(chain)])
    chain.ok("bob", R, "check", "r3")
    chain.ok("verifier", R, "begin_verification", "r3")
    chain.ok("verifier", R, "verify", "r3", 900_000, HASH)
    chain.ok("registry", R, "publish", "r3")
    chain.time += NOTICE
    chain.refused("make-good-due", "regulator", R, "approve", "r3")
    part = chain.ok("owner", "retirement", "cancel", BATCH, 0, 500, "make-good:r1")
    chain.ok("owner", R, "make_good", "r1", part)
    assert chain.view(R, "get_due", PROJECT) == 100
    chain.refused("make-good-due", "regulator", R, "approve", "r3")
    # More than is due pays what is due, and no more than that.
    rest = chain.ok("owner", "retirement", "cancel", BATCH, 500, 750, "make-good:r1")
    chain.ok("owner", R, "make_good", "r1", rest)
    assert chain.view(R, "get_due", PROJECT) == 0
    chain.ok("regulator", R, "approve", "r3")
    assert chain.view("units", "total")[1] == 1_500


# --- invalidated and made good


def test_an_invalidated_report_is_made_good_by_cancelling_as_much(chain: Chain) -> None:
    approve(chain, grams=1_000_000)
    chain.ok("regulator", R, "invalidate", "r1", "the meter was tampered with")
    assert get(chain, "r1", "due_kg") == 1_000
    # Its units stay where they are, and the owner has bought others besides.
    chain.ok("registry", "units", "issue_imported", "ACR", "acr", "p", 2020, "owner", 0, 5_000,
             5_000, 0, HASH, "line 1", "k1")  # fmt: skip
    first = chain.ok("owner", "retirement", "cancel", BATCH, 0, 700, "make-good:r1")
    chain.ok("owner", R, "make_good", "r1", first)
    assert chain.view(R, "get_due", PROJECT) == 300
    chain.refused("certificate-used", "bob", R, "make_good", "r1", first)
    chain.refused("period-reported", "owner", R, "open_report", *make_terms("r2"))
    second = chain.ok("owner", "retirement", "cancel", "acr", 0, 300, "make-good:r1")
    chain.ok("bob", R, "make_good", "r1", second)
    assert get(chain, "r1", "made_good_kg") == 1_000
    # Period and readings are free for a report that tells the truth.
    approve(chain, "r2")


def test_only_a_cancellation_by_the_owner_for_this_report_makes_good(chain: Chain) -> None:
    approve(chain, grams=1_000_000)
    chain.ok("regulator", R, "invalidate", "r1", "fraud")
    chain.ok("owner", "units", "transfer", BATCH, 100, 200, "bob")
    retirement = "retirement"
    wrong = [
        chain.ok("owner", retirement, "cancel", BATCH, 0, 10, "make-good:r2"),
        chain.ok("bob", retirement, "cancel", BATCH, 100, 110, "make-good:r1"),
        chain.ok("owner", retirement, "retire", BATCH, 10, 20, "owner", "make-good:r1"),
    ]
    for number in wrong:
        chain.refused("certificate-mismatch", "owner", R, "make_good", "r1", number)
    chain.refused("no-certificate", "owner", R, "make_good", "r1", 99)


def test_a_report_without_units_is_invalidated_and_its_period_free_at_once(chain: Chain) -> None:
    approve(chain, grams=0)
    chain.ok("regulator", R, "invalidate", "r1", "wrong meter")
    chain.refused("nothing-due", "owner", R, "make_good", "r1", 1)
    approve(chain, "r2")


def test_a_regulator_alone_invalidates_and_says_why(chain: Chain) -> None:
    approve(chain)
    chain.refused("not-a-regulator", "verifier", R, "invalidate", "r1", "fraud")
    for reason in ("", "x" * 257):
        chain.refused("bad-text", "regulator", R, "invalidate", "r1", reason)


def test_rejection_frees_the_period(chain: Chain) -> None:
    reject(chain)
    approve(chain, "r2")


def test_one_meter_serves_a_plants_emissions_and_a_projects_credits(chain: Chain) -> None:
    approve(chain)
    approve(chain, "r2", **on_plant())
    assert chain.view(R, "get_use", "meter-1", 1) == "r1"
