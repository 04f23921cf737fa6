"""``carbonode inventory``: a published inventory, added up.

Exit code of ``reconcile``: 0 when every part adds up to its printed total, 1 when one does
not. The gap between regions and nation is no failure: it is shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tools.cli.render import show_rows
from tools.cli.session import ExitCode, Session, pass_session
from tools.inventory.reconcile import (
    DIFFERENCE,
    Gap,
    Mismatch,
    Reconciliation,
    reconcile,
    to_percent,
    to_tonnes,
)
from tools.inventory.tables import read_inventory

ROWS_SHOWN = 10
_GAP_COLUMNS = (
    "year", "regions", "regionsTonnes", "nationTonnes", "differenceTonnes", "differencePercent",
)  # fmt: skip


@click.group(name="inventory")
def inventory_group() -> None:
    """Emission inventories of regions."""


@inventory_group.command(name="reconcile")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@pass_session
def reconcile_command(session: Session, folder: Path) -> None:
    """Add up regions, sectors and fuels, and show the gap to the nation's own total."""
    found = reconcile(read_inventory(folder))
    document = describe(found)
    session.emit(document, lambda console: show(console, document))
    if found.mismatches:
        raise SystemExit(int(ExitCode.FAILURE))


def describe(found: Reconciliation) -> dict[str, Any]:
    """Return a reconciliation as JSON: amounts are decimal texts in tonnes."""
    return {
        "year": found.year,
        "regions": len(found.by_region),
        "checks": found.checks,
        "largestRoundingTonnes": to_tonnes(found.largest_kg),
        "mismatches": [_describe_mismatch(item) for item in found.mismatches],
        "gap": _describe_gap(found.gap),
        "gaps": [_describe_gap(item) for item in found.gaps],
        "rollUp": {
            name: _roll_up(amounts, found.gap)
            for name, amounts in (
                ("regions", found.by_region),
                ("sectors", found.by_sector),
                ("fuels", found.by_fuel),
            )
        },
    }


def _roll_up(amounts: dict[str, int], gap: Gap) -> list[dict[str, str]]:
    """Return the lines of one roll-up, largest first: with the difference they are the nation's.

    The difference is what these very lines have too much, printed rounding included, so
    that they add up to the last digit.
    """
    ordered = sorted(amounts.items(), key=lambda item: (-item[1], item[0]))
    lines = [{"name": name, "tonnes": to_tonnes(amount)} for name, amount in ordered]
    difference = gap.nation - sum(amounts.values())
    lines.append({"name": DIFFERENCE, "tonnes": to_tonnes(difference)})
    return [*lines, {"name": "nation, as published", "tonnes": to_tonnes(gap.nation)}]


def _describe_mismatch(item: Mismatch) -> dict[str, str]:
    return {
        "region": item.region, "what": item.what, "partsTonnes": to_tonnes(item.parts),
        "printedTonnes": to_tonnes(item.printed), "allowedTonnes": to_tonnes(item.allowed),
    }  # fmt: skip


def _describe_gap(gap: Gap) -> dict[str, Any]:
    return {
        "year": gap.year, "regions": gap.count, "regionsTonnes": to_tonnes(gap.regions),
        "nationTonnes": to_tonnes(gap.nation), "differenceTonnes": to_tonnes(gap.difference),
        "differencePercent": to_percent(gap.share),
    }  # fmt: skip


def show(console: Console, document: dict[str, Any]) -> None:
    """Print a reconciliation for people: the gap first."""
    gap = document["gap"]
    console.print(
        f"{document['year']}: {gap['regions']} regions emitted {gap['regionsTonnes']} t CO2, the "
        f"nation's own total is {gap['nationTonnes']} t."
    )
    console.print(
        f"Statistical difference: {gap['differenceTonnes']} t, {gap['differencePercent']} % of "
        "the nation's total. It is in the statistics; no figure was changed to close it."
    )
    console.print(
        f"{document['checks']} sums of {document['regions']} regions (fuels to sectors, sectors to "
        f"regions, regions to their published totals): {len(document['mismatches'])} do not add "
        f"up; printed rounding explains {document['largestRoundingTonnes']} t at most."
    )
    if document["mismatches"]:
        columns = ("region", "what", "partsTonnes", "printedTonnes", "allowedTonnes")
        show_rows(console, columns, document["mismatches"])
    for name, lines in document["rollUp"].items():
        rest = len(lines) - 2 - ROWS_SHOWN
        kept = lines if rest <= 0 else [*lines[:ROWS_SHOWN], *lines[-2:]]
        console.print(
            f"By {name}" + (f" ({rest} smaller ones with --output json)" if rest > 0 else "")
        )
        show_rows(console, ("name", "tonnes"), kept)
    show_rows(console, _GAP_COLUMNS, document["gaps"])
