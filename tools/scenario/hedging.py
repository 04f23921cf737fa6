"""A future on the day's book: a buyer of next month's credits fixes its price, with margin.

Equity is counted here again from the trade: balance and contracts of both sides add up to what
both paid in, whatever the settlement price (docs/futures.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from primitives.transaction import Call
from tools.scenario.day import CURRENCY, TICK, YUAN
from tools.scenario.failure import compare
from tools.scenario.parties import Parties
from tools.scenario.plan import BUYERS, EXCHANGE, SELLERS, TONNE
from tools.scenario.trading import BOOK, DAY_S

SERIES = "forest-next-month"
TONNES = 100
"""Of one contract."""
LISTED_AT, PRICE = 65 * YUAN, 66 * YUAN
OFFERED, BOUGHT = 5, 3
INITIAL, MAINTENANCE, BAND, CONTRIBUTION, PENALTY, WHOLE = 1_500, 1_200, 1_000, 100, 500, 10_000
TAKER_FEE = YUAN
DEPOSIT = 20_000 * YUAN
LONG, SHORT = BUYERS[1], SELLERS[-1]


@dataclass(slots=True)
class Hedge:
    """One series, one trade."""

    parties: Parties

    async def run(self) -> None:
        """List the series, show that nobody trades without margin, trade, count."""
        display = self.parties.display
        display.begin("A future on the book", 0)
        now = await self.parties.read_time_s()
        expiry = (now // DAY_S + 30) * DAY_S
        terms = [
            BOOK, expiry, TONNES * TONNE, TICK, CURRENCY, "physical", INITIAL, MAINTENANCE, BAND,
            CONTRIBUTION, PENALTY, 0, TAKER_FEE, 1,
        ]  # fmt: skip
        await self._do(EXCHANGE.organisation, "clearing", "open_series", SERIES, terms, LISTED_AT)
        purchase = (SERIES, "buy", PRICE, BOUGHT, "ioc", 0, TAKER_FEE)
        await self._do(SHORT, "clearing", "deposit", CURRENCY, DEPOSIT)
        offer = (SERIES, "sell", PRICE, OFFERED, "gtt", now + DAY_S, TAKER_FEE)
        await self._do(SHORT, "futures", "place", *offer)
        bare = Call("futures", "place", purchase)
        await self.parties.be_refused(LONG, bare, "not-enough-margin")
        display.note(f"{LONG} buys a future without a deposit: refused (not-enough-margin)")
        await self._do(LONG, "clearing", "deposit", CURRENCY, DEPOSIT)
        await self._do(LONG, "futures", "place", *purchase)
        await self._check()
        display.note(
            f"{LONG} fixes {BOUGHT * TONNES} t at {PRICE / YUAN:.2f} {CURRENCY} for next month; "
            f"{INITIAL / 100:.0f} % margin stands behind each side"
        )

    async def _check(self) -> None:
        """Both sides' equity is their initial margin, and what they have adds up."""
        value = BOUGHT * TONNES * LISTED_AT
        margin, part = -(-value * INITIAL // WHOLE), -(-value * CONTRIBUTION // WHOLE)
        moved = BOUGHT * TONNES * (PRICE - LISTED_AT)
        for who, contracts, gained, fee in (
            (LONG, BOUGHT, -moved, BOUGHT * TAKER_FEE),
            (SHORT, -BOUGHT, moved, 0),
        ):
            standing = await self._view("standing_of", SERIES, who)
            compare("a position differs from its trade", contracts, standing["contracts"])
            compare("an equity differs from the initial margin", margin, standing["equity"])
            free = await self._view("free_of", who, CURRENCY)
            left = DEPOSIT + gained - fee - part - margin
            compare("a deposit differs from what is left of it", left, free)
        compare("open interest differs", BOUGHT, await self._view("get_interest", SERIES))

    async def _view(self, method: str, *arguments: Any) -> Any:
        return await self.parties.view("clearing", method, *arguments)

    async def _do(self, organisation: str, contract: str, method: str, *arguments: Any) -> None:
        await self.parties.do(organisation, Call(contract, method, arguments))
