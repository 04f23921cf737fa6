"""Bodies of proposed blocks: gathered from whoever has them, refused for every bad reason."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from consensus.effects import Proposal
from node.admission import Admission
from node.bodies import ANSWER_BYTES_MAX, BODIES_MAX, Bodies, Body, BodyRefusal
from node.mempool import IdCache, Mempool, MempoolLimits
from node.metrics import Metrics
from node.requests import PeerRequests
from node.signatures import SignatureVerifier
from node.wire import BODY_ANSWER, BODY_REQUEST, BodyAnswer, BodyRequest
from p2p.frames import FrameKind, decode_request, encode_request
from p2p.peers import Offence
from primitives.block import Header
from primitives.genesis import compute_chain_id
from primitives.hashing import ZERO_HASH, Address, Hash
from primitives.transaction import Call, ReceivedTransaction, Transaction, decode_transaction
from tests.unit.node.support import MEMBER, Signer, make_genesis
from tests.unit.node.test_admission import Rules

GENESIS = make_genesis()
CHAIN_ID = compute_chain_id(GENESIS)
PEERS = [Address(bytes([number]) * 32) for number in (1, 2, 3)]
Answer = Callable[[Sequence[bytes]], Sequence[bytes] | None]


def propose(
    transactions: Sequence[Transaction | ReceivedTransaction], height: int = 11
) -> Proposal:
    header = Header(
        version=1,
        chain_id=CHAIN_ID,
        height=height,
        time_ms=0,
        parent_hash=ZERO_HASH,
        prev_exec_hash=ZERO_HASH,
        prev_cert_hash=ZERO_HASH,
        proposer=MEMBER.public_key,
        txs_root=ZERO_HASH,
        tx_count=len(transactions),
        evidence_root=ZERO_HASH,
        epoch=0,
        validators_hash=ZERO_HASH,
        params_hash=ZERO_HASH,
    )
    ids = tuple(item.id for item in transactions)
    return Proposal(Hash(b"p" * 32), header, ids, (), None)


@dataclass(frozen=True, slots=True)
class FixedPeers:
    """Three peers that are always there."""

    reports: list[tuple[Address, Offence]]

    def get_connected(self) -> list[Address]:
        return list(PEERS)

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        self.reports.append((peer, offence))


@dataclass(slots=True)
class World:
    """A node's bodies among peers that answer as each test says."""

    rules: Rules
    mempool: Mempool
    bodies: Bodies
    admission: Admission
    reports: list[tuple[Address, Offence]]
    answers: dict[Address, Answer] = field(default_factory=dict)
    asked: list[Address] = field(default_factory=list)


