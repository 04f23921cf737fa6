"""Every way in which a disk or a database can fail us, as typed errors.

An error names the folder or file and says what the operator can do; nothing here
repairs anything. The codes are stable (docs/operations.md lists them).
"""

from __future__ import annotations

import errno
from pathlib import Path

from primitives.errors import CarbonodeError

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StorageError(CarbonodeError):
    """Root of the storage errors."""

    code = "storage"


class DatabaseCorruptedError(StorageError):
    """Stored bytes are not what was written. Never repaired silently."""

    code = "database-corrupted"


class DatabaseLockedError(StorageError):
    """Another process has the folder open."""

    code = "database-locked"


class DiskFullError(StorageError):
    """No space left; what was being written is not on disk, all before it is."""

    code = "disk-full"


class WrongChainError(StorageError):
    """The folder belongs to another chain."""

    code = "wrong-chain"


class CommitError(StorageError):
    """A commit that does not fit the tip: a gap, another block, a stale state change."""

    code = "commit-mismatch"


class VoteLogDamagedError(StorageError):
    """A vote log with damage before its end; voting on from it could be voting twice."""

    code = "vote-log-damaged"


class SignerRecordError(StorageError):
    """The last-signed record is missing, damaged, or would go back."""

    code = "signer-record"


class CursorError(StorageError):
    """A page cursor that we did not hand out."""

    code = "bad-cursor"


def make_corrupted_error(path: Path | str, detail: str) -> DatabaseCorruptedError:
    """Return the error that names the damaged folder and says what to do."""
    return DatabaseCorruptedError(
        "the database is damaged; stop the node, keep a copy of the folder, remove it and let "
        "the node fetch the chain again from its peers (the signer record stays where it is)",
        folder=str(path),
        detail=detail,
    )


def make_io_error(path: Path | str, error: OSError) -> StorageError:
    """Return the storage error for an operating system error on ``path``."""
    if error.errno in _NO_SPACE:
        return DiskFullError("no space left on the disk; free some and start again", path=str(path))
    return StorageError(
        f"input/output error: {error.strerror or error}", code="storage-io", path=str(path)
    )
