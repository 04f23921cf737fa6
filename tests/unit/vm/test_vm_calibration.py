"""bench/gas.py times every guard there is, and its verdict fails what is underpriced."""

import pytest

from bench import gas_operations
from bench.gas import BAR, Loop, Row, judge, make_slopes, measure
from bench.gas_operations import Operation, find_missing, list_operations, make_source
from bench.gas_sources import list_sources
from vm.compiler import check_source
from vm.inclusion import DIGESTS, load_module
from vm.machine import Machine


def test_every_guard_has_a_statement_that_reaches_it():
    assert find_missing() == frozenset()


def test_a_new_guard_without_a_statement_is_named(monkeypatch):
    names = Machine().guard_names | {"method.new"}
    monkeypatch.setattr(Machine, "guard_names", property(lambda self: names))
    monkeypatch.setattr(gas_operations, "STATEMENTS", gas_operations.STATEMENTS)
    assert find_missing() == frozenset({"method.new"})


def test_every_statement_runs_and_is_charged_for():
    for operation in list_operations():
        loop = Loop(operation)
        _, idle, _ = loop.run("idle", 1)
        _, work, status = loop.run("work", 1)
        assert status == "ok", operation.name
        assert work > idle, operation.name


def test_statements_with_a_size_stand_in_three_sizes():
    sizes = {}
    for operation in list_operations():
        if operation.size is not None:
            sizes.setdefault(operation.family, []).append(operation.size)
    assert sizes and all(found == [10, 100, 1000] for found in sizes.values())


def make_row(name, gas, *nanoseconds):
    return Row(name, gas, list(nanoseconds))


def test_what_is_above_the_bar_is_named_and_what_is_dear_is_not():
    rows = [make_row(f"fair {n}", 100.0, 400.0, 410.0, 390.0) for n in range(5)]
    over = make_row("underpriced", 100.0, 400.0 * BAR + 10, 1300.0, 1250.0)
    result = judge([*rows, over, make_row("overpriced", 100.0, 1.0)])
    assert result["over"] == ["underpriced"]
    assert result["rows"][0]["operation"] == "underpriced"
    assert result["medianNsPerGas"] == 4.0


def test_a_wrong_slope_is_seen_behind_a_dear_constant():
    family = [Operation("v = f(@x)", size, f"v = f(x{size})") for size in (10, 1000)]
    small, large = make_row("small", 1000.0, 1000.0), make_row("large", 1990.0, 100_000.0)
    (slope,) = make_slopes(list(zip(family, (small, large), strict=True)))
    assert slope.gas == 990.0 and slope.nanoseconds == [99_000.0]


def test_a_measurement_has_one_sample_a_round_and_the_gas_of_one_statement():
    operation = Operation("v = n + m", None, "v = n + m")
    (row,) = measure([operation], 2, lambda text: None)
    assert len(row.nanoseconds) == 2
    schedule = Machine()._schedule
    # Statement, assignment, sum and two names, less the `pass` in its place.
    assert row.gas == schedule.arithmetic + 5 * schedule.node - schedule.node


@pytest.mark.parametrize("name, source", list_sources(), ids=lambda value: str(value)[:30])
def test_sources_to_deploy_are_what_their_names_say(name, source):
    problems = check_source(source)
    assert bool(problems) == ("refused" in name), problems[:1]
    assert len(source) > 4_000 or "imports" in name


def test_every_module_of_the_library_is_deployed_whole_alone_and_together():
    sources = dict(list_sources())
    for module in DIGESTS:
        alone = sources[f"deploy imports of {module}"]
        together = sources["deploy imports of all modules"]
        for name in load_module(module).words:
            assert f"{name}(" in alone and f"{name}(" in together
        assert module in sources["deploy imports of a word of each module"]


def test_the_contract_around_a_statement_is_a_contract():
    assert check_source(make_source(Operation("pass", None, "pass"))) == []
