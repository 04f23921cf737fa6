"""Every place of an honest answer spoiled in every way: none is accepted, each for its reason."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from primitives.errors import ProofError
from tests.unit.tools.light_answers import (
    ABSENT,
    GENESIS,
    IDS,
    KEY,
    VALIDATORS,
    VALUE,
    Sample,
    make_state,
)
from tests.unit.tools.light_spoils import generalise, spoil_all
from tools.light.blocks import verify_commit_answer
from tools.light.state import verify_state_answer
from tools.light.transactions import verify_transaction

UNPROVEN = frozenset({"receipt.values", "events.*.fields"})
"""Set in an ABI's types: covered by no proof, and never returned."""

SAMPLE = Sample()
BLOCK = SAMPLE.make_block()
MIDDLE, LAST = SAMPLE.make_transaction(2), SAMPLE.make_transaction(4)

CASES: dict[str, tuple[Any, int, Callable[[Any], object]]] = {
    "commit": (
        SAMPLE.make_commit(),
        1_000,
        lambda answer: verify_commit_answer(answer, GENESIS, VALIDATORS, height=7),
    ),
    "state": (
        make_state(KEY, VALUE),
        1_000,
        lambda answer: verify_state_answer(answer, KEY, GENESIS, BLOCK),
    ),
    "absence": (
        make_state(ABSENT, None),
        1_000,
        lambda answer: verify_state_answer(answer, ABSENT, GENESIS, BLOCK),
    ),
    "transaction": (
        MIDDLE,
        24,
        lambda answer: verify_transaction(answer, LAST, GENESIS, VALIDATORS, transaction_id=IDS[2]),
    ),
    "last transaction": (
        LAST,
        24,
        lambda answer: verify_transaction(
            MIDDLE, answer, GENESIS, VALIDATORS, transaction_id=IDS[2]
        ),
    ),
}
"""An answer, how many bytes of each hex text to change, and who must refuse it."""

REASONS: tuple[tuple[str, str], ...] = (
    ("*headerEncoded", "light-form proof-form proof-header proof-commit proof-validators"),
    ("*executionEncoded", "light-form proof-form proof-commit"),
    (
        "*certificateEncoded",
        "light-form proof-form proof-commit certificate-signature certificate-order "
        "certificate-signer",
    ),
    ("value", "light-form light-state"),
    ("proof.encoded", "light-form light-state"),
    ("encoded", "light-form proof-transaction"),
    ("id", "light-form proof-transaction"),
    ("index", "light-form proof-transaction"),
    ("proof.transactionPath*", "light-form proof-transaction"),
    ("proof.receiptPath*", "light-form proof-receipt"),
    ("proof.receiptEncoded", "light-form proof-form proof-receipt"),
    ("proof.eventCount", "light-form light-events"),
    ("events", "light-form light-events"),
    ("events.*.encoded", "light-form light-events"),
    ("events.*.path*", "light-form light-events"),
    ("events.?", "light-form"),
    ("receipt", "light-form"),
    ("proof", "light-form"),
    ("answer", "light-form"),
    ("*", ""),
)
"""Codes beside ``light-answer`` (says something else than its proof), by place."""


def get_reasons(place: str) -> set[str]:
    return {
        "light-answer",
        *next(said for form, said in REASONS if fnmatchcase(place, form)).split(),
    }


@pytest.mark.parametrize("case", CASES)
def test_an_honest_answer_is_accepted(case: str) -> None:
    answer, _, verify = CASES[case]
    assert verify(answer) is not None


@pytest.mark.parametrize("case", CASES)
def test_no_spoiled_answer_is_accepted_and_each_is_refused_for_its_reason(case: str) -> None:
    answer, flips, verify = CASES[case]
    accepted: list[str] = []
    astray: list[str] = []
    tried = 0
    for how, spoiled in spoil_all(answer, UNPROVEN, flips):
        tried += 1
        place = generalise(how.partition(": ")[0])
        try:
            verify(spoiled)
        except ProofError as refused:
            if refused.code not in get_reasons(place):
                astray.append(f"{how} -> {refused.code}")
        else:
            accepted.append(how)
    assert accepted == []
    assert astray == []
    assert tried >= 200


def test_what_no_proof_covers_is_never_returned() -> None:
    answer = SAMPLE.make_transaction(2)
    answer["receipt"]["values"] = ["a lie"]
    answer["events"][0]["fields"] = {"a": "lie"}
    proven = verify_transaction(answer, LAST, GENESIS, VALIDATORS)
    honest = verify_transaction(MIDDLE, LAST, GENESIS, VALIDATORS)
    assert proven == honest
    assert proven.receipt.values == (1,)
    assert [item.event.values for item in proven.events] == [(2, 0, b"\x02"), (2, 1, b"\x02")]
