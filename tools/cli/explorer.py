"""``carbonode index`` with ``--db``, and ``carbonode explorer``: the index in an SQL database.

The index's libraries are an extra (``explorer``) and take a quarter of a second to load:
they are loaded by the commands that use them, never by a node's process.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from primitives.genesis import Genesis
from tools.cli.certificate import read_genesis
from tools.cli.render import show_pairs
from tools.cli.session import ExitCode, Session, pass_session

DB_HELP = "A file (SQLite), or a postgresql:// URL."
db_option = click.option("--db", required=True, envvar="CARBONODE_INDEX", help=DB_HELP)
genesis_option = click.option(
    "--genesis",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A genesis you trust. Default: the index's own, else genesis.json in --home.",
)
node_option = click.option(
    "--node", "nodes", multiple=True, help="As the global option; several: the next one is asked "
    "when one does not answer, or says what it cannot prove."
)  # fmt: skip


def load(module: str) -> Any:
    """Return a module of the extra, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is missing: pip install 'carbonode[explorer]'"
        ) from None


def find_genesis(session: Session, commands: Any, db: str, path: Path | None) -> Genesis:
    """Return the genesis to trust; the index's own must not be another one."""
    if path is not None:
        return read_genesis(path)
    known: Genesis | None = commands.load_index_genesis(db)
    if known is not None:
        return known
    # A node's home, or the folder of a local network with a home for each node.
    for candidate in (session.home / "genesis.json", *sorted(session.home.glob("*/genesis.json"))):
        if candidate.is_file():
            return read_genesis(candidate)
    raise click.UsageError("no genesis.json in the home: name one with --genesis")


def rebuild_index(
    session: Session, db: str, into: str | None, genesis: Path | None, derived: bool
) -> None:
    """Build the SQL index from zero, or only what is derived from the blocks in it."""
    commands = load("tools.indexer.commands")
    if derived:
        document = commands.derive(db)
    else:
        trusted = find_genesis(session, commands, db, genesis)
        document = commands.rebuild(db, into, session.get_endpoints(), trusted)
    session.emit(document, lambda console: show_pairs(console, "Index", document))


@click.command(name="status")
@db_option
@pass_session
def status_command(session: Session, db: str) -> None:
    """Show where an SQL index stands and what it holds."""
    document = load("tools.indexer.commands").get_status(db)
    session.emit(document, lambda console: show_pairs(console, "Index", document))


@click.command(name="compare")
@click.argument("one")
@click.argument("other")
@pass_session
@click.pass_context
def compare_command(context: click.Context, session: Session, one: str, other: str) -> None:
    """Compare two SQL indexes of a chain row by row. Exit code 1 where they differ."""
    document = load("tools.indexer.commands").compare_indexes(one, other)
    _show_findings(context, session, "Comparison", document)


@click.command(name="reconcile")
@db_option
@node_option
@pass_session
@click.pass_context
def reconcile_command(
    context: click.Context, session: Session, db: str, nodes: tuple[str, ...]
) -> None:
    """Compare an SQL index's totals with the chain's own views. Exit code 1 where they differ."""
    session.nodes = nodes or session.nodes
    document = load("tools.indexer.commands").reconcile_index(db, session.get_endpoints())
    _show_findings(context, session, "Reconciliation", document)


def _show_findings(
    context: click.Context, session: Session, title: str, document: dict[str, Any]
) -> None:
    def show(console: Console) -> None:
        shown = {name: value for name, value in document.items() if name != "differences"}
        show_pairs(console, title, shown)
        for line in document["differences"]:
            console.print(f"[red]{line}[/]")

    session.emit(document, show)
    if not document["equal"]:
        context.exit(ExitCode.FAILURE)


INDEX_COMMANDS = (status_command, compare_command, reconcile_command)


@click.command(name="explorer")
@db_option
@node_option
@genesis_option
@click.option("--listen", default="127.0.0.1:8080", show_default=True, help="HOST:PORT.")
@click.option(
    "--rate",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Requests a second for one client address; twice as many at once.",
)
@pass_session
def explorer_command(
    session: Session,
    db: str,
    nodes: tuple[str, ...],
    genesis: Path | None,
    listen: str,
    rate: int,
) -> None:  # fmt: skip
    """Follow the chain into an SQL index and serve it: REST under /api/v1, /metrics, /health."""
    session.nodes = nodes or session.nodes
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal():
        raise click.UsageError("--listen is HOST:PORT")
    commands, runner = load("tools.indexer.commands"), load("tools.explorer.run")
    trusted = find_genesis(session, commands, db, genesis)

    def announce(address: str) -> None:
        session.emit(
            {"address": address},
            lambda console: console.print(f"explorer: [bold]{address}/api/v1/status[/]"),
        )

    runner.run(db, session.get_endpoints(), trusted, host.strip("[]"), int(port), rate, announce)
