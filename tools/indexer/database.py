"""Opening an index: engine, schema, versions, the genesis, and where it stands.

Versions (decision 0072): tables that blocks fill (``CERTIFIED``) change by numbered steps,
``MIGRATIONS``; everything else is derived from them and written anew when the program that
opens the index derives it otherwise. One transaction each, on both engines.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from node.execution import apply_genesis
from primitives.block import EVENT
from primitives.genesis import Genesis, compute_chain_id, dump_genesis, load_genesis
from primitives.validators import VALIDATOR_SET
from storage.chain import ChainStore
from storage.memory import MemoryStore
from tools.indexer.book import METADATA, Place
from tools.indexer.codes import add_code, start_version
from tools.indexer.columns import dump_document
from tools.indexer.core import BLOCKS, CALLS, META
from tools.indexer.deriving import derive_again
from tools.indexer.errors import IndexFault
from tools.indexer.registry import CERTIFIED, DERIVED, DERIVED_VERSION
from tools.indexer.verified import Tip
from tools.indexer.writing import DERIVED_BY, HEIGHT, VALIDATORS, Writer, make_calls, put_meta
from tools.light.epochs import TrustedSet
from vm.machine import Machine

SCHEMA_VERSION: Final = "1"
SQLITE_CACHE_KIB: Final = 64 * 1024
BUSY_MS: Final = 30_000
"""A command waits so long for the indexer's transaction to end."""
PROGRESS_STEPS: Final = 20_000
"""SQLite looks at the clock after so many of its instructions: about a millisecond."""
LOCK_KEY: Final = 0x0C_A2_B0_9D
"""PostgreSQL's advisory lock of the one writer."""

MIGRATIONS: Final[dict[str, Callable[[Connection], str]]] = {}
"""From a schema version: what changes the certified tables, and the version it leads to."""

_MACHINE: Final = Machine()
"""Keeps what it compiled: the genesis may be executed again in this process."""


def open_engine(url: str) -> Engine:
    """Return the engine of a database: a file's path or ``sqlite:///``, or PostgreSQL's URL."""
    if "://" not in url:
        url = f"sqlite:///{Path(url).expanduser().absolute()}"
    parsed = make_url(url)
    name = parsed.get_backend_name()
    if name == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if name != "sqlite" or not parsed.database:
        raise IndexFault("an index is an SQLite file or a postgresql:// URL", code="index-url")
    engine = create_engine(parsed, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: at once, for writing
    for pragma in (
        "journal_mode=WAL",
        # A crash of the machine may lose the last transactions, never a part of one: the
        # chain has them.
        "synchronous=NORMAL",
        f"busy_timeout={BUSY_MS}",
        f"cache_size=-{SQLITE_CACHE_KIB}",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine, timeout_s: float | None = None) -> Iterator[Connection]:
    """Yield a connection that sees one moment of the index, and changes nothing.

    With ``timeout_s`` a statement that runs longer raises OperationalError.
    """
    is_postgresql = engine.dialect.name == "postgresql"
    options: dict[str, Any] = {"reads": True}
    if is_postgresql:
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if timeout_s is None:
            yield connection
        elif is_postgresql:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(timeout_s * 1_000)}")
            yield connection
        else:
            driver: Any = connection.connection.driver_connection
            deadline = time.monotonic() + timeout_s
            driver.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_STEPS)
            try:
                yield connection
            finally:
                driver.set_progress_handler(None, 0)


def get_meta(connection: Connection, name: str) -> str | None:
    """Return one of the index's settings."""
    value: str | None = connection.execute(select(META.c.value).where(META.c.name == name)).scalar()
    return value


def require_meta(connection: Connection, name: str) -> str:
    """As ``get_meta``; raises IndexFault for a database that is no index."""
    try:
        value = get_meta(connection, name)
    except DBAPIError:
        value = None
    if value is None:
        raise IndexFault("there is no index in this database", code="index-missing")
    return value


def read_genesis(connection: Connection) -> Genesis:
    """Return the genesis that the index was begun with."""
    return load_genesis(require_meta(connection, "genesis"))


def read_tip(connection: Connection) -> Tip:
    """Return where the chain of the index ends."""
    height = int(require_meta(connection, HEIGHT))
    row = connection.execute(
        select(BLOCKS.c.hash, BLOCKS.c.exec_hash).where(BLOCKS.c.height == height)
    ).one()
    return Tip(height, bytes(row.hash), bytes(row.exec_hash))


def dump_trusted(trusted: TrustedSet) -> str:
    """Return a set of validators as a setting."""
    return json.dumps([trusted.epoch, VALIDATOR_SET.encode(trusted.validators).hex()])


def read_trusted(connection: Connection) -> TrustedSet:
    """Return the validators that the index trusts: followed from the genesis's."""
    epoch, encoded = json.loads(require_meta(connection, VALIDATORS))
    return TrustedSet(int(epoch), VALIDATOR_SET.decode(bytes.fromhex(encoded)))


