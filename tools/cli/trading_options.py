"""What the commands of trading share: decimals as arguments, the key that signs, times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from tools.cli.key_commands import find_key_path
from tools.cli.session import Session
from tools.client.client import Client
from tools.client.keyfile import read_key
from tools.trading.auctions import Piece
from tools.trading.decimals import DecimalError, parse_decimal
from tools.trading.desk import Desk

T = TypeVar("T")
D = TypeVar("D", bound=Desk)


class Money(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A decimal of a currency, for a price or an amount, as an integer in 10^-4 of it."""

    name = "decimal"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_decimal(str(value))
        except DecimalError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A time in ISO 8601 (UTC unless it says otherwise), as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            self.fail(f"{str(value)[:40]!r} is no time such as 2026-11-24T12:00:00Z", param, ctx)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(aware.timestamp())


class Lot(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Serials ``BATCH:START:END``, half-open."""

    name = "batch:start:end"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Piece:
        if isinstance(value, Piece):
            return value
        batch, _, rest = str(value).partition(":")
        start, _, end = rest.partition(":")
        if not batch or not (start.isascii() and start.isdigit() and end.isdigit()):
            self.fail(f"{str(value)[:80]!r} is not BATCH:START:END", param, ctx)
        return Piece(batch, int(start), int(end))


key_option = click.option(
    "--key", "key_name", required=True, help="Key name in the home, or a key file."
)
fee_cap_option = click.option(
    "--fee-cap", type=click.IntRange(0), default=100, show_default=True,
    help="Highest fee that you accept, in 10^-4.",
)  # fmt: skip


def ask(session: Session, kind: type[D], work: Callable[[D], Awaitable[T]]) -> T:
    """Run ``work`` with a contract's client methods that only read."""
    return session.run(lambda client: work(kind(client)))


def act(session: Session, kind: type[D], key_name: str, work: Callable[[D], Awaitable[T]]) -> T:
    """Run ``work`` with a contract's client methods under a key."""
    key = read_key(find_key_path(session, key_name))

    async def run(client: Client) -> T:
        return await work(kind(client, key))

    return session.run(run)


def done(session: Session, text: str, **document: Any) -> None:
    """Say what was done."""
    session.emit({"done": True, **document}, lambda console: console.print(text, markup=False))
