"""Random auctions against an auctioneer in plain Python who sorts all bids at once.

The model shares no code with the contract: it looks for the clearing price by trying every price,
shares with fractions, and settles an auction in one go where the contract takes random steps.
After every block each refusal's code agrees, money and units are conserved, nothing is below zero,
what is held is what live bids set aside, and what is locked is what is still offered; when an
auction is over, price, winners, payments and statuses are the model's. A failing seed is in the
name of the test.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from primitives.codec import Value
from primitives.transaction import Call
from tests.unit.vm.auction_chain import (
    BIDDERS,
    MONEY,
    NAMES,
    A,
    C,
    T,
    make_auction_chain,
    make_salt,
    make_terms,
    money,
    seal,
)
from tests.unit.vm.carbon_chain import Chain
from tests.unit.vm.market_chain import CNY

SEEDS = range(8)
BLOCKS = 60
TRANSACTIONS_PER_BLOCK = 5
EVERYBODY = (*BIDDERS, "owner")
OVER = ("sold", "cancelled")


class RefusedError(Exception):
    """The model refuses; the text is the code."""


@dataclass
class Bid:
    who: str
    price: int
    kg: int
    money: int
    status: str
    won: int = 0
    paid: int = 0


@dataclass
class Auction:
    """``start`` and ``kg`` of its one lot; ``ends`` when it may be cleared."""

    start: int
    kg: int
    terms: dict[str, Any]
    bids: list[Bid] = field(default_factory=list)
    status: str = "open"
    price: int = 0

    @property
    def ends(self) -> int:
        return int(self.terms["reveals_until"] or self.terms["closes_at"])

    def taken(self, who: str) -> int:
        return sum(bid.kg for bid in self.bids if bid.who == who and bid.status == "valid")


@dataclass
class Model:
    now: int = 0
    next_serial: int = 0
    free: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BIDDERS, MONEY))
    auctions: list[Auction] = field(default_factory=list)
    suspended: bool = False

    def find_open(self, auction: Auction) -> None:
        if auction.status != "open":
            raise RefusedError(f"auction-{auction.status}")

    def find_window(self, auction: Auction) -> None:
        self.find_open(auction)
        if not auction.terms["opens_at"] <= self.now < auction.terms["closes_at"]:
            raise RefusedError("window-closed")

    def check_bid(self, auction: Auction, price: int, kg: int) -> None:
        if price < auction.terms["reserve_price"]:
            raise RefusedError("below-reserve")
        if kg % auction.terms["step_kg"]:
            raise RefusedError("bad-amount")
        if kg > auction.terms["cap_kg"]:
            raise RefusedError("above-cap")

    def put(self, auction: Auction, bid: Bid) -> None:
        if sum(1 for made in auction.bids if made.who == bid.who) == 20:
            raise RefusedError("too-many-bids")
        if bid.status == "valid" and auction.taken(bid.who) + bid.kg > auction.terms["cap_kg"]:
            raise RefusedError("above-cap")
        if self.free[bid.who] < bid.money:
            raise RefusedError("not-enough-money")
        self.free[bid.who] -= bid.money
        auction.bids.append(bid)

    def bid(self, auction: Auction, who: str, price: int, kg: int) -> None:
        self.find_window(auction)
        if auction.terms["sealed"]:
            raise RefusedError("sealed-auction")
        self.check_bid(auction, price, kg)
        self.put(auction, Bid(who, price, kg, cost(price, kg), "valid"))

    def commit(self, auction: Auction, who: str, price: int, kg: int, deposit: int) -> None:
        self.find_window(auction)
        if not auction.terms["sealed"]:
            raise RefusedError("open-auction")
        self.put(auction, Bid(who, price, kg, deposit, "sealed"))

    def reveal(self, auction: Auction, who: str, number: int) -> None:
        self.find_open(auction)
        if not auction.terms["closes_at"] <= self.now < auction.terms["reveals_until"]:
            raise RefusedError("not-revealing")
        bid = auction.bids[number - 1]
        if bid.status != "sealed":
            raise RefusedError("not-sealed")
        self.check_bid(auction, bid.price, bid.kg)
        if cost(bid.price, bid.kg) > bid.money:
            raise RefusedError("above-deposit")
        if auction.taken(who) + bid.kg > auction.terms["cap_kg"]:
            raise RefusedError("above-cap")
        bid.status = "valid"

    def withdraw(self, auction: Auction, who: str, number: int) -> None:
        self.find_window(auction)
        bid = auction.bids[number - 1]
        if bid.status not in ("valid", "sealed"):
            raise RefusedError("bid-ended")
        self.close(bid, "withdrawn")

    def close(self, bid: Bid, status: str) -> None:
        self.free[bid.who] += bid.money
        bid.money, bid.status = 0, status

    def cancel(self, auction: Auction) -> None:
        self.find_open(auction)
        auction.status = "releasing"

    def release(self, auction: Auction) -> None:
        for bid in auction.bids:
            if bid.money:
                self.close(bid, "released")
        auction.status = "cancelled"

    def clear(self, auction: Auction) -> None:
        """All at once: the highest price at which the bids reach the offer, or the lowest bid."""
        for bid in auction.bids:
            if bid.status == "valid" and bid.who == "bob" and self.suspended:
                self.close(bid, "excluded")
        valid = [bid for bid in auction.bids if bid.status == "valid"]
        asked = sum(bid.kg for bid in valid)
        sold = bool(valid) and asked >= auction.terms["minimum_kg"]
        proceeds = 0
        if sold:
            prices = sorted({bid.price for bid in valid}, reverse=True)
            reached = [p for p in prices if sum(b.kg for b in valid if b.price >= p) >= auction.kg]
            auction.price = reached[0] if reached else prices[-1]
            for bid in auction.bids:
                # Nobody looks at who may receive what below the price that was reached.
                if reached and bid.status == "excluded" and bid.price < auction.price:
                    bid.status = "lost"
            proceeds = self.share(auction, valid)
        for bid in auction.bids:
            if bid.status == "sealed":
                lost = bid.money * int(auction.terms["forfeit_rate"]) // 10_000
                bid.paid, bid.money = lost, bid.money - lost
                self.free["owner"] = self.free.get("owner", 0) + lost
                self.close(bid, "unrevealed")
            elif bid.status == "valid":
                self.close(bid, "lost" if sold else "released")
        self.free["owner"] = self.free.get("owner", 0) + proceeds
        auction.status = "sold" if sold else "cancelled"

    def share(self, auction: Auction, valid: list[Bid]) -> int:
        above = [bid for bid in valid if bid.price > auction.price]
        margin = [bid for bid in valid if bid.price == auction.price]
        asked = sum(bid.kg for bid in margin)
        left = min(asked, auction.kg - sum(bid.kg for bid in above))
        step, done, proceeds = auction.terms["step_kg"], 0, 0
        for bid in above:
            bid.won = bid.kg
        for bid in margin:
            if auction.terms["rationing"] == "time":
                bid.won = max(0, min(bid.kg, left - done))
            else:
                ends = [
                    step * math.floor(Fraction(left * kg, asked * step))
                    for kg in (done, done + bid.kg)
                ]
                bid.won = ends[1] - ends[0]
                assert abs(bid.won - Fraction(left * bid.kg, asked)) < step
            done += bid.kg
        for bid in valid:
            if bid.won:
                bid.paid = cost(auction.price, bid.won)
                bid.money -= bid.paid
                assert bid.money >= 0
                proceeds += bid.paid
                self.close(bid, "won")
        assert sum(bid.won for bid in valid) == min(auction.kg, sum(bid.kg for bid in valid))
        return proceeds


def cost(price: int, kg: int) -> int:
    return math.ceil(Fraction(price * kg, 1000))


Step = tuple[str, Call, str, tuple[Any, ...]]


def draw_opening(rng: random.Random, chain: Chain, model: Model) -> tuple[Call, Auction]:
    sealed = rng.random() < 0.5
    step = rng.choice((1, 1, 3))
    kg = step * rng.randrange(4, 20)
    opens = model.now + rng.randrange(0, 3)
    closes = opens + rng.randrange(4, 14)
    terms = make_terms(
        chain, sealed=sealed, step_kg=step, reserve_price=rng.randrange(1, T),
        cap_kg=step * rng.randrange(5, 40), minimum_kg=rng.choice((0, 0, kg // 2, kg)),
        rationing=rng.choice(("time", "pro-rata")),
        forfeit_rate=rng.randrange(0, 10_001) if sealed else 0, opens_at=opens, closes_at=closes,
        reveals_until=closes + rng.randrange(1, 8) if sealed else 0,
    )  # fmt: skip
    start = model.next_serial
    auction = Auction(start, kg, dict(zip(NAMES, terms, strict=True)))
    lot: list[Value] = ["b1", start, start + kg]
    return Call(A, "open_auction", ([lot], terms)), auction


def draw(rng: random.Random, model: Model) -> Step:
    going = [n for n, auction in enumerate(model.auctions, 1) if auction.status not in OVER]
    if not going or rng.random() < 0.05:
        going = list(range(1, len(model.auctions) + 1))
    number = rng.choice(going)
    auction = model.auctions[number - 1]
    who = rng.choice([name for name in BIDDERS if name != "bob" or not model.suspended])
    # Few prices, so that the margin has many equal bids.
    price = rng.randrange(1, 6) * T // 2 + rng.choice((0, 0, 1))
    kg = auction.terms["step_kg"] * rng.randrange(1, 12) + (rng.random() < 0.03)
    deposit = cost(price, kg) + rng.choice((0, 0, 5, -1))
    salt = make_salt(0)
    own = [n for n, bid in enumerate(auction.bids, 1) if bid.who == who]
    mine = rng.choice(own) if own else 0
    made = auction.bids[mine - 1] if mine else Bid(who, 1, 1, 0, "")
    sealed = seal(who, price, kg, salt, number)
    steps: list[Step] = [
        (who, Call(A, "bid", (number, price, kg)), "bid", (auction, who, price, kg)),
        (who, Call(A, "commit", (number, sealed, max(1, deposit))), "commit",
         (auction, who, price, kg, max(1, deposit))),
        (who, Call(A, "reveal", (number, mine, made.price, made.kg, salt)), "reveal",
         (auction, who, mine)),
        (who, Call(A, "withdraw", (number, mine)), "withdraw", (auction, who, mine)),
        ("regulator", Call(A, "cancel", (number, "")), "cancel", (auction,)),
    ]  # fmt: skip
    is_sealed = bool(auction.terms["sealed"])
    weights = [1 if is_sealed else 12, 12 if is_sealed else 1, 14 if mine else 0,
               1 if mine else 0, 0.15]  # fmt: skip
    return rng.choices(steps, weights)[0]


def check(chain: Chain, model: Model) -> None:
    """What must hold after every block, also in the middle of a clearing."""
    accounts = {name: money(chain, name) for name in EVERYBODY}
    assert all(free >= 0 and held >= 0 for free, held in accounts.values())
    issued, redeemed = chain.view(C, "total", CNY)
    assert sum(map(sum, accounts.values())) == issued - redeemed
    held = dict.fromkeys(EVERYBODY, 0)
    offered = 0
    for number in chain.view(A, "list_auctions", 0, 100):
        found = chain.view(A, "get_auction", number)
        if found[4] not in OVER:
            offered += sum(lot[2] - lot[1] for lot in chain.view(A, "lots_of", number))
        for row in chain.view(A, "bids_of", number, 0, 100):
            if row[4] in ("valid", "sealed"):
                held[row[1]] += chain.view(A, "get_bid", number, row[0])[3]
    assert {name: pair[1] for name, pair in accounts.items()} == held
    lots: list[list[Any]] = []
    while rows := chain.view("units", "lots_of", "b1", lots[-1][1] if lots else 0, 100):
        lots += rows
    assert sum(lot[1] - lot[0] for lot in lots) == lots[-1][1] == 10_000
    assert sum(lot[1] - lot[0] for lot in lots if lot[3] == "locked") == offered
    if all(auction.status in (*OVER, "open") for auction in model.auctions):
        assert {name: model.free.get(name, 0) for name in EVERYBODY} == {
            name: pair[0] for name, pair in accounts.items()
        }


def check_over(chain: Chain, model: Model, number: int) -> None:
    auction = model.auctions[number - 1]
    found = chain.view(A, "get_auction", number)
    assert found[4] == auction.status and found[6] == auction.price
    for index, bid in enumerate(auction.bids, 1):
        made = chain.view(A, "get_bid", number, index)
        assert (made[5], made[6], made[7]) == (bid.status, bid.won, bid.paid), (number, index)
    sold = sum(bid.won for bid in auction.bids)
    assert found[7] == sold
    at = auction.start
    for name in BIDDERS:
        won = sum(bid.won for bid in auction.bids if bid.who == name)
        kg = sum(
            lot[1] - lot[0]
            for lot in chain.view("units", "lots_of", "b1", at, 100)
            if lot[2] == name and at <= lot[0] < at + auction.kg
        )
        assert kg == won


def apply_blocks(rng: random.Random, chain: Chain, model: Model, codes: list[str]) -> None:
    transactions, expected = [], []
    model.now = chain.time + 1
    for _ in range(TRANSACTIONS_PER_BLOCK):
        step = draw(rng, model)
        transactions.append(chain.make(step[0], step[1]))
        code = ""
        try:
            getattr(model, step[2])(*step[3])
        except RefusedError as refusal:
            code = str(refusal)
        expected.append((code, step))
    receipts, _ = chain.run(*transactions)
    for receipt, (code, step) in zip(receipts, expected, strict=True):
        assert (receipt.status == "ok", receipt.code) == (code == "", code), step
    codes += [code for code, _ in expected]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_auctions_end_as_the_naive_auctioneer_says(seed: int) -> None:
    rng = random.Random(seed)
    chain, model, codes = make_auction_chain(), Model(), list[str]()
    prices: list[int] = []
    chain.issue("b1", 9_000, start=1000)
    for _ in range(BLOCKS):
        model.now = chain.time + 1
        if len([a for a in model.auctions if a.status not in OVER]) < 2:
            call, auction = draw_opening(rng, chain, model)
            receipts, _ = chain.run(chain.make("owner", call))
            assert receipts[0].status == "ok", receipts
            model.next_serial += auction.kg
            model.auctions.append(auction)
        if rng.random() < 0.05:
            method = "reinstate" if model.suspended else "suspend"
            chain.ok("regulator", "identity", method, "bob", *(() if model.suspended else ("x",)))
            model.suspended = not model.suspended
        apply_blocks(rng, chain, model, codes)
        check(chain, model)
        for number, auction in enumerate(model.auctions, 1):
            stopped = auction.status == "releasing"
            over = chain.view(A, "get_auction", number)[4] in OVER
            if over or not (stopped or auction.ends <= chain.time + 1):
                continue
            (model.release if stopped else model.clear)(auction)
            while chain.ok("exchange", A, "advance", number, rng.randrange(1, 6)) not in OVER:
                check(chain, Model(auctions=[Auction(0, 0, {}, status="clearing")]))
            check(chain, model)
            check_over(chain, model, number)
            prices.append(auction.price)
    assert sum(1 for price in prices if price) > 3 and codes.count("") > len(codes) // 4, codes
