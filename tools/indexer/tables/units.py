"""``units``: batches, their totals, and lots as intervals of serials over time."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import blob, integer, kilograms, moment, text
from tools.indexer.lots import ACTIVE, BUFFER, CURRENT, LOTS, LotBook
from tools.indexer.rows import Rows

BATCHES: Final = Table(
    "batches", METADATA,
    text("batch", "id", key=True),
    text("project", "project"),
    integer("vintage", "year of the reductions"),
    text("issuer", "registry that issued"),
    text("issued_to", "owner at issue"),
    text("verifier", "who verified; '' = imported, null = not known here", null=True),
    text("origin", "registry that the batch was imported from; '' = this chain", null=True),
    text("source", "its record there, or the report", null=True),
    blob("evidence_hash", "hash of the evidence; null where a contract attested or imported",
         null=True),
    kilograms("issued_kg", "issued"),
    kilograms("buffered_kg", "put into the buffer, ever"),
    kilograms("released_kg", "out of the buffer to owners"),
    kilograms("retired_kg", "retired"),
    kilograms("cancelled_kg", "cancelled"),
    moment("created_at", "time of the first issue"),
    integer("height", "height of the first issue"),
)  # fmt: skip

ATTESTATIONS: Final = Table(
    "attestations", METADATA,
    text("report", "report, or batch of a report of mrv", key=True),
    text("verifier", "who attests"),
    text("owner", "owner"),
    text("project", "project"),
    integer("vintage", "year"),
    kilograms("net_kg", "verified net"),
    blob("evidence_hash", "hash of the evidence; null where a contract attested", null=True),
    moment("attested_at", "time"),
    integer("height", "height"),
)  # fmt: skip

BOOK: Final = Book(
    "units", 4, (BATCHES, ATTESTATIONS, LOTS),
    (
        Listing(
            "batches", BATCHES, "Batches of units with their totals.", ("batch",),
            (("project",), ("vintage",), ("issuer",), ("issued_to",), ("origin",), ("verifier",)),
            proof=Proof("units", "batches", ("batch",)),
        ),
        Listing(
            "attestations", ATTESTATIONS, "What verifiers attested, to be issued.", ("report",),
            (("project",), ("verifier",)), proof=Proof("units", "reports", ("report",)),
        ),
        Listing(
            "lots", LOTS, "Lots as they are now.", ("batch", "end"),
            (("owner",), ("owner", "status"), ("status",), ("batch", "status")), where=CURRENT,
            hidden=("to_height", "to_event"), proof=Proof("units", "lots", ("batch", "end")),
        ),
        Listing(
            "lot-history", LOTS, "Every lot that ever was, with the heights between which it was.",
            ("batch", "from_height", "from_event", "start"), (("batch",), ("owner",)),
        ),
    ),
)  # fmt: skip


def _describe(rows: Rows, at: Place, batch: str) -> dict[str, Any]:
    """Return what the event of an issue leaves out, from the call or the attestation."""
    imported = at.take_call("units", ("issue_imported",), a1=batch)
    if imported is not None:
        return {
            "verifier": "", "origin": imported[1], "source": imported[11],
            "evidence_hash": imported[10],
        }  # fmt: skip
    issued = at.take_call("units", ("issue",), a0=batch)
    report = batch if issued is None else issued[2]
    attested = rows.find(ATTESTATIONS, report)
    if attested is None:
        return {}
    return {
        "verifier": attested["verifier"], "origin": "", "source": report,
        "evidence_hash": attested["evidence_hash"],
    }  # fmt: skip


@BOOK.on("Attested")
def _attest(
    rows: Rows, at: Place, report: str, verifier: str, owner: str, project: str, vintage: int,
    net_kg: int,
) -> None:  # fmt: skip
    call = at.take_call("units", ("attest",), a0=report)
    rows.add(
        ATTESTATIONS, report=report, verifier=verifier, owner=owner, project=project,
        vintage=vintage, net_kg=net_kg, evidence_hash=None if call is None else call[7],
        attested_at=at.time_s, height=at.height,
    )  # fmt: skip


@BOOK.on("Issued")
def _issue(
    rows: Rows, at: Place, batch: str, start: int, end: int, buffer_quantity: int, owner: str,
    issuer: str, project: str, vintage: int,
) -> None:  # fmt: skip
    described = _describe(rows, at, batch)
    if rows.find(BATCHES, batch) is None:
        rows.add(
            BATCHES, batch=batch, project=project, vintage=vintage, issuer=issuer,
            issued_to=owner, issued_kg=0, buffered_kg=0, released_kg=0, retired_kg=0,
            cancelled_kg=0, created_at=at.time_s, height=at.height, **described,
        )  # fmt: skip
    rows.increase(BATCHES, batch, issued_kg=end - start, buffered_kg=buffer_quantity)
    cut, book = end - buffer_quantity, LotBook.of(rows)
    if cut > start:
        book.issue(at, batch, start, cut, owner, ACTIVE)
    if end > cut:
        book.issue(at, batch, cut, end, BUFFER, BUFFER)


@BOOK.on("Transferred")
def _transfer(
    rows: Rows, at: Place, batch: str, start: int, end: int, giver: str, taker: str
) -> None:
    LotBook.of(rows).carve(at, batch, start, end, taker, ACTIVE, "transfer")


@BOOK.on("Split")
def _split(rows: Rows, at: Place, batch: str, place: int, owner: str) -> None:
    LotBook.of(rows).split(at, batch, place)


@BOOK.on("Merged")
def _merge(rows: Rows, at: Place, batch: str, start: int, end: int, owner: str) -> None:
    LotBook.of(rows).merge(at, batch, start, end, owner)


@BOOK.on("Locked")
def _lock(
    rows: Rows, at: Place, batch: str, start: int, end: int, owner: str, reason: str, holder: str
) -> None:
    LotBook.of(rows).carve(at, batch, start, end, None, "locked", "lock", holder)


@BOOK.on("Unlocked")
def _unlock(rows: Rows, at: Place, batch: str, start: int, end: int, owner: str) -> None:
    LotBook.of(rows).carve(at, batch, start, end, None, ACTIVE, "unlock")


@BOOK.on("BufferReleased")
def _release(
    rows: Rows, at: Place, batch: str, start: int, end: int, taker: str, evidence_hash: bytes
) -> None:
    LotBook.of(rows).carve(at, batch, start, end, taker, ACTIVE, "release")
    rows.increase(BATCHES, batch, released_kg=end - start)


@BOOK.on("BufferCancelled")
def _cancel_buffer(rows: Rows, at: Place, batch: str, start: int, end: int) -> None:
    _end(rows, at, [(batch, start, end)], "cancelled", "cancel")


def _end(rows: Rows, at: Place, pieces: list[Any], status: str, kind: str) -> None:
    for batch, start, end in pieces:
        LotBook.of(rows).carve(at, batch, start, end, None, status, kind)
        rows.increase(BATCHES, batch, **{f"{status}_kg": end - start})


@BOOK.on("Retired", "retirement")
def _retire(
    rows: Rows, at: Place, certificate: int, kind: str, pieces: list[Any], quantity_kg: int,
    owner: str, beneficiary: str, beneficiary_name: str,
) -> None:  # fmt: skip
    _end(rows, at, pieces, "retired", "retire")


@BOOK.on("Cancelled", "retirement")
def _cancel(
    rows: Rows, at: Place, certificate: int, pieces: list[Any], quantity_kg: int, owner: str,
    reason: str,
) -> None:  # fmt: skip
    _end(rows, at, pieces, "cancelled", "cancel")
