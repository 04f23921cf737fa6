"""Compiled contract code on disk, so that a restart need not check and compile it all again.

Code that is read here is executed, so a file counts only when this node wrote it with
this Python and this compiler: each carries a keyed hash over all of that. Its key comes
from the node's secret, which is not in the data folder; a flipped bit, a file under
another's name, another node's, Python's or version's is as good as absent. Nothing else
about a node depends on these files: they may be removed at any time, and every failure
to read or write one is silent. Source: docs/decisions/0021-compiled-code-is-cached.md.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import marshal
import os
import sys
from pathlib import Path

import primitives
import vm

_MAGIC = b"carbonode code 1\n"
_MAC_BYTES = 32
ENTRY_BYTES_MAX = 4 * 1024 * 1024
"""The code of the longest source takes a quarter of this."""
FILES_MAX = 512
"""The machine keeps 256 programs in memory, and each has a second text."""
_SUFFIX = ".code"


class FileCodeCache:
    """A vm.stored.CodeCache in one folder; one process uses it."""

    def __init__(self, folder: Path, key: bytes, names: dict[str, None]) -> None:
        self._folder = folder
        self._key = key
        self._names = names
        """File names, oldest first."""

    @classmethod
    def open(cls, folder: Path, seed: bytes) -> FileCodeCache:
        """Return the cache in ``folder``, whose files are bound to the node's secret ``seed``."""
        environment = compute_environment()
        key = hmac.digest(seed, b"carbonode code cache\0" + environment, "sha256")
        names: list[tuple[float, str]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in folder.iterdir():
                if path.suffix == _SUFFIX:
                    names.append((path.stat().st_mtime, path.name))
                elif path.suffix == ".new":
                    path.unlink()  # a writing that was cut off
        except OSError:
            pass
        return cls(folder, key, dict.fromkeys(name for _, name in sorted(names)))

    def load(self, key: bytes) -> bytes | None:
        """Return what was stored under ``key`` by this node, Python and compiler, or None."""
        name = self._compute_name(key)
        if name not in self._names:
            return None
        try:
            with (self._folder / name).open("rb") as file:
                data = file.read(ENTRY_BYTES_MAX + 1)
        except OSError:
            return None
        start = len(_MAGIC) + _MAC_BYTES
        payload = data[start:]
        if len(data) > ENTRY_BYTES_MAX or not data.startswith(_MAGIC):
            return None
        if not hmac.compare_digest(data[len(_MAGIC) : start], self._compute_mac(name, payload)):
            return None
        return payload

    def store(self, key: bytes, data: bytes) -> None:
        """Keep ``data`` under ``key``, in place of the oldest when there are too many.

        Not synced: what a crash leaves of it does not have the right hash.
        """
        name = self._compute_name(key)
        whole = _MAGIC + self._compute_mac(name, data) + data
        if len(whole) > ENTRY_BYTES_MAX:
            return
        path = self._folder / name
        try:
            while len(self._names) >= FILES_MAX:
                oldest = next(iter(self._names))
                del self._names[oldest]
                (self._folder / oldest).unlink(missing_ok=True)
            new = path.with_suffix(".new")
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(whole)
            new.replace(path)
        except OSError:
            return
        self._names[name] = None

    def _compute_name(self, key: bytes) -> str:
        return hmac.digest(self._key, b"name\0" + key, "sha256").hex()[:32] + _SUFFIX

    def _compute_mac(self, name: str, payload: bytes) -> bytes:
        return hmac.digest(self._key, name.encode() + b"\0" + payload, "sha256")


def compute_environment() -> bytes:
    """Return a hash of what compiled code depends on beside its source.

    Python's build and formats of bytecode and marshal, and every source file of the
    packages ``vm`` and ``primitives``: one comment changed there is another compiler.
    """
    digest = hashlib.sha256()
    for part in (
        sys.implementation.name.encode(),
        sys.version.encode(),
        str(sys.flags.optimize).encode(),
        importlib.util.MAGIC_NUMBER,
        str(marshal.version).encode(),
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    for folder in [*vm.__path__, *primitives.__path__]:
        for path in sorted(Path(folder).glob("*.py")):
            source = path.read_bytes()
            digest.update(path.name.encode() + b"\0" + len(source).to_bytes(8, "big") + source)
    return digest.digest()
