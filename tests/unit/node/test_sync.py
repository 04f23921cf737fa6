"""Catch-up among peers that lie, lag, or say nothing: it ends, and ends at the truth."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from consensus.effects import Behind, CommittedTip
from node.catchup import FetchedBlock
from node.hints import PEERS_MAX, REST_S, Hints
from node.requests import PeerRequests
from node.sync import GRACE_S, BlockServer, Importer, Sync
from node.wire import (
    BLOCKS_ANSWER,
    BLOCKS_REQUEST,
    BlocksAnswer,
    BlocksRequest,
    CertifiedBlock,
)
from p2p.frames import FrameKind, decode_request, encode_request
from p2p.peers import Offence
from primitives.block import BLOCK
from primitives.certificate import Certificate
from primitives.hashing import Address, Hash
from storage.chaintip import Tip
from tests.unit.node.test_catchup import CHAIN_ID, Served

PEERS = [Address(bytes([number]) * 32) for number in (1, 2, 3)]
TRUE, LIAR, SILENT = PEERS


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("sync"))


@dataclass(slots=True)
class State:
    """The committed state of a node without a disk."""

    tip: CommittedTip

    @property
    def height(self) -> int:
        return self.tip.height


@dataclass(slots=True)
class World:
    served: Served
    state: State
    sync: Sync
    reports: list[tuple[Address, Offence]]
    imported: list[int]
    lies: dict[Address, Callable[[Sequence[CertifiedBlock]], Sequence[CertifiedBlock]]] = field(
        default_factory=dict
    )
    silent: set[Address] = field(default_factory=set)
    pruned_to: int | None = None
    task: asyncio.Task[None] | None = None
    asked: list[Address] = field(default_factory=list)

    def get_connected(self) -> list[Address]:
        return list(PEERS)

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        self.reports.append((peer, offence))

    def behind(self, height: int, peer: Address | None = None, *, verified: bool = True) -> None:
        certificate = Certificate(height, 0, Hash(bytes(32)), Hash(bytes(32)), (0,), (b"",))
        self.sync.on_behind(Behind(height, certificate, peer, verified=verified))


def check(served: Served, work: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        moved = asyncio.Event()

        def send(peer: Address, kind: FrameKind, payload: bytes) -> bool:
            decoded = decode_request(payload)
            assert decoded is not None
            world.asked.append(peer)
            if peer in world.silent:
                return False
            request = BLOCKS_REQUEST.decode(decoded[1])
            found = world.served.blocks[request.first - 1 :][: request.count]
            found = list(world.lies.get(peer, lambda blocks: blocks)(found))
            is_told = not found and world.pruned_to is not None
            height = world.pruned_to if is_told and world.pruned_to else request.first
            answer = BLOCKS_ANSWER.encode(BlocksAnswer(height, tuple(found)))
            asyncio.get_running_loop().call_soon(
                requests.on_answer, peer, FrameKind.BLOCKS, encode_request(decoded[0], answer)
            )
            return True

        async def import_block(fetched: FetchedBlock) -> None:
            world.imported.append(fetched.block.header.height)
            tips = world.served.tips
            height = fetched.block.header.height
            world.state.tip = (
                tips[height]
                if height < len(tips)
                else replace(tips[-1], height=height, block_hash=fetched.certificate.block_hash)
            )
            moved.set()

        requests = PeerRequests(send)
        with ThreadPoolExecutor(1) as readers:
            importer = Importer(import_block, moved.wait, readers)
            state = State(served.tips[0])
            world = World(served, state, None, [], [])  # type: ignore[arg-type]  # set below
            world.sync = Sync(CHAIN_ID, state, requests, world, importer, random.Random(3))  # type: ignore[arg-type]  # State
            task = world.task = asyncio.create_task(world.sync.run())
            try:
                async with asyncio.timeout(30):
                    await work(world)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_a_lone_gap_is_left_to_consensus_for_a_moment_then_fetched(served: Served) -> None:
    async def work(world: World) -> None:
        started = asyncio.get_running_loop().time()
        world.behind(2, TRUE)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]
        assert asyncio.get_running_loop().time() - started >= GRACE_S

    check(served, work)


def test_a_peer_that_serves_another_block_pays_and_the_next_one_is_asked(served: Served) -> None:
    async def work(world: World) -> None:
        def lie(blocks: Sequence[CertifiedBlock]) -> list[CertifiedBlock]:
            bad = BLOCK.decode(blocks[0].block)
            bad = replace(bad, header=replace(bad.header, time_ms=1))
            return [CertifiedBlock(BLOCK.encode(bad), blocks[0].certificate)]

        world.lies = {LIAR: lie, SILENT: lie}
        world.behind(2, LIAR)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]
        assert (LIAR, Offence.BAD_SIGNATURE) in world.reports
        assert not any(peer == TRUE for peer, _ in world.reports)

    check(served, work)


def test_a_block_that_consensus_committed_while_it_travelled_is_old_and_nobody_pays(
    served: Served,
) -> None:
    # Found by the simulator of whole nodes (profile liar, seed 7): an honest peer was banned.
    async def work(world: World) -> None:
        def overtake(blocks: Sequence[CertifiedBlock]) -> Sequence[CertifiedBlock]:
            world.state.tip = served.tips[1]
            return blocks

        world.lies = dict.fromkeys(PEERS, overtake)
        world.behind(2, TRUE)
        await world.sync.wait_idle()
        assert world.imported == [2]
        assert world.reports == []

    check(served, work)


def test_peers_without_an_answer_are_passed_over(served: Served) -> None:
    async def work(world: World) -> None:
        world.silent = {SILENT}
        world.lies = {LIAR: lambda blocks: []}
        world.behind(2, SILENT)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]
        assert world.reports == []

    check(served, work)


def test_a_height_that_nobody_can_show_is_given_up(served: Served) -> None:
    async def work(world: World) -> None:
        world.silent = set(PEERS)
        world.behind(1_000_000, LIAR)
        assert world.sync.is_syncing
        await world.sync.wait_idle()
        assert world.imported == []
        world.silent = set()
        world.behind(2, TRUE)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]

    check(served, work)


def test_a_height_that_nobody_can_check_yet_does_not_make_us_call_ourselves_behind(
    served: Served,
) -> None:
    # Clients would be sent away, and every peer asked, at one liar's word.
    async def work(world: World) -> None:
        world.lies = {LIAR: lambda blocks: []}
        for _ in range(20):
            world.behind(1 << 40, LIAR, verified=False)
            assert not world.sync.is_syncing
            assert world.sync.target == 0
            await world.sync.wait_idle()
        assert world.asked == [LIAR]
        assert world.imported == []

    check(served, work)


def test_a_liar_s_hints_do_not_keep_the_truth_of_another_epoch_from_us(served: Served) -> None:
    async def work(world: World) -> None:
        world.lies = {LIAR: lambda blocks: []}
        world.behind(1 << 40, LIAR, verified=False)
        world.behind(2, TRUE, verified=False)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]
        assert not world.sync.is_syncing

    check(served, work)


def test_a_claimant_who_shows_a_block_is_not_believed_without_end(served: Served) -> None:
    async def work(world: World) -> None:
        world.behind(1 << 40, LIAR, verified=False)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]
        assert world.asked == [LIAR, LIAR]
        world.asked.clear()
        world.behind(1 << 40, LIAR, verified=False)
        await world.sync.wait_idle()
        assert world.asked == []
        assert not world.sync.is_syncing

    check(served, work)


def test_after_a_whole_batch_from_the_claimant_anyone_may_go_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.sync.BATCH_BLOCKS", 1)

    async def work(world: World) -> None:
        first = world.served.blocks[0]
        world.lies = {LIAR: lambda blocks: [item for item in blocks if item is first]}
        world.behind(2, LIAR, verified=False)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]
        assert world.asked[:2] == [LIAR, LIAR]
        assert len(world.asked) >= 3

    check(served, work)


def test_a_proven_height_told_while_a_hint_is_followed_is_fetched(served: Served) -> None:
    async def work(world: World) -> None:
        def tell(blocks: Sequence[CertifiedBlock]) -> Sequence[CertifiedBlock]:
            world.behind(2, TRUE)
            return []

        world.lies = {LIAR: tell}
        world.behind(1 << 40, LIAR, verified=False)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]

    check(served, work)


def test_hints_are_bounded_and_heard_again_after_a_rest() -> None:
    hints = Hints()
    for number in range(PEERS_MAX):
        assert hints.note(Address(number.to_bytes(32, "big")), number, 0.0)
    assert not hints.note(LIAR, 9, 0.0)
    for number in range(PEERS_MAX):
        assert hints.take() == (Address(number.to_bytes(32, "big")), number)
    assert hints.take() is None
    for number in range(PEERS_MAX + 1):
        hints.rest(Address(number.to_bytes(32, "big")), 1.0)
    assert hints.note(Address(bytes(32)), 5, 1.0)  # the oldest rest gave way
    last = Address(PEERS_MAX.to_bytes(32, "big"))
    assert not hints.note(last, 5, REST_S)
    assert hints.note(last, 5, 1.0 + REST_S)


def test_a_question_that_is_none_is_not_answered() -> None:
    class Empty:
        tip, lowest = None, 1

        def get_block_bytes(self, height: int) -> None:
            return None

        def get_certificate(self, height: int) -> None:
            return None

    server = BlockServer(Empty())  # type: ignore[arg-type]  # a chain without blocks
    assert server.serve(1, b"\x00nonsense") is None
    payload = server.serve(7, BLOCKS_REQUEST.encode(BLOCKS_REQUEST.decode(b"\x92\x01\x05")))
    assert payload is not None
    decoded = decode_request(payload)
    assert decoded is not None
    assert BLOCKS_ANSWER.decode(decoded[1]).blocks == ()


def test_sync_ends_when_the_next_block_is_pruned_everywhere_and_not_for_one_liar(
    served: Served,
) -> None:
    async def work(world: World) -> None:
        def say_pruned(blocks: Sequence[CertifiedBlock]) -> Sequence[CertifiedBlock]:
            return ()

        world.pruned_to = 9
        world.lies = {LIAR: say_pruned}
        world.behind(2, LIAR)
        await world.sync.wait_idle()
        assert world.imported == [1, 2]
        world.lies = dict.fromkeys(PEERS, say_pruned)
        world.behind(8)
        assert world.task is not None
        await world.task
        assert world.imported == [1, 2]

    check(served, work)


def test_a_server_names_the_lowest_height_that_it_keeps() -> None:
    class Pruned:
        lowest = 40
        tip = Tip(50, Hash(bytes(32)), Hash(bytes(32)), Hash(bytes(32)), 0, 4, 0, None)

        def get_block_bytes(self, height: int) -> None:
            return None

        def get_certificate(self, height: int) -> None:
            return None

    server = BlockServer(Pruned())  # type: ignore[arg-type]  # a chain without its old blocks
    for first, told in ((7, 40), (60, 60)):
        payload = server.serve(7, BLOCKS_REQUEST.encode(BlocksRequest(first, 5)))
        assert payload is not None
        assert BLOCKS_ANSWER.decode(payload[8:]) == BlocksAnswer(told, ())
