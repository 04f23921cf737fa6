"""Auctions on a chain in memory, for their tests."""

from __future__ import annotations

import hashlib
from typing import Any

from primitives.codec import Value
from tests.unit.vm.carbon_chain import Chain
from tests.unit.vm.market_chain import CNY, C, fund, make_market_chain

A = "auctions"
T = 1000
"""A price of 1000 a tonne is 1 a kilogram."""
MONEY = 10**6
BIDDERS = ("alice", "bob", "metering")
NAMES = [
    "currency", "tick", "step_kg", "reserve_price", "cap_kg", "minimum_kg", "rationing", "sealed",
    "forfeit_rate", "opens_at", "closes_at", "reveals_until",
]  # fmt: skip
WINDOW = 100


def make_auction_chain() -> Chain:
    """``owner`` has 1000 kg of b1; three bidders have a million each."""
    chain = make_market_chain()
    chain.issue("b1", 1000)
    for name in BIDDERS:
        fund(chain, name, MONEY)
    return chain


def make_terms(chain: Chain, **changes: Value) -> list[Value]:
    """An open auction from now on; with ``sealed`` as long again to reveal."""
    now = chain.time + 1
    terms: dict[str, Value] = {
        "currency": CNY, "tick": 1, "step_kg": 1, "reserve_price": T, "cap_kg": 1000,
        "minimum_kg": 0, "rationing": "time", "sealed": False, "forfeit_rate": 0,
        "opens_at": now, "closes_at": now + WINDOW,
        "reveals_until": now + 2 * WINDOW if changes.get("sealed") else 0,
    }  # fmt: skip
    assert not set(changes) - set(NAMES)
    return [(terms | changes)[name] for name in NAMES]


def open_auction(chain: Chain, kg: int = 100, **changes: Value) -> int:
    """The first ``kg`` serials that ``owner`` still has free, in one lot."""
    lots = chain.view("units", "lots_of", "b1", 0, 100)
    start = next(lot[0] for lot in lots if lot[2:4] == ["owner", "active"])
    lot: list[Value] = ["b1", start, start + kg]
    number: int = chain.ok("owner", A, "open_auction", [lot], make_terms(chain, **changes))
    return number


def bid(chain: Chain, who: str, price: int, kg: int, auction: int = 1) -> int:
    number: int = chain.ok(who, A, "bid", auction, price, kg)
    return number


def make_salt(number: int) -> bytes:
    return hashlib.sha256(f"salt {number}".encode()).digest()


def seal(who: str, price: int, kg: int, salt: bytes, auction: int = 1) -> bytes:
    """As docs/market.md says it, not as the contract does."""
    return hashlib.sha256(f"auction:{auction}:{who}:{price}:{kg}:{salt.hex()}".encode()).digest()


def commit(chain: Chain, who: str, price: int, kg: int, deposit: int, auction: int = 1) -> int:
    """A sealed bid; its salt is that of its price."""
    sealed = seal(who, price, kg, make_salt(price), auction)
    number: int = chain.ok(who, A, "commit", auction, sealed, deposit)
    return number


def end_window(chain: Chain, auction: int = 1) -> None:
    """The next block is the first one in which nobody bids."""
    chain.time = get_terms(chain, auction)["closes_at"] - 1


def end_revealing(chain: Chain, auction: int = 1) -> None:
    chain.time = get_terms(chain, auction)["reveals_until"] - 1


def get_terms(chain: Chain, auction: int = 1) -> dict[str, Any]:
    return dict(zip(NAMES, chain.view(A, "get_auction", auction)[1], strict=True))


def advance(chain: Chain, steps: int = 50, auction: int = 1) -> str:
    """Any member may; here ``exchange`` does."""
    status: str = chain.ok("exchange", A, "advance", auction, steps)
    return status


def money(chain: Chain, name: str) -> list[int]:
    """[free, held]"""
    found: list[int] = chain.view(C, "account_of", name, CNY)[:2]
    return found


def outcomes(chain: Chain, auction: int = 1) -> list[tuple[str, int]]:
    """(status, kg won) of each bid, by number."""
    return [tuple(row[4:6]) for row in chain.view(A, "bids_of", auction, 0, 100)]


def result(chain: Chain, auction: int = 1) -> list[Any]:
    """[status, reason, price, sold kg, proceeds]"""
    found: list[Any] = chain.view(A, "get_auction", auction)[4:]
    return found
