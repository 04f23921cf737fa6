"""``carbonode finance basket`` and ``carbonode finance token``: shares of a pool, single lots."""

from __future__ import annotations

from dataclasses import asdict

import click

from tools.cli.desks import NUMBER, SERIAL, act, key_option, look, tell
from tools.cli.render import show_rows
from tools.cli.session import Session, pass_session
from tools.trading.pools import Basket, Baskets, Lot, Share, Tokens

VINTAGE_MAX = 2200


@click.group()
def basket() -> None:
    """Baskets: lots that stand for one another, held as shares of a kilogram."""


@basket.command()
@click.argument("name")
@click.option("--least", type=NUMBER, default=1000, show_default=True, help="Kg of a deposit.")
@click.option("--scope", default="")
@click.option("--methodology", default="")
@click.option("--region", default="", help="CN holds CN-FJ.")
@click.option("--claim", "claims", multiple=True, help="A project must have all of them.")
@click.option("--from", "first", type=click.IntRange(0, VINTAGE_MAX), default=0, help="Vintage.")
@click.option("--to", "last", type=click.IntRange(0, VINTAGE_MAX), default=VINTAGE_MAX)
@key_option
@pass_session
def create(
    session: Session,
    /,
    name: str,
    least: int,
    scope: str,
    methodology: str,
    region: str,
    claims: tuple[str, ...],
    first: int,
    last: int,
    key_name: str,
) -> None:
    """Make basket NAME, by an exchange: its rules never change."""
    act(
        session, key_name, Baskets,
        lambda desk: desk.create(
            name, least, scope=scope, methodology=methodology, region=region, claims=claims,
            vintages=(first, last),
        ),
    )  # fmt: skip
    tell(session, "Basket", {"basket": name, "step": "create"})


@basket.command()
@click.argument("name")
@click.argument("batch")
@click.argument("start", type=SERIAL)
@click.argument("end", type=NUMBER)
@key_option
@pass_session
def deposit(
    session: Session, /, name: str, batch: str, start: int, end: int, key_name: str
) -> None:
    """Put [START, END) of BATCH into basket NAME for as many shares."""
    number = act(session, key_name, Baskets, lambda desk: desk.deposit(name, batch, start, end))
    tell(session, "Deposit", {"basket": name, "deposit": number, "kg": end - start})


@basket.command()
@click.argument("name")
@click.argument("to")
@click.argument("kg", type=NUMBER)
@key_option
@pass_session
def give(session: Session, /, name: str, to: str, kg: int, key_name: str) -> None:
    """Give shares of KG of basket NAME to organisation TO."""
    act(session, key_name, Baskets, lambda desk: desk.transfer(name, to, kg))
    tell(session, "Shares", {"basket": name, "to": to, "kg": kg})


@basket.command()
@click.argument("name")
@click.argument("kg", type=NUMBER)
@key_option
@pass_session
def redeem(session: Session, /, name: str, kg: int, key_name: str) -> None:
    """Take KG out of basket NAME: its oldest lots that fit."""
    rows = [
        asdict(piece)
        for piece in act(session, key_name, Baskets, lambda desk: desk.redeem(name, kg))
    ]
    document = {"basket": name, "kg": kg, "pieces": rows}
    session.emit(document, lambda console: show_rows(console, ("batch", "start", "end"), rows))


@basket.command(name="redeem-aside")
@click.argument("name")
@click.argument("vintage", type=SERIAL)
@click.argument("number", type=NUMBER)
@click.argument("kg", type=NUMBER)
@key_option
@pass_session
def redeem_aside(
    session: Session, /, name: str, vintage: int, number: int, kg: int, key_name: str
) -> None:
    """Take KG of a lot of basket NAME that waits aside, as it is."""
    piece = act(
        session, key_name, Baskets, lambda desk: desk.redeem_aside(name, vintage, number, kg)
    )
    tell(session, "Redeemed", {"basket": name, **asdict(piece)})


@basket.command(name="set-aside")
@click.argument("name")
@click.argument("vintage", type=SERIAL)
@click.argument("number", type=NUMBER)
@key_option
@pass_session
def set_aside(session: Session, /, name: str, vintage: int, number: int, key_name: str) -> None:
    """Put a lot of basket NAME aside that does not fit any more."""
    act(session, key_name, Baskets, lambda desk: desk.set_aside(name, vintage, number))
    tell(session, "Aside", {"basket": name, "vintage": vintage, "number": number})


