"""``projects``: what is credited, and every step of a project's life."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import (
    blob,
    document,
    dump_document,
    integer,
    moment,
    text,
)
from tools.indexer.rows import Rows
from tools.indexer.steps import Steps

PROJECTS: Final = Table(
    "projects", METADATA,
    text("project", "id", key=True),
    text("owner", "owner"),
    text("status", "draft, submitted, public-notice, validated, registered, suspended, "
                   "completed, withdrawn, deregistered or transitioned"),
    text("region", "ISO 3166"),
    text("methodology", "methodology"),
    text("origin", "registry that credits it; '' = this chain"),
    text("scope", "scope; null where a contract drafted", null=True),
    text("source", "its id at the registry of origin", null=True),
    document("claims", "what it claims", null=True),
    moment("crediting_from", "crediting period: from", null=True),
    moment("crediting_to", "crediting period: to, exclusive", null=True),
    blob("document_hash", "hash of the design document", null=True),
    integer("buffer_share", "10^-4 of the net; null before the validation", null=True),
    moment("created_at", "time of the draft"),
    moment("status_since", "time of the last step"),
    integer("height", "height of the last step"),
)  # fmt: skip

STEPS: Final = Steps(PROJECTS)

BOOK: Final = Book(
    "projects", 1, (PROJECTS, STEPS.table),
    (
        Listing(
            "projects", PROJECTS, "Projects, those of other registries too.", ("project",),
            (("owner",), ("status",), ("region",), ("methodology",), ("origin",), ("scope",)),
            proof=Proof("projects", "projects", ("project",)),
        ),
        STEPS.listing,
    ),
)  # fmt: skip


def _describe(at: Place, project: str, origin: str) -> dict[str, Any]:
    if origin:
        call = at.take_call("projects", ("record_imported",), a0=project)
        return {} if call is None else {
            "source": call[3], "claims": dump_document(call[7]), "crediting_from": call[8],
            "crediting_to": call[9], "document_hash": call[10], "scope": f"import:{origin}",
        }  # fmt: skip
    call = at.take_call("projects", ("draft",), a0=project)
    return {} if call is None else {
        "scope": call[4], "claims": dump_document(call[5]), "crediting_from": call[6],
        "crediting_to": call[7], "document_hash": call[8], "source": "",
    }  # fmt: skip


@BOOK.on("Drafted")
def _draft(
    rows: Rows, at: Place, project: str, owner: str, methodology: str, region: str, origin: str
) -> None:
    status = "registered" if origin else "draft"
    rows.add(
        PROJECTS, project=project, owner=owner, status=status, region=region,
        methodology=methodology, origin=origin, created_at=at.time_s, status_since=at.time_s,
        height=at.height, **_describe(at, project, origin),
    )  # fmt: skip
    STEPS.add(rows, at, project, status, owner)


@BOOK.on("StatusChanged")
def _change(
    rows: Rows, at: Place, project: str, status: str, organisation: str, reason: str
) -> None:
    changes: dict[str, Any] = {}
    if status == "validated":
        call = at.take_call("projects", ("validate",), a0=project)
        if call is not None:
            changes["buffer_share"] = call[2]
    STEPS.enter(rows, at, project, status, organisation, reason, **changes)


@BOOK.on("Commented")
def _comment(rows: Rows, at: Place, project: str, organisation: str, comment_hash: bytes) -> None:
    STEPS.comment(rows, at, project, organisation, comment_hash)
