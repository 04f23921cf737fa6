"""Each function of the library against an exact twin: fractions, datetime, math, sets."""

from __future__ import annotations

import itertools
import math
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vm.library_bench import WORDS, get_bench, reverted, run
from vm.inclusion import DIGESTS, load_module

ROUNDINGS = ("down", "up", "half-even")
INTS = st.integers(-(10**18), 10**18)
DATES = st.dates(date(1, 1, 1), date(9999, 12, 31))
CALCULATORS = {
    "lib.quantities.v1", "lib.combustion.v1", "lib.electricity.v1", "lib.sinks.v1",
    "lib.uncertainty.v1", "lib.crediting.v1", "lib.cbam.v1", "lib.heat.v1",
    "lib.measurement.v1",
}  # fmt: skip
"""Tested in test_calculators_*.py, each function and each refusal."""
RECORDS = "lib.records.v1"
"""Has no function; the shipped contracts' tests read each record on both sides."""


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """So that no example pays for the compiler."""
    for module in WORDS:
        get_bench(module)


def round_exactly(value: Fraction, rounding: str) -> int:
    if rounding == "half-even":
        return round(value)
    return math.floor(value) if rounding == "down" else math.ceil(value)


def test_every_module_is_tested_and_every_function_is_reached() -> None:
    assert set(WORDS) | CALCULATORS | {RECORDS} == set(DIGESTS)
    assert not load_module(RECORDS).words
    for module, names in WORDS.items():
        loaded, reached, pending = load_module(module), set(), names.split()
        while pending:
            reached.add(name := pending.pop())
            pending += loaded.callees[name]
        assert reached == set(loaded.words), module


# --- fixed point ------------------------------------------------------------------------------


@given(INTS, INTS, INTS.filter(bool), st.sampled_from(ROUNDINGS))
def test_products_round_as_fractions_do(a: int, b: int, c: int, rounding: str) -> None:
    exact = round_exactly(Fraction(a * b, c), rounding)
    assert run("lib.fixed.v1", "mul_round", a, b, c, rounding) == exact


@given(st.integers(-200, 200), st.integers(-8, 8).filter(bool), st.sampled_from(ROUNDINGS))
def test_small_quotients_meet_every_middle(a: int, b: int, rounding: str) -> None:
    exact = round_exactly(Fraction(a, b), rounding)
    assert run("lib.fixed.v1", "div_round", a, b, rounding) == exact


@given(INTS, st.integers(1, 1000), st.sampled_from(ROUNDINGS))
def test_a_value_rounds_to_a_multiple(value: int, step: int, rounding: str) -> None:
    expected = round_exactly(Fraction(value, step), rounding) * step
    assert run("lib.fixed.v1", "round_to", value, step, rounding) == expected


@given(INTS, st.integers(0, 20), st.integers(0, 20), st.sampled_from(ROUNDINGS))
def test_decimals_are_changed(value: int, decimals: int, wanted: int, rounding: str) -> None:
    exact = round_exactly(value * Fraction(10) ** (wanted - decimals), rounding)
    assert run("lib.fixed.v1", "rescale", value, decimals, wanted, rounding) == exact


def test_the_intermediate_product_is_not_limited() -> None:
    big = 2**200
    assert run("lib.fixed.v1", "mul_round", big, big, big, "half-even") == big
    assert run("lib.fixed.v1", "mul_round", big, big, 1, "half-even") == ("fault", "overflow")


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
def test_shares_sum_to_the_whole_and_are_within_one_unit(total: int, weights: list[int]) -> None:
    whole = sum(weights)
    parts = run("lib.fixed.v1", "share_out", total, weights)
    if whole == 0:
        assert parts == reverted("bad-shares")
        return
    exact = [Fraction(total * weight, whole) for weight in weights]
    floors = [math.floor(share) for share in exact]
    order = sorted(range(len(weights)), key=lambda i: (floors[i] - exact[i], i))
    raised = set(order[: total - sum(floors)])
    assert sum(parts) == total
    assert parts == [floor + (i in raised) for i, floor in enumerate(floors)]


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("mul_round", (1, 1, 2, "near"), "bad-rounding"),
        ("round_to", (1, 0, "up"), "bad-step"),
        ("rescale", (1, -1, 2, "up"), "bad-decimals"),
        ("rescale", (1, 71, 2, "up"), "bad-decimals"),
        ("rescale", (1, 2, -1, "up"), "bad-decimals"),
        ("rescale", (1, 2, 71, "up"), "bad-decimals"),
        ("share_out", (-1, [1]), "bad-shares"),
        ("share_out", (1, []), "bad-shares"),
        ("share_out", (1, [1, -1, 5]), "bad-shares"),
    ],
)
def test_what_fixed_point_refuses(name: str, arguments: Any, code: str) -> None:
    assert run("lib.fixed.v1", name, *arguments) == reverted(code)


