"""The trading day on the chain: a bank issues money, an exchange opens a book, members trade.

Units and money change hands in one call or not at all. At the close what rests is cancelled, and
trades, balances and the exchange's fees are held against the plan's day, which was matched
by a naive book of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from primitives.transaction import Call
from tools.client.client import Client
from tools.client.results import FinalTransaction
from tools.scenario.day import (
    BAND,
    BUY,
    CURRENCY,
    FEE_CAP,
    MAKER_RATE,
    MONEY,
    SELL,
    SOLD_AT,
    TAKER_RATE,
    TICK,
    YUAN,
    Day,
    Fill,
    Order,
)
from tools.scenario.display import Display
from tools.scenario.failure import compare
from tools.scenario.plan import BANK, BUYERS, ENTERPRISES, EXCHANGE, SCOPE, SELLERS, TONNE, Plan

BOOK = "forest-any-vintage"
DAY_S = 24 * 3600
PAGE = 100
Send = Callable[[str, Call], Awaitable[FinalTransaction]]
Expect = Callable[[FinalTransaction, str, str], None]


@dataclass(slots=True)
class TradingDay:
    """One day of one book. ``send`` makes one call of a party and returns how it ended."""

    client: Client
    plan: Plan
    display: Display
    send: Send
    expect: Expect

    async def run(self) -> Sequence[Fill]:
        """The whole day; returns its trades."""
        day = self.plan.day
        self.display.begin("A trading day: money, an exchange, orders", len(day.orders))
        await self._prepare()
        expires_at = int((await self.client.status()).document["timeMs"]) // 1000 + DAY_S
        async with asyncio.TaskGroup() as group:
            for order in day.opening:
                group.create_task(self._do(order.owner, _make_call(order, expires_at)))
        await self._show_refusals(day, expires_at)
        for order in day.orders:
            await self._do(order.owner, _make_call(order, 0))
            self.display.advance()
        await self._close()
        await self._check(day)
        self._tell(day)
        return day.fills

    async def _prepare(self) -> None:
        for party in ENTERPRISES:
            call = Call("cash", "issue", (CURRENCY, party.organisation, MONEY, "wire 2026-11"))
            await self._do(BANK.organisation, call)
        terms = [CURRENCY, TICK, 1, MAKER_RATE, TAKER_RATE, BAND]
        wanted = [SCOPE, "", "", [], 0, 9999]
        await self._do(EXCHANGE.organisation, Call("market", "open_class", (BOOK, wanted, terms)))

    async def _show_refusals(self, day: Day, expires_at: int) -> None:
        """A trade with oneself, and a purchase without the money."""
        best = min((o for o in day.opening if o.side == SELL), key=lambda order: order.price)
        itself = Order(BUY, best.owner, best.price, 1)
        refused = await self.send(itself.owner, _make_call(itself, 0))
        self.expect(refused, "reverted", "self-trade")
        self.display.note(f"{best.owner} buys what it offers itself: refused (self-trade)")
        price = SOLD_AT * TICK
        dear = Order(BUY, BUYERS[0], price, MONEY * TONNE // price)
        refused = await self.send(dear.owner, _make_call(dear, expires_at))
        self.expect(refused, "reverted", "not-enough-money")
        self.display.note(f"{BUYERS[0]} buys for more than it has: refused (not-enough-money)")

    async def _close(self) -> None:
        """What rests is cancelled by its owners: units and money are free again."""
        for owner in (*SELLERS, *BUYERS):
            for number in await self._view("market", "orders_of", owner, 0, PAGE):
                await self._do(owner, Call("market", "cancel", (number,)))

    async def _check(self, day: Day) -> None:
        """Trades in their order, everyone's money, and nothing made or lost."""
        found = await self._view("market", "trades_of", BOOK, 0, PAGE)
        trades = [
            (t["price"], t["quantity_kg"], t["amount"], t["buyer"], t["seller"], t["batch"])
            for t in found
        ]
        planned = [
            (f.price, f.kilograms, f.amount, f.buyer, f.seller, f.offer.batch) for f in day.fills
        ]
        compare("trades differ from the plan", planned, trades)
        changes = day.compute_changes()
        expected = {p.organisation: MONEY + changes.get(p.organisation, 0) for p in ENTERPRISES}
        expected[EXCHANGE.organisation] = day.fees
        held = {
            owner: await self._view("cash", "account_of", owner, CURRENCY) for owner in expected
        }
        compare("money differs from the plan", expected, {o: a["free"] for o, a in held.items()})
        compare("money is still held", 0, sum(account["held"] for account in held.values()))
        total = await self._view("cash", "total", CURRENCY)
        compare("money was made or lost", total["issued"], sum(expected.values()))

    def _tell(self, day: Day) -> None:
        prices = [fill.price for fill in day.fills]
        average = day.turnover * TONNE / day.volume_kg / YUAN
        self.display.note(
            f"{len(day.fills)} trades, {day.volume_kg / TONNE:,.3f} t for "
            f"{day.turnover / YUAN:,.2f} {CURRENCY}: low {min(prices) / YUAN:.2f}, high "
            f"{max(prices) / YUAN:.2f}, average {average:.2f}; fees {day.fees / YUAN:,.2f}"
        )
        retired = sum(fill.kilograms for fill in day.fills if fill.purpose)
        self.display.note(
            f"{retired / TONNE:,.3f} t of it retired in the purchase itself, for {BUYERS[-1]}"
        )
        self.display.note("every trade and balance as a naive book computes it; money conserved")

    async def _view(self, contract: str, method: str, *arguments: Any) -> Any:
        return (await self.client.state_call(contract, method, list(arguments))).value

    async def _do(self, organisation: str, call: Call) -> None:
        self.expect(await self.send(organisation, call), "ok", "")


def _make_call(order: Order, expires_at: int) -> Call:
    """Good till a time when it may rest, immediate or cancel (0) when it may not."""
    force = "gtt" if expires_at else "ioc"
    rules = (force, expires_at, FEE_CAP)
    if order.offer is None:
        terms = (BOOK, order.price, order.kilograms, *rules, order.purpose)
        return Call("market", "buy", terms)
    offer = order.offer
    return Call("market", "sell", (BOOK, order.price, offer.batch, offer.start, offer.end, *rules))
