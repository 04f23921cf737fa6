"""Futures for programs: order books (`futures`), margin and marks (`clearing`), `delivery`.

Prices are in 10^-4 of the currency per tonne, money in 10^-4 of the currency, rates in 10^-4. What
the figures mean: docs/futures.md.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import ClassVar

from tools.client.wire import parse_integer
from tools.trading.desk import PAGE, Desk, read_pages

BUY, SELL = "buy", "sell"
LONG, SHORT = "long", "short"
CASH, PHYSICAL = "cash", "physical"


@dataclass(frozen=True, slots=True)
class Terms:
    """Never change; expiry is a midnight UTC, fees are for a contract."""

    underlying: str
    expiry: int
    size_kg: int
    tick: int
    currency: str
    delivery: str
    initial: int
    maintenance: int
    band: int
    contribution: int
    penalty: int
    maker_fee: int
    taker_fee: int
    volume_min: int


@dataclass(frozen=True, slots=True)
class Series:
    """What an exchange listed."""

    operator: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class State:
    """``status`` is open, clearing, settling or closed; marked_day counts from 1970-01-01."""

    status: str
    settlement: int
    marked_day: int
    marks: int
    final: bool


@dataclass(frozen=True, slots=True)
class Fund:
    """The series' default fund: the operator's stake, and the value of the members' shares."""

    stake: int
    value: int
    shares: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A position at the settlement price; initial and maintenance are what it needs there."""

    contracts: int
    balance: int
    equity: int
    initial: int
    maintenance: int
    trigger: int
    fund_part: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A position among the largest."""

    organisation: str
    contracts: int


@dataclass(frozen=True, slots=True)
class Order:
    """As the contract keeps it; ``fee`` is that of a resting order, a contract."""

    series: str
    side: str
    owner: str
    price: int
    contracts: int
    left: int
    expires_at: int
    fee: int
    status: str
    placed_at: int


@dataclass(frozen=True, slots=True)
class Resting:
    """An order that rests, by its number."""

    order: int
    price: int
    left: int


@dataclass(frozen=True, slots=True)
class Trade:
    """Maker and taker are orders; times in seconds UTC."""

    price: int
    contracts: int
    buyer: str
    seller: str
    maker: int
    taker: int
    time: int
    height: int


@dataclass(frozen=True, slots=True)
class Tender:
    """Serials that a short position put up."""

    parcel: int
    owner: str
    batch: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A long position that paid."""

    payment: int
    owner: str
    contracts: int


@dataclass(frozen=True, slots=True)
class Futures(Desk):
    """The order books."""

    CONTRACT: ClassVar[str] = "futures"

    async def place(
        self, series: str, side: str, price: int, contracts: int, force: str, expires_at: int,
        fee_cap: int,
    ) -> int:  # fmt: skip
        """Place an order; return its number. expires_at is 0 unless the force is ``gtt``."""
        arguments = (series, side, price, contracts, force, expires_at, fee_cap)
        return parse_integer(await self.send("place", *arguments))

    async def cancel(self, order: int) -> None:
        """End an own order, or as a regulator anybody's."""
        await self.send("cancel", order)

    async def expire(self, orders: list[int]) -> None:
        """Sweep up to 50 orders whose time is over."""
        await self.send("expire", list(orders))

    async def get_order(self, order: int) -> Order:
        """An order by its number."""
        return await self.record(Order, "get_order", order)

    async def list_orders_of(self, organisation: str, series: str) -> list[int]:
        """The numbers of those that rest; a member has twenty in a series at most."""
        found = await self.view("orders_of", organisation, series, 0, PAGE)
        return [parse_integer(item) for item in found]

    async def list_resting(self, series: str, side: str) -> list[Resting]:
        """One side of the book, in the order in which it trades."""

        async def read(last: Resting | None) -> list[Resting]:
            after = (last.price, last.order) if last else (0, 0)
            return await self.records(Resting, "list_resting", series, side, *after, PAGE)

        return await read_pages(read)

    async def list_trades(self, series: str, after: int = 0) -> list[Trade]:
        """A page of a hundred trades after number ``after``, oldest first."""
        return await self.records(Trade, "trades_of", series, after, PAGE)


