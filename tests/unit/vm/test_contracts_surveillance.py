"""The contract ``surveillance``: each rule has a history that raises it and a near miss."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.transaction import Call
from tests.unit.vm.carbon_chain import DAY, HASH, Chain, address_of
from tests.unit.vm.market_chain import open_book
from tests.unit.vm.surveillance_chain import (
    HOUR,
    ID,
    NO_HASH,
    RULES,
    S,
    U,
    flag_of,
    group,
    hand_on,
    make_watched_chain,
    place,
    point,
    raise_self_match,
    set_rules,
    trade,
)


@pytest.fixture
def chain() -> Chain:
    return make_watched_chain()


# --- thresholds -------------------------------------------------------------------------------


def test_the_thresholds_of_genesis_are_those_of_the_page_and_a_change_is_a_version(
    chain: Chain,
) -> None:
    assert chain.view(S, "get_rules") == list(RULES.values())
    set_rules(chain, price_days=31)
    assert chain.view(S, "get_rules")[3] == 31
    assert chain.view(S, "rules_of", 1)[3] == 7
    chain.view_refused("no-version", S, "rules_of", 3)


@pytest.mark.parametrize(
    ("code", "sender", "changes"),
    [
        ("not-a-regulator", "alice", {}),
        *(
            ("bad-seconds", "regulator", {name: value})
            for name in RULES
            if name.endswith("_seconds")
            for value in (0, 366 * DAY + 1)
        ),
        ("bad-share", "regulator", {"cycle_tolerance": 0}),
        ("bad-share", "regulator", {"cycle_tolerance": 10_001}),
        ("bad-share", "regulator", {"price_deviation": 99}),
        ("bad-share", "regulator", {"price_deviation": 10_100}),
        ("bad-days", "regulator", {"price_days": 0}),
        ("bad-days", "regulator", {"price_days": 32}),
        ("bad-count", "regulator", {"price_trades": 0}),
        ("bad-count", "regulator", {"price_trades": 1001}),
        ("bad-count", "regulator", {"carousel_returns": 0}),
        ("bad-count", "regulator", {"carousel_returns": 11}),
        ("bad-count", "regulator", {"many_flags": 1}),
        ("bad-count", "regulator", {"many_flags": 21}),
        ("bad-amount", "regulator", {"young_kg": 0}),
        ("bad-amount", "regulator", {"young_kg": 10**12 + 1}),
    ],
)
def test_thresholds_have_bounds_and_a_regulator_sets_them(
    chain: Chain, code: str, sender: str, changes: dict[str, int]
) -> None:
    chain.refused(code, sender, S, "set_rules", list((RULES | changes).values()))


# --- who controls whom ------------------------------------------------------------------------


def test_a_regulator_says_who_heads_a_group_and_no_group_goes_round(chain: Chain) -> None:
    assert chain.view(ID, "control_of", "alice") == "alice"
    group(chain, "metering", "alice", "bob")
    assert chain.view(ID, "control_of", "alice") == "metering"
    assert chain.view(ID, "control_of", "metering") == "metering"
    for code, organisation, head in (
        ("not-a-head", "bank", "alice"),
        ("not-a-head", "bank", "bank"),
        ("not-a-head", "metering", "alice"),
        ("is-a-head", "metering", "bank"),
        ("same-head", "alice", "metering"),
        ("same-head", "bank", ""),
        ("no-organisation", "nobody", "bank"),
        ("no-organisation", "bank", "nobody"),
    ):
        chain.refused(code, "regulator", ID, "set_control", organisation, head)
    chain.refused("not-permitted", "bank", ID, "set_control", "bank", "metering")
    chain.ok("regulator", ID, "set_control", "alice", "bank")
    chain.refused("is-a-head", "regulator", ID, "set_control", "metering", "bank")
    chain.ok("regulator", ID, "set_control", "bob", "")
    chain.ok("regulator", ID, "set_control", "metering", "bank")
    assert chain.view(ID, "control_of", "metering") == "bank"


# --- self-match -------------------------------------------------------------------------------


def test_a_trade_inside_one_group_is_flagged_with_what_it_rests_on(chain: Chain) -> None:
    group(chain, "metering", "owner", "alice")
    number = trade(chain, "owner", "alice", 0, 100)
    traded_at, height = chain.time, chain.height
    flag = chain.ok("bob", S, "scan_self_match", "b1", number)
    assert flag_of(chain, flag) == {
        "rule": "self-match", "subjects": ["owner", "alice"],
        "facts": [["trade", "b1", number, "b1", 0, 100, "owner", "alice", 100, traded_at, height]],
        "measured": 1, "allowed": 0, "rules": 1, "note": "", "evidence_hash": b"",
        "happened_at": traded_at, "raised_at": chain.time, "height": chain.height,
        "raised_by": "bob", "case": 0,
    }  # fmt: skip
    assert [event.name for event in chain.events] == ["Flagged"]
    assert chain.view(S, "flags_about", "alice", 0, 10) == [flag]
    assert chain.view(S, "flags_about", "bob", 0, 10) == []
    assert chain.view(S, "list_flags", 0, 10) == [flag]
    assert chain.view(S, "is_flagged", [f"self-match:b1:{number}", "self-match:b1:2"]) == [
        True, False,
    ]  # fmt: skip
    chain.refused("already-flagged", "bob", S, "scan_self_match", "b1", number)


def test_a_trade_of_two_groups_is_not_and_neither_is_one_that_never_was(chain: Chain) -> None:
    group(chain, "metering", "owner")
    group(chain, "bank", "alice")
    trade(chain, "owner", "alice", 0, 100)
    chain.refused("no-common-control", "bob", S, "scan_self_match", "b1", 1)
    for number in (0, 2, -1):
        chain.refused("no-trade", "bob", S, "scan_self_match", "b1", number)
    chain.refused("no-trade", "bob", S, "scan_self_match", "nowhere", 1)


# --- price ------------------------------------------------------------------------------------


def trade_at(chain: Chain, *prices: int) -> int:
    """One kilogram at each price (in 10^-4 a kilogram), and back; the last trade's number."""
    number = 0
    for price in prices:
        number = trade(chain, "owner", "alice", 0, 1, price * 1000)
        hand_on(chain, 0, 1, "alice", "owner")
    return number