@basket.command(name="put-back")
@click.argument("name")
@click.argument("vintage", type=SERIAL)
@click.argument("number", type=NUMBER)
@key_option
@pass_session
def put_back(session: Session, /, name: str, vintage: int, number: int, key_name: str) -> None:
    """Put a lot of basket NAME back that fits again."""
    act(session, key_name, Baskets, lambda desk: desk.put_back(name, vintage, number))
    tell(session, "Back", {"basket": name, "vintage": vintage, "number": number})


@basket.command(name="show")
@click.argument("name")
@pass_session
def show_basket(session: Session, /, name: str) -> None:
    """Show basket NAME: its lots in the order in which they go out, and who has shares."""

    async def ask(desk: Baskets) -> tuple[Basket, list[Lot], list[Lot], list[Share]]:
        lots, waiting = await desk.list_lots(name), await desk.list_lots(name, aside=True)
        return await desk.get_basket(name), lots, waiting, await desk.list_holders(name)

    found, lots, waiting, holders = look(session, Baskets, ask)
    rows = [{**asdict(lot), "aside": lot in waiting} for lot in [*lots, *waiting]]
    shown = {"lots": rows, "holders": [asdict(item) for item in holders]}
    document = {"basket": name, **asdict(found), **shown}
    columns = ("batch", "start", "end", "vintage", "number", "aside")
    session.emit(document, lambda console: show_rows(console, columns, rows))


@basket.command()
@click.argument("organisation")
@pass_session
def shares(session: Session, /, organisation: str) -> None:
    """List the shares of ORGANISATION."""
    found = look(session, Baskets, lambda desk: desk.list_shares(organisation))
    rows = [{"basket": item.name, "kg": item.kg} for item in found]
    session.emit({"shares": rows}, lambda console: show_rows(console, ("basket", "kg"), rows))


@click.group()
def token() -> None:
    """Tokens: one lot or one certificate as a thing of its own, with its history."""


@token.command()
@click.argument("batch")
@click.argument("start", type=SERIAL)
@click.argument("end", type=NUMBER)
@key_option
@pass_session
def make(session: Session, /, batch: str, start: int, end: int, key_name: str) -> None:
    """Make a token of [START, END) of BATCH: they move with it only."""
    number = act(session, key_name, Tokens, lambda desk: desk.make_of_lot(batch, start, end))
    tell(session, "Token", {"token": number})


@token.command()
@click.argument("number", type=NUMBER)
@key_option
@pass_session
def certify(session: Session, /, number: int, key_name: str) -> None:
    """Make the one token of certificate NUMBER, by its beneficiary."""
    made = act(session, key_name, Tokens, lambda desk: desk.make_of_certificate(number))
    tell(session, "Token", {"token": made})


@token.command(name="give")
@click.argument("number", type=NUMBER)
@click.argument("to")
@key_option
@pass_session
def give_token(session: Session, /, number: int, to: str, key_name: str) -> None:
    """Give token NUMBER to organisation TO; a lot goes with it."""
    act(session, key_name, Tokens, lambda desk: desk.transfer(number, to))
    tell(session, "Token", {"token": number, "to": to})


@token.command()
@click.argument("number", type=NUMBER)
@click.argument("at", type=SERIAL)
@key_option
@pass_session
def split(session: Session, /, number: int, at: int, key_name: str) -> None:
    """Split token NUMBER at serial (or kilogram) AT."""
    parts = act(session, key_name, Tokens, lambda desk: desk.split(number, at))
    tell(session, "Token", {"token": number, "parts": list(parts)})


@token.command()
@click.argument("number", type=NUMBER)
@key_option
@pass_session
def melt(session: Session, /, number: int, key_name: str) -> None:
    """Free the lot of token NUMBER."""
    act(session, key_name, Tokens, lambda desk: desk.melt(number))
    tell(session, "Token", {"token": number, "step": "melt"})


@token.command(name="show")
@click.argument("number", type=NUMBER)
@pass_session
def show_token(session: Session, /, number: int) -> None:
    """Show token NUMBER and its history, from the token that it was split off on."""
    found = look(session, Tokens, lambda desk: desk.get_token(number))
    steps = look(session, Tokens, lambda desk: desk.list_history(number))
    rows = [{"token": of, **asdict(step)} for of, step in steps]
    document = {"token": number, **asdict(found), "history": rows}
    columns = ("token", "kind", "giver", "taker", "time", "height")
    session.emit(document, lambda console: show_rows(console, columns, rows))
