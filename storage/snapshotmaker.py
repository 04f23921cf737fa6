"""Writes a snapshot of one pinned moment of the chain, in bounded memory.

A LevelDB snapshot pins the moment, so the chain goes on meanwhile; the state is read
once in key order and spread over 256 spill files by the first byte of the key hash, so
one of them at a time is sorted in memory (1/256 of the state). The folder gets its name
last: a half-written one is never taken for a snapshot. ``pace`` is called between
batches and may sleep or raise: making a snapshot must not stop the chain.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from struct import Struct as Layout

from primitives import limits
from primitives.block import (
    BLOCK,
    EXECUTION_RESULT,
    HEADER,
    ExecutionResult,
    Header,
)
from primitives.certificate import CERTIFICATE, Certificate
from primitives.codec import pack
from primitives.hashing import Hash, Tag
from primitives.transaction import compute_transaction_id
from storage.chaintip import STORED_TIP, StoredTip, decode_row
from storage.engine import Reader
from storage.errors import make_corrupted_error, make_io_error
from storage.files import DISK_FILES
from storage.schema import META_TIP, STATE_PREFIX, make_height_key, make_tree_key
from storage.snapshotfolder import (
    CERTIFICATE_FILE,
    EPOCHS_FILE,
    MANIFEST_FILE,
    get_part_path,
    write_file,
)
from storage.snapshotformat import (
    MANIFEST,
    PART_BYTES_MAX,
    PART_BYTES_TARGET,
    SNAPSHOT_VERSION,
    HistoryPart,
    Manifest,
    SnapshotError,
    StatePart,
    check_manifest,
    choose_depth,
    compute_part_hash,
)
from storage.stateproof import (
    BRANCHES,
    LEVELS_MAX,
    NODE_BYTES,
    compute_empty_hashes,
)

SCAN_ROWS = 256
"""Rows read between two calls of ``pace``: about a millisecond."""
SPILL_FILES = 256
SPILL_BYTES_MAX = 32 * 1024 * 1024
"""Held before all of it is written to the spill files."""

_HASH = limits.HASH_BYTES
_SIZES = Layout(">II")
_KEY_TAG = Tag.STATE_KEY.value

Pace = Callable[[], None]


def no_pace() -> None:
    """Do not wait."""


@dataclass(slots=True)
class _Spill:
    """Rows by the first byte of their key hash, in memory and then in files."""

    folder: Path
    buffers: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(SPILL_FILES)])
    held: int = 0
    keys: int = 0
    content_bytes: int = 0

    def add(self, key: bytes, value: bytes) -> None:
        key_hash = sha256(_KEY_TAG + key).digest()
        size = len(key) + len(value)
        self.buffers[key_hash[0]] += (key_hash, _SIZES.pack(len(key), len(value)), key, value)
        self.keys += 1
        self.content_bytes += size
        self.held += size + _HASH + _SIZES.size
        if self.held > SPILL_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        for number, buffer in enumerate(self.buffers):
            if buffer:
                with (self.folder / f"spill-{number:03}").open("ab") as file:
                    file.write(b"".join(buffer))
                buffer.clear()
        self.held = 0

    def read(self, number: int) -> list[tuple[bytes, bytes, bytes]]:
        """Return (key hash, key, value) of one file, sorted; the file is gone then."""
        path = self.folder / f"spill-{number:03}"
        data = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        data += b"".join(self.buffers[number])
        self.buffers[number].clear()
        rows: list[tuple[bytes, bytes, bytes]] = []
        at = 0
        while at < len(data):
            key_at = at + _HASH + _SIZES.size
            key_size, value_size = _SIZES.unpack_from(data, at + _HASH)
            end = key_at + key_size + value_size
            key = data[key_at : key_at + key_size]
            rows.append((data[at : at + _HASH], key, data[end - value_size : end]))
            at = end
        rows.sort()
        return rows


class SnapshotWriter:
    """Makes one snapshot: ``write`` reads ``reader`` and returns where the snapshot is."""

    def __init__(self, reader: Reader, root: Path, pace: Pace = no_pace) -> None:
        """``root`` is the folder of all snapshots; ``reader`` is closed by its owner."""
        self._reader = reader
        self._root = root
        self._pace = pace
        self._name = str(root)

    def write(self, window_first: int) -> Path:
        """Write the snapshot of the reader's tip with the history from ``window_first`` on.

        Does nothing when it is there already. Raises SnapshotError where the chain lacks
        what a snapshot needs, storage errors, and what ``pace`` raises; nothing is left.
        """
        tip = self.read_tip()
        target = self._root / f"{tip.height:020}"
        if target.exists():
            return target
        partial = self._root / f"{tip.height:020}.partial"
        try:
            shutil.rmtree(partial, ignore_errors=True)
            DISK_FILES.make_folder(self._root)
            DISK_FILES.make_folder(partial)
            self._write_parts(partial, tip, window_first)
            DISK_FILES.sync_folder(partial)
            partial.rename(target)
            DISK_FILES.sync_folder(self._root)
        except OSError as error:
            raise make_io_error(partial, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return target

    def _write_parts(self, folder: Path, tip: StoredTip, window_first: int) -> None:
        header, result, certificate = self._read_block(tip)
        spill = _Spill(folder)
        self._spread(spill)
        depth = choose_depth(spill.content_bytes, tip.state_levels)
        frontier = self._read_frontier(depth, tip.state_levels)
        state: list[StatePart] = []
        for first, count, content in self._cut_state(spill, depth):
            write_file(get_part_path(folder, len(state)), content)
            state.append(StatePart(first, count, len(content), compute_part_hash(content)))
        history: list[HistoryPart] = []
        for first, last, content in self._cut_history(window_first, tip.height):
            write_file(get_part_path(folder, len(state) + len(history)), content)
            history.append(HistoryPart(first, last, len(content), compute_part_hash(content)))
        manifest = Manifest(
            version=SNAPSHOT_VERSION,
            header=header,
            result=result,
            levels=tip.state_levels,
            depth=depth,
            frontier=frontier,
            keys=spill.keys,
            state=tuple(state),
            history=tuple(history),
        )
        check_manifest(manifest)
        write_file(folder / EPOCHS_FILE, pack(self._read_epochs()))
        write_file(folder / CERTIFICATE_FILE, CERTIFICATE.encode(certificate))
        write_file(folder / MANIFEST_FILE, MANIFEST.encode(manifest))

    # -- what is read

    def read_tip(self) -> StoredTip:
        """Return the tip of the moment that is read. Raises SnapshotError for the genesis."""
        data = self._reader.get(META_TIP)
        if data is None:
            raise SnapshotError("nothing is committed yet")
        tip = decode_row(STORED_TIP.decode, data, self._name)
        if tip.height == 0:
            raise SnapshotError("the genesis needs no snapshot")
        return tip

    def _read_block(self, tip: StoredTip) -> tuple[Header, ExecutionResult, Certificate]:
        height = tip.height
        rows = [self._reader.get(make_height_key(prefix, height)) for prefix in (b"h", b"r", b"c")]
        if rows[0] is None or rows[1] is None or rows[2] is None:
            raise make_corrupted_error(self._name, f"the tip's rows are missing at {height}")
        return (
            decode_row(HEADER.decode, rows[0], self._name),
            decode_row(EXECUTION_RESULT.decode, rows[1], self._name),
            decode_row(CERTIFICATE.decode, rows[2], self._name),
        )

    def _spread(self, spill: _Spill) -> None:
        after: bytes | None = None
        while rows := self._reader.scan(STATE_PREFIX, after, SCAN_ROWS):
            for key, value in rows:
                spill.add(key[1:], value)
            after = rows[-1][0]
            self._pace()

    def _read_frontier(self, depth: int, levels: int) -> bytes:
        """Return the hashes at ``depth``: those of the root, or the children a level above."""
        empty = compute_empty_hashes(levels)
        if depth == 0:
            top = self._reader.get(make_tree_key(levels, 0, 0))
            return empty[0] if top is None else _hash_node(top)
        pieces: list[bytes] = []
        absent = empty[depth] * BRANCHES
        for index in range(BRANCHES ** (depth - 1)):
            node = self._reader.get(make_tree_key(levels, depth - 1, index))
            if node is not None and len(node) != NODE_BYTES:
                raise make_corrupted_error(self._name, f"tree node {depth - 1}/{index}")
            pieces.append(absent if node is None else node)
            if index % SCAN_ROWS == 0:
                self._pace()
        return b"".join(pieces)

    def _read_epochs(self) -> list[bytes]:
        """Return the certified ends of epochs: who has only a file walks over them."""
        ends: list[bytes] = []
        after: bytes | None = None
        while rows := self._reader.scan(b"x", after, SCAN_ROWS):
            ends += (value for _, value in rows)
            after = rows[-1][0]
            self._pace()
        return ends

    # -- what is cut

    def _cut_state(self, spill: _Spill, depth: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield (first subtree, count, bytes) of each part; together they cover all."""
        items: list[bytes] = []
        size = first = current = 0
        for number in range(SPILL_FILES):
            for key_hash, key, value in spill.read(number):
                subtree = _get_subtree(key_hash, depth)
                if subtree != current and size >= PART_BYTES_TARGET:
                    yield first, subtree - first, _close_part(items)
                    items, size, first = [], 0, subtree
                current = subtree
                items += (key, value)
                size += len(key) + len(value)
            self._pace()
        yield first, BRANCHES**depth - first, _close_part(items)

    def _cut_history(self, first: int, last: int) -> Iterator[tuple[int, int, bytes]]:
        items: list[bytes] = []
        size = 0
        for height in range(first, last + 1):
            header, ids = self._read_history(height)
            items += (header, ids)
            size += len(header) + len(ids)
            if size >= PART_BYTES_TARGET or height == last:
                yield first, height, _close_part(items)
                items, size, first = [], 0, height + 1
            if height % 16 == 0:
                self._pace()

    def _read_history(self, height: int) -> tuple[bytes, bytes]:
        header = self._reader.get(make_height_key(b"h", height))
        ids = self._reader.get(make_height_key(b"d", height))
        if ids is None:
            # A folder of before this table: the ids are those of the block itself.
            encoded = self._reader.get(make_height_key(b"b", height))
            if encoded is not None:
                block = decode_row(BLOCK.decode, encoded, self._name)
                ids = b"".join(compute_transaction_id(item) for item in block.transactions)
        if header is None or ids is None:
            raise SnapshotError(
                "the window of recent transactions is not here", code="snapshot-history",
                height=height,
            )  # fmt: skip
        return header, ids


def _get_subtree(key_hash: bytes, depth: int) -> int:
    return int.from_bytes(key_hash[: LEVELS_MAX // 2], "big") >> (4 * (LEVELS_MAX - depth))


def _close_part(items: list[bytes]) -> bytes:
    content = pack(items)
    if len(content) > PART_BYTES_MAX:
        raise SnapshotError("one bucket is too large for a part", bytes=len(content))
    return content


def _hash_node(node: bytes) -> Hash:
    return Hash(sha256(Tag.STATE_NODE.value + node).digest())
