"""The made-up disk keeps what was synced, tears what was not, and remembers its jobs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from storage.errors import DiskFullError, StorageError
from storage.votelog import VoteLog
from tools.simulator.whole.disk import Disk, MadeFiles
from tools.simulator.whole.life import Life
from tools.simulator.whole.store import MadeStore, StoreImage

FOLDER = Path("/made/up")


class Moment:
    """The time, and when what is done now is certain."""

    def __init__(self) -> None:
        self.now = 0.0
        self.certain_at = 0.0

    def make_disk(self) -> Disk:
        return Disk(lambda: self.certain_at, lambda: self.now)


@pytest.mark.parametrize("seed", range(100))
def test_a_vote_log_keeps_every_synced_append_and_cuts_the_one_in_doubt(seed: int) -> None:
    moment, rng = Moment(), random.Random(seed)
    disk = moment.make_disk()
    log = VoteLog.open(FOLDER, files=MadeFiles(disk))
    log.append([b"certain"], 1)
    moment.certain_at = 5.0  # the next append is still under way when the power goes
    log.append([b"in doubt", b"x" * 300], 2)
    moment.now = 1.0
    disk.crash(rng)
    moment.certain_at = moment.now
    with VoteLog.open(FOLDER, files=MadeFiles(disk)) as after:
        found = list(after.replay())
        assert found in ([b"certain"], [b"certain", b"in doubt", b"x" * 300])
        after.append([b"next"], 3)
        assert list(after.replay())[-1] == b"next"


def test_both_outcomes_and_torn_tails_occur() -> None:
    outcomes = set()
    for seed in range(200):
        moment = Moment()
        disk = moment.make_disk()
        log = VoteLog.open(FOLDER, files=MadeFiles(disk))
        moment.certain_at = 5.0
        log.append([b"in doubt"], 2)
        disk.crash(random.Random(seed))
        with VoteLog.open(FOLDER, files=MadeFiles(disk)) as after:
            outcomes.add((len(list(after.replay())), after.bytes_cut > 0))
    assert outcomes == {(0, False), (0, True), (1, False)}


def test_bytes_without_a_sync_may_be_lost_and_a_name_without_its_folder_s() -> None:
    kept = set()
    for seed in range(50):
        disk = Moment().make_disk()
        files = MadeFiles(disk)
        files.make_folder(FOLDER)
        file = files.open(FOLDER / "file", make=True)
        file.write(b"written", 0)
        disk.crash(random.Random(seed))
        kept.add(files.read(FOLDER / "file") if files.exists(FOLDER / "file") else None)
    assert None in kept
    assert b"" in kept
    assert b"written" in kept
    assert len(kept) > 3  # and torn in between


def test_a_full_disk_refuses_writes_and_the_log_survives_it() -> None:
    disk = Moment().make_disk()
    with VoteLog.open(FOLDER, files=MadeFiles(disk)) as log:
        log.append([b"before"], 1)
        disk.is_full = lambda: True
        with pytest.raises(DiskFullError):
            log.append([b"no room"], 2)
        disk.is_full = lambda: False
        log.append([b"after"], 3)
        assert list(log.replay()) == [b"before", b"after"]


def test_after_its_life_nothing_reaches_the_disk() -> None:
    disk, life = Moment().make_disk(), Life(0, 1, random.Random(1))
    files = MadeFiles(disk, life)
    files.make_folder(FOLDER)
    file = files.open(FOLDER / "file", make=True)
    life.kill()
    for work in (lambda: file.write(b"late", 0), file.sync, lambda: files.remove(FOLDER / "file")):
        with pytest.raises(StorageError):
            work()
    assert file.read() == b""
    file.close()


@pytest.mark.parametrize("seed", range(40))
def test_a_store_keeps_whole_batches_up_to_some_point_and_every_synced_one(seed: int) -> None:
    moment, image = Moment(), StoreImage()

    def open_store(number: int) -> MadeStore:
        life = Life(0, number, random.Random(1))
        return MadeStore(
            image,
            life,
            lambda: moment.now,
            lambda: moment.certain_at,
            lambda: False,
            lambda _: None,
        )

    store = open_store(1)
    for number in range(10):
        store.write({b"a%d" % number: b"1", b"b%d" % number: b"2"}, (), sync=number == 4)
    image.crash(random.Random(seed), moment.now)
    after = open_store(2)
    count = len(after.scan(b"a", None, 100))
    assert count >= 5
    assert len(after.scan(b"b", None, 100)) == count


def test_a_process_that_ends_without_a_power_cut_loses_nothing() -> None:
    image = StoreImage()
    for number in range(3):
        life = Life(0, number, random.Random(1))
        store = MadeStore(image, life, lambda: 0.0, lambda: 5.0, lambda: False, lambda _: None)
        assert len(store.scan(b"row", None, 10)) == number
        store.write({b"row %d" % number: b"1"}, sync=False)
        store.close()


def test_an_unfinished_sync_is_no_promise() -> None:
    counts = set()
    for seed in range(40):
        image = StoreImage()
        life = Life(0, 1, random.Random(1))
        store = MadeStore(image, life, lambda: 0.0, lambda: 5.0, lambda: False, lambda _: None)
        store.write({b"row": b"1"}, sync=True)
        image.crash(random.Random(seed), 1.0)
        counts.add(len(image.rows))
    assert counts == {0, 1}
