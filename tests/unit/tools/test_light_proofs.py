"""What only liars with keys, another chain or another question could make is refused too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from primitives.certificate import Phase
from primitives.errors import ProofError
from primitives.hashing import Hash, TransactionId
from primitives.transaction import (
    Call,
    Transaction,
    compute_transaction_id,
    sign_transaction,
)
from tests.unit.tools import light_answers
from tests.unit.tools.light_answers import (
    ABSENT,
    EVENTS,
    GENESIS,
    IDS,
    KEY,
    KEYS,
    TRANSACTIONS,
    VALIDATORS,
    VALUE,
    Sample,
    change,
    make_set,
    make_state,
    make_state_proof,
)
from tools.light.answers import find_difference
from tools.light.blocks import ProvenBlock, verify_commit_answer
from tools.light.epochs import TrustedSet, advance, iterate_proposed
from tools.light.state import verify_state_answer
from tools.light.transactions import verify_transaction


def refused(sample: Sample) -> str:
    with pytest.raises(ProofError) as error:
        verify_commit_answer(sample.make_commit(), GENESIS, VALIDATORS)
    return error.value.code


SIGNED: dict[str, tuple[str, dict[str, Any]]] = {
    "two signers of four": ("certificate-quorum", {"signers": (0, 1)}),
    "one signer": ("certificate-quorum", {"signers": (0,)}),
    "a signer twice": ("certificate-order", {"signers": (0, 0, 1)}),
    "a signer twice, padding a quorum": ("certificate-order", {"signers": (0, 1, 3, 3)}),
    "signers out of order": ("certificate-order", {"signers": (1, 0, 3)}),
    "a stranger among them": (
        "certificate-signature",
        {"voters": (KEYS[0], KEYS[1], KEYS[2], KEYS[6])},
    ),
    "three good signatures and a bad one": (
        "certificate-signature",
        {"signers": (0, 1, 2, 3), "voters": (KEYS[0], KEYS[1], KEYS[2], KEYS[6])},
    ),
    "prepares": ("certificate-signature", {"phase": Phase.PREPARE}),
    "votes of another epoch": ("certificate-signature", {"vote_epoch": 1}),
    "a header of another chain": ("proof-header", {"chain_id": Hash(b"\x01" * 32)}),
    "a header of another version": ("proof-header", {"version": 2}),
    "an epoch that does not fit": ("proof-header", {"epoch": 1, "vote_epoch": 1}),
    "height zero": (
        "proof-header",
        {"height": 0, "execution_height": 0, "certificate_height": 0},
    ),
    "another set": ("proof-validators", {"validators": make_set(0, 1, 2, 4)}),
    "the set in another order": ("proof-validators", {"validators": make_set(1, 0, 2, 3)}),
    "a result of another height": ("proof-commit", {"execution_height": 8}),
    "a certificate of another height": ("proof-commit", {"certificate_height": 8}),
}


@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_commit_that_is_not_the_chains_is_refused(name: str) -> None:
    code, values = SIGNED[name]
    assert refused(change(**values)) == code


def test_a_signer_beyond_the_set_is_refused() -> None:
    sample = change(signers=(0, 1, 4), voters=tuple(KEYS[:5]))
    assert refused(sample) == "certificate-signer"


def test_a_block_of_another_height_than_asked_is_refused() -> None:
    with pytest.raises(ProofError) as error:
        verify_commit_answer(Sample().make_commit(), GENESIS, VALIDATORS, height=8)
    assert error.value.code == "light-asked"


# -- transactions and events


@pytest.mark.parametrize("index", range(5))
def test_each_transaction_is_proven_with_all_of_its_events(index: int) -> None:
    sample = Sample()
    proven = verify_transaction(
        sample.make_transaction(index),
        sample.make_transaction(4),
        GENESIS,
        VALIDATORS,
        transaction_id=IDS[index],
    )
    assert proven.transaction.id == IDS[index]
    assert [item.event for item in proven.events] == [
        event for event in EVENTS if event.transaction_index == index
    ]
    assert proven.block.signers == ("v0", "v1", "v3")


def get_code(answer: Any, last: Any, asked: TransactionId | None = None) -> str:
    with pytest.raises(ProofError) as error:
        verify_transaction(answer, last, GENESIS, VALIDATORS, transaction_id=asked)
    return error.value.code


def test_an_honest_answer_to_another_question_is_refused() -> None:
    sample = Sample()
    last = sample.make_transaction(4)
    assert get_code(sample.make_transaction(1), last, IDS[2]) == "light-asked"


def test_the_last_transaction_must_be_the_last_of_the_same_block() -> None:
    sample = Sample()
    answer = sample.make_transaction(1)
    assert get_code(answer, sample.make_transaction(3)) == "light-last"
    other = change(height=8, execution_height=8, certificate_height=8)
    assert get_code(answer, other.make_transaction(4)) == "light-last"


@pytest.mark.parametrize("index", [0, 2, 4])
def test_another_number_of_events_is_refused_though_its_paths_fit(index: int) -> None:
    """The first leaf's path is as long in a tree of seven as of eight: the size needs a proof."""
    sample = Sample()
    last = sample.make_transaction(4)
    answer = sample.make_transaction(index)
    answer["proof"]["eventCount"] += 1
    assert get_code(answer, last) == "light-events"


