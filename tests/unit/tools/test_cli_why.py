"""Why the chain stands still: each cause has its verdict, its names and its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tools.cli.facts import LeftView, Situation, ValidatorState, Verdict
from tools.cli.situation import Answers, read_situation
from tools.cli.why import explain


def make_validators(*down: str) -> tuple[ValidatorState, ...]:
    return tuple(
        ValidatorState(
            name,
            connected=None if name == "a" else name not in down,
            last_error="connection refused" if name in down else None,
        )
        for name in "abcd"
    )


CALM = Situation(
    height=11,
    view=0,
    phase="waiting-for-proposal",
    leader="b",
    quorum=3,
    validators=make_validators(),
    is_validator=True,
    waiting_transactions=0,
    syncing=False,
    halted=None,
    block_age_ms=4_000,
    timeout_base_ms=1_000,
    empty_block_interval_ms=15_000,
)


def test_no_transactions_is_idle_and_not_broken() -> None:
    explanation = explain(CALM)
    assert explanation.verdict is Verdict.IDLE
    assert "no transactions wait" in explanation.sentences[0]
    assert "15.0 s" in explanation.sentences[0]


def test_idle_without_empty_blocks_promises_none() -> None:
    explanation = explain(replace(CALM, empty_block_interval_ms=0, block_age_ms=10**9))
    assert explanation.verdict is Verdict.IDLE
    assert "no block is due" in explanation.sentences[0]


def test_an_overdue_empty_block_is_not_called_idle() -> None:
    assert explain(replace(CALM, block_age_ms=60_000)).verdict is Verdict.WAITING_FOR_VOTES


def test_work_and_a_fresh_block_is_moving() -> None:
    fresh = replace(CALM, waiting_transactions=5, block_age_ms=500)
    assert explain(fresh).verdict is Verdict.MOVING


def test_a_missing_quorum_names_who_is_missing_and_why() -> None:
    explanation = explain(replace(CALM, validators=make_validators("c", "d")))
    assert explanation.verdict is Verdict.QUORUM_MISSING
    text = " ".join(explanation.sentences)
    assert "3 of 4 validators" in text
    assert "2 can be reached from here (a, b)" in text
    assert "Unreachable: c: connection refused" in text
    assert "Unreachable: d" in text
    assert "when 1 more" in text


def test_one_validator_down_is_no_missing_quorum() -> None:
    assert explain(replace(CALM, validators=make_validators("d"))).verdict is Verdict.IDLE


def test_a_halted_node_explains_everything_else() -> None:
    explanation = explain(
        replace(CALM, halted="computed another result", validators=make_validators("b", "c", "d"))
    )
    assert explanation.verdict is Verdict.HALTED
    assert "computed another result" in explanation.sentences[0]


def test_divergence_names_the_groups() -> None:
    explanation = explain(replace(CALM, result_groups=(("a", "b"), ("c", "d"))))
    assert explanation.verdict is Verdict.DIVERGENCE
    assert "Group 1: a, b; group 2: c, d." in explanation.sentences


STUCK = replace(CALM, waiting_transactions=5, block_age_ms=9_000)


def with_states(**changes: dict[str, Any]) -> tuple[ValidatorState, ...]:
    """Return the validators a to d, some of them with other fields."""
    return tuple(replace(item, **changes.get(item.name, {})) for item in make_validators())


def get_text(situation: Situation, verdict: Verdict) -> str:
    explanation = explain(situation)
    assert explanation.verdict is verdict, explanation
    return " ".join(explanation.sentences)


def test_a_view_change_says_who_claims_the_view_and_who_does_not() -> None:
    claims = with_states(a={"claims": 2}, b={"claims": 2}, c={"connected": False})
    text = get_text(
        replace(STUCK, view=2, validators=claims, left=(LeftView(1, "timeout", ""),)),
        Verdict.VIEWS_SPLIT,
    )
    assert "view 0: d; view 2: a, b" in text
    assert "Left so far: view 1: timeout." in text
    cut = replace(claims[3], connected=False)
    text = get_text(
        replace(STUCK, view=2, quorum=2, validators=(claims[0], cut, *claims[1:2])),
        Verdict.LEADER_SILENT,
    )
    waits = with_states(a={"claims": 1}, d={"view": 1})
    text = get_text(
        replace(STUCK, view=1, validators=(waits[0], waits[3]), quorum=2), Verdict.VIEW_CHANGE
    )
    assert "1 of 2 validators needed claim it or a later one (a). No claim from d." in text


def test_validators_in_different_views_are_named_with_their_views() -> None:
    split = with_states(
        a={"claims": 3}, b={"claims": 3, "view": 3}, c={"claims": 1, "view": 1}, d={"view": 0}
    )
    text = get_text(replace(STUCK, view=3, validators=split), Verdict.VIEWS_SPLIT)
    assert "none has the quorum of 3 (view 0: d; view 1: c; view 3: a, b)" in text


def test_a_silent_leader_is_named_with_its_link() -> None:
    waiting = replace(STUCK, due_ms_ago=700)
    heard = with_states(b={"silent_ms": 900})
    text = get_text(replace(waiting, validators=heard), Verdict.LEADER_SILENT)
    assert "b leads height 11, view 0, and has owed a block for 0.7 s" in text
    assert "It is linked and was heard 0.9 s ago." in text
    down = with_states(b={"connected": False, "last_error": "connection refused"})
    text = get_text(replace(waiting, validators=down), Verdict.LEADER_SILENT)
    assert "There is no link to it: connection refused." in text
    own = replace(waiting, leader="a")
    assert "That is this node" in get_text(own, Verdict.LEADER_SILENT)


def test_a_quorum_in_a_later_view_waits_for_its_leader_and_says_what_was_left() -> None:
    claims = with_states(a={"claims": 1}, b={"claims": 1}, d={"claims": 2})
    left = (LeftView(0, "refused", "header-time-ahead: time too far ahead"),)
    text = get_text(
        replace(STUCK, view=1, leader="c", validators=claims, left=left), Verdict.LEADER_SILENT
    )
    assert "3 validators are in view 1 of height 11 or later, and its leader c" in text
    assert "view 0: refused: header-time-ahead" in text


def test_missing_votes_name_phase_and_voters() -> None:
    voters = tuple(replace(item, prepared=item.name in "ab") for item in make_validators())
    text = get_text(
        replace(STUCK, phase="prepare", has_proposal=True, has_body=True, validators=voters),
        Verdict.WAITING_FOR_VOTES,
    )
    assert "PREPARE: 2 of 3 needed; no vote from c, d." in text
    assert "COMMIT: 0 of 3 needed; no vote from a, b, c, d." in text


def test_missing_transactions_are_told_from_missing_votes() -> None:
    text = get_text(
        replace(STUCK, phase="prepare", has_proposal=True, has_body=False),
        Verdict.TRANSACTIONS_MISSING,
    )
    assert "the block of b for height 11 names transactions that this node has not" in text


def test_a_refused_block_is_named_with_its_leader_and_reason() -> None:
    text = get_text(
        replace(STUCK, has_proposal=True, refusal="transaction 3: bad signature"),
        Verdict.BLOCK_REFUSED,
    )
    assert "the block of b for height 11, view 0: transaction 3: bad signature" in text


def test_blocks_refused_for_their_time_are_a_matter_of_clocks() -> None:
    one = replace(STUCK, refusals_of_time=("b",))
    assert "Either this node's clock is behind, or theirs is ahead." in get_text(one, Verdict.CLOCK)
    moving = replace(one, block_age_ms=500)
    assert explain(moving).verdict is Verdict.MOVING  # the others' matter, as long as it moves
    several = replace(moving, refusals_of_time=("b", "c"))
    text = get_text(several, Verdict.CLOCK)
    assert "proposed by b, c" in text
    assert "most likely this node's clock" in text


@pytest.mark.parametrize(("offset_ms", "word"), [(3_600_000, "ahead of"), (-3_600_000, "behind")])
def test_a_clock_that_differs_from_the_asking_machine_s_is_told_though_the_chain_moves(
    offset_ms: int, word: str
) -> None:
    moving = replace(STUCK, block_age_ms=100, clock_offset_ms=offset_ms)
    text = get_text(moving, Verdict.CLOCK)
    assert f"3,600.0 s {word} the clock" in text
    assert ("refuse the blocks that it proposes" in text) == (offset_ms > 0)
    assert explain(replace(moving, clock_offset_ms=9_999)).verdict is Verdict.MOVING


def test_a_validator_that_lost_its_record_watches_and_says_what_ends_it() -> None:
    lost = replace(CALM, role="watching", watching="watching only, until 14: record lost")
    text = get_text(lost, Verdict.WATCHING)
    assert "This validator does not vote: watching only, until 14" in text
    assert "The others are a quorum" in text
    few = replace(lost, quorum=4)
    assert "node.signer_record_lost = true" in get_text(few, Verdict.WATCHING)


def test_a_linked_validator_that_says_nothing_counts_as_missing() -> None:
    frozen = with_states(c={"silent_ms": 6_500}, d={"silent_ms": 8_000})
    text = get_text(replace(STUCK, validators=frozen), Verdict.QUORUM_MISSING)
    assert "Unreachable: c: linked, but silent for 6.5 s" in text
    awake = with_states(c={"silent_ms": 5_900}, d={"silent_ms": 8_000})
    assert explain(replace(STUCK, validators=awake)).verdict is not Verdict.QUORUM_MISSING


def test_a_node_that_hears_nobody_looks_at_itself_first() -> None:
    text = get_text(replace(STUCK, validators=make_validators("b", "c", "d")), Verdict.CUT_OFF)
    assert "this node hears no other validator" in text
    assert "Unreachable: c: connection refused" in text
    alone = replace(CALM, validators=make_validators()[:1], quorum=1)
    assert explain(alone).verdict is Verdict.IDLE  # a chain of one validator is not cut off


def test_an_observer_cut_off_from_all_validators_says_so() -> None:
    seen = tuple(ValidatorState(name, connected=False) for name in "abcd")
    observer = replace(STUCK, validators=seen, is_validator=False, role="observer")
    assert "has no vote" in get_text(observer, Verdict.CUT_OFF)


def test_syncing_says_from_whom_and_how_far() -> None:
    text = get_text(replace(CALM, syncing=True, sync_target=90, sync_from="c"), Verdict.SYNCING)
    assert "stands at 10 of 90 (80 to go). It fetches blocks from c." in text


def test_a_node_that_others_have_passed_is_behind() -> None:
    ahead = with_states(b={"height": 15}, c={"height": 14})
    text = get_text(replace(STUCK, validators=ahead), Verdict.BEHIND)
    assert "it decides height 11, and b decides 15, c decides 14" in text


def test_a_version_that_this_program_lacks_is_announced_whatever_the_chain_does() -> None:
    soon = replace(STUCK, block_age_ms=1, lacking_version="protocol version 2", stops_after=2_000)
    text = get_text(soon, Verdict.MOVING)
    assert "stops after height 2000: the chain will need protocol version 2" in text


def test_a_node_without_a_vote_says_whether_governance_has_removed_it() -> None:
    removed = replace(CALM, role="observer", membership="candidate", is_validator=False)
    assert "governance has removed it" in get_text(removed, Verdict.IDLE)
    observer = replace(removed, membership="observer")
    text = get_text(observer, Verdict.IDLE)
    assert "it follows the chain and has no vote" in text
    assert "removed" not in text


def test_a_moving_chain_names_who_is_missing() -> None:
    one_down = replace(STUCK, block_age_ms=1, validators=make_validators("d"))
    assert "Unreachable: d: connection refused." in get_text(one_down, Verdict.MOVING)


def test_waiting_for_votes_names_the_phase_and_who_is_behind() -> None:
    behind = tuple(
        replace(item, height=3 if item.name == "d" else 10) for item in make_validators()
    )
    explanation = explain(replace(STUCK, validators=behind, has_proposal=True, has_body=True))
    assert explanation.verdict is Verdict.WAITING_FOR_VOTES
    assert "Behind and catching up: d." in explanation.sentences


def make_answers(**consensus: Any) -> Answers:
    members = [
        {"index": i, "name": name, "publicKey": f"0x{i}", "connected": name != "d"}
        for i, name in enumerate("abcd")
    ]
    return Answers(
        chain={"height": 10, "timeMs": 1_000, "syncing": False, "params": {}},
        consensus={"height": 11, "view": 0, "phase": "commit", "leader": "b", **consensus},
        validators={"quorum": 3, "validators": members},
        peers={"nodeKey": "0x0", "items": [{"publicKey": "0x3", "lastError": "timed out"}]},
        mempool={"transactions": 4},
    )


def test_a_situation_is_read_from_a_node_s_answers() -> None:
    votes = [
        {"phase": "PREPARE", "view": 0, "blockHash": "x", "execHash": "", "validators": ["a", "b"]}
    ]
    situation = read_situation(make_answers(votes=votes), now_ms=3_500)
    states = {item.name: item for item in situation.validators}
    assert situation.block_age_ms == 2_500
    assert situation.waiting_transactions == 4
    assert states["a"].connected is None
    assert states["a"].prepared
    assert not states["c"].prepared
    assert not states["d"].is_reachable
    assert states["d"].last_error == "timed out"


def test_commits_for_two_results_of_one_block_are_a_divergence() -> None:
    votes = [
        {"phase": "COMMIT", "view": 0, "blockHash": "x", "execHash": e, "validators": names}
        for e, names in (("1", ["a", "b"]), ("2", ["c", "d"]))
    ]
    situation = read_situation(make_answers(votes=votes), now_ms=3_500)
    assert explain(situation).verdict is Verdict.DIVERGENCE


def test_an_empty_answer_is_still_explained() -> None:
    situation = read_situation(Answers({}, {}, {}, {}, {}), now_ms=0)
    assert explain(situation).sentences


def test_what_a_node_says_of_clocks_views_and_membership_is_read() -> None:
    late = "header-time-ahead: time too far ahead (ahead_ms=3600000)"
    answers = make_answers(
        role="observer",
        watching="",
        proposal=None,
        refusal=late,
        departures=[{"view": 0, "to": 1, "cause": "refused", "detail": late}],
        dueMsAgo=40,
        nowMs=13_500,
        syncTarget=20,
        syncFrom="0x2",
        viewChanges={"a": 1},
        peers=[{"peer": "b", "height": 12, "view": 3, "heardMsAgo": 77, "lastError": ""}],
    )
    answers.validators["candidates"] = [{"name": "e", "publicKey": "0x9"}]
    answers.validators["next"] = {"afterHeight": 1_000, "lacking": "VM version 2"}
    answers.peers["nodeKey"] = "0x9"
    situation = read_situation(answers, now_ms=3_500)
    states = {item.name: item for item in situation.validators}
    assert situation.refusals_of_time == ("the leader of view 0", "b")
    assert situation.clock_offset_ms == 10_000
    assert situation.left == (LeftView(0, "refused", late),)
    assert (situation.sync_target, situation.sync_from) == (20, "c")
    assert (situation.lacking_version, situation.stops_after) == ("VM version 2", 1_000)
    assert (situation.role, situation.membership) == ("observer", "candidate")
    assert (states["a"].claims, states["b"].silent_ms, states["b"].view) == (1, 77, 3)


def test_a_link_on_which_nothing_was_ever_said_is_silent_too() -> None:
    answers = make_answers()
    answers.peers["items"].append({"publicKey": "0x2", "idleS": 7.25})
    states = {item.name: item for item in read_situation(answers, now_ms=3_500).validators}
    assert states["c"].silent_ms == 7_250
    assert not states["c"].is_reachable
    assert states["b"].silent_ms is None
