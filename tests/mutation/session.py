"""pytest inside our own process: tests are collected once and then run in any order.

The plugin takes over the run loop; `work` gets the collected items. Nothing is written: no
cache, no example database, no report.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

CPU_S_MIN = 3
"""A test may take this much CPU, and ten times what it took before the change."""
CPU_TIMES = 10
COLLECTION = "while the tests were being collected"

Work = Callable[[Sequence[pytest.Item]], None]


class Loop:
    """A pytest plugin: calls ``work`` in the place of pytest's own loop."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.failed = False
        """Whether the tests could not even be collected."""

    def pytest_configure(self) -> None:
        """Have hypothesis look for a failure only, and write nothing."""
        # Here, because pytest wants to be the first to import it.
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutation",
            database=None,
            deadline=None,
            derandomize=True,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run our work; pytest's own loop is not called."""
        self.failed = bool(session.testsfailed)
        if not self.failed:
            self._work(session.items)
        return True


def collect(tests: Sequence[str], work: Work) -> bool:
    """Collect ``tests`` and call ``work``; False when that failed."""
    loop = Loop(work)
    arguments = ["-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests]
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - the null device
        kept = [(fd, os.dup(fd)) for fd in (1, 2)]
        for fd, _ in kept:
            os.dup2(nowhere.fileno(), fd)
        try:
            code = pytest.main(arguments, plugins=[loop])
        finally:
            for fd, copy in kept:
                os.dup2(copy, fd)
    return not loop.failed and code in (0, 5)


def run_items(items: Sequence[pytest.Item], costs: dict[str, float]) -> str | None:
    """Run tests in this order up to the first failure; return its name, None when all pass.

    A test that takes far more CPU than before ends the process: its parent sees that.
    """
    signal.signal(signal.SIGPROF, lambda *_: os._exit(3))
    for item, following in zip(items, [*items[1:], None], strict=True):
        limit = CPU_S_MIN + CPU_TIMES * costs.get(item.nodeid, 0.0)
        signal.setitimer(signal.ITIMER_PROF, limit)
        reports = runtestprotocol(item, nextitem=following, log=False)
        if any(report.failed for report in reports):
            signal.setitimer(signal.ITIMER_PROF, 0)
            return item.nodeid
    signal.setitimer(signal.ITIMER_PROF, 0)
    return None


class LineWatch:
    """Which lines of the watched folders ran."""

    def __init__(self, root: str, packages: Sequence[str]) -> None:
        self._folders = tuple(f"{root}/{package}/" for package in packages)
        self._root = len(root) + 1
        self.lines: dict[str, set[int]] = {}

    def start(self) -> None:
        """Watch from now on."""
        sys.settrace(self._call)

    def stop(self) -> None:
        """Watch no more."""
        sys.settrace(None)

    def take(self) -> dict[str, list[int]]:
        """Return and forget what ran."""
        taken = {path: sorted(lines) for path, lines in self.lines.items()}
        self.lines.clear()
        return taken

    def _call(self, frame: FrameType, event: str, arg: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(self._folders):
            return None
        lines = self.lines.setdefault(name[self._root :], set())
        lines.add(frame.f_lineno)

        def line(frame: FrameType, event: str, arg: object) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line


def measure(root: str, packages: Sequence[str], tests: Sequence[str]) -> dict[str, Any]:
    """Run all tests once, unchanged; return cost and lines of each, and the lines of importing.

    Raises RuntimeError when one fails.
    """
    watch = LineWatch(root, packages)
    result: dict[str, Any] = {"import": {}, "tests": {}}
    wrong: list[str] = []

    def work(items: Sequence[pytest.Item]) -> None:
        result["import"] = watch.take()
        for item, following in zip(items, [*items[1:], None], strict=True):
            before = time.process_time()
            watch.start()  # a test may have taken the trace away
            reports = runtestprotocol(item, nextitem=following, log=False)
            cost = time.process_time() - before
            result["tests"][item.nodeid] = {"cost": cost, "lines": watch.take()}
            if any(report.failed for report in reports):
                wrong.append(item.nodeid)

    watch.start()
    try:
        good = collect(tests, work)
    finally:
        watch.stop()
    if not good or wrong:
        raise RuntimeError(f"these must pass without a change: {wrong or 'collection'}")
    return result
