"""``carbonode init``, ``start`` and ``config``: one node's home folder and its life."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from node.config import NodeConfig, PeerSection, load_config, render_config
from node.run import run_node
from primitives.genesis import compute_chain_id, load_genesis
from tools.cli.home_checks import Check, Outcome, check_home
from tools.cli.session import ExitCode, Session, pass_session
from tools.client.keyfile import KEY_SUFFIX, generate_key, read_key, write_key
from tools.localnet.chain import PARTY_KEYS_FOLDER, build_chain
from tools.localnet.homes import NodePlan, make_peer, write_home


@click.command()
@click.option(
    "--genesis",
    "genesis_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The chain to join. Without it: a new development chain of this one validator.",
)
@click.option(
    "--peers",
    "peers_home",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A home folder on this machine: its node and its [[peers]] become ours.",
)
@click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An existing node key. Without it a new one is made.",
)
@click.option(
    "--unused-key",
    is_flag=True,
    help="The key of --key has never voted on this chain. Without this word a validator "
    "that comes without its last-signed record first watches the others.",
)
@click.option("--name", help="The node's name. Default: as the genesis names the key.")
@click.option("--p2p-host", default="127.0.0.1", show_default=True)
@click.option("--p2p-port", type=click.IntRange(0, 65_535), default=26_600, show_default=True)
@click.option("--rpc-host", default="127.0.0.1", show_default=True)
@click.option("--rpc-port", type=click.IntRange(0, 65_535), default=26_700, show_default=True)
@pass_session
def init(
    session: Session,
    genesis_path: Path | None,
    peers_home: Path | None,
    key_path: Path | None,
    unused_key: bool,
    name: str | None,
    p2p_host: str,
    p2p_port: int,
    rpc_host: str,
    rpc_port: int,
) -> None:
    """Make the home folder of one node: configuration, genesis and key."""
    if genesis_path is None and key_path is not None:
        raise click.UsageError("--key needs --genesis: a new chain makes its own key")
    parties = {}
    if genesis_path is None:
        chain = build_chain(1)
        genesis, key, parties = chain.genesis, chain.validator_keys[0], dict(chain.party_keys)
    else:
        genesis = load_genesis(genesis_path.read_text("utf-8"))
        key = read_key(key_path) if key_path is not None else generate_key()
    index = genesis.validators.get_index(key.public_key)
    known = genesis.validators.members[index].name if index is not None else "observer"
    peers = _read_peers(peers_home) if peers_home is not None else ()
    plan = NodePlan(
        name=name or known,
        home=session.home,
        key=key,
        host=p2p_host,
        listen=p2p_host,
        p2p_port=p2p_port,
        rpc_port=rpc_port,
        admin_port=0,
        rpc_listen=rpc_host,
        key_used_before=key_path is not None and not unused_key,
    )
    write_home(plan, genesis, peers)
    for party, party_key in parties.items():
        write_key(session.home / PARTY_KEYS_FOLDER / (party + KEY_SUFFIX), party_key)
    document = {
        "home": str(session.home),
        "chainId": "0x" + compute_chain_id(genesis).hex(),
        "name": plan.name,
        "publicKey": "0x" + key.public_key.hex(),
        "validator": index is not None,
    }

    def show(console: Console) -> None:
        console.print(f"home        {session.home}", markup=False)
        console.print(f"chain       {document['chainId']}", markup=False)
        role = "validator" if index is not None else "observer"
        console.print(f"{role:<11} {plan.name} {document['publicKey']}", markup=False)

    session.emit(document, show)


def _read_peers(home: Path) -> tuple[PeerSection, ...]:
    """Return the peers of another home, and its own node where it can be reached."""
    known = load_config(home, {})
    if known.p2p.host in ("0.0.0.0", "::") or not known.key_path.exists():
        return known.peers
    own = make_peer(known.node.name, read_key(known.key_path), known.p2p.host, known.p2p.port)
    return (own, *known.peers)


@click.command()
@click.option("--set", "settings", multiple=True, metavar="TABLE.KEY=VALUE")
@pass_session
def start(session: Session, settings: tuple[str, ...]) -> None:
    """Run the node of the home folder in the foreground until Ctrl-C or SIGTERM.

    Exit codes of its own: 0 stopped, 1 a bug, 2 configuration, 3 storage, 4 halted (this
    node computed something else than a quorum), 5 operating system, 6 a newer program is needed.
    """
    click.get_current_context().exit(run_node(session.home, parse_settings(settings)))


@click.group()
def config() -> None:
    """Show and check the configuration."""


@config.command()
@click.option("--set", "settings", multiple=True, metavar="TABLE.KEY=VALUE")
@pass_session
def show(session: Session, settings: tuple[str, ...]) -> None:
    """Print what the node would run with: file, then environment, then --set."""
    loaded = load_settings(session, settings)
    session.emit(_to_json(loaded), lambda console: click.echo(render_config(loaded)))


@config.command()
@click.option("--set", "settings", multiple=True, metavar="TABLE.KEY=VALUE")
@pass_session
def validate(session: Session, settings: tuple[str, ...]) -> None:
    """Check configuration, genesis, key and peers of the home folder."""
    loaded = load_settings(session, settings)
    checks = check_home(loaded)
    failed = [check for check in checks if check.outcome is Outcome.FAILED]
    session.emit(
        {"valid": not failed, "checks": [check.to_json() for check in checks]},
        lambda console: _show_checks(console, checks),
    )
    if failed:
        click.get_current_context().exit(ExitCode.FAILURE)


def load_settings(session: Session, settings: tuple[str, ...]) -> NodeConfig:
    """Return the node's configuration with ``table.key=value`` settings on top."""
    return load_config(session.home, os.environ, parse_settings(settings))


def parse_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """Return ``table.key=value`` texts as flags, or raise a usage error."""
    flags: dict[str, str] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise click.UsageError(f"--set is TABLE.KEY=VALUE, not {setting!r}")
        flags[name] = value
    return flags


def _show_checks(console: Console, checks: list[Check]) -> None:
    for check in checks:
        console.print(check.render())


def _to_json(loaded: NodeConfig) -> dict[str, Any]:
    document = asdict(loaded)
    document["home"] = str(loaded.home)
    for peer in document["peers"]:
        peer["public_key"] = "0x" + peer["public_key"].hex()
    return document
