"""A validator with a valid key and certificate that sends whatever it likes.

The other three run for real, on loopback, with real TLS. No byte from the peer may end
a task of a node, and the chain goes on. The seeds are fixed and named in failures.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from node import parts
from node.links import USELESS_BURST
from node.node import Node
from node.wire import (
    BATCH_TRANSACTIONS_MAX,
    BLOCKS_REQUEST,
    BODY_REQUEST,
    TRANSACTION_BATCH,
    BlocksRequest,
    BodyRequest,
    TransactionBatch,
    split_batches,
)
from p2p.frames import CONTROL_KINDS, FrameKind, encode_request
from p2p.network import Network
from p2p.peers import BanPolicy
from primitives.genesis import compute_chain_id
from primitives.hashing import Hash, TransactionId
from primitives.transaction import make_nonce
from tests.integration.test_node_network import Cluster
from tests.unit.node.support import STRANGER, Signer, make_configs, make_genesis, make_validator_key
from tests.unit.p2p.loopback import RawPeer, make_hello

pytestmark = pytest.mark.integration
LIMIT_S = 90.0
LIAR = 3
LIAR_KEY = make_validator_key(LIAR)
MUTANTS_MAX = 400
"""Frames of honest nodes kept as a stock for mutations."""


@pytest.fixture(autouse=True)
def short_bans(monkeypatch: pytest.MonkeyPatch) -> None:
    """The liar is let in again at once, or one bad frame would end the test."""
    bans = BanPolicy(
        bad_signature_s=0.01, protocol_s=0.01, timeout_s=0.01, validator_ban_max_s=0.02
    )
    monkeypatch.setattr(parts, "Network", partial(Network, bans=bans))


@asynccontextmanager
async def run_honest(folder: Path) -> AsyncIterator[Cluster]:
    """Validators 0 to 2 of four; the fourth is the test."""
    cluster = Cluster(make_configs(folder, 4), make_genesis(4))
    try:
        for index in range(3):
            await cluster.start(index)
        yield cluster
    finally:
        for index in list(cluster.nodes):
            await cluster.stop(index)
        await cluster.session.close()


class Liar:
    """The fourth validator's links to one node, dialled again whenever they break."""

    def __init__(self, node: Node, cluster: Cluster) -> None:
        self._node = node
        self._hello = make_hello(chain_id=compute_chain_id(cluster.genesis), listen="liar:1")
        self.peer: RawPeer | None = None
        self.seen: list[tuple[FrameKind, bytes]] = []
        self._reading: asyncio.Task[None] | None = None

    async def connect(self) -> RawPeer:
        while self.peer is None or self.peer.writer.is_closing():
            await self.close()
            shape: Any = SimpleNamespace(key=self._node.parts.key, network=self._node.parts.network)
            try:
                self.peer = await RawPeer(LIAR_KEY).connect(shape, hello=self._hello)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            self._reading = asyncio.create_task(self._read(self.peer))
            await asyncio.sleep(0)
        return self.peer

    async def send(self, kind: FrameKind, payload: bytes) -> None:
        peer = await self.connect()
        peer.send(kind, payload[: kind.payload_bytes_max])
        try:
            await peer.writer.drain()
        except OSError:
            await self.close()

    async def _read(self, peer: RawPeer) -> None:
        while (frame := await _next_frame(peer)) is not None:
            if frame[0] not in CONTROL_KINDS and len(self.seen) < MUTANTS_MAX:
                self.seen.append(frame)
        peer.writer.close()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if self.peer is not None:
            await self.peer.close()
            self.peer = None


async def _next_frame(peer: RawPeer) -> tuple[FrameKind, bytes] | None:
    try:
        frame = await peer.read_frame()
    except (TimeoutError, OSError):
        return None
    return None if frame is None else (frame.kind, frame.payload)


def mutate(rng: random.Random, payload: bytes) -> bytes:
    """Return ``payload`` with a few bytes changed, cut out, doubled, or its end missing."""
    data = bytearray(payload)
    for _ in range(rng.randint(1, 4)):
        if not data:
            break
        place = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[place] = rng.randrange(256)
            case 1:
                data[place] ^= 1 << rng.randrange(8)
            case 2:
                del data[place : place + rng.randint(1, 8)]
            case 3:
                data[place:place] = data[place : place + rng.randint(1, 8)]
            case _:
                del data[place:]
    return bytes(data)


async def check_goes_on(cluster: Cluster, signer: Signer) -> None:
    """A transaction given to each honest node becomes final, and all tasks live."""
    for index in range(3):
        item = await cluster.client(index).submit_and_wait(
            signer.make(valid_until=cluster.height(index) + 50), 30_000
        )
        assert item.get("final"), item
    await cluster.check_equal(min(cluster.height(index) for index in range(3)))


