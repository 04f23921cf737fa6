"""What a run says: a table for people, a document for programs, a verdict."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.chaos.run import Outcome, Result
from tools.chaos.schedule import FaultKind

LEADER_MEDIAN_MAX_S = 2.5
"""The bar: the chain goes on so soon after the death of its leader, at the median."""
LEADER_DEATHS_MIN = 5
"""A median of fewer says nothing."""


def summarise(values: Iterable[float | None]) -> dict[str, float | int | None]:
    """Return count, median and worst of the values that there are."""
    known = [value for value in values if value is not None]
    if not known:
        return {"count": 0, "medianS": None, "worstS": None}
    return {
        "count": len(known),
        "medianS": round(statistics.median(known), 3),
        "worstS": round(max(known), 3),
    }


def get_leader_deaths(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes that the bar is about."""
    return [item for item in outcomes if item.fault.kind is FaultKind.KILL_LEADER]


def is_bar_met(result: Result) -> bool | None:
    """Whether the bar is met; None when leaders died too seldom to say."""
    deaths = get_leader_deaths(result.outcomes)
    if len(deaths) < LEADER_DEATHS_MIN:
        return None
    median = summarise(item.went_on_s for item in deaths)["medianS"]
    return median is not None and median < LEADER_MEDIAN_MAX_S


def make_document(result: Result, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as JSON; ``provenance`` is commit, machine and time."""
    options, book = result.options, result.book
    by_kind = {
        kind.name: summarise(item.went_on_s for item in result.outcomes if item.fault.kind is kind)
        for kind in FaultKind
        if any(item.fault.kind is kind for item in result.outcomes)
    }
    return {
        "tool": "chaos",
        **provenance,
        "setup": {
            "seconds": options.seconds,
            "seed": options.seed,
            "validators": options.validators,
            "ratePerSecond": options.rate,
            "network": "loopback TCP proxies",
            "fullDisk": result.disk,
        },
        "breaches": result.breaches,
        "leaderDeaths": summarise(item.went_on_s for item in get_leader_deaths(result.outcomes)),
        "leaderDeathGaps": summarise(item.gap_s for item in get_leader_deaths(result.outcomes)),
        "barMet": is_bar_met(result),
        "goingOnByKind": by_kind,
        "transactions": {
            "accepted": len(book.accepted),
            "acknowledgedFinal": len(book.final),
            "acceptedOnly": len(book.accepted - book.final.keys()),
            "inChain": result.in_chain,
            "handedInAgain": book.handed_in_again,
            "givenUp": book.given_up,
            "heldBack": book.held_back,
            "refused": dict(book.refused),
        },
        "chain": {
            "height": result.height,
            "blocksSeen": result.blocks_seen,
            "blocksInLaterViews": result.views_above_0,
            "homesAudited": result.audited,
        },
        "seconds": round(result.seconds, 1),
        "faults": [_show_outcome(item) for item in result.outcomes],
    }


def print_result(console: Console, result: Result) -> None:
    """Print the table of faults, the counts and the verdict."""
    table = Table("at", "fault", "nodes", "went on after", "longest gap", "back after")
    for item in result.outcomes:
        table.add_row(
            f"{item.at_s:.1f} s",
            item.fault.kind.value + (f": {item.note}" if item.note else ""),
            ", ".join(name.removeprefix("validator-") for name in item.victims),
            _seconds(item.went_on_s),
            _seconds(item.gap_s),
            _seconds(item.back_s),
        )
    console.print(table)
    book, deaths = result.book, get_leader_deaths(result.outcomes)
    went_on = summarise(item.went_on_s for item in deaths)
    lines = [
        f"{len(result.outcomes)} faults in {result.seconds:.0f} s, height {result.height}, "
        f"{result.views_above_0} of {result.blocks_seen} blocks in a later view",
        f"{len(book.final)} transactions acknowledged as final, {len(book.accepted)} accepted, "
        f"{result.in_chain} in the chain, {book.handed_in_again} handed in again, "
        f"{book.given_up} given up",
        f"leader killed {went_on['count']} times: the chain went on after {went_on['medianS']} s "
        f"at the median, {went_on['worstS']} s at worst (bar: {LEADER_MEDIAN_MAX_S} s)",
        f"{result.audited} homes audited offline; full disk by {result.disk}",
    ]
    for line in lines:
        console.print(line, markup=False)
    for breach in result.breaches:
        console.print(f"BREACH: {breach}", markup=False)
    verdict = "promises broken" if result.breaches else "nothing lost, nothing twice, one chain"
    console.print(f"seed {result.options.seed}: {verdict}", markup=False)


def _show_outcome(item: Outcome) -> dict[str, Any]:
    return {
        "number": item.fault.number,
        "kind": item.fault.kind.name,
        "atS": round(item.at_s, 3),
        "victims": list(item.victims),
        "note": item.note,
        "holdS": item.fault.hold_s,
        "amountMs": item.fault.amount,
        "wentOnS": _round(item.went_on_s),
        "gapS": _round(item.gap_s),
        "backS": _round(item.back_s),
        "why": {name: list(said) for name, said in item.why.items()},
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"
