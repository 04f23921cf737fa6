"""``factors``: sets of published figures. The figures themselves are read from the chain."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import integer, moment, text
from tools.indexer.rows import Rows

SETS: Final = Table(
    "factor_sets", METADATA,
    text("table", "id of the set", key=True),
    text("publisher", "who publishes it; '' = the authority"),
    text("status", "verified or unverified"),
    text("stage", "open, published or withdrawn"),
    text("source", "the publication; null where a contract opened it", null=True),
    text("jurisdiction", "jurisdiction", null=True),
    moment("valid_from", "valid from", null=True),
    moment("valid_to", "valid to, exclusive", null=True),
    text("supersedes", "set that it supersedes, or ''", null=True),
    integer("count", "figures, once published"),
    moment("published_at", "time of the publication", null=True),
    integer("height", "height of the last change"),
)  # fmt: skip

BOOK: Final = Book(
    "factors", 1, (SETS,),
    (
        Listing(
            "factor-sets", SETS, "Sets of factors.", ("table",),
            (("status",), ("stage",), ("jurisdiction",), ("publisher",)),
            proof=Proof("factors", "sets", ("table",)),
        ),
    ),
)  # fmt: skip


@BOOK.on("SetOpened")
def _open(rows: Rows, at: Place, table: str, publisher: str, status: str) -> None:
    call = at.take_call("factors", ("open_set",), a0=table)
    given = [None] * 10 if call is None else call
    rows.add(
        SETS, table=table, publisher=publisher, status=status, stage="open", source=given[2],
        jurisdiction=given[4], valid_from=given[6], valid_to=given[7], supersedes=given[9],
        count=0, height=at.height,
    )  # fmt: skip


@BOOK.on("SetPublished")
def _publish(rows: Rows, at: Place, table: str, publisher: str, count: int) -> None:
    rows.change(
        SETS, table, stage="published", count=count, published_at=at.time_s, height=at.height
    )


@BOOK.on("SetVerified")
def _verify(rows: Rows, at: Place, table: str, regulator: str, evidence_hash: bytes) -> None:
    rows.change(SETS, table, status="verified", height=at.height)


@BOOK.on("SetWithdrawn")
def _withdraw(rows: Rows, at: Place, table: str, regulator: str, reason: str) -> None:
    rows.change(SETS, table, stage="withdrawn", height=at.height)
