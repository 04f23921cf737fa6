"""What a mutation run over the view change found untested: each dies with its guard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.effects import Accuse, FetchBody, Reject
from consensus.verification import Verifier
from consensus.viewchange import check_new_view
from primitives.certificate import Phase
from primitives.errors import ProofError
from primitives.keys import verify
from tests.unit.consensus.harness import CHAIN, Bench, hash_of, only


def test_one_forged_view_change_spoils_the_proof_of_a_new_view() -> None:
    bench = Bench()
    fresh = bench.proposal(proposer=bench.leader(1))
    proof = [bench.view_change(n, 1) for n in (0, 1, 2)]
    forged = [proof[0], replace(proof[1], signature=bytes(64)), proof[2]]
    (reject,) = only(bench.hear(bench.pre_prepare(fresh, 1, forged), bench.leader(1)), Reject)
    assert reject.reason == "proposal: view-change-signature"
    assert len(only(bench.hear(bench.pre_prepare(fresh, 1, proof)), FetchBody)) == 1


def test_view_changes_of_another_height_prove_no_new_view() -> None:
    bench = Bench()
    proof = [replace(bench.view_change(n, 1), height=2) for n in (0, 1, 2)]
    with pytest.raises(ProofError) as caught:
        check_new_view(proof, 1, bench.rules, Verifier(CHAIN, verify))
    assert caught.value.code == "new-view-place"


def test_two_view_changes_of_one_validator_into_one_view_convict_it() -> None:
    bench = Bench()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, hash_of("b"))
    assert bench.hear(bench.view_change(0, 2)) == []
    (accuse,) = only(bench.hear(bench.view_change(0, 2, prepared)), Accuse)
    assert accuse.validator == bench.keys[0].public_key
