"""Why the height under decision does not end, when enough validators can be reached. Pure.

Castro & Liskov's steps in order: a proposal, its transactions, PREPAREs, COMMITs; and,
beside them, the change of views.
"""

from __future__ import annotations

from tools.cli.facts import (
    Explanation,
    Situation,
    ValidatorState,
    Verdict,
    format_names,
    format_seconds,
)


def explain_height(situation: Situation) -> Explanation:
    """Return which step the height waits for, and for whom."""
    ahead = [
        item
        for item in situation.validators
        if not item.is_own and item.is_reachable and (item.height or 0) > situation.height
    ]
    if ahead:
        return _explain_behind(situation, ahead)
    if situation.refusal:
        return _explain_refusal(situation)
    if situation.has_proposal and not situation.has_body:
        return _explain_missing_transactions(situation)
    if not situation.has_proposal and situation.view > 0:
        return _explain_view_change(situation)
    if not situation.has_proposal and _is_proposal_overdue(situation):
        return _explain_silent_leader(situation)
    return _explain_votes(situation)


def _explain_behind(situation: Situation, ahead: list[ValidatorState]) -> Explanation:
    told = ", ".join(f"{item.name} decides {item.height}" for item in ahead)
    return Explanation(
        Verdict.BEHIND,
        (
            f"This node is behind: it decides height {situation.height}, and {told}.",
            "It fetches what is missing from them; if that takes longer than a minute, look at "
            "its log for refused blocks and at its disk.",
        ),
    )


def _explain_refusal(situation: Situation) -> Explanation:
    return Explanation(
        Verdict.BLOCK_REFUSED,
        (
            f"Block refused: this node refuses the block of {situation.leader} for height "
            f"{situation.height}, view {situation.view}: {situation.refusal}.",
            "The view ends with its time, and another leader proposes. If others refuse it too, "
            f"the fault is {situation.leader}'s; if this node alone does, it is this node's.",
            *_describe_left(situation),
        ),
    )


def _explain_missing_transactions(situation: Situation) -> Explanation:
    return Explanation(
        Verdict.TRANSACTIONS_MISSING,
        (
            f"Transactions missing: the block of {situation.leader} for height "
            f"{situation.height} names transactions that this node has not, and nobody has "
            "sent them yet.",
            "It asks every peer; when nobody has them the view ends with its time.",
            *_describe_votes(situation),
        ),
    )


def _is_proposal_overdue(situation: Situation) -> bool:
    is_wanted = situation.waiting_transactions > 0 or situation.due_ms_ago is not None
    return is_wanted and situation.phase == "waiting-for-proposal"


def _explain_silent_leader(situation: Situation) -> Explanation:
    since = (
        f" for {format_seconds(situation.due_ms_ago)}" if situation.due_ms_ago is not None else ""
    )
    return Explanation(
        Verdict.LEADER_SILENT,
        (
            f"Leader silent: {situation.leader} leads height {situation.height}, view "
            f"{situation.view}, and has owed a block{since}.",
            _describe_leader(situation),
            "The others pass it over when the view's time is over.",
        ),
    )


def _describe_leader(situation: Situation) -> str:
    leader = next((item for item in situation.validators if item.name == situation.leader), None)
    if leader is None or leader.is_own:
        return "That is this node: see its log."
    if leader.connected is False:
        return f"There is no link to it: {leader.last_error or 'no reason known'}."
    if leader.silent_ms is None:
        return "It has said nothing on its link yet."
    return f"It is linked and was heard {format_seconds(leader.silent_ms)} ago."


def _explain_view_change(situation: Situation) -> Explanation:
    """No proposal in a view above 0: too few follow, they are split, or its leader is silent."""
    view, quorum = situation.view, situation.quorum
    there = [item for item in situation.validators if (item.claims or 0) >= view]
    lacking = [item for item in situation.validators if item not in there]
    waits = Explanation(
        Verdict.VIEW_CHANGE,
        (
            f"View change: height {situation.height} is in view {view}, led by "
            f"{situation.leader}; {len(there)} of {quorum} validators needed claim it or a "
            f"later one ({format_names(there)}).",
            f"No claim from {format_names(lacking)}.",
            *_describe_left(situation),
        ),
    )
    if len(there) < quorum:
        return _explain_split(situation, there) or waits
    return Explanation(
        Verdict.LEADER_SILENT,
        (
            f"Leader silent: {quorum} validators are in view {view} of height "
            f"{situation.height} or later, and its leader {situation.leader} has proposed nothing.",
            _describe_leader(situation),
            *_describe_left(situation),
        ),
    )


def _explain_split(situation: Situation, there: list[ValidatorState]) -> Explanation | None:
    """Return that nodes stand in different views, when that is why none has a quorum."""
    places: dict[int, list[str]] = {}
    for item in situation.validators:
        if not item.is_reachable:
            continue
        view = situation.view if item.is_own else max(item.claims or 0, item.view or 0)
        places.setdefault(view, []).append(item.name)
    if len(places) < 2 or len(there) == 0:
        return None
    told = "; ".join(f"view {view}: {', '.join(places[view])}" for view in sorted(places))
    return Explanation(
        Verdict.VIEWS_SPLIT,
        (
            f"Views split: the validators stand in different views of height "
            f"{situation.height}, and none has the quorum of {situation.quorum} ({told}).",
            "Those behind follow when f+1 claim a later view, or when their own time is over; "
            "time-outs double up to timeout_max_ms.",
            *_describe_left(situation),
        ),
    )


def _explain_votes(situation: Situation) -> Explanation:
    sentences = [
        f"Waiting for votes: height {situation.height}, view {situation.view}, phase "
        f"{situation.phase}; the leader is {situation.leader}; the last block is "
        f"{format_seconds(situation.block_age_ms)} old."
    ]
    behind = [
        item
        for item in situation.validators
        if item.is_reachable and item.height is not None and item.height < situation.height - 1
    ]
    if behind:
        sentences.append(f"Behind and catching up: {format_names(behind)}.")
    return Explanation(
        Verdict.WAITING_FOR_VOTES,
        (*sentences, *_describe_votes(situation), *_describe_left(situation)),
    )


def _describe_votes(situation: Situation) -> list[str]:
    sentences: list[str] = []
    for phase, voters in (
        ("PREPARE", [item for item in situation.validators if item.prepared]),
        ("COMMIT", [item for item in situation.validators if item.committed]),
    ):
        missing = [item for item in situation.validators if item not in voters]
        if len(voters) < situation.quorum:
            sentences.append(
                f"{phase}: {len(voters)} of {situation.quorum} needed; no vote from "
                f"{format_names(missing)}."
            )
    if situation.node_says:
        sentences.append(f"The node itself says: {situation.node_says}.")
    return sentences


def _describe_left(situation: Situation) -> list[str]:
    if not situation.left:
        return []
    told = "; ".join(
        f"view {item.view}: {item.cause}{': ' if item.detail else ''}{item.detail}"
        for item in situation.left
    )
    return [f"Left so far: {told}."]
