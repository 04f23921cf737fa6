"""The pool: bounds, order, expiry, and that its books always balance."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.mempool import (
    MISFITS_MAX,
    RETRY_MS_MAX,
    SENDER_MISFITS_MAX,
    IdCache,
    IdState,
    Mempool,
    MempoolLimits,
    SelectionLimits,
)
from node.refusal import RefusalReason
from primitives.hashing import Address, Hash, TransactionId
from primitives.transaction import Call, Transaction, TransactionBody

LIMITS = MempoolLimits(transactions_max=10, bytes_max=5_000, sender_transactions_max=4)
SELECTION = SelectionLimits(
    transactions_max=100,
    bytes_max=1_000_000,
    gas_max=1_000_000,
    transaction_gas_max=500_000,
    window_blocks=100,
)


def make(
    number: int, *, sender: int = 0, size: int = 100, valid_until: int = 50, gas: int = 1_000
) -> Transaction:
    """A transaction as the pool sees it: its bytes' content does not matter here."""
    body = TransactionBody(
        version=1,
        chain_id=Hash(bytes(32)),
        sender=Address(sender.to_bytes(32, "big")),
        nonce=number.to_bytes(8, "big"),
        valid_until=valid_until,
        gas_limit=gas,
        calls=(Call("notes", "put", ()),),
    )
    return Transaction(TransactionId(number.to_bytes(32, "big")), body, bytes(size))


def test_transactions_are_selected_first_in_first_out() -> None:
    pool = Mempool(MempoolLimits(100, 100_000, 100))
    items = [make(number, sender=number % 3) for number in (5, 1, 9, 2)]
    assert pool.add(items) == [None] * 4
    assert pool.select(1, SELECTION) == items


def test_a_full_pool_refuses_with_a_time_to_come_back_and_keeps_what_it_has() -> None:
    pool = Mempool(LIMITS)
    pool.add([make(number, sender=number) for number in range(10)])
    refusal = pool.add([make(99, sender=99)])[0]
    assert refusal is not None
    assert refusal.reason is RefusalReason.FULL
    assert refusal.retry_after_ms == RETRY_MS_MAX
    pool.note_rate(1_000_000)
    faster = pool.add([make(99, sender=99)])[0]
    assert faster is not None
    assert faster.retry_after_ms is not None
    assert faster.retry_after_ms < RETRY_MS_MAX
    assert len(pool) == 10


def test_bytes_are_bounded_too() -> None:
    pool = Mempool(LIMITS)
    items = [make(1, sender=1, size=4_000), make(2, sender=2, size=1_000)]
    assert pool.add(items) == [None] * 2
    refusal = pool.add([make(3, sender=3, size=1)])[0]
    assert refusal is not None
    assert refusal.reason is RefusalReason.FULL


def test_one_sender_cannot_take_the_whole_pool() -> None:
    pool = Mempool(LIMITS)
    outcomes = pool.add([make(number, sender=7) for number in range(5)])
    assert outcomes[:4] == [None] * 4
    assert outcomes[4] is not None
    assert outcomes[4].reason is RefusalReason.SENDER_FULL
    assert pool.add([make(50, sender=8)]) == [None]
    pool.commit(1, [make(0).id])
    assert pool.add([make(4, sender=7)]) == [None]


def test_the_same_transaction_waits_only_once() -> None:
    pool = Mempool(LIMITS)
    refusal = pool.add([make(1), make(1)])[1]
    assert refusal is not None
    assert refusal.reason is RefusalReason.DUPLICATE


def test_what_can_enter_no_further_block_leaves_and_is_named() -> None:
    pool = Mempool(LIMITS)
    pool.add([make(1, valid_until=5), make(2, valid_until=6)])
    assert pool.commit(4, []) == []
    assert pool.commit(5, []) == [make(1).id]
    assert pool.get(make(2).id) is not None
    late = pool.add([make(3, valid_until=5)])[0]
    assert late is not None
    assert late.reason is RefusalReason.EXPIRED


def test_a_jump_over_many_heights_expires_everything_passed() -> None:
    pool = Mempool(LIMITS)
    pool.add([make(number, sender=number, valid_until=10 + number) for number in range(10)])
    assert len(pool.commit(1_000_000, [])) == 10
    assert len(pool) == 0
    assert pool.bytes == 0


def test_selection_respects_count_bytes_and_gas() -> None:
    pool = Mempool(MempoolLimits(100, 100_000, 100))
    pool.add([make(number, size=100, gas=10) for number in range(20)])
    few = SelectionLimits(3, 10_000, 1_000, 1_000, 100)
    small = SelectionLimits(100, 250, 1_000, 1_000, 100)
    cheap = SelectionLimits(100, 10_000, 45, 1_000, 100)
    assert [len(pool.select(1, limits)) for limits in (few, small, cheap)] == [3, 2, 4]


def test_selection_skips_what_is_excluded_or_does_not_fit_now() -> None:
    pool = Mempool(MempoolLimits(100, 100_000, 100))
    items = [make(1), make(2, gas=600_000), make(3, valid_until=300), make(4)]
    pool.add(items)
    assert pool.select(1, SELECTION) == [items[0], items[3]]
    assert pool.select(1, SELECTION, exclude={items[0].id}) == [items[3]]


