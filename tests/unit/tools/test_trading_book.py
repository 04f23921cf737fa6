"""A book kept from events is the book that the views show, however the snapshot was read."""

from __future__ import annotations

import ast
import random
from typing import Any

import pytest

from primitives.transaction import Call
from tests.unit.vm.carbon_chain import Chain
from tests.unit.vm.market_chain import CAP, CNY, DAY, M, fund, make_market_chain, open_book
from tools.genesis_files import load_contracts
from tools.trading.book import Change, OrderBook, OutOfStep, SidePage
from tools.trading.market import BUY, SELL, Resting, Ticker

SEEDS = range(6)
SOURCE = next(item.source for item in load_contracts() if item.name == M)
FIELDS = {
    node.name: [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]  # type: ignore[union-attr]
    for node in ast.parse(SOURCE).body
    if isinstance(node, ast.ClassDef)
}


def make_chain() -> Chain:
    chain = make_market_chain()
    chain.issue("b1", 100_000)
    for name in ("alice", "bob"):
        fund(chain, name, 10**12)
    open_book(chain, terms=[CNY, 1, 1, 0, 0, 3000])
    open_book(chain, "other")
    return chain


def draw(rng: random.Random, chain: Chain, start: int) -> Chain:
    """One block with an order or a cancellation, mostly of the book b1."""
    book = "b1" if rng.random() < 0.85 else "other"
    low, kg = rng.choice((85, 85, 92)), rng.randrange(1, 30)
    price = 1000 * rng.randrange(low, low + 16)
    force = rng.choice(("gtt", "gtt", "gtt", "ioc"))
    until = chain.time + rng.randrange(5, DAY) if force == "gtt" else 0
    who = rng.choice(("alice", "bob"))
    if rng.random() < 0.15:
        open_orders = chain.view(M, "orders_of", who, 0, 100)
        if open_orders:
            call = Call(M, "cancel", (rng.choice(open_orders),))
            chain.run(chain.make(who, call))
            return chain
    if rng.random() < 0.5:
        call = Call(M, "buy", (book, price, kg, force, until, CAP, ""))
    else:
        who, price = "owner", 200_000 - price
        call = Call(M, "sell", (book, price, "b1", start, start + kg, force, until, CAP))
    chain.run(chain.make(who, call, gas=10_000_000))
    return chain


def list_items(chain: Chain) -> list[dict[str, Any]]:
    """The block's events as a node shows them."""
    return [
        {
            "name": event.name, "height": chain.height,
            "fields": dict(zip(FIELDS[event.name], event.values, strict=True)),
        }
        for event in chain.events
        if event.contract == M
    ]  # fmt: skip


def read_page(chain: Chain, side: str, last: Resting | None, size: int) -> SidePage:
    after = (last.price, last.order) if last else (0, 0)
    rows = chain.view(M, "list_resting", "b1", side, *after, size)
    return SidePage(tuple(Resting(*row) for row in rows), chain.height, len(rows) < size)


def same(chain: Chain, book: OrderBook) -> None:
    for side in (BUY, SELL):
        rows, last = [], None
        while not rows or len(rows) % 100 == 0:
            page = read_page(chain, side, last, 100)
            rows += page.rows
            if page.is_last:
                break
            last = rows[-1]
        assert book.get_orders(side) == rows
        levels: dict[int, int] = {}
        for row in rows:
            levels[row.price] = levels.get(row.price, 0) + row.left_kg
        assert book.get_levels(side) == sorted(levels.items(), reverse=side == BUY)
    assert book.ticker == Ticker(*chain.view(M, "get_ticker", "b1"))


@pytest.mark.parametrize("seed", SEEDS)
def test_pages_of_different_heights_and_events_make_the_book(seed: int) -> None:
    """Between any two pages of the snapshot blocks come; events begin before the first page."""
    rng = random.Random(seed)
    chain = make_chain()
    start = 0

    def trade(blocks: int) -> list[dict[str, Any]]:
        nonlocal start
        items = []
        for _ in range(blocks):
            draw(rng, chain, start)
            start += 30
            items += list_items(chain)
        return items

    trade(60)
    items = trade(1)
    ticker, ticker_height = Ticker(*chain.view(M, "get_ticker", "b1")), chain.height
    pages: dict[str, list[SidePage]] = {BUY: [], SELL: []}
    for side in (BUY, SELL):
        while not pages[side] or not pages[side][-1].is_last:
            last = pages[side][-1].rows[-1] if pages[side] else None
            pages[side].append(read_page(chain, side, last, 2))
            items += trade(rng.randrange(0, 4))
    book = OrderBook("b1", ticker, ticker_height, pages)
    assert len(pages[BUY]) + len(pages[SELL]) > 4
    items += trade(20)
    if rng.random() < 0.5:
        chain.ok("regulator", M, "halt", "b1", "news")
        items += list_items(chain)
        chain.ok("regulator", M, "reopen", "b1", 90_000)
        items += list_items(chain)
    items += trade(20)
    changes: list[Change] = []
    for item in items:
        if item["height"] >= book.first_height:
            changes += book.apply(item)
    same(chain, book)
    known = ticker.trades
    for change in changes:
        if change.kind == "trade":
            known += 1
            assert change.data["trade"] == known
    assert known == book.ticker.trades > ticker.trades


def make_book() -> OrderBook:
    row = Resting(1, 1000, 10)
    pages = {BUY: [SidePage((), 5, True)], SELL: [SidePage((row,), 5, True)]}
    return OrderBook("b1", Ticker(0, 0, 0, False), 5, pages)


def make_trade(**changes: Any) -> dict[str, Any]:
    fields = {"book": "b1", "trade": 1, "price": 1000, "quantity_kg": 4, "maker": 1, "taker": 2}
    return {"name": "Traded", "height": 6, "fields": fields | changes}


@pytest.mark.parametrize(
    "changes", [{"maker": 9}, {"price": 999}, {"quantity_kg": 11}, {"trade": 2}]
)
def test_events_that_do_not_fit_say_so(changes: dict[str, int]) -> None:
    book = make_book()
    with pytest.raises(OutOfStep):
        book.apply(make_trade(**changes))


def test_a_trade_of_another_book_is_none_of_this_one() -> None:
    book = make_book()
    assert book.apply(make_trade(book="b2", maker=9)) == []
    kinds = [change.kind for change in book.apply(make_trade())]
    assert kinds == ["level", "trade", "ticker"] and book.get_levels(SELL) == [(1000, 6)]


def test_the_first_height_is_the_one_after_the_oldest_part() -> None:
    pages = {BUY: [SidePage((), 7, True)], SELL: [SidePage((), 4, True)]}
    assert OrderBook("b1", Ticker(0, 0, 0, False), 6, pages).first_height == 5
