"""The outgoing queues, token buckets and back-off."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from p2p.frames import Lane
from p2p.outbox import Outbox, Push
from p2p.rates import TokenBucket, compute_backoff_s

BOUNDS = (100, 100, 100)


def test_a_vote_overtakes_everything_that_has_not_begun() -> None:
    outbox = Outbox((1000, 1000, 1000))
    outbox.push(Lane.TRANSACTIONS, b"t" * 30)
    outbox.push(Lane.BLOCKS, b"b" * 30)
    outbox.push(Lane.CONSENSUS, b"v" * 30)
    assert outbox.pop(1000) == b"v" * 30 + b"b" * 30 + b"t" * 30


def test_a_begun_frame_is_finished_before_a_vote() -> None:
    outbox = Outbox((1000, 1000, 1000))
    outbox.push(Lane.BLOCKS, b"b" * 30)
    assert outbox.pop(10) == b"b" * 10
    outbox.push(Lane.CONSENSUS, b"v")
    assert outbox.pop(30) == b"b" * 20 + b"v"
    assert outbox.pop(30) == b""


def test_bytes_are_counted_by_lane_with_the_rest_of_a_begun_frame() -> None:
    outbox = Outbox((1000, 1000, 1000))
    outbox.push(Lane.TRANSACTIONS, b"t" * 30)
    outbox.push(Lane.BLOCKS, b"b" * 20)
    assert outbox.lane_bytes == (0, 20, 30)
    outbox.pop(25)
    outbox.push(Lane.CONSENSUS, b"v")
    assert outbox.lane_bytes == (1, 0, 25)
    assert outbox.queued_bytes == 26
    outbox.pop(1000)
    assert outbox.lane_bytes == (0, 0, 0)


def test_a_flood_of_transactions_takes_no_room_from_votes() -> None:
    outbox = Outbox(BOUNDS)
    for _ in range(100):
        outbox.push(Lane.TRANSACTIONS, b"t" * 10)
    assert outbox.push(Lane.CONSENSUS, b"v" * 100) is Push.QUEUED
    assert outbox.queued_bytes <= 200
    assert outbox.dropped == 90


def test_each_lane_has_its_own_answer_to_being_full() -> None:
    outbox = Outbox(BOUNDS)
    for lane in Lane:
        assert outbox.push(lane, bytes((lane,)) * 100) is Push.QUEUED
    assert outbox.push(Lane.CONSENSUS, b"x") is Push.OVERFLOW
    assert outbox.push(Lane.BLOCKS, b"x") is Push.REFUSED
    assert outbox.push(Lane.TRANSACTIONS, b"x") is Push.QUEUED
    assert outbox.pop(1000) == b"\0" * 100 + b"\1" * 100 + b"x"


def test_a_frame_larger_than_its_queue_is_refused_and_drops_nothing() -> None:
    outbox = Outbox(BOUNDS)
    outbox.push(Lane.TRANSACTIONS, b"t")
    assert outbox.push(Lane.TRANSACTIONS, b"x" * 101) is Push.REFUSED
    assert outbox.pop(1000) == b"t"


@given(
    st.lists(st.tuples(st.sampled_from(list(Lane)), st.binary(min_size=1, max_size=20))),
    st.integers(1, 40),
)
def test_slices_lose_nothing_and_keep_the_order_within_a_lane(
    frames: list[tuple[Lane, bytes]], step: int
) -> None:
    outbox = Outbox((10_000, 10_000, 10_000))
    for lane, frame in frames:
        outbox.push(lane, frame)
    expected = b"".join(frame for lane in Lane for at, frame in frames if at is lane)
    got = b""
    while piece := outbox.pop(step):
        assert len(piece) <= step
        got += piece
    assert got == expected
    assert outbox.queued_bytes == 0


def test_a_new_link_takes_over_whole_frames_but_not_the_begun_one() -> None:
    old, new = Outbox((1000, 1000, 1000)), Outbox((1000, 1000, 1000))
    old.push(Lane.BLOCKS, b"begun" * 4)
    old.pop(3)
    old.push(Lane.BLOCKS, b"whole")
    old.push(Lane.CONSENSUS, b"vote")
    new.take_over(old)
    assert new.pop(1000) == b"votewhole"
    assert old.pop(1000) == (b"begun" * 4)[3:]


def test_a_bucket_allows_the_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=10, burst=5, now=0.0)
    assert [bucket.take(1, 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.take(1, 0.1)
    assert not bucket.take(1, 0.1)
    assert [bucket.take(1, 100.0) for _ in range(6)] == [True] * 5 + [False]


def test_a_debt_says_how_long_to_wait_and_a_clock_going_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=10, burst=10, now=5.0)
    assert bucket.charge(10, 5.0) == 0
    assert bucket.charge(20, 5.0) == 2.0
    assert bucket.charge(0, 4.0) == 2.0
    assert bucket.charge(0, 6.0) == 1.0


def test_back_off_doubles_is_capped_and_is_jittered_by_half() -> None:
    rng = random.Random(1)
    for attempt, ceiling in [(0, 0.25), (1, 0.5), (4, 4.0), (10, 15.0), (10_000, 15.0)]:
        waits = [compute_backoff_s(attempt, 0.25, 15.0, rng) for _ in range(200)]
        assert ceiling / 2 <= min(waits) < max(waits) <= ceiling
        assert max(waits) - min(waits) > ceiling / 4
