"""What a contract's first call costs after a restart: with the cache on disk, and without.

A new Machine on a state that has the shipped contracts calls ``units.transfer``, which
calls ``identity``: both are checked, compiled and linked then, or read back.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.vm_cases import make_transfer
from node.codecache import FileCodeCache
from vm import specialise
from vm.machine import Machine
from vm.specialise import LinkOptions
from vm.state import MemoryReader

ROUNDS = 7


def measure_restart(state: dict[bytes, bytes]) -> dict[str, Any]:
    """Return milliseconds of the first block of one transfer on a new Machine."""
    reader, seed = MemoryReader(state), b"\x01" * 32
    with tempfile.TemporaryDirectory() as folder:

        def with_cache() -> Machine:
            return Machine(options=LinkOptions(cache=FileCodeCache.open(Path(folder), seed)))

        warm = make_transfer(with_cache(), reader)  # fills the cache
        spent: dict[str, list[float]] = {"compiled": [], "from the cache": [], "warm": []}
        for _ in range(ROUNDS):
            spent["compiled"].append(_measure_first(Machine, reader))
            spent["from the cache"].append(_measure_first(with_cache, reader))
            started = time.thread_time()
            warm.run()
            spent["warm"].append((time.thread_time() - started) * 1e3)
        files = list(Path(folder).iterdir())
        return {
            "what": "one transaction of units.transfer (units and identity) on a new Machine",
            "milliseconds": {k: round(statistics.median(v), 3) for k, v in spent.items()},
            "files": len(files),
            "bytes": sum(file.stat().st_size for file in files),
        }


def _measure_first(make: Callable[[], Machine], reader: MemoryReader) -> float:
    specialise.forget_texts()  # a new process has none
    started = time.thread_time()
    make_transfer(make(), reader)
    return (time.thread_time() - started) * 1e3
