"""The benchmark's arithmetic: percentiles, rates, and which rate counts as the peak."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bench.load import Step
from bench.report import compute_percentile, summarise_latencies, write_results
from bench.throughput import find_peak, keeps_up


def make_step(offered: float, achieved: float, latency_s: float) -> Step:
    step = Step(offered, 10.0)
    step.final_in_window = int(achieved * 10)
    step.latencies = [latency_s] * 50
    return step


@pytest.mark.parametrize(
    ("samples", "percent", "expected"),
    [([], 50, 0), ([3], 99, 3), ([1, 2, 3, 4, 5], 50, 3), ([0, 10], 25, 2.5), ([1, 2], 100, 2)],
)
def test_percentiles_are_interpolated(
    samples: list[float], percent: float, expected: float
) -> None:
    assert compute_percentile(samples, percent) == expected


def test_latencies_are_summarised_in_milliseconds_whatever_their_order() -> None:
    samples = [number / 1000 for number in range(1, 101)]
    random.Random(3).shuffle(samples)
    summary = summarise_latencies(samples)
    assert (summary["samples"], summary["meanMs"], summary["maxMs"]) == (100, 50.5, 100.0)
    assert (summary["p50Ms"], summary["p95Ms"]) == (50.5, 95.0)


def test_a_step_keeps_up_when_enough_is_final_in_time() -> None:
    assert keeps_up(make_step(1000, 950, 0.5))
    assert not keeps_up(make_step(1000, 800, 0.5))
    assert not keeps_up(make_step(1000, 1000, 9.0))


def test_the_peak_is_the_best_rate_that_was_kept_up_with() -> None:
    steps = [make_step(500, 500, 0.1), make_step(1000, 980, 1.0), make_step(2000, 1500, 5.0)]
    assert find_peak(steps) == 980
    assert find_peak(steps[2:]) == 1500


def test_results_are_kept_as_json_and_pictures(tmp_path: Path) -> None:
    figures = {
        "transactionsPerSecond": 10.0,
        "latency": summarise_latencies([0.1, 0.2]),
    }
    document = {
        "ramp": [figures, figures],
        "sustained": figures,
        "at80Percent": figures,
        "setup": {"validators": 4, "callsPerTransaction": 1},
        "machine": {"cores": 2},
        "commit": {"id": "0" * 40},
        "calibration": {"verificationsPerSecondBefore": 10_000},
    }
    paths = write_results(tmp_path / "results", "name", document)
    assert [path.name for path in paths] == ["name.json", "name.png", "name.svg"]
    assert all(path.stat().st_size > 100 for path in paths)
    assert json.loads(paths[0].read_text())["sustained"] == figures
