"""``retirement``: certificates of retirement and cancellation, and their pieces."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import blob, integer, kilograms, moment, text
from tools.indexer.rows import Rows
from tools.indexer.tables.units import BATCHES

CERTIFICATES: Final = Table(
    "certificates", METADATA,
    integer("certificate", "number", key=True),
    text("kind", "retirement, imported or cancellation"),
    kilograms("quantity_kg", "kilograms"),
    text("owner", "who retired"),
    text("beneficiary", "organisation that it was retired for, or ''"),
    text("beneficiary_name", "name that it was retired for"),
    text("purpose", "purpose or reason; null where a contract retired", null=True),
    text("origin_registry", "of an imported retirement: the registry; else ''"),
    text("origin_date", "of an imported retirement: its date there; else ''"),
    text("source", "of an imported retirement: the record; else ''"),
    moment("time", "time of the retirement"),
    integer("height", "height"),
    integer("event", "number of the event in the block"),
    blob("transaction", "transaction"),
)  # fmt: skip

PIECES: Final = Table(
    "certificate_pieces", METADATA,
    integer("certificate", "certificate", key=True),
    integer("piece", "number of the piece", key=True),
    text("kind", "as the certificate's"),
    text("batch", "batch"),
    kilograms("start", "first serial"),
    kilograms("end", "end of the serials, exclusive"),
    kilograms("kg", "kilograms"),
    text("project", "project"),
    integer("vintage", "year"),
)  # fmt: skip

BOOK: Final = Book(
    "retirement", 1, (CERTIFICATES, PIECES),
    (
        Listing(
            "certificates", CERTIFICATES, "Certificates of retirement and cancellation.",
            ("certificate",),
            (("owner",), ("beneficiary",), ("beneficiary_name",), ("kind",),
             ("origin_registry",)),
            newest_first=True, proof=Proof(),
        ),
        Listing(
            "certificate-pieces", PIECES, "The serials of certificates.",
            ("certificate", "piece"), (("certificate",), ("batch",), ("project",), ("vintage",)),
            newest_first=True,
        ),
    ),
)  # fmt: skip


def _add_pieces(rows: Rows, certificate: int, kind: str, pieces: list[Any]) -> None:
    for place, (batch, start, end) in enumerate(pieces):
        described = rows.get(BATCHES, batch)
        rows.add(
            PIECES, certificate=certificate, piece=place, kind=kind, batch=batch, start=start,
            end=end, kg=end - start, project=described["project"], vintage=described["vintage"],
        )  # fmt: skip


def _find_details(at: Place, kind: str, pieces: list[Any]) -> dict[str, Any]:
    """Return what the sender signed beside the event; purposes of trades stand in orders."""
    details: dict[str, Any] = {
        "purpose": None,
        "origin_registry": "",
        "origin_date": "",
        "source": "",
    }
    if kind == "imported":
        call = at.take_call("retirement", ("retire_imported",), a4=pieces)
        if call is not None:
            return {
                "purpose": call[7], "origin_registry": call[1], "origin_date": call[8],
                "source": call[9],
            }  # fmt: skip
        return details
    batch, start, end = pieces[0]
    methods = ("cancel",) if kind == "cancellation" else ("retire", "retire_for")
    call = at.take_call("retirement", methods, a0=batch, a1=start, a2=end)
    if call is not None:
        details["purpose"] = call[-1]
    return details


@BOOK.on("Retired")
def _retire(
    rows: Rows, at: Place, certificate: int, kind: str, pieces: list[Any], quantity_kg: int,
    owner: str, beneficiary: str, beneficiary_name: str,
) -> None:  # fmt: skip
    rows.add(
        CERTIFICATES, certificate=certificate, kind=kind, quantity_kg=quantity_kg, owner=owner,
        beneficiary=beneficiary, beneficiary_name=beneficiary_name, time=at.time_s,
        height=at.height, event=at.event, transaction=at.transaction_id or b"",
        **_find_details(at, kind, pieces),
    )  # fmt: skip
    _add_pieces(rows, certificate, kind, pieces)


@BOOK.on("Cancelled")
def _cancel(
    rows: Rows, at: Place, certificate: int, pieces: list[Any], quantity_kg: int, owner: str,
    reason: str,
) -> None:  # fmt: skip
    details = _find_details(at, "cancellation", pieces)
    rows.add(
        CERTIFICATES, certificate=certificate, kind="cancellation", quantity_kg=quantity_kg,
        owner=owner, beneficiary="", beneficiary_name="", time=at.time_s, height=at.height,
        event=at.event, transaction=at.transaction_id or b"", **{**details, "purpose": reason},
    )  # fmt: skip
    _add_pieces(rows, certificate, "cancellation", pieces)
