"""Random weeks of lending against a bank in plain Python that knows every serial and every debt.

The model shares no code with the contract: it reckons interest as a fraction from the dates, looks
at all trades for a value, and keeps the owner of each serial. After every block the chain and the
model agree on each refusal's code, each account, each serial, each pledge, lien and auction; money
is conserved, nothing is below zero, and what is locked is what live pledges hold. A failing seed
is in the name of the test.
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
from tests.unit.vm.carbon_chain import DAY, Chain
from tests.unit.vm.market_chain import CNY, buy, fund, make_market_chain, open_book, sell

SEEDS = range(5)
SOLD = (1, 3)
"""Histories known to reach an auction that sells."""
BLOCKS = 110
TRANSACTIONS_PER_BLOCK = 4
BORROWERS = ("owner", "alice", "bob")
BANKS = ("bank", "mint")
EVERYBODY = (*BORROWERS, *BANKS)
MONEY = 60_000
SERIALS = 120
MADE = 100_000
"""Serials above SERIALS are what the market is made with."""
WINDOW, TRADES_MIN, HAIRCUT, LTV_MAX = 5, 2, 3000, 8500
GRACE, CURE = 2 * DAY, 1 * DAY
F, U, C = "finance", "units", "cash"


class RefusedError(Exception):
    """The model refuses; the text is the code."""


def require(condition: bool, code: str) -> None:
    if not condition:
        raise RefusedError(code)


@dataclass
class Pledge:
    borrower: str
    lender: str
    start: int
    end: int
    lent: int
    rate: int
    due: int
    since: int
    status: str = "proposed"
    left: int = 0
    interest: Fraction = Fraction(0)
    day: int = 0
    called: int = 0
    floor: int = 0
    claim: int = 0
    auction: list[Any] | None = None
    """[reserve, ends at, bidder, amount, bids]"""

    def owe(self, time: int) -> int:
        """Interest up to a time, and the debt then."""
        days = time // DAY - self.day
        if self.left and days > 0:
            self.interest += Fraction(self.left * self.rate * days, 10_000 * 365)
            self.day += days
        return self.left + max(0, math.ceil(self.interest))


@dataclass
class Model:
    """Who owns each serial, where lots meet, free money, every trade and every pledge."""

    now: int = 0
    serials: list[tuple[str, str]] = field(default_factory=lambda: [("owner", "active")] * SERIALS)
    cuts: set[int] = field(default_factory=lambda: {0, SERIALS})
    free: dict[str, int] = field(default_factory=lambda: dict.fromkeys(EVERYBODY, MONEY))
    trades: list[tuple[int, int, int]] = field(default_factory=list)
    """[day, kg, money]"""
    pledges: list[Pledge] = field(default_factory=list)
    suspended: set[str] = field(default_factory=set)

    def put(self, start: int, end: int, owner: str, status: str) -> None:
        self.serials[start:end] = [(owner, status)] * (end - start)
        self.cuts |= {start, end}

    def require_lot(self, start: int, end: int, owner: str) -> None:
        require(not any(start < cut < end for cut in self.cuts), "no-lot")
        holder, status = self.serials[start]
        require(status == "active", f"lot-{status}")
        require(holder == owner, "not-owner")

    def pay(self, giver: str, taker: str, amount: int) -> None:
        require(self.free[giver] >= amount, "not-enough-money")
        self.free[giver] -= amount
        self.free[taker] += amount

    def find(self, number: int, *wanted: str) -> Pledge:
        require(1 <= number <= len(self.pledges), "no-pledge")
        pledge = self.pledges[number - 1]
        require(not wanted or pledge.status in wanted, f"pledge-{pledge.status}")
        return pledge

    def value(self, pledge: Pledge) -> int:
        today = self.now // DAY
        seen = [trade for trade in self.trades if today - WINDOW <= trade[0] < today]
        require(len(seen) >= TRADES_MIN, "no-valuation")
        money, kg = sum(trade[2] for trade in seen), sum(trade[1] for trade in seen)
        return math.floor(Fraction(money * (pledge.end - pledge.start), kg))

    def is_short(self, pledge: Pledge, debt: int) -> bool:
        return Fraction(debt) > Fraction(self.value(pledge) * LTV_MAX, 10_000)

    def close(self, pledge: Pledge, status: str) -> None:
        if pledge.auction and pledge.auction[2]:
            self.free[pledge.auction[2]] += pledge.auction[3]
        pledge.status, pledge.auction = status, None
        pledge.left, pledge.interest = 0, Fraction(0)
        self.put(pledge.start, pledge.end, pledge.borrower, "active")

    def propose(
        self, who: str, lender: str, start: int, end: int, principal: int, rate: int, due: int
    ) -> None:
        for pledge in self.pledges:
            live = pledge.status in ("proposed", "active", "defaulted")
            require(not (live and pledge.start < end and start < pledge.end), "already-pledged")
        self.require_lot(start, end, who)
        self.put(start, end, who, "locked")
        self.pledges.append(Pledge(who, lender, start, end, principal, rate, due, self.now))

    def withdraw(self, who: str, number: int) -> None:
        pledge = self.find(number, "proposed")
        late = self.now >= pledge.since + 30 * DAY
        allowed = who in (pledge.borrower, pledge.lender, "regulator")
        require(late or allowed, "not-permitted")
        self.close(pledge, "released")

    def accept(self, who: str, number: int) -> None:
        pledge = self.find(number, "proposed")
        require(who == pledge.lender, "not-lender")
        require(pledge.borrower not in self.suspended, "no-receiver")
        require(self.now < pledge.since + 30 * DAY, "lapsed")
        require(self.now < pledge.due, "past-due")
        bound = math.floor(self.value(pledge) * Fraction(10_000 - HAIRCUT, 10_000))
        require(pledge.lent <= bound, "above-lending-value")
        self.pay(pledge.lender, pledge.borrower, pledge.lent)
        pledge.status, pledge.left, pledge.day = "active", pledge.lent, self.now // DAY
        pledge.floor = bound

    def repay(self, who: str, number: int, amount: int) -> None:
        pledge = self.find(number)
        require(who == pledge.borrower, "not-borrower")
        if pledge.claim:
            paid = min(amount, pledge.claim)
            self.pay(who, pledge.lender, paid)
            pledge.claim -= paid
            return
        require(pledge.status in ("active", "defaulted"), "nothing-owed")
        debt = pledge.owe(self.now)
        paid = min(amount, debt)
        if pledge.auction:
            over = self.now >= pledge.auction[1] and pledge.auction[2]
            require(not over, "auction-over")
            require(paid == debt, "auction-open")
        self.pay(who, pledge.lender, paid)
        interest = min(paid, debt - pledge.left)
        pledge.interest -= interest
        pledge.left -= paid - interest
        if paid == debt:
            self.close(pledge, "released")

    def release(self, who: str, number: int) -> None:
        pledge = self.find(number, "active", "defaulted")
        require(who == pledge.lender, "not-lender")
        require(pledge.auction is None, "auction-open")
        pledge.claim = pledge.owe(self.now)
        self.close(pledge, "released")

    def waive(self, who: str, number: int, amount: int) -> None:
        pledge = self.find(number)
        require(who == pledge.lender, "not-lender")
        require(amount <= pledge.claim, "bad-amount")
        pledge.claim -= amount

    def call_margin(self, who: str, number: int) -> None:
        pledge = self.find(number, "active")
        debt = pledge.owe(self.now)
        require(who == pledge.lender, "not-lender")
        again = not pledge.called or self.now >= pledge.called + 2 * CURE
        require(again, "already-called")
        require(self.is_short(pledge, debt), "not-short")
        pledge.called = self.now

    def cure(self, who: str, number: int) -> None:
        pledge = self.find(number, "active")
        debt = pledge.owe(self.now)
        require(pledge.called != 0, "not-called")
        require(not self.is_short(pledge, debt), "still-short")
        pledge.called = 0

    def declare_default(self, who: str, number: int) -> None:
        pledge = self.find(number, "active")
        debt = pledge.owe(self.now)
        require(who == pledge.lender, "not-lender")
        if self.now < pledge.due + GRACE:
            require(pledge.called != 0 and self.now >= pledge.called + CURE, "not-due")
            require(self.now < pledge.called + 2 * CURE, "call-lapsed")
            require(self.is_short(pledge, debt), "not-short")
        pledge.status = "defaulted"

    def open_auction(self, who: str, number: int, reserve: int, seconds: int) -> None:
        pledge = self.find(number, "defaulted")
        debt = pledge.owe(self.now)
        require(who == pledge.lender, "not-lender")
        require(pledge.auction is None, "auction-open")
        require(reserve >= min(pledge.floor, debt), "reserve-too-low")
        pledge.auction = [reserve, self.now + seconds, "", 0, 0]

    def bid(self, who: str, number: int, amount: int) -> None:
        pledge = self.find(number)
        require(pledge.auction is not None, "no-auction")
        reserve, ends, best, highest, bids = pledge.auction or []
        require(self.now < ends, "auction-over")
        require(who != pledge.borrower, "own-pledge")
        require(amount >= reserve, "below-reserve")
        if best:
            require(amount >= highest + math.ceil(Fraction(highest, 100)), "bid-too-low")
            self.free[best] += highest
        require(self.free[who] >= amount, "not-enough-money")
        self.free[who] -= amount
        pledge.auction = [reserve, max(ends, self.now + 600), who, amount, bids + 1]

    def settle_auction(self, who: str, number: int) -> None:
        pledge = self.find(number)
        require(pledge.auction is not None, "no-auction")
        reserve, ends, best, highest, _ = pledge.auction or []
        require(self.now >= ends, "auction-running")
        debt = pledge.owe(ends)
        if not best or best in self.suspended:
            if best:
                self.free[best] += highest
            else:
                pledge.floor = max(1, reserve // 2)
            pledge.auction = None
            return
        self.free[pledge.lender] += min(debt, highest)
        self.free[pledge.borrower] += max(0, highest - debt)
        pledge.auction = None
        pledge.claim = max(0, debt - highest)
        self.close(pledge, "liquidated")
        self.put(pledge.start, pledge.end, best, "active")

    def give(self, who: str, to: str, amount: int) -> None:
        require(to not in self.suspended, "no-receiver")
        require(who != to, "same-owner")
        self.pay(who, to, amount)

    def move(self, who: str, start: int, end: int, to: str) -> None:
        require(to not in self.suspended, "no-receiver")
        require(who != to, "same-owner")
        self.require_lot(start, end, who)
        self.put(start, end, to, "active")

    def suspend(self, who: str) -> None:
        require(who not in self.suspended, "not-active")
        self.suspended.add(who)

    def reinstate(self, who: str) -> None:
        require(who in self.suspended, "not-suspended")
        self.suspended.remove(who)


Step = tuple[str, Call, str, tuple[Any, ...]]
"""Who sends what, and the model's method with its arguments."""


