"""``python -m node HOME``: runs the node whose home folder is given.

The command ``carbonode start`` does the same with options; this entry needs nothing
from ``tools`` and is what process supervisors and tests start.
"""

from __future__ import annotations

import sys
from pathlib import Path

from node.run import EXIT_CONFIG, run_node


def main() -> int:
    """Parse ``HOME [table.key=value ...]`` and run."""
    arguments = sys.argv[1:]
    if not arguments or any("=" not in item for item in arguments[1:]):
        print("usage: python -m node HOME [table.key=value ...]", file=sys.stderr)
        return EXIT_CONFIG
    flags = dict(item.split("=", 1) for item in arguments[1:])
    return run_node(Path(arguments[0]), flags)


if __name__ == "__main__":
    raise SystemExit(main())
