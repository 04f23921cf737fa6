"""Snapshots: made from a pinned moment, each part proves itself, a store grows from them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from primitives.block import ExecutionResult, Header, compute_header_hash
from primitives.codec import pack, unpack
from primitives.hashing import Address, Hash
from primitives.transaction import compute_transaction_id
from storage import snapshotformat
from storage.chain import ChainStore
from storage.engine import Snapshot
from storage.errors import WrongChainError
from storage.schema import STATE_PREFIX, TREE_PREFIX
from storage.snapshotfolder import (
    SnapshotFolder,
    StoredSnapshot,
    export_snapshot,
    get_part_path,
    import_snapshot,
)
from storage.snapshotformat import (
    MANIFEST,
    HistoryPart,
    Manifest,
    SnapshotError,
    StatePart,
    check_manifest,
    compute_part_hash,
    verify_history_part,
    verify_state_part,
)
from storage.snapshotinstall import Staging, complete_replacement, discard_staging
from storage.snapshotmaker import SnapshotWriter
from tests.unit.storage.chainkit import (
    CHAIN_ID,
    BlockPlan,
    commit_genesis,
    make_record,
    make_transaction,
)


def make_writes(numbers: random.Random, count: int) -> dict[bytes, bytes | None]:
    return {
        b"units\0held\0%d" % numbers.randrange(10**9): numbers.randbytes(numbers.randrange(200))
        for _ in range(count)
    }


def make_chain(folder: Path, keys: int, blocks: int, seed: int) -> ChainStore:
    print("seed", seed)
    numbers = random.Random(seed)
    chain = ChainStore.open(folder, CHAIN_ID)
    commit_genesis(chain, make_writes(numbers, keys))
    for height in range(1, blocks + 1):
        transactions = [make_transaction(100 * height + item) for item in range(height % 4)]
        writes = make_writes(numbers, 20)
        record = make_record(chain, BlockPlan(transactions, writes, 1_000 * height + 1_000))
        chain.commit(record)
    return chain


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many parts from little state: what a million keys do with the real size."""
    monkeypatch.setattr(snapshotformat, "PART_BYTES_TARGET", 4_096)
    monkeypatch.setattr("storage.snapshotmaker.PART_BYTES_TARGET", 4_096)


def write_snapshot(chain: ChainStore, root: Path, first: int = 1) -> StoredSnapshot:
    pinned = chain.store.snapshot()
    try:
        path = SnapshotWriter(pinned, root).write(first)
    finally:
        pinned.close()
    return StoredSnapshot.open(path)


def read_rows(reader: ChainStore | Snapshot, prefix: bytes) -> list[tuple[bytes, bytes]]:
    source = reader.store if isinstance(reader, ChainStore) else reader
    return source.scan(prefix, None, 1_000_000)


def install(snapshot: StoredSnapshot, data: Path, stop_after: int | None = None) -> Staging:
    staging = Staging.open(data, CHAIN_ID)
    if staging.manifest is None:
        staging.begin(snapshot.manifest)
    for count, number in enumerate(staging.list_missing()):
        if count == stop_after:
            break
        content = snapshot.read_part(number)
        if number < len(snapshot.manifest.state):
            staging.add_state(number, content)
        else:
            staging.add_history(number, content)
    return staging


@pytest.mark.parametrize("keys", [1, 300, 3_000])
def test_a_store_grown_from_a_snapshot_is_the_store_it_was_made_of(
    tmp_path: Path, small_parts: None, keys: int
) -> None:
    with make_chain(tmp_path / "old", keys, 9, seed=keys) as chain:
        snapshot = write_snapshot(chain, tmp_path / "snapshots", first=4)
        assert snapshot.verify() == snapshot.manifest.keys
        assert (len(snapshot.manifest.state) > 10) == (keys > 1)
        staging = install(snapshot, tmp_path / "new")
        staging.finish(snapshot.certificate, ())
        assert complete_replacement(tmp_path / "new", "chain", ("index",))
        with ChainStore.open(tmp_path / "new" / "chain", CHAIN_ID) as joined:
            assert joined.tip == chain.tip
            for prefix in (STATE_PREFIX, TREE_PREFIX):
                assert read_rows(joined, prefix) == read_rows(chain, prefix)
            assert joined.lowest == 10
            for height in range(4, 10):
                assert joined.get_header(height) == chain.get_header(height)
                block = chain.get_block(height)
                assert block is not None
                for index, encoded in enumerate(block.transactions):
                    found = joined.find_transaction(compute_transaction_id(encoded))
                    assert found == (height, index)
            assert joined.get_header(3) is None
            plan = BlockPlan([make_transaction(1)], {b"units\0x": b"1"})
            for store in (chain, joined):
                store.commit(make_record(store, plan))
            assert joined.tip == chain.tip
        assert not (tmp_path / "new" / "joining").exists()


