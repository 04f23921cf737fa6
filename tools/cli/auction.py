"""``carbonode auction``: offer lots, bid openly or sealed, clear.

A sealed bid needs its file again to be revealed: price, amount and salt stand in it and nowhere
else. It is written before the commitment is sent, readable by its owner alone.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from primitives.errors import CarbonodeError
from tools.cli.desks import act, done, key_option, look
from tools.cli.render import show_pairs, show_rows
from tools.cli.session import Session, pass_session
from tools.cli.trading_options import Lot, Moment, Money
from tools.trading.auctions import Auctions, AuctionTerms, make_salt, make_seal
from tools.trading.decimals import DecimalError, format_decimal, parse_decimal
from tools.trading.desk import Piece
from tools.trading.statement import format_seconds

BID_FILE_MODE = 0o600
_AUCTION = click.argument("auction", type=click.IntRange(1))
_PRICE = click.option("--price", type=Money(), required=True, help="For a tonne.")
_KG = click.argument("kilograms", type=click.IntRange(1))


class BidFileError(CarbonodeError):
    """The file is no sealed bid."""

    code = "bid-file"


@click.group()
def auction() -> None:
    """Auctions at one price. Prices are decimals of the currency for a tonne."""


@auction.command(name="open")
@click.argument("lots", type=Lot(), nargs=-1, required=True)
@click.option("--currency", required=True)
@click.option("--reserve", type=Money(), required=True, help="No bid below it.")
@click.option("--tick", type=Money(), default=1, help="Prices are its multiples.")
@click.option("--step", type=click.IntRange(1), default=1, help="Amounts are its multiples, kg.")
@click.option("--cap", type=click.IntRange(1), help="kg of one bidder. Default: the offer.")
@click.option("--minimum", type=click.IntRange(0), default=0, help="Fewer kg bid: cancelled.")
@click.option("--rationing", type=click.Choice(["time", "pro-rata"]), default="time")
@click.option("--opens", type=Moment(), required=True)
@click.option("--closes", type=Moment(), required=True)
@click.option("--reveals-until", type=Moment(), help="Bids are sealed, and revealed until then.")
@click.option("--forfeit", type=click.IntRange(0, 10_000), default=0, help="Of deposits, 10^-4.")
@key_option
@pass_session
def open_command(
    session: Session, /, lots: tuple[Piece, ...], key_name: str, currency: str, reserve: int,
    tick: int, step: int, cap: int | None, minimum: int, rationing: str, opens: int, closes: int,
    reveals_until: int | None, forfeit: int,
) -> None:  # fmt: skip
    """Offer LOTS (BATCH:START:END ...) of the key's organisation."""
    offered = sum(lot.end - lot.start for lot in lots)
    terms = AuctionTerms(
        currency, tick, step, reserve, cap or offered, minimum, rationing,
        reveals_until is not None, forfeit, opens, closes, reveals_until or 0,
    )  # fmt: skip
    number = act(session, key_name, Auctions, lambda desk: desk.open(lots, terms))
    done(session, f"auction {number} offers {offered} kg", auction=number)


@auction.command(name="list")
@pass_session
def list_command(session: Session, /) -> None:
    """All auctions."""

    async def read(desk: Auctions) -> list[dict[str, Any]]:
        return [_show(n, asdict(await desk.get(n))) for n in await desk.list_numbers()]

    rows = look(session, Auctions, read)
    columns = ("auction", "seller", "offered", "bids", "status", "price", "sold", "closes")
    session.emit(rows, lambda console: show_rows(console, columns, rows))


@auction.command()
@_AUCTION
@pass_session
def show(session: Session, /, auction: int) -> None:
    """An auction, what is left of its lots, and its bids."""

    async def read(desk: Auctions) -> dict[str, Any]:
        return {
            **_show(auction, asdict(await desk.get(auction))),
            "lots": [asdict(lot) for lot in await desk.get_lots(auction)],
            "bidders": [
                {**asdict(bid), "price": format_decimal(bid.price)}
                for bid in await desk.list_bids(auction)
            ],
        }

    document = look(session, Auctions, read)

    def print_it(console: Console) -> None:
        pairs = {name: value for name, value in document.items() if name != "bidders"}
        show_pairs(console, f"Auction {auction}", pairs)
        columns = ("bid", "bidder", "price", "quantity_kg", "status", "won_kg")
        show_rows(console, columns, document["bidders"])

    session.emit(document, print_it)


