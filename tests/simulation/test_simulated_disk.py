"""The fake disk loses what a real one loses, and nothing else."""

from __future__ import annotations

import random

import pytest

from consensus.signing import INITIAL_LAST_SIGNED
from tools.simulator.disk import Disk, DiskFaults

RECORDS = [b"one record", b"another, which is longer"]


def make_disk(seed: int, faults: DiskFaults) -> Disk:
    disk = Disk(random.Random(seed))
    disk.faults = faults
    disk.append(RECORDS, 1)
    disk.append([b"second"], 2)
    return disk


@pytest.mark.parametrize("seed", range(200))
def test_a_torn_append_is_cut_and_everything_synced_stays(seed: int) -> None:
    disk = make_disk(seed, DiskFaults(torn=True))
    assert disk.tear([b"half said" * (seed % 7 + 1)], 2)
    records, found = disk.replay()
    assert records == [*RECORDS, b"second"]
    assert found.startswith("cut ")
    assert disk.replay() == (records, "")


def test_a_disk_without_that_fault_is_never_torn() -> None:
    assert not make_disk(1, DiskFaults()).tear([b"whole or nothing"], 2)


@pytest.mark.parametrize("seed", range(50))
def test_rot_never_changes_a_record_and_happens_once(seed: int) -> None:
    disk = make_disk(seed, DiskFaults(lost="log"))
    assert disk.lose() == "log"
    records, found = disk.replay()
    assert found
    assert records in ([], RECORDS)
    assert disk.last_signed == INITIAL_LAST_SIGNED
    assert disk.lose() == ""


@pytest.mark.parametrize(("lost", "keeps_record"), [("data", True), ("all", False)])
def test_an_empty_data_folder_has_no_log_and_keeps_the_record_only_if_apart(
    lost: str, keeps_record: bool
) -> None:
    disk = make_disk(1, DiskFaults(lost=lost))
    disk.lose()
    assert disk.replay() == ([], "")
    assert (disk.last_signed is not None) == keeps_record


def test_final_heights_are_forgotten() -> None:
    disk = make_disk(1, DiskFaults())
    disk.forget_below(2)
    assert disk.replay() == ([b"second"], "")


def test_a_disk_is_full_in_its_intervals_only() -> None:
    disk = make_disk(1, DiskFaults(full=((10, 20), (30, 31))))
    assert [now for now in range(0, 40, 5) if disk.is_full(now)] == [10, 15, 30]
