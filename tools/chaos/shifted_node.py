"""A node whose wall clock is wrong by a fixed time.

    python -m tools.chaos.shifted_node OFFSET_MS NODE_ARGUMENTS...

A node reads the wall clock once, when it starts (node/clock.py), so a wrong clock is a
restart with another offset. The program of a real node has no switch for it.
"""

from __future__ import annotations

import runpy
import sys

from node import parts
from node.clock import Clock


def make_shifted(offset_ms: int) -> type[Clock]:
    """Return a clock that is ``offset_ms`` ahead (or behind, when negative)."""

    class Shifted(Clock):
        """See the module."""

        def now_ms(self) -> int:
            return super().now_ms() + offset_ms

    return Shifted


def main() -> None:
    """Run the node with the shifted clock."""
    setattr(parts, "Clock", make_shifted(int(sys.argv[1])))  # noqa: B010 - a name of its imports
    sys.argv = ["node", *sys.argv[2:]]
    runpy.run_module("node", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
