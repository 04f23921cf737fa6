"""What goes wrong with an index itself; what nodes do wrong has errors of its own."""

from __future__ import annotations

from primitives.errors import CarbonodeError


class IndexFault(CarbonodeError):
    """The index is not what the program expects: another chain's, another writer's, none."""

    code = "index"
