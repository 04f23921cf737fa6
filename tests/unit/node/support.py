"""What the node's tests share: a small chain, its keys, nodes in this process.

Everything is real: storage on disk in a temporary folder, TLS on loopback, ephemeral
ports. A node is started from a configuration as a program would build it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from node.config import NodeConfig, P2pSection, PeerSection, RpcSection
from node.host import REAL_HOST, Host
from node.node import Node
from node.parts import open_parts
from p2p.tls import make_certificate
from primitives.genesis import Genesis, GenesisContract, compute_chain_id
from primitives.keys import PrivateKey
from primitives.params import ChainParams
from primitives.transaction import (
    Call,
    Transaction,
    TransactionBody,
    make_nonce,
    sign_transaction,
)
from primitives.validators import Validator, ValidatorSet
from tools.genesis_files import load_contracts
from tools.localnet.ports import find_free_ports
from vm.genesis_builder import build_development_consortium, build_genesis

NOTES_SOURCE = '''"""Notes under a key, for tests."""

from vm import Map, ctx, emit, event, export, require, view

notes = Map[str, str](default="")


@event
class Noted:
    key: str
    text: str
    count: int


@export
def put(key: str, text: str) -> int:
    require(text != "forbidden", "forbidden-text")
    notes[key] = text
    emit(Noted(key, text, len(text)))
    return len(text)


@export
def put_many(key: str, count: int) -> int:
    for index in range(count):
        emit(Noted(key, "x" * 500, index))
    return count


@view
def get(key: str) -> str:
    return notes[key]
'''

TEST_PARAMS = ChainParams(
    timeout_base_ms=1_000,
    timeout_max_ms=5_000,
    empty_block_interval_ms=2_000,
    batch_delay_ms=10,
    transaction_window_blocks=100,
)
CONSORTIUM = build_development_consortium(extra_enterprises=2)
MEMBER = CONSORTIUM.keys["enterprise-a"]
OTHER_MEMBER = CONSORTIUM.keys["enterprise-b"]
STRANGER = PrivateKey.from_seed(b"stranger".ljust(32, b"."))


def make_validator_key(index: int) -> PrivateKey:
    """Return the key of validator ``index`` of the test chains."""
    return PrivateKey.from_seed(f"validator {index}".encode().ljust(32, b"."))


def make_genesis(validators: int = 1, params: ChainParams = TEST_PARAMS) -> Genesis:
    """Return a genesis with the carbon contracts, ``notes``, and development members."""
    members = tuple(
        Validator(f"validator-{index}", make_validator_key(index).public_key)
        for index in range(validators)
    )
    return build_genesis(
        "test-chain",
        1_700_000_000_000,
        ValidatorSet(members),
        params,
        CONSORTIUM.members,
        CONSORTIUM.administration,
        (*load_contracts(), GenesisContract("notes", NOTES_SOURCE)),
    )


@dataclass(slots=True)
class Signer:
    """Makes transactions of one account on one chain, each with a fresh nonce."""

    genesis: Genesis
    key: PrivateKey = MEMBER
    next_nonce: int = 1

    def make(
        self,
        calls: Sequence[Call] | None = None,
        *,
        valid_until: int = 50,
        gas_limit: int = 200_000,
        chain_id: bytes | None = None,
    ) -> Transaction:
        """Return a signed transaction; by default one note."""
        nonce = self.next_nonce
        self.next_nonce += 1
        body = TransactionBody(
            version=1,
            chain_id=compute_chain_id(self.genesis) if chain_id is None else chain_id,  # type: ignore[arg-type]  # a NewType of bytes
            sender=self.key.public_key,
            nonce=make_nonce(nonce),
            valid_until=valid_until,
            gas_limit=gas_limit,
            calls=tuple(calls or (Call("notes", "put", (f"key-{nonce}", f"text-{nonce}")),)),
        )
        return sign_transaction(body, self.key)


def reserve_port() -> int:
    """Return a port of loopback that was free a moment ago, and that the system hands nobody."""
    return find_free_ports(1)[0]


def make_configs(folder: Path, validators: int, rpc: RpcSection | None = None) -> list[NodeConfig]:
    """Return the configurations of a chain's validators, each knowing the others."""
    ports = find_free_ports(validators) if validators > 1 else [0]
    peers = [
        PeerSection(
            name=f"validator-{index}",
            public_key=make_validator_key(index).public_key,
            host="127.0.0.1",
            port=port,
            certificate="0x" + make_certificate(make_validator_key(index)).hex(),
        )
        for index, port in enumerate(ports)
    ]
    base = replace(rpc or RpcSection(), port=0, admin_port=0)
    return [
        NodeConfig(
            home=folder / f"validator-{index}",
            p2p=P2pSection(port=ports[index]),
            rpc=base,
            peers=tuple(peer for number, peer in enumerate(peers) if number != index),
        )
        for index in range(validators)
    ]


def make_node(config: NodeConfig, genesis: Genesis, index: int = 0, host: Host = REAL_HOST) -> Node:
    """Return a node that is not started yet."""
    return Node(open_parts(config, genesis, make_validator_key(index), host=host))


class RpcClient:
    """The smallest JSON-RPC client; ``call`` returns the whole answer."""

    def __init__(self, session: aiohttp.ClientSession, node: Node) -> None:
        self._session = session
        self.url = "http://{}:{}".format(*node.rpc.address)
        self.admin_url = "http://{}:{}".format(*node.rpc.admin_address)

    async def post(self, body: Any, *, url: str | None = None) -> Any:
        """Return the JSON that answers ``body`` (text is sent as it is)."""
        sends_text = isinstance(body, str | bytes)
        arguments: dict[str, Any] = {"data": body} if sends_text else {"json": body}
        async with self._session.post(url or self.url, **arguments) as response:
            return await response.json() if response.status == 200 else response.status

    async def call(self, method: str, /, *args: Any, **params: Any) -> Any:
        """Return the result, or the error object."""
        given = list(args) if args else params
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given}
        answer = await self.post(request)
        return answer["result"] if "result" in answer else answer["error"]

    async def submit_and_wait(self, transaction: Transaction, timeout_ms: int = 10_000) -> Any:
        """Return tx_wait's item after submitting."""
        accepted = await self.call("tx_submit", "0x" + transaction.encoded.hex())
        assert accepted.get("status") == "accepted", accepted
        return await self.call("tx_wait", "0x" + transaction.id.hex(), timeout_ms)


async def wait_until(
    condition: Callable[[], bool], notify: Callable[[], Awaitable[None]], timeout_s: float = 20.0
) -> None:
    """Return when ``condition`` holds, looking again after each ``notify``."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await notify()
