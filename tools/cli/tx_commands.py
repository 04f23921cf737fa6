"""``carbonode tx``: sign calls, hand them in, wait until they are final, find them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from primitives.hashing import TransactionId
from primitives.limits import HASH_BYTES
from primitives.transaction import Call, Transaction, decode_transaction, verify_transaction
from tools.cli.key_commands import find_key_path
from tools.cli.render import show_page, show_transaction
from tools.cli.session import Refused, Session, parse_json, pass_session
from tools.client.abi import parse_arguments
from tools.client.client import Client
from tools.client.keyfile import read_key
from tools.client.results import FinalTransaction, Json
from tools.client.wire import to_hex


class HexBytes(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Bytes as hex digits, with or without ``0x``; of ``size`` bytes if given."""

    name = "hex"

    def __init__(self, size: int | None = None) -> None:
        self._size = size

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            data = bytes.fromhex(str(value).removeprefix("0x"))
        except ValueError:
            self.fail(f"{str(value)[:80]!r} is not hex", param, ctx)
        if self._size is not None and len(data) != self._size:
            self.fail(f"expected {self._size} bytes, got {len(data)}", param, ctx)
        return data


@click.group()
def tx() -> None:
    """Submit and look up transactions."""


@tx.command()
@click.argument("contract")
@click.argument("method")
@click.argument("arguments", default="[]")
@click.option("--key", "key_name", required=True, help="Key name in the home, or a key file.")
@click.option("--gas", type=click.IntRange(1), help="Gas limit; estimated when left out.")
@click.option("--window", type=click.IntRange(1), help="Blocks until the transaction expires.")
@click.option("--timeout", type=click.FloatRange(0), default=60.0, show_default=True)
@click.option("--no-wait", is_flag=True, help="Return when accepted; do not wait until final.")
@click.option("--sign-only", is_flag=True, help="Print the signed bytes; submit nothing.")
@pass_session
def call(
    session: Session,
    contract: str,
    method: str,
    arguments: str,
    key_name: str,
    gas: int | None,
    window: int | None,
    timeout: float,
    no_wait: bool,
    sign_only: bool,
) -> None:
    """Call METHOD of CONTRACT. ARGUMENTS is JSON: a list, or an object by name.

    Exit code 4 when the chain refuses it or its receipt says that it failed.
    """
    given = parse_json(arguments, "ARGUMENTS")
    if not isinstance(given, list | dict):
        raise click.UsageError("ARGUMENTS is a JSON list or object")
    key = read_key(find_key_path(session, key_name))

    async def build(client: Client) -> Transaction:
        abi = await client.get_abi(contract)
        values = parse_arguments(abi, method, given)
        return await client.build(
            key, [Call(contract, method, values)], gas_limit=gas, window_blocks=window
        )

    async def send(client: Client) -> tuple[Transaction, FinalTransaction | None]:
        transaction = await build(client)
        await client.submit(transaction)
        if no_wait:
            return transaction, None
        return transaction, await client.wait(transaction.id, timeout_s=timeout)

    if sign_only:
        signed = session.run(build)
        text = to_hex(signed.encoded)
        document = {"id": to_hex(signed.id), "transaction": text}
        session.emit(document, lambda console: click.echo(text))
        return
    transaction, final = session.run(send)
    _emit_outcome(session, transaction.id, final)


@tx.command()
@click.argument("transaction", required=False)
@click.option("--file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--wait/--no-wait", default=False, help="Wait until it is final.")
@click.option("--timeout", type=click.FloatRange(0), default=60.0, show_default=True)
@pass_session
def submit(
    session: Session, transaction: str | None, file: Path | None, wait: bool, timeout: float
) -> None:
    """Submit a signed transaction given as hex, or in a file ('tx call --sign-only')."""
    if (transaction is None) == (file is None):
        raise click.UsageError("give the transaction's hex, or --file")
    text = transaction if file is None else file.read_text("ascii", errors="replace")
    encoded = HexBytes().convert((text or "").strip(), None, None)
    signed = verify_transaction(decode_transaction(encoded))

    async def send(client: Client) -> FinalTransaction | None:
        await client.submit(signed)
        return await client.wait(signed.id, timeout_s=timeout) if wait else None

    _emit_outcome(session, signed.id, session.run(send))


@tx.command()
@click.argument("transaction_id", type=HexBytes(HASH_BYTES))
@click.option("--timeout", type=click.FloatRange(0), default=60.0, show_default=True)
@pass_session
def wait(session: Session, transaction_id: bytes, timeout: float) -> None:
    """Wait until a transaction is final; exit code 5 when the time is over."""
    id_ = TransactionId(transaction_id)
    final = session.run(lambda client: client.wait(id_, timeout_s=timeout))
    _emit_outcome(session, id_, final)


@tx.command()
@click.argument("transaction_id", type=HexBytes(HASH_BYTES))
@click.option("--proof", is_flag=True, help="With the proofs that a third party can check.")
@pass_session
def get(session: Session, transaction_id: bytes, proof: bool) -> None:
    """Show a final transaction with its receipt and events."""
    id_ = TransactionId(transaction_id)
    document = session.run(lambda client: client.get(id_, proof=proof))
    session.emit(document, lambda console: show_transaction(console, document))


@tx.command()
@click.option("--sender", type=HexBytes(32), help="An account's address.")
@click.option("--key", "key_name", help="Instead of --sender: one of our keys.")
@click.option("--organisation", help="Instead of a sender: all keys that it ever had.")
@click.option("--contract", help="Instead of a sender: those that call this contract.")
@click.option("--event", help="Beside --contract: those that made this event.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor", help="nextCursor of the page before.")
@pass_session
def search(
    session: Session,
    sender: bytes | None,
    key_name: str | None,
    organisation: str | None,
    contract: str | None,
    event: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List final transactions of a sender, an organisation or a contract, latest first."""
    if sum(item is not None for item in (sender, key_name, organisation, contract)) != 1:
        raise click.UsageError("give --sender or --key or --organisation or --contract")
    if event is not None and contract is None:
        raise click.UsageError("--event is an event of --contract")
    if key_name is not None:
        sender = read_key(find_key_path(session, key_name)).public_key
    page = session.run(
        lambda client: client.call(
            "tx_search",
            sender=None if sender is None else to_hex(sender),
            organisation=organisation,
            contract=contract,
            event=event,
            limit=limit,
            cursor=cursor,
        )
    )
    columns = ("height", "index", "status", "code", "id")
    session.emit(page, lambda console: show_page(console, columns, page))


def _emit_outcome(session: Session, id_: TransactionId, final: FinalTransaction | None) -> None:
    """Print what became of a transaction; raise Refused when its receipt is a failure."""
    if final is None:
        document: Json = {"id": to_hex(id_), "status": "accepted"}
        session.emit(document, lambda console: click.echo(f"accepted  {to_hex(id_)}"))
        return
    document = {
        "id": to_hex(id_),
        "height": final.height,
        "index": final.index,
        "blockHash": to_hex(final.block_hash),
        "receipt": final.receipt,
    }
    session.emit(document, lambda console: show_transaction(console, document))
    if not final.is_ok:
        raise Refused(f"the transaction is final and failed: {final.status} {final.code}".rstrip())
