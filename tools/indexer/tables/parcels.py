"""``parcels``: where projects are, what was seen there, and what overlaps."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import blob, integer, moment, number, text
from tools.indexer.flags import flag
from tools.indexer.rows import Rows

PARCELS: Final = Table(
    "parcels", METADATA,
    text("project", "project", key=True),
    integer("parcel", "number in the project", key=True),
    blob("boundary_hash", "hash of the canonical GeoJSON"),
    number("area_m2", "square metres, as measured"),
    integer("level", "made of squares of 4^level cells; null where a contract added", null=True),
    number("claimed_cells", "cells claimed so far"),
    number("shared_cells", "cells that others claim too, below 1 %"),
    moment("added_at", "time"),
    integer("height", "height"),
)  # fmt: skip

OBSERVATIONS: Final = Table(
    "observations", METADATA,
    text("observation", "id", key=True),
    text("project", "project"),
    integer("parcel", "parcel; -1 = all"),
    text("kind", "plots or remote-sensing"),
    moment("observed_at", "when it was seen"),
    blob("data_hash", "hash of what was seen, committed before the result"),
    number("mean", "mean; null = not measured yet", null=True),
    number("deviation", "deviation", null=True),
    integer("scale", "both are value / 10^scale", null=True),
    text("unit", "unit", null=True),
    moment("committed_at", "time of the commitment"),
    moment("measured_at", "time of the result", null=True),
    integer("height", "height of the commitment"),
)  # fmt: skip

BOOK: Final = Book(
    "parcels", 1, (PARCELS, OBSERVATIONS),
    (
        Listing(
            "parcels", PARCELS, "Parcels of projects.", ("project", "parcel"), (("project",),),
            proof=Proof("parcels", "parcels", ("project", "parcel")),
        ),
        Listing(
            "observations", OBSERVATIONS, "What was seen on parcels.", ("observation",),
            (("project",), ("kind",)), proof=Proof("parcels", "observations", ("observation",)),
        ),
    ),
)  # fmt: skip


@BOOK.on("ParcelAdded")
def _add(
    rows: Rows, at: Place, project: str, parcel: int, boundary_hash: bytes, area_m2: int
) -> None:
    call = at.take_call("parcels", ("add_parcel",), a0=project, a1=boundary_hash)
    rows.add(
        PARCELS, project=project, parcel=parcel, boundary_hash=boundary_hash, area_m2=area_m2,
        level=None if call is None else call[3], claimed_cells=0, shared_cells=0,
        added_at=at.time_s, height=at.height,
    )  # fmt: skip


@BOOK.on("ParcelClaimed")
def _claim(rows: Rows, at: Place, project: str, parcel: int, cells: int, shared_cells: int) -> None:
    rows.change(PARCELS, project, parcel, claimed_cells=cells, shared_cells=shared_cells)


@BOOK.on("Overlapped")
def _overlap(
    rows: Rows, at: Place, project: str, parcel: int, other: str, other_parcel: int, cells: int
) -> None:
    flag(
        rows, at, "parcels", "overlap", project, parcel=parcel, other=other,
        other_parcel=other_parcel, cells=str(cells),
    )  # fmt: skip


@BOOK.on("StockFell")
def _fall(rows: Rows, at: Place, project: str, parcel: int, observation: str, earlier: str) -> None:
    flag(
        rows, at, "parcels", "stock-fell", project, parcel=parcel, observation=observation,
        earlier=earlier,
    )  # fmt: skip


@BOOK.on("ObservationCommitted")
def _commit(
    rows: Rows, at: Place, observation: str, project: str, parcel: int, kind: str,
    observed_at: int, data_hash: bytes,
) -> None:  # fmt: skip
    rows.add(
        OBSERVATIONS, observation=observation, project=project, parcel=parcel, kind=kind,
        observed_at=observed_at, data_hash=data_hash, committed_at=at.time_s, height=at.height,
    )  # fmt: skip


@BOOK.on("ObservationMeasured")
def _measure(
    rows: Rows, at: Place, observation: str, project: str, parcel: int, mean: int,
    deviation: int, scale: int, unit: str,
) -> None:  # fmt: skip
    rows.change(
        OBSERVATIONS, observation, mean=mean, deviation=deviation, scale=scale, unit=unit,
        measured_at=at.time_s,
    )  # fmt: skip
