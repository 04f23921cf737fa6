"""The state after one committed height, frozen, as the VM and the RPC read it.

A view is a snapshot of the store: RPC never waits for consensus and never sees half a
block. Beside it a bounded dictionary holds the values most used; a value from it is
taken only while the dictionary is still at the view's height.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from primitives.hashing import Hash
from storage.chaintip import STORED_TIP, StoredTip, decode_row
from storage.closing import Closing
from storage.engine import KeyValueStore, Snapshot
from storage.errors import StorageError
from storage.schema import META_TIP, STATE_PREFIX
from storage.stateproof import StateProof
from storage.statetree import read_proof

ENTRY_OVERHEAD_BYTES = 200
"""Python's objects for one entry: two bytes headers, a dict slot, the order links."""

_MOVING = -2
"""No view has this height."""


class HotState:
    """Values of state keys at the tip, at most ``bytes_max``; oldest out first.

    Readers take no lock: they look at ``height`` before and after the dictionary, and
    a commit sets it to no height at all while it moves the values.
    """

    def __init__(self, bytes_max: int, height: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = Lock()
        self.height = height
        self.values: OrderedDict[bytes, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes held, overhead included."""
        return self._bytes

    def remember(self, height: int, key: bytes, value: bytes) -> None:
        """Keep a value that was read at ``height``, unless the tip has moved since."""
        with self._lock:
            if height == self.height:
                self._put(key, value)

    def apply(self, height: int, writes: Mapping[bytes, bytes | None]) -> None:
        """Move to ``height``, whose writes are on disk already."""
        with self._lock:
            self.height = _MOVING
            for key, value in writes.items():
                if value is not None:
                    self._put(key, value)
                else:
                    self._drop(key)
            self.height = height

    def _put(self, key: bytes, value: bytes) -> None:
        # Out and in again: the order is that of the last writing.
        self._drop(key)
        self.values[key] = value
        self._bytes += len(key) + len(value) + ENTRY_OVERHEAD_BYTES
        while self._bytes > self._bytes_max:
            oldest, old = self.values.popitem(last=False)
            self._bytes -= len(oldest) + len(old) + ENTRY_OVERHEAD_BYTES

    def _drop(self, key: bytes) -> None:
        old = self.values.pop(key, None)
        if old is not None:
            self._bytes -= len(key) + len(old) + ENTRY_OVERHEAD_BYTES


class StateView(Closing):
    """State at ``height``. Satisfies the VM's StateReader. Close it soon."""

    def __init__(self, snapshot: Snapshot, tip: StoredTip, hot: HotState) -> None:
        self._snapshot = snapshot
        self._tip = tip
        self._hot = hot

    @classmethod
    def open(cls, store: KeyValueStore, hot: HotState, folder: str) -> StateView:
        """Return the view of the last committed height.

        Raises StorageError 'no-state' before the genesis is committed.
        """
        snapshot = store.snapshot()
        try:
            # The height comes from the snapshot itself: a commit may be under way.
            data = snapshot.get(META_TIP)
            if data is None:
                raise StorageError("nothing is committed yet", code="no-state", folder=folder)
            tip = decode_row(STORED_TIP.decode, data, folder)
        except BaseException:
            snapshot.close()
            raise
        return cls(snapshot, tip, hot)

    @property
    def height(self) -> int:
        """The height after which this is the state."""
        return self._tip.height

    @property
    def state_root(self) -> Hash:
        """The root that ``prove`` leads to."""
        return self._tip.state_root

    @property
    def state_levels(self) -> int:
        """What ``verify_state_proof`` needs beside the root."""
        return self._tip.state_levels

    @property
    def state_keys(self) -> int:
        """How many keys the state has."""
        return self._tip.state_keys

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a state key, or None."""
        hot, height = self._hot, self._tip.height
        if hot.height == height:
            value = hot.values.get(key)
            if value is not None and hot.height == height:
                return value
        value = self._snapshot.get(STATE_PREFIX + key)
        if value is not None and hot.height == height:
            hot.remember(height, key, value)
        return value

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` (key, value) under ``prefix``, ascending, above ``after``."""
        start = None if after is None else STATE_PREFIX + after
        rows = self._snapshot.scan(STATE_PREFIX + prefix, start, limit)
        return [(key[1:], value) for key, value in rows]

    def prove(self, key: bytes) -> StateProof:
        """Return the proof that ``key`` has its value, or that it has none."""
        return read_proof(self._snapshot, self._tip.state_root, self._tip.state_levels, key)

    def close(self) -> None:
        """Release the snapshot. Closing twice is harmless."""
        self._snapshot.close()
