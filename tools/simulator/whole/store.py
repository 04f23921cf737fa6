"""The key-value stores of one machine: batches are whole, synced ones survive a crash.

A store runs on the real ``MemoryStore``; beside it every batch is remembered until it
is certain. After a crash an uncertain tail of batches, each of them whole, is gone: what
LevelDB promises of its log.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from storage.closing import Closing
from storage.engine import Row
from storage.errors import StorageError, make_io_error
from storage.memory import MemorySnapshot, MemoryStore
from tools.simulator.whole.life import Life

OnWrite = Callable[[Mapping[bytes, bytes]], None]


@dataclass(frozen=True, slots=True)
class _Batch:
    puts: Mapping[bytes, bytes]
    deletes: tuple[bytes, ...]
    is_synced: bool
    certain_at: float


@dataclass(slots=True)
class StoreImage:
    """What is on the disk of one store: certain rows, then batches in doubt."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    waiting: list[_Batch] = field(default_factory=list)

    def settle(self, now: float) -> None:
        """Everything before a sync that is over is certain."""
        last = 0
        for number, batch in enumerate(self.waiting, 1):
            if batch.is_synced and batch.certain_at <= now:
                last = number
        self._take(last)

    def crash(self, rng: random.Random, now: float) -> None:
        """The power goes: the tail survives up to some batch."""
        self.settle(now)
        self._take(rng.randint(0, len(self.waiting)))
        self.waiting.clear()

    def _take(self, count: int) -> None:
        for batch in self.waiting[:count]:
            for key in batch.deletes:
                self.rows.pop(key, None)
            self.rows.update(batch.puts)
        del self.waiting[:count]


class MadeStore(Closing):
    """A store of one life."""

    def __init__(
        self,
        image: StoreImage,
        life: Life,
        now: Callable[[], float],
        certain_at: Callable[[], float],
        is_full: Callable[[], bool],
        on_write: OnWrite,
    ) -> None:
        self._image, self._life = image, life
        self._now, self._certain_at = now, certain_at
        self._is_full, self._on_write = is_full, on_write
        self._memory = MemoryStore()
        self._memory.write(image.rows, sync=True)
        for batch in image.waiting:  # of a process that ended without a power cut
            self._memory.write(batch.puts, batch.deletes, sync=True)

    def get(self, key: bytes) -> bytes | None:
        return self._memory.get(key)

    def scan(
        self, prefix: bytes, after: bytes | None, limit: int, reverse: bool = False
    ) -> list[Row]:
        return self._memory.scan(prefix, after, limit, reverse)

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        if self._life.is_dead:
            raise StorageError("the machine has crashed", code="crashed")
        if self._is_full():
            raise make_io_error(Path("store"), OSError(errno.ENOSPC, "No space left on device"))
        self._image.settle(self._now())
        kept = dict(puts)
        gone = tuple(key for key in deletes if key not in kept)
        self._image.waiting.append(_Batch(kept, gone, sync, self._certain_at()))
        self._memory.write(kept, gone, sync=sync)
        self._on_write(kept)

    def snapshot(self) -> MemorySnapshot:
        return self._memory.snapshot()

    def compute_size(self, prefix: bytes) -> int:
        return self._memory.compute_size(prefix)

    def compact(self, first: bytes, last: bytes) -> None:
        """Nothing to give back: what was deleted is gone already."""

    def close(self) -> None:
        self._memory.close()
