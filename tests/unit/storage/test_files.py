"""The files of the machine and the simulator's made-up ones do the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from primitives.hashing import Hash
from storage.errors import DatabaseLockedError, StorageError
from storage.files import DISK_FILES, Files, write_durably
from storage.signer import SignerRecord, SignerRecordFile
from storage.votelog import VoteLog
from tools.simulator.whole.disk import Disk, MadeFiles

MakeFiles = Callable[[], Files]


@pytest.fixture(params=["disk", "made up"])
def files(request: pytest.FixtureRequest) -> Files:
    if request.param == "disk":
        return DISK_FILES
    return MadeFiles(Disk(lambda: 0.0, lambda: 0.0))


@pytest.fixture
def folder(files: Files, tmp_path: Path) -> Path:
    folder = tmp_path / "one" / "two"
    files.make_folder(folder)
    return folder


def test_a_file_is_made_written_in_places_cut_and_read(files: Files, folder: Path) -> None:
    path = folder / "file"
    assert not files.exists(path)
    file = files.open(path, make=True)
    file.write(b"abc", 0)
    file.write(b"xyz", 5)
    assert file.read() == b"abc\0\0xyz"
    file.write(b"B", 1)
    file.truncate(4)
    file.sync()
    file.close()
    file.close()
    assert files.exists(path)
    assert files.read(path) == b"aBc\0"
    assert files.open(path).read() == b"aBc\0"
    assert files.open(path, make=True, empty=True).read() == b""


def test_what_is_not_there_is_a_storage_error(files: Files, folder: Path) -> None:
    for work in (files.read, files.open):
        with pytest.raises(StorageError):
            work(folder / "nothing")
    files.remove(folder / "nothing")


def test_names_are_listed_in_order_renamed_and_removed(files: Files, folder: Path) -> None:
    for name in ("b-2", "b-1", "other"):
        files.open(folder / name, make=True).close()
    assert [path.name for path in files.list(folder, "b-*")] == ["b-1", "b-2"]
    files.rename(folder / "b-1", folder / "b-2")
    files.remove(folder / "other")
    files.sync_folder(folder)
    assert [path.name for path in files.list(folder, "*")] == ["b-2"]
    assert files.exists(folder)
    assert files.exists(folder.parent)
    assert not files.exists(folder / "other")


def test_a_lock_keeps_others_out_until_it_is_closed(files: Files, folder: Path) -> None:
    file = files.open(folder / "lock", make=True)
    file.lock()
    other = files.open(folder / "lock")
    with pytest.raises(DatabaseLockedError):
        other.lock()
    file.close()
    other.lock()
    other.close()


def test_a_file_is_replaced_as_a_whole(files: Files, folder: Path) -> None:
    write_durably(files, folder / "set", b"first and long")
    write_durably(files, folder / "set", b"second")
    assert files.read(folder / "set") == b"second"
    assert [path.name for path in files.list(folder, "*")] == ["set"]


def test_vote_log_and_signer_record_run_on_both(files: Files, folder: Path) -> None:
    with VoteLog.open(folder / "log", segment_bytes=200, files=files) as log:
        for number in range(20):
            log.append([b"record %d" % number], number)
        log.truncate_below(15)
    with VoteLog.open(folder / "log", segment_bytes=200, files=files) as log:
        kept = list(log.replay(15))
    assert kept == [b"record %d" % number for number in range(15, 20)]
    record = SignerRecord(3, 0, 1, Hash(bytes(32)), bytes(64))
    with SignerRecordFile.create(folder / "signed", files) as file:
        file.advance(record)
    with SignerRecordFile.open(folder / "signed", files) as file:
        assert file.record == record
