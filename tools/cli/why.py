"""Why does the chain stand still? Facts of one node in, sentences out. Pure.

The order is that of likelihood to be the cause: a node that halted explains everything,
a missing quorum explains missing votes, and a chain without transactions is not broken
at all. Then comes what this node itself is not fit for, even though the chain moves: a
wrong clock, a lost record. The values are in facts.py, the sentences on a
height that is under way in why_height.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from tools.cli.facts import (
    Explanation,
    Situation,
    ValidatorState,
    Verdict,
    format_names,
    format_seconds,
)
from tools.cli.why_height import explain_height

__all__ = ["Explanation", "Situation", "ValidatorState", "Verdict", "explain"]

MOVING_TIMEOUTS = 3
"""A chain with work is moving while its last block is younger than so many time-outs."""


def explain(situation: Situation) -> Explanation:
    """Return why the chain stands still, or that it does not."""
    found = _explain(situation)
    return Explanation(found.verdict, (*found.sentences, *_get_warnings(situation, found.verdict)))


def _explain(situation: Situation) -> Explanation:
    if situation.halted:
        return _explain_halt(situation.halted)
    if len(situation.result_groups) > 1:
        return _explain_divergence(situation)
    reachable = [item for item in situation.validators if item.is_reachable]
    others = [item for item in situation.validators if not item.is_own]
    if others and not any(item.is_reachable for item in others):
        return _explain_cut_off(situation)
    if situation.syncing:
        return _explain_sync(situation)
    if len(reachable) < situation.quorum:
        return _explain_missing_quorum(situation, reachable)
    own = _explain_clock(situation)
    if own is not None:
        return own
    if situation.watching:
        return _explain_watching(situation)
    if situation.waiting_transactions == 0 and situation.view == 0:
        return _explain_idle(situation)
    if situation.block_age_ms <= MOVING_TIMEOUTS * situation.timeout_base_ms:
        return _explain_moving(situation)
    return explain_height(situation)


def _explain_moving(situation: Situation) -> Explanation:
    return Explanation(
        Verdict.MOVING,
        (
            f"The chain moves: height {situation.height} is being decided, the last block "
            f"is {format_seconds(situation.block_age_ms)} old.",
        ),
    )


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


def _explain_cut_off(situation: Situation) -> Explanation:
    return Explanation(
        Verdict.CUT_OFF,
        (
            "Cut off: this node hears no other validator, so it is most likely this node, or "
            "its network, and not the others.",
            *_list_unreachable(situation.validators),
            "Ask another node whether the chain goes on without this one, and look at this "
            "node's network, firewall and p2p port.",
        ),
    )


def _explain_sync(situation: Situation) -> Explanation:
    heights = [item.height for item in situation.validators if item.height is not None]
    target = max([situation.sync_target, *heights])
    tip = situation.height - 1
    ahead = f" of {target} ({target - tip} to go)" if target > tip else ""
    source = f" It fetches blocks from {situation.sync_from}." if situation.sync_from else ""
    return Explanation(
        Verdict.SYNCING,
        (
            f"This node is catching up: it stands at {tip}{ahead}.{source}",
            "It votes again when it is at the tip; nothing needs to be done.",
        ),
    )


def _explain_missing_quorum(
    situation: Situation, reachable: Sequence[ValidatorState]
) -> Explanation:
    total = len(situation.validators)
    need = situation.quorum - len(reachable)
    return Explanation(
        Verdict.QUORUM_MISSING,
        (
            f"Quorum missing: {situation.quorum} of {total} validators must take part, and "
            f"{len(reachable)} can be reached from here ({format_names(reachable)}).",
            *_list_unreachable(situation.validators),
            f"The chain goes on by itself when {need} more of them come back; check that their "
            "processes run and that their p2p ports can be reached.",
        ),
    )


def _list_unreachable(validators: Sequence[ValidatorState]) -> list[str]:
    sentences: list[str] = []
    for item in validators:
        if item.is_reachable:
            continue
        if item.connected:
            silent_ms = item.silent_ms or 0
            reason = f"linked, but silent for {format_seconds(silent_ms)} (frozen, or cut off)"
        else:
            reason = item.last_error or "no link"
        sentences.append(f"Unreachable: {item.name}: {reason}.")
    return sentences


def _explain_clock(situation: Situation) -> Explanation | None:
    """Return what is wrong with this node's clock, as two witnesses tell it."""
    offset_ms, drift_ms = situation.clock_offset_ms, situation.clock_drift_ms
    is_off = offset_ms is not None and abs(offset_ms) > drift_ms
    refused = situation.refusals_of_time
    is_moving = situation.block_age_ms <= MOVING_TIMEOUTS * situation.timeout_base_ms
    if not is_off and (len(refused) == 0 or (len(refused) == 1 and is_moving)):
        return None
    sentences: list[str] = []
    if refused:
        sentences.append(
            f"Clock: this node refuses blocks because their time is more than "
            f"{format_seconds(drift_ms)} ahead of its own clock (proposed by "
            f"{', '.join(refused)})."
        )
    if is_off and offset_ms is not None:
        which = "ahead of" if offset_ms > 0 else "behind"
        sentences.append(
            f"This node's clock is {format_seconds(abs(offset_ms))} {which} the clock of the "
            "machine that asks."
        )
    if refused and not is_off:
        fault = (
            "Either this node's clock is behind, or theirs is ahead."
            if len(refused) == 1
            else "Several leaders are refused, so it is most likely this node's clock."
        )
        sentences.append(fault)
    if is_off and offset_ms is not None and offset_ms > 0:
        sentences.append("The others refuse the blocks that it proposes.")
    sentences.append("Set the clock (chrony), then restart the node: it reads it at its start.")
    return Explanation(Verdict.CLOCK, tuple(sentences))


