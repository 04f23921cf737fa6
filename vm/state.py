"""State as the VM sees it: a reader, pending writes over it, a journal to undo them.

Keys and values are bytes here; what they mean is in vm/keys.py and vm/codecs.py.
Never touches a disk: storage's view of a committed height is one StateReader.
Source: docs/ARCHITECTURE.md, "State keys".
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from primitives import limits
from primitives.codec import Bytes, Struct, Uint
from primitives.hashing import Address, Hash

_SCAN_PAGE: Final = 64
"""Rows fetched from the base at a time when tombstones hide some of them."""

_INDEX_FIX_MAX: Final = 64
"""Up to so many changed keys are moved one by one in the sorted index; beyond it is sorted."""


class StateReader(Protocol):
    """Committed state: point reads and ordered scans."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, None when absent."""
        ...

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows under ``prefix``, ascending, after ``after`` exclusive."""
        ...


class MemoryReader:
    """A StateReader over a dict; for tests, tools and an empty state."""

    def __init__(self, values: Mapping[bytes, bytes] | None = None) -> None:
        self._values = dict(values or {})
        self._keys = sorted(self._values)

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        start = bisect_left(self._keys, _compute_start(prefix, after))
        rows = []
        for key in self._keys[start : start + limit]:
            if not key.startswith(prefix):
                break
            rows.append((key, self._values[key]))
        return rows


class Overlay:
    """Pending writes over a reader, itself a reader, with a nested journal.

    ``writes`` is what a commit applies (None: deleted). ``mark`` opens a level of the
    journal, ``rollback`` undoes everything since, ``commit`` keeps it. ``reads`` and
    ``scanned`` name what an execution depended on. Memory is bounded by the gas of
    whoever writes.
    """

    __slots__ = (
        "_base",
        "_fresh",
        "_indexed",
        "_journal",
        "_levels",
        "_sorted",
        "reads",
        "scanned",
        "writes",
    )

    def __init__(self, base: StateReader) -> None:
        self._base = base
        self.writes: dict[bytes, bytes | None] = {}
        self.reads: set[bytes] = set()
        self.scanned: set[bytes] = set()
        self._journal: list[tuple[bytes, bytes | None, bool]] = []
        self._levels = 0
        self._sorted: list[bytes] = []
        self._fresh: list[bytes] = []
        self._indexed: set[bytes] = set()

    def get(self, key: bytes) -> bytes | None:
        self.reads.add(key)
        writes = self.writes
        if key in writes:
            return writes[key]
        return self._base.get(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Write ``value`` (None deletes) and remember how to undo it."""
        writes = self.writes
        if key in writes:
            self._journal.append((key, writes[key], True))
        else:
            self._journal.append((key, None, False))
            self._fresh.append(key)
        writes[key] = value

    def mark(self) -> int:
        """Open a level of the journal and return its position, for ``rollback`` or ``commit``."""
        self._levels += 1
        return len(self._journal)

    def rollback(self, mark: int) -> None:
        """Undo every write made since ``mark``, newest first, and close the level."""
        self._levels -= 1
        journal, writes = self._journal, self.writes
        gone: set[bytes] = set()
        while len(journal) > mark:
            key, previous, existed = journal.pop()
            if existed:
                writes[key] = previous
            else:
                del writes[key]
                gone.add(key)
        if gone:
            self._unindex(gone)

    def commit(self, mark: int) -> None:
        """Keep the writes since ``mark``; closing the outermost level forgets how to undo."""
        self._levels -= 1
        if self._levels == 0:
            self._journal.clear()

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` live rows: pending writes merged with the base, in order."""
        return self.scan_counted(prefix, after, limit, None)[0]

    def scan_counted(
        self, prefix: bytes, after: bytes | None, limit: int, hidden_max: int | None
    ) -> tuple[list[tuple[bytes, bytes]], int]:
        """Return the rows of ``scan`` and how many deleted rows were stepped over.

        Stops early once more than ``hidden_max`` were: the caller charges gas for them,
        or deleted rows would be work that nobody paid for.
        """
        self.scanned.add(prefix)
        self._index()
        pending, position = self._sorted, bisect_left(self._sorted, _compute_start(prefix, after))
        writes = self.writes
        rows: list[tuple[bytes, bytes]] = []
        base = _BaseRows(self._base, prefix, after, min(limit, _SCAN_PAGE))
        hidden = 0
        while len(rows) < limit and (hidden_max is None or hidden <= hidden_max):
            row = base.peek()
            key = pending[position] if position < len(pending) else None
            if key is not None and not key.startswith(prefix):
                key = None
            if key is None or (row is not None and row[0] < key):
                if row is None:
                    break
                rows.append(row)
                base.advance()
                continue
            if row is not None and row[0] == key:
                base.advance()
            position += 1
            value = writes[key]
            if value is None:
                hidden += 1
            else:
                rows.append((key, value))
        return rows, hidden

    def _index(self) -> None:
        """Bring the sorted index of written keys up to date."""
        fresh = self._fresh
        if not fresh:
            return
        if len(fresh) <= _INDEX_FIX_MAX:
            for key in fresh:
                insort(self._sorted, key)
        else:
            self._sorted.extend(fresh)
            self._sorted.sort()
        self._indexed.update(fresh)
        fresh.clear()

    def _unindex(self, gone: set[bytes]) -> None:
        indexed = gone & self._indexed
        if len(indexed) < len(gone):
            self._fresh = [key for key in self._fresh if key not in gone]
        if len(indexed) <= _INDEX_FIX_MAX:
            for key in indexed:  # order does not matter: each is removed on its own
                del self._sorted[bisect_left(self._sorted, key)]
        else:
            self._sorted = [key for key in self._sorted if key not in indexed]
        self._indexed -= indexed


class _BaseRows:
    """The base's rows, a page at a time."""

    __slots__ = ("_after", "_base", "_index", "_limit", "_page", "_prefix")

    def __init__(self, base: StateReader, prefix: bytes, after: bytes | None, limit: int) -> None:
        self._base, self._prefix, self._after, self._limit = base, prefix, after, max(limit, 1)
        self._page: list[tuple[bytes, bytes]] | None = None
        self._index = 0

    def peek(self) -> tuple[bytes, bytes] | None:
        page = self._page
        if page is None or (self._index == len(page) == self._limit):
            if page:
                self._after = page[-1][0]
            page = self._page = self._base.scan(self._prefix, self._after, self._limit)
            self._index = 0
        return page[self._index] if self._index < len(page) else None

    def advance(self) -> None:
        self._index += 1


def _compute_start(prefix: bytes, after: bytes | None) -> bytes:
    """Return the first key a scan may return: just above ``after``, at least ``prefix``."""
    if after is None or after < prefix:
        return prefix
    return after + b"\0"


@dataclass(frozen=True, slots=True)
class ContractEntry:
    """What the state keeps of a contract under its name.

    While the block's time (s) is below ``frozen_until`` only views may be entered.
    """

    code_hash: Hash
    admin: Address
    version: int
    vm_version: int
    frozen_until: int = 0


CONTRACT_ENTRY = Struct(
    ContractEntry,
    256,
    code_hash=Bytes(limits.HASH_BYTES),
    admin=Bytes(limits.ADDRESS_BYTES),
    version=Uint(32),
    vm_version=Uint(16),
    frozen_until=Uint(),
)


def compute_entry_key(contract: str) -> bytes:
    """Return the state key of a contract's entry."""
    return b"\0contract\0" + contract.encode("utf-8", "surrogatepass")


def compute_address_key(address: bytes) -> bytes:
    """Return the state key of the name of the contract at ``address``."""
    return b"\0address\0" + address


def compute_code_key(code_hash: bytes) -> bytes:
    """Return the state key of a source by its hash."""
    return b"\0code\0" + code_hash
