"""What an index takes and what it refuses: lies of nodes, other writers, odd events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, text

from primitives.block import EVENT, EXECUTION_RESULT, RECEIPT, Event
from primitives.certificate import CERTIFICATE
from primitives.errors import ProofError
from primitives.genesis import Genesis
from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.index_node import ONE_TRY, ChainAnswers, follow, make_index_node
from tools.client.client import Client
from tools.client.wire import from_hex, to_hex
from tools.indexer.book import Place
from tools.indexer.comparing import compare
from tools.indexer.core import BLOCKS, EVENTS, UNREAD
from tools.indexer.database import (
    MIGRATIONS,
    clear,
    get_meta,
    open_engine,
    prepare,
    put_meta,
    read_tip,
    read_trusted,
    reading,
    rewrite_derived,
)
from tools.indexer.errors import IndexFault
from tools.indexer.following import Follower
from tools.indexer.registry import BOOKS, CERTIFIED, DERIVED, DERIVED_VERSION, WITHOUT_BOOK
from tools.indexer.tables import identity
from tools.indexer.verified import Tip, verify_contents
from tools.indexer.writing import Writer
from vm.abi import Abi
from vm.compiler import compile_source
from vm.gas import VM_VERSION, get_schedule
from vm.genesis_builder import CONTRACT_NAMES


@pytest.fixture
def fresh(tmp_path: Path) -> Engine:
    return open_engine(str(tmp_path / "fresh.db"))


def test_an_index_built_again_is_equal_row_by_row(
    index_chain: AuditedChain, index: Engine, fresh: Engine
) -> None:
    """In other chunks: some blocks, then on from where it stopped, one by one at the end."""
    for until in (3, 17, 18, 19, index_chain.height):
        follow(index_chain, fresh, until)
    found = compare(index, fresh)
    assert found.differences == [] and found.is_equal
    assert found.height == index_chain.height
    empty = {name for name, count in found.rows.items() if count == 0}
    assert {"lots", "events", "calls", "transactions", "accounts", "payments"} & empty == set()


def test_what_is_derived_comes_out_the_same_from_the_rows_alone(
    index_chain: AuditedChain, index: Engine, fresh: Engine
) -> None:
    follow(index_chain, fresh)
    with fresh.connect() as connection, connection.begin():
        for table in DERIVED:
            connection.execute(table.delete())
        rewrite_derived(connection)
    assert compare(index, fresh).differences == []


def test_an_index_that_was_derived_otherwise_is_derived_again_when_it_is_opened(
    index_chain: AuditedChain, index: Engine, fresh: Engine
) -> None:
    follow(index_chain, fresh)
    with fresh.connect() as connection, connection.begin():
        connection.exec_driver_sql("DROP TABLE lots")
        put_meta(connection, "derived", "0")
    with fresh.connect() as connection:
        prepare(connection, index_chain.genesis)
        assert get_meta(connection, "derived") == DERIVED_VERSION
    assert compare(index, fresh).differences == []


@pytest.mark.parametrize("table", [*CERTIFIED, *DERIVED], ids=lambda table: str(table.name))
def test_comparing_notices_a_row_that_is_missing(
    index_chain: AuditedChain, index: Engine, fresh: Engine, table: Any
) -> None:
    with index.connect() as source, fresh.connect() as target:
        source.connection.driver_connection.backup(target.connection.driver_connection)  # type: ignore[union-attr]  # sqlite3's
    key = list(table.primary_key.columns)
    with fresh.connect() as connection, connection.begin():
        row = connection.execute(select(*key).limit(1)).first()
        if row is None:
            pytest.skip("this chain has no such rows")
        statement = table.delete()
        for column, value in zip(key, row, strict=True):
            statement = statement.where(column == value)
        assert connection.execute(statement).rowcount == 1
    assert any(line.startswith(f"{table.name} ") for line in compare(index, fresh).differences)
    assert any("only in the second" in line for line in compare(fresh, index).differences)


def test_indexes_of_different_heights_are_not_compared(
    index_chain: AuditedChain, index: Engine, fresh: Engine
) -> None:
    follow(index_chain, fresh, 5)
    with pytest.raises(IndexFault) as error:
        compare(index, fresh)
    assert error.value.code == "index-heights"


# -- lies


def drop_last(name: str) -> Callable[[Any], None]:
    def work(answer: Any) -> None:
        del answer[name][-1]

    return work


def repeat_first(name: str) -> Callable[[Any], None]:
    def work(answer: Any) -> None:
        answer[name].append(answer[name][0])

    return work


def swap(name: str) -> Callable[[Any], None]:
    def work(answer: Any) -> None:
        answer[name][0], answer[name][1] = answer[name][1], answer[name][0]

    return work


def forge_event(answer: Any) -> None:
    event: Event = EVENT.decode(from_hex(answer["events"][0]))
    other = Event(event.transaction_index, event.contract, "Forged", event.values)
    answer["events"][0] = to_hex(EVENT.encode(other))


def forge_receipt(answer: Any) -> None:
    data = bytearray(from_hex(answer["receipts"][0]))
    receipt = RECEIPT.decode(bytes(data))
    object.__setattr__(receipt, "gas", receipt.gas + 1)
    answer["receipts"][0] = to_hex(RECEIPT.encode(receipt))


def drop_signature(answer: Any) -> None:
    certificate = CERTIFICATE.decode(from_hex(answer["certificateEncoded"]))
    object.__setattr__(certificate, "signers", certificate.signers[:-1])
    object.__setattr__(certificate, "signatures", certificate.signatures[:-1])
    answer["certificateEncoded"] = to_hex(CERTIFICATE.encode(certificate))


def forge_state(answer: Any) -> None:
    result = EXECUTION_RESULT.decode(from_hex(answer["executionEncoded"]))
    object.__setattr__(result, "state_root", bytes(32))
    answer["executionEncoded"] = to_hex(EXECUTION_RESULT.encode(result))


PARTS = ("transactions", "receipts", "events")
LIES: dict[str, Callable[[Any], None]] = {
    **{f"without the last of {name}": drop_last(name) for name in PARTS},
    **{f"one of {name} twice": repeat_first(name) for name in PARTS},
    **{f"{name} in another order": swap(name) for name in PARTS},
    "an event of another name": forge_event,
    "a receipt with other gas": forge_receipt,
    "a signature too few": drop_signature,
    "another state": forge_state,
    "no header": lambda answer: answer.pop("headerEncoded"),
    "bytes that are no block": lambda answer: answer.update(transactions=["0x00"]),
    "events that are a number": lambda answer: answer.update(events=7),
}  # fmt: skip


def find_full_block(chain: AuditedChain) -> int:
    """Return a height with several successful transactions with events."""
    for height in range(1, chain.height + 1):
        receipts = map(RECEIPT.decode, chain.chain.get_receipts(height))
        if sum(receipt.event_count > 0 for receipt in receipts) > 2:
            return height
    raise AssertionError("no block of this chain has three transactions with events")


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_block_that_is_not_as_it_was_certified_is_refused(
    index_chain: AuditedChain, index: Engine, lie: str
) -> None:
    height = find_full_block(index_chain)
    answer = ChainAnswers(index_chain).contents({"block": height})
    with reading(index) as connection:
        before = connection.execute(select(BLOCKS).where(BLOCKS.c.height == height - 1)).one()
    tip = Tip(height - 1, bytes(before.hash), bytes(before.exec_hash))
    validators = index_chain.genesis.validators
    assert verify_contents(answer, index_chain.genesis, validators, tip).height == height
    LIES[lie](answer)
    with pytest.raises(ProofError):
        verify_contents(answer, index_chain.genesis, validators, tip)


def test_a_block_of_another_chain_or_place_is_refused(
    index_chain: AuditedChain, index: Engine
) -> None:
    genesis, validators = index_chain.genesis, index_chain.genesis.validators
    answer = ChainAnswers(index_chain).contents({"block": 2})
    with reading(index) as connection:
        first = connection.execute(select(BLOCKS).where(BLOCKS.c.height == 1)).one()
    honest = Tip(1, bytes(first.hash), bytes(first.exec_hash))
    verify_contents(answer, genesis, validators, honest)
    for tip in (
        Tip(2, honest.block_hash, honest.exec_hash),
        Tip(1, bytes(32), honest.exec_hash),
        Tip(1, honest.block_hash, bytes(32)),
    ):
        with pytest.raises(ProofError):
            verify_contents(answer, genesis, validators, tip)


def test_the_next_node_is_asked_when_one_lies_and_nothing_of_the_lie_is_kept(
    index_chain: AuditedChain, index: Engine, fresh: Engine
) -> None:
    height = find_full_block(index_chain)

    def lie(method: str, params: dict[str, Any], answer: Any) -> Any:
        if method == "chain_getContents" and params["block"] == height:
            forge_event(answer)
        return answer

    follower = follow(index_chain, fresh, None, lie)
    assert follower.progress.refused == 1
    assert compare(index, fresh).differences == []


def test_validators_are_followed_and_remembered(index_chain: AuditedChain, index: Engine) -> None:
    with reading(index) as connection:
        trusted = read_trusted(connection)
        signers = {
            tuple(json.loads(row.signers)) for row in connection.execute(select(BLOCKS.c.signers))
        }
    assert trusted.validators == index_chain.validators
    assert ("v0", "v1", "v2") in signers and ("w0", "w1", "w2") in signers


# -- writers


def test_a_second_writer_writes_nothing(index_chain: AuditedChain, fresh: Engine) -> None:
    follow(index_chain, fresh, 3)
    answers = ChainAnswers(index_chain)
    with fresh.connect() as one, fresh.connect() as other:
        with one.begin():
            tip = read_tip(one)
        block = verify_contents(
            answers.contents({"block": 4}), index_chain.genesis, index_chain.genesis.validators, tip
        )
        Writer(one).write([block], 3)
        with pytest.raises(IndexFault) as error:
            Writer(other).write([block], 3)
    assert error.value.code == "index-moved"


def test_a_program_that_derives_otherwise_than_the_index_does_now_writes_nothing(
    index_chain: AuditedChain, fresh: Engine
) -> None:
    """It runs on while a newer one opens the index: their rows would be mixed."""
    follow(index_chain, fresh, 3)
    validators = index_chain.genesis.validators
    with fresh.connect() as connection:
        with connection.begin():
            tip = read_tip(connection)
            put_meta(connection, "derived", "a newer one's")
        answer = ChainAnswers(index_chain).contents({"block": 4})
        block = verify_contents(answer, index_chain.genesis, validators, tip)
        with pytest.raises(IndexFault) as error:
            Writer(connection).write([block], 3)
        assert error.value.code == "index-moved"
        with connection.begin():
            assert read_tip(connection).height == 3


def test_a_chunk_that_fails_leaves_no_trace_and_can_be_written_again(
    index_chain: AuditedChain, index: Engine, fresh: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(index_chain, fresh, 10)
    with fresh.connect() as connection:
        with connection.begin():
            tip = read_tip(connection)
            trusted = read_trusted(connection).validators
        writer, blocks = Writer(connection), []
        for height in (11, 12):
            answer = ChainAnswers(index_chain).contents({"block": height})
            blocks.append(verify_contents(answer, index_chain.genesis, trusted, tip))
            last = blocks[-1].certificate
            tip = Tip(height, bytes(last.block_hash), bytes(last.exec_hash))
        with monkeypatch.context() as patched:
            patched.setattr("tools.indexer.rows._update", _fail)
            with pytest.raises(OSError):
                writer.write(blocks, 10)
        writer.write(blocks, 10)
    follow(index_chain, fresh)
    assert compare(index, fresh).differences == []


def _fail(*_: object) -> None:
    raise OSError("the disk is full")


def test_an_index_of_another_chain_is_refused(index_chain: AuditedChain, fresh: Engine) -> None:
    with fresh.connect() as connection:
        prepare(connection, index_chain.genesis)
        other = Genesis(
            1, "other", 0, index_chain.genesis.validators, index_chain.genesis.params, (), ()
        )
        with pytest.raises(IndexFault) as error:
            prepare(connection, other)
    assert error.value.code == "index-chain"


def test_an_index_of_a_newer_program_is_refused_and_an_older_one_migrated(
    index_chain: AuditedChain, fresh: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh.connect() as connection:
        prepare(connection, index_chain.genesis)
        with connection.begin():
            put_meta(connection, "schema", "0")
        with pytest.raises(IndexFault) as error:
            prepare(connection, index_chain.genesis)
        assert error.value.code == "index-schema"

        def step(inner: Any) -> str:
            inner.exec_driver_sql("CREATE TABLE migrated (x INTEGER)")
            return "1"

        monkeypatch.setitem(MIGRATIONS, "0", step)
        prepare(connection, index_chain.genesis)
        with connection.begin():
            assert get_meta(connection, "schema") == "1"
            connection.exec_driver_sql("SELECT x FROM migrated")
            clear(connection)


def test_a_file_that_is_no_index_is_said_to_be_none(tmp_path: Path) -> None:
    engine = open_engine(str(tmp_path / "none.db"))
    with pytest.raises(IndexFault) as error, reading(engine) as connection:
        read_tip(connection)
    assert error.value.code == "index-missing"
    with pytest.raises(IndexFault):
        open_engine("mysql://localhost/x")
    assert create_engine("sqlite://") is not None


# -- events that nobody foresaw


def apply(engine: Engine, contract: str, name: str, *values: Any) -> list[tuple[str, str]]:
    """Let one event change rows, and return what is unread then."""
    with engine.connect() as connection, connection.begin():
        writer = Writer(connection)
        event = Event(0, contract, name, values)
        writer.apply_events(Place(99, 1, 0), [event], [EVENT.encode(event)], None)
        writer.rows.flush()
        return [(row.name, row.reason) for row in connection.execute(select(UNREAD)).all()]


@pytest.mark.parametrize(
    ("contract", "name", "values", "reason"),
    [
        ("units", "Transferred", ("b", 0, 5, "a"), "other-form"),
        ("units", "Transferred", ("b", 0, True, "a", "c"), "other-form"),
        ("units", "Transferred", ("b", 0, 5, "a", "c"), "LookupError: no lot of b holds 0"),
        ("units", "Teleported", ("b",), "unknown-event"),
        ("identity", "StatusChanged", ("nobody", "x", ""), "KeyError"),
        ("identity", "Accredited", ("x", "s", 0, 1 << 200), "ValueError"),
        ("units", "Issued", ("n", 5, 5, 0, "o", "i", "p", 1), ""),
        ("units", "Issued", ("n", 0, 1 << 70, 0, "o", "i", "p", 1), "ValueError"),
        ("notes", "Noted", ("anything",), ""),
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_read_changes_nothing_and_is_kept_as_unread(
    index_chain: AuditedChain, fresh: Engine, contract: str, name: str, values: Any, reason: str
) -> None:
    with fresh.connect() as connection:
        prepare(connection, index_chain.genesis)
        with connection.begin():
            rows = {table: connection.execute(select(table)).all() for table in DERIVED}
    unread = apply(fresh, contract, name, *values)
    if reason:
        assert len(unread) == 1 and unread[0][1].startswith(reason)
        with reading(fresh) as connection:
            for table in DERIVED:
                if table is not UNREAD:
                    assert connection.execute(select(table)).all() == rows[table]
    else:
        assert unread == []


def test_texts_with_nul_are_kept_without_it(index_chain: AuditedChain, fresh: Engine) -> None:
    """PostgreSQL keeps none; two that differ in it alone are one for the index."""
    with fresh.connect() as connection:
        prepare(connection, index_chain.genesis)
    assert apply(fresh, "identity", "Granted", "a", "b", "x\0y", 5) == []
    assert apply(fresh, "identity", "Granted", "a", "b", "x\0y", 6) == []
    with reading(fresh) as connection:
        rows = connection.execute(select(identity.GRANTS)).all()
    assert [(row.subject, row.valid_until) for row in rows] == [("x\ufffdy", 6)]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: str(book.contract))
def test_every_event_of_every_contract_is_known_with_its_fields(
    index_chain: AuditedChain, book: Any
) -> None:
    """A new event either changes rows, and needs a handler, or says that it does not."""
    source = next(it.source for it in index_chain.genesis.contracts if it.name == book.contract)
    abi = Abi(compile_source(source, get_schedule(VM_VERSION)).contract).to_json()
    events = {item["name"]: item["fields"] for item in abi["events"]}
    own = {name for contract, name in book.handlers if contract == book.contract}
    assert own | book.silent == set(events) and not own & book.silent
    for name in own:
        known = book.handlers[book.contract, name]
        assert len(known.fields) == len(events[name])
        for (field, kind), item in zip(
            zip(known.fields, known.types, strict=True), events[name], strict=True
        ):
            renamed = {"hash_": "hash", "place": "at"}.get(field, field)
            assert renamed == item["name"]
            plain = item["type"].split("[")[0].replace("Address", "bytes")
            assert kind.__name__ == plain


def test_a_contract_of_the_genesis_has_a_book_or_a_reason_why_it_has_none() -> None:
    """Or its events would be in no list but that of all events, and nobody would know."""
    books = {book.contract for book in BOOKS}
    assert books | set(WITHOUT_BOOK) == set(CONTRACT_NAMES) and not books & set(WITHOUT_BOOK)
    page = (Path(__file__).parents[3] / "docs" / "explorer.md").read_text()
    for contract, reason in WITHOUT_BOOK.items():
        assert f"- `{contract}`: {reason}." in page.splitlines()


def test_events_are_kept_as_they_were_certified(index_chain: AuditedChain, index: Engine) -> None:
    with reading(index) as connection:
        rows = connection.execute(
            select(EVENTS)
            .where(EVENTS.c.height > 0)
            .order_by(EVENTS.c.height, EVENTS.c.event_index)
        ).all()
        genesis = connection.execute(text("SELECT count(*) FROM events WHERE height = 0")).scalar()
    certified = [
        data
        for height in range(1, index_chain.height + 1)
        for data in index_chain.chain.get_events(height)
    ]
    assert [bytes(row.encoded) for row in rows] == certified
    assert genesis == len(index_chain.chain.get_events(0)) > 0


def test_stopping_ends_the_follower(index_chain: AuditedChain, fresh: Engine) -> None:
    async def run() -> int:
        async with make_index_node(index_chain) as node, Client(node.url, policy=ONE_TRY) as client:
            follower, stop = Follower(fresh, [client], index_chain.genesis), asyncio.Event()
            task = asyncio.create_task(follower.run(stop))
            async with asyncio.timeout(60):
                while follower.progress.height < index_chain.height:
                    await follower.progress.changed.wait()
                stop.set()
                await task
            return follower.progress.height

    assert asyncio.run(run()) == index_chain.height
