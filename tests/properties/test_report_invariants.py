"""Random histories of many reports at once: what must hold after every step, whoever does what.

Two projects of one owner read one meter. Steps are drawn at random, most are refused; nothing of
the contract is copied here: the invariants are counted from what its views show. Time and
readings are credited once, what was issued is either in force or due, and the five duties of
a report stay apart. A failing seed is in the name of the test.
"""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest

from tests.unit.vm.carbon_chain import DAY, HASH, START_SECONDS, Chain
from tests.unit.vm.meters import BEGAN, METER, QUARTER_S, batch_of, make_readings, submit
from tests.unit.vm.mrv_chain import (
    BUFFER_SHARE,
    FIELDS,
    NOTICE,
    PROJECT,
    SINK,
    R,
    energy,
    fork,
    make_mrv_chain,
    make_terms,
)

SEEDS = range(8)
STEPS = 220
SPAN = 8
"""Readings of a batch after the first day's; periods are whole batches."""
BATCHES = 6
OTHER = "p2"
REPORTS = [f"r{number}" for number in range(7)]


@pytest.fixture(scope="module")
def base() -> Chain:
    chain = make_mrv_chain()
    chain.ok("owner", "projects", "draft", OTHER, "CN-FJ", SINK, "forest", ["energy"],
             START_SECONDS - 400 * DAY, START_SECONDS + 200 * DAY, HASH)  # fmt: skip
    chain.ok("owner", "projects", "submit", OTHER)
    chain.ok("registry", "projects", "open_notice", OTHER)
    chain.time += NOTICE
    chain.ok("verifier", "projects", "validate", OTHER, BUFFER_SHARE, HASH)
    chain.ok("registry", "projects", "register", OTHER)
    for number in range(BATCHES):
        first = 97 + number * SPAN
        submit(chain, batch_of(chain, make_readings(SPAN, first, start_of(number))))
    return chain


def start_of(batch: int) -> int:
    return BEGAN + DAY + batch * SPAN * QUARTER_S


def get_reports(chain: Chain) -> dict[str, dict[str, Any]]:
    names = chain.view(R, "list_reports", "", 100)
    rows = {name: chain.view(R, "get_report", name) for name in names}
    return {name: dict(zip(FIELDS, row, strict=True)) for name, row in rows.items()}


def take_step(chain: Chain, rng: random.Random) -> None:
    """Somebody does something, right or wrong; what is refused changes nothing."""
    report = rng.choice(REPORTS)
    chain.time += rng.choice((0, 0, NOTICE))
    match rng.randrange(9):
        case 0:
            first, last = sorted(rng.sample(range(BATCHES + 1), 2))
            terms = make_terms(
                report, subject=rng.choice((PROJECT, OTHER)), period_from=start_of(first),
                period_to=start_of(last),
            )  # fmt: skip
            chain.send("owner", R, "open_report", *terms)
        case 1:
            restate(chain, rng, report)
        case 2:
            first, last = sorted(rng.sample(range(BATCHES + 1), 2))
            given = energy(chain, 97 + first * SPAN, 96 + last * SPAN)
            chain.send("metering", R, "submit", report, [given])
        case 3:
            make_progress(chain, rng, report)
        case 4 | 5 | 6:
            for _ in range(5):
                make_progress(chain, rng, report)
        case 7:
            method = rng.choice(("reject", "invalidate"))
            chain.send("regulator", R, method, report, "by lot")
        case 8:
            make_good(chain, rng, report)


def restate(chain: Chain, rng: random.Random, report: str) -> None:
    held = get_reports(chain)
    if held:
        old = rng.choice(sorted(held))
        terms = make_terms(
            report, subject=held[old]["subject"], period_from=held[old]["period_from"],
            period_to=held[old]["period_to"], supersedes=old,
        )  # fmt: skip
        chain.send("owner", R, "open_report", *terms)


