"""A trading day as data: who brings which orders, and the trades that must come of them. No chain.

Three enterprises sell part of what they hold of the forest's credits, three buy, one of them for
retirement at once. The book is matched here again, naively: the best price first, the earlier
order first, each resting order's fills together costing price x kg / 1000 rounded up
(decision 0082). Money is in 10^-4 CNY, prices for a tonne.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

BUY, SELL = "buy", "sell"
CURRENCY = "CNY"
YUAN = 10_000
MONEY = 5_000_000 * YUAN
"""What the bank issues to each enterprise in the morning."""
TICK = YUAN // 10
MAKER_RATE, TAKER_RATE, FEE_CAP = 10, 20, 20
WHOLE = 10_000
BAND = 3_000
LOTS_PER_SELLER = 5
OPENING_LOTS = 4
"""Of each seller's lots so many are offered when the book opens, the rest is sold to who bids."""
ASKS, BIDS = range(660, 760), range(600, 655)
"""Ticks."""
TAKEN_AT, SOLD_AT = 760, 600
TAKES_PER_BUYER = 2
PURPOSE = "emissions of 2026"


@dataclass(frozen=True, slots=True)
class Offer:
    """Serials of one lot that are for sale."""

    batch: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Order:
    """A limit order; ``offer`` for sales, ``purpose`` for purchases that are retired at once."""

    side: str
    owner: str
    price: int
    kilograms: int
    offer: Offer | None = None
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade: ``amount`` is what the serials cost, before fees."""

    price: int
    offer: Offer
    amount: int
    maker_fee: int
    taker_fee: int
    buyer: str
    seller: str
    buyer_fee: int
    purpose: str

    @property
    def kilograms(self) -> int:
        return self.offer.end - self.offer.start


@dataclass(frozen=True, slots=True)
class Day:
    """``opening`` orders rest and do not meet; ``orders`` follow in this order, none rests."""

    opening: tuple[Order, ...]
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    left: tuple[Order, ...]

    @property
    def volume_kg(self) -> int:
        return sum(fill.kilograms for fill in self.fills)

    @property
    def turnover(self) -> int:
        return sum(fill.amount for fill in self.fills)

    @property
    def fees(self) -> int:
        return sum(fill.maker_fee + fill.taker_fee for fill in self.fills)

    def compute_changes(self) -> dict[str, int]:
        """Return what each trader has more or less at the end."""
        changes: dict[str, int] = defaultdict(int)
        for fill in self.fills:
            seller_fee = fill.maker_fee + fill.taker_fee - fill.buyer_fee
            changes[fill.buyer] -= fill.amount + fill.buyer_fee
            changes[fill.seller] += fill.amount - seller_fee
        return dict(changes)


def make_day(
    lots: Sequence[tuple[str, Offer]],
    sellers: Sequence[str],
    buyers: Sequence[str],
    choose: random.Random,
) -> Day:
    """Return the day of these lots (owner, serials); the last buyer retires what it takes."""
    asks: list[tuple[str, Offer]] = []
    late: list[tuple[str, Offer]] = []
    for seller in sellers:
        own = sorted((offer for owner, offer in lots if owner == seller), key=_weigh)
        for number, offer in enumerate(own[:LOTS_PER_SELLER]):
            chosen = asks if number < OPENING_LOTS else late
            chosen.append((seller, offer))
    prices = choose.sample(ASKS, len(asks))
    opening = [
        Order(SELL, owner, price * TICK, offer.end - offer.start, offer)
        for (owner, offer), price in zip(asks, prices, strict=True)
    ]
    offered = sum(order.kilograms for order in opening)
    part = offered // (2 * len(buyers) * TAKES_PER_BUYER)
    opening += [
        Order(BUY, buyer, price * TICK, choose.randrange(1, 2 * part))
        for buyer, price in zip(buyers, choose.sample(BIDS, len(buyers)), strict=True)
    ]
    orders = [
        Order(
            BUY, buyer, TAKEN_AT * TICK, choose.randrange(1, 2 * part),
            purpose=PURPOSE if buyer == buyers[-1] else "",
        )
        for buyer in buyers
        for _ in range(TAKES_PER_BUYER)
    ]  # fmt: skip
    orders += [
        Order(SELL, owner, SOLD_AT * TICK, offer.end - offer.start, offer) for owner, offer in late
    ]
    choose.shuffle(orders)
    return match(opening, orders)


def _weigh(offer: Offer) -> tuple[int, str, int]:
    """Largest lots first."""
    return offer.start - offer.end, offer.batch, offer.start


@dataclass(slots=True)
class _Resting:
    order: Order
    number: int
    filled_kg: int = 0

    @property
    def left_kg(self) -> int:
        return self.order.kilograms - self.filled_kg

    @property
    def rank(self) -> tuple[int, int]:
        sign = 1 if self.order.side == SELL else -1
        return sign * self.order.price, self.number


@dataclass(slots=True)
class _Naive:
    """A book that is sorted anew for each order."""

    resting: list[_Resting] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)

    def take(self, order: Order) -> None:
        left, sold = order.kilograms, 0
        others = (item for item in self.resting if item.order.side != order.side)
        for maker in sorted(others, key=lambda item: item.rank):
            low, high = sorted((maker.order.price, order.price))
            crosses = maker.order.price == (low if order.side == BUY else high)
            kilograms = min(left, maker.left_kg)
            if not crosses or not kilograms:
                continue
            self.fills.append(_fill(order, sold, maker, kilograms))
            maker.filled_kg += kilograms
            left, sold = left - kilograms, sold + kilograms


def _fill(taker: Order, sold: int, maker: _Resting, kilograms: int) -> Fill:
    if taker.side == BUY:
        offer, gone, buyer, seller = maker.order.offer, maker.filled_kg, taker, maker.order
    else:
        offer, gone, buyer, seller = taker.offer, sold, maker.order, taker
    assert offer is not None
    price = maker.order.price
    amount = _cost(price, maker.filled_kg + kilograms) - _cost(price, maker.filled_kg)
    maker_fee, taker_fee = amount * MAKER_RATE // WHOLE, amount * TAKER_RATE // WHOLE
    start = offer.start + gone
    return Fill(
        price, Offer(offer.batch, start, start + kilograms), amount, maker_fee, taker_fee,
        buyer.owner, seller.owner, taker_fee if buyer is taker else maker_fee, buyer.purpose,
    )  # fmt: skip


def _cost(price: int, kilograms: int) -> int:
    return -(-price * kilograms // 1000)


def match(opening: Iterable[Order], orders: Iterable[Order]) -> Day:
    """Return what comes of ``opening``, which must not meet, and then of each of ``orders``."""
    book = _Naive([_Resting(order, number) for number, order in enumerate(opening)])
    for order in orders:
        book.take(order)
    left = tuple(item.order for item in book.resting if item.left_kg)
    return Day(tuple(item.order for item in book.resting), tuple(orders), tuple(book.fills), left)