@pytest.mark.parametrize("seed", [1, 2])
def test_no_bytes_of_a_member_end_a_task_of_a_node(
    tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        rng = random.Random(seed)
        async with run_honest(tmp_path) as cluster:
            signer = Signer(cluster.genesis)
            liar = Liar(cluster.nodes[0], cluster)
            try:
                await liar.connect()
                await check_goes_on(cluster, signer)
                kinds = [kind for kind in FrameKind if kind not in CONTROL_KINDS]
                for _ in range(600):
                    if liar.seen and rng.random() < 0.7:
                        kind, payload = rng.choice(liar.seen)
                        await liar.send(kind, mutate(rng, payload))
                    else:
                        kind = rng.choice(kinds)
                        await liar.send(kind, rng.randbytes(rng.choice((0, 1, 8, 9, 33, 500))))
                assert {kind for kind, _ in liar.seen} >= {FrameKind.GOSSIP_CONSENSUS}
                await check_goes_on(cluster, signer)
            finally:
                await liar.close()

    asyncio.run(asyncio.wait_for(work(), LIMIT_S))
    failed = [item for item in caplog.records if item.exc_info]
    assert not failed, (seed, [(item.getMessage(), item.exc_info) for item in failed])


def make_attacks(cluster: Cluster) -> list[tuple[FrameKind, bytes]]:
    """Well-formed frames that ask for, claim or carry what nobody should."""
    chain, top = cluster.nodes[0].parts.chain, (1 << 64) - 1
    own, other = Signer(cluster.genesis).make(), Signer(cluster.genesis).make(chain_id=b"x" * 32)
    forged = own.encoded[:-1] + bytes([own.encoded[-1] ^ 1])
    block, certificate = chain.get_block_bytes(1), chain.get_certificate(1)
    assert block is not None and certificate is not None
    ids = tuple(make_id(number) for number in range(1_000))
    questions = [
        BLOCKS_REQUEST.encode(BlocksRequest(first, count))
        for first, count in ((0, 0), (1, 65_535), (top, 64), (top, 65_535), (1 << 63, 64))
    ]
    batches = [
        (forged,),
        (other.encoded,),
        (b"garbage",),
        (b"",) * BATCH_TRANSACTIONS_MAX,
        (own.encoded,) * 50,
    ]
    return [
        *((FrameKind.GET_BLOCKS, encode_request(1, body)) for body in questions),
        (
            FrameKind.GET_BODY,
            encode_request(1, BODY_REQUEST.encode(BodyRequest(Hash(ids[0]), ids))),
        ),
        (
            FrameKind.GET_BODY,
            encode_request(1, BODY_REQUEST.encode(BodyRequest(Hash(ids[0]), ids[:1]))),
        ),
        (FrameKind.BLOCKS, encode_request(1, b"not asked for")),
        (FrameKind.BODY, encode_request(top, b"not asked for")),
        (FrameKind.STATUS, block),
        *(
            (FrameKind.TX_BATCH, TRANSACTION_BATCH.encode(TransactionBatch(items)))
            for items in batches
        ),
    ]


def make_id(number: int) -> TransactionId:
    return TransactionId(number.to_bytes(32, "big"))


def test_a_member_that_asks_floods_and_forges_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with run_honest(tmp_path) as cluster:
            signer = Signer(cluster.genesis, next_nonce=1_000)
            liar = Liar(cluster.nodes[0], cluster)
            try:
                await liar.connect()
                await check_goes_on(cluster, signer)
                attacks = make_attacks(cluster)
                for _ in range(10):
                    for kind, payload in attacks:
                        await liar.send(kind, payload)
                for _ in range(3_000):
                    await liar.send(*attacks[1])
                await check_goes_on(cluster, signer)
            finally:
                await liar.close()

    asyncio.run(asyncio.wait_for(work(), LIMIT_S))
    failed = [item for item in caplog.records if item.exc_info or "cannot be read" in item.message]
    assert not failed, [(item.getMessage(), item.exc_info) for item in failed]


def test_a_flood_of_strangers_transactions_from_a_member_is_not_taken_for_long(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with run_honest(tmp_path) as cluster:
            stranger = Signer(cluster.genesis, STRANGER)
            encoded = stranger.make().encoded
            # Nobody checks the signature of who is no member: any nonce will do.
            place = encoded.index(make_nonce(1))
            numbers = range(2 * USELESS_BURST)
            forged = [
                encoded[:place] + make_nonce(1_000 + number) + encoded[place + 8 :]
                for number in numbers
            ]
            liar = Liar(cluster.nodes[0], cluster)
            try:
                for payload in split_batches(forged):
                    await liar.send(FrameKind.TX_BATCH, payload)
                await check_goes_on(cluster, Signer(cluster.genesis))
                refused = cluster.nodes[0].parts.admission.refused["not-permitted"]
                assert 0 < refused < 1.6 * USELESS_BURST
                record = {
                    item.public_key: item for item in cluster.nodes[0].parts.network.describe()
                }
                assert record[LIAR_KEY.public_key].banned_s is None
            finally:
                await liar.close()

    asyncio.run(asyncio.wait_for(work(), LIMIT_S))
