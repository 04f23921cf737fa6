"""``carbonode futures``: series, orders, margin, marks, delivery.

Prices and money are written in the currency (80.25), rates in percent (12.5), sizes in tonnes; the
chain has all of them as integers and nothing is rounded: more places are refused.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import click

from tools.cli.desks import NUMBER, SERIAL, act, key_option, look, tell
from tools.cli.futures_end import END_COMMANDS
from tools.cli.futures_shown import (
    DAY,
    KG_PER_TONNE,
    show_day,
    show_standing,
    show_state,
    show_terms,
)
from tools.cli.render import format_time, show_rows
from tools.cli.session import Session, pass_session
from tools.cli.trading_options import Moment, Money, Percent
from tools.trading.decimals import format_decimal
from tools.trading.futures import (
    BUY,
    CASH,
    LONG,
    PHYSICAL,
    SELL,
    SHORT,
    Clearing,
    Futures,
    Terms,
)

_FORCES: Final = ("gtt", "ioc", "fok")
_SIDE = click.Choice([BUY, SELL])


@click.group(name="futures")
def futures_group() -> None:
    """Trade futures: series, orders, margin, marks, delivery."""


# --- series


@futures_group.command(name="open")
@click.argument("series")
@click.option("--book", required=True, help="The book of the market that underlies it.")
@click.option("--expiry", type=Moment(), required=True, help="A midnight, UTC: 2027-12-15.")
@click.option("--size", type=click.IntRange(1), default=1000, show_default=True, help="Tonnes.")
@click.option("--tick", type=Money(), default="0.01", show_default=True)
@click.option("--currency", default="CNY", show_default=True)
@click.option("--delivery", type=click.Choice([CASH, PHYSICAL]), required=True)
@click.option("--initial", type=Percent(), required=True, help="Initial margin, of the value.")
@click.option("--maintenance", type=Percent(), required=True, help="Margin below it is called.")
@click.option("--band", type=Percent(), required=True, help="Round the settlement price.")
@click.option(
    "--contribution", type=Percent(), default="0", show_default=True, help="To the default fund."
)
@click.option("--penalty", type=Percent(), default="0", show_default=True, help="For no delivery.")
@click.option("--maker-fee", type=Money(), default="0", show_default=True, help="A contract.")
@click.option("--taker-fee", type=Money(), default="0", show_default=True, help="A contract.")
@click.option("--volume-min", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--price", type=Money(), required=True, help="The band lies round it until the first mark."
)
@key_option
@pass_session
def open_command(session: Session, /, series: str, key_name: str, **said: Any) -> None:
    """List SERIES, as an exchange. Its terms never change."""
    terms = Terms(
        underlying=said["book"],
        expiry=said["expiry"],
        size_kg=said["size"] * KG_PER_TONNE,
        tick=said["tick"],
        currency=said["currency"],
        delivery=said["delivery"],
        initial=said["initial"],
        maintenance=said["maintenance"],
        band=said["band"],
        contribution=said["contribution"],
        penalty=said["penalty"],
        maker_fee=said["maker_fee"],
        taker_fee=said["taker_fee"],
        volume_min=said["volume_min"],
    )
    price = said["price"]
    act(session, key_name, Clearing, lambda desk: desk.open_series(series, terms, price))
    tell(session, "series", {"series": series, "price": format_decimal(price)})


@futures_group.command(name="list")
@pass_session
def list_command(session: Session) -> None:
    """List the series."""

    async def work(desk: Clearing) -> list[dict[str, Any]]:
        rows = []
        for name in await desk.list_series():
            found, state = await desk.get_series(name), await desk.get_state(name)
            rows.append(
                {"series": name, "underlying": found.terms.underlying,
                 "expiry": show_day(found.terms.expiry // DAY), "delivery": found.terms.delivery,
                 "interest": await desk.get_interest(name)} | show_state(state)
            )  # fmt: skip
        return rows

    _tell_rows(session, "series", look(session, Clearing, work))


@futures_group.command()
@click.argument("series")
@pass_session
def show(session: Session, /, series: str) -> None:
    """Show SERIES: its terms, its last mark, its default fund."""

    async def work(desk: Clearing) -> dict[str, Any]:
        found, state = await desk.get_series(series), await desk.get_state(series)
        fund = await desk.get_fund(series)
        return {
            "series": series, "operator": found.operator, **show_terms(found.terms),
            "interest": await desk.get_interest(series), **show_state(state),
            "fund_stake": format_decimal(fund.stake), "fund_members": format_decimal(fund.value),
        }  # fmt: skip

    tell(session, series, look(session, Clearing, work))


@futures_group.command()
@click.argument("series")
@pass_session
def positions(session: Session, /, series: str) -> None:
    """List the positions of SERIES, the largest of each side first."""

    async def work(desk: Clearing) -> list[dict[str, Any]]:
        return [
            {"side": side} | asdict(item)
            for side in (LONG, SHORT)
            for item in await desk.list_positions(series, side)
        ]

    _tell_rows(session, "positions", look(session, Clearing, work))


@futures_group.command()
@click.argument("series")
@click.argument("organisation")
@pass_session
def position(session: Session, /, series: str, organisation: str) -> None:
    """Show ORGANISATION's position in SERIES, its margin, and the price that calls it."""
    found = look(session, Clearing, lambda desk: desk.get_standing(series, organisation))
    tell(session, f"{organisation} in {series}", show_standing(found))


# --- deposits


@futures_group.command()
@click.argument("organisation")
@click.option("--currency", default="CNY", show_default=True)
@pass_session
def account(session: Session, /, organisation: str, currency: str) -> None:
    """Show the free deposit of ORGANISATION."""
    found = look(session, Clearing, lambda desk: desk.get_free(organisation, currency))
    tell(session, organisation, {"currency": currency, "free": format_decimal(found)})


