"""A chain on which loans are made: a book with trades of three days, a bank with money."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from primitives.codec import Value
from tests.unit.vm.carbon_chain import DAY, Chain
from tests.unit.vm.market_chain import CNY, buy, fund, make_trading_chain, sell

F, U, C, ID = "finance", "units", "cash", "identity"
T = 1000
PRICE = 100
"""A kilogram's, in 10^-4 of the currency: a lot of 100 kg is worth 10,000."""
MONEY = 10**9
YEAR = 365 * DAY
GRACE = 5 * DAY
CURE = 2 * DAY

LOAN: dict[str, Value] = {
    "currency": CNY, "principal": 8000, "rate": 365, "day_basis": 365, "due_at": 0,
}  # fmt: skip
"""3.65 % a year: of 8000 it is 0.8 a day. ``due_at`` is set 100 days ahead."""
COVER: dict[str, Value] = {
    "book": "b1", "window_days": 5, "trades_min": 3, "haircut": 2000, "ltv_max": 9000,
    "grace_seconds": GRACE, "cure_seconds": CURE,
}  # fmt: skip
"""80 % is lent at most, and 90 % is the bound that calls for more."""


@dataclass
class Terms:
    loan: dict[str, Value] = field(default_factory=dict)
    cover: dict[str, Value] = field(default_factory=dict)

    def make(self, chain: Chain) -> tuple[Value, Value]:
        loan = {**LOAN, "due_at": chain.time + 1 + 100 * DAY, **self.loan}
        return list(loan.values()), list((COVER | self.cover).values())


def trade(chain: Chain, price: int, count: int = 3, kg: int = 10) -> None:
    """``count`` trades of ``owner`` to ``bob``, from the end of b1, at ``price`` a kilogram."""
    for _ in range(count):
        lots = chain.view("units", "lots_of", "b1", 0, 100)
        lot = [row for row in lots if row[2:4] == ["owner", "active"]][-1]
        sell(chain, "owner", price * T, lot[1] - kg, lot[1])
        buy(chain, "bob", price * T, kg, force="fok")


def next_day(chain: Chain, days: int = 1) -> None:
    chain.time = (chain.time // DAY + days) * DAY


def make_finance_chain() -> Chain:
    """``owner`` has 970 kg of b1 and ``bob`` 30, bought at 100 a kilogram yesterday."""
    chain = make_trading_chain()
    fund(chain, "bank", MONEY)
    fund(chain, "mint", MONEY)
    trade(chain, PRICE)
    next_day(chain)
    return chain


def propose(
    chain: Chain, start: int = 0, end: int = 100, lender: str = "bank", owner: str = "owner",
    **changes: Value,
) -> int:  # fmt: skip
    loan = {name: value for name, value in changes.items() if name in LOAN}
    cover = {name: value for name, value in changes.items() if name in COVER}
    terms = Terms(loan, cover).make(chain)
    number: int = chain.ok(owner, F, "propose", lender, "b1", start, end, *terms)
    return number


def lend(chain: Chain, start: int = 0, end: int = 100, **changes: Any) -> int:
    number = propose(chain, start, end, **changes)
    chain.ok("bank", F, "accept", number)
    return number


def default(chain: Chain, **changes: Any) -> int:
    """A loan whose due date and days of grace are over."""
    number = lend(chain, **changes)
    chain.time = get(chain, number, "due_at") + GRACE
    chain.ok("bank", F, "declare_default", number)
    return number


FIELDS = (
    "borrower", "lender", "batch", "start", "end", "loan", "cover", "status", "principal",
    "interest", "accrued_day", "called_at", "floor", "claim", "since",
)  # fmt: skip


def get(chain: Chain, number: int, name: str) -> Any:
    found = chain.view(F, "get_pledge", number)
    if name == "due_at":
        return found[5][4]
    return found[FIELDS.index(name)]


def money(chain: Chain, name: str) -> list[int]:
    """[free, held]"""
    found: list[int] = chain.view(C, "account_of", name, CNY)[:2]
    return found


def lot(chain: Chain, serial: int = 0) -> list[Any]:
    found: list[Any] = chain.view(U, "get_lot_at", "b1", serial)[:4]
    return found