@auction.command()
@_AUCTION
@_KG
@_PRICE
@key_option
@pass_session
def bid(session: Session, /, auction: int, kilograms: int, price: int, key_name: str) -> None:
    """Bid openly; the money is held."""
    number = act(session, key_name, Auctions, lambda desk: desk.bid(auction, price, kilograms))
    done(session, f"bid {number} in auction {auction}", auction=auction, bid=number)


@auction.command()
@_AUCTION
@_KG
@_PRICE
@click.option("--deposit", type=Money(), required=True, help="Held; at least what it can cost.")
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), required=True,
    help="The bid with its salt: needed again to reveal it.",
)  # fmt: skip
@key_option
@pass_session
def commit(
    session: Session, /, auction: int, kilograms: int, price: int, deposit: int, file: Path,
    key_name: str,
) -> None:  # fmt: skip
    """Bid sealed: the chain sees a hash and a deposit."""
    salt = make_salt()

    async def work(desk: Auctions) -> int:
        bidder = await desk.get_organisation()
        document = {
            "auction": auction, "bidder": bidder, "price": format_decimal(price),
            "kilograms": kilograms, "salt": salt.hex(),
        }  # fmt: skip
        _write_private(file, json.dumps(document, indent=2) + "\n")
        seal = make_seal(auction, bidder, price, kilograms, salt)
        return await desk.commit(auction, seal, deposit)

    number = act(session, key_name, Auctions, work)
    text = f"sealed bid {number} in auction {auction}; keep {file}"
    done(session, text, auction=auction, bid=number, file=str(file))


@auction.command()
@click.argument("bid", type=click.IntRange(1))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@key_option
@pass_session
def reveal(session: Session, /, bid: int, file: Path, key_name: str) -> None:
    """Reveal the sealed BID that FILE keeps."""
    try:
        kept = json.loads(file.read_text("utf-8"))
        number, kilograms = int(kept["auction"]), int(kept["kilograms"])
        price, salt = parse_decimal(kept["price"]), bytes.fromhex(kept["salt"])
    except (ValueError, KeyError, TypeError, DecimalError) as error:
        raise BidFileError("not a sealed bid", path=str(file), reason=repr(error)) from None
    terms = (number, bid, price, kilograms, salt)
    act(session, key_name, Auctions, lambda desk: desk.reveal(*terms))
    done(session, f"bid {bid} of auction {number} is revealed", auction=number, bid=bid)


@auction.command()
@_AUCTION
@click.argument("bid", type=click.IntRange(1))
@key_option
@pass_session
def withdraw(session: Session, /, auction: int, bid: int, key_name: str) -> None:
    """Withdraw a bid while the window is open."""
    act(session, key_name, Auctions, lambda desk: desk.withdraw(auction, bid))
    done(session, f"bid {bid} of auction {auction} is withdrawn", auction=auction, bid=bid)


@auction.command()
@_AUCTION
@click.option("--note", default="", help="Why; public.")
@key_option
@pass_session
def cancel(session: Session, /, auction: int, note: str, key_name: str) -> None:
    """Cancel: the seller before the window, a regulator until it is counted."""
    act(session, key_name, Auctions, lambda desk: desk.cancel(auction, note))
    done(session, f"auction {auction} is cancelled; clear it to free what is held", auction=auction)


@auction.command()
@_AUCTION
@key_option
@pass_session
def clear(session: Session, /, auction: int, key_name: str) -> None:
    """Clear an auction whose time is over, step by step; any member may."""
    status = act(session, key_name, Auctions, lambda desk: desk.clear(auction))
    done(session, f"auction {auction}: {status}", auction=auction, status=status)


def _show(number: int, found: dict[str, Any]) -> dict[str, Any]:
    terms = found["terms"]
    return {
        "auction": number, "seller": found["seller"], "currency": terms["currency"],
        "offered": found["offered_kg"], "bids": found["bids"], "status": found["status"],
        "reason": found["reason"], "reserve": format_decimal(terms["reserve_price"]),
        "price": format_decimal(found["price"]), "sold": found["sold_kg"],
        "proceeds": format_decimal(found["proceeds"]), "sealed": terms["sealed"],
        "rationing": terms["rationing"], "closes": format_seconds(terms["closes_at"]),
    }  # fmt: skip


def _write_private(path: Path, text: str) -> None:
    """Never over a file that is there: it may be the only copy of another bid."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, BID_FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
