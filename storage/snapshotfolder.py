"""Snapshots on disk: one folder each, named by height; found, read, verified, removed.

A snapshot's folder holds ``manifest``, ``certificate`` (of its block; it differs from
node to node and is therefore no part of the manifest), ``epochs`` (the certified ends
that lead from the genesis to it, for a start without peers) and one file a part. Whoever
serves a part reads it as it is and hashes nothing: the receiver does.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from primitives.block import compute_header_hash
from primitives.certificate import CERTIFICATE, Certificate
from primitives.codec import unpack
from primitives.epochs import EPOCH_END, EpochEnd
from primitives.errors import CodecError
from primitives.hashing import Hash
from storage.errors import make_io_error
from storage.files import DISK_FILES
from storage.snapshotformat import (
    MANIFEST,
    MANIFEST_BYTES_MAX,
    PART_BYTES_MAX,
    Manifest,
    SnapshotError,
    check_manifest,
    compute_manifest_hash,
    compute_part_hash,
    verify_history_part,
    verify_state_part,
)

MANIFEST_FILE = "manifest"
CERTIFICATE_FILE = "certificate"
EPOCHS_FILE = "epochs"
PARTIAL_SUFFIX = ".partial"
_CERTIFICATE_BYTES_MAX = 16 * 1024
_EPOCHS_BYTES_MAX = 256 * 1024 * 1024
"""A hundred thousand ends of four validators."""

OnPart = Callable[[int, int], None]
"""(parts done, parts in all)."""


def write_file(path: Path, content: bytes) -> None:
    """Write a new file, synced; the folder that names it is the caller's to sync."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def get_part_path(folder: Path, number: int) -> Path:
    """Return where a part lies."""
    return folder / f"part-{number:05}"


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot that is whole on disk; its parts are read when they are asked for."""

    folder: Path
    manifest: Manifest
    encoded: bytes
    hash: Hash
    certificate: Certificate

    @property
    def height(self) -> int:
        """The height after which it is the state."""
        return self.manifest.height

    @classmethod
    def open(cls, folder: Path) -> StoredSnapshot:
        """Return the snapshot in a folder. Raises SnapshotError, StorageError."""
        encoded = _read(folder / MANIFEST_FILE, MANIFEST_BYTES_MAX)
        certificate = _read(folder / CERTIFICATE_FILE, _CERTIFICATE_BYTES_MAX)
        try:
            manifest = MANIFEST.decode(encoded)
            return cls(
                folder,
                manifest,
                encoded,
                compute_manifest_hash(encoded),
                CERTIFICATE.decode(certificate),
            )
        except CodecError as error:
            raise SnapshotError(f"the snapshot is damaged: {error}", folder=str(folder)) from None

    def read(self, number: int | None, offset: int, count: int) -> bytes | None:
        """Return at most ``count`` bytes of a part, or of the manifest (None).

        None when there is no such part or nothing at ``offset``.
        """
        if number is None:
            return self.encoded[offset : offset + count] or None
        if not 0 <= number < len(self.manifest.parts):
            return None
        path = get_part_path(self.folder, number)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(count) or None
        except FileNotFoundError:
            return None  # removed meanwhile: there is a later one
        except OSError as error:
            raise make_io_error(path, error) from error

    def read_part(self, number: int) -> bytes:
        """Return a whole part whose hash is the manifest's. Raises SnapshotError."""
        part = self.manifest.parts[number]
        content = _read(get_part_path(self.folder, number), PART_BYTES_MAX)
        if len(content) != part.bytes or compute_part_hash(content) != part.hash:
            raise SnapshotError("a part is damaged", part=number, folder=str(self.folder))
        return content

    def read_epochs(self) -> list[EpochEnd]:
        """Return the ends of epochs that came with it, unverified; none in an older one.

        Raises SnapshotError for bytes that are none.
        """
        path = self.folder / EPOCHS_FILE
        if not path.exists():
            return []
        try:
            items = unpack(_read(path, _EPOCHS_BYTES_MAX))
            if not isinstance(items, list):
                raise CodecError("not a list")
            return [EPOCH_END.decode(item) for item in items if isinstance(item, bytes)]
        except CodecError as error:
            raise SnapshotError(
                f"the ends of epochs are damaged: {error}", path=str(path)
            ) from None

    def verify(self, on_part: OnPart | None = None) -> int:
        """Verify every part against the manifest's state root; return the number of keys.

        Raises SnapshotError naming what is wrong. That a quorum certified the root is not
        looked at here: that needs the chain's validators.
        """
        manifest = self.manifest
        check_manifest(manifest)
        keys, total = 0, len(manifest.parts)
        for number, part in enumerate(manifest.state):
            keys += verify_state_part(manifest, part, self.read_part(number))[1]
            if on_part is not None:
                on_part(number + 1, total)
        if keys != manifest.keys:
            raise SnapshotError("the number of keys is wrong", found=keys, claimed=manifest.keys)
        expected = compute_header_hash(manifest.header)
        first = len(manifest.state)
        for place in range(len(manifest.history) - 1, -1, -1):
            content = self.read_part(first + place)
            expected = verify_history_part(manifest.history[place], content, expected)[1]
            if on_part is not None:
                on_part(first + len(manifest.history) - place, total)
        return keys