@futures_group.command()
@click.argument("amount", type=Money())
@click.option("--currency", default="CNY", show_default=True)
@key_option
@pass_session
def deposit(session: Session, /, amount: int, currency: str, key_name: str) -> None:
    """Deposit AMOUNT for margin; marks take of it what they call for."""
    act(session, key_name, Clearing, lambda desk: desk.deposit(currency, amount))
    tell(session, "deposit", {"currency": currency, "amount": format_decimal(amount)})


@futures_group.command()
@click.argument("amount", type=Money())
@click.option("--currency", default="CNY", show_default=True)
@key_option
@pass_session
def withdraw(session: Session, /, amount: int, currency: str, key_name: str) -> None:
    """Take AMOUNT of the free deposit back."""
    act(session, key_name, Clearing, lambda desk: desk.withdraw(currency, amount))
    tell(session, "withdraw", {"currency": currency, "amount": format_decimal(amount)})


@futures_group.command()
@click.argument("series")
@click.argument("amount", type=Money())
@key_option
@pass_session
def stake(session: Session, /, series: str, amount: int, key_name: str) -> None:
    """Add AMOUNT of the operator's own to the default fund of SERIES."""
    act(session, key_name, Clearing, lambda desk: desk.add_stake(series, amount))
    tell(session, "stake", {"series": series, "amount": format_decimal(amount)})


@futures_group.command()
@click.argument("series")
@key_option
@pass_session
def collect(session: Session, /, series: str, key_name: str) -> None:
    """Free what the position in SERIES has above its initial margin."""
    money = act(session, key_name, Clearing, lambda desk: desk.collect(series))
    tell(session, "collect", {"series": series, "amount": format_decimal(money)})


@futures_group.command()
@click.argument("series")
@key_option
@pass_session
def redeem(session: Session, /, series: str, key_name: str) -> None:
    """Take the own part of the default fund of SERIES back."""
    money = act(session, key_name, Clearing, lambda desk: desk.redeem(series))
    tell(session, "redeem", {"series": series, "amount": format_decimal(money)})


# --- orders


@futures_group.command()
@click.argument("series")
@click.argument("side", type=_SIDE)
@click.argument("price", type=Money())
@click.argument("contracts", type=NUMBER)
@click.option("--force", type=click.Choice(_FORCES), default="gtt", show_default=True)
@click.option("--until", type=Moment(), help="Default: the expiry of the series.")
@click.option("--fee-cap", type=Money(), help="Highest for a contract. Default: the series' fee.")
@key_option
@pass_session
def order(
    session: Session, /, series: str, side: str, price: int, contracts: int, force: str,
    until: int | None, fee_cap: int | None, key_name: str,
) -> None:  # fmt: skip
    """Place an order to buy or sell CONTRACTS of SERIES at PRICE or better."""
    terms = look(session, Clearing, lambda desk: desk.get_series(series)).terms
    expires_at = terms.expiry if until is None else until
    cap = max(terms.maker_fee, terms.taker_fee) if fee_cap is None else fee_cap

    async def work(desk: Futures) -> dict[str, Any]:
        at = expires_at if force == "gtt" else 0
        number = await desk.place(series, side, price, contracts, force, at, cap)
        found = await desk.get_order(number)
        return {"order": number, "status": found.status, "left": found.left}

    tell(session, "order", act(session, key_name, Futures, work))


@futures_group.command()
@click.argument("number", type=NUMBER)
@key_option
@pass_session
def cancel(session: Session, /, number: int, key_name: str) -> None:
    """End the order NUMBER: its owner, or a regulator."""
    act(session, key_name, Futures, lambda desk: desk.cancel(number))
    tell(session, "cancel", {"order": number})


@futures_group.command()
@click.argument("numbers", type=NUMBER, nargs=-1, required=True)
@key_option
@pass_session
def expire(session: Session, /, numbers: tuple[int, ...], key_name: str) -> None:
    """Sweep orders whose time is over."""
    act(session, key_name, Futures, lambda desk: desk.expire(list(numbers)))
    tell(session, "expire", {"orders": list(numbers)})


@futures_group.command()
@click.argument("series")
@pass_session
def book(session: Session, /, series: str) -> None:
    """Show the order book of SERIES, both sides in the order in which they trade."""

    async def work(desk: Futures) -> list[dict[str, Any]]:
        return [
            {"side": side, "order": item.order, "price": format_decimal(item.price),
             "contracts": item.left}
            for side in (SELL, BUY)
            for item in await desk.list_resting(series, side)
        ]  # fmt: skip

    _tell_rows(session, "orders", look(session, Futures, work))


@futures_group.command()
@click.argument("series")
@click.option("--after", type=SERIAL, default=0, show_default=True, help="Number of a trade.")
@pass_session
def trades(session: Session, /, series: str, after: int) -> None:
    """List a hundred trades of SERIES after a number, oldest first."""
    found = look(session, Futures, lambda desk: desk.list_trades(series, after))
    rows = [
        asdict(item)
        | {"trade": after + n, "price": format_decimal(item.price)}
        | {"time": format_time(item.time * 1000)}
        for n, item in enumerate(found, 1)
    ]
    _tell_rows(session, "trades", rows)


def _tell_rows(session: Session, name: str, rows: list[dict[str, Any]]) -> None:
    columns = tuple(rows[0]) if rows else (name,)
    session.emit({name: rows}, lambda console: show_rows(console, columns, rows))


for _command in END_COMMANDS:
    futures_group.add_command(_command)