# --- integers ---------------------------------------------------------------------------------


@given(st.integers(0, 2**255 - 1) | st.integers(0, 2**64) | st.integers(0, 50))
def test_roots_are_those_of_math(n: int) -> None:
    root = math.isqrt(n)
    assert run("lib.integers.v1", "sqrt_down", n) == root
    assert run("lib.integers.v1", "sqrt_up", n) == (root if root * root == n else root + 1)


@given(st.integers(2, 2**127 - 1))
def test_roots_at_squares_and_beside_them(root: int) -> None:
    for n, down, up in (
        (root * root - 1, root - 1, root),
        (root * root, root, root),
        (root * root + 1, root, root + 1),
    ):
        assert run("lib.integers.v1", "sqrt_down", n) == down
        assert run("lib.integers.v1", "sqrt_up", n) == up


@given(INTS, INTS, INTS)
def test_whole_numbers(a: int, b: int, c: int) -> None:
    assert run("lib.integers.v1", "gcd", a, b) == math.gcd(a, b)
    assert run("lib.integers.v1", "bit_length", a) == a.bit_length()
    low, high = min(b, c), max(b, c)
    assert run("lib.integers.v1", "clamp", a, low, high) == sorted((low, a, high))[1]


def test_what_integers_refuse() -> None:
    assert run("lib.integers.v1", "sqrt_down", -1) == reverted("negative")
    assert run("lib.integers.v1", "clamp", 1, 3, 2) == reverted("bad-bounds")
    assert run("lib.integers.v1", "bit_length", 2**255 - 1) == 255


# --- intervals: against sets of serials -------------------------------------------------------

PARTS = st.tuples(st.integers(0, 20), st.integers(1, 9)).map(lambda p: [p[0], p[0] + p[1]])


def serials(parts: list[list[int]]) -> set[int]:
    return {serial for start, end in parts for serial in range(start, end)}


def is_tidy(parts: list[list[int]]) -> bool:
    """Ascending, none empty, at least one free serial between neighbours."""
    pairs = itertools.pairwise(parts)
    return all(a < b for a, b in parts) and all(a[1] < b[0] for a, b in pairs)


@given(PARTS, PARTS, st.integers(-1, 30))
def test_two_intervals_are_two_sets(a: list[int], b: list[int], serial: int) -> None:
    module, one, other = "lib.intervals.v1", serials([a]), serials([b])
    assert run(module, "size_of", a) == len(one)
    assert run(module, "make_interval", *a) == a
    assert run(module, "holds", a, serial) == (serial in one)
    assert run(module, "covers", a, b) == (other <= one)
    assert run(module, "is_overlapping", a, b) == bool(one & other)
    assert serials(run(module, "get_overlap", a, b)) == one & other
    left = run(module, "subtract", a, b)
    assert serials(left) == one - other and is_tidy(left)
    joined = run(module, "join", a, b)
    if a[1] < b[0] or b[1] < a[0]:
        assert joined == reverted("not-adjacent")
    else:
        assert serials([joined]) == one | other
    parts = [[a[0], serial], [serial, a[1]]]
    wanted = parts if a[0] < serial < a[1] else reverted("bad-split")
    assert run(module, "split_at", a, serial) == wanted


@given(st.lists(PARTS, max_size=6), st.lists(PARTS, max_size=4))
def test_lists_of_intervals_are_sets(parts: list[list[int]], cuts: list[list[int]]) -> None:
    merged = run("lib.intervals.v1", "merge", parts)
    assert serials(merged) == serials(parts) and is_tidy(merged)
    left = run("lib.intervals.v1", "subtract_all", parts, cuts)
    assert serials(left) == serials(parts) - serials(cuts) and is_tidy(left)
    assert run("lib.intervals.v1", "count_serials", parts) == len(serials(parts))


def test_an_interval_holds_a_serial() -> None:
    assert run("lib.intervals.v1", "make_interval", 3, 3) == reverted("bad-interval")


# --- dates: against datetime ------------------------------------------------------------------


def fields(day: date) -> list[int]:
    return [day.year, day.month, day.day]


@given(DATES | st.sampled_from([date.min, date.max]), st.integers(0, 86_399))
def test_dates_are_those_of_datetime(day: date, second: int) -> None:
    module, parts = "lib.dates.v1", fields(day)
    days = (day - date(1970, 1, 1)).days
    assert run(module, "to_days", parts) == days
    assert run(module, "from_days", days) == parts
    assert run(module, "date_of", 86_400 * days + second) == parts
    assert run(module, "seconds_of", parts) == 86_400 * days
    assert run(module, "day_of_year", parts) == day.timetuple().tm_yday
    assert run(module, "weekday_of", parts) == day.weekday()
    assert run(module, "format_date", parts) == day.isoformat()
    assert run(module, "make_date", *parts) == parts


