"""The chain store: atomic commits, idempotence, refusals, checks at open, views."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest

from primitives.block import BLOCK, compute_execution_hash
from primitives.codec import pack
from primitives.hashing import ZERO_HASH, Hash
from storage.chain import BlockRecord, ChainStore
from storage.engine import KeyValueStore
from storage.errors import (
    CommitError,
    DatabaseCorruptedError,
    DiskFullError,
    StorageError,
    WrongChainError,
)
from storage.leveldb import LevelStore
from storage.memory import MemoryStore
from storage.schema import META_SCHEMA, META_TIP, make_height_key, make_tree_key
from storage.stateproof import verify_state_proof
from tests.unit.storage.chainkit import (
    CHAIN_ID,
    BlockPlan,
    commit_genesis,
    make_genesis_record,
    make_record,
    make_transaction,
)

GENESIS = {b"a\0x": b"1", b"a\0y": b"2", b"b\0x": b"3"}


@pytest.fixture(params=["leveldb", "memory"])
def chain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChainStore]:
    target = tmp_path / "chain" if request.param == "leveldb" else MemoryStore()
    with ChainStore.open(target, CHAIN_ID) as opened:
        yield opened


def grow(chain: ChainStore, plan: BlockPlan) -> BlockRecord:
    record = make_record(chain, plan)
    chain.commit(record)
    return record


def make_plan(first_nonce: int = 0, **writes: bytes | None) -> BlockPlan:
    transactions = [make_transaction(first_nonce + number) for number in range(3)]
    return BlockPlan(transactions, {b"a\0" + name.encode(): v for name, v in writes.items()})


def test_a_new_store_has_no_tip_and_no_state(chain: ChainStore) -> None:
    assert chain.tip is None
    assert chain.chain_id == CHAIN_ID
    assert chain.get_block(1) is None
    assert chain.get_receipts(1) == []
    assert chain.find_transaction(bytes(32)) is None
    with pytest.raises(StorageError) as caught:
        chain.view()
    assert caught.value.code == "no-state"


def test_the_genesis_is_height_0_without_block_or_certificate(chain: ChainStore) -> None:
    commit_genesis(chain, GENESIS)
    tip = chain.tip
    assert tip is not None
    assert (tip.height, tip.block_hash, tip.certificate) == (0, ZERO_HASH, None)
    result = chain.get_result(0)
    assert result is not None and compute_execution_hash(result) == tip.exec_hash
    with chain.view() as view:
        assert view.height == 0
        assert view.get(b"a\0x") == b"1"


def test_the_same_genesis_again_does_nothing_and_another_is_refused(chain: ChainStore) -> None:
    record = make_genesis_record(chain.compute_state(GENESIS), GENESIS)
    chain.commit_genesis(record)
    chain.commit_genesis(record)
    other = make_genesis_record(chain.compute_state({b"z": b"1"}), {b"z": b"1"})
    with pytest.raises(CommitError) as caught:
        chain.commit_genesis(other)
    assert caught.value.code == "commit-conflict"


def test_everything_of_a_block_is_there_after_its_commit(chain: ChainStore) -> None:
    commit_genesis(chain, GENESIS)
    plan = make_plan(x=b"9", y=None, z=b"new")
    record = grow(chain, plan)
    tip = chain.tip
    assert tip is not None
    assert (tip.height, tip.block_hash, tip.certificate) == (
        1,
        record.block_hash,
        record.certificate,
    )
    assert tip.exec_hash == compute_execution_hash(record.result)
    assert tip.state_root == record.result.state_root
    assert tip.time_ms == plan.time_ms
    assert chain.get_block(1) == record.block
    assert chain.get_block_bytes(1) == BLOCK.encode(record.block)
    assert chain.get_header(1) == record.block.header
    assert chain.get_height_of(record.block_hash) == 1
    assert chain.get_certificate(1) == record.certificate
    assert chain.get_result(1) == record.result
    assert chain.get_receipts(1) == record.receipts
    assert chain.get_events(1) == record.events
    for index, transaction in enumerate(plan.transactions):
        assert chain.find_transaction(transaction.id) == (1, index)
    with chain.view() as view:
        assert view.get(b"a\0x") == b"9"
        assert view.get(b"a\0y") is None
        assert view.scan(b"a\0", None, 10) == [(b"a\0x", b"9"), (b"a\0z", b"new")]


def test_transaction_ids_that_are_known_need_not_be_computed(chain: ChainStore) -> None:
    commit_genesis(chain, GENESIS)
    plan = make_plan()
    ids = [transaction.id for transaction in plan.transactions]
    chain.commit(dataclasses.replace(make_record(chain, plan), transaction_ids=ids))
    assert chain.find_transaction(ids[2]) == (1, 2)


def test_committing_the_same_block_twice_does_nothing(chain: ChainStore) -> None:
    commit_genesis(chain, GENESIS)
    first = grow(chain, make_plan(x=b"9"))
    second = grow(chain, make_plan(10, x=b"10"))
    before = chain.tip
    chain.commit(first)
    chain.commit(second)
    # Sync may bring the same block with a certificate of another view.
    other = dataclasses.replace(first.certificate, view=7)
    chain.commit(dataclasses.replace(first, certificate=other))
    assert chain.tip == before
    assert chain.get_certificate(1) == first.certificate
    with chain.view() as view:
        assert view.get(b"a\0x") == b"10"


def test_another_block_at_a_committed_height_is_refused(chain: ChainStore) -> None:
    commit_genesis(chain, GENESIS)
    rival = make_record(chain, BlockPlan(time_ms=99))
    record = grow(chain, make_plan(x=b"9"))
    before = chain.tip
    with pytest.raises(CommitError) as caught:
        chain.commit(rival)
    assert caught.value.code == "commit-conflict"
    assert chain.tip == before
    assert chain.get_block(1) == record.block


def test_a_gap_and_a_block_before_the_genesis_are_refused(chain: ChainStore) -> None:
    with ChainStore.open(MemoryStore(), CHAIN_ID) as ahead:
        commit_genesis(ahead, GENESIS)
        first = grow(ahead, make_plan())
        second = make_record(ahead, make_plan(10))
    for record in (first, second):
        with pytest.raises(CommitError) as caught:
            chain.commit(record)
        assert caught.value.code == "commit-gap"
    commit_genesis(chain, GENESIS)
    with pytest.raises(CommitError) as caught:
        chain.commit(second)
    assert caught.value.code == "commit-gap"


Spoiler = Callable[[BlockRecord], BlockRecord]


def replace_header(record: BlockRecord, **values: object) -> BlockRecord:
    header = dataclasses.replace(record.block.header, **values)  # type: ignore[arg-type]  # a test's table
    return dataclasses.replace(record, block=dataclasses.replace(record.block, header=header))


SPOILERS: dict[str, Spoiler] = {
    "chain id": lambda r: replace_header(r, chain_id=ZERO_HASH),
    "parent": lambda r: replace_header(r, parent_hash=Hash(b"p" * 32)),
    "previous execution": lambda r: replace_header(r, prev_exec_hash=ZERO_HASH),
    "header of another hash": lambda r: replace_header(r, time_ms=5),
    "count of transactions": lambda r: replace_header(r, tx_count=2),
    "block hash": lambda r: dataclasses.replace(r, block_hash=ZERO_HASH),
    "certified height": lambda r: dataclasses.replace(
        r, certificate=dataclasses.replace(r.certificate, height=9)
    ),
    "certified block": lambda r: dataclasses.replace(
        r, certificate=dataclasses.replace(r.certificate, block_hash=ZERO_HASH)
    ),
    "certified execution": lambda r: dataclasses.replace(
        r, certificate=dataclasses.replace(r.certificate, exec_hash=ZERO_HASH)
    ),
    "result": lambda r: dataclasses.replace(r, result=dataclasses.replace(r.result, gas=1)),
    "state root": lambda r: dataclasses.replace(
        r, change=dataclasses.replace(r.change, root=ZERO_HASH)
    ),
    "receipts": lambda r: dataclasses.replace(r, receipts=r.receipts[:1]),
    "ids": lambda r: dataclasses.replace(r, transaction_ids=[]),
}


@pytest.mark.parametrize("name", sorted(SPOILERS))
def test_a_part_that_does_not_fit_is_refused_and_leaves_no_trace(name: str) -> None:
    with ChainStore.open(MemoryStore(), CHAIN_ID) as chain:
        commit_genesis(chain, GENESIS)
        record = make_record(chain, make_plan(x=b"9"))
        before = chain.tip
        with pytest.raises(CommitError) as caught:
            chain.commit(SPOILERS[name](record))
        assert caught.value.code == "commit-mismatch"
        assert chain.tip == before and chain.get_block(1) is None
        chain.commit(record)


def test_a_state_change_from_before_the_last_commit_is_refused(chain: ChainStore) -> None:
    commit_genesis(chain, GENESIS)
    stale = chain.compute_state({b"a\0x": b"9"})
    grow(chain, make_plan())
    record = make_record(chain, make_plan(10, x=b"9"))
    with pytest.raises(CommitError) as caught:
        chain.commit(dataclasses.replace(record, change=stale))
    assert caught.value.code == "state-change-stale"
    assert chain.tip is not None and chain.tip.height == 1
    assert chain.get_block(2) is None  # refused before anything was written
    chain.commit(record)


def test_a_view_stays_where_it_was_while_blocks_are_committed(chain: ChainStore) -> None:
    commit_genesis(chain, GENESIS)
    old = chain.view()
    assert old.get(b"a\0x") == b"1"
    grow(chain, make_plan(x=b"9", y=None))
    new = chain.view()
    for _ in range(2):  # the second time from the dictionary of hot values
        assert (old.get(b"a\0x"), new.get(b"a\0x")) == (b"1", b"9")
        assert (old.get(b"a\0y"), new.get(b"a\0y")) == (b"2", None)
        assert (old.get(b"b\0x"), new.get(b"b\0x")) == (b"3", b"3")
    assert (old.height, new.height) == (0, 1)
    assert old.state_root != new.state_root
    for view in (old, new):
        for key in (b"a\0x", b"a\0y", b"nothing"):
            proof = view.prove(key)
            assert verify_state_proof(view.state_root, key, view.get(key), proof, view.state_levels)
        view.close()
        view.close()


@pytest.mark.parametrize("hot_state_bytes", [0, 700, 1 << 20])
def test_hot_values_never_differ_from_the_store(hot_state_bytes: int) -> None:
    with ChainStore.open(MemoryStore(), CHAIN_ID, hot_state_bytes=hot_state_bytes) as chain:
        commit_genesis(chain, GENESIS)
        expected: dict[bytes, bytes | None] = dict(GENESIS)
        for height in range(1, 20):
            with chain.view() as before:
                for key, value in expected.items():
                    assert before.get(key) == value
                writes: dict[bytes, bytes | None] = {
                    b"a\0%d" % (height % 7): b"%d" % height if height % 3 else None
                }
                grow(chain, BlockPlan(writes=writes))
                for key, value in expected.items():
                    assert before.get(key) == value
            expected.update(writes)


def test_a_scan_of_state_never_leaves_the_state(chain: ChainStore) -> None:
    commit_genesis(chain, {**GENESIS, b"\xff\xff": b"last"})
    with chain.view() as view:
        assert [key for key, _ in view.scan(b"", None, 10)] == [*sorted(GENESIS), b"\xff\xff"]
        assert view.scan(b"a\0", b"a\0x", 10) == [(b"a\0y", b"2")]
        assert view.scan(b"", None, 1) == [(b"a\0x", b"1")]


def test_a_reopened_chain_goes_on_where_it_was(tmp_path: Path) -> None:
    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        commit_genesis(chain, GENESIS)
        grow(chain, make_plan(x=b"9"))
        tip = chain.tip
    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        assert chain.tip == tip
        grow(chain, make_plan(10, x=b"10"))
        assert sum(chain.compute_sizes().values()) >= 0
    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        assert chain.tip is not None and chain.tip.height == 2


def test_another_depth_of_the_state_tree_survives_a_restart(tmp_path: Path) -> None:
    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        writes: dict[bytes, bytes | None] = {b"%d" % number: b"v" for number in range(50)}
        chain.commit_genesis(make_genesis_record(chain.compute_state(writes, 2), writes))
    with ChainStore.open(tmp_path, CHAIN_ID) as chain:
        assert chain.tip is not None and chain.tip.state_levels == 2
        assert chain.compute_state({}).root == chain.tip.state_root
        assert chain.compute_state({}, 3).root != chain.tip.state_root
        with chain.view() as view:
            assert verify_state_proof(view.state_root, b"7", b"v", view.prove(b"7"), 2)


def test_the_folder_of_another_chain_is_refused(tmp_path: Path) -> None:
    ChainStore.open(tmp_path, CHAIN_ID).close()
    with pytest.raises(WrongChainError) as caught:
        ChainStore.open(tmp_path, ZERO_HASH)
    assert caught.value.code == "wrong-chain"
    ChainStore.open(tmp_path, CHAIN_ID).close()  # the refusal released the folder


def make_store_with_block() -> MemoryStore:
    store = MemoryStore()
    chain = ChainStore.open(store, CHAIN_ID)
    commit_genesis(chain, GENESIS)
    grow(chain, make_plan(x=b"9"))
    return store


def flip_byte(store: KeyValueStore, key: bytes) -> None:
    value = store.get(key)
    assert value is not None
    spoiled = value[:12] + bytes([value[12] ^ 1]) + value[13:]
    store.write({key: spoiled}, sync=True)


@pytest.mark.parametrize(
    "key",
    [
        META_TIP,
        make_height_key(b"r", 1),
        make_height_key(b"h", 1),
        make_height_key(b"c", 1),
        make_tree_key(4, 0, 0),
    ],
)
@pytest.mark.parametrize("is_removed", [False, True])
def test_a_tip_that_does_not_fit_its_rows_is_named_at_open(key: bytes, is_removed: bool) -> None:
    store = make_store_with_block()
    if is_removed:
        store.write({}, [key], sync=True)
    else:
        flip_byte(store, key)
    with pytest.raises(DatabaseCorruptedError) as caught:
        ChainStore.open(store, CHAIN_ID)
    assert caught.value.code == "database-corrupted"


def test_rows_without_the_mark_of_a_chain_are_refused() -> None:
    store = MemoryStore()
    store.write({b"foreign": b"row"}, sync=True)
    with pytest.raises(DatabaseCorruptedError):
        ChainStore.open(store, CHAIN_ID)


def test_another_layout_is_refused_by_name() -> None:
    store = make_store_with_block()
    store.write({META_SCHEMA: (99).to_bytes(4, "big")}, sync=True)
    with pytest.raises(StorageError) as caught:
        ChainStore.open(store, CHAIN_ID)
    assert caught.value.code == "schema-version"


def test_a_row_that_does_not_decode_is_damage_and_not_a_codec_error() -> None:
    store = make_store_with_block()
    store.write(
        {
            make_height_key(b"b", 1): b"\xc1",
            make_height_key(b"p", 1): b"\xc1",
            make_height_key(b"e", 1): pack([1]),
        },
        sync=True,
    )
    chain = ChainStore.open(store, CHAIN_ID)
    for read in (chain.get_block, chain.get_receipts, chain.get_events):
        with pytest.raises(DatabaseCorruptedError):
            read(1)


class FailsToWrite(MemoryStore):
    """A store whose disk is full when it is told so."""

    is_full = False

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        if self.is_full:
            raise DiskFullError("no space left")
        super().write(puts, deletes, sync=sync)


def test_a_commit_that_meets_a_full_disk_leaves_everything_as_it_was() -> None:
    store = FailsToWrite()
    chain = ChainStore.open(store, CHAIN_ID)
    commit_genesis(chain, GENESIS)
    record = make_record(chain, make_plan(x=b"9"))
    before = chain.tip
    store.is_full = True
    with pytest.raises(DiskFullError):
        chain.commit(record)
    assert chain.tip == before
    with chain.view() as view:
        assert view.get(b"a\0x") == b"1"
    store.is_full = False
    chain.commit(record)
    assert chain.tip is not None and chain.tip.height == 1


class CountsBatches(LevelStore):
    """LevelDB that remembers how it was written to."""

    batches: list[tuple[frozenset[bytes], bool]]

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        self.batches.append((frozenset(puts), sync))
        super().write(puts, deletes, sync=sync)


def test_a_block_is_one_synced_batch(tmp_path: Path) -> None:
    store = CountsBatches.open(tmp_path)
    assert isinstance(store, CountsBatches)
    store.batches = []
    with ChainStore.open(store, CHAIN_ID) as chain:
        commit_genesis(chain, GENESIS)
        store.batches.clear()
        record = grow(chain, make_plan(x=b"9"))
        assert len(store.batches) == 1
        keys, is_synced = store.batches[0]
        assert is_synced
        prefixes = {bytes([key[0]]) for key in keys}
        assert prefixes == set(map(bytes, zip(b"mhbcrpeitdsk")))
        assert b"i" + record.block_hash in keys
