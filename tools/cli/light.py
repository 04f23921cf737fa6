"""``carbonode light``: what a node says, proven against a genesis; the node is not believed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from node.rpc.render import to_hex, to_json_call, to_json_value
from primitives.codec import unpack
from primitives.errors import CodecError, GenesisError
from primitives.genesis import compute_chain_id
from primitives.hashing import TransactionId
from tools.cli.certificate import read_genesis
from tools.cli.render import format_time, show_pairs
from tools.cli.session import Session, pass_session
from tools.cli.tx_commands import HexBytes
from tools.client.client import Client
from tools.light.blocks import ProvenBlock
from tools.light.keys import make_state_key
from tools.light.reader import LightReader
from tools.light.state import ProvenState
from tools.light.transactions import ProvenTransaction

T = TypeVar("T")
Command = Callable[..., Any]


@click.group()
def light() -> None:
    """Ask a node and believe only what it proves against a genesis that you trust.

    Exit code 0: proven. 1: the answer does not prove it, and why.
    """


def trust_options(command: Command) -> Command:
    """Add what every command here needs: the genesis, and whom to ask."""
    genesis = click.option(
        "--genesis",
        "genesis_path",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="A genesis you trust. Default: genesis.json in --home.",
    )
    node = click.option(
        "--node", "nodes", multiple=True, help="As the global option: the RPC endpoint to ask."
    )
    output = click.option("--output", type=click.Choice(["text", "json"]), help="As the global.")
    return genesis(node(output(command)))


@light.command()
@click.argument("height", type=click.IntRange(1), required=False)
@trust_options
@pass_session
def head(session: Session, /, height: int | None, **trust: Any) -> None:
    """Prove the latest block that the node shows, or the block of HEIGHT."""
    block, chain = ask_proven(session, trust, lambda reader: reader.get_block(height))
    _emit(session, "Block", {**_describe_block(block), **chain})


@light.command()
@click.argument("id", type=HexBytes(32))
@trust_options
@pass_session
def tx(session: Session, /, id: bytes, **trust: Any) -> None:
    """Prove a final transaction, its receipt and all of its events."""
    proven, chain = ask_proven(
        session, trust, lambda reader: reader.get_transaction(TransactionId(id))
    )
    _emit(session, "Transaction", {**_describe_transaction(proven), **chain})


@light.command()
@click.argument("contract", required=False)
@click.argument("variable", required=False)
@click.argument("key", nargs=-1)
@click.option("--raw", type=HexBytes(), help="The whole state key in hex, instead of names.")
@trust_options
@pass_session
def state(
    session: Session,
    /,
    contract: str | None,
    variable: str | None,
    key: tuple[str, ...],
    raw: bytes | None,
    **trust: Any,
) -> None:
    """Prove the value of a contract's variable, or that there is none.

    A part of KEY is text, int:5, address:0x..., or bytes:0x...; a part of the wrong type
    names another key, whose absence is proven as well.
    """
    if (raw is None) == (contract is None) or (contract is not None and variable is None):
        raise click.UsageError("give CONTRACT and VARIABLE, or --raw")
    wanted = make_state_key(contract or "", variable or "", key) if raw is None else raw
    proven, chain = ask_proven(session, trust, lambda reader: reader.get_state(wanted))
    _emit(session, "State", {**_describe_state(proven), **chain})


def ask_proven(
    session: Session, trust: dict[str, Any], work: Callable[[LightReader], Awaitable[T]]
) -> tuple[T, dict[str, Any]]:
    """Return what ``work`` proves, and which chain it was proven on."""
    session.output = trust["output"] or session.output
    session.nodes = trust["nodes"] or session.nodes
    path: Path = trust["genesis_path"] or session.home / "genesis.json"
    if not path.is_file():
        raise GenesisError("no genesis.json in the home: name one with --genesis")
    genesis = read_genesis(path)

    async def read(client: Client) -> T:
        return await work(LightReader(client, genesis))

    chain = {"chainId": to_hex(compute_chain_id(genesis)), "chainName": genesis.chain_name}
    return session.run(read), {**chain, "genesis": str(path)}


def _emit(session: Session, title: str, document: dict[str, Any]) -> None:
    def show(console: Console) -> None:
        console.print("[bold green]PROVEN[/]: by the validators' signatures and the genesis alone")
        shown = {name: value for name, value in document.items() if name != "timeMs"}
        show_pairs(console, title, {**shown, "time": format_time(document["timeMs"])})

    session.emit({"proven": True, **document}, show)


def _describe_block(block: ProvenBlock) -> dict[str, Any]:
    return {
        "height": block.height,
        "timeMs": block.header.time_ms,
        "blockHash": to_hex(block.block_hash),
        "stateRoot": to_hex(block.execution.state_root),
        "signers": list(block.signers),
        "validators": len(block.validators.members),
    }


def _describe_transaction(proven: ProvenTransaction) -> dict[str, Any]:
    transaction, receipt = proven.transaction, proven.receipt
    return {
        "id": to_hex(transaction.id),
        "index": proven.index,
        "sender": to_hex(transaction.body.sender),
        "calls": [to_json_call(call) for call in transaction.body.calls],
        "status": receipt.status,
        "code": receipt.code,
        "gas": receipt.gas,
        "values": [to_json_value(value) for value in receipt.values],
        "events": [
            {
                "index": item.index,
                "contract": item.event.contract,
                "name": item.event.name,
                "values": [to_json_value(value) for value in item.event.values],
            }
            for item in proven.events
        ],
        **_describe_block(proven.block),
    }


def _describe_state(proven: ProvenState) -> dict[str, Any]:
    return {
        "key": to_hex(proven.key),
        "exists": proven.value is not None,
        "value": None if proven.value is None else to_hex(proven.value),
        "decoded": None if proven.value is None else _decode(proven.value),
        **_describe_block(proven.block),
    }


def _decode(value: bytes) -> Any:
    """Return a contract's value as JSON; None for bytes of another form (sources)."""
    try:
        return to_json_value(unpack(value))
    except CodecError:
        return None
