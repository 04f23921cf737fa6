"""``carbonode validator``: who the nodes are, and the proposals that change it.

Every change is a proposal of governance. With a threshold of one it is carried out at
once; else the command prints its number, and administrators vote and execute it. Changes
of the set take effect at the end of the epoch (docs/operations.md, "Members").
"""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console

from node.config import load_config
from node.run import read_key as read_node_key
from p2p.tls import get_certificate_key, make_certificate
from primitives.codec import Value
from primitives.transaction import Call
from tools.cli.governance import GOVERNANCE, open_proposal, send_call
from tools.cli.query_commands import show_validators
from tools.cli.render import show_pairs, show_rows
from tools.cli.session import Session, pass_session
from tools.cli.tx_commands import HexBytes
from tools.client.results import FinalTransaction
from tools.client.wire import to_hex

TOLERANT_VALIDATORS_MIN = 4
"""Below so many validators none may fail."""

_key_option = click.option(
    "--key", "key_name", required=True, help="An administrator's key: name in the home, or file."
)
_address = HexBytes(32)


@click.group()
def validator() -> None:
    """Validators, candidates and observers; evidence against validators."""


@validator.command("list")
@pass_session
def list_(session: Session) -> None:
    """List validators, candidates and observers, and what follows at the epoch's end."""
    show_validators(session)


@validator.command()
@pass_session
def identity(session: Session) -> None:
    """Show this home's name, key and TLS certificate: what 'validator admit' takes."""
    config = load_config(session.home, {})
    key = read_node_key(config)
    document = {
        "name": config.node.name,
        "publicKey": to_hex(key.public_key),
        "certificate": to_hex(make_certificate(key)),
    }
    session.emit(document, lambda console: show_pairs(console, "Identity", document))


@validator.command()
@click.argument("name")
@click.argument("public_key", type=_address)
@click.argument("certificate", type=HexBytes())
@_key_option
@pass_session
def admit(
    session: Session, name: str, public_key: bytes, certificate: bytes, key_name: str
) -> None:
    """Let a node link with all others, as a candidate for validator."""
    if get_certificate_key(certificate) != public_key:
        raise click.UsageError("the certificate is another key's")
    _propose(session, key_name, "propose_candidate", name, public_key, certificate, True)


@validator.command("strike-off")
@click.argument("name")
@click.argument("public_key", type=_address)
@_key_option
@pass_session
def strike_off(session: Session, name: str, public_key: bytes, key_name: str) -> None:
    """Take a candidate off the registry: nobody links with it any more."""
    _propose(session, key_name, "propose_candidate", name, public_key, b"", False)


@validator.command()
@click.argument("public_key", type=_address)
@_key_option
@pass_session
def add(session: Session, public_key: bytes, key_name: str) -> None:
    """Make a candidate a validator from the next epoch on."""
    _propose(session, key_name, "propose_validator", public_key, True)


@validator.command()
@click.argument("public_key", type=_address)
@_key_option
@pass_session
def remove(session: Session, public_key: bytes, key_name: str) -> None:
    """Make a validator a candidate again from the next epoch on."""
    _propose(session, key_name, "propose_validator", public_key, False)
    _warn_of_few(session)


@validator.command("replace-key")
@click.argument("old", type=_address)
@click.argument("new", type=_address)
@_key_option
@pass_session
def replace_key(session: Session, old: bytes, new: bytes, key_name: str) -> None:
    """Give a validator's place and name to a candidate's key."""
    _propose(session, key_name, "propose_validator_key", old, new)


@validator.command()
@click.argument("protocol", type=click.IntRange(1))
@click.argument("vm", type=click.IntRange(1))
@_key_option
@pass_session
def versions(session: Session, protocol: int, vm: int, key_name: str) -> None:
    """Activate versions of protocol and VM from the next epoch on."""
    _propose(session, key_name, "propose_versions", protocol, vm)


@validator.command()
@click.argument("proposal", type=click.IntRange(1))
@_key_option
@pass_session
def vote(session: Session, proposal: int, key_name: str) -> None:
    """Vote for a proposal."""
    final = _send(session, key_name, "vote", proposal)
    document = {"proposal": proposal, "height": final.height}
    session.emit(document, lambda console: click.echo(f"voted for proposal {proposal}"))


@validator.command()
@click.argument("proposal", type=click.IntRange(1))
@_key_option
@pass_session
def execute(session: Session, proposal: int, key_name: str) -> None:
    """Carry out a proposal that has its votes."""
    final = _send(session, key_name, "execute", proposal)
    _show_outcome(session, proposal, final.height)


@validator.command()
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor", help="nextCursor of the page before.")
@pass_session
def evidence(session: Session, limit: int, cursor: str | None) -> None:
    """List proofs that a validator signed two different things at one place."""
    page: Any = session.run(lambda client: client.call("evidence_list", limit=limit, cursor=cursor))

    def show(console: Console) -> None:
        columns = ("name", "kind", "height", "epoch", "recordedAt", "proposal", "validator")
        show_rows(console, columns, page["items"])
        if page.get("nextCursor"):
            console.print(f"more: --cursor {page['nextCursor']}", markup=False)

    session.emit(page, show)


def _propose(session: Session, key_name: str, method: str, *arguments: Value) -> None:
    """Open a proposal; carry it out when one vote is enough."""
    number, height, threshold = open_proposal(session, key_name, method, *arguments)
    if threshold > 1:
        document = {"proposal": number, "height": height, "executed": False}
        session.emit(
            document,
            lambda console: click.echo(
                f"proposal {number}: needs {threshold} votes; "
                f"'validator vote {number}', then 'validator execute {number}'"
            ),
        )
        return
    _show_outcome(session, number, height)


def _show_outcome(session: Session, number: int, height: int) -> None:
    listed: Any = session.run(lambda client: client.call("validator_list"))
    after = listed["next"]["afterHeight"]
    document = {"proposal": number, "height": height, "executed": True, "afterHeight": after}
    session.emit(
        document,
        lambda console: click.echo(
            f"proposal {number} is carried out at height {height}; changes of the set and of "
            f"versions take effect after height {after}"
        ),
    )


def _send(session: Session, key_name: str, method: str, *arguments: Value) -> FinalTransaction:
    return send_call(session, key_name, Call(GOVERNANCE, method, tuple(arguments)))


def _warn_of_few(session: Session) -> None:
    listed: Any = session.run(lambda client: client.call("validator_list"))
    count = len(listed["next"]["validators"])
    if count < TOLERANT_VALIDATORS_MIN:
        session.note(f"warning: with {count} validators the chain tolerates no faulty one")
