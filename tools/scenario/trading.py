"""The trading day on the chain: a bank issues money, an exchange opens a book, members trade.

Units and money change hands in one call or not at all. At the close what rests is cancelled, and
trades, balances and the exchange's fees are held against the plan's day, which was matched
by a naive book of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from primitives.transaction import Call
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
from tools.scenario.failure import compare
from tools.scenario.parties import Parties
from tools.scenario.plan import BANK, BUYERS, ENTERPRISES, EXCHANGE, SCOPE, SELLERS, TONNE

BOOK = "forest-any-vintage"
DAY_S = 24 * 3600
PAGE = 100


@dataclass(slots=True)
class TradingDay:
    """One day of one book."""

    parties: Parties
    day: Day

    async def run(self) -> Sequence[Fill]:
        """The whole day; returns its trades."""
        day, parties = self.day, self.parties
        parties.display.begin("A trading day: money, an exchange, orders", len(day.orders))
        await self._prepare()
        expires_at = await parties.read_time_s() + DAY_S
        async with asyncio.TaskGroup() as group:
            for order in day.opening:
                group.create_task(parties.do(order.owner, _make_call(order, expires_at)))
        await self._show_refusals(expires_at)
        for order in day.orders:
            await parties.do(order.owner, _make_call(order, 0))
            parties.display.advance()
        await self._close()
        await self._check()
        self._tell()
        return day.fills

    async def _prepare(self) -> None:
        for party in ENTERPRISES:
            call = Call("cash", "issue", (CURRENCY, party.organisation, MONEY, "wire 2026-11"))
            await self.parties.do(BANK.organisation, call)
        terms = [CURRENCY, TICK, 1, MAKER_RATE, TAKER_RATE, BAND]
        wanted = [SCOPE, "", "", [], 0, 9999]
        opening = Call("market", "open_class", (BOOK, wanted, terms))
        await self.parties.do(EXCHANGE.organisation, opening)

    async def _show_refusals(self, expires_at: int) -> None:
        """A trade with oneself, and a purchase without the money."""
        parties = self.parties
        best = min((o for o in self.day.opening if o.side == SELL), key=lambda order: order.price)
        itself = Order(BUY, best.owner, best.price, 1)
        await parties.be_refused(itself.owner, _make_call(itself, 0), "self-trade")
        parties.display.note(f"{best.owner} buys what it offers itself: refused (self-trade)")
        price = SOLD_AT * TICK
        dear = Order(BUY, BUYERS[0], price, MONEY * TONNE // price)
        await parties.be_refused(dear.owner, _make_call(dear, expires_at), "not-enough-money")
        parties.display.note(f"{BUYERS[0]} buys for more than it has: refused (not-enough-money)")

    async def _close(self) -> None:
        """What rests is cancelled by its owners: units and money are free again."""
        for owner in (*SELLERS, *BUYERS):
            for number in await self.parties.view("market", "orders_of", owner, 0, PAGE):
                await self.parties.do(owner, Call("market", "cancel", (number,)))

    async def _check(self) -> None:
        """Trades in their order, everyone's money, and nothing made or lost."""
        day, view = self.day, self.parties.view
        found = await view("market", "trades_of", BOOK, 0, PAGE)
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
        held = {owner: await view("cash", "account_of", owner, CURRENCY) for owner in expected}
        compare("money differs from the plan", expected, {o: a["free"] for o, a in held.items()})
        compare("money is still held", 0, sum(account["held"] for account in held.values()))
        total = await view("cash", "total", CURRENCY)
        compare("money was made or lost", total["issued"], sum(expected.values()))

    def _tell(self) -> None:
        day, display = self.day, self.parties.display
        prices = [fill.price for fill in day.fills]
        average = day.turnover * TONNE / day.volume_kg / YUAN
        display.note(
            f"{len(day.fills)} trades, {day.volume_kg / TONNE:,.3f} t for "
            f"{day.turnover / YUAN:,.2f} {CURRENCY}: low {min(prices) / YUAN:.2f}, high "
            f"{max(prices) / YUAN:.2f}, average {average:.2f}; fees {day.fees / YUAN:,.2f}"
        )
        retired = sum(fill.kilograms for fill in day.fills if fill.purpose)
        display.note(
            f"{retired / TONNE:,.3f} t of it retired in the purchase itself, for {BUYERS[-1]}"
        )
        display.note("every trade and balance as a naive book computes it; money conserved")


def _make_call(order: Order, expires_at: int) -> Call:
    """Good till a time when it may rest, immediate or cancel (0) when it may not."""
    force = "gtt" if expires_at else "ioc"
    rules = (force, expires_at, FEE_CAP)
    if order.offer is None:
        terms = (BOOK, order.price, order.kilograms, *rules, order.purpose)
        return Call("market", "buy", terms)
    offer = order.offer
    return Call("market", "sell", (BOOK, order.price, offer.batch, offer.start, offer.end, *rules))