def make_last_with(monkeypatch: pytest.MonkeyPatch, transaction: Transaction) -> Any:
    """Return the answer about a block that a lying quorum let ``transaction`` into."""
    made = [*TRANSACTIONS[:4], transaction]
    monkeypatch.setattr(light_answers, "TRANSACTIONS", made)
    monkeypatch.setattr(light_answers, "IDS", [item.id for item in made])
    return Sample().make_transaction(4)


def test_a_transaction_signed_for_another_chain_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = replace(TRANSACTIONS[4].body, chain_id=Hash(b"\x05" * 32))
    last = make_last_with(monkeypatch, sign_transaction(body, light_answers.SENDER))
    assert get_code(last, last) == "light-chain"


def test_a_transaction_that_its_sender_did_not_sign_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = TRANSACTIONS[4]
    encoded = honest.encoded[:-64] + TRANSACTIONS[3].encoded[-64:]
    forged = Transaction(compute_transaction_id(encoded), honest.body, encoded)
    last = make_last_with(monkeypatch, forged)
    assert get_code(last, last) == "proof-transaction"


def test_the_last_answers_own_number_of_events_is_checked_where_no_path_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(light_answers, "EVENT_COUNTS", (1, 0, 2, 4, 0))
    events = (*EVENTS[:6], replace(EVENTS[6], transaction_index=3))
    sample = change(event_first=(0, 1, 1, 3, 7), events=events)
    answer, last = sample.make_transaction(0), sample.make_transaction(4)
    assert verify_transaction(answer, last, GENESIS, VALIDATORS).index == 0
    last["proof"]["eventCount"] += 1
    assert get_code(answer, last) == "light-events"


def test_events_of_another_transaction_are_refused() -> None:
    moved = tuple(replace(event, transaction_index=0) for event in EVENTS)
    sample = change(events=moved)
    assert get_code(sample.make_transaction(2), sample.make_transaction(4)) == "light-events"


# -- state


def test_a_value_and_an_absence_in_a_full_and_in_an_empty_bucket_are_proven() -> None:
    block = Sample().make_block()
    assert verify_state_answer(make_state(KEY, VALUE), KEY, GENESIS, block).value == VALUE
    assert verify_state_answer(make_state(ABSENT, None), ABSENT, GENESIS, block).value is None
    empty = change(state_root=make_state_proof(False)[1]).make_block()
    answer = make_state(KEY, None, present=False)
    assert verify_state_answer(answer, KEY, GENESIS, empty).value is None


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (make_state(KEY, None), KEY),
        (make_state(KEY, b""), KEY),
        (make_state(KEY, VALUE + b"\0"), KEY),
        (make_state(ABSENT, VALUE), ABSENT),
        (make_state(KEY, None, present=False), KEY),
        (make_state(KEY, VALUE, present=False), KEY),
        (make_state(KEY, VALUE), ABSENT),
    ],
)
def test_a_value_that_is_not_so_is_refused(answer: Any, key: bytes) -> None:
    with pytest.raises(ProofError) as error:
        verify_state_answer(answer, key, GENESIS, Sample().make_block())
    assert error.value.code == "light-state"


