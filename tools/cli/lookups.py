"""``carbonode query lots`` and ``history``, and ``carbonode index``: what the indexes know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from node.config import load_config
from tools.cli.explorer import (
    DB_HELP,
    INDEX_COMMANDS,
    genesis_option,
    node_option,
    rebuild_index,
)
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
    """The look-up tables of this home's node; with --db those of the explorer, in SQL."""


@index.command()
@click.option("--db", envvar="CARBONODE_INDEX", help=f"The explorer's index. {DB_HELP}")
@click.option("--into", help="Build it here, as far as --db is: to compare the two.")
@click.option("--derived", is_flag=True, help="Only what follows from the blocks in --db.")
@genesis_option
@node_option
@pass_session
def rebuild(
    session: Session,
    db: str | None,
    into: str | None,
    derived: bool,
    genesis: Path | None,
    nodes: tuple[str, ...],
) -> None:
    """Build the indexes again from the blocks.

    Those of this home's running node: the present ones answer until it is done. With --db
    the explorer's: from zero, verifying every block (stop the explorer first).
    """
    if db is not None:
        session.nodes = nodes or session.nodes
        rebuild_index(session, db, into, genesis, derived)
        return
    if into or derived or genesis or nodes:
        raise click.UsageError("--into, --derived, --genesis and --node go with --db")
    config = load_config(session.home, os.environ)
    document = ask_admin(session, config, "admin_rebuildIndexes")
    session.emit(document, lambda console: show_pairs(console, "Indexes", document))


for _command in INDEX_COMMANDS:
    index.add_command(_command)
