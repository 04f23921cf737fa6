"""The contract ``factors``: sets in force, versions, supersession; and each of its refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.carbon_chain import HASH, Chain

F = "factors"
YEAR = 365 * 24 * 3600
SOURCE = "IR (EU) 2025/2547"


@pytest.fixture
def chain() -> Chain:
    return Chain()


def set_arguments(table: str = "fuels", **changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "table": table, "source": SOURCE, "source_hash": HASH, "jurisdiction": "EU", "gwp_set": "",
        "valid_from": 0, "valid_to": 10 * YEAR, "status": "verified", "supersedes": "",
    }  # fmt: skip
    return list((values | changes).values())


def entry(factor: str = "coal.ef", **changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "factor": factor, "value": 94_600_000_000, "scale": 9, "unit": "t CO2/TJ", "gas": "CO2",
        "page": "Annex II G, Table 1",
    }  # fmt: skip
    return list((values | changes).values())


def put(chain: Chain, table: str, *entries: list[Any], **changes: Any) -> None:
    """Open, fill and publish one set."""
    chain.ok("regulator", F, "open_set", *set_arguments(table, **changes))
    chain.ok("regulator", F, "add", table, list(entries))
    chain.ok("regulator", F, "publish", table, len(entries))


def test_a_published_figure_is_read_with_everything_about_it(chain: Chain) -> None:
    chain.ok("regulator", F, "open_set", *set_arguments(status="unverified", gwp_set="AR5"))
    assert chain.events[0].values == ("fuels", "regulator", "unverified")
    chain.ok("regulator", F, "add", "fuels", [entry(), entry("coal.ncv", value=-3, gas="")])
    chain.ok("regulator", F, "publish", "fuels", 2)
    assert (chain.events[0].name, chain.events[0].values) == (
        "SetPublished", ("fuels", "regulator", 2)
    )  # fmt: skip
    assert chain.view(F, "get_factor", "coal.ef", 5, 10 * YEAR) == [
        "coal.ef", 1, 94_600_000_000, 9, "t CO2/TJ", "CO2", "AR5", SOURCE, "Annex II G, Table 1",
        "EU", 0, 10 * YEAR, "unverified",
    ]  # fmt: skip
    assert chain.view(F, "get_set", "fuels") == [
        SOURCE, HASH, "EU", "AR5", 0, 10 * YEAR, "unverified", "published", "", "regulator", 2,
        chain.time,
    ]  # fmt: skip
    assert chain.view(F, "count_versions", "coal.ncv") == 1
    assert chain.view(F, "list_sets", "", 10) == ["fuels"]
    rows = chain.view(F, "list_factors", "fuels", "", 10)
    assert [row[0] for row in rows] == ["coal.ef", "coal.ncv"]
    assert chain.view(F, "list_factors", "fuels", "coal.ef", 10) == [rows[1]]


def test_nothing_of_an_open_set_is_in_force(chain: Chain) -> None:
    chain.ok("regulator", F, "open_set", *set_arguments())
    chain.ok("regulator", F, "add", "fuels", [entry()])
    chain.view_refused("factor-not-in-force", F, "get_factor", "coal.ef", 0, 1)
    assert chain.view(F, "get_version", "coal.ef", 1)[12] == "open"


@pytest.mark.parametrize(
    ("start", "end", "version"),
    [(0, 1, 1), (0, YEAR, 1), (YEAR, 2 * YEAR, 2), (YEAR, YEAR + 1, 2), (YEAR - 1, YEAR, 1)],
)
def test_each_year_has_its_own_version(chain: Chain, start: int, end: int, version: int) -> None:
    put(chain, "grid-1", entry("CN-BJ"), valid_to=YEAR)
    put(chain, "grid-2", entry("CN-BJ", value=1), valid_from=YEAR, valid_to=2 * YEAR)
    assert chain.view(F, "get_factor", "CN-BJ", start, end)[1] == version


@pytest.mark.parametrize(
    ("start", "end"), [(YEAR - 1, YEAR + 1), (0, 2 * YEAR), (2 * YEAR, 2 * YEAR + 1)]
)
def test_a_period_outside_one_versions_validity_is_refused(
    chain: Chain, start: int, end: int
) -> None:
    put(chain, "grid-1", entry("CN-BJ"), valid_to=YEAR)
    put(chain, "grid-2", entry("CN-BJ", value=1), valid_from=YEAR, valid_to=2 * YEAR)
    chain.view_refused("factor-not-in-force", F, "get_factor", "CN-BJ", start, end)


def test_a_set_that_supersedes_takes_over_from_its_first_second(chain: Chain) -> None:
    put(chain, "old", entry(), entry("gas.ef"))
    arguments = set_arguments("new", valid_from=YEAR, supersedes="old")
    chain.ok("regulator", F, "open_set", *arguments)
    chain.ok("regulator", F, "add", "new", [entry(value=5)])
    assert chain.view(F, "get_factor", "coal.ef", 0, 2 * YEAR)[1] == 1
    chain.ok("regulator", F, "publish", "new", 1)
    old = chain.view(F, "get_factor", "coal.ef", 0, YEAR)
    assert (old[1], old[11]) == (1, YEAR)
    assert chain.view(F, "get_factor", "coal.ef", YEAR, 2 * YEAR)[1:3] == [2, 5]
    chain.view_refused("factor-not-in-force", F, "get_factor", "coal.ef", YEAR - 1, YEAR + 1)
    # Factor by factor: what the new set does not have still stands in the old one.
    assert chain.view(F, "get_factor", "gas.ef", 0, 2 * YEAR)[1] == 1
    assert chain.view(F, "get_version", "coal.ef", 1)[11] == 10 * YEAR


def test_a_correction_leaves_nothing_of_what_it_corrects_even_when_withdrawn(chain: Chain) -> None:
    put(chain, "wrong", entry())
    put(chain, "right", entry(value=5), supersedes="wrong")
    assert chain.view(F, "get_factor", "coal.ef", 0, YEAR)[1] == 2
    chain.ok("regulator", F, "withdraw", "right", "wrong too")
    assert chain.events[0].values == ("right", "regulator", "wrong too")
    chain.view_refused("factor-not-in-force", F, "get_factor", "coal.ef", 0, YEAR)
    assert chain.view(F, "get_version", "coal.ef", 2)[12] == "withdrawn"
    put(chain, "third", entry(value=6))
    assert chain.view(F, "get_factor", "coal.ef", 0, YEAR)[1] == 3


def test_an_open_set_supersedes_nothing_yet_and_may_be_withdrawn(chain: Chain) -> None:
    put(chain, "old", entry())
    chain.ok("regulator", F, "open_set", *set_arguments("typo", valid_from=YEAR, supersedes="old"))
    chain.ok("regulator", F, "add", "typo", [entry(value=5)])
    later = set_arguments("later", valid_from=2 * YEAR, supersedes="old")
    chain.ok("regulator", F, "open_set", *later)
    chain.refused("factor-overlap", "regulator", F, "add", "later", [entry()])
    chain.ok("regulator", F, "withdraw", "typo", "a typo")
    assert chain.view(F, "get_factor", "coal.ef", 0, 2 * YEAR)[1] == 1
    chain.ok("regulator", F, "add", "later", [entry(value=6)])
    chain.ok("regulator", F, "publish", "later", 1)
    assert chain.view(F, "get_factor", "coal.ef", 0, 2 * YEAR)[1] == 1
    assert chain.view(F, "get_factor", "coal.ef", 2 * YEAR, 3 * YEAR)[1] == 3


def test_a_third_edition_may_name_the_second_only(chain: Chain) -> None:
    put(chain, "first", entry())
    put(chain, "second", entry(), valid_from=2 * YEAR, supersedes="first")
    arguments = set_arguments("early", valid_from=YEAR, supersedes="second")
    chain.ok("regulator", F, "open_set", *arguments)
    chain.refused("factor-overlap", "regulator", F, "add", "early", [entry()])
    put(chain, "third", entry(), valid_from=3 * YEAR, supersedes="second")
    versions = [
        chain.view(F, "get_factor", "coal.ef", n * YEAR, (n + 1) * YEAR)[1] for n in range(5)
    ]
    assert versions == [1, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("valid_from", "valid_to"),
    [(0, 10 * YEAR), (9 * YEAR, 11 * YEAR), (YEAR, 2 * YEAR), (10 * YEAR - 1, 20 * YEAR)],
)
def test_two_versions_never_hold_for_one_time(chain: Chain, valid_from: int, valid_to: int) -> None:
    put(chain, "fuels", entry())
    arguments = set_arguments("more", valid_from=valid_from, valid_to=valid_to)
    chain.ok("regulator", F, "open_set", *arguments)
    chain.refused("factor-overlap", "regulator", F, "add", "more", [entry()])
    chain.ok("regulator", F, "add", "more", [entry("other")])


def test_a_published_figure_never_changes(chain: Chain) -> None:
    put(chain, "fuels", entry())
    chain.refused("already-published", "regulator", F, "add", "fuels", [entry("gas.ef")])
    chain.refused("already-published", "regulator", F, "add", "fuels", [entry(value=1)])
    chain.refused("already-published", "regulator", F, "publish", "fuels", 1)
    chain.refused("set-exists", "regulator", F, "open_set", *set_arguments())
    chain.ok("regulator", F, "withdraw", "fuels", "wrong")
    chain.refused("already-published", "regulator", F, "publish", "fuels", 1)
    chain.refused("set-exists", "regulator", F, "open_set", *set_arguments())


def test_a_copy_is_unverified_until_a_regulator_has_compared_it(chain: Chain) -> None:
    put(chain, "copied", entry(), status="unverified")
    chain.refused("bad-hash", "regulator-two", F, "verify", "copied", b"x")
    chain.ok("regulator-two", F, "verify", "copied", HASH)
    assert (chain.events[0].name, chain.events[0].values) == (
        "SetVerified", ("copied", "regulator-two", HASH)
    )  # fmt: skip
    assert chain.view(F, "get_factor", "coal.ef", 0, 1)[12] == "verified"
    chain.refused("already-verified", "regulator-two", F, "verify", "copied", HASH)
    chain.ok("regulator", F, "open_set", *set_arguments("open", status="unverified"))
    chain.refused("not-published", "regulator", F, "verify", "open", HASH)


@pytest.mark.parametrize("sender", ["alice", "verifier", "registry", "owner", "bank"])
def test_regulators_alone_publish(chain: Chain, sender: str) -> None:
    chain.refused("not-permitted", sender, F, "open_set", *set_arguments())
    chain.ok("regulator", F, "open_set", *set_arguments())
    chain.refused("not-permitted", sender, F, "add", "fuels", [entry()])
    chain.ok("regulator", F, "add", "fuels", [entry()])
    chain.refused("not-permitted", sender, F, "publish", "fuels", 1)
    chain.ok("regulator", F, "publish", "fuels", 1)
    chain.refused("not-permitted", sender, F, "verify", "fuels", HASH)
    chain.refused("not-permitted", sender, F, "withdraw", "fuels", "x")


def test_a_regulator_fills_and_publishes_its_own_sets_only(chain: Chain) -> None:
    chain.ok("regulator", F, "open_set", *set_arguments())
    chain.refused("not-permitted", "regulator-two", F, "add", "fuels", [entry()])
    chain.ok("regulator", F, "add", "fuels", [entry()])
    chain.refused("not-permitted", "regulator-two", F, "publish", "fuels", 1)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-id", {"table": ""}),
        ("bad-id", {"table": "a b"}),
        ("bad-id", {"table": "x" * 65}),
        ("bad-text", {"source": ""}),
        ("bad-text", {"source": "x" * 257}),
        ("bad-hash", {"source_hash": HASH[:31]}),
        ("bad-text", {"jurisdiction": ""}),
        ("bad-text", {"jurisdiction": "x" * 33}),
        ("bad-text", {"gwp_set": "x" * 33}),
        ("bad-validity", {"valid_from": -1}),
        ("bad-validity", {"valid_from": 5, "valid_to": 5}),
        ("bad-validity", {"valid_to": 1 << 53}),
        ("bad-status", {"status": "checked"}),
        ("set-exists", {"table": "there"}),
        ("no-set", {"supersedes": "nothing"}),
        ("not-published", {"supersedes": "half"}),
    ],
)
def test_a_set_is_refused(chain: Chain, code: str, changes: Any) -> None:
    put(chain, "there", entry("there"))
    chain.ok("regulator", F, "open_set", *set_arguments("half"))
    chain.refused(code, "regulator", F, "open_set", *set_arguments(**changes))


@pytest.mark.parametrize(
    ("code", "entries"),
    [
        ("bad-entries", []),
        ("bad-entries", [entry(f"f{n}") for n in range(101)]),
        ("bad-id", [entry("")]),
        ("bad-id", [entry("caf\u00e9")]),
        ("bad-scale", [entry(scale=8)]),
        ("bad-scale", [entry(scale=19)]),
        ("bad-value", [entry(value=10**36 + 1)]),
        ("bad-value", [entry(value=-(10**36) - 1)]),
        ("bad-text", [entry(unit="")]),
        ("bad-text", [entry(unit="x" * 65)]),
        ("bad-text", [entry(gas="x" * 33)]),
        ("bad-text", [entry(page="")]),
        ("bad-text", [entry(page="x" * 129)]),
        ("factor-exists", [entry(), entry()]),
        ("factor-exists", [entry("there")]),
    ],
)
def test_a_figure_is_refused(chain: Chain, code: str, entries: Any) -> None:
    chain.ok("regulator", F, "open_set", *set_arguments())
    chain.ok("regulator", F, "add", "fuels", [entry("there")])
    chain.refused(code, "regulator", F, "add", "fuels", entries)


def test_a_factor_has_at_most_64_versions(chain: Chain) -> None:
    for number in range(65):
        table = f"s{number}"
        arguments = set_arguments(table, valid_from=number, valid_to=number + 1)
        chain.ok("regulator", F, "open_set", *arguments)
        if number < 64:
            chain.ok("regulator", F, "add", table, [entry()])
    chain.refused("too-many-versions", "regulator", F, "add", "s64", [entry()])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_set_is_published_whole_or_not(chain: Chain, count: int) -> None:
    chain.ok("regulator", F, "open_set", *set_arguments())
    chain.refused("incomplete-set", "regulator", F, "publish", "fuels", 0)
    chain.ok("regulator", F, "add", "fuels", [entry(), entry("gas.ef")])
    chain.refused("incomplete-set", "regulator", F, "publish", "fuels", count)


def test_what_is_not_there_is_refused(chain: Chain) -> None:
    put(chain, "fuels", entry())
    chain.refused("no-set", "regulator", F, "add", "nothing", [entry()])
    chain.refused("no-set", "regulator", F, "publish", "nothing", 1)
    chain.refused("no-set", "regulator", F, "verify", "nothing", HASH)
    chain.refused("no-set", "regulator", F, "withdraw", "nothing", "x")
    chain.refused("bad-text", "regulator", F, "withdraw", "fuels", "")
    chain.refused("bad-text", "regulator", F, "withdraw", "fuels", "x" * 257)
    chain.ok("regulator", F, "withdraw", "fuels", "x")
    chain.refused("already-withdrawn", "regulator", F, "withdraw", "fuels", "x")
    chain.view_refused("no-set", F, "get_set", "nothing")
    chain.view_refused("no-factor", F, "get_factor", "nothing", 0, 1)
    chain.view_refused("no-factor", F, "get_version", "coal.ef", 2)
    chain.view_refused("bad-period", F, "get_factor", "coal.ef", 1, 1)
    chain.view_refused("bad-period", F, "get_factor", "coal.ef", -1, 1)
    for limit in (0, 101):
        chain.view_refused("bad-limit", F, "list_sets", "", limit)
        chain.view_refused("bad-limit", F, "list_factors", "fuels", "", limit)