def make_progress(chain: Chain, rng: random.Random, report: str) -> None:
    """The next step of the report's life, as its party would take it."""
    held = get_reports(chain).get(report)
    if held is None:
        return
    grams = held["computed_grams"]
    verified = rng.choice((grams, grams // 2, grams // 10, 900))
    first = 97 + (held["period_from"] - start_of(0)) // QUARTER_S
    last = 96 + (held["period_to"] - start_of(0)) // QUARTER_S
    steps: dict[str, tuple[str, str, tuple[Any, ...]]] = {
        "draft": ("metering", "submit", ([energy(chain, first, last)],)),
        "changes-requested": ("metering", "submit", ([energy(chain, first, last)],)),
        "submitted": ("bob", "check", ()),
        "auto-checked": ("verifier", "begin_verification", ()),
        "under-verification": ("verifier", "verify", (verified, HASH)),
        "verified": ("registry", "publish", ()),
        "public-notice": ("regulator", "approve", ()),
    }
    if held["status"] in steps:
        sender, method, arguments = steps[held["status"]]
        chain.time += NOTICE
        chain.send(sender, R, method, report, *arguments)


def make_good(chain: Chain, rng: random.Random, report: str) -> None:
    """The owner cancels the first part of some lot that it has, and shows the certificate."""
    for batch, _ in chain.view("units", "holdings_of", "owner", "", 100):
        for start, end, owner, status, _ in chain.view("units", "lots_of", batch, 0, 100):
            if (owner, status) == ("owner", "active"):
                end = rng.randint(start + 1, end)
                purpose = f"make-good:{report}"
                number = chain.ok("owner", "retirement", "cancel", batch, start, end, purpose)
                chain.send("bob", R, "make_good", report, number)
                return


def is_standing(report: dict[str, Any]) -> bool:
    """Whether its time and readings are its own: also while what it issued is not made good."""
    if report["status"] == "invalidated":
        owes = report["made_good_kg"] < report["due_kg"]
        return owes and report["superseded_by"] == ""
    return report["status"] != "rejected"


def check_invariants(chain: Chain, seed: int) -> None:
    reports = get_reports(chain)
    standing = {name: item for name, item in reports.items() if is_standing(item)}
    for (one, a), (two, b) in combinations(standing.items(), 2):
        apart = a["period_to"] <= b["period_from"] or b["period_to"] <= a["period_from"]
        other = a["subject"] != b["subject"]
        restating = a["supersedes"] == two or b["supersedes"] == one
        assert apart or other or restating, (seed, one, two)
    used: dict[int, str] = {}
    for name, item in standing.items():
        if item["status"] in ("approved", "issued", "invalidated"):
            reference = chain.view(R, "get_inputs", name, 0)[0][4]
            first, last = map(int, reference.partition("/")[2].split("-"))
            for sequence in range(first, last + 1):
                assert used.setdefault(sequence, name) == name, (seed, sequence)
    for sequence in range(97, 97 + BATCHES * SPAN):
        assert chain.view(R, "get_use", METER, sequence) == used.get(sequence, ""), seed
    issued = chain.view("units", "total")[1]
    valid = sum(item["issued_kg"] for item in reports.values() if item["status"] == "issued")
    assert issued - valid == sum(item["due_kg"] for item in reports.values()), seed
    for project in (PROJECT, OTHER):
        owed = sum(
            max(0, item["due_kg"] - item["made_good_kg"])
            for item in reports.values()
            if item["subject"] == project
        )
        assert chain.view(R, "get_due", project) == owed, seed
    for name, item in reports.items():
        check_report(item, (seed, name))


def check_report(item: dict[str, Any], place: Any) -> None:
    duties = [item[name] for name in ("owner", "submitter", "verifier", "issuer", "approver")]
    taken = [organisation for organisation in duties if organisation]
    assert len(set(taken)) == len(taken), place
    if item["status"] == "issued":
        assert len(taken) == 5, place
        assert item["verified_grams"] <= item["computed_grams"], place
        assert item["issued_kg"] == item["verified_grams"] // 1000, place


@pytest.mark.parametrize("seed", SEEDS)
def test_time_and_readings_are_credited_once_and_every_unit_stands_or_is_due(
    base: Chain, seed: int
) -> None:
    rng, chain = random.Random(seed), fork(base)
    for _ in range(STEPS):
        take_step(chain, rng)
        check_invariants(chain, seed)
    states = {item["status"] for item in get_reports(chain).values()}
    assert states & {"issued", "invalidated", "approved"}, "nothing happened"


def test_the_seeds_together_reach_restatements_dues_and_refusals(base: Chain) -> None:
    seen: set[str] = set()
    for seed in SEEDS:
        rng, chain = random.Random(seed), fork(base)
        for _ in range(STEPS):
            take_step(chain, rng)
            seen |= {event.name for event in chain.events}
        for item in get_reports(chain).values():
            seen.add(item["status"])
            seen.add("restated" if item["superseded_by"] else "")
            seen.add("made good" if item["made_good_kg"] else "")
    assert {"issued", "invalidated", "rejected", "restated", "made good", "MadeGood"} <= seen
