"""The contract ``parcels``: cells, areas, and no land credited twice."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.codec import Value
from primitives.transaction import Call
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import DAY, HASH, Chain
from tests.unit.vm.project_chain import DRAFT, EARTH_CELLS, FROM, IMPORTED, TO, L, P, area_of

SIZE = 1000


@pytest.fixture
def chain() -> Chain:
    return at.make_project_chain(0)


def draw(
    chain: Chain,
    project: str,
    *ranges: int,
    owner: str = "owner",
    period: tuple[int, int] = (FROM, TO),
    claims: tuple[str, ...] = ("biomass",),
) -> None:
    """A draft with one parcel of ``ranges`` (first cell, how many ...)."""
    arguments: list[Value] = [*DRAFT]
    arguments[3:6] = [list(claims), *period]
    chain.ok(owner, P, "draft", project, *arguments)
    add(chain, project, *ranges, owner=owner)


def add(chain: Chain, project: str, *ranges: int, owner: str = "owner") -> None:
    parcel = (HASH, 0, area_of(sum(ranges[1::2])), len(ranges) // 2, list(ranges))
    chain.ok(owner, L, "add_parcel", project, *parcel)


def validate(chain: Chain, project: str, owner: str = "owner") -> None:
    chain.ok(owner, P, "submit", project)
    chain.ok("registry", P, "open_notice", project)
    chain.ok("verifier", P, "validate", project, 1000, HASH)


def credit(chain: Chain, project: str, *ranges: int, **more: Any) -> None:
    """A registered project whose one parcel is claimed."""
    draw(chain, project, *ranges, **more)
    validate(chain, project, more.get("owner", "owner"))
    chain.ok("alice", L, "claim", project, 0)
    chain.ok("registry", P, "register", project)


def test_a_parcel_is_ranges_of_cells_and_their_area(chain: Chain) -> None:
    draw(chain, "p1", 0, 500, 600, 500)
    add(chain, "p1", 2000, 4)
    area = area_of(1000)
    assert chain.view(L, "get_parcel", "p1", 0) == [HASH, 0, area, 2, 1000, 2, 1, 0, 0, 1100]
    assert chain.view(L, "get_piece", "p1", 0, 0) == [0, 500, 600, 500]
    assert chain.view(L, "get_extent", "p1") == [2, 2, 1004, area + area_of(4), 2, 0]
    assert len(chain.view(L, "list_parcels", "p1", -1, 10)) == 2
    assert chain.view(L, "list_parcels", "p1", 0, 10) == [chain.view(L, "get_parcel", "p1", 1)]
    chain.view_refused("no-parcel", L, "get_parcel", "p1", 2)
    chain.view_refused("no-piece", L, "get_piece", "p1", 0, 1)
    for limit in (0, 101):
        chain.view_refused("bad-limit", L, "list_parcels", "p1", 0, limit)


@pytest.mark.parametrize(
    ("code", "place", "value"),
    [
        ("bad-hash", 0, b"x"),
        ("bad-level", 1, -1),
        ("bad-level", 1, 11),
        ("bad-area", 2, 0),
        ("bad-area", 2, 57),
        ("bad-area", 2, 510065621724089),
        ("bad-cells", 3, 0),
        ("bad-cells", 3, 65_537),
        ("bad-cells", 4, []),
        ("bad-cells", 4, [0]),
        ("bad-cells", 4, [0, 500, 600]),
        ("bad-cells", 4, [0, 500, 600, 250, 900, 250]),
        ("bad-cells", 4, [-1, 1000]),
        ("bad-cells", 4, [0, 0]),
        ("bad-cells", 4, [600, 500, 0, 500]),
        ("bad-cells", 4, [0, 500, 499, 500]),
        ("bad-cells", 4, [EARTH_CELLS - 999, 1000]),
        ("area-mismatch", 2, 2 * area_of(1000)),
        ("area-mismatch", 2, area_of(1000) // 2),
    ],
)
def test_a_parcel_names_what_is_wrong_with_it(
    chain: Chain, code: str, place: int, value: Any
) -> None:
    chain.ok("owner", P, "draft", "p1", *DRAFT)
    arguments: list[Value] = [HASH, 0, area_of(1000), 2, [0, 500, 600, 500]]
    if value == [EARTH_CELLS - 999, 1000]:
        arguments[3] = 1
    arguments[place] = value
    chain.refused(code, "owner", L, "add_parcel", "p1", *arguments)


def test_the_last_cell_of_the_earth_is_there(chain: Chain) -> None:
    draw(chain, "p1", EARTH_CELLS - 1000, 1000)


@pytest.mark.parametrize("last", [[1040, 15], [1032, 16], [1025, 16]])
def test_a_parcel_of_larger_squares_has_no_part_of_one(chain: Chain, last: list[int]) -> None:
    chain.ok("owner", P, "draft", "p1", *DRAFT)
    parcel = ("owner", L, "add_parcel", "p1", HASH, 2, area_of(1024 + last[1]), 2)
    chain.refused("bad-cells", *parcel, [0, 1024, *last])
    chain.ok(*parcel, [0, 1024, 1040, 16])


def test_squares_too_large_for_a_parcel_do_not_hide_what_it_stands_on(chain: Chain) -> None:
    """Three squares of land with one claimed passed as a boundary that cuts squares."""
    square = 1 << 20
    chain.ok("owner", P, "draft", "p1", *DRAFT)
    hidden = ("owner", L, "add_parcel", "p1", HASH, 10, area_of(3 * square), 1, [0, square])
    chain.refused("bad-level", *hidden)
    parcel = ("owner", L, "add_parcel", "p1", HASH, 2)
    chain.refused("bad-level", *parcel, area_of(1024) - 100, 1, [0, 1024])
    least = (area_of(1024), 1)
    chain.refused("area-mismatch", *parcel, *least, [0, 1024 - 288])
    chain.ok(*parcel, *least, [0, 1024 - 256])


def test_one_piece_holds_256_ranges(chain: Chain) -> None:
    chain.ok("owner", P, "draft", "p1", *DRAFT)
    ranges = [number for start in range(257) for number in (2 * start, 1)]
    parcel = ("p1", HASH, 0, area_of(257), 257)
    chain.refused("bad-cells", "owner", L, "add_parcel", *parcel, ranges)
    chain.ok("owner", L, "add_parcel", *parcel, ranges[:512])
    chain.view_refused("incomplete-parcel", L, "check_drawn", "p1", ["energy"])
    chain.refused("incomplete-parcel", "owner", P, "submit", "p1")
    chain.refused("bad-cells", "owner", L, "extend_parcel", "p1", 0, [510, 1])
    chain.refused("bad-cells", "owner", L, "extend_parcel", "p1", 0, [512, 1, 514, 1])
    chain.refused("no-parcel", "owner", L, "extend_parcel", "p1", 1, [512, 1])
    chain.refused("area-mismatch", "owner", L, "extend_parcel", "p1", 0, [512, 1000])
    chain.ok("owner", L, "extend_parcel", "p1", 0, [512, 1])
    chain.refused("bad-cells", "owner", L, "extend_parcel", "p1", 0, [600, 1])
    chain.ok("owner", P, "submit", "p1")


def test_only_the_owner_draws_and_only_a_draft(chain: Chain) -> None:
    draw(chain, "p1", 0, 1000)
    parcel = (HASH, 0, area_of(1000), 1, [5000, 1000])
    chain.refused("not-the-owner", "rival", L, "add_parcel", "p1", *parcel)
    chain.refused("not-the-owner", "rival", L, "extend_parcel", "p1", 0, [5000, 1])
    chain.refused("no-project", "owner", L, "add_parcel", "p9", *parcel)
    chain.refused("project-draft", "owner", L, "claim", "p1", 0)
    chain.ok("owner", P, "submit", "p1")
    chain.refused("project-submitted", "owner", L, "add_parcel", "p1", *parcel)


def test_what_grows_needs_land_and_what_turns_does_not(chain: Chain) -> None:
    chain.ok("owner", P, "draft", "p1", *DRAFT)
    chain.refused("no-parcels", "owner", P, "submit", "p1")
    arguments: list[Value] = [*DRAFT]
    arguments[3] = ["energy"]
    chain.ok("owner", P, "draft", "p2", *arguments)
    chain.ok("owner", P, "submit", "p2")


def test_a_project_is_registered_when_every_piece_is_claimed(chain: Chain) -> None:
    draw(chain, "p1", 0, 1000)
    add(chain, "p1", 5000, 10)
    validate(chain, "p1")
    chain.refused("not-claimed", "registry", P, "register", "p1")
    chain.ok("bob", L, "claim", "p1", 1)
    chain.refused("not-claimed", "registry", P, "register", "p1")
    chain.refused("no-parcel", "bob", L, "claim", "p1", 2)
    chain.refused("already-claimed", "bob", L, "claim", "p1", 1)
    chain.ok("bob", L, "claim", "p1", 0)
    assert [event.name for event in chain.events] == ["ParcelClaimed"]
    chain.ok("registry", P, "register", "p1")
    assert chain.view(L, "claims_at", 999) == [["p1", 0, 1000]]
    assert chain.view(L, "claims_at", 1000) == []


# --- rule 5: cells x period x claim


@pytest.mark.parametrize("ranges", [(0, 1000), (990, 1000), (500, 10), (0, 5000), (1, 1000)])
def test_land_that_is_credited_is_not_credited_again(chain: Chain, ranges: tuple[int, ...]) -> None:
    draw(chain, "late", *ranges, owner="rival")
    credit(chain, "p1", 0, 1000)
    validate(chain, "late", "rival")
    chain.refused("parcel-overlap", "rival", L, "claim", "late", 0)
    chain.refused("not-claimed", "registry", P, "register", "late")
    # And whoever draws it now hears it at once.
    chain.ok("rival", P, "draft", "p3", *DRAFT)
    parcel = (HASH, 0, area_of(sum(ranges[1::2])), 1, list(ranges))
    small = sum(ranges[1::2]) <= 1010
    if small:
        chain.refused("parcel-overlap", "rival", L, "add_parcel", "p3", *parcel)


def test_neighbours_do_not_overlap(chain: Chain) -> None:
    credit(chain, "p1", 1000, 1000)
    credit(chain, "p2", 0, 1000, 2000, 1000, owner="rival")
    assert chain.view(L, "get_parcel", "p2", 0)[8] == 0


def test_another_time_or_another_claim_is_another_matter(chain: Chain) -> None:
    credit(chain, "p1", 0, 1000)
    credit(chain, "p2", 0, 1000, owner="rival", period=(TO, TO + 100 * DAY))
    credit(chain, "p3", 0, 1000, owner="rival", period=(FROM - 100 * DAY, FROM))
    credit(chain, "p4", 0, 1000, owner="rival", claims=("soil", "methane"))
    found = chain.view(L, "claims_at", 500)
    assert sorted(item[0] for item in found) == ["p1", "p2", "p3", "p4"]
    for period, claims in (((TO - 1, TO + 9), ("biomass",)), ((FROM, TO), ("soil", "biomass"))):
        name = f"q{claims[0]}"
        arguments: list[Value] = [*DRAFT]
        arguments[3:6] = [list(claims), *period]
        chain.ok("rival", P, "draft", name, *arguments)
        parcel = (HASH, 0, area_of(1000), 1, [0, 1000])
        chain.refused("parcel-overlap", "rival", L, "add_parcel", name, *parcel)


def test_a_sliver_below_one_percent_is_flagged(chain: Chain) -> None:
    credit(chain, "p1", 0, 1000)
    draw(chain, "p2", 991, 1000, owner="rival")
    validate(chain, "p2", "rival")
    chain.ok("bob", L, "claim", "p2", 0)
    names = [(event.name, event.values[-1]) for event in chain.events]
    assert names == [("Overlapped", 9), ("ParcelClaimed", 9)]
    assert chain.view(L, "list_overlaps", "p2", 0) == [["p1", 0, 9]]
    assert [chain.view(L, "get_parcel", name, 0)[8] for name in ("p1", "p2")] == [9, 9]
    assert sorted(chain.view(L, "claims_at", 995)) == [["p1", 0, 1000], ["p2", 0, 1000]]
    # One cell more is 1 % of the first one's area, whoever adds it.
    draw(chain, "p3", 0, 1, 5000, 1000, owner="rival")
    validate(chain, "p3", "rival")
    chain.refused("parcel-overlap", "bob", L, "claim", "p3", 0)


def test_a_small_parcel_inside_a_large_one_is_refused(chain: Chain) -> None:
    """A thousandth of the large one's area, and all of the small one's."""
    draw(chain, "large", 0, 100_000, owner="rival")
    credit(chain, "small", 500, 100)
    validate(chain, "large", "rival")
    chain.refused("parcel-overlap", "bob", L, "claim", "large", 0)


def test_a_projects_own_parcels_do_not_overlap_either(chain: Chain) -> None:
    draw(chain, "p1", 0, 1000)
    add(chain, "p1", 500, 1000)
    validate(chain, "p1")
    chain.ok("bob", L, "claim", "p1", 0)
    chain.refused("parcel-overlap", "bob", L, "claim", "p1", 1)


def test_what_ends_before_registration_leaves_the_land_free(chain: Chain) -> None:
    draw(chain, "p1", 0, 100, 200, 800)
    validate(chain, "p1")
    chain.ok("bob", L, "claim", "p1", 0)
    chain.ok("owner", P, "withdraw", "p1", "sold")
    credit(chain, "p2", 0, 300, 300, 800, owner="rival")
    # Its rows made room: the new ones stand alone.
    assert chain.view(L, "claims_at", 250) == [["p2", 0, 300]]
    assert chain.view(L, "claims_at", 999) == [["p2", 0, 800]]


def test_what_ends_later_keeps_the_time_it_was_credited_for(chain: Chain) -> None:
    credit(chain, "p1", 0, 1000)
    chain.ok("regulator", P, "deregister", "p1", "fraud")
    ended = chain.time
    credit(chain, "p2", 0, 1000, owner="rival", period=(ended, TO))
    chain.ok("rival", P, "draft", "p3", *DRAFT)
    parcel = (HASH, 0, area_of(1000), 1, [0, 1000])
    chain.refused("parcel-overlap", "rival", L, "add_parcel", "p3", *parcel)


def test_imports_take_land_like_others(chain: Chain) -> None:
    chain.ok("registry", P, "record_imported", "acr.1", *IMPORTED)
    parcel = (HASH, 0, area_of(1000), 1, [0, 1000])
    chain.refused("not-the-registrar", "alice", L, "add_parcel", "acr.1", *parcel)
    chain.ok("registry", L, "add_parcel", "acr.1", *parcel)
    chain.ok("registry", L, "claim", "acr.1", 0)
    draw(chain, "p1", 5000, 1000)
    chain.refused("parcel-overlap", "owner", L, "add_parcel", "p1", *parcel)
    validate(chain, "p1")
    chain.ok("bob", L, "claim", "p1", 0)
    # The other way round.
    arguments = list(IMPORTED)
    arguments[1] = "ACR124"
    chain.ok("registry", P, "record_imported", "acr.2", *arguments)
    parcel = (HASH, 0, area_of(1000), 1, [5001, 1000])
    chain.refused("parcel-overlap", "registry", L, "add_parcel", "acr.2", *parcel)
    chain.ok("registry", P, "withdraw", "acr.2", "left")
    free = (HASH, 0, area_of(1000), 1, [9000, 1000])
    chain.refused("project-withdrawn", "registry", L, "add_parcel", "acr.2", *free)


def test_sixteen_claims_lie_on_one_cell_and_no_more(chain: Chain) -> None:
    for number in range(17):
        start = FROM + number * DAY
        draw(chain, f"p{number}", 0, 1000, period=(start, start + DAY))
        validate(chain, f"p{number}")
        if number < 16:
            chain.ok("bob", L, "claim", f"p{number}", 0)
    chain.refused("too-many-claims", "bob", L, "claim", "p16", 0)
    assert len(chain.view(L, "claims_at", 0)) == 16


def test_those_that_came_to_nothing_take_no_room(chain: Chain) -> None:
    for number in range(20):
        draw(chain, f"p{number}", 0, 1000)
        validate(chain, f"p{number}")
        chain.ok("bob", L, "claim", f"p{number}", 0)
        chain.ok("owner", P, "withdraw", f"p{number}", "sold")
    assert len(chain.view(L, "claims_at", 0)) == 1


def test_a_range_over_many_others_counts_each_once(chain: Chain) -> None:
    """More of them than one scan brings: where a page ends nothing is lost or read again."""
    crowd = [number for step in range(150) for number in (3 * step, 1)]
    credit(chain, "p1", *crowd, 100_000, 20_000)
    draw(chain, "p2", 0, 20_000, owner="rival")
    validate(chain, "p2", "rival")
    chain.ok("bob", L, "claim", "p2", 0)
    assert chain.view(L, "list_overlaps", "p2", 0) == [["p1", 0, 150]]
    assert chain.view(L, "get_parcel", "p1", 0)[8] == 150


def test_a_project_has_ten_thousand_parcels_at_most(chain: Chain) -> None:
    """The count is set as if they were there: adding them takes minutes."""
    draw(chain, "p1", 0, 1000)
    (key,) = (key for key in chain.state.values if b"extents" in key)
    value = chain.state.values[key]
    assert value[:2] == bytes([0x96, 1])
    chain.state.values[key] = bytes([0x96, 0xCD, 0x27, 0x10]) + value[2:]
    parcel = (HASH, 0, area_of(1000), 1, [5000, 1000])
    chain.refused("too-many-parcels", "owner", L, "add_parcel", "p1", *parcel)


def test_a_piece_among_many_costs_what_it_writes(chain: Chain) -> None:
    """Two parcels whose ranges alternate, 256 each: the look-ups are read once and in order."""
    for offset, name in enumerate(("p1", "p2")):
        ranges = [n for step in range(256) for n in (4 * step + 2 * offset, 1)]
        draw(chain, name, *ranges, owner="rival")
        validate(chain, name, "rival")
        receipts, _ = chain.run(chain.make("bob", Call(L, "claim", (name, 0)), gas=4_000_000))
        assert receipts[0].status == "ok"
    assert receipts[0].gas < 2_500_000
