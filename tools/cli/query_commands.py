"""``carbonode query``: blocks, state, views, contracts, validators, certificates, the mempool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from primitives.hashing import TransactionId
from primitives.limits import HASH_BYTES
from tools.certificate.build import build_certificate
from tools.cli.lookups import history_command, lots_command
from tools.cli.render import format_time, show_page, show_pairs, show_rows
from tools.cli.session import Session, parse_json, pass_session
from tools.cli.tx_commands import HexBytes
from tools.client.client import Client
from tools.client.results import Json
from tools.client.wire import to_hex


@click.group()
def query() -> None:
    """Read from a node: nothing here changes anything."""


@query.command()
@click.argument("block", default="latest")
@click.option("--full", is_flag=True, help="With transactions, receipts and events.")
@pass_session
def block(session: Session, block: str, full: bool) -> None:
    """Show a block by height, hash or 'latest'."""
    reference: int | str = int(block) if block.isdecimal() else block
    document = session.run(lambda client: client.get_block(reference, full=full))

    def show(console: Console) -> None:
        header = dict(document.get("header", {}))
        show_pairs(
            console,
            f"Block {document.get('height')}",
            {
                "hash": document.get("blockHash"),
                "time": format_time(header.pop("timeMs", None)),
                **header,
                **{f"result {k}": v for k, v in (document.get("execution") or {}).items()},
            },
        )
        for id_ in document.get("transactionIds", []):
            console.print(f"  {id_}")

    session.emit(document, show)


@query.command()
@click.argument("key", type=HexBytes())
@click.option("--proof", is_flag=True, help="With the proof of membership or absence.")
@pass_session
def state(session: Session, key: bytes, proof: bool) -> None:
    """Show the value of one state key, given in hex."""
    document = session.run(lambda client: client.state_get(key, proof=proof))
    shown = {name: value for name, value in document.items() if name != "proof"}
    session.emit(document, lambda console: show_pairs(console, "State", shown))


@query.command()
@click.argument("contract")
@click.argument("method")
@click.argument("arguments", default="[]")
@click.option("--sender", type=HexBytes(32), help="Whom the contract sees as the caller.")
@pass_session
def call(
    session: Session, contract: str, method: str, arguments: str, sender: bytes | None
) -> None:
    """Run a view. ARGUMENTS is JSON: a list, or an object by name."""
    given = parse_json(arguments, "ARGUMENTS")

    async def work(client: Client) -> Json:
        return dict(
            await client.call(
                "state_call",
                contract=contract,
                method=method,
                arguments=given,
                sender=to_hex(sender) if sender is not None else None,
            )
        )

    document = session.run(work)
    session.emit(document, lambda console: show_pairs(console, f"{contract}.{method}", document))


@query.command()
@click.argument("name", required=False)
@pass_session
def contract(session: Session, name: str | None) -> None:
    """List the contracts of the chain, or show one."""

    async def work(client: Client) -> list[Json]:
        return [item async for item in client.get_contracts()]

    found = [item for item in session.run(work) if name in (None, item.get("name"))]
    if name is not None and not found:
        raise click.UsageError(f"no contract is called {name!r}")
    columns = ("name", "version", "vmVersion", "frozen", "upgrade", "codeHash", "address")
    session.emit({"items": found}, lambda console: show_rows(console, columns, found))


@query.command()
@click.argument("name")
@pass_session
def abi(session: Session, name: str) -> None:
    """Show a contract's ABI (JSON; with --output json as the node gives it)."""
    document = session.run(lambda client: client.get_abi(name))
    session.emit(document)


@query.command()
@click.argument("contract")
@click.option("--name", help="Only events of this name.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor", help="nextCursor of the page before.")
@pass_session
def events(
    session: Session, contract: str, name: str | None, limit: int, cursor: str | None
) -> None:
    """List a contract's final events, oldest first."""
    page: Any = session.run(
        lambda client: client.call(
            "event_search", contract=contract, name=name, limit=limit, cursor=cursor
        )
    )

    columns = ("height", "transactionIndex", "name", "fields")
    session.emit(page, lambda console: show_page(console, columns, page))


@query.command()
@pass_session
def validators(session: Session) -> None:
    """List the validators now in force, candidates and observers."""
    show_validators(session)


def show_validators(session: Session) -> None:
    """Print who the nodes are, and what follows at the end of the epoch."""
    document: Any = session.run(lambda client: client.call("validator_list"))

    def show(console: Console) -> None:
        pairs = {name: document.get(name) for name in ("height", "epoch", "quorum", "faultyMax")}
        coming = document.get("next", {})
        if coming.get("changed"):
            pairs[f"after height {coming['afterHeight']}"] = ", ".join(coming["validators"])
        if coming.get("lacking"):
            pairs["this node stops"] = f"after {coming['afterHeight']}: {coming['lacking']}"
        show_pairs(console, "Validators", pairs)
        columns = ("index", "name", "publicKey", "connected", "missedTurns", "leadsAgainAt")
        show_rows(console, columns, document.get("validators", []))
        for title in ("candidates", "observers"):
            if document.get(title):
                console.print(title)
                show_rows(console, ("name", "publicKey"), document[title])

    session.emit(document, show)


@query.command()
@click.argument("transaction_id", type=HexBytes(HASH_BYTES))
@click.option(
    "--number", type=click.IntRange(1), help="Of several in it: the certificate's number."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it.")
@pass_session
def certificate(
    session: Session, transaction_id: bytes, number: int | None, out: Path | None
) -> None:
    """Make the certificate file of a retirement: a proof that needs no node.

    'audit certificate FILE' verifies it, '--page' makes a web page that does.
    """
    id_ = TransactionId(transaction_id)
    document = session.run(lambda client: build_certificate(client, id_, number))
    if out is None:
        session.emit(document)
        return
    out.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    stated = document["retirement"]
    session.emit(
        {"file": str(out), "certificate": stated["certificate"]},
        lambda console: click.echo(f"certificate no. {stated['certificate']} written to {out}"),
    )


@query.command()
@pass_session
def mempool(session: Session) -> None:
    """Show what waits to be put into a block."""
    document: Any = session.run(lambda client: client.call("mempool_status"))
    session.emit(document, lambda console: show_pairs(console, "Mempool", document))


query.add_command(lots_command)
query.add_command(history_command)