class SnapshotFolder:
    """All snapshots of a node. Any thread may read; one maker adds and removes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._opened: dict[int, StoredSnapshot] = {}

    def list_heights(self) -> list[int]:
        """Return the heights of the snapshots that are whole, highest first."""
        if not self.root.is_dir():
            return []
        names = [item.name for item in self.root.iterdir() if item.name.isdigit()]
        return sorted(map(int, names), reverse=True)

    def open(self, height: int) -> StoredSnapshot | None:
        """Return a snapshot, None when there is none of that height."""
        found = self._opened.get(height)
        if found is None:
            folder = self.get_path(height)
            if not folder.is_dir():
                return None
            # Two threads may open it at once: both get the same content.
            found = self._opened[height] = StoredSnapshot.open(folder)
        return found

    def get_path(self, height: int) -> Path:
        """Return the folder of a height's snapshot."""
        return self.root / f"{height:020}"

    def clean(self) -> None:
        """Remove what an interrupted maker or import left."""
        if self.root.is_dir():
            for item in self.root.iterdir():
                if item.name.endswith(PARTIAL_SUFFIX):
                    shutil.rmtree(item, ignore_errors=True)

    def remove_all_but(self, keep: int) -> list[int]:
        """Remove the oldest snapshots beyond ``keep``; return their heights."""
        removed = self.list_heights()[keep:]
        for height in removed:
            self._opened.pop(height, None)
            partial = self.root / f"{height:020}{PARTIAL_SUFFIX}"
            # Renamed first: a folder with half its parts must not look whole.
            self.get_path(height).rename(partial)
            shutil.rmtree(partial, ignore_errors=True)
        return removed


def export_snapshot(snapshot: StoredSnapshot, target: Path) -> int:
    """Write a snapshot into one tar file; return its bytes. Raises StorageError."""
    temporary = target.with_name(target.name + ".new")
    try:
        with tarfile.open(temporary, "w") as archive:
            for name in _list_names(snapshot.manifest):
                archive.add(snapshot.folder / name, arcname=name, recursive=False)
            if (snapshot.folder / EPOCHS_FILE).exists():
                archive.add(snapshot.folder / EPOCHS_FILE, arcname=EPOCHS_FILE, recursive=False)
        temporary.replace(target)
        return target.stat().st_size
    except OSError as error:
        raise make_io_error(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def import_snapshot(source: Path, root: Path, on_part: OnPart | None = None) -> StoredSnapshot:
    """Unpack a tar file of ``export_snapshot``, verify all of it, and take it in.

    Only files of a snapshot's names are unpacked, whatever the archive holds. Raises
    SnapshotError, StorageError; nothing is left of what does not verify.
    """
    partial = root / f"import{PARTIAL_SUFFIX}"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        DISK_FILES.make_folder(root)
        DISK_FILES.make_folder(partial)
        _unpack(source, partial)
        snapshot = StoredSnapshot.open(partial)
        snapshot.verify(on_part)
        target = root / f"{snapshot.height:020}"
        if target.exists():
            raise SnapshotError("there is a snapshot of this height", height=snapshot.height)
        DISK_FILES.sync_folder(partial)
        partial.rename(target)
        DISK_FILES.sync_folder(root)
    except (OSError, tarfile.TarError) as error:
        if isinstance(error, OSError):
            raise make_io_error(source, error) from error
        raise SnapshotError(f"not a tar file of a snapshot: {error}", path=str(source)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return StoredSnapshot.open(target)


def _unpack(source: Path, folder: Path) -> None:
    with tarfile.open(source, "r:") as archive:
        _unpack_one(archive, MANIFEST_FILE, folder, MANIFEST_BYTES_MAX)
        _unpack_one(archive, CERTIFICATE_FILE, folder, _CERTIFICATE_BYTES_MAX)
        manifest = StoredSnapshot.open(folder).manifest
        if EPOCHS_FILE in archive.getnames():
            _unpack_one(archive, EPOCHS_FILE, folder, _EPOCHS_BYTES_MAX)
        for number in range(len(manifest.parts)):
            _unpack_one(archive, get_part_path(folder, number).name, folder, PART_BYTES_MAX)


def _unpack_one(archive: tarfile.TarFile, name: str, folder: Path, bytes_max: int) -> None:
    try:
        member = archive.getmember(name)
    except KeyError:
        raise SnapshotError("the archive lacks a file", name=name) from None
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or member.size > bytes_max:
        raise SnapshotError("not a file of a snapshot", name=name, bytes=member.size)
    write_file(folder / name, content.read())


def _list_names(manifest: Manifest) -> list[str]:
    parts = [get_part_path(Path(), number).name for number in range(len(manifest.parts))]
    return [MANIFEST_FILE, CERTIFICATE_FILE, *parts]


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        if path.stat().st_size > bytes_max:
            raise SnapshotError("a file is larger than it may be", path=str(path))
        return path.read_bytes()
    except FileNotFoundError:
        raise SnapshotError("a file of the snapshot is missing", path=str(path)) from None
    except OSError as error:
        raise make_io_error(path, error) from error
