"""When a validator that does not know what it signed may sign again.

Suppose our last-signed record is lost and we voted at height x. Then x-1 was final,
so at least N-2f honest validators voted at x-1 and hold x-2. Of any 2f+1 other
validators that tell their height with its proof, at least one is among those. So we
cannot have voted above (highest height told) + 2, and may sign from the height after
it, once others have committed up to there.
"""

from __future__ import annotations

from primitives.hashing import Address
from primitives.validators import ValidatorSet


class Watch:
    """The first height at which we may sign; works it out when it is unknown."""

    def __init__(self, vote_from: int | None, reason: str) -> None:
        self._vote_from = vote_from
        self._reason = reason
        self._told: dict[Address, int] = {}

    def may_vote(self, height: int) -> bool:
        """Whether we may sign at ``height``."""
        return self._vote_from is not None and height >= self._vote_from

    def explain(self, height: int) -> str:
        """Return why we may not sign, in words; empty when we may."""
        if self.may_vote(height):
            return ""
        until = "others have told their heights" if self._vote_from is None else self._vote_from
        return f"watching only, until {until}: {self._reason}"

    def hear(self, peer: Address, tip_height: int, own: Address, validators: ValidatorSet) -> None:
        """A validator proved that ``tip_height`` is final."""
        if self._vote_from is not None or peer == own or validators.get_index(peer) is None:
            return
        self._told[peer] = max(tip_height, self._told.get(peer, 0))
        others = len(validators.members) - 1
        if others and len(self._told) >= min(2 * validators.faulty_max + 1, others):
            self._vote_from = max(self._told.values()) + 3
            self._told.clear()