@dataclass(frozen=True, slots=True)
class Clearing(Desk):
    """Series, deposits, positions, marks and defaults."""

    CONTRACT: ClassVar[str] = "clearing"

    async def open_series(self, series: str, terms: Terms, price: int) -> None:
        """List a series, as an exchange; the band lies round ``price`` until the first mark."""
        await self.send("open_series", series, list(astuple(terms)), price)

    async def deposit(self, currency: str, amount: int) -> None:
        """Money out of `cash`: for margin, and for what a mark calls for."""
        await self.send("deposit", currency, amount)

    async def withdraw(self, currency: str, amount: int) -> None:
        """Money back into `cash`."""
        await self.send("withdraw", currency, amount)

    async def collect(self, series: str) -> int:
        """Free what the position has above its initial margin; return it."""
        return parse_integer(await self.send("collect", series))

    async def add_stake(self, series: str, amount: int) -> None:
        """The operator's money into the default fund."""
        await self.send("add_stake", series, amount)

    async def redeem(self, series: str) -> int:
        """Take the own part of the fund back; return it."""
        return parse_integer(await self.send("redeem", series))

    async def mark(self, series: str) -> int:
        """Settle the days that are over; return the settlement price."""
        return parse_integer(await self.send("mark", series))

    async def clear(self, series: str) -> None:
        """Go on with a mark that was too much for one transaction."""
        await self.send("clear", series)

    async def finish(self, series: str) -> int:
        """After the last position: stake and penalties to the operator; return them."""
        return parse_integer(await self.send("finish", series))

    async def get_series(self, series: str) -> Series:
        """Who operates it, and its terms."""
        return await self.record(Series, "get_series", series)

    async def get_state(self, series: str) -> State:
        """Status, settlement price and the last mark."""
        return await self.record(State, "get_state", series)

    async def get_fund(self, series: str) -> Fund:
        """The default fund."""
        return await self.record(Fund, "get_fund", series)

    async def get_interest(self, series: str) -> int:
        """Open contracts, counted once."""
        return parse_integer(await self.view("get_interest", series))

    async def get_free(self, organisation: str, currency: str) -> int:
        """The deposit that stands behind no position."""
        return parse_integer(await self.view("free_of", organisation, currency))

    async def get_standing(self, series: str, organisation: str) -> Standing:
        """A position with its margin."""
        return await self.record(Standing, "standing_of", series, organisation)

    async def list_positions(self, series: str, side: str) -> list[Ranked]:
        """All of a side, the largest first."""

        async def read(last: Ranked | None) -> list[Ranked]:
            after = (last.contracts, last.organisation) if last else (0, "")
            return await self.records(Ranked, "positions_of", series, side, *after, PAGE)

        return await read_pages(read)

    async def list_series(self) -> list[str]:
        """Every series there is, by name."""

        async def read(last: str | None) -> list[str]:
            return [str(item) for item in await self.view("list_series", last or "", PAGE)]

        return await read_pages(read)


@dataclass(frozen=True, slots=True)
class Delivery(Desk):
    """What happens at expiry."""

    CONTRACT: ClassVar[str] = "delivery"

    async def tender(self, series: str, batch: str, start: int, end: int) -> int:
        """Lock serials of one lot for a short position; return the parcel's number."""
        return parse_integer(await self.send("tender", series, batch, start, end))

    async def take_back(self, series: str, parcel: int) -> None:
        """Unlock a parcel that is not due, or owed no more."""
        await self.send("take_back", series, parcel)

    async def pay(self, series: str) -> int:
        """Pay for all that the caller is long; return the price."""
        return parse_integer(await self.send("pay", series))

    async def deliver(self, series: str) -> int:
        """Hand parcels over to who paid, up to eight; return how many steps were done."""
        return parse_integer(await self.send("deliver", series))

    async def close_out(self, series: str, members: list[str]) -> None:
        """Settle up to fifty positions in cash."""
        await self.send("close_out", series, list(members))

    async def list_parcels(self, series: str) -> list[Tender]:
        """What is tendered, in the order of delivery."""

        async def read(last: Tender | None) -> list[Tender]:
            after = last.parcel if last else 0
            return await self.records(Tender, "parcels_of", series, after, PAGE)

        return await read_pages(read)

    async def list_payers(self, series: str) -> list[Claim]:
        """Who paid, in the order of delivery."""

        async def read(last: Claim | None) -> list[Claim]:
            after = last.payment if last else 0
            return await self.records(Claim, "payers_of", series, after, PAGE)

        return await read_pages(read)
