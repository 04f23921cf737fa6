"""The machine under a benchmark: what it is, how fast it is now, what the processes used.

Every figure goes with a calibration from the same run: this kind of machine changes
its speed within seconds, and Ed25519 verification is what a validator mostly does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own

from primitives.keys import PrivateKey, verify

CALIBRATION_S = 1.0
SAMPLE_S = 0.5


def calibrate(seconds: float = CALIBRATION_S) -> int:
    """Return Ed25519 verifications a second on one thread, now."""
    key = PrivateKey.from_seed(b"\x01" * 32)
    message = b"m" * 200
    signature = key.sign(message)
    count = 0
    started = time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        for _ in range(50):
            verify(key.public_key, message, signature)
        count += 50
    return int(count / passed)


@dataclass(slots=True)
class Usage:
    """One process over an interval: share of one core, highest memory."""

    cpu_percent: float = 0.0
    memory_mb_max: float = 0.0

    def to_json(self) -> dict[str, float]:
        return {
            "cpuPercent": round(self.cpu_percent, 1),
            "memoryMbMax": round(self.memory_mb_max, 1),
        }


@dataclass(slots=True)
class UsageMeter:
    """Measures processes by pid between ``start`` and ``stop``."""

    pids: Mapping[str, int]
    _processes: dict[str, psutil.Process] = field(default_factory=dict)
    _cpu: dict[str, float] = field(default_factory=dict)
    _memory: dict[str, int] = field(default_factory=dict)
    _started: float = 0.0

    def start(self) -> None:
        """Begin an interval."""
        self._processes = {name: psutil.Process(pid) for name, pid in self.pids.items()}
        self._cpu = {name: _cpu_seconds(item) for name, item in self._processes.items()}
        self._memory = dict.fromkeys(self._processes, 0)
        self._started = time.perf_counter()

    async def sample_forever(self) -> None:
        """Keep the highest memory up to date until cancelled."""
        while True:
            self._sample()
            await asyncio.sleep(SAMPLE_S)

    def stop(self) -> dict[str, Usage]:
        """Return each process's usage since ``start``."""
        self._sample()
        passed = time.perf_counter() - self._started
        return {
            name: Usage(
                (_cpu_seconds(process) - self._cpu[name]) / passed * 100,
                self._memory[name] / (1 << 20),
            )
            for name, process in self._processes.items()
        }

    def _sample(self) -> None:
        for name, process in self._processes.items():
            self._memory[name] = max(self._memory[name], process.memory_info().rss)


def measure_folder(path: Path) -> int:
    """Return the bytes of all files under a folder."""
    total = 0
    for item in path.rglob("*"):
        try:
            if item.is_file():
                total += item.stat().st_size
        except FileNotFoundError:
            continue  # compacted away while we looked
    return total


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
