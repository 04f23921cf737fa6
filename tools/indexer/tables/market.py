"""``market``: order books, orders and trades."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table

from tools.indexer.book import METADATA, Book, Listing, Place, Proof
from tools.indexer.columns import flag, integer, kilograms, moment, money, text
from tools.indexer.flags import flag as add_flag
from tools.indexer.rows import Rows

BOOKS: Final = Table(
    "market_books", METADATA,
    text("book", "id", key=True),
    text("operator", "exchange that runs it"),
    text("batch", "batch; '' = a class of batches"),
    text("currency", "currency"),
    money("last_price", "price a tonne of the last trade, or set at a reopening; 0 = none"),
    integer("trades", "trades"),
    kilograms("volume_kg", "kilograms traded"),
    flag("halted", "halted"),
    moment("opened_at", "time of the opening"),
    integer("height", "height of the opening"),
)  # fmt: skip

ORDERS: Final = Table(
    "orders", METADATA,
    integer("order", "number", key=True),
    text("book", "book"),
    text("side", "buy or sell"),
    text("owner", "owner"),
    money("price", "price a tonne"),
    kilograms("quantity_kg", "kilograms"),
    kilograms("left_kg", "not traded"),
    text("status", "open, partial, filled, cancelled or expired"),
    text("reason", "why it ended"),
    text("purpose", "what it buys is retired for this; null where a contract placed", null=True),
    moment("placed_at", "time"),
    integer("height", "height"),
)  # fmt: skip

TRADES: Final = Table(
    "trades", METADATA,
    text("book", "book", key=True),
    integer("trade", "number in the book", key=True),
    money("price", "price a tonne"),
    kilograms("quantity_kg", "kilograms"),
    money("amount", "money for the units, fees apart"),
    text("currency", "currency"),
    text("buyer", "buyer"),
    text("seller", "seller"),
    integer("maker", "order that rested"),
    integer("taker", "order that met it"),
    moment("time", "time"),
    integer("height", "height"),
    integer("event", "number of the event in the block"),
)  # fmt: skip

BOOK: Final = Book(
    "market", 1, (BOOKS, ORDERS, TRADES),
    (
        Listing(
            "books", BOOKS, "Order books.", ("book",), (("batch",), ("operator",)),
            proof=Proof("market", "books", ("book",)),
        ),
        Listing(
            "orders", ORDERS, "Orders.", ("order",),
            (("book",), ("owner",), ("book", "status"), ("owner", "status"), ("status",)),
            newest_first=True, proof=Proof("market", "orders", ("order",)),
        ),
        Listing(
            "trades", TRADES, "Trades.", ("book", "trade"), (("book",), ("buyer",), ("seller",)),
            newest_first=True, proof=Proof("market", "trades", ("book", "trade")),
        ),
    ),
    frozenset({"RatesChanged"}),
)  # fmt: skip


@BOOK.on("BookOpened")
def _open(rows: Rows, at: Place, book: str, operator: str, batch: str, currency: str) -> None:
    rows.add(
        BOOKS, book=book, operator=operator, batch=batch, currency=currency, last_price=0,
        trades=0, volume_kg=0, halted=False, opened_at=at.time_s, height=at.height,
    )  # fmt: skip


@BOOK.on("Placed")
def _place(
    rows: Rows, at: Place, order: int, book: str, side: str, owner: str, price: int,
    quantity_kg: int,
) -> None:  # fmt: skip
    wanted: dict[str, Any] = {"a0": book, "a1": price}
    if side == "buy":
        call = at.take_call("market", ("buy",), **wanted, a2=quantity_kg)
        purpose: Any = None if call is None else call[7]
    else:
        purpose = ""
    rows.add(
        ORDERS, order=order, book=book, side=side, owner=owner, price=price,
        quantity_kg=quantity_kg, left_kg=quantity_kg, status="open", reason="", purpose=purpose,
        placed_at=at.time_s, height=at.height,
    )  # fmt: skip


@BOOK.on("Rested")
def _rest(rows: Rows, at: Place, order: int, left_kg: int) -> None:
    _reduce(rows, order, left_kg)


@BOOK.on("Traded")
def _trade(
    rows: Rows, at: Place, book: str, trade: int, price: int, quantity_kg: int, amount: int,
    buyer: str, seller: str, maker: int, taker: int,
) -> None:  # fmt: skip
    found = rows.get(BOOKS, book)
    rows.add(
        TRADES, book=book, trade=trade, price=price, quantity_kg=quantity_kg, amount=amount,
        currency=found["currency"], buyer=buyer, seller=seller, maker=maker, taker=taker,
        time=at.time_s, height=at.height, event=at.event,
    )  # fmt: skip
    rows.change(
        BOOKS, book, last_price=price, trades=trade, volume_kg=found["volume_kg"] + quantity_kg
    )
    # An order that is filled is ended by its own event: before this one where it rested.
    for number in (maker, taker):
        _reduce(rows, number, rows.get(ORDERS, number)["left_kg"] - quantity_kg)


def _reduce(rows: Rows, order: int, left_kg: int) -> None:
    found = rows.get(ORDERS, order)
    if found["status"] in ("open", "partial"):
        partial = left_kg < found["quantity_kg"]
        rows.change(ORDERS, order, left_kg=left_kg, status="partial" if partial else "open")


@BOOK.on("Ended")
def _end(rows: Rows, at: Place, order: int, status: str, left_kg: int, reason: str) -> None:
    rows.change(ORDERS, order, status=status, left_kg=left_kg, reason=reason)


@BOOK.on("Halted")
def _halt(rows: Rows, at: Place, book: str, price: int, last_price: int, reason: str) -> None:
    # An order that would have left the band halts the book at what it was before the order.
    rows.change(BOOKS, book, halted=True, last_price=last_price)
    add_flag(rows, at, "market", "halt", book, price=str(price), reason=reason)


@BOOK.on("Reopened")
def _reopen(rows: Rows, at: Place, book: str, regulator: str, last_price: int) -> None:
    rows.change(BOOKS, book, halted=False, last_price=last_price)
