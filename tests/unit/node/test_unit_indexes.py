"""Lots by owner, histories and organisations: the indexes against the contracts' own state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from node.indexes import Indexes
from node.indexseed import LOT_PREFIX, make_seed
from node.metrics import Metrics
from node.unithistory import History, add_transactions, read_history
from primitives.block import EVENT, RECEIPT, Event
from primitives.codec import unpack
from primitives.transaction import Call, Transaction
from storage.chain import ChainStore
from storage.errors import CursorError
from storage.indexes import IndexStore, IndexView, read_block
from storage.memory import MemoryStore
from storage.unitrows import _HANDLERS, WITHOUT_LOTS
from tests.unit.tools.audited_chain import AuditedChain
from vm.machine import BlockContext

SEED = 20261124
PARTIES = ("project-owner", "enterprise-a", "enterprise-b")
SERIALS = 100
BATCHES = ("b1", "b2")


def issue(chain: AuditedChain, batch: str, buffer: int = 0) -> None:
    given = (f"r-{batch}", "p", 2024, "forest", SERIALS, "project-owner", bytes(32))
    chain.commit(chain.sign("verifier", "units", "attest", *given))
    issued = (batch, f"r-{batch}", 0, SERIALS, SERIALS, buffer)
    chain.commit(chain.sign("registry", "units", "issue", *issued))


def cancel_out_of_the_pool(chain: AuditedChain, batch: str) -> None:
    """Register the project of ``batch``, whose last 20 serials are the buffer's; lose and make
    good 5 of them."""
    last = SERIALS - 20
    assert chain.chain.tip is not None
    now = chain.chain.tip.time_ms // 1_000
    area_m2 = -(-4096 * 510065621724088 // (1 << 43))  # 4096 cells of the earth's 2^43
    drafted = ("CN-FJ", "forest-sink", "forest", ["biomass"], now - 1_000, now + 1_000, bytes(32))
    steps: tuple[tuple[str, str, str, tuple[Any, ...]], ...] = (
        ("project-owner", "projects", "draft", ("p", *drafted)),
        ("project-owner", "parcels", "add_parcel", ("p", bytes(32), 0, area_m2, 1, [0, 4096])),
        ("project-owner", "projects", "submit", ("p",)),
        ("registry", "projects", "open_notice", ("p",)),
        ("verifier", "projects", "validate", ("p", 2000, bytes(32))),
        ("enterprise-a", "parcels", "claim", ("p", 0)),
        ("registry", "projects", "register", ("p",)),
        ("registry", "buffer", "contribute", (batch, last, SERIALS, SERIALS)),
        ("project-owner", "buffer", "report_reversal",
         ("fire", "p", "unintentional", now, 5, bytes(32))),
        ("verifier", "buffer", "verify_reversal", ("fire", "unintentional", 5, bytes(32))),
        ("registry", "buffer", "make_good",
         ("fire", [[batch, last + 2, last + 4], [batch, last + 7, last + 10]])),
    )  # fmt: skip
    for who, contract, method, arguments in steps:
        chain.commit(chain.sign(who, contract, method, *arguments))
        receipt = RECEIPT.decode(chain.chain.get_receipts(chain.height)[0])
        assert receipt.status == "ok", (method, receipt)
    lots = [lot for lot in read_lots(chain.chain) if lot[0] == "buffer" and lot[1] == batch]
    assert [lot[2:] for lot in lots] == [
        (last, last + 2, "buffer"), (last + 2, last + 4, "cancelled"),
        (last + 4, last + 7, "buffer"), (last + 7, last + 10, "cancelled"),
        (last + 10, SERIALS, "buffer"),
    ]  # fmt: skip


def make_move(chain: AuditedChain, rng: random.Random) -> Transaction:
    """Return a random call; most of them are refused, and change nothing."""
    batch, start = rng.choice(BATCHES), rng.randrange(SERIALS)
    end = rng.choice((start + 1, SERIALS, rng.randint(start + 1, SERIALS)))
    who, other = rng.choice(PARTIES), rng.choice(PARTIES)
    locked = [lot for lot in read_lots(chain.chain) if lot[4] == "locked"]
    if locked and rng.random() < 0.15:
        _, batch, start, end, _ = rng.choice(locked)
        return chain.sign("bank", "units", "unlock", batch, start, end)
    calls: list[tuple[str, str, str, tuple[Any, ...]]] = [
        (who, "units", "split", (batch, start)),
        (who, "units", "merge", (batch, start)),
        (who, "units", "transfer", (batch, start, end, other)),
        (who, "units", "lock", (batch, start, end, "order", "bank", "")),
        ("regulator", "units", "release_buffer", (batch, start, end, other, bytes(32))),
        (who, "retirement", "retire", (batch, start, start + 2, other, "test")),
        (who, "retirement", "cancel", (batch, start, start + 1, "test")),
    ]
    chosen = rng.choices(calls, (3, 3, 6, 2, 1, 1, 1))[0]
    return chain.sign(chosen[0], chosen[1], chosen[2], *chosen[3])


def shake(chain: AuditedChain, rng: random.Random, blocks: int) -> None:
    for _ in range(blocks):
        chain.commit(*(make_move(chain, rng) for _ in range(12)))


def move_locked(chain: AuditedChain) -> None:
    """Tokens of a lot, which moves while it stays locked (``units.assign``)."""
    lots = [lot for lot in read_lots(chain.chain) if lot[0] in PARTIES and lot[4] == "active"]
    owner, batch, start, end, _ = max(lots, key=lambda lot: lot[3] - lot[2])
    other = next(name for name in PARTIES if name != owner)
    for who, method, arguments in (
        (owner, "make_of_lot", (batch, start, end)), (owner, "split", (1, start + 1)),
        (owner, "transfer", (2, other)), (owner, "transfer", (3, other)), (other, "melt", (3,)),
    ):  # fmt: skip
        chain.commit(chain.sign(who, "tokens", method, *arguments))
    assert (other, batch, start, start + 1, "locked") in read_lots(chain.chain)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedChain]:
    made = AuditedChain(tmp_path_factory.mktemp("units"))
    issue(made, "b1")
    issue(made, "b2", buffer=30)
    shake(made, random.Random(SEED), 60)
    move_locked(made)
    issue(made, "b3", buffer=20)
    cancel_out_of_the_pool(made, "b3")
    yield made
    made.chain.close()


def advance(indexes: Indexes, chain: ChainStore) -> None:
    while indexes.is_behind:
        indexes.advance(lambda height: read_block(chain, height))


def read_lots(chain: ChainStore) -> list[tuple[str, str, int, int, str]]:
    """Return (owner, batch, start, end, status) of every lot in the state."""
    found: list[tuple[str, str, int, int, str]] = []
    with chain.view() as view:
        for key, value in view.scan(LOT_PREFIX, None, 100_000):
            row: Any = unpack(value)
            batch, _, serial = key[len(LOT_PREFIX) :].partition(b"\0")
            end = int.from_bytes(serial, "big") - (1 << 255)
            found.append((row[1], batch.decode(), row[0], end, row[2]))
    return sorted(found)


def list_lots(index: IndexView, limit: int) -> list[tuple[str, str, int, int, str]]:
    """Return the same from the indexes, in pages."""
    found: list[tuple[str, str, int, int, str]] = []
    for owner in (*PARTIES, "buffer"):
        cursor: bytes | None = None
        while True:
            page = index.find_lots(owner, None, cursor, limit)
            assert len(page.items) <= limit
            found += [(lot.owner, lot.batch, lot.start, lot.end, lot.status) for lot in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    return sorted(found)


def test_the_moves_of_this_chain_are_of_every_kind(chain: AuditedChain) -> None:
    """Or the comparisons below would prove less than they say."""
    names = {
        (event.contract, event.name)
        for height in range(1, chain.height + 1)
        for event in map(EVENT.decode, chain.chain.get_events(height))
        if event.contract in ("units", "retirement")
    }
    assert names == {*_HANDLERS, *WITHOUT_LOTS}


@pytest.mark.parametrize("contract", ["units", "retirement"])
def test_every_event_of_the_contracts_is_known_to_the_indexes(
    chain: AuditedChain, contract: str
) -> None:
    """A new event either moves lots, and needs a handler, or says here that it does not."""
    with chain.chain.view() as view:
        abi = chain.machine.get_abi(view, contract)
    assert abi is not None
    announced = {(contract, event["name"]) for event in abi.to_json()["events"]}
    known = {key for key in {*_HANDLERS, *WITHOUT_LOTS} if key[0] == contract}
    assert announced == known


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_lots_by_owner_are_those_of_the_state_at_every_height(
    chain: AuditedChain, tmp_path: Path, limit: int
) -> None:
    metrics = Metrics()
    indexes = Indexes(tmp_path / "index", chain.chain, metrics)
    # A seed from the genesis, so that every block above is replayed.
    twin = AuditedChain(tmp_path / "twin")
    with twin.chain.view() as view:
        indexes._store.current.seed(make_seed(view))
    twin.chain.close()
    advance(indexes, chain.chain)
    assert indexes.search(lambda index: list_lots(index, limit)) == read_lots(chain.chain)
    within = indexes.search(lambda index: index.find_lots("enterprise-a", "b2", None, 100))
    assert {lot.batch for lot in within.items} == {"b2"}
    indexes.close()


def test_a_seed_from_the_state_gives_the_rows_that_the_blocks_give(chain: AuditedChain) -> None:
    """Rebuild = live, row by row: one replays each event, the other begins at the tip."""
    store = MemoryStore()
    with IndexStore.open(store, chain.chain_id) as index:
        index.catch_up(chain.chain)
        live = index.current.store.scan(b"", None, 100_000)
        with chain.chain.view() as view:
            index.rebuild(chain.chain, make_seed(view))
        rebuilt = index.current.store.scan(b"", None, 100_000)
    without = [row for row in rebuilt if row[0] != b"mindex-seed" and row[0][:1] != b"o"]
    assert without == [row for row in live if row[0][:1] != b"o"]
    # The genesis made the first accounts: only the state tells them.
    assert {row for row in live if row[0][:1] == b"o"} < {
        row for row in rebuilt if row[0][:1] == b"o"
    }


def read_whole(
    chain: AuditedChain, index: IndexView, place: tuple[str, int], limit: int
) -> list[History]:
    pages: list[History] = []
    cursor: bytes | None = None
    while True:
        with chain.chain.view() as view:
            page = read_history(view, *place, cursor, limit)
        assert page is not None
        pages.append(add_transactions(page, place[0], index))
        assert len(pages[-1].steps) <= limit
        cursor = page.next_cursor
        if cursor is None:
            return pages


def view_trace(chain: AuditedChain, batch: str, serial: int) -> Any:
    tip = chain.chain.tip
    assert tip is not None
    context = BlockContext(chain.chain_id, tip.height, tip.time_ms // 1_000, 0, bytes(32))  # type: ignore[arg-type]  # nobody
    with chain.chain.view() as view:
        call = Call("units", "trace", (batch, serial, 200))
        outcome = chain.machine.view(view, context, bytes(32), call, 50_000_000)  # type: ignore[arg-type]  # nobody
    return outcome.values[0]


@pytest.mark.parametrize("limit", [1, 3, 200])
def test_the_history_of_a_serial_is_the_contracts_own_trace_with_its_transactions(
    chain: AuditedChain, tmp_path: Path, limit: int
) -> None:
    indexes = Indexes(tmp_path / "index", chain.chain, Metrics())
    advance(indexes, chain.chain)
    rng = random.Random(f"{SEED}/{limit}")
    moved = [(batch, rng.randrange(SERIALS)) for batch in BATCHES for _ in range(12)]
    cancelled_of_the_pool = ("b3", SERIALS - 18)
    for place in [*moved, cancelled_of_the_pool]:
        pages = indexes.search(lambda index, at=place: read_whole(chain, index, at, limit))  # type: ignore[misc]  # bound now
        steps = [step for page in pages for step in page.steps]
        assert [
            [s.step, s.kind, s.start, s.end, s.giver, s.taker, s.time_s, s.height] for s in steps
        ] == view_trace(chain, *place), place
        for step in steps:
            assert step.id is not None and step.event_index is not None, step
            found = chain.chain.find_transaction(step.id)
            assert found is not None and found[0] == step.height
            event = EVENT.decode(chain.chain.get_events(step.height)[step.event_index])
            assert event.transaction_index == found[1]
            receipt = RECEIPT.decode(chain.chain.get_receipts(step.height)[found[1]])
            assert receipt.event_first <= step.event_index
        if limit > 1:
            continue
        assert all(newer.step > older.step for newer, older in pairwise(steps))
    indexes.close()


def test_a_step_whose_block_is_not_indexed_has_no_transaction(chain: AuditedChain) -> None:
    with IndexStore.open(MemoryStore(), chain.chain_id) as index, chain.chain.view() as view:
        index.skip_to(chain.height)
        page = read_history(view, "b1", 1, None, 100)
        assert page is not None
        with index.view(lambda height: None, chain.height) as empty:
            steps = add_transactions(page, "b1", empty).steps
    assert steps and all(step.id is None and step.event_index is None for step in steps)


def test_no_such_serial_and_foreign_cursors_are_told_apart(chain: AuditedChain) -> None:
    with chain.chain.view() as view:
        assert read_history(view, "b1", SERIALS, None, 10) is None
        assert read_history(view, "no-such", 1, None, 10) is None
        for cursor in (b"", b"short", bytes(15), bytes(17)):
            with pytest.raises(CursorError):
                read_history(view, "b1", 1, cursor, 10)
        never = (7 << 40).to_bytes(8, "big") + (99).to_bytes(8, "big")
        with pytest.raises(CursorError):
            read_history(view, "b1", 1, never, 10)


def test_an_organisation_keeps_the_transactions_of_keys_that_it_gave_up(tmp_path: Path) -> None:
    made = AuditedChain(tmp_path / "made")
    old, new = made.keys["enterprise-a"], made.keys["bank"]
    fresh = type(old).from_seed(b"\x55" * 32)
    made.commit(made.sign("enterprise-a", "units", "no-such", 1))
    rotate = made.sign("enterprise-a", "identity", "rotate_key", old.public_key, fresh.public_key)
    made.commit(rotate)
    made.keys["enterprise-a"] = fresh
    made.commit(made.sign("enterprise-a", "units", "no-such", 2), made.sign("bank", "units", "x"))
    indexes = Indexes(tmp_path / "index", made.chain, Metrics())
    advance(indexes, made.chain)
    for limit in (1, 2, 100):
        found: list[tuple[int, int]] = []
        cursor: bytes | None = None
        while True:
            page = indexes.search(
                lambda index, at=cursor, count=limit: index.find_by_organisation(  # type: ignore[misc]  # bound now
                    "enterprise-a", at, count
                )
            )
            found += [(entry.height, entry.index) for entry in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == [(3, 0), (2, 0), (1, 0)]
    bank = indexes.search(lambda index: index.find_by_organisation("bank", None, 10)).items
    assert [(entry.height, entry.index) for entry in bank] == [(3, 1)]
    assert new.public_key not in (old.public_key, fresh.public_key)
    assert (
        indexes.search(lambda index: index.find_by_organisation("enterprise", None, 10)).items == ()
    )
    indexes.close()
    made.chain.close()


def test_events_of_a_later_version_of_a_contract_do_not_stop_the_indexer(
    chain: AuditedChain,
) -> None:
    other: list[tuple[Any, ...]] = [
        (), (1,), ("b1", "x", 2, "a", "b"), ("b1", -1, 5, "a", "b"), (None, 1, 2, "a", "b"),
        ("b1", 1, 1 << 200, "a", "b"), ("b1", 1, 2, 3, 4), ("b1", 1, 2, [[1]], "b"),
    ]  # fmt: skip
    block = chain.chain.get_block(1)
    assert block is not None
    for contract, name in _HANDLERS:
        with IndexStore.open(MemoryStore(), chain.chain_id) as index:
            index.catch_up(chain.chain)
            events = [EVENT.encode(Event(0, contract, name, values)) for values in other]
            index.apply(chain.height + 1, block, chain.chain.get_receipts(1), events)
            assert index.index_height == chain.height + 1
            found = index.find_events(contract, name, None, 100, newest_first=True)
            assert len([item for item in found.items if item.height > chain.height]) == len(other)
