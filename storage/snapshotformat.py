"""A snapshot of the state after one block, in parts that prove themselves. Pure.

The state tree is cut at one level, ``depth``: the *frontier* is the list of all hashes
there. It folds up to the certified ``state_root``, so whoever has the manifest knows
what each subtree must be. A part holds the keys and values of a run of whole subtrees,
in the order of their key hashes, and nothing else: its receiver computes buckets and
nodes again and compares. So each part is verified by itself, in any order, present and
absent keys alike, and the tree comes for free.

History parts hold the headers and transaction ids of the window before the snapshot, so
that a node that joined refuses the same duplicates; headers are linked by hash down
from the certified one. A manifest is a function of chain and height: honest nodes make
the same bytes, and parts of one manifest may come from several of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from primitives import limits
from primitives.block import (
    EXECUTION_RESULT,
    HEADER,
    ExecutionResult,
    Header,
    compute_header_hash,
    compute_transactions_root,
)
from primitives.codec import Array, Bytes, Struct, Uint, unpack
from primitives.errors import CodecError
from primitives.hashing import Hash, Tag, TransactionId, compute_hash
from storage.errors import StorageError
from storage.schema import (
    STATE_PREFIX,
    encode_height,
    encode_location,
    make_height_key,
    make_tree_key,
)
from storage.stateproof import (
    BRANCHES,
    LEVELS_MAX,
    PATH_BYTES,
    compute_empty_hashes,
    compute_node_hash,
)

SNAPSHOT_VERSION = 1
DEPTH_MAX = 4
"""The frontier has 16^4 hashes at most: 2 MiB."""
PARTS_MAX = 65_536
PART_BYTES_TARGET = 768 * 1024
"""A part is closed when it is this large: most travel in one frame of 1 MiB. It is what is
lost with a bad one, or by a crash."""
PART_BYTES_MAX = 64 * 1024 * 1024
"""One subtree is never cut: this is the room for one with very many or large values."""
MANIFEST_BYTES_MAX = 12 * 1024 * 1024

_HASH = limits.HASH_BYTES
_KEY_TAG = Tag.STATE_KEY.value
_VALUE_TAG = Tag.STATE_VALUE.value
_BUCKET_TAG = Tag.STATE_BUCKET.value


class SnapshotError(StorageError):
    """A snapshot, or a part of one, that does not prove what it claims."""

    code = "snapshot"


@dataclass(frozen=True, slots=True)
class StatePart:
    """Keys and values of the subtrees ``first`` to ``first + count - 1`` of the frontier."""

    first: int
    count: int
    bytes: int
    hash: Hash


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """Headers and transaction ids of the heights ``first`` to ``last``."""

    first: int
    last: int
    bytes: int
    hash: Hash


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot consists of. ``history`` is in order of height, up to ``header``'s."""

    version: int
    header: Header
    result: ExecutionResult
    levels: int
    depth: int
    frontier: bytes
    keys: int
    state: tuple[StatePart, ...]
    history: tuple[HistoryPart, ...]

    @property
    def height(self) -> int:
        """The height after which this is the state."""
        return self.header.height

    @property
    def history_first(self) -> int:
        """The lowest height whose transaction ids come with it."""
        return self.history[0].first

    @property
    def parts(self) -> tuple[StatePart | HistoryPart, ...]:
        """All parts: the state's, then the history's. The place is a part's number."""
        return (*self.state, *self.history)


_STATE_PART = Struct(
    StatePart,
    64,
    first=Uint(32),
    count=Uint(32),
    bytes=Uint(32),
    hash=Bytes(_HASH),
)
_HISTORY_PART = Struct(
    HistoryPart, 80, first=Uint(), last=Uint(), bytes=Uint(32), hash=Bytes(_HASH)
)
MANIFEST = Struct(
    Manifest,
    MANIFEST_BYTES_MAX,
    version=Uint(16),
    header=HEADER,
    result=EXECUTION_RESULT,
    levels=Uint(8),
    depth=Uint(8),
    frontier=Bytes(max=BRANCHES**DEPTH_MAX * _HASH),
    keys=Uint(),
    state=Array(_STATE_PART, PARTS_MAX, min=1),
    history=Array(_HISTORY_PART, PARTS_MAX, min=1),
)

Rows = dict[bytes, bytes]
"""Database rows: key with its table's prefix, value."""


