"""Whole nodes on virtual time: seeds of every profile hold, and repeat byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.simulator.whole.__main__ import main
from tools.simulator.whole.plan import PROFILES, make_plan
from tools.simulator.whole.world import run_plan, run_seed

ROUNDS = range(3)
REPEAT = """
from tools.simulator.whole.world import run_seed
for profile in ("lossy", "disks"):
    print(run_seed(5, 4, profile, record=True).digest)
"""


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("number", ROUNDS)
def test_a_seed_holds(profile: str, number: int) -> None:
    seed = 1_000 * (PROFILES.index(profile) + 1) + number
    print(f"seed {seed}, profile {profile}")
    result = run_seed(seed, 7 if number == 1 and profile in ("mixed", "liar") else 4, profile)
    assert result.violation == "", "\n".join(result.history[-60:])
    assert result.acknowledged > 2


def test_the_same_seed_gives_the_same_history_to_the_byte() -> None:
    first, second = (run_seed(6, 4, "partitions", record=True) for _ in range(2))
    assert len(first.history) > 500
    assert first.history == second.history
    assert first.digest != run_seed(7, 4, "partitions", record=True).digest


def test_the_history_does_not_depend_on_the_process() -> None:
    # The order of a set or of addresses in memory would show here.
    root = Path(__file__).parents[2]
    digests = [
        subprocess.run(
            [sys.executable, "-c", REPEAT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(digests[0].split()) == 2
    assert digests[0] == digests[1]


def test_the_plans_of_the_profiles_hold_every_fault() -> None:
    plans = [make_plan(seed, 4, "mixed") for seed in range(200)]
    assert {cut.kind for plan in plans for cut in plan.cuts} == {"drop", "hold", "reset"}
    assert any(plan.slow_links for plan in plans)
    assert any(plan.full_disks for plan in plans)
    assert any(plan.liar is not None for plan in plans)
    assert any(plan.loss and plan.repeat and plan.reorder for plan in plans)
    assert any(abs(skew) > 1_000 for plan in plans for skew in plan.skew_ms)
    crashes = [crash for plan in plans for crash in plan.crashes]
    assert {crash.loses for crash in crashes} == {"", "data", "all"}
    assert {crash.is_loud for crash in crashes} == {True, False}
    assert any(crash.is_stop for crash in crashes)


def test_the_command_prints_one_line_when_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1..2", "--profile", "calm"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1
    assert printed[0].startswith("2 seeds of profile calm: 0 violations []")


def test_a_failure_prints_seed_plan_commit_and_history(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.simulator.whole.world.PREPARE_S", 0.01)
    assert main(["--seed", "3", "--profile", "calm"]) == 1
    printed = capsys.readouterr().out
    assert "seed 3, 4 validators, profile calm: no units issued" in printed
    assert "plan: Plan(" in printed
    assert "commit: " in printed
    assert "v0.1 starts" in printed


def test_a_run_leaves_nothing_behind() -> None:
    import asyncio
    import logging
    import threading

    threads = threading.active_count()
    run_plan(1, make_plan(1, 4, "calm"))
    assert threading.active_count() == threads
    assert logging.getLogger("carbonode").propagate
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
