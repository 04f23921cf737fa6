"""State sync among peers that lie in every way they can: it ends, and ends at the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from node import snapshotfetch, statesync
from node.config import NodeConfig, NodeSection, SnapshotsSection
from node.epochs import read_known_epochs
from node.journal import Journal
from node.metrics import Metrics
from node.requests import PeerRequests
from node.snapshotpeers import SnapshotPeers
from node.snapshotserving import SnapshotServer
from node.snapshotwire import (
    EPOCHS_ANSWER,
    EPOCHS_REQUEST,
    SNAPSHOT_ANSWER,
    EpochsRequest,
    Offer,
)
from node.statesync import StateSync, StateSyncSetup
from p2p.frames import FrameKind, decode_request, encode_request
from p2p.peers import Offence
from primitives.block import compute_execution_hash, compute_header_hash
from primitives.epochs import EPOCH_END, compute_window_first
from primitives.hashing import Address, Hash
from primitives.params import ChainParams
from storage import snapshotformat
from storage.chain import ChainStore
from storage.errors import StorageError
from storage.snapshotfolder import SnapshotFolder, StoredSnapshot
from storage.snapshotformat import MANIFEST, compute_manifest_hash, compute_part_hash
from storage.snapshotinstall import Staging, complete_replacement
from storage.snapshotmaker import SnapshotWriter
from tests.unit.tools.audited_chain import HONEST as HONEST_LIE
from tests.unit.tools.audited_chain import AuditedChain

PEERS = [Address(bytes([number]) * 32) for number in (1, 2, 3)]
HONEST, LIAR, OTHER = PEERS
PARAMS = ChainParams(epoch_blocks=4, state_levels=2, transaction_window_blocks=5)
ANSWERS = {
    FrameKind.GET_SNAPSHOT: FrameKind.SNAPSHOT,
    FrameKind.GET_CHUNK: FrameKind.CHUNK,
    FrameKind.GET_EPOCHS: FrameKind.EPOCHS,
}
Lie = Callable[[FrameKind, bytes], bytes | None]
"""What a liar makes of an honest answer (None: it says nothing)."""


@dataclass
class Library:
    """A chain with changed validators and parameters, and its snapshots at 8 and 12."""

    chain: AuditedChain
    folder: SnapshotFolder
    server: SnapshotServer


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    patch = pytest.MonkeyPatch()
    patch.setattr("storage.snapshotmaker.PART_BYTES_TARGET", 8_192)
    patch.setattr(snapshotformat, "PART_BYTES_TARGET", 8_192)
    base = tmp_path_factory.mktemp("statesync")
    chain = AuditedChain(base / "chain", PARAMS)
    folder = SnapshotFolder(base / "snapshots")
    chain.grow()
    while chain.height < 14:
        chain.commit(chain.sign("verifier", "units", "no-such", chain.height), lie=HONEST_LIE)
        if chain.height in (8, 12):
            known = read_known_epochs(chain.chain, chain.genesis, chain.height)
            pinned = chain.chain.store.snapshot()
            first = compute_window_first(chain.height, known)
            SnapshotWriter(pinned, folder.root).write(first)
            pinned.close()
    assert chain.genesis.validators.hash != chain.validators.hash
    yield Library(chain, folder, SnapshotServer(chain.chain, folder))
    chain.chain.close()
    patch.undo()


@dataclass
class World:
    library: Library
    data: Path
    peers: list[Address] = field(default_factory=lambda: list(PEERS))
    lies: dict[Address, Lie] = field(default_factory=dict)
    reports: list[tuple[Address, Offence]] = field(default_factory=list)
    asked: list[tuple[Address, FrameKind]] = field(default_factory=list)
    height: int = 0
    section: SnapshotsSection = field(default_factory=lambda: SnapshotsSection(join_blocks_min=5))
    stop_after_parts: int | None = None

    def get_connected(self) -> list[Address]:
        return list(self.peers)

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        self.reports.append((peer, offence))

    @property
    def accused(self) -> set[Address]:
        return {peer for peer, offence in self.reports if offence is Offence.BAD_SIGNATURE}

    async def run(self, *, is_pruned: bool = False) -> tuple[bool, StateSync]:
        """Run state sync once, as a process that begins and ends."""
        loop, killed = asyncio.get_running_loop(), asyncio.Event()
        parts_given = 0

        def send(peer: Address, kind: FrameKind, payload: bytes) -> bool:
            nonlocal parts_given
            decoded = decode_request(payload)
            assert decoded is not None
            self.asked.append((peer, kind))
            if kind is FrameKind.GET_CHUNK:
                parts_given += 1
                if self.stop_after_parts is not None and parts_given > self.stop_after_parts:
                    killed.set()
                    return False
            kinds = self.library.server.get_kinds()
            honest = kinds[kind][1](decoded[0], decoded[1])
            assert honest is not None
            told = self.lies.get(peer, lambda _, answer: answer)(kind, honest[8:])
            if told is None:
                return False
            answer = encode_request(decoded[0], told)
            loop.call_soon(requests.on_answer, peer, ANSWERS[kind], answer)
            return True

        requests = PeerRequests(send)
        self.data.mkdir(exist_ok=True)
        journal = Journal.open(self.data, self.data / "signer", is_first_start=True)
        setup = StateSyncSetup(
            self.library.chain.chain_id,
            self.library.chain.genesis,
            NodeConfig(self.data.parent, NodeSection(data=self.data.name), snapshots=self.section),
            lambda: self.height,
            journal,
            Metrics(),
        )
        sync = StateSync(setup, SnapshotPeers(requests, self))
        try:
            async with asyncio.timeout(60):
                working = asyncio.create_task(sync.run(is_pruned=is_pruned))
                ended = asyncio.create_task(killed.wait())
                await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
                ended.cancel()
                if not working.done():
                    working.cancel()
                    await asyncio.wait({working})
                    return False, sync
                return working.result(), sync
        finally:
            sync.close()
            journal.close()


@pytest.fixture
def world(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(statesync, "LOOK_S", 0.2)
    monkeypatch.setattr(snapshotfetch, "STALL_S", 0.5)
    return World(library, tmp_path / "data")


def check_joined(world: World, height: int) -> None:
    """The folder that state sync left is the chain at ``height``, and it goes on."""
    chain = world.library.chain
    assert complete_replacement(world.data, "chain", ("index",))
    with ChainStore.open(world.data / "chain", chain.chain_id) as joined:
        tip, header = joined.tip, chain.chain.get_header(height)
        assert tip is not None and header is not None
        assert (tip.height, tip.block_hash) == (height, compute_header_hash(header))
        result = chain.chain.get_result(height)
        assert result is not None and tip.exec_hash == compute_execution_hash(result)
        for epoch in range(height // PARAMS.epoch_blocks):
            assert joined.get_epoch_end(epoch) == chain.chain.get_epoch_end(epoch)
        known = read_known_epochs(joined, chain.genesis, height)
        for past in range(compute_window_first(height, known), height + 1):
            block = chain.chain.get_block(past)
            assert block is not None and joined.get_header(past) == block.header


def test_a_fresh_node_follows_changed_validators_to_the_latest_snapshot(world: World) -> None:
    done, sync = asyncio.run(world.run())
    assert done and sync.status.phase == "restarting"
    assert not world.reports
    progress = sync.status.progress
    assert progress.parts_done == progress.parts_wanted > 4
    assert progress.bytes_done == progress.bytes_wanted > 0
    givers = {peer for peer, kind in world.asked if kind is FrameKind.GET_CHUNK}
    assert len(givers) > 1, "parts come from several peers at once"
    check_joined(world, 12)


def test_a_killed_node_asks_only_for_the_parts_that_it_lacks(world: World) -> None:
    world.stop_after_parts, world.peers = 4, [HONEST]
    done, _ = asyncio.run(world.run())
    assert not done
    world.stop_after_parts = None
    with Staging.open(world.data, world.library.chain.chain_id) as staging:
        missing = len(staging.list_missing())
        assert missing and staging.done
    before = sum(kind is FrameKind.GET_CHUNK for _, kind in world.asked)
    assert asyncio.run(world.run())[0]
    asked = sum(kind is FrameKind.GET_CHUNK for _, kind in world.asked) - before
    assert asked == missing
    check_joined(world, 12)


@pytest.mark.parametrize("height", [8, 12, 100])
def test_blocks_are_fetched_instead_where_a_snapshot_saves_little(
    world: World, height: int
) -> None:
    world.height = height
    assert not asyncio.run(world.run())[0]
    assert {kind for _, kind in world.asked} == {FrameKind.GET_SNAPSHOT}


def test_any_later_snapshot_is_taken_when_the_next_blocks_are_gone_everywhere(world: World) -> None:
    world.height = 11
    assert asyncio.run(world.run(is_pruned=True))[0]
    check_joined(world, 12)


def test_nothing_is_asked_when_the_operator_wants_no_snapshot(world: World) -> None:
    world.section = SnapshotsSection(join=False)
    assert not asyncio.run(world.run())[0]
    assert not world.asked


# -- lies


def change_offers(change: Callable[[Offer], Offer]) -> Lie:
    def lie(kind: FrameKind, answer: bytes) -> bytes:
        if kind is not FrameKind.GET_SNAPSHOT:
            return answer
        decoded = SNAPSHOT_ANSWER.decode(answer)
        return SNAPSHOT_ANSWER.encode(
            replace(decoded, offers=tuple(change(offer) for offer in decoded.offers))
        )

    return lie


def raise_height(offer: Offer) -> Offer:
    return replace(
        offer,
        header=replace(offer.header, height=offer.height + 1000, epoch=offer.header.epoch + 250),
        result=replace(offer.result, height=offer.height + 1000),
        manifest_hash=Hash(bytes(32)),
    )


def forge_root(offer: Offer) -> Offer:
    result = replace(offer.result, state_root=Hash(bytes(32)))
    certificate = replace(offer.certificate, exec_hash=compute_execution_hash(result))
    return replace(offer, result=result, certificate=certificate)


def forge_signature(offer: Offer) -> Offer:
    first, *rest = offer.certificate.signatures
    spoiled = (bytes([first[0] ^ 1]) + first[1:], *rest)
    return replace(offer, certificate=replace(offer.certificate, signatures=spoiled))


def rename_manifest(offer: Offer) -> Offer:
    return replace(offer, manifest_hash=Hash(b"\x07" * 32))


def lie_about_epochs(kind: FrameKind, answer: bytes) -> bytes:
    """Other validators at the end of the first epoch: what a long-range liar wants."""
    if kind is not FrameKind.GET_EPOCHS:
        return answer
    decoded = EPOCHS_ANSWER.decode(answer)
    if not decoded.ends:
        return answer
    first = EPOCH_END.decode(decoded.ends[0])
    members = first.validators.members
    usurped = replace(
        first, validators=replace(first.validators, members=(*members[1:], members[0]))
    )
    return EPOCHS_ANSWER.encode(
        replace(decoded, ends=(EPOCH_END.encode(usurped), *decoded.ends[1:]))
    )


def spoil_chunks(kind: FrameKind, answer: bytes) -> bytes:
    if kind is not FrameKind.GET_CHUNK or not answer:
        return answer
    return answer[:-1] + bytes([answer[-1] ^ 1])


def lengthen_chunks(kind: FrameKind, answer: bytes) -> bytes:
    return answer + b"x" if kind is FrameKind.GET_CHUNK and answer else answer


def send_rubbish(kind: FrameKind, answer: bytes) -> bytes:
    return b"\xc1" * 100


def say_nothing(kind: FrameKind, answer: bytes) -> None:
    return None


def offer_and_withhold(kind: FrameKind, answer: bytes) -> bytes | None:
    return answer if kind is FrameKind.GET_SNAPSHOT else None


@pytest.mark.parametrize(
    ("lie", "is_accused"),
    [
        (change_offers(raise_height), None),
        (change_offers(forge_root), True),
        (change_offers(forge_signature), True),
        (change_offers(rename_manifest), None),
        (lie_about_epochs, None),
        (spoil_chunks, None),
        (lengthen_chunks, False),
        (send_rubbish, False),
        (say_nothing, False),
        (offer_and_withhold, False),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
@pytest.mark.parametrize("liars", [(LIAR,), (LIAR, OTHER)])
def test_the_node_joins_whatever_liars_send_and_blames_no_honest_peer(
    world: World, lie: Lie, is_accused: bool | None, liars: tuple[Address, ...]
) -> None:
    world.lies = dict.fromkeys(liars, lie)
    world.peers = [*liars, HONEST]
    done, sync = asyncio.run(world.run())
    assert done, sync.status.last_error
    assert HONEST not in {peer for peer, _ in world.reports}
    if is_accused is not None:
        assert (world.accused == set(liars)) is is_accused
    check_joined(world, 12)


def test_a_manifest_that_its_parts_refute_costs_those_who_made_it_up(world: World) -> None:
    snapshot = world.library.folder.open(12)
    assert snapshot is not None
    made_up = make_up(snapshot)

    served = 0

    def offer_made_up(offer: Offer) -> Offer:
        made_up_hash = compute_manifest_hash(made_up)
        return replace(offer, manifest_hash=made_up_hash, manifest_bytes=len(made_up))

    def lie(kind: FrameKind, answer: bytes) -> bytes | None:
        nonlocal served
        if kind is FrameKind.GET_CHUNK:
            served += 1
            return made_up if served == 1 else PART
        return change_offers(offer_made_up)(kind, answer)

    world.lies, world.peers = {LIAR: lie}, [LIAR]

    async def work() -> bool:
        first, _ = await world.run()
        assert not first and world.accused == {LIAR}
        world.peers = [LIAR, HONEST]
        world.lies = {LIAR: say_nothing}
        return (await world.run())[0]

    assert asyncio.run(work())
    check_joined(world, 12)


PART = b"\x92\xc4\x01k\xc4\x01v"
"""One key and one value."""


def make_up(snapshot: StoredSnapshot) -> bytes:
    """Return a manifest with the true frontier whose parts have other content."""
    manifest = snapshot.manifest
    parts = tuple(
        replace(part, bytes=len(PART), hash=compute_part_hash(PART)) for part in manifest.state
    )
    return MANIFEST.encode(replace(manifest, state=parts))


# -- trust from an operator


def test_an_operator_may_name_a_trusted_block_instead_of_the_genesis(world: World) -> None:
    header = world.library.chain.chain.get_header(8)
    assert header is not None
    trusted = "0x" + compute_header_hash(header).hex()
    world.section = SnapshotsSection(join_blocks_min=5, trust_height=8, trust_hash=trusted)
    assert asyncio.run(world.run())[0]
    assert complete_replacement(world.data, "chain", ("index",))
    with ChainStore.open(world.data / "chain", world.library.chain.chain_id) as joined:
        assert joined.tip is not None and joined.tip.height == 12
        assert joined.get_epoch_end(0) is None  # before the trusted height: not known here


def test_a_trusted_hash_that_nobody_shows_takes_nothing(world: World) -> None:
    world.section = SnapshotsSection(join_blocks_min=5, trust_height=8, trust_hash="0x" + "7" * 64)
    done, sync = asyncio.run(world.run())
    assert not done and "trust_hash" in sync.status.last_error
    assert not world.reports


# -- the server


def test_a_server_answers_nonsense_with_nothing_and_what_it_lacks_with_emptiness(
    world: World,
) -> None:
    server = world.library.server
    for serve in (server.serve_offers, server.serve_chunk, server.serve_epochs):
        assert serve(1, b"\xc1nonsense") is None
    question = EPOCHS_REQUEST.encode(EpochsRequest((1 << 53) - 1))
    answer = server.serve_epochs(1, question)
    assert answer is not None and EPOCHS_ANSWER.decode(answer[8:]).ends == ()


def test_a_node_restarts_cleanly_with_nothing_to_replace(tmp_path: Path) -> None:
    assert not complete_replacement(tmp_path, "chain", ())
    with pytest.raises(StorageError):
        StoredSnapshot.open(tmp_path / "none")
