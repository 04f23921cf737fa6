"""The contract ``buffer``: contributions, reversals, who makes them good, what is released."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from primitives.errors import GenesisError
from primitives.hashing import compute_contract_address
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import FOREST, HASH, MACHINE, Chain
from tests.unit.vm.project_chain import FROM, TO, P
from vm.executor import execute_genesis

B, U = "buffer", "units"
GROSS, SHARE_KG = 1001, 201
"""20 % of 1001 is 200.2: the buffer's part is rounded up."""
KEPT = GROSS - SHARE_KG


@pytest.fixture
def chain() -> Chain:
    """p1 of ``owner`` and p2 of ``rival`` registered, batches b1 and b2 issued to them."""
    found = at.make_project_chain()
    found.ok("regulator", "identity", "register", "checker", "Checker", "CN", ["verifier"],
             [at.address_of("checker")])  # fmt: skip
    for name in ("checker", "many"):
        arguments = (name, FOREST.scope, FOREST.valid_from, FOREST.valid_until)
        found.ok("regulator", "identity", "accredit", *arguments)
    for project, owner, batch in (("p1", "owner", "b1"), ("p2", "rival", "b2")):
        at.register(found, project, owner)
        issue(found, project, owner, batch)
    return found


def issue(chain: Chain, project: str, owner: str, batch: str, start: int = 0) -> None:
    report = f"report-{batch}-{start}"
    attested = (report, project, 2024, "forest", GROSS, owner, HASH)
    chain.ok("verifier", U, "attest", *attested)
    end = start + GROSS
    chain.ok("registry", U, "issue", batch, report, start, end, GROSS, SHARE_KG)


@pytest.fixture
def pooled(chain: Chain) -> Chain:
    """Both batches' shares are in the pool."""
    for batch in ("b1", "b2"):
        chain.ok("registry", B, "contribute", batch, KEPT, GROSS, GROSS)
    return chain


@pytest.fixture
def lost(pooled: Chain) -> Chain:
    """A verified unintentional reversal r1 of 150 kg in p1, an intentional one r2 of 50 kg."""
    for name, kind, kg in (("r1", "unintentional", 150), ("r2", "intentional", 50)):
        pooled.ok("owner", B, "report_reversal", name, "p1", kind, pooled.time, kg, HASH)
        pooled.ok("checker", B, "verify_reversal", name, kind, kg, HASH)
    return pooled


def test_a_contribution_is_the_share_of_the_gross_rounded_up(pooled: Chain) -> None:
    account = [GROSS, SHARE_KG, 0, 0]
    assert pooled.view(B, "get_account", "p1") == account
    assert pooled.view(B, "total") == [2 * number for number in account]
    assert pooled.view(B, "get_account", "p9") == [0, 0, 0, 0]
    assert pooled.view(B, "contributions_of", "b1", 0, 10) == [[KEPT, "p1", GROSS]]
    assert pooled.view(U, "balance_of", "buffer", "b1") == SHARE_KG
    assert pooled.view(U, "balance_of", "owner", "b1") + SHARE_KG == GROSS
    names = [(event.contract, event.name) for event in pooled.events]
    assert names == [(B, "Contributed")]


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("bad-range", ("b1", -1, GROSS, GROSS)),
        ("bad-range", ("b1", GROSS, GROSS, GROSS)),
        ("bad-amount", ("b1", KEPT, GROSS, 0)),
        ("bad-amount", ("b1", KEPT, GROSS, 10**18 + 1)),
        ("no-batch", ("b9", KEPT, GROSS, GROSS)),
        ("wrong-share", ("b1", KEPT + 1, GROSS, GROSS)),
        ("wrong-share", ("b1", KEPT - 1, GROSS, GROSS)),
        ("above-issued", ("b1", KEPT, GROSS, GROSS + 4)),
        ("not-buffer", ("b1", 0, SHARE_KG, GROSS)),
        ("not-buffer", ("b1", KEPT + 1, GROSS + 1, GROSS)),
        ("no-lot", ("b1", GROSS, GROSS + SHARE_KG, GROSS)),
    ],
)
def test_what_is_not_the_share_is_not_taken_in(chain: Chain, code: str, arguments: Any) -> None:
    chain.refused(code, "registry", B, "contribute", *arguments)


