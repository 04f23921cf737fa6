"""The vote log: durable before it returns, torn at any byte, damaged anywhere."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.errors import DatabaseLockedError, DiskFullError, StorageError, VoteLogDamagedError
from storage.voteframes import (
    FRAME_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    decode_segment,
    encode_frame,
    encode_segment_header,
)
from storage.votelog import VoteLog

APPENDS = [[b"prepare-1"], [b"commit-1", b"certificate" * 5], [b""], [b"view-change-9"]]


def fill(folder: Path) -> Path:
    """Write APPENDS at heights 1, 2, ... and return the only segment."""
    with VoteLog.open(folder) as log:
        for height, records in enumerate(APPENDS, 1):
            log.append(records, height)
    return get_segments(folder)[0]


def get_segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("votes-*.log"))


def read(folder: Path, from_height: int = 0) -> list[bytes]:
    with VoteLog.open(folder) as log:
        return list(log.replay(from_height))


def flatten(appends: list[list[bytes]]) -> list[bytes]:
    return [record for records in appends for record in records]


def test_records_come_back_in_order_after_opening_again(tmp_path: Path) -> None:
    fill(tmp_path / "log")
    assert read(tmp_path / "log") == flatten(APPENDS)
    assert read(tmp_path / "log", 3) == flatten(APPENDS[2:])
    assert read(tmp_path / "log", 9) == []


def test_a_new_log_is_empty_and_appending_nothing_writes_nothing(tmp_path: Path) -> None:
    with VoteLog.open(tmp_path) as log:
        size = log.size
        log.append([], 1)
        assert log.size == size
        assert list(log.replay()) == []


def test_the_log_goes_on_after_opening_again(tmp_path: Path) -> None:
    fill(tmp_path)
    with VoteLog.open(tmp_path) as log:
        log.append([b"next"])
    assert read(tmp_path) == [*flatten(APPENDS), b"next"]
    assert read(tmp_path, 4) == [b"view-change-9", b"next"]  # no height: that of the last one


def test_a_tail_torn_at_any_byte_is_cut_and_the_rest_stays(tmp_path: Path) -> None:
    segment = fill(tmp_path / "log")
    whole = segment.read_bytes()
    last = encode_frame(APPENDS[-1], 4, bytes(8))
    start = len(whole) - len(last)
    for end in range(start, len(whole)):
        segment.write_bytes(whole[:end])
        with VoteLog.open(segment.parent) as log:
            assert list(log.replay()) == flatten(APPENDS[:-1]), end
            assert log.bytes_cut == end - start
            log.append([b"after the crash"], 5)
        assert read(segment.parent) == [*flatten(APPENDS[:-1]), b"after the crash"], end


def test_a_tail_of_zeros_or_noise_is_cut(tmp_path: Path) -> None:
    segment = fill(tmp_path / "log")
    whole = segment.read_bytes()
    last = len(encode_frame(APPENDS[-1], 4, bytes(8)))
    for tail in (bytes(5000), os.urandom(200), whole[-last:-1] + b"\0", b"\xf1VF\x01" * 9):
        segment.write_bytes(whole + tail)
        assert read(segment.parent) == flatten(APPENDS)


def test_every_flipped_byte_before_the_last_frame_is_refused(tmp_path: Path) -> None:
    segment = fill(tmp_path / "log")
    whole = segment.read_bytes()
    last = len(encode_frame(APPENDS[-1], 4, bytes(8)))
    for offset in range(len(whole) - last):
        spoiled = bytearray(whole)
        spoiled[offset] ^= 0x10
        segment.write_bytes(spoiled)
        with pytest.raises(VoteLogDamagedError) as caught:
            VoteLog.open(segment.parent)
        assert caught.value.code == "vote-log-damaged"
        assert str(segment) in str(caught.value)
        assert segment.read_bytes() == bytes(spoiled)  # nothing was repaired


def test_a_flipped_byte_in_the_last_frame_cuts_that_frame(tmp_path: Path) -> None:
    segment = fill(tmp_path / "log")
    whole = segment.read_bytes()
    last = len(encode_frame(APPENDS[-1], 4, bytes(8)))
    for offset in range(len(whole) - last, len(whole)):
        spoiled = bytearray(whole)
        spoiled[offset] ^= 0x10
        segment.write_bytes(spoiled)
        assert read(segment.parent) == flatten(APPENDS[:-1])


def test_a_record_that_looks_like_a_frame_does_not_pass_for_one(tmp_path: Path) -> None:
    """A torn append of a peer's bytes must stay a torn tail, or a peer could stop a node."""
    forged = encode_frame([b"forged"], 1, bytes(8))
    with VoteLog.open(tmp_path) as log:
        log.append([b"mine"], 1)
        size = log.size
        log.append([b"peer's " + forged + b"!" * 50], 1)
    segment = get_segments(tmp_path)[0]
    whole = segment.read_bytes()
    segment.write_bytes(whole[: size + 4] + b"\0" + whole[size + 5 : -20])
    assert read(tmp_path) == [b"mine"]