@pytest.mark.parametrize(
    ("price", "off"), [(1210, 2100), (1201, 2010), (1200, None), (800, None), (789, 2110)]
)
def test_a_price_too_far_from_the_average_of_the_days_before_is_flagged(
    chain: Chain, price: int, off: int | None
) -> None:
    trade_at(chain, 900, 1100, 1000)
    chain.time += DAY
    number = trade_at(chain, price)
    if off is None:
        chain.refused("near-average", "bob", S, "scan_price", "b1", number)
        return
    flag = flag_of(chain, chain.ok("bob", S, "scan_price", "b1", number))
    assert (flag["rule"], flag["measured"], flag["allowed"]) == ("price", off, 2000)
    assert flag["subjects"] == ["owner", "alice"]
    chain.refused("already-flagged", "bob", S, "scan_price", "b1", number)


def test_there_is_no_average_of_few_trades_of_the_same_day_or_of_long_ago(chain: Chain) -> None:
    trade_at(chain, 1000, 1000)
    chain.time += DAY
    number = trade_at(chain, 1000, 1000, 1900)
    chain.refused("no-average", "bob", S, "scan_price", "b1", number)
    chain.time += 8 * DAY
    number = trade_at(chain, 100)
    chain.refused("no-average", "bob", S, "scan_price", "b1", number)


