"""The main job, as a person starts it: ends with 0, and leaves a certificate anyone can check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, timeout_s: float = 240.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.mark.integration
def test_the_scenario_ends_with_zero_and_a_certificate_that_the_genesis_alone_proves(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    done = run("tools.scenario", "--exit", "--small", "--seed", "5", "--directory", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "killed (SIGKILL)",
        "is back at the tip",
        "refused (not-owner)",
        "refused (lot-locked)",
        "refused (lot-retired)",
        "refused (self-trade)",
        "refused (not-enough-money)",
        "refused (no-common-control)",
        "refused (not-enough-margin)",
        "every trade and balance as a naive book computes it; money conserved",
        "2,976 readings signed by the meter",
        "each figure verified against exact fractions",
        "One kilogram",
        "READINGS 2,976 in 31 batches stand",
        "RECOMPUTED offline",
        "state roots of all validators are equal",
        "verified offline",
    ):
        assert words in " ".join(done.stdout.split()), done.stdout
    certificate, genesis = folder / "certificate.json", folder / "genesis.json"
    checked = run(
        *("tools.cli.main", "--output", "json", "audit", "certificate", str(certificate)),
        *("--genesis", str(genesis)),
    )
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["retirement"]["beneficiaryName"] == "Li Wei"
    spoiled = json.loads(certificate.read_text("utf-8"))
    spoiled["retirement"]["quantityKg"] += 1
    certificate.write_text(json.dumps(spoiled), "utf-8")
    refused = run(
        "tools.cli.main", "audit", "certificate", str(certificate), "--genesis", str(genesis)
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    check_trace_offline(folder)


def check_trace_offline(folder: Path) -> None:
    """With no node left: the report comes out again, and one changed reading does not pass."""
    command = ("tools.cli.main", "--output", "json", "mrv", "recompute")
    arguments = (*command, str(folder / "trace.json"), "--readings", str(folder / "readings"))
    again = run(*arguments)
    assert again.returncode == 0, again.stderr
    shown = json.loads(again.stdout)
    assert shown["recomputed"] and shown["readings"] == 2_976
    assert shown["grams"] == shown["report"]["computed_grams"]
    file = min((folder / "readings" / "furnace-meter").iterdir())
    raw = bytearray(file.read_bytes())
    # One bit of the last amount: a flag (1 byte) and a signature (66) come after it.
    raw[-70] ^= 1
    file.write_bytes(raw)
    changed = run(*arguments)
    assert changed.returncode == 1, changed.stdout


@pytest.mark.integration
def test_a_folder_that_is_not_ours_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("two years of work")
    done = run("tools.scenario", "--exit", "--small", "--directory", str(tmp_path), timeout_s=60)
    assert done.returncode == 1
    assert (tmp_path / "thesis.txt").read_text() == "two years of work"
