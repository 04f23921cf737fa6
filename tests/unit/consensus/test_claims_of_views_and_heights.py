"""What validators claim, counted by hand: views (Castro & Liskov 4.4) and proven heights.

Expected values are worked out from the rules in consensus/README.md and in watch.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.effects import Reject
from consensus.messages import VerifiedViewChange, ViewChange
from consensus.verification import Verifier
from consensus.viewchange import ViewChangeBook, check_new_view, choose_prepared
from consensus.watch import Watch
from primitives.certificate import Certificate, Phase
from primitives.errors import ProofError
from primitives.hashing import ZERO_HASH, Address
from primitives.keys import verify
from tests.unit.consensus.harness import CHAIN, Bench, hash_of, make_keys, make_set, only


def prepared(view: int, block: str = "block", signers: tuple[int, ...] = (0,)) -> Certificate:
    return Certificate(1, view, hash_of(block), ZERO_HASH, signers, (bytes(64),) * len(signers))


def claim(signer: int, view: int, certificate: Certificate | None = None) -> VerifiedViewChange:
    return VerifiedViewChange(ViewChange(1, view, certificate, signer, b"%d" % signer))


def make_book(*claims: VerifiedViewChange) -> ViewChangeBook:
    book = ViewChangeBook()
    for item in claims:
        book.add(item)
    return book


# -- the book of view changes --------------------------------------------------------------------


@pytest.mark.parametrize("order", [(1, 5, 3, 4), (5, 4, 3, 1), (3, 1, 4, 5), (1, 3, 4, 5)])
def test_the_jump_is_to_the_f_plus_first_highest_view_in_whatever_order_they_claim(
    order: tuple[int, ...],
) -> None:
    book = make_book(*[claim(signer, view) for signer, view in enumerate(order)])
    # Highest first: 5, 4, 3, 1.
    for weak, view in ((1, 5), (2, 4), (3, 3), (4, 1)):
        assert book.compute_jump(view - 1, weak) == view
        assert book.compute_jump(view, weak) is None
        assert book.compute_jump(view + 1, weak) is None
    assert book.compute_jump(0, 5) is None


def test_only_a_validator_s_highest_claim_counts_and_its_first_at_that_view() -> None:
    first, again = claim(2, 3), claim(2, 3, prepared(1))
    book = make_book(claim(2, 1), first, again, claim(2, 2))
    assert book.held == 1
    assert book.find(2) is first and book.find(0) is None
    assert book.get_all() == [first]


def test_who_claims_a_view_or_a_later_one() -> None:
    book = make_book(claim(5, 2), claim(0, 3), claim(3, 4), claim(1, 1))
    assert [item.signer for item in book.get_all()] == [0, 1, 3, 5]
    for view, signers in ((1, (0, 1, 3, 5)), (2, (0, 3, 5)), (3, (0, 3)), (4, (3,)), (5, ())):
        assert book.count_from(view) == len(signers)
        assert book.get_bitmap(view) == sum(2**signer for signer in signers)


def test_a_proof_is_exactly_a_quorum_for_that_very_view_with_the_lowest_signers() -> None:
    claims = [claim(signer, 3) for signer in (4, 2, 6, 0, 1)]
    book = make_book(*claims, claim(3, 4), claim(5, 2))
    for quorum in (1, 2, 5):
        found = book.find_proof(3, quorum)
        assert found is not None
        assert [item.signer for item in found] == [0, 1, 2, 4, 6][:quorum]
    assert book.find_proof(3, 6) is None
    assert book.find_proof(2, 2) is None


def test_a_proof_may_be_asked_for_that_reports_only_blocks_that_are_held() -> None:
    book = make_book(
        claim(0, 3, prepared(1, "absent")), claim(1, 3), claim(2, 3, prepared(2, "held"))
    )
    held = {hash_of("held")}
    found = book.find_proof(3, 2, held)
    assert found is not None and [item.signer for item in found] == [1, 2]
    assert book.find_proof(3, 3, held) is None
    assert book.find_proof(3, 2, set()) is None
    found = book.find_proof(3, 1, set())
    assert found is not None and [item.signer for item in found] == [1]
    assert book.find_proof(3, 3) is not None


def test_r2_the_highest_prepared_view_wins_wherever_in_the_proof_it_stands() -> None:
    low, middle, high = prepared(0, "a"), prepared(1, "b"), prepared(7, "c")
    for order in ((high, middle, low), (low, high, middle), (middle, low, high)):
        proof = [claim(0, 9), *[claim(n + 1, 9, item) for n, item in enumerate(order)]]
        assert choose_prepared(proof) == high
    assert choose_prepared([claim(0, 9, low), claim(1, 9)]) == low
    assert choose_prepared([claim(0, 9), claim(1, 9)]) is None
    assert choose_prepared([]) is None


# -- the proof of a new view ----------------------------------------------------------------------


def refuse_new_view(proof: list[ViewChange], bench: Bench) -> str:
    with pytest.raises(ProofError) as caught:
        check_new_view(proof, 2, bench.rules, Verifier(CHAIN, verify))
    return caught.value.code


def test_a_new_view_s_proof_is_refused_by_its_code() -> None:
    bench = Bench()
    good = [bench.view_change(n, 2) for n in (0, 1, 3)]
    block = bench.certificate((0, 1, 2), Phase.PREPARE, 1, hash_of("b"))
    told = [bench.view_change(0, 2, block), *good[1:]]
    verifier = Verifier(CHAIN, verify)
    assert check_new_view(good, 2, bench.rules, verifier) is None
    assert check_new_view(told, 2, bench.rules, verifier) == block
    elsewhere = replace(bench.view_change(1, 2), height=2)
    same_view = bench.certificate((0, 1, 2), Phase.PREPARE, 2, hash_of("b"))
    executed = bench.certificate((0, 1, 2), Phase.PREPARE, 1, hash_of("b"), hash_of("s"))
    refusals = {
        "new-view-quorum": [[], good[:2], [*good, bench.view_change(3, 2)]],
        "new-view-order": [[good[1], good[0], good[2]], [good[0], good[0], good[2]]],
        "new-view-place": [
            [good[0], elsewhere, good[2]],
            [good[0], good[1], bench.view_change(3, 3)],
            [bench.view_change(0, 1), good[1], good[2]],
        ],
        "view-change-signer": [[good[0], good[1], replace(good[2], signer=4)]],
        "view-change-signature": [
            [replace(good[0], signature=bytes(64)), *good[1:]],
            [*good[:2], replace(good[2], signature=bytes(64))],
            [good[0], replace(good[1], prepared=block), good[2]],
        ],
        "view-change-prepared": [[bench.view_change(0, 2, same_view), *good[1:]]],
        "prepared-exec-hash": [[*good[:2], bench.view_change(3, 2, executed)]],
        "certificate-signature": [
            [bench.view_change(0, 2, replace(block, block_hash=hash_of("c"))), *good[1:]]
        ],
    }
    for code, proofs in refusals.items():
        for proof in proofs:
            assert refuse_new_view(proof, bench) == code


def test_the_first_number_that_is_no_validator_s_is_refused_like_any_other() -> None:
    bench = Bench()
    (reject,) = only(bench.hear(replace(bench.view_change(0, 1), signer=4)), Reject)
    assert reject.reason == "view change: view-change-signer"
    (reject,) = only(
        bench.hear(replace(bench.vote(0, Phase.COMMIT, 0, hash_of("b")), signer=4)), Reject
    )
    assert reject.reason == "vote: bad signature"


# -- when a validator that lost its record may vote again ----------------------------------------


@pytest.mark.parametrize(
    ("count", "needed"),
    # 2f+1 others, or all others where there are fewer: f = 0, 0, 0, 1, 1, 2, 3, 3.
    [(2, 1), (3, 1), (4, 3), (5, 3), (7, 5), (10, 7), (11, 7), (12, 7)],
)
def test_2f_plus_1_other_validators_who_prove_their_heights_end_the_watch(
    count: int, needed: int
) -> None:
    keys = make_keys(count)
    validators, own = make_set(keys), keys[0].public_key
    watch = Watch(None, "why")
    for number in range(1, needed):
        watch.hear(keys[number].public_key, 10 + number, own, validators)
    # Neither our own word, a stranger's, nor the same one again makes one more.
    watch.hear(own, 90, own, validators)
    watch.hear(Address(hash_of("stranger")), 90, own, validators)
    if needed > 1:
        watch.hear(keys[1].public_key, 11, own, validators)
    assert not watch.may_vote(1 << 40)
    watch.hear(keys[needed].public_key, 10, own, validators)
    highest = 10 + needed - 1 if needed > 1 else 10
    assert [watch.may_vote(highest + n) for n in (0, 1, 2, 3, 4)] == [False] * 3 + [True] * 2
    watch.hear(keys[1].public_key, 50, own, validators)
    assert watch.may_vote(highest + 3)


@pytest.mark.parametrize("heights", [(5, 3), (3, 5), (5, 5)])
def test_the_highest_height_that_a_validator_proved_is_the_one_that_counts(
    heights: tuple[int, int],
) -> None:
    keys = make_keys(4)
    validators, own = make_set(keys), keys[0].public_key
    watch = Watch(None, "why")
    for height in heights:
        watch.hear(keys[1].public_key, height, own, validators)
    watch.hear(keys[2].public_key, 1, own, validators)
    watch.hear(keys[3].public_key, 2, own, validators)
    assert (watch.may_vote(7), watch.may_vote(8)) == (False, True)


def test_a_validator_alone_has_nobody_to_hear_from_and_stays_silent() -> None:
    keys = make_keys(1)
    validators = make_set(keys)
    watch = Watch(None, "why")
    # Another key's place under the same name: a set of one knows nobody else.
    watch.hear(keys[0].public_key, 5, Address(hash_of("other")), validators)
    assert not watch.may_vote(1 << 40)


def test_the_watch_says_until_when_and_why() -> None:
    assert Watch(None, "the reason").explain(4) == (
        "watching only, until others have told their heights: the reason"
    )
    assert Watch(5, "the reason").explain(4) == "watching only, until 5: the reason"
    assert Watch(5, "the reason").explain(5) == ""
    assert (Watch(5, "").may_vote(4), Watch(5, "").may_vote(5)) == (False, True)
