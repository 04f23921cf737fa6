"""What the commands that trade share: one act with a key, one look without, and how it is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import click

from tools.cli.key_commands import find_key_path
from tools.cli.render import show_pairs
from tools.cli.session import Refused, Session
from tools.client.client import Client
from tools.client.keyfile import read_key
from tools.trading.desk import Desk, TradeRefused

D = TypeVar("D", bound=Desk)
T = TypeVar("T")

key_option: Final = click.option(
    "--key", "key_name", required=True, help="Key name in the home, or a file."
)
NUMBER: Final = click.IntRange(1)
SERIAL: Final = click.IntRange(0)


def act(session: Session, key_name: str, desk: type[D], work: Callable[[D], Awaitable[T]]) -> T:
    """Run ``work`` with the key; a refusal is Refused, which is exit code 4."""
    key = read_key(find_key_path(session, key_name))

    async def run(client: Client) -> T:
        try:
            return await work(desk(client, key))
        except TradeRefused as error:
            raise Refused(str(error)) from None

    return session.run(run)


def look(session: Session, desk: type[D], work: Callable[[D], Awaitable[T]]) -> T:
    """Run ``work`` on views only."""
    return session.run(lambda client: work(desk(client)))


def done(session: Session, text: str, **document: Any) -> None:
    """Say what was done."""
    session.emit({"done": True, **document}, lambda console: console.print(text, markup=False))


def tell(session: Session, title: str, document: dict[str, Any]) -> None:
    """One thing and what is known of it."""
    session.emit(document, lambda console: show_pairs(console, title, document))