def test_the_window_of_days_counts_to_the_day(chain: Chain) -> None:
    """Seven days before is inside; eight is not."""
    trade_at(chain, 1000, 1000, 1000)
    chain.time += 7 * DAY
    chain.ok("bob", S, "scan_price", "b1", trade_at(chain, 2000))
    chain.time += DAY
    trade_at(chain, 500)
    # Only the one trade at 2000 lies in the window now.
    chain.refused("no-average", "bob", S, "scan_price", "b1", 5)


# --- cycles -----------------------------------------------------------------------------------


def test_serials_that_come_back_through_three_owners_are_a_cycle(chain: Chain) -> None:
    numbers = [
        trade(chain, giver, taker, start, 100)
        for giver, taker, start in (
            ("owner", "alice", 0),
            ("alice", "bob", 20),
            ("bob", "owner", 50),
        )
    ]
    flag = chain.ok("bank", S, "scan_cycle", place(*numbers))
    found = flag_of(chain, flag)
    assert (found["rule"], found["subjects"]) == ("cycle", ["owner", "alice", "bob"])
    assert (found["measured"], found["allowed"]) == (3, 1)
    assert [fact[4:6] for fact in found["facts"]] == [[0, 100], [20, 100], [50, 100]]
    chain.refused("already-flagged", "bank", S, "scan_cycle", place(*numbers))


def test_two_may_pass_the_same_serials_to_and_fro_once_and_it_is_a_cycle(chain: Chain) -> None:
    there = trade(chain, "owner", "alice", 0, 100)
    back = trade(chain, "alice", "owner", 99, 100)
    chain.ok("bank", S, "scan_cycle", place(there, back))


def test_two_who_trade_other_serials_of_like_amounts_only_make_a_market(chain: Chain) -> None:
    there = trade(chain, "owner", "alice", 0, 100)
    hand_on(chain, 100, 200, "owner", "bob")
    hand_on(chain, 100, 200, "bob", "alice")
    back = trade(chain, "alice", "owner", 100, 200)
    chain.refused("not-the-same", "bank", S, "scan_cycle", place(there, back))


@pytest.mark.parametrize(("kg", "is_cycle"), [(95, True), (94, False), (100, True)])
def test_three_parties_with_like_amounts_of_one_class_are_a_cycle(
    chain: Chain, kg: int, is_cycle: bool
) -> None:
    hand_on(chain, 200, 400, "owner", "alice")
    hand_on(chain, 400, 600, "owner", "bob")
    numbers = (
        trade(chain, "owner", "alice", 0, 100),
        trade(chain, "alice", "bob", 200, 200 + kg),
        trade(chain, "bob", "owner", 400, 500),
    )
    if is_cycle:
        chain.ok("bank", S, "scan_cycle", place(*numbers))
    else:
        chain.refused("not-the-same", "bank", S, "scan_cycle", place(*numbers))


def test_a_cycle_may_run_over_two_books_and_through_one_group(chain: Chain) -> None:
    open_book(chain, "b2")
    group(chain, "metering", "alice", "bob")
    there = trade(chain, "owner", "alice", 0, 100)
    hand_on(chain, 0, 100, "alice", "bob")
    back = trade(chain, "bob", "owner", 0, 100, book="b2")
    chain.refused("not-a-cycle", "bank", S, "scan_cycle", place(there) + place(there))
    chain.ok("bank", S, "scan_cycle", [["b1", there], ["b2", back]])


@pytest.mark.parametrize(
    ("code", "wait", "order"),
    [
        ("", 3 * DAY - 6, (0, 1, 2)),
        ("outside-window", 3 * DAY, (0, 1, 2)),
        ("not-in-order", 10, (1, 2, 0)),
        ("not-a-cycle", 10, (0, 2, 1)),
        ("not-a-cycle", 10, (0, 1)),
        ("not-a-cycle", 10, (0, 1, 2, 0, 1, 2)),
        ("bad-list", 10, (0,)),
        ("bad-list", 10, (0, 1, 2, 0, 1, 2, 0)),
    ],
)
def test_cycles_have_an_order_a_window_and_every_seller_once(
    chain: Chain, code: str, wait: int, order: tuple[int, ...]
) -> None:
    """The first trade and the last lie 2 x 2 blocks of a second and ``wait`` apart."""
    numbers = [trade(chain, "owner", "alice", 0, 100), trade(chain, "alice", "bob", 0, 100)]
    chain.time += wait
    numbers.append(trade(chain, "bob", "owner", 0, 100))
    places = place(*(numbers[index] for index in order))
    if code:
        chain.refused(code, "bank", S, "scan_cycle", places)
    else:
        chain.ok("bank", S, "scan_cycle", places)


