"""A PostgreSQL server of a test's own, as an unprivileged user, from Debian's package.

On a socket in a folder of its own; no port is opened. Skipped, with a message, where the
binaries are absent.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USERS = ("postgres", "nobody")
OPTIONS = "-c listen_addresses='' -c fsync=off -c shared_buffers=64MB -c max_connections=40"
TIMEOUT_S = 90


def find_binaries() -> Path:
    """Return the folder of ``initdb`` and ``pg_ctl``, or skip the test."""
    listed = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which("pg_ctl")
    if found is not None:
        listed.append(Path(found).resolve().parent)
    for folder in listed:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    pytest.skip("PostgreSQL is not installed here (Debian: apt-get install postgresql)")


def find_user() -> str | None:
    """Return whom to run the server as: nobody else unless we are root, whom it refuses."""
    if os.getuid() != 0:
        return None
    for name in USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    pytest.skip("PostgreSQL does not run as root, and there is no other user")


@contextmanager
def run_postgres() -> Iterator[str]:
    """Yield the URL of an empty database."""
    binaries, user = find_binaries(), find_user()
    folder = Path(tempfile.mkdtemp(prefix="index-pg-", dir="/tmp"))
    data = folder / "data"
    try:
        folder.chmod(0o700)
        if user is not None:
            shutil.chown(folder, user)

        def run(*command: str) -> None:
            subprocess.run(
                command, check=True, user=user, cwd=folder, timeout=TIMEOUT_S,
                stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            )  # fmt: skip

        initdb = (str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "index")
        run(*initdb, "-E", "UTF8", "--no-sync")
        control = (str(binaries / "pg_ctl"), "-D", str(data), "-w")
        options = f"{OPTIONS} -k {folder}"
        run(*control, "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://index@/postgres?host={folder}"
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
