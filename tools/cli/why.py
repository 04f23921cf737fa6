"""Why does the chain stand still? Facts of one node in, sentences out. Pure.

The order is that of likelihood to be the cause: a node that halted explains
everything, a missing quorum explains missing votes, and a chain without
transactions is not broken at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """The cause in one word, for programs."""

    MOVING = "moving"
    IDLE = "idle"
    HALTED = "halted"
    DIVERGENCE = "divergence"
    SYNCING = "syncing"
    QUORUM_MISSING = "quorum-missing"
    WAITING_FOR_VOTES = "waiting-for-votes"
    VIEW_CHANGE = "view-change"


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

    @property
    def is_reachable(self) -> bool:
        return self.connected is not False


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


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, and why: one sentence each, the cause first, then what to do."""

    verdict: Verdict
    sentences: tuple[str, ...]


MOVING_TIMEOUTS = 3
"""A chain with work is moving while its last block is younger than so many time-outs."""


def explain(situation: Situation) -> Explanation:
    """Return why the chain stands still, or that it does not."""
    if situation.halted:
        return _explain_halt(situation.halted)
    if len(situation.result_groups) > 1:
        return _explain_divergence(situation)
    reachable = [item for item in situation.validators if item.is_reachable]
    if situation.syncing:
        return _explain_sync(situation)
    if len(reachable) < situation.quorum:
        return _explain_missing_quorum(situation, reachable)
    if situation.waiting_transactions == 0 and situation.view == 0:
        return _explain_idle(situation)
    if situation.block_age_ms <= MOVING_TIMEOUTS * situation.timeout_base_ms:
        return Explanation(
            Verdict.MOVING,
            (
                f"The chain moves: height {situation.height} is being decided, the last block "
                f"is {_seconds(situation.block_age_ms)} old.",
            ),
        )
    if situation.view > 0:
        return _explain_view_change(situation)
    return _explain_votes(situation)


def _explain_halt(reason: str) -> Explanation:
    return Explanation(
        Verdict.HALTED,
        (
            f"This node halted: {reason}.",
            "It serves nothing that it computed itself. The other nodes go on if they are "
            "a quorum; see the dump in this node's log before starting it again.",
        ),
    )


def _explain_divergence(situation: Situation) -> Explanation:
    groups = "; ".join(
        f"group {number}: {', '.join(names)}"
        for number, names in enumerate(situation.result_groups, 1)
    )
    return Explanation(
        Verdict.DIVERGENCE,
        (
            f"Divergence: the validators computed different results for height "
            f"{situation.height}, and none has a quorum of {situation.quorum}.",
            f"{groups[0].upper()}{groups[1:]}.",
            "Compare versions of Python, libraries and carbonode between the groups "
            "('carbonode doctor' on each).",
        ),
    )


def _explain_sync(situation: Situation) -> Explanation:
    heights = [item.height for item in situation.validators if item.height is not None]
    ahead = f" of {max(heights)}" if heights else ""
    return Explanation(
        Verdict.SYNCING,
        (
            f"This node is catching up: it stands at {situation.height - 1}{ahead}.",
            "It votes again when it is at the tip; nothing needs to be done.",
        ),
    )


def _explain_missing_quorum(
    situation: Situation, reachable: Sequence[ValidatorState]
) -> Explanation:
    total = len(situation.validators)
    sentences = [
        f"Quorum missing: {situation.quorum} of {total} validators must take part, and "
        f"{len(reachable)} can be reached from here ({_names(reachable)})."
    ]
    for item in situation.validators:
        if not item.is_reachable:
            reason = f": {item.last_error}" if item.last_error else " (no link)"
            sentences.append(f"Unreachable: {item.name}{reason}.")
    need = situation.quorum - len(reachable)
    sentences.append(
        f"The chain goes on by itself when {need} more of them come back; check that their "
        "processes run and that their p2p ports can be reached."
    )
    return Explanation(Verdict.QUORUM_MISSING, tuple(sentences))


def _explain_idle(situation: Situation) -> Explanation:
    interval = situation.empty_block_interval_ms
    if interval and situation.block_age_ms > 2 * interval + situation.timeout_base_ms:
        return _explain_votes(situation)
    when = f"an empty block comes every {_seconds(interval)}" if interval else "no block is due"
    return Explanation(
        Verdict.IDLE,
        (
            f"Idle, not stuck: no transactions wait on this node, so {when} (the last one is "
            f"{_seconds(situation.block_age_ms)} old).",
        ),
    )


def _explain_view_change(situation: Situation) -> Explanation:
    elsewhere = [
        item
        for item in situation.validators
        if item.is_reachable and item.view is not None and item.view != situation.view
    ]
    sentences = [
        f"View change: height {situation.height} is in view {situation.view}, because the "
        "leaders of the views before it proposed nothing that found a quorum.",
        f"The leader of this view is {situation.leader}.",
    ]
    if elsewhere:
        views = ", ".join(f"{item.name} in view {item.view}" for item in elsewhere)
        sentences.append(f"Not in this view: {views}.")
    return Explanation(Verdict.VIEW_CHANGE, (*sentences, *_vote_sentences(situation)))


def _explain_votes(situation: Situation) -> Explanation:
    sentences = [
        f"Waiting for votes: height {situation.height}, view {situation.view}, phase "
        f"{situation.phase}; the leader is {situation.leader}; the last block is "
        f"{_seconds(situation.block_age_ms)} old."
    ]
    behind = [
        item
        for item in situation.validators
        if item.is_reachable and item.height is not None and item.height < situation.height - 1
    ]
    if behind:
        sentences.append(f"Behind and catching up: {_names(behind)}.")
    return Explanation(Verdict.WAITING_FOR_VOTES, (*sentences, *_vote_sentences(situation)))


def _vote_sentences(situation: Situation) -> list[str]:
    sentences: list[str] = []
    for phase, voters in (
        ("PREPARE", [item for item in situation.validators if item.prepared]),
        ("COMMIT", [item for item in situation.validators if item.committed]),
    ):
        missing = [item for item in situation.validators if item not in voters]
        if len(voters) < situation.quorum:
            sentences.append(
                f"{phase}: {len(voters)} of {situation.quorum} needed; no vote from "
                f"{_names(missing)}."
            )
    if situation.node_says:
        sentences.append(f"The node itself says: {situation.node_says}.")
    return sentences


def _names(items: Sequence[ValidatorState]) -> str:
    return ", ".join(item.name for item in items) or "none"


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s"
