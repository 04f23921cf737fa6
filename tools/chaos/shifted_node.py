"""A node whose wall clock is wrong by a fixed time.

    python -m tools.chaos.shifted_node OFFSET_MS NODE_ARGUMENTS...

A node reads the wall clock once, when it starts (node/clock.py), so a wrong clock is a
restart with another offset. The program of a real node has no switch for it.
"""

from __future__ import annotations

import runpy
import sys

from node.clock import Clock


def shift_clock(offset_ms: int) -> None:
    """Put every clock of this process ahead by ``offset_ms`` (behind, when negative).

    At the class, not where a node makes one: there a refactoring could leave it without
    effect, and nobody would see it.
    """
    read = Clock.now_ms

    def read_shifted(clock: Clock) -> int:
        return read(clock) + offset_ms

    setattr(Clock, "now_ms", read_shifted)  # noqa: B010 - the point of this program


def main() -> None:
    """Run the node with the shifted clock."""
    shift_clock(int(sys.argv[1]))
    sys.argv = ["node", *sys.argv[2:]]
    runpy.run_module("node", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