def test_the_window_of_a_cycle_ends_with_its_last_second(chain: Chain) -> None:
    set_rules(chain, cycle_seconds=100)
    there = trade(chain, "owner", "alice", 0, 100)
    chain.time += 98
    back = trade(chain, "alice", "owner", 0, 100)
    flag = flag_of(chain, chain.ok("bank", S, "scan_cycle", place(there, back)))
    times = [fact[9] for fact in flag["facts"]]
    assert times[1] - times[0] == 100
    assert flag["rules"] == 2
    there = trade(chain, "owner", "alice", 0, 100)
    chain.time += 99
    back = trade(chain, "alice", "owner", 0, 100)
    chain.refused("outside-window", "bank", S, "scan_cycle", place(there, back))


# --- carousel ---------------------------------------------------------------------------------


def test_serials_that_keep_coming_back_are_a_carousel(chain: Chain) -> None:
    hand_on(chain, 0, 100, "owner", "alice", "bob", "owner")
    chain.refused("few-returns", "bank", S, "scan_carousel", point(chain, 50))
    hand_on(chain, 0, 50, "owner", "alice")
    flag = flag_of(chain, chain.ok("bank", S, "scan_carousel", point(chain, 0)))
    assert (flag["rule"], flag["measured"], flag["allowed"]) == ("carousel", 2, 1)
    assert sorted(flag["subjects"]) == ["alice", "bob", "owner"]
    # The same move, claimed by another of its serials, is the same flag.
    chain.refused("already-flagged", "bank", S, "scan_carousel", point(chain, 49))
    chain.refused("few-returns", "bank", S, "scan_carousel", point(chain, 50))


def test_only_a_return_itself_is_flagged_and_the_claim_may_come_later(chain: Chain) -> None:
    hand_on(chain, 0, 100, "owner", "alice", "owner", "alice")
    returned = point(chain, 0)
    hand_on(chain, 0, 100, "alice", "bob")
    chain.refused("not-a-return", "bank", S, "scan_carousel", point(chain, 0))
    chain.ok("bank", S, "scan_carousel", returned)


def test_moves_inside_a_group_and_long_ago_do_not_turn_the_carousel(chain: Chain) -> None:
    group(chain, "metering", "owner", "alice")
    hand_on(chain, 0, 100, "owner", "alice", "owner", "alice")
    chain.refused("not-a-return", "bank", S, "scan_carousel", point(chain, 0))
    hand_on(chain, 0, 100, "alice", "bob", "owner", "bob")
    chain.time += 30 * DAY
    hand_on(chain, 0, 100, "bob", "alice")
    # What came back before lies outside: bob -> alice is all that the window sees.
    chain.refused("not-a-return", "bank", S, "scan_carousel", point(chain, 0))


def test_the_window_of_the_carousel_ends_with_its_last_second(chain: Chain) -> None:
    for seconds, code in ((100, ""), (99, "few-returns")):
        set_rules(chain, carousel_seconds=seconds)
        start = seconds
        hand_on(chain, start, start + 1, "owner", "alice")
        first = chain.time
        hand_on(chain, start, start + 1, "alice", "owner", "alice")
        chain.time = first + 99
        hand_on(chain, start, start + 1, "alice", "owner")
        assert chain.time == first + 100
        # owner>alice | alice>owner (1) owner>alice (2) alice>owner (3)
        set_rules(chain, carousel_seconds=seconds, carousel_returns=3)
        claim = point(chain, start)
        if code:
            chain.refused(code, "bank", S, "scan_carousel", claim)
        else:
            chain.ok("bank", S, "scan_carousel", claim)


