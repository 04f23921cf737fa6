"""Steps: what became of the subjects of a contract that leads them from state to state
(projects, reports), and what others said of them. One table and one list for each kind.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Listing, Place, Proof
from tools.indexer.columns import integer, moment, text
from tools.indexer.rows import Rows

COMMENT: Final = "comment"


class Steps:
    """The steps of one kind of subject. ``subjects`` is the table of what they lead: its key
    is the subject's id, and it has ``status``, ``status_since`` and ``height``."""

    def __init__(self, subjects: Table) -> None:
        (key,) = subjects.primary_key.columns
        self._subjects, self._subject = subjects, key.name
        self.table = Table(
            f"{key.name}_steps", METADATA,
            integer("height", "height", key=True),
            integer("event", "number of the event in the block", key=True),
            text(key.name, key.name),
            text("status", "what it became; comment: somebody commented; made-good: kilograms "
                           "of an invalidated one were"),
            text("organisation", "who did it"),
            text("reason", "reason; of a comment its hash"),
            moment("time", "time"),
        )  # fmt: skip
        self.listing = Listing(
            f"{key.name}-steps", self.table, f"Steps of {key.name}s, and comments on them.",
            ("height", "event"), ((key.name,), ("organisation",), ("status",)),
            newest_first=True, proof=Proof(),
        )  # fmt: skip

    def add(
        self, rows: Rows, at: Place, subject: str, status: str, organisation: str, reason: str = ""
    ) -> None:
        """Add a step at the event, and leave the subject as it is."""
        rows.append(
            self.table, height=at.height, event=at.event, status=status,
            organisation=organisation, reason=reason, time=at.time_s, **{self._subject: subject},
        )  # fmt: skip

    def enter(
        self, rows: Rows, at: Place, subject: str, status: str, organisation: str, reason: str,
        **changes: Any,
    ) -> None:  # fmt: skip
        """Let the subject be in a state from this event on, with other columns changed beside.

        Raises KeyError where there is no such subject.
        """
        rows.change(
            self._subjects, subject, status=status, status_since=at.time_s, height=at.height,
            **changes,
        )  # fmt: skip
        self.add(rows, at, subject, status, organisation, reason)

    def comment(
        self, rows: Rows, at: Place, subject: str, organisation: str, comment_hash: bytes
    ) -> None:
        """Add a comment, which the chain knows by its hash."""
        self.add(rows, at, subject, COMMENT, organisation, "0x" + comment_hash.hex())
