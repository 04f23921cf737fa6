"""Random trading days against a market in plain Python that knows every serial and every order.

The model shares no code with the contracts: it looks at all orders for the best one each time,
holds the money of an order beside it, and reckons with fractions. After every block the chain and
the model agree on each refusal's code, each account, each serial, each order, the book in the
order of priority and the prices of the days; money and units are conserved, nothing is below zero,
and what is locked is what open sales still offer. A failing seed is in the name of the test.
"""

from __future__ import annotations

import copy
import math
import random
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from primitives.codec import Value
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import DAY, START_SECONDS, Chain
from tests.unit.vm.market_chain import CNY, C, M, fund, make_market_chain, open_book

SEEDS = range(10)
BLOCKS = 50
TRANSACTIONS_PER_BLOCK = 6
TRADERS = ("owner", "alice", "bob")
EVERYBODY = (*TRADERS, "exchange", "mint")
MONEY = 4000
SERIALS = 240
MAKER, TAKER, BAND = 130, 270, 4000
"""1.3 %, 2.7 % and 40 %, in 10^-4."""


class RefusedError(Exception):
    """The model refuses; the text is the code."""


@dataclass
class Order:
    side: str
    owner: str
    price: int
    left: int
    start: int
    until: int
    purpose: str
    rested: int = 0
    money: int = 0
    status: str = "open"


@dataclass
class Model:
    """Who owns each serial, where lots meet, free money, and every order there ever was."""

    now: int = 0
    serials: list[tuple[str, str]] = field(default_factory=lambda: [("owner", "active")] * SERIALS)
    cuts: set[int] = field(default_factory=lambda: {0, SERIALS})
    free: dict[str, int] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    trades: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Time, price, kilograms and amount of each."""
    last: int = 0
    halted: bool = False

    def find_open(self, side: str) -> list[int]:
        """The open orders of a side by price and then by age."""
        sign = 1 if side == "sell" else -1
        found = [n for n, o in self.orders.items() if o.side == side and o.status == "open"]
        return sorted(found, key=lambda n: (sign * self.orders[n].price, n))

    def put(self, start: int, end: int, owner: str, status: str) -> None:
        self.serials[start:end] = [(owner, status)] * (end - start)
        self.cuts |= {start, end}

    def require_lot(self, start: int, end: int, owner: str) -> None:
        inside = 0 <= start < end <= SERIALS and not any(start < cut < end for cut in self.cuts)
        if not inside:
            raise RefusedError("no-lot")
        holder, status = self.serials[start]
        if status != "active":
            raise RefusedError(f"lot-{status}")
        if holder != owner:
            raise RefusedError("not-owner")

    def end(self, number: int, status: str) -> None:
        order = self.orders[number]
        order.status = status
        self.free[order.owner] += order.money
        order.money = 0
        if order.side == "sell":
            self.put(order.start, order.start + order.left, order.owner, "active")

    def buy(self, who: str, price: int, kg: int, force: str, until: int, purpose: str) -> None:
        if self.halted:
            raise RefusedError("book-halted")
        self.take(Order("buy", who, price, kg, 0, until, purpose), force)

    def sell(self, who: str, price: int, start: int, end: int, force: str, until: int) -> None:
        if self.halted:
            raise RefusedError("book-halted")
        self.require_lot(start, end, who)
        self.put(start, end, who, "locked")
        self.take(Order("sell", who, price, end - start, start, until, ""), force)

    def take(self, order: Order, force: str) -> None:
        number = len(self.orders) + 1
        reference, halted = self.last, False
        owed = 0
        other = "sell" if order.side == "buy" else "buy"
        for best in self.find_open(other):
            rival = self.orders[best]
            far = rival.price > order.price if order.side == "buy" else rival.price < order.price
            if far or order.left == 0:
                break
            if rival.until <= self.now:
                self.end(best, "expired")
                continue
            if rival.owner == order.owner:
                raise RefusedError("self-trade")
            if reference and Fraction(abs(rival.price - reference), reference) > Fraction(
                BAND, 10_000
            ):
                halted = True
                break
            owed += self.trade(order, number, rival, best)
        if order.side == "buy":
            if self.free[order.owner] < owed:
                raise RefusedError("not-enough-money")
            self.free[order.owner] -= owed
        if force == "fok" and order.left:
            raise RefusedError("not-filled")
        self.halted = self.halted or halted
        self.orders[number] = order
        if order.left == 0:
            order.status = "filled"
        elif force != "gtt" or halted:
            self.end(number, "cancelled")
        else:
            self.rest(order)

    def rest(self, order: Order) -> None:
        order.rested = order.left
        if order.side == "buy":
            cost = math.ceil(Fraction(order.price * order.left, 1000))
            order.money = cost + math.floor(Fraction(cost * MAKER, 10_000))
            if self.free[order.owner] < order.money:
                raise RefusedError("not-enough-money")
            self.free[order.owner] -= order.money

    def trade(self, order: Order, number: int, rival: Order, best: int) -> int:
        """One fill; returns what a buying taker owes for it."""
        kg = min(order.left, rival.left)
        done = rival.rested - rival.left
        paid = math.ceil(Fraction(rival.price * (done + kg), 1000))
        amount = paid - math.ceil(Fraction(rival.price * done, 1000))
        maker_fee = math.floor(Fraction(amount * MAKER, 10_000))
        taker_fee = math.floor(Fraction(amount * TAKER, 10_000))
        buyer, seller = (order, rival) if order.side == "buy" else (rival, order)
        status = "retired" if buyer.purpose else "active"
        self.put(seller.start, seller.start + kg, buyer.owner, status)
        seller.start += kg
        order.left -= kg
        rival.left -= kg
        buyer_fee, seller_fee = maker_fee, taker_fee
        if buyer is order:
            buyer_fee, seller_fee = taker_fee, maker_fee
        self.free[seller.owner] += amount - seller_fee
        self.free["exchange"] += maker_fee + taker_fee
        if buyer is rival:
            rival.money -= amount + buyer_fee
            assert rival.money >= 0
        if rival.left == 0:
            self.end(best, "filled")
        self.trades.append((self.now, rival.price, kg, amount))
        self.last = rival.price
        return amount + buyer_fee if buyer is order else 0

    def cancel(self, who: str, number: int) -> None:
        order = self.orders.get(number)
        if order is None:
            raise RefusedError("no-order")
        if order.status != "open":
            raise RefusedError(f"order-{order.status}")
        if who not in (order.owner, "regulator"):
            raise RefusedError("not-permitted")
        self.end(number, "cancelled")

    def expire(self, number: int) -> None:
        order = self.orders.get(number)
        if order is None:
            raise RefusedError("no-order")
        if order.status != "open":
            raise RefusedError(f"order-{order.status}")
        if order.until > self.now:
            raise RefusedError("not-due")
        self.end(number, "expired")

    def reopen(self, price: int) -> None:
        if not self.halted:
            raise RefusedError("not-halted")
        self.halted, self.last = False, price

    def pay(self, who: str, to: str, amount: int) -> None:
        if who == to:
            raise RefusedError("same-owner")
        if self.free[who] < amount:
            raise RefusedError("not-enough-money")
        self.free[who] -= amount
        self.free[to] += amount

    def move(self, who: str, start: int, end: int, to: str) -> None:
        if who == to:
            raise RefusedError("same-owner")
        self.require_lot(start, end, who)
        self.put(start, end, to, "active")


Step = tuple[str, Call, str, tuple[Any, ...]]
"""Who sends what, and the model's method with its arguments."""


