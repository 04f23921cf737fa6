"""The contract ``parcels``: stocks seen on plots or from above, committed first, measured later."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import DAY, HASH, Chain
from tests.unit.vm.project_chain import L

MONTH = 30 * DAY
RESULT = bytes(32)


@pytest.fixture
def chain() -> Chain:
    found = at.make_project_chain()
    at.register(found)
    return found


def commit(chain: Chain, name: str, parcel: int = 0, kind: str = "remote-sensing") -> None:
    arguments = (name, "p1", parcel, kind, "lidar 2.1", chain.time, HASH)
    chain.ok("alice", L, "commit_observation", *arguments)


def measure(chain: Chain, name: str, mean: int, deviation: int = 5, scale: int = 1) -> list[str]:
    """Measure in t/ha; the names of the events."""
    chain.ok("alice", L, "measure", name, 9, mean, deviation, scale, "t/ha", RESULT)
    return [event.name for event in chain.events]


def test_an_observation_is_committed_and_then_measured(chain: Chain) -> None:
    commit(chain, "o1", -1, "plots")
    seen = chain.time - 1
    before = ["p1", -1, "plots", "lidar 2.1", seen, HASH, "alice", seen + 1]
    assert chain.view(L, "get_observation", "o1") == [*before, 0, 0, 0, 0, "", b"", 0]
    assert chain.view(L, "get_latest", "p1", -1, "t/ha") == ""
    assert measure(chain, "o1", 1000) == ["ObservationMeasured"]
    after = [9, 1000, 5, 1, "t/ha", RESULT, chain.time]
    assert chain.view(L, "get_observation", "o1") == [*before, *after]
    assert chain.view(L, "get_latest", "p1", -1, "t/ha") == "o1"
    commit(chain, "o2")
    assert chain.view(L, "observations_of", "p1", "", 1) == ["o1"]
    assert chain.view(L, "observations_of", "p1", "o1", 100) == ["o2"]
    for limit in (0, 101):
        chain.view_refused("bad-limit", L, "observations_of", "p1", "", limit)
    chain.view_refused("no-observation", L, "get_observation", "o9")


@pytest.mark.parametrize(
    ("code", "place", "value"),
    [
        ("bad-id", 0, "x" * 65),
        ("bad-id", 0, "a b"),
        ("no-project", 1, "p9"),
        ("no-parcel", 2, 1),
        ("no-parcel", 2, -2),
        ("bad-kind", 3, "guess"),
        ("bad-text", 4, ""),
        ("bad-text", 4, "x" * 65),
        ("bad-time", 5, -1),
        ("bad-time", 5, 1 << 40),
        ("bad-hash", 6, b""),
    ],
)
def test_a_commitment_names_what_is_wrong_with_it(
    chain: Chain, code: str, place: int, value: Any
) -> None:
    arguments: list[Any] = ["o1", "p1", 0, "plots", "IPCC 2006", chain.time, HASH]
    arguments[place] = value
    chain.refused(code, "alice", L, "commit_observation", *arguments)


def test_what_was_seen_is_committed_in_time_by_somebody_else_once(chain: Chain) -> None:
    seen = chain.time
    arguments = ("o1", "p1", 0, "plots", "IPCC 2006", seen, HASH)
    chain.refused("submitter-is-owner", "owner", L, "commit_observation", *arguments)
    chain.time = seen + MONTH
    chain.refused("late-commitment", "alice", L, "commit_observation", *arguments)
    chain.time = seen + MONTH - 1
    chain.ok("alice", L, "commit_observation", *arguments)
    commit_again = ("o1", "p1", 0, "plots", "IPCC 2006", chain.time, HASH)
    chain.refused("observation-exists", "bob", L, "commit_observation", *commit_again)


@pytest.mark.parametrize(
    ("code", "place", "value"),
    [
        ("no-observation", 0, "o9"),
        ("bad-samples", 1, 0),
        ("bad-samples", 1, 1_000_001),
        ("bad-amount", 2, -1),
        ("bad-amount", 2, 10**30 + 1),
        ("bad-amount", 3, -1),
        ("bad-amount", 3, 10**30 + 1),
        ("bad-scale", 4, -1),
        ("bad-scale", 4, 19),
        ("bad-text", 5, ""),
        ("bad-text", 5, "x" * 17),
        ("bad-hash", 6, b""),
    ],
)
def test_a_result_names_what_is_wrong_with_it(
    chain: Chain, code: str, place: int, value: Any
) -> None:
    commit(chain, "o1")
    arguments: list[Any] = ["o1", 9, 1000, 5, 1, "t/ha", RESULT]
    arguments[place] = value
    chain.refused(code, "alice", L, "measure", *arguments)


def test_a_result_comes_from_who_saw_and_stands(chain: Chain) -> None:
    commit(chain, "o1")
    result = ("o1", 9, 1000, 5, 1, "t/ha", RESULT)
    chain.refused("not-submitter", "bob", L, "measure", *result)
    chain.ok("alice", L, "measure", *result)
    chain.refused("already-measured", "alice", L, "measure", *result)


def test_a_stock_that_falls_by_more_than_both_deviations_is_flagged(chain: Chain) -> None:
    """100.0 +- 0.5 t/ha first: 99.0 +- 0.5 may be the same, 98.99 +- 0.50 is not."""
    fell = ["ObservationMeasured", "StockFell"]
    for name, mean, deviation, scale, events in (
        ("o1", 1000, 5, 1, fell[:1]),
        ("o2", 990, 5, 1, fell[:1]),
        ("o3", 1000, 5, 1, fell[:1]),
        ("o4", 9899, 50, 2, fell),
        ("o5", 2000, 5, 1, fell[:1]),
    ):
        commit(chain, name)
        assert measure(chain, name, mean, deviation, scale) == events, name
    # Of another parcel, or seen earlier and measured late: nothing to compare with.
    commit(chain, "o6", -1)
    assert measure(chain, "o6", 1) == fell[:1]
    commit(chain, "o7")
    commit(chain, "o8")
    assert measure(chain, "o8", 2000) == fell[:1]
    assert measure(chain, "o7", 1) == fell[:1]
    assert chain.view(L, "get_latest", "p1", 0, "t/ha") == "o8"