@given(DATES, DATES)
def test_days_between_dates(first: date, last: date) -> None:
    days = (last - first).days
    assert run("lib.dates.v1", "days_between", fields(first), fields(last)) == days
    assert run("lib.dates.v1", "add_days", fields(first), days) == fields(last)


@given(DATES, st.integers(-600, 600))
def test_months_later_is_the_same_day_or_the_months_last(day: date, months: int) -> None:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    result = run("lib.dates.v1", "add_months", fields(day), months)
    if not 1 <= year <= 9999:
        assert result == reverted("bad-date")
        return
    # datetime itself says which days there are.
    days = [d for d in range(28, 32) if _exists(year, month + 1, d)]
    assert result == [year, month + 1, min(day.day, days[-1])]
    if months % 12 == 0:
        assert run("lib.dates.v1", "add_years", fields(day), months // 12) == result


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@given(st.integers(1, 9998))
def test_years_and_months_have_their_days(year: int) -> None:
    length = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    assert run("lib.dates.v1", "days_in_year", year) == length
    assert run("lib.dates.v1", "is_leap", year) == (length == 366)
    for month in range(1, 13):
        days = max(d for d in range(28, 32) if _exists(year, month, d))
        assert run("lib.dates.v1", "days_in_month", year, month) == days


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("make_date", (0, 1, 1)),
        ("make_date", (10_000, 1, 1)),
        ("make_date", (2023, 2, 29)),
        ("make_date", (2023, 1, 0)),
        ("make_date", (2023, 13, 1)),
        ("days_in_month", (2023, 0)),
        ("from_days", ((date.min - date(1970, 1, 1)).days - 1,)),
        ("from_days", ((date.max - date(1970, 1, 1)).days + 1,)),
    ],
)
def test_what_dates_refuse(name: str, arguments: Any) -> None:
    assert run("lib.dates.v1", name, *arguments) == reverted("bad-date")


# --- tables -----------------------------------------------------------------------------------

TABLES = st.dictionaries(st.integers(-50, 50), st.integers(-99, 99), min_size=1, max_size=8).map(
    lambda points: [list(column) for column in zip(*sorted(points.items()), strict=True)]
)


@given(TABLES, st.integers(-60, 60), st.sampled_from(ROUNDINGS))
def test_tables_are_lines_between_points(table: Any, x: int, rounding: str) -> None:
    module, (xs, ys) = "lib.tables.v1", table
    assert run(module, "check_table", xs, ys) is None
    below = [index for index, value in enumerate(xs) if value <= x]
    assert run(module, "find_band", xs, x) == (below[-1] if below else -1)
    step = ys[below[-1]] if below else reverted("outside-table")
    assert run(module, "get_step", xs, ys, x) == step
    inside = min(max(x, xs[0]), xs[-1])
    after = next(index for index, value in enumerate(xs) if value >= inside)
    before = after if xs[after] == inside else after - 1
    exact = Fraction(ys[before])
    if before != after:
        share = Fraction(inside - xs[before], xs[after] - xs[before])
        exact += share * (ys[after] - ys[before])
    expected = round_exactly(exact, rounding)
    assert run(module, "interpolate_clamped", xs, ys, x, rounding) == expected
    wanted = expected if inside == x else reverted("outside-table")
    assert run(module, "interpolate", xs, ys, x, rounding) == wanted


def test_what_tables_refuse() -> None:
    for xs, ys in (([], []), ([1, 2], [1]), ([1, 1], [1, 2]), ([2, 1], [1, 2])):
        assert run("lib.tables.v1", "check_table", xs, ys) == reverted("bad-table")
    arguments = ([0, 2], [0, 1], 1, "near")
    assert run("lib.tables.v1", "interpolate", *arguments) == reverted("bad-rounding")


# --- access and pausing -----------------------------------------------------------------------


@given(st.sets(st.integers(0, 127)), st.integers(0, 127), st.lists(st.integers(0, 127), max_size=4))
def test_roles_are_a_set(roles: set[int], role: int, wanted: list[int]) -> None:
    module, granted = "lib.access.v1", sum(1 << item for item in roles)
    assert run(module, "list_roles", granted) == sorted(roles)
    assert run(module, "has_role", granted, role) == (role in roles)
    refused = reverted("not-permitted")
    assert run(module, "require_role", granted, role) == (None if role in roles else refused)
    some = None if roles & set(wanted) else refused
    assert run(module, "require_any_role", granted, wanted) == some
    more, less = run(module, "add_role", granted, role), run(module, "remove_role", granted, role)
    if role in roles:
        assert more == reverted("has-role")
        assert run(module, "list_roles", less) == sorted(roles - {role})
    else:
        assert less == reverted("no-role")
        assert run(module, "list_roles", more) == sorted(roles | {role})