def check(work: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        rules, ids, metrics = Rules(), IdCache(1_000), Metrics()
        mempool = Mempool(MempoolLimits(1_000, 1_000_000, 1_000))
        verifier = SignatureVerifier(1)
        admission = Admission(CHAIN_ID, mempool, ids, verifier, rules, metrics)
        reports: list[tuple[Address, Offence]] = []

        def send(peer: Address, kind: FrameKind, payload: bytes) -> bool:
            world.asked.append(peer)
            decoded = decode_request(payload)
            assert decoded is not None
            request = BODY_REQUEST.decode(decoded[1])
            found = world.answers.get(peer, lambda _: ())(request.ids)
            if found is not None:
                body = BODY_ANSWER.encode(BodyAnswer(request.block_hash, tuple(found)))
                answer = encode_request(decoded[0], body)
                asyncio.get_running_loop().call_soon(
                    requests.on_answer, peer, FrameKind.BODY, answer
                )
            return found is not None

        requests = PeerRequests(send)
        bodies = Bodies(
            CHAIN_ID,
            mempool,
            admission,
            rules,
            requests,
            FixedPeers(reports),
            random.Random(7),
        )
        world = World(rules, mempool, bodies, admission, reports)
        try:
            async with asyncio.timeout(20):
                await work(world)
        finally:
            verifier.close()

    asyncio.run(main())


def serve(transactions: Sequence[Transaction]) -> Answer:
    known = {item.id: item.encoded for item in transactions}
    return lambda ids: [known[item] for item in ids if item in known]  # type: ignore[index]  # ids


def test_a_body_is_put_together_from_the_pool_without_asking_anyone() -> None:
    async def work(world: World) -> None:
        items = [Signer(GENESIS).make(), Signer(GENESIS, next_nonce=9).make()]
        world.mempool.add(items)
        outcome = world.bodies.try_assemble(propose(items))
        assert isinstance(outcome, Body)
        assert outcome.transactions == tuple(items)
        assert world.asked == []

    check(work)


def test_missing_transactions_come_from_several_peers_holders_first() -> None:
    async def work(world: World) -> None:
        signer = Signer(GENESIS)
        items = [signer.make() for _ in range(6)]
        world.mempool.add(items[:2])
        world.answers = {PEERS[0]: serve(items[2:4]), PEERS[2]: serve(items[4:])}
        proposal = propose(items)
        assert world.bodies.try_assemble(proposal) is None
        outcome = await world.bodies.fetch(proposal, [PEERS[2]])
        assert isinstance(outcome, Body)
        assert [item.id for item in outcome.transactions] == [item.id for item in items]
        assert world.asked[0] == PEERS[2]
        assert world.reports == []

    check(work)


def test_a_peer_that_serves_something_else_pays_and_the_rest_is_asked() -> None:
    async def work(world: World) -> None:
        signer = Signer(GENESIS)
        wanted, other = signer.make(), signer.make()
        world.answers = {
            PEERS[0]: lambda _: [other.encoded],
            PEERS[1]: lambda _: None,
            PEERS[2]: serve([wanted]),
        }
        outcome = await world.bodies.fetch(propose([wanted]), [PEERS[0]])
        assert isinstance(outcome, Body)
        assert world.reports[0] == (PEERS[0], Offence.PROTOCOL)

    check(work)


def test_a_bad_signature_condemns_the_proposal_not_the_peer() -> None:
    async def work(world: World) -> None:
        good = Signer(GENESIS).make()
        bad = decode_transaction(good.encoded[:-1] + bytes([good.encoded[-1] ^ 1]))
        world.answers = {peer: lambda _: [bad.encoded] for peer in PEERS}
        outcome = await world.bodies.fetch(propose([bad]), [])
        assert isinstance(outcome, BodyRefusal)
        assert "bad signature" in outcome.reason
        assert world.reports == []

    check(work)


def test_signatures_that_are_being_verified_anyway_are_waited_for() -> None:
    async def work(world: World) -> None:
        signer = Signer(GENESIS)
        items = [signer.make() for _ in range(100)]
        submitted = asyncio.create_task(
            world.admission.submit([item.encoded for item in items], "gossip")
        )
        await asyncio.sleep(0)
        outcome = await world.bodies.fetch(propose(items), PEERS)
        assert isinstance(outcome, Body)
        assert world.asked == []
        await submitted

    check(work)


def test_a_block_is_refused_for_each_stateless_reason() -> None:
    async def work(world: World) -> None:
        signer, params = Signer(GENESIS), world.rules.params
        good = signer.make()
        cases: list[tuple[list[Transaction], str]] = [
            ([good, good], "twice"),
            ([signer.make(valid_until=10)], "valid until"),
            ([signer.make(valid_until=112)], "at most"),
            ([signer.make(gas_limit=params.transaction_gas_max + 1)], "gas limit"),
            ([signer.make(chain_id=bytes(32))], "signed for chain"),
            ([signer.make(gas_limit=params.transaction_gas_max) for _ in range(4)], "gas limits"),
        ]
        for items, words in cases:
            world.bodies.clear()
            world.bodies.restore([item.encoded for item in items])
            outcome = world.bodies.try_assemble(propose(items))
            assert isinstance(outcome, BodyRefusal), words
            assert words in outcome.reason
        world.rules.committed.add(good.id)
        world.bodies.restore([good.encoded])
        outcome = world.bodies.try_assemble(propose([good]))
        assert isinstance(outcome, BodyRefusal)
        assert "committed already" in outcome.reason
        world.rules.params = replace(params, block_transactions_max=1)
        two = [signer.make(), signer.make()]
        world.bodies.restore([item.encoded for item in two])
        outcome = world.bodies.try_assemble(propose(two))
        assert isinstance(outcome, BodyRefusal)
        assert outcome.reason == "2 transactions"
        outcome = world.bodies.try_assemble(propose([], height=12))
        assert isinstance(outcome, BodyRefusal)
        assert "not the next" in outcome.reason

    check(work)


def test_what_we_have_is_served_and_nonsense_is_not_answered() -> None:
    async def work(world: World) -> None:
        items = [Signer(GENESIS).make(), Signer(GENESIS, next_nonce=5).make()]
        world.mempool.add(items[:1])
        wanted = BodyRequest(Hash(bytes(32)), tuple(item.id for item in items))
        request = BODY_REQUEST.encode(wanted)
        payload = world.bodies.serve(9, request)
        assert payload is not None
        decoded = decode_request(payload)
        assert decoded is not None
        assert decoded[0] == 9
        assert BODY_ANSWER.decode(decoded[1]).transactions == (items[0].encoded,)
        assert world.bodies.serve(9, b"\x00nonsense") is None

    check(work)


def test_a_body_after_its_height_fills_the_pool_with_nothing_committed() -> None:
    async def work(world: World) -> None:
        item = Signer(GENESIS).make()

        def answer(ids: Sequence[bytes]) -> Sequence[bytes]:
            world.rules.height = 11  # sync commits the very block while this travels
            return [item.encoded]

        world.answers = dict.fromkeys(PEERS, answer)
        outcome = await world.bodies.fetch(propose([item]), [])
        assert isinstance(outcome, BodyRefusal)
        assert item.id not in world.mempool

    check(work)


def test_a_body_that_gave_way_to_later_ones_is_there_when_its_block_is_voted_for() -> None:
    async def work(world: World) -> None:
        signer = Signer(GENESIS)
        items = [signer.make() for _ in range(BODIES_MAX + 3)]
        world.bodies.restore([item.encoded for item in items])
        proposals = [
            replace(propose([item]), block_hash=Hash(bytes([number]) * 32))
            for number, item in enumerate(items)
        ]
        for proposal in proposals:
            assert isinstance(world.bodies.try_assemble(proposal), Body)
        for proposal, item in zip(proposals, items, strict=True):
            body = world.bodies.get(proposal.block_hash)
            assert body is not None
            assert body.transactions == (item,)
        world.bodies.clear()
        assert world.bodies.get(proposals[0].block_hash) is None

    check(work)


def make_large(count: int) -> list[Transaction]:
    """About 100 KB each."""
    signer = Signer(GENESIS)
    texts = ("a" * 50_000, "b" * 50_000)
    calls = [Call("notes", "put", ("key", text)) for text in texts]
    return [signer.make(calls) for _ in range(count)]


def test_an_answer_stops_at_its_bound_and_one_peer_with_all_is_asked_for_the_rest() -> None:
    async def work(world: World) -> None:
        items = make_large(30)
        world.rules.params = replace(world.rules.params, block_bytes_max=8 * 1024 * 1024)
        holder = Bodies(
            CHAIN_ID,
            Mempool(MempoolLimits(1_000, 10_000_000, 1_000)),
            world.admission,
            world.rules,
            PeerRequests(lambda *_: False),
            FixedPeers([]),
            random.Random(7),
        )
        holder.restore([item.encoded for item in items])

        def answer(ids: Sequence[bytes]) -> Sequence[bytes]:
            wanted = BodyRequest(Hash(bytes(32)), tuple(ids))  # type: ignore[arg-type]  # ids
            payload = holder.serve(1, BODY_REQUEST.encode(wanted))
            assert payload is not None
            assert len(payload) < ANSWER_BYTES_MAX + 4096
            decoded = decode_request(payload)
            assert decoded is not None
            return BODY_ANSWER.decode(decoded[1]).transactions

        world.answers = {PEERS[1]: answer}
        outcome = await world.bodies.fetch(propose(items), [])
        assert isinstance(outcome, Body)
        assert outcome.transactions == tuple(items)
        assert world.asked[-3:] == [PEERS[1]] * 3  # nobody else in between
        assert len(world.asked) <= 5
        assert world.reports == []

    check(work)


def test_everyone_is_asked_once_before_anyone_is_asked_again() -> None:
    async def work(world: World) -> None:
        item = Signer(GENESIS).make()

        def answer(ids: Sequence[bytes]) -> Sequence[bytes]:
            return [item.encoded] if len(world.asked) > 9 else []

        world.answers = dict.fromkeys(PEERS, answer)
        assert isinstance(await world.bodies.fetch(propose([item]), [PEERS[2]]), Body)
        for start in (0, 3, 6):
            assert set(world.asked[start : start + 3]) == set(PEERS)
            assert world.asked[start] == PEERS[2]

    check(work)


def test_an_id_asked_for_twice_is_malformed_and_our_own_questions_never_do_it() -> None:
    async def work(world: World) -> None:
        item = Signer(GENESIS).make()
        twice = BODY_REQUEST.encode(BodyRequest(Hash(bytes(32)), (item.id, item.id)))
        world.bodies.restore([item.encoded])
        assert world.bodies.serve(1, twice) is None
        world.bodies.clear()
        asked: list[Sequence[bytes]] = []

        def answer(ids: Sequence[bytes]) -> Sequence[bytes]:
            asked.append(ids)
            return [item.encoded]

        world.answers = dict.fromkeys(PEERS, answer)
        outcome = await world.bodies.fetch(propose([item, item]), [])
        assert isinstance(outcome, BodyRefusal)
        assert outcome.reason == "a transaction twice"
        assert asked == [(item.id,)]

    check(work)


def test_a_transaction_answered_twice_is_an_offence() -> None:
    async def work(world: World) -> None:
        item = Signer(GENESIS).make()
        world.answers = {
            PEERS[0]: lambda _: [item.encoded, item.encoded],
            PEERS[1]: serve([item]),
        }
        assert isinstance(await world.bodies.fetch(propose([item]), [PEERS[0]]), Body)
        assert set(world.reports) == {(PEERS[0], Offence.PROTOCOL)}

    check(work)


def test_a_proposal_too_large_is_refused_before_all_of_it_is_fetched() -> None:
    async def work(world: World) -> None:
        items = make_large(12)
        world.rules.params = replace(world.rules.params, block_bytes_max=250_000)
        world.answers = {peer: lambda ids: serve(items)(ids[:1]) for peer in PEERS}
        outcome = await world.bodies.fetch(propose(items), [])
        assert isinstance(outcome, BodyRefusal)
        assert outcome.reason == "more than 250000 bytes"
        assert len(world.asked) == 3

    check(work)


def test_what_was_gathered_is_bounded_and_no_good_body_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.bodies.GATHERED_BYTES_MAX", 250_000)
    monkeypatch.setattr(Rules, "is_member", lambda *_: False)  # nothing enters the pool

    async def work(world: World) -> None:
        items = make_large(5)
        world.rules.params = replace(world.rules.params, block_bytes_max=10_000_000)
        world.answers = dict.fromkeys(PEERS, serve(items))

        def name(number: int, content: Sequence[Transaction]) -> Proposal:
            return replace(propose(content), block_hash=Hash(bytes([number]) * 32))

        refused = name(1, [*items[:1], *items[:1]])
        assert isinstance(await world.bodies.fetch(refused, []), BodyRefusal)
        good = name(2, items[1:3])
        assert isinstance(await world.bodies.fetch(good, []), Body)
        assert world.bodies.try_assemble(refused) is None  # it made room for the good one
        outcome = await world.bodies.fetch(name(3, items[3:]), [])
        assert isinstance(outcome, BodyRefusal)
        assert outcome.reason == "too many bodies at one height"
        certified = await world.bodies.fetch(name(4, items[3:]), [], is_certified=True)
        assert isinstance(certified, Body)
        body = world.bodies.get(good.block_hash)
        assert body is not None
        assert body.transactions == tuple(items[1:3])
        world.bodies.clear()
        assert isinstance(await world.bodies.fetch(name(3, items[3:]), []), Body)

    check(work)
