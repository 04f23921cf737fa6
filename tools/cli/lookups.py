"""``carbonode query lots`` and ``history``, and ``carbonode index``: what the indexes know."""

from __future__ import annotations

import os
from typing import Any

import click
from rich.console import Console

from node.config import load_config
from tools.cli.render import show_page, show_pairs
from tools.cli.session import Session, pass_session
from tools.cli.snapshots import ask_admin

_LIMIT = click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
_CURSOR = click.option("--cursor", help="nextCursor of the page before.")


@click.command(name="lots")
@click.argument("owner")
@click.option("--batch", help="Only lots of this batch.")
@_LIMIT
@_CURSOR
@pass_session
def lots_command(
    session: Session, owner: str, batch: str | None, limit: int, cursor: str | None
) -> None:
    """List the lots of OWNER, an organisation or 'buffer'; ended ones too."""
    page: Any = session.run(
        lambda client: client.find_lots(owner, batch=batch, limit=limit, cursor=cursor)
    )
    columns = ("batch", "start", "end", "kg", "status")
    session.emit(page, lambda console: show_page(console, columns, page))


@click.command(name="history")
@click.argument("batch")
@click.argument("serial", type=click.IntRange(0))
@_LIMIT
@_CURSOR
@pass_session
def history_command(
    session: Session, batch: str, serial: int, limit: int, cursor: str | None
) -> None:
    """Show what happened to one serial of BATCH, newest first.

    The node is believed here; 'audit trace' proves every step.
    """
    page: Any = session.run(
        lambda client: client.get_history(batch, serial, limit=limit, cursor=cursor)
    )

    def show(console: Console) -> None:
        show_pairs(console, "Lot", page["lot"])
        columns = ("step", "kind", "start", "end", "giver", "taker", "height", "transactionId")
        show_page(console, columns, page)

    session.emit(page, show)


@click.group()
def index() -> None:
    """The look-up tables of the running node of this home."""


@index.command()
@pass_session
def rebuild(session: Session) -> None:
    """Build the indexes again from the blocks; the present ones answer until it is done."""
    config = load_config(session.home, os.environ)
    document = ask_admin(session, config, "admin_rebuildIndexes")
    session.emit(document, lambda console: show_pairs(console, "Indexes", document))
