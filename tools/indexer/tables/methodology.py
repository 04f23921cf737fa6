"""``methodology``: versions of methodologies, and since when they are in force."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import blob, integer, moment, text
from tools.indexer.rows import Rows

VERSIONS: Final = Table(
    "methodologies", METADATA,
    text("methodology", "id", key=True),
    integer("version", "version", key=True),
    text("code", "contract that computes"),
    blob("code_hash", "hash of its source"),
    text("publisher", "who published the draft"),
    text("status", "draft, active, superseded or withdrawn"),
    text("title", "title; null where a contract published", null=True),
    text("source", "the publication", null=True),
    text("effect", "emission or sink", null=True),
    integer("vectors_passed", "test vectors that ran on the chain"),
    integer("supersedes", "version that it supersedes; 0 = none", null=True),
    moment("published_at", "time of the draft"),
    moment("activated_at", "time of the activation", null=True),
    integer("height", "height of the last change"),
)  # fmt: skip

BOOK: Final = Book(
    "methodology", 1, (VERSIONS,),
    (
        Listing(
            "methodologies", VERSIONS, "Versions of methodologies.", ("methodology", "version"),
            (("status",), ("code",)),
            proof=Proof("methodology", "stored", ("methodology", "version")),
        ),
    ),
)  # fmt: skip


@BOOK.on("MethodologyPublished")
def _publish(
    rows: Rows, at: Place, methodology: str, version: int, code: str, code_hash: bytes,
    publisher: str,
) -> None:  # fmt: skip
    call = at.take_call("methodology", ("publish",), a0=methodology, a1=version)
    # Draft: title, source, code, code_hash, kind ... and at its end what it supersedes.
    draft: Any = [None] * 5 if call is None else call[3]
    rows.add(
        VERSIONS, methodology=methodology, version=version, code=code, code_hash=code_hash,
        publisher=publisher, status="draft", title=draft[0], source=draft[1], effect=draft[4],
        vectors_passed=0, supersedes=draft[-1], published_at=at.time_s, height=at.height,
    )  # fmt: skip


@BOOK.on("VectorPassed")
def _pass(rows: Rows, at: Place, methodology: str, version: int, index: int) -> None:
    rows.increase(VERSIONS, methodology, version, vectors_passed=1)


@BOOK.on("MethodologyActivated")
def _activate(rows: Rows, at: Place, methodology: str, version: int) -> None:
    found = rows.get(VERSIONS, methodology, version)
    rows.change(
        VERSIONS, methodology, version, status="active", activated_at=at.time_s, height=at.height
    )
    if found["supersedes"]:
        rows.change(
            VERSIONS, methodology, found["supersedes"], status="superseded", height=at.height
        )


@BOOK.on("MethodologyWithdrawn")
def _withdraw(rows: Rows, at: Place, methodology: str, version: int) -> None:
    rows.change(VERSIONS, methodology, version, status="withdrawn", height=at.height)
