"""The small instance of the model, two views, in every run; three views: ``make model``."""

from __future__ import annotations

import pytest

from tests.model.broken import BROKEN
from tests.model.search import Search
from tests.model.words import VALIDATORS


@pytest.mark.parametrize("liar", range(VALIDATORS))
def test_no_order_of_messages_and_time_outs_breaks_an_invariant_in_two_views(liar: int) -> None:
    found = Search(liar, 2).run()
    assert found.violation == "", found.trace
    # Views 0 and 1 are led by v1 and v2: a liar that leads neither can say less.
    assert (found.states > 5_000) == (liar in (1, 2))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_makes_two_blocks_final(name: str) -> None:
    replica_type, validators = BROKEN[name]
    found = Search(1, 2, replica_type, validators, rules=False).run()
    assert found.violation.startswith("agreement: ")
    assert 2 <= len(found.trace) <= 10


@pytest.mark.parametrize("name", [name for name in BROKEN if name != "a quorum of two"])
def test_the_rules_catch_a_broken_replica_no_later_than_agreement_does(name: str) -> None:
    replica_type, validators = BROKEN[name]
    fork = Search(1, 2, replica_type, validators, rules=False).run()
    found = Search(1, 2, replica_type, validators).run()
    assert found.violation.startswith(("R", "two things"))
    assert found.depth <= fork.depth
