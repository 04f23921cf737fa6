"""Full disks: a small file system under a node's data where we may mount one, else a limit.

``TmpfsDisk`` moves the data of a stopped node to a small memory file system that is
mounted over its folder, and fills it up: the node's next writes fail with ENOSPC, as on
any full disk. ``LimitDisk`` lowers the size that a file of the running process may have:
the same writes fail with EFBIG. Both take a running node and leave a stopped one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Protocol

from primitives.errors import CarbonodeError
from tools.localnet.network import Localnet

ENDS_WITHIN_S = 30.0
POLL_S = 0.05
ROOM_BYTES = 256 * 1024
"""Left free on the full disk: the node starts, works, and fails at a write of its own."""
HEADROOM_BYTES = 16 * 1024 * 1024
"""For LevelDB's own files at the start, before the disk is filled up."""
FILLER = "filler"
MOUNT = "mount"


class DiskError(CarbonodeError):
    """A node went on although its disk was full, or the file system cannot be made."""

    code = "chaos-disk"


class Disk(Protocol):
    """How a node's disk is made full, and has room again."""

    name: str

    async def fill(self, net: Localnet, index: int) -> None:
        """Make the disk of a running node full; return when the node has ended by itself."""
        ...

    def free(self, net: Localnet, index: int) -> None:
        """Make room again for a node that has ended. Harmless when there is room."""
        ...


class LimitDisk:
    """A limit on the size of files (Linux): needs no right to mount."""

    name = "a limit on file sizes (EFBIG)"

    async def fill(self, net: Localnet, index: int) -> None:
        pid = net.pid(index)
        if pid is None or not sys.platform.startswith("linux"):
            raise DiskError("no process, or no prlimit here", node=index)
        # Zero bytes: whatever is appended to fails, wherever it stands. The log is a pipe's
        # end or a file as well; the exit code still says what happened.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await wait_ended(net, index)

    def free(self, net: Localnet, index: int) -> None:
        """The limit died with the process."""


class TmpfsDisk:
    """A memory file system over the node's data folder (needs root on Linux)."""

    name = "a small tmpfs (ENOSPC)"

    def __init__(self) -> None:
        self._mounted: set[int] = set()

    async def fill(self, net: Localnet, index: int) -> None:
        await net.stop(index)
        data = net.nodes[index].home / "data"
        size = sum(item.stat().st_size for item in data.rglob("*") if item.is_file())
        aside = data.with_name("data.aside")
        data.rename(aside)
        data.mkdir()
        mount_tmpfs(data, size + HEADROOM_BYTES)
        self._mounted.add(index)
        shutil.copytree(aside, data, dirs_exist_ok=True)
        shutil.rmtree(aside)
        await net.start(index)
        await net.wait_ready(indices=[index])
        fill_up(data, ROOM_BYTES)
        await wait_ended(net, index)

    def free(self, net: Localnet, index: int) -> None:
        if index not in self._mounted:
            return
        data = net.nodes[index].home / "data"
        aside = data.with_name("data.aside")
        shutil.copytree(data, aside, ignore=shutil.ignore_patterns(FILLER))
        subprocess.run(["umount", str(data)], check=True, capture_output=True, timeout=10)
        self._mounted.discard(index)
        data.rmdir()
        aside.rename(data)


def choose_disk() -> Disk:
    """Return the best way that this machine allows."""
    if os.geteuid() != 0 or shutil.which(MOUNT) is None:
        return LimitDisk()
    with tempfile.TemporaryDirectory(prefix="carbonode-chaos-") as folder:
        try:
            mount_tmpfs(Path(folder), ROOM_BYTES)
        except DiskError:
            return LimitDisk()
        subprocess.run(["umount", folder], check=True, capture_output=True, timeout=10)
    return TmpfsDisk()


def mount_tmpfs(folder: Path, size: int) -> None:
    """Mount a memory file system of ``size`` bytes, or raise DiskError."""
    command = [MOUNT, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    if done.returncode != 0:
        raise DiskError("cannot mount", folder=str(folder), why=done.stderr.strip())


def fill_up(folder: Path, room: int) -> None:
    """Write a file that leaves ``room`` bytes of the folder's file system, or less: the node
    writes meanwhile, and then the filler is the one that finds no space first."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with (folder / FILLER).open("wb", buffering=0) as file:
        try:
            for _ in range(max(0, free - room) // 4_096):
                file.write(bytes(4_096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


async def wait_ended(net: Localnet, index: int) -> None:
    """Return when the node has ended by itself, or raise DiskError."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + ENDS_WITHIN_S
    while net.is_running(index):
        if clock.time() > deadline:
            raise DiskError("the node goes on with a full disk", node=net.nodes[index].name)
        await asyncio.sleep(POLL_S)