def test_old_segments_are_forgotten_and_the_size_stays_bounded(tmp_path: Path) -> None:
    with VoteLog.open(tmp_path, segment_bytes=2_000) as log:
        for height in range(1, 200):
            log.append([b"%d" % height, bytes(300)], height)
            log.truncate_below(height)
            assert log.size < 3 * 2_500
            assert len(get_segments(tmp_path)) <= 3
        assert b"199" in list(log.replay(199))
    with VoteLog.open(tmp_path, segment_bytes=2_000) as log:
        assert list(log.replay(199)) == [b"199", bytes(300)]


def test_nothing_at_or_above_the_height_is_ever_forgotten(tmp_path: Path) -> None:
    with VoteLog.open(tmp_path, segment_bytes=100) as log:
        for height in range(1, 50):
            log.append([b"%03d" % height], height)
        log.truncate_below(20)
        kept = list(log.replay(20))
        assert kept == [b"%03d" % height for height in range(20, 50)]
        log.truncate_below(10)
        assert list(log.replay(20)) == kept
        log.truncate_below(1_000)
        log.append([b"1000"])
        assert list(log.replay(1_000)) == [b"1000"]


def make_segments(folder: Path) -> list[Path]:
    with VoteLog.open(folder, segment_bytes=100) as log:
        for height in range(1, 20):
            log.append([b"record %03d" % height], height)
    segments = get_segments(folder)
    assert len(segments) > 3
    return segments


def test_a_torn_end_of_a_segment_that_is_not_the_last_is_refused(tmp_path: Path) -> None:
    segments = make_segments(tmp_path)
    segments[1].write_bytes(segments[1].read_bytes()[:-1])
    with pytest.raises(VoteLogDamagedError):
        VoteLog.open(tmp_path)


def test_a_missing_segment_is_refused(tmp_path: Path) -> None:
    make_segments(tmp_path)[1].unlink()
    with pytest.raises(VoteLogDamagedError):
        VoteLog.open(tmp_path)


def test_an_unknown_file_among_the_segments_is_refused(tmp_path: Path) -> None:
    make_segments(tmp_path)
    (tmp_path / "votes-copy.log").write_bytes(b"")
    with pytest.raises(VoteLogDamagedError):
        VoteLog.open(tmp_path)


@pytest.mark.parametrize("size", range(SEGMENT_HEADER_BYTES))
def test_a_crash_while_a_segment_was_made_leaves_a_log_that_opens(
    tmp_path: Path, size: int
) -> None:
    segments = make_segments(tmp_path)
    number = int(segments[-1].stem.removeprefix("votes-")) + 1
    fresh = tmp_path / f"votes-{number:016d}.log"
    fresh.write_bytes(encode_segment_header(b"saltsalt")[:size])
    assert len(read(tmp_path)) == 19
    with VoteLog.open(tmp_path, segment_bytes=100) as log:
        log.append([b"more"], 20)
    assert read(tmp_path, 20) == [b"more"]


def test_a_crash_while_the_first_segment_was_made_leaves_an_empty_log(tmp_path: Path) -> None:
    (tmp_path / "votes-0000000000000001.log").write_bytes(b"CNVO")
    with VoteLog.open(tmp_path) as log:
        log.append([b"first"], 1)
    assert read(tmp_path) == [b"first"]


