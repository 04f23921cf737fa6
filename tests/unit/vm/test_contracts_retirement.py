"""The contract ``retirement``: once, for somebody, for good; and each of its refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.carbon_chain import HASH, Chain

R = "retirement"


@pytest.fixture
def chain() -> Chain:
    """b1: 900 kg of owner and 100 in the buffer; A1: 10 t of alice imported from ACR."""
    chain = Chain()
    chain.issue("b1", 1000, 100)
    for number in (1, 2):
        chain.ok(
            "registry", "units", "issue_imported", "ACR", f"A{number}", f"ACR{number}", 2005,
            "alice", 0, 10_000, 10_000, 0, HASH, f"line {number}", f"i{number}",
        )  # fmt: skip
    return chain


def imported_arguments(**changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "registry": "ACR", "prefix": "ACR-US-102-2003-274", "origin_start": 100,
        "origin_end": 103, "pieces": [["A1", 0, 3000]], "beneficiary_name": "Sustain:Green",
        "purpose": "Additional 2015 Retirement", "origin_date": "2015-12-29",
        "source": "ACR_retirements.csv:2", "import_key": "r1",
    }  # fmt: skip
    return list((values | changes).values())


def test_a_retirement_has_a_certificate_with_everything_on_it(chain: Chain) -> None:
    assert chain.ok("owner", R, "retire", "b1", 100, 300, "bob", "inventory 2024") == 1
    event = chain.events[0]
    assert (event.name, event.values) == (
        "Retired", (1, "retirement", [["b1", 100, 300]], 200, "owner", "bob", "")
    )  # fmt: skip
    transaction = chain.nonce.to_bytes(32, "big")
    assert chain.view(R, "certificate", 1) == [
        1, "retirement", [["b1", 100, 300]], ["project"], [2024], 200, "owner", "bob", "", "",
        "inventory 2024", chain.time, chain.height, transaction, "", "", 0, 0, "", "",
    ]  # fmt: skip
    assert chain.view(R, "count") == 1
    assert chain.view(R, "total") == [200, 0]
    assert chain.view(R, "retired_for", "bob") == 200
    assert chain.view("units", "get_totals", "b1") == [1000, 1000, 100, 0, 200, 0]
    assert chain.view("units", "balance_of", "owner", "b1") == 700
    assert chain.view("units", "get_lot_at", "b1", 150)[2:4] == ["owner", "retired"]


def test_a_retirement_for_somebody_outside_names_and_identifies_them(chain: Chain) -> None:
    arguments = ("b1", 0, 10, "Acme GmbH", "LEI 5299000J2N45DDNE4Y28", "travel")
    number = chain.ok("owner", R, "retire_for", *arguments)
    assert chain.view(R, "certificate", number)[7:11] == [
        "", "Acme GmbH", "LEI 5299000J2N45DDNE4Y28", "travel",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name, identity", [("", "x"), ("x", ""), ("n" * 129, "x"), ("x", "i" * 129)]
)
def test_a_beneficiary_without_identity_is_refused(chain: Chain, name: str, identity: str) -> None:
    arguments = ("b1", 0, 10, name, identity, "travel")
    chain.refused("no-beneficiary", "owner", R, "retire_for", *arguments)


def test_what_ended_never_moves_nor_ends_again(chain: Chain) -> None:
    chain.ok("owner", R, "retire", "b1", 100, 200, "bob", "x")
    chain.ok("owner", R, "cancel", "b1", 300, 400, "lost forest")
    for start, code in ((100, "lot-retired"), (300, "lot-cancelled")):
        end = start + 100
        chain.refused(code, "owner", "units", "transfer", "b1", start, end, "bob")
        chain.refused(code, "owner", "units", "transfer", "b1", start + 5, end - 5, "bob")
        chain.refused(code, "owner", "units", "split", "b1", start + 5)
        chain.refused(code, "owner", "units", "merge", "b1", end)
        chain.refused(code, "owner", "units", "lock", "b1", start, end, "order", "bank", "")
        chain.refused(code, "regulator", "units", "lock", "b1", start, end, "court", "bank", "")
        chain.refused("not-locked", "regulator", "units", "unlock", "b1", start, end)
        chain.refused(code, "owner", R, "retire", "b1", start, end, "bob", "x")
        chain.refused(code, "owner", R, "cancel", "b1", start, end, "x")
        chain.refused(
            "not-buffer", "regulator", "units", "release_buffer", "b1", start, end, "bob", HASH
        )
    assert chain.view("units", "total")[4:] == [100, 100]


def test_a_cancellation_has_a_certificate_too(chain: Chain) -> None:
    number = chain.ok("owner", R, "cancel", "b1", 0, 10, "lost forest")
    assert chain.events[0].values == (1, [["b1", 0, 10]], 10, "owner", "lost forest")
    certificate = chain.view(R, "certificate", number)
    assert certificate[1] == "cancellation"
    assert certificate[7:11] == ["", "", "", "lost forest"]
    assert chain.view(R, "total") == [0, 10]


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("bad-text", "owner", ("b1", 0, 10, "bob", "")),
        ("bad-text", "owner", ("b1", 0, 10, "bob", "x" * 257)),
        ("no-beneficiary", "owner", ("b1", 0, 10, "nobody", "x")),
        ("no-beneficiary", "owner", ("b1", 0, 10, "", "x")),
        ("bad-range", "owner", ("b1", 10, 10, "bob", "x")),
        ("no-lot", "owner", ("b1", 0, 901, "bob", "x")),
        ("lot-buffer", "owner", ("b1", 900, 910, "bob", "x")),
        ("not-owner", "alice", ("b1", 0, 10, "bob", "x")),
    ],
)
def test_a_retirement_is_refused(chain: Chain, code: str, sender: str, arguments: Any) -> None:
    chain.refused(code, sender, R, "retire", *arguments)


@pytest.mark.parametrize("text", ["", "x" * 257])
def test_purposes_and_reasons_are_bounded(chain: Chain, text: str) -> None:
    chain.refused("bad-text", "owner", R, "retire_for", "b1", 0, 10, "a", "b", text)
    chain.refused("bad-text", "owner", R, "cancel", "b1", 0, 10, text)


def test_an_imported_retirement_keeps_its_origin(chain: Chain) -> None:
    pieces = [["A1", 0, 2000], ["A2", 500, 1500]]
    number = chain.ok("alice", R, "retire_imported", *imported_arguments(pieces=pieces))
    certificate = chain.view(R, "certificate", number)
    assert certificate[1:8] == [
        "imported", pieces, ["ACR1", "ACR2"], [2005, 2005], 3000, "alice", "",
    ]  # fmt: skip
    assert certificate[14:] == [
        "ACR", "ACR-US-102-2003-274", 100, 103, "2015-12-29", "ACR_retirements.csv:2",
    ]  # fmt: skip
    assert chain.view(R, "is_imported", "ACR", ["r1", "r2"]) == [True, False]
    origins = [chain.view(R, "origin_at", "ACR", certificate[15], n) for n in (99, 100, 102, 103)]
    assert origins == [0, number, number, 0]


def test_an_import_key_is_used_once(chain: Chain) -> None:
    chain.ok("alice", R, "retire_imported", *imported_arguments())
    again = imported_arguments(origin_start=200, origin_end=201, pieces=[["A1", 3000, 4000]])
    chain.refused("already-imported", "alice", R, "retire_imported", *again)


@pytest.mark.parametrize(
    ("start", "end"), [(100, 103), (99, 101), (102, 104), (101, 102), (98, 105), (0, 101)]
)
def test_an_overlapping_origin_range_is_refused(chain: Chain, start: int, end: int) -> None:
    chain.ok("alice", R, "retire_imported", *imported_arguments())
    pieces = [["A2", 0, 1000 * min(end - start, 10)]]
    if end - start > 10:
        # Ten tonnes are left: the rest would be missing, so the range is moved instead.
        start, pieces = 95, [["A2", 0, 6000]]
    arguments = imported_arguments(
        origin_start=start, origin_end=end, pieces=pieces, import_key="r2"
    )
    chain.refused("origin-overlap", "alice", R, "retire_imported", *arguments)


def test_neighbouring_origin_ranges_and_other_prefixes_are_free(chain: Chain) -> None:
    chain.ok("alice", R, "retire_imported", *imported_arguments())
    for number, changes in enumerate(
        (
            {"origin_start": 99, "origin_end": 100},
            {"origin_start": 103, "origin_end": 104},
            {"origin_start": 100, "origin_end": 101, "prefix": "ACR-US-102-2003-275"},
        )
    ):
        pieces = [["A2", number * 1000, number * 1000 + 1000]]
        arguments = imported_arguments(pieces=pieces, import_key=f"n{number}", **changes)
        chain.ok("alice", R, "retire_imported", *arguments)


@pytest.mark.parametrize(
    ("code", "sender", "changes"),
    [
        ("bad-text", "alice", {"registry": ""}),
        ("bad-text", "alice", {"prefix": ""}),
        ("bad-text", "alice", {"beneficiary_name": "x" * 129}),
        ("bad-text", "alice", {"purpose": "x" * 257}),
        ("bad-text", "alice", {"origin_date": "2015-12-29T"}),
        ("bad-text", "alice", {"source": ""}),
        ("bad-text", "alice", {"import_key": ""}),
        ("bad-range", "alice", {"origin_start": 103}),
        ("bad-range", "alice", {"origin_start": -3, "origin_end": 0, "pieces": []}),
        ("bad-pieces", "alice", {"pieces": []}),
        ("bad-pieces", "alice", {"pieces": [["A1", n, n + 1] for n in range(17)]}),
        ("quantity-mismatch", "alice", {"pieces": [["A1", 0, 2999]]}),
        ("quantity-mismatch", "alice", {"origin_end": 104}),
        ("not-accredited", "bob", {}),
        ("not-accredited", "alice", {"registry": "CAR"}),
        ("bad-range", "alice", {"pieces": [["A1", 0, 4000], ["A1", 5000, 4000]]}),
        ("lot-retired", "alice", {"pieces": [["A1", 0, 2000], ["A1", 1000, 2000]]}),
        ("not-owner", "registry", {}),
        ("no-lot", "alice", {"pieces": [["A9", 0, 3000]]}),
    ],
)
def test_an_imported_retirement_is_refused(
    chain: Chain, code: str, sender: str, changes: Any
) -> None:
    chain.refused(code, sender, R, "retire_imported", *imported_arguments(**changes))


def test_an_imported_retirement_ends_units_of_that_registry_only(chain: Chain) -> None:
    chain.ok("verifier", "units", "attest", "big", "p", 2024, "forest", 3000, "owner", HASH)
    chain.ok("registry", "units", "issue", "here", "big", 0, 3000, 3000, 0)
    chain.ok("owner", "units", "transfer", "here", 0, 3000, "alice")
    arguments = imported_arguments(pieces=[["here", 0, 3000]])
    chain.refused("origin-mismatch", "alice", R, "retire_imported", *arguments)


def test_a_published_beneficiary_may_be_empty_or_not_ascii(chain: Chain) -> None:
    arguments = imported_arguments(beneficiary_name="", purpose="")
    chain.ok("alice", R, "retire_imported", *arguments)
    arguments = imported_arguments(
        beneficiary_name="Soci\u00e9t\u00e9 G\u00e9n\u00e9rale", import_key="r2",
        origin_start=200, origin_end=203, pieces=[["A2", 0, 3000]],
    )  # fmt: skip
    number = chain.ok("alice", R, "retire_imported", *arguments)
    assert chain.view(R, "certificate", number)[8] == "Soci\u00e9t\u00e9 G\u00e9n\u00e9rale"


def test_views_refuse_what_is_not_there(chain: Chain) -> None:
    chain.view_refused("no-certificate", R, "certificate", 1)
    chain.view_refused("bad-limit", R, "is_imported", "ACR", ["k"] * 201)
