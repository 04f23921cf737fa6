"""Key files: one Ed25519 seed in hex, readable by its owner only.

The same form for a node's key (``node.key``) and for people's keys
(``keys/<name>.key``). A file that others may read is refused: whoever reads it can
sign in its owner's name.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from primitives.errors import KeyFormatError
from primitives.keys import SEED_BYTES, PrivateKey

KEY_SUFFIX = ".key"
KEY_FILE_BYTES_MAX = 1024
OWNER_ONLY = 0o600


def generate_key() -> PrivateKey:
    """Return a new key from the system's randomness."""
    return PrivateKey.from_seed(secrets.token_bytes(SEED_BYTES))


def write_key(path: Path, key: PrivateKey, *, overwrite: bool = False) -> None:
    """Write ``key`` with mode 0600; refuses to replace a file unless told to.

    The mode is set when the file is made, never after: there is no moment at which
    another user could open it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        path.unlink(missing_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        raise KeyFormatError("the key file exists already", path=str(path)) from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.seed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_key(path: Path) -> PrivateKey:
    """Return the key of a file, or raise KeyFormatError with the path and the reason."""
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            text = file.read(KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise KeyFormatError(
            f"cannot read the key file: {error.strerror}", path=str(path)
        ) from None
    if mode & 0o077:
        raise KeyFormatError(
            "others may read the key file: chmod 600", path=str(path), mode=oct(mode & 0o777)
        )
    try:
        return PrivateKey.from_hex(text.decode("ascii"))
    except (UnicodeDecodeError, KeyFormatError):
        # Never quote the content: it may be most of a secret.
        raise KeyFormatError("not a key: expected 64 hex digits", path=str(path)) from None


def list_keys(folder: Path) -> list[Path]:
    """Return the key files of a folder, by name; empty when there is no such folder."""
    return sorted(folder.glob("*" + KEY_SUFFIX)) if folder.is_dir() else []