def draw_range(rng: random.Random, model: Model, who: str) -> tuple[int, int]:
    """Most of the time a part of a lot of ``who``, else anything."""
    cuts = sorted(model.cuts)
    lots = list(pairwise(cuts))
    own = [lot for lot in lots if model.serials[lot[0]] == (who, "active")]
    low, high = rng.choice(own if own and rng.random() < 0.9 else lots)
    start = rng.randrange(low, high)
    end = min(high, start + rng.randrange(1, 16))
    return (low, min(high, low + 15)) if rng.random() < 0.5 else (start, end)


def draw(rng: random.Random, model: Model) -> Step:
    who, to = rng.choice(TRADERS), rng.choice(TRADERS)
    around = model.last or 20_000
    price = max(1, around * rng.randrange(80, 121) // 100) if rng.random() < 0.97 else 3 * around
    force = rng.choice(("gtt", "gtt", "gtt", "ioc", "fok"))
    until = model.now + rng.randrange(1, 30) if force == "gtt" else 0
    start, end = draw_range(rng, model, who)
    kg = rng.randrange(1, 25)
    purpose = rng.choice(("", "", "", "", "", "offset"))
    known = rng.choice(sorted(model.orders)) if model.orders else 1
    open_now = model.find_open("buy") + model.find_open("sell")
    number = rng.choice(open_now) if open_now and rng.random() < 0.7 else known
    due = [n for n in open_now if model.orders[n].until <= model.now]
    late = rng.choice(due) if due and rng.random() < 0.7 else number
    owner = model.orders[number].owner if number in model.orders else who
    canceller = owner if rng.random() < 0.7 else rng.choice((*TRADERS, "regulator"))
    amount = rng.randrange(1, 400)
    steps: list[Step] = [
        (who, make(M, "buy", "b1", price, kg, force, until, 1000, purpose),
         "buy", (who, price, kg, force, until, purpose)),
        (who, make(M, "sell", "b1", price, "b1", start, end, force, until, 1000),
         "sell", (who, price, start, end, force, until)),
        (canceller, make(M, "cancel", number), "cancel", (canceller, number)),
        ("mint", make(M, "expire", [late]), "expire", (late,)),
        ("regulator", make(M, "reopen", "b1", around), "reopen", (around,)),
        (who, make(C, "transfer", CNY, to, amount, ""), "pay", (who, to, amount)),
        (who, make("units", "transfer", "b1", start, end, to), "move", (who, start, end, to)),
    ]  # fmt: skip
    return rng.choices(steps, [10, 10, 2, 1, 2 if model.halted else 0, 1, 1])[0]


def make(contract: str, method: str, *arguments: Value) -> Call:
    return Call(contract, method, arguments)


def apply(model: Model, step: Step) -> tuple[Model, str]:
    """The model after the step, and its code: a refusal leaves the model as it was."""
    changed = copy.deepcopy(model)
    try:
        getattr(changed, step[2])(*step[3])
    except RefusedError as refusal:
        return model, str(refusal)
    return changed, ""


def check(chain: Chain, model: Model) -> None:
    held = dict.fromkeys(EVERYBODY, 0)
    for order in model.orders.values():
        held[order.owner] += order.money
    accounts = {name: chain.view(C, "account_of", name, CNY)[:2] for name in EVERYBODY}
    assert accounts == {name: [model.free[name], held[name]] for name in EVERYBODY}
    assert all(free >= 0 and kept >= 0 for free, kept in accounts.values())
    issued, redeemed = chain.view(C, "total", CNY)
    assert sum(free + kept for free, kept in accounts.values()) == issued - redeemed
    lots: list[list[Any]] = []
    while (rows := chain.view("units", "lots_of", "b1", lots[-1][1] if lots else 0, 100)) != []:
        lots += rows
    serials = [(lot[2], lot[3]) for lot in lots for _ in range(lot[0], lot[1])]
    assert serials == model.serials and {lot[0] for lot in lots} | {SERIALS} == model.cuts
    offered = {
        n for o in model.orders.values() if o.side == "sell" and o.status == "open"
        for n in range(o.start, o.start + o.left)
    }  # fmt: skip
    assert offered == {n for n, (_, status) in enumerate(serials) if status == "locked"}
    for side in ("buy", "sell"):
        rows = chain.view(M, "list_resting", "b1", side, 0, 0, 100)
        expected = [[n, model.orders[n].price, model.orders[n].left] for n in model.find_open(side)]
        assert rows == expected
    for number, order in model.orders.items():
        status, left = chain.view(M, "get_order", number)[13], chain.view(M, "get_order", number)[5]
        assert ("open" if status == "partial" else status, left) == (order.status, order.left)
    check_days(chain, model)
    ticker = chain.view(M, "get_ticker", "b1")
    assert (ticker[0], ticker[1], ticker[3]) == (model.last, len(model.trades), model.halted)


def check_days(chain: Chain, model: Model) -> None:
    """The model reckons every day from all the trades there ever were."""
    first = START_SECONDS // DAY
    last = model.now // DAY
    expected = []
    for day in range(first, last + 1):
        prices = [price for time, price, _, _ in model.trades if time // DAY == day]
        if prices:
            kg, amount = (
                sum(trade[column] for trade in model.trades if trade[0] // DAY == day)
                for column in (2, 3)
            )
            ends = [prices[0], max(prices), min(prices), prices[-1]]
            expected.append([day, *ends, kg, amount, len(prices)])
    assert chain.view(M, "days_of", "b1", first - 1, 100) == expected
    for early, late in ((first, last), (last, last), (last - 2, last - 1)):
        inside = [trade for trade in model.trades if early <= trade[0] // DAY <= late]
        kg, amount = (sum(trade[column] for trade in inside) for column in (2, 3))
        price = math.floor(Fraction(1000 * amount, kg)) if kg else 0
        before = [trade[1] for trade in model.trades if trade[0] // DAY <= late]
        found = chain.view(M, "valuation", "b1", early, late)
        assert found == [price, kg, amount, len(inside), before[-1] if before else 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_trading_keeps_every_invariant(seed: int) -> None:
    rng = random.Random(seed)
    chain = make_market_chain()
    chain.issue("b1", SERIALS)
    open_book(chain, terms=[CNY, 1, 1, MAKER, TAKER, BAND])
    model = Model(free=dict.fromkeys(EVERYBODY, 0))
    for name in TRADERS:
        fund(chain, name, MONEY)
        model.free[name] = MONEY
    chain.ok("owner", "units", "transfer", "b1", 0, 80, "alice")
    model.put(0, 80, "alice", "active")
    codes: list[str] = []
    for _ in range(BLOCKS):
        transactions, expected = [], []
        chain.time += rng.choice((0,) * 14 + (DAY // 2,))
        model.now = chain.time + 1
        for _ in range(TRANSACTIONS_PER_BLOCK):
            step = draw(rng, model)
            transactions.append(chain.make(step[0], step[1], gas=10_000_000))
            model, code = apply(model, step)
            expected.append((code, step))
        receipts, _ = chain.run(*transactions)
        for receipt, (code, step) in zip(receipts, expected, strict=True):
            assert (receipt.status == "ok", receipt.code) == (code == "", code), step
        codes += [code for code, _ in expected]
        check(chain, model)
    # A day on which hardly anything happens would prove nothing.
    assert len(model.trades) > 20 and codes.count("") > len(codes) // 3
    assert {"self-trade", "not-filled"} <= set(codes)
