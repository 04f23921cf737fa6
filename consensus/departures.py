"""Why views of a height were left: kept for people, decides nothing. Pure.

A replica leaves a view when its time is over, when its block was refused, or because
others claim or proved a later one. Beside it the reason for which a leader's signed
proposal was turned down: nothing else tells a wrong clock from a silent leader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from consensus.bounds import DEPARTURES_KEPT_MAX

DETAIL_CHARACTERS_MAX = 200


class Cause(Enum):
    """Why a view was left. The value is the name in logs, metrics and answers."""

    TIMEOUT = "timeout"
    """Nothing that found a quorum came in time."""
    REFUSED = "refused"
    """The leader's block, or its proposal, was refused here."""
    FOLLOWED = "followed"
    """f+1 validators claim a later view."""
    NEW_VIEW = "new-view"
    """A later view began with a quorum's proof before we left."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Views ``view`` to ``to - 1`` were left (or never entered), ``at_ms``."""

    view: int
    to: int
    cause: Cause
    detail: str
    at_ms: int


class Departures:
    """The views that were left at one height, and proposals turned down. Bounded."""

    def __init__(self) -> None:
        self._left: list[Departure] = []
        self._turned_down: dict[int, str] = {}

    def __iter__(self) -> Iterator[Departure]:
        return iter(self._left)

    def __len__(self) -> int:
        return len(self._left)

    @property
    def held(self) -> int:
        """How many proposals' reasons are kept: what a leader can make us keep."""
        return len(self._turned_down)

    def note_turned_down(self, view: int, reason: str) -> None:
        """The leader of ``view`` signed a proposal that we do not accept."""
        if view not in self._turned_down and len(self._turned_down) >= DEPARTURES_KEPT_MAX:
            del self._turned_down[next(iter(self._turned_down))]
        self._turned_down[view] = reason[:DETAIL_CHARACTERS_MAX]

    def get_turned_down(self, view: int) -> str:
        """Return why the proposal of ``view`` was turned down; empty when it was not."""
        return self._turned_down.get(view, "")

    def note(self, view: int, to: int, cause: Cause, now_ms: int, detail: str = "") -> None:
        """Note that ``view`` was left for ``to``. The first ones of a height are kept."""
        turned_down = self.get_turned_down(view)
        if cause is Cause.TIMEOUT and turned_down:
            cause, detail = Cause.REFUSED, turned_down
        if len(self._left) < DEPARTURES_KEPT_MAX:
            self._left.append(Departure(view, to, cause, detail[:DETAIL_CHARACTERS_MAX], now_ms))
