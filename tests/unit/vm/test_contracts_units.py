"""The contract ``units``: issue, move, lock, trace, and each of its refusals."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.transaction import Call
from tests.unit.vm.carbon_chain import DAY, HASH, START_SECONDS, Chain

U = "units"


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def issued(chain: Chain) -> Chain:
    """1,000 kg of b1: 900 to owner, 100 to the buffer."""
    chain.issue("b1", 1000, 100)
    return chain


def attest_arguments(**changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "report": "r1", "project": "p1", "vintage": 2024, "scope": "forest",
        "net_kg": 1000, "owner": "owner", "evidence_hash": HASH,
    }  # fmt: skip
    return list((values | changes).values())


def import_arguments(**changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "registry": "ACR", "batch": "ACR-102-2005", "project": "ACR102", "vintage": 2005,
        "owner": "alice", "start": 0, "end": 5000, "quantity": 5000, "buffer_quantity": 500,
        "evidence_hash": HASH, "source": "ACR_issuances.csv:2", "import_key": "k1",
    }  # fmt: skip
    return list((values | changes).values())


def test_an_issue_gives_the_owner_and_the_buffer_the_gross(issued: Chain) -> None:
    assert issued.view(U, "lots_of", "b1", 0, 10) == [
        [0, 900, "owner", "active", 1],
        [900, 1000, "buffer", "buffer", 1],
    ]
    assert issued.view(U, "balance_of", "owner", "b1") == 900
    assert issued.view(U, "balance_of", "buffer", "b1") == 100
    assert issued.view(U, "get_totals", "b1") == [1000, 1000, 100, 0, 0, 0]
    assert issued.view(U, "total") == [1000, 1000, 100, 0, 0, 0]
    batch = issued.view(U, "get_batch", "b1")
    assert batch[:6] == ["project", 2024, "registry", "verifier", "owner", HASH]
    assert issued.view(U, "batches_of", "project", "", 10) == ["b1"]


def test_a_whole_issue_may_go_to_the_buffer_or_none_of_it(chain: Chain) -> None:
    chain.issue("all", 10, 10)
    chain.issue("none", 10, 0)
    assert chain.view(U, "lots_of", "all", 0, 9) == [[0, 10, "buffer", "buffer", 1]]
    assert chain.view(U, "lots_of", "none", 0, 9) == [[0, 10, "owner", "active", 1]]


def test_a_transfer_moves_any_range_inside_a_lot(issued: Chain) -> None:
    issued.ok("owner", U, "transfer", "b1", 100, 200, "alice")  # the middle
    issued.ok("owner", U, "transfer", "b1", 0, 50, "bob")  # the beginning
    issued.ok("owner", U, "transfer", "b1", 800, 900, "bank")  # the end
    issued.ok("alice", U, "transfer", "b1", 100, 200, "bob")  # a whole lot
    assert [(event.name, event.values) for event in issued.events] == [
        ("Transferred", ("b1", 100, 200, "alice", "bob"))
    ]
    assert [row[:3] for row in issued.view(U, "lots_of", "b1", 0, 10)] == [
        [0, 50, "bob"], [50, 100, "owner"], [100, 200, "bob"], [200, 800, "owner"],
        [800, 900, "bank"], [900, 1000, "buffer"],
    ]  # fmt: skip
    assert issued.view(U, "balance_of", "owner", "b1") == 650
    assert issued.view(U, "balance_of", "alice", "b1") == 0
    assert issued.view(U, "holdings_of", "bob", "", 10) == [["b1", 150]]


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("bad-range", "owner", (10, 10, "alice")),
        ("bad-range", "owner", (-1, 10, "alice")),
        ("bad-range", "owner", (20, 10, "alice")),
        ("no-receiver", "owner", (0, 10, "nobody")),
        ("no-receiver", "owner", (0, 10, "buffer")),
        ("no-receiver", "owner", (0, 10, "")),
        ("same-owner", "owner", (0, 10, "owner")),
        ("no-lot", "owner", (1000, 1001, "alice")),
        ("no-lot", "owner", (899, 901, "alice")),
        ("no-lot", "owner", (800, 1000, "alice")),
        ("not-owner", "alice", (0, 10, "bob")),
        ("lot-buffer", "owner", (900, 910, "alice")),
        ("verifier-holds", "owner", (0, 10, "verifier")),
    ],
)
def test_a_transfer_is_refused(issued: Chain, code: str, sender: str, arguments: Any) -> None:
    issued.refused(code, sender, U, "transfer", "b1", *arguments)


def test_units_of_an_unknown_batch_have_no_lot(issued: Chain) -> None:
    issued.refused("no-lot", "owner", U, "transfer", "b0", 0, 10, "alice")
    issued.refused("no-lot", "owner", U, "transfer", "b2", 0, 10, "alice")


def test_a_suspended_taker_receives_nothing(issued: Chain) -> None:
    issued.ok("regulator", "identity", "suspend", "alice", "audit")
    issued.refused("no-receiver", "owner", U, "transfer", "b1", 0, 10, "alice")


def test_a_verifier_may_hold_what_another_verified(chain: Chain) -> None:
    chain.ok("registry", U, "issue_imported", *import_arguments())
    chain.ok("alice", U, "transfer", "ACR-102-2005", 0, 10, "verifier")
    refused = attest_arguments(project="ACR102")
    chain.refused("verifier-holds", "verifier", U, "attest", *refused)


def test_a_verifier_finds_no_holding_hidden_behind_many_batches(chain: Chain) -> None:
    for number in range(101):
        arguments = import_arguments(batch=f"B{number:03}", import_key=f"k{number}")
        chain.ok("registry", U, "issue_imported", *arguments)
    chain.ok("alice", U, "transfer", "B100", 0, 10, "verifier")
    refused = attest_arguments(project="ACR102")
    chain.refused("verifier-holds", "verifier", U, "attest", *refused)
    chain.ok("verifier", U, "transfer", "B100", 0, 10, "alice")
    chain.ok("verifier", U, "attest", *refused)


@pytest.mark.parametrize(
    ("code", "sender", "changes"),
    [
        ("bad-id", "verifier", {"report": ""}),
        ("bad-id", "verifier", {"report": "a b"}),
        ("bad-id", "verifier", {"report": "x" * 65}),
        ("bad-id", "verifier", {"project": "\u00e9"}),
        ("bad-id", "verifier", {"project": "a\0b"}),
        ("bad-vintage", "verifier", {"vintage": 1899}),
        ("bad-vintage", "verifier", {"vintage": 2201}),
        ("bad-amount", "verifier", {"net_kg": 0}),
        ("bad-hash", "verifier", {"evidence_hash": HASH[:31]}),
        ("not-a-verifier", "owner", {}),
        ("not-accredited", "verifier", {"scope": "wind"}),
        ("no-receiver", "verifier", {"owner": "nobody"}),
        ("not-a-project-owner", "verifier", {"owner": "alice"}),
    ],
)
def test_an_attestation_is_refused(chain: Chain, code: str, sender: str, changes: Any) -> None:
    chain.refused(code, sender, U, "attest", *attest_arguments(**changes))


def test_a_report_is_attested_once(chain: Chain) -> None:
    chain.ok("verifier", U, "attest", *attest_arguments())
    chain.refused("report-exists", "verifier", U, "attest", *attest_arguments())


def test_a_verifier_does_not_attest_its_own_project(chain: Chain) -> None:
    chain.ok("regulator", "identity", "add_role", "verifier", "project-owner")
    arguments = attest_arguments(owner="verifier")
    chain.refused("verifier-is-owner", "verifier", U, "attest", *arguments)


def test_an_accreditation_counts_only_while_it_is_valid(chain: Chain) -> None:
    now = chain.time
    chain.ok("regulator", "identity", "accredit", "verifier", "forest", now + 100, now + 200)
    chain.refused("not-accredited", "verifier", U, "attest", *attest_arguments())
    chain.time = now + 99  # the next block is at the first second
    chain.ok("verifier", U, "attest", *attest_arguments())
    chain.time = now + 199
    late = attest_arguments(report="r2")
    chain.refused("not-accredited", "verifier", U, "attest", *late)


@pytest.fixture
def attested(chain: Chain) -> Chain:
    chain.ok("verifier", U, "attest", *attest_arguments())
    return chain


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("bad-id", "registry", ("b/1", "r1", 0, 100, 100, 0)),
        ("bad-range", "registry", ("b1", "r1", 5, 5, 0, 0)),
        ("bad-range", "registry", ("b1", "r1", -5, 5, 10, 0)),
        ("quantity-mismatch", "registry", ("b1", "r1", 0, 100, 99, 0)),
        ("bad-amount", "registry", ("b1", "r1", 0, 100, 100, 101)),
        ("bad-amount", "registry", ("b1", "r1", 0, 100, 100, -1)),
        ("no-report", "registry", ("b1", "r2", 0, 100, 100, 0)),
        ("not-an-issuer", "verifier", ("b1", "r1", 0, 100, 100, 0)),
        ("above-verified", "registry", ("b1", "r1", 0, 1001, 1001, 0)),
    ],
)
def test_an_issue_is_refused(attested: Chain, code: str, sender: str, arguments: Any) -> None:
    attested.refused(code, sender, U, "issue", *arguments)


def test_issues_together_stay_within_the_verified_net(attested: Chain) -> None:
    attested.ok("registry", U, "issue", "b1", "r1", 0, 600, 600, 0)
    attested.refused("above-verified", "registry", U, "issue", "b1", "r1", 600, 1001, 401, 0)
    attested.refused("above-verified", "registry", U, "issue", "b2", "r1", 0, 401, 401, 0)
    attested.ok("registry", U, "issue", "b2", "r1", 0, 400, 400, 0)
    assert attested.view(U, "get_report", "r1")[5:7] == [1000, 1000]


@pytest.mark.parametrize(
    ("start", "end"), [(100, 200), (0, 101), (199, 300), (150, 160), (0, 300), (100, 101)]
)
def test_serials_are_never_issued_twice(attested: Chain, start: int, end: int) -> None:
    attested.ok("registry", U, "issue", "b1", "r1", 100, 200, 100, 10)
    arguments = ("b1", "r1", start, end, end - start, 0)
    attested.refused("serials-overlap", "registry", U, "issue", *arguments)


def test_serials_may_be_issued_on_either_side(attested: Chain) -> None:
    attested.ok("registry", U, "issue", "b1", "r1", 100, 200, 100, 10)
    attested.ok("registry", U, "issue", "b1", "r1", 0, 100, 100, 0)
    attested.ok("registry", U, "issue", "b1", "r1", 200, 300, 100, 0)
    assert attested.view(U, "balance_of", "owner", "b1") == 290


def test_retired_serials_are_never_issued_again(attested: Chain) -> None:
    attested.ok("registry", U, "issue", "b1", "r1", 0, 100, 100, 0)
    attested.ok("owner", "retirement", "retire", "b1", 0, 100, "owner", "own use")
    attested.refused("serials-overlap", "registry", U, "issue", "b1", "r1", 50, 60, 10, 0)


def test_a_batch_never_mixes_projects_issuers_or_origins(attested: Chain) -> None:
    attested.ok("registry", U, "issue", "b1", "r1", 0, 100, 100, 0)
    attested.ok("verifier", U, "attest", *attest_arguments(report="r2", project="p2"))
    attested.refused("batch-mismatch", "registry", U, "issue", "b1", "r2", 100, 200, 100, 0)
    attested.ok("verifier", U, "attest", *attest_arguments(report="r3", vintage=2025))
    attested.refused("batch-mismatch", "registry", U, "issue", "b1", "r3", 100, 200, 100, 0)
    arguments = import_arguments(batch="b1", project="p1", vintage=2024, start=5000, end=10000)
    attested.refused("batch-mismatch", "registry", U, "issue_imported", *arguments)


def test_the_five_duties_are_kept_apart_at_issue(attested: Chain) -> None:
    attested.ok("regulator", "identity", "add_role", "verifier", "registry")
    attested.refused("issuer-is-verifier", "verifier", U, "issue", "b1", "r1", 0, 10, 10, 0)
    attested.ok("regulator", "identity", "add_role", "owner", "registry")
    attested.refused("not-accredited", "owner", U, "issue", "b1", "r1", 0, 10, 10, 0)
    until = START_SECONDS + DAY
    attested.ok("regulator", "identity", "accredit", "owner", "forest", 0, until)
    attested.refused("issuer-is-owner", "owner", U, "issue", "b1", "r1", 0, 10, 10, 0)


def test_nothing_is_issued_to_a_suspended_owner(attested: Chain) -> None:
    attested.ok("regulator", "identity", "suspend", "owner", "fraud")
    attested.refused("no-receiver", "registry", U, "issue", "b1", "r1", 0, 10, 10, 0)


def test_an_import_keeps_its_origin_and_happens_once(chain: Chain) -> None:
    chain.ok("registry", U, "issue_imported", *import_arguments())
    assert chain.view(U, "get_batch", "ACR-102-2005") == [
        "ACR102", 2005, "registry", "", "alice", HASH, "ACR", "ACR_issuances.csv:2", chain.time,
    ]  # fmt: skip
    assert chain.view(U, "get_totals", "ACR-102-2005") == [5000, 5000, 500, 0, 0, 0]
    assert chain.view(U, "total") == [5000, 5000, 500, 0, 0, 0]
    again = import_arguments(start=5000, end=10_000)
    chain.refused("already-imported", "registry", U, "issue_imported", *again)
    assert chain.view(U, "is_imported", "ACR", ["k0", "k1"]) == [False, True]
    assert chain.view(U, "is_imported", "CAR", ["k1"]) == [False]
    further = import_arguments(start=5000, end=10_000, import_key="k2", source="line 3")
    chain.ok("registry", U, "issue_imported", *further)


@pytest.mark.parametrize(
    ("code", "sender", "changes"),
    [
        ("bad-id", "registry", {"registry": ""}),
        ("bad-id", "registry", {"batch": "a b"}),
        ("bad-id", "registry", {"project": ""}),
        ("bad-vintage", "registry", {"vintage": 0}),
        ("bad-range", "registry", {"start": 5000}),
        ("quantity-mismatch", "registry", {"quantity": 4999}),
        ("bad-amount", "registry", {"buffer_quantity": 5001}),
        ("bad-hash", "registry", {"evidence_hash": b""}),
        ("bad-text", "registry", {"source": ""}),
        ("bad-text", "registry", {"import_key": ""}),
        ("bad-text", "registry", {"import_key": "k" * 65}),
        ("not-an-issuer", "alice", {}),
        ("not-accredited", "registry", {"registry": "CAR"}),
        ("issuer-is-owner", "registry", {"owner": "registry"}),
        ("no-receiver", "registry", {"owner": "nobody"}),
    ],
)
def test_an_import_is_refused(chain: Chain, code: str, sender: str, changes: Any) -> None:
    chain.refused(code, sender, U, "issue_imported", *import_arguments(**changes))


def test_an_import_gives_nothing_to_whoever_verified_the_project(chain: Chain) -> None:
    chain.ok("verifier", U, "attest", *attest_arguments(project="ACR102"))
    arguments = import_arguments(owner="verifier")
    chain.refused("verifier-holds", "registry", U, "issue_imported", *arguments)


def test_a_lot_splits_and_merges_and_its_trace_follows_each_serial(issued: Chain) -> None:
    issued.ok("owner", U, "transfer", "b1", 0, 100, "alice")
    issued.ok("owner", U, "split", "b1", 500)
    issued.ok("owner", U, "transfer", "b1", 100, 200, "bob")
    issued.ok("bob", U, "transfer", "b1", 100, 200, "alice")
    issued.ok("alice", U, "merge", "b1", 100)
    assert issued.view(U, "get_lot_at", "b1", 150) == [0, 200, "alice", "active", 4]
    kinds = [(step[1], step[4], step[5]) for step in issued.view(U, "trace", "b1", 150, 50)]
    assert kinds == [
        ("merge", "alice", "alice"), ("transfer", "bob", "alice"), ("transfer", "owner", "bob"),
        ("issue", "", "owner"),
    ]  # fmt: skip
    kinds = [(step[0], step[1]) for step in issued.view(U, "trace", "b1", 50, 50)]
    assert kinds == [(4, "merge"), (2, "transfer"), (1, "issue")]
    assert len(issued.view(U, "trace", "b1", 150, 2)) == 2
    assert [row[:2] for row in issued.view(U, "lots_of", "b1", 200, 2)] == [[200, 500], [500, 900]]


def test_splits_and_merges_are_refused(issued: Chain) -> None:
    issued.refused("bad-split", "owner", U, "split", "b1", 0)
    issued.refused("no-lot", "owner", U, "split", "b1", 1000)
    issued.refused("not-owner", "alice", U, "split", "b1", 10)
    issued.refused("lot-buffer", "owner", U, "split", "b1", 950)
    issued.refused("not-adjacent", "owner", U, "merge", "b1", 10)
    issued.refused("lot-buffer", "owner", U, "merge", "b1", 900)
    issued.refused("no-lot", "owner", U, "merge", "b1", 1000)
    issued.ok("owner", U, "transfer", "b1", 0, 10, "alice")
    issued.refused("not-owner", "owner", U, "merge", "b1", 10)
    issued.refused("not-owner", "alice", U, "merge", "b1", 10)


def test_lots_with_a_gap_between_them_do_not_merge(attested: Chain) -> None:
    attested.ok("registry", U, "issue", "b1", "r1", 0, 10, 10, 0)
    attested.ok("registry", U, "issue", "b1", "r1", 20, 30, 10, 0)
    attested.refused("no-lot", "owner", U, "merge", "b1", 10)
    attested.refused("no-lot", "owner", U, "transfer", "b1", 12, 18, "alice")
    attested.refused("no-lot", "owner", U, "transfer", "b1", 5, 25, "alice")
    attested.refused("no-lot", "owner", U, "transfer", "b1", 0, 30, "alice")
    attested.ok("registry", U, "issue", "b1", "r1", 10, 20, 10, 0)
    attested.ok("owner", U, "merge", "b1", 10)


@pytest.mark.parametrize("reason", ["order", "pledge", "margin", "export"])
def test_a_locked_lot_does_not_move_until_its_holder_unlocks(issued: Chain, reason: str) -> None:
    issued.ok("owner", U, "lock", "b1", 100, 200, reason, "bank", "loan 7")
    since = issued.time
    issued.refused("lot-locked", "owner", U, "transfer", "b1", 100, 200, "alice")
    issued.refused("lot-locked", "owner", U, "transfer", "b1", 120, 130, "alice")
    issued.refused("lot-locked", "owner", U, "split", "b1", 150)
    issued.refused("lot-locked", "owner", "retirement", "retire", "b1", 100, 200, "owner", "x")
    issued.refused("lot-locked", "owner", "retirement", "cancel", "b1", 100, 200, "x")
    issued.refused("lot-locked", "owner", U, "lock", "b1", 100, 200, reason, "alice", "")
    issued.refused("lot-locked", "regulator", U, "lock", "b1", 100, 110, "court", "bank", "")
    issued.refused("no-lot", "owner", U, "transfer", "b1", 50, 150, "alice")
    assert issued.view(U, "get_lock", "b1", 200) == [reason, "bank", "loan 7", since]
    assert issued.view(U, "balance_of", "owner", "b1") == 900
    issued.refused("not-holder", "owner", U, "unlock", "b1", 100, 200)
    issued.refused("not-holder", "regulator", U, "unlock", "b1", 100, 200)
    issued.refused("lot-mismatch", "bank", U, "unlock", "b1", 100, 150)
    issued.refused("lot-mismatch", "bank", U, "unlock", "b1", 110, 200)
    issued.ok("bank", U, "unlock", "b1", 100, 200)
    issued.view_refused("not-locked", U, "get_lock", "b1", 200)
    issued.ok("owner", U, "transfer", "b1", 100, 200, "alice")


def test_locks_and_unlocks_are_refused(issued: Chain) -> None:
    issued.refused("bad-range", "owner", U, "lock", "b1", 9, 9, "order", "bank", "")
    issued.refused("bad-text", "owner", U, "lock", "b1", 0, 9, "order", "bank", "x" * 129)
    issued.refused("bad-reason", "owner", U, "lock", "b1", 0, 9, "whim", "bank", "")
    issued.refused("not-a-regulator", "owner", U, "lock", "b1", 0, 9, "court", "bank", "")
    issued.refused("no-holder", "owner", U, "lock", "b1", 0, 9, "order", "nobody", "")
    issued.refused("holder-is-owner", "owner", U, "lock", "b1", 0, 9, "pledge", "owner", "")
    issued.refused("holder-is-owner", "owner", U, "lock", "b1", 0, 9, "margin", "owner", "")
    issued.refused("not-owner", "alice", U, "lock", "b1", 0, 9, "order", "bank", "")
    issued.refused("no-lot", "owner", U, "lock", "b1", 0, 901, "order", "bank", "")
    issued.refused("lot-buffer", "owner", U, "lock", "b1", 900, 901, "order", "bank", "")
    issued.refused("bad-range", "owner", U, "unlock", "b1", 9, 9)
    issued.refused("no-lot", "owner", U, "unlock", "b2", 0, 9)
    issued.refused("not-locked", "owner", U, "unlock", "b1", 0, 9)
    issued.ok("owner", U, "lock", "b1", 0, 9, "order", "owner", "")
    issued.ok("owner", U, "unlock", "b1", 0, 9)


def test_a_court_lock_is_set_and_lifted_by_regulators_only(issued: Chain) -> None:
    issued.ok("regulator", U, "lock", "b1", 0, 9, "court", "regulator", "case 1")
    issued.refused("not-holder", "owner", U, "unlock", "b1", 0, 9)
    issued.ok("regulator-two", U, "unlock", "b1", 0, 9)
    issued.refused("holder-is-owner", "regulator", U, "lock", "b1", 0, 9, "court", "owner", "")


def test_the_buffer_is_released_by_a_regulator(issued: Chain) -> None:
    issued.refused("not-permitted", "registry", U, "release_buffer", "b1", 900, 950, "bob", HASH)
    issued.refused("bad-hash", "regulator", U, "release_buffer", "b1", 900, 950, "bob", b"")
    issued.refused("bad-range", "regulator", U, "release_buffer", "b1", 900, 900, "bob", HASH)
    issued.refused("no-batch", "regulator", U, "release_buffer", "b9", 900, 950, "bob", HASH)
    issued.refused("no-lot", "regulator", U, "release_buffer", "b1", 890, 950, "bob", HASH)
    issued.refused("no-lot", "regulator", U, "release_buffer", "b1", 890, 1000, "bob", HASH)
    issued.refused("not-buffer", "regulator", U, "release_buffer", "b1", 0, 50, "bob", HASH)
    issued.refused("no-receiver", "regulator", U, "release_buffer", "b1", 900, 950, "x", HASH)
    to_issuer = ("b1", 900, 950, "registry", HASH)
    issued.refused("issuer-is-owner", "regulator", U, "release_buffer", *to_issuer)
    to_verifier = ("b1", 900, 950, "verifier", HASH)
    issued.refused("verifier-holds", "regulator", U, "release_buffer", *to_verifier)
    issued.ok("regulator", U, "release_buffer", "b1", 900, 950, "bob", HASH)
    assert issued.view(U, "get_totals", "b1") == [1000, 1000, 100, 50, 0, 0]
    assert issued.view(U, "balance_of", "buffer", "b1") == 50
    assert issued.view(U, "balance_of", "bob", "b1") == 50
    assert [step[1] for step in issued.view(U, "trace", "b1", 920, 9)] == ["release", "issue"]


def test_the_buffer_of_an_imported_batch_is_its_registrys(chain: Chain) -> None:
    chain.ok("registry", U, "issue_imported", *import_arguments())
    arguments = ("ACR-102-2005", 4500, 5000, "alice", HASH)
    chain.refused("not-permitted", "alice", U, "release_buffer", *arguments)
    chain.ok("registry", U, "release_buffer", *arguments)


def test_only_retirement_closes_a_lot(issued: Chain) -> None:
    arguments = (bytes(32), "b1", 0, 10, True)
    issued.refused("not-retirement", "owner", U, "close", *arguments)


def test_units_is_connected_once_and_by_the_authority(chain: Chain) -> None:
    chain.refused("not-authority", "regulator", U, "connect", bytes(32))


def test_views_refuse_what_is_not_there(issued: Chain) -> None:
    issued.view_refused("no-batch", U, "get_batch", "b9")
    issued.view_refused("no-batch", U, "get_totals", "b9")
    issued.view_refused("no-report", U, "get_report", "r9")
    issued.view_refused("no-lot", U, "get_lot_at", "b1", 1000)
    issued.view_refused("no-lot", U, "get_lot_at", "b1", -1)
    issued.view_refused("no-lot", U, "trace", "b1", 1000, 9)
    issued.view_refused("bad-limit", U, "trace", "b1", 0, 0)
    issued.view_refused("bad-limit", U, "lots_of", "b1", 0, 101)
    issued.view_refused("bad-limit", U, "holdings_of", "owner", "", 0)
    issued.view_refused("bad-limit", U, "batches_of", "project", "", 0)
    issued.view_refused("bad-limit", U, "is_imported", "ACR", ["k"] * 201)


def test_amounts_go_up_to_a_bound_that_no_sum_can_overflow(chain: Chain) -> None:
    bound = 10**18
    chain.issue("b1", bound, 1)
    chain.ok("owner", U, "transfer", "b1", 5, bound - 1, "alice")
    assert chain.view(U, "balance_of", "alice", "b1") == bound - 6
    over = import_arguments(start=bound, end=bound + 1, quantity=1, buffer_quantity=0)
    chain.refused("bad-range", "registry", U, "issue_imported", *over)
    chain.refused("bad-amount", "verifier", U, "attest", *attest_arguments(net_kg=bound + 1))


def test_a_holder_that_may_no_longer_act_does_not_keep_units_locked(issued: Chain) -> None:
    issued.ok("owner", U, "lock", "b1", 0, 9, "pledge", "bank", "loan")
    issued.refused("not-holder", "regulator", U, "unlock", "b1", 0, 9)
    issued.ok("regulator", "identity", "revoke", "bank", "licence lost")
    issued.refused("not-holder", "owner", U, "unlock", "b1", 0, 9)
    issued.ok("regulator", U, "unlock", "b1", 0, 9)


def test_a_transfer_stays_cheap(issued: Chain) -> None:
    """The daily load: keys written, one of them the organisation's gas, and gas within a bound.

    The bound on gas leaves room for a recalibrated schedule.
    """
    whole_lot, part_of_lot = ("b1", 0, 900, "alice"), ("b1", 800, 900, "bob")
    for sender, arguments, gas, writes in (
        ("owner", whole_lot, 29_000, 5),
        ("alice", part_of_lot, 38_000, 6),
    ):
        transaction = issued.make(sender, Call(U, "transfer", arguments))
        receipts, outcome = issued.run(transaction)
        assert receipts[0].status == "ok"
        assert receipts[0].gas <= gas and len(outcome.writes) <= writes