@pytest.mark.parametrize(
    ("code", "step"), [("not-a-transfer", 1), ("no-step", 9), ("no-step", 0), ("no-step", -1)]
)
def test_a_carousel_names_a_transfer_that_was(chain: Chain, code: str, step: int) -> None:
    hand_on(chain, 0, 100, "owner", "alice", "owner")
    chain.refused(code, "bank", S, "scan_carousel", ["b1", 0, step])
    chain.refused("no-lot", "bank", S, "scan_carousel", ["b1", 10**9, 1])


# --- young accounts ---------------------------------------------------------------------------

NEW = address_of("newcomer")
LARGE = 100_000


def make_newcomer(chain: Chain) -> None:
    chain.ok("regulator", ID, "register", "newcomer", "Newcomer", "CN", ["enterprise"], [NEW])


def pass_on(chain: Chain, start: int, end: int, wait: int = 0) -> list[Any]:
    """Owner to newcomer to bob, ``wait`` seconds later; where the resale is found."""
    chain.ok("owner", U, "transfer", "b1", start, end, "newcomer")
    chain.time += max(wait - 1, 0)
    chain.ok(NEW, U, "transfer", "b1", start, end, "bob")
    return point(chain, start)


@pytest.fixture(scope="module")
def large() -> Chain:
    """Shared: each test uses serials of its own."""
    chain = make_watched_chain(2_000_000)
    make_newcomer(chain)
    return chain


def test_a_newcomer_that_passes_a_large_lot_on_is_flagged(large: Chain) -> None:
    claim = pass_on(large, 1000, 1000 + LARGE, 48 * HOUR)
    flag = flag_of(large, large.ok("bank", S, "scan_young_account", "newcomer", [claim]))
    assert (flag["rule"], flag["subjects"]) == ("young-account", ["newcomer"])
    assert (flag["measured"], flag["allowed"]) == (LARGE, LARGE - 1)
    large.refused("already-flagged", "bank", S, "scan_young_account", "newcomer", [claim])


def test_pieces_add_up_and_none_counts_twice(large: Chain) -> None:
    base = 200_000
    claims = [pass_on(large, base + n * 25_000, base + (n + 1) * 25_000) for n in range(4)]
    scan = (S, "scan_young_account", "newcomer")
    large.refused("not-large", "bank", *scan, claims[:3])
    large.refused("already-flagged", "bank", *scan, [*claims[:3], claims[0]])
    # Another serial of the same resale is the same resale.
    again = ["b1", base + 24_999, claims[0][2]]
    large.refused("already-flagged", "bank", *scan, [*claims[:3], again])
    large.ok("bank", *scan, claims)


def test_only_what_was_both_got_and_passed_on_counts(large: Chain) -> None:
    """A large lot bought, of which a small part was resold in time; then a kilogram less."""
    base = 400_000
    large.ok("owner", U, "transfer", "b1", base, base + LARGE, "newcomer")
    large.ok(NEW, U, "transfer", "b1", base, base + LARGE - 1, "bob")
    large.refused("not-large", "bank", S, "scan_young_account", "newcomer", [point(large, base)])


def test_held_longer_than_48_hours_is_no_resale_at_once(large: Chain) -> None:
    claim = pass_on(large, 600_000, 600_000 + LARGE, 48 * HOUR + 1)
    large.refused("held-longer", "bank", S, "scan_young_account", "newcomer", [claim])


