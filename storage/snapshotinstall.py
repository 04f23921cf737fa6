"""Builds a chain's store from a snapshot, part by part, in a folder beside the real one.

Each part's rows and the mark that it is done are one atomic batch, so a process that is
killed goes on where it was. Nothing reads the folder as a chain before ``finish`` wrote
the tip, last and synced; then it takes the place of the chain's own folder in steps that
can be repeated after a crash at any of them (``complete_replacement``).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from primitives.block import (
    EXECUTION_RESULT,
    HEADER,
    compute_execution_hash,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, Certificate
from primitives.epochs import EPOCH_END, EpochEnd
from primitives.hashing import Hash
from storage.chaintip import STORED_TIP, StoredTip, claim_store
from storage.closing import Closing
from storage.errors import make_io_error
from storage.files import DISK_FILES
from storage.leveldb import LevelStore
from storage.schema import META_LOWEST, META_TIP, encode_height, make_height_key
from storage.snapshotfolder import write_file
from storage.snapshotformat import (
    MANIFEST,
    Manifest,
    Rows,
    SnapshotError,
    check_manifest,
    compute_manifest_hash,
    verify_history_part,
    verify_state_part,
)

STAGING_FOLDER = "joining"
_STORE_FOLDER = "chain"
_COMPLETE_FILE = "complete"
_REPLACED_SUFFIX = ".replaced"
_META_MANIFEST = b"mjoin-manifest"
_META_PART = b"mjoin-part-"
_META_BELOW = b"mjoin-below"
"""The hash that the next lower header must have."""


class Staging(Closing):
    """A chain's store in the making. One owner; its calls block on the disk."""

    def __init__(self, folder: Path, store: LevelStore) -> None:
        self._folder = folder
        self._store = store
        self._manifest: Manifest | None = None
        self._done: set[int] = set()

    @classmethod
    def open(cls, data: Path, chain_id: Hash) -> Staging:
        """Open or begin the staging folder under ``data``. Raises storage errors."""
        folder = data / STAGING_FOLDER
        DISK_FILES.make_folder(folder)
        store = LevelStore.open(folder / _STORE_FOLDER)
        try:
            claim_store(store, str(folder), chain_id)
            staging = cls(folder, store)
            staging._load()
        except BaseException:
            store.close()
            raise
        return staging

    def _load(self) -> None:
        encoded = self._store.get(_META_MANIFEST)
        if encoded is not None:
            self._manifest = MANIFEST.decode(encoded)
            rows = self._store.scan(_META_PART, None, len(self._manifest.parts))
            self._done = {int.from_bytes(key[len(_META_PART) :], "big") for key, _ in rows}

    @property
    def manifest(self) -> Manifest | None:
        """The snapshot that is being taken, None before ``begin``."""
        return self._manifest

    @property
    def manifest_hash(self) -> Hash | None:
        """What names it between nodes."""
        return None if self._manifest is None else compute_manifest_hash(
            MANIFEST.encode(self._manifest)
        )  # fmt: skip

    @property
    def done(self) -> Collection[int]:
        """Numbers of the parts that are here, verified."""
        return self._done

    def begin(self, manifest: Manifest) -> None:
        """Take a manifest whose header and result the caller knows to be certified.

        Raises SnapshotError when it is not whole; the staging folder must be fresh.
        """
        if self._manifest is not None:
            raise SnapshotError("another snapshot is being taken", height=self._manifest.height)
        rows = check_manifest(manifest)
        rows[_META_MANIFEST] = MANIFEST.encode(manifest)
        rows[_META_BELOW] = compute_header_hash(manifest.header)
        self._store.write(rows, sync=True)
        self._manifest = manifest

    def add_state(self, number: int, content: bytes) -> None:
        """Verify a state part and keep it. Raises SnapshotError, with nothing changed."""
        manifest = self._get_manifest()
        rows, keys = verify_state_part(manifest, manifest.state[number], content)
        self._keep(number, rows, keys)

    def add_history(self, number: int, content: bytes) -> None:
        """Verify a history part and keep it; the highest first. Raises SnapshotError."""
        manifest = self._get_manifest()
        below = self._store.get(_META_BELOW)
        part = manifest.history[number - len(manifest.state)]
        rows, expected = verify_history_part(part, content, Hash(below or b""))
        rows[_META_BELOW] = expected
        self._keep(number, rows)

    def _keep(self, number: int, rows: Rows, keys: int = 0) -> None:
        rows[_META_PART + number.to_bytes(4, "big")] = keys.to_bytes(8, "big")
        # Not synced: the log keeps the order, so a lost tail is only asked for again.
        self._store.write(rows, sync=False)
        self._done.add(number)

    def list_missing(self) -> list[int]:
        """Return the parts that are not here: the state's, then the history's, top down."""
        manifest = self._get_manifest()
        state = len(manifest.state)
        numbers = [*range(state), *range(len(manifest.parts) - 1, state - 1, -1)]
        return [number for number in numbers if number not in self._done]

    def finish(self, certificate: Certificate, epochs: Sequence[EpochEnd]) -> None:
        """Write the tip, and the epoch ends that led here; the store is a chain's then."""
        manifest = self._get_manifest()
        if self.list_missing():
            raise SnapshotError("parts are missing", missing=len(self.list_missing()))
        header, result = manifest.header, manifest.result
        height, block_hash = manifest.height, compute_header_hash(header)
        tip = StoredTip(
            height,
            block_hash,
            compute_execution_hash(result),
            result.state_root,
            header.time_ms,
            manifest.levels,
            self._count_keys(manifest),
        )
        rows: Rows = {
            make_height_key(b"h", height): HEADER.encode(header),
            make_height_key(b"c", height): CERTIFICATE.encode(certificate),
            make_height_key(b"r", height): EXECUTION_RESULT.encode(result),
            b"i" + block_hash: encode_height(height),
            META_LOWEST: encode_height(height + 1),
            META_TIP: STORED_TIP.encode(tip),
        }
        for end in epochs:
            rows[make_height_key(b"x", end.header.epoch)] = EPOCH_END.encode(end)
        marks = [_META_PART + number.to_bytes(4, "big") for number in self._done]
        self._store.write(rows, [*marks, _META_MANIFEST, _META_BELOW], sync=True)
        self._store.close()
        write_file(self._folder / _COMPLETE_FILE, b"")
        DISK_FILES.sync_folder(self._folder)

    def _count_keys(self, manifest: Manifest) -> int:
        """Return the keys that came: the chain goes by their number, and the manifest's is
        only somebody's claim."""
        rows = self._store.scan(_META_PART, None, len(manifest.parts))
        return sum(int.from_bytes(count, "big") for _, count in rows)

    def close(self) -> None:
        """Close the store. Closing twice is harmless."""
        self._store.close()

    def _get_manifest(self) -> Manifest:
        if self._manifest is None:
            raise SnapshotError("no snapshot is being taken")
        return self._manifest