def compute_manifest_hash(encoded: bytes) -> Hash:
    """Return what names a snapshot between nodes."""
    return compute_hash(Tag.SNAPSHOT, encoded)


def compute_part_hash(content: bytes) -> Hash:
    """Return the hash that a manifest has of a part's bytes."""
    return compute_hash(Tag.SNAPSHOT_PART, content)


def choose_depth(state_bytes: int, levels: int) -> int:
    """Return the level at which subtrees have about a quarter of a part's bytes."""
    depth = 0
    while depth < min(levels, DEPTH_MAX) and state_bytes > PART_BYTES_TARGET // 4 * BRANCHES**depth:
        depth += 1
    return depth


def check_manifest(manifest: Manifest) -> Rows:
    """Check that the manifest's parts and frontier are whole; return the tree's top rows.

    That header and result are certified is the caller's to check; the frontier must fold
    up to the result's state root. Raises SnapshotError.
    """
    if manifest.version != SNAPSHOT_VERSION:
        raise SnapshotError("unknown version", version=manifest.version)
    levels, depth = manifest.levels, manifest.depth
    if not 1 <= levels <= LEVELS_MAX or not 0 <= depth <= min(levels, DEPTH_MAX):
        raise SnapshotError("levels out of range", levels=levels, depth=depth)
    if manifest.result.height != manifest.height or manifest.height < 1:
        raise SnapshotError("header and result are of different heights")
    subtrees = BRANCHES**depth
    if len(manifest.frontier) != subtrees * _HASH:
        raise SnapshotError("the frontier is not whole", bytes=len(manifest.frontier))
    _check_runs([(part.first, part.first + part.count - 1) for part in manifest.state], 0, subtrees)
    runs = [(part.first, part.last) for part in manifest.history]
    _check_runs(runs, runs[0][0], manifest.height + 1)
    for part in manifest.parts:
        if not 0 < part.bytes <= PART_BYTES_MAX:
            raise SnapshotError("a part's size is out of range", bytes=part.bytes)
    root, rows = fold_frontier(manifest.frontier, depth, levels)
    if root != manifest.result.state_root:
        raise SnapshotError("the frontier does not lead to the state root", root=root.hex())
    return rows


def _check_runs(runs: Sequence[tuple[int, int]], begin: int, end: int) -> None:
    """Raise SnapshotError unless inclusive ``runs`` cover [begin, end) without gap."""
    at = begin
    for first, last in runs:
        if first != at or last < first:
            raise SnapshotError("parts leave a gap or overlap", expected=at, found=first)
        at = last + 1
    if at != end:
        raise SnapshotError("parts do not cover the whole", covered=at, whole=end)


