"""Where a measured figure comes from: the commit and the machine. Read-only."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

_MEBIBYTE = 1 << 20


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, memory, system and interpreter."""
    return {
        "processor": _read_processor(),
        "cores": os.cpu_count(),
        "memoryMb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEBIBYTE,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def describe_commit(folder: Path) -> dict[str, Any]:
    """Return the commit of the source tree and whether files differ from it."""
    commit = _git(folder, "rev-parse", "HEAD")
    return {"id": commit or "unknown", "changed": bool(_git(folder, "status", "--porcelain"))}


def _read_processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
