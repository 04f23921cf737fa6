"""An exchange for one series of futures in plain Python, as naive as it can be.

It shares no code with the contracts and keeps other books: every position has the margin that lies
in it, and each mark goes through all positions and moves their variation. Who is called first, at
which price and for how much is reckoned with fractions. Units are those of `clearing`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

WHOLE = 10_000
DAY = 86_400
STEPS = 20
ORDERS_MAX = 20


class RefusedError(Exception):
    """The model refuses; the text is the code."""


def require(condition: bool, code: str) -> None:
    if not condition:
        raise RefusedError(code)


@dataclass
class Order:
    side: int
    owner: str
    price: int
    left: int
    until: int
    status: str = "open"


@dataclass
class Held:
    """Contracts, the margin that lies in them, and how many marks there were when it closed."""

    contracts: int = 0
    margin: int = 0
    closed: int = 0


@dataclass
class Rules:
    expiry: int
    unit: int
    tick: int
    initial: int
    maintenance: int
    band: int
    contribution: int
    penalty: int
    maker_fee: int
    taker_fee: int
    volume_min: int


@dataclass
class Model:
    rules: Rules
    price: int
    marked: int
    now: int = 0
    free: dict[str, int] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    trades: list[tuple[int, int, int]] = field(default_factory=list)
    stake: int = 0
    fund: int = 0
    shares: dict[str, int] = field(default_factory=dict)
    status: str = "open"
    final: bool = False
    marks: int = 0
    log: list[str] = field(default_factory=list)

    # --- money and margin

    def part(self, who: str) -> int:
        mine = self.shares.get(who, 0)
        return math.floor(Fraction(mine * self.fund, sum(self.shares.values()))) if mine else 0

    def need(self, contracts: int, rate: int) -> int:
        value = Fraction(abs(contracts) * self.price * self.rules.unit * rate, WHOLE)
        return math.ceil(value)

    def renew(self) -> None:
        total = sum(self.shares.values())
        if total == 0 or Fraction(self.fund, total) < Fraction(1, 10**6):
            self.stake += self.fund
            self.fund, self.shares = 0, {}

    def plan(self, who: str, signed: int, price: int, fee: int) -> tuple[int, int, int, int]:
        """(contracts, margin, contribution, cost) after a trade."""
        was = self.held[who]
        now = was.contracts + signed
        margin = was.margin + signed * (self.price - price) * self.rules.unit
        opens = abs(now) > abs(was.contracts) or now * was.contracts < 0
        most = self.need(now, self.rules.initial)
        least = most if opens else self.need(now, self.rules.maintenance)
        kept = min(max(margin, least), most)
        given = 0
        if opens:
            given = max(0, self.need(now, self.rules.contribution) - self.part(who))
        return now, kept, given, kept - margin + given + fee

    def put(self, who: str, contracts: int, margin: int) -> None:
        if contracts == 0:
            self.free[who] += margin
            margin = 0
        self.held[who] = Held(contracts, margin, self.marks)

    def book(self, who: str, plan: tuple[int, int, int, int]) -> None:
        contracts, margin, given, cost = plan
        self.free[who] -= cost
        if given:
            total = sum(self.shares.values())
            minted = math.floor(Fraction(given * total, self.fund)) if total else given
            self.shares[who] = self.shares.get(who, 0) + minted
            self.fund += given
        self.put(who, contracts, margin)

    def require_open(self) -> None:
        require(self.status == "open", "not-open")
        require(self.now < self.rules.expiry, "expired")
        require(self.marked >= self.now // DAY - 1, "mark-due")

    def deposit(self, who: str, amount: int) -> None:
        self.free[who] += amount

    def withdraw(self, who: str, amount: int) -> None:
        require(self.status != "clearing", "in-clearing")
        require(self.free[who] >= amount, "not-enough-margin")
        self.free[who] -= amount

    def add_stake(self, amount: int) -> None:
        require(self.status in ("open", "clearing"), "not-open")
        require(self.status == "open", "in-clearing")
        require(self.free["exchange"] >= amount, "not-enough-margin")
        self.free["exchange"] -= amount
        self.stake += amount

    def collect(self, who: str) -> None:
        self.require_open()
        was = self.held[who]
        require(was.contracts != 0, "no-position")
        more = was.margin - self.need(was.contracts, self.rules.initial)
        require(more > 0, "nothing-free")
        was.margin -= more
        self.free[who] += more

    def redeem(self, who: str) -> None:
        was = self.held[who]
        require(was.contracts == 0, "position-open")
        bound = self.status == "clearing" or (self.status == "open" and self.marks <= was.closed)
        require(not bound, "fund-bound")
        part = self.part(who)
        require(part > 0, "nothing-free")
        self.fund -= part
        del self.shares[who]
        self.renew()
        self.free[who] += part

    # --- orders

    def is_outside(self, price: int) -> bool:
        return Fraction(abs(price - self.price), self.price) > Fraction(self.rules.band, WHOLE)

    def find_open(self, side: int) -> list[int]:
        found = [n for n, o in self.orders.items() if o.side == side and o.status == "open"]
        return sorted(found, key=lambda n: (-side * self.orders[n].price, n))

    def place(
        self, who: str, side: int, price: int, contracts: int, force: str, until: int
    ) -> None:
        self.require_open()
        require(not self.is_outside(price), "outside-band")
        order = Order(side, who, price, contracts, until)
        fees = self.rules.taker_fee, self.rules.maker_fee
        for best in self.find_open(-side):
            rival = self.orders[best]
            if order.left == 0 or side * (rival.price - price) > 0:
                break
            if rival.until <= self.now:
                rival.status = "expired"
                continue
            if self.is_outside(rival.price):
                rival.status = "cancelled"
                continue
            require(rival.owner != who, "self-trade")
            count = min(order.left, rival.left)
            mine = self.plan(who, side * count, rival.price, fees[0] * count)
            theirs = self.plan(rival.owner, -side * count, rival.price, fees[1] * count)
            # The buyer is asked first, as in the contract.
            lacking = [mine[3] > self.free[who], theirs[3] > self.free[rival.owner]]
            if lacking[0] and (side == 1 or not lacking[1]):
                raise RefusedError("not-enough-margin")
            if lacking[1]:
                rival.status = "cancelled"
                continue
            pairs = [(who, mine), (rival.owner, theirs)]
            for name, plan in pairs if side == 1 else reversed(pairs):
                self.book(name, plan)
            self.free["exchange"] += sum(fees) * count
            self.trades.append((self.now // DAY, count, rival.price))
            order.left -= count
            rival.left -= count
            if rival.left == 0:
                rival.status = "filled"
        require(force != "fok" or order.left == 0, "not-filled")
        if order.left == 0:
            order.status = "filled"
        elif force != "gtt":
            order.status = "cancelled"
        else:
            plan = self.plan(who, side * order.left, price, fees[1] * order.left)
            require(plan[3] <= self.free[who], "not-enough-margin")
            mine_open = [o for o in self.orders.values() if o.owner == who and o.status == "open"]
            require(len(mine_open) < ORDERS_MAX, "too-many-orders")
        self.orders[len(self.orders) + 1] = order

    def cancel(self, who: str, number: int) -> None:
        order = self.orders.get(number)
        if order is None:
            raise RefusedError("no-order")
        require(order.status == "open", f"order-{order.status}")
        require(who == order.owner, "not-permitted")
        order.status = "cancelled"

    # --- the mark

    def mark(self) -> None:
        require(self.status == "open", "not-open")
        self.final = self.now >= self.rules.expiry
        day = min(self.now, self.rules.expiry) // DAY - 1
        require(self.final or self.marked < day, "not-due")
        price = self.find_price(day)
        for was in self.held.values():
            was.margin += was.contracts * (price - self.price) * self.rules.unit
        self.price, self.marked, self.status = price, day, "clearing"
        self.marks += 1
        self.work_off()

    def find_price(self, day: int) -> int:
        days = {at for at, _, _ in self.trades if self.marked < at <= day}
        if not days:
            return self.price
        rows = [(count, price) for at, count, price in self.trades if at == max(days)]
        volume = sum(count for count, _ in rows)
        if volume < self.rules.volume_min:
            return self.price
        average = Fraction(sum(count * price for count, price in rows), volume * self.rules.tick)
        price = max(1, math.floor(average + Fraction(1, 2))) * self.rules.tick
        ticks = Fraction(self.price, self.rules.tick * WHOLE)
        low = math.ceil(ticks * (WHOLE - self.rules.band)) * self.rules.tick
        high = math.floor(ticks * (WHOLE + self.rules.band)) * self.rules.tick
        return max(low, min(price, high))

    def clear(self) -> None:
        require(self.status == "clearing", "not-in-clearing")
        self.work_off()

    def get_trigger(self, who: str) -> int:
        """The last price at which the member still has its maintenance margin."""
        was, rate = self.held[who], Fraction(self.rules.maintenance, WHOLE)
        value = was.contracts * self.price * self.rules.unit
        if was.contracts > 0:
            return math.ceil((value - was.margin) / (was.contracts * self.rules.unit * (1 - rate)))
        each = -was.contracts * self.rules.unit * (1 + rate)
        return math.floor((was.margin - value) / each)

    def find_called(self) -> str:
        """Of those below maintenance: longs first, the most needy first."""
        below = [
            name for name, was in self.held.items()
            if was.contracts and was.margin < self.need(was.contracts, self.rules.maintenance)
        ]  # fmt: skip
        longs = [name for name in below if self.held[name].contracts > 0]
        if longs:
            return min(longs, key=lambda name: (-self.get_trigger(name), name))
        return min(below, key=lambda name: (self.get_trigger(name), name), default="")

    def work_off(self) -> None:
        steps = STEPS
        while steps > 0:
            who = self.find_called()
            if who == "":
                self.status = "settling" if self.final else "open"
                return
            steps -= self.resolve(who, steps)

    def resolve(self, who: str, steps: int) -> int:
        was = self.held[who]
        call = min(self.free[who], self.need(was.contracts, self.rules.initial) - was.margin)
        self.free[who] -= call
        was.margin += call
        if was.margin < 0:
            self.cover(who)
        self.log.append("call")
        if was.margin >= self.need(was.contracts, self.rules.maintenance):
            return 1
        for order in self.orders.values():
            if order.owner == who and order.status == "open":
                order.status = "cancelled"
        used = 1
        while used < steps and (excess := self.count_excess(who)):
            if not self.sell_in_book(who, excess):
                break
            used += 1
        while used < steps and (excess := self.count_excess(who)):
            self.sell_to_largest(who, excess)
            used += 1
        return used

    def cover(self, who: str) -> None:
        was = self.held[who]
        own = min(self.part(who), -was.margin)
        if own:
            burnt = math.ceil(Fraction(own * sum(self.shares.values()), self.fund))
            self.shares[who] -= burnt
            self.fund -= own
            was.margin += own
        stake = min(self.stake, -was.margin)
        self.stake -= stake
        was.margin += stake
        rest = min(self.fund, -was.margin)
        self.fund -= rest
        was.margin += rest
        self.log.append("cover")
        self.renew()

    def count_excess(self, who: str) -> int:
        """Contracts above the most that its margin carries at the initial rate."""
        was = self.held[who]
        each = Fraction(self.price * self.rules.unit * self.rules.initial, WHOLE)
        return abs(was.contracts) - max(0, min(abs(was.contracts), math.floor(was.margin / each)))

    def sell_in_book(self, who: str, excess: int) -> bool:
        """One step with the best order of the other side; False: there is none that helps."""
        was = self.held[who]
        sign = 1 if was.contracts > 0 else -1
        looked = 0
        for number in self.find_open(sign):
            order = self.orders[number]
            looked += 1
            if looked > 8:
                return False
            if order.until <= self.now:
                order.status = "expired"
                continue
            if self.is_outside(order.price):
                order.status = "cancelled"
                continue
            count = min(excess, order.left)
            loss = sign * (self.price - order.price) * count * self.rules.unit
            if Fraction(loss, count) > Fraction(was.margin, abs(was.contracts)):
                return False
            fee = self.rules.maker_fee * count
            plan = self.plan(order.owner, sign * count, order.price, fee)
            if plan[3] > self.free[order.owner]:
                order.status = "cancelled"
                return True
            self.book(order.owner, plan)
            self.free["exchange"] += fee
            self.put(who, was.contracts - sign * count, was.margin - loss)
            order.left -= count
            order.status = "open" if order.left else "filled"
            self.log.append("book")
            return True
        return False

    def sell_to_largest(self, who: str, excess: int) -> None:
        was = self.held[who]
        sign = 1 if was.contracts > 0 else -1
        others = [name for name, item in self.held.items() if item.contracts * sign < 0]
        other = min(others, key=lambda name: (-abs(self.held[name].contracts), name))
        met = self.held[other]
        count = min(excess, abs(met.contracts))
        loss = math.floor(Fraction(max(0, -was.margin) * count, abs(was.contracts)))
        self.put(who, was.contracts - sign * count, was.margin + loss)
        self.put(other, met.contracts + sign * count, met.margin - loss)
        self.log.append("shared" if loss else "largest")

    def close_out(self, who: str) -> None:
        """Of a cash series; a physical one has its own test."""
        require(self.status == "settling", "not-settling")
        require(self.held[who].contracts != 0, "no-position")
        self.put(who, 0, self.held[who].margin)
