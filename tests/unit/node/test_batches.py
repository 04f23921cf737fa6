"""Waiting batches: turns between peers, and a full house that costs the loudest."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from node.batches import (
    BATCH_COST_BYTES,
    BATCHES_BYTES_MAX,
    PEER_BYTES_MAX,
    TOGETHER_TRANSACTIONS_MAX,
    Batch,
    WaitingBatches,
)
from primitives.hashing import Address, Hash

LOUD, QUIET = Address(b"l" * 32), Address(b"q" * 32)


def name(number: int) -> Address:
    return Address(number.to_bytes(32, "big"))


def make(peer: Address, size: int = 64 * 1024, count: int = 1, number: int = 0) -> Batch:
    return Batch(peer, Hash(number.to_bytes(32, "big")), size, (b"t",) * count)


def offer(waiting: WaitingBatches, batch: Batch) -> list[Batch] | None:
    return waiting.put(batch) if waiting.has_room(batch.peer, batch.size) else None


def test_a_single_batch_does_not_wait_behind_a_flood() -> None:
    waiting = WaitingBatches()
    for _ in range(PEER_BYTES_MAX // (64 * 1024)):
        assert offer(waiting, make(LOUD, count=TOGETHER_TRANSACTIONS_MAX)) == []
    assert offer(waiting, make(LOUD)) is None
    assert offer(waiting, make(QUIET)) == []
    taken = [batch.peer for _ in range(2) for batch in waiting.take_together()]
    assert QUIET in taken


def test_peers_take_turns_and_each_keeps_its_order() -> None:
    waiting = WaitingBatches()
    for number in range(3):
        offer(waiting, make(LOUD, number=number))
    offer(waiting, make(QUIET, number=9))
    taken = waiting.take_together()
    assert [batch.peer for batch in taken] == [LOUD, QUIET, LOUD, LOUD]
    assert [batch.item_id[-1] for batch in taken] == [0, 9, 1, 2]
    assert (len(waiting), waiting.cost, waiting.take_together()) == (0, 0, [])


def test_one_peer_has_its_own_bound_in_bytes() -> None:
    waiting = WaitingBatches()
    megabyte = 1024 * 1024
    for _ in range(PEER_BYTES_MAX // megabyte):
        assert offer(waiting, make(LOUD, megabyte)) == []
    assert offer(waiting, make(LOUD, 1)) is None
    assert offer(waiting, make(QUIET, megabyte)) == []


def test_when_all_is_full_the_longest_queue_gives_its_newest_to_a_shorter_one() -> None:
    waiting = WaitingBatches()
    megabyte = 1024 * 1024
    for number in range(PEER_BYTES_MAX // megabyte):
        for peer in range(BATCHES_BYTES_MAX // PEER_BYTES_MAX):
            assert offer(waiting, make(name(peer), megabyte, number=number)) == []
    dropped = offer(waiting, make(QUIET, megabyte))
    assert dropped is not None
    assert [batch.item_id[-1] for batch in dropped] == [PEER_BYTES_MAX // megabyte - 1]
    assert dropped[0].peer != QUIET
    assert waiting.cost == BATCHES_BYTES_MAX
    assert QUIET in {batch.peer for batch in waiting.take_together()}


def test_floods_of_tiny_batches_do_not_lock_out_a_full_one() -> None:
    waiting = WaitingBatches()
    for number in range(2 * BATCHES_BYTES_MAX // BATCH_COST_BYTES):
        offer(waiting, make(name(number % 2), 10))
    assert len(waiting) == BATCHES_BYTES_MAX // BATCH_COST_BYTES
    dropped = offer(waiting, make(QUIET))
    assert dropped is not None
    assert len(dropped) == 2


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 1024 * 1024), st.booleans()), max_size=300)
)
def test_bounds_hold_and_nothing_is_lost_or_counted_wrongly(
    steps: list[tuple[int, int, bool]],
) -> None:
    waiting = WaitingBatches()
    model: dict[Address, deque[Batch]] = {}
    for number, (peer, size, is_taking) in enumerate(steps):
        batch = make(name(peer), size, number=number)
        dropped = offer(waiting, batch)
        if dropped is not None:
            model.setdefault(batch.peer, deque()).append(batch)
            for item in dropped:
                assert model[item.peer].pop() == item
        if is_taking and number % 7 == 0:
            for item in waiting.take_together():
                assert model[item.peer].popleft() == item
        kept = [item for queue in model.values() for item in queue]
        assert (len(waiting), waiting.cost) == (len(kept), sum(item.cost for item in kept))
        assert waiting.cost <= BATCHES_BYTES_MAX
