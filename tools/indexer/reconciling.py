"""The index's totals against the chain's own views at the same height.

Kilograms of every batch and of the chain, certificates, money by currency and its balances;
and within the index lots against batches. A view answers at the node's present height
alone, so each question is asked again until the index stands at that height: behind a busy
chain an index that is being written is at every height for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select, text

from tools.client.client import Client
from tools.client.errors import RpcError
from tools.client.results import get_integer, get_object
from tools.client.wire import Request
from tools.indexer.database import reading, require_meta
from tools.indexer.errors import IndexFault
from tools.indexer.lots import CURRENT, LOTS
from tools.indexer.tables.cash import ACCOUNTS, CURRENCIES
from tools.indexer.tables.retirement import CERTIFICATES
from tools.indexer.tables.units import BATCHES
from tools.indexer.writing import HEIGHT

PAGE: Final = 50
TRIES_MAX: Final = 40
LOOKS_MAX: Final = 200
LOOK_S: Final = 0.02
TOTALS: Final = ("issued_kg", "buffered_kg", "released_kg", "retired_kg", "cancelled_kg")


@dataclass(slots=True)
class Reconciliation:
    """What was compared, and what differs."""

    heights: tuple[int, int] = (0, 0)
    batches: int = 0
    currencies: int = 0
    accounts: int = 0
    differences: list[str] = field(default_factory=list)

    def check(self, what: str, index: int, chain: int) -> None:
        """Note a difference."""
        if index != chain:
            self.differences.append(f"{what}: index {index}, chain {chain}")


Answers = list[Any]
Read = Callable[[Connection], Any]


async def reconcile(engine: Engine, client: Client) -> Reconciliation:
    """Compare everything that can be. Raises IndexFault 'index-behind' where heights never meet."""
    found = Reconciliation()
    first = await _reconcile_chain(engine, client, found)
    await _reconcile_batches(engine, client, found)
    last = await _reconcile_money(engine, client, found)
    await asyncio.to_thread(_check_lots, engine, found)
    found.heights = (first, last)
    return found


async def _reconcile_chain(engine: Engine, client: Client, found: Reconciliation) -> int:
    def read(connection: Connection) -> Any:
        batches = [sum(_list(connection, BATCHES.c[name])) for name in TOTALS]
        kinds = (CERTIFICATES.c.kind == "cancellation", CERTIFICATES.c.kind != "cancellation")
        ended = [
            sum(connection.execute(select(CERTIFICATES.c.quantity_kg).where(kind)).scalars())
            for kind in kinds
        ]
        return batches, ended, connection.execute(select(func.count()).select_from(CERTIFICATES))\
            .scalar_one()  # fmt: skip

    calls = [_view("units", "total"), _view("retirement", "total"), _view("retirement", "count")]
    answers, (batches, (cancelled, retired), count), height = await _ask(
        engine, client, calls, read
    )
    for name, own in zip(TOTALS, batches, strict=True):
        found.check(f"units.total {name}", own, get_integer(get_object(answers[0]), name))
    found.check("retirement.total retired", retired, int(answers[1][0]))
    found.check("retirement.total cancelled", cancelled, int(answers[1][1]))
    found.check("retirement.count", count, int(answers[2]))
    return height


async def _reconcile_batches(engine: Engine, client: Client, found: Reconciliation) -> None:
    after = ""
    while True:
        page = select(BATCHES).where(BATCHES.c.batch > after).order_by(BATCHES.c.batch).limit(PAGE)
        with reading(engine) as connection:
            ids = [row.batch for row in connection.execute(page)]
        if not ids:
            return
        wanted = select(BATCHES).where(BATCHES.c.batch.in_(ids)).order_by(BATCHES.c.batch)
        answers, rows, _ = await _ask(
            engine, client, [_view("units", "get_totals", batch) for batch in ids],
            lambda connection, query=wanted: connection.execute(query).mappings().all(),  # type: ignore[misc]  # bound now
        )  # fmt: skip
        for row, answer in zip(rows, answers, strict=True):
            for name in TOTALS:
                stated = get_integer(get_object(answer), name)
                found.check(f"units {row['batch']} {name}", row[name], stated)
        found.batches += len(ids)
        after = ids[-1]


async def _reconcile_money(engine: Engine, client: Client, found: Reconciliation) -> int:
    with reading(engine) as connection:
        currencies = _list(connection, CURRENCIES.c.currency)
        keys = connection.execute(
            select(ACCOUNTS.c.organisation, ACCOUNTS.c.currency).order_by(*ACCOUNTS.primary_key)
        ).all()
        height = int(require_meta(connection, HEIGHT))
    for currency in currencies:

        def read(connection: Connection, currency: str = currency) -> Any:
            row = connection.execute(
                select(CURRENCIES).where(CURRENCIES.c.currency == currency)
            ).one()
            balances = connection.execute(
                select(ACCOUNTS.c.balance).where(ACCOUNTS.c.currency == currency)
            ).scalars()
            return row.issued, row.redeemed, sum(balances)

        answers, own, height = await _ask(engine, client, [_view("cash", "total", currency)], read)
        stated = get_object(answers[0])
        issued, redeemed = get_integer(stated, "issued"), get_integer(stated, "redeemed")
        found.check(f"cash {currency} issued", own[0], issued)
        found.check(f"cash {currency} redeemed", own[1], redeemed)
        found.check(f"cash {currency} balances", own[2], issued - redeemed)
        found.currencies += 1
    for place in range(0, len(keys), PAGE):
        part = [tuple(key) for key in keys[place : place + PAGE]]

        def read_accounts(connection: Connection, part: Any = part) -> Any:
            return [
                connection.execute(
                    select(ACCOUNTS.c.balance).where(
                        ACCOUNTS.c.organisation == organisation, ACCOUNTS.c.currency == currency
                    )
                ).scalar_one()
                for organisation, currency in part
            ]

        answers, balances, height = await _ask(
            engine, client, [_view("cash", "account_of", *key) for key in part], read_accounts
        )
        for key, own_balance, answer in zip(part, balances, answers, strict=True):
            account = get_object(answer)
            stated_kg = get_integer(account, "free") + get_integer(account, "held")
            found.check(f"cash account {'/'.join(key)}", own_balance, stated_kg)
        found.accounts += len(part)
    return height


def _check_lots(engine: Engine, found: Reconciliation) -> None:
    """What was issued of a batch is what its lots are, state by state."""
    columns = (LOTS.c.batch, LOTS.c.status, func.sum(LOTS.c.kg))
    statement = select(*columns).where(text(CURRENT)).group_by(LOTS.c.batch, LOTS.c.status)
    sums: dict[str, dict[str, int]] = {}
    with reading(engine) as connection:
        for batch, status, kg in connection.execute(statement):
            sums.setdefault(batch, {})[status] = int(kg)
        for row in connection.execute(select(BATCHES).order_by(BATCHES.c.batch)).mappings():
            lots = sums.get(row["batch"], {})
            found.check(f"lots of {row['batch']}", sum(lots.values()), row["issued_kg"])
            for status in ("retired", "cancelled"):
                own, of_batch = lots.get(status, 0), row[f"{status}_kg"]
                found.check(f"{status} lots of {row['batch']}", own, of_batch)


def _view(contract: str, method: str, *arguments: Any) -> Request:
    return Request(
        "state_call", {"contract": contract, "method": method, "arguments": list(arguments)}
    )


def _list(connection: Connection, column: Any) -> list[Any]:
    return list(connection.execute(select(column)).scalars())


async def _ask(
    engine: Engine, client: Client, calls: list[Request], read: Read
) -> tuple[Answers, Any, int]:
    """Return the views' values, what ``read`` finds in the index, and their common height."""
    for _ in range(TRIES_MAX):
        outcomes = await client.call_many(calls)
        answers = [get_object(_raise(outcome)) for outcome in outcomes]
        heights = {get_integer(answer, "height") for answer in answers}
        if len(heights) != 1:
            continue
        (height,) = heights
        met, own = await _read_at(engine, height, read)
        if met:
            return [answer["value"] for answer in answers], own, height
    raise IndexFault(
        "the index and the node never stood at one height: is the index followed?",
        code="index-behind",
    )


def _raise(outcome: Any) -> Any:
    if isinstance(outcome, RpcError):
        raise outcome
    return outcome


async def _read_at(engine: Engine, height: int, read: Read) -> tuple[bool, Any]:
    """Return whether the index was at ``height``, waiting for it, and what it held then."""

    def look() -> tuple[int, Any]:
        with reading(engine) as connection:
            own = int(require_meta(connection, HEIGHT))
            return own, read(connection) if own == height else None

    for _ in range(LOOKS_MAX):
        own, values = await asyncio.to_thread(look)
        if own >= height:
            return own == height, values
        await asyncio.sleep(LOOK_S)
    return False, None
