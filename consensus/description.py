"""What `status --why` shows: the state of consensus in plain values, and in words."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.departures import Departure
from consensus.height import HeightState
from consensus.inbox import PeerView
from primitives.certificate import Phase
from primitives.hashing import Address


@dataclass(frozen=True, slots=True)
class VoteGroup:
    """Validators (names) that voted for one (view, block, execution) in one phase."""

    phase: str
    view: int
    block_hash: str
    exec_hash: str
    validators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeerDescription:
    """A link: what it claimed last and what we last refused from it."""

    peer: str
    height: int
    view: int
    heard_ms_ago: int | None
    last_error: str


@dataclass(frozen=True, slots=True)
class Description:
    """A snapshot; hashes in hex, times in milliseconds relative to ``now``."""

    height: int
    view: int
    phase: str
    role: str
    leader: str
    quorum: int
    validators: int
    proposal: str | None
    body_ready: bool
    executed: str | None
    prepared_view: int | None
    view_timer_in_ms: int | None
    groups: tuple[VoteGroup, ...]
    view_changes: dict[str, int]
    peers: tuple[PeerDescription, ...]
    accused: tuple[str, ...]
    why: str
    watching: str
    """Why this validator does not vote; empty when it does."""
    refusal: str
    """Why the proposal or block of the current view is refused here; empty when it is not."""
    due_ms_ago: int | None
    """Since when the current view owes a proposal, or its outcome; None while it does not."""
    departures: tuple[Departure, ...]
    """Views of this height that were left, and why."""


def get_phase(state: HeightState, halted: str | None) -> str:
    """Return one word for where the height stands."""
    if halted is not None:
        return "halted"
    if state.committing:
        return "committing"
    if state.certificate is not None:
        return "catching-up"
    if state.accepted is None:
        return "waiting-for-proposal" if state.view == 0 else "view-change"
    prepared = state.prepared
    return "commit" if prepared and prepared.view == state.view else "prepare"


def get_groups(state: HeightState) -> tuple[VoteGroup, ...]:
    """Return who voted what: in the current view, and every COMMIT held."""
    members = state.rules.validators.members
    places = [(Phase.PREPARE, state.view)]
    places += [(Phase.COMMIT, view) for view in state.votes.get_views(Phase.COMMIT)]
    return tuple(
        VoteGroup(
            phase.name,
            view,
            block_hash.hex(),
            exec_hash.hex(),
            tuple(members[vote.signer].name for vote in votes),
        )
        for phase, view in places
        for (block_hash, exec_hash), votes in state.votes.get_groups(view, phase).items()
    )


def explain(state: HeightState, halted: str | None, watching: str) -> str:
    """Return in words what the height waits for."""
    if halted is not None:
        return halted
    if state.committing:
        return "the block is final and is being written"
    if state.certificate is not None:
        return "the height is final elsewhere; fetching or executing its block"
    members, quorum = state.rules.validators.members, state.rules.validators.quorum
    prefix = f"{watching}; " if watching else ""
    accepted = state.accepted
    refusal = get_refusal(state)
    if refusal:
        return f"{prefix}the block of {members[state.leader].name} was refused: {refusal}"
    if accepted is None:
        claims = state.view_changes.count_from(state.view)
        if state.view and claims < quorum:
            return f"{prefix}view {state.view} has {claims} of {quorum} view changes"
        return f"{prefix}waiting for the proposal of {members[state.leader].name}"
    if accepted.block_hash not in state.bodies:
        return f"{prefix}waiting for the transactions of block {accepted.block_hash.hex()}"
    if get_phase(state, None) == "prepare":
        count = len(state.votes.get_votes(state.view, Phase.PREPARE))
        return f"{prefix}{count} of {quorum} PREPAREs in view {state.view}"
    if accepted.block_hash not in state.executions:
        return f"{prefix}prepared; the block is being executed"
    groups = state.votes.get_groups(state.view, Phase.COMMIT)
    if len(groups) > 1:
        return f"{prefix}COMMITs disagree: {len(groups)} groups, none of them has {quorum}"
    count = sum(map(len, groups.values()))
    return f"{prefix}{count} of {quorum} COMMITs in view {state.view}"


def get_refusal(state: HeightState) -> str:
    """Return why what the leader of the current view proposed is refused here."""
    accepted = state.accepted
    if accepted is not None:
        return state.refused.get(accepted.block_hash, "")
    return state.departures.get_turned_down(state.view)


def describe(
    state: HeightState,
    now_ms: int,
    *,
    halted: str | None,
    watching: str,
    peers: dict[Address, PeerView],
    accused: tuple[Address, ...],
) -> Description:
    """Return the snapshot. Changes nothing."""
    members = state.rules.validators.members
    accepted = state.accepted
    executed = state.executions.get(accepted.block_hash) if accepted else None
    names = {member.public_key: member.name for member in members}
    return Description(
        height=state.height,
        view=state.view,
        phase=get_phase(state, halted),
        role="observer" if state.me is None else "watching" if watching else "validator",
        leader=members[state.leader].name,
        quorum=state.rules.validators.quorum,
        validators=len(members),
        proposal=accepted.block_hash.hex() if accepted else None,
        body_ready=accepted is not None and accepted.block_hash in state.bodies,
        executed=executed.hex() if executed else None,
        prepared_view=state.prepared.view if state.prepared else None,
        view_timer_in_ms=None if state.timer_at_ms is None else state.timer_at_ms - now_ms,
        groups=get_groups(state),
        view_changes={
            members[item.signer].name: item.view for item in state.view_changes.get_all()
        },
        peers=tuple(
            PeerDescription(
                names.get(peer, peer.hex()),
                view.height,
                view.view,
                now_ms - view.heard_at_ms if view.heard_at_ms else None,
                view.last_error,
            )
            for peer, view in peers.items()
        ),
        accused=tuple(names.get(item, item.hex()) for item in accused),
        why=explain(state, halted, watching),
        watching=watching,
        refusal=get_refusal(state),
        due_ms_ago=None if state.due_at_ms is None else now_ms - state.due_at_ms,
        departures=tuple(state.departures),
    )
