"""The proposer's patience, waiters, questions to peers, buckets, argument kinds, proofs."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from consensus.effects import RequestBlock
from node.mempool import Mempool, MempoolLimits
from node.notify import Notifier
from node.proposer import Proposer
from node.requests import PeerRequests
from node.rpc.errors import RpcError
from node.rpc.methods import METHODS
from node.rpc.ratelimit import CLIENTS_MAX, ClientTable, Rates
from node.rpc.render import SAFE_INTEGER_MAX, to_integer, to_json_value
from node.rpc.schema import Integer, Param, Text, parse_params
from node.wire import BATCH_BYTES_MAX, TRANSACTION_BATCH, split_batches
from p2p.frames import FrameKind, decode_request, encode_request
from primitives.hashing import Address, TransactionId
from primitives.merkle import compute_proof, compute_proofs
from primitives.params import ChainParams
from tests.unit.node.test_mempool import make

PARAMS = ChainParams(batch_delay_ms=50, block_transactions_max=3)
REQUEST = RequestBlock(height=1, view=0, not_before_ms=1_000, empty_at_ms=16_000)
PEER, OTHER = Address(b"p" * 32), Address(b"o" * 32)


def make_proposer() -> tuple[Proposer, Mempool]:
    pool = Mempool(MempoolLimits(100, 100_000, 100))
    return Proposer(pool), pool


def test_an_idle_leader_waits_for_the_empty_block() -> None:
    proposer, _ = make_proposer()
    assert proposer.compute_due_ms(PARAMS, 900) is None
    proposer.note_request(REQUEST)
    assert proposer.compute_due_ms(PARAMS, 900) == 16_000


def test_the_first_transaction_starts_the_batch_and_a_full_block_ends_it() -> None:
    proposer, pool = make_proposer()
    proposer.note_request(REQUEST)
    pool.add([make(1)])
    proposer.note_transactions(5_000)
    pool.add([make(2)])
    proposer.note_transactions(5_020)
    assert proposer.compute_due_ms(PARAMS, 5_021) == 5_050
    pool.add([make(3)])
    assert proposer.compute_due_ms(PARAMS, 5_022) == 5_022
    taken = proposer.take(PARAMS, 5_022)
    assert taken is not None
    assert taken[1].transaction_ids == (make(1).id, make(2).id, make(3).id)
    assert proposer.compute_due_ms(PARAMS, 5_022) is None


def test_transactions_that_waited_before_the_wish_are_offered_as_soon_as_allowed() -> None:
    proposer, pool = make_proposer()
    pool.add([make(1)])
    proposer.note_transactions(100)
    proposer.note_request(REQUEST)
    assert proposer.compute_due_ms(PARAMS, 900) == 1_000
    late = RequestBlock(height=1, view=2, not_before_ms=900, empty_at_ms=900)
    proposer.note_request(late)
    assert proposer.compute_due_ms(PARAMS, 901) == 900


@pytest.mark.parametrize(
    ("block_time_ms", "first_ms"),
    [(5_030, 5_030), (9_999, 5_040), (1, 5_000)],
    ids=["fair", "clock ahead", "clock behind"],
)
def test_what_came_after_a_proposal_waits_for_its_own_batch(
    block_time_ms: int, first_ms: int
) -> None:
    proposer, pool = make_proposer()
    pool.add([make(1)])
    proposer.note_transactions(4_000)
    proposer.note_tip(4_000, 5_000)
    proposer.note_tip(block_time_ms, 5_040)
    proposer.note_request(REQUEST)
    assert proposer.compute_due_ms(PARAMS, 5_041) == first_ms + 50


def test_evidence_is_offered_until_a_block_holds_it() -> None:
    proposer, _ = make_proposer()
    proposer.note_evidence(PEER, b"of an epoch that is over")
    proposer.note_evidence(PEER, b"proof")
    for _ in range(2):
        proposer.note_request(REQUEST)
        taken = proposer.take(PARAMS, 0)
        assert taken is not None
        assert taken[1].evidence == (b"proof",)
    proposer.drop_evidence((b"proof",))
    proposer.note_request(REQUEST)
    taken = proposer.take(PARAMS, 0)
    assert taken is not None
    assert taken[1].evidence == ()


def test_waiters_are_bounded_and_leave_nothing_behind() -> None:
    notifier = Notifier(3)
    ids = [TransactionId(bytes([number]) * 32) for number in range(4)]
    first = notifier.add_waiter(ids[:2])
    second = notifier.add_waiter([ids[1], ids[1]])
    assert first is not None
    assert second is not None
    assert notifier.add_waiter(ids[3:]) is None
    notifier.remove_waiter(first)
    notifier.remove_waiter(first)
    assert notifier.waiting == 1
    notifier.remove_waiter(second)
    assert notifier.waiting == 0
    assert notifier.add_waiter(ids[:3]) is not None


def test_only_the_peer_that_was_asked_can_answer() -> None:
    async def work() -> None:
        sent: list[bytes] = []

        def send(peer: Address, kind: FrameKind, payload: bytes) -> bool:
            sent.append(payload)
            return True

        requests = PeerRequests(send)
        asking = asyncio.create_task(
            requests.ask(PEER, FrameKind.GET_BODY, b"?", FrameKind.BODY, 5)
        )
        await asyncio.sleep(0)
        decoded = decode_request(sent[0])
        assert decoded is not None
        good = encode_request(decoded[0], b"answer")
        assert not requests.on_answer(OTHER, FrameKind.BODY, good)
        assert not requests.on_answer(PEER, FrameKind.BLOCKS, good)
        assert not requests.on_answer(PEER, FrameKind.BODY, encode_request(77, b"x"))
        assert not requests.on_answer(PEER, FrameKind.BODY, b"short")
        assert requests.on_answer(PEER, FrameKind.BODY, good)
        assert not requests.on_answer(PEER, FrameKind.BODY, good)
        assert await asking == b"answer"
        lost = asyncio.create_task(requests.ask(PEER, FrameKind.GET_BODY, b"?", FrameKind.BODY, 5))
        await asyncio.sleep(0)
        requests.on_peer_down(PEER)
        assert await lost is None
        late = await requests.ask(PEER, FrameKind.GET_BODY, b"?", FrameKind.BODY, 0.01)
        assert late is None

    asyncio.run(asyncio.wait_for(work(), 10))


def test_a_client_gets_its_rate_and_another_one_is_not_disturbed() -> None:
    now = [0.0]
    table = ClientTable(Rates(10, 100, 1_000), lambda: now[0])
    client = table.get("a")
    for _ in range(20):
        client.charge_request()
    with pytest.raises(RpcError) as caught:
        client.charge_request()
    assert caught.value.data["retryAfterMs"] == pytest.approx(100, abs=2)
    table.get("b").charge_request()
    now[0] += 0.11
    client.charge_request()
    # More than a bucket ever holds passes when it is full.
    client.charge_transactions(1_000)
    with pytest.raises(RpcError):
        client.charge_transactions(1)
    client.check_view_gas()
    client.pay_view_gas(5_000)
    with pytest.raises(RpcError):
        client.check_view_gas()


def test_the_table_of_clients_is_bounded() -> None:
    table = ClientTable(Rates(1, 1, 1), lambda: 0.0)
    first = table.get("first")
    for number in range(CLIENTS_MAX):
        table.get(str(number))
    assert table.get("first") is not first


def test_batches_are_split_by_size_and_lose_nothing() -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    items = [rng.randbytes(rng.choice((100, 1_000, 100_000))) for _ in range(200)]
    decoded = [TRANSACTION_BATCH.decode(payload) for payload in split_batches(items)]
    assert [item for batch in decoded for item in batch.transactions] == items, seed
    for batch in decoded:
        size = sum(map(len, batch.transactions))
        assert size <= BATCH_BYTES_MAX or len(batch.transactions) == 1, seed


def test_numbers_beyond_53_bits_become_text_and_come_back() -> None:
    big = SAFE_INTEGER_MAX + 1
    assert to_integer(SAFE_INTEGER_MAX) == SAFE_INTEGER_MAX
    assert to_integer(big) == str(big)
    assert to_integer(-big) == str(-big)
    assert to_json_value([big, b"\x01", [True, None, "x"]]) == [
        str(big),
        "0x01",
        [True, None, "x"],
    ]
    params = (Param("n", Integer(), "a number"),)
    assert parse_params(params, [str(big)]) == {"n": big}


@pytest.mark.parametrize(
    "given", [[], {}, {"n": None}, ["1", "2"], {"n": "01"}, {"n": "1e3"}, {"n": [1]}, "text"]
)
def test_arguments_that_do_not_fit_are_refused(given: Any) -> None:
    with pytest.raises(RpcError):
        parse_params((Param("n", Integer(), "a number"),), given)


def test_every_method_has_distinct_parameters_and_schemas() -> None:
    for method in METHODS.values():
        names = [param.name for param in method.params]
        assert len(names) == len(set(names))
        for param in method.params:
            assert isinstance(param.kind.to_schema(), dict)
    with pytest.raises(RpcError, match="one of a, b"):
        Text(8, ("a", "b")).parse("c", "x")


def test_many_paths_at_once_are_the_paths_one_by_one() -> None:
    for count in range(1, 40):
        leaves = [bytes([number]) for number in range(count)]
        indices = list(range(count))
        assert compute_proofs(leaves, indices) == [compute_proof(leaves, i) for i in indices]
    with pytest.raises(IndexError):
        compute_proofs([b"a"], [1])