def test_the_chain_goes_on_while_a_pinned_moment_is_written(tmp_path: Path) -> None:
    with make_chain(tmp_path / "chain", 500, 3, seed=5) as chain:
        root = chain.tip.state_root if chain.tip else b""
        pinned = chain.store.snapshot()

        def commit_one() -> None:
            chain.commit(make_record(chain, BlockPlan((), {b"units\0new": b"value"})))

        path = SnapshotWriter(pinned, tmp_path / "snapshots", commit_one).write(1)
        pinned.close()
        snapshot = StoredSnapshot.open(path)
        snapshot.verify()
        assert snapshot.height == 3 and snapshot.manifest.result.state_root == root
        assert chain.tip is not None and chain.tip.height > 3


def test_two_nodes_make_the_same_manifest(tmp_path: Path, small_parts: None) -> None:
    hashes = set()
    for name in ("a", "b"):
        with make_chain(tmp_path / name, 800, 5, seed=7) as chain:
            hashes.add(write_snapshot(chain, tmp_path / f"snapshots-{name}").hash)
    assert len(hashes) == 1


def test_state_larger_than_the_spill_buffer_goes_over_files(
    tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_chain(tmp_path / "chain", 2_000, 2, seed=11) as chain:
        whole = write_snapshot(chain, tmp_path / "in-memory")
        monkeypatch.setattr("storage.snapshotmaker.SPILL_BYTES_MAX", 10_000)
        spilled = write_snapshot(chain, tmp_path / "spilled")
    assert whole.hash == spilled.hash
    assert not list(spilled.folder.glob("spill*"))


# -- nothing spoiled is taken


def spoil_pairs(numbers: random.Random, items: list[bytes]) -> list[tuple[str, list[bytes]]]:
    """Return lists of keys and values that are not the part's, with what was done."""
    at = numbers.randrange(len(items) // 2) * 2
    key, value = items[at], items[at + 1]
    return [
        ("value changed", [*items[: at + 1], value + b"x", *items[at + 2 :]]),
        ("key left out", items[:at] + items[at + 2 :]),
        ("key twice", [*items[: at + 2], key, value, *items[at + 2 :]]),
        ("key renamed", [*items[:at], key + b"x", *items[at + 1 :]]),
        ("order turned", [*items[2:], *items[:2]]),
        ("key added", [*items, b"units\0made-up", b"1"]),
        ("value lost", items[:-1]),
        ("nothing", []),
    ]


def test_no_spoiled_part_is_taken(tmp_path: Path, small_parts: None) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    numbers = random.Random(seed)
    with make_chain(tmp_path / "chain", 1_500, 6, seed=13) as chain:
        snapshot = write_snapshot(chain, tmp_path / "snapshots")
    manifest = snapshot.manifest
    for number, part in enumerate(manifest.state):
        content = snapshot.read_part(number)
        verify_state_part(manifest, part, content)
        for what, items in spoil_pairs(numbers, unpack(content)):
            with pytest.raises(SnapshotError):
                verify_state_part(manifest, part, pack(items))
                pytest.fail(f"taken: {what} in part {number}")
        other = (number + 1) % len(manifest.state)
        with pytest.raises(SnapshotError):
            verify_state_part(manifest, part, snapshot.read_part(other))
        with pytest.raises(SnapshotError):
            verify_state_part(manifest, part, content[:-1])


def test_no_spoiled_history_is_taken(tmp_path: Path) -> None:
    with make_chain(tmp_path / "chain", 10, 8, seed=17) as chain:
        snapshot = write_snapshot(chain, tmp_path / "snapshots", first=2)
    (part,) = snapshot.manifest.history
    items = unpack(snapshot.read_part(len(snapshot.manifest.state)))
    expected = compute_header_hash(snapshot.manifest.header)
    verify_history_part(part, pack(items), expected)
    for at in range(0, len(items), 2):
        for spoiled in (
            [*items[: at + 1], items[at + 1] + bytes(32), *items[at + 2 :]],
            [*items[: at + 1], items[at + 1][32:] + bytes(32), *items[at + 2 :]],
            items[:at] + items[at + 2 :],
            [*items[:at], items[(at + 2) % len(items)], *items[at + 1 :]],
            [*items[:at], items[at][:-1] + bytes([items[at][-1] ^ 1]), *items[at + 1 :]],
        ):
            if spoiled == items:
                continue
            with pytest.raises(SnapshotError):
                verify_history_part(part, pack(spoiled), expected)
    with pytest.raises(SnapshotError):
        verify_history_part(part, pack(items), Hash(bytes(32)))


def test_no_spoiled_manifest_is_taken(tmp_path: Path, small_parts: None) -> None:
    with make_chain(tmp_path / "chain", 900, 6, seed=19) as chain:
        snapshot = write_snapshot(chain, tmp_path / "snapshots")
    good = snapshot.manifest
    check_manifest(good)
    turned = good.frontier[32:] + good.frontier[:32]
    first = good.state[0]
    for spoiled in (
        replace(good, version=2),
        replace(good, frontier=turned),
        replace(good, frontier=good.frontier[:-32]),
        replace(good, depth=good.depth - 1),
        replace(good, levels=7),
        replace(good, state=good.state[1:]),
        replace(good, state=good.state[:-1]),
        replace(good, state=(replace(first, count=first.count + 1), *good.state[1:])),
        replace(good, state=(replace(first, bytes=0), *good.state[1:])),
        replace(good, state=(replace(first, bytes=1 << 30), *good.state[1:])),
        replace(good, history=(replace(good.history[0], last=good.height - 1),)),
        replace(good, result=replace(good.result, height=good.height - 1)),
        replace(good, result=replace(good.result, state_root=Hash(bytes(32)))),
    ):
        with pytest.raises(SnapshotError):
            check_manifest(spoiled)
    assert MANIFEST.decode(MANIFEST.encode(good)) == good
    deeper = replace(good, levels=good.levels + 1)  # the fold cannot tell; the parts can
    with pytest.raises(SnapshotError, match="state root"):
        verify_state_part(deeper, deeper.state[0], snapshot.read_part(0))


# -- on disk


def test_a_flipped_bit_in_any_file_of_a_snapshot_is_found(tmp_path: Path) -> None:
    with make_chain(tmp_path / "chain", 50, 4, seed=23) as chain:
        snapshot = write_snapshot(chain, tmp_path / "snapshots")
    numbers = random.Random(23)
    for path in sorted(snapshot.folder.iterdir()):
        if path.name in ("certificate", "epochs"):
            continue  # verified against the validators by whoever uses it
        content = path.read_bytes()
        for _ in range(20):
            at, bit = numbers.randrange(len(content)), 1 << numbers.randrange(8)
            path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
            with pytest.raises(SnapshotError):
                changed = StoredSnapshot.open(snapshot.folder)
                changed.verify()
                assert changed.hash != snapshot.hash, path.name
                raise SnapshotError("another manifest: no peer knows its hash")
        path.write_bytes(content)
    StoredSnapshot.open(snapshot.folder).verify()


def test_old_snapshots_go_and_half_written_ones_are_never_seen(tmp_path: Path) -> None:
    root = tmp_path / "snapshots"
    with make_chain(tmp_path / "chain", 10, 1, seed=29) as chain:
        for height in range(1, 4):
            assert write_snapshot(chain, root).height == height
            chain.commit(make_record(chain, BlockPlan()))
    (root / f"{9:020}.partial").mkdir()
    folder = SnapshotFolder(root)
    assert folder.list_heights() == [3, 2, 1]
    assert folder.open(9) is None
    assert folder.remove_all_but(2) == [1]
    folder.clean()
    assert sorted(item.name for item in root.iterdir()) == [f"{2:020}", f"{3:020}"]
    stored = folder.open(3)
    assert stored is not None
    content = get_part_path(stored.folder, 0).read_bytes()
    assert stored.read(0, 0, 5) == content[:5]
    assert stored.read(0, 5, 10**6) == content[5:]
    assert stored.read(0, len(content), 5) is None
    assert stored.read(99, 0, 5) is None
    assert stored.read(None, 0, 10**6) == stored.encoded


def test_what_is_exported_can_be_imported_and_damage_cannot(tmp_path: Path) -> None:
    with make_chain(tmp_path / "chain", 300, 3, seed=31) as chain:
        snapshot = write_snapshot(chain, tmp_path / "snapshots")
    target = tmp_path / "snapshot.tar"
    assert export_snapshot(snapshot, target) == target.stat().st_size
    assert import_snapshot(target, tmp_path / "elsewhere").hash == snapshot.hash
    with pytest.raises(SnapshotError, match="there is a snapshot"):
        import_snapshot(target, tmp_path / "elsewhere")
    content = target.read_bytes()
    part = get_part_path(snapshot.folder, 0).read_bytes()
    at = content.index(part) + len(part) // 2
    target.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(SnapshotError, match="damaged"):
        import_snapshot(target, tmp_path / "third")
    assert not list((tmp_path / "third").iterdir())
    target.write_bytes(b"not a tar file" * 100)
    with pytest.raises(SnapshotError, match="tar"):
        import_snapshot(target, tmp_path / "third")


# -- a crash on the way


def test_an_interrupted_installation_goes_on_where_it_was(
    tmp_path: Path, small_parts: None
) -> None:
    with make_chain(tmp_path / "old", 1_000, 5, seed=37) as chain:
        snapshot = write_snapshot(chain, tmp_path / "snapshots")
        tip = chain.tip
    total = len(snapshot.manifest.parts)
    for _ in range(total):
        before = install(snapshot, tmp_path / "new", stop_after=1)
        missing = len(before.list_missing())
        with pytest.raises(SnapshotError, match=r"missing|taken"):
            if missing:
                before.finish(snapshot.certificate, ())
            else:
                before.begin(snapshot.manifest)
        before.close()  # and the process is gone
        assert not complete_replacement(tmp_path / "new", "chain", ())
    staging = Staging.open(tmp_path / "new", CHAIN_ID)
    assert staging.manifest_hash == snapshot.hash and not staging.list_missing()
    staging.finish(snapshot.certificate, ())
    assert complete_replacement(tmp_path / "new", "chain", ())
    with ChainStore.open(tmp_path / "new" / "chain", CHAIN_ID) as joined:
        assert joined.tip == tip


def test_a_refused_part_changes_nothing(tmp_path: Path) -> None:
    with make_chain(tmp_path / "old", 20, 3, seed=41) as chain:
        snapshot = write_snapshot(chain, tmp_path / "snapshots")
    with Staging.open(tmp_path / "new", CHAIN_ID) as staging:
        staging.begin(snapshot.manifest)
        missing = staging.list_missing()
        with pytest.raises(SnapshotError):
            staging.add_state(0, pack([b"units\0made-up", b"1"]))
        with pytest.raises(SnapshotError):
            staging.add_history(len(snapshot.manifest.state), pack([]))
        assert staging.list_missing() == missing and not staging.done
    with pytest.raises(WrongChainError):
        Staging.open(tmp_path / "new", Hash(bytes(32)))
    discard_staging(tmp_path / "new")
    with Staging.open(tmp_path / "new", CHAIN_ID) as staging:
        assert staging.manifest is None


@pytest.mark.parametrize("step", ["before", "old aside", "new in place", "stale gone"])
def test_a_crash_at_any_step_of_the_replacement_loses_nothing(tmp_path: Path, step: str) -> None:
    data = tmp_path / "data"
    with make_chain(data / "chain", 10, 1, seed=43):
        pass
    with make_chain(tmp_path / "other", 40, 6, seed=47) as chain:
        snapshot, tip = write_snapshot(chain, tmp_path / "snapshots"), chain.tip
    (data / "index").mkdir()
    install(snapshot, data).finish(snapshot.certificate, ())
    if step != "before":
        (data / "chain").rename(data / "chain.replaced")
    if step in ("new in place", "stale gone"):
        (data / "joining" / "chain").rename(data / "chain")
    if step == "stale gone":
        (data / "index").rmdir()
    assert complete_replacement(data, "chain", ("index",))
    assert not complete_replacement(data, "chain", ("index",))
    assert [item.name for item in data.iterdir()] == ["chain"]
    with ChainStore.open(data / "chain", CHAIN_ID) as joined:
        assert joined.tip == tip


def test_manifests_are_decoded_within_bounds() -> None:
    assert len(MANIFEST.encode(_make_largest())) < snapshotformat.MANIFEST_BYTES_MAX


def _make_largest() -> Manifest:
    zero = Hash(bytes(32))
    top = (1 << 64) - 1
    address = Address(bytes(32))
    header = Header(
        1, zero, top, top, zero, zero, zero, address, zero, 20_000, zero, top, zero, zero,
    )  # fmt: skip
    state = StatePart(65_535, 65_536, 1 << 30, compute_part_hash(b""))
    history = HistoryPart(top, top, 1 << 30, compute_part_hash(b""))
    return Manifest(
        1,
        header,
        ExecutionResult(top, zero, zero, zero, top, zero, zero),
        6,
        4,
        bytes(16**4 * 32),
        top,
        (state,) * snapshotformat.PARTS_MAX,
        (history,) * snapshotformat.PARTS_MAX,
    )
