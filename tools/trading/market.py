"""The contract ``market`` for programs: books, orders, trades, prices of the days."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import ClassVar

from tools.client.wire import parse_integer
from tools.trading.desk import PAGE, Desk, read_pages

BUY, SELL = "buy", "sell"


@dataclass(frozen=True, slots=True)
class Terms:
    """Rates and band in 10^-4; prices are multiples of tick, amounts of step_kg."""

    currency: str
    tick: int
    step_kg: int
    maker_rate: int
    taker_rate: int
    band: int


@dataclass(frozen=True, slots=True)
class Book:
    """``batch`` is empty for a class."""

    operator: str
    batch: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Ticker:
    """Prices in 10^-4 of the currency for a tonne; last_price 0: none yet."""

    last_price: int
    trades: int
    volume_kg: int
    halted: bool


@dataclass(frozen=True, slots=True)
class Order:
    """As the contract keeps it; ``start`` moves on as serials are delivered."""

    book: str
    side: str
    owner: str
    price: int
    quantity_kg: int
    left_kg: int
    rested_kg: int
    batch: str
    start: int
    end: int
    expires_at: int
    fee_rate: int
    purpose: str
    status: str
    placed_at: int


@dataclass(frozen=True, slots=True)
class Resting:
    """An order that rests, by its number."""

    order: int
    price: int
    left_kg: int


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill; maker and taker are orders."""

    price: int
    quantity_kg: int
    amount: int
    maker_fee: int
    taker_fee: int
    buyer: str
    seller: str
    maker: int
    taker: int
    batch: str
    start: int
    time: int
    height: int


@dataclass(frozen=True, slots=True)
class Day:
    """What a book traded on a day of UTC, counted from 1970-01-01."""

    day: int
    first_price: int
    high: int
    low: int
    last_price: int
    volume_kg: int
    amount: int
    trades: int


@dataclass(frozen=True, slots=True)
class Valuation:
    """The average by volume of some days, and the last price then or before."""

    price: int
    volume_kg: int
    amount: int
    trades: int
    last_price: int


@dataclass(frozen=True, slots=True)
class Market(Desk):
    """Prices are in 10^-4 of the currency for a tonne, amounts in kilograms, times in seconds."""

    CONTRACT: ClassVar[str] = "market"

    async def open_book(self, book: str, batch: str, terms: Terms) -> None:
        """A book of one batch, run by the key's exchange."""
        await self.send("open_book", book, batch, list(astuple(terms)))

    async def halt(self, book: str, reason: str) -> None:
        """By a regulator."""
        await self.send("halt", book, reason)

    async def reopen(self, book: str, last_price: int = 0) -> None:
        """By a regulator; 0: the next trade has no band."""
        await self.send("reopen", book, last_price)

    async def buy(
        self, book: str, price: int, kilograms: int, *, fee_cap: int, expires_at: int = 0,
        force: str = "", purpose: str = "",
    ) -> int:  # fmt: skip
        """The order's number. It rests until ``expires_at``, else what is left is cancelled."""
        rules = (force or _choose_force(expires_at), expires_at, fee_cap)
        return parse_integer(await self.send("buy", book, price, kilograms, *rules, purpose))

    async def sell(
        self, book: str, price: int, batch: str, start: int, end: int, *, fee_cap: int,
        expires_at: int = 0, force: str = "",
    ) -> int:  # fmt: skip
        """The order's number; serials [start, end) of one lot."""
        rules = (force or _choose_force(expires_at), expires_at, fee_cap)
        return parse_integer(await self.send("sell", book, price, batch, start, end, *rules))

    async def cancel(self, order: int) -> None:
        """By the order's owner, or a regulator."""
        await self.send("cancel", order)

    async def get_book(self, book: str) -> Book:
        """Its operator and terms."""
        return await self.record(Book, "get_book", book)

    async def get_ticker(self, book: str) -> Ticker:
        """Last price, number of trades, volume, whether it is halted."""
        return await self.record(Ticker, "get_ticker", book)

    async def get_order(self, order: int) -> Order:
        """One order."""
        return await self.record(Order, "get_order", order)

    async def list_books(self) -> list[str]:
        """Names of all books."""

        async def read(last: str | None) -> list[str]:
            return [str(name) for name in await self.view("list_books", last or "", PAGE)]

        return await read_pages(read)

    async def list_orders(self, organisation: str) -> list[int]:
        """Numbers of its orders that rest."""

        async def read(last: int | None) -> list[int]:
            found = await self.view("orders_of", organisation, last or 0, PAGE)
            return [parse_integer(item) for item in found]

        return await read_pages(read)

    async def list_resting(self, book: str, side: str, limit: int = PAGE) -> list[Resting]:
        """The first ``limit`` (to 100) orders of a side, in the order in which they trade."""
        return await self.records(Resting, "list_resting", book, side, 0, 0, limit)

    async def read_trades(self, book: str, after: int, limit: int = PAGE) -> list[Trade]:
        """One page after trade number ``after``, oldest first."""
        return await self.records(Trade, "trades_of", book, after, limit)

    async def list_days(self, book: str) -> list[Day]:
        """Every day with trades, oldest first."""

        async def read(last: Day | None) -> list[Day]:
            return await self.records(Day, "days_of", book, last.day if last else -1, PAGE)

        return await read_pages(read)

    async def get_valuation(self, book: str, first_day: int, last_day: int) -> Valuation:
        """The average of at most 31 days."""
        return await self.record(Valuation, "valuation", book, first_day, last_day)


def _choose_force(expires_at: int) -> str:
    return "gtt" if expires_at else "ioc"
