"""``carbonode cash``: settlement money: pay, issue and redeem, balances, statements."""

from __future__ import annotations

import click
from rich.console import Console

from tools.cli.desks import act, done, key_option, look
from tools.cli.render import show_rows
from tools.cli.session import Session, pass_session
from tools.cli.trading_options import Moment, Money
from tools.trading.cash import Cash
from tools.trading.decimals import format_decimal
from tools.trading.statement import gather_statement, select_period, to_csv, to_document

_CURRENCY = click.argument("currency")
_REFERENCE = click.option("--reference", default="", help="Shown in both statements.")


@click.group()
def cash() -> None:
    """Settlement money of accredited banks. Amounts are decimals of the currency."""


@cash.command()
@_CURRENCY
@click.argument("to")
@click.argument("amount", type=Money())
@_REFERENCE
@key_option
@pass_session
def issue(
    session: Session, /, currency: str, to: str, amount: int, reference: str, key_name: str
) -> None:
    """New money for TO, by the bank of the key."""
    act(session, key_name, Cash, lambda desk: desk.issue(currency, to, amount, reference))
    done(session, f"issued {format_decimal(amount)} {currency} to {to}")


@cash.command()
@_CURRENCY
@click.argument("amount", type=Money())
@_REFERENCE
@key_option
@pass_session
def redeem(session: Session, /, currency: str, amount: int, reference: str, key_name: str) -> None:
    """End money that the bank of the key holds."""
    act(session, key_name, Cash, lambda desk: desk.redeem(currency, amount, reference))
    done(session, f"redeemed {format_decimal(amount)} {currency}")


@cash.command()
@_CURRENCY
@click.argument("to")
@click.argument("amount", type=Money())
@_REFERENCE
@key_option
@pass_session
def transfer(
    session: Session, /, currency: str, to: str, amount: int, reference: str, key_name: str
) -> None:
    """Pay another organisation."""
    act(session, key_name, Cash, lambda desk: desk.transfer(currency, to, amount, reference))
    done(session, f"paid {format_decimal(amount)} {currency} to {to}")


@cash.command()
@click.argument("organisation")
@pass_session
def balance(session: Session, /, organisation: str) -> None:
    """What ORGANISATION has, free and held, by currency."""
    found = look(session, Cash, lambda desk: desk.list_balances(organisation))
    rows = [
        {
            "currency": item.currency, "free": format_decimal(item.free),
            "held": format_decimal(item.held), "total": format_decimal(item.free + item.held),
        }
        for item in found
    ]  # fmt: skip
    session.emit(rows, lambda console: show_rows(console, ("currency", "free", "held"), rows))


@cash.command()
@_CURRENCY
@pass_session
def total(session: Session, /, currency: str) -> None:
    """What banks issued and redeemed of CURRENCY."""
    found = look(session, Cash, lambda desk: desk.get_total(currency))
    row = {
        "issued": format_decimal(found.issued), "redeemed": format_decimal(found.redeemed),
        "outstanding": format_decimal(found.issued - found.redeemed),
    }  # fmt: skip
    session.emit(row, lambda console: show_rows(console, tuple(row), [row]))


@cash.command()
@click.argument("organisation")
@_CURRENCY
@click.option("--since", type=Moment(), help="First moment, ISO 8601; before: opening balance.")
@click.option("--until", type=Moment(), help="The first moment that is not in it any more.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of a table or JSON.")
@pass_session
def statement(
    session: Session, /, organisation: str, currency: str, since: int | None, until: int | None,
    as_csv: bool,
) -> None:  # fmt: skip
    """The whole statement, checked: opening + changes = closing = what the account has."""
    whole = look(session, Cash, lambda desk: gather_statement(desk, organisation, currency))
    shown = select_period(whole, since, until)
    if as_csv:
        click.echo(to_csv(shown), nl=False)
        return
    document = to_document(shown)
    columns = ("line", "time", "kind", "other", "reference", "change", "balance")

    def show(console: Console) -> None:
        console.print(f"opening {document['opening']} {currency}", markup=False)
        show_rows(console, columns, document["lines"])
        console.print(f"closing {document['closing']} {currency}", markup=False)

    session.emit(document, show)
