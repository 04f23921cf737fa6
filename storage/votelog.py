"""The vote log: what we are about to say, on disk before anyone hears it.

One append is one frame, one write and one fdatasync. After a crash only the last frame
can be incomplete: it is cut, because nobody heard what it promised. Damage before the
last frame is refused: voting on from there could be voting twice. Records are opaque;
the height of an append says only when it may be forgotten.

Source: design, consensus, "Crash recovery without saying two things".
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.closing import Closing
from storage.errors import StorageError, VoteLogDamagedError
from storage.files import DISK_FILES, File, Files
from storage.voteframes import (
    SALT_BYTES,
    SEGMENT_HEADER_BYTES,
    Frame,
    decode_salt,
    decode_segment,
    encode_frame,
    encode_segment_header,
)

SEGMENT_BYTES_DEFAULT = 16 * 1024 * 1024
"""A segment over this size is closed; whole segments are what is forgotten."""


@dataclass(slots=True)
class _SegmentFile:
    number: int
    path: Path
    height_max: int
    size: int


class VoteLog(Closing):
    """Segments of one folder. One owner appends; construction does no I/O: use ``open``."""

    def __init__(self, folder: Path, lock: File, segment_bytes: int, files: Files) -> None:
        self._folder = folder
        self._lock = lock
        self._files = files
        self._segment_bytes = segment_bytes
        self._segments: list[_SegmentFile] = []
        self._file: File | None = None
        self._salt = b""
        self._height = 0
        self._failure: str | None = None
        self._bytes_cut = 0

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
        files: Files = DISK_FILES,
    ) -> VoteLog:
        """Open or make the log in ``folder``; check all of it and cut a torn tail.

        Raises VoteLogDamagedError, DatabaseLockedError, DiskFullError, StorageError.
        """
        files.make_folder(folder)
        lock = files.open(folder / "LOCK", make=True)
        log = cls(folder, lock, segment_bytes, files)
        try:
            lock.lock()
            log._load()
        except BaseException:
            log.close()
            raise
        return log

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def bytes_cut(self) -> int:
        """Bytes of a torn tail that ``open`` cut; worth a line in the node's log."""
        return self._bytes_cut

    def append(self, records: Sequence[bytes], height: int | None = None) -> None:
        """Return when ``records`` are durable, all of them; on an error none is.

        ``height`` is the one they belong to (see ``truncate_below``); None means that
        of the append before. Raises DiskFullError or StorageError; after a failed
        sync the log refuses further appends, since the disk may have dropped bytes.
        """
        if self._failure is not None:
            raise StorageError(self._failure, code="vote-log-failed", folder=str(self._folder))
        if not records:
            return
        self._height = self._height if height is None else height
        if self._segments[-1].size >= self._segment_bytes:
            self._start_segment(self._segments[-1].number + 1)
        segment, file = self._segments[-1], self._get_file()
        frame = encode_frame(records, self._height, self._salt)
        try:
            file.write(frame, segment.size)
        except StorageError:
            self._undo_write(segment)
            raise
        try:
            file.sync()
        except StorageError:
            self._failure = "a sync of the vote log failed; restart the node on a sound disk"
            raise
        segment.size += len(frame)
        segment.height_max = max(segment.height_max, self._height)

    def replay(self, from_height: int = 0) -> Iterator[bytes]:
        """Yield every record of ``from_height`` and above, in the order of appending.

        Older records may still be on disk; whoever replays may filter once more.
        """
        for segment in list(self._segments):
            data = self._files.read(segment.path)[: segment.size]
            salt = decode_salt(data)
            if salt is None:
                raise _make_damage_error(segment.path, 0)
            for frame in decode_segment(data, salt).frames:
                if frame.height >= from_height:
                    yield from frame.records

    def truncate_below(self, height: int) -> None:
        """Allow everything below ``height`` to be forgotten: it is committed.

        Removes whole segments only, so it costs nothing at most heights, and the log
        stays within two segments and one height's appends.
        """
        self._height = max(self._height, height)
        kept = list(self._segments)
        while len(kept) > 1 and kept[0].height_max < height:
            self._files.remove(kept.pop(0).path)
            self._segments = list(kept)

    def close(self) -> None:
        """Release the folder. Closing twice is harmless."""
        if self._file is not None:
            self._file.close()
        self._lock.close()
        self._file = None
        self._failure = "the vote log is closed"

    def _load(self) -> None:
        paths = self._files.list(self._folder, "votes-*.log")
        numbers = [_get_number(path) for path in paths]
        if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise VoteLogDamagedError(
                "a segment of the vote log is missing", folder=str(self._folder), found=numbers
            )
        for path, number in zip(paths, numbers, strict=True):
            self._load_segment(path, number, is_last=path is paths[-1])
        if self._segments:
            self._file = self._files.open(self._segments[-1].path)
            self._cut_tail()
        else:
            self._start_segment(numbers[-1] + 1 if numbers else 1)

    def _load_segment(self, path: Path, number: int, *, is_last: bool) -> None:
        data = self._files.read(path)
        salt = decode_salt(data)
        if salt is None:
            # A crash while the file was made: its header was not synced, so no frame was.
            if not is_last or len(data) > SEGMENT_HEADER_BYTES:
                raise _make_damage_error(path, 0)
            self._files.remove(path)
            self._bytes_cut += len(data)
            return
        found = decode_segment(data, salt)
        if found.is_damaged or (found.end < len(data) and not is_last):
            raise _make_damage_error(path, found.end)
        self._salt = salt
        height_max = _get_height_max(found.frames)
        self._height = max(self._height, height_max)
        self._segments.append(_SegmentFile(number, path, height_max, found.end))

    def _cut_tail(self) -> None:
        segment, file = self._segments[-1], self._get_file()
        surplus = len(self._files.read(segment.path)) - segment.size
        if surplus > 0:
            file.truncate(segment.size)
            file.sync()
            self._bytes_cut += surplus

    def _start_segment(self, number: int) -> None:
        path = self._folder / f"votes-{number:016d}.log"
        salt = os.urandom(SALT_BYTES)
        header = encode_segment_header(salt)
        file = self._files.open(path, make=True, empty=True)
        try:
            file.write(header, 0)
            file.sync()
            self._files.sync_folder(self._folder)
        except StorageError:
            file.close()
            self._files.remove(path)
            raise
        if self._file is not None:
            self._file.close()
        self._file, self._salt = file, salt
        self._segments.append(_SegmentFile(number, path, 0, len(header)))

    def _get_file(self) -> File:
        assert self._file is not None, "open"
        return self._file

    def _undo_write(self, segment: _SegmentFile) -> None:
        """Take half a frame away again, so that the next append follows a whole one."""
        try:
            self._get_file().truncate(segment.size)
        except StorageError:
            self._failure = "half a frame could not be taken back; restart the node"


def _get_number(path: Path) -> int:
    digits = path.stem.removeprefix("votes-")
    if not digits.isdigit():
        raise VoteLogDamagedError("an unknown file in the vote log", path=str(path))
    return int(digits)


def _get_height_max(frames: Sequence[Frame]) -> int:
    return max((frame.height for frame in frames), default=0)


def _make_damage_error(path: Path, offset: int) -> VoteLogDamagedError:
    return VoteLogDamagedError(
        "the vote log is damaged before its end; this validator must not vote from it: set the "
        "folder aside and let the node watch until the height has passed",
        path=str(path),
        offset=offset,
    )
