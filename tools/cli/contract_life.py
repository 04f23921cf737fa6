"""``carbonode contract info|publish|upgrade|activate|withdraw|freeze|unfreeze``.

The life of contracts on a chain: code is published by hash, administrators decide that it
becomes a contract's next version, and after the delay one of them activates it. Source:
docs/decisions/0040-contract-life-cycle.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from primitives.limits import HASH_BYTES
from primitives.transaction import Call
from tools.cli.contract import read_accepted
from tools.cli.governance import GOVERNANCE, open_proposal, send_call
from tools.cli.render import show_pairs
from tools.cli.session import Session, pass_session
from tools.cli.tx_commands import HexBytes
from tools.client.client import Client
from tools.client.errors import NotFound
from tools.client.results import Json
from tools.client.wire import to_hex
from vm.inclusion import compute_code_hash

HOURS_MAX = 72
"""Longest freeze by one administrator."""

_administrator = click.option(
    "--key", "key_name", required=True, help="An administrator's key: name in the home, or file."
)


@click.command()
@click.argument("name")
@pass_session
def info(session: Session, name: str) -> None:
    """Show a contract on the chain: code, version, whether it is frozen, what is to come."""
    document = find_contract(session, name)
    session.emit(document, lambda console: show_pairs(console, name, document))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "key_name", required=True, help="A deployer's key.")
@pass_session
def publish(session: Session, file: Path, key_name: str) -> None:
    """Bring the code in FILE to the chain and print its hash, which 'contract upgrade' takes."""
    source = read_accepted(file)
    code_hash = compute_code_hash(source)
    final = send_call(session, key_name, Call("system", "publish", (source,)), whole_gas=True)
    document = {"codeHash": to_hex(code_hash), "height": final.height}
    session.emit(document, lambda console: click.echo(to_hex(code_hash)))


@click.command()
@click.argument("name")
@click.argument("code_hash", type=HexBytes(HASH_BYTES))
@click.option("--delay", type=click.IntRange(0), help="Seconds; the key delay when left out.")
@click.option("--new", is_flag=True, help="NAME is a new contract.")
@_administrator
@pass_session
def upgrade(
    session: Session, name: str, code_hash: bytes, delay: int | None, new: bool, key_name: str
) -> None:
    """Propose that published code becomes the next version of the contract NAME."""
    version = 1 if new else int(find_contract(session, name)["version"]) + 1
    if delay is None:
        answer = session.run(lambda client: client.state_call(GOVERNANCE, "get_key_delay"))
        delay = int(answer.value)
    _propose(session, key_name, "propose_upgrade", name, version, code_hash, delay, whole_gas=True)


@click.command()
@click.argument("name")
@_administrator
@pass_session
def activate(session: Session, name: str, key_name: str) -> None:
    """Carry out an upgrade of the contract NAME whose delay is over."""
    call = Call(GOVERNANCE, "activate", (name,))
    final = send_call(session, key_name, call, whole_gas=True)
    document = {"contract": name, "height": final.height}
    session.emit(document, lambda console: click.echo(f"{name} is upgraded at {final.height}"))


@click.command()
@click.argument("name")
@_administrator
@pass_session
def withdraw(session: Session, name: str, key_name: str) -> None:
    """Propose to withdraw an upgrade that was decided and is not active."""
    _propose(session, key_name, "propose_no_upgrade", name)


@click.command()
@click.argument("name")
@click.option("--reason", required=True, help="For everybody to read.")
@click.option("--hours", type=click.IntRange(1, HOURS_MAX), help="An emergency: at once, by you.")
@click.option("--vote", is_flag=True, help="A proposal: without end, until another vote.")
@_administrator
@pass_session
def freeze(
    session: Session, name: str, reason: str, hours: int | None, vote: bool, key_name: str
) -> None:
    """Stop the contract NAME: only its views answer."""
    if (hours is None) != vote:
        raise click.UsageError("give --hours (at once) or --vote (a proposal)")
    if hours is None:
        _propose(session, key_name, "propose_freeze", name, reason)
        return
    call = Call(GOVERNANCE, "freeze", (name, reason, hours * 3600))
    final = send_call(session, key_name, call)
    document = {"contract": name, "height": final.height, "hours": hours}
    session.emit(document, lambda console: click.echo(f"{name} is frozen for {hours} h"))


@click.command()
@click.argument("name")
@_administrator
@pass_session
def unfreeze(session: Session, name: str, key_name: str) -> None:
    """Propose to let the contract NAME work again."""
    _propose(session, key_name, "propose_unfreeze", name)


LIFE_COMMANDS = (info, publish, upgrade, activate, withdraw, freeze, unfreeze)


def find_contract(session: Session, name: str) -> Json:
    """Return what the chain says of a contract; raises NotFound."""

    async def work(client: Client) -> Json:
        async for item in client.get_contracts():
            if item.get("name") == name:
                return item
        raise NotFound(f"no contract is called {name!r}", rpc_code=-32001, data={"contract": name})

    return session.run(work)


def _propose(
    session: Session, key_name: str, method: str, *arguments: Any, whole_gas: bool = False
) -> None:
    number, height, threshold = open_proposal(
        session, key_name, method, *arguments, whole_gas=whole_gas
    )
    done = threshold == 1
    document = {"proposal": number, "height": height, "executed": done}
    text = f"proposal {number} is carried out at height {height}"
    if not done:
        text = (
            f"proposal {number}: needs {threshold} votes; "
            f"'validator vote {number}', then 'validator execute {number}'"
        )
    session.emit(document, lambda console: click.echo(text))
