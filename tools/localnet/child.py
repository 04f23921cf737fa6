"""Runs a program as a child that cannot outlive its parent.

    python -m tools.localnet.child MODULE [ARGUMENT ...]

The parent holds the other end of our standard input. However it ends (returns, is
killed, loses power of will), the system closes that end, we read end-of-file and
stop: first politely, then at once. Unlike Linux's PR_SET_PDEATHSIG this does not
fire when only the thread that started us ends, and it works on macOS too.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

GRACE_S = 10.0
"""Time for a clean shutdown after the parent has gone."""
EXIT_ORPHANED = 75


def main() -> None:
    """Watch standard input and run the module named by the first argument."""
    ended = threading.Event()
    threading.Thread(target=_watch, args=(ended,), name="parent-watch", daemon=True).start()
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        ended.set()


def _watch(ended: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    if not ended.wait(GRACE_S):
        os._exit(EXIT_ORPHANED)


if __name__ == "__main__":
    main()
