"""A trading chain with groups, for the tests of surveillance."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from primitives.codec import Value
from tests.unit.vm.carbon_chain import DAY, Chain
from tests.unit.vm.market_chain import M, buy, fund, make_trading_chain, sell

S, ID, U = "surveillance", "identity", "units"
NO_HASH = b""
HOUR = 3600
RULES = {
    "cycle_seconds": 3 * DAY, "cycle_tolerance": 500, "price_deviation": 2000, "price_days": 7,
    "price_trades": 3, "carousel_seconds": 30 * DAY, "carousel_returns": 2,
    "young_seconds": 30 * DAY, "young_kg": 100_000, "resale_seconds": 48 * HOUR, "many_flags": 5,
    "many_seconds": 30 * DAY,
}  # fmt: skip
"""The thresholds at genesis, written down a second time."""


def make_watched_chain(kg: int = 1000) -> Chain:
    """``owner`` has ``kg`` of b1; alice, bob, metering and bank have money; a book of b1."""
    chain = make_trading_chain()
    if kg > 1000:
        chain.issue("b1", kg - 1000, start=1000)
    for name in ("metering", "bank", "owner", "laboratory"):
        fund(chain, name, 10**9)
    return chain


def group(chain: Chain, head: str, *members: str) -> None:
    for member in members:
        chain.ok("regulator", ID, "set_control", member, head)


def trade(
    chain: Chain, seller: str, buyer: str, start: int, end: int, price: int = 100, book: str = "b1"
) -> int:
    """The serials of b1 change hands in the book; the number of the trade."""
    sell(chain, seller, price, start, end, book=book)
    buy(chain, buyer, price, end - start, book=book, force="fok")
    number: int = chain.view(M, "get_ticker", book)[1]
    return number


def place(*numbers: int, book: str = "b1") -> list[Value]:
    return [[book, number] for number in numbers]


def get_step(chain: Chain, serial: int, batch: str = "b1") -> int:
    """The number of the last step in the life of a serial."""
    number: int = chain.view(U, "trace", batch, serial, 1)[0][0]
    return number


def point(chain: Chain, serial: int, step: int = 0, batch: str = "b1") -> list[Value]:
    return [batch, serial, step or get_step(chain, serial, batch)]


def hand_on(chain: Chain, start: int, end: int, *owners: str) -> None:
    """Transfers outside the market, from the first owner to the last."""
    for giver, taker in pairwise(owners):
        chain.ok(giver, U, "transfer", "b1", start, end, taker)


def set_rules(chain: Chain, **changes: int) -> None:
    chain.ok("regulator", S, "set_rules", list((RULES | changes).values()))


FLAG_FIELDS = (
    "rule", "subjects", "facts", "measured", "allowed", "rules", "note", "evidence_hash",
    "happened_at", "raised_at", "height", "raised_by", "case",
)  # fmt: skip


def flag_of(chain: Chain, number: int) -> dict[str, Any]:
    return dict(zip(FLAG_FIELDS, chain.view(S, "get_flag", number), strict=True))


def raise_self_match(chain: Chain, start: int, seller: str = "owner", buyer: str = "alice") -> int:
    """A trade inside one group, and its flag."""
    number = trade(chain, seller, buyer, start, start + 1)
    flag: int = chain.ok("bob", S, "scan_self_match", "b1", number)
    return flag
