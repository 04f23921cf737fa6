"""Flags: what the rules noticed and did not refuse, from every contract that flags."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Listing, Place, Proof
from tools.indexer.columns import document, dump_document, integer, moment, text
from tools.indexer.rows import Rows

FLAGS: Final = Table(
    "flags", METADATA,
    integer("height", "height of the event", key=True),
    integer("event", "number of the event in the block", key=True),
    text("contract", "contract that flagged"),
    text("rule", "rule"),
    text("subject", "project, report or other id"),
    document("evidence", "what was seen"),
    moment("time", "time"),
)  # fmt: skip

LISTING: Final = Listing(
    "flags", FLAGS, "What the rules noticed and did not refuse.", ("height", "event"),
    (("rule",), ("subject",), ("contract",)), newest_first=True, proof=Proof(),
)  # fmt: skip


def flag(rows: Rows, at: Place, contract: str, rule: str, subject: str, **evidence: Any) -> None:
    """Add a flag at the event."""
    rows.append(
        FLAGS, height=at.height, event=at.event, contract=contract, rule=rule, subject=subject,
        evidence=dump_document(evidence), time=at.time_s,
    )  # fmt: skip
