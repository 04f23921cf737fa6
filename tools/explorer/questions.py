"""Questions that are no plain list: where the index stands, a transaction with all it did, the
trace of a serial, holdings, candles, totals, a contract's source.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, func, select, text

from tools.explorer.lists import ROOT, wrap
from tools.explorer.naming import Abis
from tools.explorer.operation import Operation, Values
from tools.explorer.parameters import (
    PROOF,
    in_path,
    make_choice,
    make_integer,
    make_segment,
    make_text,
)
from tools.explorer.problems import TITLES, Problem
from tools.explorer.proofs import prove_row
from tools.explorer.rendering import render_row
from tools.explorer.service import Answer, Service
from tools.indexer.columns import render_moment, render_money
from tools.indexer.core import BLOCKS, CALLS, CODES, CONTRACTS, EVENTS, TRANSACTIONS, UNREAD
from tools.indexer.lots import CURRENT, LOTS
from tools.indexer.registry import LISTINGS
from tools.indexer.tables.cash import CURRENCIES
from tools.indexer.tables.market import TRADES
from tools.indexer.tables.units import BATCHES

SERIAL_MAX: Final = 10**18
STEPS_MAX: Final = 200
CANDLES_MAX: Final = 500
ROWS_MAX: Final = 50_000
PERIODS: Final = {"hour": 3_600, "day": 86_400, "week": 604_800}
_ANY: Final[dict[str, Any]] = {"type": "object"}
_ITEMS: Final[dict[str, Any]] = {"type": "array", "items": _ANY}


async def show_status(service: Service, values: Values) -> Answer:
    """Return where the index stands beside its chain."""

    def read(connection: Connection) -> dict[str, Any]:
        row = connection.execute(select(BLOCKS).order_by(BLOCKS.c.height.desc()).limit(1)).one()
        unread = connection.execute(select(func.count()).select_from(UNREAD)).scalar_one()
        return {
            "index_time": render_moment(row.time),
            "block_hash": "0x" + bytes(row.hash).hex(),
            "state_root": "0x" + bytes(row.state_root).hex(),
            "unread_events": unread,
        }

    height, found = await service.read(read)
    progress = service.progress
    document = {
        "index_height": height, "chain_id": "0x" + service.chain_id.hex(),
        "chain_name": service.genesis.chain_name, **found,
        "node_height": progress.node_height, "lag_seconds": round(progress.lag_s, 3),
        "error": progress.error,
    }  # fmt: skip
    return Answer(document, height, fresh=True)


async def show_transaction(service: Service, values: Values) -> Answer:
    """Return a transaction by its id with its calls and events."""

    def read(connection: Connection) -> Any:
        row = connection.execute(
            select(TRANSACTIONS).where(TRANSACTIONS.c.id == values["id"])
        ).mappings().first()  # fmt: skip
        if row is None:
            return None
        abis = Abis(connection)

        def find(table: Any, name: str) -> list[Any]:
            order = list(table.primary_key.columns)
            rows = connection.execute(
                select(table)
                .where(table.c.height == row["height"], table.c.tx_index == row["tx_index"])
                .order_by(*order)
            ).mappings()
            return [render_row(LISTINGS[name], item, abis) for item in rows]

        return dict(row), {
            "item": render_row(LISTINGS["transactions"], row, abis),
            "calls": find(CALLS, "calls"),
            "events": find(EVENTS, "events"),
        }

    height, found = await service.read(read)
    if found is None:
        raise Problem("not-found", "no such transaction up to this height")
    document = {"index_height": height, **found[1]}
    if values["proof"]:
        document["proof"] = await prove_row(service, LISTINGS["transactions"], found[0])
    return Answer(document, height, values["proof"])


async def show_trace(service: Service, values: Values) -> Answer:
    """Return what happened to one serial, newest first: each step ends the one below it."""
    batch, serial, limit = values["batch"], values["serial"], values["limit"]

    def read(connection: Connection) -> Any:
        holds = (LOTS.c.batch == batch, LOTS.c.start <= serial, LOTS.c.end > serial)
        now = connection.execute(
            select(LOTS)
            .where(LOTS.c.batch == batch, LOTS.c.end > serial, text(CURRENT))
            .order_by(LOTS.c.end)
            .limit(1)
        ).mappings().first()  # fmt: skip
        if now is None or now["start"] > serial:
            return None
        steps, more = [now], True
        while more and len(steps) <= limit:
            last = steps[-1]
            before = connection.execute(
                select(LOTS).where(
                    *holds, LOTS.c.to_height == last["from_height"],
                    LOTS.c.to_event == last["from_event"],
                )
            ).mappings().first()  # fmt: skip
            more = before is not None
            if before is not None:
                steps.append(before)
        described = connection.execute(select(BATCHES).where(BATCHES.c.batch == batch)).mappings()
        abis = Abis(connection)
        return {
            "batch": render_row(LISTINGS["batches"], described.one(), abis),
            "steps": [render_row(LISTINGS["lot-history"], row, abis) for row in steps[:limit]],
            "complete": len(steps) <= limit,
        }

    height, found = await service.read(read)
    if found is None:
        raise Problem("not-found", "no such serial up to this height")
    return Answer({"index_height": height, **found}, height)


async def show_holdings(service: Service, values: Values) -> Answer:
    """Return what an organisation holds now, by batch and state."""

    def read(connection: Connection) -> list[dict[str, Any]]:
        statement = (
            select(LOTS.c.batch, LOTS.c.status, func.sum(LOTS.c.kg), func.count())
            .where(LOTS.c.owner == values["organisation"], text(CURRENT))
            .group_by(LOTS.c.batch, LOTS.c.status)
            .order_by(LOTS.c.batch, LOTS.c.status)
            .limit(ROWS_MAX)
        )
        return [
            {"batch": batch, "status": status, "kg": str(int(kg)), "lots": lots}
            for batch, status, kg, lots in connection.execute(statement)
        ]

    height, items = await service.read(read)
    return Answer({"index_height": height, "items": items}, height)


async def show_candles(service: Service, values: Values) -> Answer:
    """Return opening, highest, lowest and last price, and kilograms, of each period."""
    seconds = PERIODS[values["period"]]

    def read(connection: Connection) -> list[dict[str, Any]]:
        columns = (TRADES.c.time, TRADES.c.price, TRADES.c.quantity_kg)
        rows = connection.execute(
            select(*columns)
            .where(TRADES.c.book == values["book"])
            .order_by(TRADES.c.trade.desc())
            .limit(ROWS_MAX)
        )
        candles: dict[int, list[int]] = {}
        for time_s, price, kg in rows:
            start = time_s - time_s % seconds
            # Newest first: the first trade of a period seen is its last one.
            known = candles.get(start)
            if known is None:
                if len(candles) == values["limit"]:
                    break
                candles[start] = [price, price, price, price, kg, 1]
            else:
                known[0] = price
                known[1], known[2] = max(known[1], price), min(known[2], price)
                known[4] += kg
                known[5] += 1
        return [_show_candle(start, candle) for start, candle in sorted(candles.items())]

    height, items = await service.read(read)
    return Answer({"index_height": height, "items": items}, height)


def _show_candle(start: int, candle: list[int]) -> dict[str, Any]:
    first, high, low, last, kg, trades = candle
    prices = {"open": first, "high": high, "low": low, "close": last}
    shown = {name: render_money(price) for name, price in prices.items()}
    return {"time": render_moment(start), **shown, "volume_kg": str(kg), "trades": trades}


async def show_totals(service: Service, values: Values) -> Answer:
    """Return kilograms of the chain by state, by vintage, and money by currency."""
    names = ("issued_kg", "buffered_kg", "released_kg", "retired_kg", "cancelled_kg")

    def read(connection: Connection) -> dict[str, Any]:
        sums = [func.sum(BATCHES.c[name]) for name in names]
        rows = connection.execute(
            select(BATCHES.c.vintage, *sums).group_by(BATCHES.c.vintage).order_by(BATCHES.c.vintage)
        ).all()
        by_vintage = [
            {"vintage": year, **dict(zip(names, (str(int(kg)) for kg in kilograms), strict=True))}
            for year, *kilograms in rows
        ]
        chain = {
            name: str(sum(int(row[place + 1]) for row in rows)) for place, name in enumerate(names)
        }
        money = [
            {"currency": row.currency, "issued": render_money(row.issued),
             "redeemed": render_money(row.redeemed)}
            for row in connection.execute(select(CURRENCIES).order_by(CURRENCIES.c.currency))
        ]  # fmt: skip
        return {"units": chain, "by_vintage": by_vintage, "money": money}

    height, found = await service.read(read)
    return Answer({"index_height": height, **found}, height)


async def show_source(service: Service, values: Values) -> Answer:
    """Return a version of a contract with source and ABI."""

    def read(connection: Connection) -> Any:
        statement = select(CONTRACTS).where(CONTRACTS.c.contract == values["contract"])
        if values["version"] is not None:
            statement = statement.where(CONTRACTS.c.version == values["version"])
        row = connection.execute(
            statement.order_by(CONTRACTS.c.version.desc()).limit(1)
        ).mappings().first()  # fmt: skip
        if row is None:
            return None
        code = connection.execute(
            select(CODES).where(CODES.c.code_hash == row["code_hash"])
        ).first()
        return {
            "item": render_row(LISTINGS["contracts"], row, Abis(connection)),
            "source": None if code is None else code.source,
            "abi": None if code is None else json.loads(code.abi),
        }

    height, found = await service.read(read)
    if found is None:
        raise Problem("not-found", "no such contract, or version, up to this height")
    return Answer({"index_height": height, **found}, height)


async def show_problems(service: Service, values: Values) -> Answer:
    """Return every code that a refusal may have."""
    height = await service.get_height()
    items = [
        {"code": code, "status": status, "title": title} for code, (status, title) in TITLES.items()
    ]
    return Answer({"index_height": height, "items": items}, height)


_STEPS = make_integer("limit", "steps", 1, STEPS_MAX, 50)
_OPTIONAL_PROOF: Final = {"proof": _ANY}
_MISSING: Final = (400, 404, 429, 500, 502, 503)

QUESTIONS: Final = (
    Operation(
        "status", f"{ROOT}/status", "Where the index stands beside its chain.", show_status,
        wrap({"chain_id": {"type": "string"}, "chain_name": {"type": "string"},
              "index_time": {"type": "string"}, "block_hash": {"type": "string"},
              "state_root": {"type": "string"}, "unread_events": {"type": "integer"},
              "node_height": {"type": "integer"}, "lag_seconds": {"type": "number"},
              "error": {"type": "string"}}),
    ),
    Operation(
        "transaction", f"{ROOT}/transactions/{{id}}",
        "A transaction by its id with its calls and events.", show_transaction,
        wrap({"item": {"$ref": "#/components/schemas/transactions"}, "calls": _ITEMS,
              "events": _ITEMS}, _OPTIONAL_PROOF),
        (make_segment(TRANSACTIONS.c.id), PROOF), problems=_MISSING,
    ),
    Operation(
        "trace", f"{ROOT}/batches/{{batch}}/serials/{{serial}}",
        "What happened to one serial, newest first.", show_trace,
        wrap({"batch": {"$ref": "#/components/schemas/batches"}, "steps": _ITEMS,
              "complete": {"type": "boolean"}}),
        (make_segment(BATCHES.c.batch),
         in_path(make_integer("serial", "serial: a kilogram", 0, SERIAL_MAX)), _STEPS),
        "units", problems=_MISSING,
    ),
    Operation(
        "holdings", f"{ROOT}/organisations/{{organisation}}/holdings",
        "What an organisation holds now, by batch and state.", show_holdings,
        wrap({"items": _ITEMS}), (in_path(make_text("organisation", "organisation, or buffer")),),
        "units", 5,
    ),
    Operation(
        "candles", f"{ROOT}/books/{{book}}/candles",
        "Prices of a book by period; the newest 50,000 trades.", show_candles,
        wrap({"items": _ITEMS}),
        (in_path(make_text("book", "book")),
         make_choice("period", "period", ("day", "hour", "week")),
         make_integer("limit", "candles", 1, CANDLES_MAX, 100)),
        "market", 5,
    ),
    Operation(
        "totals", f"{ROOT}/totals", "Kilograms by state and vintage, money by currency.",
        show_totals, wrap({"units": _ANY, "by_vintage": _ITEMS, "money": _ITEMS}), (), "units", 5,
    ),
    Operation(
        "source", f"{ROOT}/contracts/{{contract}}/source",
        "A contract's source and ABI; the newest version unless one is named.", show_source,
        wrap({"item": {"$ref": "#/components/schemas/contracts"},
              "source": {"type": ["string", "null"]}, "abi": {"type": ["object", "null"]}}),
        (in_path(make_text("contract", "contract")),
         make_integer("version", "version", 1, (1 << 63) - 1)),
        problems=_MISSING,
    ),
    Operation(
        "problems", f"{ROOT}/problems", "Codes of refusals.", show_problems,
        wrap({"items": _ITEMS}),
    ),
)  # fmt: skip
