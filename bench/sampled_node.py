"""A node in a process that looks at itself: a sampling profile of all its threads.

    python -m bench.sampled_node OUTPUT.json NODE_ARGUMENTS...

A thread of its own looks at every other thread's stack so often and counts functions;
at the end it writes the counts. cProfile would see the event loop's thread only and
slow it by half; sampling costs about 1 %.
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
STACK_MAX = 60
IDLE = frozenset({"wait", "_worker", "run_forever", "run_until_complete", "read", "select", "poll"})
"""Leaf functions of a thread that waits; in the event loop's thread also the loop's own code."""


class Sampler(threading.Thread):
    """Counts leaf functions and functions on the stack, by thread name."""

    def __init__(self) -> None:
        super().__init__(name="sampler", daemon=True)
        self.samples = 0
        self.leaves: Counter[tuple[str, str]] = Counter()
        self.inclusive: Counter[tuple[str, str]] = Counter()
        self._stop_asked = threading.Event()

    def run(self) -> None:
        own = threading.get_ident()
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
            self.leaves[thread, "(idle)"] += 1
            return
        self.leaves[thread, _describe(frame)] += 1
        seen: set[str] = set()
        current: FrameType | None = frame
        for _ in range(STACK_MAX):
            if current is None:
                break
            seen.add(_describe(current))
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
    sampler = Sampler()
    sampler.start()
    started, cpu = time.perf_counter(), time.process_time()
    try:
        runpy.run_module("node", run_name="__main__", alter_sys=True)
    finally:
        sampler.stop()
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
