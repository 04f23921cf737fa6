"""Each check of the simulator fires: a spoiled event or a broken node for each."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from consensus.messages import Vote, encode_message
from primitives.certificate import Certificate, Phase
from primitives.hashing import ZERO_HASH, Address, Hash
from primitives.validators import Validator, ValidatorSet
from tools.simulator.checks import (
    Checker,
    ViolationError,
    compute_height_bound,
    compute_slow_heights_max,
)
from tools.simulator.node import SimNode
from tools.simulator.plan import Plan
from tools.simulator.profiles import make_plan
from tools.simulator.world import run_plan, run_seed

ADDRESSES = [Address(hashlib.sha256(b"%d" % number).digest()) for number in range(4)]
SET = ValidatorSet(tuple(Validator(f"v{n}", key) for n, key in enumerate(ADDRESSES)))


def make_checker() -> Checker:
    return Checker(
        ZERO_HASH, lambda *_: True, frozenset(range(4)), ADDRESSES, lambda height: (0, SET)
    )


class RepeatsTransactions(SimNode):
    """Does not know what is final: proposes it again, and votes for it."""

    def _read_chain(self) -> None:
        super()._read_chain()
        self.committed = {}

    def _write(self, proposal, certificate, executed):  # type: ignore[no-untyped-def]
        super()._write(proposal, certificate, executed)
        self.pool.update(dict.fromkeys(proposal.transaction_ids))
        self.committed = {}


class TellsBeforeItWrites(SimNode):
    """Loses the last block of its disk in every crash."""

    def crash(self, down_ms: int) -> None:
        if self.up and self.disk.blocks:
            self.disk.blocks.pop()
        super().crash(down_ms)


class ChangesItsBlocks(SimNode):
    """Finds other results on its disk than it wrote."""

    def crash(self, down_ms: int) -> None:
        blocks = self.disk.blocks
        if self.up and blocks:
            proposal, certificate, _ = blocks[-1]
            blocks[-1] = (proposal, certificate, Hash(bytes(32)))
        super().crash(down_ms)


class WritesAnotherResult(SimNode):
    """Writes a certified block with a result that is not the certified one."""

    def _write(self, proposal, certificate, executed):  # type: ignore[no-untyped-def]
        super()._write(proposal, certificate, Hash(bytes(32)))


@pytest.mark.parametrize(
    ("node_type", "violation"),
    [
        (WritesAnotherResult, "committed something else than certified"),
        (RepeatsTransactions, "a transaction is final twice"),
        (TellsBeforeItWrites, "what was told final is lost"),
        (ChangesItsBlocks, "a final block changed on disk"),
    ],
)
def test_a_broken_node_is_found(node_type: type[SimNode], violation: str) -> None:
    found = [run_seed(seed, 4, "crashes", node_type=node_type).violation for seed in range(1, 6)]
    assert any(violation in item for item in found), found


def test_a_node_keeps_what_it_told_unless_its_disk_was_lost() -> None:
    checker = make_checker()
    checker.see_told(1, 3)
    with pytest.raises(ViolationError, match="what was told final is lost"):
        checker.see_start(1, [], "")
    checker.see_start(1, [], "data")
    checker.see_start(1, [], "")


def test_memory_has_one_bound_for_a_height_and_one_for_all() -> None:
    checker = make_checker()
    bound = compute_height_bound(4)
    checker.see_held(0, bound, bound, 4)
    with pytest.raises(ViolationError, match="memory without bound"):
        checker.see_held(0, bound + 1, bound + 1, 4)
    with pytest.raises(ViolationError, match="memory without bound"):
        checker.see_held(0, 0, 10_000, 4)


def test_an_honest_node_is_neither_blamed_nor_halted() -> None:
    with pytest.raises(ViolationError, match="an honest node was blamed"):
        make_checker().see_blame(0, 1, "equivocation")
    with pytest.raises(ViolationError, match="an honest node halted"):
        make_checker().see_halt(0, "divergence")


def test_a_validator_speaks_for_itself_alone() -> None:
    vote = Vote(int(Phase.PREPARE), 1, 0, Hash(bytes(32)), ZERO_HASH, 1, bytes(64))
    make_checker().see_sent(1, encode_message(vote))
    with pytest.raises(ViolationError, match="speaks as a validator that it is not"):
        make_checker().see_sent(0, encode_message(vote))


def test_dead_leaders_that_are_not_passed_over_are_seen() -> None:
    checker = make_checker()
    checker.views = {height: int(height % 4 == 0) for height in range(1, 33)}
    with pytest.raises(ViolationError, match="dead leaders are not passed over"):
        checker.check_slow_heights(4, 1)
    # Missed turns at heights 1, 6, 15 and 32, for instance: N, 2N and 4N heights apart.
    assert compute_slow_heights_max(4, 1, 32) == 5 < 8


def test_the_rotation_alone_costs_a_dead_validator_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = make_plan(1, 4, "dead")
    assert run_plan(1, plan).violation == ""
    monkeypatch.setattr("tools.simulator.world.World.advance_leaders", lambda self, known, _: known)
    assert "dead leaders are not passed over" in run_plan(1, plan).violation


def test_a_crash_before_each_instruction_of_a_node_keeps_every_invariant() -> None:
    base = make_plan(2, 4, "calm")
    plan = replace(base, heights=2, rotate=False, skew_ms=(0,) * 4, idle=False, torn=True)
    for number in range(1, 120):
        result = run_plan(2, kill(plan, number))
        assert result.violation == "", (number, result.violation)


def kill(plan: Plan, number: int) -> Plan:
    return replace(plan, heal_at_ms=0, deaths=((1, number, 200),), real_keys=False)


def test_a_certificate_is_checked_with_the_set_of_its_height() -> None:
    certificate = Certificate(1, 0, ZERO_HASH, ZERO_HASH, (0, 1), (bytes(64),) * 2)
    with pytest.raises(ViolationError, match="certificate-quorum"):
        make_checker()._check_certificate(0, certificate)
