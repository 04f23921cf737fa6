"""``carbonode quote``: ask for a price, answer with a firm one, accept it whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from tools.cli.desks import act, done, key_option, look
from tools.cli.render import show_rows
from tools.cli.session import Session, pass_session
from tools.cli.trading_options import Lot, Moment, Money
from tools.trading.decimals import format_decimal
from tools.trading.desk import Piece
from tools.trading.quotes import Quotes
from tools.trading.statement import format_seconds

_UNTIL = click.option("--until", type=Moment(), required=True, help="ISO 8601, UTC.")
_LOT = click.option("--lot", type=Lot(), help="BATCH:START:END, for who sells.")


@click.group()
def quote() -> None:
    """Requests for quotes. Prices are decimals of the currency for a tonne."""


@quote.command(name="ask")
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("batch")
@click.argument("kilograms", type=click.IntRange(1))
@click.option("--currency", required=True)
@click.option("--dealer", "dealers", multiple=True, help="Who may answer. Default: anyone.")
@_UNTIL
@key_option
@pass_session
def ask_command(
    session: Session, /, side: str, batch: str, kilograms: int, currency: str,
    dealers: tuple[str, ...], until: int, key_name: str,
) -> None:  # fmt: skip
    """Ask for quotes: you want to buy or sell KILOGRAMS of BATCH."""
    terms = (side, batch, kilograms, currency, dealers, until)
    number = act(session, key_name, Quotes, lambda desk: desk.ask(*terms))
    done(session, f"request {number}", request=number)


@quote.command()
@click.argument("request", type=click.IntRange(1))
@click.option("--price", type=Money(), required=True, help="For a tonne.")
@_LOT
@_UNTIL
@key_option
@pass_session
def answer(
    session: Session, /, request: int, price: int, lot: Piece | None, until: int, key_name: str
) -> None:
    """Answer a request with a firm price; units are locked, or money is held."""
    serials = (lot.start, lot.end) if lot else (0, 0)
    terms = (request, price, until, *serials)
    number = act(session, key_name, Quotes, lambda desk: desk.quote(*terms))
    done(session, f"quote {number} for request {request}", request=request, quote=number)


@quote.command()
@click.argument("number", type=click.IntRange(1))
@_LOT
@key_option
@pass_session
def accept(session: Session, /, number: int, lot: Piece | None, key_name: str) -> None:
    """Accept quote NUMBER, all of it."""
    serials = (lot.start, lot.end) if lot else (0, 0)
    act(session, key_name, Quotes, lambda desk: desk.accept(number, *serials))
    done(session, f"quote {number} is accepted and settled", quote=number)


@quote.command()
@click.argument("request", type=click.IntRange(1))
@key_option
@pass_session
def cancel(session: Session, /, request: int, key_name: str) -> None:
    """End a request; the quotes for it are freed."""
    act(session, key_name, Quotes, lambda desk: desk.cancel(request))
    done(session, f"request {request} is cancelled", request=request)


@quote.command()
@click.argument("request", type=click.IntRange(1))
@pass_session
def show(session: Session, /, request: int) -> None:
    """A request and the quotes that bind."""

    async def read(desk: Quotes) -> dict[str, Any]:
        asked = asdict(await desk.get_request(request))
        found = [(n, await desk.get_quote(n)) for n in await desk.list_quotes(request)]
        rows = [
            {
                "quote": number, "dealer": item.dealer, "price": format_decimal(item.price),
                "amount": format_decimal(item.amount), "until": format_seconds(item.expires_at),
            }
            for number, item in found
        ]  # fmt: skip
        return {"request": request, **asked, "dealers": list(asked["dealers"]), "quotes": rows}

    document = look(session, Quotes, read)
    columns = ("quote", "dealer", "price", "amount", "until")
    session.emit(document, lambda console: show_rows(console, columns, document["quotes"]))