def fold_frontier(frontier: bytes, depth: int, levels: int) -> tuple[Hash, Rows]:
    """Return the root above the hashes at ``depth``, and the rows of the nodes above."""
    empty = compute_empty_hashes(levels)
    rows: Rows = {}
    hashes = [frontier[cut : cut + _HASH] for cut in range(0, len(frontier), _HASH)]
    for level in range(depth - 1, -1, -1):
        parents: list[bytes] = []
        for index in range(len(hashes) // BRANCHES):
            node = b"".join(hashes[index * BRANCHES : (index + 1) * BRANCHES])
            computed = compute_node_hash(node)
            if computed != empty[level]:
                rows[make_tree_key(levels, level, index)] = node
            parents.append(computed)
        hashes = parents
    return Hash(hashes[0]), rows


def decode_pairs(content: bytes) -> list[bytes]:
    """Return the flat list of byte strings that a part is. Raises SnapshotError."""
    try:
        items = unpack(content)
    except CodecError as error:
        raise SnapshotError(f"a part does not decode: {error}") from None
    if type(items) is not list or len(items) % 2 or set(map(type, items)) - {bytes}:
        raise SnapshotError("a part is not a list of pairs of byte strings")
    return items


def verify_state_part(manifest: Manifest, part: StatePart, content: bytes) -> tuple[Rows, int]:
    """Return the database rows of a part (state and tree) and the number of its keys.

    Raises SnapshotError unless these are all keys of the part's subtrees and no others.
    Call ``check_manifest`` first.
    """
    items = decode_pairs(content)
    levels, depth = manifest.levels, manifest.depth
    shift, path_shift = 4 * (levels - depth), 4 * (LEVELS_MAX - levels)
    rows: Rows = {}
    buckets: dict[int, list[bytes]] = {}
    previous = b""
    for place in range(0, len(items), 2):
        key, value = items[place], items[place + 1]
        key_hash = sha256(_KEY_TAG + key).digest()
        if key_hash <= previous:
            raise SnapshotError("keys are not in the order of their hashes", key=key.hex())
        previous = key_hash
        rows[STATE_PREFIX + key] = value
        # compute_bucket_index, inlined: this line runs for each key of the state.
        index = int.from_bytes(key_hash[:PATH_BYTES], "big") >> path_shift
        bucket = buckets.get(index)
        if bucket is None:
            bucket = buckets[index] = []
        bucket += (key_hash, sha256(_VALUE_TAG + value).digest())
    for index in buckets:
        if not part.first <= index >> shift < part.first + part.count:
            raise SnapshotError("a key belongs to another part", bucket=index)
    hashes = _build_subtrees(buckets, levels, depth, rows)
    empty = compute_empty_hashes(levels)[depth]
    for subtree in range(part.first, part.first + part.count):
        wanted = manifest.frontier[subtree * _HASH : (subtree + 1) * _HASH]
        if hashes.get(subtree, empty) != wanted:
            raise SnapshotError("keys and values do not lead to the state root", subtree=subtree)
    return rows, len(items) // 2


def _build_subtrees(
    buckets: dict[int, list[bytes]], levels: int, depth: int, rows: Rows
) -> dict[int, bytes]:
    """Return the hashes at ``depth`` above ``buckets``; add the rows below to ``rows``."""
    hashes: dict[int, bytes] = {}
    for index, entries in buckets.items():
        blob = b"".join(entries)
        rows[make_tree_key(levels, levels, index)] = blob
        hashes[index] = sha256(_BUCKET_TAG + blob).digest()
    empty = compute_empty_hashes(levels)
    for level in range(levels - 1, depth - 1, -1):
        nodes: dict[int, bytearray] = {}
        for index, child in hashes.items():
            node = nodes.get(index >> 4)
            if node is None:
                node = nodes[index >> 4] = bytearray(empty[level + 1] * BRANCHES)
            cut = (index & 15) * _HASH
            node[cut : cut + _HASH] = child
        hashes = {}
        for index, node in nodes.items():
            rows[make_tree_key(levels, level, index)] = bytes(node)
            hashes[index] = compute_node_hash(bytes(node))
    return hashes


def verify_history_part(part: HistoryPart, content: bytes, expected: Hash) -> tuple[Rows, Hash]:
    """Return the rows of a history part and the hash that the header below it must have.

    ``expected`` is the hash of the part's last header: the certified one's at the top,
    then what the part above returned. Raises SnapshotError unless every header is the
    parent of the next and every list of ids is what its header names.
    """
    items = decode_pairs(content)
    if len(items) != 2 * (part.last - part.first + 1):
        raise SnapshotError("a history part lacks heights", first=part.first, last=part.last)
    rows: Rows = {}
    for place in range(len(items) - 2, -1, -2):
        height = part.first + place // 2
        encoded, joined = items[place], items[place + 1]
        header = _decode_header(encoded)
        if header.height != height or compute_header_hash(header) != expected:
            raise SnapshotError("a header is not the parent of the next", height=height)
        if len(joined) != _HASH * header.tx_count:
            raise SnapshotError("transaction ids are missing", height=height)
        ids = split_ids(joined)
        if compute_transactions_root(ids) != header.txs_root:
            raise SnapshotError("transaction ids do not fit their header", height=height)
        rows[make_height_key(b"h", height)] = encoded
        rows[make_height_key(b"d", height)] = joined
        rows[b"i" + expected] = encode_height(height)
        for index, transaction_id in enumerate(ids):
            rows[b"t" + transaction_id] = encode_location(height, index)
        expected = header.parent_hash
    return rows, expected


def split_ids(joined: bytes) -> list[TransactionId]:
    """Return transaction ids that lie end to end."""
    return [TransactionId(joined[cut : cut + _HASH]) for cut in range(0, len(joined), _HASH)]


def join_ids(ids: Iterable[TransactionId]) -> bytes:
    """Return transaction ids end to end."""
    return b"".join(ids)


def _decode_header(encoded: bytes) -> Header:
    try:
        return HEADER.decode(encoded)
    except CodecError as error:
        raise SnapshotError(f"a header does not decode: {error}") from None
