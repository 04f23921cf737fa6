"""``identity``: organisations, what they may do, and who lets whom see what."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import document, dump_document, integer, moment, text
from tools.indexer.rows import Rows

ORGANISATIONS: Final = Table(
    "organisations", METADATA,
    text("organisation", "id", key=True),
    text("name", "name"),
    text("country", "ISO 3166-1; null where a contract registered it", null=True),
    document("roles", "roles"),
    text("status", "active, suspended or revoked"),
    text("reason", "why it was suspended or revoked"),
    moment("registered_at", "time of the registration"),
    integer("registered_height", "height of the registration"),
    integer("keys", "keys that sign for it"),
    text("head", "organisation that controls it, or ''"),
    moment("trading_stopped_until", "may not trade until then; null: may", null=True),
)  # fmt: skip

ACCREDITATIONS: Final = Table(
    "accreditations", METADATA,
    text("organisation", "organisation", key=True),
    text("scope", "what for", key=True),
    moment("valid_from", "valid from"),
    moment("valid_until", "valid until, exclusive"),
    text("status", "given or withdrawn"),
    integer("height", "height of the last change"),
)  # fmt: skip

GRANTS: Final = Table(
    "grants", METADATA,
    text("owner", "who lets", key=True),
    text("reader", "whom", key=True),
    text("subject", "see what", key=True),
    moment("valid_until", "until then, exclusive"),
    text("status", "given or revoked"),
    integer("height", "height of the last change"),
)  # fmt: skip

BOOK: Final = Book(
    "identity", 2, (ORGANISATIONS, ACCREDITATIONS, GRANTS),
    (
        Listing(
            "organisations", ORGANISATIONS, "Organisations of the chain.", ("organisation",),
            (("status",), ("country",)), proof=Proof("identity", "profiles", ("organisation",)),
        ),
        Listing(
            "accreditations", ACCREDITATIONS, "What verifiers, registries and others may do.",
            ("organisation", "scope"), (("scope",), ("organisation",)),
            proof=Proof("identity", "accreditations", ("organisation", "scope")),
        ),
    ),
)  # fmt: skip


@BOOK.on("Registered")
def _register(rows: Rows, at: Place, organisation: str, name: str, roles: list[Any]) -> None:
    call = at.take_call("identity", ("register",), a0=organisation)
    rows.add(
        ORGANISATIONS, organisation=organisation, name=name,
        country=None if call is None else call[3], roles=dump_document(roles), status="active",
        reason="", registered_at=at.time_s, registered_height=at.height,
        keys=0, head="",
    )  # fmt: skip


@BOOK.on("KeyAdded")
def _add_key(rows: Rows, at: Place, organisation: str, key: bytes) -> None:
    rows.increase(ORGANISATIONS, organisation, keys=1)


@BOOK.on("KeyRemoved")
def _remove_key(rows: Rows, at: Place, organisation: str, key: bytes) -> None:
    rows.increase(ORGANISATIONS, organisation, keys=-1)


def _set_roles(rows: Rows, organisation: str, role: str, present: bool) -> None:
    roles = json.loads(rows.get(ORGANISATIONS, organisation)["roles"])
    left = [item for item in roles if item != role]
    wanted = [*left, role] if present else left
    rows.change(ORGANISATIONS, organisation, roles=dump_document(wanted))


@BOOK.on("RoleAdded")
def _add_role(rows: Rows, at: Place, organisation: str, role: str) -> None:
    _set_roles(rows, organisation, role, True)


@BOOK.on("RoleRemoved")
def _remove_role(rows: Rows, at: Place, organisation: str, role: str) -> None:
    _set_roles(rows, organisation, role, False)


@BOOK.on("StatusChanged")
def _set_status(rows: Rows, at: Place, organisation: str, status: str, reason: str) -> None:
    rows.change(ORGANISATIONS, organisation, status=status, reason=reason)


@BOOK.on("Accredited")
def _accredit(
    rows: Rows, at: Place, organisation: str, scope: str, valid_from: int, valid_until: int
) -> None:
    rows.put(
        ACCREDITATIONS, organisation=organisation, scope=scope, valid_from=valid_from,
        valid_until=valid_until, status="given", height=at.height,
    )  # fmt: skip


@BOOK.on("AccreditationWithdrawn")
def _withdraw(rows: Rows, at: Place, organisation: str, scope: str) -> None:
    rows.change(ACCREDITATIONS, organisation, scope, status="withdrawn", height=at.height)


@BOOK.on("Granted")
def _grant(rows: Rows, at: Place, owner: str, reader: str, subject: str, valid_until: int) -> None:
    rows.put(
        GRANTS, owner=owner, reader=reader, subject=subject, valid_until=valid_until,
        status="given", height=at.height,
    )  # fmt: skip


@BOOK.on("GrantRevoked")
def _revoke(rows: Rows, at: Place, owner: str, reader: str, subject: str) -> None:
    rows.change(GRANTS, owner, reader, subject, status="revoked", height=at.height)


@BOOK.on("ControlChanged")
def _set_head(rows: Rows, at: Place, organisation: str, head: str) -> None:
    rows.change(ORGANISATIONS, organisation, head=head)


@BOOK.on("TradingStopped")
def _stop_trading(rows: Rows, at: Place, organisation: str, until: int) -> None:
    rows.change(ORGANISATIONS, organisation, trading_stopped_until=until)


@BOOK.on("TradingResumed")
def _resume_trading(rows: Rows, at: Place, organisation: str) -> None:
    rows.change(ORGANISATIONS, organisation, trading_stopped_until=None)
