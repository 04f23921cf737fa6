"""The proof behind a row: what a node answers, verified here and handed on as it came.

A row that an event made is proven by its transaction (``tx_get`` with Merkle paths and the
certificate), a row that is now by the state (``state_get`` with its bucket, and the commit
of that height). ``carbonode light`` or the page of a certificate verify the same again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from node.rpc.render import to_hex
from primitives.errors import CarbonodeError
from primitives.hashing import TransactionId
from tools.client.client import Client
from tools.explorer.problems import Problem
from tools.explorer.service import Service
from tools.indexer.book import Listing, Proof
from tools.indexer.core import BLOCKS, EVENTS, TRANSACTIONS
from tools.indexer.database import read_trusted
from tools.light.epochs import TrustedSet
from tools.light.keys import make_state_key
from tools.light.reader import LightReader
from tools.light.state import get_state_height, verify_state_answer
from tools.light.transactions import is_last, verify_transaction


async def prove_row(service: Service, listing: Listing, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the proof of a row; Problem where no node gives one that holds."""
    assert listing.proof is not None
    if listing.proof.variable:
        key = make_key(listing.proof, row)
        return await _ask(service, lambda client: _prove_state(service, client, key))
    id_ = await _find_transaction(service, listing, row)
    if id_ is None:
        raise Problem("not-found", "the genesis made this row: its proof is the chain id")
    return await _ask(service, lambda client: _prove_transaction(service, client, id_))


def make_key(proof: Proof, row: Mapping[str, Any]) -> bytes:
    """Return the state key of a row."""
    parts = []
    for name in proof.columns:
        value = row[name]
        if isinstance(value, bytes | memoryview):
            parts.append("address:0x" + bytes(value).hex())
        else:
            parts.append(f"int:{value}" if isinstance(value, int) else f"text:{value}")
    return make_state_key(proof.contract, proof.variable, parts)


async def _find_transaction(
    service: Service, listing: Listing, row: Mapping[str, Any]
) -> TransactionId | None:
    if "id" in row:
        return TransactionId(bytes(row["id"]))

    def read(connection: Connection) -> bytes | None:
        index = row.get("tx_index")
        if index is None:
            number = row.get("event", row.get("event_index"))
            index = connection.execute(
                select(EVENTS.c.tx_index).where(
                    EVENTS.c.height == row["height"], EVENTS.c.event_index == number
                )
            ).scalar()
        return connection.execute(
            select(TRANSACTIONS.c.id).where(
                TRANSACTIONS.c.height == row["height"], TRANSACTIONS.c.tx_index == index
            )
        ).scalar()

    found = (await service.read(read))[1]
    return None if found is None else TransactionId(bytes(found))


async def _ask(service: Service, work: Any) -> dict[str, Any]:
    refusals: list[str] = []
    for client in service.clients:
        try:
            found: dict[str, Any] = await work(client)
            return found
        except CarbonodeError as error:  # another node may do better
            refusals.append(f"{client.transport.endpoint}: {error.code}: {error}")
    raise Problem("proof-refused" if refusals else "no-node", "; ".join(refusals)[:600])


async def _trust(service: Service, height: int | None) -> TrustedSet:
    """Return a set to start from: the index's, or the genesis's for blocks of its past."""

    def read(connection: Connection) -> tuple[TrustedSet, int | None]:
        epoch = connection.execute(select(BLOCKS.c.epoch).where(BLOCKS.c.height == height)).scalar()
        return read_trusted(connection), epoch

    trusted, epoch = (await service.read(read))[1]
    if height is None or (epoch is not None and epoch >= trusted.epoch):
        return trusted
    return TrustedSet(0, service.genesis.validators)


async def _prove_state(service: Service, client: Client, key: bytes) -> dict[str, Any]:
    answer = await client.call("state_get", key=to_hex(key), proof=True)
    height = get_state_height(answer)
    commit = await client.call("chain_getCommit", block=height)
    reader = LightReader(client, service.genesis, await _trust(service, None))
    block = await reader.get_block(height)
    verify_state_answer(answer, key, service.genesis, block)
    return {"kind": "state", "height": height, "answer": answer, "commit": commit}


async def _prove_transaction(
    service: Service, client: Client, id_: TransactionId
) -> dict[str, Any]:
    answer = await client.call("tx_get", id=to_hex(id_), proof=True)
    last = answer
    if not is_last(answer):
        ids = (await client.get_block(answer["height"]))["transactionIds"]
        last = await client.call("tx_get", id=ids[-1], proof=True)
    reader = LightReader(client, service.genesis, await _trust(service, answer["height"]))
    validators = await reader.get_validators(answer)
    proven = verify_transaction(answer, last, service.genesis, validators, transaction_id=id_)
    document: dict[str, Any] = {
        "kind": "transaction",
        "height": proven.block.height,
        "answer": answer,
    }
    if last is not answer:
        document["last"] = last
    return document
