"""``mrv``: reports from readings to issued units, and each step of them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import blob, integer, kilograms, moment, number, text
from tools.indexer.flags import flag
from tools.indexer.rows import Rows
from tools.indexer.steps import Steps

REPORTS: Final = Table(
    "reports", METADATA,
    text("report", "id", key=True),
    text("kind", "project or installation"),
    text("subject", "the project or installation"),
    text("methodology", "methodology"),
    integer("version", "its version"),
    moment("period_from", "period: from"),
    moment("period_to", "period: to, exclusive"),
    text("owner", "owner"),
    text("submitter", "submitter"),
    text("supersedes", "report that it restates, or ''"),
    text("status", "draft, submitted, auto-checked, under-verification, changes-requested, "
                   "verified, public-notice, approved, issued, rejected or invalidated"),
    text("verifier", "verifier, once there is one", null=True),
    text("issuer", "registry, once there is one", null=True),
    text("approver", "regulator, once there is one", null=True),
    number("computed_grams", "grams CO2e that every validator computed", null=True),
    number("verified_grams", "grams that the verifier states; null where a contract verified",
           null=True),
    blob("inputs_hash", "hash of the inputs", null=True),
    blob("lines_hash", "hash of the computation's lines", null=True),
    integer("flags", "flags of the computation", null=True),
    kilograms("due_kg", "of an invalidated one: kilograms still to make good", null=True),
    moment("opened_at", "time of the opening"),
    moment("status_since", "time of the last step"),
    integer("height", "height of the last step"),
)  # fmt: skip

STEPS: Final = Steps(REPORTS)

BOOK: Final = Book(
    "mrv", 1, (REPORTS, STEPS.table),
    (
        Listing(
            "reports", REPORTS, "Reports of emissions and removals.", ("report",),
            (("subject",), ("owner",), ("status",), ("verifier",), ("methodology",), ("kind",)),
            proof=Proof("mrv", "reports", ("report",)),
        ),
        STEPS.listing,
    ),
)  # fmt: skip

_DUTIES: Final = {
    "under-verification": "verifier", "public-notice": "issuer", "approved": "approver",
    "issued": "approver",
}  # fmt: skip


@BOOK.on("Opened")
def _open(
    rows: Rows, at: Place, report: str, kind: str, subject: str, methodology: str, version: int,
    period_from: int, period_to: int, owner: str, submitter: str, supersedes: str,
) -> None:  # fmt: skip
    rows.add(
        REPORTS, report=report, kind=kind, subject=subject, methodology=methodology,
        version=version, period_from=period_from, period_to=period_to, owner=owner,
        submitter=submitter, supersedes=supersedes, status="draft", opened_at=at.time_s,
        status_since=at.time_s, height=at.height,
    )  # fmt: skip
    STEPS.add(rows, at, report, "draft", owner)


@BOOK.on("Computed")
def _compute(
    rows: Rows, at: Place, report: str, grams: int, inputs_hash: bytes, lines_hash: bytes,
    flag_count: int,
) -> None:  # fmt: skip
    rows.change(
        REPORTS, report, computed_grams=grams, inputs_hash=inputs_hash, lines_hash=lines_hash,
        flags=flag_count,
    )  # fmt: skip
    if flag_count:
        flag(rows, at, "mrv", "report-flags", report, count=flag_count)


@BOOK.on("StatusChanged")
def _change(
    rows: Rows, at: Place, report: str, status: str, organisation: str, reason: str
) -> None:
    changes: dict[str, Any] = {}
    duty = _DUTIES.get(status)
    if duty is not None:
        changes[duty] = organisation
    if status == "verified":
        call = at.take_call("mrv", ("verify",), a0=report)
        if call is not None:
            changes["verified_grams"] = call[2]
    STEPS.enter(rows, at, report, status, organisation, reason, **changes)


@BOOK.on("Commented")
def _comment(rows: Rows, at: Place, report: str, organisation: str, comment_hash: bytes) -> None:
    STEPS.comment(rows, at, report, organisation, comment_hash)


@BOOK.on("MadeGood")
def _make_good(
    rows: Rows, at: Place, report: str, certificate: int, quantity_kg: int, due_kg: int
) -> None:
    rows.change(REPORTS, report, due_kg=due_kg)
    STEPS.add(rows, at, report, "made-good", "", f"certificate {certificate}: {quantity_kg} kg")
