"""STATUS and its answer, worked out by hand: exactly what the sender lacks, and nothing else."""

from __future__ import annotations

import pytest

from consensus.height import Accepted, HeightState
from consensus.messages import (
    Message,
    PrePrepare,
    Status,
    VerifiedViewChange,
    VerifiedVote,
    ViewChangeMessage,
    Vote,
    decode_message,
    encode_message,
)
from consensus.repair import compute_repair, make_status
from primitives.certificate import Phase
from tests.unit.consensus.harness import Bench, hash_of

VIEW = 2
BLOCK = hash_of("block")


def make_state(bench: Bench) -> HeightState:
    """In view 2 with its proposal, PREPAREs of 0 and 2, a COMMIT of 1, claims of 0, 1 and 3."""
    state = HeightState(bench.rules, 3)
    proof = [bench.view_change(signer, VIEW) for signer in (0, 1, 3)]
    proposal = bench.proposal(proposer=bench.leader(VIEW))
    data = encode_message(bench.pre_prepare(proposal, VIEW, proof))
    state.view = VIEW
    state.accepted = Accepted(VIEW, BLOCK, data)
    for signer in (0, 2):
        state.votes.add(VerifiedVote(bench.vote(signer, Phase.PREPARE, VIEW, BLOCK)))
    state.votes.add(VerifiedVote(bench.vote(1, Phase.COMMIT, VIEW, BLOCK, hash_of("s"))))
    state.votes.add(VerifiedVote(bench.vote(1, Phase.COMMIT, 1, BLOCK, hash_of("s"))))
    for signer, view in ((0, VIEW), (1, VIEW + 1), (2, VIEW - 1), (3, VIEW)):
        state.view_changes.add(VerifiedViewChange(bench.view_change(signer, view)))
    return state


def name(message: Message) -> str:
    if isinstance(message, PrePrepare):
        return f"proposal {message.view}"
    if isinstance(message, ViewChangeMessage):
        assert message.certificate is None  # the tip is genesis
        return f"claim {message.view_change.signer} {message.view_change.view}"
    assert isinstance(message, Vote)
    return f"{Phase(message.phase).name} {message.signer} {message.view}"


def repair(state: HeightState, view: int, has_proposal: bool, *maps: int) -> list[str]:
    status = Status(1, view, has_proposal, *maps, None)
    return [name(decode_message(data)) for data in compute_repair(state, status)]


CLAIMS = ["claim 0 2", "claim 1 3", "claim 3 2"]


@pytest.mark.parametrize(
    ("has_proposal", "maps", "expected"),
    [
        (False, (0, 0, 0), ["proposal 2", *CLAIMS, "PREPARE 0 2", "PREPARE 2 2", "COMMIT 1 2"]),
        (True, (0, 0, 0), [*CLAIMS, "PREPARE 0 2", "PREPARE 2 2", "COMMIT 1 2"]),
        (True, (0b0001, 0, 0), [*CLAIMS, "PREPARE 2 2", "COMMIT 1 2"]),
        (True, (0b0100, 0b1101, 0), [*CLAIMS, "PREPARE 0 2", "COMMIT 1 2"]),
        (True, (0b0101, 0b0010, 0b0001), CLAIMS[1:]),
        (True, (0b0101, 0b0010, 0b1010), CLAIMS[:1]),
        (True, (0b0101, 0b0010, 0b1001), CLAIMS[1:2]),
        (True, (0b0101, 0b0010, 0b1011), []),
        (False, (0b1111, 0b1111, 0b1111), ["proposal 2"]),
    ],
)
def test_a_peer_of_our_view_gets_what_its_bitmaps_lack(
    has_proposal: bool, maps: tuple[int, int, int], expected: list[str]
) -> None:
    state = make_state(Bench())
    assert repair(state, VIEW, has_proposal, *maps) == expected


@pytest.mark.parametrize("has_proposal", [True, False])
@pytest.mark.parametrize("maps", [(0, 0, 0), (0b1111, 0b1111, 0b1111)])
def test_a_peer_of_an_earlier_view_gets_all_that_leads_to_ours_whatever_it_has_of_its_own(
    has_proposal: bool, maps: tuple[int, int, int]
) -> None:
    state = make_state(Bench())
    for view in (0, VIEW - 1):
        assert repair(state, view, has_proposal, *maps) == ["proposal 2", *CLAIMS]
    state.accepted = None
    assert repair(state, 0, has_proposal, *maps) == CLAIMS


def test_a_peer_of_a_later_view_is_not_ours_to_help() -> None:
    assert repair(make_state(Bench()), VIEW + 1, False, 0, 0, 0) == []


def test_in_view_0_claims_of_later_views_are_handed_on() -> None:
    bench = Bench()
    state = HeightState(bench.rules, 3)
    state.view_changes.add(VerifiedViewChange(bench.view_change(0, 1)))
    # Nobody changes to view 0; should a claim of it be held, it is no news.
    state.view_changes.add(VerifiedViewChange(bench.view_change(1, 0)))
    assert repair(state, 0, False, 0, 0, 0) == ["claim 0 1"]


def test_a_status_says_what_we_have_in_our_view() -> None:
    bench = Bench()
    state = make_state(bench)
    assert make_status(state) == Status(1, 2, True, 0b0101, 0b0010, 0b1011, None)
    # What was prepared in an earlier view does not spare us the PREPAREs of this one.
    state.prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 1, BLOCK)
    assert make_status(state).prepares == 0b0101
    state.prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 2, BLOCK)
    assert make_status(state) == Status(1, 2, True, 0b1111, 0b0010, 0b1011, None)
    state.accepted = None
    assert make_status(state) == Status(1, 2, False, 0b0101, 0b0010, 0b1011, None)


def test_a_status_claims_the_next_height_once_we_hold_a_certificate_of_ours() -> None:
    bench = Bench()
    state = make_state(bench)
    state.certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 2, BLOCK, hash_of("s"))
    # Nothing of the next height: neither proposal nor votes, and the first of its views.
    assert make_status(state) == Status(2, 0, False, 0, 0, 0, state.certificate)


def test_claims_are_handed_on_with_the_proof_of_their_height() -> None:
    bench = Bench()
    bench.commit_next()
    state = HeightState(bench.rules, 3)
    item = bench.view_change(0, 1)
    state.view_changes.add(VerifiedViewChange(item))
    tip = bench.rules.tip.certificate
    assert tip is not None and make_status(state) == Status(2, 0, False, 0, 0, 0b0001, tip)
    found = compute_repair(state, Status(2, 0, False, 0, 0, 0, tip))
    assert [decode_message(data) for data in found] == [ViewChangeMessage(item, tip)]