def test_selection_looks_at_a_bounded_number_of_misfits() -> None:
    pool = Mempool(MempoolLimits(10_000, 1_000_000, 10_000))
    pool.add([make(number, gas=600_000) for number in range(SENDER_MISFITS_MAX + 1)])
    good = [make(5_000), make(5_001, sender=1)]
    pool.add(good)
    assert pool.select(1, SELECTION) == good[1:]
    assert len(pool.drop_unfit(SELECTION)) == SENDER_MISFITS_MAX + 1
    assert pool.select(1, SELECTION) == good
    senders = MISFITS_MAX // SENDER_MISFITS_MAX + 1
    late = make(6_000, sender=senders + 10)
    pool = Mempool(MempoolLimits(10_000, 1_000_000, 10_000))
    for sender in range(senders):
        first = 100 * (sender + 1)
        numbers = range(first, first + SENDER_MISFITS_MAX + 1)
        pool.add([make(number, sender=sender, gas=600_000) for number in numbers])
    pool.add([late])
    assert pool.select(1, SELECTION) == []


def test_dear_transactions_of_one_sender_do_not_starve_the_others() -> None:
    pool = Mempool(MempoolLimits(10_000, 10_000_000, 5_000))
    pool.add([make(number, sender=1, gas=500_000) for number in range(1_000)])
    cheap = [make(5_000 + number, sender=2, gas=10_000) for number in range(100)]
    pool.add(cheap)
    chosen = pool.select(1, SELECTION)
    assert [item.id for item in chosen if item.body.sender[-1] == 1] == [make(0).id]
    assert len(chosen) == 1 + SELECTION.gas_max // 2 // 10_000


def test_many_transactions_of_one_sender_leave_half_a_block_to_another() -> None:
    pool = Mempool(MempoolLimits(10_000, 10_000_000, 5_000))
    pool.add([make(number, sender=1) for number in range(1_000)])
    pool.add([make(5_000 + number, sender=2) for number in range(1_000)])
    chosen = pool.select(1, SELECTION)
    assert [item.body.sender[-1] for item in chosen] == [1] * 50 + [2] * 50
    assert [item.id for item in chosen[50:]] == [make(5_000 + number).id for number in range(50)]


def test_a_handful_that_take_all_they_get_leave_room_to_a_newcomer() -> None:
    pool = Mempool(MempoolLimits(1_000, 1_000_000, 10_000))
    number = 0
    for sender in range(6):
        while pool.add([make(number := number + 1, sender=sender, size=10)]) == [None]:
            pass
    refusal = pool.add([make(number := number + 1, sender=0, size=10)])[0]
    assert refusal is not None
    assert refusal.reason is RefusalReason.SENDER_FULL
    assert pool.add([make(number + 1, sender=99, size=10)]) == [None]


def test_a_few_large_transactions_of_one_sender_leave_bytes_to_others() -> None:
    pool = Mempool(MempoolLimits(1_000, 1_000_000, 1_000))
    number = 0
    while pool.add([make(number := number + 1, sender=1, size=100_000)]) == [None]:
        pass
    assert pool.bytes <= 600_000
    assert pool.add([make(number + 1, sender=2, size=100_000)]) == [None]


def test_the_cache_of_ids_is_bounded_and_remembers_the_latest() -> None:
    cache = IdCache(1_000)
    ids = [make(number).id for number in range(10_000)]
    cache.put(ids, IdState.VERIFIED)
    assert len(cache) <= 1_000
    assert all(cache.get(item) is IdState.VERIFIED for item in ids[-400:])
    assert cache.get(ids[0]) is IdState.UNKNOWN
    cache.put(ids[-1:], IdState.COMMITTED)
    assert cache.get(ids[-1]) is IdState.COMMITTED


_STEP = st.one_of(
    st.tuples(
        st.just("add"),
        st.integers(0, 40),
        st.integers(0, 4),
        st.integers(1, 900),
        st.integers(1, 30),
    ),
    st.tuples(st.just("commit"), st.lists(st.integers(0, 40), max_size=6), st.integers(0, 4)),
    st.tuples(st.just("drop"), st.integers(1, 900)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_STEP, max_size=60))
def test_the_books_balance_after_any_history(steps: list[tuple[object, ...]]) -> None:
    pool, height = Mempool(LIMITS), 0
    model: dict[bytes, Transaction] = {}
    for step in steps:
        if step[0] == "add":
            _, number, sender, size, until = step
            item = make(number, sender=sender, size=size, valid_until=until)  # type: ignore[arg-type]  # drawn as integers
            of_sender = [held for held in model.values() if held.body.sender == item.body.sender]
            refusal = pool.add([item])[0]
            if refusal is None:
                assert len(of_sender) < LIMITS.transactions_max - len(model)
                assert (
                    sum(len(held.encoded) for held in of_sender)
                    < LIMITS.bytes_max - sum(len(held.encoded) for held in model.values())
                    or not of_sender
                )
                assert item.id not in model
                assert item.body.valid_until > height
                model[item.id] = item
            else:
                assert item.id not in model or refusal.reason is RefusalReason.DUPLICATE
        elif step[0] == "commit":
            _, numbers, more = step
            height += more  # type: ignore[operator]  # drawn as an integer
            ids = [make(number).id for number in numbers]  # type: ignore[attr-defined]  # a list
            for item_id in ids:
                model.pop(item_id, None)
            expired = set(pool.commit(height, ids))
            assert expired == {k for k, v in model.items() if v.body.valid_until <= height}
            for item_id in expired:
                del model[item_id]
        else:
            limits = SelectionLimits(100, step[1], 10**6, 10**6, 1_000)  # type: ignore[arg-type]  # an integer
            for item_id in pool.drop_unfit(limits):
                del model[item_id]
        assert len(pool) == len(model) <= LIMITS.transactions_max
        assert pool.bytes == sum(len(item.encoded) for item in model.values())
        assert pool.bytes <= LIMITS.bytes_max
        everything = SelectionLimits(1_000, 10**9, 10**9, 10**9, 10**6)
        assert pool.select(height + 1, everything) == list(model.values())
