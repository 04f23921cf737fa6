"""``devices``: installations, devices and their signed batches of readings."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import blob, flag, integer, moment, number, text
from tools.indexer.rows import Rows

INSTALLATIONS: Final = Table(
    "installations", METADATA,
    text("installation", "id", key=True),
    text("owner", "owner"),
    text("submitter", "who submits its readings"),
    text("region", "region; null where a contract registered", null=True),
    moment("registered_at", "time"),
    integer("height", "height"),
)  # fmt: skip

DEVICES: Final = Table(
    "devices", METADATA,
    text("device", "id", key=True),
    text("installation", "installation"),
    text("unit", "unit of its readings; null where a contract registered", null=True),
    moment("calibrated_from", "calibrated from", null=True),
    moment("calibration_due", "calibration due", null=True),
    text("laboratory", "who calibrated it last on the chain, or ''"),
    flag("stopped", "stopped for good"),
    integer("last", "last sequence of a reading"),
    moment("registered_at", "time"),
    integer("height", "height"),
)  # fmt: skip

READINGS: Final = Table(
    "reading_batches", METADATA,
    text("device", "device", key=True),
    integer("last", "last sequence", key=True),
    integer("first", "first sequence"),
    moment("time_from", "from"),
    moment("time_to", "to"),
    number("total", "sum of the readings, in the device's unit"),
    integer("estimated_count", "readings that were estimated"),
    blob("root", "Merkle root of the readings"),
    blob("hash", "hash of the signed header"),
    integer("height", "height"),
    moment("submitted_at", "time"),
)  # fmt: skip

ACTIVITIES: Final = Table(
    "activities", METADATA,
    text("activity", "id", key=True),
    text("subject", "installation or project"),
    text("submitter", "who submitted"),
    text("name", "name; null where a contract submitted", null=True),
    number("value", "value", null=True),
    integer("scale", "value / 10^scale", null=True),
    text("unit", "unit", null=True),
    moment("period_from", "period: from", null=True),
    moment("period_to", "period: to", null=True),
    moment("submitted_at", "time"),
    integer("height", "height"),
)  # fmt: skip

BOOK: Final = Book(
    "devices", 1, (INSTALLATIONS, DEVICES, READINGS, ACTIVITIES),
    (
        Listing(
            "installations", INSTALLATIONS, "Installations that measure.", ("installation",),
            (("owner",), ("submitter",), ("region",)),
            proof=Proof("devices", "installations", ("installation",)),
        ),
        Listing(
            "devices", DEVICES, "Devices that sign readings.", ("device",), (("installation",),),
            proof=Proof("devices", "devices", ("device",)),
        ),
        Listing(
            "reading-batches", READINGS, "Signed batches of readings.", ("device", "last"),
            (("device",),), newest_first=True,
            proof=Proof("devices", "batches", ("device", "last")),
        ),
        Listing(
            "activities", ACTIVITIES, "Activity data that organisations submitted.",
            ("activity",), (("subject",), ("submitter",)),
            proof=Proof("devices", "activities", ("activity",)),
        ),
    ),
)  # fmt: skip


@BOOK.on("InstallationRegistered")
def _register(rows: Rows, at: Place, installation: str, owner: str, submitter: str) -> None:
    call = at.take_call("devices", ("register_installation",), a0=installation)
    rows.add(
        INSTALLATIONS, installation=installation, owner=owner, submitter=submitter,
        region=None if call is None else call[3], registered_at=at.time_s, height=at.height,
    )  # fmt: skip


@BOOK.on("SubmitterChanged")
def _change(rows: Rows, at: Place, installation: str, submitter: str) -> None:
    rows.change(INSTALLATIONS, installation, submitter=submitter)


@BOOK.on("DevicesRegistered")
def _add(rows: Rows, at: Place, installation: str, devices: list[Any]) -> None:
    call = at.take_call("devices", ("register_devices",), a0=installation)
    given: Any = [] if call is None else call[2]
    described = {item[0]: item for item in given}
    for device in devices:
        item = described.get(device, [None] * 6)
        rows.add(
            DEVICES, device=device, installation=installation, unit=item[2],
            calibrated_from=item[4], calibration_due=item[5], laboratory="", stopped=False,
            last=0, registered_at=at.time_s, height=at.height,
        )  # fmt: skip


@BOOK.on("Calibrated")
def _calibrate(
    rows: Rows, at: Place, devices: list[Any], laboratory: str, calibrated_from: int,
    calibration_due: int, certificate_hash: bytes,
) -> None:  # fmt: skip
    for device in devices:
        rows.change(
            DEVICES, device, laboratory=laboratory, calibrated_from=calibrated_from,
            calibration_due=calibration_due,
        )  # fmt: skip


@BOOK.on("DeviceStopped")
def _stop(rows: Rows, at: Place, device: str, reason: str) -> None:
    rows.change(DEVICES, device, stopped=True)


@BOOK.on("BatchSubmitted")
def _submit(
    rows: Rows, at: Place, device: str, first: int, last: int, time_from: int, time_to: int,
    total: int, estimated_count: int, root: bytes, hash_: bytes,
) -> None:  # fmt: skip
    rows.add(
        READINGS, device=device, last=last, first=first, time_from=time_from, time_to=time_to,
        total=total, estimated_count=estimated_count, root=root, hash=hash_, height=at.height,
        submitted_at=at.time_s,
    )  # fmt: skip
    rows.change(DEVICES, device, last=last)


@BOOK.on("ActivitySubmitted")
def _activity(rows: Rows, at: Place, activity: str, subject: str, submitter: str) -> None:
    call = at.take_call("devices", ("submit_activity",), a0=activity)
    given = [None] * 9 if call is None else call
    rows.add(
        ACTIVITIES, activity=activity, subject=subject, submitter=submitter, name=given[3],
        value=given[4], scale=given[5], unit=given[6], period_from=given[7], period_to=given[8],
        submitted_at=at.time_s, height=at.height,
    )  # fmt: skip