def test_a_contribution_comes_from_the_issuer_once(pooled: Chain) -> None:
    pooled.refused("not-the-issuer", "many", B, "contribute", "b1", KEPT, GROSS, GROSS)
    pooled.refused("above-issued", "registry", B, "contribute", "b1", KEPT, GROSS, GROSS)
    # A second issue of the same batch leaves room in the gross: its own serials count, not others.
    issue(pooled, "p1", "owner", "b1", 2000)
    pooled.refused("already-contributed", "registry", B, "contribute", "b1", KEPT, GROSS, GROSS)
    end = 2000 + GROSS
    pooled.ok("registry", B, "contribute", "b1", end - SHARE_KG, end, GROSS)
    assert pooled.view(B, "get_account", "p1") == [2 * GROSS, 2 * SHARE_KG, 0, 0]


def test_mrv_contributes_what_it_issues(chain: Chain) -> None:
    """The contract of that name needs no key: its address is the sender."""
    genesis = chain.genesis
    (connect,) = (call.call for call in genesis.calls if call.call.contract == B)
    assert connect.arguments == (compute_contract_address("mrv"),)


def test_imported_batches_are_not_pooled(chain: Chain) -> None:
    arguments = ("ACR", "a1", "p9", 2020, "alice", 0, 100, 100, 20, HASH, "ACR-1", "k1")
    chain.ok("registry", U, "issue_imported", *arguments)
    chain.refused("project-imported", "registry", B, "contribute", "a1", 80, 100, 100)


def test_the_parts_are_connected_once_by_the_authority(chain: Chain) -> None:
    address = compute_contract_address("mrv")
    chain.refused("not-authority", "regulator", B, "connect", address)
    chain.refused("not-authority", "regulator", U, "connect_buffer", address)
    genesis = chain.genesis
    for contract, method in ((B, "connect"), (U, "connect_buffer")):
        again = next(
            item
            for item in genesis.calls
            if (item.call.contract, item.call.method) == (contract, method)
        )
        with pytest.raises(GenesisError) as caught:
            execute_genesis(MACHINE, replace(genesis, calls=(*genesis.calls, again)))
        assert caught.value.values_seen["outcome_code"] == "already-connected"


# --- reversals


def test_an_open_reversal_stops_the_crediting_of_its_project_alone(pooled: Chain) -> None:
    pooled.view(P, "check_creditable", "p1", FROM, TO)
    now = pooled.time
    pooled.ok("regulator", B, "report_reversal", "r1", "p1", "unintentional", now, 100, HASH)
    pooled.view_refused("reversal-open", P, "check_creditable", "p1", FROM, TO)
    pooled.view(P, "check_creditable", "p2", FROM, TO)
    assert pooled.view(B, "count_open", "p1") == 1
    pooled.ok("checker", B, "verify_reversal", "r1", "unintentional", 0, HASH)
    assert pooled.view(B, "get_reversal", "r1")[2] == "dismissed"
    assert pooled.view(B, "count_open", "p1") == 0
    pooled.view(P, "check_creditable", "p1", FROM, TO)


def test_a_project_that_owes_does_not_leave_but_is_put_out(lost: Chain) -> None:
    lost.refused("reversal-open", "owner", P, "withdraw", "p1", "sold")
    lost.refused("reversal-open", "registry", P, "transition", "p1", "elsewhere")
    lost.time = TO
    lost.refused("reversal-open", "registry", P, "complete", "p1")
    lost.ok("regulator", P, "deregister", "p1", "fraud")
    # It owes all the same.
    lost.ok("registry", B, "make_good", "r1", [["b1", KEPT, KEPT + 150]])


@pytest.mark.parametrize(
    ("code", "sender", "place", "value"),
    [
        ("bad-id", "owner", 0, "x" * 65),
        ("bad-id", "owner", 0, "no spaces"),
        ("no-project", "owner", 1, "p9"),
        ("bad-kind", "owner", 2, "sad"),
        ("bad-time", "owner", 3, -1),
        ("bad-time", "owner", 3, 1 << 40),
        ("bad-amount", "owner", 4, 0),
        ("bad-amount", "owner", 4, 10**18 + 1),
        ("bad-hash", "owner", 5, b""),
        ("not-a-verifier", "alice", 0, "r1"),
        ("not-accredited", "unaccredited", 0, "r1"),
    ],
)
def test_a_report_names_what_is_wrong_with_it(
    pooled: Chain, code: str, sender: str, place: int, value: Any
) -> None:
    arguments: list[Any] = ["r1", "p1", "unintentional", pooled.time, 100, HASH]
    arguments[place] = value
    pooled.refused(code, sender, B, "report_reversal", *arguments)


