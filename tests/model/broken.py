"""Four broken models that the search must find, each by a shortest trace."""

from __future__ import annotations

from functools import cached_property

from consensus.replica import Replica
from primitives.validators import ValidatorSet
from tests.simulation.broken_replicas import (
    CommitsUnprepared,
    IgnoresHighestPrepared,
    VotesInTwoViews,
)


class QuorumOfTwo(ValidatorSet):
    """Takes two of four for a quorum."""

    @cached_property
    def quorum(self) -> int:
        """One honest validator and the liar."""
        return 2


BROKEN: dict[str, tuple[type[Replica], type[ValidatorSet]]] = {
    "ignores the highest prepared view": (IgnoresHighestPrepared, ValidatorSet),
    "commits without a prepared certificate": (CommitsUnprepared, ValidatorSet),
    "votes below its view change": (VotesInTwoViews, ValidatorSet),
    "a quorum of two": (Replica, QuorumOfTwo),
}