def _explain_watching(situation: Situation) -> Explanation:
    others = len([item for item in situation.validators if item.is_reachable and not item.is_own])
    sentences = [f"This validator does not vote: {situation.watching}."]
    if others >= situation.quorum:
        sentences.append("The others are a quorum: it votes again when they have moved on.")
    else:
        sentences.append(
            f"The others that can be reached are {others}, fewer than the quorum of "
            f"{situation.quorum}: the chain waits. If no other copy of this validator runs "
            "anywhere, set node.signer_record_lost = true, start, and remove it again."
        )
    return Explanation(Verdict.WATCHING, tuple(sentences))


def _explain_idle(situation: Situation) -> Explanation:
    interval = situation.empty_block_interval_ms
    if interval and situation.block_age_ms > 2 * interval + situation.timeout_base_ms:
        return explain_height(situation)
    when = (
        f"an empty block comes every {format_seconds(interval)}" if interval else "no block is due"
    )
    return Explanation(
        Verdict.IDLE,
        (
            f"Idle, not stuck: no transactions wait on this node, so {when} (the last one is "
            f"{format_seconds(situation.block_age_ms)} old).",
        ),
    )


def _get_warnings(situation: Situation, verdict: Verdict) -> list[str]:
    """Return what the operator of this node must know whatever the chain does."""
    warnings: list[str] = []
    if situation.lacking_version:
        warnings.append(
            f"This node stops after height {situation.stops_after}: the chain will need "
            f"{situation.lacking_version}. Install a newer program before."
        )
    if situation.role == "observer" and situation.membership == "candidate":
        warnings.append(
            "This node is a candidate, no validator: it has no vote. If it had one, governance "
            "has removed it from the set ('carbonode validator list')."
        )
    elif situation.role == "observer":
        warnings.append("This node is an observer: it follows the chain and has no vote.")
    unreachable = [item for item in situation.validators if not item.is_reachable]
    if unreachable and verdict in (Verdict.MOVING, Verdict.IDLE):
        warnings += _list_unreachable(unreachable)
    return warnings
