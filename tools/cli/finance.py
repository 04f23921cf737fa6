"""``carbonode finance``: pledges and loans; baskets and tokens stand in pools.py.

Money is written in the currency (800.00), rates and shares in percent (3.65); the chain has both in
10^-4 and nothing is rounded: more places are refused. Typed functions: tools/trading.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import click

from tools.cli.desks import NUMBER, SERIAL, act, key_option, look, tell
from tools.cli.pools import basket, token
from tools.cli.render import format_time, show_rows
from tools.cli.session import Session, pass_session
from tools.cli.trading_options import Moment, Money, Percent
from tools.trading.decimals import PERCENT_PLACES, format_decimal
from tools.trading.finance import Cover, Finance, Lien, Loan, Owed, Pledge

DAY: Final = 86_400


@click.group(name="finance")
def finance_group() -> None:
    """Lend on units: pledges and their auctions, liens; baskets; tokens."""


finance_group.add_command(basket)
finance_group.add_command(token)


@finance_group.command()
@click.argument("lender")
@click.argument("batch")
@click.argument("start", type=SERIAL)
@click.argument("end", type=NUMBER)
@click.argument("principal", type=Money())
@click.option("--currency", default="CNY", show_default=True)
@click.option("--rate", type=Percent(), required=True, help="A year: 3.65.")
@click.option("--basis", type=click.Choice(["360", "365"]), default="365", show_default=True)
@click.option("--due", type=Moment(), required=True, help="A day is its midnight, UTC.")
@click.option("--book", required=True, help="Whose trades say what the lot is worth.")
@click.option("--window", type=click.IntRange(1, 31), default=30, show_default=True, help="Days.")
@click.option("--trades", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--haircut", type=Percent(), default="30", show_default=True, help="Not lent on.")
@click.option("--ltv", type=Percent(), default="85", show_default=True, help="Of value: calls.")
@click.option("--grace", type=click.IntRange(0, 90), default=5, show_default=True, help="Days.")
@click.option("--cure", type=click.IntRange(1, 90), default=2, show_default=True, help="Days.")
@key_option
@pass_session
def propose(
    session: Session,
    /,
    lender: str,
    batch: str,
    start: int,
    end: int,
    principal: int,
    due: int,
    key_name: str,
    **terms: Any,
) -> None:
    """Offer [START, END) of BATCH to the bank LENDER against a loan of PRINCIPAL."""
    loan = Loan(
        terms["currency"],
        principal,
        terms["rate"],
        int(terms["basis"]),
        due,
    )
    cover = Cover(
        terms["book"],
        terms["window"],
        terms["trades"],
        terms["haircut"],
        terms["ltv"],
        terms["grace"] * DAY,
        terms["cure"] * DAY,
    )
    number = act(
        session,
        key_name,
        Finance,
        lambda desk: desk.propose(lender, batch, start, end, loan, cover),
    )
    _tell_step(session, number, "propose")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@key_option
@pass_session
def withdraw(session: Session, /, pledge: int, key_name: str) -> None:
    """End the proposal PLEDGE: its owner, its bank, a regulator; anyone after 30 days."""
    act(session, key_name, Finance, lambda desk: desk.withdraw(pledge))
    _tell_step(session, pledge, "withdraw")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@key_option
@pass_session
def accept(session: Session, /, pledge: int, key_name: str) -> None:
    """Lend on PLEDGE, by its bank: the money is paid at once."""
    act(session, key_name, Finance, lambda desk: desk.accept(pledge))
    _tell_step(session, pledge, "accept")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@click.argument("amount", type=Money())
@key_option
@pass_session
def repay(session: Session, /, pledge: int, amount: int, key_name: str) -> None:
    """Repay at most AMOUNT of PLEDGE; no more than is owed is taken."""
    paid = act(session, key_name, Finance, lambda desk: desk.repay(pledge, amount))
    _tell_step(session, pledge, "repay", paid=format_decimal(paid))


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@key_option
@pass_session
def release(session: Session, /, pledge: int, key_name: str) -> None:
    """Give the lot of PLEDGE up, by its bank; what is owed stays as a claim."""
    act(session, key_name, Finance, lambda desk: desk.release(pledge))
    _tell_step(session, pledge, "release")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@click.argument("amount", type=Money())
@key_option
@pass_session
def waive(session: Session, /, pledge: int, amount: int, key_name: str) -> None:
    """Give AMOUNT of the claim of PLEDGE up, by its bank."""
    act(session, key_name, Finance, lambda desk: desk.waive(pledge, amount))
    _tell_step(session, pledge, "waive")


@finance_group.command(name="call")
@click.argument("pledge", type=NUMBER)
@key_option
@pass_session
def call_command(session: Session, /, pledge: int, key_name: str) -> None:
    """Call for cover of PLEDGE, by its bank, when the debt is above its bound."""
    act(session, key_name, Finance, lambda desk: desk.call_margin(pledge))
    _tell_step(session, pledge, "call")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@key_option
@pass_session
def cure(session: Session, /, pledge: int, key_name: str) -> None:
    """End the call on PLEDGE: its cover is enough again."""
    act(session, key_name, Finance, lambda desk: desk.cure(pledge))
    _tell_step(session, pledge, "cure")


@finance_group.command(name="default")
@click.argument("pledge", type=NUMBER)
@key_option
@pass_session
def default_command(session: Session, /, pledge: int, key_name: str) -> None:
    """Declare PLEDGE in default, by its bank."""
    act(session, key_name, Finance, lambda desk: desk.declare_default(pledge))
    _tell_step(session, pledge, "default")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@click.argument("reserve", type=Money())
@click.option("--days", type=click.IntRange(1, 30), default=7, show_default=True)
@key_option
@pass_session
def auction(session: Session, /, pledge: int, reserve: int, days: int, key_name: str) -> None:
    """Put the lot of PLEDGE up, by its bank, for RESERVE at least."""
    act(session, key_name, Finance, lambda desk: desk.open_auction(pledge, reserve, days * DAY))
    _tell_step(session, pledge, "auction")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@click.argument("amount", type=Money())
@key_option
@pass_session
def bid(session: Session, /, pledge: int, amount: int, key_name: str) -> None:
    """Bid AMOUNT for the whole lot of PLEDGE; the money is held."""
    act(session, key_name, Finance, lambda desk: desk.bid(pledge, amount))
    _tell_step(session, pledge, "bid")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@key_option
@pass_session
def settle(session: Session, /, pledge: int, key_name: str) -> None:
    """Settle the auction of PLEDGE after its end."""
    act(session, key_name, Finance, lambda desk: desk.settle_auction(pledge))
    _tell_step(session, pledge, "settle")


@finance_group.command()
@click.argument("pledge", type=NUMBER)
@pass_session
def show(session: Session, /, pledge: int) -> None:
    """Show PLEDGE: its terms, where it stands, what is owed now."""

    async def ask(desk: Finance) -> tuple[Pledge, Owed]:
        return await desk.get_pledge(pledge), await desk.get_owed(pledge)

    found, owed = look(session, Finance, ask)
    tell(session, "Pledge", describe(pledge, found, owed))


@finance_group.command()
@click.argument("batch")
@click.argument("serial", type=SERIAL)
@pass_session
def lien(session: Session, /, batch: str, serial: int) -> None:
    """Show the lien on SERIAL of BATCH, if there is one."""
    found = look(session, Finance, lambda desk: desk.find_lien(batch, serial))
    document = {"batch": batch, "serial": serial, "lien": asdict(found) if found else None}
    text = f"pledge {found.pledge} of {found.lender}: {found.status}" if found else "no lien"
    session.emit(document, lambda console: console.print(text))


@finance_group.command()
@click.option("--batch", help="Only those on this batch.")
@click.option("--borrower", help="Only what this organisation pledged.")
@click.option("--lender", help="Only what is pledged to this bank.")
@pass_session
def liens(session: Session, /, batch: str | None, borrower: str | None, lender: str | None) -> None:
    """List who has which serials in pledge: all, or one kind of them."""
    if sum(item is not None for item in (batch, borrower, lender)) > 1:
        raise click.UsageError("one of --batch, --borrower, --lender")

    async def ask(desk: Finance) -> list[Lien]:
        if batch is not None:
            return await desk.list_liens_on(batch)
        if borrower is not None:
            return await desk.list_liens_of(borrower, "borrower")
        if lender is not None:
            return await desk.list_liens_of(lender, "lender")
        return await desk.list_liens()

    rows = [asdict(item) for item in look(session, Finance, ask)]
    columns = ("pledge", "batch", "start", "end", "borrower", "lender", "status")
    session.emit({"liens": rows}, lambda console: show_rows(console, columns, rows))


def describe(number: int, found: Pledge, owed: Owed) -> dict[str, Any]:
    """A pledge for people and for JSON: money and rates as decimals."""
    loan, cover = found.loan, found.cover
    return {
        "pledge": number,
        "status": found.status,
        "borrower": found.borrower,
        "lender": found.lender,
        "batch": found.batch,
        "start": found.start,
        "end": found.end,
        "currency": loan.currency,
        "lent": format_decimal(loan.principal),
        "rate_percent": format_decimal(loan.rate, PERCENT_PLACES),
        "day_basis": loan.day_basis,
        "due": format_time(loan.due_at * 1000),
        "book": cover.book,
        "haircut_percent": format_decimal(cover.haircut, PERCENT_PLACES),
        "ltv_percent": format_decimal(cover.ltv_max, PERCENT_PLACES),
        "called": format_time(found.called_at * 1000) if found.called_at else "",
        "principal": format_decimal(owed.principal),
        "interest": format_decimal(owed.interest),
        "claim": format_decimal(owed.claim),
    }


def _tell_step(session: Session, pledge: int, step: str, **more: str) -> None:
    document = {"pledge": pledge, "step": step, **more}
    text = f"pledge {pledge}: {step} is final"
    session.emit(document, lambda console: console.print(text))
