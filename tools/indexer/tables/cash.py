"""``cash``: money by currency, balances, holds and payments.

A balance is what is free and held together: the event of a settlement does not say which of
the two paid. What is free alone is the view ``cash.account_of``, or the proof of the row.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import integer, moment, money, text
from tools.indexer.rows import Rows

CURRENCIES: Final = Table(
    "currencies", METADATA,
    text("currency", "ISO 4217", key=True),
    money("issued", "issued by banks"),
    money("redeemed", "redeemed"),
)  # fmt: skip

ACCOUNTS: Final = Table(
    "cash_accounts", METADATA,
    text("organisation", "organisation", key=True),
    text("currency", "currency", key=True),
    money("balance", "free and held together"),
)  # fmt: skip

HOLDS: Final = Table(
    "cash_holds", METADATA,
    text("organisation", "whose money", key=True),
    text("currency", "currency", key=True),
    text("reference", "for what", key=True),
    money("amount", "set aside at first"),
    money("released", "given back at the end; null: still held", null=True),
    integer("height", "height of the hold"),
    integer("released_height", "height of its end", null=True),
)  # fmt: skip

PAYMENTS: Final = Table(
    "payments", METADATA,
    integer("height", "height", key=True),
    integer("event", "number of the event in the block", key=True),
    text("kind", "issue, redeem, transfer or settle"),
    text("currency", "currency"),
    text("giver", "who gave; of an issue the bank"),
    text("taker", "who took; of a redemption ''"),
    money("amount", "amount"),
    money("fee", "fee beside it, paid to the collector"),
    text("collector", "who gets the fee"),
    text("reference", "reference"),
    moment("time", "time"),
)  # fmt: skip

BOOK: Final = Book(
    "cash", 1, (CURRENCIES, ACCOUNTS, HOLDS, PAYMENTS),
    (
        Listing(
            "currencies", CURRENCIES, "Money on the chain.", ("currency",),
            proof=Proof("cash", "totals", ("currency",)),
        ),
        Listing(
            "cash-accounts", ACCOUNTS, "Accounts: public on this chain.",
            ("organisation", "currency"), (("organisation",), ("currency",)),
            proof=Proof("cash", "accounts", ("organisation", "currency")),
        ),
        Listing(
            "cash-holds", HOLDS, "Money set aside for orders and the like.",
            ("organisation", "currency", "reference"), (("organisation",),),
        ),
        Listing(
            "payments", PAYMENTS, "Payments: public on this chain.", ("height", "event"),
            (("giver",), ("taker",), ("currency",), ("kind",)), newest_first=True, proof=Proof(),
        ),
    ),
)  # fmt: skip


def _move(rows: Rows, organisation: str, currency: str, change: int) -> None:
    if rows.find(ACCOUNTS, organisation, currency) is None:
        rows.add(ACCOUNTS, organisation=organisation, currency=currency, balance=0)
    rows.increase(ACCOUNTS, organisation, currency, balance=change)


def _total(rows: Rows, currency: str, issued: int, redeemed: int) -> None:
    if rows.find(CURRENCIES, currency) is None:
        rows.add(CURRENCIES, currency=currency, issued=0, redeemed=0)
    rows.increase(CURRENCIES, currency, issued=issued, redeemed=redeemed)


def _pay(
    rows: Rows, at: Place, kind: str, currency: str, giver: str, taker: str, amount: int,
    reference: str, fee: int = 0, collector: str = "",
) -> None:  # fmt: skip
    rows.append(
        PAYMENTS, height=at.height, event=at.event, kind=kind, currency=currency, giver=giver,
        taker=taker, amount=amount, fee=fee, collector=collector, reference=reference,
        time=at.time_s,
    )  # fmt: skip


@BOOK.on("Issued")
def _issue(
    rows: Rows, at: Place, currency: str, bank: str, to: str, amount: int, reference: str
) -> None:
    _total(rows, currency, amount, 0)
    _move(rows, to, currency, amount)
    _pay(rows, at, "issue", currency, bank, to, amount, reference)


@BOOK.on("Redeemed")
def _redeem(rows: Rows, at: Place, currency: str, bank: str, amount: int, reference: str) -> None:
    _total(rows, currency, 0, amount)
    _move(rows, bank, currency, -amount)
    _pay(rows, at, "redeem", currency, bank, "", amount, reference)


@BOOK.on("Transferred")
def _transfer(
    rows: Rows, at: Place, currency: str, giver: str, taker: str, amount: int, reference: str
) -> None:
    _move(rows, giver, currency, -amount)
    _move(rows, taker, currency, amount)
    _pay(rows, at, "transfer", currency, giver, taker, amount, reference)


@BOOK.on("Held")
def _hold(rows: Rows, at: Place, currency: str, owner: str, amount: int, reference: str) -> None:
    rows.put(
        HOLDS, organisation=owner, currency=currency, reference=reference, amount=amount,
        released=None, height=at.height, released_height=None,
    )  # fmt: skip


@BOOK.on("Released")
def _release(rows: Rows, at: Place, currency: str, owner: str, amount: int, reference: str) -> None:
    rows.change(HOLDS, owner, currency, reference, released=amount, released_height=at.height)


@BOOK.on("Settled")
def _settle(
    rows: Rows, at: Place, currency: str, giver: str, taker: str, amount: int, fee: int,
    collector: str, reference: str,
) -> None:  # fmt: skip
    _move(rows, giver, currency, -amount - fee)
    _move(rows, taker, currency, amount)
    if fee:
        _move(rows, collector, currency, fee)
    _pay(rows, at, "settle", currency, giver, taker, amount, reference, fee, collector)
