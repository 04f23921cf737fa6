"""``carbonode futures``: marks, and what happens at expiry."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from tools.cli.desks import NUMBER, SERIAL, act, key_option, look, tell
from tools.cli.futures_shown import show_state
from tools.cli.render import show_rows
from tools.cli.session import Session, pass_session
from tools.trading.decimals import format_decimal
from tools.trading.futures import Clearing, Delivery


@click.command()
@click.argument("series")
@key_option
@pass_session
def mark(session: Session, /, series: str, key_name: str) -> None:
    """Settle SERIES for the days that are over, and call who is short of margin."""

    async def work(desk: Clearing) -> dict[str, Any]:
        await desk.mark(series)
        return {"series": series} | show_state(await desk.get_state(series))

    tell(session, "mark", act(session, key_name, Clearing, work))


@click.command()
@click.argument("series")
@key_option
@pass_session
def clear(session: Session, /, series: str, key_name: str) -> None:
    """Go on with a mark of SERIES that one transaction could not work off."""

    async def work(desk: Clearing) -> dict[str, Any]:
        await desk.clear(series)
        return {"series": series} | show_state(await desk.get_state(series))

    tell(session, "clear", act(session, key_name, Clearing, work))


@click.command()
@click.argument("series")
@click.argument("batch")
@click.argument("start", type=SERIAL)
@click.argument("end", type=NUMBER)
@key_option
@pass_session
def tender(
    session: Session, /, series: str, batch: str, start: int, end: int, key_name: str
) -> None:
    """Lock [START, END) of BATCH for what the key's organisation is short."""
    parcel = act(session, key_name, Delivery, lambda desk: desk.tender(series, batch, start, end))
    tell(session, "tender", {"series": series, "parcel": parcel})


@click.command(name="take-back")
@click.argument("series")
@click.argument("parcel", type=NUMBER)
@key_option
@pass_session
def take_back(session: Session, /, series: str, parcel: int, key_name: str) -> None:
    """Unlock PARCEL before the final mark, or when it is owed no more."""
    act(session, key_name, Delivery, lambda desk: desk.take_back(series, parcel))
    tell(session, "take-back", {"series": series, "parcel": parcel})


@click.command()
@click.argument("series")
@key_option
@pass_session
def pay(session: Session, /, series: str, key_name: str) -> None:
    """Pay for all that the key's organisation is long of SERIES."""
    money = act(session, key_name, Delivery, lambda desk: desk.pay(series))
    tell(session, "pay", {"series": series, "amount": format_decimal(money)})


@click.command()
@click.argument("series")
@key_option
@pass_session
def deliver(session: Session, /, series: str, key_name: str) -> None:
    """Hand parcels of SERIES over to who paid, a few at a time."""
    steps = act(session, key_name, Delivery, lambda desk: desk.deliver(series))
    tell(session, "deliver", {"series": series, "steps": steps})


@click.command()
@click.argument("series")
@pass_session
def queue(session: Session, /, series: str) -> None:
    """Show what of SERIES is tendered and what is paid for, in the order of delivery."""

    async def work(desk: Delivery) -> dict[str, Any]:
        return {
            "parcels": [asdict(item) for item in await desk.list_parcels(series)],
            "payers": [asdict(item) for item in await desk.list_payers(series)],
        }

    found = look(session, Delivery, work)

    def tables(console: Console) -> None:
        show_rows(console, ("parcel", "owner", "batch", "start", "end"), found["parcels"])
        show_rows(console, ("payment", "owner", "contracts"), found["payers"])

    session.emit(found, tables)


@click.command(name="close-out")
@click.argument("series")
@click.argument("members", nargs=-1, required=True)
@key_option
@pass_session
def close_out(session: Session, /, series: str, members: tuple[str, ...], key_name: str) -> None:
    """Settle positions of MEMBERS in cash at the final price."""
    act(session, key_name, Delivery, lambda desk: desk.close_out(series, list(members)))
    tell(session, "close-out", {"series": series, "members": list(members)})


@click.command()
@click.argument("series")
@key_option
@pass_session
def finish(session: Session, /, series: str, key_name: str) -> None:
    """Close SERIES after its last position; what is left goes to its operator."""
    money = act(session, key_name, Clearing, lambda desk: desk.finish(series))
    tell(session, "finish", {"series": series, "amount": format_decimal(money)})


END_COMMANDS = (mark, clear, tender, take_back, pay, deliver, queue, close_out, finish)
"""They join the group in futures.py."""
