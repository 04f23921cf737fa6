"""One line for each height that needed more than one view: whom it passed over, and why.

The certificate says how many views a height took and the rules say who led them; why we
left each of them is what consensus noted here. A node that learned of a block from others
does not know: its line says so. Bounded, in memory, for ``consensus views`` and the log.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from consensus.departures import Departure
from consensus.effects import CommittedTip
from node.logs import log_event
from node.metrics import Metrics
from primitives.certificate import Certificate

_log = logging.getLogger("carbonode.views")

HEIGHTS_KEPT_MAX = 256
"""Heights remembered, 1 KB each."""
PASSED_SHOWN_MAX = 16
"""Views of one height that are named: beyond it everyone has had a turn."""
UNSEEN = "unseen"
"""This node was not there: it fetched the block, or was started later."""


@dataclass(frozen=True, slots=True)
class PassedView:
    """A view that ended without a block. ``cause`` is one of ``consensus.departures.Cause``."""

    view: int
    leader: str
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class HeightViews:
    """``views`` were needed, in ``took_ms`` since a block was first due (None: unknown)."""

    height: int
    views: int
    took_ms: int | None
    committed_ms: int
    passed: tuple[PassedView, ...]

    def describe(self) -> str:
        """Return the passed leaders in a line: ``b (timeout), c (refused: reason)``."""
        shown = [
            f"{item.leader} ({item.cause}{': ' if item.detail else ''}{item.detail})"
            for item in self.passed
        ]
        more = self.views - 1 - len(self.passed)
        return ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])])


def make_height_views(
    certificate: Certificate,
    before: CommittedTip,
    departures: Sequence[Departure],
    wanted_at_ms: int | None,
    now_ms: int,
) -> HeightViews:
    """Return the summary of a height that was just committed on top of ``before``."""
    members = before.next_validators.members
    passed: list[PassedView] = []
    for view in range(min(certificate.view, PASSED_SHOWN_MAX)):
        leader = before.next_leaders.compute_leader(
            before.next_validators, certificate.height, view
        )
        left = next((item for item in departures if item.view <= view < item.to), None)
        passed.append(
            PassedView(
                view,
                members[leader].name,
                UNSEEN if left is None else left.cause.value,
                "" if left is None or left.view != view else left.detail,
            )
        )
    took_ms = None if wanted_at_ms is None else max(0, now_ms - wanted_at_ms)
    return HeightViews(certificate.height, certificate.view + 1, took_ms, now_ms, tuple(passed))


class ViewLog:
    """The last heights that needed more than one view; counts why views were left."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._heights: deque[HeightViews] = deque(maxlen=HEIGHTS_KEPT_MAX)
        self._counted = 0

    def see(self, departures: Sequence[Departure]) -> None:
        """Count what is new among the departures of the height under decision."""
        for item in departures[self._counted :]:
            self._metrics.view_changes.labels(item.cause.value).inc()
        self._counted = len(departures)

    def end_height(
        self,
        certificate: Certificate,
        before: CommittedTip,
        departures: Sequence[Departure],
        wanted_at_ms: int | None,
        now_ms: int,
    ) -> None:
        """Take a height that was just committed; one that needed more views gets its line."""
        self.see(departures)
        self._counted = 0
        if certificate.view == 0:
            return
        item = make_height_views(certificate, before, departures, wanted_at_ms, now_ms)
        self._heights.append(item)
        log_event(
            _log,
            logging.INFO,
            "took more than one view",
            height=item.height,
            views=item.views,
            took_ms=item.took_ms,
            passed_over=item.describe(),
        )

    def get_last(self, count: int) -> list[HeightViews]:
        """Return the last ones, latest first."""
        return list(self._heights)[::-1][:count]
