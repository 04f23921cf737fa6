"""Liars of the later profiles do what they are there for."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from primitives.certificate import Certificate
from primitives.hashing import ZERO_HASH
from tools.simulator.coverage import Coverage
from tools.simulator.mutator import change, garble
from tools.simulator.profiles import make_plan
from tools.simulator.twins import Twins
from tools.simulator.world import run_plan, run_seed

CERTIFICATE = Certificate(3, 1, ZERO_HASH, ZERO_HASH, (0, 1, 2), (bytes(64),) * 3)


def test_a_change_reaches_every_field_and_keeps_its_type() -> None:
    rng = random.Random(1)
    touched = set()
    for _ in range(300):
        changed = change(rng, CERTIFICATE)
        for name in ("height", "view", "block_hash", "exec_hash", "signers", "signatures"):
            assert type(getattr(changed, name)) is type(getattr(CERTIFICATE, name))
            if getattr(changed, name) != getattr(CERTIFICATE, name):
                touched.add(name)
    assert len(touched) == 6


def test_garbled_bytes_differ() -> None:
    rng = random.Random(2)
    assert all(garble(rng, b"some message") != b"some message" for _ in range(100))


@pytest.mark.parametrize("validators", [4, 7])
def test_twins_split_the_network_and_nobody_talks_to_neither(validators: int) -> None:
    plan = make_plan(3, validators, "twins")
    liar = next(number for number, names in plan.liars.items() if "twins" in names)
    twins = Twins(plan, random.Random(1))
    twin = twins.twins[liar]
    assert twins.get_owner(twin) == liar
    heard = set()
    for now in range(0, 30_000, 100):
        for other in set(range(validators)) - set(plan.liars):
            copies = twins.find_targets(other, liar, now)
            assert copies in ((liar,), (twin,), (liar, twin))
            for copy in (liar, twin):
                # A link works in both directions.
                assert (twins.find_targets(copy, other, now) == (other,)) == (copy in copies)
            heard.add(copies)
    assert len(heard) > 1


def test_twins_are_caught_saying_two_things() -> None:
    coverage = Coverage()
    for seed in range(1, 13):
        plan = make_plan(seed, 4, "twins")
        liar = next(iter(plan.liars))
        assert run_plan(seed, replace(plan, liars={liar: ("twins",)})).violation == ""
        assert run_seed(seed, 4, "twins", coverage=coverage).violation == ""
    assert "effect: Accuse" not in coverage.find_missing(())


def test_mutants_meet_checks_that_no_other_liar_meets() -> None:
    coverage = Coverage()
    for seed in range(1, 16):
        assert run_seed(seed, 4, "mutants", coverage=coverage).violation == ""
    missing = coverage.find_missing(())
    for met in (
        "reject: message: ",
        "reject: vote: another signature",
        "code: evidence-signature",
        "code: header-txs-root",
        "code: certificate-shape",
    ):
        assert met not in missing