def test_an_issue_is_no_purchase_and_others_resales_are_not_its_own(large: Chain) -> None:
    scan = (S, "scan_young_account")
    large.ok("owner", U, "transfer", "b1", 800_000, 900_000, "alice")
    claim = point(large, 800_000)
    large.refused("not-acquired", "bank", *scan, "owner", [claim])
    large.refused("not-its-resale", "bank", *scan, "newcomer", [claim])
    large.refused("bad-list", "bank", *scan, "newcomer", [])
    large.refused("bad-list", "bank", *scan, "newcomer", [claim] * 17)
    large.refused("no-organisation", "bank", *scan, "nobody", [claim])
    large.refused("not-its-resale", "bank", *scan, "owner", [["b1", 800_000, 1]])


def test_a_lock_between_purchase_and_resale_hides_nothing(large: Chain) -> None:
    base = 1_000_000
    large.ok("owner", U, "transfer", "b1", base, base + LARGE, "newcomer")
    large.ok(NEW, U, "lock", "b1", base, base + LARGE, "order", "bob", "")
    large.ok("bob", U, "unlock", "b1", base, base + LARGE)
    large.ok(NEW, U, "split", "b1", base + 1)
    large.ok(NEW, U, "merge", "b1", base + 1)
    large.ok(NEW, U, "transfer", "b1", base, base + LARGE, "bob")
    large.ok("bank", S, "scan_young_account", "newcomer", [point(large, base)])


def test_only_the_last_two_hundred_owners_are_looked_at(large: Chain) -> None:
    """A serial that changed hands more often than that cannot be claimed further back."""
    start, end = 1_200_000, 1_200_000 + LARGE
    claim = pass_on(large, start, end)
    for giver, taker in [("bob", "alice"), ("alice", "bob")] * 99:
        large.ok(giver, U, "transfer", "b1", start, end, taker)
    large.ok("bob", U, "transfer", "b1", start, end, "alice")
    scan = (S, "scan_young_account", "newcomer")
    large.refused("not-acquired", "bank", *scan, [claim])
    large.ok("alice", U, "transfer", "b1", start, end, "bob")
    large.refused("no-step", "bank", *scan, [claim])


def test_hundreds_of_locks_hide_no_resale(large: Chain) -> None:
    start, end = 1_400_000, 1_400_000 + LARGE
    large.ok("owner", U, "transfer", "b1", start, end, "newcomer")
    pair = (
        Call(U, "lock", ("b1", start, end, "order", "newcomer", "")),
        Call(U, "unlock", ("b1", start, end)),
    )
    for _ in range(3):
        receipts, _ = large.run(large.make(NEW, *(pair * 50), gas=10_000_000))
        assert receipts[0].status == "ok", receipts[0]
    large.ok(NEW, U, "transfer", "b1", start, end, "bob")
    assert len(large.view(U, "trace", "b1", start, 200)) == 200
    large.ok("bank", S, "scan_young_account", "newcomer", [point(large, start)])


def test_thirty_days_after_its_registration_nobody_is_young() -> None:
    for wait, code in ((30 * DAY - 2, ""), (30 * DAY - 1, "not-young")):
        chain = make_watched_chain(2_000_000)
        make_newcomer(chain)
        chain.time += wait
        claim = pass_on(chain, 1000, 1000 + LARGE)
        if code:
            chain.refused(code, "bank", S, "scan_young_account", "newcomer", [claim])
        else:
            chain.ok("bank", S, "scan_young_account", "newcomer", [claim])


# --- many flags -------------------------------------------------------------------------------