def test_a_tree_that_became_deeper_than_the_genesis_says_is_proven_by_its_root() -> None:
    shallow = replace(GENESIS, params=replace(GENESIS.params, state_levels=1))
    proven = verify_state_answer(make_state(KEY, VALUE), KEY, shallow, Sample().make_block())
    assert proven.value == VALUE


def test_a_proof_of_a_tree_less_deep_than_the_genesis_says_is_refused() -> None:
    deeper = replace(GENESIS, params=replace(GENESIS.params, state_levels=3))
    with pytest.raises(ProofError) as error:
        verify_state_answer(make_state(KEY, VALUE), KEY, deeper, Sample().make_block())
    assert error.value.code == "light-state"


def test_a_true_proof_shown_for_another_block_is_refused() -> None:
    other = change(state_root=Hash(b"\x09" * 32)).make_block()
    with pytest.raises(ProofError) as error:
        verify_state_answer(make_state(KEY, VALUE), KEY, GENESIS, other)
    assert error.value.code == "light-state"


# -- changes of the validators

NEXT = make_set(0, 1, 2, 4)


def make_end(**values: Any) -> ProvenBlock:
    given = {"height": 10, "execution_height": 10, "certificate_height": 10} | values
    return change(**given).make_block()


def test_an_epochs_end_hands_trust_to_the_set_that_it_names() -> None:
    trusted = TrustedSet(0, VALIDATORS)
    same = advance(trusted, make_end(), GENESIS)
    assert same == TrustedSet(1, VALIDATORS)
    end = make_end(next_validators=NEXT)
    candidates = (make_set(0, 1, 2, 5), NEXT)
    assert advance(trusted, end, GENESIS, candidates) == TrustedSet(1, NEXT)
    later = change(
        height=12, execution_height=12, certificate_height=12, epoch=1, vote_epoch=1,
        validators=NEXT, voters=(KEYS[0], KEYS[1], KEYS[2], KEYS[4]),
    )  # fmt: skip
    assert verify_commit_answer(later.make_commit(), GENESIS, NEXT).height == 12
    assert refused(later) == "proof-validators"


@pytest.mark.parametrize(
    ("code", "end", "candidates"),
    [
        ("light-validators-unknown", make_end(next_validators=NEXT), ()),
        ("light-validators-unknown", make_end(next_validators=NEXT), (make_set(4, 0, 1, 2),)),
        ("light-epoch", make_end(height=9), (NEXT,)),
        ("light-epoch", make_end(validators=NEXT), (NEXT,)),
    ],
)
def test_trust_is_not_handed_on_without_proof(code: str, end: ProvenBlock, candidates: Any) -> None:
    with pytest.raises(ProofError) as error:
        advance(TrustedSet(0, VALIDATORS), end, GENESIS, candidates)
    assert error.value.code == code


def test_proposed_sets_are_read_from_calls_of_governance_alone() -> None:
    wanted: Any = [[member.name, member.public_key] for member in NEXT.members]
    calls = [
        Call("units", "propose_validators", (wanted,)),
        Call("governance", "approve", (wanted,)),
        Call("governance", "propose_validators", (5,)),
        Call("governance", "propose_validators", ([["v0"]],)),
        Call("governance", "propose_validators", ([["v0", b"short"]],)),
        Call("governance", "propose_validators", ([],)),
        Call("governance", "propose_validators", (wanted,)),
    ]
    assert [found.hash for found in iterate_proposed(calls)] == [NEXT.hash]


# -- comparison


@pytest.mark.parametrize(
    ("stated", "proven", "place"),
    [
        (True, 1, "x"),
        (1.0, 1, "x"),
        ([1], [1, 2], "x"),
        ({"a": 1, "b": 2}, {"a": 1}, "x.b"),
        ({"a": [1, {"c": 2}]}, {"a": [1, {"c": 3}]}, "x.a[1].c"),
        ({"a": [1]}, {"a": [1]}, None),
    ],
)
def test_the_first_difference_is_named(stated: Any, proven: Any, place: str | None) -> None:
    assert find_difference(stated, proven, "x") == place


def test_the_sample_is_of_one_chain() -> None:
    assert len({item.id for item in TRANSACTIONS}) == 5
