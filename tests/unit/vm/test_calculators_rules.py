"""Each calculator against an exact twin in fractions, and each of its refusals.

A calculator divides once, half to even: so it equals its twin to the last of twelve places, not
only to 1e-9. Published results are in test_calculators_vectors.py.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vm.library_bench import get_bench, reverted, run
from vm.inclusion import load_module

ONE = 10**12
F = Fraction
Twin = Callable[..., Fraction]

# What each argument refuses below 0; a share refuses above 1 too. `-` takes any integer.
A, E, S, N = "negative-activity", "negative-factor", "bad-share", "-"
P = "bad-share/above-0"  # a share that may not be 0: an efficiency

TWINS: dict[str, tuple[str, Twin]] = {
    "combustion.compute_energy": (f"{A} {E}", lambda q, n: q * n / 1000),
    "combustion.compute_combustion": (
        f"{A} {E} {E} {S}", lambda q, n, e, o: q * n / 1000 * e * o),
    "combustion.compute_combustion_of_energy": (f"{A} {E} {S}", lambda q, e, o: q * e * o),
    "combustion.compute_biogenic_part": (f"{N} {S}", lambda e, b: e * b),
    "combustion.compute_process": (f"{A} {E} {S}", lambda a, e, c: a * e * c),
    "electricity.compute_location_based": (f"{A} {E}", lambda e, f: e * f),
    "sinks.to_carbon_dioxide": (N, lambda c: c * 44 / 12),
    "sinks.compute_gain": (f"{A} {A} {E} {S}", lambda a, g, r, c: a * g * (1 + r) * c),
    "sinks.compute_growth_of_volume": (f"{A} {E}", lambda i, b: i * b),
    "sinks.compute_wood_removal": (f"{A} {E} {E} {S}", lambda h, b, r, c: h * b * (1 + r) * c),
    "sinks.compute_fuelwood_parts": (f"{A} {E} {S}", lambda v, d, c: v * d * c),
    "sinks.compute_disturbance": (
        f"{A} {A} {E} {S} {S}", lambda a, b, r, c, f: a * b * (1 + r) * c * f),
    "sinks.compute_stock": (
        f"{A} {A} {E} {E} {S}", lambda a, v, b, r, c: a * v * b * (1 + r) * c),
    "sinks.compute_stock_of_biomass": (
        f"{A} {A} {E} {S}", lambda a, b, r, c: a * b * (1 + r) * c),
    "sinks.compute_stock_difference": (f"{A} {A} bad-period", lambda b, a, y: (a - b) / y),
    "sinks.compute_conversion": (f"{A} {A} {A} {S}", lambda d, b, a, c: (a - b) * d * c),
    "sinks.compute_soil_stock": (
        f"{A} {A} {E} {E} {E}", lambda a, r, u, m, i: a * r * u * m * i),
    "sinks.compute_soil_change": (f"{A} {A} bad-period", lambda b, a, y: (a - b) / y),
    "sinks.compute_drained_soil_loss": (f"{A} {E}", lambda a, e: a * e),
    "sinks.compute_accumulation": (f"{A} {E}", lambda a, e: a * e),
    "heat.compute_boiler_heat": (f"{A} {P}", lambda e, n: e * n),
    "heat.compute_heat_factor": (f"{E} {P}", lambda f, n: f / n),
    "heat.compute_heat_emissions": (f"{A} {E}", lambda q, f: q * f),
    "heat.compute_waste_gas": (f"{A} {E} {P}", lambda v, f, n: v * f * n),
    "measurement.compute_equivalent": (f"{A} {E}", lambda m, g: m * g),
    "measurement.compute_cf4_by_slope": (f"{A} {E} {A}", lambda m, k, p: m * k / 1000 * p),
    "measurement.compute_cf4_by_overvoltage": (
        f"{A} {E} {P} {A}", lambda v, k, c, p: k * v / (100 * c) * p / 1000),
    "measurement.compute_c2f6": (f"{A} {E}", lambda c, f: c * f),
    "crediting.compute_baseline": (f"{A} {E}", lambda a, i: a * i),
    "crediting.compute_reduction": (f"{A} {N} {A}", lambda b, p, k: b - p - k),
}  # fmt: skip

O = ONE  # noqa: E741  # one, fixed, as an argument
REFUSALS: list[tuple[str, list[Any], str]] = [
    ("heat.compute_net_heat", [-1, O, 0], A),
    ("heat.compute_net_heat", [O, O, -1], E),
    ("heat.compute_net_heat", [O, O, O + 1], "negative-heat"),
    ("heat.compute_heat_share", [-1, O, O, O], A),
    ("heat.compute_heat_share", [O, -1, O, O], A),
    ("heat.compute_heat_share", [O, O, 0, O], S),
    ("heat.compute_heat_share", [O, O, O, O + 1], S),
    ("heat.compute_heat_share", [0, 0, O, O], "no-activity"),
    ("heat.split_plant", [-1, O], A),
    ("heat.split_plant", [O, -1], S),
    ("heat.split_plant", [O, O + 1], S),
    ("heat.compute_product_factor", [-1, O], A),
    ("heat.compute_product_factor", [O, 0], "no-activity"),
    ("measurement.compute_measured", [[], []], "bad-lengths"),
    ("measurement.compute_measured", [[O], [O, O]], "bad-lengths"),
    ("measurement.compute_measured", [[O, -1], [O, O]], A),
    ("measurement.compute_measured", [[O, O], [O, -1]], A),
    ("measurement.compute_substitute", [[O]], "small-sample"),
    ("measurement.compute_substitute", [[O, -1]], A),
    ("measurement.compute_missing", [-1, O, 1], A),
    ("measurement.compute_missing", [O, -1, 1], A),
    ("measurement.compute_missing", [O, O, -1], A),
    ("measurement.round_root", [-1], "negative"),
    ("measurement.compute_reconciliation", [-1, [O]], A),
    ("measurement.compute_reconciliation", [O, [O, -1]], A),
    ("measurement.compute_reconciliation", [O, [0]], "no-activity"),
    ("measurement.reconcile", [O, []], "no-activity"),
    ("combustion.compute_carbonates", [[], [], []], "bad-lengths"),
    ("combustion.compute_carbonates", [[O], [O, O], [O]], "bad-lengths"),
    ("combustion.compute_carbonates", [[O], [O], [O, O]], "bad-lengths"),
    ("combustion.compute_carbonates", [[O, -1], [O, O], [O, O]], A),
    ("combustion.compute_carbonates", [[O, O], [O, -1], [O, O]], E),
    ("combustion.compute_carbonates", [[O, O], [O, O], [O, O + 1]], S),
    ("combustion.compute_mass_balance", [[O], [], [], [], 44, 12], "bad-lengths"),
    ("combustion.compute_mass_balance", [[O], [O], [O], [], 44, 12], "bad-lengths"),
    ("combustion.compute_mass_balance", [[-1], [O], [], [], 44, 12], A),
    ("combustion.compute_mass_balance", [[O], [O + 1], [], [], 44, 12], S),
    ("combustion.compute_mass_balance", [[O], [O], [-1], [O], 44, 12], A),
    ("combustion.compute_mass_balance", [[O], [O], [O], [-1], 44, 12], S),
    ("combustion.compute_mass_balance", [[O], [O], [], [], 0, 12], "bad-carbon-ratio"),
    ("combustion.compute_mass_balance", [[O], [O], [], [], 44, 0], "bad-carbon-ratio"),
    ("combustion.compute_mass_balance", [[O], [O], [O + 1], [O], 44, 12], "more-carbon-out"),
    ("electricity.compute_market_based", [-1, [], [], O], A),
    ("electricity.compute_market_based", [O, [], [], -1], E),
    ("electricity.compute_market_based", [O, [O], [], O], "bad-lengths"),
    ("electricity.compute_market_based", [O, [-1], [O], O], A),
    ("electricity.compute_market_based", [O, [O], [-1], O], E),
    ("electricity.compute_market_based", [O, [O, 1], [O, O], O], "over-contracted"),
    ("electricity.compute_own_factor", [-1, O], A),
    ("electricity.compute_own_factor", [O, 0], "no-activity"),
    ("sinks.compute_gain_loss", [[O, -1], []], A),
    ("sinks.compute_gain_loss", [[], [O, -1]], A),
    ("sinks.compute_converted_land", [[-1], [], []], A),
    ("sinks.compute_stock_difference", [O, O, 0], "bad-period"),
    ("sinks.interpolate_growth", [[], [], 0], "bad-table"),
    ("sinks.interpolate_growth", [[1, 2], [1], 0], "bad-table"),
    ("sinks.interpolate_growth", [[2, 2], [1, 1], 0], "bad-table"),
    ("sinks.compute_growth", [[1, 2], [1, 2], 2, 1], "bad-period"),
    ("uncertainty.round_root", [-1], "negative"),
    ("uncertainty.combine_product", [[]], "bad-uncertainty"),
    ("uncertainty.combine_product", [[1, -1]], "bad-uncertainty"),
    ("uncertainty.combine_sum", [[O], []], "bad-lengths"),
    ("uncertainty.combine_sum", [[], []], "bad-uncertainty"),
    ("uncertainty.combine_sum", [[O, -O], [1, 1]], "no-total"),
    ("uncertainty.combine_halves", [[O, -1]], "bad-uncertainty"),
    ("uncertainty.compute_half_width", [[O], O], "small-sample"),
    ("uncertainty.compute_half_width", [[O, O], 0], "bad-quantile"),
    ("uncertainty.get_discount", [-1], "bad-uncertainty"),
    ("uncertainty.compute_deduction", [0, O], "no-total"),
    ("uncertainty.compute_deduction", [O, -1], "bad-uncertainty"),
    ("crediting.compute_displacement", [O, -1], S),
    ("crediting.compute_displacement", [O, O + 1], S),
    ("crediting.compute_buffer", [-1, 1], A),
    ("crediting.compute_buffer", [1, -1], S),
    ("crediting.compute_buffer", [1, 10001], S),
    ("quantities.to_fixed", [1, -1, 1, 1], "bad-scale"),
    ("quantities.to_fixed", [1, 31, 1, 1], "bad-scale"),
    ("quantities.read_inputs", [[["Y", 1, 0, "t", ""]], ["X"]], "unknown-input"),
    ("quantities.read_inputs", [[["X.a", 1, 0, "t", ""]] * 2, ["X"]], "input-twice"),
    ("quantities.read_inputs", [[["X.a", 1, 0, "lb", ""]], ["X"]], "unknown-unit"),
    ("quantities.read_inputs", [[["X.a", 1, 31, "t", ""]], ["X"]], "bad-scale"),
    ("quantities.list_labels", [{"X": ["X", 1, 0, "t", ""]}, "X"], "missing-input"),
    ("quantities.take", [{"X": ["X", 1, 0, "t", ""]}, "Y", "t"], "missing-input"),
    ("quantities.take", [{"X": ["X", 1, 0, "t", ""]}, "X", "TJ"], "wrong-unit"),
    ("quantities.take_or", [{"X": ["X", 1, 0, "t", ""]}, "X", "TJ", 0], "wrong-unit"),
    ("quantities.take_amount", [{"X": ["X", -1, 0, "t", ""]}, "X", "t"], A),
    ("quantities.take_share", [{"X": ["X", -1, 0, "1", ""]}, "X", 0], S),
    ("quantities.take_share", [{"X": ["X", O + 1, 0, "1", ""]}, "X", 0], S),
    ("quantities.check_labels", [{"X.a": ["X.a", 1, 0, "t", ""]}, "X", ["b"]], "unknown-label"),
]
MODULES = sorted({name.split(".")[0] for name, _, _ in REFUSALS} | {n.split(".")[0] for n in TWINS})


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """So that no example pays for the compiler."""
    for module in MODULES:
        get_bench(f"lib.{module}.v1")


SHARED = ("round_ratio", "round_root", "check_factor")


def call(name: str, *arguments: Any) -> Any:
    module, function = name.split(".")
    return run(f"lib.{module}.v1", function, *arguments)


def at_scale(exact: Fraction) -> int:
    return round(exact * ONE)


@given(st.sampled_from(sorted(TWINS)), st.data())
def test_a_calculator_equals_its_twin_to_the_last_place(name: str, data: st.DataObject) -> None:
    kinds, twin = TWINS[name]
    amounts = st.integers(0, 10**21) | st.integers(0, 3 * ONE)
    strategies = {
        S: st.integers(0, ONE),
        P: st.integers(ONE // 1000, ONE),
        N: st.integers(-(10**21), 10**21),
        "bad-period": st.integers(1, 50 * ONE),
    }
    arguments = [
        data.draw(strategies.get(kind, amounts if kind == A else st.integers(0, 200 * ONE)))
        for kind in kinds.split()
    ]
    expected = at_scale(twin(*[F(item, ONE) for item in arguments]))
    assert call(name, *arguments) == expected


@pytest.mark.parametrize("name", sorted(TWINS))
def test_each_argument_has_its_bounds_and_its_code(name: str) -> None:
    kinds = TWINS[name][0].split()
    assert isinstance(call(name, *[ONE] * len(kinds)), int)
    for index, kind in enumerate(kinds):
        for wrong in {S: (-1, ONE + 1), P: (-1, 0, ONE + 1)}.get(kind, (-1,)):
            arguments = [wrong if place == index else ONE for place in range(len(kinds))]
            got = call(name, *arguments)
            assert isinstance(got, int) if kind == N else got == reverted(kind.split("/")[0]), index


@pytest.mark.parametrize(("name", "arguments", "code"), REFUSALS)
def test_a_wrong_input_has_its_own_code(name: str, arguments: list[Any], code: str) -> None:
    assert call(name, *arguments) == reverted(code)


@pytest.mark.parametrize("module", MODULES)
def test_every_rule_of_a_calculator_is_tried_above(module: str) -> None:
    """By function: each code that its own text refuses with, and each rule that it calls."""
    tree = load_module(f"lib.{module}.v1").tree
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    tried: dict[str, set[str]] = {}
    for name, _, code in REFUSALS:
        tried.setdefault(name, set()).add(code)
    for name, (kinds, _) in TWINS.items():
        tried.setdefault(name, set()).update(kind.split("/")[0] for kind in kinds.split())
    rules = {node.name: find_codes(node) for node in functions if node.name.startswith("check_")}
    for node in functions:
        if node.name in rules and f"{module}.{node.name}" not in tried:
            continue
        called = {
            item.func.id for item in ast.walk(node)
            if isinstance(item, ast.Call) and isinstance(item.func, ast.Name)
        }  # fmt: skip
        wanted = find_codes(node).union(*[rules.get(word, set()) for word in called])
        assert wanted <= tried.get(f"{module}.{node.name}", set()), node.name


def find_codes(function: ast.FunctionDef) -> set[str]:
    found = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(
                func=ast.Name(id="require" | "revert"), args=[*_, ast.Constant(value=str(code))]
            ):
                found.add(code)
    return found


def test_the_copies_of_one_helper_are_one() -> None:
    """A module imports no other: what several need stands in each, word for word."""
    copies = {}
    for module in MODULES:
        for node in load_module(f"lib.{module}.v1").tree.body:
            if isinstance(node, ast.FunctionDef) and node.name in SHARED:
                copies.setdefault(node.name, set()).add(ast.unparse(node))
    assert {name: len(texts) for name, texts in copies.items()} == dict.fromkeys(SHARED, 1)


# --- what is not a product --------------------------------------------------------------------

LISTS = st.lists(st.tuples(*[st.integers(0, ONE)] * 3), min_size=1, max_size=6)


@given(LISTS)
def test_carbonates_add_up_before_they_are_rounded(rows: list[tuple[int, int, int]]) -> None:
    expected = at_scale(sum((F(a * e * c, ONE**3) for a, e, c in rows), F(0)))
    columns = [list(column) for column in zip(*rows, strict=True)]
    assert call("combustion.compute_carbonates", *columns) == expected


@given(LISTS, st.sampled_from([(44, 12), (3664, 1000)]))
def test_a_mass_balance_is_carbon_in_less_carbon_out(
    rows: list[tuple[int, int, int]], ratio: tuple[int, int]
) -> None:
    ins, contents = [row[0] + ONE for row in rows], [row[1] for row in rows]
    outs = [row[2] for row in rows]
    exact = sum((F((i - o) * c, ONE**2) for i, o, c in zip(ins, outs, contents, strict=True)), F(0))
    got = call("combustion.compute_mass_balance", ins, contents, outs, contents, *ratio)
    assert got == at_scale(exact * F(*ratio))


@given(LISTS, st.integers(0, ONE), st.integers(0, ONE))
def test_contracts_cover_first_and_the_residual_mix_the_rest(
    rows: list[tuple[int, int, int]], more: int, residual: int
) -> None:
    energies, efs = [row[0] for row in rows], [row[1] for row in rows]
    exact = sum((F(e * f, ONE**2) for e, f in zip(energies, efs, strict=True)), F(0))
    exact += F(more * residual, ONE**2)
    got = call("electricity.compute_market_based", sum(energies) + more, energies, efs, residual)
    assert got == at_scale(exact)


@given(st.integers(0, 2**250))
def test_a_root_is_the_smallest_that_is_not_too_small(n: int) -> None:
    root = call("uncertainty.round_root", n)
    assert root * root >= n
    assert root == 0 or (root - 1) ** 2 < n


def is_close_above(got: int, exact_square: Fraction) -> bool:
    """Whether ``got`` at scale 12 is the root, or at most 1e-9 of it or four last places above."""
    value = F(got, ONE)
    return exact_square <= value**2 <= (exact_square * F(10**9 + 2, 10**9) + F(64, ONE**2)) or (
        (value - F(4, ONE)) ** 2 <= exact_square <= value**2
    )


@given(
    st.lists(st.tuples(st.integers(-(10**18), 10**18), st.integers(0, ONE)), min_size=1, max_size=8)
)
def test_uncertainties_of_a_sum_combine_as_roots_of_squares(rows: list[tuple[int, int]]) -> None:
    values, shares = [row[0] for row in rows], [row[1] for row in rows]
    if sum(values) == 0:
        values[0] += 1
    squares = sum((F(v * u, ONE**2) ** 2 for v, u in zip(values, shares, strict=True)), F(0))
    got, total = F(call("uncertainty.combine_sum", values, shares), ONE), abs(F(sum(values), ONE))
    assert (got * total) ** 2 >= squares
    # Each half width, the root and the quotient are rounded up, by at most one last place.
    above = F(1, ONE) + F(len(values) + 1, ONE) / total
    assert got <= above or ((got - above) * total) ** 2 <= squares
    assert is_close_above(
        call("uncertainty.combine_product", shares), sum((F(u, ONE) ** 2 for u in shares), F(0))
    )
    assert is_close_above(
        call("uncertainty.combine_halves", shares), sum((F(u, ONE) ** 2 for u in shares), F(0))
    )


@given(st.lists(st.integers(-(10**15), 10**15), min_size=2, max_size=40), st.integers(1, 5 * ONE))
def test_the_half_width_is_that_of_the_samples_mean(values: list[int], quantile: int) -> None:
    exact = [F(value, ONE) for value in values]
    mean = sum(exact, F(0)) / len(exact)
    variance = sum(((value - mean) ** 2 for value in exact), F(0)) / (len(exact) - 1)
    squared = F(quantile, ONE) ** 2 * variance / len(exact)
    assert is_close_above(call("uncertainty.compute_half_width", values, quantile), squared)


@given(st.integers(1, 10**18), st.integers(0, 10**18))
def test_a_deduction_follows_the_bands_and_takes_no_more_than_all(value: int, half: int) -> None:
    share = F(half, value)
    bands = [
        (F(10, 100), F(0)),
        (F(15, 100), F(1, 4)),
        (F(20, 100), F(1, 2)),
        (F(30, 100), F(3, 4)),
    ]
    discount = next((part for limit, part in bands if share <= limit), F(1))
    exact = min(F(value), half * discount)
    got = call("uncertainty.compute_deduction", value, half)
    # A share within 1e-12 above a limit may fall into the next band: against the claimant.
    assert exact <= got < exact + 1 or min(abs(share - limit) for limit, _ in bands) < F(1, ONE)


@given(st.integers(-(10**20), 10**20), st.integers(0, 10000))
def test_the_buffer_and_the_owner_share_every_unit(grams: int, share: int) -> None:
    units = call("crediting.to_units", grams)
    assert units == max(0, grams // 1000)
    buffer = call("crediting.compute_buffer", units, share)
    assert F(units * share, 10000) <= buffer < F(units * share, 10000) + 1


@given(st.integers(-(10**18), 10**18), st.integers(0, ONE))
def test_displacement_is_a_share_of_what_was_reduced(reduction: int, share: int) -> None:
    exact = F(max(reduction, 0) * share, ONE)
    assert exact <= call("crediting.compute_displacement", reduction, share) < exact + 1


@given(st.lists(st.integers(1, 90), min_size=1, max_size=9), st.integers(0, 1000), st.data())
def test_growth_lies_on_the_line_between_two_ages(
    steps: list[int], first: int, data: st.DataObject
) -> None:
    ages = [first + sum(steps[: n + 1]) for n in range(len(steps))]
    values = data.draw(st.lists(st.integers(0, 10**16), min_size=len(ages), max_size=len(ages)))
    age = data.draw(st.integers(first, ages[-1] + 2))
    if age <= ages[0] or age >= ages[-1]:
        exact = F(values[0] if age <= ages[0] else values[-1])
    else:
        n = next(n for n in range(1, len(ages)) if age <= ages[n])
        part = F(age - ages[n - 1], ages[n] - ages[n - 1])
        exact = values[n - 1] + (values[n] - values[n - 1]) * part
    assert call("sinks.interpolate_growth", ages, values, age) == round(exact)
    grown = call("sinks.compute_growth", ages, values, ages[0], age if age > ages[0] else ages[0])
    assert grown == (round(exact) if age > ages[0] else values[0]) - values[0]


@given(LISTS)
def test_measured_hours_add_up_before_they_are_rounded(rows: list[tuple[int, int, int]]) -> None:
    expected = at_scale(sum((F(c * v, ONE**2 * 1000) for c, v, _ in rows), F(0)))
    got = call("measurement.compute_measured", [r[0] for r in rows], [r[1] for r in rows])
    assert got == expected


@given(st.lists(st.integers(0, 10**16), min_size=2, max_size=30), st.integers(0, 99))
def test_a_missing_hour_counts_as_the_mean_and_two_deviations(
    values: list[int], hours: int
) -> None:
    exact = [F(value, ONE) for value in values]
    mean = sum(exact, F(0)) / len(exact)
    variance = sum(((value - mean) ** 2 for value in exact), F(0)) / (len(exact) - 1)
    got = F(call("measurement.compute_substitute", values), ONE)
    assert (got - mean) ** 2 >= 4 * variance
    assert got - mean <= F(4, ONE) or (got - mean - F(4, ONE)) ** 2 <= 4 * variance
    missing = call("measurement.compute_missing", values[0], values[1], hours)
    product = F(values[0] * hours * values[1], ONE * 1000)
    assert product <= missing < product + 1


@given(st.integers(0, 10**20), st.lists(st.integers(0, 10**18), min_size=1, max_size=9))
def test_reconciled_meters_sum_to_the_one_that_counts(whole: int, parts: list[int]) -> None:
    parts[-1] += 1
    got = call("measurement.reconcile", whole, parts)
    assert sum(got) == whole
    assert all(
        abs(F(whole * part, sum(parts)) - found) < len(parts)
        for part, found in zip(parts, got, strict=True)
    )
    factor = call("measurement.compute_reconciliation", whole, parts)
    assert factor == at_scale(F(whole, sum(parts)))


@given(*[st.integers(0, 10**18)] * 3, *[st.integers(ONE // 100, ONE)] * 2)
def test_heat_and_power_share_their_fuel_by_what_each_alone_would_need(
    heat: int, power: int, emissions: int, ref_heat: int, ref_power: int
) -> None:
    heat += 1
    alone_heat = F(heat, ref_heat)
    alone_power = F(power * 36, 10000 * ref_power)
    share = call("heat.compute_heat_share", heat, power, ref_heat, ref_power)
    assert share == at_scale(alone_heat / (alone_heat + alone_power))
    of_heat, of_power = call("heat.split_plant", emissions, share)
    assert of_heat == round(F(emissions * share, ONE))
    assert of_heat + of_power == emissions
    assert call("heat.compute_product_factor", of_heat, heat) == at_scale(F(of_heat, heat))


@given(st.integers(0, 10**20), st.integers(0, 10**13), st.integers(0, 10**13))
def test_net_heat_is_what_does_not_come_back(mass: int, back: int, more: int) -> None:
    got = call("heat.compute_net_heat", mass, back + more, back)
    assert got == at_scale(F(mass * more, ONE**2 * 1000))
