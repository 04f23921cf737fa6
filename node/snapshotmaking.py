"""Makes snapshots at the ends of epochs, beside the chain and never in its way.

The moment is pinned right after the commit, by a LevelDB snapshot; reading and writing
happen on a thread of their own, which leaves most of its time to others. Parts are
written to disk and not made on demand: the order of key hashes is nowhere in the
database, so a part on demand would read the whole state, and a pinned moment would not
survive a restart. A snapshot that fails is logged and costs the node nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from consensus.effects import CommittedTip
from node.config import SnapshotsSection
from node.epochs import read_known_epochs
from node.logs import log_event
from node.metrics import Metrics
from primitives.epochs import compute_window_first
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis
from primitives.params import is_epoch_end
from storage.backup import Copied, copy_store
from storage.chain import ChainStore
from storage.engine import Snapshot
from storage.snapshotfolder import SnapshotFolder
from storage.snapshotformat import SnapshotError
from storage.snapshotmaker import SnapshotWriter

SHARE = 0.25
"""Of one thread's time that making a snapshot takes: a million keys in about 25 s."""
PAUSE_S_MAX = 0.25

_log = logging.getLogger("carbonode.snapshots")


class SnapshotStopped(CarbonodeError):
    """The node stops, so the snapshot is not finished."""

    code = "stopping"


class Pacer:
    """Sleeps so long that the caller's thread works a share of the time; ends on ``stop``."""

    def __init__(self, share: float) -> None:
        self._factor = 1 / share - 1
        self._stop = threading.Event()
        self._used_s = 0.0

    def stop(self) -> None:
        """Let the next ``__call__`` raise."""
        self._stop.set()

    def __call__(self) -> None:
        """Wait after a batch of work. Raises SnapshotStopped."""
        used_s = time.thread_time()
        pause_s = (used_s - self._used_s) * self._factor
        self._used_s = used_s
        if self._stop.wait(min(max(pause_s, 0.0), PAUSE_S_MAX)):
            raise SnapshotStopped("the node stops")


class SnapshotMaker:
    """See the module. ``on_commit`` is called on the event loop, right after a commit."""

    def __init__(
        self,
        chain: ChainStore,
        genesis: Genesis,
        folder: SnapshotFolder,
        section: SnapshotsSection,
        metrics: Metrics,
    ) -> None:
        self._chain = chain
        self._genesis = genesis
        self._folder = folder
        self._section = section
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="snapshots")
        self._pacer = Pacer(SHARE)
        self._running: Future[None] | None = None
        self._not_before_s = 0.0

    def open(self) -> None:
        """Remove what an interrupted run left; before the node starts."""
        self._folder.clean()
        heights = self._folder.list_heights()
        self._metrics.snapshot_height.set(heights[0] if heights else 0)

    def on_commit(self, tip: CommittedTip) -> None:
        """Begin a snapshot when this is the end of an epoch and the last one is done."""
        section = self._section
        span = tip.next_params.epoch_blocks * section.every_epochs
        if not section.make or not is_epoch_end(tip.height, span):
            return
        if self._running is not None and not self._running.done():
            log_event(_log, logging.WARNING, "no snapshot: the last is not done", height=tip.height)
            return
        if time.monotonic() >= self._not_before_s:
            self.start()

    def start(self) -> bool:
        """Begin a snapshot of the present moment; False when one is being made."""
        if self._running is not None and not self._running.done():
            return False
        self._running = self._thread.submit(self._make, self._chain.store.snapshot())
        return True

    def back_up(self, folder: Path) -> Future[Copied]:
        """Begin a copy of the present moment in ``folder`` (``storage.backup``)."""
        return self._thread.submit(self._back_up, self._chain.store.snapshot(), folder)

    def _back_up(self, pinned: Snapshot, folder: Path) -> Copied:
        try:
            return copy_store(pinned, folder, self._pacer)
        finally:
            pinned.close()

    def close(self) -> None:
        """Give up what is being made and end the thread."""
        self._pacer.stop()
        self._thread.shutdown(wait=True)

    def _make(self, pinned: Snapshot) -> None:
        started = time.monotonic()
        writer = SnapshotWriter(pinned, self._folder.root, self._pacer)
        try:
            height = writer.read_tip().height
            path = writer.write(compute_history_first(self._chain, self._genesis, height))
        except SnapshotStopped:
            return
        except CarbonodeError as error:
            log_event(_log, logging.ERROR, "snapshot failed", error=error)
            return
        finally:
            pinned.close()
            self._not_before_s = time.monotonic() + self._section.pause_s
        seconds = time.monotonic() - started
        self._metrics.snapshot_seconds.observe(seconds)
        self._metrics.snapshot_height.set(height)
        removed = self._folder.remove_all_but(self._section.keep)
        log_event(
            _log,
            logging.INFO,
            "snapshot made",
            height=height,
            seconds=round(seconds, 1),
            path=path,
            removed=removed,
        )


def compute_history_first(chain: ChainStore, genesis: Genesis, height: int) -> int:
    """Return the first height whose transaction ids belong into a snapshot of ``height``."""
    known = read_known_epochs(chain, genesis, height)
    if not known:
        raise SnapshotError(
            "this folder is from before the ends of epochs were kept; let the node fetch the "
            "chain again",
            code="snapshot-epochs",
        )
    return compute_window_first(height, known)
