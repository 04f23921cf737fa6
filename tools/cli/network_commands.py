"""``carbonode localnet`` runs a chain on this machine; ``testnet`` writes one for several."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from primitives.genesis import compute_chain_id
from primitives.limits import VALIDATORS_MAX
from tools.cli.render import shorten
from tools.cli.session import Session, pass_session
from tools.client.results import ChainStatus
from tools.localnet.network import Localnet
from tools.localnet.testnet import TestnetPlan, expand_testnet, write_testnet

STATUS_EVERY_S = 1.0


@click.command()
@click.option("--validators", type=click.IntRange(1, 32), default=4, show_default=True)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("run/localnet"),
    show_default=True,
    help="The network's folder; an existing chain in it goes on.",
)
@click.option("--base-port", type=click.IntRange(1024, 65_000), help="Default: free ports.")
@click.option("--fresh", is_flag=True, help="Delete the chain in the folder first.")
@click.option("--seconds", type=click.FloatRange(0), help="Stop by itself after this time.")
@pass_session
def localnet(
    session: Session,
    validators: int,
    directory: Path,
    base_port: int | None,
    fresh: bool,
    seconds: float | None,
) -> None:
    """Run N validators as processes on loopback until Ctrl-C.

    Writes DIR/localnet.json with endpoints, process ids and development keys.
    """
    net = Localnet(directory, validators=validators, base_port=base_port, fresh=fresh)
    asyncio.run(_serve(session, net, seconds))


async def _serve(session: Session, net: Localnet, seconds: float | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    starting = asyncio.create_task(net.__aenter__())
    stop_waiter = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((starting, stop_waiter), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return
        await starting
        _announce(session, net)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _follow(session, net, stopping)
    finally:
        stop_waiter.cancel()
        await net.close()
        session.note("stopped")


async def _follow(session: Session, net: Localnet, stopping: asyncio.Event) -> None:
    """Print a status line every second until told to stop; a child's end is an error."""
    shown = ""
    while not stopping.is_set():
        net.check_running()
        line = _describe(net, await net.statuses())
        if line != shown and not session.is_json:
            session.console.print(line, markup=False)
            shown = line
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STATUS_EVERY_S):
                await stopping.wait()


def _announce(session: Session, net: Localnet) -> None:
    document = {
        "chainId": "0x" + compute_chain_id(net.genesis).hex(),
        "directory": str(net.directory),
        "summary": str(net.summary_path),
        "nodes": [{"name": node.name, "rpc": node.rpc} for node in net.nodes],
        "keys": {name: "0x" + key.public_key.hex() for name, key in net.keys.items()},
    }

    def show(console: Console) -> None:
        table = Table("node", "pid", "RPC", "WebSocket", "home")
        for node in net.nodes:
            table.add_row(node.name, str(net.pid(node.index)), node.rpc, node.ws, str(node.home))
        console.print(table)
        console.print(f"chain {document['chainId']}", markup=False)
        console.print(f"keys and endpoints: {net.summary_path}   (Ctrl-C stops)", markup=False)

    session.emit(document, show)


def _describe(net: Localnet, statuses: list[ChainStatus | None]) -> str:
    heights = [
        f"{node.name} {'-' if status is None else status.height}"
        for node, status in zip(net.nodes, statuses, strict=True)
    ]
    roots = {status.state_root for status in statuses if status is not None}
    at = {status.height for status in statuses if status is not None}
    same = f"state {shorten(next(iter(roots)))}" if len(roots) == len(at) == 1 else ""
    return "   ".join([*heights, same]).rstrip()


@click.command()
@click.option("--validators", type=click.IntRange(1, VALIDATORS_MAX), default=4, show_default=True)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("testnet"),
    show_default=True,
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Where others reach each validator, in order. Default: 127.0.0.1, ports apart.",
)
@click.option("--base-port", type=click.IntRange(1024, 65_000), default=26_600, show_default=True)
@click.option("--expand", is_flag=True, help="Add that many more nodes to the chain in --dir.")
@pass_session
def testnet(
    session: Session,
    validators: int,
    directory: Path,
    hosts: tuple[str, ...],
    base_port: int,
    expand: bool,
) -> None:
    """Write home folders (genesis, keys, configuration, certificates) for N validators.

    Each folder is then carried to its machine and started with 'carbonode start'. With
    --expand the new nodes are observers until governance makes them validators.
    """
    plan = TestnetPlan(directory.absolute(), validators, hosts, base_port)
    written = expand_testnet(plan) if expand else write_testnet(plan)
    document = {
        "directory": str(plan.directory),
        "chainId": "0x" + written.chain_id.hex(),
        "nodes": [
            {
                "name": node.name,
                "home": str(node.home),
                "publicKey": "0x" + node.key.public_key.hex(),
                "p2p": f"{node.host}:{node.p2p_port}",
                "rpc": f"http://{node.rpc_listen}:{node.rpc_port}",
            }
            for node in written.nodes
        ],
        "changed": [str(path) for path in written.changed],
    }

    def show(console: Console) -> None:
        table = Table("node", "p2p", "RPC", "home")
        for node in written.nodes:
            table.add_row(
                node.name,
                f"{node.host}:{node.p2p_port}",
                f"{node.rpc_listen}:{node.rpc_port}",
                str(node.home),
            )
        console.print(table)
        console.print(f"chain {document['chainId']}", markup=False)
        for path in written.changed:
            console.print(f"changed {path}: carry it to its machine and restart", markup=False)

    session.emit(document, show)