def take_lock(connection: Connection) -> None:
    """Be the one writer of a PostgreSQL index, until the connection ends.

    SQLite needs none: its writers take turns, and the height tells the second one.
    """
    if connection.dialect.name != "postgresql":
        return
    taken = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({LOCK_KEY})").scalar()
    connection.commit()
    if not taken:
        raise IndexFault("another indexer writes this database", code="index-locked")


def open_index(engine: Engine, genesis: Genesis) -> None:
    """As ``prepare``, for as long the index's one writer: nobody migrates what another writes.

    Raises IndexFault 'index-locked' beside another writer (PostgreSQL).
    """
    with engine.connect() as connection:
        # Out of the pool, or the lock would live on in whatever connection came back to it.
        connection.detach()
        take_lock(connection)
        prepare(connection, genesis)


def prepare(connection: Connection, genesis: Genesis) -> None:
    """Make the tables and height 0 where there is nothing; else migrate what is there.

    Raises IndexFault for another chain's index, or one of a newer program.
    """
    with connection.begin():
        exists = inspect(connection).has_table(META.name)
        if not exists:
            METADATA.create_all(connection)
            begin(connection, genesis)
            return
        wanted = compute_chain_id(genesis).hex()
        if require_meta(connection, "chain_id") != wanted:
            raise IndexFault("the index is of another chain", code="index-chain")
        _migrate(connection)


def begin(connection: Connection, genesis: Genesis) -> None:
    """Write height 0: what executing the genesis gives. The tables must be empty."""
    settings = {
        "schema": SCHEMA_VERSION,
        DERIVED_BY: DERIVED_VERSION,
        "chain_id": compute_chain_id(genesis).hex(),
        "genesis": dump_genesis(genesis),
        HEIGHT: "0",
        VALIDATORS: dump_trusted(TrustedSet(0, genesis.validators)),
    }
    for name, value in settings.items():
        put_meta(connection, name, value)
    with ChainStore.open(MemoryStore(), compute_chain_id(genesis)) as chain:
        apply_genesis(chain, _MACHINE, genesis)
        encoded, tip = list(chain.get_events(0)), chain.tip
    assert tip is not None
    time_s = genesis.time_ms // 1_000
    writer, events = Writer(connection), [EVENT.decode(item) for item in encoded]
    connection.execute(
        BLOCKS.insert(),
        {
            "height": 0, "hash": bytes(tip.block_hash), "exec_hash": bytes(tip.exec_hash),
            "state_root": bytes(tip.state_root), "time": time_s, "time_ms": genesis.time_ms,
            "proposer": b"", "tx_count": 0, "event_count": len(events), "gas": 0, "epoch": 0,
            "view": 0, "signers": dump_document([]),
        },
    )  # fmt: skip
    write_genesis_rows(writer, genesis, time_s)
    rows: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    event_number = 0
    for index, item in enumerate(genesis.calls):
        place = Place(0, time_s, event_number, index, None, bytes(item.sender), (item.call,))
        own = [n for n, found in enumerate(events) if found.transaction_index == index]
        writer.apply_events(place, [events[n] for n in own], [encoded[n] for n in own], rows)
        calls += make_calls(place, (item.call,), "ok")
        event_number = place.event
    connection.execute(METADATA.tables["events"].insert(), rows)
    connection.execute(CALLS.insert(), calls)
    writer.rows.flush()


def write_genesis_rows(writer: Writer, genesis: Genesis, time_s: int) -> None:
    """Let the genesis's contracts be there."""
    place = Place(0, time_s)
    for contract in genesis.contracts:
        start_version(writer.rows, place, contract.name, 1, add_code(writer.rows, contract.source))


def _migrate(connection: Connection) -> None:
    version = require_meta(connection, "schema")
    while version != SCHEMA_VERSION:
        step = MIGRATIONS.get(version)
        if step is None:
            raise IndexFault(
                f"the index has schema {version}, this program knows {SCHEMA_VERSION}: use the "
                "program that made it, or rebuild it",
                code="index-schema",
            )
        version = step(connection)
        put_meta(connection, "schema", version)
    if get_meta(connection, DERIVED_BY) != DERIVED_VERSION:
        rewrite_derived(connection)


def rewrite_derived(connection: Connection) -> None:
    """Write everything that is derived anew, from the blocks that the index holds."""
    known = [table for table in DERIVED if inspect(connection).has_table(table.name)]
    METADATA.drop_all(connection, tables=known)
    METADATA.create_all(connection, tables=list(DERIVED))
    genesis = read_genesis(connection)
    writer = Writer(connection)
    write_genesis_rows(writer, genesis, genesis.time_ms // 1_000)
    derive_again(connection, writer)
    put_meta(connection, DERIVED_BY, DERIVED_VERSION)


def clear(connection: Connection) -> None:
    """Drop every table of an index. Others in the database stay."""
    METADATA.drop_all(connection, tables=[*CERTIFIED, *DERIVED, META])
