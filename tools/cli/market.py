"""``carbonode market``: books, orders, trades, prices, and the feed of a book."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import click

from tools.cli.desks import act, done, key_option, look, tell
from tools.cli.render import show_rows
from tools.cli.session import Session, pass_session
from tools.cli.trading_options import Lot, Moment, Money, fee_cap_option
from tools.client.client import Client
from tools.trading.decimals import format_decimal
from tools.trading.desk import Piece
from tools.trading.feed import STREAMS, Update, follow
from tools.trading.market import BUY, SELL, Market, Terms
from tools.trading.statement import format_seconds

DAY_SECONDS = 86_400
_BOOK = click.argument("book")
_PRICE = click.option("--price", type=Money(), required=True, help="Limit, for a tonne.")
_UNTIL = click.option(
    "--until", type=Moment(), default=None,
    help="Rest until then (ISO 8601). Without it what does not trade at once is cancelled.",
)  # fmt: skip
_WHOLE = click.option("--whole", is_flag=True, help="All of it at once, or nothing.")


@click.group()
def market() -> None:
    """Order books. Prices are decimals of the currency for a tonne, amounts kilograms."""


@market.command(name="open")
@_BOOK
@click.argument("batch")
@click.option("--currency", required=True)
@click.option("--tick", type=Money(), default=1, help="Prices are its multiples.")
@click.option("--step", type=click.IntRange(1), default=1, help="Amounts are its multiples, kg.")
@click.option("--maker-rate", type=click.IntRange(0), default=0, help="In 10^-4.")
@click.option("--taker-rate", type=click.IntRange(0), default=0, help="In 10^-4.")
@click.option("--band", type=click.IntRange(1), default=1_000, help="Breaker, in 10^-4.")
@key_option
@pass_session
def open_command(
    session: Session, /, book: str, batch: str, key_name: str, currency: str, tick: int, step: int,
    maker_rate: int, taker_rate: int, band: int,
) -> None:  # fmt: skip
    """Open BOOK for one BATCH, run by the exchange of the key."""
    terms = Terms(currency, tick, step, maker_rate, taker_rate, band)
    act(session, key_name, Market, lambda desk: desk.open_book(book, batch, terms))
    done(session, f"book {book} is open", book=book)


@market.command()
@pass_session
def books(session: Session, /) -> None:
    """All books with their last price."""

    async def read(desk: Market) -> list[dict[str, Any]]:
        rows = []
        for name in await desk.list_books():
            rules, ticker = await desk.get_book(name), await desk.get_ticker(name)
            rows.append(
                {
                    "book": name, "operator": rules.operator, "batch": rules.batch or "(class)",
                    "currency": rules.terms.currency, "last": format_decimal(ticker.last_price),
                    "trades": ticker.trades, "kilograms": ticker.volume_kg,
                    "halted": ticker.halted,
                }
            )  # fmt: skip
        return rows

    rows = look(session, Market, read)
    columns = ("book", "batch", "currency", "last", "trades", "kilograms", "halted")
    session.emit(rows, lambda console: show_rows(console, columns, rows))


@market.command()
@_BOOK
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@pass_session
def depth(session: Session, /, book: str, limit: int) -> None:
    """The best orders of both sides, in the order in which they trade."""

    async def read(desk: Market) -> list[dict[str, Any]]:
        return [
            {
                "side": side, "order": row.order, "price": format_decimal(row.price),
                "kilograms": row.left_kg,
            }
            for side in (BUY, SELL)
            for row in await desk.list_resting(book, side, limit)
        ]  # fmt: skip

    rows = look(session, Market, read)
    columns = ("side", "order", "price", "kilograms")
    session.emit(rows, lambda console: show_rows(console, columns, rows))


@market.command()
@_BOOK
@click.argument("kilograms", type=click.IntRange(1))
@_PRICE
@_UNTIL
@_WHOLE
@fee_cap_option
@click.option(
    "--retire-for", "purpose", default="", help="Retire what is bought, for this purpose."
)
@key_option
@pass_session
def buy(
    session: Session, /, book: str, kilograms: int, price: int, until: int | None, whole: bool,
    fee_cap: int, purpose: str, key_name: str,
) -> None:  # fmt: skip
    """Buy KILOGRAMS in BOOK at the price or better."""

    async def work(desk: Market) -> tuple[int, dict[str, Any]]:
        number = await desk.buy(
            book, price, kilograms, fee_cap=fee_cap, expires_at=until or 0,
            force="fok" if whole else "", purpose=purpose,
        )  # fmt: skip
        return number, asdict(await desk.get_order(number))

    _tell(session, *act(session, key_name, Market, work))


@market.command()
@_BOOK
@click.argument("lot", type=Lot())
@_PRICE
@_UNTIL
@_WHOLE
@fee_cap_option
@key_option
@pass_session
def sell(
    session: Session, /, book: str, lot: Piece, price: int, until: int | None, whole: bool,
    fee_cap: int, key_name: str,
) -> None:  # fmt: skip
    """Sell the serials LOT (BATCH:START:END) in BOOK at the price or better."""

    async def work(desk: Market) -> tuple[int, dict[str, Any]]:
        number = await desk.sell(
            book, price, lot.batch, lot.start, lot.end, fee_cap=fee_cap, expires_at=until or 0,
            force="fok" if whole else "",
        )  # fmt: skip
        return number, asdict(await desk.get_order(number))

    _tell(session, *act(session, key_name, Market, work))


@market.command()
@click.argument("order", type=click.IntRange(1))
@key_option
@pass_session
def cancel(session: Session, /, order: int, key_name: str) -> None:
    """Cancel a resting order: its owner, or a regulator."""
    act(session, key_name, Market, lambda desk: desk.cancel(order))
    done(session, f"order {order} is cancelled", order=order)


@market.command()
@_BOOK
@click.argument("reason")
@key_option
@pass_session
def halt(session: Session, /, book: str, reason: str, key_name: str) -> None:
    """Halt BOOK, by a regulator."""
    act(session, key_name, Market, lambda desk: desk.halt(book, reason))
    done(session, f"book {book} is halted", book=book)


@market.command()
@_BOOK
@click.option("--price", type=Money(), default=0, help="Middle of the band; 0: no band.")
@key_option
@pass_session
def reopen(session: Session, /, book: str, price: int, key_name: str) -> None:
    """Reopen BOOK, by a regulator."""
    act(session, key_name, Market, lambda desk: desk.reopen(book, price))
    done(session, f"book {book} is open again", book=book)


@market.command()
@click.argument("organisation")
@pass_session
def orders(session: Session, /, organisation: str) -> None:
    """Orders of ORGANISATION that rest."""

    async def read(desk: Market) -> list[dict[str, Any]]:
        numbers = await desk.list_orders(organisation)
        return [_show_order(n, asdict(await desk.get_order(n))) for n in numbers]

    rows = look(session, Market, read)
    columns = ("order", "book", "side", "price", "left", "status", "until")
    session.emit(rows, lambda console: show_rows(console, columns, rows))


@market.command()
@_BOOK
@click.option("--after", type=click.IntRange(0), default=0, help="After this trade's number.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@pass_session
def trades(session: Session, /, book: str, after: int, limit: int) -> None:
    """Trades of BOOK, oldest first."""
    found = look(session, Market, lambda desk: desk.read_trades(book, after, limit))
    rows = [
        {
            "trade": number, "time": format_seconds(item.time), "price": format_decimal(item.price),
            "kilograms": item.quantity_kg, "amount": format_decimal(item.amount),
            "buyer": item.buyer, "seller": item.seller, "batch": item.batch, "start": item.start,
            "makerFee": format_decimal(item.maker_fee), "takerFee": format_decimal(item.taker_fee),
            "maker": item.maker, "taker": item.taker, "height": item.height,
        }
        for number, item in enumerate(found, after + 1)
    ]  # fmt: skip
    columns = ("trade", "time", "price", "kilograms", "amount", "buyer", "seller")
    session.emit(rows, lambda console: show_rows(console, columns, rows))


@market.command()
@_BOOK
@pass_session
def days(session: Session, /, book: str) -> None:
    """First, highest, lowest and last price of each day, and what was traded."""
    rows = [
        {
            "day": format_seconds(day.day * DAY_SECONDS)[:10],
            "first": format_decimal(day.first_price), "high": format_decimal(day.high),
            "low": format_decimal(day.low), "last": format_decimal(day.last_price),
            "kilograms": day.volume_kg, "amount": format_decimal(day.amount), "trades": day.trades,
        }
        for day in look(session, Market, lambda desk: desk.list_days(book))
    ]  # fmt: skip
    columns = ("day", "first", "high", "low", "last", "kilograms", "amount", "trades")
    session.emit(rows, lambda console: show_rows(console, columns, rows))


@market.command()
@_BOOK
@click.option("--from", "first", type=Moment(), required=True, help="First day.")
@click.option("--to", "last", type=Moment(), required=True, help="Last day, counted.")
@pass_session
def valuation(session: Session, /, book: str, first: int, last: int) -> None:
    """The average price by volume of at most 31 days, and the last price then or before."""
    period = (first // DAY_SECONDS, last // DAY_SECONDS)
    found = look(session, Market, lambda desk: desk.get_valuation(book, *period))
    row = {
        "price": format_decimal(found.price), "kilograms": found.volume_kg,
        "amount": format_decimal(found.amount), "trades": found.trades,
        "last": format_decimal(found.last_price),
    }  # fmt: skip
    tell(session, book, row)


@market.command()
@_BOOK
@click.option("--stream", "streams", type=click.Choice(STREAMS), multiple=True, default=STREAMS)
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@pass_session
def watch(session: Session, /, book: str, streams: tuple[str, ...], count: int | None) -> None:
    """Follow BOOK: a snapshot, then each change, over a WebSocket. One JSON a line."""

    async def run(client: Client) -> None:
        left = count
        feed = follow(client, book, streams)
        async with aclosing(feed):
            async for update in feed:
                _say_update(update)
                left = None if left is None else left - 1
                if left == 0:
                    return

    session.run(run)


def _say_update(update: Update) -> None:
    click.echo(json.dumps(update.to_json(), ensure_ascii=False))


def _tell(session: Session, number: int, order: dict[str, Any]) -> None:
    tell(session, f"Order {number}", _show_order(number, order))


def _show_order(number: int, order: dict[str, Any]) -> dict[str, Any]:
    until = order["expires_at"]
    return {
        "order": number, "book": order["book"], "side": order["side"], "owner": order["owner"],
        "price": format_decimal(order["price"]), "kilograms": order["quantity_kg"],
        "left": order["left_kg"], "status": order["status"],
        "until": format_seconds(until) if until else "",
    }  # fmt: skip
