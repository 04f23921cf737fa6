"""CBAM: linked processes against exact fractions, and every refusal of the calculator."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.vm.library_bench import reverted, run

ONE = 10**24
FINE = 10**36
MODULE = "lib.cbam.v1"
F = Fraction


def solve_exactly(produced: list[F], uses: list[list[F]], own: list[F]) -> list[F] | None:
    """The twin: Gauss and Jordan with exchange of rows, in fractions."""
    count = len(produced)
    rows = [
        [(produced[i] if i == j else F(0)) - uses[i][j] for j in range(count)] + [own[i]]
        for i in range(count)
    ]
    for step in range(count):
        pivot = next((row for row in range(step, count) if rows[row][step] != 0), None)
        if pivot is None:
            return None
        rows[step], rows[pivot] = rows[pivot], rows[step]
        for other in range(count):
            if other != step:
                factor = rows[other][step] / rows[step][step]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[step], strict=True)]
    return [rows[i][count] / rows[i][i] for i in range(count)]


def make_system(
    rng: random.Random, count: int, leaves: int
) -> tuple[list[int], list[list[int]], list[int]]:
    """An installation: each good is used by others, in cycles too; at least a part in ``leaves``
    of 100 leaves it."""
    produced = [rng.randrange(10**20, 10**31) for _ in range(count)]
    uses = [[0] * count for _ in range(count)]
    for good in range(count):
        left = produced[good] * (100 - leaves) // 100
        for process in rng.sample(range(count), rng.randint(0, count)):
            used = rng.randrange(0, left // 2 + 1)
            uses[process][good] += used
            left -= used
    own = [rng.choice([0, rng.randrange(10**32)]) for _ in range(count)]
    return produced, uses, own


@pytest.mark.parametrize("seed", range(60))
def test_linked_processes_equal_exact_fractions(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    produced, uses, own = make_system(rng, rng.randint(1, 9), rng.choice([1, 20, 60]))
    exact = solve_exactly(
        [F(n) for n in produced], [[F(n) for n in row] for row in uses], [F(n) for n in own]
    )
    assert exact is not None
    (found,) = run(MODULE, "solve_linked", produced, uses, [own])
    for got, wanted in zip(found, exact, strict=True):
        assert abs(F(got, FINE) - wanted) <= wanted * F(1, 10**9) + F(1, ONE)


def test_goods_are_conserved_in_a_cycle() -> None:
    """What goes to the market carries everything that was emitted, whatever goes round inside."""
    produced, uses = [100 * ONE, 80 * ONE], [[10 * ONE, 30 * ONE], [40 * ONE, 5 * ONE]]
    own = [500 * ONE, 200 * ONE]
    (see,) = run(MODULE, "solve_linked", produced, uses, [own])
    sold = [produced[good] - sum(row[good] for row in uses) for good in (0, 1)]
    total = sum(F(mass, ONE) * F(each, FINE) for mass, each in zip(sold, see, strict=True))
    assert abs(total - 700) < F(1, 10**20)


def test_a_process_that_uses_its_own_good_carries_it_once() -> None:
    (see,) = run(MODULE, "solve_linked", [10 * ONE], [[5 * ONE]], [[30 * ONE]])
    assert see == [6 * FINE]  # 30 t over the 5 t that leave


@pytest.mark.parametrize(
    ("produced", "uses", "own", "code"),
    [
        ([], [], [], "too-many-processes"),
        ([ONE] * 21, [[0] * 21] * 21, [0] * 21, "too-many-processes"),
        ([ONE], [], [0], "bad-lengths"),
        ([ONE], [[0]], [], "bad-lengths"),
        ([ONE, ONE], [[0, 0], [0]], [0, 0], "bad-lengths"),
        ([0], [[0]], [0], "no-activity"),
        ([ONE, ONE], [[0, -1], [0, 0]], [0, 0], "negative-activity"),
        ([ONE], [[0]], [-1], "negative-activity"),
        ([ONE, ONE], [[0, ONE], [0, 1 + ONE // 10**9]], [0, 0], "over-consumed"),
        ([ONE, ONE], [[0, ONE], [ONE, 0]], [ONE, 0], "cycle-without-solution"),
        ([ONE], [[ONE]], [ONE], "cycle-without-solution"),
        # Of two goods that go round a billionth leaves: no digit of the result would be sure.
        ([ONE, ONE], [[0, ONE], [ONE - ONE // 10**10, 0]], [ONE, 0], "cycle-without-solution"),
    ],
)
def test_systems_that_are_refused(produced: Any, uses: Any, own: Any, code: str) -> None:
    assert run(MODULE, "solve_linked", produced, uses, [own]) == reverted(code)


def test_a_binary_float_more_than_was_made_is_not_over_consumed() -> None:
    (see,) = run(MODULE, "solve_linked", [ONE, ONE], [[0, 0], [ONE + 200, 0]], [[ONE, 0]])
    assert see[0] == FINE
    assert abs(see[1] - FINE) <= FINE // 10**21


def test_attribution_adds_what_comes_takes_what_goes_and_stops_at_nothing() -> None:
    assert run(MODULE, "compute_attributed", 100, 10, 20, 5, 30, 15) == 50
    assert run(MODULE, "compute_attributed", 100, 0, 101, 0, 0, 0) == 0
    for place in range(1, 6):
        arguments = [100, *[-1 if place == at else 0 for at in range(1, 6)]]
        assert run(MODULE, "compute_attributed", *arguments) == reverted("negative-activity")


def test_waste_gas_counts_as_natural_gas_and_leaves_at_two_thirds() -> None:
    """56.1 t CO2/TJ; efficiency of waste gas against natural gas 0.667."""
    gas, eta = 561 * ONE // 10, 667 * ONE // 1000
    assert run(MODULE, "compute_waste_gas_in", 10 * ONE, gas) == 561 * ONE
    assert run(MODULE, "compute_waste_gas_out", 10 * ONE, gas, eta) == 374187 * ONE // 1000
    assert run(MODULE, "compute_waste_gas_out", -1, gas, eta) == reverted("negative-activity")
    assert run(MODULE, "compute_waste_gas_out", 1, -1, eta) == reverted("negative-factor")
    assert run(MODULE, "compute_waste_gas_out", 1, gas, ONE + 1) == reverted("bad-share")
    assert run(MODULE, "compute_waste_gas_in", 1, -1) == reverted("negative-factor")
    assert run(MODULE, "compute_emissions", -1, 1) == reverted("negative-activity")


def test_heat_of_a_boiler_without_records() -> None:
    gas, boiler = 561 * ONE // 10, 9 * ONE // 10
    assert run(MODULE, "compute_heat_factor", gas, boiler) == round(F(561, 9) * ONE)
    assert run(MODULE, "compute_heat_factor", -1, boiler) == reverted("negative-factor")
    assert run(MODULE, "compute_heat_factor", gas, 0) == reverted("bad-share")
    assert run(MODULE, "compute_heat_factor", gas, ONE + 1) == reverted("bad-share")


def test_co_products_share_by_mass_by_moles_and_by_shares() -> None:
    assert run(MODULE, "split_by_mass", 10, [1, 1, 1]) == [4, 3, 3]
    # Chlorine, lye and hydrogen of one electrolysis: 2 NaCl + 2 H2O = Cl2 + 2 NaOH + H2.
    masses = [70906 * ONE, 79994 * ONE, 2016 * ONE]
    molar = [70906 * ONE // 1000, 39997 * ONE // 1000, 2016 * ONE // 1000]
    parts = run(MODULE, "split_by_moles", 400 * ONE, masses, molar)
    assert parts == [100 * ONE, 200 * ONE, 100 * ONE]
    assert run(MODULE, "split_by_shares", 400, [ONE // 4, 3 * ONE // 4]) == [100, 300]
    for name, arguments, code in [
        ("split_by_mass", [1, [0, 0]], "bad-shares"),
        ("split_by_mass", [1, []], "bad-shares"),
        ("split_by_mass", [1, [2, -1]], "negative-activity"),
        ("split_by_moles", [1, [1], []], "bad-lengths"),
        ("split_by_moles", [1, [1], [0]], "bad-shares"),
        ("split_by_shares", [1, [ONE, 1]], "bad-shares"),
        ("split_by_shares", [1, [ONE - 1]], "bad-shares"),
        ("split_by_shares", [1, [ONE + 1, -1]], "bad-shares"),
    ]:
        assert run(MODULE, name, *arguments) == reverted(code), (name, arguments)


def test_free_allocation_goes_with_the_benchmark_and_with_the_precursors() -> None:
    """97.5 % in 2026: Directive 2003/87/EC Article 10a(1a)."""
    benchmark, phase = 1370 * ONE // 1000, 975 * ONE // 1000
    got = run(MODULE, "compute_free_allocation", benchmark, phase, ONE, [ONE // 2], [ONE])
    assert got == 1370 * 975 * ONE // 10**6 + ONE // 2
    for arguments, code in [
        ([-1, ONE, ONE, [], []], "negative-activity"),
        ([1, ONE + 1, ONE, [], []], "bad-share"),
        ([1, ONE, -1, [], []], "bad-share"),
        ([1, ONE, ONE, [1], []], "bad-lengths"),
        ([1, ONE, ONE, [-1], [1]], "negative-activity"),
        ([1, ONE, ONE, [1], [-1]], "negative-factor"),
    ]:
        assert run(MODULE, "compute_free_allocation", *arguments) == reverted(code), arguments


def test_certificates_are_never_below_nothing() -> None:
    mass, see, free = 1000 * ONE, 2 * ONE, 3 * ONE // 2
    assert run(MODULE, "compute_certificates", mass, see, free, 100 * ONE) == 400 * ONE
    assert run(MODULE, "compute_certificates", mass, see, free, 501 * ONE) == 0
    assert run(MODULE, "compute_certificates", mass, free, see, 0) == 0
    for place in range(4):
        arguments = [-1 if place == at else 1 for at in range(4)]
        assert run(MODULE, "compute_certificates", *arguments) == reverted("negative-activity")