@contextmanager
def open_replacement(data: Path) -> Iterator[Path]:
    """Give the folder, not there yet, into which a whole store is to be copied.

    When the block ends well the copy is marked as complete, and ``complete_replacement``
    puts it in place; what was being staged before is removed.
    """
    discard_staging(data)
    folder = data / STAGING_FOLDER
    DISK_FILES.make_folder(folder)
    yield folder / _STORE_FOLDER
    write_file(folder / _COMPLETE_FILE, b"")
    DISK_FILES.sync_folder(folder)


def discard_staging(data: Path) -> None:
    """Remove a staging folder: its snapshot cannot be finished any more."""
    shutil.rmtree(data / STAGING_FOLDER, ignore_errors=True)


def complete_replacement(data: Path, chain_folder: str, stale: Sequence[str]) -> bool:
    """Put a finished staging folder in the place of the chain's; False when there is none.

    ``stale`` are folders beside it that belong to the old chain (indexes). Call it before
    the chain is opened, at every start: after a crash it goes on.
    """
    staging, chain = data / STAGING_FOLDER, data / chain_folder
    replaced = data / (chain_folder + _REPLACED_SUFFIX)
    try:
        if not (staging / _COMPLETE_FILE).exists():
            if replaced.exists():
                shutil.rmtree(replaced)
            return False
        if (staging / _STORE_FOLDER).exists():
            if chain.exists():
                shutil.rmtree(replaced, ignore_errors=True)
                chain.rename(replaced)
            (staging / _STORE_FOLDER).rename(chain)
            DISK_FILES.sync_folder(data)
        for name in stale:
            shutil.rmtree(data / name, ignore_errors=True)
        # The mark goes last: until then every step above can be repeated.
        shutil.rmtree(staging)
        DISK_FILES.sync_folder(data)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise make_io_error(staging, error) from error
    return True
