"""An order book kept from a snapshot and the events of the contract ``market``. Pure.

A snapshot is read in pages, and a block may come between two of them. So each page keeps the
height of which it is: an event changes an order only if it is later than the page on which the
order stands or would stand. What the events say about an order that nobody knows means that we
lost something: OutOfStep, and a new snapshot is due.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from primitives.errors import CarbonodeError
from tools.client.results import get_integer, get_member
from tools.trading.market import BUY, SELL, Resting, Ticker

Rank = tuple[int, int]
"""(price, or minus the price of a purchase, number): the order in which orders trade."""


class OutOfStep(CarbonodeError):
    """The events do not fit the book: something was missed."""

    code = "out-of-step"


@dataclass(frozen=True, slots=True)
class SidePage:
    """A page of ``list_resting``: the orders, of which height, and whether it was the last."""

    rows: tuple[Resting, ...]
    height: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What an event did: ``kind`` is level, trade, ticker; ``data`` its figures."""

    kind: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class _Order:
    side: str
    price: int
    left: int


@dataclass(slots=True)
class _Side:
    """Up to which rank each page goes, and of which height it is."""

    ends: list[Rank] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)

    def find_height(self, rank: Rank) -> int:
        return self.heights[min(bisect_left(self.ends, rank), len(self.heights) - 1)]


class OrderBook:
    """One book. Prices in 10^-4 of the currency for a tonne, amounts in kilograms."""

    def __init__(
        self,
        name: str,
        ticker: Ticker,
        ticker_height: int,
        pages: Mapping[str, Sequence[SidePage]],
    ) -> None:
        self.name = name
        self.ticker = ticker
        self._ticker_height = ticker_height
        self._orders: dict[int, _Order] = {}
        self._levels: dict[str, dict[int, int]] = {BUY: {}, SELL: {}}
        self._sides = {BUY: _Side(), SELL: _Side()}
        self._placed: dict[int, tuple[str, int]] = {}
        for side in (BUY, SELL):
            for page in pages[side]:
                self._take_page(side, page)
        every = [page.height for side in (BUY, SELL) for page in pages[side]]
        self.first_height = min([*every, ticker_height]) + 1
        """Events from here on are to be applied."""
        self._last_height = max([*every, ticker_height])

    def _take_page(self, side: str, page: SidePage) -> None:
        for row in page.rows:
            self._orders[row.order] = _Order(side, row.price, row.left_kg)
            self._add(side, row.price, row.left_kg)
        if page.rows:
            last = page.rows[-1]
            self._sides[side].ends.append(_get_rank(side, last.price, last.order))
            self._sides[side].heights.append(page.height)
        if page.is_last:
            # What comes after the last row belongs to the last page, too.
            self._sides[side].heights.append(page.height)

    def get_levels(self, side: str, limit: int | None = None) -> list[tuple[int, int]]:
        """Return (price, kg) of a side, the best first."""
        found = sorted(self._levels[side].items(), reverse=side == BUY)
        return found if limit is None else found[:limit]

    def get_orders(self, side: str) -> list[Resting]:
        """Return the orders of a side in the order in which they trade."""
        rows = [
            Resting(number, order.price, order.left)
            for number, order in self._orders.items()
            if order.side == side
        ]
        return sorted(rows, key=lambda row: _get_rank(side, row.price, row.order))

    def apply(self, item: Mapping[str, Any]) -> list[Change]:
        """Take one event of the contract, in the order of the chain; what it changed here."""
        fields = get_member(item, "fields")
        name, height = get_member(item, "name"), get_integer(item, "height")
        if name == "Placed" and fields["book"] == self.name:
            number = get_integer(fields, "order")
            self._placed[number] = (str(fields["side"]), get_integer(fields, "price"))
        elif name == "Traded" and fields["book"] == self.name:
            return self._trade(fields, height)
        elif name == "Rested":
            return self._rest(fields, height)
        elif name == "Ended":
            return self._end(get_integer(fields, "order"), str(fields["status"]), height)
        elif name in ("Halted", "Reopened") and fields["book"] == self.name:
            return self._set_halted(name == "Halted", get_integer(fields, "last_price"), height)
        return []

    def _trade(self, fields: Mapping[str, Any], height: int) -> list[Change]:
        maker, price = get_integer(fields, "maker"), get_integer(fields, "price")
        kilograms, number = get_integer(fields, "quantity_kg"), get_integer(fields, "trade")
        changes = []
        order = self._orders.get(maker)
        if order is None:
            if height > self._last_height:
                raise OutOfStep("a trade of an order that is not in the book", order=maker)
        elif height > self._sides[order.side].find_height(_get_rank(order.side, price, maker)):
            if price != order.price or kilograms > order.left:
                raise OutOfStep("a trade does not fit its order", order=maker)
            order.left -= kilograms
            if order.left == 0:
                del self._orders[maker]
            changes.append(self._add(order.side, price, -kilograms))
        if height > self._ticker_height:
            if number != self.ticker.trades + 1:
                raise OutOfStep("trades are missing", trade=number, known=self.ticker.trades)
            volume = self.ticker.volume_kg + kilograms
            self.ticker = Ticker(price, number, volume, self.ticker.halted)
            changes += [Change("trade", dict(fields)), self._show_ticker()]
        return changes

    def _rest(self, fields: Mapping[str, Any], height: int) -> list[Change]:
        number = get_integer(fields, "order")
        placed = self._placed.pop(number, None)
        if placed is None:
            return []  # of another book: an order comes to rest in the block that placed it
        side, price = placed
        if height <= self._sides[side].find_height(_get_rank(side, price, number)):
            return []
        left = get_integer(fields, "left_kg")
        self._orders[number] = _Order(side, price, left)
        return [self._add(side, price, left)]

    def _end(self, number: int, status: str, height: int) -> list[Change]:
        self._placed.pop(number, None)
        order = self._orders.get(number)
        # A resting order that is filled is announced before the trade that empties it.
        if order is None or status == "filled":
            return []
        rank = _get_rank(order.side, order.price, number)
        if height <= self._sides[order.side].find_height(rank):
            return []
        del self._orders[number]
        return [self._add(order.side, order.price, -order.left)]

    def _set_halted(self, halted: bool, last_price: int, height: int) -> list[Change]:
        if height <= self._ticker_height:
            return []
        price = self.ticker.last_price if halted else last_price
        self.ticker = Ticker(price, self.ticker.trades, self.ticker.volume_kg, halted)
        return [self._show_ticker()]

    def _add(self, side: str, price: int, kilograms: int) -> Change:
        levels = self._levels[side]
        total = levels.get(price, 0) + kilograms
        if total:
            levels[price] = total
        else:
            levels.pop(price, None)
        return Change("level", {"side": side, "price": price, "kilograms": total})

    def _show_ticker(self) -> Change:
        ticker = self.ticker
        return Change(
            "ticker",
            {
                "lastPrice": ticker.last_price, "trades": ticker.trades,
                "volumeKg": ticker.volume_kg, "halted": ticker.halted,
            },
        )  # fmt: skip


def _get_rank(side: str, price: int, order: int) -> Rank:
    return (price if side == SELL else -price, order)
