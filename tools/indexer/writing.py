"""Verified blocks into rows: all of a chunk, and the height that it reaches, or nothing.

One database transaction for a chunk of blocks; its first statement takes the height from
the one that this writer saw, so that two writers, or one that was thought dead, cannot both
write a block; and only where rows are derived as this program derives them, or one that still
runs while a newer one has migrated the index would mix its rows with those. Whatever fails,
the transaction is gone and so is what was remembered of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from primitives.block import STATUS_OK, Event, Receipt
from primitives.codec import pack
from primitives.transaction import Call, ReceivedTransaction
from tools.indexer.book import Place
from tools.indexer.codes import apply_system_call
from tools.indexer.columns import dump_document
from tools.indexer.core import ACCOUNTS, BLOCKS, CALLS, EVENTS, META, TRANSACTIONS, UNREAD
from tools.indexer.errors import IndexFault
from tools.indexer.registry import BOOKS, DERIVED_VERSION
from tools.indexer.rows import Rows
from tools.indexer.verified import VerifiedBlock

HEIGHT: Final = "height"
VALIDATORS: Final = "validators"
DERIVED_BY: Final = "derived"
"""Settings of the index: where it stands, whom it trusts, how its rows were derived."""
_HANDLING: Final = {
    pair: [book for book in BOOKS if pair in book.handlers]
    for book in BOOKS
    for pair in book.handlers
}
_BY_CONTRACT: Final = {book.contract: book for book in BOOKS}


@dataclass(slots=True)
class Batch:
    """Rows of the tables that blocks fill alone, collected for one statement each."""

    blocks: list[dict[str, Any]]
    transactions: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    events: list[dict[str, Any]]

    def write(self, connection: Connection) -> None:
        """Insert everything."""
        for table, rows in (
            (BLOCKS, self.blocks), (TRANSACTIONS, self.transactions), (CALLS, self.calls),
            (EVENTS, self.events),
        ):  # fmt: skip
            if rows:
                connection.execute(table.insert(), rows)


class Writer:
    """The one that writes an index. Not for two threads at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._rows = Rows(connection)

    def write(
        self, blocks: Sequence[VerifiedBlock], after: int, meta: dict[str, str] | None = None
    ) -> None:
        """Write the blocks that follow ``after``, and settings beside them.

        Raises IndexFault 'index-moved' when the index is not at ``after`` any more, or when
        another program's version derives it now.
        """
        try:
            with self.connection.begin():
                self._advance(after, blocks[-1].height, meta or {})
                batch = Batch([], [], [], [])
                for block in blocks:
                    self._apply(block, batch)
                batch.write(self.connection)
                self._rows.flush()
        except BaseException:
            self._rows = Rows(self.connection)
            raise

    def _advance(self, after: int, height: int, meta: dict[str, str]) -> None:
        other = META.alias()
        ours = select(other.c.name).where(
            other.c.name == DERIVED_BY, other.c.value == DERIVED_VERSION
        )
        statement = (
            META.update()
            .where(META.c.name == HEIGHT, META.c.value == str(after), ours.exists())
            .values(value=str(height))
        )
        if self.connection.execute(statement).rowcount != 1:
            raise IndexFault("the index is not where this writer left it", code="index-moved")
        for name, value in meta.items():
            put_meta(self.connection, name, value)

    def _apply(self, block: VerifiedBlock, batch: Batch) -> None:
        header, height, time_s = block.header, block.height, block.header.time_ms // 1_000
        batch.blocks.append(
            {
                "height": height, "hash": bytes(block.certificate.block_hash),
                "exec_hash": bytes(block.certificate.exec_hash),
                "state_root": bytes(block.execution.state_root), "time": time_s,
                "time_ms": header.time_ms, "proposer": bytes(header.proposer),
                "tx_count": header.tx_count, "event_count": len(block.events),
                "gas": block.execution.gas, "epoch": header.epoch,
                "view": block.certificate.view, "signers": dump_document(list(block.signers)),
            }
        )  # fmt: skip
        for index, (transaction, receipt) in enumerate(
            zip(block.transactions, block.receipts, strict=True)
        ):
            place = Place(
                height, time_s, receipt.event_first, index, bytes(transaction.id),
                bytes(transaction.body.sender), transaction.body.calls,
            )  # fmt: skip
            # Before its own events: they may take the account away.
            organisation = self._find_organisation(place.sender)
            batch.transactions.append(_make_transaction(transaction, receipt, place, organisation))
            batch.calls += make_calls(place, transaction.body.calls, receipt.status)
            if receipt.status == STATUS_OK:
                for call in transaction.body.calls:
                    apply_system_call(self._rows, place, call)
            first = receipt.event_first
            self.apply_events(
                place,
                block.events[first : first + receipt.event_count],
                block.encoded_events[first : first + receipt.event_count],
                batch.events,
            )

    def apply_events(
        self,
        place: Place,
        events: Sequence[Event],
        encoded: Sequence[bytes],
        into: list[dict[str, Any]] | None,
    ) -> None:
        """Let the events of one transaction change rows; ``into`` collects the events."""
        for event, data in zip(events, encoded, strict=True):
            if into is not None:
                into.append(
                    {
                        "height": place.height, "event_index": place.event,
                        "tx_index": place.transaction, "time": place.time_s,
                        "contract": event.contract, "name": event.name, "encoded": data,
                    }
                )  # fmt: skip
            reasons = list(filter(None, self._apply_event(place, event)))
            if reasons:
                self._rows.append(
                    UNREAD, height=place.height, event_index=place.event,
                    contract=event.contract, name=event.name, reason="; ".join(reasons)[:400],
                )  # fmt: skip
            place.event += 1

    def _apply_event(self, place: Place, event: Event) -> list[str]:
        contract, name = event.contract, event.name
        books = _HANDLING.get((contract, name))
        if books is None:
            own = _BY_CONTRACT.get(contract)
            books = [] if own is None else [own]
        return [book.apply(self._rows, place, contract, name, event.values) for book in books]

    def _find_organisation(self, sender: bytes) -> str:
        row = self._rows.find(ACCOUNTS, sender)
        return row["organisation"] if row is not None and row["active"] else ""

    @property
    def rows(self) -> Rows:
        """The rows of the transaction that is open."""
        return self._rows


def make_calls(place: Place, calls: Sequence[Call], status: str) -> list[dict[str, Any]]:
    """Return the rows of a transaction's calls."""
    return [
        {
            "height": place.height, "tx_index": place.transaction, "call_index": number,
            "contract": call.contract, "method": call.method, "status": status,
            "arguments": pack(list(call.arguments)),
        }
        for number, call in enumerate(calls)
    ]  # fmt: skip


def put_meta(connection: Connection, name: str, value: str) -> None:
    """Set one of the index's settings."""
    changed = connection.execute(
        META.update().where(META.c.name == name).values(value=value)
    ).rowcount
    if changed == 0:
        connection.execute(META.insert(), {"name": name, "value": value})


def _make_transaction(
    transaction: ReceivedTransaction, receipt: Receipt, place: Place, organisation: str
) -> dict[str, Any]:
    body = transaction.body
    return {
        "height": place.height, "tx_index": place.transaction, "id": place.transaction_id,
        "sender": place.sender, "organisation": organisation, "time": place.time_s,
        "status": receipt.status, "code": receipt.code, "gas": receipt.gas,
        "gas_limit": body.gas_limit, "valid_until": body.valid_until,
        "call_count": len(body.calls), "failed_call": receipt.failed_call,
        "event_count": receipt.event_count,
    }  # fmt: skip