def test_a_spoiled_header_with_frames_behind_it_is_refused(tmp_path: Path) -> None:
    segment = fill(tmp_path)
    segment.write_bytes(b"X" + segment.read_bytes()[1:])
    with pytest.raises(VoteLogDamagedError):
        VoteLog.open(tmp_path)


def test_two_owners_at_once_are_refused(tmp_path: Path) -> None:
    with VoteLog.open(tmp_path), pytest.raises(DatabaseLockedError):
        VoteLog.open(tmp_path)
    VoteLog.open(tmp_path).close()


def test_a_closed_log_refuses_appends(tmp_path: Path) -> None:
    log = VoteLog.open(tmp_path)
    log.close()
    log.close()
    with pytest.raises(StorageError):
        log.append([b"late"], 1)


def test_an_append_over_the_bound_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.voteframes.FRAME_BYTES_MAX", 1_000)
    with VoteLog.open(tmp_path) as log:
        size = log.size
        with pytest.raises(StorageError) as caught:
            log.append([bytes(1_001)], 1)
        assert caught.value.code == "vote-log-frame"
        assert log.size == size


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The nearest thing to a full disk that a test may have: writes beyond fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_and_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    log = VoteLog.open(tmp_path)
    log.append([b"before"], 1)
    with file_size_limit(log.size + 30), pytest.raises(DiskFullError) as caught:
        log.append([bytes(500)], 1)
    assert caught.value.code == "disk-full"
    assert get_segments(tmp_path)[0].stat().st_size == log.size  # half a frame is taken back
    log.append([b"after"], 1)
    log.close()
    assert read(tmp_path) == [b"before", b"after"]


KILLED = """
import os, sys
from pathlib import Path
from storage.votelog import VoteLog
log = VoteLog.open(Path(sys.argv[1]), segment_bytes=3000)
number = 0
while True:
    log.append([b"%d" % number, bytes(number % 97)], number)
    os.write(1, b"%d\\n" % number)
    number += 1
"""


def test_what_append_returned_for_survives_a_killed_process(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(150)]
    process.kill()
    seen.extend(int(line) for line in process.stdout if line.endswith(b"\n"))
    process.stdout.close()
    process.wait()
    records = read(tmp_path)
    numbers = [int(record) for record in records[::2]]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= len(seen) >= 150


def test_a_copied_log_reads_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "log")
    shutil.copytree(tmp_path / "log", tmp_path / "copy")
    assert read(tmp_path / "copy") == flatten(APPENDS)


def test_golden_frame_bytes() -> None:
    salt = b"saltsalt"
    assert encode_segment_header(salt).hex() == "434e564f5445000173616c7473616c74d46d099a"
    assert (
        encode_frame([b"ab", b""], 5, salt).hex()
        == "f1564601000000070000000000000005463c479088f703e292c4026162c400"
    )


def test_a_frame_without_records_of_bytes_is_damage() -> None:
    salt = b"saltsalt"
    frame = encode_frame([1], 5, salt)  # type: ignore[list-item]  # what no append of ours writes
    with pytest.raises(VoteLogDamagedError):
        decode_segment(encode_segment_header(salt) + frame, salt)
    assert len(frame) == FRAME_HEADER_BYTES + 2


def test_one_append_is_one_sync_and_it_comes_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def count(descriptor: int) -> None:
        real(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    with VoteLog.open(tmp_path) as log:
        monkeypatch.setattr("storage.files._sync_data", count)
        log.append([b"one", b"two", b"three"], 1)
        assert synced == [log.size]


def test_after_a_failed_sync_the_log_refuses_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed sync the system may have dropped the bytes and forgotten about it."""

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with VoteLog.open(tmp_path) as log:
        log.append([b"one"], 1)
        with monkeypatch.context() as patched:
            patched.setattr("storage.files._sync_data", fail)
            with pytest.raises(StorageError) as caught:
                log.append([b"two"], 1)
            assert caught.value.code == "storage-io"
        with pytest.raises(StorageError) as caught:
            log.append([b"three"], 1)
        assert caught.value.code == "vote-log-failed"
