"""``buffer``: what projects put into the pool, and reversals."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import integer, kilograms, moment, text
from tools.indexer.flags import flag
from tools.indexer.rows import Rows

CONTRIBUTIONS: Final = Table(
    "contributions", METADATA,
    text("batch", "batch", key=True),
    kilograms("start", "first serial", key=True),
    kilograms("end", "end of the serials, exclusive"),
    text("project", "project"),
    kilograms("gross_kg", "issued, the buffer's part included"),
    integer("height", "height"),
)  # fmt: skip

REVERSALS: Final = Table(
    "reversals", METADATA,
    text("reversal", "id", key=True),
    text("project", "project"),
    text("kind", "unintentional or intentional"),
    text("status", "reported, verified, made-good or dismissed"),
    kilograms("loss_kg", "kilograms lost"),
    kilograms("used_kg", "made good out of the pool"),
    kilograms("replaced_kg", "made good by the owner"),
    text("reporter", "who reported"),
    text("verifier", "who verified", null=True),
    moment("reported_at", "time"),
    integer("height", "height of the last change"),
)  # fmt: skip

RELEASES: Final = Table(
    "buffer_releases", METADATA,
    integer("height", "height", key=True),
    integer("event", "number of the event in the block", key=True),
    text("project", "project"),
    text("batch", "batch"),
    kilograms("start", "first serial"),
    kilograms("end", "end of the serials, exclusive"),
    text("owner", "to whom"),
    moment("time", "time"),
)  # fmt: skip

BOOK: Final = Book(
    "buffer", 1, (CONTRIBUTIONS, REVERSALS, RELEASES),
    (
        Listing(
            "contributions", CONTRIBUTIONS, "What projects put into the buffer.",
            ("batch", "start"), (("project",), ("batch",)),
            proof=Proof("buffer", "contributions", ("batch", "end")),
        ),
        Listing(
            "reversals", REVERSALS, "Reversals and how they were made good.", ("reversal",),
            (("project",), ("status",)), proof=Proof("buffer", "reversals", ("reversal",)),
        ),
        Listing(
            "buffer-releases", RELEASES, "What left the pool to its project's owner.",
            ("height", "event"), (("project",),), newest_first=True, proof=Proof(),
        ),
    ),
)  # fmt: skip


@BOOK.on("Contributed")
def _contribute(
    rows: Rows, at: Place, project: str, batch: str, start: int, end: int, gross_kg: int
) -> None:
    rows.put(
        CONTRIBUTIONS, batch=batch, start=start, end=end, project=project, gross_kg=gross_kg,
        height=at.height,
    )  # fmt: skip


@BOOK.on("ReversalReported")
def _report(
    rows: Rows, at: Place, reversal: str, project: str, kind: str, loss_kg: int, reporter: str
) -> None:
    rows.add(
        REVERSALS, reversal=reversal, project=project, kind=kind, status="reported",
        loss_kg=loss_kg, used_kg=0, replaced_kg=0, reporter=reporter, reported_at=at.time_s,
        height=at.height,
    )  # fmt: skip
    flag(rows, at, "buffer", "reversal", project, reversal=reversal, loss_kg=str(loss_kg))


@BOOK.on("ReversalVerified")
def _verify(
    rows: Rows, at: Place, reversal: str, project: str, kind: str, loss_kg: int, verifier: str
) -> None:
    rows.change(
        REVERSALS, reversal, kind=kind, loss_kg=loss_kg, verifier=verifier, height=at.height,
        status="verified" if loss_kg > 0 else "dismissed",
    )  # fmt: skip


@BOOK.on("MadeGood")
def _make_good(
    rows: Rows, at: Place, reversal: str, project: str, used_kg: int, replaced_kg: int,
    left_kg: int,
) -> None:  # fmt: skip
    rows.increase(REVERSALS, reversal, used_kg=used_kg, replaced_kg=replaced_kg)
    rows.change(REVERSALS, reversal, height=at.height)
    if not left_kg:
        rows.change(REVERSALS, reversal, status="made-good")


@BOOK.on("Released")
def _release(
    rows: Rows, at: Place, project: str, batch: str, start: int, end: int, owner: str
) -> None:
    rows.append(
        RELEASES, height=at.height, event=at.event, project=project, batch=batch, start=start,
        end=end, owner=owner, time=at.time_s,
    )  # fmt: skip