def test_reversals_are_of_projects_that_were_registered_here_and_have_one_name(
    lost: Chain,
) -> None:
    at.draft(lost, "p3")
    arguments = ("unintentional", lost.time, 100, HASH)
    code = "project-not-registered"
    lost.refused(code, "owner", B, "report_reversal", "r3", "p3", *arguments)
    lost.ok("registry", P, "record_imported", "acr.1", *at.IMPORTED)
    lost.refused("project-imported", "alice", B, "report_reversal", "r3", "acr.1", *arguments)
    lost.refused("reversal-exists", "rival", B, "report_reversal", "r1", "p2", *arguments)
    assert lost.view(B, "reversals_of", "p1", "", 1) == ["r1"]
    assert lost.view(B, "reversals_of", "p1", "r1", 100) == ["r2"]
    for limit in (0, 101):
        lost.view_refused("bad-limit", B, "reversals_of", "p1", "", limit)
        lost.view_refused("bad-limit", B, "contributions_of", "b1", 0, limit)
    lost.view_refused("no-reversal", B, "get_reversal", "r9")


def test_a_verifier_who_neither_owns_nor_reported_says_what_was_lost(pooled: Chain) -> None:
    arguments = ("r1", "p1", "unintentional", pooled.time, 100, HASH)
    pooled.ok("verifier", B, "report_reversal", *arguments)
    verify = (B, "verify_reversal", "r1")
    pooled.refused("bad-kind", "checker", *verify, "sad", 100, HASH)
    pooled.refused("bad-amount", "checker", *verify, "intentional", -1, HASH)
    pooled.refused("bad-hash", "checker", *verify, "intentional", 100, b"")
    pooled.refused("no-reversal", "checker", B, "verify_reversal", "r9", "intentional", 1, HASH)
    pooled.refused("not-a-verifier", "registry", *verify, "intentional", 100, HASH)
    pooled.refused("not-accredited", "unaccredited", *verify, "intentional", 100, HASH)
    pooled.refused("verifier-is-reporter", "verifier", *verify, "intentional", 100, HASH)
    pooled.refused("above-issued", "checker", *verify, "intentional", GROSS + 1, HASH)
    pooled.ok("checker", *verify, "intentional", GROSS, HASH)
    found = pooled.view(B, "get_reversal", "r1")
    assert found[:5] == ["p1", "intentional", "verified", arguments[3], GROSS]
    assert found[7:9] == ["verifier", "checker"]
    pooled.refused("already-verified", "checker", *verify, "intentional", 0, HASH)


def test_an_owner_does_not_verify_its_own_reversal(pooled: Chain) -> None:
    at.register(pooled, "p3", "many")
    arguments = ("r3", "p3", "unintentional", pooled.time, 100, HASH)
    pooled.ok("regulator", B, "report_reversal", *arguments)
    verify = (B, "verify_reversal", "r3", "unintentional", 0, HASH)
    pooled.refused("verifier-is-owner", "many", *verify)


# --- made good


def test_the_pool_makes_good_what_nobody_meant(lost: Chain) -> None:
    lost.ok("registry", B, "make_good", "r1", [["b1", KEPT, KEPT + 100]])
    assert lost.view(B, "get_reversal", "r1")[2:7] == [
        "verified", lost.view(B, "get_reversal", "r1")[3], 150, 100, 0,
    ]  # fmt: skip
    assert lost.view(B, "count_open", "p1") == 2
    pieces = [["b1", KEPT + 100, KEPT + 120], ["b1", KEPT + 120, KEPT + 150]]
    lost.ok("registry", B, "make_good", "r1", pieces)
    found = lost.view(B, "get_reversal", "r1")
    assert (found[2], found[5], found[12]) == ("made-good", 150, lost.time)
    assert lost.view(B, "count_open", "p1") == 1
    assert lost.view(B, "get_account", "p1") == [GROSS, SHARE_KG, 0, 150]
    assert lost.view(B, "total") == [2 * GROSS, 2 * SHARE_KG, 0, 150]
    # In units these serials ended, and nothing brings them back.
    assert lost.view(U, "get_totals", "b1") == [GROSS, GROSS, SHARE_KG, 0, 0, 150]
    assert lost.view(U, "balance_of", "buffer", "b1") == SHARE_KG - 150
    assert lost.view(U, "get_lot_at", "b1", KEPT)[2:4] == ["buffer", "cancelled"]
    assert [step[1] for step in lost.view(U, "trace", "b1", KEPT, 9)] == ["cancel", "issue"]
    lost.refused("reversal-settled", "registry", B, "make_good", "r1", [["b1", KEPT, GROSS]])


