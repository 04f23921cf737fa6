"""Work in forked children: each sends one text back and is stopped when it takes too long.

A child shares what its parent has imported and loses all that it changed, so no mutant can
touch the next one.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

MEMORY_BYTES_MAX = 6 * 1024**3
FAILED = "failed: "


@dataclass
class _Child:
    name: str
    pid: int
    pipe: int
    deadline: float
    text: bytearray = field(default_factory=bytearray)


def run_all(
    tasks: Iterable[tuple[str, Callable[[], str]]], jobs: int, wall_s: float
) -> Iterator[tuple[str, str | None]]:
    """Yield (name, text) as each task ends; None when its time was over or it died."""
    waiting = iter(tasks)
    running: list[_Child] = []
    while True:
        while len(running) < jobs and (task := next(waiting, None)) is not None:
            running.append(_start(*task, wall_s))
        if not running:
            return
        for child in _wait(running):
            running.remove(child)
            os.close(child.pipe)
            _, status = os.waitpid(child.pid, 0)
            ended = os.waitstatus_to_exitcode(status) == 0
            yield child.name, child.text.decode() if ended else None


def run_one(call: Callable[[], str], wall_s: float = 3_600) -> str:
    """Run one task and return its text. Raises RuntimeError with what went wrong in it."""
    ((_, text),) = run_all([("", call)], 1, wall_s)
    if text is None or text.startswith(FAILED):
        raise RuntimeError(text or "the child died")
    return text


def _start(name: str, call: Callable[[], str], wall_s: float) -> _Child:
    sys.stdout.flush()
    here, there = os.pipe()
    pid = os.fork()
    if pid:
        os.close(there)
        return _Child(name, pid, here, time.monotonic() + wall_s)
    code = 1
    try:
        os.close(here)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        try:
            text = call()
        except BaseException:
            text = FAILED + traceback.format_exc()
        _write(there, text.encode())
        code = 0
    finally:
        os._exit(code)


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]


def _wait(running: list[_Child]) -> list[_Child]:
    """Return the children that ended; stop those whose time is over."""
    ready, _, _ = select.select([child.pipe for child in running], [], [], 0.5)
    ended = []
    for child in running:
        if child.pipe in ready:
            data = os.read(child.pipe, 1 << 16)
            child.text += data
            if not data:
                ended.append(child)
        elif time.monotonic() > child.deadline:
            os.kill(child.pid, signal.SIGKILL)
            ended.append(child)
    return ended
