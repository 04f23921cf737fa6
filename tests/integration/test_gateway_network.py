"""A gateway at work on four real validators, in small: what bench/mrv.py measures at full size."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.mrv import measure


@pytest.mark.integration
def test_devices_and_readings_reach_every_validator_alike(tmp_path: Path) -> None:
    document = asyncio.run(measure(tmp_path / "net", devices=1_500, batch_sizes=[96], readings=960))
    # 1,000 devices and 300 headers fit a transaction; the sum and the proofs were checked inside.
    assert document["registration"]["transactions"] == 2
    year = document["meterYears"][0]
    assert (year["batches"], year["transactions"]) == (10, 1)
    assert 0 < year["transactionBytes"] < 10 * 300