@pytest.mark.parametrize("role", [-1, 128])
def test_a_role_is_a_small_number(role: int) -> None:
    assert run("lib.access.v1", "has_role", 0, role) == reverted("bad-role")


@given(st.integers(0, 100), st.integers(0, 100), st.integers(-1, 100))
def test_a_pause_lasts_until_its_second(until: int, now: int, seconds: int) -> None:
    module, rests = "lib.pausing.v1", now in range(until)
    assert run(module, "is_paused", until, now) == rests
    paused = reverted("paused") if rests else None
    assert run(module, "require_running", until, now) == paused
    assert run(module, "resume", until, now) == (0 if rests else reverted("not-paused"))
    longer = reverted("bad-pause") if seconds < 1 else max(until, now + seconds)
    assert run(module, "pause_for", until, now, seconds) == longer


def test_a_pause_without_end_is_a_number_that_json_can_hold() -> None:
    assert run("lib.pausing.v1", "pause_always") == 2**53 - 1
    assert run("lib.pausing.v1", "pause_for", 0, 5, 2**60) == 2**53 - 1


# --- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "Z9", "a.b_c-d", "-", "0" * 64])
def test_ids_that_are_taken(text: str) -> None:
    assert run("lib.arguments.v1", "check_id", text) is None


@pytest.mark.parametrize("text", ["", "0" * 65, "a b", "a/b", "\u00e9", "\u0661", "a\n", "a\0"])
def test_ids_that_are_refused(text: str) -> None:
    assert run("lib.arguments.v1", "check_id", text) == reverted("bad-id")


@given(st.text(max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_lengths_are_counted_in_characters(text: str, low: int, high: int) -> None:
    expected = None if low <= len(text) <= high else reverted("bad-text")
    assert run("lib.arguments.v1", "check_length", text, low, high) == expected


@pytest.mark.parametrize(("limit", "taken"), [(0, False), (1, True), (100, True), (101, False)])
def test_a_page_has_one_to_a_hundred_items(limit: int, taken: bool) -> None:
    found = run("lib.arguments.v1", "check_limit", limit)
    assert found == (None if taken else reverted("bad-limit"))


# --- classes ----------------------------------------------------------------------------------

CLASS: dict[str, Any] = {
    "scope": "", "methodology": "", "region": "", "claims": [], "vintage_from": 0,
    "vintage_to": 2200,
}  # fmt: skip
CREDITED = (2024, "registered", "CN-FJ", "forest-sink", "forest", ["biomass", "soil"])
"""Vintage, and the project's status, region, methodology, scope and claims."""


def fits(changes: dict[str, Any], batch: tuple[Any, ...] = CREDITED) -> bool:
    wanted = list((CLASS | changes).values())
    answer: bool = run("lib.classes.v1", "is_fitting", wanted, *batch)
    return answer


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"scope": "forest", "methodology": "forest-sink"}, True),
        ({"scope": "soil"}, False),
        ({"methodology": "forest"}, False),
        ({"region": "CN"}, True),
        ({"region": "CN-FJ"}, True),
        ({"region": "C"}, False),
        ({"region": "CN-F"}, False),
        ({"claims": ["soil", "biomass"]}, True),
        ({"claims": ["soil", "energy"]}, False),
        ({"vintage_from": 2024, "vintage_to": 2024}, True),
        ({"vintage_from": 2025}, False),
        ({"vintage_to": 2023}, False),
    ],
)
def test_a_batch_fits_a_class_by_vintage_and_project(changes: dict[str, Any], taken: bool) -> None:
    assert fits(changes) is taken


@pytest.mark.parametrize("status", ["draft", "validated", "suspended", "withdrawn", "imported"])
def test_only_what_is_credited_here_is_in_a_class(status: str) -> None:
    assert not fits({}, (CREDITED[0], status, *CREDITED[2:]))
    assert fits({}, (CREDITED[0], "completed", *CREDITED[2:]))


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"scope": "x" * 64, "methodology": "x" * 64, "region": "x" * 16}, True),
        ({"scope": "x" * 65}, False),
        ({"methodology": "x" * 65}, False),
        ({"region": "x" * 17}, False),
        ({"claims": ["x"] * 6}, False),
        ({"vintage_from": -1}, False),
        ({"vintage_from": 2200}, True),
        ({"vintage_from": 2201}, False),
    ],
)
def test_classes_that_may_be_asked_for(changes: dict[str, Any], taken: bool) -> None:
    found = run("lib.classes.v1", "check_class", list((CLASS | changes).values()))
    assert found == (None if taken else reverted("bad-class"))
