"""STATUS and what it repairs: pure functions over the state.

Every message may be lost. A STATUS says what its sender has; a neighbour hands on
what it lacks, whoever made it, so votes cross a ring or a star as well. A laggard is
never ignored (SmartBFT): behind in height it gets the certificate, behind in view the
NEW-VIEW or the view changes. Answers are bounded by what is held: 3 N + 1 messages.
"""

from __future__ import annotations

from consensus.height import HeightState
from consensus.messages import Status, ViewChange, ViewChangeMessage, encode_message
from primitives.certificate import Phase


def make_status(state: HeightState) -> Status:
    """Return where we stand. What is prepared needs no more PREPAREs.

    With a certificate for our height but not its block we can only wait, and those who
    have the block may be too few to finish without us: they must hear of the certificate.
    """
    if state.certificate is not None:
        return Status(state.height + 1, 0, False, 0, 0, 0, state.certificate)
    accepted, prepared = state.accepted, state.prepared
    everyone = (1 << len(state.rules.validators.members)) - 1
    done = accepted is not None and prepared is not None and prepared.view == accepted.view
    return Status(
        height=state.height,
        view=state.view,
        has_proposal=accepted is not None,
        prepares=everyone if done else state.votes.get_bitmap(state.view, Phase.PREPARE),
        commits=state.votes.get_bitmap(state.view, Phase.COMMIT),
        view_changes=state.view_changes.get_bitmap(state.view),
        certificate=state.rules.tip.certificate,
    )


def compute_repair(state: HeightState, status: Status) -> list[bytes]:
    """Return the messages of our height that the sender of ``status`` lacks."""
    if status.view > state.view:
        return []
    messages: list[bytes] = []
    if state.accepted is not None and (status.view < state.view or not status.has_proposal):
        messages.append(state.accepted.data)
    lacking = 0 if status.view < state.view else status.view_changes
    messages += [
        _encode(state, item)
        for item in state.view_changes.get_all()
        if item.view >= max(state.view, 1) and not lacking >> item.signer & 1
    ]
    if status.view == state.view:
        for phase, has in ((Phase.PREPARE, status.prepares), (Phase.COMMIT, status.commits)):
            messages += [
                encode_message(vote)
                for vote in state.votes.get_votes(state.view, phase)
                if not has >> vote.signer & 1
            ]
    return messages


def _encode(state: HeightState, item: ViewChange) -> bytes:
    return encode_message(ViewChangeMessage(item, state.rules.tip.certificate))
