"""A node in a process that looks at itself: a sampling profile of all its threads.

    python -m bench.sampled_node OUTPUT.json NODE_ARGUMENTS...

A thread of its own looks at every other thread's stack so often and counts functions,
from the moment that a file ``OUTPUT.json.start`` exists; at the end it writes the
counts. cProfile would see the event loop's thread only and slow it by half; sampling
costs about 1 %.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL_S = 0.005
START_POLL_S = 0.05
STACK_MAX = 60
IDLE = frozenset({"wait", "_worker", "_watch", "run", "select", "poll"})
"""Leaf functions of a thread that waits. In the event loop's thread ``run`` is uvloop: it
waits there, or runs its own native code, which no Python profiler can tell apart."""
FRAMES = ("threading.py", "runpy", "thread.py:_worker", "thread.py:run", "<frozen", "child.py",
          "sampled_node.py", "node/__main__.py", "run.py:run_node", "uvloop/__init__", "runners.py",
          "<string>")  # fmt: skip
"""On every stack; they say nothing."""


class Sampler(threading.Thread):
    """Counts leaf functions and functions on the stack, by thread name."""

    def __init__(self, start_file: Path) -> None:
        super().__init__(name="sampler", daemon=True)
        self._start_file = start_file
        self.samples = 0
        self.started = (time.perf_counter(), time.process_time())
        self.leaves: Counter[tuple[str, str]] = Counter()
        self.inclusive: Counter[tuple[str, str]] = Counter()
        self._stop_asked = threading.Event()

    def run(self) -> None:
        own = threading.get_ident()
        while not self._start_file.exists():
            if self._stop_asked.wait(START_POLL_S):
                return
        self.started = (time.perf_counter(), time.process_time())
        while not self._stop_asked.wait(INTERVAL_S):
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            self.samples += 1
            for ident, frame in sys._current_frames().items():
                if ident != own:
                    self._count(_normalise(names.get(ident, "unknown")), frame)

    def stop(self) -> None:
        """End sampling."""
        self._stop_asked.set()
        self.join()

    def _count(self, thread: str, frame: FrameType) -> None:
        if frame.f_code.co_name in IDLE:
            return
        self.leaves[thread, _describe(frame)] += 1
        seen: set[str] = set()
        current: FrameType | None = frame
        for _ in range(STACK_MAX):
            if current is None:
                break
            name = _describe(current)
            if not any(part in name for part in FRAMES):
                seen.add(name)
            current = current.f_back
        for name in seen:
            self.inclusive[thread, name] += 1


def _normalise(thread: str) -> str:
    """Threads of one pool count as one."""
    return thread.rstrip("0123456789").rstrip("_-")


def _describe(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(code.co_filename.split('/')[-2:])}:{code.co_name}"


def main() -> None:
    """Run the node under the sampler and write what it saw."""
    output = Path(sys.argv[1])
    sys.argv = ["node", *sys.argv[2:]]
    sampler = Sampler(output.with_name(output.name + ".start"))
    sampler.start()
    try:
        runpy.run_module("node", run_name="__main__", alter_sys=True)
    finally:
        sampler.stop()
        started, cpu = sampler.started
        output.write_text(
            json.dumps(
                {
                    "samples": sampler.samples,
                    "seconds": time.perf_counter() - started,
                    "cpuSeconds": time.process_time() - cpu,
                    "leaves": [[*name, count] for name, count in sampler.leaves.most_common(400)],
                    "inclusive": [
                        [*name, count] for name, count in sampler.inclusive.most_common(400)
                    ],
                }
            ),
            "utf-8",
        )


if __name__ == "__main__":
    main()