def draw_range(rng: random.Random, model: Model, who: str) -> tuple[int, int]:
    """Most of the time a part of a lot of ``who``, else anything."""
    lots = list(pairwise(sorted(model.cuts)))
    own = [lot for lot in lots if model.serials[lot[0]] == (who, "active")]
    low, high = rng.choice(own if own and rng.random() < 0.9 else lots)
    start = rng.randrange(low, high)
    return (low, min(high, low + 30)) if rng.random() < 0.6 else (start, min(high, start + 12))


def pick(rng: random.Random, model: Model, *statuses: str) -> int:
    """A pledge in one of the statuses, most of the time; or any, or none that there is."""
    wanted = [n for n, p in enumerate(model.pledges, 1) if p.status in statuses]
    if wanted and rng.random() < 0.9:
        return rng.choice(wanted)
    return rng.randrange(1, len(model.pledges) + 2)


def draw(rng: random.Random, model: Model) -> Step:
    who, to = rng.choice(BORROWERS), rng.choice(EVERYBODY)
    start, end = draw_range(rng, model, who)
    worth = (end - start) * 100
    principal = max(1, worth * rng.randrange(40, 72) // 100)
    due = model.now + rng.randrange(1, 6) * DAY
    rate = rng.choice((0, 777, 10_000))
    loan: list[Value] = [CNY, principal, rate, 365, due]
    cover: list[Value] = ["b1", WINDOW, TRADES_MIN, HAIRCUT, LTV_MAX, GRACE, CURE]
    lender = rng.choice(BANKS)
    proposed, live = pick(rng, model, "proposed"), pick(rng, model, "active", "defaulted")
    active, defaulted = pick(rng, model, "active"), pick(rng, model, "defaulted")
    put_up = [n for n, p in enumerate(model.pledges, 1) if p.auction]
    sold = rng.choice(put_up) if put_up else defaulted
    claims = [n for n, p in enumerate(model.pledges, 1) if p.claim]
    claimed = rng.choice(claims) if claims else live

    def side(number: int, name: str) -> str:
        if number > len(model.pledges) or rng.random() < 0.08:
            return rng.choice(EVERYBODY)
        found: str = getattr(model.pledges[number - 1], name)
        return found

    known = model.pledges[defaulted - 1] if defaulted <= len(model.pledges) else None
    floor = min(known.floor, known.left) if known else 1
    auction = model.pledges[sold - 1].auction if put_up else None
    best = auction[3] or auction[0] if auction else 100
    reserve = max(1, floor * rng.randrange(95, 120) // 100)
    amount = max(1, best * rng.randrange(98, 125) // 100)
    paid = rng.choice((1, 7, principal // 3 + 1, 10 * principal))
    plan: list[tuple[str, str, str, tuple[Any, ...], tuple[Any, ...] | None]] = [
        (who, F, "propose", (lender, "b1", start, end, loan, cover),
         (lender, start, end, principal, rate, due)),
        (rng.choice((side(proposed, "borrower"), "regulator")), F, "withdraw", (proposed,), None),
        (side(proposed, "lender"), F, "accept", (proposed,), None),
        (side(live, "borrower"), F, "repay", (live, paid), None),
        (side(claimed, "borrower"), F, "repay", (claimed, paid), None),
        (side(live, "lender"), F, "release", (live,), None),
        (side(claimed, "lender"), F, "waive", (claimed, max(1, paid // 2)), None),
        (side(active, "lender"), F, "call_margin", (active,), None),
        (to, F, "cure", (active,), None),
        (side(active, "lender"), F, "declare_default", (active,), None),
        (side(defaulted, "lender"), F, "open_auction", (defaulted, reserve, DAY), None),
        (to, F, "bid", (sold, amount), None),
        (to, F, "settle_auction", (sold,), None),
        (who, C, "transfer", (CNY, to, paid, ""), (to, paid)),
        (who, U, "transfer", ("b1", start, end, to), (start, end, to)),
    ]  # fmt: skip
    weights = [12, 1, 10, 2, 2, 0.5, 1, 3, 1, 9, 9, 12, 6, 1, 1]
    sender, contract, method, arguments, known_as = rng.choices(plan, weights)[0]
    names = {(C, "transfer"): "give", (U, "transfer"): "move"}
    name = names.get((contract, method), method)
    return sender, Call(contract, method, arguments), name, (sender, *(known_as or arguments))


def draw_status(rng: random.Random, model: Model) -> Step:
    if model.suspended:
        name = rng.choice(sorted(model.suspended))
        return "regulator", Call("identity", "reinstate", (name,)), "reinstate", (name,)
    name = rng.choice(("alice", "bob"))
    return "regulator", Call("identity", "suspend", (name, "review")), "suspend", (name,)


def apply(model: Model, step: Step) -> tuple[Model, str]:
    """The model after the step, and its code: a refusal leaves the model as it was."""
    changed = copy.deepcopy(model)
    try:
        getattr(changed, step[2])(*step[3])
    except RefusedError as refusal:
        return model, str(refusal)
    return changed, ""


def make_trades(rng: random.Random, chain: Chain, model: Model) -> None:
    """The market is made by others; the model only notes day, kilograms and money."""
    for _ in range(rng.randrange(0, 3)):
        price = rng.choice((70, 85, 100, 100, 110, 130))
        kg = rng.randrange(1, 30)
        lots = chain.view(U, "lots_of", "b1", SERIALS, 100)
        end = max(lot[1] for lot in lots if lot[2:4] == ["metering", "active"])
        sell(chain, "metering", price * 1000, end - kg, end)
        buy(chain, "laboratory", price * 1000, kg, force="fok")
        model.trades.append((chain.time // DAY, kg, price * kg))


def check(chain: Chain, model: Model) -> None:
    held = dict.fromkeys(EVERYBODY, 0)
    for pledge in model.pledges:
        if pledge.auction and pledge.auction[2]:
            held[pledge.auction[2]] += pledge.auction[3]
    accounts = {name: chain.view(C, "account_of", name, CNY)[:2] for name in EVERYBODY}
    assert accounts == {name: [model.free[name], held[name]] for name in EVERYBODY}
    assert all(free >= 0 and kept >= 0 for free, kept in accounts.values())
    assert sum(map(sum, accounts.values())) == MONEY * len(EVERYBODY)
    lots: list[list[Any]] = []
    while not lots or lots[-1][1] < SERIALS:
        lots += chain.view(U, "lots_of", "b1", lots[-1][1] if lots else 0, 100)
    lots = [lot for lot in lots if lot[1] <= SERIALS]
    assert [(lot[2], lot[3]) for lot in lots for _ in range(lot[0], lot[1])] == model.serials
    assert {lot[0] for lot in lots} | {SERIALS} == model.cuts
    live = [
        [n, "b1", p.start, p.end, p.borrower, p.lender, p.status]
        for n, p in enumerate(model.pledges, 1) if p.status in ("proposed", "active", "defaulted")
    ]  # fmt: skip
    assert chain.view(F, "list_liens", "", 0, 100) == sorted(live, key=lambda row: row[3])
    locked = {serial for row in live for serial in range(row[2], row[3])}
    assert locked == {n for n, (_, status) in enumerate(model.serials) if status == "locked"}
    for number, pledge in enumerate(model.pledges, 1):
        found = chain.view(F, "get_pledge", number)
        assert (found[7], found[11], found[13]) == (pledge.status, pledge.called, pledge.claim)
        until = copy.deepcopy(pledge)
        debt = until.owe(chain.time)
        owed = [until.left, debt - until.left, pledge.claim]
        assert chain.view(F, "owed", number) == owed
        if pledge.auction:
            assert chain.view(F, "get_auction", number) == pledge.auction


def prepare() -> tuple[Chain, Model]:
    chain = make_market_chain()
    chain.issue("b1", MADE)
    open_book(chain)
    chain.ok("owner", U, "transfer", "b1", SERIALS, MADE, "metering")
    fund(chain, "laboratory", 10**9)
    for name in EVERYBODY:
        fund(chain, name, MONEY)
    model = Model()
    for name, start, end in (("alice", 40, 80), ("bob", 80, 120)):
        chain.ok("owner", U, "transfer", "b1", start, end, name)
        model.put(start, end, name, "active")
    return chain, model


@pytest.mark.parametrize("seed", SEEDS)
def test_random_lending_keeps_every_invariant(seed: int) -> None:
    rng = random.Random(seed)
    chain, model = prepare()
    codes: list[str] = []
    done: list[str] = []
    for _ in range(BLOCKS):
        chain.time += rng.choice((1, 500, 3600, DAY // 3, DAY // 2, DAY))
        make_trades(rng, chain, model)
        transactions, expected = [], []
        model.now = chain.time + 1
        for _ in range(TRANSACTIONS_PER_BLOCK):
            step = draw(rng, model) if rng.random() < 0.97 else draw_status(rng, model)
            if step[0] in model.suspended:
                continue
            transactions.append(chain.make(step[0], step[1], gas=10_000_000))
            model, code = apply(model, step)
            expected.append((code, step))
            done += [step[2]] if code == "" else []
        receipts, _ = chain.run(*transactions)
        for receipt, (code, step) in zip(receipts, expected, strict=True):
            assert (receipt.status == "ok", receipt.code) == (code == "", code), step
        codes += [code for code, _ in expected]
        check(chain, model)
    # Weeks in which nobody lends would prove nothing, and some must see a lot sold.
    assert codes.count("") > 40 and {"accept", "repay"} <= set(done), done
    if seed in SOLD:
        assert {"declare_default", "open_auction", "bid"} <= set(done), done
        assert "liquidated" in {pledge.status for pledge in model.pledges}
