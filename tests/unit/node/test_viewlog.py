"""One line for each height that needed more than one view, from certificate and departures."""

from __future__ import annotations

import logging

import pytest

from consensus.departures import Cause, Departure
from node.metrics import Metrics
from node.viewlog import HEIGHTS_KEPT_MAX, PASSED_SHOWN_MAX, UNSEEN, ViewLog
from primitives.certificate import Phase
from tests.unit.consensus.harness import NOW, Bench, hash_of

BENCH = Bench()
TIP = BENCH.rules.tip


def end(log: ViewLog, view: int, *departures: Departure) -> None:
    certificate = BENCH.certificate(
        range(3), Phase.COMMIT, view, hash_of("block"), hash_of("state")
    )
    log.end_height(certificate, TIP, departures, NOW, NOW + 1_500)


def test_a_height_of_one_view_has_no_line(caplog: pytest.LogCaptureFixture) -> None:
    log = ViewLog(Metrics())
    with caplog.at_level(logging.INFO, "carbonode.views"):
        end(log, 0, Departure(0, 1, Cause.TIMEOUT, "", NOW))
    assert log.get_last(5) == []
    assert caplog.records == []


def test_the_line_names_leaders_causes_and_time(caplog: pytest.LogCaptureFixture) -> None:
    log = ViewLog(Metrics())
    leaders = [f"v{BENCH.leader(view)}" for view in range(4)]
    with caplog.at_level(logging.INFO, "carbonode.views"):
        end(
            log,
            4,
            Departure(0, 1, Cause.REFUSED, "expired", NOW),
            Departure(1, 3, Cause.FOLLOWED, "", NOW),
        )
    (item,) = log.get_last(5)
    assert (item.views, item.took_ms) == (5, 1_500)
    assert [(seen.leader, seen.cause, seen.detail) for seen in item.passed] == [
        (leaders[0], "refused", "expired"),
        (leaders[1], "followed", ""),
        (leaders[2], "followed", ""),
        (leaders[3], UNSEEN, ""),
    ]
    (record,) = caplog.records
    assert record.message == "took more than one view"
    fields = record.__dict__["fields"]
    assert fields["passed_over"].startswith(f"{leaders[0]} (refused: expired), {leaders[1]}")
    assert (fields["views"], fields["took_ms"]) == (5, 1_500)


def test_causes_are_counted_once_and_while_they_happen() -> None:
    metrics = Metrics()
    log = ViewLog(metrics)
    first = Departure(0, 1, Cause.TIMEOUT, "", NOW)
    second = Departure(1, 2, Cause.FOLLOWED, "", NOW)
    log.see([first])
    log.see([first])
    assert count(metrics, "timeout") == 1
    end(log, 2, first, second)
    assert (count(metrics, "timeout"), count(metrics, "followed")) == (1, 1)
    log.see([first])  # the next height's first
    assert count(metrics, "timeout") == 2


def test_heights_and_views_are_bounded_and_the_latest_come_first() -> None:
    log = ViewLog(Metrics())
    for view in range(1, HEIGHTS_KEPT_MAX + 20):
        end(log, view)
    kept = log.get_last(10_000)
    assert len(kept) == HEIGHTS_KEPT_MAX
    assert [item.views for item in kept[:2]] == [HEIGHTS_KEPT_MAX + 20, HEIGHTS_KEPT_MAX + 19]
    assert len(kept[0].passed) == PASSED_SHOWN_MAX
    assert kept[0].describe().endswith(f"and {HEIGHTS_KEPT_MAX + 19 - PASSED_SHOWN_MAX} more")


def count(metrics: Metrics, reason: str) -> float:
    value = metrics.registry.get_sample_value("carbonode_view_changes_total", {"reason": reason})
    return value or 0.0