def test_the_pool_is_refused_for_what_somebody_meant(lost: Chain) -> None:
    pieces = [["b1", KEPT, KEPT + 50]]
    lost.refused("intentional-reversal", "registry", B, "make_good", "r2", pieces)


def test_use_of_the_pool_names_what_is_wrong_with_it(lost: Chain) -> None:
    good = ["b1", KEPT, KEPT + 150]
    use = (B, "make_good", "r1")
    lost.refused("bad-pieces", "registry", *use, [])
    lost.refused(
        "bad-pieces", "registry", *use, [["b1", KEPT + n, KEPT + n + 1] for n in range(17)]
    )
    lost.refused("no-reversal", "registry", B, "make_good", "r9", [good])
    lost.refused("not-a-registry", "regulator", *use, [good])
    lost.refused("not-accredited", "unaccredited", *use, [good])
    lost.refused("bad-range", "registry", *use, [["b1", KEPT, KEPT]])
    lost.refused("bad-range", "registry", *use, [["b1", -1, KEPT]])
    lost.refused("not-in-pool", "registry", *use, [["b1", KEPT - 1, KEPT + 1]])
    lost.refused("not-in-pool", "registry", *use, [["b1", KEPT + 1, GROSS + 1]])
    lost.refused("not-in-pool", "registry", *use, [["b1", GROSS, GROSS + 1]])
    lost.refused("not-buffer", "registry", *use, [good, good])
    lost.refused("above-loss", "registry", *use, [["b1", KEPT, KEPT + 151]])
    lost.ok("owner", B, "report_reversal", "r3", "p1", "unintentional", lost.time, 9, HASH)
    lost.refused("not-verified", "registry", B, "make_good", "r3", [["b1", KEPT, KEPT + 9]])


def test_who_uses_the_pool_neither_owns_nor_verified(lost: Chain) -> None:
    at.register(lost, "p3", "many")
    issue(lost, "p3", "many", "b3")
    lost.ok("registry", B, "contribute", "b3", KEPT, GROSS, GROSS)
    arguments = ("unintentional", lost.time, 9, HASH)
    lost.ok("many", B, "report_reversal", "r3", "p3", *arguments)
    lost.ok("checker", B, "verify_reversal", "r3", "unintentional", 9, HASH)
    pieces = [["b3", KEPT, KEPT + 9]]
    lost.refused("registrar-is-owner", "many", B, "make_good", "r3", pieces)
    lost.ok("owner", B, "report_reversal", "r4", "p1", *arguments)
    lost.ok("many", B, "verify_reversal", "r4", "unintentional", 9, HASH)
    pieces = [["b1", KEPT, KEPT + 9]]
    lost.refused("issuer-is-verifier", "many", B, "make_good", "r4", pieces)


def test_others_stand_in_only_when_the_own_contributions_are_used_up(lost: Chain) -> None:
    lost.ok("owner", B, "report_reversal", "r3", "p1", "unintentional", lost.time, 300, HASH)
    lost.ok("checker", B, "verify_reversal", "r3", "unintentional", 300, HASH)
    own, other = ["b1", KEPT, GROSS], ["b2", KEPT, KEPT + 99]
    lost.refused("own-first", "registry", B, "make_good", "r3", [other])
    lost.refused("own-first", "registry", B, "make_good", "r3", [["b1", KEPT + 1, GROSS], other])
    lost.ok("registry", B, "make_good", "r3", [other, own])
    assert lost.view(B, "get_reversal", "r3")[2] == "made-good"
    assert lost.view(B, "get_account", "p2") == [GROSS, SHARE_KG, 0, 99]


def cancel(chain: Chain, sender: str, batch: str, start: int, end: int, purpose: str) -> int:
    found = chain.ok(sender, "retirement", "cancel", batch, start, end, purpose)
    assert isinstance(found, int)
    return found