def test_five_flags_in_the_window_are_one_more(chain: Chain) -> None:
    group(chain, "metering", "owner", "alice")
    numbers = [raise_self_match(chain, n) for n in range(5)]
    scan = (S, "scan_many_flags", "alice")
    chain.refused("few-flags", "bank", *scan, numbers[:4])
    chain.refused("few-flags", "bank", *scan, numbers * 5)
    chain.refused("already-flagged", "bank", *scan, [*numbers[:4], numbers[0]])
    chain.refused("no-flag", "bank", *scan, [*numbers[:4], 99])
    chain.refused("not-its-flag", "bank", S, "scan_many_flags", "bob", numbers)
    flag = chain.ok("bank", *scan, numbers)
    found = flag_of(chain, flag)
    assert (found["measured"], found["allowed"], found["subjects"]) == (5, 4, ["alice"])
    assert [fact[2] for fact in found["facts"]] == numbers
    chain.refused("already-flagged", "bank", *scan, numbers)
    # A flag about flags counts for no other, and the other party has its own count.
    more = [raise_self_match(chain, n) for n in range(5, 9)]
    chain.refused("not-counted", "bank", *scan, [*more, flag])
    chain.ok("bank", S, "scan_many_flags", "owner", numbers)


def test_what_was_dismissed_reported_or_long_ago_does_not_add_up(chain: Chain) -> None:
    group(chain, "metering", "owner", "alice")
    numbers = [raise_self_match(chain, n) for n in range(4)]
    chain.time += 30 * DAY
    late = raise_self_match(chain, 4)
    reported = chain.ok("regulator", S, "report", ["alice"], "a letter", HASH)
    scan = (S, "scan_many_flags", "alice")
    chain.refused("outside-window", "bank", *scan, [*numbers, late])
    chain.refused("not-counted", "bank", *scan, [*numbers, reported])
    fifth = raise_self_match(chain, 5)
    set_rules(chain, many_flags=2)
    case = chain.ok("regulator", S, "open_case", "wash", [late])
    chain.ok("regulator", S, "assign", case, "regulator")
    chain.ok("regulator", S, "resolve", case, False, "one desk, two books")
    chain.refused("dismissed", "bank", *scan, [late, fifth])
    chain.ok("regulator", S, "reopen", case, "a new letter")
    chain.ok("bank", *scan, [late, fifth])


def test_the_window_of_many_flags_goes_by_what_happened_not_by_when_it_was_found(
    chain: Chain,
) -> None:
    group(chain, "metering", "owner", "alice")
    set_rules(chain, many_flags=2, many_seconds=100)
    first = trade(chain, "owner", "alice", 0, 1)
    chain.time += 98
    second = trade(chain, "owner", "alice", 1, 2)
    chain.time += 99
    third = trade(chain, "owner", "alice", 2, 3)
    flags = [
        chain.ok("bob", S, "scan_self_match", "b1", number) for number in (third, second, first)
    ]
    chain.refused("outside-window", "bank", S, "scan_many_flags", "alice", flags[:2])
    chain.ok("bank", S, "scan_many_flags", "alice", flags[1:])


# --- reported ---------------------------------------------------------------------------------


def test_a_regulator_or_a_registry_reports_what_no_rule_computes(chain: Chain) -> None:
    chain.ok("registry", S, "report", ["alice", "bob"], "period outside crediting", HASH)
    flag = chain.ok("regulator", S, "report", ["alice"], "a letter", NO_HASH)
    found = flag_of(chain, flag)
    assert (found["rule"], found["note"], found["facts"]) == ("reported", "a letter", [])
    for code, sender, subjects, note, evidence in (
        ("not-permitted", "bob", ["alice"], "x", HASH),
        ("bad-list", "regulator", [], "x", HASH),
        ("bad-list", "regulator", ["alice"] * 7, "x", HASH),
        ("no-organisation", "regulator", ["alice", "nobody"], "x", HASH),
        ("bad-text", "regulator", ["alice"], "", HASH),
        ("bad-text", "regulator", ["alice"], "x" * 513, HASH),
        ("bad-hash", "regulator", ["alice"], "x", b"x"),
    ):
        chain.refused(code, sender, S, "report", subjects, note, evidence)
    chain.view_refused("no-flag", S, "get_flag", 3)
    chain.view_refused("bad-limit", S, "is_flagged", ["x"] * 201)
    chain.view_refused("bad-limit", S, "list_flags", 0, 101)
    chain.view_refused("bad-limit", S, "flags_about", "alice", 0, 0)
