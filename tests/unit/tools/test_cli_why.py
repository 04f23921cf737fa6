"""Why the chain stands still: each cause has its verdict, its names and its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tools.cli.situation import Answers, read_situation
from tools.cli.why import Situation, ValidatorState, Verdict, explain


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


def test_syncing_says_how_far() -> None:
    ahead = tuple(replace(item, height=90) for item in make_validators())
    explanation = explain(replace(CALM, syncing=True, validators=ahead))
    assert explanation.verdict is Verdict.SYNCING
    assert "stands at 10 of 90" in explanation.sentences[0]


def test_a_view_change_names_leader_and_missing_votes() -> None:
    voters = tuple(replace(item, prepared=item.name in "ab") for item in make_validators())
    explanation = explain(
        replace(CALM, view=2, waiting_transactions=5, block_age_ms=9_000, validators=voters)
    )
    assert explanation.verdict is Verdict.VIEW_CHANGE
    text = " ".join(explanation.sentences)
    assert "view 2" in text
    assert "PREPARE: 2 of 3 needed; no vote from c, d." in text


def test_waiting_for_votes_names_the_phase_and_who_is_behind() -> None:
    behind = tuple(
        replace(item, height=3 if item.name == "d" else 10) for item in make_validators()
    )
    explanation = explain(
        replace(CALM, waiting_transactions=1, block_age_ms=9_000, validators=behind)
    )
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
