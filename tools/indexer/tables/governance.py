"""``governance``: which key signs for whom, which code a contract runs, what was voted."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.codes import start_version
from tools.indexer.columns import blob, flag, integer, moment, text
from tools.indexer.core import ACCOUNTS
from tools.indexer.rows import Rows

PROPOSALS: Final = Table(
    "proposals", METADATA,
    integer("proposal", "number", key=True),
    text("kind", "what is proposed"),
    blob("proposer", "administrator who opened it; proposing is a vote"),
    integer("votes", "votes, that of the proposer included"),
    text("status", "open or executed"),
    moment("opened_at", "time of the proposal"),
    integer("opened_height", "height of the proposal"),
    integer("executed_height", "height of its execution", null=True),
)  # fmt: skip

FREEZES: Final = Table(
    "freezes", METADATA,
    integer("height", "height", key=True),
    integer("event", "number of the event in the block", key=True),
    text("contract", "contract"),
    text("reason", "reason; of a vote that ended one: ''"),
    moment("until", "end of the freeze; of a vote that ended one its time"),
    integer("proposal", "proposal that decided it; 0 = one administrator"),
    flag("lifted", "true: the end of the freezes before it, by a vote"),
)  # fmt: skip

BOOK: Final = Book(
    "governance", 1, (PROPOSALS, FREEZES),
    (
        Listing(
            "proposals", PROPOSALS, "Proposals to the administrators.", ("proposal",),
            (("status",), ("kind",)), newest_first=True,
            proof=Proof("governance", "proposals", ("proposal",)),
        ),
        Listing(
            "freezes", FREEZES, "Freezes of contracts, and their ends by a vote.",
            ("height", "event"), (("contract",),), newest_first=True, proof=Proof(),
        ),
    ),
    frozenset({"UpgradeScheduled", "UpgradeWithdrawn"}),
)  # fmt: skip


@BOOK.on("AccountSet")
def _set(rows: Rows, at: Place, account: bytes, organisation: str) -> None:
    rows.put(
        ACCOUNTS, account=account, organisation=organisation, since_height=at.height, active=True
    )


@BOOK.on("AccountRemoved")
def _remove(rows: Rows, at: Place, account: bytes, organisation: str) -> None:
    rows.change(ACCOUNTS, account, since_height=at.height, active=False)


@BOOK.on("Proposed")
def _propose(rows: Rows, at: Place, proposal: int, kind: str, proposer: bytes) -> None:
    rows.add(
        PROPOSALS, proposal=proposal, kind=kind, proposer=proposer, votes=1, status="open",
        opened_at=at.time_s, opened_height=at.height,
    )  # fmt: skip


def _find(rows: Rows, at: Place, proposal: int) -> None:
    """A validator's evidence opens a proposal in the engine's name, which announces nothing:
    such a one is known from its first vote on, with neither kind nor proposer."""
    if rows.find(PROPOSALS, proposal) is None:
        rows.add(
            PROPOSALS, proposal=proposal, kind="", proposer=b"", votes=0, status="open",
            opened_at=at.time_s, opened_height=at.height,
        )  # fmt: skip


@BOOK.on("Voted")
def _vote(rows: Rows, at: Place, proposal: int, voter: bytes) -> None:
    _find(rows, at, proposal)
    rows.increase(PROPOSALS, proposal, votes=1)


@BOOK.on("Executed")
def _execute(rows: Rows, at: Place, proposal: int, kind: str) -> None:
    _find(rows, at, proposal)
    rows.change(PROPOSALS, proposal, kind=kind, status="executed", executed_height=at.height)


@BOOK.on("Upgraded")
def _upgrade(rows: Rows, at: Place, contract: str, version: int, code_hash: bytes) -> None:
    start_version(rows, at, contract, version, code_hash)


@BOOK.on("Frozen")
def _freeze(
    rows: Rows, at: Place, contract: str, reason: str, account: bytes, until: int, proposal: int
) -> None:
    rows.append(
        FREEZES, height=at.height, event=at.event, contract=contract, reason=reason, until=until,
        proposal=proposal, lifted=False,
    )  # fmt: skip


@BOOK.on("Unfrozen")
def _unfreeze(rows: Rows, at: Place, contract: str, proposal: int) -> None:
    rows.append(
        FREEZES, height=at.height, event=at.event, contract=contract, reason="", until=at.time_s,
        proposal=proposal, lifted=True,
    )  # fmt: skip
