"""Who leads: turns by height and view, and who is passed over after missing a turn."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from primitives.errors import CodecError
from primitives.hashing import Address
from primitives.leaders import (
    LEADERS,
    NO_MISSES,
    PERIOD_DOUBLINGS_MAX,
    Leaders,
    MissedTurns,
)
from primitives.validators import Validator, ValidatorSet


def make_set(size: int) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(f"v{n}", key_of(n)) for n in range(size)))


def key_of(number: int) -> Address:
    return Address(bytes((number,)) * 32)


def run_chain(size: int, dead: set[int], heights: int) -> list[int]:
    """Return the view in which each height became final when ``dead`` never lead."""
    validators, leaders, views = make_set(size), NO_MISSES, [0]
    for height in range(1, heights + 1):
        view = next(
            v for v in range(size) if leaders.compute_leader(validators, height, v) not in dead
        )
        if height > 1:
            leaders = leaders.advance(validators, height, views[-1])
        views.append(view)
    return views[1:]


@pytest.mark.parametrize("size", [1, 4, 7])
def test_the_leader_turns_with_every_height_and_every_view(size: int) -> None:
    validators = make_set(size)
    everyone = set(range(size))
    assert {NO_MISSES.compute_leader(validators, n, 0) for n in range(size)} == everyone
    assert {NO_MISSES.compute_leader(validators, 9, n) for n in range(size)} == everyone
    assert NO_MISSES.compute_leader(validators, 5, 3) == 8 % size


def test_nobody_is_passed_over_while_every_block_is_final_in_view_0() -> None:
    assert run_chain(7, set(), 100) == [0] * 100


def test_a_dead_validator_costs_fewer_and_fewer_views() -> None:
    """Every fourth height without the rule; with it the pauses double up to 256 heights."""
    views = run_chain(4, {2}, 2_000)
    missed = [height for height, view in enumerate(views, 1) if view]
    assert set(views) == {0, 1}
    pauses = [later - earlier for earlier, later in pairwise(missed)]
    assert missed[0] == 2
    assert all(pause >= 4 for pause in pauses)
    for doubling in range(PERIOD_DOUBLINGS_MAX + 1):
        period = 4 << doubling
        # The view is read from the next block, and the validator's turn comes within three.
        assert period <= pauses[doubling] <= period + 5
    assert all(4 << PERIOD_DOUBLINGS_MAX <= pause <= 261 for pause in pauses[7:])


def test_two_dead_of_seven_are_both_passed_over() -> None:
    views = run_chain(7, {1, 5}, 3_000)
    assert sum(view > 0 for view in views[1_000:]) <= 2 * 2_000 // (7 << PERIOD_DOUBLINGS_MAX) + 2


def test_a_validator_that_leads_again_is_forgiven() -> None:
    validators = make_set(4)
    missed = NO_MISSES.advance(validators, 2, 1)  # at height 1 validator 1 missed, 2 led
    assert missed.records == (MissedTurns(key_of(1), 1, 2 + 1 + 4),)
    back = Leaders(missed.records, missed.records)
    leader = back.compute_leader(validators, 9, 0)
    assert leader == 1
    assert back.advance(validators, 10, 0).records == ()
    assert back.advance(validators, 10, 1).records == (MissedTurns(key_of(1), 2, 10 + 1 + 8),)


def test_a_passed_over_validator_does_not_lead_before_the_height_at_which_it_resumes() -> None:
    validators = make_set(4)
    leaders = Leaders((MissedTurns(key_of(1), 1, 9),))
    for height in range(2, 9):
        assert leaders.compute_leader(validators, height, 0) != 1
        assert leaders.compute_leader(validators, height, 3) == 1
    assert leaders.compute_leader(validators, 9, 0) == 1


def test_at_most_f_are_passed_over_and_those_with_the_most_misses() -> None:
    validators = make_set(7)
    records = tuple(MissedTurns(key_of(n), misses, 50) for n, misses in ((0, 1), (3, 5), (4, 2)))
    leaders = Leaders(records)
    firsts = {leaders.compute_leader(validators, height, 0) for height in range(1, 50)}
    assert firsts == {0, 1, 2, 5, 6}
    four = Leaders(tuple(MissedTurns(key_of(n), n, 50) for n in range(4)))
    firsts = {four.compute_leader(make_set(4), height, 0) for height in range(1, 50)}
    assert firsts == {0, 1, 2}


def test_what_is_missed_is_judged_by_the_order_in_force_at_that_height() -> None:
    """Who is passed over at height 9 has no turn in view 0 of it, and so cannot miss it."""
    validators = make_set(4)
    before = (MissedTurns(key_of(1), 1, 100),)
    led_last = Leaders((), before)
    at_nine = Leaders(before).compute_leader(validators, 9, 0)
    assert at_nine != 1
    found = led_last.advance(validators, 10, 1)
    assert [record.validator for record in found.records] == [key_of(at_nine)]


def test_views_beyond_one_round_blame_each_validator_once_and_forgive_who_led() -> None:
    found = NO_MISSES.advance(make_set(4), 2, 4_000_000_000)
    # View 4_000_000_000 of height 1 is led by validator 1.
    assert [record.validator for record in found.records] == [key_of(0), key_of(2), key_of(3)]
    assert {record.misses for record in found.records} == {1}


def test_a_new_epoch_keeps_the_records_of_those_who_stay() -> None:
    records = tuple(MissedTurns(key_of(n), 1, 50) for n in (0, 3))
    turned = Leaders(records, ()).turn_epoch(make_set(3))
    assert turned == Leaders(records[:1], records[:1])


def test_every_validator_leads_once_in_n_views_whatever_is_known() -> None:
    rng = random.Random(20261124)
    for _ in range(300):
        size = rng.randint(1, 10)
        validators = make_set(size)
        blamed = sorted(rng.sample(range(size), rng.randint(0, size)))
        leaders = Leaders(
            tuple(MissedTurns(key_of(n), rng.randint(1, 9), rng.randint(1, 40)) for n in blamed)
        )
        height, start = rng.randint(1, 40), rng.randint(0, 5) * size
        found = [leaders.compute_leader(validators, height, start + v) for v in range(size)]
        assert sorted(found) == list(range(size)), (size, leaders, height)


def test_the_row_decodes_to_what_was_encoded_and_nothing_else() -> None:
    leaders = Leaders((MissedTurns(key_of(1), 3, 70),), (MissedTurns(key_of(2), 1, 9),))
    encoded = LEADERS.encode(leaders)
    assert LEADERS.decode(encoded) == leaders
    assert encoded.hex() == "929193c420" + "01" * 32 + "0346" + "9193c420" + "02" * 32 + "0109"
    with pytest.raises(CodecError):
        LEADERS.decode(encoded + b"\0")
