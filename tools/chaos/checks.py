"""What must hold after the chaos: agreement everywhere, nothing lost, nothing twice.

All of it is read from the nodes themselves, height by height, and then each home is
audited offline: every block again from the genesis. Each breach is a sentence.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from node.parts import CHAIN_FOLDER
from primitives.hashing import Hash, TransactionId
from tools.audit.verify import verify_chain
from tools.chaos.load import Book, get_place
from tools.client.client import Client
from tools.client.errors import BadAnswer, RpcError
from tools.client.results import Json, get_list, get_member, get_object
from tools.client.wire import Request, from_hex
from tools.localnet.network import Localnet

SHOWN_MAX = 5
AUDITORS = 2

Place = tuple[int, int, Hash, str]
"""Height, index, block hash and outcome of a transaction."""


@dataclass(frozen=True, slots=True)
class NodeChain:
    """One node's whole chain, as it serves it."""

    name: str
    results: tuple[tuple[str, str, str], ...]
    """(block hash, execution hash, state root) of heights 1 and on."""
    places: Mapping[TransactionId, Place]
    repeated: tuple[str, ...]
    """Ids that stand in the chain more than once."""


async def read_chain(client: Client, name: str, height: int) -> NodeChain:
    """Return what a node serves of heights 1 to ``height``."""
    answers = await client.call_many(
        [Request("chain_getBlock", {"block": number}) for number in range(1, height + 1)]
    )
    blocks: list[Json] = []
    for number, answer in enumerate(answers, 1):
        if isinstance(answer, RpcError):
            raise BadAnswer("a node lacks a block", node=name, height=number, error=answer.code)
        blocks.append(get_object(answer))
    return make_chain(name, blocks)


def make_chain(name: str, blocks: Sequence[Json]) -> NodeChain:
    """Return the chain of a node from its answers to ``chain_getBlock``, heights ascending."""
    counts: Counter[str] = Counter()
    places: dict[TransactionId, Place] = {}
    results: list[tuple[str, str, str]] = []
    for height, block in enumerate(blocks, 1):
        block_hash = str(get_member(block, "blockHash"))
        certificate = get_object(get_member(block, "certificate"))
        execution = get_object(get_member(block, "execution"))
        results.append((block_hash, str(certificate["execHash"]), str(execution["stateRoot"])))
        ids, statuses = get_list(block, "transactionIds"), get_list(block, "statuses")
        counts.update(ids)
        for index, (text, status) in enumerate(zip(ids, statuses, strict=True)):
            id_ = TransactionId(Hash(from_hex(text, 32)))
            places[id_] = (height, index, Hash(from_hex(block_hash, 32)), str(status))
    repeated = tuple(text for text, count in counts.items() if count > 1)
    return NodeChain(name, tuple(results), places, repeated)


def find_breaches(book: Book, chains: Sequence[NodeChain]) -> list[str]:
    """Return what is wrong, in sentences; nothing when every promise was kept."""
    breaches = [
        f"a transaction was told to be final at two places: {id_.hex()}"
        for id_ in book.contradictions
    ]
    breaches += find_differences(chains)
    for chain in chains:
        breaches += [f"{chain.name} has a transaction twice: {text}" for text in chain.repeated]
        breaches += find_losses(book, chain)
    return breaches


def find_differences(chains: Sequence[NodeChain]) -> list[str]:
    """Return at which heights nodes differ in block, execution or state, the first ones."""
    lengths = {chain.name: len(chain.results) for chain in chains}
    breaches = [] if len(set(lengths.values())) == 1 else [f"nodes differ in height: {lengths}"]
    different = [
        f"height {height} differs: "
        + "; ".join(f"{chain.name} {place[0][:18]} {place[1][:18]} {place[2][:18]}"
                    for chain, place in zip(chains, at, strict=True))
        for height, at in enumerate(zip(*(chain.results for chain in chains), strict=False), 1)
        if len(set(at)) > 1
    ]  # fmt: skip
    return [*breaches, *_shorten(different, "heights differ")]


def find_losses(book: Book, chain: NodeChain) -> list[str]:
    """Return which acknowledged transactions a node lacks, or has elsewhere."""
    lost: list[str] = []
    for id_, found in book.final.items():
        told, has = get_place(found), chain.places.get(id_)
        if has is None:
            lost.append(f"{chain.name} lost {id_.hex()}, acknowledged at height {told[0]}")
        elif has != told:
            lost.append(f"{chain.name} has {id_.hex()} at {has}, acknowledged at {told}")
    return _shorten(lost, f"acknowledged transactions lost or moved on {chain.name}")


async def read_chains(net: Localnet, height: int) -> list[NodeChain]:
    """Return every node's chain up to ``height``."""
    chains: list[NodeChain] = []
    for node in net.nodes:
        async with net.client(node.index) as client:
            chains.append(await read_chain(client, node.name, height))
    return chains


async def audit_homes(homes: Mapping[str, Path]) -> list[str]:
    """Verify each stopped node's chain as ``carbonode audit verify`` does; return breaches."""
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AUDITORS, mp_context=context) as executor:
        audits = {
            name: loop.run_in_executor(executor, audit_home, home) for name, home in homes.items()
        }
        found = {name: await audit for name, audit in audits.items()}
    return [f"audit of {name}: {breach}" for name, breach in found.items() if breach]


def audit_home(home: Path) -> str:
    """Return what is wrong with one home, in a line; nothing when it is sound."""
    report = verify_chain(home / "data" / CHAIN_FOLDER, home / "genesis.json")
    difference = report.difference
    return "" if difference is None else str(difference.to_json())


def _shorten(lines: list[str], what: str) -> list[str]:
    if len(lines) <= SHOWN_MAX:
        return lines
    return [*lines[:SHOWN_MAX], f"and more: {len(lines)} {what}"]