def test_an_owner_makes_good_with_what_it_cancels(lost: Chain) -> None:
    first = cancel(lost, "owner", "b1", 0, 30, "reversal:r2")
    lost.ok("owner", B, "replace_loss", "r2", [first])
    assert lost.view(B, "get_reversal", "r2")[5:7] == [0, 30]
    lost.refused("already-used", "owner", B, "replace_loss", "r2", [first])
    # More than what is left counts as what is left.
    second = cancel(lost, "owner", "b1", 30, 99, "reversal:r2")
    lost.ok("owner", B, "replace_loss", "r2", [second])
    found = lost.view(B, "get_reversal", "r2")
    assert (found[2], found[5:7]) == ("made-good", [0, 50])
    third = cancel(lost, "owner", "b1", 99, 100, "reversal:r2")
    lost.refused("reversal-settled", "owner", B, "replace_loss", "r2", [third])


def test_a_cancellation_counts_for_its_purpose_and_its_owner(lost: Chain) -> None:
    use = (B, "replace_loss", "r2")
    mine = cancel(lost, "owner", "b1", 0, 50, "reversal:r2")
    lost.refused("bad-pieces", "owner", *use, [])
    lost.refused("bad-pieces", "owner", *use, list(range(17)))
    lost.refused("no-reversal", "owner", B, "replace_loss", "r9", [mine])
    lost.refused("not-the-owner", "rival", *use, [mine])
    lost.refused("no-certificate", "owner", *use, [99])
    lost.refused("already-used", "owner", *use, [mine, mine])
    other = cancel(lost, "owner", "b1", 50, 100, "reversal:r1")
    lost.refused("wrong-purpose", "owner", *use, [other])
    theirs = cancel(lost, "rival", "b2", 0, 50, "reversal:r2")
    lost.refused("not-owner", "owner", *use, [theirs])
    retired = lost.ok("owner", "retirement", "retire", "b1", 100, 150, "owner", "reversal:r2")
    lost.refused("not-cancelled", "owner", *use, [retired])
    lost.ok("owner", B, "report_reversal", "r3", "p1", "intentional", lost.time, 9, HASH)
    lost.refused("not-verified", "owner", B, "replace_loss", "r3", [mine])
    lost.ok("owner", *use, [mine])


# --- released


def test_the_pool_gives_back_to_the_owner_of_a_completed_project(pooled: Chain) -> None:
    release = (B, "release", "b1", KEPT, GROSS, HASH)
    pooled.refused("buffer-needed", "regulator", *release)
    pooled.time = TO
    pooled.ok("registry", P, "complete", "p1")
    pooled.refused("not-permitted", "registry", *release)
    pooled.refused("bad-hash", "regulator", B, "release", "b1", KEPT, GROSS, b"")
    pooled.refused("not-in-pool", "regulator", B, "release", "b1", 0, 10, HASH)
    # A regulator can no longer give it to whom it likes.
    direct = ("b1", KEPT, KEPT + 1, "bob", HASH)
    pooled.refused("in-pool", "regulator", U, "release_buffer", *direct)
    pooled.refused("in-pool", "regulator", U, "release_buffer", "b1", GROSS - 1, GROSS, "bob", HASH)
    pooled.ok("regulator", *release)
    assert pooled.view(B, "get_account", "p1") == [GROSS, SHARE_KG, SHARE_KG, 0]
    assert pooled.view(U, "balance_of", "owner", "b1") == GROSS
    pooled.refused("not-buffer", "regulator", *release)


def test_what_was_never_pooled_is_released_as_before(chain: Chain) -> None:
    chain.ok("regulator", U, "release_buffer", "b1", KEPT, KEPT + 1, "owner", HASH)
    assert chain.view(B, "is_pooled", "b1", KEPT, GROSS) is False


def test_nothing_is_released_while_something_is_owed_or_the_project_is_out(lost: Chain) -> None:
    lost.refused("reversal-open", "regulator", B, "release", "b1", KEPT, GROSS, HASH)
    lost.ok("regulator", P, "deregister", "p1", "fraud")
    code = "project-deregistered"
    lost.refused(code, "regulator", B, "release", "b1", KEPT, GROSS, HASH)


def test_a_regulator_does_not_release_to_itself(pooled: Chain) -> None:
    pooled.ok("regulator", "identity", "add_role", "regulator", "project-owner")
    at.register(pooled, "p3", "regulator")
    issue(pooled, "p3", "regulator", "b3")
    pooled.ok("registry", B, "contribute", "b3", KEPT, GROSS, GROSS)
    pooled.refused("regulator-is-owner", "regulator", B, "release", "b3", KEPT, GROSS, HASH)


def test_only_the_pool_cancels_what_the_buffer_holds(lost: Chain) -> None:
    lost.refused("not-the-pool", "regulator", U, "cancel_buffer", "b1", KEPT, GROSS)
