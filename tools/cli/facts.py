"""What one node knows about a chain that may stand still: values for why.py. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

SILENT_MS = 6_000
"""A validator says STATUS every second: one that was not heard for so long is not there,
although its link is not given up yet (that takes 20 s)."""


class Verdict(Enum):
    """The cause in one word, for programs (docs/operations.md)."""

    MOVING = "moving"
    IDLE = "idle"
    HALTED = "halted"
    DIVERGENCE = "divergence"
    CUT_OFF = "cut-off"
    SYNCING = "syncing"
    QUORUM_MISSING = "quorum-missing"
    CLOCK = "clock"
    WATCHING = "watching"
    BLOCK_REFUSED = "block-refused"
    TRANSACTIONS_MISSING = "transactions-missing"
    LEADER_SILENT = "leader-silent"
    WAITING_FOR_VOTES = "waiting-for-votes"
    VIEWS_SPLIT = "views-split"
    VIEW_CHANGE = "view-change"
    BEHIND = "behind"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class ValidatorState:
    """One validator as this node sees it. ``connected`` is None for the node itself."""

    name: str
    connected: bool | None
    height: int | None = None
    view: int | None = None
    prepared: bool = False
    committed: bool = False
    last_error: str | None = None
    silent_ms: int | None = None
    """Since its last STATUS; None when it has said none yet."""
    claims: int | None = None
    """The view that its highest VIEW-CHANGE claims."""

    @property
    def is_own(self) -> bool:
        return self.connected is None

    @property
    def is_reachable(self) -> bool:
        if self.is_own:
            return True
        is_silent = self.silent_ms is not None and self.silent_ms > SILENT_MS
        return self.connected is True and not is_silent


@dataclass(frozen=True, slots=True)
class LeftView:
    """A view of the height under decision that this node has left."""

    view: int
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What one node knows. Times are milliseconds; ``block_age_ms`` since the last block.

    ``height`` is the height being decided. ``result_groups`` are the validators by the
    execution result they vote for, when there is more than one; ``node_says`` is the
    node's own line on what it waits for.
    """

    height: int
    view: int
    phase: str
    leader: str
    quorum: int
    validators: tuple[ValidatorState, ...]
    is_validator: bool
    waiting_transactions: int
    syncing: bool
    halted: str | None
    block_age_ms: int
    timeout_base_ms: int
    empty_block_interval_ms: int
    result_groups: tuple[tuple[str, ...], ...] = ()
    node_says: str = ""
    role: str = "validator"
    """``validator``, ``watching`` or ``observer``."""
    membership: str = "validator"
    """What governance says: ``validator``, ``candidate``, ``observer`` or ``unknown``."""
    watching: str = ""
    """Why this validator does not vote."""
    has_proposal: bool = False
    has_body: bool = False
    refusal: str = ""
    """Why the current view's block is refused here."""
    left: tuple[LeftView, ...] = ()
    due_ms_ago: int | None = None
    """Since when the current view owes a block."""
    refusals_of_time: tuple[str, ...] = ()
    """Leaders whose blocks were refused because their time is too far ahead."""
    clock_offset_ms: int | None = None
    """This node's clock less that of the machine that asks; None when it is not told."""
    clock_drift_ms: int = 10_000
    sync_target: int = 0
    sync_from: str = ""
    lacking_version: str = ""
    """What the next epoch needs and this program lacks."""
    stops_after: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, and why: one sentence each, the cause first, then what to do."""

    verdict: Verdict
    sentences: tuple[str, ...]


def format_names(items: Sequence[ValidatorState]) -> str:
    """Return names in a row."""
    return ", ".join(item.name for item in items) or "none"


def format_seconds(milliseconds: int) -> str:
    """Return a time for people."""
    return f"{milliseconds / 1000:,.1f} s"
